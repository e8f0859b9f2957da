"""Chain analytics: what the open interest of a chain says, and which strike is at the money.

Called by `tickertui.market.chain` for the totals below a chain; everything about volatilities is in
`volatility_analytics`. Arrays over strikes have shape (k,) and are sorted by strike, open interest is in units; a
missing value is NaN, and what is undefined comes back as NaN, never as 0.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from tickertui.market.mills import Floats

NAN: Final = float("nan")


def pain(strikes: Floats, call_oi: Floats, put_oi: Floats) -> Floats:
    """Return what option writers would pay if the underlying settled at each listed strike.

    pain(S) = sum call_oi max(S - K, 0) + sum put_oi max(K - S, 0), with running sums instead of k² terms. Open
    interest that is NaN counts as none.
    """
    calls, puts = np.nan_to_num(call_oi), np.nan_to_num(put_oi)
    below = strikes * np.cumsum(calls) - np.cumsum(calls * strikes)
    above = np.cumsum((puts * strikes)[::-1])[::-1] - strikes * np.cumsum(puts[::-1])[::-1]
    return below + above


def max_pain(strikes: Floats, call_oi: Floats, put_oi: Floats) -> float:
    """Return the listed strike with the least `pain` (the lowest of equals), NaN without open interest.

    Source: Zerodha Varsity, options theory, chapter 13.
    """
    if not len(strikes) or not (np.nansum(call_oi) > 0.0 or np.nansum(put_oi) > 0.0):
        return NAN
    return float(strikes[int(np.argmin(pain(strikes, call_oi, put_oi)))])


def atm_index(strikes: Floats, reference: float) -> int:
    """Return the index of the strike nearest the reference (forward or spot; the lower of two), -1 without one."""
    if not len(strikes) or math.isnan(reference):
        return -1
    return int(np.argmin(np.abs(strikes - reference)))


# ---------------------------------------------------------------------- positions
