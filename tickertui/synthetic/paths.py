"""Noise, time and levels of the mock market: what an underlying is worth at any instant, from (seed, instant) alone.

Nothing here remembers what was asked before: a candle of last week, the tick of this second and a restart of the
program all see the same path. `tickertui.synthetic.market` builds on it.

A path is a Brownian motion in *business time*: seconds in which the market moves. `AroundTheClock` lets the market
move at every hour (the offline demo: there must be something to see on a Sunday); `SessionHours` moves it in the
calendar's sessions only, faster after the open and towards the close, with a jump over night (the simulator).
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.clock import IST, from_epoch
from tickertui.market.hours import MarketCalendar

Floats = NDArray[np.float64]

FIRST_DAY: Final = date(2025, 1, 1)
"""Business time begins here; the mock knows no earlier market."""
EPOCH: Final = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=IST).timestamp()
_DAY_SECONDS: Final = 86_400.0

_BLOCK: Final = 4096
"""Seconds of noise that are drawn together: 60 µs, needed about once an hour."""
_BLOCKS_KEPT: Final = 8
_TOTALS: Final = 1024
"""Blocks whose totals are drawn together."""

SESSION_SECONDS: Final = 29_100.0
"""Business seconds from one open to the next: 385 minutes and the equivalent of 100 over night."""
_TRADING_SECONDS: Final = 23_100.0
YEAR_SECONDS: Final = 252 * SESSION_SECONDS

# How fast the market moves over a session: from the first to the second fraction of it, so many times the average.
_SEASON_FRACTION: Final = np.array([0.0, 0.04, 0.2, 0.6, 0.87, 1.0])
_SEASON_RATE: Final = np.array([3.0, 1.4, 0.75, 0.8, 1.5])
_SEASON_STEPS: Final = np.diff(_SEASON_FRACTION) * _SEASON_RATE
_SEASON_SUM: Final = np.concatenate(([0.0], np.cumsum(_SEASON_STEPS) / _SEASON_STEPS.sum()))

# Around the clock: business seconds by the seconds of the day, three quarters of them from 09:15 to 15:40.
_DAY_KNOTS: Final = np.array([0.0, 33_300.0, 56_400.0, 86_400.0])
_DAY_BUSINESS: Final = np.array([0.0, 0.13, 0.88, 1.0]) * SESSION_SECONDS

_TREND_SECONDS: Final = 14_400.0
"""A trend goes two hours one way and two back, so that a terminal left open does not end at another level."""
_COMMON: Final = 0.85
"""Correlation of an underlying with the market."""
_VOL_SWING: Final = 0.10
_VOL_SCALE: Final = 150.0
"""Volatility wanders by 10 % over about 150² business seconds, a session."""
_LEVERAGE: Final = 1.5
"""A fall of 1 % lifts the volatility by 1.5 %."""


class Noise:
    """A Brownian motion: standard deviation sqrt(s) after s seconds, a function of seed, name and time.

    Args:
        seed: Of the market.
        name: Of the motion.
    """

    def __init__(self, seed: int, name: str) -> None:
        self._key = (seed, zlib.crc32(name.encode()))
        self._starts: list[Floats] = [np.zeros(1)]
        self._blocks: OrderedDict[int, Floats] = OrderedDict()

    def at(self, tau: Floats) -> Floats:
        """Return the motion at business times, float64[n]; linear between whole seconds, 0 before the first."""
        tau = np.maximum(tau, 0.0)
        whole = tau.astype(np.int64)
        blocks = whole // _BLOCK
        if not len(tau):
            return tau
        first, last = int(blocks.min()), int(blocks.max())
        if first == last:
            return self._inside(first, whole, tau)
        out = np.empty(len(tau))
        for number in range(first, last + 1):
            rows = np.flatnonzero(blocks == number)
            if len(rows):
                out[rows] = self._inside(number, whole[rows], tau[rows])
        return out

    def _inside(self, number: int, whole: NDArray[np.int64], tau: Floats) -> Floats:
        values = self._block(number)
        place = whole - number * _BLOCK
        before = values[place]
        return np.asarray(before + (values[place + 1] - before) * (tau - whole))

    def _block(self, number: int) -> Floats:
        """Values at the 4,097 seconds from a block's start to the next one's: a bridge between their totals."""
        found = self._blocks.get(number)
        if found is None:
            start, end = self._start(number), self._start(number + 1)
            steps = self._draw(1, number, _BLOCK).cumsum()
            along = np.arange(1, _BLOCK + 1) / _BLOCK
            found = np.concatenate(([start], start + steps + along * (end - start - steps[-1])))
            self._blocks[number] = found
            if len(self._blocks) > _BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        return found

    def _start(self, number: int) -> float:
        chunk, place = divmod(number, _TOTALS)
        while len(self._starts) <= chunk + 1:
            totals = self._draw(0, len(self._starts), _TOTALS) * _BLOCK**0.5
            base = self._starts[-1][-1]
            self._starts.append(np.concatenate(([base], base + totals.cumsum())))
        return float(self._starts[chunk + 1][place])

    def _draw(self, kind: int, number: int, count: int) -> Floats:
        return np.random.default_rng((*self._key, kind, number)).standard_normal(count)


class MarketTime(Protocol):
    """When a mock market moves. Instants are epoch seconds, float64."""

    def business(self, at: Floats) -> Floats:
        """Return the business time of instants."""
        ...

    def elapsed(self, at: Floats) -> Floats:
        """Return the seconds of sessions up to instants, whatever moved in them."""
        ...

    def progress(self, at: Floats) -> Floats:
        """Return how much of its session's trade has happened at instants, 0 to 1."""
        ...

    def latest(self, at: Floats) -> Floats:
        """Return the last instants of trade that are not after instants."""
        ...

    def session(self, at: float) -> tuple[float, float]:
        """Return open and close of the session that runs at an instant, else of the last one before."""
        ...

    def moves(self, at: float) -> bool:
        """Return whether there are ticks at an instant."""
        ...

    def within(self, start: float, end: float) -> list[tuple[float, float]]:
        """Return open and close of the sessions that touch ``start`` to ``end``, unclipped."""
        ...


