"""The broker's instruments dump: read as the official client reads it, written as the broker writes it."""

from __future__ import annotations

import csv
import gzip
import io
import math
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import LISTINGS, listing
from tickertui.kite.instruments_csv import HEADER, DumpError, format_instruments, parse_dump, parse_instruments
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.market.underlying_names import listed_name

HEADER_LINE = ",".join(HEADER)
SAMPLE = f"""{HEADER_LINE}
256265,1001,NIFTY 50,NIFTY 50,0.0,,0.0,0.0,0,EQ,INDICES,NSE
408065,1594,INFY,INFOSYS,0.0,,0.0,0.1,1,EQ,NSE,NSE
134657,526,BPCL,"BHARAT PETROLEUM, CORP",0.0,,0.0,0.05,1,EQ,NSE,NSE
14866434,58072,NIFTY26AUGFUT,NIFTY,0.0,2026-08-25,0.0,0.1,65,FUT,NFO-FUT,NFO
13150722,51370,NIFTY26OCT23450CE,NIFTY,0.0,2026-10-27,23450.0,0.05,65,CE,NFO-OPT,NFO
13150978,51371,NIFTY26OCT23450PE,NIFTY,0.0,2026-10-27,23450.0,0.05,65,PE,NFO-OPT,NFO
412675,1612,USDINR26NOV84.25CE,USDINR,0.0,2026-11-26,84.25,0.0025,1,CE,CDS-OPT,CDS
"""


def test_the_columns_of_a_dump() -> None:
    dump = parse_dump(SAMPLE.encode())
    assert (dump.skipped, dump.problems) == (0, ())
    table = dump.table
    assert table.instrument(4) == Instrument(
        token=13150722,
        tradingsymbol="NIFTY26OCT23450CE",
        name="NIFTY",
        kind=InstrumentKind.CALL,
        segment="NFO-OPT",
        exchange="NFO",
        expiry=date(2026, 10, 27),
        strike=23450.0,
        tick_size=0.05,
        lot_size=65,
        exchange_token=51370,
    )
    index = table.instrument(0)
    assert (index.kind, index.strike, index.expiry, index.lot_size) == (InstrumentKind.INDEX, None, None, 0)
    assert table.instrument(2).name == "BHARAT PETROLEUM, CORP"
    assert math.isnan(table.strikes[3])
    assert table.instrument(6).strike == 84.25


def test_what_is_written_is_what_was_read() -> None:
    assert format_instruments(parse_instruments(SAMPLE.encode())) == SAMPLE.encode()


def test_the_forms_in_which_a_dump_may_come() -> None:
    expected = format_instruments(parse_instruments(SAMPLE.encode()))
    windows = SAMPLE.replace("\n", "\r\n")
    marked = "\ufeff" + SAMPLE
    open_ended = SAMPLE.rstrip("\n")
    gaps = SAMPLE.replace("408065,", "\n\n408065,") + "\n\n"
    integers = SAMPLE.replace("23450.0", "23450").replace(",0.0,,0.0,", ",0,,0,")
    for form in (windows, marked, open_ended, gaps, integers):
        assert format_instruments(parse_instruments(form.encode())) == expected


def test_columns_are_found_by_name() -> None:
    rows = list(csv.reader(io.StringIO(SAMPLE)))
    moved = io.StringIO()
    csv.writer(moved).writerows([[row[11], "new", *row[:4], *row[5:11]] for row in rows])
    table = parse_instruments(moved.getvalue().replace("exchange,new", "exchange,brand_new").encode())
    assert format_instruments(table) == SAMPLE.encode()


