"""`Coverage`: of how many listed legs an aggregate knows the value, and whether that is enough to show it.

Carried by the sums and ratios of `tickertui.market.chain`, and by whatever counts legs on the screen. A sum over a part
is not the total: while the backfill brought yesterday's open interest, the sum of its changes read +5.74L, +53.5L and
+51.1L on the same morning; and a ratio over the strikes that a rule subscribes is that of the rule, not of the chain.
"""

from __future__ import annotations

from typing import Final

from tickertui.frozen import frozen

LEAST_SHARE: Final = 0.5
"""Least share of the listed legs that an aggregate is shown for. With less, more is missing than is there, and what is
there is no sample of it: subscribed and fetched first are the strikes around the money. From here on up the value is
shown with its coverage, and from all legs on without."""


@frozen
class Coverage:
    """How much of a chain an aggregate rests on.

    Attributes:
        known: Legs with a value.
        listed: Legs that are listed.
    """

    known: int = 0
    listed: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether every listed leg is in it."""
        return self.known >= self.listed

    @property
    def is_enough(self) -> bool:
        """Whether it may be shown."""
        return self.known > 0 and self.known >= LEAST_SHARE * self.listed

    @property
    def text(self) -> str:
        """``61/105``; empty where the aggregate is whole, or where nothing of it is known."""
        return "" if self.is_whole or not self.known else f"{self.known}/{self.listed}"

    def __add__(self, other: Coverage) -> Coverage:
        """Return the coverage of both together."""
        return Coverage(self.known + other.known, self.listed + other.listed)
