"""`GreeksCalculator` as its callers use it: scalars with units, dates, conventions, broadcasting."""

from __future__ import annotations

import math
from datetime import date, datetime, time

import numpy as np
import pytest

from tickertui.market.clock import IST
from tickertui.market.conventions import (
    Convention,
    Model,
    Preset,
    TimeBasis,
    VolatilitySide,
    trading_years,
)
from tickertui.market.greeks import GreeksCalculator, OptionType, Status, theta_left
from tickertui.market.instruments import InstrumentKind

EXPIRY = date(2026, 12, 1)


def at_1540(expiry: date) -> datetime:
    return datetime.combine(expiry, time(15, 40), IST)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=IST)


@pytest.fixture
def calculator() -> GreeksCalculator:
    return GreeksCalculator(expiry_instant=at_1540)


def normal(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2


def test_golden_values_with_units() -> None:
    """ATM 24000, 30 days, 15 %, r = 10 % on spot: theta is about -10.4 rupees a day, not a 365th of it."""
    greeks = GreeksCalculator(0.10, 0.0, Model.BLACK_SCHOLES).calculate_greeks(24_000, 24_000, 30 / 365, 0.15, "CE")
    years, sigma, rate = 30 / 365, 0.15, 0.10
    d1 = (rate + sigma**2 / 2) * math.sqrt(years) / sigma
    d2 = d1 - sigma * math.sqrt(years)
    phi = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
    carried = 24_000 * math.exp(-rate * years) * normal(d2)
    assert greeks.status is Status.OK
    assert greeks.delta == pytest.approx(normal(d1), rel=1e-12)
    assert greeks.gamma == pytest.approx(phi / (24_000 * sigma * math.sqrt(years)), rel=1e-12)
    assert greeks.vega == pytest.approx(24_000 * phi * math.sqrt(years) / 100, rel=1e-12)
    assert greeks.theta == pytest.approx((-24_000 * phi * sigma / (2 * math.sqrt(years)) - rate * carried) / 365)
    assert greeks.theta == pytest.approx(-10.409, abs=1e-3)
    assert greeks.rho == pytest.approx(years * carried / 100, rel=1e-12)
    assert greeks.price == pytest.approx(24_000 * normal(d1) - carried, rel=1e-12)


def test_time_to_expiry_runs_to_the_injected_instant(calculator: GreeksCalculator) -> None:
    assert calculator.calculate_time_to_expiry(EXPIRY, instant("2026-11-30T15:40:00")) == pytest.approx(1 / 365)
    assert calculator.calculate_time_to_expiry(EXPIRY, instant("2026-12-01T15:39:00")) == pytest.approx(1 / 525_600)
    assert calculator.calculate_time_to_expiry(EXPIRY, instant("2026-12-01T15:40:00")) == 0.0
    assert calculator.calculate_time_to_expiry(EXPIRY, instant("2026-12-02T10:00:00")) == 0.0


def test_time_to_expiry_needs_an_instant_and_a_zone(calculator: GreeksCalculator) -> None:
    with pytest.raises(ValueError, match="expiry_instant"):
        GreeksCalculator().calculate_time_to_expiry(EXPIRY, instant("2026-11-30T15:40:00"))
    with pytest.raises(ValueError, match="time zone"):
        calculator.calculate_time_to_expiry(EXPIRY, datetime(2026, 11, 30, 15, 40))  # noqa: DTZ001


def test_trading_time_comes_from_the_injected_sessions() -> None:
    asked: list[tuple[datetime, datetime]] = []

    def sessions(now: datetime, end: datetime) -> float:
        asked.append((now, end))
        return 2.5

    now = instant("2026-11-27T12:00:00")
    calculator = GreeksCalculator(
        expiry_instant=at_1540, time_basis=Preset.KITE_SENSIBULL.value.time_basis, session_time=sessions
    )
    assert calculator.calculate_time_to_expiry(EXPIRY, now) == pytest.approx(2.5 / 252)
    assert asked == [(now, at_1540(EXPIRY))]
    assert calculator.calculate_time_to_expiry(EXPIRY, instant("2026-12-01T16:00:00")) == 0.0
    assert trading_years(instant("2026-12-01T16:00:00"), at_1540(EXPIRY), sessions) < 0.0
    with pytest.raises(ValueError, match="session_time"):
        GreeksCalculator(time_basis=TimeBasis.TRADING_252)


def test_presets_are_named_and_differ() -> None:
    labels = [preset.label for preset in Preset]
    assert len(set(labels)) == len(labels)
    exchange = Preset.EXCHANGE.value
    assert (exchange.model, exchange.interest_rate) == (Model.BLACK_SCHOLES, 0.10)
    assert Preset.EXCHANGE.value.side is VolatilitySide.OWN
    assert Preset.FORWARD.value == Convention(Preset.FORWARD.label)


def test_exchange_preset_shows_the_known_gap_between_call_and_put() -> None:
    """True volatility 12 %, carry 5.5 %, 30 days: the exchange's way shows about 10.4 and 13.65."""
    years, spot = 30 / 365, 24_000.0
    strike = forward = spot * math.exp(0.055 * years)
    discount = math.exp(-0.055 * years)
    convention = Preset.EXCHANGE.value
    ours, exchange = GreeksCalculator(), GreeksCalculator(convention.interest_rate, model=convention.model)
    prices = ours.greeks(forward, strike, years, np.array([True, False]), 0.12, discount).price
    call, put = (
        exchange.calculate_implied_volatility(price, spot, strike, years, side)
        for price, side in zip(prices.tolist(), ("CE", "PE"), strict=True)
    )
    assert call == pytest.approx(0.1040, abs=1e-3)
    assert put == pytest.approx(0.1365, abs=1e-3)


@pytest.mark.parametrize("word", ["CE", "ce", "CALL", "c", InstrumentKind.CALL])
def test_call_words(calculator: GreeksCalculator, word: OptionType) -> None:
    assert calculator.calculate_greeks(24_000, 24_000, 0.1, 0.15, word).delta > 0.0


@pytest.mark.parametrize("word", ["PE", "pe", "put", "P", InstrumentKind.PUT])
def test_put_words(calculator: GreeksCalculator, word: OptionType) -> None:
    assert calculator.calculate_greeks(24_000, 24_000, 0.1, 0.15, word).delta < 0.0


@pytest.mark.parametrize("word", ["FUT", "", "EQ", InstrumentKind.FUTURE])
def test_other_words_are_refused(calculator: GreeksCalculator, word: OptionType) -> None:
    with pytest.raises(ValueError, match="not an option type"):
        calculator.calculate_implied_volatility(100.0, 24_000, 24_000, 0.1, word)


def test_full_workflow_from_price_to_greeks(calculator: GreeksCalculator) -> None:
    now = instant("2026-11-25T11:00:00")
    years = calculator.calculate_time_to_expiry(EXPIRY, now)
    model = calculator.calculate_greeks(24_000, 24_200, years, 0.137, "PE")
    iv, greeks = calculator.calculate_option_greeks(model.price, 24_000, 24_200, EXPIRY, "PE", now)
    assert iv == pytest.approx(0.137, rel=1e-12)
    assert greeks.delta == pytest.approx(model.delta, rel=1e-11)
    assert greeks.status is Status.OK


@pytest.mark.parametrize(
    ("price", "now", "expected"),
    [
        (0.0, "2026-11-25T11:00:00", Status.NO_PRICE),
        (math.nan, "2026-11-25T11:00:00", Status.NO_PRICE),
        (150.0, "2026-11-25T11:00:00", Status.BELOW_INTRINSIC),
        (30_000.0, "2026-11-25T11:00:00", Status.ABOVE_MAX),
        (250.0, "2026-12-01T15:40:00", Status.EXPIRED),
    ],
)
def test_missing_figures_are_nan_with_a_reason(
    calculator: GreeksCalculator, price: float, now: str, expected: Status
) -> None:
    iv, greeks = calculator.calculate_option_greeks(price, 24_000, 24_200, EXPIRY, "PE", instant(now))
    assert greeks.status is expected
    figures = (iv, greeks.delta, greeks.gamma, greeks.theta, greeks.vega, greeks.rho, greeks.price)
    assert all(map(math.isnan, figures))


@pytest.mark.parametrize(
    ("spot", "years", "volatility", "expected"),
    [
        (24_000.0, 0.1, 0.0, Status.BAD_INPUT),
        (24_000.0, 0.1, math.nan, Status.BAD_INPUT),
        (24_000.0, 0.1, math.inf, Status.BAD_INPUT),
        (-1.0, 0.1, 0.2, Status.BAD_INPUT),
        (math.nan, 0.0, 0.2, Status.BAD_INPUT),
        (24_000.0, math.inf, 0.2, Status.BAD_INPUT),
        (24_000.0, 0.0, 0.2, Status.EXPIRED),
        (24_000.0, -1.0, 0.0, Status.EXPIRED),
    ],
)
@pytest.mark.parametrize("model", list(Model))
@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_greeks_of_bad_inputs_say_why(
    model: Model, rate: float, spot: float, years: float, volatility: float, expected: Status
) -> None:
    greeks = GreeksCalculator(rate, model=model).calculate_greeks(spot, 24_000, years, volatility, "CE")
    assert greeks.status is expected
    assert math.isnan(greeks.delta)
    assert math.isnan(greeks.price)


def test_values_split_into_intrinsic_and_extrinsic() -> None:
    calculator = GreeksCalculator(0.06, 0.02)
    values = calculator.bsm_greeks_and_values(24_000, 23_500, 0.25, 0.15, "CE")
    assert values.intrinsic == 500.0
    assert values.extrinsic == pytest.approx(values.model_price - 500.0)
    assert values.theta_annual == pytest.approx(365 * values.theta_daily_decay)
    assert values.rho_annual == pytest.approx(100 * values.rho_per_1pct_rate_change)
    without = calculator.bs_greeks_and_values(24_000, 23_500, 0.25, 0.15, "CE")
    assert without.model_price > values.model_price  # a dividend makes a call cheaper
    assert GreeksCalculator(0.06).bsm_greeks_and_values(24_000, 23_500, 0.25, 0.15, "CE") == without


@pytest.mark.parametrize(("kind", "strike", "value"), [("CE", 23_000, 1_000), ("CE", 25_000, 0), ("PE", 25_000, 1_000)])
def test_values_at_expiry_are_the_payoff(kind: str, strike: float, value: float) -> None:
    values = GreeksCalculator(0.1).bs_greeks_and_values(24_000, strike, 0.0, 0.15, kind)
    assert (values.model_price, values.extrinsic, values.status) == (value, 0.0, Status.EXPIRED)
    assert math.isnan(values.delta)


def test_black_scholes_agrees_with_black_on_the_carried_forward() -> None:
    rate, dividend, years, spot = 0.07, 0.012, 0.4, 1_420.5
    calculator = GreeksCalculator(rate, dividend, Model.BLACK_SCHOLES)
    forward, discount = spot * math.exp((rate - dividend) * years), math.exp(-rate * years)
    strikes, calls = np.array([1_200.0, 1_400.0, 1_600.0]), np.array([False, True, True])
    on_forward = calculator.greeks(forward, strikes, years, calls, 0.3, discount)
    on_spot = calculator.spot_greeks(spot, strikes, years, calls, 0.3)
    assert np.allclose(on_spot.price, on_forward.price, rtol=1e-13)
    assert np.allclose(on_spot.delta, on_forward.delta * forward / spot, rtol=1e-13)
    iv, status = calculator.spot_implied_volatility(on_spot.price, spot, strikes, years, calls)
    assert (status == Status.OK).all()
    assert np.allclose(iv, 0.3, rtol=1e-12)
    h = 1e-4
    bumped = [
        GreeksCalculator(rate + sign * h, dividend).spot_greeks(spot, strikes, years, calls, 0.3).price
        for sign in (1, -1)
    ]
    assert np.allclose(on_spot.rho, (bumped[0] - bumped[1]) / (2 * h) / 100, rtol=1e-6)
    later, sooner = (calculator.spot_greeks(spot, strikes, years + sign * 1e-5, calls, 0.3) for sign in (1, -1))
    assert np.allclose(on_spot.theta, -(later.price - sooner.price) / 2e-5 / 365, rtol=1e-6)
    assert np.allclose(on_spot.charm, -(later.delta - sooner.delta) / 2e-5 / 365, rtol=1e-6)
    up, down = (calculator.spot_greeks(spot + sign, strikes, years, calls, 0.3) for sign in (0.01, -0.01))
    assert np.allclose(on_spot.delta, (up.price - down.price) / 0.02, rtol=1e-6)
    assert np.allclose(on_spot.gamma, (up.delta - down.delta) / 0.02, rtol=1e-6)


def test_array_methods_broadcast_and_keep_the_shape() -> None:
    calculator = GreeksCalculator()
    strikes = np.array([[23_900.0], [24_000.0], [24_100.0]])
    calls = np.array([True, False])
    greeks = calculator.greeks(24_000, strikes, 0.05, calls, 0.15)
    assert all(column.shape == (3, 2) for column in greeks.columns())
    iv, status = calculator.implied_volatility(greeks.price, 24_000, strikes, 0.05, calls)
    assert iv.shape == status.shape == (3, 2)
    assert np.allclose(iv, 0.15, rtol=1e-11)
    assert (status == Status.OK).all()
    empty, none = calculator.implied_volatility([], 24_000, [], 0.05, True)
    assert empty.shape == none.shape == (0,)


def test_rates_must_be_finite() -> None:
    with pytest.raises(ValueError, match="finite"):
        GreeksCalculator(math.nan)


def test_theta_left_is_no_more_than_the_time_value_on_the_last_day() -> None:
    hours = np.array([2.0, 23.0, 48.0, 2.0])
    years = hours / (365 * 24)
    strikes = np.array([24_000.0, 24_000.0, 24_000.0, 23_000.0])
    greeks = GreeksCalculator().greeks(24_000.0, strikes, years, True, 0.15)
    intrinsic = np.array([0.0, 0.0, 0.0, 1_000.0])
    found = theta_left(greeks.theta, greeks.price, intrinsic, years)
    assert greeks.theta[0] < -100.0
    assert found[0] == -greeks.price[0]
    assert found[1:3].tolist() == greeks.theta[1:3].tolist()
    assert found[3] == pytest.approx(0.0, abs=1e-9)
    missing = np.array([math.nan])
    assert math.isnan(theta_left(missing, missing, missing, missing)[0])
