"""The subscriptions pane: accounts, sockets and rules; desired, subscribed and ticking side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType

from tickertui.frozen import frozen
from tickertui.kite.stream_state import StreamState
from tickertui.services.accounts.status import AccountState, AccountStatus, ConnectionStatus
from tickertui.services.loop.status import FeedMode, RuntimeState
from tickertui.services.plan.status import ReloadResult, RuleStatus, Unplaced
from tickertui.tui.keys.actions import Context, bindings_of, hint, key_name
from tickertui.tui.look import format as fmt
from tickertui.tui.look.breakpoints import COST_BESIDE_WIDTH, WIDE_PANEL
from tickertui.tui.view.data_states import NO_SOCKET_HEALTH, Link, LinkProblem, SocketHealth
from tickertui.tui.view.plan_legs import NONE_NEVER, NeverTicked
from tickertui.tui.view.problems import socket_reason
from tickertui.tui.view.rule_costs import NO_COSTS, Costs
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
_TITLE = " acct   state          used/cap load       room  tick cached never   age token"


@frozen
class SubscriptionsView:
    """What the pane and its panel show.

    Attributes:
        runtime: State of the loop.
        rules: Chain rules.
        now: Aware datetime, for token times.
        keys: The user's own keys by action id.
        socket_health: Health of the sockets.
        costs: What the rules cost, and one more.
        never: Why instruments have never ticked.
        adjusted: Single subscriptions whose contract was adjusted, each with what it was.
    """

    runtime: RuntimeState
    rules: tuple[RuleStatus, ...]
    now: datetime
    keys: Mapping[str, str] = field(default_factory=dict)
    socket_health: SocketHealth = NO_SOCKET_HEALTH
    costs: Costs = NO_COSTS
    never: NeverTicked = NONE_NEVER
    adjusted: tuple[Unplaced, ...] = ()


class SubscriptionsPane(ListPane):
    """Accounts and rules as one list; keys that change something ask the main screen (`ListPane.ActionRequested`)."""

    CONTEXTS: ClassVar[tuple[Context, ...]] = (Context.SUBSCRIPTIONS, Context.LIST)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.SUBSCRIPTIONS)]

    def show(self, view: SubscriptionsView) -> None:
        """Show the picture of this moment."""
        self.row_list.set_rows(list(subscription_rows(view, max(self.size.width, 40))))

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """A click on the cursor lists the legs."""
        message.stop()
        self.action_request("open-legs")


def subscription_rows(view: SubscriptionsView, width: int = 80) -> Iterator[Row]:
    """Build the pane's rows; the table's columns take 79 cells."""
    runtime = view.runtime
    room = sum(account.room for account in runtime.accounts)
    yield heading(
        f" Subscriptions · revision {runtime.revision} · {runtime.instruments:,} instruments"
        + (f" · room for {room:,}" if runtime.accounts else "")
    )
    yield from account_rows(runtime, view.now, view.socket_health)
    yield from _sum_rows(view, width)
    yield from _rule_rows(view, width)
    yield from _unplaced_rows("Adjusted: the leg that you asked for is another one now", "adjusted", view.adjusted)
    yield from _unplaced_rows("Unassigned: no room, or the pinned account is away", "unassigned", runtime.unassigned)
    yield from _unplaced_rows("Unresolved: kept, but not in today's instruments", "unresolved", runtime.unresolved)


def account_rows(runtime: RuntimeState, now: datetime, socket_health: SocketHealth = NO_SOCKET_HEALTH) -> Iterator[Row]:
    """Build the table of accounts and their sockets."""
    if not runtime.accounts:
        yield row("", " No account is configured: everything here is the synthetic market.")
        way_in = "`tickertui config init` writes a file to put one in; then `tickertui login ID`."
        yield from wrapped(way_in, "quiet")
        return
    yield row("", Span(_TITLE, "quiet"))
    problems = {problem.status.connection: problem for problem in socket_health.problems}
    for account in runtime.accounts:
        yield _account_row(account, now)
        if account.detail:
            yield from wrapped(account.detail, _ACCOUNT_ROLE[account.state], indent=10)
        for connection in account.connections:
            problem = problems.get(connection.connection)
            yield _socket_row(connection, problem)
            if problem is not None and problem.link is not Link.AUTH:
                yield from wrapped(socket_reason(problem), "warn", indent=10)
            elif connection.last_error and connection.state is not StreamState.OPEN:
                yield from wrapped(connection.last_error, _STREAM_MARK[connection.state][1], indent=10)


def account_word(account: AccountStatus) -> str:
    """Return the state in one or two words; an account whose sockets are open and mute is not called live."""
    if _is_mute(account):
        return "connected"
    return _WORDS.get(account.state, str(account.state))


def _is_mute(account: AccountStatus) -> bool:
    """Whether the sockets of an account are open and nothing has come through any of them."""
    carrying = [socket for socket in account.connections if socket.desired or socket.subscribed]
    return account.state is AccountState.LIVE and bool(carrying) and all(socket.is_mute for socket in carrying)


def _cached(account: AccountStatus | ConnectionStatus) -> int:
    """Instruments of which only the broker's cached packet came, or nothing yet."""
    return max(0, account.subscribed - account.ticking - account.never)


