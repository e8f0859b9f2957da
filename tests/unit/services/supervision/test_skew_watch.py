"""The skew of this machine's clock: told by stamps that advance, and by no others."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from tickertui.market.board import MarketBoard
from tickertui.market.clock import IST, ManualClock
from tickertui.market.ticks import WORDS, Source, TickBatch, Word
from tickertui.services.supervision.skew_watch import SkewWatch

INDEX, FUTURE = 256_265, 11_267_591
SECOND = timedelta(seconds=1)


class Feed:
    """An index on a board, watched twice a second."""

    def __init__(self, now: datetime) -> None:
        self.clock = ManualClock(now)
        self.board = MarketBoard()
        self.board.ensure([INDEX, FUTURE])
        self.watch = SkewWatch(self.board, self.clock)
        self.told: list[float | None] = []
        self.connect()

    def connect(self) -> None:
        """Subscribe anew: the next packet is the broker's cached one."""
        self.board.mark_subscribed([INDEX, FUTURE], 0, self.clock.monotonic_ns())

    def send(self, stamp: datetime, token: int = INDEX, source: Source = Source.LIVE) -> None:
        """Let a packet come now, with the exchange's stamp."""
        words = np.zeros((1, WORDS), dtype=np.uint32)
        words[0, [Word.TOKEN, Word.LAST_PRICE]] = token, 2_431_200
        words[0, Word.EXCHANGE_TIMESTAMP] = int(stamp.timestamp())
        self.board.apply(
            TickBatch.from_rows(
                words, source, received_ns=self.clock.monotonic_ns(), received_wall_ns=self.clock.time_ns()
            )
        )

    def wait(self, seconds: float = 1.0) -> None:
        """Let time pass and look."""
        self.clock.advance(seconds)
        self.told.append(self.watch.look([INDEX, FUTURE]))

    def stream(self, seconds: int, *, ahead: float = 0.0, token: int = INDEX) -> None:
        """Let a packet come each second, this clock so many seconds ahead of its stamp."""
        for _ in range(seconds):
            self.send(self.clock.now() - timedelta(seconds=ahead), token)
            self.wait()


@pytest.mark.parametrize(
    "now, stamp",
    [
        ("15:24:41", "15:05:00"),  # started in the auction: 1181 s
        ("18:24:47", "15:35:00"),  # after hours: 10187 s
        ("08:05:00", "15:35:00"),  # the next morning
    ],
)
def test_a_stamp_that_stands_still_is_no_skew(now: str, stamp: str) -> None:
    feed = Feed(datetime.fromisoformat(f"2026-11-30 {now}").replace(tzinfo=IST))
    frozen = datetime.fromisoformat(f"2026-11-30 {stamp}").replace(tzinfo=IST)
    if frozen > feed.clock.now():
        frozen -= timedelta(days=3)
    for _ in range(60):
        feed.send(frozen)
        feed.wait()
    assert set(feed.told) == {None}


def test_cached_packets_of_one_connect_after_another_are_no_skew() -> None:
    feed = Feed(datetime(2026, 11, 30, 16, 0, tzinfo=IST))
    for minutes in (0, 0, 3, 9):
        feed.connect()
        for _ in range(3):
            feed.send(datetime(2026, 11, 30, 15, 20 + minutes, tzinfo=IST))
            feed.wait()
    assert set(feed.told) == {None}


@pytest.mark.parametrize("ahead", [-3.4, 2.6, 1_181.5, 30_287.3])
def test_stamps_that_advance_tell_the_skew_however_large_it_is(ahead: float) -> None:
    feed = Feed(datetime(2026, 11, 30, 11, 0, tzinfo=IST))
    feed.stream(12, ahead=ahead)
    told = feed.told[-1]
    assert told is not None
    assert abs(told - ahead) <= 0.5, "a stamp is cut to the second"


def test_one_packet_stamped_ahead_is_no_skew() -> None:
    feed = Feed(datetime(2026, 11, 30, 11, 0, tzinfo=IST))
    feed.stream(12)
    feed.send(feed.clock.now() + 50 * SECOND)
    feed.wait()
    assert feed.told[-1] is None
    feed.clock.advance(60)  # the board takes the true ones again
    feed.stream(6)
    assert all(told is None or abs(told) <= 0.5 for told in feed.told)
    assert feed.told[-1] is not None


def test_a_skew_is_of_now_and_not_of_what_came_before() -> None:
    feed = Feed(datetime(2026, 11, 30, 14, 59, tzinfo=IST))
    feed.stream(10, ahead=3.0)
    assert feed.told[-1] is not None
    feed.wait(6)
    assert feed.told[-1] is None, "nothing comes any more"


def test_several_packets_of_one_second_do_not_end_what_is_known() -> None:
    feed = Feed(datetime(2026, 11, 30, 11, 0, tzinfo=IST))
    feed.stream(8, ahead=4.0)
    before = len(feed.told)
    for _ in range(20):
        feed.send(feed.clock.now() - 4 * SECOND)
        feed.wait(0.2)
    assert all(told is not None for told in feed.told[before:])


def test_a_future_tells_it_where_there_is_no_index_and_the_quickest_counts() -> None:
    feed = Feed(datetime(2026, 11, 30, 19, 0, tzinfo=IST))
    for _ in range(10):
        feed.send(feed.clock.now() - 5 * SECOND, FUTURE)
        feed.send(feed.clock.now() - 3 * SECOND, INDEX)
        feed.wait()
    assert feed.told[-1] == pytest.approx(2.5)


def test_what_is_no_live_packet_tells_nothing() -> None:
    feed = Feed(datetime(2026, 11, 30, 11, 0, tzinfo=IST))
    for _ in range(10):
        feed.send(feed.clock.now() - 9 * SECOND, source=Source.SNAPSHOT)
        feed.wait()
    assert set(feed.told) == {None}
