"""What a chain's implied volatilities say: the level at the money, the lean of the smile, the rank in the history.

Called by the chain's third line, by the closing volatilities that the backfill keeps and by the rank among them.
Arrays over strikes are sorted by strike; a missing volatility is NaN; what is undefined comes back as NaN.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tickertui.frozen import frozen
from tickertui.market.mills import Floats

NAN: Final = float("nan")

SKEW_DELTA: Final = 0.25
"""Delta of the risk reversal."""

YEAR_SESSIONS: Final = 252
"""Daily values that rank and percentile look back on."""


def mean_of_legs(call_iv: Floats, put_iv: Floats) -> Floats:
    """Return the mean of call and put volatility per strike; with one missing the other, with both missing NaN."""
    mean = 0.5 * (call_iv + put_iv)
    return np.where(np.isnan(call_iv), put_iv, np.where(np.isnan(put_iv), call_iv, mean))


def atm_volatility(strikes: Floats, call_iv: Floats, put_iv: Floats, forward: float, *, gap: int = 0) -> float:
    """Return the at-the-money volatility: the mean of both legs, interpolated linearly in strike to the forward.

    The volatility of the nearest strike alone would jump by the smile's slope whenever the underlying crosses a
    midpoint. Linear in volatility between the strikes on either side of the money is how the first volatility index
    was made (R. Whaley, "The investor fear gauge", 2000, on the CBOE's VXO); linear in total variance, at one expiry,
    differs by 0.01 points where the two strikes are a point apart.

    Args:
        strikes: float64[k].
        call_iv: float64[k].
        put_iv: float64[k].
        forward: Rupees.
        gap: How many strikes without a volatility may be passed over on either side.

    Returns:
        NaN without a volatility on either side of the forward: the money is not read from the wings.
    """
    upper = int(strikes.searchsorted(forward))
    near = slice(max(upper - 1 - gap, 0), upper + 1 + gap)
    # A handful of numbers, each frame: numpy's calls would take longer than all of it.
    below, above = (NAN, NAN), (NAN, NAN)
    for strike, call, put in zip(strikes[near].tolist(), call_iv[near].tolist(), put_iv[near].tolist(), strict=True):
        value = (call + put) / 2 if call == call and put == put else call if call == call else put
        if value != value:
            continue
        if strike <= forward:
            below = strike, value
        if strike >= forward:
            above = strike, value
            break
    if below[0] == above[0]:
        return below[1]
    share = (forward - below[0]) / (above[0] - below[0])
    return below[1] + share * (above[1] - below[1])


def at_delta(delta: Floats, iv: Floats, target: float) -> float:
    """Interpolate a leg's volatility linearly in delta.

    Args:
        delta: float64[k], signed; rows with NaN in either array are left out.
        iv: float64[k].
        target: Signed delta, -0.25 for the 25-delta put.

    Returns:
        NaN where the target lies outside the known deltas.
    """
    known = ~(np.isnan(delta) | np.isnan(iv))
    order = np.argsort(delta[known], kind="stable")
    x, y = delta[known][order], iv[known][order]
    if not len(x) or not x[0] <= target <= x[-1]:
        return NAN
    return float(np.interp(target, x, y))


@frozen
class Skew:
    """How the smile leans, in volatility (0.01 = one point).

    Attributes:
        call: Volatility of the 25-delta call.
        put: Volatility of the 25-delta put.
        risk_reversal: call - put; negative is normal for indices (crash protection costs).
    """

    call: float
    put: float
    risk_reversal: float


def skew(call_delta: Floats, call_iv: Floats, put_delta: Floats, put_iv: Floats, delta: float = SKEW_DELTA) -> Skew:
    """Return the 25-delta risk reversal.

    Args:
        call_delta: float64[k], positive.
        call_iv: float64[k].
        put_delta: float64[k], negative.
        put_iv: float64[k].
        delta: Absolute delta.
    """
    call, put = at_delta(call_delta, call_iv, delta), at_delta(put_delta, put_iv, -delta)
    return Skew(call, put, call - put)


def volatility_rank(history: Floats, today: float, sessions: int = YEAR_SESSIONS) -> float:
    """Return 100 (today - lowest) / (highest - lowest) of the last sessions' daily values.

    Above 100 or below 0 today is outside the range of the history.

    Args:
        history: Daily values, oldest first, today's not among them; NaN ones are left out.
        today: The value now.
        sessions: How many days to look back.
    """
    known = _recent(history, sessions)
    if not len(known):
        return NAN
    lowest, highest = float(known.min()), float(known.max())
    return 100.0 * (today - lowest) / (highest - lowest) if highest > lowest else NAN


def volatility_percentile(history: Floats, today: float, sessions: int = YEAR_SESSIONS) -> float:
    """Return the share in percent of the last sessions whose daily value was below today's; see `volatility_rank`."""
    known = _recent(history, sessions)
    if not len(known) or np.isnan(today):
        return NAN
    return 100.0 * float(np.count_nonzero(known < today)) / len(known)


def _recent(history: Floats, sessions: int) -> Floats:
    recent = history[-sessions:]
    return recent[~np.isnan(recent)]
