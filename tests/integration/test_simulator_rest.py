"""The simulator's REST side over a plain socket: login, sessions, limits, refusals, and every fault of an answer."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import anyio
import pytest

from tests.support.http_client import Answer, HttpConnection, connect
from tests.support.plain_market import NIFTY, PlainMarket, option
from tests.support.simulators import (
    MARKET_TIME,
    SimulatedBroker,
    logged_in_accounts,
    mock_market,
    simulated_broker,
)
from tests.support.waiting import wait_until
from tickertui.clock import SystemClock
from tickertui.kite.instruments_csv import parse_instruments
from tickertui.market.clock import IST, ManualClock
from tickertui.market.instruments import InstrumentKind
from tickertui.simulator.accounts import Sessions, SimulatedAccount, simulated_accounts
from tickertui.simulator.clock import SimulatedClock
from tickertui.simulator.faults import (
    CutAnswer,
    ErrorAnswer,
    ErrorInside200,
    ExpireTokens,
    GarbageAnswer,
    HtmlError,
    ResetAnswer,
    ShortDump,
    SlowAnswer,
)
from tickertui.simulator.limits import Limits, RateClass, RateLimiter

INFY = 408065


class Client:
    """A client with a session."""

    def __init__(self, connection: HttpConnection, account: SimulatedAccount, access_token: str) -> None:
        self.connection = connection
        self.account = account
        self.access_token = access_token

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.connection.call("GET", path, headers={**self._authorization(), **headers})

    async def exchange(self, request_token: str, secret: str | None = None) -> Answer:
        key = self.account.api_key
        text = f"{key}{request_token}{self.account.api_secret if secret is None else secret}"
        checksum = hashlib.sha256(text.encode()).hexdigest()
        form = {"api_key": key, "request_token": request_token, "checksum": checksum}
        return await self.connection.call("POST", "/session/token", form=form)

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"token {self.account.api_key}:{self.access_token}"}


@asynccontextmanager
async def client_of(broker: SimulatedBroker, account: int = 0) -> AsyncIterator[Client]:
    connection = await connect(broker.rest_url)
    async with connection.stream:
        user = broker.accounts[account]
        yield Client(connection, user, user.access_token)


def refused(answer: Answer, status: int, error_type: str) -> str:
    """The broker's words of an error."""
    document = answer.json
    assert answer.status == status
    assert document["status"] == "error"
    assert document["data"] is None
    assert document["error_type"] == error_type
    message: str = document["message"]
    return message


# ---------------------------------------------------------------------- login and sessions


@pytest.mark.parametrize("redirect", ["", "http://127.0.0.1:9/landing?app=1"])
async def test_the_login_page_leads_to_the_registered_address_with_a_token(redirect: str) -> None:
    account = replace(simulated_accounts(1)[0], redirect_url=redirect)
    async with simulated_broker(accounts=(account,)) as broker, client_of(broker) as client:
        page = await client.connection.call("GET", f"/connect/login?api_key={account.api_key}&v=3")
        assert page.status == 200
        assert "<form method=post" in page.text
        assert account.user_id in page.text
        form = {"api_key": account.api_key, "redirect_params": "desk=2"}
        sent = await client.connection.call("POST", "/connect/login", form=form)
        assert sent.status == 302
        target = urlsplit(sent.headers["location"])
        query = parse_qs(target.query)
        assert (query["desk"], query["action"], query["status"]) == (["2"], ["login"], ["success"])
        if redirect:
            assert sent.headers["location"].startswith("http://127.0.0.1:9/landing?app=1&")
        else:
            landing = await client.connection.call("GET", f"{target.path}?{target.query}")
            assert query["request_token"][0] in landing.text
        session = (await client.exchange(query["request_token"][0])).data
        client.access_token = session["access_token"]
        profile = await client.get("/user/profile")
        assert profile.data["user_id"] == account.user_id


async def test_what_a_page_shows_is_escaped() -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        query = urlencode({"request_token": "<script>alert(1)</script>"})
        landing = await client.connection.call("GET", f"/simulator/logged-in?{query}")
    assert "<script>" not in landing.text
    assert "&lt;script&gt;" in landing.text


