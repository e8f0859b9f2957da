"""`MarketBoard`: the latest state of everything that ticks, as columns.

Feeds call `MarketBoard.apply`; the screen, the valuation and the health figures read the columns at their own
pace and find what changed by comparing `versions` with the `sequence` they saw last. There is no queue and no
callback: a tick costs its copy into the board and nothing else.

Row 0 is nobody's: it stays empty for ever and stands for "not on the board", so that a lookup of an unknown token
needs no special case (its price is NaN, its source NONE). The board is used from one thread, the event loop's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tickertui.market.board_columns import DOUBTFUL, META_RECORD, META_VOID, PAST_VOID, ROW_VOID, Meta, Past
from tickertui.market.board_columns import BoardCounters as BoardCounters
from tickertui.market.board_columns import Derived as Derived
from tickertui.market.board_columns import RowFacts as RowFacts
from tickertui.market.instruments import INDEX_SEGMENT_CODE, PRICE_DIVISORS
from tickertui.market.stamps import LATE_S, StampWatch, is_late
from tickertui.market.ticks import ABSENT, WORDS, BatchPart, Mode, Source, TickBatch, Word, in_frame_order, kept_parts
from tickertui.market.token_rows import TokenRows

_SMALL: Final = 8
"""Below this many rows, plain Python beats numpy's fixed cost of about 1 µs a call."""


