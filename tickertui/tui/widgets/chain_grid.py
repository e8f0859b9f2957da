"""`ChainGrid`: the option chain, painted line by line.

It takes a `ChainFrame` by `show` and repaints only the visible lines whose row version is newer than the frame that
was shown before; a line's strip is kept until its version, its cursor or the look of the grid changes. No key is
bound here: the screen's action registry calls the public methods, and typed messages report what was chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tickertui.market.chain import Side
from tickertui.tui import columns as col
from tickertui.tui.chain_rows import RowPainter
from tickertui.tui.columns import Layout, Preset, View
from tickertui.tui.format import UNICODE, GlyphSet, Units
from tickertui.tui.frames import BarMeaning, ChainFrame, Field
from tickertui.tui.palette import INKS, Ground, build_palette
from tickertui.tui.straddle import StraddlePainter

RowFilter = Callable[[ChainFrame], NDArray[np.bool_]]
"""Says which strikes are shown: bool[k] of a frame."""

_CENTRE_AFTER_NS: Final = 5_000_000_000
"""How long the money must have been away from the centre before the rows follow it."""
_CENTRE_STRIKES: Final = 2
"""And how many strikes."""
_SORT_EVERY_NS: Final = 2_000_000_000
"""Rows sorted by a value change places at most this often."""
_RULE_HEIGHT: Final = 20
_RULE_WIDTH: Final = 110
"""From this size on a rule stands under the header."""
_RANGES: Final = (5, 8, 10, 14, 20, 30, 40, 60)
"""Strikes on each side of the money that ``+`` and ``-`` go through; beyond the last one all are shown."""
_MANY: Final = 0.6
"""From this share of dirty lines on, one refresh of the whole widget is cheaper than one region a run."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the trader is; by value, so that it outlives a resize and a switch of the chain.

    Attributes:
        strike: Rupees, NaN before the first frame.
        side: Call or put.
        column: Name of the column.
    """

    strike: float = float("nan")
    side: Side = Side.CALL
    column: str = "ltp"


@dataclass(frozen=True, slots=True)
class Leg:
    """What the cursor is on.

    Attributes:
        token: The broker's ``instrument_token``, -1 where the strike has no such leg.
        strike: Rupees.
        side: Call or put.
        column: Name of the column.
        row: Row of the chain.
    """

    token: int
    strike: float
    side: Side
    column: str
    row: int


@dataclass(frozen=True, slots=True)
class Sort:
    """Order of the rows; without one they ascend by strike.

    Attributes:
        field: By what.
        side: Of which side.
        descending: Largest first.
    """

    field: Field
    side: Side
    descending: bool = True


class ChainGrid(ScrollView, can_focus=True):
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

    def __init__(
        self,
        *,
        preset: Preset = col.PRESETS["oi"],
        glyphs: GlyphSet = UNICODE,
        id: str | None = None,  # noqa: A002 - Textual's own name
    ) -> None:
        super().__init__(id=id)
        self._preset = preset
        self._glyphs = glyphs
        self._view = View.CHAIN
        self._units = Units.LAKH
        self._bars = BarMeaning.OI
        self._dimmed = False
        self._frame: ChainFrame | None = None
        self._cursor = Cursor()
        self._cursor_moved = False
        self._auto_centre = True
        self._away_since: int | None = None
        self._centre: float = float("nan")
        self._range: int | None = None
        self._pins: frozenset[float] = frozenset()
        self._sort: Sort | None = None
        self._sorted_ns = 0
        self._filter: RowFilter | None = None
        self._order: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self._places: dict[int, int] = {}
        self._palette: tuple[Style, ...] = ()
        self._painter: RowPainter | None = None
        self._straddle: StraddlePainter | None = None
        self._strips: dict[int, tuple[int, str, Strip]] = {}
        self._head: list[Strip] = []

    # ------------------------------------------------------------------ what is shown

    @property
    def frame(self) -> ChainFrame | None:
        """The frame on display."""
        return self._frame

    @property
    def preset(self) -> Preset:
        """The columns wanted."""
        return self._preset

    @property
    def view(self) -> View:
        """How the chain is laid out (a narrow grid shows one side whatever this says)."""
        return self._view

    @property
    def units(self) -> Units:
        """How quantities are written."""
        return self._units

    @property
    def bars(self) -> BarMeaning:
        """What the bars stand for."""
        return self._bars

    @property
    def sort(self) -> Sort | None:
        """Order of the rows, None for ascending strikes."""
        return self._sort

    @property
    def pins(self) -> frozenset[float]:
        """Strikes kept at the top."""
        return self._pins

    @property
    def strike_range(self) -> int | None:
        """Strikes on each side of the money, None for all."""
        return self._range

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
        cursor = self._cursor
        return Leg(self._frame.token(row, cursor.side), cursor.strike, cursor.side, cursor.column, row)

    @property
    def layout_in_use(self) -> Layout:
        """Columns and their places at the present width."""
        return self._row_painter().layout

    @property
    def visible_rows(self) -> NDArray[np.intp]:
        """intp[n]: rows of the chain on display, top to bottom."""
        top = self.scroll_offset.y
        return self._order[top : top + max(self.size.height - self._head_height, 0)]

    # ------------------------------------------------------------------ frames

    def show(self, frame: ChainFrame) -> None:
        """Display a frame; repaints what differs from the one before."""
        old, self._frame = self._frame, frame
        if old is None or old.key != frame.key or frame.number <= old.number or old.contracts is not frame.contracts:
            self._adopt(frame, old)
            return
        if old.is_mock != frame.is_mock:
            self._look_changed()
            return
        if self._follow(frame) or self._resort(frame):
            return
        self._refresh_rows(frame.row_versions[self.visible_rows] > old.number)

    def _adopt(self, frame: ChainFrame, old: ChainFrame | None) -> None:
        """Take over a chain that was not on display before, keeping the trader's place as far as it exists there."""
        strike = self._cursor.strike
        if old is None or np.isnan(strike):
            row = frame.atm_row
        elif old.key.underlying == frame.key.underlying:
            row = int(np.argmin(np.abs(frame.strikes - strike))) if len(frame.strikes) else -1
        else:
            row = self._same_moneyness(old, frame, strike)
        if 0 <= row < len(frame.strikes):
            self._cursor = replace(self._cursor, strike=float(frame.strikes[row]))
        if old is not None and old.key.underlying != frame.key.underlying:
            self._pins = frozenset()
        self._centre = float(frame.strikes[frame.atm_row]) if frame.atm_row >= 0 else float("nan")
        self._look_changed()
        if self._cursor_moved:
            self._reveal_cursor()
        else:
            self.centre()

    @staticmethod
    def _same_moneyness(old: ChainFrame, frame: ChainFrame, strike: float) -> int:
        """Row as many strikes from the money as the cursor was in the chain of another underlying."""
        if frame.atm_row < 0:
            return -1
        offset = int(np.argmin(np.abs(old.strikes - strike))) - old.atm_row if old.atm_row >= 0 else 0
        return min(max(frame.atm_row + offset, 0), len(frame.strikes) - 1)

    def _follow(self, frame: ChainFrame) -> bool:
        """Let the rows follow the money when they may; True when that repainted everything."""
        if frame.atm_row < 0:
            return False
        if np.isnan(self._centre):
            self._recentre(frame)
            return True
        centre = int(np.searchsorted(frame.strikes, self._centre))
        if abs(frame.atm_row - centre) < _CENTRE_STRIKES:
            self._away_since = None
            return False
        if self._away_since is None:
            self._away_since = frame.at_ns
        if not self._auto_centre or self._cursor_moved or frame.at_ns - self._away_since < _CENTRE_AFTER_NS:
            return False
        self._recentre(frame)
        return True

    def _recentre(self, frame: ChainFrame) -> None:
        self._away_since = None
        self._centre = float(frame.strikes[frame.atm_row])
        if not self._cursor_moved:
            self._cursor = replace(self._cursor, strike=self._centre)
        self._rows_changed()
        self.centre()

    def _resort(self, frame: ChainFrame) -> bool:
        if (self._sort is None and self._filter is None) or frame.at_ns - self._sorted_ns < _SORT_EVERY_NS:
            return False
        before = self._order
        self._rebuild_order()
        if np.array_equal(before, self._order):
            return False
        self.refresh()
        return True

    def _refresh_rows(self, dirty: NDArray[np.bool_]) -> None:
        """Refresh lines of the viewport, neighbours in one region, all in one call."""
        places = np.flatnonzero(dirty).tolist()
        if not places:
            return
        if len(places) > _MANY * len(dirty):
            self.refresh()
            return
        width, head = self.size.width, self._head_height
        regions = []
        start = last = places[0]
        for place in places[1:]:
            if place != last + 1:
                regions.append(Region(0, head + start, width, last - start + 1))
                start = place
            last = place
        regions.append(Region(0, head + start, width, last - start + 1))
        self.refresh(*regions)

    # ------------------------------------------------------------------ order of the rows

    def _rebuild_order(self) -> None:
        frame = self._frame
        if frame is None:
            self._order, self._places = np.zeros(0, dtype=np.intp), {}
            return
        rows = np.arange(len(frame.strikes), dtype=np.intp)
        if self._range is not None and not np.isnan(self._centre):
            centre = int(np.searchsorted(frame.strikes, self._centre))
            rows = rows[max(centre - self._range, 0) : centre + self._range + 1]
        if self._filter is not None:
            rows = rows[self._filter(frame)[rows]]
        if self._sort is not None:
            keys = frame.values[rows, self._sort.side, self._sort.field]
            # Missing values last, whichever way the others go.
            rows = rows[np.argsort(-keys if self._sort.descending else keys, kind="stable")]
        if self._pins:
            pinned = np.flatnonzero(np.isin(frame.strikes, list(self._pins)))
            rows = np.concatenate((pinned, rows[~np.isin(rows, pinned)]))
        self._order = rows
        self._places = {row: place for place, row in enumerate(rows.tolist())}
        self._sorted_ns = frame.at_ns
        self.virtual_size = Size(self.size.width, self._head_height + len(rows))

    def _rows_changed(self) -> None:
        self._rebuild_order()
        self.refresh()

    @property
    def _has_rule(self) -> bool:
        return self.size.height >= _RULE_HEIGHT and self.size.width >= _RULE_WIDTH

    @property
    def _head_height(self) -> int:
        return 2 if self._has_rule else 1

    def _cursor_row(self) -> int:
        frame = self._frame
        if frame is None or np.isnan(self._cursor.strike):
            return -1
        row = int(np.searchsorted(frame.strikes, self._cursor.strike))
        return row if row < len(frame.strikes) and frame.strikes[row] == self._cursor.strike else -1

    # ------------------------------------------------------------------ moving

    def move_cursor(self, rows: int = 0, columns: int = 0) -> None:
        """Move the cursor by lines (down is positive) and columns (right is positive)."""
        if self._frame is None or not len(self._order):
            return
        self._cursor_moved = True
        self.auto_hold()
        place = self._places.get(self._cursor_row(), -1)
        if place < 0:
            place = int(np.argmin(np.abs(self._frame.strikes[self._order] - self._cursor.strike)))
        else:
            place = min(max(place + rows, 0), len(self._order) - 1)
        side, column = self._column_after(columns)
        self._put_cursor(Cursor(float(self._frame.strikes[self._order[place]]), side, column))

    def _column_after(self, steps: int) -> tuple[Side, str]:
        """Return the side and column so many steps to the right, staying within the layout."""
        if self._view is View.STRADDLE:
            names = [pair.name for pair in self._straddle_painter().pairs]
            place = names.index(self._cursor.column) if self._cursor.column in names else 0
            return self._cursor.side, names[min(max(place + steps, 0), len(names) - 1)] if names else ""
        cells = [(p.side, p.column.name) for p in self.layout_in_use.placed if p.column.kind is not col.Kind.BAR]
        here = self._shown_cursor()
        place = cells.index(here) if here in cells else 0
        return cells[min(max(place + steps, 0), len(cells) - 1)]

    def _shown_cursor(self) -> tuple[Side, str]:
        """Side and column of the cursor in the present layout; a column that has no room gives way to the price."""
        placed = {(p.side, p.column.name) for p in self.layout_in_use.placed}
        side, column = self._cursor.side, self._cursor.column
        if not any(there == side for there, _ in placed):
            side = Side(1 - side)
        return (side, column) if (side, column) in placed else (side, "ltp")

    def _put_cursor(self, cursor: Cursor) -> None:
        if cursor == self._cursor:
            return
        old_side, before = self._cursor.side, self._cursor_row()
        self._cursor = cursor
        if self.layout_in_use.view is View.ONE_SIDE and cursor.side is not old_side:
            self._look_changed()
        else:
            self._repaint_rows(before, self._cursor_row())
        self._reveal_cursor()
        leg = self.leg
        if leg is not None:
            self.post_message(self.CellHighlighted(self, leg))

    def _repaint_rows(self, *rows: int) -> None:
        visible = self.visible_rows
        self._refresh_rows(np.isin(visible, rows))

    def _reveal_cursor(self) -> None:
        place = self._places.get(self._cursor_row(), -1)
        height = self.size.height - self._head_height
        if place < 0 or height <= 0:
            return
        top = self.scroll_offset.y
        if place < top:
            self._scroll_rows(place)
        elif place >= top + height:
            self._scroll_rows(place - height + 1)

    def _scroll_rows(self, top: int) -> None:
        self.scroll_to(y=top, animate=False, force=True)

    def page(self, pages: int) -> None:
        """Move the cursor by pages (down is positive)."""
        self.move_cursor(rows=pages * max(self.size.height - self._head_height - 1, 1))

    def to_end(self, *, last: bool) -> None:
        """Move the cursor to the first or the last row on display."""
        self.move_cursor(rows=len(self._order) if last else -len(self._order))

    def to_atm(self) -> None:
        """Put the cursor on the row at the money, centre it, and let the rows follow the money again."""
        frame = self._frame
        if frame is None or frame.atm_row < 0:
            return
        self._cursor_moved = False
        self._centre = float(frame.strikes[frame.atm_row])
        self._rows_changed()
        self._put_cursor(replace(self._cursor, strike=self._centre))
        self.centre()

    def goto_strike(self, strike: float) -> bool:
        """Put the cursor on the strike nearest to a price; False when no chain is shown or a filter hides it."""
        if self._frame is None or not len(self._order):
            return False
        self._cursor_moved = True
        row = int(np.argmin(np.abs(self._frame.strikes - strike)))
        if row not in self._places:
            return False
        self._put_cursor(replace(self._cursor, strike=float(self._frame.strikes[row])))
        return True

    def centre(self) -> None:
        """Scroll so that the strike at the money stands in the middle."""
        frame = self._frame
        if frame is None or np.isnan(self._centre):
            return
        place = self._places.get(int(np.searchsorted(frame.strikes, self._centre)), -1)
        height = self.size.height - self._head_height
        if place >= 0 and height > 0:
            self._scroll_rows(max(place - height // 2, 0))

    def auto_hold(self) -> None:
        """Forget how long the money has been away: the trader is at work in the rows."""
        self._away_since = None

    def set_auto_centre(self, on: bool) -> None:
        """Let the rows follow the money, or not; they never do while the trader has moved the cursor."""
        self._auto_centre = on

    def select_leg(self) -> None:
        """Report the leg under the cursor as chosen."""
        leg = self.leg
        if leg is not None and leg.token >= 0:
            self.post_message(self.LegSelected(self, leg))

    # ------------------------------------------------------------------ the look

    def set_preset(self, preset: Preset) -> None:
        """Show other columns."""
        self._preset = preset
        self._look_changed()

    def set_view(self, view: View) -> None:
        """Lay the chain out in another way."""
        self._view = view
        self._look_changed()

    def set_units(self, units: Units) -> None:
        """Write quantities in other units."""
        self._units = units
        self._look_changed()

    def set_bars(self, bars: BarMeaning) -> None:
        """Let the bars stand for something else."""
        self._bars = bars
        self._look_changed()

    def set_glyphs(self, glyphs: GlyphSet) -> None:
        """Draw in Unicode or in ASCII."""
        self._glyphs = glyphs
        self._look_changed()

    def set_side(self, side: Side) -> None:
        """Put the cursor on a side, which the one-side view then shows."""
        self._put_cursor(replace(self._cursor, side=side))

    def set_dimmed(self, dimmed: bool) -> None:
        """Draw everything as old: this chain waits for its successor's first data."""
        if dimmed != self._dimmed:
            self._dimmed = dimmed
            self._palette = ()
            self._look_changed()

    def set_range(self, strikes: int | None) -> None:
        """Show so many strikes on each side of the money, None for all."""
        self._range = strikes
        self._rows_changed()
        self.centre()

    def widen_range(self, steps: int) -> None:
        """Go to a wider (positive) or narrower range of strikes; beyond the widest, all are shown."""
        ladder: list[int | None] = [*_RANGES, None]
        here = ladder.index(self._range) if self._range in ladder else len(ladder) - 1
        self.set_range(ladder[min(max(here + steps, 0), len(ladder) - 1)])

    def set_sort(self, sort: Sort | None) -> None:
        """Sort the rows by a value, None for ascending strikes."""
        self._sort = sort
        self._rows_changed()
        self._reveal_cursor()

    def sort_by_cursor(self) -> Sort | None:
        """Sort by the column under the cursor: first descending, then ascending, then by strike again."""
        side, name = self._shown_cursor()
        field = col.COLUMNS[name].field
        now = self._sort
        if now is None or (now.field, now.side) != (field, side):
            self.set_sort(Sort(field, side))
        else:
            self.set_sort(Sort(field, side, descending=False) if now.descending else None)
        return self._sort

    def set_filter(self, keep: RowFilter | None) -> None:
        """Show only the strikes that ``keep`` says, None for all."""
        self._filter = keep
        self._rows_changed()
        self._reveal_cursor()

    def toggle_pin(self) -> None:
        """Keep the strike under the cursor at the top, or let it go."""
        strike = self._cursor.strike
        if not np.isnan(strike):
            self._pins = self._pins ^ {strike}
            self._strips.clear()
            self._rows_changed()
            self._reveal_cursor()

    def _look_changed(self) -> None:
        """Forget everything painted."""
        self._painter = None
        self._straddle = None
        self._strips.clear()
        self._head = []
        self._rows_changed()

    # ------------------------------------------------------------------ painting

    def notify_style_update(self) -> None:
        """Take over the theme's colours."""
        super().notify_style_update()
        self._palette = ()
        self._painter = None
        self._straddle = None
        self._strips.clear()
        self._head = []

    def on_resize(self) -> None:
        """Lay out anew; the trader's place stays in view."""
        self._look_changed()
        if self._cursor_moved:
            self._reveal_cursor()
        else:
            self.centre()

    def _styles(self) -> tuple[Style, ...]:
        if not self._palette:
            self._palette = build_palette(self.app.theme_variables, dimmed=self._dimmed)
        return self._palette

    @property
    def _lot_size(self) -> int:
        return self._frame.contracts.lot_size if self._frame else 1

    def _row_painter(self) -> RowPainter:
        if self._painter is None:
            side = self._cursor.side
            layout = col.fit(self._preset, self.size.width, view=self._view, side=side, units=self._units)
            self._painter = RowPainter(
                layout,
                self._styles(),
                lot_size=self._lot_size,
                units=self._units,
                bars=self._bars,
                glyphs=self._glyphs,
            )
        return self._painter

    def _straddle_painter(self) -> StraddlePainter:
        if self._straddle is None:
            self._straddle = StraddlePainter(
                self.size.width, self._styles(), lot_size=self._lot_size, units=self._units, glyphs=self._glyphs
            )
        return self._straddle

    def render_line(self, y: int) -> Strip:
        """Return one line of the viewport."""
        width = self.size.width
        frame = self._frame
        if width < col.NARROW:
            text = f"{col.NARROW} columns needed" if y == 0 else ""
            return Strip.blank(width, self._styles()[0]) if not text else self._sentence(text, width)
        if y < self._head_height:
            return self._header(y)
        place = y - self._head_height + self.scroll_offset.y
        if frame is None or place >= len(self._order):
            return Strip.blank(width, self._styles()[0])
        return self._row(frame, int(self._order[place]))

    def _sentence(self, text: str, width: int) -> Strip:
        return Strip([self._segment(text[:width].ljust(width))], width)

    def _segment(self, text: str) -> Segment:
        return Segment(text, self._styles()[Ground.HEADER * INKS])

    def _header(self, y: int) -> Strip:
        if not self._head:
            mock = self._frame is not None and self._frame.is_mock
            painter = self._straddle_painter() if self._view is View.STRADDLE else self._row_painter()
            rule = self._glyphs.text("─" * self.size.width)
            self._head = [painter.header(mock=mock), Strip([self._segment(rule)], self.size.width)]
        return self._head[y]

    def _row(self, frame: ChainFrame, row: int) -> Strip:
        on_cursor = row == self._cursor_row()
        cursor = f"{self._cursor.side}{self._cursor.column}" if on_cursor else ""
        version = int(frame.row_versions[row])
        kept = self._strips.get(row)
        if kept is not None and kept[0] == version and kept[1] == cursor:
            return kept[2]
        pinned = bool(self._pins) and float(frame.strikes[row]) in self._pins
        if self._view is View.STRADDLE:
            strip = self._straddle_painter().row(
                frame, row, cursor_column=self._cursor.column if on_cursor else "", pinned=pinned
            )
        else:
            side, column = self._shown_cursor() if on_cursor else (-1, "")
            strip = self._row_painter().row(frame, row, cursor_side=side, cursor_column=column, pinned=pinned)
        self._strips[row] = (version, cursor, strip)
        return strip

    # ------------------------------------------------------------------ mouse

    def on_click(self, event: events.Click) -> None:
        """Put the cursor under the pointer; a click on the cell that has it chooses the leg."""
        place = event.y - self._head_height + self.scroll_offset.y
        if self._frame is None or event.y < self._head_height or place >= len(self._order):
            return
        strike = float(self._frame.strikes[self._order[place]])
        side, column = self._cursor.side, self._cursor.column
        if self._view is View.STRADDLE:
            pair = self._straddle_painter().column_at(event.x)
            column = pair.name if pair else column
        else:
            placed = self.layout_in_use.at(event.x)
            if placed is not None and placed.column.kind is not col.Kind.BAR:
                side, column = placed.side, placed.column.name
        cursor = Cursor(strike, side, column)
        self._cursor_moved = True
        if cursor == self._cursor:
            self.select_leg()
        else:
            self._put_cursor(cursor)
