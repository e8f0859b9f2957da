"""A broker's history, its accounts and a store in memory, for tests of the backfill in virtual time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

import anyio
import numpy as np

from tickertui.kite.errors import AuthExpired, KiteError, RateLimited
from tickertui.kite.pacing import RATES, CallClass, Pacer
from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import Clock
from tickertui.market.hours import MarketCalendar, load_calendar
from tickertui.services.history.gaps import merged, seconds_of
from tickertui.services.history.types import BackfillTarget
from tickertui.store.protocol import (
    ContractKey,
    HistoryFailure,
    OpenInterestFact,
    Span,
    StoredInterest,
    StoreError,
    VolatilityFact,
)

EXPIRY = date(2026, 12, 1)
INDEX_TOKEN = 256265


def option(number: int, **changes: object) -> BackfillTarget:
    """A call whose distance from the money is its number."""
    fields: dict[str, object] = {
        "token": number << 8 | 2,
        "label": f"NIFTY-{number}",
        "group_label": "NIFTY W01Dec",
        "underlying": "NIFTY",
        "expiry": EXPIRY,
        "priority": float(number),
    }
    return BackfillTarget(**{**fields, **changes})  # type: ignore[arg-type]


def index() -> BackfillTarget:
    """The index: it prints each minute and has no open interest."""
    return BackfillTarget(INDEX_TOKEN, "NIFTY 50", "NIFTY", "NIFTY", None, segment="INDICES")


class HistoryBroker:
    """The truth, and a server that gives it out no faster than it is allowed to.

    Args:
        clock: When it is.
        per_second: Requests that an account may make within any second.
    """

    def __init__(self, clock: Clock, *, per_second: int = 3, latency: float = 0.2) -> None:
        self.clock = clock
        self.calendar: MarketCalendar = load_calendar()
        self.per_second = per_second
        self.latency = latency
        self.requests: list[tuple[str, int, Span]] = []
        self.at: list[float] = []
        self.refused = 0
        self.expired: set[str] = set()
        self.failure: Callable[[str, int, int], KiteError | None] = lambda account, token, number: None
        self.mutate: Callable[[int, Candles], Candles] = lambda number, candles: candles
        self._recent: dict[str, deque[float]] = {}

    def truth(self, token: int, span: Span) -> Candles:
        """The candles of a contract, without the one that is forming; an option does not trade in each minute."""
        segment = "INDICES" if token == INDEX_TOKEN else "NFO"
        first, last = (self._day(at) for at in (span[0], span[1] - 1))
        starts: list[int] = []
        for session in self.calendar.sessions(segment, first, last):
            end = session.auction if token == INDEX_TOKEN and session.auction else session.close
            starts += range(seconds_of(session.open), seconds_of(end), 60)
        start = np.array([at for at in starts if span[0] <= at < span[1]], dtype=np.int64)
        if token != INDEX_TOKEN:
            start = start[(start // 60 * 2_654_435_761 + token) % 7 > 2]
        price = 10_000 + (start // 60 + token) % 997
        oi = np.full(len(start), -1) if token == INDEX_TOKEN else (start // 60) % 9973 * 75
        return Candles(start, price, price + 9, price - 9, price + 2, np.full(len(start), 150), oi.astype(np.int64))

    def _day(self, seconds: int) -> date:
        return datetime.fromtimestamp(seconds, self.clock.now().tzinfo).date()

    async def answer(self, account: str, token: int, span: Span) -> Candles:
        """One request as the server sees it."""
        now = anyio.current_time()
        recent = self._recent.setdefault(account, deque())
        while recent and recent[0] <= now - 1.0:
            recent.popleft()
        if len(recent) >= self.per_second:
            self.refused += 1
            raise RateLimited("Too many requests", account=account, endpoint="history", status=429)
        recent.append(now)
        number = len(self.requests)
        self.requests.append((account, token, span))
        self.at.append(now)
        await anyio.sleep(self.latency)
        if account in self.expired:
            raise AuthExpired("Incorrect `api_key` or `access_token`.", account=account, status=403)
        error = self.failure(account, token, number)
        if error is not None:
            raise error
        # The server includes the candle that is just forming.
        return self.mutate(number, self.truth(token, (span[0], min(span[1], seconds_of(self.clock.now()) + 1))))


class HistoryAccount:
    """One account's client, paced as the real one."""

    def __init__(self, account: str, broker: HistoryBroker, pacer: Pacer) -> None:
        self.account = account
        self.broker = broker
        self.pacer = pacer

    async def fetch_historical(
        self,
        token: int,
        start: datetime,
        end: datetime,
        interval: Interval,
        *,
        oi: bool = True,
        continuous: bool = False,
    ) -> Candles:
        assert (end - start).days <= interval.max_days
        await self.pacer.wait(CallClass.HISTORICAL)
        try:
            return await self.broker.answer(self.account, token, (seconds_of(start), seconds_of(end) + 1))
        except RateLimited as error:
            self.pacer.slow_down(CallClass.HISTORICAL, error.retry_after)
            raise


