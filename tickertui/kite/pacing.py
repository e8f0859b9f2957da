"""`Pacer`: keeps one API key within the broker's request rates by queueing.

`tickertui.kite.client` waits here before each request; whoever shares a key shares the pacer. Requests are spaced
evenly: a bucket that starts full lets five requests into one second of three. The event loop's clock is used, so a
jump of the wall clock changes nothing.

Source of the rates: Kite Connect v3 documentation, exceptions and errors, "API rate limit"; Kite forum 8577.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import anyio


class CallClass(StrEnum):
    """Requests that share a limit."""

    QUOTE = "quote"
    """``/quote``, ``/quote/ohlc`` and ``/quote/ltp`` together: 1 a second."""
    HISTORICAL = "historical"
    """3 a second."""
    OTHER = "other"
    """10 a second."""


RATES: Final[Mapping[CallClass, float]] = {
    CallClass.QUOTE: 0.97,
    CallClass.HISTORICAL: 2.9,
    CallClass.OTHER: 9.7,
}
"""Requests per second, 3 % under the broker's limits: its window moves, and the network shifts requests together."""

_ALL_RATE: Final = 9.7
"""All classes of a key together: the broker's limit is 10 a second."""

_MOST_SLOWER: Final = 16.0
_RECOVERY: Final = 0.97
"""A slowed class gains 3 % with each request: 23 of them from half the rate back to the whole."""

_SLOW_SECONDS: Final = 1.0
"""How long a class pauses after a 429 without a Retry-After: the broker's window. Refusals within it count once."""


@dataclass(slots=True)
class _Lane:
    """One class of requests; whoever holds the lock is next."""

    interval: float
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    next_at: float = -math.inf
    slower: float = 1.0
    slowed_at: float = -math.inf

    async def reach_slot(self) -> None:
        # A 429 may move the slot meanwhile, so this runs twice at times; nobody waits to be woken earlier.
        while (slot := self.next_at) > anyio.current_time():  # noqa: ASYNC110
            await anyio.sleep_until(slot)

    def take_slot(self) -> None:
        """Count from now, not from the slot: after a stall the next request must not come early."""
        self.next_at = anyio.current_time() + self.interval * self.slower
        self.slower = max(1.0, self.slower * _RECOVERY)


class Pacer:
    """Turns for the requests of one API key. Used on one event loop.

    Args:
        rates: Requests per second by class.
        all_rate: Requests per second of all classes together.
    """

    def __init__(self, rates: Mapping[CallClass, float] = RATES, all_rate: float = _ALL_RATE) -> None:
        self._lanes = {kind: _Lane(1.0 / rates[kind]) for kind in CallClass}
        self._all = _Lane(1.0 / all_rate)
        self._refusals = dict.fromkeys(CallClass, 0)

    def __repr__(self) -> str:
        return f"Pacer({', '.join(f'{kind} {self.rate(kind):.2g}/s' for kind in CallClass)})"

    async def wait(self, kind: CallClass) -> None:
        """Return when a request of this class may be sent, in the order of the calls.

        A cancelled wait takes no turn from those behind it.
        """
        lane = self._lanes[kind]
        async with lane.lock:
            await lane.reach_slot()
            async with self._all.lock:
                await self._all.reach_slot()
                self._all.take_slot()
            lane.take_slot()

    def slow_down(self, kind: CallClass, retry_after: float | None = None) -> None:
        """Take note of a refusal for too many requests: pause, then go on at half the rate and recover slowly.

        Args:
            kind: Class of the refused request.
            retry_after: Seconds the broker asked to wait, None when it did not say.
        """
        self._refusals[kind] += 1
        lane, now = self._lanes[kind], anyio.current_time()
        pause = _SLOW_SECONDS if retry_after is None else max(_SLOW_SECONDS, retry_after)
        lane.next_at = max(lane.next_at, now + pause)
        if now - lane.slowed_at >= _SLOW_SECONDS:
            lane.slower = min(_MOST_SLOWER, lane.slower * 2.0)
            lane.slowed_at = now

    def refusals(self, kind: CallClass) -> int:
        """Return how many requests of this class were refused for too many."""
        return self._refusals[kind]

    def rate(self, kind: CallClass) -> float:
        """Return the requests per second at which this class goes now."""
        lane = self._lanes[kind]
        return 1.0 / (lane.interval * lane.slower)
