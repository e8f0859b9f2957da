"""`KiteStream`: one WebSocket to the broker, kept alive for ever.

`tickertui.services.accounts.account_stream` owns up to three of these for each account and is their `StreamSink`. The
whole desired state lives here ({token: mode}): on each connect all of it is sent, while the socket is open only what
changed. Between the socket and the sink there is one decode for each frame and nothing for each tick.

Written on anyio only: with another `Transport` it runs under trio's mock clock, a day of reconnects in
milliseconds.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final
from urllib.parse import urlencode

import anyio
import anyio.lowlevel

from tickertui.kite.messages import BrokerError, UnknownText, parse_text
from tickertui.kite.packets import MalformedFrame, decode, is_heartbeat
from tickertui.kite.secrets import Secret, redact
from tickertui.kite.stream_state import TOO_MANY_SOCKETS, StreamState
from tickertui.kite.stream_types import QuarantinedFrame as QuarantinedFrame
from tickertui.kite.stream_types import StreamSink as StreamSink
from tickertui.kite.stream_types import StreamStats as StreamStats
from tickertui.kite.stream_types import StreamTiming as StreamTiming
from tickertui.kite.subscribing import MAX_INSTRUMENTS, changes
from tickertui.kite.transport import (
    ConnectFailed,
    Connection,
    ConnectionLost,
    ConnectRefused,
    Transport,
    TransportError,
    WebSocketTransport,
)
from tickertui.market.clock import Clock
from tickertui.market.ticks import Mode

_FORBIDDEN: Final = 403
_TOO_MANY: Final = 429

_USUAL: Final = StreamTiming()
_QUARANTINED: Final = 20
_QUARANTINED_BYTES: Final = 1 << 16

_YIELD_EVERY: Final = 64
"""Messages after which the reader lets others run even when more are waiting: 64 full frames of 500 packets take
about 5 ms."""


class _Ending(Enum):
    """Why an attempt or a connection ended, as far as it decides what comes next."""

    LOST = auto()
    """The network's doing: wait longer each time, from the start again after a success."""
    BAD_DATA = auto()
    """Too many malformed frames: wait longer each time, whatever was received between them."""
    ASKED = auto()
    """`reconnect_now`: no wait."""
    AUTH = auto()
    LIMITED = auto()


