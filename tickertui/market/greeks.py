"""`GreeksCalculator`: implied volatilities and Greeks, of one option or of arrays, in a trader's units.

Called by the mock generator, the valuation service, the leg inspector and the command line. The mathematics is in
`implied_volatility`, `wide_volatility` and `black`; blocks and buffers are in `option_kernel`; conventions with
their names are in `conventions`.

Units everywhere: volatility as a decimal (0.13 = 13 %), time in years, delta and gamma per rupee of the
underlying, theta and charm per calendar day, vega, vanna and volga per volatility point, rho per percentage point.
What has no answer is NaN with a `Status`, never 0. Under trading-252 a year is 252 sessions, and "a calendar day"
of theta is a 365th of that year.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tickertui.frozen import frozen
from tickertui.market.black import DAYS_PER_YEAR, Greeks, on_spot, theta_left
from tickertui.market.conventions import (
    ExpiryInstant,
    Model,
    SessionTime,
    TimeBasis,
    calendar_years,
    trading_years,
)
from tickertui.market.implied_volatility import Flags, Status, Statuses
from tickertui.market.instruments import InstrumentKind
from tickertui.market.mills import Floats
from tickertui.market.option_kernel import OptionKernel

__all__ = ["Greeks", "GreeksCalculator", "Model", "OptionGreeks", "OptionType", "OptionValues", "Status", "theta_left"]

OptionType: TypeAlias = str | InstrumentKind
"""CE, CALL, C, PE, PUT or P in any case, or `InstrumentKind.CALL` / `InstrumentKind.PUT`."""

_CALL_WORDS: Final = frozenset({"CE", "CALL", "C"})
_PUT_WORDS: Final = frozenset({"PE", "PUT", "P"})


@frozen
class OptionGreeks:
    """Greeks of one option in the units of `Greeks`, with the reason when they are NaN."""

    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float
    vanna: float
    volga: float
    charm: float
    price: float
    status: Status


@frozen
class OptionValues:
    """Model value of one option and its parts; unit in each name.

    Attributes:
        model_price: Rupees; the discounted payoff when no time is left.
        intrinsic: What exercise now would be worth, rupees.
        extrinsic: model_price - intrinsic; negative where discounting outweighs the time value.
        delta: Per rupee of the underlying.
        gamma: Per rupee of the underlying.
        vega: Rupees per volatility point.
        theta_annual: Rupees per year.
        theta_daily_decay: Rupees per calendar day.
        rho_annual: Rupees for a rate change of 1 (100 %).
        rho_per_1pct_rate_change: Rupees per percentage point.
        status: OK, or why the Greeks are NaN.
    """

    model_price: float
    intrinsic: float
    extrinsic: float
    delta: float
    gamma: float
    vega: float
    theta_annual: float
    theta_daily_decay: float
    rho_annual: float
    rho_per_1pct_rate_change: float
    status: Status


class GreeksCalculator:
    """Implied volatilities and Greeks under one convention.

    The array methods are what the program lives on: 100 ns per option, where a scalar call costs 0.3 ms. An
    instance owns scratch arrays, so one thread at a time may use it.

    Args:
        interest_rate: r, continuously compounded, a decimal per year.
        dividend_yield: q, continuous, a decimal per year; used by Black-Scholes only (a forward contains it).
        model: What the scalar methods' ``spot_price`` is: the forward of the expiry (Black-76, the default), or
            the spot (Black-Scholes).
        expiry_instant: Aware instant at which an expiry date's options end; needed by the methods that take a date.
        time_basis: Calendar/365 or trading-252.
        session_time: Sessions between two instants; needed by trading-252.

    Raises:
        ValueError: When a rate is not finite, or trading-252 comes without ``session_time``.
    """

    def __init__(
        self,
        interest_rate: float = 0.0,
        dividend_yield: float = 0.0,
        model: Model = Model.BLACK76,
        *,
        expiry_instant: ExpiryInstant | None = None,
        time_basis: TimeBasis = TimeBasis.CALENDAR_365,
        session_time: SessionTime | None = None,
    ) -> None:
        if not (math.isfinite(interest_rate) and math.isfinite(dividend_yield)):
            raise ValueError(f"rates must be finite, not {interest_rate} and {dividend_yield}")
        if time_basis is TimeBasis.TRADING_252 and session_time is None:
            raise ValueError("trading-252 time needs the calendar's session_time")
        self.interest_rate = interest_rate
        self.dividend_yield = dividend_yield
        self.model = model
        self.time_basis = time_basis
        self._expiry_instant = expiry_instant
        self._session_time = session_time
        self._kernel = OptionKernel()

    # ------------------------------------------------------------------ arrays, Black-76 on a forward

    def implied_volatility(
        self,
        price: ArrayLike,
        forward: ArrayLike,
        strike: ArrayLike,
        years: ArrayLike,
        is_call: ArrayLike,
        discount: ArrayLike = 1.0,
    ) -> tuple[Floats, Statuses]:
        """Return the Black-76 implied volatilities of options on a forward.

        Args:
            price: Option prices in rupees. All arguments broadcast against each other.
            forward: Forwards at the options' expiries in rupees.
            strike: Strikes in rupees.
            years: Times to expiry in years.
            is_call: True for calls.
            discount: Discount factors to the expiries.

        Returns:
            Volatilities (NaN where there is none) and `Status` values as int8, both in the broadcast shape.
        """
        columns, calls, shape = _columns(is_call, price, forward, strike, years, discount)
        iv, status = np.empty(calls.size), np.empty(calls.size, dtype=np.int8)
        prices, forwards, strikes, times, discounts = columns
        self._kernel.implied_volatility(
            prices, forwards, strikes, times, calls, _unless_one(discount, discounts), iv, status
        )
        return iv.reshape(shape), status.reshape(shape)

    def greeks(
        self,
        forward: ArrayLike,
        strike: ArrayLike,
        years: ArrayLike,
        is_call: ArrayLike,
        iv: ArrayLike,
        discount: ArrayLike = 1.0,
    ) -> Greeks:
        """Return the Black-76 Greeks with respect to the forward; arguments as in `implied_volatility`."""
        columns, calls, shape = _columns(is_call, forward, strike, years, iv, discount)
        out = Greeks.empty(calls.size)
        forwards, strikes, times, volatilities, discounts = columns
        self._kernel.greeks(forwards, strikes, times, calls, volatilities, _unless_one(discount, discounts), out)
        return _shaped(out, shape)

    # ------------------------------------------------------------------ arrays, Black-Scholes on a spot

    def spot_implied_volatility(
        self, price: ArrayLike, spot: ArrayLike, strike: ArrayLike, years: ArrayLike, is_call: ArrayLike
    ) -> tuple[Floats, Statuses]:
        """Return Black-Scholes implied volatilities on a spot, with this calculator's rate and dividend yield."""
        with np.errstate(all="ignore"):
            time = np.asarray(years, dtype=np.float64)
            forward = np.asarray(spot, dtype=np.float64) * np.exp(self._carry * time)
            discount = np.exp(-self.interest_rate * time)
        return self.implied_volatility(price, forward, strike, years, is_call, discount)

    def spot_greeks(
        self, spot: ArrayLike, strike: ArrayLike, years: ArrayLike, is_call: ArrayLike, iv: ArrayLike
    ) -> Greeks:
        """Return Black-Scholes Greeks with respect to the spot, with this calculator's rate and dividend yield."""
        columns, calls, shape = _columns(is_call, spot, strike, years, iv)
        spots, strikes, time, volatilities = columns
        out = Greeks.empty(calls.size)
        with np.errstate(all="ignore"):
            growth, discount = np.exp(self._carry * time), np.exp(-self.interest_rate * time)
            rate = np.full(calls.size, self.interest_rate)
            self._kernel.greeks(spots * growth, strikes, time, calls, volatilities, discount, out, rate=rate)
            return _shaped(on_spot(out, spots, growth, np.full(calls.size, self._carry), time), shape)

    @property
    def _carry(self) -> float:
        return self.interest_rate - self.dividend_yield

    # ------------------------------------------------------------------ one option

    def calculate_time_to_expiry(self, expiry_date: date, current_time: datetime) -> float:
        """Return the years left until the options of an expiry date end, 0 once they have.

        Args:
            expiry_date: The date of expiry.
            current_time: An aware datetime.

        Raises:
            ValueError: When the calculator was built without ``expiry_instant``, or ``current_time`` is naive.
        """
        if self._expiry_instant is None:
            raise ValueError("a date's time to expiry needs GreeksCalculator(expiry_instant=...)")
        if current_time.tzinfo is None:
            raise ValueError(f"{current_time!r} has no time zone; market time is Asia/Kolkata")
        end = self._expiry_instant(expiry_date)
        if self.time_basis is TimeBasis.TRADING_252 and self._session_time is not None:
            return max(trading_years(current_time, end, self._session_time), 0.0)
        return max(calendar_years(current_time, end), 0.0)

    def calculate_implied_volatility(
        self,
        market_price: float,
        spot_price: float,
        strike_price: float,
        time_to_expiry: float,
        option_type: OptionType,
    ) -> float:
        """Return one option's implied volatility, NaN when it has none; `solve_volatility` also says why."""
        return self.solve_volatility(market_price, spot_price, strike_price, time_to_expiry, option_type)[0]

    def solve_volatility(
        self,
        market_price: float,
        spot_price: float,
        strike_price: float,
        time_to_expiry: float,
        option_type: OptionType,
    ) -> tuple[float, Status]:
        """Return one option's implied volatility and its status.

        Args:
            market_price: Rupees.
            spot_price: The underlying of `model`: the forward for Black-76, the spot for Black-Scholes.
            strike_price: Rupees.
            time_to_expiry: Years.
            option_type: See `OptionType`.

        Raises:
            ValueError: For an unknown option type.
        """
        option = (strike_price, time_to_expiry, is_call_option(option_type))
        if self.model is Model.BLACK_SCHOLES:
            iv, status = self.spot_implied_volatility(market_price, spot_price, *option)
        else:
            iv, status = self.implied_volatility(market_price, spot_price, *option, self._discount(time_to_expiry))
        return float(iv), Status(int(status))

    def calculate_greeks(
        self,
        spot_price: float,
        strike_price: float,
        time_to_expiry: float,
        implied_vol: float,
        option_type: OptionType,
    ) -> OptionGreeks:
        """Return one option's Greeks; arguments as in `solve_volatility`.

        Raises:
            ValueError: For an unknown option type.
        """
        greeks = self._greeks_of(
            self.model, spot_price, strike_price, time_to_expiry, implied_vol, is_call_option(option_type)
        )
        status = Status.OK if math.isfinite(float(greeks.price)) else Status.BAD_INPUT
        if time_to_expiry <= 0.0 and 0.0 < spot_price < math.inf and 0.0 < strike_price < math.inf:
            status = Status.EXPIRED
        return _single(greeks, status)

    def calculate_option_greeks(
        self,
        market_price: float,
        spot_price: float,
        strike_price: float,
        expiry_date: date,
        option_type: OptionType,
        current_time: datetime,
    ) -> tuple[float, OptionGreeks]:
        """Return one option's implied volatility and the Greeks at it; the Greeks' status tells what is missing.

        Raises:
            ValueError: As `calculate_time_to_expiry` and `solve_volatility`.
        """
        years = self.calculate_time_to_expiry(expiry_date, current_time)
        iv, status = self.solve_volatility(market_price, spot_price, strike_price, years, option_type)
        if status is not Status.OK:
            return math.nan, _single(_shaped(Greeks(*(np.full(1, np.nan),) * 9), ()), status)
        return iv, self.calculate_greeks(spot_price, strike_price, years, iv, option_type)

    def bs_greeks_and_values(
        self,
        spot_price: float,
        strike_price: float,
        time_to_expiry: float,
        volatility: float,
        option_type: OptionType,
    ) -> OptionValues:
        """Return value and Greeks by Black-Scholes on a spot without dividends, at this calculator's rate."""
        return self._values(0.0, spot_price, strike_price, time_to_expiry, volatility, option_type)

    def bsm_greeks_and_values(
        self,
        spot_price: float,
        strike_price: float,
        time_to_expiry: float,
        volatility: float,
        option_type: OptionType,
    ) -> OptionValues:
        """Return value and Greeks by Black-Scholes-Merton, with this calculator's rate and dividend yield."""
        return self._values(self.dividend_yield, spot_price, strike_price, time_to_expiry, volatility, option_type)

    def _values(
        self, dividend_yield: float, spot: float, strike: float, years: float, volatility: float, kind: OptionType
    ) -> OptionValues:
        calculator = GreeksCalculator(self.interest_rate, dividend_yield, Model.BLACK_SCHOLES)
        greeks = calculator.calculate_greeks(spot, strike, years, volatility, kind)
        usable = 0.0 < spot < math.inf and 0.0 < strike < math.inf
        payoff = spot - strike if is_call_option(kind) else strike - spot
        intrinsic = max(payoff, 0.0) if usable else math.nan
        price = intrinsic if greeks.status is Status.EXPIRED else greeks.price
        return OptionValues(
            model_price=price,
            intrinsic=intrinsic,
            extrinsic=price - intrinsic,
            delta=greeks.delta,
            gamma=greeks.gamma,
            vega=greeks.vega,
            theta_annual=greeks.theta * DAYS_PER_YEAR,
            theta_daily_decay=greeks.theta,
            rho_annual=greeks.rho * 100.0,
            rho_per_1pct_rate_change=greeks.rho,
            status=greeks.status,
        )

    def _greeks_of(
        self, model: Model, underlying: float, strike: float, years: float, iv: float, is_call: bool
    ) -> Greeks:
        if model is Model.BLACK_SCHOLES:
            return self.spot_greeks(underlying, strike, years, is_call, iv)
        return self.greeks(underlying, strike, years, is_call, iv, self._discount(years))

    def _discount(self, years: float) -> float:
        with np.errstate(all="ignore"):
            return float(np.exp(np.float64(-self.interest_rate) * years)) if self.interest_rate else 1.0


