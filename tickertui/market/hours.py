"""`MarketCalendar`: when which segment trades, what phase a moment is in, and when an option's time runs out.

Called by the loop (market open and close), the bootstrapper (sessions whose candles are expected), the Greeks (time
to expiry), the mock and the simulator, and the screen (phase, notes). The calendar only *plans*: ticks are taken
whenever they come.

All of it is data (`tickertui.market.calendar_data`); no weekday, holiday or hour stands in this code. A segment is
named as the broker names exchanges ("NFO", "BFO", "NSE", "BSE", "INDICES", "MCX", "CDS", "NCO", "BCD"); the longer
names of the dump ("NFO-OPT") mean their exchange. Datetimes must be aware; answers are in Asia/Kolkata.

The broker lists exchanges that the data has no hours for (GLOBAL, NSEIX, whatever comes next). Asking about one is no
mistake: it has no sessions, its phase is UNKNOWN at every moment, and what expires on a day lives to the end of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from tickertui.frozen import frozen
from tickertui.market.calendar_data import (
    Announcement,
    CalendarData,
    CalendarError,
    Hours,
    Special,
    UnderlyingKind,
)
from tickertui.market.calendar_file import load_calendar_data
from tickertui.market.clock import IST

__all__ = [
    "IST", "Announcement", "CalendarError", "DayKind", "MarketCalendar", "Phase", "Session", "UnderlyingKind",
    "load_calendar",
]  # fmt: skip

_T = TypeVar("_T")

_ONE_DAY: Final = timedelta(days=1)
_SEARCH_DAYS: Final = 60
"""How far a next or previous session is looked for; the longest real gap is five days."""
_NOTICE_DAYS: Final = 30
"""The end of the data is announced this long ahead: of a year's list, from 1 December on."""
_NEXT_LIST: Final = (
    "the next list comes with an update of tickertui, or write it into calendar.toml (valid_until and [[holiday]])"
)
_ANNOUNCEMENT_NOTICE: Final = timedelta(days=7)
"""Hours that are announced and unconfirmed are told of this long ahead, and as long as they are unconfirmed."""
_PENDING_NOTICE_DAYS: Final = 14
_CACHE_LIMIT: Final = 20_000


class Phase(StrEnum):
    """What a segment does at a moment."""

    PRE_OPEN = "pre-open"
    OPEN = "open"
    CAS = "closing auction"
    """The cash market is in its closing auction: the index is frozen, derivatives trade on."""
    CLOSING = "closing"
    """The index is done, derivatives trade to their close."""
    CLOSED = "closed"
    UNKNOWN = "hours not known"
    """The data has no hours for the segment: it may trade at any moment or never."""

    @property
    def is_open(self) -> bool:
        """Whether the segment's session runs."""
        return self in _OPEN_PHASES


_OPEN_PHASES: Final = (Phase.OPEN, Phase.CAS, Phase.CLOSING)


class DayKind(StrEnum):
    """What a calendar day is."""

    TRADING = "trading"
    HOLIDAY = "holiday"
    WEEKEND = "weekend"
    SPECIAL = "special"
    """A day with a session of its own (Muhurat, Budget), also when its timings are pending."""


@frozen
class Session:
    """One session of one segment.

    Attributes:
        day: Its date; of a session over midnight, that of its evening.
        open: Start of trading, inclusive.
        close: End of trading, exclusive.
        name: "" for an ordinary day, else the special session's or the holiday's name.
        edges: (start, phase), ascending; the last one is (close, CLOSED).
        steps: (start, name) of what happens within the phases, e.g. "matching".
        announcement: Why its hours may turn out otherwise, None where they are certain.
    """

    day: date
    open: datetime
    close: datetime
    name: str = ""
    edges: tuple[tuple[datetime, Phase], ...] = ()
    steps: tuple[tuple[datetime, str], ...] = ()
    announcement: Announcement | None = None

    @property
    def auction(self) -> datetime | None:
        """When the closing auction begins (an index prints nothing from then on), None without one."""
        return next((start for start, phase in self.edges if phase is Phase.CAS), None)

    @property
    def auction_end(self) -> datetime:
        """When the closing auction is over, the close without one."""
        begins = self.auction
        later = (start for start, _ in self.edges if begins is not None and start > begins)
        return next(later, self.close)

    @property
    def auction_result(self) -> datetime | None:
        """From when the closing auction's result may be printed: its last step (matching, random close), else its end.

        None without an auction.
        """
        begins = self.auction
        if begins is None:
            return None
        steps = [start for start, _ in self.steps if begins < start < self.auction_end]
        return steps[-1] if steps else self.auction_end

    @property
    def minutes(self) -> int:
        """Length in minutes."""
        return int((self.close - self.open) / timedelta(minutes=1))


