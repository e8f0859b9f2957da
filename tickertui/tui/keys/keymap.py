"""The keys of the configuration (``[keys]``): checked against the registry before the program starts with them.

`tickertui.commands.run` calls `check_keymap` and says what is wrong with file and line. Textual itself ignores unknown
ids and lets one binding silently disable another, so both are refused here.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final

from textual.binding import Keymap
from textual.keys import key_to_character

from tickertui.frozen import frozen
from tickertui.tui.keys.actions import ACTIONS, BY_ID, Action, Context, key_display


@frozen
class KeyMistake:
    """One mistake in the user's keys.

    Attributes:
        action_id: As it stands in the configuration: the line to look at.
        key: Dotted key of the setting, ``keys`` where two of them clash.
        text: What is wrong and how to mend it.
    """

    action_id: str
    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"


class KeymapError(ValueError):
    """The ``[keys]`` of the configuration cannot be used; the text has one sentence a mistake.

    Attributes:
        mistakes: Every mistake.
    """

    def __init__(self, mistakes: tuple[KeyMistake, ...]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(map(str, mistakes)))


@frozen
class _Together:
    """What is active at the same time: all actions of some contexts, and single ones of others."""

    contexts: tuple[Context, ...]
    ids: tuple[str, ...] = ()

    def has(self, action: Action) -> bool:
        return action.context in self.contexts or action.id in self.ids


_PLACES: Final = (
    _Together((Context.APP, Context.CHAIN, Context.REPLAY)),
    _Together((Context.APP, Context.SUBSCRIPTIONS, Context.LIST, Context.REPLAY)),
    _Together((Context.APP, Context.BOOTSTRAP, Context.LIST, Context.REPLAY)),
    _Together((Context.APP, Context.EVENTS, Context.LIST, Context.REPLAY)),
    # Panels have the keys for themselves: lists and plans, the views of a leg, questions, what one types in, ...
    _Together((Context.PANEL, Context.TAKE, Context.TEXT, Context.LIST)),
    _Together((Context.PANEL, Context.TEXT, Context.LIST), ("why", "depth", "leg")),
    _Together((Context.PANEL, Context.QUESTION)),
    _Together((Context.PANEL, Context.TAKE, Context.PICKER, Context.COMPLETION)),
    _Together((Context.PANEL, Context.TAKE, Context.LOGIN)),
    _Together((Context.PANEL, Context.TAKE, Context.LIST, Context.COLUMNS)),
    _Together((Context.PANEL,), ("jump",)),
)


def check_keymap(keys: Mapping[str, str]) -> Keymap:
    """Check the user's keys and return them as Textual's keymap.

    Args:
        keys: Action id -> key or comma separated keys.

    Raises:
        KeymapError: An unknown id (with the nearest one), an empty key, a letter that could not be typed any more, or
            two actions on one key in one place.
    """
    mistakes = [mistake for action_id, value in keys.items() for mistake in _mistakes_of(action_id, value)]
    mistakes += clashes(keys)
    if mistakes:
        raise KeymapError(tuple(mistakes))
    return {action_id: ",".join(_split(value)) for action_id, value in keys.items()}


def _split(value: str) -> list[str]:
    return [key.strip() for key in value.split(",")]


def _mistakes_of(action_id: str, value: str) -> list[KeyMistake]:
    """What is wrong with one setting, whatever the others are."""
    action = BY_ID.get(action_id)
    if action is None:
        close = difflib.get_close_matches(action_id, BY_ID, n=1)
        remedy = f"did you mean {close[0]!r}?" if close else "`?` in the program lists the ids"
        return [KeyMistake(action_id, f"keys.{action_id}", f"is not an action; {remedy}")]
    if not all(_split(value)):
        return [KeyMistake(action_id, f"keys.{action_id}", f"names no key (it is {value!r})")]
    letters = [key for key in _split(value) if action.is_before_typing and _is_typed(key)]
    if letters:
        text = f"{key_display(letters[0])!r} could not be typed any more in {action.context}; take a key without a sign"
        return [KeyMistake(action_id, f"keys.{action_id}", text)]
    return []


def _is_typed(key: str) -> bool:
    """Whether a key writes a sign into a line. Textual does not know the sign of all of its names (``minus``)."""
    sign = key_to_character(key) or ""
    return (bool(sign) and sign.isprintable()) or (len(key_display(key)) == 1 and key_display(key).isascii())


def clashes(keys: Mapping[str, str]) -> list[KeyMistake]:
    """Return one mistake for every two actions that share a key in one place.

    Args:
        keys: The user's own keys by action id; the others have their defaults.
    """
    found: dict[tuple[str, str], KeyMistake] = {}
    for place in _PLACES:
        owner: dict[str, str] = {}
        for action in filter(place.has, ACTIONS):
            for key in _split(keys.get(action.id, action.keys)):
                other = owner.setdefault(key, action.id)
                if other != action.id:
                    text = f"{key_display(key)!r} means both {other!r} and {action.id!r}; move one of them"
                    moved = action.id if action.id in keys else other
                    found.setdefault((other, action.id), KeyMistake(moved, "keys", text))
    return list(found.values())