async def test_an_unknown_key_is_told_which_are_known() -> None:
    async with simulated_broker(accounts=2) as broker, client_of(broker) as client:
        for call in (
            client.connection.call("GET", "/connect/login?api_key=nobody"),
            client.connection.call("POST", "/connect/login", form={"api_key": "nobody"}),
            client.connection.call("GET", "/simulator/request_token?api_key=nobody"),
        ):
            answer = await call
            assert answer.status == 400
            assert "simulated1, simulated2" in answer.text


async def test_a_program_can_take_a_request_token() -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        answer = await client.connection.call("GET", f"/simulator/request_token?api_key={client.account.api_key}")
        assert (await client.exchange(answer.text.strip())).status == 200


async def test_a_request_token_works_once_and_only_with_key_and_checksum() -> None:
    async with simulated_broker(accounts=2) as broker, client_of(broker) as client, client_of(broker, 1) as other:
        token = broker.simulator.request_token(client.account.api_key)
        dead = "Token is invalid or has expired."
        assert refused(await client.exchange(token, secret="wrong"), 403, "TokenException") == dead
        assert refused(await other.exchange(token), 403, "TokenException") == dead
        assert refused(await client.exchange("f" * 32), 403, "TokenException") == dead
        assert (await client.exchange(token)).status == 200
        assert refused(await client.exchange(token), 403, "TokenException") == dead
        missing = await client.connection.call("POST", "/session/token", form={"api_key": "simulated1"})
        assert refused(missing, 400, "InputException") == "Missing or empty field `request_token`"
        refresh = await client.connection.call("POST", "/session/refresh_token", form={"api_key": "simulated1"})
        refused(refresh, 403, "TokenException")


async def test_two_logins_of_a_day_give_one_token_until_logout() -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        key = client.account.api_key
        tokens = []
        for _ in range(2):
            opened = await client.exchange(broker.simulator.request_token(key))
            tokens.append(opened.data["access_token"])
        assert tokens == [client.access_token] * 2
        gone = await client.connection.call("DELETE", f"/session/token?api_key={key}&access_token={tokens[0]}")
        assert gone.data is True
        refused(await client.get("/user/profile"), 403, "TokenException")
        again = await client.connection.call("DELETE", f"/session/token?api_key={key}&access_token={tokens[0]}")
        refused(again, 403, "TokenException")
        fresh = (await client.exchange(broker.simulator.request_token(key))).data["access_token"]
        assert fresh != tokens[0]


async def test_tokens_end_at_six_in_the_morning_of_the_simulated_day() -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        broker.clock.set(datetime(2026, 11, 26, 5, 59, 59, tzinfo=IST))
        assert (await client.get("/user/profile")).status == 200
        broker.clock.set(datetime(2026, 11, 26, 6, 0, tzinfo=IST))
        assert refused(await client.get("/user/profile"), 403, "TokenException") == (
            "Incorrect `api_key` or `access_token`."
        )
        assert (await client.get("/instruments/NSE")).status == 200  # The dump needs no session.
        token = broker.simulator.request_token(client.account.api_key)
        client.access_token = (await client.exchange(token)).data["access_token"]
        assert (await client.get("/user/profile")).status == 200


def test_a_request_token_lives_for_minutes_of_the_machine() -> None:
    machine = ManualClock(MARKET_TIME)
    (account,) = simulated_accounts(1)
    sessions = Sessions([account], SimulatedClock(machine, MARKET_TIME, 3600.0), request_token_seconds=300, seed=1)

    def exchanged(token: str) -> bool:
        text = f"{account.api_key}{token}{account.api_secret}"
        return sessions.exchange(account.api_key, token, hashlib.sha256(text.encode()).hexdigest()) is not None

    first, second = sessions.issue_request_token(account), sessions.issue_request_token(account)
    machine.advance(300)
    assert exchanged(first)
    machine.advance(1)
    assert not exchanged(second)


def test_two_accounts_cannot_share_a_key() -> None:
    account = simulated_accounts(1)[0]
    with pytest.raises(ValueError, match="share an api_key"):
        Sessions([account, account], SimulatedClock(SystemClock()), request_token_seconds=300, seed=1)


async def test_without_or_with_a_wrong_token_nothing_is_told() -> None:
    async with simulated_broker(accounts=2) as broker, client_of(broker) as client:
        for header in (
            "",
            "token",
            "token simulated1",
            "token simulated1:",
            "token simulated2:token1",
            "Bearer token1",
        ):
            for path in ("/user/profile", "/quote?i=NSE:INFY", "/instruments/historical/408065/day", "/orders"):
                answer = await client.connection.call("GET", path, headers={"Authorization": header})
                refused(answer, 403, "TokenException")


