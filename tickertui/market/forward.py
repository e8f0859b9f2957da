"""The forward of every (underlying, expiry), from put-call parity with fallbacks, and which one was used.

Called by the valuation service once per round, for all touched slices together: 200 expiries in one call, because
some thirty numpy calls per expiry would cost more than the Greeks. The order of trust (a ladder per slice):

0. SETTLED: on the day of expiry, the value that the underlying's closing auction has settled it at (`settling`).
1. PARITY: at each near strike with two-sided quotes on both legs, the forward lies between
   K + (Cb - Pa)/D and K + (Ca - Pb)/D. The midpoints, without outliers, averaged with weights 1/width².
2. FUTURE: the future of the same expiry, mid or last (first for stocks, whose options are quoted wide).
3. SYNTHETIC: parity from one or two strikes, which nothing could confirm.
4. FUTURE_CARRIED: the nearest future of another expiry, carried to this one.
5. SPOT_CARRIED: the spot, carried; never while the spot is frozen (in the closing auction the index stands still
   while options trade on).
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.mills import Floats

Counts: TypeAlias = NDArray[np.intp]
Sources: TypeAlias = NDArray[np.int8]

MAX_STRIKES: Final = 6
"""Strikes nearest the money that parity is taken from."""

MIN_STRIKES: Final = 3
"""With fewer there is no median to compare with: the result is SYNTHETIC, not PARITY."""

NEAR_MONEY: Final = 0.05
"""Largest |C - P| / K of a strike that counts as near."""

WIDEST: Final = 0.01
"""A strike whose interval is wider than this share of it says less than a carry rate does."""


class ForwardSource(IntEnum):
    """Where a forward came from, best first."""

    NONE = 0
    PARITY = 1
    FUTURE = 2
    SYNTHETIC = 3
    FUTURE_CARRIED = 4
    SPOT_CARRIED = 5
    MANUAL = 6
    SETTLED = 7

    @property
    def label(self) -> str:
        """The word on screen."""
        return _LABELS[self]


_LABELS: Final = {
    ForwardSource.NONE: "—",
    ForwardSource.PARITY: "parity",
    ForwardSource.FUTURE: "future",
    ForwardSource.SYNTHETIC: "synthetic est.",
    ForwardSource.FUTURE_CARRIED: "far future est.",
    ForwardSource.SPOT_CARRIED: "spot est.",
    ForwardSource.MANUAL: "manual",
    ForwardSource.SETTLED: "settled",
}


_TOLD: Final = (ForwardSource.MANUAL, ForwardSource.SETTLED)


class ForwardRule(StrEnum):
    """Which ladder a user wants."""

    PARITY_FIRST = "parity"
    FUTURE_FIRST = "future"
    FUTURE_ONLY = "future-only"
    SPOT_ONLY = "spot"


@frozen(eq=False)
class ParityForwards:
    """Forwards of n slices from put-call parity.

    Attributes:
        value: float64[n] in rupees, NaN where no strike qualifies.
        low: float64[n], lower end of the narrowest interval used; the quotes allow no trade below it.
        high: float64[n], its upper end.
        strikes: intp[n], number of strikes that the value rests on.
    """

    value: Floats
    low: Floats
    high: Floats
    strikes: Counts


@frozen(eq=False)
class Forwards:
    """The chosen forwards of n slices.

    Attributes:
        value: float64[n] in rupees, NaN where there is none.
        source: int8[n], values of `ForwardSource`.
    """

    value: Floats
    source: Sources


@frozen(eq=False)
class ForwardInputs:
    """What else is known about n slices; every array float64[n], NaN where unknown.

    Attributes:
        years: Time to the slice's expiry.
        future: Price of the future of the same expiry; where it is 0 or less, the slice has no forward.
        far_future: Price of the nearest future of another expiry.
        far_years: Time to that expiry.
        spot: Spot of the underlying; NaN also when it is too old to trust.
        manual: A forward that the user typed; it wins over everything.
        settled: What the underlying was settled at, for contracts that expire on that day.
        spot_frozen: bool[n], true while the closing auction holds the index still.
        prefer_future: bool[n], true for stocks.
    """

    years: Floats
    future: Floats
    far_future: Floats
    far_years: Floats
    spot: Floats
    manual: Floats
    settled: Floats
    spot_frozen: NDArray[np.bool_]
    prefer_future: NDArray[np.bool_]

    @classmethod
    def unknown(cls, years: Floats) -> ForwardInputs:
        """Return inputs of which only the times are known; replace what is."""
        size = len(years)

        def missing() -> Floats:
            return np.full(size, np.nan)

        return cls(
            years=years,
            future=missing(),
            far_future=missing(),
            far_years=missing(),
            spot=missing(),
            manual=missing(),
            settled=missing(),
            spot_frozen=np.zeros(size, dtype=np.bool_),
            prefer_future=np.zeros(size, dtype=np.bool_),
        )


def parity_forwards(
    lengths: Counts,
    strikes: Floats,
    call_bid: Floats,
    call_ask: Floats,
    put_bid: Floats,
    put_ask: Floats,
    discount: Floats,
) -> ParityForwards:
    """Return the parity forward of every slice.

    Nearness to the money is told by |C - P|, which parity makes |F - K|: no spot, future or older forward decides
    which strikes count, so that a frozen or wrong one cannot spoil the choice.

    Args:
        lengths: intp[n], number of strikes of each slice; the other arrays hold the slices one after another.
        strikes: float64[sum(lengths)] in rupees.
        call_bid: Best bids of the calls; NaN or 0 where there is none.
        call_ask: Best asks of the calls.
        put_bid: Best bids of the puts.
        put_ask: Best asks of the puts.
        discount: float64[n], discount factors to the expiries.
    """
    with np.errstate(all="ignore"):
        two_sided = (call_bid > 0) & (call_ask >= call_bid) & (put_bid > 0) & (put_ask >= put_bid)
        two_sided &= call_ask - call_bid + put_ask - put_bid <= WIDEST * strikes
        distance = np.abs(call_bid + call_ask - put_bid - put_ask) * 0.5
        rows = np.flatnonzero(two_sided & (distance <= NEAR_MONEY * strikes))
        slices = np.repeat(np.arange(len(lengths)), lengths)[rows]
        table = _nearest(slices, distance[rows], len(lengths))
        used = table >= 0
        picked = rows[np.where(used, table, 0)] if len(rows) else np.zeros(table.shape, dtype=np.intp)
        factor = 1.0 / discount[:, None]
        low, high = (
            np.where(used, strikes[picked] + (call[picked] - put[picked]) * factor, np.nan)
            if len(rows)
            else np.full(table.shape, np.nan)
            for call, put in ((call_bid, put_ask), (call_ask, put_bid))
        )
        return _average(low, high)


def _nearest(slices: Counts, distance: Floats, count: int) -> Counts:
    """Return [count, MAX_STRIKES] positions of each slice's nearest rows, -1 where it has fewer."""
    order = np.lexsort((distance, slices))
    ordered = slices[order]
    starts = np.searchsorted(ordered, np.arange(count))
    rank = np.arange(len(order)) - starts[ordered]
    near = rank < MAX_STRIKES
    table = np.full((count, MAX_STRIKES), -1, dtype=np.intp)
    table[ordered[near], rank[near]] = order[near]
    return table


