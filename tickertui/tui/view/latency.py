"""`LatencyMeter`: receipt of a tick to the frame that shows it, as the health pane reports it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class LatencyMeter:
    """Keeps the latest delays in a ring.

    Args:
        size: How many are kept; 4,096 are about a minute of a visible chain.
    """

    def __init__(self, size: int = 4096) -> None:
        self._delays: NDArray[np.float64] = np.full(size, np.nan)
        self._at = 0

    def add(self, received_ns: NDArray[np.int64], painted_ns: int) -> None:
        """Note that packets of these monotonic times are on the screen since ``painted_ns``."""
        delays = (painted_ns - received_ns[received_ns > 0]) / 1e6
        count = min(len(delays), len(self._delays))
        if count:
            where = (self._at + np.arange(count)) % len(self._delays)
            self._delays[where] = delays[-count:]
            self._at = (self._at + count) % len(self._delays)

    def percentile_ms(self, percent: float) -> float | None:
        """Return a percentile of the kept delays in milliseconds, None before the first."""
        known = self._delays[~np.isnan(self._delays)]
        return float(np.percentile(known, percent)) if len(known) else None
