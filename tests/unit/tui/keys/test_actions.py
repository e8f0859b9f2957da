"""The registry of actions: complete, without clashes, and what the user's keys may and may not do."""

from __future__ import annotations

import pytest

from tickertui.tui.keys.actions import (  # fmt: skip
    ACTIONS,
    BY_ID,
    PANEL_CONTEXTS,
    Context,
    bindings_of,
    key_table,
    outside_panels,
    panel_hint,
)
from tickertui.tui.keys.keymap import KeymapError, check_keymap, clashes

_TAKEN_BY_TERMINALS = {"ctrl+c", "ctrl+q", "ctrl+s", "ctrl+z", "ctrl+backslash", "ctrl+i", "ctrl+j", "ctrl+m", "ctrl+h",
                       "ctrl+a", "ctrl+b", "ctrl+p", "ctrl+w", "ctrl+n", "ctrl+t", "f1", "f10", "f11"}  # fmt: skip


def test_ids_are_unique_and_every_action_explains_itself() -> None:
    assert len(BY_ID) == len(ACTIONS)
    for action in ACTIONS:
        assert action.tooltip.endswith("."), action.id
        assert action.label, action.id


def test_no_key_means_two_things_in_one_place() -> None:
    assert clashes({}) == []


def test_no_action_sits_on_a_key_that_terminals_take() -> None:
    for action in ACTIONS:
        assert not _TAKEN_BY_TERMINALS & set(action.keys.split(",")), action.id


def test_looking_is_safe_only_upper_case_keys_act_at_once() -> None:
    for action in ACTIONS:
        if action.asks:
            assert action.keys.isupper(), f"{action.id} changes something and must be upper case"


def test_bindings_carry_id_and_tooltip() -> None:
    (binding,) = [item for item in bindings_of(Context.CHAIN) if item.id == "chain-to-atm"]
    assert (binding.key, binding.action, binding.tooltip) == (
        "a",
        "look('chain-to-atm')",
        "Go to the strike at the money.",
    )


def test_a_good_keymap_is_taken() -> None:
    assert check_keymap({"chain-to-atm": "f5, home", "first-strike": "g"}) == {
        "chain-to-atm": "f5,home",
        "first-strike": "g",
    }


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"chain-to-atn": "x"}, "keys.chain-to-atn: is not an action; did you mean 'chain-to-atm'?"),
        ({"zzzz": "x"}, "keys.zzzz: is not an action; `?` in the program lists the ids"),
        ({"why": "d"}, "keys: 'd' means both 'why' and 'depth'; move one of them"),
        ({"why": "r"}, "keys: 'r' means both 'reload-plan' and 'why'; move one of them"),
        ({"why": "f5,"}, "keys.why: names no key (it is 'f5,')"),
        ({"why": "y", "copy": "f5"}, "keys: 'y' means both 'why' and 'copy-text'; move one of them"),
        ({"list-down": "n", "next-view": "f5"}, "keys: 'n' means both 'new-rule' and 'list-down'; move one of them"),
        ({"preset-next": "j"}, "keys: 'j' means both 'list-down' and 'preset-next'; move one of them"),
        ({"answer-no": "y"}, "keys: 'y' means both 'answer-yes' and 'answer-no'; move one of them"),
        ({"complete": "enter"}, "keys: 'Enter' means both 'take' and 'complete'; move one of them"),
        ({"jump": "escape"}, "keys: 'Esc' means both 'jump' and 'back'; move one of them\n"
                             "keys: 'Esc' means both 'jump' and 'close-panel'; move one of them"),
        ({"take": "x"}, "keys.take: 'x' could not be typed any more in Panels that take something; "
                        "take a key without a sign"),
        ({"choice-up": "minus"}, "keys.choice-up: '-' could not be typed any more in Pickers; "
                                 "take a key without a sign"),
    ],
)  # fmt: skip
def test_a_bad_keymap_is_refused_with_both_names(keys: dict[str, str], sentence: str) -> None:
    with pytest.raises(KeymapError) as caught:
        check_keymap(keys)
    assert str(caught.value) == sentence


def test_two_actions_may_swap_keys() -> None:
    assert check_keymap({"why": "d", "depth": "i"}) == {"why": "d", "depth": "i"}


def test_a_mistake_names_the_setting_to_look_at() -> None:
    for keys, settings in (
        ({"why": "d"}, ["why"]),
        ({"depth": "i"}, ["depth"]),
        ({"zz": "x", "why": ""}, ["zz", "why"]),
    ):
        with pytest.raises(KeymapError) as caught:
            check_keymap(keys)
        assert [mistake.action_id for mistake in caught.value.mistakes] == settings


def test_the_same_key_may_mean_different_things_in_different_panels() -> None:
    keys = {"take": "f5", "copy-text": "n", "answer-no": "c", "preset-next": "n", "copy-address": "tab"}
    assert check_keymap(keys) == keys


def test_what_panels_alone_can_do_is_left_to_them() -> None:
    anywhere = {action.id for action in outside_panels()}
    assert {"why", "list-down", "leave-replay"} <= anywhere
    assert anywhere | {item.id for item in bindings_of(*PANEL_CONTEXTS)} == set(BY_ID)
    assert not anywhere & {item.id for item in bindings_of(*PANEL_CONTEXTS)}


def test_single_actions_of_another_context_can_be_bound_too() -> None:
    assert [item.id for item in bindings_of(Context.PANEL, "jump")] == ["jump", "close-panel"]


def test_hints_of_panels_name_the_own_keys() -> None:
    parts = (("choice-up choice-down", "choose"), ("take", "take"), ("close-panel", "back"))
    assert panel_hint({}, parts) == "↑↓ choose  Enter take  Esc back"
    assert panel_hint({"choice-down": "f6", "take": "f5,enter"}, parts) == "↑/f6 choose  f5 take  Esc back"


def test_the_key_table_lists_every_action() -> None:
    table = key_table()
    assert all(f"`{action.id}`" in table for action in ACTIONS)
