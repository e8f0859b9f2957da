"""Services' neighbours in memory: a store that keeps what it is told, and contracts made to order.

The coroutines of `MemoryStore` never wait, so that a property test can run the reconciler without an event loop
(`run_at_once`).
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tickertui.market.clock import IST
from tickertui.market.instruments import ChainRows, Instrument, InstrumentKind, InstrumentTable
from tickertui.market.subscriptions import Assignment, ChainRule, SubscriptionRecord, SubscriptionStatus
from tickertui.market.ticks import Mode
from tickertui.store.protocol import PlanChanges, StoreError

T = TypeVar("T")

CREATED = datetime(2026, 11, 1, 9, 0, tzinfo=IST)


def run_at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits for anything."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise AssertionError("it waited for something")


@dataclass
class MemoryStore:
    """The part of `tickertui.store.protocol.Store` that the reconciler uses.

    Attributes:
        records: By token.
        rules: By number.
        assignments: By token.
        writes: Every `save_plan`.
        failure: Raised by the next `save_plan`, None for none.
        reads: How often assignments were listed.
    """

    records: dict[int, SubscriptionRecord] = field(default_factory=dict)
    rules: dict[int, ChainRule] = field(default_factory=dict)
    assignments: dict[int, Assignment] = field(default_factory=dict)
    writes: list[PlanChanges] = field(default_factory=list)
    failure: StoreError | None = None
    reads: int = 0
    _revision: int = 0
    _next_rule: int = 1

    # -- what the trader wants

    def add(self, instrument: Instrument, mode: Mode = Mode.FULL, pin: str | None = None) -> None:
        """Subscribe one contract."""
        self.subscribe(instrument.token, instrument.tradingsymbol, instrument.segment, instrument.expiry, mode, pin)

    def subscribe(
        self,
        token: int,
        tradingsymbol: str,
        segment: str = "NFO-OPT",
        expiry: date | None = None,
        mode: Mode = Mode.FULL,
        pin: str | None = None,
    ) -> None:
        self._revision += 1
        created = CREATED + timedelta(seconds=self._revision)
        self.records[token] = SubscriptionRecord(
            token, tradingsymbol, segment, expiry, mode, SubscriptionStatus.ACTIVE, "", pin, None, created, created
        )

    def end(self, token: int) -> None:
        """End one subscription."""
        self._revision += 1
        self.records[token] = replace(self.records[token], status=SubscriptionStatus.INACTIVE, reason="by the user")

    def rule(self, rule: ChainRule) -> ChainRule:
        """Add a rule."""
        self._revision += 1
        rule = replace(rule, rule_id=self._next_rule)
        self._next_rule += 1
        self.rules[rule.rule_id] = rule
        return rule

    def change(self, rule: ChainRule) -> None:
        """Change a rule."""
        self._revision += 1
        self.rules[rule.rule_id] = rule

    def remove(self, rule_id: int) -> None:
        """Remove a rule."""
        self._revision += 1
        del self.rules[rule_id]

    # -- what the reconciler calls

    async def revision(self) -> int:
        return self._revision

    async def list_active(self) -> list[SubscriptionRecord]:
        active = [record for record in self.records.values() if record.status is SubscriptionStatus.ACTIVE]
        return sorted(active, key=lambda record: (record.created_at, record.token))

    async def list_rules(self) -> list[ChainRule]:
        return [self.rules[number] for number in sorted(self.rules)]

    async def list_assignments(self) -> list[Assignment]:
        self.reads += 1
        return [self.assignments[token] for token in sorted(self.assignments)]

    async def save_plan(self, changes: PlanChanges) -> None:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        self.writes.append(changes)
        for token in changes.released:
            del self.assignments[token]
        for assignment in changes.assigned:
            self.assignments[assignment.token] = assignment
        for token, reason in changes.expired:
            self.records[token] = replace(self.records[token], status=SubscriptionStatus.EXPIRED, reason=reason)


def chain_of(
    name: str,
    expiry: date,
    strikes: Sequence[float],
    *,
    first: int,
    exchange: str = "NFO",
    code: int = 2,
    lot_size: int = 65,
) -> list[Instrument]:
    """Call and put of every strike; the exchange's numbers count up from ``first`` (the call's are even)."""
    return [
        Instrument(
            token=(first + 2 * place + side) << 8 | code,
            tradingsymbol=f"{name}{expiry:%y%m%d}{strike:g}{kind.label}",
            name=name,
            kind=kind,
            segment=f"{exchange}-OPT",
            exchange=exchange,
            expiry=expiry,
            strike=strike,
            lot_size=lot_size,
            exchange_token=first + 2 * place + side,
        )
        for place, strike in enumerate(strikes)
        for side, kind in enumerate((InstrumentKind.CALL, InstrumentKind.PUT))
    ]


def future_of(name: str, expiry: date, *, number: int, exchange: str = "NFO", code: int = 2) -> Instrument:
    """One future."""
    return Instrument(
        token=number << 8 | code,
        tradingsymbol=f"{name}{expiry:%y%b}FUT".upper(),
        name=name,
        kind=InstrumentKind.FUTURE,
        segment=f"{exchange}-FUT",
        exchange=exchange,
        expiry=expiry,
        exchange_token=number,
    )


def index_of(symbol: str, token: int, exchange: str = "NSE") -> Instrument:
    """One index."""
    return Instrument(
        token=token,
        tradingsymbol=symbol,
        name=symbol,
        kind=InstrumentKind.INDEX,
        segment="INDICES",
        exchange=exchange,
        tick_size=0.0,
        exchange_token=token >> 8,
    )


def uniform_chain(
    underlying: str,
    expiry: date,
    strikes: NDArray[np.float64],
    calls: NDArray[np.int64],
    puts: NDArray[np.int64],
    *,
    lot: int = 65,
    exchange: str = "NFO",
) -> ChainRows:
    """A chain whose legs are all of one lot and tick."""
    shape = (len(strikes), 2)
    return ChainRows(
        underlying, expiry, strikes, calls, puts, np.full(shape, lot, np.int64), np.full(shape, 0.05), lot, 0.05,
        exchange, f"{exchange}-OPT",
    )  # fmt: skip


def table_of(*parts: Instrument | Sequence[Instrument]) -> InstrumentTable:
    """Put contracts together."""
    rows: list[Instrument] = []
    for part in parts:
        rows.extend([part] if isinstance(part, Instrument) else part)
    return InstrumentTable.from_instruments(rows)
