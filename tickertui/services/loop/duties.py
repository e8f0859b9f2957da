"""The small endless duties of the ticker loop, each one a function that `TaskMonitor` runs and restarts.

They only look and ask for a reload; none of them changes the plan.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import anyio

from tickertui.kite.errors import KiteError
from tickertui.market.board import MarketBoard
from tickertui.market.clock import Clock
from tickertui.market.instruments import Instrument
from tickertui.market.ticks import TickBatch
from tickertui.services.accounts.account_fleet import AccountFleet
from tickertui.services.accounts.session_orchestrator import NoAccounts, SessionOrchestrator
from tickertui.services.accounts.status import AccountState
from tickertui.services.loop.feed_switch import FeedSwitch
from tickertui.services.loop.plan_view import PlanView
from tickertui.services.loop.snapshot_quotes import SnapshotPlanner, apply_snapshot
from tickertui.services.supervision.clock_watch import ClockGap, ClockWatch
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.store.protocol import Store

Quote = Callable[[Sequence[Instrument]], Awaitable[TickBatch]]

_TOKENS_EVERY = 30.0
"""Seconds between two looks at the tokens: the broker's flush at 06:00 need not be met to the second."""


async def watch_clock(clock: Clock, tell: Callable[[ClockGap], None]) -> None:
    """Tell of each sleep of the machine and each clock that was set."""
    watch = ClockWatch(clock, anyio.current_time())
    while True:
        await anyio.sleep(1.0)
        gap = watch.look(anyio.current_time())
        if gap is not None:
            tell(gap)


async def follow_spots(
    every: float, fill: Callable[[], Awaitable[None]], follow: Callable[[], bool], trigger: Callable[[], None]
) -> None:
    """Every few seconds: fill in missing spots, and ask for a reload when a rule's centre has moved enough.

    Args:
        every: Seconds.
        fill: Fills in what is missing.
        follow: `SubscriptionReconciler.follow_spot`.
        trigger: Asks for a reload.
    """
    while True:
        await anyio.sleep(every)
        await fill()
        if follow():
            trigger()


async def watch_store(store: Store, changed: Callable[[int], None]) -> None:
    """Tell of every change that another process makes in the store."""
    async for revision in store.changes():
        changed(revision)


async def watch_tokens(orchestrator: SessionOrchestrator) -> None:
    """Validate tokens that have not been tried yet, and those that have passed the broker's daily flush."""
    while True:
        for account in orchestrator.list_accounts():
            if orchestrator.state(account) is AccountState.STARTING:
                await orchestrator.validate(account)
        await anyio.sleep(_TOKENS_EVERY)
        orchestrator.check_flush()


async def watch_claims(fleet: AccountFleet, every: float) -> None:
    """Take over accounts that another terminal has left."""
    while True:
        await anyio.sleep(every)
        await fleet.check_claims()


class SnapshotFiller:
    """Fills rows that have not ticked, or whose socket is down, with REST quotes.

    Args:
        board: Where the rows are.
        view: The plan in force.
        fleet: Which sockets are connected.
        feed: Whether the feed is live.
        planner: Chooses what to ask for.
        instrument: Contract of a token.
        quote: Gives full quotes of instruments; paced by the client.
        clock: Tells what is newer.
        events: The first failure in a row is recorded here.
    """

    def __init__(
        self,
        *,
        board: MarketBoard,
        view: PlanView,
        fleet: AccountFleet,
        feed: FeedSwitch,
        planner: SnapshotPlanner,
        instrument: Callable[[int], Instrument | None],
        quote: Quote,
        clock: Clock,
        events: EventLog,
    ) -> None:
        self._board = board
        self._view = view
        self._fleet = fleet
        self._feed = feed
        self._planner = planner
        self._instrument = instrument
        self._quote = quote
        self._clock = clock
        self._events = events
        self._failing = False

    async def run(self) -> None:
        """Look once a second, as long as the feed is live."""
        while True:
            await anyio.sleep(1.0)
            if self._feed.is_live:
                await self._look()

    async def _look(self) -> None:
        now = self._clock.monotonic_ns()
        due = self._planner.due(
            self._view.rows, self._view.connections, self._fleet.connected(), now, moving=self._feed.market_is_open()
        )
        instruments = [instrument for token in due if (instrument := self._instrument(token)) is not None]
        if not instruments:
            return
        self._planner.asked(due, now)
        generation = self._feed.generation
        try:
            batch = await self._quote(instruments)
        except NoAccounts:
            return  # the accounts pane says it already
        except KiteError as error:
            if not self._failing:
                self._events.add("snapshot", f"quotes are not to be had: {error}", severity=Severity.WARNING)
            self._failing = True
            return
        self._failing = False
        if self._feed.is_live:
            apply_snapshot(self._board, batch, now, generation)
