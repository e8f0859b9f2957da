"""`OneLine`: a widget of one row that lays its view out for its width, and repaints only when the view changes.

The banner, the header, the expiry strip, the summary, the totals and the status bar are all of this kind: each gives
`lay_out`, which turns a view and a width into pieces of text with a `Tint`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar, Final, Generic, NamedTuple, TypeVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.strip import Strip

from tickertui.tui.look.format import UNICODE, GlyphSet
from tickertui.tui.terminal.strip_widget import StripWidget

T = TypeVar("T")


class Tint(NamedTuple):
    """How a piece looks: theme variables of its colours, and two attributes that survive without colour."""

    ink: str = "text-cell"
    ground: str = "ground"
    bold: bool = False
    reverse: bool = False


class Piece(NamedTuple):
    """A run of text of one tint."""

    text: str
    tint: Tint = Tint()


PLAIN: Final = Tint()
MUTED: Final = Tint("quiet")
STRONG: Final = Tint("strike", bold=True)


def length(pieces: Sequence[Piece]) -> int:
    """Return the cells of pieces; every glyph of the interface is one cell wide."""
    return sum(len(piece.text) for piece in pieces)


@lru_cache(4096)
def one_cell_each(text: str) -> str:
    """Return a text in which every sign takes one cell, as many signs as before.

    What a broker says or a trader types may hold anything. A tab moves the terminal's cursor, an escape sequence does
    worse, and a line that is shorter than it says leaves places of the screen without one.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if not letter.isprintable() else letter if cell_len(letter) == 1 else "?" for letter in text)


def justified(left: Sequence[Piece], right: Sequence[Piece], width: int, tint: Tint = PLAIN) -> list[Piece]:
    """Return pieces at the left and at the right of a line, blanks between them; without room the right ones go."""
    room = width - length(left) - length(right)
    if room < 0:
        return [*left, Piece(" " * max(width - length(left), 0), tint)]
    return [*left, Piece(" " * room, tint), *right]


def first_fit(choices: Sequence[Sequence[Piece]], width: int) -> list[Piece]:
    """Return the first choice that fits; the last one, cut by the widget, where none does."""
    for choice in choices:
        if length(choice) <= width:
            return list(choice)
    return list(choices[-1])


class OneLine(StripWidget, Generic[T]):
    """One row of text.

    Args:
        glyphs: Unicode or ASCII.
        id: As for every widget.
    """

    ALLOW_SELECT = False
    TINT: ClassVar[Tint] = PLAIN
    """Of the blanks behind the last piece."""
    DEFAULT_CSS = """
    OneLine { height: 1; width: 100%; }
    """

    def __init__(self, *, glyphs: GlyphSet = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self._glyphs = glyphs
        self._view: T | None = None
        self._strip: Strip | None = None
        self._styles: dict[Tint, Style] = {}

    @property
    def shown(self) -> T | None:
        """The view on display."""
        return self._view

    def show(self, view: T) -> None:
        """Display a view; an equal one costs nothing."""
        if view != self._view:
            self._view = view
            self._strip = None
            self.refresh()

    def lay_out(self, view: T, width: int) -> Sequence[Piece]:
        """Return the pieces of a view for a width; too long a line is cut."""
        raise NotImplementedError

    def notify_style_update(self) -> None:
        """Take over the theme's colours."""
        super().notify_style_update()
        self._styles.clear()
        self._strip = None

    def render_line(self, y: int) -> Strip:
        """Return the line."""
        width = self.size.width
        if self._strip is None or self._strip.cell_length != width:
            pieces = self.lay_out(self._view, width) if self._view is not None else ()
            self._strip = self._painted(pieces, width)
        return self._strip

    def _painted(self, pieces: Sequence[Piece], width: int) -> Strip:
        segments = [
            Segment(one_cell_each(self._glyphs.text(piece.text)), self._style(piece.tint))
            for piece in pieces
            if piece.text
        ]
        used = length(pieces)
        if used < width:
            segments.append(Segment(" " * (width - used), self._style(self.TINT)))
        strip = Strip(segments, max(used, width))
        return strip if used <= width else strip.crop(0, width)

    def _style(self, tint: Tint) -> Style:
        style = self._styles.get(tint)
        if style is None:
            variables = self.app.theme_variables
            style = self._styles[tint] = Style(
                color=Color.parse(variables[tint.ink]).rich_color,
                bgcolor=Color.parse(variables[tint.ground]).rich_color,
                bold=tint.bold or None,
                reverse=tint.reverse or None,
            )
        return style
