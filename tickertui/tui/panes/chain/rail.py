"""The rail at the right of a large screen: smile, straddle of the day, depth of the leg under the cursor, movers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from tickertui.market.board import MarketBoard
from tickertui.market.candles import Candles, Interval, with_gaps
from tickertui.market.chain import Side
from tickertui.market.clock import from_epoch
from tickertui.market.coverage import Coverage
from tickertui.market.instruments import Instrument, price_divisor
from tickertui.market.snapshots import market_depth
from tickertui.market.ticks import Source
from tickertui.tui.look import format as fmt
from tickertui.tui.look.block_charts import line_chart
from tickertui.tui.look.glyphs import glyphs_of
from tickertui.tui.panels.leg import name_of
from tickertui.tui.terminal.contained import Contained
from tickertui.tui.terminal.failures import Failure
from tickertui.tui.view.backend import Backend, BackendRefused
from tickertui.tui.view.data_states import DataState
from tickertui.tui.view.frames import ChainFrame, Field
from tickertui.tui.widgets.row_list import Row, RowList, Span, row

WIDTH: Final = 44
_INNER: Final = WIDTH - 4
"""Cells of a chart: without the borders and one blank at each side."""
_CHART_LINES: Final = 5
_NEAR: Final = 14
"""Strikes each side of the money that the smile and the movers look at."""
_RELOAD_NS: Final = 60_000_000_000
"""Candles of the straddle are read again after a minute: that is how often there is a new one."""
_FRESH: Final = 3
"""Minutes that the last candle may lie back without a gap to the present: it ends, is stored, and is read again."""
_RETRY_NS: Final = 5_000_000_000
"""But sooner while there are none: the backfill may just be at it."""


class RailPanel(RowList, can_focus=False):
    """One bordered list of the rail."""

    stands_alone = True
    DEFAULT_CSS = """
    RailPanel { width: 100%; border: round $quiet; border-title-color: $text-cell; border-title-style: bold; }
    """

    def retitle(self, title: str) -> None:
        """Say what the panel shows."""
        self.border_title = Content(glyphs_of(self).text(title))


@dataclass(slots=True)
class StraddleDay:
    """The straddle at the money over the day, from the stored candles of both legs.

    Attributes:
        key: Expiry and strike it belongs to, None before the first.
        asked_ns: When the candles were asked for last.
        starts: int64[n] epoch seconds.
        prices: float64[n] rupees.
        mean: Volume-weighted mean, rupees, NaN without volume.
        after_gap: bool[n], where it is not known what was between a minute and the one before.
    """

    key: tuple[date, float] | None = None
    asked_ns: int = 0
    starts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    prices: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    mean: float = float("nan")
    after_gap: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    def take(self, call: Candles, put: Candles, divisor: int) -> None:
        """Add the closes of minutes that both legs have."""
        self.starts, first, second = np.intersect1d(call.start, put.start, return_indices=True)
        self.prices = (call.close[first] + put.close[second]) / divisor
        self.after_gap = _gap_before(call, first) | _gap_before(put, second)
        weights = (call.volume[first] + put.volume[second]).astype(np.float64)
        self.mean = float((self.prices * weights).sum() / weights.sum()) if weights.sum() else float("nan")


def _gap_before(candles: Candles, places: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Tell where a gap lies between a chosen candle and the chosen one before it, bool[k]."""
    if candles.after_gap is None:
        return np.zeros(len(places), dtype=np.bool_)
    gaps = np.cumsum(candles.after_gap)[places]
    return np.diff(gaps, prepend=gaps[:1]) > 0


