"""The subscriptions pane: accounts, sockets and rules; desired, subscribed and ticking side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message

from tickertui.services.state import (
    AccountState,
    AccountStatus,
    ConnectionStatus,
    ReloadResult,
    RuleStatus,
    RuntimeState,
    StreamState,
    Unplaced,
)
from tickertui.tui import format as fmt
from tickertui.tui.actions import NO_KEYS, Context, bindings_of, hint, key_name
from tickertui.tui.widgets.list_pane import ListPane
from tickertui.tui.widgets.row_list import Row, RowList, Span, heading, row, wrapped

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
_WORDS = {AccountState.ELSEWHERE: "elsewhere"}
"""Shorter words where the state's own does not fit its column."""
_TITLE = " account  state         used/capacity load       room ticking  quiet never token "


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

    def show(
        self, runtime: RuntimeState, rules: tuple[RuleStatus, ...], now: datetime, keys: Mapping[str, str] = NO_KEYS
    ) -> None:
        """Show the picture of this moment."""
        self.row_list.set_rows(list(subscription_rows(runtime, rules, now, keys)))

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
    runtime: RuntimeState, rules: tuple[RuleStatus, ...], now: datetime, keys: Mapping[str, str] = NO_KEYS
) -> Iterator[Row]:
    """Build the pane's rows; the table's columns take 79 cells.

    Args:
        runtime: State of the loop.
        rules: Chain rules.
        now: Aware datetime, for token times.
        keys: The user's own keys by action id.
    """
    room = sum(account.room for account in runtime.accounts)
    yield heading(
        f" Subscriptions · revision {runtime.revision} · {runtime.instruments:,} instruments"
        + (f" · room for {room:,}" if runtime.accounts else "")
    )
    yield from account_rows(runtime, now)
    yield from _sum_rows(runtime, keys)
    yield from _rule_rows(rules, keys)
    yield from _unplaced_rows("Unassigned: no room, or the pinned account is away", "unassigned", runtime.unassigned)
    yield from _unplaced_rows("Unresolved: kept, but not in today's instruments", "unresolved", runtime.unresolved)


def account_rows(runtime: RuntimeState, now: datetime) -> Iterator[Row]:
    """Build the table of accounts and their sockets."""
    if not runtime.accounts:
        yield row("", " No account is configured: everything here is the synthetic market.")
        way_in = "`tickertui config init` writes a file to put one in; then `tickertui login ID`."
        yield from wrapped(way_in, "quiet")
        return
    yield row("", Span(_TITLE, "quiet"))
    for account in runtime.accounts:
        yield _account_row(account, now)
        if account.detail:
            yield from wrapped(account.detail, _ACCOUNT_ROLE[account.state], indent=10)
        for connection in account.connections:
            yield _socket_row(connection)
            if connection.last_error and connection.state is not StreamState.OPEN:
                yield from wrapped(connection.last_error, _STREAM_MARK[connection.state][1], indent=10)


def _account_row(account: AccountStatus, now: datetime) -> Row:
    role = _ACCOUNT_ROLE[account.state]
    filled = min(_METER, round(_METER * account.desired / account.capacity)) if account.capacity else 0
    load = f"{account.desired:,}/{account.capacity:,}"
    silent = max(0, account.subscribed - account.ticking - account.never)
    expired = account.state is AccountState.AUTH_EXPIRED
    return row(
        f"account:{account.account_id}",
        Span(f" {fmt.clip(account.account_id, 8)}", "strong"),
        Span(fmt.clip(f" {_WORDS.get(account.state, account.state)}", 14), role),
        f"{load:>13} ", Span("▓" * filled, "bar"), Span("░" * (_METER - filled), "track"),
        f"{account.room:>7,}{account.ticking:>8,}{silent:>7,}",
        Span(f"{account.never:>6,}", "warn" if account.never else "text"),
        Span(f" {token_text(account, now)}", "error" if expired else "text"),
    )  # fmt: skip


def token_text(account: AccountStatus, now: datetime) -> str:
    """``→06:00`` for a token until its flush, ``! login`` when it was refused, a dash without one."""
    if account.state is AccountState.AUTH_EXPIRED:
        return "!login"
    if account.token_expires is None:
        return fmt.MISSING
    return "dead?" if account.token_expires <= now else f"→{account.token_expires:%H:%M}"


def _socket_row(connection: ConnectionStatus) -> Row:
    """The socket's state, its instruments, the age of its last packet and its rate under the table's columns."""
    mark, role = _STREAM_MARK[connection.state]
    name = connection.label.rpartition("/")[2]
    state = f"{mark} {connection.state}"
    if connection.retry_in is not None:
        state += f" {connection.retry_in:.0f}s"
    silent = max(0, connection.subscribed - connection.ticking)
    age = "" if connection.data_age is None else fmt.short_age(connection.data_age)
    again = f"  {connection.epoch - 1}× again" if connection.epoch > 1 else ""
    return row(
        f"socket:{connection.connection}",
        f"   {name:<6}", Span(fmt.clip(f" {state}", 14), role),
        f"{connection.subscribed:>13,} {age:>8}{connection.ticks_per_second:>5,.0f}/s"
        f"{connection.ticking:>8,}{silent:>7,}", Span(again, "quiet"),
    )  # fmt: skip


