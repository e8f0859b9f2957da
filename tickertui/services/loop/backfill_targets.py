"""`BackfillTargets`: whose history the bootstrapper shall fetch, as it wants them, nearest the money first.

The ticker loop hands them over after each plan. They are the instruments of the plan, and every contract that expires
today and was streamed or fetched: it leaves the plan when its time runs out, before its last candles are final, and
after midnight the broker has no history of it any more. Which those are, the store says, so that a start in the
evening fetches them too.

Those that are known from the plan before are not made anew: 9,000 of them would hold the event loop for tens of
milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final, Protocol

from anyio.lowlevel import checkpoint

from tickertui.market.instruments import Instrument
from tickertui.services.contracts.day_contracts import DayContracts
from tickertui.services.history.types import BackfillTarget
from tickertui.store.protocol import StoreError

_AT_ONCE: Final = 300
"""Targets made between two looks at the event loop: about 3 ms."""

_UNKNOWN_DISTANCE: Final = 1.0
"""Priority of an option whose underlying has no price: behind everything within 100 % of the money."""

_INDEX: Final = -10.0
"""Priority of what is no option."""
_LAST_DAY: Final = -5.0
"""Added to the distance of an option that expires today: its history is to be had today or never."""


class StoredContracts(Protocol):
    """What is asked of the store; any `tickertui.store.protocol.Store` will do."""

    async def contracts_expiring(self, day: date) -> list[int]:
        """Return the tokens of contracts that expire on a day and of which anything is stored."""
        ...


class BackfillTargets:
    """Makes and keeps targets.

    Args:
        contracts: The day's contracts in force.
        spot: Last price of an underlying, None before there is one.
        store: Knows what was streamed or fetched, whatever the plan says.
        today: The day in India.
        has_hours: Whether the hours of an exchange are known: without them nobody can say which candles there must be,
            and a contract would count as complete without one.
    """

    def __init__(
        self,
        contracts: Callable[[], DayContracts],
        spot: Callable[[str], float | None],
        store: StoredContracts,
        today: Callable[[], date],
        has_hours: Callable[[str], bool],
    ) -> None:
        self._contracts = contracts
        self._spot = spot
        self._store = store
        self._today = today
        self._has_hours = has_hours
        self._made_from: tuple[DayContracts, date] | None = None
        self._known: dict[int, BackfillTarget] = {}
        self._planned: set[int] = set()
        """Contracts that expire on `_day` and were in a plan since the start."""
        self._day = date.min

    async def of(self, tokens: Sequence[int]) -> tuple[BackfillTarget, ...]:
        """Return the targets of a plan and of the contracts that expire today; unknown ones are left out.

        Args:
            tokens: Of the plan.
        """
        today = self._today()
        if today != self._day:
            self._day, self._planned = today, set()
        of_plan = await self._targets(tokens, today)
        self._planned.update(target.token for target in of_plan if target.expiry == today)
        expiring = self._planned | await self._stored(today)
        others = await self._targets(sorted(expiring.difference(tokens)), today)
        return (*of_plan, *(target for target in others if target.expiry == today))

    async def _stored(self, today: date) -> set[int]:
        try:
            return set(await self._store.contracts_expiring(today))
        except StoreError:
            return set()  # the bootstrapper needs the store as well and says so; the next plan asks again

    async def _targets(self, tokens: Sequence[int], today: date) -> tuple[BackfillTarget, ...]:
        contracts = self._contracts()
        if self._made_from != (contracts, today):
            self._made_from, self._known = (contracts, today), {}
        missing = [token for token in tokens if token not in self._known]
        for start in range(0, len(missing), _AT_ONCE):
            for token in missing[start : start + _AT_ONCE]:
                instrument = contracts.get(token)
                if instrument is not None and self._has_hours(instrument.exchange):
                    self._known[token] = self._target(instrument, contracts, today)
            await checkpoint()
        return tuple(target for token in tokens if (target := self._known.get(token)) is not None)

    def _target(self, instrument: Instrument, contracts: DayContracts, today: date) -> BackfillTarget:
        name, expiry = instrument.name, instrument.expiry
        change = contracts.terms_changes.get(instrument.token)
        is_option = instrument.kind.is_option
        last_day = _LAST_DAY if expiry == today else 0.0
        return BackfillTarget(
            token=instrument.token,
            label=instrument.tradingsymbol,
            group_label=f"{name} {contracts.label(name, expiry)}" if is_option and expiry else name,
            underlying=name,
            expiry=expiry,
            listed_on=None if change is None else change.since,
            priority=(self._distance(instrument) if is_option else _INDEX) + last_day,
            segment=instrument.segment,
        )

    def _distance(self, option: Instrument) -> float:
        """How far the strike is from the money, as a part of the price."""
        spot = self._spot(option.name)
        if spot is None or option.strike is None:
            return _UNKNOWN_DISTANCE
        return abs(option.strike - spot) / spot
