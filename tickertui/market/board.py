"""`MarketBoard`: the latest state of everything that ticks, as columns.

Feeds call `MarketBoard.apply`; the screen, the valuation and the health figures read the columns at their own
pace and find what changed by comparing `versions` with the `sequence` they saw last. There is no queue and no
callback: a tick costs its copy into the board and nothing else.

Row 0 is nobody's: it stays empty for ever and stands for "not on the board", so that a lookup of an unknown token
needs no special case (its price is NaN, its source NONE). The board is used from one thread, the event loop's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tickertui.market.instruments import INDEX_SEGMENT_CODE, PRICE_DIVISORS
from tickertui.market.ticks import ABSENT, WORDS, BatchPart, Mode, Source, TickBatch, Word

_DENSE_LIMIT: Final = 1 << 22
"""Exchange tokens below this are found in a direct table (at most 32 MiB, touched page by page): NSE, NFO, BSE, BFO,
MCX and index tokens are. 3 µs for 500 tokens against 10 µs of a binary search. The rest take a dictionary."""

_SMALL: Final = 8
"""Below this many rows, plain Python beats numpy's fixed cost of about 1 µs a call."""

_LATE_LIMIT_S: Final = 60
"""An exchange time this much behind the row's is another clock (a new session of the simulator), not disorder."""


class _Meta(IntEnum):
    """Columns of the int64 record of a row; one tick writes one record in a single assignment."""

    RECEIVED = 0
    RECEIVED_WALL = 1
    VERSION = 2
    CONNECTION = 3
    FLAGS = 4
    GENERATION = 5


_ROW_VOID: Final = np.dtype(f"V{WORDS * 4}")
_META_VOID: Final = np.dtype(f"V{len(_Meta) * 8}")


class Derived(IntEnum):
    """Columns of `MarketBoard.derived`: what valuation computes for an option row."""

    IV = 0
    DELTA = 1
    GAMMA = 2
    THETA = 3
    VEGA = 4
    RHO = 5
    VANNA = 6
    VOLGA = 7
    CHARM = 8
    FORWARD = 9
    PRICE = 10
    """The price the volatility was solved from, rupees."""
    FORWARD_SOURCE = 11
    """Value of `tickertui.market.forward.ForwardSource`."""
    PRICE_SOURCE = 12
    """Value of `tickertui.market.price_selection.PriceSource`."""
    UNRELIABLE = 13
    """1 where the price grid or the quote is coarser than the volatility, else 0."""


@dataclass(slots=True)
class BoardCounters:
    """What the board took in and what it refused, since the start."""

    ticks: int = 0
    batches: int = 0
    unknown_tokens: int = 0
    stale_generation: int = 0
    out_of_order: int = 0
    skipped_packets: int = 0


