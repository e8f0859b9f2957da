"""`Line` and `StyleEncoder`: a line of the grid as runs of text and style numbers, written as escape sequences.

Textual's way to the terminal makes a `Segment` of every run and a full escape sequence with a reset of every segment.
Our lines know their palette, so the encoder only writes what differs from the run before (mostly the foreground: 18
characters instead of 43) and nothing for blanks on the same background. A full chain takes half the bytes and half the
time.
The `Strip` that Textual wants for pictures, for lines under a toast and for NO_COLOR is made when somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from rich.color import Color, ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Pieces = list[tuple[str, int]]
"""Runs of text, each with the number of its style in a palette."""

_RESET: Final = "\x1b[0m"
_SYSTEMS: Final = {
    "standard": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
    "windows": ColorSystem.WINDOWS,
}


class TerminalLine(Protocol):
    """A line that writes itself for a terminal: a `Line`, or a strip of Textual."""

    @property
    def cell_length(self) -> int:
        """Cells of the line."""
        ...

    def render(self, console: Console) -> str:
        """Return text and escape sequences, beginning and ending without any attribute set."""
        ...


def merge(pieces: Pieces, palette: Sequence[Style], width: int) -> Strip:
    """Return pieces as a strip of exactly ``width`` cells: neighbours of the same style become one segment."""
    segments: list[Segment] = []
    append, make = segments.append, Segment
    run, last = "", -1
    length = 0
    for text, style in pieces:
        length += len(text)
        if style == last:
            run += text
        else:
            if run:
                append(make(run, palette[last]))
            run, last = text, style
    if run:
        append(make(run, palette[last]))
    strip = Strip(segments, length)
    return strip if length == width else strip.crop(0, width)


class StyleEncoder:
    """The escape sequences between the styles of a palette, made when first needed.

    Args:
        palette: Styles by number; attributes other than bold and reverse are not used in it.
    """

    def __init__(self, palette: Sequence[Style]) -> None:
        self.palette = palette
        self._size = len(palette)
        self._system = ""
        self._looks: list[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = []
        self._changes: dict[int, str] = {}
        self._backgrounds: list[tuple[str, ...] | None] = []

    def write(self, pieces: Pieces, console: Console) -> str:
        """Return pieces as text with escape sequences for the colours that a console has."""
        system = console.color_system or "truecolor"
        if system != self._system:
            self._prepare(system)
        parts: list[str] = []
        append, changes, size, backgrounds = parts.append, self._changes, self._size, self._backgrounds
        last = -1
        for text, style in pieces:
            if style != last and text:
                if last >= 0 and text.isspace() and backgrounds[style] == backgrounds[last] is not None:
                    # Nobody sees the foreground of a blank.
                    append(text)
                    continue
                code = changes.get(last * size + style)
                append(code if code is not None else self._change(last, style))
                last = style
            append(text)
        append(_RESET)
        return "".join(parts)

    def _prepare(self, system: str) -> None:
        """Write every style's parts for a colour system; a background is None where blanks show the foreground."""
        self._system = system
        colors = _SYSTEMS[system]
        self._changes.clear()
        self._looks = [
            (
                (("1",) if style.bold else ()) + (("7",) if style.reverse else ()),
                _codes(style.color, colors, foreground=True),
                _codes(style.bgcolor, colors, foreground=False),
            )
            for style in self.palette
        ]
        self._backgrounds = [None if "7" in attributes else background for attributes, _, background in self._looks]

    def _change(self, before: int, after: int) -> str:
        """Return the sequence from one style to another, and keep it; ``before`` is -1 at the beginning of a line."""
        attributes, foreground, background = self._looks[after]
        if before < 0:
            codes = [*attributes, *foreground, *background]
        else:
            old_attributes, old_foreground, old_background = self._looks[before]
            if set(old_attributes) - set(attributes):
                codes = ["0", *attributes, *foreground, *background]
            else:
                codes = [code for code in attributes if code not in old_attributes]
                codes += foreground if foreground != old_foreground else ()
                codes += background if background != old_background else ()
        text = self._changes[before * self._size + after] = f"\x1b[{';'.join(codes)}m" if codes else ""
        return text


def _codes(color: Color | None, system: ColorSystem, *, foreground: bool) -> tuple[str, ...]:
    return tuple(color.downgrade(system).get_ansi_codes(foreground)) if color is not None else ()


class Line:
    """One line of exactly ``width`` cells.

    Args:
        pieces: Its runs; they may be longer than the line, which is then cut.
        encoder: Of the palette that the runs' numbers belong to.
        width: Cells.
    """

    __slots__ = ("_encoder", "_pieces", "_strip", "_width", "_written")

    def __init__(self, pieces: Pieces, encoder: StyleEncoder, width: int) -> None:
        self._pieces = pieces
        self._encoder = encoder
        self._width = width
        self._strip: Strip | None = None
        self._written: str | None = None

    @property
    def cell_length(self) -> int:
        """Cells of the line."""
        return self._width

    @property
    def text(self) -> str:
        """What it says, without colours."""
        return "".join([text for text, _ in self._pieces])[: self._width]

    @property
    def strip(self) -> Strip:
        """The line as Textual takes it."""
        if self._strip is None:
            self._strip = merge(self._pieces, self._encoder.palette, self._width)
        return self._strip

    def render(self, console: Console) -> str:
        """Return text and escape sequences."""
        if self._written is None:
            # Every glyph is one cell wide, see `tickertui.tui.look.format`.
            fits = len("".join([text for text, _ in self._pieces])) == self._width
            self._written = self._encoder.write(self._pieces, console) if fits else self.strip.render(console)
        return self._written