async def test_a_plan_without_market_data_has_a_profile_and_nothing_else() -> None:
    account = replace(logged_in_accounts(1)[0], market_data=False)
    async with simulated_broker(accounts=(account,)) as broker, client_of(broker) as client:
        assert (await client.get("/user/profile")).status == 200
        for path in ("/quote?i=NSE:INFY", "/quote/ltp?i=NSE:INFY", "/instruments/historical/408065/day"):
            message = refused(await client.get(path), 403, "PermissionException")
            assert message == "Insufficient permission for that call."


# ---------------------------------------------------------------------- paths and parameters


async def test_unknown_paths_and_methods() -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        assert refused(await client.get("/nowhere"), 404, "GeneralException") == "Route not found"
        refused(await client.connection.call("POST", "/user/profile", form={"a": "b"}), 405, "GeneralException")
        order = await client.connection.call("POST", "/orders/regular", form={"quantity": "1"})
        assert "takes no orders" in refused(order, 404, "GeneralException")
        front = await client.connection.call("GET", "/")
        assert broker.stream_url in front.text


async def test_the_dump_is_compressed_when_asked_and_follows_the_market() -> None:
    market = PlainMarket()
    async with simulated_broker(market) as broker, client_of(broker) as client:
        plain = await client.get("/instruments")
        packed = await client.get("/instruments", **{"Accept-Encoding": "gzip, deflate"})
        assert plain.headers["content-type"] == packed.headers["content-type"] == "text/csv"
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.text == plain.text
        assert len(packed.body) < len(plain.body) / 3
        assert parse_instruments(plain.body).tokens.tolist() == market.instruments.tokens.tolist()
        nothing = await client.get("/instruments/MCX")
        assert nothing.text.count("\n") == 1, "only the header"
        market.list_more([option(60_000, 27_000.0, InstrumentKind.CALL)])
        assert parse_instruments((await client.get("/instruments")).body).row(60_000 << 8 | 2) is not None
        assert str(60_000 << 8 | 2) in (await client.get("/instruments/NFO")).text


@pytest.mark.parametrize(
    "path, message",
    [
        ("/quote", "Missing or empty field `i`"),
        ("/instruments/historical/abc/minute?from=2026-11-25&to=2026-11-25", "invalid token"),
        ("/instruments/historical/999999999/minute?from=2026-11-25&to=2026-11-25", "invalid token"),
        ("/instruments/historical/408065/minute?to=2026-11-25", "invalid from date"),
        ("/instruments/historical/408065/minute?from=2026-11-25&to=soon", "invalid to date"),
        ("/instruments/historical/408065/minute?from=2026-11-25&to=2026-11-25T11:00:00Z", "invalid to date"),
        ("/instruments/historical/408065/fortnight?from=2026-11-25&to=2026-11-25", "invalid interval"),
        ("/user/margins/moon", "Invalid segment."),
    ],
)
async def test_wrong_parameters(path: str, message: str) -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        assert refused(await client.get(path), 400, "InputException") == message


@pytest.mark.parametrize(
    "interval, days",
    [
        ("minute", 60),
        ("3minute", 100),
        ("5minute", 100),
        ("10minute", 100),
        ("15minute", 200),
        ("30minute", 200),
        ("60minute", 400),
        ("day", 2000),
    ],
)
async def test_the_span_of_history_is_limited_by_its_interval(interval: str, days: int) -> None:
    end = datetime(2026, 11, 25, tzinfo=IST)
    async with simulated_broker() as broker, client_of(broker) as client:
        statuses = []
        for span in (days, days + 1):
            start = end - timedelta(days=span)
            query = urlencode({"from": f"{start:%Y-%m-%d 09:15:00}", "to": f"{end:%Y-%m-%d 15:30:00}"})
            answer = await client.get(f"/instruments/historical/{INFY}/{interval}?{query}")
            statuses.append(answer.status)
        assert refused(answer, 400, "InputException") == f"interval exceeds max limit: {days} days"
    assert statuses == [200, 400]


