"""`BackfillTargets`: the instruments of the plan as the bootstrapper wants them, nearest the money first.

The ticker loop hands them over after each plan. Those that are known from the plan before are not made anew: 9,000 of
them would hold the event loop for tens of milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from anyio.lowlevel import checkpoint

from tickertui.market.instruments import Instrument
from tickertui.services.contracts.day_contracts import DayContracts
from tickertui.services.history.types import BackfillTarget

_AT_ONCE: Final = 300
"""Targets made between two looks at the event loop: about 3 ms."""

_UNKNOWN_DISTANCE: Final = 1.0
"""Priority of an option whose underlying has no price: behind everything within 100 % of the money."""


class BackfillTargets:
    """Makes and keeps targets.

    Args:
        contracts: The day's contracts in force.
        spot: Last price of an underlying, None before there is one.
    """

    def __init__(self, contracts: Callable[[], DayContracts], spot: Callable[[str], float | None]) -> None:
        self._contracts = contracts
        self._spot = spot
        self._made_from: DayContracts | None = None
        self._known: dict[int, BackfillTarget] = {}

    async def of(self, tokens: Sequence[int]) -> tuple[BackfillTarget, ...]:
        """Return the targets of the plan; what the day's contracts do not hold is left out."""
        contracts = self._contracts()
        if contracts is not self._made_from:
            self._made_from, self._known = contracts, {}
        missing = [token for token in tokens if token not in self._known]
        for start in range(0, len(missing), _AT_ONCE):
            for token in missing[start : start + _AT_ONCE]:
                instrument = contracts.get(token)
                if instrument is not None:
                    self._known[token] = self._target(instrument, contracts)
            await checkpoint()
        return tuple(target for token in tokens if (target := self._known.get(token)) is not None)

    def _target(self, instrument: Instrument, contracts: DayContracts) -> BackfillTarget:
        name, expiry = instrument.name, instrument.expiry
        is_option = instrument.kind.is_option
        return BackfillTarget(
            token=instrument.token,
            label=instrument.tradingsymbol,
            group_label=f"{name} {contracts.label(name, expiry)}" if is_option and expiry else name,
            underlying=name,
            expiry=expiry,
            priority=self._distance(instrument) if is_option else -1.0,
            segment=instrument.segment,
        )

    def _distance(self, option: Instrument) -> float:
        """How far the strike is from the money, as a part of the price."""
        spot = self._spot(option.name)
        if spot is None or option.strike is None:
            return _UNKNOWN_DISTANCE
        return abs(option.strike - spot) / spot
