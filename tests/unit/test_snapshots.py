from __future__ import annotations

import json
import math
from datetime import timedelta

import pytest

from tests.support.boards import LOT_SIZE, SPOT, SPOT_CLOSE, SPOT_TOKEN, START, Scene, build_scene
from tickertui.market.board import MarketBoard
from tickertui.market.snapshots import OptionPayload, market_depth, option_snapshot, underlying_bar
from tickertui.market.ticks import Mode, Source, TickBatch

ORIGINAL_KEYS = {
    "symbol", "token", "tradingsymbol", "segment", "exchange", "strike", "expiry", "type", "lot_size", "tick_size",
    "price", "volume", "oi", "iv", "delta", "gamma", "theta", "vega", "ts", "is_mock",
}  # fmt: skip


@pytest.fixture(scope="module")
def scene() -> Scene:
    return build_scene(strikes=5)


def payload_of(scene: Scene, row: int = 2, side: int = 0) -> OptionPayload:
    instrument = scene.table.get(int(scene.chain.tokens[row, side]))
    assert instrument is not None
    return option_snapshot(scene.board, instrument).to_payload()


def test_the_payload_has_the_keys_of_the_original_service(scene: Scene) -> None:
    payload = payload_of(scene)
    assert set(payload) == ORIGINAL_KEYS | {"source", "depth", "total_buy_quantity", "total_sell_quantity"}
    assert payload["symbol"] == "NIFTY"
    assert payload["type"] == "CE"
    assert payload["strike"] == 24_350
    assert payload["expiry"] == "2026-12-01"
    assert payload["lot_size"] == LOT_SIZE
    assert payload["oi"] == scene.oi[2, 0]
    assert payload["price"] == pytest.approx(scene.model[2, 0], abs=0.6)
    assert payload["is_mock"] is False
    assert abs(payload["ts"] - START.timestamp()) <= 10
    json.dumps(payload)


def test_a_mock_value_says_so() -> None:
    payload = payload_of(build_scene(source=Source.MOCK, strikes=5))
    assert payload["is_mock"] is True
    assert payload["source"] == "mock"


def test_what_is_not_known_is_none_never_zero(scene: Scene) -> None:
    instrument = scene.table.get(int(scene.chain.tokens[0, 0]))
    assert instrument is not None
    snapshot = option_snapshot(MarketBoard(), instrument)
    payload = snapshot.to_payload()
    assert math.isnan(snapshot.last_price)
    assert {payload[key] for key in ("price", "volume", "oi", "iv", "delta", "gamma", "theta", "vega")} == {None}
    assert snapshot.oi_change is None
    assert snapshot.received_at is None
    assert "depth" not in payload
    assert payload["ts"] == 0


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
    assert depth.to_dict()["sell"][0]["price"] == offers[0]


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


def test_the_underlying_bar_is_the_days(scene: Scene) -> None:
    instrument = scene.table.get(SPOT_TOKEN)
    assert instrument is not None
    bar = underlying_bar(scene.board, instrument)
    assert (bar.close, bar.previous_close) == (SPOT, SPOT_CLOSE)
    assert bar.change == pytest.approx(SPOT - SPOT_CLOSE)
    assert bar.volume == -1
    assert bar.is_mock is False
    assert bar.at is not None
    assert abs(bar.at - START) < timedelta(seconds=2)
    payload = bar.to_payload()
    assert payload["volume"] is None
    assert payload["close"] == SPOT
    missing = underlying_bar(MarketBoard(), instrument).to_payload()
    assert missing["open"] is None
    assert missing["ts"] == 0
