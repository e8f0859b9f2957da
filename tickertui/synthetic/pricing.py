"""What one row of the mock market shows: price on the tick grid, volume, open interest, book. Array functions only.

Called by `tickertui.synthetic.market`. Prices come from Black-76 on a forward with an SSVI smile (Gatheral and
Jacquier, "Arbitrage-free SVI volatility surfaces", 2014), the same model by which the valuation takes them apart. Its
parameters keep eta² (1 + |rho|) <= 4, so that the smile itself admits no butterfly; what remains is the rounding to
the tick.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market.arrays import distinct
from tickertui.market.mills import mills

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVELS: Final = 5
OI_STEP_SECONDS: Final = 180.0
"""Open interest is published about every three minutes."""

_FAR: Final = 38.0
"""The normal tail is 0 in double precision beyond."""
_INVERSE_SQRT_2PI: Final = 0.3989422804014327
_SMALLEST_TOTAL: Final = 1e-9

_OI_WAVES: Final = ((997, 0.12), (131, 0.06), (17, 0.03))
"""Period in steps and amplitude of what open interest does around its base."""
_VOLUME_WAVES: Final = 7.0
_VOLUME_SWING: Final = 0.9

_COUNT: Final = np.uint32(31)
_ORDERS: Final = np.uint32(7)

_MIX_ONE: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_TWO: Final = np.uint64(0x94D049BB133111EB)
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


def mixed(keys: NDArray[np.uint64], salt: int | NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return well mixed 64-bit numbers of keys and salt (the finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        x = keys + np.asarray(salt, dtype=np.uint64) * _GOLDEN
        x = (x ^ (x >> np.uint64(30))) * _MIX_ONE
        x = (x ^ (x >> np.uint64(27))) * _MIX_TWO
        return np.asarray(x ^ (x >> np.uint64(31)))


def unit(numbers: NDArray[np.uint64]) -> Floats:
    """Return mixed numbers as float64 in [0, 1)."""
    return np.asarray((numbers >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def total_volatility(log_strike: Floats, theta: Floats, rho: Floats, eta: Floats) -> Floats:
    """Return sigma sqrt(T) of the SSVI surface.

    Args:
        log_strike: ln(K/F).
        theta: Total variance of the at-the-money option, sigma² T.
        rho: Skew.
        eta: Curvature; phi(theta) = eta / sqrt(theta).
    """
    root = np.sqrt(np.maximum(theta, _SMALLEST_TOTAL**2))
    x = eta / root * log_strike
    variance = 0.5 * theta * (1.0 + rho * x + np.sqrt((x + rho) ** 2 + 1.0 - rho**2))
    return np.maximum(np.sqrt(variance), _SMALLEST_TOTAL)


def out_of_the_money(forward: Floats, strike: Floats, total: Floats) -> Floats:
    """Return the undiscounted Black-76 price of the out-of-the-money side, rupees."""
    low, high = np.minimum(forward, strike), np.maximum(forward, strike)
    centre = np.log(high / low) / total
    half = 0.5 * total
    return np.asarray(np.maximum(low * _tail(centre - half) - high * _tail(centre + half), 0.0))


def _tail(u: Floats) -> Floats:
    """N(-u) by Mills' ratio."""
    size = np.minimum(np.abs(u), _FAR)
    ratio, work = np.empty_like(size), np.empty_like(size)
    mills(size, ratio, work)
    tail = ratio * np.exp(-0.5 * size * size) * _INVERSE_SQRT_2PI
    return np.where(u < 0.0, 1.0 - tail, tail)


def option_ticks(forward: Floats, strike: Floats, total: Floats, is_call: NDArray[np.bool_], tick: Floats) -> Ints:
    """Return option prices in ticks, at least one.

    The out-of-the-money side is priced, the other follows by parity, so that a pair differs from F - K by less than
    a tick after rounding; the floor of one tick is part of both, and keeps prices monotone and convex in the strike.
    """
    time_value = np.maximum(out_of_the_money(forward, strike, total), tick)
    apart = np.where(is_call, forward - strike, strike - forward)
    return np.rint((time_value + np.maximum(apart, 0.0)) / tick).astype(np.int64)


