"""The bootstrap pane: how much of the history is there, what is still asked for, and what failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import nan
from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message

from tickertui.services.state import BootstrapGroup, BootstrapProgress, BootstrapState, DayCoverage
from tickertui.tui.actions import NO_KEYS, Context, bindings_of, hint
from tickertui.tui.format import duration as format_duration
from tickertui.tui.widgets.list_pane import ListPane
from tickertui.tui.widgets.row_list import Row, RowList, Span, heading, row, wrapped

_PANEL_BAR = 10
"""Cells of a bar in the small panel."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_STATE_ROLE = {
    BootstrapState.IDLE: "quiet",
    BootstrapState.PLANNING: "text",
    BootstrapState.RUNNING: "ok",
    BootstrapState.PAUSED: "warn",
    BootstrapState.DONE: "ok",
}


class BootstrapPane(ListPane):
    """Progress by underlying and expiry."""

    CONTEXTS: ClassVar[tuple[Context, ...]] = (Context.BOOTSTRAP, Context.LIST)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.BOOTSTRAP)]

    @dataclass
    class Asked(Message):
        """The trader asked for something.

        Attributes:
            what: "retry" or "gaps".
            key: Key of the row under the cursor.
        """

        what: str
        key: str

    def show(self, progress: BootstrapProgress, keys: Mapping[str, str] = NO_KEYS) -> None:
        """Show the picture of this moment."""
        self.row_list.set_rows(list(bootstrap_rows(progress, keys)))

    def action_retry_failed(self) -> None:
        """Ask again for what failed."""
        self.post_message(self.Asked("retry", self.row_list.cursor_key))

    def action_gap_map(self) -> None:
        """Show covered and missing days."""
        self.post_message(self.Asked("gaps", self.row_list.cursor_key))

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """A click on the cursor shows the gap map."""
        message.stop()
        self.action_gap_map()


def bar(fraction: float, width: int) -> str:
    """A bar of ``width`` cells in eighths."""
    eighths = round(max(0.0, min(1.0, fraction)) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def duration(seconds: float | None) -> str:
    """Return a span of time, the dash when it cannot be told."""
    return format_duration(nan if seconds is None else seconds)


def bootstrap_rows(progress: BootstrapProgress, keys: Mapping[str, str] = NO_KEYS) -> Iterator[Row]:
    """Build the pane's rows.

    Args:
        progress: The backfill at a glance.
        keys: The user's own keys by action id.
    """
    yield row(
        "", Span(" Bootstrap · ", "title"), Span(f"{progress.state}", _STATE_ROLE[progress.state]),
        Span(f" {progress.fraction:.0%} · {progress.requests_left:,} requests left, "
             f"{duration(progress.seconds_left)}", "title"),
    )  # fmt: skip
    yield row("", f" {progress.rate:.1f} of {progress.rate_limit:.1f} requests/s   ", _limited(progress))
    if progress.detail:
        yield from wrapped(progress.detail, "warn")
    yield heading("")
    if not progress.groups:
        yield row("", Span(" Nothing to backfill: no instrument of the plan has a gap.", "quiet"))
    for group in progress.groups:
        yield _group_row(group, 36)
    yield row(
        "", Span(f" {progress.gaps_found:,} gaps found, {progress.gaps_filled:,} filled; "
                 f"{progress.candles_stored:,} candles stored", "quiet"),
    )  # fmt: skip
    yield from _failure_rows(progress, keys)
    yield from _coverage_rows(progress, keys)


def _limited(progress: BootstrapProgress) -> Span:
    return Span(f"429s: {progress.rate_limited}", "warn" if progress.rate_limited else "quiet")


def bootstrap_panel(progress: BootstrapProgress) -> Iterator[Row]:
    """Build the small panel under the chain: 38 cells at 120 columns."""
    yield row(
        "", " ", Span(f"{progress.state}", _STATE_ROLE[progress.state]),
        f" {progress.rate:.1f}/{progress.rate_limit:.1f} r/s  ", _limited(progress),
    )  # fmt: skip
    if progress.detail:
        yield row("", Span(f" {progress.detail}", "warn"))
    if not progress.groups:
        yield row("", Span(" nothing to backfill", "quiet"))
    groups = sorted(progress.groups, key=lambda group: group.done >= group.total)
    for group in groups[:6]:
        yield _group_row(group, _PANEL_BAR, label=14)
    if len(groups) > 6:
        yield row("", Span(f" and {len(groups) - 6} more", "quiet"))
    failed = sum(group.failed for group in progress.groups)
    yield row("", f" gaps {progress.gaps_found - progress.gaps_filled:,} ",
              Span(f" failed {failed}", "warn" if failed else "quiet"))  # fmt: skip


def _group_row(group: BootstrapGroup, width: int, label: int = 18) -> Row:
    fraction = group.done / group.total if group.total else 1.0
    failed = Span(f"  {group.failed} failed" if width > _PANEL_BAR else " !", "warn") if group.failed else ""
    return row(
        f"group:{group.label}", f" {group.label:<{label}} ", Span(bar(fraction, width), "bar"),
        f" {group.done:>{6 if width > _PANEL_BAR else 4},}/{group.total:,}", failed,
    )  # fmt: skip


def _failure_rows(progress: BootstrapProgress, keys: Mapping[str, str]) -> Iterator[Row]:
    if not progress.failures:
        return
    yield heading("")
    yield row(
        "",
        Span(f" Failed: {len(progress.failures)}", "warn"),
        Span(f"   {hint(keys, ('retry-failed', 'asks again'))}", "quiet"),
    )
    for failure in progress.failures[:50]:
        again = f", again at {failure.retry_at:%H:%M:%S}" if failure.retry_at else ""
        yield row(
            f"failure:{failure.token}", f"   {failure.label:<21}",
            Span(f"{failure.reason}, tried {failure.attempts}×{again}", "quiet"),
        )  # fmt: skip


def _coverage_rows(progress: BootstrapProgress, keys: Mapping[str, str]) -> Iterator[Row]:
    if not progress.coverage:
        return
    days = next(iter(progress.coverage.values()))
    yield heading("")
    yield heading(" Coverage".ljust(20) + " ".join(f"{day.day:%d}" for day in days) + f"  {days[-1].day:%b}")
    for label, group_days in progress.coverage.items():
        cells: list[Span | str] = [f" {label:<18} "]
        for day in group_days:
            cells += [coverage_span(day), " "]
        yield row(f"coverage:{label}", *cells)
    legend = f" █ complete  ▓ asked, candles missing  ░ not asked yet    {hint(keys, ('gap-map', 'gap map'))}"
    yield row("", Span(legend, "quiet"))


def coverage_span(day: DayCoverage) -> Span:
    """Two cells for one day."""
    if day.requested and day.stored >= day.expected:
        return Span("██", "bar")
    if day.requested:
        return Span("▓▓", "warn")
    return Span("░░", "track")
