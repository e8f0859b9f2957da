"""What is not as it should be: each thing with what it is, why, and which key helps; worst first.

The health pane lists all of them; the banner and the status bar show the worst in fewer words. Nothing here asks a
service for more than the screens are told anyway, and nothing is remembered: what is over is gone with the next look.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tickertui.frozen import frozen
from tickertui.kite.stream_state import TOO_MANY_SOCKETS, StreamState
from tickertui.market.hours import Phase
from tickertui.services.accounts.status import AccountState, AccountStatus
from tickertui.services.history.status import BootstrapProgress, BootstrapState
from tickertui.services.loop.status import FeedMode, LoopState, RuntimeState
from tickertui.services.supervision.events import Severity
from tickertui.services.supervision.observed_hours import Deviation
from tickertui.services.supervision.status import TaskInfo, TaskState
from tickertui.tui.keys.actions import key_name
from tickertui.tui.look import format as fmt
from tickertui.tui.terminal.display_rate import DisplayRate
from tickertui.tui.view.backend import HealthFigures
from tickertui.tui.view.data_states import Link, LinkProblem, MarketView, SocketHealth

SKEW_S: Final = 2.0
"""A clock that is further off than this is told."""
_SLEEP_TOLD: Final = timedelta(minutes=30)
"""How long a sleep stays in sight when nothing is fetched any more."""


class Loudness(StrEnum):
    """How loud a problem is told, the loudest first; the values are the roles of its texts."""

    ERROR = "error"
    WARN = "warn"
    QUIET = "quiet"


@frozen
class Problem:
    """One thing that is not as it should be.

    Attributes:
        name: Stable word: one event is recorded when it begins.
        what: A few words, with numbers.
        why: One sentence; empty where ``what`` says it.
        remedy: Which key helps, or that none is needed.
        role: How loud it is told.
    """

    name: str
    what: str
    why: str
    remedy: str
    role: Loudness = Loudness.WARN


@frozen
class ProblemInputs:
    """What the problems are read from.

    Attributes:
        runtime: State of the loop.
        socket_health: Health of the sockets.
        market: What the calendar says.
        figures: Of the program itself.
        progress: Of the backfill.
        tasks: Background tasks.
        rate: Of the display.
        now: Aware datetime.
        underlying: That is shown.
        has_spot: Whether it has a price.
        has_forward: Whether the options on display tell a forward.
        header: Names of the header line that it cannot show, a sentence each.
        calendar: What is or will soon be wrong with the market calendar, a sentence each.
        keys: The user's own keys by action id.
        deviations: Where the market does not go by the calendar.
    """

    runtime: RuntimeState
    socket_health: SocketHealth
    market: MarketView
    figures: HealthFigures
    progress: BootstrapProgress
    tasks: tuple[TaskInfo, ...]
    rate: DisplayRate
    now: datetime
    underlying: str = ""
    has_spot: bool = True
    has_forward: bool = False
    header: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    deviations: tuple[Deviation, ...] = ()


def problems(inputs: ProblemInputs) -> tuple[Problem, ...]:
    """Return everything that is not as it should be, worst first."""
    parts = (_loop, _accounts, _sockets, _database, _places, _contracts, _spot, _sleep, _clock, _display, _history,
             _tasks, _header, _calendar, _market)  # fmt: skip
    present = [problem for part in parts for problem in part(inputs)]
    order = tuple(Loudness)
    return tuple(sorted(present, key=lambda problem: order.index(problem.role)))


def _key(inputs: ProblemInputs, *ids: str) -> str:
    return " ".join(key_name(action_id, inputs.keys) for action_id in ids)


def _loop(inputs: ProblemInputs) -> Iterator[Problem]:
    runtime = inputs.runtime
    if runtime.state is LoopState.FAILED:
        remedy = f"{_key(inputs, 'quit')} quits; nothing is lost, a start goes on where it stopped"
        yield Problem("loop-failed", "the ticker loop has failed", runtime.detail, remedy, Loudness.ERROR)
    if runtime.store_revision != runtime.revision and not runtime.reloading and runtime.state is LoopState.RUNNING:
        remedy = f"{_key(inputs, 'reload-plan')} shows the plan"
        what = f"revision {runtime.store_revision} waits, revision {runtime.revision} runs"
        yield Problem("reload-due", what, "the rules were changed and not reloaded yet", remedy)
    last = runtime.last_reload
    if last is not None and last.error:
        yield Problem(
            "reload-failed", f"the reload of {last.at:%H:%M:%S} failed", f"{last.error}; what ran before runs on",
            f"{_key(inputs, 'reload-plan')} plans it again", Loudness.ERROR,
        )  # fmt: skip


def _accounts(inputs: ProblemInputs) -> Iterator[Problem]:
    accounts = inputs.runtime.accounts
    for account in accounts:
        if account.state is AccountState.AUTH_EXPIRED:
            yield _login(inputs, account)
        elif account.state is AccountState.FAILED:
            remedy = (
                f"{_key(inputs, 'show-subscriptions', 'rebuild-feed')} tries again{_room_elsewhere(inputs, account)}"
            )
            what = f"{account.account_id} has failed, {account.desired:,} legs"
            yield Problem(f"failed-{account.account_id}", what, account.detail, remedy, Loudness.ERROR)
        elif account.state is AccountState.RATE_LIMITED:
            what = f"{account.account_id} is refused for too many connections (429)"
            why = TOO_MANY_SOCKETS
            yield Problem(f"limited-{account.account_id}", what, why, "none needed: it tries again by itself")
        elif account.state is AccountState.ELSEWHERE:
            what = f"{account.account_id} is streamed by another terminal"
            yield Problem(f"elsewhere-{account.account_id}", what, account.detail, "read-only here", Loudness.QUIET)
        elif account.token_expires is not None and account.token_expires <= inputs.now:
            what = f"the token of {account.account_id} is past its flush of {account.token_expires:%H:%M}"
            why = "the broker flushes tokens about then; the next answer shows whether it still works"
            yield Problem(f"token-{account.account_id}", what, why, f"{_key(inputs, 'login')} logs in")
    if not accounts and inputs.runtime.feed is not FeedMode.REPLAY:
        why = "`tickertui config init` writes a file to put one in; then `tickertui login ID`"
        yield Problem(
            "no-account", "no account is configured: synthetic market", why, "none needed to look", Loudness.QUIET
        )


def _login(inputs: ProblemInputs, account: AccountStatus) -> Problem:
    flushed = "" if "flush" in account.detail else " (tokens are flushed each morning at about 06:00)"
    why = (
        f"{account.detail or 'the broker refused the token'}{flushed}; retrying will not help. Its "
        f"{account.desired:,} legs show their last values with ages"
    )
    remedy = f"{_key(inputs, 'login')} logs in{_room_elsewhere(inputs, account)}"
    return Problem(f"login-{account.account_id}", f"{account.account_id} needs a login", why, remedy, Loudness.ERROR)


def _room_elsewhere(inputs: ProblemInputs, account: AccountStatus) -> str:
    """``; 2 X moves its legs to Z2 (room 7,796)`` where another account is live."""
    others = [
        other for other in inputs.runtime.accounts
        if other is not account and other.room and other.state in (AccountState.LIVE, AccountState.READY)
    ]  # fmt: skip
    if not others:
        return ""
    room = ", ".join(f"{other.account_id} (room {other.room:,})" for other in others)
    return f"; {_key(inputs, 'show-subscriptions', 'move-shard')} moves its legs to {room}"


def _sockets(inputs: ProblemInputs) -> Iterator[Problem]:
    for problem in inputs.socket_health.problems:
        if problem.link is Link.AUTH:
            continue
        status = problem.status
        word = "is silent" if problem.link is Link.SILENT else "is down"
        since = "" if status.data_age is None else f" for {fmt.duration(status.data_age)}"
        legs = max(status.desired, status.subscribed)
        remedy = f"{_key(inputs, 'show-subscriptions', 'rebuild-feed')} rebuilds it now"
        yield Problem(
            f"socket-{status.label}", f"{status.label} {word}{since}, {legs:,} legs are stale",
            "; ".join(filter(None, (socket_reason(problem), rebuild_words(problem)))), remedy,
        )  # fmt: skip


def socket_reason(problem: LinkProblem) -> str:
    """Return why a socket's cells are not current, in a few words."""
    status = problem.status
    if problem.link is Link.SILENT and status.is_mute:
        return "connected and accepted, but no tick has come since"
    if problem.link is Link.SILENT and (not status.last_error or status.state is StreamState.OPEN):
        # What its last error was is over: it is open again.
        heard = "" if status.frame_age is None else f", heartbeat {status.frame_age:.1f}s"
        return f"socket open{heard}, no ticks"
    again = "" if status.retry_in is None else f"; tries again in {status.retry_in:.0f} s"
    return f"{status.last_error or 'not connected'}{again}"


