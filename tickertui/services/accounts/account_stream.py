"""`AccountStream`: the sockets of one account.

The ticker loop runs one per account and posts commands into its inbox: what each socket should carry, a new token,
reconnect, stop. A socket is opened when it first has something to carry and closed when it has nothing left. The
stream writes ticks into the board, watches for silence and tells its owner when the broker refuses the token.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import anyio
import numpy as np
from anyio.abc import TaskGroup

from tickertui.frozen import frozen
from tickertui.kite.messages import BrokerError, BrokerMessage, InstrumentsMeta, OrderUpdate, TextMessage, UnknownText
from tickertui.kite.stream_state import TOO_MANY_SOCKETS, StreamState
from tickertui.market.board import MarketBoard
from tickertui.market.clock import Clock
from tickertui.market.ticks import Mode, Source, TickBatch
from tickertui.services.accounts.silence import DEFAULT_LIMITS, SilenceLimits, SilenceWatch
from tickertui.services.accounts.sockets import Socket, SocketFactory
from tickertui.services.accounts.status import AccountState, AccountStatus, ConnectionStatus
from tickertui.services.supervision.events import EventLog, Severity

_NS = 1_000_000_000

FrameTap = Callable[[int, bytes, int, int], None]
"""Given each raw frame: connection, bytes, monotonic and wall nanoseconds (the recorder)."""

BatchWatcher = Callable[[TickBatch], None]


@dataclass(slots=True)
class FeedPulse:
    """The newest packet of the whole live feed; shared by the streams of all accounts.

    Attributes:
        last_data_ns: Monotonic time, 0 before the first.
    """

    last_data_ns: int = 0


_HEARD_S: Final = 5.0
_HEARTBEAT_LATE_S: Final = 2.0
"""The broker sends a heartbeat byte each second; later than this, the socket's own watch soon ends it."""

_CACHED_NS: Final = 3 * _NS
"""What comes this soon after a connect may be the broker's cached packets, which a dead feed brings as well."""

_REFUSAL_FOLLOWS_NS: Final = 5 * _NS
"""A refusal names no instrument: it is about what was asked for within this time and has sent nothing since."""

_MOST_ORDERS: Final = 100
"""Order updates that are remembered, to tell each once."""

_NO_TOKENS: Final[frozenset[int]] = frozenset()


@frozen
class SocketCounts:
    """Instruments of one socket, counted on the board."""

    ticking: int = 0
    never: int = 0


NO_COUNTS = SocketCounts()


@frozen
class StreamHooks:
    """What an account's stream needs of its owner.

    Attributes:
        expects_data: Whether what some sockets carry (by their numbers) trades, so that their silence means something.
        on_refused: Told once per refusal that the broker answered 403.
        on_instruments_meta: Given the row count and the etag of the broker's dump, sent at each connect.
        on_open: Told of each connection that the broker accepted.
        frame_tap: Given each raw frame, None when nobody records.
    """

    expects_data: Callable[[Collection[int]], bool]
    on_refused: Callable[[str, str], None]
    on_instruments_meta: Callable[[int, str], None]
    on_open: Callable[[str], None] = lambda _: None
    frame_tap: FrameTap | None = None


class _Command:
    """An entry of the inbox."""


@frozen
class _SetDesired(_Command):
    modes: Mapping[int, Mapping[int, Mode]]


@frozen
class _SwapToken(_Command):
    pass


@frozen
class _Reconnect(_Command):
    reason: str


@frozen
class _Stop(_Command):
    pass


@dataclass(slots=True)
class _Line:
    """One open socket and what is remembered of it."""

    socket: Socket
    state: StreamState = StreamState.IDLE
    reason: str = ""
    was_open: bool = False
    limited: bool = False
    opened_ns: int = 0
    lost_ns: int = 0
    wanted: Mapping[int, Mode] = field(default_factory=dict)
    confirmed: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    ended: anyio.Event = field(default_factory=anyio.Event)
    samples: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=6))

    def ticks_per_second(self) -> float:
        """Over the last five samples of one second."""
        if len(self.samples) < 2:
            return 0.0
        (first_ns, first), (last_ns, last) = self.samples[0], self.samples[-1]
        return (last - first) / ((last_ns - first_ns) / _NS) if last_ns > first_ns else 0.0


