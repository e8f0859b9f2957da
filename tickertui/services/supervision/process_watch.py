"""`ProcessWatch`: what the program itself costs: CPU, memory, and how late the event loop runs."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections import deque
from pathlib import Path
from typing import Final

import anyio

from tickertui.frozen import frozen

_STATM: Final = Path("/proc/self/statm")
_PERIOD_S: Final = 1.0
_KEPT: Final = 10


@frozen
class ProcessFigures:
    """Figures over the last seconds.

    Attributes:
        cpu_percent: Of one core; None before the second sample.
        memory_mb: Resident set; None where the platform does not tell.
        loop_delay_ms: Latest delay of a timer, at worst over the last ten seconds; None before the first.
    """

    cpu_percent: float | None = None
    memory_mb: float | None = None
    loop_delay_ms: float | None = None


class ProcessWatch:
    """Samples the process once a second while `run` runs."""

    def __init__(self) -> None:
        self._cpu: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        self._delays: deque[float] = deque(maxlen=_KEPT)

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            self._cpu.append((anyio.current_time(), time.process_time()))
            due = anyio.current_time() + _PERIOD_S
            await anyio.sleep_until(due)
            self._delays.append(max(0.0, anyio.current_time() - due))

    def figures(self) -> ProcessFigures:
        """Return the figures of this moment."""
        cpu = None
        if len(self._cpu) > 1:
            (start, used_before), (end, used_after) = self._cpu[0], self._cpu[-1]
            cpu = 100.0 * (used_after - used_before) / (end - start) if end > start else None
        delay = max(self._delays) * 1e3 if self._delays else None
        return ProcessFigures(cpu, resident_mb(), delay)


def resident_mb() -> float | None:
    """Return the resident memory of this process in MiB; its peak where only that is told."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except (OSError, IndexError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
