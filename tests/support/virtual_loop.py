"""A loop under virtual time: fake sockets, fake clients and a store in memory around everything that is real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import cast

import anyio
import numpy as np

from tests.support.fake_broker import FakeClient
from tests.support.fake_sockets import FakeSockets, rows_of
from tests.support.fakes import MemoryStore, chain_of, future_of, index_of, table_of
from tests.support.loop_rig import LoopRig, build_loop, running
from tests.support.virtual_time import LoopClock
from tickertui.kite.secrets import Secret
from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import IST
from tickertui.market.contract_terms import TermsChange
from tickertui.market.instruments import Instrument, InstrumentTable
from tickertui.market.subscriptions import ChainRule
from tickertui.market.ticks import Source, TickBatch
from tickertui.services.accounts.account_fleet import FleetSettings
from tickertui.services.accounts.session_orchestrator import AccountConfig
from tickertui.services.loop.settings import LoopSettings
from tickertui.services.loop.ticker_loop import MultiAccountTickerLoop
from tickertui.services.plan.placement import PlacementLimits
from tickertui.services.supervision.task_monitor import RestartPolicy
from tickertui.store.protocol import NO_NEWS, Claim, ContractNews, Followed, Owner, Store, StoreError

NIFTY = 256265
EXPIRY, LATER = date(2026, 12, 1), date(2026, 12, 8)
MORNING = datetime(2026, 11, 25, 11, 0, tzinfo=IST)
"""A Wednesday, the market open."""

SETTINGS = LoopSettings(fleet=FleetSettings(restart=RestartPolicy(attempts=3), redistribute_after=180))


def contracts() -> InstrumentTable:
    """NIFTY: its index, a future, and two expiries of 41 strikes around 26,000."""
    strikes = [25_000.0 + 50 * place for place in range(41)]
    return table_of(
        index_of("NIFTY 50", NIFTY),
        future_of("NIFTY", date(2026, 12, 29), number=40_001),
        chain_of("NIFTY", EXPIRY, strikes, first=50_000),
        chain_of("NIFTY", LATER, strikes, first=51_000),
    )


@dataclass
class FakeClaim:
    account: str
    is_held: bool = True

    async def release(self) -> None:
        self.is_held = False


@dataclass
class LoopStore(MemoryStore):
    """A store in memory with what the loop needs beside the reconciler."""

    broken: StoreError | None = None
    """Raised by every reading, until it is None again."""
    owners: dict[str, Owner] = field(default_factory=dict)
    claims: dict[str, FakeClaim] = field(default_factory=dict)
    interest: dict[tuple[date, int, date | None], int] = field(default_factory=dict)
    """By day, token and expiry."""
    dump: tuple[date, bytes] | None = None
    terms: dict[int, TermsChange] = field(default_factory=dict)
    _changed: anyio.Event = field(default_factory=anyio.Event)

    async def list_rules(self) -> list[ChainRule]:
        if self.broken is not None:
            raise self.broken
        return await super().list_rules()

    async def changes(self) -> AsyncIterator[int]:
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            yield self._revision

    def tell_of_change(self) -> None:
        """Another process has changed something."""
        self._changed.set()

    async def claim_account(self, account: str) -> Claim | Owner:
        if account in self.owners:
            return self.owners[account]
        claim = self.claims[account] = FakeClaim(account)
        return claim

    async def open_interest_on(self, day: date) -> dict[tuple[int, date | None], int]:
        if self.broken is not None:
            raise self.broken
        return {
            (token, expiry): oi
            for (of, token, expiry), oi in self.interest.items()
            if of == day and (token not in self.terms or of >= self.terms[token].since)
        }

    async def contracts_expiring(self, day: date) -> list[int]:
        if self.broken is not None:
            raise self.broken
        return []

    async def load_instruments(self) -> tuple[date, bytes] | None:
        return self.dump

    async def save_instruments(self, day: date, csv: bytes, news: ContractNews = NO_NEWS) -> Followed:
        self.dump = (day, csv)
        self.terms.update({change.token: change for change in news.terms})
        return Followed()

    async def terms_changes(self) -> dict[int, TermsChange]:
        return dict(self.terms)

    async def coverage(self, interval: Interval) -> dict[tuple[int, date | None], list[tuple[int, int]]]:
        return {}

    async def add_candles(self, *_: object) -> None:
        return None

    async def candles(self, *_: object) -> Candles:
        return Candles.empty()


@dataclass
class VirtualLoop:
    """Everything of one loop."""

    rig: LoopRig
    clock: LoopClock
    store: LoopStore
    sockets: FakeSockets
    clients: dict[str, FakeClient]

    @property
    def loop(self) -> MultiAccountTickerLoop:
        return self.rig.loop

    def client(self, account: str) -> FakeClient:
        self.rig.orchestrator.client(account)
        return self.clients[account]

    def options(self, count: int, skip: int = 0) -> list[int]:
        """Tokens of the first expiry."""
        return [number << 8 | 2 for number in range(50_000 + skip, 50_000 + skip + count)]

    def want(self, tokens: Sequence[int], pin: str | None = None) -> None:
        """Subscribe single instruments."""
        for token in tokens:
            instrument = self.rig.registry.get(token)
            assert instrument is not None
            self.store.add(instrument, pin=pin)

    def spot(self, price: float) -> None:
        """Let the index tick on the socket that carries it, or nowhere when none does."""
        for socket in self.sockets.running:
            if NIFTY in socket.subscribed:
                socket.tick([NIFTY], round(price * 100))

    def carried(self) -> dict[int, frozenset[int]]:
        """What each open socket has subscribed."""
        return {socket.connection: frozenset(socket.subscribed) for socket in self.sockets.running if socket.subscribed}

    async def until(self, predicate: Callable[[], object], description: str, timeout: float = 600.0) -> None:
        await self.rig.until(predicate, description, timeout)

    async def until_carried(self, tokens: Sequence[int]) -> None:
        await self.until(
            lambda: frozenset().union(*self.carried().values()) == frozenset(tokens), f"{len(tokens)} are carried"
        )


def quotes_of(clock: LoopClock, price: float = 26_000.0) -> Callable[[Sequence[Instrument]], TickBatch]:
    """Answers every quote with one price."""

    def quotes(instruments: Sequence[Instrument]) -> TickBatch:
        words = rows_of(
            (one.token for one in instruments), round(price * 100), clock.time_ns() // 1_000_000_000
        ).astype(np.uint32)
        return TickBatch.from_rows(words, Source.SNAPSHOT, received_ns=clock.monotonic_ns())

    return quotes


def make_virtual_loop(
    *accounts: str,
    at: datetime = MORNING,
    settings: LoopSettings = SETTINGS,
    limits: PlacementLimits | None = None,
    dump: InstrumentTable | None = None,
    logged_in: Sequence[str] | None = None,
) -> VirtualLoop:
    """Build one; accounts are logged in unless said otherwise, and the day's contracts (or ``dump``) are there."""
    clock = LoopClock(at)
    store = LoopStore()
    sockets = FakeSockets(clock)
    clients: dict[str, FakeClient] = {}

    def make_client(config: AccountConfig, token: Secret | None) -> FakeClient:
        client = clients.setdefault(config.account_id, FakeClient(config.account_id, token))
        client.quotes = client.quotes or quotes_of(clock)
        return client

    rig = build_loop(
        cast(Store, store),
        clock,
        accounts=[AccountConfig(account, f"key{account}", Secret("secret")) for account in accounts],
        client_factory=make_client,
        stream_factory=sockets,
        settings=settings,
        limits=limits,
        logged_in=logged_in,
    )
    table = contracts() if dump is None else dump
    if accounts and len(table):
        rig.registry.replace(table, rig.registry.dump_day())
    return VirtualLoop(rig, clock, store, sockets, clients)


@asynccontextmanager
async def running_virtual_loop(virtual: VirtualLoop) -> AsyncIterator[VirtualLoop]:
    """Run the loop until the block ends; then nothing may be left."""
    async with running(virtual.rig):
        yield virtual
    assert not virtual.sockets.running
    assert not any(claim.is_held for claim in virtual.store.claims.values())
    assert virtual.rig.alive() == []
