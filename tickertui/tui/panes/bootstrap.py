"""The bootstrap pane: how much of the history is there, what is still asked for, and what failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from textual.binding import BindingType

from tickertui.services.history.status import BootstrapGroup, BootstrapProgress, BootstrapState, DayCoverage
from tickertui.services.plan.status import RuleStatus
from tickertui.tui.keys.actions import NO_KEYS, Context, bindings_of, hint
from tickertui.tui.look.breakpoints import WIDE_PANEL
from tickertui.tui.look.format import clip
from tickertui.tui.view.waiting_time import duration
from tickertui.tui.widgets.list_pane import ListPane
from tickertui.tui.widgets.row_list import Row, RowList, Span, heading, row, wrapped

_PANEL_BAR = 10
"""Cells of a bar in the small panel."""
_PANEL_DAYS = 7
_LONGEST_BAR = 100
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

    def show(
        self, progress: BootstrapProgress, rules: tuple[RuleStatus, ...] = (), keys: Mapping[str, str] = NO_KEYS
    ) -> None:
        """Show the picture of this moment."""
        self.row_list.set_rows(list(bootstrap_rows(progress, rules, keys, max(self.size.width, 40))))

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """A click on the cursor shows the gap map."""
        message.stop()
        self.action_request("gap-map")


def bar(fraction: float, width: int) -> str:
    """A bar of ``width`` cells in eighths."""
    eighths = round(max(0.0, min(1.0, fraction)) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def bootstrap_rows(
    progress: BootstrapProgress,
    rules: tuple[RuleStatus, ...] = (),
    keys: Mapping[str, str] = NO_KEYS,
    width: int = 80,
) -> Iterator[Row]:
    """Build the pane's rows.

    Args:
        progress: The backfill at a glance.
        rules: Chain rules: each is a bar of its own above those of its expiries.
        keys: The user's own keys by action id.
        width: Cells of a line.
    """
    yield row(
        "", Span(" Bootstrap · ", "title"), Span(f"{progress.state}", _STATE_ROLE[progress.state]),
        Span(f" {progress.fraction:.0%} · {progress.requests_left:,} requests left, "
             f"{duration(progress.seconds_left)}", "title"),
    )  # fmt: skip
    yield row("", f" {progress.rate:.1f} of {progress.rate_limit:.1f} requests/s   ", _limited(progress))
    if progress.detail:
        yield from wrapped(progress.detail, "warn", width=width - 1)
    yield heading("")
    if not progress.groups:
        yield row("", Span(" Nothing to backfill: no instrument of the plan has a gap.", "quiet"))
    # Label, counts and a failure take 44 cells.
    cells = max(12, min(_LONGEST_BAR, width - 44))
    for status, groups in by_rule(progress.groups, rules):
        if status is not None:
            yield _rule_row(status, groups, cells)
        indent = "   " if status is not None else " "
        for group in groups:
            yield _group_row(group, cells, label=20 - len(indent), indent=indent)
    yield row(
        "", Span(f" {progress.gaps_found:,} gaps found, {progress.gaps_filled:,} filled; "
                 f"{progress.candles_stored:,} candles stored", "quiet"),
    )  # fmt: skip
    if progress.own_until is not None:
        yield row(
            "", Span(f" {progress.own_candles:,} candles of this session's own ticks, to {progress.own_until:%H:%M}; "
                     "the broker's take their place", "quiet"),
        )  # fmt: skip
    yield from _failure_rows(progress, keys)
    yield from _coverage_rows(progress, keys)


def by_rule(
    groups: Sequence[BootstrapGroup], rules: tuple[RuleStatus, ...]
) -> list[tuple[RuleStatus | None, list[BootstrapGroup]]]:
    """Return the groups below the first rule that asks for them; what no rule asks for comes last, below none."""
    found: dict[int, list[BootstrapGroup]] = {status.rule.rule_id: [] for status in rules}
    others: list[BootstrapGroup] = []
    for group in groups:
        owner = next(
            (s for s in rules if s.rule.underlying == group.underlying and group.expiry in s.expiries), None
        )  # fmt: skip
        (others if owner is None else found[owner.rule.rule_id]).append(group)
    with_groups: list[tuple[RuleStatus | None, list[BootstrapGroup]]] = [
        (status, found[status.rule.rule_id]) for status in rules if found[status.rule.rule_id]
    ]
    return with_groups + ([(None, others)] if others else [])


def _limited(progress: BootstrapProgress) -> Span:
    return Span(f"429s: {progress.rate_limited}", "warn" if progress.rate_limited else "quiet")


def _rule_row(status: RuleStatus, groups: Sequence[BootstrapGroup], cells: int) -> Row:
    total, done = sum(group.total for group in groups), sum(group.done for group in groups)
    words = f"{status.rule.describe():<{cells + 21}}"
    return row(
        f"rule:{status.rule.rule_id}", Span(f" {words}", "strong"), Span(f"{done:>6,}/{total:,}", "strong"),
        Span(f"  {done / total if total else 1.0:.0%}", "quiet"),
    )  # fmt: skip


# ---------------------------------------------------------------------- the panel under the chain


def bootstrap_title(progress: BootstrapProgress) -> str:
    """Return the panel's title."""
    return f"3 Bootstrap · {progress.fraction:.0%} · {duration(progress.seconds_left)} left"


