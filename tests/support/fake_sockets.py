"""A WebSocket that connects, ticks, falls silent, is refused or crashes when a test says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import anyio
import numpy as np

from tickertui.kite.stream_state import StreamState
from tickertui.market.clock import Clock
from tickertui.market.ticks import WORDS, Mode, Source, TickBatch
from tickertui.services.accounts.sockets import SocketSink


@dataclass
class FakeStats:
    epoch: int = 0
    frames: int = 0
    ticks: int = 0
    reconnects: int = 0
    last_error: str = ""
    last_frame_ns: int = 0
    last_data_ns: int = 0
    retry_at: float | None = None
    waiting: int = 0


def rows_of(tokens: Iterable[int], price: int = 10_000, exchange_time: int = 0) -> np.ndarray:
    """uint32[n, 46] rows of these tokens with this price."""
    wanted = list(tokens)
    words = np.zeros((len(wanted), WORDS), dtype=np.uint32)
    words[:, 0] = wanted
    words[:, 1] = price
    words[:, 15] = exchange_time
    return words


@dataclass
class FakeSocket:
    """Follows `set_desired` like the real one: everything on connect, the difference while open."""

    account: str
    connection: int
    sink: SocketSink
    clock: Clock
    answer: StreamState = StreamState.OPEN
    """What the next attempt to connect ends in."""
    stats: FakeStats = field(default_factory=FakeStats)
    desired: dict[int, Mode] = field(default_factory=dict)
    subscribed: dict[int, Mode] = field(default_factory=dict)
    sent: list[tuple[str, frozenset[int]]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    silent: bool = False
    is_open: bool = False
    running: bool = False
    close_takes: float = 0.0
    _closed: anyio.Event = field(default_factory=anyio.Event)
    _again: anyio.Event = field(default_factory=anyio.Event)
    _crash: BaseException | None = None

    async def run(self) -> None:
        self.running = True
        try:
            while not self._closed.is_set():
                if self._crash is not None:
                    raise self._crash
                self._connect()
                self._again = anyio.Event()
                await self._again.wait()
        finally:
            self.running = False
            self.is_open = False
            self.sink.on_state(self.connection, StreamState.CLOSED, "")

    def _connect(self) -> None:
        self.sink.on_state(self.connection, StreamState.CONNECTING, "")
        self.is_open = self.answer is StreamState.OPEN
        self.sink.on_state(self.connection, self.answer, "" if self.is_open else f"refused: {self.answer}")
        if self.is_open:
            self.stats.epoch += 1
            self.subscribed = {}
            self._send_difference()

    def _send_difference(self) -> None:
        added = {t: m for t, m in self.desired.items() if self.subscribed.get(t) is not m}
        removed = frozenset(self.subscribed) - frozenset(self.desired)
        new = frozenset(added) - frozenset(self.subscribed)
        self.subscribed = dict(self.desired)
        if removed:
            self.sent.append(("unsubscribe", removed))
        if added:
            self.sent.append(("subscribe", frozenset(added)))
        if new:
            self.sink.on_subscribed(self.connection, sorted(new), self.clock.monotonic_ns())
            if not self.silent:
                self.tick(new)

    def beat(self) -> None:
        """Send a heartbeat."""
        now = self.clock.monotonic_ns()
        self.stats.frames += 1
        self.stats.last_frame_ns = now
        self.sink.on_frame(self.connection, b"\0", now, self.clock.time_ns())

    def tick(self, tokens: Iterable[int] | None = None, price: int = 10_000) -> None:
        """Send one packet of each token that is subscribed (or of those named)."""
        wanted = sorted(self.subscribed if tokens is None else set(tokens) & set(self.subscribed))
        if not wanted or not self.is_open:
            return
        now = self.clock.monotonic_ns()
        self.stats.frames += 1
        self.stats.ticks += len(wanted)
        self.stats.last_frame_ns = self.stats.last_data_ns = now
        self.sink.on_frame(self.connection, b"frame", now, self.clock.time_ns())
        batch = TickBatch.from_rows(
            rows_of(wanted, price, self.clock.time_ns() // 1_000_000_000),
            Source.LIVE,
            received_ns=now,
            received_wall_ns=self.clock.time_ns(),
            generation=self.sink.generation,
            connection=self.connection,
        )
        self.sink.on_batch(batch)

    def lose(self, reason: str, then: StreamState = StreamState.BACKOFF) -> None:
        """Drop the connection; the socket stays down until `recover`."""
        self.is_open = False
        self.answer = then
        self.stats.last_error = reason
        self.sink.on_state(self.connection, then, reason)

    def recover(self) -> None:
        """Connect again."""
        self.answer = StreamState.OPEN
        self.stats.reconnects += 1
        self._again.set()

    def crash(self, error: BaseException) -> None:
        """Make `run` raise."""
        self._crash = error
        self._again.set()

    def set_desired(self, modes: Mapping[int, Mode]) -> None:
        self.desired = dict(modes)
        if self.is_open:
            self._send_difference()

    def credentials_changed(self) -> None:
        self.reasons.append("credentials")
        if not self.is_open:
            self.recover()

    def reconnect_now(self, reason: str) -> None:
        self.reasons.append(reason)
        if self.is_open:
            self.is_open = False
            self.sink.on_state(self.connection, StreamState.BACKOFF, reason)
        if self.answer is StreamState.OPEN:
            self.stats.reconnects += 1
            self._again.set()

    async def close(self) -> None:
        if self.close_takes:
            await anyio.sleep(self.close_takes)
        self._closed.set()
        self._again.set()


@dataclass
class FakeSockets:
    """The factory; keeps every socket it made, the newest by connection number."""

    clock: Clock
    made: list[FakeSocket] = field(default_factory=list)
    answers: dict[int, StreamState] = field(default_factory=dict)
    """First answer of the sockets made from now on, by connection number."""
    crash_at_start: set[str] = field(default_factory=set)
    """Accounts whose sockets crash when they are run."""
    silent: bool = False

    def __call__(self, account_id: str, connection: int, sink: SocketSink) -> FakeSocket:
        socket = FakeSocket(account_id, connection, sink, self.clock, silent=self.silent)
        socket.answer = self.answers.get(connection, StreamState.OPEN)
        if account_id in self.crash_at_start:
            socket._crash = RuntimeError(f"socket of {account_id} broke")
        self.made.append(socket)
        return socket

    def __getitem__(self, connection: int) -> FakeSocket:
        """The newest socket of this number."""
        return next(socket for socket in reversed(self.made) if socket.connection == connection)

    @property
    def running(self) -> list[FakeSocket]:
        """Sockets whose `run` has not returned."""
        return [socket for socket in self.made if socket.running]
