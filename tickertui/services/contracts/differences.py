"""What changed from one day's contracts to the next, found over the columns of both.

The instrument registry reports it after each refresh: new and gone contracts, changed lots and tick sizes, expiries
that the exchange has moved, and tokens that name another contract now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.instruments import InstrumentTable

_EMPTY: Final[NDArray[np.int64]] = np.zeros(0, dtype=np.int64)
_SHOWN: Final = 8


@frozen
class ValueChange:
    """A lot or tick size that is another one now, for all contracts of an underlying that changed alike.

    Attributes:
        name: Underlying, or the trading symbol of a share.
        before: Value on the day before.
        after: Value now.
        contracts: How many contracts.
    """

    name: str
    before: float
    after: float
    contracts: int

    def __str__(self) -> str:
        """Return for example ``NIFTY 75 → 65 (1,722 contracts)``."""
        count = f" ({self.contracts:,} contracts)" if self.contracts > 1 else ""
        return f"{self.name} {self.before:g} → {self.after:g}{count}"


@frozen
class ShiftedExpiry:
    """An expiry that the exchange has moved.

    Attributes:
        name: Underlying.
        before: Date it was.
        after: Date it is.
        contracts: How many contracts.
    """

    name: str
    before: date
    after: date
    contracts: int

    def __str__(self) -> str:
        """Return for example ``NIFTY 24 Nov → 23 Nov``."""
        return f"{self.name} {self.before:%d %b} → {self.after:%d %b}"


@frozen
class ReusedToken:
    """A token that names another contract now; anything kept under it is about the old one."""

    token: int
    before: str
    after: str

    def __str__(self) -> str:
        """Return for example ``15872002: NIFTY26NOV24000CE → NIFTY26DEC24000CE``."""
        return f"{self.token}: {self.before} → {self.after}"


@frozen(slots=False, eq=False)
class Differences:
    """What changed.

    Attributes:
        new: int64[k], tokens that were not there before (reused ones are not among them).
        gone: int64[k], tokens that are not there any more although their contracts had not expired.
        expired: How many contracts went because they had expired.
        lots: Changed lot sizes.
        ticks: Changed tick sizes.
        shifted: Moved expiries.
        reused: Tokens that name another contract.
    """

    new: NDArray[np.int64] = field(default_factory=lambda: _EMPTY)
    gone: NDArray[np.int64] = field(default_factory=lambda: _EMPTY)
    expired: int = 0
    lots: tuple[ValueChange, ...] = ()
    ticks: tuple[ValueChange, ...] = ()
    shifted: tuple[ShiftedExpiry, ...] = ()
    reused: tuple[ReusedToken, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether both days are the same."""
        return not (len(self.new) or len(self.gone) or self.expired or self.alarming)

    @property
    def alarming(self) -> bool:
        """Whether something changed that a trader should look at: a lot, a tick, an expiry, a token."""
        return bool(self.lots or self.ticks or self.shifted or self.reused)

    def describe(self) -> str:
        """One sentence, e.g. ``+212 −88 contracts, 40 expired; lots: NIFTY 75 → 65 (1,722 contracts)``."""
        parts = [f"+{len(self.new):,} −{len(self.gone):,} contracts, {self.expired:,} expired"]
        parts += _described("lots", self.lots)
        parts += _described("ticks", self.ticks)
        parts += _described("expiries moved", self.shifted)
        parts += _described("tokens used again", self.reused)
        if not self.alarming:
            parts.append("no change of lot, tick or expiry")
        return "; ".join(parts)


def _described(what: str, items: tuple[object, ...]) -> Iterator[str]:
    if items:
        more = f" and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""
        yield f"{what}: {', '.join(map(str, items[:_SHOWN]))}{more}"


def differences(before: InstrumentTable, after: InstrumentTable, day: date) -> Differences:
    """Compare two days.

    Args:
        before: The contracts of the earlier day.
        after: Those of ``day``.
        day: What expired before it is expected to be gone.
    """
    old_rows, new_rows = _same_tokens(before, after)
    symbols_differ = np.array(
        [
            before.symbols[old] != after.symbols[new]
            for old, new in zip(old_rows.tolist(), new_rows.tolist(), strict=True)
        ],
        dtype=np.bool_,
    )
    expiries_differ = before.expiries[old_rows] != after.expiries[new_rows]
    # Same token, another symbol: another contract if it expires on another day (or a share that was renamed, if not).
    reused = symbols_differ & expiries_differ
    kept = ~reused
    gone = _others(before, old_rows)
    is_over = (before.expiries[gone] > 0) & (before.expiries[gone] < day.toordinal())
    lots = kept & (before.lot_sizes[old_rows] != after.lot_sizes[new_rows])
    ticks = kept & (before.tick_sizes[old_rows] != after.tick_sizes[new_rows])
    shifted = kept & expiries_differ
    return Differences(
        new=after.tokens[_others(after, new_rows)].astype(np.int64),
        gone=before.tokens[gone[~is_over]].astype(np.int64),
        expired=int(is_over.sum()),
        lots=_value_changes(after, new_rows[lots], before.lot_sizes[old_rows[lots]], after.lot_sizes[new_rows[lots]]),
        ticks=_value_changes(
            after, new_rows[ticks], before.tick_sizes[old_rows[ticks]], after.tick_sizes[new_rows[ticks]]
        ),
        shifted=_shifts(before, after, old_rows[shifted], new_rows[shifted]),
        reused=tuple(
            ReusedToken(int(after.tokens[new]), before.symbols[old], after.symbols[new])
            for old, new in zip(old_rows[reused].tolist(), new_rows[reused].tolist(), strict=True)
        ),
    )


def _same_tokens(before: InstrumentTable, after: InstrumentTable) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of the tokens that are in both."""
    _, old, new = np.intersect1d(before.tokens, after.tokens, return_indices=True)
    return old.astype(np.intp), new.astype(np.intp)


def _others(table: InstrumentTable, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    others = np.ones(len(table), dtype=np.bool_)
    others[rows] = False
    return np.flatnonzero(others)


def _value_changes(
    table: InstrumentTable, rows: NDArray[np.intp], before: NDArray[np.generic], after: NDArray[np.generic]
) -> tuple[ValueChange, ...]:
    counts: dict[tuple[str, float, float], int] = {}
    for row, old, new in zip(rows.tolist(), before.tolist(), after.tolist(), strict=True):
        name = table.names[row] if table.expiries[row] else table.symbols[row]
        key = (name, float(old), float(new))
        counts[key] = counts.get(key, 0) + 1
    return tuple(ValueChange(*key, count) for key, count in sorted(counts.items()))


def _shifts(
    before: InstrumentTable, after: InstrumentTable, old_rows: NDArray[np.intp], new_rows: NDArray[np.intp]
) -> tuple[ShiftedExpiry, ...]:
    counts: dict[tuple[str, int, int], int] = {}
    for old, new in zip(old_rows.tolist(), new_rows.tolist(), strict=True):
        key = (after.names[new], int(before.expiries[old]), int(after.expiries[new]))
        counts[key] = counts.get(key, 0) + 1
    return tuple(
        ShiftedExpiry(name, _date(old), _date(new), count)
        for (name, old, new), count in sorted(counts.items())
        if old and new
    )


def _date(ordinal: int) -> date:
    return date.fromordinal(ordinal)
