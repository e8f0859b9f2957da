"""One leg under the glass: why its number is what it is, its order book, its candles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from math import isnan, nan
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from textual.binding import BindingType

from tickertui.frozen import frozen
from tickertui.market.board import Derived, MarketBoard
from tickertui.market.candles import Candles, Interval, with_gaps
from tickertui.market.clock import Clock, from_epoch
from tickertui.market.contract_terms import TermsChange
from tickertui.market.forward import ForwardSource
from tickertui.market.implied_volatility import Status
from tickertui.market.instruments import Instrument, InstrumentKind, price_divisor
from tickertui.market.snapshots import OptionSnapshot, market_depth, option_snapshot
from tickertui.market.ticks import Source, Word
from tickertui.tui.keys.actions import NO_KEYS, bindings_of, key_name
from tickertui.tui.look import format as fmt
from tickertui.tui.look.block_charts import mean_of
from tickertui.tui.look.format import Units
from tickertui.tui.panels.base import TextScreen
from tickertui.tui.panels.price_words import trade_words, volatility_words
from tickertui.tui.view.data_states import DataState
from tickertui.tui.widgets.row_list import Row, Span, row

_SOURCES = {
    Source.NONE: "nothing came yet",
    Source.LIVE: "LIVE, the account's socket",
    Source.SNAPSHOT: "SNAP, a REST quote",
    Source.MOCK: "MOCK, synthetic: not an exchange price",
    Source.REPLAY: "REPLAY, recorded",
    Source.STORED: "STORED, the close of the last session from our own store",
}
_COARSE = "   coarse: a tick is worth more than a point"
_INTRINSIC_ONLY = (Status.NEAR_EXPIRY, Status.SETTLED, Status.EXPIRED)
_DAY_S = 86_400.0
_OLD_PRICES_S = 60.0
"""Prices of so long ago are not of now: the line says when they were."""
_ARROWS = {1: " ▲", -1: " ▼", 0: ""}
_BLOCKS = " ▁▂▃▄▅▆▇█"


@frozen
class LegContext:
    """What is around a leg.

    Attributes:
        instrument: The contract.
        owner: Who asked for it, in words; empty when it is not in the plan.
        socket: Label of that socket, empty without one.
        state: What its price is worth.
        convention: How the Greeks are computed, in words.
        expires_at: When its time runs out, None for what does not expire.
        hours: What is to be said about its exchange's hours; empty while they are known.
        terms: When its terms last changed, None where nothing is known of it.
        history: One-minute candles stored for today, None when not read yet.
        since_mark: What has changed since the mark, in words; empty without one.
    """

    instrument: Instrument
    owner: str
    socket: str
    state: DataState
    convention: str
    expires_at: datetime | None
    history: Candles | None = None
    since_mark: str = ""
    hours: str = ""
    terms: TermsChange | None = None


class LegView(StrEnum):
    """What is shown of a leg; the values stand in the hint about its keys."""

    WHY = "why"
    DEPTH = "depth"
    DAY = "day"


class LegScreen(TextScreen[LegView]):
    """One view of a leg; its keys lead to the others: the screen closes with the one to show."""

    # The chain's own actions: a key that the trader has moved opens the same view here.
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("why", "depth", "leg")]

    def __init__(self, title: str, rows: Sequence[Row], *, source: Callable[[], Sequence[Row]] | None = None) -> None:
        views = (("why", LegView.WHY), ("depth", LegView.DEPTH), ("leg", LegView.DAY))
        super().__init__(title, rows, (*views, ("copy-text", "copy"), ("close-panel", "back")), source=source)

    def action_why(self) -> None:
        """Lead to where this number comes from."""
        self.dismiss(LegView.WHY)

    def action_depth(self) -> None:
        """Lead to the market depth."""
        self.dismiss(LegView.DEPTH)

    def action_leg(self) -> None:
        """Lead to the candles of the day."""
        self.dismiss(LegView.DAY)


def title_of(instrument: Instrument) -> str:
    """``NIFTY 01 Dec 24,350 CE · token 12345602``."""
    return f"{name_of(instrument)} · token {instrument.token}"


def name_of(instrument: Instrument) -> str:
    """``NIFTY 01 Dec 24,350 CE``."""
    parts = [instrument.name]
    if instrument.expiry:
        parts.append(f"{instrument.expiry:%d %b}")
    if instrument.strike is not None:
        parts.append(fmt.strike(instrument.strike))
    parts.append(instrument.kind.label)
    return " ".join(parts)


def why_rows(board: MarketBoard, clock: Clock, context: LegContext) -> Iterator[Row]:
    """Build the lines that tell where a leg's numbers come from and how old they are."""
    instrument = context.instrument
    shot = option_snapshot(board, instrument)
    place = board.row(instrument.token)
    yield from _price_lines(board, place, shot, clock, context)
    yield from _interest_lines(board, place, shot, clock)
    if context.since_mark:
        yield _line("mark", context.since_mark)
    yield from _greek_lines(board, place, shot, clock, context)
    yield _line("lot", f"{instrument.lot_size:,}   tick {instrument.tick_size:g}   {instrument.exchange}")
    if context.terms is not None:
        yield _line("before", f"{context.terms.describe()}: history and change in OI begin then", "warn")
    if context.hours:
        yield _line("hours", context.hours)
    yield from _feed_lines(board, place, clock, context)


