"""Operations on the database, written once and run by two drivers.

An operation is a generator: it yields requests, is sent the rows of each, and returns its result. It knows neither
threads nor event loops; `tickertui.store.sqlite` runs it in a worker thread, `tickertui.store.postgres` on the event
loop, each within one transaction. The SQL is what both databases understand, with ``?`` for values.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from tickertui.frozen import frozen
from tickertui.market.clock import IST, epoch_ns, from_epoch

T = TypeVar("T")

Value = int | float | str | bytes | None
Row = tuple[Any, ...]


@frozen
class Statement:
    """One statement; the operation is sent its rows.

    Attributes:
        sql: With ``?`` for each value.
        values: As many as there are ``?``.
    """

    sql: str
    values: tuple[Value, ...] = ()


@frozen
class Many:
    """One statement for each row of values; the operation is sent no rows.

    Attributes:
        sql: With ``?`` for each value.
        rows: Values of each execution.
    """

    sql: str
    rows: Sequence[tuple[Value, ...]]


@frozen
class BulkInsert:
    """Thousands of rows of integers as columns; the operation is sent no rows.

    Attributes:
        table: Name.
        columns: Names.
        data: One list for each column, all of the same length; no two rows with the same key.
        conflict: What follows ``ON CONFLICT``.
    """

    table: str
    columns: tuple[str, ...]
    data: Sequence[list[int]]
    conflict: str


@frozen
class Exclusive:
    """No other process gets past the same name until this transaction ends; the operation is sent no rows.

    In SQLite every writing transaction excludes all others anyway.

    Attributes:
        name: Of what must not be changed twice at once.
    """

    name: str


Request = Statement | Many | BulkInsert | Exclusive
Operation = Generator[Request, list[Row], T]


def day_number(day: date | None) -> int:
    """Return a date as the database holds it: yyyymmdd, 0 for none."""
    return 0 if day is None else day.year * 10_000 + day.month * 100 + day.day


@lru_cache(maxsize=4096)
def day_of_number(number: int) -> date | None:
    """Return the date of a `day_number`."""
    return date(number // 10_000, number // 100 % 100, number % 100) if number else None


def micros(instant: datetime) -> int:
    """Return an aware datetime as the database holds it: microseconds since the epoch."""
    return epoch_ns(instant) // 1_000


def instant_of_micros(value: int) -> datetime:
    """Return the instant of `micros` in Asia/Kolkata, to the microsecond."""
    return _EPOCH + timedelta(microseconds=value)


def epoch_seconds(instant: datetime) -> int:
    """Return the first whole second since the epoch that is not before an aware datetime.

    Raises:
        ValueError: When it has no time zone.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone; market time is Asia/Kolkata")
    return -(micros(instant) // -1_000_000)


def midnight(day: date) -> int:
    """Return the start of a day in Asia/Kolkata as epoch seconds."""
    return int(datetime(day.year, day.month, day.day, tzinfo=IST).timestamp())


_EPOCH = from_epoch(0)
