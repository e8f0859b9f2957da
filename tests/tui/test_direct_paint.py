"""Lines that go straight to the terminal: after any sequence of changes the screen is as if painted afresh."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from textual._compositor import Compositor
from textual.screen import Screen

from tests.support.boards import FORWARD, SPOT
from tests.support.prepared_backend import Situation, chain_tokens
from tests.support.waiting import wait_until
from tests.tui.driving import Driven, driven
from tests.tui.painting import settled, watched
from tickertui.market.ticks import Source, TickBatch, Word
from tickertui.tui.terminal import responsive_screen as responsive_screen_module
from tickertui.tui.terminal.direct_painting import DirectCompositor, is_supported
from tickertui.tui.terminal.responsive_screen import ResponsiveScreen

SIZES = {"small": (80, 24), "wide": (200, 50)}


def tick(run: Driven, chance: random.Random) -> None:
    """Let some strikes tick, most by a little."""
    board, tokens = run.backend.board, chain_tokens(run.backend)
    count = chance.choice([1, 1, 3, 12, len(tokens)])
    chosen = tokens[sorted(chance.sample(range(len(tokens)), count))].ravel().tolist()
    rows = board.rows(chosen)
    words = board.words[rows].copy()
    steps = np.array([chance.choice([-5, 0, 5, 10, 25]) for _ in chosen])
    words[:, Word.LAST_PRICE] = np.maximum(words[:, Word.LAST_PRICE].astype(np.int64) + steps, 5)
    words[:, Word.OPEN_INTEREST] += chance.choice([0, 0, 650])
    board.apply(TickBatch.from_rows(words, Source.LIVE, received_ns=run.backend.clock.monotonic_ns(), connection=0))


def steps_of(run: Driven, chance: random.Random) -> list[tuple[str, Callable[[], object]]]:
    """What may happen to a screen, by name."""
    grid = run.grid

    def ticks() -> None:
        run.backend.clock.advance(chance.choice([0.1, 0.1, 0.5, 2.5]))
        tick(run, chance)
        run.main.frame()

    def silence() -> None:
        run.backend.clock.advance(chance.choice([1.0, 11.0]))
        run.main.frame()

    return [
        *([("ticks", ticks)] * 8),
        *([("silence", silence)] * 2),
        ("the cursor moves", lambda: grid.move_cursor(chance.choice([-9, -1, 1, 2, 30]), chance.choice([-1, 0, 1]))),
        ("a pin", grid.toggle_pin),
        ("another range", lambda: grid.widen_range(chance.choice([-1, 1]))),
        ("a sort", grid.sort_by_cursor),
        ("another view", lambda: grid.set_view(grid.view.next)),
        ("other bars", lambda: grid.set_bars(grid.bars.next)),
        ("a toast", lambda: run.app.notify("the plan has changed", timeout=0.3)),
        ("old", lambda: grid.set_dimmed(chance.random() < 0.5)),
        ("help or back", lambda: run.app.pop_screen() if len(run.app.screen_stack) > 1
            else run.main.action_show_help()),
        ("another pane", lambda: run.main.action_next_pane(chance.choice([-1, 1]))),
        ("the chain", lambda: run.main.action_show_pane("chain")),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", sorted(SIZES))
async def test_no_cell_is_stale_after_any_sequence_of_changes(
    name: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    with watched(monkeypatch, SIZES[name]) as painted:
        async with driven(size=SIZES[name]) as run:
            await settled(run, painted, "the start")
            for _ in range(20):
                what, step = chance.choice(steps_of(run, chance))
                step()
                await settled(run, painted, what)
    assert painted.direct, "the short way was taken"
    assert painted.other, "and the other one, under a toast or after a change of the layout"


@pytest.mark.parametrize("system", ["standard", "256", "truecolor"])
@pytest.mark.parametrize("situation", [Situation.LIVE, Situation.MOCK])
async def test_every_colour_system_shows_the_same(
    system: str, situation: Situation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched(monkeypatch, SIZES["wide"], system) as painted:
        async with driven(situation, size=SIZES["wide"]) as run:
            run.grid.refresh()
            await settled(run, painted, "a repaint of all rows")
            assert painted.direct


async def test_rows_that_changed_are_all_that_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    with watched(monkeypatch, SIZES["wide"]) as painted:
        async with driven(size=SIZES["wide"]) as run:
            run.grid.refresh()
            await settled(run, painted, "a repaint of all rows")
            whole, before = max(painted.written), len(painted.written)
            run.grid.move_cursor(1)
            await settled(run, painted, "a move of the cursor")
            assert min(painted.written[before:]) < whole / 10


async def test_a_theme_or_no_colour_reaches_every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with watched(monkeypatch, SIZES["small"]) as painted:
        async with driven(size=SIZES["small"]) as run:
            run.app.theme = "cvd-light"
            await settled(run, painted, "another theme")
    monkeypatch.setenv("NO_COLOR", "1")
    with watched(monkeypatch, SIZES["small"]) as painted:
        async with driven(size=SIZES["small"]) as run:
            tick(run, random.Random(5))
            run.main.frame()
            await settled(run, painted, "ticks without colour")


def test_textual_is_as_the_short_way_needs_it() -> None:
    assert is_supported()


def test_another_textual_keeps_its_own_compositor(monkeypatch: pytest.MonkeyPatch) -> None:
    class Host(ResponsiveScreen, Screen[None]):
        pass

    assert isinstance(Host()._compositor, DirectCompositor)
    monkeypatch.setattr(Compositor, "render_partial_update", lambda self, extra: None)
    assert not is_supported()
    assert type(Host()._compositor) is Compositor


async def test_a_paint_waits_for_a_terminal_that_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = [0]
    monkeypatch.setattr(responsive_screen_module, "waiting_writes", lambda app: behind[0])
    with watched(monkeypatch, SIZES["wide"]) as painted:
        async with driven(size=SIZES["wide"]) as run:
            await settled(run, painted, "the start")
            behind[0] = 6
            before = len(painted.written)
            for _ in range(5):
                await run.press("j")
            assert len(painted.written) == before
            behind[0] = 0
            await settled(run, painted, "the terminal took everything")
            assert len(painted.written) <= before + 3, "five moves are painted together"


async def test_the_answer_to_a_key_does_not_wait_for_the_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with driven() as run:
        main = run.main
        await wait_until(lambda: not main._dirty_widgets, "nothing to paint")
        # Whoever waits for the timer waits for ever.
        monkeypatch.setattr(type(main._update_timer), "resume", lambda self: None)
        painted: list[int] = []
        monkeypatch.setattr(run.app, "post_display_hook", lambda: painted.append(1))
        await run.pilot.press("j")
        await wait_until(lambda: painted, "the cursor painted")


async def test_the_spot_moves_the_shading_without_leaving_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    with watched(monkeypatch, SIZES["wide"]) as painted:
        async with driven(size=SIZES["wide"]) as run:
            board, token = run.backend.board, run.backend.indices["NIFTY"]
            for spot in (SPOT + 60, SPOT - 130, SPOT):
                words = board.words[board.rows([token])].copy()
                words[:, Word.LAST_PRICE] = round(spot * 100)
                run.backend.clock.advance(0.2)
                board.apply(
                    TickBatch.from_rows(words, Source.LIVE, received_ns=run.backend.clock.monotonic_ns(), connection=0)
                )
                run.main.frame()
                await settled(run, painted, f"a spot of {spot}, forward {FORWARD}")


async def test_what_shines_through_two_panels_is_what_is_below_them(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(9)
    with watched(monkeypatch, SIZES["wide"]) as painted:
        async with driven(size=SIZES["wide"]) as run:
            run.main.action_show_help()
            await settled(run, painted, "the help")
            run.main.action_request("reload-plan")
            await wait_until(lambda: len(run.app.screen_stack) == 3, "a question over the help")
            await settled(run, painted, "a question over the help")
            for _ in range(3):
                before = painted.model.seen()
                run.backend.clock.advance(0.5)
                tick(run, chance)
                run.grid.set_units(run.grid.units.next)
                run.main.frame()
                await settled(run, painted, "other units below two panels")
                assert painted.model.seen() != before, "open interest stands beside the panels"
            run.app.theme = "cvd-light"
            await settled(run, painted, "another theme below two panels")
