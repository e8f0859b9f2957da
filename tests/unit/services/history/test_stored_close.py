"""What a shut market shows comes from the store where the broker cannot be asked, and goes at the open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from tests.support.fakes import index_of, table_of
from tests.support.planning import NIFTY_INDEX, W01, nifty_chain
from tickertui.market.board import MarketBoard
from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import IST, ManualClock
from tickertui.market.hours import load_calendar
from tickertui.market.ticks import Mode, Source, TickBatch, Word
from tickertui.services.history.stored_close import StoredClose
from tickertui.store.open import open_store
from tickertui.store.protocol import Store

LEG, OTHER = nifty_chain(W01)[:2]
MORNING = "2026-11-26 08:30"


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=IST)


def seconds(moment: str) -> int:
    return int(at(moment).timestamp())


class Desk:
    """A board, a clock that a test moves, and Wednesday 25 and Monday 23 November in the store."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store, self.clock = store, clock
        self.board = MarketBoard(16)
        self.tokens = [LEG.token, OTHER.token, NIFTY_INDEX]
        self.board.ensure(self.tokens)
        self.is_live = True
        self.contracts = table_of([LEG, OTHER], [index_of("NIFTY 50", NIFTY_INDEX)])
        self.stored = StoredClose(
            store=store,
            board=self.board,
            calendar=load_calendar(),
            clock=clock,
            tokens=lambda: np.array(self.tokens, dtype=np.int64),
            instrument=lambda token: self.contracts.get(token),
            is_live=lambda: self.is_live,
        )

    async def keep(self, token: int, day: str, price: int, *, until: str = "15:40", oi: int = 650) -> None:
        """Let a session be fetched: a candle at the open and one at 15:00, of rising prices."""
        expiry = None if token == NIFTY_INDEX else W01
        starts = [seconds(f"{day} 09:15"), seconds(f"{day} 15:00")]
        rows = [
            [start, price + n, price + n + 8, price + n - 8, price + n + 4, 75, oi] for n, start in enumerate(starts)
        ]
        covered = (at(f"{day} 09:15"), at(f"{day} {until}"))
        await self.store.add_candles(token, expiry, Interval.MINUTE, Candles.from_rows(np.array(rows)), covered)

    def source(self, token: int) -> Source:
        return self.board.source_of(self.board.row(token))

    def shown(self, token: int, *words: Word) -> list[int]:
        return [int(self.board.field([self.board.row(token)], word)[0]) for word in words]

    def tick(self, token: int, moment: str, source: Source = Source.LIVE) -> None:
        words = np.zeros((1, 46), dtype=np.uint32)
        words[0, [Word.TOKEN, Word.LAST_PRICE, Word.EXCHANGE_TIMESTAMP]] = token, 4_242, seconds(moment)
        wall_ns = self.clock.time_ns()
        self.board.apply(TickBatch.from_rows(words, source, mode=Mode.FULL, received_ns=1, received_wall_ns=wall_ns))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = ManualClock(at(MORNING))
    store = await open_store(tmp_path / "store.db", clock)
    made = Desk(store, clock)
    for token in (LEG.token, NIFTY_INDEX):
        await made.keep(token, "2026-11-23", 10_000)
        await made.keep(token, "2026-11-25", 20_000)
    yield made
    await store.close()


@pytest.mark.parametrize("moment", ["2026-11-25 18:00", "2026-11-25 23:59", MORNING, "2026-11-26 09:14"])
async def test_before_the_next_open_the_last_session_is_shown_whole(desk: Desk, moment: str) -> None:
    desk.clock.set(at(moment))
    await desk.stored.look()
    assert desk.source(LEG.token) is Source.STORED
    assert desk.shown(LEG.token, Word.LAST_PRICE, Word.OPEN, Word.HIGH, Word.LOW, Word.CLOSE) == [
        20_005, 20_000, 20_009, 19_992, 10_005,
    ]  # fmt: skip
    assert desk.shown(LEG.token, Word.VOLUME, Word.OPEN_INTEREST) == [150, 650]
    stamps = desk.shown(LEG.token, Word.LAST_TRADE_TIME, Word.EXCHANGE_TIMESTAMP)
    assert stamps == [seconds("2026-11-25 15:00:59"), seconds("2026-11-25 15:39:59")]
    assert int(desk.board.packets[desk.board.row(LEG.token)]) == 0, "it is no packet of a subscription"
    assert desk.source(NIFTY_INDEX) is Source.STORED
    assert desk.source(OTHER.token) is Source.NONE, "nothing is stored of it"


