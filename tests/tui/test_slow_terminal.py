"""A real terminal that takes its output slowly, or not at all for a while: nothing stands still but the picture."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emulator import Emulator
from tests.support.terminals import Terminal, in_shell, in_terminal

SLOW = 20_000
"""Bytes per second: less than one full chain."""
SAYS = re.compile(r"DISPLAY \d+ fps, [\d,]+ frames merged")
MANY = 120
"""Keys whose answers would be four times as many writes as Textual queues."""


ENVIRON = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ} | {
    "PYTHONUTF8": "1"
}


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    """The file in which the program says how many keys its loop has taken in."""
    return tmp_path / "keys"


@pytest.fixture
def terminal(taken: Path) -> Iterator[Terminal]:
    with in_terminal([str(taken)], ENVIRON, columns=200, lines=50, program="tests.support.slow_display") as terminal:
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


def test_what_a_terminal_could_not_take_in_time_is_painted_when_it_can(taken: Path, tmp_path: Path) -> None:
    """Every size is painted at once; so many paints of which none is read that some are lost, the last one too."""
    program = [sys.executable, "-m", "tests.support.slow_display", str(taken), "still"]
    with in_shell(program, ENVIRON, tmp_path / "note", columns=200, lines=50) as terminal:
        terminal.until_painted("24,350")
        terminal.stall()
        for number in range(MANY):
            before = keys_of(taken)
            terminal.resize(*((100, 30) if number % 2 else (201 + number % 3, 50)))
            terminal.until(lambda before=before: keys_of(taken) > before, "the size taken in")  # type: ignore[misc]
        before = keys_of(taken)
        terminal.resize(200, 50)
        terminal.until(lambda: keys_of(taken) > before, "the last size taken in")
        terminal.resume()
        shown = Emulator(200, 50)

        def is_whole() -> bool:
            shown.feed(terminal.output)
            terminal.output = ""
            rows = shown.text().split("\n")
            return rows[-1].startswith(" 1Chain") and "1Chain" not in rows[29] and not shown.screen.row_faults()

        terminal.until(is_whole, "the whole screen at its last size")
