"""The forward: parity against a brute-force twin and a known truth, then the ladder of fallbacks."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickertui.market.forward import (
    MAX_STRIKES,
    NEAR_MONEY,
    WIDEST,
    ForwardInputs,
    ForwardRule,
    ForwardSource,
    ParityForwards,
    choose_forwards,
    parity_forwards,
)
from tickertui.market.greeks import GreeksCalculator
from tickertui.market.mills import Floats

Quote = tuple[float, float, float, float, float]
"""strike, call bid, call ask, put bid, put ask"""


def chain(forward: float, strikes: Floats, discount: float = 1.0, half_spread: float = 0.5) -> Floats:
    """Quotes around model prices, float64[k, 5]."""
    calculator = GreeksCalculator()
    call, put = (calculator.greeks(forward, strikes, 0.02, side, 0.15, discount).price for side in (True, False))
    return np.column_stack([strikes, call - half_spread, call + half_spread, put - half_spread, put + half_spread])


def solve(*slices: Floats, discount: float = 1.0) -> ParityForwards:
    rows = np.concatenate(slices) if slices else np.empty((0, 5))
    lengths = np.array([len(one) for one in slices], dtype=np.intp)
    strikes, call_bid, call_ask, put_bid, put_ask = rows.T
    discounts = np.full(len(slices), discount)
    return parity_forwards(lengths, strikes, call_bid, call_ask, put_bid, put_ask, discounts)


def brute_force(quotes: list[Quote], discount: float) -> tuple[float, int]:
    """The same rule, one strike at a time."""
    strikes = []
    for strike, call_bid, call_ask, put_bid, put_ask in quotes:
        two_sided = 0 < call_bid <= call_ask < math.inf and 0 < put_bid <= put_ask < math.inf
        distance = abs(call_bid + call_ask - put_bid - put_ask) / 2
        narrow = call_ask - call_bid + put_ask - put_bid <= WIDEST * strike
        if two_sided and narrow and distance <= NEAR_MONEY * strike:
            low = strike + (call_bid - put_ask) / discount
            high = strike + (call_ask - put_bid) / discount
            middle = (low + high) / 2
            strikes.append((distance, middle, max(high - low, 1e-5 * abs(middle))))
    strikes = sorted(strikes, key=lambda one: one[0])[:MAX_STRIKES]
    if not strikes:
        return math.nan, 0
    median = statistics.median(middle for _, middle, _ in strikes)
    typical = statistics.median(width for *_, width in strikes)
    kept = [one for one in strikes if abs(one[1] - median) <= max(one[2], typical)]
    kept = kept or [min(strikes, key=lambda one: one[2])]
    weights = [1 / one[2] ** 2 for one in kept]
    return sum(w * one[1] for w, one in zip(weights, kept, strict=True)) / sum(weights), len(kept)


quote = st.tuples(
    st.sampled_from([23_800.0, 23_900.0, 24_000.0, 24_100.0, 24_200.0]),
    *(st.one_of(st.floats(50.0, 400.0), st.sampled_from([0.0, math.nan, 0.05, 1e9])) for _ in range(4)),
)


@given(slices=st.lists(st.lists(quote, max_size=12), max_size=5), discount=st.sampled_from([1.0, 0.98]))
@settings(deadline=None, max_examples=200)
def test_parity_equals_its_brute_force_twin(slices: list[list[Quote]], discount: float) -> None:
    found = solve(*(np.array(one, dtype=np.float64).reshape(-1, 5) for one in slices), discount=discount)
    for number, quotes in enumerate(slices):
        value, count = brute_force(quotes, discount)
        assert found.strikes[number] == count
        assert found.value[number] == pytest.approx(value, rel=1e-12, nan_ok=True)


def test_parity_recovers_the_forward_of_every_slice() -> None:
    truths = (24_873.35, 1_420.5, 81_250.6)
    slices = [chain(truth, np.round(truth, -1) * np.linspace(0.97, 1.03, 31), 0.99, 0.3) for truth in truths]
    found = solve(*slices, discount=0.99)
    assert found.value == pytest.approx(truths, rel=1e-9)
    assert (found.strikes == MAX_STRIKES).all()
    assert (found.low < found.value).all()
    assert (found.value < found.high).all()


def test_one_stale_leg_does_not_move_it() -> None:
    quotes = chain(24_873.35, np.arange(24_500.0, 25_300.0, 50.0))
    honest = solve(quotes).value[0]
    quotes[7, 1:3] += 40.0  # a call quote from another moment, near the money
    found = solve(quotes)
    assert found.value[0] == pytest.approx(honest, abs=0.05)
    assert found.strikes[0] == MAX_STRIKES - 1


def test_narrow_quotes_weigh_more_than_wide_ones() -> None:
    quotes = np.array([[24_000.0, 100, 101, 100, 101], [24_050.0, 80, 100, 125, 145], [24_100.0, 60, 80, 145, 165]])
    found = solve(quotes)
    middles = quotes[:, 0] + (quotes[:, 1] + quotes[:, 2] - quotes[:, 3] - quotes[:, 4]) / 2
    weights = 1 / (quotes[:, 2] - quotes[:, 1] + quotes[:, 4] - quotes[:, 3]) ** 2
    assert found.value[0] == pytest.approx(np.average(middles, weights=weights))
    assert abs(found.value[0] - middles[0]) < abs(found.value[0] - middles[1:]).min()


def test_where_two_strikes_disagree_the_narrower_speaks() -> None:
    quotes = np.array([[24_000.0, 100, 102, 100, 102], [24_050.0, 180, 181, 125, 126]])
    found = solve(quotes)
    assert found.value[0] == pytest.approx(24_105.0)
    assert found.strikes[0] == 1
    assert (found.low[0], found.high[0]) == (24_104.0, 24_106.0)


def test_no_quotes_no_forward() -> None:
    one_sided = chain(24_873.35, np.arange(24_500.0, 25_300.0, 50.0))
    one_sided[:, 1] = 0.0
    crossed = chain(24_873.35, np.arange(24_500.0, 25_300.0, 50.0), half_spread=-0.5)
    found = solve(one_sided, crossed, np.empty((0, 5)))
    assert np.isnan(found.value).all()
    assert (found.strikes == 0).all()
    assert len(solve().value) == 0


@dataclass(frozen=True)
class Rung:
    """One state of the world and the source that must be used in it."""

    source: ForwardSource
    parity: float = math.nan
    strikes: int = 0
    future: float = math.nan
    far: float = math.nan
    spot: float = math.nan
    manual: float = math.nan
    frozen: bool = False
    stock: bool = False
    rule: ForwardRule = ForwardRule.PARITY_FIRST


S = ForwardSource
RUNGS = [
    Rung(S.MANUAL, parity=101, strikes=6, future=102, far=103, spot=104, manual=105),
    Rung(S.PARITY, parity=101, strikes=6, future=102, far=103, spot=104),
    Rung(S.FUTURE, parity=101, strikes=2, future=102, far=103, spot=104),
    Rung(S.FUTURE, parity=101, strikes=6, future=102, stock=True),
    Rung(S.FUTURE, parity=101, strikes=6, future=102, rule=ForwardRule.FUTURE_FIRST),
    Rung(S.PARITY, parity=101, strikes=6, stock=True),
    Rung(S.SYNTHETIC, parity=101, strikes=2, far=103, spot=104),
    Rung(S.FUTURE_CARRIED, far=103, spot=104),
    Rung(S.SPOT_CARRIED, spot=104),
    Rung(S.NONE, spot=104, frozen=True),
    Rung(S.NONE, spot=104, rule=ForwardRule.SPOT_ONLY, frozen=True),
    Rung(S.SPOT_CARRIED, parity=101, strikes=6, future=102, spot=104, rule=ForwardRule.SPOT_ONLY),
    Rung(S.FUTURE, parity=101, strikes=6, future=102, spot=104, rule=ForwardRule.FUTURE_ONLY),
    Rung(S.FUTURE_CARRIED, parity=101, strikes=6, far=103, spot=104, rule=ForwardRule.FUTURE_ONLY),
    Rung(S.NONE, parity=101, strikes=6, spot=104, rule=ForwardRule.FUTURE_ONLY),
    Rung(S.NONE, future=-1.0, far=math.inf, spot=0.0),
]


@pytest.mark.parametrize("rung", RUNGS)
def test_the_ladder(rung: Rung) -> None:
    one = np.ones(1)
    inputs = replace(
        ForwardInputs.unknown(0.1 * one),
        future=rung.future * one,
        far_future=rung.far * one,
        far_years=0.3 * one,
        spot=rung.spot * one,
        manual=rung.manual * one,
        spot_frozen=np.array([rung.frozen]),
        prefer_future=np.array([rung.stock]),
    )
    parity = ParityForwards(rung.parity * one, rung.parity * one, rung.parity * one, np.array([rung.strikes]))
    found = choose_forwards(parity, inputs, carry_rate=0.055, rule=rung.rule)
    assert ForwardSource(int(found.source[0])) is rung.source
    expected = {
        S.NONE: math.nan,
        S.MANUAL: rung.manual,
        S.PARITY: rung.parity,
        S.SYNTHETIC: rung.parity,
        S.FUTURE: rung.future,
        S.FUTURE_CARRIED: rung.far * math.exp(0.055 * (0.1 - 0.3)),
        S.SPOT_CARRIED: rung.spot * math.exp(0.055 * 0.1),
    }[rung.source]
    assert found.value[0] == pytest.approx(expected, nan_ok=True)


def test_estimated_forwards_say_so() -> None:
    assert {source.label for source in S if source.label.endswith("est.")} == {
        "synthetic est.",
        "far future est.",
        "spot est.",
    }
    assert len({source.label for source in S}) == len(S)
