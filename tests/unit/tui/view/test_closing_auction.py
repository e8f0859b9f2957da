"""What the chain says while the index is frozen in the closing auction, and once it has settled."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from tests.support.boards import FORWARD, SPOT, SPOT_TOKEN, Scene, build_scene
from tickertui.market.board import Derived
from tickertui.market.chain import Reference, ReferenceKind
from tickertui.market.clock import IST
from tickertui.market.forward import ForwardSource
from tickertui.market.hours import load_calendar
from tickertui.tui.look.format import MISSING
from tickertui.tui.panes.chain.header import Header, header_view
from tickertui.tui.panes.chain.summary import ChainSummaryLine, summary_view
from tickertui.tui.view.chain_reader import ChainContext, ChainReader
from tickertui.tui.view.data_states import DataState
from tickertui.tui.view.frames import ChainFrame
from tickertui.tui.view.market_view import market_view

CALENDAR = load_calendar()
SETTLED = 24_418.65


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-25T{text}").replace(tzinfo=IST)


def go_to(scene: Scene, moment: str) -> None:
    """Let time pass, on both clocks."""
    scene.clock.advance((at(moment) - scene.clock.now()).total_seconds())


def frozen_scene() -> Scene:
    """Everything ticks at 15:14:59."""
    scene = build_scene()
    go_to(scene, "15:14:59")
    scene.tick_underlying()
    return scene


def read(scene: Scene, moment: str) -> ChainFrame:
    """Options tick at a moment; the frame half a second later, as of a program that starts then."""
    go_to(scene, moment)
    scene.tick(np.arange(len(scene.chain)))
    scene.clock.advance(0.5)
    market = market_view(CALENDAR, "NFO", scene.clock.now())
    return ChainReader(scene.chain, scene.clock, ChainContext(market=market)).read()


def header(frame: ChainFrame, width: int = 120) -> str:
    pieces = Header().lay_out(header_view(frame, frame.tag(np.arange(20, 37))), width)
    return "".join(piece.text for piece in pieces)


def summary(frame: ChainFrame, width: int = 120) -> str:
    return "".join(piece.text for piece in ChainSummaryLine().lay_out(summary_view(frame), width))


@pytest.mark.parametrize("moment", ["15:15:02", "15:22:00", "15:33:00", "15:37:00"])
def test_an_index_that_has_not_settled_is_frozen_and_the_forward_decides(moment: str) -> None:
    frame = read(frozen_scene(), moment)
    assert frame.underlying.state is DataState.CAS
    assert frame.underlying.settled_at == ""
    assert frame.summary.reference.kind is ReferenceKind.FORWARD
    assert f"{SPOT:,.2f}= CAS frozen" in header(frame)
    assert f"F(par) {FORWARD:,.2f}" in header(frame)


def test_an_index_that_repeats_its_price_each_second_is_frozen_too() -> None:
    scene = frozen_scene()
    go_to(scene, "15:31:00")
    scene.tick_underlying()
    frame = read(scene, "15:31:00")
    assert frame.underlying.state is DataState.CAS
    assert "frozen" in header(frame)


@pytest.mark.parametrize("moment", ["15:31:00", "15:33:00", "15:37:00"])
def test_a_settled_index_is_told_as_such_and_is_what_the_money_is_measured_from(moment: str) -> None:
    scene = frozen_scene()
    go_to(scene, "15:30:40")
    scene.tick_underlying(SETTLED)
    frame = read(scene, moment)
    assert frame.underlying.settled_at == "15:30"
    assert frame.underlying.state is DataState.CLOSED
    assert frame.summary.reference == Reference(SETTLED, ReferenceKind.SPOT)
    text = header(frame)
    assert f"NIFTY {SETTLED:,.2f} +152.40 +0.63% settled 15:30" in text
    assert "frozen" not in text
    assert "F(" not in text
    assert "auction" not in summary(frame)


def test_a_settling_value_that_is_repeated_was_printed_when_it_came_first() -> None:
    scene = frozen_scene()
    for moment in ("15:30:40", "15:33:00", "15:38:00"):
        go_to(scene, moment)
        scene.tick_underlying(SETTLED)
    assert read(scene, "15:38:01").underlying.settled_at == "15:30"
    late = build_scene(ticked=False)
    late.board.release([SPOT_TOKEN])
    late.board.ensure([SPOT_TOKEN])
    go_to(late, "15:38:00")
    late.tick_underlying(SETTLED)
    assert read(late, "15:38:01").underlying.settled_at == "15:35", "the end of the auction: nobody saw it come"


def test_the_header_names_where_the_forward_comes_from() -> None:
    scene = frozen_scene()
    scene.board.derived[scene.chain.rows, Derived.FORWARD_SOURCE] = ForwardSource.FUTURE
    assert "F(fut) " in header(read(scene, "15:22:00"))
    scene.board.derived[scene.chain.rows, Derived.FORWARD_SOURCE] = ForwardSource.SYNTHETIC
    assert "F(syn) " in header(read(scene, "15:23:00"))


def test_what_goes_on_in_the_auction_is_live() -> None:
    """A volatility index is made of options, which trade on."""
    scene = frozen_scene()
    go_to(scene, "15:22:00")
    scene.tick_underlying(SPOT + 1)
    frame = read(scene, "15:22:01")
    assert frame.underlying.state is DataState.LIVE


def test_after_the_session_the_index_is_shut_like_everything() -> None:
    frame = read(frozen_scene(), "15:45:00")
    assert frame.underlying.state is DataState.CLOSED
    assert frame.underlying.settled_at == ""


def test_the_volatility_at_the_money_does_not_jump_where_the_nearest_strike_changes() -> None:
    """The smile of the scene leans by 0.1 points a strike; a spot that crosses a midpoint changes the strike only."""
    scene = build_scene()
    rows = scene.chain.rows
    scene.board.derived[rows, Derived.IV] = (0.108 + 0.019 * (np.arange(len(rows)) - 30))[:, None]
    scene.board.derived[rows, Derived.FORWARD] = 24_374.9
    scene.tick_underlying(24_374.9)
    reader = ChainReader(scene.chain, scene.clock)
    below = reader.read().summary
    scene.board.derived[rows, Derived.FORWARD] = 24_375.1
    scene.board.touch(rows.ravel())
    scene.tick_underlying(24_375.1)
    above = reader.read().summary
    assert (below.atm_strike, above.atm_strike) == (24_350, 24_400)
    assert below.atm_iv == pytest.approx(0.108 + 0.019 * 24.9 / 50)
    assert above.atm_iv == pytest.approx(0.108 + 0.019 * 25.1 / 50)


def test_one_strike_without_a_volatility_is_bridged_and_two_are_not() -> None:
    scene = build_scene()
    rows = scene.chain.rows
    scene.board.derived[rows, Derived.IV] = (0.108 + 0.001 * (np.arange(len(rows)) - 30))[:, None]
    scene.board.derived[rows, Derived.FORWARD] = 24_375.0
    scene.board.derived[rows[31], Derived.IV] = np.nan
    frame = ChainReader(scene.chain, scene.clock).read()
    assert frame.summary.atm_iv == pytest.approx(0.1085)
    scene.board.derived[rows[32], Derived.IV] = np.nan
    frame = ChainReader(scene.chain, scene.clock).read()
    assert np.isnan(frame.summary.atm_iv)
    assert f"IV {MISSING}" in summary(frame)
