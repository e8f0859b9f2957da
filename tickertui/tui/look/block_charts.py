"""Small charts of block characters, for panels that are a few lines high and need no axes."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_EIGHTHS: Final = "▁▂▃▄▅▆▇█"


def line_chart(values: NDArray[np.float64], width: int, height: int) -> list[str]:
    """Draw values as a line of blocks, one a column, in ``height`` lines from the top.

    Args:
        values: float64[n]; missing ones (NaN) are bridged, too many are averaged, too few are spread.
        width: Cells of each line.
        height: Lines.

    Returns:
        ``height`` lines of exactly ``width`` cells; blank ones without at least two values.
    """
    columns = resampled(values, width)
    if not len(columns):
        return [" " * width] * height
    low, high = float(columns.min()), float(columns.max())
    share = (columns - low) / (high - low) if high > low else np.full(len(columns), 0.5)
    levels = np.minimum(np.rint(share * (height * 8 - 1)), height * 8 - 1).astype(int)
    lines = []
    for line in range(height - 1, -1, -1):
        cells = (_EIGHTHS[level % 8] if level // 8 == line else " " for level in levels.tolist())
        lines.append("".join(cells))
    return lines


def resampled(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return exactly ``width`` values: means of equal stretches, or straight lines between too few; empty for none."""
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < 2 or width < 1:
        return np.zeros(0)
    bridged: NDArray[np.float64] = np.interp(np.arange(known[0], known[-1] + 1), known, values[known])
    if len(bridged) >= width:
        return np.array([stretch.mean() for stretch in np.array_split(bridged, width)])
    spread: NDArray[np.float64] = np.interp(np.linspace(0, len(bridged) - 1, width), np.arange(len(bridged)), bridged)
    return spread
