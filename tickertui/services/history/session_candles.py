"""`SessionCandles`: candles and open interest of the running session from its own ticks, from the first minute on.

A duty of the ticker loop: once a second it lets a `CandleBuilder` look at the board, and stores the minutes that are
over. They stand apart from the broker's, which take their place when the backfill has fetched them. Only what came
over an account's socket counts: a mock or a replay makes none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final, Protocol

import anyio
import anyio.lowlevel
import numpy as np
from numpy.typing import NDArray

from tickertui.market.board import MarketBoard
from tickertui.market.candle_builder import BuiltCandles, CandleBuilder
from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import Clock, from_epoch
from tickertui.market.hours import MarketCalendar, Phase
from tickertui.market.instruments import Instrument
from tickertui.market.universe import SEGMENT_CODES
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.store.protocol import ContractKey, StoreError

_LOOK_EVERY: Final = 1.0
_STORE_EVERY: Final = 5.0
"""Seconds: the rows of a minute are over within a few of each other and are written together."""
_MOST_KEPT: Final = 500_000
"""Candles that wait for a store that does not take them, 30 MB: an hour of 9,000 contracts."""
_AT_ONCE: Final = 300
"""Contracts looked up between two looks at the event loop: about 3 ms."""
_SILENT: Final = frozenset((Phase.PRE_OPEN, Phase.CAS))
"""Phases in which an index says nothing that the broker makes a candle of: indicated levels, a frozen one."""
_INDICES: Final = SEGMENT_CODES["INDICES"]


class SessionStore(Protocol):
    """What is asked of the store; any `tickertui.store.protocol.Store` will do."""

    async def add_session_candles(self, interval: Interval, contracts: Sequence[ContractKey], candles: Candles) -> None:
        """Store candles of the session's own ticks."""
        ...


class SessionCandles:
    """See the module.

    Args:
        board: Where the ticks are.
        store: Takes the candles.
        calendar: Says when an index indicates only, or stands still.
        clock: Now.
        rows: Board rows of the plan.
        instrument: The day's contract of a token.
        is_live: Whether the accounts' sockets are the feed.
        events: Told once when the store does not take them.
        stored: Called with how many candles have been stored and the end of the last minute, epoch seconds.
    """

    def __init__(
        self,
        *,
        board: MarketBoard,
        store: SessionStore,
        calendar: MarketCalendar,
        clock: Clock,
        rows: Callable[[], NDArray[np.intp]],
        instrument: Callable[[int], Instrument | None],
        is_live: Callable[[], bool],
        events: EventLog,
        stored: Callable[[int, int], None],
    ) -> None:
        self._builder = CandleBuilder(board)
        self._store = store
        self._calendar = calendar
        self._clock = clock
        self._rows = rows
        self._instrument = instrument
        self._is_live = is_live
        self._events = events
        self._stored = stored
        self._expiries: dict[int, date | None] = {}
        """Of the day's contracts; a token is used again after its contract has expired."""
        self._day = date.min
        self._waiting: list[BuiltCandles] = []
        self._is_failing = False

    async def run(self) -> None:
        """Look once a second for ever."""
        since_stored = 0.0
        while True:
            await anyio.sleep(_LOOK_EVERY)
            self.look()
            since_stored += _LOOK_EVERY
            if since_stored >= _STORE_EVERY:
                since_stored = 0.0
                await self.store()

    def look(self) -> None:
        """Take in what has come since the last look."""
        if not self._is_live():
            self._builder.forget()
            return
        self._builder.look(self._rows(), self._clock.time_ns() // 1_000_000_000)
        finished = self._builder.take_finished()
        if len(finished) and len(finished := self._sounding(finished)):
            self._waiting.append(finished)

    def _sounding(self, built: BuiltCandles) -> BuiltCandles:
        """Leave out the minutes in which an index indicated its opening or stood still."""
        is_index = (built.tokens & 0xFF) == _INDICES
        silent = [
            start
            for start in set(built.candles.start[is_index].tolist())
            if self._calendar.phase("INDICES", from_epoch(start)) in _SILENT
        ]
        keep = ~(is_index & np.isin(built.candles.start, silent))
        return BuiltCandles(built.tokens[keep], Candles.from_rows(built.candles.to_rows()[keep]))

    async def store(self) -> None:
        """Store what is over; what the store does not take waits for the next time."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        rows = np.concatenate([built.candles.to_rows() for built in waiting])[-_MOST_KEPT:]
        tokens = np.concatenate([built.tokens for built in waiting])[-_MOST_KEPT:]
        candles = Candles.from_rows(rows)
        try:
            await self._store.add_session_candles(Interval.MINUTE, await self._contracts(tokens.tolist()), candles)
        except StoreError as error:
            self._waiting.insert(0, BuiltCandles(tokens, candles))
            if not self._is_failing:
                text = f"candles of the running session wait for the store: {error}"
                self._events.add("store", text, severity=Severity.WARNING)
            self._is_failing = True
            return
        self._is_failing = False
        self._stored(len(tokens), int(rows[:, 0].max()) + Interval.MINUTE.seconds)

    async def _contracts(self, tokens: Sequence[int]) -> list[ContractKey]:
        today = self._clock.now().date()
        if today != self._day:
            self._day, self._expiries = today, {}
        unknown = [token for token in set(tokens) if token not in self._expiries]
        for start in range(0, len(unknown), _AT_ONCE):
            for token in unknown[start : start + _AT_ONCE]:
                instrument = self._instrument(token)
                self._expiries[token] = None if instrument is None else instrument.expiry
            await anyio.lowlevel.checkpoint()
        return [(token, self._expiries[token]) for token in tokens]
