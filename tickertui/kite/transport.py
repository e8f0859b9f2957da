"""How bytes reach `tickertui.kite.stream`: a small protocol, and WebSockets by the `websockets` package.

Every failure becomes one of the three errors below, without the address (it holds the API key and the token). The
package's own log lines hold the address too and are switched off.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import websockets.asyncio.client as client
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

_MAX_MESSAGE_BYTES: Final = 4 << 20
"""3,000 full packets, the most a connection may carry, make a frame of 558 kB."""

_MAX_QUEUED_FRAMES: Final = 16
"""Frames read ahead of the decoder. More would only delay the moment the broker notices that we are slow, and let
one wake-up of the reader hold the event loop for longer (a full frame of 500 takes about 0.1 ms)."""

_PING_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 1.0
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class TransportError(Exception):
    """A connection could not be made or broke; the text is a sentence without a secret."""


class ConnectRefused(TransportError):  # noqa: N818 - it ends on TransportError where it is caught
    """The server answered the upgrade with an HTTP status instead.

    Attributes:
        status: The HTTP status.
        retry_after: Seconds the server asked to wait, None when it did not say.
    """

    def __init__(self, status: int, retry_after: float | None = None) -> None:
        super().__init__(f"the server refused the connection (HTTP {status})")
        self.status = status
        self.retry_after = retry_after


class ConnectFailed(TransportError):  # noqa: N818
    """No server was reached, or what was reached does not speak the protocol."""


class ConnectionLost(TransportError):  # noqa: N818
    """An open connection ended."""


class Connection(Protocol):
    """An open connection."""

    async def receive(self) -> bytes | str:
        """Return the next message, binary as bytes, text as str.

        Raises:
            ConnectionLost: When there is none any more.
        """
        ...

    @property
    def waiting(self) -> int:
        """Messages received and not taken yet."""
        ...

    async def send(self, text: str) -> None:
        """Send a text message.

        Raises:
            ConnectionLost: When the connection is gone.
        """
        ...

    async def close(self, *, abrupt: bool = False) -> None:
        """Close; with ``abrupt`` without waiting for the other side, which is not expected to answer."""
        ...


class Transport(Protocol):
    """Makes connections."""

    async def connect(self, url: str) -> Connection:
        """Open a connection; the caller limits the time.

        Raises:
            ConnectRefused: When the server answered with an HTTP status.
            ConnectFailed: Otherwise.
        """
        ...


class WebSocketConnection:
    """An open WebSocket."""

    __slots__ = ("_socket",)

    def __init__(self, connection: client.ClientConnection) -> None:
        self._socket = connection

    async def receive(self) -> bytes | str:
        """See `Connection`."""
        try:
            return await self._socket.recv()
        except ConnectionClosed as error:
            raise ConnectionLost(_closing_words(error)) from None

    @property
    def waiting(self) -> int:
        """See `Connection`; the library keeps them in a queue of its own, which has a length."""
        return len(self._socket.recv_messages.frames)

    async def send(self, text: str) -> None:
        """See `Connection`."""
        try:
            await self._socket.send(text)
        except ConnectionClosed as error:
            raise ConnectionLost(_closing_words(error)) from None

    async def close(self, *, abrupt: bool = False) -> None:
        """See `Connection`; waits at most 2 s, and a cancellation does not cut it short."""
        peer = self._socket
        with anyio.move_on_after(2 * _CLOSE_SECONDS, shield=True) as closing:
            if abrupt:
                peer.transport.abort()
                await peer.wait_closed()
            else:
                await peer.close()
        if closing.cancelled_caught:
            # The other side reads nothing, so that the closing message itself is stuck.
            peer.transport.abort()


@dataclass(slots=True)
class WebSocketTransport:
    """WebSockets over TLS, certificates verified.

    Attributes:
        ssl_context: Whom to trust; the system's certificate authorities by default (loaded once, in a thread: that
            takes some 20 ms).
    """

    ssl_context: ssl.SSLContext | None = None
    _logger: logging.Logger = field(default_factory=lambda: _silent_logger(), init=False, repr=False)

    async def connect(self, url: str) -> WebSocketConnection:
        """See `Transport`."""
        try:
            return WebSocketConnection(await self._open(url))
        except InvalidStatus as error:
            headers = error.response.headers
            raise ConnectRefused(error.response.status_code, _seconds(headers.get("Retry-After"))) from None
        except OSError as error:
            raise ConnectFailed(f"no connection to {_place(url)}: {_network_words(error)}") from None
        except (WebSocketException, EOFError, ValueError) as error:
            # The texts of some of these hold the address.
            raise ConnectFailed(f"{_place(url)} does not answer as a WebSocket ({type(error).__name__})") from None
        except ImportError:
            raise ConnectFailed("a SOCKS proxy is set in the environment, which needs python-socks") from None

    async def _open(self, url: str) -> client.ClientConnection:
        parts = urlsplit(url)
        context = None
        if parts.scheme == "wss":
            if self.ssl_context is None:
                self.ssl_context = await anyio.to_thread.run_sync(ssl.create_default_context)
            context = self.ssl_context
        return await client.connect(
            url,
            ssl=context,
            compression=None,
            additional_headers={"X-Kite-Version": "3"},
            # A proxy of the environment is for the way out, not for a simulator on this machine.
            proxy=None if parts.hostname in _LOOPBACK else True,
            open_timeout=None,
            ping_interval=_PING_SECONDS,
            ping_timeout=_PING_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            max_size=_MAX_MESSAGE_BYTES,
            max_queue=_MAX_QUEUED_FRAMES,
            logger=self._logger,
        )


def _silent_logger() -> logging.Logger:
    """A logger outside the tree of loggers, so that no configuration can make it speak."""
    logger = logging.Logger("tickertui.kite.transport", level=logging.CRITICAL + 1)
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger


def _place(url: str) -> str:
    """Host and port of an address, which are no secret."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or "the server"
    except ValueError:
        return "the server"


def _network_words(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message.strip()})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or 'no reason given'})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error) or type(error).__name__
    return os.strerror(error.errno)


def _closing_words(error: ConnectionClosed) -> str:
    """Say how a connection ended."""
    received = error.rcvd
    if received is not None:
        reason = f", {received.reason}" if received.reason else ""
        return f"the server closed the connection (code {int(received.code)}{reason})"
    sent = error.sent
    if sent is not None and sent.reason:
        return f"the connection was given up (code {int(sent.code)}, {sent.reason})"
    return "the connection broke off without a closing message"


def _seconds(text: str | None) -> float | None:
    """Seconds of a Retry-After header; its form with a date is not used by the broker and passed over."""
    return float(text) if text is not None and text.strip().isdecimal() else None
