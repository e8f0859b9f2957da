"""Columns of the chain grid: what each one shows and how wide it is, and which of them fit into a width.

`fit` is pure: presets and the user's own column lists go in, a `Layout` with cell positions comes out. Called by the
grid when its width, preset, view or units change, never per tick. Columns are named from the outside in on the call
side; the put side is its mirror.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tickertui.frozen import frozen
from tickertui.market.chain import Side
from tickertui.market.instruments import LEAST_DECIMALS
from tickertui.settings.presets import MARK_PRESET, column_choice
from tickertui.tui.look import format as fmt
from tickertui.tui.look.format import Units
from tickertui.tui.view.frames import Field


class Kind(StrEnum):
    """How a column's values are coloured."""

    PLAIN = "plain"
    MUTED = "muted"
    SIGNED = "signed"
    """Gain for a positive, loss for a negative value."""
    GREEK = "greek"
    """Plain, dimmed when the oldest input is old."""
    PRICE = "price"
    """The last price: by direction and state, with glyph and age behind it."""
    BAR = "bar"


Writer = Callable[[float, int], str]
"""Writes a value into at most so many cells; the caller pads."""


@frozen
class Column:
    """One column of a side.

    Attributes:
        name: By which presets and the configuration call it.
        title: Its header.
        field: What it shows.
        tight: Cells in the narrow layout, without the separator.
        roomy: Cells in the wide layout.
        kind: How it is coloured.
        write: Writes a value; None for quantities (which follow the units), prices and the bar.
        help: One line for the column editor.
        is_quantity: Whether it follows the units.
        is_rupees: Whether it is a price or a difference of prices, which has the decimals of the chain's tick.
        short: Header in the narrow layout, where the long one does not fit beside the mock mark.
    """

    name: str
    title: str
    field: Field
    tight: int
    roomy: int
    kind: Kind
    write: Writer | None
    help: str
    is_quantity: bool = False
    is_rupees: bool = False
    short: str = ""

    @property
    def is_signed(self) -> bool:
        """Whether a positive value carries a plus."""
        return self.kind is Kind.SIGNED


def _volatility(value: float, width: int) -> str:
    return fmt.volatility(value)[:width]


def _delta(value: float, width: int) -> str:
    return fmt.fraction(value) if width < 5 else fmt.signed_number(value)


def _rupees(value: float, width: int) -> str:
    """Two decimals, fewer where they do not fit: a column whose decimals wander cannot be read down."""
    return next(
        (text for decimals in (2, 1) if len(text := fmt.number(value, decimals)) <= width), fmt.greek(value, width)
    )


def _percent(value: float, width: int) -> str:
    for decimals in (2, 1, 0):
        text = fmt.percent(value, decimals, signed=True)
        if len(text) <= width:
            return text
    text = fmt.fit_large(value, width - 1, signed=True)
    return text if text == fmt.MISSING else f"{text}%"


_ALL: Final = (
    Column("bar", "bar", Field.OI, 5, 8, Kind.BAR, None, "bar of open interest, its change or volume"),
    Column("oi", "OI", Field.OI, 5, 6, Kind.PLAIN, None, "open interest", is_quantity=True),
    Column(
        "oi_change", "dOI", Field.OI_CHANGE, 6, 7, Kind.SIGNED, None, "change of open interest since yesterday", True
    ),
    Column("mark_oi", "OI±m", Field.MARK_OI, 6, 7, Kind.SIGNED, None, "change of open interest since the mark", True),
    Column("volume", "Vol", Field.VOLUME, 5, 6, Kind.PLAIN, None, "traded today", True),
    Column("mark_volume", "Vol±m", Field.MARK_VOLUME, 6, 7, Kind.SIGNED, None, "traded since the mark", True),
    Column("iv", "IV", Field.IV, 4, 4, Kind.GREEK, _volatility, "implied volatility, percent"),
    Column("delta", "dlt", Field.DELTA, 3, 5, Kind.GREEK, _delta, "delta", short="dl"),
    Column("gamma", "gamma", Field.GAMMA, 6, 7, Kind.GREEK, fmt.greek, "gamma, per rupee"),
    Column("theta", "theta", Field.THETA, 6, 7, Kind.GREEK, _rupees, "theta, rupees per calendar day", short="thet"),
    Column("vega", "vega", Field.VEGA, 5, 6, Kind.GREEK, _rupees, "vega, rupees per volatility point"),
    Column("bid", "Bid", Field.BID, 7, 8, Kind.PLAIN, None, "best bid", is_rupees=True),
    Column("bid_qty", "BidQ", Field.BID_QTY, 5, 6, Kind.MUTED, None, "quantity at the best bid", True),
    Column("ask", "Ask", Field.ASK, 7, 8, Kind.PLAIN, None, "best offer", is_rupees=True),
    Column("ask_qty", "AskQ", Field.ASK_QTY, 5, 6, Kind.MUTED, None, "quantity at the best offer", True),
    Column("spread", "Sprd", Field.SPREAD, 5, 6, Kind.MUTED, None, "best offer less best bid", is_rupees=True),
    Column("change", "chg", Field.CHANGE, 7, 8, Kind.SIGNED, None, "price change since yesterday", is_rupees=True),
    Column("change_pct", "chg%", Field.CHANGE_PCT, 6, 7, Kind.SIGNED, _percent, "price change in percent"),
    Column("mark_ltp", "LTP±m", Field.MARK_LTP, 7, 8, Kind.SIGNED, None, "price change since the mark", is_rupees=True),
    Column("average", "Avg", Field.AVERAGE, 7, 8, Kind.MUTED, None, "average traded price", is_rupees=True),
    Column("high", "High", Field.HIGH, 7, 8, Kind.MUTED, None, "day's high", is_rupees=True),
    Column("low", "Low", Field.LOW, 7, 8, Kind.MUTED, None, "day's low", is_rupees=True),
    Column("ltp", "", Field.LTP, 8, 8, Kind.PRICE, None, "last price with direction and age", is_rupees=True),
)
COLUMNS: Final[Mapping[str, Column]] = MappingProxyType({column.name: column for column in _ALL})
"""Every column by its name."""

