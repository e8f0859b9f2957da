"""One `KiteStream` against a real WebSocket server on loopback: what it sends, what it survives, how it ends."""

from __future__ import annotations

import logging
import random
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import anyio
import numpy as np
import pytest

from tests.support.stream_server import stream_server
from tests.support.stream_sink import RecordingSink
from tests.support.waiting import wait_until
from tickertui.kite.messages import BrokerError, BrokerMessage, UnknownText
from tickertui.kite.packets import encode
from tickertui.kite.secrets import Secret
from tickertui.kite.stream import KiteStream, StreamTiming
from tickertui.kite.stream_state import StreamState
from tickertui.kite.transport import Transport, WebSocketTransport
from tickertui.market.clock import IST, ManualClock
from tickertui.market.ticks import Mode, Source, TickBatch

API_KEY = "apikey0123456789"
TOKEN = "t0ken/with+odd=characters"
QUICK = StreamTiming(connect=5.0, silence=0.5, backoff_first=0.02, backoff_most=0.05)
NIFTY = 256265


class Setup:
    """A stream with everything it needs, to be run against ``url``."""

    def __init__(self, url: str, timing: StreamTiming = QUICK, transport: Transport | None = None) -> None:
        self.sink = RecordingSink()
        self.clock = ManualClock(datetime(2026, 11, 25, 11, 0, tzinfo=IST))
        self.token: Secret | None = Secret(TOKEN)
        self.stream = KiteStream(
            4,
            url=url,
            api_key=API_KEY,
            token=lambda: self.token,
            sink=self.sink,
            clock=self.clock,
            random=random.Random(11),
            timing=timing,
            transport=transport,
        )

    async def until(self, predicate: Callable[[], object], description: str) -> None:
        await wait_until(predicate, f"{description}; {self.stream.stats}")

    async def until_state(self, state: StreamState) -> None:
        await self.until(lambda: self.stream.stats.state is state, f"the stream is {state}")


@asynccontextmanager
async def running(setup: Setup) -> AsyncIterator[KiteStream]:
    async with anyio.create_task_group() as group:
        group.start_soon(setup.stream.run)
        yield setup.stream
        group.cancel_scope.cancel()


def full_frame(count: int, first: int = 1000) -> bytes:
    words = np.arange(count * 46, dtype=np.uint32).reshape(count, 46)
    words[:, 0] = (first + np.arange(count)) << 8 | 2
    return encode(TickBatch.from_rows(words, Source.LIVE))


MALFORMED = b"\x00\x05\x00\x08abc"


async def test_everything_is_sent_at_once_in_bulk_and_the_broker_ends_up_with_it() -> None:
    desired = {token: (Mode.FULL, Mode.QUOTE, Mode.LTP)[token % 3] for token in range(1, 3001)}
    async with stream_server() as server:
        setup = Setup(server.url)
        setup.stream.set_desired(desired)
        async with running(setup):
            await setup.until(lambda: server.visits and server.visit.modes == desired, "all is subscribed")
            # Three modes of 1,000 tokens each: one subscribe and one mode message for each.
            actions = [message["a"] for message in server.visit.messages]
            assert sorted(actions) == ["mode"] * 3 + ["subscribe"] * 3
            assert sum(len(tokens) for tokens, _ in setup.sink.subscribed) == 3000
            await setup.until(lambda: setup.stream.stats.subscribed == 3000, "the stream knows it")
        assert server.attempts == [{"api_key": API_KEY, "access_token": TOKEN}]


