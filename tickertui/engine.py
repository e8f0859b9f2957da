"""The engine: builds everything below the screens from the settings and runs it in ONE task group.

The foreground (the Textual application, or the JSON-lines reporter) runs inside that group. Whatever way it ends, by
the trader, by a defect, by SIGTERM or a closed terminal, every service is cancelled and awaited before `Engine.run`
returns. Nothing else in the program starts long-lived tasks.
"""

from __future__ import annotations

import logging
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from tickertui.clock import SystemClock
from tickertui.frozen import frozen
from tickertui.kite.login import TokenFile, login_url
from tickertui.kite.secrets import Secret
from tickertui.market.board import MarketBoard
from tickertui.market.candles import Interval
from tickertui.market.clock import Clock
from tickertui.market.conventions import Convention, Preset, VolatilitySide
from tickertui.market.hours import MarketCalendar, load_calendar
from tickertui.market.universe import Universe, load_universe, universe_instruments
from tickertui.process.crashes import Crashes, where_threads_stand
from tickertui.process.stopping import SignalWatch
from tickertui.process.stopping import StopRequest as StopRequest
from tickertui.services.accounts.session_orchestrator import AccountConfig, MissingApiSecret, SessionOrchestrator
from tickertui.services.accounts.sockets import Socket, SocketFactory, SocketSink
from tickertui.services.bundle import Services
from tickertui.services.contracts.instrument_registry import InstrumentRegistry
from tickertui.services.contracts.store_owner import inherit_rules, own_store
from tickertui.services.loop.settings import LoopSettings
from tickertui.services.loop.spots import Spots
from tickertui.services.loop.status import FeedMode
from tickertui.services.loop.ticker_loop import MultiAccountTickerLoop
from tickertui.services.loop.wiring import LoopInputs
from tickertui.services.mock.mock_generator import MockDataGenerator
from tickertui.services.plan.configured_rules import add_demo_rules, ensure_rules
from tickertui.services.plan.subscription_reconciler import SubscriptionReconciler
from tickertui.services.supervision.event_logging import log_event
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.services.supervision.observed_hours import ObservedHours
from tickertui.services.supervision.process_watch import ProcessWatch
from tickertui.services.supervision.store_maintenance import StoreMaintenance
from tickertui.services.supervision.store_watch import StoreWatch
from tickertui.services.supervision.task_monitor import RestartPolicy, TaskMonitor
from tickertui.services.valuation.valuation import Valuation
from tickertui.settings.broker import broker_of
from tickertui.settings.credentials import CredentialError, api_secret, environment_name, secret_of_file
from tickertui.settings.model import AccountSettings, Settings
from tickertui.settings.paths import Paths
from tickertui.store.identity import KITE, BrokerIdentity, BrokerKind
from tickertui.store.open import is_server, open_store
from tickertui.store.protocol import Store, StoreError
from tickertui.synthetic.paths import Regime

if TYPE_CHECKING:
    from tickertui.kite.client import KiteClient
    from tickertui.kite.transport import WebSocketTransport
    from tickertui.services.history.historical_bootstrapper import HistoricalBootstrapper

_LOG: Final = logging.getLogger(__name__)
_REGIMES: Final = {regime.name.lower().replace("_", "-"): regime for regime in Regime}
CONVENTIONS: Final = {
    "calendar": Preset.FORWARD,
    "trading-252": Preset.KITE_SENSIBULL,
    "exchange": Preset.EXCHANGE,
}
"""The words of the configuration."""


def _always() -> None:
    return None


Foreground = Callable[[Services, StopRequest], Awaitable[int]]
Touch = Callable[[], None]


@frozen
class EngineOptions:
    """What the engine is built from.

    Attributes:
        settings: The configuration.
        paths: Where files live.
        config_file: Where the settings come from; the platform's file by default.
        demo: A mock market in memory: no account, no network, nothing written.
        environ: Environment of the process, for secrets.
        broker: Whose data; what the settings alone say by default.
        clock: Now; the machine's by default.
        seed: Of the jitter of retries; None for a fresh one.
    """

    settings: Settings
    paths: Paths
    environ: Mapping[str, str]
    config_file: Path | None = None
    demo: bool = False
    broker: BrokerIdentity | None = None
    clock: Clock | None = None
    seed: int | None = None


