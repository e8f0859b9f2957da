"""`PostgresClaims`: which machine streams which account, as advisory locks of one connection.

The server gives a lock back when its connection ends: at once when the process dies, after 25 s when the machine
sleeps or its network is gone. Our end looks at the connection whenever it is asked, so that a machine that wakes up
learns that another has taken its accounts.
"""

from __future__ import annotations

import os
import socket
from typing import Final

import anyio
import psycopg

from tickertui.market.clock import Clock
from tickertui.store.operation import instant_of_micros, micros
from tickertui.store.postgres_server import Connection, PostgresServer
from tickertui.store.protocol import Owner

_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended('tickertui:account:' || %s, 0))"
_UNLOCK: Final = "SELECT pg_advisory_unlock(hashtextextended('tickertui:account:' || %s, 0))"
_SIGN: Final = (
    "INSERT INTO account_owners (account, host, pid, since) VALUES (%s, %s, %s, %s) ON CONFLICT (account) "
    "DO UPDATE SET host = excluded.host, pid = excluded.pid, since = excluded.since"
)
_PROBE_SECONDS: Final = 10.0


class PostgresClaim:
    """An account that this process streams (`tickertui.store.protocol.Claim`)."""

    def __init__(self, account: str, claims: PostgresClaims) -> None:
        self._account = account
        self._claims = claims
        self.lost = False

    @property
    def account(self) -> str:
        """Account id."""
        return self._account

    @property
    def is_held(self) -> bool:
        """Whether it is still ours, as far as the connection was looked at."""
        return not self.lost

    async def release(self) -> None:
        """Give it back."""
        await self._claims.release(self)


class PostgresClaims:
    """All claims of this process.

    Args:
        server: Makes the connection that holds the locks.
        clock: Stamps when an account was taken.
    """

    def __init__(self, server: PostgresServer, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._connection: Connection | None = None
        self._held: dict[str, PostgresClaim] = {}
        self._lock = anyio.Lock()

    async def claim(self, account: str) -> PostgresClaim | Owner:
        """Take an account, or say who has it.

        Raises:
            StoreError: When the server cannot be asked.
        """
        async with self._lock:
            await self._probe()
            held = self._held.get(account)
            if held is not None:
                return held
            try:
                return await self._take(account)
            except psycopg.Error as error:
                await self._drop_connection()
                raise self._server.translated(error) from error

    async def check(self) -> None:
        """Look at the connection; claims of a broken one are lost. Called every few seconds."""
        async with self._lock:
            await self._probe()

    async def release(self, claim: PostgresClaim) -> None:
        """Give an account back."""
        async with self._lock:
            if claim.lost:
                return
            claim.lost = True
            self._held.pop(claim.account, None)
            if self._connection is None:
                return
            try:
                await self._connection.execute(_UNLOCK, (claim.account,))
            except psycopg.Error:
                await self._drop_connection()  # with its connection the lock is gone as well

    async def close(self) -> None:
        """Give everything back."""
        with anyio.CancelScope(shield=True):
            async with self._lock:
                await self._drop_connection()

    async def _take(self, account: str) -> PostgresClaim | Owner:
        if self._connection is None:
            self._connection = await self._server.connect()
        connection = self._connection
        row = await (await connection.execute(_LOCK, (account,))).fetchone()
        if row is None or not row[0]:
            return await self._owner(connection, account)
        now = micros(self._clock.now())
        await connection.execute(_SIGN, (account, socket.gethostname(), os.getpid(), now))
        claim = self._held[account] = PostgresClaim(account, self)
        return claim

    async def _owner(self, connection: Connection, account: str) -> Owner:
        cursor = await connection.execute("SELECT host, pid, since FROM account_owners WHERE account = %s", (account,))
        row = await cursor.fetchone()
        if row is None:  # it has the lock and has not signed yet
            return Owner("another machine", 0, self._clock.now())
        return Owner(row[0], row[1], instant_of_micros(row[2]))

    async def _probe(self) -> None:
        if self._connection is None:
            return
        alive = False
        try:
            with anyio.move_on_after(_PROBE_SECONDS):
                await self._connection.execute("SELECT 1")
                alive = True
        except psycopg.Error:
            pass
        finally:
            if not alive:
                await self._drop_connection()

    async def _drop_connection(self) -> None:
        for claim in self._held.values():
            claim.lost = True
        self._held.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            with anyio.CancelScope(shield=True):
                await connection.close()
