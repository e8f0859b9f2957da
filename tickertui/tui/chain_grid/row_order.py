"""Which strikes the grid shows and in what order: range around the money, filter, sort, pins; and places in it.

`RowOrder` knows rows, not widgets: the grid asks it after every change and whenever sorted rows may have moved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.chain import Side
from tickertui.tui.chain_grid.straddle_painter import PAIRS_BY_NAME
from tickertui.tui.view.frames import ChainFrame, Field

RowFilter = Callable[[ChainFrame], NDArray[np.bool_]]
"""Says which strikes are shown: bool[k] of a frame."""

RANGES: Final = (5, 8, 10, 14, 20, 30, 40, 60)
"""Strikes on each side of the money that ``+`` and ``-`` go through; beyond the last one all are shown."""
_CENTRE_AFTER_NS: Final = 5_000_000_000
"""How long the money must have been away from the centre before the rows follow it."""
_CENTRE_STRIKES: Final = 2
"""And how many strikes."""
_SORT_EVERY_NS: Final = 2_000_000_000
"""Rows ordered by a value change places at most this often."""


@frozen
class Cursor:
    """Where the trader is; by value, so that it outlives a resize and a switch of the chain.

    Attributes:
        strike: Rupees, NaN before the first frame.
        side: Call or put.
        column: Name of the column.
    """

    strike: float = float("nan")
    side: Side = Side.CALL
    column: str = "ltp"


@frozen
class Leg:
    """What the cursor is on.

    Attributes:
        token: The broker's ``instrument_token``, -1 where the strike has no such leg.
        strike: Rupees.
        side: Call or put.
        column: Name of the column.
        row: Row of the chain.
    """

    token: int
    strike: float
    side: Side
    column: str
    row: int


@frozen
class Sort:
    """Order of the rows; without one they ascend by strike.

    Attributes:
        field: By what.
        side: Of which side.
        descending: Largest first.
        pair: Name of a column of the straddle view, which is of both sides; then field and side do not matter.
    """

    field: Field
    side: Side
    descending: bool = True
    pair: str = ""

    @property
    def what(self) -> str:
        """In words: ``oi of the CE``, ``net dl``."""
        return PAIRS_BY_NAME[self.pair].title if self.pair else f"{self.field.name.lower()} of the {self.side.label}"

    def by(self, other: Sort | None) -> bool:
        """Whether another one orders by the same values."""
        return other is not None and (self.field, self.side, self.pair) == (other.field, other.side, other.pair)

    def keys(self, frame: ChainFrame, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the values of rows that decide, float64[n], NaN where missing."""
        if not self.pair:
            column: NDArray[np.float64] = frame.values[rows, self.side, self.field]
            return column
        value, reference = PAIRS_BY_NAME[self.pair].value, frame.summary.reference.price
        return np.array([value(call, put, reference) for call, put in frame.values[rows].tolist()], dtype=np.float64)


