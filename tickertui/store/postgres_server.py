"""One PostgreSQL server and database: connecting to it, its schema, and its errors in our words."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import conninfo, errors

from tickertui.store.migrations import load_migrations, pending
from tickertui.store.protocol import StoreBusy, StoreError, StoreFull, StoreUnavailable, StoreUnreadable

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

SCHEMA: Final = "tickertui"
_CONNECT_SECONDS: Final = 5
_LOCK_SECONDS: Final = 5
"""How long a statement waits for another's lock."""

# A machine that sleeps or loses its network is noticed after 10 + 3 x 5 = 25 s instead of the 2 h 11 min of the
# defaults; the claims of its accounts are free from then on. Both ends watch.
_KEEPALIVE_IDLE: Final = 10
_KEEPALIVE_INTERVAL: Final = 5
_KEEPALIVE_COUNT: Final = 3
_CLIENT_SETTINGS: Final[dict[str, Any]] = {
    "connect_timeout": _CONNECT_SECONDS,
    "application_name": "tickertui",
    "keepalives": 1,
    "keepalives_idle": _KEEPALIVE_IDLE,
    "keepalives_interval": _KEEPALIVE_INTERVAL,
    "keepalives_count": _KEEPALIVE_COUNT,
    "tcp_user_timeout": 25_000,
}
_SERVER_SETTINGS: Final = {
    "search_path": SCHEMA,
    "lock_timeout": f"{_LOCK_SECONDS}s",
    "tcp_keepalives_idle": str(_KEEPALIVE_IDLE),
    "tcp_keepalives_interval": str(_KEEPALIVE_INTERVAL),
    "tcp_keepalives_count": str(_KEEPALIVE_COUNT),
    "client_min_messages": "warning",
}


_POOLER_LOOKS: Final = 3
"""A pool hands out the process that was used last, or the one that waits longest: a few looks meet either."""
_POOLED: Final = (
    "{} is a pooler that lends a connection for each transaction (pgbouncer: pool_mode=transaction), where one account "
    "would be streamed twice; let store.url name the server itself, or a pool with pool_mode=session"
)


class PostgresServer:
    """Makes connections.

    Args:
        url: ``postgresql://user:password@host:port/database``.

    Raises:
        StoreError: When the address cannot be read; it is not repeated, since it may hold a password.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            raise StoreError(
                "store.url is not an address of a PostgreSQL database; "
                "it looks like postgresql://user:password@host:5432/database"
            ) from None
        self._conninfo = conninfo.make_conninfo(**{**_CLIENT_SETTINGS, **parts})
        self._password = str(parts.get("password") or "")
        host = parts.get("host") or parts.get("hostaddr") or "local socket"
        port = f":{parts['port']}" if parts.get("port") else ""
        self._has_sessions = False
        self.label = f"PostgreSQL {host}{port}/{parts.get('dbname') or parts.get('user') or ''}"

    def __repr__(self) -> str:
        return f"PostgresServer({self.label})"

    async def connect(self) -> Connection:
        """Open a connection with our settings, each statement its own transaction unless BEGIN says otherwise.

        Raises:
            StoreUnavailable: When the server cannot be reached.
            StoreError: When it refuses us.
        """
        connection = await self._dial()
        try:
            if not self._has_sessions:
                await self._check_sessions(connection)
                self._has_sessions = True
            # In one statement: each is a trip to the server, which may be far away.
            values = [word for setting in _SERVER_SETTINGS.items() for word in setting]
            settings = ", ".join(["set_config(%s, %s, false)"] * len(_SERVER_SETTINGS))
            await connection.execute(f"SELECT {settings}".encode(), values)
        except BaseException as error:
            await connection.close()
            if isinstance(error, psycopg.Error):
                raise self.translated(error) from error
            raise
        return connection

    async def _dial(self) -> Connection:
        try:
            return await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        except psycopg.Error as error:
            raise self.translated(error) from error

    async def _check_sessions(self, connection: Connection) -> None:
        """Refuse a pooler that lends a server process for a transaction only, before anything is set or locked.

        An account is claimed by a lock of the session: there, the claims of two programs are those of one process, and
        both would stream. A pooler makes up the process number that the driver hears at the connect; only where it is
        made up is it looked at whether two connections get each other's process.

        Raises:
            StoreError: When it is one.
            psycopg.Error: When the server cannot be asked.
        """
        process = await _process_of(connection)
        if process == connection.info.backend_pid:
            return
        other = await self._dial()
        try:
            for _ in range(_POOLER_LOOKS):
                await other.execute("BEGIN")
                lent = await _process_of(other)
                still = await _process_of(connection)
                await other.execute("ROLLBACK")
                if lent == process or still != process:
                    raise StoreError(_POOLED.format(self.label))
        except errors.ProtocolViolation:
            # pgbouncer with pool_mode=statement allows no transactions at all.
            raise StoreError(_POOLED.format(self.label)) from None
        finally:
            await other.close()

    async def migrate(self, connection: Connection) -> None:
        """Bring the database to this program's schema.

        Raises:
            StoreNewer: When it is newer.
            StoreError: When we may not.
        """
        try:
            async with connection.transaction():
                # One at a time: two terminals may start together on a new database.
                await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('tickertui:migration', 0))")
                await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
                await connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
                row = await (await connection.execute("SELECT MAX(version) FROM schema_version")).fetchone()
                version = int(row[0] or 0) if row else 0
                for step in pending(load_migrations("postgres"), version, self.label):
                    await connection.execute(step.sql.encode())
                    await connection.execute("INSERT INTO schema_version (version) VALUES (%s)", (step.version,))
        except psycopg.Error as error:
            raise self.translated(error) from error

    def translated(self, error: psycopg.Error) -> StoreError:
        """Return an error of the server or its driver as one of ours, in one sentence without the password."""
        text = self._first_line(error)
        if isinstance(error, errors.LockNotAvailable | errors.DeadlockDetected | errors.QueryCanceled):
            return StoreBusy(f"{self.label} is busy with another terminal's change; try again in a moment")
        if isinstance(error, errors.DiskFull):
            return StoreFull(f"the disk of {self.label} is full; nothing was written")
        if isinstance(error, errors.DataCorrupted | errors.IndexCorrupted):
            return StoreUnreadable(f"{self.label} is damaged ({text}); ask who runs it for a backup")
        if isinstance(error, errors.InsufficientPrivilege):
            return StoreError(f"{self.label} refuses this user ({text}); it must own the schema {SCHEMA}")
        if isinstance(error, errors.InvalidPassword | errors.InvalidAuthorizationSpecification):
            return StoreError(f"{self.label} refuses this user ({text}); check user and password in store.url")
        if isinstance(error, psycopg.OperationalError):
            return StoreUnavailable(f"{self.label} cannot be reached ({text}); check that it runs and the network")
        return StoreError(f"{self.label} refused a change ({text})")

    def _first_line(self, error: psycopg.Error) -> str:
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return text.replace(self._password, "***") if self._password else text


async def _process_of(connection: Connection) -> int:
    """Return the number of the server process that answers just now."""
    row = await (await connection.execute("SELECT pg_backend_pid()", prepare=False)).fetchone()
    return int(row[0]) if row else 0
