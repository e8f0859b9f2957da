"""How long a backfill takes, in words; the dash where that cannot be told."""

from __future__ import annotations

from math import nan

from tickertui.tui.look.format import duration as format_duration


def duration(seconds: float | None) -> str:
    """Return a span of time, the dash when it cannot be told."""
    return format_duration(nan if seconds is None else seconds)
