"""Chain analytics: what a chain as a whole says beyond its single prices.

Called by the analytics screen and the chain's summary line. Positions (open interest, volume, gamma exposure),
parity and the straddle are here; everything about volatilities is in `volatility_analytics` and offered from here
too. Arrays over strikes have shape (k,) and are sorted by strike; money is in rupees, open interest in units; a
missing value is NaN; what is undefined comes back as NaN, never as 0.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tickertui.market.mills import Floats
from tickertui.market.volatility_analytics import (
    Skew,
    Smile,
    TermStructure,
    atm_volatility,
    call_put_spread,
    constant_maturity_volatility,
    forward_volatility,
    moneyness_skew,
    skew,
    smile,
    term_structure,
    volatility_percentile,
    volatility_rank,
)
from tickertui.values import frozen

__all__ = [
    "BuildUp",
    "Levels",
    "Skew",
    "Smile",
    "Straddle",
    "TermStructure",
    "annualised_carry",
    "atm_index",
    "atm_volatility",
    "basis",
    "build_up",
    "call_put_spread",
    "constant_maturity_volatility",
    "forward_volatility",
    "gamma_exposure",
    "gamma_flip",
    "level_strength",
    "levels",
    "max_pain",
    "moneyness_skew",
    "net_gamma_exposure",
    "pain",
    "put_call_ratio",
    "put_call_ratio_by_expiry",
    "put_call_ratio_by_strike",
    "skew",
    "smile",
    "straddle",
    "synthetic_future",
    "term_structure",
    "volatility_percentile",
    "volatility_rank",
]

Codes: TypeAlias = NDArray[np.int8]

NAN: Final = float("nan")

EXPECTED_MOVE_SHARE: Final = 0.85
"""Common rule of thumb: the expected move is 85 % of the at-the-money straddle."""

FLIP_SPAN: Final = 0.10
"""The zero of gamma exposure is looked for within this share of the spot on either side."""

FLIP_POINTS: Final = 61


# ---------------------------------------------------------------------- put-call ratios


def put_call_ratio(call: Floats, put: Floats) -> float:
    """Return sum of puts / sum of calls, of open interest, volume or change in open interest.

    Args:
        call: Values of the calls of one expiry, or of all expiries one after another; NaN ones are left out.
        put: Values of the puts.

    Returns:
        NaN where nothing is known of one side, or the calls' sum is not positive. A ratio of changes is negative
        where puts were unwound while calls were opened.
    """
    if np.isnan(call).all() or np.isnan(put).all():
        return NAN
    calls = float(np.nansum(call))
    return float(np.nansum(put)) / calls if calls > 0.0 else NAN


def put_call_ratio_by_strike(call: Floats, put: Floats) -> Floats:
    """Return put / call per strike, NaN where the call's value is missing or not positive."""
    with np.errstate(all="ignore"):
        return np.where(call > 0.0, put / call, np.nan)


def put_call_ratio_by_expiry(lengths: NDArray[np.intp], call: Floats, put: Floats) -> Floats:
    """Return the ratio of every expiry; ``lengths`` are the numbers of strikes of the concatenated expiries."""
    ends = np.cumsum(lengths)
    return np.array(
        [put_call_ratio(call[end - n : end], put[end - n : end]) for end, n in zip(ends, lengths, strict=True)],
        dtype=np.float64,
    )


# ---------------------------------------------------------------------- max pain


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


# ---------------------------------------------------------------------- parity, straddle


def synthetic_future(strikes: Floats, call: Floats, put: Floats, discount: float = 1.0) -> Floats:
    """Return K + (C - P) / D per strike: the future that buying the call and selling the put makes."""
    return strikes + (call - put) / discount


def basis(forward: float, spot: float) -> float:
    """Return forward less spot in rupees."""
    return forward - spot


def annualised_carry(forward: float, spot: float, years: float) -> float:
    """Return ln(F / S) / T, a decimal per year; NaN without time or where a price is missing."""
    if not (forward > 0.0 and spot > 0.0 and years > 0.0):
        return NAN
    return math.log(forward / spot) / years


