"""Which feed is on, by accounts, calendar and wish; nothing of one feed survives into another."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.support.fake_sockets import rows_of
from tickertui.market.board import MarketBoard
from tickertui.market.clock import IST, ManualClock
from tickertui.market.hours import load_calendar
from tickertui.market.ticks import Source, TickBatch
from tickertui.services.loop.feed_switch import FeedSwitch
from tickertui.services.loop.status import FeedMode
from tickertui.services.supervision.events import EventLog, Severity

MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=IST)
TOKEN = 5 << 8 | 2


class Desk:
    def __init__(self, at: datetime = MONDAY, *, accounts: bool = True, mock_allowed: bool = True) -> None:
        self.clock = ManualClock(at)
        self.events = EventLog(self.clock)
        self.board = MarketBoard()
        self.board.ensure([TOKEN])
        self.accounts = accounts
        self.segments = {"NFO"}
        self.carried: dict[int, tuple[str, ...]] = {0: ("NFO",)}
        self.feed = FeedSwitch(
            board=self.board,
            calendar=load_calendar(),
            clock=self.clock,
            events=self.events,
            has_accounts=lambda: self.accounts,
            segments=lambda: self.segments,
            carried=lambda connections: {name for number in connections for name in self.carried.get(number, ())},
            mock_allowed=mock_allowed,
        )

    def apply(self, source: Source, generation: int | None = None) -> None:
        number = self.feed.generation if generation is None else generation
        self.board.apply(TickBatch.from_rows(rows_of([TOKEN]), source, generation=number))

    def mode(self) -> FeedMode:
        return self.feed.mode

    def source(self) -> Source:
        return self.board.source_of(self.board.row(TOKEN))


@pytest.mark.parametrize(
    "at, mode",
    [
        (datetime(2026, 11, 23, 9, 14, 59, tzinfo=IST), FeedMode.CLOSED),
        (datetime(2026, 11, 23, 9, 15, tzinfo=IST), FeedMode.LIVE),
        (datetime(2026, 11, 23, 15, 39, 59, tzinfo=IST), FeedMode.LIVE),
        (datetime(2026, 11, 23, 15, 40, tzinfo=IST), FeedMode.CLOSED),
        (datetime(2026, 11, 22, 10, 0, tzinfo=IST), FeedMode.CLOSED),
        (datetime(2026, 11, 24, 10, 0, tzinfo=IST), FeedMode.CLOSED),
    ],
    ids=["before the open", "at the open", "before the close", "at the close", "Sunday", "holiday"],
)
def test_with_accounts_the_calendar_decides(at: datetime, mode: FeedMode) -> None:
    desk = Desk(at)
    assert desk.feed.evaluate()
    assert desk.mode() is mode
    assert desk.feed.is_live
    assert desk.feed.expects_data((0,)) is (mode is FeedMode.LIVE)


def test_the_market_is_open_while_one_segment_of_the_plan_is() -> None:
    desk = Desk(datetime(2026, 11, 23, 20, 0, tzinfo=IST))
    assert not desk.feed.market_is_open()
    desk.segments.add("MCX")
    assert desk.feed.market_is_open()


def test_segments_without_hours_neither_open_nor_shut_the_others() -> None:
    evening = datetime(2026, 11, 23, 20, 0, tzinfo=IST)
    desk = Desk(evening)
    desk.segments = {"NFO", "segment 11"}
    desk.feed.evaluate()
    assert desk.mode() is FeedMode.CLOSED, "NFO is shut, and of the other nobody knows"
    alone = Desk(evening)
    alone.segments, alone.carried = {"IFSC"}, {0: ("IFSC",)}
    alone.feed.evaluate()
    assert alone.mode() is FeedMode.LIVE, "it may trade"
    assert not alone.feed.expects_data((0,)), "but nobody waits for it"
    assert alone.events.since()[-1].text == "the market's hours are not known: live feed"


def test_silence_means_something_of_sockets_that_carry_an_open_segment() -> None:
    desk = Desk(datetime(2026, 11, 23, 20, 0, tzinfo=IST))
    desk.segments.add("MCX")
    desk.carried = {0: ("NFO",), 1: ("NFO", "MCX"), 2: ("CDS",)}
    desk.feed.evaluate()
    assert [desk.feed.expects_data((number,)) for number in range(4)] == [False, True, False, False]
    assert desk.feed.expects_data(range(3)), "an account with one of them"
    desk.clock.set(datetime(2026, 11, 23, 16, 59, tzinfo=IST))
    assert [desk.feed.expects_data((number,)) for number in range(3)] == [False, True, True], "currency to 17:00"


def test_open_and_close_keep_the_values_and_each_is_an_event() -> None:
    desk = Desk(datetime(2026, 11, 23, 15, 39, tzinfo=IST))
    desk.feed.evaluate()
    desk.apply(Source.LIVE)
    generation = desk.feed.generation
    assert not desk.feed.evaluate()
    desk.clock.advance(60)
    assert desk.feed.evaluate()
    assert desk.mode() is FeedMode.CLOSED
    assert desk.source() is Source.LIVE
    assert desk.feed.generation == generation
    texts = [event.text for event in desk.events.since()]
    assert texts == [
        "the market is open: live feed",
        "the market is shut: last values stay, sockets stay open",
    ]


def test_without_accounts_a_mock_runs_at_any_hour_unless_it_is_switched_off() -> None:
    desk = Desk(datetime(2026, 11, 22, 3, 0, tzinfo=IST), accounts=False)
    desk.feed.evaluate()
    assert desk.mode() is FeedMode.MOCK
    assert desk.events.since()[-1].severity is Severity.WARNING
    none = Desk(accounts=False, mock_allowed=False)
    none.feed.evaluate()
    assert none.mode() is FeedMode.NONE


def test_a_mock_with_accounts_is_only_by_wish_and_never_mixes_with_live_values() -> None:
    desk = Desk()
    desk.feed.evaluate()
    desk.apply(Source.LIVE)
    live = desk.feed.generation
    desk.feed.wish(FeedMode.MOCK)
    assert desk.feed.evaluate()
    assert desk.mode() is FeedMode.MOCK
    assert not desk.feed.expects_data((0,))
    assert desk.source() is Source.NONE, "the live values are gone"
    desk.apply(Source.LIVE, live)
    assert desk.source() is Source.NONE, "a late tick of the live feed is dropped"
    desk.apply(Source.MOCK)
    assert desk.source() is Source.MOCK
    mock = desk.feed.generation
    desk.feed.wish(None)
    assert desk.feed.evaluate()
    assert desk.mode() is FeedMode.LIVE
    desk.apply(Source.MOCK, mock)
    assert desk.source() is Source.NONE
    assert "values of the mock feed were cleared" in desk.events.since()[-1].text


def test_a_replay_is_a_feed_of_its_own_kind() -> None:
    desk = Desk(accounts=False)
    desk.feed.evaluate()
    before = desk.feed.generation
    desk.feed.wish(FeedMode.REPLAY)
    desk.feed.evaluate()
    assert desk.mode() is FeedMode.REPLAY
    assert desk.board.generation == desk.feed.generation == before + 1
    desk.feed.wish(FeedMode.LIVE)
    desk.feed.evaluate()
    assert desk.mode() is FeedMode.MOCK, "a wish for live is what accounts and calendar say"


def test_a_new_plan_of_the_same_feed_takes_a_number_and_drops_nothing() -> None:
    desk = Desk()
    desk.feed.evaluate()
    old = desk.feed.generation
    assert desk.feed.advance() == old + 1
    desk.apply(Source.LIVE, old)
    assert desk.source() is Source.LIVE
    desk.feed.shut()
    assert desk.mode() is FeedMode.NONE
