"""What a chain's implied volatilities say: level, smile, skew, term structure, rank in the stored history.

Called by the analytics and chain screens (through `analytics`) and by the daily-facts writer. Arrays over strikes
are sorted by strike; a missing volatility is NaN; what is undefined comes back as NaN.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tickertui.market.implied_volatility import Flags
from tickertui.market.mills import Floats
from tickertui.values import frozen

NAN: Final = float("nan")

SKEW_DELTA: Final = 0.25
"""Delta of the risk reversal and the butterfly."""

YEAR_SESSIONS: Final = 252
"""Daily values that rank and percentile look back on."""


def mean_of_legs(call_iv: Floats, put_iv: Floats) -> Floats:
    """Return the mean of call and put volatility per strike; with one missing the other, with both missing NaN."""
    mean = 0.5 * (call_iv + put_iv)
    return np.where(np.isnan(call_iv), put_iv, np.where(np.isnan(put_iv), call_iv, mean))


def at_strike(strikes: Floats, values: Floats, level: float) -> float:
    """Interpolate linearly between the two strikes that bracket ``level``.

    Returns:
        NaN outside the listed strikes, or where a bracketing strike has no value.
    """
    if not len(strikes) or not strikes[0] <= level <= strikes[-1]:
        return NAN
    upper = int(np.searchsorted(strikes, level))
    if strikes[upper] == level:
        return float(values[upper])
    low, high = float(strikes[upper - 1]), float(strikes[upper])
    share = (level - low) / (high - low)
    return float(values[upper - 1] + share * (values[upper] - values[upper - 1]))


def atm_volatility(strikes: Floats, call_iv: Floats, put_iv: Floats, forward: float) -> float:
    """Return the at-the-money volatility: the mean of both legs, interpolated linearly in strike to the forward."""
    return at_strike(strikes, mean_of_legs(call_iv, put_iv), forward)


def call_put_spread(strikes: Floats, call_iv: Floats, put_iv: Floats, forward: float) -> float:
    """Return call less put volatility at the money: near zero when the forward is right (put-call parity)."""
    return at_strike(strikes, call_iv - put_iv, forward)


@frozen(eq=False)
class Smile:
    """Volatility by strike, from the out-of-the-money legs.

    Attributes:
        strikes: float64[k] in rupees, ascending.
        log_moneyness: float64[k], ln(K / F).
        iv: float64[k], NaN where the out-of-the-money leg has none; the mean of both legs where K = F.
        from_call: bool[k], which leg it is.
    """

    strikes: Floats
    log_moneyness: Floats
    iv: Floats
    from_call: Flags


def smile(strikes: Floats, call_iv: Floats, put_iv: Floats, forward: float) -> Smile:
    """Return the smile of one expiry; all NaN where the forward is unknown."""
    from_call = strikes >= forward
    iv = np.where(from_call, call_iv, put_iv)
    iv = np.where(strikes == forward, mean_of_legs(call_iv, put_iv), iv)
    with np.errstate(all="ignore"):
        log_moneyness = np.log(strikes / forward)
    known = forward > 0.0
    return Smile(strikes, log_moneyness, iv if known else np.full(len(strikes), np.nan), from_call)


def moneyness_skew(curve: Smile, forward: float, low: float = 0.9, high: float = 1.1) -> float:
    """Return the smile at ``low`` times the forward less that at ``high`` times it; positive for indices."""
    return at_strike(curve.strikes, curve.iv, low * forward) - at_strike(curve.strikes, curve.iv, high * forward)


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
    """How the smile leans and bends, in volatility (0.01 = one point).

    Attributes:
        call: Volatility of the 25-delta call.
        put: Volatility of the 25-delta put.
        risk_reversal: call - put; negative is normal for indices (crash protection costs).
        butterfly: (call + put) / 2 less the at-the-money volatility.
    """

    call: float
    put: float
    risk_reversal: float
    butterfly: float


def skew(
    call_delta: Floats, call_iv: Floats, put_delta: Floats, put_iv: Floats, atm: float, delta: float = SKEW_DELTA
) -> Skew:
    """Return 25-delta risk reversal and butterfly.

    Args:
        call_delta: float64[k], positive.
        call_iv: float64[k].
        put_delta: float64[k], negative.
        put_iv: float64[k].
        atm: At-the-money volatility.
        delta: Absolute delta.
    """
    call, put = at_delta(call_delta, call_iv, delta), at_delta(put_delta, put_iv, -delta)
    return Skew(call, put, call - put, 0.5 * (call + put) - atm)


def constant_maturity_volatility(years: Floats, atm: Floats, target: float = 30.0 / 365.0) -> float:
    """Return the volatility of a fixed time to expiry, linear in total variance sigma² T.

    Args:
        years: float64[n], times to the expiries, ascending.
        atm: float64[n], their at-the-money volatilities; NaN ones are left out.
        target: Years.

    Returns:
        NaN where no two expiries bracket the target (no extrapolation).
    """
    known = ~np.isnan(atm) & (years > 0.0)
    variance = at_strike(years[known], atm[known] ** 2 * years[known], target)
    return float(np.sqrt(variance / target)) if variance >= 0.0 and target > 0.0 else NAN


def forward_volatility(years: Floats, atm: Floats) -> Floats:
    """Return the volatility between neighbouring expiries, sqrt((v2² T2 - v1² T1) / (T2 - T1)).

    Args:
        years: float64[n], ascending.
        atm: float64[n].

    Returns:
        float64[n - 1] (empty for fewer than two); NaN where total variance falls or a volatility is missing.
    """
    variance = atm * atm * years
    with np.errstate(all="ignore"):
        forward_variance = np.diff(variance) / np.diff(years)
        return np.sqrt(np.where(forward_variance >= 0.0, forward_variance, np.nan))


@frozen(eq=False)
class TermStructure:
    """At-the-money volatility by expiry.

    Attributes:
        years: float64[n], ascending.
        atm: float64[n].
        forward: float64[n], volatility from the previous expiry (or now) to this one.
        slope: Last known less first known at-the-money volatility; negative when fear is near.
    """

    years: Floats
    atm: Floats
    forward: Floats
    slope: float


def term_structure(years: Floats, atm: Floats) -> TermStructure:
    """Return the term structure of an underlying's expiries, sorted by time."""
    known = atm[~np.isnan(atm)]
    forward = np.concatenate([atm[:1], forward_volatility(years, atm)])
    return TermStructure(years, atm, forward, float(known[-1] - known[0]) if len(known) > 1 else NAN)


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
