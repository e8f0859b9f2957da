"""`SqliteThread`: one SQLite connection, used from worker threads by one call at a time.

apsw's own asynchronous mode is not used, for three reasons seen with apsw 3.54.1 and anyio: the deadline of a
surrounding ``move_on_after`` often surfaces as a `TimeoutError` instead of ending the block; a cancelled call that
waits for another process's lock keeps the connection until the busy timeout; and its thread keeps a program alive
whose connection was not closed. Here a cancelled call is interrupted, also while it waits for a lock, and rolled back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

import anyio
import apsw
from anyio import to_thread

from tickertui.store.operation import BulkInsert, Exclusive, Many, Operation, Request, Row
from tickertui.store.protocol import StoreBusy, StoreError, StoreFull, StoreUnreadable

T = TypeVar("T")

BUSY_SECONDS: Final = 5.0
"""How long a transaction waits for another process that is writing."""
_BUSY_POLL: Final = 0.005
_PROGRESS_STEPS: Final = 20_000
"""Steps of SQLite's virtual machine between two looks at a cancellation: a millisecond or so."""


class _Call:
    """One call, as the worker thread and the event loop both see it."""

    __slots__ = ("cancelled", "waiting_since")

    def __init__(self) -> None:
        self.cancelled = False
        self.waiting_since: float | None = None


class SqliteThread:
    """Runs operations on one connection.

    Args:
        connection: Nobody else uses it.
        label: For error messages.
        busy_seconds: See `BUSY_SECONDS`.
    """

    def __init__(self, connection: apsw.Connection, label: str, busy_seconds: float = BUSY_SECONDS) -> None:
        self._connection = connection
        self._label = label
        self._busy_seconds = busy_seconds
        # The limiter is given back as soon as a call is cancelled, the lock when its thread is really done.
        self._limiter = anyio.CapacityLimiter(1)
        self._lock = threading.Lock()
        self._current: _Call | None = None
        self._closed = False
        connection.set_progress_handler(self._is_cancelled, _PROGRESS_STEPS)
        connection.set_busy_handler(self._keep_waiting)

    async def run(self, operation: Operation[T], *, writes: bool) -> T:
        """Run an operation as one transaction.

        A cancelled call either was committed or has changed nothing.

        Raises:
            StoreError: In the words of `sentence`.
        """
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        return await self.call(lambda connection: _transaction(connection, operation, begin))

    async def call(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run a function on the connection in a worker thread.

        Raises:
            StoreError: In the words of `sentence`.
        """
        call = _Call()
        try:
            return await to_thread.run_sync(self._perform, work, call, limiter=self._limiter, abandon_on_cancel=True)
        except anyio.get_cancelled_exc_class():
            call.cancelled = True
            raise
        except apsw.Error as error:
            raise translated(error, self._label) from error

    async def close(self) -> None:
        """Close the connection, after the call that is running."""
        if self._closed:
            return
        self._closed = True
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self._close_connection, limiter=self._limiter)

    def _close_connection(self) -> None:
        with self._lock:
            self._connection.close(True)

    def _perform(self, work: Callable[[apsw.Connection], T], call: _Call) -> T:
        with self._lock:
            if call.cancelled:
                raise apsw.InterruptError("cancelled before it began")
            if self._closed:
                raise StoreError(f"{self._label} is closed already")
            self._current = call
            try:
                return work(self._connection)
            finally:
                self._current = None

    def _is_cancelled(self) -> bool:
        return self._current is not None and self._current.cancelled

    def _keep_waiting(self, tries: int) -> bool:
        """Tell SQLite whether to try again for a lock that another process holds."""
        call, now = self._current, time.monotonic()
        if call is None or call.cancelled:
            return False
        if tries == 0 or call.waiting_since is None:
            call.waiting_since = now
        if now - call.waiting_since >= self._busy_seconds:
            return False
        time.sleep(_BUSY_POLL)
        return True


def _transaction(connection: apsw.Connection, operation: Operation[T], begin: str) -> T:
    try:
        connection.execute(begin)
        try:
            result = drive(connection, operation)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result
    finally:
        operation.close()


def drive(connection: apsw.Connection, operation: Operation[T]) -> T:
    """Run an operation on a connection; the transaction is the caller's."""
    try:
        request = next(operation)
        while True:
            request = operation.send(_execute(connection, request))
    except StopIteration as done:
        result: T = done.value
        return result


def _execute(connection: apsw.Connection, request: Request) -> list[Row]:
    if isinstance(request, Many):
        connection.executemany(request.sql, request.rows)
        return []
    if isinstance(request, BulkInsert):
        marks = ", ".join("?" * len(request.columns))
        connection.executemany(
            f"INSERT INTO {request.table} AS old ({', '.join(request.columns)}) VALUES ({marks}) "  # noqa: S608
            f"ON CONFLICT {request.conflict}",
            zip(*request.data, strict=True),
        )
        return []
    if isinstance(request, Exclusive):
        return []
    # Not fetchall(): row by row the event loop gets its turn at the interpreter.
    return [row for row in connection.execute(request.sql, request.values)]  # noqa: C416


def translated(error: apsw.Error, label: str) -> StoreError:
    """Return an error of SQLite as one of ours, in one sentence."""
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return StoreBusy(f"{label} is in use by another process that does not let go; try again in a moment")
    if isinstance(error, apsw.FullError):
        return StoreFull(f"the disk is full, {label} could not be written; free some space and try again")
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return StoreUnreadable(f"{label} is damaged ({error}); start `tickertui store recover` to go back to a backup")
    if isinstance(error, apsw.CantOpenError | apsw.PermissionsError | apsw.ReadOnlyError | apsw.AuthError):
        return StoreUnreadable(f"{label} cannot be opened for writing ({error}); check its folder and permissions")
    if isinstance(error, apsw.IOError):
        return StoreError(f"the disk failed while {label} was used ({error}); check the disk")
    return StoreError(f"{label} refused a change ({error})")
