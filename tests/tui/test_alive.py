"""What ended the program once: pictures of two moments, keys and frames before a panel is ready, two closings."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import pytest
from rich.cells import cell_len
from textual import _time as textual_time
from textual import events
from textual.app import App
from textual.geometry import Offset, Size
from textual.screen import Screen
from textual.widgets import Static

from tests.support.boards import EXPIRIES
from tests.support.waiting import wait_until
from tests.tui.driving import STILL, Driven, driven
from tests.tui.painting import Painted, settled, watched
from tickertui.market.instruments import InstrumentTable
from tickertui.tui.panels.base import Choice, ConfirmScreen, ListScreen, PickerScreen
from tickertui.tui.panels.help import HelpScreen
from tickertui.tui.panels.jump import JumpScreen
from tickertui.tui.panels.leg import LegScreen
from tickertui.tui.panes.chain.expiry_strip import ExpiryStrip
from tickertui.tui.panes.events import EventsPane
from tickertui.tui.terminal.responsive_screen import ExactLines, ResponsiveScreen
from tickertui.tui.widgets.row_list import Span, row
from tickertui.tui.widgets.status_bar import StatusBar

SIZES = [(80, 24), (100, 30), (120, 40)]


def consistent(run: Driven) -> None:
    """Nothing on display is of two moments."""
    frame = run.chain.current_frame
    assert frame is not None
    assert frame.key.expiry in [mark.expiry for mark in frame.expiries]
    strip = run.chain.query_one(ExpiryStrip).shown
    assert strip is not None
    assert strip.chosen in [mark.expiry for mark in strip.expiries]


@pytest.mark.parametrize("size", SIZES)
async def test_while_another_underlying_is_on_its_way_the_strip_is_that_of_the_chain_on_display(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched(monkeypatch, size) as painted:
        async with driven(size=size) as run:
            run.chain.select("SENSEX")
            await settled(run, painted, "SENSEX, whose expiry is none of NIFTY's")
            run.chain.select("NIFTY", EXPIRIES[3])
            for _ in range(12):
                run.main.frame()
                await run.pilot.pause()
            frame = run.chain.current_frame
            assert frame is not None
            assert (run.chain.underlying, frame.key.underlying) == ("NIFTY", "SENSEX"), "NIFTY has no price yet"
            consistent(run)
            await settled(run, painted, "a chain on its way")
            await run.press("U")
            run.main.frame()
            consistent(run)


async def test_a_header_never_shows_its_own_underlying_twice() -> None:
    async with driven(options=replace(STILL, header=("NIFTY", "BANKNIFTY", "INDIA VIX"))) as run:
        waiting = run.backend.table.chain("BANKNIFTY", EXPIRIES[5])
        assert waiting is not None
        run.backend.board.ensure([*waiting.call_tokens.tolist(), *waiting.put_tokens.tolist()])
        run.chain.select("BANKNIFTY")
        for _ in range(12):
            run.main.frame()
        frame = run.chain.current_frame
        assert frame is not None
        assert frame.key.underlying == "NIFTY"
        labels = [frame.underlying.label, *(quote.label for quote in frame.others)]
        assert len(labels) == len(set(labels)), labels


async def test_an_expiry_on_the_strip_is_of_the_chain_on_display() -> None:
    async with driven() as run:
        waiting = run.backend.table.chain("BANKNIFTY", EXPIRIES[5])
        assert waiting is not None
        run.backend.board.ensure([*waiting.call_tokens.tolist(), *waiting.put_tokens.tolist()])
        run.chain.select("BANKNIFTY")
        await run.pilot.pause()
        strip = run.chain.query_one(ExpiryStrip)
        strip.post_message(ExpiryStrip.Chosen(EXPIRIES[2]))
        await run.pilot.pause()
        assert (run.chain.underlying, run.chain.expiry) == ("NIFTY", EXPIRIES[2])


async def test_the_view_by_expiry_is_of_the_chain_on_display() -> None:
    async with driven() as run:
        waiting = run.backend.table.chain("BANKNIFTY", EXPIRIES[5])
        assert waiting is not None
        run.backend.board.ensure([*waiting.call_tokens.tolist(), *waiting.put_tokens.tolist()])
        await run.press("v", "v", "v")
        assert run.chain.term.is_open
        run.chain.select("BANKNIFTY")
        run.main.frame()
        assert run.chain.term.underlying == "NIFTY"


async def test_contracts_that_have_lost_the_shown_expiry_leave_it_in_the_list_until_another_is_shown() -> None:
    async with driven(size=(80, 24)) as run:
        table = run.backend.table
        shown = run.chain.expiry
        assert shown is not None
        rows = [table.instrument(at) for at in range(len(table))]
        waiting = table.chain("NIFTY", EXPIRIES[3])
        assert waiting is not None
        run.backend.table = InstrumentTable.from_instruments(
            [row for row in rows if row.name != "NIFTY" or row.expiry == EXPIRIES[3]]
        )
        for _ in range(12):
            run.main.frame()
            await run.pilot.pause()
        frame = run.chain.current_frame
        assert frame is not None
        assert frame.key.expiry == shown, "the other one waits for its first price"
        consistent(run)


# ---------------------------------------------------------------------- panels that are not ready, or not any more


async def test_a_frame_that_comes_while_a_leg_opens_waits_for_it() -> None:
    async with driven() as run:
        screen = LegScreen("title", [], source=lambda: [])
        run.app.push_screen(screen)
        run.main.frame()
        screen.show_banner(None)
        screen.post_message(events.Resize(Size(90, 30), Size(90, 30)))
        await run.until(LegScreen)
        await run.press("escape")
        await run.back_to_main()


@pytest.mark.parametrize("keys", [("enter", "j", "d"), ("i", "k", "i"), ("question_mark", "G", "y"), ("d", "enter")])
async def test_keys_in_one_burst_with_the_one_that_opens_a_panel(keys: tuple[str, ...]) -> None:
    async with driven() as run:
        for key in keys:
            run.app.post_message(events.Key(key, None))
            run.main.frame()
        await run.pilot.pause()
        for _ in range(4):
            await run.press("escape")
        await run.back_to_main()


async def test_keys_before_a_panel_is_ready_are_done_in_their_order_when_it_is() -> None:
    async with driven() as run:
        question: list[bool | None] = []
        run.app.push_screen(ConfirmScreen("Sure?", "text", "yes"), question.append)
        await run.app.on_event(events.Key("y", "y"))
        await wait_until(lambda: question == [True], "the answer")
        await run.back_to_main()


async def test_escape_closes_a_panel_that_is_not_ready() -> None:
    async with driven() as run:
        for _ in range(3):
            run.app.push_screen(PickerScreen("Title", [Choice("a", "a")]))
            await run.app.on_event(events.Key("escape", None))
            await run.back_to_main()


async def test_two_letters_of_jump_mode_in_one_burst_jump_once() -> None:
    async with driven() as run:
        await run.press("ctrl+o")
        await run.until(JumpScreen)
        for letter in "ssd":
            run.screen.post_message(events.Key(letter, letter))
        await run.back_to_main()
        assert run.main.pane_name == "subscriptions"


async def test_a_panel_closes_once_and_takes_no_other_one_along() -> None:
    async with driven() as run:
        answers: list[str | None] = []
        picker = PickerScreen("Title", [Choice("a", "a"), Choice("b", "b")])
        run.app.push_screen(picker, answers.append)
        await run.until(PickerScreen)
        picker.dismiss("a")
        picker.dismiss("b")
        await run.back_to_main()
        picker.dismiss("b")
        await run.pilot.pause()
        assert answers == ["a"]
        assert run.app.screen_stack == [run.main]


async def test_an_answer_that_comes_while_another_panel_is_on_top_closes_the_panel_after_that_one() -> None:
    async with driven() as run:
        answers: list[str | None] = []
        picker = PickerScreen("Title", [Choice("a", "a")])
        run.app.push_screen(picker, answers.append)
        await run.until(PickerScreen)
        run.main.action_show_help()
        await run.until(HelpScreen)
        picker.dismiss("a")
        await run.pilot.pause()
        assert isinstance(run.screen, HelpScreen)
        await run.press("escape")
        await run.back_to_main()
        assert answers == ["a"]


# ---------------------------------------------------------------------- sizes under panels


@pytest.mark.parametrize("opener", ["u", "i", "question_mark", "ctrl+o", "ctrl+p", "e"])
async def test_any_size_while_a_panel_is_open(opener: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with watched(monkeypatch, (120, 40)) as painted:
        await resize_under(opener, painted)


async def resize_under(opener: str, painted: Painted) -> None:
    async with driven(size=(120, 40)) as run:
        await run.press(opener)
        await wait_until(lambda: run.screen is not run.main, "a panel")
        for width, height in [(150, 45), (80, 24), (60, 15), (1, 1), (250, 70), (39, 9), (200, 50)]:
            await run.pilot.resize_terminal(width, height)
            run.main.frame()
            await run.pilot.pause()
            lines = run.text()
            assert len(lines) == height
            assert {cell_len(line) for line in lines} == {width}
            await settled(run, painted, f"{width}x{height}")
        await run.press("escape")
        await run.back_to_main()


@pytest.mark.parametrize("opener", ["u", "ctrl+p", "ctrl+o", ""])
async def test_a_paint_between_a_new_size_and_the_layout_for_it(opener: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with watched(monkeypatch, (120, 40)) as painted:
        async with driven(size=(120, 40)) as run:
            if opener:
                await run.press(opener)
                await wait_until(lambda: run.screen is not run.main, "a panel")
            for size in (Size(60, 15), Size(200, 50)):
                # Textual keeps the terminal's size at once and lays out a moment later.
                run.app.post_message(events.Resize(size, size))
                await run.pilot._wait_for_screen()
                run.screen.refresh()
                run.screen._on_timer_update()
                await settled(run, painted, f"{size}")


# ---------------------------------------------------------------------- what the key monkey found


async def test_what_was_copied_holds_tabs_and_the_line_that_says_so_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tab has no cell of its own: the line was shorter than it said, and a panel over it had places without one."""
    with watched(monkeypatch, (200, 50)) as painted:
        async with driven(size=(200, 50)) as run:
            await run.press("Y")
            await wait_until(lambda: any("copied" in line for line in run.text()), "what was copied")
            assert "\t" in run.app.clipboard
            assert not any("\t" in line for line in run.text())
            await run.press("?")
            await run.until(HelpScreen)
            await settled(run, painted, "help")


