"""The files of a SQLite store: opening, checking, migrating, backing up, and going back to a backup.

Everything here blocks and is called in a worker thread. Beside the database ``NAME`` lie SQLite's own ``NAME-wal`` and
``NAME-shm``, and a folder ``NAME.d`` with the backups, the locks, and a marker that the database was in use once: a
database that lost its content looks like a new one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import apsw

from tickertui.frozen import frozen
from tickertui.process.atomic_write import replacing
from tickertui.store.file_locks import FileLock
from tickertui.store.migrations import load_migrations, pending
from tickertui.store.protocol import StoreBusy, StoreError, StoreUnreadable
from tickertui.store.sqlite_thread import BUSY_SECONDS, translated

APPLICATION_ID: Final = 0x54494B54
"""ASCII "TIKT", in the header of every database of this program."""
_HEADER: Final = b"SQLite format 3\x00"
_BACKUPS: Final = 3
"""How many are kept."""
_BACKUP_PAGES: Final = 2_000
"""Pages copied between two looks at other users of the database: 8 MB, some 10 ms."""


@frozen
class StoreFiles:
    """Paths of one store.

    Attributes:
        database: The database itself.
    """

    database: Path

    @property
    def folder(self) -> Path:
        """What belongs to it."""
        return self.database.with_name(self.database.name + ".d")

    @property
    def backups(self) -> Path:
        """Folder of the backups."""
        return self.folder / "backups"

    @property
    def claims(self) -> Path:
        """Folder of the locks of accounts."""
        return self.folder / "accounts"

    @property
    def marker(self) -> Path:
        """Exists since the database has had content."""
        return self.folder / "initialised"

    @property
    def in_use(self) -> Path:
        """Locked, shared, by every process that has the database open."""
        return self.folder / "in-use.lock"

    def with_logs(self) -> tuple[Path, ...]:
        """The database and what SQLite keeps beside it."""
        return tuple(self.database.with_name(self.database.name + end) for end in ("", "-wal", "-shm"))

    def list_backups(self) -> list[Path]:
        """Backups, newest first."""
        return sorted(self.backups.glob("*.db"), reverse=True)


@frozen
class Recovery:
    """What `recover` did.

    Attributes:
        moved_to: Where the damaged database lies now, None where there was none.
        restored_from: The backup that took its place, None where no backup was readable.
    """

    moved_to: Path | None
    restored_from: Path | None

    def describe(self) -> str:
        """One sentence for the trader."""
        moved = f"the damaged database was kept as {self.moved_to}" if self.moved_to else "there was no database"
        if self.restored_from is None:
            return f"{moved}; there was no readable backup, so the next start begins with an empty one"
        return f"{moved}; the backup {self.restored_from.name} took its place, later changes are only in the former"


def open_database(files: StoreFiles, now: datetime) -> tuple[apsw.Connection, FileLock]:
    """Open a database, new or not, checked and of this program's schema.

    Returns:
        The connection, and the lock that says that it is in use.

    Raises:
        StoreUnreadable: When it cannot be used.
        StoreNewer: When a newer program wrote it.
        StoreBusy: When it is being restored.
    """
    lock = _lock_for_use(files)
    connection: apsw.Connection | None = None
    try:
        _check_header(files)
        connection = apsw.Connection(str(files.database))
        _configure(connection)
        _check_content(connection, files)
        migrate(connection, str(files.database), partial(back_up, connection, files, now))
        files.marker.touch()
    except apsw.Error as error:
        _give_up(connection, lock)
        raise translated(error, str(files.database)) from error
    except BaseException:
        _give_up(connection, lock)
        raise
    return connection, lock


def _give_up(connection: apsw.Connection | None, lock: FileLock) -> None:
    if connection is not None:
        connection.close(True)
    lock.release()


def open_memory() -> apsw.Connection:
    """Open a database that lives as long as its connection."""
    connection = apsw.Connection(":memory:")
    connection.pragma("foreign_keys", True)
    migrate(connection, "the store in memory", None)
    return connection


def _lock_for_use(files: StoreFiles) -> FileLock:
    lock = FileLock(files.in_use)
    try:
        files.folder.mkdir(parents=True, exist_ok=True)
        free = lock.acquire(shared=True)
    except OSError as error:
        raise StoreUnreadable(
            f"the folder {files.folder.parent} of the database cannot be written ({error.strerror}); "
            "check its permissions, or choose another place with store.url"
        ) from error
    if not free:
        raise StoreBusy(f"{files.database} is being restored from a backup; try again in a moment")
    return lock


def _check_header(files: StoreFiles) -> None:
    """Refuse what SQLite would take for a new database or would not take at all, in words that help."""
    try:
        with files.database.open("rb") as file:
            header = file.read(len(_HEADER))
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreUnreadable(f"{files.database} cannot be read ({error.strerror}); check its permissions") from error
    if not header and files.marker.exists() and not files.with_logs()[1].exists():
        raise StoreUnreadable(
            f"{files.database} is empty although it was in use; start `tickertui store recover` to go back to a backup"
        )
    if header and header != _HEADER:
        raise StoreUnreadable(
            f"{files.database} is not a SQLite database; start `tickertui store recover` to go back to a backup, "
            "or choose another place with store.url"
        )


def _configure(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(round(BUSY_SECONDS * 1000))
    connection.pragma("journal_mode", "wal")
    # FULL: a commit survives a power cut, at 0.4 ms each here; NORMAL could lose the last ones.
    connection.pragma("synchronous", "full")
    connection.pragma("foreign_keys", True)
    connection.pragma("trusted_schema", False)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)


def _check_content(connection: apsw.Connection, files: StoreFiles) -> None:
    application = connection.pragma("application_id")
    is_new = not application and not connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    if is_new:
        if files.marker.exists() and files.list_backups():
            raise StoreUnreadable(
                f"{files.database} has lost its content; start `tickertui store recover` to go back to a backup, "
                f"or delete the folder {files.folder} to begin anew"
            )
        return
    if application != APPLICATION_ID:
        raise StoreUnreadable(f"{files.database} belongs to another program; choose another place with store.url")
    if (found := connection.pragma("quick_check")) != "ok":
        first = found if isinstance(found, str) else found[0]
        raise StoreUnreadable(
            f"{files.database} is damaged ({str(first).strip().splitlines()[-1]}); "
            "start `tickertui store recover` to go back to a backup"
        )


def migrate(connection: apsw.Connection, label: str, before: Callable[[], object] | None) -> None:
    """Bring a database to this program's schema, each step one transaction.

    Args:
        connection: Of the database.
        label: For error messages.
        before: Called before the first step on a database that has content; None for nothing.

    Raises:
        StoreNewer: When it is newer.
    """
    steps = load_migrations("sqlite")
    version = connection.pragma("user_version")
    missing = pending(steps, version, label)
    if version and missing and before is not None:
        before()
    for step in missing:
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have taken this step while we waited for our turn.
            if connection.pragma("user_version") == step.version - 1:
                connection.execute(step.sql)
                connection.pragma("application_id", APPLICATION_ID)
                connection.pragma("user_version", step.version)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    pending(steps, connection.pragma("user_version"), label)


def back_up(connection: apsw.Connection, files: StoreFiles, now: datetime) -> Path:
    """Copy a database that is in use, and drop all but the latest three copies.

    Raises:
        StoreError: When the copy cannot be written.
    """
    target = files.backups / f"{now:%Y%m%dT%H%M%S}-{now.microsecond:06d}.db"
    unfinished = target.with_suffix(".unfinished")
    try:
        files.backups.mkdir(parents=True, exist_ok=True)
        _copy(connection, unfinished)
        unfinished.replace(target)
        for old in files.list_backups()[_BACKUPS:]:
            old.unlink()
    except OSError as error:
        raise StoreError(f"the backup {target} could not be written ({error.strerror})") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
    return target


def _copy(source: apsw.Connection, path: Path) -> None:
    path.unlink(missing_ok=True)
    copy = apsw.Connection(str(path))
    try:
        with copy.backup("main", source, "main") as backup:
            while not backup.done:
                backup.step(_BACKUP_PAGES)
        # A copy of a WAL database is one as well; as a single file it can be moved and read anywhere.
        copy.pragma("journal_mode", "delete")
    except apsw.Error as error:
        raise translated(error, str(path)) from error
    finally:
        copy.close(True)


def recover(path: Path, now: datetime) -> Recovery:
    """Put a damaged database aside and the newest readable backup in its place.

    Nothing is deleted: the damaged files are kept with ``.corrupt-`` and the time in their names.

    Args:
        path: Of the database.
        now: Aware; for the name.

    Raises:
        StoreBusy: While a process has the database open.
        StoreError: When the files cannot be moved or copied.
    """
    files = StoreFiles(path)
    lock = FileLock(files.in_use)
    try:
        files.folder.mkdir(parents=True, exist_ok=True)
        if not lock.acquire():
            raise StoreBusy(f"{path} is open in a running tickertui; quit it and try again")
        moved_to = _put_aside(files, now)
        restored = next((backup for backup in files.list_backups() if _is_sound(backup)), None)
        if restored is None:
            files.marker.unlink(missing_ok=True)
        else:
            _put_in_place(restored, path)
        return Recovery(moved_to, restored)
    except OSError as error:
        raise StoreError(f"{path} could not be restored ({error.strerror}: {error.filename})") from error
    finally:
        lock.release()


def _put_aside(files: StoreFiles, now: datetime) -> Path | None:
    stamp = f".corrupt-{now:%Y%m%dT%H%M%S}"
    moved = None
    for file in files.with_logs():
        if file.exists():
            target = files.database.with_name(f"{files.database.name}{stamp}{file.name[len(files.database.name) :]}")
            os.replace(file, target)
            moved = moved or target
    return moved


def _put_in_place(backup: Path, path: Path) -> None:
    with backup.open("rb") as copy, replacing(path) as file:
        shutil.copyfileobj(copy, file)


def _is_sound(path: Path) -> bool:
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    except apsw.Error:
        return False
    try:
        found = connection.pragma("application_id"), connection.pragma("quick_check")
        return found == (APPLICATION_ID, "ok")
    except apsw.Error:
        return False
    finally:
        connection.close(True)
