"""`Valuation`: keeps implied volatility and Greeks of the board's option rows current.

Four times a second it takes the slices (underlying and expiry) that a tick has touched, finds their forwards, selects
prices, solves all rows in one kernel call, and writes the results and the age of their oldest input back to the board.
Time to expiry counts from the instant that the prices are from (`PriceTimes`); its end follows the rule of
`tickertui.market.last_minutes`, so that slices of today's expiry are done every second also without a tick. 9,000 rows
take under 4 ms, which is why this runs on the event loop: in a thread it would fight for the interpreter lock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from typing import Any, Final, Protocol

import anyio
import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.black import Greeks, on_spot
from tickertui.market.board import Derived, MarketBoard
from tickertui.market.board_columns import DOUBTFUL
from tickertui.market.clock import Clock, from_epoch
from tickertui.market.conventions import (
    DAY_SECONDS,
    YEAR_SECONDS,
    Convention,
    Model,
    Preset,
    TimeBasis,
    trading_years,
)
from tickertui.market.forward import ForwardInputs, ForwardRule, Forwards, choose_forwards, parity_forwards
from tickertui.market.hours import CalendarError, MarketCalendar, UnderlyingKind
from tickertui.market.instruments import InstrumentTable
from tickertui.market.last_minutes import blank_last_minutes, theta_to_expiry
from tickertui.market.option_kernel import OptionKernel, slice_rows
from tickertui.market.price_selection import PriceSource, is_unreliable, select_price, select_volatility
from tickertui.market.stamps import AHEAD_S, FIRST_TIME
from tickertui.market.ticks import ASK_PRICE, BID_PRICE, Mode, Source, Word
from tickertui.market.wire_prices import rupees
from tickertui.services.valuation.layout import Floats, Rows, ValuationLayout, ValuationSlice, build_layout
from tickertui.services.valuation.price_times import PriceTimes, SlicePrices

CARRY_RATE: Final = 0.055
"""Growth of forwards per year for carried ones: about the repo rate less dividends (`ForwardSource.SPOT_CARRIED`)."""

_ROUND_S: Final = 0.25
_EXPIRY_DAY_NS: Final = 1_000_000_000
_IDLE_NS: Final = 60_000_000_000
"""Slices that nothing touches are done once a minute, because time to expiry shrinks."""
_SPOT_TRUSTED_S: Final = 60.0
"""A spot so much older than the slice's prices is no forward."""
# Plain integers: a look into an enumeration takes Python 3.11 longer than a short array's sum.
_FULL, _LAST_PRICE, _LAST_TRADE_TIME = int(Mode.FULL), int(Word.LAST_PRICE), int(Word.LAST_TRADE_TIME)
_ALL: Final = slice(None)


class Contracts(Protocol):
    """The instrument registry, as far as valuation needs it."""

    @property
    def table(self) -> InstrumentTable:
        """Contracts of the day."""
        ...

    def index_token(self, underlying: str) -> int | None:
        """Token of an underlying's index or share."""
        ...


@frozen(eq=False)
class _SliceTimes:
    """When the touched slices, m of them, are valued.

    Attributes:
        prices: The instants that their prices are from, and what the board knows of their rows.
        left: float64[m], seconds from then to the expiry, NaN where that is not known; not positive once it is past.
        years: float64[m], the same in the convention's years.
        settling: Settling values of those that have settled today, rupees, NaN for the others; float64[m].
    """

    prices: SlicePrices
    left: Floats
    years: Floats
    settling: Floats

    @property
    def last_day(self) -> bool:
        """Whether any of them has less than a day left, so that the rule of `last_minutes` has something to say."""
        return bool((self.left < DAY_SECONDS).any())


@frozen
class ValuationRound:
    """What a round did.

    Attributes:
        rows: Options valued.
        slices: Slices touched.
        seconds: How long it took.
    """

    rows: int = 0
    slices: int = 0
    seconds: float = 0.0


