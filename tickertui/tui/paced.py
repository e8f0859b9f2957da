"""`Paced`: a screen that paints a key's answer at once, and nothing while the terminal is behind.

Textual paints when its timer of 1/120 s comes round, which is 4 ms of the median answer to a key, and it writes on
while a slow terminal has not taken what was written before: after 30 writes the event loop stands still until the
terminal has read one. Here what a key has changed is painted as soon as the screen knows of it, and a paint waits while
writes do (what changes meanwhile is painted once). Every screen of ours is one.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from textual import events
from textual._compositor import Compositor
from textual.app import App

from tickertui.tui.direct_paint import DirectCompositor, is_supported
from tickertui.tui.display_rate import waiting_writes

if TYPE_CHECKING:
    from textual.screen import Screen

    _Base = Screen[Any]
else:
    _Base = object

_HURRY_S: Final = 0.05
"""What is painted within this time after a key is taken for its answer."""
_BACKLOG: Final = 3
"""Writes that may wait before a paint does. One paint is up to three, of which the last is left while it is on its way:
behind a frame the answer to one key is written, those to further keys are painted together. Textual blocks at 30."""


class Paced(_Base):
    """What a screen inherits first: ``class MainScreen(Paced, Screen[None])``."""

    _hurry_until = 0.0

    def __init__(self, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name, id, classes)
        if type(self._compositor) is Compositor and is_supported():
            self._compositor = DirectCompositor()

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
            super()._on_timer_update()


def hurry_for(app: App[Any], event: events.Event) -> None:
    """Tell the screen on top that the trader has pressed something; the application's ``on_event`` calls this."""
    if isinstance(event, events.Key | events.MouseDown) and app.screen_stack:
        screen = app.screen_stack[-1]
        if isinstance(screen, Paced):
            screen.hurry()
