"""`find_foreign`: which of the stored contracts and days are not the broker's own.

Before stores knew whose data they hold, a simulator or a mock could write into the broker's. `tickertui.services.
contracts.store_owner` asks once, when the broker's store is claimed. Evidence is what the broker cannot have: contracts
numbered as the bundled universe numbers them, contracts that its own kept dump does not list, and days to come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.kite.instruments_csv import DumpError, parse_dump
from tickertui.market.instruments import InstrumentTable
from tickertui.market.universe import (
    BLOCKS_PER_UNDERLYING,
    FUTURES_BLOCK,
    MADE_UP_FROM,
    NUMBERS_PER_BLOCK,
    SEGMENT_CODES,
    Universe,
    universe_instruments,
)
from tickertui.store.identity import LATEST, ForeignData, HistoryRegion
from tickertui.store.protocol import ContractKey

_FEWEST: Final = 8
"""Contracts of one expiry with made-up numbers that prove a simulator: a rule around the money has many more."""
_LEAST_PART: Final = 0.9
"""Of the stored contracts with numbers of one made-up block: the broker's own numbers fall into blocks by
chance, at most one expiry in some hundreds whole; where the broker's list is kept, that decides."""
_LEAST_PART_OF_LIST: Final = 0.5
"""Of a list of contracts: of the broker's some in a hundred."""
_MOST_DAYS_SHUT: Final = 4
"""Days in a row without trading, between a stored day and the simulator's."""
_LEVELS: Final = (0.9, 1.0, 1.1)
"""Times the typical level: a simulated market wanders, and its strikes with it."""

_OPTION_CODES: Final = (SEGMENT_CODES["NFO"], SEGMENT_CODES["BFO"])


def find_foreign(
    stored: Mapping[ContractKey, Sequence[date]], dump: tuple[date, bytes] | None, universe: Universe, today: date
) -> ForeignData:
    """Return what of a store cannot be the broker's; empty where nothing is suspicious.

    Args:
        stored: Days with candles, ascending, by contract.
        dump: Trading day and CSV of the contracts that the store keeps.
        universe: Whose numbering a simulator and the mock use.
        today: The broker's day.
    """
    dump_day, csv = dump or (None, b"")
    made_up = _MadeUp(universe, _listing_days(stored, dump_day))
    table = _table(csv) if dump_day else None
    foreign_dump = dump_day is not None and (dump_day > today or (table is not None and made_up.is_of(table)))
    contracts, unlisted = made_up.among(stored), []
    if dump_day is not None and table is not None and not foreign_dump:
        contracts, unlisted = _not_in(contracts, table), _unlisted(stored, table, dump_day)
    foreign_days = sorted({day for contract in contracts for day in stored[contract]})
    regions = {contract: [HistoryRegion(*contract)] for contract in (*contracts, *unlisted)}
    for contract, held in stored.items():
        if contract not in regions:
            regions[contract] = list(_shared_days(contract, held, foreign_days, today))
    return ForeignData(
        "of another market: written by a simulator or a mock, or of days to come",
        [region for parts in regions.values() for region in parts],
        [*((day, day) for day in foreign_days if day <= today), (today + timedelta(days=1), LATEST)],
        foreign_dump,
    )


def _listing_days(stored: Mapping[ContractKey, Sequence[date]], dump_day: date | None) -> set[date]:
    """Days on which a simulator may have listed what is stored.

    After a day without trading the last stored day is earlier than that of the simulator's clock.
    """
    ends = {dump_day} if dump_day else set()
    for (_, expiry), held in stored.items():
        if expiry is not None:
            ends.update([day for day in held if day <= expiry][-1:])
    return {day + timedelta(days=later) for day in ends for later in range(_MOST_DAYS_SHUT + 1)}


def _shared_days(
    contract: ContractKey, held: Sequence[date], foreign_days: Sequence[date], today: date
) -> Sequence[HistoryRegion]:
    """Days to come; of an index also those of the simulator's, which uses the broker's numbers for them."""
    token, expiry = contract
    regions = []
    if expiry is None:
        regions = [HistoryRegion(token, expiry, day, _before_next(held, day)) for day in foreign_days if day <= today]
    if held[-1] > today:
        regions.append(HistoryRegion(token, expiry, today + timedelta(days=1)))
    return regions


