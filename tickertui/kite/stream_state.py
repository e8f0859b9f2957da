"""States of one WebSocket: told by `tickertui.kite.stream`, shown by the services' pictures of themselves."""

from __future__ import annotations

from enum import StrEnum


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
    """Refused with 429: another program uses this API key."""
    CLOSED = "closed"
