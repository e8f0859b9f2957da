"""`TickRate`: ticks per second of a counter that is looked at once a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class TickRate:
    """Mean rate over the last five looks.

    Args:
        count: Total so far.
        now: Seconds of a clock that never jumps.
    """

    def __init__(self, count: Callable[[], int], now: Callable[[], float]) -> None:
        self._count = count
        self._now = now
        self._samples: deque[tuple[float, int]] = deque(maxlen=6)

    def sample(self) -> None:
        """Look at the counter."""
        self._samples.append((self._now(), self._count()))

    def per_second(self) -> float:
        """Return the rate, 0 before the second look."""
        if len(self._samples) < 2:
            return 0.0
        (first_at, first), (last_at, last) = self._samples[0], self._samples[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else 0.0
