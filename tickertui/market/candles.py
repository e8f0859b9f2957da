"""Candles as columns, and the intervals the broker serves."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen


class Interval(StrEnum):
    """Length of a candle, in the broker's words."""

    MINUTE = "minute"
    MINUTE_3 = "3minute"
    MINUTE_5 = "5minute"
    MINUTE_10 = "10minute"
    MINUTE_15 = "15minute"
    MINUTE_30 = "30minute"
    MINUTE_60 = "60minute"
    DAY = "day"

    @property
    def seconds(self) -> int:
        """Length in seconds; a day candle is counted as 86,400 s."""
        return _SECONDS[self]

    @property
    def max_days(self) -> int:
        """Most days one request may span (Kite forum 3105)."""
        return _MAX_DAYS[self]


_SECONDS = {
    Interval.MINUTE: 60,
    Interval.MINUTE_3: 180,
    Interval.MINUTE_5: 300,
    Interval.MINUTE_10: 600,
    Interval.MINUTE_15: 900,
    Interval.MINUTE_30: 1800,
    Interval.MINUTE_60: 3600,
    Interval.DAY: 86_400,
}
_MAX_DAYS = {
    Interval.MINUTE: 60,
    Interval.MINUTE_3: 100,
    Interval.MINUTE_5: 100,
    Interval.MINUTE_10: 100,
    Interval.MINUTE_15: 200,
    Interval.MINUTE_30: 200,
    Interval.MINUTE_60: 400,
    Interval.DAY: 2000,
}


@frozen(eq=False)
class Candles:
    """Candles of one instrument, ascending in time.

    Attributes:
        start: int64[n], epoch seconds of each candle's start.
        open: int64[n], the segment's wire integer (paise for most), as the board holds prices.
        high: int64[n], likewise.
        low: int64[n], likewise.
        close: int64[n], likewise.
        volume: int64[n], units.
        oi: int64[n], units, -1 where it was not asked for.
        own: bool[n], True where a candle was made from this program's own ticks and the broker's is not there yet;
            None where none was.
        after_gap: bool[n], True where something may have been traded between a candle and the one before that nobody
            has looked for yet: the broker was not asked, and we were not there. None where there is no such gap.
    """

    start: NDArray[np.int64]
    open: NDArray[np.int64]
    high: NDArray[np.int64]
    low: NDArray[np.int64]
    close: NDArray[np.int64]
    volume: NDArray[np.int64]
    oi: NDArray[np.int64]
    own: NDArray[np.bool_] | None = None
    after_gap: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.start)

    @classmethod
    def empty(cls) -> Candles:
        """No candles."""
        none = np.zeros(0, dtype=np.int64)
        return cls(none, none, none, none, none, none, none)

    @classmethod
    def from_rows(
        cls,
        rows: NDArray[np.int64],
        own: NDArray[np.bool_] | None = None,
        after_gap: NDArray[np.bool_] | None = None,
    ) -> Candles:
        """Split int64[n, 7] (start, open, high, low, close, volume, oi) into columns.

        Args:
            rows: Ascending by start.
            own: See `Candles.own`.
            after_gap: See `Candles.after_gap`.
        """
        start, opens, highs, lows, closes, volume, oi = np.ascontiguousarray(rows.T)
        return cls(start, opens, highs, lows, closes, volume, oi, own, after_gap)

    def to_rows(self) -> NDArray[np.int64]:
        """int64[n, 7]: start, open, high, low, close, volume, oi."""
        return np.column_stack((self.start, self.open, self.high, self.low, self.close, self.volume, self.oi))


def with_gaps(
    values: NDArray[np.float64], starts: NDArray[np.int64], after_gap: NDArray[np.bool_] | None, interval: Interval
) -> NDArray[np.float64]:
    """Return values of candles for a chart: as many NaN in front of each gap's end as candles may be missing there.

    Args:
        values: float64[n].
        starts: int64[n], starts of their candles, ascending.
        after_gap: See `Candles.after_gap`.
        interval: Length of the candles.
    """
    if after_gap is None or not after_gap.any():
        return values
    ends = np.flatnonzero(after_gap)
    ends = ends[ends > 0]
    missing = np.maximum((starts[ends] - starts[ends - 1]) // interval.seconds - 1, 1)
    spread: NDArray[np.float64] = np.insert(values, np.repeat(ends, missing), np.nan)
    return spread
