"""The broker's own client against the simulator: it must see the very values that the simulator meant."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.official import OfficialClient, official_calls, official_ticker
from tests.support.plain_market import EXPIRY, NIFTY, PlainMarket
from tests.support.simulators import MARKET_TIME, SimulatedBroker, mock_market, simulated_broker
from tests.support.waiting import wait_until
from tickertui.market.clock import from_epoch
from tickertui.market.instruments import INDEX_SEGMENT_CODE, price_divisor
from tickertui.market.ticks import Word
from tickertui.simulator.accounts import simulated_accounts
from tickertui.simulator.faults import ErrorInside200, ExpireTokens, GarbageText, HtmlError
from tickertui.simulator.limits import Limits
from tickertui.simulator.orders import SimulatedOrder

INFY = 408065
CURRENCY = 40_002 << 8 | 3
COMMODITY = 40_003 << 8 | 12

Words = NDArray[np.uint32]


def call(method: str, *args: object, **kwargs: object) -> tuple[str, tuple[object, ...], dict[str, object]]:
    return method, args, kwargs


async def ask(broker: SimulatedBroker, *calls: tuple[str, tuple[object, ...], dict[str, object]]) -> list[Any]:
    """Results of calls that succeed."""
    account = broker.accounts[0]
    answers = await official_calls(broker.rest_url, account.api_key, account.access_token, *calls)
    assert [answer.get("error") for answer in answers] == [None] * len(calls), answers
    return [answer["result"] for answer in answers]


# ---------------------------------------------------------------------- what the simulator means


def time_of(epoch: int) -> str:
    return str(from_epoch(epoch).replace(tzinfo=None))


def meant_depth(row: Words) -> dict[str, list[dict[str, object]]]:
    divisor = price_divisor(int(row[0]))
    levels: list[dict[str, object]] = [
        {"quantity": int(row[at]), "price": int(row[at + 1]) / divisor, "orders": int(row[at + 2]) >> 16}
        for at in range(Word.DEPTH, 46, 3)
    ]
    return {"buy": levels[:5], "sell": levels[5:]}


def meant_tick(row: Words, mode: str) -> dict[str, object]:
    """The tick that the official client has to make of a row."""
    token = int(row[Word.TOKEN])
    divisor = price_divisor(token)
    tradable = token & 0xFF != INDEX_SEGMENT_CODE
    last = int(row[Word.LAST_PRICE]) / divisor
    tick: dict[str, object] = {"tradable": tradable, "mode": mode, "instrument_token": token, "last_price": last}
    if mode == "ltp":
        return tick
    close = int(row[Word.CLOSE]) / divisor
    names = {"open": Word.OPEN, "high": Word.HIGH, "low": Word.LOW, "close": Word.CLOSE}
    tick["ohlc"] = {name: int(row[word]) / divisor for name, word in names.items()}
    tick["change"] = (last - close) * 100 / close
    if mode == "full":
        tick["exchange_timestamp"] = time_of(int(row[Word.EXCHANGE_TIMESTAMP]))
    if not tradable:
        return tick
    tick |= {
        "last_traded_quantity": int(row[Word.LAST_QUANTITY]),
        "average_traded_price": int(row[Word.AVERAGE_PRICE]) / divisor,
        "volume_traded": int(row[Word.VOLUME]),
        "total_buy_quantity": int(row[Word.BUY_QUANTITY]),
        "total_sell_quantity": int(row[Word.SELL_QUANTITY]),
    }
    if mode == "full":
        tick |= {
            "last_trade_time": time_of(int(row[Word.LAST_TRADE_TIME])),
            "oi": int(row[Word.OPEN_INTEREST]),
            "oi_day_high": int(row[Word.OI_DAY_HIGH]),
            "oi_day_low": int(row[Word.OI_DAY_LOW]),
            "depth": meant_depth(row),
        }
    return tick


# ---------------------------------------------------------------------- REST


async def test_login_session_and_logout() -> None:
    account = simulated_accounts(1)[0]
    async with simulated_broker(accounts=(account,)) as broker:
        request_token = broker.simulator.request_token(account.api_key)
        answers = await official_calls(
            broker.rest_url,
            account.api_key,
            "",
            call("profile"),
            call("generate_session", request_token, "wrong secret"),
            call("generate_session", request_token, account.api_secret),
            call("profile"),
            call("generate_session", request_token, account.api_secret),
            call("margins"),
            call("margins", "equity"),
            call("orders"),
            call("positions"),
            call("holdings"),
            call("invalidate_access_token"),
            call("profile"),
        )
    refused, wrong, session, profile, used, margins, equity, orders, positions, holdings, logout, after = answers
    assert (refused["error"], refused["code"]) == ("TokenException", 403)
    assert (wrong["error"], wrong["message"]) == ("TokenException", "Token is invalid or has expired.")
    assert session["result"]["login_time"] == "2026-11-25 11:00:00"
    assert session["result"]["user_id"] == profile["result"]["user_id"] == account.user_id
    assert len(session["result"]["access_token"]) == 32
    assert (used["error"], used["code"]) == ("TokenException", 403)
    assert margins["result"]["equity"] == equity["result"]
    assert equity["result"]["enabled"] is True
    assert equity["result"]["available"]["live_balance"] == equity["result"]["net"] > 0
    assert (orders["result"], holdings["result"]) == ([], [])
    assert positions["result"] == {"net": [], "day": []}
    assert logout["result"] is True
    assert (after["error"], after["message"]) == ("TokenException", "Incorrect `api_key` or `access_token`.")


async def test_instruments() -> None:
    async with simulated_broker() as broker:
        everything, nse = await ask(broker, call("instruments"), call("instruments", "NSE"))
        table = broker.market.instruments
    assert [row["instrument_token"] for row in everything] == table.tokens.tolist()
    assert [row["tradingsymbol"] for row in nse] == ["NIFTY 50", "INFY"]
    infy = next(row for row in everything if row["instrument_token"] == INFY)
    assert infy == {
        "instrument_token": INFY,
        "exchange_token": "1594",
        "tradingsymbol": "INFY",
        "name": "INFOSYS, LIMITED",
        "last_price": 0.0,
        "expiry": "",
        "strike": 0.0,
        "tick_size": 0.05,
        "lot_size": 1,
        "instrument_type": "EQ",
        "segment": "NSE",
        "exchange": "NSE",
    }
    option = next(row for row in everything if row["segment"] == "NFO-OPT")
    assert (option["expiry"], option["strike"], option["lot_size"]) == (str(EXPIRY), 25_500.0, 65)
    assert {row["segment"] for row in everything if row["instrument_token"] == NIFTY} == {"INDICES"}


async def test_quotes_of_every_kind() -> None:
    market = PlainMarket()
    market.without_data.add(CURRENCY)
    async with simulated_broker(market) as broker:
        keys = ["NSE:INFY", "NSE:NIFTY 50", "NCO:GOLD26DECFUT", "CDS:USDINR26DECFUT", "NFO:NOSUCH", str(INFY)]
        quote, ohlc, ltp = await ask(broker, call("quote", keys), call("ohlc", *keys), call("ltp", keys))
    # What has no data, or does not exist, is left out; each answer is keyed by what was asked.
    assert set(quote) == set(ohlc) == set(ltp) == {"NSE:INFY", "NSE:NIFTY 50", "NCO:GOLD26DECFUT", str(INFY)}
    assert quote[str(INFY)] == quote["NSE:INFY"]
    for key, token in (("NSE:INFY", INFY), ("NCO:GOLD26DECFUT", COMMODITY)):
        row, meant = market.row(token), meant_tick(market.row(token), "full")
        assert ltp[key] == {"instrument_token": token, "last_price": meant["last_price"]}
        assert ohlc[key] == {**ltp[key], "ohlc": meant["ohlc"]}
        for ours, theirs in (
            ("last_price", "last_price"),
            ("ohlc", "ohlc"),
            ("depth", "depth"),
            ("oi", "oi"),
            ("oi_day_high", "oi_day_high"),
            ("oi_day_low", "oi_day_low"),
            ("volume_traded", "volume"),
            ("last_traded_quantity", "last_quantity"),
            ("average_traded_price", "average_price"),
            ("total_buy_quantity", "buy_quantity"),
            ("total_sell_quantity", "sell_quantity"),
            ("exchange_timestamp", "timestamp"),
            ("last_trade_time", "last_trade_time"),
        ):
            assert quote[key][theirs] == meant[ours], theirs
        divisor = price_divisor(token)
        net = int(row[Word.LAST_PRICE]) / divisor - int(row[Word.CLOSE]) / divisor
        assert quote[key]["net_change"] == pytest.approx(net, abs=1e-4)
        assert quote[key]["lower_circuit_limit"] < quote[key]["last_price"] < quote[key]["upper_circuit_limit"]
    index = quote["NSE:NIFTY 50"]
    assert (index["depth"], index["last_trade_time"]) == ({"buy": None, "sell": None}, "")
    assert index["ohlc"] == meant_tick(market.row(NIFTY), "full")["ohlc"]


async def test_the_longest_request_lines() -> None:
    market = mock_market()
    async with simulated_broker(market) as broker:
        options = [row for row in range(len(market.instruments)) if market.instruments.kinds[row] >= 3]
        keys = [market.instruments.instrument(row).quote_key for row in options[:1001]]
        account = broker.accounts[0]
        answers = await official_calls(
            broker.rest_url,
            account.api_key,
            account.access_token,
            call("quote", keys[:500]),
            call("quote", keys[:501]),
            call("ltp", keys[:1000]),
            call("ltp", keys[:1001]),
        )
    quote, too_many, ltp, far_too_many = answers
    assert len(quote["result"]) == 500
    assert len(ltp["result"]) == 1000
    for refused in (too_many, far_too_many):
        assert (refused["error"], refused["code"]) == ("InputException", 400)


async def test_historical_candles() -> None:
    async with simulated_broker() as broker:
        span = ("2026-11-25 09:15:00", "2026-11-25 09:19:30")
        with_oi, without, days, empty = await ask(
            broker,
            call("historical_data", INFY, *span, "minute", oi=True),
            call("historical_data", COMMODITY, *span, "minute"),
            call("historical_data", 40_001 << 8 | 2, "2026-11-20", "2026-11-24", "day", continuous=True),
            call("historical_data", INFY, "2026-11-25 09:15:01", "2026-11-25 09:15:59", "minute"),
        )
        start = datetime(2026, 11, 25, 9, 15, tzinfo=MARKET_TIME.tzinfo)
        number = int(start.timestamp()) // 60
    assert [row["date"] for row in with_oi] == [f"2026-11-25 09:{minute}:00+05:30" for minute in range(15, 20)]
    first = with_oi[0]
    price = 10_000 + number % 997
    assert [first[name] for name in ("open", "high", "low", "close")] == [
        price / 100,
        (price + 15) / 100,
        (price - 10) / 100,
        (price + 5) / 100,
    ]
    assert (first["volume"], first["oi"]) == (number % 89, number % 77 * 65)
    assert "oi" not in without[0]
    assert without[0]["open"] == price / 10_000
    assert len(days) == 5
    assert empty == []


async def test_errors_keep_the_brokers_types() -> None:
    async with simulated_broker() as broker:
        await broker.misbehave(ErrorInside200(path="/user/profile"))
        await broker.misbehave(HtmlError(path="/user/margins"))
        account = broker.accounts[0]
        answers = await official_calls(
            broker.rest_url,
            account.api_key,
            account.access_token,
            call("profile"),
            call("margins"),
            call("margins", "moon"),
            call("historical_data", 1, "2026-11-25", "2026-11-25", "minute"),
            call("historical_data", INFY, "2026-08-25", "2026-11-25", "minute"),
            call("historical_data", INFY, "2026-11-25", "2026-11-25", "2minute"),
            call("historical_data", INFY, "2026-11-20", "2026-11-24", "day", continuous=True),
            call("cancel_order", "regular", "1"),
        )
    assert [(row["error"], row["code"]) for row in answers] == [
        ("TypeError", None),  # A body without error_type: the official client's own defect.
        ("DataException", 502),
        ("InputException", 400),
        ("InputException", 400),
        ("InputException", 400),
        ("InputException", 400),
        ("InputException", 400),
        ("GeneralException", 404),
    ]
    assert answers[4]["message"] == "interval exceeds max limit: 60 days"


async def test_the_rate_limit_is_an_error_of_the_network() -> None:
    async with simulated_broker(limits=Limits()) as broker:
        account = broker.accounts[0]
        answers = await official_calls(
            broker.rest_url, account.api_key, account.access_token, call("ltp", "NSE:INFY"), call("ltp", "NSE:INFY")
        )
    assert answers[0]["result"]["NSE:INFY"]["instrument_token"] == INFY
    assert (answers[1]["error"], answers[1]["code"], answers[1]["message"]) == (
        "NetworkException",
        429,
        "Too many requests",
    )


# ---------------------------------------------------------------------- stream


async def ticks_until(client: OfficialClient, wanted: dict[int, dict[str, object]]) -> dict[int, Any]:
    """The latest ticks, once they are the wanted ones."""
    seen: dict[int, Any] = {}
    while seen != wanted:
        event = await client.next()
        assert event["event"] not in ("error", "close"), event
        for tick in event.get("ticks", []):
            seen[tick["instrument_token"]] = tick
    return seen


async def test_ticker_sees_the_values_of_all_modes() -> None:
    market = PlainMarket()
    options = market.instruments.tokens.tolist()[5:]
    modes = {"full": [NIFTY, CURRENCY, COMMODITY, *options[:30]], "quote": [INFY, *options[30:50]], "ltp": options[50:]}
    mode_of = {token: mode for mode, tokens in modes.items() for token in tokens}

    def meant() -> dict[int, dict[str, object]]:
        return {token: meant_tick(market.row(token), mode) for token, mode in mode_of.items()}

    async with simulated_broker(market) as broker:
        account = broker.accounts[0]
        async with official_ticker(broker.stream_url, account.api_key, account.access_token, modes) as client:
            snapshot = await ticks_until(client, meant())
            assert snapshot[NIFTY]["tradable"] is False
            for _ in range(3):
                assert broker.step() == len(market.instruments)
                await ticks_until(client, meant())
            while (await client.until("binary"))["size"] != 1:
                pass  # A heartbeat reaches the official client.
        texts = [event["text"] for event in client.events if event["event"] == "text"]
    assert any('"instruments_meta"' in text for text in texts)
    assert any('"app_code"' in text for text in texts)


async def test_ticker_sees_index_packets_of_all_modes() -> None:
    market = mock_market()
    indices = [token for token in market.instruments.tokens.tolist() if token & 0xFF == INDEX_SEGMENT_CODE][:3]
    mode_of = dict(zip(indices, ("ltp", "quote", "full"), strict=True))
    async with simulated_broker(market) as broker:
        account = broker.accounts[0]
        modes = {mode: [token] for token, mode in mode_of.items()}
        async with official_ticker(broker.stream_url, account.api_key, account.access_token, modes) as client:
            meant = {token: meant_tick(market.rows([token])[0], mode) for token, mode in mode_of.items()}
            await ticks_until(client, meant)


async def test_ticker_gets_order_updates_and_survives_expiry_but_not_garbage() -> None:
    order = SimulatedOrder(
        order_id="220303000308932",
        tradingsymbol="INFY",
        exchange="NSE",
        instrument_token=INFY,
        quantity=2,
        filled_quantity=2,
        average_price=1500.05,
    )
    async with simulated_broker() as broker:
        account = broker.accounts[0]
        async with official_ticker(broker.stream_url, account.api_key, account.access_token, {"ltp": [INFY]}) as client:
            await client.until("ticks")
            await broker.misbehave(ExpireTokens())
            assert broker.simulator.send_order(account.api_key, order) == 1
            update = await client.until("order")
            assert update["data"] == order.postback(account, broker.clock.now())
            broker.step()
            await client.until("ticks")
            # JSON that is no object makes the official client drop the connection, and the token is dead by now.
            await broker.misbehave(GarbageText(text="[1, 2]"))
            refusal = await client.until("error")
            while "403" not in str(refusal["reason"]):
                refusal = await client.until("error")
        await wait_until(lambda: not broker.sockets, "the socket is gone")
    assert [attempt.status for attempt in broker.simulator.attempts[:2]] == [101, 403]
