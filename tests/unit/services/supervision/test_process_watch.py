"""Figures of the process itself."""

from __future__ import annotations

import anyio
import numpy as np

from tests.support.waiting import wait_until
from tickertui.services.supervision.process_watch import ProcessWatch, resident_mb
from tickertui.tui.view.latency import LatencyMeter


async def test_figures_appear_after_two_samples() -> None:
    watch = ProcessWatch()
    assert watch.figures().cpu_percent is None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch.run)
        await wait_until(lambda: watch.figures().cpu_percent is not None, "a second sample")
        figures = watch.figures()
        assert figures.loop_delay_ms is not None
        assert 0 <= figures.loop_delay_ms < 60_000
        tasks.cancel_scope.cancel()


def test_memory_is_that_of_a_python_process() -> None:
    memory = resident_mb()
    assert memory is not None
    assert 5 < memory < 100_000


def test_latency_is_the_time_from_receipt_to_frame() -> None:
    meter = LatencyMeter(size=8)
    assert meter.percentile_ms(50) is None
    meter.add(np.array([0, 1_000_000, 3_000_000], dtype=np.int64), 5_000_000)
    assert meter.percentile_ms(0) == 2.0
    assert meter.percentile_ms(100) == 4.0
    meter.add(np.full(20, 1, dtype=np.int64), 1_000_001)
    assert meter.percentile_ms(50) == 1.0, "old delays are forgotten"
