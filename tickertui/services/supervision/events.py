"""`EventLog`: a bounded record of everything that happened, read by the events pane and by ``headless``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from tickertui.frozen import frozen
from tickertui.market.clock import Clock


class Severity(StrEnum):
    """How loud an event is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@frozen
class Event:
    """Something that happened, for the events pane and ``headless``.

    Attributes:
        sequence: Ascending from 1.
        at: Aware datetime.
        severity: See `Severity`.
        topic: Short kebab-case word: ``reload``, ``stream``, ``account``, ``market``, ``bootstrap``, ``instruments``.
        text: One sentence without a secret.
        account: Account id, empty when it concerns none.
    """

    sequence: int
    at: datetime
    severity: Severity
    topic: str
    text: str
    account: str = ""


class EventLog:
    """The latest events, oldest first.

    Args:
        clock: Stamps the events.
        limit: How many are kept.
    """

    def __init__(self, clock: Clock, limit: int = 2000) -> None:
        if limit < 1:
            raise ValueError(f"an event log keeps at least one event, not {limit}")
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=limit)
        self._sequence = 0
        self._listeners: list[Callable[[Event], None]] = []

    @property
    def sequence(self) -> int:
        """Number of the newest event, 0 before the first."""
        return self._sequence

    def add(self, topic: str, text: str, *, severity: Severity = Severity.INFO, account: str = "") -> Event:
        """Record one event and hand it to the listeners."""
        self._sequence += 1
        event = Event(self._sequence, self._clock.now(), severity, topic, text, account)
        self._events.append(event)
        for listener in tuple(self._listeners):
            listener(event)
        return event

    def since(self, sequence: int = 0) -> tuple[Event, ...]:
        """Return the kept events with a higher number than ``sequence``, oldest first."""
        return tuple(event for event in self._events if event.sequence > sequence)

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``listener`` at once with each new event, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
