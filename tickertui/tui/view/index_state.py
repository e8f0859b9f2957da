"""How an index of the header stands in the closing auction: frozen, settled, or neither.

Called by `tickertui.tui.view.chain_reader` for each header entry of a frame; outside an auction it costs a comparison.
The rule is `tickertui.market.settling`'s.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tickertui.market.board import MarketBoard
from tickertui.market.clock import Clock, from_epoch
from tickertui.market.hours import Phase
from tickertui.market.settling import NO_AUCTION
from tickertui.market.ticks import Word
from tickertui.tui.view.data_states import DataState, MarketView

_GRACE_S: Final = 60.0
"""A price that moved so long after the auction began is none that the auction holds (a volatility index goes on)."""


class IndexState(NamedTuple):
    """How an index stands.

    Attributes:
        is_frozen: Whether the auction holds its price.
        settled_at: ``15:31``: when it printed its settling value, empty before.
        moves: Whether its price has moved within the auction.
    """

    is_frozen: bool = False
    settled_at: str = ""
    moves: bool = False

    def of(self, state: DataState) -> DataState:
        """Return the state of its price: a settled one is final, a held one is no live one, however often it comes."""
        if self.settled_at:
            return DataState.CLOSED if state is DataState.CAS else state
        if self.is_frozen and not self.moves and state in (DataState.LIVE, DataState.QUIET):
            return DataState.CAS
        return state


FREE: Final = IndexState()
_HELD: Final = IndexState(is_frozen=True)
_AUCTION: Final = (Phase.CAS, Phase.CLOSING)


def index_state(board: MarketBoard, row: int, moved_ns: int, market: MarketView, clock: Clock) -> IndexState:
    """Return how an index stands.

    Args:
        board: Where its price is.
        row: Its row.
        moved_ns: Monotonic time at which its price changed last, 0 where that was not seen.
        market: What the calendar says.
        clock: Now.
    """
    auction = market.auction
    if auction is NO_AUCTION or market.phase not in _AUCTION:
        return _HELD if market.index_frozen else FREE
    now_s = clock.time_ns() / 1e9
    stamp = int(board.words[row, Word.EXCHANGE_TIMESTAMP]) if board.mode_of(row) > Word.EXCHANGE_TIMESTAMP else 0
    stamp_s = min(stamp or int(board.received_wall_ns[row]) / 1e9, now_s)
    moved_s = now_s - (clock.monotonic_ns() - moved_ns) / 1e9 if moved_ns else 0.0
    # A packet from the future settles nothing.
    if bool(auction.settled(now_s, stamp_s, moved_s)) and not board.is_doubtful(row):
        # What is repeated later was printed then; of a start after the auction only its end is certain.
        at = moved_s if moved_s >= auction.result else min(stamp_s, auction.ends)
        return IndexState(settled_at=f"{from_epoch(at):%H:%M}")
    return IndexState(is_frozen=True, moves=moved_s > auction.begins + _GRACE_S)
