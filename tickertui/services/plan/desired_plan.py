"""`DesiredPlan`: everything that is wanted at this moment, each instrument once, with everybody who asks for it.

`tickertui.services.plan.plan_builder` makes it from the store and the day's contracts; the reconciler places it. Rules
and single subscriptions may overlap: an instrument then has one subscription on the wire, in the highest mode that
anybody asks for, and goes when the last one who asks for it does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.ticks import Mode
from tickertui.services.contracts.day_contracts import DayContracts
from tickertui.services.plan.assignments import Integers
from tickertui.services.plan.expansion import Expansion, RuleState
from tickertui.services.plan.placement import NO_PIN, Wanted
from tickertui.services.plan.status import RuleStatus, Unplaced

SINGLES: Final = 0
"""`Demand.rule_id` of the single subscriptions."""

INDICES: Final = -2
"""`Demand.rule_id` of the indices that come along with whatever is subscribed."""

_DISTANCE_SHIFT: Final = 32
_PLACE_SHIFT: Final = 16
_CLASS_SHIFT: Final = 56
_MOST_RULES: Final = (1 << _PLACE_SHIFT) - 1


@frozen(slots=False, eq=False)
class Demand:
    """What one rule, or all single subscriptions together, ask for: columns of equal length n.

    Attributes:
        rule_id: Of the rule, `SINGLES` for the single subscriptions, `INDICES` for what comes along.
        tokens: int64[n], no token twice.
        modes: int64[n], values of `Mode`.
        priorities: int64[n], the smallest is the most important.
        expiries: int64[n], ordinals, 0 where there is none.
        groups: n names of what belongs together (the underlying), or one for all.
        pins: n account ids, None for anywhere, or one for all.
        instants: When contracts of this demand are over, no instant twice.
    """

    rule_id: int
    tokens: Integers
    modes: Integers
    priorities: Integers
    expiries: Integers
    groups: Sequence[str]
    pins: Sequence[str | None]
    instants: tuple[datetime, ...] = ()

    def __len__(self) -> int:
        return len(self.tokens)

    def where(self, keep: NDArray[np.bool_], instants: tuple[datetime, ...]) -> Demand:
        """Return the part of it that a mask selects."""
        rows = np.flatnonzero(keep)
        return Demand(
            self.rule_id,
            self.tokens[rows],
            self.modes[rows],
            self.priorities[rows],
            self.expiries[rows],
            self.groups if len(self.groups) == 1 else [self.groups[row] for row in rows.tolist()],
            self.pins if len(self.pins) == 1 else [self.pins[row] for row in rows.tolist()],
            instants,
        )


def spot_priority(rule_place: int) -> int:
    """Return the priority of a rule's index and future: nothing is worth much without them."""
    return min(rule_place, _MOST_RULES)


def single_priority(place: int) -> int:
    """Return the priority of a single subscription, the older before the newer."""
    return 1 << _CLASS_SHIFT | place


def leg_priorities(expansion: Expansion, rule_place: int) -> Integers:
    """Return the priorities of a rule's legs: near the money first, then near expiries, then earlier rules."""
    return (
        (2 << _CLASS_SHIFT)
        | expansion.distances << _DISTANCE_SHIFT
        | expansion.places << _PLACE_SHIFT
        | min(rule_place, _MOST_RULES)
    )


@frozen(slots=False, eq=False)
class DesiredPlan:
    """What is wanted; see the module.

    Attributes:
        revision: Of the store it was made from.
        contracts: The day's contracts it was made from.
        made_at: When, aware.
        demands: Who asks for what; single subscriptions first, then the rules in their order, then what comes along.
        wanted: The merged columns, as placement takes them.
        expiries: int64[n], ordinals, beside the columns of ``wanted``.
        rules: Every rule as it stands.
        states: Rule id -> what it holds.
        recentred: Rules that were centred anew for this plan.
        unresolved: What the day's contracts do not know; it stays in the store as it is.
        expired: (token, reason) of single subscriptions whose contract is over.
    """

    revision: int
    contracts: DayContracts
    made_at: datetime
    demands: tuple[Demand, ...]
    wanted: Wanted
    expiries: Integers
    rules: tuple[RuleStatus, ...] = ()
    states: Mapping[int, RuleState] = field(default_factory=dict)
    recentred: frozenset[int] = frozenset()
    unresolved: tuple[Unplaced, ...] = ()
    expired: tuple[tuple[int, str], ...] = ()

    def __len__(self) -> int:
        return len(self.wanted)

    @property
    def tokens(self) -> Integers:
        """int64[n], ascending."""
        return self.wanted.tokens

    @property
    def modes(self) -> Mapping[int, Mode]:
        """Token -> mode."""
        return {token: Mode(mode) for token, mode in zip(self.tokens.tolist(), self.wanted.modes.tolist(), strict=True)}

    @cached_property
    def next_expiry(self) -> datetime | None:
        """When the first of these contracts is over, None when none ever is."""
        return min((instant for demand in self.demands for instant in demand.instants), default=None)

    @cached_property
    def _owners(self) -> tuple[Integers, Integers]:
        """All tokens of all demands ascending, and the number of the demand of each."""
        tokens = _joined([demand.tokens for demand in self.demands])
        numbers = np.repeat(np.arange(len(self.demands)), [len(demand) for demand in self.demands])
        order = np.argsort(tokens, kind="stable")
        return tokens[order], numbers[order]

    def owners_of(self, token: int) -> tuple[Demand, ...]:
        """Return everybody who asks for an instrument."""
        tokens, numbers = self._owners
        start, end = np.searchsorted(tokens, [token, token + 1])
        return tuple(self.demands[number] for number in numbers[start:end].tolist())

    def owner_columns(self) -> tuple[Integers, tuple[tuple[int, ...], ...]]:
        """Return who asks for each instrument, as int64[n] beside ``tokens`` of places in the groups given with it.

        A group holds the numbers (`Demand.rule_id`) of those who ask, in the order of the demands.
        """
        tokens, numbers = self._owners
        groups: list[tuple[int, ...]] = [(demand.rule_id,) for demand in self.demands]
        _, starts, counts = np.unique(tokens, return_index=True, return_counts=True)
        owners = numbers[starts]
        together: dict[tuple[int, ...], int] = {}
        for place in np.flatnonzero(counts > 1).tolist():
            several = tuple(numbers[starts[place] : starts[place] + counts[place]].tolist())
            number = together.get(several)
            if number is None:
                number = together[several] = len(groups)
                groups.append(tuple(self.demands[demand_number].rule_id for demand_number in several))
            owners[place] = number
        return owners.astype(np.int64), tuple(groups)

    def rule_of(self, rule_id: int) -> RuleStatus | None:
        """Return one rule as it stands."""
        return next((status for status in self.rules if status.rule.rule_id == rule_id), None)


