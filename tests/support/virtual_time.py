"""A clock of the program that follows the event loop's own time, so that trio's mock clock moves both."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
from trio.testing import MockClock

from tickertui.market.clock import epoch_ns

T = TypeVar("T")


def virtual_trio() -> tuple[str, dict[str, Any]]:
    """Return an anyio backend whose time jumps ahead whenever every task waits."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


async def in_place_of_a_thread(function: Callable[..., T], *arguments: Any, **_: object) -> T:
    """Stand in for `anyio.to_thread.run_sync` where a test is about times: virtual time jumps while a thread works."""
    await anyio.lowlevel.checkpoint()
    return function(*arguments)


class LoopClock:
    """Wall and monotonic time derived from the time of the running event loop.

    `jump` moves the wall time alone, as a corrected clock or a laptop that slept does.

    Args:
        start: Aware datetime at the first reading.
    """

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._origin: float | None = None
        self._jumped = 0.0

    def _elapsed(self) -> float:
        now = anyio.current_time()
        if self._origin is None:
            self._origin = now
        return now - self._origin

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed() + self._jumped)

    def time_ns(self) -> int:
        return epoch_ns(self.now())

    def monotonic_ns(self) -> int:
        return 1_000_000_000 + round(self._elapsed() * 1e9)

    def jump(self, seconds: float) -> None:
        """Move the wall time; the monotonic time stays."""
        self._jumped += seconds
