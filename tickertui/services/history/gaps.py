"""Arithmetic of what is missing: sessions, what is covered, and the requests that fill the difference. Pure.

Called by the bootstrapper's plan. Times are epoch seconds and spans are half-open [start, end), as the store keeps
them; lists of spans are ascending and their spans do not overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final, Protocol

from tickertui.frozen import frozen
from tickertui.market.candles import Interval
from tickertui.market.clock import IST
from tickertui.store.protocol import Span

_DAY_SECONDS: Final = 86_400


class TradingSession(Protocol):
    """One session of a segment, as `tickertui.market.hours.Session` describes it."""

    @property
    def day(self) -> date:
        """Its date."""
        ...

    @property
    def open(self) -> datetime:
        """Start of trading, inclusive."""
        ...

    @property
    def close(self) -> datetime:
        """End of trading, exclusive."""
        ...

    @property
    def auction(self) -> datetime | None:
        """When the closing auction begins, from which on an index prints nothing; None without one."""
        ...


@frozen
class Wanted:
    """What the calendar says there must be by now.

    Attributes:
        spans: Time whose candles are final.
        running_from: Start of the last span when its session is still going on, else None.
    """

    spans: tuple[Span, ...] = ()
    running_from: int | None = None


def seconds_of(instant: datetime) -> int:
    """Return an aware datetime as whole epoch seconds, downwards."""
    return int(instant.timestamp() // 1)


def midnight_of(day: date) -> int:
    """Return the start of a day in Asia/Kolkata."""
    return seconds_of(datetime(day.year, day.month, day.day, tzinfo=IST))


def wanted_spans(
    sessions: Sequence[TradingSession], interval: Interval, now: datetime, settle: timedelta, since: date | None = None
) -> Wanted:
    """Return the time of sessions whose candles are final.

    A candle is final when it has ended ``settle`` ago; the one that is forming never is. The last candle of a session
    ends with it, however short it is. Day candles are counted as whole days.

    Args:
        sessions: Ascending.
        interval: Length of the candles.
        now: Aware.
        settle: How long the broker may take to finish a candle.
        since: Day from which on the contract is listed, None for always.
    """
    final = seconds_of(now - settle)
    listed = [session for session in sessions if since is None or session.day >= since]
    if interval is Interval.DAY:
        closes: dict[date, int] = {}
        for session in listed:
            closes[session.day] = seconds_of(session.close)
        return Wanted(tuple(_whole_day(day) for day, close in closes.items() if close <= final))
    spans: list[Span] = []
    running_from = None
    for session in listed:
        start, end = seconds_of(session.open), seconds_of(session.close)
        if final < end:
            end = start + max(0, final - start) // interval.seconds * interval.seconds
            running_from = start if end > start else None
        if end > start:
            spans.append((start, end))
    return Wanted(tuple(spans), running_from)


def _whole_day(day: date) -> Span:
    start = midnight_of(day)
    return start, start + _DAY_SECONDS


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return the union of spans in any order."""
    union: list[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], end))
        else:
            union.append((start, end))
    return union


def subtract(wanted: Sequence[Span], covered: Sequence[Span]) -> list[Span]:
    """Return the parts of ``wanted`` that ``covered`` does not hold."""
    return [gap for _, gap in _gaps(wanted, covered)]


def _gaps(wanted: Sequence[Span], covered: Sequence[Span]) -> list[tuple[int, Span]]:
    """Return the missing parts, each with the number of the wanted span that it lies in."""
    gaps: list[tuple[int, Span]] = []
    place = 0
    for number, (start, end) in enumerate(wanted):
        while place < len(covered) and covered[place][1] <= start:
            place += 1
        look = place
        while start < end and look < len(covered) and covered[look][0] < end:
            if covered[look][0] > start:
                gaps.append((number, (start, covered[look][0])))
            start = max(start, covered[look][1])
            look += 1
        if start < end:
            gaps.append((number, (start, end)))
    return gaps


def requests_for(wanted: Sequence[Span], covered: Sequence[Span], max_seconds: int) -> list[Span]:
    """Return the requests that fill what is missing, ascending.

    One request reaches over nights and holidays, since only their number costs time, but never over what is covered
    already, and never further than the broker allows.

    Args:
        wanted: What there must be.
        covered: What there is.
        max_seconds: Longest request.
    """
    requests: list[Span] = []
    last_number = -2
    for number, (start, end) in _gaps(wanted, covered):
        begins, joins = start == wanted[number][0], False
        if requests and number == last_number + 1 and begins:
            joins = requests[-1][1] == wanted[last_number][1] and end - requests[-1][0] <= max_seconds
        if joins:
            requests[-1] = (requests[-1][0], end)
        else:
            while end - start > max_seconds:
                requests.append((start, start + max_seconds))
                start += max_seconds
            requests.append((start, end))
        last_number = number
    return requests


def young_tail(wanted: Wanted, covered: Sequence[Span], slack_seconds: int) -> Span | None:
    """Return the newest missing minutes of a running session, if the contract has been asked for in it already.

    A plan is made at every reload; without this each would cost a request for every contract.

    Args:
        wanted: What there must be.
        covered: What there is.
        slack_seconds: A longer tail is not young.
    """
    gaps = subtract(wanted.spans, covered)
    if not gaps or wanted.running_from is None:
        return None
    start, end = gaps[-1]
    is_young = end == wanted.spans[-1][1] and start > wanted.running_from and end - start < slack_seconds
    return gaps[-1] if is_young else None


def candle_count(spans: Iterable[Span], interval: Interval) -> int:
    """Return how many candles fill spans, a last shorter one included."""
    return sum(-((start - end) // interval.seconds) for start, end in spans)


def clipped(spans: Iterable[Span], start: int, end: int) -> list[Span]:
    """Return what of the spans lies within [start, end)."""
    return [(max(a, start), min(b, end)) for a, b in spans if a < end and b > start]
