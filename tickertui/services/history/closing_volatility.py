"""`ClosingVolatility`: at-the-money volatilities at the end of a day, from the stored candles.

The `HistoricalBootstrapper` calls it through `DailyVolatility` when the history of a finished day is complete; rank and
percentile of implied volatility look back on what it returns. It reads no clock: everything follows from the day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tickertui.market.arrays import distinct
from tickertui.market.candles import Candles, Interval
from tickertui.market.closing_chain import ClosingChain, closing_volatility
from tickertui.market.conventions import YEAR_SECONDS
from tickertui.market.hours import Session
from tickertui.market.instruments import ChainRows, price_divisor
from tickertui.services.contracts.day_contracts import DayContracts
from tickertui.store.protocol import ContractKey, VolatilityFact

CLOSING_WINDOW: Final = timedelta(minutes=15)
"""Candles of the session's end that are looked at; longer ones than this count if they hold the close."""

NEAREST_STRIKES: Final = 41
"""Strikes about the money that are read: 20 each side are 4 % of NIFTY, and the candles of 400 strikes need not be."""


StoredTokens: TypeAlias = Mapping[date, NDArray[np.int64]]
"""Expiry -> int64[n], tokens of its contracts with candles of the day."""


class ClosingCandles(Protocol):
    """What is asked of the store; any `tickertui.store.protocol.Store` will do."""

    async def candles(
        self, token: int, expiry: date | None, interval: Interval, start: datetime, end: datetime
    ) -> Candles:
        """Return stored candles that start in [start, end)."""
        ...

    async def candle_days(self, interval: Interval, first: date, last: date) -> dict[ContractKey, dict[date, int]]:
        """Return how many candles are stored for each contract and day."""
        ...


class ListedContracts(Protocol):
    """The instrument registry, as far as it is needed here."""

    @property
    def contracts(self) -> DayContracts:
        """Contracts in force."""
        ...


class SessionDays(Protocol):
    """The market calendar, as far as it is needed here."""

    def session_on(self, segment: str, day: date) -> tuple[Session, ...]:
        """Return a day's sessions in order."""
        ...


class ClosingVolatility:
    """See the module. Its instances are `tickertui.services.history.daily_volatility.VolatilityHook`s.

    Args:
        store: Where the candles are.
        registry: Underlyings, chains and expiry instants.
        calendar: Sessions.
        interval: Length of the stored candles.
    """

    def __init__(
        self,
        store: ClosingCandles,
        registry: ListedContracts,
        calendar: SessionDays,
        interval: Interval = Interval.MINUTE,
    ) -> None:
        self._store = store
        self._registry = registry
        self._calendar = calendar
        self._interval = interval

    async def __call__(self, day: date) -> Sequence[VolatilityFact]:
        """Return the volatility of every underlying whose candles of that day tell it; the others are missing.

        It is that of the nearest expiry after the day whose options have candles. An expiry of the day itself is left
        out: at its end there is no time value left to imply anything from.

        Raises:
            StoreError: When the store cannot be asked.
        """
        contracts = self._registry.contracts
        stored = tokens_by_expiry(await self._store.candle_days(self._interval, day, day))
        facts = []
        for underlying in contracts.underlyings():
            chain = front_chain(contracts, underlying, day, stored)
            if chain is None:
                continue
            sessions = self._calendar.session_on(chain.exchange, day)
            if not sessions:
                continue
            spot = await self._spot(contracts.index_token(underlying), day, sessions[-1])
            near = nearest_strikes(chain, stored, spot)
            expires = contracts.expiry_instant(chain.exchange, chain.expiry, underlying)
            volatility = closing_volatility(await self._closes(chain, near, sessions[-1], expires))
            if volatility > 0.0:
                facts.append(VolatilityFact(underlying, volatility))
        return facts

    async def _spot(self, token: int | None, day: date, session: Session) -> float:
        """Return about where the money is: the last stored price of the index or share, NaN without one.

        It only says which strikes to read; an index that has stood still since the closing auction is good enough.
        """
        if token is None:
            return float("nan")
        start = datetime.combine(day, time(), session.close.tzinfo)  # candles of a day start at midnight
        candles = await self._store.candles(token, None, self._interval, start, session.close)
        return float(candles.close[-1]) / price_divisor(token) if len(candles) else float("nan")

    async def _closes(
        self, chain: ChainRows, near: NDArray[np.intp], session: Session, expires: datetime
    ) -> ClosingChain:
        """Read the closes of some strikes of a chain at the end of a session."""
        length = self._interval.seconds
        end = int(session.close.timestamp())
        window_start = session.close - max(CLOSING_WINDOW, timedelta(seconds=length))
        legs = [
            await self._leg(int(token), chain.expiry, window_start, session.close)
            for tokens in (chain.call_tokens, chain.put_tokens)
            for token in tokens[near]
        ]
        starts = distinct(np.concatenate([leg.start for leg in legs])) if legs else np.zeros(0, dtype=np.int64)
        closes = np.full((len(legs), len(starts)), np.nan)
        tokens = np.concatenate((chain.call_tokens[near], chain.put_tokens[near])).tolist()
        for number, (leg, token) in enumerate(zip(legs, tokens, strict=True)):
            closes[number, np.searchsorted(starts, leg.start)] = leg.close / price_divisor(token)
        closes[closes <= 0.0] = np.nan
        ends = np.minimum(starts + length, end)
        years = (expires.timestamp() - ends) / YEAR_SECONDS
        return ClosingChain(chain.strikes[near], closes[: len(near)], closes[len(near) :], years, chain.tick_size)

    async def _leg(self, token: int, expiry: date, start: datetime, end: datetime) -> Candles:
        if token < 0:
            return Candles.empty()
        return await self._store.candles(token, expiry, self._interval, start, end)


def tokens_by_expiry(stored: Iterable[ContractKey]) -> StoredTokens:
    """Return the tokens with candles of each expiry; what never expires is left out."""
    found: dict[date, list[int]] = {}
    for token, expiry in stored:
        if expiry is not None:
            found.setdefault(expiry, []).append(token)
    return {expiry: np.array(tokens, dtype=np.int64) for expiry, tokens in found.items()}


def front_chain(contracts: DayContracts, underlying: str, day: date, stored: StoredTokens) -> ChainRows | None:
    """Return the chain of the nearest expiry after a day of which any option has candles, None without one."""
    for expiry in contracts.expiries(underlying, from_=day + timedelta(days=1)):
        chain = contracts.chain(underlying, expiry) if expiry in stored else None
        if chain is not None and _has_candles(chain, stored).any():
            return chain
    return None


def nearest_strikes(chain: ChainRows, stored: StoredTokens, spot: float) -> NDArray[np.intp]:
    """Return positions of the strikes with candles that are nearest the spot, ascending; of all where it is NaN."""
    rows = np.flatnonzero(_has_candles(chain, stored))
    if np.isnan(spot):
        return rows
    distance = np.abs(chain.strikes[rows] - spot)
    return np.sort(rows[np.argsort(distance, kind="stable")[:NEAREST_STRIKES]])


def _has_candles(chain: ChainRows, stored: StoredTokens) -> NDArray[np.bool_]:
    """Tell for each strike whether one of its legs has candles, bool[k]."""
    tokens = stored[chain.expiry]
    return np.isin(chain.call_tokens, tokens) | np.isin(chain.put_tokens, tokens)
