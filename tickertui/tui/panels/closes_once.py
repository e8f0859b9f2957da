"""`ClosesOnce`: a panel closes once and takes only itself along.

Two keys in one burst both ask it to close before the first has taken effect; an answer of the broker closes a form that
has another panel over it. Textual pops whatever is on top each time, and ends the application when nothing is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import events
from textual.await_complete import AwaitComplete

if TYPE_CHECKING:
    from textual.screen import Screen

    _Base = Screen[Any]
else:
    _Base = object


class ClosesOnce(_Base):
    """What a panel inherits before Textual's screen."""

    _is_closed = False
    _answer: tuple[Any] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether what it is composed of is there: not yet while it opens, not any more once it closes."""
        return self.is_mounted and self.is_attached and not self._is_closed

    def dismiss(self, result: Any = None) -> AwaitComplete:
        """Close with a result; the first one counts. Under another panel it waits until that one is closed.

        Args:
            result: For whoever has opened the panel.
        """
        stack = self.app.screen_stack
        if self._is_closed or self not in stack:
            return AwaitComplete()
        if stack[-1] is not self:
            self._answer = (result,)
            return AwaitComplete()
        self._is_closed = True
        return super().dismiss(result)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Close now with the answer that came while another panel was on top."""
        del event
        if self._answer is not None and not self._is_closed:
            self.dismiss(*self._answer)
