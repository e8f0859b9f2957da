"""Every chain figure against a brute-force twin that a reader can check by eye."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickertui.market import analytics
from tickertui.market.analytics import BuildUp
from tickertui.market.greeks import GreeksCalculator
from tickertui.market.mills import Floats

NAN = math.nan

oi = st.one_of(st.integers(0, 10**8).map(float), st.just(NAN))
figure = st.one_of(st.floats(0.0, 1e6), st.just(NAN))
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


# ---------------------------------------------------------------------- ratios


@given(sides=two_sides(figure))
@settings(deadline=None)
def test_put_call_ratios(sides: tuple[Floats, Floats, Floats]) -> None:
    _, call, put = sides
    calls, puts = known(call.tolist()), known(put.tolist())
    expected = sum(puts) / sum(calls) if calls and puts and sum(calls) > 0 else NAN
    same(analytics.put_call_ratio(call, put), expected)
    by_strike = analytics.put_call_ratio_by_strike(call, put)
    for number, (c, p) in enumerate(zip(call.tolist(), put.tolist(), strict=True)):
        same(float(by_strike[number]), p / c if c > 0 else NAN)


def test_put_call_ratio_of_all_expiries_and_of_each() -> None:
    call, put = floats(10, 20, 5, NAN, 0), floats(30, 30, 20, 1, 7)
    assert analytics.put_call_ratio(call, put) == 88 / 35
    by_expiry = analytics.put_call_ratio_by_expiry(np.array([2, 2, 1, 0]), call, put)
    assert by_expiry == pytest.approx([2.0, 21 / 5, NAN, NAN], nan_ok=True)


def test_put_call_ratio_of_changes() -> None:
    assert analytics.put_call_ratio(floats(100, -40), floats(-90, 60)) == -0.5
    assert math.isnan(analytics.put_call_ratio(floats(-100, 40), floats(90, 60)))  # calls were unwound: undefined


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


# ---------------------------------------------------------------------- parity, at the money, straddle


def test_synthetic_future_is_the_forward_at_every_strike() -> None:
    strikes, discount = ladder(21), 0.985
    call, put = (
        GreeksCalculator().greeks(23_456.7, strikes, 0.2, side, 0.15, discount).price for side in (True, False)
    )
    assert analytics.synthetic_future(strikes, call, put, discount) == pytest.approx(np.full(21, 23_456.7))


def test_basis_and_carry() -> None:
    assert analytics.basis(24_100.0, 24_000.0) == 100.0
    same(analytics.annualised_carry(24_000.0 * math.exp(0.055 * 0.1), 24_000.0, 0.1), 0.055)
    for forward, spot, years in ((NAN, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0)):
        assert math.isnan(analytics.annualised_carry(forward, spot, years))


@given(count=st.integers(0, 30), reference=st.one_of(st.floats(20_000, 26_000), st.just(NAN)))
def test_at_the_money_index(count: int, reference: float) -> None:
    strikes = ladder(count)
    distances = [abs(strike - reference) for strike in strikes.tolist()]
    expected = distances.index(min(distances)) if distances and not math.isnan(reference) else -1
    assert analytics.atm_index(strikes, reference) == expected


def test_straddle_and_the_moves_it_implies() -> None:
    strikes, years, forward, sigma = ladder(21), 7 / 365, 23_512.0, 0.14
    call, put = (GreeksCalculator().greeks(forward, strikes, years, side, sigma).price for side in (True, False))
    found = analytics.straddle(strikes, call, put, forward, sigma, years)
    premium = float(call[10] + put[10])
    assert (found.strike, found.premium) == (23_500.0, premium)
    assert (found.lower, found.upper) == (23_500.0 - premium, 23_500.0 + premium)
    same(found.implied_move, premium / forward)
    same(found.expected_move, 0.85 * premium)
    assert found.one_sigma / premium == pytest.approx(1.2533, rel=2e-3)  # sqrt(pi / 2)
    assert analytics.straddle(strikes, call, put, forward, sigma, years, reference=23_130.0).strike == 23_150.0
    for missing in (
        analytics.straddle(strikes[:0], call[:0], put[:0], forward, sigma, years),
        analytics.straddle(strikes, call, put, NAN, sigma, years),
        analytics.straddle(strikes, np.full(21, NAN), put, forward, sigma, years),
    ):
        assert math.isnan(missing.premium)
        assert math.isnan(missing.implied_move)


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
def test_at_the_money_volatility_and_smile(sides: tuple[Floats, Floats, Floats], position: float) -> None:
    strikes, call, put = sides
    forward = 23_000.0 + 50.0 * position
    means = [leg_mean(c, p) for c, p in zip(call.tolist(), put.tolist(), strict=True)]
    same(analytics.atm_volatility(strikes, call, put, forward), interpolate(strikes.tolist(), means, forward))
    gaps = (call - put).tolist()
    same(analytics.call_put_spread(strikes, call, put, forward), interpolate(strikes.tolist(), gaps, forward))
    curve = analytics.smile(strikes, call, put, forward)
    for number, strike in enumerate(strikes.tolist()):
        expected = call[number] if strike > forward else put[number] if strike < forward else means[number]
        same(float(curve.iv[number]), float(expected))
        assert curve.from_call[number] == (strike >= forward)
        same(float(curve.log_moneyness[number]), math.log(strike / forward))
    low, high = (interpolate(strikes.tolist(), curve.iv.tolist(), share * forward) for share in (0.99, 1.01))
    same(analytics.moneyness_skew(curve, forward, 0.99, 1.01), low - high)


def test_no_forward_no_smile() -> None:
    curve = analytics.smile(ladder(3), np.full(3, 0.1), np.full(3, 0.1), NAN)
    assert np.isnan(curve.iv).all()
    assert math.isnan(analytics.atm_volatility(ladder(3), np.full(3, 0.1), np.full(3, 0.1), NAN))


def test_skew_of_a_chain_with_a_tilted_smile() -> None:
    strikes, forward, years = ladder(81, 22_000.0), 24_000.0, 20 / 365
    iv = 0.13 - 0.4 * np.log(strikes / forward) + 0.8 * np.log(strikes / forward) ** 2
    call, put = (GreeksCalculator().greeks(forward, strikes, years, side, iv).delta for side in (True, False))
    found = analytics.skew(call, iv, put, iv, 0.13)
    up = interpolate(call[::-1].tolist(), iv[::-1].tolist(), 0.25)
    down = interpolate(put[::-1].tolist(), iv[::-1].tolist(), -0.25)
    same(found.call, up)
    same(found.put, down)
    same(found.risk_reversal, up - down)
    same(found.butterfly, (up + down) / 2 - 0.13)
    assert found.risk_reversal < 0
    holes = np.where(strikes == 24_250.0, NAN, iv)
    assert analytics.skew(call, holes, put, holes, 0.13).risk_reversal == pytest.approx(found.risk_reversal, rel=0.01)
    outside = analytics.skew(call[:20], iv[:20], put[:20], iv[:20], 0.13)  # no 25-delta call among these strikes
    assert math.isnan(outside.call)
    assert math.isnan(outside.risk_reversal)


@given(
    rows=st.lists(st.tuples(st.floats(0.001, 0.3), volatility), max_size=8),
    target=st.floats(0.001, 1.5),
)
@settings(deadline=None)
def test_constant_maturity_and_forward_volatility(rows: list[tuple[float, float]], target: float) -> None:
    years = np.cumsum(floats(*(gap for gap, _ in rows)))
    atm = floats(*(iv for _, iv in rows))
    points = [(t, v * v * t) for t, v in zip(years.tolist(), atm.tolist(), strict=True) if not math.isnan(v)]
    variance = interpolate([t for t, _ in points], [v for _, v in points], target)
    same(analytics.constant_maturity_volatility(years, atm, target), math.sqrt(variance / target))
    forward = analytics.forward_volatility(years, atm)
    assert len(forward) == max(len(rows) - 1, 0)
    for number in range(len(rows) - 1):
        (t1, v1), (t2, v2) = ((float(years[i]), float(atm[i])) for i in (number, number + 1))
        change = (v2 * v2 * t2 - v1 * v1 * t1) / (t2 - t1)
        same(float(forward[number]), math.sqrt(change) if change >= 0 else NAN, rel=1e-6)
    structure = analytics.term_structure(years, atm)
    assert structure.forward[1:] == pytest.approx(forward, nan_ok=True)
    same(structure.slope, known(atm.tolist())[-1] - known(atm.tolist())[0] if len(points) > 1 else NAN)


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
    same(analytics.volatility_rank(floats(*history), today, sessions), rank)
    same(analytics.volatility_percentile(floats(*history), today, sessions), percentile)


# ---------------------------------------------------------------------- gamma exposure


@given(sides=two_sides(oi), gammas=st.lists(st.one_of(st.floats(0, 0.01), st.just(NAN)), min_size=50, max_size=50))
@settings(deadline=None)
def test_gamma_exposure(sides: tuple[Floats, Floats, Floats], gammas: list[float]) -> None:
    strikes, call_oi, put_oi = sides
    count, underlying = len(strikes), 24_000.0
    call_gamma, put_gamma = floats(*gammas[:count]), floats(*gammas[25 : 25 + count])
    found = analytics.gamma_exposure(call_gamma, put_gamma, call_oi, put_oi, underlying)
    total = []
    for number in range(count):
        legs = (call_gamma[number] * call_oi[number], -put_gamma[number] * put_oi[number])
        legs_known = known([float(leg) for leg in legs])
        expected = sum(legs_known) * underlying**2 * 0.01 if legs_known else NAN
        same(float(found[number]), expected)
        total += known([expected])
    same(analytics.net_gamma_exposure(found), sum(total) if total else NAN)


def net_exposure(level: float, strikes: Floats, iv: Floats, call_oi: Floats, put_oi: Floats, years: float) -> float:
    gamma = GreeksCalculator().greeks(level, strikes, years, True, iv).gamma
    return analytics.net_gamma_exposure(analytics.gamma_exposure(gamma, gamma, call_oi, put_oi, level))


@pytest.mark.parametrize("years", [3 / (365 * 24), 2 / 365, 30 / 365])
def test_gamma_flip_is_where_the_exposure_changes_sign(years: float) -> None:
    strikes = ladder(97, 22_800.0, 25.0)
    iv = 0.12 + np.abs(strikes / 24_000.0 - 1.0)
    call_oi, put_oi = np.clip(strikes - 23_300.0, 0, None) * 100, np.clip(24_500.0 - strikes, 0, None) * 100
    flip = analytics.gamma_flip(strikes, iv, iv, call_oi, put_oi, 24_000.0, years)
    assert 22_800.0 < flip < 25_200.0
    step = 24_000.0 * 0.2 / 60
    below, above = (net_exposure(flip + d, strikes, iv, call_oi, put_oi, years) for d in (-step, step))
    assert below < 0 < above  # puts dominate below, calls above
    # linear interpolation on a grid of 80 rupees: within a quarter of a step of the true zero
    near, far = (net_exposure(flip + d, strikes, iv, call_oi, put_oi, years) for d in (-step / 4, step / 4))
    assert near < 0 < far


def test_gamma_flip_is_undefined_without_a_change_of_sign() -> None:
    strikes, iv, some, none = ladder(21), np.full(21, 0.15), np.full(21, 1000.0), np.zeros(21)
    assert math.isnan(analytics.gamma_flip(strikes, iv, iv, some, none, 23_500.0, 0.02))
    assert math.isnan(analytics.gamma_flip(strikes, iv, iv, none, none, 23_500.0, 0.02))
    assert math.isnan(analytics.gamma_flip(strikes, iv, iv, some, some, 23_500.0, 0.0))
    assert math.isnan(analytics.gamma_flip(strikes[:0], iv[:0], iv[:0], some[:0], some[:0], 23_500.0, 0.02))
    # one call strike and one put strike, seconds to go: exact zeros far from both are no flips
    lone = analytics.gamma_flip(strikes[:1], iv[:1], iv[:1], some[:1], none[:1], 23_500.0, 1e-7)
    assert math.isnan(lone)


# ---------------------------------------------------------------------- positions


@given(
    rows=st.lists(st.tuples(figure, figure, figure, figure), max_size=20),
    bands=st.tuples(st.sampled_from([0.0, 1000.0]), st.sampled_from([0.0, 500.0])),
)
@settings(deadline=None)
def test_build_up(rows: list[tuple[float, float, float, float]], bands: tuple[float, float]) -> None:
    price, close, now, before = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    found = analytics.build_up(price, close, now, before, price_band=bands[0], oi_band=bands[1])
    for number, (p, c, n, b) in enumerate(rows):
        moved, opened = p - c, n - b
        if math.isnan(moved) or math.isnan(opened):
            expected = BuildUp.UNKNOWN
        elif abs(moved) <= bands[0] or abs(opened) <= bands[1]:
            expected = BuildUp.NONE
        elif opened > 0:
            expected = BuildUp.LONG_BUILD_UP if moved > 0 else BuildUp.SHORT_BUILD_UP
        else:
            expected = BuildUp.SHORT_COVERING if moved > 0 else BuildUp.LONG_UNWINDING
        assert BuildUp(int(found[number])) is expected


@given(sides=two_sides(oi), position=st.integers(-1, 26), count=st.integers(1, 5))
@settings(deadline=None)
def test_levels_and_their_strength(sides: tuple[Floats, Floats, Floats], position: int, count: int) -> None:
    strikes, call, put = sides
    reference = 23_000.0 + 50.0 * position
    found = analytics.levels(strikes, call, put, reference, count)
    pairs = list(zip(strikes.tolist(), call.tolist(), put.tolist(), strict=True))
    above = sorted((k for k in pairs if k[0] >= reference and k[1] > 0), key=lambda k: (-k[1], k[0]))
    below = sorted((k for k in pairs if k[0] <= reference and k[2] > 0), key=lambda k: (-k[2], -k[0]))
    assert found.resistance.tolist() == [k[0] for k in above[:count]]
    assert found.support.tolist() == [k[0] for k in below[:count]]
    strength = analytics.level_strength(call, put)
    for number, (_, c, p) in enumerate(pairs):
        same(float(strength[number]), (p - c) / (p + c) if c + p > 0 else NAN)
