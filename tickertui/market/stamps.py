"""What an exchange's time stamp can be believed: used by the board for each batch, and by whoever reads a stamp.

A stamp says which of two packets of an instrument is the newer one. One that lies ahead of the market's clock would
hold its row until that clock has caught up, so it decides nothing. The market's clock is this machine's, unless most
instruments say otherwise: a machine that is behind makes every true stamp a stamp of the future.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

FIRST_TIME: Final = 946_684_800
"""Stamps before the year 2000 are none: the broker writes 0 for a time that it does not have, which reads 1970."""

AHEAD_S: Final = 2
"""Seconds that a stamp may be ahead of the clock: as far off as a clock may be without being told."""

DISORDER_S: Final = 2
"""Packets of two sockets overtake each other by no more than this."""

LATE_S: Final = 60
"""An exchange time this much behind the row's is another clock (a new session of the simulator), not disorder."""

_NS: Final = 1_000_000_000
_FRESH_S: Final = 10
"""Instruments that were heard within so many seconds say what the market's time is."""
_HEARD_S: Final = 120
_PART: Final = 0.25
"""Two odd packets while nothing else comes are no clock."""
_BEHIND_S: Final = 5
"""A fresh stamp is at most this much older than its arrival; the broker's cached packets are older."""
_BELIEVED_NS: Final = 30 * _NS
"""What the others said is asked again after this long: a clock may have been set right meanwhile."""
_NO_LIMIT: Final = (1 << 32) - 1


class StampWatch:
    """Tells which stamps can be true."""

    def __init__(self) -> None:
        self._ahead_s = 0
        self._asked_ns = -_BELIEVED_NS
        self._claim = (0, 0)

    def limits(self, received_wall_ns: int) -> tuple[int, int]:
        """Return the last stamps that can be true for what was received at a wall time, epoch seconds.

        Args:
            received_wall_ns: Epoch nanoseconds; before the year 2000 nobody knows the time, and nothing is ahead of it.

        Returns:
            By the market's clock and by this machine's.
        """
        second = received_wall_ns // _NS
        if second < FIRST_TIME:
            return _NO_LIMIT, _NO_LIMIT
        if self._ahead_s and not 0 <= received_wall_ns - self._asked_ns < _BELIEVED_NS:
            self._ahead_s = 0
        own = second + AHEAD_S
        return min(own + self._ahead_s, _NO_LIMIT), own

    def believes(
        self, rows: NDArray[np.intp], stamps: NDArray[np.uint32], received_ns: NDArray[np.int64], now_ns: int
    ) -> bool:
        """Ask the other instruments whether a stamp beyond the limit is true; if so, the limit moves with it.

        It is when more instruments that were heard a moment ago are ahead by as much than agree with this machine's
        clock, and they are no small part of those that were heard within minutes. An only instrument is believed when
        its next stamp is ahead by as much: then it is a clock that runs.

        Args:
            rows: Rows of the board that were just written with such a stamp; at least one.
            stamps: uint32[capacity], those of all rows, these already among them.
            received_ns: int64[capacity], epoch nanoseconds at which each row was received.
            now_ns: Of the batch, epoch nanoseconds.
        """
        now = now_ns // _NS
        latest = int(stamps[rows].max())
        claim = latest - now
        heard = int(np.count_nonzero(np.abs(received_ns - now_ns) < _HEARD_S * _NS))
        fresh = np.flatnonzero(np.abs(received_ns - now_ns) < _FRESH_S * _NS)
        ahead = stamps[fresh].astype(np.int64) - received_ns[fresh] // _NS
        claiming = int(np.count_nonzero(np.abs(ahead - claim) <= AHEAD_S))
        agreeing = int(np.count_nonzero((ahead <= AHEAD_S) & (ahead >= -_BEHIND_S)))
        before, self._claim = self._claim, (claim, latest)
        runs = abs(claim - before[0]) <= AHEAD_S and latest > before[1] > 0
        if claiming > agreeing and claiming >= _PART * heard and (claiming > 1 or runs):
            self._ahead_s, self._asked_ns = claim, now_ns
            return True
        return False


def is_late(stamps: NDArray[np.uint32], shown: NDArray[np.uint32], own_limit: int) -> NDArray[np.bool_]:
    """Return which packets come behind what their rows show already, bool[n].

    Args:
        stamps: uint32[n], of the packets.
        shown: uint32[n], of their rows; greater than ``stamps``.
        own_limit: Last stamp that can be true by this machine's clock: a later one of the row keeps no true tick out
            for longer than `DISORDER_S`.
    """
    behind = shown - stamps
    return (behind < LATE_S) & ((behind <= DISORDER_S) | (shown <= own_limit))