def _average(low: Floats, high: Floats) -> ParityForwards:
    """Average the intervals of each row of [n, MAX_STRIKES] matrices (NaN = no strike) without the outliers."""
    middle, width = 0.5 * (low + high), high - low
    # Locked quotes have no width, yet the tick behind them has: no interval counts as narrower than 1e-5 of F.
    width = np.maximum(width, 1e-5 * np.abs(middle))
    off = np.abs(middle - _row_median(middle)[:, None])
    # An outlier is further from the median than its own width and the typical width: a narrow quote among wide
    # ones is not wrong because the wide ones are off.
    kept = off <= np.maximum(width, _row_median(width)[:, None])
    # Strikes that all disagree leave no majority: the narrowest speaks.
    alone = ~kept.any(axis=1)
    narrowest = np.nanargmin(np.where(np.isnan(width), np.inf, width), axis=1)
    every = np.arange(len(middle))
    kept[every[alone], narrowest[alone]] = ~np.isnan(middle[every[alone], narrowest[alone]])
    weight = np.where(kept, 1.0 / (width * width), 0.0)
    value = np.where(kept, middle * weight, 0.0).sum(axis=1) / weight.sum(axis=1)
    best = np.argmin(np.where(kept, width, np.inf), axis=1)
    return ParityForwards(value, low[every, best], high[every, best], kept.sum(axis=1))


