"""`ClockWatch`: notices that the machine slept or that its clock was set, by comparing two clocks each second.

On Linux the monotonic clock stands still while the machine sleeps and the wall clock does not; a stopped process
(SIGSTOP, a debugger, a frozen virtual machine) shows as one very long second. Either way the sockets are dead and
the next keep-alive would find out many seconds too late.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tickertui.frozen import frozen
from tickertui.market.clock import Clock, wall_rate

_NS: Final = 1_000_000_000


class ClockFault(StrEnum):
    """What the two clocks show."""

    ASLEEP = "asleep"
    """Time passed in which this program did not run (or the wall clock was set forward, which looks the same)."""
    SET_BACK = "set back"
    """The wall clock was set back; nothing was missed."""


@frozen
class ClockGap:
    """A stretch of time that this program has missed.

    Attributes:
        fault: See `ClockFault`.
        start: Wall time of the last look before it.
        end: Wall time of the first look after it.
    """

    fault: ClockFault
    start: datetime
    end: datetime

    def describe(self) -> str:
        """One sentence for the events pane."""
        if self.fault is ClockFault.SET_BACK:
            return f"the clock of this machine was set back from {self.start:%H:%M:%S} to {self.end:%H:%M:%S}"
        return f"asleep {self.start:%H:%M}-{self.end:%H:%M}: {_words(self.end - self.start)} of ticks are missing"


class ClockWatch:
    """Compares wall and monotonic time between two looks.

    Args:
        clock: Both clocks. An accelerated market clock runs ahead of the event loop, so a late look is measured by
            the loop's own time, and ahead of its own monotonic time: only what goes beyond its rate is a jump.
        loop_time: Time of the event loop, seconds.
        tolerance: Seconds of disagreement that are an ordinary correction, and seconds by which a look may be late.
    """

    def __init__(self, clock: Clock, loop_time: float, tolerance: float = 10.0) -> None:
        self._clock = clock
        self._loop_time = loop_time
        self._tolerance = tolerance
        self._rate = wall_rate(clock)
        self._wall = clock.now()
        self._monotonic_ns = clock.monotonic_ns()

    def look(self, loop_time: float) -> ClockGap | None:
        """Return what has happened since the last look, None when only time has passed.

        To be called each second: a look that comes much later is taken for sleep.

        Args:
            loop_time: Time of the event loop, seconds.
        """
        before, monotonic_before, loop_before = self._wall, self._monotonic_ns, self._loop_time
        self._wall, self._monotonic_ns = self._clock.now(), self._clock.monotonic_ns()
        self._loop_time = loop_time
        passed = (self._monotonic_ns - monotonic_before) / _NS
        # What an accelerated clock is off by is as many times larger: the two are not read at the same instant.
        ahead = ((self._wall - before).total_seconds() - self._rate * passed) / max(1.0, self._rate)
        if ahead < -self._tolerance:
            return ClockGap(ClockFault.SET_BACK, before, self._wall)
        if max(ahead, loop_time - loop_before) > self._tolerance:
            return ClockGap(ClockFault.ASLEEP, before, self._wall)
        return None


def _words(gap: timedelta) -> str:
    seconds = round(gap.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h {seconds % 3600 // 60} min"
