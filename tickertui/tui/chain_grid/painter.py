"""`GridPainter`: everything of the grid that depends on its look and its width, and keeps the finished lines.

The grid makes a new one when the look, the width, the theme, the decimals of the prices or the side on display changes;
until then a line is taken from here by its row's version.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.segment import Segment
from textual.strip import Strip

from tickertui.frozen import frozen
from tickertui.market.chain import Side
from tickertui.tui.chain_grid import columns as col
from tickertui.tui.chain_grid.columns import PRESETS, Layout, Preset, View
from tickertui.tui.chain_grid.row_order import Cursor
from tickertui.tui.chain_grid.row_painter import RowPainter
from tickertui.tui.chain_grid.straddle_painter import StraddlePainter
from tickertui.tui.look.format import UNICODE, GlyphSet, Units
from tickertui.tui.look.styles import Background, Foreground, build_palette, style_index
from tickertui.tui.terminal.line import Line
from tickertui.tui.view.frames import BarMeaning, ChainFrame


@frozen
class Look:
    """How the trader wants the rows.

    Attributes:
        preset: Columns.
        view: How they are laid out.
        units: How quantities are written.
        bars: What the bars stand for.
        glyphs: Unicode or ASCII.
        dimmed: Whether everything is drawn as old.
    """

    preset: Preset = PRESETS["oi"]
    view: View = View.CHAIN
    units: Units = Units.LAKH
    bars: BarMeaning = BarMeaning.OI
    glyphs: GlyphSet = UNICODE
    dimmed: bool = False


class GridPainter:
    """Paints lines of one look and width.

    Args:
        look: How.
        width: Cells of a line.
        side: Which side a one-side layout shows.
        decimals: Of the prices.
        variables: The theme's variables, name -> colour.
    """

    def __init__(self, look: Look, width: int, *, side: Side, decimals: int, variables: Mapping[str, str]) -> None:
        self.look = look
        self.width = width
        self._palette = build_palette(variables, dimmed=look.dimmed)
        layout = col.fit(look.preset, width, view=look.view, side=side, units=look.units, decimals=decimals)
        self._rows = RowPainter(
            layout, self._palette, decimals=decimals, units=look.units, bars=look.bars, glyphs=look.glyphs
        )
        self._straddle: StraddlePainter | None = None
        if look.view is View.STRADDLE:
            self._straddle = StraddlePainter(
                width, self._palette, decimals=decimals, units=look.units, glyphs=look.glyphs
            )
        self._lines: dict[int, tuple[int, str, Line]] = {}
        self._headers: dict[bool, Strip] = {}

    @property
    def layout(self) -> Layout:
        """Columns and their places (of the chain, also while the straddle view is shown)."""
        return self._rows.layout

    # ------------------------------------------------------------------ places

    def cells(self, side: Side) -> list[tuple[Side, str]]:
        """Return what a cursor can stand on in a row, left to right.

        Args:
            side: Side of the cursor, which the straddle view keeps.
        """
        if self._straddle is not None:
            return [(side, pair.name) for pair in self._straddle.pairs]
        return [(p.side, p.column.name) for p in self.layout.placed if p.column.kind is not col.Kind.BAR]

    def shown(self, cursor: Cursor) -> tuple[Side, str]:
        """Return where a cursor stands; a column that has no room gives way to the price."""
        cells = self.cells(cursor.side)
        here = (cursor.side, cursor.column)
        if here in cells:
            return here
        # A straddle on a screen that is a few cells wide has no column at all.
        return cells[0] if self._straddle is not None and cells else (cursor.side, "ltp")

    def at(self, x: int, side: Side) -> tuple[Side, str] | None:
        """Return what is under a cell of a row, None for strike, bar and margins."""
        if self._straddle is not None:
            pair = self._straddle.column_at(x)
            return (side, pair.name) if pair is not None else None
        placed = self.layout.at(x)
        return (placed.side, placed.column.name) if placed and placed.column.kind is not col.Kind.BAR else None

    # ------------------------------------------------------------------ lines

    def header(self, *, mock: bool) -> Strip:
        """Return the line of the titles."""
        strip = self._headers.get(mock)
        if strip is None:
            painter = self._straddle or self._rows
            strip = self._headers[mock] = painter.header(mock=mock)
        return strip

    def rule(self) -> Strip:
        """Return the line under the titles."""
        return self.muted(self.look.glyphs.text("─" * self.width))

    def blank(self) -> Strip:
        """Return an empty line."""
        return Strip.blank(self.width, self._palette[style_index(Foreground.TEXT, Background.PLAIN)])

    def muted(self, text: str) -> Strip:
        """Return a line of secondary text."""
        style = self._palette[style_index(Foreground.MUTED, Background.PLAIN)]
        return Strip([Segment(text[: self.width].ljust(self.width), style)], self.width)

    def row(
        self, frame: ChainFrame, row: int, cursor: Cursor | None, *, pinned: bool = False, repeated: bool = False
    ) -> Line:
        """Return the line of a strike, painted only when its version, its cursor or its pin is another.

        Args:
            frame: Where its values are.
            row: Which strike.
            cursor: The cursor when it is on this row.
            pinned: Whether it is repeated above the rows.
            repeated: Whether this is that repetition.
        """
        side, column, mark = -1, "", "•" if pinned else ""
        if cursor is not None:
            side, column = self.shown(cursor)
            mark += f"{side}{column}"
        version = frame.row_versions[row]
        key = -1 - row if repeated else row
        kept = self._lines.get(key)
        if kept is not None and kept[0] == version and kept[1] == mark:
            return kept[2]
        if self._straddle is not None:
            line = self._straddle.row(frame, row, cursor_column=column, pinned=pinned)
        else:
            line = self._rows.row(frame, row, cursor_side=side, cursor_column=column, pinned=pinned)
        self._lines[key] = (int(version), mark, line)
        return line
