"""`LoopParts`: what the ticker loop supervises, built and wired from the injected services.

The loop owns states and tasks; here stands who talks to whom. `LoopParts.duties` are the endless tasks that the loop
starts and stops with itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

import anyio

from tickertui.frozen import frozen
from tickertui.kite.errors import KiteError
from tickertui.market.board import MarketBoard
from tickertui.market.clock import Clock
from tickertui.market.hours import MarketCalendar
from tickertui.market.instruments import Instrument
from tickertui.market.ticks import TickBatch
from tickertui.services.accounts.account_fleet import AccountFleet
from tickertui.services.accounts.account_stream import FrameTap
from tickertui.services.accounts.claims import StoreClaims
from tickertui.services.accounts.plan_applier import PlanApplier
from tickertui.services.accounts.session_orchestrator import NoAccounts, SessionOrchestrator
from tickertui.services.accounts.sockets import SocketFactory
from tickertui.services.accounts.token_watch import TokenWatch
from tickertui.services.contracts.instrument_registry import InstrumentRegistry
from tickertui.services.history.previous_interest import PreviousInterest
from tickertui.services.history.session_candles import SessionCandles
from tickertui.services.history.stored_close import StoredClose
from tickertui.services.loop import duties
from tickertui.services.loop.active_plan import ActivePlan
from tickertui.services.loop.backfill_targets import BackfillTargets
from tickertui.services.loop.contract_refresher import ContractRefresher
from tickertui.services.loop.feed_switch import FeedSwitch
from tickertui.services.loop.renewal import ContractRenewal
from tickertui.services.loop.settings import LoopSettings
from tickertui.services.loop.snapshot_quotes import SnapshotPlanner
from tickertui.services.loop.spots import SpotFiller, Spots
from tickertui.services.loop.status import FeedMode
from tickertui.services.mock.feed import MockFeed, MockSource
from tickertui.services.plan.placement import Distribution
from tickertui.services.plan.subscription_reconciler import SubscriptionReconciler
from tickertui.services.supervision.events import EventLog
from tickertui.services.supervision.observed_hours import ObservedHours
from tickertui.services.supervision.task_monitor import TaskMonitor
from tickertui.services.supervision.tick_rate import TickRate
from tickertui.store.protocol import Store

if TYPE_CHECKING:
    from tickertui.services.history.historical_bootstrapper import HistoricalBootstrapper

Duty = Callable[[], Awaitable[None]]

_SPOT_WAIT: Final = 5.0
"""Seconds that a plan waits for the broker's quotes of the indices; without them the rules wait for the stream."""


@frozen
class BrokerQuotes:
    """Quotes through whichever account answers, for the mock market's levels; see `QuoteSource`.

    Attributes:
        orchestrator: The accounts.
    """

    orchestrator: SessionOrchestrator

    async def quote_batch(self, instruments: Sequence[Instrument]) -> TickBatch:
        """Return the quotes of contracts as rows.

        Raises:
            KiteError: When the broker does not answer, or no account can ask it any more.
        """
        try:
            return await self.orchestrator.call(lambda client: client.quote_batch(instruments))
        except NoAccounts as error:
            raise KiteError(str(error), endpoint="quotes") from error


@frozen
class LoopInputs:
    """The services that a ticker loop is given; every one is injected and may be another.

    Attributes:
        orchestrator: Accounts, tokens and clients.
        registry: The day's contracts.
        store: What survives.
        reconciler: Makes plans.
        mock_generator: The mock market.
        board: The latest of everything that ticks.
        spots: Prices of the underlyings; the reconciler centres rules on it.
        calendar: Sessions and expiries.
        clock: Wall and monotonic time.
        events: Everything that happens is recorded here.
        task_monitor: Runs every background task.
        stream_factory: Makes a socket of an account.
        settings: See `LoopSettings`.
        bootstrapper: Fills gaps in the history; None for no backfill.
        frame_tap: Given each raw frame (the recorder).
        hours: Which segments trade, by what is seen; the loop looks once a second. One over the calendar by default.
    """

    orchestrator: SessionOrchestrator
    registry: InstrumentRegistry
    store: Store
    reconciler: SubscriptionReconciler
    mock_generator: MockSource
    board: MarketBoard
    spots: Spots
    calendar: MarketCalendar
    clock: Clock
    events: EventLog
    task_monitor: TaskMonitor
    stream_factory: SocketFactory
    settings: LoopSettings = field(default_factory=LoopSettings)
    bootstrapper: HistoricalBootstrapper | None = None
    frame_tap: FrameTap | None = None
    hours: ObservedHours | None = None


