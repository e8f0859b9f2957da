"""`SubscriptionReconciler`: what is wanted -> who carries it -> what has to change, and not more.

The ticker loop calls it for every reload: `prepare` reads the store, expands the rules from the day's contracts, places
everything and compares with the plan in force; nothing is sent or written. When the difference has been applied to the
streams, `commit` writes what changed to the store, in one transaction, and makes the plan the one in force. Between the
two nothing has changed here, so that a plan may simply be dropped.

Between reloads it watches the spots (`follow_spot`) and knows when the next contract expires (`next_expiry_instant`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final, Protocol, TypeVar

import anyio.to_thread
import numpy as np

from tickertui.frozen import frozen
from tickertui.market.arrays import distinct
from tickertui.market.clock import Clock
from tickertui.market.subscriptions import ChainRule, SubscriptionRecord
from tickertui.services.contracts.day_contracts import DayContracts
from tickertui.services.plan.assignments import (
    NO_CONNECTION,
    AccountSlots,
    Assignments,
    Distribution,
    Integers,
    PlanDiff,
    diff,
)
from tickertui.services.plan.desired_plan import DesiredPlan, merge
from tickertui.services.plan.expansion import FollowSettings, moved_strikes
from tickertui.services.plan.legs import NO_LEGS, ContractTerms, Legs, NameColumn, Owners
from tickertui.services.plan.placement import PlacementLimits, place
from tickertui.services.plan.plan_builder import ExpandedRule, PlanBuilder, PlanInputs
from tickertui.services.plan.plan_lines import lines_of, order_of
from tickertui.services.plan.status import ReloadPlan, RuleCost, RuleStatus, Unplaced
from tickertui.services.plan.stored_placement import StoredPlacement, changes_of, previous_of
from tickertui.services.plan.subscription_reloader import SubscriptionReloader
from tickertui.store.protocol import PlanChanges, Store

__all__ = [
    "NO_CONNECTION", "AccountSlots", "Assignments", "DesiredPlan", "Distribution", "FollowSettings", "PlacementLimits",
    "PlanDiff", "PreparedReload", "SubscriptionReconciler",
]  # fmt: skip

T = TypeVar("T")

_IN_THREAD_ABOVE: Final = 4_000
"""A plan of 9,000 legs takes 10 ms, the first one from a full dump with cold caches 100 ms and more; the event loop
must wait for neither. In a thread the loop was late by at most 7 ms during such a reload, on the loop's own thread by
11 to 26. Below this many contracts a plan is made in less time than a thread takes to wake."""

_LIMITS: Final = PlacementLimits()
_FOLLOW: Final = FollowSettings()

_WHAT_IF: Final = -1
"""Number of a rule that only is asked about."""


class Registry(Protocol):
    """Where the day's contracts come from: `tickertui.services.contracts.instrument_registry.InstrumentRegistry`."""

    @property
    def contracts(self) -> DayContracts:
        """The contracts in force."""
        ...


@frozen(slots=False, eq=False)
class PreparedReload:
    """The next plan, not in force yet.

    Attributes:
        plan: For the screen.
        desired: What is wanted.
        assignments: Who carries it.
        diff: From the plan in force.
        changes: What `SubscriptionReconciler.commit` will write.
        slots: The accounts it was made for.
    """

    plan: ReloadPlan
    desired: DesiredPlan
    assignments: Assignments
    diff: PlanDiff
    changes: PlanChanges
    slots: tuple[AccountSlots, ...]
    _stored: StoredPlacement
    _expanded: dict[int, ExpandedRule]

    @property
    def distribution(self) -> Distribution:
        """Connection number -> token -> mode; `NO_CONNECTION` holds everything when there are no accounts."""
        return self.assignments.distribution


@frozen(slots=False, eq=False)
class _Basis:
    """Everything that one plan is made from, so that it can be made in a thread."""

    contracts: DayContracts
    inputs: PlanInputs
    revision: int
    records: Sequence[SubscriptionRecord]
    rules: Sequence[ChainRule]
    stored: StoredPlacement
    current: Assignments
    slots: tuple[AccountSlots, ...]
    before: DesiredPlan | None
    generation: int = 0
    merged_triggers: int = 0


