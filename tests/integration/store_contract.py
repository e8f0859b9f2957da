"""What every store must do, whatever it keeps its data in. The test files of the stores inherit these tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TypeVar

import anyio
import anyio.lowlevel
import numpy as np
import pytest
from anyio import to_thread
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.store_process import next_line, remaining_lines, store_process
from tests.support.waiting import wait_until
from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import IST, ManualClock
from tickertui.market.subscriptions import Assignment, ChainRule, SubscriptionStatus
from tickertui.market.ticks import Mode
from tickertui.store.base import SqlStore
from tickertui.store.identity import DataOwner, ForeignData, HistoryRegion, SetAside
from tickertui.store.migrations import load_migrations
from tickertui.store.operation import Operation, Row, Statement, day_number
from tickertui.store.protocol import (
    HistoryFailure,
    OpenInterestFact,
    Owner,
    PlanChanges,
    SessionValues,
    Store,
    StoredInterest,
    StoreError,
    StoreNewer,
    StoreUnreadable,
    VolatilityFact,
)

T = TypeVar("T")

START = datetime(2026, 11, 25, 9, 15, tzinfo=IST)
EXPIRY = date(2026, 12, 1)
NEXT_EXPIRY = date(2026, 12, 8)
MINUTE = Interval.MINUTE

Opener = Callable[[], Awaitable[Store]]


def minutes(first: int, count: int, price: int = 10_000, oi: int = 500) -> Candles:
    """Candles of consecutive minutes; ``first`` counts from the open of the day."""
    start = int(START.timestamp()) + 60 * np.arange(first, first + count, dtype=np.int64)
    prices = price + np.arange(count, dtype=np.int64)
    return Candles(
        start, prices, prices + 5, prices - 5, prices + 1, np.full(count, 75), np.full(count, oi, dtype=np.int64)
    )


def minute(number: int) -> datetime:
    """Start of a minute, counted from the open of the day."""
    return START + timedelta(minutes=number)


def span(first: int, end: int) -> tuple[int, int]:
    """The same as epoch seconds."""
    return int(minute(first).timestamp()), int(minute(end).timestamp())


async def until(read: Callable[[], Awaitable[T]], is_enough: Callable[[T], bool], what: str) -> T:
    """Read until the answer is enough."""
    with anyio.move_on_after(10):
        while True:
            answer = await read()
            if is_enough(answer):
                return answer
            await anyio.sleep(0.01)
    raise AssertionError(f"waited 10 s in vain for: {what}")


async def watch(store: Store, seen: list[int]) -> None:
    """Note every revision that the store reports."""
    async with aclosing(store.changes()) as changes:
        async for revision in changes:
            seen.append(revision)  # noqa: PERF401 - it never ends


async def write(store: Store, sql: str) -> None:
    """Run a statement past the program."""

    def operation() -> Operation[None]:
        yield Statement(sql)

    assert isinstance(store, SqlStore)
    await store._write(operation())


async def read(store: Store, sql: str) -> list[Row]:
    """Run a query past the program, which knows the newest schema only."""

    def operation() -> Operation[list[Row]]:
        return (yield Statement(sql))

    assert isinstance(store, SqlStore)
    return await store._read(operation())


async def everything(store: Store) -> list[object]:
    """What a store holds beside its rules and candles."""
    return [
        await store.list_all(), await store.list_assignments(), await read(store, "SELECT * FROM coverage"),
        await store.load_instruments(), await store.revision(),
    ]  # fmt: skip


async def write_candles(store: Store, first: int, count: int) -> None:
    """Store minutes of contract 1 as every program so far would have, whatever the version of the schema."""
    key = f"1, {day_number(EXPIRY)}, 60"
    for row in minutes(first, count).to_rows().tolist():
        await write(store, f"INSERT INTO candles VALUES ({key}, {', '.join(map(str, row))})")
    start, stop = span(first, first + count)
    await write(store, f"INSERT INTO coverage VALUES ({key}, {start}, {stop})")


class StoreContract:
    """Tests for any store; subclasses provide ``location``, the store's address, empty at the start of each test."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock(START)

    @pytest.fixture
    async def opener(self, location: str, clock: ManualClock) -> AsyncIterator[Opener]:
        """Open the store, as often as wanted; each is like another process to the others."""
        from tickertui.store.open import open_store

        opened: list[Store] = []

        async def open_it() -> Store:
            opened.append(await open_store(location, clock))
            return opened[-1]

        yield open_it
        for store in opened:
            await store.close()

    @pytest.fixture
    async def store(self, opener: Opener) -> Store:
        return await opener()

    # ------------------------------------------------------------------ subscriptions

    async def test_a_subscription_is_there_as_it_was_given(self, store: Store, opener: Opener) -> None:
        await store.upsert(
            token=101, tradingsymbol="NIFTY26D0124000CE", segment="NFO-OPT", expiry=EXPIRY, mode=Mode.QUOTE,
            preferred_account="Z2",
        )  # fmt: skip
        record = await (await opener()).get(101)
        assert record is not None
        assert (record.token, record.tradingsymbol, record.segment) == (101, "NIFTY26D0124000CE", "NFO-OPT")
        assert (record.expiry, record.mode, record.status) == (EXPIRY, Mode.QUOTE, SubscriptionStatus.ACTIVE)
        assert (record.preferred_account, record.assigned_account, record.reason) == ("Z2", None, "")
        assert record.created_at == record.updated_at == START
        assert record.created_at.tzinfo is IST

    async def test_an_unknown_token_is_none(self, store: Store) -> None:
        assert await store.get(7) is None

    async def test_the_order_is_that_of_creation_then_token(self, store: Store, clock: ManualClock) -> None:
        for token in (30, 10):
            await store.upsert(token=token, tradingsymbol=f"S{token}", segment="NFO-OPT", expiry=None)
        clock.advance(1)
        await store.upsert(token=5, tradingsymbol="S5", segment="NFO-OPT", expiry=None)
        clock.advance(1)
        await store.upsert(token=30, tradingsymbol="S30", segment="NFO-OPT", expiry=None)
        assert [record.token for record in await store.list_all()] == [10, 30, 5]

    async def test_adding_again_keeps_one_row_its_creation_and_its_pin(self, store: Store, clock: ManualClock) -> None:
        await store.upsert(
            token=1, tradingsymbol="OLD", segment="NFO-OPT", expiry=EXPIRY, preferred_account="Z1"
        )  # fmt: skip
        clock.advance(60)
        await store.upsert(token=1, tradingsymbol="NEW", segment="NFO-OPT", expiry=EXPIRY, mode=Mode.LTP)
        (record,) = await store.list_all()
        assert (record.tradingsymbol, record.mode, record.preferred_account) == ("NEW", Mode.LTP, "Z1")
        assert (record.created_at, record.updated_at) == (START, START + timedelta(seconds=60))

    async def test_a_pin_changes_only_when_somebody_says_so(self, store: Store) -> None:
        async def pin() -> str | None:
            record = await store.get(1)
            assert record is not None
            return record.preferred_account

        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY, preferred_account="Z1")
        await store.save_plan(PlanChanges(assigned=[Assignment(1, EXPIRY, "Z2", 0)]))
        assert await pin() == "Z1"
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY, preferred_account=None)
        assert await pin() is None
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY)
        assert await pin() is None
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY, preferred_account="Z3")
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY)
        assert await pin() == "Z3", "who does not speak of a pin leaves it"

    async def test_another_contract_with_the_same_token_inherits_nothing(
        self, store: Store, clock: ManualClock
    ) -> None:
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY, preferred_account="Z1")
        await store.save_plan(PlanChanges(assigned=[Assignment(1, EXPIRY, "Z1", 2)]))
        clock.advance(86_400)
        await store.upsert(token=1, tradingsymbol="B", segment="NFO-OPT", expiry=NEXT_EXPIRY)
        record = await store.get(1)
        assert record is not None
        assert (record.preferred_account, record.assigned_account, record.created_at) == (None, None, clock.now())
        assert await store.list_assignments() == []

    async def test_deactivation_says_why_and_when(self, store: Store, clock: ManualClock) -> None:
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY)
        clock.advance(5)
        assert await store.deactivate(1, "removed by the trader")
        record = await store.get(1)
        assert record is not None
        assert (record.status, record.reason) == (SubscriptionStatus.INACTIVE, "removed by the trader")
        assert record.updated_at == clock.now()
        assert await store.list_active() == []
        assert len(await store.list_all()) == 1

    async def test_what_is_not_active_cannot_be_deactivated(self, store: Store) -> None:
        assert not await store.deactivate(1, "never there")
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY)
        assert await store.deactivate(1, "first")
        assert not await store.deactivate(1, "second")
        record = await store.get(1)
        assert record is not None
        assert record.reason == "first"

    async def test_adding_again_reactivates(self, store: Store) -> None:
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY)
        await store.deactivate(1, "over", SubscriptionStatus.EXPIRED)
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY)
        (record,) = await store.list_active()
        assert record.reason == ""

    async def test_nonsense_is_refused_and_changes_nothing(self, store: Store) -> None:
        with pytest.raises(ValueError, match="mode"):
            await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=None, mode=Mode.NONE)
        with pytest.raises(ValueError, match="token"):
            await store.upsert(token=0, tradingsymbol="A", segment="NFO-OPT", expiry=None)
        with pytest.raises(ValueError, match="upsert"):
            await store.deactivate(1, "?", SubscriptionStatus.ACTIVE)
        assert await store.list_all() == []
        assert await store.list_rules() == []
        assert await store.revision() == 0

    # ------------------------------------------------------------------ rules

    async def test_rules_keep_every_field(self, store: Store, opener: Opener) -> None:
        rules = [
            ChainRule(0, "NIFTY", expiry_count=2, strikes=40, preferred_account="Z1"),
            ChainRule(0, "SENSEX", expiries=(EXPIRY, NEXT_EXPIRY), strikes=None, mode=Mode.QUOTE, enabled=False),
            ChainRule(0, "M&M", include_future=False, strikes=1, mode=Mode.LTP),
        ]
        stored = [await store.add_rule(rule) for rule in rules]
        assert len({rule.rule_id for rule in stored}) == 3
        assert [replace(rule, rule_id=0) for rule in stored] == rules
        read = await (await opener()).list_rules()
        assert read == stored
        assert [rule.rule_id for rule in read] == [rule.rule_id for rule in stored]

    async def test_rules_are_changed_and_removed_by_number(self, store: Store) -> None:
        rule = await store.add_rule(ChainRule(0, "NIFTY"))
        changed = replace(rule, strikes=10, expiries=(EXPIRY,))
        assert await store.update_rule(changed)
        assert await store.list_rules() == [changed]
        assert [one.rule_id for one in await store.list_rules()] == [rule.rule_id]
        assert not await store.update_rule(replace(rule, rule_id=rule.rule_id + 1))
        assert await store.remove_rule(rule.rule_id)
        assert not await store.remove_rule(rule.rule_id)
        assert (await store.add_rule(ChainRule(0, "NIFTY"))).rule_id != rule.rule_id

    async def test_a_rule_that_was_written_past_the_program_is_named(self, store: Store) -> None:
        rule = await store.add_rule(ChainRule(0, "NIFTY"))
        await write(store, "UPDATE rules SET strikes = 999")
        sentence = (
            f'rule {rule.rule_id} in the database cannot be used (strikes must be a number from 1 to 500 or "all", '
            "not 999); correct or delete its row in the table rules"
        )
        with pytest.raises(StoreUnreadable) as caught:
            await store.list_rules()
        assert str(caught.value) == sentence
        assert await store.remove_rule(rule.rule_id)
        assert await store.list_rules() == []

    # ------------------------------------------------------------------ rules of a configuration

    async def test_entries_become_rules_once_and_dropped_ones_stay_dropped(self, store: Store, opener: Opener) -> None:
        other = await opener()
        entries = [ChainRule(0, "NIFTY", 2), ChainRule(0, "SENSEX", expiries=(EXPIRY,), include_future=False)]
        changes = await store.sync_configured_rules("a", entries)
        assert changes.added == tuple(entries)
        first, second = await other.list_rules()
        assert [first, second] == entries
        assert await store.revision() == 1, "one change, of two rules"
        await other.remove_rule(second.rule_id)
        revision = await store.revision()
        for again in (store, other):
            assert not await again.sync_configured_rules("a", entries)
        assert await store.list_rules() == [first]
        assert await store.revision() == revision

    async def test_an_edited_entry_changes_its_rule_and_keeps_its_number(self, store: Store, opener: Opener) -> None:
        rule = ChainRule(0, "NIFTY", 2, preferred_account="Z1", mode=Mode.QUOTE)
        await store.sync_configured_rules("a", [rule])
        (before,) = await store.list_rules()
        edited = replace(rule, expiries=(EXPIRY,), strikes=None)
        changes = await (await opener()).sync_configured_rules("a", [edited])
        assert changes.replaced == ((before, edited),)
        assert await store.list_rules() == [edited]
        assert [one.rule_id for one in await store.list_rules()] == [before.rule_id]
        assert not await store.sync_configured_rules("a", [edited])

    async def test_an_edit_to_a_rule_that_is_there_drops_the_earlier_one(self, store: Store) -> None:
        await store.sync_configured_rules("a", [ChainRule(0, "NIFTY", 2)])
        by_hand = await store.add_rule(ChainRule(0, "NIFTY", 3))
        await store.sync_configured_rules("a", [ChainRule(0, "NIFTY", 3)])
        assert [rule.rule_id for rule in await store.list_rules()] == [by_hand.rule_id]

    async def test_an_entry_that_is_gone_leaves_its_rule_and_is_forgotten(self, store: Store) -> None:
        rule = ChainRule(0, "NIFTY", 2)
        await store.sync_configured_rules("a", [rule])
        revision = await store.revision()
        assert (await store.sync_configured_rules("a", [])).released == (rule,)
        assert not (await store.sync_configured_rules("a", [])).released
        assert await store.list_rules() == [rule]
        assert await store.revision() == revision, "no rule changed"
        await store.remove_rule((await store.list_rules())[0].rule_id)
        assert (await store.sync_configured_rules("a", [rule])).added == (rule,), "put back, it is new"

    async def test_configurations_that_share_a_store_do_not_undo_each_other(self, store: Store) -> None:
        two, three = ChainRule(0, "NIFTY", 2), ChainRule(0, "NIFTY", 3)
        for origin, rule in (("a", two), ("b", three), ("a", two), ("b", three)):
            await store.sync_configured_rules(origin, [rule])
        assert await store.list_rules() == [two, three]

    async def test_what_was_remembered_elsewhere_counts_when_nothing_is_here(self, store: Store) -> None:
        rule = await store.add_rule(ChainRule(0, "NIFTY", 2))
        dropped = ChainRule(0, "SENSEX")
        wider = replace(rule, strikes=60)
        changes = await store.sync_configured_rules("a", [wider, dropped], [rule, dropped])
        assert changes.replaced == ((rule, wider),)
        assert await store.list_rules() == [wider]
        await store.sync_configured_rules("a", [wider], [dropped])
        assert await store.list_rules() == [wider]

    async def test_two_that_start_at_once_add_the_rules_once(self, store: Store, opener: Opener) -> None:
        entries = [ChainRule(0, name) for name in ("NIFTY", "SENSEX", "BANKNIFTY")]
        stores = [store, *[await opener() for _ in range(3)]]
        async with anyio.create_task_group() as group:
            for one in stores:
                group.start_soon(one.sync_configured_rules, "a", entries)
        assert await store.list_rules() == entries

    # ------------------------------------------------------------------ schema versions

    async def test_a_store_of_schema_1_keeps_everything_and_is_refused_by_its_program_then(
        self, location: str, opener: Opener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as older:
            for module in ("sqlite_files", "postgres_server"):
                older.setattr(f"tickertui.store.{module}.load_migrations", lambda kind: load_migrations(kind)[:1])
            old = await opener()
            rules = [await old.add_rule(rule) for rule in (
                ChainRule(0, "NIFTY", expiries=(EXPIRY, NEXT_EXPIRY), preferred_account="Z1", include_future=False),
                ChainRule(0, "SENSEX", 2, strikes=None, mode=Mode.QUOTE, enabled=False),
                ChainRule(0, "BANKNIFTY", 3, strikes=7),
            )]  # fmt: skip
            await old.remove_rule(rules.pop(2).rule_id)
            for values in ("'A', 0, '', 0", "'B', 99, '', 900", "'C', 5, '2026-12-01', NULL"):
                columns = "underlying, expiry_count, expiries, strikes, mode, include_future, enabled"
                sql = f"INSERT INTO rules ({columns}, created_at, updated_at) VALUES ({values}, 'full', 1, 1, 5, 5)"
                await write(old, sql)
            await old.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY, preferred_account="Z2")
            await old.save_plan(PlanChanges(assigned=(Assignment(1, EXPIRY, "Z2", 1),)))
            await write_candles(old, 0, 3)
            await old.save_instruments(EXPIRY, b"csv")
            before = await everything(old)
            await old.close()
        new = await opener()
        assert await everything(new) == before
        kept = await new.candles(1, EXPIRY, MINUTE, minute(0), minute(9))
        assert kept.to_rows().tolist() == minutes(0, 3).to_rows().tolist()
        found = await new.list_rules()
        assert found[:2] == rules
        assert [rule.rule_id for rule in found] == [rules[0].rule_id, rules[1].rule_id, 4, 5, 6]
        assert found[2:] == [
            ChainRule(0, "A", 1, strikes=1, enabled=False), ChainRule(0, "B", 20, strikes=500),
            ChainRule(0, "C", expiries=(date(2026, 12, 1),), strikes=None),
        ], "what no program wrote is brought within the bounds"  # fmt: skip
        await new.sync_configured_rules("a", [ChainRule(0, "NIFTY")])
        with monkeypatch.context() as older:
            for module in ("sqlite_files", "postgres_server"):
                older.setattr(f"tickertui.store.{module}.load_migrations", lambda kind: load_migrations(kind)[:1])
            with pytest.raises(StoreNewer, match="newer tickertui"):
                await opener()

    # ------------------------------------------------------------------ plans

    async def test_a_plan_is_written_with_its_changes_only(self, store: Store, opener: Opener) -> None:
        for token in (1, 2):
            await store.upsert(token=token, tradingsymbol=f"S{token}", segment="NFO-OPT", expiry=EXPIRY)
        await store.save_plan(PlanChanges(assigned=[Assignment(t, EXPIRY, "Z1", 0) for t in (3, 2, 1)]))
        await store.save_plan(
            PlanChanges(assigned=[Assignment(2, EXPIRY, "Z2", 1)], released=[3, 99], expired=[(1, "expired 01 Dec")])
        )
        other = await opener()
        assert await other.list_assignments() == [Assignment(1, EXPIRY, "Z1", 0), Assignment(2, EXPIRY, "Z2", 1)]
        one, two = await other.list_all()
        assert (one.status, one.reason) == (SubscriptionStatus.EXPIRED, "expired 01 Dec")
        assert (two.status, two.assigned_account) == (SubscriptionStatus.ACTIVE, "Z2")

    async def test_a_plan_is_there_wholly_or_not_at_all(self, store: Store) -> None:
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY)
        with pytest.raises(StoreError):
            await store.save_plan(
                PlanChanges(
                    assigned=[Assignment(1, EXPIRY, "Z1", 0), Assignment(2, EXPIRY, "Z1", -1)], expired=[(1, "over")]
                )
            )
        assert await store.list_assignments() == []
        assert len(await store.list_active()) == 1

    async def test_nine_thousand_assignments(self, store: Store) -> None:
        plan = [Assignment(token, EXPIRY, "Z1", token % 3) for token in range(1, 9001)]
        await store.save_plan(PlanChanges(assigned=plan))
        assert await store.list_assignments() == plan

    # ------------------------------------------------------------------ revision

    async def test_the_revision_counts_what_the_trader_wants(self, store: Store) -> None:
        assert await store.revision() == 0
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY)
        rule = await store.add_rule(ChainRule(0, "NIFTY"))
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY, preferred_account="Z1")
        await store.deactivate(1, "gone")
        await store.remove_rule(rule.rule_id)
        assert await store.revision() == 5

    async def test_what_changes_nothing_and_what_a_plan_writes_is_not_counted(self, store: Store) -> None:
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY)
        before = await store.revision()
        await store.deactivate(2, "never there")
        await store.remove_rule(3)
        await store.save_plan(PlanChanges(assigned=[Assignment(1, EXPIRY, "Z1", 0)], expired=[(1, "over")]))
        await store.add_candles(1, EXPIRY, MINUTE, minutes(0, 3), (minute(0), minute(3)))
        assert await store.revision() == before

    # ------------------------------------------------------------------ instruments

    async def test_the_dump_of_the_day_takes_the_place_of_the_one_before(self, store: Store, opener: Opener) -> None:
        assert await store.load_instruments() is None
        await store.save_instruments(date(2026, 11, 25), b"a,b\n" * 50_000)
        await store.save_instruments(date(2026, 11, 26), b"c,d\n")
        assert await (await opener()).load_instruments() == (date(2026, 11, 26), b"c,d\n")

    # ------------------------------------------------------------------ candles

    async def test_candles_are_there_as_they_were_given(self, store: Store, opener: Opener) -> None:
        await store.add_candles(1, EXPIRY, MINUTE, minutes(0, 10), (minute(0), minute(10)))
        found = await (await opener()).candles(1, EXPIRY, MINUTE, minute(2), minute(5))
        assert found.to_rows().tolist() == minutes(0, 10).to_rows()[2:5].tolist()

    async def test_candles_belong_to_contract_and_interval(self, store: Store) -> None:
        await store.add_candles(1, EXPIRY, MINUTE, minutes(0, 2), None)
        for token, expiry, interval in ((2, EXPIRY, MINUTE), (1, NEXT_EXPIRY, MINUTE), (1, None, MINUTE)):
            assert len(await store.candles(token, expiry, interval, minute(0), minute(9))) == 0
        assert len(await store.candles(1, EXPIRY, Interval.DAY, minute(0), minute(9))) == 0

    async def test_the_same_answer_twice_changes_nothing(self, store: Store) -> None:
        for _ in range(2):
            await store.add_candles(1, EXPIRY, MINUTE, minutes(0, 10), (minute(0), minute(10)))
        assert len(await store.candles(1, EXPIRY, MINUTE, minute(0), minute(99))) == 10
        assert await store.coverage(MINUTE) == {(1, EXPIRY): [span(0, 10)]}

    async def test_a_later_answer_corrects_an_earlier_one_but_keeps_a_known_oi(self, store: Store) -> None:
        await store.add_candles(1, EXPIRY, MINUTE, minutes(0, 1, price=100, oi=700), None)
        await store.add_candles(1, EXPIRY, MINUTE, minutes(0, 1, price=200, oi=-1), None)
        found = await store.candles(1, EXPIRY, MINUTE, minute(0), minute(1))
        assert (found.open.tolist(), found.oi.tolist()) == ([200], [700])

    async def test_disorder_and_repetition_in_an_answer(self, store: Store) -> None:
        rows = minutes(0, 3).to_rows()
        changed = rows[1].copy()
        changed[1] = 4_242
        mixed = Candles.from_rows(np.array([rows[2], rows[1], rows[0], changed]))
        await store.add_candles(1, EXPIRY, MINUTE, mixed, None)
        found = (await store.candles(1, EXPIRY, MINUTE, minute(0), minute(3))).to_rows()
        assert found.tolist() == [rows[0].tolist(), changed.tolist(), rows[2].tolist()]

    async def test_an_answer_without_candles_still_proves_coverage(self, store: Store) -> None:
        await store.add_candles(1, EXPIRY, MINUTE, Candles.empty(), (minute(0), minute(375)))
        assert await store.coverage(MINUTE) == {(1, EXPIRY): [span(0, 375)]}

    async def test_the_last_open_interest_before_an_instant_and_what_is_complete_since(self, store: Store) -> None:
        assert await store.last_interest(1, EXPIRY, MINUTE, minute(9)) is None
        rows = minutes(0, 5).to_rows()
        rows[:, 6] = [75, 150, -1, 300, 375]
        await store.add_candles(1, EXPIRY, MINUTE, Candles.from_rows(rows), (minute(0), minute(5)))
        await store.add_candles(1, EXPIRY, MINUTE, Candles.empty(), (minute(7), minute(9)))
        await store.add_candles(2, EXPIRY, MINUTE, minutes(5, 3), (minute(5), minute(8)))
        assert await store.last_interest(1, EXPIRY, MINUTE, minute(0)) is None
        found = await store.last_interest(1, EXPIRY, MINUTE, minute(9))
        assert found == StoredInterest(span(4, 5)[0], 375, (span(0, 5), span(7, 9)))
        found = await store.last_interest(1, EXPIRY, MINUTE, minute(3))
        assert found is not None
        assert (found.start, found.oi) == (span(1, 2)[0], 150), "a candle without it is passed over"
        assert await store.last_interest(1, NEXT_EXPIRY, MINUTE, minute(9)) is None

    async def test_candles_without_coverage_prove_nothing(self, store: Store) -> None:
        await store.add_candles(1, EXPIRY, MINUTE, minutes(0, 3), None)
        await store.add_candles(1, EXPIRY, MINUTE, minutes(0, 3), (minute(3), minute(3)))
        assert await store.coverage(MINUTE) == {}

    async def test_naive_times_are_refused(self, store: Store) -> None:
        naive = datetime(2026, 11, 25, 9, 15)  # noqa: DTZ001 - that is the point
        with pytest.raises(ValueError, match="time zone"):
            await store.add_candles(1, EXPIRY, MINUTE, minutes(0, 1), (naive, naive))
        with pytest.raises(ValueError, match="time zone"):
            await store.candles(1, EXPIRY, MINUTE, naive, naive)

    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(spans=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=8), token=st.integers(1, 10**9))
    async def test_coverage_is_the_union_of_what_was_covered(
        self, store: Store, spans: list[tuple[int, int]], token: int
    ) -> None:
        expected: set[int] = set()
        await store.prune_candles(date(2030, 1, 1))
        contract = (token, EXPIRY)
        for first, length in spans:
            covered = (minute(first), minute(first + length))
            await store.add_candles(*contract, MINUTE, minutes(first, 1), covered)
            expected.update(range(first, first + length))
        found = (await store.coverage(MINUTE)).get(contract, [])
        origin = int(START.timestamp())
        assert {(at - origin) // 60 for start, end in found for at in range(start, end, 60)} == expected
        assert all(ended < began for (_, ended), (began, _) in pairwise(found))

    async def test_candles_are_counted_by_day(self, store: Store) -> None:
        next_day = 24 * 60
        await store.add_candles(1, EXPIRY, MINUTE, minutes(0, 10), None)
        await store.add_candles(1, EXPIRY, MINUTE, minutes(5, 10), None)
        await store.add_candles(1, EXPIRY, MINUTE, minutes(next_day, 3), None)
        await store.add_candles(2, None, MINUTE, minutes(0, 1), None)
        first = START.date()
        assert await store.candle_days(MINUTE, first, first) == {(1, EXPIRY): {first: 15}, (2, None): {first: 1}}
        both = await store.candle_days(MINUTE, first, first + timedelta(days=1))
        assert both[1, EXPIRY] == {first: 15, first + timedelta(days=1): 3}
        assert await store.candle_days(Interval.DAY, first, first) == {}

    async def test_pruning_drops_whole_days_and_their_coverage(self, store: Store) -> None:
        next_day = 24 * 60
        await store.add_candles(1, EXPIRY, MINUTE, minutes(0, 10), (minute(0), minute(next_day + 60)))
        await store.add_candles(1, EXPIRY, MINUTE, minutes(next_day, 5), None)
        await store.add_candles(2, EXPIRY, MINUTE, minutes(0, 10), (minute(0), minute(10)))
        edge = START.date() + timedelta(days=1)
        assert await store.prune_candles(edge) == 20
        assert await store.prune_candles(edge) == 0
        left = await store.candles(1, EXPIRY, MINUTE, minute(0), minute(2 * next_day))
        assert left.start.tolist() == minutes(next_day, 5).start.tolist()
        midnight = int(datetime(edge.year, edge.month, edge.day, tzinfo=IST).timestamp())
        assert await store.coverage(MINUTE) == {(1, EXPIRY): [(midnight, span(0, next_day + 60)[1])]}
        assert await store.candle_days(MINUTE, START.date(), edge) == {(1, EXPIRY): {edge: 5}}

    async def test_candles_of_the_sessions_own_ticks_stand_in_until_the_brokers_come(
        self, store: Store, opener: Opener
    ) -> None:
        contracts = [(1, EXPIRY), (2, None)]
        for number in range(4):
            rows = np.repeat(minutes(number, 1, price=900).to_rows(), 2, axis=0)
            await store.add_session_candles(MINUTE, contracts, Candles.from_rows(rows))
        await store.add_session_candles(MINUTE, [], Candles.empty())
        assert await store.coverage(MINUTE) == {}
        assert await store.candle_days(MINUTE, START.date(), START.date()) == {}
        await store.add_candles(1, EXPIRY, MINUTE, minutes(1, 1, price=500), None)
        found = await (await opener()).candles(1, EXPIRY, MINUTE, minute(0), minute(9))
        assert found.open.tolist() == [900, 500, 900, 900], "the broker's candle is the one, also before it proves any"
        assert found.own is not None
        assert found.own.tolist() == [True, False, True, True]
        await store.add_candles(1, EXPIRY, MINUTE, minutes(1, 1, price=500), (minute(0), minute(3)))
        found = await store.candles(1, EXPIRY, MINUTE, minute(0), minute(9))
        assert found.open.tolist() == [500, 900], "the broker says that nothing was traded in the other minutes"
        await store.add_candles(1, EXPIRY, MINUTE, minutes(3, 1, price=501), (minute(3), minute(4)))
        found = await store.candles(1, EXPIRY, MINUTE, minute(0), minute(9))
        assert (found.open.tolist(), found.own) == ([500, 501], None)
        assert (await store.candles(2, None, MINUTE, minute(0), minute(9))).open.tolist() == [900] * 4
        await store.prune_candles(START.date() + timedelta(days=1))
        assert len(await store.candles(2, None, MINUTE, minute(0), minute(9))) == 0

    async def test_a_gap_is_where_nobody_has_looked(self, store: Store) -> None:
        """Between candles 0 and 4 the broker was asked, between 4 and 8 nobody, between 8 and 9 there is no room."""
        for first in (0, 4, 8, 9):
            await store.add_candles(1, EXPIRY, MINUTE, minutes(first, 1), None)
        for span_ in ((0, 2), (2, 5), (6, 7), (9, 10)):
            await store.add_candles(1, EXPIRY, MINUTE, Candles.empty(), (minute(span_[0]), minute(span_[1])))
        found = await store.candles(1, EXPIRY, MINUTE, minute(0), minute(20))
        assert found.after_gap is not None
        assert found.after_gap.tolist() == [False, False, True, False]
        await store.add_candles(1, EXPIRY, MINUTE, Candles.empty(), (minute(5), minute(9)))
        assert (await store.candles(1, EXPIRY, MINUTE, minute(0), minute(20))).after_gap is None
        await store.add_session_candles(MINUTE, [(1, EXPIRY)], minutes(12, 1))
        found = await store.candles(1, EXPIRY, MINUTE, minute(0), minute(20))
        assert found.after_gap is not None
        assert found.after_gap.tolist() == [False, False, False, False, True]

    async def test_the_values_of_a_session_are_those_of_all_its_candles(self, store: Store) -> None:
        session, before = span(0, 385), span(-1440, -1055)
        for token in (1, 2, 3):
            await store.add_candles(token, EXPIRY, MINUTE, minutes(-1070, 3, price=700), None)
            await store.add_candles(token, EXPIRY, MINUTE, minutes(10, 3, price=900), None)
        await store.add_candles(1, EXPIRY, MINUTE, minutes(300, 1, price=950, oi=-1), (minute(0), minute(385)))
        await store.add_candles(2, EXPIRY, MINUTE, Candles.empty(), (minute(0), minute(384)))
        await store.add_candles(4, EXPIRY, MINUTE, Candles.empty(), (minute(0), minute(385)))
        contracts = [(token, EXPIRY) for token in (1, 2, 3, 4, 5)]
        found = await store.session_values(MINUTE, contracts, session, before)
        values = SessionValues(900, 955, 895, 951, 300, 500, span(300, 301)[0], 703)
        assert found == {(1, EXPIRY): values}, "of what is not whole, or had no trade, there is no close"
        assert (await store.session_values(MINUTE, contracts, session, None))[1, EXPIRY].previous_close == 0

    async def test_a_night_is_no_gap(self, store: Store) -> None:
        for first in (384, 24 * 60):
            await store.add_candles(1, EXPIRY, MINUTE, minutes(first, 1), (minute(first), minute(first + 1)))
        assert (await store.candles(1, EXPIRY, MINUTE, minute(0), minute(2 * 24 * 60))).after_gap is None

    async def test_contracts_that_expire_are_known_by_what_is_stored_of_them(self, store: Store) -> None:
        await store.add_candles(5, EXPIRY, MINUTE, minutes(0, 1), None)
        await store.add_candles(3, EXPIRY, MINUTE, Candles.empty(), (minute(0), minute(9)))
        await store.add_session_candles(MINUTE, [(4, EXPIRY), (6, NEXT_EXPIRY)], minutes(0, 2))
        assert await store.contracts_expiring(EXPIRY) == [3, 4, 5]
        assert await store.contracts_expiring(START.date()) == []

    # ------------------------------------------------------------------ failures and facts

    async def test_the_last_failure_of_a_contract_is_kept(self, store: Store, opener: Opener) -> None:
        failure = HistoryFailure(1, EXPIRY, MINUTE, "no answer", 1, START, minute(1))
        await store.record_failure(failure)
        later = replace(failure, reason="still none", attempts=2, failed_at=minute(2), retry_at=None)
        other = HistoryFailure(2, None, MINUTE, "rejected", 1, minute(1))
        await store.record_failure(other)
        await store.record_failure(later)
        await store.record_failure(replace(failure, interval=Interval.DAY))
        assert await (await opener()).failures(MINUTE) == [later, other]
        await store.clear_failures(MINUTE, [(1, EXPIRY)])
        assert await store.failures(MINUTE) == [other]
        await store.clear_failures(MINUTE, [])
        await store.clear_failures(MINUTE)
        assert await store.failures(MINUTE) == []
        assert len(await store.failures(Interval.DAY)) == 1

    async def test_open_interest_of_a_day(self, store: Store) -> None:
        days = [date(2026, 11, 30), date(2026, 12, 1), date(2026, 12, 2)]
        await store.save_daily_facts(days[0], [OpenInterestFact(1, EXPIRY, 100), OpenInterestFact(2, None, 7)])
        await store.save_daily_facts(days[1], [OpenInterestFact(1, EXPIRY, 150), OpenInterestFact(3, NEXT_EXPIRY, 0)])
        await store.save_daily_facts(days[1], [OpenInterestFact(1, EXPIRY, 160)])
        assert await store.open_interest_on(days[0]) == {(1, EXPIRY): 100, (2, None): 7}
        assert await store.open_interest_on(days[1]) == {(1, EXPIRY): 160, (3, NEXT_EXPIRY): 0}
        assert await store.open_interest_on(days[2]) == {}, "what is stored of another day is not this day's"

    async def test_volatility_history(self, store: Store) -> None:
        for day, iv in ((1, 0.12), (3, 0.14), (2, 0.13)):
            await store.save_daily_facts(date(2026, 12, day), volatility=[VolatilityFact("NIFTY", iv)])
        await store.save_daily_facts(date(2026, 12, 3), volatility=[VolatilityFact("NIFTY", 0.15)])
        await store.save_daily_facts(date(2026, 12, 3), volatility=[VolatilityFact("SENSEX", 0.2)])
        assert await store.atm_iv_history("NIFTY", 2) == [(date(2026, 12, 2), 0.13), (date(2026, 12, 3), 0.15)]
        assert await store.atm_iv_history("BANKEX", 2) == []

    # ------------------------------------------------------------------ several at once

    async def test_writers_at_once_lose_nothing(self, store: Store, opener: Opener) -> None:
        other = await opener()

        async def write(writer: Store, tokens: range) -> None:
            for token in tokens:
                await writer.upsert(token=token, tradingsymbol=f"S{token}", segment="NFO-OPT", expiry=None)
                await writer.add_candles(7, None, MINUTE, minutes(token, 1), (minute(token), minute(token + 1)))

        async with anyio.create_task_group() as group:
            for number, writer in enumerate((store, other, store, other)):
                group.start_soon(write, writer, range(1 + number * 10, 11 + number * 10))
        assert len(await store.list_all()) == 40
        assert await store.revision() == 40
        assert await store.coverage(MINUTE) == {(7, None): [span(1, 41)]}

    async def test_a_cancelled_call_leaves_the_store_usable_and_whole(self, store: Store) -> None:
        plan = [Assignment(token, EXPIRY, "Z1", 0) for token in range(1, 3001)]
        for _ in range(10):
            async with anyio.create_task_group() as group:
                group.start_soon(store.save_plan, PlanChanges(assigned=plan))
                await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
            assert len(await store.list_assignments()) in (0, 3000)
            await store.save_plan(PlanChanges(released=[one.token for one in plan]))
        assert await store.list_assignments() == []

    async def test_changes_of_another_are_seen_within_two_seconds(self, store: Store, opener: Opener) -> None:
        other, seen = await opener(), list[int]()
        async with anyio.create_task_group() as group:
            group.start_soon(watch, store, seen)
            await store.upsert(token=1, tradingsymbol="OWN", segment="NFO-OPT", expiry=None)
            await other.upsert(token=2, tradingsymbol="THEIRS", segment="NFO-OPT", expiry=None)
            await wait_until(lambda: 2 in seen, "the revision of the other's change", timeout=2.0)
            await store.upsert(token=3, tradingsymbol="OWN", segment="NFO-OPT", expiry=None)
            await other.add_candles(1, None, MINUTE, minutes(0, 1), None)
            await other.add_rule(ChainRule(0, "NIFTY"))
            await wait_until(lambda: 4 in seen, "the revision of the second change", timeout=2.0)
            group.cancel_scope.cancel()
        assert 3 not in seen, "its own change needs no report"

    async def test_another_process_writes_and_is_seen(self, store: Store, location: str) -> None:
        seen: list[int] = []
        async with anyio.create_task_group() as group:
            group.start_soon(watch, store, seen)
            with store_process(location, "upsert", "77") as process:
                assert await to_thread.run_sync(next_line, process) == "done"
                await wait_until(lambda: seen, "its change", timeout=2.0)
            group.cancel_scope.cancel()
        record = await store.get(77)
        assert record is not None
        assert record.tradingsymbol == "OTHER"

    async def test_another_process_reads_while_this_one_writes(self, store: Store, location: str) -> None:
        async def keep_writing() -> None:
            while True:
                await store.add_candles(1, None, MINUTE, minutes(0, 1000), (minute(0), minute(1000)))

        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=None)
        async with anyio.create_task_group() as group:
            group.start_soon(keep_writing)
            with store_process(location, "count") as process:
                assert await to_thread.run_sync(next_line, process) == "1"
            group.cancel_scope.cancel()

    # ------------------------------------------------------------------ claims

    async def test_an_account_is_claimed_by_one(self, store: Store, opener: Opener, clock: ManualClock) -> None:
        claim = await store.claim_account("Z1")
        assert not isinstance(claim, Owner)
        assert claim.is_held
        assert claim.account == "Z1"
        clock.advance(600)
        other = await opener()
        owner = await other.claim_account("Z1")
        assert isinstance(owner, Owner)
        assert owner.since == START
        assert owner.describe().endswith("since 09:15")
        assert str(owner.pid) in owner.describe()
        assert not isinstance(await other.claim_account("Z2"), Owner), "another account is free"

    async def test_claiming_again_gives_the_same_claim(self, store: Store) -> None:
        assert await store.claim_account("Z1") is await store.claim_account("Z1")

    async def test_a_released_claim_is_free(self, store: Store, opener: Opener) -> None:
        other = await opener()
        claim = await store.claim_account("a/b & c")
        assert not isinstance(claim, Owner)
        await claim.release()
        await claim.release()
        assert not claim.is_held
        assert not isinstance(await other.claim_account("a/b & c"), Owner)

    async def test_closing_gives_the_claims_back(self, store: Store, opener: Opener) -> None:
        other = await opener()
        assert not isinstance(await other.claim_account("Z1"), Owner)
        await other.close()
        assert not isinstance(await store.claim_account("Z1"), Owner)

    async def test_a_killed_process_loses_its_claim_at_once(self, store: Store, location: str) -> None:
        with store_process(location, "claim", "Z1") as process:
            assert await to_thread.run_sync(next_line, process) == "held"
            owner = await store.claim_account("Z1")
            assert isinstance(owner, Owner)
            assert owner.pid == process.pid
            process.kill()
            await to_thread.run_sync(process.wait)
            await until(lambda: store.claim_account("Z1"), lambda it: not isinstance(it, Owner), "the free account")

    async def test_another_process_is_refused(self, store: Store, location: str) -> None:
        assert not isinstance(await store.claim_account("Z1"), Owner)
        with store_process(location, "claim", "Z1") as process:
            assert await to_thread.run_sync(next_line, process) == "refused"

    # ------------------------------------------------------------------ crashes and the end

    @pytest.mark.parametrize("commits", [1, 40, 250])
    async def test_kill_9_loses_no_acknowledged_commit(self, location: str, opener: Opener, commits: int) -> None:
        with store_process(location, "write") as process:
            acknowledged = 0
            while acknowledged < commits:
                line = await to_thread.run_sync(next_line, process)
                assert line, "the writer ended by itself"
                acknowledged = int(line)
            process.kill()
            rest = await to_thread.run_sync(remaining_lines, process)
        acknowledged = max([acknowledged, *map(int, rest)])
        store = await opener()
        tokens = {record.token for record in await store.list_all()}
        assert tokens >= set(range(1, acknowledged + 1))
        assert len(tokens) <= acknowledged + 1
        assert await store.revision() == len(tokens)

    async def test_a_closed_store_says_so(self, store: Store) -> None:
        await store.close()
        await store.close()
        with pytest.raises(StoreError, match="closed"):
            await store.list_all()

    # ------------------------------------------------------------------ whose data these are

    async def test_the_first_to_claim_the_data_stays_their_owner(self, store: Store, opener: Opener) -> None:
        assert await store.data_owner() is None
        first = DataOwner("simulator seed 7, calm", "a simulated market", START.date())
        assert await store.claim_data(first) == first
        assert await store.claim_data(DataOwner("kite", "Kite")) == first
        await store.note_market_day(START.date() + timedelta(days=3))
        again = await opener()
        assert await again.data_owner() == replace(first, latest_day=START.date() + timedelta(days=3))

    async def test_what_is_set_aside_is_out_of_the_way_and_still_there(self, store: Store) -> None:
        day, next_day = START.date(), START.date() + timedelta(days=1)
        today = minutes(0, 4)
        later = replace(today, start=today.start + 86_400)
        for token in (1, 2):
            await store.add_candles(token, EXPIRY, MINUTE, minutes(0, 10), (minute(0), minute(10)))
            await store.add_candles(
                token, EXPIRY, MINUTE, later, (minute(0) + timedelta(days=1), minute(4) + timedelta(days=1))
            )
            for of_day in (day, next_day):
                facts = (OpenInterestFact(token, EXPIRY, 500 + token),)
                await store.save_daily_facts(of_day, facts, (VolatilityFact("NIFTY", 0.12),))
        await store.save_instruments(day, b"a,b,c")
        await store.save_plan(PlanChanges((Assignment(1, EXPIRY, "Z1", 0),)))
        assert await store.contracts_from(next_day) == [(1, EXPIRY), (2, EXPIRY)]

        foreign = ForeignData(
            "of another market", [HistoryRegion(1, EXPIRY), HistoryRegion(2, EXPIRY, day, day)], [(day, day)], True
        )
        assert await store.set_aside(foreign) == SetAside(24, 2, True)

        assert await store.stored_days() == {(2, EXPIRY): [next_day]}
        first = span(0, 4)[0] + 86_400
        assert await store.coverage(MINUTE) == {(2, EXPIRY): [(first, first + 240)]}
        assert len(await store.candles(1, EXPIRY, MINUTE, minute(0), minute(10) + timedelta(days=1))) == 0
        assert len(await store.candles(2, EXPIRY, MINUTE, minute(0), minute(10) + timedelta(days=1))) == 4
        assert await rows_of(store, "daily_open_interest") == 1
        assert await store.atm_iv_history("NIFTY", 9) == [(next_day, 0.12)]
        assert await store.load_instruments() is None
        assert await store.list_assignments() == []
        assert [await rows_of(store, f"set_aside_{name}") for name in ("candles", "open_interest", "dump")] == [
            24,
            3,
            1,
        ]
        assert await rows_of(store, "set_aside_volatility") == 1

    async def test_terms_that_change_on_a_day_to_come_are_those_of_before_when_it_is_set_aside(
        self, store: Store
    ) -> None:
        since = START.date() + timedelta(days=1)
        await write(
            store,
            "INSERT INTO terms_changes (token, since, start, tradingsymbol, name, kind, exchange, expiry, strike, "
            f"lot_size, is_another) VALUES (7, {day_number(since)}, 0, 'S', 'N', 3, 'NFO', {day_number(EXPIRY)}, "
            "100.0, 65, 1)",
        )
        assert await store.contracts_from(since) == [(7, EXPIRY)]
        assert list(await store.terms_changes()) == [7]
        await store.set_aside(ForeignData("of days to come", [HistoryRegion(7, EXPIRY, since)]))
        assert await store.terms_changes() == {}

    async def test_coverage_around_what_is_set_aside_stays(self, store: Store) -> None:
        two_days = (minute(0), minute(0) + timedelta(days=2))
        await store.add_candles(1, None, MINUTE, minutes(0, 10), two_days)
        day = START.date() + timedelta(days=1)
        await store.set_aside(ForeignData("of another market", [HistoryRegion(1, None, day, day)]))
        start, midnight = int(START.timestamp()), int(datetime(2026, 11, 26, tzinfo=IST).timestamp())
        assert await store.coverage(MINUTE) == {(1, None): [(start, midnight), (midnight + 86_400, start + 2 * 86_400)]}
        assert await store.stored_days() == {(1, None): [START.date()]}


async def rows_of(store: Store, table: str) -> int:
    """How many rows a table has."""
    assert isinstance(store, SqlStore)

    def count() -> Operation[int]:
        rows = yield Statement(f"SELECT COUNT(*) FROM {table}")
        return int(rows[0][0])

    return await store._read(count())
