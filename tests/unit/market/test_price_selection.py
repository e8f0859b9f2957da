"""Which price, whose volatility, and when the screen must dim it: each rule against a scalar twin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickertui.market.conventions import PriceRule, VolatilitySide
from tickertui.market.price_selection import (
    PriceSource,
    is_unreliable,
    other_legs,
    out_of_the_money,
    select_price,
    select_volatility,
)

money = st.one_of(st.floats(0.05, 500.0), st.sampled_from([0.0, -1.0, math.nan, math.inf]))
row = st.tuples(money, money, money, st.one_of(st.floats(0.0, 600.0), st.just(math.nan)))


def twin(bid: float, ask: float, last: float, age: float, tick: float) -> tuple[float, PriceSource]:
    if 0 < bid <= ask < math.inf and ask - bid <= max(4 * tick, 0.1 * (bid + ask) / 2) + 1e-6:
        return (bid + ask) / 2, PriceSource.MID
    if 0 < last < math.inf and age <= 300.0:
        return last, PriceSource.LAST
    return math.nan, PriceSource.NONE


@given(rows=st.lists(row, max_size=20))
@settings(deadline=None)
def test_mid_or_last_equals_its_twin(rows: list[tuple[float, float, float, float]]) -> None:
    bid, ask, last, age = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    found = select_price(bid, ask, last, age, np.full(len(rows), 0.05))
    for number, values in enumerate(rows):
        price, source = twin(*values, 0.05)
        assert found.price[number] == pytest.approx(price, nan_ok=True)
        assert found.source[number] == source


@pytest.mark.parametrize(
    ("bid", "ask", "expected"),
    [(0.85, 1.05, PriceSource.MID), (0.05, 0.25, PriceSource.MID), (0.05, 0.30, PriceSource.LAST)],
)
def test_four_ticks_are_tight_for_cheap_options(bid: float, ask: float, expected: PriceSource) -> None:
    one = np.ones(1)
    assert select_price(bid * one, ask * one, one, 0 * one, 0.05 * one).source[0] == expected


@pytest.mark.parametrize(
    ("rule", "price", "source"),
    [
        (PriceRule.LAST, 11.0, PriceSource.LAST),
        (PriceRule.BID, 10.0, PriceSource.BID),
        (PriceRule.ASK, 10.5, PriceSource.ASK),
        (PriceRule.MID_OR_LAST, 10.25, PriceSource.MID),
    ],
)
def test_rules(rule: PriceRule, price: float, source: PriceSource) -> None:
    one = np.ones(1)
    found = select_price(10.0 * one, 10.5 * one, 11.0 * one, 5.0 * one, 0.05 * one, rule=rule)
    assert (found.price[0], found.source[0]) == (price, source)
    old = select_price(0.0 * one, 0.0 * one, 11.0 * one, 301.0 * one, 0.05 * one, rule=rule)
    assert math.isnan(old.price[0])
    assert old.source[0] == PriceSource.NONE


FORWARD = 24_010.0
STRIKES = np.repeat([23_900.0, 24_000.0, 24_010.0, 24_100.0], 2)
CALLS = np.tile([True, False], 4)
OTHER = np.array([1, 0, 3, 2, 5, 4, 7, 6])


def test_both_legs_take_the_out_of_the_moneys_volatility() -> None:
    iv = np.array([0.20, 0.15, 0.19, 0.14, 0.13, 0.15, 0.12, 0.30])
    found = select_volatility(iv, np.full(8, FORWARD), STRIKES, CALLS, OTHER)
    assert found.iv == pytest.approx([0.15, 0.15, 0.14, 0.14, 0.14, 0.14, 0.12, 0.12])
    assert found.borrowed.tolist() == [True, False, True, False, False, False, False, True]
    own = select_volatility(iv, np.full(8, FORWARD), STRIKES, CALLS, OTHER, VolatilitySide.OWN)
    assert own.iv.tolist() == iv.tolist()
    assert not own.borrowed.any()


def test_other_legs_are_found_within_slice_and_strike() -> None:
    slices = np.array([0, 0, 0, 0, 1, 1, 2])
    strikes = np.array([100.0, 100.0, 110.0, 120.0, 120.0, 120.0, 120.0])
    calls = np.array([True, False, True, False, True, False, True])
    assert other_legs(slices, strikes, calls).tolist() == [1, 0, -1, -1, 5, 4, -1]
    assert other_legs(slices[:0], strikes[:0], calls[:0]).tolist() == []
    assert other_legs(np.zeros(8, dtype=np.intp), STRIKES, CALLS).tolist() == OTHER.tolist()


def test_a_missing_volatility_is_borrowed_from_whoever_has_one() -> None:
    iv = np.array([0.20, np.nan, np.nan, 0.14, np.nan, 0.15, np.nan, np.nan])
    found = select_volatility(iv, np.full(8, FORWARD), STRIKES, CALLS, OTHER)
    assert found.iv == pytest.approx([0.20, 0.20, 0.14, 0.14, 0.15, 0.15, np.nan, np.nan], nan_ok=True)
    assert found.borrowed.tolist() == [False, True, True, False, True, False, False, False]


def test_a_strike_with_one_leg_keeps_its_own() -> None:
    found = select_volatility(
        np.array([0.2, 0.3]),
        np.full(2, FORWARD),
        np.array([23_900.0, 24_100.0]),
        np.array([True, True]),
        np.array([-1, -1]),
    )
    assert found.iv.tolist() == [0.2, 0.3]
    empty = np.empty(0)
    assert len(select_volatility(empty, empty, empty, empty > 0, np.empty(0, dtype=np.intp)).iv) == 0


def test_out_of_the_money_is_told_by_the_forward() -> None:
    found = out_of_the_money(np.full(8, FORWARD), STRIKES, CALLS)
    assert found.tolist() == [False, True, False, True, True, True, True, False]


def test_unreliable_where_a_tick_or_the_quote_is_coarser_than_two_and_five_points() -> None:
    vega = np.array([0.0251, 0.0249, 1.0, 1.0, 1.0, np.nan, 0.0])
    spread = np.array([0.05, 0.05, 4.9, 5.1, 5.1, 5.1, np.nan])
    source = np.array([1, 1, 1, 1, 2, 1, 1], dtype=np.int8)
    found = is_unreliable(vega, np.full(7, 0.05), spread, source)
    assert found.tolist() == [False, True, False, True, False, False, True]
