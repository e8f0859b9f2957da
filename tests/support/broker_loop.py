"""The real loop, client and sockets against the simulated broker on loopback, over a real store."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random

from tests.support.fake_broker import FakeStoredToken
from tests.support.loop_rig import QUICK, LoopRig, build_loop
from tests.support.simulators import BY_HAND, GENEROUS, MARKET_TIME, SimulatedBroker, simulated_broker
from tickertui.kite.client import KiteClient
from tickertui.kite.pacing import CallClass, Pacer
from tickertui.kite.packets import decode, is_heartbeat
from tickertui.kite.secrets import Secret
from tickertui.kite.stream import KiteStream
from tickertui.kite.stream_types import StreamTiming
from tickertui.market.clock import Clock
from tickertui.market.ticks import Word
from tickertui.services.accounts.session_orchestrator import AccountConfig
from tickertui.services.accounts.sockets import Socket, SocketSink
from tickertui.services.accounts.status import AccountState
from tickertui.services.loop.settings import LoopSettings
from tickertui.services.loop.ticker_loop import MultiAccountTickerLoop
from tickertui.services.plan.placement import PlacementLimits
from tickertui.simulator.market import SimulatedMarket
from tickertui.store.open import open_store

TIMING = StreamTiming(backoff_first=0.05, backoff_most=0.2, limited=0.5)
"""Waits of a stream as short as a test wants them."""


@dataclass
class Tape:
    """Every packet that came over the wire: connection, token, last price, in order."""

    packets: list[tuple[int, int, int]] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)
    highest: dict[int, int] = field(default_factory=dict)
    """Highest wire price of each token; the plain market's prices only rise."""

    def take(self, connection: int, frame: bytes, received_ns: int, wall_ns: int) -> None:
        if is_heartbeat(frame):
            return
        batch = decode(frame)
        self.counts.update(batch.instrument_token.tolist())
        prices = (batch.last_price * batch.divisor).round().astype(int)
        for token, price in zip(batch.instrument_token.tolist(), prices.tolist(), strict=True):
            self.packets.append((connection, token, price))
            self.highest[token] = max(price, self.highest.get(token, 0))

    def prices(self, token: int, connection: int | None = None) -> list[int]:
        """Wire prices of one token, in the order they came, from one socket or from whatever socket."""
        return [
            price
            for source, other, price in self.packets
            if other == token and (connection is None or source == connection)
        ]


@dataclass
class BrokerLoop:
    """A loop and the broker it talks to."""

    rig: LoopRig
    broker: SimulatedBroker
    tape: Tape

    broken: set[str] = field(default_factory=set)
    """Accounts whose sockets crash when they are run."""

    @property
    def loop(self) -> MultiAccountTickerLoop:
        return self.rig.loop

    async def log_in(self, account: str) -> None:
        """Log an account in as the trader does."""
        config = self.rig.orchestrator.config(account)
        request_token = self.broker.simulator.request_token(config.api_key)
        await self.rig.orchestrator.login(account, Secret(request_token))

    def state(self, account: str) -> AccountState | None:
        """State of an account, None while the loop does not know it."""
        states = {one.account_id: one.state for one in self.loop.runtime_state().accounts}
        return states.get(account)

    async def until_account(self, account: str, state: AccountState) -> None:
        await self.rig.until(lambda: self.state(account) is state, f"{account} is {state}")

    async def until_subscribed(self, count: int) -> None:
        await self.broker.until_subscribed(count)

    async def until_contracts(self) -> None:
        """Wait for the day's contracts, and for the reload that they ask for: it would take up what a test adds."""
        reloader = self.loop.reloader
        await self.rig.until(
            lambda: len(self.rig.registry) and reloader.reloads and not reloader.pending and not reloader.is_reloading,
            "the day's contracts were fetched, and the reload for them is over",
            timeout=30,
        )

    async def step(self) -> None:
        """Move the market and wait until every subscribed instrument's new price has come over the wire.

        The broker conflates what a socket has not taken yet: two steps at once may arrive as one. A packet alone does
        not show that a step has come: it may be the cached one of a socket that has just subscribed.
        """
        subscribed = {token for socket in self.broker.sockets for token in socket.modes}
        self.broker.step()
        rows = self.broker.market.rows(subscribed)
        prices = dict(zip(rows[:, Word.TOKEN].tolist(), rows[:, Word.LAST_PRICE].tolist(), strict=True))
        await self.rig.until(
            lambda: all(self.tape.highest.get(token, 0) >= price for token, price in prices.items()),
            "the step has come over the wire",
            timeout=30,
        )