def rebuild_words(problem: LinkProblem) -> str:
    """``rebuild in 6s``: how long the program itself waits with a new socket; empty where it does not."""
    seconds = problem.status.rebuild_in
    return "" if problem.link is not Link.SILENT or seconds is None else f"rebuild in {seconds:.0f}s"


def _database(inputs: ProblemInputs) -> Iterator[Problem]:
    fault = inputs.figures.database_fault
    if fault is None:
        return
    runtime = inputs.runtime
    why = (
        f"{fault}. Ticks go on for the {runtime.instruments:,} legs of revision {runtime.revision}; "
        "reloads and backfill wait"
    )
    yield Problem("database", "the database cannot be reached", why, "none needed: it is asked again", Loudness.ERROR)


def _places(inputs: ProblemInputs) -> Iterator[Problem]:
    runtime = inputs.runtime
    if runtime.unassigned:
        legs, example = len(runtime.unassigned), runtime.unassigned[0]
        subs = _key(inputs, "show-subscriptions")
        remedy = (
            f"{subs} {_key(inputs, 'new-rule')} adds the rule again with fewer strikes, "
            f"{subs} {_key(inputs, 'drop-rule')} drops one, {subs} {_key(inputs, 'pin-account')} moves it"
        )
        yield Problem("no-room", f"{legs:,} legs have no room", f"{example.label}: {example.reason}", remedy)
    if runtime.unresolved:
        example = runtime.unresolved[0]
        what = f"{len(runtime.unresolved):,} subscriptions are not in today's contracts"
        remedy = f"{_key(inputs, 'show-subscriptions')} lists them; they are kept"
        yield Problem("unresolved", what, f"{example.label}: {example.reason}", remedy)