BAD_ROWS = [
    ("x,1,A,A,0,,0,0.05,1,EQ,NSE,NSE", "column instrument_token: 'x' is not a whole number"),
    ("0,1,A,A,0,,0,0.05,1,EQ,NSE,NSE", "column instrument_token: '0' is not a positive 32-bit number"),
    ("4294967296,1,A,A,0,,0,0.05,1,EQ,NSE,NSE", "column instrument_token"),
    ("99999999999999999999,1,A,A,0,,0,0.05,1,EQ,NSE,NSE", "column instrument_token"),
    ("1,1,A,A,0,27-10-2026,5,0.05,1,CE,NFO-OPT,NFO", "column expiry: '27-10-2026' is not a date like"),
    ("1,1,A,A,0,2026-02-30,5,0.05,1,CE,NFO-OPT,NFO", "column expiry: '2026-02-30'"),
    ("1,1,A,A,0,,5,0.05,1,CE,NFO-OPT,NFO", "column expiry: '' is not a date, and a derivative has one"),
    ("1,1,A,A,0,,0,0.05,1,FUT,NFO-FUT,NFO", "column expiry"),
    ("1,1,A,A,0,2026-10-27,x,0.05,1,CE,NFO-OPT,NFO", "column strike: 'x' is not a number"),
    ("1,1,A,A,0,2026-10-27,nan,0.05,1,CE,NFO-OPT,NFO", "column strike: 'nan' is not a finite number"),
    ("1,1,A,A,0,2026-10-27,0,0.05,1,PE,NFO-OPT,NFO", "column strike: '0' is not a price"),
    ("1,1,A,A,0,,0,,1,EQ,NSE,NSE", "column tick_size: '' is not a number"),
    ("1,1,A,A,0,,0,0.05,1.5,EQ,NSE,NSE", "column lot_size: '1.5' is not a whole number"),
    ("1,1,A,A,0,,0,0.05,-1,EQ,NSE,NSE", "column lot_size: '-1' is not a number of units"),
    ("1,1,A,A,0,,0,0.05,1,CALL,NSE,NSE", "column instrument_type: 'CALL' is not EQ, FUT, CE or PE"),
    ("1,1,A,A,0,,0,0.05,1,EQ,NSE", "11 cells instead of 12"),
    ("1,1,A,A,B,0,,0,0.05,1,EQ,NSE,NSE", "13 cells instead of 12"),
    ('1,1,A,"A,0,,0,0.05,1,EQ,NSE,NSE', "4 cells instead of 12"),
]


@pytest.mark.parametrize(("row", "problem"), BAD_ROWS, ids=[row for row, _ in BAD_ROWS])
def test_a_bad_row_is_named_and_the_others_are_read(row: str, problem: str) -> None:
    good = [f"{token},{token >> 8},S{token},S,0.0,,0.0,0.05,1,EQ,NSE,NSE" for token in range(257, 257 + 20)]
    lines = [HEADER_LINE, *good[:10], row, *good[10:]]
    dump = parse_dump("\n".join(lines).encode())
    assert dump.table.tokens.tolist() == list(range(257, 277))
    assert dump.skipped == 1
    assert len(dump.problems) == 1
    assert dump.problems[0].startswith("line 12")
    assert problem in dump.problems[0]


def test_an_exchange_token_that_is_no_number_is_taken_from_the_token() -> None:
    table = parse_instruments(SAMPLE.replace("408065,1594,", "408065,INFY-1,").encode())
    assert table.exchange_tokens[1] == 408065 >> 8
    assert table.exchange_tokens[0] == 1001


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"<html><body>502 Bad Gateway</body></html>", "lacks the column instrument_token; it says: <html>"),
        (HEADER_LINE.replace("lot_size", "lots").encode(), "lacks the column lot_size"),
        (HEADER_LINE.encode(), "has a header but no rows"),
        (SAMPLE.encode()[:200] + b"\xff\xfe", "line 3 of the instruments dump is not UTF-8"),
        (f"{HEADER_LINE}\n<p>sorry</p>".encode(), "1 of 1 rows are bad, the first one: line 2: 1 cells instead of 12"),
        (gzip.compress(SAMPLE.encode()), "is not UTF-8"),
    ],
)
def test_what_is_no_dump_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(DumpError) as caught:
        parse_instruments(content)
    assert message in str(caught.value)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_dump_or_a_dump_error(content: bytes) -> None:
    for form in (content, HEADER_LINE.encode() + b"\n" + content, SAMPLE.encode() + content):
        try:
            table = parse_instruments(form)
        except DumpError:
            continue
        assert len(table) >= 1