class Engine:
    """See the module."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._settings = options.settings
        self._broker = options.broker or broker_of(options.settings)
        self._paths = options.paths.of(self._broker)
        self._clock: Clock = options.clock or SystemClock()
        # Jitter, not cryptography.
        self._random = random.Random(options.seed)  # noqa: S311

    async def run(self, foreground: Foreground, may_start: Callable[[], None] = _always) -> int:
        """Run services and foreground until the foreground ends; return its exit code.

        Once a signal has asked for the end, the process ends with 128 + its number, in order or, where something
        hangs, hard: `tickertui.process.stopping`.

        Args:
            foreground: The terminal interface, or the reporter.
            may_start: Called when database and configuration are known to be good, before anything is connected; it
                raises where the foreground cannot run here.

        Raises:
            StoreError: When the database cannot be opened.
            CalendarError: When the user's calendar file is wrong.
        """
        stop = StopRequest()
        with SignalWatch(stop, self._note_hang) as watch:
            async with self.services() as services:
                may_start()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(watch.forward)
                    self._start(services, tasks)
                    code = await foreground(services, stop)
                    tasks.cancel_scope.cancel()
        return code

    def _note_hang(self) -> None:
        """Say where an end hangs that is about to be made hard."""
        stacks = where_threads_stand()
        _LOG.critical("the end in order took too long; the process is ended\n%s", stacks)
        crashes = Crashes(writes=not self._options.demo, directory=lambda: self._paths.state_dir)
        crashes.note("did not end in order and was ended", stacks)

    def _start(self, services: Services, tasks: TaskGroup) -> None:
        monitor = services.task_monitor
        monitor.start(tasks, "ticker loop", services.loop.run)
        always = RestartPolicy(attempts=None)
        monitor.start(tasks, "process watch", services.process.run)
        monitor.start(tasks, "store watch", services.store_watch.run)
        if services.valuation is not None:
            touch = partial(monitor.touch, "valuation")
            # After the loop's start, so that the first round finds the first prices: the first frame has Greeks.
            run = partial(_after, services.loop.wait_until_started, services.valuation.run)
            monitor.start(tasks, "valuation", run, touch, restart=always)
        if not self._options.demo:
            history = self._settings.history
            # `days` are trading days: weekends and holidays come on top.
            maintenance = StoreMaintenance(services.store, self._clock, max(history.keep_days, 2 * history.days + 14))
            monitor.start(tasks, "store maintenance", maintenance.run, restart=always)
        if services.bootstrapper is not None and not self._settings.history.enabled:
            services.bootstrapper.pause()

    @asynccontextmanager
    async def services(self, *, first_rules: bool = True) -> AsyncIterator[Services]:
        """Build everything, and close what holds files and connections at the end.

        Args:
            first_rules: Whether the rules of the configuration (or the demo's) are put into the store.
        """
        async with AsyncExitStack() as stack:
            calendar = load_calendar(None if self._options.demo else self._paths.calendar_file)
            universe = load_universe()
            events = EventLog(self._clock)
            if not self._options.demo:
                stack.callback(events.listen(log_event))
            for warning in calendar.warnings(self._clock.now()):
                events.add("calendar", warning, severity=Severity.WARNING)
            store = await open_store(self._store_location(), self._clock)
            stack.push_async_callback(store.close)
            if not self._options.demo:
                is_new = await own_store(store, self._broker, self._clock.now().date(), universe, events)
                if is_new and self._broker.kind is BrokerKind.MOCK and not self._settings.store.url:
                    await self._inherit_rules(store, events)
            services = await self._build(store, calendar, universe, events)
            if first_rules:
                await self._ensure_rules(store, events, has_accounts=bool(services.loop.list_accounts()))
            stack.push_async_callback(services.orchestrator.aclose)
            yield services

    async def _inherit_rules(self, store: Store, events: EventLog) -> None:
        """Let the mock keep the rules that it made before it had a database of its own."""
        shared = self._paths.of(KITE).database_file
        if not shared.exists():
            return
        try:
            earlier = await open_store(shared, self._clock)
            try:
                await inherit_rules(store, earlier, events)
            finally:
                await earlier.close()
        except StoreError as error:
            events.add("store", f"no rules were taken over from before: {error}", severity=Severity.WARNING)

    def _seen_sessions_file(self) -> Path | None:
        return None if self._options.demo else self._paths.seen_sessions_file

    def _store_location(self) -> str | Path:
        if self._options.demo:
            return ":memory:"
        return self._settings.store.url or self._paths.database_file

    async def _build(self, store: Store, calendar: MarketCalendar, universe: Universe, events: EventLog) -> Services:
        settings, clock = self._settings, self._clock
        board = MarketBoard(4096)
        monitor = TaskMonitor(clock=clock, events=events, random=self._random)
        registry = InstrumentRegistry(
            clock=clock, calendar=calendar, index_tokens=universe.index_tokens, cache=store, events=events
        )
        orchestrator = SessionOrchestrator(
            self._accounts(events),
            client_factory=self._client,
            token_store=TokenFile(self._paths.tokens_dir, clock),
            clock=clock,
            events=events,
            secret_source=self._api_secret,
        )
        today = clock.now().date()
        if not orchestrator.list_accounts():
            registry.replace(universe_instruments(universe, today), today, bundled=True)
        hours = ObservedHours(board, calendar, clock, events, file=self._seen_sessions_file())
        spots = Spots(board, registry.price_token)
        reconciler = SubscriptionReconciler(
            store=store, registry=registry, clock=clock, spot=spots, indices=settings.screen.header
        )
        bootstrapper = self._bootstrapper(store, hours, registry, orchestrator, events)
        mock = MockDataGenerator(
            clock=clock,
            calendar=calendar,
            universe=universe,
            seed=settings.mock.seed,
            regime=_REGIMES[settings.mock.regime],
        )
        loop = MultiAccountTickerLoop(
            LoopInputs(
                orchestrator=orchestrator,
                registry=registry,
                store=store,
                reconciler=reconciler,
                bootstrapper=bootstrapper,
                mock_generator=mock,
                board=board,
                spots=spots,
                calendar=calendar,
                clock=clock,
                events=events,
                task_monitor=monitor,
                stream_factory=self._socket_factory(orchestrator),
                settings=self._loop_settings(),
                hours=hours,
            )
        )
        return Services(
            clock=clock,
            calendar=calendar,
            hours=hours,
            board=board,
            registry=registry,
            store=store,
            loop=loop,
            reconciler=reconciler,
            reloader=loop.reloader,
            bootstrapper=bootstrapper,
            mock_generator=mock,
            orchestrator=orchestrator,
            task_monitor=monitor,
            events=events,
            valuation=Valuation(board, registry, hours, clock, self._convention()),
            process=ProcessWatch(),
            store_watch=StoreWatch(store, clock, events),
            login_url=lambda account: login_url(orchestrator.config(account).api_key, settings.broker.login_url),
        )

    # ------------------------------------------------------------------ parts

    def _loop_settings(self) -> LoopSettings:
        settings = self._settings
        reload = settings.reload
        return LoopSettings(
            debounce=reload.debounce_seconds,
            max_wait=reload.max_wait_seconds,
            min_interval=reload.min_interval_seconds,
            first_feed=FeedMode.MOCK if settings.feed.source == "mock" else None,
            mock_interval=settings.mock.interval_seconds,
            snapshot_quotes=settings.feed.snapshot_quotes,
        )

    def _bootstrapper(
        self,
        store: Store,
        hours: ObservedHours,
        registry: InstrumentRegistry,
        orchestrator: SessionOrchestrator,
        events: EventLog,
    ) -> HistoricalBootstrapper | None:
        if self._options.demo:
            return None
        # 8 ms that the demo does without.
        from tickertui.services.history.closing_volatility import ClosingVolatility
        from tickertui.services.history.historical_bootstrapper import HistoricalBootstrapper
        from tickertui.services.history.types import BackfillSettings

        history = self._settings.history
        interval = Interval(history.interval)
        return HistoricalBootstrapper(
            store=store,
            calendar=hours,
            clock=self._clock,
            clients=orchestrator,
            events=events,
            settings=BackfillSettings(interval=interval, days=history.days),
            daily_volatility=ClosingVolatility(store, registry, hours, interval),
        )

    def _convention(self) -> Convention:
        greeks = self._settings.greeks
        convention = CONVENTIONS[greeks.convention].value
        if greeks.volatility_side == "convention":
            return convention
        return replace(convention, side=VolatilitySide(greeks.volatility_side))

    def _accounts(self, events: EventLog) -> list[AccountConfig]:
        if self._options.demo:
            return []
        return [self._account(account, events) for account in self._settings.accounts]

    def _account(self, account: AccountSettings, events: EventLog) -> AccountConfig:
        environ = self._options.environ
        if not (account.secret_command or environ.get(environment_name(account.id, "API_SECRET"))):
            try:
                secret_of_file(account.id, self._paths.secrets_file)
            except CredentialError as error:
                events.add("account", str(error), severity=Severity.WARNING, account=account.id)
        token = environ.get(environment_name(account.id, "ACCESS_TOKEN"))
        return AccountConfig(
            account_id=account.id,
            api_key=account.api_key.reveal(),
            access_token=Secret(token) if token else None,
            sockets=account.sockets,
        )

    async def _api_secret(self, account_id: str) -> Secret | None:
        account = next(account for account in self._settings.accounts if account.id == account_id)
        try:
            return await api_secret(account, self._paths.secrets_file, self._options.environ, on_screen=True)
        except CredentialError as error:
            raise MissingApiSecret(str(error)) from None

    def _client(self, account: AccountConfig, token: Secret | None) -> KiteClient:
        # The broker's side is imported where an account is used: a mock session starts without it.
        from tickertui.kite.client import KiteClient

        broker = self._settings.broker
        return KiteClient(
            account.account_id,
            account.api_key,
            token,
            root=broker.api_url,
            login_root=broker.login_url,
            timeout=broker.timeout_seconds,
            clock=self._clock,
        )

    def _socket_factory(self, orchestrator: SessionOrchestrator) -> SocketFactory:
        transport: WebSocketTransport | None = None

        def make(account_id: str, connection: int, sink: SocketSink) -> Socket:
            from tickertui.kite.stream import KiteStream
            from tickertui.kite.stream_types import StreamTiming
            from tickertui.kite.transport import WebSocketTransport

            # One for all: the certificate authorities are loaded once.
            nonlocal transport
            transport = transport or WebSocketTransport()
            timing = StreamTiming(silence=self._settings.feed.silence_seconds)
            return KiteStream(
                connection,
                url=self._settings.broker.stream_url,
                api_key=orchestrator.config(account_id).api_key,
                token=lambda: orchestrator.token(account_id),
                sink=sink,
                clock=self._clock,
                random=self._random,
                timing=timing,
                transport=transport,
            )

        return make

    # ------------------------------------------------------------------ rules of the configuration

    async def _ensure_rules(self, store: Store, events: EventLog, *, has_accounts: bool) -> None:
        """Have the configuration's rules stored; a demo, and a first run without accounts and rules, get the demo's."""
        if self._options.demo:
            await add_demo_rules(store)
            return
        entries = [rule.as_rule() for rule in self._settings.rules]
        await ensure_rules(store, events, self._origin(), entries, self._paths.seen_rules_file)
        if not (has_accounts or entries or await store.list_rules()):
            await add_demo_rules(store)

    def _origin(self) -> str:
        """Name the configuration for the store; a server is shared by machines that each have one of their own."""
        file = self._options.config_file or self._paths.config_file
        is_shared = is_server(self._store_location())
        return f"{socket.gethostname()}:{file.absolute()}" if is_shared else str(file.absolute())


async def _after(first: Callable[[], Awaitable[None]], then: Callable[[Touch], Awaitable[None]], touch: Touch) -> None:
    await first()
    await then(touch)
