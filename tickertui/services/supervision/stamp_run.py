"""`StampRun`: whether the exchange's time stamps advance in step with the receipt of their packets.

A stamp that stands still (the closing auction, a shut market), one that the broker had cached and one stray packet
that is stamped ahead say nothing about now; stamps that advance as fast as their packets come do. `SkewWatch` and
`ObservedHours` each keep one for what they watch.
"""

from __future__ import annotations

from typing import Final

_STEP_S: Final = 2.0
"""Stamps are whole seconds, and a packet takes up to about a second: two times that differ by no more go together."""


class StampRun:
    """Stamps of one source, taken in as they come.

    Attributes:
        stamp: The newest one of the run, epoch seconds, 0 before the first.
        received_s: When its packet came, wall seconds.
        advances: How many times the stamp has become a later one within the run.

    Args:
        pace: Seconds of wall time in a second of the machine's: a simulated market's packets are late by as much more.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self.stamp = 0
        self.received_s = 0.0
        self.advances = 0
        self._tolerance_s = _STEP_S * max(1.0, pace)
        self._first_stamp = 0
        self._first_received_s = 0.0

    @property
    def seconds(self) -> int:
        """Seconds by which the stamps of the run have advanced."""
        return self.stamp - self._first_stamp

    def take(self, stamp: int, received_s: float) -> None:
        """Take in the stamp of a packet; one that is out of step begins a new run.

        Args:
            stamp: Epoch seconds.
            received_s: Wall seconds of its receipt.
        """
        passed = (stamp - self._first_stamp) - (received_s - self._first_received_s)
        if not self.stamp or stamp < self.stamp or abs(passed) > self._tolerance_s:
            self._first_stamp, self._first_received_s, self.advances = stamp, received_s, 0
        elif stamp > self.stamp:
            self.advances += 1
        self.stamp, self.received_s = stamp, received_s