async def test_only_the_difference_is_sent_while_the_socket_is_open() -> None:
    async with stream_server() as server:
        setup = Setup(server.url)
        setup.stream.set_desired({1: Mode.FULL, 2: Mode.QUOTE, 3: Mode.LTP})
        async with running(setup) as stream:
            await setup.until(lambda: server.visits and len(server.visit.modes) == 3, "the first three are there")
            server.visit.messages.clear()
            setup.sink.subscribed.clear()
            stream.set_desired({1: Mode.FULL, 2: Mode.FULL, 4: Mode.FULL})
            await setup.until(lambda: server.visit.modes == dict.fromkeys((1, 2, 4), Mode.FULL), "the change is there")
            await setup.until(lambda: len(server.visit.messages) == 4, "four messages")
            assert server.visit.messages == [
                {"a": "unsubscribe", "v": [3]},
                {"a": "subscribe", "v": [4]},
                {"a": "mode", "v": ["full", [4]]},
                {"a": "mode", "v": ["full", [2]]},
            ]
            assert [tokens for tokens, _ in setup.sink.subscribed] == [(4,)]
            stream.set_desired({})
            await setup.until(lambda: not server.visit.modes, "all is unsubscribed")
        assert len(server.visits) == 1


async def test_desired_state_changed_while_disconnected_is_sent_on_the_next_connect() -> None:
    async with stream_server() as server:
        setup = Setup(server.url)
        setup.stream.set_desired({1: Mode.FULL})
        async with running(setup) as stream:
            await setup.until(lambda: server.visits and server.visit.modes, "connected")
            server.refuse_with = 503
            server.cut()
            await setup.until(lambda: len(server.attempts) > 3, "some refused attempts")
            assert "HTTP 503" in stream.stats.last_error
            stream.set_desired({2: Mode.LTP, 3: Mode.FULL})
            server.refuse_with = None
            await setup.until(
                lambda: server.visit.modes == {2: Mode.LTP, 3: Mode.FULL}, "the new state is on the new socket"
            )


@pytest.mark.parametrize("how", ["reset", "closed", "going away"])
async def test_a_lost_connection_comes_back_with_all_its_modes(how: str) -> None:
    desired = {10: Mode.FULL, 20: Mode.LTP, 30: Mode.QUOTE}
    async with stream_server() as server:
        setup = Setup(server.url)
        setup.stream.set_desired(desired)
        async with running(setup) as stream:
            for epoch in (1, 2, 3):
                await setup.until(
                    lambda epoch=epoch: len(server.visits) == epoch and server.visit.modes == desired,  # type: ignore[misc]
                    f"connection {epoch} carries everything",
                )
                assert stream.stats.epoch == epoch
                if how == "reset":
                    server.cut()
                else:
                    await server.visit.socket.close(1000 if how == "closed" else 1001)
            await setup.until(lambda: len(server.visits) == 4 and server.visit.modes == desired, "a fourth one")
            assert stream.stats.reconnects == 3
            tokens = [token for tokens, _ in setup.sink.subscribed for token in tokens]
            assert tokens.count(10) == stream.stats.epoch
            states = setup.sink.state_names()
            assert states[:4] == [StreamState.CONNECTING, StreamState.OPEN, StreamState.BACKOFF, StreamState.CONNECTING]


async def test_frames_reach_the_sink_raw_and_decoded_with_their_stamps() -> None:
    async with stream_server() as server:
        setup = Setup(server.url)
        async with running(setup) as stream:
            await setup.until_state(StreamState.OPEN)
            frame = full_frame(3000)
            assert len(frame) > 550_000
            await server.send(frame)
            await setup.until(lambda: setup.sink.batches, "the batch arrives")
            batch = setup.sink.batches[0]
            assert len(batch) == 3000
            assert (batch.source, batch.connection, batch.generation) == (Source.LIVE, 4, 7)
            assert batch.received_ns == setup.clock.monotonic_ns()
            assert batch.received_wall_ns == setup.clock.time_ns()
            assert any(raw == frame and connection == 4 for connection, raw, _, _ in setup.sink.frames)
            await setup.until(lambda: stream.stats.heartbeats > 1, "heartbeats are counted")
            assert len(setup.sink.batches) == 1
            assert stream.stats.ticks == 3000
            assert stream.stats.frames == stream.stats.heartbeats + 1
            assert stream.stats.last_data_ns == setup.clock.monotonic_ns()