def load_calendar(override: Path | None = None) -> MarketCalendar:
    """Return the calendar of the bundled data with the user's file merged over it.

    Args:
        override: The user's ``calendar.toml``; None or a file that does not exist changes nothing.

    Raises:
        CalendarError: When the file cannot be used: which file, which key, how to mend it.
    """
    return MarketCalendar(load_calendar_data(override))


def market_time(at: datetime) -> datetime:
    """Return an instant in Asia/Kolkata.

    Raises:
        ValueError: When ``at`` has no time zone.
    """
    if at.tzinfo is None or at.utcoffset() is None:
        raise ValueError(f"{at!r} has no time zone; market time is Asia/Kolkata")
    return at.astimezone(IST)


def unknown_hours(exchange: str) -> str:
    """Return the sentence about an exchange without hours."""
    return f"the hours of {exchange or 'this exchange'} are not known; a [[hours]] in calendar.toml tells them"


class MarketCalendar:
    """Answers about sessions, from data.

    Args:
        data: What the files say.
    """

    revision: int = 0
    """Changes when the sessions do: those of the files never."""

    def __init__(self, data: CalendarData) -> None:
        self._data = data
        self._sessions: dict[tuple[str, date], tuple[Session, ...]] = {}

    @property
    def data(self) -> CalendarData:
        """What the files say."""
        return self._data

    @property
    def segments(self) -> tuple[str, ...]:
        """Segments that the data knows."""
        return self._data.segments

    @property
    def valid_until(self) -> date:
        """Last day whose holidays are known; later days are planned as if they had none."""
        return self._data.valid_until

    @property
    def sources(self) -> tuple[str, ...]:
        """Files that the data came from."""
        return self._data.sources

    def knows(self, segment: str) -> bool:
        """Return whether the data has hours for a segment."""
        return self._segment(segment) in self._data.hours

    # ------------------------------------------------------------------ days

    def day_kind(self, day: date, segment: str = "NFO") -> DayKind:
        """Return what a day is for a segment; a weekday of a segment without hours counts as TRADING."""
        key = (day, self._segment(segment))
        if key in self._data.specials:
            return DayKind.SPECIAL
        if key in self._data.holidays:
            return DayKind.HOLIDAY
        return DayKind.WEEKEND if day.isoweekday() in self._data.weekend else DayKind.TRADING

    def holiday_name(self, day: date, segment: str = "NFO") -> str | None:
        """Return the name of a segment's holiday, None where the day is none."""
        holiday = self._data.holidays.get((day, self._segment(segment)))
        return None if holiday is None else holiday.name

    def is_trading_day(self, segment: str, day: date) -> bool:
        """Return whether a segment has a session with known hours on a day."""
        return bool(self.session_on(segment, day))

    def session_on(self, segment: str, day: date) -> tuple[Session, ...]:
        """Return a day's sessions in order; mostly one, none on a holiday."""
        key = (self._segment(segment), day)
        found = self._sessions.get(key)
        if found is None:
            if len(self._sessions) >= _CACHE_LIMIT:
                self._sessions.clear()
            self._sessions[key] = found = tuple(self._build_day(*key))
        return found

    def sessions(self, segment: str, start: date, end: date) -> list[Session]:
        """Return the sessions of all days from ``start`` to ``end``, both included."""
        return [session for day in _days(start, end) for session in self.session_on(segment, day)]

    def trading_days_between(self, segment: str, start: date, end: date) -> int:
        """Count the trading days after ``start`` up to and including ``end``; 0 when ``end`` is not later."""
        return sum(bool(self.session_on(segment, day)) for day in _days(start + _ONE_DAY, end))

    # ------------------------------------------------------------------ moments

    def phase(self, segment: str, at: datetime) -> Phase:
        """Return what a segment does at a moment; an edge belongs to the phase it starts."""
        at = market_time(at)
        if not self.knows(segment):
            return Phase.UNKNOWN
        edges = [edge for session in self._sessions_reaching(segment, at.date()) for edge in session.edges]
        return _in_force(edges, at, Phase.CLOSED)

    def step(self, segment: str, at: datetime) -> str:
        """Return what happens within the phase ("matching", "order entry"), empty where nothing particular does."""
        at = market_time(at)
        if self.phase(segment, at) in (Phase.CLOSED, Phase.UNKNOWN):
            return ""
        steps = [step for session in self._sessions_reaching(segment, at.date()) for step in session.steps]
        return _in_force(steps, at, "")

    def is_open(self, segment: str, at: datetime) -> bool:
        """Return whether a segment's session runs at a moment; a closing auction is part of it."""
        return self.phase(segment, at).is_open

    def current_session(self, segment: str, at: datetime) -> Session | None:
        """Return the session that runs at a moment, None while the segment is shut."""
        at = market_time(at)
        sessions = self._sessions_reaching(segment, at.date())
        return next((session for session in sessions if session.open <= at < session.close), None)

    def next_open(self, segment: str, at: datetime) -> datetime:
        """Return the first start of trading after ``at``: while the segment trades, that of the next session.

        Raises:
            CalendarError: When the data knows no session within 60 days.
        """
        return self.next_session(segment, at).open

    def next_session(self, segment: str, at: datetime) -> Session:
        """Return the first session that opens after ``at``.

        Raises:
            CalendarError: When the data knows no session within 60 days.
        """
        at = market_time(at)
        for day in _days(at.date(), at.date() + _SEARCH_DAYS * _ONE_DAY):
            for session in self.session_on(segment, day):
                if session.open > at:
                    return session
        raise self._no_session(segment, at, "after")

    def previous_session(self, segment: str, at: datetime) -> Session:
        """Return the last session that had closed by ``at``.

        Raises:
            CalendarError: When the data knows no session within 60 days.
        """
        at = market_time(at)
        for back in range(_SEARCH_DAYS):
            for session in reversed(self.session_on(segment, at.date() - back * _ONE_DAY)):
                if session.close <= at:
                    return session
        raise self._no_session(segment, at, "before")

    def last_close(self, segment: str, at: datetime) -> datetime:
        """Return when the last finished session closed.

        Raises:
            CalendarError: When the data knows no session within 60 days.
        """
        return self.previous_session(segment, at).close

    def remaining_session_fraction(self, segment: str, at: datetime) -> float:
        """Return how much of the day's session time is still to come: 1 before the open, 0 after the close.

        A session over midnight counts on the day of its evening.
        """
        at = market_time(at)
        sessions = self.session_on(segment, at.date())
        total = sum((session.close - session.open for session in sessions), timedelta())
        left = sum((session.close - min(max(at, session.open), session.close) for session in sessions), timedelta())
        return left / total if total else 0.0

    # ------------------------------------------------------------------ expiry

    def expiry_instant(self, segment: str, expiry: date, underlying: UnderlyingKind = UnderlyingKind.OTHER) -> datetime:
        """Return when a contract that expires on a date stops trading and has no time value left.

        It is the time in force for the segment and the kind of underlying, or the close where the day's session does
        not hold that time (a special session). A date without a session keeps the time in force. Where the hours are
        not known it is midnight at the end of the date: nothing that may still trade is taken for over.

        Args:
            segment: Of the contract.
            expiry: Its date.
            underlying: What it is written on; the kinds stop at their own times.
        """
        name = self._segment(segment)
        if not self.knows(name):
            return datetime.combine(expiry + _ONE_DAY, time(), IST)
        expires = self._data.expiry_on(name, underlying, expiry)
        sessions = self.session_on(name, expiry)
        if expires is None:
            return sessions[-1].close if sessions else _session(expiry, self._data.hours_on(name, expiry), "").close
        moment = datetime.combine(expiry, expires.at, IST)
        if sessions and not any(session.open < moment <= session.close for session in sessions):
            return sessions[-1].close
        return moment

    def announced_expiry(
        self, segment: str, expiry: date, underlying: UnderlyingKind = UnderlyingKind.OTHER
    ) -> Announcement | None:
        """Return why an expiry instant may turn out otherwise, None where it is certain."""
        name = self._segment(segment)
        if not self.knows(name):
            return None
        expires = self._data.expiry_on(name, underlying, expiry)
        return self.announced_hours(name, expiry) if expires is None else expires.announcement

    def announced_hours(self, segment: str, day: date) -> Announcement | None:
        """Return why a day's sessions may turn out otherwise, None where they are certain or there is none."""
        sessions = self.session_on(segment, day)
        return next((session.announcement for session in sessions if session.announcement is not None), None)

    def shifted_expiry_note(self, segment: str, expiry: date) -> str | None:
        """Return a note when the days right after an expiry are holidays (it may have been moved before them).

        For instance "Tue 24 Nov is a holiday: Prakash Gurpurb Sri Guru Nanak Dev". Only what the data says: whether
        the exchange moved this expiry is in the contract's own date.
        """
        names = []
        day = expiry + _ONE_DAY
        while (name := self.holiday_name(day, segment)) is not None and not self.session_on(segment, day):
            names.append(f"{day:%a %d %b} is a holiday: {name}")
            day += _ONE_DAY
        return "; ".join(names) or None

    # ------------------------------------------------------------------ what the user must know

    def warnings(self, at: datetime) -> list[str]:
        """Return what is wrong or will soon be wrong with the data, one sentence each."""
        day = market_time(at).date()
        found = []
        left = (self.valid_until - day).days
        if left < 0:
            found.append(
                f"The market calendar ended on {self.valid_until:%d %b %Y}: holidays after it are not known; "
                f"{_NEXT_LIST}."
            )
        elif left <= _NOTICE_DAYS:
            found.append(
                f"The market calendar's holidays end on {self.valid_until:%d %b %Y}, in {left} days; the exchanges "
                f"publish the next year's in mid-December; {_NEXT_LIST}."
            )
        found.extend(
            f"The hours from {announcement.first_day:%d %b %Y} on are announced and unconfirmed: "
            f"{announcement.source}. Confirm, move or withdraw them with [[announcement]] in calendar.toml."
            for announcement in self._data.announcements()
            if day >= announcement.first_day - _ANNOUNCEMENT_NOTICE
        )
        for later in _days(day, day + _PENDING_NOTICE_DAYS * _ONE_DAY):
            specials = (self._data.specials.get((later, segment), ()) for segment in self.segments)
            pending = dict.fromkeys(special.name for each in specials for special in each if special.pending)
            found.extend(
                f"{name} on {later:%a %d %b %Y}: the timings are not known; "
                "add a [[session]] with date, open and close to calendar.toml."
                for name in pending
            )
        return found

    # ------------------------------------------------------------------ inside

    def _segment(self, segment: str) -> str:
        """Return the exchange of the dump's longer names ("NFO-OPT" -> "NFO")."""
        return segment if segment in self._data.hours else segment.partition("-")[0]

    def _sessions_reaching(self, segment: str, day: date) -> tuple[Session, ...]:
        """A day's sessions, and before them one of the evening before that runs over midnight."""
        own = self.session_on(segment, day)
        late = tuple(each for each in self.session_on(segment, day - _ONE_DAY) if each.close.date() == day)
        return (*late, *own) if late else own

    def _build_day(self, segment: str, day: date) -> Iterator[Session]:
        if segment not in self._data.hours:
            return
        hours = self._data.hours_on(segment, day)
        specials = self._data.specials.get((day, segment))
        if specials is not None:
            for special in specials:
                if special.usual:
                    yield _session(day, hours, special.name)
                elif not special.pending:
                    yield _session(day, _special_hours(special), special.name)
            return
        holiday = self._data.holidays.get((day, segment))
        if day.isoweekday() in self._data.weekend:
            return
        if holiday is None:
            yield _session(day, hours, "")
        elif holiday.evening and hours.evening is not None:
            evening = Hours(
                None, hours.evening, None, None, hours.close,
                over_midnight=hours.over_midnight and hours.evening >= hours.close,
                announcement=hours.announcement,
            )  # fmt: skip
            yield _session(day, evening, f"Evening session ({holiday.name})")

    def _no_session(self, segment: str, at: datetime, where: str) -> CalendarError:
        if not self.knows(segment):
            return CalendarError(unknown_hours(self._segment(segment)))
        return CalendarError(
            f"the market calendar knows no session of {segment} within {_SEARCH_DAYS} days {where} {at:%d %b %Y}; "
            "check the holidays in calendar.toml"
        )


