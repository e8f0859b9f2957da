"""A compact HTTP/1.1 server on anyio, for the simulator's REST side and nothing else.

`tickertui.simulator.server` runs `serve_http` with the handler of `tickertui.simulator.rest`. It is our own because a
true-to-life broker must do what servers for production refuse: request lines of 26 kB (1,000 quotes), answers that are
cut short, and connections reset instead of answered, on demand. It keeps connections alive, takes pipelined requests
and bodies with a Content-Length, and refuses everything else with the right status. It is meant for loopback: no TLS,
no chunked request bodies, no limit on the number of connections.

Source: RFC 9110 and RFC 9112.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import anyio
from anyio.abc import SocketAttribute, SocketListener, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from tickertui.frozen import frozen

MOST_HEAD_BYTES: Final = 128 << 10
"""Request line and headers: a request for 1,000 quotes has a line of 26 kB."""
MOST_BODY_BYTES: Final = 1 << 20
IDLE_SECONDS: Final = 75.0
"""An idle connection is kept this long, as most servers do."""
READ_SECONDS: Final = 30.0
"""A body that was announced has to arrive within this."""
LINGER_SECONDS: Final = 2.0
"""After a refusal, the rest of what the client sends is read and dropped for so long."""

_log: Final = logging.getLogger(__name__)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_RESET: Final = struct.pack("ii", 1, 0)


@frozen
class Request:
    """One request.

    Attributes:
        method: As sent, e.g. ``GET``.
        path: Decoded path without the query.
        query: (name, value) pairs in order, decoded.
        headers: By lower-case name; repeated ones are joined with a comma.
        body: Raw bytes.
        keep_alive: Whether the client wants to go on with this connection.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes = b""
    keep_alive: bool = True

    def all(self, name: str) -> list[str]:
        """Return every value of a query parameter."""
        return [value for key, value in self.query if key == name]

    def first(self, name: str) -> str | None:
        """Return the first value of a query parameter, None without one."""
        return next((value for key, value in self.query if key == name), None)

    def form(self) -> dict[str, str]:
        """Return a form-encoded body; the last of repeated names wins."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    def json(self) -> object:
        """Return a JSON body.

        Raises:
            ValueError: When it is not JSON.
        """
        return json.loads(self.body)

    @property
    def takes_gzip(self) -> bool:
        """Whether the client accepts a gzip-encoded answer."""
        codings = self.headers.get("accept-encoding", "").replace(" ", "").split(",")
        qualities = {name: quality for name, _, quality in (coding.partition(";q=") for coding in codings)}
        quality = qualities.get("gzip", "0")
        return not quality or bool(quality.strip("0."))


@frozen
class Response:
    """One answer.

    Attributes:
        status: HTTP status.
        body: Bytes as they go on the wire.
        content_type: Empty for none.
        headers: Further headers.
        cut_at: Send only so many bytes of the body, though all are announced, then close.
        reset: Send nothing and reset the connection.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = field(default=())
    cut_at: int | None = None
    reset: bool = False


Handler = Callable[[Request], Awaitable[Response]]


class BadRequest(Exception):  # noqa: N818 - the name of the status
    """What the client sent is not a request that this server takes; the connection ends with the status.

    Attributes:
        status: HTTP status to answer with.
    """

    def __init__(self, status: HTTPStatus, what: str) -> None:
        super().__init__(what)
        self.status = status


async def serve_http(listener: SocketListener, handler: Handler) -> None:
    """Answer requests until cancelled."""

    async def serve(stream: SocketStream) -> None:
        try:
            await _serve_connection(stream, handler)
        except (anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError):
            pass  # The client has gone; there is nobody to tell.
        finally:
            await anyio.aclose_forcefully(stream)

    await listener.serve(serve)


async def _serve_connection(stream: SocketStream, handler: Handler) -> None:
    reader = BufferedByteReceiveStream(stream)
    while True:
        try:
            request = await _read_request(reader, stream)
        except BadRequest as error:
            text = f"{error.status.value} {error.status.phrase}: {error}\n"
            await stream.send(_encode(Response(error.status, text.encode(), "text/plain; charset=utf-8"), close=True))
            await _linger(stream)
            return
        if request is None:
            return
        response = await _answer(request, handler)
        if response.reset:
            reset(stream)
            return
        head_only = request.method == "HEAD"
        await stream.send(_encode(response, close=not request.keep_alive, head_only=head_only))
        if not request.keep_alive or response.cut_at is not None:
            return


