"""Implied volatility where s = sigma sqrt(T) is large (step 4 of `implied_volatility`), and the exact price there.

Long-dated or very volatile options, about 1 % of a listed universe. They are gathered over all blocks, so this is
written with fresh arrays. Called by `option_kernel` (solving) and `black` (prices).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tickertui.market.implied_volatility import LN_SQRT_2PI, SQRT_2PI, TINY, Flags
from tickertui.market.mills import Floats, mills

FAR_LIMIT: Final = 0.8
"""From this s the closed form of Stefanica and Radoičić is the better guess."""

_CONVERGED: Final = 1e-5  # the steps are of order 4, so the step after one of 1e-5 would be below 1e-20
_BISECTIONS: Final = 70  # on ln s over [1e-12, 1e4]: 37 / 2^70 is far below double precision


def solve_wide(
    undiscounted: Floats, forward: Floats, strike: Floats, is_call: Flags, log_moneyness: Floats, guess: Floats
) -> Floats:
    """Solve rows whose s is above `SERIES_LIMIT`.

    Args:
        undiscounted: Prices divided by the discount factor; every row has a solution.
        forward: Forwards.
        strike: Strikes.
        is_call: True for calls.
        log_moneyness: |ln(F/K)|.
        guess: Starting values of s.

    Returns:
        s = sigma sqrt(T).
    """
    lower = np.minimum(forward, strike)
    mean = lower * np.sqrt(1.0 + np.abs(forward - strike) / lower)
    intrinsic = np.maximum(np.where(is_call, forward - strike, strike - forward), 0.0)
    beta = (undiscounted - intrinsic) / mean
    # b_max - beta, from the bound of the option itself (F or K), because min(F, K) - time value would round twice.
    missing = np.maximum((np.where(is_call, forward, strike) - undiscounted) / mean, TINY)
    upper = beta > missing
    target = np.log(np.where(upper, missing, beta))
    s = guess.copy()
    far = s > FAR_LIMIT
    steps = 2
    if far.any():
        better = _polya_guess(log_moneyness[far], beta[far])
        s[far] = np.where(np.isfinite(better) & (better > 0.0), better, s[far])
        steps = 3
    change = np.full(len(s), np.inf)
    for _ in range(steps):
        change = _wide_step(log_moneyness, target, upper, s)
        s += change
    # The last change bounds what is left; one of NaN or a negative s comes from a guess outside the fitted ranges.
    lost = ~((np.abs(change) < _CONVERGED * s) & (s > 0.0))
    if lost.any():
        s[lost] = _bisect(log_moneyness[lost], target[lost], upper[lost])
    return s


def _wide_ratio(log_moneyness: Floats, upper: Flags, s: Floats) -> tuple[Floats, Floats, Floats]:
    """Return b/b' (or (b_max - b)/b' where ``upper``), u² and t².

    b/b' = Y(z) - M(t + u) with z = t - u, and (b_max - b)/b' = Y(-z) + M(t + u); Y(z) is M(-z) for z <= 0 and
    sqrt(2 pi) exp(z²/2) - M(z) for z > 0.
    """
    t = 0.5 * s
    u = np.minimum(log_moneyness / s, _MILLS_LIMIT)
    z = t - u
    near, far = _fresh_mills(np.abs(z)), _fresh_mills(np.minimum(t + u, _MILLS_LIMIT))
    other = SQRT_2PI * np.exp(np.minimum(0.5 * z * z, 700.0)) - near
    ratio = np.where((z > 0.0) ^ upper, other, near) + np.where(upper, far, -far)
    return ratio, u * u, t * t


_MILLS_LIMIT: Final = 1e6  # phi underflows beyond 39 anyway; the rational itself would overflow at 1e25


def _fresh_mills(u: Floats) -> Floats:
    return mills(u, np.empty_like(u), np.empty_like(u))


def _wide_step(log_moneyness: Floats, target: Floats, upper: Flags, s: Floats) -> Floats:
    """Return the change of s in one step of `_series_step`'s formula on ln b, or on ln(b_max - b)."""
    ratio, uu, tt = _wide_ratio(log_moneyness, upper, s)
    g = np.log(ratio) - 0.5 * (uu + tt) - LN_SQRT_2PI - target
    rho = np.where(upper, -ratio, ratio)
    nu = -g * rho
    curvature = (uu - tt) / s
    h2 = curvature - 1.0 / rho
    h3 = curvature * curvature - 3.0 * uu / (s * s) - 0.25 - 3.0 * curvature / rho + 2.0 / (rho * rho)
    return nu * (1.0 + 0.5 * h2 * nu) / (1.0 + nu * (h2 + h3 * nu / 6.0))


