"""The market calendar's data: reading the dated file, checking it, and merging the user's own file over it.

`tickertui.market.hours` turns `CalendarData` into answers. The file's shape is described in its own comments
(``data/nse_bse.toml``). Every mistake in it is a `CalendarError` that names the file and the key and says how to
mend it; a mistake is never repaired silently, because a wrong calendar looks like a dead feed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from difflib import get_close_matches
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from tickertui.frozen import frozen

BUNDLED: Final = "nse_bse.toml"


class CalendarError(Exception):
    """The calendar's data cannot be used, or does not reach far enough; one sentence for the user."""


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
    """

    pre_open: time | None
    open: time
    cas: time | None
    closing: time | None
    close: time
    evening: time | None
    steps: tuple[tuple[time, str], ...]


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
    """

    name: str
    usual: bool
    pre_open: time | None
    open: time | None
    close: time | None

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
        expiry_times: Per segment, first day in force -> time of day at which an option expires.
        holidays: (day, segment) -> holiday.
        specials: (day, segment) -> sessions of that day.
        sources: Files, in the order they were merged.
    """

    valid_until: date = date.min
    weekend: frozenset[int] = frozenset()
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    hours: dict[str, dict[date, Hours]] = field(default_factory=dict)
    expiry_times: dict[str, dict[date, time]] = field(default_factory=dict)
    holidays: dict[tuple[date, str], Holiday] = field(default_factory=dict)
    specials: dict[tuple[date, str], tuple[Special, ...]] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    @property
    def segments(self) -> tuple[str, ...]:
        """Segments that have hours."""
        return tuple(self.hours)


def load_calendar_data(override: Path | None = None) -> CalendarData:
    """Read the bundled data and merge the user's file over it.

    Args:
        override: The user's ``calendar.toml``; None or a file that does not exist changes nothing.

    Raises:
        CalendarError: When a file cannot be read or used.
    """
    data = CalendarData()
    bundled = files("tickertui.market").joinpath("data", BUNDLED)
    merge_calendar(data, bundled.read_text(encoding="utf-8"), BUNDLED)
    if override is not None and override.exists():
        try:
            text = override.read_text(encoding="utf-8")
        except OSError as error:
            raise CalendarError(f"{override}: cannot be read ({error.strerror}); check its permissions") from error
        except UnicodeDecodeError as error:
            raise CalendarError(f"{override}: is not UTF-8 text; save it as UTF-8") from error
        merge_calendar(data, text, str(override))
    return data


def merge_calendar(data: CalendarData, text: str, file: str) -> None:
    """Merge the TOML ``text`` of ``file`` into ``data``; an entry for the same date and segment wins.

    Raises:
        CalendarError: When the text is not a calendar; ``data`` may then be half merged and must be thrown away.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CalendarError(f"{file}: is not valid TOML: {error}; mend that line") from error
    root = _Entry(file, "", document, data)
    root.allow("valid_until", "weekend", "groups", "hours", "expiry", "holiday", "session")
    _merge_scalars(data, root)
    seen: set[tuple[date, str]] = set()
    for entry in root.tables("hours"):
        _merge_hours(data, entry)
    for entry in root.tables("expiry"):
        entry.allow("segments", "from", "at")
        for segment in entry.segments():
            data.expiry_times.setdefault(segment, {})[entry.day("from")] = entry.required_time("at")
    for entry in root.tables("holiday"):
        _merge_holiday(data, entry, seen)
    sessions: dict[tuple[date, str], list[Special]] = {}
    for entry in root.tables("session"):
        day, special = entry.day("date"), _special(entry)
        for segment in entry.segments():
            sessions.setdefault((day, segment), []).append(special)
    for key, specials in sessions.items():
        data.specials[key] = _ordered(specials, key, file)
    data.sources += (file,)


def _merge_scalars(data: CalendarData, root: _Entry) -> None:
    if "valid_until" in root.table or not data.sources:
        data.valid_until = root.day("valid_until")
    if "weekend" in root.table or not data.sources:
        days = root.table.get("weekend")
        if not isinstance(days, list) or not all(isinstance(day, int) and 1 <= day <= 7 for day in days):
            raise root.error("weekend", "must be a list of ISO weekday numbers, for instance [6, 7]")
        data.weekend = frozenset(days)
    groups = root.table.get("groups", {})
    if not isinstance(groups, dict):
        raise root.error("groups", "must be a table of segment lists")
    for name, members in groups.items():
        if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
            raise root.error(f"groups.{name}", 'must be a list of segments, for instance ["NFO", "BFO"]')
        data.groups[name] = tuple(members)


def _merge_hours(data: CalendarData, entry: _Entry) -> None:
    entry.allow("segments", "from", "pre_open", "open", "cas", "closing", "close", "evening", "steps")
    hours = Hours(
        pre_open=entry.time_of_day("pre_open"),
        open=entry.required_time("open"),
        cas=entry.time_of_day("cas"),
        closing=entry.time_of_day("closing"),
        close=entry.required_time("close"),
        evening=entry.time_of_day("evening"),
        steps=entry.steps(),
    )
    edges = [edge for edge in (hours.pre_open, hours.open, hours.cas, hours.closing, hours.close) if edge is not None]
    if any(later <= earlier for earlier, later in pairwise(edges)):
        raise entry.error("open", "the times must ascend: pre_open < open < cas < closing < close")
    if hours.evening is not None and not hours.open < hours.evening < hours.close:
        raise entry.error("evening", "must lie between open and close")
    for segment in entry.segments(known=False):
        data.hours.setdefault(segment, {})[entry.day("from")] = hours


