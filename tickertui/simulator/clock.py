"""`SimulatedClock`: market time that starts where one wants it, runs as fast as one wants, and can be set.

The simulator's market, its token expiry and its timestamps follow this clock. What happens on the machine (rate
limits, heartbeats, the life of a request token) follows the base clock: an accelerated market does not make a client
faster.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from tickertui.market.clock import IST, Clock, epoch_ns

MOST_SPEED: Final = 86_400.0
"""A day of market time each second; beyond it a step of the market would span several sessions."""
FIRST_YEAR: Final = 1990
LAST_YEAR: Final = 2100
"""A packet holds times as 32-bit seconds since 1970."""


class SimulatedClock:
    """Market time derived from a base clock.

    Wall and monotonic time run ``speed`` times as fast as the base's monotonic time, without drift: each is computed
    from the last moment at which start or speed were set. `set` moves only the wall time, as a clock correction does.

    Attributes:
        base: The clock it is derived from.

    Args:
        base: Usually the machine's.
        start: Market time to start at; None for the base's.
        speed: Seconds of market time per second; 0 stands still.

    Raises:
        ValueError: When ``start`` has no time zone or lies outside of 1990 to 2100, or the speed is not between 0 and
            86,400.
    """

    def __init__(self, base: Clock, start: datetime | None = None, speed: float = 1.0) -> None:
        self.base = base
        self._speed = _checked_speed(speed)
        self._wall = _checked_instant(start if start is not None else base.now())
        self._anchor_ns = base.monotonic_ns()
        self._monotonic_ns = self._anchor_ns

    @property
    def speed(self) -> float:
        """Seconds of market time per second."""
        return self._speed

    def now(self) -> datetime:
        """Return the market time."""
        return self._wall + timedelta(microseconds=self._passed_ns() // 1000)

    def time_ns(self) -> int:
        """Return the market time in nanoseconds since the epoch."""
        return epoch_ns(self._wall) + self._passed_ns()

    def monotonic_ns(self) -> int:
        """Return a monotonic time that runs as fast as the market."""
        return self._monotonic_ns + self._passed_ns()

    def set(self, instant: datetime) -> None:
        """Jump to another market time.

        Raises:
            ValueError: When it has no time zone, or lies outside of 1990 to 2100.
        """
        checked = _checked_instant(instant)
        self._settle()
        self._wall = checked

    def set_speed(self, speed: float) -> None:
        """Go on from now at another speed.

        Raises:
            ValueError: When it is not between 0 and 86,400.
        """
        checked = _checked_speed(speed)
        self._settle()
        self._speed = checked

    def _passed_ns(self) -> int:
        return round((self.base.monotonic_ns() - self._anchor_ns) * self._speed)

    def _settle(self) -> None:
        """Make the present moment the one that is computed from."""
        passed = self._passed_ns()
        self._wall += timedelta(microseconds=passed // 1000)
        self._monotonic_ns += passed
        self._anchor_ns = self.base.monotonic_ns()


def _checked_speed(speed: float) -> float:
    if not 0.0 <= speed <= MOST_SPEED:
        raise ValueError(f"the speed of the market clock is a number from 0 to {MOST_SPEED:.0f}, not {speed}")
    return float(speed)


def _checked_instant(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone; market time is Asia/Kolkata")
    if not FIRST_YEAR < instant.year < LAST_YEAR:
        raise ValueError(f"market time lies between {FIRST_YEAR} and {LAST_YEAR}, not in {instant.year}")
    return instant.astimezone(IST)
