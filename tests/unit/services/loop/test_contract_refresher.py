"""The day's contracts: when they are fetched, what happens when they cannot be, and what a mock may add."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import anyio
import pytest

from tests.support.fake_broker import FakeClient, FakeTokens
from tests.support.virtual_loop import contracts
from tests.support.virtual_time import LoopClock, virtual_trio
from tests.support.waiting import wait_until
from tickertui.kite.errors import BrokerUnavailable
from tickertui.kite.instruments_csv import format_instruments
from tickertui.kite.secrets import Secret
from tickertui.market.clock import IST
from tickertui.market.contract_terms import TermsChange
from tickertui.market.hours import load_calendar
from tickertui.market.instruments import InstrumentTable
from tickertui.market.universe import load_universe
from tickertui.services.accounts.session_orchestrator import AccountConfig, NoAccounts, SessionOrchestrator
from tickertui.services.contracts.instrument_registry import InstrumentRegistry
from tickertui.services.loop.contract_refresher import ContractRefresher, ContractsMissing
from tickertui.services.supervision.events import EventLog
from tickertui.store.protocol import ContractNews, Followed, StoreBusy


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


class Cache:
    """Keeps a dump in memory, or refuses."""

    def __init__(self) -> None:
        self.kept: tuple[Any, bytes] | None = None
        self.failure: StoreBusy | None = None

    async def save_instruments(self, day: Any, csv: bytes, news: ContractNews) -> Followed:
        if self.failure is not None:
            raise self.failure
        self.kept = (day, csv)
        return Followed()

    async def terms_changes(self) -> dict[int, TermsChange]:
        return {}

    async def load_instruments(self) -> tuple[Any, bytes] | None:
        return self.kept


class Client(FakeClient):
    csv = b""

    async def fetch_instruments_csv(self, exchange: str | None = None) -> bytes:
        self._answer("csv")
        return self.csv


class Desk:
    def __init__(self, at: datetime, *, logged_in: bool = True) -> None:
        self.clock = LoopClock(at)
        self.events = EventLog(self.clock)
        self.cache = Cache()
        self.client = Client()
        self.client.csv = format_instruments(contracts())
        universe = load_universe()
        self.registry = InstrumentRegistry(
            clock=self.clock, calendar=load_calendar(), index_tokens=universe.index_tokens, cache=self.cache
        )
        tokens = FakeTokens()
        if logged_in:
            tokens.save("Z1", Secret("t"), "U", at - timedelta(minutes=1))
        self.orchestrator = SessionOrchestrator(
            [AccountConfig("Z1", "key")],
            client_factory=lambda *_: self.client,
            token_store=tokens,
            clock=self.clock,
            events=self.events,
        )
        self.reloads_due = 0
        self.refresher = ContractRefresher(
            registry=self.registry,
            orchestrator=self.orchestrator,
            universe=universe,
            clock=self.clock,
            events=self.events,
            refresh_at=time(8, 30),
            changed=self.changed,
        )

    def changed(self) -> None:
        self.reloads_due += 1

    def take(self, table: InstrumentTable, days_ago: int = 0) -> None:
        self.registry.replace(table, self.registry.dump_day() - timedelta(days=days_ago))

    @property
    def fetched(self) -> int:
        return self.client.calls.count("csv")


@asynccontextmanager
async def running(desk: Desk) -> AsyncIterator[Desk]:
    await desk.orchestrator.open()
    async with anyio.create_task_group() as group:
        group.start_soon(desk.refresher.run)
        yield desk
        group.cancel_scope.cancel()


def wednesday(hour: int, minute: int) -> datetime:
    return datetime(2026, 11, 25, hour, minute, tzinfo=IST)


async def test_without_contracts_they_are_fetched_at_once_and_kept() -> None:
    async with running(Desk(wednesday(7, 0))) as desk:
        await wait_until(lambda: len(desk.registry), "fetched")
        assert desk.reloads_due == 1
        assert desk.cache.kept is not None
        await anyio.sleep(1000)
        assert desk.fetched == 1
    again = Desk(wednesday(7, 10))
    again.cache.kept = desk.cache.kept
    await again.refresher.load()
    assert len(again.registry) == len(desk.registry)
    await again.refresher.load()


async def test_a_new_day_is_fetched_when_the_broker_has_surely_written_it() -> None:
    desk = Desk(wednesday(7, 50))
    desk.take(contracts())
    async with running(desk):
        await anyio.sleep(35 * 60)
        assert desk.fetched == 0, "08:25: the broker may still be writing"
        await anyio.sleep(6 * 60)
        assert desk.fetched == 1
        await wait_until(lambda: desk.registry.day == wednesday(8, 0).date(), "today's contracts are in force")


async def test_a_dump_that_cannot_be_had_is_asked_for_ever_more_rarely() -> None:
    desk = Desk(wednesday(9, 0))
    desk.client.failure = BrokerUnavailable("down")
    async with running(desk):
        await anyio.sleep(3600)
        assert 5 <= desk.fetched <= 9
        assert any("today's contracts: the broker is not available" in event.text for event in desk.events.since())
        desk.client.failure = None
        desk.refresher.look_again()
        await wait_until(lambda: len(desk.registry), "at once after a login")


async def test_a_refused_dump_leaves_the_old_one_and_is_asked_for_again() -> None:
    desk = Desk(wednesday(9, 0))
    desk.take(contracts(), days_ago=1)
    count = len(desk.registry)
    desk.client.csv = format_instruments(InstrumentTable.from_instruments([contracts().instrument(0)]))
    async with running(desk):
        # Reading the dump takes a thread real time, in which virtual time runs on.
        await wait_until(lambda: desk.fetched >= 3, "asked for again and again", timeout=36_000, poll=1)
        assert len(desk.registry) == count
        assert desk.reloads_due == 0


async def test_without_a_session_nobody_is_asked() -> None:
    desk = Desk(wednesday(9, 0), logged_in=False)
    async with running(desk):
        await anyio.sleep(3600)
        assert desk.fetched == 0
        with pytest.raises(NoAccounts):
            await desk.refresher.refresh(force=True)


async def test_contracts_that_cannot_be_kept_are_in_force_all_the_same() -> None:
    desk = Desk(wednesday(9, 0))
    await desk.orchestrator.open()
    desk.cache.failure = StoreBusy("the database is busy")
    with pytest.raises(StoreBusy):
        await desk.refresher.refresh()
    assert len(desk.registry)
    assert desk.reloads_due == 1


async def test_a_dump_of_another_size_at_the_broker_is_fetched_once_for_each_etag() -> None:
    desk = Desk(wednesday(9, 0))
    desk.refresher.note_meta(5, "before there are any")
    desk.take(contracts())
    async with running(desk):
        count = len(desk.registry)
        desk.refresher.note_meta(count + 7, "one")
        await wait_until(lambda: desk.fetched == 1, "fetched")
        desk.refresher.note_meta(count + 7, "one")
        await anyio.sleep(100)
        assert desk.fetched == 1
        desk.refresher.note_meta(count, "two")
        await wait_until(lambda: desk.fetched == 2, "a new one within the run", timeout=600)


async def test_a_mock_without_the_brokers_contracts_gets_the_programs_own() -> None:
    desk = Desk(wednesday(9, 0))
    assert desk.refresher.table() is None
    desk.refresher.require_broker()
    desk.refresher.ensure_for_mock()
    first = desk.refresher.table()
    assert first is not None
    assert desk.refresher.are_bundled
    with pytest.raises(ContractsMissing, match="log in"):
        desk.refresher.require_broker()
    desk.refresher.ensure_for_mock()
    assert desk.refresher.table() is first, "not made anew without need"
    more = InstrumentTable.from_instruments(
        [*(first.instrument(row) for row in range(50)), replace(first.instrument(0), token=99 << 8 | 2)]
    )
    desk.refresher.take_listed(more)
    assert desk.refresher.table() is more
    assert desk.reloads_due == 1


async def test_what_a_mock_lists_never_enters_the_brokers_contracts() -> None:
    desk = Desk(wednesday(9, 0))
    desk.take(contracts())
    table = desk.refresher.table()
    desk.refresher.ensure_for_mock()
    desk.refresher.take_listed(contracts())
    assert desk.refresher.table() is table
    assert desk.reloads_due == 0
