"""With ``glyphs = ascii`` nothing else is drawn: on no pane, in no view and in no panel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.prepared_backend import Situation
from tests.support.waiting import wait_until
from tests.tui.driving import STILL, Driven, driven
from tickertui.tui.main.screen import PANES

ASCII_ONLY = replace(STILL, ascii_glyphs=True)
PANELS = {
    "question_mark": "help", "C": "column editor", "u": "underlyings", "e": "expiries", "i": "why", "d": "depth",
    "enter": "day", "colon": "command line", "t": "themes", "r": "plan", "slash": "find", "f": "filter",
    "ctrl+o": "jump", "q": "quit",
}  # fmt: skip


def others(run: Driven) -> set[str]:
    """Characters on the screen that are not ASCII."""
    return {letter for line in run.text() for letter in line if ord(letter) > 127}


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=str)
@pytest.mark.parametrize("situation", [Situation.LIVE, Situation.STALE, Situation.MOCK], ids=str)
async def test_panes_and_views(size: tuple[int, int], situation: Situation) -> None:
    async with driven(situation, size=size, options=ASCII_ONLY) as run:
        for number, pane in enumerate(PANES, 1):
            await run.press(str(number))
            run.main.frame()
            await run.pilot.pause()
            assert run.main.pane_name == pane
            assert others(run) == set(), pane
        await run.press("1")
        for _ in range(4):
            await run.press("v")
            assert others(run) == set(), run.grid.view


@pytest.mark.parametrize("key", PANELS)
async def test_panels(key: str) -> None:
    async with driven(size=(100, 30), options=ASCII_ONLY) as run:
        await run.press(key)
        await wait_until(lambda: run.screen is not run.main, PANELS[key])
        await run.pilot.pause()
        assert others(run) == set(), PANELS[key]


async def test_the_palette() -> None:
    async with driven(options=ASCII_ONLY) as run:
        await run.press("ctrl+p")
        await wait_until(lambda: run.screen is not run.main, "the palette")
        assert run.text()[0].isascii()
