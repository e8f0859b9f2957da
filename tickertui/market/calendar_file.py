"""Reading the market calendar's files: the bundled one, checked, with the user's own ``calendar.toml`` merged over it.

Called at start, by ``config check`` and by the simulator. The file's shape is described in its own comments
(``data/nse_bse.toml``). Every mistake in it is a `CalendarError` that names the file and the key and says how to mend
it; a mistake is never repaired silently, because a wrong calendar looks like a dead feed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, time, timedelta
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Final, TypeVar

from tickertui.market.calendar_data import (
    Announcement,
    CalendarData,
    CalendarError,
    ExpiryTime,
    Holiday,
    Hours,
    Special,
    UnderlyingKind,
)
from tickertui.market.calendar_entry import CalendarEntry

BUNDLED: Final = "nse_bse.toml"
_LONGEST_UNSAID: Final = 8 * 60
"""Minutes up to which a close before the open is taken for the next day's; a day session written the wrong way round
would be longer, so that such a one must say ``over_midnight``."""
_DAY: Final = 24 * 60

_Entry = TypeVar("_Entry", Hours, ExpiryTime)


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
            text = override.read_text(encoding="utf-8-sig")
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
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CalendarError(f"{file}: is not valid TOML: {error}; mend that line") from error
    root = CalendarEntry(file, "", document, data)
    root.allow("valid_until", "weekend", "groups", "announcement", "hours", "expiry", "holiday", "session")
    _merge_scalars(data, root)
    for entry in root.tables("announcement"):
        _settle(data, entry)
    for entry in root.tables("hours"):
        _merge_hours(data, entry)
    _merge_expiries(data, root.tables("expiry"))
    seen: set[tuple[date, str]] = set()
    for entry in root.tables("holiday"):
        _merge_holiday(data, entry, seen)
    _merge_sessions(data, root.tables("session"))
    data.sources += (file,)


def _merge_scalars(data: CalendarData, root: CalendarEntry) -> None:
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


def _settle(data: CalendarData, entry: CalendarEntry) -> None:
    """Confirm, move or withdraw what an earlier file announces for a day."""
    entry.allow("from", "confirmed", "withdrawn", "moved_to")
    day, withdrawn = entry.day("from"), entry.flag("withdrawn")
    moved_to = entry.day("moved_to") if "moved_to" in entry.table else None
    confirmed = entry.flag("confirmed")
    if withdrawn == (confirmed or moved_to is not None):
        raise entry.error("confirmed", "write one of confirmed = true, moved_to = DATE and withdrawn = true")
    known = sorted({announcement.first_day for announcement in data.announcements()})
    if day not in known:
        days = ", ".join(str(each) for each in known) or "none"
        raise entry.error("from", f"nothing is announced for {day}; announced and unconfirmed: {days}")
    if moved_to is not None:
        _check_move(data, entry, day, moved_to)
    for hours in data.hours.values():
        _settle_dated(hours, day, None if withdrawn else moved_to or day, confirmed=confirmed)
    for times in data.expiry_times.values():
        _settle_dated(times, day, None if withdrawn else moved_to or day, confirmed=confirmed)


def _check_move(data: CalendarData, entry: CalendarEntry, day: date, moved_to: date) -> None:
    """Refuse a move before the hours that the announced ones follow: a mistyped year would take nothing but them."""
    dated: list[Mapping[date, Hours | ExpiryTime]] = [*data.hours.values(), *data.expiry_times.values()]
    before = [other for each in dated if day in each and each[day].announcement for other in each if other < day]
    if before and moved_to <= max(before):
        raise entry.error("moved_to", f"{moved_to} is not after {max(before)}, from when the hours before are in force")


def _settle_dated(dated: dict[date, _Entry], day: date, now: date | None, *, confirmed: bool) -> None:
    entry = dated.get(day)
    if entry is None or entry.announcement is None:
        return
    del dated[day]
    if now is not None:
        announcement = None if confirmed else Announcement(now, entry.announcement.source)
        dated[now] = replace(entry, announcement=announcement)


def _announcement(entry: CalendarEntry, first_day: date) -> Announcement | None:
    """Return that an entry is announced only, None where it is certain."""
    source = entry.text("source") if "source" in entry.table else ""
    match entry.table.get("status", "confirmed"):
        case "confirmed":
            return None
        case "announced":
            if not source:
                raise entry.error("source", "is missing; say who announced it")
            return Announcement(first_day, source)
        case other:
            raise entry.error("status", f'must be "announced" or "confirmed", not {other!r}')


def _merge_hours(data: CalendarData, entry: CalendarEntry) -> None:
    entry.allow(
        "segments", "from", "pre_open", "open", "cas", "closing", "close", "over_midnight", "evening", "steps",
        "status", "source",
    )  # fmt: skip
    first_day, opens, close = entry.day("from"), entry.required_time("open"), entry.required_time("close")
    hours = Hours(
        pre_open=entry.time_of_day("pre_open"),
        open=opens,
        cas=entry.time_of_day("cas"),
        closing=entry.time_of_day("closing"),
        close=close,
        evening=entry.time_of_day("evening"),
        steps=entry.steps(),
        over_midnight=_runs_over_midnight(entry, opens, close),
        announcement=_announcement(entry, first_day),
    )
    inside = [hours.open, hours.cas, hours.closing, hours.close]
    _check_ascent(entry, hours.pre_open, inside, "open < cas < closing < close", over_midnight=hours.over_midnight)
    if hours.evening is not None:
        start, evening, end = _minutes([hours.open, hours.evening, hours.close], over_midnight=hours.over_midnight)
        if not start < evening < end:
            raise entry.error("evening", "must lie between open and close")
    if hours.over_midnight and hours.close > hours.starts:
        raise entry.error("close", "lies in the next day's session; end it before that begins")
    for segment in entry.segments(known=False):
        data.hours.setdefault(segment, {})[first_day] = hours


def _runs_over_midnight(entry: CalendarEntry, opens: time | None, close: time | None) -> bool:
    """Return whether a session ends on the next day: its close is not after its open, and is meant to be."""
    said = entry.flag("over_midnight")
    if opens is None or close is None:
        if said:
            raise entry.error("over_midnight", "needs open and close; add them, or remove it")
        return False
    if close > opens:
        if said:
            raise entry.error("over_midnight", f"{close:%H:%M} is after {opens:%H:%M} on the same day; remove it")
        return False
    start, end = _minutes([opens, close], over_midnight=True)
    if not said and end - start > _LONGEST_UNSAID:
        raise entry.error(
            "close",
            f"{close:%H:%M} is not after open {opens:%H:%M}; the times must ascend, or write over_midnight = true "
            "where the session ends on the next day",
        )
    return True


def _minutes(times: Sequence[time | None], *, over_midnight: bool) -> list[float]:
    """Return the minutes of the times since the day of the first began, without the missing ones."""
    present = [each for each in times if each is not None]
    return [
        (each.hour * 3_600 + each.minute * 60 + each.second) / 60
        + (_DAY if over_midnight and place and each <= present[0] else 0)
        for place, each in enumerate(present)
    ]


def _check_ascent(
    entry: CalendarEntry, pre_open: time | None, inside: Sequence[time | None], order: str, *, over_midnight: bool
) -> None:
    minutes = _minutes(inside, over_midnight=over_midnight)
    early = _minutes([pre_open], over_midnight=False)
    if any(later <= earlier for earlier, later in pairwise([*early, *minutes])):
        raise entry.error("open", f"the times must ascend: pre_open < {order}")


def _merge_expiries(data: CalendarData, entries: Sequence[CalendarEntry]) -> None:
    """Merge expiry times; one for all kinds replaces what an earlier file says of single kinds from that day on."""
    of_a_kind = []
    for entry in entries:
        entry.allow("segments", "from", "at", "underlying", "status", "source")
        first_day = entry.day("from")
        expiry = ExpiryTime(entry.required_time("at"), _announcement(entry, first_day))
        kind = entry.choice("underlying", UnderlyingKind, UnderlyingKind.OTHER)
        for segment in entry.segments():
            _check_within_hours(data, entry, segment, first_day, expiry.at)
            if kind is not UnderlyingKind.OTHER:
                of_a_kind.append(((segment, kind), first_day, expiry))
                continue
            for each in UnderlyingKind:
                data.expiry_times.get((segment, each), {}).pop(first_day, None)
            data.expiry_times.setdefault((segment, kind), {})[first_day] = expiry
    for key, first_day, expiry in of_a_kind:
        data.expiry_times.setdefault(key, {})[first_day] = expiry


def _check_within_hours(data: CalendarData, entry: CalendarEntry, segment: str, day: date, at: time) -> None:
    """Refuse an expiry at which the segment does not trade: the close would take its place without a word."""
    hours = data.hours_on(segment, day)
    if not hours.over_midnight and not hours.open < at <= hours.close:
        session = f"{segment}'s session of that day ({hours.open:%H:%M} to {hours.close:%H:%M})"
        raise entry.error("at", f"{at:%H:%M} does not lie within {session}; mend it, or give its [[hours]] too")


def _merge_holiday(data: CalendarData, entry: CalendarEntry, seen: set[tuple[date, str]]) -> None:
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


def _merge_sessions(data: CalendarData, entries: Sequence[CalendarEntry]) -> None:
    sessions: dict[tuple[date, str], list[Special]] = {}
    for entry in entries:
        day, special = entry.day("date"), _special(entry)
        for segment in entry.segments():
            if special.close is not None and special.over_midnight:
                following = data.hours_on(segment, day + timedelta(days=1))
                if special.close > following.starts:
                    raise entry.error("close", f"lies in {segment}'s session of the next day; end it before that")
            sessions.setdefault((day, segment), []).append(special)
    for key, specials in sessions.items():
        data.specials[key] = _ordered(specials, key, entries[0].file)


def _special(entry: CalendarEntry) -> Special:
    entry.allow("date", "name", "segments", "usual", "pre_open", "open", "close", "over_midnight")
    opens, close = entry.time_of_day("open"), entry.time_of_day("close")
    special = Special(
        name=entry.text("name"),
        usual=entry.flag("usual"),
        pre_open=entry.time_of_day("pre_open"),
        open=opens,
        close=close,
        over_midnight=_runs_over_midnight(entry, opens, close),
    )
    if special.usual and (special.open or special.close or special.pre_open):
        raise entry.error("usual", "a session with usual hours has no times of its own; remove usual or the times")
    if (special.open is None) != (special.close is None):
        raise entry.error("open", "open and close come together; add the missing one, or remove both while pending")
    _check_ascent(entry, special.pre_open, [opens, close], "open < close", over_midnight=special.over_midnight)
    return special


def _ordered(specials: list[Special], key: tuple[date, str], file: str) -> tuple[Special, ...]:
    """Sort a day's sessions and refuse overlaps."""
    ordered = sorted(specials, key=lambda special: special.open or time.min)
    for earlier, later in pairwise(ordered):
        if earlier.close is None or later.open is None or earlier.over_midnight or later.starts < earlier.close:
            raise CalendarError(
                f"{file}: session: {earlier.name!r} and {later.name!r} of {key[0]} overlap for {key[1]}; "
                "give both open and close, one after the other"
            )
    return tuple(ordered)
