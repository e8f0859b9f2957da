"""The store in a SQLite file: the common contract, and what only a file does."""

from __future__ import annotations

import sqlite3
import threading
from datetime import date, timedelta
from pathlib import Path

import anyio
import apsw
import pytest

from tests.integration.store_contract import EXPIRY, MINUTE, START, Opener, StoreContract, minute, minutes
from tests.integration.terms_contract import TermsContract
from tests.support.waiting import wait_until
from tickertui.market.clock import ManualClock
from tickertui.store.migrations import Migration, load_migrations
from tickertui.store.open import open_store
from tickertui.store.operation import Operation, Statement
from tickertui.store.protocol import (
    Owner,
    Store,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreNewer,
    StoreUnreadable,
)
from tickertui.store.sqlite_files import StoreFiles, open_memory, recover
from tickertui.store.sqlite_thread import SqliteThread, translated
from tickertui.store.subscriptions import read_revision


@pytest.fixture
def location(tmp_path: Path) -> str:
    """Where the store is to be; the folder is there, the file is not."""
    (tmp_path / "data").mkdir()
    return str(tmp_path / "data" / "tickertui.db")


def put(location: str, content: bytes) -> None:
    """Write what lies there instead of a database."""
    Path(location).write_bytes(content)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


async def make_store(location: str, clock: ManualClock, tokens: int = 3) -> StoreFiles:
    """Make a store with some content and close it."""
    store = await open_store(location, clock)
    for token in range(1, tokens + 1):
        await store.upsert(token=token, tradingsymbol=f"S{token}", segment="NFO-OPT", expiry=EXPIRY)
    await store.close()
    return StoreFiles(Path(location))


async def count(location: str, clock: ManualClock) -> int:
    store = await open_store(location, clock)
    try:
        return len(await store.list_all())
    finally:
        await store.close()


class TestSqliteStore(StoreContract, TermsContract):
    """Everything that every store does."""

    async def test_its_settings(self, store: Store, location: str) -> None:
        with sqlite3.connect(location) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert connection.execute("PRAGMA application_id").fetchone() == (0x54494B54,)
            strict = connection.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND strict = 0")
            assert [name for (name,) in strict if not name.startswith("sqlite_")] == []
        connection.close()

    async def test_another_process_that_does_not_let_go(self, store: Store, location: str, opener: Opener) -> None:
        blocker = apsw.Connection(location)
        blocker.execute("BEGIN IMMEDIATE")
        try:
            with anyio.move_on_after(0.05) as scope:
                await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=None)
            assert scope.cancelled_caught, "a cancellation is noticed while the lock is waited for"
            with anyio.fail_after(2):
                assert await store.list_all() == [], "readers do not wait, nor for what was cancelled"
            store._thread._busy_seconds = 0.05  # type: ignore[attr-defined]
            with pytest.raises(StoreBusy, match="in use by another process"):
                await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=None)
        finally:
            blocker.execute("ROLLBACK")
            blocker.close()
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=None)
        assert len(await store.list_all()) == 1

    async def test_a_full_disk(self, store: Store, location: str) -> None:
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=None)
        await store._thread.call(lambda connection: connection.pragma("max_page_count", 40))  # type: ignore[attr-defined]
        with pytest.raises(StoreFull, match="disk is full"):
            await store.add_candles(1, None, MINUTE, minutes(0, 20_000), (minute(0), minute(20_000)))
        assert len(await store.list_all()) == 1
        assert await store.coverage(MINUTE) == {}

    async def test_backups_are_readable_and_three_are_kept(
        self, store: Store, location: str, clock: ManualClock
    ) -> None:
        made = []
        for token in range(1, 6):
            await store.upsert(token=token, tradingsymbol=f"S{token}", segment="NFO-OPT", expiry=None)
            made.append(await store.backup())
            clock.advance(3600)
        kept = StoreFiles(Path(location)).list_backups()
        assert kept == [path for path in reversed(made) if path is not None][:3]
        with sqlite3.connect(kept[0]) as connection:
            assert connection.execute("SELECT COUNT(*) FROM subscriptions").fetchone() == (5,)
        connection.close()

    async def test_a_backup_while_another_writes(self, store: Store, opener: Opener) -> None:
        other = await opener()

        async def keep_writing() -> None:
            while True:
                await other.add_candles(1, None, MINUTE, minutes(0, 500), (minute(0), minute(500)))

        async with anyio.create_task_group() as group:
            group.start_soon(keep_writing)
            path = await store.backup()
            group.cancel_scope.cancel()
        assert path is not None
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()


async def test_a_file_that_is_no_database(location: str, clock: ManualClock) -> None:
    content = b"not a database at all, but some text" * 100
    put(location, content)
    with pytest.raises(StoreUnreadable, match="not a SQLite database"):
        await open_store(location, clock)
    assert StoreFiles(Path(location)).database.read_bytes() == content, "it is left as it was"


