"""The reload plan: what would be sent, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.binding import BindingType

from tickertui.services.plan.status import PlanLine, ReloadPlan, by_reason, some_of
from tickertui.tui.keys.actions import Context, bindings_of
from tickertui.tui.look import format as fmt
from tickertui.tui.panels.base import Hint, TextScreen
from tickertui.tui.view.waiting_time import duration
from tickertui.tui.widgets.row_list import Row, Span, row

_SIGN = {"add": ("+", "gain"), "remove": ("-", "loss"), "move": ("→", "warn"), "mode": ("~", "warn")}
_HISTORY_RATE = 3.0
"""Requests per second and key that the broker allows; the plan's estimate assumes one key."""


class ReloadPlanScreen(TextScreen[bool]):
    """Taking applies the plan; closing leaves the running one as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.TAKE)]

    def __init__(self, plan: ReloadPlan) -> None:
        hint: Hint = (("take", "apply"), ("copy-text", "copy"), ("close-panel", "cancel"))
        if plan.is_empty:
            hint = (("take", "closes: there is nothing to send"),)
        super().__init__(f"Reload plan · revision {plan.revision} · nothing sent yet", list(plan_rows(plan)), hint)
        self._plan = plan

    def action_take(self) -> None:
        """Close with yes, or just close when there is nothing to do."""
        self.dismiss(not self._plan.is_empty)


def plan_rows(plan: ReloadPlan) -> Iterator[Row]:
    """Build the lines of a plan."""
    if plan.is_empty:
        yield row("", " Nothing changes: what runs is what you asked for.")
    for number, line in enumerate(plan.lines):
        yield _line_row(number, line)
    for kind, items in (("no room: ", plan.unassigned), ("", plan.unresolved)):
        for reason, labels in by_reason(items):
            label = fmt.clip(some_of(labels), 34)
            yield row("", Span(f" !{len(labels):>5,}  {label}", "warn"), Span(f" {kind}{reason}", "quiet"))
    yield row("", f" = {plan.unchanged:,} unchanged, not touched, no gap in their ticks")
    if plan.load_after:
        loads = "   ".join(f"{account} {after:,}/{capacity:,}" for account, after, capacity in plan.load_after)
        yield row("", Span(f" after   {loads}", "quiet"))
    if plan.backfill_requests:
        wait = duration(plan.backfill_requests / _HISTORY_RATE)
        yield row("", Span(f" backfill {plan.backfill_requests:,} requests = {wait} with one key", "quiet"))
    if plan.merged_triggers > 1:
        yield row("", Span(f" {plan.merged_triggers} changes arrived together and are one plan", "quiet"))


def _line_row(number: int, line: PlanLine) -> Row:
    sign, role = _SIGN.get(line.action, ("·", "text"))
    return row(
        f"line:{number}", Span(f" {sign}{line.count:>5,}  ", role), f"{fmt.clip(line.label, 34)} ",
        Span(line.detail, "quiet"),
    )  # fmt: skip
