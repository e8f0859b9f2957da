"""`PlanView`: the plan in force as arrays over the board, so that four times a second can count 9,000 rows.

The ticker loop sets it after each reload and reads the counts for `runtime_state`; the snapshot task reads which row
should come through which socket.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market.arrays import distinct
from tickertui.market.board import MarketBoard
from tickertui.market.instruments import INDEX_SEGMENT_CODE
from tickertui.market.ticks import Source
from tickertui.market.universe import SEGMENT_CODES
from tickertui.services.accounts.account_stream import SocketCounts
from tickertui.services.plan.placement import Assignments, Distribution

_EXCHANGES: Final = {code: name for name, code in SEGMENT_CODES.items() if code != INDEX_SEGMENT_CODE}
_INDICES: Final = frozenset(("INDICES",))
_USUAL_SEGMENTS: Final = frozenset(("NFO",))
_NEVER_AFTER_NS: Final = 60_000_000_000
"""A subscription without a packet for this long is counted as one that never ticked."""


class PlanView:
    """Rows and sockets of the plan.

    Args:
        board: Where the rows are.
    """

    def __init__(self, board: MarketBoard) -> None:
        self._board = board
        self._assignments = Assignments.none()
        self._segments = _USUAL_SEGMENTS
        self._segments_of_socket: Mapping[int, frozenset[str]] = {}
        self._layout = -1
        self._rows: NDArray[np.intp] = np.zeros(0, dtype=np.intp)

    @property
    def distribution(self) -> Distribution:
        """Connection number -> token -> mode."""
        return self._assignments.distribution

    def set(self, assignments: Assignments) -> None:
        """Put another plan into force."""
        self._assignments = assignments
        self._layout = -1
        codes = distinct(assignments.tokens & 0xFF).tolist()
        exchanges = frozenset(_exchange_of(code) for code in codes if code != INDEX_SEGMENT_CODE)
        self._segments = exchanges or _USUAL_SEGMENTS
        carried: dict[int, set[str]] = {}
        for pair in distinct(assignments.connections << 8 | assignments.tokens & 0xFF).tolist():
            names = carried.setdefault(pair >> 8, set())
            if pair & 0xFF != INDEX_SEGMENT_CODE:
                names.add(_exchange_of(pair & 0xFF))
        self._segments_of_socket = {number: frozenset(names) or _INDICES for number, names in carried.items()}

    def __len__(self) -> int:
        return len(self._assignments)

    @property
    def segments(self) -> frozenset[str]:
        """Exchanges whose hours matter to the plan: those of its contracts, NFO where it has none.

        A segment of the wire that nobody has heard of is ``segment 11``; the calendar knows no hours of it.
        """
        return self._segments

    def segments_of(self, connections: Collection[int]) -> frozenset[str]:
        """Return the exchanges whose contracts some sockets carry; of indices alone theirs, of nothing none.

        Args:
            connections: Numbers of the sockets.
        """
        carried = self._segments_of_socket
        return frozenset(name for number in connections for name in carried.get(number, ()))

    @property
    def tokens(self) -> NDArray[np.int64]:
        """int64[n]: tokens of the plan."""
        return self._assignments.tokens

    @property
    def rows(self) -> NDArray[np.intp]:
        """intp[n]: their rows of the board."""
        if self._layout != self._board.layout:
            self._rows = self._board.rows(self._assignments.tokens)
            self._layout = self._board.layout
        return self._rows

    @property
    def connections(self) -> NDArray[np.int64]:
        """int64[n]: the sockets that should carry them."""
        return self._assignments.connections

    def counts(self, now_ns: int) -> Mapping[int, SocketCounts]:
        """Count per socket what ticks (more than the broker's cached packet) and what never did.

        Args:
            now_ns: Monotonic time.
        """
        if not len(self):
            return {}
        board, rows = self._board, self.rows
        packets, subscribed = board.packets[rows], board.subscribed_ns[rows]
        from_feed = board.sources[rows] != Source.SNAPSHOT
        ticking = (packets > 1) & from_feed
        never = (packets == 0) & (subscribed > 0) & (now_ns - subscribed > _NEVER_AFTER_NS)
        numbers, places = np.unique(self.connections, return_inverse=True)
        tick_counts = np.bincount(places[ticking], minlength=len(numbers))
        never_counts = np.bincount(places[never], minlength=len(numbers))
        return {
            int(number): SocketCounts(int(tick_counts[place]), int(never_counts[place]))
            for place, number in enumerate(numbers)
        }


def _exchange_of(code: int) -> str:
    return _EXCHANGES.get(code, f"segment {code}")
