"""States of one WebSocket: told by `tickertui.kite.stream`, shown by the services' pictures of themselves."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

TOO_MANY_SOCKETS: Final = (
    "the broker allows three connections for an API key, and counts as many: an earlier one that it has not let go of, "
    "or another program with this key"
)
"""Why it may refuse with 429. Which of the two it is, its answer does not tell."""


class StreamState(StrEnum):
    """State of one WebSocket."""

    IDLE = "idle"
    CONNECTING = "connecting"
    OPEN = "open"
    SILENT = "silent"
    """Open, but its watchdog has seen nothing for too long; about to be dropped."""
    BACKOFF = "backoff"
    AUTH = "auth"
    """Refused with 403."""
    LIMITED = "limited"
    """Refused with 429: the API key has as many connections as the broker allows, see `TOO_MANY_SOCKETS`."""
    CLOSED = "closed"
