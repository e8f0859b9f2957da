"""A plain HTTP client for tests: raw bytes in, raw bytes out, or one call with headers and body."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

SECONDS = 20.0
_MOST_HEAD = 1 << 16


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        """The data of a broker's envelope that says success."""
        document = self.json
        assert document["status"] == "success", document
        return document["data"]

    @property
    def text(self) -> str:
        """The body, uncompressed."""
        packed = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).decode()


class HttpConnection:
    """One connection, kept alive by whoever holds it."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self.stream = stream
        self._reader = BufferedByteReceiveStream(stream)

    async def send(self, raw: bytes) -> None:
        await self.stream.send(raw)

    async def receive(self, *, head_only: bool = False) -> Answer:
        """The next answer.

        Raises:
            anyio.IncompleteRead: When the server ends within it.
            anyio.BrokenResourceError: When it resets the connection.
        """
        with anyio.fail_after(SECONDS):
            head = (await self._reader.receive_until(b"\r\n\r\n", _MOST_HEAD)).decode("latin-1")
            first, *lines = head.split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            size = 0 if head_only else int(headers.get("content-length", "0"))
            body = await self._reader.receive_exactly(size) if size else b""
        return Answer(int(first.split(" ")[1]), headers, body)

    async def until_closed(self) -> bytes:
        """What still comes until the server ends."""
        rest = b""
        with anyio.fail_after(SECONDS):
            while True:
                try:
                    rest += await self._reader.receive()
                except anyio.EndOfStream:
                    return rest

    async def call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        document: object = None,
    ) -> Answer:
        """Send one request and return its answer."""
        body = b""
        lines = {"Host": "test", **(headers or {})}
        if form is not None:
            body = urlencode(form).encode()
            lines["Content-Type"] = "application/x-www-form-urlencoded"
        if document is not None:
            body = json.dumps(document).encode()
            lines["Content-Type"] = "application/json"
        if body:
            lines["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        await self.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return await self.receive(head_only=method == "HEAD")


async def connect(url: str) -> HttpConnection:
    """A new connection to the server of an address."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return HttpConnection(await anyio.connect_tcp(parts.hostname, parts.port))
