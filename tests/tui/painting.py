"""What a terminal of the application shows, cell by cell, beside what it would show if it were painted afresh."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from rich.console import Console
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.screen import Screen

from tests.support.screen_model import ScreenModel
from tests.support.waiting import wait_until
from tests.tui.driving import Driven
from tickertui.tui.terminal.direct_painting import DirectUpdate
from tickertui.tui.terminal.responsive_screen import ResponsiveScreen


@dataclass
class Painted:
    """What a terminal of the application shows, and how it was painted."""

    model: ScreenModel
    console: Console
    direct: int = 0
    other: int = 0
    written: list[int] = field(default_factory=list)


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], system: str = "truecolor") -> Iterator[Painted]:
    """Write what the application displays (headless, it would not be encoded) to a model of a terminal."""
    console = Console(color_system=system, force_terminal=True, width=size[0])  # type: ignore[arg-type]
    painted = Painted(ScreenModel(*size), console)
    display = App._display

    def spy(self: App[object], screen: Screen[object], renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate) and screen is self.screen and not self._batch_count:
            size = screen._compositor.size
            if size != (painted.model.width, painted.model.height):
                # What a terminal shows right after a change of its size is anyone's guess: all of it must be written.
                painted.model = ScreenModel(*size)
            output = renderable.render_segments(console)
            painted.model.feed(output)
            painted.written.append(len(output))
            if isinstance(renderable, DirectUpdate):
                painted.direct += 1
            else:
                painted.other += 1
        display(self, screen, renderable)

    with monkeypatch.context() as patch:
        patch.setattr(App, "_display", spy)
        yield painted


def fresh(run: Driven, console: Console) -> ScreenModel:
    """The same screen, painted as a whole by Textual's own compositor."""
    screen = run.app.screen
    for each in run.app.screen_stack:
        if isinstance(each, ResponsiveScreen):
            each.forget_below()
    model = ScreenModel(*screen.size)
    update: Any = screen._compositor.render_update(full=True, screen_stack=run.app._background_screens)
    model.feed(update.render_segments(console))
    return model


async def settled(run: Driven, painted: Painted, after: str) -> None:
    """Wait until the terminal shows what it should."""
    await run.pilot.pause()
    wanted = [fresh(run, painted.console)]

    def equal() -> bool:
        wanted[0] = fresh(run, painted.console)
        return painted.model.seen() == wanted[0].seen()

    try:
        await wait_until(equal, f"the screen as painted afresh, after {after}", timeout=5.0)
    except AssertionError as error:
        mine, theirs = painted.model.seen(), wanted[0].seen()
        y = next(y for y, line in enumerate(mine) if line != theirs[y])
        x = next(x for x, cell in enumerate(mine[y]) if cell != theirs[y][x])
        raise AssertionError(
            f"{error}: line {y} cell {x} {mine[y][x]} should be {theirs[y][x]}\n"
            f"{painted.model.line(y)!r}\n{wanted[0].line(y)!r}"
        ) from error
