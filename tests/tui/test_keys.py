"""Every key of the registry does what its tooltip says; an action without a test fails the last test of this file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from textual import events
from textual.widgets import Input

from tests.support.desk import Situation, desk
from tests.support.waiting import wait_until
from tests.tui.driving import STILL, Driven, driven
from tickertui.market.chain import Side
from tickertui.market.subscriptions import ChainRule
from tickertui.services.state import AccountState, FeedMode
from tickertui.tui.actions import ACTIONS, BY_ID
from tickertui.tui.columns import PRESETS, View
from tickertui.tui.format import Units
from tickertui.tui.frames import BarMeaning, Field
from tickertui.tui.keymap import check_keymap
from tickertui.tui.screens.columns import ColumnsScreen
from tickertui.tui.screens.command_line import CommandLineScreen
from tickertui.tui.screens.help import HelpScreen
from tickertui.tui.screens.jump import JumpScreen
from tickertui.tui.screens.leg import LegScreen
from tickertui.tui.screens.login import LoginScreen
from tickertui.tui.screens.modals import ConfirmScreen, ListScreen, PanelScreen, PickerScreen
from tickertui.tui.screens.new_rule import NewRuleScreen
from tickertui.tui.screens.rail import RailPanel
from tickertui.tui.screens.reload_plan import ReloadPlanScreen

TESTED: set[str] = set()
Test = TypeVar("Test", bound=Callable[..., Awaitable[None]])


def covers(*action_ids: str) -> Callable[[Test], Test]:
    """Say which actions a test presses the keys of."""
    assert set(action_ids) <= set(BY_ID), set(action_ids) - set(BY_ID)
    TESTED.update(action_ids)
    return lambda test: test


def key_of(action_id: str) -> str:
    """The default key, so that a key that moves takes its test along."""
    return BY_ID[action_id].keys.split(",")[0]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


async def press(run: Driven, *action_ids: str) -> None:
    for action_id in action_ids:
        await run.press(key_of(action_id))


# ---------------------------------------------------------------------- panes

PANE_KEYS = {
    "show-chain": "chain", "show-subscriptions": "subscriptions", "show-bootstrap": "bootstrap",
    "show-health": "health", "show-analytics": "analytics", "show-events": "events",
}  # fmt: skip


@covers(*PANE_KEYS, "next-pane", "previous-pane", "back")
async def test_digits_show_panes_tab_goes_on_escape_goes_back_to_the_chain() -> None:
    async with driven() as run:
        for action_id, pane in [*PANE_KEYS.items()][::-1]:
            await press(run, action_id)
            assert run.main.pane_name == pane
        await press(run, "previous-pane")
        assert run.main.pane_name == "events"
        await press(run, "next-pane", "next-pane")
        assert run.main.pane_name == "subscriptions"
        await press(run, "back")
        assert run.main.pane_name == "chain"
        assert run.grid.has_focus


@covers("jump")
async def test_jump_goes_where_the_letter_points_and_escape_stays() -> None:
    async with driven() as run:
        await press(run, "jump")
        await run.until(JumpScreen)
        screen = run.screen
        assert isinstance(screen, JumpScreen)
        letters = {target.name: letter for letter, target in screen.targets.items()}
        assert {"subscriptions", "08 Dec", "ATM"} <= set(letters)
        await run.press("escape")
        await run.back_to_main()
        await press(run, "jump")
        await run.press(letters["08 Dec"])
        await run.back_to_main()
        run.main.frame()
        await wait_until(lambda: run.chain.expiry == date(2026, 12, 8), "8 December")
        await press(run, "show-subscriptions", "jump")
        assert isinstance(run.screen, JumpScreen)
        letters = {target.name: letter for letter, target in run.screen.targets.items()}
        await run.press(letters["rule:2"])
        assert run.rows.cursor_key == "rule:2"


@covers("help")
async def test_help_lists_the_keys_of_the_pane() -> None:
    async with driven() as run:
        for pane, sentence in (("show-chain", "Go to the strike at the money."), ("show-events", "events that match")):
            await press(run, pane, "help")
            await run.until(HelpScreen)
            text = "\n".join(item.text for item in run.rows.rows)
            assert sentence in text
            assert "Go back; never quits." in text
            assert ("STALE behind a price" in text) is (pane == "show-chain")
            await run.press("escape")
            await run.back_to_main()


@covers("pause")
async def test_pause_holds_the_display_and_says_so() -> None:
    async with driven() as run:
        before = run.grid.frame
        await press(run, "pause")
        assert any("PAUSED p resumes" in line for line in run.text())
        run.main.frame()
        assert run.grid.frame is before
        await press(run, "pause")
        assert run.grid.frame is not before
        assert not any("PAUSED" in line for line in run.text())


async def test_ticks_of_a_pause_did_not_wait_for_the_screen() -> None:
    async with driven() as run:
        run.main.frame()
        await press(run, "pause")
        run.main.frame()
        board, clock = run.backend.board, run.backend.clock
        board.received_ns[:] = np.where(board.received_ns > 0, clock.monotonic_ns() + 1, 0)
        clock.advance(20.0)
        await press(run, "pause")
        run.main.frame()
        assert run.main.latency.percentile_ms(100) is None
        board.received_ns[:] = np.where(board.received_ns > 0, clock.monotonic_ns() + 1, 0)
        clock.advance(0.05)
        run.main.frame()
        assert run.main.latency.percentile_ms(100) == pytest.approx(50, abs=1)


@covers("theme")
async def test_theme_is_chosen_from_the_list() -> None:
    async with driven() as run:
        await press(run, "theme")
        await run.until(PickerScreen)
        await run.write("mono")
        await run.press("enter")
        await run.back_to_main()
        await wait_until(lambda: run.app.theme == "mono", "the theme mono")


@covers("screenshot")
async def test_a_picture_is_saved_where_the_options_say(tmp_path: Path) -> None:
    async with driven(options=replace(STILL, pictures_dir=tmp_path)) as run:
        await press(run, "screenshot")
    assert "NIFTY" in text_of(tmp_path / "tickertui-20261123-114207.svg")


@covers("command", "complete")
async def test_the_command_line_completes_runs_and_tells_what_it_does_not_know() -> None:
    async with driven() as run:
        await press(run, "command")
        await run.until(CommandLineScreen)
        await run.write("goto 24000")
        await run.press("enter")
        await run.back_to_main()
        await wait_until(lambda: run.grid.cursor.strike == 24_000, "the strike 24,000")
        await press(run, "command")
        await run.write("next-bar")
        await run.press("enter")
        await run.back_to_main()
        await wait_until(lambda: run.grid.bars is BarMeaning.OI_CHANGE, "other bars")
        await press(run, "command")
        await run.write("unde")
        await run.press("tab")
        assert run.screen.query_one(Input).value == "underlying "
        await run.write("SEN")
        await run.press("tab")
        assert run.screen.query_one(Input).value == "underlying SENSEX"
        await run.press("enter")
        await run.back_to_main()
        await wait_until(lambda: run.chain.underlying == "SENSEX", "SENSEX")
        await press(run, "command")
        await run.write("zzzz")
        await run.press("enter")
        assert any("no command 'zzzz'" in line for line in run.text())


# ---------------------------------------------------------------------- what asks


@covers("reload-plan")
async def test_a_reload_shows_its_plan_first_and_does_nothing_without_enter() -> None:
    async with driven() as run:
        await press(run, "reload-plan")
        await run.until(ReloadPlanScreen)
        await run.press("escape")
        await run.back_to_main()
        assert run.calls == ["plan_reload"]
        await press(run, "reload-plan")
        await run.until(ReloadPlanScreen)
        await run.press("enter")
        await run.called("apply_reload")
        notices = [notice.message for notice in run.app._notifications]
        assert "reload +54 -54 ~3 in 0.8s" in notices


@covers("toggle-mock")
async def test_the_mock_is_asked_for_and_left_again() -> None:
    async with driven() as run:
        await press(run, "toggle-mock")
        await run.until(ConfirmScreen)
        await run.press("n")
        await run.back_to_main()
        assert run.calls == []
        await press(run, "toggle-mock")
        await run.press("enter")
        await run.called("set_feed")
        assert run.last_call() == ("set_feed", FeedMode.MOCK)
        run.backend.state = replace(run.backend.state, feed=FeedMode.MOCK)
        run.main._frames = 0
        run.main.frame()
        await press(run, "toggle-mock")
        await run.press("y")
        await wait_until(lambda: run.last_call() == ("set_feed", FeedMode.LIVE), "the mock is left")


async def test_without_an_account_the_mock_cannot_be_left() -> None:
    async with driven(Situation.MOCK) as run:
        await press(run, "toggle-mock")
        await wait_until(lambda: len(run.app._notifications), "a notice")
        assert "without an account" in next(iter(run.app._notifications)).message
        assert run.calls == []


@covers("login", "copy-address")
async def test_login_goes_to_the_account_that_needs_it_and_echoes_nothing() -> None:
    async with driven(Situation.LOGIN) as run:
        await press(run, "login")
        await run.until(LoginScreen)
        assert any("api_key=z1key" in line for line in run.text())
        await press(run, "copy-address")
        assert run.app.clipboard.endswith("api_key=z1key")
        run.backend.refusal = "the token has been used already; log in again"
        await run.write("secret")
        assert not any("secret" in line for line in run.text())
        await run.press("enter")
        await wait_until(lambda: any("used already" in line for line in run.text()), "the refusal")
        run.backend.refusal = ""
        await run.write("secret")
        await run.press("enter")
        await run.back_to_main()
        assert run.last_call() == ("login", "Z1", "secret")


@covers("quit")
async def test_quit_asks_while_a_live_feed_runs_and_not_in_the_mock() -> None:
    async with driven() as run:
        await press(run, "quit")
        await run.until(ConfirmScreen)
        await run.press("escape")
        await run.back_to_main()
        assert run.app.return_code is None
        await press(run, "quit")
        await run.press("enter")
        await wait_until(lambda: run.app.return_code == 0, "the end")
    async with driven(Situation.MOCK) as run:
        await press(run, "quit")
        await wait_until(lambda: run.app.return_code == 0, "the end without a question")


async def test_the_frameworks_own_key_to_quit_asks_too() -> None:
    async with driven() as run:
        await run.press("ctrl+q")
        await run.until(ConfirmScreen)
        await run.press("escape")
        await run.back_to_main()
        await run.press("i", "ctrl+q")
        await run.until(ConfirmScreen)
        assert run.app.is_running


@covers("toggle-bootstrap")
async def test_backfill_is_started_and_paused() -> None:
    async with driven() as run:
        await press(run, "toggle-bootstrap")
        await run.called("toggle_bootstrap")


@covers("leave-replay")
async def test_a_replay_is_left_after_a_question_and_its_key_does_nothing_elsewhere() -> None:
    async with driven(Situation.REPLAY) as run:
        assert any("Q leave replay" in line for line in run.text())
        await press(run, "leave-replay")
        await run.until(ConfirmScreen)
        await run.press("enter")
        await run.called("set_feed")
    async with driven() as run:
        await press(run, "leave-replay")
        assert run.screen is run.main
        assert not any("leave replay" in line for line in run.text())


# ---------------------------------------------------------------------- the chain


@covers(
    "strike-up", "strike-down", "column-left", "column-right", "page-up", "page-down", "first-strike", "last-strike",
    "chain-to-atm",
)  # fmt: skip
async def test_the_cursor_moves_and_comes_back_to_the_money() -> None:
    async with driven() as run:
        grid = run.grid
        assert grid.cursor.strike == 24_350
        await press(run, "strike-down", "strike-down", "strike-up")
        assert grid.cursor.strike == 24_400
        await press(run, "column-left")
        assert (grid.cursor.side, grid.cursor.column) == (Side.CALL, "delta")
        await press(run, "column-right", "column-right")
        assert (grid.cursor.side, grid.cursor.column) == (Side.PUT, "ltp")
        await press(run, "page-down")
        assert grid.cursor.strike > 24_400 + 10 * 50
        await press(run, "page-up")
        assert grid.cursor.strike == 24_400
        await press(run, "first-strike")
        assert grid.cursor.strike == 22_850
        await press(run, "last-strike")
        assert grid.cursor.strike == 25_850
        await press(run, "chain-to-atm")
        assert grid.cursor.strike == 24_350


@covers("auto-centre", "wider", "narrower", "pin", "sort", "filter", "mark")
async def test_which_rows_are_shown() -> None:
    async with driven() as run:
        grid = run.grid
        await press(run, "auto-centre")
        assert not grid.auto_centre
        await press(run, "narrower")
        assert run.strike_range() == 20, "61 strikes: 30 and more would change nothing"
        await press(run, "narrower", "wider", "wider")
        assert run.strike_range() is None
        await press(run, "pin")
        assert grid.pins == {24_350.0}
        await press(run, "pin")
        orders = []
        for _ in range(3):
            await press(run, "sort")
            orders.append(grid.sort and grid.sort.descending)
        assert orders == [True, False, None]
        await press(run, "filter")
        await run.until(PickerScreen)
        await run.write("heavy")
        await run.press("enter")
        await run.back_to_main()
        heavy = len(grid._order)
        assert 0 < heavy < 61
        await press(run, "back")
        assert len(grid._order) == 61
        await press(run, "mark")
        run.main.frame()
        assert grid.frame is not None
        assert grid.frame.summary.marked_at == run.backend.clock.now()


async def test_a_mark_holds_for_every_chain_and_has_columns_of_its_own() -> None:
    async with driven(size=(200, 50)) as run:
        assert "mark" not in run.chain.presets.names(marked=run.chain.has_mark)
        await press(run, "mark")
        marked = run.backend.clock.now()
        run.backend.clock.advance(60)
        await run.press("c", "c", "c", "c")
        assert run.grid.preset.name == "mark"
        await press(run, "next-expiry")
        run.main.frame()
        assert run.chain.expiry == date(2026, 12, 8)
        for key in ("previous-expiry", "last-underlying"):
            assert run.grid.frame is not None
            assert run.grid.frame.summary.marked_at == marked
            assert np.nanmax(np.abs(run.grid.frame.values[..., Field.MARK_LTP])) == 0
            await press(run, key)
            run.main.frame()
        run.main.show_all()
        movers = run.main.query_one("#rail-movers", RailPanel)
        assert str(movers.border_title) == "Movers since mark 11:42"


async def test_a_mark_ends_with_the_feed_it_was_set_in() -> None:
    async with driven() as run:
        await press(run, "mark")
        await run.press("c", "c", "c", "c")
        assert run.grid.preset.name == "mark"
        run.backend.state = replace(run.backend.state, feed=FeedMode.MOCK)
        run.main._frames = 0
        run.main.frame()
        run.main.frame()
        assert run.grid.frame is not None
        assert run.grid.frame.summary.marked_at is None
        assert run.grid.preset.name == "oi"


@covers("next-columns", "next-bar", "next-units", "maximise", "edit-columns")
async def test_how_rows_look() -> None:
    async with driven() as run:
        grid = run.grid
        names = []
        for _ in PRESETS:
            await press(run, "next-columns")
            names.append(grid.preset.name)
        assert names == ["price", "greeks", "full", "oi"]
        await press(run, "next-bar")
        assert grid.bars is BarMeaning.OI_CHANGE
        await press(run, "next-units")
        assert grid.units is Units.LOTS
        height = grid.size.height
        await press(run, "maximise")
        assert grid.size.height == height + 11
        await press(run, "maximise")
        assert grid.size.height == height
        await press(run, "edit-columns")
        await run.until(ColumnsScreen)
        await run.press("j", "space", "h", "enter")
        await run.back_to_main()
        await wait_until(lambda: grid.preset.name == "own", "the own preset")
        assert "oi" not in grid.preset.columns


@covers("next-view")
async def test_views_come_in_a_ring_and_by_expiry_follows_strike_and_cursor() -> None:
    async with driven() as run:
        seen = []
        for _ in range(2):
            await press(run, "next-view")
            seen.append(run.grid.view)
        assert seen == [View.ONE_SIDE, View.STRADDLE]
        await press(run, "next-view")
        assert run.text()[3].startswith(" NIFTY 24,350 by expiry")
        assert [item.key for item in run.rows.rows if item.key][:2] == ["expiry:2026-11-23", "expiry:2026-12-01"]
        assert run.rows.cursor_key == "expiry:2026-12-01", "the chain's own expiry"
        await run.press("right")
        assert run.text()[3].startswith(" NIFTY 24,400 by expiry")
        assert run.chain.leg is not None
        assert run.chain.leg.strike == 24_400
        assert run.chain.instrument is not None
        assert run.chain.instrument.expiry == date(2026, 12, 1)
        await run.press("down", "enter")
        run.main.frame()
        assert run.chain.expiry == date(2026, 12, 8)
        assert run.grid.view is View.CHAIN
        assert run.grid.has_focus


@covers("previous-expiry", "next-expiry", "pick-expiry", "pick-underlying", "last-underlying", "find")
async def test_which_chain_is_shown() -> None:
    async with driven() as run:
        await press(run, "next-expiry")
        run.main.frame()
        assert run.chain.expiry == date(2026, 12, 8)
        await press(run, "previous-expiry")
        run.main.frame()
        assert run.chain.expiry == date(2026, 12, 1)
        await press(run, "pick-expiry")
        await run.until(PickerScreen)
        await run.write("29 dec")
        await run.press("enter")
        await run.back_to_main()
        await wait_until(lambda: run.chain.expiry == date(2026, 12, 29), "29 December")
        await press(run, "pick-underlying")
        await run.write("sen")
        await run.press("enter")
        await run.back_to_main()
        await wait_until(lambda: run.chain.underlying == "SENSEX", "SENSEX")
        await press(run, "last-underlying")
        assert run.chain.underlying == "NIFTY"
        await press(run, "find")
        await run.write("nifty26d01 24000pe")
        await run.press("enter")
        await run.back_to_main()
        run.main.frame()
        await wait_until(lambda: run.chain.expiry == date(2026, 12, 1), "1 December")
        assert (run.grid.cursor.strike, run.grid.cursor.side) == (24_000, Side.PUT)


async def test_an_empty_chain_keeps_its_keys() -> None:
    """The rows are hidden behind a notice; the keys that the notice names must work all the same."""
    async with driven(Situation.EMPTY, size=(80, 24)) as run:
        assert any("u  other underlying" in line for line in run.text())
        await press(run, "pick-underlying")
        await run.until(PickerScreen)
        await run.press("escape")
        await run.back_to_main()
        await press(run, "show-subscriptions", "show-chain", "pick-expiry")
        await run.until(PickerScreen)


@covers("why", "depth", "leg")
async def test_three_views_of_a_leg_lead_to_each_other() -> None:
    async with driven() as run:
        await press(run, "why")
        await run.until(LegScreen)
        text = "\n".join(item.text for item in run.rows.rows)
        for part in (
            "LIVE, the account's socket",
            "Z1/s2",
            "NIFTY next 2 ATM±40 full",
            "T 8.165 d to 01 Dec 15:40",
            "24,371.20 from parity",
            "+92.9K   previous close 18.6L",
        ):
            assert part in text  # fmt: skip
        assert "since " not in text
        run.main.frame()
        await wait_until(
            lambda: any("1m candles 09:15..11:41   147, with OI 147" in line for line in run.text()), "the history"
        )
        await run.press("d")
        await wait_until(lambda: any("orders     qty" in line for line in run.text()), "the depth")
        await run.press("enter")
        await run.called("candles")
        await wait_until(lambda: any("147 candles" in line for line in run.text()), "the day")
        await run.press("i")
        await wait_until(lambda: any("d to 01 Dec" in line for line in run.text()), "why")
        await run.press("escape")
        await run.back_to_main()
        await press(run, "depth")
        await wait_until(lambda: any("orders     qty" in line for line in run.text()), "the depth")
        await run.press("escape")
        await press(run, "leg")
        await wait_until(lambda: any("147 candles" in line for line in run.text()), "the day")


async def test_why_tells_what_changed_since_the_mark() -> None:
    async with driven() as run:
        await press(run, "mark", "why")
        await run.until(LegScreen)
        run.main.frame()
        text = "\n".join(item.text for item in run.rows.rows)
        assert "since 11:42:07   dOI 0   price +0.00   volume 0" in text


async def test_depth_stays_current_while_it_is_open() -> None:
    async with driven() as run:
        await press(run, "depth")
        await run.until(LegScreen)
        board = run.backend.board
        row = board.row(run.chain.instrument.token) if run.chain.instrument else 0
        board.words[row, 16 + 1] += 100_00
        before = [item.text for item in run.rows.rows]
        run.main.frame()
        assert [item.text for item in run.rows.rows] != before


@covers("copy", "copy-row")
async def test_cell_and_row_are_copied_and_a_mock_value_keeps_its_mark() -> None:
    async with driven() as run:
        await press(run, "copy")
        assert run.app.clipboard == "183.15"
        await press(run, "copy-row")
        assert run.app.clipboard.split("\t")[7:10] == ["183.15", "24350", "161.45"]
    async with driven(Situation.MOCK) as run:
        await press(run, "copy")
        assert run.app.clipboard == "~183.15"
        await press(run, "copy-row")
        assert run.app.clipboard.startswith("MOCK\t")


async def test_what_is_copied_is_what_the_cursor_is_on_in_every_view() -> None:
    async with driven(size=(120, 40)) as run:
        await run.press("v", "v")
        assert run.grid.view is View.STRADDLE
        frame = run.grid.frame
        assert frame is not None
        await press(run, "copy")
        assert run.app.clipboard == f"{float(frame.values[frame.atm_row, :, Field.LTP].sum()):.10g}"
        await press(run, "column-right", "copy")
        assert run.app.clipboard.startswith("1.41")
        await run.press("v")
        await press(run, "strike-down", "copy")
        assert run.app.clipboard.startswith("W 08Dec 15d 158.30")
        await press(run, "copy-row")
        assert run.app.clipboard.startswith("W 08Dec 15d 158.30")


# ---------------------------------------------------------------------- lists


@covers("list-up", "list-down", "list-page-up", "list-page-down", "list-first", "list-last")
async def test_lists_move_their_cursor() -> None:
    async with driven() as run:
        await press(run, "show-subscriptions")
        assert run.rows.cursor_key == "account:Z1"
        await press(run, "list-down")
        assert run.rows.cursor_key == "socket:0"
        await press(run, "list-up")
        assert run.rows.cursor_key == "account:Z1"
        await press(run, "list-last")
        assert run.rows.cursor_key == "rule:2"
        await press(run, "list-first")
        assert run.rows.cursor_key == "account:Z1"
        await press(run, "list-page-down")
        assert run.rows.cursor_key == "rule:2"
        await press(run, "list-page-up")
        assert run.rows.cursor_key == "account:Z1"


@covers("new-rule")
async def test_a_new_rule_shows_its_cost_before_it_is_added() -> None:
    async with driven() as run:
        await press(run, "show-subscriptions", "new-rule")
        await run.until(NewRuleScreen)
        await run.called("what_if")
        await wait_until(lambda: any("162 legs, 120 of them new" in line for line in run.text()), "the cost")
        await run.press("enter")
        await run.called("add_rule")
        assert run.last_call() == ("add_rule", ChainRule(0, "NIFTY", 2, (), 40))


@covers("drop-rule", "pin-account")
async def test_a_rule_is_pinned_and_dropped() -> None:
    async with driven() as run:
        await press(run, "show-subscriptions", "list-last", "pin-account")
        await run.until(PickerScreen)
        await run.write("Z1")
        await run.press("enter")
        await run.called("pin_rule")
        assert run.last_call() == ("pin_rule", 2, "Z1")
        await run.back_to_main()
        await press(run, "drop-rule")
        await run.until(ConfirmScreen)
        assert any("163 legs" in line for line in run.text())
        await run.press("enter")
        await run.called("remove_rule")
        assert run.last_call() == ("remove_rule", 2)


@covers("rebuild-feed", "move-shard")
async def test_an_account_is_rebuilt_and_its_legs_move_after_a_question_with_numbers() -> None:
    async with driven() as run:
        await press(run, "show-subscriptions", "list-down", "rebuild-feed")
        await run.until(ConfirmScreen)
        assert any("2,988 instruments" in line for line in run.text())
        await run.press("enter")
        await run.called("reconnect")
        assert run.last_call() == ("reconnect", "Z1")
        await run.back_to_main()
        await press(run, "move-shard")
        await run.until(ConfirmScreen)
        assert any("room for 7,796" in line for line in run.text())
        await run.press("enter")
        await run.called("move_account")
        await run.back_to_main()
        await press(run, "list-last", "rebuild-feed")
        await wait_until(lambda: len(run.app._notifications) >= 3, "a notice")
        assert any("put the cursor on an account" in notice.message for notice in run.app._notifications)


@covers("open-legs")
async def test_the_legs_behind_a_line_are_listed() -> None:
    async with driven() as run:
        await press(run, "show-subscriptions", "list-last", "list-up", "open-legs")
        await run.until(ListScreen)
        assert any("122 legs" in line for line in run.text())
        assert any("NIFTY26D0122850CE" in line for line in run.text())
        await run.press("y")
        assert "NIFTY26D0122850CE" in run.app.clipboard


@covers("list-never")
async def test_what_has_never_ticked_is_listed_with_reasons_and_the_list_stays_current() -> None:
    async with driven(size=(80, 24)) as run:
        backend = run.backend
        await press(run, "show-subscriptions", "list-never")
        await wait_until(lambda: len(run.app._notifications), "an answer")
        assert "everything that is subscribed" in next(iter(run.app._notifications)).message
        far, near = backend.leg_list[0], backend.leg_list[len(backend.leg_list) // 2]
        backend.board.clear([far.token, near.token])
        backend.board.mark_subscribed([far.token, near.token], 0, backend.clock.monotonic_ns())
        backend.clock.advance(61.0)
        first, second = backend.state.accounts
        accounts = (replace(first, never=2), second)
        backend.state = replace(backend.state, accounts=accounts)
        run.main._frames = 0
        run.main.frame()
        await run.pilot.pause()
        assert any("never ticked 2: 2 have not traded yet  i lists them" in line for line in run.text())
        await press(run, "list-never")
        await run.until(ListScreen)
        shown = [line for line in run.text() if far.label in line or near.label in line]
        assert len(shown) == 2
        assert all("— NEVER" in line and "has not traded yet" in line for line in shown)
        backend.board.clear([near.token])
        backend.board.mark_subscribed([near.token], 0, backend.clock.monotonic_ns())
        run.main._frames = 0
        run.main.frame()
        await run.pilot.pause()
        assert any(near.label in line and "WAITING" in line for line in run.text())


@covers("refresh-contracts")
async def test_the_days_contracts_are_fetched_again_and_the_answer_is_told() -> None:
    async with driven(size=(80, 24)) as run:
        await press(run, "refresh-contracts")
        await run.called("refresh_contracts")
        await wait_until(lambda: len(run.app._notifications) == 2, "the answer")
        assert any("the same as before" in notice.message for notice in run.app._notifications)


@covers("retry-failed", "gap-map")
async def test_failed_requests_are_asked_again_and_gaps_are_shown() -> None:
    async with driven() as run:
        await press(run, "show-bootstrap", "retry-failed")
        await run.called("retry_failed")
        await press(run, "gap-map")
        await run.until(ListScreen)
        assert any("385/385 candles" in line for line in run.text())


@covers("filter-events", "copy-event")
async def test_events_are_filtered_and_copied() -> None:
    async with driven() as run:
        await press(run, "show-events", "copy-event")
        assert run.app.clipboard == (
            "2026-11-23 11:41:58 warning stream Z2/s1 reconnected: 1,204 subscribed again, gap 1.8 s"
        )
        await press(run, "filter-events")
        await run.write("z1 login")
        assert [item.key for item in run.rows.rows if item.key] == ["event:1"]
        await run.press("enter")
        assert run.rows.has_focus
        await press(run, "back")
        assert len([item for item in run.rows.rows if item.key]) == 7
        assert run.main.pane_name == "events"
        await press(run, "back")
        assert run.main.pane_name == "chain"


# ---------------------------------------------------------------------- modal keys


@covers("copy-text", "close-panel")
async def test_a_list_to_read_moves_scrolls_and_copies() -> None:
    async with driven(size=(80, 24)) as run:
        await press(run, "help")
        await run.until(HelpScreen)
        first = run.rows.cursor_key
        await run.press("j", "down")
        assert run.rows.cursor_key != first
        await run.press("k", "up")
        assert run.rows.cursor_key == first
        await run.press("G")
        last = run.rows.cursor_key
        await run.press("pageup", "pagedown", "end")
        assert run.rows.cursor_key == last
        await run.press("home")
        assert run.rows.cursor_key == first
        await press(run, "copy-text")
        assert "Go one strike up." in run.app.clipboard
        await press(run, "close-panel")
        await run.back_to_main()


@covers("choice-up", "choice-down", "choice-page-up", "choice-page-down", "take")
async def test_a_picker_moves_with_arrows_and_pages_and_keeps_the_letters() -> None:
    async with driven() as run:
        await press(run, "pick-expiry")
        await run.until(PickerScreen)
        assert run.rows.cursor_key == "2026-12-01"
        await press(run, "choice-down", "choice-up", "choice-up")
        assert run.rows.cursor_key == "2026-11-23"
        await press(run, "choice-page-down")
        assert run.rows.cursor_key == "2027-01-25"
        await press(run, "choice-page-up")
        assert run.rows.cursor_key == "2026-11-23"
        await run.write("j")
        assert run.screen.query_one(Input).value == "j"
        assert run.rows.cursor_key == "2027-01-25", "January"
        await run.write("zz")
        await press(run, "take")
        await run.back_to_main()
        assert run.chain.expiry == date(2026, 12, 1), "nothing matched, nothing changes"


@covers("answer-yes", "answer-no")
async def test_a_question_is_answered_by_its_own_keys() -> None:
    async with driven() as run:
        for answer in ("answer-no", "close-panel"):
            await press(run, "toggle-mock")
            await run.until(ConfirmScreen)
            await press(run, answer)
            await run.back_to_main()
            assert run.calls == []
        await press(run, "toggle-mock")
        await run.until(ConfirmScreen)
        await press(run, "answer-yes")
        await run.called("set_feed")


OWN_PANEL_KEYS = {
    "close-panel": "f2", "take": "f3", "copy-text": "x", "answer-yes": "f4", "answer-no": "x", "choice-up": "f5",
    "choice-down": "f6", "choice-page-down": "f7", "complete": "f8", "column-toggle": "x", "column-outward": "f5",
    "column-inward": "f6", "preset-next": "f7", "preset-save": "f8", "preset-delete": "f9", "copy-address": "f5",
    "list-down": "f12", "jump": "x",
}  # fmt: skip


@pytest.mark.parametrize(
    ("opened", "names"),
    [
        (("question_mark",), "↑/f12 scroll  x copy  f2 back"),
        (("e",), "f5/f6 choose  f3 take  f2 back"),
        (("colon",), "f8 complete  f5/f6 choose  f3 run  f2 back"),
        (("r",), "f3 apply  x copy  f2 cancel"),
        (("M",), "f4 switch  f2 leave it"),
        (("2", "n"), "f3 add  f8 complete  f2 back"),
        (("2", "enter"), "x copy  f2 back"),
        (("i",), "i why  d depth  Enter day  x copy  f2 back"),
        (("C",), "x on/off  f5/f6 order  f7 preset  f8 save  f9 delete  f3 use  f2 back"),
        (("C", "f8"), "f3 save under this name  f2 back to the columns"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)
async def test_every_panel_names_the_own_keys_and_closes_by_them(opened: tuple[str, ...], names: str) -> None:
    keymap = check_keymap(OWN_PANEL_KEYS)
    async with driven(options=replace(STILL, keymap=keymap)) as run:
        await run.press(*opened)
        await run.until(PanelScreen)
        assert str(run.screen.query_one("#panel").border_subtitle) == names
        panel = run.screen
        await run.press("escape")
        assert run.screen is panel, "the default key is free now"
        await run.press(*["f2"] * (2 if opened[-1] == "f8" else 1))
        await run.back_to_main()


async def test_own_keys_work_in_panels() -> None:
    keymap = check_keymap(OWN_PANEL_KEYS)
    async with driven(options=replace(STILL, keymap=keymap)) as run:
        await press(run, "pick-expiry")
        await run.until(PickerScreen)
        await run.press("f6", "f6", "f5", "enter", "f3")
        await run.back_to_main()
        await wait_until(lambda: run.chain.expiry == date(2026, 12, 8), "the next expiry")
        await press(run, "command")
        await run.until(CommandLineScreen)
        await run.write("unde")
        await run.press("f8")
        assert run.screen.query_one(Input).value == "underlying "
        await run.press("f8", "f3")
        await run.back_to_main()
        await press(run, "toggle-mock")
        await run.until(ConfirmScreen)
        await run.press("y", "x")
        await run.back_to_main()
        assert run.calls == []
        await press(run, "edit-columns")
        await run.until(ColumnsScreen)
        await run.press("f12", "f5", "f3")
        await run.back_to_main()
        await wait_until(lambda: run.grid.preset.name == "own", "the own preset")
        await run.press("x")
        await run.until(JumpScreen)
        await run.press("f2")
        await run.back_to_main()


async def test_sentences_of_panels_name_the_own_keys() -> None:
    keymap = check_keymap(OWN_PANEL_KEYS)
    async with driven(options=replace(STILL, keymap=keymap)) as run:
        await press(run, "show-subscriptions", "new-rule")
        await run.until(NewRuleScreen)
        run.screen.query_one(Input).value = "NIF"
        await run.press("f3")
        assert any("no options on NIF today; f8 makes it NIFTY" in line for line in run.text())
        await run.press("f2")
        await run.back_to_main()
        await press(run, "show-chain", "edit-columns")
        await run.until(ColumnsScreen)
        await run.press("f9")
        assert any("is not a saved preset; f7 goes through all of them" in line for line in run.text())


async def test_the_plan_scrolls_and_is_copied() -> None:
    async with driven() as run:
        await press(run, "reload-plan")
        await run.until(ReloadPlanScreen)
        await run.press("down", "j")
        assert run.rows.cursor_key == "line:2"
        await run.press("up", "k", "y")
        assert run.rows.cursor_key == "line:0"
        assert "4,138 unchanged" in run.app.clipboard


@covers("column-toggle", "column-outward", "column-inward", "preset-next")
async def test_the_column_editor_has_keys_for_what_it_does() -> None:
    async with driven(size=(200, 50)) as run:
        await press(run, "edit-columns")
        await run.until(ColumnsScreen)
        await press(run, "list-down", "column-outward")
        assert [item.key for item in run.rows.rows[:3]] == ["oi", "bar", "oi_change"]
        await press(run, "column-inward")
        assert [item.key for item in run.rows.rows[:3]] == ["bar", "oi", "oi_change"]
        await press(run, "column-toggle")
        assert [item.key for item in run.rows.rows[:2]] == ["bar", "oi_change"]
        await press(run, "list-last", "list-page-up", "list-page-down", "list-first")
        assert run.rows.cursor_key == "bar"
        await press(run, "preset-next")
        assert "price" in str(run.screen.query_one("#panel").border_title)


async def test_the_column_editor_orders_columns() -> None:
    async with driven(size=(200, 50)) as run:
        await press(run, "edit-columns")
        await run.until(ColumnsScreen)
        await run.press("down", "right", "enter")
        await run.back_to_main()
        await wait_until(lambda: run.grid.preset.columns[:3] == ("bar", "oi_change", "oi"), "OI behind its change")


async def test_a_rule_that_cannot_be_read_says_what_was_expected() -> None:
    async with driven() as run:
        await press(run, "show-subscriptions", "new-rule")
        await run.until(NewRuleScreen)
        run.screen.query_one(Input).value = "NIF"
        await run.press("enter")
        assert any("no options on NIF today; Tab makes it NIFTY" in line for line in run.text())
        await run.press("tab")
        assert run.screen.query_one(Input).value == "NIFTY "


# ---------------------------------------------------------------------- mouse


async def test_clicks_on_strip_grid_panels_lists_and_key_bar() -> None:
    async with driven() as run:
        offsets = dict(run.chain.view.expiry_offsets())
        at = offsets[date(2026, 12, 8)]
        await run.pilot.click(offset=(at.x + 1, at.y))
        run.main.frame()
        await wait_until(lambda: run.chain.expiry == date(2026, 12, 8), "8 December")
        await run.pilot.click("#panel-events", offset=(5, 3))
        assert run.main.pane_name == "events"
        await run.pilot.click("#events RowList", offset=(5, 3))
        assert run.rows.cursor_key == "event:5"
        tab = next(x for x, entry in run.main.query_one("KeyBar")._placed() if entry.action == "show-chain")  # type: ignore[attr-defined]
        await run.pilot.click("#keys", offset=(tab + 1, 0))
        await wait_until(lambda: run.main.pane_name == "chain", "the chain")
        region = run.grid.region
        await run.pilot.click(offset=(region.x + region.width - 30, region.y + 5))
        assert run.grid.cursor.side is Side.PUT


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize("action", ["reload-plan", "toggle-bootstrap", "retry-failed"])
async def test_a_refusal_becomes_one_notice(action: str) -> None:
    backend = desk()
    backend.refusal = "the store cannot be reached; reload is off until it is back"
    async with driven(backend=backend) as run:
        await press(run, *(["show-bootstrap"] if action == "retry-failed" else []), action)
        await wait_until(lambda: len(run.app._notifications), "a notice")
        assert [notice.message for notice in run.app._notifications] == [backend.refusal]
        assert run.screen is run.main


async def test_an_account_that_is_out_of_room_or_unknown_is_not_a_crash() -> None:
    backend = desk()
    accounts = tuple(replace(account, state=AccountState.FAILED) for account in backend.state.accounts)
    backend.state = replace(backend.state, accounts=accounts)
    async with driven(backend=backend) as run:
        await press(run, "login")
        await run.until(PickerScreen)
        await run.press("escape")
        await run.back_to_main()
        assert run.calls == []


@covers("preset-save", "preset-delete")
async def test_a_choice_of_columns_is_saved_and_deleted_by_the_keys_of_the_editor() -> None:
    async with driven() as run:
        await press(run, "edit-columns")
        await run.until(ColumnsScreen)
        await press(run, "preset-save")
        await run.write("scalp")
        await press(run, "take")
        await run.back_to_main()
        assert run.grid.preset.name == "scalp"
        await press(run, "edit-columns", "preset-delete")
        await run.until(ConfirmScreen)
        await press(run, "answer-yes")
        await wait_until(lambda: "scalp" not in run.chain.presets.names(), "the list without it")


def test_every_action_has_a_test() -> None:
    assert {action.id for action in ACTIONS} - TESTED == set()


@pytest.mark.parametrize("action", ["pick_underlying", "find"])
async def test_letters_typed_while_a_panel_opens_are_in_its_line(action: str) -> None:
    """The panel takes some tens of milliseconds to lay itself out; a fast typist is quicker."""
    async with driven() as run:
        getattr(run.chain, f"action_{action}")()
        assert len(run.app.screen_stack) > 1, "the panel is there, its line not yet"
        for letter in "sen":
            run.app.post_message(events.Key(letter, letter))
        await wait_until(lambda: run.app.screen.query(Input), "the line")
        await wait_until(lambda: run.app.screen.query_one(Input).value == "sen", "what was typed", timeout=5.0)
