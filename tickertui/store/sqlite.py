"""`SqliteStore`: the store in one file on this machine.

Several processes may use it at once: each has one connection, one of them writes at a time, readers never wait. The
engine opens one through `tickertui.store.open.open_store`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import anyio
import apsw
from anyio import to_thread

from tickertui.market.clock import Clock
from tickertui.store.base import SqlStore, Watcher
from tickertui.store.file_locks import FileClaim, FileLock, claim_by_file
from tickertui.store.memory_claims import MemoryClaim
from tickertui.store.operation import Operation
from tickertui.store.protocol import Claim, Owner, StoreBusy, StoreError
from tickertui.store.sqlite_files import StoreFiles, back_up, open_database, open_memory
from tickertui.store.sqlite_thread import SqliteThread
from tickertui.store.subscriptions import read_revision

T = TypeVar("T")

MEMORY: Final = ":memory:"
"""Location of a store that is gone with its process (``--demo``)."""
_LOOK_SECONDS: Final = 0.5
"""How often the file is asked whether another process has written; a look costs some 0.1 ms."""


class SqliteStore(SqlStore):
    """A store in a SQLite file; `open` makes one."""

    def __init__(self, thread: SqliteThread, files: StoreFiles | None, in_use: FileLock | None, clock: Clock) -> None:
        super().__init__(MEMORY if files is None else str(files.database), clock)
        self._thread = thread
        self._files = files
        self._in_use = in_use
        self._claims: dict[str, FileClaim] = {}

    @classmethod
    async def open(cls, path: Path | str, clock: Clock) -> SqliteStore:
        """Open a store, making or migrating it where needed.

        Args:
            path: Of the database, or ``:memory:``.
            clock: Stamps what is written.

        Raises:
            StoreUnreadable: When the file is damaged, empty although it was in use, not ours, or not accessible.
            StoreNewer: When a newer program wrote it.
            StoreBusy: When it is being restored, or locked for too long.
        """
        if str(path) == MEMORY:
            return cls(SqliteThread(open_memory(), MEMORY), None, None, clock)
        # A cancellation is let in only afterwards: else a connection could be opened for nobody.
        files, connection, lock = await to_thread.run_sync(_open, Path(path), clock.now())
        return cls(SqliteThread(connection, str(files.database)), files, lock, clock)

    async def _read(self, operation: Operation[T]) -> T:
        return await self._thread.run(operation, writes=False)

    async def _write(self, operation: Operation[T]) -> T:
        return await self._thread.run(operation, writes=True)

    async def changes(self) -> AsyncGenerator[int]:
        """Yield the revision whenever another process has changed subscriptions or rules, within about a second."""
        watcher = Watcher(await self._read(read_revision()))
        self._watchers.append(watcher)
        try:
            version = -1
            while True:
                with suppress(StoreBusy):  # then the next look sees it
                    version, revision = await self._look(version)
                    if revision is not None and revision != watcher.seen:
                        watcher.seen = revision
                        yield revision
                await anyio.sleep(_LOOK_SECONDS)
        finally:
            self._watchers.remove(watcher)

    async def _look(self, version: int) -> tuple[int, int | None]:
        """Return a number that changes with each commit of another process, and the revision if it has changed."""
        now = await self._thread.call(_data_version)
        return now, None if now == version else await self._read(read_revision())

    async def claim_account(self, account: str) -> Claim | Owner:
        """Take an account for this process, or say who has it."""
        if self._files is None:
            return MemoryClaim(account)
        held = self._claims.get(account)
        if held is not None and held.is_held:
            return held
        try:
            claim = await to_thread.run_sync(claim_by_file, self._files.claims, account, self._clock.now())
        except OSError as error:
            raise StoreError(
                f"the folder {self._files.claims} cannot be written ({error.strerror}); check its permissions"
            ) from error
        if isinstance(claim, FileClaim):
            self._claims[account] = claim
        return claim

    async def backup(self) -> Path | None:
        """Copy the database while it is in use and keep the latest three copies; None for one in memory."""
        files = self._files
        if files is None:
            return None
        now = self._clock.now()
        return await self._thread.call(lambda connection: back_up(connection, files, now))

    async def close(self) -> None:
        """Close the database and give back all claims."""
        for claim in self._claims.values():
            await claim.release()
        self._claims.clear()
        await self._thread.close()
        if self._in_use is not None:
            self._in_use.release()


def _open(path: Path, now: datetime) -> tuple[StoreFiles, apsw.Connection, FileLock]:
    files = StoreFiles(path.expanduser().absolute())
    return files, *open_database(files, now)


def _data_version(connection: apsw.Connection) -> int:
    version: int = connection.pragma("data_version")
    return version
