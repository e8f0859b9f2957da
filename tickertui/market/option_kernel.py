"""The option kernel: prices in, implied volatilities and Greeks out, for any number of options in one call.

Called by `tickertui.market.greeks.GreeksCalculator` and, with its own preallocated arrays, by the valuation
service. One call costs about 0.1 ms whatever its size (some 300 numpy calls), so all touched rows of a round go
into ONE call: concatenate the dirty slices, spread what is per slice (`spread`), never call per chain.

Rows never see each other. No input raises or warns: a row without an answer is NaN with a `Status`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market.black import Greeks, greeks_block
from tickertui.market.implied_volatility import Flags, Scratch, Status, Statuses, log_of_ratio, solve_block
from tickertui.market.mills import Floats
from tickertui.market.wide_volatility import solve_wide

BLOCK: Final = 16_384
"""Rows per pass over the scratch arrays, see `Scratch`."""


SMALLEST_TOTAL: Final = 1e-150
"""Least s = sigma sqrt(T) that counts as a volatility: d1² = (ln(F/K)/s)² must not overflow."""


class OptionKernel:
    """Solves arrays of Black-76 options; owns its temporaries, so one thread at a time may use it.

    The arrays handed in must be one-dimensional, of equal length n, float64 (``is_call``: bool) and contiguous
    for the stated speed; outputs are written in place. Results for n rows do not depend on the block size.

    Args:
        capacity: Rows to make room for now; a larger call grows the two row buffers once.
    """

    def __init__(self, capacity: int = 0) -> None:
        self._scratch = Scratch(min(BLOCK, max(capacity, 64)))
        self._total = np.empty(capacity)
        self._log_moneyness = np.empty(capacity)

    def implied_volatility(
        self,
        price: Floats,
        forward: Floats,
        strike: Floats,
        years: Floats,
        is_call: Flags,
        discount: Floats | None,
        iv: Floats,
        status: Statuses,
    ) -> None:
        """Write sigma (0.13 = 13 %) into ``iv`` and `Status` values into ``status``.

        Args:
            price: Discounted option prices in rupees.
            forward: Forwards at each option's expiry in rupees.
            strike: Strikes in rupees.
            years: Times to expiry in years.
            is_call: True for calls, False for puts.
            discount: Discount factors to expiry, None for 1.
            iv: float64[n], receives the volatilities, NaN where the status is not OK.
            status: int8[n], receives the statuses.
        """
        self._prepare(len(price))
        unfinished = []
        with np.errstate(all="ignore"):
            for block in self._blocks(len(price)):
                rows = solve_block(
                    self._scratch, price[block], forward[block], strike[block], years[block], is_call[block],
                    None if discount is None else discount[block],
                    self._total[block], self._log_moneyness[block], status[block],
                )  # fmt: skip
                if rows is not None:
                    unfinished.append(rows + block.start)
            if unfinished:
                self._finish(np.concatenate(unfinished), price, forward, strike, is_call, discount)
            size = len(price)
            np.sqrt(years, out=iv)
            np.divide(self._total[:size], iv, out=iv)

    def greeks(
        self,
        forward: Floats,
        strike: Floats,
        years: Floats,
        is_call: Flags,
        iv: Floats,
        discount: Floats | None,
        out: Greeks,
        *,
        rate: Floats | None = None,
        higher: bool = True,
    ) -> None:
        """Write the Greeks at given volatilities.

        Args:
            forward: Forwards in rupees.
            strike: Strikes in rupees.
            years: Times to expiry in years.
            is_call: True for calls.
            iv: Volatilities; rows with NaN or a volatility or time that is not positive become NaN
                (as do those whose s = sigma sqrt(T) is below `SMALLEST_TOTAL`).
            discount: Discount factors, None for 1.
            out: Receives the results.
            rate: -ln(discount) / years where the caller knows it; computed from ``discount`` otherwise.
            higher: False leaves rho, vanna, volga and charm alone (and price, when there is no discount).
        """
        size = len(forward)
        self._prepare(size)
        total, log_moneyness = self._total[:size], self._log_moneyness[:size]
        with np.errstate(all="ignore"):
            _total_volatility(forward, strike, years, iv, discount, total, log_moneyness)
            self._greeks(forward, strike, years, is_call, iv, discount, rate, None, out, higher)

    def value(
        self,
        price: Floats,
        forward: Floats,
        strike: Floats,
        years: Floats,
        is_call: Flags,
        discount: Floats | None,
        iv: Floats,
        status: Statuses,
        out: Greeks,
        *,
        rate: Floats | None = None,
        higher: bool = True,
    ) -> None:
        """Do `implied_volatility` and `greeks` at the row's own volatility in one go; see those two."""
        self.implied_volatility(price, forward, strike, years, is_call, discount, iv, status)
        with np.errstate(all="ignore"):
            self._greeks(forward, strike, years, is_call, iv, discount, rate, price, out, higher)
            if higher or discount is not None:
                out.price[status != Status.OK] = np.nan
                if higher:
                    out.rho[status != Status.OK] = np.nan

    def _prepare(self, size: int) -> None:
        if size > len(self._total):
            self._total, self._log_moneyness = np.empty(size), np.empty(size)
        if size > self._scratch.block < BLOCK:
            self._scratch = Scratch(min(BLOCK, size))

    def _blocks(self, size: int) -> Iterator[slice]:
        step = self._scratch.block
        return (slice(start, min(start + step, size)) for start in range(0, size, step))

    def _finish(
        self,
        rows: NDArray[np.intp],
        price: Floats,
        forward: Floats,
        strike: Floats,
        is_call: Flags,
        discount: Floats | None,
    ) -> None:
        undiscounted = price[rows] if discount is None else price[rows] / discount[rows]
        self._total[rows] = solve_wide(
            undiscounted, forward[rows], strike[rows], is_call[rows], self._log_moneyness[rows], self._total[rows]
        )

    def _greeks(
        self,
        forward: Floats,
        strike: Floats,
        years: Floats,
        is_call: Flags,
        iv: Floats,
        discount: Floats | None,
        rate: Floats | None,
        price: Floats | None,
        out: Greeks,
        higher: bool,
    ) -> None:
        if discount is None:
            rate = None
        elif rate is None:
            rate = np.log(discount)
            np.divide(rate, years, out=rate)
            np.negative(rate, out=rate)
        for block in self._blocks(len(forward)):
            greeks_block(
                self._scratch, forward[block], strike[block], years[block], is_call[block], iv[block],
                self._total[block], self._log_moneyness[block],
                None if discount is None else discount[block], None if rate is None else rate[block],
                None if price is None else price[block], out.rows(block.start, block.stop), higher,
            )  # fmt: skip