def bootstrap_panel(progress: BootstrapProgress, width: int = 38, keys: Mapping[str, str] = NO_KEYS) -> Iterator[Row]:
    """Build the small panel under the chain: 38 cells at 120 columns, 64 at 200."""
    yield row(
        "", " ", Span(f"{progress.state}", _STATE_ROLE[progress.state]),
        f" {progress.rate:.1f}/{progress.rate_limit:.1f} r/s  ", _limited(progress),
    )  # fmt: skip
    if progress.detail:
        yield row("", Span(f" {progress.detail}", "warn"))
    if not progress.groups:
        yield row("", Span(" nothing to backfill", "quiet"))
    groups = sorted(progress.groups, key=lambda group: group.done >= group.total)
    failed = sum(group.failed for group in progress.groups)
    summary = row(
        "", f" gaps {progress.gaps_found - progress.gaps_filled:,} ",
        Span(f" failed {failed}", "warn" if failed else "quiet"),
        Span(f"   {hint(keys, ('show-bootstrap', 'gap map, retry'))}" if failed else "", "quiet"),
    )  # fmt: skip
    if width >= WIDE_PANEL:
        yield from _group_pairs(groups[:4])
        yield from _panel_coverage(progress, [group.label for group in groups], 3)
        yield summary
        return
    for group in groups[:6]:
        yield _group_row(group, _PANEL_BAR, label=14)
    if len(groups) > 6:
        yield row("", Span(f" and {len(groups) - 6} more", "quiet"))
    yield summary


def _group_pairs(groups: Sequence[BootstrapGroup]) -> Iterator[Row]:
    """Two groups a line."""
    for first in range(0, len(groups), 2):
        spans: list[Span | str] = []
        for group in groups[first : first + 2]:
            fraction = group.done / group.total if group.total else 1.0
            spans += [
                f" {clip(group.label, 13)} ",
                Span(bar(fraction, 8), "bar"),
                f" {f'{group.done:,}/{group.total:,}':<7}",
            ]
            spans.append(Span("!" if group.failed else " ", "warn"))
        yield row("", *spans)


def _panel_coverage(progress: BootstrapProgress, labels: Sequence[str], count: int) -> Iterator[Row]:
    """Days of the groups that have most to do."""
    shown = [label for label in labels if label in progress.coverage][:count]
    if not shown:
        return
    days = progress.coverage[shown[0]]
    yield row("", Span(f" {'coverage':<14}" + "".join(f" {day.day:%d}" for day in days[-_PANEL_DAYS:]), "quiet"),
              Span("   · to come  ▓ gap", "quiet"))  # fmt: skip
    for label in shown:
        yield row("", f" {clip(label, 14)}", *_day_spans(progress.coverage[label][-_PANEL_DAYS:]))


def _day_spans(days: Sequence[DayCoverage]) -> list[Span | str]:
    spans: list[Span | str] = []
    for day in days:
        spans += [" ", *coverage_spans(day)]
    return spans


def _group_row(group: BootstrapGroup, width: int, label: int = 18, indent: str = " ") -> Row:
    fraction = group.done / group.total if group.total else 1.0
    failed = Span(f"  {group.failed} failed" if width > _PANEL_BAR else " !", "warn") if group.failed else ""
    return row(
        f"group:{group.label}", f"{indent}{clip(group.label, label)} ", Span(bar(fraction, width), "bar"),
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
    yield heading(" Coverage".ljust(19) + "".join(f" {day.day:%d}" for day in days) + f"  {days[-1].day:%b}")
    for label, group_days in progress.coverage.items():
        yield row(f"coverage:{label}", f" {clip(label, 18)}", *_day_spans(group_days))
    legend = f" █ there  ▓ asked, candles missing  · not asked yet    {hint(keys, ('gap-map', 'gap map'))}"
    yield row("", Span(legend, "quiet"))


def coverage_spans(day: DayCoverage) -> list[Span]:
    """Return two cells for one day: how much is there, and whether the rest was asked for or is still to come."""
    if day.stored >= day.expected:
        return [Span("██", "bar")] if day.requested or day.expected else [Span("··", "quiet")]
    # Quarters of the two cells; a day that lacks anything never looks full, and one with anything never empty. What
    # was asked for and is missing keeps a whole cell of its own.
    quarters = min(2 if day.requested else 3, max(1 if day.stored else 0, round(4 * day.stored / day.expected)))
    there = "█" * (quarters // 2) + "▌" * (quarters % 2)
    rest = "▓" if day.requested else "·"
    return [Span(there, "bar"), Span(rest * (2 - len(there)), "warn" if day.requested else "quiet")]
