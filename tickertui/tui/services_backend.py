"""`ServicesBackend`: the screens' `Backend` over the running services."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from tickertui.kite.errors import KiteError
from tickertui.kite.login import IncompletePaste, LoginError, parse_redirect
from tickertui.market.board import MarketBoard
from tickertui.market.calendar_data import CalendarError
from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import Clock
from tickertui.market.contract_terms import TermsChange
from tickertui.market.hours import MarketCalendar, UnderlyingKind
from tickertui.market.instruments import ChainRows, Instrument
from tickertui.market.subscriptions import ChainRule, RuleError
from tickertui.services.accounts.session_orchestrator import MissingApiSecret, NoAccounts
from tickertui.services.bundle import Services
from tickertui.services.contracts.plausibility import DumpRefused
from tickertui.services.history.status import BootstrapProgress, BootstrapState
from tickertui.services.loop.contract_refresher import ContractsMissing
from tickertui.services.loop.status import FeedMode, RuntimeState
from tickertui.services.loop.ticker_loop import LoopNotRunning, ReloadFailed
from tickertui.services.mock.seeding import MockSeed
from tickertui.services.plan.legs import Legs
from tickertui.services.plan.rule_check import check_account, check_rule
from tickertui.services.plan.status import ReloadPlan, ReloadResult, RuleCost, RuleStatus
from tickertui.services.supervision.events import Event, Severity
from tickertui.services.supervision.observed_hours import Deviation
from tickertui.services.supervision.skew_watch import SkewWatch
from tickertui.services.supervision.status import TaskInfo, TaskState
from tickertui.store.protocol import StoreError
from tickertui.tui.view.backend import BackendRefused, HealthFigures, LoginPage, PasteIncomplete
from tickertui.tui.view.frames import ListedExpiry

if TYPE_CHECKING:
    from tickertui.services.history.historical_bootstrapper import HistoricalBootstrapper

T = TypeVar("T")

_REFUSALS: Final = (
    LoopNotRunning, ReloadFailed, NoAccounts, MissingApiSecret, ContractsMissing, DumpRefused, CalendarError,
    StoreError, KiteError, LoginError, OSError, ValueError,
)  # fmt: skip
"""What the services refuse with; each text is one sentence for the trader. What is missing here ends the program."""


class ServicesBackend:
    """See `tickertui.tui.view.backend.Backend`.

    Args:
        services: Built and run by the engine.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._expiries: dict[str, tuple[object, tuple[ListedExpiry, ...]]] = {}
        self._skew = SkewWatch(services.board, services.clock)

    @property
    def clock(self) -> Clock:
        """Wall and monotonic time."""
        return self._services.clock

    @property
    def calendar(self) -> MarketCalendar:
        """Sessions and holidays; sessions that were seen and not planned among them."""
        return self._services.hours

    @property
    def board(self) -> MarketBoard:
        """The latest of everything that ticks."""
        return self._services.board

    # ------------------------------------------------------------------ reading

    def runtime(self) -> RuntimeState:
        """State of loop, accounts and sockets."""
        return self._services.loop.runtime_state()

    def bootstrap(self) -> BootstrapProgress:
        """State of the backfill."""
        bootstrapper = self._services.bootstrapper
        return bootstrapper.progress() if bootstrapper is not None else BootstrapProgress()

    def tasks(self) -> tuple[TaskInfo, ...]:
        """Every background task."""
        return self._services.task_monitor.tasks()

    def events(self, since: int = 0) -> tuple[Event, ...]:
        """Events, oldest first."""
        return self._services.events.since(since)

    def rules(self) -> tuple[RuleStatus, ...]:
        """Chain rules as they stand."""
        return self._services.reconciler.rules()

    def legs(self) -> Legs:
        """Every instrument of the plan in force."""
        return self._services.reconciler.watched()

    def mock_seed(self, underlying: str) -> MockSeed | None:
        """Where the mock's level of an underlying comes from, None where it has none."""
        return self._services.mock_generator.seed_of(underlying)

    def health(self) -> HealthFigures:
        """Figures of the program itself."""
        services = self._services
        figures = services.process.figures()
        counters = services.board.counters
        last = services.valuation.last_valued if services.valuation is not None else None
        return HealthFigures(
            cpu_percent=figures.cpu_percent,
            memory_mb=figures.memory_mb,
            loop_delay_ms=figures.loop_delay_ms,
            clock_skew_s=self._clock_skew(),
            database_fault=self._database_fault(),
            dropped=counters.unknown_tokens + counters.out_of_order + counters.stale_generation + counters.emptied,
            ahead=counters.ahead,
            greeks_ms=last.seconds * 1e3 if last is not None else None,
            greeks_rows=last.rows if last is not None else 0,
            database_ms=services.store_watch.health.milliseconds,
            queued=sum(socket.waiting for one in self.runtime().accounts for socket in one.connections),
            contracts_day=self.instruments_day(),
            contracts_stale=services.registry.is_stale(),
            contracts_news=services.registry.differences.news,
        )

    def deviations(self) -> tuple[Deviation, ...]:
        """Segments that do not go by the calendar now."""
        return self._services.hours.deviations()

    def _database_fault(self) -> str | None:
        """One sentence while the store does not answer or its watch over changes is broken."""
        health = self._services.store_watch.health
        if health.error:
            wait = 0.0 if health.retry_at is None else max(0.0, health.retry_at - anyio.current_time())
            tries = f"{health.tries} {'try' if health.tries == 1 else 'tries'}"
            return f"{health.error} ({tries}, next in {wait:.0f} s)"
        for task in self._services.task_monitor.tasks():
            if "store" in task.name and task.state in (TaskState.RESTARTING, TaskState.FAILED):
                return task.last_error or "cannot be reached"
        return None

    def _clock_skew(self) -> float | None:
        """This machine minus the exchange, None while nothing tells.

        By the indices of the rules, and by the future where an underlying has no index.
        """
        names = dict.fromkeys(status.rule.underlying for status in self.rules())
        return self._skew.look(token for name in names if (token := self._price_token(name)))

    def _price_token(self, underlying: str) -> int:
        """Token of what an underlying's price is read from, 0 where there is nothing."""
        return self._services.registry.price_token(underlying) or 0

    def underlyings(self) -> tuple[str, ...]:
        """Names that have options today; the watched ones first."""
        listed = self._services.registry.underlyings()
        watched = dict.fromkeys(status.rule.underlying for status in self.rules())
        first = tuple(name for name in watched if name in listed)
        return first + tuple(name for name in listed if name not in watched)

    def underlying_named(self, text: str) -> str | None:
        """The underlying that a text names, None where there is none with options today."""
        name = self._services.registry.table.underlying_named(text)
        return name if name in self._services.registry.underlyings() else None

    def explain_name(self, underlying: str) -> str:
        """Whose a name is that several exchanges have, and how to write the others."""
        return self._services.registry.table.explain_name(underlying)

    def expiries(self, underlying: str) -> tuple[ListedExpiry, ...]:
        """Expiries of an underlying that are not over, ascending."""
        registry, now = self._services.registry, self.clock.now()
        key = (registry.table, now.date(), now.hour, now.minute)
        cached = self._expiries.get(underlying)
        if cached is not None and cached[0] == key:
            return cached[1]
        marks = tuple(
            ListedExpiry(name.expiry, name.cycle, (name.expiry - now.date()).days, name.note)
            for name in registry.contracts.names_of(underlying)
            if self._is_alive(underlying, name.expiry)
        )
        self._expiries[underlying] = (key, marks)
        return marks

    def _is_alive(self, underlying: str, expiry: date) -> bool:
        now = self.clock.now()
        if expiry != now.date():
            return expiry > now.date()
        chain = self.chain(underlying, expiry)
        return chain is not None and now < self.calendar.expiry_instant(
            chain.segment, expiry, self.underlying_kind(underlying)
        )

    def chain(self, underlying: str, expiry: date) -> ChainRows | None:
        """Strikes and tokens of one chain."""
        return self._services.registry.table.chain(underlying, expiry)

    def underlying_kind(self, underlying: str) -> UnderlyingKind:
        """Whether a name is an index's, a share's or neither."""
        return self._services.registry.contracts.kind_of(underlying)

    def instrument(self, token: int) -> Instrument | None:
        """One contract of the day."""
        return self._services.registry.get(token)

    def renamed(self, underlying: str) -> str | None:
        """The name that an underlying goes by since the day's contracts were taken."""
        renamed = self._services.registry.differences.renamed
        return next((name for one in renamed if (name := one.follow(underlying)) is not None), None)

    def terms_change(self, token: int) -> TermsChange | None:
        """The last change of a contract's terms."""
        return self._services.registry.contracts.terms_changes.get(token)

    def index_token(self, underlying: str) -> int | None:
        """Token of the underlying's index or share."""
        return self._services.registry.index_token(underlying)

    def future(self, underlying: str) -> Instrument | None:
        """The nearest future."""
        return self._services.registry.future(underlying)

    def priced_by(self, underlying: str, expiry: date | None = None) -> Instrument | None:
        """The future that gives the price of an underlying without index or share (to options of an expiry)."""
        return self._services.registry.priced_by(underlying, expiry)

    def search(self, text: str, limit: int = 50) -> tuple[Instrument, ...]:
        """Contracts that match what was typed, best first."""
        return tuple(self._services.registry.search(text, limit))

    def instruments_day(self) -> date | None:
        """Trading day of the instrument dump, None without one."""
        registry = self._services.registry
        return registry.day if len(registry.table) else None

    # ------------------------------------------------------------------ doing

    def note(self, topic: str, text: str, severity: Severity = Severity.INFO) -> None:
        """Record something among the events."""
        self._services.events.add(topic, text, severity=severity)

    async def refresh_contracts(self) -> str:
        """Fetch the broker's contracts of the day."""
        report = await _asked(self._services.loop.refresh_instruments(force=True))
        if report.refused:
            raise BackendRefused(report.refused)
        day = "" if report.day is None else f" of {report.day:%d %b}"
        changes = report.differences
        came = f": {changes.describe()}" if not changes.is_empty else ", the same as before"
        return f"{report.rows:,} contracts{day}{came}"

    async def plan_reload(self) -> ReloadPlan:
        """What a reload would do."""
        return await _asked(self._services.loop.plan_reload())

    async def apply_reload(self) -> ReloadResult:
        """Do it."""
        return await _asked(self._services.loop.apply_reload())

    async def what_if(self, rule: ChainRule) -> RuleCost:
        """Cost of a rule before it is added."""
        try:
            self._check_rule(rule)
            return self._services.reconciler.what_if(rule)
        except _REFUSALS as error:
            raise BackendRefused(str(error)) from error

    async def add_rule(self, rule: ChainRule) -> None:
        """Store a rule that is not there yet; a reload follows by itself."""
        try:
            self._check_rule(rule)
        except RuleError as error:
            raise BackendRefused(str(error)) from None
        if rule in await _asked(self._services.store.list_rules()):
            raise BackendRefused(f"{rule.describe()}: there already")
        await _asked(self._services.store.add_rule(rule))
        self.note("rule", f"added: {rule.describe()}")
        self._services.loop.reload_subscriptions_async()

    def _check_rule(self, rule: ChainRule) -> None:
        services = self._services
        check_rule(rule, services.registry.contracts, services.loop.list_accounts(), self.clock.now())

    async def remove_rule(self, rule_id: int) -> None:
        """Drop a rule; a reload follows by itself."""
        words = next((one.rule.describe() for one in self.rules() if one.rule.rule_id == rule_id), f"rule {rule_id}")
        if not await _asked(self._services.store.remove_rule(rule_id)):
            raise BackendRefused("that rule is gone already")
        self.note("rule", f"dropped: {words}")
        self._services.loop.reload_subscriptions_async()

    async def pin_rule(self, rule_id: int, account: str | None) -> None:
        """Pin a rule to an account, or unpin it."""
        stored = {rule.rule_id: rule for rule in await _asked(self._services.store.list_rules())}
        if rule_id not in stored:
            raise BackendRefused("that rule is gone already")
        try:
            check_account(account, self._services.loop.list_accounts())
        except RuleError as error:
            raise BackendRefused(str(error)) from None
        await _asked(self._services.store.update_rule(_pinned(stored[rule_id], account)))
        self.note("rule", f"{'unpinned' if account is None else f'pinned to {account}'}: {stored[rule_id].describe()}")
        self._services.loop.reload_subscriptions_async()

    async def reconnect(self, account: str) -> None:
        """Rebuild the sockets of an account."""
        await _asked(self._services.loop.reconnect(account))
        self.note("account", f"{account}: its sockets are rebuilt at your wish")

    async def move_account(self, account: str) -> None:
        """Move an account's legs to accounts with room."""
        await _asked(self._services.loop.move_account(account))

    async def set_feed(self, feed: FeedMode) -> None:
        """Switch the mock on, or back to what the accounts and the calendar say."""
        await _asked(self._services.loop.set_feed(feed))

    def login_page(self, account: str) -> LoginPage:
        """Where to log in."""
        return LoginPage(account, self._services.login_url(account))

    async def login(self, account: str, redirect: str) -> None:
        """Exchange the redirect address or request token for the day's token."""
        try:
            token = parse_redirect(redirect)
        except IncompletePaste as error:
            raise PasteIncomplete(str(error)) from None
        except LoginError as error:
            raise BackendRefused(str(error)) from None
        await _asked(self._services.orchestrator.login(account, token))

    async def toggle_bootstrap(self) -> None:
        """Start or pause the backfill."""
        bootstrapper = self._require_bootstrapper()
        if bootstrapper.progress().state is BootstrapState.PAUSED:
            bootstrapper.resume()
            self.note("bootstrap", "the backfill goes on")
        else:
            bootstrapper.pause()
            self.note("bootstrap", "the backfill is paused")

    async def retry_failed(self) -> None:
        """Ask again for what failed."""
        self._require_bootstrapper().retry_failed()

    def _require_bootstrapper(self) -> HistoricalBootstrapper:
        bootstrapper = self._services.bootstrapper
        if bootstrapper is None:
            raise BackendRefused("there is no backfill in the demo: nothing is stored")
        return bootstrapper

    async def candles(self, token: int, start: datetime, end: datetime) -> Candles:
        """One-minute candles of a leg: stored ones, in a mock the mock's own."""
        if self._services.loop.runtime_state().feed is FeedMode.MOCK:
            return await self._services.mock_generator.candles(token, start, end, Interval.MINUTE)
        instrument = self.instrument(token)
        expiry = instrument.expiry if instrument is not None else None
        return await _asked(self._services.store.candles(token, expiry, Interval.MINUTE, start, end))

    async def atm_iv_history(self, underlying: str, days: int) -> Sequence[tuple[date, float]]:
        """Kept at-the-money volatilities of the last days, ascending by day."""
        return await _asked(self._services.store.atm_iv_history(underlying, days))


async def _asked(call: Awaitable[T]) -> T:
    """Await a service and turn what it refuses with into a sentence for the trader."""
    try:
        return await call
    except _REFUSALS as error:
        raise BackendRefused(str(error)) from error


def _pinned(rule: ChainRule, account: str | None) -> ChainRule:
    return replace(rule, preferred_account=account)
