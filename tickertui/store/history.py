"""Operations on candles, what is known to be complete, failures and daily facts.

What is stored of a token from before its terms changed is about another contract (`tickertui.store.day_contracts`):
everything that is read here begins with the terms of now.
"""

# ruff: noqa: S608 - what is put into the statements are constants of this module

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market.arrays import distinct
from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import from_epoch
from tickertui.store.operation import (
    BulkInsert,
    Exclusive,
    Many,
    Operation,
    Statement,
    day_number,
    day_of_number,
    epoch_seconds,
    instant_of_micros,
    micros,
    midnight,
)
from tickertui.store.protocol import ContractKey, HistoryFailure, OpenInterestFact, Span, StoredInterest, VolatilityFact
from tickertui.store.session_candles import (
    MARKET_OFFSET,
    drop_session_candles,
    merged_candles,
    read_coverage_of,
    read_session_candles,
)

_CANDLE_COLUMNS: Final = (
    "token", "expiry", "seconds", "start", "open", "high", "low", "close", "volume", "oi",
)  # fmt: skip
_CANDLE_CONFLICT: Final = """(token, expiry, seconds, start) DO UPDATE SET
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume,
    oi = CASE WHEN excluded.oi < 0 THEN old.oi ELSE excluded.oi END"""
_CONTRACT: Final = "token = ? AND expiry = ? AND seconds = ?"
_TERMS_START: Final = "COALESCE((SELECT start FROM terms_changes WHERE terms_changes.token = {}.token), 0)"
_TERMS_DAY: Final = "COALESCE((SELECT since FROM terms_changes WHERE terms_changes.token = {}.token), 0)"
_INTERVAL_OF_SECONDS: Final = {interval.seconds: interval for interval in Interval}


def add_candles(
    token: int, expiry: date | None, interval: Interval, candles: Candles, covered: Span | None
) -> Operation[None]:
    """Store candles, count them by day, and note what they prove to be complete."""
    contract = (token, day_number(expiry), interval.seconds)
    yield _alone_with(contract)
    if len(candles):
        rows = _distinct(candles.to_rows())
        constant = [[value] * len(rows) for value in contract]
        yield BulkInsert("candles", _CANDLE_COLUMNS, constant + rows.T.tolist(), _CANDLE_CONFLICT)
        yield from _count_days(contract, rows[:, 0])
    if covered is not None and covered[1] > covered[0]:
        yield from _cover(contract, covered)
        yield from drop_session_candles(contract, covered)


def _alone_with(contract: tuple[int, int, int]) -> Exclusive:
    return Exclusive("history of {} {} {}".format(*contract))