def _before_next(held: Sequence[date], day: date) -> date:
    """Return the last day without trading behind a day: what was asked for to its end covers these too."""
    following = [other for other in held if other > day]
    end = day + timedelta(days=_MOST_DAYS_SHUT)
    return min(end, following[0] - timedelta(days=1)) if following else end


def _table(csv: bytes) -> InstrumentTable | None:
    try:
        return parse_dump(csv).table
    except DumpError:
        return None  # the registry says so when it wants to use it


def _keys(tokens: NDArray[np.int64], expiries: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number for token and expiry (its ordinal)."""
    return tokens << 24 | expiries


def _keys_of(table: InstrumentTable) -> NDArray[np.int64]:
    return _keys(table.tokens.astype(np.int64), table.expiries.astype(np.int64))


def _keys_of_contracts(contracts: Sequence[ContractKey]) -> NDArray[np.int64]:
    tokens = np.array([token for token, _ in contracts], dtype=np.int64)
    return _keys(tokens, np.array([expiry.toordinal() if expiry else 0 for _, expiry in contracts], dtype=np.int64))


def _not_in(contracts: Sequence[ContractKey], table: InstrumentTable) -> list[ContractKey]:
    listed = np.isin(_keys_of_contracts(contracts), _keys_of(table)).tolist()
    return [contract for contract, is_listed in zip(contracts, listed, strict=True) if not is_listed]


def _unlisted(stored: Mapping[ContractKey, Sequence[date]], table: InstrumentTable, day: date) -> list[ContractKey]:
    """Contracts that live on the day of the broker's dump and had candles before, and are not in it."""
    living = [
        contract
        for contract, held in stored.items()
        if contract[1] is not None and contract[1] >= day and held[-1] <= day
    ]
    return _not_in(living, table)


class _MadeUp:
    """The contracts that the bundled universe lists on some days, with strikes wherever its market may have been."""

    def __init__(self, universe: Universe, days: Iterable[date]) -> None:
        parts = [np.zeros(0, dtype=np.int64)]
        for day in days:
            for level in _LEVELS:
                spots = {row.name: row.spot * level for row in universe.underlyings}
                parts.append(_keys_of(universe_instruments(universe, day, spots)))
        keys = np.unique(np.concatenate(parts))
        self._keys = keys[(keys & 0xFF_FFFF) > 0]

    def is_of(self, table: InstrumentTable) -> bool:
        """Whether the living options of index exchanges in a table are mostly made up."""
        keys = _keys_of(table)[np.isin(table.tokens & 0xFF, _OPTION_CODES)]
        return len(keys) >= _FEWEST and bool(np.isin(keys, self._keys).mean() >= _LEAST_PART_OF_LIST)

    def among(self, stored: Mapping[ContractKey, Sequence[date]]) -> list[ContractKey]:
        """Return the made-up contracts among stored ones: of expiries with enough of them, and their futures."""
        contracts = [contract for contract in stored if contract[1] is not None]
        keys = _keys_of_contracts(contracts)
        blocks, tokens, expiries = _blocks(keys), keys >> 24, keys & 0xFF_FFFF
        of_expiry = _keys(blocks << 8 | tokens & 0xFF, expiries)
        is_made_up = np.isin(keys, self._keys)
        is_proven = np.zeros(len(keys), dtype=np.bool_)
        for group in np.unique(of_expiry[is_made_up]).tolist():
            inside = of_expiry == group
            found = int(is_made_up[inside].sum())
            if found >= _FEWEST and found >= _LEAST_PART * int(inside.sum()):
                is_proven |= inside
        underlyings = np.unique(blocks[is_proven] // BLOCKS_PER_UNDERLYING)
        is_future = blocks % BLOCKS_PER_UNDERLYING == FUTURES_BLOCK
        is_proven |= is_future & np.isin(blocks // BLOCKS_PER_UNDERLYING, underlyings)
        chosen = (is_made_up & is_proven).tolist()
        return [contract for contract, is_chosen in zip(contracts, chosen, strict=True) if is_chosen]


def _blocks(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the made-up block that each number falls into: an expiry of an underlying, or its futures."""
    return ((keys >> 32) - MADE_UP_FROM) // NUMBERS_PER_BLOCK
