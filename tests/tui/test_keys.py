"""Every key of the registry does what its tooltip says; an action without a test fails the last test of this file."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from textual.events import Paste
from textual.widgets import Input

from tests.support.prepared_backend import Situation, prepared_backend
from tests.support.waiting import wait_until
from tests.tui import test_chain_keys, test_containment, test_panel_keys  # noqa: F401 - they count for the last test
from tests.tui.covering import TESTED, covers, press, text_of
from tests.tui.driving import STILL, driven
from tickertui.market.chain import Side
from tickertui.services.accounts.status import AccountState
from tickertui.services.loop.status import FeedMode
from tickertui.tui.keys.actions import ACTIONS, LOOK, REQUEST
from tickertui.tui.panels.base import ConfirmScreen, PickerScreen
from tickertui.tui.panels.command_line import CommandLineScreen
from tickertui.tui.panels.help import HelpScreen
from tickertui.tui.panels.jump import JumpScreen
from tickertui.tui.panels.login import LoginScreen
from tickertui.tui.panels.reload_plan import ReloadPlanScreen
from tickertui.tui.view.frames import BarMeaning

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


ADDRESS = "http://127.0.0.1/done?status=success&request_token=aB3dEfGh1"


async def test_every_line_of_a_pasted_address_counts() -> None:
    async with driven(Situation.LOGIN) as run:
        await press(run, "login")
        await run.until(LoginScreen)
        run.screen.query_one(Input).post_message(Paste(f"{ADDRESS}\r\n  jKlMnOp&action=login\n"))
        await wait_until(lambda: run.screen.query_one(Input).value, "the paste is in the line")
        await run.press("enter")
        await run.back_to_main()
        assert run.last_call() == ("login", "Z1", f"{ADDRESS} jKlMnOp&action=login")


async def test_lines_of_a_paste_that_come_one_by_one_are_put_together() -> None:
    """A terminal that does not mark a paste sends Enter at the end of each line."""
    async with driven(Situation.LOGIN) as run:
        await press(run, "login")
        await run.until(LoginScreen)
        run.backend.incomplete = "the request_token may be cut"
        await run.write("first")
        await run.press("enter")
        await wait_until(lambda: any("may be cut" in line for line in run.text()), "the refusal")
        run.backend.incomplete = ""
        await run.write("rest")
        await run.press("enter")
        await run.back_to_main()
        assert run.last_call() == ("login", "Z1", "first\nrest")


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
    backend = prepared_backend()
    backend.refusal = "the store cannot be reached; reload is off until it is back"
    async with driven(backend=backend) as run:
        await press(run, *(["show-bootstrap"] if action == "retry-failed" else []), action)
        await wait_until(lambda: len(run.app._notifications), "a notice")
        assert [notice.message for notice in run.app._notifications] == [backend.refusal]
        assert run.screen is run.main


async def test_an_account_that_is_out_of_room_or_unknown_is_not_a_crash() -> None:
    backend = prepared_backend()
    accounts = tuple(replace(account, state=AccountState.FAILED) for account in backend.state.accounts)
    backend.state = replace(backend.state, accounts=accounts)
    async with driven(backend=backend) as run:
        await press(run, "login")
        await run.until(PickerScreen)
        await run.press("escape")
        await run.back_to_main()
        assert run.calls == []


def test_every_action_has_a_test() -> None:
    assert {action.id for action in ACTIONS} - TESTED == set()


async def test_every_action_that_a_table_has_by_its_id_is_in_that_table_and_no_other_is() -> None:
    async with driven() as run:
        tables = {REQUEST: run.main.dialogs.action_ids, LOOK: run.chain.appearance.action_ids}
        for method, action_ids in tables.items():
            assert set(action_ids) == {action.id for action in ACTIONS if action.method == method}
