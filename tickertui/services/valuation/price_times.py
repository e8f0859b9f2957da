"""`PriceTimes`: the instant that the prices of a slice are from; its time to expiry counts from there.

Called by `tickertui.services.valuation.valuation` once a round. A price that stands says nothing about now: valued
with the wall clock, Friday's closing prices had a volatility of 13 % on Friday and of 23 % on Monday before the open,
and with a feed that has stopped the volatility rises by itself. So the instant is the latest time stamp of the
exchange among the slice's legs, its underlying and its future; where packets carry none (outside full mode), their
arrival stands for it. It is never later than now, and what comes while the segment is shut (the broker's cached packets
on a weekend, a quote by REST) is as of the close of the session before. What is synthetic or recorded has its own time
and is left alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.board import MarketBoard
from tickertui.market.board_columns import DOUBTFUL
from tickertui.market.clock import Clock, from_epoch
from tickertui.market.hours import CalendarError, MarketCalendar, Session
from tickertui.market.settling import NO_AUCTION, AuctionTimes
from tickertui.market.stamps import FIRST_TIME
from tickertui.market.ticks import Source, Word
from tickertui.services.valuation.layout import Floats, Rows, ValuationLayout

Ints = NDArray[np.int64]

_STAMP: Final = int(Word.EXCHANGE_TIMESTAMP)
_BEARING_STAMP: Final = _STAMP << 8 | 0xFF
"""Flags above this are of a packet with a time stamp, whatever its source."""
_OWN_TIME: Final = np.zeros(256, dtype=np.bool_)
_OWN_TIME[[Source.MOCK, Source.REPLAY]] = True
_CASH: Final = "INDICES"
_KEPT_SPANS: Final = 4
"""Sessions of a segment that are remembered: prices are of this one or the one before, few are older."""


_NO_AUCTION_KNOWN: Final[tuple[float, float, AuctionTimes]] = (np.inf, -np.inf, NO_AUCTION)


@frozen(eq=False)
class SlicePrices:
    """Of when the prices of m slices with n rows are, and what the board knows of them.

    Attributes:
        instants: float64[m], epoch seconds.
        begins: float64[m], epoch seconds at which the sessions of the instants began, -inf where that is not known or
            the prices have their own time: what carries an earlier stamp is of another session.
        flags: int64[n], of the options' rows, see `MarketBoard.flags`.
        times: float64[n], epoch seconds that they carry, or else of their arrival.
        spot_flags: int64[m], of the underlyings' rows.
        spot_times: float64[m], epoch seconds of the underlyings' last packets, 0 before the first.
    """

    instants: Floats
    begins: Floats
    flags: Ints
    times: Floats
    spot_flags: Ints
    spot_times: Floats


class PriceTimes:
    """See the module.

    Args:
        board: Where the prices are.
        calendar: Sessions, planned or as seen.
        clock: Now.
    """

    def __init__(self, board: MarketBoard, calendar: MarketCalendar, clock: Clock) -> None:
        self._board = board
        self._calendar = calendar
        self._clock = clock
        self._revision = calendar.revision
        self._spans: dict[str, list[tuple[float, float, float]]] = {}
        self._auction = _NO_AUCTION_KNOWN
        self._layout: ValuationLayout | None = None
        self._names: list[str] = []
        self._segments: Rows = np.zeros(0, dtype=np.intp)

    def of_slices(self, layout: ValuationLayout, touched: Rows, options: Rows) -> SlicePrices:
        """Return the instant of each touched slice, and what the board knows of its rows.

        Args:
            layout: All slices.
            touched: intp[m], of which slices.
            options: intp[n], their rows of the board, slice after slice.
        """
        self._follow_sessions(layout)
        count, size = len(touched), len(options)
        lengths = layout.lengths[touched]
        starts = np.cumsum(lengths) - lengths
        rows = np.concatenate((options, layout.spot_rows[touched], layout.future_rows[touched]))
        # Together: each of numpy's calls costs as much as the rows.
        flags, times = self._of_rows(rows)
        newest = np.concatenate((np.maximum.reduceat(times[:size], starts), times[size:])).reshape(3, count)
        own_time = np.logical_or.reduceat(_OWN_TIME.take(flags[:size] & 0xFF), starts)
        bounded = self._bounded(newest, self._segments[touched], own_time)
        instants = newest
        if bounded is not newest:
            # Printed while the options were shut (the index of a pre-open session): no time of their prices.
            instants = np.where(bounded == newest, newest, 0.0)
            instants[0] = bounded[0]
        instants = instants.max(axis=0)
        # Nothing came yet: there is no price either, and now is as good as any instant.
        instants[instants <= 0] = self._clock.time_ns() / 1e9
        begins = np.where(own_time, -np.inf, self._begins(instants, self._segments[touched]))
        spots = slice(size, size + count)
        return SlicePrices(instants, begins, flags[:size], times[:size], flags[spots], times[spots])

    def _of_rows(self, rows: Rows) -> tuple[Ints, Floats]:
        """Flags and times of the rows' last packets, epoch seconds: never after now, 0 for none."""
        board = self._board
        flags, stamps = board.flags[rows], board.words[:, _STAMP][rows]
        times = stamps.astype(np.float64)
        # The mode stands above the source and below the mark of doubt.
        believed = (stamps >= FIRST_TIME) & (flags > _BEARING_STAMP) & (flags < DOUBTFUL)
        if not believed.all():
            told = ~believed
            times[told] = board.received_wall_ns[rows[told]] / 1e9
        return flags, np.minimum(times, self._clock.time_ns() / 1e9, out=times)

    def of_rows(self, rows: Rows) -> Floats:
        """Return the times that the rows' last packets carry, or else of their arrival: epoch seconds, 0 for none."""
        return self._of_rows(rows)[1]

    def auction(self) -> AuctionTimes:
        """Return the closing auction of the cash market's session that began last."""
        now_s = self._clock.time_ns() / 1e9
        begins, until, times = self._auction
        if not begins <= now_s < until:
            now = self._clock.now()
            session = _latest_session(self._calendar, _CASH, now)
            times = AuctionTimes.of(session)
            self._auction = (now_s, _next_open(self._calendar, _CASH, now), times)
        return times

    def moved(self, rows: Rows) -> Floats:
        """Return the wall times at which the rows' prices changed last, epoch seconds, 0 where that was not seen."""
        moved_ns = self._board.moved_ns[rows]
        ago_s = (self._clock.monotonic_ns() - moved_ns) / 1e9
        return np.where(moved_ns > 0, self._clock.time_ns() / 1e9 - ago_s, 0.0)

    def _follow_sessions(self, layout: ValuationLayout) -> None:
        """Take the segments of a new layout, and forget the sessions when others are seen than were planned."""
        if layout is not self._layout:
            self._layout = layout
            names = [item.segment for item in layout.slices]
            self._names = list(dict.fromkeys(names))
            self._segments = np.array([self._names.index(name) for name in names], dtype=np.intp)
        if self._revision != self._calendar.revision:
            self._revision = self._calendar.revision
            self._spans.clear()
            self._auction = _NO_AUCTION_KNOWN

    def _bounded(self, instants: Floats, segments: Rows, own_time: NDArray[np.bool_]) -> Floats:
        """Put instants at which a slice's segment was shut to the close of the session before.

        Args:
            instants: float64[3, m].
            segments: intp[m], places among the names.
            own_time: bool[m], slices that are left alone.

        Returns:
            float64[3, m]; ``instants`` itself where nothing was put elsewhere.
        """
        several = len(self._names) > 1
        if not several:
            for begins, closes, until in self._spans.get(self._names[0], ()):
                if closes < until and (((instants >= begins) & (instants <= closes)) | (instants <= 0)).all():
                    return instants  # as good as always: all within one session
        bounded, flat = instants.copy().ravel(), instants.ravel()
        wanted = ((instants > 0) & ~own_time).ravel()
        for place, segment in enumerate(self._names):
            mine = wanted & np.tile(segments == place, len(instants)) if several else wanted
            rest = np.flatnonzero(mine)
            spans = self._spans.setdefault(segment, [])
            for number in range(len(rest) + len(spans)):
                if not len(rest):
                    break
                if number == len(spans):
                    spans.append(self._span(segment, float(flat[rest[0]])))
                begins, closes, until = spans[number]
                times = flat[rest]
                inside = (times >= begins) & (times < until)
                bounded[rest[inside]] = np.minimum(times[inside], closes)
                rest = rest[~inside]
            del spans[:-_KEPT_SPANS]
        return bounded.reshape(instants.shape)

    def _begins(self, instants: Floats, segments: Rows) -> Floats:
        """Return when the sessions of the slices' instants began, -inf where the hours are not known; float64[m]."""
        begins = np.full(len(instants), -np.inf)
        for place, segment in enumerate(self._names):
            for began, closes, until in self._spans.get(segment, ()):
                if closes < np.inf:
                    begins[(segments == place) & (instants >= began) & (instants < until)] = began
        return begins

    def _span(self, segment: str, instant: float) -> tuple[float, float, float]:
        """The session that began last before an instant: its begin, its close and the next open."""
        at = from_epoch(instant)
        session = _latest_session(self._calendar, segment, at)
        if session is None:
            return (instant, np.inf, np.nextafter(instant, np.inf))
        return (session.open.timestamp(), session.close.timestamp(), _next_open(self._calendar, segment, at))


def _latest_session(calendar: MarketCalendar, segment: str, at: datetime) -> Session | None:
    """Return the session that runs, else the last finished one; None where the calendar knows none."""
    try:
        return calendar.current_session(segment, at) or calendar.previous_session(segment, at)
    except (CalendarError, ValueError):
        # Hours of this segment are not known: its prices keep the time that they carry.
        return None


def _next_open(calendar: MarketCalendar, segment: str, at: datetime) -> float:
    try:
        return calendar.next_open(segment, at).timestamp()
    except (CalendarError, ValueError):
        return np.inf
