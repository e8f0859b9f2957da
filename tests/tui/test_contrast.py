"""Every pair of text and ground that is really painted, in every theme: at least 4.5 to 1, shapes at least 3 to 1.

The screens are drawn in the situations in which each colour appears, with the cursor on a price that has just moved,
panels open, rows chosen, notices shown; what is measured is what the compositor hands to the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.color import Color as RichColor
from textual.notifications import SeverityLevel
from textual.widgets._toast import Toast

from tests.support.colours import contrast
from tests.support.prepared_backend import Situation
from tests.support.waiting import wait_until
from tests.tui.driving import STILL, Driven, driven
from tickertui.market.ticks import Source, TickBatch
from tickertui.tui.look.themes import SHIPPED
from tickertui.tui.panels.base import PanelScreen

LEAST_TEXT, LEAST_SHAPE = 4.5, 3.0
SHAPES = frozenset("█▉▊▋▌▍▎▏▐▂▃▄▅▆▇▀▖▗▘▙▚▛▜▝▞▟▒▓")
"""What stands for a number: bars, curves, the hatch of the banner."""
ORNAMENT = frozenset("▁▔▕░│─╭╮╰╯┌┐└┘━┃┏┓┗┛┳┻┫┣")
"""Borders, rules and the unfilled part of a meter: nothing is read off them."""
Pair = tuple[str, str]


def hex_of(colour: RichColor | None) -> str | None:
    return None if colour is None or colour.triplet is None else colour.triplet.hex.upper()


def painted(run: Driven) -> Iterator[tuple[Pair, str, bool]]:
    """What is on the screen: (ink, ground), text, and whether it is a shape."""
    for strip in run.screen._compositor.render_strips():
        for segment in strip:
            style, text = segment.style, segment.text
            if style is None or not text.strip():
                continue
            ink, ground = hex_of(style.color), hex_of(style.bgcolor)
            assert ink is not None, f"{text!r} has no ink of its own: {style}"
            assert ground is not None, f"{text!r} has no ground of its own: {style}"
            assert not style.dim, f"{text!r} is dimmed by the terminal, as far as it likes"
            pair = (ground, ink) if style.reverse else (ink, ground)
            glyphs = set(text.replace(" ", "")) - ORNAMENT
            if glyphs:
                yield pair, text, glyphs <= SHAPES


def too_low(run: Driven) -> dict[Pair, tuple[float, str]]:
    """Pairs that are hard to read, with their contrast and where they stand."""
    low = {}
    for pair, text, shape in painted(run):
        ratio = contrast(*pair)
        if ratio < (LEAST_SHAPE if shape else LEAST_TEXT):
            low[pair] = (round(ratio, 2), text.strip()[:40])
    return low


async def slow_frame(run: Driven) -> None:
    run.main._frames = 0
    run.main.frame()
    await run.pilot.pause()


every_theme = pytest.mark.parametrize("theme", SHIPPED)


@every_theme
async def test_every_pair_of_every_pane(theme: str) -> None:
    async with driven(size=(200, 50), options=replace(STILL, theme=theme)) as run:
        for key in ("1", "2", "3", "4", "5", "6"):
            await run.press(key)
            await slow_frame(run)
            assert too_low(run) == {}, f"pane {key}"
            await run.press("j", "j")
            assert too_low(run) == {}, f"pane {key}, another row chosen"


@every_theme
async def test_every_pair_of_every_state(theme: str) -> None:
    for situation in (one for one in Situation if one not in (Situation.LIVE, Situation.STARTING)):
        async with driven(situation, size=(120, 40), options=replace(STILL, theme=theme)) as run:
            assert too_low(run) == {}, situation
            await run.press("4")
            await slow_frame(run)
            assert too_low(run) == {}, f"{situation}, health"


@every_theme
async def test_the_cursor_on_a_price_that_has_just_moved(theme: str) -> None:
    async with driven(size=(120, 40), options=replace(STILL, theme=theme)) as run:
        seen: set[str] = set()
        for price in (60_000, 10_000):
            board = run.backend.board
            frame = run.chain.current_frame
            assert frame is not None
            rows = board.rows([frame.token(row, side) for row in range(len(frame.strikes)) for side in (0, 1)])
            words = board.words[rows].copy()
            words[:, 1] = price
            words[:, 15] += 1
            run.backend.clock.advance(0.1)
            board.apply(
                TickBatch.from_rows(
                    words, Source.LIVE, received_ns=run.backend.clock.monotonic_ns(),
                    received_wall_ns=run.backend.clock.time_ns(), connection=0,
                )
            )  # fmt: skip
            run.main.frame()
            await run.pilot.pause()
            assert too_low(run) == {}
            seen |= {pair[1] for pair, _, _ in painted(run)}
            for key in ("down", "right", "left", "left", "up"):
                await run.press(key)
                assert too_low(run) == {}, key
        variables = run.app.theme_variables
        for ground in ("flash-up", "flash-down", "cursor", "atm", "itm", "header"):
            assert variables[ground].upper() in seen, f"{ground} was on the screen"


@every_theme
async def test_panels_their_chosen_rows_and_what_stands_behind_them(theme: str) -> None:
    async with driven(size=(120, 40), options=replace(STILL, theme=theme)) as run:
        for keys in (("u",), ("e",), ("r",), ("i",), ("d",), ("C",), ("t",), ("question_mark",), ("colon",),
                     ("slash", "2"), ("2", "n"), ("2", "enter"), ("2", "D"), ("3", "enter"), ("L",)):  # fmt: skip
            await run.press("1", *keys)
            await wait_until(lambda: isinstance(run.screen, PanelScreen) or run.app._notifications, "a panel")
            await run.pilot.pause()
            assert too_low(run) == {}, keys
            await run.press("down")
            assert too_low(run) == {}, keys
            while run.screen is not run.main:
                await run.press("escape")
            run.app.clear_notifications()


@every_theme
async def test_notices_and_the_command_palette(theme: str) -> None:
    async with driven(size=(120, 40), options=replace(STILL, theme=theme)) as run:
        severities: tuple[SeverityLevel, ...] = ("information", "warning", "error")
        for severity in severities:
            run.app.notify("something happened", title="Themes", severity=severity)
        await wait_until(lambda: len(run.app.screen.query(Toast)) == len(severities), "the notices")
        await run.pilot.pause()
        assert too_low(run) == {}
        run.app.clear_notifications()
        await run.press("ctrl+p")
        await wait_until(lambda: any("Bootstrap: gap map" in line for line in run.text()), "the palette's commands")
        await run.pilot.pause()
        assert too_low(run) == {}
        await run.press("down", "f", "i")
        await wait_until(lambda: any("find" in line for line in run.text()), "what matches")
        assert too_low(run) == {}
