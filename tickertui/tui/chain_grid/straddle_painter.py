"""The straddle view: per strike both legs together, for who sells or buys volatility. Painted from the same frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tickertui.frozen import frozen
from tickertui.market.figures import AT_LEAST
from tickertui.market.instruments import LEAST_DECIMALS
from tickertui.tui.look import format as fmt
from tickertui.tui.look.format import GlyphSet, Units
from tickertui.tui.look.styles import FOREGROUNDS, Background, Foreground
from tickertui.tui.terminal.line import Line, Pieces, StyleEncoder
from tickertui.tui.view.data_states import DataState
from tickertui.tui.view.frames import ChainFrame, Field

Values = list[float]
_STRIKE_WIDTH: Final = 12
_QUANTITIES: Final = [Field.OI, Field.OI_CHANGE]


@frozen
class Pair:
    """A column of the straddle view.

    Attributes:
        name: By which the cursor knows it.
        title: Its header.
        width: Cells, the separator in front included.
        value: Of the call's values, the put's values and the reference price.
        write: Writes the value into at most so many cells; None for quantities and rupees.
        is_rupees: Whether it has the decimals of the chain's prices.
        is_price: Whether it is a sum of prices, which carries the mark of its state.
        is_signed: Whether its sign is coloured.
    """

    name: str
    title: str
    width: int
    value: Callable[[Values, Values, float], float]
    write: Callable[[float, int], str] | None
    is_rupees: bool = False
    is_price: bool = False
    is_signed: bool = False


def _sum(field: Field) -> Callable[[Values, Values, float], float]:
    return lambda call, put, reference: call[field] + put[field]


def _share(call: Values, put: Values, reference: float) -> float:
    return 100 * (call[Field.TODAY] + put[Field.TODAY]) / reference if reference > 0 else float("nan")


def _mean_volatility(call: Values, put: Values, reference: float) -> float:
    known = [side[Field.IV] for side in (call, put) if side[Field.IV] == side[Field.IV]]
    return sum(known) / len(known) if known else float("nan")


def _pcr(call: Values, put: Values, reference: float) -> float:
    return put[Field.OI] / call[Field.OI] if call[Field.OI] else float("nan")


def _change(call: Values, put: Values, reference: float) -> float:
    return call[Field.CHANGE] + put[Field.CHANGE]


PAIRS: Final = (
    Pair("straddle", "Straddle", 10, _sum(Field.TODAY), None, is_rupees=True, is_price=True),
    Pair("straddle_pct", "%", 7, _share, lambda value, width: f"{fmt.fitting_number(value, width - 1)}%"),
    Pair("straddle_change", "chg", 9, _change, None, is_rupees=True, is_signed=True),
    Pair("pair_oi", "OI", 7, _sum(Field.OI), None),
    Pair("pair_oi_change", "dOI", 8, _sum(Field.OI_CHANGE), None, is_signed=True),
    Pair("pair_iv", "IV", 5, _mean_volatility, lambda value, _: fmt.volatility(value)),
    Pair("net_delta", "net dl", 8, _sum(Field.DELTA), lambda value, _: fmt.signed_number(value), is_signed=True),
    Pair("pair_pcr", "PCR", 6, _pcr, fmt.fitting_number),
    Pair("pair_theta", "theta", 8, _sum(Field.THETA), fmt.fitting_number),
    Pair("pair_vega", "vega", 7, _sum(Field.VEGA), fmt.fitting_number),
)
"""All columns of the view, in order; those at the end go first when there is no room."""
PAIRS_BY_NAME: Final[Mapping[str, Pair]] = MappingProxyType({pair.name: pair for pair in PAIRS})
"""The same by their names."""


class StraddlePainter:
    """Paints the straddle view.

    Args:
        width: Cells of a line.
        palette: Styles by `tickertui.tui.look.styles.style_index`.
        decimals: Of the prices.
        units: How quantities are written; in full they would not fit and are written in lots.
        glyphs: Unicode or ASCII.
    """

    def __init__(
        self, width: int, palette: Sequence[Style], *, decimals: int = LEAST_DECIMALS, units: Units, glyphs: GlyphSet
    ) -> None:
        self.width = width
        self.palette = palette
        self._encoder = StyleEncoder(palette)
        self._decimals = decimals
        self._units = Units.LOTS if units is Units.CONTRACTS else units
        self._glyphs = glyphs
        room = width - _STRIKE_WIDTH
        pairs = []
        for pair in PAIRS:
            if pair.width > room:
                break
            room -= pair.width
            pairs.append(pair)
        self.pairs = tuple(pairs)

    def column_at(self, x: int) -> Pair | None:
        """Return the column under a cell, None for the strike and what lies beyond."""
        left = _STRIKE_WIDTH
        for pair in self.pairs:
            if left <= x < left + pair.width:
                return pair
            left += pair.width
        return None

    def row(self, frame: ChainFrame, row: int, *, cursor_column: str = "", pinned: bool = False) -> Line:
        """Return one strike."""
        call, put = self._values(frame, row)
        state = DataState(int(frame.states[row].max()))
        atm = row == frame.atm_row
        background = Background.ATM if atm else Background.PLAIN
        strike = fmt.strike(float(frame.strikes[row])).rjust(6)
        left, right = ("▶ ", " ◀") if atm else ("• " if pinned else "  ", "  ")
        pieces: Pieces = [
            (
                self._glyphs.text(f"{left}{strike}{right}").center(_STRIKE_WIDTH),
                background * FOREGROUNDS + Foreground.STRIKE,
            )
        ]
        for pair in self.pairs:
            value = pair.value(call, put, frame.summary.reference.price)
            text, foreground = self._written(pair, value, state)
            behind = Background.CURSOR if pair.name == cursor_column else background
            pieces.append((text, behind * FOREGROUNDS + foreground))
        used = _STRIKE_WIDTH + sum(pair.width for pair in self.pairs)
        pieces.append((" " * (self.width - used), background * FOREGROUNDS))
        return Line(pieces, self._encoder, self.width)

    def _values(self, frame: ChainFrame, row: int) -> tuple[Values, Values]:
        """Both legs' values, quantities in the units that are written: the two may be of different lots."""
        values = frame.values[row]
        large = values[:, _QUANTITIES] >= AT_LEAST
        if large.any():
            # Of a quantity that is only known to be large enough there is no sum.
            values = values.copy()
            values[:, _QUANTITIES] = np.where(large, np.nan, values[:, _QUANTITIES])
        if self._units is not Units.LAKH:
            values = values.copy()
            values[:, _QUANTITIES] /= np.maximum(frame.contracts.lots[row], 1)[:, None]
        call, put = values.tolist()
        return call, put

    def _written(self, pair: Pair, value: float, state: DataState) -> tuple[str, Foreground]:
        missing = value != value
        if missing:
            text = self._glyphs.text(fmt.MISSING)
        elif pair.is_rupees:
            mark = "~" if pair.is_price and state is DataState.MOCK else ""
            room = pair.width - (2 if pair.is_price else 1)
            text = fmt.fit_price(value, room, mark, decimals=self._decimals, signed=pair.is_signed)
        elif pair.write is None:
            text = fmt.counted(value, self._units, signed=pair.is_signed)
        else:
            text = pair.write(value, pair.width - 1)
        if pair.is_price:
            text += state.badge.cell or " "
        foreground = Foreground.TEXT
        if state is DataState.STALE:
            foreground = Foreground.STALE
        elif missing:
            foreground = Foreground.MUTED
        elif pair.is_signed:
            foreground = Foreground.GAIN if value > 0 else Foreground.LOSS if value < 0 else Foreground.MUTED
        elif pair.is_price:
            foreground = {
                DataState.MOCK: Foreground.MOCK,
                DataState.SNAP: Foreground.SNAP,
                DataState.ERROR: Foreground.ERROR,
            }.get(state, Foreground.TEXT)
        return text.rjust(pair.width), foreground

    def header(self, *, mock: bool) -> Strip:
        """Return the line above the rows; in a mock every column carries the mark ``~``."""
        mark = "~" if mock else ""
        cells = "STRIKE".center(_STRIKE_WIDTH)
        for pair in self.pairs:
            cells += ((mark + pair.title)[: pair.width] + (" " if pair.is_price else "")).rjust(pair.width)
        text = self._glyphs.text(cells.ljust(self.width))
        return Strip([Segment(text, self.palette[Background.HEADER * FOREGROUNDS])], self.width)
