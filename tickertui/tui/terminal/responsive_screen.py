"""`ResponsiveScreen`: it answers a key at once, paints nothing while the terminal is behind, and dims what is below it.

Textual paints when its timer of 1/120 s comes round, which is 4 ms of the median answer to a key, and it writes on
while a slow terminal has not taken what was written before: after 30 writes the event loop stands still until the
terminal has read one. Here what a key has changed is painted as soon as the screen knows of it, and a paint waits while
writes do (what changes meanwhile is painted once). Every screen of ours is one.

A panel lets the screen below shine through. Textual blends the colours of every piece of it anew for every paint, which
is 60 to 100 ms of a panel's opening on 200x50; there are a few hundred styles on a screen, and each is blended once.
The lines below are kept until Textual tells that one of them has changed.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual._compositor import Compositor
from textual.app import App
from textual.color import Color
from textual.geometry import Offset, Region, Size
from textual.strip import Strip
from textual.widget import Widget

from tickertui.tui.terminal.contained import Contained, contain
from tickertui.tui.terminal.direct_painting import DirectCompositor, is_supported
from tickertui.tui.terminal.display_rate import waiting_writes

if TYPE_CHECKING:
    from textual.screen import Screen

    class _Base(Contained, Screen[Any]):
        pass

    _AnyScreen = Screen[Any]
else:
    _Base = Contained
    _AnyScreen = object

_HURRY_S: Final = 0.05
"""What is painted within this time after a key is taken for its answer."""
_BACKLOG: Final = 3
"""Writes that may wait before a paint does. One paint is up to three, of which the last is left while it is on its way:
behind a frame the answer to one key is written, those to further keys are painted together. Textual blocks at 30."""


class SelectsAttached(_AnyScreen):
    """A screen on which a press of the mouse selects text in what is still part of it, and in nothing else.

    Until the next layout Textual finds what has been removed at its old place, too, and looks at its parent.
    """

    def get_widget_and_offset_at(self, x: int, y: int) -> tuple[Widget | None, Offset | None]:
        """Return the widget at a cell and the place within its text; None for what has been removed."""
        widget, offset = super().get_widget_and_offset_at(x, y)
        return (widget, offset) if widget is not None and widget.is_attached else (None, None)


class ResponsiveScreen(SelectsAttached, _Base):
    """What a screen inherits first: ``class MainScreen(ResponsiveScreen, Screen[None])``."""

    _hurry_until = 0.0

    def __init__(self, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        self._veil: Color | None = None
        self._veiled: dict[Style | None, Style] = {}
        self._shines: list[Strip] | None = None
        self._shines_of: object = None
        super().__init__(name, id, classes)
        if type(self._compositor) is Compositor and is_supported():
            self._compositor = DirectCompositor(self._paint_otherwise)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return lines of the screen itself: those of the screen below, dimmed, where they shine through."""
        below = self._below
        if below is None:
            return exactly(super().render_lines(crop), crop.size, self.rich_style)
        # Textual lays the screens out one after the other, the top one first, and paints each at once: after a resize
        # this one is painted over a screen below that still has the lines of the size before. Its own size is that of
        # its layout, too: `Screen.size` is the terminal's, for which it may not have been laid out yet.
        key = (below, below._compositor.size, self._compositor.size, self.styles.background)
        if self._shines is None or self._shines_of != key:
            if isinstance(below, ResponsiveScreen):
                below.forget_below()
            self._shines, self._shines_of = self._dim(below, self.styles.background), key
        return [strip.crop(crop.x, crop.right) for strip in self._shines[crop.y : crop.bottom]]

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Paint anew. Textual calls this with regions for what has changed on the screen below, and only for that."""
        if regions:
            self.forget_below()
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def notify_style_update(self) -> None:
        """Take over the theme's colours, those of the screen below too."""
        super().notify_style_update()
        self.forget_below()

    def forget_below(self) -> None:
        """Look at the screen below again; until then its lines are kept: a panel is painted thrice while it opens."""
        self._shines = None

    def _dim(self, below: Screen[Any], veil: Color) -> list[Strip]:
        """Return the lines of the screen below under a veil, as many and as long as this screen's layout has."""
        veiled = self._veiled
        if veil != self._veil:
            self._veil = veil
            veiled.clear()
        strips = []
        for strip in below._compositor.render_strips():
            segments = []
            for text, style, _ in strip:
                dim = veiled.get(style)
                if dim is None:
                    dim = veiled[style] = _dimmed(style, veil)
                segments.append(Segment(text, dim))
            strips.append(Strip(segments, strip.cell_length))
        return exactly(strips, self._compositor.size, self.rich_style)

    @property
    def _below(self) -> Screen[Any] | None:
        """The screen that shines through, None for none."""
        stack = self.app.screen_stack
        at = stack.index(self) if self in stack else 0
        return stack[at - 1] if at and self.styles.background.a < 1 else None

    def hurry(self) -> None:
        """Paint the next change at once: the trader has pressed something and waits."""
        self._hurry_until = monotonic() + _HURRY_S

    def _on_idle(self, event: events.Idle) -> None:  # type: ignore[override]
        """Paint the answer to a key; Textual's own handler, which waits for its timer, is called after this one."""
        if self._hurry_until and (self._dirty_widgets or self._layout_required):
            due, self._hurry_until = monotonic() <= self._hurry_until, 0.0
            if due:
                self._on_timer_update()

    def _on_timer_update(self) -> None:
        """Paint, unless the terminal is behind: then the timer, still running, asks again in a moment."""
        if waiting_writes(self.app) < _BACKLOG:
            try:
                super()._on_timer_update()
            except Exception as error:  # noqa: BLE001 - a paint that fails must not end the feed
                contain(self, error, "painting")
                # Some of it may have reached the terminal.
                self.refresh(layout=True)

    def _paint_otherwise(self, error: Exception) -> None:
        """Paint everything anew in Textual's own way: a line did not fit where it was to be painted directly."""
        contain(self, error, "direct painting, which pauses until the next resize,")
        self.call_later(self.refresh, layout=True)

    def action_redraw(self) -> None:
        """Paint everything anew, whatever the terminal shows."""
        self.forget_below()
        self.refresh(layout=True)