class AroundTheClock:
    """A market that never shuts; a calendar day is a session."""

    def business(self, at: Floats) -> Floats:
        """Return the business time: a day moves as much as a session, most of it in the usual hours."""
        days, seconds = np.divmod(at - EPOCH, _DAY_SECONDS)
        return np.asarray(days * SESSION_SECONDS + np.interp(seconds, _DAY_KNOTS, _DAY_BUSINESS))

    def elapsed(self, at: Floats) -> Floats:
        """Return the seconds since the mock's first day."""
        return at - EPOCH

    def progress(self, at: Floats) -> Floats:
        """Return the fraction of the day."""
        return np.asarray((at - EPOCH) % _DAY_SECONDS / _DAY_SECONDS)

    def latest(self, at: Floats) -> Floats:
        """Return the instants themselves."""
        return at

    def session(self, at: float) -> tuple[float, float]:
        """Return the midnights around an instant."""
        start = midnight_before(at)
        return start, start + _DAY_SECONDS

    def moves(self, at: float) -> bool:
        """Return True."""
        return True

    def within(self, start: float, end: float) -> list[tuple[float, float]]:
        """Return the days that touch ``start`` to ``end``."""
        found = []
        session = self.session(max(start, EPOCH))
        while session[0] < end:
            found.append(session)
            session = self.session(session[1])
        return found


