"""`StoreMaintenance`: keeps backups of the database and lets it not grow for ever."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Final, Protocol

import anyio

from tickertui.market.clock import Clock

_FIRST_ROUND_S: Final = 300.0
"""The first round waits until the start and the morning's reload are over."""

_ROUND_S: Final = 3600.0


class KeptStore(Protocol):
    """The part of a store that is looked after (`tickertui.store.protocol.Store`)."""

    async def revision(self) -> int:
        """Return the number of the last change of what the trader wants."""
        ...

    async def backup(self) -> Path | None:
        """Copy the database; None where there is nothing to copy or somebody else does it."""
        ...

    async def prune_candles(self, before: date) -> int:
        """Drop candles of days before ``before``; return how many."""
        ...


class StoreMaintenance:
    """Backs the store up once an hour when rules or instruments have changed, and drops old candles once a day.

    Candles alone are no reason for a copy: the broker has them.

    Args:
        store: What is looked after.
        clock: Whose date counts.
        keep_days: Calendar days that candles are kept.
    """

    def __init__(self, store: KeptStore, clock: Clock, keep_days: int) -> None:
        self._store = store
        self._clock = clock
        self._keep = timedelta(days=keep_days)
        self._backed_up: int | None = None
        self._pruned: date | None = None

    async def run(self) -> None:
        """Look after the store until cancelled.

        Raises:
            StoreError: When the store does not let itself be copied or pruned; the next `run` tries again.
        """
        await anyio.sleep(_FIRST_ROUND_S)
        while True:
            await self.round()
            await anyio.sleep(_ROUND_S)

    async def round(self) -> None:
        """Do what is due now."""
        revision = await self._store.revision()
        if revision != self._backed_up:
            await self._store.backup()
            self._backed_up = revision
        today = self._clock.now().date()
        if today != self._pruned:
            await self._store.prune_candles(today - self._keep)
            self._pruned = today