@pytest.mark.parametrize("text", ["a\tb", "a\x1b[2Jb", "日本語", "e\u0301x", "🙂", "\u202eabc", "a\x00b"])
async def test_a_text_from_outside_takes_the_cells_that_it_says(text: str) -> None:
    async with driven(size=(120, 40)) as run:
        run.main._said = text
        run.main._slow_frame()
        await run.pilot.pause()
        bar = run.main.query_one(StatusBar)
        strip = bar.render_line(0)
        assert sum(cell_len(segment.text) for segment in strip) == strip.cell_length == 120
        assert strip.text.isprintable()
        rows = run.main.query_one(EventsPane).row_list
        rows.set_rows([row("", Span(text))])
        line = rows.render_line(0)
        assert sum(cell_len(segment.text) for segment in line) == line.cell_length
        assert line.text.isprintable()


async def test_keys_of_a_list_that_opens_or_closes_do_nothing() -> None:
    async with driven() as run:
        panel = ListScreen("Legs", [row("a", Span("one"))])
        run.app.push_screen(panel)
        for action in ("list_edge(-1)", "list_page(1)", "take", "copy_text"):
            await run.app.run_action(action, panel)
        await run.until(ListScreen)
        panel.dismiss(None)
        for action in ("list_edge(-1)", "list_page(1)", "take", "copy_text", "close"):
            await run.app.run_action(action, panel)
        await run.back_to_main()
        assert not run.app.failures.latest


