"""`RowPainter`: puts one strike of a `ChainFrame` together as a `Strip`, and the header line above it.

The hot path of the display: 20 to 50 rows up to ten times a second. Values come as one list per row, texts are kept
per column and value (prices repeat on their tick grid), styles are integers until the end, and neighbours of the same
style become one segment. No markup, no `Text`, no style arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tickertui.market.chain import Side
from tickertui.tui import columns as col
from tickertui.tui import format as fmt
from tickertui.tui.columns import AGE_WIDTH, Layout, Placed
from tickertui.tui.format import GlyphSet, Units
from tickertui.tui.frames import BarMeaning, ChainFrame
from tickertui.tui.palette import INKS, Ground, Ink
from tickertui.tui.states import DataState

_CACHE_LIMIT: Final = 20_000
"""Texts kept per column; a day's prices of a chain are fewer."""

Pieces = list[tuple[str, int]]

_PRICE_INK: Final = {
    DataState.CLOSED: Ink.TEXT,
    DataState.SNAP: Ink.SNAP,
    DataState.MOCK: Ink.MOCK,
    DataState.STALE: Ink.STALE,
    DataState.NEVER: Ink.MUTED,
    DataState.ERROR: Ink.ERROR,
    DataState.WAITING: Ink.MUTED,
}
"""Ink of a price by its state; in the other states the direction decides."""
_BY_ARROW: Final = {1: Ink.GAIN, -1: Ink.LOSS, 0: Ink.TEXT}
_ARROWS: Final = {1: "▲", -1: "▼", 0: "·"}
_STATE_CELLS: Final = tuple(DataState(code).mark.cell for code in range(len(DataState)))
_NO_PRICE: Final = frozenset((DataState.NEVER, DataState.WAITING))


@dataclass(slots=True)
class _Leg:
    """What one side of a row is made of."""

    values: list[float]
    state: int
    arrow: int
    flash: int
    age: int
    old_greeks: bool
    ground: Ground
    cursor: str
    """Name of the column under the cursor, empty for none."""


def merge(pieces: Pieces, palette: Sequence[Style], width: int) -> Strip:
    """Return pieces as a strip of exactly ``width`` cells: neighbours of the same style become one segment."""
    segments: list[Segment] = []
    run, last = "", -1
    length = 0
    for text, style in pieces:
        length += len(text)
        if style == last:
            run += text
        else:
            if run:
                segments.append(Segment(run, palette[last]))
            run, last = text, style
    if run:
        segments.append(Segment(run, palette[last]))
    strip = Strip(segments, length)
    return strip if length == width else strip.crop(0, width)