class ExactLines(SelectsAttached):
    """What a screen of Textual's own inherits first: lines that fill its layout, whatever the terminal's size is."""

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return as many lines, as long, as the layout has room for."""
        return exactly(super().render_lines(crop), crop.size, self.rich_style)


def exactly(strips: list[Strip], size: Size, style: Style) -> list[Strip]:
    """Return lines cut and padded to a size.

    `Screen.size` is the terminal's, which may have changed since the screen was laid out; Textual draws for it, and its
    compositor ends the program over a place that nobody has drawn.

    Args:
        strips: The lines as they were drawn.
        size: Of the place that they are for.
        style: Of what is added.
    """
    width, height = size
    fitting = [s if s.cell_length == width else s.adjust_cell_length(width, style) for s in strips[:height]]
    return fitting + [Strip.blank(width, style)] * (height - len(fitting))


def _dimmed(style: Style | None, veil: Color) -> Style:
    """Return a style under a veil, without the links and actions of its text, which is out of reach."""
    plain = style.clear_meta_and_links() if style is not None else Style()
    if not veil.a:
        return plain
    foreground, background = (
        (Color.from_rich_color(color) + veil).rich_color if color is not None else None
        for color in (plain.color, plain.bgcolor)
    )
    return plain + Style.from_color(foreground, background)


def hurry_for(app: App[Any], event: events.Event) -> None:
    """Tell the screen on top that the trader has pressed something; the application's ``on_event`` calls this."""
    if isinstance(event, events.Key | events.MouseDown) and app.screen_stack:
        screen = app.screen_stack[-1]
        if isinstance(screen, ResponsiveScreen):
            screen.hurry()
