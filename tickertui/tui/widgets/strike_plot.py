"""`StrikePlot`: a plot over strikes in the theme's colours. Imported when the analytics pane is opened, not before.

The plot package takes 45 ms to import, which would be paid before the first paint.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Grid
from textual.geometry import Size
from textual.strip import Strip
from textual_hires_canvas import Canvas, TextAlign
from textual_plot import HiResMode, PlotWidget
from textual_plot.axis_formatter import NumericAxisFormatter
from textual_plot.plot_widget import Legend

from tickertui.tui.look import format as fmt
from tickertui.tui.look.format import GlyphSet
from tickertui.tui.look.glyphs import glyphs_of

__all__ = ["HiResMode", "StrikePlot"]


_MARGIN = 6
"""Cells left of the axis."""


class _Strikes(NumericAxisFormatter):
    """Strikes as everywhere on the screen: ``24,350``."""

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        """Return the label of each tick."""
        return [fmt.strike(tick) for tick in ticks]


class _Sizes(NumericAxisFormatter):
    """Numbers without their sign: what is below the axis is as large as what is above."""

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        """Return the label of each tick; one that is longer than the margin is none: cut it would be another number."""
        return [text if len(text) < _MARGIN else "" for text in (f"{abs(tick):.6g}" for tick in ticks)]


class _Drawing(Canvas):
    """A part of the plot, its blocks and lines replaced by ASCII where the terminal has nothing else.

    A label stands whole or not at all: at the ends it moves into the part, and one that would touch the one before it
    is left out. Cut, ``26,050`` read as ``26,0``.
    """

    _label_end = -1

    def reset(self, size: Size | None = None, refresh: bool = True) -> None:
        """Forget what was drawn."""
        self._label_end = -1
        super().reset(size, refresh)

    def write_text(self, x: int, y: int, text: str, align: TextAlign = TextAlign.LEFT) -> None:
        """Write a label so that all of it is seen."""
        length = len(Text.from_markup(text).plain)
        if self.id == "margin-bottom":
            start = {TextAlign.LEFT: x, TextAlign.RIGHT: x - length + 1}.get(align, x - (length - 1) // 2)
            x, align = max(0, min(start, self.size.width - length)), TextAlign.LEFT
            if not length or length > self.size.width or x <= self._label_end:
                return
            self._label_end = x + length
        super().write_text(x, y, text, align)

    def render_line(self, y: int) -> Strip:
        """Return a line in the glyphs of the application."""
        strip = super().render_line(y)
        glyphs: GlyphSet = glyphs_of(self)
        if not glyphs.is_ascii:
            return strip
        return Strip([segment._replace(text=glyphs.text(segment.text)) for segment in strip], strip.cell_length)


class StrikePlot(PlotWidget):
    """A plot that takes no keys and no zoom: it always shows the strikes around the money.

    Args:
        id: As for every widget.
    """

    can_focus = False
    DEFAULT_CSS: ClassVar[str] = """
    StrikePlot {
        height: 1fr;
        & > .plot--axis { color: $quiet; }
        & > .plot--tick { color: $text-cell; text-style: none; }
        & > .plot--label { color: $quiet; text-style: none; }
    }
    """

    def compose(self) -> ComposeResult:
        """The parts that the plot package draws into, by their ids."""
        with Grid():
            for part in ("margin-top", "margin-left", "plot", "margin-bottom"):
                yield _Drawing(1, 1, id=part)
        yield Legend(id="legend")

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, allow_pan_and_zoom=False)
        self.set_reactive(StrikePlot.margin_top, 0)
        self.set_reactive(StrikePlot.margin_left, _MARGIN)
        self.set_x_formatter(_Strikes())
        self.set_y_formatter(_Sizes())
