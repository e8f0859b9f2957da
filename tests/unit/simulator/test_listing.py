"""What the simulated exchange lists on which day, and where its underlyings stand."""

from __future__ import annotations

import gzip
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.support.paths import LISTINGS, REAL_LISTING
from tests.support.plain_market import EXPIRY, LATER, plain_instruments
from tickertui.kite.instruments_csv import format_instruments
from tickertui.market.clock import IST
from tickertui.market.hours import load_calendar
from tickertui.market.instruments import InstrumentTable
from tickertui.market.universe import load_universe, universe_instruments
from tickertui.simulator.listing import (
    BundledContracts,
    ContractsUnreadable,
    DumpContracts,
    ListedMarket,
    has_options,
    joined,
    living,
    read_contracts,
)
from tickertui.synthetic.market import MockMarket

START = datetime(2026, 11, 25, 11, 0, tzinfo=IST)
TABLE = InstrumentTable.from_instruments(plain_instruments())


def unknown(name: str) -> float | None:
    return None


def tokens(table: InstrumentTable) -> set[int]:
    return set(table.tokens.tolist())


def test_expired_contracts_leave_and_the_rest_stays_as_it_is() -> None:
    assert living(TABLE, EXPIRY) is TABLE, "a contract is listed on its last day"
    after = living(TABLE, EXPIRY + timedelta(days=1))
    assert after.expiries_of("NIFTY") == (LATER,)
    for row in range(len(after)):
        instrument = after.instrument(row)
        assert instrument == TABLE.get(instrument.token)
    nothing = living(TABLE, date(2030, 1, 1))
    assert not has_options(nothing)
    assert sorted(nothing.symbols) == ["INFY", "NIFTY 50"]


def test_tables_are_joined_by_token() -> None:
    half = living(TABLE, EXPIRY + timedelta(days=1))
    both = joined(half, TABLE)
    assert len(both) == len(TABLE)
    assert tokens(both) == tokens(TABLE)
    assert [both.instrument(row) for row in range(len(half))] == [half.instrument(row) for row in range(len(half))]


def test_a_dump_gets_the_indices_that_it_lacks() -> None:
    universe = load_universe()
    options = living(TABLE, EXPIRY)
    contracts = DumpContracts(options, universe).on(EXPIRY, unknown, None)
    nifty = universe.get("NIFTY")
    assert nifty is not None
    assert nifty.index_token in tokens(contracts)
    assert {index.instrument.token for index in universe.other_indices} <= tokens(contracts)
    sensex = universe.get("SENSEX")
    assert sensex is not None
    assert sensex.index_token not in tokens(contracts), "nothing of it is in the dump"
    assert len(contracts) == len(tokens(contracts))


def test_an_underlying_stands_in_the_middle_of_its_nearest_chain() -> None:
    contracts = DumpContracts(TABLE, load_universe())
    assert contracts.levels(EXPIRY) == {"NIFTY": 26_000.0}
    assert contracts.levels(date(2030, 1, 1)) == {}


def test_the_bundled_contracts_change_overnight_and_lose_nothing_that_lives() -> None:
    universe = load_universe()
    contracts = BundledContracts(universe)
    first = contracts.on(START.date(), unknown, None)
    assert tokens(first) == tokens(universe_instruments(universe, START.date()))
    day = date(2026, 12, 2)
    second = contracts.on(day, lambda name: 1.1 * float(universe.get(name).spot), first)  # type: ignore[union-attr]
    assert tokens(living(first, day)) < tokens(second)
    assert (second.expiries[second.expiries > 0] >= day.toordinal()).all()
    assert len(tokens(second)) == len(second)


def test_the_market_rolls_into_the_next_day() -> None:
    universe = load_universe()
    contracts = BundledContracts(universe)
    table = contracts.on(START.date(), unknown, None)
    mock = MockMarket(universe, load_calendar(), start=START, sessions=True, instruments=table)
    market = ListedMarket(mock, contracts)
    nearest = table.expiries_of("NIFTY")[0]
    chain = table.chain("NIFTY", nearest)
    assert chain is not None
    asked = chain.call_tokens.tolist()[:20]
    assert len(market.rows(asked)) == 20
    assert market.instruments is table
    market.step(datetime.combine(nearest, START.timetz()))
    assert nearest in market.instruments.expiries_of("NIFTY")
    market.step(datetime.combine(nearest + timedelta(days=1), START.timetz()))
    assert nearest not in market.instruments.expiries_of("NIFTY")
    assert len(market.rows(asked)) == 0
    following = market.instruments.chain("NIFTY", market.instruments.expiries_of("NIFTY")[0])
    assert following is not None
    rows = market.rows(following.call_tokens.tolist())
    assert len(rows) == np.count_nonzero(following.call_tokens > 0)
    assert (rows[:, 1] > 0).all()


@pytest.mark.parametrize("packed", [False, True])
def test_a_dump_is_read_plain_or_compressed(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "dump"
    content = format_instruments(TABLE)
    path.write_bytes(gzip.compress(content) if packed else content)
    assert tokens(read_contracts(path)) == tokens(TABLE)


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "cannot be read: No such file"),
        (b"", "the instruments dump is empty"),
        (b"a,b\n1,2\n", "lacks the column instrument_token"),
        (gzip.compress(b"x" * 1000)[:20], "it is not whole gzip"),
        (b"\x1f\x8bnonsense", "it is not whole gzip"),
    ],
)
def test_a_file_that_is_no_dump_is_one_sentence(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "dump.csv.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ContractsUnreadable) as caught:
        read_contracts(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", LISTINGS, ids=lambda path: path.name)
def test_the_brokers_listed_contracts_can_be_traded(path: Path) -> None:
    at = datetime(2026, 8, 18, 11, 0, tzinfo=IST)
    universe = load_universe()
    contracts = DumpContracts(read_contracts(path), universe)
    table = contracts.on(at.date(), unknown, None)
    levels = contracts.levels(at.date())
    assert set(levels) == set(table.option_underlyings)
    mock = MockMarket(universe, load_calendar(), start=at, sessions=True, instruments=table, levels=levels)
    market = ListedMarket(mock, contracts)
    for name in ("NIFTY", "SENSEX", "TCS" if path == REAL_LISTING else "BANKEX"):
        chain = table.chain(name, table.expiries_of(name)[0])
        assert chain is not None
        pairs = (chain.call_tokens > 0) & (chain.put_tokens > 0)
        calls, puts = (market.rows(side[pairs].tolist())[:, 1] / 100 for side in (chain.call_tokens, chain.put_tokens))
        crossing = chain.strikes[pairs][int(np.argmin(np.abs(calls - puts)))]
        assert crossing == pytest.approx(levels[name], rel=0.03), name
