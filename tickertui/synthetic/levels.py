"""Levels of the mock market: which underlyings there are, where they stand, and what their index shows.

`MarketLevels` is the part of `tickertui.synthetic.market.MockMarket` that knows names instead of contracts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np

from tickertui.frozen import frozen
from tickertui.market.clock import IST, from_epoch
from tickertui.market.hours import MarketCalendar
from tickertui.market.underlying_names import listed_name
from tickertui.market.universe import Underlying, Universe
from tickertui.synthetic.paths import (
    TRAITS,
    AroundTheClock,
    Floats,
    LevelPath,
    MarketTime,
    Noise,
    Regime,
    SessionHours,
    Timeline,
)


@frozen
class MarketTraits:
    """How an underlying behaves that is not in the universe (a share): its level is known, the rest is typical.

    Attributes:
        volatility: Of the at-the-money option, per year.
        skew: Rho of the SSVI surface.
        smile: Eta of the SSVI surface.
        carry: Growth of the forward over the spot, per year.
        beta: How far it moves with the market.
        activity: Trade in its options as a part of the NIFTY's.
        strike_step: For the round strikes of its open interest, rupees; 0 = derived from the level.
    """

    volatility: float = 0.28
    skew: float = -0.2
    smile: float = 1.0
    carry: float = 0.055
    beta: float = 1.0
    activity: float = 0.02
    strike_step: float = 0.0


SHARE: Final = MarketTraits()
VOLATILITY_INDEX: Final = MarketTraits(volatility=0.6, beta=-1.0)


@dataclass(slots=True)
class MarketName:
    """An underlying of this market.

    Attributes:
        name: As in the dump.
        path: Where it is at any instant.
        traits: How it behaves.
        level: Where it was seeded, rupees.
        step: Of its strikes, rupees.
    """

    name: str
    path: LevelPath
    traits: Underlying | MarketTraits
    level: float
    step: float


class MarketLevels:
    """Underlyings by number, their paths, and the instants at which an index stands still.

    Args:
        universe: Levels and behaviour of the known underlyings.
        calendar: Closing auctions.
        seed: Of the market.
        regime: From the beginning of time.
        sessions: Whether the market moves in the calendar's sessions only.
        start: Epoch seconds at which an underlying that nobody seeded stands at its typical level.
    """

    def __init__(
        self, universe: Universe, calendar: MarketCalendar, *, seed: int, regime: Regime, sessions: bool, start: float
    ) -> None:
        self.universe = universe
        self.seed = seed
        self.time: MarketTime = SessionHours(calendar) if sessions else AroundTheClock()
        self.timeline = Timeline(Regime.CALM if TRAITS[regime].frozen else regime)
        self.names: list[MarketName] = []
        self._calendar = calendar
        self._start = start
        self._sessions = sessions
        self._number_of: dict[str, int] = {}
        self._market, self._mood = Noise(seed, "market"), Noise(seed, "mood")
        self._windows: dict[date, tuple[tuple[float, float], ...]] = {}
        self._known: Mapping[str, float] = {
            **{index.name: index.level for index in universe.other_indices},
            **{underlying.name: underlying.spot for underlying in universe.underlyings},
        }

        if self.timeline.regime is not regime:
            self.timeline.change(start, self.tau(start), regime)

    def number(self, name: str) -> int | None:
        """Return an underlying's number, None where it has no level; the universe's have their typical ones.

        The chains of several exchanges and series on one underlying follow one level.
        """
        name = listed_name(name)
        found = self._number_of.get(name)
        if found is None and name in self._known:
            return self.seed_level(name, self._known[name], self._start)
        return found

    def seed_level(self, name: str, level: float, at: float, volatility: float | None = None) -> int:
        """Let an underlying stand at a level at an instant and return its number.

        Raises:
            ValueError: When the level or volatility is not a positive number.
        """
        name = listed_name(name)
        if not (0.0 < level < np.inf) or (volatility is not None and not 0.0 < volatility < 10.0):
            raise ValueError(f"{name}: a level and a volatility are positive numbers, not {level} and {volatility}")
        number = self._number_of.get(name)
        if number is None:
            self._number_of[name] = number = len(self.names)
            self.names.append(self._new(name, level))
        entry = self.names[number]
        entry.level = level
        if volatility is not None:
            entry.path.volatility = volatility
        shown = self.shown_instants(np.array([at]))
        entry.path.anchor(level, float(self.time.business(shown)[0]))
        return number

    def _new(self, name: str, level: float) -> MarketName:
        traits: Underlying | MarketTraits | None = self.universe.get(name)
        if traits is None:
            traits = VOLATILITY_INDEX if name in self._known else SHARE
        path = LevelPath(name, self.seed, self._market, self._mood, self.timeline, traits.volatility, traits.beta)
        step = traits.strike_step or 10.0 ** float(np.floor(np.log10(level / 20.0)))
        return MarketName(name, path, traits, level, step)

    def tau(self, at: float) -> float:
        """Return the business time of one instant."""
        return float(self.time.business(np.array([at]))[0])

    def shown(self, number: int, at: Floats) -> Floats:
        """Return the levels that an index shows at instants, rupees."""
        return self.names[number].path.levels(self.time.business(self.shown_instants(at)))

    def shown_instants(self, at: Floats) -> Floats:
        """Return the instants whose level an index shows: in a closing auction, that at which it froze."""
        _, since = self.timeline.traits_at(at)
        shown = np.where(np.isnan(since), at, since)
        if not len(at):
            return shown
        shown = self.time.latest(shown)
        first, last = from_epoch(float(shown.min())).date(), from_epoch(float(shown.max())).date()
        for ordinal in range(first.toordinal(), last.toordinal() + 1):
            for start, end in self._frozen_on(date.fromordinal(ordinal)):
                shown = np.where((shown >= start) & (shown < end), start, shown)
        return shown

    def silent_from(self, at: float) -> float:
        """Return when the index begins to stand still on the day of an instant, inf where it does not."""
        return min((start for start, _ in self._frozen_on(from_epoch(at).date()) if start > at), default=np.inf)

    def _frozen_on(self, day: date) -> tuple[tuple[float, float], ...]:
        """When the index stands still on a day: in the auction and, where the market has hours, after its close."""
        found = self._windows.get(day)
        if found is None:
            windows = []
            for session in self._calendar.session_on("INDICES", day):
                if session.auction is not None:
                    windows.append((session.auction.timestamp(), session.close.timestamp()))
                if self._sessions:
                    rest = datetime.combine(day + timedelta(days=1), datetime.min.time(), IST)
                    windows.append((session.close.timestamp(), rest.timestamp()))
            self._windows[day] = found = tuple(windows)
        return found
