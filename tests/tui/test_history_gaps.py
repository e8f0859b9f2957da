"""Gaps of the history are drawn as gaps, and candles of our own ticks are told from the broker's."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.planning import NOW, W01, nifty_chain
from tickertui.market.board import MarketBoard
from tickertui.market.candles import Candles
from tickertui.market.clock import epoch_ns
from tickertui.services.history.status import BootstrapProgress
from tickertui.tui.panels.leg import blocks, leg_rows
from tickertui.tui.panes.analytics import runs_of
from tickertui.tui.panes.bootstrap import bootstrap_rows
from tickertui.tui.panes.chain.rail import StraddleDay

LEG = nifty_chain(W01)[0]
START = epoch_ns(NOW) // 1_000_000_000


def candles(minutes: list[int], *, gaps: tuple[int, ...] = (), own: tuple[int, ...] = ()) -> Candles:
    """Candles of minutes counted from ten o'clock; ``gaps`` and ``own`` are places among them."""
    count = len(minutes)
    price = 10_000 + 100 * np.arange(count, dtype=np.int64)
    after_gap, is_own = (np.isin(np.arange(count), places) for places in (gaps, own))
    start = START + 60 * np.array(minutes, dtype=np.int64)
    volume = np.full(count, 65)
    return Candles(
        start, price, price, price, price, volume, volume, is_own if own else None, after_gap if gaps else None
    )


def lines(shown: Candles) -> list[str]:
    board = MarketBoard(8)
    board.ensure([LEG.token])
    return [line.text for line in leg_rows(board, LEG, shown)]


def test_the_leg_has_a_hole_where_nothing_is_known_and_none_where_nothing_was_traded() -> None:
    hole = list(range(20)) + list(range(40, 60))
    price = next(line for line in lines(candles(hole, gaps=(20,))) if line.startswith(" price"))
    chart = price.removeprefix(" price  ")
    assert len(chart) == 60
    assert chart[20:40] == " " * 20
    assert " " not in chart[:20] + chart[40:]
    price = next(line for line in lines(candles(hole)) if line.startswith(" price"))
    assert " " not in price.removeprefix(" price  ")


def test_the_leg_says_how_many_gaps_there_are_and_which_candles_are_ours() -> None:
    shown = lines(candles([0, 1, 5, 9, 10], gaps=(2, 3), own=(3, 4)))
    assert any("5 candles" in line and "2 of our own ticks" in line and "2 gaps" in line for line in shown)
    latest = [line for line in shown if line.startswith("  10:")]
    assert [line.endswith(" own") for line in latest] == [True, True, False, False, False]
    assert not any("own" in line or "gap" in line for line in lines(candles([0, 1, 2])))


def test_an_open_interest_that_was_not_carried_is_a_hole_too() -> None:
    shown = candles([0, 1, 2, 3])
    shown.oi[1:3] = -1
    interest = next(line for line in lines(shown) if line.startswith(" OI"))
    assert [cell == " " for cell in interest.removeprefix(" OI     ")] == [False, True, True, False]


def test_blocks_of_nothing_are_nothing() -> None:
    assert blocks(np.full(4, np.nan), 10) == ""


def test_a_straddle_has_the_gaps_of_both_legs() -> None:
    day = StraddleDay()
    day.take(candles([0, 1, 2, 8, 9, 10], gaps=(3,)), candles([0, 2, 8, 9, 20, 21], gaps=(4,)), 100)
    assert [(start - START) // 60 for start in day.starts.tolist()] == [0, 2, 8, 9]
    assert day.after_gap.tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("mask", "expected"),
    [("", []), ("000", []), ("111", [(0, 3)]), ("0110100", [(1, 3), (4, 5)]), ("1001", [(0, 1), (3, 4)])],
)
def test_a_smile_is_drawn_in_its_stretches(mask: str, expected: list[tuple[int, int]]) -> None:
    runs = runs_of(np.array([cell == "1" for cell in mask], dtype=np.bool_))
    assert [(run.start, run.stop) for run in runs] == expected


def test_the_bootstrap_pane_says_how_far_our_own_ticks_reach() -> None:
    progress = BootstrapProgress(own_candles=1_234, own_until=NOW)
    assert any("1,234 candles of this session's own ticks, to 10:00" in line.text for line in bootstrap_rows(progress))
    assert not any("own ticks" in line.text for line in bootstrap_rows(BootstrapProgress()))
