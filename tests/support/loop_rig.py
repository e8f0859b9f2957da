"""A whole ticker loop for tests: real store, registry, reconciler, mock; sockets and broker as the test wants them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

import anyio

from tests.support.fake_broker import FakeClient, FakeTokens
from tests.support.waiting import wait_until
from tickertui.kite.secrets import Secret
from tickertui.market.board import MarketBoard
from tickertui.market.clock import Clock
from tickertui.market.hours import load_calendar
from tickertui.market.subscriptions import ChainRule
from tickertui.market.universe import load_universe
from tickertui.services.accounts.account_fleet import FleetSettings
from tickertui.services.accounts.account_stream import FrameTap
from tickertui.services.accounts.broker import BrokerClient
from tickertui.services.accounts.session_orchestrator import AccountConfig, SessionOrchestrator
from tickertui.services.accounts.sockets import Socket, SocketFactory, SocketSink
from tickertui.services.contracts.instrument_registry import InstrumentRegistry
from tickertui.services.history.historical_bootstrapper import HistoricalBootstrapper
from tickertui.services.loop.settings import LoopSettings
from tickertui.services.loop.spots import Spots
from tickertui.services.loop.status import LoopState
from tickertui.services.loop.ticker_loop import MultiAccountTickerLoop
from tickertui.services.loop.wiring import LoopInputs
from tickertui.services.mock.feed import MockSource
from tickertui.services.mock.mock_generator import MockDataGenerator
from tickertui.services.plan.placement import PlacementLimits
from tickertui.services.plan.subscription_reconciler import SubscriptionReconciler
from tickertui.services.supervision.events import EventLog
from tickertui.services.supervision.task_monitor import RestartPolicy, TaskMonitor
from tickertui.store.protocol import Store
from tickertui.store.sqlite import SqliteStore

QUICK = LoopSettings(
    debounce=0.05,
    max_wait=0.5,
    min_interval=0.05,
    follow_every=0.2,
    claim_every=0.2,
    fleet=FleetSettings(restart=RestartPolicy(attempts=3, first_delay=0.05)),
)
"""The usual loop without its patience."""


@dataclass
class LoopRig:
    """A loop and everything behind it."""

    loop: MultiAccountTickerLoop
    clock: Clock
    events: EventLog
    board: MarketBoard
    store: Store
    registry: InstrumentRegistry
    reconciler: SubscriptionReconciler
    orchestrator: SessionOrchestrator
    monitor: TaskMonitor
    tokens: FakeTokens

    def texts(self, topic: str | None = None) -> list[str]:
        return [event.text for event in self.events.since() if topic in (None, event.topic)]

    def alive(self) -> list[str]:
        """Names of the tasks that run."""
        return [task.name for task in self.monitor.tasks() if self.monitor.is_running(task.name)]

    async def until(self, predicate: Callable[[], object], description: str, timeout: float = 20.0) -> None:
        await wait_until(predicate, description, timeout=timeout, poll=0.02)

    async def until_state(self, state: LoopState, timeout: float = 20.0) -> None:
        await self.until(lambda: self.loop.state is state, f"the loop is {state}", timeout)

    async def add_rule(self, underlying: str = "NIFTY", **fields: object) -> ChainRule:
        return await self.store.add_rule(ChainRule(0, underlying, **{"strikes": 5, **fields}))  # type: ignore[arg-type]

    async def subscribe(self, tokens: Sequence[int], account: str | None = None) -> None:
        """Subscribe single instruments of the registry, pinned to an account where one is named."""
        for token in tokens:
            instrument = self.registry.get(token)
            assert instrument is not None
            await self.store.upsert(
                token=token,
                tradingsymbol=instrument.tradingsymbol,
                segment=instrument.segment,
                expiry=instrument.expiry,
                preferred_account=account,
            )

    def option_tokens(self, count: int, underlying: str = "NIFTY", skip: int = 0) -> list[int]:
        """Tokens of options of the nearest expiries."""
        found: list[int] = []
        for expiry in self.registry.nearest_expiries(underlying, 20):
            chain = self.registry.chain(underlying, expiry)
            assert chain is not None
            pairs = zip(chain.call_tokens.tolist(), chain.put_tokens.tolist(), strict=True)
            found += [token for pair in pairs for token in pair if token > 0]
        assert len(found) >= skip + count, f"{underlying} has only {len(found)} options"
        return found[skip : skip + count]


def build_loop(
    store: Store,
    clock: Clock,
    *,
    accounts: Sequence[AccountConfig] = (),
    client_factory: Callable[[AccountConfig, Secret | None], BrokerClient] | None = None,
    stream_factory: SocketFactory | None = None,
    settings: LoopSettings | None = None,
    logged_in: Sequence[str] | None = None,
    limits: PlacementLimits | None = None,
    mock: MockSource | None = None,
    backfill: bool = False,
    frame_tap: FrameTap | None = None,
) -> LoopRig:
    """Put a loop together."""
    events = EventLog(clock)
    calendar, universe = load_calendar(), load_universe()
    board = MarketBoard()
    registry = InstrumentRegistry(
        clock=clock, calendar=calendar, index_tokens=universe.index_tokens, cache=store, events=events
    )
    spots = Spots(board, registry.price_token)
    tokens = FakeTokens()
    names = [config.account_id for config in accounts] if logged_in is None else logged_in
    for name in names:
        tokens.save(name, Secret(f"morning-{name}"), f"USER-{name}", clock.now() - timedelta(hours=2))
    orchestrator = SessionOrchestrator(
        accounts,
        client_factory=client_factory or (lambda config, token: FakeClient(config.account_id, token)),
        token_store=tokens,
        clock=clock,
        events=events,
    )
    reconciler = SubscriptionReconciler(
        store=store, registry=registry, clock=clock, spot=spots, limits=limits or PlacementLimits()
    )
    monitor = TaskMonitor(clock=clock, events=events, random=Random(7))
    bootstrapper = None
    if backfill:
        bootstrapper = HistoricalBootstrapper(
            store=store, calendar=calendar, clock=clock, clients=orchestrator, events=events
        )
    loop = MultiAccountTickerLoop(
        LoopInputs(
            orchestrator=orchestrator,
            registry=registry,
            store=store,
            reconciler=reconciler,
            bootstrapper=bootstrapper,
            mock_generator=mock or MockDataGenerator(clock=clock, calendar=calendar, universe=universe),
            board=board,
            spots=spots,
            calendar=calendar,
            clock=clock,
            events=events,
            task_monitor=monitor,
            stream_factory=stream_factory or _no_sockets,
            settings=settings or QUICK,
            frame_tap=frame_tap,
        )
    )
    return LoopRig(loop, clock, events, board, store, registry, reconciler, orchestrator, monitor, tokens)


def _no_sockets(account_id: str, connection: int, sink: SocketSink) -> Socket:
    raise AssertionError("a socket was asked for although there are no accounts")


@asynccontextmanager
async def running(rig: LoopRig) -> AsyncIterator[LoopRig]:
    """Run the loop in a task group of its own until the block ends; then everything must be over."""
    async with anyio.create_task_group() as group:
        await group.start(_run, rig.loop)
        yield rig
        group.cancel_scope.cancel()
    assert rig.loop.state is LoopState.STOPPED


async def _run(loop: MultiAccountTickerLoop, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    await loop.run(task_status=task_status)


async def open_store(path: Path, clock: Clock) -> Store:
    """A real SQLite store in a temporary directory."""
    return await SqliteStore.open(path / "store.db", clock)