async def test_a_refused_token_is_a_state_and_a_new_one_revives_the_same_subscriptions() -> None:
    async with stream_server() as server:
        server.refuse_with = 403
        setup = Setup(server.url)
        setup.stream.set_desired({NIFTY: Mode.FULL})
        async with running(setup) as stream:
            await setup.until_state(StreamState.AUTH)
            stream.reconnect_now("the user wants it")
            stream.set_desired({NIFTY: Mode.LTP})
            await anyio.wait_all_tasks_blocked()
            assert len(server.attempts) == 1
            assert stream.stats.state is StreamState.AUTH
            assert "403" in stream.stats.last_error
            server.refuse_with = None
            setup.token = Secret("tomorrows-token")
            stream.credentials_changed()
            await setup.until(lambda: server.visits and server.visit.modes == {NIFTY: Mode.LTP}, "subscribed")
            assert server.visit.query["access_token"] == "tomorrows-token"


async def test_without_a_token_nobody_is_bothered_until_there_is_one() -> None:
    async with stream_server() as server:
        setup = Setup(server.url)
        setup.token = None
        async with running(setup) as stream:
            await setup.until_state(StreamState.AUTH)
            assert not server.attempts
            setup.token = Secret("fresh-token")
            stream.credentials_changed()
            await setup.until_state(StreamState.OPEN)


async def test_a_fourth_connection_is_refused_and_waits_a_minute() -> None:
    async with stream_server() as server:
        server.refuse_with = 429
        setup = Setup(server.url, StreamTiming())
        async with running(setup) as stream:
            await setup.until_state(StreamState.LIMITED)
            retry_at = stream.stats.retry_at
            assert retry_at is not None
            assert 55 <= retry_at - anyio.current_time() <= 90
            assert "or another program with this key" in stream.stats.last_error
            server.refuse_headers = {"Retry-After": "300"}
            stream.reconnect_now("the user closed the other program")
            await setup.until(lambda: len(server.attempts) == 2, "one more attempt")
            await setup.until_state(StreamState.LIMITED)
            retry_at = stream.stats.retry_at
            assert retry_at is not None
            assert retry_at - anyio.current_time() >= 295


async def test_a_silent_socket_is_dropped_and_replaced() -> None:
    async with stream_server() as server:
        setup = Setup(server.url)
        setup.stream.set_desired({1: Mode.FULL})
        async with running(setup) as stream:
            await setup.until(lambda: server.visits and server.visit.modes, "connected")
            await setup.until(lambda: stream.stats.heartbeats >= 20, "heartbeats alone keep it alive for two limits")
            assert stream.stats.epoch == 1
            server.heartbeat = False
            await setup.until(lambda: stream.stats.epoch == 2, "replaced")
            server.heartbeat = True
            assert StreamState.SILENT in setup.sink.state_names()
            assert (StreamState.BACKOFF, "nothing was received for 0.5 s") in setup.sink.states
            await setup.until(lambda: server.visits[0].closed and server.visit.modes, "the old one is gone")


async def test_a_half_open_socket_is_dropped_without_waiting_for_its_consent() -> None:
    """The other side upgrades and then neither reads nor sends nor closes."""
    async with raw_server(answer_upgrade=True) as peer:
        setup = Setup(peer.url)
        setup.stream.set_desired(dict.fromkeys(range(1, 3001), Mode.FULL))
        async with running(setup) as stream:
            await setup.until(lambda: stream.stats.epoch >= 2, "replaced")
            await setup.until(lambda: StreamState.SILENT in setup.sink.state_names(), "noticed")


async def test_a_server_that_never_answers_the_upgrade_is_given_up() -> None:
    async with raw_server(answer_upgrade=False) as peer:
        setup = Setup(peer.url, StreamTiming(connect=0.2, backoff_first=0.01, backoff_most=0.01))
        async with running(setup) as stream:
            await setup.until(lambda: peer.accepted >= 3, "three attempts")
            assert stream.stats.last_error == "no connection within 0.2 s"
            assert stream.stats.epoch == 0


async def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        setup = Setup(f"ws://127.0.0.1:{port}")
        async with running(setup) as stream:
            await setup.until_state(StreamState.BACKOFF)
            assert stream.stats.last_error == f"no connection to 127.0.0.1:{port}: Connection refused"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "ws://[bad", "ws://127.0.0.1:99999999"])
