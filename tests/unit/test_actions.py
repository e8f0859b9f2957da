"""The registry of actions: complete, without clashes, and what the user's keys may and may not do."""

from __future__ import annotations

import pytest

from tickertui.tui.actions import ACTIONS, BY_ID, Context, KeymapError, bindings_of, check_keymap, clashes, key_table

_TAKEN_BY_TERMINALS = {"ctrl+c", "ctrl+q", "ctrl+s", "ctrl+z", "ctrl+backslash", "ctrl+i", "ctrl+j", "ctrl+m", "ctrl+h",
                       "ctrl+a", "ctrl+b", "ctrl+p", "ctrl+w", "ctrl+n", "ctrl+t", "f1", "f10", "f11"}  # fmt: skip


def test_ids_are_unique_and_every_action_explains_itself() -> None:
    assert len(BY_ID) == len(ACTIONS)
    for action in ACTIONS:
        assert action.tooltip.endswith("."), action.id
        assert action.label, action.id


def test_no_key_means_two_things_in_one_place() -> None:
    assert clashes({action.id: action.keys for action in ACTIONS}) == []


def test_no_action_sits_on_a_key_that_terminals_take() -> None:
    for action in ACTIONS:
        assert not _TAKEN_BY_TERMINALS & set(action.keys.split(",")), action.id


def test_looking_is_safe_only_upper_case_keys_act_at_once() -> None:
    for action in ACTIONS:
        if action.asks:
            assert action.keys.isupper(), f"{action.id} changes something and must be upper case"


def test_bindings_carry_id_and_tooltip() -> None:
    (binding,) = [item for item in bindings_of(Context.CHAIN) if item.id == "chain-to-atm"]
    assert (binding.key, binding.action, binding.tooltip) == ("a", "to_atm", "Go to the strike at the money.")


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
    ],
)
def test_a_bad_keymap_is_refused_with_both_names(keys: dict[str, str], sentence: str) -> None:
    with pytest.raises(KeymapError) as caught:
        check_keymap(keys)
    assert str(caught.value) == sentence


def test_two_actions_may_swap_keys() -> None:
    assert check_keymap({"why": "d", "depth": "i"}) == {"why": "d", "depth": "i"}


def test_the_key_table_lists_every_action() -> None:
    table = key_table()
    assert all(f"`{action.id}`" in table for action in ACTIONS)
