"""`Plausibility` and `DumpJudge`: whether a dump can be taken for whole.

A dump that was cut off on its way looks like one from which contracts have gone. What lacks an exchange or is much
shorter than the one before is therefore refused once; it is taken when nothing that is subscribed is missing in it, or
when the next one lacks the same. Without that, one exchange that the broker takes out would bar every later list.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.instruments import InstrumentTable
from tickertui.services.contracts.day_contracts import DayContracts

Needed = Callable[[], Collection[int] | None]
"""Tokens that are subscribed, None while that is not known yet."""


class DumpRefused(Exception):  # noqa: N818 - says what happened
    """A dump cannot be whole; the contracts before it stay in force. The text is one sentence."""


@frozen
class Shortage:
    """What a dump lacks of the one before.

    Attributes:
        reason: One sentence.
        exchanges: Exchanges that are not there any more.
        rows: Contracts that it has, where they are too few; 0 where they are not.
        day: Of the dump.
    """

    reason: str
    exchanges: tuple[str, ...]
    rows: int
    day: date

    def is_again(self, before: Shortage | None) -> bool:
        """Whether a refused dump lacked the same: no more exchanges; too few rows only on another day."""
        if before is None or not set(self.exchanges) <= set(before.exchanges):
            return False
        return not self.rows or (before.rows > 0 and self.day > before.day)


@frozen
class Plausibility:
    """What a dump must have to be taken for whole.

    Attributes:
        exchanges: Exchanges that must be there in any case.
        least_part: Of the contracts of the dump before that have not expired, on exchanges that are still there.
    """

    exchanges: tuple[str, ...] = ("NFO",)
    least_part: float = 0.9

    def shortage(
        self, table: InstrumentTable, before: DayContracts, day: date, over: NDArray[np.bool_]
    ) -> Shortage | None:
        """Compare a dump with the one before; None where nothing is missing.

        Args:
            table: The dump.
            before: The contracts in force.
            day: Of the dump.
            over: bool[n], which contracts of ``before`` have expired: those are not missed.

        Raises:
            DumpRefused: When there are no contracts at all.
        """
        if not len(table):
            raise DumpRefused(f"the contracts of {day:%d %b} are empty; those of before stay in force")
        if before.bundled or not len(before):
            return None
        missing = sorted(set(before.table.exchanges).difference(table.exchanges))
        alive = ~over
        if missing:
            alive &= ~np.isin(np.asarray(before.table.exchanges), missing)
        expected = int(alive.sum())
        is_short = len(table) < expected * self.least_part
        if not (missing or is_short):
            return None
        lacks = [f"lack {listed(missing)}"] if missing else []
        lacks += [f"are only {len(table):,} where {expected:,} were expected"] if is_short else []
        stay = f"those of {before.day:%d %b} stay in force" if before.day else "those before stay in force"
        reason = f"the contracts of {day:%d %b} {' and '.join(lacks)}; {stay}"
        return Shortage(reason, tuple(missing), len(table) if is_short else 0, day)

    def check_broker(self, table: InstrumentTable, day: date) -> None:
        """Look for what the broker's dump always has.

        Raises:
            DumpRefused: With what is missing.
        """
        missing = sorted(set(self.exchanges).difference(table.exchanges))
        if missing:
            raise DumpRefused(f"the broker's contracts of {day:%d %b} lack {listed(missing)}; they are not used")


class DumpJudge:
    """Takes or refuses one dump after another; see the module.

    Attributes:
        needed: See `Needed`; the plan's owner sets it.

    Args:
        plausibility: What a dump must have.
    """

    def __init__(self, plausibility: Plausibility) -> None:
        self.needed: Needed = lambda: None
        self._plausibility = plausibility
        self._refused: Shortage | None = None

    def check_broker(self, table: InstrumentTable, day: date) -> None:
        """Look for what the broker's dump always has.

        Raises:
            DumpRefused: With what is missing.
        """
        self._plausibility.check_broker(table, day)

    def check(self, table: InstrumentTable, before: DayContracts, day: date, over: NDArray[np.bool_]) -> None:
        """Take a dump, or refuse it for what it lacks; for the arguments see `Plausibility.shortage`.

        Raises:
            DumpRefused: With what is missing.
        """
        shortage = self._plausibility.shortage(table, before, day, over)
        if shortage is None or shortage.is_again(self._refused) or self._is_harmless(table, before, shortage):
            self._refused = None
            return
        self._refused = shortage
        again = "" if shortage.rows else "; the next list is taken even so"
        raise DumpRefused(f"{shortage.reason}{again}")

    def _is_harmless(self, table: InstrumentTable, before: DayContracts, shortage: Shortage) -> bool:
        """Whether only exchanges are missing, and nothing of them is subscribed."""
        needed = self.needed()
        if shortage.rows or not needed:
            return False
        return not any(before.table.row(token) is not None and table.row(token) is None for token in needed)


def listed(names: Sequence[str]) -> str:
    """Return ``BFO``, or ``BFO, CDS and MCX``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
