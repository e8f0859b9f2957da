"""The subscriptions pane: accounts, sockets and rules; desired, subscribed and ticking side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message

from tickertui.services.state import (
    AccountState,
    AccountStatus,
    ConnectionStatus,
    RuleStatus,
    RuntimeState,
    StreamState,
    Unplaced,
)
from tickertui.tui.actions import Context, bindings_of
from tickertui.tui.widgets.list_pane import ListPane
from tickertui.tui.widgets.row_list import Row, RowList, Span, heading, row

_ACCOUNT_ROLE = {
    AccountState.LIVE: "ok",
    AccountState.READY: "text",
    AccountState.STARTING: "quiet",
    AccountState.STOPPED: "quiet",
    AccountState.ELSEWHERE: "warn",
    AccountState.RECONNECTING: "warn",
    AccountState.RATE_LIMITED: "warn",
    AccountState.AUTH_EXPIRED: "error",
    AccountState.FAILED: "error",
}
_STREAM_MARK = {
    StreamState.OPEN: ("●", "ok"),
    StreamState.CONNECTING: ("◌", "quiet"),
    StreamState.IDLE: ("·", "quiet"),
    StreamState.CLOSED: ("·", "quiet"),
    StreamState.SILENT: ("◐", "warn"),
    StreamState.BACKOFF: ("◔", "warn"),
    StreamState.LIMITED: ("!", "warn"),
    StreamState.AUTH: ("!", "error"),
}
_METER = 8


class SubscriptionsPane(ListPane):
    """Accounts and rules as one list; keys that change something post an `Asked` to the main screen."""

    CONTEXTS: ClassVar[tuple[Context, ...]] = (Context.SUBSCRIPTIONS, Context.LIST)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.SUBSCRIPTIONS)]

    @dataclass
    class Asked(Message):
        """The trader asked for something about the row under the cursor.

        Attributes:
            what: "new", "drop", "rebuild", "move", "pin" or "legs".
            key: Key of the row: ``account:Z1``, ``socket:3``, ``rule:1``, ``unassigned:...``.
        """

        what: str
        key: str

    def show(self, runtime: RuntimeState, rules: tuple[RuleStatus, ...], now: datetime) -> None:
        """Show the picture of this moment."""
        self.row_list.set_rows(list(subscription_rows(runtime, rules, now)))

    def _ask(self, what: str) -> None:
        self.post_message(self.Asked(what, self.row_list.cursor_key))

    def action_new_rule(self) -> None:
        """Subscribe a chain."""
        self._ask("new")

    def action_drop_rule(self) -> None:
        """Drop the rule."""
        self._ask("drop")

    def action_rebuild(self) -> None:
        """Reconnect the account."""
        self._ask("rebuild")

    def action_move(self) -> None:
        """Move the account's legs."""
        self._ask("move")

    def action_pin_account(self) -> None:
        """Pin the rule."""
        self._ask("pin")

    def action_open_legs(self) -> None:
        """List the legs."""
        self._ask("legs")

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """A click on the cursor lists the legs."""
        message.stop()
        self._ask("legs")


def subscription_rows(
    runtime: RuntimeState, rules: tuple[RuleStatus, ...], now: datetime, *, compact: bool = False
) -> Iterator[Row]:
    """Build the pane's rows.

    Args:
        runtime: State of the loop.
        rules: Chain rules.
        now: Aware datetime, for token times.
        compact: The few lines of the small panel under the chain: accounts, sockets, sums.
    """
    if not compact:
        yield heading(" account  state             used/capacity        room  ticking  never  token")
    if not runtime.accounts:
        yield row("", " No account is configured: everything here is the synthetic market.")
        yield row("", Span(" `tickertui config init` writes a file to put one in; then `tickertui login ID`.", "quiet"))
    for account in runtime.accounts:
        yield _account_row(account, now, compact)
        if account.detail and not compact:
            yield row("", Span(f"          {account.detail}", _ACCOUNT_ROLE[account.state]))
        for connection in account.connections:
            if compact and connection.state is StreamState.IDLE:
                continue
            yield _socket_row(connection, compact)
    yield _sum_row(runtime)
    if compact:
        return
    yield from _rule_rows(rules)
    yield from _unplaced_rows("Unassigned: no room, or the pinned account is away", "unassigned", runtime.unassigned)
    yield from _unplaced_rows("Unresolved: kept, but not in today's instruments", "unresolved", runtime.unresolved)


