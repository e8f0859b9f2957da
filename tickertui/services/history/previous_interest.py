"""`PreviousInterest`: open interest at the previous close, from the store onto the board.

The broker's ticks do not carry it; the backfill finds it in the last candle of the day before. What is stored is shown
with a plan, and what the backfill finds meanwhile is shown at once: on the first day the column fills leg by leg,
nearest the money first. Which day is meant, each contract's own exchange says: the one before the session whose values
are shown (`shown_session`). What is stored of any other day is not compared with. The ticker loop owns one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

import anyio
import numpy as np
from numpy.typing import NDArray

from tickertui.market.board import MarketBoard
from tickertui.market.clock import Clock
from tickertui.market.hours import MarketCalendar
from tickertui.market.instruments import Instrument
from tickertui.market.ticks import ABSENT
from tickertui.market.universe import SEGMENT_CODES
from tickertui.services.history.shown_session import ShownDays, shown_days
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.store.protocol import Store, StoreError

_LOOK_EVERY: Final = 2.0
"""Seconds between two looks at whether a session has begun."""
_UNKNOWN: Final = ShownDays(None, None)


class PreviousInterest:
    """Keeps `MarketBoard.previous_oi` current for the live feed; a mock brings its own.

    Args:
        store: Where the facts of finished days are.
        board: Takes them.
        calendar: Says which session is shown, and which day was the one before.
        clock: Now.
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
        self._shown: tuple[dict[str, ShownDays], int] | None = None
        self._is_failing = False

    async def run(self, all_tokens: Callable[[], Sequence[int]]) -> None:
        """Follow the sessions for ever: when one begins, the close before it is another.

        Args:
            all_tokens: Tokens of the plan in force.
        """
        while True:
            await anyio.sleep(_LOOK_EVERY)
            if self._is_live():
                await self.show((), all_tokens)

    async def show(self, added: Sequence[int], all_tokens: Callable[[], Sequence[int]]) -> None:
        """Show what is stored: of what is new, or of everything on a new day or feed.

        Args:
            added: Tokens that a plan brought.
            all_tokens: Tokens of the whole plan.
        """
        shown = self._days(), self._board.generation
        tokens = added if self._shown == shown else all_tokens()
        if not tokens:
            return
        try:
            interest = await self._stored(np.array(tokens, dtype=np.int64), shown[0])
        except StoreError as error:
            if not self._is_failing:
                text = f"yesterday's open interest is not shown: {error}"
                self._events.add("store", text, severity=Severity.WARNING)
            self._is_failing = True
            return
        self._is_failing = False
        rows = self._board.rows(tokens)
        self._board.previous_oi[rows[rows > 0]] = interest[rows > 0]
        self._shown = shown

    async def _stored(self, tokens: NDArray[np.int64], days: dict[str, ShownDays]) -> NDArray[np.int64]:
        """Return int64[n], what is stored of each contract's own day before, `ABSENT` where that is nothing."""
        interest = np.full(len(tokens), ABSENT, dtype=np.int64)
        for exchange, (shown, before) in days.items():
            mine = np.flatnonzero((tokens & 0xFF) == SEGMENT_CODES[exchange])
            if not len(mine) or shown is None or before is None:
                continue
            facts = await self._store.open_interest_on(before)
            # A contract that had expired by the shown session is another one, which its token was used for before.
            alive = {token: oi for (token, expiry), oi in facts.items() if expiry is None or expiry >= shown}
            interest[mine] = [alive.get(token, ABSENT) for token in tokens[mine].tolist()]
        return interest

    def note(self, token: int, day: date, interest: int) -> None:
        """Show what the backfill has just found, if it is of the day before.

        Args:
            token: Which contract.
            day: A finished trading day.
            interest: Units at its close.
        """
        row, instrument = self._board.row(token), self._instrument(token)
        if row and instrument is not None and self._is_live():
            days = shown_days(self._calendar, instrument.exchange, self._clock.now())
            if day == days.before:
                self._board.previous_oi[row] = interest

    def _days(self) -> dict[str, ShownDays]:
        now = self._clock.now()
        found = {exchange: shown_days(self._calendar, exchange, now) for exchange in SEGMENT_CODES}
        return {exchange: days for exchange, days in found.items() if days != _UNKNOWN}
