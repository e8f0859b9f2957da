"""`SearchIndex`: finds contracts by what a trader types: ``nifty 24500 ce dec``, ``bnf fut``, ``8dec 245``.

The text is cut into words, each word is compared with the few hundred *different* names, expiries, strikes and kinds of
the day rather than with each of the hundred thousand contracts, and the marks are then looked up for all contracts at
once. Every word must fit something. A name may be begun, contained, abbreviated by letters in order, or mistyped; a
strike may be begun, and where nothing else fits, be near; an expiry may be a month, a day, a year or both of them.
Nothing takes a trading symbol apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable

Marks = NDArray[np.float32]

_WORDS: Final = re.compile(r"[a-z&]+|[0-9]+(?:\.[0-9]+)?", re.ASCII)
_EXACT: Final = 1.0
_BEGUN: Final = 0.8
_CONTAINED: Final = 0.5
_ABBREVIATED: Final = 0.35
_MISTYPED: Final = 0.3
_DAY_MARK: Final = 0.7
_LEAST_MISTYPED: Final = 4
"""Letters below which a wrong one makes another word."""
_LEAST_TWICE_MISTYPED: Final = 6
_NEAR: Final = 0.3
_NEAR_PART: Final = 0.03
"""Part of the price by which a strike may differ from the typed one and still be shown, where nothing else fits."""

_KIND_WORDS: Final = {
    InstrumentKind.CALL: ("ce", "c", "call", "calls"),
    InstrumentKind.PUT: ("pe", "p", "put", "puts"),
    InstrumentKind.FUTURE: ("fut", "future", "futures"),
    InstrumentKind.INDEX: ("index", "spot"),
    InstrumentKind.EQUITY: ("eq", "equity", "share", "stock"),
}
_DIGITS: Final = frozenset("0123456789")
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_LEAST_MONTH: Final = 3


class SearchIndex:
    """Marks contracts for words; built once for a dump (about 60 ms for a full one), in a worker thread.

    Args:
        table: The contracts.
    """

    def __init__(self, table: InstrumentTable) -> None:
        self._table = table
        self._names, self._name_ids = _unique(_names_of(table))
        self._letters = _matrix(self._names)
        self._expiries, self._expiry_ids = np.unique(table.expiries, return_inverse=True)
        self._strikes, self._strike_ids = np.unique(np.nan_to_num(table.strikes, nan=-1.0), return_inverse=True)
        self._strike_texts = ["" if strike < 0 else f"{strike:g}" for strike in self._strikes.tolist()]
        self._symbols = [symbol.lower() for symbol in table.symbols]
        self._name_words = [frozenset(name.split()) for name in self._names]
        self._tie = self._ties()

    def _ties(self) -> NDArray[np.int64]:
        """Order of equally good contracts.

        Derivatives before shares, near expiries before far ones, the future before the options, and these from the
        middle of the listed strikes outwards: the money is not known here, but that is where it mostly is.
        """
        table = self._table
        order = np.lexsort((self._strike_ids, table.expiries, self._name_ids))
        chains = self._name_ids[order] << 32 | table.expiries[order]
        _, starts, numbers, counts = np.unique(chains, return_index=True, return_inverse=True, return_counts=True)
        strikes = self._strikes[self._strike_ids]
        middles = strikes[order[starts + counts // 2]]
        outwards = np.empty(len(table), dtype=np.float64)
        outwards[order] = np.abs(strikes[order] - middles[numbers])
        outwards[table.kinds < InstrumentKind.CALL] = -1.0
        spot_last = table.kinds < InstrumentKind.FUTURE
        order = np.lexsort((table.kinds, self._strike_ids, outwards, self._name_ids, table.expiries, spot_last))
        ties = np.empty(len(table), dtype=np.int64)
        ties[order] = np.arange(len(table))
        return ties

    def find(self, text: str, limit: int = 50) -> tuple[Instrument, ...]:
        """Return the contracts that fit the text, best first.

        Args:
            text: What was typed.
            limit: At most this many.
        """
        typed = text.lower().split()
        if not typed or limit < 1 or not len(self._table):
            return ()
        marks = self._mark_all(typed, near=False)
        if not marks.any():
            marks = self._mark_all(typed, near=True)
        whole = " ".join(typed)
        marks[[row for row, symbol in enumerate(self._symbols) if symbol == whole]] += len(typed)
        rows = np.flatnonzero(marks)
        if len(rows) > limit:
            rows = rows[_largest(marks[rows], self._tie[rows], limit)]
        rows = rows[np.lexsort((self._tie[rows], -marks[rows]))]
        return tuple(self._table.instrument(int(row)) for row in rows)

    # ------------------------------------------------------------------ words

    def _mark_all(self, words: Sequence[str], *, near: bool) -> Marks:
        """Mark the contracts for several words: zero where one of them does not fit."""
        marks = np.zeros(len(self._table), dtype=np.float32)
        fits = np.ones(len(self._table), dtype=np.bool_)
        for word in words:
            found = self._mark_typed(word, near=near)
            fits &= found > 0
            marks += found
        return np.where(fits, marks, np.float32(0.0))

    def _mark_typed(self, word: str, *, near: bool) -> Marks:
        """Mark the contracts for one typed word, which may be a trading symbol or several words run together."""
        parts = _WORDS.findall(word)
        if len(parts) <= 1:
            return self._mark(parts[0] if parts else word, near=near)
        marks = self._mark_all(parts, near=near)
        for row, symbol in enumerate(self._symbols):
            if word in symbol:
                part = _EXACT if word == symbol else _BEGUN if symbol.startswith(word) else _CONTAINED
                marks[row] = max(float(marks[row]), len(parts) * part)
        return marks

    def _mark(self, word: str, *, near: bool) -> Marks:
        """Mark the contracts for one word: the best of what it may mean."""
        if word[:1] in _DIGITS:
            expiries = self._mark_expiries(lambda expiry: _mark_number(word, expiry))
            names = np.array([_BEGUN if word in words else 0.0 for words in self._name_words], dtype=np.float32)
            strikes = self._mark_strikes(word, near=near)
            return np.maximum(np.maximum(strikes[self._strike_ids], expiries), names[self._name_ids])
        marks = self._mark_names(word)[self._name_ids]
        if len(word) >= _LEAST_MONTH:
            marks = np.maximum(marks, self._mark_expiries(lambda expiry: _mark_month(word, expiry)))
        kinds = np.zeros(len(InstrumentKind), dtype=np.float32)
        for kind, words in _KIND_WORDS.items():
            kinds[kind] = _EXACT if word in words else 0.0
        if kinds.any():
            marks = np.maximum(marks, kinds[self._table.kinds])
        return marks

    def _mark_names(self, word: str) -> Marks:
        marks = np.array([_mark_name(word, name) for name in self._names], dtype=np.float32)
        if not (marks >= _CONTAINED).any() and len(word) >= _LEAST_MISTYPED:
            allowed = 1 if len(word) < _LEAST_TWICE_MISTYPED else 2
            distances = _edit_distances(word, self._letters)
            close = distances <= allowed
            marks[close] = np.maximum(marks[close], _MISTYPED + 0.1 / (1 + distances[close]))
        return marks

    def _mark_strikes(self, word: str, *, near: bool) -> Marks:
        """Mark the strikes that a number is or begins, and on demand those next to it."""
        price = float(word)
        wanted = f"{price:g}"
        marks = np.array([_mark_begun(wanted, text) for text in self._strike_texts], dtype=np.float32)
        if not near:
            return marks
        distance = np.abs(self._strikes - price) / max(price, 1.0)
        close = np.where(distance < _NEAR_PART, _NEAR * (1 - distance / _NEAR_PART), 0.0)
        return np.maximum(marks, close.astype(np.float32))

    def _mark_expiries(self, mark: Callable[[date], float]) -> Marks:
        marks = [mark(date.fromordinal(ordinal)) if ordinal else 0.0 for ordinal in self._expiries.tolist()]
        return np.array(marks, dtype=np.float32)[self._expiry_ids]


def _names_of(table: InstrumentTable) -> list[str]:
    """What each contract goes by: a derivative by its underlying, a share or index by symbol and full name."""
    spot = (table.kinds <= InstrumentKind.INDEX).tolist()
    return [
        f"{symbol} {name}".lower() if is_spot else name.lower()
        for is_spot, symbol, name in zip(spot, table.symbols, table.names, strict=True)
    ]


def _unique(texts: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    known: dict[str, int] = {}
    numbers = np.array([known.setdefault(text, len(known)) for text in texts], dtype=np.int64)
    return list(known), numbers


def _mark_begun(word: str, text: str) -> float:
    if word == text:
        return _EXACT
    return _BEGUN * len(word) / len(text) if text.startswith(word) else 0.0


def _mark_name(word: str, name: str) -> float:
    if word in name:
        if word == name:
            return _EXACT
        if name.startswith(word):
            # "nifty" is the share NIFTYBEES less than it is the underlying NIFTYNXT50, and a whole word counts more.
            return _BEGUN + (0.1 if name[len(word)] == " " else 0.1 * len(word) / len(name))
        return _CONTAINED + 0.1 * len(word) / len(name)
    return _ABBREVIATED * (0.5 + len(word) / (2 * len(name))) if _is_abbreviation(word, name) else 0.0


def _is_abbreviation(word: str, name: str) -> bool:
    """Whether the letters of a word stand in a name in this order, the first one at its start."""
    if len(word) < 2 or name[0] != word[0]:
        return False
    place = 0
    for letter in word:
        place = name.find(letter, place) + 1
        if not place:
            return False
    return True


def _mark_month(word: str, expiry: date) -> float:
    month = _MONTHS[expiry.month - 1]
    if not month.startswith(word):
        return 0.0
    return _EXACT


def _mark_number(word: str, expiry: date) -> float:
    """Mark an expiry for a number: its day, its year, or its date written together (0812, 20261208)."""
    if word in (f"{expiry:%d}", f"{expiry.day}"):
        return _DAY_MARK
    if word in (f"{expiry:%Y}", f"{expiry:%y}"):
        return _CONTAINED
    return _EXACT if word in (f"{expiry:%d%m}", f"{expiry:%Y%m%d}", f"{expiry:%y%m%d}") else 0.0


def _matrix(names: Sequence[str]) -> NDArray[np.uint8]:
    """Letters of the first word of each name, one row each, padded with zeros."""
    firsts = [name.partition(" ")[0].encode("ascii", "replace") for name in names]
    width = max((len(first) for first in firsts), default=0)
    padded = b"".join(first.ljust(width, b"\0") for first in firsts)
    return np.frombuffer(padded, dtype=np.uint8).reshape(len(firsts), width)


def _edit_distances(word: str, letters: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the edits (one letter more, less, other, or two swapped) from a word to each name or its beginning.

    The optimal string alignment distance, its table filled for all names at once. Its last row holds the distances to
    all beginnings of the names; what the best beginning leaves out costs half an edit, however much it is.
    """
    count, width = letters.shape
    lengths = (letters != 0).sum(axis=1)
    before_last = np.zeros((count, width + 1), dtype=np.int64)
    last = np.tile(np.arange(width + 1), (count, 1))
    codes = word.encode("ascii", "replace")
    for row, code in enumerate(codes, 1):
        current = np.empty_like(last)
        current[:, 0] = row
        differs = letters != code
        for column in range(1, width + 1):
            best = np.minimum(last[:, column] + 1, current[:, column - 1] + 1)
            best = np.minimum(best, last[:, column - 1] + differs[:, column - 1])
            if row > 1 and column > 1:
                swapped = (letters[:, column - 2] == code) & (letters[:, column - 1] == codes[row - 2])
                best = np.where(swapped, np.minimum(best, before_last[:, column - 2] + 1), best)
            current[:, column] = best
        before_last, last = last, current
    whole = last[np.arange(count), lengths]
    beyond = np.arange(width + 1) > lengths[:, None]
    return np.asarray(np.minimum(whole, np.where(beyond, len(codes) + width, last).min(axis=1) + 0.5))


def _largest(marks: Marks, ties: NDArray[np.int64], limit: int) -> NDArray[np.intp]:
    """Return the places of the ``limit`` best, in no order, by mark and then by tie."""
    threshold = np.partition(marks, len(marks) - limit)[len(marks) - limit]
    better = np.flatnonzero(marks > threshold)
    equal = np.flatnonzero(marks == threshold)
    missing = limit - len(better)
    if missing < len(equal):
        equal = equal[np.argpartition(ties[equal], missing)[:missing]] if missing else equal[:0]
    return np.concatenate([better, equal])
