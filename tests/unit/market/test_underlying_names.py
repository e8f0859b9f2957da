"""Chains are of one exchange and of one contract at each strike and side; nothing that a dump lists is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fakes import chain_of, future_of, index_of
from tickertui.kite.instruments_csv import format_instruments, parse_instruments
from tickertui.market.instruments import ChainRows, Instrument, InstrumentKind, InstrumentTable
from tickertui.market.underlying_names import EXCHANGE_ORDER, in_exchange_order, listed_name

DEC, JAN = date(2026, 12, 29), date(2027, 1, 26)
PAIR, CRUDE, MILLS = "XAUINR", "BRENTOIL", "QRSMILLS"
CODES = {"NFO": 2, "CDS": 3, "BFO": 5, "BCD": 6, "MCX": 7, "NCO": 12}


def options(
    name: str, exchange: str, strikes: Sequence[float], first: int, lot: int, expiry: date = DEC
) -> list[Instrument]:
    return chain_of(name, expiry, strikes, first=first, exchange=exchange, code=CODES[exchange], lot_size=lot)


def future(name: str, exchange: str, number: int, expiry: date = DEC) -> Instrument:
    return future_of(name, expiry, number=number, exchange=exchange, code=CODES[exchange])


def table(*parts: list[Instrument]) -> InstrumentTable:
    """The contracts as they come by the broker's CSV."""
    return parse_instruments(
        format_instruments(InstrumentTable.from_instruments([one for part in parts for one in part]))
    )


def chain(of: InstrumentTable, underlying: str, expiry: date = DEC) -> ChainRows:
    rows = of.chain(underlying, expiry)
    assert rows is not None
    return rows


def tokens(rows: ChainRows) -> set[int]:
    return {token for token in (*rows.call_tokens.tolist(), *rows.put_tokens.tolist()) if token >= 0}


TWO_EXCHANGES = table(
    options(PAIR, "BCD", [101, 102, 103], 900, 1_000),
    options(PAIR, "CDS", [100, 101, 102], 100, 1),
    [future(PAIR, "BCD", 990), future(PAIR, "CDS", 190, JAN), future(PAIR, "CDS", 191)],
)


def test_one_name_on_two_exchanges_is_two_chains_each_with_its_own_lot() -> None:
    ours, other = chain(TWO_EXCHANGES, PAIR), chain(TWO_EXCHANGES, f"BCD:{PAIR}")
    assert (ours.exchange, ours.strikes.tolist(), set(ours.lots.ravel().tolist())) == ("CDS", [100, 101, 102], {1})
    assert (other.exchange, other.strikes.tolist(), set(other.lots.ravel().tolist())) == (
        "BCD",
        [101, 102, 103],
        {1000},
    )
    assert tokens(ours).isdisjoint(tokens(other))
    assert TWO_EXCHANGES.option_underlyings == (f"BCD:{PAIR}", PAIR)


def test_futures_are_those_of_the_chains_exchange() -> None:
    assert [(f.exchange, f.expiry) for f in TWO_EXCHANGES.futures_of(PAIR)] == [("CDS", DEC), ("CDS", JAN)]
    assert [(f.exchange, f.expiry) for f in TWO_EXCHANGES.futures_of(f"BCD:{PAIR}")] == [("BCD", DEC)]


def test_a_name_with_its_exchange_means_that_exchange_and_no_other() -> None:
    named = TWO_EXCHANGES.underlying_named
    assert (named(PAIR), named(f"CDS:{PAIR}"), named(f"BCD:{PAIR}")) == (PAIR, PAIR, f"BCD:{PAIR}")
    assert named(f"NFO:{PAIR}") is None
    alone = table(options(PAIR, "BCD", [101, 102], 900, 1_000))
    assert alone.option_underlyings == (PAIR,)
    assert (alone.underlying_named(f"BCD:{PAIR}"), alone.underlying_named(f"CDS:{PAIR}")) == (PAIR, None)


def test_who_has_a_name_is_said_with_the_way_to_write_the_other() -> None:
    assert TWO_EXCHANGES.explain_name(PAIR) == f"{PAIR} is CDS's; BCD's is BCD:{PAIR}"
    assert TWO_EXCHANGES.explain_name(f"BCD:{PAIR}") == f"BCD:{PAIR} is BCD's; CDS's is CDS:{PAIR}"
    assert table(options(CRUDE, "MCX", [5_000], 100, 100)).explain_name(CRUDE) == ""


@pytest.mark.parametrize(("first", "second"), [("MCX", "NCO"), ("CDS", "BCD"), ("NFO", "BFO"), ("NFO", "MCX")])
def test_the_bare_name_is_that_of_the_first_exchange_however_many_contracts_each_has(first: str, second: str) -> None:
    few, many = options(CRUDE, first, [5_000], 100, 100), options(CRUDE, second, [4_900, 5_000, 5_100], 900, 10)
    for contracts in (table(few, many), table(many, few)):
        assert chain(contracts, CRUDE).exchange == first
        assert chain(contracts, f"{second}:{CRUDE}").exchange == second


def test_exchanges_that_nobody_knows_come_last_by_their_name() -> None:
    assert in_exchange_order(["ZZZ", "NCO", "AAA", "NFO"]) == ["NFO", "NCO", "AAA", "ZZZ"]
    assert in_exchange_order(reversed(EXCHANGE_ORDER)) == list(EXCHANGE_ORDER)


