"""The at-the-money volatility of one expiry from the closes of its options' candles.

Called by `tickertui.services.history.closing_volatility` at the end of a day. Option by option the last trade of the
day may be minutes apart, and a put-call pair whose legs are minutes apart says little about the forward. So every
minute is valued on its own, from legs that traded within it and with the time left at its end, all minutes in one call.
Only where no minute has enough of them (most stocks) does a trade stand for a few minutes more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from tickertui.frozen import frozen
from tickertui.market.conventions import YEAR_SECONDS
from tickertui.market.forward import MIN_STRIKES, NEAR_MONEY, parity_forwards
from tickertui.market.implied_volatility import Statuses
from tickertui.market.mills import Floats
from tickertui.market.option_kernel import OptionKernel
from tickertui.market.volatility_analytics import NAN, atm_volatility, mean_of_legs

CLOSING_MINUTES: Final = 5
"""The result is the median of this many of the last minutes that can be valued; one odd trade moves it little."""

TRADE_NOISE: Final = 1e-4
"""Half the width given to a last trade, as a share of the strike (at least a tick): what a forward moves in a minute
(2.5 points of NIFTY). Closes have no bid and ask, and parity leaves out strikes that lie apart by more than a width."""


CARRIED_YEARS: Final = 5 * 60 / YEAR_SECONDS
"""How long a trade stands for the present where trades are rare."""


@frozen(eq=False)
class ClosingChain:
    """Closes of one expiry, k strikes by m minutes, ascending both ways.

    Attributes:
        strikes: float64[k] in rupees.
        calls: float64[k, m] in rupees, NaN where the call did not trade within the minute.
        puts: float64[k, m], likewise.
        years: float64[m], from the end of each minute to the expiry.
        tick_size: Rupees.
    """

    strikes: Floats
    calls: Floats
    puts: Floats
    years: Floats
    tick_size: float = 0.05


def closing_forwards(chain: ClosingChain) -> Floats:
    """Return the parity forward of every minute, float64[m], NaN where fewer than `MIN_STRIKES` strikes agree.

    The chain has at least one strike and one minute.
    """
    count, minutes = chain.calls.shape
    strikes = np.tile(chain.strikes, minutes)
    noise = np.maximum(TRADE_NOISE * strikes, chain.tick_size)
    calls, puts = chain.calls.T.ravel(), chain.puts.T.ravel()
    parity = parity_forwards(
        np.full(minutes, count, dtype=np.intp), strikes,
        calls - noise, calls + noise, puts - noise, puts + noise, np.ones(minutes),
    )  # fmt: skip
    return np.where(parity.strikes >= MIN_STRIKES, parity.value, np.nan)


def minute_volatilities(chain: ClosingChain) -> Floats:
    """Return the at-the-money volatility of every minute, float64[m], decimals; NaN where it cannot be told.

    Black-76 on the parity forward of the minute, without a rate, calendar time. Strikes without a trade are bridged
    by their neighbours, but no further from the forward than `NEAR_MONEY`, where a smile is no longer a line.
    """
    forwards = closing_forwards(chain)
    count, minutes = chain.calls.shape
    volatilities = np.full(minutes, np.nan)
    shape = (2, count, minutes)
    prices = np.stack((chain.calls, chain.puts))
    iv, status = np.empty(prices.size), np.empty(prices.size, dtype=np.int8)
    _solve(
        prices,
        np.broadcast_to(forwards, shape),
        np.broadcast_to(chain.strikes[:, None], shape),
        np.broadcast_to(chain.years, shape),
        iv,
        status,
    )
    call_iv, put_iv = iv.reshape(shape)
    with np.errstate(invalid="ignore"):
        near = np.abs(chain.strikes[:, None] - forwards) <= NEAR_MONEY * forwards
    usable = near & ~np.isnan(mean_of_legs(call_iv, put_iv))
    for minute in np.flatnonzero(usable.any(axis=0)).tolist():
        rows = usable[:, minute]
        volatilities[minute] = atm_volatility(
            chain.strikes[rows], call_iv[rows, minute], put_iv[rows, minute], float(forwards[minute])
        )
    return volatilities


def _solve(prices: Floats, forwards: Floats, strikes: Floats, years: Floats, iv: Floats, status: Statuses) -> None:
    """Solve calls and puts, float64[2, k, m] each, into flat arrays."""
    is_call = np.zeros(prices.shape, dtype=np.bool_)
    is_call[0] = True
    OptionKernel(prices.size).implied_volatility(
        prices.ravel(), forwards.ravel(), strikes.ravel(), years.ravel(), is_call.ravel(), None, iv, status
    )


def carried(chain: ClosingChain) -> ClosingChain:
    """Return the chain with each leg's last trade standing for the minutes after it, up to `CARRIED_YEARS`."""
    return replace(chain, calls=_carried(chain.calls, chain.years), puts=_carried(chain.puts, chain.years))


def _carried(closes: Floats, years: Floats) -> Floats:
    minutes = np.arange(closes.shape[1])
    latest = np.maximum.accumulate(np.where(np.isnan(closes), -1, minutes), axis=1)
    known = latest >= 0
    latest = np.where(known, latest, 0)
    # Half a second of slack: the difference of two times is not exact.
    young = years[latest] - years <= CARRIED_YEARS + 0.5 / YEAR_SECONDS
    return np.where(known & young, np.take_along_axis(closes, latest, axis=1), np.nan)


def closing_volatility(chain: ClosingChain) -> float:
    """Return the at-the-money volatility at the end of the session: the median of the last minutes that have one.

    Returns:
        A decimal per year; NaN where no minute has enough strikes, not even with trades carried.
    """
    if not chain.calls.size:
        return NAN
    known = minute_volatilities(chain)
    if np.isnan(known).all():
        known = minute_volatilities(carried(chain))
    known = known[~np.isnan(known)][-CLOSING_MINUTES:]
    return float(np.median(known)) if len(known) else NAN
