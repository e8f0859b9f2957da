"""`SqlStore`: the public methods of both stores, each one operation run by the driver below."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Final, TypeVar

from anyio import to_thread

from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import Clock
from tickertui.market.configured_rules import ConfiguredChanges
from tickertui.market.contract_terms import TermsChange
from tickertui.market.subscriptions import Assignment, ChainRule, SubscriptionRecord, SubscriptionStatus
from tickertui.market.ticks import Mode
from tickertui.store import broker_data, day_contracts, history, session_candles, session_values, subscriptions
from tickertui.store.identity import DataOwner, ForeignData, SetAside
from tickertui.store.operation import Operation, epoch_seconds
from tickertui.store.protocol import (
    KEEP,
    NO_NEWS,
    Claim,
    ContractKey,
    ContractNews,
    Followed,
    HistoryFailure,
    Keep,
    OpenInterestFact,
    Owner,
    PlanChanges,
    SessionValues,
    Span,
    StoredInterest,
    StoreUnreadable,
    VolatilityFact,
)

T = TypeVar("T")

_PACKING_LEVEL: Final = 3
"""Of zlib: the dump of 100,000 contracts (7 MB) takes about 0.1 s and a sixth of the space; 9 gains little more."""
_PRUNED_AT_ONCE: Final = 50
"""Contracts for each transaction of `prune_candles`, so that other writers get their turn."""


class Watcher:
    """What one reader of `changes` has seen.

    Attributes:
        seen: Last revision that needs no report: it was reported, or it is this process's own doing.
    """

    def __init__(self, seen: int) -> None:
        self.seen = seen


class SqlStore(ABC):
    """The public side of a store.

    Args:
        label: Where it is, without secrets.
        clock: Stamps what is written.
    """

    def __init__(self, label: str, clock: Clock) -> None:
        self._label = label
        self._clock = clock
        self._watchers: list[Watcher] = []

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._label})"

    @property
    def label(self) -> str:
        """Where it is, without secrets."""
        return self._label

    # ------------------------------------------------------------------ what the drivers provide

    @abstractmethod
    async def _read(self, operation: Operation[T]) -> T:
        """Run an operation that only reads, on one consistent state."""

    @abstractmethod
    async def _write(self, operation: Operation[T]) -> T:
        """Run an operation as one transaction."""

    @abstractmethod
    def changes(self) -> AsyncGenerator[int]:
        """Yield the revision whenever others changed it; see `Store.changes`."""

    @abstractmethod
    async def claim_account(self, account: str) -> Claim | Owner:
        """Take an account; see `Store.claim_account`."""

    @abstractmethod
    async def backup(self) -> Path | None:
        """Copy the database; see `Store.backup`."""

    @abstractmethod
    async def close(self) -> None:
        """Give everything back; see `Store.close`."""

    async def _change(self, operation: Operation[T]) -> T:
        """Run an operation on what the trader wants; if its result is true, the revision counts it."""
        result, revision = await self._write(_counted(operation))
        if revision is not None:
            for watcher in self._watchers:
                # If another process came in between, the watcher must still find out: then its number stays.
                if watcher.seen == revision - 1:
                    watcher.seen = revision
        return result

    # ------------------------------------------------------------------ subscriptions

    async def list_active(self) -> list[SubscriptionRecord]:
        """Return the active subscriptions, ordered by creation and token."""
        return await self._read(subscriptions.list_records(active_only=True))

    async def list_all(self) -> list[SubscriptionRecord]:
        """Return every subscription, ordered by creation and token."""
        return await self._read(subscriptions.list_records(active_only=False))

    async def get(self, token: int) -> SubscriptionRecord | None:
        """Return one subscription, None where there is none."""
        return await self._read(subscriptions.get_record(token))

    async def upsert(
        self,
        *,
        token: int,
        tradingsymbol: str,
        segment: str,
        expiry: date | None,
        mode: Mode = Mode.FULL,
        preferred_account: str | Keep | None = KEEP,
    ) -> None:
        """Add a subscription or renew it; see `Store.upsert`.

        Raises:
            ValueError: When the mode is NONE or the token is not positive.
        """
        if mode is Mode.NONE or token <= 0:
            raise ValueError(f"a subscription needs a token and a mode, not {token} and {mode.label}")
        await self._change(
            subscriptions.upsert_record(
                self._clock.now(), token, tradingsymbol, segment, expiry, mode, preferred_account
            )
        )

    async def deactivate(
        self, token: int, reason: str, status: SubscriptionStatus = SubscriptionStatus.INACTIVE
    ) -> bool:
        """End an active subscription; False where there was no active one.

        Raises:
            ValueError: When the status asked for is ACTIVE.
        """
        if status is SubscriptionStatus.ACTIVE:
            raise ValueError("a subscription is ended as inactive or expired; upsert() makes it active again")
        return await self._change(subscriptions.deactivate_record(self._clock.now(), token, reason, status))

    # ------------------------------------------------------------------ rules

    async def list_rules(self) -> list[ChainRule]:
        """Return the rules in the order they were added."""
        return await self._read(subscriptions.list_rules())

    async def add_rule(self, rule: ChainRule) -> ChainRule:
        """Store a new rule and return it with its number."""
        return replace(rule, rule_id=await self._change(subscriptions.add_rule(self._clock.now(), rule)))

    async def update_rule(self, rule: ChainRule) -> bool:
        """Replace the rule of the same number; False where there is none."""
        return await self._change(subscriptions.update_rule(self._clock.now(), rule))

    async def remove_rule(self, rule_id: int) -> bool:
        """Drop a rule; False where there is none."""
        return await self._change(subscriptions.remove_rule(rule_id))

    async def sync_configured_rules(
        self, origin: str, entries: Sequence[ChainRule], before: Sequence[ChainRule] = ()
    ) -> ConfiguredChanges:
        """Make the rules what a configuration says; see `Store.sync_configured_rules`."""
        if not before and await self._read(subscriptions.list_configured(origin)) == list(dict.fromkeys(entries)):
            return ConfiguredChanges()  # as every start but the first: nothing is written, nobody waited for
        return await self._change(subscriptions.sync_configured(self._clock.now(), origin, entries, before))

    # ------------------------------------------------------------------ placement

    async def list_assignments(self) -> list[Assignment]:
        """Return where the last plan put each contract, by token."""
        return await self._read(subscriptions.list_assignments())

    async def save_plan(self, changes: PlanChanges) -> None:
        """Write what a reload changed, in one transaction; nothing at all where nothing changed."""
        if not changes.is_empty:
            await self._write(subscriptions.save_plan(self._clock.now(), changes))

    # ------------------------------------------------------------------ contracts of the day

    async def save_instruments(self, day: date, csv: bytes, news: ContractNews = NO_NEWS) -> Followed:
        """Keep the broker's dump of a day in place of the one before; see `Store.save_instruments`."""
        packed = await to_thread.run_sync(zlib.compress, csv, _PACKING_LEVEL)
        return await self._change(day_contracts.save_instruments(self._clock.now(), day, packed, news))

    async def terms_changes(self) -> dict[int, TermsChange]:
        """Return the last change of each token's terms."""
        return await self._read(day_contracts.read_terms_changes())

    async def load_instruments(self) -> tuple[date, bytes] | None:
        """Return the dump that was kept last and its day, None where there is none.

        Raises:
            StoreUnreadable: When the kept dump is damaged.
        """
        kept = await self._read(day_contracts.load_instruments())
        if kept is None:
            return None
        day, packed = kept
        try:
            return day, await to_thread.run_sync(zlib.decompress, packed)
        except zlib.error as error:
            raise StoreUnreadable(f"the contracts of {day} kept in {self._label} are damaged ({error})") from error

    # ------------------------------------------------------------------ candles

    async def add_candles(
        self,
        token: int,
        expiry: date | None,
        interval: Interval,
        candles: Candles,
        covered: tuple[datetime, datetime] | None,
    ) -> None:
        """Store candles and, in the same transaction, what they prove to be complete; see `Store.add_candles`."""
        await self._write(history.add_candles(token, expiry, interval, candles, history.covered_span(covered)))

    async def candles(
        self, token: int, expiry: date | None, interval: Interval, start: datetime, end: datetime
    ) -> Candles:
        """Return the stored candles that start in [start, end), ascending; see `Store.candles`."""
        span = (epoch_seconds(start), epoch_seconds(end))
        return await self._read(history.read_candles(token, expiry, interval, span))

    async def add_session_candles(self, interval: Interval, contracts: Sequence[ContractKey], candles: Candles) -> None:
        """Store candles of the session's own ticks, one for each contract entry; see `Store.add_session_candles`."""
        if len(contracts):
            await self._write(session_candles.add_session_candles(interval, contracts, candles))

    async def session_values(
        self, interval: Interval, contracts: Sequence[ContractKey], session: Span, before: Span | None
    ) -> dict[ContractKey, SessionValues]:
        """Return the values of a session of those contracts of which it is all stored; see `Store.session_values`."""
        return await self._read(session_values.read_session_values(interval, contracts, session, before))

    async def contracts_expiring(self, day: date) -> list[int]:
        """Return the tokens of contracts that expire on a day and of which anything is stored, ascending."""
        return await self._read(session_candles.contracts_expiring(day))

    async def coverage(self, interval: Interval) -> dict[ContractKey, list[Span]]:
        """Return for each contract what is complete: ascending spans that do not touch."""
        return await self._read(history.read_coverage(interval))

    async def last_interest(
        self, token: int, expiry: date | None, interval: Interval, before: datetime
    ) -> StoredInterest | None:
        """Return the open interest of the last stored candle before an instant; see `Store.last_interest`."""
        return await self._read(history.read_last_interest(token, expiry, interval, epoch_seconds(before)))

    async def candle_days(self, interval: Interval, first: date, last: date) -> dict[ContractKey, dict[date, int]]:
        """Return how many candles are stored for each contract and day."""
        return await self._read(history.read_candle_days(interval, first, last))

    async def prune_candles(self, before: date) -> int:
        """Drop candles of days before ``before`` and the coverage of these days; return how many candles."""
        contracts = await self._read(history.contracts_with_candles(before))
        dropped = 0
        for first in range(0, len(contracts), _PRUNED_AT_ONCE):
            dropped += await self._write(history.prune(contracts[first : first + _PRUNED_AT_ONCE], before))
        await self._write(session_candles.prune_session_candles(before))
        return dropped

    # ------------------------------------------------------------------ failures and facts

    async def record_failure(self, failure: HistoryFailure) -> None:
        """Keep the last failure of a contract and interval."""
        await self._write(history.record_failure(failure))

    async def failures(self, interval: Interval) -> list[HistoryFailure]:
        """Return the kept failures, latest first."""
        return await self._read(history.list_failures(interval))

    async def clear_failures(self, interval: Interval, contracts: Sequence[ContractKey] | None = None) -> None:
        """Forget the failures of some contracts, or of all."""
        await self._write(history.clear_failures(interval, contracts))

    async def save_daily_facts(
        self,
        day: date,
        open_interest: Sequence[OpenInterestFact] = (),
        volatility: Sequence[VolatilityFact] = (),
    ) -> None:
        """Keep facts of a finished trading day."""
        await self._write(history.save_facts(day, open_interest, volatility))

    async def open_interest_on(self, day: date) -> dict[ContractKey, int]:
        """Return the open interest of each contract at the end of a day; see `Store.open_interest_on`."""
        return await self._read(history.open_interest_on(day))

    async def atm_iv_history(self, underlying: str, days: int) -> list[tuple[date, float]]:
        """Return the latest ``days`` stored at-the-money volatilities, ascending by day."""
        return await self._read(history.atm_iv_history(underlying, days))

    # ------------------------------------------------------------------ whose data these are

    async def data_owner(self) -> DataOwner | None:
        """Return whose data the store holds, None while nobody has claimed it."""
        return await self._read(broker_data.read_owner())

    async def claim_data(self, owner: DataOwner) -> DataOwner:
        """Note whose data the store holds where nobody has, and return whose they are then."""
        return await self._write(broker_data.claim_data(owner))

    async def note_market_day(self, day: date) -> None:
        """Keep the day of a market whose clock can be set back."""
        await self._write(broker_data.note_day(day))

    async def stored_days(self) -> dict[ContractKey, list[date]]:
        """Return the days of which candles of any length are stored, ascending, by contract."""
        return await self._read(broker_data.stored_days())

    async def contracts_from(self, day: date) -> list[ContractKey]:
        """Return the contracts of which something is stored of a day or later ones."""
        return await self._read(broker_data.contracts_from(day))

    async def set_aside(self, foreign: ForeignData) -> SetAside:
        """Move what is of another market into tables that nothing reads; see `Store.set_aside`."""
        return await self._write(broker_data.set_aside(self._clock.now(), foreign))

    # ------------------------------------------------------------------ the store itself

    async def revision(self) -> int:
        """Return the number of changes to subscriptions and rules so far."""
        return await self._read(subscriptions.read_revision())


def _counted(operation: Operation[T]) -> Operation[tuple[T, int | None]]:
    """Run an operation and count it as a change if its result is true."""
    result = yield from operation
    return result, (yield from subscriptions.next_revision()) if result else None