class SubscriptionReconciler:
    """Makes plans; see the module.

    Args:
        store: What the trader asked for, and where things were.
        registry: The day's contracts; they know the calendar.
        clock: Says what has expired, and for how long a spot has been away.
        spot: Last price of an underlying in rupees, None before there is one.
        limits: How much goes where.
        follow: How rules follow the spot.
        indices: Names of indices that come along with whatever is subscribed (INDIA VIX).
        backfill_requests: History requests that new instruments cost, given their tokens; one each by default. May be
            called in a worker thread.
        requests_per_second: Of history, for each key (Kite Connect v3: 3).
        in_thread_above: Contracts of the day above which a plan is made in a worker thread.
    """

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        clock: Clock,
        spot: Callable[[str], float | None],
        limits: PlacementLimits = _LIMITS,
        follow: FollowSettings = _FOLLOW,
        indices: Sequence[str] = (),
        backfill_requests: Callable[[Sequence[int]], int] = len,
        requests_per_second: float = 3.0,
        in_thread_above: int = _IN_THREAD_ABOVE,
    ) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._spot = spot
        self._limits = limits
        self._follow = follow
        self._indices = tuple(indices)
        self._backfill_requests = backfill_requests
        self._requests_per_second = requests_per_second
        self._in_thread_above = in_thread_above
        self._desired: DesiredPlan | None = None
        self._assignments = Assignments.none()
        self._slots: tuple[AccountSlots, ...] = ()
        self._expanded: dict[int, ExpandedRule] = {}
        self._stored: StoredPlacement | None = None
        self._away_since: dict[int, int] = {}
        self._due: set[int] = set()
        self._watched: Legs | None = None
        self._reloader: SubscriptionReloader | None = None
        self._reload: Callable[[], Awaitable[object]] | None = None
        self._early_triggers = 0

    # ------------------------------------------------------------------ the plan in force

    @property
    def limits(self) -> PlacementLimits:
        """How much goes where."""
        return self._limits

    @property
    def desired(self) -> DesiredPlan | None:
        """What is wanted in the plan in force, None before the first."""
        return self._desired

    @property
    def assignments(self) -> Assignments:
        """Who carries it."""
        return self._assignments

    def rules(self) -> tuple[RuleStatus, ...]:
        """Return every chain rule as it stands in the plan in force."""
        return () if self._desired is None else self._desired.rules

    @property
    def underlyings(self) -> tuple[str, ...]:
        """Underlyings of the rules in force, each once."""
        return tuple(dict.fromkeys(status.rule.underlying for status in self.rules() if status.rule.enabled))

    def next_expiry_instant(self) -> datetime | None:
        """Return when the first contract of the plan in force is over, None when none ever is.

        It stays the same, also when it has passed, until a plan without that contract is in force.
        """
        return None if self._desired is None else self._desired.next_expiry

    def watched(self) -> Legs:
        """Return every instrument of the plan in force, by underlying, expiry, strike and side."""
        if self._watched is None:
            self._watched = NO_LEGS if self._desired is None else self._watch(self._desired)
        return self._watched

    def _watch(self, desired: DesiredPlan) -> Legs:
        placed, contracts = self._assignments, desired.contracts
        order = order_of(placed.tokens, contracts.table)
        tokens, connections = placed.tokens[order], placed.connections[order]
        owners, groups = desired.owner_columns()
        sockets, on_socket = np.unique(connections, return_inverse=True)
        accounts = NameColumn.of(placed.account_of(connection) for connection in sockets.tolist())
        return Legs(
            tokens=tokens,
            connections=connections,
            modes=placed.modes[order],
            accounts=accounts.select(on_socket),
            owners=Owners(owners[np.searchsorted(desired.tokens, tokens)], groups),
            terms=ContractTerms.of(tokens, contracts.table),
            label=partial(_symbol, contracts),
        )

    # ------------------------------------------------------------------ the next plan

    async def load_subscription_plan(self) -> DesiredPlan:
        """Return what is wanted now.

        Raises:
            StoreError: When the store cannot be read.
        """
        basis = await self._basis((), self._assignments)
        return await self._run(basis, partial(_desire, basis))

    def build_assignments(
        self, plan: DesiredPlan, accounts: Sequence[AccountSlots], previous: Assignments | None = None
    ) -> Assignments:
        """Place a plan on accounts; pure.

        Args:
            plan: What is wanted.
            accounts: The accounts that can be used.
            previous: Where things were; the plan in force by default.
        """
        return place(plan.wanted, accounts, self._assignments if previous is None else previous, self._limits)

    @staticmethod
    def diff(old: Assignments, new: Assignments) -> PlanDiff:
        """Return the smallest difference between two plans."""
        return diff(old, new)

    async def prepare(
        self,
        accounts: Sequence[AccountSlots],
        current: Assignments | None = None,
        *,
        generation: int = 0,
        merged_triggers: int = 0,
    ) -> PreparedReload:
        """Make the next plan; nothing is sent, nothing is written, and nothing changes here.

        Args:
            accounts: The accounts that can be used; without any, everything stands under `NO_CONNECTION`.
            current: What streams now; the last plan that was committed by default.
            generation: Number that the plan would get.
            merged_triggers: Changes that it answers.

        Raises:
            StoreError: When the store cannot be read.
        """
        basis = await self._basis(tuple(accounts), self._assignments if current is None else current)
        basis = replace(basis, generation=generation, merged_triggers=merged_triggers)
        return await self._run(basis, partial(self._prepare, basis))

    async def _basis(self, slots: tuple[AccountSlots, ...], current: Assignments) -> _Basis:
        revision = await self._store.revision()
        records = await self._store.list_active()
        rules = self._registry.contracts.resolved(await self._store.list_rules())
        stored = self._stored
        if stored is None or not all(slot.is_ours for slot in slots):
            stored = StoredPlacement.of(await self._store.list_assignments())
        inputs = self._inputs(rules, stored)
        return _Basis(self._registry.contracts, inputs, revision, records, rules, stored, current, slots, self._desired)

    def _inputs(self, rules: Sequence[ChainRule], stored: StoredPlacement | None) -> PlanInputs:
        return PlanInputs(
            now=self._clock.now(),
            spots={name: self._spot(name) for name in dict.fromkeys(rule.underlying for rule in rules)},
            settings=self._follow,
            states={} if self._desired is None else self._desired.states,
            due=frozenset(self._due),
            last=self._expanded,
            held=np.zeros(0, dtype=np.int64) if stored is None else stored.tokens,
            indices=self._indices,
        )

    async def _run(self, basis: _Basis, work: Callable[[], T]) -> T:
        """Do the work here, or in a thread when it may take longer than the event loop can wait."""
        if len(basis.contracts) > self._in_thread_above:
            return await anyio.to_thread.run_sync(work)
        return work()

    def _prepare(self, basis: _Basis) -> PreparedReload:
        builder = PlanBuilder(basis.contracts, basis.inputs)
        desired = builder.build(basis.revision, basis.records, basis.rules)
        previous = previous_of(desired, basis.stored, basis.current, basis.slots)
        assignments = place(desired.wanted, basis.slots, previous, self._limits)
        change = diff(basis.current, assignments)
        changes, stored = changes_of(desired, basis.stored, assignments, basis.inputs.now)
        return PreparedReload(
            plan=self._reload_plan(basis, desired, assignments, change),
            desired=desired,
            assignments=assignments,
            diff=change,
            changes=changes,
            slots=basis.slots,
            _stored=stored,
            _expanded=builder.expanded,
        )

    def _reload_plan(
        self, basis: _Basis, desired: DesiredPlan, assignments: Assignments, change: PlanDiff
    ) -> ReloadPlan:
        unassigned = tuple(
            Unplaced(_symbol(desired.contracts, token), reason, token)
            for token, reason in assignments.unassigned.items()
        )
        return ReloadPlan(
            generation=basis.generation,
            revision=desired.revision,
            lines=lines_of(change, desired, basis.before),
            added=len(change.added),
            removed=len(change.removed),
            moved=len(change.moved_new),
            mode_changed=len(change.changed_new),
            unchanged=change.unchanged,
            unassigned=unassigned,
            unresolved=desired.unresolved,
            load_after=tuple(
                (slot.account, assignments.load_of(slot.account), self._capacity(slot)) for slot in basis.slots
            ),
            backfill_requests=self._backfill_requests(assignments.tokens[change.added].tolist()),
            merged_triggers=basis.merged_triggers,
        )

    def _capacity(self, slots: AccountSlots) -> int:
        return slots.sockets * self._limits.per_socket

    async def is_current(self, prepared: PreparedReload) -> bool:
        """Whether a plan is still what `prepare` would make, as far as store, contracts and expiries go."""
        expiry = prepared.desired.next_expiry
        return (
            prepared.desired.contracts is self._registry.contracts
            and (expiry is None or self._clock.now() < expiry)
            and prepared.plan.revision == await self._store.revision()
        )

    async def commit(self, prepared: PreparedReload, *, write: bool = True) -> None:
        """Make a plan the one in force, and write what it changed to the store in one transaction.

        Args:
            prepared: What `prepare` gave.
            write: False on a terminal that streams nothing itself: others say there where things are.

        Raises:
            StoreError: When the store cannot be written; the plan before stays the one in force.
        """
        if write and not prepared.changes.is_empty:
            await self._store.save_plan(prepared.changes)
        if write:
            self._stored = prepared._stored
        self._desired = prepared.desired
        self._assignments = prepared.assignments
        self._slots = prepared.slots
        self._expanded = prepared._expanded
        self._watched = None
        known = prepared.desired.states
        for rule_id in tuple(self._away_since):
            if rule_id in prepared.desired.recentred or rule_id not in known:
                del self._away_since[rule_id]
                self._due.discard(rule_id)

    # ------------------------------------------------------------------ following the spot

    def follow_spot(self) -> bool:
        """Look at the spots; call it every few seconds.

        Returns:
            Whether a rule's centre has been away long enough, or a rule that was centred on a guess has its spot now:
            a reload is due. It stays True until one has been committed.
        """
        now = self._clock.monotonic_ns()
        for rule_id, expanded in self._expanded.items():
            spot = self._spot(expanded.rule.underlying)
            if spot is None or not self._is_away(expanded, spot):
                self._away_since.pop(rule_id, None)
                self._due.discard(rule_id)
                continue
            since = self._away_since.setdefault(rule_id, now)
            if expanded.expansion.state.is_guess or now - since >= self._follow.seconds * 1e9:
                self._due.add(rule_id)
        return bool(self._due)

    def _is_away(self, expanded: ExpandedRule, spot: float) -> bool:
        state = expanded.expansion.state
        if state.is_guess:
            return True
        if expanded.rule.strikes is None:
            return False
        threshold = self._follow.threshold(expanded.rule)
        chains = (expanded.contracts.chain(expanded.rule.underlying, expiry) for expiry in expanded.expiries)
        return any(chain and moved_strikes(chain.strikes, state.anchor, spot) >= threshold for chain in chains)

    # ------------------------------------------------------------------ before a rule is added

    def what_if(self, rule: ChainRule) -> RuleCost:
        """Return what a rule would cost beside the plan in force; a rule with a known number takes that one's place."""
        (rule,) = self._registry.contracts.resolved([replace(rule, rule_id=rule.rule_id or _WHAT_IF, enabled=True)])
        builder = PlanBuilder(self._registry.contracts, self._inputs([rule], self._stored))
        demand = builder.expand_rule(rule)
        asked = () if self._desired is None else self._desired.demands
        demands = [other for other in asked if other.rule_id != rule.rule_id]
        before = self._assignments
        after = place(merge([*demands, demand]).wanted, self._slots, before, self._limits)
        own, others = distinct(demand.tokens), [demand.tokens[:0], *(other.tokens for other in asked)]
        new = own[~np.isin(own, distinct(np.concatenate(others)), assume_unique=True)]
        requests = self._backfill_requests(new.tolist())
        keys = max(1, len(self._slots))
        return RuleCost(
            legs=len(demand),
            new_legs=len(new),
            fits=len(after.unassigned) <= len(before.unassigned)
            and not any(token in after.unassigned for token in demand.tokens.tolist()),
            account_loads=tuple(self._load(slot, new, after) for slot in self._slots),
            sockets=max(0, len(after.loads) - len(before.loads)) if self._slots else 0,
            backfill_requests=requests,
            backfill_seconds=requests / (self._requests_per_second * keys),
        )

    def _load(self, slots: AccountSlots, new: Integers, after: Assignments) -> tuple[str, int, int, int]:
        here = np.isin(after.connections, np.array(slots.connections))
        added = int(np.isin(after.tokens[here], new, assume_unique=True).sum())
        return slots.account, added, int(here.sum()), self._capacity(slots)

    # ------------------------------------------------------------------ the seed's names

    def initialize_reloader(self, reload: Callable[[], Awaitable[object]]) -> SubscriptionReloader:
        """Return the reloader that `trigger_reload` asks; made once, with this callback.

        Its `run` belongs to a task group of the caller.
        """
        if self._reloader is None:
            self.use_reloader(SubscriptionReloader(reload), reload)
        assert self._reloader is not None
        return self._reloader

    def use_reloader(self, reloader: SubscriptionReloader, reload: Callable[[], Awaitable[object]]) -> None:
        """Let `trigger_reload` ask an existing reloader; what was asked for before counts."""
        self._reloader, self._reload = reloader, reload
        for _ in range(self._early_triggers):
            reloader.trigger()
        self._early_triggers = 0

    def trigger_reload(self) -> None:
        """Ask for a reload soon; kept until there is a reloader."""
        if self._reloader is None:
            self._early_triggers += 1
        else:
            self._reloader.trigger()

    async def reload_subscriptions_blocking(self) -> None:
        """Reload now and return when it is done.

        Raises:
            RuntimeError: Before `initialize_reloader` or `use_reloader`.
        """
        if self._reload is None:
            raise RuntimeError("nobody has said how to reload: initialize_reloader() comes first")
        await self._reload()


def _desire(basis: _Basis) -> DesiredPlan:
    return PlanBuilder(basis.contracts, basis.inputs).build(basis.revision, basis.records, basis.rules)


def _symbol(contracts: DayContracts, token: int) -> str:
    row = contracts.table.row(token)
    return f"token {token}" if row is None else contracts.table.symbols[row]
