"""`StoreWatch`: whether the store answers, how fast, and since when it does not.

The store is asked every few seconds for the cheapest thing it has. The health pane shows the answer's time; when there
is none, the screens say so at once and not only when the trader changes a rule. Run by the engine.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

import anyio

from tickertui.frozen import frozen
from tickertui.market.clock import Clock
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.store.protocol import StoreError

_EVERY_S: Final = 5.0
_MOST_S: Final = 30.0
_PATIENCE_S: Final = 10.0
"""An answer that takes longer than this is none: a disk that hangs, a server that is gone without a word."""


class AskedStore(Protocol):
    """The part of a store that is asked (`tickertui.store.protocol.Store`)."""

    async def revision(self) -> int:
        """Return the number of the last change of what the trader wants."""
        ...


@frozen
class StoreHealth:
    """How the store is.

    Attributes:
        milliseconds: Time of the last answer, None before the first.
        error: One sentence while it does not answer, else empty.
        tries: Questions without an answer, one after the other.
        since: When the first of them was asked, None while it answers.
        retry_at: Time of the event loop of the next question, None while it answers.
    """

    milliseconds: float | None = None
    error: str = ""
    tries: int = 0
    since: datetime | None = None
    retry_at: float | None = None


class StoreWatch:
    """Asks the store as long as `run` runs.

    Args:
        store: Who is asked.
        clock: Tells since when it is away.
        events: The loss and the return are recorded here.
    """

    def __init__(self, store: AskedStore, clock: Clock, events: EventLog) -> None:
        self._store = store
        self._clock = clock
        self._events = events
        self.health = StoreHealth()

    async def run(self) -> None:
        """Ask until cancelled; more seldom the longer it is away."""
        while True:
            wait = await self.look()
            await anyio.sleep(wait)

    async def look(self) -> float:
        """Ask once and return the seconds until the next question."""
        asked = anyio.current_time()
        try:
            with anyio.fail_after(_PATIENCE_S):
                await self._store.revision()
        except StoreError as error:
            return self._away(str(error))
        except TimeoutError:
            return self._away(f"the database has not answered within {_PATIENCE_S:.0f} s")
        self._is_there((anyio.current_time() - asked) * 1e3)
        return _EVERY_S

    def _away(self, error: str) -> float:
        before = self.health
        tries = before.tries + 1
        wait = min(_EVERY_S * tries, _MOST_S)
        since = before.since or self._clock.now()
        if not before.tries:
            text = f"the database is away: {error}; ticks go on, reloads and backfill wait"
            self._events.add("store", text, severity=Severity.ERROR)
        self.health = StoreHealth(before.milliseconds, error, tries, since, anyio.current_time() + wait)
        return wait

    def _is_there(self, milliseconds: float) -> None:
        before = self.health
        if before.since is not None:
            away = (self._clock.now() - before.since).total_seconds()
            self._events.add("store", f"the database answers again after {away:.0f} s")
        self.health = StoreHealth(milliseconds)
