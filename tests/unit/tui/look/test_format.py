from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickertui.tui.look import format as fmt
from tickertui.tui.look.format import ASCII, UNICODE, Units

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1, "1"), (650, "650"), (999, "999"), (999.6, "1.00K"), (1_000, "1.00K"), (6_430, "6.43K"),
        (80_400, "80.4K"), (99_949, "99.9K"), (99_950, "1.00L"), (615_000, "6.15L"), (1_970_000, "19.7L"),
        (9_340_000, "93.4L"), (9_995_000, "1.00C"), (23_300_000, "2.33C"), (252_000_000, "25.2C"),
        (1_230_000_000, "123C"), (-80_400, "-80.4K"), (-234_000, "-2.34L"), (NAN, "—"),
    ],
)  # fmt: skip
def test_quantities_have_three_digits_and_their_letter(value: float, text: str) -> None:
    assert fmt.compact(value) == text


def test_a_sign_where_it_is_asked_for() -> None:
    assert fmt.compact(650, signed=True) == "+650"
    assert fmt.compact(-650, signed=True) == "-650"
    assert fmt.compact(0, signed=True) == "0"
    assert fmt.compact(0.2, signed=True) == "0"


@given(st.floats(-9.9e9, 9.9e9, allow_nan=False))
def test_a_compact_quantity_never_outgrows_its_cells_and_means_the_value(value: float) -> None:
    text = fmt.compact(value, signed=True)
    assert len(text) <= 6
    factor = {"K": 1e3, "L": 1e5, "C": 1e7}.get(text[-1], 1)
    number = float(text.rstrip("KLC")) * factor
    assert number == pytest.approx(value, rel=6e-3, abs=0.51)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (1_000, "1,000"), (99_999, "99,999"), (100_000, "1,00,000"), (1_820_130, "18,20,130"),
     (123_456_789, "12,34,56,789"), (-1_820_130, "-18,20,130"), (NAN, "—")],
)  # fmt: skip
def test_indian_grouping(value: float, text: str) -> None:
    assert fmt.indian(value) == text


@given(st.integers(-(10**12), 10**12))
def test_grouping_loses_no_digit(value: int) -> None:
    assert int(fmt.indian(value).replace(",", "")) == value


def test_the_same_quantity_in_every_unit() -> None:
    assert fmt.quantity(1_820_130, Units.LAKH, 65) == "18.2L"
    assert fmt.quantity(1_820_130, Units.LOTS, 65) == "28.0K"
    assert fmt.quantity(1_820_130, Units.CONTRACTS, 65) == "28,002"
    assert {unit.next for unit in Units} == set(Units)


@pytest.mark.parametrize(
    ("value", "text"),
    [(24_352.4, "24,352.40"), (0.05, "0.05"), (99_999.95, "99,999.95"), (123_456.7, "1,23,456.70"), (NAN, "—")],
)
def test_prices(value: float, text: str) -> None:
    assert fmt.price(value) == text


@given(st.floats(0.05, 9e6, allow_nan=False), st.integers(7, 12), st.sampled_from(["", "~"]))
def test_a_price_fills_its_cells_exactly_and_keeps_its_mark(value: float, width: int, prefix: str) -> None:
    text = fmt.fit_price(value, width, prefix)
    assert len(text) == width
    if not text.strip().endswith(("L", "C", fmt.MISSING)):
        assert text.lstrip().startswith(prefix)
        number = float(text.strip().lstrip("~").replace(",", ""))
        assert math.isclose(number, value, abs_tol=0.51)


def test_a_number_that_fits_nowhere_is_neither_cut_nor_filled_with_signs() -> None:
    assert fmt.fit_price(12_345_678.0, 5) == "1.23C"
    assert fmt.fit_price(12_345_678.0, 4) == "   —"
    assert fmt.fit_price(-1_234_567.0, 6, signed=True) == "-12.3L"
    assert fmt.greek(123_456.7, 5) == "1.23L"


