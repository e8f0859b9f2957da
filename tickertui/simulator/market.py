"""What the simulator asks of the market behind it: a protocol that the mock market of this project fulfils."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tickertui.market.candles import Candles, Interval
from tickertui.market.instruments import InstrumentTable
from tickertui.market.ticks import TickBatch


class SimulatedMarket(Protocol):
    """A market that moves when told to."""

    @property
    def instruments(self) -> InstrumentTable:
        """The day's contracts; another object when contracts were listed."""
        ...

    def rows(self, tokens: Iterable[int]) -> NDArray[np.uint32]:
        """Return the state as of the last step, uint32[k, 46] in the board's order; what has no data is left out."""
        ...

    def step(self, now: datetime) -> TickBatch:
        """Move to a market time and return the full rows that changed."""
        ...

    def candles(self, token: int, start: datetime, end: datetime, interval: Interval) -> Candles:
        """Return the candles that start within ``start`` and ``end``, both included, with open interest."""
        ...
