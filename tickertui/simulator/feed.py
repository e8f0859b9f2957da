"""The market as the streams need it: the last row of every instrument, ready for the wire.

One `Feed` serves all sockets. A step of the market is encoded once, whatever the number of sockets; a socket's frame
is then three gathers of finished packets (full, quote, ltp), one copy of at most 186 bytes for each tick.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tickertui.kite.packets import encode
from tickertui.market.instruments import INDEX_SEGMENT_CODE, InstrumentTable
from tickertui.market.ticks import INDEX_WIDTHS, WORDS, Mode, Source, TickBatch, Word
from tickertui.simulator.market import SimulatedMarket

LEVEL: Final = {Mode.LTP: 1, Mode.QUOTE: 2, Mode.FULL: 3}
"""How much a mode shows."""
MODES: Final = (Mode.LTP, Mode.QUOTE, Mode.FULL)

_HEADER: Final = 2
_MOST_PACKETS: Final = 0xFFFF
_PLAIN_BYTES: Final = {mode: _HEADER + 4 * mode for mode in MODES}
_INDEX_BYTES: Final = {Mode.LTP: _HEADER + 8, Mode.QUOTE: _HEADER + 28, Mode.FULL: _HEADER + 32}
_INDEX_PRICE: Final = slice(_HEADER + 4, _HEADER + 8)


T = TypeVar("T", np.uint8, np.uint32)


class Listener(Protocol):
    """A socket's view of the feed."""

    def mark(self, rows: NDArray[np.intp], change: NDArray[np.uint8]) -> None:
        """Take note of rows that changed; ``change`` is 3 where even ltp mode shows it, 2 quote, 1 only full."""
        ...

    def grow(self, count: int) -> None:
        """Make room for more rows."""
        ...

    def wanted(self) -> Iterable[int]:
        """Return the tokens that it subscribes."""
        ...


