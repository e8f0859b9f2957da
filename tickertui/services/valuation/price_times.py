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

from tickertui.market.board import MarketBoard
from tickertui.market.clock import Clock, from_epoch
from tickertui.market.hours import CalendarError, MarketCalendar, Session
from tickertui.market.settling import NO_AUCTION, AuctionTimes
from tickertui.market.stamps import FIRST_TIME
from tickertui.market.ticks import Source, Word
from tickertui.services.valuation.layout import Floats, Rows, ValuationLayout

_CASH: Final = "INDICES"
_OWN_TIME: Final = (Source.MOCK, Source.REPLAY)
_KEPT_SPANS: Final = 4
"""Sessions of a segment that are remembered: prices are of this one or the one before, few are older."""


_NO_AUCTION_KNOWN: Final[tuple[float, float, AuctionTimes]] = (np.inf, -np.inf, NO_AUCTION)


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

    def of_rows(self, rows: Rows) -> Floats:
        """Return the epoch seconds of the rows' last packets, float64[n], never after now; 0 before the first."""
        board = self._board
        stamps = board.field(rows, Word.EXCHANGE_TIMESTAMP).astype(np.float64)
        believed = (stamps >= FIRST_TIME) & ~board.doubtful[rows]
        times = np.where(believed, stamps, board.received_wall_ns[rows] / 1e9)
        return np.minimum(times, self._clock.time_ns() / 1e9)

    def of_slices(self, layout: ValuationLayout, touched: Rows, positions: Rows) -> Floats:
        """Return the instant of each touched slice, float64[m] epoch seconds.

        Args:
            layout: All slices.
            touched: intp[m], of which slices.
            positions: intp[n], their rows in the layout's order, slice after slice.
        """
        self._follow_sessions()
        lengths = layout.lengths[touched]
        starts = np.cumsum(lengths) - lengths
        rows = layout.rows[positions]
        segments = [layout.slices[number].segment for number in touched.tolist()]
        own_time = np.logical_or.reduceat(np.isin(self._board.sources[rows], _OWN_TIME), starts)
        instants = self._bounded(np.maximum.reduceat(self.of_rows(rows), starts), segments, own_time)
        for others in (layout.spot_rows[touched], layout.future_rows[touched]):
            times = self.of_rows(others)
            # Printed while the options were shut (the index of a pre-open session): no time of their prices.
            times[self._bounded(times, segments, own_time) != times] = 0.0
            np.maximum(instants, times, out=instants)
        # Nothing came yet: there is no price either, and now is as good as any instant.
        instants[instants <= 0] = self._clock.time_ns() / 1e9
        return instants

    def auction(self) -> AuctionTimes:
        """Return the closing auction of the cash market's session that began last."""
        self._follow_sessions()
        now_s = self._clock.time_ns() / 1e9
        begins, until, times = self._auction
        if not begins <= now_s < until:
            now = self._clock.now()
            session = _latest_session(self._calendar, _CASH, now)
            times = AuctionTimes.of(session)
            self._auction = (now_s, _next_open(self._calendar, _CASH, now), times)
        return times

    def _follow_sessions(self) -> None:
        """Forget the sessions when others are seen than were planned."""
        if self._revision != self._calendar.revision:
            self._revision = self._calendar.revision
            self._spans.clear()
            self._auction = _NO_AUCTION_KNOWN

    def moved(self, rows: Rows) -> Floats:
        """Return the wall times at which the rows' prices changed last, epoch seconds, 0 where that was not seen."""
        moved_ns = self._board.moved_ns[rows]
        ago_s = (self._clock.monotonic_ns() - moved_ns) / 1e9
        return np.where(moved_ns > 0, self._clock.time_ns() / 1e9 - ago_s, 0.0)

    def _bounded(self, instants: Floats, segments: list[str], own_time: NDArray[np.bool_]) -> Floats:
        """Put instants at which a slice's segment was shut to the close of the session before."""
        bounded, names = instants.copy(), np.array(segments)
        for segment in dict.fromkeys(segments):
            rest = np.flatnonzero((names == segment) & ~own_time & (instants > 0))
            spans = self._spans.setdefault(segment, [])
            for place in range(len(rest) + len(spans)):
                if not len(rest):
                    break
                if place == len(spans):
                    spans.append(self._span(segment, float(instants[rest[0]])))
                begins, closes, until = spans[place]
                inside = (instants[rest] >= begins) & (instants[rest] < until)
                bounded[rest[inside]] = np.minimum(instants[rest[inside]], closes)
                rest = rest[~inside]
            del spans[:-_KEPT_SPANS]
        return bounded

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
