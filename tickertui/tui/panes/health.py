"""The health pane: what needs attention, background tasks, sockets, and the figures of the program itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from tickertui.frozen import frozen
from tickertui.services.accounts.status import AccountState
from tickertui.services.loop.status import LoopState, RuntimeState
from tickertui.services.supervision.status import TaskInfo, TaskState
from tickertui.tui.look import format as fmt
from tickertui.tui.panes.subscriptions import account_rows
from tickertui.tui.view.backend import HealthFigures
from tickertui.tui.view.data_states import NO_SOCKET_HEALTH, SocketHealth
from tickertui.tui.view.latency import LatencyMeter
from tickertui.tui.view.problems import SKEW_S, Loudness, Problem
from tickertui.tui.widgets.list_pane import ListPane
from tickertui.tui.widgets.row_list import Row, Span, heading, row, wrapped

_TASK_ROLE = {
    TaskState.RUNNING: "ok",
    TaskState.RESTARTING: "warn",
    TaskState.DONE: "quiet",
    TaskState.CANCELLED: "quiet",
    TaskState.FAILED: "error",
}
_LONG_QUEUE: Final = 20
"""Frames: the broker sends about one a second and socket, so that many are a loop that is far behind."""


@frozen
class HealthView:
    """What the pane and its panel show.

    Attributes:
        runtime: State of the loop.
        tasks: Background tasks.
        figures: Of the program itself.
        latency: Ticks to the screen.
        now: Aware datetime.
        problems: What needs attention, worst first.
        socket_health: Health of the sockets.
    """

    runtime: RuntimeState
    tasks: tuple[TaskInfo, ...]
    figures: HealthFigures
    latency: LatencyMeter
    now: datetime
    problems: tuple[Problem, ...] = ()
    socket_health: SocketHealth = NO_SOCKET_HEALTH


class HealthPane(ListPane):
    """What the program itself is doing."""

    def show(self, view: HealthView) -> None:
        """Show the picture of this moment."""
        self.row_list.set_rows(list(health_rows(view, max(self.size.width, 40))))


def health_rows(view: HealthView, width: int = 80) -> Iterator[Row]:
    """Build the pane's rows: what needs attention, figures of the program, tasks, sockets."""
    yield from problem_rows(view.problems, width)
    yield from _figure_rows(view, width)
    yield heading("")
    yield heading(" Task                          state        restarts  last activity")
    for task in view.tasks:
        yield _task_row(task, view.now)
        if task.last_error:
            at = f"{task.last_error_at:%H:%M:%S} " if task.last_error_at else ""
            role = "warn" if task.state is TaskState.RUNNING else "error"
            yield from wrapped(f"{at}{task.last_error}", role, indent=5, width=width - 1)
    yield heading("")
    yield heading(" Sockets")
    yield from account_rows(view.runtime, view.now, view.socket_health)


_LOUDNESS_MARKS = {Loudness.ERROR: " !!", Loudness.WARN: " ! ", Loudness.QUIET: " · "}


def problem_rows(problems: Sequence[Problem], width: int) -> Iterator[Row]:
    """Build what needs attention: what it is, why, and which key helps."""
    loud = sum(problem.role is not Loudness.QUIET for problem in problems)
    if loud:
        yield heading(f" Health: {loud} need{'s' if loud == 1 else ''} attention")
    else:
        yield row("", Span(" Health: ", "title"), Span("everything is in order", "ok"))
    for problem in problems:
        mark = _LOUDNESS_MARKS[problem.role]
        yield row(f"problem:{problem.name}", Span(f"{mark} {problem.what}", problem.role))
        if problem.why:
            yield from wrapped(problem.why, "text", indent=4, width=width - 1)
        yield from wrapped(f"→ {problem.remedy}", "quiet", indent=4, width=width - 1)
    if problems:
        yield heading("")