def _contracts(inputs: ProblemInputs) -> Iterator[Problem]:
    figures = inputs.figures
    if figures.contracts_news:
        what = "contracts are others than the day before"
        yield Problem("contract-news", what, figures.contracts_news, "look at what you hold of them", Loudness.QUIET)
    if not figures.contracts_stale or inputs.runtime.feed is FeedMode.MOCK:
        return
    remedy = f"{_key(inputs, 'refresh-contracts')} fetches today's"
    if figures.contracts_day is None:
        why = "the day's list of contracts has not been loaded; without it nothing can be subscribed"
        yield Problem("no-contracts", "no contracts yet", why, remedy)
        return
    what = f"contracts of {figures.contracts_day:%a %d %b}"
    yield Problem("old-contracts", what, "expiries, strikes and lots may be wrong", remedy)


def _spot(inputs: ProblemInputs) -> Iterator[Problem]:
    if inputs.has_spot or not inputs.underlying or not inputs.runtime.instruments:
        return
    if inputs.has_forward:
        why = "it has sent no price, or a price of 0: money and Greeks go by the forward that the options tell"
    else:
        why = "it has sent no price, or a price of 0: no strike is at the money, Greeks are —"
    remedy = f"{_key(inputs, 'pick-underlying')} other underlying, {_key(inputs, 'why')} where a number comes from"
    yield Problem("no-spot", f"{inputs.underlying} has no price", why, remedy)


def _sleep(inputs: ProblemInputs) -> Iterator[Problem]:
    gap = inputs.runtime.asleep
    if gap is None:
        return
    left, progress = inputs.progress.requests_left, inputs.progress
    if not left and inputs.now - gap.end > _SLEEP_TOLD:
        return
    if left:
        wait = "" if progress.seconds_left is None else f", {fmt.duration(progress.seconds_left)}"
        why = f"the backfill has {left:,} requests to go{wait}; all sockets were rebuilt"
    else:
        why = "all sockets were rebuilt; the backfill has nothing left to ask for"
    yield Problem("asleep", gap.describe(), why, f"{_key(inputs, 'show-bootstrap')} shows the backfill")


def _clock(inputs: ProblemInputs) -> Iterator[Problem]:
    skew = inputs.figures.clock_skew_s
    if skew is not None and abs(skew) > SKEW_S:
        way = "behind" if skew < 0 else "ahead of"
        what = f"this clock is {abs(skew):.1f} s {way} the exchange"
        why = "ages count from the receipt of each packet, so they are right all the same"
        yield Problem("clock-skew", what, why, "set the clock of this machine (NTP)")


def _display(inputs: ProblemInputs) -> Iterator[Problem]:
    slow = inputs.rate.slow
    if slow is not None:
        what = f"the display does {slow:.0f} frames/s, {inputs.rate.merged:,} frames were merged"
        why = "the terminal takes its output late; the feed does not wait for it"
        remedy = f"{_key(inputs, 'next-columns')} fewer columns, {_key(inputs, 'narrower')} fewer strikes"
        yield Problem("display-slow", what, why, remedy)


