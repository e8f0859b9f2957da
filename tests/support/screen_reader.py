"""Reads figures off painted lines, as a person does: the number under a heading, to the precision it is shown in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

UNITS = {"": 1.0, "K": 1e3, "L": 1e5, "C": 1e7, "%": 1.0}
_NUMBER = re.compile(r"(?P<sign>[+-]?)(?P<digits>[\d,]*\.?\d+)(?P<unit>[KLC%]?)")
_MISSING = "—"
_MARKS = str.maketrans("~▶◀•", "    ")
"""Of synthetic prices, of the money and of pinned rows."""


@dataclass(frozen=True)
class Painted:
    """A figure on the screen.

    Attributes:
        text: As it is painted.
        value: What it says, None for the dash.
        half_unit: Half of its last digit: it stands for everything within that.
        has_sign: Whether a sign is painted.
    """

    text: str
    value: float | None
    half_unit: float = 0.0
    has_sign: bool = False

    def shows(self, value: float | None, *, slack: float = 1e-6) -> bool:
        """Whether it is what a value rounds to.

        Args:
            value: What it should say, None for nothing.
            slack: Of the last digit: two correct calculations differ by a little, and so may the rounding of a half.
        """
        if value is None or self.value is None:
            return value is None and self.value is None
        return abs(self.value - value) <= self.half_unit * (1 + slack) + 1e-9 * abs(value)


def painted(text: str) -> Painted:
    """Return the figure in a cell: the first number in it, or the dash.

    Raises:
        ValueError: When there is neither.
    """
    plain = text.translate(_MARKS).strip()
    match = _NUMBER.search(plain)
    if match is None and _MISSING in plain:
        return Painted(text, None)
    if match is None:
        raise ValueError(f"no figure in {text!r}")
    digits, unit = match["digits"].replace(",", ""), UNITS[match["unit"]]
    decimals = len(digits.partition(".")[2])
    value = float(digits) * (-1 if match["sign"] == "-" else 1)
    return Painted(text, value * unit, 0.5 * 10.0**-decimals * unit, bool(match["sign"]))


@dataclass(frozen=True)
class Heading:
    """A column: its words, and the cell behind its last one; figures end there."""

    title: str
    end: int


def headings(line: str, joined: Sequence[str] = ()) -> list[Heading]:
    """Return the columns of a heading line.

    Args:
        line: As it is painted.
        joined: Titles of two words.
    """
    words = "|".join([*map(re.escape, joined), r"\S+"])
    return [Heading(match[0], match.end()) for match in re.finditer(words, line.replace("~", " "))]


def cells(line: str, columns: Sequence[Heading]) -> Iterator[tuple[Heading, str]]:
    """Yield each column with what stands under it, from the end of the column before to its own."""
    start = 0
    for column in columns:
        yield column, line[start : column.end]
        start = column.end


def figure_after(line: str, label: str) -> Painted | None:
    """Return the figure behind a label, None where the line does not have it."""
    match = re.search(rf"(?<![\w%]){re.escape(label)} (\S+)", line)
    return painted(match[1]) if match else None
