"""A plain WebSocket client of the stream, which sees every frame as it is on the wire."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tickertui.kite.packets import decode
from tickertui.market.ticks import TickBatch
from tickertui.simulator.accounts import SimulatedAccount

SECONDS = 20.0


class RawSocket:
    """An open connection.

    Attributes:
        texts: Text messages that were passed over so far, decoded.
        heartbeats: Heartbeats that were passed over so far.
        closed: How the connection ended, once `until_closed` has seen it.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.texts: list[Any] = []
        self.heartbeats = 0
        self.closed: ConnectionClosed | None = None

    async def send(self, action: str, value: object) -> None:
        """Send a message in the broker's form."""
        await self.connection.send(json.dumps({"a": action, "v": value}))

    async def subscribe(self, tokens: Sequence[int], mode: str | None = None) -> None:
        """Subscribe, in a mode when one is named."""
        await (self.send("subscribe", list(tokens)) if mode is None else self.send("mode", [mode, list(tokens)]))

    async def receive(self) -> bytes | str:
        """The next frame, whatever it is."""
        with anyio.fail_after(SECONDS):
            return await self.connection.recv()

    async def frame(self) -> bytes:
        """The next data frame; heartbeats are counted and texts kept."""
        while True:
            content = await self.receive()
            if isinstance(content, str):
                self.texts.append(json.loads(content))
            elif len(content) == 1:
                self.heartbeats += 1
            else:
                return content

    async def batch(self) -> TickBatch:
        """The next data frame, decoded."""
        return decode(await self.frame())

    async def text(self, kind: str) -> Any:
        """The data of the next text message of a type; data frames are passed over."""
        while True:
            content = await self.receive()
            if isinstance(content, str):
                message = json.loads(content)
                if message["type"] == kind:
                    return message.get("data")

    async def only_heartbeats(self, count: int) -> None:
        """Receive so many heartbeats with nothing between them."""
        for _ in range(count):
            content = await self.receive()
            assert content == b"\x00", content

    async def until_closed(self) -> int | None:
        """Receive until the connection ends; the code that the server closed with, None without one."""
        while True:
            try:
                await self.receive()
            except ConnectionClosed as closed:
                self.closed = closed
                return closed.rcvd.code if closed.rcvd is not None else None

    async def prices(self, wanted: dict[int, float]) -> TickBatch:
        """Receive until the latest price of each token is the wanted one; the last batch."""
        seen: dict[int, float] = {}
        while seen != wanted:
            batch = await self.batch()
            seen |= dict(zip(batch.instrument_token.tolist(), batch.last_price.tolist(), strict=True))
        return batch


def stream_address(url: str, api_key: str, access_token: str) -> str:
    """Address of the stream with its credentials."""
    return f"{url}/?{urlencode({'api_key': api_key, 'access_token': access_token})}"


@asynccontextmanager
async def raw_socket(url: str, account: SimulatedAccount, access_token: str | None = None) -> AsyncIterator[RawSocket]:
    """An open connection of an account."""
    address = stream_address(url, account.api_key, account.access_token if access_token is None else access_token)
    async with connect(address, compression=None, max_size=None, close_timeout=0.5, ping_interval=None) as connection:
        yield RawSocket(connection)