def is_call_option(option_type: OptionType) -> bool:
    """Return whether an option type is a call.

    Raises:
        ValueError: When it is neither a call nor a put.
    """
    if isinstance(option_type, str):
        word = option_type.strip().upper()
        if word in _CALL_WORDS:
            return True
        if word in _PUT_WORDS:
            return False
    elif option_type in (InstrumentKind.CALL, InstrumentKind.PUT):
        return option_type is InstrumentKind.CALL
    raise ValueError(f"{option_type!r} is not an option type; use CE or PE")


def _single(greeks: Greeks, status: Status) -> OptionGreeks:
    """The only row of 0-d columns, as floats."""
    delta, gamma, theta, vega, rho, vanna, volga, charm, price = (float(column) for column in greeks.columns())
    return OptionGreeks(delta, gamma, theta, vega, rho, vanna, volga, charm, price, status)


def _columns(is_call: ArrayLike, *values: ArrayLike) -> tuple[list[Floats], Flags, tuple[int, ...]]:
    """Broadcast to one shape and flatten to the contiguous columns that the kernel takes."""
    arrays = np.broadcast_arrays(
        np.asarray(is_call, dtype=np.bool_), *(np.asarray(value, dtype=np.float64) for value in values)
    )
    calls: NDArray[np.bool_] = np.ascontiguousarray(arrays[0]).reshape(-1)
    return [np.ascontiguousarray(array).reshape(-1) for array in arrays[1:]], calls, arrays[0].shape


def _unless_one(given: ArrayLike, column: Floats) -> Floats | None:
    return None if np.ndim(given) == 0 and given == 1.0 else column


def _shaped(greeks: Greeks, shape: tuple[int, ...]) -> Greeks:
    return Greeks(*(column.reshape(shape) for column in greeks.columns()))
