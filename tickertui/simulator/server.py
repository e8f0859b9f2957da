"""`Simulator`: the whole simulated broker, REST and stream, over a market and a clock.

``tickertui simulate`` runs one (`tickertui.commands.simulate`); the tests of everything that talks to the broker run
one each on free ports of loopback.
"""

from __future__ import annotations

import errno
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Final

import anyio
from anyio.abc import SocketAttribute, SocketListener

from tickertui.frozen import frozen
from tickertui.simulator import faults as wrong
from tickertui.simulator.accounts import Sessions, SimulatedAccount
from tickertui.simulator.clock import SimulatedClock
from tickertui.simulator.control import Control, SimulatorState, SocketState
from tickertui.simulator.feed import Feed
from tickertui.simulator.http import Request, Response, serve_http
from tickertui.simulator.instruments_csv import Dump
from tickertui.simulator.limits import Limits
from tickertui.simulator.login import PATH as LOGIN_PATH
from tickertui.simulator.login import LoginPages
from tickertui.simulator.market import SimulatedMarket
from tickertui.simulator.orders import SimulatedOrder
from tickertui.simulator.responses import Page
from tickertui.simulator.rest import RestApi
from tickertui.simulator.stream import StreamServer, UpgradeAttempt
from tickertui.simulator.subscriber import Subscriber

_MOST_ORDERS: Final = 1000


@frozen
class Timing:
    """How often things happen, in seconds of the machine's clock.

    Attributes:
        heartbeat: A silent socket gets a heartbeat this often.
        step: The market moves this often; 0 never by itself, only by `RunningSimulator.step`.
    """

    heartbeat: float = 1.0
    step: float = 0.5


class CannotListen(Exception):  # noqa: N818 - a sentence for the user
    """A port cannot be had; the text says which and why.

    Attributes:
        is_stream: Whether it is the stream's port, not that of REST.
        in_use: Whether another program has it.
    """

    def __init__(self, sentence: str, *, is_stream: bool, in_use: bool) -> None:
        super().__init__(sentence)
        self.is_stream = is_stream
        self.in_use = in_use


