"""A `StreamSink` that keeps everything."""

from __future__ import annotations

from collections.abc import Sequence

from tickertui.kite.messages import TextMessage
from tickertui.kite.stream_state import StreamState
from tickertui.market.ticks import TickBatch


class RecordingSink:
    """Keeps what a stream hands on.

    Attributes:
        generation: To be stamped on batches.
        frames: (connection, frame, monotonic ns, epoch ns).
        batches: Decoded frames.
        texts: (connection, message).
        states: (state, reason).
        subscribed: (tokens, monotonic ns).
    """

    def __init__(self) -> None:
        self.generation = 7
        self.frames: list[tuple[int, bytes, int, int]] = []
        self.batches: list[TickBatch] = []
        self.texts: list[tuple[int, TextMessage]] = []
        self.states: list[tuple[StreamState, str]] = []
        self.subscribed: list[tuple[tuple[int, ...], int]] = []

    def on_frame(self, connection: int, frame: bytes, received_ns: int, wall_ns: int) -> None:
        self.frames.append((connection, frame, received_ns, wall_ns))

    def on_batch(self, batch: TickBatch) -> None:
        self.batches.append(batch)

    def on_text(self, connection: int, message: TextMessage) -> None:
        self.texts.append((connection, message))

    def on_state(self, connection: int, state: StreamState, reason: str) -> None:
        self.states.append((state, reason))

    def on_subscribed(self, connection: int, tokens: Sequence[int], now_ns: int) -> None:
        self.subscribed.append((tuple(tokens), now_ns))

    def state_names(self) -> list[StreamState]:
        """States in the order they were entered."""
        return [state for state, _ in self.states]
