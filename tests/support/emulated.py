"""A program in a pty that is its controlling terminal, and the emulated screen of it: what a trader sees.

    with in_emulated_terminal(["--demo"], environ, columns=120, lines=40) as terminal:
        terminal.until_seen("MOCK DATA")
        terminal.type("u")
        terminal.until_seen("Underlying")

The size is set before the program starts, and the environment says nothing about it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.emulator import Emulator
from tests.support.terminals import Terminal

_KEPT = 400_000
"""Characters of the output that are kept: a traceback, and the last second of a large screen."""
_SYNC_QUESTION, _SYNC_ANSWER = b"\x1b[?2026$p", b"\x1b[?2026;2$y"
"""Whether frames can be shown at once; every terminal of today says yes."""
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"
)
"""Makes the pty the controlling terminal of the session, as a terminal emulator does: its end is a hang-up then."""


class NotTaken(AssertionError):  # noqa: N818 - says what is the matter
    """The program reads no keys any more."""


class EmulatedTerminal(Terminal):
    """A running program, the terminal's end of it, and its screen."""

    def __init__(self, process: subprocess.Popen[bytes], master: int, columns: int, lines: int) -> None:
        super().__init__(process, master)
        self.emulator = Emulator(columns, lines)
        self.size = (columns, lines)
        self.resized_at = time.monotonic()
        self._looked = ""
        self._is_new = True

    def take(self, data: bytes) -> None:
        """Keep what was written, and show it."""
        text = self._decode(data)
        self.output = (self.output + text)[-_KEPT:]
        self._is_new = True
        self.emulator.feed(text)
        if _SYNC_QUESTION in data:
            self.write(_SYNC_ANSWER)

    # ------------------------------------------------------------------ what the trader does

    def write(self, data: bytes, timeout: float = 20.0) -> None:
        """Type, paste or move the mouse, reading meanwhile.

        Raises:
            NotTaken: When the program takes nothing for this time.
        """
        deadline = time.monotonic() + timeout
        while data and not self.has_ended:
            _, ready, _ = select.select([], [self.master], [], 0.05)
            if ready:
                try:
                    data = data[os.write(self.master, data) :]
                    continue
                except BlockingIOError:
                    pass
            if time.monotonic() > deadline:
                raise NotTaken(f"no key was taken for {timeout} s")
            self.read()

    def type(self, keys: str) -> None:
        """Type keys."""
        self.output = ""
        self.write(keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Give the window another size; of the same one the kernel tells nobody."""
        if (columns, lines) == self.size:
            return
        self.emulator.screen.resize(lines, columns)
        self.size, self.resized_at, self._is_new = (columns, lines), time.monotonic(), True
        # The kernel tells the foreground process group.
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def watch(self, seconds: float) -> None:
        """Look on for a while; no longer than the program runs."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.has_ended:
            self.read(min(left, 0.05))

    # ------------------------------------------------------------------ what the trader sees

    @property
    def has_ended(self) -> bool:
        """Whether the program is no more."""
        return self.process.poll() is not None

    @property
    def screen_text(self) -> str:
        """The rows of the screen as it stands, one a line."""
        if self._is_new:
            self._is_new, self._looked = False, self.emulator.text()
        return self._looked

    def row(self, y: int) -> str:
        """One row, counted from 0."""
        return self.screen_text.split("\n")[y]

    def sees(self, *words: str) -> bool:
        """Whether all of these are on the screen."""
        return all(word in self.screen_text for word in words)

    def until(self, predicate: Callable[[], object], description: str, timeout: float = 30.0) -> None:
        """Read until something is true of the screen.

        Raises:
            AssertionError: With the screen, when the deadline passes or the program ends first.
        """
        deadline = time.monotonic() + timeout
        while not predicate():
            if time.monotonic() > deadline or self.has_ended:
                self.read()
                if predicate():
                    return
                why = f"ended with {self.process.returncode}" if self.has_ended else f"waited {timeout} s in vain"
                raise AssertionError(f"{why}, for: {description}\n{self.screen_text}\n{self.emulator.after[-4000:]}")
            self.read()

    def until_seen(self, *words: str, timeout: float = 30.0) -> None:
        """Read until all of these are on the screen at once."""
        self.until(lambda: self.sees(*words), f"{words!r} on the screen", timeout)

    def until_gone(self, *words: str, timeout: float = 30.0) -> None:
        """Read until none of these is on the screen."""
        self.until(lambda: not any(map(self.sees, words)), f"no {words!r} on the screen", timeout)

    # ------------------------------------------------------------------ the process

    def resident_bytes(self) -> int | None:
        """Memory of the program; None where the system does not tell."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except (OSError, ValueError, IndexError):
            return None
        return pages * os.sysconf("SC_PAGE_SIZE")

    def left_processes(self) -> list[int]:
        """Processes of the program's session that live on."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, _, _, session = entry.read_text().rsplit(")", 1)[1].split()[:4]
            except OSError:
                continue
            if int(session) == self.process.pid and state != "Z":
                found.append(int(entry.parent.name))
        return found


@contextmanager
def in_emulated_terminal(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    *,
    columns: int = 120,
    lines: int = 40,
    folder: Path | None = None,
    errors: Path | None = None,
) -> Iterator[EmulatedTerminal]:
    """Run ``python -m tickertui ARGUMENTS`` in a terminal of this size, and end it in any case.

    Args:
        arguments: Of the program.
        environ: Its environment.
        columns: Of the terminal.
        lines: Of the terminal.
        folder: Where it runs.
        errors: File for its standard error; None for the terminal.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    unsized = {name: value for name, value in environ.items() if name not in ("COLUMNS", "LINES")}
    program = [sys.executable, "-m", "tickertui", *arguments]
    complaints = os.dup(slave) if errors is None else os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", _TAKE_TERMINAL, *program],
        stdin=slave, stdout=slave, stderr=complaints, start_new_session=True, cwd=folder,
        env={**unsized, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
    )  # fmt: skip
    os.close(slave)
    os.close(complaints)
    os.set_blocking(master, False)
    terminal = EmulatedTerminal(process, master, columns, lines)
    try:
        yield terminal
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()
        if terminal.master >= 0:
            os.close(terminal.master)