class Valuation:
    """See the module.

    Args:
        board: Where prices come from and results go.
        contracts: The day's contracts.
        calendar: Expiry instants and the closing auction.
        clock: Now.
        convention: How to value; `Preset.FORWARD` by default.
    """

    def __init__(
        self,
        board: MarketBoard,
        contracts: Contracts,
        calendar: MarketCalendar,
        clock: Clock,
        convention: Convention = Preset.FORWARD.value,
    ) -> None:
        self._board = board
        self._contracts = contracts
        self._calendar = calendar
        self._clock = clock
        self._convention = convention
        self._kernel = OptionKernel()
        self._layout: ValuationLayout | None = None
        self._laid_out: tuple[int, InstrumentTable | None] = (-1, None)
        self._seen = -1
        self._valued_ns: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._instants: dict[tuple[str, date, UnderlyingKind], float] = {}
        self._ends: Floats = np.zeros(0)
        self._far_ends: Floats = np.zeros(0)
        self._times = PriceTimes(board, calendar, clock)
        self.last_valued: ValuationRound | None = None
        """The last round that valued anything, None before the first: between ticks most rounds have nothing to do."""

    @property
    def convention(self) -> Convention:
        """How options are valued; assign to change it for the next round."""
        return self._convention

    @convention.setter
    def convention(self, convention: Convention) -> None:
        self._convention = convention
        self._seen = -1

    async def run(self, touch: Callable[[], None] = lambda: None) -> None:
        """Value until cancelled.

        Args:
            touch: Called after each round, for the task monitor.
        """
        while True:
            self.round()
            touch()
            await anyio.sleep(_ROUND_S)

    def round(self) -> ValuationRound:
        """Value the touched slices once."""
        began = self._clock.monotonic_ns()
        layout = self._current_layout()
        touched = self._touched(layout, began) if len(layout) else np.zeros(0, dtype=np.intp)
        rows = self._value(layout, touched, began) if len(touched) else 0
        done = ValuationRound(rows, len(touched), (self._clock.monotonic_ns() - began) / 1e9)
        if rows:
            self.last_valued = done
        return done

    # ------------------------------------------------------------------ which

    def _current_layout(self) -> ValuationLayout:
        key = (self._board.layout, self._contracts.table)
        if self._layout is None or self._laid_out[0] != key[0] or self._laid_out[1] is not key[1]:
            self._layout = build_layout(self._board, self._contracts.table, self._contracts.index_token)
            self._laid_out = key
            self._valued_ns = np.zeros(len(self._layout.slices), dtype=np.int64)
            self._seen = -1
            slices = self._layout.slices
            self._ends = np.array([self._expiry_s(item, item.expiry) for item in slices], dtype=np.float64)
            far = zip(slices, self._layout.far_expiries, strict=True)
            self._far_ends = np.array(
                [np.nan if expiry is None else self._expiry_s(item, expiry) for item, expiry in far], dtype=np.float64
            )
        return self._layout

    def _touched(self, layout: ValuationLayout, now_ns: int) -> Rows:
        """Slices with a changed leg, spot or future; those of today's expiry each second, the rest each minute."""
        versions = self._board.versions
        newest = np.maximum.reduceat(versions[layout.rows], layout.starts)
        for rows in (layout.spot_rows, layout.future_rows, layout.far_rows):
            np.maximum(newest, np.where(rows > 0, versions[rows], 0), out=newest)
        today = self._clock.now().date()
        expiring = np.array([item.expiry == today for item in layout.slices])
        waited = now_ns - self._valued_ns
        due = (newest > self._seen) | (waited >= np.where(expiring, _EXPIRY_DAY_NS, _IDLE_NS))
        self._seen = self._board.sequence
        return np.flatnonzero(due)

    # ------------------------------------------------------------------ value

    def _value(self, layout: ValuationLayout, touched: Rows, now_ns: int) -> int:
        board, convention = self._board, self._convention
        positions = slice_rows(layout.starts[touched], layout.lengths[touched])
        lengths = layout.lengths[touched]
        # All of them, in a busy market: then no column of the layout is copied.
        mine = positions if len(touched) < len(layout.slices) else _ALL
        rows = layout.rows[mine]
        times = self._slice_times(layout, touched, rows)
        instants = times.prices.instants.repeat(lengths)
        bid, ask, last, last_age = self._quotes(
            rows, layout.divisors[mine], times.prices, instants, times.prices.begins.repeat(lengths)
        )
        years = times.years
        discounts = np.exp(-convention.interest_rate * np.maximum(years, 0.0))
        forwards, forward_ns = self._forwards(layout, touched, mine, bid, ask, times, discounts)
        strikes, is_call, ticks = layout.strikes[mine], layout.is_call[mine], layout.ticks[mine]
        selected = select_price(bid, ask, last, last_age, ticks, rule=convention.price_rule)
        forward, time = forwards.value.repeat(lengths), years.repeat(lengths)
        discount = discounts.repeat(lengths) if convention.interest_rate else None
        iv, status = np.empty(len(positions)), np.empty(len(positions), dtype=np.int8)
        self._kernel.implied_volatility(selected.price, forward, strikes, time, is_call, discount, iv, status)
        left = np.repeat(times.left, lengths) if times.last_day else None
        if left is not None:
            blank_last_minutes(left, np.repeat(~np.isnan(times.settling), lengths), iv, status)
        other = _places(len(layout), mine)[layout.other_leg[mine]]
        chosen = select_volatility(iv, forward, strikes, is_call, other, convention.side)
        greeks = Greeks.empty(len(positions))
        self._kernel.greeks(forward, strikes, time, is_call, chosen.iv, discount, greeks)
        if convention.model is Model.BLACK_SCHOLES:
            greeks = self._on_spot(greeks, forward, time)
        if left is not None:
            greeks.theta[:] = theta_to_expiry(greeks.theta, greeks.price, forward, strikes, is_call, discount, left)
        unreliable = is_unreliable(greeks.vega, ticks, ask - bid, selected.source)
        by_trade = selected.source == PriceSource.LAST
        price_at = np.where(by_trade, instants - last_age, times.prices.times)
        received = board.received_ns[rows]
        oldest = np.minimum(received, forward_ns.repeat(lengths))
        # In the order of `Derived`; the last of the Greeks' columns is the price.
        columns: tuple[NDArray[Any], ...] = (
            chosen.iv, *greeks.columns()[:-1], forward, selected.price, forwards.source.repeat(lengths),
            selected.source, unreliable, instants, price_at, chosen.origin, layout.other_tokens[mine],
        )  # fmt: skip
        out = np.empty((len(rows), len(Derived)))
        for number, column in enumerate(columns):
            out[:, number] = column
        board.write_derived(rows, out, status, np.where(oldest > 0, oldest, received))
        self._seen = board.sequence
        self._valued_ns[touched] = now_ns
        return len(positions)

    def _quotes(
        self, rows: Rows, divisors: Floats, prices: SlicePrices, instants: Floats, begins: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Bid, ask, last in rupees, NaN where there is none, and the seconds from the last trade to ``instants``."""
        # Of a packet from the future nobody knows of when its prices are; one of the session before (the broker's
        # cached packet of what has not traded or been quoted yet) has prices of another time to expiry.
        usable = (prices.flags < DOUBTFUL) & (prices.times >= begins)
        full = usable & (prices.flags >> 8 == _FULL)
        board, words, tokens = self._board, self._board.words, self._board.tokens[rows]
        bid, ask, last = (
            rupees(words[:, word][rows], tokens, divisors) for word in (BID_PRICE, ASK_PRICE, _LAST_PRICE)
        )
        # A price of another day is behind no volatility, its own or the other leg's.
        last[board.untraded(rows)] = np.nan
        traded = words[:, _LAST_TRADE_TIME][rows]
        trade_time = traded.astype(np.float64)
        trade_time[traded < FIRST_TIME] = np.nan
        if not full.all():
            modes = np.where(usable, prices.flags >> 8, 0)
            bid[~full], ask[~full], last[modes == 0] = np.nan, np.nan, np.nan
            trade_time = np.where(full, trade_time, self._trade_times(rows, modes))
        trade_time[trade_time > self._clock.time_ns() / 1e9 + AHEAD_S] = np.nan
        return bid, ask, last, np.maximum(instants - trade_time, 0.0)

    def _trade_times(self, rows: Rows, modes: NDArray[np.int64]) -> Floats:
        """When rows outside full mode traded, epoch seconds, NaN where nobody knows: the broker does not tell.

        In quote mode a packet's arrival stands for it. The broker's cached packet may be of any day, and so may every
        packet in ltp mode until its price has been seen to move.
        """
        board = self._board
        arrived, moved = board.received_wall_ns[rows] / 1e9, self._times.moved(rows)
        cached = (board.packets[rows] <= 1) & (board.sources[rows] == Source.LIVE)
        return np.where(modes == Mode.LTP, np.where(moved > 0, moved, np.nan), np.where(cached, np.nan, arrived))

    def _slice_times(self, layout: ValuationLayout, touched: Rows, rows: Rows) -> _SliceTimes:
        prices = self._times.of_slices(layout, touched, rows)
        instants = prices.instants
        now_s = self._clock.time_ns() / 1e9
        ends = self._ends[touched]
        # Past the expiry nothing is valued, however old the last prices are.
        left = ends - np.where(now_s >= ends, now_s, instants)
        years = left / YEAR_SECONDS
        if self._convention.time_basis is TimeBasis.TRADING_252:
            for place in np.flatnonzero(left > 0).tolist():
                at, end = from_epoch(float(instants[place])), from_epoch(float(ends[place]))
                years[place] = trading_years(
                    at, end, partial(self._sessions_left, layout.slices[touched[place]].segment)
                )
        return _SliceTimes(prices, left, years, self._settling(layout, touched, prices))

    def _settling(self, layout: ValuationLayout, touched: Rows, prices: SlicePrices) -> Floats:
        """What the underlyings of slices that expire today have settled at, NaN where they have not."""
        values = np.full(len(touched), np.nan)
        now, auction = self._clock.now(), self._times.auction()
        today = now.date()
        if not auction.is_of(now):
            return values  # the day before's settles nothing that expires today
        expiring = [place for place, number in enumerate(touched.tolist()) if layout.slices[number].expiry == today]
        if expiring:
            rows = layout.spot_rows[touched[expiring]]
            now_s = self._clock.time_ns() / 1e9
            settled = auction.settled(now_s, prices.spot_times[expiring], self._times.moved(rows))
            settled &= prices.spot_flags[expiring] < DOUBTFUL
            values[expiring] = np.where(settled, self._board.price(rows), np.nan)
        return values

    def _expiry_s(self, item: ValuationSlice, expiry: date) -> float:
        """Epoch seconds of an expiry, NaN where the hours of its segment are not known."""
        key = (item.segment, expiry, item.kind)
        if key not in self._instants:
            try:
                self._instants[key] = self._calendar.expiry_instant(*key).timestamp()
            except (CalendarError, ValueError):
                self._instants[key] = np.nan
        return self._instants[key]

    def _sessions_left(self, segment: str, now: datetime, end: datetime) -> float:
        calendar = self._calendar
        full = calendar.trading_days_between(segment, now.date(), end.date())
        # What expires before the close of its last day does not have the rest of it.
        unused = calendar.remaining_session_fraction(segment, end)
        return calendar.remaining_session_fraction(segment, now) + full - unused

    def _forwards(
        self,
        layout: ValuationLayout,
        touched: Rows,
        positions: Rows | slice,
        bid: Floats,
        ask: Floats,
        times: _SliceTimes,
        discounts: Floats,
    ) -> tuple[Forwards, NDArray[np.int64]]:
        """Forwards of the touched slices and the monotonic times of the oldest price behind each."""
        place = _places(len(layout), positions)
        pairs = slice_rows(layout.pair_starts[touched], layout.pair_lengths[touched])
        # Position -1 (no such leg) finds the NaN behind the last row.
        bids, asks = np.append(bid, np.nan), np.append(ask, np.nan)
        calls, puts = place[layout.pair_calls[pairs]], place[layout.pair_puts[pairs]]
        parity = parity_forwards(
            layout.pair_lengths[touched], layout.pair_strikes[pairs],
            bids[calls], asks[calls], bids[puts], asks[puts], discounts,
        )  # fmt: skip
        inputs = self._alternatives(layout, touched, times)
        convention = self._convention
        on_spot_ = convention.model is Model.BLACK_SCHOLES
        forwards = choose_forwards(
            parity,
            inputs,
            carry_rate=convention.interest_rate - convention.dividend_yield if on_spot_ else CARRY_RATE,
            rule=ForwardRule.SPOT_ONLY if on_spot_ else ForwardRule.PARITY_FIRST,
        )
        return forwards, self._forward_times(layout, touched, pairs, forwards)

    def _alternatives(self, layout: ValuationLayout, touched: Rows, times: _SliceTimes) -> ForwardInputs:
        board, prices, auction = self._board, times.prices, self._times.auction()
        spot_rows, stamps = layout.spot_rows[touched], prices.spot_times
        spot, now_s = board.price(spot_rows), self._clock.time_ns() / 1e9
        old, frozen_ = prices.instants - stamps > _SPOT_TRUSTED_S, np.zeros(len(touched), dtype=np.bool_)
        if now_s >= auction.begins:
            settled = auction.settled(now_s, stamps, self._times.moved(spot_rows))
            old, frozen_ = old & ~settled, ~settled
        spot[old & (prices.spot_flags & 0xFF == Source.LIVE)] = np.nan
        spot[prices.spot_flags >= DOUBTFUL] = np.nan
        # Together: each of numpy's calls costs as much as the rows.
        future_rows = np.concatenate((layout.future_rows[touched], layout.far_rows[touched]))
        futures = self._traded_price(future_rows, np.concatenate((prices.begins, prices.begins)))
        return ForwardInputs(
            years=times.years,
            future=futures[: len(touched)],
            far_future=futures[len(touched) :],
            far_years=(self._far_ends[touched] - prices.instants) / YEAR_SECONDS,
            spot=spot,
            manual=np.full(len(touched), np.nan),
            settled=times.settling,
            spot_frozen=frozen_,
            prefer_future=~layout.spot_is_index[touched],
        )

    def _traded_price(self, rows: Rows, begins: Floats) -> Floats:
        """Last prices in rupees, NaN where there is none, it is of another day, or nobody knows of when it is."""
        board = self._board
        found = board.price(rows)
        found[board.untraded(rows) | (board.flags[rows] >= DOUBTFUL) | (self._times.of_rows(rows) < begins)] = np.nan
        return found

    def _forward_times(
        self, layout: ValuationLayout, touched: Rows, pairs: Rows, forwards: Forwards
    ) -> NDArray[np.int64]:
        """Receipt of the older leg at the strike nearest to each forward; parity is at its best there."""
        lengths = layout.pair_lengths[touched]
        starts = np.cumsum(lengths) - lengths
        distance = np.abs(layout.pair_strikes[pairs] - np.repeat(forwards.value, lengths))
        nearest = distance == np.repeat(np.minimum.reduceat(distance, starts), lengths)
        # NaN equals nothing: a slice without a forward has no nearest strike and keeps the time 0.
        received = np.append(self._board.received_ns[layout.rows], np.iinfo(np.int64).max)
        nearest_pairs = pairs[nearest]
        older = np.minimum(received[layout.pair_calls[nearest_pairs]], received[layout.pair_puts[nearest_pairs]])
        times = np.zeros(len(touched), dtype=np.int64)
        times[np.repeat(np.arange(len(touched)), lengths)[nearest]] = older
        return times

    def _on_spot(self, greeks: Greeks, forward: Floats, time: Floats) -> Greeks:
        """Turn Greeks with respect to the forward into those with respect to the spot."""
        carry = self._convention.interest_rate - self._convention.dividend_yield
        growth = np.exp(carry * time)
        return on_spot(greeks, forward / growth, growth, np.full(len(time), carry), time)


def _places(count: int, positions: Rows | slice) -> Rows:
    """Where the rows of a layout stand among some of them, -1 where they do not; -1 at the end, for no row."""
    place = np.full(count + 1, -1, dtype=np.intp)
    place[:-1][positions] = np.arange(count if isinstance(positions, slice) else len(positions))
    return place
