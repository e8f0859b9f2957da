"""Figures that are none: what a board takes over from odd packets, and how it is read."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.kite_frames import join
from tests.support.odd_packets import NOT_KNOWN, full_packet, index_packet, quote_packet
from tickertui.kite.packets import decode
from tickertui.market import figures
from tickertui.market.board import MarketBoard
from tickertui.market.snapshots import market_depth
from tickertui.market.ticks import Source, Word

NOW = 1_796_013_600
"""2026-11-30 09:40 in India."""

TOKEN = 11_234 << 8 | 2
OTHERS = [number << 8 | 2 for number in range(20_000, 20_040)]
INDEX = 256_265


@pytest.fixture(params=["few", "many"])
def crowd(request: pytest.FixtureRequest) -> list[int]:
    """Instruments that come along in every frame: a small frame takes another way than a large one."""
    return OTHERS if request.param == "many" else []


class Feed:
    """Packets into a board of its own, each frame with those of a crowd."""

    def __init__(self, crowd: list[int]) -> None:
        self.board = MarketBoard()
        self.board.ensure([TOKEN, INDEX, *OTHERS])
        self.crowd = crowd
        self.row = self.board.row(TOKEN)

    def take(self, *packets: bytes, at: int = NOW, source: Source = Source.LIVE) -> None:
        others = [full_packet(token, at) for token in self.crowd]
        frame = join([*packets, *others])
        self.board.apply(decode(frame, source=source, received_ns=at, received_wall_ns=at * 10**9))

    def price(self, word: Word = Word.LAST_PRICE) -> float:
        assert np.array_equal(
            self.board.price_of(self.row, word), self.board.price([self.row], word)[0], equal_nan=True
        )
        return self.board.price_of(self.row, word)

    def interest(self) -> tuple[float, float, float]:
        """Volume, open interest, its change."""
        volume, oi, change = (float(column[0]) for column in self.board.interest([self.row]))
        return volume, oi, change


def empty(at: int) -> bytes:
    return full_packet(
        TOKEN, at, last=0.0, volume=0, average=0.0, ohlc=(0.0, 0.0, 0.0, 201.3), traded=0, oi=0, has_book=False
    )


class TestPrices:
    @pytest.mark.parametrize("raw", [0, NOT_KNOWN, 0x7FFF_FFFF, 0xFFFF_FFFF])
    def test_what_is_no_price_is_missing(self, raw: int) -> None:
        board = MarketBoard()
        board.ensure([TOKEN])
        words = np.full((1, 46), raw, dtype=np.uint32)
        words[0, [0, 15]] = TOKEN, NOW
        words[0, Word.VOLUME] = 65
        frame = b"\x00\x01\x00\xb8" + words.astype(">u4").tobytes()
        board.apply(decode(frame, received_wall_ns=NOW * 10**9))
        for word in (Word.LAST_PRICE, Word.AVERAGE_PRICE, Word.OPEN, Word.HIGH, Word.LOW, Word.CLOSE):
            assert np.isnan(board.price([board.row(TOKEN)], word)).all()
        depth = market_depth(board, TOKEN)
        assert depth is not None
        assert (depth.buy, depth.sell) == ((), ())

    def test_sentinels_of_the_pre_open_are_missing_and_the_others_stand(self, crowd: list[int]) -> None:
        feed = Feed(crowd)
        feed.take(full_packet(TOKEN, NOW, average=NOT_KNOWN, ohlc=(206.0, NOT_KNOWN, NOT_KNOWN, 201.3)))
        assert feed.price(Word.OPEN) == 206.0
        assert feed.price() == 212.4
        for word in (Word.AVERAGE_PRICE, Word.HIGH, Word.LOW):
            assert np.isnan(feed.price(word))


class TestAnotherDay:
    def test_a_price_without_volume_is_of_another_day(self, crowd: list[int]) -> None:
        feed = Feed(crowd)
        for packet, is_past in (
            (quote_packet(TOKEN, volume=0), True), (quote_packet(TOKEN, volume=65), False),
            (full_packet(TOKEN, NOW, volume=0, oi=0), True), (full_packet(TOKEN, NOW), False),
        ):  # fmt: skip
            feed.take(packet)
            assert feed.board.untraded([feed.row]).tolist() == [is_past]

    def test_an_index_and_what_a_mock_makes_are_not(self, crowd: list[int]) -> None:
        feed = Feed(crowd)
        feed.take(index_packet(INDEX, NOW, last=24_000.0))
        assert feed.board.untraded([feed.board.row(INDEX), 0]).tolist() == [False, False]
        feed.take(full_packet(TOKEN, NOW, volume=0), source=Source.MOCK)
        assert feed.board.untraded([feed.row]).tolist() == [False]


class TestZeros:
    def test_an_open_interest_does_not_vanish_without_a_trade(self, crowd: list[int]) -> None:
        feed = Feed(crowd)
        feed.board.previous_oi[feed.row] = 600_000
        feed.take(full_packet(TOKEN, NOW, volume=41_600, oi=655_200))
        feed.take(full_packet(TOKEN, NOW + 1, volume=0, oi=0, traded=0))
        assert feed.interest() == (41_600, 655_200, 55_200)
        feed.take(full_packet(TOKEN, NOW + 2, volume=41_665, oi=0))
        assert feed.interest() == (41_665, 655_200, 55_200)

    def test_one_that_was_traded_away_is_gone(self, crowd: list[int]) -> None:
        feed = Feed(crowd)
        feed.board.previous_oi[feed.row] = 650
        feed.take(full_packet(TOKEN, NOW, volume=650, oi=130))
        feed.take(full_packet(TOKEN, NOW + 1, volume=780, oi=0))
        assert feed.interest() == (780, 0, -650)

    def test_on_another_day_the_volume_begins_again_and_the_interest_stands(self, crowd: list[int]) -> None:
        feed = Feed(crowd)
        feed.take(full_packet(TOKEN, NOW))
        morning = NOW + 86_400 - 2_400
        feed.take(full_packet(TOKEN, morning, volume=0, oi=0, traded=0), at=morning)
        assert feed.interest()[:2] == (0, 655_200)

    def test_a_first_packet_of_zeros_is_no_change_of_a_hundred_percent(self, crowd: list[int]) -> None:
        feed = Feed(crowd)
        feed.board.previous_oi[feed.row] = 600_000
        feed.take(full_packet(TOKEN, NOW, volume=0, oi=0, traded=0))
        volume, oi, change = feed.interest()
        assert volume == 0, "nothing was traded yet: that is known"
        assert np.isnan([oi, change]).all()

    def test_beside_no_price_zeros_say_nothing(self, crowd: list[int]) -> None:
        feed = Feed(crowd)
        feed.take(empty(NOW))
        assert np.isnan([feed.price(), *feed.interest()]).all()

    @pytest.mark.parametrize(
        "packet", [empty(NOW + 60), quote_packet(TOKEN, last=0.0, volume=0)], ids=["full", "quote"]
    )
    def test_a_packet_that_says_nothing_takes_nothing_away(self, crowd: list[int], packet: bytes) -> None:
        feed = Feed(crowd)
        feed.take(full_packet(TOKEN, NOW))
        before = feed.board.words[feed.row].copy()
        feed.take(packet, at=NOW + 60)
        assert (feed.board.words[feed.row] == before).all()
        assert feed.board.counters.emptied == 1
        assert feed.board.packets[feed.row] == 2
        feed.take(full_packet(TOKEN, NOW + 61, last=213.0), at=NOW + 61)
        assert feed.price() == 213.0

    def test_by_the_next_session_it_is_worth_as_much_as_any_other(self, crowd: list[int]) -> None:
        feed = Feed(crowd)
        feed.take(full_packet(TOKEN, NOW))
        feed.take(empty(NOW + 13 * 3_600), at=NOW + 13 * 3_600)
        assert np.isnan(feed.price())

    def test_an_index_may_be_without_a_price(self, crowd: list[int]) -> None:
        feed = Feed(crowd)
        feed.take(index_packet(INDEX, NOW, last=24_000.0))
        feed.take(index_packet(INDEX, NOW + 1, last=9.0).replace(b"\x00\x00\x03\x84", bytes(4), 1), at=NOW + 1)
        assert np.isnan(feed.board.price_of(feed.board.row(INDEX)))


class TestMoreThanAWordHolds:
    def test_a_volume_that_has_gone_round_stays_at_least_so_much_for_the_day(self, crowd: list[int]) -> None:
        feed = Feed(crowd)
        feed.take(full_packet(TOKEN, NOW, volume=2**32 - 65))
        for _ in range(256):
            feed.take(full_packet(TOKEN, NOW, volume=2**32 - 65))
        for second, volume in enumerate((4_550, 5_200, 1 << 20), 1):
            feed.take(full_packet(TOKEN, NOW + second, volume=volume), at=NOW + second)
            assert feed.interest()[0] == figures.AT_LEAST
        tomorrow = NOW + 86_400
        feed.take(full_packet(TOKEN, tomorrow, volume=6_500), at=tomorrow)
        assert feed.interest()[0] == 6_500

    @pytest.mark.parametrize(
        ("now", "before", "change"),
        [
            (655_200.0, 600_000, 55_200), (655_200.0, -1, np.nan), (np.nan, 600_000, np.nan),
            (figures.AT_LEAST, 600_000, np.nan), (655_200.0, 4_800_000_000, np.nan),
            (505_032_704.0, 4_294_000_000, np.nan), (0.0, 65, -65),
        ],
    )  # fmt: skip
    def test_there_is_no_change_between_what_is_not_known_in_full(self, now: float, before: int, change: float) -> None:
        found = figures.change_of(np.array([float(now)]), np.array([before]))
        assert np.array_equal(found, [change], equal_nan=True)
