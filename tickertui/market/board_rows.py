"""`BoardRows`: which rows the board has given out, what they hold, and how it is read.

`tickertui.market.board.MarketBoard` adds what writes ticks into them; whoever holds a board reads it by what is here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tickertui.market import figures
from tickertui.market.board_columns import (
    DERIVED_VOID,
    DOUBTFUL,
    META_VOID,
    PAST_VOID,
    ROW_VOID,
    Derived,
    Meta,
    Past,
    RowFacts,
)
from tickertui.market.instruments import INDEX_SEGMENT_CODE
from tickertui.market.ticks import ABSENT, WORDS, Mode, Source, Word
from tickertui.market.token_rows import TokenRows
from tickertui.market.wire_prices import rupees, rupees_of, signed_word, signed_words


class BoardRows:
    """Columnar state of all instruments of the plan, as it is read.

    Rows are given out by `ensure` and freed by `release`. A row number stays valid until its token is released;
    `layout` changes whenever one may have moved. Arrays are replaced when the board grows: read them through the
    board at each use, do not keep them.

    Attributes:
        words: uint32[capacity, 46], the last packet of each row, prices as the wire's integers.
        tokens: uint32[capacity], 0 for a free row.
        subscribed_ns: int64[capacity], monotonic time of the last subscription, 0 = never.
        previous_oi: int64[capacity], open interest at the previous close, -1 = not known.
        derived: float64[capacity, 18], see `Derived`; NaN where there is no value.
        derived_status: int8[capacity], status of the implied volatility, -1 = not computed.
        derived_ns: int64[capacity], monotonic time of the oldest input of the derived values.
        sequence: Number of the last applied batch; a row with ``versions > seen`` changed since ``seen``.
        layout: Changes whenever rows were given out or freed.

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
        self.sequence = 0
        self.layout = 0
        self._directory = TokenRows()
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
        self._derived_void = self.derived.view(DERIVED_VOID)[:, 0]

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
        return _direction(self.words[:, _LAST_PRICE], before, self.tokens, slice(None))

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

    def is_doubtful(self, row: int) -> bool:
        """Whether `doubtful` is true of one row, without a look at the others."""
        return bool(self._meta.item(row, _FLAGS) & DOUBTFUL)

    @property
    def flags(self) -> NDArray[np.int64]:
        """int64[capacity]: `Source` and `Mode` and `DOUBTFUL` in one, see `Meta.FLAGS`; read for some rows at once."""
        return self._meta[:, Meta.FLAGS]

    @property
    def generations(self) -> NDArray[np.int64]:
        """int64[capacity]: number of the subscription plan of the last packet."""
        return self._meta[:, Meta.GENERATION]

    def touch(self, rows: NDArray[np.intp]) -> None:
        """Mark rows as changed for readers that look at `versions` (after derived values were written)."""
        self.sequence += 1
        self._meta[rows, Meta.VERSION] = self.sequence

    def write_derived(
        self, rows: NDArray[np.intp], values: NDArray[np.float64], status: NDArray[np.int8], oldest: NDArray[np.int64]
    ) -> None:
        """Write what the valuation has computed of some rows, and mark them as changed.

        Args:
            rows: intp[n].
            values: float64[n, 18], by `Derived`, contiguous.
            status: int8[n], status of the implied volatilities.
            oldest: int64[n], monotonic times of the oldest inputs.
        """
        # A record at a time: column by column takes twice as long.
        self._derived_void.put(rows, values.view(DERIVED_VOID))
        self.derived_status.put(rows, status)
        self.derived_ns.put(rows, oldest)
        self.touch(rows)

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
            # Not `take`: of a column it would copy the whole.
            direction=_direction(self.words[:, _LAST_PRICE][rows], before, self.tokens, rows),
            moved_ns=past[..., _MOVED],
            oi_changed_ns=past[..., _OI_CHANGED],
            doubtful=flags & DOUBTFUL,
        )

    def facts_of(self, row: int) -> tuple[int, ...]:
        """Return the same of one row, in the same order: without numpy's cost per call."""
        received, _, version, connection, _, flags = self._meta[row].tolist()
        packets, moved, before, oi_changed = self._past[row].tolist()
        direction = 0
        if before > 0:
            token = self.tokens.item(row)
            step = signed_word(self.words.item(row, _LAST_PRICE), token) - signed_word(before, token)
            direction = (step > 0) - (step < 0)
        return (
            flags & 0xFF, flags >> 8 & 0xFF, version, received, connection, packets, direction, moved, oi_changed,
            flags & DOUBTFUL,
        )  # fmt: skip

    def price_of(self, row: int, word: Word | int = Word.LAST_PRICE) -> float:
        """Return one price field of one row in rupees, NaN where `price` gives it: without numpy's cost per call."""
        token, raw = self.tokens.item(row), self.words.item(row, word)
        carried = self._meta.item(row, _FLAGS) >> 8 & 0xFF > word
        sent = carried and (word in _INDEX_WORDS or token & 0xFF != INDEX_SEGMENT_CODE)
        return rupees_of(raw, token) if sent else float("nan")

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
            float64[k], NaN where the row's last packet did not carry it or it is none (`wire_prices.known_prices`).
        """
        rows = np.asarray(rows, dtype=np.intp)
        return rupees(self.field(rows, word), self.tokens[rows])

    def interest(self, rows: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return volume, open interest and its change since the previous close, units, NaN where not known.

        Args:
            rows: intp rows of this board, of whatever shape; the result has it too.
        """
        rows = np.asarray(rows, dtype=np.intp)
        volume, oi = (self._quantity(rows, word) for word in (Word.VOLUME, Word.OPEN_INTEREST))
        previous = self.previous_oi[rows]
        figures.blank_zeros(self.price(rows), volume, oi, previous)
        return volume, oi, figures.change_of(oi, previous)

    def _quantity(self, rows: NDArray[np.intp], word: Word) -> NDArray[np.float64]:
        raw = self.field(rows, word)
        return np.where((raw == ABSENT) | ~figures.known_quantities(raw), np.nan, raw.astype(np.float64))

    def untraded(self, rows: ArrayLike) -> NDArray[np.bool_]:
        """Return whose last price is of another day: nothing has traded in the session of the last packet.

        Nobody knows in ltp mode, which has no volume. A mock's prices are synthetic, traded or not.

        Args:
            rows: intp rows of this board, of whatever shape.
        """
        rows = np.asarray(rows, dtype=np.intp)
        untraded: NDArray[np.bool_] = self.words[:, _VOLUME][rows] == 0
        if untraded.any():  # in a session most have traded
            flags = self._meta[:, _FLAGS][rows]
            untraded &= (flags >> 8 & 0xFF > _VOLUME) & (flags & 0xFF != _MOCK)
            untraded &= self.tokens[rows] & 0xFF != INDEX_SEGMENT_CODE
        return untraded

    def is_untraded(self, row: int) -> bool:
        """Whether `untraded` is true of one row, without numpy's cost per call."""
        flags = self._meta.item(row, _FLAGS)
        if self.words.item(row, _VOLUME) or flags >> 8 & 0xFF <= _VOLUME or flags & 0xFF == _MOCK:
            return False
        return self.tokens.item(row) & 0xFF != INDEX_SEGMENT_CODE

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
_LAST_PRICE, _VOLUME = int(Word.LAST_PRICE), int(Word.VOLUME)
_MOCK = int(Source.MOCK)
_INDEX_WORDS: Final = frozenset(
    (Word.TOKEN, Word.LAST_PRICE, Word.OPEN, Word.HIGH, Word.LOW, Word.CLOSE, Word.EXCHANGE_TIMESTAMP)
)
"""What an index packet carries; an index has no volume, open interest or depth."""


def _direction(
    now: NDArray[np.uint32], before: NDArray[np.int64], tokens: NDArray[np.uint32], rows: NDArray[np.intp] | slice
) -> NDArray[np.int64]:
    """Which way the prices of rows went, by their words; 0 where there was none before."""
    step: NDArray[np.int64] = now - before
    # A price below zero is a word with its high bit set. Where both have it, or none, the difference is the same.
    if np.maximum.reduce(now, axis=None, initial=0) >> 31 or np.maximum.reduce(before, axis=None, initial=0) >> 31:
        step = signed_words(now, tokens[rows]) - signed_words(before, tokens[rows])
    return np.sign(step) * (before > 0)
