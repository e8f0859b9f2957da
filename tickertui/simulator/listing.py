"""Which contracts the simulated exchange lists on which day, and the mock market over them.

``tickertui simulate`` builds a `ListedMarket` from the broker's own dump (`DumpContracts`) or from the bundled universe
(`BundledContracts`). When the simulated day changes, expired contracts leave the dump and new ones enter it, as they do
overnight at the broker.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable
from dataclasses import fields
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tickertui.kite.instruments_csv import DumpError, parse_dump
from tickertui.market.candles import Candles, Interval
from tickertui.market.instruments import InstrumentKind, InstrumentTable
from tickertui.market.ticks import TickBatch
from tickertui.market.underlying_names import listed_name
from tickertui.market.universe import Universe, universe_instruments
from tickertui.synthetic.market import MockMarket

_GZIP_MAGIC: Final = b"\x1f\x8b"
_FEWEST_STRIKES: Final = 5
"""A chain of fewer strikes says little about where its underlying stands."""
_REMEMBERED_DAYS: Final = 8

Spots = Callable[[str], float | None]


class ContractsUnreadable(Exception):  # noqa: N818 - it ends the command
    """A file of contracts cannot be used; the text is one sentence with the file in it."""


class Contracts(Protocol):
    """Knows what is listed."""

    def on(self, day: date, spots: Spots, listed: InstrumentTable | None) -> InstrumentTable:
        """Return the contracts of a day.

        Args:
            day: Of the simulated clock.
            spots: Level of an underlying now, None where it is not known.
            listed: What was listed on the day before, None on the first one.
        """
        ...


class BundledContracts:
    """The bundled universe; strikes stay listed until they expire, as at an exchange.

    Args:
        universe: Underlyings.
    """

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        self._days: dict[date, InstrumentTable] = {}

    def on(self, day: date, spots: Spots, listed: InstrumentTable | None) -> InstrumentTable:
        """See `Contracts`; a day that the clock is set back to has the contracts that it had."""
        table = self._days.pop(day, None) or self._made(day, spots, listed)
        self._days[day] = table
        if len(self._days) > _REMEMBERED_DAYS:
            del self._days[next(iter(self._days))]
        return table

    def _made(self, day: date, spots: Spots, listed: InstrumentTable | None) -> InstrumentTable:
        levels = {name: level for name in self._universe.names if (level := spots(name)) is not None}
        fresh = universe_instruments(self._universe, day, levels)
        return fresh if listed is None else joined(fresh, living(listed, day))


class DumpContracts:
    """The contracts of one of the broker's dumps, with the universe's indices where the dump lacks them.

    Args:
        table: The dump.
        universe: For the indices.
    """

    def __init__(self, table: InstrumentTable, universe: Universe) -> None:
        names = set(table.names)
        rows = [underlying.index for underlying in universe.underlyings if underlying.name in names]
        rows += [index.instrument for index in universe.other_indices]
        self._table = joined(InstrumentTable.from_instruments(rows), table)

    def on(self, day: date, spots: Spots, listed: InstrumentTable | None) -> InstrumentTable:
        """See `Contracts`."""
        return living(self._table, day)

    def levels(self, day: date) -> dict[str, float]:
        """Return about where each underlying stood: the middle strike of its nearest chain on a day."""
        table = living(self._table, day)
        found = {}
        for name in table.option_underlyings:
            if listed_name(name) != name and table.underlying_named(listed_name(name)) is not None:
                continue  # it follows the level of the one that has the bare name
            for expiry in table.expiries_of(name):
                chain = table.chain(name, expiry)
                if chain is not None and len(chain.strikes) >= _FEWEST_STRIKES:
                    found[name] = float(np.median(chain.strikes))
                    break
        return found


class ListedMarket:
    """The mock market, with the contracts of the simulated day.

    Args:
        market: What moves.
        contracts: What is listed.
    """

    def __init__(self, market: MockMarket, contracts: Contracts) -> None:
        self._market = market
        self._contracts = contracts
        self._day = market.now.date()

    @property
    def instruments(self) -> InstrumentTable:
        """See `tickertui.simulator.market.SimulatedMarket`."""
        return self._market.instruments

    def rows(self, tokens: Iterable[int]) -> NDArray[np.uint32]:
        """See `tickertui.simulator.market.SimulatedMarket`."""
        return self._market.rows(tokens)

    def step(self, now: datetime) -> TickBatch:
        """See `tickertui.simulator.market.SimulatedMarket`."""
        day = now.date()
        if day != self._day:
            # A clock that was set back returns to a day that knows nothing of the later one's contracts.
            listed = self.instruments if day > self._day else None
            self._day = day
            self._market.instruments = self._contracts.on(day, self._market.spot, listed)
        self._market.release_expired(now)
        return self._market.step(now)

    def candles(self, token: int, start: datetime, end: datetime, interval: Interval) -> Candles:
        """See `tickertui.simulator.market.SimulatedMarket`."""
        return self._market.candles(token, start, end, interval)


def read_contracts(path: Path) -> InstrumentTable:
    """Read one of the broker's instruments files, plain or gzip.

    Raises:
        ContractsUnreadable: When there is no such file or it is not such a dump.
    """
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP_MAGIC):
            content = gzip.decompress(content)
        return parse_dump(content).table
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not whole gzip"
        raise ContractsUnreadable(f"{path}: cannot be read: {reason}") from None
    except DumpError as error:
        raise ContractsUnreadable(f"{path}: {error}") from None


def living(table: InstrumentTable, day: date) -> InstrumentTable:
    """Return the contracts that have not expired before a day; what never expires stays."""
    alive = (table.expiries == 0) | (table.expiries >= day.toordinal())
    return table if alive.all() else select(table, np.flatnonzero(alive))


def select(table: InstrumentTable, rows: NDArray[np.intp]) -> InstrumentTable:
    """Return some rows of a table as a table."""
    listed = rows.tolist()
    chosen: dict[str, Any] = {
        name: column[rows] if isinstance(column, np.ndarray) else [column[row] for row in listed]
        for name, column in _columns(table).items()
    }
    return InstrumentTable(**chosen)


def joined(first: InstrumentTable, second: InstrumentTable) -> InstrumentTable:
    """Return the contracts of the first table and those of the second whose tokens are new."""
    fresh = np.flatnonzero(~np.isin(second.tokens, first.tokens))
    added = _columns(select(second, fresh))
    both: dict[str, Any] = {
        name: np.concatenate((column, added[name])) if isinstance(column, np.ndarray) else [*column, *added[name]]
        for name, column in _columns(first).items()
    }
    return InstrumentTable(**both)


def _columns(table: InstrumentTable) -> dict[str, Any]:
    return {field.name: getattr(table, field.name) for field in fields(table) if field.init}


def has_options(table: InstrumentTable) -> bool:
    """Return whether there is anything to watch a chain of."""
    return bool((table.kinds >= InstrumentKind.CALL).any())
