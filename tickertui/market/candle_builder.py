"""`CandleBuilder`: one-minute candles from what stands on the board, looked at about once a second.

`tickertui.services.history.session_candles.SessionCandles` calls it with the rows of the plan. It costs a few array
operations a look, whatever the number of ticks was. What it cannot see it does not invent: a minute of which it did not
see the beginning, and one in which a row's socket was away, gives no candle; the broker's come later.

What is between two looks is seen through the packet's own day high and low (a new extreme belongs to this minute) and
through the day's volume; the first price of a minute is that of the first look that finds a trade in it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.board import MarketBoard
from tickertui.market.candles import Candles
from tickertui.market.instruments import INDEX_SEGMENT_CODE
from tickertui.market.ticks import ABSENT, Mode, Source, Word
from tickertui.market.wire_prices import known_prices, signed_words

MINUTE: Final = 60
LATE: Final = 3
"""Seconds after its end for which packets of a minute are waited for."""
_OLD: Final = 120
"""A packet whose exchange time is this far behind is a cached one: what stood in it, not what happened now."""
_LONGEST_GAP: Final = 20
"""Seconds between two looks after which nothing is known of the minute that runs (the program or machine stood)."""
_MARKET_OFFSET: Final = 19_800
_DAY: Final = 86_400

Ints = NDArray[np.int64]


@frozen(eq=False)
class BuiltCandles:
    """Finished minutes, one row each, of any contracts.

    Attributes:
        tokens: int64[n].
        candles: In the order of ``tokens``; its ``oi`` is -1 where the packets did not carry it.
    """

    tokens: Ints
    candles: Candles

    def __len__(self) -> int:
        return len(self.tokens)


class CandleBuilder:
    """See the module.

    Args:
        board: Looked at.
    """

    _COLUMNS: Final[dict[str, int]] = {
        # name: value of a row that nothing is known of
        "token": 0,
        "received": 0,
        "subscribed": -1,
        "last": 0,  # newest exchange time, epoch seconds
        "minute": 0,
        "is_whole": 0,
        "is_traded": 0,
        "is_told": 0,  # whether its packets carry the volume, or it has none
        "open": 0,
        "high": 0,
        "low": 0,
        "close": 0,
        "price": 0,  # the last one seen
        "before": 0,  # the day's volume before this minute
        "volume": 0,
        "day_high": 0,
        "day_low": 0,
        "oi": ABSENT,
    }

    def __init__(self, board: MarketBoard) -> None:
        self._board = board
        self._state: dict[str, Ints] = {name: np.zeros(0, dtype=np.int64) for name in self._COLUMNS}
        self._looked_at = 0
        self._finished: list[Ints] = []
        self._rows: NDArray[np.intp] = np.zeros(0, dtype=np.intp)

    def forget(self) -> None:
        """Forget what has been seen: another feed takes over."""
        self._state = {name: np.zeros(0, dtype=np.int64) for name in self._COLUMNS}
        self._finished.clear()
        self._rows = np.zeros(0, dtype=np.intp)

    # ------------------------------------------------------------------ one look

    def look(self, rows: NDArray[np.intp], now: int) -> None:
        """Take in what has come since the last look; only live packets count.

        Args:
            rows: intp[n], rows of the board, each once.
            now: Epoch seconds.
        """
        rows = rows[rows > 0]
        self._make_room()
        self._finish_gone(rows, now)
        self._begin_anew(rows, stood_still=not 0 <= now - self._looked_at <= _LONGEST_GAP)
        self._looked_at = now
        state, board = self._state, self._board
        fresh = rows[(board.received_ns[rows] != state["received"][rows]) & (board.sources[rows] == Source.LIVE)]
        fresh = fresh[~board.doubtful[fresh]]
        if len(fresh):
            self._take_in(fresh, now)
        over = rows[(state["minute"][rows] > 0) & (state["minute"][rows] + MINUTE + LATE <= now)]
        self._finish(over)
        self._state["minute"][over] = (now - LATE) // MINUTE * MINUTE

    def _make_room(self) -> None:
        capacity = self._board.capacity
        for name, empty in self._COLUMNS.items():
            column = self._state[name]
            if len(column) < capacity:
                self._state[name] = np.concatenate((column, np.full(capacity - len(column), empty, dtype=np.int64)))

    def _finish_gone(self, rows: NDArray[np.intp], now: int) -> None:
        """Close the last minute of what has left the plan just after its end, as what expires does at the close."""
        before, self._rows = self._rows, rows
        if before is rows or np.array_equal(before, rows):
            changed = before[self._board.tokens[before] != self._state["token"][before]]
        else:
            stay = np.isin(before, rows) & (self._board.tokens[before] == self._state["token"][before])
            changed = before[~stay]
        self._finish(changed[self._state["minute"][changed] + MINUTE <= now])
        self._state["token"][changed] = 0

    def _begin_anew(self, rows: NDArray[np.intp], *, stood_still: bool) -> None:
        """Forget rows that are another contract's now, or whose socket has subscribed them again."""
        state, board = self._state, self._board
        tokens, subscribed = board.tokens[rows].astype(np.int64), board.subscribed_ns[rows]
        anew = rows[(tokens != state["token"][rows]) | (subscribed != state["subscribed"][rows]) | stood_still]
        for name, empty in self._COLUMNS.items():
            state[name][anew] = empty
        state["token"][rows], state["subscribed"][rows] = tokens, subscribed
        # What stood there before the subscription tells nothing of what came until it.
        stale = anew[board.received_ns[anew] <= board.subscribed_ns[anew]]
        state["received"][stale] = board.received_ns[stale]

    def _take_in(self, rows: NDArray[np.intp], now: int) -> None:
        """Take in rows with a new packet."""
        state, board = self._state, self._board
        stamps, price = self._times(rows, now), self._prices(rows, Word.LAST_PRICE)
        volume, oi = board.field(rows, Word.VOLUME), board.field(rows, Word.OPEN_INTEREST)
        high, low = self._prices(rows, Word.HIGH), self._prices(rows, Word.LOW)
        is_index = (board.tokens[rows] & 0xFF) == INDEX_SEGMENT_CODE
        minute = stamps // MINUTE * MINUTE
        is_known = state["last"][rows] > 0
        new_day = is_known & ((stamps + _MARKET_OFFSET) // _DAY > (state["last"][rows] + _MARKET_OFFSET) // _DAY)
        for name in ("volume", "before", "day_high", "day_low"):
            state[name][rows[new_day]] = 0
        is_new = is_known & (minute > state["minute"][rows])
        self._finish(rows[is_new])
        begun = rows[is_new]
        # The last look at the row was before this minute began, and nothing has come between.
        state["is_whole"][begun] = 1
        state["before"][begun] = state["volume"][begun]
        state["minute"][rows[is_new | ~is_known]] = minute[is_new | ~is_known]

        moved = (volume > state["volume"][rows]) | (price != state["price"][rows])
        traded = is_known & (price != 0) & (is_index | moved) & (now - stamps < _OLD)
        highest, lowest = price.copy(), price.copy()
        reached = (high > state["day_high"][rows]) & (state["day_high"][rows] > 0)
        np.copyto(highest, np.maximum(high, price), where=reached | new_day)
        sunk = (low > 0) & (low < state["day_low"][rows])
        np.copyto(lowest, np.minimum(low, price), where=sunk | (new_day & (low > 0)))
        self._add_trades(rows[traded], price[traded], highest[traded], lowest[traded])

        state["volume"][rows], state["price"][rows] = np.maximum(volume, 0), price
        state["day_high"][rows], state["day_low"][rows] = high, low
        state["oi"][rows], state["last"][rows] = oi, stamps
        state["received"][rows] = board.received_ns[rows]
        state["is_told"][rows] = is_index | (board.modes[rows] >= Mode.QUOTE)

    def _prices(self, rows: NDArray[np.intp], word: Word) -> Ints:
        """A price field as the wire's integer, of a commodity with its sign; 0 where there is none."""
        raw, tokens = self._board.field(rows, word), self._board.tokens[rows]
        prices: Ints = np.where(known_prices(raw, tokens), signed_words(raw, tokens), 0)
        return prices

    def _times(self, rows: NDArray[np.intp], now: int) -> Ints:
        """When packets are of: the exchange's time where it is carried, never later than now."""
        stamps = self._board.field(rows, Word.EXCHANGE_TIMESTAMP)
        received = self._board.received_wall_ns[rows] // 1_000_000_000
        return np.minimum(np.where(stamps > 0, stamps, received), now)

    def _add_trades(self, rows: NDArray[np.intp], price: Ints, highest: Ints, lowest: Ints) -> None:
        state = self._state
        first = state["is_traded"][rows] == 0
        opening = rows[first]
        for name in ("open", "close"):
            state[name][opening] = price[first]
        state["high"][opening], state["low"][opening] = highest[first], lowest[first]
        state["high"][rows] = np.maximum(state["high"][rows], highest)
        state["low"][rows] = np.minimum(state["low"][rows], lowest)
        state["close"][rows] = price
        state["is_traded"][rows] = 1

    def _finish(self, rows: NDArray[np.intp]) -> None:
        """Close the minutes of rows; those that were seen whole and in which something was traded are kept."""
        state = self._state
        kept = rows[(state["is_whole"][rows] > 0) & (state["is_traded"][rows] > 0) & (state["is_told"][rows] > 0)]
        if len(kept):
            names = ("token", "minute", "open", "high", "low", "close")
            columns = [state[name][kept] for name in names]
            columns += [np.maximum(state["volume"][kept] - state["before"][kept], 0), state["oi"][kept]]
            self._finished.append(np.column_stack(columns))
        state["before"][rows] = state["volume"][rows]
        state["is_traded"][rows] = 0
        # Without a packet the next minute begins by itself: what is traded in it is seen from its beginning.
        state["minute"][rows] += MINUTE
        state["is_whole"][rows] = state["last"][rows] > 0

    # ------------------------------------------------------------------ what came of it

    def take_finished(self) -> BuiltCandles:
        """Return the minutes that are over since the last call."""
        rows = np.concatenate(self._finished) if self._finished else np.zeros((0, 8), dtype=np.int64)
        self._finished.clear()
        return BuiltCandles(rows[:, 0], Candles.from_rows(rows[:, 1:]))