def adjusted(strikes: Sequence[float], first: int, lot: int, series: str = "1") -> list[Instrument]:
    """Contracts of other terms: the same name and strikes, another symbol and lot."""
    rows = options(MILLS, "NFO", strikes, first, lot)
    return [replace(row, tradingsymbol=row.tradingsymbol.replace(MILLS, MILLS + series)) for row in rows]


def test_two_contracts_at_one_strike_are_two_series_of_their_own_lots() -> None:
    usual = options(MILLS, "NFO", [240, 245, 250], 100, 700)
    for parts in ((usual, adjusted([245, 250], 900, 910)), (adjusted([245, 250], 900, 910), usual)):
        contracts = table(*parts)
        ours, other = chain(contracts, MILLS), chain(contracts, f"{MILLS}/910")
        assert (ours.strikes.tolist(), set(ours.lots.ravel().tolist())) == ([240, 245, 250], {700})
        assert (other.strikes.tolist(), set(other.lots.ravel().tolist())) == ([245, 250], {910})
        assert (ours.series, other.series) == ((f"{MILLS}/910",), ())
        assert contracts.explain_name(MILLS) == f"{MILLS} is NFO's; that of lot 910 is {MILLS}/910"
        of_series = f"{MILLS}/910 is NFO's of lot 910; that of the usual lot is {MILLS}"
        assert contracts.explain_name(f"{MILLS}/910") == of_series


def test_two_contracts_that_differ_in_nothing_but_the_symbol_are_both_there() -> None:
    contracts = table(options(MILLS, "NFO", [240, 245], 100, 700), adjusted([245], 900, 700))
    assert chain(contracts, MILLS).strikes.tolist() == [240, 245]
    assert tokens(chain(contracts, f"{MILLS}/700#2")) == {900 << 8 | 2, 901 << 8 | 2}


def test_an_expiry_of_another_lot_is_no_series_of_its_own() -> None:
    contracts = table(options(MILLS, "NFO", [240, 245], 100, 700), options(MILLS, "NFO", [240, 245], 300, 650, JAN))
    assert contracts.option_underlyings == (MILLS,)
    assert (chain(contracts, MILLS).lot_size, chain(contracts, MILLS, JAN).lot_size) == (700, 650)


def test_a_chain_of_two_lots_keeps_that_of_each_leg() -> None:
    mixed = [*options(MILLS, "NFO", [240, 245], 100, 700), *options(MILLS, "NFO", [250], 300, 650)]
    rows = chain(table(mixed), MILLS)
    assert rows.lots.tolist() == [[700, 700], [700, 700], [650, 650]]
    assert rows.lot_size == 700


def test_the_dump_is_written_with_the_names_of_the_exchanges() -> None:
    written = format_instruments(TWO_EXCHANGES)
    assert b"BCD:" not in written
    assert format_instruments(parse_instruments(written)) == written


def test_what_is_no_derivative_keeps_its_name() -> None:
    share = Instrument(4_711, "QRS", "QRS MILLS / SPINNING: LTD", InstrumentKind.EQUITY, "NSE", "NSE")
    contracts = table([share, index_of("NIFTY 50", 256_265)])
    assert list(contracts.names) == ["QRS MILLS / SPINNING: LTD", "NIFTY 50"]


CONTRACT = st.tuples(
    st.sampled_from([PAIR, MILLS]), st.sampled_from(["NFO", "CDS", "BCD", "XYZ"]), st.sampled_from([DEC, JAN]),
    st.sampled_from([100.0, 100.5, 101.0]), st.sampled_from([InstrumentKind.CALL, InstrumentKind.PUT]),
    st.sampled_from([1, 700, 910]),
)  # fmt: skip


@given(st.lists(CONTRACT, max_size=40))
def test_every_contract_is_in_exactly_one_chain_and_no_chain_is_of_two_exchanges(
    listed: list[tuple[str, str, date, float, InstrumentKind, int]],
) -> None:
    contracts = InstrumentTable.from_instruments(
        Instrument(1_000 + place, f"S{place}", name, kind, f"{exchange}-OPT", exchange, expiry, strike, lot_size=lot)
        for place, (name, exchange, expiry, strike, kind, lot) in enumerate(listed)
    )
    found: list[int] = []
    for underlying in contracts.option_underlyings:
        for expiry in contracts.expiries_of(underlying):
            rows = chain(contracts, underlying, expiry)
            legs = [contracts.get(token) for token in tokens(rows)]
            found += [leg.token for leg in legs if leg is not None]
            assert {leg.exchange for leg in legs if leg is not None} == {rows.exchange}
            assert {listed_name(leg.name) for leg in legs if leg is not None} == {listed_name(underlying)}
            for leg in legs:
                assert leg is not None
                assert leg.strike is not None
                assert contracts.find_option(underlying, expiry, leg.strike, leg.kind) == leg
                at = rows.strikes.tolist().index(leg.strike)
                assert rows.lots[at, leg.kind - InstrumentKind.CALL] == leg.lot_size
    assert sorted(found) == sorted(contracts.tokens.tolist())
    again = InstrumentTable.from_instruments(contracts.instrument(row) for row in range(len(contracts)))
    assert list(again.names) == list(contracts.names)
