"""What a terminal shows after escape sequences: cells with their colours, for comparing two ways of painting."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(r"\x1b\[(?P<codes>[0-9;?]*)(?P<final>[A-Za-z])|(?P<newline>\n)|(?P<text>[^\x1b\n]+)")
_BLANK_ATTRIBUTES = frozenset({"4", "7", "9", "21"})
"""What is seen of a blank: underlines, lines through it, and ink and ground exchanged."""


@dataclass(frozen=True, slots=True)
class Pen:
    """How the next cell is written."""

    ink: str = ""
    ground: str = ""
    attributes: frozenset[str] = frozenset()


@dataclass
class ScreenModel:
    """Cells of a terminal; it knows cursor positions, colours and attributes, and refuses anything else."""

    width: int
    height: int
    cells: list[list[tuple[str, Pen]]] = field(init=False)

    def __post_init__(self) -> None:
        self.cells = [[(" ", Pen())] * self.width for _ in range(self.height)]

    def feed(self, output: str) -> None:
        """Take what was written; every write begins and ends without attributes."""
        x = y = 0
        pen = Pen()
        at = 0
        while at < len(output):
            token = _TOKEN.match(output, at)
            assert token is not None, f"not understood: {output[at : at + 20]!r}"
            at = token.end()
            if token["newline"]:
                x, y = 0, y + 1
            elif token["text"] is not None:
                for column, letter in enumerate(token["text"], x):
                    if y < self.height and column < self.width:
                        self.cells[y][column] = (letter, pen)
                x += len(token["text"])
            elif token["final"] == "H":
                row, place = token["codes"].split(";")
                x, y = int(place) - 1, int(row) - 1
            else:
                assert token["final"] == "m", f"not understood: {token[0]!r}"
                pen = _after(pen, token["codes"])
        assert pen == Pen(), "an attribute was left on"

    def line(self, y: int) -> str:
        """The text of a line."""
        return "".join(letter for letter, _ in self.cells[y])

    def seen(self) -> list[list[tuple[str, Pen]]]:
        """The cells as an eye sees them: a blank has no ink."""
        return [[(letter, _seen(letter, pen)) for letter, pen in line] for line in self.cells]


def _after(pen: Pen, codes: str) -> Pen:
    ink, ground, attributes = pen.ink, pen.ground, set(pen.attributes)
    parts = codes.split(";") if codes else ["0"]
    while parts:
        code = parts.pop(0)
        if code in ("", "0"):
            ink, ground, attributes = "", "", set()
        elif code in ("38", "48"):
            count = 4 if parts[0] == "2" else 2
            colour, parts = ";".join(parts[:count]), parts[count:]
            ink, ground = (colour, ground) if code == "38" else (ink, colour)
        elif len(code) >= 2 and code[0] in "39" and code[1] != "8":
            ink = code
        elif (len(code) >= 2 and code[0] in "4") or code[:2] == "10":
            ground = code
        else:
            attributes.add(code)
    return Pen(ink, ground, frozenset(attributes))


def _seen(letter: str, pen: Pen) -> Pen:
    if not letter.isspace():
        return pen
    attributes = pen.attributes & _BLANK_ATTRIBUTES
    return Pen(pen.ink if attributes else "", pen.ground, attributes)
