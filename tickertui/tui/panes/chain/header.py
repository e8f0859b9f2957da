"""`Header`: the first line of the chain: state tag, underlying, future, other indices, phase of the market and time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from tickertui.frozen import frozen
from tickertui.market.chain import ReferenceKind
from tickertui.market.forward import ForwardSource
from tickertui.market.hours import Phase
from tickertui.tui.look import format as fmt
from tickertui.tui.look.breakpoints import WIDE, WIDEST
from tickertui.tui.view.data_states import DataState, MarketView
from tickertui.tui.view.frames import ChainFrame, QuoteView, StateTag
from tickertui.tui.widgets.one_line import MUTED, PLAIN, STRONG, OneLine, Piece, Tint, first_fit, justified, length

_ARROWS: Final = {1: "▲", -1: "▼", 0: ""}
_MOVING: Final = (DataState.LIVE, DataState.QUIET, DataState.REPLAY, DataState.MOCK)
_BY_DIRECTION: Final = {1: Tint("gain"), -1: Tint("loss"), 0: PLAIN}
_GAP: Final = Piece("  ")
_ORIGINS: Final = {
    ForwardSource.NONE: "", ForwardSource.PARITY: "(par)", ForwardSource.FUTURE: "(fut)",
    ForwardSource.SYNTHETIC: "(syn)", ForwardSource.FUTURE_CARRIED: "(far)", ForwardSource.SPOT_CARRIED: "(spot)",
    ForwardSource.MANUAL: "(man)", ForwardSource.SETTLED: "(settled)",
}  # fmt: skip


@frozen
class HeaderView:
    """What the header says.

    Attributes:
        tag: State of the legs in sight.
        underlying: Header entry of the underlying.
        future: Of the future, None without one.
        others: Further indices.
        forward: Forward of the expiry, shown while the index is frozen; 0 when it cannot be told.
        forward_source: Where that comes from.
        decimals: Of the forward.
        market: What the calendar says.
        at: Wall time.
        loading: ``SENSEX W03Dec loading 84/162``: takes the tag's place while another chain is on its way.
    """

    tag: StateTag
    underlying: QuoteView
    future: QuoteView | None
    others: tuple[QuoteView, ...]
    forward: float
    forward_source: ForwardSource
    decimals: int
    market: MarketView
    at: datetime
    loading: str = ""


_VOLATILITY_INDEX: Final = "VIX"
"""Its level matters, not its percentage of change: on a large screen only it has both."""


def header_view(frame: ChainFrame, tag: StateTag, loading: str = "") -> HeaderView:
    """Return the header of a frame; the time is cut to the second, so that an equal view repaints nothing."""
    forward = frame.summary.forward
    return HeaderView(
        tag=tag,
        underlying=_settled(frame.underlying),
        future=_settled(frame.future) if frame.future is not None else None,
        # What nothing subscribes has no place here: it would be a dash for ever.
        others=tuple(_settled(quote) for quote in frame.others if quote.price == quote.price),
        forward=forward.price if forward.kind is ReferenceKind.FORWARD else 0.0,
        forward_source=frame.summary.forward_source,
        decimals=frame.contracts.decimals,
        market=frame.market,
        at=frame.at.replace(microsecond=0),
        loading=loading,
    )


def _settled(quote: QuoteView) -> QuoteView:
    """Return a quote without what the header does not show; NaN would make equal views differ."""
    return QuoteView(
        quote.label,
        quote.price if quote.price == quote.price else 0.0,
        quote.change if quote.change == quote.change else 0.0,
        quote.change_pct if quote.change_pct == quote.change_pct else 0.0,
        quote.direction,
        quote.state,
        0.0,
        quote.last_close if quote.last_close == quote.last_close else 0.0,
        quote.close_day,
        quote.day,
        quote.settled_at,
        quote.decimals,
    )


class Header(OneLine[HeaderView]):
    """The first line."""

    def lay_out(self, view: HeaderView, width: int) -> Sequence[Piece]:
        """Return the richest form that fits; the future is worth more than the name of a holiday."""
        choices = _choices(view, width)
        full, short = _right(view, width), _right(view, width, name=False)
        rich = [choice for choice in choices[:-1] if length(choice) <= width - length(full) - 1]
        right = full if rich else short
        return justified(first_fit(choices, width - length(right) - 1), right, width)


def tag_text(tag: StateTag, market: MarketView) -> str:
    """Return the tag: ``[LIVE 34/34]``, ``[CLOSED Fri 20 Nov]``, ``[MOCK]``, ``[NOT SUBSCRIBED]``."""
    if tag.state is DataState.CLOSED:
        return f"[CLOSED {market.session_day}]" if market.session_day else "[CLOSED]"
    if not tag.total and tag.state is DataState.WAITING:
        return "[NOT SUBSCRIBED]"
    if tag.state in (DataState.MOCK, DataState.REPLAY) or not tag.total:
        return f"[{tag.state.word}]"
    return f"[{tag.state.word} {tag.count}/{tag.total}]"


def _tag_piece(view: HeaderView) -> Piece:
    if view.loading:
        return Piece(f"[{view.loading}]", Tint("warn", bold=True, reverse=True))
    state = view.tag.state
    text = tag_text(view.tag, view.market)
    quiet = state in (DataState.LIVE, DataState.CLOSED)
    return Piece(text, Tint(state.badge.variable, bold=True, reverse=not quiet))


def _choices(view: HeaderView, width: int) -> list[list[Piece]]:
    """Forms of the left part, richest first: further indices are dropped from the end, then details go."""
    choices = []
    details = (True, False) if width >= WIDE else (False,)
    talks = (2, 1, 0) if width >= WIDEST else (1, 0) if width >= WIDE else (0,)
    for detail in details:
        first = [_tag_piece(view), Piece(" "), *_spot(view, detail=detail)]
        if view.underlying.state is DataState.CAS and view.forward:
            first += [_GAP, Piece(f"F{_ORIGINS[view.forward_source]} {fmt.price(view.forward, view.decimals)}", PLAIN)]
        elif view.future is not None:
            first += [_GAP, *_future(view, detail=detail)]
        for count in range(len(view.others), -1, -1):
            shown = view.others[:count]
            choices += [
                [*first, *(piece for q in shown for piece in (_GAP, *_other(q, talk), *_day(q, view.market)))]
                for talk in talks
            ]
    choices.append([_tag_piece(view), Piece(" "), *_spot(view, detail=False)])
    return choices


def _other(quote: QuoteView, talk: int) -> list[Piece]:
    """A further index: its number (0), with arrow and percent (1), with the change too (2)."""
    if talk == 2:
        return _quote(quote, detail=True)
    pieces = [Piece(f"{quote.label} ", MUTED)]
    moves = talk == 1 and quote.label != _VOLATILITY_INDEX
    arrow = _ARROWS[quote.direction] if moves and quote.state in _MOVING else ""
    pieces.append(Piece(_number(quote) + (arrow or _mark(quote)), _tint(quote)))
    if moves and quote.state not in (DataState.MOCK, DataState.STALE, DataState.PAST, DataState.DOUBT):
        by_sign = _BY_DIRECTION[(quote.change > 0) - (quote.change < 0)]
        pieces.append(Piece(f" {fmt.percent(quote.change_pct, signed=True)}", by_sign))
    return pieces


def _number(quote: QuoteView) -> str:
    mark = "~" if quote.state is DataState.MOCK else ""
    return mark + fmt.price(quote.price or float("nan"), quote.decimals)


def _mark(quote: QuoteView) -> str:
    """What stands behind a price that is not live: ``~`` stale, ``'`` from REST."""
    return "" if quote.state in _MOVING else quote.state.badge.cell.strip()


