"""Who carries what: the accounts and sockets of a plan (`Assignments`), and what changes between two of them.

`tickertui.services.plan.placement` makes assignments, the `SubscriptionReconciler` compares them for every reload, the
plan applier carries the difference out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.arrays import distinct
from tickertui.market.ticks import Mode

Distribution = Mapping[int, Mapping[int, Mode]]
"""Connection number -> token -> mode."""

NO_CONNECTION: Final = -1
"""Under this number stands what no socket carries because there are no accounts (the mock feeds it)."""

MODES: Final = {int(mode): mode for mode in Mode}
"""Value of a column of modes -> mode."""

Integers = NDArray[np.int64]


@frozen
class AccountSlots:
    """An account that a plan may use.

    Attributes:
        account: Account id.
        first_connection: Number of its first socket.
        sockets: How many it has.
        is_ours: Whether this terminal streams it (another one may, on a shared store).
    """

    account: str
    first_connection: int
    sockets: int = 3
    is_ours: bool = True

    @property
    def connections(self) -> range:
        """Numbers of its sockets."""
        return range(self.first_connection, self.first_connection + self.sockets)

    def label(self, connection: int) -> str:
        """Return a socket's name for the screen: ``Z1/s2``."""
        return f"{self.account}/s{connection - self.first_connection + 1}"


@frozen(slots=False, eq=False)
class Assignments:
    """Which socket carries which instrument in which mode, as columns of equal length n.

    Attributes:
        tokens: int64[n], ascending.
        connections: int64[n], socket numbers, `NO_CONNECTION` without accounts.
        modes: int64[n], values of `Mode`.
        slots: The accounts that were there.
        unassigned: Token -> why it has no place, most important first.
    """

    tokens: Integers
    connections: Integers
    modes: Integers
    slots: tuple[AccountSlots, ...] = ()
    unassigned: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def none(cls) -> Assignments:
        """Return the empty plan."""
        empty = np.zeros(0, dtype=np.int64)
        return cls(empty, empty, empty)

    @classmethod
    def of(cls, distribution: Distribution, slots: Iterable[AccountSlots] = ()) -> Assignments:
        """Return a distribution as columns."""
        rows = sorted(
            (token, connection, int(mode))
            for connection, modes in distribution.items()
            for token, mode in modes.items()
        )
        columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        return cls(columns[0], columns[1], columns[2], tuple(slots))

    @cached_property
    def distribution(self) -> dict[int, dict[int, Mode]]:
        """Connection number -> token -> mode; connections without instruments are left out."""
        return by_connection(self.tokens, self.connections, self.modes)

    @cached_property
    def loads(self) -> dict[int, int]:
        """Connection number -> instruments on it."""
        numbers, counts = np.unique(self.connections, return_counts=True)
        return dict(zip(numbers.tolist(), counts.tolist(), strict=True))

    def slots_of(self, connection: int) -> AccountSlots | None:
        """Return the account that a socket belongs to."""
        return next((slots for slots in self.slots if connection in slots.connections), None)

    def account_of(self, connection: int) -> str:
        """Return the account id that a socket belongs to, empty for none."""
        slots = self.slots_of(connection)
        return slots.account if slots else ""

    def label(self, connection: int) -> str:
        """Return a socket's name for the screen, empty for none."""
        slots = self.slots_of(connection)
        return slots.label(connection) if slots else ""

    def load_of(self, account: str) -> int:
        """Return how many instruments an account carries."""
        slots = next((slots for slots in self.slots if slots.account == account), None)
        return sum(self.loads.get(number, 0) for number in slots.connections) if slots else 0


# ---------------------------------------------------------------------- difference


