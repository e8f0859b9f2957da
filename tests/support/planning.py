"""A rig for tests of planning: contracts of two underlyings, a spot that one moves, accounts that come and go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from tests.support.fakes import MemoryStore, chain_of, future_of, index_of, run_at_once, table_of
from tickertui.market.clock import IST, ManualClock
from tickertui.market.hours import load_calendar
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.services.contracts.day_contracts import DayContracts
from tickertui.services.contracts.instrument_registry import InstrumentRegistry
from tickertui.services.plan.subscription_reconciler import (
    AccountSlots,
    FollowSettings,
    PlacementLimits,
    PreparedReload,
    SubscriptionReconciler,
)

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=IST)
"""Monday, expiry day of the November monthly."""

M23, W01, W08, M29 = date(2026, 11, 23), date(2026, 12, 1), date(2026, 12, 8), date(2026, 12, 29)
S26, S03 = date(2026, 11, 26), date(2026, 12, 3)
NIFTY_INDEX, SENSEX_INDEX, VIX_INDEX = 256265, 265, 264969
Z1, Z2, Z3 = AccountSlots("Z1", 0), AccountSlots("Z2", 3), AccountSlots("Z3", 6)

_FIRST = {M23: 10_000, W01: 11_000, W08: 12_000, M29: 13_000, S26: 20_000, S03: 21_000}


def nifty_chain(expiry: date, low: int = 23_800, high: int = 24_900, step: int = 50) -> list[Instrument]:
    return chain_of("NIFTY", expiry, [float(strike) for strike in range(low, high + 1, step)], first=_FIRST[expiry])


def sensex_chain(expiry: date, low: int = 78_800, high: int = 80_400, step: int = 100) -> list[Instrument]:
    strikes = [float(strike) for strike in range(low, high + 1, step)]
    return chain_of("SENSEX", expiry, strikes, first=_FIRST[expiry], exchange="BFO", code=5, lot_size=20)


NIFTY_NOV_FUTURE = future_of("NIFTY", M23, number=14_000)
NIFTY_DEC_FUTURE = future_of("NIFTY", M29, number=14_001)
SENSEX_FUTURE = future_of("SENSEX", S26, number=24_000, exchange="BFO", code=5)
SHARE = Instrument(738561, "RELIANCE", "RELIANCE INDUSTRIES", InstrumentKind.EQUITY, "NSE", "NSE")


def a_day(*more: Instrument, expiries: Sequence[date] = (M23, W01, W08, M29)) -> InstrumentTable:
    """Contracts of a day: two underlyings, futures, indices and a share."""
    return table_of(
        [index_of("NIFTY 50", NIFTY_INDEX), index_of("SENSEX", SENSEX_INDEX, "BSE"), SHARE],
        [NIFTY_NOV_FUTURE, NIFTY_DEC_FUTURE, SENSEX_FUTURE],
        *(nifty_chain(expiry) for expiry in expiries),
        *(sensex_chain(expiry) for expiry in (S26, S03)),
        list(more),
    )


class PlanningRig:
    """A reconciler with everything about it.

    Attributes:
        clock: Stands at `NOW`.
        store: In memory.
        registry: Holds `a_day`.
        spots: Underlying -> price.
        slots: Accounts that can be used.
        reconciler: The reconciler.
    """

    def __init__(
        self,
        limits: PlacementLimits | None = None,
        follow: FollowSettings | None = None,
        table: InstrumentTable | None = None,
        indices: Sequence[str] = (),
    ) -> None:
        self.clock = ManualClock(NOW)
        self.store = MemoryStore()
        self.calendar = load_calendar()
        self.registry = InstrumentRegistry(
            clock=self.clock,
            calendar=self.calendar,
            index_tokens={"NIFTY": NIFTY_INDEX, "SENSEX": SENSEX_INDEX, "INDIA VIX": VIX_INDEX},
        )
        self.table = table or a_day()
        self.registry.replace(self.table, NOW.date())
        self.spots: dict[str, float] = {"NIFTY": 24_350.0, "SENSEX": 79_600.0}
        self.slots: list[AccountSlots] = [Z1, Z2]
        self._indices = indices
        self._limits, self._follow = limits or PlacementLimits(), follow or FollowSettings()
        self.reconciler = self.restarted()

    def restarted(self) -> SubscriptionReconciler:
        """A reconciler as after a restart of the program: it knows only what the store knows."""
        self.reconciler = SubscriptionReconciler(
            store=self.store,  # type: ignore[arg-type]  # the part of a store that planning uses
            registry=self.registry,
            clock=self.clock,
            spot=self.spots.get,
            limits=self._limits,
            follow=self._follow,
            indices=self._indices,
        )
        return self.reconciler

    def prepare(self) -> PreparedReload:
        return run_at_once(self.reconciler.prepare(self.slots))

    def reload(self) -> PreparedReload:
        prepared = self.prepare()
        run_at_once(self.reconciler.commit(prepared))
        return prepared

    def rows(self) -> list[Instrument]:
        """The contracts in force, one by one."""
        return [self.registry.table.instrument(row) for row in range(len(self.registry.table))]

    def forget_contracts(self) -> None:
        """The registry as before the first dump of a day."""
        empty = DayContracts(InstrumentTable.from_instruments(()), None, {"NIFTY": NIFTY_INDEX}, self.calendar)
        self.registry._contracts = empty  # there is no public way to lose the contracts

    def find(self, expiry: date, strike: float, kind: str) -> Instrument:
        """One option of NIFTY."""
        return next(
            instrument
            for instrument in nifty_chain(expiry)
            if instrument.strike == strike and instrument.kind.label == kind
        )