class HistoryAccounts:
    """The accounts of a test (`tickertui.services.history.types.ClientProvider`)."""

    def __init__(self, broker: HistoryBroker, *names: str, rate: float = RATES[CallClass.HISTORICAL]) -> None:
        self.broker = broker
        self.names = list(names)
        self.rate = rate
        self.reported: list[str] = []
        self._clients: dict[str, HistoryAccount] = {}

    def usable_accounts(self) -> Sequence[str]:
        return [name for name in self.names if name not in self.reported]

    def client(self, account: str, /) -> HistoryAccount:
        if account not in self._clients:
            rates = dict.fromkeys(CallClass, self.rate)
            self._clients[account] = HistoryAccount(account, self.broker, Pacer(rates, self.rate))
        return self._clients[account]

    def report_auth_expired(self, account: str, /) -> None:
        if account not in self.reported:
            self.reported.append(account)

    def history_refusals(self) -> int:
        return sum(client.pacer.refusals(CallClass.HISTORICAL) for client in self._clients.values())

    def login(self, account: str) -> None:
        """The trader logs in again."""
        self.broker.expired.discard(account)
        self.reported.remove(account)


class MemoryHistory:
    """A store of history in memory (`tickertui.services.history.types.HistoryStore`).

    Attributes:
        error: Raised by every call, None for none.
        latency: Seconds that a call takes.
        calls: How many there were.
    """

    def __init__(self) -> None:
        self.rows: dict[ContractKey, dict[int, list[int]]] = {}
        self.covered: dict[ContractKey, list[Span]] = {}
        self.kept: dict[ContractKey, HistoryFailure] = {}
        self.oi: dict[date, dict[int, int]] = {}
        self.volatility: dict[str, dict[date, float]] = {}
        self.error: StoreError | None = None
        self.latency = 0.001
        self.calls = 0

    async def _turn(self) -> None:
        self.calls += 1
        await anyio.sleep(self.latency)
        if self.error is not None:
            raise self.error

    async def add_candles(
        self,
        token: int,
        expiry: date | None,
        interval: Interval,
        candles: Candles,
        covered: tuple[datetime, datetime] | None,
    ) -> None:
        await self._turn()
        for row in candles.to_rows().tolist():
            self.rows.setdefault((token, expiry), {})[row[0]] = row
        if covered is not None:
            span = seconds_of(covered[0]), seconds_of(covered[1])
            self.covered[token, expiry] = merged([*self.covered.get((token, expiry), ()), span])

    async def coverage(self, interval: Interval) -> dict[ContractKey, list[Span]]:
        await self._turn()
        return {key: list(spans) for key, spans in self.covered.items()}

    async def last_interest(
        self, token: int, expiry: date | None, interval: Interval, before: datetime
    ) -> StoredInterest | None:
        await self._turn()
        rows = self.rows.get((token, expiry), {})
        starts = [start for start, row in rows.items() if start < seconds_of(before) and row[6] >= 0]
        if not starts:
            return None
        return StoredInterest(max(starts), rows[max(starts)][6], tuple(self.covered.get((token, expiry), ())))

    async def candle_days(self, interval: Interval, first: date, last: date) -> dict[ContractKey, dict[date, int]]:
        await self._turn()
        found: dict[ContractKey, dict[date, int]] = {}
        for key, rows in self.rows.items():
            for start in rows:
                day = (datetime(1970, 1, 1) + timedelta(seconds=start + 19_800)).date()  # noqa: DTZ001 - counted in IST
                if first <= day <= last:
                    days = found.setdefault(key, {})
                    days[day] = days.get(day, 0) + 1
        return found

    async def record_failure(self, failure: HistoryFailure) -> None:
        await self._turn()
        self.kept[failure.token, failure.expiry] = failure

    async def failures(self, interval: Interval) -> list[HistoryFailure]:
        await self._turn()
        return list(self.kept.values())

    async def clear_failures(self, interval: Interval, contracts: Sequence[ContractKey] | None = None) -> None:
        await self._turn()
        for key in list(self.kept) if contracts is None else contracts:
            self.kept.pop(key, None)

    async def save_daily_facts(
        self,
        day: date,
        open_interest: Sequence[OpenInterestFact] = (),
        volatility: Sequence[VolatilityFact] = (),
    ) -> None:
        await self._turn()
        for fact in open_interest:
            self.oi.setdefault(day, {})[fact.token] = fact.oi
        for iv in volatility:
            self.volatility.setdefault(iv.underlying, {})[day] = iv.atm_iv

    async def atm_iv_history(self, underlying: str, days: int) -> list[tuple[date, float]]:
        await self._turn()
        return sorted(self.volatility.get(underlying, {}).items())[-days:]
