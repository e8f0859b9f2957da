"""A program in a real pseudo-terminal: what it painted, keys typed into it, signals, a terminal that goes away."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.paths import REPOSITORY

_CONTROL = re.compile(
    r"\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[PX^_].*?\x1b\\|\x1b[@-Z\\-_]", re.S
)


class Terminal:
    """A running program and the terminal's end of it."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.master = master
        self.output = ""
        # A read may end within a character.
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._bytes_per_second: float | None = None
        self._allowed = 0.0
        self._counted_at = 0.0

    def stall(self) -> None:
        """Read nothing any more: the line stands still."""
        self.resume(0.0)

    def resume(self, bytes_per_second: float | None = None) -> None:
        """Read at a pace, without one as fast as the program writes."""
        self._bytes_per_second = bytes_per_second
        self._allowed, self._counted_at = 0.0, time.monotonic()

    def _allowance(self) -> int:
        """Bytes that the line carries now; a tenth of a second's worth at most."""
        if self._bytes_per_second is None:
            return 1 << 16
        now, pace = time.monotonic(), self._bytes_per_second
        self._allowed = min(self._allowed + (now - self._counted_at) * pace, pace / 10)
        self._counted_at = now
        return int(self._allowed)

    def read(self, seconds: float = 0.05) -> None:
        """Take in what was written within this time."""
        allowed = self._allowance()
        ready, _, _ = select.select([self.master] if allowed else [], [], [], seconds)
        if ready:
            try:
                data = os.read(self.master, allowed)
            except OSError:
                return
            self._allowed -= len(data)
            self.take(data)

    def take(self, data: bytes) -> None:
        """Keep what was written."""
        self.output += self._decode(data)

    @property
    def text(self) -> str:
        """Everything painted so far, without control sequences."""
        return _CONTROL.sub("", self.output)

    def until(self, predicate: Callable[[], object], description: str, timeout: float = 30.0) -> None:
        """Read until something is true.

        Raises:
            AssertionError: With what was painted last, when the deadline passes first.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if predicate():
                return
            self.read()
        raise AssertionError(f"waited {timeout} s in vain for: {description}\n{self.text[-2000:]}")

    def until_painted(self, words: str, timeout: float = 30.0) -> None:
        """Read until these words have been painted."""
        self.until(lambda: words in self.text, f"{words!r} on the screen", timeout)

    def type(self, keys: str) -> None:
        """Type keys; what was painted before is forgotten."""
        self.output = ""
        os.write(self.master, keys.encode())

    def type_until_painted(self, keys: str, words: str, timeout: float = 30.0) -> None:
        """Type keys, and again every two seconds: the first may still have gone to a panel that was closing."""
        deadline = time.monotonic() + timeout
        while words not in self.text and time.monotonic() < deadline:
            self.type(keys)
            again = time.monotonic() + 2.0
            while words not in self.text and time.monotonic() < again:
                self.read()
        assert words in self.text, f"waited {timeout} s in vain for: {words!r} on the screen\n{self.text[-2000:]}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        self.process.send_signal(number)

    def hang_up(self) -> None:
        """Close the terminal's end, as a closed window does."""
        os.close(self.master)
        self.master = -1

    def wait(self, timeout: float = 30.0) -> int:
        """Wait for the end and return the exit code."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not end within {timeout} s\n{self.text[-2000:]}")
            if self.master >= 0:
                self.read()
            else:
                time.sleep(0.02)
        if self.master >= 0:
            self.read()
        return self.process.returncode


@contextmanager
def in_terminal(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    *,
    columns: int = 120,
    lines: int = 40,
    program: str = "tickertui",
) -> Iterator[Terminal]:
    """Run ``python -m PROGRAM ARGUMENTS`` in a terminal of this size, and end it in any case.

    With an empty program the arguments are Python's own.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    size = {"COLUMNS": str(columns), "LINES": str(lines)}
    process = subprocess.Popen(
        [sys.executable, *(("-m", program) if program else ()), *arguments],
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        env={**environ, **size, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
    )  # fmt: skip
    os.close(slave)
    terminal = Terminal(process, master)
    try:
        yield terminal
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if terminal.master >= 0:
            os.close(terminal.master)


class ShellTerminal(Terminal):
    """A shell in its controlling terminal, and the program that it runs in the foreground.

    What a closed terminal means to a program shows only here: the kernel tells the session's leader, which is the
    shell, and then the foreground processes of a leader that has ended.
    """

    def __init__(self, process: subprocess.Popen[bytes], master: int, note: Path) -> None:
        super().__init__(process, master)
        self._note = note

    def _noted(self) -> list[int]:
        try:
            return [int(word) for word in self._note.read_text(encoding="utf-8").split()]
        except FileNotFoundError:
            return []

    @property
    def pid(self) -> int:
        """Of the program."""
        self.until(self._noted, "the program has started")
        return self._noted()[0]

    def code(self, timeout: float = 60.0) -> int:
        """Wait for the program's end and return how `subprocess` tells it."""
        deadline = time.monotonic() + timeout
        while len(noted := self._noted()) < 2:
            assert time.monotonic() < deadline, f"the program did not end within {timeout} s\n{self.text[-2000:]}"
            if self.master >= 0:
                self.read()
            else:
                time.sleep(0.02)
        return noted[1]

    def resize(self, columns: int, lines: int) -> None:
        """Give the window another size; the kernel tells the program."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


_TAKE_THE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp('sh', ['sh', *sys.argv[1:]])"
)


@contextmanager
def in_shell(
    command: Sequence[str],
    environ: Mapping[str, str],
    note: Path,
    *,
    columns: int = 120,
    lines: int = 40,
    redirection: str = "",
) -> Iterator[ShellTerminal]:
    """Run a command from a shell whose controlling terminal this is; the terminal alone tells the size.

    Args:
        command: The program and its arguments.
        environ: Of shell and program.
        note: A file for `tests.support.witness`.
        columns: Width.
        lines: Height.
        redirection: Put behind the command, for instance ``2>errors``.
    """
    witness = [sys.executable, "-m", "tests.support.witness", str(note), *command]
    # The shell does something afterwards, so that it does not become the program itself.
    line = f"{shlex.join(witness)} {redirection}; echo the shell goes on"
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKE_THE_TERMINAL, "-c", line],
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True, cwd=REPOSITORY,
        env={"TERM": "xterm-256color", "COLORTERM": "truecolor", **environ},
    )  # fmt: skip
    os.close(slave)
    terminal = ShellTerminal(process, master, note)
    try:
        yield terminal
    finally:
        noted = terminal._noted()
        if len(noted) == 1:
            os.kill(noted[0], signal.SIGKILL)
        if process.poll() is None:
            process.kill()
        process.wait()
        if terminal.master >= 0:
            os.close(terminal.master)
