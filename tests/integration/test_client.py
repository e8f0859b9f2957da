"""`KiteClient` against a real HTTP server on loopback: every call, every shape of error, pacing, threads."""

from __future__ import annotations

import gzip
import hashlib
import inspect
import json
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from tests.support.paths import sample
from tests.support.rest_server import Reply, RestServer, failure, rest_server, success
from tests.support.waiting import wait_until
from tickertui.kite.client import KiteClient
from tickertui.kite.errors import (
    AuthExpired,
    BrokerTimeout,
    BrokerUnavailable,
    InvalidRequest,
    KiteError,
    PermissionDenied,
    RateLimited,
    UnexpectedAnswer,
)
from tickertui.kite.pacing import CallClass, Pacer
from tickertui.kite.secrets import Secret
from tickertui.market.candles import Interval
from tickertui.market.clock import IST, ManualClock
from tickertui.market.instruments import Instrument, InstrumentKind
from tickertui.market.ticks import Source

KEY = "apikey0123456789"
TOKEN = Secret("the-token-of-the-day")
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=IST)
UNPACED = dict.fromkeys(CallClass, 10_000.0)
CSV = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,"
    "segment,exchange\n256265,1001,NIFTY 50,NIFTY 50,0.0,,0.0,0.0,0,EQ,INDICES,NSE\n"
)


@pytest.fixture
def server() -> Iterator[RestServer]:
    with rest_server() as running:
        yield running


@asynccontextmanager
async def client(
    server: RestServer,
    token: Secret | None = TOKEN,
    *,
    account: str = "Z1",
    timeout: float = 5.0,
    pacer: Pacer | None = None,
) -> AsyncIterator[KiteClient]:
    made = KiteClient(
        account,
        KEY,
        token,
        root=server.url,
        timeout=timeout,
        pacer=pacer or Pacer(UNPACED, 10_000.0),
        clock=ManualClock(NOON),
    )
    try:
        yield made
    finally:
        await made.aclose()


# ---------------------------------------------------------------------- calls


async def test_profile_and_headers(server: RestServer) -> None:
    server.replies(
        success({"user_id": "AB1234", "user_name": "A B", "exchanges": ["NFO", "NSE"], "products": ["NRML"]})
    )
    async with client(server) as kite:
        profile = await kite.profile()
    assert (profile.user_id, profile.user_name, profile.exchanges) == ("AB1234", "A B", ("NFO", "NSE"))
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/user/profile")
    assert request.headers["Authorization"] == f"token {KEY}:{TOKEN.reveal()}"
    assert request.headers["X-Kite-Version"] == "3"


async def test_a_netrc_file_does_not_replace_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that is not the simulator's: only for that one the environment counts for nothing."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.2 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with rest_server("127.0.0.2") as away:
        away.replies(success({"user_id": "AB1234", "user_name": "A B", "exchanges": [], "products": []}))
        async with client(away) as kite:
            await kite.profile()
        (request,) = away.requests
    assert request.headers["Authorization"] == f"token {KEY}:{TOKEN.reveal()}"


