"""The application as a whole: palette, own keys and presets, sizes, colours, crashes, terminals that go away."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.color import Color
from textual.pilot import Pilot

from tests.support.paths import REPOSITORY
from tests.support.prepared_backend import Situation, prepared_backend
from tests.support.waiting import wait_until
from tests.tui.driving import STILL, Driven, driven
from tickertui.market.chain import Side
from tickertui.tui.app import TickerApp
from tickertui.tui.keys.actions import ACTIONS, PANEL_CONTEXTS, Context
from tickertui.tui.panels.base import PickerScreen
from tickertui.tui.panels.help import HelpScreen
from tickertui.tui.panels.leg import LegScreen

SECRET = "s3cr3t-token-of-the-day"


async def test_the_palette_has_every_action_that_does_something_and_runs_it_wherever_its_pane_is() -> None:
    async with driven() as run:
        commands = {command.title: command for command in run.app.get_system_commands(run.screen)}
        elsewhere = {*PANEL_CONTEXTS, Context.LIST, Context.REPLAY}
        for action in ACTIONS:
            assert (f"{action.context}: {action.label}" in commands) is (action.context not in elsewhere), action.id
        commands["Bootstrap: retry"].callback()
        await run.called("retry_failed")
        assert run.main.pane_name == "bootstrap"
        commands["Chain: units"].callback()
        await wait_until(lambda: run.grid.units.name == "LOTS", "lots")
        assert run.main.pane_name == "chain"


async def test_own_keys_work_and_stand_in_bar_help_and_hints() -> None:
    keymap = {"chain-to-atm": "f5", "pick-underlying": "f6", "show-subscriptions": "f2", "pause": "f9", "why": "f7"}
    async with driven(Situation.EMPTY, options=replace(STILL, keymap=keymap)) as run:
        assert any("f5 ATM" in line and "f6 undl" in line for line in run.text())
        assert any("f2 n  subscribe it" in line and "f6  other underlying" in line for line in run.text())
        await run.press("f9")
        assert any("PAUSED f9 resumes" in line for line in run.text())
        await run.press("question_mark")
        await run.until(HelpScreen)
        assert any(item.text.startswith(" f5") and "at the money" in item.text for item in run.rows.rows)
        await run.press("escape", "f2")
        assert run.main.pane_name == "subscriptions"
        await run.press("2")
        assert run.main.pane_name == "subscriptions", "the default key is free now"


async def test_own_keys_work_in_the_views_of_a_leg_and_in_sentences() -> None:
    keymap = {"why": "f7", "depth": "f8", "leg": "f3", "theme": "f4", "pick-underlying": "f6", "toggle-bootstrap": "f9"}
    async with driven(options=replace(STILL, keymap=keymap)) as run:
        await run.press("f7")
        await run.until(LegScreen)
        assert "f7 why  f8 depth  f3 day  y copy" in str(run.screen.query_one("#panel").border_subtitle)
        await run.press("f8")
        await wait_until(lambda: any("Depth · " in line for line in run.text()), "the depth")
        await run.press("escape")
        await run.back_to_main()
        run.backend.candles_of.clear()
        await run.press("f3")
        await wait_until(lambda: any("f9 starts the backfill" in line for line in run.text()), "the day")
        await run.press("escape")
        await run.back_to_main()
        run.chain.select("NOPE")
        await run.press("colon", *"theme nope", "enter")
        await wait_until(lambda: len(run.app._notifications) == 2, "two sentences")
        messages = [notice.message for notice in run.app._notifications]
        assert any("f6 lists what there is" in message for message in messages)
        assert any("f4 lists them" in message for message in messages)


async def test_the_palette_has_the_keys_of_lists_and_of_a_replay_where_there_is_one() -> None:
    async with driven(Situation.REPLAY) as run:
        await run.press("2")
        titles = [command.title for command in run.app.get_system_commands(run.screen)]
        assert {"Lists: first", "Replay: leave replay"} <= set(titles)


async def test_own_presets_take_part_in_the_ring_and_may_come_first() -> None:
    options = replace(STILL, preset="mine", presets={"mine": ("volume", "iv", "ltp")})
    async with driven(options=options) as run:
        assert run.grid.preset.columns == ("volume", "iv", "ltp")
        await run.press("c")
        assert run.grid.preset.name == "oi"
        await run.press("c", "c", "c", "c")
        assert run.grid.preset.name == "mine"


async def test_what_could_not_be_used_of_the_presets_is_one_notice() -> None:
    problems = ("presets.toml: presets.full: built in", "presets.toml: presets.x: no column")
    async with driven(options=replace(STILL, notices=problems)) as run:
        (notice,) = run.app._notifications
        assert notice.message == "\n".join(problems)
        assert notice.title == "Presets"


async def test_an_unknown_theme_falls_back_with_one_notice() -> None:
    async with driven(options=replace(STILL, theme="nope")) as run:
        assert run.app.theme == "cvd-dark"
        (notice,) = run.app._notifications
        assert "theme 'nope' is not there" in notice.message


async def test_no_resize_loses_the_selection() -> None:
    async with driven(size=(120, 40)) as run:
        await run.press("down", "down", "down", "right", "right")
        cursor = run.grid.cursor
        assert (cursor.strike, cursor.side) == (24_500, Side.PUT)
        await run.press("2", "down", "down")
        row = run.rows.cursor_key
        assert row == "socket:1"
        for width, height in ((80, 24), (39, 9), (200, 50), (60, 20), (40, 10), (79, 23), (120, 40)):
            await run.pilot.resize_terminal(width, height)
            run.main.frame()
            assert run.rows.cursor_key == row, (width, height)
            assert run.grid.cursor == cursor, (width, height)
        await run.press("1")
        for width, height in ((200, 50), (79, 23), (40, 10), (120, 40)):
            await run.pilot.resize_terminal(width, height)
            run.main.frame()
            assert run.grid.cursor == cursor, (width, height)
            row_on_screen = run.grid.visible_rows.tolist()
            assert run.grid.leg is not None
            assert run.grid.leg.row in row_on_screen, (width, height)


SIZES = (
    (80, 24), (200, 50), (79, 23), (60, 20), (40, 10), (39, 9), (20, 5), (1, 1), (81, 24), (110, 34), (109, 33),
    (180, 46), (179, 45), (300, 80), (80, 8), (120, 12), (40, 60), (120, 40),
)  # fmt: skip


async def test_a_walk_through_all_sizes_keeps_everything_that_was_chosen() -> None:
    """Cursor, pins, sort, filter, range, view, columns, units, bars, expiry, mark: none depends on the window."""
    async with driven(size=(120, 40)) as run:
        await run.press("right_square_bracket", "left_square_bracket", "c", "z", "o", "minus", "minus", "A", "m")
        await run.press("down", "down", "space", "down", "right", "right", "s", "f")
        await run.until(PickerScreen)
        await run.write("priced")
        await run.press("enter")
        await run.back_to_main()

        def chosen() -> tuple[object, ...]:
            grid = run.grid
            return (
                grid.cursor, grid.pins, grid.sort, grid.strike_range, grid.view, grid.preset.name, grid.units,
                grid.bars, grid.auto_centre, run.chain.expiry, run.chain.underlying, run.chain.selection.has_mark,
                grid._order.filter, run.main.pane_name,
            )  # fmt: skip

        before = chosen()
        assert run.grid.strike_range == 14
        assert run.grid.sort is not None
        for view in ("chain", "one side", "straddle"):
            for width, height in SIZES:
                await run.pilot.resize_terminal(width, height)
                run.main.frame()
                await run.pilot.pause()
                assert chosen() == before, (width, height, view)
            assert run.grid.leg is not None
            assert run.grid.leg.row in run.grid.visible_rows.tolist()
            assert run.grid.view == view
            await run.press("v")
            before = chosen()
        assert run.chain.term.is_open
        row = run.rows.cursor_key
        for width, height in SIZES:
            await run.pilot.resize_terminal(width, height)
            run.main.frame()
            await run.pilot.pause()
            assert run.chain.term.is_open
            assert run.chain.term.cursor_key == row, (width, height)


@pytest.mark.parametrize("key", ["C", "u", "e", "question_mark", "i", "d", "enter", "colon", "slash", "r", "ctrl+p"])
async def test_a_panel_survives_every_size(key: str) -> None:
    async with driven(size=(120, 40)) as run:
        await run.press(key)
        await wait_until(lambda: run.screen is not run.main, "a panel")
        panel = run.screen
        for width, height in ((20, 5), (80, 24), (39, 9), (200, 50), (1, 1), (60, 12)):
            await run.pilot.resize_terminal(width, height)
            run.main.frame()
            assert run.screen is panel, (width, height)
        await run.press("escape")
        await run.back_to_main()
        if key != "ctrl+p":
            before = run.grid.cursor
            await run.press("down")
            assert run.grid.cursor != before, "the keys are the rows' again"


@pytest.mark.parametrize("size", [(80, 24), (109, 33), (110, 34), (179, 45), (180, 46), (250, 70), (60, 12)], ids=str)
async def test_every_line_is_exactly_as_wide_as_the_screen(size: tuple[int, int]) -> None:
    async with driven(size=size) as run:
        lines = run.screen._compositor.render_strips()
        assert len(lines) == size[1]
        assert {strip.cell_length for strip in lines} == {size[0]}


async def test_below_40x10_one_sentence_says_what_is_needed() -> None:
    async with driven(size=(39, 9)) as run:
        assert "80x24 needed, this is 39x9" in " ".join(line.strip() for line in run.text())
        await run.pilot.resize_terminal(40, 10)
        run.main.frame()
        assert not any("needed" in line for line in run.text())


def _colours(run: Driven) -> Iterator[Color]:
    for strip in run.screen._compositor.render_strips():
        for segment in strip.apply_filter(run.app._filters[-1], run.screen.background_colors[1]):
            style = segment.style
            for colour in (style.color, style.bgcolor) if style is not None else ():
                if colour is not None:
                    yield Color.from_rich_color(colour)


async def test_no_color_leaves_no_hue_and_every_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with driven(Situation.MOCK, size=(80, 24)) as run:
        assert run.app.no_color
        assert all(max(colour.rgb) - min(colour.rgb) <= 1 for colour in _colours(run))
        assert run.text()[0].startswith("▓▒░ MOCK DATA")


class Broken(TickerApp):
    """Fails in a handler that has the day's token in a local variable."""

    def crash(self) -> None:
        access_token = SECRET
        raise RuntimeError(f"broken with {len(access_token)} letters")


