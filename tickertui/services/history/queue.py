"""`RequestQueue`: what is still to be asked for, nearest the money first, with what has to wait."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator

from tickertui.services.history.types import Request
from tickertui.store.protocol import ContractKey, Span

_Entry = tuple[float, int, int, Request]


class RequestQueue:
    """Requests by priority, the newest time first within a contract; some only from a moment on.

    Times are seconds of the event loop's clock.
    """

    def __init__(self) -> None:
        self._ready: list[_Entry] = []
        self._waiting: list[tuple[float, int, Request]] = []
        self._pushed = 0
        self._left: Counter[ContractKey] = Counter()

    def __len__(self) -> int:
        return len(self._ready) + len(self._waiting)

    def left_of(self, contract: ContractKey) -> int:
        """Return how many requests of a contract are queued."""
        return self._left[contract]

    def contracts(self) -> Iterator[ContractKey]:
        """Return the contracts with requests."""
        return iter(tuple(self._left))

    def push(self, request: Request, ready_at: float | None = None) -> None:
        """Queue a request, from ``ready_at`` on or at once."""
        self._pushed += 1
        self._left[request.target.key] += 1
        if ready_at is None:
            heapq.heappush(self._ready, (request.target.priority, -request.end, self._pushed, request))
        else:
            heapq.heappush(self._waiting, (ready_at, self._pushed, request))

    def pop(self, now: float) -> Request | None:
        """Take the next request, None where none is ready."""
        while self._waiting and self._waiting[0][0] <= now:
            _, number, request = heapq.heappop(self._waiting)
            heapq.heappush(self._ready, (request.target.priority, -request.end, number, request))
        if not self._ready:
            return None
        request = heapq.heappop(self._ready)[3]
        self._forget(request)
        return request

    def next_ready(self) -> float | None:
        """Return when the first waiting request is ready, None where none waits."""
        return self._waiting[0][0] if self._waiting else None

    def release(self) -> None:
        """Let all that waits go at once."""
        while self._waiting:
            _, number, request = heapq.heappop(self._waiting)
            heapq.heappush(self._ready, (request.target.priority, -request.end, number, request))

    def clear(self) -> None:
        """Forget everything."""
        self._ready.clear()
        self._waiting.clear()
        self._left.clear()

    def _forget(self, request: Request) -> None:
        key = request.target.key
        self._left[key] -= 1
        if not self._left[key]:
            del self._left[key]


class ChangesWhilePlanning:
    """What happens to requests under way while a plan is being made."""

    def __init__(self) -> None:
        self.finished: list[Request] = []
        self.returned: list[tuple[Request, float | None]] = []

    def spans_of(self, key: ContractKey) -> list[Span]:
        """Return the spans of a contract that the plan must not ask for again."""
        spans = [request.span for request in self.finished if request.target.key == key]
        return spans + [request.span for request, _ in self.returned if request.target.key == key]

    def is_open(self, key: ContractKey) -> bool:
        """Return whether a request of a contract came back unanswered."""
        return any(request.target.key == key for request, _ in self.returned)