def normalised_price(log_moneyness: Floats, s: Floats) -> tuple[Floats, Floats]:
    """Return b and b_max - b of an out-of-the-money option, without overflow for any s > 0.

    With E = exp(-(u² + t²)/2) / sqrt(2 pi) and b_max = exp(-u t) = exp(-|x|/2): b = E [M(u - t) - M(u + t)] for
    t <= u and b_max - b = E [M(t - u) + M(t + u)] for t > u; the other one is the difference to b_max.
    """
    t = 0.5 * s
    u = np.minimum(log_moneyness / s, _MILLS_LIMIT)
    near, far = _fresh_mills(np.abs(t - u)), _fresh_mills(np.minimum(t + u, _MILLS_LIMIT))
    density = np.exp(-0.5 * (u * u + t * t)) / SQRT_2PI
    bound = np.exp(-0.5 * log_moneyness)
    crossed = t > u
    part = density * np.where(crossed, near + far, near - far)
    return np.where(crossed, bound - part, part), np.where(crossed, part, bound - part)


def _bisect(log_moneyness: Floats, target: Floats, upper: Flags) -> Floats:
    """Bisect ln s; slow and certain, for prices far outside any market."""
    low, high = np.full(len(target), np.log(1e-12)), np.full(len(target), np.log(1e4))
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        price, missing = normalised_price(log_moneyness, np.exp(middle))
        too_high = np.where(upper, np.log(np.maximum(missing, TINY)) < target, np.log(np.maximum(price, TINY)) > target)
        high = np.where(too_high, middle, high)
        low = np.where(too_high, low, middle)
    result: Floats = np.exp(0.5 * (low + high))
    return result


def _polya_guess(log_moneyness: Floats, beta: Floats) -> Floats:
    """Closed-form guess from Pólya's approximation of N (Stefanica and Radoičić, 2017, for an OTM call).

    With y = -|x|, alpha = price / K and R = 2 alpha - e^y + 1 the paper's quadratic in exp(-2 gamma / pi) gives
    s = sqrt(gamma + |x|) -/+ sqrt(gamma - |x|); the branch is told by the price at which d2 changes its sign.
    """
    y = -log_moneyness
    ey = np.exp(y)
    alpha = beta * np.exp(0.5 * y)
    k = 1.0 - 2.0 / np.pi
    r = 2.0 * alpha - ey + 1.0
    a = (2.0 * np.sinh(k * y)) ** 2
    b = 8.0 * np.cosh(2.0 * y / np.pi) - 4.0 / ey * np.cosh(k * y) * (ey * ey + 1.0 - r * r)
    c = 16.0 / (ey * ey) * alpha * (alpha - np.expm1(y)) * (ey - alpha) * (1.0 + alpha)
    root = 2.0 * c / (b + np.sqrt(b * b + 4.0 * a * c))
    gamma = np.maximum(-0.5 * np.pi * np.log(np.minimum(root, 1.0)), log_moneyness)
    branch_price = 0.5 * ey - (0.5 - 0.5 * np.sqrt(-np.expm1(-4.0 * log_moneyness / np.pi)))
    plus, minus = np.sqrt(gamma + log_moneyness), np.sqrt(gamma - log_moneyness)
    return np.where(alpha <= branch_price, plus - minus, plus + minus)
