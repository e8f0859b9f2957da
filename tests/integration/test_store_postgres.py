"""The store on a PostgreSQL server: the common contract, and what only a server does."""

from __future__ import annotations

import sys

import anyio
import psycopg
import pytest
from psycopg import errors

from tests.integration.store_contract import Opener, StoreContract, until, watch
from tests.integration.terms_contract import TermsContract
from tests.support.pooler import pgbouncer
from tests.support.postgres import PostgresCluster, cut_all_connections, postgres_cluster, postgres_location
from tests.support.waiting import wait_until
from tickertui.market.clock import ManualClock
from tickertui.store.open import open_store
from tickertui.store.postgres import PostgresStore
from tickertui.store.postgres_server import PostgresServer
from tickertui.store.protocol import (
    Owner,
    Store,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreNewer,
    StoreUnavailable,
    StoreUnreadable,
)

__all__ = ["postgres_cluster", "postgres_location"]


@pytest.fixture
def location(postgres_location: str) -> str:
    return postgres_location


class TestPostgresStore(StoreContract, TermsContract):
    """Everything that every store does."""

    async def test_its_backup_is_the_servers_business(self, store: Store) -> None:
        assert await store.backup() is None

    async def test_a_newer_schema_is_left_alone(self, store: Store, location: str, clock: ManualClock) -> None:
        with psycopg.connect(location) as connection:
            connection.execute("INSERT INTO tickertui.schema_version (version) VALUES (99)")
        with pytest.raises(StoreNewer, match="newer tickertui"):
            await open_store(location, clock)

    @pytest.mark.parametrize("round_robin", [False, True], ids=["last used first", "round robin"])
    @pytest.mark.parametrize("mode", ["transaction", "statement"])
    async def test_a_pooler_that_lends_connections_by_the_transaction_is_refused_at_once(
        self, mode: str, location: str, clock: ManualClock, *, round_robin: bool
    ) -> None:
        async with pgbouncer(location, mode, round_robin=round_robin) as pooled:
            for _ in range(2):
                with pytest.raises(StoreError, match=r"is a pooler that lends .* let store.url name the server itself"):
                    await open_store(pooled, clock)
            with psycopg.connect(pooled, autocommit=True) as connection:
                path = connection.execute("SHOW search_path").fetchone()
            assert path == ('"$user", public',), "nothing of ours is left on the connections that it lends"

    async def test_a_pooler_that_lends_connections_by_the_session_does_as_well_as_the_server(
        self, location: str, clock: ManualClock
    ) -> None:
        async with pgbouncer(location, "session") as pooled:
            first, second = await open_store(pooled, clock), await open_store(pooled, clock)
            assert not isinstance(await first.claim_account("Z1"), Owner)
            assert isinstance(await second.claim_account("Z1"), Owner)
            await first.close()
            await second.close()

    async def test_two_open_an_empty_database_together(self, location: str, clock: ManualClock) -> None:
        opened: list[Store] = []

        async def open_it() -> None:
            opened.append(await open_store(location, clock))

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(open_it)
        assert [await store.revision() for store in opened] == [0] * 4
        for store in opened:
            await store.close()

    async def test_a_lock_that_is_not_let_go(self, store: Store, location: str) -> None:
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=None)
        assert isinstance(store, PostgresStore)
        async with await psycopg.AsyncConnection.connect(location) as other:
            await other.execute("UPDATE tickertui.subscriptions SET reason = 'held' WHERE token = 1")
            await other.execute("SET LOCAL lock_timeout = 0")
            store_connection = store._connection
            assert store_connection is not None
            await store_connection.execute("SET lock_timeout = '50ms'")
            with pytest.raises(StoreBusy, match="try again"):
                await store.deactivate(1, "gone")
            await other.rollback()
        assert await store.deactivate(1, "gone")

    async def test_a_restart_of_the_server(
        self, store: Store, opener: Opener, postgres_cluster: PostgresCluster
    ) -> None:
        control = postgres_cluster.control
        if control is None:
            pytest.skip("the server is not ours to restart")
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=None)
        claim = await store.claim_account("Z1")
        assert not isinstance(claim, Owner)
        seen: list[int] = []
        async with anyio.create_task_group() as group:
            group.start_soon(watch, store, seen)
            with control.crashed():
                with pytest.raises(StoreUnavailable, match="cannot be reached"):
                    await store.list_all()
                await wait_until(lambda: not claim.is_held, "the loss of the claim")
            records = await until(lambda: _records(store), lambda found: found > 0, "the store to be back")
            assert records == 1, "what was committed before the crash is there"
            await wait_until(lambda: seen, "the sign to read everything again", timeout=15)
            other = await opener()
            await other.upsert(token=2, tradingsymbol="B", segment="NFO-OPT", expiry=None)
            await wait_until(lambda: 2 in seen, "a change after the restart")
            group.cancel_scope.cancel()
        assert not isinstance(await store.claim_account("Z1"), Owner)

    async def test_a_connection_cut_while_idle_is_replaced(self, store: Store, location: str) -> None:
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=None)
        cut_all_connections(location)
        assert len(await store.list_all()) == 1


