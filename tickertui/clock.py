"""The clocks of the running program, injected wherever a `tickertui.market.clock.Clock` is wanted."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from tickertui.frozen import frozen
from tickertui.market.clock import IST, Clock, epoch_ns


class SystemClock:
    """Wall and monotonic time of this machine."""

    __slots__ = ()

    def now(self) -> datetime:
        """Return the wall time in Asia/Kolkata."""
        return datetime.now(IST)

    def time_ns(self) -> int:
        """Return the wall time in nanoseconds since the epoch."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Return the monotonic time in nanoseconds."""
        return time.monotonic_ns()


class ShiftedClock:
    """A clock that stands elsewhere and may run faster: the market time of a simulator, as its clients see it.

    Wall time runs ``speed`` times as fast as the machine's monotonic time. The monotonic time stays the machine's:
    ages, deadlines and watchdogs are about real sockets.

    Args:
        start: Aware market time of this moment.
        speed: Seconds of market time per second.
    """

    __slots__ = ("_anchor_ns", "_speed", "_start")

    def __init__(self, start: datetime, speed: float = 1.0) -> None:
        self._start = start.astimezone(IST)
        self._speed = speed
        self._anchor_ns = time.monotonic_ns()

    @property
    def wall_rate(self) -> float:
        """Seconds of market time in a second of the machine's monotonic time."""
        return self._speed

    def _passed_ns(self) -> int:
        return round((time.monotonic_ns() - self._anchor_ns) * self._speed)

    def now(self) -> datetime:
        """Return the wall time in Asia/Kolkata."""
        return self._start + timedelta(microseconds=self._passed_ns() // 1_000)

    def time_ns(self) -> int:
        """Return the wall time in nanoseconds since the epoch."""
        return epoch_ns(self._start) + self._passed_ns()

    def monotonic_ns(self) -> int:
        """Return the machine's monotonic time in nanoseconds."""
        return time.monotonic_ns()


class ClockUnavailable(Exception):  # noqa: N818 - says what is the matter
    """The simulator's clock cannot be asked; the text is one sentence."""


@frozen
class MarketTime:
    """The clock of a program, and who tells the time.

    Attributes:
        clock: Market time.
        market: How the simulator names its market; empty without one, or from one that gives no name.
    """

    clock: Clock
    market: str = ""


def _told_by(url: str, timeout: float = 7.0) -> MarketTime:
    """Return what a simulator tells (``GET URL`` answers JSON with ``now`` and perhaps ``speed`` and ``market``)."""
    # Both cost 20 ms to import and are needed with a simulator only.
    import json
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - the settings allow http(s) only
            document = json.loads(answer.read())
        clock = ShiftedClock(datetime.fromisoformat(document["now"]), float(document.get("speed", 1.0)))
        market = document.get("market", "")
        return MarketTime(clock, market if isinstance(market, str) and market.isprintable() else "")
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise ClockUnavailable(f"broker.clock_url: {url} does not answer: {reason}") from None
    except (ValueError, KeyError, TypeError):
        raise ClockUnavailable(f"broker.clock_url: {url} does not tell a market time") from None


def market_time(clock_url: str) -> MarketTime:
    """Return the machine's clock, or a simulator's where the settings name one.

    Raises:
        ClockUnavailable: When the simulator's cannot be had.
    """
    return _told_by(clock_url) if clock_url else MarketTime(SystemClock())
