"""Candles of the session's own ticks come into the store, marked, and leave it when the broker's come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.support.fakes import index_of, table_of
from tests.support.planning import NIFTY_INDEX, W01, nifty_chain
from tickertui.market.board import MarketBoard
from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import IST, ManualClock
from tickertui.market.hours import load_calendar
from tickertui.market.ticks import Source, TickBatch, Word
from tickertui.services.history.session_candles import SessionCandles
from tickertui.services.supervision.events import EventLog
from tickertui.store.open import open_store
from tickertui.store.protocol import ContractKey, Store, StoreBusy

LEGS = nifty_chain(W01)[:2]
START = datetime(2026, 11, 23, 11, 0, 40, tzinfo=IST)


class Desk:
    """A session of a store, a board and a clock that a test moves."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store, self.clock = store, clock
        self.board = MarketBoard(64)
        self.tokens = [leg.token for leg in LEGS] + [NIFTY_INDEX]
        self.rows = self.board.ensure(self.tokens)
        self.is_live = True
        self.noted: list[tuple[int, int]] = []
        self.events = EventLog(clock)
        self.volume = 1_000
        self.own = SessionCandles(
            board=self.board,
            store=self,
            calendar=load_calendar(),
            clock=clock,
            rows=lambda: self.rows,
            instrument=table_of(LEGS, [index_of("NIFTY 50", NIFTY_INDEX)]).get,
            is_live=lambda: self.is_live,
            events=self.events,
            stored=lambda count, until: self.noted.append((count, until)),
        )
        self.error: StoreBusy | None = None

    async def add_session_candles(self, interval: Interval, contracts: Sequence[ContractKey], candles: Candles) -> None:
        if self.error is not None:
            raise self.error
        await self.store.add_session_candles(interval, contracts, candles)

    def run(self, until: str, source: Source = Source.LIVE) -> None:
        """Let everything tick each second, and be looked at."""
        end = datetime.fromisoformat(f"{self.clock.now():%Y-%m-%d} {until}").replace(tzinfo=IST)
        while self.clock.now() < end:
            self.clock.advance(1.0)
            now, self.volume = int(self.clock.time_ns() // 10**9), self.volume + 10
            words = np.zeros((len(self.tokens), 46), dtype=np.uint32)
            words[:, Word.TOKEN] = self.tokens
            words[:, [Word.LAST_PRICE, Word.HIGH, Word.LOW]] = 10_000 + now % 7
            words[:, Word.VOLUME], words[:, Word.OPEN_INTEREST] = self.volume, 650
            words[:, Word.EXCHANGE_TIMESTAMP] = now
            self.board.apply(
                TickBatch.from_rows(words, source, received_ns=self.clock.monotonic_ns(), received_wall_ns=now * 10**9)
            )
            self.own.look()

    async def minutes(self, token: int, expiry: date | None) -> list[tuple[str, bool]]:
        """Stored minutes and whether they are ours."""
        day = self.clock.now().replace(hour=0, minute=0)
        found = await self.store.candles(token, expiry, Interval.MINUTE, day, day + timedelta(days=1))
        own = np.zeros(len(found), dtype=np.bool_) if found.own is None else found.own
        starts = [f"{datetime.fromtimestamp(start, IST):%H:%M}" for start in found.start.tolist()]
        return list(zip(starts, own.tolist(), strict=True))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = ManualClock(START)
    store = await open_store(tmp_path / "store.db", clock)
    yield Desk(store, clock)
    await store.close()


async def test_every_whole_minute_is_stored_as_ours_until_the_brokers_come(desk: Desk) -> None:
    desk.run("11:04:10")
    await desk.own.store()
    leg = LEGS[0]
    ours = [("11:01", True), ("11:02", True), ("11:03", True)]
    assert await desk.minutes(leg.token, leg.expiry) == ours
    assert await desk.minutes(NIFTY_INDEX, None) == ours
    assert desk.noted == [(9, int(datetime(2026, 11, 23, 11, 4, tzinfo=IST).timestamp()))]
    assert await desk.store.coverage(Interval.MINUTE) == {}, "nothing is proved by it: the backfill still asks"
    start = int(datetime(2026, 11, 23, 11, 1, tzinfo=IST).timestamp())
    theirs = Candles.from_rows(np.array([[start + 60 * n, 5, 5, 5, 5, 1, 1] for n in range(2)]))
    covered = (datetime(2026, 11, 23, 11, 1, tzinfo=IST), datetime(2026, 11, 23, 11, 3, tzinfo=IST))
    await desk.store.add_candles(leg.token, leg.expiry, Interval.MINUTE, theirs, covered)
    assert await desk.minutes(leg.token, leg.expiry) == [("11:01", False), ("11:02", False), ("11:03", True)]


@pytest.mark.parametrize("source", [Source.MOCK, Source.REPLAY])
async def test_a_mock_or_a_replay_comes_nowhere_near_the_store(desk: Desk, source: Source) -> None:
    desk.run("11:04:10", source)
    await desk.own.store()
    assert await desk.minutes(LEGS[0].token, W01) == []
    desk.is_live = False
    desk.run("11:07:10")
    await desk.own.store()
    assert await desk.minutes(LEGS[0].token, W01) == []
    assert desk.noted == []


async def test_what_a_busy_store_does_not_take_waits(desk: Desk) -> None:
    desk.error = StoreBusy("the database is busy")
    for until in ("11:02:10", "11:03:10"):
        desk.run(until)
        await desk.own.store()
    assert sum("wait for the store" in event.text for event in desk.events.since()) == 1
    desk.error = None
    desk.run("11:04:10")
    await desk.own.store()
    assert [minute for minute, _ in await desk.minutes(LEGS[0].token, W01)] == ["11:01", "11:02", "11:03"]


async def test_an_index_has_none_while_it_indicates_its_opening_or_stands_still(desk: Desk) -> None:
    desk.clock.set(datetime(2026, 11, 23, 9, 3, 30, tzinfo=IST))
    desk.run("09:06:10")
    await desk.own.store()
    assert await desk.minutes(NIFTY_INDEX, None) == []
    desk.clock.set(datetime(2026, 11, 23, 15, 12, 30, tzinfo=IST))
    desk.run("15:18:10")
    await desk.own.store()
    assert [minute for minute, _ in await desk.minutes(NIFTY_INDEX, None)] == ["15:13", "15:14"]
    assert [minute for minute, _ in await desk.minutes(LEGS[0].token, W01)][-1] == "15:17"
