"""Conventions of option valuation, as data with names for the screen: model, rate, time, price and side.

Two terminals that show different volatilities for the same option rarely disagree about mathematics: they use
another forward, another clock or another leg. A `Convention` says which, in words that fit a header. Called by
`greeks` (the calculator), the valuation service and the screens that name the convention in force.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import Final, Protocol, TypeAlias

from tickertui.frozen import frozen

DAY_SECONDS: Final = 86_400.0
"""Seconds of a calendar day."""

YEAR_SECONDS: Final = 365 * DAY_SECONDS
"""Seconds of the calendar/365 year."""

TRADING_DAYS: Final = 252.0
"""Sessions of the trading-252 year."""

ExpiryInstant: TypeAlias = Callable[[date], datetime]
"""Gives the aware instant at which an expiry date's options end, from the calendar's data."""


class SessionTime(Protocol):
    """How much trading is left; the market calendar implements it."""

    def __call__(self, now: datetime, end: datetime) -> float:
        """Return the sessions between two instants: today's remaining fraction plus the full sessions after it."""
        ...


class Model(StrEnum):
    """What the underlying of the formula is."""

    BLACK76 = "black76"
    """The forward of the option's own expiry (F. Black, 1976); the rate only discounts."""

    BLACK_SCHOLES = "black-scholes"
    """The spot, carried by rate less dividend yield (Black and Scholes, 1973; Merton, 1973)."""


class TimeBasis(StrEnum):
    """What a year is made of."""

    CALENDAR_365 = "calendar-365"
    TRADING_252 = "trading-252"


class VolatilitySide(StrEnum):
    """Whose implied volatility the Greeks of a strike's two legs use."""

    OTM = "otm"
    """That of the out-of-the-money leg for both: it has the time value and the tighter quote."""

    OWN = "own"
    """Each leg its own."""


class PriceRule(StrEnum):
    """Which price a volatility is implied from, see `price_selection.select_price`."""

    MID_OR_LAST = "mid-or-last"
    LAST = "last"
    BID = "bid"
    ASK = "ask"


@frozen
class Convention:
    """One way to value options.

    Attributes:
        label: Its name on screen.
        model_name: The same where there is little room; the forward's source and the expiry instant follow it.
        model: Black-76 or Black-Scholes.
        interest_rate: Continuously compounded, a decimal per year.
        dividend_yield: Continuous, a decimal per year; only Black-Scholes uses it.
        time_basis: Calendar or trading time.
        side: Which leg's volatility the Greeks use.
        price_rule: Which price the volatility is implied from.
    """

    label: str
    model: Model = Model.BLACK76
    interest_rate: float = 0.0
    dividend_yield: float = 0.0
    time_basis: TimeBasis = TimeBasis.CALENDAR_365
    side: VolatilitySide = VolatilitySide.OTM
    price_rule: PriceRule = PriceRule.MID_OR_LAST
    model_name: str = "B76"


class Preset(Enum):
    """The conventions that Indian traders compare with."""

    FORWARD = Convention("Black-76 fwd, 365d")
    """The default: implied forward, calendar time to the second, out-of-the-money volatility, no rate."""

    KITE_SENSIBULL = Convention("Kite/Sensibull, 252d", time_basis=TimeBasis.TRADING_252, model_name="B76 252d")
    """Black-76 on the (implied) future, 252 trading days, out-of-the-money volatility for both legs.

    Source: sensibull.com/docs/mathsandmarkets.html; 252 days: kite.trade/forum/discussion/15581.
    """

    EXCHANGE = Convention(
        "NSE, B-S spot 10%",
        model=Model.BLACK_SCHOLES,
        interest_rate=0.10,
        side=VolatilitySide.OWN,
        price_rule=PriceRule.LAST,
        model_name="BS 10%",
    )
    """The option chain page of the exchange: spot, 10 % rate, last price, each leg its own volatility.

    Its call and put volatilities differ by 0.6 points a day before expiry and 3 points at 30 days, because the
    market's carry is not 10 %. Source: the note on nseindia.com/option-chain.
    """

    @property
    def label(self) -> str:
        """The name on screen."""
        return self.value.label


def calendar_years(now: datetime, expiry: datetime) -> float:
    """Return (expiry - now) / 365 days, to the microsecond; negative after the expiry.

    Raises:
        TypeError: When one of the two is naive and the other is not.
    """
    return (expiry - now).total_seconds() / YEAR_SECONDS


def trading_years(now: datetime, expiry: datetime, sessions: SessionTime) -> float:
    """Return the sessions left, today's by its remaining fraction, / 252; not positive after the expiry."""
    if now >= expiry:
        return min(calendar_years(now, expiry), 0.0)
    return sessions(now, expiry) / TRADING_DAYS
