"""Which trading days' candles are wanted: the calendar's sessions, with the hours of each day."""

from __future__ import annotations

from datetime import date, datetime

from tickertui.market.clock import IST
from tickertui.market.hours import load_calendar
from tickertui.services.history.sessions import HistoryWindow
from tickertui.services.history.types import BackfillSettings
from tickertui.store.protocol import Span


def seconds(day: date, clock: str) -> int:
    return int(datetime.fromisoformat(f"{day}T{clock}+05:30").timestamp())


def test_each_day_has_the_hours_of_its_time() -> None:
    """Derivatives trade to 15:40 on the Friday and to 15:45 on the Monday; the index prints to its auction."""
    friday, monday = date(2026, 12, 4), date(2026, 12, 7)
    window = HistoryWindow(load_calendar(), BackfillSettings(days=2), datetime(2026, 12, 7, 18, 0, tzinfo=IST))
    derivatives: list[Span] = [
        (seconds(session.day, f"{session.open:%H:%M}"), seconds(session.day, f"{session.close:%H:%M}"))
        for session in window.sessions("NFO")
    ]
    assert derivatives == [
        (seconds(friday, "09:15"), seconds(friday, "15:40")),
        (seconds(monday, "09:15"), seconds(monday, "15:45")),
    ]
    assert window.dense("INDICES") == [
        (seconds(friday, "09:15"), seconds(friday, "15:15")),
        (seconds(monday, "09:15"), seconds(monday, "15:30")),
    ]


def test_an_evening_on_a_holiday_is_a_session_of_its_exchange_alone() -> None:
    window = HistoryWindow(load_calendar(), BackfillSettings(days=1), datetime(2026, 11, 25, 8, 0, tzinfo=IST))
    assert window.days(["NFO"]) == [date(2026, 11, 23)]
    assert window.days(["MCX"]) == [date(2026, 11, 24)]
    (evening,) = window.sessions("MCX")
    assert (f"{evening.open:%H:%M}", f"{evening.close:%H:%M}") == ("17:00", "23:55")