async def test_an_impossible_address_is_a_reason_not_a_crash(url: str) -> None:
    setup = Setup(url)
    async with running(setup) as stream:
        await setup.until_state(StreamState.BACKOFF)
        assert stream.stats.last_error
        assert TOKEN not in stream.stats.last_error


async def test_malformed_frames_are_counted_and_kept_and_too_many_drop_the_connection() -> None:
    async with stream_server() as server:
        setup = Setup(server.url)
        async with running(setup) as stream:
            await setup.until_state(StreamState.OPEN)
            for _ in range(10):
                await server.send(MALFORMED)
            await server.send(full_frame(2))
            await setup.until(lambda: setup.sink.batches, "good frames still arrive")
            assert stream.stats.malformed == 10
            assert stream.stats.epoch == 1
            assert len(stream.quarantine) == 10
            assert stream.quarantine[0].frame == MALFORMED
            assert stream.quarantine[0].size == len(MALFORMED)
            await server.send(MALFORMED)
            await setup.until(lambda: stream.stats.epoch == 2, "the eleventh drops it")
            assert "malformed" in setup.sink.states[-3][1]
            for _ in range(30):
                await server.send(MALFORMED)
                if stream.stats.epoch > 2:
                    break
            assert len(stream.quarantine) <= 20


async def test_unknown_packets_are_counted_and_the_rest_of_the_frame_is_used() -> None:
    async with stream_server() as server:
        setup = Setup(server.url)
        async with running(setup) as stream:
            await setup.until_state(StreamState.OPEN)
            await server.send(b"\x00\x02\x00\x0bhello world\x00\x08\x00\x00\x01\x02\x00\x00\x00\x64")
            await setup.until(lambda: setup.sink.batches, "the batch arrives")
            assert setup.sink.batches[0].last_price.tolist() == [1.0]
            assert stream.stats.unknown_packets == 1
            assert stream.stats.malformed == 0


async def test_no_text_disturbs_the_stream() -> None:
    texts = ["[1,2]", "null", "{", '"x"', '{"type":5}', "{}", "[" * 100_000, '{"type":"order"}', "NaN", ""]
    async with stream_server() as server:
        setup = Setup(server.url)
        async with running(setup) as stream:
            await setup.until_state(StreamState.OPEN)
            for text in texts:
                await server.send(text)
            await server.send('{"type":"error","data":"Can\'t subscribe to more than 3000 instruments."}')
            await server.send('{"type":"message","data":{"message":"Market is closed"}}')
            await setup.until(lambda: len(setup.sink.texts) == len(texts) + 2, "all texts arrive")
            messages = [message for _, message in setup.sink.texts]
            assert all(isinstance(message, UnknownText) for message in messages[: len(texts)])
            assert messages[-2:] == [
                BrokerError("Can't subscribe to more than 3000 instruments."),
                BrokerMessage("Market is closed"),
            ]
            assert stream.stats.unknown_texts == len(texts)
            assert stream.stats.last_error == "Can't subscribe to more than 3000 instruments."
            assert stream.stats.epoch == 1


async def test_reconnect_now_replaces_an_open_socket_at_once() -> None:
    async with stream_server() as server:
        setup = Setup(server.url, StreamTiming(silence=30, backoff_first=1000, backoff_most=1000))
        setup.stream.set_desired({1: Mode.FULL})
        async with running(setup) as stream:
            await setup.until(lambda: server.visits and server.visit.modes, "connected")
            stream.reconnect_now("resumed from sleep")
            await setup.until(lambda: len(server.visits) == 2 and server.visit.modes, "connected again")
            assert stream.stats.last_error == "resumed from sleep"
            assert len(server.open_visits) == 1


async def test_close_closes_the_socket_and_ends_the_task() -> None:
    async with stream_server() as server:
        setup = Setup(server.url)
        async with anyio.create_task_group() as group:
            group.start_soon(setup.stream.run)
            await setup.until_state(StreamState.OPEN)
            await setup.stream.close()
            assert setup.stream.stats.state is StreamState.CLOSED
            await setup.until(lambda: server.visit.closed, "the server sees it")
            assert server.visit.socket.close_code == 1000
            await setup.stream.close()
        await setup.stream.run()
        assert len(server.attempts) == 1


