"""`open_store`: picks the store that a location names. Called by the engine and the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tickertui.market.clock import Clock
from tickertui.store.protocol import Store, StoreError

_SERVER_PREFIXES: Final = ("postgresql://", "postgres://")


def is_server(location: str | Path) -> bool:
    """Return whether a location names a database server."""
    return str(location).startswith(_SERVER_PREFIXES)


async def open_store(location: str | Path, clock: Clock) -> Store:
    """Open the store at a location.

    Args:
        location: A path, ``:memory:``, or ``postgresql://...``.
        clock: Stamps what is written.

    Raises:
        StoreError: When it cannot be opened; one sentence, without the password.
    """
    if is_server(location):
        try:
            from tickertui.store.postgres import PostgresStore
        except ImportError as error:
            if (error.name or "").partition(".")[0] != "psycopg":
                raise
            raise StoreError(
                "store.url names a PostgreSQL server, but its driver is not installed; "
                "install it with `pip install 'tickertui[postgres]'`"
            ) from error
        return await PostgresStore.open(str(location), clock)
    from tickertui.store.sqlite import SqliteStore

    return await SqliteStore.open(location, clock)
