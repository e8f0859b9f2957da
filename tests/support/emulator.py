"""What a terminal shows, cell by cell, as pyte emulates it, and where a program painted it wrongly.

`tests.support.emulated.EmulatedTerminal` feeds it what a program writes. Beside pyte's cells it keeps two things that
no terminal tells: rows into which more was written than they hold (a terminal puts it all into the last cell, or in the
row below), and cells that nobody has written since the size changed. Both are of the screen as it stands: what is
painted over, rightly, is forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyte
from wcwidth import wcswidth

_UNKNOWN_TO_PYTE = re.compile(r"\x1b\[[<=>][0-9;]*[A-Za-z]|\x1b\[\?[0-9;]*\$p")
"""Questions to the terminal and the kitty keyboard protocol, of which pyte would print the last letter."""
_LEAVE = "\x1b[?1049l"
_OPEN_SEQUENCE = re.compile(r"\x1b(?:\[[<=>?0-9;$ ]*)?$")


class EmulatedScreen(pyte.Screen):
    """pyte's screen with what was written past the edge, and what was not written at all.

    Attributes:
        past_edge: By row, the text of the last write that did not fit into it.
    """

    def __init__(self, columns: int, lines: int) -> None:
        self.past_edge: dict[int, str] = {}
        self._written: list[bytearray] = []
        super().__init__(columns, lines)
        self._nothing_written()

    def _nothing_written(self) -> None:
        self.past_edge.clear()
        self._written = [bytearray(self.columns) for _ in range(self.lines)]

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        """Take another size: everything has to be painted anew."""
        super().resize(lines, columns)
        self.cursor.x, self.cursor.y = min(self.cursor.x, self.columns - 1), min(self.cursor.y, self.lines - 1)
        self._nothing_written()

    def draw(self, data: str) -> None:
        """Write a text at the cursor."""
        x, y = self.cursor.x, self.cursor.y
        width = len(data) if data.isascii() else max(wcswidth(data), 0)
        if x == 0:
            self.past_edge.pop(y, None)
        if x + width > self.columns:
            self.past_edge[y] = data
        end = min(x + width, self.columns)
        if end > x:
            self._written[y][x:end] = b"\x01" * (end - x)
        if width != len(data) or x + width > self.columns:
            super().draw(data)
            return
        # pyte looks at each letter by itself: half of the time of a session was spent there.
        row, pen = self.buffer[y], self.cursor.attrs[1:]
        for column, letter in enumerate(data, x):
            row[column] = pyte.screens.Char(letter, *pen)
        self.cursor.x = end

    def erase_in_line(self, how: int = 0, private: bool = False) -> None:
        """Blank a row from the cursor on (0), up to it (1) or wholly (2): that is writing, too."""
        start, end = ((self.cursor.x, self.columns), (0, self.cursor.x + 1), (0, self.columns))[how]
        self._written[self.cursor.y][start:end] = b"\x01" * (min(end, self.columns) - start)
        super().erase_in_line(how, private)

    def holes(self) -> list[int]:
        """Rows with cells that nothing was written into since the size changed."""
        return [y for y, row in enumerate(self._written) if not all(row)]

    def row_faults(self) -> list[str]:
        """One sentence for each row that is not exactly as wide as the terminal."""
        faults = [f"row {y + 1}: written past the edge of {self.columns}: {self.past_edge[y]!r}" for y in
                  sorted(self.past_edge)]  # fmt: skip
        for y in self.holes():
            row = self._written[y]
            faults.append(
                f"row {y + 1}: {row.count(0)} of {self.columns} cells not painted, the first is {row.find(0) + 1}"
            )
        return faults

    def rows(self) -> list[str]:
        """The text of the rows."""
        return list(self.display)


class Emulator:
    """A terminal's side of what a program writes.

    Attributes:
        screen: The cells.
        after: What was written after the alternate screen was left: for the shell's screen.
        last: Rows of the alternate screen when it was left.
    """

    def __init__(self, columns: int, lines: int) -> None:
        self.screen = EmulatedScreen(columns, lines)
        self.after = ""
        self.last: Sequence[str] = ()
        self._stream = pyte.Stream(self.screen)
        self._rest = ""
        self._left = False

    def feed(self, text: str) -> None:
        """Take what was written; a sequence may be cut anywhere."""
        text, self._rest = self._rest + text, ""
        if cut := _OPEN_SEQUENCE.search(text):
            text, self._rest = text[: cut.start()], text[cut.start() :]
        if self._left:
            self.after += text
            return
        shown, leave, after = text.partition(_LEAVE)
        self._stream.feed(_UNKNOWN_TO_PYTE.sub("", shown))
        if leave:
            self._left, self.last, self.after = True, tuple(self.screen.rows()), after

    @property
    def title(self) -> str:
        """The window's title."""
        return self.screen.title

    def text(self) -> str:
        """The rows, one a line."""
        return "\n".join(self.screen.rows())