def _total_volatility(
    forward: Floats,
    strike: Floats,
    years: Floats,
    iv: Floats,
    discount: Floats | None,
    total: Floats,
    log_moneyness: Floats,
) -> None:
    """Fill s = sigma sqrt(T), NaN where an input is unusable, and |ln(F/K)|."""
    lower = np.minimum(forward, strike)
    np.subtract(forward, strike, out=log_moneyness)
    np.abs(log_moneyness, out=log_moneyness)
    log_moneyness /= lower
    usable = (lower > 0.0) & (log_moneyness < np.inf) & (years > 0.0) & (years < np.inf) & (iv > 0.0) & (iv < np.inf)
    if discount is not None:
        usable &= (discount > 0.0) & (discount < np.inf)
    log_of_ratio(log_moneyness.copy(), log_moneyness, total)
    np.sqrt(years, out=total)
    total *= iv
    usable &= total > SMALLEST_TOTAL
    if not usable.all():
        total[~usable] = np.nan


def spread(per_slice: Floats, lengths: NDArray[np.intp], out: Floats) -> Floats:
    """Repeat one value per slice (forward, years, discount) over the slice's rows, into ``out[:lengths.sum()]``.

    Returns:
        The filled part of ``out``.
    """
    values = np.repeat(per_slice, lengths)
    filled = out[: len(values)]
    filled[:] = values
    return filled


def slice_rows(starts: NDArray[np.intp], lengths: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the concatenated rows start, start + 1, ... start + length - 1 of every slice."""
    ends = np.cumsum(lengths)
    rows = np.arange(int(ends[-1]) if len(ends) else 0, dtype=np.intp)
    rows += np.repeat(starts - (ends - lengths), lengths)
    return rows