def _line(label: str, text: str, role: str = "text") -> Row:
    return row(f"why:{label}", Span(f" {label:<9}", "quiet"), Span(text, role))


def _price_lines(
    board: MarketBoard, place: int, shot: OptionSnapshot, clock: Clock, context: LegContext
) -> Iterator[Row]:
    mock = "~" if shot.source is Source.MOCK else ""
    times = []
    if shot.exchange_at:
        times.append(f"exchange {shot.exchange_at:%H:%M:%S}")
    if shot.received_at:
        times.append(f"received {shot.received_at:%H:%M:%S.%f}"[:-3])
    arrow = _ARROWS[int(board.direction[place])]
    yield _line(
        "price",
        f"{mock}{fmt.price(shot.last_price, shot.instrument.decimals)}{arrow}   {'   '.join(times) or 'no packet yet'}",
        "strong",
    )
    age = _age_s(board, place, clock)
    source = _SOURCES[shot.source]
    cached = ", the broker's cached packet" if int(board.packets[place]) == 1 and shot.source is Source.LIVE else ""
    yield _line("source", f"{source}{cached}   {context.state.word}   age {fmt.short_age(age)}")
    mode = board.mode_of(place).label
    bid_ask = _best(board, place, shot.instrument.decimals)
    volume = fmt.quantity(_or_nan(shot.volume), Units.LAKH, 1)
    yield _line("quote", f"{bid_ask}   volume {volume}   mode {mode}")
    if shot.instrument.kind is not InstrumentKind.INDEX and shot.source is not Source.MOCK:
        yield _line("trade", trade_words(board, place, clock))


def _best(board: MarketBoard, place: int, decimals: int) -> str:
    depth = market_depth(board, int(board.tokens[place])) if place else None
    if depth is None or not (depth.buy or depth.sell):
        return "no bid, no ask"
    mock = "~" if board.source_of(place) is Source.MOCK else ""
    bid = mock + fmt.price(depth.buy[0].price, decimals) if depth.buy else fmt.MISSING
    ask = mock + fmt.price(depth.sell[0].price, decimals) if depth.sell else fmt.MISSING
    return f"bid {bid}   ask {ask}"


def _interest_lines(board: MarketBoard, place: int, shot: OptionSnapshot, clock: Clock) -> Iterator[Row]:
    changed = int(board.oi_changed_ns[place])
    when = "not seen to change"
    if changed:
        when = f"changed {from_epoch(changed / 1e9):%H:%M:%S}, {fmt.duration((clock.time_ns() - changed) / 1e9)} ago"
    lots = f" ({fmt.compact(shot.oi / shot.instrument.lot_size)} lots)" if shot.oi >= 0 else ""
    yield _line("OI", f"{fmt.quantity(_or_nan(shot.oi), Units.LAKH, 1)}{lots}   {when}")
    if shot.oi_change is not None:
        before = fmt.compact(shot.oi - shot.oi_change)
        yield _line("dOI", f"{fmt.compact(shot.oi_change, signed=True)}   previous close {before}")


def _greek_lines(
    board: MarketBoard, place: int, shot: OptionSnapshot, clock: Clock, context: LegContext
) -> Iterator[Row]:
    if not shot.instrument.kind.is_option:
        return
    values = board.derived[place]
    if isnan(shot.iv):
        status = int(board.derived_status[place])
        reason = "not computed yet" if status < 0 else _status_words(status)
        yield _line("IV", f"{fmt.MISSING}   {reason}{_worth(values, shot.instrument, status)}")
    else:
        oldest = int(board.derived_ns[place])
        age = (clock.monotonic_ns() - oldest) / 1e9 if oldest else nan
        priced = volatility_words(board, place, shot.instrument, clock.now())
        yield _line(
            "IV", f"{fmt.volatility(shot.iv)}%   from {priced}   oldest input {fmt.short_age(age)}"
            f"{_COARSE if values[Derived.UNRELIABLE] > 0 else ''}",
        )  # fmt: skip
        yield _line(
            "Greeks", f"delta {fmt.signed_number(shot.delta)}  gamma {fmt.greek(shot.gamma, 7)}  "
            f"theta {fmt.number(shot.theta)} ₹/{_theta_unit(values, context)}  vega {fmt.number(shot.vega)} ₹/pt",
        )  # fmt: skip
    forward = float(values[Derived.FORWARD])
    source = _code(values, Derived.FORWARD_SOURCE)
    origin = f" from {ForwardSource(source).label}" if source else ""
    yield _line("model", f"{context.convention}{_time_left(values, clock, context)}")
    yield _line("forward", f"{fmt.price(forward, shot.instrument.decimals)}{origin}")