def atm_index(strikes: Floats, reference: float) -> int:
    """Return the index of the strike nearest the reference (forward or spot; the lower of two), -1 without one."""
    if not len(strikes) or math.isnan(reference):
        return -1
    return int(np.argmin(np.abs(strikes - reference)))


@frozen
class Straddle:
    """The at-the-money straddle and the moves that it implies until the expiry.

    Attributes:
        strike: Its strike.
        premium: Call plus put.
        lower: Lower break-even, strike - premium.
        upper: Upper break-even.
        implied_move: premium / forward, a decimal: the market's habit.
        expected_move: 85 % of the premium, rupees.
        one_sigma: F sigma sqrt(T), rupees; about 1.25 times the premium.
    """

    strike: float
    premium: float
    lower: float
    upper: float
    implied_move: float
    expected_move: float
    one_sigma: float


def straddle(
    strikes: Floats,
    call: Floats,
    put: Floats,
    forward: float,
    atm_iv: float,
    years: float,
    *,
    reference: float | None = None,
) -> Straddle:
    """Return the straddle at the strike nearest the reference; NaN in every field that misses an input.

    Args:
        strikes: float64[k].
        call: Prices of the calls.
        put: Prices of the puts.
        forward: Forward of the expiry.
        atm_iv: At-the-money volatility.
        years: Time to expiry.
        reference: What "at the money" means, the forward by default.
    """
    index = atm_index(strikes, forward if reference is None else reference)
    if index < 0:
        return Straddle(NAN, NAN, NAN, NAN, NAN, NAN, NAN)
    strike, premium = float(strikes[index]), float(call[index] + put[index])
    return Straddle(
        strike=strike,
        premium=premium,
        lower=strike - premium,
        upper=strike + premium,
        implied_move=premium / forward if forward > 0.0 else NAN,
        expected_move=EXPECTED_MOVE_SHARE * premium,
        one_sigma=forward * atm_iv * math.sqrt(years) if years >= 0.0 else NAN,
    )


# ---------------------------------------------------------------------- gamma exposure


def gamma_exposure(call_gamma: Floats, put_gamma: Floats, call_oi: Floats, put_oi: Floats, underlying: float) -> Floats:
    """Return naive net gamma exposure per strike: rupees of underlying per 1 % move, calls +, puts -.

    "Naive" because who holds which side is an assumption (dealers long calls and short puts); the screen says so.
    A leg whose gamma or open interest is missing counts as none; a strike without a known leg is NaN.

    Args:
        call_gamma: Per rupee of the underlying.
        put_gamma: Per rupee of the underlying.
        call_oi: Units.
        put_oi: Units.
        underlying: The forward or spot that the gammas refer to.
    """
    calls, puts = call_gamma * call_oi, put_gamma * put_oi
    net = np.nan_to_num(calls) - np.nan_to_num(puts)
    net[np.isnan(calls) & np.isnan(puts)] = np.nan
    return net * (underlying * underlying * 0.01)


def net_gamma_exposure(by_strike: Floats) -> float:
    """Return the sum over the strikes that are known, NaN where none is."""
    return NAN if np.isnan(by_strike).all() else float(np.nansum(by_strike))


def gamma_flip(
    strikes: Floats, call_iv: Floats, put_iv: Floats, call_oi: Floats, put_oi: Floats, forward: float, years: float
) -> float:
    """Return the level of the forward, nearest to where it is, at which net gamma exposure changes its sign.

    The exposure is evaluated on a grid of `FLIP_POINTS` levels within `FLIP_SPAN`, volatilities staying with their
    strikes, and interpolated linearly between the two levels around the zero.

    Returns:
        NaN where there is no change of sign in that range, or no time, forward or volatility.
    """
    if not (forward > 0.0 and years > 0.0) or not len(strikes):
        return NAN
    grid = forward * np.linspace(1.0 - FLIP_SPAN, 1.0 + FLIP_SPAN, FLIP_POINTS)
    net = np.zeros(FLIP_POINTS)
    for sign, iv, oi in ((1.0, call_iv, call_oi), (-1.0, put_iv, put_oi)):
        known = (iv > 0.0) & (oi > 0.0)
        net += sign * _scaled_gamma(grid[:, None], strikes[known], iv[known], years) @ oi[known]
    # Far from all strikes the gammas underflow to exact zeros, which are no crossings: compare what is not zero.
    held = np.flatnonzero(net)
    before, after = held[:-1], held[1:]
    crossed = np.sign(net[before]) != np.sign(net[after])
    before, after = before[crossed], after[crossed]
    if not len(before):
        return NAN
    zeros = grid[before] + (grid[after] - grid[before]) * net[before] / (net[before] - net[after])
    return float(zeros[int(np.argmin(np.abs(zeros - forward)))])


