"""`RowList`: lines of styled text with a cursor, for every pane that is a list (Line API; only what changed is drawn).

Panes build immutable `Row`s from the services' pictures a few times a second; the widget compares them with what it
shows. It knows roles ("gain", "stale", ...), never colours: those come from the theme.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final, overload

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.geometry import Offset, Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tickertui.frozen import frozen
from tickertui.tui.look.format import UNICODE, GlyphSet
from tickertui.tui.terminal.contained import Contained

ROLES: Final[Mapping[str, tuple[str, bool]]] = MappingProxyType(
    {
        "text": ("text-cell", False), "title": ("text-cell", True), "quiet": ("quiet", False),
        "strong": ("text-cell", True), "gain": ("gain", False), "loss": ("loss", False), "warn": ("warn", True),
        "error": ("error", True), "mock": ("mock", False), "replay": ("replay", False), "ok": ("gain", False),
        "bar": ("gain", False), "track": ("quiet", False),
    }
)  # fmt: skip
"""Role -> the theme's meaning that colours it, and whether it is bold. Not component classes: a dozen lists with
fourteen classes each would be matched against the style sheet at the start and at every change of a class."""


_COLOURS: Final = frozenset({"ground", "atm", *(meaning for meaning, _ in ROLES.values())})


@frozen
class Span:
    """A piece of a line in one style."""

    text: str
    role: str = "text"


@frozen
class Row:
    """One line.

    Attributes:
        key: Names the line across updates; an empty key cannot hold the cursor (headings, rules).
        spans: Its text, left to right; what does not fit is cut, with an ellipsis.
    """

    key: str
    spans: tuple[Span, ...]

    @property
    def text(self) -> str:
        """The line without styles."""
        return "".join(span.text for span in self.spans)


def row(key: str, *spans: Span | str) -> Row:
    """Build a row; plain strings take the role ``text``."""
    return Row(key, tuple(Span(span) if isinstance(span, str) else span for span in spans))


def heading(text: str) -> Row:
    """A line that names what follows."""
    return Row("", (Span(text, "title"),))


def wrapped(text: str, role: str, *, indent: int = 1, width: int = 79) -> list[Row]:
    """Return a sentence as rows of at most ``width`` cells; lists do not wrap, and a sentence must not be cut."""
    lines = textwrap.wrap(text, width - indent) or [""]
    return [row("", Span(" " * indent + line, role)) for line in lines]


class LazyRows(Sequence[Row]):
    """Lines of a list of thousands: each is made when it comes in sight, and stays as it was made.

    Args:
        keys: Of all lines.
        make: Makes the line in a place.
    """

    def __init__(self, keys: Sequence[str], make: Callable[[int], Row]) -> None:
        self.keys = keys
        self._make = make
        self._made: dict[int, Row] = {}

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        """Return one line, or some."""
        if isinstance(place, slice):
            return [self[at] for at in range(len(self.keys))[place]]
        at = range(len(self.keys))[place]
        if at not in self._made:
            self._made[at] = self._make(at)
        return self._made[at]


class RowList(Contained, ScrollView, can_focus=True, inherit_bindings=False):
    """A list of rows with a cursor that stays on its row when rows come and go.

    It has no keys of its own (those of a `ScrollView` would scroll away from the cursor): pane or screen bind them.
    """

    ALLOW_SELECT: ClassVar[bool] = False
    DEFAULT_CSS = "RowList { scrollbar-size: 0 0; background: $ground; }"

    @dataclass
    class Highlighted(Message):
        """The cursor came to another row."""

        row_list: RowList
        key: str

        @property
        def control(self) -> RowList:
            """The list."""
            return self.row_list

    @dataclass
    class Chosen(Message):
        """A row was chosen with Enter or a click on the cursor."""

        row_list: RowList
        key: str

        @property
        def control(self) -> RowList:
            """The list."""
            return self.row_list

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: Sequence[Row] = ()
        self._keys: Sequence[str] = ()
        self._cursor_key = ""
        self._follows = False
        self._styles: dict[str, Style] = {}
        self._cursor_style = Style()
        self._strips: dict[tuple[Row, bool, int], Strip] = {}

    @property
    def rows(self) -> Sequence[Row]:
        """What is shown."""
        return self._rows

    @property
    def cursor_key(self) -> str:
        """Key of the row under the cursor, empty when no row can hold it."""
        return self._cursor_key

    @property
    def cursor_text(self) -> str | None:
        """The row under the cursor as it stands on the screen, None when no row can hold it."""
        rows = (item.text for item in self._rows if item.key and item.key == self._cursor_key)
        return next(rows, None)

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show these rows; only lines that differ are drawn again."""
        new, old = rows if isinstance(rows, LazyRows) else tuple(rows), self._rows
        if new == old:
            return
        before = self._keys
        self._rows = new
        self._keys = new.keys if isinstance(new, LazyRows) else [item.key for item in new]
        self._keep_cursor(before)
        if len(new) != len(old):
            self.virtual_size = Size(self.size.width, len(new))
        top, height = self.scroll_offset.y, self.size.height
        changed = [y for y in range(top, top + height) if _at(new, y) != _at(old, y)]
        if not height or len(changed) > height // 2:
            self.refresh()
        else:
            self._refresh_lines(changed)

    def _keep_cursor(self, old: Sequence[str]) -> None:
        if self._cursor_key and self._cursor_key in self._keys:
            return
        before = next((y for y, key in enumerate(old) if key and key == self._cursor_key), 0)
        below = (key for key in self._keys[before:] if key)
        self._set_cursor(next(below, None) or next((key for key in self._keys if key), ""))

    def _refresh_lines(self, lines: Iterable[int]) -> None:
        top, width = self.scroll_offset.y, self.size.width
        regions = [Region(0, y - top, width, 1) for y in lines if 0 <= y - top < self.size.height]
        if regions:
            self.refresh(*regions)

    # ------------------------------------------------------------------ cursor

    def move(self, lines: int) -> None:
        """Move the cursor by this many selectable rows."""
        keys = [key for key in self._keys if key]
        if not keys:
            return
        at = keys.index(self._cursor_key) if self._cursor_key in keys else 0
        self._set_cursor(keys[max(0, min(len(keys) - 1, at + lines))])

    def page(self, pages: int) -> None:
        """Move the cursor by the height of the list."""
        self.move(pages * max(1, self.size.height - 1))

    def edge(self, direction: int) -> None:
        """Move the cursor to the first (-1) or last (+1) row."""
        self.move(direction * len(self._rows))

    def follow_only(self) -> None:
        """Take no keys, but show the cursor: another widget has the keys and moves it."""
        self.can_focus = False
        self._follows = True

    def goto(self, key: str) -> None:
        """Move the cursor to a row."""
        if key in self._keys:
            self._set_cursor(key)

    def visible_keys(self) -> list[tuple[str, Offset]]:
        """Return the keys of the rows in sight and where on the screen each one begins."""
        top, region = self.scroll_offset.y, self.region
        shown = enumerate(self._rows[top : top + self.size.height])
        return [(item.key, region.offset + Offset(0, y)) for y, item in shown if item.key]

    def choose(self) -> None:
        """Choose the row under the cursor."""
        if self._cursor_key:
            self.post_message(self.Chosen(self, self._cursor_key))

    def _set_cursor(self, key: str) -> None:
        if key == self._cursor_key:
            return
        lines = [y for y, name in enumerate(self._keys) if name and name in (key, self._cursor_key)]
        self._cursor_key = key
        self._refresh_lines(lines)
        at = next((y for y, name in enumerate(self._keys) if name == key and key), None)
        if at is not None and self.is_attached and self.size.height:
            self.scroll_to_region(Region(0, at, 1, 1), animate=False, force=True)
        if self.is_attached:
            self.post_message(self.Highlighted(self, key))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is; a second click chooses."""
        y = int(event.y) + self.scroll_offset.y
        if not 0 <= y < len(self._rows) or not self._rows[y].key:
            return
        if self._rows[y].key == self._cursor_key:
            self.choose()
        else:
            self._set_cursor(self._rows[y].key)

    # ------------------------------------------------------------------ drawing

    def notify_style_update(self) -> None:
        """Read the palette again when the theme changed."""
        super().notify_style_update()
        self._styles = {}
        self._strips.clear()

    def _palette(self) -> dict[str, Style]:
        if not self._styles:
            colours = {
                name: Color.parse(value).rich_color
                for name, value in self.app.theme_variables.items()
                if name in _COLOURS
            }
            self._styles = {
                role: Style(color=colours[meaning], bgcolor=colours["ground"], bold=bold or None)
                for role, (meaning, bold) in ROLES.items()
            }
            self._cursor_style = Style(bgcolor=colours["atm"])
        return self._styles

    def on_resize(self) -> None:
        """The width is part of every line."""
        self.virtual_size = Size(self.size.width, len(self._rows))

    def on_focus(self) -> None:
        """The cursor shows only in the focused list."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor shows only in the focused list."""
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the viewport."""
        palette, width = self._palette(), self.size.width
        line = y + self.scroll_offset.y
        if line >= len(self._rows):
            return Strip([Segment(" " * width, palette["text"])], width)
        item = self._rows[line]
        at_cursor = bool(item.key) and item.key == self._cursor_key and (self.has_focus or self._follows)
        key = (item, at_cursor, width)
        strip = self._strips.get(key)
        if strip is None:
            if len(self._strips) > 2048:
                self._strips.clear()
            self._strips[key] = strip = self._draw(item, at_cursor, width, palette)
        return strip

    @property
    def _glyphs(self) -> GlyphSet:
        glyphs: GlyphSet = getattr(self.app, "glyphs", UNICODE)
        return glyphs

    def _draw(self, item: Row, at_cursor: bool, width: int, palette: dict[str, Style]) -> Strip:
        segments, left, glyphs = [], width, self._glyphs
        for span in item.spans:
            if left <= 0:
                break
            written = span.text if span.text.isprintable() else _without_controls(span.text)
            size = cell_len(written)
            text = glyphs.text(written if size <= left else f"{set_cell_size(written, left - 1)}…")
            left -= min(size, left)
            style = palette.get(span.role, palette["text"])
            segments.append(Segment(text, style + self._cursor_style if at_cursor else style))
        if left > 0:
            style = palette["text"]
            segments.append(Segment(" " * left, style + self._cursor_style if at_cursor else style))
        return Strip(segments, width)


def _at(rows: Sequence[Row], y: int) -> Row | None:
    return rows[y] if y < len(rows) else None


def _without_controls(text: str) -> str:
    """Return what the terminal does not obey: a message of the broker may hold a tab, or an escape sequence."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
