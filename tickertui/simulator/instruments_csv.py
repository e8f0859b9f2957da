"""The instruments dump as the broker serves it: CSV, whole or of one exchange, made once a day and kept compressed."""

from __future__ import annotations

import gzip
import hashlib
from datetime import date
from typing import Final

import anyio.to_thread
import numpy as np

from tickertui.kite.instruments_csv import format_instruments
from tickertui.market.instruments import InstrumentTable
from tickertui.simulator.listing import select
from tickertui.simulator.market import SimulatedMarket

_FAST: Final = 1


class Dump:
    """Dumps of the market's contracts; written anew when these change.

    Args:
        market: Whose contracts.
    """

    def __init__(self, market: SimulatedMarket) -> None:
        self._market = market
        self._table: InstrumentTable | None = None
        self._written: dict[str | None, bytes] = {}

    @property
    def count(self) -> int:
        """Contracts."""
        return len(self._market.instruments)

    def etag(self, day: date) -> str:
        """Return what changes with each dump."""
        return hashlib.sha256(f"{day} {self.count}".encode()).hexdigest()[:32]

    async def csv(self, exchange: str | None) -> bytes:
        """Return the dump of an exchange or of all; only the header for an exchange that the market does not list."""
        table = self._market.instruments
        if table is not self._table:
            self._table, self._written = table, {}
        if exchange not in self._written:
            # 40,000 contracts take about 0.15 s: not on the event loop.
            self._written[exchange] = await anyio.to_thread.run_sync(_write, table, exchange)
        return self._written[exchange]


async def compressed(content: bytes) -> bytes:
    """Return gzip of it."""
    return await anyio.to_thread.run_sync(_compress, content)


def _compress(content: bytes) -> bytes:
    return gzip.compress(content, _FAST, mtime=0)


def _write(table: InstrumentTable, exchange: str | None) -> bytes:
    if exchange is None:
        return format_instruments(table)
    rows = [row for row, name in enumerate(table.exchanges) if name == exchange]
    return format_instruments(select(table, np.array(rows, dtype=np.intp)))
