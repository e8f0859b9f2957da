"""The broker's instruments dump: CSV to `InstrumentTable` and back.

`tickertui.kite.client` and the instrument registry parse with it, the simulator writes with it. A dump holds about
a hundred thousand contracts, so the columns are converted as wholes; single rows are looked at only in a block that
does not convert.

Source of the format: Kite Connect v3 documentation, market quotes and instruments, "CSV response".
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from datetime import date
from io import StringIO
from operator import methodcaller
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.arrays import distinct
from tickertui.market.instruments import InstrumentKind, InstrumentTable
from tickertui.market.underlying_names import distinct_names, listed_name

HEADER: Final = (
    "instrument_token", "exchange_token", "tradingsymbol", "name", "last_price", "expiry", "strike", "tick_size",
    "lot_size", "instrument_type", "segment", "exchange",
)  # fmt: skip
"""The broker's columns in the broker's order; ``last_price`` is always 0 and is not read."""

_BLOCK_LINES: Final = 4096
"""Lines converted at once: enough to make the fixed costs vanish, few enough to keep the peak at a few MB."""

_MOST_BAD: Final = 0.1
"""A dump with more bad rows than this is not a dump (a page in between, another format)."""

_SHOWN_PROBLEMS: Final = 5

_KINDS: Final = {
    "EQ": InstrumentKind.EQUITY,
    "FUT": InstrumentKind.FUTURE,
    "CE": InstrumentKind.CALL,
    "PE": InstrumentKind.PUT,
}
_UNKNOWN_KIND: Final = -1
_INDEX_SEGMENT: Final = "INDICES"

_commas = methodcaller("count", ",")
T = TypeVar("T")


class DumpError(ValueError):
    """The bytes are not an instruments dump; the text names line and column."""


@frozen
class ParsedDump:
    """A dump and what was wrong with it.

    Attributes:
        table: The rows that could be read.
        skipped: Rows that could not.
        problems: The first few of them, one sentence each with line and column.
    """

    table: InstrumentTable
    skipped: int = 0
    problems: tuple[str, ...] = ()


def parse_instruments(content: bytes) -> InstrumentTable:
    """Parse a dump; see `parse_dump` for what was skipped.

    Raises:
        DumpError: When this is not a dump.
    """
    return parse_dump(content).table


def parse_dump(content: bytes) -> ParsedDump:
    """Parse a dump. Rows that cannot be read are skipped and counted.

    Columns are found by name, so that a new or moved one does no harm. An index is what stands in segment INDICES,
    whatever its type says.

    Args:
        content: The CSV as the broker sends it, UTF-8.

    Raises:
        DumpError: When a column is missing, no row can be read or more than a tenth of them cannot.
    """
    lines = _lines(content)
    reader = _Reader(_cells(lines[0]))
    for start in range(1, len(lines), _BLOCK_LINES):
        reader.read_block(lines[start : start + _BLOCK_LINES], start + 1)
    total = reader.read + reader.skipped
    if reader.skipped > total * _MOST_BAD:
        raise DumpError(
            f"the instruments dump cannot be read: {reader.skipped} of {total} rows are bad, "
            f"the first one: {reader.problems[0]}"
        )
    if not reader.read:
        raise DumpError("the instruments dump has a header but no rows")
    return ParsedDump(reader.table(), reader.skipped, tuple(reader.problems))


def _lines(content: bytes) -> list[str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DumpError(f"line {line} of the instruments dump is not UTF-8: {error.reason}") from None
    # Not splitlines(): that also breaks at characters that a name may hold, such as U+0085.
    lines = text.replace("\r\n", "\n").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise DumpError("the instruments dump is empty")
    return lines


def _columns(header: Sequence[str]) -> dict[str, int]:
    """Return the place of each needed column."""
    names = [name.strip() for name in header]
    missing = [name for name in HEADER if name not in names and name != "last_price"]
    if missing:
        seen = ", ".join(names)[:80]
        raise DumpError(f"line 1 of the instruments dump lacks the column {missing[0]}; it says: {seen}")
    return {name: names.index(name) for name in HEADER if name in names}


class _CellError(DumpError):
    """A cell that cannot be read."""

    def __init__(self, column: str, row: int, what: str) -> None:
        super().__init__(what)
        self.column = column
        self.row = row


class _Memo(dict[str, T]):
    """Remembers what a function made of each text; a dump repeats its names and dates thousands of times."""

    def __init__(self, function: Callable[[str], T]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, text: str) -> T:
        value = self[text] = self._function(text)
        return value


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error as error:
        raise _CellError("", 0, f"not CSV: {error}") from None


def _ordinal(text: str) -> int:
    return date.fromisoformat(text).toordinal() if text else 0


@frozen
class _Block:
    """Converted rows."""

    tokens: NDArray[np.int64]
    exchange_tokens: NDArray[np.int64]
    kinds: NDArray[np.int8]
    strikes: NDArray[np.float64]
    expiries: NDArray[np.int32]
    tick_sizes: NDArray[np.float64]
    lot_sizes: NDArray[np.int32]
    symbols: Sequence[str]
    names: Sequence[str]
    segments: Sequence[str]
    exchanges: Sequence[str]


class _Reader:
    """Reads blocks of lines and joins them to a table."""

    def __init__(self, header: Sequence[str]) -> None:
        self._width = len(header)
        self._where = _columns(header)
        self._blocks: list[_Block] = []
        self._ordinals = _Memo(_ordinal)
        # One object for each name, segment and exchange, not one for each row.
        self._words = _Memo(str)
        self.read = 0
        self.skipped = 0
        self.problems: list[str] = []

    def read_block(self, lines: Sequence[str], first_line: int) -> None:
        """Convert a block as a whole, or row by row where something in it does not convert."""
        cells = self._split(lines)
        if cells is not None:
            try:
                self._keep(self._convert(cells))
            except _CellError:
                pass
            else:
                return
        for number, line in enumerate(lines, first_line):
            if line.strip():
                self._read_line(line, number)

    def _split(self, lines: Sequence[str]) -> Sequence[Sequence[str]] | None:
        """Return the columns of a block; None when its rows are not all of the header's width."""
        joined = ",".join(lines)
        if '"' not in joined:
            if set(map(_commas, lines)) != {self._width - 1}:
                return None
            cells = joined.split(",")
            return [cells[column :: self._width] for column in range(self._width)]
        try:
            rows = list(csv.reader(lines))
        except csv.Error:
            return None
        if len(rows) != len(lines) or set(map(len, rows)) != {self._width}:
            return None
        return list(zip(*rows, strict=True))

    def _read_line(self, line: str, number: int) -> None:
        try:
            cells = _cells(line)
            if len(cells) != self._width:
                raise _CellError("", 0, f"{len(cells)} cells instead of {self._width}")
            self._keep(self._convert([(cell,) for cell in cells]))
        except _CellError as error:
            self.skipped += 1
            if len(self.problems) < _SHOWN_PROBLEMS:
                where = f"line {number}, column {error.column}" if error.column else f"line {number}"
                self.problems.append(f"{where}: {error}")

    def _keep(self, block: _Block) -> None:
        self._blocks.append(block)
        self.read += len(block.tokens)

    def _convert(self, cells: Sequence[Sequence[str]]) -> _Block:
        """Convert columns of cells.

        Raises:
            _CellError: When a cell cannot be read.
        """
        column = {name: cells[index] for name, index in self._where.items()}
        tokens = _integers("instrument_token", column["instrument_token"])
        _check("instrument_token", column, (tokens < 1) | (tokens >= 1 << 32), "not a positive 32-bit number")
        segments = list(map(self._words.__getitem__, column["segment"]))
        kinds = _kinds(column["instrument_type"], segments)
        _check("instrument_type", column, kinds == _UNKNOWN_KIND, "not EQ, FUT, CE or PE")
        expiries = self._expiries(column["expiry"])
        derivative = kinds >= InstrumentKind.FUTURE
        _check("expiry", column, derivative & (expiries == 0), "not a date, and a derivative has one")
        strikes = _numbers("strike", column["strike"])
        option = kinds >= InstrumentKind.CALL
        _check("strike", column, option & (strikes <= 0), "not a price, and an option has a strike")
        strikes[~option] = np.nan
        lot_sizes = _integers("lot_size", column["lot_size"])
        _check("lot_size", column, (lot_sizes < 0) | (lot_sizes >= 1 << 31), "not a number of units")
        return _Block(
            tokens=tokens,
            exchange_tokens=_exchange_tokens(column["exchange_token"], tokens),
            kinds=kinds,
            strikes=strikes,
            expiries=expiries,
            tick_sizes=_numbers("tick_size", column["tick_size"]),
            lot_sizes=lot_sizes.astype(np.int32),
            symbols=column["tradingsymbol"],
            names=list(map(self._words.__getitem__, column["name"])),
            segments=segments,
            exchanges=list(map(self._words.__getitem__, column["exchange"])),
        )

    def _expiries(self, texts: Sequence[str]) -> NDArray[np.int32]:
        try:
            return np.fromiter(map(self._ordinals.__getitem__, texts), np.int32, len(texts))
        except ValueError:
            raise _first_bad("expiry", texts, _ordinal, "not a date like 2026-11-24") from None

    def table(self) -> InstrumentTable:
        """Return all rows that were read, underlyings told apart."""
        kinds, strikes, expiries = self._joined("kinds"), self._joined("strikes"), self._joined("expiries")
        tokens, lot_sizes = self._joined("tokens").astype(np.uint32), self._joined("lot_sizes")
        symbols, exchanges = self._chained("symbols"), self._chained("exchanges")
        names = distinct_names(
            self._chained("names"), exchanges, symbols,
            tokens=tokens, kinds=kinds, expiries=expiries, strikes=strikes, lot_sizes=lot_sizes,
        )  # fmt: skip
        return InstrumentTable(
            tokens=tokens,
            exchange_tokens=self._joined("exchange_tokens"),
            kinds=kinds,
            strikes=strikes,
            expiries=expiries,
            tick_sizes=self._joined("tick_sizes"),
            lot_sizes=lot_sizes,
            symbols=symbols,
            names=names,
            segments=self._chained("segments"),
            exchanges=exchanges,
        )

    def _joined(self, name: str) -> NDArray[Any]:
        return np.concatenate([getattr(block, name) for block in self._blocks])

    def _chained(self, name: str) -> list[str]:
        return [text for block in self._blocks for text in getattr(block, name)]


