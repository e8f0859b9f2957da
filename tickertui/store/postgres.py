"""`PostgresStore`: the store on a server, when several machines share one desk's subscriptions.

The same operations as in SQLite, run on the event loop by psycopg. Needs the extra ``postgres``; runs on asyncio.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

import anyio
import psycopg
from psycopg.pq import TransactionStatus

from tickertui.market.clock import Clock
from tickertui.store.base import SqlStore, Watcher
from tickertui.store.operation import BulkInsert, Exclusive, Many, Operation, Request, Row
from tickertui.store.postgres_claims import PostgresClaims
from tickertui.store.postgres_server import Connection, PostgresServer
from tickertui.store.protocol import Claim, Owner, StoreError, StoreUnavailable
from tickertui.store.subscriptions import read_revision

T = TypeVar("T")

_CHANNEL: Final = "tickertui_changes"
_LISTEN_SECONDS: Final = 1.5
"""A notification is only a hint: the revision is read this often in any case."""
_RETRY_SECONDS: Final = (0.5, 1.0, 2.0, 5.0)
"""Pauses between attempts to reach a server that is away; the last one repeats."""
_BULK_ROWS: Final = 4_000
"""Rows of one statement of a bulk insert."""
_BEGIN_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_BEGIN_WRITE: Final = "BEGIN"


class PostgresStore(SqlStore):
    """A store on a PostgreSQL server; `open` makes one."""

    def __init__(self, server: PostgresServer, connection: Connection, clock: Clock) -> None:
        super().__init__(server.label, clock)
        self._server = server
        self._connection: Connection | None = connection
        self._lock = anyio.Lock()
        self._claims = PostgresClaims(server, clock)
        self._closed = False

    @classmethod
    async def open(cls, url: str, clock: Clock) -> PostgresStore:
        """Open a store, making or migrating its tables where needed.

        Args:
            url: ``postgresql://user:password@host:port/database``.
            clock: Stamps what is written.

        Raises:
            StoreUnavailable: When the server cannot be reached.
            StoreNewer: When a newer program wrote the tables.
            StoreError: When the address is wrong or the server refuses us; the password is not in the text.
        """
        server = PostgresServer(url)
        connection = await server.connect()
        try:
            await server.migrate(connection)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await connection.close()
            raise
        return cls(server, connection, clock)

    # ------------------------------------------------------------------ running operations

    async def _read(self, operation: Operation[T]) -> T:
        return await self._run(operation, _BEGIN_READ)

    async def _write(self, operation: Operation[T]) -> T:
        return await self._run(operation, _BEGIN_WRITE)

    async def _run(self, operation: Operation[T], begin: str) -> T:
        try:
            async with self._lock:
                connection = await self._begin(begin)
                try:
                    result = await _drive(connection, operation)
                    await connection.execute("COMMIT")
                    return result
                except psycopg.Error as error:
                    raise self._server.translated(error) from error
                finally:
                    await self._tidy(connection)
        finally:
            operation.close()

    async def _begin(self, begin: str) -> Connection:
        """Start a transaction, on a new connection where the old one turns out to be dead: nothing was sent yet."""
        if self._closed:
            raise StoreError(f"{self.label} is closed already")
        if self._connection is not None:
            try:
                await self._connection.execute(begin)
                return self._connection
            except psycopg.OperationalError as error:
                await self._tidy(self._connection)
                if self._connection is not None:
                    raise self._server.translated(error) from error
        self._connection = await self._server.connect()
        try:
            await self._connection.execute(begin)
        except psycopg.Error as error:
            raise self._server.translated(error) from error
        return self._connection

    async def _tidy(self, connection: Connection) -> None:
        """Roll back what an error or a cancellation left behind; a connection that is not clean then is dropped."""
        if not connection.closed and connection.info.transaction_status is TransactionStatus.IDLE:
            return
        with anyio.CancelScope(shield=True):
            try:
                if not connection.closed and connection.info.transaction_status is not TransactionStatus.ACTIVE:
                    await connection.execute("ROLLBACK")
                    return
            except psycopg.Error:
                pass
            self._connection = None
            await connection.close()

    # ------------------------------------------------------------------ other processes

    async def changes(self) -> AsyncGenerator[int]:
        """Yield the revision whenever others have changed it, and after each reconnection; see `Store.changes`."""
        try:
            watcher = Watcher(await self._read(read_revision()))
        except StoreUnavailable:
            watcher = Watcher(-1)  # then the first revision that can be read is news
        listener = _Listener(self._server)
        self._watchers.append(watcher)
        failures = 0
        try:
            while True:
                try:
                    is_new = await listener.wait()
                    await self._claims.check()
                    revision = await self._read(read_revision())
                except StoreUnavailable:
                    await listener.close()
                    await self._claims.check()
                    await anyio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
                    failures += 1
                    continue
                if revision != watcher.seen or (is_new and failures):
                    watcher.seen, failures = revision, 0
                    yield revision
        finally:
            self._watchers.remove(watcher)
            await listener.close()

    async def claim_account(self, account: str) -> Claim | Owner:
        """Take an account for this machine, or say who has it."""
        return await self._claims.claim(account)

    async def backup(self) -> Path | None:
        """Return None: who runs the server backs it up."""
        return None

    async def close(self) -> None:
        """Close the connections; the claims end with theirs."""
        self._closed = True
        await self._claims.close()
        with anyio.CancelScope(shield=True):
            async with self._lock:
                connection, self._connection = self._connection, None
                if connection is not None:
                    await connection.close()


class _Listener:
    """A connection that hears of changes at once."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._connection: Connection | None = None

    async def wait(self) -> bool:
        """Return after a notification or a second and a half; whether the connection is a new one.

        Raises:
            StoreUnavailable: When the server cannot be reached or has gone.
        """
        try:
            if self._connection is None:
                self._connection = await self._server.connect()
                await self._connection.execute(f"LISTEN {_CHANNEL}")
                return True
            async for _ in self._connection.notifies(timeout=_LISTEN_SECONDS, stop_after=1):
                pass
        except psycopg.Error as error:
            raise StoreUnavailable(str(self._server.translated(error))) from error
        return False

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with anyio.CancelScope(shield=True):
                await connection.close()