def volume_lots(daily: Floats, progress: Floats, phase: Floats) -> Ints:
    """Return lots traded so far: rising with the session's progress, in bursts of its own, never falling.

    Args:
        daily: Lots on a whole day.
        progress: 0 to 1.
        phase: 0 to 1, where in its bursts a row is.
    """
    turn = 2.0 * np.pi * _VOLUME_WAVES
    wave = np.sin(turn * progress + 2.0 * np.pi * phase) - np.sin(2.0 * np.pi * phase)
    traded = daily * (progress + _VOLUME_SWING * wave / turn)
    # At the open the two sines may differ by a rounding error below zero.
    return np.floor(np.maximum(traded, 0.0)).astype(np.int64)


def open_interest_lots(base: Floats, step: Floats, phase: Floats) -> Ints:
    """Return lots of open interest at a publication.

    Args:
        base: Lots on average.
        step: Number of the publication, whole.
        phase: 0 to 1, different for each row.
    """
    total = np.ones(len(base))
    for number, (period, size) in enumerate(_OI_WAVES, 1):
        total += size * np.sin(2.0 * np.pi * (step / period + number * phase))
    return np.rint(base * total).astype(np.int64)


def base_open_interest(strike: Floats, centre: Floats, step: Floats, is_call: NDArray[np.bool_]) -> Floats:
    """Return the profile of open interest over the strikes, about 1 near the money.

    It peaks at round strikes (each tenth, then each second step) and is heavier in calls above the spot and in puts
    below it, 2 % away.
    """
    away = (strike - centre) / (0.035 * centre)
    away = away - np.where(is_call, 0.5, -0.5)
    steps = np.rint(strike / step)
    peaks = 1.0 + 2.2 * (steps % 10 == 0) + 0.6 * (steps % 2 == 0)
    return np.asarray(np.exp(-0.5 * away * away) * peaks + 0.01)


def fill_book(
    words: NDArray[np.uint32],
    keys: NDArray[np.uint64],
    salt: NDArray[np.uint64],
    ticks: Ints,
    wire_tick: Ints,
    lots: Ints,
    spread: Ints,
) -> None:
    """Write five bids and five offers into rows of words; a level below one tick stays empty (0), as on the wire.

    Args:
        words: uint32[n, 30]: (quantity, price, orders << 16) by level, bids first.
        keys: Of the rows.
        salt: Changes when the book changes.
        ticks: Last prices in ticks.
        wire_tick: A tick as a wire integer.
        lots: Lot sizes.
        spread: Best offer less best bid, ticks.
    """
    best_bid = np.maximum(ticks - spread // 2, 1)
    best_ask = np.maximum(best_bid + spread, ticks)
    chance = mixed(keys ^ mixed(salt, 1), 2)
    # Level by level: a column of 9,000 stays in the first cache, the matrix of all ten does not (1 ms against 4 ms).
    for level in range(2 * LEVELS):
        depth = level % LEVELS
        price = best_bid - depth if level < LEVELS else best_ask + depth
        part = (chance >> np.uint64(6 * level)).astype(np.uint32)
        count = ((part & _COUNT) + np.uint32(1)) * np.uint32(depth + 1)
        orders = np.minimum((part >> np.uint32(2) & _ORDERS) + np.uint32(1), count)
        column = 3 * level
        words[:, column] = count * lots
        words[:, column + 1] = price * wire_tick
        words[:, column + 2] = orders << np.uint32(16)
        gone = np.flatnonzero(price <= 0)
        if len(gone):
            words[gone, column : column + 3] = 0


def extreme_states(forward: Floats, theta: Floats) -> NDArray[np.intp]:
    """Return places of the states among which every option of an expiry has its highest and its lowest price.

    A call is worth more the higher the forward and the total variance are, a put the lower the forward is. So only
    states count that no other one exceeds in both, in any of the four directions: some dozens of a day's thousands.

    Args:
        forward: float64[n], rupees.
        theta: float64[n], total variances of the at-the-money option.
    """
    found = []
    for up in (forward, -forward):
        for rich in (theta, -theta):
            order = np.lexsort((-rich, -up))
            best = np.maximum.accumulate(rich[order])
            found.append(order[np.append(True, best[1:] > best[:-1])])
    places: NDArray[np.intp] = distinct(np.concatenate(found))
    return places
