"""`MarketBoard`: the latest state of everything that ticks, as columns.

Feeds call `MarketBoard.apply`; the screen, the valuation and the health figures read the columns at their own
pace and find what changed by comparing `versions` with the `sequence` they saw last. There is no queue and no
callback: a tick costs its copy into the board and nothing else.

Row 0 is nobody's: it stays empty for ever and stands for "not on the board", so that a lookup of an unknown token
needs no special case (its price is NaN, its source NONE). The board is used from one thread, the event loop's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market import figures
from tickertui.market.board_columns import DOUBTFUL, META_RECORD, META_VOID, PAST_VOID, ROW_VOID, Meta
from tickertui.market.board_columns import BoardCounters as BoardCounters
from tickertui.market.board_columns import Derived as Derived
from tickertui.market.board_columns import RowFacts as RowFacts
from tickertui.market.board_rows import BoardRows
from tickertui.market.instruments import INDEX_SEGMENT_CODE
from tickertui.market.stamps import LATE_S, StampWatch, is_late
from tickertui.market.ticks import WORDS, BatchPart, Mode, Source, TickBatch, Word, in_frame_order, kept_parts

_KNOWN_NS: Final = 12 * 3_600 * 1_000_000_000
"""How long what is known outlives packets that say nothing: over a night, not into the next session."""

_LOOK_MASK: Final = 255
"""Each 256th batch, volumes are looked at for those that may go round: they take hours from a half to the whole."""

_SMALL: Final = 8
"""Below this many rows, plain Python beats numpy's fixed cost of about 1 µs a call."""


