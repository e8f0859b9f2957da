"""Sessions that were seen and not planned, and planned ones that did not take place, kept in a file over restarts.

`ObservedHours` reads it at its start and writes it after each change, so that the backfill of a later day still knows
of a special session that no calendar listed. One file a broker: a simulator's days are not the market's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tickertui.frozen import frozen
from tickertui.market.clock import IST
from tickertui.process.atomic_write import write_atomically

_KEPT: Final = timedelta(days=60)


@frozen
class SeenSession:
    """A session that was seen, or one of the calendar's that was not.

    Attributes:
        segment: As the calendar names it.
        open: Its start.
        close: Its end, None for one of the calendar's that did not take place.
    """

    segment: str
    open: datetime
    close: datetime | None


def read_seen_sessions(path: Path) -> tuple[SeenSession, ...]:
    """Return what is in the file; nothing where there is none.

    Raises:
        ValueError: When it cannot be used: one sentence.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["sessions"]
        return tuple(
            SeenSession(str(entry["segment"]), _time(entry["open"]), _time(entry["close"]) if entry["close"] else None)
            for entry in entries
        )
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"{path} cannot be read: sessions that were seen on earlier days are not known") from None


def write_seen_sessions(path: Path, sessions: Iterable[SeenSession], now: datetime) -> None:
    """Write them, without those of long ago.

    Raises:
        OSError: When the file cannot be written.
    """
    entries: list[dict[str, Any]] = [
        {
            "segment": session.segment,
            "open": session.open.isoformat(),
            "close": None if session.close is None else session.close.isoformat(),
        }
        for session in sessions
        if now - session.open < _KEPT
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"sessions": entries}, indent=1) + "\n")


def _time(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return instant.astimezone(IST)
