"""What every benchmark module shares: the result row, timing, and peers that may be absent.

A benchmark module is ``tests/benchmarks/bench_<name>.py`` with ``def run() -> list[Result]``; ``python -m
tests.benchmarks`` finds it. Absolute figures depend on the machine; a ratio to a peer measured in the same run
does not, so a benchmark that can name a peer does.
"""

from __future__ import annotations

import gc
import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True, slots=True)
class Result:
    """One measured figure.

    Attributes:
        name: What was measured, in a few words.
        value: The figure.
        unit: Its unit ("ns/option", "ms", "MB", ...).
        peer: What it is compared with, or why that peer was left out; None when there is no peer.
        peer_value: The peer's figure in the same unit and the same run; None when there is none.
        ratio: How many times better than the peer; None when there is no peer figure.
        target: What it must reach, in words ("< 1 ms"), empty when it only informs.
    """

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    target: str = ""


@dataclass(frozen=True, slots=True)
class MissingPeer:
    """A peer that could not be imported, with the reason to print."""

    name: str
    reason: str

    def __str__(self) -> str:
        """Say which peer was skipped and why, as the table prints it."""
        return f"{self.name}: skipped, {self.reason}"


def import_peer(module: str) -> ModuleType | MissingPeer:
    """Import a benchmark-only peer; when it is not installed, say so instead of failing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        return MissingPeer(module, f"not importable here ({error}); `uv sync --group bench` installs it")


def best_of(fn: Callable[[], object], rounds: int = 5, inner: int = 1) -> float:
    """Return the fewest seconds that one call of ``fn`` took.

    The minimum over rounds is what the code needs when nothing disturbs it. Each round takes the smaller of the
    process's CPU time and the wall time: on a shared machine the wall time holds other people's work, while a
    call in several threads has more CPU time than wall time. One round before them warms caches and allocators.

    Args:
        fn: Called without arguments.
        rounds: Measured rounds.
        inner: Calls per round, so that a round is far above the clocks' resolution.
    """
    if rounds < 1 or inner < 1:
        raise ValueError(f"rounds and inner are at least 1, not {rounds} and {inner}")
    for _ in range(inner):
        fn()
    collecting = gc.isenabled()
    gc.disable()
    try:
        return min(_one_round(fn, inner) for _ in range(rounds)) / inner
    finally:
        if collecting:
            gc.enable()


def _one_round(fn: Callable[[], object], inner: int) -> float:
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(inner):
        fn()
    return min(time.perf_counter() - wall, time.process_time() - cpu)


def compare(
    name: str, value: float, unit: str, peer: str | MissingPeer, peer_value: float | None, target: str = ""
) -> Result:
    """Return a `Result` where smaller is better, with the ratio to its peer when there is one."""
    if isinstance(peer, MissingPeer) or peer_value is None:
        return Result(name, value, unit, str(peer), None, None, target)
    return Result(name, value, unit, peer, peer_value, peer_value / value, target)
