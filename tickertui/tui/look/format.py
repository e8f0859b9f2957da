"""Numbers as text of a fixed width, the way Indian traders write them, and the two sets of glyphs.

Quantities carry their unit letter always (K thousand, L lakh = 10^5, C crore = 10^7) with three digits. Prices are
grouped (``24,352.40``; from a lakh on ``1,02,345.60``). What is missing is a dash, never 0. The widgets cache the
result per value, so these functions may take a microsecond.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from tickertui.frozen import frozen
from tickertui.market.coverage import Coverage
from tickertui.market.figures import AT_LEAST
from tickertui.market.instruments import decimals_of

MISSING: Final = "—"
"""What stands for a value that is not there."""

LAKH: Final = 100_000
CRORE: Final = 10_000_000
_LETTERS: Final = ((CRORE, "C"), (LAKH, "L"), (1_000, "K"))


class Units(StrEnum):
    """How quantities are written."""

    LAKH = "lakh"
    """Units of the underlying with K, L and C: ``18.2L``."""
    LOTS = "lots"
    """The same divided by the lot size: ``28.0K``."""
    CONTRACTS = "contracts"
    """The number of contracts, which are lots, in full: ``28,002``."""

    @property
    def next(self) -> Units:
        """The one after it, in a ring."""
        order = list(Units)
        return order[(order.index(self) + 1) % len(order)]


def compact(value: float, *, signed: bool = False) -> str:
    """Return three digits and a unit letter: ``650``, ``80.4K``, ``6.15L``, ``2.33C``; at most 5 cells (6 signed).

    Args:
        value: Any number; NaN gives the dash.
        signed: Whether to write ``+`` before a positive number.
    """
    if value != value:
        return MISSING
    size = abs(value)
    sign = "-" if value < 0 and round(size) else "+" if signed and round(size) else ""
    if size < 999.5:
        return f"{sign}{size:.0f}"
    # Each bound is where three digits would round up to the next unit (99.95K is written 1.00L).
    if size < 99_950:
        return f"{sign}{_three(size / 1_000)}K"
    if size < 9_995_000:
        return f"{sign}{_three(size / LAKH)}L"
    return f"{sign}{_three(size / CRORE)}C"


def _three(value: float) -> str:
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def indian(value: float, *, signed: bool = False) -> str:
    """Return a whole number with Indian grouping: ``18,20,130``; NaN gives the dash."""
    if value != value:
        return MISSING
    whole = round(value)
    sign = "-" if whole < 0 else "+" if signed and whole > 0 else ""
    return sign + _grouped(abs(whole))


def _grouped(whole: int) -> str:
    digits = str(whole)
    if len(digits) <= 3:
        return digits
    head, tail = digits[:-3], digits[-3:]
    first = len(head) % 2
    pairs = [head[:first]] if first else []
    pairs += [head[i : i + 2] for i in range(first, len(head), 2)]
    return ",".join([*pairs, tail])


def quantity(value: float, units: Units, lot_size: int, *, signed: bool = False) -> str:
    """Return a quantity in the units that the trader has chosen.

    Args:
        value: Units of the underlying, as the wire has them.
        units: How to write them.
        lot_size: Units per lot of the contract that they are of.
        signed: Whether to write ``+`` before a positive number.

    Returns:
        At most 5 cells in `Units.LAKH` and `Units.LOTS`; ``>429C`` for a quantity that is known to be large enough.
    """
    counting = value if units is Units.LAKH else value / max(lot_size, 1)
    return _at_least(counting) if value >= AT_LEAST else counted(counting, units, signed=signed)


def counted(value: float, units: Units, *, signed: bool = False) -> str:
    """Return a quantity that is in the chosen units already: lots in full for `Units.CONTRACTS`, else compact."""
    return indian(value, signed=signed) if units is Units.CONTRACTS else compact(value, signed=signed)


def _at_least(value: float) -> str:
    """``>429C``: whole crores, lakhs or units below the number, so that it says nothing that is not so."""
    unit, letter = next(((unit, letter) for unit, letter in _LETTERS if value >= unit), (1, ""))
    return f">{int(value // unit)}{letter}"


def price(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    """Return rupees with their decimals, grouped: ``24,352.40``, ``2.7625``; NaN gives the dash.

    Args:
        value: Rupees.
        decimals: As many as the tick of the contract has (`tickertui.market.instruments.decimals_of`).
        signed: Whether to write ``+`` before a positive number.
    """
    if value != value:
        return MISSING
    if abs(value) < LAKH:
        return f"{value:+,.{decimals}f}" if signed else f"{value:,.{decimals}f}"
    whole, _, rest = f"{abs(value):.{decimals}f}".partition(".")
    sign = "-" if value < 0 else "+" if signed else ""
    return f"{sign}{_grouped(int(whole))}.{rest}"


def fit_price(value: float, width: int, prefix: str = "", *, decimals: int = 2, signed: bool = False) -> str:
    """Return a price in exactly ``width`` cells, right-aligned; without room, first the groups, then decimals go.

    Args:
        value: Rupees.
        width: Cells.
        prefix: Put right before the number (the mark of a synthetic price).
        decimals: As many as the tick of the contract has.
        signed: Whether to write ``+`` before a positive number.
    """
    text = prefix + price(value, decimals, signed=signed)
    if len(text) > width:
        sign = "+" if signed else ""
        shorter = (prefix + format(value, f"{sign}.{places}f") for places in range(decimals, -1, -1))
        text = next((candidate for candidate in shorter if len(candidate) <= width), "")
        text = text or fit_large(value, width, prefix, signed=signed)
    return text.rjust(width)


def fit_large(value: float, width: int, prefix: str = "", *, signed: bool = False) -> str:
    """Return a number that does not fit in digits as ``21.5L``; the dash where that does not fit either.

    Args:
        value: Any number.
        width: Cells at most.
        prefix: Put right before the number.
        signed: Whether to write ``+`` before a positive number.
    """
    text = prefix + compact(value, signed=signed)
    return text if len(text) <= width else MISSING


def strike(value: float) -> str:
    """Return a strike: whole where it is whole (``24,350``), else with its decimals (``352.50``, ``61.3125``)."""
    if value != value:
        return MISSING
    return price(value, decimals_of(value)) if value % 1 else _grouped(round(value))


def fraction(value: float, decimals: int = 2) -> str:
    """Return a number between -1 and 1 without its leading zero and sign: ``.52``, ``1.0``; NaN gives the dash."""
    if value != value:
        return MISSING
    text = f"{abs(value):.{decimals}f}"
    return text[1:] if text.startswith("0") else text[: decimals + 1]


def signed_number(value: float, decimals: int = 2) -> str:
    """Return ``+0.86``; a number that rounds to nothing has no sign; NaN gives the dash."""
    if value != value:
        return MISSING
    return f"{value:+.{decimals}f}" if round(value, decimals) else f"{0:.{decimals}f}"


def number(value: float, decimals: int = 2) -> str:
    """Return a plain number, NaN as the dash."""
    return MISSING if value != value else f"{value:.{decimals}f}"


def covered(text: str, coverage: Coverage) -> str:
    """Return an aggregate with what it rests on where that is not the whole: ``0.89 61/105``, ``— 12/105``."""
    return f"{text} {coverage.text}".rstrip()


def fitting_number(value: float, width: int, decimals: int = 2) -> str:
    """Return a plain number in at most ``width`` cells: decimals go first, then it is ``>9999``; NaN as the dash."""
    if value != value:
        return MISSING
    candidates = (f"{value:.{places}f}" for places in range(decimals, -1, -1))
    beyond = f"{'<-' if value < 0 else '>'}{'9' * width}"[:width]
    return next((text for text in candidates if len(text) <= width), beyond)


def percent(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    """Return a percentage (the value is already in percent): ``+0.35%``; NaN gives the dash."""
    if value != value:
        return MISSING
    return (signed_number(value, decimals) if signed else f"{value:.{decimals}f}") + "%"


def volatility(value: float) -> str:
    """Return an implied volatility (a decimal) in percent, at most 4 cells: ``11.8``, ``120``, ``>999``."""
    if value != value:
        return MISSING
    points = value * 100
    if points < 99.95:
        return f"{points:.1f}"
    return f"{points:.0f}" if points < 999.5 else ">999"


def greek(value: float, width: int) -> str:
    """Return a Greek in at most ``width`` cells, with as many digits as fit; NaN gives the dash."""
    if value != value:
        return MISSING
    for decimals in range(5, -1, -1):
        text = f"{value:.{decimals}f}"
        if text.startswith(("0.", "-0.")) and decimals:
            text = text.replace("0.", ".", 1)
        if len(text) <= width:
            return text
    return fit_large(value, width)


def age(seconds: float) -> str:
    """Return an age in at most 3 cells: ``14s``, ``3m``, ``12h``, ``9d``; NaN gives nothing."""
    if seconds != seconds:
        return ""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3_600:
        return f"{whole // 60}m"
    if whole < 48 * 3_600:
        return f"{whole // 3_600}h"
    return f"{min(whole // 86_400, 99)}d"


def duration(seconds: float) -> str:
    """Return a span of time: ``41s``, ``3m07s``, ``3h57m``, ``12d``; NaN gives the dash."""
    if seconds != seconds:
        return MISSING
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3_600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 48 * 3_600:
        return f"{whole // 3_600}h{whole % 3_600 // 60:02d}m"
    return f"{whole // 86_400}d"


def short_age(seconds: float | None) -> str:
    """Return the age of a socket's last data: tenths below ten seconds (``0.4s``), then as `age`."""
    if seconds is None or seconds != seconds:
        return MISSING
    return f"{seconds:.1f}s" if seconds < 9.95 else age(seconds)


