"""One socket as the broker sees it: what it subscribed, what is due to it, and the frames that go out.

`tickertui.simulator.stream` accepts the connection, then runs a `Subscriber`. Values are conflated: what changed is
only marked, and when the socket can take a frame, the latest rows are sent. A slow client therefore gets fewer frames,
never older ones.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio
import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from tickertui.kite.packets import HEARTBEAT
from tickertui.market.ticks import Mode
from tickertui.simulator.faults import (
    DuplicateFrame,
    Faults,
    HalfOpen,
    HugeFrame,
    NoData,
    OutOfOrder,
    Silent,
    Slow,
    StreamFault,
    TruncatedPacket,
    UnknownPacket,
    ZeroSpot,
)
from tickertui.simulator.feed import LEVEL, MODES, Feed, frame

_MODE_OF_WORD: Final = {mode.label: mode for mode in MODES}
F = TypeVar("F", bound=StreamFault)

_MOST_MESSAGES: Final = 100

TOO_MANY: Final = "Can't subscribe to more than {most} instruments."
BAD_TOKENS: Final = "Error parsing instrument tokens."
BAD_MESSAGE: Final = "Couldn't parse the message."


@dataclass(slots=True)
class SubscriberStats:
    """What went over a socket.

    Attributes:
        frames: Data frames.
        packets: Ticks in them.
        heartbeats: Heartbeats.
        bytes: Of both.
        messages: Text messages of the client.
    """

    frames: int = 0
    packets: int = 0
    heartbeats: int = 0
    bytes: int = 0
    messages: int = 0


class Subscriber:
    """One socket.

    Attributes:
        api_key: Whose.
        number: Of the socket, from 1, in the order in which sockets connected.
        modes: Token -> mode, tokens that the market does not list included.
        messages: The client's messages, newest last, at most 100.
        stats: What went over it.

    Args:
        connection: The accepted WebSocket.
        api_key: Whose.
        number: See above.
        feed: Rows.
        faults: What goes wrong.
        most: Instruments it may subscribe.
        heartbeat_seconds: A heartbeat is sent when nothing else was for so long.
    """

    def __init__(
        self,
        connection: ServerConnection,
        api_key: str,
        number: int,
        *,
        feed: Feed,
        faults: Faults,
        most: int,
        heartbeat_seconds: float,
    ) -> None:
        self.api_key = api_key
        self.number = number
        self.modes: dict[int, Mode] = {}
        self.messages: list[object] = []
        self.stats = SubscriberStats()
        self._connection = connection
        self._feed = feed
        self._faults = faults
        self._most = most
        self._heartbeat_seconds = heartbeat_seconds
        self._levels = np.zeros(0, dtype=np.uint8)
        self._due = np.zeros(0, dtype=np.bool_)
        self._texts: list[str] = []
        self._held: bytes | None = None
        self._sent_at = 0.0
        self._reading_paused = False
        self._wake = anyio.Event()

    # ------------------------------------------------------------------ the feed's side

    def grow(self, count: int) -> None:
        """See `tickertui.simulator.feed.Listener`."""
        more = count - len(self._levels)
        self._levels = np.concatenate((self._levels, np.zeros(more, dtype=np.uint8)))
        self._due = np.concatenate((self._due, np.zeros(more, dtype=np.bool_)))
        # A token that was asked for before it was listed begins to stream now.
        for token, mode in self.modes.items():
            row = self._feed.row(token)
            if row is not None:
                self._levels[row] = LEVEL[mode]

    def wanted(self) -> Iterable[int]:
        """See `tickertui.simulator.feed.Listener`."""
        return self.modes

    def mark(self, rows: NDArray[np.intp], change: NDArray[np.uint8]) -> None:
        """See `tickertui.simulator.feed.Listener`."""
        levels = self._levels[rows]
        shown = rows[(levels > 0) & (change > 0) & (levels + change > len(MODES))]
        if len(shown):
            self._due[shown] = True
            self._wake.set()

    # ------------------------------------------------------------------ the client's side

    def take(self, text: str) -> None:
        """Act on a message of the client; what is wrong with it is answered with an error text."""
        self.stats.messages += 1
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            self.say("error", BAD_MESSAGE)
            return
        self.messages.append(message)
        del self.messages[:-_MOST_MESSAGES]
        action = message.get("a") if isinstance(message, dict) else None
        value = message.get("v") if isinstance(message, dict) else None
        if action == "subscribe":
            self._subscribe(value, None)
        elif action == "unsubscribe":
            self._unsubscribe(value)
        elif action == "mode" and (named := _named_mode(value)) is not None:
            self._subscribe(*named)
        else:
            self.say("error", BAD_MESSAGE)

    def _subscribe(self, value: object, mode: Mode | None) -> None:
        """Subscribe tokens, or change their mode; each is answered with its cached packet.

        A token that is subscribed already keeps its mode when none is named. Of too many tokens the first fit.
        """
        tokens = _tokens(value)
        if tokens is None:
            self.say("error", BAD_TOKENS)
            return
        taken = []
        for token in dict.fromkeys(tokens):
            if token not in self.modes and len(self.modes) >= self._most:
                self.say("error", TOO_MANY.format(most=self._most))
                break
            self.modes[token] = mode or self.modes.get(token, Mode.QUOTE)
            taken.append(token)
        for token in taken:
            row = self._feed.row(token)
            if row is not None:
                self._levels[row] = LEVEL[self.modes[token]]
        self._due[self._feed.load(taken)] = True
        self._wake.set()

    def _unsubscribe(self, value: object) -> None:
        tokens = _tokens(value)
        if tokens is None:
            self.say("error", BAD_TOKENS)
            return
        for token in tokens:
            self.modes.pop(token, None)
            row = self._feed.row(token)
            if row is not None:
                self._levels[row] = 0
                self._due[row] = False

    # ------------------------------------------------------------------ the broker's side

    def say(self, kind: str, data: object) -> None:
        """Queue a text message of a type."""
        self.send_text(json.dumps({"type": kind, "data": data}))

    def send_text(self, text: str) -> None:
        """Queue a text as it is."""
        self._texts.append(text)
        self._wake.set()

    async def send_binary(self, content: bytes) -> None:
        """Send bytes as they are."""
        try:
            await self._connection.send(content)
        except ConnectionClosed:
            return

    async def close(self, code: int, reason: str) -> None:
        """Close with a code."""
        await self._connection.close(code, reason)

    def reset(self) -> None:
        """Reset the TCP connection."""
        transport = self._connection.transport
        peer = transport.get_extra_info("socket")
        if peer is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    async def run(self) -> None:
        """Serve the client until the connection ends."""
        self._feed.join(self)
        self._faults.watchers.add(self._look_again)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._send_all)
                await self._receive_all()
                group.cancel_scope.cancel()
        finally:
            self._faults.watchers.discard(self._look_again)
            self._feed.leave(self)

    async def _receive_all(self) -> None:
        try:
            async for text in self._connection:
                if isinstance(text, str):
                    self.take(text)
        except ConnectionClosed:
            return

    async def _send_all(self) -> None:
        self._sent_at = anyio.current_time()
        try:
            while True:
                self._wake = anyio.Event()
                held = self._is_held()
                if not held:
                    await self._send_due()
                idle = anyio.current_time() - self._sent_at
                with anyio.move_on_after(self._heartbeat_seconds if held else self._heartbeat_seconds - idle):
                    await self._wake.wait()
        except ConnectionClosed:
            return

    def _look_again(self) -> None:
        self._wake.set()

    def _is_held(self) -> bool:
        """Whether a fault keeps everything back; a half-open socket does not read either."""
        half_open = self._fault(HalfOpen) is not None
        if half_open is not self._reading_paused:
            self._reading_paused = half_open
            if half_open:
                self._connection.transport.pause_reading()
            else:
                self._connection.transport.resume_reading()
        return half_open or self._fault(Silent) is not None

    async def _send_due(self) -> None:
        """Send what is due: texts, the latest rows, or a heartbeat when nothing was for a while."""
        while self._texts:
            await self._send(self._texts.pop(0))
        if self._fault(NoData) is None:
            for content in self._with_faults(self._next_frame()):
                await self._send(content)
                self.stats.frames += 1
        if anyio.current_time() - self._sent_at >= self._heartbeat_seconds:
            await self._send(HEARTBEAT)
            self.stats.heartbeats += 1

    async def _send(self, content: bytes | str) -> None:
        slow = self._fault(Slow)
        if slow is not None:
            await anyio.sleep(slow.delay)
        await self._connection.send(content)
        if isinstance(content, bytes):
            self._sent_at = anyio.current_time()
            self.stats.bytes += len(content)

    def _next_frame(self) -> bytes:
        """Return the latest rows that are due, empty without any."""
        rows = np.flatnonzero(self._due)
        if not len(rows):
            return b""
        self._due[rows] = False
        levels = self._levels[rows]
        zero = self._fault(ZeroSpot) is not None
        parts = [self._feed.packets(rows[levels == LEVEL[mode]], mode, zero_index=zero) for mode in MODES]
        self.stats.packets += sum(count for _, count in parts)
        return frame(parts)

    def _with_faults(self, content: bytes) -> list[bytes]:
        """Return the frames to send for a frame."""
        if not content:
            return []
        contents = [content]
        hold = False
        for fault in self._faults.next_frame(self.api_key, self.number):
            match fault:
                case TruncatedPacket():
                    contents = [content[: -fault.missing] for content in contents]
                case UnknownPacket():
                    contents = [_with_unknown(content, fault.length) for content in contents]
                case HugeFrame():
                    contents = [_repeated(content, fault.packets) for content in contents]
                case DuplicateFrame():
                    contents = contents * 2
                case OutOfOrder():
                    hold = True
        if hold and self._held is None:
            self._held = contents[0]
            return []
        if self._held is not None:
            contents.append(self._held)
            self._held = None
        return contents

    def _fault(self, kind: type[F]) -> F | None:
        return self._faults.stream(kind, self.api_key, self.number)

    @property
    def is_half_open(self) -> bool:
        """Whether reading is stopped by a fault."""
        return self._reading_paused


def _tokens(value: object) -> list[int] | None:
    """Return a list of instrument tokens, None for anything else; numbers in quotes are not served by the broker."""
    if not isinstance(value, list):
        return None
    if not all(type(token) is int and 0 < token < 1 << 32 for token in value):
        return None
    return value


def _named_mode(value: object) -> tuple[object, Mode] | None:
    """Return tokens and mode of ``["full", [tokens]]``, None for anything else; the tokens are not looked at."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str):
        return None
    mode = _MODE_OF_WORD.get(value[0])
    return None if mode is None else (value[1], mode)


def _with_unknown(content: bytes, length: int) -> bytes:
    count = int.from_bytes(content[:2], "big") + 1
    return count.to_bytes(2, "big") + length.to_bytes(2, "big") + bytes(length) + content[2:]


def _repeated(content: bytes, packets: int) -> bytes:
    """Repeat the packets of a frame until it holds at least so many."""
    count = int.from_bytes(content[:2], "big")
    times = min(-(-packets // count), 0xFFFF // count)
    return (count * times).to_bytes(2, "big") + content[2:] * times
