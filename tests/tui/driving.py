"""The application over a desk, driven frame by frame: what the screen's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from textual.pilot import Pilot
from textual.screen import Screen

from tests.support.fake_backend import FakeBackend
from tests.support.prepared_backend import Situation, prepared_backend
from tests.support.waiting import wait_until
from tickertui.tui.app import TickerApp
from tickertui.tui.chain_grid.grid import ChainGrid
from tickertui.tui.main.screen import MainScreen
from tickertui.tui.panes.chain.pane import ChainPane
from tickertui.tui.view.options import ScreenOptions
from tickertui.tui.widgets.row_list import RowList

STILL = ScreenOptions(live_frames=False)
"""No timer draws: a test calls `MainScreen.frame`."""


@dataclass
class Driven:
    """A running application and shortcuts to what tests look at."""

    app: TickerApp
    backend: FakeBackend
    pilot: Pilot[int]

    @property
    def main(self) -> MainScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    @property
    def screen(self) -> Screen[object]:
        """The screen on top."""
        return self.app.screen

    @property
    def chain(self) -> ChainPane:
        return self.main.chain

    @property
    def grid(self) -> ChainGrid:
        return self.chain.grid

    @property
    def rows(self) -> RowList:
        """The list of the screen or pane on top."""
        if self.screen is self.main:
            return self.main.pane.query_one(RowList)
        return self.screen.query_one(RowList)

    @property
    def calls(self) -> list[str]:
        """Names of what the backend was asked to do."""
        return [str(call[0]) for call in self.backend.calls]

    def last_call(self) -> tuple[object, ...]:
        """What the backend was asked last."""
        return self.backend.calls[-1]

    def strike_range(self) -> int | None:
        """Strikes each side of the money that are shown."""
        return self.grid.strike_range

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def write(self, text: str) -> None:
        await self.press(*("space" if letter == " " else letter for letter in text))

    async def until(self, screen: type[object]) -> None:
        """Wait until a screen of this class is on top."""
        await wait_until(lambda: isinstance(self.screen, screen), f"{screen.__name__} on top")
        await self.pilot.pause()

    async def called(self, name: str) -> None:
        """Wait until the backend was asked for something."""
        await wait_until(lambda: name in self.calls, f"a call of {name}")
        await self.pilot.pause()

    async def back_to_main(self) -> None:
        await wait_until(lambda: self.screen is self.main, "the main screen on top")
        await self.pilot.pause()

    def text(self) -> list[str]:
        """The lines of the screen on top."""
        return [strip.text for strip in self.screen._compositor.render_strips()]


@asynccontextmanager
async def driven(
    situation: Situation = Situation.LIVE,
    *,
    size: tuple[int, int] = (120, 40),
    options: ScreenOptions = STILL,
    backend: FakeBackend | None = None,
) -> AsyncIterator[Driven]:
    """Run the application over a desk and draw its first frame."""
    backend = backend or prepared_backend(situation)
    app = TickerApp(backend, replace(options, live_frames=False))
    async with app.run_test(size=size, notifications=True) as pilot:
        run = Driven(app, backend, pilot)
        await pilot.pause()
        run.main.frame()
        await pilot.pause()
        yield run