class LoopParts:
    """The parts, wired.

    Attributes:
        hours: Which segments trade, by what is seen.
        feed: Which feed is on.
        fleet: The accounts' streams.
        plan: The plan in force.
        contracts: Keeps the day's contracts fresh.
        mock: The mock market on the board.
        rate: Ticks per second of all feeds.
        duties: Endless tasks by name.

    Args:
        inputs: The injected services.
        trigger: Asks for a reload.
        merged: How many triggers the next reload answers.
    """

    def __init__(self, inputs: LoopInputs, trigger: Callable[[], None], merged: Callable[[], int]) -> None:
        self._in = inputs
        self._trigger = trigger
        settings, board, clock, events = inputs.settings, inputs.board, inputs.clock, inputs.events
        self.hours = inputs.hours or ObservedHours(board, inputs.calendar, clock, events)
        self.feed = FeedSwitch(
            board=board,
            calendar=self.hours,
            clock=clock,
            events=events,
            has_accounts=lambda: bool(inputs.orchestrator.list_accounts()),
            segments=lambda: self.plan.view.segments,
            carried=lambda connections: self.plan.view.segments_of(connections),
            mock_allowed=settings.mock_allowed,
        )
        self.feed.wish(settings.first_feed)
        self.contracts = ContractRefresher(
            registry=inputs.registry,
            orchestrator=inputs.orchestrator,
            universe=inputs.mock_generator.universe,
            clock=clock,
            events=events,
            refresh_at=settings.refresh_at,
            changed=self._contracts_changed,
        )
        self.fleet = AccountFleet(
            orchestrator=inputs.orchestrator,
            monitor=inputs.task_monitor,
            socket_factory=inputs.stream_factory,
            claims=StoreClaims(inputs.store),
            board=board,
            clock=clock,
            events=events,
            settings=settings.fleet,
            expects_data=self.feed.expects_data,
            changed=trigger,
            on_instruments_meta=self.contracts.note_meta,
            frame_tap=inputs.frame_tap,
        )
        self.hours.watch_sockets(self.fleet.heard)
        self.plan = ActivePlan(
            reconciler=inputs.reconciler,
            board=board,
            fleet=self.fleet,
            feed=self.feed,
            clock=clock,
            events=events,
            applier=PlanApplier(per_socket=settings.fleet.per_socket, move_wait=settings.move_wait),
            before=self._before_plan,
            merged=merged,
            applied=self._after_plan,
        )
        self.mock = MockFeed(
            inputs.mock_generator,
            board=board,
            events=events,
            interval=settings.mock_interval,
            contracts=self.contracts.table,
            listed=self.contracts.take_listed,
            quotes=lambda: BrokerQuotes(inputs.orchestrator) if inputs.orchestrator.usable_accounts() else None,
        )
        self.rate = TickRate(lambda: board.counters.ticks, lambda: clock.monotonic_ns() / 1e9)
        self._filler = SpotFiller(
            inputs.spots,
            instrument=inputs.registry.get,
            token_of=inputs.registry.price_token,
            quote=self._quote,
            board=board,
            clock=clock,
            generation=lambda: self.feed.generation,
        )
        self._targets = BackfillTargets(
            lambda: inputs.registry.contracts,
            inputs.spots,
            inputs.store,
            lambda: clock.now().date(),
            inputs.calendar.knows,
        )
        self._renewal = ContractRenewal(
            board=board, spots=inputs.spots, contracts=lambda: inputs.registry.contracts, clock=clock
        )
        self._interest = PreviousInterest(
            store=inputs.store,
            board=board,
            calendar=self.hours,
            clock=clock,
            instrument=inputs.registry.get,
            is_live=lambda: self.feed.is_live,
            events=events,
        )
        if inputs.bootstrapper is not None:
            inputs.bootstrapper.on_interest(self._note_interest)
        self._planner = SnapshotPlanner(board, settings.snapshots)
        self.duties: Mapping[str, Duty] = self._make_duties()
        inputs.orchestrator.listen(lambda _: self.contracts.look_again())
        inputs.registry.watch_needed(lambda: self.plan.view.tokens.tolist())

    # ------------------------------------------------------------------ what the parts ask of each other

    async def _quote(self, instruments: Sequence[Instrument]) -> TickBatch:
        return await self._in.orchestrator.call(lambda client: client.quote_batch(instruments))

    def _contracts_changed(self) -> None:
        """Plan anew, and show nothing of contracts that are others now."""
        self._renewal.look()
        self._trigger()

    def _note_interest(self, token: int, day: date, interest: int) -> None:
        """Pass on what the backfill has found, unless it is of other terms: its request was under way."""
        change = self._in.registry.contracts.terms_changes.get(token)
        if change is None or day >= change.since:
            self._interest.note(token, day, interest)

    async def fill_spots(self, underlyings: Iterable[str]) -> None:
        """Find the price of every underlying that a rule is centred on, where the stream has not brought it."""
        missing = self._in.spots.missing(underlyings)
        if not missing:
            return
        if self.feed.mode is FeedMode.MOCK:
            for underlying, price in (await self.mock.spots(missing)).items():
                self._in.spots.remember(underlying, price)
        elif self.feed.is_live:
            with anyio.move_on_after(_SPOT_WAIT):
                await self._filler.fill(missing)

    async def _before_plan(self) -> None:
        if self.feed.is_live:
            self.contracts.require_broker()
        rules = self._in.registry.contracts.resolved(await self._in.store.list_rules())
        await self.fill_spots(dict.fromkeys(rule.underlying for rule in rules if rule.enabled))

    def live_plan(self) -> Distribution:
        """Return what the sockets may carry of the plan in force: nothing while its tokens are not the broker's."""
        return {} if self.contracts.are_bundled else self.plan.distribution

    async def _after_plan(self, added: Sequence[int], removed: Sequence[int]) -> None:
        """Let everybody else know what is on the board now."""
        self._planner.forget(removed)
        plan = self.plan
        if self.feed.mode is FeedMode.MOCK:
            await self.mock.set_plan(plan.view.tokens.tolist(), self.feed.generation)
        else:
            await self._interest.show([*added, *self._renewal.take()], plan.view.tokens.tolist)
        if self._in.bootstrapper is not None and not self.contracts.are_bundled:
            self._in.bootstrapper.set_targets(await self._targets.of(plan.view.tokens.tolist()))

    async def begin_mock(self, levels: Mapping[str, float], times: Mapping[str, datetime]) -> None:
        """Prepare the mock to take over: at the last known prices, with the plan in force."""
        self.contracts.ensure_for_mock()
        await self.mock.begin(levels, times, self.feed.generation)
        await self.fill_spots(self._in.reconciler.underlyings)
        await self.mock.set_plan(self.plan.view.tokens.tolist(), self.feed.generation)

    def note_revision(self, revision: int) -> None:
        """Take note that another process has changed the store."""
        self.plan.store_revision = revision
        if revision != self.plan.revision:
            self._trigger()

    # ------------------------------------------------------------------ duties

    def _make_duties(self) -> Mapping[str, Duty]:
        inputs, settings = self._in, self._in.settings
        duty_of_task: dict[str, Duty] = {
            "contracts": self.contracts.run,
            "market hours": self.hours.run,
            "spots": lambda: duties.follow_spots(
                settings.follow_every,
                lambda: self.fill_spots(inputs.reconciler.underlyings),
                inputs.reconciler.follow_spot,
                self._trigger,
            ),
            "store": lambda: duties.watch_store(inputs.store, self.note_revision),
            "open interest": lambda: self._interest.run(lambda: self.plan.view.tokens.tolist()),
            "tokens": lambda: duties.watch_tokens(inputs.orchestrator),
            "token files": TokenWatch(inputs.orchestrator).run,
            "claims": lambda: duties.watch_claims(self.fleet, settings.claim_every),
        }
        if settings.snapshot_quotes:
            duty_of_task["snapshots"] = duties.SnapshotFiller(
                board=inputs.board,
                view=self.plan.view,
                fleet=self.fleet,
                feed=self.feed,
                planner=self._planner,
                instrument=inputs.registry.get,
                quote=self._quote,
                clock=inputs.clock,
                events=inputs.events,
            ).run
        if inputs.bootstrapper is not None:
            duty_of_task["bootstrap"] = inputs.bootstrapper.run
            duty_of_task["stored closes"] = StoredClose(
                store=inputs.store,
                board=inputs.board,
                calendar=inputs.calendar,
                clock=inputs.clock,
                tokens=lambda: self.plan.view.tokens,
                instrument=inputs.registry.get,
                is_live=lambda: self.feed.is_live and not self.contracts.are_bundled,
                interval=inputs.bootstrapper.settings.interval,
            ).run
            duty_of_task["session candles"] = SessionCandles(
                board=inputs.board,
                store=inputs.store,
                calendar=inputs.calendar,
                clock=inputs.clock,
                rows=lambda: self.plan.view.rows,
                instrument=inputs.registry.get,
                is_live=lambda: self.feed.is_live and not self.contracts.are_bundled,
                events=inputs.events,
                stored=inputs.bootstrapper.note_session_candles,
            ).run
        return duty_of_task
