"""Properties of the option kernel that hold for all inputs, whatever the reference values say."""

from __future__ import annotations

import math
import warnings
from dataclasses import fields
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.decimal_black import Case, implied_volatility, price
from tickertui.market.black import Greeks
from tickertui.market.implied_volatility import ROUNDING, Flags, Status, Statuses
from tickertui.market.mills import Floats
from tickertui.market.option_kernel import BLOCK, OptionKernel, slice_rows, spread

EPSILON = float(np.finfo(np.float64).eps)
MINUTE = 1 / 525_600

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)


class Market:
    """Random options inside the stated ranges, with time value that a double can hold."""

    def __init__(self, seed: int, size: int, *, widest: float = 6.0) -> None:
        rng = np.random.default_rng(seed)
        self.years = MINUTE * (3 / MINUTE) ** rng.random(size)
        self.iv = 0.01 * 500 ** rng.random(size)
        s = self.iv * np.sqrt(self.years)
        self.forward = rng.choice([24873.35, 81250.6, 1420.5, 7.65], size)
        self.strike = self.forward * np.exp(np.clip(rng.uniform(-widest, widest, size) * s, -1.1, 1.2))
        self.is_call = rng.random(size) < 0.5
        self.rate = rng.choice([0.0, 0.065, 0.1], size)
        self.discount = np.exp(-self.rate * self.years)

    def __len__(self) -> int:
        return len(self.years)

    def greeks(self, **changes: Floats) -> Greeks:
        values = {"forward": self.forward, "strike": self.strike, "years": self.years, "iv": self.iv, **changes}
        discount = changes.get("discount", np.exp(-self.rate * values["years"]))
        out = Greeks.empty(len(self))
        OptionKernel().greeks(
            values["forward"], values["strike"], values["years"], self.is_call, values["iv"], discount, out
        )
        return out

    def time_value(self) -> Floats:
        sign = np.where(self.is_call, 1.0, -1.0)
        intrinsic = np.maximum(sign * (self.forward - self.strike), 0.0)
        value: Floats = self.greeks().price / self.discount - intrinsic
        return value


def solve(
    price: Floats, forward: Floats, strike: Floats, years: Floats, is_call: Flags, discount: Floats | None = None
) -> tuple[Floats, Statuses]:
    iv, status = np.empty(len(price)), np.empty(len(price), dtype=np.int8)
    OptionKernel().implied_volatility(price, forward, strike, years, is_call, discount, iv, status)
    return iv, status


def solve_one(price: float, forward: float, strike: float, years: float, is_call: bool) -> tuple[float, Status]:
    one = np.ones(1)
    iv, status = solve(price * one, forward * one, strike * one, years * one, np.array([is_call]))
    return float(iv[0]), Status(int(status[0]))


def exactly(forward: float, strike: float, years: float, sigma: float, is_call: bool) -> Case:
    return Case(Decimal(forward), Decimal(strike), Decimal(years), Decimal(sigma), Decimal(0), is_call)


