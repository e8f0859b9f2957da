"""Every chain figure against a brute-force twin that a reader can check by eye."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickertui.market import analytics
from tickertui.market.greeks import GreeksCalculator
from tickertui.market.mills import Floats
from tickertui.market.volatility_analytics import atm_volatility, skew, volatility_percentile, volatility_rank

NAN = math.nan

oi = st.one_of(st.integers(0, 10**8).map(float), st.just(NAN))
volatility = st.one_of(st.floats(0.02, 2.0), st.just(NAN))


def floats(*values: float) -> Floats:
    return np.array(values, dtype=np.float64)


def ladder(count: int, first: float = 23_000.0, step: float = 50.0) -> Floats:
    return first + step * np.arange(count, dtype=np.float64)


def known(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def same(found: float, expected: float, rel: float = 1e-9) -> None:
    assert found == pytest.approx(expected, rel=rel, abs=1e-9, nan_ok=True)


@st.composite
def two_sides(draw: st.DrawFn, values: st.SearchStrategy[float], smallest: int = 0) -> tuple[Floats, Floats, Floats]:
    """Strikes with one value for each leg."""
    rows = draw(st.lists(st.tuples(values, values), min_size=smallest, max_size=25))
    columns = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return ladder(len(rows)), columns[:, 0].copy(), columns[:, 1].copy()


# ---------------------------------------------------------------------- max pain


@given(sides=two_sides(oi))
@settings(deadline=None)
def test_max_pain(sides: tuple[Floats, Floats, Floats]) -> None:
    strikes, call, put = sides
    triples = [
        (k, 0.0 if math.isnan(c) else c, 0.0 if math.isnan(p) else p)
        for k, c, p in zip(strikes.tolist(), call.tolist(), put.tolist(), strict=True)
    ]
    pains = [sum(c * max(s - k, 0.0) + p * max(k - s, 0.0) for k, c, p in triples) for s, _, _ in triples]
    assert analytics.pain(strikes, call, put).tolist() == pains  # integers times multiples of 50: exact
    written = any(c > 0 or p > 0 for _, c, p in triples)
    same(analytics.max_pain(strikes, call, put), triples[pains.index(min(pains))][0] if written else NAN)


# ---------------------------------------------------------------------- at the money


@given(count=st.integers(0, 30), reference=st.one_of(st.floats(20_000, 26_000), st.just(NAN)))
def test_at_the_money_index(count: int, reference: float) -> None:
    strikes = ladder(count)
    distances = [abs(strike - reference) for strike in strikes.tolist()]
    expected = distances.index(min(distances)) if distances and not math.isnan(reference) else -1
    assert analytics.atm_index(strikes, reference) == expected


# ---------------------------------------------------------------------- volatility


def interpolate(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    """Between the neighbours of x, NaN outside."""
    for number, low in enumerate(xs):
        if low == x:
            return ys[number]
        if number + 1 < len(xs) and low < x < xs[number + 1]:
            share = (x - low) / (xs[number + 1] - low)
            return ys[number] * (1 - share) + ys[number + 1] * share
    return NAN


def leg_mean(call: float, put: float) -> float:
    values = known([call, put])
    return sum(values) / len(values) if values else NAN


@given(sides=two_sides(volatility), position=st.one_of(st.floats(-1.0, 26.0), st.integers(0, 24)))
@settings(deadline=None)
def test_at_the_money_volatility(sides: tuple[Floats, Floats, Floats], position: float) -> None:
    strikes, call, put = sides
    forward = 23_000.0 + 50.0 * position
    means = [leg_mean(c, p) for c, p in zip(call.tolist(), put.tolist(), strict=True)]
    same(atm_volatility(strikes, call, put, forward), interpolate(strikes.tolist(), means, forward))


def test_no_forward_no_volatility_at_the_money() -> None:
    assert math.isnan(atm_volatility(ladder(3), np.full(3, 0.1), np.full(3, 0.1), NAN))


def test_skew_of_a_chain_with_a_tilted_smile() -> None:
    strikes, forward, years = ladder(81, 22_000.0), 24_000.0, 20 / 365
    iv = 0.13 - 0.4 * np.log(strikes / forward) + 0.8 * np.log(strikes / forward) ** 2
    call, put = (GreeksCalculator().greeks(forward, strikes, years, side, iv).delta for side in (True, False))
    found = skew(call, iv, put, iv)
    up = interpolate(call[::-1].tolist(), iv[::-1].tolist(), 0.25)
    down = interpolate(put[::-1].tolist(), iv[::-1].tolist(), -0.25)
    same(found.call, up)
    same(found.put, down)
    same(found.risk_reversal, up - down)
    assert found.risk_reversal < 0
    holes = np.where(strikes == 24_250.0, NAN, iv)
    assert skew(call, holes, put, holes).risk_reversal == pytest.approx(found.risk_reversal, rel=0.01)
    outside = skew(call[:20], iv[:20], put[:20], iv[:20])  # no 25-delta call among these strikes
    assert math.isnan(outside.call)
    assert math.isnan(outside.risk_reversal)


@given(
    history=st.lists(volatility, max_size=300),
    today=st.one_of(st.floats(0.01, 2.5), st.just(NAN)),
    sessions=st.sampled_from([1, 20, 252]),
)
@settings(deadline=None)
def test_rank_and_percentile(history: list[float], today: float, sessions: int) -> None:
    days = known(history[-sessions:])
    rank = percentile = NAN
    if days and max(days) > min(days):
        rank = 100 * (today - min(days)) / (max(days) - min(days))
    if days and not math.isnan(today):
        percentile = 100 * sum(day < today for day in days) / len(days)
    same(volatility_rank(floats(*history), today, sessions), rank)
    same(volatility_percentile(floats(*history), today, sessions), percentile)