def _merge_holiday(data: CalendarData, entry: _Entry, seen: set[tuple[date, str]]) -> None:
    entry.allow("date", "name", "segments", "evening", "cancelled")
    day, cancelled = entry.day("date"), entry.flag("cancelled")
    for segment in entry.segments():
        key = (day, segment)
        if key in seen:
            raise entry.error("date", f"{day} is listed twice for {segment}; keep one of the two entries")
        seen.add(key)
        if not cancelled:
            data.holidays[key] = Holiday(entry.text("name"), entry.flag("evening"))
        elif data.holidays.pop(key, None) is None:
            raise entry.error("date", f"cancels a holiday that is not known for {segment}; check the date {day}")


def _special(entry: _Entry) -> Special:
    entry.allow("date", "name", "segments", "usual", "pre_open", "open", "close")
    special = Special(
        name=entry.text("name"),
        usual=entry.flag("usual"),
        pre_open=entry.time_of_day("pre_open"),
        open=entry.time_of_day("open"),
        close=entry.time_of_day("close"),
    )
    if special.usual and (special.open or special.close or special.pre_open):
        raise entry.error("usual", "a session with usual hours has no times of its own; remove usual or the times")
    if (special.open is None) != (special.close is None):
        raise entry.error("open", "open and close come together; add the missing one, or remove both while pending")
    edges = [edge for edge in (special.pre_open, special.open, special.close) if edge is not None]
    if any(later <= earlier for earlier, later in pairwise(edges)):
        raise entry.error("open", "the times must ascend: pre_open < open < close")
    return special


def _ordered(specials: list[Special], key: tuple[date, str], file: str) -> tuple[Special, ...]:
    """Sort a day's sessions and refuse overlaps."""
    ordered = sorted(specials, key=lambda special: special.open or time.min)
    for earlier, later in pairwise(ordered):
        if earlier.close is None or later.open is None or (later.pre_open or later.open) < earlier.close:
            raise CalendarError(
                f"{file}: session: {earlier.name!r} and {later.name!r} of {key[0]} overlap for {key[1]}; "
                "give both open and close, one after the other"
            )
    return tuple(ordered)


class _Entry:
    """One table of a file, with typed access; every complaint names file and key."""

    def __init__(self, file: str, where: str, table: Mapping[str, Any], data: CalendarData) -> None:
        self.file = file
        self.where = where
        self.table = table
        self._data = data

    def error(self, key: str, problem: str) -> CalendarError:
        """Return the complaint about one key."""
        return CalendarError(f"{self.file}: {self.where}{key}: {problem}")

    def allow(self, *keys: str) -> None:
        """Refuse keys that mean nothing here."""
        for key in self.table:
            if key not in keys:
                near = get_close_matches(key, keys, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(keys)}"
                raise self.error(key, f"is not a key of the calendar; {hint}")

    def tables(self, key: str) -> list[_Entry]:
        """Return the entries of an array of tables, numbered from 1 for the messages."""
        value = self.table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(key, f"must be written as [[{key}]] entries")
        return [_Entry(self.file, f"{key}[{n}].", item, self._data) for n, item in enumerate(value, 1)]

    def day(self, key: str) -> date:
        """Return a required date."""
        value = self.table.get(key)
        if not isinstance(value, date) or isinstance(value, datetime):
            raise self.error(key, f"must be a date without quotes, for instance 2026-11-08{self._got(value)}")
        return value

    def time_of_day(self, key: str) -> time | None:
        """Return a time of day, None where the key is absent."""
        value = self.table.get(key)
        if value is not None and not isinstance(value, time):
            raise self.error(key, f"must be a time without quotes, for instance 18:00:00{self._got(value)}")
        return value

    def required_time(self, key: str) -> time:
        """Return a required time of day."""
        value = self.time_of_day(key)
        if value is None:
            raise self.error(key, "is missing; add a time, for instance 09:15:00")
        return value

    def text(self, key: str) -> str:
        """Return a required text."""
        value = self.table.get(key)
        if not isinstance(value, str) or not value:
            raise self.error(key, f"must be a text in quotes{self._got(value)}")
        return value

    def flag(self, key: str) -> bool:
        """Return a switch, False where the key is absent."""
        value = self.table.get(key, False)
        if not isinstance(value, bool):
            raise self.error(key, f"must be true or false{self._got(value)}")
        return value

    def steps(self) -> tuple[tuple[time, str], ...]:
        """Return the named steps of the day."""
        value = self.table.get("steps", [])
        steps: list[tuple[time, str]] = []
        for item in value if isinstance(value, list) else [None]:
            if not (isinstance(item, list) and len(item) == 2 and isinstance(item[0], time)):
                raise self.error("steps", 'must be a list of [time, "name"] pairs')
            steps.append((item[0], str(item[1])))
        if steps != sorted(steps, key=lambda step: step[0]):
            raise self.error("steps", "must ascend in time")
        return tuple(steps)

    def segments(self, *, known: bool = True) -> tuple[str, ...]:
        """Return the segments an entry is for, groups taken apart; "equity" where the key is absent."""
        names = self.table.get("segments", ["equity"])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self.error("segments", 'must be a list of segments or groups, for instance ["NFO", "BFO"]')
        segments: list[str] = []
        for name in names:
            segments.extend(self._data.groups.get(name, (name,)))
        for segment in segments:
            if known and segment not in self._data.hours:
                choices = ", ".join((*self._data.groups, *self._data.hours))
                raise self.error("segments", f"{segment!r} is neither a segment nor a group; known: {choices}")
        return tuple(dict.fromkeys(segments))

    @staticmethod
    def _got(value: object) -> str:
        return "; it is missing" if value is None else f", not {value!r}"