class SessionHours:
    """A market that moves in a segment's sessions.

    Args:
        calendar: Knows the sessions.
        segment: Whose.
    """

    def __init__(self, calendar: MarketCalendar, segment: str = "NFO") -> None:
        self._calendar = calendar
        self._segment = segment
        self._until = FIRST_DAY
        self._opens: Floats = np.empty(0)
        self._closes: Floats = np.empty(0)

    def _know(self, until: float) -> None:
        """Have the sessions of all days up to some days behind an instant."""
        day = from_epoch(until).date() + timedelta(days=1)
        if day < self._until:
            return
        end = day + timedelta(days=40)
        sessions = self._calendar.sessions(self._segment, self._until, end)
        self._opens = np.concatenate((self._opens, [session.open.timestamp() for session in sessions]))
        self._closes = np.concatenate((self._closes, [session.close.timestamp() for session in sessions]))
        self._until = end + timedelta(days=1)

    def _places(self, at: Floats) -> NDArray[np.intp]:
        self._know(float(at.max()) if len(at) else EPOCH)
        return np.maximum(np.searchsorted(self._opens, at, side="right") - 1, 0)

    def _fraction(self, at: Floats, places: NDArray[np.intp]) -> Floats:
        opens, closes = self._opens[places], self._closes[places]
        return np.asarray(np.clip((at - opens) / (closes - opens), 0.0, 1.0))

    def business(self, at: Floats) -> Floats:
        """Return the business time: each session starts 29,100 s after the one before it."""
        places = self._places(at)
        season = np.interp(self._fraction(at, places), _SEASON_FRACTION, _SEASON_SUM)
        return np.asarray(places * SESSION_SECONDS + season * (self._closes[places] - self._opens[places]))

    def elapsed(self, at: Floats) -> Floats:
        """Return the seconds of sessions, each one counted as long as an ordinary one."""
        places = self._places(at)
        return np.asarray((places + self._fraction(at, places)) * _TRADING_SECONDS)

    def progress(self, at: Floats) -> Floats:
        """Return the part of the session's trade that is done: fast after the open, slow at noon."""
        return np.asarray(np.interp(self._fraction(at, self._places(at)), _SEASON_FRACTION, _SEASON_SUM))

    def latest(self, at: Floats) -> Floats:
        """Return instants in a session as they are, others as the end of the session before."""
        return np.minimum(at, np.nextafter(self._closes[self._places(at)], -np.inf))

    def session(self, at: float) -> tuple[float, float]:
        """Return the session that runs, else the last one."""
        place = int(self._places(np.array([at]))[0])
        return float(self._opens[place]), float(self._closes[place])

    def moves(self, at: float) -> bool:
        """Return whether a session runs."""
        start, end = self.session(at)
        return start <= at < end

    def within(self, start: float, end: float) -> list[tuple[float, float]]:
        """Return the sessions that touch ``start`` to ``end``."""
        self._know(end)
        rows = np.flatnonzero((self._opens < end) & (self._closes > start))
        return [(float(self._opens[row]), float(self._closes[row])) for row in rows]


def midnight_before(at: float) -> float:
    """Return the start of an instant's day in India, epoch seconds."""
    return at - (at - EPOCH) % _DAY_SECONDS


class Regime(StrEnum):
    """How the mock market behaves."""

    CALM = "calm"
    TRENDING = "trending"
    VOLATILE = "volatile"
    EXPIRY_AFTERNOON = "expiry-afternoon"
    CLOSING_AUCTION = "closing-auction"


@frozen
class RegimeTraits:
    """What a regime means.

    Attributes:
        motion: Realised volatility over the implied one.
        drift: Daily standard deviations per session, up for two hours and down for two.
        volatility: Factor on the implied volatility.
        frozen: Whether the index stands still while derivatives trade on.
    """

    motion: float
    drift: float
    volatility: float
    frozen: bool = False


TRAITS: Final = {
    Regime.CALM: RegimeTraits(motion=0.75, drift=0.0, volatility=1.0),
    Regime.TRENDING: RegimeTraits(motion=0.9, drift=2.5, volatility=1.0),
    Regime.VOLATILE: RegimeTraits(motion=2.5, drift=0.0, volatility=1.7),
    Regime.EXPIRY_AFTERNOON: RegimeTraits(motion=1.8, drift=0.0, volatility=1.2),
    Regime.CLOSING_AUCTION: RegimeTraits(motion=1.2, drift=0.0, volatility=1.05, frozen=True),
}


class Timeline:
    """Which regime was in force when, and the jumps that were scripted.

    Args:
        regime: In force from the beginning of time.
    """

    def __init__(self, regime: Regime) -> None:
        self._changes: list[tuple[float, float, Regime]] = [(-np.inf, 0.0, regime)]
        self._jumps: list[tuple[float, str | None, float]] = []

    @property
    def regime(self) -> Regime:
        """The latest one."""
        return self._changes[-1][2]

    @property
    def changes(self) -> list[tuple[float, float, Regime]]:
        """(instant, business time, regime), ascending."""
        return self._changes

    def change(self, at: float, tau: float, regime: Regime) -> None:
        """Put a regime in force from an instant on.

        Raises:
            ValueError: When the instant is before the last change.
        """
        if at < self._changes[-1][0]:
            raise ValueError("a regime cannot be put in force before the last change of regime")
        self._changes.append((at, tau, regime))

    def jump(self, tau: float, name: str | None, size: float) -> None:
        """Let an underlying (None: all) jump by the logarithm ``size``."""
        self._jumps.append((tau, name, size))

    def jumped(self, name: str, tau: Floats) -> Floats:
        """Return the sum of an underlying's jumps up to business times."""
        total = np.zeros(len(tau))
        for start, whose, size in self._jumps:
            if whose is None or whose == name:
                total[tau >= start] += size
        return total

    def traits_at(self, at: Floats) -> tuple[Floats, Floats]:
        """Return volatility factor and frozen-since instant (NaN where the index is free) at instants."""
        volatility, frozen = np.empty(len(at)), np.full(len(at), np.nan)
        for start, _, regime in self._changes:
            rows = at >= start
            volatility[rows] = TRAITS[regime].volatility
            frozen[rows] = start if TRAITS[regime].frozen else np.nan
        return volatility, frozen


