"""`BackfillProgress`: how the backfill stands, kept by the bootstrapper and read by the screens."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from tickertui.market.clock import from_epoch
from tickertui.services.history.status import (
    BootstrapFailure,
    BootstrapGroup,
    BootstrapProgress,
    BootstrapState,
    DayCoverage,
)
from tickertui.services.history.types import BackfillTarget
from tickertui.store.protocol import ContractKey

_RATE_SECONDS: Final = 20.0
"""Span over which the rate is measured."""
_LEAST_RATE_SECONDS: Final = 3.0
_SHOWN_FAILURES: Final = 200


@dataclass(slots=True)
class _Group:
    label: str
    underlying: str
    expiry: date | None
    total: int = 0
    open: int = 0
    failed: int = 0


class BackfillProgress:
    """Counters of the backfill, cheap to read many times a second."""

    def __init__(self) -> None:
        self.state = BootstrapState.IDLE
        self.detail = ""
        self.requests_done = 0
        self.gaps_found = 0
        self.gaps_filled = 0
        self.candles_stored = 0
        self.own_candles = 0
        self.own_until = 0
        self.coverage: dict[str, tuple[DayCoverage, ...]] = {}
        self._groups: dict[str, _Group] = {}
        self._open: set[ContractKey] = set()
        self._failures: dict[ContractKey, tuple[str, BootstrapFailure]] = {}
        self._answers: deque[float] = deque()
        self._since: float | None = None

    # ------------------------------------------------------------------ what the bootstrapper tells

    def set_targets(self, targets: Sequence[BackfillTarget]) -> None:
        """Begin a new picture; all contracts count as done until `open_contract`."""
        self._groups = {}
        self._open.clear()
        for target in targets:
            group = self._groups.get(target.group_label)
            if group is None:
                group = _Group(target.group_label, target.underlying, target.expiry)
                self._groups[target.group_label] = group
            group.total += 1
        wanted_keys = {target.key for target in targets}
        for key in [key for key in self._failures if key not in wanted_keys]:
            del self._failures[key]
        for group_label, _ in self._failures.values():
            self._groups[group_label].failed += 1

    def open_contract(self, target: BackfillTarget) -> None:
        """Note that something of a contract is missing."""
        if target.key not in self._open:
            self._open.add(target.key)
            self._groups[target.group_label].open += 1

    def finish_contract(self, target: BackfillTarget) -> None:
        """Note that nothing of a contract is missing."""
        if target.key in self._open:
            self._open.discard(target.key)
            if (group := self._groups.get(target.group_label)) is not None:
                group.open -= 1
        self.clear_failure(target.key)

    def add_failure(self, target: BackfillTarget, failure: BootstrapFailure) -> None:
        """Show a failure of a contract in place of its last one, on top."""
        group = self._groups.get(target.group_label)
        if group is None:
            return
        if self._failures.pop(target.key, None) is None:
            group.failed += 1
        self._failures[target.key] = (target.group_label, failure)

    def clear_failure(self, key: ContractKey) -> None:
        """Show no failure of a contract any more."""
        found = self._failures.pop(key, None)
        if found is not None and (group := self._groups.get(found[0])) is not None:
            group.failed -= 1

    def failed(self) -> tuple[ContractKey, ...]:
        """Return the contracts that are shown as failed."""
        return tuple(self._failures)

    def failure(self, key: ContractKey) -> BootstrapFailure | None:
        """Return the failure of a contract."""
        found = self._failures.get(key)
        return None if found is None else found[1]

    def count_answer(self, now: float) -> None:
        """Count an answer of the broker, good or bad, for the rate."""
        self.requests_done += 1
        self._answers.append(now)

    def start_rate(self, now: float | None) -> None:
        """Measure the rate from now on; None stops it."""
        if now is None:
            self._since = None
            self._answers.clear()
        elif self._since is None:
            self._since = now

    # ------------------------------------------------------------------ what the screens read

    def rate(self, now: float) -> float:
        """Return answers per second over the last while, 0 before there was one."""
        while self._answers and self._answers[0] <= now - _RATE_SECONDS:
            self._answers.popleft()
        if self._since is None or not self._answers:
            return 0.0
        return len(self._answers) / max(min(now - self._since, _RATE_SECONDS), _LEAST_RATE_SECONDS)

    def progress(self, now: float, requests_left: int, rate_limit: float, refusals: int) -> BootstrapProgress:
        """Return the picture of a moment.

        Args:
            now: Of the event loop's clock.
            requests_left: Queued and under way.
            rate_limit: Requests per second that the usable accounts allow.
            refusals: Requests that the broker has refused for too many.
        """
        groups = self._groups.values()
        total = sum(group.total for group in groups)
        rate = self.rate(now)
        speed = rate or rate_limit
        return BootstrapProgress(
            state=self.state,
            groups=tuple(
                BootstrapGroup(
                    group.label, group.underlying, group.expiry, group.total, group.total - group.open, group.failed
                )
                for group in groups
            ),
            instruments_total=total,
            instruments_done=total - len(self._open),
            requests_left=requests_left,
            requests_done=self.requests_done,
            rate=rate,
            rate_limit=rate_limit,
            seconds_left=0.0 if not requests_left else requests_left / speed if speed else None,
            gaps_found=self.gaps_found,
            gaps_filled=self.gaps_filled,
            candles_stored=self.candles_stored,
            own_candles=self.own_candles,
            own_until=from_epoch(self.own_until) if self.own_until else None,
            rate_limited=refusals,
            failures=tuple(failure for _, failure in reversed(self._failures.values()))[:_SHOWN_FAILURES],
            coverage=self.coverage,
            detail=self.detail,
        )
