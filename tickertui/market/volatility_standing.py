"""Where an underlying's closing volatility stands in its own past year: rank and percentile, with what they rest on.

Called by the analytics pane with the daily volatilities of the store. Close is compared with close, the same expiry
rule and clock on every day, so the figures do not depend on which chain or convention is on the screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import numpy as np

from tickertui.frozen import frozen
from tickertui.market.volatility_analytics import NAN, YEAR_SESSIONS, volatility_percentile, volatility_rank

FEWEST_DAYS: Final = 20
"""Below a month of sessions the lowest and the highest value say nothing about a year."""

HISTORY_DAYS: Final = YEAR_SESSIONS + 1
"""Daily values to ask for: the last close, and a year of sessions before it."""

_YEAR: Final = timedelta(days=366)


@frozen
class VolatilityStanding:
    """Rank and percentile of the last close.

    Attributes:
        days: Daily values of the past year, the last close included.
        day: Day of the last close, None without any.
        volatility: At-the-money volatility of the last close, a decimal; NaN without any.
        rank: 0..100 within lowest and highest of the days before (outside where the last close is), NaN for too few.
        percentile: Share of the days before that were lower, in percent, NaN for too few.
    """

    days: int = 0
    day: date | None = None
    volatility: float = NAN
    rank: float = NAN
    percentile: float = NAN


def volatility_standing(history: Sequence[tuple[date, float]]) -> VolatilityStanding:
    """Return where the last of some daily volatilities stands among those of the year before it.

    Args:
        history: Days and at-the-money volatilities, ascending by day; days that are missing are just not there.
    """
    if not history:
        return VolatilityStanding()
    day, volatility = history[-1]
    before = np.array([value for at, value in history[:-1] if at >= day - _YEAR], dtype=np.float64)
    days = len(before) + 1
    if days < FEWEST_DAYS:
        return VolatilityStanding(days, day, volatility)
    return VolatilityStanding(
        days, day, volatility, volatility_rank(before, volatility), volatility_percentile(before, volatility)
    )
