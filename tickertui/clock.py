"""The clock of the machine, injected wherever a `tickertui.market.clock.Clock` is wanted."""

from __future__ import annotations

import time
from datetime import datetime

from tickertui.market.clock import IST


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