class KiteStream:
    """One WebSocket, reconnected for ever.

    Args:
        connection: Number of the connection, stamped on batches.
        url: Address of the stream without the parameters, e.g. ``wss://ws.kite.trade``.
        api_key: Of the account's app.
        token: Gives the day's token; asked before each connect, None when there is none.
        sink: Takes in what is received.
        clock: Stamps what is received.
        random: Jitter of the waits.
        transport: How to connect; WebSockets by default.
        timing: Times and limits.

    Attributes:
        connection: As given.
        stats: What it did since the start.
        quarantine: The last frames that could not be decoded.
    """

    def __init__(
        self,
        connection: int,
        *,
        url: str,
        api_key: str,
        token: Callable[[], Secret | None],
        sink: StreamSink,
        clock: Clock,
        random: random.Random,
        transport: Transport | None = None,
        timing: StreamTiming = _USUAL,
    ) -> None:
        self.connection = connection
        self.stats = StreamStats()
        self.quarantine: deque[QuarantinedFrame] = deque(maxlen=_QUARANTINED)
        self._url = url
        self._api_key = api_key
        self._token = token
        self._sink = sink
        self._clock = clock
        self._random = random
        self._transport: Transport = WebSocketTransport() if transport is None else transport
        self._timing = timing
        self._desired: dict[int, Mode] = {}
        self._credentials = 0
        self._tried_credentials = 0
        self._failures = 0
        self._heard = 0
        self._malformed_at: deque[float] = deque(maxlen=timing.malformed_most + 1)
        self._ending = _Ending.LOST
        self._retry_after: float | None = None
        self._closing = False
        self._run_scope: anyio.CancelScope | None = None
        self._session_scope: anyio.CancelScope | None = None
        self._finished: anyio.Event | None = None
        self._nudge: anyio.Event | None = None
        self._changed: anyio.Event | None = None

    def __repr__(self) -> str:
        return f"KiteStream({self.connection}, {self.stats.state}, {len(self._desired)} instruments)"

    # ------------------------------------------------------------------ commands

    @property
    def desired(self) -> Mapping[int, Mode]:
        """The desired state."""
        return self._desired

    def set_desired(self, modes: Mapping[int, Mode]) -> None:
        """Replace the whole desired state; the difference is sent at once, or all of it on the next connect.

        Args:
            modes: Token -> mode.

        Raises:
            ValueError: When these are more than the broker serves on one connection, or a mode is NONE.
        """
        if len(modes) > MAX_INSTRUMENTS:
            raise ValueError(f"one connection carries at most {MAX_INSTRUMENTS:,} instruments, not {len(modes):,}")
        if Mode.NONE in modes.values():
            raise ValueError("an instrument is subscribed in mode ltp, quote or full; leave it out to unsubscribe")
        # int(): JSON knows no numpy integers.
        self._desired = {int(token): mode for token, mode in modes.items()}
        if self._changed is not None:
            self._changed.set()

    def credentials_changed(self) -> None:
        """Say that `token` gives another one: ends a wait for a login or for the next attempt.

        An open connection stays: the broker looks at the token only at the connect.
        """
        self._credentials += 1
        self._wake()

    def reconnect_now(self, reason: str) -> None:
        """Drop the connection or end the wait, and connect at once (after a resume from sleep, on the user's wish).

        Does nothing while a login is needed: the broker would refuse the same token again.
        """
        if self._session_scope is not None:
            self._end(_Ending.ASKED, reason)
        self._wake()

    async def close(self) -> None:
        """Close for good and wait until `run` has returned."""
        self._closing = True
        if self._run_scope is not None and self._finished is not None:
            self._run_scope.cancel()
            await self._finished.wait()

    def _wake(self) -> None:
        if self._nudge is not None:
            self._nudge.set()

    # ------------------------------------------------------------------ life

    async def run(self) -> None:
        """Connect, receive, reconnect, until cancelled or closed.

        Raises:
            RuntimeError: When it runs already.
        """
        if self._run_scope is not None:
            raise RuntimeError(f"stream {self.connection} runs already")
        if self._closing:
            return
        self._finished = anyio.Event()
        try:
            with anyio.CancelScope() as self._run_scope:
                while True:
                    await self._session()
                    await self._pause()
        finally:
            self._run_scope = None
            self._enter(StreamState.CLOSED, "")
            self._finished.set()

    def _enter(self, state: StreamState, reason: str) -> None:
        self.stats.state = state
        if state is not StreamState.OPEN:
            self.stats.connected_at = None
            self.stats.subscribed = 0
        self._sink.on_state(self.connection, state, reason)

    def _end(self, ending: _Ending, reason: str) -> None:
        """End the attempt or connection under way; the first cause counts."""
        scope = self._session_scope
        if scope is None or scope.cancel_called:
            return
        self._ending = ending
        self.stats.last_error = reason
        scope.cancel()

    async def _session(self) -> None:
        """One attempt and, when it succeeds, the life of the connection; leaves why it ended in ``_ending``."""
        self._tried_credentials = self._credentials
        token = self._token()
        if not token:
            self._ending, self.stats.last_error = _Ending.AUTH, "there is no token for today; a login is needed"
            return
        self._ending = _Ending.LOST
        self._enter(StreamState.CONNECTING, "")
        connection = None
        with anyio.CancelScope() as self._session_scope:
            try:
                connection = await self._connect(token)
                await self._live(connection)
            except ConnectRefused as error:
                self._refused(error)
            except TransportError as error:
                if not self._session_scope.cancel_called:
                    self.stats.last_error = redact(str(error), token, self._api_key)
            finally:
                self._session_scope = None
                if connection is not None:
                    await self._hang_up(connection)

    async def _connect(self, token: Secret) -> Connection:
        parameters = urlencode({"api_key": self._api_key, "access_token": token.reveal()})
        separator = "&" if "?" in self._url else "?"
        try:
            with anyio.fail_after(self._timing.connect):
                return await self._transport.connect(f"{self._url}{separator}{parameters}")
        except TimeoutError:
            raise ConnectFailed(f"no connection within {self._timing.connect:g} s") from None

    def _refused(self, error: ConnectRefused) -> None:
        stats = self.stats
        if error.status == _FORBIDDEN:
            self._ending = _Ending.AUTH
            stats.last_error = "the broker refused the token (HTTP 403); a login is needed"
        elif error.status == _TOO_MANY:
            self._ending = _Ending.LIMITED
            self._retry_after = error.retry_after
            stats.last_error = f"HTTP 429: {TOO_MANY_SOCKETS}"
        else:
            stats.last_error = str(error)

    async def _hang_up(self, connection: Connection) -> None:
        """Close the socket whatever ended the session; a dead or unwanted one is not asked for its consent."""
        abrupt = self.stats.state is StreamState.SILENT or self._ending is not _Ending.LOST
        with anyio.CancelScope(shield=True):
            await connection.close(abrupt=abrupt)

    async def _pause(self) -> None:
        """Wait as long as the last ending demands; a nudge ends the wait."""
        if self._ending is _Ending.ASKED:
            return
        if self._ending is _Ending.AUTH:
            await self._await_login()
            return
        state, seconds = self._next_wait()
        self.stats.retry_at = anyio.current_time() + seconds
        self._nudge = nudge = anyio.Event()
        self._enter(state, self.stats.last_error)
        with anyio.move_on_after(seconds):
            await nudge.wait()
        self.stats.retry_at = None

    async def _await_login(self) -> None:
        self._nudge = anyio.Event()
        self._enter(StreamState.AUTH, self.stats.last_error)
        while self._credentials == self._tried_credentials:
            await self._nudge.wait()
            self._nudge = anyio.Event()
        self._failures = 0

    def _next_wait(self) -> tuple[StreamState, float]:
        """Full jitter, so that sockets lost together do not return together."""
        timing = self._timing
        if self._ending is _Ending.LIMITED:
            least = max(timing.limited, self._retry_after or 0.0)
            return StreamState.LIMITED, least + self._random.uniform(0.0, timing.limited / 2)
        self._failures += 1
        bound = min(timing.backoff_most, timing.backoff_first * 2.0 ** min(self._failures - 1, 30))
        return StreamState.BACKOFF, self._random.uniform(0.0, bound)

    async def _live(self, connection: Connection) -> None:
        stats = self.stats
        stats.epoch += 1
        ticks, opened = stats.ticks, anyio.current_time()
        self._enter(StreamState.OPEN, "")
        stats.connected_at = self._clock.now()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._keep_subscribed, connection)
                group.start_soon(self._watch_silence)
                await self._read(connection)
        finally:
            self._changed = None
            proven = stats.ticks > ticks or anyio.current_time() - opened >= self._timing.stable
            if proven and self._ending is not _Ending.BAD_DATA:
                self._failures = 0

    # ------------------------------------------------------------------ while open

    async def _keep_subscribed(self, connection: Connection) -> None:
        """Send what is desired, then each change of it; what was sent belongs to this connection alone."""
        sent: dict[int, Mode] = {}
        try:
            while True:
                self._changed = changed = anyio.Event()
                for message in list(changes(sent, self._desired)):
                    if message.subscribes:
                        # Before the send: the cached packets may arrive before it returns.
                        tokens = tuple(message.modes)
                        self._sink.on_subscribed(self.connection, tokens, self._clock.monotonic_ns())
                    await connection.send(message.text)
                    sent.update(message.modes)
                sent = {token: mode for token, mode in sent.items() if mode}
                self.stats.subscribed = len(sent)
                await changed.wait()
        except ConnectionLost as error:
            self._end(_Ending.LOST, str(error))

    async def _watch_silence(self) -> None:
        """Drop a connection that says nothing.

        Looks are counted, not time: after this process was stopped (SIGSTOP, a suspended laptop) what has arrived
        meanwhile gets the chance to be read.
        """
        looks = 10
        heard, quiet = self._heard, 0
        while quiet < looks:
            await anyio.sleep(self._timing.silence / looks)
            heard, quiet = self._heard, quiet + 1 if heard == self._heard else 0
        reason = f"nothing was received for {self._timing.silence:g} s"
        self._enter(StreamState.SILENT, reason)
        self._end(_Ending.LOST, reason)

    async def _read(self, connection: Connection) -> None:
        receive = connection.receive
        try:
            while True:
                message = await receive()
                self._heard += 1
                if isinstance(message, str):
                    self._on_text(message)
                else:
                    self._on_binary(message, connection.waiting)
                if not self._heard % _YIELD_EVERY:
                    await anyio.lowlevel.checkpoint()
        except ConnectionLost as error:
            self._end(_Ending.LOST, str(error))

    def _on_binary(self, frame: bytes, waiting: int) -> None:
        stats, sink = self.stats, self._sink
        received_ns, wall_ns = self._clock.monotonic_ns(), self._clock.time_ns()
        stats.frames += 1
        stats.bytes += len(frame)
        stats.last_frame_ns = received_ns
        stats.waiting = waiting
        sink.on_frame(self.connection, frame, received_ns, wall_ns)
        if is_heartbeat(frame):
            stats.heartbeats += 1
            return
        try:
            batch = decode(
                frame,
                received_ns=received_ns,
                received_wall_ns=wall_ns,
                generation=sink.generation,
                connection=self.connection,
            )
        except MalformedFrame as error:
            self._on_malformed(frame, str(error), wall_ns)
            return
        stats.unknown_packets += batch.skipped
        if len(batch):
            stats.ticks += len(batch)
            stats.last_data_ns = received_ns
        if len(batch) or batch.skipped:
            sink.on_batch(batch)

    def _on_malformed(self, frame: bytes, reason: str, wall_ns: int) -> None:
        timing, times = self._timing, self._malformed_at
        self.stats.malformed += 1
        self.quarantine.append(QuarantinedFrame(frame[:_QUARANTINED_BYTES], len(frame), reason, wall_ns))
        now = anyio.current_time()
        times.append(now)
        if len(times) > timing.malformed_most and now - times[0] <= timing.malformed_window:
            times.clear()
            self._end(
                _Ending.BAD_DATA,
                f"more than {timing.malformed_most} malformed frames within {timing.malformed_window:g} s, "
                f"the last one: {reason}",
            )

    def _on_text(self, text: str) -> None:
        message = parse_text(text)
        self.stats.texts += 1
        if isinstance(message, UnknownText):
            self.stats.unknown_texts += 1
        elif isinstance(message, BrokerError):
            self.stats.last_error = message.text
        self._sink.on_text(self.connection, message)
