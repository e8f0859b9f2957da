"""What is still said of an option as its time runs out: the rule for the last day, the last minutes and after them.

Called by the valuation on the arrays of a round. The rule, in the order of time:

1. With less than a day left, theta is what can still be lost *to the expiry*: never more than the time value. A decay
   per day, as formulas have it, is a hundred times the price of an option with minutes to go.
2. With less than `LEAST_SECONDS` left there is no volatility and there are no Greeks.
3. Once the underlying has settled there is no time value: no volatility, no Greeks, the option's worth is its intrinsic
   value at the settled price (`tickertui.market.settling`).
4. From the instant of expiry on nothing is valued; what is left is the intrinsic value.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market.black import theta_left
from tickertui.market.conventions import YEAR_SECONDS
from tickertui.market.implied_volatility import Flags, Status, Statuses
from tickertui.market.mills import Floats

LEAST_SECONDS: Final = 300.0
"""Least time to expiry that a volatility is implied from.

Five minutes before the end one standard deviation of an index at 24,350 and 12 % is 9 points, and what the forward is
unsure of (two ticks on either leg of a few strikes, and the second in which they were quoted) is about one: from here
on a volatility is off by a tenth or more, by half in the last minute, and 79 % or 368 % at the bell."""


def blank_last_minutes(left: Floats, settled: Flags, iv: Floats, status: Statuses) -> None:
    """Take away the volatilities that the rule does not allow, and say why, in place.

    Args:
        left: float64[n], seconds to the expiry; not positive after it.
        settled: bool[n], whether the underlying has settled for this expiry.
        iv: float64[n], set to NaN.
        status: int8[n], set to the reason.
    """
    for where, reason in (
        ((left > 0) & (left < LEAST_SECONDS), Status.NEAR_EXPIRY),
        (settled & (left > 0), Status.SETTLED),
        (left <= 0, Status.EXPIRED),
    ):
        iv[where] = np.nan
        status[where] = reason


def theta_to_expiry(
    theta: Floats,
    price: Floats,
    forward: Floats,
    strike: Floats,
    is_call: NDArray[np.bool_],
    discount: Floats | None,
    left: Floats,
) -> Floats:
    """Return theta in rupees per day, or with less than a day left per what is left, see the module.

    Args:
        theta: Rupees per calendar day.
        price: Model prices, rupees.
        forward: Rupees.
        strike: Rupees.
        is_call: True for calls.
        discount: Discount factors, None for 1.
        left: Seconds to the expiry.
    """
    intrinsic = np.maximum(np.where(is_call, forward - strike, strike - forward), 0.0)
    if discount is not None:
        intrinsic *= discount
    return theta_left(theta, price, intrinsic, left / YEAR_SECONDS)
