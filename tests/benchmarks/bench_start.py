"""Process start to the first painted demo chain in a real terminal, next to an empty Textual application."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from tests.benchmarks.harness import Result
from tests.support.terminals import Terminal, in_terminal

_RUNS = 7
_EMPTY = (
    "from textual.app import App\nfrom textual.widgets import Static\n"
    "class Empty(App):\n    def compose(self):\n        yield Static('first paint')\nEmpty().run()\n"
)


def _painted(arguments: Sequence[str], is_there: Callable[[Terminal], bool], *, module: str = "tickertui") -> float:
    with tempfile.TemporaryDirectory() as home:
        environ = {**os.environ, "TICKERTUI_HOME": home}
        began = time.perf_counter()
        with in_terminal(arguments, environ, columns=120, lines=40, program=module) as terminal:
            terminal.until(lambda: is_there(terminal), "the first paint")
            return time.perf_counter() - began


def _started(arguments: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def run() -> list[Result]:
    """Measure medians over several starts, ours and the empty application in turns."""
    chains, empties = [], []
    for _ in range(_RUNS):
        chains.append(_painted(["--demo"], lambda terminal: "▶" in terminal.text and "~24," in terminal.text))
        empties.append(_painted(["-c", _EMPTY], lambda terminal: "first paint" in terminal.text, module=""))
    chain, empty = statistics.median(chains), statistics.median(empties)
    version = statistics.median(_started(["-m", "tickertui", "--version"]) for _ in range(_RUNS))
    bare = statistics.median(_started(["-c", "pass"]) for _ in range(_RUNS))
    return [
        Result(
            "start to the first painted demo chain", chain, "s", "empty Textual app", empty, empty / chain, "< 0.6 s"
        ),
        Result("best of the same", min(chains), "s", "empty Textual app", min(empties), min(empties) / min(chains)),
        Result("tickertui --version", version, "s", "python -c pass", bare, bare / version),
    ]