@frozen(slots=False, eq=False)
class Merged:
    """Sources put together.

    Attributes:
        wanted: Each instrument once.
        expiries: int64[n], ordinals.
    """

    wanted: Wanted
    expiries: Integers


def merge(demands: Sequence[Demand]) -> Merged:
    """Put demands together: each instrument once, in the highest mode, with the best priority.

    Of several pins the first counts, so that of a single subscription goes before those of rules; what all others say
    goes along (`Wanted.other_pins`), as it counts where that one cannot be followed.
    """
    names: dict[str | None, int] = {}
    groups: dict[str, int] = {}
    tokens = _joined([demand.tokens for demand in demands])
    pins = _joined([_numbered(demand.pins, len(demand), names) for demand in demands])
    group_ids = _joined([_numbered(demand.groups, len(demand), groups) for demand in demands])
    pins = np.where(pins == names.get(None, NO_PIN), NO_PIN, pins)
    order = np.argsort(tokens, kind="stable")
    tokens = tokens[order]
    starts = np.flatnonzero(np.concatenate([tokens[:1] >= 0, tokens[1:] != tokens[:-1]]))
    if not len(starts):
        empty = np.zeros(0, dtype=np.int64)
        return Merged(Wanted(empty, empty, empty, empty, empty), empty)
    priorities = np.minimum.reduceat(_joined([demand.priorities for demand in demands])[order], starts)
    unique = tokens[starts]
    ranks = np.empty(len(unique), dtype=np.int64)
    ranks[np.lexsort((unique, priorities))] = np.arange(len(unique))
    other_rows, other_pins = _others(pins[order], starts)
    wanted = Wanted(
        tokens=unique,
        modes=np.maximum.reduceat(_joined([demand.modes for demand in demands])[order], starts),
        ranks=ranks,
        groups=group_ids[order][starts],
        pins=_first_pins(pins[order], starts),
        pin_names=tuple(name or "" for name in names),
        other_rows=other_rows,
        other_pins=other_pins,
    )
    return Merged(wanted, _joined([demand.expiries for demand in demands])[order][starts])


def _first_pins(pins: Integers, starts: NDArray[np.intp]) -> Integers:
    """Return for each run of equal tokens the first pin that is one."""
    if not (pins != NO_PIN).any():
        return np.full(len(starts), NO_PIN, dtype=np.int64)
    places = np.where(pins == NO_PIN, len(pins), np.arange(len(pins)))
    first_places = np.minimum.reduceat(places, starts)
    return np.append(pins, NO_PIN)[first_places]


def _others(pins: Integers, starts: NDArray[np.intp]) -> tuple[Integers, Integers]:
    """Return rows that somebody pins and several ask for, and what each of these says, in the order of the demands."""
    counts = np.diff(starts, append=len(pins))
    contested = (counts > 1) & (np.maximum.reduceat(pins, starts) != NO_PIN)
    if not contested.any():
        return pins[:0], pins[:0]
    rows = np.repeat(np.arange(len(starts)), counts)
    kept = contested[rows]
    return rows[kept].astype(np.int64), pins[kept]


def _numbered(names: Sequence[str | None], count: int, number_of: dict[str | None, int] | dict[str, int]) -> Integers:
    numbers: dict[str | None, int] = number_of  # type: ignore[assignment]
    if len(names) == 1:
        return np.full(count, numbers.setdefault(names[0], len(numbers)), dtype=np.int64)
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _joined(columns: Sequence[Integers]) -> Integers:
    return np.concatenate(columns) if columns else np.zeros(0, dtype=np.int64)