def _time_left(values: NDArray[np.float64], clock: Clock, context: LegContext) -> str:
    """``T 3.917 d from Fri 27 Nov 15:39 to 01 Dec 15:40``: the beginning is told where the prices are not of now."""
    until = context.expires_at
    if until is None:
        return ""
    now, at = clock.now(), _priced_at(values)
    start = now if at is None or now >= until else at
    days = max((until - start).total_seconds(), 0.0) / 86_400
    since = f" from {start:%a %d %b %H:%M}" if (now - start).total_seconds() > _OLD_PRICES_S else ""
    return f"   T {days:.3f} d{since} to {until:%d %b %H:%M}"


def _priced_at(values: NDArray[np.float64]) -> datetime | None:
    """The instant that the valued prices are from, None before the first valuation."""
    seconds = float(values[Derived.PRICED_AT])
    return None if isnan(seconds) else from_epoch(seconds)


def _theta_unit(values: NDArray[np.float64], context: LegContext) -> str:
    """``day``, or ``to expiry`` with less than a day left, when theta is never more than the time value."""
    at, until = _priced_at(values), context.expires_at
    return "to expiry" if at and until and (until - at).total_seconds() < _DAY_S else "day"


def _worth(values: NDArray[np.float64], instrument: Instrument, status: int) -> str:
    """What is left of an option that is not valued any more: its intrinsic value at the forward."""
    forward, strike = float(values[Derived.FORWARD]), instrument.strike
    if status not in _INTRINSIC_ONLY or strike is None or isnan(forward):
        return ""
    sign = 1 if instrument.kind is InstrumentKind.CALL else -1
    return f"   intrinsic {fmt.price(max(sign * (forward - strike), 0.0), instrument.decimals)}"


def _code(values: NDArray[np.float64], column: Derived) -> int:
    """A code of the valuation, 0 where it has none."""
    value = float(values[column])
    return 0 if isnan(value) else int(value)


def _status_words(status: int) -> str:
    return Status(status).name.lower().replace("_", " ")


def _feed_lines(board: MarketBoard, place: int, clock: Clock, context: LegContext) -> Iterator[Row]:
    packets = int(board.packets[place])
    subscribed = int(board.subscribed_ns[place])
    where = context.socket or ("synthetic market" if board.source_of(place) is Source.MOCK else "no socket")
    since = fmt.duration((clock.monotonic_ns() - subscribed) / 1e9) if subscribed else ""
    yield _line(
        "feed",
        f"{where}   {packets:,} packets{f' in {since}' if since else ''}   plan {int(board.generations[place])}",
    )
    yield _line("owner", context.owner or "not in the plan: nothing asks for it")
    if context.history is not None:
        yield _line("history", _history_words(context.history))


def _history_words(candles: Candles) -> str:
    """``1m candles 09:15..11:41   147, with OI 147``."""
    if not len(candles):
        return "no one-minute candle of today is stored yet"
    first, last = (from_epoch(int(candles.start[place])) for place in (0, -1))
    with_oi = f"with OI {int((candles.oi >= 0).sum()):,}"
    return f"1m candles {first:%H:%M}..{last:%H:%M}   {len(candles):,}, {with_oi}{_own_words(candles)}"


def _or_nan(value: int) -> float:
    return nan if value < 0 else float(value)


def _age_s(board: MarketBoard, place: int, clock: Clock) -> float:
    received = int(board.received_ns[place])
    return (clock.monotonic_ns() - received) / 1e9 if received else nan


def depth_rows(board: MarketBoard, instrument: Instrument) -> Iterator[Row]:
    """Build the order book, best level first, bids left and offers right."""
    depth = market_depth(board, instrument.token)
    if depth is None:
        yield row("", Span(" No order book: it comes in full mode only, and not for an index.", "quiet"))
        return
    mock = "~" if board.source_of(board.row(instrument.token)) is Source.MOCK else " "
    decimals = instrument.decimals
    yield row("", Span("   orders     qty        bid │        ask     qty  orders", "title"))
    for level in range(max(len(depth.buy), len(depth.sell), 1)):
        buy = depth.buy[level] if level < len(depth.buy) else None
        sell = depth.sell[level] if level < len(depth.sell) else None
        left = (
            f"{buy.orders:>9}{buy.quantity:>8}{mock + fmt.price(buy.price, decimals):>11}"
            if buy
            else f"{fmt.MISSING:>28}"
        )
        right = (
            f"{mock + fmt.price(sell.price, decimals):>11}{sell.quantity:>8}{sell.orders:>8}"
            if sell
            else f"{fmt.MISSING:>11}"
        )
        yield row(f"level:{level}", Span(left, "gain"), " │", Span(right, "loss"))
    shot = option_snapshot(board, instrument)
    yield row(
        "", Span(
            f"   in all bid {fmt.compact(_or_nan(shot.total_buy_quantity))}   "
            f"offered {fmt.compact(_or_nan(shot.total_sell_quantity))}   "
            f"spread {fmt.price(depth.spread, decimals)}", "quiet",
        ),
    )  # fmt: skip


