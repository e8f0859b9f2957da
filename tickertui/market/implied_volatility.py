"""Implied volatility of whole arrays of options, block by block, in a fixed number of array passes.

Called by `tickertui.market.option_kernel`. The method, for one option with undiscounted price P, forward F and
strike K (P. Jäckel, "Let's Be Rational", 2015, has the same normalisation and objective):

1. *Normalise* (`_normalise`). Put-call parity turns every option into the out-of-the-money one:
   time value = P - intrinsic, beta = time value / sqrt(F K), |x| = |ln(F/K)|. With the total volatility
   s = sigma sqrt(T), u = |x| / s and t = s / 2 the price is

       b(s) = exp(-(u² + t²)/2) / sqrt(2 pi) * [Y(t - u) - Y(-t - u)],   Y(z) = N(z) / phi(z)

   and its derivative b'(s) = exp(-(u² + t²)/2) / sqrt(2 pi).
2. *Guess* (`_bachelier_guess`). The Bachelier inverse in closed form (`mills.inverse`) and its first correction
   in s: relative error 2.4e-5 for s < 0.05, 1.5e-4 for s < 0.2, 8e-4 for s < 0.5.
3. *One Householder step of order 4* (`_series_step`) on g(s) = ln b(s) - ln beta where s <= 0.3, which is about
   99 % of a listed universe. b/b' is a Taylor series in t whose terms come from one rational (`mills.slope`).
   What remains is below 3e-15.
4. *The rest* (`wide_volatility.solve_wide`), gathered over all blocks: two Mills ratios, two or three of the same
   steps on ln b, or on ln(b_max - b) in the upper half of the price range; what has not converged is bisected.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tickertui.market.mills import Floats, constants, inverse, slope

Flags: TypeAlias = NDArray[np.bool_]
Statuses: TypeAlias = NDArray[np.int8]
Rows: TypeAlias = NDArray[np.intp]


class Status(IntEnum):
    """Why a row has, or has not, an implied volatility."""

    OK = 0
    NO_PRICE = 1
    """The price is missing, zero or negative."""
    BELOW_INTRINSIC = 2
    """The price is less than exercise is worth: stale, or the forward is wrong."""
    AT_INTRINSIC = 3
    """No time value beyond rounding: every small volatility gives this price."""
    ABOVE_MAX = 4
    """A call at or above its forward, a put at or above its strike: no volatility gives this price."""
    EXPIRED = 5
    """No time is left."""
    BAD_INPUT = 6
    """Forward, strike, time, discount or volatility is missing, not finite, or not positive."""
    NEAR_EXPIRY = 7
    """So little time is left that the prices say nothing of a volatility (`tickertui.market.last_minutes`)."""
    SETTLED = 8
    """The underlying has settled: the option is worth its intrinsic value."""


SERIES_LIMIT: Final = 0.3
"""Largest s for the Taylor series of `_series_step`; its first dropped term is below 1e-16 there."""

ROUNDING: Final = 4 * float(np.finfo(np.float64).eps)
"""Time value below this share of max(F, K) is the rounding of F - K (in the money)."""

SMALLEST_PRICE: Final = 1e-20
"""Out of the money, prices below this share of min(F, K) (nine standard deviations away) have no volatility."""

SQRT_2PI: Final = 2.5066282746310002
LN_SQRT_2PI: Final = 0.9189385332046728
LN_2: Final = 0.6931471805599453
TINY: Final = 1e-300
"""Keeps a logarithm finite and a quotient defined."""


class Scratch:
    """Preallocated temporaries of one block; fresh 128 kB arrays would fault their pages on every use.

    Args:
        block: Rows per block. 16,384 is the measured optimum: 47 ns per option, against 134 ns with 1,024
            (per-call overhead) and nothing gained above.
    """

    FLOATS = 12
    MASKS = 3

    def __init__(self, block: int) -> None:
        self.block = block
        # Rows are padded by 9 cache lines, so that equal indices of different rows fall into different cache sets.
        self._floats = np.empty((self.FLOATS, block + 72))
        self._masks = np.empty((self.MASKS, block + 72), dtype=np.bool_)

    def floats(self, size: int) -> list[Floats]:
        """Return `FLOATS` arrays of this size with arbitrary contents."""
        return [row[:size] for row in self._floats]

    def masks(self, size: int) -> list[Flags]:
        """Return `MASKS` boolean arrays of this size with arbitrary contents."""
        return [row[:size] for row in self._masks]


def solve_block(
    scratch: Scratch,
    price: Floats,
    forward: Floats,
    strike: Floats,
    years: Floats,
    is_call: Flags,
    discount: Floats | None,
    total: Floats,
    log_moneyness: Floats,
    status: Statuses,
) -> Rows | None:
    """Solve one block of at most ``scratch.block`` rows.

    Args:
        scratch: Temporaries.
        price: Discounted prices; any floats.
        forward: Forwards; any floats.
        strike: Strikes; any floats.
        years: Times to expiry; any floats.
        is_call: True for calls.
        discount: Discount factors, None for 1.
        total: Receives s = sigma sqrt(T), NaN where the status is not OK; for the returned rows only a guess.
        log_moneyness: Receives |ln(F/K)|; arbitrary where the status is not OK.
        status: Receives values of `Status`.

    Returns:
        The rows that `solve_wide` must finish, or None.
    """
    size = len(price)
    beta, *temporaries = scratch.floats(size)
    usable, wide, mask = scratch.masks(size)
    undiscounted = price
    if discount is not None:
        undiscounted = np.divide(price, discount, out=temporaries.pop())
    unsolvable = _normalise(
        undiscounted, forward, strike, years, is_call, discount, beta, log_moneyness, status, usable, mask, temporaries
    )
    _bachelier_guess(log_moneyness, beta, total, temporaries)
    np.greater(total, SERIES_LIMIT, out=wide)
    rows: Rows | None = None
    if wide.any():  # never an unsolvable row: `_normalise` gave those a beta of 0.01 at the money, s = 0.025
        rows = np.flatnonzero(wide)
        guess = total[rows]
    _series_step(log_moneyness, beta, total, temporaries)
    if len(unsolvable):
        total[unsolvable] = np.nan
    if rows is not None:
        total[rows] = guess
    return rows


def _normalise(
    undiscounted: Floats,
    forward: Floats,
    strike: Floats,
    years: Floats,
    is_call: Flags,
    discount: Floats | None,
    beta: Floats,
    log_moneyness: Floats,
    status: Statuses,
    usable: Flags,
    mask: Flags,
    temporaries: list[Floats],
) -> Rows:
    """Fill beta, |x| and the status; return the rows without an answer, whose beta and |x| are made harmless.

    sqrt(F K) is taken as min(F, K) sqrt(1 + r) with r = |F - K| / min(F, K), and |x| as ln(1 + r): the product
    F K cannot overflow, and at the money no digit is lost in ln(F / K).
    """
    lower, apart, intrinsic, time_value, root = temporaries[:5]
    np.subtract(forward, strike, out=apart)
    signs(is_call, intrinsic)
    intrinsic *= apart
    np.maximum(intrinsic, 0.0, out=intrinsic)
    np.abs(apart, out=apart)
    np.minimum(forward, strike, out=lower)
    np.subtract(undiscounted, intrinsic, out=time_value)
    # The common case in six passes: enough time value, below the bound min(F, K), time left, finite inputs.
    np.add(lower, apart, out=root)
    root *= ROUNDING
    np.greater(time_value, root, out=usable)
    np.less(time_value, lower, out=mask)
    usable &= mask
    np.greater(years, 0.0, out=mask)
    usable &= mask
    np.less(years, np.inf, out=mask)
    usable &= mask
    np.divide(apart, lower, out=root)
    np.less(root, np.inf, out=mask)
    usable &= mask
    if discount is not None:
        np.less(discount, np.inf, out=mask)
        usable &= mask
    status[:] = Status.OK
    doubtful = np.flatnonzero(~usable) if not usable.all() else _NO_ROWS
    if len(doubtful):
        found = _diagnose(
            undiscounted[doubtful], forward[doubtful], strike[doubtful], years[doubtful], is_call[doubtful],
            None if discount is None else discount[doubtful], time_value[doubtful], root[doubtful],
        )  # fmt: skip
        status[doubtful] = found
        doubtful = doubtful[found != Status.OK]
        time_value[doubtful], lower[doubtful], root[doubtful] = 0.01, 1.0, 0.0
    log_of_ratio(root, log_moneyness, intrinsic)
    root += 1.0
    np.sqrt(root, out=root)
    root *= lower
    np.divide(time_value, root, out=beta)
    return doubtful


_NO_ROWS: Final[Rows] = np.empty(0, dtype=np.intp)


def signs(is_call: Flags, out: Floats) -> Floats:
    """+1 for calls and -1 for puts; arithmetic on it is twice as fast as masked copies, which branch per row."""
    np.copyto(out, is_call)
    out *= 2.0
    out -= 1.0
    return out


def log_of_ratio(ratio: Floats, out: Floats, work: Floats) -> None:
    """|ln(F/K)| = ln(1 + r) of r = |F - K| / min(F, K) >= 0, with all digits also where r is tiny.

    Kahan's form r ln(w) / (w - 1) with the rounded w = 1 + r; 7 ns where the library's log1p takes 14 (AVX2).
    Where w = 1 the floor of the divisor makes the result 0, which r <= 2^-53 is to every option.
    """
    np.add(ratio, 1.0, out=work)
    np.log2(work, out=out)
    out *= LN_2
    work -= 1.0
    np.maximum(work, TINY, out=work)
    out /= work
    out *= ratio


def _diagnose(
    undiscounted: Floats,
    forward: Floats,
    strike: Floats,
    years: Floats,
    is_call: Flags,
    discount: Floats | None,
    time_value: Floats,
    ratio: Floats,
) -> Statuses:
    """Name the status of the few rows outside the common case (which may still be OK: tiny but real prices)."""
    bad = ~((forward > 0.0) & (strike > 0.0) & np.isfinite(ratio) & np.isfinite(years))
    if discount is not None:
        bad |= ~((discount > 0.0) & (discount < np.inf))
    lower = np.minimum(forward, strike)
    in_the_money = np.where(is_call, forward > strike, strike > forward)
    noise = np.where(in_the_money, ROUNDING * np.maximum(forward, strike), SMALLEST_PRICE * lower)
    conditions = [
        bad,
        years <= 0.0,
        ~(undiscounted > 0.0),
        time_value < -noise,
        time_value >= lower,
        ~(time_value > noise),
    ]
    names = [
        Status.BAD_INPUT,
        Status.EXPIRED,
        Status.NO_PRICE,
        Status.BELOW_INTRINSIC,
        Status.ABOVE_MAX,
        Status.AT_INTRINSIC,
    ]
    return np.select(conditions, [np.int8(name) for name in names], np.int8(Status.OK))


def _bachelier_guess(log_moneyness: Floats, beta: Floats, total: Floats, temporaries: list[Floats]) -> None:
    """s0 = |x| / u0 with u0 from the Bachelier inverse, then s0 += s0³ / (24 + 8 u0²) (Black's first correction)."""
    k, log_ratio, u, work = temporaries[:4]
    np.divide(log_moneyness, beta, out=k)
    np.maximum(k, 1e-8, out=k)  # at the money u0 -> k / sqrt(2 pi), so s0 = beta k / u0 -> beta sqrt(2 pi)
    np.add(k, 1.0, out=log_ratio)
    np.log2(log_ratio, out=log_ratio)
    log_ratio *= LN_2
    inverse(log_ratio, u, work)
    u *= log_ratio
    np.multiply(beta, k, out=total)
    total /= u
    u *= u
    u *= 8.0
    u += 24.0
    np.multiply(total, total, out=work)
    work *= total
    work /= u
    total += work


def price_over_vega(u: Floats, uu: Floats, tt: Floats, s: Floats, out: Floats, temporaries: list[Floats]) -> Floats:
    """Evaluate b / b' = s [D1 + t² D3/3! + t⁴ D5/5! + ... + t¹⁰ D11/11!] into ``out`` (s <= `SERIES_LIMIT`).

    D_n is the n-th derivative of Y(z) = N(z)/phi(z) at z = -u. From Y' = 1 + z Y follow D1 = a(u) and

        D3 = (u² + 3) D1 - 1,  D5 = (u² + 7) D3 - 6 D1,  D7 = (u² + 11) D5 - 20 D3,
        D9 = (u² + 15) D7 - 42 D5,  D11 = (u² + 19) D9 - 72 D7.

    Needs five temporaries.
    """
    older, old, new, power, work = temporaries[:5]
    slope(u, older, new)  # D1
    np.add(uu, 3.0, out=old)
    old *= older
    old -= 1.0  # D3
    np.multiply(tt, 1.0 / 6.0, out=power)  # t²/3!
    np.multiply(power, old, out=out)
    out += older
    for shift, factor, ratio in _RECURRENCE:
        np.add(uu, shift, out=new)
        new *= old
        older *= factor
        new -= older
        power *= tt
        power *= ratio
        np.multiply(power, new, out=work)
        out += work
        older, old, new = old, new, older
    out *= s
    return out


_RECURRENCE: Final = (
    # added to u², factor of the last but one, 1/((n-1) n)
    constants(7.0, 6.0, 1.0 / 20.0),
    constants(11.0, 20.0, 1.0 / 42.0),
    constants(15.0, 42.0, 1.0 / 72.0),
    constants(19.0, 72.0, 1.0 / 110.0),
)


def _series_step(log_moneyness: Floats, beta: Floats, total: Floats, temporaries: list[Floats]) -> None:
    """One Householder step of order 4 on g = ln b - ln beta, in place on ``total``.

    With rho = b/b', B = b''/b' = (u² - t²)/s and nu = -g rho (the Newton step):

        h2 = g''/g' = B - 1/rho
        h3 = g'''/g' = B² - 3 u²/s² - 1/4 - 3 B/rho + 2/rho²
        s += nu (1 + h2 nu/2) / (1 + h2 nu + h3 nu²/6)
    """
    u, uu, tt, rho, *rest = temporaries
    np.divide(log_moneyness, total, out=u)
    np.multiply(u, u, out=uu)
    np.multiply(total, total, out=tt)
    tt *= 0.25
    price_over_vega(u, uu, tt, total, rho, rest)
    nu, curvature, h3, inverse_rho, work = rest[:5]
    # nu = -rho g = rho ((u² + t²)/2 + ln sqrt(2 pi) - ln(rho / beta))
    np.add(uu, tt, out=nu)
    nu *= 0.5
    nu += LN_SQRT_2PI
    np.divide(rho, beta, out=work)
    np.log2(work, out=work)  # libm's log2 takes 5 ns, its log 8, where numpy has no vector version
    work *= LN_2
    nu -= work
    nu *= rho
    np.divide(1.0, rho, out=inverse_rho)
    np.divide(1.0, total, out=work)
    np.subtract(uu, tt, out=curvature)
    curvature *= work  # B
    work *= work
    work *= uu
    work *= 3.0  # 3 u²/s²
    np.multiply(curvature, curvature, out=h3)
    h3 -= work
    h3 -= 0.25
    np.multiply(curvature, inverse_rho, out=work)
    work *= 3.0
    h3 -= work
    np.multiply(inverse_rho, inverse_rho, out=work)
    work *= 2.0
    h3 += work
    h2 = np.subtract(curvature, inverse_rho, out=curvature)
    h3 *= nu
    h3 *= 1.0 / 6.0
    h3 += h2
    h3 *= nu
    h3 += 1.0  # the denominator
    h2 *= 0.5
    h2 *= nu
    h2 += 1.0
    h2 *= nu
    h2 /= h3
    total += h2
