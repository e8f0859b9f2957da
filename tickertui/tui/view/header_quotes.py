"""An entry of the first line: price, change and state of an index, a share or a future; `ChainReader` asks for each."""

from __future__ import annotations

from typing import Final

from tickertui.market.chain import OptionChain
from tickertui.market.clock import Clock
from tickertui.market.hours import Phase
from tickertui.market.instruments import INDEX_SEGMENT_CODE, LEAST_DECIMALS
from tickertui.market.ticks import Source, Word
from tickertui.tui.view.chain_context import ChainContext
from tickertui.tui.view.data_states import LIVE_STATES, DataState, Link, MarketView, spot_state
from tickertui.tui.view.frames import QuoteView
from tickertui.tui.view.index_state import FREE, index_state
from tickertui.tui.view.price_day import other_day, state_before_open

ARROW_NS: Final = 10_000_000_000
"""How long the arrow of the last change stands; then a dot."""
_THIS_MORNING_S: Final = 8 * 3600.0
"""A packet younger than this, seen in a session (09:00 to 15:40), was not sent the evening before."""
_CLOSE_WORD = int(Word.CLOSE)


def quote_view(
    chain: OptionChain,
    context: ChainContext,
    clock: Clock,
    label: str,
    facts: tuple[int, ...],
    now_ns: int,
    *,
    is_index: bool,
) -> QuoteView:
    """Return an entry of the header line.

    Args:
        chain: The chain below it.
        context: What is around the chain.
        clock: Tells whether an index has settled by now.
        label: What the entry is called.
        facts: Row of the board and what the board knows of it (`tickertui.market.board.RowFacts`).
        now_ns: Monotonic time.
        is_index: Whether it prints each second while it is not frozen, as an index does.
    """
    board = chain.board
    row, source, _, _, received, connection, _, direction, moved_ns, _, doubtful = facts
    of_index = board.tokens.item(row) & 0xFF == INDEX_SEGMENT_CODE
    market = context.indices if of_index and context.indices is not None else context.market
    price, close = board.price_of(row), board.price_of(row, _CLOSE_WORD)
    age_s = (now_ns - received) / 1e9 if received else float("nan")
    codes = context.socket_health.codes
    link = Link(int(codes[connection])) if 0 <= connection < len(codes) - 1 else Link.HEALTHY
    index = index_state(board, row, moved_ns, market, clock) if is_index else FREE
    day = other_day(board, row, market)
    # A future may be silent for a while; an index prints each second.
    state = index.of(spot_state(Source(source), age_s if is_index else 0.0, link, context.feed, market))
    if is_index:
        state = state_before_open(state, day, market, age_s, link)
    past = board.is_untraded(row)
    if past and (state in LIVE_STATES or state in (DataState.SNAP, DataState.CLOSED, DataState.STALE)):
        state = DataState.PAST
    if doubtful and (state in LIVE_STATES or state is DataState.STALE):
        state = DataState.DOUBT
    without = price != price and _closes_before_today(market, age_s)
    return QuoteView(
        label=label,
        price=price,
        change=float("nan") if past else price - close,
        change_pct=float("nan") if past or not close > 0 else 100 * (price - close) / close,
        direction=direction if row and not past and now_ns - moved_ns < ARROW_NS else 0,
        state=state,
        age_s=age_s,
        last_close=close if without else float("nan"),
        close_day=market.session_day if without else "",
        day=day,
        settled_at=index.settled_at,
        decimals=LEAST_DECIMALS if of_index else chain.contracts.decimals,
    )


def _closes_before_today(market: MarketView, age_s: float) -> bool:
    """Whether the close in a packet of that age is of the last finished session.

    From the pre-open on that is what the broker sends; in the evening its packets still name the day before.
    """
    running = market.is_open or market.phase is Phase.PRE_OPEN
    return running and bool(market.session_day) and age_s < _THIS_MORNING_S
