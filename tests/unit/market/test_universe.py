"""The bundled universe: what it lists on a day, and that its data hangs together."""

from __future__ import annotations

import csv
import tomllib
from collections import Counter
from datetime import date, timedelta
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import LISTINGS, REAL_LISTING, listing
from tickertui.market.hours import load_calendar
from tickertui.market.instruments import InstrumentKind
from tickertui.market.universe import SEGMENT_CODES, Universe, load_universe, universe_instruments

UNIVERSE = load_universe()
CALENDAR = load_calendar()
TODAY = date(2026, 11, 25)


def listed(name: str, as_of: date = TODAY) -> list[tuple[date, str]]:
    underlying = UNIVERSE.get(name)
    assert underlying is not None
    return [(expiry.day, expiry.cycle) for expiry in underlying.expiries(as_of)]


def test_ten_underlyings_with_their_lots_steps_and_segments() -> None:
    assert {(u.name, u.lot_size, u.strike_step, u.segment) for u in UNIVERSE.underlyings} == {
        ("NIFTY", 65, 50, "NFO-OPT"),
        ("BANKNIFTY", 30, 100, "NFO-OPT"),
        ("FINNIFTY", 60, 50, "NFO-OPT"),
        ("MIDCPNIFTY", 120, 25, "NFO-OPT"),
        ("NIFTYNXT50", 25, 100, "NFO-OPT"),
        ("NIFTYFPI", 1100, 5, "NFO-OPT"),
        ("SENSEX", 20, 100, "BFO-OPT"),
        ("BANKEX", 30, 100, "BFO-OPT"),
        ("SENSEX50", 75, 50, "BFO-OPT"),
        ("FOCIT", 45, 100, "BFO-OPT"),
    }
    nifty = UNIVERSE.get("NIFTY")
    assert nifty is not None
    assert (nifty.index_token, nifty.quote_key, nifty.freeze_quantity) == (256265, "NSE:NIFTY 50", 1800)
    assert UNIVERSE.get("DOW") is None
    assert UNIVERSE.names[0] == "NIFTY"


def test_index_tokens_are_only_those_of_the_broker() -> None:
    tokens = UNIVERSE.index_tokens
    assert tokens["SENSEX"] == 265
    assert tokens["INDIA VIX"] == 264969
    assert "FOCIT" not in tokens
    assert all(token & 0xFF == SEGMENT_CODES["INDICES"] for token in tokens.values())


def test_nifty_lists_the_expiries_that_the_exchange_lists() -> None:
    assert listed("NIFTY")[:7] == [
        (date(2026, 12, 1), "weekly"),
        (date(2026, 12, 8), "weekly"),
        (date(2026, 12, 15), "weekly"),
        (date(2026, 12, 22), "weekly"),
        (date(2026, 12, 29), "monthly"),
        (date(2027, 1, 25), "monthly"),
        (date(2027, 2, 23), "monthly"),
    ]
    cycles = Counter(cycle for _, cycle in listed("NIFTY"))
    assert cycles == {"weekly": 4, "monthly": 3, "quarterly": 3, "half-yearly": 8}
    assert listed("SENSEX")[0] == (date(2026, 11, 26), "monthly")
    assert listed("BANKNIFTY")[0] == (date(2026, 12, 29), "monthly")


def test_an_expiry_is_listed_on_its_day_and_gone_the_day_after() -> None:
    monday = date(2026, 11, 23)
    assert listed("NIFTY", monday)[0] == (monday, "monthly")
    assert listed("NIFTY", monday + timedelta(days=1))[0] == (date(2026, 12, 1), "weekly")
    nifty = UNIVERSE.get("NIFTY")
    assert nifty is not None
    assert nifty.cycle(monday, monday) == "monthly"
    assert nifty.cycle(monday, TODAY) == ""
    assert nifty.future_expiries(TODAY) == (date(2026, 12, 29), date(2027, 1, 25), date(2027, 2, 23))


def test_the_lists_roll_forward_when_they_run_out() -> None:
    for underlying in UNIVERSE.underlyings:
        for as_of in (date(2027, 8, 2), date(2028, 12, 1), date(2031, 1, 3)):
            days = [expiry.day for expiry in underlying.expiries(as_of)]
            assert days == sorted(set(days))
            assert days[0] >= as_of
            if underlying.listings[0].cycle == "weekly":
                near = days[: underlying.listings[0].count]
                assert all(
                    timedelta(days=4) <= later - earlier <= timedelta(days=10) for earlier, later in pairwise(near)
                )


def test_dates_of_the_schedules_are_trading_days_in_one_order() -> None:
    document = tomllib.loads(files("tickertui.market").joinpath("data", "universe.toml").read_text(encoding="utf-8"))
    for schedule in document["schedule"].values():
        days = [day for kind in schedule["roll"] for day in schedule[kind]]
        assert len(set(days)) == len(days)
        for kind in schedule["roll"]:
            assert schedule[kind] == sorted(schedule[kind])
        known = [day for day in days if day <= CALENDAR.valid_until]
        assert all(CALENDAR.is_trading_day("NFO", day) for day in known)
        assert max(schedule["weekly"]) >= date(2027, 6, 1)


