"""The market calendar: every edge of the day, holidays, special sessions, expiry instants, the user's own file."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, time, timedelta, timezone
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickertui.market.hours import IST, CalendarError, DayKind, MarketCalendar, Phase, UnderlyingKind, load_calendar

CALENDAR = load_calendar()
BEFORE = date(2026, 7, 31)
"""A Friday with the old hours."""
SINCE = date(2026, 8, 3)
"""The Monday on which the closing auction and the 15:40 close came."""


def minutes_of(calendar: MarketCalendar, segment: str, day: date) -> int:
    return sum(session.minutes for session in calendar.session_on(segment, day))


def at(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), IST)


@pytest.mark.parametrize(
    ("segment", "day", "clock", "phase"),
    [
        ("NFO", BEFORE, "08:59:59", Phase.CLOSED),
        ("NFO", BEFORE, "09:00:00", Phase.PRE_OPEN),
        ("NFO", BEFORE, "09:14:59.999999", Phase.PRE_OPEN),
        ("NFO", BEFORE, "09:15:00", Phase.OPEN),
        ("NFO", BEFORE, "15:29:59.999999", Phase.OPEN),
        ("NFO", BEFORE, "15:30:00", Phase.CLOSED),
        ("INDICES", BEFORE, "15:20:00", Phase.OPEN),
        ("NFO", SINCE, "09:15:00", Phase.OPEN),
        ("NFO", SINCE, "15:14:59.999999", Phase.OPEN),
        ("NFO", SINCE, "15:15:00", Phase.CAS),
        ("BFO", SINCE, "15:34:59.999999", Phase.CAS),
        ("BFO", SINCE, "15:35:00", Phase.CLOSING),
        ("NFO", SINCE, "15:39:59.999999", Phase.CLOSING),
        ("NFO", SINCE, "15:40:00", Phase.CLOSED),
        ("NSE", SINCE, "15:15:00", Phase.CAS),
        ("INDICES", SINCE, "15:34:59", Phase.CAS),
        ("INDICES", SINCE, "15:35:00", Phase.CLOSED),
        ("MCX", date(2026, 11, 25), "23:54:59", Phase.OPEN),
        ("MCX", date(2026, 10, 28), "23:30:00", Phase.CLOSED),
        ("CDS", date(2026, 11, 25), "16:59:59", Phase.OPEN),
        ("CDS", date(2026, 11, 25), "17:00:00", Phase.CLOSED),
        ("NFO-OPT", SINCE, "15:39:00", Phase.CLOSING),
    ],
)
def test_edges_of_the_day(segment: str, day: date, clock: str, phase: Phase) -> None:
    moment = at(day, clock)
    assert CALENDAR.phase(segment, moment) is phase
    assert CALENDAR.is_open(segment, moment) is (phase in (Phase.OPEN, Phase.CAS, Phase.CLOSING))


def test_an_instant_of_another_zone_is_the_same_instant() -> None:
    opening = datetime(2026, 11, 25, 3, 45, tzinfo=UTC)
    assert CALENDAR.phase("NFO", opening) is Phase.OPEN
    assert CALENDAR.phase("NFO", opening - timedelta(microseconds=1)) is Phase.PRE_OPEN
    late_in_new_york = datetime(2026, 11, 22, 23, 0, tzinfo=timezone(timedelta(hours=-5)))
    assert CALENDAR.phase("NFO", late_in_new_york) is Phase.OPEN


@pytest.mark.parametrize(
    "call",
    [
        lambda c, t: c.phase("NFO", t),
        lambda c, t: c.is_open("NFO", t),
        lambda c, t: c.step("NFO", t),
        lambda c, t: c.next_open("NFO", t),
        lambda c, t: c.previous_session("NFO", t),
        lambda c, t: c.last_close("NFO", t),
        lambda c, t: c.remaining_session_fraction("NFO", t),
        lambda c, t: c.current_session("NFO", t),
        lambda c, t: c.warnings(t),
    ],
)
def test_a_naive_datetime_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match="no time zone"):
        call(CALENDAR, datetime(2026, 11, 25, 10, 0))  # noqa: DTZ001 - a naive datetime is the point


@pytest.mark.parametrize("segment", ["IFSC", "IFSC-OPT", "GLOBAL", "NSEIX", ""])
def test_an_exchange_without_hours_is_unknown_and_nothing_else(segment: str) -> None:
    day, noon = SINCE, at(SINCE, "12:00")
    assert not CALENDAR.knows(segment)
    assert CALENDAR.knows("NFO-OPT")
    assert CALENDAR.phase(segment, noon) is Phase.UNKNOWN
    assert not CALENDAR.is_open(segment, noon)
    assert CALENDAR.step(segment, noon) == ""
    assert CALENDAR.current_session(segment, noon) is None
    assert CALENDAR.sessions(segment, day, day + timedelta(days=7)) == []
    assert not CALENDAR.is_trading_day(segment, day)
    assert CALENDAR.trading_days_between(segment, day, day + timedelta(days=7)) == 0
    assert CALENDAR.remaining_session_fraction(segment, noon) == 0.0
    assert CALENDAR.holiday_name(day, segment) is None
    assert CALENDAR.shifted_expiry_note(segment, day) is None
    for ask in (CALENDAR.next_open, CALENDAR.last_close, CALENDAR.previous_session):
        with pytest.raises(CalendarError, match=r"the hours of .* are not known; a \[\[hours\]\] in calendar.toml"):
            ask(segment, noon)


def test_what_expires_on_an_exchange_without_hours_lives_to_the_end_of_the_day() -> None:
    assert CALENDAR.expiry_instant("IFSC-OPT", date(2026, 12, 21)) == datetime(2026, 12, 22, tzinfo=IST)


def test_hours_of_the_users_own_make_an_exchange_known(tmp_path: Path) -> None:
    own = tmp_path / "calendar.toml"
    own.write_text('[[hours]]\nsegments = ["IFSC"]\nfrom = 2026-01-01\nopen = 09:00:00\nclose = 23:30:00\n')
    calendar = load_calendar(own)
    assert calendar.phase("IFSC-OPT", at(SINCE, "12:00")) is Phase.OPEN
    assert calendar.expiry_instant("IFSC", date(2026, 12, 21)) == at(date(2026, 12, 21), "23:30")


def test_holidays_and_weekends() -> None:
    holiday = date(2026, 11, 24)
    assert CALENDAR.day_kind(holiday) is DayKind.HOLIDAY
    assert CALENDAR.holiday_name(holiday) == "Prakash Gurpurb Sri Guru Nanak Dev"
    assert not CALENDAR.is_trading_day("NFO", holiday)
    assert CALENDAR.phase("NFO", at(holiday, "11:00")) is Phase.CLOSED
    saturday = date(2026, 11, 21)
    assert CALENDAR.day_kind(saturday) is DayKind.WEEKEND
    assert CALENDAR.holiday_name(saturday) is None
    assert not CALENDAR.is_open("NFO", at(saturday, "11:00"))
    assert CALENDAR.day_kind(date(2026, 11, 25)) is DayKind.TRADING


def test_a_holiday_may_keep_the_evening_session_of_one_segment_and_not_exist_in_another() -> None:
    diwali = date(2026, 11, 10)
    assert [(s.open.time(), s.close.time()) for s in CALENDAR.session_on("MCX", diwali)] == [(time(17), time(23, 55))]
    assert CALENDAR.session_on("CDS", diwali) == ()
    bank_closing = date(2026, 4, 1)
    assert CALENDAR.day_kind(bank_closing, "CDS") is DayKind.HOLIDAY
    assert CALENDAR.day_kind(bank_closing, "NFO") is DayKind.TRADING


def test_weekend_sessions_of_the_budget_have_the_usual_hours() -> None:
    for day in (date(2025, 2, 1), date(2026, 2, 1)):
        assert CALENDAR.day_kind(day) is DayKind.SPECIAL
        (session,) = CALENDAR.session_on("NFO", day)
        assert (session.open, session.close, session.name) == (at(day, "09:15"), at(day, "15:30"), "Union Budget")
        assert CALENDAR.session_on("CDS", day) == ()


def test_muhurat_with_known_timings() -> None:
    day = date(2025, 10, 21)
    assert CALENDAR.day_kind(day) is DayKind.SPECIAL
    assert CALENDAR.holiday_name(day) == "Diwali Laxmi Pujan"
    assert CALENDAR.phase("NFO", at(day, "10:00")) is Phase.CLOSED
    assert CALENDAR.phase("NFO", at(day, "13:30")) is Phase.PRE_OPEN
    assert CALENDAR.phase("NFO", at(day, "13:45")) is Phase.OPEN
    assert CALENDAR.phase("NFO", at(day, "14:45")) is Phase.CLOSED
    assert minutes_of(CALENDAR, "NFO", day) == 60


def test_muhurat_with_pending_timings_is_announced_but_plans_nothing() -> None:
    day = date(2026, 11, 8)
    assert CALENDAR.day_kind(day) is DayKind.SPECIAL
    assert CALENDAR.session_on("NFO", day) == ()
    assert not CALENDAR.is_trading_day("NFO", day)
    (warning,) = CALENDAR.warnings(at(date(2026, 11, 2), "10:00"))
    assert warning.startswith("Muhurat trading on Sun 08 Nov 2026: the timings are not known")
    assert CALENDAR.warnings(at(date(2026, 11, 9), "10:00")) == []


def test_pending_timings_of_any_segment_are_told(tmp_path: Path) -> None:
    text = '[[session]]\ndate = 2026-11-28\nname = "Recovery drill"\nsegments = ["commodity"]\n'
    (warning,) = load_with(tmp_path, text).warnings(at(date(2026, 11, 20), "10:00"))
    assert warning.startswith("Recovery drill on Sat 28 Nov 2026: the timings are not known")


def test_steps_within_a_phase() -> None:
    wednesday = date(2026, 11, 25)
    steps = {
        clock: CALENDAR.step("NFO", at(wednesday, clock)) for clock in ("09:07", "09:11", "10:00", "15:26", "15:31")
    }
    assert steps == {
        "09:07": "order entry, second window",
        "09:11": "matching",
        "10:00": "",
        "15:26": "limit orders, random close",
        "15:31": "matching",
    }
    assert CALENDAR.step("NFO", at(wednesday, "15:41")) == ""


def test_what_comes_next_and_what_was_last() -> None:
    friday_evening = at(date(2026, 11, 20), "18:00")
    assert CALENDAR.next_open("NFO", friday_evening) == at(date(2026, 11, 23), "09:15")
    monday_close = at(date(2026, 11, 23), "15:40")
    assert CALENDAR.next_open("NFO", monday_close) == at(date(2026, 11, 25), "09:15")
    assert CALENDAR.last_close("NFO", monday_close) == monday_close
    assert CALENDAR.last_close("NFO", monday_close - timedelta(seconds=1)) == at(date(2026, 11, 20), "15:40")
    during = CALENDAR.current_session("NFO", at(date(2026, 11, 25), "12:00"))
    assert during is not None
    assert during.auction == at(date(2026, 11, 25), "15:15")
    assert CALENDAR.current_session("NFO", monday_close) is None


def test_counting_sessions_and_time() -> None:
    week = CALENDAR.sessions("NFO", date(2026, 11, 20), date(2026, 11, 26))
    assert [session.day.day for session in week] == [20, 23, 25, 26]
    assert CALENDAR.trading_days_between("NFO", date(2026, 11, 20), date(2026, 11, 26)) == 3
    assert CALENDAR.trading_days_between("NFO", date(2026, 11, 26), date(2026, 11, 20)) == 0
    assert minutes_of(CALENDAR, "NFO", BEFORE) == 375
    assert minutes_of(CALENDAR, "NFO", SINCE) == 385
    assert minutes_of(CALENDAR, "NFO", date(2026, 11, 21)) == 0
    assert CALENDAR.remaining_session_fraction("NFO", at(SINCE, "08:00")) == 1.0
    assert CALENDAR.remaining_session_fraction("NFO", at(SINCE, "14:35")) == pytest.approx(65 / 385)
    assert CALENDAR.remaining_session_fraction("NFO", at(SINCE, "16:00")) == 0.0
    assert CALENDAR.remaining_session_fraction("NFO", at(date(2026, 11, 21), "12:00")) == 0.0


def test_expiry_instants_are_dated_data() -> None:
    assert CALENDAR.expiry_instant("NFO", date(2026, 7, 28)) == at(date(2026, 7, 28), "15:30")
    assert CALENDAR.expiry_instant("NFO", date(2026, 8, 4)) == at(date(2026, 8, 4), "15:40")
    assert CALENDAR.expiry_instant("BFO-OPT", date(2026, 11, 26)) == at(date(2026, 11, 26), "15:40")
    assert CALENDAR.expiry_instant("CDS", date(2026, 11, 26)) == at(date(2026, 11, 26), "12:30")
    assert CALENDAR.expiry_instant("MCX", date(2026, 11, 26)) == at(date(2026, 11, 26), "23:55")
    assert CALENDAR.expiry_instant("NFO", date(2025, 10, 21)) == at(date(2025, 10, 21), "14:45")


def test_a_holiday_right_after_an_expiry_is_noted() -> None:
    note = CALENDAR.shifted_expiry_note("NFO", date(2026, 11, 23))
    assert note == "Tue 24 Nov is a holiday: Prakash Gurpurb Sri Guru Nanak Dev"
    assert CALENDAR.shifted_expiry_note("NFO", date(2026, 11, 25)) is None


def test_the_end_of_the_data_is_announced_from_the_first_of_december_on(tmp_path: Path) -> None:
    calendar = load_with(tmp_path, CONFIRMED)
    assert calendar.warnings(at(date(2026, 11, 30), "23:59")) == []
    (soon,) = calendar.warnings(at(date(2026, 12, 1), "00:00"))
    assert soon.startswith("The market calendar's holidays end on 31 Dec 2026, in 30 days; the exchanges publish")
    assert "valid_until and [[holiday]]" in soon
    (gone,) = calendar.warnings(at(date(2027, 1, 4), "10:00"))
    assert gone.startswith("The market calendar ended on 31 Dec 2026: holidays after it are not known; the next list")


# ------------------------------------------------------------------------- hours that change, announced or certain

REVISED = date(2026, 12, 7)
"""The Monday for which continuous trading to 15:30 and derivatives to 15:45 are announced."""


@pytest.mark.parametrize(
    ("segment", "clock", "phase"),
    [
        ("INDICES", "15:29:59", Phase.OPEN),
        ("INDICES", "15:30:00", Phase.CAS),
        ("NSE", "15:39:59", Phase.CAS),
        ("BSE", "15:40:00", Phase.CLOSED),
        ("NFO", "15:29:59", Phase.OPEN),
        ("NFO", "15:30:00", Phase.CAS),
        ("BFO", "15:40:00", Phase.CLOSING),
        ("NFO", "15:44:59", Phase.CLOSING),
        ("NFO", "15:45:00", Phase.CLOSED),
    ],
)
def test_the_day_has_the_announced_edges_from_their_day_on(segment: str, clock: str, phase: Phase) -> None:
    assert CALENDAR.phase(segment, at(REVISED, clock)) is phase
    assert CALENDAR.phase("NFO", at(date(2026, 12, 4), "15:40")) is Phase.CLOSED, "the Friday before"


@pytest.mark.parametrize(
    ("segment", "day", "kind", "clock"),
    [
        ("NFO", date(2026, 12, 1), UnderlyingKind.INDEX, "15:40"),
        ("NFO", date(2026, 12, 1), UnderlyingKind.STOCK, "15:40"),
        ("NFO", date(2026, 12, 8), UnderlyingKind.INDEX, "15:30"),
        ("BFO-OPT", date(2026, 12, 10), UnderlyingKind.INDEX, "15:30"),
        ("NFO", date(2026, 12, 29), UnderlyingKind.STOCK, "15:45"),
        ("BFO-FUT", date(2026, 12, 31), UnderlyingKind.STOCK, "15:45"),
        ("NFO", date(2026, 12, 29), UnderlyingKind.OTHER, "15:45"),
        ("CDS", date(2026, 12, 29), UnderlyingKind.OTHER, "12:30"),
        ("MCX", date(2026, 12, 16), UnderlyingKind.OTHER, "23:55"),
        ("MCX", date(2027, 3, 16), UnderlyingKind.OTHER, "23:30"),
    ],
)
def test_a_contract_expires_by_its_segment_and_the_kind_of_its_underlying(
    segment: str, day: date, kind: UnderlyingKind, clock: str
) -> None:
    assert CALENDAR.expiry_instant(segment, day, kind) == at(day, clock)


def test_what_depends_on_an_announcement_says_so_and_nothing_else_does() -> None:
    assert CALENDAR.announced_hours("NFO", date(2026, 12, 4)) is None
    assert CALENDAR.announced_hours("MCX", REVISED) is None
    assert CALENDAR.announced_hours("NFO", date(2026, 12, 6)) is None, "a Sunday has no hours"
    announced = CALENDAR.announced_hours("NFO-OPT", REVISED)
    assert announced is not None
    assert announced.label == "announced for 7 Dec, unconfirmed"
    assert "HO/47/11/11(3)2025-MRD-POD2/I/23843/2026" in announced.source
    assert CALENDAR.announced_expiry("NFO", date(2026, 12, 8), UnderlyingKind.INDEX) == announced
    assert CALENDAR.announced_expiry("NFO", date(2026, 12, 29), UnderlyingKind.STOCK) == announced
    assert CALENDAR.announced_expiry("NFO", date(2026, 12, 1), UnderlyingKind.INDEX) is None
    assert CALENDAR.announced_expiry("MCX", date(2026, 12, 16)) is None


def test_an_announcement_is_told_a_week_ahead_and_while_it_is_unconfirmed() -> None:
    assert CALENDAR.warnings(at(date(2026, 11, 29), "23:59")) == []
    for day in (date(2026, 11, 30), date(2026, 12, 7), date(2027, 6, 1)):
        said = CALENDAR.warnings(at(day, "10:00"))[-1]
        assert said.startswith("The hours from 07 Dec 2026 on are announced and unconfirmed: SEBI circular HO/47")
        assert "[[announcement]] in calendar.toml" in said


def test_the_user_confirms_moves_or_withdraws_what_is_announced(tmp_path: Path) -> None:
    confirmed = load_with(tmp_path, CONFIRMED)
    assert confirmed.announced_hours("NFO", REVISED) is None
    assert confirmed.announced_expiry("NFO", date(2026, 12, 8), UnderlyingKind.INDEX) is None
    assert confirmed.expiry_instant("NFO", date(2026, 12, 8), UnderlyingKind.INDEX) == at(date(2026, 12, 8), "15:30")

    moved = load_with(tmp_path, "[[announcement]]\nfrom = 2026-12-07\nmoved_to = 2027-01-04\n")
    assert moved.phase("NFO", at(date(2026, 12, 31), "15:40")) is Phase.CLOSED
    assert moved.phase("NFO", at(date(2027, 1, 4), "15:40")) is Phase.CLOSING
    assert moved.expiry_instant("BFO", date(2026, 12, 31), UnderlyingKind.INDEX) == at(date(2026, 12, 31), "15:40")
    announced = moved.announced_hours("NFO", date(2027, 1, 4))
    assert announced is not None
    assert announced.label == "announced for 4 Jan, unconfirmed"

    withdrawn = load_with(tmp_path, "[[announcement]]\nfrom = 2026-12-07\nwithdrawn = true\n")
    assert withdrawn.phase("INDICES", at(REVISED, "15:20")) is Phase.CAS
    assert withdrawn.expiry_instant("NFO", date(2026, 12, 8), UnderlyingKind.INDEX) == at(date(2026, 12, 8), "15:40")
    assert withdrawn.warnings(at(date(2026, 11, 30), "10:00")) == []


def test_the_users_own_hours_are_certain_and_replace_what_is_announced(tmp_path: Path) -> None:
    calendar = load_with(
        tmp_path,
        """
        [[hours]]
        segments = ["NFO"]
        from = 2026-12-07
        open = 09:15:00
        close = 16:00:00
        [[expiry]]
        segments = ["NFO"]
        from = 2026-12-07
        at = 15:35:00
        """,
    )
    assert calendar.phase("NFO", at(REVISED, "15:59")) is Phase.OPEN
    assert calendar.announced_hours("NFO", REVISED) is None
    assert calendar.announced_hours("INDICES", REVISED) is not None
    day = date(2026, 12, 8)
    for kind in UnderlyingKind:
        assert calendar.expiry_instant("NFO", day, kind) == at(day, "15:35"), "an entry for all replaces the kinds'"
    assert calendar.expiry_instant("BFO", day, UnderlyingKind.INDEX) == at(day, "15:30")


# ------------------------------------------------------------------------------------------- sessions over midnight


def test_a_session_over_midnight_belongs_to_its_evening(tmp_path: Path) -> None:
    calendar = load_with(
        tmp_path,
        """
        [[session]]
        date = 2026-12-19
        name = "Recovery drill"
        segments = ["MCX"]
        pre_open = 21:15:00
        open = 21:30:00
        close = 00:30:00
        """,
    )
    evening, night = date(2026, 12, 19), date(2026, 12, 20)
    (session,) = calendar.session_on("MCX", evening)
    assert (session.open, session.close) == (at(evening, "21:30"), at(night, "00:30"))
    assert (session.day, session.minutes) == (evening, 180)
    assert calendar.session_on("MCX", night) == ()
    for moment, phase in (
        (at(evening, "21:14"), Phase.CLOSED),
        (at(evening, "21:15"), Phase.PRE_OPEN),
        (at(evening, "23:59:59"), Phase.OPEN),
        (at(night, "00:00"), Phase.OPEN),
        (at(night, "00:29:59"), Phase.OPEN),
        (at(night, "00:30"), Phase.CLOSED),
    ):
        assert calendar.phase("MCX", moment) is phase, moment
    assert calendar.current_session("MCX", at(night, "00:10")) == session
    assert calendar.previous_session("MCX", at(night, "00:30")) == session
    assert calendar.previous_session("MCX", at(night, "00:10")).day == date(2026, 12, 18)
    assert calendar.next_open("MCX", at(night, "00:10")) == at(date(2026, 12, 21), "09:00")
    assert calendar.phase("NFO", at(night, "00:10")) is Phase.CLOSED


def test_ordinary_hours_may_run_over_midnight(tmp_path: Path) -> None:
    calendar = load_with(
        tmp_path,
        """
        [[hours]]
        segments = ["NSEIX"]
        from = 2026-01-01
        open = 06:30:00
        close = 02:45:00
        over_midnight = true
        """,
    )
    friday = date(2026, 12, 18)
    assert calendar.phase("NSEIX", at(friday, "02:30")) is Phase.OPEN, "Thursday's"
    assert calendar.phase("NSEIX", at(friday, "02:45")) is Phase.CLOSED
    assert calendar.phase("NSEIX", at(friday + timedelta(days=1), "02:30")) is Phase.OPEN
    assert calendar.phase("NSEIX", at(friday + timedelta(days=2), "02:30")) is Phase.CLOSED
    assert calendar.expiry_instant("NSEIX", friday) == at(friday + timedelta(days=1), "02:45")
    sessions = calendar.sessions("NSEIX", date(2026, 12, 14), friday)
    assert all(earlier.close <= later.open for earlier, later in pairwise(sessions))


def test_the_previous_session_is_that_of_the_exchange() -> None:
    """On a holiday of the equity segments the commodity evening is the last session there, not in equity."""
    morning = at(date(2026, 11, 25), "08:00")
    assert CALENDAR.previous_session("NFO", morning).day == date(2026, 11, 23)
    assert CALENDAR.previous_session("MCX", morning).day == date(2026, 11, 24)
    assert CALENDAR.previous_session("MCX", morning).open == at(date(2026, 11, 24), "17:00")
    assert CALENDAR.previous_session("CDS", at(date(2026, 8, 27), "08:00")).day == date(2026, 8, 25)
    assert CALENDAR.previous_session("NFO", at(date(2026, 8, 27), "08:00")).day == date(2026, 8, 26)


# -------------------------------------------------------------------------------------------------- the bundled data


def test_the_bundled_data_is_consistent() -> None:
    document = tomllib.loads(files("tickertui.market").joinpath("data", "nse_bse.toml").read_text(encoding="utf-8"))
    weekend = set(document["weekend"])
    equity = [h["date"] for h in document["holiday"] if "equity" in h["segments"]]
    assert len(set(equity)) == len(equity)
    assert [h["date"] for h in document["holiday"]] == sorted(h["date"] for h in document["holiday"])
    assert all(day.isoweekday() not in weekend for day in equity)
    assert all(day <= document["valid_until"] for day in equity)
    assert sum(day.year == 2025 for day in equity) == 14
    assert sum(day.year == 2026 for day in equity) == 16
    assert document["valid_until"] == CALENDAR.valid_until
    assert {"NFO", "BFO", "NSE", "BSE", "INDICES", "MCX", "CDS", "NCO", "BCD"} <= set(CALENDAR.segments)


# ------------------------------------------------------------------------------------------------ the user's own file


CONFIRMED = "[[announcement]]\nfrom = 2026-12-07\nconfirmed = true\n"


def load_with(tmp_path: Path, text: str) -> MarketCalendar:
    path = tmp_path / "calendar.toml"
    path.write_text(text, encoding="utf-8")
    return load_calendar(path)


def test_a_missing_override_changes_nothing(tmp_path: Path) -> None:
    calendar = load_calendar(tmp_path / "none.toml")
    assert calendar.sources == ("nse_bse.toml",)
    assert calendar.phase("NFO", at(SINCE, "15:20")) is Phase.CAS


def test_the_override_adds_replaces_and_cancels(tmp_path: Path) -> None:
    calendar = load_with(
        tmp_path,
        f"""
        valid_until = 2027-12-31
        {CONFIRMED}
        [[holiday]]
        date = 2027-01-26
        name = "Republic Day"
        [[holiday]]
        date = 2026-12-25
        cancelled = true
        segments = ["equity"]
        [[session]]
        date = 2026-11-08
        name = "Muhurat trading"
        open = 18:00:00
        close = 19:00:00
        [[session]]
        date = 2026-11-08
        name = "Second hour"
        open = 20:00:00
        close = 20:30:00
        [[hours]]
        segments = ["NFO"]
        from = 2027-04-01
        open = 09:00:00
        close = 17:00:00
        [[expiry]]
        segments = ["NFO"]
        from = 2027-04-01
        at = 17:00:00
        """,
    )
    assert calendar.valid_until == date(2027, 12, 31)
    assert calendar.holiday_name(date(2027, 1, 26)) == "Republic Day"
    assert calendar.is_trading_day("NFO", date(2026, 12, 25))
    assert not calendar.is_trading_day("CDS", date(2026, 12, 25))
    muhurat = date(2026, 11, 8)
    assert [s.name for s in calendar.session_on("NFO", muhurat)] == ["Muhurat trading", "Second hour"]
    assert minutes_of(calendar, "BFO", muhurat) == 90
    assert calendar.phase("NFO", at(muhurat, "19:30")) is Phase.CLOSED
    assert calendar.phase("NFO", at(muhurat, "20:00")) is Phase.OPEN
    assert calendar.remaining_session_fraction("NFO", at(muhurat, "19:30")) == pytest.approx(1 / 3)
    assert calendar.session_on("MCX", muhurat) == ()
    assert calendar.phase("NFO", at(date(2027, 4, 1), "16:30")) is Phase.OPEN
    assert calendar.phase("BFO", at(date(2027, 4, 1), "16:30")) is Phase.CLOSED
    assert calendar.expiry_instant("NFO", date(2027, 4, 1)) == at(date(2027, 4, 1), "17:00")
    assert calendar.warnings(at(date(2026, 12, 20), "10:00")) == []


@pytest.mark.parametrize(
    ("text", "key", "mend"),
    [
        ("valid_until = 2026-13-01", "", "is not valid TOML"),
        ('[[holiday]]\ndate = "2026-12-25"\nname = "x"', "holiday[1].date", "must be a date without quotes"),
        ('[[holiday]]\nname = "x"', "holiday[1].date", "it is missing"),
        ('[[holiday]]\ndate = 9999-12-31\nname = "x"', "holiday[1].date", "between 2000 and 2199"),
        ("valid_until = 0001-01-01", "valid_until", "between 2000 and 2199"),
        ("[[holiday]]\ndate = 2026-12-24", "holiday[1].name", "must be a text in quotes"),
        ('[[holiday]]\ndate = 2026-12-24\nnam = "x"', "holiday[1].nam", "did you mean 'name'?"),
        (
            '[[holiday]]\ndate = 2026-12-24\nname = "x"\nsegments = ["NYSE"]',
            "holiday[1].segments",
            "did you mean 'NSE'?",
        ),
        ('[[holiday]]\ndate = 2026-12-24\nname = "x"\nsegments = "NFO"', "holiday[1].segments", "must be a list"),
        ('[[holiday]]\ndate = 2026-12-24\nname = "x"\nevening = 1', "holiday[1].evening", "must be true or false"),
        ("[[holiday]]\ndate = 2026-12-23\ncancelled = true", "holiday[1].date", "check the date 2026-12-23"),
        (
            '[[holiday]]\ndate = 2026-12-24\nname = "x"\n[[holiday]]\ndate = 2026-12-24\nname = "y"',
            "holiday[2].date",
            "keep one of the two entries",
        ),
        ("holidays = []", "holidays", "did you mean 'holiday'?"),
        ("holiday = 5", "holiday", "must be written as [[holiday]] entries"),
        ('[[session]]\ndate = 2026-12-26\nname = "x"\nopen = 10:00:00', "session[1].open", "add the missing one"),
        (
            '[[session]]\ndate = 2026-12-26\nname = "x"\nopen = 11:00:00\nclose = 10:00:00',
            "session[1].close",
            "must ascend, or write over_midnight = true",
        ),
        (
            '[[session]]\ndate = 2026-12-26\nname = "x"\nusual = true\nopen = 10:00:00\nclose = 11:00:00',
            "session[1].usual",
            "remove usual or the times",
        ),
        (
            '[[session]]\ndate = 2026-12-26\nname = "a"\nopen = 10:00:00\nclose = 11:00:00\n'
            '[[session]]\ndate = 2026-12-26\nname = "b"\nopen = 10:30:00\nclose = 12:00:00',
            "session",
            "'a' and 'b' of 2026-12-26 overlap",
        ),
        ('[[session]]\ndate = 2026-12-26\nname = "x"\nopen = "10:00"', "session[1].open", "must be a time"),
        (
            '[[hours]]\nsegments = ["NFO"]\nfrom = 2027-01-01\nopen = 09:15:00',
            "hours[1].close",
            "is missing; add a time",
        ),
        (
            '[[hours]]\nsegments = ["NFO"]\nfrom = 2027-01-01\nopen = 09:15:00\nclose = 09:00:00',
            "hours[1].close",
            "the times must ascend",
        ),
        (
            '[[hours]]\nsegments = ["NFO"]\nfrom = 2027-01-01\nopen = 09:15:00\nclose = 15:00:00\nevening = 17:00:00',
            "hours[1].evening",
            "must lie between",
        ),
        (
            '[[hours]]\nsegments = ["NFO"]\nfrom = 2027-01-01\nopen = 09:15:00\nclose = 15:00:00\nsteps = ["x"]',
            "hours[1].steps",
            "pairs",
        ),
        (
            '[[session]]\ndate = 2026-12-19\nname = "x"\nsegments = ["MCX"]\nopen = 23:00:00\nclose = 23:30:00\n'
            "over_midnight = true",
            "session[1].over_midnight",
            "remove it",
        ),
        (
            '[[session]]\ndate = 2026-12-20\nname = "x"\nsegments = ["MCX"]\nopen = 21:00:00\nclose = 09:30:00\n'
            "over_midnight = true",
            "session[1].close",
            "next day",
        ),
        (
            '[[session]]\ndate = 2026-12-20\nname = "x"\nover_midnight = true',
            "session[1].over_midnight",
            "needs open and close",
        ),
        ("[[announcement]]\nfrom = 2026-12-07", "announcement[1].confirmed", "write one of confirmed"),
        (
            "[[announcement]]\nfrom = 2026-12-08\nconfirmed = true",
            "announcement[1].from",
            "announced and unconfirmed: 2026-12-07",
        ),
        (
            '[[hours]]\nsegments = ["nf0"]\nfrom = 2027-01-01\nopen = 09:15:00\nclose = 15:00:00',
            "hours[1].segments",
            "did you mean 'NFO'?",
        ),
        (
            '[[hours]]\nsegments = ["NFO"]\nfrom = 2027-01-01\nopen = 09:15:00\nclose = 15:00:00\nstatus = "maybe"',
            "hours[1].status",
            'must be "announced" or "confirmed"',
        ),
        (
            '[[expiry]]\nsegments = ["NFO"]\nfrom = 2027-01-01\nat = 15:00:00\nunderlying = "indices"',
            "expiry[1].underlying",
            "did you mean 'index'?",
        ),
        ('[[session]]\ndate = 2026-12-20\nname = "x"\nsegments = []', "session[1].segments", "must be a list"),
        (
            '[[hours]]\nsegments = ["NFO"]\nfrom = 2027-01-01\nopen = 09:15:00\nclose = 15:00:00\n'
            "steps = [[10:00:00, 3]]",
            "hours[1].steps",
            "pairs",
        ),
        (
            '[[expiry]]\nsegments = ["NFO"]\nfrom = 2027-01-01\nat = 18:30:00',
            "expiry[1].at",
            "18:30 does not lie within NFO's session of that day (09:15 to 15:45)",
        ),
        (
            "[[announcement]]\nfrom = 2026-12-07\nmoved_to = 2026-01-04",
            "announcement[1].moved_to",
            "2026-01-04 is not after 2026-09-07",
        ),
        ("weekend = [0]", "weekend", "ISO weekday numbers"),
        ('groups = "x"', "groups", "table of segment lists"),
        ("[groups]\nmine = 5", "groups.mine", "must be a list of segments"),
    ],
)
def test_a_bad_override_is_one_sentence_with_file_key_and_the_way_out(
    tmp_path: Path, text: str, key: str, mend: str
) -> None:
    with pytest.raises(CalendarError) as failure:
        load_with(tmp_path, text)
    message = str(failure.value)
    assert message.startswith(f"{tmp_path / 'calendar.toml'}: {key}")
    assert mend in message
    assert "\n" not in message


def test_an_unreadable_override_says_so(tmp_path: Path) -> None:
    path = tmp_path / "calendar.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CalendarError, match="is not UTF-8 text; save it as UTF-8"):
        load_calendar(path)
    with pytest.raises(CalendarError, match="cannot be read"):
        load_calendar(tmp_path)


def test_a_calendar_without_any_session_says_so_instead_of_searching_for_ever(tmp_path: Path) -> None:
    calendar = load_with(tmp_path, "weekend = [1, 2, 3, 4, 5, 6, 7]")
    with pytest.raises(CalendarError, match="knows no session of NFO within 60 days after 01 Jun 2026"):
        calendar.next_open("NFO", at(date(2026, 6, 1), "10:00"))
    with pytest.raises(CalendarError, match="within 60 days before"):
        calendar.last_close("NFO", at(date(2026, 6, 1), "10:00"))


# -------------------------------------------------------------------------------------------------------- properties

SEGMENTS = st.sampled_from(CALENDAR.segments)
INSTANTS = st.datetimes(
    min_value=datetime.combine(date(2025, 1, 1), time()),
    max_value=datetime.combine(date(2027, 6, 30), time()),
    timezones=st.just(IST),
)
DATES = st.dates(min_value=date(2024, 6, 1), max_value=date(2028, 12, 31))


@given(SEGMENTS, DATES)
@settings(max_examples=100, deadline=None)
def test_sessions_never_overlap_and_lie_on_their_day(segment: str, start: date) -> None:
    sessions = CALENDAR.sessions(segment, start, start + timedelta(days=20))
    for session in sessions:
        assert session.day == session.open.date() == session.close.date()
        assert session.edges[-1] == (session.close, Phase.CLOSED)
        assert session.minutes > 0
    for earlier, later in pairwise(sessions):
        assert earlier.close <= later.open


@given(SEGMENTS, DATES)
@settings(max_examples=200, deadline=None)
def test_an_expiry_instant_is_aware_and_inside_its_session(segment: str, expiry: date) -> None:
    instant = CALENDAR.expiry_instant(segment, expiry)
    assert instant.tzinfo is IST
    assert instant.date() == expiry
    sessions = CALENDAR.session_on(segment, expiry)
    assert not sessions or any(session.open < instant <= session.close for session in sessions)


@given(SEGMENTS, INSTANTS)
@settings(max_examples=200, deadline=None)
def test_next_and_previous_sessions_enclose_the_moment(segment: str, moment: datetime) -> None:
    previous, following = CALENDAR.previous_session(segment, moment), CALENDAR.next_session(segment, moment)
    assert previous.close <= moment < following.open
    between = [
        session
        for session in CALENDAR.sessions(segment, previous.day, following.day)
        if previous.close <= session.open and session.close <= following.open
    ]
    assert len(between) <= 1
    assert CALENDAR.is_open(segment, moment) is any(s.open <= moment < s.close for s in between)