async def _answer(request: Request, handler: Handler) -> Response:
    try:
        return await handler(request)
    except Exception:  # noqa: BLE001 - one bad answer must not end the server; log and client say that there was one
        _log.exception("%s %s could not be answered", request.method, request.path)
        body = b'{"status": "error", "message": "Internal error", "data": null, "error_type": "GeneralException"}'
        return Response(HTTPStatus.INTERNAL_SERVER_ERROR, body)


async def _linger(stream: SocketStream) -> None:
    """Let the client read the refusal: closing with bytes of its request unread would reset the connection."""
    await stream.send_eof()
    with anyio.move_on_after(LINGER_SECONDS):
        while True:
            await stream.receive()


def reset(stream: SocketStream) -> None:
    """Make the close that follows a reset (RST) instead of a polite end (FIN)."""
    peer = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - not Django's
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


async def _read_request(reader: BufferedByteReceiveStream, stream: SocketStream) -> Request | None:
    """Return the next request, None when the client is done.

    Raises:
        BadRequest: When it cannot be taken.
    """
    try:
        with anyio.fail_after(IDLE_SECONDS):
            head = await reader.receive_until(b"\r\n\r\n", MOST_HEAD_BYTES)
    except (anyio.IncompleteRead, TimeoutError):
        return None
    except anyio.DelimiterNotFound:
        what = f"the request line and headers are longer than {MOST_HEAD_BYTES} bytes"
        raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, what) from None
    request = parse_head(head)
    length = _body_length(request.headers)
    if not length:
        return request
    if request.headers.get("expect", "").lower() == "100-continue":
        await stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await _read_body(reader, length)
    return Request(request.method, request.path, request.query, request.headers, body, request.keep_alive)


async def _read_body(reader: BufferedByteReceiveStream, length: int) -> bytes:
    try:
        with anyio.fail_after(READ_SECONDS):
            return await reader.receive_exactly(length)
    except TimeoutError:
        raise BadRequest(HTTPStatus.REQUEST_TIMEOUT, f"the body of {length} bytes did not arrive") from None
    except anyio.IncompleteRead:
        raise BadRequest(HTTPStatus.BAD_REQUEST, f"the body of {length} bytes was cut short") from None


def parse_head(head: bytes) -> Request:
    """Parse request line and headers, without the empty line behind them.

    Raises:
        BadRequest: When they are not HTTP/1.x.
    """
    first, *rest = head.decode("latin-1").lstrip("\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the first line is not `METHOD TARGET HTTP/1.1`")
    method, target, version = words
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        if not version.startswith("HTTP/"):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "the first line is not `METHOD TARGET HTTP/1.1`")
        raise BadRequest(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    headers = _parse_headers(rest)
    if version == "HTTP/1.1" and "host" not in headers:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the Host header is missing")
    path, query = _parse_target(target)
    wishes = headers.get("connection", "").lower()
    keep_alive = "keep-alive" in wishes if version == "HTTP/1.0" else "close" not in wishes
    return Request(method, path, query, headers, keep_alive=keep_alive)


def _parse_target(target: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    try:
        parts = urlsplit(target)
    except ValueError:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the request target is not an address") from None
    if not parts.path.startswith("/"):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the request target does not start with /")
    return unquote(parts.path), tuple(parse_qsl(parts.query, keep_blank_values=True))


def _parse_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "a header line is not `Name: value`")
        name, value = name.lower(), value.strip(" \t")
        if name == "content-length" and headers.get(name, value) != value:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "there are two different Content-Length headers")
        headers[name] = (
            value if name in ("content-length", "host") or name not in headers else f"{headers[name]}, {value}"
        )
    return headers


def _body_length(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise BadRequest(HTTPStatus.NOT_IMPLEMENTED, "a body needs a Content-Length here, not a Transfer-Encoding")
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "the Content-Length is not a number")
    if len(text) > 12 or int(text) > MOST_BODY_BYTES:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {MOST_BODY_BYTES} bytes")
    return int(text)


def _encode(response: Response, *, close: bool, head_only: bool = False) -> bytes:
    try:
        phrase = HTTPStatus(response.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {int(response.status)} {phrase}"]
    if response.content_type:
        lines.append(f"Content-Type: {response.content_type}")
    lines.append(f"Content-Length: {len(response.body)}")
    lines += [f"{name}: {value}" for name, value in response.headers]
    if close or response.cut_at is not None:
        lines.append("Connection: close")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head if head_only else head + response.body[: response.cut_at]