class BrokenSocket(KiteStream):
    """A socket whose program is wrong."""

    async def run(self) -> None:
        raise RuntimeError("this socket is broken")


@asynccontextmanager
async def live_loop(
    directory: Path,
    *,
    accounts: int = 1,
    market: SimulatedMarket | None = None,
    settings: LoopSettings = QUICK,
    limits: PlacementLimits | None = None,
    clock: Clock | None = None,
    backfill: bool = False,
    sockets: int = 3,
    start: datetime = MARKET_TIME,
) -> AsyncIterator[BrokerLoop]:
    """Build (not start) a loop whose accounts Z1, Z2, ... are logged in at a broker of its own."""
    async with (
        simulated_broker(market, accounts=accounts, limits=GENEROUS, timing=BY_HAND, start=start, speed=1.0) as broker,
        live_terminal(
            broker, directory, settings=settings, limits=limits, clock=clock, backfill=backfill, sockets=sockets
        ) as live,
    ):
        yield live


@asynccontextmanager
async def live_terminal(
    broker: SimulatedBroker,
    location: Path | str,
    *,
    settings: LoopSettings = QUICK,
    limits: PlacementLimits | None = None,
    clock: Clock | None = None,
    backfill: bool = False,
    sockets: int = 3,
) -> AsyncIterator[BrokerLoop]:
    """Build (not start) a loop for a broker that runs; several at one location are terminals that share a store.

    A location is a directory for an SQLite file, or the address of a PostgreSQL database.
    """
    own_clock = clock or broker.clock
    users = {f"Z{number}": user for number, user in enumerate(broker.accounts, 1)}
    configs = [
        AccountConfig(name, user.api_key, Secret(user.api_secret), sockets=sockets) for name, user in users.items()
    ]
    random, tape = Random(7), Tape()

    def make_client(config: AccountConfig, token: Secret | None) -> KiteClient:
        return KiteClient(
            config.account_id,
            config.api_key,
            token,
            root=broker.rest_url,
            pacer=Pacer(dict.fromkeys(CallClass, 1000.0), 1000.0),
            clock=own_clock,
        )

    def make_socket(account_id: str, connection: int, sink: SocketSink) -> Socket:
        kind = BrokenSocket if account_id in live.broken else KiteStream
        return kind(
            connection,
            url=broker.stream_url,
            api_key=users[account_id].api_key,
            token=lambda: rig.orchestrator.token(account_id),
            sink=sink,
            clock=own_clock,
            random=random,
            timing=TIMING,
        )

    store = await open_store(location / "store.db" if isinstance(location, Path) else location, own_clock)
    rig = build_loop(
        store,
        own_clock,
        accounts=configs,
        client_factory=make_client,
        stream_factory=make_socket,
        settings=settings,
        limits=limits,
        backfill=backfill,
        frame_tap=tape.take,
    )
    for name, user in users.items():
        if user.access_token:
            rig.tokens.tokens[name] = FakeStoredToken(Secret(user.access_token), user.user_id, own_clock.now())
    live = BrokerLoop(rig, broker, tape)
    try:
        yield live
    finally:
        await rig.orchestrator.aclose()
        await store.close()
