"""`renamings`: underlyings and shares that go by another name from one day to the next, under the same tokens.

`tickertui.services.contracts.differences` asks before it calls a token reused: a name that went over to another one as
a whole is the same underlying, single tokens under another name are other contracts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import ne
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.contract_terms import Renaming
from tickertui.market.instruments import InstrumentKind, InstrumentTable
from tickertui.market.underlying_names import listed_name

_RUN: Final = 512
_SERIES_LETTERS: Final = 2
"""Letters of a series of the National Stock Exchange (EQ, BE, SM)."""


class MatchedRows:
    """Rows of the tokens that are in both days' tables.

    Attributes:
        old: intp[n], rows in the earlier table.
        new: intp[n], rows in the later one.

    Args:
        before: The contracts of the earlier day.
        after: Those of the later one.
    """

    def __init__(self, before: InstrumentTable, after: InstrumentTable) -> None:
        _, old, new = np.intersect1d(before.tokens, after.tokens, return_indices=True)
        self.old, self.new = old.astype(np.intp), new.astype(np.intp)
        self._order = np.argsort(self.old)
        self._runs = list(_runs(self.old[self._order], self.new[self._order]))

    def differ(self, before: Sequence[str], after: Sequence[str]) -> NDArray[np.bool_]:
        """Return bool[n], where a column of texts is another one: at C's speed, a dump has 250,000 rows.

        Two days' dumps have most rows in the same order and most texts alike: runs of them are compared as a whole.
        """
        differ, place = np.zeros(len(self.old), dtype=np.bool_), 0
        for old, new, count in self._runs:
            was, now = before[old : old + count], after[new : new + count]
            if was != now:
                found = np.fromiter(map(ne, was, now), dtype=np.bool_, count=count)
                differ[self._order[place : place + count]] = found
            place += count
        return differ

    def pairs(self, where: NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
        """Yield (place, old row, new row) of some tokens."""
        places = np.flatnonzero(where)
        yield from zip(places.tolist(), self.old[places].tolist(), self.new[places].tolist(), strict=True)


def _runs(old: NDArray[np.intp], new: NDArray[np.intp]) -> Iterator[tuple[int, int, int]]:
    """Rows that follow each other in both tables, `_RUN` at most: first row of each and how many."""
    if not len(old):
        return iter(())
    begins = np.concatenate(([True], (np.diff(old) != 1) | (np.diff(new) != 1)))
    begins[::_RUN] = True
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=len(old))
    return zip(old[starts].tolist(), new[starts].tolist(), lengths.tolist(), strict=True)


@frozen
class Names:
    """What became of names.

    Attributes:
        renamed: For the screen, by old name.
        after: Old name of derivatives -> every name that they go by now; only what is gone under the old name.
    """

    renamed: tuple[Renaming, ...]
    after: Mapping[str, frozenset[str]]

    def is_same(self, before: str, after: str) -> bool:
        """Whether two names are the same underlying's, whatever tells their chains apart (exchange, series)."""
        was, now = listed_name(before), listed_name(after)
        return was == now or now in self.after.get(was, ())


def renamings(
    before: InstrumentTable,
    after: InstrumentTable,
    rows: MatchedRows,
    names_differ: NDArray[np.bool_],
    symbols_differ: NDArray[np.bool_],
) -> Names:
    """Find the names that became others.

    A share or an index with contracts is renamed when its symbol is another one; a series behind it (``XYZ-BE``) is no
    name. An underlying is renamed when no derivative goes by its name any more and tokens that did go by another one
    now. Names are those that the exchanges list: that a chain is ``BCD:NAME`` since another exchange lists it too
    renames nothing.

    Args:
        before: The contracts of the earlier day.
        after: Those of the later one.
        rows: The tokens that are in both.
        names_differ: bool[n], where the name is another one.
        symbols_differ: bool[n], where the trading symbol is.
    """
    counts: dict[str, dict[str, int]] = {}
    shares: dict[str, str] = {}
    expires = before.expiries[rows.old] > 0
    is_same_series = before.expiries[rows.old] == after.expiries[rows.new]
    for _, old, new in rows.pairs(names_differ & expires & is_same_series):
        was, now = listed_name(before.names[old]), listed_name(after.names[new])
        if was != now:
            count = counts.setdefault(was, {})
            count[now] = count.get(now, 0) + 1
    for _, old, new in rows.pairs(symbols_differ & ~expires & (before.kinds[rows.old] == after.kinds[rows.new])):
        was, now = (_without_series(symbol) for symbol in (before.symbols[old], after.symbols[new]))
        if was != now:
            shares[was] = now
    if not (counts or shares):
        return Names((), {})
    listed, listed_before = _underlyings(after), _underlyings(before)
    gone = {name: count for name, count in counts.items() if name not in listed}
    found = {
        name: Renaming(
            name,
            tuple(sorted(count)),
            sum(count.values()),
            is_clear=len(count) == 1 and listed_before.isdisjoint(count) and _is_only(name, gone),
        )
        for name, count in gone.items()
    }
    for was, now in shares.items():
        # Shares without contracts change their names every day. Contracts may go by the old name for a while: then it
        # means what it meant.
        if was in listed_before:
            found.setdefault(was, Renaming(was, (now,), 0, is_clear=was not in listed))
    return Names(tuple(found[name] for name in sorted(found)), {name: frozenset(count) for name, count in gone.items()})


def _without_series(symbol: str) -> str:
    """Return a share's name: a series has two letters (``XYZ-BE``), ``BAJAJ-AUTO`` is a name."""
    name, _, series = symbol.rpartition("-")
    return name if name and len(series) == _SERIES_LETTERS else symbol


def _underlyings(table: InstrumentTable) -> set[str]:
    derivative = (table.kinds >= InstrumentKind.FUTURE).nonzero()[0].tolist()
    return set(map(listed_name, set(map(table.names.__getitem__, derivative))))


def _is_only(name: str, gone: Mapping[str, Mapping[str, int]]) -> bool:
    """Whether no other name went over to the same one."""
    return all(other == name or set(count).isdisjoint(gone[name]) for other, count in gone.items())