def _integers(column: str, texts: Sequence[str]) -> NDArray[np.int64]:
    try:
        return np.fromiter(map(int, texts), np.int64, len(texts))
    except (ValueError, OverflowError):
        raise _first_bad(column, texts, _int64, "not a whole number") from None


def _int64(text: str) -> int:
    value = int(text)
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError("it does not fit 64 bits")
    return value


def _numbers(column: str, texts: Sequence[str]) -> NDArray[np.float64]:
    try:
        values = np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        raise _first_bad(column, texts, float, "not a number") from None
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise _CellError(column, int(bad[0]), f"{texts[bad[0]]!r} is not a finite number")
    return values


def _first_bad(column: str, texts: Sequence[str], convert: Callable[[str], object], what: str) -> _CellError:
    for row, text in enumerate(texts):
        try:
            convert(text)
        except ValueError:
            return _CellError(column, row, f"{text!r} is {what}")
    raise AssertionError(f"every cell of column {column} converts on its own but not the column")


def _check(name: str, column: dict[str, Sequence[str]], bad: NDArray[np.bool_], what: str) -> None:
    rows = np.flatnonzero(bad)
    if len(rows):
        row = int(rows[0])
        raise _CellError(name, row, f"{column[name][row]!r} is {what}")


def _kinds(types: Sequence[str], segments: Sequence[str]) -> NDArray[np.int8]:
    kinds = np.fromiter((_KINDS.get(text, _UNKNOWN_KIND) for text in types), np.int8, len(types))
    if _INDEX_SEGMENT in segments:
        kinds[[segment == _INDEX_SEGMENT for segment in segments]] = InstrumentKind.INDEX
    return kinds


