"""Black-76 in decimal arithmetic: the slow, independent twin that the option kernel's tests compare with.

Nothing here shares a formula with the kernel except the definition of the price: the cumulative normal is a power
series, volatilities are found by bisection and Newton on it, Greeks are difference quotients of the price with
steps so small that, at 60 digits and more, they are exact to double precision.

``python -m tests.support.decimal_black FILE`` writes the reference values of ``tests/data/greeks``.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from pathlib import Path

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798")
DIGITS = 80
STEP = Decimal(10) ** -20
ONE, TWO, HALF, ZERO = Decimal(1), Decimal(2), Decimal("0.5"), Decimal(0)


def density(z: Decimal) -> Decimal:
    """phi(z)."""
    return (-z * z / 2).exp() / (TWO * PI).sqrt()


def upper_tail(z: Decimal) -> Decimal:
    """N(-z) for z >= 0 with about 60 significant digits.

    N(z) - 1/2 = phi(z) (z + z³/3 + z⁵/15 + ...); the difference to 1/2 cancels z²/4.6 digits, so they are added.
    """
    with localcontext() as context:
        context.prec = DIGITS + int(z * z / Decimal("4.6")) + 10
        term = total = z
        n = 1
        while term > total * Decimal(10) ** -context.prec:
            n += 2
            term = term * z * z / n
            total += term
        # PI has 100 digits, which bounds what cancels; larger z take the continued fraction instead.
        if z < 12:
            return HALF - density(z) * total
    return density(z) * mills_ratio_far(z)


def mills_ratio_far(z: Decimal) -> Decimal:
    """M(z) = 1/(z + 1/(z + 2/(z + 3/(z + ...)))) by backward evaluation, for z >= 6."""
    value = z
    for k in range(2000, 0, -1):
        value = z + k / value
    return ONE / value


def cumulative(z: Decimal) -> Decimal:
    """N(z)."""
    return upper_tail(-z) if z < 0 else ONE - upper_tail(z)


@dataclass(frozen=True, slots=True)
class Case:
    """One option in decimals: forward, strike, years, volatility, rate, side."""

    forward: Decimal
    strike: Decimal
    years: Decimal
    sigma: Decimal
    rate: Decimal
    is_call: bool


def price(case: Case) -> Decimal:
    """D [F N(d1) - K N(d2)] for a call, D [K N(-d2) - F N(-d1)] for a put."""
    s = case.sigma * case.years.sqrt()
    d1 = (case.forward / case.strike).ln() / s + s / 2
    d2 = d1 - s
    discount = (-case.rate * case.years).exp()
    if case.is_call:
        return discount * (case.forward * cumulative(d1) - case.strike * cumulative(d2))
    return discount * (case.strike * cumulative(-d2) - case.forward * cumulative(-d1))


def slope(function: Callable[[Decimal], Decimal], at: Decimal) -> Decimal:
    """Central difference quotient; its error is of order STEP², relative to the scale of the argument."""
    h = at * STEP if at else STEP
    return (function(at + h) - function(at - h)) / (2 * h)


def greeks(case: Case) -> dict[str, float]:
    """Return the nine figures in the units of `tickertui.market.black.Greeks`."""
    with localcontext() as context:
        context.prec = DIGITS

        def moved(**changes: Decimal) -> Case:
            values = {name: getattr(case, name) for name in case.__slots__}
            return Case(**{**values, **changes})

        def delta(**changes: Decimal) -> Decimal:
            return slope(lambda f: price(moved(**{**changes, "forward": f})), case.forward)

        def vega(**changes: Decimal) -> Decimal:
            return slope(lambda v: price(moved(**{**changes, "sigma": v})), changes.get("sigma", case.sigma))

        h = case.sigma * Decimal(10) ** -12
        values = {
            "delta": delta(),
            "gamma": _second(lambda f: price(moved(forward=f)), case.forward),
            "theta": -slope(lambda t: price(moved(years=t)), case.years) / 365,
            "vega": vega() / 100,
            "rho": slope(lambda r: price(moved(rate=r)), case.rate) / 100,
            "vanna": (delta(sigma=case.sigma + h) - delta(sigma=case.sigma - h)) / (2 * h) / 100,
            "volga": _second(lambda v: price(moved(sigma=v)), case.sigma) / 10000,
            "charm": -_mixed(lambda f, t: price(moved(forward=f, years=t)), case.forward, case.years) / 365,
            "price": price(case),
        }
        return {name: float(value) for name, value in values.items()}


def _second(function: Callable[[Decimal], Decimal], at: Decimal) -> Decimal:
    h = at * STEP
    return (function(at + h) - 2 * function(at) + function(at - h)) / (h * h)


def _mixed(function: Callable[[Decimal, Decimal], Decimal], x: Decimal, y: Decimal) -> Decimal:
    h, k = x * STEP, y * STEP
    total = function(x + h, y + k) - function(x + h, y - k) - function(x - h, y + k) + function(x - h, y - k)
    return total / (4 * h * k)


def implied_volatility(case: Case, market_price: Decimal) -> Decimal:
    """Find the volatility whose price is ``market_price`` exactly, by Newton steps kept inside a bisected interval."""
    with localcontext() as context:
        context.prec = DIGITS
        low, high = Decimal("1e-6"), Decimal(100)
        sigma = case.sigma
        for _ in range(400):
            trial = Case(case.forward, case.strike, case.years, sigma, case.rate, case.is_call)
            error = price(trial) - market_price
            low, high = (low, sigma) if error > 0 else (sigma, high)
            s = sigma * case.years.sqrt()
            d1 = (case.forward / case.strike).ln() / s + s / 2
            vega = case.forward * (-case.rate * case.years).exp() * density(d1) * case.years.sqrt()
            step = error / vega
            sigma -= step
            if abs(step) < abs(sigma) * Decimal(10) ** -30:
                return sigma
            if not low < sigma < high:
                sigma = (low + high) / 2
        raise ArithmeticError(f"no volatility found for {case} at {market_price}")


def conditioning(case: Case) -> float:
    """|d ln sigma / d ln price| + |d ln sigma / d ln forward|: what the rounding of the inputs does to sigma."""

    def at(forward: Decimal, sigma: Decimal) -> Decimal:
        return price(Case(forward, case.strike, case.years, sigma, case.rate, case.is_call))

    vega = slope(lambda sigma: at(case.forward, sigma), case.sigma)
    delta = slope(lambda forward: at(forward, case.sigma), case.forward)
    return float((price(case) + abs(delta * case.forward)) / (vega * case.sigma))


def reference(seed: int, count: int) -> list[dict[str, float | bool]]:
    """Return reference cases over 1 minute to 3 years, 1 % to 500 % volatility, moneyness 0.3 to 3."""
    rng = random.Random(seed)
    minute = 1 / 525_600
    cases: list[dict[str, float | bool]] = []
    while len(cases) < count:
        years = minute * (3 / minute) ** rng.random()
        sigma = 0.01 * 500 ** rng.random()
        s = sigma * years**0.5
        distance = max(-1.1, min(1.1, rng.choice((0.0, 1.0, 1.0, 1.0)) * rng.gauss(0, 2.5) * s))
        forward = rng.choice((24873.35, 81250.6, 1420.5, 7.65))
        strike = forward if distance == 0 else round(forward * 2.718281828459045**distance, 2)
        rate = rng.choice((0.0, 0.0, 0.065, 0.1))
        case = Case(
            Decimal(forward), Decimal(strike), Decimal(years), Decimal(sigma), Decimal(rate), rng.random() < 0.5
        )
        with localcontext() as context:
            context.prec = DIGITS
            model = price(case)
            discount = (-case.rate * case.years).exp()
            forward_value = case.forward - case.strike if case.is_call else case.strike - case.forward
            time_value = model / discount - max(forward_value, ZERO)
            if time_value < Decimal("1e-11") * max(case.forward, model):
                continue
            market = float(model)
            exact = implied_volatility(case, Decimal(market))
            condition = conditioning(case)
        cases.append(
            {
                "forward": forward, "strike": strike, "years": years, "sigma": sigma, "rate": rate,
                "is_call": case.is_call, "market_price": market, "iv": float(exact), "condition": condition,
                **greeks(case),
            }
        )  # fmt: skip
    return cases


if __name__ == "__main__":
    rows = reference(seed=20261125, count=120)
    Path(sys.argv[1]).write_text(json.dumps(rows, indent=0) + "\n", encoding="utf-8")
