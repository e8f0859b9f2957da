"""Which price a volatility is implied from, whose volatility the Greeks use, and when neither can be trusted.

Called by the valuation service for all touched rows at once; every function is elementwise on arrays of rows.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.conventions import PriceRule, VolatilitySide
from tickertui.market.implied_volatility import Flags
from tickertui.market.mills import Floats

Codes: TypeAlias = NDArray[np.int8]
Rows: TypeAlias = NDArray[np.intp]

TIGHT_TICKS: Final = 4.0
"""A spread of this many ticks is tight whatever the price."""

TIGHT_SHARE: Final = 0.10
"""A spread of this share of the mid is tight whatever the tick."""

RECENT_SECONDS: Final = 300.0
"""A last traded price older than this says nothing about the market now."""

COARSE_TICK: Final = 0.02
"""Volatility change per tick (2 points) above which a volatility is unreliable."""

COARSE_SPREAD: Final = 0.05
"""Volatility width of the quote (5 points) above which a volatility is unreliable."""


class PriceSource(IntEnum):
    """Where a row's price came from."""

    NONE = 0
    MID = 1
    LAST = 2
    BID = 3
    ASK = 4


@frozen(eq=False)
class SelectedPrices:
    """Prices of n rows.

    Attributes:
        price: float64[n] in rupees, NaN where there is none.
        source: int8[n], values of `PriceSource`.
    """

    price: Floats
    source: Codes


def select_price(
    bid: Floats,
    ask: Floats,
    last: Floats,
    last_age: Floats,
    tick: Floats,
    *,
    rule: PriceRule = PriceRule.MID_OR_LAST,
    recent: float = RECENT_SECONDS,
) -> SelectedPrices:
    """Choose the price that each row's volatility is implied from.

    MID_OR_LAST takes the mid of a quote that is two-sided and tight (spread at most `TIGHT_TICKS` ticks or
    `TIGHT_SHARE` of the mid, whichever allows more), else the last traded price if it is recent, else nothing.
    The other rules take their one price, the last one only if it is recent.

    Args:
        bid: Best bids in rupees; NaN or 0 where there is none.
        ask: Best asks.
        last: Last traded prices.
        last_age: Seconds since the last trade; NaN where unknown, which counts as old.
        tick: Tick sizes in rupees.
        rule: Which rule applies.
        recent: Largest age of a last price in seconds.
    """
    price, source = np.full(len(bid), np.nan), np.zeros(len(bid), dtype=np.int8)
    with np.errstate(all="ignore"):
        traded = (last > 0.0) & (last < np.inf) & (last_age <= recent)
        middle = 0.5 * (bid + ask)
        tight = (bid > 0.0) & (ask >= bid) & (ask < np.inf)
        # A grace far below a tick: in floating point 1.05 - 0.85 is more than four ticks of 0.05.
        tight &= ask - bid <= np.maximum(TIGHT_TICKS * tick, TIGHT_SHARE * middle) + 1e-6
        steps = {
            PriceRule.MID_OR_LAST: ((PriceSource.LAST, last, traded), (PriceSource.MID, middle, tight)),
            PriceRule.LAST: ((PriceSource.LAST, last, traded),),
            PriceRule.BID: ((PriceSource.BID, bid, (bid > 0.0) & (bid < np.inf)),),
            PriceRule.ASK: ((PriceSource.ASK, ask, (ask > 0.0) & (ask < np.inf)),),
        }[rule]
    for name, values, usable in steps:
        np.copyto(price, values, where=usable)
        source[usable] = name
    return SelectedPrices(price, source)


def out_of_the_money(forward: Floats, strike: Floats, is_call: Flags) -> Flags:
    """Return which rows are the out-of-the-money leg of their strike; at the money both are."""
    return np.where(is_call, strike >= forward, strike <= forward)


def other_legs(slices: Rows, strike: Floats, is_call: Flags) -> Rows:
    """Return each row's other leg of the same slice and strike, -1 where it has none.

    Args:
        slices: Number of each row's (underlying, expiry); the rows are sorted by slice, then strike.
        strike: Strikes.
        is_call: True for calls.
    """
    other = np.full(len(strike), -1, dtype=np.intp)
    pair = (slices[1:] == slices[:-1]) & (strike[1:] == strike[:-1]) & (is_call[1:] != is_call[:-1])
    first = np.flatnonzero(pair)
    other[first], other[first + 1] = first + 1, first
    return other


class VolatilityOrigin(IntEnum):
    """Whose volatility a row has."""

    OWN = 0
    OTHER_LEG = 1
    MEAN = 2
    """The mean of both legs'."""


@frozen(eq=False)
class SelectedVolatilities:
    """Volatilities that the Greeks of n rows are computed at.

    Attributes:
        iv: float64[n], NaN where neither leg has one.
        borrowed: bool[n], true where it is the other leg's.
        origin: int8[n], values of `VolatilityOrigin`.
    """

    iv: Floats
    borrowed: Flags
    origin: Codes


def select_volatility(
    iv: Floats,
    forward: Floats,
    strike: Floats,
    is_call: Flags,
    other_leg: Rows,
    side: VolatilitySide = VolatilitySide.OTM,
) -> SelectedVolatilities:
    """Choose whose volatility each row's Greeks use.

    With OTM both legs of a strike take the out-of-the-money leg's, because an in-the-money price is mostly
    intrinsic value and its spread wide; where that leg has none, the other leg's own is better than nothing.
    At the money, where both legs are as good, both take the mean of the two. With OWN each keeps its own.

    Args:
        iv: Own volatilities, NaN where there is none.
        forward: Forwards.
        strike: Strikes.
        is_call: True for calls.
        other_leg: Row of the same strike's other leg, -1 where it has none.
        side: The rule.
    """
    if side is VolatilitySide.OWN:
        return SelectedVolatilities(iv.copy(), np.zeros(len(iv), dtype=np.bool_), np.zeros(len(iv), dtype=np.int8))
    other = np.where(other_leg >= 0, iv[other_leg], np.nan) if len(iv) else iv
    has_own, has_other = ~np.isnan(iv), ~np.isnan(other)
    own_side = out_of_the_money(forward, strike, is_call)
    borrowed = has_other & ~(own_side & has_own)
    chosen = np.where(borrowed, other, iv)
    both = (strike == forward) & has_own & has_other
    chosen[both] = 0.5 * (iv[both] + other[both])
    origin = borrowed.astype(np.int8)
    origin[both] = VolatilityOrigin.MEAN
    return SelectedVolatilities(chosen, borrowed & ~both, origin)


def is_unreliable(vega: Floats, tick: Floats, spread: Floats, source: Codes) -> Flags:
    """Return which volatilities the screen must dim: the price grid or the quote is coarser than they are.

    True where one tick is worth more than `COARSE_TICK`, or where the volatility comes from a mid whose bid and
    ask are more than `COARSE_SPREAD` apart. On expiry afternoon a tick of a far option is worth 500 points.

    Args:
        vega: Rupees per volatility point, as `Greeks.vega`; rows with NaN are not flagged, they show nothing.
        tick: Tick sizes in rupees.
        spread: Ask less bid in rupees, NaN where there is no quote.
        source: Values of `PriceSource`.
    """
    with np.errstate(all="ignore"):
        # vega is per 0.01: price change = vega / 0.01 * volatility change
        coarse = tick * 0.01 > COARSE_TICK * vega
        coarse |= (source == PriceSource.MID) & (spread * 0.01 > COARSE_SPREAD * vega)
    return coarse
