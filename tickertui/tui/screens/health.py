"""The health pane: background tasks, sockets, and the figures of the program itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tickertui.services.state import LoopState, RuntimeState, TaskInfo, TaskState
from tickertui.tui.backend import HealthFigures
from tickertui.tui.latency import LatencyMeter
from tickertui.tui.screens.subscriptions import account_rows
from tickertui.tui.widgets.list_pane import ListPane
from tickertui.tui.widgets.row_list import Row, Span, heading, row, wrapped

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
    """Build the pane's rows: figures of the program, tasks, sockets."""
    yield heading(" Health")
    yield _facts(
        ("loop", f"{runtime.state}, feed {runtime.feed}", "text" if runtime.state is not LoopState.FAILED else "error"),
        ("ticks", f"{runtime.ticks_per_second:,.0f}/s", "text"),
        ("dropped", f"{figures.dropped:,}", "warn" if figures.dropped else "text"),
    )
    p50, p99 = (_number(latency.percentile_ms(percent), " ms") for percent in (50, 99))
    yield _facts(
        ("tick→screen", f"p50 {p50}  p99 {p99}", "text"),
        ("loop late", _number(figures.loop_delay_ms, " ms", 1), "text"),
    )
    skewed = figures.clock_skew_s is not None and abs(figures.clock_skew_s) > 2
    yield _facts(
        ("clock skew", _number(figures.clock_skew_s, " s", 2, sign=True), "warn" if skewed else "text"),
        ("cpu", _number(figures.cpu_percent, "%"), "text"),
        ("memory", _number(figures.memory_mb, " MB"), "text"),
    )
    yield _facts(("Greeks", f"{_number(figures.greeks_ms, ' ms', 1)} for {figures.greeks_rows:,} legs", "text"))
    yield _facts(("database", figures.database, "ok" if figures.database == "ok" else "error"))
    if runtime.detail:
        yield from wrapped(runtime.detail, "warn")
    yield heading("")
    yield heading(" Task                          state        restarts  last activity")
    for task in tasks:
        yield _task_row(task, now)
        if task.last_error:
            at = f"{task.last_error_at:%H:%M:%S} " if task.last_error_at else ""
            yield row("", Span(f"     {at}{task.last_error}", "warn" if task.state is TaskState.RUNNING else "error"))
    yield heading("")
    yield heading(" Sockets")
    yield from account_rows(runtime, now)


_FACT_WIDTHS = (37, 20, 0)
"""Cells of the three columns of facts; the last one takes what is left."""


def _facts(*facts: tuple[str, str, str]) -> Row:
    """One line of (label, value, role), in columns."""
    spans: list[Span | str] = []
    for (label, value, role), width in zip(facts, _FACT_WIDTHS, strict=False):
        head = f" {label:<12}" if width == _FACT_WIDTHS[0] else f" {label} "
        spans += [Span(head, "quiet"), Span(value.ljust(width - len(head)), role)]
    return row("", *spans)


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