class LevelPath:
    """Level and volatility of one underlying at any instant.

    Args:
        name: Of the underlying; names its noise.
        seed: Of the market.
        market: The noise that all underlyings share.
        mood: The noise of the volatility, shared too.
        timeline: Regimes and jumps.
        volatility: Yearly, of the at-the-money option.
        beta: Sensitivity to the market, for the direction of a trend.
    """

    def __init__(
        self, name: str, seed: int, market: Noise, mood: Noise, timeline: Timeline, volatility: float, beta: float
    ) -> None:
        self.name = name
        self.volatility = volatility
        self._own = Noise(seed, name)
        self._market = market
        self._mood = mood
        self._timeline = timeline
        self._side = 1.0 if seed % 2 else -1.0
        self._beta = beta
        self._anchor = (0.0, 0.0, 0.0)
        """Logarithm of a known level, the motion and the mood at its instant."""

    def anchor(self, level: float, tau: float) -> None:
        """Let the path pass through a level at a business time."""
        at = np.array([tau])
        self._anchor = (float(np.log(level)), float(self._motion(at)[0]), float(self._mood.at(at)[0]))

    def levels(self, tau: Floats) -> Floats:
        """Return levels in rupees at business times."""
        return np.asarray(np.exp(self._anchor[0] + self._moved(tau)))

    def state(self, tau: Floats, factor: Floats) -> tuple[Floats, Floats]:
        """Return levels in rupees and yearly at-the-money volatilities at business times.

        Args:
            tau: Business times.
            factor: The regimes' factor on the volatility at those times.
        """
        moved = self._moved(tau)
        swing = _VOL_SWING * np.tanh((self._mood.at(tau) - self._anchor[2]) / _VOL_SCALE)
        volatility = self.volatility * factor * np.exp(np.clip(swing - _LEVERAGE * moved, -0.5, 0.8))
        return np.asarray(np.exp(self._anchor[0] + moved)), np.asarray(volatility)

    def _moved(self, tau: Floats) -> Floats:
        """Logarithm of the level over the anchor's."""
        scale = self.volatility / YEAR_SECONDS**0.5
        return np.asarray(scale * (self._motion(tau) - self._anchor[1]) + self._timeline.jumped(self.name, tau))

    def _motion(self, tau: Floats) -> Floats:
        """Noise and drift, in standard deviations of a business second, each regime with its own factor."""
        changes = self._timeline.changes
        if len(changes) == 1:
            return self._in_regime(changes[0][2], tau, self._noise(tau))
        starts = np.array([start for _, start, _ in changes])
        noise, at_starts = self._noise(tau), self._noise(starts)
        total, base = np.empty(len(tau)), 0.0
        for number, (_, start, regime) in enumerate(changes):
            end = starts[number + 1] if number + 1 < len(changes) else np.inf
            rows = (tau >= start) & (tau < end) if number else tau < end
            total[rows] = base + self._in_regime(regime, tau[rows] - start, noise[rows] - at_starts[number])
            if number + 1 < len(changes):
                span = np.array([end - start])
                base += float(self._in_regime(regime, span, at_starts[number + 1 : number + 2] - at_starts[number])[0])
        return total

    def _in_regime(self, regime: Regime, elapsed: Floats, noise: Floats) -> Floats:
        traits = TRAITS[regime]
        if not traits.drift:
            return np.asarray(traits.motion * noise)
        turn = elapsed % _TREND_SECONDS
        travelled = np.minimum(turn, _TREND_SECONDS - turn)
        drift = traits.drift * self._side * self._beta / SESSION_SECONDS**0.5
        return np.asarray(traits.motion * noise + drift * travelled)

    def _noise(self, tau: Floats) -> Floats:
        common, own = self._market.at(tau), self._own.at(tau)
        return np.asarray(_COMMON * common + (1 - _COMMON**2) ** 0.5 * own)