class RunningSimulator:
    """A simulator that listens.

    Attributes:
        rest_url: Root of the REST interface.
        stream_url: Address of the stream.
        login_url: The login page, for the client's setting.
        market: The market behind it.
        market_name: What it says of itself, so that clients keep its data apart.
        clock: Market time.
        sessions: Tokens.
        faults: Lasting faults that are on.
        limits: What is allowed.
    """

    def __init__(
        self,
        market: SimulatedMarket,
        clock: SimulatedClock,
        accounts: Sequence[SimulatedAccount],
        limits: Limits,
        timing: Timing,
        seed: int,
        market_name: str,
    ) -> None:
        self.rest_url = ""
        self.stream_url = ""
        self.login_url = ""
        self.market = market
        self.market_name = market_name
        self.clock = clock
        self.limits = limits
        self.sessions = Sessions(accounts, clock, limits.request_token_seconds, seed)
        self.faults = wrong.Faults(clock.base, random.Random(seed))  # noqa: S311 - reproducible faults
        self._timing = timing
        self._orders: dict[str, list[dict[str, object]]] = {}
        self._answers: Counter[int] = Counter()
        self._feed = Feed(market)
        dump = Dump(market)
        self._stream = StreamServer(
            sessions=self.sessions,
            clock=clock,
            feed=self._feed,
            faults=self.faults,
            dump=dump,
            limits=limits,
            heartbeat_seconds=timing.heartbeat,
        )
        self._rest = RestApi(
            market=market,
            sessions=self.sessions,
            clock=clock,
            dump=dump,
            faults=self.faults,
            limits=limits,
            orders_of=lambda api_key: self._orders.get(api_key, ()),
        )
        self._login = LoginPages(self.sessions)
        self._control = Control(self)

    # ------------------------------------------------------------------ what happens

    @property
    def sockets(self) -> Sequence[Subscriber]:
        """Open sockets, oldest first."""
        return tuple(self._stream.subscribers)

    @property
    def attempts(self) -> Sequence[UpgradeAttempt]:
        """The last connections that were asked for, refused ones included."""
        return tuple(self._stream.attempts)

    def state(self) -> SimulatorState:
        """Return how things are."""
        return SimulatorState(
            now=self.clock.now(),
            speed=self.clock.speed,
            market=self.market_name,
            rest_url=self.rest_url,
            stream_url=self.stream_url,
            contracts=len(self.market.instruments),
            api_keys=tuple(self.sessions.accounts),
            logged_in=tuple(sorted({api_key for api_key, _ in self.sessions.valid_tokens()})),
            sockets=tuple(_socket_state(subscriber) for subscriber in self._stream.subscribers),
            faults=tuple(self.faults.active()),
            refused=dict(Counter(row.status for row in self._stream.attempts if row.status != 101)),
            answers=dict(self._answers),
        )

    # ------------------------------------------------------------------ what one can do

    def step(self) -> int:
        """Move the market to the clock's time now and return how many instruments changed."""
        return self._feed.step(self.clock.now())

    def account(self, api_key: str) -> SimulatedAccount:
        """Return the account of a key.

        Raises:
            KeyError: When there is none.
        """
        return self.sessions.accounts[api_key]

    def request_token(self, api_key: str) -> str:
        """Log in without a browser and return a request token.

        Raises:
            KeyError: When there is no such account.
        """
        return self.sessions.issue_request_token(self.account(api_key))

    def send_order(self, api_key: str, order: SimulatedOrder) -> int:
        """Send an order update to every socket of a key and return to how many.

        Raises:
            KeyError: When there is no such account.
        """
        postback = order.postback(self.account(api_key), self.clock.now())
        orders = self._orders.setdefault(api_key, [])
        orders.append(postback)
        del orders[:-_MOST_ORDERS]
        receivers = [subscriber for subscriber in self._stream.subscribers if subscriber.api_key == api_key]
        for subscriber in receivers:
            subscriber.say("order", postback)
        return len(receivers)

    async def misbehave(self, fault: wrong.AnyFault) -> int:
        """Switch a fault on; one that happens at once is over when this returns, and has the number 0."""
        match fault:
            case wrong.ExpireTokens():
                self.sessions.expire(fault.api_key)
            case wrong.GarbageText() | wrong.GarbageFrame() | wrong.Reset() | wrong.Close():
                for subscriber in self.sockets:
                    if fault.concerns(subscriber.api_key, subscriber.number):
                        await _hit(subscriber, fault)
            case _:
                return self.faults.add(fault)
        return 0

    def clear_faults(self, number: int | None = None) -> int:
        """Switch one lasting fault off, or all, and return how many were on."""
        return self.faults.clear(number)

    # ------------------------------------------------------------------ running

    async def handle(self, request: Request) -> Response:
        """Answer one REST request."""
        if request.path == "/":
            return self._front_page()
        page = self._login.handle(request)
        if page is not None:
            return page
        if request.path.startswith("/simulator"):
            return await self._control.handle(request)
        response = await self._rest.handle(request)
        self._answers[0 if response.reset else response.status] += 1
        return response

    def _front_page(self) -> Response:
        keys = ", ".join(f"<code>{key}</code>" for key in self.sessions.accounts)
        return Page(
            "Simulated broker",
            f"<p>REST <code>{self.rest_url}</code>, stream <code>{self.stream_url}</code>, API keys {keys}.</p>"
            f"<p>Market time {self.clock.now():%d %b %Y %H:%M:%S}; <a href=/simulator/state>state</a></p>",
        ).response()

    async def _move_market(self) -> None:
        due = anyio.current_time()
        while True:
            # By the clock, not by pauses: a step of 20 ms must not make the market slower. A late one is not made up.
            due = max(due + self._timing.step, anyio.current_time())
            await anyio.sleep_until(due)
            self.step()

    @asynccontextmanager
    async def _listening(self, host: str, rest_port: int, stream_port: int) -> AsyncIterator[None]:
        with _refusing(host, rest_port, is_stream=False):
            multi = await anyio.create_tcp_listener(local_host=host, local_port=rest_port)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(multi)
            with _refusing(host, stream_port, is_stream=True):
                stream_at = await stack.enter_async_context(self._stream.serve(host, stream_port))
            rest_at = multi.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's
            self.rest_url = f"http://{_for_url(host)}:{rest_at}"
            self.stream_url = f"ws://{_for_url(host)}:{stream_at}"
            self.login_url = f"{self.rest_url}{LOGIN_PATH}"
            failure: Exception | None = None
            async with anyio.create_task_group() as group:
                for listener in multi.listeners:
                    assert isinstance(listener, SocketListener)
                    group.start_soon(serve_http, listener, self.handle)
                if self._timing.step:
                    group.start_soon(self._move_market)
                try:
                    yield
                except Exception as error:  # noqa: BLE001 - it goes on below, without the group around it
                    failure = error
                group.cancel_scope.cancel()
            if failure is not None:
                raise failure


