"""The figures of the screen once more, from what was sent, in plain code that knows nothing of the program's.

Loops and bisection instead of arrays and kernels; the formulas are those of the books (Black 1976) and of
docs/numbers.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date

from tests.support.screen_worlds import CALL, PUT, Sent, World, black, normal

DAY = 1 / 365


class PlainNumbers:
    """Figures of one expiry of a world.

    Args:
        world: What was sent.
        forward: Of the expiry, as the program's valuation found it; `parity_forward` is its check.
        expiry: Which, the shown one by default.
    """

    def __init__(self, world: World, forward: float, expiry: date | None = None) -> None:
        self.world = world
        self.forward = forward
        self.expiry = expiry or world.expiry
        self.years = world.years_to(self.expiry)
        self._volatilities: dict[tuple[float, str], float | None] = {}

    # ------------------------------------------------------------------ one leg

    def sent(self, strike: float, side: str) -> Sent | None:
        return self.world.legs.get((self.expiry, strike, side))

    def mid_or_last(self, strike: float, side: str) -> float | None:
        """The middle of a tight quote, else the last trade, which is always recent in these worlds."""
        sent = self.sent(strike, side)
        if sent is None:
            return None
        if sent.bid and sent.ask:
            mid = (sent.bid + sent.ask) / 2
            if sent.ask - sent.bid <= max(4 * self.world.kind.tick, 0.1 * mid) + 1e-12:
                return mid
        return sent.last

    def own_volatility(self, strike: float, side: str) -> float | None:
        """By bisection; None where no volatility gives the price, or where it says nothing."""
        key = (strike, side)
        if key not in self._volatilities:
            self._volatilities[key] = self._implied(strike, side)
        return self._volatilities[key]

    def _implied(self, strike: float, side: str) -> float | None:
        price, years = self.mid_or_last(strike, side), self.years
        if price is None or years * 365 * 86_400 < 300:
            return None
        intrinsic = max(self.forward - strike if side == CALL else strike - self.forward, 0.0)
        if price <= intrinsic + 1e-9:
            return None
        low, high = 1e-4, 20.0
        if not black(self.forward, strike, years, side, low) < price < black(self.forward, strike, years, side, high):
            return None
        for _ in range(200):
            middle = (low + high) / 2
            if black(self.forward, strike, years, side, middle) < price:
                low = middle
            else:
                high = middle
        return (low + high) / 2

    def volatility(self, strike: float, side: str) -> float | None:
        """That of the strike's out-of-the-money side, else of the other; at the forward itself the mean of both.

        A leg that nobody asks for has none.
        """
        if (self.expiry, strike, side) not in self.world.asked:
            return None
        if strike == self.forward:
            legs = [value for each in (CALL, PUT) if (value := self.own_volatility(strike, each)) is not None]
            return sum(legs) / len(legs) if legs else None
        outside, inside = (CALL, PUT) if strike >= self.forward else (PUT, CALL)
        return self.own_volatility(strike, outside) or self.own_volatility(strike, inside)

    def greeks(self, strike: float, side: str) -> dict[str, float | None]:
        """Delta, gamma, theta a calendar day (or what is left within the last), vega a point."""
        sigma, years, forward = self.volatility(strike, side), self.years, self.forward
        if sigma is None:
            return dict.fromkeys(("delta", "gamma", "theta", "vega"))
        deviation = sigma * math.sqrt(years)
        d1 = math.log(forward / strike) / deviation + deviation / 2
        density = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
        theta = -forward * density * sigma / (2 * math.sqrt(years)) * DAY
        if years < DAY:
            intrinsic = max(forward - strike if side == CALL else strike - forward, 0.0)
            theta = max(theta, intrinsic - black(forward, strike, years, side, sigma))
        return {
            "delta": normal(d1) if side == CALL else normal(d1) - 1,
            "gamma": density / (forward * deviation),
            "theta": theta,
            "vega": forward * density * math.sqrt(years) / 100,
        }

    # ------------------------------------------------------------------ the chain

    def parity_forward(self) -> float:
        """The middle one of strike + call - put over the five strikes at which call and put are closest."""
        found = []
        for strike in self.world.strikes:
            call, put = self.mid_or_last(strike, CALL), self.mid_or_last(strike, PUT)
            if call is not None and put is not None:
                found.append((abs(call - put), strike + call - put))
        nearest = sorted(value for _, value in sorted(found)[:5])
        return nearest[len(nearest) // 2]

    def at_the_money(self, reference: float) -> float:
        """The strike next to a price; of two equally near ones the lower."""
        return min(self.world.strikes, key=lambda strike: (abs(strike - reference), strike))

    def at_the_money_volatility(self) -> float | None:
        """Linear between the nearest strikes on either side of the forward, one without a volatility bridged."""
        below = [strike for strike in self.world.strikes if strike <= self.forward][-2:][::-1]
        above = [strike for strike in self.world.strikes if strike > self.forward][:2]
        left, right = self._first_known(below), self._first_known(above)
        if left is None or right is None:
            return None
        (low, low_volatility), (high, high_volatility) = left, right
        return low_volatility + (high_volatility - low_volatility) * (self.forward - low) / (high - low)

    def _first_known(self, strikes: Iterable[float]) -> tuple[float, float] | None:
        for strike in strikes:
            legs = [value for side in (CALL, PUT) if (value := self.volatility(strike, side)) is not None]
            if legs:
                return strike, sum(legs) / len(legs)
        return None

    def total(self, side: str, what: str) -> float | None:
        """Sum over the legs of which it is known; None where it is of none."""
        known = [value for strike in self.world.strikes if (value := self.quantity(strike, side, what)) is not None]
        return sum(known) if known else None

    def quantity(self, strike: float, side: str, what: str) -> float | None:
        sent = self.sent(strike, side)
        if sent is None:
            return None
        if what.startswith("oi") and not sent.oi and (sent.previous_oi or 0) > sent.volume:
            return None  # no open interest falls by more than was traded
        if what == "oi_change":
            return None if sent.previous_oi is None else sent.oi - sent.previous_oi
        return float(getattr(sent, what))

    def coverage(self, what: str) -> tuple[int, int]:
        """Of how many of the listed legs a quantity is known."""
        legs = [(strike, side) for strike in self.world.strikes for side in (CALL, PUT)]
        return sum(self.quantity(*leg, what) is not None for leg in legs), len(legs)

    def max_pain(self) -> float | None:
        """The strike at which the options are worth least to those who hold them."""

        def worth(settled: float) -> float:
            total = 0.0
            for strike in self.world.strikes:
                total += max(settled - strike, 0.0) * (self.quantity(strike, CALL, "oi") or 0.0)
                total += max(strike - settled, 0.0) * (self.quantity(strike, PUT, "oi") or 0.0)
            return total

        return min(self.world.strikes, key=lambda strike: (worth(strike), strike))


def ratio(numerator: float | None, divisor: float | None) -> float | None:
    return None if numerator is None or not divisor else numerator / divisor
