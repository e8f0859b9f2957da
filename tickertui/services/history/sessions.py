"""`HistoryWindow`: the trading days whose history is wanted, and what of them is final at a moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from tickertui.market.candles import Interval
from tickertui.services.history.gaps import (
    TradingSession,
    Wanted,
    clipped,
    merged,
    requests_for,
    seconds_of,
    wanted_spans,
    young_tail,
)
from tickertui.services.history.types import BackfillSettings, BackfillTarget, Request, SessionCalendar
from tickertui.store.protocol import Span

_LOOK_AHEAD: Final = timedelta(days=15)
"""How far the next session is looked for; the longest real gap is five days."""
_TOGETHER: Final = timedelta(minutes=15)


class HistoryWindow:
    """One plan's view of the calendar; made anew for each plan.

    Args:
        calendar: Sessions.
        settings: Interval, days, and when a candle is final.
        now: Aware.
    """

    def __init__(self, calendar: SessionCalendar, settings: BackfillSettings, now: datetime) -> None:
        self._calendar = calendar
        self.settings = settings
        self.now = now
        self._sessions: dict[str, tuple[TradingSession, ...]] = {}
        self._wanted: dict[tuple[str, date | None], Wanted] = {}

    def sessions(self, segment: str) -> tuple[TradingSession, ...]:
        """Return the begun sessions of a segment's last trading days, ascending."""
        found = self._sessions.get(segment)
        if found is None:
            found = self._sessions[segment] = self._find_sessions(segment)
        return found

    def _find_sessions(self, segment: str) -> tuple[TradingSession, ...]:
        days = self.settings.days
        if days <= 0:
            return ()
        today = self.now.date()
        # Five of seven days trade and there are some 15 holidays a year: twice as many days plus two weeks hold them.
        begun = [
            session
            for session in self._calendar.sessions(segment, today - timedelta(days=2 * days + 14), today)
            if session.open <= self.now
        ]
        first_days = sorted({session.day for session in begun})[-days:]
        return tuple(session for session in begun if first_days and session.day >= first_days[0])

    def wanted(self, target: BackfillTarget) -> Wanted:
        """Return what there must be of a contract; nothing of one that has expired, the broker has no history of it."""
        if target.expiry is not None and target.expiry < self.now.date():
            return Wanted()
        key = target.segment, target.listed_on
        spans = self._wanted.get(key)
        if spans is None:
            settings = self.settings
            spans = self._wanted[key] = wanted_spans(
                self.sessions(target.segment), settings.interval, self.now, settings.settle, target.listed_on
            )
        return spans

    def expected(self, target: BackfillTarget) -> Sequence[Span]:
        """Return the part of `wanted` in which a contract can have candles: an index has none in a closing auction."""
        spans = self.wanted(target).spans
        if not target.is_index or self.settings.interval is Interval.DAY:
            return spans
        return [part for start, end in self.dense(target.segment) for part in clipped(spans, start, end)]

    def dense(self, segment: str) -> list[Span]:
        """Return the time in which an index prints each minute: it is silent in the closing auction."""
        return [
            (seconds_of(session.open), seconds_of(session.auction or session.close))
            for session in self.sessions(segment)
        ]

    def days(self, segments: Iterable[str]) -> list[date]:
        """Return the trading days of some segments, ascending."""
        return sorted({session.day for segment in segments for session in self.sessions(segment)})

    def last_closed_day(self, segments: Iterable[str]) -> date | None:
        """Return the last day whose sessions are all over and settled, None where there is none."""
        final = self.now - self.settings.settle
        closes: dict[date, datetime] = {}
        for segment in segments:
            for session in self.sessions(segment):
                closes[session.day] = max(session.close, closes.get(session.day, session.close))
        return max((day for day, close in closes.items() if close <= final), default=None)

    def next_close(self, segments: Iterable[str]) -> datetime | None:
        """Return when there is something new to fetch: the next sessions are over and their candles are final.

        Sessions that end within a quarter of an hour of each other (the index at 15:35, its options at 15:40) are
        waited for together: else the options would be asked for twice.
        """
        today = self.now.date()
        ends = sorted(
            end
            for segment in set(segments)
            for session in self._ahead(segment, today)
            if (end := session.close + self.settings.settle) > self.now
        )
        return max((end for end in ends if end - ends[0] <= _TOGETHER), default=None)

    def next_growth(self, segments: Iterable[str], pause: timedelta) -> datetime | None:
        """Return when a session will have run on for a while, or will have run for as long; None for day candles.

        Args:
            segments: Whose sessions.
            pause: How long it shall run on.
        """
        if self.settings.interval is Interval.DAY:
            return None
        today = self.now.date()
        starts = (
            max(session.open + self.settings.settle, self.now)
            for segment in set(segments)
            for session in self._ahead(segment, today)
            if session.close > self.now
        )
        first = min(starts, default=None)
        return None if first is None else first + pause

    def _ahead(self, segment: str, today: date) -> Sequence[TradingSession]:
        return self._calendar.sessions(segment, today, today + _LOOK_AHEAD)


def not_due(window: HistoryWindow, target: BackfillTarget, covered: Sequence[Span]) -> Span | None:
    """Return the newest minutes of a running session that are not worth a request yet, None where there are none.

    Args:
        window: What there must be by now.
        target: The contract.
        covered: What is complete, ascending.
    """
    return young_tail(window.wanted(target), covered, int(window.settings.tail_slack.total_seconds()))


def missing_requests(window: HistoryWindow, target: BackfillTarget, covered: Iterable[Span]) -> list[Request]:
    """Return the requests that fill what is missing of a contract, ascending.

    Args:
        window: What there must be by now.
        target: The contract.
        covered: What is complete or being asked for, in any order.
    """
    wanted, settings = window.wanted(target), window.settings
    have = merged(covered)
    tail = not_due(window, target, have)
    if tail is not None:
        have = merged([*have, tail])
    longest = settings.interval.max_days * 86_400
    return [Request(target, *span) for span in requests_for(wanted.spans, have, longest)]
