"""`LastingNotification`: a notice whose time left is never over when somebody counts it down.

Textual mounts the toasts anew with every screen that opens or closes, each for the time that it has left by the wall
clock, and a machine may sleep or its clock be set meanwhile: the event loop has stood still over one (8.2.8). Here the
time left is always a moment at least.
`TickerApp.notify` makes these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from textual.notifications import Notification

_LEAST_S: Final = 0.05


@dataclass
class LastingNotification(Notification):
    """A notification of Textual with a time left between a moment and its whole time."""

    @property
    def time_left(self) -> float:
        """Seconds to show it, at least a moment; a clock that was set back does not make it stay."""
        return min(max(super().time_left, _LEAST_S), max(self.timeout, _LEAST_S))

    @property
    def has_expired(self) -> bool:
        """Whether its time is over by the wall clock."""
        return super().time_left <= 0