async def _drive(connection: Connection, operation: Operation[T]) -> T:
    try:
        request = next(operation)
        while True:
            request = operation.send(await _execute(connection, request))
    except StopIteration as done:
        result: T = done.value
        return result


async def _execute(connection: Connection, request: Request) -> list[Row]:
    if isinstance(request, Many):
        async with connection.cursor() as cursor:
            await cursor.executemany(_dialect(request.sql), request.rows)
        return []
    if isinstance(request, BulkInsert):
        await _bulk_insert(connection, request)
        return []
    if isinstance(request, Exclusive):
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"tickertui:{request.name}",)
        )
        return []
    cursor = await connection.execute(_dialect(request.sql), request.values or None)
    return await cursor.fetchall() if cursor.description else []


async def _bulk_insert(connection: Connection, request: BulkInsert) -> None:
    """Insert through arrays: one statement for thousands of rows, each array as text.

    For 2,000 candles that takes 5 ms of CPU here in all; with the driver's conversion of lists it was 17, most of it in
    one piece on the event loop.
    """
    arrays = ", ".join(["%s::bigint[]"] * len(request.columns))
    statement = (
        f"INSERT INTO {request.table} AS old ({', '.join(request.columns)}) "  # noqa: S608 - constants of this package
        f"SELECT * FROM unnest({arrays}) ON CONFLICT {request.conflict}"
    ).encode()
    for first in range(0, len(request.data[0]), _BULK_ROWS):
        rows = slice(first, first + _BULK_ROWS)
        await connection.execute(statement, ["{" + ",".join(map(str, column[rows])) + "}" for column in request.data])


@lru_cache(maxsize=256)
def _dialect(sql: str) -> bytes:
    """Return a statement with this driver's marks; none of ours holds a literal question mark or percent sign."""
    return sql.replace("?", "%s").encode()