def _oldest(account: AccountStatus) -> float | None:
    """Age of the last tick of the socket that has been silent longest."""
    ages = [socket.data_age for socket in account.connections if socket.desired or socket.subscribed]
    return max((age for age in ages if age is not None), default=None)


def _account_row(account: AccountStatus, now: datetime) -> Row:
    role = _ACCOUNT_ROLE[account.state]
    filled = min(_METER, round(_METER * account.desired / account.capacity)) if account.capacity else 0
    load = f"{account.desired:,}/{account.capacity:,}"
    expired = account.state is AccountState.AUTH_EXPIRED
    return row(
        f"account:{account.account_id}",
        Span(f" {fmt.clip(account.account_id, 6)}", "strong"),
        Span(fmt.clip(f" {account_word(account)}", 13), role),
        f"{load:>11} ", Span("▓" * filled, "bar"), Span("░" * (_METER - filled), "track"),
        f"{account.room:>7,}{account.ticking:>6,}{_cached(account):>7,}",
        Span(f"{account.never:>6,}", "warn" if account.never else "text"),
        f"{fmt.short_age(_oldest(account)):>6} ",
        Span(token_text(account, now), "error" if expired else "text"),
    )  # fmt: skip


def token_text(account: AccountStatus, now: datetime) -> str:
    """``→06:00`` for a token until its flush, ``!login`` when it was refused, a dash without one."""
    if account.state is AccountState.AUTH_EXPIRED:
        return "!login"
    if account.token_expires is None:
        return fmt.MISSING
    return "dead?" if account.token_expires <= now else f"→{account.token_expires:%H:%M}"


def _socket_mark(connection: ConnectionStatus, problem: LinkProblem | None) -> tuple[str, str, str]:
    """Glyph, role and word: what the cells make of the socket, where that is worse than what it says itself."""
    if problem is not None and problem.link is Link.SILENT:
        word = "mute" if connection.is_mute else "silent"
        return *_STREAM_MARK[StreamState.SILENT], word
    return *_STREAM_MARK[connection.state], str(connection.state)


def _socket_row(connection: ConnectionStatus, problem: LinkProblem | None) -> Row:
    """The socket's state, its instruments, the age of its last packet and its rate under the table's columns."""
    mark, role, word = _socket_mark(connection, problem)
    name = connection.label.rpartition("/")[2]
    state = f"{mark} {word}"
    if connection.retry_in is not None:
        state += f" {connection.retry_in:.0f}s"
    again = f"{connection.epoch - 1}× again" if connection.epoch > 1 else ""
    carried = f"{connection.subscribed:,}"
    if connection.desired != connection.subscribed:
        carried += f" of {connection.desired:,}"
    return row(
        f"socket:{connection.connection}",
        f"   {name:<4}", Span(fmt.clip(f" {state}", 13), role),
        f"{carried:>11} {f'{connection.ticks_per_second:,.0f}/s':>8}       "
        f"{connection.ticking:>6,}{_cached(connection):>7,}{connection.never:>6,}"
        f"{fmt.short_age(connection.data_age):>6} ", Span(again, "quiet"),
    )  # fmt: skip


def _sum_rows(view: SubscriptionsView, width: int) -> Iterator[Row]:
    runtime, keys = view.runtime, view.keys
    if runtime.accounts:
        ticking = sum(account.ticking for account in runtime.accounts)
        yield row("", *_sum_spans(runtime), f", ticking {ticking:,} ", *_pending_spans(runtime))
    if view.never.total:
        listed = f"  {key_name('list-never', keys)} lists them"
        yield from wrapped(f"never ticked {view.never.describe()}{listed}", "warn", width=width - 1)
    if runtime.last_reload is not None:
        yield row("", *reload_spans(runtime.last_reload))
    if runtime.store_revision != runtime.revision:
        change = f" revision {runtime.store_revision} waits for a reload: {key_name('reload-plan', keys)} shows it"
        yield row("", Span(change, "warn"))


