"""`fetch_into_store`: one request to the broker, its answer checked and stored with what it proves.

An answer may have holes, repetitions, any order and the candle that is just forming. Only what lies in the asked span
and makes sense is stored; the asked span ends before the forming candle. A minute without a trade has no candle, so
a hole proves nothing for an option, but an index prints every minute: its holes are asked for once more, and so are
candles that make no sense.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import from_epoch
from tickertui.services.history.gaps import TradingSession, clipped, merged, seconds_of, subtract
from tickertui.services.history.types import BackfillSettings, HistoryClient, HistoryStore, Request
from tickertui.store.protocol import OpenInterestFact, Span


@frozen
class Fetched:
    """What came of a request.

    Attributes:
        candles: How many were stored.
        rejected: How many made no sense.
        doubtful: Spans that should be asked for once more.
        interest: (day, open interest at its close) of the finished days in it.
    """

    candles: int
    rejected: int
    doubtful: tuple[Span, ...] = ()
    interest: tuple[tuple[date, int], ...] = ()


async def fetch_into_store(
    client: HistoryClient,
    store: HistoryStore,
    request: Request,
    settings: BackfillSettings,
    sessions: Sequence[TradingSession],
    dense: Sequence[Span],
) -> Fetched:
    """Ask for one span, store the answer, and note what is complete.

    Args:
        client: Of any account.
        store: Takes the candles.
        request: What to ask for.
        settings: Interval.
        sessions: Of the contract's segment, ascending.
        dense: Time in which an index prints each minute.

    Raises:
        KiteError: When the broker does not answer.
        StoreError: When the store does not take it.
    """
    target, interval = request.target, settings.interval
    answer = await client.fetch_historical(
        target.token, from_epoch(request.start), from_epoch(request.end - 1), interval, oi=target.has_oi
    )
    rows, rejected = accepted(answer, request.span)
    candles = Candles.from_rows(rows) if len(rows) else Candles.empty()
    doubtful = _doubtful(request, candles, rejected, dense, interval) if request.look == 0 else []
    # Facts first: after a crash in between the span is still missing and everything is fetched again.
    interest = await _closing_oi(store, request, interval, candles, sessions) if target.has_oi else []
    for day, oi in interest:
        await store.save_daily_facts(day, [OpenInterestFact(target.token, target.expiry, oi)])
    await _store(store, request, interval, candles, subtract([request.span], doubtful))
    return Fetched(len(candles), len(rejected), tuple(doubtful), tuple(interest))


async def _closing_oi(
    store: HistoryStore, request: Request, interval: Interval, candles: Candles, sessions: Sequence[TradingSession]
) -> list[tuple[date, int]]:
    """Return the open interest at the closes in a request: of the last trade, which a session's last part may lack."""
    interest = closing_oi(candles, request.span, sessions)
    closes = {session.day: seconds_of(session.close) for session in sessions}
    found = {day for day, _ in interest}
    untold = [day for day, close in closes.items() if request.start < close <= request.end and day not in found]
    if not untold:
        return interest
    last = await store.last_interest(*request.target.key, interval, from_epoch(request.start))
    if last is None:
        return interest
    trading = [(seconds_of(session.open), seconds_of(session.close)) for session in sessions]
    between = clipped(trading, last.start + interval.seconds, request.start)
    # Without the minutes in between nobody knows that the contract did not trade in them.
    is_known = last.start >= min(start for start, _ in trading) and not subtract(between, last.covered)
    return [*((day, last.oi) for day in untold), *interest] if is_known else interest


def _doubtful(
    request: Request, candles: Candles, rejected: NDArray[np.int64], dense: Sequence[Span], interval: Interval
) -> list[Span]:
    """Return what an answer does not settle."""
    spans = [(start, start + interval.seconds) for start in rejected.tolist()]
    if request.target.is_index and interval is not Interval.DAY:
        spans += holes(candles.start, clipped(dense, *request.span), interval)
    return clipped(merged(spans), *request.span)


async def _store(
    store: HistoryStore, request: Request, interval: Interval, candles: Candles, proven: Sequence[Span]
) -> None:
    contract, rest = request.target.key, candles
    if not proven and len(candles):
        await store.add_candles(*contract, interval, candles, None)
    for start, end in proven:
        await store.add_candles(*contract, interval, rest, (from_epoch(start), from_epoch(end)))
        rest = Candles.empty()


def accepted(answer: Candles, span: Span) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return int64[n, 7] of an answer's sensible candles in a span, ascending and each once.

    The second array holds the starts of candles that make no sense and have no sensible twin. Of two candles with the
    same start the later one in the answer counts.
    """
    rows = answer.to_rows()
    inside = (rows[:, 0] >= span[0]) & (rows[:, 0] < span[1])
    rows = rows[inside]
    opens, highs, lows, closes = rows[:, 1], rows[:, 2], rows[:, 3], rows[:, 4]
    sensible = (
        (lows > 0)
        & (lows <= np.minimum(opens, closes))
        & (highs >= np.maximum(opens, closes))
        & (rows[:, 5] >= 0)
        & (rows[:, 6] >= -1)
    )
    nonsense = rows[~sensible, 0]
    rows = rows[sensible][::-1]
    _, last = np.unique(rows[:, 0], return_index=True)
    return rows[last], np.setdiff1d(nonsense, rows[:, 0])


def holes(starts: NDArray[np.int64], dense: Sequence[Span], interval: Interval) -> list[Span]:
    """Return the candles' spans within ``dense`` that have no candle."""
    missing: list[Span] = []
    for start, end in dense:
        expected = np.arange(start, end, interval.seconds, dtype=np.int64)
        absent = expected[~np.isin(expected, starts)]
        missing.extend((at, min(at + interval.seconds, end)) for at in absent.tolist())
    return merged(missing)


def closing_oi(candles: Candles, span: Span, sessions: Sequence[TradingSession]) -> list[tuple[date, int]]:
    """Return the open interest at the end of each day whose close lies in a span.

    It is that of the last candle up to the close, from an earlier day where the contract did not trade on that one:
    without a trade it does not change.
    """
    has_interest = candles.oi >= 0
    starts, values = candles.start[has_interest], candles.oi[has_interest]
    facts = []
    closes = {session.day: seconds_of(session.close) for session in sessions}
    for day, close in closes.items():
        place = int(np.searchsorted(starts, close))
        if span[0] < close <= span[1] and place:
            facts.append((day, int(values[place - 1])))
    return facts