class MarketBoard:
    """Columnar state of all instruments of the plan.

    Rows are given out by `ensure` and freed by `release`. A row number stays valid until its token is released;
    `layout` changes whenever one may have moved. Arrays are replaced when the board grows: read them through the
    board at each use, do not keep them.

    Attributes:
        words: uint32[capacity, 46], the last packet of each row, prices as the wire's integers.
        tokens: uint32[capacity], 0 for a free row.
        packets: int64[capacity], packets since the row was last subscribed (1 = only the broker's cached one).
        subscribed_ns: int64[capacity], monotonic time of that subscription, 0 = never.
        direction: int8[capacity], -1, 0 or +1: the last change of the last price.
        moved_ns: int64[capacity], monotonic time of that change.
        oi_changed_ns: int64[capacity], wall time of the last change of the open interest seen here, 0 = none.
        previous_oi: int64[capacity], open interest at the previous close, -1 = not known.
        derived: float64[capacity, 14], see `Derived`; NaN where there is no value.
        derived_status: int8[capacity], status of the implied volatility, -1 = not computed.
        derived_ns: int64[capacity], monotonic time of the oldest input of the derived values.
        counters: What was taken in and refused.
        sequence: Number of the last applied batch; a row with ``versions > seen`` changed since ``seen``.
        layout: Changes whenever rows were given out or freed.
        generation: Batches of an older subscription plan than this are dropped.

    Args:
        capacity: Rows to start with; the board doubles when it is full.
    """

    words: NDArray[np.uint32]
    tokens: NDArray[np.uint32]
    packets: NDArray[np.int64]
    subscribed_ns: NDArray[np.int64]
    direction: NDArray[np.int8]
    moved_ns: NDArray[np.int64]
    oi_changed_ns: NDArray[np.int64]
    previous_oi: NDArray[np.int64]
    derived: NDArray[np.float64]
    derived_status: NDArray[np.int8]
    derived_ns: NDArray[np.int64]
    _meta: NDArray[np.int64]

    _COLUMNS: Final[dict[str, tuple[DTypeLike, int, float]]] = {
        # name: (type, width, value of an empty row)
        "words": (np.uint32, WORDS, 0),
        "tokens": (np.uint32, 1, 0),
        "packets": (np.int64, 1, 0),
        "subscribed_ns": (np.int64, 1, 0),
        "direction": (np.int8, 1, 0),
        "moved_ns": (np.int64, 1, 0),
        "oi_changed_ns": (np.int64, 1, 0),
        "previous_oi": (np.int64, 1, ABSENT),
        "derived": (np.float64, len(Derived), np.nan),
        "derived_status": (np.int8, 1, -1),
        "derived_ns": (np.int64, 1, 0),
        "_meta": (np.int64, len(_Meta), 0),
    }

    def __init__(self, capacity: int = 1024) -> None:
        if capacity < 1:
            raise ValueError(f"a board has at least one row, not {capacity}")
        self.counters = BoardCounters()
        self.sequence = 0
        self.layout = 0
        self.generation = 0
        self._row_of: dict[int, int] = {}
        self._free: list[int] = []
        self._next = 1
        self._dense: NDArray[np.intp] = np.zeros(1 << 12, dtype=np.intp)
        self._allocate(capacity + 1)

    # ------------------------------------------------------------------ rows

    def _allocate(self, capacity: int) -> None:
        """Make every column ``capacity`` long, keeping what is there."""
        for name, (dtype, width, empty) in self._COLUMNS.items():
            shape = (capacity,) if width == 1 else (capacity, width)
            column: NDArray[Any] = np.zeros(shape, dtype) if empty == 0 else np.full(shape, empty, dtype)
            old = getattr(self, name, None)
            if old is not None:
                column[: len(old)] = old
            setattr(self, name, column)
        self._row_void = self.words.view(_ROW_VOID)[:, 0]
        self._meta_void = self._meta.view(_META_VOID)[:, 0]

    @property
    def capacity(self) -> int:
        """Rows allocated, the empty row 0 included."""
        return len(self.tokens)

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, token: int) -> bool:
        return token in self._row_of

    def ensure(self, tokens: Iterable[int]) -> NDArray[np.intp]:
        """Give every token a row (those that have one keep it) and return the rows, in order."""
        rows = []
        added = False
        for token in tokens:
            row = self._row_of.get(token)
            if row is None:
                row = self._take_row(int(token))
                added = True
            rows.append(row)
        if added:
            self.layout += 1
        return np.array(rows, dtype=np.intp)

    def _take_row(self, token: int) -> int:
        if not 0 < token < 1 << 32:
            raise ValueError(f"an instrument token is a positive 32-bit number, not {token}")
        if self._free:
            row = self._free.pop()
        else:
            row = self._next
            self._next += 1
            if row >= self.capacity:
                self._allocate(self.capacity * 2)
        self._row_of[token] = row
        self.tokens[row] = token
        self._index(token, row)
        return row

    def _index(self, token: int, row: int) -> None:
        """Enter a row in the direct table; two segments may share an exchange token, then the dictionary decides."""
        key = token >> 8
        if key >= _DENSE_LIMIT:
            return
        if key >= len(self._dense):
            # zeros, not resize: pages that no token touches are never paid for.
            dense = np.zeros(min(_DENSE_LIMIT, max(key + 1, 2 * len(self._dense))), dtype=np.intp)
            dense[: len(self._dense)] = self._dense
            self._dense = dense
        self._dense[key] = row

    def release(self, tokens: Iterable[int]) -> None:
        """Free the rows of these tokens and forget their values; unknown tokens are passed over."""
        rows = [row for token in tokens if (row := self._row_of.pop(token, None)) is not None]
        if not rows:
            return
        for row in rows:
            key = int(self.tokens[row]) >> 8
            if key < len(self._dense) and self._dense[key] == row:
                self._dense[key] = 0
        self._empty(np.array(rows, dtype=np.intp))
        self.tokens[rows] = 0
        self._free.extend(rows)
        self.layout += 1

    def clear(self, tokens: Iterable[int] | None = None) -> None:
        """Forget values but keep rows: before another source takes over, so that no two mix in one chain.

        Args:
            tokens: Which; None for all.
        """
        rows = np.arange(1, self._next, dtype=np.intp) if tokens is None else self.rows(tokens)
        self._empty(rows[rows > 0])
        self.sequence += 1
        self._meta[rows[rows > 0], _Meta.VERSION] = self.sequence

    def _empty(self, rows: NDArray[np.intp]) -> None:
        for name, (_, _, empty) in self._COLUMNS.items():
            if name != "tokens":
                getattr(self, name)[rows] = empty

    def row(self, token: int) -> int:
        """Return the row of a token, 0 where it is not on the board."""
        return self._row_of.get(token, 0)

    def rows(self, tokens: Iterable[int]) -> NDArray[np.intp]:
        """Return the rows of tokens, 0 where one is not on the board."""
        get = self._row_of.get
        values = tokens.tolist() if isinstance(tokens, np.ndarray) else tokens
        return np.array([get(token, 0) for token in values], dtype=np.intp)

    def mark_subscribed(self, tokens: Iterable[int], connection: int, now_ns: int) -> None:
        """Note that tokens were (re)subscribed: their next packet is the broker's cached one.

        Args:
            tokens: Which.
            connection: Number of the connection that carries them from now on.
            now_ns: Monotonic time.
        """
        rows = self.rows(tokens)
        rows = rows[rows > 0]
        self.packets[rows] = 0
        self.subscribed_ns[rows] = now_ns
        self._meta[rows, _Meta.CONNECTION] = connection

    # ------------------------------------------------------------------ writing

    def apply(self, batch: TickBatch) -> int:
        """Write a batch into the board.

        Unknown tokens, packets of an older plan and packets that come late (exchange time behind the row's) are
        counted and dropped.

        Returns:
            How many rows were written.
        """
        counters = self.counters
        counters.batches += 1
        counters.skipped_packets += batch.skipped
        if batch.generation < self.generation:
            counters.stale_generation += len(batch)
            return 0
        self.sequence += 1
        applied = self._apply_few(batch) if len(batch) < _SMALL else self._apply_many(batch)
        counters.ticks += applied
        return applied

    def _record(self, batch: TickBatch, part: BatchPart) -> tuple[int, ...]:
        """The `_Meta` columns of a row of this part."""
        return (
            batch.received_ns,
            batch.received_wall_ns,
            self.sequence,
            batch.connection,
            int(batch.source) | int(part.mode) << 8,
            batch.generation,
        )

    def _apply_few(self, batch: TickBatch) -> int:
        """One row at a time: 1 packet takes about 5 µs here and 30 µs the other way."""
        applied = 0
        for part in batch.parts:
            record = self._record(batch, part)
            for new in batch.words[part.start : part.stop, : part.width]:
                row = self._row_of.get(int(new[0]), 0)
                if not row:
                    self.counters.unknown_tokens += 1
                elif self._write_row(row, new, batch):
                    self._meta[row] = record
                    self.packets[row] += 1
                    applied += 1
        return applied

    def _write_row(self, row: int, new: NDArray[np.uint32], batch: TickBatch) -> bool:
        """Write one row's words and what changed with them; False when it comes late."""
        old = self.words[row]
        width = len(new)
        if width > Word.EXCHANGE_TIMESTAMP:
            behind = int(old[15]) - int(new[15])
            if 0 < behind < _LATE_LIMIT_S and int(self._meta[row, _Meta.FLAGS]) & 0xFF == batch.source:
                self.counters.out_of_order += 1
                return False
        old_price, new_price = int(old[1]), int(new[1])
        if old_price and old_price != new_price:
            self.direction[row] = 1 if new_price > old_price else -1
            self.moved_ns[row] = batch.received_ns
        if width == WORDS and old[12] != new[12] and old[0]:
            self.oi_changed_ns[row] = batch.received_wall_ns
        old[:width] = new
        return True

    def _apply_many(self, batch: TickBatch) -> int:
        words = batch.words
        rows = self._rows_of_words(words[:, 0].astype(np.intp))
        old = self._row_void.take(rows).view(np.uint32).reshape(-1, WORDS)
        skip = self._skipped(batch, rows, old)
        self._note_prices(rows, words[:, 1], old[:, 1], batch)
        applied = 0
        for part in batch.parts:
            part_rows, new = rows[part.start : part.stop], words[part.start : part.stop]
            before = old[part.start : part.stop]
            if skip is not None:
                keep = ~skip[part.start : part.stop]
                part_rows, new, before = part_rows[keep], new[keep], before[keep]
            if not len(part_rows):
                continue
            self._write_part(part_rows, new, before, part, batch)
            applied += len(part_rows)
        return applied

    def _write_part(
        self,
        rows: NDArray[np.intp],
        new: NDArray[np.uint32],
        old: NDArray[np.uint32],
        part: BatchPart,
        batch: TickBatch,
    ) -> None:
        if part.width == WORDS:
            changed = np.flatnonzero(new[:, 12] != old[:, 12])
            if len(changed):
                changed = changed[old[changed, 0] != 0]
                self.oi_changed_ns[rows[changed]] = batch.received_wall_ns
            # A row of 184 bytes is copied as one item: half the cost of 46 words.
            self._row_void.put(rows, np.ascontiguousarray(new).view(_ROW_VOID))
        else:
            self.words[rows, : part.width] = new[:, : part.width]
        self._meta_void.put(rows, np.array(self._record(batch, part), dtype=np.int64).view(_META_VOID))
        self.packets[rows] += 1

    def _rows_of_words(self, tokens: NDArray[np.intp]) -> NDArray[np.intp]:
        """Rows of tokens, 0 where unknown: one look into the direct table, checked against the row's own token."""
        rows = self._dense.take(tokens >> 8, mode="clip")
        differs = np.flatnonzero(self.tokens.take(rows) != tokens)
        if len(differs):
            get = self._row_of.get
            rows[differs] = [get(token, 0) for token in tokens[differs].tolist()]
        return rows

    def _skipped(self, batch: TickBatch, rows: NDArray[np.intp], old: NDArray[np.uint32]) -> NDArray[np.bool_] | None:
        """Rows that must not be written, bool[n] (unknown token, late packet), or None for the usual case."""
        skip = None
        unknown = len(rows) - int(np.count_nonzero(rows))
        if unknown:
            skip = rows == 0
            self.counters.unknown_tokens += unknown
        for part in batch.parts:
            if part.width <= Word.EXCHANGE_TIMESTAMP:
                continue
            part_rows = slice(part.start, part.stop)
            late = np.flatnonzero(batch.words[part_rows, 15] < old[part_rows, 15])
            if not len(late):
                continue
            late += part.start
            behind = old[late, 15] - batch.words[late, 15]
            same_source = self._meta[rows[late], _Meta.FLAGS] & 0xFF == batch.source
            late = late[(behind < _LATE_LIMIT_S) & same_source]
            if skip is None:
                skip = np.zeros(len(rows), dtype=np.bool_)
            skip[late] = True
            self.counters.out_of_order += len(late)
        return skip

    def _note_prices(
        self, rows: NDArray[np.intp], new: NDArray[np.uint32], old: NDArray[np.uint32], batch: TickBatch
    ) -> None:
        """Keep the direction of the last change of each price, and when it was."""
        moved = np.flatnonzero(new != old)
        if len(moved):
            before, after, moved_rows = old[moved], new[moved], rows[moved]
            known = before != 0
            self.direction[moved_rows] = np.where(known, np.where(after > before, 1, -1), 0)
            self.moved_ns[moved_rows] = batch.received_ns

    # ------------------------------------------------------------------ reading

    @property
    def received_ns(self) -> NDArray[np.int64]:
        """int64[capacity]: monotonic time of the last packet, 0 = none."""
        return self._meta[:, _Meta.RECEIVED]

    @property
    def received_wall_ns(self) -> NDArray[np.int64]:
        """int64[capacity]: wall time of the last packet, 0 = none."""
        return self._meta[:, _Meta.RECEIVED_WALL]

    @property
    def versions(self) -> NDArray[np.int64]:
        """int64[capacity]: the `sequence` at which each row changed last."""
        return self._meta[:, _Meta.VERSION]

    @property
    def connections(self) -> NDArray[np.int64]:
        """int64[capacity]: number of the connection of the last packet or subscription."""
        return self._meta[:, _Meta.CONNECTION]

    @property
    def sources(self) -> NDArray[np.int64]:
        """int64[capacity]: `Source` of the row's values."""
        return self._meta[:, _Meta.FLAGS] & 0xFF

    @property
    def modes(self) -> NDArray[np.int64]:
        """int64[capacity]: `Mode` of the last packet (the number of words that are current)."""
        return self._meta[:, _Meta.FLAGS] >> 8 & 0xFF

    @property
    def generations(self) -> NDArray[np.int64]:
        """int64[capacity]: number of the subscription plan of the last packet."""
        return self._meta[:, _Meta.GENERATION]

    def touch(self, rows: NDArray[np.intp]) -> None:
        """Mark rows as changed for readers that look at `versions` (after derived values were written)."""
        self.sequence += 1
        self._meta[rows, _Meta.VERSION] = self.sequence

    def field(self, rows: ArrayLike, word: Word | int) -> NDArray[np.int64]:
        """Return one field as the wire's integer.

        Args:
            rows: intp[k] rows of this board.
            word: Which.

        Returns:
            int64[k], `ABSENT` (-1) where the row's last packet did not carry the field.
        """
        rows = np.asarray(rows, dtype=np.intp)
        present = self._meta[rows, _Meta.FLAGS] >> 8 & 0xFF > word
        if word not in _INDEX_WORDS:
            present &= self.tokens[rows] & 0xFF != INDEX_SEGMENT_CODE
        return np.where(present, self.words[rows, word].astype(np.int64), ABSENT)

    def price(self, rows: ArrayLike, word: Word | int = Word.LAST_PRICE) -> NDArray[np.float64]:
        """Return one price field in rupees.

        Args:
            rows: intp[k] rows of this board.
            word: A price field; the last price by default.

        Returns:
            float64[k], NaN where the row's last packet did not carry it or it is zero (no price yet).
        """
        rows = np.asarray(rows, dtype=np.intp)
        raw = self.field(rows, word)
        return np.where(raw > 0, raw / PRICE_DIVISORS[self.tokens[rows] & 0xFF], np.nan)

    def mode_of(self, row: int) -> Mode:
        """Return the mode of a row's last packet."""
        return Mode(int(self._meta[row, _Meta.FLAGS] >> 8 & 0xFF))

    def source_of(self, row: int) -> Source:
        """Return where a row's values come from."""
        return Source(int(self._meta[row, _Meta.FLAGS] & 0xFF))


_INDEX_WORDS: Final = frozenset(
    (Word.TOKEN, Word.LAST_PRICE, Word.OPEN, Word.HIGH, Word.LOW, Word.CLOSE, Word.EXCHANGE_TIMESTAMP)
)
"""What an index packet carries; an index has no volume, open interest or depth."""
