"""The WebSocket side: which connections are accepted, and the texts that the broker sends at each connect."""

from __future__ import annotations

import json
import logging
from asyncio import BaseTransport
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit
from weakref import WeakSet

import anyio
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.protocol import State

from tickertui.frozen import frozen
from tickertui.simulator.accounts import Sessions
from tickertui.simulator.clock import SimulatedClock
from tickertui.simulator.faults import Faults
from tickertui.simulator.feed import Feed
from tickertui.simulator.instruments_csv import Dump
from tickertui.simulator.limits import Limits
from tickertui.simulator.subscriber import Subscriber

_log: Final = logging.getLogger(__name__)
_CLOSE_SECONDS: Final = 1.0
_OPEN_SECONDS: Final = 60.0
_MOST_ATTEMPTS: Final = 1000


@frozen
class UpgradeAttempt:
    """A connection that was asked for.

    Attributes:
        api_key: As sent, empty without one.
        status: 101 when it was accepted.
    """

    api_key: str
    status: int


class StreamServer:
    """Accepts WebSockets.

    Attributes:
        subscribers: Open sockets, oldest first.
        attempts: The last 1,000 connections that were asked for.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        clock: SimulatedClock,
        feed: Feed,
        faults: Faults,
        dump: Dump,
        limits: Limits,
        heartbeat_seconds: float,
    ) -> None:
        self.subscribers: list[Subscriber] = []
        self.attempts: deque[UpgradeAttempt] = deque(maxlen=_MOST_ATTEMPTS)
        self._sessions = sessions
        self._clock = clock
        self._feed = feed
        self._faults = faults
        self._dump = dump
        self._limits = limits
        self._heartbeat_seconds = heartbeat_seconds
        self._accepted: dict[ServerConnection, tuple[str, int]] = {}
        self._count = 0
        self._leaving = anyio.Event()
        self._made: WeakSet[ServerConnection] = WeakSet()

    @asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[int]:
        """Listen, and give the port; leaving closes every socket with 1001.

        Raises:
            OSError: When the port cannot be had.
        """
        made = self._made

        class Remembered(ServerConnection):
            """A connection that is known from its first byte on, not only when its upgrade is through."""

            def connection_made(self, transport: BaseTransport) -> None:
                super().connection_made(transport)
                made.add(self)

        listening = await serve(
            self._run,
            host,
            port,
            process_request=self._on_upgrade,
            compression=None,
            ping_interval=None,  # Whether the broker pings is not documented; it answers pings.
            close_timeout=_CLOSE_SECONDS,
            open_timeout=_OPEN_SECONDS,
            logger=_quiet_logger(),
            create_connection=Remembered,
        )
        try:
            yield next(iter(listening.sockets)).getsockname()[1]
        finally:
            self._leaving.set()
            self._drop_the_unresponsive()
            listening.close()
            with anyio.CancelScope(shield=True):
                await self._until_closed(listening)

    async def _until_closed(self, listening: Server) -> None:
        """Wait for the end of every connection; those that take long are cut off.

        The server's close gives a client one second to answer, but before that it waits for the frame that is under
        way, however long: a client that does not read would keep the simulator for ever.
        """
        with anyio.move_on_after(2 * _CLOSE_SECONDS):
            await listening.wait_closed()
            return
        for connection in tuple(self._made):
            connection.transport.abort()
        await listening.wait_closed()

    def _drop_the_unresponsive(self) -> None:
        """Reset at once what would not answer a close."""
        for subscriber in self.subscribers:
            if subscriber.is_half_open:
                subscriber.reset()
        for connection in tuple(self._made):
            if connection.state is State.CONNECTING:
                connection.transport.abort()

    async def _on_upgrade(self, connection: ServerConnection, request: Request) -> Response | None:
        query = parse_qs(urlsplit(request.path).query, keep_blank_values=True)
        api_key, access_token = (query.get(name, [""])[0] for name in ("api_key", "access_token"))
        with anyio.move_on_after(self._faults.upgrade_delay(api_key)):
            await self._leaving.wait()
        refused = self._faults.next_upgrade(api_key, self._count + 1)
        status = refused.status if refused is not None else self._judge(api_key, access_token)
        self.attempts.append(UpgradeAttempt(api_key, status))
        if status == HTTPStatus.SWITCHING_PROTOCOLS:
            self._count += 1
            self._accepted[connection] = (api_key, self._count)
            return None
        response = connection.respond(HTTPStatus(status), f"{HTTPStatus(status).phrase}\n")
        if refused is not None and refused.retry_after is not None:
            response.headers["Retry-After"] = str(refused.retry_after)
        return response

    def _judge(self, api_key: str, access_token: str) -> int:
        if not api_key or not access_token:
            return HTTPStatus.BAD_REQUEST
        account = self._sessions.account_of(api_key, access_token)
        if account is None or not account.market_data:
            return HTTPStatus.FORBIDDEN
        self._accepted = {peer: mine for peer, mine in self._accepted.items() if peer.state is not State.CLOSED}
        if sum(key == api_key for key, _ in self._accepted.values()) >= self._limits.sockets:
            return HTTPStatus.TOO_MANY_REQUESTS
        return HTTPStatus.SWITCHING_PROTOCOLS

    async def _run(self, connection: ServerConnection) -> None:
        api_key, number = self._accepted[connection]
        subscriber = Subscriber(
            connection,
            api_key,
            number,
            feed=self._feed,
            faults=self._faults,
            most=self._limits.socket_instruments,
            heartbeat_seconds=self._heartbeat_seconds,
        )
        subscriber.say(
            "instruments_meta", {"count": self._dump.count, "etag": self._dump.etag(self._clock.now().date())}
        )
        now = self._clock.now().isoformat(timespec="seconds")
        subscriber.send_text(json.dumps({"type": "app_code", "timestamp": now}))
        self.subscribers.append(subscriber)
        try:
            await subscriber.run()
        except Exception:
            _log.exception("socket %d ended by an error of the simulator", number)
            raise
        finally:
            self.subscribers.remove(subscriber)
            self._accepted.pop(connection, None)


def _quiet_logger() -> logging.Logger:
    """A logger that says nothing: refusals and broken connections are what a simulator is for, not news."""
    logger = logging.getLogger("tickertui.simulator.stream.websockets")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
