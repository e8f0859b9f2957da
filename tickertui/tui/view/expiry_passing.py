"""What happens when the shown chain expires: it stays for a moment, says so, and the next one follows.

The chain pane asks it each time that it looks at the list of expiries. Used by `tickertui.tui.panes.chain.pane`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Final

import numpy as np

from tickertui.frozen import frozen
from tickertui.tui.view.data_states import DataState, MarketView
from tickertui.tui.view.frames import ChainFrame, QuoteView

WAIT_NS: Final = 10_000_000_000
"""How long an expired chain stays before the next one takes its place."""


@frozen
class _Passing:
    underlying: str
    expired: date
    following: date
    until_ns: int
    stays: bool = False


class ExpiryPassing:
    """Remembers that the shown expiry is over, until another chain is shown or the trader stays."""

    def __init__(self) -> None:
        self._now: _Passing | None = None

    @property
    def is_on(self) -> bool:
        """Whether an expired chain is shown, so that its last picture must not be drawn again from an empty board."""
        return self._now is not None

    def holds(self, underlying: str, expired: date, following: date, now_ns: int) -> bool:
        """Tell whether an expired chain stays for now.

        Args:
            underlying: That is shown.
            expired: Its expiry, which is not listed any more.
            following: The expiry that comes next.
            now_ns: Monotonic time.
        """
        passing = self._now
        if passing is None or (passing.underlying, passing.expired) != (underlying, expired):
            passing = _Passing(underlying, expired, following, now_ns + WAIT_NS)
        self._now = passing
        if passing.stays or now_ns < passing.until_ns:
            return True
        self._now = None
        return False

    def stay(self) -> bool:
        """Keep showing the expired chain until another is chosen; False where none is."""
        passing = self._now
        if passing is None or passing.stays:
            return False
        self._now = _Passing(passing.underlying, passing.expired, passing.following, passing.until_ns, stays=True)
        return True

    def over(self) -> None:
        """Another chain was chosen."""
        self._now = None

    def text(self, now_ns: int, key: str) -> str:
        """Return what the status bar says: ``NIFTY 23 Nov has expired: 01 Dec follows in 8s, Esc stays``."""
        passing = self._now
        if passing is None:
            return ""
        words = f"{passing.underlying} {passing.expired:%d %b} has expired"
        if passing.stays:
            return f"{words}: its last values"
        left = max(0, passing.until_ns - now_ns + 999_999_999) // 1_000_000_000
        return f"{words}: {passing.following:%d %b} follows in {left}s, {key} stays"


def as_expired(frame: ChainFrame, at: datetime, market: MarketView) -> ChainFrame:
    """Return the last picture of an expired chain as it is worth now: last values, no arrows, today's time.

    Args:
        frame: The last one that was read while it traded.
        at: Wall time now.
        market: What the calendar says now.
    """
    over = np.isin(frame.states, _TRADED)
    states = np.where(over, np.int8(DataState.CLOSED), frame.states).astype(np.int8)
    still = np.zeros_like(frame.directions)
    changed = over.any(axis=1)
    number = frame.number + 1 if changed.any() else frame.number
    return replace(
        frame, at=at, market=market, states=states, directions=still, flashes=still, number=number,
        ages=np.full_like(frame.ages, -1), underlying=_closed(frame.underlying),
        future=None if frame.future is None else _closed(frame.future),
        others=tuple(_closed(quote) for quote in frame.others),
        row_versions=np.where(changed, number, frame.row_versions),
    )  # fmt: skip


def _closed(quote: QuoteView) -> QuoteView:
    return replace(quote, direction=0, state=DataState.CLOSED) if quote.state in _TRADED else quote


_TRADED: Final = np.array(
    [DataState.LIVE, DataState.QUIET, DataState.STALE, DataState.SNAP, DataState.CAS, DataState.DOUBT]
)