def _account_row(account: AccountStatus, now: datetime, compact: bool) -> Row:
    role = _ACCOUNT_ROLE[account.state]
    key = f"account:{account.account_id}"
    load = f"{account.desired:,}/{account.capacity:,}"
    if compact:
        return row(
            key, Span(f" {account.account_id:<5}", "strong"), Span(f"{account.state:<13}", role), f" {load:>12}",
            f"  tick {account.ticking:,}", Span(f"  never {account.never:,}", "warn" if account.never else "quiet"),
        )  # fmt: skip
    filled = min(_METER, round(_METER * account.desired / account.capacity)) if account.capacity else 0
    return row(
        key, Span(f" {account.account_id:<8}", "strong"), Span(f"{account.state:<18}", role),
        f"{load:>12} ", Span("▓" * filled, "bar"), Span("░" * (_METER - filled), "track"),
        f"{account.room:>8,}{account.ticking:>9,}", Span(f"{account.never:>7,}", "warn" if account.never else "text"),
        f"  {token_text(account, now)}",
    )  # fmt: skip


def token_text(account: AccountStatus, now: datetime) -> str:
    """``→06:00`` for a token until its flush, ``!`` when it was refused, empty without one."""
    if account.state is AccountState.AUTH_EXPIRED:
        return "! login"
    if account.token_expires is None:
        return "—"
    return "expected dead" if account.token_expires <= now else f"→{account.token_expires:%H:%M}"


def _socket_row(connection: ConnectionStatus, compact: bool) -> Row:
    mark, role = _STREAM_MARK[connection.state]
    name = connection.label.rpartition("/")[2]
    key = f"socket:{connection.connection}"
    ages = "" if connection.data_age is None else f"{connection.data_age:>6.1f}s"
    state = "" if connection.state is StreamState.OPEN else f" {connection.state}"
    if connection.retry_in is not None:
        state += f", next try in {connection.retry_in:.0f}s"
    spans: list[Span | str] = [
        f"   {name:<4}{connection.subscribed:>6,} ", Span(mark, role), f"{ages:>8}",
        f"{connection.ticks_per_second:>8,.0f} t/s", Span(state, role),
    ]  # fmt: skip
    if not compact:
        spans.append(Span(f"  connected {connection.epoch}×", "quiet") if connection.epoch > 1 else "")
        if connection.last_error and connection.state is not StreamState.OPEN:
            spans.append(Span(f"  {connection.last_error}", role))
    return row(key, *spans)


def _sum_row(runtime: RuntimeState) -> Row:
    desired = sum(account.desired for account in runtime.accounts)
    subscribed = sum(account.subscribed for account in runtime.accounts)
    ticking = sum(account.ticking for account in runtime.accounts)
    agrees = desired == subscribed
    spans: list[Span | str] = [
        f" desired {desired:,} ", Span("=" if agrees else "≠", "ok" if agrees else "warn"),
        f" subscribed {subscribed:,}  ticking {ticking:,}",
    ]  # fmt: skip
    if runtime.last_reload is not None:
        last = runtime.last_reload
        what = f"+{last.added} -{last.removed} ~{last.mode_changed + last.moved}"
        outcome = Span(f" failed: {last.error}", "error") if last.error else Span(f" in {last.seconds:.1f}s", "quiet")
        spans += [Span(f"  reload {last.at:%H:%M:%S} {what}", "quiet"), outcome]
    if runtime.store_revision != runtime.revision:
        spans.append(Span("  changes wait for a reload (r)", "warn"))
    return row("", *spans)


def _rule_rows(rules: tuple[RuleStatus, ...]) -> Iterator[Row]:
    yield heading("")
    yield heading(" Rules")
    if not rules:
        yield row("", " No rule asks for a chain yet.", Span("  n  subscribe one, with its cost shown first", "quiet"))
    for status in rules:
        centre = "" if status.centre is None else f"  around {status.centre:,.0f}"
        expiries = " ".join(f"{expiry:%d%b}" for expiry in status.expiries)
        yield row(
            f"rule:{status.rule.rule_id}", f" {status.rule.describe():<44}", f"{status.legs:>6,} legs",
            Span(f"{centre}  {expiries}", "quiet"), Span(f"  {status.detail}" if status.detail else "", "warn"),
        )  # fmt: skip


def _unplaced_rows(title: str, kind: str, items: tuple[Unplaced, ...]) -> Iterator[Row]:
    if not items:
        return
    yield heading("")
    yield row("", Span(f" {title}: {len(items):,}", "warn"))
    for item in items[:200]:
        yield row(f"{kind}:{item.token}:{item.label}", f"   {item.label:<28}", Span(item.reason, "quiet"))
