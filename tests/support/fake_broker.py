"""A broker's REST client and token store that answer what a test tells them to."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tickertui.kite.login import LoginError
from tickertui.kite.secrets import Secret
from tickertui.market.candles import Candles, Interval
from tickertui.market.instruments import Instrument, InstrumentTable
from tickertui.market.ticks import TickBatch


@dataclass(frozen=True)
class FakeSession:
    access_token: Secret
    user_id: str


@dataclass(frozen=True)
class FakeProfile:
    user_id: str


@dataclass(frozen=True)
class FakeStoredToken:
    token: Secret
    user_id: str
    saved_at: datetime


@dataclass
class FakeTokens:
    """A token store in memory; some of it may not be readable, and it may be full."""

    tokens: dict[str, FakeStoredToken] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    full: str | None = None

    def load(self, account: str) -> FakeStoredToken | None:
        if account in self.unreadable:
            raise LoginError(self.unreadable[account])
        return self.tokens.get(account)

    def stamp(self, account: str) -> Hashable | None:
        kept = self.tokens.get(account), self.unreadable.get(account)
        return None if kept == (None, None) else kept

    def save(self, account: str, token: Secret, user_id: str, at: datetime) -> None:
        if self.full is not None:
            raise LoginError(self.full)
        self.tokens[account] = FakeStoredToken(token, user_id, at)


@dataclass
class FakeClient:
    """Answers every call, or raises `failure` first."""

    account: str = "Z1"
    token: Secret | None = None
    failure: Exception | None = None
    history_refusals: int = 0
    quotes: Callable[[Sequence[Instrument]], TickBatch] | None = None
    calls: list[str] = field(default_factory=list)
    closed: bool = False
    csv: bytes = b""

    def _answer(self, call: str) -> None:
        self.calls.append(call)
        if self.failure is not None:
            raise self.failure

    async def profile(self) -> FakeProfile:
        self._answer("profile")
        return FakeProfile(f"USER-{self.account}")

    async def exchange_request_token(self, request_token: Secret, api_secret: Secret) -> FakeSession:
        self._answer("exchange")
        return FakeSession(Secret(f"token-of-{request_token.reveal()}"), f"USER-{self.account}")

    def set_access_token(self, token: Secret) -> None:
        self.token = token

    async def fetch_instruments(self, exchange: str | None = None) -> InstrumentTable:
        self._answer("instruments")
        return InstrumentTable.from_instruments([])

    async def fetch_instruments_csv(self, exchange: str | None = None) -> bytes:
        self._answer("csv")
        return self.csv

    async def quote_batch(self, instruments: Sequence[Instrument]) -> TickBatch:
        self._answer(f"quote {len(instruments)}")
        assert self.quotes is not None, "the test did not say what quotes are"
        return self.quotes(instruments)

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
        self._answer(f"history {token}")
        return Candles.empty()

    async def aclose(self) -> None:
        self.closed = True