@pytest.mark.parametrize("columns", [80, 36, 3])
async def test_a_view_that_is_chosen_without_room_for_a_column_has_a_cursor(columns: int) -> None:
    async with driven(size=(columns, 70)) as run:
        for _ in range(5):
            run.main.run_action_id("next-view")
            await run.pilot.pause()
            run.main.frame()
            for action in ("strike-up", "column-left", "column-right", "next-columns"):
                run.main.run_action_id(action)
            await run.pilot.pause()
            assert not run.app.failures.latest


# ---------------------------------------------------------------------- a machine that is busy at the wrong moment


def busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if another process had had its turn between any two of the next looks at the clock of Textual's timers."""
    looks = itertools.count()
    monkeypatch.setattr(textual_time, "get_time", lambda: time.monotonic() + 0.05 * min(next(looks), 20))


async def test_a_new_size_is_not_lost_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    async with driven(size=(120, 40)) as run:
        for size in (Size(100, 30), Size(80, 24), Size(130, 36)):
            busy_machine(monkeypatch)
            run.app.post_message(events.Resize(size, size))
            await wait_until(lambda size=size: run.main._compositor.size == size, f"laid out for {size}")  # type: ignore[misc]


async def test_what_is_to_be_done_once_is_done_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    async with driven() as run:
        called: list[int] = []
        busy_machine(monkeypatch)
        run.app.set_timer(0.01, lambda: called.append(1))
        run.main.set_timer(0.01, lambda: called.append(2))
        await wait_until(lambda: sorted(called) == [1, 2], "both called")


@pytest.mark.parametrize("base", [(ResponsiveScreen, Screen), (ExactLines, Screen)], ids=["ours", "Textual's own"])
async def test_a_press_of_the_mouse_on_what_has_just_been_removed_selects_nothing(base: tuple[type, ...]) -> None:
    host = type("Host", base, {"compose": lambda _: iter([Static("a line of text"), Static("another")])})
    app = App[None]()
    async with app.run_test(size=(40, 4)) as pilot:
        await app.push_screen(host())
        await pilot.pause()
        first = app.screen.query(Static).first()
        assert app.screen.get_widget_and_offset_at(3, 0) == (first, Offset(3, 0))
        await first.remove()
        assert app.screen.get_widget_at(3, 0)[0] is first, "Textual still finds it"
        assert app.screen.get_widget_and_offset_at(3, 0) == (None, None)
        await app.on_event(events.MouseDown(None, 3, 0, 0, 0, 1, False, False, False, 3, 0))
        assert not app.screen.selections
