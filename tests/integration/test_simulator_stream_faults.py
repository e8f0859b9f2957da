"""Every fault of the simulated stream, seen on the wire, and gone again when it is cleared."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.plain_market import NIFTY, PlainMarket
from tests.support.raw_socket import RawSocket, raw_socket, stream_address
from tests.support.simulators import SimulatedBroker, simulated_broker
from tests.support.waiting import wait_until
from tickertui.kite.packets import MalformedFrame, decode
from tickertui.market.ticks import Word
from tickertui.simulator.faults import (
    FAULT_TYPES,
    Close,
    DuplicateFrame,
    GarbageFrame,
    GarbageText,
    HalfOpen,
    HugeFrame,
    NoData,
    OutOfOrder,
    RefuseUpgrade,
    Reset,
    Silent,
    Slow,
    SlowUpgrade,
    StreamFault,
    TruncatedPacket,
    UnknownPacket,
    ZeroSpot,
)

INFY = 408065
PATIENCE = 0.4
"""Eight heartbeats: a socket from which nothing came for so long is silent."""


async def silent(socket: RawSocket) -> bool:
    """Whether nothing comes for a while."""
    with anyio.move_on_after(PATIENCE):
        await socket.connection.recv()
        return False
    return True


async def begun(broker: SimulatedBroker, stack: AsyncExitStack, mode: str = "full") -> RawSocket:
    """A socket with two subscriptions whose first packets have come."""
    socket = await stack.enter_async_context(raw_socket(broker.stream_url, broker.accounts[0]))
    await socket.subscribe([NIFTY, INFY], mode)
    assert len(await socket.batch()) == 2
    return socket


def price(broker: SimulatedBroker, token: int = INFY) -> float:
    assert isinstance(broker.market, PlainMarket)
    return float(broker.market.row(token)[Word.LAST_PRICE] / 100)


async def alive(broker: SimulatedBroker, socket: RawSocket) -> None:
    """The socket gets the next tick."""
    broker.step()
    await socket.prices({NIFTY: price(broker, NIFTY), INFY: price(broker)})


# ---------------------------------------------------------------------- what lasts


async def test_silent_sends_nothing_but_answers_pings() -> None:
    async with simulated_broker() as broker, AsyncExitStack() as stack:
        socket = await begun(broker, stack)
        number = await broker.misbehave(Silent())
        while not await silent(socket):
            broker.step()
        broker.step()
        assert await silent(socket)
        with anyio.fail_after(10):
            await (await socket.connection.ping())
        assert broker.simulator.clear_faults(number) == 1
        await socket.prices({NIFTY: price(broker, NIFTY), INFY: price(broker)})


async def test_no_data_leaves_the_heartbeats() -> None:
    async with simulated_broker() as broker, AsyncExitStack() as stack:
        socket = await begun(broker, stack)
        await broker.misbehave(NoData())
        broker.step()
        await socket.only_heartbeats(5)
        broker.simulator.clear_faults()
        assert (await socket.batch()).last_price.max() == max(price(broker), price(broker, NIFTY))


async def test_half_open_neither_sends_nor_reads() -> None:
    async with simulated_broker() as broker, AsyncExitStack() as stack:
        socket = await begun(broker, stack)
        await broker.misbehave(HalfOpen())
        await wait_until(lambda: broker.sockets[0].is_half_open, "the socket is half open")
        while not await silent(socket):
            pass
        ponged = asyncio.ensure_future(await socket.connection.ping())
        await socket.send("unsubscribe", [NIFTY])
        broker.step()
        assert await silent(socket)
        assert not ponged.done()
        assert broker.sockets[0].modes.keys() == {NIFTY, INFY}
        broker.simulator.clear_faults()
        with anyio.fail_after(10):
            await ponged
        await broker.until_subscribed(1)
        await socket.prices({NIFTY: price(broker, NIFTY), INFY: price(broker)})


async def test_a_simulator_with_a_half_open_socket_ends_at_once() -> None:
    async with AsyncExitStack() as stack:
        async with simulated_broker() as broker:
            socket = await begun(broker, stack)
            await broker.misbehave(HalfOpen())
            await wait_until(lambda: broker.sockets[0].is_half_open, "the socket is half open")
        assert await socket.until_closed() is None


async def test_a_simulator_with_a_connection_that_asks_for_nothing_ends_at_once() -> None:
    async with AsyncExitStack() as stack:
        async with simulated_broker() as broker:
            port = int(broker.stream_url.rpartition(":")[2])
            stream = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
            await stream.send(b"GET / HTTP/1.1\r\n")
            await begun(broker, stack)
        with anyio.fail_after(10), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await stream.receive()


async def test_a_simulator_with_a_client_that_does_not_read_ends_soon() -> None:
    async with AsyncExitStack() as clients:
        with anyio.fail_after(20):
            async with simulated_broker() as broker:
                deaf = await clients.enter_async_context(raw_socket(broker.stream_url, broker.accounts[0]))
                deaf.connection.transport.pause_reading()
                await broker.misbehave(HugeFrame(packets=60_000))
                tokens = list(range(1, 3001))
                await deaf.subscribe([NIFTY, INFY, *tokens], "full")
                # 60,000 packets are 11 MB: more than the buffers between the two ends take.
                await wait_until(lambda: broker.sockets and broker.sockets[0].stats.packets > 0, "a frame is under way")
            assert broker.sockets == ()


async def test_slow_conflates_what_it_delays() -> None:
    async with simulated_broker() as broker, AsyncExitStack() as stack:
        socket = await begun(broker, stack, "ltp")
        await broker.misbehave(Slow(delay=0.3))
        for _ in range(20):
            broker.step()
            await anyio.lowlevel.checkpoint()
        frames = broker.sockets[0].stats.frames
        await socket.prices({NIFTY: price(broker, NIFTY), INFY: price(broker)})
        assert broker.sockets[0].stats.frames - frames <= 2


async def test_zero_spot_touches_only_indices() -> None:
    for mode in ("ltp", "quote", "full"):
        async with simulated_broker() as broker, AsyncExitStack() as stack:
            socket = await begun(broker, stack, mode)
            await broker.misbehave(ZeroSpot())
            broker.step()
            batch = await socket.batch()
            prices = dict(zip(batch.instrument_token.tolist(), batch.last_price.tolist(), strict=True))
            assert prices == {NIFTY: 0.0, INFY: price(broker)}
            broker.simulator.clear_faults()
            await alive(broker, socket)


async def test_a_fault_ends_with_its_time() -> None:
    async with simulated_broker() as broker, AsyncExitStack() as stack:
        socket = await begun(broker, stack)
        await broker.misbehave(NoData(seconds=0.3))
        broker.step()
        await socket.prices({NIFTY: price(broker, NIFTY), INFY: price(broker)})
        assert socket.heartbeats >= 2


@pytest.mark.parametrize("by_socket", [True, False])
async def test_a_fault_concerns_only_its_socket_or_key(by_socket: bool) -> None:
    async with simulated_broker(accounts=2) as broker, AsyncExitStack() as stack:
        first = await begun(broker, stack)
        second = await stack.enter_async_context(raw_socket(broker.stream_url, broker.accounts[1]))
        await second.subscribe([INFY])
        await second.batch()
        assert [socket.number for socket in broker.sockets] == [1, 2]
        await broker.misbehave(Silent(socket=1) if by_socket else Silent(api_key=broker.accounts[0].api_key))
        while not await silent(first):
            pass
        broker.step()
        assert len(await second.batch()) == 1
        assert await silent(first)


# ---------------------------------------------------------------------- single frames


async def test_a_truncated_packet() -> None:
    async with simulated_broker() as broker, AsyncExitStack() as stack:
        socket = await begun(broker, stack)
        await broker.misbehave(TruncatedPacket(missing=3))
        broker.step()
        content = await socket.frame()
        assert len(content) == 2 + 34 + 186 - 3
        with pytest.raises(MalformedFrame):
            decode(content)
        await alive(broker, socket)


@pytest.mark.parametrize("length", [1, 12, 164, 200])
async def test_a_packet_of_unknown_length(length: int) -> None:
    async with simulated_broker() as broker, AsyncExitStack() as stack:
        socket = await begun(broker, stack)
        await broker.misbehave(UnknownPacket(length=length, frames=2))
        for _ in range(2):
            broker.step()
            batch = await socket.batch()
            assert (batch.skipped, len(batch)) == (1, 2)
            assert price(broker) in batch.last_price
        broker.step()
        assert (await socket.batch()).skipped == 0


async def test_a_frame_that_comes_twice() -> None:
    async with simulated_broker() as broker, AsyncExitStack() as stack:
        socket = await begun(broker, stack)
        await broker.misbehave(DuplicateFrame())
        broker.step()
        assert await socket.frame() == await socket.frame()
        await alive(broker, socket)


async def test_a_frame_that_comes_late() -> None:
    async with simulated_broker() as broker, AsyncExitStack() as stack:
        socket = await begun(broker, stack, "ltp")
        await broker.misbehave(OutOfOrder())
        broker.step()
        early = price(broker)
        await wait_until(lambda: broker.sockets[0].stats.packets == 4, "the first frame is held back")
        broker.step()
        first, second = await socket.batch(), await socket.batch()
        assert price(broker) in first.last_price
        assert early in second.last_price
        await alive(broker, socket)


async def test_a_huge_frame() -> None:
    async with simulated_broker() as broker, AsyncExitStack() as stack:
        socket = await stack.enter_async_context(raw_socket(broker.stream_url, broker.accounts[0]))
        await socket.subscribe([INFY], "full")
        await socket.batch()
        await broker.misbehave(HugeFrame())
        broker.step()
        content = await socket.frame()
        assert len(content) == 2 + 3000 * 186 == 558_002
        batch = decode(content)
        assert set(batch.last_price.tolist()) == {price(broker)}


# ---------------------------------------------------------------------- at once


@pytest.mark.parametrize("text", ["{not json", "[1, 2]", '{"type": "unheard of", "data": 1}', ""])
async def test_a_garbage_text(text: str) -> None:
    async with simulated_broker() as broker, AsyncExitStack() as stack:
        socket = await begun(broker, stack)
        assert await broker.misbehave(GarbageText(text=text)) == 0
        content = await socket.receive()
        while content == b"\x00":
            content = await socket.receive()
        assert content == text
        await alive(broker, socket)


async def test_a_garbage_frame() -> None:
    async with simulated_broker() as broker, AsyncExitStack() as stack:
        socket = await begun(broker, stack)
        await broker.misbehave(GarbageFrame())
        with pytest.raises(MalformedFrame):
            decode(await socket.frame())
        await alive(broker, socket)


async def test_a_reset_connection() -> None:
    async with simulated_broker() as broker, AsyncExitStack() as stack:
        socket = await begun(broker, stack)
        await broker.misbehave(Reset())
        assert await socket.until_closed() is None
        assert socket.closed is not None
        assert isinstance(socket.closed.__cause__, ConnectionResetError)
        await broker.until_sockets(0)
        await begun(broker, stack)


@pytest.mark.parametrize("code", [1000, 1001, 1011])
async def test_a_closed_connection(code: int) -> None:
    async with simulated_broker() as broker, AsyncExitStack() as stack:
        socket = await begun(broker, stack)
        await broker.misbehave(Close(code=code, reason="maintenance"))
        assert await socket.until_closed() == code
        assert socket.connection.close_reason == "maintenance"


# ---------------------------------------------------------------------- upgrades


@pytest.mark.parametrize("status", [400, 403, 429, 500, 502, 503])
async def test_refused_upgrades(status: int) -> None:
    async with simulated_broker(accounts=2) as broker, AsyncExitStack() as stack:
        account, other = broker.accounts
        await broker.misbehave(RefuseUpgrade(status=status, attempts=2, retry_after=9, api_key=account.api_key))
        for _ in range(2):
            with pytest.raises(InvalidStatus) as caught:
                await connect(stream_address(broker.stream_url, account.api_key, account.access_token))
            assert caught.value.response.status_code == status
            assert caught.value.response.headers["Retry-After"] == "9"
        await stack.enter_async_context(raw_socket(broker.stream_url, other))
        await begun(broker, stack)
        assert [attempt.status for attempt in broker.simulator.attempts] == [status, status, 101, 101]


async def test_a_slow_upgrade_holds_up_only_itself() -> None:
    async with simulated_broker(accounts=2) as broker, AsyncExitStack() as stack:
        account, other = broker.accounts
        await broker.misbehave(SlowUpgrade(delay=3600, api_key=account.api_key))
        address = stream_address(broker.stream_url, account.api_key, account.access_token)
        with pytest.raises(TimeoutError):
            await connect(address, open_timeout=0.1)
        socket = await stack.enter_async_context(raw_socket(broker.stream_url, other))
        await socket.subscribe([INFY])
        assert len(await socket.batch()) == 1
        broker.simulator.clear_faults()
        await begun(broker, stack)


def test_every_stream_fault_has_a_test_here() -> None:
    tested = {
        Silent, NoData, HalfOpen, Slow, ZeroSpot, TruncatedPacket, UnknownPacket, DuplicateFrame, OutOfOrder, HugeFrame,
        GarbageText, GarbageFrame, Reset, Close, RefuseUpgrade, SlowUpgrade,
    }  # fmt: skip
    assert {kind for kind in FAULT_TYPES.values() if issubclass(kind, StreamFault)} == tested