def leg_rows(
    board: MarketBoard,
    instrument: Instrument,
    candles: Candles | None,
    *,
    width: int = 66,
    keys: Mapping[str, str] = NO_KEYS,
) -> Iterator[Row]:
    """Build the leg's day: price and open interest as blocks, and the latest candles; None: they are being read."""
    place = board.row(instrument.token)
    mock, decimals = "~" if board.source_of(place) is Source.MOCK else "", instrument.decimals
    last, close = (float(board.price([place], word)[0]) for word in (Word.LAST_PRICE, Word.CLOSE))
    is_today = close > 0 and not board.untraded(place)
    change = fmt.percent(100 * (last - close) / close if is_today else nan, signed=True)
    yield row(
        "", Span(" last   ", "quiet"), Span(f"{mock}{fmt.price(last, decimals)}", "mock" if mock else "strong"),
        f"  {mock}{change}", Span(f"  previous close {mock}{fmt.price(close, decimals)}", "quiet"),
    )  # fmt: skip
    if candles is None:
        yield row("", Span(" reading the candles", "quiet"))
        return
    if not len(candles):
        key = key_name("toggle-bootstrap", keys)
        yield row("", Span(f" No candle is stored yet; {key} starts the backfill.", "quiet"))
        return
    divisor, ink = price_divisor(instrument.token), "mock" if mock else "gain"
    oldest, latest = (from_epoch(int(candles.start[place])) for place in (0, -1))
    what = f" {len(candles):,} candles  {oldest:%d %b %H:%M} to {latest:%d %b %H:%M}"
    yield row("", Span(f"{what}{_own_words(candles)}{_gap_words(candles)}", "quiet"))
    yield row("", Span(" price  ", "quiet"), Span(blocks(_over_time(candles.close / divisor, candles), width), ink))
    if (candles.oi >= 0).any():
        oi = np.where(candles.oi >= 0, candles.oi, np.nan)
        yield row("", Span(" OI     ", "quiet"), Span(blocks(_over_time(oi, candles), width), "text"))
    yield row("", Span("   time      open      high       low     close   volume       OI", "title"))
    for index in range(len(candles) - 1, max(-1, len(candles) - 13), -1):
        prices = "".join(
            f"{mock + fmt.price(column[index] / divisor, decimals):>10}"
            for column in (candles.open, candles.high, candles.low, candles.close)
        )
        volume, interest = fmt.compact(float(candles.volume[index])), fmt.compact(_or_nan(int(candles.oi[index])))
        text = f"  {from_epoch(int(candles.start[index])):%H:%M}{prices}{volume:>9}{interest:>9}"
        is_own = candles.own is not None and candles.own[index]
        yield row(f"candle:{index}", text, *([Span(" own", "quiet")] if is_own else []))


def blocks(values: NDArray[np.float64], width: int) -> str:
    """Return a row of eighth blocks: the means of ``width`` equal stretches between lowest and highest.

    Args:
        values: float64[n], NaN for a gap: a stretch that is all gap is blank.
        width: Most cells.
    """
    means = np.array([mean_of(stretch) for stretch in np.array_split(values, min(width, len(values)))])
    if np.isnan(means).all():
        return ""
    low, high = np.nanmin(means), np.nanmax(means)
    scale = (means - low) / (high - low) if high > low else np.where(np.isnan(means), np.nan, 0.5)
    return "".join(" " if isnan(part) else _BLOCKS[1 + round(part * 7)] for part in scale.tolist())


def _over_time(values: NDArray[np.float64], candles: Candles) -> NDArray[np.float64]:
    """Values of one-minute candles with their gaps."""
    return with_gaps(values, candles.start, candles.after_gap, Interval.MINUTE)


def _own_words(candles: Candles) -> str:
    """``, 12 of our own ticks``; empty where all are the broker's."""
    return "" if candles.own is None else f", {int(candles.own.sum()):,} of our own ticks"


def _gap_words(candles: Candles) -> str:
    """``, 2 gaps``; empty where there is none."""
    gaps = 0 if candles.after_gap is None else int(candles.after_gap.sum())
    return f", {gaps} gap{'s' * (gaps != 1)}" if gaps else ""
