"""A mark of the whole board: values by token, whatever chain asks and wherever its rows have gone."""

from __future__ import annotations

import numpy as np

from tests.support.boards import build_scene
from tests.unit.tui.view.test_chain_reader import reader_of
from tickertui.market.board import Derived, MarketBoard
from tickertui.tui.view.baseline import BoardMark
from tickertui.tui.view.frames import Field


def test_it_holds_what_a_frame_shows() -> None:
    scene = build_scene()
    frame = reader_of(scene).read()
    mark = BoardMark(scene.board, scene.clock.now())
    values = mark.values(scene.chain.tokens)
    assert np.array_equal(values, frame.values[..., [Field.OI, Field.LTP, Field.VOLUME]], equal_nan=True)
    assert np.array_equal(mark.iv(scene.chain.tokens), frame.values[..., Field.IV], equal_nan=True)


def test_it_does_not_change_with_the_board() -> None:
    scene = build_scene()
    mark = BoardMark(scene.board, scene.clock.now())
    before = mark.values(scene.chain.tokens).copy()
    scene.tick(np.arange(10), 5.0)
    scene.board.derived[:, Derived.IV] = 9.0
    assert np.array_equal(mark.values(scene.chain.tokens), before, equal_nan=True)
    assert mark.iv(scene.chain.tokens).max() < 9.0


def test_what_is_another_contract_since_is_missing() -> None:
    scene = build_scene()
    mark = BoardMark(scene.board, scene.clock.now())
    before = mark.values(scene.chain.tokens).copy()
    mark.forget(scene.chain.tokens[3].tolist())
    before[3] = np.nan
    assert np.array_equal(mark.values(scene.chain.tokens), before, equal_nan=True)
    assert np.isnan(mark.iv(scene.chain.tokens)[3]).all()
    assert not np.isnan(before[2]).all()


def test_what_was_not_there_is_missing() -> None:
    scene = build_scene()
    mark = BoardMark(scene.board, scene.clock.now())
    strangers = np.array([[5, 1 << 40], [-1, 0]])
    assert np.isnan(mark.values(strangers)).all()
    assert np.isnan(mark.iv(strangers)).all()
    empty = BoardMark(MarketBoard(), scene.clock.now())
    assert np.isnan(empty.values(scene.chain.tokens)).all()
    assert empty.iv(scene.chain.tokens).shape == scene.chain.tokens.shape
