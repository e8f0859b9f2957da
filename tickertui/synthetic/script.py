"""What is scripted to happen in a mock market, and what the market tells about it.

A script is a list of instants and actions; the market runs each action in the step that reaches its instant. The
bundled one lists a new strike at 11:38 on each day, because exchanges do.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final, Protocol

from tickertui.frozen import frozen
from tickertui.market.hours import market_time
from tickertui.market.instruments import Instrument
from tickertui.synthetic.paths import Regime

NEW_STRIKE_AT: Final = time(11, 38)


@frozen
class MockEvent:
    """Something that happened.

    Attributes:
        text: One line for the events pane.
        instruments: Contracts that are new.
    """

    text: str
    instruments: tuple[Instrument, ...] = ()


class MarketControls(Protocol):
    """What an action may do to a market; see `tickertui.synthetic.market.MockMarket`."""

    def set_regime(self, regime: Regime, at: datetime | None = None) -> None:
        """Change the market's behaviour."""
        ...

    def jump(self, percent: float, name: str | None = None) -> None:
        """Let a level gap."""
        ...

    def list_strike(
        self, name: str = "NIFTY", expiry: date | None = None, strike: float | None = None
    ) -> tuple[Instrument, ...]:
        """List a new strike."""
        ...


class MarketAction(Protocol):
    """One thing that can be scripted."""

    def __call__(self, market: MarketControls) -> None:
        """Do it."""
        ...


@frozen
class ChangeRegime:
    """The market behaves differently from here on."""

    regime: Regime

    def __call__(self, market: MarketControls) -> None:
        """Do it."""
        market.set_regime(self.regime)


@frozen
class Gap:
    """An underlying, or with None the whole market, gaps by so many per cent."""

    percent: float
    name: str | None = None

    def __call__(self, market: MarketControls) -> None:
        """Do it."""
        market.jump(self.percent, self.name)


@frozen
class NewStrike:
    """A strike is listed; without an expiry the nearest, without a strike the next one above the chain."""

    name: str = "NIFTY"
    expiry: date | None = None
    strike: float | None = None

    def __call__(self, market: MarketControls) -> None:
        """Do it."""
        market.list_strike(self.name, self.expiry, self.strike)


class MarketScript:
    """Actions by instant, and actions of each day.

    Args:
        daily: (time of day, action).
    """

    def __init__(self, daily: Sequence[tuple[time, MarketAction]] = ()) -> None:
        self._daily = tuple(sorted(daily, key=lambda entry: entry[0]))
        self._once: list[tuple[datetime, int, MarketAction]] = []
        self._added = 0
        self._reached: datetime | None = None

    @classmethod
    def with_new_strikes(cls) -> MarketScript:
        """Return the script that lists a NIFTY strike at 11:38."""
        return cls(((NEW_STRIKE_AT, NewStrike()),))

    def add(self, at: datetime, action: MarketAction) -> None:
        """Let an action happen once, at an instant (aware)."""
        self._added += 1
        insort(self._once, (market_time(at), self._added, action), key=lambda entry: entry[:2])

    def begin(self, now: datetime) -> None:
        """Pass over what lies before an instant."""
        self._reached = market_time(now)

    def due(self, now: datetime) -> list[tuple[datetime, MarketAction]]:
        """Return the actions between the last call and ``now`` with their instants, in order."""
        now = market_time(now)
        since, self._reached = self._reached, now
        found: list[tuple[datetime, MarketAction]] = []
        while self._once and self._once[0][0] <= now:
            at, _, action = self._once.pop(0)
            found.append((at, action))
        if self._daily and since is not None:
            day = since.date()
            while day <= now.date():
                for clock, action in self._daily:
                    at = datetime.combine(day, clock, now.tzinfo)
                    if since < at <= now:
                        found.append((at, action))
                day += timedelta(days=1)
        return sorted(found, key=lambda entry: entry[0])