def _sum_spans(runtime: RuntimeState) -> list[Span | str]:
    desired, subscribed = desired_and_subscribed(runtime)
    sign = Span("=", "ok") if desired == subscribed else Span("≠", "warn")
    left_out = len(runtime.unassigned)
    without = Span(f" ({left_out:,} without a place)", "warn") if left_out else ""
    return [f" desired {desired:,} ", sign, f" subscribed {subscribed:,}", without]


def desired_and_subscribed(runtime: RuntimeState) -> tuple[int, int]:
    """Return what is asked for, also what has no place on any account, and what the sockets have subscribed."""
    placed = sum(account.desired for account in runtime.accounts)
    return placed + len(runtime.unassigned), sum(account.subscribed for account in runtime.accounts)


def _pending_spans(runtime: RuntimeState) -> list[Span | str]:
    """What is still to be sent: ``pending +0 -0``."""
    missing = sum(max(0, account.desired - account.subscribed) for account in runtime.accounts)
    surplus = sum(max(0, account.subscribed - account.desired) for account in runtime.accounts)
    role = "warn" if missing or surplus else "quiet"
    return [
        " ",
        Span(f"pending +{missing:,} -{surplus:,}", role),
        Span(" reloading" if runtime.reloading else "", "warn"),
    ]


def reload_spans(last: ReloadResult) -> list[Span | str]:
    """One line about the last reload: when, what, how long or why not."""
    what = f" last reload {last.at:%H:%M:%S}  +{last.added} -{last.removed} ~{last.mode_changed + last.moved}"
    return [what, Span(f"  failed: {last.error}", "error") if last.error else f" in {last.seconds:.1f}s"]


def _rule_rows(view: SubscriptionsView, width: int) -> Iterator[Row]:
    keys = view.keys
    yield heading("")
    yield heading(" Rules")
    if not view.rules:
        yield row("", " No rule asks for a chain yet.", Span(f"  {hint(keys, ('new-rule', _FIRST_COST))}", "quiet"))
    for status in view.rules:
        centre = "" if status.centre is None else f"around {status.centre:,.0f}"
        expiries = " ".join(f"{expiry:%d%b}" for expiry in status.expiries)
        share = view.costs.rules.get(status.rule.rule_id)
        cost = share.describe() if share is not None else ""
        beside = width >= COST_BESIDE_WIDTH
        yield row(
            f"rule:{status.rule.rule_id}", f" {fmt.clip(status.rule.describe(), 34)}{status.legs:>6,} legs  ",
            Span(f"{centre:<15}{expiries}", "quiet"), Span(f"   {cost}" if cost and beside else "", "quiet"),
            Span(f"  {status.detail}" if status.detail else "", "warn"),
        )  # fmt: skip
        if cost and not beside:
            yield row("", Span(f"   {cost}", "quiet"))
    what_if = view.costs.what_if_text()
    if what_if:
        yield row("", Span(f" what-if: {what_if}", "quiet"), Span(f"   {hint(keys, ('new-rule', 'asks'))}", "quiet"))


_FIRST_COST = "subscribe one, its cost shown first"


def _unplaced_rows(title: str, kind: str, items: tuple[Unplaced, ...]) -> Iterator[Row]:
    if not items:
        return
    yield heading("")
    yield row("", Span(f" {title}: {len(items):,}", "warn"))
    for item in items[:200]:
        yield row(
            f"{kind}:{item.token}:{item.rule_id}:{item.label}", f"   {fmt.clip(item.label, 28)} ",
            Span(item.reason, "quiet"),
        )  # fmt: skip
    if len(items) > 200:
        yield row("", Span(f"   and {len(items) - 200:,} more", "warn"))


# ---------------------------------------------------------------------- the panel under the chain


def subscription_title(runtime: RuntimeState, width: int) -> str:
    """Return the panel's title; a wide one says whether everything that is desired is subscribed."""
    title = f"2 Subs · revision {runtime.revision}"
    if width < WIDE_PANEL or not runtime.accounts:
        return title
    desired, subscribed = desired_and_subscribed(runtime)
    return f"{title} · desired {desired:,} {'=' if desired == subscribed else '≠'} subscribed {subscribed:,}"


def subscription_panel(view: SubscriptionsView, width: int = 38) -> Iterator[Row]:
    """Build the small panel under the chain: 38 cells at 120 columns, 64 at 200."""
    runtime = view.runtime
    if not runtime.accounts:
        is_replay = runtime.feed is FeedMode.REPLAY
        yield row("", " no account: " + ("recorded session" if is_replay else "synthetic market"))
        yield row("", Span(" `tickertui config init` adds one", "quiet"))
        return
    if width >= WIDE_PANEL:
        yield from _wide_panel(view)
    else:
        yield from _narrow_panel(view)


