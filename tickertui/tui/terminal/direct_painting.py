"""`DirectCompositor`: changed lines go from their widget to the terminal without a detour over the whole screen.

Textual's compositor answers a partial update by asking every widget near a change for all of its lines, cutting them
at the edges of all widgets and picking the pieces in front. Of a chain in which 12 rows changed that is 2 ms, of which
0.5 ms are the rows. A changed region that lies wholly in one widget with nothing in front of it needs none of that: it
is that widget's lines. All other regions (under a toast, across two widgets) take Textual's own way.

`tickertui.tui.terminal.responsive_screen.ResponsiveScreen` puts it into our screens. It leans on four names of
Textual's compositor that are not public; `is_supported` looks whether they are as they were in 8.2.8, and without them
Textual's own compositor stays. `tests/tui/test_direct_paint.py` compares what both write, cell by cell.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

from rich.console import Console
from textual._compositor import ChopsUpdate, Compositor, CompositorUpdate
from textual.geometry import Region, Size
from textual.widget import Widget

from tickertui.tui.terminal.line import TerminalLine
from tickertui.tui.terminal.strip_widget import StripWidget

_Place = tuple[int, int, int, int, Widget, Region]
"""Left, top, right and bottom of what is seen of a widget, the widget, and where it would be without being clipped."""


class DirectUpdate(CompositorUpdate):
    """Lines at their places, and what Textual's own compositor made of the other regions.

    Args:
        lines: Column and row of the first cell, and the line.
        rest: Written first; None when there is nothing.
        give_up: Told when a line cannot be written.
    """

    def __init__(
        self,
        lines: Sequence[tuple[int, int, TerminalLine]],
        rest: CompositorUpdate | None,
        give_up: Callable[[Exception], None],
    ) -> None:
        self._lines = lines
        self._rest = rest
        self._give_up = give_up

    def render_segments(self, console: Console) -> str:
        """Return what is to be written."""
        parts = [self._rest.render_segments(console)] if self._rest is not None else []
        try:
            # Two widgets of the same glyphs and colours are two lines: what comes first does not matter.
            parts += [f"\x1b[{y + 1};{x + 1}H{line.render(console)}" for x, y, line in self._lines]
        except Exception as error:  # noqa: BLE001 - Textual's own way is still there
            self._give_up(error)
        return "".join(parts)


class LinesDoNotFit(Exception):  # noqa: N818 - an inconsistency, told by its name
    """A widget drew other lines than the layout has room for; the text says which."""


class DirectCompositor(Compositor):
    """Textual's compositor with a short way for lines of one widget.

    The short way trusts that a widget draws what the layout has room for. At the first line for which that is not so it
    is left, until the next change of the size, for Textual's own way, which cuts and pads.

    Args:
        otherwise: Told why, once, so that everything is painted anew.
    """

    def __init__(self, otherwise: Callable[[Exception], None] = lambda error: None) -> None:
        super().__init__()
        self._otherwise = otherwise
        self._left_at: Size | None = None
        self._places: list[_Place] = []
        self._places_of: object = None

    def render_partial_update(self) -> DirectUpdate | ChopsUpdate | None:  # type: ignore[override]
        """Return what is to be written for the regions that changed, None for nothing."""
        if self._left_at is not None:
            if self._left_at == self.size:
                return super().render_partial_update()
            self._left_at = None
        try:
            return self._render_directly()
        except LinesDoNotFit as error:
            self.give_up(error)
            return None

    def give_up(self, error: Exception) -> None:
        """Leave the short way until the size changes, and have everything painted anew."""
        if self._left_at is None:
            self._left_at = self.size
            self._otherwise(error)

    def _render_directly(self) -> DirectUpdate | ChopsUpdate | None:
        screen = self.size.region
        lines: list[tuple[int, int, TerminalLine]] = []
        others: set[Region] = set()
        tall = [region for region in self._dirty_regions if region.height > 1]
        for region in sorted(self._dirty_regions, key=_reading_order):
            shown = region.intersection(screen)
            if not shown or any(region is not other and other.contains_region(region) for other in tall):
                continue
            if not self._paint(shown, lines):
                others.add(region)
        self._dirty_regions = others
        rest = super().render_partial_update()
        return DirectUpdate(lines, rest, self.give_up) if lines else rest

    def _paint(self, region: Region, lines: list[tuple[int, int, TerminalLine]]) -> bool:
        """Append the lines of a region; False when they are not of one widget."""
        left, top, width, height = region
        right, bottom = left + width, top + height
        for x1, y1, x2, y2, widget, whole in self._seen():
            if x1 >= right or x2 <= left or y1 >= bottom or y2 <= top:
                continue
            if x1 > left or x2 < right or y1 > top or y2 < bottom:
                return False
            crop = Region(left - whole.x, top - whole.y, width, height)
            own_lines: Sequence[TerminalLine]
            if isinstance(widget, StripWidget):
                own_lines = widget.terminal_lines(crop)
            else:
                own_lines = [strip.crop(0, width) for strip in widget.render_lines(crop)]
            if len(own_lines) != height or any(line.cell_length != width for line in own_lines):
                sizes = sorted({line.cell_length for line in own_lines})
                raise LinesDoNotFit(f"{widget!r} drew {len(own_lines)} lines of {sizes} cells for {width}x{height}")
            lines += [(left, y, line) for y, line in enumerate(own_lines, top)]
            return True
        return False

    def _seen(self) -> list[_Place]:
        """What is seen of each widget, front to back; as long-lived as Textual's own table of them."""
        table = self.visible_widgets
        if table is not self._places_of:
            self._places_of = table
            self._places = []
            for widget, (region, clip) in table.items():
                x, y, width, height = region.intersection(clip)
                if width and height:
                    self._places.append((x, y, x + width, y + height, widget, region))
        return self._places

    def clear(self) -> None:
        """Forget the widgets (the screen closes)."""
        super().clear()
        self._places, self._places_of = [], None


def _reading_order(region: Region) -> tuple[int, int]:
    return region.y, region.x


def is_supported() -> bool:
    """Return whether Textual's compositor still has what this one leans on."""
    compositor = Compositor()
    try:
        parameters = list(inspect.signature(Compositor.render_partial_update).parameters)
        parameters += list(inspect.signature(CompositorUpdate.render_segments).parameters)
    except (AttributeError, ValueError):
        return False
    return (
        parameters == ["self", "self", "console"]
        and isinstance(getattr(compositor, "_dirty_regions", None), set)
        and isinstance(getattr(compositor, "visible_widgets", None), dict)
    )
