"""Finding contracts by what is typed."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.fakes import chain_of, future_of, index_of, table_of
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.services.contracts.search import SearchIndex

W01, W08, M29 = date(2026, 12, 1), date(2026, 12, 8), date(2026, 12, 29)


def ladder(low: int, high: int, step: int) -> list[float]:
    return [float(strike) for strike in range(low, high + 1, step)]


TABLE = table_of(
    [
        index_of("NIFTY 50", 256265),
        Instrument(738561, "RELIANCE", "RELIANCE INDUSTRIES", InstrumentKind.EQUITY, "NSE", "NSE"),
        Instrument(779521, "SBIN", "STATE BANK OF INDIA", InstrumentKind.EQUITY, "NSE", "NSE"),
        Instrument(519937, "M&M", "MAHINDRA & MAHINDRA", InstrumentKind.EQUITY, "NSE", "NSE"),
        Instrument(2707457, "NIFTYBEES", "NIP IND ETF NIFTY BEES", InstrumentKind.EQUITY, "NSE", "NSE"),
        future_of("NIFTY", M29, number=90_000),
        future_of("BANKNIFTY", M29, number=90_001),
        future_of("RELIANCE", M29, number=90_002),
    ],
    chain_of("NIFTY", W01, ladder(23_500, 25_200, 50), first=1_000),
    chain_of("NIFTY", W08, ladder(24_000, 25_000, 50), first=2_000),
    chain_of("NIFTY", M29, ladder(23_000, 26_000, 500), first=3_000),
    chain_of("BANKNIFTY", M29, ladder(50_000, 60_000, 100), first=4_000),
    chain_of("MIDCPNIFTY", M29, ladder(14_000, 15_000, 25), first=5_000),
    chain_of("NIFTYNXT50", M29, ladder(70_000, 72_000, 100), first=6_000),
    chain_of("RELIANCE", M29, [1_400.0, 1_420.0, 1_422.5], first=7_000),
    chain_of("SENSEX", date(2026, 12, 3), ladder(78_000, 82_000, 100), first=8_000, exchange="BFO", code=5),
)
INDEX = SearchIndex(TABLE)


def found(text: str, limit: int = 50) -> list[str]:
    return [instrument.tradingsymbol for instrument in INDEX.find(text, limit)]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("nifty 24500 ce dec", "NIFTY26120124500CE"),
        ("NIFTY 24500 PE 8dec", "NIFTY26120824500PE"),
        ("24500 put nifty 29", "NIFTY26122924500PE"),
        ("nifty 24500pe 0812", "NIFTY26120824500PE"),
        ("nifty 20261208 24500 c", "NIFTY26120824500CE"),
        ("banknifty 52000 call", "BANKNIFTY26122952000CE"),
        ("bnf 52000 p", "BANKNIFTY26122952000PE"),
        ("bankinfty 52000 pe", "BANKNIFTY26122952000PE"),
        ("niftee 24500 ce", "NIFTY26120124500CE"),
        ("midcap 14975 ce", "MIDCPNIFTY26122914975CE"),
        ("relaince fut", "RELIANCE26DECFUT"),
        ("reliance 1422.5 pe", "RELIANCE2612291422.5PE"),
        ("reliance eq", "RELIANCE"),
        ("RELIANCE", "RELIANCE"),
        ("nifty 50", "NIFTY 50"),
        ("state bank", "SBIN"),
        ("m&m", "M&M"),
        ("nifty index", "NIFTY 50"),
        ("nifty future", "NIFTY26DECFUT"),
        ("NIFTY26120824500CE", "NIFTY26120824500CE"),
        ("nifty261208245", "NIFTY26120824500CE"),
        ("sensex december 80000 ce", "SENSEX26120380000CE"),
    ],
)
def test_the_best_comes_first(text: str, first: str) -> None:
    assert found(text)[0] == first


def test_every_word_must_fit() -> None:
    assert found("nifty zzz") == []
    assert found("sensex january") == []
    assert found("") == []
    assert found("   ") == []
    assert found("nifty", 0) == []


def test_the_exact_name_goes_before_those_that_contain_it() -> None:
    names = [instrument.name for instrument in INDEX.find("nifty", 200)]
    assert set(names[: names.count("NIFTY")]) == {"NIFTY"}
    assert "BANKNIFTY" in names


def test_a_strike_that_is_not_listed_gives_its_neighbours_only_where_nothing_fits() -> None:
    assert found("nifty 24500 ce 29dec") == ["NIFTY26122924500CE"]
    assert found("nifty 24450 ce 29dec")[0] == "NIFTY26122924500CE"


def test_a_begun_strike() -> None:
    strikes = {instrument.strike for instrument in INDEX.find("nifty 245 1dec", 100) if instrument.name == "NIFTY"}
    assert strikes == {24_500.0, 24_550.0}


def test_equally_good_ones_come_from_the_middle_of_the_chain() -> None:
    assert found("nifty 1dec", 2) == ["NIFTY26120124350CE", "NIFTY26120124350PE"]


def test_an_empty_table_finds_nothing() -> None:
    assert SearchIndex(InstrumentTable.from_instruments(())).find("nifty") == ()


@given(st.integers(0, len(TABLE) - 1))
def test_every_contract_is_found_by_its_symbol_and_by_its_parts(row: int) -> None:
    instrument = TABLE.instrument(row)
    assert instrument in INDEX.find(instrument.tradingsymbol, 5)
    if instrument.kind.is_option:
        assert instrument.expiry is not None
        text = f"{instrument.name} {instrument.expiry:%d%b} {instrument.strike:g} {instrument.kind.label}"
        assert INDEX.find(text, 1) == (instrument,)


@given(st.text(max_size=30), st.integers(1, 20))
@example("²", 1)
@example("1.5.7 ٣ nifty² & 24500.", 5)
def test_whatever_is_typed_never_fails(text: str, limit: int) -> None:
    assert len(INDEX.find(text, limit)) <= limit
