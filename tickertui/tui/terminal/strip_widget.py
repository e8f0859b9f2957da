"""`StripWidget`: a widget whose lines are finished strips, handed to the compositor as they are.

Textual takes every line through a cache of its own, through border, padding, opacity, tint and hatch, and through a
filter that replaces ANSI colours. Our lines have full true-colour styles and none of the rest, and the widgets keep
their own strips; without the detour a repaint of 45 lines takes about a third less.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.filter import ANSIToTruecolor, LineFilter
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from tickertui.tui.terminal.contained import Contained
from tickertui.tui.terminal.line import TerminalLine


class StripWidget(Contained, Widget):
    """Base of the grid and the one-line widgets; give them no border, padding or opacity."""

    viewport = Size(0, 0)
    """Cells of the content, measured once a paint: `Widget.size` walks up to the screen each time it is asked."""

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return the filters that the lines still need (NO_COLOR); there is no ANSI colour to replace."""
        return [each for each in super().get_line_filters() if not isinstance(each, ANSIToTruecolor)]

    def terminal_lines(self, crop: Region) -> Sequence[TerminalLine]:
        """Return the lines of a region as they are written for the terminal; `DirectCompositor` asks for them."""
        return self.guarded(self._terminal_lines, crop)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the lines of a region of the widget."""
        return self.guarded(self._strips, crop)

    def _terminal_lines(self, crop: Region) -> list[TerminalLine]:
        """Draw the lines of a region as they are written for the terminal; subclasses have a shorter way."""
        return [*self._strips(crop)]

    def _strips(self, crop: Region) -> list[Strip]:
        self.viewport = self.size
        strips = [self.render_line(y) for y in crop.line_range]
        filters = self.get_line_filters()
        if filters:
            _, background = self.background_colors
            for line_filter in filters:
                strips = [strip.apply_filter(line_filter, background) for strip in strips]
        start, end = crop.column_span
        if start or end != self.viewport.width:
            strips = [strip.crop(start, end) for strip in strips]
        return strips
