"""`SkewWatch`: how far this machine's clock is from the exchange's, by stamps that advance.

The services' backend asks about twice a second. An index prints each second, so that its stamp is at most about a
second old when it arrives; but in the closing auction, before the open and after hours the broker goes on sending
packets whose stamp stands still, and on each connect the packets that it has cached: their age is no skew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tickertui.market.board import MarketBoard
from tickertui.market.clock import Clock
from tickertui.market.ticks import Source, Word
from tickertui.services.supervision.stamp_run import StampRun

_IN_STEP_S: Final = 3
"""A skew is told once the stamps have advanced by so many seconds in step with their packets."""
_FRESH_NS: Final = 5_000_000_000
_MEAN_AGE_S: Final = 0.5
"""A stamp is cut to the second."""


class SkewWatch:
    """Compares the stamps of what ticks each second with the machine's clock.

    Args:
        board: Where the stamps are.
        clock: For their age; receipts are wall times of it.
    """

    def __init__(self, board: MarketBoard, clock: Clock) -> None:
        self._board = board
        self._clock = clock
        self._runs: dict[int, StampRun] = {}

    def look(self, tokens: Iterable[int]) -> float | None:
        """Return this machine minus the exchange in seconds, None while no stamp advances.

        Of several instruments the one whose packets come with the least delay is the best measure.

        Args:
            tokens: Indices (and futures where there is no index) of the plan.
        """
        board, now_ns, skews, runs = self._board, self._clock.monotonic_ns(), [], {}
        for token in tokens:
            row = board.row(token)
            if not row or board.source_of(row) is not Source.LIVE or int(board.packets[row]) < 2:
                continue
            run = runs[token] = self._runs.get(token) or StampRun()
            stamp = int(board.field([row], Word.EXCHANGE_TIMESTAMP)[0])
            received_s = int(board.received_wall_ns[row]) / 1e9
            if stamp > 0 and received_s != run.received_s:
                run.take(stamp, received_s)
            if run.seconds >= _IN_STEP_S and now_ns - int(board.received_ns[row]) < _FRESH_NS:
                skews.append(run.received_s - run.stamp - _MEAN_AGE_S)
        self._runs = runs
        return min(skews, default=None)