def _history(inputs: ProblemInputs) -> Iterator[Problem]:
    progress = inputs.progress
    if progress.failures:
        example = progress.failures[0]
        boot = _key(inputs, "show-bootstrap")
        remedy = f"{boot} {_key(inputs, 'retry-failed')} asks again"
        count = len(progress.failures)
        what = f"{count:,} backfill request{'' if count == 1 else 's'} failed"
        yield Problem("history-failed", what, f"{example.label}: {example.reason}", remedy)
    slowed = 0 < progress.rate < 0.6 * progress.rate_limit
    if progress.rate_limited and progress.state is BootstrapState.RUNNING and slowed:
        what = f"the broker has answered 429 {progress.rate_limited:,} times"
        why = f"the backfill has slowed itself to {progress.rate:.1f} of {progress.rate_limit:.1f} requests/s"
        yield Problem("rate-limited", what, why, "none needed")


def _tasks(inputs: ProblemInputs) -> Iterator[Problem]:
    for task in inputs.tasks:
        if task.state in (TaskState.FAILED, TaskState.RESTARTING):
            role = Loudness.ERROR if task.state is TaskState.FAILED else Loudness.WARN
            what = f"task {task.name} {'has failed' if role == 'error' else 'is restarting'}"
            times = f", {task.restarts} restarts" if task.restarts else ""
            yield Problem(f"task-{task.name}", what, f"{task.last_error}{times}", "none needed: it is watched", role)


def _header(inputs: ProblemInputs) -> Iterator[Problem]:
    if inputs.header:
        what = "the first line leaves out an index" if len(inputs.header) == 1 else "the first line leaves out indices"
        remedy = "`header` of [screen] in the configuration names them"
        yield Problem("header", what, "; ".join(inputs.header), remedy, Loudness.QUIET)


def _calendar(inputs: ProblemInputs) -> Iterator[Problem]:
    for number, sentence in enumerate(inputs.calendar):
        remedy = "an update of tickertui, or calendar.toml of the configuration folder"
        yield Problem(f"calendar-{number}", "the market calendar", sentence, remedy, Loudness.QUIET)


def _market(inputs: ProblemInputs) -> Iterator[Problem]:
    for deviation in inputs.deviations:
        yield Problem(
            f"hours-{deviation.segment}", deviation.short(), deviation.describe(),
            "none needed: states, Greeks and backfill go by what is seen",
        )  # fmt: skip
    if inputs.market.is_open or inputs.runtime.feed in (FeedMode.MOCK, FeedMode.REPLAY):
        return
    if inputs.market.phase is Phase.UNKNOWN:
        yield Problem("hours", inputs.market.label, inputs.market.detail, "values go by their age", Loudness.QUIET)
        return
    what = f"{inputs.market.label}: last values of {inputs.market.session_day or 'the last session'}"
    remedy = f"{_key(inputs, 'toggle-mock')} shows the mock market meanwhile"
    yield Problem("closed", what, inputs.market.detail, remedy, Loudness.QUIET)


_LOGGED: Final = frozenset(("clock-skew", "display-slow", "no-spot", "no-room", "old-contracts", "unresolved", "header",
                            "rate-limited", "reload-due"))  # fmt: skip
"""Problems that only the screens notice; the others are recorded by the service that they befall."""
_LASTS_NS: Final = 5_000_000_000
"""What is over within five seconds (a start, a switch of the chain) is no event."""


class ProblemLog:
    """Turns the coming and going of problems into events, each once."""

    def __init__(self) -> None:
        self._since: dict[str, int] = {}
        self._told: dict[str, Problem] = {}

    def news(self, problems: Sequence[Problem], now_ns: int) -> list[tuple[Severity, str]]:
        """Return severity and sentence of each problem that has begun (and lasted) or is over."""
        present = {problem.name: problem for problem in problems if problem.name in _LOGGED}
        sentences = []
        for name in [name for name in self._since if name not in present]:
            del self._since[name]
            over = self._told.pop(name, None)
            if over is not None:
                sentences.append((Severity.INFO, f"over: {over.what}"))
        for name, problem in present.items():
            since = self._since.setdefault(name, now_ns)
            if name not in self._told and now_ns - since >= _LASTS_NS:
                self._told[name] = problem
                sentences.append((Severity.WARNING, f"{problem.what}: {problem.why}"))
        return sentences