def _figure_rows(view: HealthView, width: int) -> Iterator[Row]:
    runtime, figures, latency = view.runtime, view.figures, view.latency
    yield _facts(
        ("loop", f"{runtime.state}, feed {runtime.feed}", "text" if runtime.state is not LoopState.FAILED else "error"),
        ("ticks", f"{runtime.ticks_per_second:,.0f}/s", "text"),
        ("dropped", _refused(figures), "warn" if figures.dropped or figures.ahead else "text"),
    )
    p50, p99 = (_number(latency.percentile_ms(percent), " ms") for percent in (50, 99))
    yield _facts(
        ("tick→screen", f"p50 {p50}  p99 {p99}", "text"),
        ("queue", f"{figures.queued:,} frames", "warn" if figures.queued > _LONG_QUEUE else "text"),
        ("loop late", _number(figures.loop_delay_ms, " ms", 1), "text"),
    )
    skewed = figures.clock_skew_s is not None and abs(figures.clock_skew_s) > SKEW_S
    yield _facts(
        ("clock skew", _number(figures.clock_skew_s, " s", 2, sign=True), "warn" if skewed else "text"),
        ("cpu", _number(figures.cpu_percent, "%"), "text"),
        ("memory", _number(figures.memory_mb, " MB"), "text"),
    )
    if figures.database_fault is None:
        answers = f"ok, answers in {_number(figures.database_ms, ' ms', 1)}"
        yield _facts(("database", answers, "ok"), ("Greeks", _greeks(figures), "text"))
    else:
        yield _facts(("Greeks", _greeks(figures), "text"))
        yield from wrapped(f"database    {figures.database_fault}", "error", width=width - 1)
    if runtime.detail:
        yield from wrapped(runtime.detail, "warn", width=width - 1)


def _refused(figures: HealthFigures) -> str:
    """``12, stamped ahead 1``: the second figure only when there is one."""
    return f"{figures.dropped:,}" + (f", stamped ahead {figures.ahead:,}" if figures.ahead else "")


def _greeks(figures: HealthFigures) -> str:
    if figures.greeks_ms is None:
        return fmt.MISSING  # nothing was valued yet
    return f"{figures.greeks_ms:.1f} ms for {figures.greeks_rows:,} legs"


def health_panel(view: HealthView) -> Iterator[Row]:
    """Build the upper half of the panel that health and events share: 64 cells at 200 columns."""
    figures = view.figures
    yield row("", *_feed_spans(view))
    yield row(
        "", f" {view.runtime.ticks_per_second:,.0f} t/s  queue {figures.queued:,}  drop {figures.dropped:,}  "
        f"{f'ahead {figures.ahead:,}  ' if figures.ahead else ''}"
        f"skew {_number(figures.clock_skew_s, 's', 2, sign=True)}  cpu {_number(figures.cpu_percent, '%')}  "
        f"rss {_number(figures.memory_mb, '')}",
    )  # fmt: skip
    is_there = figures.database_fault is None
    yield row(
        "", " DB ", Span("●" if is_there else "AWAY", "ok" if is_there else "error"),
        f" {_number(figures.database_ms, ' ms', 1)}   greeks {_greeks(figures)}   loop late "
        f"{_number(figures.loop_delay_ms, ' ms')}",
    )  # fmt: skip
    loud = [problem for problem in view.problems if problem.role is not Loudness.QUIET]
    if not loud:
        yield row("", Span(" everything is in order", "quiet"))
    for problem in loud[:2]:
        mark = "!!" if problem.role is Loudness.ERROR else "! "
        yield row("", Span(f" {mark} {problem.what} → {problem.remedy}", problem.role))
    yield row("")


def _feed_spans(view: HealthView) -> list[Span | str]:
    """``feed Z1 ● hb 0.9s  Z2 ● hb 1.1s  tick→screen p50 38  p99 121 ms``."""
    sick = {problem.account for problem in view.socket_health.problems}
    spans: list[Span | str] = [" feed"]
    for account in view.runtime.accounts:
        ages = [socket.frame_age for socket in account.connections if socket.frame_age is not None]
        is_live = account.state is AccountState.LIVE and account.account_id not in sick
        spans += [f" {account.account_id} ", Span("●" if is_live else "!", "ok" if is_live else "warn")]
        spans.append(f" hb {fmt.short_age(max(ages, default=None))} ")
    if not view.runtime.accounts:
        spans.append(f" {view.runtime.feed} ")
    p50, p99 = (_number(view.latency.percentile_ms(percent), "") for percent in (50, 99))
    return [*spans, f" tick→screen p50 {p50}  p99 {p99} ms"]


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
