"""The title of the terminal's window (in tmux: of the pane), which Textual itself never writes.

It names the program, and MOCK, REPLAY or SIMULATED before it: a window in a task bar, a tab or a tmux status line must
not look like a live one. The title before is put on the terminal's own stack and taken back at the end.
"""

from __future__ import annotations

import re
from typing import Any, Final

from textual.app import App

_SAVE: Final = "\x1b[22;2t"
_RESTORE: Final = "\x1b[23;2t"
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def title_sequence(title: str) -> str:
    """Return what makes a terminal show a title (xterm's OSC 2); control characters cannot get into it."""
    return f"\x1b]2;{_CONTROLS.sub('', title)}\x07"


class WindowTitle:
    """Writes the title of one application's window.

    Args:
        app: Whose driver takes the sequences; a headless one gets none.
    """

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._shown = ""

    def show(self, title: str) -> None:
        """Give the window this title; the same one again costs nothing."""
        if title != self._shown:
            self._write(("" if self._shown else _SAVE) + title_sequence(title))
            self._shown = title

    def restore(self) -> None:
        """Give the window back the title that it had."""
        if self._shown:
            self._write(title_sequence("") + _RESTORE)
            self._shown = ""

    def _write(self, sequence: str) -> None:
        driver = self._app._driver
        if driver is not None and not driver.is_headless:
            driver.write(sequence)
            driver.flush()