def _spot(view: HeaderView, *, detail: bool) -> list[Piece]:
    pieces = _quote(view.underlying, detail=detail, strong=True, frozen_since=view.market.frozen_since)
    return [*pieces, *_day(view.underlying, view.market, weekday=detail)]


def _day(quote: QuoteView, market: MarketView, *, weekday: bool = True) -> list[Piece]:
    """`` pre-open Mon 30 Nov``: the day of a price that is not of the session whose values the chain shows."""
    if quote.day is None or not quote.price:
        return []
    before = "pre-open " if market.phase is Phase.PRE_OPEN else ""
    return [Piece(f" {before}{quote.day:{'%a %d %b' if weekday else '%d %b'}}", MUTED)]


def _quote(quote: QuoteView, *, detail: bool, strong: bool = False, frozen_since: str = "") -> list[Piece]:
    pieces = [Piece(f"{quote.label} ", STRONG if strong else MUTED)]
    if quote.last_close and not quote.price:
        # In the hue and with the word of a shut market: it must not be taken for a price of now.
        close = Tint(DataState.CLOSED.badge.variable)
        return [*pieces, Piece(f"{fmt.price(quote.last_close, quote.decimals)} close {quote.close_day}", close)]
    tint = _tint(quote)
    arrow = _ARROWS[quote.direction] if quote.state in _MOVING and quote.price else ""
    if quote.state is DataState.CAS:
        since = f" CAS frozen {frozen_since}".rstrip() if strong else ""
        return [*pieces, Piece(f"{_number(quote)}=", tint), Piece(since, tint)]
    pieces.append(Piece(_number(quote) + (arrow or _mark(quote)), tint))
    if not quote.price:
        return pieces
    if quote.state is DataState.MOCK:
        return [*pieces, Piece("  (synthetic)", Tint("mock"))] if strong else pieces
    by_sign = _BY_DIRECTION[(quote.change > 0) - (quote.change < 0)]
    if quote.state in (DataState.STALE, DataState.PAST, DataState.DOUBT):
        return pieces
    if detail:
        pieces.append(Piece(f" {fmt.price(quote.change, quote.decimals, signed=True)}", by_sign))
    if strong or detail:
        pieces.append(Piece(f" {fmt.percent(quote.change_pct, signed=True)}", by_sign))
    if strong and quote.settled_at:
        pieces.append(Piece(f" settled {quote.settled_at}", MUTED))
    return pieces


