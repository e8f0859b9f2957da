"""`PreviousInterest`: open interest at the previous close, from the store onto the board.

The broker's ticks do not carry it; the backfill finds it in the last candle of the day before. What is stored is shown
with a plan, and what the backfill finds meanwhile is shown at once: on the first day the column fills leg by leg,
nearest the money first. The ticker loop owns one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time

import numpy as np

from tickertui.market.board import MarketBoard
from tickertui.market.clock import Clock
from tickertui.market.hours import CalendarError, MarketCalendar
from tickertui.market.instruments import Instrument
from tickertui.market.ticks import ABSENT
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.store.protocol import Store, StoreError


class PreviousInterest:
    """Keeps `MarketBoard.previous_oi` current for the live feed; a mock brings its own.

    Args:
        store: Where the facts of finished days are.
        board: Takes them.
        calendar: Says which day was the one before.
        clock: Says what today is.
        instrument: The day's contract of a token.
        is_live: Whether the board shows the market and no mock.
        events: Told when the store cannot be read.
    """

    def __init__(
        self,
        *,
        store: Store,
        board: MarketBoard,
        calendar: MarketCalendar,
        clock: Clock,
        instrument: Callable[[int], Instrument | None],
        is_live: Callable[[], bool],
        events: EventLog,
    ) -> None:
        self._store = store
        self._board = board
        self._calendar = calendar
        self._clock = clock
        self._instrument = instrument
        self._is_live = is_live
        self._events = events
        self._shown: tuple[date, int] | None = None

    async def show(self, added: Sequence[int], all_tokens: Callable[[], Sequence[int]]) -> None:
        """Show what is stored: of what is new, or of everything on a new day or feed.

        Args:
            added: Tokens that a plan brought.
            all_tokens: Tokens of the whole plan.
        """
        today, generation = self._clock.now().date(), self._board.generation
        tokens = added if self._shown == (today, generation) else all_tokens()
        if not tokens:
            return
        try:
            stored_interest = await self._store.previous_oi(today)
        except StoreError as error:
            self._events.add("store", f"yesterday's open interest is not shown: {error}", severity=Severity.WARNING)
            return
        rows = self._board.rows(tokens)
        interest = np.array([stored_interest.get(token, ABSENT) for token in tokens], dtype=np.int64)
        self._board.previous_oi[rows[rows > 0]] = interest[rows > 0]
        self._shown = (today, generation)

    def note(self, token: int, day: date, interest: int) -> None:
        """Show what the backfill has just found, if it is of the day before.

        Args:
            token: Which contract.
            day: A finished trading day.
            interest: Units at its close.
        """
        row, instrument = self._board.row(token), self._instrument(token)
        if row and instrument is not None and self._is_live() and day == self._day_before(instrument.exchange):
            self._board.previous_oi[row] = interest

    def _day_before(self, exchange: str) -> date | None:
        """The last trading day before today."""
        now = self._clock.now()
        try:
            return self._calendar.previous_session(exchange, datetime.combine(now.date(), time.min, now.tzinfo)).day
        except CalendarError:
            return None
