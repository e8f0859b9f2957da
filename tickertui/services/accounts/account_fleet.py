"""`AccountFleet`: the streams of all accounts, who may use which account, and what happens to a broken one.

The ticker loop owns one. It starts a supervised stream for each account that this terminal has claimed, investigates
a refusal, swaps a new token in, and says which accounts a plan may use: an account that is broken for long, or that
the user emptied, is left out, and the next reload moves its instruments to accounts with room.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum, auto

import anyio
from anyio.abc import TaskGroup

from tickertui.frozen import frozen
from tickertui.market.board import MarketBoard
from tickertui.market.clock import Clock
from tickertui.services.accounts.account_stream import AccountStream, FeedPulse, FrameTap, SocketCounts, StreamHooks
from tickertui.services.accounts.claims import Claims
from tickertui.services.accounts.plan_applier import set_all
from tickertui.services.accounts.session_orchestrator import SessionOrchestrator
from tickertui.services.accounts.silence import SilenceLimits
from tickertui.services.accounts.sockets import SocketFactory
from tickertui.services.accounts.status import AccountState, AccountStatus
from tickertui.services.plan.placement import AccountSlots, Distribution
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.services.supervision.task_monitor import RestartPolicy, TaskMonitor, describe_error
from tickertui.store.protocol import StoreError

SOCKETS = 3
"""Connections that the broker allows one API key; sockets are numbered account index * 3 + socket."""

_BROKEN = frozenset(
    (AccountState.AUTH_EXPIRED, AccountState.FAILED, AccountState.RATE_LIMITED, AccountState.RECONNECTING)
)


_CLAIM_AGAIN = "claim again"
"""Name of the task that asks for a lost claim without waiting for the periodic look."""


class _Hold(Enum):
    """What is known of our claim on an account."""

    ASKED = auto()
    """The store has not answered yet for the first time."""
    OURS = auto()
    LOST = auto()
    """It was ours, and the store does not know us any more; it is streamed until the store says who has it."""
    ELSEWHERE = auto()


@frozen
class FleetSettings:
    """How accounts are run.

    Attributes:
        per_socket: Instruments the broker allows on one socket.
        restart: Of an account's stream that crashed; afterwards the account is FAILED.
        redistribute_after: Seconds that an account may be broken, or connected and mute, before its instruments move.
        silence: When silence is a fault.
    """

    per_socket: int = 3000
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    redistribute_after: float = 300.0
    silence: SilenceLimits = field(default_factory=SilenceLimits)


@dataclass(slots=True)
class _Account:
    """What is remembered of one account beside its stream."""

    stream: AccountStream
    hold: _Hold = _Hold.ASKED
    is_being_asked_for: bool = False
    crashed: str = ""
    owner: str = ""
    """Who has it when it is `_Hold.ELSEWHERE`."""
    emptied: str = ""
    """Why its instruments were moved away, empty while they may stay."""
    emptied_ns: int = 0
    """When it was emptied because it was broken, 0 when the user did it."""
    broken_ns: int = 0

    @property
    def is_ours(self) -> bool:
        return self.hold is not _Hold.ELSEWHERE


class AccountFleet:
    """The streams of all accounts.

    Args:
        orchestrator: Accounts, tokens and states.
        monitor: Runs and restarts the streams.
        socket_factory: Makes sockets.
        claims: Which terminal streams which account.
        board: Takes the ticks.
        clock: For ages.
        events: Moves and refusals are recorded here.
        settings: See `FleetSettings`.
        expects_data: Whether silence of some sockets (by their numbers) means something.
        changed: Called when the set of accounts that a plan may use has changed: a reload is due.
        on_instruments_meta: Given row count and etag of the broker's dump.
        frame_tap: Given each raw frame.
    """

    def __init__(
        self,
        *,
        orchestrator: SessionOrchestrator,
        monitor: TaskMonitor,
        socket_factory: SocketFactory,
        claims: Claims,
        board: MarketBoard,
        clock: Clock,
        events: EventLog,
        settings: FleetSettings,
        expects_data: Callable[[Collection[int]], bool],
        changed: Callable[[], None],
        on_instruments_meta: Callable[[int, str], None],
        frame_tap: FrameTap | None = None,
    ) -> None:
        self._orchestrator = orchestrator
        self._monitor = monitor
        self._socket_factory = socket_factory
        self._claims = claims
        self._board = board
        self._clock = clock
        self._events = events
        self._settings = settings
        self._changed = changed
        self._pulse = FeedPulse()
        self._hooks = StreamHooks(
            expects_data, self._on_refused, on_instruments_meta, orchestrator.on_connected, frame_tap
        )
        self._accounts: dict[str, _Account] = {}
        self._generation = 0
        self._group: TaskGroup | None = None
        self._unlisten: Callable[[], None] | None = None

    # ------------------------------------------------------------------ life

    async def open(self, group: TaskGroup) -> None:
        """Claim every account and start the streams of those that are ours."""
        self._group = group
        self._unlisten = self._orchestrator.listen(self._on_account_changed)
        for account in self._orchestrator.list_accounts():
            await self._add(account)

    async def close(self) -> None:
        """Close all sockets and wait for them; cancelled by its deadline it leaves the rest to `abandon`."""
        self._stop_listening()
        for name, entry in self._accounts.items():
            entry.stream.stop()
            if not entry.stream.is_running:
                self._monitor.cancel(_task(name))  # it waits for its restart
        for name in self._accounts:
            await self._monitor.wait(_task(name))

    async def abandon(self, wait: float = 2.0) -> None:
        """Cancel what is still running, forget the accounts and give them back.

        Args:
            wait: Seconds that cancelled tasks are waited for.
        """
        self._stop_listening()
        tasks = [_CLAIM_AGAIN, *(task for name in self._accounts for task in (_task(name), _inquiry(name)))]
        for task in tasks:
            self._monitor.cancel(task)
        with anyio.move_on_after(wait):
            for task in tasks:
                await self._monitor.wait(task)
        self._accounts.clear()
        self._group = None
        await self._claims.release_all()

    def _stop_listening(self) -> None:
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None

    async def _add(self, account: str) -> None:
        stream = self._make_stream(account)
        entry = self._accounts[account] = _Account(stream)
        await self._claim(account, entry)

    def _make_stream(self, account: str) -> AccountStream:
        stream = AccountStream(
            account,
            self._orchestrator.index(account) * SOCKETS,
            sockets=self._orchestrator.config(account).sockets,
            per_socket=self._settings.per_socket,
            socket_factory=self._socket_factory,
            board=self._board,
            clock=self._clock,
            events=self._events,
            pulse=self._pulse,
            hooks=self._hooks,
            limits=self._settings.silence,
        )
        stream.generation = self._generation
        return stream

    def _run(self, account: str) -> None:
        if self._group is None or self._monitor.is_running(_task(account)):
            return
        entry = self._accounts[account]
        entry.crashed = ""
        self._monitor.start(
            self._group,
            _task(account),
            entry.stream.run,
            restart=self._settings.restart,
            on_failed=lambda error: self._on_failed(account, error),
        )

    # ------------------------------------------------------------------ reading

    @property
    def streams(self) -> Mapping[str, AccountStream]:
        """Streams that this terminal runs, by account."""
        return {name: entry.stream for name, entry in self._accounts.items() if entry.is_ours}

    @property
    def is_ours(self) -> bool:
        """Whether this terminal streams at least one account, and so may write the plan."""
        return any(entry.is_ours for entry in self._accounts.values())

    def plannable(self) -> tuple[str, ...]:
        """Return the accounts that a plan may use, in the order of the configuration."""
        return tuple(name for name, entry in self._accounts.items() if not entry.emptied)

    def slots(self) -> tuple[AccountSlots, ...]:
        """Return the accounts that a plan may use, with their sockets."""
        return tuple(
            AccountSlots(
                name, entry.stream.first_connection, sockets=len(entry.stream.connections), is_ours=entry.is_ours
            )
            for name, entry in self._accounts.items()
            if not entry.emptied
        )

    def connected(self) -> list[int]:
        """Return the numbers of the sockets that are connected."""
        return [
            number
            for entry in self._accounts.values()
            if entry.is_ours
            for number in entry.stream.connections
            if entry.stream.is_open(number)
        ]

    def heard(self) -> list[int]:
        """Return the numbers of the sockets that are connected and have sent something (a heartbeat) just now."""
        return [
            number
            for entry in self._accounts.values()
            if entry.is_ours
            for number in entry.stream.connections
            if entry.stream.is_heard(number)
        ]

    def ticks_per_second(self) -> float:
        """Over all sockets."""
        return sum(entry.stream.ticks_per_second() for entry in self._accounts.values())

    def state(self, account: str) -> AccountState:
        """Return the state of an account: what is known of its session goes before what its sockets show."""
        entry = self._accounts[account]
        if not entry.is_ours:
            return AccountState.ELSEWHERE
        if entry.crashed:
            return AccountState.FAILED
        session = self._orchestrator.state(account)
        if session in (AccountState.AUTH_EXPIRED, AccountState.FAILED):
            return session
        return entry.stream.state()

    def status(self, counts: Mapping[int, SocketCounts]) -> tuple[AccountStatus, ...]:
        """Return all accounts for the screen, in the order of the configuration."""
        return tuple(self._status_of(name, entry, counts) for name, entry in self._accounts.items())

    def _status_of(self, account: str, entry: _Account, counts: Mapping[int, SocketCounts]) -> AccountStatus:
        status = entry.stream.status(counts)
        details = (
            f"streamed by {entry.owner}" if entry.owner else "",
            entry.crashed,
            self._orchestrator.detail(account),
            entry.emptied,
            status.detail,
        )
        return replace(
            status,
            state=self.state(account),
            user_id=self._orchestrator.user_id(account),
            token_expires=self._orchestrator.token_expires(account),
            detail=next((detail for detail in details if detail), ""),
        )

    # ------------------------------------------------------------------ commands

    def carry(self, distribution: Distribution, generation: int | None = None) -> None:
        """Tell every stream what to carry, stamped with a generation (None keeps the one it has)."""
        if generation is not None:
            self.stamp(generation)
        set_all(self.streams, distribution)

    def stamp(self, generation: int) -> None:
        """Say which generation the batches of all streams belong to."""
        self._generation = generation
        for entry in self._accounts.values():
            entry.stream.generation = generation

    def reconnect(self, account: str, reason: str) -> None:
        """Rebuild an account's sockets; one that was given up or emptied is taken up again.

        Raises:
            KeyError: For an unknown account.
        """
        entry = self._accounts[account]
        if not entry.is_ours:
            return
        if entry.crashed or not self._monitor.is_running(_task(account)):
            self._run(account)
        entry.stream.reconnect(reason)
        entry.stream.swap_token()
        self._refill(account, entry)

    def reconnect_all(self, reason: str) -> None:
        """Rebuild the sockets of all accounts at once."""
        for entry in self._accounts.values():
            if entry.is_ours:
                entry.stream.reconnect(reason)
        self._claim_again()  # what broke all sockets at once, a sleep above all, may have cost us the claims too

    def empty(self, account: str, why: str = "emptied at your wish") -> None:
        """Leave an account out of the next plans, until a login or `reconnect`.

        Raises:
            KeyError: For an unknown account.
        """
        entry = self._accounts[account]
        entry.emptied_ns = 0
        self._empty(account, entry, why)

    def _empty(self, account: str, entry: _Account, why: str) -> None:
        if entry.emptied:
            return
        entry.emptied = why
        self._say(account, f"{account}: {why}; its instruments move to accounts with room", Severity.WARNING)
        self._changed()

    def _refill(self, account: str, entry: _Account) -> None:
        entry.broken_ns = 0
        if entry.emptied:
            entry.emptied, entry.emptied_ns = "", 0
            self._say(account, f"{account} takes instruments again", Severity.INFO)
            self._changed()

    # ------------------------------------------------------------------ each second

    def look_after(self) -> None:
        """Move instruments of accounts that are broken for long, use those that are well again, notice lost claims."""
        now = self._clock.monotonic_ns()
        if [name for name, entry in self._accounts.items() if self._notice_loss(name, entry)]:
            self._claim_again()
        for name, entry in tuple(self._accounts.items()):
            if entry.is_ours:
                self._look_after(name, entry, now)

    def _look_after(self, account: str, entry: _Account, now: int) -> None:
        patience_ns = round(self._settings.redistribute_after * 1e9)
        state = self.state(account)
        is_mute = self._is_mute(account, entry, now)
        if state not in _BROKEN and not is_mute:
            entry.broken_ns = 0
            # An emptied account has no sockets that could show it is well: it is simply given another chance.
            if entry.emptied_ns and now - entry.emptied_ns >= patience_ns:
                self._refill(account, entry)
            return
        if not entry.crashed and not self._hooks.expects_data(entry.stream.connections):
            entry.broken_ns = 0  # nothing is missed while the market is shut; the broker reboots at night
            return
        entry.broken_ns = entry.broken_ns or now
        is_long = bool(entry.crashed) or now - entry.broken_ns >= patience_ns
        if is_long and not entry.emptied and self._others_can_take(account, now):
            entry.emptied_ns = now
            word = state if state in _BROKEN else "connected and mute"
            self._empty(account, entry, entry.crashed or f"{word} for {(now - entry.broken_ns) / 1e9:.0f} s")

    def _is_mute(self, account: str, entry: _Account, now: int) -> bool:
        """Whether an account's sockets are open and dead behind while another account ticks.

        Each rebuilt socket of such an account is open for a while and may bring the broker's cached packets: neither
        shows that it is well, so an account that was broken is not well again before ticks come.
        """
        silence = self._settings.silence
        if self.state(account) is not AccountState.LIVE or entry.stream.instruments < silence.few:
            return False
        alive_ns = entry.stream.alive_ns
        if entry.broken_ns:
            return alive_ns <= entry.broken_ns
        others_ns = [other.stream.alive_ns for name, other in self._accounts.items() if name != account]
        return (now - alive_ns) / 1e9 > silence.alone and (now - max(others_ns, default=0)) / 1e9 < silence.fresh

    def _others_can_take(self, account: str, now: int) -> bool:
        """Whether another account is well; with none, instruments wait where they are."""
        return any(
            name != account
            and not entry.emptied
            and self.state(name) not in _BROKEN
            and not self._is_mute(name, entry, now)
            for name, entry in self._accounts.items()
        )

    # ------------------------------------------------------------------ claims

    async def check_claims(self) -> None:
        """Take over what another terminal has left, take again what was lost, let go of what another has taken."""
        for name, entry in tuple(self._accounts.items()):
            self._notice_loss(name, entry)
            if not entry.is_ours and self._monitor.is_running(_task(name)):
                self._monitor.cancel(_task(name))  # its sockets should have closed since the look before
                continue
            with suppress(StoreError):  # the store is away: what is streamed goes on
                await self._claim(name, entry)

    def _claim_again(self) -> None:
        if self._group is not None and not self._monitor.is_running(_CLAIM_AGAIN):
            self._monitor.start(self._group, _CLAIM_AGAIN, self.check_claims)

    def _notice_loss(self, account: str, entry: _Account) -> bool:
        """Whether the claim turns out to be lost just now."""
        if entry.hold is not _Hold.OURS or self._claims.is_held(account):
            return False
        entry.hold = _Hold.LOST
        text = f"{account}: the database lost this terminal, so another could take the account; asking for it again"
        self._say(account, text, Severity.WARNING)
        return True

    async def _claim(self, account: str, entry: _Account) -> None:
        """Ask the store for an account and do what its answer demands.

        Raises:
            StoreError: When it cannot be asked.
        """
        if entry.is_being_asked_for:
            return  # two at once could be told that the other, which is us, has it
        entry.is_being_asked_for = True
        try:
            owner = await self._claims.claim(account) or ""
        finally:
            entry.is_being_asked_for = False
        if self._unlisten is None or self._accounts.get(account) is not entry:
            return  # meanwhile everything is being closed
        before, entry.owner = entry.hold, owner
        entry.hold = _Hold.ELSEWHERE if owner else _Hold.OURS
        if entry.hold is before:
            return
        if entry.is_ours:
            self._take(account, before)
        elif before is _Hold.ASKED:
            self._say(account, f"{account} is streamed by {owner}; shown read-only here", Severity.WARNING)
        else:
            self._let_go(account, entry)

    def _take(self, account: str, before: _Hold) -> None:
        if before is _Hold.LOST:  # its stream was never stopped
            self._say(account, f"{account} is still ours: nobody took it meanwhile", Severity.INFO)
            return
        self._run(account)
        if before is _Hold.ELSEWHERE:
            self._say(account, f"{account} is streamed here now", Severity.INFO)
            self._changed()

    def _let_go(self, account: str, entry: _Account) -> None:
        self._say(account, f"{account} was taken over by {entry.owner}; read-only here", Severity.WARNING)
        if entry.stream.is_running:
            entry.stream.stop()
        else:
            self._monitor.cancel(_task(account))  # it waits for its restart
        self._changed()

    # ------------------------------------------------------------------ what streams and the orchestrator tell

    def _on_failed(self, account: str, error: BaseException) -> None:
        entry = self._accounts.get(account)
        if entry is None:
            return
        entry.crashed = f"the stream crashed too often, last with {describe_error(error)}"
        self._look_after(account, entry, self._clock.monotonic_ns())

    def _on_refused(self, account: str, reason: str) -> None:
        entry = self._accounts.get(account)
        if entry is None or self._group is None or self._monitor.is_running(_inquiry(account)):
            return
        self._monitor.start(self._group, _inquiry(account), self._inquire, account, entry)

    async def _inquire(self, account: str, entry: _Account) -> None:
        """Ask why a stream was refused; while the broker cannot be asked, ask again later."""
        wait = 2.0
        while entry.stream.state() is AccountState.AUTH_EXPIRED:
            state = await self._orchestrator.investigate_refusal(account)
            if state in (AccountState.AUTH_EXPIRED, AccountState.FAILED):
                return
            await anyio.sleep(wait)
            wait = min(60.0, wait * 2)

    def _on_account_changed(self, account: str) -> None:
        """A token or a state changed: swap a token that is in force in."""
        entry = self._accounts.get(account)
        if entry is None:
            return  # `open` has not come to it yet; its stream will start with what is in force then
        if self._orchestrator.state(account) is AccountState.READY:
            entry.stream.swap_token()
            self._refill(account, entry)

    def _say(self, account: str, text: str, severity: Severity) -> None:
        self._events.add("account", text, severity=severity, account=account)


def _task(account: str) -> str:
    return f"stream {account}"


def _inquiry(account: str) -> str:
    return f"refusal {account}"
