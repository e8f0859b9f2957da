"""One WebSocket as the account streams use it: a protocol, so that tests stand in for the network.

`tickertui.kite.stream.KiteStream` is the real one; the engine hands a `SocketFactory` to the ticker loop.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from tickertui.kite.messages import TextMessage
from tickertui.kite.stream_state import StreamState
from tickertui.market.ticks import Mode, TickBatch


class SocketStats(Protocol):
    """What a socket tells about itself."""

    @property
    def epoch(self) -> int:
        """How often it has connected."""
        ...

    @property
    def frames(self) -> int:
        """Binary frames received."""
        ...

    @property
    def ticks(self) -> int:
        """Packets received."""
        ...

    @property
    def reconnects(self) -> int:
        """Since the start."""
        ...

    @property
    def last_error(self) -> str:
        """One sentence, empty when there was none."""
        ...

    @property
    def last_frame_ns(self) -> int:
        """Monotonic time of the last frame, heartbeats included, 0 before the first."""
        ...

    @property
    def last_data_ns(self) -> int:
        """Monotonic time of the last frame with packets, 0 before the first."""
        ...

    @property
    def waiting(self) -> int:
        """Frames received and not looked at yet."""
        ...

    @property
    def retry_at(self) -> float | None:
        """Time of the event loop at which it tries again, None while it does not wait."""
        ...


class Socket(Protocol):
    """One WebSocket that reconnects by itself."""

    @property
    def stats(self) -> SocketStats:
        """What it tells about itself."""
        ...

    async def run(self) -> None:
        """Stay connected until `close` or cancellation."""
        ...

    def set_desired(self, modes: Mapping[int, Mode]) -> None:
        """Say everything it should carry; only the difference is sent."""
        ...

    def credentials_changed(self) -> None:
        """Try again after a refusal: there is another token."""
        ...

    def reconnect_now(self, reason: str) -> None:
        """Drop the connection, or the wait for the next attempt, and connect at once."""
        ...

    async def close(self) -> None:
        """Close the connection; `run` returns."""
        ...


class SocketSink(Protocol):
    """Where a socket reports (`tickertui.kite.stream.StreamSink`)."""

    @property
    def generation(self) -> int:
        """Stamped on every batch."""
        ...

    def on_frame(self, connection: int, frame: bytes, received_ns: int, wall_ns: int) -> None:
        """Take a raw frame, before it is decoded."""
        ...

    def on_batch(self, batch: TickBatch) -> None:
        """Take the ticks of a frame."""
        ...

    def on_text(self, connection: int, message: TextMessage) -> None:
        """Take a text message."""
        ...

    def on_state(self, connection: int, state: StreamState, reason: str) -> None:
        """Take a change of the socket's state."""
        ...

    def on_subscribed(self, connection: int, tokens: Collection[int], now_ns: int) -> None:
        """Take note that these tokens were subscribed."""
        ...


class SocketFactory(Protocol):
    """Makes the socket of an account with this number, which reports to the sink."""

    def __call__(self, account_id: str, connection: int, sink: SocketSink) -> Socket:
        """Return a socket that is not running yet."""
        ...
