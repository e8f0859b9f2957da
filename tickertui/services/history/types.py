"""What the bootstrapper works on and with: targets, settings, and the protocols of calendar, store and clients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol

from tickertui.frozen import frozen
from tickertui.kite.pacing import RATES, CallClass
from tickertui.market.candles import Candles, Interval
from tickertui.market.instruments import INDEX_SEGMENT_CODE
from tickertui.services.history.gaps import TradingSession
from tickertui.store.protocol import ContractKey, HistoryFailure, OpenInterestFact, Span, StoredInterest, VolatilityFact

InterestHook = Callable[[int, date, int], None]
"""Called with token, day and open interest at its close."""


@frozen
class BackfillTarget:
    """A contract whose history is wanted.

    Attributes:
        token: The broker's ``instrument_token``.
        label: Trading symbol.
        group_label: What it is shown under, e.g. ``NIFTY W01Dec``.
        underlying: Name of the underlying.
        expiry: With the token it names the contract; None for what never expires (an index, a share).
        listed_on: First day it traded with the terms of now, None when that is not known.
        priority: Lower is fetched earlier; the distance from the money, mostly.
        segment: Of the broker, for the calendar.
    """

    token: int
    label: str
    group_label: str
    underlying: str
    expiry: date | None
    listed_on: date | None = None
    priority: float = 0.0
    segment: str = "NFO"

    @property
    def key(self) -> ContractKey:
        """What the store knows it by."""
        return self.token, self.expiry

    @property
    def is_index(self) -> bool:
        """Whether it is an index: it prints each minute, but nothing in the closing auction."""
        return self.token & 0xFF == INDEX_SEGMENT_CODE

    @property
    def has_oi(self) -> bool:
        """Whether it has an open interest: derivatives do."""
        return self.expiry is not None


@frozen
class BackfillSettings:
    """How the backfill goes about it.

    Attributes:
        interval: Length of the candles.
        days: Trading days back, the current one included; 0 for no history at all.
        in_flight: Requests of one account at once. The client lets 2.9 a second go; with four at once that is kept up
            until an answer takes 1.3 s.
        requests_per_second: Of one account, for the time left.
        settle: How long the broker may take to finish a candle.
        tail_slack: A shorter missing tail of the running session waits for its end.
        attempts: At an answer that makes no sense, before the contract counts as failed.
        first_delay: Seconds before the second attempt at a contract; doubles.
        longest_delay: Seconds.
        second_look: Seconds after which minutes that an index lacks are asked for once more.
        poll: Seconds between two looks at which accounts can be used, and at the wall clock.
        map_seconds: Age at which the gap map is made anew while requests run.
    """

    interval: Interval = Interval.MINUTE
    days: int = 5
    in_flight: int = 4
    requests_per_second: float = RATES[CallClass.HISTORICAL]
    settle: timedelta = timedelta(seconds=90)
    tail_slack: timedelta = timedelta(minutes=30)
    attempts: int = 3
    first_delay: float = 5.0
    longest_delay: float = 300.0
    second_look: float = 60.0
    poll: float = 5.0
    map_seconds: float = 30.0

    def delay(self, attempts: int) -> float:
        """Return the seconds to wait after so many attempts."""
        return min(self.longest_delay, self.first_delay * 2.0 ** min(attempts - 1, 30))


@frozen
class Request:
    """One call to the broker.

    Attributes:
        target: For which contract.
        start: First second.
        end: Second behind the last.
        look: 0, or 1 when it asks once more for minutes that an index lacked.
    """

    target: BackfillTarget
    start: int
    end: int
    look: int = 0

    @property
    def span(self) -> Span:
        """[start, end)."""
        return self.start, self.end


class SessionCalendar(Protocol):
    """What the bootstrapper asks the calendar."""

    def sessions(self, segment: str, start: date, end: date) -> Sequence[TradingSession]:
        """Return the sessions of all days from ``start`` to ``end``, both included."""
        ...


class HistoryClient(Protocol):
    """One account's client; it waits by itself until its key may ask."""

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
        """Return the candles of one instrument, or raise a `tickertui.kite.errors.KiteError`."""
        ...


class ClientProvider(Protocol):
    """The accounts; `tickertui.services.accounts.session_orchestrator.SessionOrchestrator` is one."""

    def usable_accounts(self) -> Sequence[str]:
        """Return the accounts that have a session."""
        ...

    def client(self, account: str, /) -> HistoryClient:
        """Return an account's client."""
        ...

    def report_auth_expired(self, account: str, /) -> None:
        """Take note that the broker refused an account's session."""
        ...

    def history_refusals(self) -> int:
        """Return how many requests for candles the broker has refused for too many, over all accounts."""
        ...


class HistoryStore(Protocol):
    """What the bootstrapper keeps in the store; any `tickertui.store.protocol.Store` will do."""

    async def add_candles(
        self,
        token: int,
        expiry: date | None,
        interval: Interval,
        candles: Candles,
        covered: tuple[datetime, datetime] | None,
    ) -> None:
        """Store candles and what they prove to be complete, at once or not at all."""
        ...

    async def coverage(self, interval: Interval) -> dict[ContractKey, list[Span]]:
        """Return for each contract what is complete."""
        ...

    async def last_interest(
        self, token: int, expiry: date | None, interval: Interval, before: datetime
    ) -> StoredInterest | None:
        """Return the open interest of the last stored candle that starts before an instant and has one."""
        ...

    async def candle_days(self, interval: Interval, first: date, last: date) -> dict[ContractKey, dict[date, int]]:
        """Return how many candles are stored for each contract and day."""
        ...

    async def record_failure(self, failure: HistoryFailure) -> None:
        """Keep the last failure of a contract."""
        ...

    async def failures(self, interval: Interval) -> list[HistoryFailure]:
        """Return the kept failures."""
        ...

    async def clear_failures(self, interval: Interval, contracts: Sequence[ContractKey] | None = None) -> None:
        """Forget failures."""
        ...

    async def save_daily_facts(
        self,
        day: date,
        open_interest: Sequence[OpenInterestFact] = (),
        volatility: Sequence[VolatilityFact] = (),
    ) -> None:
        """Keep facts of a finished day."""
        ...

    async def atm_iv_history(self, underlying: str, days: int) -> list[tuple[date, float]]:
        """Return the latest at-the-money volatilities."""
        ...