class RowOrder:
    """The rows of a chain in the order of the screen."""

    def __init__(self) -> None:
        self.rows: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        """intp[n]: rows of the chain, top to bottom."""
        self.centre = float("nan")
        """Strike that the range and the screen are centred on."""
        self.range: int | None = None
        self.pins: frozenset[float] = frozenset()
        self.sort: Sort | None = None
        self.filter: RowFilter | None = None
        self._places: dict[int, int] = {}
        self._built_ns = 0
        self._away_since: int | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def place(self, row: int) -> int:
        """Return the place of a row, -1 when it is not shown."""
        return self._places.get(row, -1)

    def rebuild(self, frame: ChainFrame | None) -> None:
        """Order the rows of a frame anew."""
        if frame is None:
            self.rows, self._places = np.zeros(0, dtype=np.intp), {}
            return
        rows = np.arange(len(frame.strikes), dtype=np.intp)
        if self.range is not None and not np.isnan(self.centre):
            centre = row_of(frame, self.centre)
            rows = rows[max(centre - self.range, 0) : centre + self.range + 1]
        if self.filter is not None:
            rows = rows[self.filter(frame)[rows]]
        if self.sort is not None:
            keys = self.sort.keys(frame, rows)
            # Missing values last, whichever way the others go: argsort puts NaN there.
            rows = rows[np.argsort(-keys if self.sort.descending else keys, kind="stable")]
        self.rows = rows
        self._places = {row: place for place, row in enumerate(rows.tolist())}
        self._built_ns = frame.at_ns

    def pinned(self, frame: ChainFrame | None, room: int) -> NDArray[np.intp]:
        """Return the pinned rows by strike, at most a third of the room: the others must stay in sight."""
        if frame is None or not self.pins:
            return np.zeros(0, dtype=np.intp)
        return np.flatnonzero(np.isin(frame.strikes, list(self.pins)))[: max(room // 3, 1)]

    def refresh(self, frame: ChainFrame) -> bool:
        """Order again when rows are ordered by a value and some time has passed; True when any changed its place."""
        if (self.sort is None and self.filter is None) or frame.at_ns - self._built_ns < _SORT_EVERY_NS:
            return False
        before = self.rows
        self.rebuild(frame)
        return not np.array_equal(before, self.rows)

    def widen(self, frame: ChainFrame | None, steps: int) -> int | None:
        """Return the range so many steps wider (positive) or narrower; None for all strikes.

        Ranges that reach beyond both ends of the chain are left out: a key that changes nothing looks broken.
        """
        ladder: list[int | None] = [*(span for span in RANGES if span < self._reach(frame)), None]
        here = ladder.index(self.range) if self.range in ladder else len(ladder) - 1
        return ladder[min(max(here + steps, 0), len(ladder) - 1)]

    def _reach(self, frame: ChainFrame | None) -> int:
        """Strikes from the centre to the farther end of the chain."""
        if frame is None or np.isnan(self.centre):
            return max(RANGES) + 1
        centre, last = row_of(frame, self.centre), len(frame.strikes) - 1
        return max(centre, last - centre)

    def is_away(self, frame: ChainFrame, *, held: bool) -> bool:
        """Return whether the money has been away from the centre so long that the rows should follow it.

        Args:
            frame: The newest.
            held: Whether the trader is at work in the rows, which then stay.
        """
        if frame.atm_row < 0:
            return False
        if np.isnan(self.centre):
            return True
        if abs(frame.atm_row - row_of(frame, self.centre)) < _CENTRE_STRIKES:
            self._away_since = None
            return False
        if self._away_since is None or held:
            self._away_since = frame.at_ns
        return not held and frame.at_ns - self._away_since >= _CENTRE_AFTER_NS

    def recentre(self, frame: ChainFrame) -> None:
        """Take the strike at the money as the centre (none when the money is not known)."""
        self._away_since = None
        self.centre = float(frame.strikes[frame.atm_row]) if frame.atm_row >= 0 else float("nan")


def row_of(frame: ChainFrame, strike: float) -> int:
    """Return the row of a strike, or of the next higher one; the number of rows beyond the last, -1 for NaN."""
    return -1 if np.isnan(strike) else int(np.searchsorted(frame.strikes, strike))


def nearest_row(frame: ChainFrame, strike: float) -> int:
    """Return the row whose strike is nearest, -1 in a chain without strikes."""
    return int(np.argmin(np.abs(frame.strikes - strike))) if len(frame.strikes) else -1


def moneyness_row(old: ChainFrame, frame: ChainFrame, strike: float) -> int:
    """Return the row as many strikes from the money as a strike was in the chain of another underlying."""
    if frame.atm_row < 0:
        return -1
    offset = nearest_row(old, strike) - old.atm_row if old.atm_row >= 0 else 0
    return min(max(frame.atm_row + offset, 0), len(frame.strikes) - 1)
