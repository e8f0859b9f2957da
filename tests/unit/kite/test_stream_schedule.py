"""When a `KiteStream` tries again, under trio's mock clock: a day of failures takes milliseconds."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

import anyio
import pytest
import trio

from tests.support.kite_frames import Packet, frame_of
from tests.support.stream_sink import RecordingSink
from tests.support.virtual_time import LoopClock, virtual_trio
from tickertui.kite.secrets import Secret
from tickertui.kite.stream import KiteStream, StreamTiming
from tickertui.kite.stream_state import StreamState
from tickertui.kite.transport import ConnectFailed, Connection, ConnectionLost, ConnectRefused
from tickertui.market.clock import IST
from tickertui.market.ticks import Mode

FRAME = frame_of([Packet(256265, bytes(180))])


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


class ScriptedConnection:
    """Lives for some seconds, sending a message each second, and then breaks (or goes on in silence)."""

    def __init__(self, transport: ScriptedTransport, seconds: float, message: bytes | None) -> None:
        self._transport = transport
        self._ends = anyio.current_time() + seconds
        self._message = message

    waiting = 0

    async def receive(self) -> bytes | str:
        if self._message is None:
            await anyio.sleep_until(self._ends)
        else:
            await anyio.sleep(1.0)
        if anyio.current_time() >= self._ends or self._message is None:
            raise ConnectionLost("it broke")
        return self._message

    async def send(self, text: str) -> None:
        await anyio.lowlevel.checkpoint()

    async def close(self, *, abrupt: bool = False) -> None:
        self._transport.open -= 1
        self._transport.closed_abruptly.append(abrupt)


class ScriptedTransport:
    """Does with the n-th attempt what `script` says: an error to raise, or the life of a connection."""

    def __init__(self, script: Callable[[int], Exception | tuple[float, bytes | None]]) -> None:
        self.script = script
        self.attempts: list[float] = []
        self.open = 0
        self.closed_abruptly: list[bool] = []

    async def connect(self, url: str) -> Connection:
        self.attempts.append(anyio.current_time())
        await anyio.lowlevel.checkpoint()
        outcome = self.script(len(self.attempts))
        if isinstance(outcome, Exception):
            raise outcome
        self.open += 1
        return ScriptedConnection(self, *outcome)

    def waits(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.attempts, self.attempts[1:], strict=False)]


def stream_on(
    transport: ScriptedTransport, timing: StreamTiming | None = None, seed: int = 3, url: str = "ws://unused"
) -> KiteStream:
    return KiteStream(
        0,
        url=url,
        api_key="key",
        token=lambda: Secret("token"),
        sink=RecordingSink(),
        clock=LoopClock(datetime(2026, 11, 25, 9, 0, tzinfo=IST)),
        random=random.Random(seed),
        transport=transport,
        timing=timing or StreamTiming(),
    )


async def run_for(stream: KiteStream, seconds: float) -> None:
    with anyio.move_on_after(seconds):
        await stream.run()
    assert stream.stats.state is StreamState.CLOSED


async def test_a_day_without_a_network_is_tried_through_ever_more_patiently() -> None:
    transport = ScriptedTransport(lambda attempt: ConnectFailed("no network"))
    stream = stream_on(transport)
    await run_for(stream, 86_400)
    waits = transport.waits()
    for number, wait in enumerate(waits):
        assert 0 <= wait <= min(60, 2**number)
    # Full jitter: about 30 s on the mean once the bound is reached, and spread over all of it.
    late = waits[10:]
    assert 86_400 / 36 < len(waits) < 86_400 / 25
    assert min(late) < 3
    assert max(late) > 57
    assert stream.stats.epoch == 0


async def test_two_streams_lost_together_do_not_return_together() -> None:
    transports = [ScriptedTransport(lambda attempt: ConnectFailed("no network")) for _ in range(2)]
    for seed, transport in enumerate(transports):
        await run_for(stream_on(transport, seed=seed), 100)
    first, second = ({round(wait, 3) for wait in transport.waits()} for transport in transports)
    assert not first & second


@pytest.mark.parametrize(
    ("life", "message", "patient"),
    [
        (2.0, b"\x00", True),
        (2.0, FRAME, False),
        (31.0, b"\x00", False),
    ],
    ids=["heartbeats for 2 s", "ticks for 2 s", "heartbeats for 31 s"],
)
async def test_patience_ends_with_a_connection_that_worked(life: float, message: bytes, patient: bool) -> None:
    transport = ScriptedTransport(lambda attempt: (life, message))
    await run_for(stream_on(transport), 3_600)
    pauses = [wait - life for wait in transport.waits()]
    assert (max(pauses) > 30) is patient
    assert patient or max(pauses) <= 1.0


async def test_malformed_data_does_not_count_as_a_success() -> None:
    class Mixed(ScriptedConnection):
        count = 0

        async def receive(self) -> bytes | str:
            await anyio.sleep(0.01)
            self.count += 1
            return FRAME if self.count % 2 else b"\x00\x01\x00"

    class MixedTransport(ScriptedTransport):
        async def connect(self, url: str) -> Connection:
            self.attempts.append(anyio.current_time())
            await anyio.lowlevel.checkpoint()
            self.open += 1
            return Mixed(self, 0, None)

    transport = MixedTransport(lambda attempt: (0, None))
    await run_for(stream_on(transport), 3_600)
    assert max(transport.waits()) > 30
    assert set(transport.closed_abruptly[:-1]) == {True}


async def test_silence_is_noticed_between_five_and_six_seconds() -> None:
    transport = ScriptedTransport(lambda attempt: (1e6, None))
    stream = stream_on(transport, StreamTiming(backoff_first=0.001, backoff_most=0.001))
    await run_for(stream, 600)
    waits = transport.waits()
    assert len(waits) > 90
    assert all(5.0 <= wait <= 6.0 for wait in waits)
    # The one that the cancellation ended is asked politely.
    assert transport.closed_abruptly[:-1] == [True] * (len(transport.closed_abruptly) - 1)
    assert transport.open == 0


async def test_a_connection_that_talks_is_kept() -> None:
    transport = ScriptedTransport(lambda attempt: (1e6, b"\x00"))
    stream = stream_on(transport)
    await run_for(stream, 3_600)
    assert len(transport.attempts) == 1
    assert stream.stats.heartbeats >= 3_599
    assert transport.closed_abruptly == [False]


async def test_too_many_connections_are_retried_each_minute_or_later() -> None:
    transport = ScriptedTransport(lambda attempt: ConnectRefused(429, 600.0 if attempt == 3 else None))
    await run_for(stream_on(transport), 3_600)
    waits = transport.waits()
    assert all(60 <= wait <= 90 for wait in waits[:2] + waits[3:])
    assert 600 <= waits[2] <= 630


async def test_a_dead_token_is_tried_once_and_again_after_each_login() -> None:
    transport = ScriptedTransport(lambda attempt: ConnectRefused(403))
    stream = stream_on(transport)
    async with anyio.create_task_group() as group:
        group.start_soon(stream.run)
        for logins in range(1, 4):
            await anyio.sleep(3_600)
            assert len(transport.attempts) == logins
            assert stream.stats.state is StreamState.AUTH
            stream.credentials_changed()
        await anyio.sleep(1)
        await stream.close()
    assert len(transport.attempts) == 4


async def test_a_login_during_the_attempt_with_the_old_token_is_not_lost() -> None:
    transport = ScriptedTransport(lambda attempt: ConnectRefused(403) if attempt == 1 else (1e6, b"\x00"))
    stream = stream_on(transport)
    refuse = transport.script

    def script(attempt: int) -> Exception | tuple[float, bytes | None]:
        if attempt == 1:
            stream.credentials_changed()
        return refuse(attempt)

    transport.script = script
    async with anyio.create_task_group() as group:
        group.start_soon(stream.run)
        await anyio.sleep(2)
        assert stream.stats.state is StreamState.OPEN
        await stream.close()


async def test_reconnect_now_ends_a_wait() -> None:
    transport = ScriptedTransport(lambda attempt: ConnectFailed("no network") if attempt < 12 else (1e6, b"\x00"))
    stream = stream_on(transport, StreamTiming(backoff_first=50_000, backoff_most=50_000))
    async with anyio.create_task_group() as group:
        group.start_soon(stream.run)
        for attempts in range(1, 12):
            await trio.testing.wait_all_tasks_blocked()
            assert len(transport.attempts) == attempts
            assert stream.stats.state is StreamState.BACKOFF
            assert stream.stats.retry_at is not None
            assert stream.stats.retry_at > anyio.current_time()
            stream.reconnect_now("the user wants it")
        await anyio.sleep(1)
        assert stream.stats.state is StreamState.OPEN
        assert stream.stats.retry_at is None
        await stream.close()


async def test_it_does_not_run_twice() -> None:
    transport = ScriptedTransport(lambda attempt: (1e6, b"\x00"))
    stream = stream_on(transport)
    async with anyio.create_task_group() as group:
        group.start_soon(stream.run)
        await anyio.sleep(1)
        with pytest.raises(RuntimeError, match="stream 0 runs already"):
            await stream.run()
        group.cancel_scope.cancel()
    # After a cancellation (not after close) it can be run again: a supervisor restarts it.
    await run_for(stream, 10)
    assert stream.stats.epoch == 2


# ---------------------------------------------------------------------- what a connection leaves behind


class LateFailure(ScriptedConnection):
    """Tells of the loss only when it is given up."""

    async def receive(self) -> bytes | str:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            raise ConnectionLost("it broke meanwhile") from None
        raise AssertionError


class GivenConnections(ScriptedTransport):
    """Gives connections of a kind, and keeps the addresses."""

    def __init__(self, kind: type[ScriptedConnection]) -> None:
        super().__init__(lambda attempt: (1e6, None))
        self.kind = kind
        self.urls: list[str] = []

    async def connect(self, url: str) -> Connection:
        self.urls.append(url)
        self.attempts.append(anyio.current_time())
        await anyio.lowlevel.checkpoint()
        self.open += 1
        return self.kind(self, 1e6, None)


async def test_the_first_cause_of_an_end_counts() -> None:
    transport = GivenConnections(LateFailure)
    stream = stream_on(transport)
    async with anyio.create_task_group() as group:
        group.start_soon(stream.run)
        await anyio.sleep(1)
        stream.reconnect_now("asked by the user")
        await anyio.sleep(0.5)
        assert stream.stats.last_error == "asked by the user"
        assert transport.attempts == [transport.attempts[0], transport.attempts[0] + 1], "at once, without a pause"
        group.cancel_scope.cancel()


async def test_an_attempt_that_fails_as_it_is_given_up_does_not_tell_its_own_reason() -> None:
    class Slow(ScriptedTransport):
        async def connect(self, url: str) -> Connection:
            self.attempts.append(anyio.current_time())
            try:
                await anyio.sleep(5)
            except anyio.get_cancelled_exc_class():
                raise ConnectFailed("no network") from None
            raise ConnectFailed("no network")

    transport = Slow(lambda attempt: ConnectFailed("unused"))
    stream = stream_on(transport)
    async with anyio.create_task_group() as group:
        group.start_soon(stream.run)
        await anyio.sleep(1)
        stream.reconnect_now("asked by the user")
        await anyio.sleep(1)
        assert stream.stats.last_error == "asked by the user"
        await anyio.sleep(5)
        assert stream.stats.last_error == "no network"
        group.cancel_scope.cancel()


async def test_a_reason_never_holds_key_or_token() -> None:
    address = "ws://unused?api_key=k3y9abcd&access_token=t0k3nt0k3n"
    stream = KiteStream(
        0,
        url="ws://unused",
        api_key="k3y9abcd",
        token=lambda: Secret("t0k3nt0k3n"),
        sink=(sink := RecordingSink()),
        clock=LoopClock(datetime(2026, 11, 25, 9, 0, tzinfo=IST)),
        random=random.Random(3),
        transport=ScriptedTransport(lambda attempt: ConnectFailed(f"cannot reach {address}")),
        timing=StreamTiming(),
    )
    await run_for(stream, 10)
    reasons = [reason for _, reason in sink.states if reason]
    assert reasons
    assert not [reason for reason in reasons if "t0k3nt0k3n" in reason or "k3y9abcd" in reason]


async def test_an_address_with_a_question_keeps_it() -> None:
    transport = GivenConnections(LateFailure)
    await run_for(stream_on(transport, url="ws://unused/?v=3"), 1)
    assert transport.urls == ["ws://unused/?v=3&api_key=key&access_token=token"]


async def test_a_lost_connection_carries_nothing_any_more() -> None:
    transport = ScriptedTransport(lambda attempt: (10.0, FRAME) if attempt == 1 else ConnectFailed("no network"))
    stream = stream_on(transport)
    stream.set_desired({256265: Mode.FULL})
    async with anyio.create_task_group() as group:
        group.start_soon(stream.run)
        await anyio.sleep(5)
        assert (stream.stats.subscribed, stream.stats.connected_at is None) == (1, False)
        await anyio.sleep(30)
        assert (stream.stats.subscribed, stream.stats.connected_at) == (0, None)
        group.cancel_scope.cancel()


async def test_frames_without_packets_are_no_batches() -> None:
    stream = stream_on(ScriptedTransport(lambda attempt: (5.0, b"\x00\x00")))
    sink = stream._sink
    assert isinstance(sink, RecordingSink)
    await run_for(stream, 5)
    assert sink.frames
    assert sink.batches == []
    assert stream.stats.malformed == 0


async def test_malformed_frames_of_a_dropped_connection_do_not_count_against_the_next() -> None:
    class Once(ScriptedConnection):
        """Malformed until it is dropped; the second one once, and then only heartbeats."""

        count = 0

        async def receive(self) -> bytes | str:
            await anyio.sleep(0.01)
            self.count += 1
            is_first = len(transport.attempts) == 1
            return b"\x00\x01\x00" if is_first or self.count == 1 else b"\x00"

    transport = GivenConnections(Once)
    await run_for(stream_on(transport), 120)
    assert len(transport.attempts) == 2
