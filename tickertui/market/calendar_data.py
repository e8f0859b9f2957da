"""`CalendarData`: what the market calendar's files say, by segment and first day in force.

`tickertui.market.calendar_file` reads it, `tickertui.market.hours` turns it into answers. Hours and expiry times are
dated entries, and each may be an announcement that nothing has confirmed yet; whoever shows what follows from it says
so (`Announcement`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum
from typing import TypeVar

from tickertui.frozen import frozen

_T = TypeVar("_T")


class CalendarError(Exception):
    """The calendar's data cannot be used, or does not reach far enough; one sentence for the user."""


class UnderlyingKind(StrEnum):
    """What a contract is written on; the value is its name in the files. Exchanges close the kinds at their own times.

    It is told by the day's instruments (whether they list an index, or a share, of that name), never by a symbol.
    """

    INDEX = "index"
    STOCK = "stock"
    OTHER = ""
    """A commodity, a currency, or nothing that the instruments tell."""


@frozen
class Announcement:
    """Why an entry may turn out otherwise: it was announced, and no source that was read confirms it.

    Attributes:
        first_day: From when on it is in force.
        source: Who says so, and how it was learnt.
    """

    first_day: date
    source: str

    @property
    def label(self) -> str:
        """``announced for 7 Dec, unconfirmed``: for the place where what follows from it is shown."""
        return f"announced for {self.first_day.day} {self.first_day:%b}, unconfirmed"


@frozen
class Hours:
    """The hours of an ordinary day from a date on.

    Attributes:
        pre_open: Start of the pre-open session, None where there is none.
        open: Start of continuous trading.
        cas: Start of the cash market's closing auction, None where there is none.
        closing: When the auction is over and derivatives still trade, None where nothing follows it.
        close: End of the session.
        evening: Start of the evening session on a holiday that keeps it, None where there is none.
        steps: (start, name) of what happens within a phase, ascending; an empty name for nothing particular.
        over_midnight: The session ends on the next day: times that are not after ``open`` are of that day.
        announcement: Why these hours may turn out otherwise, None where they are certain.
    """

    pre_open: time | None
    open: time
    cas: time | None
    closing: time | None
    close: time
    evening: time | None = None
    steps: tuple[tuple[time, str], ...] = ()
    over_midnight: bool = False
    announcement: Announcement | None = None

    @property
    def starts(self) -> time:
        """When the day begins, the pre-open session included."""
        return self.pre_open or self.open


@frozen
class ExpiryTime:
    """When contracts that expire on a day are over.

    Attributes:
        at: Time of day.
        announcement: Why it may turn out otherwise, None where it is certain.
    """

    at: time
    announcement: Announcement | None = None


@frozen
class Holiday:
    """A day without a session, or with its evening session alone.

    Attributes:
        name: Of the holiday.
        evening: Whether a segment that has an evening session opens for it.
    """

    name: str
    evening: bool


@frozen
class Special:
    """A session that replaces what the day would be otherwise.

    Attributes:
        name: Of the session.
        usual: It has an ordinary day's hours.
        pre_open: Start of the pre-open session, None where there is none.
        open: None with ``close``: announced, but the timings are pending (or ``usual``).
        close: End of the session.
        over_midnight: ``close`` is on the next day.
    """

    name: str
    usual: bool
    pre_open: time | None
    open: time | None
    close: time | None
    over_midnight: bool = False

    @property
    def starts(self) -> time:
        """When it begins, its pre-open session included; midnight while that is not known."""
        return self.pre_open or self.open or time.min

    @property
    def pending(self) -> bool:
        """Announced, but its timings are not known."""
        return not self.usual and self.open is None


@dataclass(slots=True)
class CalendarData:
    """Everything the files say, by segment. Filled while loading, read-only afterwards.

    Attributes:
        valid_until: Last day whose holidays are known.
        weekend: ISO weekday numbers without an ordinary session.
        groups: Names that stand for several segments.
        hours: Per segment, first day in force -> hours.
        expiry_times: Per segment and kind of underlying, first day in force -> when contracts expire; what is said
            under `UnderlyingKind.OTHER` goes for every kind without an entry of its own.
        holidays: (day, segment) -> holiday.
        specials: (day, segment) -> sessions of that day.
        sources: Files, in the order they were merged.
    """

    valid_until: date = date.min
    weekend: frozenset[int] = frozenset()
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    hours: dict[str, dict[date, Hours]] = field(default_factory=dict)
    expiry_times: dict[tuple[str, UnderlyingKind], dict[date, ExpiryTime]] = field(default_factory=dict)
    holidays: dict[tuple[date, str], Holiday] = field(default_factory=dict)
    specials: dict[tuple[date, str], tuple[Special, ...]] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    @property
    def segments(self) -> tuple[str, ...]:
        """Segments that have hours."""
        return tuple(self.hours)

    def hours_on(self, segment: str, day: date) -> Hours:
        """Return the hours in force on a day; before the first entry, those of the first."""
        hours = self.hours[segment]
        return in_force_on(hours, day) or hours[min(hours)]

    def expiry_on(self, segment: str, kind: UnderlyingKind, day: date) -> ExpiryTime | None:
        """Return the expiry time in force: the latest entry, the kind's own before one for all; None without any."""
        dated = dict(self.expiry_times.get((segment, UnderlyingKind.OTHER), {}))
        dated.update(self.expiry_times.get((segment, kind), {}))
        return in_force_on(dated, day)

    def announcements(self) -> list[Announcement]:
        """Return what is announced and unconfirmed, each once, by its first day."""
        entries = [entry for dated in self.hours.values() for entry in dated.values()]
        times = [entry for dated in self.expiry_times.values() for entry in dated.values()]
        announced = (*(entry.announcement for entry in entries), *(entry.announcement for entry in times))
        found = {announcement for announcement in announced if announcement is not None}
        return sorted(found, key=lambda each: (each.first_day, each.source))


def in_force_on(dated: Mapping[date, _T], day: date) -> _T | None:
    """Return the value of the last date that is not after ``day``, None where there is none."""
    dates = sorted(dated)
    place = bisect_right(dates, day)
    return dated[dates[place - 1]] if place else None
