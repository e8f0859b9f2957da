"""Operations on a whole session of a contract: what a shut market shows of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tickertui.market.candles import Interval
from tickertui.store.operation import Operation, Statement, day_number
from tickertui.store.protocol import ContractKey, SessionValues, Span

_DAY: Final = 86_400
_WHOLE: Final = """SELECT COUNT(*) FROM coverage WHERE token = ? AND expiry = ? AND seconds = ?
    AND start <= ? AND stop >= ?"""
_VALUES: Final = """
WITH session AS (
    SELECT start, open, high, low, close, volume, oi FROM candles
    WHERE token = ? AND expiry = ? AND seconds = ? AND start >= ? AND start < ?
        AND start >= COALESCE((SELECT start FROM terms_changes WHERE token = ?), 0)
)
SELECT (SELECT open FROM session ORDER BY start LIMIT 1), MAX(high), MIN(low),
    (SELECT close FROM session ORDER BY start DESC LIMIT 1), SUM(volume),
    COALESCE((SELECT oi FROM session WHERE oi >= 0 ORDER BY start DESC LIMIT 1), -1), MAX(start)
FROM session"""
"""One row; NULLs where the session has no candle."""


def read_session_values(
    interval: Interval, contracts: Sequence[ContractKey], session: Span, before: Span | None
) -> Operation[dict[ContractKey, SessionValues]]:
    """Return the values of a session of those contracts of which the whole of it is stored, and a trade in it.

    Args:
        interval: Length of the candles.
        contracts: Which.
        session: Its open and close.
        before: Those of the session before it, for the previous close; None where it is not known.
    """
    found: dict[ContractKey, SessionValues] = {}
    for token, expiry in contracts:
        key = (token, day_number(expiry), interval.seconds)
        whole = yield Statement(_WHOLE, (*key, *session))
        if not whole[0][0]:
            continue
        values = yield Statement(_VALUES, (*key, *_candle_span(interval, session), token))
        opens, high, low, close, volume, oi, last_start = values[0]
        if opens is None:
            continue
        previous = 0
        if before is not None:
            earlier = yield Statement(_VALUES, (*key, *_candle_span(interval, before), token))
            previous = earlier[0][3] or 0
        found[token, expiry] = SessionValues(opens, high, low, close, int(volume), oi, last_start, previous)
    return found


def _candle_span(interval: Interval, session: Span) -> Span:
    """Where candles of a session start: a day candle at midnight, at most a day before the close."""
    return (session[1] - _DAY, session[1]) if interval is Interval.DAY else session
