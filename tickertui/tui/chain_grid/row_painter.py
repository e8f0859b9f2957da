"""`RowPainter`: puts one strike of a `ChainFrame` together as a `Line`, and the header line above it.

The hot path of the display: 20 to 50 rows up to ten times a second. Values come as one list per row, texts are kept
per column and value (prices repeat on their tick grid) and styles are integers until the end
(`tickertui.tui.terminal.line`). No markup, no `Text`, no style arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tickertui.frozen import frozen
from tickertui.market.chain import Side
from tickertui.market.figures import AT_LEAST
from tickertui.market.instruments import LEAST_DECIMALS
from tickertui.tui.chain_grid import columns as col
from tickertui.tui.chain_grid.columns import AGE_WIDTH, Layout, Placed
from tickertui.tui.look import format as fmt
from tickertui.tui.look.format import GlyphSet, Units
from tickertui.tui.look.styles import FOREGROUNDS, Background, Foreground
from tickertui.tui.terminal.line import Line, Pieces, StyleEncoder
from tickertui.tui.view.data_states import DataState
from tickertui.tui.view.frames import BarMeaning, ChainFrame

_CACHE_LIMIT: Final = 4_000
"""Texts kept per column; prices come back, volumes never do. 20,000 would be 50 MB in all by the evening."""

# Plain integers: a look into an enumeration takes Python 3.11 longer than everything else done to a cell.
_TEXT, _MUTED, _GAIN, _LOSS = int(Foreground.TEXT), int(Foreground.MUTED), int(Foreground.GAIN), int(Foreground.LOSS)
_STALE_FOREGROUND, _MOCK_FOREGROUND, _STRIKE_FOREGROUND = (
    int(Foreground.STALE),
    int(Foreground.MOCK),
    int(Foreground.STRIKE),
)
_BAR_CALL, _BAR_PUT, _BAR_CALL_TURNED = (
    int(Foreground.BAR_CALL),
    int(Foreground.BAR_PUT),
    int(Foreground.BAR_CALL_TURNED),
)
_GAIN_TURNED, _LOSS_TURNED = int(Foreground.GAIN_TURNED), int(Foreground.LOSS_TURNED)
_PLAIN, _ITM, _ATM = Background.PLAIN * FOREGROUNDS, Background.ITM * FOREGROUNDS, Background.ATM * FOREGROUNDS
_CURSOR, _FLASH_UP, _FLASH_DOWN = (
    Background.CURSOR * FOREGROUNDS,
    Background.FLASH_UP * FOREGROUNDS,
    Background.FLASH_DOWN * FOREGROUNDS,
)
_MOCK, _STALE, _ERROR = int(DataState.MOCK), int(DataState.STALE), int(DataState.ERROR)
_CALL = int(Side.CALL)
_UNITS: Final = (1, 1)

_PLAIN_KIND, _MUTED_KIND, _SIGNED_KIND, _GREEK_KIND, _PRICE_KIND, _BAR_KIND = range(6)
_KINDS: Final = {
    col.Kind.PLAIN: _PLAIN_KIND,
    col.Kind.MUTED: _MUTED_KIND,
    col.Kind.SIGNED: _SIGNED_KIND,
    col.Kind.GREEK: _GREEK_KIND,
    col.Kind.PRICE: _PRICE_KIND,
    col.Kind.BAR: _BAR_KIND,
}
_BY_ARROW: Final = {1: _GAIN, -1: _LOSS, 0: _TEXT}
_ARROWS: Final = {1: "▲", -1: "▼", 0: "·"}
_STATE_FOREGROUNDS: Final = {
    DataState.CLOSED: Foreground.TEXT,
    DataState.SNAP: Foreground.SNAP,
    DataState.MOCK: Foreground.MOCK,
    DataState.STALE: Foreground.STALE,
    DataState.NEVER: Foreground.MUTED,
    DataState.ERROR: Foreground.ERROR,
    DataState.WAITING: Foreground.MUTED,
    DataState.PAST: Foreground.MUTED,
    DataState.DOUBT: Foreground.ERROR,
}
_PRICE_FOREGROUNDS: Final = tuple(int(_STATE_FOREGROUNDS.get(state, -1)) for state in DataState)
"""Foreground of a price by its state; -1 where the direction decides."""
_STATE_CELLS: Final = tuple(state.badge.cell for state in DataState)


@frozen
class _Step:
    """What is done for one column of a row.

    Attributes:
        placed: The column at its place.
        field: Index into the values.
        kind: How it is coloured.
        name: Of the column.
        in_lots: Whether the value is divided by the leg's lot before it is written.
        texts: Texts by value; those of synthetic prices have their mark in front.
        mock_texts: Texts of synthetic prices.
    """

    placed: Placed
    field: int
    kind: int
    name: str
    in_lots: bool
    texts: dict[float, str]
    mock_texts: dict[float, str]


@dataclass(slots=True)
class _Leg:
    """What one side of a row is made of.

    Attributes:
        values: By `Field`.
        lot: Units per lot of this contract, 1 where quantities are written in units.
        state: `DataState`.
        arrow: Direction to show.
        flash: Direction of a change a moment ago.
        age: Seconds to show, -1 for none.
        old_greeks: Whether Greeks are dimmed.
        base: Style of the background; the foreground is added to it.
        cursor: Name of the column under the cursor, empty for none.
    """

    values: list[float]
    lot: int
    state: int
    arrow: int
    flash: int
    age: int
    old_greeks: bool
    base: int
    cursor: str


class RowPainter:
    """Paints rows of one layout; a change of layout, units, glyphs or bar meaning takes another painter.

    Args:
        layout: Columns and their places.
        palette: Styles by `tickertui.tui.look.styles.style_index`.
        decimals: Of the prices.
        units: How quantities are written.
        bars: What the bar stands for.
        glyphs: Unicode or ASCII.
    """

    def __init__(
        self,
        layout: Layout,
        palette: Sequence[Style],
        *,
        decimals: int = LEAST_DECIMALS,
        units: Units,
        bars: BarMeaning,
        glyphs: GlyphSet,
    ) -> None:
        self.layout = layout
        self.palette = palette
        self._encoder = StyleEncoder(palette)
        self._decimals = decimals
        self._in_lots = units is not Units.LAKH
        self._units = units
        self._bars = bars
        self._glyphs = glyphs
        self._ages: dict[int, str] = {-1: " " * AGE_WIDTH}
        self._strikes: dict[float, str] = {}
        self._call_steps = tuple(self._step(placed) for placed in layout.call)
        self._put_steps = tuple(self._step(placed) for placed in layout.put)
        self._two_sided = layout.view is col.View.CHAIN
        self._left = (" " * layout.margin, _PLAIN)
        self._right = (" " * (layout.width - layout.used), _PLAIN)
        self._bar_field = int(bars.field)
        self._bar_is_signed = bars is BarMeaning.OI_CHANGE
        self._dash = glyphs.text(fmt.MISSING)

    def _step(self, placed: Placed) -> _Step:
        column = placed.column
        in_lots = column.is_quantity and self._in_lots
        return _Step(placed, int(column.field), _KINDS[column.kind], column.name, in_lots, {}, {})

    # ------------------------------------------------------------------ a row

    def row(
        self, frame: ChainFrame, row: int, *, cursor_side: int = -1, cursor_column: str = "", pinned: bool = False
    ) -> Line:
        """Return one strike.

        Args:
            frame: Where its values are.
            row: Which strike.
            cursor_side: 0 or 1 for the side that the cursor is on, -1 when it is on another row.
            cursor_column: Name of its column.
            pinned: Whether the trader keeps this strike above the rows.
        """
        call, put = self._legs(frame, row, cursor_side, cursor_column)
        strike = self._strike(frame, row, pinned=pinned)
        pieces: Pieces = [self._left]
        if not self._two_sided:
            pieces.append(strike)
        if self._call_steps:
            self._side(pieces, self._call_steps, call, frame)
        if self._two_sided:
            pieces.append(strike)
        if self._put_steps:
            self._side(pieces, self._put_steps, put, frame)
        pieces.append(self._right)
        return Line(pieces, self._encoder, self.layout.width)

    def _legs(self, frame: ChainFrame, row: int, cursor_side: int, cursor_column: str) -> tuple[_Leg, _Leg]:
        values, states = frame.values[row].tolist(), frame.states[row].tolist()
        arrows, flashes = frame.directions[row].tolist(), frame.flashes[row].tolist()
        ages, old = frame.ages[row].tolist(), frame.old_greeks[row].tolist()
        lots = frame.contracts.lots[row].tolist() if self._in_lots else _UNITS
        strike, reference = frame.strikes[row], frame.summary.reference.price
        if row == frame.atm_row:
            bases = (_ATM, _ATM)
        else:
            bases = (_ITM if strike < reference else _PLAIN, _ITM if strike > reference else _PLAIN)
        first, second = (
            _Leg(
                values[side], lots[side], states[side], arrows[side], flashes[side], ages[side], old[side], bases[side],
                cursor_column if side == cursor_side else "",
            )
            for side in (0, 1)
        )  # fmt: skip
        return first, second

    def _side(self, pieces: Pieces, steps: tuple[_Step, ...], leg: _Leg, frame: ChainFrame) -> None:
        """Append one side's cells."""
        values, base, stale = leg.values, leg.base, leg.state == _STALE
        cursor, old_greeks, append = leg.cursor, leg.old_greeks, pieces.append
        for step in steps:
            value, kind = values[step.field], step.kind
            if kind == _PRICE_KIND:
                self._price(pieces, step, value, leg)
                continue
            if kind == _BAR_KIND:
                self._bar(pieces, step.placed, leg, frame)
                continue
            if value >= AT_LEAST and step.placed.column.is_quantity:
                text = fmt.quantity(value, self._units, leg.lot).rjust(step.placed.gap + step.placed.width)
            else:
                if step.in_lots:
                    value /= leg.lot or 1
                text = step.texts.get(value) or self._write(step, value)
            if stale:
                foreground = _STALE_FOREGROUND
            elif value != value or kind == _MUTED_KIND or (kind == _GREEK_KIND and old_greeks):
                foreground = _MUTED
            elif kind == _SIGNED_KIND:
                foreground = _GAIN if value > 0 else _LOSS if value < 0 else _MUTED
            else:
                foreground = _TEXT
            if cursor and cursor == step.name:
                gap = step.placed.gap
                append((text[:gap], base))
                append((text[gap:], _CURSOR + foreground))
            else:
                append((text, base + foreground))

    def _write(self, step: _Step, value: float) -> str:
        """Return a value as text with its separator, and keep it (a NaN equals nothing and is not kept)."""
        placed, column = step.placed, step.placed.column
        cells = placed.gap + placed.width
        if value != value:
            return self._dash.rjust(cells)
        if column.is_quantity:
            text = fmt.counted(value, self._units, signed=column.is_signed)
        elif column.is_rupees:
            text = fmt.fit_price(value, placed.width, decimals=self._decimals, signed=column.is_signed)
        else:
            assert column.write is not None
            text = column.write(value, placed.width)
        return self._keep(step.texts, value, text.rjust(cells))

    @staticmethod
    def _keep(texts: dict[float, str], value: float, text: str) -> str:
        if len(texts) > _CACHE_LIMIT:
            texts.clear()
        texts[value] = text
        return text

    def _price(self, pieces: Pieces, step: _Step, value: float, leg: _Leg) -> None:
        """The last price, the mark of its state (or the arrow of its direction) and its age."""
        state, base, missing = leg.state, leg.base, value != value
        mock = state == _MOCK
        texts = step.mock_texts if mock else step.texts
        text = texts.get(value) or self._write_price(step.placed, value, texts, mock=mock)
        arrow_foreground = _BY_ARROW[leg.arrow]
        foreground = _PRICE_FOREGROUNDS[state]
        if foreground < 0:
            foreground = arrow_foreground
        if missing and state != _ERROR:
            foreground = _MUTED
        background = base
        if leg.flash and not missing:
            background = _FLASH_UP if leg.flash > 0 else _FLASH_DOWN
        if leg.cursor and leg.cursor == step.name:
            background = _CURSOR
        glyph = _STATE_CELLS[state] or (" " if missing else _ARROWS[leg.arrow])
        if self._glyphs.is_ascii:
            glyph = self._glyphs.text(glyph)
        gap = step.placed.gap
        if gap:
            pieces.append((" ", base))
        pieces.append((text, background + foreground))
        pieces.append((glyph, background + (arrow_foreground if mock else foreground)))
        age = self._ages.get(leg.age) or self._write_age(leg.age)
        pieces.append((age, base + (_STALE_FOREGROUND if state == _STALE else _MUTED)))

    def _write_age(self, seconds: int) -> str:
        text = self._ages[seconds] = fmt.age(seconds).rjust(AGE_WIDTH)
        return text

    def _write_price(self, placed: Placed, value: float, texts: dict[float, str], *, mock: bool) -> str:
        if value != value:
            return self._dash.rjust(placed.width)
        return self._keep(
            texts, value, fmt.fit_price(value, placed.width, "~" if mock else "", decimals=self._decimals)
        )

    def _bar(self, pieces: Pieces, placed: Placed, leg: _Leg, frame: ChainFrame) -> None:
        """A bar towards the outside: to the left for calls, to the right for puts, in eighths of a cell."""
        value, scale, base = leg.values[self._bar_field], frame.bar_scales[self._bars], leg.base
        full, eighths = self._glyphs.bar(abs(value) / scale if scale else 0.0, placed.width)
        empty = " " * (placed.width - len(full) - (1 if eighths else 0))
        is_call = placed.side == _CALL
        if self._bar_is_signed:
            solid, turned = (_GAIN, _GAIN_TURNED) if value > 0 else (_LOSS, _LOSS_TURNED)
        else:
            solid, turned = (_BAR_CALL if is_call else _BAR_PUT), _BAR_CALL_TURNED
        gap = " " * placed.gap
        if is_call and self._two_sided:
            pieces.append((gap + empty, base))
            if eighths:
                # There are no blocks that fill a cell from the right: the one from the left, its two colours exchanged.
                pieces.append((self._glyphs.eighth(8 - eighths), base + turned))
            pieces.append((full, base + solid))
        else:
            pieces.append((gap, base))
            pieces.append((full + (self._glyphs.eighth(eighths) if eighths else ""), base + solid))
            pieces.append((empty, base))

    def _strike(self, frame: ChainFrame, row: int, *, pinned: bool) -> tuple[str, int]:
        strike = float(frame.strikes[row])
        text = self._strikes.get(strike)
        if text is None:
            text = self._strikes[strike] = fmt.strike(strike).rjust(6)
        atm = row == frame.atm_row
        left, right = ("▶", "◀") if atm else ("•" if pinned else " ", " ")
        if len(text) <= 6:
            left, right = left + " ", " " + right
        text = f"{left}{text}{right}".center(self.layout.strike_width)
        if self._glyphs.is_ascii:
            text = self._glyphs.text(text)
        return text, (_ATM if atm else _PLAIN) + _STRIKE_FOREGROUND

    # ------------------------------------------------------------------ the header

    def header(self, *, mock: bool) -> Strip:
        """Return the line above the rows; in a mock every column carries the mark ``~``."""
        layout = self.layout
        cells = [" "] * layout.width
        for placed in layout.placed:
            self._put(cells, placed.x + placed.gap, self._title(placed, mock=mock))
        self._put(cells, layout.strike_x, "STRIKE".center(layout.strike_width))
        text = self._glyphs.text("".join(cells))
        return Strip([Segment(text, self.palette[Background.HEADER * FOREGROUNDS])], layout.width)

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
