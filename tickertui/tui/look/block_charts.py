"""Small charts of block characters, for panels that are a few lines high and need no axes."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_EIGHTHS: Final = "▁▂▃▄▅▆▇█"


def line_chart(values: NDArray[np.float64], width: int, height: int) -> list[str]:
    """Draw values as a line of blocks, one a column, in ``height`` lines from the top.

    Args:
        values: float64[n]; too many are averaged, too few are spread; missing ones (NaN) are left blank, but for those
            before the first and behind the last known one, which are no part of the picture.
        width: Cells of each line.
        height: Lines.

    Returns:
        ``height`` lines of exactly ``width`` cells; blank ones without at least two values.
    """
    columns = resampled(values, width)
    if not len(columns):
        return [" " * width] * height
    low, high = float(np.nanmin(columns)), float(np.nanmax(columns))
    share = (columns - low) / (high - low) if high > low else np.where(np.isnan(columns), np.nan, 0.5)
    levels = np.where(np.isnan(share), -1, np.minimum(np.rint(share * (height * 8 - 1)), height * 8 - 1)).astype(int)
    lines = []
    for line in range(height - 1, -1, -1):
        cells = (_EIGHTHS[level % 8] if level >= 0 and level // 8 == line else " " for level in levels.tolist())
        lines.append("".join(cells))
    return lines


def resampled(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return exactly ``width`` values: means of equal stretches, or straight lines between too few; empty for none.

    NaN is where a whole stretch is missing, or where one of the two values that a line would join is.
    """
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < 2 or width < 1:
        return np.zeros(0)
    shown = values[known[0] : known[-1] + 1]
    if len(shown) >= width:
        return np.array([mean_of(stretch) for stretch in np.array_split(shown, width)])
    at = np.linspace(0, len(shown) - 1, width)
    spread: NDArray[np.float64] = np.interp(at, known - known[0], values[known])
    spread[np.isnan(shown[np.floor(at).astype(np.intp)]) | np.isnan(shown[np.ceil(at).astype(np.intp)])] = np.nan
    return spread


def mean_of(stretch: NDArray[np.float64]) -> float:
    """Return the mean of the known values of a stretch, NaN where there is none."""
    known = stretch[~np.isnan(stretch)]
    return float(known.mean()) if len(known) else float("nan")
