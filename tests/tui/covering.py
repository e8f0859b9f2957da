"""Which actions of the registry have a test that presses their keys; `test_keys.py` asks that none is without."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from tests.tui.driving import Driven
from tickertui.tui.keys.actions import BY_ID

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