class MarketBoard(BoardRows):
    """Columnar state of all instruments of the plan, and the way of ticks into it.

    Attributes:
        counters: What was taken in and refused.
        generation: Batches of an older subscription plan than this are dropped.

    Args:
        capacity: Rows to start with; the board doubles when it is full.
    """

    def __init__(self, capacity: int = 1024) -> None:
        super().__init__(capacity)
        self.counters = BoardCounters()
        self.generation = 0
        self._stamps = StampWatch()
        self._large_volumes = False
        self._all_priced = True

    def apply(self, batch: TickBatch) -> int:
        """Write a batch into the board.

        Unknown tokens, packets of an older plan and packets that come late (exchange time behind the row's) are
        counted and dropped. A packet whose exchange time lies ahead of the market's clock is counted and taken in, its
        row is `doubtful` until the next one, and that time keeps no later packet out. What is known is not replaced by
        what cannot be (`tickertui.market.figures`): a packet that says nothing is counted and dropped, an open interest
        or a volume of 0 after a known one, and a volume that has gone round, are not taken over.

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
        if not counters.batches & _LOOK_MASK:
            self._look()
        applied = self._apply_in_order(batch) if len(batch) < _SMALL else self._apply_at_once(batch)
        counters.ticks += applied
        return applied

    def _look(self) -> None:
        """See what batches need not look for each time: volumes that may go round, and rows without a price."""
        words = self.words
        self._large_volumes = bool((words[:, _VOLUME] >= 1 << 31).any())
        self._all_priced = not ((words[:, 0] != 0) & (words[:, _LAST_PRICE] == 0)).any()

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
        ahead, row_of = [], self._directory.of.get
        for part, indices in in_frame_order(batch):
            record = np.frombuffer(self._record(batch, part.mode), META_VOID)
            for index in indices:
                new = words[index, : part.width]
                row = row_of(new.item(0), 0)
                if not row:
                    self.counters.unknown_tokens += 1
                elif self._write_row(row, new, batch, own_limit, is_index=part.is_index):
                    self._meta_void[row] = record[0]
                    applied += 1
                    if part.width > _STAMP and new.item(_STAMP) > limit:
                        ahead.append(row)
        if ahead:
            self._doubt(np.array(ahead, dtype=np.intp), batch.received_wall_ns)
        return applied

    def _write_row(
        self, row: int, new: NDArray[np.uint32], batch: TickBatch, own_limit: int, *, is_index: bool
    ) -> bool:
        """Write one row's words and what changed with them; False when it comes late or says nothing."""
        old, past = self.words[row], self._past[row]
        width = len(new)
        old_price, new_price = old.item(_LAST_PRICE), new.item(_LAST_PRICE)
        if width > _STAMP and 0 < old.item(_STAMP) - new.item(_STAMP) < LATE_S:
            one = np.array([row])
            if len(self._late(one, new[None, _STAMP], old[None, _STAMP], batch.source, own_limit)):
                return False
        if not new_price:
            self._all_priced = False
            if old_price and not is_index:
                one = np.array([row])
                if len(self._nothing_new(one, new[None], width, old[None], batch)):
                    return False
        if width == WORDS:
            oi = new.item(_OI)
            if (not oi or old.item(_VOLUME) >> 31) and figures.impossible(new[None], old[None]):
                new = new.copy()
                figures.keep_known(new[None], old[None])
                oi = new.item(_OI)
            if old.item(_OI) != oi and old.item(_STAMP):
                past[3] = batch.received_wall_ns
        if old_price and old_price != new_price:
            past[1] = batch.received_ns
            past[2] = old_price
        past[0] = past.item(0) + 1
        old[:width] = new
        return True

    def _apply_at_once(self, batch: TickBatch) -> int:
        words, parts = batch.words, batch.parts
        rows, old, unknown, is_known = self._find(words)
        if batch.positions is not None and self._holds_twice(rows):
            # A token twice, in packets of different lengths: only the order of the frame tells which is the later.
            return self._apply_in_order(batch)
        was_priced = self._all_priced
        words, skip, ahead = self._judge(batch, rows, old, unknown)
        if skip is not None:
            kept = np.flatnonzero(~skip)
            if not len(kept):
                return 0
            rows, words, old, parts = rows[kept], words[kept], old[kept], kept_parts(parts, kept)
        self._note_changes(batch, parts, rows, words, old, has_prices=is_known and was_priced)
        self._write(batch, parts, rows, words, old)
        if ahead is not None:
            self._doubt(ahead, batch.received_wall_ns)
        return len(rows)

    def _find(self, words: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.uint32], int, bool]:
        """Return the rows of a batch's tokens, 0 where unknown, what they hold, how many are unknown, and another fact.

        That is whether every one of them has had a packet.

        One look into the direct table, checked against the token that the row itself holds; where that differs (the
        row's first packet, an exchange token in two segments) the dictionary decides.
        """
        tokens = words[:, 0]
        rows = self._directory.dense.take(tokens >> _SEGMENT_BITS, mode="clip")
        old = self.words.take(rows, axis=0)
        if not np.count_nonzero(old[:, 0] != tokens):
            return rows, old, 0, True
        differs = np.flatnonzero(self.tokens.take(rows) != tokens)
        if len(differs):
            get = self._directory.of.get
            rows[differs] = [get(token, 0) for token in tokens[differs].tolist()]
            old = self.words.take(rows, axis=0)
        return rows, old, len(rows) - int(np.count_nonzero(rows)), False

    def _holds_twice(self, rows: NDArray[np.intp]) -> bool:
        """Whether a row other than 0 occurs twice: each writes its place in the batch, the last one's stays."""
        places = np.arange(len(rows))
        self._place[rows] = places
        lost = self._place[rows] != places
        return bool(np.count_nonzero(lost)) and bool(rows[lost].any())

    def _judge(
        self, batch: TickBatch, rows: NDArray[np.intp], old: NDArray[np.uint32], unknown: int
    ) -> tuple[NDArray[np.uint32], NDArray[np.bool_] | None, NDArray[np.intp] | None]:
        """Find what must not be written.

        Returns:
            The words of the batch without figures that cannot be, the rows that must not be written, bool[n] (unknown
            token, late packet, one that says nothing), and those stamped ahead. In the usual case the first is the
            batch's own array and the others are None.
        """
        words, skip, ahead = batch.words, None, None
        if unknown:
            skip = rows == 0
            self.counters.unknown_tokens += unknown
        latest, own_limit = self._stamps.limits(batch.received_wall_ns)
        limit = np.uint32(latest)  # compared with a Python number, 500 stamps take half as long again
        any_priceless = np.count_nonzero(words[:, _LAST_PRICE]) < len(words)
        for start, stop, width, _, is_index in batch.parts:
            priceless = any_priceless and np.count_nonzero(words[start:stop, _LAST_PRICE]) < stop - start
            if priceless:
                self._all_priced = False
            if not is_index and (
                priceless
                or (width == WORDS and np.count_nonzero(words[start:stop, _OI]) < stop - start)
                or self._large_volumes
            ):
                words, nothing = self._known_kept(batch, words, slice(start, stop), width, rows[start:stop], old)
                skip = _marked(skip, start + nothing, len(rows))
            if width <= _STAMP:
                continue
            stamps, shown = words[start:stop, _STAMP], old[start:stop, _STAMP]
            behind, beyond = stamps < shown, stamps > limit
            if np.count_nonzero(behind):
                places = np.flatnonzero(behind)
                late = self._late(rows[start + places], stamps[places], shown[places], batch.source, own_limit)
                skip = _marked(skip, start + places[late], len(rows))
            if np.count_nonzero(beyond):
                found = rows[start:stop][beyond]
                ahead = found if ahead is None else np.concatenate((ahead, found))
        return words, skip, ahead

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

    def _nothing_new(
        self,
        rows: NDArray[np.intp],
        words: NDArray[np.uint32],
        width: int,
        shown: NDArray[np.uint32],
        batch: TickBatch,
    ) -> NDArray[np.intp]:
        """Which of these packets say nothing of what is known for hours at most; they are counted."""
        meta = self._meta[rows]
        nothing = figures.emptied(words, width, shown) & (words[:, 0] & 0xFF != INDEX_SEGMENT_CODE)
        nothing &= (meta[:, Meta.FLAGS] & 0xFF == batch.source) & (rows > 0)
        places = np.flatnonzero(nothing & (batch.received_wall_ns - meta[:, Meta.RECEIVED_WALL] < _KNOWN_NS))
        self.counters.emptied += len(places)
        np.add.at(self.packets, rows[places], 1)
        return places

    def _known_kept(
        self,
        batch: TickBatch,
        words: NDArray[np.uint32],
        part: slice,
        width: int,
        rows: NDArray[np.intp],
        old: NDArray[np.uint32],
    ) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
        """Look closely at a part with zeros: return the words without what cannot be, and which say nothing at all."""
        new, shown = words[part], old[part]
        nothing = self._nothing_new(rows, new, width, shown, batch)
        if width == WORDS:
            wrong = np.flatnonzero(figures.impossible(new, shown))
            if len(wrong):
                words, mended = words.copy(), new[wrong]
                figures.keep_known(mended, shown[wrong])
                words[part.start + wrong] = mended
        return words, nothing

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
        *,
        has_prices: bool,
    ) -> None:
        """Count the packets; keep when price and open interest changed last, and which way the price went."""
        past = self._past.take(rows, axis=0)
        past[:, 0] += 1
        price, before = words[:, 1], old[:, 1]
        moved = price != before
        changes = int(np.count_nonzero(moved))
        if changes:
            if not has_prices and np.count_nonzero(before) < len(rows):
                moved &= before != 0
                changes = 0
            if changes == len(rows):
                past[:, 1], past[:, 2] = batch.received_ns, before
            else:
                np.copyto(past[:, 1], batch.received_ns, where=moved)
                np.copyto(past[:, 2], before, where=moved)
        for part in parts:
            if part.width == WORDS:
                start, stop = part.start, part.stop
                changed = words[start:stop, 12] != old[start:stop, 12]
                if np.count_nonzero(changed):
                    # An exchange time of 0: no full packet before this one, its open interest was not known.
                    if np.count_nonzero(old[start:stop, _STAMP]) < stop - start:
                        changed &= old[start:stop, _STAMP] != 0
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


_SEGMENT_BITS = np.uint32(8)
# Plain integers: a look into an enumeration takes Python 3.11 longer than the rest of a call.
_LAST_PRICE, _VOLUME, _OI, _STAMP = (
    int(word) for word in (Word.LAST_PRICE, Word.VOLUME, Word.OPEN_INTEREST, Word.EXCHANGE_TIMESTAMP)
)


def _marked(skip: NDArray[np.bool_] | None, places: NDArray[np.intp], count: int) -> NDArray[np.bool_] | None:
    """Rows that must not be written, these among them; None while there are none."""
    if not len(places):
        return skip
    if skip is None:
        skip = np.zeros(count, dtype=np.bool_)
    skip[places] = True
    return skip
