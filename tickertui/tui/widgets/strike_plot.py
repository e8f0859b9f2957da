"""`StrikePlot`: a plot over strikes in the theme's colours. Imported when the analytics pane is opened, not before.

The plot package takes 45 ms to import, which would be paid before the first paint.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Grid
from textual.strip import Strip
from textual_hires_canvas import Canvas
from textual_plot import HiResMode, PlotWidget
from textual_plot.axis_formatter import NumericAxisFormatter
from textual_plot.plot_widget import Legend

from tickertui.tui.look import format as fmt
from tickertui.tui.look.format import GlyphSet
from tickertui.tui.look.glyphs import glyphs_of

__all__ = ["HiResMode", "StrikePlot"]


class _Strikes(NumericAxisFormatter):
    """Strikes as everywhere on the screen: ``24,350``."""

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        """Return the label of each tick."""
        return [fmt.strike(tick) for tick in ticks]


class _Sizes(NumericAxisFormatter):
    """Numbers without their sign: what is below the axis is as large as what is above."""

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        """Return the label of each tick."""
        return [f"{abs(tick):g}" for tick in ticks]


class _Drawing(Canvas):
    """A part of the plot, its blocks and lines replaced by ASCII where the terminal has nothing else."""

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
        self.set_reactive(StrikePlot.margin_left, 6)
        self.set_x_formatter(_Strikes())
        self.set_y_formatter(_Sizes())
