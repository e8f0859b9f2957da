"""Of which day a price is, where it is not of the session whose values a chain shows.

Before the open the index prints today's indicated value while future and options still hold those of the last
session; at the open it may be the other way about. Called by `tickertui.tui.view.chain_reader` for each header entry,
and for the price that the money is measured from: nothing is computed across days.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from tickertui.market.board import MarketBoard
from tickertui.market.chain import NO_REFERENCE, OptionChain, Reference, ReferenceKind
from tickertui.market.clock import from_epoch
from tickertui.market.ticks import Source, Word
from tickertui.tui.view.data_states import SHOWN_AGE_S, DataState, Link, MarketView

_GRACE_S: Final = 60.0
"""What is stamped so soon after a close still belongs to it."""
_FRESH_S: Final = 10.0
"""An index that has printed within so many seconds prints now."""


def other_day(board: MarketBoard, row: int, market: MarketView) -> date | None:
    """Return the day of a row's last packet where it is not of the shown session, None where it is or nobody knows.

    Args:
        board: Where the packet is.
        row: Its row.
        market: Tells the session.
    """
    session = market.session
    if session is None or board.mode_of(row) <= Word.EXCHANGE_TIMESTAMP or board.source_of(row) >= Source.MOCK:
        return None
    stamp = int(board.words[row, Word.EXCHANGE_TIMESTAMP])
    if not stamp or session.open.timestamp() <= stamp <= session.close.timestamp() + _GRACE_S:
        return None
    day = from_epoch(stamp).date()
    return None if day == session.day else day


def state_before_open(state: DataState, day: date | None, market: MarketView, age_s: float, link: Link) -> DataState:
    """Return the state of an index that prints while its derivatives are shut: its value is of now, not of the close.

    Args:
        state: As far as the shut market makes it.
        day: See `other_day`.
        market: Whose session is over.
        age_s: Seconds since its last packet.
        link: Health of its socket.
    """
    later = market.session is not None and day is not None and day > market.session.day
    if state is not DataState.CLOSED or not later or link is not Link.HEALTHY or not age_s < _FRESH_S:
        return state
    return DataState.QUIET if age_s > SHOWN_AGE_S else DataState.LIVE


def spot_of_session(chain: OptionChain, market: MarketView) -> Reference:
    """Return the underlying's price as of the session whose values the chain shows.

    That of a later day (a pre-open session's indicated value) says nothing about the last session's options: the
    close in the same packet is what they closed with. One of an earlier day is none.
    """
    row = chain.board.row(chain.underlying_token)
    day = other_day(chain.board, row, market)
    if day is None or market.session is None:
        return chain.spot()
    close = chain.board.price_of(row, Word.CLOSE)
    if day < market.session.day or close != close:
        return NO_REFERENCE
    return Reference(close, ReferenceKind.CLOSE)
