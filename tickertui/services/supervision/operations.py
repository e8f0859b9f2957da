"""`Operations`: the long steps of the ticker loop (start, reload), one at a time, which a stop can cut short.

A stop may be asked for from anywhere, also from inside such a step. So a step runs in a scope that the stop
cancels, the stop itself runs in a task of its own, and whoever is inside a step never waits for its end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio


class Operations:
    """One operation at a time; knows which tasks are inside."""

    def __init__(self) -> None:
        self._lock = anyio.Lock()
        self._inside: set[int] = set()
        self._scope: anyio.CancelScope | None = None
        self._waiting = 0

    @property
    def is_inside(self) -> bool:
        """Whether the calling task runs an operation, or was marked as part of what a stop ends."""
        return anyio.get_current_task().id in self._inside

    @property
    def pending(self) -> int:
        """Operations that run or wait for their turn."""
        return self._waiting

    @asynccontextmanager
    async def one_at_a_time(self) -> AsyncIterator[anyio.CancelScope]:
        """Wait for the turn and run inside a scope that `cancel` cancels; the scope tells whether it was."""
        self._waiting += 1
        try:
            async with self._lock:
                with anyio.CancelScope() as scope, self._marked():
                    self._scope = scope
                    try:
                        yield scope
                    finally:
                        self._scope = None
        finally:
            self._waiting -= 1

    @asynccontextmanager
    async def part_of_it(self) -> AsyncIterator[None]:
        """Mark the calling task as one that a stop ends: it must not wait for the stop."""
        with self._marked():
            yield

    def _marked(self) -> _Mark:
        return _Mark(self._inside, anyio.get_current_task().id)

    def cancel(self) -> None:
        """Cancel the operation that runs."""
        if self._scope is not None:
            self._scope.cancel()

    async def wait_until_over(self) -> None:
        """Wait until the running operation has ended."""
        async with self._lock:
            pass


class _Mark:
    """Keeps a task's id in a set for a while."""

    def __init__(self, inside: set[int], task: int) -> None:
        self._inside = inside
        self._task = task
        self._was_inside = task in inside

    def __enter__(self) -> None:
        self._inside.add(self._task)

    def __exit__(self, *_: object) -> None:
        if not self._was_inside:
            self._inside.discard(self._task)
