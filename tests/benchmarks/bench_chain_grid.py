"""The chain on a real terminal of 200x50: CPU, bytes and key latency, next to the same content in a `DataTable`.

Both run in a pty of their own, one after the other, from the same board and the same frames (`chain_child`). CPU is of
the whole process (user and system) of one core; a repaint counts reading the frame, handing it to the widgets and
painting. A key is timed from the write into the pty to the first read of what it caused.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import random
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.harness import Result, compare

COLUMNS, LINES = 200, 50
_START_S, _STOP_S, _KEY_S = 20.0, 10.0, 3.0
PEER = "DataTable"


@dataclass(frozen=True, slots=True)
class Run:
    """What one child measured.

    Attributes:
        cpu: Percent of a core.
        repaint_ms: CPU of one frame: read, show, paint.
        characters: Written per frame.
        frames: Frames painted per second.
        keys_ms: Key to first byte, ascending.
        rss_mb: Largest resident memory.
    """

    cpu: float
    repaint_ms: float
    characters: float
    frames: float
    keys_ms: tuple[float, ...]
    rss_mb: float

    def key(self, share: float) -> float:
        """Return a quantile of the key latencies, NaN without any."""
        return (
            self.keys_ms[min(int(len(self.keys_ms) * share), len(self.keys_ms) - 1)] if self.keys_ms else float("nan")
        )


class Terminal:
    """A pty with a program in it, whose output is drained and looked through."""

    def __init__(self, command: list[str]) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = dict(os.environ, TERM="xterm-256color", COLORTERM="truecolor", TEXTUAL_FPS="120")
        environment.pop("NO_COLOR", None)
        self._process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self.tail = b""

    def read(self, timeout: float) -> bool:
        """Take what is there; False at the end of the program."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, timeout))
        if not ready:
            return True
        try:
            data = os.read(self._master, 65_536)
        except OSError:
            return False
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

    def press(self, key: bytes) -> None:
        """Type."""
        self.tail = b""
        os.write(self._master, key)

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


def measure(
    widget: str, *, rows: str = "all", rate: float = 10.0, ticks: int = 0, seconds: float, keys: bool = False
) -> Run:
    """Run one child in a pty.

    Args:
        widget: ``grid`` or ``table``.
        rows: ``all`` or ``12`` rows change in each frame.
        rate: Frames per second; 0 for none.
        ticks: Further packets per second, out of sight.
        seconds: How long it is measured.
        keys: Whether keys are pressed meanwhile.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "tests.benchmarks.chain_child", "--widget", widget, "--rows", rows]
        command += ["--rate", str(rate), "--ticks", str(ticks), "--seconds", str(seconds), "--out", str(out)]
        terminal = Terminal(command)
        try:
            if terminal.wait_for(b"K=000000", _START_S) is None:
                raise RuntimeError(f"no first paint of {widget}: {terminal.tail[-2000:]!r}")
            terminal.drain(1.6)
            latencies = _press_keys(terminal, seconds - 0.4) if keys else []
            end = time.perf_counter() + seconds + _STOP_S
            while not out.exists() and time.perf_counter() < end and terminal.drain(0.1):
                pass
        finally:
            terminal.close()
        figures = json.loads(out.read_text(encoding="utf-8"))
    return Run(
        cpu=figures["cpu"],
        repaint_ms=figures["handler_ms"] + figures["paint_ms"],
        characters=figures["characters"],
        frames=figures["frames"] / figures["wall"],
        keys_ms=tuple(sorted(latencies)),
        rss_mb=figures["rss_mb"],
    )


def _press_keys(terminal: Terminal, seconds: float) -> list[float]:
    """Milliseconds from each key to the first byte of what it caused; keys come at random phases of the frames."""
    pause, latencies = random.Random(3), []
    end = time.perf_counter() + seconds
    for number in range(1, 10_000):
        if time.perf_counter() > end or not terminal.drain(pause.uniform(0.03, 0.13)):
            break
        start = time.perf_counter()
        terminal.press(b"j")
        seen = terminal.wait_for(b"K=%06d" % number, _KEY_S)
        if seen is None:
            break
        latencies.append(1e3 * (seen - start))
    return latencies


def run() -> list[Result]:
    """Measure grid and table, about 50 seconds in all."""
    full = measure("grid", ticks=20_000, seconds=4.0)
    few = measure("grid", rows="12", seconds=3.0)
    slow = measure("grid", rate=4.0, seconds=3.0)
    busy = measure("grid", ticks=20_000, seconds=4.0, keys=True)
    idle = measure("grid", rate=0.0, seconds=3.0, keys=True)
    table = measure("table", ticks=20_000, seconds=4.0)
    table_few = measure("table", rows="12", seconds=3.0)
    table_busy = measure("table", ticks=20_000, seconds=5.0, keys=True)
    middle = statistics.median
    return [
        compare("full repaint, CPU", full.repaint_ms, "ms", PEER, table.repaint_ms, "<= 8 ms"),
        compare("12 changed rows, CPU", few.repaint_ms, "ms", PEER, table_few.repaint_ms, "<= 2 ms"),
        compare("full chain at 10 Hz and 20,000 ticks/s, CPU", full.cpu, "% of a core", PEER, table.cpu, "<= 15 %"),
        Result("full chain at 4 Hz, CPU", slow.cpu, "% of a core", target="<= 6 %"),
        Result("frames painted of 10 asked for", full.frames, "Hz", PEER, table.frames, full.frames / table.frames),
        compare("written per full repaint", full.characters / 1e3, "kB", PEER, table.characters / 1e3, "<= 50 kB"),
        Result("key to first byte, idle, median", middle(idle.keys_ms), "ms", target="<= 5 ms"),
        Result("key to first byte, idle, p95", idle.key(0.95), "ms", target="<= 25 ms"),
        compare(
            "key to first byte, busy, median", middle(busy.keys_ms), "ms", PEER, middle(table_busy.keys_ms), "<= 5 ms"
        ),
        compare("key to first byte, busy, p95", busy.key(0.95), "ms", PEER, table_busy.key(0.95), "<= 25 ms"),
        compare("resident memory", full.rss_mb, "MB", PEER, table.rss_mb),
    ]