class AccountStream:
    """Up to three sockets of one account; also the sink that they report to.

    Attributes:
        account_id: As in the configuration.
        first_connection: Number of its first socket.
        generation: Stamped on batches; the board drops those of a feed that was switched off.
        is_running: Whether `run` is under way.
        watcher: Given each batch while a reload waits for moved instruments to arrive; None otherwise.
        alive_ns: Monotonic time of the newest packet that shows a living feed, which the broker's cached packets at a
            connect do not; before the first one, of the first connection. 0 before that.

    Args:
        account_id: As in the configuration.
        first_connection: Number of its first socket.
        sockets: How many it may open, 1 to 3.
        per_socket: Instruments the broker allows on one socket.
        socket_factory: Makes a socket.
        board: Takes the ticks.
        clock: For ages.
        events: Losses, recoveries and refusals are recorded here.
        pulse: Shared by all accounts, for the silence watch.
        hooks: See `StreamHooks`.
        limits: When silence is a fault.
    """

    def __init__(
        self,
        account_id: str,
        first_connection: int,
        *,
        sockets: int,
        per_socket: int,
        socket_factory: SocketFactory,
        board: MarketBoard,
        clock: Clock,
        events: EventLog,
        pulse: FeedPulse,
        hooks: StreamHooks,
        limits: SilenceLimits = DEFAULT_LIMITS,
    ) -> None:
        self.account_id = account_id
        self.first_connection = first_connection
        self.generation = 0
        self.is_running = False
        self.watcher: BatchWatcher | None = None
        self.alive_ns = 0
        self._told_orders: deque[tuple[object, ...]] = deque(maxlen=_MOST_ORDERS)
        self._socket_count = sockets
        self._per_socket = per_socket
        self._socket_factory = socket_factory
        self._board = board
        self._clock = clock
        self._events = events
        self._pulse = pulse
        self._hooks = hooks
        self._silence = SilenceWatch(limits)
        self._unknown_texts: set[str] = set()
        self._desired: dict[int, Mapping[int, Mode]] = {}
        self._lines: dict[int, _Line] = {}
        self._retiring: dict[int, anyio.Event] = {}
        self._inbox: deque[_Command] = deque()
        self._wake = anyio.Event()

    # ------------------------------------------------------------------ commands, from anywhere on the event loop

    @property
    def connections(self) -> range:
        """Numbers of its sockets, open or not."""
        return range(self.first_connection, self.first_connection + self._socket_count)

    @property
    def instruments(self) -> int:
        """How many instruments it is to carry."""
        return sum(len(wanted) for wanted in self._desired.values())

    @property
    def desired(self) -> Mapping[int, Mapping[int, Mode]]:
        """What each socket should carry, by connection number."""
        return self._desired

    def set_desired(self, modes: Mapping[int, Mapping[int, Mode]]) -> None:
        """Say what each socket should carry from now on; sockets not named carry nothing.

        Nothing changes when it is refused.

        Raises:
            ValueError: For a socket that is not this account's, or too many instruments on one.
        """
        for connection, wanted in modes.items():
            if connection not in self.connections:
                raise ValueError(f"connection {connection} is not one of {self.account_id}'s {self._socket_count}")
            if len(wanted) > self._per_socket:
                label = self.label(connection)
                raise ValueError(f"{len(wanted)} instruments do not fit on {label}, which carries {self._per_socket}")
        self._desired = {connection: dict(wanted) for connection, wanted in modes.items() if wanted}
        self._post(_SetDesired(self._desired))

    def swap_token(self) -> None:
        """Connect again with the token that is in force now where the old one was refused."""
        self._post(_SwapToken())

    def reconnect(self, reason: str) -> None:
        """Drop and rebuild all sockets at once."""
        self._post(_Reconnect(reason))

    def stop(self) -> None:
        """Close all sockets; `run` returns when they are closed."""
        self._post(_Stop())

    def label(self, connection: int) -> str:
        """Return the name of a socket for the screen: ``Z1/s2``."""
        return f"{self.account_id}/s{connection - self.first_connection + 1}"

    def _post(self, command: _Command) -> None:
        self._inbox.append(command)
        self._wake.set()

    # ------------------------------------------------------------------ running

    async def run(self) -> None:
        """Obey the inbox until `stop`; an error of a socket ends all of them and is raised, to be restarted."""
        self.is_running = True
        self._inbox = deque(command for command in self._inbox if isinstance(command, _Stop))
        self._lines.clear()
        self._retiring.clear()
        self._post(_SetDesired(self._desired))
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch)
                await self._obey(group)
                await self._close_all()
                group.cancel_scope.cancel()
        finally:
            self.is_running = False
            for line in self._lines.values():
                line.state = StreamState.CLOSED
                line.confirmed.clear()
                line.refused.clear()

    async def _obey(self, group: TaskGroup) -> None:
        while True:
            while self._inbox:
                command = self._inbox.popleft()
                if isinstance(command, _Stop):
                    return
                self._execute(command, group)
            self._wake = anyio.Event()
            await self._wake.wait()

    def _execute(self, command: _Command, group: TaskGroup) -> None:
        if isinstance(command, _SetDesired):
            self._apply(command.modes, group)
        elif isinstance(command, _SwapToken):
            for line in self._lines.values():
                line.socket.credentials_changed()
        elif isinstance(command, _Reconnect):
            for line in self._lines.values():
                line.socket.reconnect_now(command.reason)

    def _apply(self, modes: Mapping[int, Mapping[int, Mode]], group: TaskGroup) -> None:
        for connection in [number for number in self._lines if number not in modes]:
            line = self._lines.pop(connection)
            self._retiring[connection] = line.ended
            group.start_soon(line.socket.close)
        for connection, wanted in modes.items():
            line = self._lines.get(connection) or self._open(connection, group)
            if wanted != line.wanted:
                line.wanted = wanted
                line.confirmed.intersection_update(wanted)
                line.refused.intersection_update(wanted)
                line.socket.set_desired(wanted)

    def _open(self, connection: int, group: TaskGroup) -> _Line:
        line = _Line(self._socket_factory(self.account_id, connection, self))
        self._lines[connection] = line
        # The broker counts sockets: the one before must be gone, or this one is refused with 429.
        group.start_soon(self._run_line, line, self._retiring.pop(connection, None))
        return line

    async def _run_line(self, line: _Line, after: anyio.Event | None) -> None:
        try:
            if after is not None:
                await after.wait()
            await line.socket.run()
        finally:
            line.ended.set()

    async def _close_all(self) -> None:
        async with anyio.create_task_group() as group:
            for line in self._lines.values():
                group.start_soon(line.socket.close)
        for line in self._lines.values():
            await line.ended.wait()

    async def _watch(self) -> None:
        """Each second: sample the rates and look for sockets that have gone silent."""
        while True:
            await anyio.sleep(1.0)
            now = self._clock.monotonic_ns()
            for connection, line in self._lines.items():
                line.samples.append((now, line.socket.stats.ticks))
                if line.socket.stats.last_data_ns - line.opened_ns > _CACHED_NS:
                    self.alive_ns = max(self.alive_ns, line.socket.stats.last_data_ns)
                if line.state is StreamState.OPEN and self._hooks.expects_data((connection,)):
                    self._check_silence(connection, line, now)

    def _check_silence(self, connection: int, line: _Line, now: int) -> None:
        if line.socket.stats.last_data_ns > line.opened_ns:
            self._silence.heard(connection)
        age = self._data_age(line, now)
        if self._silence.is_silent(connection, len(line.confirmed), age, _age(now, self._pulse.last_data_ns)):
            line.state = StreamState.SILENT
            reason = f"no data for {age:.0f} s while open"
            self._report(f"{self.label(connection)} is silent: {reason}; it is rebuilt", Severity.WARNING)
            line.socket.reconnect_now(reason)

    def _rebuild_in(self, connection: int, line: _Line, now: int) -> float | None:
        """Seconds until `_check_silence` rebuilds a socket, should no data come."""
        if line.state is not StreamState.OPEN or not self._hooks.expects_data((connection,)):
            return None
        frame_age = _age(now, line.socket.stats.last_frame_ns)
        if frame_age is not None and frame_age > _HEARTBEAT_LATE_S:
            return None
        patience = self._silence.patience(connection, len(line.confirmed), _age(now, self._pulse.last_data_ns))
        return None if patience is None else max(0.0, patience - self._data_age(line, now))

    def _data_age(self, line: _Line, now: int) -> float:
        """Seconds since the last packet, or since the socket was opened."""
        return (now - max(line.socket.stats.last_data_ns, line.opened_ns)) / _NS

    # ------------------------------------------------------------------ the sink of the sockets

    def on_frame(self, connection: int, frame: bytes, received_ns: int, wall_ns: int) -> None:
        """Hand a raw frame to the recorder."""
        if self._hooks.frame_tap is not None:
            self._hooks.frame_tap(connection, frame, received_ns, wall_ns)

    def on_batch(self, batch: TickBatch) -> None:
        """Write ticks into the board."""
        self._pulse.last_data_ns = batch.received_ns
        self._board.apply(batch)
        line = self._lines.get(batch.connection)
        if line is not None and line.refused:
            line.refused.difference_update(batch.instrument_token.tolist())  # it serves them after all
        if self.watcher is not None:
            self.watcher(batch)

    def on_text(self, connection: int, message: TextMessage) -> None:
        """Show what the broker says in words; the state of the day's dump goes to the owner."""
        label = self.label(connection)
        if isinstance(message, InstrumentsMeta):
            self._hooks.on_instruments_meta(message.count, message.etag)
        elif isinstance(message, BrokerError):
            self._report(f"{label}: the broker refuses: {message.text}", Severity.WARNING)
            self._note_refusal(connection)
        elif isinstance(message, BrokerMessage):
            self._report(f"{label}: the broker says: {message.text}", Severity.INFO)
        elif isinstance(message, OrderUpdate):
            what = (message.order_id, message.status, message.quantity, message.filled_quantity, message.detail)
            if what not in self._told_orders:  # the broker sends it to each socket
                self._told_orders.append(what)
                self._report(f"order {message.order_id} is {message.status}: {message.tradingsymbol}", Severity.INFO)
        elif isinstance(message, UnknownText) and message.reason not in self._unknown_texts:
            self._unknown_texts.add(message.reason)  # each reason once: an unknown type may come with every tick
            self._report(f"{label}: a text was not understood ({message.reason})", Severity.INFO)

    def _note_refusal(self, connection: int) -> None:
        """Hold the broker's refusal against the instruments that it can be about; each packet clears its own."""
        line = self._lines.get(connection)
        if line is None or not line.confirmed:
            return
        board, tokens = self._board, np.fromiter(line.confirmed, dtype=np.int64, count=len(line.confirmed))
        rows = board.rows(tokens)
        # What REST has filled in meanwhile does not show that the socket serves it.
        unserved = (board.packets[rows] == 0) | (board.sources[rows] == Source.SNAPSHOT)
        recent = board.subscribed_ns[rows] >= self._clock.monotonic_ns() - _REFUSAL_FOLLOWS_NS
        line.refused.update(tokens[(rows > 0) & unserved & recent].tolist())

    def on_subscribed(self, connection: int, tokens: Collection[int], now_ns: int) -> None:
        """Note that a subscription was sent: the next packet of each token is the broker's cached one."""
        self._board.mark_subscribed(tokens, connection, now_ns)
        line = self._lines.get(connection)
        if line is not None:
            line.confirmed.update(tokens)
            line.refused.difference_update(tokens)

    def on_state(self, connection: int, state: StreamState, reason: str) -> None:
        """Follow the life of a socket, with one event for each loss and each recovery."""
        line = self._lines.get(connection)
        if line is None:
            return
        before, line.state, line.reason = line.state, state, reason
        now = self._clock.monotonic_ns()
        label = self.label(connection)
        if state is StreamState.OPEN:
            line.opened_ns = now
            self.alive_ns = self.alive_ns or now
            if line.was_open:
                self._report(f"{label} is back after {(now - line.lost_ns) / _NS:.0f} s", Severity.INFO)
            else:
                self._report(f"{label} is connected", Severity.INFO)
            line.was_open, line.limited = True, False
            self._hooks.on_open(self.account_id)
            return
        if before in (StreamState.OPEN, StreamState.SILENT) and state is not StreamState.CLOSED:
            line.lost_ns = now
            line.confirmed.clear()
            line.refused.clear()
            if before is StreamState.OPEN:
                why = reason or line.socket.stats.last_error or "no reason given"
                self._report(f"{label} is down: {why}", Severity.WARNING)
        if state is StreamState.AUTH and before is not state:
            self._hooks.on_refused(self.account_id, reason)
        if state is StreamState.LIMITED and not line.limited:
            line.limited = True  # said once, not at each attempt
            self._report(f"{label} was refused with 429: {TOO_MANY_SOCKETS}", Severity.WARNING)

    def _report(self, text: str, severity: Severity) -> None:
        self._events.add("stream", text, severity=severity, account=self.account_id)

    # ------------------------------------------------------------------ reading

    def state(self) -> AccountState:
        """Return the state of the account as its sockets show it."""
        if not self._desired:
            return AccountState.READY
        states = [self._state_of(connection) for connection in self._desired]
        if StreamState.AUTH in states:
            return AccountState.AUTH_EXPIRED
        if StreamState.LIMITED in states:
            return AccountState.RATE_LIMITED
        if all(state is StreamState.OPEN for state in states):
            return AccountState.LIVE
        never = not any(line.was_open for line in self._lines.values())
        trying = all(state in (StreamState.IDLE, StreamState.CONNECTING) for state in states)
        return AccountState.STARTING if never and trying else AccountState.RECONNECTING

    def is_open(self, connection: int) -> bool:
        """Whether a socket is connected."""
        return self._state_of(connection) is StreamState.OPEN

    def is_heard(self, connection: int) -> bool:
        """Whether a socket is connected and has sent something (a heartbeat comes each second) just now."""
        line = self._lines.get(connection)
        if line is None or line.state is not StreamState.OPEN:
            return False
        age = _age(self._clock.monotonic_ns(), line.socket.stats.last_frame_ns)
        return age is not None and age < _HEARD_S

    def _state_of(self, connection: int) -> StreamState:
        line = self._lines.get(connection)
        return StreamState.IDLE if line is None else line.state

    def ticks_per_second(self) -> float:
        """Over all its sockets."""
        return sum(line.ticks_per_second() for line in self._lines.values())

    def status(self, counts: Mapping[int, SocketCounts]) -> AccountStatus:
        """Return the account for the screen.

        Args:
            counts: What the board shows of each socket.
        """
        state = self.state()
        connections = tuple(
            self._connection_status(number, counts.get(number, NO_COUNTS)) for number in sorted(self._lines)
        )
        down = [connection.label for connection in connections if connection.state is not StreamState.OPEN]
        detail = f"{', '.join(down)} {'is' if len(down) == 1 else 'are'} down" if down and self._desired else ""
        return AccountStatus(
            account_id=self.account_id,
            state=state,
            desired=self.instruments,
            subscribed=sum(connection.subscribed for connection in connections),
            ticking=sum(connection.ticking for connection in connections),
            never=sum(connection.never for connection in connections),
            capacity=self._socket_count * self._per_socket,
            connections=connections,
            detail=detail,
        )

    def _connection_status(self, connection: int, counts: SocketCounts) -> ConnectionStatus:
        line = self._lines[connection]
        stats = line.socket.stats
        now = self._clock.monotonic_ns()
        return ConnectionStatus(
            connection=connection,
            label=self.label(connection),
            state=line.state,
            epoch=stats.epoch,
            desired=len(line.wanted),
            subscribed=len(line.confirmed),
            # The board remembers what ticked before a loss; what is not subscribed does not tick now.
            ticking=min(counts.ticking, len(line.confirmed)),
            never=min(counts.never, len(line.confirmed)),
            frames=stats.frames,
            ticks=stats.ticks,
            ticks_per_second=line.ticks_per_second(),
            frame_age=_age(now, stats.last_frame_ns),
            data_age=_age(now, stats.last_data_ns),
            reconnects=stats.reconnects,
            last_error=stats.last_error,
            retry_in=None if stats.retry_at is None else max(0.0, stats.retry_at - anyio.current_time()),
            expects_data=self._hooks.expects_data((connection,)),
            open_for=_age(now, line.opened_ns) if line.state is StreamState.OPEN else None,
            waiting=stats.waiting,
            rebuild_in=self._rebuild_in(connection, line, now),
            refused=frozenset(line.refused) if line.refused else _NO_TOKENS,
        )


def _age(now_ns: int, then_ns: int | None) -> float | None:
    return (now_ns - then_ns) / _NS if then_ns else None
