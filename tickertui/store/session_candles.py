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


def merged_candles(fetched: Sequence[Row], own: Sequence[Row]) -> Candles:
    """Return the broker's candles with our own between them; of two with the same start the broker's is the one."""
    theirs, ours = _array(fetched), _array(own)
    ours = ours[~np.isin(ours[:, 0], theirs[:, 0])]
    rows = np.concatenate((theirs, ours))
    is_own = np.arange(len(rows)) >= len(theirs)
    order = np.argsort(rows[:, 0], kind="stable")
    return Candles.from_rows(rows[order], own=is_own[order] if len(ours) else None)


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