def clip(text: str, width: int) -> str:
    """Return text in exactly ``width`` cells, cut with an ellipsis or padded. Every glyph here is one cell wide."""
    return text.ljust(width) if len(text) <= width else text[: max(width - 1, 0)] + "…"[: width > 0]


_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"

_TO_ASCII: Final = str.maketrans(
    {
        "▲": "^", "▼": "v", "·": ".", "—": "-", "●": "*", "◐": "o", "○": "o", "■": "#", "▒": "%", "▓": "%", "░": "%",
        "▶": ">", "◀": "<", "█": "#", "▉": "#", "▊": "#", "▋": "#", "▌": "#", "▐": "#", "▍": " ", "▎": " ", "▏": " ",
        "│": "|", "─": "-", "┌": "+", "┐": "+", "└": "+", "┘": "+", "→": ">", "←": "<", "±": "+", "Σ": "S", "…": ".",
        "•": "*", "×": "x", "σ": "s", "◌": "o", "◔": "o", "≠": "#", "‼": "!", "₹": "R", "↑": "^", "↓": "v", "Δ": "d",
        "°": "o", "▁": "_", "▂": "_", "▃": "-", "▄": "-", "▅": "=", "▆": "=", "▇": "#", "≥": ">", "≤": "<",
        # What the plots are made of: frames, and cells that are filled by quarters.
        "┏": "+", "┓": "+", "┗": "+", "┛": "+", "┣": "+", "┫": "+", "┳": "+", "┻": "+", "━": "-", "┃": "|",
        "▀": "'", "▘": "'", "▝": "'", "▖": ".", "▗": ".", "▚": ":", "▞": ":", "▙": "#", "▟": "#", "▛": "#", "▜": "#",
        "╭": "+", "╮": "+", "╰": "+", "╯": "+", "−": "-", "–": "-", "“": '"', "”": '"', "’": "'", "²": "2",
    }
)  # fmt: skip