def _tint(quote: QuoteView) -> Tint:
    if quote.state in _MOVING and quote.state is not DataState.MOCK:
        return _BY_DIRECTION[quote.direction]
    return Tint(quote.state.badge.variable)


def _future(view: HeaderView, *, detail: bool) -> list[Piece]:
    future = view.future
    assert future is not None
    pieces = [Piece(f"{future.label} ", MUTED), Piece(_number(future) + _mark(future), _tint(future))]
    if view.underlying.day != future.day:
        # Of two days there is no basis; which day each is of is told instead.
        shut = future.day is None and future.price and not view.market.is_open
        of_session = [Piece(f" {view.market.session_day}", MUTED)] if shut else []
        return [*pieces, *_day(future, view.market), *of_session]
    apart = (DataState.MOCK, DataState.PAST, DataState.DOUBT)
    # A basis to a price of nobody knows when is none.
    is_basis = future.price and view.underlying.price and not {future.state, view.underlying.state} & {*apart}
    if detail and is_basis:
        pieces.append(
            Piece(f" ({fmt.price(future.price - view.underlying.price, future.decimals, signed=True)})", MUTED)
        )
    return pieces


def _right(view: HeaderView, width: int, *, name: bool = True) -> list[Piece]:
    """Phase and time; on a shut day the date too, and the holiday's name where it is wanted."""
    market = view.market
    if not market.is_open and not market.closes_in:
        # ``F&O CLOSED`` is one word too many at 80 columns: the future would have no room.
        words = market.label.removeprefix("F&O ") if width < WIDE else market.label
        short = market.label.endswith((" CLOSED", " NO TICKS")) or market.phase is Phase.UNKNOWN
        whole = (name and width >= WIDE) or short
        label = words if whole else words.split(" ")[0]
        shut = f"{view.at:%a %d %b %H:%M}" if width < WIDE else f"{view.at:%a %d %b %H:%M:%S} IST"
        if width < WIDE and market.phase is Phase.PRE_OPEN and view.underlying.day is not None:
            return [Piece(shut, PLAIN)]  # the index says that it is the pre-open session
        return [Piece(f"{label} ", Tint("closed")), Piece(shut, PLAIN)]
    if width < WIDE:
        label = "F&O" if market.index_frozen else market.label
        return [Piece(f"{label} ", MUTED), Piece(f"{view.at:%H:%M:%S}", PLAIN)]
    pieces = [Piece(f"{view.at:%H:%M:%S} IST", PLAIN)]
    if width >= WIDEST:
        pieces.append(Piece(f" · {phase_text(market)}", MUTED))
    return pieces


def phase_text(market: MarketView) -> str:
    """Return ``F&O OPEN 3h57m``."""
    left = f" {fmt.duration(market.closes_in)}" if market.closes_in else ""
    left += ", unconfirmed" if left and market.unconfirmed else ""
    return f"{market.label}{left}"
