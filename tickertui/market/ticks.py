"""`TickBatch`: what every feed produces and the board takes in.

A Kite packet is a row of 32-bit words: 46 of them in full mode, of which the first 11 are quote mode and the
first 2 are ltp mode. A batch holds rows of such words, grouped by length, and never one object per tick. Index
packets have another order on the wire; the decoder brings them into this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tickertui.market.instruments import INDEX_SEGMENT_CODE, PRICE_DIVISORS
from tickertui.market.wire_prices import signed_words

WORDS: Final = 46
"""32-bit words of a row: a full packet of 184 bytes."""

NO_FIGURE: Final = 0x8000_0000
"""What a feed sends for a figure that it does not have: the least number of 32 bits with a sign."""

ABSENT: Final = -1
"""Value of an integer column where the packet does not carry the field (a price is NaN there)."""


class Source(IntEnum):
    """Where a row's values come from; set once at the origin and kept for life."""

    NONE = 0
    LIVE = 1
    SNAPSHOT = 2
    MOCK = 3
    REPLAY = 4
    STORED = 5
    """Closing values of the last session, from the store: only while the market is shut."""


class Mode(IntEnum):
    """How much a packet carries; the value is its number of words in the board's layout."""

    NONE = 0
    LTP = 2
    QUOTE = 11
    FULL = 46

    @property
    def label(self) -> str:
        """The broker's word: ltp, quote or full."""
        return self.name.lower()


class Word(IntEnum):
    """Column of each field in a row of words (Kite Connect v3, packet structure)."""

    TOKEN = 0
    LAST_PRICE = 1
    LAST_QUANTITY = 2
    AVERAGE_PRICE = 3
    VOLUME = 4
    BUY_QUANTITY = 5
    SELL_QUANTITY = 6
    OPEN = 7
    HIGH = 8
    LOW = 9
    CLOSE = 10
    LAST_TRADE_TIME = 11
    OPEN_INTEREST = 12
    OI_DAY_HIGH = 13
    OI_DAY_LOW = 14
    EXCHANGE_TIMESTAMP = 15
    DEPTH = 16
    """First of ten levels of three words: quantity, price, and orders in the upper half of the third."""


_FIGURES: Final = frozenset(range(Word.LAST_PRICE, Word.EXCHANGE_TIMESTAMP)) - {Word.LAST_TRADE_TIME}
"""Prices and quantities: a token or a time of `NO_FIGURE` is one."""

DEPTH_QUANTITY: Final = slice(16, 46, 3)
DEPTH_PRICE: Final = slice(17, 46, 3)
DEPTH_ORDERS: Final = slice(18, 46, 3)
BID_PRICE: Final = 17
BID_QUANTITY: Final = 16
ASK_PRICE: Final = 32
ASK_QUANTITY: Final = 31

INDEX_WIDTHS: Final = {Mode.LTP: 2, Mode.QUOTE: 11, Mode.FULL: 16}
"""Words of an index row in the board's order, by mode: an index has no volume, open interest or depth."""


class BatchPart(NamedTuple):
    """A run of rows of one packet length in `TickBatch.words`.

    A named tuple, because it is made for each frame: 0.4 µs, a frozen dataclass takes four times as long.

    Attributes:
        start: First row.
        stop: Row behind the last.
        width: Words of each row that mean something; what lies beyond is undefined.
        mode: What the packets carry.
        is_index: Whether these are index packets (28 or 32 bytes on the wire).
    """

    start: int
    stop: int
    width: int
    mode: Mode
    is_index: bool = False


