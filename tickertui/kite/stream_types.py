"""What stands around a `tickertui.kite.stream.KiteStream`: who takes what it receives, its times, what it tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tickertui.frozen import frozen
from tickertui.kite.messages import TextMessage
from tickertui.kite.stream_state import StreamState
from tickertui.market.ticks import TickBatch


class StreamSink(Protocol):
    """What takes in what a stream receives. Called on the event loop; must not block and must not raise."""

    @property
    def generation(self) -> int:
        """Number of the subscription plan, stamped on batches."""
        ...

    def on_frame(self, connection: int, frame: bytes, received_ns: int, wall_ns: int) -> None:
        """Take a binary frame as it came, heartbeats and malformed ones included (for recording)."""
        ...

    def on_batch(self, batch: TickBatch) -> None:
        """Take a decoded frame."""
        ...

    def on_text(self, connection: int, message: TextMessage) -> None:
        """Take a text message."""
        ...

    def on_state(self, connection: int, state: StreamState, reason: str) -> None:
        """Take note of a change of state; ``reason`` is one sentence or empty."""
        ...

    def on_subscribed(self, connection: int, tokens: Sequence[int], now_ns: int) -> None:
        """Take note that tokens are being subscribed on this connection: their next packet is a cached one."""
        ...


@frozen
class StreamTiming:
    """Times and limits of a stream, in seconds of the event loop's clock.

    Attributes:
        connect: To open the socket, TLS and upgrade included.
        silence: Without any frame before the connection counts as dead. The broker sends a heartbeat each second,
            with the market closed too; the official Go and JavaScript clients also take 5 s.
        backoff_first: Upper bound of the first wait; doubled with each failure.
        backoff_most: Upper bound of any wait.
        stable: Life after which a connection counts as a success.
        limited: Least wait after a refusal with 429.
        malformed_most: Malformed frames borne in ``malformed_window``; one more drops the connection.
        malformed_window: See above.
    """

    connect: float = 10.0
    silence: float = 5.0
    backoff_first: float = 1.0
    backoff_most: float = 60.0
    stable: float = 30.0
    limited: float = 60.0
    malformed_most: int = 10
    malformed_window: float = 60.0


@dataclass(slots=True)
class StreamStats:
    """What a stream did since the start; a live view for reading.

    Attributes:
        state: See `StreamState`.
        epoch: Connections made; what was subscribed belongs to one epoch.
        subscribed: Instruments subscribed in this epoch, 0 while not open.
        frames: Binary frames, heartbeats included.
        ticks: Packets.
        bytes: Of binary frames.
        heartbeats: Frames of one byte.
        texts: Text messages.
        malformed: Frames that could not be decoded.
        unknown_packets: Packets of a length that the protocol does not know.
        unknown_texts: Text messages that were not understood.
        reconnects: Connections after the first.
        last_error: One sentence without a secret, empty when there was none.
        connected_at: Aware datetime of the last connect, None while not open.
        last_frame_ns: Monotonic time of the last binary frame, 0 = none.
        last_data_ns: Monotonic time of the last frame with packets, 0 = none.
        retry_at: Time of the event loop at which it tries again, None while it does not wait.
        waiting: Frames received and not looked at yet, at the last frame.
    """

    state: StreamState = StreamState.IDLE
    epoch: int = 0
    subscribed: int = 0
    frames: int = 0
    ticks: int = 0
    bytes: int = 0
    heartbeats: int = 0
    texts: int = 0
    malformed: int = 0
    unknown_packets: int = 0
    unknown_texts: int = 0
    last_error: str = ""
    connected_at: datetime | None = None
    last_frame_ns: int = 0
    last_data_ns: int = 0
    retry_at: float | None = None
    waiting: int = 0

    @property
    def reconnects(self) -> int:
        """Connections after the first."""
        return max(0, self.epoch - 1)


@frozen
class QuarantinedFrame:
    """A frame that could not be decoded.

    Attributes:
        frame: Its first 64 kB.
        size: Its length in bytes.
        reason: What is wrong with it.
        wall_ns: Epoch time of receipt.
    """

    frame: bytes
    size: int
    reason: str
    wall_ns: int
