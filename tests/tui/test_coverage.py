"""Partial sums are no totals: every aggregate on the screen says of how many legs it is, or is a dash."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.support.boards import Scene, build_scene
from tests.support.chain_host import CONVENTION
from tests.support.prepared_backend import Situation
from tests.tui.driving import driven
from tickertui.market.board import MarketBoard
from tickertui.market.chain import OptionChain
from tickertui.market.ticks import Source, TickBatch
from tickertui.tui.look.format import Units
from tickertui.tui.panes.chain.rail import buildup_text, mover_rows
from tickertui.tui.panes.chain.summary import ChainSummaryLine, summary_view
from tickertui.tui.panes.chain.totals import Totals, totals_view
from tickertui.tui.view.chain_reader import ChainContext, ChainReader
from tickertui.tui.view.frames import ChainFrame, Field

LEGS = 122
"""Of the scene: 61 strikes."""


def with_interest(scene: Scene, strikes: int) -> ChainFrame:
    """The scene with yesterday's open interest of that many strikes around the money."""
    rows = scene.chain.rows
    around = np.abs(np.arange(len(rows)) - len(rows) // 2) <= strikes // 2
    kept = scene.board.previous_oi[rows].copy()
    scene.board.previous_oi[rows[~around]] = -1
    frame = ChainReader(scene.chain, scene.clock, ChainContext(convention=CONVENTION)).read()
    scene.board.previous_oi[rows] = kept
    return frame


def totals(frame: ChainFrame, width: int) -> str:
    return "".join(piece.text for piece in Totals().lay_out(totals_view(frame, Units.LAKH), width))


def summary(frame: ChainFrame, width: int) -> str:
    return "".join(piece.text for piece in ChainSummaryLine().lay_out(summary_view(frame), width))


@pytest.fixture
def scene() -> Scene:
    return build_scene()


def test_while_the_backfill_runs_sums_of_changes_are_a_dash_then_a_part_then_the_total(scene: Scene) -> None:
    early, later, done = (with_interest(scene, strikes) for strikes in (11, 41, 61))
    assert re.search(r"Σ CE OI [\d.]+C  dOI — 11/61  vol ", totals(early, 120))
    assert re.search(r"Σ CE OI [\d.]+C  dOI \+[\d.]+L 41/61  vol ", totals(later, 120))
    assert "/61" not in totals(done, 120)
    assert "PCR dOI — 22/122" in summary(early, 200)
    assert re.search(r"PCR dOI [\d.]+ 82/122 ", summary(later, 200))
    assert re.search(r"PCR [\d.]+  pain 24,300 ", summary(early, 200)), "today's open interest is whole"
    by_hand = (scene.chain.oi_change()[10:51, 0]).sum()
    assert later.totals.call_oi_change == by_hand


@pytest.mark.parametrize("width", [64, 80, 100, 120, 160, 200])
def test_no_width_loses_the_coverage_or_a_side(scene: Scene, width: int) -> None:
    line = totals(with_interest(scene, 41), width)
    assert len(line) == width
    assert line.count("41/61") == 2
    assert "Σ CE" in line
    assert "Σ PE" in line


def few_strikes(scene: Scene, strikes: int) -> ChainFrame:
    """What a rule with so many strikes subscribes."""
    board, first = MarketBoard(256), (61 - strikes) // 2
    places = np.arange(first, first + strikes)
    board.ensure([*scene.chain.tokens[places].ravel().tolist(), scene.chain.underlying_token])
    batch = TickBatch.from_rows(
        scene.words(places), Source.LIVE, received_ns=scene.clock.monotonic_ns(), received_wall_ns=scene.clock.time_ns()
    )
    board.apply(batch)
    chain = OptionChain(scene.contracts, board, underlying_token=scene.chain.underlying_token)
    return ChainReader(chain, scene.clock, ChainContext(convention=CONVENTION)).read()


def test_a_rule_of_few_strikes_has_no_ratio_and_no_pain_of_the_chain(scene: Scene) -> None:
    frame = few_strikes(scene, 21)
    assert "PCR — 42/122  pain — 42/122" in summary(frame, 120)
    assert "Σ CE OI —  dOI —  vol — " in totals(frame, 120).replace(" 21/61", "")
    assert np.isnan([frame.totals.pcr, frame.totals.pcr_volume, frame.totals.max_pain]).all()


def test_a_rule_of_most_strikes_says_of_how_many(scene: Scene) -> None:
    frame = few_strikes(scene, 41)
    assert re.search(r"PCR [\d.]+ 82/122  pain 24,\d00 82/122", summary(frame, 120))
    assert frame.totals.call_oi == scene.oi[10:51, 0].sum()


def test_the_counts_of_build_up_say_of_how_many_legs(scene: Scene) -> None:
    values = with_interest(scene, 61).values[16:45]
    assert "/" not in buildup_text(values, marked=False)
    counted = [int(count) for count in re.findall(r"[+-] (\d+)", buildup_text(values, marked=False))]
    assert sum(counted) <= 58
    part = with_interest(scene, 21).values[16:45]
    assert buildup_text(part, marked=False).endswith(" 42/58")
    assert len(buildup_text(part, marked=False)) <= 41, "the rail has 42 cells"
    assert buildup_text(with_interest(scene, 11).values[16:45], marked=False) == "build-up — 22/58"


def test_changes_that_are_not_known_are_not_none(scene: Scene) -> None:
    frame = with_interest(scene, -1)
    assert np.isnan(frame.values[..., Field.OI_CHANGE]).all()
    (line,) = mover_rows(frame, None)
    assert line.text.strip() == "no change of open interest known yet"


async def test_the_screen_follows_the_backfill() -> None:
    async with driven(Situation.LIVE, size=(200, 50)) as run:
        reader = run.chain.selection.shown
        assert reader is not None
        board, rows = run.backend.board, reader.chain.rows
        yesterday = board.previous_oi[rows].copy()
        board.previous_oi[rows] = -1
        run.main.frame()
        assert any("PCR dOI —  vol" in line or "PCR dOI — vol" in line for line in run.text()), "nothing is known yet"
        board.previous_oi[rows[25:36]] = yesterday[25:36]
        run.main.frame()
        assert any("PCR dOI — 22/122" in line for line in run.text())
        board.previous_oi[rows[10:51]] = yesterday[10:51]
        run.main.frame()
        assert any("82/122" in line for line in run.text())
        await run.press("5")
        run.main.frame()
        assert any(re.search(r"PCR [\d.]+ · pain 24,300", line) for line in run.text())
        board.previous_oi[rows] = yesterday
        await run.press("1")
        run.main.frame()
        assert not any("/122" in line for line in run.text())
