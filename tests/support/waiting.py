"""Waiting for a condition with a deadline and a description, instead of sleeping and hoping."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio

T = TypeVar("T")


async def wait_until(predicate: Callable[[], T], description: str, *, timeout: float = 10.0, poll: float = 0.005) -> T:
    """Return the first truthy value of ``predicate()``.

    Args:
        predicate: Called on the event loop until it returns something truthy.
        description: What is waited for; it is the text of the failure.
        timeout: Seconds of the loop's own clock.
        poll: Seconds between two looks.

    Raises:
        AssertionError: When the deadline passes first.
    """
    with anyio.move_on_after(timeout):
        while True:
            value = predicate()
            if value:
                return value
            await anyio.sleep(poll)
    raise AssertionError(f"waited {timeout} s in vain for: {description}")
