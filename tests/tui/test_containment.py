"""An error of one pane or panel stays there: a box in its place, one event, one entry of the log, all else goes on."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from textual.widget import Widget

from tests.support.prepared_backend import Situation
from tests.support.waiting import wait_until
from tests.tui.covering import covers, key_of
from tests.tui.driving import Driven, driven
from tests.tui.painting import settled, watched
from tests.tui.test_direct_paint import tick
from tickertui.tui.app import TickerApp
from tickertui.tui.chain_grid.grid import ChainGrid
from tickertui.tui.main.screen import PANES
from tickertui.tui.panels.base import ListScreen, PickerScreen, TextScreen
from tickertui.tui.panes.chain.expiry_strip import ExpiryStrip
from tickertui.tui.terminal.failures import RETRY_S
from tickertui.tui.terminal.line import StyleEncoder
from tickertui.tui.widgets.banner import Banner
from tickertui.tui.widgets.status_bar import StatusBar

pytestmark = pytest.mark.failures_expected

DEFECT = "broken_for_a_test"


class Broken:
    """Replaces a method by one that raises until it is mended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        self.on = True
        self.calls = 0
        right = getattr(owner, name)

        def broken(*arguments: Any, **options: Any) -> Any:
            if self.on:
                self.calls += 1
                raise ZeroDivisionError(DEFECT)
            return right(*arguments, **options)

        monkeypatch.setattr(owner, name, broken)


def screen_text(run: Driven) -> str:
    return "\n".join(run.text())


def failures_told(run: Driven) -> list[str]:
    return [event.text for event in run.backend.events() if DEFECT in event.text]


def around_the_panes(run: Driven) -> list[str]:
    """The first row and the last two."""
    lines = run.text()
    return [lines[0], *lines[-2:]]


async def frames(run: Driven, seconds: float) -> None:
    """Let market time go on, frame by frame."""
    for _ in range(int(seconds * 2)):
        run.backend.clock.advance(0.5)
        run.main.frame()
        await run.pilot.pause()


async def heal(run: Driven) -> None:
    """Press the key that tries again."""
    await run.press(key_of("redraw"))
    run.main.frame()
    await run.pilot.pause()


PARTS: list[tuple[str, Any, str]] = [
    ("painting", ChainGrid, "line"),
    ("painting", ExpiryStrip, "lay_out"),
    ("reading", "reader", "read"),
    ("a key", ChainGrid, "move_cursor"),
]