class Rail(Contained, Vertical):
    """Four panels, renewed twice a second while the rail is in sight.

    Args:
        backend: The program behind it.
    """

    stands_alone = True
    DEFAULT_CSS = f"""
    Rail {{
        width: {WIDTH};
        display: none;
        & > #rail-smile {{ height: 9; }}
        & > #rail-straddle {{ height: 9; }}
        & > #rail-depth {{ height: 8; }}
        & > #rail-movers {{ height: 1fr; }}
    }}
    """

    def __init__(self, backend: Backend, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._backend = backend
        self._day = StraddleDay()

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        for name in ("smile", "straddle", "depth", "movers"):
            yield RailPanel(id=f"rail-{name}")

    def show(
        self, frame: ChainFrame | None, instrument: Instrument | None, marked_iv: NDArray[np.float64] | None = None
    ) -> None:
        """Show a frame, and the depth of a leg.

        Args:
            frame: The newest, None before the first.
            instrument: Whose depth, None for no leg.
            marked_iv: Volatilities of the frame's legs at the mark, float64[k, 2]; None without a mark.
        """
        if frame is None:
            return
        mock = "~" if frame.is_mock else ""
        self._put("smile", f"{mock}IV smile · {frame.key.expiry:%d %b}", smile_rows(frame))
        self._follow_straddle(frame)
        atm = fmt.strike(frame.summary.atm_strike)
        self._put("straddle", f"{mock}Straddle {atm} · today", straddle_rows(frame, self._day))
        leg = name_of(instrument) if instrument is not None else "no leg"
        self._put("depth", f"{mock}Depth {leg}", depth_lines(self._backend.board, instrument))
        self._put("movers", f"{mock}Movers {movers_span(frame)}", mover_rows(frame, marked_iv))

    def fail(self, failure: Failure) -> None:
        """Show an error in the place of all four; the chain beside them goes on."""
        for panel in self.query(RailPanel):
            panel.fail(failure)

    def _put(self, name: str, title: str, rows: Iterator[Row]) -> None:
        panel = self.query_one(f"#rail-{name}", RailPanel)
        panel.retitle(title)
        panel.set_rows(list(rows))

    # ------------------------------------------------------------------ straddle

    def _follow_straddle(self, frame: ChainFrame) -> None:
        if frame.atm_row < 0:
            return
        key, now = (frame.key.expiry, float(frame.strikes[frame.atm_row])), self._backend.clock.monotonic_ns()
        tokens = [frame.token(frame.atm_row, side) for side in Side]
        patience = _RELOAD_NS if len(self._day.prices) else _RETRY_NS
        if min(tokens) < 0 or (key == self._day.key and now - self._day.asked_ns < patience):
            return
        day = StraddleDay(key, now)
        if key == self._day.key:
            day.starts, day.prices, day.mean = self._day.starts, self._day.prices, self._day.mean
            day.after_gap = self._day.after_gap
        self._day = day
        self.run_worker(partial(self._load, day, tokens[0], tokens[1]), group="rail-straddle", exclusive=True)

    async def _load(self, day: StraddleDay, call: int, put: int) -> None:
        now = self._backend.clock.now()
        start = datetime.combine(now.date(), time(0, 0), tzinfo=now.tzinfo)
        try:
            day.take(
                await self._backend.candles(call, start, now),
                await self._backend.candles(put, start, now),
                price_divisor(call),
            )
        except BackendRefused:
            # The panel says that there are no candles; the reason is in the events already.
            return


def _near(frame: ChainFrame) -> slice:
    centre = frame.atm_row if frame.atm_row >= 0 else len(frame.strikes) // 2
    return slice(max(0, centre - _NEAR), centre + _NEAR + 1)


def _chart(values: NDArray[np.float64], role: str) -> Iterator[Row]:
    for line in line_chart(values, _INNER, _CHART_LINES):
        yield row("", Span(f" {line}", role))


def smile_rows(frame: ChainFrame) -> Iterator[Row]:
    """Draw the volatility of the out-of-the-money legs around the money."""
    near = _near(frame)
    strikes = frame.strikes[near]
    below = strikes < frame.summary.reference.price
    values = np.where(below, frame.values[near, Side.PUT, Field.IV], frame.values[near, Side.CALL, Field.IV])
    known = values[~np.isnan(values)]
    if len(known) < 2:
        yield row("", Span(" no volatility yet", "quiet"))
        return
    yield from _chart(values, "mock" if frame.is_mock else "gain")
    low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
    left, right = fmt.strike(float(strikes[0])), fmt.strike(float(strikes[-1]))
    yield row("", Span(f" {left}{fmt.strike(frame.summary.atm_strike).center(_INNER - len(left) - len(right))}{right}",
                       "quiet"))  # fmt: skip
    yield row(
        "", f" min {fmt.volatility(float(values[low]))} @{fmt.strike(float(strikes[low]))}"
        f"  ATM {fmt.volatility(frame.summary.atm_iv)}  max {fmt.volatility(float(values[high]))}",
    )  # fmt: skip


def straddle_rows(frame: ChainFrame, day: StraddleDay) -> Iterator[Row]:
    """Draw the straddle over the day, the present value at its end."""
    now, decimals = frame.summary.straddle, frame.contracts.decimals
    if len(day.prices) < 2:
        yield row("", Span(" no candles of both legs yet", "quiet"))
        yield row("", f" now {fmt.price(now, decimals)}")
        return
    prices = day.prices
    shown = with_gaps(prices, day.starts, day.after_gap, Interval.MINUTE)
    runs = frame.market.is_open and not frame.is_mock and now == now
    if runs:
        prices = np.append(prices, now)
        unseen = max(0, int(frame.at.timestamp() - day.starts[-1]) // Interval.MINUTE.seconds - _FRESH)
        shown = np.concatenate((shown, np.full(unseen, np.nan), [now]))
    yield from _chart(shown, "strong")
    first = f" {from_epoch(int(day.starts[0])):%H:%M}"
    last = f"{frame.at if runs or frame.is_mock else from_epoch(int(day.starts[-1])):%H:%M}"
    yield row("", Span(f"{first}{last:>{_INNER + 1 - len(first)}}", "quiet"))
    mark = "~" if frame.is_mock else ""
    present, mean, low, high = (
        fmt.price(value, decimals) for value in (now, day.mean, float(prices.min()), float(prices.max()))
    )
    yield row("", f" now {mark}{present}  VWAP {mean}  {low}..{high}")


def depth_lines(board: MarketBoard, instrument: Instrument | None) -> Iterator[Row]:
    """Build the order book of a leg in 42 cells."""
    depth = market_depth(board, instrument.token) if instrument is not None else None
    if instrument is None or depth is None or not (depth.buy or depth.sell):
        yield row("", Span(" no order book", "quiet"))
        return
    mock = "~" if board.source_of(board.row(instrument.token)) is Source.MOCK else ""
    decimals = instrument.decimals
    yield row("", Span(f" ord   qty{mock + 'bid':>10} │{mock + 'ask':>9}   qty  ord", "quiet"))
    for level in range(max(len(depth.buy), len(depth.sell))):
        buy = depth.buy[level] if level < len(depth.buy) else None
        sell = depth.sell[level] if level < len(depth.sell) else None
        left = (
            f"{buy.orders:>4}{buy.quantity:>6}{fmt.fit_price(buy.price, 10, mock, decimals=decimals)}"
            if buy
            else f"{fmt.MISSING:>20}"
        )
        right = (
            f"{fmt.fit_price(sell.price, 9, mock, decimals=decimals)}{sell.quantity:>6}{sell.orders:>5}"
            if sell
            else f"{fmt.MISSING:>9}"
        )
        yield row("", Span(left, "gain"), Span(" │", "quiet"), Span(right, "loss"))


def movers_span(frame: ChainFrame) -> str:
    """Return ``since yesterday``, ``since mark 11:42``, or of a shut market the day: ``of Fri 20 Nov``."""
    marked, market = frame.summary.marked_at, frame.market
    if marked is not None:
        return f"since mark {marked:%H:%M}"
    is_of_session = market.session_day and not market.is_open and not frame.is_mock and not frame.is_replay
    return f"of {market.session_day}" if is_of_session else "since yesterday"


def mover_rows(frame: ChainFrame, marked_iv: NDArray[np.float64] | None, count: int = 6) -> Iterator[Row]:
    """Build the legs near the money whose open interest changed most, and how many legs build or unwind."""
    near = _near(frame)
    oi = Field.MARK_OI if marked_iv is not None else Field.OI_CHANGE
    values = frame.values[near]
    if np.isnan(values[..., oi]).all():
        yield row("", Span(" no change of open interest known yet", "quiet"))
        return
    changes = np.nan_to_num(values[..., oi])
    if not changes.any():
        yield row("", Span(" no open interest has changed", "quiet"))
        return
    order = np.argsort(-np.abs(changes), axis=None, kind="stable")[:count]
    for at in order.tolist():
        place, side = divmod(at, 2)
        if changes[place, side]:
            yield _mover(frame, near.start + place, side, oi, marked_iv)
    listed = int(np.count_nonzero(frame.tokens[near] > 0))
    yield row("", Span(f" {buildup_text(values, marked=marked_iv is not None, listed=listed)}", "quiet"))


def _mover(frame: ChainFrame, at: int, side: int, oi: Field, marked_iv: NDArray[np.float64] | None) -> Row:
    values = frame.values[at, side]
    change = float(values[oi])
    price = _price_change(values, marked=marked_iv is not None)
    mark = "~" if frame.states[at, side] == DataState.MOCK else ""
    iv = ""
    if marked_iv is not None:
        iv = f"  IV {fmt.signed_number(100 * (float(values[Field.IV]) - float(marked_iv[at, side])), 1)}"
    return row(
        "", f" {fmt.strike(float(frame.strikes[at])):>7} {Side(side).label:<5}",
        Span(f"dOI {fmt.compact(change, signed=True):<7}", "gain" if change > 0 else "loss"),
        f"{iv}  px {mark}{fmt.percent(price, 1, signed=True)}",
    )  # fmt: skip


def _price_change(values: NDArray[np.float64], *, marked: bool) -> float:
    if not marked:
        return float(values[Field.CHANGE_PCT])
    before = float(values[Field.LTP] - values[Field.MARK_LTP])
    return 100 * float(values[Field.MARK_LTP]) / before if before > 0 else float("nan")


def buildup_text(values: NDArray[np.float64], *, marked: bool, listed: int | None = None) -> str:
    """Return how many legs see longs or shorts built (open interest up) or closed (down), by their price's direction.

    Counts over a part of the legs say so, and stay away where that part is too small (`Coverage.is_enough`).

    Args:
        values: float64[k, 2, fields].
        marked: Whether changes count from the mark instead of from yesterday.
        listed: How many of these legs there are; None for all.
    """
    oi = values[..., Field.MARK_OI if marked else Field.OI_CHANGE]
    price = values[..., Field.MARK_LTP if marked else Field.CHANGE]
    coverage = Coverage(int(np.count_nonzero(~np.isnan(oi) & ~np.isnan(price))), oi.size if listed is None else listed)
    if not coverage.is_enough:
        return fmt.covered(f"build-up {fmt.MISSING}", coverage)
    oi, price = np.nan_to_num(oi), np.nan_to_num(price)
    counts = [
        int(((np.sign(oi) == of_oi) & (np.sign(price) == of_price)).sum())
        for of_oi, of_price in ((1, 1), (1, -1), (-1, 1), (-1, -1))
    ]
    gap = " " if coverage.text else "  "
    return fmt.covered(gap.join(("long+ {}", "short+ {}", "short- {}", "long- {}")).format(*counts), coverage)