AGE_WIDTH: Final = 3
PRICE_TAIL: Final = 1 + AGE_WIDTH
"""Cells behind the last price: its glyph and its age."""
CONTRACT_DIGITS: Final = 12
"""Cells of a quantity in full: ``99,99,99,999``."""
CHAIN_WIDTH: Final = 80
"""Cells below which one side is laid out instead of both."""
NARROW: Final = 40
"""Cells below which nothing is drawn but a sentence."""


@frozen
class Preset:
    """A named choice of columns.

    Attributes:
        name: As the configuration and the screen call it.
        columns: Names from the outside in, on the call side; ``ltp`` is always there and always innermost.
        drops: Groups of columns that go, one after the other, when they do not fit.
    """

    name: str
    columns: tuple[str, ...]
    drops: tuple[tuple[str, ...], ...]


PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset(
                "oi",
                ("bar", "oi", "oi_change", "volume", "iv", "delta", "bid", "ask", "ltp"),
                (("bid", "ask"), ("volume",), ("iv",), ("delta",), ("bar",), ("oi_change",)),
            ),
            Preset(
                "price",
                ("change_pct", "change", "bid_qty", "bid", "ask", "ask_qty", "spread", "ltp"),
                (("change_pct",), ("bid_qty", "ask_qty"), ("change",), ("spread",)),
            ),
            Preset(
                "greeks",
                ("vega", "theta", "gamma", "delta", "iv", "ltp"),
                (("gamma",), ("vega",), ("theta",)),
            ),
            Preset(
                "full",
                (
                    "bar", "oi", "oi_change", "volume", "change", "spread", "vega", "theta", "gamma", "iv", "delta",
                    "bid_qty", "bid", "ask", "ask_qty", "ltp",
                ),
                (
                    ("change",), ("spread",), ("bid_qty", "ask_qty"), ("gamma",), ("vega", "theta"), ("bar",),
                    ("volume",), ("bid", "ask"), ("iv",), ("delta",), ("oi_change",),
                ),
            ),
        )
    }
)  # fmt: skip
"""The presets that key ``c`` goes through."""


MARK_COLUMNS: Final = Preset(
    MARK_PRESET,
    ("mark_volume", "mark_oi", "oi", "iv", "mark_ltp", "ltp"),
    (("mark_volume",), ("iv",), ("oi",)),
)
"""What changed since the mark; in the ring of key ``c`` while there is one."""


def user_preset(name: str, columns: Sequence[str]) -> Preset:
    """Return the trader's own choice of columns; without room the outermost go first.

    Raises:
        ValueError: When a column is unknown or named twice: one sentence with the nearest name.
    """
    try:
        outer = column_choice(columns)
    except ValueError as error:
        raise ValueError(f"preset {name!r}: {error}") from None
    return Preset(name, (*outer, "ltp"), tuple((column,) for column in outer))


class View(StrEnum):
    """How the chain is laid out."""

    CHAIN = "chain"
    """Calls left, puts right, strikes between them."""
    ONE_SIDE = "one side"
    """The strikes and one side of them."""
    STRADDLE = "straddle"
    """Per strike: both legs together."""

    @property
    def next(self) -> View:
        """The one after it, in a ring."""
        order = list(View)
        return order[(order.index(self) + 1) % len(order)]


@frozen
class Placed:
    """A column at its place.

    Attributes:
        column: Which.
        side: Of which side.
        x: First cell, separator included.
        gap: Cells of the separator in front.
        width: Cells of the value, without separator, glyph and age.
    """

    column: Column
    side: Side
    x: int
    gap: int
    width: int

    @property
    def cells(self) -> int:
        """All cells it takes."""
        return self.gap + self.width + (PRICE_TAIL if self.column.kind is Kind.PRICE else 0)


@frozen
class Scale:
    """What the widths of numbers follow.

    Attributes:
        units: How quantities are written.
        decimals: Of the prices.
    """

    units: Units
    decimals: int