async def _records(store: Store) -> int:
    try:
        return len(await store.list_all())
    except StoreUnavailable:
        return 0


@pytest.fixture
def clock() -> ManualClock:
    from tests.integration.store_contract import START

    return ManualClock(START)


async def test_no_server_there(clock: ManualClock) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached") as failure:
        await open_store("postgresql://trader:hunter2@127.0.0.1:1/desk", clock)
    assert "hunter2" not in str(failure.value)
    assert "127.0.0.1:1/desk" in str(failure.value)


async def test_an_address_that_cannot_be_read_is_not_repeated(clock: ManualClock) -> None:
    with pytest.raises(StoreError, match=r"store\.url") as failure:
        await open_store("postgresql://trader:hunter2@[bad/desk", clock)
    assert "hunter2" not in f"{failure.value!r} {failure.value.__cause__!r}"


async def test_the_driver_is_missing(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for name in [name for name in sys.modules if name.startswith("tickertui.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(StoreError, match=r"pip install 'tickertui\[postgres\]'"):
        await open_store("postgresql://127.0.0.1/desk", clock)


@pytest.mark.parametrize(
    "error, kind, word",
    [
        (errors.DiskFull("no space"), StoreFull, "full"),
        (errors.DeadlockDetected("deadlock"), StoreBusy, "busy"),
        (errors.DataCorrupted("invalid page"), StoreUnreadable, "damaged"),
        (errors.InsufficientPrivilege("permission denied"), StoreError, "must own"),
        (errors.InvalidPassword("password hunter2 failed"), StoreError, "user and password"),
        (errors.AdminShutdown("terminating\nDETAIL: more"), StoreUnavailable, "cannot be reached"),
        (errors.CheckViolation("violates check"), StoreError, "refused a change"),
    ],
)
def test_errors_are_told_in_one_sentence(error: psycopg.Error, kind: type[StoreError], word: str) -> None:
    told = PostgresServer("postgresql://trader:hunter2@db:5432/desk").translated(error)
    assert type(told) is kind
    assert word in str(told)
    assert "PostgreSQL db:5432/desk" in str(told)
    assert "hunter2" not in str(told)
    assert "\n" not in str(told)


async def test_a_user_that_may_not_make_tables(location: str, clock: ManualClock) -> None:
    with psycopg.connect(location, autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS tickertui_reader")
        admin.execute("CREATE ROLE tickertui_reader LOGIN PASSWORD 'hunter2'")
        parts = psycopg.conninfo.conninfo_to_dict(location)
        url = f"postgresql://tickertui_reader:hunter2@{parts['host']}:{parts['port']}/{parts['dbname']}"
        with pytest.raises(StoreError, match="must own the schema"):
            await open_store(url, clock)
        admin.execute("DROP ROLE tickertui_reader")
