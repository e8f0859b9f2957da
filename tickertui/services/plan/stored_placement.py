"""`StoredPlacement`: what the store says about where each contract was, as columns, and what a new plan changes there.

It is what keeps placement sticky across restarts, and among terminals on one store. The reconciler reads it once, and
keeps it in step with what it writes; only while another terminal streams one of the accounts it is read for every plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.subscriptions import Assignment
from tickertui.services.plan.assignments import NO_CONNECTION, AccountSlots, Assignments, Integers
from tickertui.services.plan.desired_plan import DesiredPlan
from tickertui.store.protocol import PlanChanges


@frozen(slots=False, eq=False)
class StoredPlacement:
    """Columns of equal length n, by token.

    Attributes:
        tokens: int64[n], ascending.
        expiries: int64[n], ordinals, 0 where there is none.
        accounts: int64[n], index into ``names``.
        sockets: int64[n], numbers within the account, from 0.
        names: Account ids.
    """

    tokens: Integers
    expiries: Integers
    accounts: Integers
    sockets: Integers
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def of(cls, assignments: Sequence[Assignment]) -> StoredPlacement:
        """Return the store's answer as columns."""
        names: dict[str, int] = {}
        rows = sorted(
            (
                assignment.token,
                assignment.expiry.toordinal() if assignment.expiry else 0,
                names.setdefault(assignment.account, len(names)),
                assignment.connection,
            )
            for assignment in assignments
        )
        columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
        return cls(columns[0], columns[1], columns[2], columns[3], tuple(names))

    def connections(self, slots: Sequence[AccountSlots]) -> Integers:
        """int64[n]: socket numbers, `NO_CONNECTION` where the account or its socket is not among ``slots``."""
        sockets_of = {slot.account: (slot.first_connection, slot.sockets) for slot in slots}
        table = np.array([sockets_of.get(name, (0, 0)) for name in self.names] + [(0, 0)], dtype=np.int64)
        starts, counts = table[self.accounts, 0], table[self.accounts, 1]
        return np.where((self.sockets >= 0) & (self.sockets < counts), starts + self.sockets, NO_CONNECTION)


def previous_of(
    plan: DesiredPlan, stored: StoredPlacement, current: Assignments, slots: Sequence[AccountSlots]
) -> Assignments:
    """Return where each wanted contract was, as far as anybody knows.

    What runs counts, and what the store says where nothing runs; but an account that another terminal streams is known
    only from the store.

    Args:
        plan: What is wanted.
        stored: What the store says.
        current: The plan in force.
        slots: The accounts that can be used.
    """
    where = np.full(len(plan), NO_CONNECTION, dtype=np.int64)
    rows, places = _matching(plan.tokens, stored.tokens)
    same = stored.expiries[places] == plan.expiries[rows]
    rows, places = rows[same], places[same]
    where[rows] = stored.connections(slots)[places]
    theirs = np.array([number for slot in slots if not slot.is_ours for number in slot.connections], dtype=np.int64)
    rows, places = _matching(plan.tokens, current.tokens)
    running = current.connections[places]
    is_running = (running != NO_CONNECTION) & ~np.isin(where[rows], theirs)
    where[rows[is_running]] = running[is_running]
    has_place = where != NO_CONNECTION
    return Assignments(plan.tokens[has_place], where[has_place], plan.wanted.modes[has_place])


def changes_of(
    plan: DesiredPlan, stored: StoredPlacement, assignments: Assignments, now: datetime
) -> tuple[PlanChanges, StoredPlacement]:
    """Return what a plan changes in the store, and what the store says afterwards.

    Without accounts nothing is placed, and without contracts nobody knows what is wanted: then the store keeps where
    things were, apart from what is over.
    """
    after = _placement_of(plan, assignments)
    keeps = not assignments.slots or not len(plan.contracts)
    gone = ~np.isin(stored.tokens, after.tokens)
    if keeps:
        ended = np.array([_is_over(ordinal, now) for ordinal in stored.expiries.tolist()], dtype=np.bool_)
        gone &= ended
    changed = _changed_rows(stored, after)
    changes = PlanChanges(
        assigned=tuple(
            Assignment(
                token=int(after.tokens[row]),
                expiry=date.fromordinal(int(after.expiries[row])) if after.expiries[row] else None,
                account=after.names[int(after.accounts[row])],
                connection=int(after.sockets[row]),
            )
            for row in changed.tolist()
        ),
        released=tuple(stored.tokens[gone].tolist()),
        expired=plan.expired,
    )
    if keeps:
        after = _joined(after, stored, ~gone & ~np.isin(stored.tokens, after.tokens))
    return changes, after


def _is_over(ordinal: int, now: datetime) -> bool:
    """Whether a day is over; here it need not be exact to the hour."""
    return 0 < ordinal < now.toordinal()


def _placement_of(plan: DesiredPlan, assignments: Assignments) -> StoredPlacement:
    """The columns of a plan; nothing where there are no accounts."""
    names = tuple(slot.account for slot in assignments.slots)
    accounts = np.full(len(assignments), -1, dtype=np.int64)
    sockets = np.zeros(len(assignments), dtype=np.int64)
    for number, slot in enumerate(assignments.slots):
        inside = (assignments.connections >= slot.first_connection) & (
            assignments.connections < slot.first_connection + slot.sockets
        )
        accounts[inside] = number
        sockets[inside] = assignments.connections[inside] - slot.first_connection
    placed = accounts >= 0
    tokens = assignments.tokens[placed]
    rows = np.searchsorted(plan.tokens, tokens)
    return StoredPlacement(tokens, plan.expiries[rows], accounts[placed], sockets[placed], names)


def _changed_rows(before: StoredPlacement, after: StoredPlacement) -> Integers:
    """Rows of ``after`` that the store does not say yet."""
    numbers = {name: number for number, name in enumerate(before.names)}
    translated = np.array([numbers.get(name, -2) for name in after.names] + [-2], dtype=np.int64)[after.accounts]
    same = np.zeros(len(after), dtype=np.bool_)
    rows, places = _matching(after.tokens, before.tokens)
    same[rows] = (
        (before.expiries[places] == after.expiries[rows])
        & (before.accounts[places] == translated[rows])
        & (before.sockets[places] == after.sockets[rows])
    )
    return np.flatnonzero(~same)


def _joined(after: StoredPlacement, before: StoredPlacement, kept: NDArray[np.bool_]) -> StoredPlacement:
    """``after`` with the rows of ``before`` that stay in the store beside it."""
    names = {name: number for number, name in enumerate(after.names)}
    translated = np.array([names.setdefault(name, len(names)) for name in before.names] + [0], dtype=np.int64)
    tokens = np.concatenate([after.tokens, before.tokens[kept]])
    order = np.argsort(tokens)
    return StoredPlacement(
        tokens=tokens[order],
        expiries=np.concatenate([after.expiries, before.expiries[kept]])[order],
        accounts=np.concatenate([after.accounts, translated[before.accounts[kept]]])[order],
        sockets=np.concatenate([after.sockets, before.sockets[kept]])[order],
        names=tuple(names),
    )


def _matching(left: Integers, right: Integers) -> tuple[Integers, Integers]:
    """Rows of ``left`` that are in ``right``, and where; both ascending."""
    if not len(left) or not len(right):
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing
    places = np.minimum(np.searchsorted(right, left), len(right) - 1)
    rows = np.flatnonzero(right[places] == left)
    return rows, places[rows]
