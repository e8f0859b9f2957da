"""`StoredClose`: the last session's closing values from the store, for what has no value while the market is shut.

A start in the evening, on a weekend or before the open may have no session with the broker (its tokens are flushed each
morning): what the broker cannot be asked for stands in the store, as far as the whole session was fetched. It is shown
as `Source.STORED`; whatever comes from the broker takes its place, and at the open it goes: it says nothing of a
session that runs. A duty of the ticker loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, time
from typing import Final

import anyio
import numpy as np
from numpy.typing import NDArray

from tickertui.market.board import MarketBoard
from tickertui.market.candles import Interval
from tickertui.market.clock import Clock
from tickertui.market.hours import CalendarError, MarketCalendar, Session
from tickertui.market.instruments import Instrument
from tickertui.market.ticks import WORDS, Mode, Source, TickBatch, Word
from tickertui.market.universe import SEGMENT_CODES
from tickertui.services.history.gaps import seconds_of
from tickertui.services.history.shown_session import shown_session
from tickertui.store.protocol import ContractKey, SessionValues, Span, Store, StoreError

_LOOK_EVERY: Final = 1.0
_AT_ONCE: Final = 200
"""Contracts of one question to the store: some 30 ms of its thread."""
_AGAIN_AFTER: Final = 120.0
"""Seconds after which a contract that was not whole is looked at again: the backfill may have come by."""
_INDICES: Final = SEGMENT_CODES["INDICES"]
_MOST_UNITS: Final = 0xFFFF_FFFF
"""What a word of a packet holds."""


class StoredClose:
    """See the module.

    Args:
        store: Where the candles are.
        board: Takes the values.
        calendar: Sessions.
        clock: Now.
        tokens: Of the plan, nearest the money first or in any order.
        instrument: The day's contract of a token.
        is_live: Whether the accounts are the feed, the market open or not.
        interval: Length of the stored candles.
    """

    def __init__(
        self,
        *,
        store: Store,
        board: MarketBoard,
        calendar: MarketCalendar,
        clock: Clock,
        tokens: Callable[[], NDArray[np.int64]],
        instrument: Callable[[int], Instrument | None],
        is_live: Callable[[], bool],
        interval: Interval = Interval.MINUTE,
    ) -> None:
        self._store = store
        self._board = board
        self._calendar = calendar
        self._clock = clock
        self._tokens = tokens
        self._instrument = instrument
        self._is_live = is_live
        self._interval = interval
        self._asked: dict[int, float] = {}

    async def run(self) -> None:
        """Look once a second for ever."""
        while True:
            await anyio.sleep(_LOOK_EVERY)
            if self._is_live():
                await self.look()

    async def look(self) -> None:
        """Show what is stored of what has no value, of the exchanges that are shut; take it away from the others."""
        tokens, now = self._tokens(), self._clock.now()
        sources = self._board.sources[self._board.rows(tokens)]
        for exchange, code in SEGMENT_CODES.items():
            of_exchange = (tokens & 0xFF) == code
            if not of_exchange.any():
                continue
            session = shown_session(self._calendar, exchange, now)
            if session is None or session.close > now:
                self._take_away(tokens[of_exchange & (sources == Source.STORED)])
            else:
                empty = tokens[of_exchange & (sources == Source.NONE)].tolist()
                while due := self._due(empty):
                    await self._show(exchange, session, due)

    def _take_away(self, tokens: NDArray[np.int64]) -> None:
        """Empty rows of their values; what is known of their subscription, and of the day before, stays."""
        if not len(tokens):
            return
        board = self._board
        rows = board.rows(tokens)
        kept = [board.packets, board.connections, board.subscribed_ns, board.previous_oi]
        values = [column[rows].copy() for column in kept]
        board.clear(tokens.tolist())
        for column, known in zip(kept, values, strict=True):
            column[rows] = known

    def _due(self, tokens: Sequence[int]) -> list[int]:
        """The next contracts to ask for, each at most every two minutes."""
        seconds = self._clock.monotonic_ns() / 1e9
        due = [token for token in tokens if seconds - self._asked.get(token, -np.inf) >= _AGAIN_AFTER][:_AT_ONCE]
        self._asked.update(dict.fromkeys(due, seconds))
        return due

    async def _show(self, exchange: str, session: Session, tokens: Sequence[int]) -> None:
        contracts: list[ContractKey] = [
            (token, instrument.expiry) for token in tokens if (instrument := self._instrument(token)) is not None
        ]
        if not contracts:
            return
        generation = self._board.generation
        try:
            values = await self._store.session_values(
                self._interval, contracts, _span(session), self._before(exchange, session)
            )
        except StoreError:
            return  # the store's watch says so; it is asked again
        if self._is_live() and self._board.generation == generation:
            self._write({token: found for (token, _), found in values.items()}, seconds_of(session.close) - 1)

    def _before(self, exchange: str, session: Session) -> Span | None:
        midnight = datetime.combine(session.day, time.min, session.open.tzinfo)
        try:
            return _span(self._calendar.previous_session(exchange, midnight))
        except CalendarError:
            return None

    def _write(self, values: dict[int, SessionValues], last_second: int) -> None:
        """Put values on the board where nothing has come meanwhile; they are no packets of a subscription."""
        board = self._board
        values = {token: one for token, one in values.items() if board.source_of(board.row(token)) is Source.NONE}
        values = {token: one for token, one in values.items() if token in board}
        if not values:
            return
        rows = board.rows(values)
        packets, connections = board.packets[rows].copy(), board.connections[rows].copy()
        now_ns, wall_ns = self._clock.monotonic_ns(), self._clock.time_ns()
        for mode in (Mode.FULL, Mode.QUOTE):
            some = {token: one for token, one in values.items() if mode_of(token, one) is mode}
            if some:
                board.apply(
                    TickBatch.from_rows(
                        words_of(some, last_second, self._interval),
                        Source.STORED,
                        mode=mode,
                        received_ns=now_ns,
                        received_wall_ns=wall_ns,
                        generation=board.generation,
                    )
                )
        board.packets[rows], board.connections[rows] = packets, connections


def mode_of(token: int, values: SessionValues) -> Mode:
    """Return how much is known of a contract: without an open interest no more than a quote has."""
    return Mode.FULL if values.oi >= 0 or token & 0xFF == _INDICES else Mode.QUOTE


def words_of(values: dict[int, SessionValues], last_second: int, interval: Interval) -> NDArray[np.uint32]:
    """Return uint32[n, 46], closing values as the broker's packets would have them; 0 for what is not known.

    Args:
        values: By token.
        last_second: Of the session, epoch seconds: what a contract's closing values are of.
        interval: Length of the candles that they come from.
    """
    words = np.zeros((len(values), WORDS), dtype=np.uint32)
    for row, (token, one) in enumerate(values.items()):
        traded = min(one.last_start + interval.seconds - 1, last_second)
        words[row, [Word.TOKEN, Word.LAST_PRICE, Word.OPEN, Word.HIGH, Word.LOW, Word.CLOSE]] = (
            token, one.close, one.open, one.high, one.low, one.previous_close,
        )  # fmt: skip
        if token & 0xFF == _INDICES:
            words[row, Word.EXCHANGE_TIMESTAMP] = traded
            continue
        words[row, [Word.VOLUME, Word.LAST_TRADE_TIME, Word.EXCHANGE_TIMESTAMP]] = (
            min(one.volume, _MOST_UNITS), traded, last_second,
        )  # fmt: skip
        words[row, Word.OPEN_INTEREST] = min(max(one.oi, 0), _MOST_UNITS)
    return words


def _span(session: Session) -> Span:
    return seconds_of(session.open), seconds_of(session.close)
