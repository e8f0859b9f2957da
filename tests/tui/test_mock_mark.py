"""No synthetic value without its mark, on no screen and in no theme: the banner first, ``~`` on every price column."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.segment import Segment
from textual.screen import Screen

from tests.support.prepared_backend import Situation
from tests.support.waiting import wait_until
from tests.tui.driving import STILL, Driven, driven
from tickertui.services.loop.status import FeedMode
from tickertui.tui.look.themes import SHIPPED
from tickertui.tui.panels.base import ConfirmScreen, PanelScreen
from tickertui.tui.panels.command_palette import Palette
from tickertui.tui.panels.leg import LegScreen
from tickertui.tui.widgets.banner import Banner

UNMARKED = re.compile(r"(?<![~\d,.])[\d,]*\d\.\d\d(?=[▲▼·])")
"""A last price (the glyph of its direction stands behind it) without the mark in front."""


def assert_banner(run: Driven) -> None:
    """The first row of what is on screen says MOCK in words, in hatch and in reverse video."""
    banner = run.screen.query_one(Banner)
    assert banner.display
    assert banner.region.y == 0
    strip = banner.render_line(0)
    origin = " · demo levels, seed 7" if run.app.size.width >= 60 else ""
    assert strip.text.startswith(f"▓▒░ MOCK DATA{origin} · NOT EXCHANGE PRICES")
    words: list[Segment] = [segment for segment in strip if "MOCK" in segment.text]
    assert all(segment.style is not None and segment.style.reverse for segment in words)


@pytest.mark.parametrize("theme", SHIPPED)
async def test_every_screen_keeps_the_banner_in_every_theme(theme: str) -> None:
    async with driven(Situation.MOCK, size=(80, 24), options=replace(STILL, theme=theme)) as run:
        assert_banner(run)
        assert run.app.title == "MOCK · tickertui"
        for key in "23456":
            await run.press(key)
            assert_banner(run)
        await run.press("1")
        for key in ("i", "r", "u", "C", "question_mark", "colon"):
            await run.press(key)
            await wait_until(lambda: isinstance(run.screen, PanelScreen), "a panel")
            assert_banner(run)
            panel = run.screen.query_one("#panel")
            assert panel.region.y >= 1, "the panel leaves the first row alone"
            await run.press("escape")
            await run.back_to_main()
            assert_banner(run)


@pytest.mark.parametrize("situation", [Situation.MOCK, Situation.STALE, Situation.LOGIN, Situation.REPLAY], ids=str)
async def test_the_palette_leaves_the_banner_as_it_is(situation: Situation) -> None:
    async with driven(situation, size=(80, 24)) as run:
        before = [(segment.text, segment.style) for segment in run.screen._compositor.render_strips()[0]]
        await run.press("ctrl+p")
        await wait_until(lambda: run.screen.id == "--command-palette", "the palette")
        await run.pilot.pause()
        strip = run.screen._compositor.render_strips()[0]
        assert [(segment.text, segment.style) for segment in strip] == before
        await run.press("escape")
        await run.back_to_main()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50), (79, 23), (40, 10)], ids=str)
@pytest.mark.parametrize("keys", [(), ("c",), ("c", "c"), ("v",), ("v", "v"), ("v", "v", "v")], ids=str)
async def test_no_price_of_a_mock_chain_stands_without_its_mark(size: tuple[int, int], keys: tuple[str, ...]) -> None:
    async with driven(Situation.MOCK, size=size) as run:
        await run.press(*keys)
        run.main._frames = 0
        run.main.frame()
        await run.pilot.pause()
        assert_banner(run)
        header = next(line for line in run.text() if "STRIKE" in line or "expiry  " in line)
        for title in ("CALL", "PUT", "Bid", "Ask", "Straddle"):
            for found in re.finditer(rf"(.){title}\b", header):
                assert found[1] == "~", f"{title} of {header!r}"
        for line in run.text():
            assert not UNMARKED.search(line), line


async def test_the_views_of_a_leg_say_it_too() -> None:
    async with driven(Situation.MOCK) as run:
        for key in ("i", "d", "enter"):
            await run.press(key)
            await run.until(LegScreen)
            panel = run.screen.query_one("#panel")
            assert str(panel.border_title).startswith("~ MOCK")
            await run.press("escape")
            await run.back_to_main()


async def test_analytics_and_rail_say_it_too() -> None:
    async with driven(Situation.MOCK, size=(200, 50)) as run:
        titles = [str(run.main.query_one(f"#rail-{name}").border_title) for name in ("smile", "straddle", "depth")]
        assert all(title.startswith("~") for title in titles), titles
        await run.press("5")
        await wait_until(lambda: run.main.query("#smile"), "the plots")
        await run.pilot.pause()
        run.main.frame()
        for figure in ("smile", "profile"):
            assert str(run.main.query_one(f"#{figure}-title").render()).startswith("~ MOCK")


async def test_nothing_carries_the_mark_while_the_feed_is_live() -> None:
    async with driven() as run:
        assert not run.main.query_one(Banner).display
        assert run.app.title == "tickertui"
        assert not any("~" in line or "MOCK" in line for line in run.text()[:27])
        assert sum(len(UNMARKED.findall(line)) for line in run.text()) > 40, "the pattern knows a price"


@pytest.mark.parametrize(
    ("situation", "begins"),
    [
        (Situation.LIVE, "▓▒░ SIMULATED BROKER · NOT EXCHANGE PRICES"),
        (Situation.LOGIN, "SIMULATED · "),
        (Situation.MOCK, "▓▒░ MOCK DATA · demo levels, seed 7 · NOT EXCHANGE PRICES"),
    ],
)
async def test_a_simulated_broker_is_marked_whatever_else_there_is_to_say(situation: Situation, begins: str) -> None:
    async with driven(situation, size=(80, 24), options=replace(STILL, simulated=True)) as run:
        strip = run.screen.query_one(Banner).render_line(0)
        assert begins in strip.text[: len(begins) + 8]
        assert run.app.title != "tickertui"


@pytest.mark.parametrize("panel", [lambda: ConfirmScreen("Quit?", "Sure?", "quit"), Palette], ids=["panel", "palette"])
async def test_a_frame_that_comes_while_a_panel_opens_ends_nothing_and_the_panel_has_the_banner(
    panel: Callable[[], Screen[Any]],
) -> None:
    async with driven(Situation.MOCK) as run:
        opened = panel()
        opening = run.app.push_screen(opened)
        run.main._frames = 0
        run.main.frame()
        await opening
        await wait_until(lambda: run.screen is opened and bool(opened.query(Banner)), "the panel")
        await run.pilot.pause()
        assert opened.query_one(Banner).shown is not None


@pytest.mark.parametrize("feed", [FeedMode.LIVE, FeedMode.CLOSED])
async def test_a_paused_mock_does_not_stand_under_the_markets_first_row(feed: FeedMode) -> None:
    """The display is held, not the feed: when that is another one, what was held is no longer what the row says."""
    async with driven(Situation.MOCK) as run:
        run.main.frame()
        await run.press("p")
        assert "MOCK" in run.text()[0]
        assert any("PAUSED" in line for line in run.text())
        run.backend.state = replace(run.backend.state, feed=feed)
        for _ in range(10):
            run.main.frame()
        await run.pilot.pause()
        assert not any("PAUSED" in line for line in run.text()), "what is seen is drawn again"
