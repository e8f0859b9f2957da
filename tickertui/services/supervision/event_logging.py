"""Events of the program go into the log: the engine has `EventLog` call `log_event`."""

from __future__ import annotations

import logging.handlers
from typing import Final

from tickertui.services.supervision.events import Event, Severity

_EVENTS: Final = logging.getLogger("events")


_LEVELS: Final = {Severity.INFO: logging.INFO, Severity.WARNING: logging.WARNING, Severity.ERROR: logging.ERROR}


def log_event(event: Event) -> None:
    """Write an event of the program to the log, with its own time; a listener of `EventLog`."""
    account = f"{event.account}: " if event.account else ""
    _EVENTS.getChild(event.topic).log(_LEVELS[event.severity], "%s%s", account, event.text, extra={"at": event.at})