async def test_a_database_of_another_program(location: str, clock: ManualClock) -> None:
    with sqlite3.connect(location) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    with pytest.raises(StoreUnreadable, match="another program"):
        await open_store(location, clock)


async def test_an_empty_file_is_a_new_store(location: str, clock: ManualClock) -> None:
    put(location, b"")
    assert await count(location, clock) == 0


async def test_an_empty_file_that_was_in_use(location: str, clock: ManualClock) -> None:
    files = await make_store(location, clock)
    files.database.write_bytes(b"")
    with pytest.raises(StoreUnreadable, match="is empty although it was in use"):
        await open_store(location, clock)


async def test_a_truncated_database(location: str, clock: ManualClock) -> None:
    files = await make_store(location, clock, tokens=300)
    content = files.database.read_bytes()
    files.database.write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreUnreadable, match="is damaged"):
        await open_store(location, clock)


async def test_a_page_in_the_middle_is_overwritten(location: str, clock: ManualClock) -> None:
    files = await make_store(location, clock, tokens=300)
    content = bytearray(files.database.read_bytes())
    middle = len(content) // 4096 // 2 * 4096
    content[middle : middle + 4096] = b"\xa5" * 4096
    files.database.write_bytes(content)
    with pytest.raises(StoreUnreadable, match="is damaged"):
        await open_store(location, clock)


async def test_a_folder_in_its_place(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(StoreUnreadable, match="cannot be read"):
        await open_store(tmp_path, clock)


async def test_a_folder_that_cannot_be_made(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnreadable, match="cannot be written"):
        await open_store(tmp_path / "file" / "tickertui.db", clock)


async def test_a_newer_schema_is_left_alone(location: str, clock: ManualClock) -> None:
    files = await make_store(location, clock)
    with sqlite3.connect(location) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = files.database.read_bytes()
    with pytest.raises(StoreNewer, match="newer tickertui"):
        await open_store(location, clock)
    assert files.database.read_bytes() == before


async def test_recovery_goes_back_to_the_newest_readable_backup(location: str, clock: ManualClock) -> None:
    files = await make_store(location, clock)
    for tokens in (3, 4, 5):
        clock.advance(3600)
        await make_store(location, clock, tokens)
        store = await open_store(location, clock)
        await store.backup()
        await store.close()
    newest = files.list_backups()[0]
    newest.write_bytes(newest.read_bytes()[:5000])
    files.database.write_bytes(b"garbage" * 1000)

    report = recover(files.database, clock.now())

    assert report.restored_from == files.list_backups()[1]
    assert report.moved_to is not None
    assert report.moved_to.name.startswith("tickertui.db.corrupt-2026")
    assert report.moved_to.read_bytes().startswith(b"garbage")
    assert "took its place" in report.describe()
    assert await count(location, clock) == 4


async def test_recovery_without_a_backup_begins_anew(location: str, clock: ManualClock) -> None:
    files = await make_store(location, clock)
    files.database.write_bytes(b"")
    report = recover(files.database, clock.now())
    assert report.restored_from is None
    assert "no readable backup" in report.describe()
    assert await count(location, clock) == 0


async def test_recovery_leaves_a_running_store_alone(location: str, clock: ManualClock) -> None:
    store = await open_store(location, clock)
    with pytest.raises(StoreBusy, match="is open in a running tickertui"):
        recover(Path(location), clock.now())
    await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=None)
    await store.close()
    assert recover(Path(location), clock.now()).moved_to is not None


async def test_a_damaged_dump_of_contracts(location: str, clock: ManualClock) -> None:
    store = await open_store(location, clock)
    await store.save_instruments(date(2026, 11, 25), b"a,b\n")
    await store._thread.call(  # type: ignore[attr-defined]
        lambda connection: connection.execute("UPDATE instrument_dump SET csv = x'00'")
    )
    with pytest.raises(StoreUnreadable, match="contracts of 2026-11-25"):
        await store.load_instruments()
    await store.close()


async def test_a_store_in_memory(clock: ManualClock) -> None:
    store = await open_store(":memory:", clock)
    await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=EXPIRY)
    assert len(await store.list_active()) == 1
    assert not isinstance(await store.claim_account("Z1"), Owner)
    assert await store.backup() is None
    assert ":memory:" in repr(store)
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.get(1)


# ---------------------------------------------------------------------- cancelled calls

LONG = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 100000000) SELECT COUNT(*) FROM c"