def _exchange_tokens(texts: Sequence[str], tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the exchange's numbers; one that is no number is taken from the token, which holds it for most."""
    try:
        return np.fromiter(map(int, texts), np.int64, len(texts))
    except (ValueError, OverflowError):
        numbers = [int(text) if text.isdecimal() and len(text) < 19 else -1 for text in texts]
        return np.where(np.array(numbers) < 0, tokens >> 8, numbers)


# ---------------------------------------------------------------------- writing


def format_instruments(table: InstrumentTable) -> bytes:
    """Write a table as the broker writes it: same header, same forms; an index has type EQ in segment INDICES."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    labels = {int(kind): kind.label for kind in InstrumentKind} | {int(InstrumentKind.INDEX): "EQ"}
    ordinals = table.expiries.tolist()
    expiries = {
        ordinal: date.fromordinal(ordinal).isoformat() if ordinal else ""
        for ordinal in distinct(table.expiries).tolist()
    }
    writer.writerows(
        zip(
            table.tokens.tolist(),
            table.exchange_tokens.tolist(),
            table.symbols,
            [listed_name(name) if ordinal else name for name, ordinal in zip(table.names, ordinals, strict=True)],
            ["0.0"] * len(table),
            [expiries[ordinal] for ordinal in ordinals],
            np.nan_to_num(table.strikes, nan=0.0).tolist(),
            table.tick_sizes.tolist(),
            table.lot_sizes.tolist(),
            [labels[kind] for kind in table.kinds.tolist()],
            table.segments,
            table.exchanges,
            strict=True,
        )
    )
    return out.getvalue().encode()
