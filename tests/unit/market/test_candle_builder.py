"""Candles of the session's own ticks, held against those of the market that sent the ticks."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import numpy as np
import pytest

from tickertui.market.board import MarketBoard
from tickertui.market.candle_builder import BuiltCandles, CandleBuilder
from tickertui.market.candles import Candles, Interval
from tickertui.market.hours import IST, load_calendar
from tickertui.market.ticks import Mode, Source, TickBatch, Word
from tickertui.market.universe import load_universe, universe_instruments
from tickertui.synthetic.market import MockMarket
from tickertui.synthetic.paths import Regime

DAY = date(2026, 11, 25)
NIFTY = 256265
UNIVERSE, CALENDAR = load_universe(), load_calendar()
TABLE = universe_instruments(UNIVERSE, DAY)
OPTION = 50_000 << 8 | 2


def at(clock: str, day: date = DAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), IST)


def seconds(clock: str, day: date = DAY) -> int:
    return int(at(clock, day).timestamp())


def live(words: np.ndarray[tuple[int, ...], np.dtype[np.uint32]], now: int, mode: Mode = Mode.FULL) -> TickBatch:
    received = now * 1_000_000_000
    return TickBatch.from_rows(words, Source.LIVE, mode=mode, received_ns=received, received_wall_ns=received)


class Desk:
    """A board, a builder and a row that a test sends by hand."""

    def __init__(self, tokens: list[int] | None = None) -> None:
        self.tokens = [OPTION] if tokens is None else tokens
        self.board = MarketBoard(64)
        self.rows = self.board.ensure(self.tokens)
        self.builder = CandleBuilder(self.board)
        self.built: list[BuiltCandles] = []
        self.looked: int | None = None

    def send(
        self, clock: str, price: int, volume: int, *, oi: int = 500, high: int = 0, low: int = 0, token: int = OPTION,
        stamp: str = "", mode: Mode = Mode.FULL, source: Source = Source.LIVE, day: date = DAY,
    ) -> None:  # fmt: skip
        """One packet, received at a clock time and stamped with it; the builder looks each second until then."""
        now = seconds(clock, day)
        self.wait_until(now - 1)
        words = np.zeros((1, 46), dtype=np.uint32)
        words[0, [Word.TOKEN, Word.LAST_PRICE, Word.VOLUME, Word.OPEN_INTEREST]] = token, price, volume, oi
        words[0, [Word.HIGH, Word.LOW]] = high or price, low or price
        words[0, Word.EXCHANGE_TIMESTAMP] = seconds(stamp or clock, day)
        batch = live(words, now, mode)
        batch.source = source
        self.board.apply(batch)
        self.look(now)

    def look(self, now: int) -> None:
        self.looked = now
        self.builder.look(self.rows, now)
        self.built.append(self.builder.take_finished())

    def wait_until(self, now: int) -> None:
        """Look each second without a packet."""
        for second in range(now if self.looked is None else self.looked + 1, now + 1):
            self.look(second)

    def wait(self, until: str) -> None:
        self.wait_until(seconds(until))

    def candles(self) -> list[list[object]]:
        """Minute, open, high, low, close, volume and open interest of what was built."""
        rows = [row for built in self.built for row in built.candles.to_rows().tolist()]
        return [[f"{datetime.fromtimestamp(row[0], IST):%H:%M}", *row[1:]] for row in rows]


@pytest.mark.parametrize("regime", [Regime.CALM, Regime.VOLATILE])
def test_they_are_the_markets_own_candles(regime: Regime) -> None:
    start = at("11:00")
    market = MockMarket(UNIVERSE, CALENDAR, start=start, sessions=True, instruments=TABLE, regime=regime)
    chain = TABLE.chain("NIFTY", date(2026, 12, 1))
    assert chain is not None
    tokens = [*chain.call_tokens[::7].tolist(), *chain.put_tokens[::7].tolist(), NIFTY]
    assert market.ensure(tokens) == []
    board = MarketBoard(512)
    rows = board.ensure(tokens)
    builder, built = CandleBuilder(board), []
    for second in range(5 * 60 + 5):
        now = int(start.timestamp()) + second
        words = market.step(start + timedelta(seconds=second)).words
        board.apply(live(words[:, :46], now))
        builder.look(rows, now)
        built.append(builder.take_finished())
    found: dict[int, list[list[int]]] = {token: [] for token in tokens}
    for some in built:
        for token, row in zip(some.tokens.tolist(), some.candles.to_rows().tolist(), strict=True):
            found[token].append(row)
    whole = [int(start.timestamp()) + 60 * minute for minute in range(1, 5)]
    for token in tokens:
        truth = market.candles(token, at("11:01"), at("11:04"), Interval.MINUTE)
        ours = Candles.from_rows(np.array(found[token], dtype=np.int64).reshape(-1, 7))
        traded = np.isin(truth.start, ours.start)
        assert traded.sum() == len(ours)
        assert set(ours.start.tolist()) <= set(whole), "of the minute in which it began it makes nothing"
        # An index has no open interest: the simulated broker says 0, we say that there is none.
        for column in ("close", "volume") if token == NIFTY else ("close", "volume", "oi"):
            assert getattr(ours, column).tolist() == getattr(truth, column)[traded].tolist(), (token, column)
        assert (ours.high <= truth.high[traded]).all()
        assert (ours.low >= truth.low[traded]).all()
    assert found[NIFTY], "an index has one each minute"
    assert [row[0] for row in found[NIFTY]] == whole


def test_a_minute_is_known_by_the_exchanges_time_and_holds_what_was_between_two_looks() -> None:
    desk = Desk()
    desk.send("11:00:40", 100, 1_000)
    desk.send("11:00:59", 104, 1_010)
    desk.send("11:01:01", 103, 1_020, stamp="11:00:59")
    desk.send("11:01:10", 105, 1_060, high=120, low=100)
    desk.send("11:01:50", 101, 1_090, high=120, low=90)
    desk.send("11:02:20", 102, 1_095, high=120, low=90, oi=650)
    desk.wait("11:04:10")
    assert desk.candles() == [["11:01", 105, 120, 90, 101, 70, 500], ["11:02", 102, 102, 102, 102, 5, 650]]


def test_a_minute_without_a_trade_has_no_candle_and_a_row_that_began_in_it_none_of_it() -> None:
    desk = Desk()
    desk.send("11:00:40", 100, 1_000)
    desk.wait("11:01:30")
    desk.send("11:01:31", 100, 1_000, oi=510)  # a quote changed, nothing was traded
    desk.wait("11:03:30")
    desk.send("11:03:31", 101, 1_003)
    desk.wait("11:05:10")
    assert desk.candles() == [["11:03", 101, 101, 101, 101, 3, 500]]


def test_the_first_minute_of_a_day_counts_from_nothing_traded() -> None:
    before, desk = DAY - timedelta(days=2), Desk()
    words = np.zeros((1, 46), dtype=np.uint32)
    words[0, [Word.TOKEN, Word.LAST_PRICE, Word.HIGH, Word.LOW, Word.VOLUME]] = OPTION, 400, 460, 390, 9_000
    words[0, Word.EXCHANGE_TIMESTAMP] = seconds("15:39:59", before)
    desk.board.apply(live(words, seconds("09:14:50")))  # what the broker had kept
    desk.look(seconds("09:14:50"))
    desk.send("09:15:02", 410, 130)
    desk.send("09:15:30", 405, 200, high=415, low=405)
    desk.wait("09:16:10")
    assert desk.candles() == [["09:15", 410, 415, 405, 405, 200, 500]]


def test_a_minute_in_which_the_socket_was_away_has_none() -> None:
    desk = Desk()
    desk.send("11:00:40", 100, 1_000)
    desk.send("11:01:10", 101, 1_010)
    desk.wait("11:02:20")
    desk.board.mark_subscribed([OPTION], 1, seconds("11:02:21") * 1_000_000_000)
    desk.send("11:02:22", 103, 1_500)
    desk.send("11:02:40", 104, 1_510)
    desk.send("11:03:05", 105, 1_515)
    desk.wait("11:04:10")
    assert desk.candles() == [["11:01", 101, 101, 101, 101, 10, 500], ["11:03", 105, 105, 105, 105, 5, 500]]


def test_a_program_that_stood_still_knows_nothing_of_that_time() -> None:
    desk = Desk()
    desk.send("11:00:40", 100, 1_000)
    desk.wait("11:00:59")
    desk.looked = seconds("11:05:29")
    desk.send("11:05:30", 109, 2_000)
    desk.send("11:05:40", 110, 2_010)
    desk.send("11:06:30", 111, 2_020)
    desk.wait("11:07:10")
    assert desk.candles() == [["11:06", 111, 111, 111, 111, 10, 500]]


@pytest.mark.parametrize("source", [Source.MOCK, Source.REPLAY, Source.SNAPSHOT])
def test_only_what_the_market_sent_counts(source: Source) -> None:
    desk = Desk()
    for number in range(8):
        desk.send(f"11:0{number // 2}:{20 + 20 * (number % 2)}", 100 + number, 1_000 + number, source=source)
    assert desk.candles() == []


def test_quotes_have_no_open_interest_and_last_prices_no_candle() -> None:
    for mode, expected in ((Mode.QUOTE, [["11:01", 101, 101, 101, 101, 10, -1]]), (Mode.LTP, [])):
        desk = Desk()
        desk.send("11:00:40", 100, 1_000, mode=mode)
        desk.wait("11:01:09")
        desk.send("11:01:10", 101, 1_010, mode=mode)
        desk.wait("11:02:10")
        assert desk.candles() == expected, mode


def test_a_row_that_another_contract_has_taken_inherits_nothing() -> None:
    desk = Desk()
    desk.send("11:00:40", 100, 1_000)
    desk.wait("11:01:09")
    desk.board.release([OPTION])
    other = OPTION + 256
    assert desk.board.ensure([other]).tolist() == desk.rows.tolist()
    desk.send("11:01:10", 900, 5_000, token=other)
    desk.wait("11:02:10")
    assert desk.candles() == []


@pytest.mark.parametrize("another", [False, True])
def test_what_leaves_the_plan_at_the_close_keeps_its_last_minute(*, another: bool) -> None:
    desk = Desk()
    desk.send("15:38:40", 100, 1_000)
    desk.send("15:39:59", 103, 1_040)
    desk.board.release([OPTION])
    if another:
        desk.board.ensure([OPTION + 256])
    else:
        desk.rows = np.zeros(0, dtype=np.intp)
    desk.wait("15:40:10")
    assert desk.candles() == [["15:39", 103, 103, 103, 103, 40, 500]]
    assert [built.tokens.tolist() for built in desk.built if len(built)] == [[OPTION]]


def test_what_leaves_the_plan_within_a_minute_has_no_candle_of_it() -> None:
    desk = Desk()
    desk.send("11:00:40", 100, 1_000)
    desk.send("11:01:20", 101, 1_010)
    desk.board.release([OPTION])
    desk.rows = np.zeros(0, dtype=np.intp)
    desk.wait("11:03:10")
    assert desk.candles() == []


def test_a_stamp_from_the_future_is_of_now() -> None:
    desk = Desk()
    desk.send("11:00:40", 100, 1_000)
    desk.wait("11:01:09")
    desk.send("11:01:10", 101, 1_010, stamp="11:09:00")
    desk.wait("11:02:10")
    assert [row[0] for row in desk.candles()] in ([], ["11:01"])


def test_candles_of_a_commodity_go_below_zero_and_words_that_are_no_price_are_in_none() -> None:
    token, below = 60_000 << 8 | 7, 1 << 32
    desk = Desk([token])
    desk.send("11:00:40", 50, 1_000, token=token)
    desk.send("11:01:05", 20, 1_010, token=token)
    desk.send("11:01:20", below - 30, 1_020, token=token, high=1 << 31, low=1 << 31)
    desk.send("11:01:50", below - 10, 1_030, token=token)
    desk.wait("11:02:10")
    assert [row[1:5] for row in desk.candles() if row[0] == "11:01"] == [[20, 20, -30, -10]]