def equal(a: Greeks, b: Greeks) -> bool:
    return all(np.array_equal(x, y, equal_nan=True) for x, y in zip(a.columns(), b.columns(), strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_round_trip_price_volatility_price(seed: int) -> None:
    market = Market(seed, 20_000)
    model = market.greeks().price
    solvable = market.time_value() > 1e-11 * np.maximum(market.forward, market.strike)
    iv, status = solve(model, market.forward, market.strike, market.years, market.is_call, market.discount)
    assert solvable.mean() > 0.7
    assert (status[solvable] == Status.OK).all()
    again = market.greeks(iv=np.where(solvable, iv, market.iv)).price
    # The price comes back to the rounding of what it is made of: itself and the intrinsic value.
    scale = np.maximum(model, np.abs(market.forward - market.strike) * (model > market.time_value()))
    assert (
        np.abs(again - model)[solvable] <= 16 * EPSILON * scale[solvable] + 1e-13 * market.time_value()[solvable]
    ).all()


def test_volatility_against_decimal_arithmetic_in_the_far_corners() -> None:
    """Shapes that random markets seldom hit: exactly at the money, one ulp off, near the bound, very far out."""
    shapes = [
        (24873.35, 24873.35, MINUTE, 0.01),
        (24873.35, 24873.35, 3.0, 5.0),
        (24873.35, math.nextafter(24873.35, 0.0), MINUTE, 0.01),
        (24873.35, 24873.40, MINUTE, 0.05),
        (100.0, 300.0, 3.0, 0.2),
        (100.0, 34.0, 3.0, 5.0),
        (100.0, 300.0, 0.02, 5.0),
        (100.0, 101.0, 0.0099, 3.0),  # s on either side of the series' limit
        (100.0, 101.0, 0.0101, 3.0),
        (100.0, 140.0, 0.25, 1.6),  # s on either side of the far guess's limit
        (100.0, 140.0, 0.251, 1.6),
    ]
    for forward, strike, years, sigma in shapes:
        for is_call in (True, False):
            if (forward > strike) == is_call and forward != strike:
                forward, strike = strike, forward
            case = exactly(forward, strike, years, sigma, is_call)
            market = float(price(case))
            exact = float(implied_volatility(case, Decimal(market)))
            iv, status = solve_one(market, forward, strike, years, is_call)
            assert status is Status.OK
            # near the upper bound the price itself hardly moves: allow what half an ulp of it does
            nudged = float(implied_volatility(case, Decimal(market) * (1 + Decimal(EPSILON))))
            assert abs(iv - exact) <= 1e-14 * exact + 2 * abs(nudged - exact), (forward, strike, years, sigma)


@pytest.mark.parametrize(("forward", "strike"), [(24_873.35, 7.3), (7.3, 24_873.35), (100.1, 99.7)])
@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize("ulps", [3, 1_000, 10**9])
def test_prices_just_below_the_bound(forward: float, strike: float, is_call: bool, ulps: int) -> None:
    """What is missing to the bound (F or K) decides there, and it is known exactly."""
    bound = forward if is_call else strike
    market = bound - ulps * math.ulp(bound)
    iv, status = solve_one(market, forward, strike, 1.0, is_call)
    if status is Status.ABOVE_MAX:  # the time value rounds to its bound min(F, K): only with a few ulps missing
        assert ulps == 3
        return
    exact = float(implied_volatility(exactly(forward, strike, 1.0, 8.0, is_call), Decimal(market)))
    assert iv == pytest.approx(exact, rel=1e-14)


def test_put_call_parity_of_price_and_greeks() -> None:
    market = Market(11, 5_000)
    out = [Greeks.empty(len(market)) for _ in range(2)]
    for is_call, into in ((True, out[0]), (False, out[1])):
        OptionKernel().greeks(
            market.forward, market.strike, market.years, np.full(len(market), is_call), market.iv, market.discount, into
        )
    call, put = out
    forward_value = market.discount * (market.forward - market.strike)
    scale = np.maximum(market.forward, market.strike)
    assert (np.abs(call.price - put.price - forward_value) <= 4 * EPSILON * scale).all()
    assert (np.abs(call.delta - put.delta - market.discount) <= 4 * EPSILON).all()
    for name in ("gamma", "vega", "vanna", "volga"):
        assert np.array_equal(getattr(call, name), getattr(put, name)), name


def test_same_volatility_from_both_legs() -> None:
    market = Market(12, 5_000, widest=1.0)
    legs = []
    for is_call in (True, False):
        out, calls = Greeks.empty(len(market)), np.full(len(market), is_call)
        OptionKernel().greeks(market.forward, market.strike, market.years, calls, market.iv, None, out)
        legs.append(solve(out.price, market.forward, market.strike, market.years, calls)[0])
    sensitivity = np.maximum(market.forward, market.strike) * EPSILON
    vega = market.greeks(discount=np.ones(len(market))).vega * 100
    assert (np.abs(legs[0] - legs[1]) <= 8 * sensitivity / vega + 1e-13 * market.iv).all()


def test_monotone_in_price_and_homogeneous_in_money() -> None:
    prices = np.linspace(0.5, 24_000.0, 20_000)
    size = len(prices)
    shape = (np.full(size, 25_000.0), np.full(size, 25_600.0), np.full(size, 0.1), np.ones(size, dtype=np.bool_))
    iv, status = solve(prices, *shape)
    assert (status == Status.OK).all()
    assert (np.diff(iv) > 0).all()
    scaled, _ = solve(prices * 1024.0, shape[0] * 1024.0, shape[1] * 1024.0, shape[2], shape[3])
    assert np.array_equal(scaled, iv)  # a power of two: the same digits


@pytest.mark.parametrize(
    ("name", "variable", "step", "unit"),
    [
        ("delta", "forward", 1e-5, 1.0),
        ("vega", "iv", 1e-5, 0.01),
        ("theta", "years", -1e-5, 1 / 365),
    ],
)
def test_first_order_greeks_against_difference_quotients(name: str, variable: str, step: float, unit: float) -> None:
    market = Market(13, 3_000, widest=2.0)
    base: Floats = getattr(market, variable)
    # relative to the width s of the distribution, so that the quotient is smooth on its scale
    h = step * base * (market.iv * np.sqrt(market.years) if variable == "forward" else 1.0)
    quotient = (market.greeks(**{variable: base + h}).price - market.greeks(**{variable: base - h}).price) / (2 * h)
    expected = getattr(market.greeks(), name) / unit * (-1.0 if name == "theta" else 1.0)
    noise = 8 * EPSILON * np.maximum(market.forward, market.strike) / np.abs(h)
    assert (np.abs(quotient - expected) <= 1e-7 * np.abs(expected) + noise).all()


@pytest.mark.parametrize(
    ("name", "of", "variable", "unit"),
    [
        ("gamma", "delta", "forward", 1.0),
        ("vanna", "delta", "iv", 0.01),
        ("volga", "vega", "iv", 0.01),
        ("charm", "delta", "years", -1 / 365),
    ],
)
def test_second_order_greeks_against_difference_quotients(name: str, of: str, variable: str, unit: float) -> None:
    market = Market(14, 3_000, widest=2.0)
    base: Floats = getattr(market, variable)
    h = 1e-5 * base * (market.iv * np.sqrt(market.years) if variable == "forward" else 1.0)
    high, low = (getattr(market.greeks(**{variable: base + sign * h}), of) for sign in (1, -1))
    expected = getattr(market.greeks(), name) / unit
    quotient = (high - low) / (2 * h)
    scale = np.maximum(np.abs(high), np.abs(low))
    assert (
        np.abs(quotient - expected) <= 1e-6 * np.abs(expected) + 64 * EPSILON * scale / h + 1e-9 * scale / base
    ).all()


def test_rho_is_minus_time_times_price() -> None:
    market = Market(15, 500)
    found = market.greeks()
    assert np.allclose(found.rho, -market.years * found.price / 100, rtol=1e-14, atol=0.0)


@pytest.mark.parametrize("size", [0, 1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5])
def test_size_and_order_do_not_matter(size: int) -> None:
    market = Market(16, size)
    model = market.greeks().price
    iv, status = solve(model, market.forward, market.strike, market.years, market.is_call, market.discount)
    order = np.random.default_rng(1).permutation(size)
    shuffled, shuffled_status = solve(
        model[order],
        market.forward[order],
        market.strike[order],
        market.years[order],
        market.is_call[order],
        market.discount[order],
    )
    assert np.array_equal(shuffled, iv[order], equal_nan=True)
    assert np.array_equal(shuffled_status, status[order])


def test_a_kernel_is_reusable_and_grows() -> None:
    kernel = OptionKernel(capacity=10)
    for size in (5, 3_000, 40_000, 7):
        market = Market(size, size)
        fresh, reused = market.greeks(), Greeks.empty(size)
        kernel.greeks(market.forward, market.strike, market.years, market.is_call, market.iv, market.discount, reused)
        assert equal(fresh, reused)


GOOD_VOLATILITY = float(implied_volatility(exactly(24_000.0, 24_100.0, 0.08, 0.2, True), Decimal(519)))


@given(rows=st.lists(st.tuples(ANY_FLOAT, ANY_FLOAT, ANY_FLOAT, ANY_FLOAT, ANY_FLOAT, st.booleans()), max_size=8))
@settings(deadline=None, max_examples=300)
def test_no_float_input_warns_raises_or_touches_its_neighbours(
    rows: list[tuple[float, float, float, float, float, bool]],
) -> None:
    good = (519.0, 24_000.0, 24_100.0, 0.08, 1.0, True)
    columns = list(zip(*[good, *rows, good], strict=True))
    price_, forward, strike, years, discount = (np.array(column, dtype=np.float64) for column in columns[:5])
    calls = np.array(columns[5], dtype=np.bool_)
    size = len(calls)
    iv, status, out = np.empty(size), np.empty(size, dtype=np.int8), Greeks.empty(size)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OptionKernel().value(price_, forward, strike, years, calls, discount, iv, status, out)
    assert status[0] == status[-1] == Status.OK
    assert iv[0] == iv[-1] == pytest.approx(GOOD_VOLATILITY, rel=1e-14)
    solved = status == Status.OK
    assert (np.isfinite(iv) == solved).all()
    assert (iv[solved] > 0).all()
    assert np.isnan(iv[~solved]).all()
    for field in fields(Greeks):
        figures = getattr(out, field.name)
        assert np.isnan(figures[~solved]).all(), field.name
        assert not np.isnan(figures[[0, -1]]).any(), field.name
    alone = np.empty(1)
    for row in range(size):
        one = slice(row, row + 1)
        OptionKernel().implied_volatility(
            price_[one], forward[one], strike[one], years[one], calls[one], discount[one], alone, status[:1].copy()
        )
        assert np.array_equal(alone, iv[one], equal_nan=True)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ((100.0, 24_000.0, 24_100.0, 0.02, True), Status.OK),
        ((0.0, 24_000.0, 24_100.0, 0.02, True), Status.NO_PRICE),
        ((-1.0, 24_000.0, 24_100.0, 0.02, True), Status.NO_PRICE),
        ((math.nan, 24_000.0, 24_100.0, 0.02, True), Status.NO_PRICE),
        ((-math.inf, 24_000.0, 24_100.0, 0.02, True), Status.NO_PRICE),
        ((99.0, 24_100.0, 24_000.0, 0.02, True), Status.BELOW_INTRINSIC),
        ((99.0, 24_000.0, 24_100.0, 0.02, False), Status.BELOW_INTRINSIC),
        ((100.0, 24_100.0, 24_000.0, 0.02, True), Status.AT_INTRINSIC),
        ((18.15, 1441.85, 1460.0, 0.02, False), Status.AT_INTRINSIC),  # F - K is 9e-14 off as floats
        ((1e-300, 24_000.0, 24_100.0, 0.02, True), Status.AT_INTRINSIC),
        ((24_000.0, 24_000.0, 24_100.0, 0.02, True), Status.ABOVE_MAX),
        ((24_100.0, 24_000.0, 24_100.0, 0.02, False), Status.ABOVE_MAX),
        ((math.inf, 24_000.0, 24_100.0, 0.02, False), Status.ABOVE_MAX),
        ((100.0, 24_000.0, 24_100.0, 0.0, True), Status.EXPIRED),
        ((100.0, 24_000.0, 24_100.0, -1.0, True), Status.EXPIRED),
        ((0.0, 24_000.0, 24_100.0, -1.0, True), Status.EXPIRED),
        ((100.0, math.nan, 24_100.0, 0.02, True), Status.BAD_INPUT),
        ((100.0, 0.0, 24_100.0, 0.02, True), Status.BAD_INPUT),
        ((100.0, 24_000.0, -24_100.0, 0.02, True), Status.BAD_INPUT),
        ((100.0, math.inf, 24_100.0, 0.02, False), Status.BAD_INPUT),
        ((100.0, 24_000.0, math.inf, 0.02, True), Status.BAD_INPUT),
        ((100.0, 24_000.0, 24_100.0, math.nan, True), Status.BAD_INPUT),
        ((100.0, 24_000.0, 24_100.0, math.inf, True), Status.BAD_INPUT),
        ((0.0, math.nan, 24_100.0, 0.0, True), Status.BAD_INPUT),
    ],
)
def test_status_names_the_first_thing_that_is_wrong(
    row: tuple[float, float, float, float, bool], expected: Status
) -> None:
    iv, status = solve_one(*row)
    assert status is expected
    assert math.isnan(iv) == (expected is not Status.OK)


