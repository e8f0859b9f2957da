"""The clock as the rest of the program knows it: a protocol, and one that only moves when told to.

Nothing in ``market`` or ``services`` reads the time of the machine. Whoever needs the time is handed a `Clock`;
the real one is `tickertui.clock.SystemClock`, tests and the simulator use a `ManualClock` or their own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol, runtime_checkable

IST = timezone(timedelta(hours=5, minutes=30), "IST")
"""Market time of India; every aware datetime of this program is in it.

A fixed zone: India has been 5 h 30 min ahead of UTC all year since 1945, and so the program needs no zone data, which
small systems and Windows come without.
"""


@runtime_checkable
class Clock(Protocol):
    """Wall time for what is shown and planned, monotonic time for ages and deadlines."""

    def now(self) -> datetime:
        """Return the wall time as an aware datetime in Asia/Kolkata."""
        ...

    def time_ns(self) -> int:
        """Return the wall time as nanoseconds since the epoch."""
        ...

    def monotonic_ns(self) -> int:
        """Return nanoseconds of a clock that never jumps; only differences mean anything."""
        ...


@runtime_checkable
class AcceleratedClock(Clock, Protocol):
    """A clock whose wall time runs faster or slower than its monotonic time: that of a simulated market."""

    @property
    def wall_rate(self) -> float:
        """Seconds of wall time that pass in a second of monotonic time."""
        ...


def wall_rate(clock: Clock) -> float:
    """Return the seconds of a clock's wall time that pass in a second of its monotonic time: 1 for a machine's."""
    return clock.wall_rate if isinstance(clock, AcceleratedClock) else 1.0


class ManualClock:
    """A clock that stands still until `advance` or `set` moves it: for tests, replays and the simulator.

    Args:
        start: An aware datetime.

    Raises:
        ValueError: When ``start`` has no time zone.
    """

    def __init__(self, start: datetime) -> None:
        self._now = _in_market_time(start)
        self._monotonic_ns = 1_000_000_000

    def now(self) -> datetime:
        """Return the instant that was set."""
        return self._now

    def time_ns(self) -> int:
        """Return the instant that was set, in nanoseconds since the epoch."""
        return epoch_ns(self._now)

    def monotonic_ns(self) -> int:
        """Return the nanoseconds by which the clock was advanced, plus one second."""
        return self._monotonic_ns

    def advance(self, seconds: float) -> None:
        """Move wall and monotonic time forward together."""
        if seconds < 0:
            raise ValueError(f"a clock is advanced by a positive time, not by {seconds} s; use set() to go back")
        self._now += timedelta(seconds=seconds)
        self._monotonic_ns += round(seconds * 1e9)

    def set(self, instant: datetime) -> None:
        """Jump the wall time; the monotonic time stays, as in a clock correction."""
        self._now = _in_market_time(instant)


def epoch_ns(instant: datetime) -> int:
    """Return an aware datetime as exact nanoseconds since the epoch (a float would lose the microseconds)."""
    delta = instant - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1_000


def from_epoch(seconds: float) -> datetime:
    """Return seconds since the epoch as an aware datetime in Asia/Kolkata."""
    return datetime.fromtimestamp(seconds, IST)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _in_market_time(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone; market time is Asia/Kolkata")
    return instant.astimezone(IST)