class MarketBoard:
    """Columnar state of all instruments of the plan.

    Rows are given out by `ensure` and freed by `release`. A row number stays valid until its token is released;
    `layout` changes whenever one may have moved. Arrays are replaced when the board grows: read them through the
    board at each use, do not keep them.

    Attributes:
        words: uint32[capacity, 46], the last packet of each row, prices as the wire's integers.
        tokens: uint32[capacity], 0 for a free row.
        subscribed_ns: int64[capacity], monotonic time of the last subscription, 0 = never.
        previous_oi: int64[capacity], open interest at the previous close, -1 = not known.
        derived: float64[capacity, 15], see `Derived`; NaN where there is no value.
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
    subscribed_ns: NDArray[np.int64]
    previous_oi: NDArray[np.int64]
    derived: NDArray[np.float64]
    derived_status: NDArray[np.int8]
    derived_ns: NDArray[np.int64]
    _meta: NDArray[np.int64]
    _past: NDArray[np.int64]
    _place: NDArray[np.intp]

    _COLUMNS: Final[dict[str, tuple[DTypeLike, int, float]]] = {
        # name: (type, width, value of an empty row)
        "words": (np.uint32, WORDS, 0),
        "tokens": (np.uint32, 1, 0),
        "subscribed_ns": (np.int64, 1, 0),
        "previous_oi": (np.int64, 1, ABSENT),
        "derived": (np.float64, len(Derived), np.nan),
        "derived_status": (np.int8, 1, -1),
        "derived_ns": (np.int64, 1, 0),
        "_meta": (np.int64, len(Meta), 0),
        "_past": (np.int64, len(Past), 0),
        "_place": (np.intp, 1, 0),
    }

    def __init__(self, capacity: int = 1024) -> None:
        if capacity < 1:
            raise ValueError(f"a board has at least one row, not {capacity}")
        self.counters = BoardCounters()
        self.sequence = 0
        self.layout = 0
        self.generation = 0
        self._directory = TokenRows()
        self._stamps = StampWatch()
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
        self._row_void = self.words.view(ROW_VOID)[:, 0]
        self._meta_void = self._meta.view(META_VOID)[:, 0]
        self._past_void = self._past.view(PAST_VOID)[:, 0]

    @property
    def capacity(self) -> int:
        """Rows allocated, the empty row 0 included."""
        return len(self.tokens)

    def __len__(self) -> int:
        return len(self._directory.of)

    def __contains__(self, token: int) -> bool:
        return token in self._directory.of

    def ensure(self, tokens: Iterable[int]) -> NDArray[np.intp]:
        """Give every token a row (those that have one keep it) and return the rows, in order."""
        tokens = list(map(int, tokens))
        row_of = self._directory.of
        new = [token for token in dict.fromkeys(tokens) if token not in row_of]
        if new:
            rows = self._directory.take(new)
            if (last := int(rows.max())) >= self.capacity:
                self._allocate(max(self.capacity * 2, last + 1))
            self.tokens[rows] = new
            self.layout += 1
        return np.array([row_of[token] for token in tokens], dtype=np.intp)

    def release(self, tokens: Iterable[int]) -> None:
        """Free the rows of these tokens and forget their values; unknown tokens are passed over."""
        rows = self._directory.give_back(tokens)
        if rows:
            self._empty(np.array(rows, dtype=np.intp))
            self.tokens[rows] = 0
            self.layout += 1

    def clear(self, tokens: Iterable[int] | None = None) -> None:
        """Forget values but keep rows: before another source takes over, so that no two mix in one chain.

        Args:
            tokens: Which; None for all.
        """
        rows = np.flatnonzero(self.tokens) if tokens is None else self.rows(tokens)
        rows = rows[rows > 0]
        self._empty(rows)
        self.sequence += 1
        self._meta[rows, Meta.VERSION] = self.sequence

    def _empty(self, rows: NDArray[np.intp]) -> None:
        for name, (_, _, empty) in self._COLUMNS.items():
            if name != "tokens":
                getattr(self, name)[rows] = empty

    def row(self, token: int) -> int:
        """Return the row of a token, 0 where it is not on the board."""
        return self._directory.of.get(token, 0)

    def rows(self, tokens: Iterable[int]) -> NDArray[np.intp]:
        """Return the rows of tokens, 0 where one is not on the board."""
        get = self._directory.of.get
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
        self._past[rows, Past.PACKETS] = 0
        self.subscribed_ns[rows] = now_ns
        self._meta[rows, Meta.CONNECTION] = connection

    # ------------------------------------------------------------------ writing

    def apply(self, batch: TickBatch) -> int:
        """Write a batch into the board.

        Unknown tokens, packets of an older plan and packets that come late (exchange time behind the row's) are
        counted and dropped. A packet whose exchange time lies ahead of the market's clock is counted and taken in, its
        row is `doubtful` until the next one, and that time keeps no later packet out.

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
        applied = self._apply_in_order(batch) if len(batch) < _SMALL else self._apply_at_once(batch)
        counters.ticks += applied
        return applied

    def _record(self, batch: TickBatch, mode: Mode) -> bytes:
        """The `Meta` columns of the rows that a batch writes with packets of this mode."""
        return META_RECORD.pack(
            batch.received_ns,
            batch.received_wall_ns,
            self.sequence,
            batch.connection,
            batch.generation,
            int(batch.source) | int(mode) << 8,
        )

    def _apply_in_order(self, batch: TickBatch) -> int:
        """One row at a time in the order of the frame: 1 packet takes about 5 µs here and 40 µs the other way."""
        words, applied = batch.words, 0
        limit, own_limit = self._stamps.limits(batch.received_wall_ns)
        ahead = []
        for part, indices in in_frame_order(batch):
            record = np.frombuffer(self._record(batch, part.mode), META_VOID)
            for index in indices:
                new = words[index, : part.width]
                row = self._directory.of.get(int(new[0]), 0)
                if not row:
                    self.counters.unknown_tokens += 1
                elif self._write_row(row, new, batch, own_limit):
                    self._meta_void[row] = record[0]
                    applied += 1
                    if part.width > _STAMP and int(new[_STAMP]) > limit:
                        ahead.append(row)
        if ahead:
            self._doubt(np.array(ahead, dtype=np.intp), batch.received_wall_ns)
        return applied

    def _write_row(self, row: int, new: NDArray[np.uint32], batch: TickBatch, own_limit: int) -> bool:
        """Write one row's words and what changed with them; False when it comes late."""
        old, past = self.words[row], self._past[row]
        width = len(new)
        if width > _STAMP and 0 < int(old[_STAMP]) - int(new[_STAMP]) < LATE_S:
            one = np.array([row])
            if len(self._late(one, new[None, _STAMP], old[None, _STAMP], batch.source, own_limit)):
                return False
        old_price, new_price = int(old[1]), int(new[1])
        if old_price and old_price != new_price:
            past[1] = batch.received_ns
            past[2] = old_price
        if width == WORDS and old[12] != new[12] and old[15]:
            past[3] = batch.received_wall_ns
        past[0] += 1
        old[:width] = new
        return True

    def _apply_at_once(self, batch: TickBatch) -> int:
        words, parts = batch.words, batch.parts
        rows, old, unknown = self._find(words)
        if batch.positions is not None and self._holds_twice(rows):
            # A token twice, in packets of different lengths: only the order of the frame tells which is the later.
            return self._apply_in_order(batch)
        skip, ahead = self._judge(batch, rows, old, unknown)
        if skip is not None:
            kept = np.flatnonzero(~skip)
            if not len(kept):
                return 0
            rows, words, old, parts = rows[kept], words[kept], old[kept], kept_parts(parts, kept)
        self._note_changes(batch, parts, rows, words, old)
        self._write(batch, parts, rows, words, old)
        if ahead is not None:
            self._doubt(ahead, batch.received_wall_ns)
        return len(rows)

    def _find(self, words: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.uint32], int]:
        """Return the rows of a batch's tokens, 0 where unknown, what they hold, and how many are unknown.

        One look into the direct table, checked against the token that the row itself holds; where that differs (the
        row's first packet, an exchange token in two segments) the dictionary decides.
        """
        tokens = words[:, 0]
        rows = self._directory.dense.take(tokens >> _SEGMENT_BITS, mode="clip")
        old = self.words.take(rows, axis=0)
        if not np.count_nonzero(old[:, 0] != tokens):
            return rows, old, 0
        differs = np.flatnonzero(self.tokens.take(rows) != tokens)
        if len(differs):
            get = self._directory.of.get
            rows[differs] = [get(token, 0) for token in tokens[differs].tolist()]
            old = self.words.take(rows, axis=0)
        return rows, old, len(rows) - int(np.count_nonzero(rows))

    def _holds_twice(self, rows: NDArray[np.intp]) -> bool:
        """Whether a row other than 0 occurs twice: each writes its place in the batch, the last one's stays."""
        places = np.arange(len(rows))
        self._place[rows] = places
        lost = self._place[rows] != places
        return bool(np.count_nonzero(lost)) and bool(rows[lost].any())

    def _judge(
        self, batch: TickBatch, rows: NDArray[np.intp], old: NDArray[np.uint32], unknown: int
    ) -> tuple[NDArray[np.bool_] | None, NDArray[np.intp] | None]:
        """Find the rows that must not be written, bool[n] (unknown token, late packet), and those stamped ahead.

        Either is None in the usual case.
        """
        skip = ahead = None
        if unknown:
            skip = rows == 0
            self.counters.unknown_tokens += unknown
        limit, own_limit = self._stamps.limits(batch.received_wall_ns)
        for start, stop, width, _, _ in batch.parts:
            if width <= _STAMP:
                continue
            stamps, shown = batch.words[start:stop, _STAMP], old[start:stop, _STAMP]
            behind, beyond = stamps < shown, stamps > limit
            if np.count_nonzero(behind):
                places = np.flatnonzero(behind)
                late = self._late(rows[start + places], stamps[places], shown[places], batch.source, own_limit)
                if skip is None:
                    skip = np.zeros(len(rows), dtype=np.bool_)
                skip[start + places[late]] = True
            if np.count_nonzero(beyond):
                found = rows[start:stop][beyond]
                ahead = found if ahead is None else np.concatenate((ahead, found))
        return skip, ahead

    def _late(
        self,
        rows: NDArray[np.intp],
        stamps: NDArray[np.uint32],
        shown: NDArray[np.uint32],
        source: Source,
        own_limit: int,
    ) -> NDArray[np.intp]:
        """Which of these packets, whose stamps are behind their rows', come late; they are counted."""
        flags = self._meta[rows, Meta.FLAGS]
        places = np.flatnonzero(is_late(stamps, shown, own_limit) & (flags & 0xFF == source) & (flags & DOUBTFUL == 0))
        self.counters.out_of_order += len(places)
        # Dropped, and yet a packet of the subscription: the next one is not the broker's cached one.
        np.add.at(self.packets, rows[places], 1)
        return places

    def _doubt(self, rows: NDArray[np.intp], now_ns: int) -> None:
        """Mark rows that were just written with a time stamp that cannot be true, unless the market's time it is."""
        limit, _ = self._stamps.limits(now_ns)
        # Two packets of one instrument in a frame: the later one may be right; row 0 is nobody's.
        rows = rows[(self.words[rows, _STAMP] > limit) & (rows > 0)]
        if not len(rows) or self._stamps.believes(rows, self.words[:, _STAMP], self.received_wall_ns, now_ns):
            return
        self.counters.ahead += len(rows)
        self._meta[rows, Meta.FLAGS] |= DOUBTFUL

    def _note_changes(
        self,
        batch: TickBatch,
        parts: Sequence[BatchPart],
        rows: NDArray[np.intp],
        words: NDArray[np.uint32],
        old: NDArray[np.uint32],
    ) -> None:
        """Count the packets; keep when price and open interest changed last, and which way the price went."""
        past = self._past.take(rows, axis=0)
        past[:, 0] += 1
        price, before = words[:, 1], old[:, 1]
        moved = price != before
        if np.count_nonzero(moved):
            if np.count_nonzero(before) < len(rows):
                moved &= before != 0
            np.copyto(past[:, 1], batch.received_ns, where=moved)
            np.copyto(past[:, 2], before, where=moved)
        for part in parts:
            if part.width == WORDS:
                start, stop = part.start, part.stop
                changed = words[start:stop, 12] != old[start:stop, 12]
                if np.count_nonzero(changed):
                    # An exchange time of 0: no full packet before this one, its open interest was not known.
                    changed &= old[start:stop, 15] != 0
                    np.copyto(past[start:stop, 3], batch.received_wall_ns, where=changed)
        self._past_void.put(rows, past.view(PAST_VOID))

    def _write(
        self,
        batch: TickBatch,
        parts: Sequence[BatchPart],
        rows: NDArray[np.intp],
        words: NDArray[np.uint32],
        old: NDArray[np.uint32],
    ) -> None:
        """Write the words and what is the same for the whole batch; ``old`` is used up.

        A row of 184 bytes is copied as one item: half the cost of 46 words. Shorter packets are laid over what their
        rows held, so that one copy does for all lengths.
        """
        if len(parts) == 1 and parts[0].width == words.shape[1] == WORDS:
            old = np.ascontiguousarray(words)
        else:
            for part in parts:
                old[part.start : part.stop, : part.width] = words[part.start : part.stop, : part.width]
        self._row_void.put(rows, old.view(ROW_VOID))
        records = np.frombuffer(b"".join([self._record(batch, part.mode) for part in parts]), META_VOID)
        if len(parts) > 1:
            records = records.repeat([part.stop - part.start for part in parts])
        self._meta_void.put(rows, records)

    # ------------------------------------------------------------------ reading

    @property
    def packets(self) -> NDArray[np.int64]:
        """int64[capacity]: packets since the row was last subscribed (1 = only the broker's cached one).

        A token that is twice in one frame of equal packets counts once.
        """
        return self._past[:, Past.PACKETS]

    @property
    def direction(self) -> NDArray[np.int64]:
        """int64[capacity]: -1, 0 or +1, the last change of the last price; 0 before the first.

        Made from the price before that change when it is asked for: writing it with each tick would cost more.
        """
        before = self._past[:, Past.PRICE_BEFORE]
        return np.where(before > 0, np.sign(self.words[:, Word.LAST_PRICE] - before), 0)

    @property
    def moved_ns(self) -> NDArray[np.int64]:
        """int64[capacity]: monotonic time of that change, 0 = none."""
        return self._past[:, Past.MOVED]

    @property
    def oi_changed_ns(self) -> NDArray[np.int64]:
        """int64[capacity]: wall time of the last change of the open interest seen here, 0 = none."""
        return self._past[:, Past.OI_CHANGED]

    @property
    def received_ns(self) -> NDArray[np.int64]:
        """int64[capacity]: monotonic time of the last packet, 0 = none."""
        return self._meta[:, Meta.RECEIVED]

    @property
    def received_wall_ns(self) -> NDArray[np.int64]:
        """int64[capacity]: wall time of the last packet, 0 = none."""
        return self._meta[:, Meta.RECEIVED_WALL]

    @property
    def versions(self) -> NDArray[np.int64]:
        """int64[capacity]: the `sequence` at which each row changed last."""
        return self._meta[:, Meta.VERSION]

    @property
    def connections(self) -> NDArray[np.int64]:
        """int64[capacity]: number of the connection of the last packet or subscription."""
        return self._meta[:, Meta.CONNECTION]

    @property
    def sources(self) -> NDArray[np.int64]:
        """int64[capacity]: `Source` of the row's values."""
        return self._meta[:, Meta.FLAGS] & 0xFF

    @property
    def modes(self) -> NDArray[np.int64]:
        """int64[capacity]: `Mode` of the last packet (the number of words that are current)."""
        return self._meta[:, Meta.FLAGS] >> 8 & 0xFF

    @property
    def doubtful(self) -> NDArray[np.bool_]:
        """bool[capacity]: whether the last packet's time stamp lies ahead of the market's clock.

        Such a row's time means nothing, and whether its price is one of now nobody can tell.
        """
        doubtful: NDArray[np.bool_] = self._meta[:, Meta.FLAGS] & DOUBTFUL != 0
        return doubtful

    @property
    def generations(self) -> NDArray[np.int64]:
        """int64[capacity]: number of the subscription plan of the last packet."""
        return self._meta[:, Meta.GENERATION]

    def touch(self, rows: NDArray[np.intp]) -> None:
        """Mark rows as changed for readers that look at `versions` (after derived values were written)."""
        self.sequence += 1
        self._meta[rows, Meta.VERSION] = self.sequence

    def facts(self, rows: NDArray[np.intp]) -> RowFacts:
        """Gather what the reading properties tell of some rows, at the cost of those rows and not of the board.

        Args:
            rows: intp of any shape: rows of this board.
        """
        meta, past = self._meta.take(rows, axis=0), self._past.take(rows, axis=0)
        flags, before = meta[..., _FLAGS], past[..., _PRICE_BEFORE]
        return RowFacts(
            source=flags & 0xFF,
            mode=flags >> 8 & 0xFF,
            version=meta[..., _VERSION],
            received_ns=meta[..., _RECEIVED],
            connection=meta[..., _CONNECTION],
            packets=past[..., _PACKETS],
            direction=np.sign(self.words[:, _LAST_PRICE].take(rows) - before) * (before > 0),
            moved_ns=past[..., _MOVED],
            oi_changed_ns=past[..., _OI_CHANGED],
            doubtful=flags >> 16 & 1,
        )

    def price_of(self, row: int, word: Word | int = Word.LAST_PRICE) -> float:
        """Return one price field of one row in rupees, NaN where `price` gives it: without numpy's cost per call."""
        token, raw = int(self.tokens[row]), int(self.words[row, word])
        carried = int(self._meta[row, _FLAGS]) >> 8 & 0xFF > word
        known = carried and raw and (word in _INDEX_WORDS or token & 0xFF != INDEX_SEGMENT_CODE)
        return raw / float(PRICE_DIVISORS[token & 0xFF]) if known else float("nan")

    def field(self, rows: ArrayLike, word: Word | int) -> NDArray[np.int64]:
        """Return one field as the wire's integer.

        Args:
            rows: intp[k] rows of this board.
            word: Which.

        Returns:
            int64[k], `ABSENT` (-1) where the row's last packet did not carry the field.
        """
        rows = np.asarray(rows, dtype=np.intp)
        present = self._meta[rows, Meta.FLAGS] >> 8 & 0xFF > word
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
        return Mode(int(self._meta[row, Meta.FLAGS] >> 8 & 0xFF))

    def source_of(self, row: int) -> Source:
        """Return where a row's values come from."""
        return Source(int(self._meta[row, Meta.FLAGS] & 0xFF))


# Plain integers: a look into an enumeration takes Python 3.11 longer than the rest of a call.
_FLAGS, _VERSION, _RECEIVED, _CONNECTION = (int(m) for m in (Meta.FLAGS, Meta.VERSION, Meta.RECEIVED, Meta.CONNECTION))
_PACKETS, _MOVED, _PRICE_BEFORE, _OI_CHANGED = (
    int(p) for p in (Past.PACKETS, Past.MOVED, Past.PRICE_BEFORE, Past.OI_CHANGED)
)
_SEGMENT_BITS = np.uint32(8)
_LAST_PRICE, _STAMP = int(Word.LAST_PRICE), int(Word.EXCHANGE_TIMESTAMP)
_INDEX_WORDS: Final = frozenset(
    (Word.TOKEN, Word.LAST_PRICE, Word.OPEN, Word.HIGH, Word.LOW, Word.CLOSE, Word.EXCHANGE_TIMESTAMP)
)
"""What an index packet carries; an index has no volume, open interest or depth."""
