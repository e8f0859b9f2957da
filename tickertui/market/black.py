"""Black-76 Greeks of one block of options, in place, and their translation to Black-Scholes on a spot.

Called by `tickertui.market.option_kernel` (blocks) and `tickertui.market.greeks` (spot translation).

With the forward F, strike K, discount D = exp(-r T), s = sigma sqrt(T), d1 = ln(F/K)/s + s/2 and d2 = d1 - s
(F. Black, "The pricing of commodity contracts", 1976; derivatives by hand, checked in decimal arithmetic):

    delta = D N(d1) for calls, -D N(-d1) for puts       gamma = D phi(d1) / (F s)
    vega  = D F phi(d1) sqrt(T)                          theta = r V - D F phi(d1) sigma / (2 sqrt(T))
    vanna = -D phi(d1) d2 / sigma                        volga = vega d1 d2 / sigma
    charm = r delta + D phi(d1) d2 / (2 T)               rho   = -T V   (at a fixed forward)

in the units of `Greeks`. The normal tail comes from one density and one Mills ratio: the out-of-the-money delta
directly, the other as its complement, so that small deltas keep all their digits.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final

import numpy as np

from tickertui.frozen import frozen
from tickertui.market.implied_volatility import (
    SERIES_LIMIT,
    SQRT_2PI,
    Flags,
    Scratch,
    price_over_vega,
    signs,
)
from tickertui.market.mills import Floats, mills
from tickertui.market.wide_volatility import normalised_price

DAYS_PER_YEAR: Final = 365.0
"""Theta and charm are per calendar day, whatever the convention of time."""

_DENSITY_END: Final = 40.0  # phi(40) = 0 in double precision; beyond, the rational of M would overflow at 1e25
_INVERSE_SQRT_2PI: Final = 1.0 / SQRT_2PI


@frozen(eq=False)
class Greeks:
    """Greeks of n options, each a float64[n]; NaN where the inputs have no answer.

    Attributes:
        delta: Change of the price for one rupee of the underlying.
        gamma: Change of delta for one rupee of the underlying.
        theta: Change of the price in rupees when one calendar day passes.
        vega: Change of the price in rupees for one volatility point (0.01).
        rho: Change of the price in rupees for one percentage point of the interest rate.
        vanna: Change of delta for one volatility point.
        volga: Change of vega for one volatility point.
        charm: Change of delta when one calendar day passes.
        price: Model price in rupees.
    """

    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats
    vanna: Floats
    volga: Floats
    charm: Floats
    price: Floats

    @classmethod
    def empty(cls, size: int) -> Greeks:
        """Allocate all columns with arbitrary contents."""
        return cls(*(np.empty(size) for _ in fields(cls)))

    def rows(self, start: int, stop: int) -> Greeks:
        """Return views of the rows ``start:stop``."""
        return Greeks(*(column[start:stop] for column in self.columns()))

    def columns(self) -> tuple[Floats, ...]:
        """Return the nine columns in the order of the attributes."""
        return (
            self.delta, self.gamma, self.theta, self.vega, self.rho, self.vanna, self.volga, self.charm, self.price,
        )  # fmt: skip


def greeks_block(
    scratch: Scratch,
    forward: Floats,
    strike: Floats,
    years: Floats,
    is_call: Flags,
    volatility: Floats,
    total: Floats,
    log_moneyness: Floats,
    discount: Floats | None,
    rate: Floats | None,
    price: Floats | None,
    out: Greeks,
    higher: bool,
) -> None:
    """Fill one block of at most ``scratch.block`` rows of ``out``; NaN in, NaN out.

    Args:
        scratch: Temporaries.
        forward: Forwards.
        strike: Strikes.
        years: Times to expiry in years.
        is_call: True for calls.
        volatility: sigma.
        total: s = sigma sqrt(T).
        log_moneyness: |ln(F/K)|.
        discount: D, None for 1.
        rate: r = -ln(D) / T, None for 0; given exactly when ``discount`` is.
        price: Prices that ``volatility`` was implied from (they are the model's prices), None to compute them.
        out: Receives the results.
        higher: Also rho, vanna, volga, charm and price; otherwise those columns keep their contents.
    """
    size = len(forward)
    d1, u, phi, tail, work, other = scratch.floats(size)[:6]
    positive = scratch.masks(size)[0]
    if higher or rate is not None:
        if price is None:
            _price_block(scratch, forward, strike, is_call, total, log_moneyness, discount, out.price)
        else:
            out.price[:] = price
    delta, gamma, theta, vega = out.delta, out.gamma, out.theta, out.vega
    _first_normal_argument(forward, strike, total, log_moneyness, d1, work)
    np.abs(d1, out=u)
    np.minimum(u, _DENSITY_END, out=u)
    mills(u, tail, work)
    u *= u
    u *= -0.5
    np.exp(u, out=phi)
    phi *= _INVERSE_SQRT_2PI
    tail *= phi  # N(-|d1|)
    # delta = e N(z) with e = +1, -1 and z = e d1: N(z) = [z >= 0] - copysign(tail, z), exact on either side.
    sign = signs(is_call, other)
    np.multiply(sign, d1, out=u)
    np.greater_equal(u, 0.0, out=positive)
    np.copyto(delta, positive)
    np.copysign(tail, u, out=u)
    delta -= u
    delta *= sign
    if discount is not None:
        delta *= discount
        phi *= discount
    np.multiply(forward, total, out=work)  # F s
    np.divide(phi, work, out=gamma)
    work *= phi  # D F phi s: vega is this over sigma, the decay of theta this over 2 T
    np.divide(work, volatility, out=vega)
    vega *= 0.01
    np.divide(work, years, out=theta)
    theta *= -0.5 / DAYS_PER_YEAR
    if rate is not None:
        np.multiply(rate, out.price, out=work)
        work *= 1.0 / DAYS_PER_YEAR
        theta += work
    if higher:
        _higher_greeks(years, volatility, total, rate, d1, phi, work, other, out)


def _first_normal_argument(
    forward: Floats, strike: Floats, total: Floats, log_moneyness: Floats, out: Floats, work: Floats
) -> None:
    """d1 = ln(F/K)/s + s/2; finite, because the kernel takes no s below 1e-150."""
    np.subtract(forward, strike, out=work)
    np.copysign(log_moneyness, work, out=out)
    out /= total
    np.multiply(total, 0.5, out=work)
    out += work


def _higher_greeks(
    years: Floats,
    volatility: Floats,
    total: Floats,
    rate: Floats | None,
    d1: Floats,
    phi: Floats,
    work: Floats,
    d2: Floats,
    out: Greeks,
) -> None:
    """Fill rho, vanna, volga and charm from what `greeks_block` left in d1 and phi (already discounted)."""
    rho, vanna, volga, charm = out.rho, out.vanna, out.volga, out.charm
    np.multiply(years, out.price, out=rho)
    rho *= -0.01
    np.subtract(d1, total, out=d2)
    np.multiply(phi, d2, out=work)
    np.divide(work, volatility, out=vanna)
    vanna *= -0.01
    np.multiply(out.vega, d1, out=volga)
    volga *= d2
    volga /= volatility
    volga *= 0.01
    np.divide(work, years, out=charm)
    charm *= 0.5 / DAYS_PER_YEAR
    if rate is not None:
        np.multiply(rate, out.delta, out=work)
        work *= 1.0 / DAYS_PER_YEAR
        charm += work


def _price_block(
    scratch: Scratch,
    forward: Floats,
    strike: Floats,
    is_call: Flags,
    total: Floats,
    log_moneyness: Floats,
    discount: Floats | None,
    out: Floats,
) -> None:
    """Price = D [intrinsic + sqrt(F K) b(s)], with b by `implied_volatility`'s series where s is small.

    The textbook F N(d1) - K N(d2) loses 1/s units of precision: eleven digits of a one-minute option.
    """
    size = len(forward)
    u, uu, tt, b, s, work, *rest = scratch.floats(size)
    np.minimum(total, SERIES_LIMIT, out=s)
    np.divide(log_moneyness, s, out=u)
    np.minimum(u, _DENSITY_END, out=u)
    np.multiply(u, u, out=uu)
    np.multiply(s, s, out=tt)
    tt *= 0.25
    price_over_vega(u, uu, tt, s, b, rest)
    uu += tt
    uu *= -0.5
    np.exp(uu, out=uu)
    b *= uu
    b *= _INVERSE_SQRT_2PI
    wide = np.flatnonzero(total > SERIES_LIMIT)
    if len(wide):
        b[wide] = normalised_price(log_moneyness[wide], total[wide])[0]
    lower = np.minimum(forward, strike, out=u)
    apart = np.subtract(forward, strike, out=tt)
    np.abs(apart, out=work)
    work /= lower
    work += 1.0
    np.sqrt(work, out=work)
    work *= lower  # sqrt(F K)
    b *= work
    signs(is_call, work)
    work *= apart
    np.maximum(work, 0.0, out=work)
    np.add(b, work, out=out)
    if discount is not None:
        out *= discount


def theta_left(theta: Floats, price: Floats, intrinsic: Floats, years: Floats) -> Floats:
    """Return what an option can still lose by time alone within a day: theta, but no more than its time value.

    With less than a day to go a theta per day overstates the decay: two hours before the expiry an at-the-money
    index option of 22 rupees shows a theta of -135.

    Args:
        theta: Rupees per calendar day.
        price: Rupees.
        intrinsic: Rupees.
        years: Times to expiry in years.
    """
    with np.errstate(all="ignore"):
        return np.where(years < 1.0 / DAYS_PER_YEAR, np.maximum(theta, np.minimum(intrinsic - price, 0.0)), theta)


def on_spot(greeks: Greeks, spot: Floats, growth: Floats, carry: Floats, years: Floats) -> Greeks:
    """Translate Greeks on the forward F = S g, g = exp(c T), c = r - q, to Greeks on the spot S at a fixed S.

    By the chain rule, with V(F(S, T), T): delta_S = g delta, gamma_S = g² gamma, vanna_S = g vanna; vega and
    volga stay; theta_S = theta - c F delta; rho_S = rho + T F delta; charm_S = g (charm - c delta - c F gamma).

    Args:
        greeks: As `greeks_block` made them with ``higher``: rho, vanna, charm and price are used.
        spot: S, float64[n].
        growth: g, float64[n].
        carry: c, float64[n].
        years: T, float64[n].
    """
    forward = spot * growth
    per_day = carry / DAYS_PER_YEAR
    return Greeks(
        delta=growth * greeks.delta,
        gamma=growth * growth * greeks.gamma,
        theta=greeks.theta - per_day * forward * greeks.delta,
        vega=greeks.vega,
        rho=greeks.rho + 0.01 * years * forward * greeks.delta,
        vanna=growth * greeks.vanna,
        volga=greeks.volga,
        charm=growth * (greeks.charm - per_day * (greeks.delta + forward * greeks.gamma)),
        price=greeks.price,
    )
