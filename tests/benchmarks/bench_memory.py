"""Resident memory: `tickertui headless` with 9,000 instruments live over the simulated broker, and the demo's screen.

Both are processes of their own, as a trader runs them. The target for 9,000 instruments is 200 MB.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.harness import Result
from tests.support.live_program import Broker, Headless, run_program
from tests.support.terminals import in_terminal
from tickertui.market.universe import load_universe

_WANTED = 9_000
_TICKING = 4_500
"""Far strikes of a calm market are silent for minutes: half of the instruments is the living part."""
_FRAMES = 30


def _resident_mb(pid: int) -> tuple[float, float]:
    """Return the resident memory of a process now and at its highest, in MB (10^6)."""
    text = Path(f"/proc/{pid}/status").read_text()
    figures = [
        int(match[1]) * 1024 / 1e6 for key in ("VmRSS", "VmHWM") if (match := re.search(rf"{key}:\s+(\d+)", text))
    ]
    return figures[0], figures[1]


def _environ(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    secrets = {"TICKERTUI_Z1_API_SECRET": "secret1", "TICKERTUI_Z2_API_SECRET": "secret2"}
    return {**kept, **secrets, "HOME": str(home), "TICKERTUI_HOME": str(home / "tickertui"), "PYTHONUTF8": "1"}


def _rules() -> str:
    """Every chain of the bundled universe, whole."""
    rules = [f'[[rules]]\nunderlying = "{name}"\nexpiries = 20\nstrikes = "all"\n' for name in load_universe().names]
    return "\n" + "".join(rules) + "[history]\nenabled = false\n"


def _is_live(record: Mapping[str, Any]) -> bool:
    if record["type"] != "status":
        return False
    accounts = record["accounts"]
    subscribed = sum(int(account["subscribed"]) for account in accounts)
    return subscribed >= _WANTED and sum(int(account["ticking"]) for account in accounts) >= _TICKING


def _live(home: Path) -> tuple[float, float, int]:
    """Resident memory of a headless program now and at most, and how many instruments it streams."""
    environ = _environ(home)
    broker = Broker(environ)
    try:
        config = home / "simulator.toml"
        config.write_text(broker.configuration() + _rules())
        for account in (1, 2):
            done = run_program(
                environ, "login", f"Z{account}", "--config", str(config), typed=broker.request_token(account)
            )
            if done.returncode:
                raise RuntimeError(done.stderr)
        program = Headless(environ, config)
        record = program.until(_is_live, f"{_WANTED} instruments are live")
        now, most = _resident_mb(program.process.pid)
        program.stop()
        return now, most, int(record["instruments"])
    finally:
        broker.stop()


def _screen(home: Path) -> float:
    """Resident memory of the demo on a large terminal, after some frames."""
    with in_terminal(["--demo"], _environ(home), columns=200, lines=50) as terminal:
        terminal.until_painted("▶")
        # Each of the clock's seconds repaints the first line.
        terminal.until(
            lambda: terminal.output.count("\x1b[?2026h") >= _FRAMES or len(terminal.output) > 300_000, "frames"
        )
        return _resident_mb(terminal.process.pid)[0]


def run() -> list[Result]:
    """Measure both."""
    if not Path("/proc/self/status").exists():
        return []
    with tempfile.TemporaryDirectory() as home:
        now, most, count = _live(Path(home))
    with tempfile.TemporaryDirectory() as home:
        screen = _screen(Path(home))
    return [
        Result(f"headless with {count:,} instruments live, resident", now, "MB", target="<= 200 MB"),
        Result("the same, highest since its start", most, "MB"),
        Result("the demo's screen at 200x50, resident", screen, "MB"),
    ]
