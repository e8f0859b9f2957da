"""`MultiAccountTickerLoop`: supervises everything that runs in the background; it does none of it itself.

The engine builds it, runs `run` in the root task group and hands it to the screens, which call its public methods.
Its states are STOPPED, STARTING, RUNNING, RELOADING, STOPPING and FAILED; *idle* is running with nothing to stream,
and the first subscription that is added later starts to stream. A reload sends only what changed; a reload that
fails leaves the running plan as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

import anyio
from anyio.abc import TaskGroup, TaskStatus

from tickertui.market.candles import Candles, Interval
from tickertui.services.contracts.instrument_registry import RefreshReport
from tickertui.services.loop.duties import watch_clock
from tickertui.services.loop.status import FeedMode, LoopState, RuntimeState
from tickertui.services.loop.wiring import Duty, LoopInputs, LoopParts
from tickertui.services.plan.status import ReloadPlan, ReloadResult
from tickertui.services.plan.subscription_reconciler import PreparedReload
from tickertui.services.plan.subscription_reloader import SubscriptionReloader
from tickertui.services.supervision.clock_watch import ClockFault, ClockGap
from tickertui.services.supervision.events import Severity
from tickertui.services.supervision.operations import Operations
from tickertui.services.supervision.task_monitor import RestartPolicy, describe_error

_LOG: Final = logging.getLogger(__name__)

_FOR_EVER: Final = RestartPolicy(attempts=None, longest_delay=30.0)
"""Duties of the loop are never given up: what broke one is shown, and it goes on."""

_MOCK_TASK: Final = "mock feed"

_CANCEL_WAIT: Final = 2.0
"""Seconds that cancelled tasks are waited for when the loop is taken down."""


class LoopNotRunning(Exception):  # noqa: N818 - says what is the matter
    """The loop was asked for something that it can only do while it runs."""


class ReloadFailed(Exception):  # noqa: N818 - says what happened
    """A reload changed nothing; the plan before it is in force."""


class MultiAccountTickerLoop:
    """Supervisor of accounts, feeds, plan and backfill; every part is injected and may be another.

    Attributes:
        orchestrator: Accounts, tokens and clients.
        registry: The day's contracts.
        store: What survives.
        reconciler: Makes plans.
        reloader: Turns triggers into reloads.
        bootstrapper: Fills gaps in the history, None for no backfill.
        mock_generator: The mock market.
        board: The latest of everything that ticks.
        spots: Prices of the underlyings; the reconciler centres rules on it.
        calendar: Sessions and expiries.
        clock: Wall and monotonic time.
        events: Everything that happens is recorded here.
        task_monitor: Runs every background task.

    Args:
        inputs: The services that it supervises.
        reloader: See above; one with the times of the settings where there is none.
    """

    def __init__(self, inputs: LoopInputs, *, reloader: SubscriptionReloader | None = None) -> None:
        settings = inputs.settings
        self.orchestrator = inputs.orchestrator
        self.registry = inputs.registry
        self.store = inputs.store
        self.reconciler = inputs.reconciler
        self.bootstrapper = inputs.bootstrapper
        self.mock_generator = inputs.mock_generator
        self.board = inputs.board
        self.spots = inputs.spots
        self.calendar = inputs.calendar
        self.clock = inputs.clock
        self.events = inputs.events
        self.task_monitor = inputs.task_monitor
        self.reloader = reloader or SubscriptionReloader(
            self.reload_when_triggered,
            debounce=settings.debounce,
            max_wait=settings.max_wait,
            min_interval=settings.min_interval,
        )
        self.reconciler.use_reloader(self.reloader, self.reload_subscriptions)
        self._settings = settings
        self._state = LoopState.STOPPED
        self._detail = ""
        self._asleep: ClockGap | None = None
        self._started_at: datetime | None = None
        self._stopped = anyio.Event()
        self._first_start = anyio.Event()
        self._operations = Operations()
        self._group: TaskGroup | None = None
        self._prepared: PreparedReload | None = None
        self._parts = parts = LoopParts(inputs, lambda: self.reloader.trigger(), lambda: self.reloader.merged)
        self._feed, self._fleet, self._plan = parts.feed, parts.fleet, parts.plan
        self._contracts, self._rate = parts.contracts, parts.rate
        self._duties: Mapping[str, Duty] = {
            "each-second": self._each_second,
            "clock": self._watch_clock,
            **parts.duties,
        }

    # ------------------------------------------------------------------ life

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Live until cancelled; starts by itself unless the settings say otherwise.

        Args:
            task_status: Told when the loop has started, or failed to (see `runtime_state`).

        Raises:
            RuntimeError: When it is run twice.
        """
        if self._group is not None:
            raise RuntimeError("the ticker loop is run once, by the engine's root task group")
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                self.task_monitor.start(group, "reloader", self.reloader.run, restart=_FOR_EVER)
                if self._settings.autostart:
                    await self.start()
                self._first_start.set()
                task_status.started()
                await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await self._close_down()
            self._group = None

    async def wait_until_started(self) -> None:
        """Wait until the first start is over, whatever came of it: the mock's first prices are on the board then."""
        await self._first_start.wait()

    async def start(self) -> None:
        """Start, unless it runs; a start that fails is rolled back and leaves the state FAILED with its reason.

        Raises:
            LoopNotRunning: When `run` is not running.
        """
        if self._group is None:
            raise LoopNotRunning("the ticker loop is started by the engine: its run() is not running")
        if self._operations.is_inside:
            return
        async with self._operations.one_at_a_time():
            if self._state not in (LoopState.STOPPED, LoopState.FAILED):
                return
            self._state, self._detail = LoopState.STARTING, ""
            try:
                await self._bring_up(self._group)
            except BaseException as error:
                with anyio.CancelScope(shield=True):
                    await self._take_down()
                if not isinstance(error, Exception):
                    if self._state is LoopState.STARTING:
                        self._state = LoopState.STOPPED
                    raise
                _LOG.error("the start failed", exc_info=error)
                self._detail = f"the start failed: {describe_error(error)}"
                self.events.add("loop", self._detail, severity=Severity.ERROR)
                if self._state is LoopState.STARTING:
                    self._state = LoopState.FAILED
                return
            self._state, self._started_at = LoopState.RUNNING, self.clock.now()
            self.events.add("loop", self._plan.describe())

    async def stop(self) -> None:
        """Stop: sockets get the deadline of the settings to close, then everything left is cancelled.

        Callable from anywhere, also from inside a reload or a task of the loop: who is part of what is being stopped
        does not wait for the end of it.
        """
        if self._group is None or self._state is LoopState.STOPPED:
            return
        if self._state is not LoopState.STOPPING:
            self._state, self._stopped = LoopState.STOPPING, anyio.Event()
            self._group.start_soon(self._close_down, name="stop of the ticker loop")
        if not self._operations.is_inside:
            await self._stopped.wait()

    async def _close_down(self) -> None:
        if self._state is LoopState.STOPPED:
            return
        self._state = LoopState.STOPPING
        self._operations.cancel()
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(self._settings.stop_deadline) as deadline:
                await self._operations.wait_until_over()
                await self._fleet.close()
            if deadline.cancelled_caught:
                text = f"not everything had stopped after {self._settings.stop_deadline:.0f} s; the rest is cancelled"
                self.events.add("loop", text, severity=Severity.WARNING)
            await self._take_down()
        self._state, self._started_at = LoopState.STOPPED, None
        self._stopped.set()
        self.events.add("loop", "stopped")

    async def _bring_up(self, group: TaskGroup) -> None:
        await self.orchestrator.open()
        await self._contracts.load()
        await self._fleet.open(group)
        self._feed.evaluate()
        await self._engage_feed()
        for name, duty in self._duties.items():
            self.task_monitor.start(group, name, self._as_part, duty, restart=_FOR_EVER)
        result = await self._plan.reload()
        if result.error:
            raise ReloadFailed(result.error)

    async def _take_down(self) -> None:
        """Cancel what is left; nothing here waits for long, and nothing raises."""
        with anyio.move_on_after(_CANCEL_WAIT):
            for name in (*self._duties, _MOCK_TASK):
                self.task_monitor.cancel(name)
            for name in (*self._duties, _MOCK_TASK):
                await self.task_monitor.wait(name)
        with anyio.move_on_after(2 * _CANCEL_WAIT):
            await self._fleet.abandon(_CANCEL_WAIT)
        self._feed.shut()

    async def _as_part(self, duty: Callable[[], Awaitable[None]]) -> None:
        """Run a duty as one of the tasks that a stop ends."""
        async with self._operations.part_of_it():
            await duty()

    # ------------------------------------------------------------------ reload

    async def reload_subscriptions(self) -> ReloadResult | None:
        """Bring what streams in line with what is wanted, and return when it is done.

        Concurrent calls take turns. Called from inside a reload it asks for one more after it. Does nothing while
        the loop does not run.

        Returns:
            What was done or why not (`ReloadResult.error`); None before the first.
        """
        return await self._reload(None)

    def reload_subscriptions_async(self) -> None:
        """Ask for a reload soon; several of these within the debounce make one."""
        self.reloader.trigger()

    async def plan_reload(self) -> ReloadPlan:
        """Return what a reload would do now; nothing is sent and nothing is written.

        Raises:
            LoopNotRunning: While the loop does not run.
            StoreError: When the store cannot be read.
        """
        if self._operations.is_inside:
            raise LoopNotRunning("a plan cannot be made while a reload is under way")
        self._prepared = None
        async with self._operations.one_at_a_time():
            self._require_running()
            self._prepared = await self._plan.prepare()
        if self._prepared is None:
            raise LoopNotRunning("the ticker loop was stopped")
        return self._prepared.plan

    async def apply_reload(self) -> ReloadResult:
        """Do what `plan_reload` has shown; a plan that has been overtaken meanwhile is made anew.

        Raises:
            LoopNotRunning: While the loop does not run.
        """
        self._require_running()
        prepared, self._prepared = self._prepared, None
        result = await self._reload(prepared)
        if result is None:
            raise LoopNotRunning("the ticker loop was stopped")
        return result

    async def _reload(self, prepared: PreparedReload | None) -> ReloadResult | None:
        if self._operations.is_inside:
            self.reloader.trigger()
            return self._plan.last_result
        async with self._operations.one_at_a_time():
            if self._state is LoopState.RUNNING:
                self._state = LoopState.RELOADING
                self.reloader.drop()  # this one answers them
                try:
                    await self._plan.reload(prepared)
                finally:
                    if self._state is LoopState.RELOADING:
                        self._state = LoopState.RUNNING
        return self._plan.last_result

    async def reload_when_triggered(self) -> None:
        """Reload for the reloader, which remembers what went wrong.

        Raises:
            ReloadFailed: With the reason.
        """
        result = await self.reload_subscriptions()
        if result is not None and result.error:
            raise ReloadFailed(result.error)

    def _require_running(self) -> None:
        if self._state not in (LoopState.RUNNING, LoopState.RELOADING):
            raise LoopNotRunning(f"the ticker loop is {self._state}")

    # ------------------------------------------------------------------ feed

    async def set_feed(self, feed: FeedMode) -> None:
        """Switch the mock or a replay on, or back to what accounts and calendar say (any other mode).

        While the mode is REPLAY nothing here writes to the board: whoever replays stamps his batches with
        `MarketBoard.generation`.
        """
        self._feed.wish(feed)
        if not self._operations.is_inside:
            await self._follow_feed()

    async def _follow_feed(self) -> None:
        """Put the feed that the rule gives into force, when it is another."""
        if not self._feed.is_due():
            return
        async with self._operations.one_at_a_time():
            if self._state is not LoopState.RUNNING:
                return
            generation = self._feed.generation
            self._feed.evaluate()
            if self._feed.generation != generation:
                await self._engage_feed()
                self.reloader.trigger()  # rules are centred anew, on the spots of the new feed

    async def _engage_feed(self) -> None:
        """Let the feed in force fill the board, and no other."""
        assert self._group is not None
        self.task_monitor.cancel(_MOCK_TASK)
        await self.task_monitor.wait(_MOCK_TASK)
        levels, times = self.spots.known(), self.spots.times()
        self.spots.clear()
        if self._feed.is_live:
            self._fleet.carry(self._parts.live_plan(), self._feed.generation)
            return
        self._fleet.carry({})
        if self._feed.mode is FeedMode.MOCK:
            await self._parts.begin_mock(levels, times)
            self.task_monitor.start(self._group, _MOCK_TASK, self._parts.mock.run, restart=_FOR_EVER)

    # ------------------------------------------------------------------ each second

    async def _each_second(self) -> None:
        expired: datetime | None = None
        while True:
            await anyio.sleep(1.0)
            await self._follow_feed()
            self._fleet.look_after()
            self._rate.sample()
            instant = self.reconciler.next_expiry_instant()
            if instant is not None and instant != expired and self.clock.now() >= instant:
                expired = instant
                self.events.add("reload", f"contracts expired at {instant:%H:%M}")
                self.reloader.trigger()
            self.task_monitor.touch("each-second")

    async def _watch_clock(self) -> None:
        await watch_clock(self.clock, self._after_gap)

    def _after_gap(self, gap: ClockGap) -> None:
        severity = Severity.WARNING if gap.fault is ClockFault.ASLEEP else Severity.INFO
        self.events.add("loop", gap.describe(), severity=severity)
        if gap.fault is ClockFault.ASLEEP:
            self._asleep = gap
            self._fleet.reconnect_all("this machine was asleep")
            self.reloader.trigger()

    # ------------------------------------------------------------------ accounts

    def list_accounts(self) -> tuple[str, ...]:
        """Return the ids of all accounts in the order of the configuration."""
        return self.orchestrator.list_accounts()

    async def reconnect(self, account: str) -> None:
        """Rebuild an account's sockets; one that had failed or was emptied is taken up again.

        Raises:
            LoopNotRunning: While the loop does not run.
            NoAccounts: For an unknown account.
        """
        self._require_running()
        self.orchestrator.config(account)
        self._fleet.reconnect(account, "asked for by the user")

    async def move_account(self, account: str) -> None:
        """Move an account's unpinned instruments to accounts with room, until it is logged in or rebuilt.

        Raises:
            LoopNotRunning: While the loop does not run.
            NoAccounts: For an unknown account.
        """
        self._require_running()
        self.orchestrator.config(account)
        self._fleet.empty(account)
        await self.reload_subscriptions()

    # ------------------------------------------------------------------ broker

    async def refresh_instruments(self, *, force: bool = False) -> RefreshReport:
        """Fetch the day's contracts when they are stale (or in any case), and reload when they changed."""
        return await self._contracts.refresh(force=force)

    async def fetch_history(
        self,
        token: int,
        start: datetime,
        end: datetime,
        interval: Interval = Interval.MINUTE,
        *,
        account: str | None = None,
        oi: bool = True,
        continuous: bool = False,
    ) -> Candles:
        """Fetch candles from the broker, through the account named or the next one that can be used.

        Raises:
            NoAccounts: When none can be used.
            KiteError: When all of them failed.
        """
        return await self.orchestrator.call(
            lambda client: client.fetch_historical(token, start, end, interval, oi=oi, continuous=continuous),
            preferred=account,
        )

    # ------------------------------------------------------------------ reading

    @property
    def state(self) -> LoopState:
        """See `LoopState`."""
        return self._state

    def runtime_state(self) -> RuntimeState:
        """Return the loop at a glance; cheap enough for every frame."""
        plan = self._plan
        return RuntimeState(
            state=self._state,
            feed=self._feed.mode,
            started_at=self._started_at,
            generation=self._feed.generation,
            revision=plan.revision,
            store_revision=plan.store_revision,
            instruments=len(plan.view),
            accounts=self._fleet.status(plan.view.counts(self.clock.monotonic_ns())),
            last_reload=plan.last_result,
            reloading=self._state is LoopState.RELOADING or self.reloader.pending,
            unassigned=plan.unassigned,
            unresolved=plan.unresolved,
            ticks_per_second=self._rate.per_second(),
            detail=self._detail,
            asleep=self._asleep,
        )
