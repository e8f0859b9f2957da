"""How long a panel of the real program takes from the key to its first byte on a terminal of 200x50.

The program is ``tickertui --demo`` in a pty with its whole chain moving; each panel is opened several times, the first
time included, which is when its classes and style rules are met.
"""

from __future__ import annotations

import statistics
import sys

from tests.benchmarks.harness import Result
from tests.benchmarks.ptys import Terminal

_PANELS = (
    # what, keys before it, its key, what it has in its border and nothing else on the screen has
    ("r, plan of a reload", b"", b"r", b"nothing sent yet"),
    ("i, why this number", b"", b"i", b"token"),
    ("e, expiry", b"", b"e", b"Expiry of NIFTY"),
    ("C, columns", b"", b"C", b"Columns of a side"),
    ("?, keys", b"", b"?", b" Keys "),
    ("3 Enter, gap map", b"3", b"\r", b"Gap map"),
)
_TIMES = 6
_START_S, _WAIT_S, _SETTLE_S = 20.0, 10.0, 0.7
TARGET = "<= 100 ms"


def run() -> list[Result]:
    """Open every panel, about 60 seconds in all."""
    terminal = Terminal([sys.executable, "-m", "tickertui", "--demo"])
    try:
        if terminal.wait_for(b"CALL", _START_S) is None:
            raise RuntimeError(f"no first paint: {terminal.tail[-2000:]!r}")
        terminal.drain(3.0)
        rows = []
        for name, before, key, title in _PANELS:
            took = [_open(terminal, before, key, title) for _ in range(_TIMES)]
            rows.append(Result(f"{name}: first", took[0], "ms", target=TARGET))
            rows.append(Result(f"{name}: median of {_TIMES}", statistics.median(took), "ms", target=TARGET))
        return rows
    finally:
        terminal.close()


def _open(terminal: Terminal, before: bytes, key: bytes, title: bytes) -> float:
    """Milliseconds from a panel's key to the first byte with its title; it is closed again."""
    if before:
        terminal.press(before)
        terminal.drain(_SETTLE_S)
    start = terminal.press(key)
    seen = terminal.wait_for(title, _WAIT_S)
    if seen is None:
        raise RuntimeError(f"{key!r} opened no panel with {title!r}: {terminal.tail[-2000:]!r}")
    terminal.drain(_SETTLE_S)
    terminal.press(b"\x1b")
    terminal.drain(_SETTLE_S)
    if before:
        terminal.press(b"1")
        terminal.drain(_SETTLE_S)
    return 1e3 * (seen - start)