class Simulator:
    """A simulated broker.

    Args:
        market: The market behind it.
        clock: Market time.
        accounts: Who can log in.
        limits: What is allowed.
        timing: How often things happen.
        seed: Of tokens and of the faults' probabilities.
        market_name: Tells this market from others; by the seed when None.

    Raises:
        ValueError: When two accounts share an API key.
    """

    def __init__(
        self,
        market: SimulatedMarket,
        *,
        clock: SimulatedClock,
        accounts: Sequence[SimulatedAccount],
        limits: Limits | None = None,
        timing: Timing | None = None,
        seed: int = 7,
        market_name: str | None = None,
    ) -> None:
        name = f"seed {seed}" if market_name is None else market_name
        self._running = RunningSimulator(market, clock, accounts, limits or Limits(), timing or Timing(), seed, name)

    @asynccontextmanager
    async def serve(
        self, host: str = "127.0.0.1", rest_port: int = 0, stream_port: int = 0
    ) -> AsyncIterator[RunningSimulator]:
        """Listen until left; port 0 takes a free one.

        Raises:
            CannotListen: When a port cannot be had.
        """
        async with self._running._listening(host, rest_port, stream_port):
            yield self._running


@contextmanager
def _refusing(host: str, port: int, *, is_stream: bool) -> Iterator[None]:
    try:
        yield
    except (OSError, OverflowError) as error:
        in_use = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "is in use" if in_use else f"cannot be listened on ({getattr(error, 'strerror', None) or error})"
        raise CannotListen(f"port {port} of {host} {reason}", is_stream=is_stream, in_use=in_use) from None


def _for_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _socket_state(subscriber: Subscriber) -> SocketState:
    stats = subscriber.stats
    return SocketState(
        number=subscriber.number,
        api_key=subscriber.api_key,
        instruments=dict(Counter(mode.label for mode in subscriber.modes.values())),
        frames=stats.frames,
        packets=stats.packets,
        heartbeats=stats.heartbeats,
        bytes=stats.bytes,
        messages=stats.messages,
    )


async def _hit(
    subscriber: Subscriber, fault: wrong.GarbageText | wrong.GarbageFrame | wrong.Reset | wrong.Close
) -> None:
    match fault:
        case wrong.GarbageText():
            subscriber.send_text(fault.text)
        case wrong.GarbageFrame():
            await subscriber.send_binary(bytes.fromhex(fault.content))
        case wrong.Reset():
            subscriber.reset()
        case wrong.Close():
            await subscriber.close(fault.code, fault.reason)
