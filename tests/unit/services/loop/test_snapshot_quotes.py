"""Which rows are asked for by REST, and that a quote never hides a newer live value."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.fake_sockets import rows_of
from tickertui.market.board import MarketBoard
from tickertui.market.ticks import Mode, Source, TickBatch, Word
from tickertui.services.loop.snapshot_quotes import SnapshotLimits, SnapshotPlanner, apply_snapshot

S = 1_000_000_000
TOKENS = [number << 8 | 2 for number in range(1, 11)]


@pytest.fixture
def board() -> MarketBoard:
    board = MarketBoard()
    board.ensure(TOKENS)
    return board


def live(board: MarketBoard, tokens: list[int], at_ns: int, exchange_time: int = 1000, mode: Mode = Mode.FULL) -> None:
    rows = rows_of(tokens, 10_000, exchange_time)
    board.apply(TickBatch.from_rows(rows, Source.LIVE, mode=mode, received_ns=at_ns, connection=0))


def quote(tokens: list[int], exchange_time: int, price: int = 20_000) -> TickBatch:
    return TickBatch.from_rows(rows_of(tokens, price, exchange_time), Source.SNAPSHOT, received_ns=50 * S)


class Plan:
    def __init__(self, board: MarketBoard, limits: SnapshotLimits = SnapshotLimits()) -> None:  # noqa: B008
        self.planner = SnapshotPlanner(board, limits)
        self.rows = board.rows(TOKENS)
        self.connections = np.repeat(np.array([0, 1], dtype=np.int64), 5)

    def due(self, now: float, up: tuple[int, ...] = (0, 1), *, moving: bool = True) -> list[int]:
        return self.planner.due(self.rows, self.connections, up, round(now * S), moving=moving)


def test_what_was_subscribed_and_got_nothing_is_asked_for_after_some_seconds(board: MarketBoard) -> None:
    plan = Plan(board)
    board.mark_subscribed(TOKENS, 0, 100 * S)
    live(board, TOKENS[:3], 101 * S)
    assert plan.due(104) == []
    assert plan.due(106) == TOKENS[3:]
    plan.planner.asked(TOKENS[3:], 106 * S)
    assert plan.due(110) == [], "not twice within a minute"
    assert plan.due(167) == TOKENS[3:]
    plan.planner.forget(TOKENS[3:])
    assert plan.due(110) == TOKENS[3:]


def test_a_socket_that_is_down_is_filled_again_and_again_while_the_market_moves(board: MarketBoard) -> None:
    plan = Plan(board)
    board.mark_subscribed(TOKENS, 0, 1 * S)
    live(board, TOKENS, 2 * S)
    assert plan.due(100, up=(0,)) == []
    assert plan.due(104, up=(0,)) == [], "it may be back in a moment"
    assert plan.due(106, up=(0,)) == TOKENS[5:]
    plan.planner.asked(TOKENS[5:], 106 * S)
    assert plan.due(110, up=(0,)) == []
    assert plan.due(117, up=(0,)) == TOKENS[5:]
    assert plan.due(117, up=(0,), moving=False) == [], "a shut market does not change"
    assert plan.due(118, up=(0, 1)) == []


def test_rows_without_any_value_come_first_and_a_call_has_a_limit(board: MarketBoard) -> None:
    plan = Plan(board, SnapshotLimits(per_call=4))
    live(board, TOKENS[:7], 2 * S)
    plan.due(100, up=())
    assert plan.due(106, up=()) == [*TOKENS[7:], TOKENS[0]]
    assert plan.due(106, up=(), moving=False) == TOKENS[7:]


def test_a_quote_fills_an_empty_row_and_is_no_packet_of_the_subscription(board: MarketBoard) -> None:
    board.mark_subscribed(TOKENS[:1], 2, 1 * S)
    assert apply_snapshot(board, quote(TOKENS[:1], 1000), 49 * S, 0) == 1
    row = board.row(TOKENS[0])
    assert board.source_of(row) is Source.SNAPSHOT
    assert board.price([row])[0] == 200.0
    assert board.packets[row] == 0
    assert board.connections[row] == 2


@pytest.mark.parametrize(
    "received, exchange_time, written",
    [(10, 999, True), (10, 1000, True), (10, 1001, False), (49, 999, False), (55, 10, False)],
    ids=["older", "same second, asked later", "newer exchange time", "received while asking", "received after"],
)
def test_a_quote_never_overwrites_a_newer_live_row(
    board: MarketBoard, received: int, exchange_time: int, written: bool
) -> None:
    live(board, TOKENS[:1], received * S, exchange_time)
    assert apply_snapshot(board, quote(TOKENS[:1], 1000), 49 * S, 0) == int(written)
    row = board.row(TOKENS[0])
    assert board.source_of(row) is (Source.SNAPSHOT if written else Source.LIVE)


def test_rows_in_quote_mode_have_no_exchange_time_and_go_by_receipt(board: MarketBoard) -> None:
    live(board, TOKENS[:1], 10 * S, mode=Mode.QUOTE)
    live(board, TOKENS[1:2], 49 * S, mode=Mode.QUOTE)
    assert apply_snapshot(board, quote(TOKENS[:2], 1), 49 * S, 0) == 1
    assert board.source_of(board.row(TOKENS[0])) is Source.SNAPSHOT
    assert board.source_of(board.row(TOKENS[1])) is Source.LIVE


def test_unknown_tokens_and_prices_of_zero_are_left_out(board: MarketBoard) -> None:
    assert apply_snapshot(board, quote([99 << 8 | 2], 1000), 0, 0) == 0
    assert apply_snapshot(board, quote(TOKENS[:1], 1000, price=0), 0, 0) == 0
    assert board.counters.unknown_tokens == 0


def test_a_quote_asked_for_before_the_feed_was_switched_is_dropped(board: MarketBoard) -> None:
    board.generation = 3
    assert apply_snapshot(board, quote(TOKENS[:1], 1000), 0, 2) == 0
    assert board.field([board.row(TOKENS[0])], Word.LAST_PRICE)[0] == -1


def test_many_rows_are_asked_for_no_faster_than_half_of_what_a_key_allows(board: MarketBoard) -> None:
    plan = Plan(board, SnapshotLimits(per_call=1))
    live(board, TOKENS, 2 * S)
    asked: list[int] = []
    plan.due(100, up=())
    for second in range(106, 206):
        due = plan.due(second, up=())
        plan.planner.asked(due, second * S)
        asked += due
    assert len(asked) == pytest.approx(50, abs=6)
    assert set(asked) == set(TOKENS)


def test_a_time_ahead_of_the_clock_keeps_no_quote_out(board: MarketBoard) -> None:
    now = 1_795_000_000
    ahead = TickBatch.from_rows(
        rows_of(TOKENS[:1], 9_000, now + 3_600), Source.LIVE, received_ns=40 * S, received_wall_ns=now * S
    )
    board.apply(ahead)
    assert board.doubtful[board.row(TOKENS[0])]
    assert apply_snapshot(board, quote(TOKENS[:1], now + 5), 49 * S, 0) == 1
    assert board.price(board.rows(TOKENS[:1])).tolist() == [200.0]
