"""The simulator's stream on a real WebSocket: upgrades, subscriptions, modes, limits, texts, and what is sent when."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta

import anyio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.plain_market import NIFTY, PlainMarket, option
from tests.support.raw_socket import raw_socket
from tests.support.simulators import (
    BY_HAND,
    MARKET_TIME,
    logged_in_accounts,
    mock_market,
    simulated_broker,
)
from tests.support.waiting import wait_until
from tickertui.kite.packets import decode
from tickertui.market.clock import IST
from tickertui.market.hours import load_calendar
from tickertui.market.instruments import Instrument, InstrumentKind
from tickertui.market.ticks import INDEX_WIDTHS, WORDS, Mode, Word
from tickertui.market.universe import load_universe
from tickertui.simulator.faults import ExpireTokens
from tickertui.simulator.feed import MODES, Feed, frame
from tickertui.simulator.listing import BundledContracts, ListedMarket
from tickertui.simulator.orders import SimulatedOrder
from tickertui.simulator.server import CannotListen, Simulator, Timing
from tickertui.synthetic.market import MockMarket

INFY = 408065
CURRENCY = 40_002 << 8 | 3
FUTURE = 40_001 << 8 | 2


async def refusal(url: str, query: str) -> int:
    """The status that an upgrade is refused with."""
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"{url}/?{query}"):
            pass
    return caught.value.response.status_code


# ---------------------------------------------------------------------- upgrades


@pytest.mark.parametrize(
    "query, status",
    [
        ("", 400),
        ("api_key=simulated1", 400),
        ("access_token=token1", 400),
        ("api_key=&access_token=", 400),
        ("api_key=simulated1&access_token=wrong", 403),
        ("api_key=simulated2&access_token=token1", 403),
        ("api_key=nobody&access_token=token1", 403),
    ],
)
async def test_upgrades_that_are_refused(query: str, status: int) -> None:
    async with simulated_broker(accounts=2) as broker:
        assert await refusal(broker.stream_url, query) == status
        assert [attempt.status for attempt in broker.simulator.attempts] == [status]


async def test_a_plan_without_market_data_has_no_stream() -> None:
    account = replace(logged_in_accounts(1)[0], market_data=False)
    async with simulated_broker(accounts=(account,)) as broker:
        assert await refusal(broker.stream_url, "api_key=simulated1&access_token=token1") == 403


async def test_a_fourth_connection_of_a_key_is_refused_until_one_ends() -> None:
    async with simulated_broker(accounts=2) as broker, AsyncExitStack() as stack:
        account, other = broker.accounts
        sockets = [await stack.enter_async_context(raw_socket(broker.stream_url, account)) for _ in range(3)]
        query = f"api_key={account.api_key}&access_token={account.access_token}"
        assert await refusal(broker.stream_url, query) == 429
        await stack.enter_async_context(raw_socket(broker.stream_url, other))
        await broker.until_sockets(4)
        for socket in sockets:
            await socket.subscribe([INFY])
            assert (await socket.batch()).instrument_token.tolist() == [INFY]
        await sockets[0].connection.close()
        await broker.until_sockets(3)
        again = await stack.enter_async_context(raw_socket(broker.stream_url, account))
        await again.subscribe([INFY])
        assert len(await again.batch()) == 1


async def test_tokens_are_checked_at_the_upgrade_and_never_again() -> None:
    async with simulated_broker() as broker:
        account = broker.accounts[0]
        async with raw_socket(broker.stream_url, account) as socket:
            await socket.subscribe([INFY], "ltp")
            await socket.batch()
            await broker.misbehave(ExpireTokens())
            broker.step()
            assert len(await socket.batch()) == 1
            assert await refusal(broker.stream_url, f"api_key={account.api_key}&access_token=token1") == 403
            fresh = broker.simulator.sessions
            assert fresh.valid_tokens() == []


async def test_two_texts_are_sent_at_each_connect() -> None:
    async with simulated_broker() as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        meta, app_code = json.loads(await socket.receive()), json.loads(await socket.receive())
        assert meta["type"] == "instruments_meta"
        assert meta["data"]["count"] == len(broker.market.instruments)
        assert app_code == {"type": "app_code", "timestamp": "2026-11-25T11:00:00+05:30"}
        broker.clock.set(MARKET_TIME + timedelta(hours=6))
        async with raw_socket(broker.stream_url, broker.accounts[0]) as same_day:
            assert json.loads(await same_day.receive()) == meta
        broker.clock.set(MARKET_TIME + timedelta(hours=18))
        async with raw_socket(broker.stream_url, broker.accounts[0]) as next_day:
            assert json.loads(await next_day.receive())["data"]["etag"] != meta["data"]["etag"]


async def test_leaving_the_simulator_closes_every_socket_with_1001() -> None:
    async with AsyncExitStack() as stack:
        async with simulated_broker() as broker:
            socket = await stack.enter_async_context(raw_socket(broker.stream_url, broker.accounts[0]))
            await socket.subscribe([INFY])
            await socket.batch()
        assert await socket.until_closed() == 1001


async def test_pings_are_answered() -> None:
    async with simulated_broker() as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        with anyio.fail_after(10):
            await (await socket.connection.ping())


async def test_a_port_in_use_is_one_sentence() -> None:
    async with simulated_broker() as broker:
        rest = int(broker.rest_url.rpartition(":")[2])
        stream = int(broker.stream_url.rpartition(":")[2])
        for ports, is_stream in (((rest, 0), False), ((0, stream), True)):
            second = Simulator(PlainMarket(), clock=broker.clock, accounts=broker.accounts)
            with pytest.raises(CannotListen, match="is in use") as caught:
                async with second.serve("127.0.0.1", *ports):
                    pass
            assert caught.value.is_stream is is_stream


# ---------------------------------------------------------------------- subscriptions and modes


@pytest.fixture
def market() -> PlainMarket:
    return PlainMarket()


async def test_a_subscription_begins_with_the_cached_packet_in_quote_mode(market: PlainMarket) -> None:
    async with simulated_broker(market) as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await socket.subscribe([INFY, NIFTY])
        batch = await socket.batch()
        assert sorted(batch.instrument_token.tolist()) == sorted([INFY, NIFTY])
        assert batch.mode.tolist() == ["quote", "quote"]
        by_token = dict(zip(batch.instrument_token.tolist(), batch.last_price.tolist(), strict=True))
        assert by_token == {token: market.row(token)[Word.LAST_PRICE] / 100 for token in (INFY, NIFTY)}
        assert market.steps == 0


async def test_a_change_of_mode_is_answered_at_once_in_the_new_mode(market: PlainMarket) -> None:
    async with simulated_broker(market) as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await socket.subscribe([INFY])
        await socket.batch()
        for mode, size in (("full", 184), ("ltp", 8), ("quote", 44)):
            await socket.subscribe([INFY], mode)
            content = await socket.frame()
            assert len(content) == 4 + size
            broker.step()
            assert len(await socket.frame()) == 4 + size
        assert market.row(INFY)[Word.LAST_PRICE] > 0


async def test_a_mode_subscribes_too_and_a_subscription_keeps_a_mode(market: PlainMarket) -> None:
    async with simulated_broker(market) as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await socket.subscribe([INFY], "full")
        assert (await socket.batch()).mode.tolist() == ["full"]
        await socket.subscribe([INFY])
        assert (await socket.batch()).mode.tolist() == ["full"]
        assert broker.sockets[0].modes == {INFY: Mode.FULL}


async def test_unsubscribed_tokens_are_silent(market: PlainMarket) -> None:
    async with simulated_broker(market) as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await socket.subscribe([INFY, FUTURE], "ltp")
        await socket.batch()
        await socket.send("unsubscribe", [INFY, 1234])
        await broker.until_subscribed(1)
        broker.step()
        assert (await socket.batch()).instrument_token.tolist() == [FUTURE]
        await socket.send("unsubscribe", [FUTURE])
        await broker.until_subscribed(0)
        broker.step()
        await socket.only_heartbeats(3)


async def test_only_what_a_mode_shows_is_sent(market: PlainMarket) -> None:
    tokens = market.instruments.tokens.tolist()[5:8]
    by_mode = dict(zip(("ltp", "quote", "full"), tokens, strict=True))
    async with simulated_broker(market) as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        for mode, token in by_mode.items():
            await socket.subscribe([token], mode)
        await broker.until_subscribed(3)
        broker.step()
        await socket.prices({token: _price(market, token) for token in tokens})
        market.tick = 0

        async def moved(word: int) -> set[str]:
            for token in tokens:
                market.row(token)[word] += 1
            broker.step()
            batch = await socket.batch()
            return set(batch.mode.tolist())

        assert await moved(Word.LAST_PRICE) == {"ltp", "quote", "full"}
        assert await moved(Word.VOLUME) == {"quote", "full"}
        assert await moved(Word.CLOSE) == {"quote", "full"}
        assert await moved(Word.OPEN_INTEREST) == {"full"}
        assert await moved(Word.DEPTH + 29) == {"full"}


async def test_a_step_that_changes_nothing_sends_nothing(market: PlainMarket) -> None:
    market.moves = set()
    async with simulated_broker(market) as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await socket.subscribe([INFY], "full")
        await socket.batch()
        assert broker.step() == 0
        await socket.only_heartbeats(3)


async def test_all_kinds_of_packets_share_a_frame(market: PlainMarket) -> None:
    options = market.instruments.tokens.tolist()[5:35]
    modes = {"full": [NIFTY, INFY, *options[:10]], "quote": [CURRENCY, *options[10:20]], "ltp": options[20:]}
    async with simulated_broker(market) as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        for mode, tokens in modes.items():
            await socket.subscribe(tokens, mode)
        await broker.until_subscribed(33)
        await socket.prices({token: _price(market, token) for tokens in modes.values() for token in tokens})
        broker.step()
        batch = await socket.batch()
        assert len(batch) == 33
        seen = dict(zip(batch.instrument_token.tolist(), batch.mode.tolist(), strict=True))
        assert seen == {token: mode for mode, tokens in modes.items() for token in tokens}
        at = batch.instrument_token.tolist().index(INFY)
        assert batch.depth_price[at].tolist() == (market.row(INFY)[17:46:3] / 100).tolist()
        assert batch.oi[at] == market.row(INFY)[Word.OPEN_INTEREST]


def _price(market: PlainMarket, token: int) -> float:
    divisor = {3: 10_000_000, 12: 10_000}.get(token & 0xFF, 100)
    return float(market.row(token)[Word.LAST_PRICE] / divisor)


async def test_what_is_listed_during_the_day_streams_when_it_was_asked_for_before(market: PlainMarket) -> None:
    new = option(60_000, 27_000.0, InstrumentKind.CALL)
    async with simulated_broker(market) as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await socket.subscribe([INFY, new.token], "ltp")
        assert (await socket.batch()).instrument_token.tolist() == [INFY]
        market.list_more([new])
        broker.step()
        assert sorted((await socket.batch()).instrument_token.tolist()) == sorted([INFY, new.token])


async def test_the_projects_market_streams_a_new_strike_that_was_asked_for_before() -> None:
    market = mock_market()
    expiry = market.instruments.expiries_of("NIFTY")[0]
    chain = market.instruments.chain("NIFTY", expiry)
    assert chain is not None
    strike = float(chain.strikes[-1]) + 50.0
    (preview, _) = mock_market().list_strike("NIFTY", expiry, strike)
    async with simulated_broker(market) as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await socket.subscribe([preview.token, int(chain.call_tokens[0])], "full")
        assert (await socket.batch()).instrument_token.tolist() == chain.call_tokens[:1].tolist()
        market.list_strike("NIFTY", expiry, strike)
        seen: set[int] = set()
        for second in range(1, 400):
            broker.clock.set(MARKET_TIME + timedelta(seconds=second))
            broker.step()
        while preview.token not in seen:
            seen |= set((await socket.batch()).instrument_token.tolist())


async def test_a_clock_set_beyond_an_expiry_and_back_finds_its_contracts_again() -> None:
    universe = load_universe()
    contracts = BundledContracts(universe)
    table = contracts.on(MARKET_TIME.date(), lambda name: None, None)
    mock = MockMarket(universe, load_calendar(), start=MARKET_TIME, sessions=True, instruments=table)
    market = ListedMarket(mock, contracts)
    chain = table.chain("NIFTY", table.expiries_of("NIFTY")[0])
    assert chain is not None
    tokens = [token for token in chain.call_tokens.tolist() if token > 0]
    async with simulated_broker(market) as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await socket.subscribe(tokens, "full")
        assert len(await socket.batch()) == len(tokens)
        broker.clock.set(MARKET_TIME + timedelta(days=30))
        broker.step()
        assert len(market.rows(tokens)) == 0
        broker.clock.set(MARKET_TIME + timedelta(hours=1))
        broker.step()
        assert len(market.instruments) == len(table)
        batch = await socket.batch()
        while (batch.exchange_timestamp.min(), len(batch)) != (int(broker.clock.now().timestamp()), len(tokens)):
            batch = await socket.batch()


async def test_instruments_without_data_and_unknown_ones_are_silent(market: PlainMarket) -> None:
    market.without_data.add(FUTURE)
    async with simulated_broker(market) as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await socket.subscribe([FUTURE, 77, 0xFFFFFFFF], "full")
        await broker.until_subscribed(3)
        await socket.text("app_code")
        await socket.only_heartbeats(3)


# ---------------------------------------------------------------------- limits and bad messages


def many(count: int) -> PlainMarket:
    return PlainMarket([_equity(number) for number in range(1, count + 1)])


def _equity(number: int) -> Instrument:
    return Instrument(number << 8 | 1, f"SHARE{number}", "", InstrumentKind.EQUITY, "NSE", "NSE", exchange_token=number)


async def test_of_too_many_instruments_the_first_fit_and_the_rest_is_an_error() -> None:
    market = many(3010)
    tokens = market.instruments.tokens.tolist()
    async with simulated_broker(market) as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await socket.subscribe(tokens[:2990], "full")
        assert len(await socket.batch()) == 2990
        await socket.subscribe(tokens[2980:], "ltp")
        assert await socket.text("error") == "Can't subscribe to more than 3000 instruments."
        await broker.until_subscribed(3000)
        assert (await socket.batch()).instrument_token.tolist() == tokens[2980:3000]
        broker.step()
        content = await socket.frame()
        assert len(content) == 2 + 2980 * 186 + 20 * 10, "the connection goes on"
        await socket.send("unsubscribe", tokens[:1])
        await socket.subscribe(tokens[3005:3006])
        assert (await socket.batch()).instrument_token.tolist() == [tokens[3005]]


@pytest.mark.parametrize("value", [["408065"], [[408065]], [408065.5], [True], [-1], [1 << 32], 408065, None, {"a": 1}])
async def test_tokens_that_are_no_numbers_are_an_error(value: object) -> None:
    async with simulated_broker() as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        for action in ("subscribe", "unsubscribe"):
            await socket.send(action, value)
            assert await socket.text("error") == "Error parsing instrument tokens."
        await socket.subscribe([INFY])
        assert len(await socket.batch()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1, 2]",
        "null",
        '{"a": "buy"}',
        '{"a": ["subscribe"], "v": [1]}',
        '{"a": "mode", "v": ["deep", [1]]}',
        '{"a": "mode", "v": [[], [1]]}',
        '{"a": "mode", "v": [1]}',
        "[" * 100_000,
    ],
    ids=range(10),
)
async def test_other_messages_are_an_error_and_do_no_harm(text: str) -> None:
    async with simulated_broker() as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await socket.connection.send(text)
        assert await socket.text("error") == "Couldn't parse the message."
        await socket.subscribe([INFY])
        assert len(await socket.batch()) == 1


async def test_a_binary_message_is_ignored() -> None:
    async with simulated_broker() as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await socket.connection.send(b"\x00\x01")
        await socket.subscribe([INFY])
        assert len(await socket.batch()) == 1


# ---------------------------------------------------------------------- what is sent when


async def test_heartbeats_flow_without_any_subscription() -> None:
    async with simulated_broker() as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await socket.text("app_code")
        await socket.only_heartbeats(5)


async def test_a_client_that_does_not_read_gets_the_latest_values_not_a_queue() -> None:
    market = many(3000)
    tokens = market.instruments.tokens.tolist()
    async with simulated_broker(market) as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        socket.connection.transport.pause_reading()
        await socket.subscribe(tokens, "full")
        await broker.until_subscribed(3000)
        for _ in range(300):
            broker.step()
            await anyio.lowlevel.checkpoint()
        sent = broker.sockets[0].stats.frames
        assert sent < 60, "558 kB each: they cannot all be in flight"
        socket.connection.transport.resume_reading()
        await socket.prices({token: _price(market, token) for token in tokens})
        assert broker.sockets[0].stats.frames <= sent + 2


async def test_order_updates_go_to_every_socket_of_their_key_only() -> None:
    order = SimulatedOrder(order_id="1", tradingsymbol="INFY", exchange="NSE", instrument_token=INFY)
    async with simulated_broker(accounts=2) as broker, AsyncExitStack() as stack:
        account, other = broker.accounts
        mine = [await stack.enter_async_context(raw_socket(broker.stream_url, account)) for _ in range(2)]
        theirs = await stack.enter_async_context(raw_socket(broker.stream_url, other))
        await broker.until_sockets(3)
        assert broker.simulator.send_order(account.api_key, order) == 2
        for socket in mine:
            data = await socket.text("order")
            assert (data["order_id"], data["status"], data["user_id"]) == ("1", "COMPLETE", "SIM001")
        await theirs.subscribe([INFY])
        await theirs.batch()
        assert [message["type"] for message in theirs.texts] == ["instruments_meta", "app_code"]


async def test_the_market_moves_by_itself_on_an_accelerated_clock() -> None:
    market = mock_market()
    timing = replace(BY_HAND, step=0.01)
    async with (
        simulated_broker(market, timing=timing, speed=600.0) as broker,
        raw_socket(broker.stream_url, broker.accounts[0]) as socket,
    ):
        await socket.subscribe(market.instruments.tokens.tolist()[:200], "full")
        seen: set[int] = set()
        while len(seen) < 20:
            seen |= set((await socket.batch()).exchange_timestamp.tolist())
        assert max(seen) - min(seen) >= 60, "a minute of the market passes in a tenth of a second"
        assert min(seen) >= datetime(2026, 11, 25, 9, 0, tzinfo=IST).timestamp()


async def test_a_shut_market_gives_the_cached_packets_and_then_heartbeats() -> None:
    night = datetime(2026, 11, 25, 21, 0, tzinfo=IST)
    market = mock_market(night)
    timing = Timing(heartbeat=0.05, step=0.01)
    async with (
        simulated_broker(market, timing=timing, start=night, speed=60.0) as broker,
        raw_socket(broker.stream_url, broker.accounts[0]) as socket,
    ):
        tokens = market.instruments.tokens.tolist()[:100]
        await socket.subscribe(tokens, "full")
        seen: set[int] = set()
        while len(seen) < 100:
            seen |= set((await socket.batch()).instrument_token.tolist())
        await wait_until(lambda: broker.sockets[0].stats.heartbeats > 5, "heartbeats follow")


# ---------------------------------------------------------------------- what is sent is what was meant


@st.composite
def states(draw: st.DrawFn) -> tuple[PlainMarket, dict[int, Mode]]:
    """A market in any state, and a mode for some of its instruments."""
    codes = draw(st.lists(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 9, 12]), min_size=1, max_size=30))
    rows = [
        Instrument(number << 8 | code, f"X{number}", "", InstrumentKind.EQUITY, "NSE", "NSE", exchange_token=number)
        for number, code in enumerate(codes, 1)
    ]
    market = PlainMarket(rows)
    seed = draw(st.integers(0, 2**32 - 1))
    words = np.random.default_rng(seed).integers(0, 1 << 32, (len(rows), WORDS), dtype=np.uint32)
    words[:, Word.TOKEN] = market.instruments.tokens
    words[:, 18::3] &= 0xFFFF0000
    market.words[:] = words
    modes = draw(st.lists(st.sampled_from([None, *MODES]), min_size=len(rows), max_size=len(rows)))
    tokens = market.instruments.tokens.tolist()
    return market, {token: mode for token, mode in zip(tokens, modes, strict=True) if mode is not None}


@given(states())
def test_every_frame_decodes_to_the_rows_that_were_meant(state: tuple[PlainMarket, dict[int, Mode]]) -> None:
    market, modes = state
    feed = Feed(market)
    feed.load(modes)
    row_of = {token: feed.row(token) for token in modes}
    rows = {mode: [row_of[token] for token in modes if modes[token] is mode] for mode in MODES}
    content = frame(feed.packets(np.array(rows[mode], dtype=np.intp), mode) for mode in MODES)
    assert (content == b"") is (not modes)
    if not modes:
        return
    batch = decode(content)
    assert sorted(batch.instrument_token.tolist()) == sorted(modes)
    for part in batch.parts:
        for row in batch.words[part.start : part.stop]:
            token = int(row[0])
            assert part.mode is modes[token]
            is_index = token & 0xFF == 9
            width = INDEX_WIDTHS[part.mode] if is_index else int(part.mode)
            assert part.width == width
            meant = market.row(token)[:width].copy()
            if is_index and part.mode is not Mode.LTP:
                meant[2:7] = 0
                meant[11:15] = 0
            assert row[:width].tolist() == meant.tolist()


async def test_frames_on_the_wire_carry_every_word(market: PlainMarket) -> None:
    rng = np.random.default_rng(11)
    market.tick = 0
    tokens = [token for token in market.instruments.tokens.tolist() if token & 0xFF != 9]
    async with simulated_broker(market) as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await socket.subscribe(tokens, "full")
        await socket.batch()
        for _ in range(5):
            for token in tokens:
                market.row(token)[1:] = rng.integers(0, 1 << 32, WORDS - 1, dtype=np.uint32)
            broker.step()
            batch = await socket.batch()
            received = {int(row[0]): row.tolist() for row in batch.words}
            assert received == {token: market.row(token).tolist() for token in tokens}
