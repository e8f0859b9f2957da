"""`ChainGrid`: the option chain, painted line by line.

It takes a `ChainFrame` by `show` and repaints only the visible lines whose row version is newer than the frame that
was shown before; a line's strip is kept until its version, its cursor or the look of the grid changes. No key is
bound here: the screen's action registry calls the public methods, and typed messages report what was chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tickertui.market.chain import Side
from tickertui.market.instruments import LEAST_DECIMALS
from tickertui.tui.chain_grid.columns import COLUMNS, NARROW, PRESETS, Layout, Preset, View
from tickertui.tui.chain_grid.painter import GridPainter, Look
from tickertui.tui.chain_grid.row_order import (
    Cursor,
    Leg,
    RowFilter,
    RowOrder,
    Sort,
    moneyness_row,
    nearest_row,
    row_of,
)
from tickertui.tui.chain_grid.straddle_painter import PAIRS_BY_NAME
from tickertui.tui.look.breakpoints import RULE_HEIGHT, WIDE
from tickertui.tui.look.format import UNICODE, GlyphSet, Units
from tickertui.tui.terminal.line import Line, TerminalLine
from tickertui.tui.terminal.strip_widget import StripWidget
from tickertui.tui.view.frames import BarMeaning, ChainFrame

__all__ = ["ChainGrid", "Cursor", "Leg", "RowFilter", "Sort"]

_MANY: Final = 0.6
"""From this share of dirty lines on, one refresh of the whole widget is cheaper than one region a run."""


class ChainGrid(StripWidget, ScrollView, can_focus=True, inherit_bindings=False):
    """The rows of a chain under their header.

    Args:
        preset: Columns to start with.
        glyphs: Unicode or ASCII.
        id: As for every widget.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS: ClassVar[str] = """
    ChainGrid {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size: 0 0;
        background: $ground;
        color: $text-cell;
    }
    """

    @dataclass
    class CellHighlighted(Message):
        """The cursor is on another leg or column."""

        grid: ChainGrid
        leg: Leg

        @property
        def control(self) -> Widget:
            """The grid it comes from."""
            return self.grid

        def can_replace(self, message: Message) -> bool:
            """Only the newest matters."""
            return isinstance(message, ChainGrid.CellHighlighted)

    @dataclass
    class LegSelected(Message):
        """A leg was chosen (Enter, a second click)."""

        grid: ChainGrid
        leg: Leg

        @property
        def control(self) -> Widget:
            """The grid it comes from."""
            return self.grid

    def __init__(self, *, preset: Preset = PRESETS["oi"], glyphs: GlyphSet = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self._look = Look(preset=preset, glyphs=glyphs)
        self._frame: ChainFrame | None = None
        self._order = RowOrder()
        self._pinned: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self._cursor = Cursor()
        self._cursor_moved = False
        self._auto_centre = True
        self._laid_out = Size(0, 0)
        self._painter: GridPainter | None = None
        self.empty_text = ""
        """What stands in the place of the rows when the filter leaves none."""

    # ------------------------------------------------------------------ what is shown

    @property
    def frame(self) -> ChainFrame | None:
        """The frame on display."""
        return self._frame

    @property
    def preset(self) -> Preset:
        """The columns wanted."""
        return self._look.preset

    @property
    def view(self) -> View:
        """How the chain is laid out (a narrow grid shows one side whatever this says)."""
        return self._look.view

    @property
    def units(self) -> Units:
        """How quantities are written."""
        return self._look.units

    @property
    def bars(self) -> BarMeaning:
        """What the bars stand for."""
        return self._look.bars

    @property
    def sort(self) -> Sort | None:
        """Order of the rows, None for ascending strikes."""
        return self._order.sort

    @property
    def pins(self) -> frozenset[float]:
        """Strikes that are repeated above the rows, where they stay in sight."""
        return self._order.pins

    @property
    def strike_range(self) -> int | None:
        """Strikes on each side of the money, None for all."""
        return self._order.range

    @property
    def auto_centre(self) -> bool:
        """Whether the rows follow the money."""
        return self._auto_centre

    @property
    def cursor(self) -> Cursor:
        """Where the trader is."""
        return self._cursor

    @property
    def leg(self) -> Leg | None:
        """What the cursor is on, None before the first frame."""
        row = self._cursor_row()
        if self._frame is None or row < 0:
            return None
        side, column = self._paint.shown(self._cursor)
        return Leg(self._frame.token(row, side), self._cursor.strike, side, column, row)

    @property
    def layout_in_use(self) -> Layout:
        """Columns and their places at the present width."""
        return self._paint.layout

    @property
    def visible_rows(self) -> NDArray[np.intp]:
        """intp[n]: rows of the chain on display, top to bottom."""
        top = self.scroll_offset.y
        return self._order.rows[top : top + self._page_height]

    @property
    def _title_height(self) -> int:
        """Lines of the header and its rule."""
        return 2 if self.viewport.height >= RULE_HEIGHT and self.viewport.width >= WIDE else 1

    @property
    def _head_height(self) -> int:
        """Lines above the rows that scroll: header, rule, pinned strikes."""
        return self._title_height + len(self._pinned)

    @property
    def _page_height(self) -> int:
        return max(self.viewport.height - self._head_height, 0)

    # ------------------------------------------------------------------ frames

    def show(self, frame: ChainFrame) -> None:
        """Display a frame; repaints what differs from the one before."""
        self._take_size()
        old, self._frame = self._frame, frame
        if old is None or old.key != frame.key or frame.number <= old.number or old.contracts is not frame.contracts:
            self._adopt(frame, old)
        elif old.is_mock != frame.is_mock:
            self._look_changed()
        elif self._order.is_away(frame, held=not self._auto_centre or self._cursor_moved):
            self._follow(frame)
        elif self._order.refresh(frame):
            self.refresh()
        else:
            self._refresh_rows(frame.row_versions[self._line_rows] > old.number)

    def _adopt(self, frame: ChainFrame, old: ChainFrame | None) -> None:
        """Take over a chain that was not on display before, keeping the trader's place as far as it exists there."""
        strike = self._cursor.strike
        if old is None or np.isnan(strike):
            row = frame.atm_row
        elif old.key.underlying == frame.key.underlying:
            row = nearest_row(frame, strike)
        else:
            row = moneyness_row(old, frame, strike)
            self._order.pins = frozenset()
        if 0 <= row < len(frame.strikes):
            self._cursor = replace(self._cursor, strike=float(frame.strikes[row]))
        self._order.recentre(frame)
        self._look_changed()
        self._settle()

    def _follow(self, frame: ChainFrame) -> None:
        """Move the rows so that the money is in the middle again."""
        self._order.recentre(frame)
        if not self._cursor_moved:
            self._cursor = replace(self._cursor, strike=self._order.centre)
        self._rows_changed()
        self.centre()

    @property
    def _line_rows(self) -> NDArray[np.intp]:
        """intp[n]: row on each line under the header, pinned ones first."""
        visible = self.visible_rows
        return np.concatenate((self._pinned, visible)) if len(self._pinned) else visible

    def _refresh_rows(self, dirty: NDArray[np.bool_]) -> None:
        """Refresh lines under the header, neighbours in one region, all in one call."""
        places = np.flatnonzero(dirty).tolist()
        if not places:
            return
        if len(places) > _MANY * len(dirty):
            self.refresh()
            return
        width, head = self.viewport.width, self._title_height
        regions = []
        start = last = places[0]
        for place in places[1:]:
            if place != last + 1:
                regions.append(Region(0, head + start, width, last - start + 1))
                start = place
            last = place
        regions.append(Region(0, head + start, width, last - start + 1))
        self.refresh(*regions)

    def _rows_changed(self) -> None:
        self._order.rebuild(self._frame)
        self._pinned = self._order.pinned(self._frame, self.viewport.height - self._title_height)
        self.virtual_size = Size(self.viewport.width, self._head_height + len(self._order))
        self.refresh()

    # ------------------------------------------------------------------ moving

    def _cursor_row(self) -> int:
        frame = self._frame
        if frame is None:
            return -1
        row = row_of(frame, self._cursor.strike)
        return row if 0 <= row < len(frame.strikes) and frame.strikes[row] == self._cursor.strike else -1

    def move_cursor(self, rows: int = 0, columns: int = 0) -> None:
        """Move the cursor by lines (down is positive) and columns (right is positive)."""
        frame = self._frame
        if frame is None or not len(self._order):
            return
        self._cursor_moved = True
        place = self._order.place(self._cursor_row())
        if place < 0:
            place = int(np.argmin(np.abs(frame.strikes[self._order.rows] - self._cursor.strike)))
        else:
            place = min(max(place + rows, 0), len(self._order) - 1)
        side, column = self._column_after(columns)
        self._put_cursor(Cursor(float(frame.strikes[self._order.rows[place]]), side, column))

    def _column_after(self, steps: int) -> tuple[Side, str]:
        """Return the side and column so many steps to the right, staying within the layout."""
        if not steps:
            # A column that has no room now stays chosen for when there is room again.
            return self._cursor.side, self._cursor.column
        cells = self._paint.cells(self._cursor.side)
        here = self._paint.shown(self._cursor)
        if not cells:
            return here
        place = cells.index(here) if here in cells else 0
        return cells[min(max(place + steps, 0), len(cells) - 1)]

    def _put_cursor(self, cursor: Cursor) -> None:
        if cursor == self._cursor:
            return
        old_side, before = self._cursor.side, self._cursor_row()
        self._cursor = cursor
        if self.layout_in_use.view is View.ONE_SIDE and cursor.side is not old_side:
            self._look_changed()
        else:
            self._refresh_rows(np.isin(self._line_rows, (before, self._cursor_row())))
        self._reveal_cursor()
        leg = self.leg
        if leg is not None:
            self.post_message(self.CellHighlighted(self, leg))

    def _reveal_cursor(self) -> None:
        place, height = self._order.place(self._cursor_row()), self._page_height
        if place < 0 or not height:
            return
        top = self.scroll_offset.y
        if place < top:
            self._scroll_rows(place)
        elif place >= top + height:
            self._scroll_rows(place - height + 1)

    def _scroll_rows(self, top: int) -> None:
        # At once, so that what is painted next is right; and after the layout, where the present one ends before.
        self.scroll_to(y=top, animate=False, force=True, immediate=True)
        if self.scroll_offset.y != top:
            self.scroll_to(y=top, animate=False, force=True)

    def _settle(self) -> None:
        """Bring into view what the trader looks at: the cursor once it was moved, the money before."""
        if self._cursor_moved:
            self._reveal_cursor()
        else:
            self.centre()

    def page(self, pages: int) -> None:
        """Move the cursor by pages (down is positive)."""
        self.move_cursor(rows=pages * max(self._page_height - 1, 1))

    def to_end(self, *, last: bool) -> None:
        """Move the cursor to the first or the last row on display."""
        self.move_cursor(rows=len(self._order) if last else -len(self._order))

    def to_atm(self) -> None:
        """Put the cursor on the row at the money, centre it, and let the rows follow the money again."""
        frame = self._frame
        if frame is None or frame.atm_row < 0:
            return
        self._order.recentre(frame)
        self._rows_changed()
        self._put_cursor(replace(self._cursor, strike=self._order.centre))
        self._cursor_moved = False
        self.centre()

    def goto_strike(self, strike: float) -> bool:
        """Put the cursor on the strike nearest to a price; False when no chain is shown or it is out of range."""
        frame = self._frame
        if frame is None:
            return False
        row = nearest_row(frame, strike)
        if self._order.place(row) < 0:
            return False
        self._cursor_moved = True
        self._put_cursor(replace(self._cursor, strike=float(frame.strikes[row])))
        return True

    def centre(self) -> None:
        """Scroll so that the strike at the money stands in the middle."""
        frame, height = self._frame, self._page_height
        if frame is None or not height:
            return
        place = self._order.place(row_of(frame, self._order.centre))
        if place >= 0:
            self._scroll_rows(max(place - height // 2, 0))

    def set_auto_centre(self, on: bool) -> None:
        """Let the rows follow the money, or not; they never do while the trader has moved the cursor."""
        self._auto_centre = on

    def select_leg(self) -> None:
        """Report the leg under the cursor as chosen."""
        leg = self.leg
        if leg is not None and leg.token >= 0:
            self.post_message(self.LegSelected(self, leg))

    # ------------------------------------------------------------------ which rows

    def set_range(self, strikes: int | None) -> None:
        """Show so many strikes on each side of the money, None for all."""
        self._order.range = strikes
        self._rows_changed()
        self.centre()

    def widen_range(self, steps: int) -> None:
        """Go to a wider (positive) or narrower range of strikes; beyond the widest, all are shown."""
        self.set_range(self._order.widen(self._frame, steps))

    def set_sort(self, sort: Sort | None) -> None:
        """Sort the rows by a value, None for ascending strikes."""
        self._order.sort = sort
        self._rows_changed()
        self._settle()

    def sort_by_cursor(self) -> Sort | None:
        """Sort by the column under the cursor: first descending, then ascending, then by strike again."""
        side, name = self._paint.shown(self._cursor)
        pair = name if name in PAIRS_BY_NAME else ""
        wanted = Sort(COLUMNS[name if name in COLUMNS else "ltp"].field, Side.CALL if pair else side, pair=pair)
        now = self._order.sort
        if now is None or not wanted.by(now):
            self.set_sort(wanted)
        else:
            self.set_sort(replace(wanted, descending=False) if now.descending else None)
        return self._order.sort

    def set_filter(self, keep: RowFilter | None) -> None:
        """Show only the strikes that ``keep`` says, None for all."""
        self._order.filter = keep
        self._rows_changed()
        self._settle()

    def toggle_pin(self) -> None:
        """Repeat the strike under the cursor above the rows, where it stays in sight, or let it go."""
        strike = self._cursor.strike
        if not np.isnan(strike):
            self._order.pins = self._order.pins ^ {strike}
            self._rows_changed()
            self._settle()

    # ------------------------------------------------------------------ the look

    def set_preset(self, preset: Preset) -> None:
        """Show other columns."""
        self._set_look(replace(self._look, preset=preset))

    def set_view(self, view: View) -> None:
        """Lay the chain out in another way."""
        self._set_look(replace(self._look, view=view))

    def set_units(self, units: Units) -> None:
        """Write quantities in other units."""
        self._set_look(replace(self._look, units=units))

    def set_bars(self, bars: BarMeaning) -> None:
        """Let the bars stand for something else."""
        self._set_look(replace(self._look, bars=bars))

    def set_side(self, side: Side) -> None:
        """Put the cursor on a side, which the one-side view then shows."""
        self._put_cursor(replace(self._cursor, side=side))

    def set_dimmed(self, dimmed: bool) -> None:
        """Draw everything as old: this chain waits for its successor's first data."""
        self._set_look(replace(self._look, dimmed=dimmed))

    def _set_look(self, look: Look) -> None:
        if look != self._look:
            self._look = look
            self._look_changed()

    def _look_changed(self) -> None:
        """Forget everything painted."""
        self._painter = None
        self._rows_changed()

    # ------------------------------------------------------------------ painting

    def notify_style_update(self) -> None:
        """Take over the theme's colours."""
        super().notify_style_update()
        self._painter = None

    def on_resize(self) -> None:
        """Lay out anew; the trader's place stays in view."""
        self._take_size()

    def _take_size(self) -> None:
        """Lay out for the present size, unless that is done: the first frame comes before the event of its size."""
        if self.size and self._laid_out != self.size:  # hidden it has none, and keeps its layout
            self._laid_out = self.viewport = self.size
            self._look_changed()
            self._settle()

    @property
    def _paint(self) -> GridPainter:
        """The painter of the present look, width, side and theme."""
        # A paint may come between the layout that gave a new width and the event that tells of it.
        if self._painter is None or self._painter.width != self.viewport.width:
            self._painter = GridPainter(
                self._look,
                self.viewport.width,
                side=self._cursor.side,
                decimals=self._frame.contracts.decimals if self._frame else LEAST_DECIMALS,
                variables=self.app.theme_variables,
            )
        return self._painter

    def render_line(self, y: int) -> Strip:
        """Return one line of the viewport."""
        line = self.line(y)
        return line.strip if isinstance(line, Line) else line

    def _terminal_lines(self, crop: Region) -> list[TerminalLine]:
        """Draw whole lines as they are written for the terminal; filters and parts of lines take strips."""
        self.viewport = self.size
        if crop.x or crop.width != self.viewport.width or self.get_line_filters():
            return [*self._strips(crop)]
        return [self.line(y) for y in crop.line_range]

    def line(self, y: int) -> Line | Strip:
        """Return one line of the viewport, painted only when it is not as it was."""
        frame, paint = self._frame, self._paint
        if paint.width < NARROW:
            return paint.muted(f"{NARROW} columns needed" if y == 0 else "")
        if y < self._title_height:
            return paint.rule() if y else paint.header(mock=frame is not None and frame.is_mock)
        line = y - self._title_height
        if frame is None:
            return paint.blank()
        if line < len(self._pinned):
            return paint.row(frame, int(self._pinned[line]), None, pinned=True, repeated=True)
        place = y - self._head_height + round(self.scroll_y)
        if place >= len(self._order):
            return paint.muted(self.empty_text if place == 0 and len(frame.strikes) else "")
        row = int(self._order.rows[place])
        strike = float(frame.strikes[row])
        cursor = self._cursor if strike == self._cursor.strike else None
        return paint.row(frame, row, cursor, pinned=strike in self._order.pins)

    # ------------------------------------------------------------------ mouse

    def on_mouse_scroll_down(self) -> None:
        """Hold the rows: the trader looks around (the base class scrolls)."""
        self._cursor_moved = True

    def on_mouse_scroll_up(self) -> None:
        """Hold the rows: the trader looks around (the base class scrolls)."""
        self._cursor_moved = True

    def on_click(self, event: events.Click) -> None:
        """Put the cursor under the pointer; a click on the cell that has it chooses the leg."""
        place = event.y - self._head_height + self.scroll_offset.y
        if self._frame is None or event.y < self._head_height or place >= len(self._order):
            return
        strike = float(self._frame.strikes[self._order.rows[place]])
        side, column = self._paint.at(event.x, self._cursor.side) or (self._cursor.side, self._cursor.column)
        cursor = Cursor(strike, side, column)
        self._cursor_moved = True
        if cursor == self._cursor:
            self.select_leg()
        else:
            self._put_cursor(cursor)
