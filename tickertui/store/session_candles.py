"""Operations on candles made from the session's own ticks, and on what is known of contracts that expire.

They stand in a table of their own: what the broker has been asked for, and how much of it is there, is told by its
candles alone. Where those come, these go.
"""

# ruff: noqa: S608 - what is put into the statements are constants of this module

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market.candles import Candles, Interval
from tickertui.store.operation import BulkInsert, Operation, Row, Statement, day_number, midnight
from tickertui.store.protocol import ContractKey, Span

_COLUMNS: Final = ("token", "expiry", "seconds", "start", "open", "high", "low", "close", "volume", "oi")
_CONFLICT: Final = """(token, expiry, seconds, start) DO UPDATE SET
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume,
    oi = excluded.oi"""
_CONTRACT: Final = "token = ? AND expiry = ? AND seconds = ?"
MARKET_OFFSET: Final = 19_800
"""Asia/Kolkata is 5 h 30 min ahead of UTC all year and has been since 1945."""
_DAY: Final = 86_400


def add_session_candles(interval: Interval, contracts: Sequence[ContractKey], candles: Candles) -> Operation[None]:
    """Store one candle for each contract entry."""
    keys = [
        [token for token, _ in contracts],
        [day_number(expiry) for _, expiry in contracts],
        [interval.seconds] * len(contracts),
    ]
    yield BulkInsert("session_candles", _COLUMNS, keys + candles.to_rows().T.tolist(), _CONFLICT)


def drop_session_candles(contract: tuple[int, int, int], covered: Span) -> Operation[None]:
    """Drop a contract's own candles of a span that the broker has answered for."""
    yield Statement(
        f"DELETE FROM session_candles WHERE {_CONTRACT} AND start >= ? AND start < ?", (*contract, *covered)
    )


def prune_session_candles(before: date) -> Operation[None]:
    """Drop all of days before one."""
    yield Statement("DELETE FROM session_candles WHERE start < ?", (midnight(before),))


def read_session_candles(contract: tuple[int, int, int], span: Span) -> Operation[list[Row]]:
    """Return (start, open, high, low, close, volume, oi) of a contract's own candles within a span, ascending."""
    rows = yield Statement(
        "SELECT start, open, high, low, close, volume, oi FROM session_candles "
        f"WHERE {_CONTRACT} AND start >= ? AND start < ? ORDER BY start",
        (*contract, *span),
    )
    return rows


def merged_candles(fetched: Sequence[Row], own: Sequence[Row], covered: Sequence[Span], seconds: int) -> Candles:
    """Return the broker's candles with our own between them; of two with the same start the broker's is the one.

    Args:
        fetched: The broker's, ascending.
        own: Ours, ascending.
        covered: What the broker was asked for, ascending.
        seconds: Length of a candle.
    """
    theirs, ours = _array(fetched), _array(own)
    ours = ours[~np.isin(ours[:, 0], theirs[:, 0])]
    rows = np.concatenate((theirs, ours))
    is_own = np.arange(len(rows)) >= len(theirs)
    order = np.argsort(rows[:, 0], kind="stable")
    rows, is_own = rows[order], is_own[order]
    gaps = _after_gap(rows[:, 0], covered, seconds)
    return Candles.from_rows(rows, is_own if len(ours) else None, gaps if gaps.any() else None)


def _after_gap(starts: NDArray[np.int64], covered: Sequence[Span], seconds: int) -> NDArray[np.bool_]:
    """Tell where the time between a candle and the one before, on the same day, is not all covered: bool[n]."""
    gaps = np.zeros(len(starts), dtype=np.bool_)
    if len(starts) < 2:
        return gaps
    begins, ends = starts[:-1] + seconds, starts[1:]
    hole = (ends > begins) & ((ends + MARKET_OFFSET) // _DAY == (begins + MARKET_OFFSET) // _DAY)
    spans = np.array(covered, dtype=np.int64).reshape(-1, 2)
    place = np.searchsorted(spans[:, 0], begins, side="right") - 1
    until = np.append(spans[:, 1], 0)[place]
    gaps[1:] = hole & ((place < 0) | (until < ends))
    return gaps


def read_coverage_of(contract: tuple[int, int, int], span: Span) -> Operation[list[Span]]:
    """Return the spans that the broker was asked for of a contract, as far as they touch a span, ascending."""
    rows = yield Statement(
        f"SELECT start, stop FROM coverage WHERE {_CONTRACT} AND stop > ? AND start < ? ORDER BY start",
        (*contract, *span),
    )
    return [(start, stop) for start, stop in rows]


def _array(rows: Sequence[Row]) -> NDArray[np.int64]:
    return np.array(rows, dtype=np.int64).reshape(-1, 7)


def contracts_expiring(day: date) -> Operation[list[int]]:
    """Return the tokens of contracts that expire on a day and of which anything is stored, ascending."""
    number = day_number(day)
    rows = yield Statement(
        "SELECT token FROM coverage WHERE expiry = ? UNION SELECT token FROM candle_days WHERE expiry = ? "
        "UNION SELECT token FROM session_candles WHERE expiry = ? ORDER BY 1",
        (number, number, number),
    )
    return [row[0] for row in rows]
