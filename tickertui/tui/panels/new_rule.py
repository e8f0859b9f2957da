"""Subscribe a chain: the rule in words, and what it costs in legs, sockets and backfill before it is added."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input, Static

from tickertui.market.subscriptions import ChainRule, RuleError, checked_underlying, parse_mode
from tickertui.market.ticks import Mode
from tickertui.services.plan.status import RuleCost
from tickertui.tui.keys.actions import Context, bindings_of, key_name
from tickertui.tui.panels.base import LineScreen, entry, keys_of
from tickertui.tui.view.backend import BackendRefused
from tickertui.tui.view.waiting_time import duration
from tickertui.tui.widgets.row_list import Row, RowList, Span, row

_MODES = ("ltp", "quote", "full")


class NewRuleScreen(LineScreen[ChainRule]):
    """One line such as ``NIFTY 2 40 full @Z1``; the cost follows as one types.

    Args:
        underlyings: Names that have options.
        suggestion: What the field starts with.
        what_if: Cost of a rule; raises `BackendRefused`.
        named: The underlying that a text names, None for none.
        explain: Whose a name is that several exchanges have.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.COMPLETION)]

    def __init__(
        self,
        underlyings: tuple[str, ...],
        suggestion: str,
        what_if: Callable[[ChainRule], Awaitable[RuleCost]],
        *,
        named: Callable[[str], str | None],
        explain: Callable[[str], str],
    ) -> None:
        super().__init__("Subscribe a chain", (("take", "add"), ("complete", "complete"), ("close-panel", "back")))
        self._underlyings = underlyings
        self._suggestion = suggestion
        self._what_if = what_if
        self._named = named
        self._explain = explain

    def content(self) -> ComposeResult:
        """The line, what it means, and its cost."""
        yield Static(
            "underlying, expiries (number or dates), strikes a side or all, mode, @id",
            classes="panel-text",
            markup=False,
        )
        yield entry(value=self._suggestion)
        yield RowList()

    def on_mount(self) -> None:
        """Take the keys and show the cost of the suggestion."""
        rows = self.query_one(RowList)
        self.fit_list(9, others=3)
        rows.can_focus = False
        self.query_one(Input).focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Tell the cost of what is typed so far."""
        message.stop()
        if message.value != message.input.value:
            return  # a newer one follows
        try:
            rule = self._parse(message.value)
        except RuleError as mistake:
            self.query_one(RowList).set_rows([row("", Span(f" {mistake}", "quiet"))])
            return
        self.run_worker(partial(self._show_cost, rule), exclusive=True)

    def _parse(self, text: str) -> ChainRule:
        return parse_rule(text, self._underlyings, named=self._named, complete=key_name("complete", keys_of(self)))

    async def _show_cost(self, rule: ChainRule) -> None:
        try:
            cost = await self._what_if(rule)
        except BackendRefused as refused:
            self.query_one(RowList).set_rows([row("", Span(f" {refused}", "error"))])
            return
        self.query_one(RowList).set_rows(list(cost_rows(rule, cost, self._explain(rule.underlying))))

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Close with the rule, unless it cannot be had: then the line stays, with what is wrong."""
        message.stop()
        try:
            rule = self._parse(message.value)
        except RuleError as mistake:
            self.show_error(str(mistake))
            return
        self.run_worker(partial(self._take, rule), exclusive=True)

    async def _take(self, rule: ChainRule) -> None:
        try:
            await self._what_if(rule)
        except BackendRefused as refused:
            self.show_error(str(refused))
            return
        self.dismiss(rule)

    def action_complete(self) -> None:
        """Complete the underlying."""
        line = self.query_one(Input)
        word, space, rest = line.value.partition(" ")
        match = next((name for name in self._underlyings if name.startswith(word.upper())), None)
        if match:
            line.value = f"{match}{space or ' '}{rest}"
            line.cursor_position = len(match) + 1


def parse_rule(
    text: str,
    underlyings: tuple[str, ...],
    *,
    named: Callable[[str], str | None] = lambda text: None,
    complete: str = "Tab",
) -> ChainRule:
    """Read ``NIFTY 2 40 full @Z1``; everything behind the underlying may be left out.

    Args:
        text: As typed.
        underlyings: Names that have options.
        named: The underlying that another way to write it names (``CDS:USDINR``), None for none.
        complete: The key that completes, for the sentence that proposes it.

    Raises:
        RuleError: With one sentence about the first word that does not fit.
    """
    words = text.split()
    if not words:
        raise RuleError("an underlying first, for instance NIFTY")
    underlying = checked_underlying(words[0])
    if underlyings and underlying not in underlyings and named(underlying) is None:
        near = next((name for name in underlyings if name.startswith(underlying)), None)
        raise RuleError(f"no options on {underlying} today" + (f"; {complete} makes it {near}" if near else ""))
    numbers: list[int] = []
    dates: list[date] = []
    strikes: int | None = 40
    mode, account = Mode.FULL, None
    for word in words[1:]:
        if word.startswith("@") and len(word) > 1:
            account = word[1:]
        elif word.lower() in _MODES:
            mode = parse_mode(word)
        elif word.lower() == "all":
            strikes = None
        elif word.isdecimal():
            numbers.append(int(word))
        else:
            dates.append(_date(word))
    if dates:
        numbers.insert(0, 1)
    count = numbers[0] if numbers else 1
    if len(numbers) > 1 and strikes is not None:
        strikes = numbers[1]
    return ChainRule(0, underlying, count, tuple(dates), strikes, mode, account)


def _date(word: str) -> date:
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise RuleError(f"{word!r} is neither a number, a date like 2026-12-01, a mode, all, nor @account") from None


def cost_rows(rule: ChainRule, cost: RuleCost, explanation: str = "") -> Iterator[Row]:
    """Build the lines that tell what a rule costs, and whose its name is where several exchanges have it."""
    yield row("", Span(f" {rule.describe()}", "strong"))
    if explanation:
        yield row("", Span(f" {explanation}", "quiet"))
    fits = Span("fits", "ok") if cost.fits else Span("does not fit", "error")
    yield row("", f" {cost.legs:,} legs, {cost.new_legs:,} of them new: ", fits)
    for account, new, after, capacity in cost.account_loads:
        yield row("", f"   {account}  +{new:,} → {after:,}/{capacity:,}")
    if cost.sockets:
        yield row("", f" {cost.sockets} more socket{'s' if cost.sockets > 1 else ''}")
    wait = duration(cost.backfill_seconds)
    yield row("", Span(f" backfill {cost.backfill_requests:,} requests, {wait}", "quiet"))
    if not cost.fits:
        yield row("", Span(" take fewer strikes, drop a rule, or add an account; what does not fit is listed", "quiet"))
