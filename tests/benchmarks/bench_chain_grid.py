"""The chain on a real terminal of 200x50: CPU, bytes and key latency, next to the same content in a `DataTable`.

Both run in a pty of their own, one after the other, from the same board and the same frames (`chain_child`), and again
inside a tmux of their own, whose client has the pty. CPU is of the whole process (user and system) of one core; a
repaint counts reading the frame, handing it to the widgets and painting. A key is timed from the write into the pty to
the first read of what it caused, through tmux where there is one.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.harness import MissingPeer, Result, compare
from tests.benchmarks.ptys import Terminal, Tmux, in_tmux, tmux_missing

_START_S, _STOP_S, _KEY_S = 20.0, 10.0, 3.0
_WARM_S = 1.6
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
        synchronised: Whether the terminal takes updates whole (mode 2026).
        outer_bytes: What the outer terminal got per frame.
        server_cpu: Percent of a core that the tmux server used, 0 without one.
    """

    cpu: float
    repaint_ms: float
    characters: float
    frames: float
    keys_ms: tuple[float, ...]
    rss_mb: float
    synchronised: bool
    outer_bytes: float
    server_cpu: float

    def key(self, share: float) -> float:
        """Return a quantile of the key latencies, NaN without any."""
        return (
            self.keys_ms[min(int(len(self.keys_ms) * share), len(self.keys_ms) - 1)] if self.keys_ms else float("nan")
        )


def measure(
    widget: str,
    *,
    rows: str = "all",
    rate: float = 10.0,
    ticks: int = 0,
    seconds: float,
    keys: bool = False,
    tmux: Tmux | None = None,
) -> Run:
    """Run one child in a pty.

    Args:
        widget: ``grid`` or ``table``.
        rows: ``all`` or ``12`` rows change in each frame.
        rate: Frames per second; 0 for none.
        ticks: Further packets per second, out of sight.
        seconds: How long it is measured.
        keys: Whether keys are pressed meanwhile.
        tmux: The server to run it in, None for the pty itself.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "tests.benchmarks.chain_child", "--widget", widget, "--rows", rows]
        command += ["--rate", str(rate), "--ticks", str(ticks), "--seconds", str(seconds), "--out", str(out)]
        terminal = Terminal(tmux.command(command) if tmux else command)
        try:
            if terminal.wait_for(b"K=000000", _START_S) is None:
                raise RuntimeError(f"no first paint of {widget}: {terminal.tail[-2000:]!r}")
            terminal.drain(_WARM_S)
            server, taken, start = tmux.cpu_s() if tmux else 0.0, terminal.total, time.perf_counter()
            latencies = _press_keys(terminal, seconds - 1.2) if keys else []
            # The server is asked before the child, and with it the server, ends.
            terminal.drain(start + seconds - 1.0 - time.perf_counter())
            wall = time.perf_counter() - start
            server = max(tmux.cpu_s() - server, 0.0) if tmux else 0.0
            taken = terminal.total - taken
            end = time.perf_counter() + _STOP_S
            while not out.exists() and time.perf_counter() < end and terminal.drain(0.1):
                pass
        finally:
            terminal.close()
        figures = json.loads(out.read_text(encoding="utf-8"))
    frames = figures["frames"] / figures["wall"]
    return Run(
        cpu=figures["cpu"],
        repaint_ms=figures["handler_ms"] + figures["paint_ms"],
        characters=figures["characters"],
        frames=frames,
        keys_ms=tuple(sorted(latencies)),
        rss_mb=figures["rss_mb"],
        synchronised=figures["synchronised"],
        outer_bytes=taken / wall / frames if frames else 0.0,
        server_cpu=100 * server / wall,
    )


def _press_keys(terminal: Terminal, seconds: float) -> list[float]:
    """Milliseconds from each key to the first byte of what it caused; keys come at random phases of the frames."""
    pause, latencies = random.Random(3), []
    end = time.perf_counter() + seconds
    for number in range(1, 10_000):
        if time.perf_counter() > end or not terminal.drain(pause.uniform(0.03, 0.13)):
            break
        start = terminal.press(b"j")
        seen = terminal.wait_for(b"K=%06d" % number, _KEY_S)
        if seen is None:
            break
        latencies.append(1e3 * (seen - start))
    return latencies


def run() -> list[Result]:
    """Measure grid and table, about 90 seconds in all."""
    full = measure("grid", ticks=20_000, seconds=4.0)
    few = measure("grid", rows="12", seconds=3.0)
    slow = measure("grid", rate=4.0, seconds=3.0)
    busy = measure("grid", ticks=20_000, seconds=4.8, keys=True)
    idle = measure("grid", rate=0.0, seconds=4.0, keys=True)
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
        *_inside_tmux(),
    ]


def _inside_tmux() -> list[Result]:
    """The same inside tmux, or the reason why not."""
    missing = tmux_missing()
    if missing is not None:
        return [_skipped(missing)]
    with in_tmux() as tmux:
        full = measure("grid", ticks=20_000, seconds=4.0, tmux=tmux)
    with in_tmux() as tmux:
        busy = measure("grid", ticks=20_000, seconds=4.8, keys=True, tmux=tmux)
    with in_tmux() as tmux:
        idle = measure("grid", rate=0.0, seconds=4.0, keys=True, tmux=tmux)
    with in_tmux() as tmux:
        table = measure("table", ticks=20_000, seconds=5.0, keys=True, tmux=tmux)
    middle = statistics.median
    return [
        compare("in tmux: full repaint, CPU", full.repaint_ms, "ms", PEER, table.repaint_ms, "<= 8 ms"),
        compare("in tmux: CPU at 10 Hz and 20,000 ticks/s", full.cpu, "% of a core", PEER, table.cpu, "<= 15 %"),
        Result("in tmux: CPU of its server", full.server_cpu, "% of a core", PEER, table.server_cpu),
        Result("in tmux: frames painted of 10 asked for", full.frames, "Hz", PEER, table.frames),
        Result("in tmux: written to the outer terminal per frame", full.outer_bytes / 1e3, "kB",
               PEER, table.outer_bytes / 1e3, target="<= 50 kB"),
        Result("in tmux: updates taken whole (mode 2026)", float(full.synchronised), "yes = 1"),
        Result("in tmux: key to first byte, idle, median", middle(idle.keys_ms), "ms", target="<= 5 ms"),
        Result("in tmux: key to first byte, idle, p95", idle.key(0.95), "ms", target="<= 25 ms"),
        compare("in tmux: key to first byte, busy, median", middle(busy.keys_ms), "ms", PEER, middle(table.keys_ms),
                "<= 5 ms"),
        compare("in tmux: key to first byte, busy, p95", busy.key(0.95), "ms", PEER, table.key(0.95), "<= 25 ms"),
    ]  # fmt: skip


def _skipped(missing: MissingPeer) -> Result:
    return Result("in tmux", float("nan"), "", str(missing))