@pytest.mark.parametrize(("doing", "owner", "name"), PARTS, ids=[f"{d} {n}" for d, _, n in PARTS])
async def test_an_error_in_the_chain_is_a_box_in_its_place(
    doing: str, owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched(monkeypatch, (120, 40)) as painted:
        async with driven(size=(120, 40)) as run:
            broken = Broken(monkeypatch, run.chain.selection.shown if owner == "reader" else owner, name)
            tick(run, random.Random(3))
            run.main.frame()
            run.grid.refresh()
            await run.pilot.resize_terminal(119, 40)
            if doing == "a key":
                await run.press(key_of("strike-down"))
            await wait_until(lambda: "An error in chain" in screen_text(run), "the box")
            text = screen_text(run)
            assert DEFECT in text
            assert "Ctrl+L" in text
            assert "2 Subs" in text, "the small panels are there"
            assert len(failures_told(run)) == 1
            await settled(run, painted, "an error box")
            broken.on = False
            await heal(run)
            assert "An error in chain" not in screen_text(run)
            assert run.chain.current_frame is not None
            await settled(run, painted, "the pane again")
            assert run.app.focused is run.grid, "and it has the keys"


@covers("redraw")
async def test_a_box_goes_away_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickertui.tui.main.screen.RETRY_S", 0.01)
    async with driven() as run:
        broken = Broken(monkeypatch, run.chain.selection.shown, "read")
        run.main.frame()
        broken.on = False
        await wait_until(lambda: len(failures_told(run)) == 1, "the event")
        await wait_until(lambda: "An error in chain" not in screen_text(run), "the chain again")
        assert RETRY_S < 10 / 3, "three boxes fit into the ten seconds that lead to the plain view"


async def test_a_pane_that_fails_again_and_again_falls_back_to_its_plain_view(monkeypatch: pytest.MonkeyPatch) -> None:
    async with driven() as run:
        broken = Broken(monkeypatch, run.chain.selection.shown, "read")
        for _ in range(3):
            run.main.frame()
            await run.pilot.pause()
            run.backend.clock.advance(1.0)
            if run.app.failures.latest["chain"].is_plain:
                break
            await run.press(key_of("redraw"))
        text = screen_text(run)
        assert "plain view" in text
        assert "24,350" in text, "strikes"
        assert broken.calls <= 4, "it is not tried again by itself"
        before = len(failures_told(run))
        await frames(run, 5.0)
        assert len(failures_told(run)) == before == 3
        broken.on = False
        await heal(run)
        assert "plain view" not in screen_text(run)


@pytest.mark.parametrize("pane", PANES)
async def test_every_pane_has_its_box_and_its_plain_view(pane: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with driven() as run:
        run.main.action_show_pane(pane)
        await run.pilot.pause()
        owner: Widget = run.main.pane
        for _ in range(3):
            run.app.contain(owner, ZeroDivisionError(DEFECT), "reading")
            run.backend.clock.advance(1.0)
        run.main.frame()
        await run.pilot.pause()
        text = screen_text(run)
        assert f"An error in {pane}" in text
        assert "plain view" in text
        lines = [line for line in text.splitlines() if line.strip()]
        sentence = next(place for place, line in enumerate(lines) if "plain view" in line)
        assert lines[sentence + 1 : -2], "and something below the sentence"
        for other in PANES:
            run.main.action_show_pane(other)
            await run.pilot.pause()
            assert ("An error in" in screen_text(run)) is (other == pane)


@pytest.mark.parametrize(("owner", "name"), [(Banner, "lay_out"), (StatusBar, "lay_out")])
async def test_an_error_in_a_line_stays_in_the_line(owner: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with driven(Situation.STALE, size=(160, 45)) as run:
        broken = Broken(monkeypatch, owner, name)
        await run.pilot.resize_terminal(159, 45)
        run.text()
        await run.pilot.pause()
        assert any(DEFECT in line for line in around_the_panes(run))
        assert run.chain.current_frame is not None
        assert "An error in" not in screen_text(run)
        broken.on = False
        await heal(run)
        assert not any(DEFECT in line for line in around_the_panes(run))


async def test_what_surrounds_the_chain_may_fail_while_the_chain_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    async with driven(size=(200, 50)) as run:
        Broken(monkeypatch, run.main.program_status, "look")
        Broken(monkeypatch, run.chain.rail, "show")
        before = run.chain.current_frame
        tick(run, random.Random(4))
        await frames(run, 20.0)
        after = run.chain.current_frame
        assert before is not None
        assert after is not None
        assert after.number > before.number
        told = failures_told(run)
        assert len(told) == 6, "three of each, then silence while it goes on failing"


@pytest.mark.parametrize("key", ["r", "b"])
async def test_a_defect_in_a_request_is_told_and_the_program_goes_on(
    key: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "s3cret-of-a-local-variable"
    async with driven() as run:

        def broken(*call: object) -> None:
            access_token = secret
            raise ZeroDivisionError(f"{DEFECT} {len(access_token)}")

        run.backend._note = broken  # type: ignore[method-assign]
        await run.press(key)
        await wait_until(lambda: len(failures_told(run)) == 1, "the event")
        assert "ZeroDivisionError" in caplog.text
        assert secret not in caplog.text
        await run.press("2")
        assert run.main.pane_name == "subscriptions"


async def test_an_error_in_a_panel_is_shown_inside_and_closes_it_the_third_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with driven() as run:
        await run.press("i")
        await run.until(TextScreen)
        broken = Broken(monkeypatch, run.screen, "set_rows")
        run.main.frame()
        await run.pilot.pause()
        assert DEFECT in screen_text(run)
        for _ in range(2):
            run.backend.clock.advance(1.0)
            run.main.frame()
            await run.pilot.pause()
        await run.back_to_main()
        assert broken.calls == 3
        await run.press("j")
        assert run.app._exception is None


@pytest.mark.parametrize("name", ["content", "on_mount"])
async def test_a_panel_that_cannot_even_open_is_closed_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with driven() as run:
        broken = Broken(monkeypatch, PickerScreen, name)
        await run.press("e")
        await wait_until(lambda: bool(failures_told(run)), "the event")
        broken.on = False
        await run.press("escape")
        await run.back_to_main()
        await run.press("e")
        await run.until(PickerScreen)
        assert run.app._exception is None


async def test_a_message_for_a_panel_that_is_gone_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async with driven() as run:
        await run.press("question_mark")
        await run.until(ListScreen)
        panel = run.screen
        await run.press("escape")
        await run.back_to_main()
        run.app.contain(panel, ZeroDivisionError(DEFECT), "Click")
        assert not failures_told(run)


async def test_a_line_that_does_not_fit_ends_direct_painting_until_the_next_resize(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(7)
    with watched(monkeypatch, (120, 40)) as painted:
        async with driven(size=(120, 40)) as run:
            tick(run, chance)
            run.main.frame()
            await settled(run, painted, "ticks")
            assert painted.direct
            right: Callable[..., Any] = ChainGrid._terminal_lines
            monkeypatch.setattr(ChainGrid, "_terminal_lines", lambda self, crop: right(self, crop)[:-1])
            run.backend.clock.advance(0.5)
            run.grid.move_cursor(rows=1)
            await settled(run, painted, "a line too few")
            monkeypatch.setattr(ChainGrid, "_terminal_lines", right)
            told = [event.text for event in run.backend.events() if "direct painting" in event.text]
            assert len(told) == 1
            painted.direct = 0
            for _ in range(3):
                run.backend.clock.advance(0.5)
                tick(run, chance)
                run.main.frame()
                await settled(run, painted, "ticks in Textual's own way")
            assert painted.direct == 0
            await run.pilot.resize_terminal(130, 42)
            await settled(run, painted, "another size")
            for _ in range(3):
                run.backend.clock.advance(0.5)
                tick(run, chance)
                run.main.frame()
                await settled(run, painted, "ticks painted directly again")
            assert painted.direct


async def test_a_line_that_cannot_be_written_is_painted_in_textuals_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    with watched(monkeypatch, (120, 40)) as painted:
        async with driven(size=(120, 40)) as run:
            await settled(run, painted, "the start")
            broken = Broken(monkeypatch, StyleEncoder, "write")
            tick(run, random.Random(8))
            run.main.frame()
            run.grid.refresh()
            await settled(run, painted, "rows that no pen writes")
            assert broken.calls
            assert any("direct painting" in event.text for event in run.backend.events())


async def test_when_the_whole_interface_cannot_go_on_it_ends() -> None:
    async with driven() as run:
        ended: list[Exception] = []
        for _ in range(3):
            assert not ended
            run.app._close_messages_no_wait = lambda: None  # type: ignore[method-assign]
            run.app._fatal_error = lambda: ended.append(ZeroDivisionError())  # type: ignore[method-assign]
            try:
                raise ZeroDivisionError(DEFECT)
            except ZeroDivisionError as error:
                run.app._handle_exception(error)
            run.backend.clock.advance(2.0)
        assert ended
        assert isinstance(run.app, TickerApp)
        run.app._exception = None
        run.app._return_code = 0