async def test_a_cancelled_statement_is_interrupted_and_its_transaction_undone() -> None:
    thread = SqliteThread(open_memory(), "here")

    def write() -> Operation[None]:
        yield Statement("UPDATE store_state SET revision = 99")
        yield Statement(LONG)

    with anyio.move_on_after(0.1) as scope:
        await thread.run(write(), writes=True)
    assert scope.cancelled_caught
    with anyio.fail_after(5):
        assert await thread.run(read_revision(), writes=False) == 0
        await thread.close()


async def test_a_call_that_is_cancelled_while_another_is_being_given_up_never_runs() -> None:
    thread = SqliteThread(open_memory(), "here")
    begun, let_go, ran = threading.Event(), threading.Event(), list[str]()

    def stuck(connection: apsw.Connection) -> None:
        begun.set()
        let_go.wait(10)

    try:
        with anyio.CancelScope() as first:
            async with anyio.create_task_group() as group:
                group.start_soon(thread.call, stuck)
                await wait_until(begun.is_set, "the first call has begun")
                first.cancel()
        with anyio.move_on_after(0.1) as second:
            await thread.call(lambda connection: ran.append("second"))
        assert second.cancelled_caught
    finally:
        let_go.set()
    await thread.call(lambda connection: ran.append("third"))
    assert ran == ["third"]
    await thread.close()
    with pytest.raises(StoreError, match="here is closed already"):
        await thread.call(lambda connection: ran.append("fourth"))


async def test_time_is_kept_to_the_microsecond(location: str, clock: ManualClock) -> None:
    clock.set(START + timedelta(microseconds=123_457))
    store = await open_store(location, clock)
    await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=None)
    record = await store.get(1)
    assert record is not None
    assert record.created_at == START + timedelta(microseconds=123_457)
    await store.close()


# ---------------------------------------------------------------------- migrations


def migrations_with(monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    """Let the program know one more schema version."""
    steps = load_migrations("sqlite")
    more = (*steps, Migration(len(steps) + 1, "9999_next.sql", sql))
    monkeypatch.setattr("tickertui.store.sqlite_files.load_migrations", lambda kind: more)


async def test_a_migration_is_preceded_by_a_backup(
    location: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = await make_store(location, clock)
    migrations_with(monkeypatch, "ALTER TABLE rules ADD COLUMN note TEXT NOT NULL DEFAULT ''")
    assert await count(location, clock) == 3
    with sqlite3.connect(location) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(load_migrations("sqlite")) + 1,)
        assert connection.execute("SELECT COUNT(*) FROM pragma_table_info('rules') WHERE name = 'note'").fetchone()
    connection.close()
    (backup,) = files.list_backups()
    with sqlite3.connect(backup) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(load_migrations("sqlite")),)
    connection.close()
    monkeypatch.undo()
    with pytest.raises(StoreNewer):
        await open_store(location, clock)


async def test_a_migration_that_fails_changes_nothing(
    location: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_store(location, clock)
    migrations_with(monkeypatch, "DROP TABLE rules; SELECT nonsense FROM nowhere")
    with pytest.raises(StoreError, match="nowhere"):
        await open_store(location, clock)
    monkeypatch.undo()
    assert await count(location, clock) == 3


async def test_content_that_is_gone_is_not_taken_for_a_new_store(location: str, clock: ManualClock) -> None:
    store = await open_store(location, clock)
    await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=None)
    await store.backup()
    await store.close()
    files = StoreFiles(Path(location))
    files.database.unlink()
    with pytest.raises(StoreUnreadable, match="lost its content"):
        await open_store(location, clock)
    assert recover(files.database, clock.now()).restored_from is not None
    assert await count(location, clock) == 1


async def test_claims_that_cannot_be_written(location: str, clock: ManualClock) -> None:
    store = await open_store(location, clock)
    StoreFiles(Path(location)).claims.touch()
    with pytest.raises(StoreError, match="cannot be written"):
        await store.claim_account("Z1")
    await store.close()


async def test_a_backup_that_cannot_be_written(location: str, clock: ManualClock) -> None:
    store = await open_store(location, clock)
    StoreFiles(Path(location)).backups.touch()
    with pytest.raises(StoreError, match="could not be written"):
        await store.backup()
    await store.close()


@pytest.mark.parametrize(
    "error, kind",
    [
        (apsw.IOError("disk I/O error"), StoreError),
        (apsw.CantOpenError("unable to open"), StoreUnreadable),
        (apsw.CorruptError("malformed"), StoreUnreadable),
        (apsw.LockedError("locked"), StoreBusy),
        (apsw.ConstraintError("CHECK failed"), StoreError),
    ],
)
def test_errors_are_told_in_one_sentence(error: apsw.Error, kind: type[StoreError]) -> None:
    told = translated(error, "tickertui.db")
    assert type(told) is kind
    assert str(told).startswith(("tickertui.db", "the disk"))
    assert "\n" not in str(told)