class RowPainter:
    """Paints rows of one layout; a change of layout, units, glyphs or bar meaning takes another painter.

    Args:
        layout: Columns and their places.
        palette: Styles by `tickertui.tui.palette.style_index`.
        lot_size: Units per lot, for quantities in lots.
        units: How quantities are written.
        bars: What the bar stands for.
        glyphs: Unicode or ASCII.
    """

    def __init__(
        self,
        layout: Layout,
        palette: Sequence[Style],
        *,
        lot_size: int,
        units: Units,
        bars: BarMeaning,
        glyphs: GlyphSet,
    ) -> None:
        self.layout = layout
        self.palette = palette
        self._lot_size = lot_size
        self._units = units
        self._bars = bars
        self._glyphs = glyphs
        self._texts: dict[Placed, dict[float, str]] = {placed: {} for placed in layout.placed}
        self._mock_texts: dict[Placed, dict[float, str]] = {placed: {} for placed in layout.placed}
        self._ages: dict[int, str] = {-1: " " * AGE_WIDTH}
        self._strikes: dict[float, str] = {}
        self._steps = (
            tuple((placed, placed.column.field, placed.column.kind, self._texts[placed]) for placed in layout.call),
            tuple((placed, placed.column.field, placed.column.kind, self._texts[placed]) for placed in layout.put),
        )

    # ------------------------------------------------------------------ a row

    def row(
        self, frame: ChainFrame, row: int, *, cursor_side: int = -1, cursor_column: str = "", pinned: bool = False
    ) -> Strip:
        """Return one strike.

        Args:
            frame: Where its values are.
            row: Which strike.
            cursor_side: 0 or 1 for the side that the cursor is on, -1 when it is on another row.
            cursor_column: Name of its column.
            pinned: Whether the trader keeps this strike at the top.
        """
        layout = self.layout
        strike = float(frame.strikes[row])
        legs = self._legs(frame, row, strike, cursor_side, cursor_column)
        pieces: Pieces = []
        if layout.margin:
            pieces.append((" " * layout.margin, Ground.PLAIN * INKS))
        if layout.strike_x == 0 and not layout.margin:
            self._strike(pieces, frame, row, strike, pinned=pinned)
        for step in self._steps[0]:
            self._cell(pieces, step, legs[0], frame)
        if layout.view is col.View.CHAIN:
            self._strike(pieces, frame, row, strike, pinned=pinned)
        for step in self._steps[1]:
            self._cell(pieces, step, legs[1], frame)
        pieces.append((" " * (layout.width - layout.used), Ground.PLAIN * INKS))
        return merge(pieces, self.palette, layout.width)

    @staticmethod
    def _legs(frame: ChainFrame, row: int, strike: float, cursor_side: int, cursor_column: str) -> tuple[_Leg, _Leg]:
        values, states = frame.values[row].tolist(), frame.states[row].tolist()
        arrows, flashes = frame.directions[row].tolist(), frame.flashes[row].tolist()
        ages, old = frame.ages[row].tolist(), frame.old_greeks[row].tolist()
        reference = frame.summary.reference.price
        if row == frame.atm_row:
            grounds = (Ground.ATM, Ground.ATM)
        else:
            grounds = (
                Ground.ITM if strike < reference else Ground.PLAIN,
                Ground.ITM if strike > reference else Ground.PLAIN,
            )
        return (
            _Leg(values[0], states[0], arrows[0], flashes[0], ages[0], old[0], grounds[0],
                 cursor_column if cursor_side == 0 else ""),
            _Leg(values[1], states[1], arrows[1], flashes[1], ages[1], old[1], grounds[1],
                 cursor_column if cursor_side == 1 else ""),
        )  # fmt: skip

    def _cell(
        self, pieces: Pieces, step: tuple[Placed, int, col.Kind, dict[float, str]], leg: _Leg, frame: ChainFrame
    ) -> None:
        placed, field, kind, texts = step
        value = leg.values[field]
        if kind is col.Kind.PRICE:
            self._price(pieces, placed, value, leg)
            return
        if kind is col.Kind.BAR:
            self._bar(pieces, placed, leg, frame)
            return
        text = texts.get(value)
        if text is None:
            text = self._write(placed, value, texts)
        if leg.state == DataState.STALE:
            ink = Ink.STALE
        elif value != value or kind is col.Kind.MUTED or (kind is col.Kind.GREEK and leg.old_greeks):
            ink = Ink.MUTED
        elif kind is col.Kind.SIGNED:
            ink = Ink.GAIN if value > 0 else Ink.LOSS if value < 0 else Ink.MUTED
        else:
            ink = Ink.TEXT
        if leg.cursor == placed.column.name:
            if placed.gap:
                pieces.append((" ", leg.ground * INKS + Ink.TEXT))
            pieces.append((text[placed.gap :], Ground.CURSOR * INKS + ink))
        else:
            pieces.append((text, leg.ground * INKS + ink))

    def _write(self, placed: Placed, value: float, texts: dict[float, str]) -> str:
        """Return a value as text with its separator, and keep it (a NaN equals nothing and is not kept)."""
        column = placed.column
        if value != value:
            return self._glyphs.text(fmt.MISSING).rjust(placed.gap + placed.width)
        if column.is_quantity:
            text = fmt.quantity(value, self._units, self._lot_size, signed=column.is_signed)
        else:
            assert column.write is not None
            text = column.write(value, placed.width)
        text = text.rjust(placed.gap + placed.width)
        if len(texts) > _CACHE_LIMIT:
            texts.clear()
        texts[value] = text
        return text

    def _price(self, pieces: Pieces, placed: Placed, value: float, leg: _Leg) -> None:
        """The last price, the mark of its state (or the arrow of its direction) and its age."""
        state = leg.state
        mock = state == DataState.MOCK
        texts = self._mock_texts[placed] if mock else self._texts[placed]
        text = texts.get(value)
        if text is None:
            text = self._write_price(placed, value, texts, mock=mock)
        missing = value != value
        arrow_ink = _BY_ARROW[leg.arrow]
        ink = Ink.MUTED if missing and state != DataState.ERROR else _PRICE_INK.get(DataState(state), arrow_ink)
        ground = leg.ground
        if leg.flash and not missing:
            ground = Ground.FLASH_UP if leg.flash > 0 else Ground.FLASH_DOWN
        if leg.cursor == placed.column.name:
            ground = Ground.CURSOR
        glyph = _STATE_CELLS[state] or (" " if missing else _ARROWS[leg.arrow])
        glyph_ink = arrow_ink if mock else ink
        if self._glyphs.is_ascii:
            glyph = self._glyphs.text(glyph)
        if placed.gap:
            pieces.append((" ", leg.ground * INKS + Ink.TEXT))
        pieces.append((text, ground * INKS + ink))
        pieces.append((glyph, ground * INKS + glyph_ink))
        age = self._ages.get(leg.age)
        if age is None:
            age = self._ages[leg.age] = fmt.age(leg.age).rjust(AGE_WIDTH)
        pieces.append((age, leg.ground * INKS + (Ink.STALE if state == DataState.STALE else Ink.MUTED)))

    def _write_price(self, placed: Placed, value: float, texts: dict[float, str], *, mock: bool) -> str:
        if value != value:
            return self._glyphs.text(fmt.MISSING).rjust(placed.width)
        if len(texts) > _CACHE_LIMIT:
            texts.clear()
        text = texts[value] = fmt.fit_price(value, placed.width, "~" if mock else "")
        return text

    def _bar(self, pieces: Pieces, placed: Placed, leg: _Leg, frame: ChainFrame) -> None:
        """A bar towards the outside: to the left for calls, to the right for puts, in eighths of a cell."""
        value, scale = leg.values[self._bars.field], frame.bar_scales[self._bars]
        full, eighths = self._glyphs.bar(abs(value) / scale if scale else 0.0, placed.width)
        base = leg.ground * INKS
        empty = " " * (placed.width - len(full) - (1 if eighths else 0))
        outward_left = placed.side is Side.CALL and self.layout.view is col.View.CHAIN
        solid, turned = self._bar_inks(leg, value, placed.side)
        if outward_left:
            pieces.append((" " * placed.gap + empty, base + Ink.TEXT))
            if eighths:
                # There are no blocks that fill a cell from the right: the one from the left, ink and ground exchanged.
                pieces.append((self._glyphs.eighth(8 - eighths), base + turned))
            if full:
                pieces.append((full, base + solid))
        else:
            pieces.append((" " * placed.gap, base + Ink.TEXT))
            pieces.append((full + (self._glyphs.eighth(eighths) if eighths else ""), base + solid))
            pieces.append((empty, base + Ink.TEXT))

    def _bar_inks(self, leg: _Leg, value: float, side: Side) -> tuple[Ink, Ink]:
        if self._bars is BarMeaning.OI_CHANGE:
            return (Ink.GAIN, Ink.GAIN_TURNED) if value > 0 else (Ink.LOSS, Ink.LOSS_TURNED)
        return (Ink.BAR_PUT if side is Side.PUT else Ink.BAR_CALL), Ink.BAR_CALL_TURNED

    def _strike(self, pieces: Pieces, frame: ChainFrame, row: int, strike: float, *, pinned: bool) -> None:
        text = self._strikes.get(strike)
        if text is None:
            text = self._strikes[strike] = fmt.strike(strike).rjust(6)
        atm = row == frame.atm_row
        left, right = ("▶", "◀") if atm else ("•" if pinned else " ", " ")
        if len(text) <= 6:
            left, right = left + " ", " " + right
        text = self._glyphs.text(f"{left}{text}{right}").center(self.layout.strike_width)
        pieces.append((text, (Ground.ATM if atm else Ground.PLAIN) * INKS + Ink.STRIKE))

    # ------------------------------------------------------------------ the header

    def header(self, *, mock: bool) -> Strip:
        """Return the line above the rows; in a mock every column carries the mark ``~``."""
        layout = self.layout
        cells = [" "] * layout.width
        for placed in layout.placed:
            self._put(cells, placed.x + placed.gap, self._title(placed, mock=mock))
        self._put(cells, layout.strike_x, "STRIKE".center(layout.strike_width))
        text = self._glyphs.text("".join(cells))
        return Strip([Segment(text, self.palette[Ground.HEADER * INKS])], layout.width)

    @staticmethod
    def _put(cells: list[str], x: int, text: str) -> None:
        cells[x : x + len(text)] = text

    def _title(self, placed: Placed, *, mock: bool) -> str:
        column = placed.column
        mark = "~" if mock else ""
        if column.kind is col.Kind.PRICE:
            title = mark + ("PUT" if placed.side is Side.PUT else "CALL")
            return f"{title:>{placed.width}} {'age':>{AGE_WIDTH}}"
        if column.kind is col.Kind.BAR:
            title = "bar" if self._bars is BarMeaning.OI else self._bars.label
            outward_left = placed.side is Side.CALL and self.layout.view is col.View.CHAIN
            return title.rjust(placed.width) if outward_left else title.ljust(placed.width)
        title = column.title
        if len(mark + title) > placed.width:
            title = column.short or title[: placed.width - len(mark)]
        return (mark + title).rjust(placed.width)