@pytest.mark.failures_expected
def test_a_crash_prints_where_it_happened_and_no_local_variable(capsys: pytest.CaptureFixture[str]) -> None:
    backend = prepared_backend()
    app = Broken(backend, STILL)

    async def crash(pilot: Pilot[object]) -> None:
        for _ in range(3):
            # One is shown and the screen goes on; the third within ten seconds means that it cannot.
            assert app._exception is None
            backend.clock.advance(1.0)
            app.call_later(app.crash)
            await pilot.pause()
        await wait_until(lambda: app._exception is not None, "the crash")

    app.run(headless=True, size=(80, 24), auto_pilot=crash)
    printed = "".join(capsys.readouterr())
    assert f"RuntimeError: broken with {len(SECRET)} letters" in printed
    assert "in crash" in printed
    assert SECRET not in printed.replace("\n", "")
    assert app.return_code == 1


CHILD = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from tests.support.prepared_backend import prepared_backend
from tickertui.tui.app import TickerApp
from tickertui.tui.view.options import ScreenOptions
app = TickerApp(prepared_backend(), ScreenOptions())
app.run()
open(sys.argv[1], "w").write(f"ended {app.return_code}")
"""


def _read_until(descriptor: int, wanted: bytes, seconds: float) -> bytes:
    """Read from a terminal until something was written to it."""
    os.set_blocking(descriptor, False)
    seen, deadline = b"", time.monotonic() + seconds
    while wanted not in seen and time.monotonic() < deadline:
        try:
            seen += os.read(descriptor, 65_536)
        except BlockingIOError:
            time.sleep(0.02)
    return seen


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_a_terminal_that_goes_away_without_a_signal_ends_the_program(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environ: dict[str, Any] = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(REPOSITORY)}
    note = tmp_path / "ended"
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(note)], stdin=theirs, stdout=theirs, stderr=theirs,
        cwd=REPOSITORY, env=environ, start_new_session=True,
    ) as child:  # fmt: skip
        os.close(theirs)
        try:
            assert b"NIFTY" in _read_until(ours, b"NIFTY", 60)
            os.close(ours)
            child.wait(timeout=30)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
    assert note.read_text() == "ended 129", "as for the SIGHUP that did not come"


async def test_contexts_of_the_registry_are_those_of_the_panes() -> None:
    async with driven(Situation.REPLAY) as run:
        seen: set[Context] = set()
        for key in "123456":
            await run.press(key)
            seen |= set(run.main.contexts)
        assert seen == set(Context) - set(PANEL_CONTEXTS)


@pytest.mark.parametrize(
    ("greeks_ms", "words"),
    [(4.1, "Greeks 4.1 ms for 4,192 legs"), (None, "Greeks —")],
    ids=["a round that valued legs", "none yet"],
)
async def test_health_tells_what_the_last_valuation_took(greeks_ms: float | None, words: str) -> None:
    async with driven(size=(80, 24)) as run:
        run.backend.figures = replace(run.backend.figures, greeks_ms=greeks_ms)
        await run.press("4")
        await wait_until(lambda: any(words in " ".join(line.split()) for line in run.text()), f"{words!r} in the pane")
        assert not any("0 legs" in line for line in run.text())