def _sum_rows(runtime: RuntimeState, keys: Mapping[str, str]) -> Iterator[Row]:
    desired = sum(account.desired for account in runtime.accounts)
    subscribed = sum(account.subscribed for account in runtime.accounts)
    ticking = sum(account.ticking for account in runtime.accounts)
    agrees = desired == subscribed
    if runtime.accounts:
        yield row(
            "", f" desired {desired:,} ", Span("=" if agrees else "≠", "ok" if agrees else "warn"),
            f" subscribed {subscribed:,}, ticking {ticking:,}",
        )  # fmt: skip
    if runtime.last_reload is not None:
        yield row("", *reload_spans(runtime.last_reload))
    if runtime.store_revision != runtime.revision:
        change = f" revision {runtime.store_revision} waits for a reload: {key_name('reload-plan', keys)} shows it"
        yield row("", Span(change, "warn"))


def reload_spans(last: ReloadResult) -> list[Span | str]:
    """One line about the last reload: when, what, how long or why not."""
    what = f" last reload {last.at:%H:%M:%S}  +{last.added} -{last.removed} ~{last.mode_changed + last.moved}"
    return [what, Span(f"  failed: {last.error}", "error") if last.error else f" in {last.seconds:.1f}s"]


def _rule_rows(rules: tuple[RuleStatus, ...], keys: Mapping[str, str]) -> Iterator[Row]:
    yield heading("")
    yield heading(" Rules")
    if not rules:
        yield row("", " No rule asks for a chain yet.", Span(f"  {hint(keys, ('new-rule', _FIRST_COST))}", "quiet"))
    for status in rules:
        centre = "" if status.centre is None else f"around {status.centre:,.0f}"
        expiries = " ".join(f"{expiry:%d%b}" for expiry in status.expiries)
        yield row(
            f"rule:{status.rule.rule_id}", f" {fmt.clip(status.rule.describe(), 34)}{status.legs:>6,} legs  ",
            Span(f"{centre:<15}{expiries}", "quiet"), Span(f"  {status.detail}" if status.detail else "", "warn"),
        )  # fmt: skip


_FIRST_COST = "subscribe one, its cost shown first"


def _unplaced_rows(title: str, kind: str, items: tuple[Unplaced, ...]) -> Iterator[Row]:
    if not items:
        return
    yield heading("")
    yield row("", Span(f" {title}: {len(items):,}", "warn"))
    for item in items[:200]:
        yield row(f"{kind}:{item.token}:{item.label}", f"   {fmt.clip(item.label, 28)} ", Span(item.reason, "quiet"))
    if len(items) > 200:
        yield row("", Span(f"   and {len(items) - 200:,} more", "warn"))


def subscription_panel(runtime: RuntimeState) -> Iterator[Row]:
    """Build the small panel under the chain: 38 cells at 120 columns."""
    if not runtime.accounts:
        yield row("", " no account: synthetic market")
        return
    yield row("", Span(" acct    used   room  tick quiet never", "quiet"))
    for account in runtime.accounts:
        silent = max(0, account.subscribed - account.ticking - account.never)
        role = "strong" if account.state in (AccountState.LIVE, AccountState.READY) else _ACCOUNT_ROLE[account.state]
        yield row(
            f"account:{account.account_id}", Span(f" {fmt.clip(account.account_id, 4)}", role),
            f"{account.desired:>8,}{account.room:>7,}{account.ticking:>6,}{silent:>6,}",
            Span(f"{account.never:>6,}", "warn" if account.never else "text"),
        )  # fmt: skip
        if account.state not in (AccountState.LIVE, AccountState.READY):
            yield row("", Span(f"   {account.state}", _ACCOUNT_ROLE[account.state]))
        yield from _socket_pairs(account)
    desired = sum(account.desired for account in runtime.accounts)
    subscribed = sum(account.subscribed for account in runtime.accounts)
    sign = Span("=", "ok") if desired == subscribed else Span("≠", "warn")
    yield row("", f" desired {desired:,} ", sign, f" subscribed {subscribed:,}")
    if runtime.last_reload is not None:
        last = runtime.last_reload
        outcome = Span(" failed", "error") if last.error else f" {last.seconds:.1f}s"
        yield row("", Span(f" reload {last.at:%H:%M:%S} +{last.added} -{last.removed}", "quiet"), outcome)


def _socket_pairs(account: AccountStatus) -> Iterator[Row]:
    """Two sockets a line: ``s1 1,000 ●0.4s``."""
    carrying = [socket for socket in account.connections if socket.state is not StreamState.IDLE]
    for first in range(0, len(carrying), 2):
        spans: list[Span | str] = [" "]
        for socket in carrying[first : first + 2]:
            mark, role = _STREAM_MARK[socket.state]
            name = socket.label.rpartition("/")[2]
            age = fmt.short_age(socket.data_age)
            spans += [f" {name} {socket.subscribed:>5,} ", Span(mark, role), f"{age:<5}"]
        yield row("", *spans)