def test_a_quantity_that_no_word_holds_is_at_least_so_much() -> None:
    assert fmt.quantity(0xFFFF_FFFF, Units.LAKH, 65) == ">429C"
    assert fmt.quantity(0xFFFF_FFFF, Units.LOTS, 65) == ">6C"
    assert fmt.quantity(0xFFFF_FFFF, Units.CONTRACTS, 65) == ">6C"
    assert fmt.quantity(0xFFFF_FFFE, Units.LAKH, 65) == "429C"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (14, "14s"), (59.9, "59s"), (60, "1m"), (3_599, "59m"), (3_600, "1h"),
                          (172_800, "2d"), (1e9, "99d"), (NAN, "")],
)  # fmt: skip
def test_ages(seconds: float, text: str) -> None:
    assert fmt.age(seconds) == text


@given(st.floats(0, 1e10, allow_nan=False))
def test_an_age_takes_three_cells_at_most(seconds: float) -> None:
    assert 2 <= len(fmt.age(seconds)) <= 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(41, "41s"), (187, "3m07s"), (14_220, "3h57m"), (1_036_800, "12d"), (NAN, "—")],
)
def test_durations(seconds: float, text: str) -> None:
    assert fmt.duration(seconds) == text


def test_small_numbers() -> None:
    assert fmt.fraction(0.52) == ".52"
    assert fmt.fraction(-0.48) == ".48"
    assert fmt.fraction(1.0) == "1.0"
    assert fmt.signed_number(0.86) == "+0.86"
    assert fmt.signed_number(-0.001) == "0.00"
    assert fmt.volatility(0.118) == "11.8"
    assert fmt.volatility(1.2) == "120"
    assert fmt.volatility(99.0) == ">999"
    assert fmt.greek(0.00071, 6) == ".00071"
    assert fmt.greek(-10.5251, 6) == "-10.53"
    assert fmt.greek(-0.5, 4) == "-.50"
    assert fmt.percent(0.351, signed=True) == "+0.35%"
    assert fmt.short_age(0.44) == "0.4s"
    assert fmt.short_age(14.2) == "14s"
    assert fmt.short_age(None) == "—"
    assert fmt.strike(24_350.0) == "24,350"
    assert fmt.strike(352.5) == "352.50"
    for write in (fmt.fraction, fmt.signed_number, fmt.volatility, fmt.number, fmt.percent, fmt.strike):
        assert write(NAN) == "—"


@given(st.floats(-9_000, 9_000, allow_nan=False), st.integers(5, 8))
def test_a_greek_never_outgrows_its_cells(value: float, width: int) -> None:
    text = fmt.greek(value, width)
    assert len(text) <= width
    assert float(text) == pytest.approx(value, abs=0.51)


@given(st.text(max_size=30), st.integers(0, 30))
def test_clipped_text_fills_its_cells(text: str, width: int) -> None:
    assert len(fmt.clip(text, width)) == width


def test_ascii_replaces_cell_by_cell() -> None:
    line = "▶ 24,350 ◀ 183.05▲ ▓▒░ ██▌ ±8 · — Σ → │ ●"
    text = ASCII.text(line)
    assert len(text) == len(line)
    assert text.isascii()
    assert UNICODE.text(line) == line
    assert "~" not in text, "the mark of a mock must not come from anything else"


@given(st.floats(0, 2, allow_nan=False), st.integers(1, 12))
def test_a_bar_stays_within_its_cells(share: float, width: int) -> None:
    for glyphs in (UNICODE, ASCII):
        full, eighths = glyphs.bar(share, width)
        assert len(full) + (1 if eighths else 0) <= width
        assert 0 <= eighths < 8
    full, eighths = UNICODE.bar(share, width)
    if share > 0:
        assert (len(full) * 8 + eighths) / 8 == pytest.approx(min(share, 1) * width, abs=0.126)
    assert UNICODE.bar(NAN, width) == ("", 0)


def test_the_smallest_share_is_still_seen() -> None:
    assert UNICODE.bar(1e-6, 5) == ("", 1)
    assert UNICODE.bar(0.0, 5) == ("", 0)