async def test_what_has_expired_is_gone() -> None:
    market = PlainMarket()
    async with simulated_broker(market) as broker, client_of(broker) as client:
        token = next(row for row in market.instruments.tokens.tolist() if market.instruments.get(row).expiry)  # type: ignore[union-attr]
        broker.clock.set(datetime(2027, 1, 4, 5, 0, tzinfo=IST))
        broker.simulator.sessions.expire()
        opened = await client.exchange(broker.simulator.request_token(client.account.api_key))
        client.access_token = opened.data["access_token"]
        answer = await client.get(f"/quote/ltp?i={token}&i={INFY}")
        assert list(answer.data) == [str(INFY)]
        candles = await client.get(f"/instruments/historical/{token}/day?from=2026-12-01&to=2026-12-02")
        assert refused(candles, 400, "InputException") == "invalid token"


async def test_the_projects_own_market_is_served() -> None:
    market = mock_market()
    async with simulated_broker(market) as broker, client_of(broker) as client:
        row = int((market.instruments.kinds >= InstrumentKind.CALL).argmax())
        instrument = market.instruments.instrument(row)
        quote = (await client.get(f"/quote?{urlencode({'i': instrument.quote_key})}")).data[instrument.quote_key]
        assert quote["last_price"] == market.rows([instrument.token])[0, 1] / 100
        query = urlencode({"from": "2026-11-24 09:15:00", "to": "2026-11-25 11:00:00", "oi": "1"})
        answer = await client.get(f"/instruments/historical/{instrument.token}/minute?{query}")
        candles = answer.data["candles"]
        times = [row[0] for row in candles]
        assert times == sorted(set(times))
        assert times[0].startswith("2026-11-25T09:15:00+0530") or times[0].startswith("2026-11-24")
        assert all(row[3] <= min(row[1], row[4]) <= max(row[1], row[4]) <= row[2] for row in candles)
        assert all(row[5] >= 0 < row[6] for row in candles)


# ---------------------------------------------------------------------- rates


@pytest.mark.parametrize("rate_class, most", [(RateClass.QUOTE, 1), (RateClass.HISTORICAL, 3), (RateClass.OTHER, 10)])
def test_rates_hold_over_every_sliding_second(rate_class: RateClass, most: int) -> None:
    limiter = RateLimiter(Limits())
    accepted = [at for at in range(0, 5_000, 20) if limiter.admit("key", rate_class, at * 1_000_000)]
    window = 1000 * Limits().window_seconds
    assert max(sum(start <= at < start + window for at in accepted) for start in accepted) == most
    assert len(accepted) >= 5 * most
    assert limiter.admit("another key", rate_class, 5_000_000_000), "each key has its own budget"


def test_all_requests_of_a_key_share_a_total() -> None:
    limiter = RateLimiter(Limits())
    assert all(limiter.admit("key", RateClass.OTHER, 0) for _ in range(10))
    assert not limiter.admit("key", RateClass.QUOTE, 1_000_000)
    assert limiter.admit("key", RateClass.QUOTE, 1_000_000_000)


async def test_too_many_requests_are_refused_per_key() -> None:
    async with (
        simulated_broker(accounts=2, limits=Limits()) as broker,
        client_of(broker) as client,
        client_of(broker, 1) as other,
    ):
        assert (await client.get("/quote/ltp?i=NSE:INFY")).status == 200
        refusal = await client.get("/quote/ohlc?i=NSE:INFY")
        assert refused(refusal, 429, "NetworkException") == "Too many requests"
        assert (await other.get("/quote/ltp?i=NSE:INFY")).status == 200
        assert (await client.get("/user/profile")).status == 200


# ---------------------------------------------------------------------- faults


async def statuses(client: Client, path: str, count: int) -> list[int]:
    return [(await client.get(path)).status for _ in range(count)]


@pytest.mark.parametrize("status", [400, 403, 429, 500, 502, 503, 504])
async def test_an_error_answer_for_a_number_of_calls(status: int) -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        fault = ErrorAnswer(
            path="/quote", calls=2, status=status, error_type="DataException", message="no", retry_after=7
        )
        await broker.misbehave(fault)
        assert await statuses(client, "/user/profile", 1) == [200]
        first = await client.get("/quote/ltp?i=NSE:INFY")
        assert refused(first, status, "DataException") == "no"
        assert first.headers["retry-after"] == "7"
        assert await statuses(client, "/quote/ltp?i=NSE:INFY", 2) == [status, 200]
        assert broker.simulator.faults.active() == []


