"""The health pane: background tasks, sockets, and the figures of the program itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tickertui.services.state import RuntimeState, TaskInfo, TaskState
from tickertui.tui.backend import HealthFigures
from tickertui.tui.latency import LatencyMeter
from tickertui.tui.screens.subscriptions import subscription_rows
from tickertui.tui.widgets.list_pane import ListPane
from tickertui.tui.widgets.row_list import Row, Span, heading, row

_TASK_ROLE = {
    TaskState.RUNNING: "ok",
    TaskState.RESTARTING: "warn",
    TaskState.DONE: "quiet",
    TaskState.CANCELLED: "quiet",
    TaskState.FAILED: "error",
}


class HealthPane(ListPane):
    """What the program itself is doing."""

    def show(
        self,
        runtime: RuntimeState,
        tasks: tuple[TaskInfo, ...],
        figures: HealthFigures,
        latency: LatencyMeter,
        now: datetime,
    ) -> None:
        """Show the picture of this moment."""
        self.row_list.set_rows(list(health_rows(runtime, tasks, figures, latency, now)))


def health_rows(
    runtime: RuntimeState,
    tasks: tuple[TaskInfo, ...],
    figures: HealthFigures,
    latency: LatencyMeter,
    now: datetime,
) -> Iterator[Row]:
    """Build the pane's rows."""
    yield heading(" Program")
    yield row(
        "", f" loop {runtime.state}  feed {runtime.feed}  {runtime.ticks_per_second:,.0f} ticks/s  dropped ",
        Span(f"{figures.dropped:,}", "warn" if figures.dropped else "text"),
    )  # fmt: skip
    yield row(
        "", f" tick to screen p50 {_number(latency.percentile_ms(50), 'ms')} p99 "
        f"{_number(latency.percentile_ms(99), 'ms')}  loop delay {_number(figures.loop_delay_ms, 'ms', 1)}  "
        f"Greeks {_number(figures.greeks_ms, 'ms', 1)} for {figures.greeks_rows:,} legs",
    )  # fmt: skip
    skewed = figures.clock_skew_s is not None and abs(figures.clock_skew_s) > 2
    yield row(
        "", f" cpu {_number(figures.cpu_percent, '%')}  memory {_number(figures.memory_mb, ' MB')}  clock ",
        Span(_number(figures.clock_skew_s, "s", 2, sign=True), "warn" if skewed else "text"), "  database ",
        Span(figures.database, "ok" if figures.database == "ok" else "error"),
    )  # fmt: skip
    yield heading("")
    yield heading(" Task                          state        restarts  last activity")
    for task in tasks:
        yield _task_row(task, now)
        if task.last_error:
            at = f"{task.last_error_at:%H:%M:%S} " if task.last_error_at else ""
            yield row("", Span(f"     {at}{task.last_error}", "warn" if task.state is TaskState.RUNNING else "error"))
    yield heading("")
    yield heading(" Sockets")
    yield from subscription_rows(runtime, (), now, compact=True)


def _task_row(task: TaskInfo, now: datetime) -> Row:
    activity = "" if task.last_activity is None else _ago((now - task.last_activity).total_seconds())
    return row(
        f"task:{task.name}", f" {task.name:<30}", Span(f"{task.state:<12}", _TASK_ROLE[task.state]),
        Span(f"{task.restarts:>9}", "warn" if task.restarts else "quiet"), f"  {activity}",
    )  # fmt: skip


def _ago(seconds: float) -> str:
    if seconds < 1:
        return "now"
    if seconds < 60:
        return f"{seconds:.0f}s ago"
    return f"{seconds / 60:.0f}m ago" if seconds < 3600 else f"{seconds / 3600:.0f}h ago"


def _number(value: float | None, unit: str, digits: int = 0, *, sign: bool = False) -> str:
    if value is None:
        return "—"
    return f"{value:+,.{digits}f}{unit}" if sign else f"{value:,.{digits}f}{unit}"
