"""`HistoricalBootstrapper`: finds what is missing in the stored history and fetches it, beside the stream.

The loop tells it the contracts (`set_targets`) and runs it (`run`); the screens read `progress` and call `pause`,
`resume` and `retry_failed`. What is missing is the calendar's sessions minus the coverage in the store: nothing else
is remembered, so that a restart or a cancellation at any point goes on where it stopped. All accounts ask at once,
each as fast as its key allows; what one account cannot do, another one does.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Final

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from tickertui.kite.errors import AuthExpired, KiteError, PermissionDenied, RateLimited
from tickertui.market.clock import Clock
from tickertui.market.instruments import Instrument
from tickertui.services.history.account_pool import AccountPool
from tickertui.services.history.daily_volatility import DailyVolatility, VolatilityHook
from tickertui.services.history.failures import FailureBook
from tickertui.services.history.fetcher import Fetched, fetch_into_store
from tickertui.services.history.gap_map import build_gap_map
from tickertui.services.history.one_account import ask_for_all, missing_of
from tickertui.services.history.planning import BackfillPlan, next_plan_at, plan_requests
from tickertui.services.history.progress import BackfillProgress
from tickertui.services.history.queue import ChangesWhilePlanning, RequestQueue
from tickertui.services.history.sessions import HistoryWindow
from tickertui.services.history.status import BootstrapProgress, BootstrapState, DayCoverage
from tickertui.services.history.types import (
    BackfillSettings,
    BackfillTarget,
    ClientProvider,
    HistoryClient,
    HistoryStore,
    InterestHook,
    Request,
    SessionCalendar,
)
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.store.protocol import ContractKey, StoreError

_LOG: Final = logging.getLogger(__name__)

_SHORTEST_WAIT: Final = 0.001
"""Seconds; a wait shorter than the clocks can tell would be none at all."""
_STORE_PAUSE: Final = 5.0
"""Seconds to wait when the store does not take an answer."""


class HistoricalBootstrapper:
    """Fills the gaps in the history of all targets.

    Args:
        store: Candles, coverage, failures and daily facts.
        calendar: Sessions.
        clock: Wall time for what is wanted, monotonic time for pauses.
        clients: The accounts.
        events: Begin, end and what goes wrong are recorded here.
        settings: See `BackfillSettings`.
        daily_volatility: Called when the history of a finished day is complete; its answer is kept as daily facts.
    """

    def __init__(
        self,
        *,
        store: HistoryStore,
        calendar: SessionCalendar,
        clock: Clock,
        clients: ClientProvider,
        events: EventLog,
        settings: BackfillSettings | None = None,
        daily_volatility: VolatilityHook | None = None,
    ) -> None:
        self._store = store
        self._calendar = calendar
        self._clock = clock
        self._clients = clients
        self._events = events
        self._settings = settings if settings is not None else BackfillSettings()
        self._daily_volatility = DailyVolatility(store, daily_volatility)
        self._progress = BackfillProgress()
        self._failures = FailureBook(store, self._progress, clock, self._settings)
        self._queue = RequestQueue()
        self._pool = AccountPool(clients, self._settings)
        self._targets: tuple[BackfillTarget, ...] = ()
        self._wanted: frozenset[ContractKey] = frozenset()
        self._window = HistoryWindow(calendar, self._settings, clock.now())
        self._under_way: dict[ContractKey, list[Request]] = {}
        self._changes: ChangesWhilePlanning | None = None
        self._wake = anyio.Event()
        self._is_running = False
        self._is_paused = False
        self._must_plan = True
        self._plan_at = math.inf
        self._map_at = -math.inf
        self._store_held_until = -math.inf
        self._done_accounts: set[str] = set()
        self._on_interest: InterestHook | None = None
        self._announced = 0
        self._tells_end = False

    # ------------------------------------------------------------------ what the loop and the screens call

    @property
    def settings(self) -> BackfillSettings:
        """How it goes about it."""
        return self._settings

    def set_targets(self, targets: Sequence[BackfillTarget]) -> None:
        """Say whose history is wanted, in place of what was wanted before; requests under way go on."""
        by_key = {target.key: target for target in targets}
        self._targets, self._wanted = tuple(by_key.values()), frozenset(by_key)
        self._plan_again()

    def on_interest(self, hook: InterestHook) -> None:
        """Have a function called with token, day and open interest at its close, for each that has been stored."""
        self._on_interest = hook

    def note_session_candles(self, count: int, until: int) -> None:
        """Take note of candles that were made from the session's own ticks, for `progress`.

        Args:
            count: How many were stored.
            until: End of the last one, epoch seconds.
        """
        self._progress.own_candles += count
        self._progress.own_until = max(self._progress.own_until, until)

    def pause(self) -> None:
        """Ask for nothing more until `resume`; what is under way is still taken in."""
        self._is_paused = True
        self._wake.set()

    def resume(self) -> None:
        """Go on, also with accounts that were not allowed to read history."""
        self._is_paused = False
        self._pool.forgive()
        self._plan_again()

    def retry_failed(self) -> None:
        """Ask at once for everything that failed or waits for its next attempt."""
        self._failures.forgive()
        self._pool.forgive()
        self._queue.release()
        self._plan_again()

    def progress(self) -> BootstrapProgress:
        """Return how it stands; cheap enough for every frame."""
        left = len(self._queue) + self._pool.under_way
        refusals = self._clients.history_refusals()
        return self._progress.progress(self._seconds(), left, self._pool.rate_limit(), refusals)

    async def gap_map(self) -> dict[str, tuple[DayCoverage, ...]]:
        """Return the coverage of each group by trading day, as it is in the store now.

        Raises:
            StoreError: When the store cannot be read.
        """
        self._map_at = self._seconds() + self._settings.map_seconds
        # That of the plan in force: the map and the counts of what is done speak of the same minutes.
        window, interval, targets = self._window, self._settings.interval, self._targets
        days = window.days({target.segment for target in targets})
        if not days:
            self._progress.coverage = {}
            return {}
        coverage = await self._store.coverage(interval)
        stored = await self._store.candle_days(interval, days[0], days[-1])
        self._progress.coverage = await build_gap_map(targets, window, interval, coverage, stored)
        return self._progress.coverage

    # ------------------------------------------------------------------ the seed's methods

    def is_bootstrap_done(self, account_id: str) -> bool:
        """Return whether nothing is missing that this account could still be asked for."""
        return account_id in self._done_accounts

    def mark_bootstrap_done(self, account_id: str) -> None:
        """Say that nothing is missing for an account; the next plan that finds a gap takes it back."""
        self._done_accounts.add(account_id)

    def reset_bootstrap_state(self) -> None:
        """Forget for which accounts nothing is missing, and look again. What is stored stays."""
        self._done_accounts.clear()
        self._failures.forgive()
        self._plan_again()

    async def backfill_missing_history(
        self, account_id: str, instruments: Sequence[Instrument], client: HistoryClient
    ) -> bool:
        """Fetch what is missing of some contracts through one account, and return when that is done.

        Args:
            account_id: Whose client it is.
            instruments: Contracts.
            client: Of the account.

        Returns:
            Whether nothing is missing now; only then is the account marked as done.

        Raises:
            StoreError: When the store does not take the candles.
        """
        window = self._make_window()
        coverage = await self._store.coverage(self._settings.interval)

        async def ask(request: Request) -> None:
            self._take_in(request, await self._fetch_with(client, request, window))

        try:
            complete = await ask_for_all(missing_of(window, instruments, coverage), ask, self._settings, self._failures)
        except AuthExpired:
            self._clients.report_auth_expired(account_id)
            return False
        if complete:
            self.mark_bootstrap_done(account_id)
        return complete

    # ------------------------------------------------------------------ running

    async def run(self) -> None:
        """Fill gaps until cancelled.

        Raises:
            RuntimeError: When it is running already.
        """
        if self._is_running:
            raise RuntimeError("the backfill is run once, by the ticker loop")
        self._is_running = True
        self._must_plan = True
        try:
            async with anyio.create_task_group() as group:
                await self._supervise(group)
        finally:
            self._is_running = False
            self._queue.clear()
            self._under_way.clear()
            self._progress.start_rate(None)
            self._progress.state = BootstrapState.IDLE

    async def _supervise(self, group: TaskGroup) -> None:
        while True:
            self._wake = anyio.Event()
            try:
                await self._advance(group)
            except StoreError as error:
                self._hold_for_store(error)
            with anyio.move_on_after(self._seconds_to_wait()):
                await self._wake.wait()

    async def _advance(self, group: TaskGroup) -> None:
        """Do what is due now."""
        if self._is_paused:
            self._progress.state, self._progress.detail = BootstrapState.PAUSED, ""
            self._progress.start_rate(None)
            return
        if self._seconds() < self._store_held_until:
            return
        if self._must_plan or self._clock.time_ns() / 1e9 >= self._plan_at:
            await self._plan()
        self._dispatch(group)
        if not self._queue and not self._pool.under_way:
            await self._finish()
        elif self._seconds() >= self._map_at:
            await self.gap_map()

    def _seconds_to_wait(self) -> float:
        now, settings = self._seconds(), self._settings
        if self._is_paused:
            return math.inf
        if now < self._store_held_until:
            return self._store_held_until - now
        due = [settings.poll if self._queue else math.inf, self._plan_at - self._clock.time_ns() / 1e9]
        # What is ready already waits for an account: one that is held, or one whose request ends and wakes us.
        later = (self._queue.next_ready(), self._pool.next_free(now))
        due += [instant - now for instant in later if instant is not None and instant > now]
        # The wall clock may be set; looking at it each minute keeps the next plan in time.
        return max(_SHORTEST_WAIT, min(60.0, *due))

    async def _finish(self) -> None:
        """Nothing is left to ask for."""
        if self._progress.state is BootstrapState.DONE:
            return
        self._progress.start_rate(None)
        await self.gap_map()
        day = self._window.last_closed_day({target.segment for target in self._targets})
        await self._daily_volatility.save(day, {target.underlying for target in self._targets})
        failed = len(self._progress.failed())
        if not failed:
            self._done_accounts.update(self._pool.usable())
        if self._tells_end and self._progress.requests_done > self._announced:
            self._tells_end, self._announced = False, self._progress.requests_done
            rest = f", {failed} instruments failed" if failed else ""
            self._say(f"the history is there: {self._progress.candles_stored:,} candles stored so far{rest}")
        self._progress.state, self._progress.detail = BootstrapState.DONE, ""

    # ------------------------------------------------------------------ planning

    async def _plan(self) -> None:
        """Compare what there must be with what there is, and queue the difference."""
        is_growth, self._must_plan = not self._must_plan and self._session_runs(), False
        self._progress.state, self._progress.detail = BootstrapState.PLANNING, ""
        self._changes = changes = ChangesWhilePlanning()
        try:
            window, targets = self._make_window(), self._targets
            await self._failures.load()
            coverage = await self._store.coverage(self._settings.interval)
            plan = await plan_requests(
                window, targets, coverage, self._under_way, changes, self._failures, self._ready_at
            )
            self._take_plan(plan, changes, is_growth=is_growth)
        finally:
            self._changes = None
        for request in changes.finished:
            await self._close_if_complete(request.target)

    def _session_runs(self) -> bool:
        """Whether the close that the plan in force waits for is still to come."""
        close = self._window.next_close({target.segment for target in self._targets})
        return close is not None and self._clock.now() < close

    def _ready_at(self, target: BackfillTarget) -> float | None:
        seconds = self._failures.seconds_until_retry(target.key)
        return None if seconds is None else self._seconds() + seconds

    def _take_plan(self, plan: BackfillPlan, changes: ChangesWhilePlanning, *, is_growth: bool) -> None:
        """Put a plan into force, in one step; one that only follows the running session is nothing to tell."""
        planned, targets = len(plan.queue), plan.targets
        if changes.returned:
            wanted = {target.key for target in targets}
            for request, ready_at in changes.returned:
                if request.target.key in wanted:
                    plan.queue.push(request, ready_at)
        self._window, self._queue = plan.window, plan.queue
        self._progress.set_targets(targets)
        for target in plan.missing:
            self._progress.open_contract(target)
            self._failures.show(target)
        left = len(self._queue) + self._pool.under_way
        self._progress.gaps_found = self._progress.gaps_filled + left
        self._plan_at = next_plan_at(plan.window, targets, self._settings, self._pool.rate_limit())
        self._map_at = -math.inf
        self._progress.state = BootstrapState.RUNNING
        if planned:
            self._done_accounts.clear()
            self._progress.start_rate(self._seconds())
            self._tells_end |= not is_growth
            if not is_growth:
                self._say(f"{len(plan.missing):,} of {len(targets):,} instruments lack history: {left:,} requests")

    # ------------------------------------------------------------------ asking

    def _dispatch(self, group: TaskGroup) -> None:
        """Give each account that may ask as many requests as it may have under way."""
        now = self._seconds()
        while (account := self._pool.free(now)) is not None:
            request = self._queue.pop(now)
            if request is None:
                break
            self._pool.start(account)
            self._under_way.setdefault(request.target.key, []).append(request)
            group.start_soon(self._ask, account, self._clients.client(account), request)
        if self._queue and not self._pool.usable():
            self._progress.detail = self._pool.why_none()
        elif self._queue or self._pool.under_way:
            self._progress.state, self._progress.detail = BootstrapState.RUNNING, ""

    async def _ask(self, account: str, client: HistoryClient, request: Request) -> None:
        try:
            fetched = await self._fetch_with(client, request, self._window)
        except AuthExpired as error:
            self._leave_account(account, request, error)
            self._clients.report_auth_expired(account)
        except PermissionDenied as error:
            self._leave_account(account, request, error)
            self._pool.deny(account, str(error))
        except RateLimited as error:
            self._progress.count_answer(self._seconds())
            self._pool.hold(account, self._seconds(), error.retry_after)
            self._return(request)
        except KiteError as error:
            await self._on_failure(account, request, error)
        except StoreError as error:
            self._return(request)
            self._hold_for_store(error)
        else:
            self._pool.succeed(account)
            self._progress.count_answer(self._seconds())
            self._take_in(request, fetched)
        finally:
            self._pool.end(account)
            self._end(request)
            self._wake.set()
        await self._close_if_complete(request.target)

    async def _fetch_with(self, client: HistoryClient, request: Request, window: HistoryWindow) -> Fetched:
        segment = request.target.segment
        sessions = window.sessions(segment)
        return await fetch_into_store(client, self._store, request, self._settings, sessions, window.dense(segment))

    def _take_in(self, request: Request, fetched: Fetched) -> None:
        """Note a stored answer; what is doubtful in it is asked for once more, later."""
        self._progress.candles_stored += fetched.candles
        self._progress.gaps_filled += 1
        self._failures.succeeded(request.target.key)
        if self._on_interest is not None:
            for day, interest in fetched.interest:
                self._on_interest(request.target.token, day, interest)
        if self._changes is not None:
            self._changes.finished.append(request)
        if fetched.doubtful and self._is_running:
            self._progress.gaps_found += 1
            start, end = fetched.doubtful[0][0], fetched.doubtful[-1][1]
            again = Request(request.target, start, end, look=1)
            self._return(again, self._seconds() + self._settings.second_look)

    async def _on_failure(self, account: str, request: Request, error: KiteError) -> None:
        now = self._seconds()
        self._progress.count_answer(now)
        if error.retryable:
            self._pool.hold(account, now)
        try:
            delay = await self._failures.add(request.target, error)
        except StoreError as store_error:
            self._hold_for_store(store_error)
            delay = self._settings.longest_delay
        if delay is not None:
            self._return(request, self._seconds() + delay)

    def _leave_account(self, account: str, request: Request, error: KiteError) -> None:
        """An account cannot be asked: its requests go to the others."""
        is_news = account in self._pool.usable()
        self._pool.hold(account, self._seconds(), self._settings.poll)
        self._return(request)
        if is_news:
            self._say(f"the history is fetched without {account}: {error}", Severity.WARNING, account)

    def _return(self, request: Request, ready_at: float | None = None) -> None:
        """Queue a request again, where its contract is still wanted."""
        if self._changes is not None:
            self._changes.returned.append((request, ready_at))
        elif self._is_running and request.target.key in self._wanted:
            self._queue.push(request, ready_at)

    def _end(self, request: Request) -> None:
        left = self._under_way.get(request.target.key, [])
        if request in left:
            left.remove(request)
        if not left:
            self._under_way.pop(request.target.key, None)

    async def _close_if_complete(self, target: BackfillTarget) -> None:
        key = target.key
        is_open = self._queue.left_of(key) or key in self._under_way or self._failures.has_given_up(key)
        if is_open or self._changes is not None:
            return  # a plan that is being made finds out by itself
        self._progress.finish_contract(target)
        try:
            await self._failures.clear(key)
        except StoreError as error:
            self._hold_for_store(error)

    # ------------------------------------------------------------------ small things

    def _plan_again(self) -> None:
        self._must_plan = True
        if self._is_running and not self._is_paused:
            self._progress.state = BootstrapState.PLANNING
        self._wake.set()

    def _hold_for_store(self, error: StoreError) -> None:
        self._store_held_until = self._seconds() + _STORE_PAUSE
        if self._progress.detail != str(error):
            self._say(str(error), Severity.ERROR)
        self._progress.detail = str(error)
        self._must_plan = True

    def _make_window(self) -> HistoryWindow:
        return HistoryWindow(self._calendar, self._settings, self._clock.now())

    def _seconds(self) -> float:
        return self._clock.monotonic_ns() / 1e9

    def _say(self, text: str, severity: Severity = Severity.INFO, account: str = "") -> None:
        self._events.add("bootstrap", text, severity=severity, account=account)