def _panel_role(account: AccountStatus) -> str:
    return "strong" if account.state in (AccountState.LIVE, AccountState.READY) else _ACCOUNT_ROLE[account.state]


def _narrow_panel(view: SubscriptionsView) -> Iterator[Row]:
    runtime = view.runtime
    yield row("", Span(" acct    used   room  tick cach. never", "quiet"))
    for account in runtime.accounts:
        yield row(
            f"account:{account.account_id}", Span(f" {fmt.clip(account.account_id, 4)}", _panel_role(account)),
            f"{account.desired:>8,}{account.room:>7,}{account.ticking:>6,}{_cached(account):>6,}",
            Span(f"{account.never:>6,}", "warn" if account.never else "text"),
        )  # fmt: skip
        yield from _state_row(account)
        yield from _socket_lines(account, view.socket_health, 2)
    yield row("", *_sum_spans(runtime))
    if view.never.total:
        yield row("", Span(f" never {view.never.describe()}", "warn"))
    yield from _panel_reload(runtime)


def _wide_panel(view: SubscriptionsView) -> Iterator[Row]:
    runtime, keys = view.runtime, view.keys
    yield row("", Span(" acct   used/cap    load     ticking cached never    age token", "quiet"))
    for account in runtime.accounts:
        filled = min(_METER, round(_METER * account.desired / account.capacity)) if account.capacity else 0
        expired = account.state is AccountState.AUTH_EXPIRED
        yield row(
            f"account:{account.account_id}", Span(f" {fmt.clip(account.account_id, 5)}", _panel_role(account)),
            f"{f'{account.desired:,}/{account.capacity:,}':>11}  ",
            Span("▓" * filled, "bar"), Span("░" * (_METER - filled), "track"),
            f"{account.ticking:>8,}{_cached(account):>7,}",
            Span(f"{account.never:>6,}", "warn" if account.never else "text"),
            f"{fmt.short_age(_oldest(account)):>7} ",
            Span(token_text(account, view.now), "error" if expired else "text"),
        )  # fmt: skip
        yield from _state_row(account)
        yield from _socket_lines(account, view.socket_health, 3)
    what_if = view.costs.what_if_text(short=True)
    room = sum(account.room for account in runtime.accounts)
    yield row("", f" room {room:,}", Span(f" · what-if {what_if}" if what_if else "", "quiet"))
    if view.never.total:
        show = f"{key_name('show-subscriptions', keys)} {key_name('list-never', keys)}"
        yield row("", Span(f" never ticked {view.never.describe()} ({show})", "warn"))
    last = runtime.last_reload
    spans = _pending_spans(runtime)
    if last is not None:
        took = Span(" failed", "error") if last.error else f" {last.seconds:.1f}s"
        spans += [f" · reload {last.at:%H:%M:%S} +{last.added} -{last.removed}", took]
    yield row("", *spans, Span(f" ({key_name('reload-plan', keys)})", "quiet"))


def _state_row(account: AccountStatus) -> Iterator[Row]:
    if account.state not in (AccountState.LIVE, AccountState.READY) or _is_mute(account):
        yield row("", Span(f"   {account_word(account)}", _ACCOUNT_ROLE[account.state]))


def _panel_reload(runtime: RuntimeState) -> Iterator[Row]:
    last = runtime.last_reload
    if last is not None:
        outcome = Span(" failed", "error") if last.error else f" {last.seconds:.1f}s"
        yield row("", Span(f" reload {last.at:%H:%M:%S} +{last.added} -{last.removed}", "quiet"), outcome)


def _socket_lines(account: AccountStatus, socket_health: SocketHealth, each: int) -> Iterator[Row]:
    """Some sockets a line: ``s1 1,000 ●0.4s``."""
    problems = {problem.status.connection: problem for problem in socket_health.problems}
    carrying = [socket for socket in account.connections if socket.state is not StreamState.IDLE]
    for first in range(0, len(carrying), each):
        spans: list[Span | str] = [" "]
        for socket in carrying[first : first + each]:
            mark, role, _ = _socket_mark(socket, problems.get(socket.connection))
            name = socket.label.rpartition("/")[2]
            spans += [f" {name} {socket.subscribed:>5,} ", Span(mark, role), f"{fmt.short_age(socket.data_age):<5}"]
        yield row("", *spans)