class Feed:
    """Rows of all instruments.

    Attributes:
        words: uint32[n, 46], last known state in the board's order; word 0 is 0 where there is no data.

    Args:
        market: The market behind it.
    """

    words: NDArray[np.uint32]

    def __init__(self, market: SimulatedMarket) -> None:
        self.market = market
        self._listeners: set[Listener] = set()
        self._row_of: dict[int, int] = {}
        self._table: InstrumentTable | None = None
        self._tokens = np.zeros(0, dtype=np.uint32)
        self._is_index = np.zeros(0, dtype=np.bool_)
        self.words = np.zeros((0, WORDS), dtype=np.uint32)
        self._plain = {mode: np.zeros((0, size), dtype=np.uint8) for mode, size in _PLAIN_BYTES.items()}
        self._index = {mode: np.zeros((0, size), dtype=np.uint8) for mode, size in _INDEX_BYTES.items()}
        self._adopt(market.instruments)

    @property
    def count(self) -> int:
        """Rows."""
        return len(self._tokens)

    def row(self, token: int) -> int | None:
        """Return the row of a token, None for one that the market does not list."""
        return self._row_of.get(token)

    def join(self, listener: Listener) -> None:
        """Tell a socket what changes from now on."""
        self._listeners.add(listener)
        listener.grow(self.count)

    def leave(self, listener: Listener) -> None:
        """Tell it nothing any more."""
        self._listeners.discard(listener)

    def step(self, now: datetime) -> int:
        """Move the market, mark what changed for every socket and return how many rows did."""
        batch = self.market.step(now)
        if self.market.instruments is not self._table:
            self._adopt(self.market.instruments)
            # A market moves what it was asked for: also what is listed only now though it was subscribed before.
            self.load({token for listener in self._listeners for token in listener.wanted()})
        return len(self._take(batch.words[:, :WORDS])) if len(batch) else 0

    def load(self, tokens: Iterable[int]) -> NDArray[np.intp]:
        """Fetch the present state of instruments and return the rows of those that have data."""
        words = self.market.rows([token for token in tokens if token in self._row_of])
        return self._take(words)

    def packets(self, rows: NDArray[np.intp], mode: Mode, *, zero_index: bool = False) -> tuple[bytes, int]:
        """Return the packets of rows in one mode, each behind its length, and how many they are.

        Args:
            rows: intp[k]; rows without data are left out.
            mode: What is shown.
            zero_index: Set the last value of indices to 0 (a fault).
        """
        rows = rows[self.words[rows, Word.TOKEN] != 0]
        index = self._is_index[rows]
        if not index.any():
            return _gather(self._plain[mode], rows).tobytes(), len(rows)
        indices = _gather(self._index[mode], rows[index])
        if zero_index:
            indices[:, _INDEX_PRICE] = 0
        return indices.tobytes() + _gather(self._plain[mode], rows[~index]).tobytes(), len(rows)

    # ------------------------------------------------------------------ inside

    def _adopt(self, table: InstrumentTable) -> None:
        """Give every new contract of a table a row; rows never move."""
        self._table = table
        added = [token for token in table.tokens.tolist() if token not in self._row_of]
        self._row_of.update(zip(added, range(self.count, self.count + len(added)), strict=True))
        self._tokens = np.concatenate((self._tokens, np.array(added, dtype=np.uint32)))
        self._is_index = (self._tokens & 0xFF) == INDEX_SEGMENT_CODE
        self.words = _grown(self.words, self.count)
        self._plain = {mode: _grown(packets, self.count) for mode, packets in self._plain.items()}
        self._index = {mode: _grown(packets, self.count) for mode, packets in self._index.items()}
        for listener in self._listeners:
            listener.grow(self.count)

    def _take(self, words: NDArray[np.uint32]) -> NDArray[np.intp]:
        """Keep rows of the market, mark them for every socket that shows the difference, and return where they are."""
        row_of = self._row_of
        rows = np.array([row_of[token] for token in words[:, Word.TOKEN].tolist()], dtype=np.intp)
        change = self._change(rows, words)
        self._store(rows, words)
        for listener in self._listeners:
            listener.mark(rows, change)
        return rows

    def _change(self, rows: NDArray[np.intp], new: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """uint8[k]: the least mode that shows the difference, as 3 (ltp), 2 (quote), 1 (full) or 0 (no difference)."""
        differs = self.words[rows] != new
        change: NDArray[np.uint8] = differs.any(axis=1).astype(np.uint8)
        change[differs[:, : Mode.QUOTE].any(axis=1)] = 2
        change[differs[:, : Mode.LTP].any(axis=1)] = 3
        return change

    def _store(self, rows: NDArray[np.intp], words: NDArray[np.uint32]) -> None:
        self.words[rows] = words
        index = self._is_index[rows]
        for mode in MODES:
            if not index.all():
                plain = np.ascontiguousarray(words[~index, :mode])
                self._plain[mode][rows[~index]] = _encoded(plain, mode, _PLAIN_BYTES[mode])
            if index.any():
                plain = np.ascontiguousarray(words[index, : INDEX_WIDTHS[mode]])
                self._index[mode][rows[index]] = _encoded(plain, mode, _INDEX_BYTES[mode])


def frame(parts: Iterable[tuple[bytes, int]]) -> bytes:
    """Join runs of packets into one frame; empty without packets."""
    listed = list(parts)
    total = sum(count for _, count in listed)
    if not total:
        return b""
    return total.to_bytes(2, "big") + b"".join(packets for packets, _ in listed)


def _encoded(words: NDArray[np.uint32], mode: Mode, size: int) -> NDArray[np.uint8]:
    """uint8[k, size]: packets behind their lengths, as `tickertui.kite.packets.encode` writes them."""
    if len(words) > _MOST_PACKETS:
        half = len(words) // 2
        return np.concatenate((_encoded(words[:half], mode, size), _encoded(words[half:], mode, size)))
    encoded = encode(TickBatch.from_rows(words, Source.MOCK, mode=mode))
    return np.frombuffer(encoded, np.uint8, offset=_HEADER).reshape(-1, size)


def _gather(packets: NDArray[np.uint8], rows: NDArray[np.intp]) -> NDArray[np.uint8]:
    """uint8[k, size]: a copy of some packets, each moved as one item."""
    size = packets.shape[1]
    items: NDArray[np.void] = packets.view(f"V{size}")[:, 0].take(rows)
    gathered: NDArray[np.uint8] = items.view(np.uint8).reshape(len(rows), size)
    return gathered


def _grown(array: NDArray[T], count: int) -> NDArray[T]:
    larger = np.zeros((count, *array.shape[1:]), dtype=array.dtype)
    larger[: len(array)] = array
    return larger