letters = st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters=":/")
names = st.text(letters, max_size=12).filter(lambda text: text == text.strip())
instruments = st.builds(
    Instrument,
    token=st.integers(1, 2**32 - 1),
    tradingsymbol=names,
    name=names,
    kind=st.sampled_from((InstrumentKind.CALL, InstrumentKind.PUT)),
    segment=st.sampled_from(("NFO-OPT", "BFO-OPT", "MCX-OPT")),
    exchange=st.sampled_from(("NFO", "BFO", "MCX")),
    expiry=st.dates(date(2000, 1, 1), date(2099, 1, 1)),
    strike=st.floats(0.01, 1e6),
    tick_size=st.floats(0, 100),
    lot_size=st.integers(0, 2**31 - 1),
    exchange_token=st.integers(0, 2**40),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(instruments, min_size=1, max_size=30))
def test_any_contracts_survive_the_round_trip(rows: list[Instrument]) -> None:
    table = parse_instruments(format_instruments(InstrumentTable.from_instruments(rows)))
    read = [table.instrument(row) for row in range(len(table))]
    assert [replace(one, name=listed_name(one.name)) for one in read] == rows


def test_a_large_dump_in_several_blocks_with_one_bad_row_in_each_form() -> None:
    lines = SAMPLE.splitlines()[4:7] * 4000
    lines[5000] = "bad"
    lines[9000] = lines[9000].replace("NIFTY,", '"NIFTY, OR NOT",')
    dump = parse_dump("\n".join([HEADER_LINE, *lines]).encode())
    assert len(dump.table) == 11_999
    assert dump.problems == ("line 5002: 1 cells instead of 12",)
    assert dump.table.names[8999] == "NIFTY, OR NOT"
    assert dump.table.names[0] is dump.table.names[11_000]


def test_the_official_client_reads_the_same(source: bytes) -> None:
    from kiteconnect import KiteConnect

    kite = KiteConnect("key")
    official = kite._parse_instruments(source)
    kite.reqsession.close()
    table = parse_instruments(source)
    assert len(table) == len(official)
    assert table.tokens.tolist() == [row["instrument_token"] for row in official]
    assert table.symbols == [row["tradingsymbol"] for row in official]
    assert table.names == [row["name"] for row in official]
    assert table.segments == [row["segment"] for row in official]
    assert table.exchanges == [row["exchange"] for row in official]
    assert table.lot_sizes.tolist() == [row["lot_size"] for row in official]
    assert table.tick_sizes.tolist() == [row["tick_size"] for row in official]
    assert np.nan_to_num(table.strikes).tolist() == [row["strike"] for row in official]
    expiries = [date.fromordinal(ordinal) if ordinal else "" for ordinal in table.expiries.tolist()]
    assert expiries == [row["expiry"] for row in official]


@pytest.fixture(params=[None, *LISTINGS], ids=lambda path: path.name if path else "here")
def source(request: pytest.FixtureRequest) -> bytes:
    """The sample above, and listings of index contracts; a large one is thinned out."""
    if request.param is None:
        return SAMPLE.encode()
    lines = listing(request.param).splitlines(keepends=True)
    return b"".join(lines[:1] + lines[1 :: max(1, len(lines) // 2000)])


@pytest.mark.parametrize("path", LISTINGS, ids=lambda path: path.name)
def test_a_dump_is_written_as_the_broker_writes_it(path: Path) -> None:
    content = listing(path)
    dump = parse_dump(content)
    assert dump.skipped == 0
    assert format_instruments(dump.table) == content
