"""`FailureBook`: what could not be fetched, how often it was tried, and when it is tried again; kept in the store."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from tickertui.kite.errors import InvalidRequest, KiteError
from tickertui.market.clock import Clock
from tickertui.services.history.progress import BackfillProgress
from tickertui.services.history.status import BootstrapFailure
from tickertui.services.history.types import BackfillSettings, BackfillTarget, HistoryStore
from tickertui.store.protocol import ContractKey, HistoryFailure

_LOG: Final = logging.getLogger(__name__)

_SHOWN_AFTER: Final = 3
"""Attempts at a silent broker after which a contract is shown as failing; it is asked for all the same."""


class FailureBook:
    """Failures by contract.

    Args:
        store: Keeps them over a restart.
        progress: Shows them.
        clock: Stamps them.
        settings: Attempts and delays.
    """

    def __init__(
        self, store: HistoryStore, progress: BackfillProgress, clock: Clock, settings: BackfillSettings
    ) -> None:
        self._store = store
        self._progress = progress
        self._clock = clock
        self._settings = settings
        self._attempts: dict[ContractKey, int] = {}
        self._retry_at: dict[ContractKey, datetime] = {}
        self._given_up: set[ContractKey] = set()
        self._kept: dict[ContractKey, HistoryFailure] = {}
        self._is_loaded = False

    def has_given_up(self, key: ContractKey) -> bool:
        """Whether only the trader can start another attempt."""
        return key in self._given_up

    def seconds_until_retry(self, key: ContractKey) -> float | None:
        """Return how long a contract has to wait, None where it need not."""
        retry_at = self._retry_at.get(key)
        left = None if retry_at is None else (retry_at - self._clock.now()).total_seconds()
        return left if left is not None and left > 0 else None

    async def load(self) -> None:
        """Take over what an earlier run of the program left; what was given up on another day is tried again."""
        if self._is_loaded:
            return
        today = self._clock.now().date()
        for failure in await self._store.failures(self._settings.interval):
            key = (failure.token, failure.expiry)
            self._kept[key] = failure
            if failure.retry_at is not None:
                self._retry_at[key] = failure.retry_at
            elif failure.failed_at.date() == today:
                self._given_up.add(key)
            self._attempts[key] = failure.attempts if key in self._given_up or failure.retry_at else 0
        self._is_loaded = True

    def show(self, target: BackfillTarget) -> None:
        """Show the failure that was left of a contract, if any."""
        failure = self._kept.get(target.key)
        if failure is not None and self._progress.failure(target.key) is None:
            shown = BootstrapFailure(target.token, target.label, failure.reason, failure.attempts, failure.retry_at)
            self._progress.add_failure(target, shown)

    async def add(self, target: BackfillTarget, error: KiteError) -> float | None:
        """Note a failed attempt.

        Returns:
            Seconds until the next attempt, None when only the trader can start it.

        Raises:
            StoreError: When it could not be kept; everything else was done.
        """
        key = target.key
        attempts = self._attempts[key] = self._attempts.get(key, 0) + 1
        is_final = isinstance(error, InvalidRequest) or (not error.retryable and attempts >= self._settings.attempts)
        delay = None if is_final else self._settings.delay(attempts)
        again = "not asked for again" if delay is None else f"asked for again in {delay:.0f} s"
        _LOG.warning("candles of %s failed (%d), %s: %s", target.label, attempts, again, error)
        now = self._clock.now()
        retry_at = None if delay is None else now + timedelta(seconds=delay)
        if retry_at is None:
            self._given_up.add(key)
        else:
            self._retry_at[key] = retry_at
            if attempts < _SHOWN_AFTER:
                return delay
        self._progress.add_failure(target, BootstrapFailure(target.token, target.label, str(error), attempts, retry_at))
        failure = HistoryFailure(*key, self._settings.interval, str(error), attempts, now, retry_at)
        self._kept[key] = failure
        await self._store.record_failure(failure)
        return delay

    def succeeded(self, key: ContractKey) -> None:
        """Note that a contract was answered: its attempts begin anew."""
        self._attempts.pop(key, None)
        self._retry_at.pop(key, None)

    async def clear(self, key: ContractKey) -> None:
        """Forget the failure of a contract of which nothing is missing any more.

        Raises:
            StoreError: When the store could not be told; it is told the next time.
        """
        self._given_up.discard(key)
        self._progress.clear_failure(key)
        if key in self._kept:
            await self._store.clear_failures(self._settings.interval, [key])
            del self._kept[key]

    def forgive(self) -> None:
        """Try everything again: the trader asked for it."""
        self._given_up.clear()
        self._attempts.clear()
        self._retry_at.clear()