async def test_a_proxy_of_the_environment_is_the_way_to_the_broker_and_not_to_this_machine(
    server: RestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    answer = success({"user_id": "AB1234", "user_name": "A B", "exchanges": [], "products": []})
    with rest_server() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        for one in (proxy, server):
            one.replies(answer)
        async with client(server) as kite:
            await kite.profile()
        assert (len(server.requests), proxy.requests) == (1, [])
        proxy.url = "http://broker.invalid"
        async with client(proxy) as kite:
            await kite.profile()
        assert [request.headers["Host"] for request in proxy.requests] == ["broker.invalid"]


async def test_login_exchanges_the_request_token_and_uses_the_new_one(server: RestServer) -> None:
    server.replies(
        success({"user_id": "AB1234", "access_token": "brand-new-token", "login_time": "2026-11-25 08:59:01"}),
        success({"user_id": "AB1234"}),
    )
    async with client(server, None) as kite:
        session = await kite.exchange_request_token(Secret("request-token"), Secret("api-secret"))
        assert session.access_token.reveal() == "brand-new-token"
        assert session.login_time == datetime(2026, 11, 25, 8, 59, 1, tzinfo=IST)
        assert "brand-new-token" not in repr(session)
        await kite.profile()
    exchange, profile = server.requests
    assert (exchange.method, exchange.path) == ("POST", "/session/token")
    assert exchange.form == {
        "api_key": [KEY],
        "request_token": ["request-token"],
        "checksum": [hashlib.sha256(f"{KEY}request-tokenapi-secret".encode()).hexdigest()],
    }
    assert "Authorization" not in exchange.headers
    assert profile.headers["Authorization"] == f"token {KEY}:brand-new-token"


async def test_login_is_never_tried_twice(server: RestServer) -> None:
    server.replies(Reply(b"", 503))
    async with client(server, None) as kite:
        with pytest.raises(BrokerUnavailable):
            await kite.exchange_request_token(Secret("request-token"), Secret("api-secret"))
    assert len(server.requests) == 1


async def test_login_url() -> None:
    kite = KiteClient("Z1", KEY, login_root="http://127.0.0.1:5/connect/login")
    assert kite.login_url == f"http://127.0.0.1:5/connect/login?v=3&api_key={KEY}"


@pytest.mark.parametrize("exchange", [None, "NFO"])
async def test_instruments_need_no_token_and_may_be_compressed(server: RestServer, exchange: str | None) -> None:
    server.replies(Reply(gzip.compress(CSV.encode()), content_type="text/csv", headers={"Content-Encoding": "gzip"}))
    async with client(server, None) as kite:
        table = await kite.fetch_instruments(exchange)
        assert await kite.fetch_instruments_csv(exchange) == CSV.encode()
    assert table.instrument(0).kind is InstrumentKind.INDEX
    assert {request.path for request in server.requests} == {"/instruments/NFO" if exchange else "/instruments"}


def quote(token: int, **changes: object) -> dict[str, object]:
    level = {"price": 0, "quantity": 0, "orders": 0}
    best_bid, best_ask = (
        {"price": price, "quantity": quantity, "orders": orders}
        for price, quantity, orders in ((101.05, 650, 3), (101.1, 130, 70_000))
    )
    return {
        "instrument_token": token,
        "timestamp": "2026-11-25 11:59:58",
        "last_trade_time": "2026-11-25 11:59:57",
        "last_price": 101.05,
        "last_quantity": 65,
        "average_price": 99.87,
        "volume": 1_234_500,
        "buy_quantity": 5000,
        "sell_quantity": 6000,
        "oi": 7_000_000,
        "oi_day_high": 7_100_000,
        "oi_day_low": 6_900_000,
        "net_change": 4294967000,
        "lower_circuit_limit": 1.0,
        "upper_circuit_limit": 500.0,
        "ohlc": {"open": 95, "high": 102.5, "low": 90.05, "close": 98.4},
        "depth": {"buy": [best_bid, *[level] * 4], "sell": [best_ask, *[level] * 4]},
        **changes,
    }


async def test_quotes_are_asked_five_hundred_at_a_time(server: RestServer) -> None:
    server.answer = lambda request: success(
        {key: quote(int(key.split(":")[1]) << 8 | 2) for key in request.query["i"] if not key.endswith("7")}
    )
    keys = [f"NFO:{number}" for number in range(1, 1201)]
    async with client(server) as kite:
        quotes = await kite.get_quote([*keys, keys[0]])
    assert [len(request.query["i"]) for request in server.requests] == [500, 500, 200]
    assert len(quotes) == 1080
    assert "NFO:17" not in quotes
    one = quotes["NFO:18"]
    assert one.timestamp == datetime(2026, 11, 25, 11, 59, 58, tzinfo=IST)
    assert (one.bids[0].price, one.bids[0].quantity, one.asks[0].orders) == (101.05, 650, 70_000)
    assert (one.lower_circuit, one.upper_circuit, one.oi) == (1.0, 500.0, 7_000_000)


async def test_last_prices_are_asked_a_thousand_at_a_time(server: RestServer) -> None:
    server.answer = lambda request: success(
        {key: {"instrument_token": 408065, "last_price": 1.5} for key in request.query["i"]}
    )
    keys = [f"NSE:{number}" for number in range(1, 1102)]
    async with client(server) as kite:
        prices = await kite.get_last_price(keys)
    assert prices == dict.fromkeys(keys, 1.5)
    assert [(request.path, len(request.query["i"])) for request in server.requests] == [
        ("/quote/ltp", 1000),
        ("/quote/ltp", 101),
    ]


async def test_no_keys_no_request(server: RestServer) -> None:
    async with client(server) as kite:
        assert await kite.get_quote([]) == {}
        assert len(await kite.quote_batch([])) == 0
    assert not server.requests


def contract(token: int, symbol: str, kind: InstrumentKind = InstrumentKind.CALL) -> Instrument:
    index = kind is InstrumentKind.INDEX
    return Instrument(token, symbol, "X", kind, "INDICES" if index else "NFO-OPT", "NSE" if index else "NFO")


async def test_a_snapshot_has_full_rows_flagged_as_such(server: RestServer) -> None:
    option, currency, index = 1_000 << 8 | 2, 2_000 << 8 | 3, 1001 << 8 | 9
    server.replies(
        success(
            {
                "NFO:OPT": quote(option),
                "NFO:M&M": quote(currency, last_price=84.2275),
                "NSE:NIFTY 50": quote(
                    index, last_price=24850.35, depth={"buy": None, "sell": None}, last_trade_time="", volume=0, oi=None
                ),
                "NFO:REUSED": quote(5_000 << 8 | 2),
            }
        )
    )
    async with client(server) as kite:
        batch = await kite.quote_batch(
            [
                contract(option, "OPT"),
                contract(index, "NIFTY 50", InstrumentKind.INDEX),
                contract(currency, "M&M"),
                contract(7_000 << 8 | 2, "REUSED"),
                contract(8_000 << 8 | 2, "NOBODY"),
            ]
        )
    assert batch.source is Source.SNAPSHOT
    assert batch.instrument_token.tolist() == [option, index, currency]
    assert batch.last_price.tolist() == [101.05, 24850.35, 84.2275]
    assert batch.oi.tolist() == [7_000_000, -1, 7_000_000]
    assert batch.exchange_timestamp.tolist() == [round((NOON - timedelta(seconds=2)).timestamp())] * 3
    assert batch.depth_price[0, [0, 5]].tolist() == [101.05, 101.1]
    assert batch.depth_orders[0, [0, 5]].tolist() == [3, 65_535]
    assert batch.received_wall_ns == round(NOON.timestamp()) * 10**9
    assert server.requests[0].query["i"][2] == "NFO:M&M"


async def test_history_is_asked_in_market_time_and_read_as_wire_integers(server: RestServer) -> None:
    server.replies(
        success(
            {
                "candles": [
                    ["2026-11-25T09:15:00+0530", 101.05, 102, 100.95, 101.5, 650, 7_000_000],
                    ["2026-11-25T09:16:00+0530", 101.5, 101.5, 101.5, 101.5, 0, 7_000_065],
                ]
            }
        )
    )
    start = datetime(2026, 11, 25, 3, 45, tzinfo=UTC)
    async with client(server) as kite:
        candles = await kite.fetch_historical(1000 << 8 | 2, start, NOON, Interval.MINUTE)
    (request,) = server.requests
    assert request.path == f"/instruments/historical/{1000 << 8 | 2}/minute"
    assert request.query == {
        "from": ["2026-11-25 09:15:00"], "to": ["2026-11-25 12:00:00"], "interval": ["minute"],
        "continuous": ["0"], "oi": ["1"],
    }  # fmt: skip
    assert candles.start.tolist() == [int(start.timestamp()), int(start.timestamp()) + 60]
    assert candles.open.tolist() == [10105, 10150]
    assert candles.low.tolist() == [10095, 10150]
    assert candles.oi.tolist() == [7_000_000, 7_000_065]


async def test_history_without_oi_disordered_repeated_or_in_another_zone(server: RestServer) -> None:
    server.replies(
        success(
            {
                "candles": [
                    ["2026-11-25T09:17:00+0530", 3, 3, 3, 3, 1],
                    ["2026-11-25T09:15:00+0530", 1, 1, 1, 1, 1],
                    ["2026-11-25T03:46:00+00:00", 2, 2, 2, 2, 1],
                    ["2026-11-25T09:15:00+0530", 9, 9, 9, 9, 9],
                ]
            }
        ),
        success({"candles": []}),
        success({"candles": [["2026-11-24T00:00:00+0530", 84.2275, 84.25, 84.2, 84.21, 10]]}),
    )
    async with client(server) as kite:
        candles = await kite.fetch_historical(1 << 8 | 1, NOON, NOON, Interval.MINUTE, oi=False)
        assert candles.close.tolist() == [900, 200, 300]
        assert candles.oi.tolist() == [-1, -1, -1]
        assert (candles.start[1:] - candles.start[:-1]).tolist() == [60, 60]
        assert len(await kite.fetch_historical(1 << 8 | 1, NOON, NOON, Interval.DAY)) == 0
        currency = await kite.fetch_historical(1 << 8 | 3, NOON, NOON, Interval.DAY)
        assert currency.open.tolist() == [842_275_000]
        assert currency.start.tolist() == [int(datetime(2026, 11, 24, tzinfo=IST).timestamp())]


async def test_history_refuses_what_the_broker_would(server: RestServer) -> None:
    async with client(server) as kite:
        with pytest.raises(ValueError, match="no time zone"):
            await kite.fetch_historical(1, NOON.replace(tzinfo=None), NOON, Interval.MINUTE)
        with pytest.raises(ValueError, match="at most 60 days"):
            await kite.fetch_historical(1, NOON - timedelta(days=61), NOON, Interval.MINUTE)
        with pytest.raises(ValueError, match="begins before it ends"):
            await kite.fetch_historical(1, NOON, NOON - timedelta(days=1), Interval.MINUTE)
    assert not server.requests


BAD_HISTORY = [
    [],
    {},
    {"candles": None},
    {"candles": [1]},
    {"candles": [["2026-11-25T09:15:00+0530", 1, 2]]},
    {"candles": [[None, 1, 2, 3, 4, 5]]},
    {"candles": [["2026-11-25T09:15:00+0530", None, 2, 3, 4, 5]]},
    {"candles": [["2026-13-45T09:15:00+0530", 1, 2, 3, 4, 5]]},
    {"candles": [["2026-11-25T09:15:00+0530", 1, 2, 3, 4, "x"]]},
    {"candles": [["2026-11-25T09:15:00+0530", 1e300, 2, 3, 4, 5]]},
    {"candles": [["2026-11-25T09:15:00+0530", 1, 2, 3, 4, 1e40]]},
]


@pytest.mark.parametrize("data", BAD_HISTORY, ids=lambda data: json.dumps(data)[:50])
async def test_history_of_another_form_is_an_unexpected_answer(server: RestServer, data: object) -> None:
    server.replies(success(data))
    async with client(server) as kite:
        with pytest.raises(UnexpectedAnswer, match="the history of 257 is not in the expected form"):
            await kite.fetch_historical(257, NOON, NOON, Interval.MINUTE)
    assert len(server.requests) == 1


# ---------------------------------------------------------------------- errors

ERRORS: list[tuple[str, Reply, type[KiteError]]] = [
    ("dead token", failure(403, "TokenException", "Incorrect `api_key` or `access_token`."), AuthExpired),
    ("403 without words", Reply(b"", 403, "text/plain"), AuthExpired),
    ("401", Reply(b"<html>", 401, "text/html"), AuthExpired),
    ("no data plan", failure(403, "PermissionException", "Insufficient permission for that call."), PermissionDenied),
    ("account trouble", failure(403, "UserException"), PermissionDenied),
    ("wrong parameter", failure(400, "InputException", "Invalid `from` date"), InvalidRequest),
    ("no such route", failure(404, "GeneralException", "Route not found"), InvalidRequest),
    ("margin", failure(400, "MarginException"), InvalidRequest),
    ("too many", failure(429, "NetworkException", "Too many requests"), RateLimited),
    ("too many, without a type", Reply(b"slow down", 429, None), RateLimited),
    ("too many with status 200", failure(200, None, "Too many requests"), RateLimited),
    ("order system down", failure(502, "DataException"), BrokerUnavailable),
    ("network", failure(503, "NetworkException"), BrokerUnavailable),
    ("general", failure(500, "GeneralException"), BrokerUnavailable),
    ("error page", Reply(b"<html>Bad gateway</html>", 502, "text/html"), BrokerUnavailable),
    ("gateway timeout", Reply(b"", 504, None), BrokerUnavailable),
    ("error with status 200", failure(200, None, "Something"), UnexpectedAnswer),
    ("no content type", Reply(b'{"status":"success","data":{}}', 200, None), UnexpectedAnswer),
    ("a page with status 200", Reply(b"<html>Welcome to the hotel</html>", 200, "text/html"), UnexpectedAnswer),
    ("broken JSON", Reply(b'{"status":"succ', 200), UnexpectedAnswer),
    ("a list", Reply(b"[1,2]", 200), UnexpectedAnswer),
    ("null", Reply(b"null", 200), UnexpectedAnswer),
    ("no data", Reply(b'{"status":"success"}', 200), UnexpectedAnswer),
    ("other data", success("x"), UnexpectedAnswer),
    ("data without the user", success({}), UnexpectedAnswer),
    ("a type that is no text", Reply(b'{"status":"error","error_type":7,"message":5}', 400), InvalidRequest),
    ("a type that is another name", failure(400, "__class__"), InvalidRequest),
    ("deeply nested", Reply(b"[" * 100_000, 200), UnexpectedAnswer),
    ("CSV instead", Reply(b"a,b", 200, "text/csv"), UnexpectedAnswer),
]


@pytest.mark.parametrize(("reply", "kind"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
async def test_every_bad_answer_is_a_typed_error(server: RestServer, reply: Reply, kind: type[KiteError]) -> None:
    server.replies(reply)
    async with client(server) as kite:
        with pytest.raises(KiteError) as caught:
            await kite.profile()
    error = caught.value
    assert type(error) is kind
    assert (error.account, error.endpoint, error.status) == ("Z1", "the profile", reply.status)
    text = str(error)
    assert text.startswith("Z1: ")
    assert "\n" not in text
    assert f"HTTP {reply.status}" in text
    assert len(server.requests) == (3 if error.retryable else 1)


async def test_the_brokers_words_are_kept_without_secrets(server: RestServer) -> None:
    server.replies(failure(403, "TokenException", f"{TOKEN.reveal()} of {KEY} is dead"))
    async with client(server) as kite:
        with pytest.raises(AuthExpired) as caught:
            await kite.profile()
    assert str(caught.value) == (
        "Z1: the broker refused the session for the profile (HTTP 403): ••• of ••• is dead; "
        "log in again with `tickertui login Z1`"
    )
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(kite)
    assert TOKEN.reveal() not in shown
    assert KEY not in shown


async def test_without_a_token_nothing_is_sent(server: RestServer) -> None:
    async with client(server, None) as kite:
        with pytest.raises(AuthExpired, match="there is no token for today"):
            await kite.profile()
        kite.set_access_token(TOKEN)
        server.replies(success({"user_id": "U"}))
        await kite.profile()
    assert len(server.requests) == 1


async def test_no_answer_in_time(server: RestServer) -> None:
    server.replies(Reply(hang=True))
    async with client(server, timeout=0.1) as kite:
        with pytest.raises(BrokerTimeout, match="did not answer in time for the profile"):
            await kite.profile()
    assert len(server.requests) == 3


async def test_nobody_answers_and_answers_break_off(server: RestServer) -> None:
    server.replies(Reply(b'{"status":', cut=True))
    async with client(server) as kite:
        with pytest.raises(BrokerUnavailable):
            await kite.profile()
    gone = KiteClient("Z1", KEY, TOKEN, root="http://127.0.0.1:1", pacer=Pacer(UNPACED, 10_000.0))
    with pytest.raises(BrokerUnavailable, match="Connection refused"):
        await gone.profile()
    await gone.aclose()


async def test_a_call_recovers_by_itself(server: RestServer) -> None:
    server.replies(Reply(b"", 503), failure(502, "DataException"), success({"user_id": "U"}))
    async with client(server) as kite:
        assert (await kite.profile()).user_id == "U"
    assert len(server.requests) == 3


async def test_the_log_says_what_is_asked_for_again_and_why(
    server: RestServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.replies(Reply(b"", 503), failure(502, "DataException", "no backend"), success({"user_id": "U"}))
    caplog.set_level("DEBUG", "tickertui.kite.client")
    async with client(server) as kite:
        await kite.profile()
    again, once_more, answered = [r.getMessage() for r in caplog.records if r.name == "tickertui.kite.client"]
    reason = "Z1: the broker is not available for the profile (HTTP"
    assert again.startswith(f"asking for the profile again (2 of 3): {reason} 503)")
    assert once_more == f"asking for the profile again (3 of 3): {reason} 502): no backend"
    assert answered.startswith("Z1: the profile came in ")


async def test_a_rate_limit_slows_the_whole_class_down(server: RestServer) -> None:
    server.replies(failure(429, "NetworkException", "Too many requests"), success({"candles": []}))
    pacer = Pacer(UNPACED, 10_000.0)
    async with client(server, pacer=pacer) as kite:
        await kite.fetch_historical(257, NOON, NOON, Interval.MINUTE)
        assert kite.history_refusals == 1, "also one that the next attempt made good"
    first, second = server.requests
    assert second.at - first.at >= 0.95
    assert pacer.rate(CallClass.HISTORICAL) < 6_000
    assert pacer.rate(CallClass.QUOTE) == pytest.approx(10_000)


async def test_a_long_rate_limit_is_handed_to_the_caller(server: RestServer) -> None:
    server.replies(failure(429, "NetworkException", "Too many requests", Retry_After="120"))
    async with client(server) as kite:
        with pytest.raises(RateLimited) as caught:
            await kite.profile()
    assert caught.value.retry_after == 120
    assert len(server.requests) == 1


async def test_calls_of_several_accounts_run_at_once(server: RestServer) -> None:
    server.replies(Reply(hang=True))
    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(_ask_for_ever, server, f"Z{number}")
            group.start_soon(_ask_for_ever, server, f"Z{number}")
        await wait_until(lambda: len(server.requests) == 6, "six requests are under way")
        server.stopping.set()
        group.cancel_scope.cancel()


async def _ask_for_ever(server: RestServer, account: str) -> None:
    async with client(server, account=account) as kite:
        await kite.profile()


async def test_a_cancelled_call_returns_at_once(server: RestServer) -> None:
    server.replies(Reply(hang=True))
    async with client(server, timeout=30) as kite:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(kite.profile)
                await wait_until(lambda: server.requests, "the request is under way")
                group.cancel_scope.cancel()
    server.stopping.set()


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_it_runs_on_trio_too(server: RestServer, anyio_backend: str) -> None:
    server.replies(Reply(b"", 503), success({"user_id": "U"}))
    async with client(server) as kite:
        assert (await kite.profile()).user_id == "U"


# ---------------------------------------------------------------------- the package below


def test_the_hooks_of_the_official_client_are_as_we_use_them() -> None:
    from kiteconnect import KiteConnect, exceptions

    kite = KiteConnect("key", root="http://127.0.0.1:1", timeout=3)
    assert kite.debug is False
    assert kite.timeout == 3
    assert list(inspect.signature(KiteConnect._get).parameters)[:4] == ["self", "route", "url_args", "params"]
    assert list(inspect.signature(KiteConnect._post).parameters)[:4] == ["self", "route", "url_args", "params"]
    expected = {
        "api.token": "/session/token",
        "user.profile": "/user/profile",
        "market.instruments.all": "/instruments",
        "market.instruments": "/instruments/{exchange}",
        "market.historical": "/instruments/historical/{instrument_token}/{interval}",
        "market.quote": "/quote",
        "market.quote.ltp": "/quote/ltp",
    }
    assert expected.items() <= KiteConnect._routes.items()
    assert kite.reqsession.hooks == {"response": []}
    assert issubclass(exceptions.TokenException, exceptions.KiteException)
    kite.set_access_token("token")
    assert kite.access_token == "token"
    kite.reqsession.close()


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_the_client_loads_neither_the_official_one_nor_twisted() -> None:
    loaded = run_python(
        "import sys, tickertui.kite.client, tickertui.kite.stream, tickertui.kite.login;"
        "print([name for name in ('kiteconnect', 'requests', 'twisted', 'autobahn') if name in sys.modules])"
    )
    assert loaded == "[]"


def test_rest_calls_do_not_load_twisted_and_do_not_spoil_the_package() -> None:
    with rest_server() as server:
        server.replies(success({"user_id": "U"}))
        printed = run_python(
            f"""
import sys, anyio
from tickertui.kite.client import KiteClient
from tickertui.kite.secrets import Secret
async def main():
    kite = KiteClient("Z1", "key", Secret("token"), root={server.url!r})
    print((await kite.profile()).user_id)
    await kite.aclose()
anyio.run(main)
print("twisted" in sys.modules, "kiteconnect.ticker" in sys.modules)
import kiteconnect
print(hasattr(kiteconnect, "nonsense"), "twisted" in sys.modules)
from kiteconnect import KiteTicker
from kiteconnect.ticker import KiteTicker as again
print(KiteTicker is again, KiteTicker("k", "t")._parse_binary(b"\\0"), "twisted" in sys.modules)
"""
        )
    assert printed.splitlines() == ["U", "False False", "False False", "True [] True"]


async def test_the_brokers_published_samples(server: RestServer) -> None:
    answers = {
        "/user/profile": "profile.json",
        "/quote": "quote.json",
        "/quote/ltp": "ltp.json",
        "/session/token": "session.json",
    }
    server.answer = lambda request: Reply(sample(answers.get(request.path, "historical.json")).read_bytes())
    async with client(server) as kite:
        assert (await kite.profile()).user_id == "AB1234"
        quotes = await kite.get_quote(["NSE:INFY"])
        assert quotes["NSE:INFY"].asks[0].quantity == 5191
        assert await kite.get_last_price(["NSE:INFY"]) == {"NSE:INFY": 1074.35}
        candles = await kite.fetch_historical(12517890, NOON, NOON, Interval.MINUTE)
        assert candles.open[0] == 1_200_990
        assert candles.oi[0] == 13_667_775
        assert (await kite.exchange_request_token(Secret("rrrrrrrr"), Secret("s"))).user_id == "XX0000"
