"""`shown_session`: the session of an exchange whose values a screen shows at a moment.

It is the one that runs, else the last one: until the next open what stands on the screen is of the last session, also
on the morning after it. `PreviousInterest` asks which day comes before it, `StoredClose` which one it is.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import NamedTuple

from tickertui.market.hours import CalendarError, MarketCalendar, Session


class ShownDays(NamedTuple):
    """Days of an exchange's own sessions.

    Attributes:
        shown: Of the session whose values are shown, None where the calendar does not know.
        before: The last one with a session before it.
    """

    shown: date | None
    before: date | None


def shown_session(calendar: MarketCalendar, exchange: str, now: datetime) -> Session | None:
    """Return the session of an exchange that runs, else its last one; None where the calendar knows none.

    Args:
        calendar: Sessions.
        exchange: Or segment.
        now: Aware.
    """
    try:
        return calendar.current_session(exchange, now) or calendar.previous_session(exchange, now)
    except (CalendarError, ValueError):
        return None  # no hours are known of this exchange, or none of these days


def shown_days(calendar: MarketCalendar, exchange: str, now: datetime) -> ShownDays:
    """Return the day of an exchange's shown session and the day of its own session before that."""
    session = shown_session(calendar, exchange, now)
    if session is None:
        return ShownDays(None, None)
    try:
        start = datetime.combine(session.day, time.min, now.tzinfo)
        return ShownDays(session.day, calendar.previous_session(exchange, start).day)
    except CalendarError:
        return ShownDays(session.day, None)
