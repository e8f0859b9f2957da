"""Jump mode: one letter on each thing that can be reached; the letter goes there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import ascii_lowercase
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.geometry import Offset
from textual.screen import ModalScreen
from textual.widgets import Label

from tickertui.frozen import frozen
from tickertui.tui.keys.actions import Context, bindings_of
from tickertui.tui.panels.closes_once import ClosesOnce
from tickertui.tui.terminal.failures import Failure
from tickertui.tui.terminal.responsive_screen import ResponsiveScreen

LETTERS = "asdfghjklqwertyuiopzxcvbnm"
"""The home row first."""


@frozen
class JumpTarget:
    """Something that can be jumped to.

    Attributes:
        at: Where its letter is drawn, in screen coordinates.
        name: For the help of the tests and screen readers.
        go: What the letter does.
    """

    at: Offset
    name: str
    go: Callable[[], None]


class JumpScreen(ClosesOnce, ResponsiveScreen, ModalScreen[None]):
    """Letters over the main screen.

    Args:
        targets: In the order in which letters are given; those beyond the 26th get none.
    """

    # The key that has opened it closes it too.
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.PANEL, "jump")]
    DEFAULT_CSS = """
    JumpScreen {
        background: $ground 0%;
        layers: labels;
        & Label {
            layer: labels;
            position: absolute;
            width: 3;
            height: 1;
            background: $warn;
            color: $ground;
            text-style: bold;
            content-align: center middle;
        }
    }
    """

    def __init__(self, targets: Sequence[JumpTarget]) -> None:
        super().__init__()
        assert set(LETTERS) == set(ascii_lowercase)
        self.targets = dict(zip(LETTERS, targets, strict=False))

    def compose(self) -> ComposeResult:
        """One label each."""
        for letter, target in self.targets.items():
            label = Label(f" {letter} ", markup=False)
            label.styles.offset = (target.at.x, target.at.y)
            yield label

    is_place = True

    def fail(self, failure: Failure) -> None:
        """Close: there is nothing else in it."""
        self.app.notify(failure.sentence, severity="error", timeout=10, markup=False)
        self.dismiss(None)

    def on_key(self, event: events.Key) -> None:
        """Go where the letter points."""
        target = self.targets.get(event.key)
        if target is not None and self.is_ready:
            event.stop()
            self.dismiss(None)
            target.go()

    def action_close(self) -> None:
        """Stay."""
        self.dismiss(None)

    def action_jump(self) -> None:
        """Stay."""
        self.dismiss(None)