@frozen(slots=False, eq=False)
class PlanDiff:
    """What turns one plan into another; rows point into the columns of ``old`` and ``new``.

    A move is carried out by adding on the new socket before removing on the old one.

    Attributes:
        old: The plan in force.
        new: The next one.
        added: Rows of ``new`` whose instruments ``old`` does not carry.
        removed: Rows of ``old`` whose instruments ``new`` does not carry.
        moved_old: Rows of ``old`` whose instruments change their socket.
        moved_new: The same instruments' rows of ``new``.
        changed_old: Rows of ``old`` whose instruments stay on their socket in another mode.
        changed_new: The same instruments' rows of ``new``.
        unchanged: How many see no change at all.
    """

    old: Assignments
    new: Assignments
    added: NDArray[np.intp]
    removed: NDArray[np.intp]
    moved_old: NDArray[np.intp]
    moved_new: NDArray[np.intp]
    changed_old: NDArray[np.intp]
    changed_new: NDArray[np.intp]
    unchanged: int

    @property
    def is_empty(self) -> bool:
        """Whether the plans are the same."""
        return not (len(self.added) or len(self.removed) or len(self.moved_new) or len(self.changed_new))

    @property
    def add(self) -> dict[int, dict[int, Mode]]:
        """Connection -> token -> mode of what is new."""
        return self._of_new(self.added)

    @property
    def mode(self) -> dict[int, dict[int, Mode]]:
        """Connection -> token -> new mode of what stays where it is."""
        return self._of_new(self.changed_new)

    @property
    def remove(self) -> dict[int, dict[int, Mode]]:
        """Connection -> token -> mode it had, of what goes."""
        rows = self.removed
        return by_connection(self.old.tokens[rows], self.old.connections[rows], self.old.modes[rows])

    @property
    def move(self) -> dict[tuple[int, int], dict[int, Mode]]:
        """(old connection, new connection) -> token -> new mode."""
        moves: dict[tuple[int, int], dict[int, Mode]] = {}
        for old, new in zip(self.moved_old.tolist(), self.moved_new.tolist(), strict=True):
            way = (int(self.old.connections[old]), int(self.new.connections[new]))
            moves.setdefault(way, {})[int(self.new.tokens[new])] = MODES[int(self.new.modes[new])]
        return moves

    def _of_new(self, rows: NDArray[np.intp]) -> dict[int, dict[int, Mode]]:
        return by_connection(self.new.tokens[rows], self.new.connections[rows], self.new.modes[rows])


def diff(old: Assignments, new: Assignments) -> PlanDiff:
    """Return the smallest difference between two plans."""
    in_old, in_new = common_rows(old.tokens, new.tokens)
    moved = old.connections[in_old] != new.connections[in_new]
    changed = ~moved & (old.modes[in_old] != new.modes[in_new])
    return PlanDiff(
        old=old,
        new=new,
        added=_others(len(new), in_new),
        removed=_others(len(old), in_old),
        moved_old=in_old[moved],
        moved_new=in_new[moved],
        changed_old=in_old[changed],
        changed_new=in_new[changed],
        unchanged=len(in_old) - int(moved.sum()) - int(changed.sum()),
    )


# ---------------------------------------------------------------------- columns


def common_rows(left: Integers, right: Integers) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows of what is in both of two ascending columns."""
    if not len(left) or not len(right):
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    places = np.minimum(np.searchsorted(right, left), len(right) - 1)
    left_rows = np.flatnonzero(right[places] == left)
    return left_rows, places[left_rows]


def by_connection(tokens: Integers, connections: Integers, modes: Integers) -> dict[int, dict[int, Mode]]:
    """Return columns as connection -> token -> mode."""
    grouped: dict[int, dict[int, Mode]] = {}
    for connection in distinct(connections).tolist():
        rows = connections == connection
        modes_here = map(MODES.__getitem__, modes[rows].tolist())
        grouped[connection] = dict(zip(tokens[rows].tolist(), modes_here, strict=True))
    return grouped


def _others(count: int, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    keep = np.ones(count, dtype=np.bool_)
    keep[rows] = False
    return np.flatnonzero(keep)
