from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from tests.support.boards import FORWARD, FUTURE_TOKEN, SPOT, SPOT_CLOSE, SPOT_TOKEN, Scene, build_scene
from tests.support.fakes import uniform_chain
from tickertui.market.board import Derived, MarketBoard
from tickertui.market.chain import (
    NO_REFERENCE,
    ChainTotals,
    OptionChain,
    ReferenceKind,
    Side,
    totals_of,
)
from tickertui.market.coverage import Coverage
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


def part_of(known_calls: int, known_puts: int, strikes: int = 10) -> ChainTotals:
    """Totals of a ladder whose first strikes are known: call k has an open interest of 100 k, put k of 50 k."""
    numbers = np.arange(1.0, strikes + 1)
    oi = np.column_stack((100 * numbers, 50 * numbers))
    oi[known_calls:, 0] = np.nan
    oi[known_puts:, 1] = np.nan
    return totals_of(24_000 + 50 * numbers, oi, -oi, oi)


def test_a_sum_over_a_part_says_so_and_is_withheld_below_half() -> None:
    whole = part_of(10, 10)
    assert (whole.call_oi, whole.put_oi, whole.pcr) == (5_500, 2_750, 0.5)
    assert whole.coverage.call_oi == Coverage(10, 10)
    assert whole.coverage.oi.text == ""
    half = part_of(5, 10)
    assert half.call_oi == 1_500, "100 + 200 + ... + 500"
    assert half.coverage.call_oi.text == "5/10"
    assert half.coverage.oi.text == "15/20"
    assert half.pcr == pytest.approx(2_750 / 1_500)
    too_little = part_of(4, 10)
    assert np.isnan(too_little.call_oi)
    assert np.isnan([too_little.pcr, too_little.pcr_change, too_little.pcr_volume, too_little.max_pain]).all()
    assert too_little.put_oi == 2_750, "the other side is whole"
    assert too_little.coverage.call_oi.text == "4/10"
    assert too_little.call_oi_change != too_little.call_oi_change, "NaN"


def test_legs_that_are_not_listed_are_not_missing() -> None:
    oi = np.array([[100.0, 10.0], [200.0, np.nan], [300.0, 30.0]])
    listed = np.array([[True, True], [True, False], [True, True]])
    totals = totals_of(np.array([1.0, 2.0, 3.0]), oi, oi, oi, listed)
    assert totals.coverage.oi.is_whole
    assert (totals.put_oi, totals.coverage.put_oi) == (40, Coverage(2, 2))
    assert totals_of(np.array([1.0, 2.0, 3.0]), oi, oi, oi).coverage.put_oi.text == "2/3"


def test_strikes_that_nobody_subscribes_are_listed_and_not_known() -> None:
    scene = build_scene(strikes=21)
    board = MarketBoard(64)
    board.ensure(scene.chain.tokens[5:16].ravel().tolist())
    board.apply(TickBatch.from_rows(scene.words(np.arange(5, 16)), Source.LIVE))
    totals = OptionChain(scene.contracts, board).totals()
    assert totals.call_oi == scene.oi[5:16, 0].sum()
    assert totals.coverage.call_oi == Coverage(11, 21)
    assert totals.coverage.oi.text == "22/42"
    assert totals.coverage.oi_change.text == "", "nothing of it is known: a dash alone"


def test_an_aggregate_of_nothing_is_no_part() -> None:
    assert (Coverage(0, 210).text, Coverage(0, 210).is_enough) == ("", False)
    assert (Coverage(0, 0).text, Coverage(0, 0).is_enough) == ("", False)
    assert (Coverage(61, 105).text, Coverage(61, 105).is_enough) == ("61/105", True)
    assert (Coverage(105, 105).text, Coverage(105, 105).is_enough) == ("", True)
    assert (Coverage(52, 105).is_enough, Coverage(53, 105).is_enough) == (False, True)


def test_of_a_quantity_that_is_only_known_to_be_large_enough_there_is_no_sum() -> None:
    strikes, whole = np.array([100.0, 110.0]), np.array([[650.0, 1_300.0], [650.0, 650.0]])
    large = np.array([[650.0, 0xFFFF_FFFF], [650.0, 650.0]])
    totals = totals_of(strikes, large, whole, whole)
    assert totals.call_oi == 1_300.0
    assert np.isnan([totals.put_oi, totals.pcr]).all()
    assert totals.pcr_volume == 1.5
