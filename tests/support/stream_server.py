"""A small real WebSocket server on loopback that behaves as the broker's stream does, or does not on demand.

It understands nothing of instruments; the simulator of this project is the whole broker. This one is for the tests
of a single `KiteStream`, so that they do not depend on the simulator.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tickertui.market.ticks import Mode

HEARTBEAT_SECONDS = 0.05


@dataclass(slots=True, eq=False)
class Visit:
    """One connection of a client, as the server saw it."""

    socket: ServerConnection
    query: dict[str, str]
    messages: list[dict[str, Any]] = field(default_factory=list)
    modes: dict[int, Mode] = field(default_factory=dict)
    closed: bool = False

    def take(self, text: str) -> None:
        """Keep a message and what it does to the subscriptions."""
        message = json.loads(text)
        self.messages.append(message)
        action, value = message["a"], message["v"]
        if action == "subscribe":
            self.modes.update(dict.fromkeys(value, Mode.QUOTE))
        elif action == "unsubscribe":
            for token in value:
                self.modes.pop(token, None)
        else:
            self.modes.update(dict.fromkeys(value[1], Mode[value[0].upper()]))


class StreamServer:
    """The server's side; faults are switched by its attributes.

    Attributes:
        url: Where it listens.
        visits: Every accepted connection, in order.
        attempts: Query of every upgrade that was asked for, refused ones included.
        refuse_with: Status to refuse upgrades with, None to accept them.
        refuse_headers: Headers of the refusal.
        heartbeat: Whether heartbeats flow.
    """

    def __init__(self) -> None:
        self.url = ""
        self.visits: list[Visit] = []
        self.attempts: list[dict[str, str]] = []
        self.refuse_with: int | None = None
        self.refuse_headers: dict[str, str] = {}
        self.heartbeat = True

    @property
    def visit(self) -> Visit:
        """The last accepted connection."""
        return self.visits[-1]

    @property
    def open_visits(self) -> list[Visit]:
        """Connections that are open."""
        return [visit for visit in self.visits if not visit.closed]

    async def send(self, message: bytes | str) -> None:
        """Send to the last connection."""
        await self.visit.socket.send(message)

    def cut(self) -> None:
        """Reset the last connection without a word."""
        self.visit.socket.transport.abort()

    def _on_request(self, connection: ServerConnection, request: Request) -> Response | None:
        query = {key: values[0] for key, values in parse_qs(urlsplit(request.path).query).items()}
        self.attempts.append(query)
        if self.refuse_with is None:
            return None
        response = connection.respond(HTTPStatus(self.refuse_with), "refused\n")
        response.headers.update(self.refuse_headers)
        return response

    async def _serve(self, socket: ServerConnection) -> None:
        visit = Visit(socket, self.attempts[-1])
        self.visits.append(visit)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._beat, socket)
                async for text in socket:
                    assert isinstance(text, str)
                    visit.take(text)
                group.cancel_scope.cancel()
        finally:
            visit.closed = True

    async def _beat(self, socket: ServerConnection) -> None:
        while True:
            await anyio.sleep(HEARTBEAT_SECONDS)
            if self.heartbeat:
                try:
                    await socket.send(b"\x00")
                except ConnectionClosed:
                    return


@asynccontextmanager
async def stream_server(ssl_context: ssl.SSLContext | None = None) -> AsyncIterator[StreamServer]:
    """A running `StreamServer` on a free port of loopback."""
    server = StreamServer()
    async with serve(
        server._serve, "127.0.0.1", 0, ssl=ssl_context, process_request=server._on_request, close_timeout=0.2
    ) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        server.url = f"{'wss' if ssl_context else 'ws'}://127.0.0.1:{port}"
        yield server