def _row_median(values: Floats) -> Floats:
    """Median of each row of a matrix, NaN left out (and NaN for a row of nothing else)."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = (~np.isnan(values)).sum(axis=1)
    rows = np.arange(len(values))
    lower, upper = ordered[rows, np.maximum(count - 1, 0) // 2], ordered[rows, count // 2]
    return np.where(count > 0, 0.5 * (lower + upper), np.nan)


def choose_forwards(
    parity: ParityForwards,
    inputs: ForwardInputs,
    *,
    carry_rate: float,
    rule: ForwardRule = ForwardRule.PARITY_FIRST,
) -> Forwards:
    """Choose each slice's forward by the ladder of the module's docstring.

    Args:
        parity: What `parity_forwards` found.
        inputs: The alternatives.
        carry_rate: Growth of forwards with time, a decimal per year, for the two carried sources; the market's
            (repo rate less dividends, about 0.055), not the discount rate of the model, which may well be 0.
        rule: PARITY_FIRST and FUTURE_FIRST are ladders; FUTURE_ONLY and SPOT_ONLY have one source and its carry.
    """
    with np.errstate(all="ignore"):
        confirmed = np.where(parity.strikes >= MIN_STRIKES, parity.value, np.nan)
        far = inputs.far_future * np.exp(carry_rate * (inputs.years - inputs.far_years))
        spot = np.where(inputs.spot_frozen, np.nan, inputs.spot) * np.exp(carry_rate * inputs.years)
    value, source = np.full(len(spot), np.nan), np.zeros(len(spot), dtype=np.int8)
    future_first = inputs.prefer_future | (rule is ForwardRule.FUTURE_FIRST)
    candidates: list[tuple[ForwardSource, Floats]] = [
        (ForwardSource.MANUAL, inputs.manual),
        (ForwardSource.SETTLED, inputs.settled),
    ]
    if rule is ForwardRule.SPOT_ONLY:
        candidates += [(ForwardSource.SPOT_CARRIED, spot)]
    elif rule is ForwardRule.FUTURE_ONLY:
        candidates += [(ForwardSource.FUTURE, inputs.future), (ForwardSource.FUTURE_CARRIED, far)]
    else:
        candidates += [
            (ForwardSource.FUTURE, np.where(future_first, inputs.future, np.nan)),
            (ForwardSource.PARITY, confirmed),
            (ForwardSource.FUTURE, inputs.future),
            (ForwardSource.SYNTHETIC, parity.value),
            (ForwardSource.FUTURE_CARRIED, far),
            (ForwardSource.SPOT_CARRIED, spot),
        ]
    # The model knows no price of nothing or less, and no other source may stand in where the future has one.
    has_one, unknown = ~(inputs.future <= 0.0), np.ones(len(spot), dtype=np.bool_)
    for name, candidate in candidates:
        found = unknown & (candidate > 0.0) & (candidate < np.inf)
        if name not in _TOLD:
            found &= has_one
        if found.any():
            value[found], source[found] = candidate[found], name
            unknown &= ~found
            if not unknown.any():
                break
    return Forwards(value, source)
