"""The reconciler over a real SQLite store: restarts, shared use, one transaction for each reload."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path

import pytest

from tests.support.planning import M23, NIFTY_INDEX, NOW, SENSEX_INDEX, W01, Z1, Z2, a_day, nifty_chain
from tickertui.kite.instruments_csv import format_instruments
from tickertui.market.clock import IST, ManualClock
from tickertui.market.hours import load_calendar
from tickertui.market.instruments import InstrumentTable
from tickertui.market.subscriptions import ChainRule, SubscriptionStatus
from tickertui.market.ticks import Mode
from tickertui.market.universe import load_universe, universe_instruments
from tickertui.services.contracts.instrument_registry import InstrumentRegistry
from tickertui.services.plan.placement import AccountSlots
from tickertui.services.plan.subscription_reconciler import SubscriptionReconciler
from tickertui.store.sqlite import SqliteStore


class Terminal:
    """One running program on a database."""

    def __init__(self, store: SqliteStore, clock: ManualClock, table: InstrumentTable) -> None:
        self.store = store
        self.clock = clock
        self.registry = InstrumentRegistry(
            clock=clock,
            calendar=load_calendar(),
            index_tokens={"NIFTY": NIFTY_INDEX, "SENSEX": SENSEX_INDEX},
            cache=store,
        )
        if len(table):
            self.registry.replace(table, NOW.date())
        self.spots = {"NIFTY": 24_350.0, "SENSEX": 79_600.0}
        self.slots: list[AccountSlots] = [Z1, Z2]
        self.reconciler = SubscriptionReconciler(store=store, registry=self.registry, clock=clock, spot=self.spots.get)

    async def reload(self) -> dict[int, dict[int, Mode]]:
        prepared = await self.reconciler.prepare(self.slots)
        await self.reconciler.commit(prepared)
        return prepared.assignments.distribution


@asynccontextmanager
async def terminal(path: Path, table: InstrumentTable | None = None) -> AsyncIterator[Terminal]:
    clock = ManualClock(NOW)
    store = await SqliteStore.open(path, clock)
    try:
        yield Terminal(store, clock, a_day() if table is None else table)
    finally:
        await store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tickertui.db"


async def test_a_restart_finds_rules_singles_pins_and_places_again(path: Path) -> None:
    leg = nifty_chain(W01)[0]
    async with terminal(path) as first:
        await first.store.add_rule(ChainRule(0, "NIFTY", 2, strikes=3))
        await first.store.add_rule(ChainRule(0, "SENSEX", 1, strikes=2, preferred_account="Z2"))
        await first.store.upsert(
            token=leg.token, tradingsymbol=leg.tradingsymbol, segment=leg.segment, expiry=leg.expiry,
            mode=Mode.QUOTE, preferred_account="Z2",
        )  # fmt: skip
        before = await first.reload()
        assert before[3][leg.token] is Mode.QUOTE
        record = await first.store.get(leg.token)
        assert record is not None
        assert (record.preferred_account, record.assigned_account) == ("Z2", "Z2")
    async with terminal(path) as second:
        second.slots.reverse()
        assert await second.reload() == before


async def test_what_expires_is_written_with_its_reason(path: Path) -> None:
    leg = nifty_chain(M23)[0]
    async with terminal(path) as one:
        await one.store.upsert(token=leg.token, tradingsymbol=leg.tradingsymbol, segment=leg.segment, expiry=leg.expiry)
        await one.reload()
        assert [kept.token for kept in await one.store.list_assignments()] == [leg.token]
        one.clock.set(datetime(2026, 11, 23, 15, 40, tzinfo=IST))
        assert await one.reload() == {}
        record = await one.store.get(leg.token)
        assert record is not None
        assert (record.status, record.reason) == (SubscriptionStatus.EXPIRED, "expired on 23 Nov 2026 at 15:40")
        assert await one.store.list_assignments() == []
        assert await one.store.revision() == 1, "the plan's own writes are no wish of the trader"


async def test_two_terminals_with_an_account_each_plan_alike(path: Path) -> None:
    async with terminal(path) as left, terminal(path) as right:
        left.slots = [Z1, AccountSlots("Z2", 3, is_ours=False)]
        right.slots = [AccountSlots("Z1", 0, is_ours=False), Z2]
        await left.store.add_rule(ChainRule(0, "NIFTY", 1, strikes=3))
        await left.store.add_rule(ChainRule(0, "SENSEX", 1, strikes=3))
        plan = await left.reload()
        assert await right.reload() == plan
        await right.store.add_rule(ChainRule(0, "NIFTY", 2, strikes=3))
        plan = await right.reload()
        assert await left.reload() == plan


async def test_nine_thousand_instruments_are_planned_and_kept(path: Path) -> None:
    universe = load_universe()
    table = universe_instruments(universe, NOW.date())
    async with terminal(path, table) as one:
        one.spots.update({underlying.name: underlying.spot for underlying in universe.underlyings})
        one.registry.replace(table, NOW.date(), bundled=True)
        for underlying in universe.underlyings:
            await one.store.add_rule(ChainRule(0, underlying.name, 20, strikes=None))
        plan = await one.reload()
        placed = sum(len(modes) for modes in plan.values())
        assert placed > 9_000
        assert max(len(modes) for modes in plan.values()) <= 3_000
        assert len(await one.store.list_assignments()) == placed
        assert await one.reload() == plan


async def test_the_dump_of_the_day_survives_a_restart(path: Path) -> None:
    class Broker:
        async def fetch_instruments_csv(self, exchange: str | None = None) -> bytes:
            return format_instruments(a_day())

    nothing = InstrumentTable.from_instruments(())
    async with terminal(path, nothing) as first:
        assert not await first.registry.load_cached()
        await first.registry.refresh(Broker())
    async with terminal(path, nothing) as second:
        assert await second.registry.load_cached()
        assert second.registry.day == date(2026, 11, 23)
        assert not second.registry.is_stale()
        assert second.registry.get(NIFTY_INDEX) is not None


@pytest.mark.parametrize(("in_thread_above", "here"), [(10, False), (20_000, True)])
async def test_a_big_plan_is_made_in_a_worker_thread(path: Path, in_thread_above: int, here: bool) -> None:
    threads = []

    def cost(tokens: Sequence[int]) -> int:
        threads.append(threading.get_ident())
        return len(tokens)

    async with terminal(path) as one:
        await one.store.add_rule(ChainRule(0, "NIFTY", 2, strikes=3))
        reconciler = SubscriptionReconciler(
            store=one.store,
            registry=one.registry,
            clock=one.clock,
            spot=one.spots.get,
            backfill_requests=cost,
            in_thread_above=in_thread_above,
        )
        prepared = await reconciler.prepare(one.slots)
    assert prepared.plan.backfill_requests == 30
    assert [ident == threading.get_ident() for ident in threads] == [here]