@pytest.mark.parametrize("discount", [0.0, -1.0, math.nan, math.inf])
def test_a_bad_discount_is_bad_input(discount: float) -> None:
    one = np.ones(1)
    _, status = solve(100 * one, 24_000 * one, 24_100 * one, 0.02 * one, one > 0, discount * one)
    assert status[0] == Status.BAD_INPUT


def test_tiny_out_of_the_money_prices_still_have_a_volatility() -> None:
    """The rounding of F - K concerns the money's inside only: outside, 1e-12 of a rupee is a price like another."""
    forward, strike, tiny = 24_000.0, 26_000.0, 1e-12
    assert tiny < ROUNDING * forward
    iv, status = solve_one(tiny, forward, strike, 0.02, True)
    assert status is Status.OK
    case = exactly(forward, strike, 0.02, 0.1, True)
    assert iv == pytest.approx(float(implied_volatility(case, Decimal(tiny))), rel=1e-14)


@given(
    log_moneyness=st.floats(-600.0, 600.0),
    share=st.floats(1e-18, 1.0 - 1e-15),
    is_call=st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_prices_far_outside_any_market_are_solved_too(log_moneyness: float, share: float, is_call: bool) -> None:
    """An out-of-the-money price between nothing and its bound: whatever volatility is found reproduces it."""
    forward, strike = 1.0, math.exp(-log_moneyness)
    if (log_moneyness > 0) == is_call:
        forward, strike = strike, forward
    market = share * min(forward, strike)
    years, calls = np.ones(1), np.array([is_call])
    iv, status = solve(np.array([market]), np.array([forward]), np.array([strike]), years, calls)
    assert status[0] == Status.OK
    out = Greeks.empty(1)
    OptionKernel().greeks(np.array([forward]), np.array([strike]), years, calls, iv, None, out)
    assert out.price[0] == pytest.approx(market, rel=1e-9)


@pytest.mark.parametrize("iv", [1e-3, 1e-30, 1e-140])
def test_without_volatility_left_the_greeks_are_the_payoffs(iv: float) -> None:
    """Deltas of exactly 0 and 1 and nothing else, where the rational of M would overflow and phi underflows."""
    forward, strike = np.array([24_000.0, 24_000.0, 1e9]), np.array([23_000.0, 25_000.0, 1e-9])
    for is_call, deltas in ((True, [1.0, 0.0, 1.0]), (False, [0.0, -1.0, 0.0])):
        out = Greeks.empty(3)
        OptionKernel().greeks(forward, strike, np.full(3, 0.01), np.full(3, is_call), np.full(3, iv), None, out)
        assert out.delta.tolist() == deltas
        for name in ("gamma", "theta", "vega", "vanna", "volga", "charm"):
            assert (getattr(out, name) == 0.0).all(), name
        payoff = np.maximum((forward - strike) * (1 if is_call else -1), 0.0)
        assert np.array_equal(out.price, payoff)


def test_a_volatility_too_small_to_compute_with_is_none() -> None:
    one, out = np.ones(3), Greeks.empty(3)
    iv = np.array([1e-300, 5e-324, 0.2])
    OptionKernel().greeks(24_000 * one, 24_000 * one, 0.01 * one, one > 0, iv, None, out)
    for column in out.columns():
        assert np.isnan(column).tolist() == [True, True, False]


def test_slices_concatenate_and_spread() -> None:
    starts, lengths = np.array([10, 3, 40]), np.array([2, 0, 3])
    assert slice_rows(starts, lengths).tolist() == [10, 11, 40, 41, 42]
    assert slice_rows(starts[:0], lengths[:0]).tolist() == []
    buffer = np.zeros(8)
    assert spread(np.array([1.5, 2.5, 3.5]), lengths, buffer).tolist() == [1.5, 1.5, 3.5, 3.5, 3.5]
    assert buffer[:5].tolist() == [1.5, 1.5, 3.5, 3.5, 3.5]
