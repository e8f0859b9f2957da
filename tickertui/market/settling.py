"""Whether an index stands still in the closing auction of its cash market, or has printed its settling value.

Called by the valuation (what may be a forward) and by the chain's frame reader (what the header says). The rule:

- An index is *frozen* from the beginning of the auction until it has settled. A price that stands still is no forward.
- It has *settled* with a print that is stamped within the auction's last step (the matching, or the random close) and
  brought another price then, or with any print that is stamped at or after the auction's end. Before its last step
  nothing settles, whatever is printed: an index that repeats its price every second is as frozen as a silent one.
- Whoever starts within the last step saw no change. What was printed then and has not been repeated for `REPEATED_S`
  is the result; an index that is printed on and on may still be repeating the price that the auction holds.
- Contracts that expire on the day are settled at that value: it is their forward, and no time value is left.
"""

from __future__ import annotations

from datetime import datetime, time
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tickertui.frozen import frozen
from tickertui.market.hours import Session

_DAY_S: Final = 86_400.0
REPEATED_S: Final = 15.0
"""An index that repeats its price does so every second or two: one that was silent for so long does not."""

Flags = NDArray[np.bool_]


@frozen
class AuctionTimes:
    """The closing auction of one session, in epoch seconds; infinite where the session has none.

    Attributes:
        begins: When the index stops.
        result: From when a print with another price settles.
        ends: From when any print settles.
    """

    begins: float = float("inf")
    result: float = float("inf")
    ends: float = float("inf")

    @classmethod
    def of(cls, session: Session | None) -> AuctionTimes:
        """Return the times of a cash market's session; None, or one without an auction, freezes nothing."""
        if session is None or session.auction is None or session.auction_result is None:
            return NO_AUCTION
        begins, result, end = session.auction, session.auction_result, session.auction_end
        return cls(begins.timestamp(), result.timestamp(), end.timestamp())

    def is_of(self, now: datetime) -> bool:
        """Whether it is of the day of an instant (aware, in market time)."""
        day = datetime.combine(now.date(), time(), now.tzinfo).timestamp()
        return day <= self.begins < day + _DAY_S

    def settled(self, now: float, stamps: ArrayLike, moved: ArrayLike) -> Flags:
        """Return which indices have printed their settling value.

        Args:
            now: Epoch seconds.
            stamps: Epoch seconds of their last prints, 0 for none.
            moved: Epoch seconds at which their prices changed last, 0 where no change was seen (a first print).
        """
        stamps, moved = np.asarray(stamps, dtype=np.float64), np.asarray(moved, dtype=np.float64)
        printed = np.where(moved == 0, stamps <= now - REPEATED_S, moved >= self.result)
        found: Flags = (stamps >= self.ends) | ((stamps >= self.result) & printed)
        return found

    def frozen(self, now: float, stamps: ArrayLike, moved: ArrayLike) -> Flags:
        """Return which indices stand still; see `settled`.

        Args:
            now: Epoch seconds.
            stamps: As for `settled`.
            moved: As for `settled`.
        """
        if now < self.begins:
            return np.zeros(np.shape(stamps), dtype=np.bool_)
        return ~self.settled(now, stamps, moved)


NO_AUCTION: Final = AuctionTimes()
"""Of a market that has no closing auction."""