async def test_what_is_not_whole_is_not_shown_until_the_backfill_has_come_by(desk: Desk) -> None:
    await desk.keep(OTHER.token, "2026-11-25", 30_000, until="15:20")
    await desk.stored.look()
    assert desk.source(OTHER.token) is Source.NONE
    await desk.keep(OTHER.token, "2026-11-25", 30_000)
    desk.clock.advance(60.0)
    await desk.stored.look()
    desk.clock.advance(120.0)
    await desk.stored.look()
    assert desk.shown(OTHER.token, Word.LAST_PRICE, Word.CLOSE) == [30_005, 0], "its close before is not known"
    assert np.isnan(desk.board.price([desk.board.row(OTHER.token)], Word.CLOSE)[0])


async def test_however_many_they_are_one_look_shows_them_all(desk: Desk) -> None:
    chain = nifty_chain(W01)
    assert len(chain) > 40
    desk.tokens = [leg.token for leg in chain] + [NIFTY_INDEX]
    desk.board.ensure(desk.tokens)
    desk.contracts = table_of(chain, [index_of("NIFTY 50", NIFTY_INDEX)])
    for leg in chain:
        await desk.keep(leg.token, "2026-11-25", 20_000)
    with pytest.MonkeyPatch.context() as few:
        few.setattr("tickertui.services.history.stored_close._AT_ONCE", 7)
        await desk.stored.look()
    assert {desk.source(token) for token in desk.tokens} == {Source.STORED}


async def test_an_open_interest_that_is_not_stored_is_missing(desk: Desk) -> None:
    await desk.keep(OTHER.token, "2026-11-25", 30_000, oi=-1)
    await desk.stored.look()
    assert desk.shown(OTHER.token, Word.LAST_PRICE, Word.VOLUME, Word.OPEN_INTEREST) == [30_005, 150, -1]


async def test_the_brokers_values_stay_and_take_its_place(desk: Desk) -> None:
    desk.tick(NIFTY_INDEX, "2026-11-25 15:35:00")
    await desk.stored.look()
    assert desk.shown(NIFTY_INDEX, Word.LAST_PRICE) == [4_242]
    assert desk.source(LEG.token) is Source.STORED
    desk.tick(LEG.token, "2026-11-25 15:29:50")
    assert desk.source(LEG.token) is Source.LIVE
    assert desk.shown(LEG.token, Word.LAST_PRICE) == [4_242]


async def test_at_the_open_it_goes(desk: Desk) -> None:
    desk.board.mark_subscribed(desk.tokens, 3, 77)
    await desk.stored.look()
    row = desk.board.row(LEG.token)
    desk.board.previous_oi[row] = 600
    desk.clock.set(at("2026-11-26 09:15"))
    await desk.stored.look()
    assert {desk.source(token) for token in desk.tokens} == {Source.NONE}
    known = desk.board.connections[row], desk.board.subscribed_ns[row], desk.board.previous_oi[row]
    assert known == (3, 77, 600), "the subscription and the close before are what they were"
    desk.clock.set(at("2026-11-26 11:00"))
    await desk.stored.look()
    assert {desk.source(token) for token in desk.tokens} == {Source.NONE}


async def test_a_session_without_its_history_shows_nothing_older(desk: Desk) -> None:
    desk.clock.set(at("2026-11-26 18:00"))
    await desk.stored.look()
    assert desk.source(LEG.token) is Source.NONE