async def test_a_fault_of_one_key_and_of_a_probability() -> None:
    async with simulated_broker(accounts=2) as broker, client_of(broker) as client, client_of(broker, 1) as other:
        await broker.misbehave(ErrorAnswer(api_key=client.account.api_key, calls=None, probability=0.5))
        seen = await statuses(client, "/user/profile", 60)
        assert set(seen) == {200, 503}
        assert 15 <= seen.count(503) <= 45
        assert await statuses(other, "/user/profile", 10) == [200] * 10
        assert broker.simulator.clear_faults() == 1
        assert await statuses(client, "/user/profile", 10) == [200] * 10


async def test_a_fault_ends_with_its_time() -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        await broker.misbehave(ErrorAnswer(calls=None, seconds=0.2))
        assert await statuses(client, "/user/profile", 1) == [503]
        await wait_until(lambda: not broker.simulator.faults.active(), "the fault is over")
        assert await statuses(client, "/user/profile", 1) == [200]


async def test_an_error_inside_a_200() -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        await broker.misbehave(ErrorInside200())
        answer = await client.get("/user/profile")
    assert answer.status == 200
    assert answer.json == {"status": "error", "message": "Too many requests", "data": None}


async def test_a_page_instead_of_json() -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        await broker.misbehave(HtmlError(status=502))
        answer = await client.get("/user/profile")
    assert (answer.status, answer.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert answer.text.startswith("<!doctype html>")


async def test_garbage_that_calls_itself_json() -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        await broker.misbehave(GarbageAnswer())
        answer = await client.get("/user/profile")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    with pytest.raises(ValueError, match="Expecting value"):
        _ = answer.json


async def test_a_slow_answer_does_not_hold_up_others() -> None:
    async with simulated_broker() as broker, client_of(broker) as client, client_of(broker) as other:
        await broker.misbehave(SlowAnswer(delay=3600.0))
        answered = []

        async def ask() -> None:
            answered.append(await client.get("/user/profile"))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await wait_until(lambda: not broker.simulator.faults.active(), "the slow request has arrived")
            assert await statuses(other, "/user/profile", 3) == [200] * 3
            assert not answered
            group.cancel_scope.cancel()
    async with simulated_broker() as broker, client_of(broker) as client:
        await broker.misbehave(SlowAnswer(delay=0.05))
        assert (await client.get("/user/profile")).data["user_id"] == "SIM001"


async def test_a_connection_reset_instead_of_an_answer() -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        await broker.misbehave(ResetAnswer())
        with pytest.raises(anyio.BrokenResourceError):
            await client.get("/user/profile")
    async with simulated_broker() as broker, client_of(broker) as client:
        assert (await client.get("/user/profile")).status == 200


async def test_an_answer_cut_in_the_middle() -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        await broker.misbehave(CutAnswer(path="/instruments", share=0.3))
        with pytest.raises(anyio.IncompleteRead):
            await client.get("/instruments")


@pytest.mark.parametrize("share", [0.0, 0.5])
async def test_a_dump_that_is_well_formed_but_short(share: float) -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        await broker.misbehave(ShortDump(share=share))
        short, whole = await client.get("/instruments"), await client.get("/instruments")
    lines, all_lines = short.text.splitlines(), whole.text.splitlines()
    assert len(lines) == 1 + int((len(all_lines) - 1) * share)
    assert lines == all_lines[: len(lines)]


async def test_tokens_that_end_in_the_middle_of_a_session() -> None:
    async with simulated_broker(accounts=2) as broker, client_of(broker) as client, client_of(broker, 1) as other:
        await broker.misbehave(ExpireTokens(api_key=client.account.api_key))
        refused(await client.get("/user/profile"), 403, "TokenException")
        assert (await other.get("/user/profile")).status == 200
        await broker.misbehave(ExpireTokens())
        refused(await other.get("/user/profile"), 403, "TokenException")


async def test_the_login_page_and_the_control_never_fail() -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        await broker.misbehave(ErrorAnswer(calls=None))
        page = await client.connection.call("GET", f"/connect/login?api_key={client.account.api_key}")
        state = await client.connection.call("GET", "/simulator/state")
        assert (page.status, state.status) == (200, 200)
        assert (await client.get("/user/profile")).status == 503


async def test_the_index_is_quoted_without_depth() -> None:
    async with simulated_broker() as broker, client_of(broker) as client:
        quote = (await client.get(f"/quote?i={NIFTY}")).data[str(NIFTY)]
    assert quote["depth"] == {"buy": None, "sell": None}
    assert quote["volume"] == quote["oi"] == 0
