from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from tests.support.boards import FORWARD, FUTURE_TOKEN, SPOT, SPOT_CLOSE, SPOT_TOKEN, Scene, build_scene
from tests.support.fakes import uniform_chain
from tickertui.market.board import Derived, MarketBoard
from tickertui.market.chain import (
    NO_REFERENCE,
    OptionChain,
    ReferenceKind,
    Side,
    totals_of,
)
from tickertui.market.ticks import WORDS, Source, TickBatch, Word


@pytest.fixture(scope="module")
def scene() -> Scene:
    return build_scene(strikes=21)


def test_prices_and_quantities_stand_by_strike_and_side(scene: Scene) -> None:
    chain = scene.chain
    prices = chain.price()
    assert prices.shape == (21, 2)
    assert np.abs(prices - scene.model).max() < 0.6
    assert (chain.quantity(Word.OPEN_INTEREST) == scene.oi).all()
    assert (chain.quantity(Word.VOLUME) == scene.volume).all()


def test_a_leg_that_is_not_on_the_board_is_missing_not_zero(scene: Scene) -> None:
    contracts = scene.contracts
    board = MarketBoard(4)
    board.ensure([int(contracts.call_tokens[0])])
    chain = OptionChain(contracts, board)
    assert (chain.rows[0] > 0).tolist() == [True, False]
    assert np.isnan(chain.price()).all()
    assert np.isnan(chain.quantity(Word.OPEN_INTEREST)).all()
    assert np.isnan(chain.oi_change()).all()
    assert chain.reference() == NO_REFERENCE or np.isnan(chain.reference().price)
    assert chain.atm_row() == -1
    assert np.isnan(chain.straddle(-1))


def test_rows_follow_the_board_when_rows_are_given_out_anew(scene: Scene) -> None:
    board = MarketBoard(4)
    chain = OptionChain(scene.contracts, board)
    assert not chain.rows.any()
    tokens = chain.tokens.ravel().tolist()
    board.ensure(tokens)
    assert (board.tokens[chain.rows.ravel()] == tokens).all()
    board.release(tokens[:2])
    assert chain.rows[0].tolist() == [0, 0]


def test_oi_change_needs_both_days() -> None:
    scene = build_scene(strikes=5)
    scene.board.previous_oi[scene.chain.rows[0, 0]] = -1
    change = scene.chain.oi_change()
    assert np.isnan(change[0, 0])
    assert not np.isnan(change[1:]).any()


def test_the_reference_is_the_spot_then_its_close_then_the_forward(scene: Scene) -> None:
    assert scene.chain.reference().price == pytest.approx(SPOT)
    assert scene.chain.reference().kind is ReferenceKind.SPOT
    assert scene.chain.reference(ReferenceKind.FORWARD).price == pytest.approx(FORWARD)
    assert scene.chain.strikes[scene.chain.atm_row()] == 24_350
    board = MarketBoard(64)
    board.ensure([SPOT_TOKEN])
    words = np.zeros((1, WORDS), dtype=np.uint32)
    words[0, [Word.TOKEN, Word.CLOSE]] = SPOT_TOKEN, round(SPOT_CLOSE * 100)
    board.apply(TickBatch.from_rows(words, Source.LIVE))
    before_the_open = OptionChain(scene.contracts, board, underlying_token=SPOT_TOKEN).reference()
    assert (before_the_open.price, before_the_open.kind) == (SPOT_CLOSE, ReferenceKind.CLOSE)
    without_spot = OptionChain(scene.contracts, scene.board, underlying_token=0).reference()
    assert without_spot.kind is ReferenceKind.FORWARD


def test_without_a_valuation_the_forward_comes_from_parity() -> None:
    scene = build_scene(strikes=21)
    scene.board.derived[:, Derived.FORWARD] = np.nan
    forward = scene.chain.forward()
    assert forward.kind is ReferenceKind.FORWARD
    assert forward.price == pytest.approx(FORWARD, abs=1.0)


def test_straddle_is_call_plus_put(scene: Scene) -> None:
    row = scene.chain.atm_row()
    prices = scene.chain.price()
    assert scene.chain.straddle(row) == pytest.approx(prices[row, Side.CALL] + prices[row, Side.PUT])


def test_totals_sum_what_is_known(scene: Scene) -> None:
    totals = scene.chain.totals()
    assert totals.call_oi == scene.oi[:, 0].sum()
    assert totals.put_oi == scene.oi[:, 1].sum()
    assert totals.pcr == pytest.approx(scene.oi[:, 1].sum() / scene.oi[:, 0].sum())
    assert totals.pcr_volume == pytest.approx(scene.volume[:, 1].sum() / scene.volume[:, 0].sum())


def test_totals_of_nothing_are_missing() -> None:
    nothing = np.full((3, 2), np.nan)
    totals = totals_of(np.array([1.0, 2.0, 3.0]), nothing, nothing, nothing)
    assert np.isnan([totals.call_oi, totals.put_volume, totals.pcr, totals.pcr_change, totals.max_pain]).all()
    one_side = nothing.copy()
    one_side[0, 1] = 5
    assert np.isnan(totals_of(np.array([1.0, 2.0, 3.0]), one_side, nothing, nothing).pcr)


def test_the_nearest_strike_and_none_without_a_price(scene: Scene) -> None:
    assert scene.chain.strikes[scene.chain.nearest(24_374.9)] == 24_350
    assert scene.chain.strikes[scene.chain.nearest(24_375.1)] == 24_400
    assert scene.chain.nearest(1e9) == len(scene.chain) - 1
    assert scene.chain.nearest(float("nan")) == -1


def test_an_empty_chain_is_no_error() -> None:
    empty = uniform_chain("X", date(2026, 12, 1), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
    chain = OptionChain(empty, MarketBoard(), future_token=FUTURE_TOKEN)
    assert len(chain) == 0
    assert chain.atm_row() == -1
    assert np.isnan(chain.totals().call_oi)