@frozen
class GlyphSet:
    """The characters of the interface; each is one cell wide in its terminal.

    Attributes:
        name: ``unicode`` or ``ascii``.
        is_ascii: Whether everything else is replaced, cell by cell.
    """

    name: str
    is_ascii: bool = False

    def text(self, text: str) -> str:
        """Return text in this set, of the same length."""
        return text.translate(_TO_ASCII) if self.is_ascii else text

    def bar(self, share: float, width: int) -> tuple[str, int]:
        """Return how a bar that grows to the right is drawn.

        Args:
            share: Between 0 and 1; NaN draws nothing.
            width: Cells of a full bar.

        Returns:
            Its full cells, and the eighths of the cell behind them (0 in ASCII, which rounds to whole cells).
        """
        if share != share or share <= 0:
            return "", 0
        if self.is_ascii:
            return "#" * round(min(share, 1.0) * width), 0
        eighths = max(1, round(min(share, 1.0) * width * 8))
        return "█" * (eighths // 8), eighths % 8

    @staticmethod
    def eighth(count: int) -> str:
        """Return the block that fills ``count`` eighths of a cell from the left."""
        return _EIGHTHS[count]


UNICODE: Final = GlyphSet("unicode")
ASCII: Final = GlyphSet("ascii", is_ascii=True)
GLYPHS: Final = {glyphs.name: glyphs for glyphs in (UNICODE, ASCII)}
