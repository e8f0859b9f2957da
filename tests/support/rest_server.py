"""A small real HTTP server on loopback that answers what a test tells it to, in threads of its own.

It knows nothing of the broker; the simulator of this project is the whole broker. This one is for answers that no
broker should give.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    form: dict[str, list[str]]
    headers: dict[str, str]
    at: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer.

    Attributes:
        body: Bytes.
        status: HTTP status.
        content_type: None to leave the header out.
        headers: More headers.
        hang: Answer only when the server is stopped.
        cut: Promise more bytes than are sent, then close.
    """

    body: bytes = b""
    status: int = 200
    content_type: str | None = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    cut: bool = False


def success(data: object) -> Reply:
    """The broker's envelope around data."""
    return Reply(json.dumps({"status": "success", "data": data}).encode())


def failure(status: int, error_type: str | None, message: str = "no", **headers: str) -> Reply:
    """The broker's envelope around an error."""
    body = {"status": "error", "message": message, "data": None}
    if error_type is not None:
        body["error_type"] = error_type
    return Reply(
        json.dumps(body).encode(), status, headers={key.replace("_", "-"): value for key, value in headers.items()}
    )


class RestServer:
    """The server's side.

    Attributes:
        url: Where it listens.
        requests: Every request, in order.
        answer: Makes the reply to a request; a test sets it.
    """

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Reply] = lambda request: failure(404, "GeneralException", "Route not found")
        self.stopping = threading.Event()

    def replies(self, *replies: Reply) -> None:
        """Answer with these in turn; the last one for ever."""
        rest = list(replies)
        self.answer = lambda request: rest.pop(0) if len(rest) > 1 else rest[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    rest: RestServer

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        request = Request(
            self.command,
            parts.path,
            parse_qs(parts.query),
            parse_qs(body),
            dict(self.headers.items()),
            time.monotonic(),
        )
        self.rest.requests.append(request)
        reply = self.rest.answer(request)
        if reply.hang:
            self.rest.stopping.wait()
            self.close_connection = True
            return
        self.send_response(reply.status)
        if reply.content_type is not None:
            self.send_header("Content-Type", reply.content_type)
        for key, value in reply.headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(reply.body) + 1000 * reply.cut))
        self.end_headers()
        self.wfile.write(reply.body)
        self.close_connection = self.close_connection or reply.cut

    do_GET = do_POST = do_DELETE = _handle  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def rest_server(host: str = "127.0.0.1") -> Iterator[RestServer]:
    """A running `RestServer` on a free port of an address of loopback."""
    rest = RestServer()
    handler = type("Handler", (_Handler,), {"rest": rest})
    server = ThreadingHTTPServer((host, 0), handler)
    server.daemon_threads = False
    rest.url = f"http://{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield rest
    finally:
        rest.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()