@frozen
class Layout:
    """Columns placed into a width.

    Attributes:
        view: How they are laid out.
        width: Cells of the whole line.
        margin: Empty cells at the left; what remains at the right is padded.
        call: Columns of the calls, left to right.
        put: Columns of the puts, left to right.
        strike_x: First cell of the strike.
        strike_width: Its cells.
        roomy: Whether the wide widths are used.
    """

    view: View
    width: int
    margin: int
    call: tuple[Placed, ...]
    put: tuple[Placed, ...]
    strike_x: int
    strike_width: int
    roomy: bool

    @property
    def placed(self) -> tuple[Placed, ...]:
        """All columns, left to right."""
        return self.call + self.put

    @property
    def used(self) -> int:
        """Cells up to the end of the last column."""
        ends = [placed.x + placed.cells for placed in self.placed]
        return max([*ends, self.strike_x + self.strike_width])

    def at(self, x: int) -> Placed | None:
        """Return the column under a cell, None for the strike and the margins."""
        return next((placed for placed in self.placed if placed.x <= x < placed.x + placed.cells), None)


def _value_width(column: Column, scale: Scale, *, roomy: bool) -> int:
    if column.is_quantity and scale.units is Units.CONTRACTS:
        return CONTRACT_DIGITS + (1 if column.is_signed else 0)
    width = column.roomy if roomy else column.tight
    return width + (scale.decimals - LEAST_DECIMALS if column.is_rupees else 0)


def _side_width(columns: Sequence[Column], scale: Scale, *, roomy: bool) -> int:
    return sum(_value_width(column, scale, roomy=roomy) + 1 for column in columns) - 1 + PRICE_TAIL


def _choices(preset: Preset) -> list[tuple[Column, ...]]:
    """The preset's columns, and what is left after each of its drops."""
    names = list(preset.columns)
    choices = [tuple(COLUMNS[name] for name in names)]
    for drop in preset.drops:
        names = [name for name in names if name not in drop]
        choices.append(tuple(COLUMNS[name] for name in names))
    return choices


def strike_width(*, roomy: bool) -> int:
    """Return the cells of the strike column."""
    return 12 if roomy else 10


def fit(
    preset: Preset,
    width: int,
    *,
    view: View = View.CHAIN,
    side: Side = Side.CALL,
    units: Units = Units.LAKH,
    decimals: int = LEAST_DECIMALS,
) -> Layout:
    """Place as many of a preset's columns as fit into a width; wide cells before narrow ones, columns before width.

    Args:
        preset: Which columns are wanted.
        width: Cells of the line.
        view: `View.CHAIN` needs `CHAIN_WIDTH` cells; with fewer, one side is laid out instead.
        side: Which side `View.ONE_SIDE` shows.
        units: Quantities in full take more cells.
        decimals: Of the prices; more than two take more cells.
    """
    scale = Scale(units, decimals)
    if view is View.CHAIN and width >= CHAIN_WIDTH:
        for columns in _choices(preset):
            for roomy in (True, False):
                if 2 * _side_width(columns, scale, roomy=roomy) + strike_width(roomy=roomy) <= width:
                    return _two_sided(columns, width, scale, roomy=roomy)
    return _one_sided(preset, width, side, scale)


def _two_sided(columns: Sequence[Column], width: int, scale: Scale, *, roomy: bool) -> Layout:
    side_width, middle = _side_width(columns, scale, roomy=roomy), strike_width(roomy=roomy)
    margin = (width - 2 * side_width - middle) // 2
    call, x = [], margin
    for place, column in enumerate(columns):
        placed = Placed(column, Side.CALL, x, 1 if place else 0, _value_width(column, scale, roomy=roomy))
        call.append(placed)
        x += placed.cells
    strike_x = x
    x += middle
    put = []
    for place, column in enumerate(reversed(columns)):
        placed = Placed(column, Side.PUT, x, 1 if place else 0, _value_width(column, scale, roomy=roomy))
        put.append(placed)
        x += placed.cells
    return Layout(View.CHAIN, width, margin, tuple(call), tuple(put), strike_x, middle, roomy)


def _one_sided(preset: Preset, width: int, side: Side, scale: Scale) -> Layout:
    """Strike, price, then the preset's columns in their order with the bar at the end."""
    for columns in _choices(preset):
        for roomy in (True, False):
            if strike_width(roomy=roomy) + _side_width(columns, scale, roomy=roomy) <= width:
                return _one_sided_of(columns, width, side, scale, roomy=roomy)
    return _one_sided_of((COLUMNS["ltp"],), width, side, scale, roomy=False)


def _one_sided_of(columns: Sequence[Column], width: int, side: Side, scale: Scale, *, roomy: bool) -> Layout:
    order = sorted(columns, key=lambda column: (column.kind is not Kind.PRICE, column.kind is Kind.BAR))
    middle = strike_width(roomy=roomy)
    placed, x = [], middle
    for place, column in enumerate(order):
        item = Placed(column, side, x, 1 if place else 0, _value_width(column, scale, roomy=roomy))
        placed.append(item)
        x += item.cells
    call, put = ((), tuple(placed)) if side is Side.PUT else (tuple(placed), ())
    return Layout(View.ONE_SIDE, width, 0, call, put, 0, middle, roomy)
