"""Pictures of the chain in every state, size and preset. Look at each new one before it is committed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from textual.pilot import Pilot

from tests.support.boards import build_scene
from tests.support.chain_host import MARKS, READERS, ChainHost
from tickertui.market.chain import Side
from tickertui.tui.chain_grid.columns import PRESETS, View
from tickertui.tui.look.format import ASCII, UNICODE, Units
from tickertui.tui.view.chain_reader import ChainReader
from tickertui.tui.view.frames import BarMeaning

SIZES = ((80, 24), (120, 40), (200, 50))
SnapCompare = Callable[..., bool]


@pytest.mark.parametrize("theme", ["cvd-dark", "mono"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("state", READERS)
def test_state(snap_compare: SnapCompare, state: str, size: tuple[int, int], theme: str) -> None:
    assert snap_compare(ChainHost(READERS[state](), theme), terminal_size=size)


@pytest.mark.parametrize("theme", ["cvd-dark", "mono"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "oi"])
def test_preset(snap_compare: SnapCompare, preset: str, size: tuple[int, int], theme: str) -> None:
    assert snap_compare(ChainHost(READERS["live"](), theme, preset=PRESETS[preset]), terminal_size=size)


@pytest.mark.parametrize("theme", ["cvd-light", "classic", "classic-asia", "high-contrast"])
def test_theme(snap_compare: SnapCompare, theme: str) -> None:
    assert snap_compare(ChainHost(READERS["live"](), theme), terminal_size=(80, 24))


@pytest.mark.parametrize("state", ["live", "mock"])
def test_ascii(snap_compare: SnapCompare, state: str) -> None:
    assert snap_compare(ChainHost(READERS[state](), glyphs=ASCII), terminal_size=(80, 24))


def test_one_side_below_eighty_columns(snap_compare: SnapCompare) -> None:
    async def to_the_puts(pilot: Pilot[None]) -> None:
        host = pilot.app
        assert isinstance(host, ChainHost)
        host.grid.set_side(Side.PUT)
        host.step()

    assert snap_compare(ChainHost(READERS["live"]()), terminal_size=(79, 23), run_before=to_the_puts)


def test_straddle_view(snap_compare: SnapCompare) -> None:
    async def look(pilot: Pilot[None]) -> None:
        host = pilot.app
        assert isinstance(host, ChainHost)
        host.grid.set_view(View.STRADDLE)

    assert snap_compare(ChainHost(READERS["live"]()), terminal_size=(100, 30), run_before=look)


def test_flash_cursor_pin_and_other_units(snap_compare: SnapCompare) -> None:
    async def work(pilot: Pilot[None]) -> None:
        host = pilot.app
        assert isinstance(host, ChainHost)
        await pilot.pause()
        scene = build_scene()
        host.reader = ChainReader(scene.chain, scene.clock, host.reader.context, MARKS)
        host.step()
        scene.tick(np.array([28, 32]), 3.0)
        scene.tick(np.array([30, 33]), -3.0)
        host.grid.set_units(Units.LOTS)
        host.grid.set_bars(BarMeaning.OI_CHANGE)
        host.grid.move_cursor(rows=3, columns=-2)
        host.grid.toggle_pin()
        host.step()

    assert snap_compare(ChainHost(READERS["live"](), glyphs=UNICODE), terminal_size=(120, 40), run_before=work)


def test_a_chain_that_waits_for_its_successor_is_dimmed(snap_compare: SnapCompare) -> None:
    async def wait(pilot: Pilot[None]) -> None:
        host = pilot.app
        assert isinstance(host, ChainHost)
        host.grid.set_dimmed(True)
        host.chain_view.say_loading("SENSEX W03Dec 84/162")
        host.step()

    assert snap_compare(ChainHost(READERS["live"]()), terminal_size=(80, 24), run_before=wait)


def test_an_empty_chain_says_why_and_what_to_press(snap_compare: SnapCompare) -> None:
    async def empty(pilot: Pilot[None]) -> None:
        host = pilot.app
        assert isinstance(host, ChainHost)
        host.chain_view.show_notice("Nothing is subscribed yet.\nn  subscribe NIFTY    u  other underlying")

    assert snap_compare(ChainHost(READERS["live"]()), terminal_size=(80, 24), run_before=empty)