def _special_hours(special: Special) -> Hours:
    assert special.open is not None
    assert special.close is not None
    return Hours(special.pre_open, special.open, None, None, special.close, over_midnight=special.over_midnight)


def _session(day: date, hours: Hours, name: str) -> Session:
    def at(moment: time) -> datetime:
        # In a session over midnight, what is before its first time is of the next day.
        late = hours.over_midnight and moment < hours.starts
        return datetime.combine(day + _ONE_DAY if late else day, moment, IST)

    close = datetime.combine(day + _ONE_DAY if hours.over_midnight else day, hours.close, IST)
    starts = (
        (hours.pre_open, Phase.PRE_OPEN),
        (hours.open, Phase.OPEN),
        (hours.cas, Phase.CAS),
        (hours.closing, Phase.CLOSING),
    )
    edges = tuple((at(start), phase) for start, phase in starts if start is not None)
    return Session(
        day=day,
        open=at(hours.open),
        close=close,
        name=name,
        edges=(*edges, (close, Phase.CLOSED)),
        steps=tuple((at(start), step) for start, step in hours.steps),
        announcement=hours.announcement,
    )


def _days(start: date, end: date) -> Iterator[date]:
    for ordinal in range(start.toordinal(), end.toordinal() + 1):
        yield date.fromordinal(ordinal)


def _in_force(starts: list[tuple[datetime, _T]], at: datetime, before: _T) -> _T:
    """Return the value of the last start that is not after ``at``."""
    found = before
    for start, value in starts:
        if start > at:
            break
        found = value
    return found
