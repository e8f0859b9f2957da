"""The keys of lists and panels: rules, accounts, legs, gaps, events, pickers, questions, the column editor."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest
from textual import events
from textual.keys import key_to_character
from textual.widgets import Input

from tests.support.waiting import wait_until
from tests.tui.covering import covers, press
from tests.tui.driving import STILL, Driven, driven
from tickertui.market.subscriptions import ChainRule
from tickertui.services.plan.status import RuleCost
from tickertui.tui.keys.keymap import check_keymap
from tickertui.tui.panels.base import ConfirmScreen, ListScreen, PanelScreen, PickerScreen
from tickertui.tui.panels.column_editor import ColumnsScreen
from tickertui.tui.panels.command_line import CommandLineScreen
from tickertui.tui.panels.help import HelpScreen
from tickertui.tui.panels.jump import JumpScreen
from tickertui.tui.panels.new_rule import NewRuleScreen
from tickertui.tui.panels.reload_plan import ReloadPlanScreen
from tickertui.tui.view.backend import BackendRefused

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


async def test_a_rule_that_cannot_be_had_keeps_its_line_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async with driven() as run:

        async def refuse(rule: ChainRule) -> RuleCost:
            raise BackendRefused(f"there is no account {rule.preferred_account} in the configuration")

        monkeypatch.setattr(run.backend, "what_if", refuse)
        await press(run, "show-subscriptions", "new-rule")
        await run.until(NewRuleScreen)
        run.screen.query_one(Input).value = "NIFTY 1 5 full @Z9"
        await run.press("enter")
        await wait_until(lambda: any("no account Z9" in line for line in run.text()), "why not")
        assert run.screen.query_one(Input).value == "NIFTY 1 5 full @Z9"
        assert not [call for call in run.backend.calls if call[0] == "add_rule"]


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


def type_at_once(run: Driven, keys: Sequence[str]) -> None:
    """Send keys as a terminal sends a burst: none waits for what the one before has done."""
    for key in keys:
        run.app.post_message(events.Key(key, key if len(key) == 1 else key_to_character(key)))


async def test_enter_does_not_overtake_the_letters_before_it() -> None:
    """The letters wait in the line's queue; a key of the panel is looked at before the line gets it."""
    async with driven() as run:
        assert run.chain.underlying == "NIFTY"
        await press(run, "pick-underlying")
        await run.until(PickerScreen)
        type_at_once(run, [*"BANKN", "enter"])
        await wait_until(lambda: run.chain.underlying == "BANKNIFTY", "what was typed is taken")


async def test_tab_completes_what_was_typed_before_it() -> None:
    async with driven() as run:
        await press(run, "command")
        await run.until(CommandLineScreen)
        type_at_once(run, [*"underly", "tab", *"BANKN", "tab"])
        await wait_until(lambda: run.screen.query_one(Input).value == "underlying BANKNIFTY", "both completed")
        type_at_once(run, ["backspace", "X", "enter"])
        await wait_until(lambda: run.screen is run.main, "the line is taken")


@pytest.mark.parametrize("action", ["reload-plan", "login", "theme", "command"])
async def test_a_key_that_is_held_down_leaves_no_request_behind_that_never_began(action: str) -> None:
    """Of a burst all requests but the last are cancelled before they start: pytest makes their warning an error."""
    async with driven() as run:
        for _ in range(10):
            run.main.run_action_id(action)
        await run.pilot.pause()
        await wait_until(lambda: run.screen is not run.main, "the panel")
        gc.collect()


async def test_a_burst_of_letters_is_searched_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three thousand letters of a paste were as many searches of all contracts: half a minute without an answer."""
    async with driven() as run:
        searched: list[str] = []
        await press(run, "find")
        await run.until(PickerScreen)

        def search(text: str) -> tuple[()]:
            searched.append(text)
            return ()

        monkeypatch.setattr(run.screen, "_search", search)
        type_at_once(run, "x" * 300)
        await wait_until(lambda: "x" * 300 in searched, "the search for all of it")
        assert len(searched) < 30