@pytest.mark.parametrize("moment", ["connecting", "open", "backoff", "auth"])
async def test_a_cancelled_stream_leaves_no_socket_behind(moment: str) -> None:
    async with stream_server() as server, raw_server(answer_upgrade=False) as mute:
        server.refuse_with = {"backoff": 503, "auth": 403}.get(moment)
        setup = Setup(
            mute.url if moment == "connecting" else server.url, StreamTiming(backoff_first=1000, backoff_most=1000)
        )
        async with running(setup):
            await setup.until_state(StreamState(moment))
            if moment == "connecting":
                await setup.until(lambda: mute.accepted, "the peer has the connection")
        assert setup.sink.states[-1] == (StreamState.CLOSED, "")
        await setup.until(lambda: not server.open_visits and not mute.open, "no socket is open")


async def test_secrets_appear_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("websockets").setLevel(logging.DEBUG)
    async with stream_server() as server:
        setup = Setup(server.url)
        setup.stream.set_desired({1: Mode.FULL})
        async with running(setup) as stream:
            await setup.until(lambda: server.visits and server.visit.modes, "connected")
            server.refuse_with = 500
            server.cut()
            await setup.until(lambda: len(server.attempts) > 2, "refused a few times")
            server.refuse_with = 403
            await setup.until_state(StreamState.AUTH)
            seen = repr(stream) + repr(stream.stats) + repr(setup.sink.states) + str(stream.__dict__)
        # The server of this test logs what it was asked for; the client must not.
        client_records = [record for record in caplog.records if record.name != "websockets.server"]
        text = seen + "".join(record.getMessage() + str(record.exc_text) for record in client_records)
    for secret in (TOKEN, "t0ken%2Fwith%2Bodd%3Dcharacters"):
        assert secret not in text


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    server_context, trusted = certificate(tmp_path)
    async with stream_server(server_context) as server:
        setup = Setup(server.url)
        async with running(setup) as stream:
            await setup.until(lambda: "certificate is not trusted" in stream.stats.last_error, "refused")
            assert not server.attempts
        setup = Setup(server.url, transport=WebSocketTransport(trusted))
        async with running(setup):
            await setup.until_state(StreamState.OPEN)


async def test_more_than_one_connection_carries_is_refused_at_once() -> None:
    setup = Setup("ws://127.0.0.1:1")
    with pytest.raises(ValueError, match="at most 3,000 instruments, not 3,001"):
        setup.stream.set_desired(dict.fromkeys(range(1, 3002), Mode.FULL))
    with pytest.raises(ValueError, match="leave it out"):
        setup.stream.set_desired({1: Mode.NONE})


# ---------------------------------------------------------------------- peers below the WebSocket


class RawPeer:
    """A TCP server that may answer the upgrade and then does nothing at all."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.accepted = 0
        self.open = 0


@asynccontextmanager
async def raw_server(*, answer_upgrade: bool) -> AsyncIterator[RawPeer]:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    peer = RawPeer(f"ws://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}")

    async def handle(stream: anyio.abc.SocketStream) -> None:
        peer.accepted += 1
        peer.open += 1
        try:
            async with stream:
                request = await stream.receive()
                if answer_upgrade:
                    await stream.send(upgrade_answer(request))
                    await anyio.sleep_forever()
                while True:
                    await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass
        finally:
            peer.open -= 1

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, handle)
        yield peer
        group.cancel_scope.cancel()


def upgrade_answer(request: bytes) -> bytes:
    from websockets.utils import accept_key

    key = next(
        line.split(": ", 1)[1]
        for line in request.decode().split("\r\n")
        if line.lower().startswith("sec-websocket-key")
    )
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
    ).encode()


def certificate(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A self-signed certificate for 127.0.0.1: the server's context, and a client's that trusts it."""
    x509 = pytest.importorskip("cryptography.x509", reason="makes the certificate of this test")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "certificate.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=str(path))