def _scaled_gamma(forward: Floats, strikes: Floats, iv: Floats, years: float) -> Floats:
    """Gamma times F², phi(d1) F / s, without the constant 1/sqrt(2 pi)."""
    s = iv * math.sqrt(years)
    d1 = np.log(forward / strikes) / s + 0.5 * s
    scaled: Floats = np.exp(-0.5 * d1 * d1) * forward / s
    return scaled


# ---------------------------------------------------------------------- positions


class BuildUp(IntEnum):
    """What price and open interest together say about positions in this contract.

    For an option it describes the option: long build-up in puts is bearish for the underlying.
    """

    UNKNOWN = -1
    """A price, an open interest or one of their previous values is missing."""
    NONE = 0
    """One of the two did not move beyond its dead band."""
    LONG_BUILD_UP = 1
    """Price up, open interest up."""
    SHORT_BUILD_UP = 2
    """Price down, open interest up."""
    SHORT_COVERING = 3
    """Price up, open interest down."""
    LONG_UNWINDING = 4
    """Price down, open interest down."""


def build_up(
    price: Floats,
    previous_close: Floats,
    oi: Floats,
    previous_oi: Floats,
    *,
    price_band: float = 0.0,
    oi_band: float = 0.0,
) -> Codes:
    """Classify every row by its own price change since yesterday's close and its change in open interest.

    Args:
        price: Rupees.
        previous_close: Rupees.
        oi: Units.
        previous_oi: Units at yesterday's end (kept in the store; the feed does not carry it).
        price_band: Rupees of change that count as none.
        oi_band: Units of change that count as none.

    Returns:
        int8 values of `BuildUp`.
    """
    moved, opened = price - previous_close, oi - previous_oi
    up, down = moved > price_band, moved < -price_band
    more, less = opened > oi_band, opened < -oi_band
    names = (
        BuildUp.UNKNOWN,
        BuildUp.LONG_BUILD_UP,
        BuildUp.SHORT_BUILD_UP,
        BuildUp.SHORT_COVERING,
        BuildUp.LONG_UNWINDING,
    )
    conditions = [np.isnan(moved) | np.isnan(opened), up & more, down & more, up & less, down & less]
    return np.select(conditions, [np.int8(name) for name in names], np.int8(BuildUp.NONE))


@frozen(eq=False)
class Levels:
    """Strikes where open interest piles up, the largest first.

    Attributes:
        resistance: At or above the reference, by call open interest (writers who bet on no higher).
        support: At or below the reference, by put open interest.
    """

    resistance: Floats
    support: Floats


def levels(strikes: Floats, call_oi: Floats, put_oi: Floats, reference: float, count: int = 3) -> Levels:
    """Return up to ``count`` resistance and support strikes; of equal open interest the nearer one first."""
    above, below = strikes >= reference, strikes <= reference
    return Levels(
        resistance=_largest(strikes[above], call_oi[above], count),
        support=_largest(strikes[below][::-1], put_oi[below][::-1], count),
    )


def _largest(strikes: Floats, oi: Floats, count: int) -> Floats:
    held = oi > 0.0
    order = np.argsort(-oi[held], kind="stable")[:count]
    return strikes[held][order]


def level_strength(call_oi: Floats, put_oi: Floats) -> Floats:
    """Return (put - call) / (put + call) open interest per strike: +1 all support, -1 all resistance, NaN none."""
    with np.errstate(all="ignore"):
        total = put_oi + call_oi
        return np.where(total > 0.0, (put_oi - call_oi) / total, np.nan)
