"""Programs on a terminal of 200x50 for the benchmarks: in a pty, or in a tmux whose client has the pty."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shlex
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.harness import MissingPeer

COLUMNS, LINES = 200, 50


class Terminal:
    """A pty with a program in it, whose output is drained and looked through.

    Args:
        command: The program.
        extra: Further environment.
    """

    def __init__(self, command: Sequence[str], extra: Mapping[str, str] | None = None) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = dict(os.environ, TERM="xterm-256color", COLORTERM="truecolor", TEXTUAL_FPS="120")
        environment.update(extra or {})
        environment.pop("TMUX", None)
        environment.pop("NO_COLOR", None)
        self._process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.tail = b""
        self.total = 0
        """Bytes taken from it so far."""

    @property
    def has_ended(self) -> bool:
        """Whether the program is no more."""
        return self._process.poll() is not None

    def read(self, timeout: float) -> bool:
        """Take what is there; False at the end of the program."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, timeout))
        if not ready:
            return True
        try:
            data = os.read(self._master, 65_536)
        except OSError:
            return False
        self.total += len(data)
        self.tail = (self.tail + data)[-200_000:]
        return bool(data)

    def wait_for(self, pattern: bytes, timeout: float) -> float | None:
        """Return when the pattern has come, None when it has not in time."""
        end = time.perf_counter() + timeout
        while pattern not in self.tail:
            left = end - time.perf_counter()
            if left <= 0 or not self.read(left):
                return None
        return time.perf_counter()

    def drain(self, seconds: float) -> bool:
        """Read for a while; False at the end of the program."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if not self.read(left):
                return False
        return True

    def press(self, key: bytes) -> float:
        """Type; return when."""
        self.tail = b""
        start = time.perf_counter()
        os.write(self._master, key)
        return start

    def close(self) -> None:
        """End the program."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._master)


def tmux_missing() -> MissingPeer | None:
    """Return why nothing is measured inside tmux, None when it is installed."""
    return None if shutil.which("tmux") else MissingPeer("tmux", "not installed")


class Tmux:
    """A server of our own: its socket in a folder of ours, no configuration of the user's.

    Args:
        folder: For the socket.
    """

    # The status line would take a row; without RGB it would turn true colours into the nearest of 256.
    _SETTINGS = "set -g status off ; set -s escape-time 0 ; set -as terminal-features ,xterm-256color:RGB"

    def __init__(self, folder: Path) -> None:
        self._base = ["tmux", "-S", str(folder / "socket"), "-f", "/dev/null"]

    def command(self, program: Sequence[str]) -> list[str]:
        """Return what to run in a pty: a client of a new server that runs the program."""
        size = ["-x", str(COLUMNS), "-y", str(LINES)]
        return [*self._base, "start-server", ";", *self._SETTINGS.split(" "), ";", "new-session", *size,
                shlex.join(program)]  # fmt: skip

    def cpu_s(self) -> float:
        """Seconds of CPU that the server has used, 0 when it is no more."""
        answer = subprocess.run([*self._base, "display-message", "-p", "#{pid}"], capture_output=True, text=True)
        try:
            fields = Path(f"/proc/{int(answer.stdout)}/stat").read_text().rsplit(")", 1)[1].split()
        except (ValueError, OSError):
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End the server and everything in it."""
        subprocess.run([*self._base, "kill-server"], capture_output=True)


@contextmanager
def in_tmux() -> Iterator[Tmux]:
    """Give a server's place, and end it in any case."""
    with tempfile.TemporaryDirectory(prefix="tmux-") as folder:
        tmux = Tmux(Path(folder))
        try:
            yield tmux
        finally:
            tmux.kill()
