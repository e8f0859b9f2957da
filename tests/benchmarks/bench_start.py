"""Process start to the first painted demo chain in a real terminal, next to an empty Textual application.

Run it without ``PYTHONDONTWRITEBYTECODE``, or every start compiles the program anew.
"""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.harness import Result
from tests.support.terminals import Terminal, in_terminal

_RUNS = 7
_EMPTY = (
    "from textual.app import App\nfrom textual.widgets import Static\n"
    "class Empty(App):\n    def compose(self):\n        yield Static('first paint')\nEmpty().run()\n"
)


@dataclass(frozen=True)
class Start:
    """One start: seconds from exec to what was waited for, on the wall and of the processor."""

    wall: float
    processor: float


def _started_in_terminal(
    arguments: Sequence[str],
    is_there: Callable[[Terminal], bool],
    *,
    module: str = "tickertui",
    size: tuple[int, int] = (120, 40),
    then: str = "",
    answer: str = "",
) -> Start:
    """Start a program and wait for a text; with ``then`` press a key once it is there, and wait for its answer."""
    with tempfile.TemporaryDirectory() as home:
        environ = {**os.environ, "TICKERTUI_HOME": home}
        began = time.perf_counter()
        with in_terminal(arguments, environ, columns=size[0], lines=size[1], program=module) as terminal:
            terminal.until(lambda: is_there(terminal), "the first paint")
            if then:
                terminal.type(then)
                terminal.until_painted(answer)
            wall = time.perf_counter() - began
            return Start(wall, _processor_seconds(terminal.process.pid))


def _processor_seconds(pid: int) -> float:
    """Return the processor time of a process's threads so far, NaN where the system does not tell."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
    except OSError:
        return math.nan


def _ended(arguments: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def _has_chain(terminal: Terminal) -> bool:
    """Whether the line at the money has been painted, with its price."""
    return "▶" in terminal.text and "~24," in terminal.text


def run() -> list[Result]:
    """Measure medians over several starts, ours and the empty application in turns."""
    chains: list[Start] = []
    empties: list[Start] = []
    larges: list[Start] = []
    keys: list[Start] = []
    for _ in range(_RUNS):
        chains.append(_started_in_terminal(["--demo"], _has_chain))
        empties.append(_started_in_terminal(["-c", _EMPTY], lambda terminal: "first paint" in terminal.text, module=""))
        larges.append(_started_in_terminal(["--demo"], _has_chain, size=(200, 50)))
        keys.append(_started_in_terminal(["--demo"], _has_chain, then="p", answer="PAUSED"))
    version = statistics.median(_ended(["-m", "tickertui", "--version"]) for _ in range(_RUNS))
    bare = statistics.median(_ended(["-c", "pass"]) for _ in range(_RUNS))
    return [
        *_rows("start to the first painted demo chain", chains, empties, "< 0.6 s"),
        *_rows("the same at 200x50", larges, empties),
        *_rows("start to the first key answered", keys, empties),
        Result("tickertui --version", version, "s", "python -c pass", bare, bare / version),
    ]


def _rows(name: str, ours: Sequence[Start], empties: Sequence[Start], target: str = "") -> list[Result]:
    peer = "empty Textual app"
    pairs = (
        (name, [one.wall for one in ours], [one.wall for one in empties], target),
        (f"{name}: processor", [one.processor for one in ours], [one.processor for one in empties], ""),
    )
    rows = []
    for label, mine, theirs, aim in pairs:
        for which, of in (("", statistics.median), (", best", min)):
            value, other = of(mine), of(theirs)
            rows.append(Result(f"{label}{which}", value, "s", peer, other, other / value, aim if not which else ""))
    return rows
