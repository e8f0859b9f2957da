"""`CalendarEntry`: one table of a calendar file with typed access, each complaint with file, key and the way out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime, time
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final, TypeVar

from tickertui.market.calendar_data import CalendarData, CalendarError

_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2199
_Choice = TypeVar("_Choice", bound=StrEnum)


class CalendarEntry:
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
                raise self.error(key, f"is not a key of the calendar; {_nearest(key, keys)}")

    def tables(self, key: str) -> list[CalendarEntry]:
        """Return the entries of an array of tables, numbered from 1 for the messages."""
        value = self.table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(key, f"must be written as [[{key}]] entries")
        return [CalendarEntry(self.file, f"{key}[{n}].", item, self._data) for n, item in enumerate(value, 1)]

    def day(self, key: str) -> date:
        """Return a required date."""
        value = self.table.get(key)
        if not isinstance(value, date) or isinstance(value, datetime):
            raise self.error(key, f"must be a date without quotes, for instance 2026-11-08{self._got(value)}")
        if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
            raise self.error(key, f"must lie between {_FIRST_YEAR} and {_LAST_YEAR}, not {value}")
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

    def choice(self, key: str, choices: type[_Choice], absent: _Choice) -> _Choice:
        """Return one of some words, ``absent`` where the key is."""
        value = self.table.get(key)
        if value is None:
            return absent
        words = [choice.value for choice in choices if choice.value]
        if value not in words:
            raise self.error(key, f"is one of {', '.join(words)}, not {value!r}; {_nearest(str(value), words)}")
        return choices(value)

    def steps(self) -> tuple[tuple[time, str], ...]:
        """Return the named steps of the day."""
        value = self.table.get("steps", [])
        steps: list[tuple[time, str]] = []
        for item in value if isinstance(value, list) else [None]:
            match item:
                case [time() as start, str() as name]:
                    steps.append((start, name))
                case _:
                    raise self.error("steps", 'must be a list of [time, "name"] pairs')
        if steps != sorted(steps, key=lambda step: step[0]):
            raise self.error("steps", "must ascend in time")
        return tuple(steps)

    def segments(self, *, known: bool = True) -> tuple[str, ...]:
        """Return the segments an entry is for, groups taken apart; "equity" where the key is absent."""
        names = self.table.get("segments", ["equity"])
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise self.error("segments", 'must be a list of segments or groups, for instance ["NFO", "BFO"]')
        segments: list[str] = []
        for name in names:
            segments.extend(self._data.groups.get(name, (name,)))
        for segment in segments:
            # The hours of an exchange make it known; its name is one of the broker's, in capitals.
            if segment not in self._data.hours and (known or not segment.isupper()):
                choices = (*self._data.groups, *self._data.hours)
                raise self.error("segments", f"{segment!r} is no segment or group; {_nearest(segment, choices)}")
        return tuple(dict.fromkeys(segments))

    @staticmethod
    def _got(value: object) -> str:
        return "; it is missing" if value is None else f", not {value!r}"


def _nearest(word: str, choices: Collection[str]) -> str:
    by_lower = {choice.lower(): choice for choice in choices}
    near = get_close_matches(word.lower(), by_lower, n=1)
    return f"did you mean {by_lower[near[0]]!r}?" if near else f"known here: {', '.join(choices)}"
