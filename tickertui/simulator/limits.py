"""What the broker allows, as values, and the counting of requests for each key.

Sources: Kite Connect v3 documentation (exceptions, market quotes, WebSocket), forum 8577 and c52882 (rates), 3105
(days of a historical request, see `tickertui.market.candles.Interval.max_days`), 9981 (three connections).
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from tickertui.frozen import frozen


class RateClass(StrEnum):
    """Requests that share a budget."""

    QUOTE = "quote"
    HISTORICAL = "historical"
    OTHER = "other"


@frozen
class Limits:
    """The broker's limits; a test may choose others.

    Attributes:
        quote_per_second: Requests to quote, ohlc and ltp together, per key.
        historical_per_second: Requests for candles, per key.
        other_per_second: All other requests, per key.
        total_per_second: All requests of a key together.
        window_seconds: What counts as a second: a client that paces itself at exactly one request a second must not
            be refused because one came 30 ms early through the network.
        quote_instruments: Instruments of one quote request.
        ohlc_instruments: Instruments of one ohlc request.
        ltp_instruments: Instruments of one ltp request.
        socket_instruments: Instruments of one WebSocket.
        sockets: WebSockets of one key.
        request_token_seconds: Life of a request token; the broker says "a few minutes".
    """

    quote_per_second: int = 1
    historical_per_second: int = 3
    other_per_second: int = 10
    total_per_second: int = 10
    window_seconds: float = 0.95
    quote_instruments: int = 500
    ohlc_instruments: int = 1000
    ltp_instruments: int = 1000
    socket_instruments: int = 3000
    sockets: int = 3
    request_token_seconds: float = 300.0

    def per_second(self, rate_class: RateClass) -> int:
        """Return the budget of a class of requests."""
        return {
            RateClass.QUOTE: self.quote_per_second,
            RateClass.HISTORICAL: self.historical_per_second,
            RateClass.OTHER: self.other_per_second,
        }[rate_class]


class RateLimiter:
    """Counts the accepted requests of each key over a sliding second.

    Args:
        limits: Budgets.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._accepted: dict[tuple[str, RateClass | None], deque[int]] = {}

    def admit(self, api_key: str, rate_class: RateClass, now_ns: int) -> bool:
        """Return whether a request is within its budgets; only then it counts.

        Args:
            api_key: Whose budget.
            rate_class: Which budget; the key's total is always charged too.
            now_ns: Monotonic time of the machine.
        """
        limits = self._limits
        horizon = now_ns - round(limits.window_seconds * 1e9)
        budgets = (
            (self._recent(api_key, rate_class, horizon), limits.per_second(rate_class)),
            (self._recent(api_key, None, horizon), limits.total_per_second),
        )
        if any(len(recent) >= most for recent, most in budgets):
            return False
        for recent, _ in budgets:
            recent.append(now_ns)
        return True

    def _recent(self, api_key: str, rate_class: RateClass | None, horizon: int) -> deque[int]:
        recent = self._accepted.setdefault((api_key, rate_class), deque())
        while recent and recent[0] <= horizon:
            recent.popleft()
        return recent
