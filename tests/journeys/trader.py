"""The trader of the journeys: presses keys and says what must be seen then, on the emulated screen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.emulated import EmulatedTerminal, in_emulated_terminal
from tests.support.live_program import Broker, run_program
from tests.support.stages import RULES, Scenario, Stage, staged

ESC, ENTER, DOWN, LEFT, TAB, JUMP = "\x1b", "\r", "\x1b[B", "\x1b[D", "\t", "\x0f"

Size = tuple[int, int]
"""Columns and rows."""

SIZES: list[Size] = [(80, 24), (120, 40), (200, 50)]
"""In which every journey is walked."""

DAY = "2026-11-25 11:00"
"""A Wednesday before noon."""

NO_HISTORY = f"{RULES}\n[history]\nenabled = false\n[feed]\nsilence_seconds = 3.0\n"
"""Two rules, no backfill that a journey does not ask for, and a socket that is given up sooner than usual."""


class Trader:
    """A trader at a terminal.

    Args:
        terminal: With the program in it.
        stage: Where it plays.
    """

    def __init__(self, terminal: EmulatedTerminal, stage: Stage) -> None:
        self.terminal = terminal
        self.stage = stage
        self.size = terminal.size

    @property
    def broker(self) -> Broker:
        """The simulator."""
        assert self.stage.broker is not None
        return self.stage.broker

    def press(self, keys: str, *seen: str, gone: tuple[str, ...] = ()) -> None:
        """Press keys once, and wait until all of these words are on the screen and none of those."""
        self.terminal.type(keys)
        self.sees(*seen, gone=gone)

    def click(self, words: str) -> None:
        """Click on a row that has these words, and wait until the cursor is there."""
        self.sees(words)
        screen = self.terminal.emulator.screen
        y = next(number for number, row in enumerate(screen.rows()) if words in row)
        x = screen.rows()[y].index(words)

        def ground() -> tuple[str, bool]:
            cell = screen.buffer[y][x]
            return cell.bg, cell.reverse

        before = ground()
        self.terminal.type(f"\x1b[<0;{x + 1};{y + 1}M\x1b[<0;{x + 1};{y + 1}m")
        self.terminal.until(lambda: ground() != before, f"the cursor on {words!r}", 20.0)

    def sees(self, *seen: str, gone: tuple[str, ...] = (), timeout: float = 20.0) -> None:
        """Wait until all of these words are on the screen at once, and none of those."""
        terminal = self.terminal
        terminal.until(
            lambda: terminal.sees(*seen) and not any(map(terminal.sees, gone)), f"{seen!r}, and no {gone!r}", timeout
        )

    def reads(self, pattern: str, timeout: float = 20.0) -> re.Match[str]:
        """Wait until the screen has a text that matches, and return it."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            match = re.search(pattern, self.terminal.screen_text)
            found.extend([match] if match else [])
            return bool(match)

        self.terminal.until(look, f"a text like {pattern!r}", timeout)
        return found[-1]

    def chain(self, underlying: str, expiry: str) -> None:
        """Wait until this chain (``29Dec``) is shown, with live prices; wide screens write ``29 Dec``."""
        mark = f"{expiry[:2]} ?{expiry[2:]}"
        self.reads(rf"\[LIVE \d+/\d+\] {underlying} [0-9,.]+[▲▼]?[^\n]*\n[^\n]*\[\w {mark}")

    def moves(self) -> None:
        """Wait until a price of the chain is another one than now: the feed is alive."""
        before = self.terminal.row(1) + self.terminal.row(2)

        def seconds() -> str:
            return self.terminal.row(1) + self.terminal.row(2)

        self.terminal.until(lambda: seconds() != before, "the header moves", 20.0)

    def on_row(self, word: str, predicate: Callable[[str], bool], what: str) -> None:
        """Wait until a row with this word is as wanted."""

        def look() -> bool:
            return any(word in row and predicate(row) for row in self.terminal.screen_text.split("\n"))

        self.terminal.until(look, f"a row with {word!r}: {what}", 20.0)

    def commands(self, *arguments: str, typed: str = "") -> str:
        """Run a command in another shell, and return what it prints."""
        config = ("--config", str(self.stage.folder / "simulator.toml"))
        done = run_program(self.stage.environ, *arguments, *config, typed=typed)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def at_home(self) -> None:
        """Wait until the screen is as every journey finds it: NIFTY's nearest expiry, live, nothing over it."""
        self.chain("NIFTY", "01Dec")
        self.sees("STRIKE", " bar ", " dOI ", gone=("Esc back", "Esc leave it", "PAUSED"))


@contextmanager
def at_work(scenario: Scenario, size: Size, folder: Path) -> Iterator[Trader]:
    """Start broker and program, and end both."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        staged(scenario, folder) as stage,
        in_emulated_terminal(
            stage.arguments, stage.environ, columns=size[0], lines=size[1], folder=stage.folder
        ) as terminal,
    ):
        yield Trader(terminal, stage)