class TickBatch:
    """Ticks of one frame (or one step of a mock, a replay, a snapshot), in arrays.

    Rows of equal packet length stand together, so that a frame of mixed lengths is still one matrix. The named
    columns (`last_price`, `oi`, ...) carry the broker's own field names, in the order of the frame; they are
    computed when asked for. The board does not use them.

    Attributes:
        words: uint32[n, width of the widest part], native byte order; column 0 is the token.
        parts: Runs of rows of one packet length, without gaps.
        positions: intp[n], the place in the frame of each row; None when the rows are in frame order.
        source: Where they come from.
        received_ns: Monotonic nanoseconds of receipt, for ages.
        received_wall_ns: Epoch nanoseconds of receipt, for display.
        generation: Number of the subscription plan the feed was running.
        connection: Number of the connection they came through, -1 for none.
        skipped: Packets of unknown length in the frame that were passed over.
    """

    def __init__(
        self,
        words: NDArray[np.uint32],
        parts: tuple[BatchPart, ...],
        positions: NDArray[np.intp] | None = None,
        *,
        source: Source = Source.LIVE,
        received_ns: int = 0,
        received_wall_ns: int = 0,
        generation: int = 0,
        connection: int = -1,
        skipped: int = 0,
    ) -> None:
        self.words = words
        self.parts = parts
        self.positions = positions
        self.source = source
        self.received_ns = received_ns
        self.received_wall_ns = received_wall_ns
        self.generation = generation
        self.connection = connection
        self.skipped = skipped

    @classmethod
    def from_rows(
        cls,
        words: NDArray[np.uint32],
        source: Source,
        *,
        mode: Mode = Mode.FULL,
        received_ns: int = 0,
        received_wall_ns: int = 0,
        generation: int = 0,
        connection: int = -1,
    ) -> TickBatch:
        """Wrap rows that are already in the board's order, index rows among them or not.

        Args:
            words: uint32[n, >= mode] in native byte order; column 0 is the token.
            source: Where they come from.
            mode: How much of each row is meant.
            received_ns: Monotonic time of receipt.
            received_wall_ns: Epoch time of receipt.
            generation: Subscription plan of the feed.
            connection: Number of the connection.
        """
        index = (words[:, Word.TOKEN] & 0xFF) == INDEX_SEGMENT_CODE
        plain_count = len(words) - int(np.count_nonzero(index))
        positions = None
        if 0 < plain_count < len(words):
            positions = np.argsort(index, kind="stable")
            words = words[positions]
        parts = []
        if plain_count:
            parts.append(BatchPart(0, plain_count, mode, mode))
        if plain_count < len(words):
            parts.append(BatchPart(plain_count, len(words), INDEX_WIDTHS[mode], mode, True))
        return cls(
            words,
            tuple(parts),
            positions,
            source=source,
            received_ns=received_ns,
            received_wall_ns=received_wall_ns,
            generation=generation,
            connection=connection,
        )

    def __len__(self) -> int:
        return len(self.words)

    def __repr__(self) -> str:
        return f"TickBatch({len(self)} ticks, {self.source.name}, generation {self.generation})"

    def _where(self, part: BatchPart) -> NDArray[np.intp] | slice:
        """Places in the frame of a part's rows."""
        rows = slice(part.start, part.stop)
        return rows if self.positions is None else self.positions[rows]

    def _column(self, word: int, *, in_index: bool = True) -> NDArray[np.int64]:
        """One word of every packet in frame order, `ABSENT` where the packet does not carry it."""
        column = np.full(len(self), ABSENT, dtype=np.int64)
        for part in self.parts:
            if part.width > word and (in_index or not part.is_index):
                column[self._where(part)] = self.words[part.start : part.stop, word]
        if word in _FIGURES:
            column[column == NO_FIGURE] = ABSENT
        return column

    def _price(self, word: int, *, in_index: bool = True) -> NDArray[np.float64]:
        raw = self._column(word, in_index=in_index)
        return np.where(raw == ABSENT, np.nan, signed_words(raw, self.instrument_token) / self.divisor)

    @cached_property
    def instrument_token(self) -> NDArray[np.uint32]:
        """uint32[n]."""
        return self._column(Word.TOKEN).astype(np.uint32)

    @cached_property
    def divisor(self) -> NDArray[np.float64]:
        """float64[n]: what the segment's wire prices are divided by."""
        divisors: NDArray[np.float64] = PRICE_DIVISORS[self.instrument_token & 0xFF]
        return divisors

    @cached_property
    def mode(self) -> NDArray[np.str_]:
        """str[n]: "ltp", "quote" or "full"."""
        modes = np.empty(len(self), dtype="<U5")
        for part in self.parts:
            modes[self._where(part)] = part.mode.label
        return modes

    @cached_property
    def tradable(self) -> NDArray[np.bool_]:
        """bool[n]: False for an index."""
        return np.asarray((self.instrument_token & 0xFF) != INDEX_SEGMENT_CODE)

    @property
    def last_price(self) -> NDArray[np.float64]:
        """float64[n], rupees."""
        return self._price(Word.LAST_PRICE)

    @property
    def last_traded_quantity(self) -> NDArray[np.int64]:
        """int64[n], units."""
        return self._column(Word.LAST_QUANTITY, in_index=False)

    @property
    def average_traded_price(self) -> NDArray[np.float64]:
        """float64[n], rupees."""
        return self._price(Word.AVERAGE_PRICE, in_index=False)

    @property
    def volume_traded(self) -> NDArray[np.int64]:
        """int64[n], units since the open."""
        return self._column(Word.VOLUME, in_index=False)

    @property
    def total_buy_quantity(self) -> NDArray[np.int64]:
        """int64[n], units bid for in the whole book."""
        return self._column(Word.BUY_QUANTITY, in_index=False)

    @property
    def total_sell_quantity(self) -> NDArray[np.int64]:
        """int64[n], units offered in the whole book."""
        return self._column(Word.SELL_QUANTITY, in_index=False)

    @property
    def open(self) -> NDArray[np.float64]:
        """float64[n], rupees."""
        return self._price(Word.OPEN)

    @property
    def high(self) -> NDArray[np.float64]:
        """float64[n], rupees."""
        return self._price(Word.HIGH)

    @property
    def low(self) -> NDArray[np.float64]:
        """float64[n], rupees."""
        return self._price(Word.LOW)

    @property
    def close(self) -> NDArray[np.float64]:
        """float64[n], rupees: the close of the previous session."""
        return self._price(Word.CLOSE)

    @property
    def last_trade_time(self) -> NDArray[np.int64]:
        """int64[n], epoch seconds; 0 = never traded."""
        return self._column(Word.LAST_TRADE_TIME, in_index=False)

    @property
    def oi(self) -> NDArray[np.int64]:
        """int64[n], open interest in units."""
        return self._column(Word.OPEN_INTEREST, in_index=False)

    @property
    def oi_day_high(self) -> NDArray[np.int64]:
        """int64[n], units."""
        return self._column(Word.OI_DAY_HIGH, in_index=False)

    @property
    def oi_day_low(self) -> NDArray[np.int64]:
        """int64[n], units."""
        return self._column(Word.OI_DAY_LOW, in_index=False)

    @property
    def exchange_timestamp(self) -> NDArray[np.int64]:
        """int64[n], epoch seconds."""
        return self._column(Word.EXCHANGE_TIMESTAMP)

    def _depth(self, words: slice) -> NDArray[np.int64]:
        depth = np.full((len(self), 10), ABSENT, dtype=np.int64)
        for part in self.parts:
            if part.width == WORDS:
                depth[self._where(part)] = self.words[part.start : part.stop, words]
        return depth

    @property
    def depth_price(self) -> NDArray[np.float64]:
        """float64[n, 10], rupees: five bids best first, then five offers best first."""
        raw = self._depth(DEPTH_PRICE)
        prices = signed_words(raw, self.instrument_token[:, None]) / self.divisor[:, None]
        return np.where(raw == ABSENT, np.nan, prices)

    @property
    def depth_quantity(self) -> NDArray[np.int64]:
        """int64[n, 10], units."""
        return self._depth(DEPTH_QUANTITY)

    @property
    def depth_orders(self) -> NDArray[np.int64]:
        """int64[n, 10], number of orders."""
        raw = self._depth(DEPTH_ORDERS)
        return np.where(raw == ABSENT, ABSENT, raw >> 16)


def in_frame_order(batch: TickBatch) -> Iterator[tuple[BatchPart, Iterable[int]]]:
    """Yield the rows of a batch with their parts, in the order of the frame."""
    if batch.positions is None:
        for part in batch.parts:
            yield part, range(part.start, part.stop)
        return
    part_of = [part for part in batch.parts for _ in range(part.start, part.stop)]
    for index in np.argsort(batch.positions).tolist():
        yield part_of[index], (index,)


def kept_parts(parts: Sequence[BatchPart], kept: NDArray[np.intp]) -> tuple[BatchPart, ...]:
    """Return the parts of what is left of a batch; ``kept`` ascends."""
    result, start = [], 0
    for part in parts:
        stop = int(np.searchsorted(kept, part.stop))
        if stop > start:
            result.append(part._replace(start=start, stop=stop))
        start = stop
    return tuple(result)