def test_the_table_looks_like_a_dump() -> None:
    table = universe_instruments(UNIVERSE, TODAY)
    assert len(set(table.tokens.tolist())) == len(table) == len(set(table.symbols))
    options = int(np.count_nonzero(table.kinds >= InstrumentKind.CALL))
    assert 9_000 < options < 10_000
    assert np.array_equal(table.tokens >> 8, table.exchange_tokens.astype(np.uint32))
    codes = {
        SEGMENT_CODES["NFO" if segment.startswith("NFO") else "BFO"] for segment in set(table.segments) - {"INDICES"}
    }
    assert codes == {2, 5}
    assert int(table.exchange_tokens.max()) < 1 << 22
    symbols = set(table.symbols)
    assert {"NIFTY26D0824350CE", "NIFTY26DEC24350PE", "NIFTY26DECFUT", "SENSEX26NOV79600CE", "NIFTY 50"} <= symbols
    chain = table.chain("NIFTY", date(2026, 12, 8))
    assert chain is not None
    assert len(chain.strikes) == 104
    assert (chain.call_tokens > 0).all()
    assert (chain.put_tokens > 0).all()
    assert (chain.lot_size, chain.tick_size, chain.exchange, chain.segment) == (65, 0.05, "NFO", "NFO-OPT")
    future = table.futures_of("NIFTY")[0]
    assert (future.tradingsymbol, future.tick_size, future.segment) == ("NIFTY26DECFUT", 0.1, "NFO-FUT")
    assert table.option_underlyings == tuple(sorted(UNIVERSE.names))


def test_a_single_option_equals_its_row_in_the_table() -> None:
    nifty = UNIVERSE.get("NIFTY")
    assert nifty is not None
    weekly = nifty.expiries(TODAY)[1]
    option = nifty.option(weekly, 24_350.0, InstrumentKind.PUT)
    table = universe_instruments(UNIVERSE, TODAY)
    assert table.get(option.token) == option
    new = nifty.option(weekly, 27_500.0, InstrumentKind.CALL)
    assert table.get(new.token) is None


def test_the_strikes_follow_a_level_that_is_given() -> None:
    table = universe_instruments(UNIVERSE, TODAY, {"NIFTY": 30_000.0})
    chain = table.chain("NIFTY", date(2026, 12, 1))
    assert chain is not None
    assert chain.strikes[0] == 27_400
    assert chain.strikes[-1] == 32_600


@given(st.dates(min_value=date(2026, 7, 1), max_value=date(2031, 12, 31)), st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_a_contract_keeps_its_token_and_no_two_live_ones_share_one(day: date, later: int) -> None:
    before, after = universe_instruments(UNIVERSE, day), universe_instruments(UNIVERSE, day + timedelta(days=later))
    assert len(set(before.tokens.tolist())) == len(before)
    by_symbol = dict(zip(before.symbols, before.tokens.tolist(), strict=True))
    expiry_of = dict(zip(before.symbols, before.expiries.tolist(), strict=True))
    for symbol, token, expiry in zip(after.symbols, after.tokens.tolist(), after.expiries.tolist(), strict=True):
        if expiry_of.get(symbol) == expiry:
            assert by_symbol[symbol] == token


@pytest.mark.parametrize("path", LISTINGS, ids=lambda path: path.name)
def test_the_universe_agrees_with_what_was_listed(path: Path) -> None:
    rows = [row for row in csv.DictReader(listing(path).decode().splitlines()) if row["name"] in UNIVERSE.names]
    options = [row for row in rows if row["instrument_type"] in ("CE", "PE")]
    day = date(2026, 8, 18)
    assert_same_expiries(UNIVERSE, day, {(row["name"], row["expiry"]) for row in options})
    for underlying in UNIVERSE.underlyings:
        own = [row for row in options if row["name"] == underlying.name]
        assert {int(row["lot_size"]) for row in own} == {underlying.lot_size}
        assert {float(row["tick_size"]) for row in own} == {underlying.tick_size}
        futures = [row for row in rows if row["name"] == underlying.name and row["instrument_type"] == "FUT"]
        assert {float(row["tick_size"]) for row in futures} == {underlying.future_tick_size}
        assert {row["expiry"] for row in futures} == {str(expiry) for expiry in underlying.future_expiries(day)}
    if path == REAL_LISTING:  # the other one has a few strikes of each chain
        count = int(np.count_nonzero(universe_instruments(UNIVERSE, day).kinds >= InstrumentKind.CALL))
        assert count == pytest.approx(len(options), rel=0.03)
    levels = {"NIFTY": 24_600.0, "SENSEX": 77_650.0, "BANKNIFTY": 57_250.0}
    real = {row["tradingsymbol"] for row in options if row["name"] in levels}
    table = universe_instruments(UNIVERSE, day, levels)
    ours = {symbol for symbol, name in zip(table.symbols, table.names, strict=True) if name in levels}
    assert len(real & ours) > 0.95 * len(real)


def assert_same_expiries(universe: Universe, day: date, real: set[tuple[str, str]]) -> None:
    ours = {(u.name, str(expiry.day)) for u in universe.underlyings for expiry in u.expiries(day)}
    assert ours == real
