"""`ContractRefresher`: keeps the day's contracts fresh, as one duty of the ticker loop.

At the start it takes what was kept of the last dump, so that the program is usable without a network. The broker writes
a new dump each trading morning at about 08:00; it is fetched at 08:30, and when the stream says that the broker's dump
is another one than ours. Where nobody has ever logged in, the contracts that come with the program serve the mock, and
only the mock: their tokens are not the broker's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from typing import Final

import anyio

from tickertui.kite.errors import KiteError
from tickertui.market.clock import Clock
from tickertui.market.instruments import InstrumentTable
from tickertui.market.universe import Universe, universe_instruments
from tickertui.services.accounts.session_orchestrator import NoAccounts, SessionOrchestrator
from tickertui.services.contracts.instrument_registry import READY_AT, InstrumentRegistry, RefreshReport
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.store.protocol import StoreError

_LOOK_EVERY: Final = 30.0
"""Seconds between two looks at whether the contracts are stale."""

_FIRST_RETRY: Final = 60.0
_LONGEST_RETRY: Final = 900.0
"""Seconds between attempts while the dump cannot be had: 8 MB are not asked for each minute for hours."""


class ContractsMissing(Exception):  # noqa: N818 - says what is missing
    """The broker's contracts of the day are not there yet, so that nothing can be subscribed."""


class ContractRefresher:
    """Loads, refreshes and watches the day's contracts.

    Args:
        registry: Holds them.
        orchestrator: Gives a client to fetch them with.
        universe: The contracts that come with the program.
        clock: Says which day it is.
        events: Failures are recorded here.
        refresh_at: Market time before which the dump of the day is not asked for.
        changed: Called when other contracts are in force: a reload is due.
    """

    def __init__(
        self,
        *,
        registry: InstrumentRegistry,
        orchestrator: SessionOrchestrator,
        universe: Universe,
        clock: Clock,
        events: EventLog,
        refresh_at: time,
        changed: Callable[[], None],
    ) -> None:
        self._registry = registry
        self._orchestrator = orchestrator
        self._universe = universe
        self._clock = clock
        self._events = events
        self._refresh_at = refresh_at
        self._changed = changed
        self._etag = ""
        self._overtaken = False
        self._retry_at = 0.0
        self._retry = _FIRST_RETRY
        self._wake = anyio.Event()

    # ------------------------------------------------------------------ reading

    def table(self) -> InstrumentTable | None:
        """Return the contracts in force, None while there are none."""
        return self._registry.table if len(self._registry) else None

    @property
    def are_bundled(self) -> bool:
        """Whether the contracts in force are those of the program, not the broker's."""
        return self._registry.contracts.bundled

    def require_broker(self) -> None:
        """Make sure that what is subscribed has tokens of the broker.

        Raises:
            ContractsMissing: While only the program's own contracts are there.
        """
        if self.are_bundled:
            raise ContractsMissing("the broker's contracts of today are not loaded yet; log in, or wait for the broker")

    # ------------------------------------------------------------------ doing

    async def load(self) -> None:
        """Take what was kept into force.

        Raises:
            StoreError: When the store cannot be read.
        """
        if not len(self._registry):
            await self._registry.load_cached()

    def ensure_for_mock(self) -> None:
        """Make sure that a mock has contracts: the program's own of the day where the broker's are not there."""
        day = self._registry.dump_day()
        if not len(self._registry) or (self.are_bundled and self._registry.day != day):
            self._registry.replace(universe_instruments(self._universe, day), day, bundled=True)

    def take_listed(self, table: InstrumentTable) -> None:
        """Take over what a mock has listed during the day; never among the broker's contracts."""
        if self.are_bundled:
            self._registry.replace(table, self._registry.dump_day(), bundled=True)
            self._changed()

    async def refresh(self, *, force: bool = False) -> RefreshReport:
        """Fetch the broker's contracts when they are stale, or in any case.

        Raises:
            NoAccounts: When no account can be used.
            KiteError: When the broker does not give them.
            StoreError: When they cannot be kept; they are in force all the same.
        """
        before = self._registry.contracts
        try:
            report = await self._registry.refresh(self, force)
        except StoreError:
            if self._registry.contracts is not before:
                self._changed()
            raise
        if report.changed:
            self._changed()
        return report

    async def fetch_instruments_csv(self, exchange: str | None = None) -> bytes:
        """Return the broker's CSV through any account (the registry's `InstrumentSource`)."""
        return await self._orchestrator.call(lambda client: client.fetch_instruments_csv(exchange))

    def note_meta(self, count: int, etag: str) -> None:
        """Compare the broker's dump as the stream describes it at each connect with ours.

        A count that differs proves that ours is another one; a new etag within this run that it has changed.
        """
        if etag == self._etag:
            return
        before, self._etag = self._etag, etag
        if (before or count != len(self._registry)) and len(self._registry) and not self.are_bundled:
            self._overtaken = True
            self._wake.set()

    # ------------------------------------------------------------------ duty

    async def run(self) -> None:
        """Refresh when it is due, for ever."""
        self._retry_at = 0.0
        while True:
            if self._is_due() and anyio.current_time() >= self._retry_at:
                await self._attempt()
            self._wake = anyio.Event()
            with anyio.move_on_after(_LOOK_EVERY):
                await self._wake.wait()

    def look_again(self) -> None:
        """Do not wait for the next look: an account can be used now."""
        self._retry_at = 0.0
        self._wake.set()

    def _is_due(self) -> bool:
        if not self._orchestrator.usable_accounts():
            return False
        if self._overtaken or not self._registry.is_kept:
            return True
        is_being_written = READY_AT <= self._clock.now().time() < self._refresh_at
        return self._registry.is_stale() and not (is_being_written and len(self._registry))

    async def _attempt(self) -> None:
        # Taken down first: what the broker announces while this runs is due again afterwards.
        force, self._overtaken = self._overtaken, False
        try:
            report = await self.refresh(force=force)
            problem = report.refused
        except (KiteError, NoAccounts, StoreError) as error:
            problem = str(error)
            self._overtaken = self._overtaken or force
            self._events.add("instruments", f"today's contracts: {problem}", severity=Severity.WARNING)
        if problem:
            self._retry_at = anyio.current_time() + self._retry
            self._retry = min(_LONGEST_RETRY, self._retry * 2)
        else:
            self._retry_at, self._retry = 0.0, _FIRST_RETRY
