"""The simulator's HTTP server on a real socket: what it takes, keeps alive, bounds and refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketListener

from tests.support.http_client import HttpConnection, connect
from tickertui.simulator.http import MOST_BODY_BYTES, MOST_HEAD_BYTES, Request, Response, serve_http


async def echo(request: Request) -> Response:
    """Say what arrived; some paths ask for bad manners."""
    if request.path == "/reset":
        return Response(reset=True)
    if request.path == "/bug":
        raise ZeroDivisionError
    words = f"{request.method} {request.path} {list(request.query)} {request.body.decode('latin-1')}"
    return Response(body=words.encode(), content_type="text/plain", cut_at=4 if request.path == "/cut" else None)


@asynccontextmanager
async def served() -> AsyncIterator[HttpConnection]:
    multi = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    async with multi, anyio.create_task_group() as group:
        (listener,) = multi.listeners
        assert isinstance(listener, SocketListener)
        group.start_soon(serve_http, listener, echo)
        port = listener.extra(SocketAttribute.local_port)
        connection = await connect(f"http://127.0.0.1:{port}")
        async with connection.stream:
            yield connection
        group.cancel_scope.cancel()


async def test_a_connection_lives_on_and_takes_pipelined_requests() -> None:
    async with served() as client:
        await client.send(
            b"GET /a?i=NSE:INFY&i=NSE%3ATCS&n= HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nhost:y\r\n\r\n"
        )
        first, second = await client.receive(), await client.receive()
        third = await client.call("POST", "/form", form={"a": "1 2"})
    assert first.body == b"GET /a [('i', 'NSE:INFY'), ('i', 'NSE:TCS'), ('n', '')] "
    assert second.body == b"GET /b [] "
    assert third.body == b"POST /form [] a=1+2"
    assert third.status == 200


async def test_a_request_may_come_byte_by_byte() -> None:
    async with served() as client:
        for byte in b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc":
            await client.send(bytes((byte,)))
        assert (await client.receive()).body == b"POST /slow [] abc"


async def test_a_line_of_26_kilobytes_is_taken() -> None:
    query = "&".join(f"i=NFO:NIFTY26DEC{number:05d}CE" for number in range(1000))
    assert len(query) > 22_000
    async with served() as client:
        answer = await client.call("GET", f"/quote/ltp?{query}")
    assert answer.body.count(b"NIFTY26DEC") == 1000


async def test_head_has_no_body_and_the_length_of_get() -> None:
    async with served() as client:
        head = await client.call("HEAD", "/x")
        get = await client.call("GET", "/x")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) == len(get.body) + 1  # "HEAD" has one letter more than "GET".


async def test_expect_continue_is_answered_before_the_body() -> None:
    async with served() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert (await client.receive()).status == 100
        await client.send(b"ok")
        assert (await client.receive()).body.endswith(b"ok")


@pytest.mark.parametrize(
    "request_line, headers",
    [("GET / HTTP/1.1", "Host: x\r\nConnection: close\r\n"), ("GET / HTTP/1.0", "")],
)
async def test_the_connection_ends_when_the_client_says_so(request_line: str, headers: str) -> None:
    async with served() as client:
        await client.send(f"{request_line}\r\n{headers}\r\n".encode())
        answer = await client.receive()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await client.until_closed() == b""


async def test_http_1_0_can_be_kept_alive() -> None:
    async with served() as client:
        for _ in range(2):
            await client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert (await client.receive()).status == 200


@pytest.mark.parametrize(
    "raw, status",
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1 more\r\nHost: x\r\n\r\n", 400),
        (b"G@T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / FTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://[bad/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (MOST_BODY_BYTES + 1), 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
    ],
)
async def test_what_is_no_request_is_refused_and_the_connection_ends(raw: bytes, status: int) -> None:
    async with served() as client:
        await client.send(raw)
        answer = await client.receive()
        assert answer.status == status
        assert answer.headers["connection"] == "close"
        assert await client.until_closed() == b""


async def test_endless_headers_are_refused() -> None:
    async with served() as client:
        await client.send(b"GET / HTTP/1.1\r\nX: " + b"x" * MOST_HEAD_BYTES)
        assert (await client.receive()).status == 431


async def test_a_body_that_is_cut_ends_only_its_connection() -> None:
    async with served() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        await client.stream.send_eof()
        assert (await client.receive()).status == 400


async def test_an_answer_can_be_cut_or_reset_on_demand() -> None:
    async with served() as client:
        with pytest.raises(anyio.IncompleteRead):
            await client.call("GET", "/cut")
    async with served() as client:
        with pytest.raises(anyio.BrokenResourceError):
            await client.call("GET", "/reset")


async def test_a_bug_in_an_answer_is_a_500_and_a_log_line_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as client:
        assert (await client.call("GET", "/bug")).status == 500
        assert (await client.call("GET", "/fine")).status == 200
    assert [record.getMessage() for record in caplog.records] == ["GET /bug could not be answered"]


@pytest.mark.parametrize(
    "header, wanted",
    [("gzip", True), ("deflate, gzip;q=0.5", True), ("gzip;q=0", False), ("identity", False), ("", False)],
)
def test_whether_a_client_takes_gzip(header: str, wanted: bool) -> None:
    request = Request("GET", "/", (), {"accept-encoding": header})
    assert request.takes_gzip is wanted
