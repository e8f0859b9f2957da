"""A real terminal that takes its output slowly, or not at all for a while: nothing stands still but the picture."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.terminals import Terminal, in_terminal

SLOW = 20_000
"""Bytes per second: less than one full chain."""
SAYS = re.compile(r"DISPLAY \d+ fps, [\d,]+ frames merged")
MANY = 120
"""Keys whose answers would be four times as many writes as Textual queues."""


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    """The file in which the program says how many keys its loop has taken in."""
    return tmp_path / "keys"


@pytest.fixture
def terminal(taken: Path) -> Iterator[Terminal]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    environ = {**kept, "PYTHONUTF8": "1"}
    with in_terminal([str(taken)], environ, columns=200, lines=50, program="tests.support.slow_display") as terminal:
        terminal.until_painted("24,350")
        yield terminal


def keys_of(file: Path) -> int:
    try:
        return int(file.read_text(encoding="utf-8") or "0")
    except FileNotFoundError:
        return 0


def test_a_terminal_that_takes_nothing_does_not_stop_the_event_loop(terminal: Terminal, taken: Path) -> None:
    terminal.stall()
    terminal.type("jk" * (MANY // 2))
    terminal.until(lambda: keys_of(taken) >= MANY, f"{MANY} keys taken in while nothing is read")
    terminal.resume()
    terminal.type("?")
    terminal.until_painted("Go to the strike at the money.")


def test_a_slow_terminal_is_told_answers_keys_and_recovers(terminal: Terminal) -> None:
    terminal.resume(SLOW)
    terminal.output = ""
    terminal.until(lambda: SAYS.search(terminal.text), "the status says that the terminal is slow")
    terminal.type("?")
    terminal.until_painted("Go to the strike at the money.")
    terminal.resume()
    terminal.type("\x1b")

    def keeps_up() -> bool:
        """Whether the status bar that was painted last says nothing of it; the word would stand before the rate."""
        # Looking through all that came would take longer and longer: the reader would be slow once more.
        terminal.output = terminal.output[-50_000:]
        before, rate, _ = terminal.text.rpartition("t/s")
        return bool(rate) and not SAYS.search(before[-150:])

    terminal.until(keeps_up, "the status says nothing of a slow terminal any more")
