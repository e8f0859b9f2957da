"""The mock market on the board: what it takes from the broker's quotes, and that it never waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import anyio
import numpy as np
import pytest

from tests.support.virtual_time import LoopClock, virtual_trio
from tests.support.waiting import wait_until
from tickertui.market.board import MarketBoard
from tickertui.market.clock import IST
from tickertui.market.hours import load_calendar
from tickertui.market.instruments import Instrument
from tickertui.market.ticks import WORDS, Source, TickBatch, Word
from tickertui.market.universe import load_universe, universe_instruments
from tickertui.services.mock.feed import MockFeed
from tickertui.services.mock.mock_generator import MockDataGenerator
from tickertui.services.mock.seeding import QuoteSource, SeedOrigin
from tickertui.services.supervision.events import EventLog

START = datetime(2026, 11, 25, 11, 0, tzinfo=IST)
UNIVERSE = load_universe()
TABLE = universe_instruments(UNIVERSE, START.date())
NIFTY = 256265


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


class Broker:
    """Gives every contract the same open interest, after so many seconds."""

    def __init__(self, level: float, takes: float, oi: int = 130_000) -> None:
        self.level, self.takes, self.oi = level, takes, oi
        self.asked: list[int] = []

    async def quote_batch(self, instruments: Sequence[Instrument]) -> TickBatch:
        self.asked.append(len(instruments))
        await anyio.sleep(self.takes)
        words = np.zeros((len(instruments), WORDS), dtype=np.uint32)
        words[:, Word.TOKEN] = [row.token for row in instruments]
        words[:, Word.LAST_PRICE] = [round(self.level * 100) if row.token == NIFTY else 0 for row in instruments]
        words[:, Word.OPEN_INTEREST] = self.oi
        return TickBatch.from_rows(words, Source.SNAPSHOT)


class Desk:
    def __init__(self, quotes: QuoteSource | None) -> None:
        clock = LoopClock(START)
        self.quotes = quotes
        self.board = MarketBoard()
        self.generator = MockDataGenerator(clock=clock, calendar=load_calendar(), universe=UNIVERSE, instruments=TABLE)
        self.feed = MockFeed(
            self.generator,
            board=self.board,
            events=EventLog(clock),
            interval=1.0,
            contracts=lambda: TABLE,
            listed=lambda _: None,
            quotes=lambda: self.quotes,
        )

    def tokens(self, count: int = 6) -> list[int]:
        chain = TABLE.chain("NIFTY", date(2026, 12, 1))
        assert chain is not None
        found: list[int] = chain.call_tokens[len(chain.strikes) // 2 :][:count].tolist()
        return found

    def interest(self) -> list[int]:
        found: list[int] = self.board.field(self.board.rows(self.tokens()), Word.OPEN_INTEREST).tolist()
        return found

    def origin(self) -> SeedOrigin | None:
        seed = self.generator.seed_of("NIFTY")
        return None if seed is None else seed.origin


async def test_levels_come_from_quotes_where_nothing_better_is_known() -> None:
    desk = Desk(Broker(26_000.0, takes=1.0))
    await desk.feed.begin({}, {}, 0)
    assert await desk.feed.spots(["NIFTY"]) == {"NIFTY": pytest.approx(26_000.0, rel=0.001)}
    assert desk.origin() is SeedOrigin.QUOTE


async def test_a_recorded_level_is_better_than_a_quote_and_nobody_is_asked() -> None:
    broker = Broker(26_000.0, takes=1.0)
    desk = Desk(broker)
    await desk.feed.begin({"NIFTY": 25_500.0}, {}, 0)
    assert await desk.feed.spots(["NIFTY"]) == {"NIFTY": pytest.approx(25_500.0, rel=0.001)}
    assert desk.origin() is SeedOrigin.RECORDED
    assert not broker.asked


async def test_a_slow_broker_is_waited_for_five_seconds() -> None:
    desk = Desk(Broker(26_000.0, takes=60.0))
    await desk.feed.begin({}, {}, 0)
    began = anyio.current_time()
    assert await desk.feed.spots(["NIFTY"]) == {"NIFTY": pytest.approx(24_352.4, rel=0.001)}
    assert anyio.current_time() - began == pytest.approx(5.0)
    assert desk.origin() is SeedOrigin.TYPICAL


async def test_open_interest_is_taken_once_beside_the_steps_and_again_for_a_new_plan() -> None:
    broker = Broker(26_000.0, takes=30.0)
    desk = Desk(broker)
    tokens = desk.tokens()
    desk.board.ensure(tokens)
    await desk.feed.begin({"NIFTY": 24_352.4}, {}, 0)
    await desk.feed.set_plan(tokens[:4], 0)
    own = desk.interest()[:4]
    async with anyio.create_task_group() as group:
        group.start_soon(desk.feed.run)
        await wait_until(lambda: broker.asked == [4], "the quotes of the plan are asked for")
        before = desk.board.counters.ticks
        await anyio.sleep(20)
        assert desk.board.counters.ticks > before, "the mock moves meanwhile"
        assert desk.interest()[:4] != [130_000] * 4
        await wait_until(lambda: desk.interest()[:4] == pytest.approx([130_000] * 4, rel=0.02), "as quoted", timeout=60)
        assert own != pytest.approx([130_000] * 4, rel=0.02)
        assert (desk.board.previous_oi[desk.board.rows(tokens[:4])] > 0).all()
        await desk.feed.set_plan(tokens, 0)
        await wait_until(lambda: broker.asked == [4, 2], "only what is new is asked for")
        group.cancel_scope.cancel()


async def test_without_an_account_nothing_is_asked() -> None:
    desk = Desk(None)
    tokens = desk.tokens()
    desk.board.ensure(tokens)
    await desk.feed.begin({}, {}, 0)
    assert await desk.feed.spots(["NIFTY", "DOW"]) == {"NIFTY": pytest.approx(24_352.4, rel=0.001)}
    await desk.feed.set_plan(tokens, 0)
    async with anyio.create_task_group() as group:
        group.start_soon(desk.feed.run)
        await anyio.sleep(5)
        group.cancel_scope.cancel()
    assert desk.origin() is SeedOrigin.TYPICAL
