from __future__ import annotations

import math
from datetime import timedelta

import pytest

from tests.support.boards import LOT_SIZE, SPOT_TOKEN, START, Scene, build_scene
from tickertui.market.board import MarketBoard
from tickertui.market.snapshots import OptionSnapshot, market_depth, option_snapshot
from tickertui.market.ticks import Mode, Source, TickBatch


@pytest.fixture(scope="module")
def scene() -> Scene:
    return build_scene(strikes=5)


def snapshot_of(scene: Scene, row: int = 2, side: int = 0) -> OptionSnapshot:
    instrument = scene.table.get(int(scene.chain.tokens[row, side]))
    assert instrument is not None
    return option_snapshot(scene.board, instrument)


def test_a_snapshot_is_what_the_board_holds(scene: Scene) -> None:
    snapshot = snapshot_of(scene)
    assert (snapshot.instrument.name, snapshot.instrument.strike) == ("NIFTY", 24_350)
    assert snapshot.oi == scene.oi[2, 0]
    assert snapshot.last_price == pytest.approx(scene.model[2, 0], abs=0.6)
    assert (snapshot.source, snapshot.is_mock) == (Source.LIVE, False)
    assert snapshot.exchange_at is not None
    assert abs(snapshot.exchange_at - START) <= timedelta(seconds=10)
    assert snapshot.depth == market_depth(scene.board, snapshot.instrument.token)
    assert min(snapshot.total_buy_quantity, snapshot.total_sell_quantity) > 0


def test_a_mock_value_says_so() -> None:
    snapshot = snapshot_of(build_scene(source=Source.MOCK, strikes=5))
    assert (snapshot.source, snapshot.is_mock) == (Source.MOCK, True)


def test_what_is_not_known_is_missing_never_zero(scene: Scene) -> None:
    instrument = scene.table.get(int(scene.chain.tokens[0, 0]))
    assert instrument is not None
    snapshot = option_snapshot(MarketBoard(), instrument)
    assert math.isnan(snapshot.last_price)
    assert {snapshot.volume, snapshot.oi, snapshot.total_buy_quantity, snapshot.total_sell_quantity} == {-1}
    for value in (snapshot.iv, snapshot.delta, snapshot.gamma, snapshot.theta, snapshot.vega):
        assert math.isnan(value)
    assert snapshot.oi_change is None
    assert snapshot.exchange_at is None
    assert snapshot.received_at is None
    assert snapshot.depth is None
    assert snapshot.source is Source.NONE


def test_depth_is_best_first_on_both_sides(scene: Scene) -> None:
    depth = market_depth(scene.board, int(scene.chain.tokens[2, 1]))
    assert depth is not None
    bids, offers = [level.price for level in depth.buy], [level.price for level in depth.sell]
    assert bids == sorted(bids, reverse=True)
    assert offers == sorted(offers)
    assert len(bids) == len(offers) == 5
    assert depth.buy[0].orders == 3
    assert depth.buy[0].quantity == 5 * LOT_SIZE
    assert depth.spread == pytest.approx(offers[0] - bids[0])


def test_levels_that_the_broker_pads_with_zeros_are_left_out() -> None:
    scene = build_scene(strikes=5)
    words = scene.words()
    words[:, 16:46] = 0
    scene.apply(words)
    depth = market_depth(scene.board, int(scene.chain.tokens[2, 0]))
    assert depth is not None
    assert depth.buy == depth.sell == ()
    assert math.isnan(depth.spread)


def test_no_depth_outside_full_mode_and_none_for_an_index() -> None:
    scene = build_scene(strikes=5)
    scene.board.apply(TickBatch.from_rows(scene.words(), Source.LIVE, mode=Mode.QUOTE))
    assert market_depth(scene.board, int(scene.chain.tokens[2, 0])) is None
    assert market_depth(scene.board, SPOT_TOKEN) is None
