"""This project's own client against the simulator with the broker's real limits: same values, and never refused."""

from __future__ import annotations

import random
from datetime import datetime

import anyio
import numpy as np

from tests.support.plain_market import NIFTY, PlainMarket
from tests.support.simulators import MARKET_TIME, SimulatedBroker, mock_market, simulated_broker
from tests.support.stream_sink import RecordingSink
from tests.support.waiting import wait_until
from tickertui.clock import SystemClock
from tickertui.kite.client import KiteClient
from tickertui.kite.login import parse_redirect
from tickertui.kite.secrets import Secret
from tickertui.kite.stream import KiteStream
from tickertui.market.candles import Interval
from tickertui.market.clock import IST
from tickertui.market.ticks import Mode, Source
from tickertui.simulator.accounts import simulated_accounts
from tickertui.simulator.limits import Limits


def client_of(broker: SimulatedBroker) -> KiteClient:
    account = broker.accounts[0]
    token = Secret(account.access_token) if account.access_token else None
    return KiteClient("Z1", account.api_key, token, root=broker.rest_url, login_root=broker.login_url)


async def test_dump_quotes_and_candles_are_the_markets() -> None:
    market = PlainMarket()
    async with simulated_broker(market) as broker:
        client = client_of(broker)
        table = await client.fetch_instruments()
        assert table.tokens.tolist() == market.instruments.tokens.tolist()
        instruments = [table.instrument(row) for row in range(len(table))]
        batch = await client.quote_batch(instruments)
        assert batch.source is Source.SNAPSHOT
        by_token = {int(row[0]): row for row in batch.words}
        for instrument in instruments:
            words = 16 if instrument.token == NIFTY else 46
            meant = market.row(instrument.token)[:words].copy()
            assert by_token[instrument.token][:words].tolist() == meant.tolist(), instrument.tradingsymbol
        start, end = datetime(2026, 11, 25, 9, 15, tzinfo=IST), MARKET_TIME
        for token in (408065, 40_002 << 8 | 3, 40_003 << 8 | 12):
            candles = await client.fetch_historical(token, start, end, Interval.MINUTE)
            meant_candles = market.candles(token, start, end, Interval.MINUTE)
            assert np.array_equal(candles.to_rows(), meant_candles.to_rows())
        await client.aclose()


async def test_its_pacing_stays_within_the_brokers_rates() -> None:
    market = mock_market()
    account = simulated_accounts(1)[0]
    # A loaded machine brings requests closer together by a tenth of a second and more; the schedule itself is under
    # test to the millisecond in tests/unit/kite/test_pacing.py.
    async with simulated_broker(market, accounts=(account,), limits=Limits(window_seconds=0.8)) as broker:
        client = client_of(broker)
        address = f"http://127.0.0.1/?request_token={broker.simulator.request_token(account.api_key)}&status=success"
        await client.exchange_request_token(parse_redirect(address), Secret(account.api_secret))
        table = await client.fetch_instruments("NFO")
        keys = [table.instrument(row).quote_key for row in range(1200)]
        prices: dict[str, float] = {}
        histories = []

        async def quotes() -> None:
            prices.update(await client.get_last_price(keys))

        async def history(row: int) -> None:
            token = int(table.tokens[row])
            histories.append(await client.fetch_historical(token, MARKET_TIME, MARKET_TIME, Interval.MINUTE))

        async with anyio.create_task_group() as group:
            group.start_soon(quotes)
            for row in range(6):
                group.start_soon(history, row)
            for _ in range(6):
                group.start_soon(client.profile)
        await client.aclose()
        assert set(broker.simulator.state().answers) == {200}
        assert len(prices) == 1200
        assert len(histories) == 6


async def test_its_stream_shows_the_rows_of_all_modes() -> None:
    market = PlainMarket()
    tokens = market.instruments.tokens.tolist()
    modes = {token: (Mode.FULL, Mode.QUOTE, Mode.LTP)[place % 3] for place, token in enumerate(tokens)}
    async with simulated_broker(market) as broker:
        account, sink = broker.accounts[0], RecordingSink()
        stream = KiteStream(
            0,
            url=broker.stream_url,
            api_key=account.api_key,
            token=lambda: Secret(account.access_token),
            sink=sink,
            clock=SystemClock(),
            random=random.Random(1),
        )
        async with anyio.create_task_group() as group:
            group.start_soon(stream.run)
            stream.set_desired(modes)
            await broker.until_subscribed(len(modes))
            await wait_until(lambda: broker.sockets[0].modes == modes, "the modes are set")
            broker.step()
            latest: dict[int, tuple[Mode, list[int]]] = {}

            def all_there() -> bool:
                for batch in sink.batches:
                    for part in batch.parts:
                        for row in batch.words[part.start : part.stop, : part.width].tolist():
                            latest[row[0]] = (part.mode, row)
                return latest == {
                    token: (mode, market.row(token)[: 16 if token == NIFTY and mode is Mode.FULL else mode].tolist())
                    for token, mode in modes.items()
                }

            await wait_until(all_there, "every row of the market, in its mode")
            await stream.close()
        assert [type(text).__name__ for _, text in sink.texts] == ["InstrumentsMeta", "AppCode"]
