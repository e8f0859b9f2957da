"""`SubscriptionReloader`: turns bursts of "something changed" into few reloads.

Everything that changes what should stream calls `trigger`: the trader, another terminal on the store, a spot that
wandered, an expiry, an account that came or went. The ticker loop owns `run` for as long as the program lives, also
while there is nothing to stream, so that the first subscription added later starts to stream.

All times are those of the event loop's monotonic clock; a corrected wall clock changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import anyio.lowlevel

_LOG: Final = logging.getLogger(__name__)


class SubscriptionReloader:
    """Debounced, spaced reloads, one at a time.

    A reload starts when no trigger has come for ``debounce``, at the latest ``max_wait`` after the first one, and
    never earlier than ``min_interval`` after the end of the one before. Triggers during a reload lead to exactly one
    more. A reload that raises is remembered in `last_error`; the reloader goes on.

    Args:
        reload: Does the work.
        debounce: Seconds of quiet that end a burst of triggers.
        max_wait: Longest time in seconds that a burst may put a reload off.
        min_interval: Least time in seconds from the end of a reload to the start of the next.

    Raises:
        ValueError: For a negative time, or a maximum wait that is shorter than the debounce.
    """

    def __init__(
        self,
        reload: Callable[[], Awaitable[object]],
        *,
        debounce: float = 1.0,
        max_wait: float = 5.0,
        min_interval: float = 5.0,
    ) -> None:
        if min(debounce, min_interval) < 0 or max_wait < debounce:
            raise ValueError(
                f"a reloader needs 0 <= debounce <= max_wait and min_interval >= 0, "
                f"not debounce {debounce} s, max_wait {max_wait} s, min_interval {min_interval} s"
            )
        self._reload = reload
        self._debounce = debounce
        self._max_wait = max_wait
        self._min_interval = min_interval
        self._first: float | None = None
        self._last = 0.0
        self._waiting = 0
        self._taken = 0
        self._ended: float | None = None
        self._wake: anyio.Event | None = None
        self._running = False
        self._reloading = False
        self._stopped = False
        self._reloads = 0
        self.last_error: BaseException | None = None
        """What the last reload raised, None when it succeeded."""

    # ------------------------------------------------------------------ reading

    @property
    def is_running(self) -> bool:
        """Whether `run` is under way."""
        return self._running

    @property
    def is_reloading(self) -> bool:
        """Whether a reload is under way."""
        return self._reloading

    @property
    def pending(self) -> bool:
        """Whether a trigger waits for its reload."""
        return self._waiting > 0

    @property
    def merged(self) -> int:
        """Triggers that the reload under way answers; while none is, those that wait for the next one."""
        return self._taken if self._reloading else self._waiting

    @property
    def reloads(self) -> int:
        """Reloads started so far."""
        return self._reloads

    # ------------------------------------------------------------------ commands

    def trigger(self) -> None:
        """Ask for a reload; returns at once. Kept while `run` is not under way, ignored after `stop`."""
        if self._stopped:
            return
        self._waiting += 1
        if self._running:
            self._note(anyio.current_time())

    def trigger_reload(self) -> None:
        """Ask for a reload; the seed's name of `trigger`."""
        self.trigger()

    def drop(self) -> None:
        """Forget the triggers that wait, for instance because a reload by hand has answered them."""
        self._waiting, self._first = 0, None

    def stop(self) -> None:
        """End `run` for good: what waits is dropped, what comes later is ignored. Returns at once.

        A reload that is under way is not interrupted (it may well be the caller); `run` returns when it is over.
        """
        self._stopped = True
        self.drop()
        self._rouse()

    # ------------------------------------------------------------------ running

    async def run(self) -> None:
        """Reload when it is due, until `stop` or cancellation; triggers that came before it count from now.

        Raises:
            RuntimeError: When it is under way already.
        """
        if self._running:
            raise RuntimeError("the subscription reloader runs already")
        self._running = True
        try:
            if self._waiting:
                self._note(anyio.current_time())
            while await self._until_due():
                await self._do()
        finally:
            self._running = False
            self._wake = None

    def _note(self, now: float) -> None:
        self._last = now
        if self._first is None:
            self._first = now
            self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None:
            self._wake.set()

    def _due(self) -> float | None:
        """When the next reload may start, None while none is asked for."""
        if self._first is None:
            return None
        due = min(self._last + self._debounce, self._first + self._max_wait)
        return due if self._ended is None else max(due, self._ended + self._min_interval)

    async def _until_due(self) -> bool:
        """Wait for the next reload; False when the reloader was stopped.

        A further trigger only moves the moment later, so it need not wake this up: the time is looked at again when
        the earlier one has come.
        """
        while not self._stopped:
            self._wake = anyio.Event()
            due = self._due()
            if due is None:
                await self._wake.wait()
            elif due <= anyio.current_time():
                await anyio.lowlevel.checkpoint()  # without a minimum interval, a reload could trigger itself for ever
                return not self._stopped
            else:
                with anyio.move_on_at(due):
                    await self._wake.wait()
        return False

    async def _do(self) -> None:
        self._taken = self._waiting
        self.drop()
        self._reloading = True
        self._reloads += 1
        try:
            await self._reload()
        except Exception as error:  # noqa: BLE001 - the reload's own failure; whoever shows the state shows this
            self.last_error = error
            _LOG.error("a reload failed", exc_info=error)
        else:
            self.last_error = None
        finally:
            self._reloading = False
            self._taken = 0
            self._ended = anyio.current_time()