def _distinct(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows ascending by start; of equal starts the one that came last."""
    starts, last = np.unique(rows[::-1, 0], return_index=True)
    distinct: NDArray[np.int64] = rows[::-1][last]
    assert len(starts) == len(distinct)
    return distinct


def _count_days(contract: tuple[int, int, int], starts: NDArray[np.int64]) -> Operation[None]:
    counts = []
    for days_since_epoch in distinct((starts + MARKET_OFFSET) // 86_400).tolist():
        first = days_since_epoch * 86_400 - MARKET_OFFSET
        day = day_number(from_epoch(first).date())
        counts.append((*contract, day, *contract, first, first + 86_400))
    yield Many(
        "INSERT INTO candle_days (token, expiry, seconds, day, stored) VALUES (?, ?, ?, ?, "
        f"(SELECT COUNT(*) FROM candles WHERE {_CONTRACT} AND start >= ? AND start < ?)) "
        "ON CONFLICT (token, expiry, seconds, day) DO UPDATE SET stored = excluded.stored",
        counts,
    )


def _cover(contract: tuple[int, int, int], covered: Span) -> Operation[None]:
    """Merge a span with those it overlaps or touches."""
    start, stop = covered
    touching = yield Statement(
        f"DELETE FROM coverage WHERE {_CONTRACT} AND start <= ? AND stop >= ? RETURNING start, stop",
        (*contract, stop, start),
    )
    start = min([start, *(row[0] for row in touching)])
    stop = max([stop, *(row[1] for row in touching)])
    yield Statement(
        "INSERT INTO coverage (token, expiry, seconds, start, stop) VALUES (?, ?, ?, ?, ?)", (*contract, start, stop)
    )


def read_candles(token: int, expiry: date | None, interval: Interval, span: Span) -> Operation[Candles]:
    """Return stored candles that start within a span, the session's own where the broker's are not there yet."""
    contract = (token, day_number(expiry), interval.seconds)
    begun = yield Statement("SELECT start FROM terms_changes WHERE token = ?", (token,))
    if begun:
        span = (max(span[0], begun[0][0]), span[1])
    rows = yield Statement(
        "SELECT start, open, high, low, close, volume, oi FROM candles "
        f"WHERE {_CONTRACT} AND start >= ? AND start < ? ORDER BY start",
        (*contract, *span),
    )
    own = yield from read_session_candles(contract, span)
    covered = yield from read_coverage_of(contract, span)
    return merged_candles(rows, own, covered, interval.seconds)


def read_last_interest(
    token: int, expiry: date | None, interval: Interval, before: int
) -> Operation[StoredInterest | None]:
    """Return the open interest of the last candle that starts before an instant and has one."""
    contract = (token, day_number(expiry), interval.seconds)
    found = yield Statement(
        f"SELECT start, oi FROM candles WHERE {_CONTRACT} AND start < ? AND oi >= 0 "
        f"AND start >= {_TERMS_START.format('candles')} ORDER BY start DESC LIMIT 1",
        (*contract, before),
    )
    if not found:
        return None
    start, interest = found[0]
    covered = yield from read_coverage_of(contract, (start, before))
    return StoredInterest(start, interest, tuple(covered))


def read_coverage(interval: Interval) -> Operation[dict[ContractKey, list[Span]]]:
    """Return what is complete, by contract."""
    rows = yield Statement(
        f"SELECT token, expiry, start, stop, {_TERMS_START.format('coverage')} FROM coverage WHERE seconds = ? "
        "ORDER BY token, expiry, start",
        (interval.seconds,),
    )
    found: dict[ContractKey, list[Span]] = {}
    for token, expiry, start, stop, terms_start in rows:
        if stop > terms_start:
            found.setdefault((token, day_of_number(expiry)), []).append((max(start, terms_start), stop))
    return found


def read_candle_days(interval: Interval, first: date, last: date) -> Operation[dict[ContractKey, dict[date, int]]]:
    """Return how many candles are stored, by contract and day."""
    rows = yield Statement(
        "SELECT token, expiry, day, stored FROM candle_days WHERE seconds = ? AND day >= ? AND day <= ? "
        f"AND day >= {_TERMS_DAY.format('candle_days')} ORDER BY token, expiry, day",
        (interval.seconds, day_number(first), day_number(last)),
    )
    found: dict[ContractKey, dict[date, int]] = {}
    for token, expiry, number, stored in rows:
        day = day_of_number(number)
        assert day is not None
        found.setdefault((token, day_of_number(expiry)), {})[day] = stored
    return found


def contracts_with_candles(before: date) -> Operation[list[tuple[int, int, int]]]:
    """Return (token, expiry, seconds) of contracts with candles of days before one."""
    rows = yield Statement(
        "SELECT DISTINCT token, expiry, seconds FROM candle_days WHERE day < ?", (day_number(before),)
    )
    return [(token, expiry, seconds) for token, expiry, seconds in rows]


def prune(contracts: Sequence[tuple[int, int, int]], before: date) -> Operation[int]:
    """Drop old candles and old coverage of some contracts; return how many candles."""
    edge, dropped = midnight(before), 0
    for contract in sorted(contracts):
        yield _alone_with(contract)
        counted = yield Statement(
            f"DELETE FROM candle_days WHERE {_CONTRACT} AND day < ? RETURNING stored", (*contract, day_number(before))
        )
        dropped += sum(row[0] for row in counted)
        yield Statement(f"DELETE FROM candles WHERE {_CONTRACT} AND start < ?", (*contract, edge))
        cut = yield Statement(f"DELETE FROM coverage WHERE {_CONTRACT} AND start < ? RETURNING stop", (*contract, edge))
        if (latest := max((row[0] for row in cut), default=0)) > edge:
            yield from _cover(contract, (edge, latest))
    return dropped


def record_failure(failure: HistoryFailure) -> Operation[None]:
    """Keep the last failure of a contract and interval."""
    yield Statement(
        "INSERT INTO history_failures (token, expiry, seconds, reason, attempts, failed_at, retry_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (token, expiry, seconds) DO UPDATE SET reason = excluded.reason, "
        "attempts = excluded.attempts, failed_at = excluded.failed_at, retry_at = excluded.retry_at",
        (
            failure.token,
            day_number(failure.expiry),
            failure.interval.seconds,
            failure.reason,
            failure.attempts,
            micros(failure.failed_at),
            None if failure.retry_at is None else micros(failure.retry_at),
        ),
    )


def list_failures(interval: Interval) -> Operation[list[HistoryFailure]]:
    """Return the kept failures, latest first."""
    rows = yield Statement(
        "SELECT token, expiry, seconds, reason, attempts, failed_at, retry_at FROM history_failures "
        "WHERE seconds = ? ORDER BY failed_at DESC, token",
        (interval.seconds,),
    )
    return [
        HistoryFailure(
            token=token,
            expiry=day_of_number(expiry),
            interval=_INTERVAL_OF_SECONDS[seconds],
            reason=reason,
            attempts=attempts,
            failed_at=instant_of_micros(failed_at),
            retry_at=None if retry_at is None else instant_of_micros(retry_at),
        )
        for token, expiry, seconds, reason, attempts, failed_at, retry_at in rows
    ]


def clear_failures(interval: Interval, contracts: Sequence[ContractKey] | None) -> Operation[None]:
    """Forget failures."""
    if contracts is None:
        yield Statement("DELETE FROM history_failures WHERE seconds = ?", (interval.seconds,))
    elif contracts:
        rows = [(token, day_number(expiry), interval.seconds) for token, expiry in contracts]
        yield Many(f"DELETE FROM history_failures WHERE {_CONTRACT}", rows)


def save_facts(
    day: date, open_interest: Sequence[OpenInterestFact], volatility: Sequence[VolatilityFact]
) -> Operation[None]:
    """Keep facts of a day."""
    number = day_number(day)
    if open_interest:
        yield Many(
            "INSERT INTO daily_open_interest (day, token, expiry, oi) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (day, token) DO UPDATE SET expiry = excluded.expiry, oi = excluded.oi",
            [(number, fact.token, day_number(fact.expiry), fact.oi) for fact in open_interest],
        )
    if volatility:
        yield Many(
            "INSERT INTO daily_volatility (underlying, day, atm_iv) VALUES (?, ?, ?) "
            "ON CONFLICT (underlying, day) DO UPDATE SET atm_iv = excluded.atm_iv",
            [(fact.underlying, number, fact.atm_iv) for fact in volatility],
        )


def open_interest_on(day: date) -> Operation[dict[ContractKey, int]]:
    """Return the open interest of each contract at the end of a day."""
    rows = yield Statement(
        "SELECT token, expiry, oi FROM daily_open_interest "
        f"WHERE day = ? AND day >= {_TERMS_DAY.format('daily_open_interest')}",
        (day_number(day),),
    )
    return {(token, day_of_number(expiry)): oi for token, expiry, oi in rows}


def atm_iv_history(underlying: str, days: int) -> Operation[list[tuple[date, float]]]:
    """Return the latest volatilities of an underlying, ascending by day."""
    rows = yield Statement(
        "SELECT day, atm_iv FROM daily_volatility WHERE underlying = ? ORDER BY day DESC LIMIT ?", (underlying, days)
    )
    history = []
    for number, atm_iv in reversed(rows):
        day = day_of_number(number)
        assert day is not None
        history.append((day, atm_iv))
    return history


def covered_span(covered: tuple[datetime, datetime] | None) -> Span | None:
    """Return [start, end) as whole epoch seconds, never more than was said: the start up, the end down."""
    if covered is None:
        return None
    start, end = covered
    first, last = epoch_seconds(start), epoch_seconds(end)
    return first, last if end.microsecond == 0 else last - 1
