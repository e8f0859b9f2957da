"""Pictures of every state and screen, from a frozen clock and seed.

Each committed SVG was looked at as a picture. Take new ones with ``pytest tests/tui/test_screens.py --snapshot-update``
and look at them before committing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from textual.pilot import Pilot

from tests.support.prepared_backend import Situation, prepared_backend
from tests.support.waiting import wait_until
from tests.tui.driving import STILL
from tickertui.tui.app import TickerApp
from tickertui.tui.main.screen import MainScreen
from tickertui.tui.panels.base import ListScreen, PanelScreen
from tickertui.tui.panels.leg import LegScreen

SMALL, MIDDLE, LARGE = (80, 24), (120, 40), (200, 50)
Compare = Callable[..., bool]


@dataclass(frozen=True)
class Picture:
    """What is shown in a picture.

    Attributes:
        name: Its beginning of the file's name.
        situation: Of the desk.
        size: Columns and rows.
        keys: Pressed one after the other.
        waits_for: Screen that the last key opens.
        theme: Of the terminal.
        ascii: Whether only ASCII glyphs are drawn.
    """

    name: str
    situation: Situation
    size: tuple[int, int]
    keys: tuple[str, ...] = ()
    waits_for: type[object] | None = None
    theme: str = "cvd-dark"
    ascii: bool = False

    @property
    def id(self) -> str:
        look = "-ascii" if self.ascii else ""
        return f"{self.name}-{self.size[0]}x{self.size[1]}-{self.theme}{look}"


SITUATIONS = (
    Situation.LIVE, Situation.STALE, Situation.MOCK_HOLIDAY, Situation.REPLAY, Situation.CLOSED, Situation.CAS,
    Situation.EMPTY, Situation.LOGIN, Situation.DATABASE,
)  # fmt: skip


EVERY_SIZE, THEMES = (SMALL, MIDDLE, LARGE), ("cvd-dark", "mono")


def states(theme: str, size: tuple[int, int]) -> list[Picture]:
    """The states, and the two panels that are opened most, at one size."""
    pictures = [Picture(situation.value, situation, size, theme=theme) for situation in SITUATIONS]
    pictures.append(Picture("reload-plan", Situation.LIVE, size, ("r",), PanelScreen, theme))
    pictures.append(Picture("why", Situation.LIVE, size, ("i",), LegScreen, theme))
    return pictures


STATES = [picture for theme in THEMES for size in EVERY_SIZE for picture in states(theme, size)]
PANES = [
    Picture(name, Situation.LIVE, size, (key,), theme=theme)
    for theme in THEMES
    for name, key in (("subs", "2"), ("boot", "3"), ("health", "4"), ("analytics", "5"), ("events", "6"))
    for size in EVERY_SIZE
]
PANELS = [
    Picture("help", Situation.LIVE, SMALL, ("question_mark",), ListScreen),
    Picture("depth", Situation.LIVE, SMALL, ("d",), LegScreen),
    Picture("leg", Situation.LIVE, SMALL, ("enter",), LegScreen),
    Picture("depth-mock", Situation.MOCK, SMALL, ("d",), LegScreen),
    Picture("underlyings", Situation.LIVE, SMALL, ("u",), PanelScreen),
    Picture("expiries", Situation.LIVE, SMALL, ("e",), PanelScreen),
    Picture("find", Situation.LIVE, SMALL, ("slash", "2", "4", "3"), PanelScreen),
    Picture("columns", Situation.LIVE, SMALL, ("C",), PanelScreen),
    Picture("command", Situation.LIVE, SMALL, ("colon", "g", "o"), PanelScreen),
    Picture("gap-map", Situation.LIVE, SMALL, ("3", "enter"), ListScreen),
    Picture("new-rule", Situation.LIVE, SMALL, ("2", "n"), PanelScreen),
    Picture("legs", Situation.LIVE, SMALL, ("2", "enter"), ListScreen),
    Picture("drop-rule", Situation.LIVE, SMALL, ("2", "G", "D"), PanelScreen),
    Picture("login-screen", Situation.LOGIN, SMALL, ("L",), PanelScreen),
    Picture("themes", Situation.LIVE, SMALL, ("t",), PanelScreen),
    Picture("jump", Situation.LIVE, SMALL, ("ctrl+o",)),
    Picture("subs-login", Situation.LOGIN, SMALL, ("2",)),
    Picture("subs-mock", Situation.MOCK, SMALL, ("2",)),
    Picture("starting", Situation.STARTING, SMALL),
]
VIEWS = [
    Picture("by-expiry", Situation.LIVE, MIDDLE, ("v", "v", "v")),
    Picture("by-expiry-mock", Situation.MOCK, SMALL, ("v", "v", "v")),
    Picture("loading", Situation.LIVE, SMALL, ("right_square_bracket", "right_square_bracket")),
    Picture("paused", Situation.LIVE, SMALL, ("p",)),
    Picture("live", Situation.LIVE, MIDDLE, ascii=True),
    Picture("reload-plan", Situation.MOCK, SMALL, ("r",), PanelScreen, ascii=True),
]
SIZES = [
    Picture("small", Situation.LIVE, size, theme=theme)
    for theme in THEMES
    for size in ((79, 23), (60, 20), (40, 10), (39, 9))
]


@pytest.mark.parametrize("picture", [*STATES, *PANES, *PANELS, *VIEWS, *SIZES], ids=lambda picture: picture.id)
def test_picture(picture: Picture, snap_compare: Compare) -> None:
    options = replace(STILL, theme=picture.theme, ascii_glyphs=picture.ascii)
    app = TickerApp(prepared_backend(picture.situation), options)

    async def arrange(pilot: Pilot[int]) -> None:
        main = app.screen_stack[0]
        assert isinstance(main, MainScreen)
        await pilot.pause()
        main.frame()
        for key in picture.keys:
            await pilot.press(key)
        if picture.waits_for is not None:
            wanted = picture.waits_for
            await wait_until(lambda: isinstance(app.screen, wanted), f"{wanted.__name__} on top")
        await pilot.pause()
        # The frame in which what changes slowly is drawn too.
        main._frames = 0
        main.frame()
        await pilot.pause()
        main._frames = 0
        main.frame()

    assert snap_compare(app, terminal_size=picture.size, run_before=arrange)
