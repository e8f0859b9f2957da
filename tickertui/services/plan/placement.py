"""Placement: which socket of which account carries which instrument.

Pure functions over arrays; the `SubscriptionReconciler` calls them. The rules, in this order:

1. What is pinned to an account goes there or nowhere, unless the limits allow it to spill over while that account
   cannot be used. A pin binds those who have it: what others ask for as well goes where one of them lets it when the
   pinned account cannot be used or is full.
2. When the accounts have less room than is wanted, the most important instruments get it (the caller's ranks), whatever
   was there before: the same wish gives the same result. Who is left out is listed with the reason.
3. What was placed before stays on its very socket as long as that socket is there: nothing moves for the sake of
   balance. It moves only to make room for a pinned instrument, and then the least important do.
4. The rest goes together by group (underlying): where its group is already, if it fits there, else to the least loaded
   account that takes all of it, so that spot, future and chain share one fate and one age.
5. Within an account a socket is filled up to a comfortable thousand before the next one is opened; beyond that they
   grow evenly. One socket is simpler while there is little to lose, and a dead one never takes more than a third of an
   account along once there is much.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.services.plan.assignments import (
    NO_CONNECTION,
    AccountSlots,
    Assignments,
    Distribution,
    Integers,
    PlanDiff,
    common_rows,
    diff,
)

__all__ = [
    "NO_CONNECTION", "NO_PIN", "AccountSlots", "Assignments", "Distribution", "PlacementLimits", "PlanDiff", "Wanted",
    "diff", "place",
]  # fmt: skip

NO_PIN: Final = -1
"""Value of `Wanted.pins` of an instrument that may go anywhere."""

_UNUSABLE: Final = -2
"""Where a pin leads that can be followed nowhere."""


@frozen
class PlacementLimits:
    """How much goes where.

    Attributes:
        per_socket: Instruments the broker allows on one socket (Kite Connect v3: 3,000).
        comfortable: Instruments on a socket before the next one is opened.
        slack: Instruments by which that may be exceeded rather than split a group.
        spill_pinned: Whether an instrument that is pinned to an account that cannot be used goes elsewhere meanwhile.
    """

    per_socket: int = 3000
    comfortable: int = 1000
    slack: int = 100
    spill_pinned: bool = False

    def __post_init__(self) -> None:
        if min(self.per_socket, self.comfortable) < 1 or self.slack < 0:
            raise ValueError(f"a socket takes at least one instrument: {self}")

    @property
    def soft(self) -> int:
        """The comfortable load, never more than the hard one."""
        return min(self.comfortable, self.per_socket)


def _no_rows() -> Integers:
    return np.zeros(0, dtype=np.int64)


@frozen(slots=False, eq=False)
class Wanted:
    """What is to be placed, as columns of equal length n.

    Attributes:
        tokens: int64[n], ascending.
        modes: int64[n], values of `Mode`.
        ranks: int64[n], a permutation: 0 is the most important.
        groups: int64[n], what belongs together.
        pins: int64[n], index into ``pin_names``, `NO_PIN` for anywhere.
        pin_names: Account ids.
        other_rows: int64[m], rows with a pin that others ask for as well, in the order in which they count.
        other_pins: int64[m], what these others say: index into ``pin_names``, `NO_PIN` for anywhere.
    """

    tokens: Integers
    modes: Integers
    ranks: Integers
    groups: Integers
    pins: Integers
    pin_names: tuple[str, ...] = ()
    other_rows: Integers = field(default_factory=_no_rows)
    other_pins: Integers = field(default_factory=_no_rows)

    def __len__(self) -> int:
        return len(self.tokens)


# ---------------------------------------------------------------------- placing


def place(
    wanted: Wanted, slots: Sequence[AccountSlots], previous: Mapping[int, int] | Assignments, limits: PlacementLimits
) -> Assignments:
    """Place what is wanted on the accounts that can be used.

    Args:
        wanted: See `Wanted`.
        slots: The accounts; without any, everything stands under `NO_CONNECTION`.
        previous: Where each instrument was; what is not wanted any more does not matter.
        limits: See `PlacementLimits`.
    """
    if not slots:
        nowhere = np.full(len(wanted), NO_CONNECTION, dtype=np.int64)
        return Assignments(wanted.tokens, nowhere, wanted.modes)
    placer = _Placer(wanted, slots, limits)
    placer.choose()
    placer.keep(previous if isinstance(previous, Assignments) else _as_assignments(previous))
    placer.place_pinned()
    placer.place_rest()
    return placer.result()


def _as_assignments(previous: Mapping[int, int]) -> Assignments:
    rows = np.array(sorted(previous.items()), dtype=np.int64).reshape(-1, 2)
    return Assignments(rows[:, 0], rows[:, 1], np.zeros(len(rows), dtype=np.int64))


class _Placer:
    """One placement; sockets are numbered by place in ``self._connections`` while it works."""

    def __init__(self, wanted: Wanted, slots: Sequence[AccountSlots], limits: PlacementLimits) -> None:
        self._wanted = wanted
        self._slots = slots
        self._limits = limits
        self._connections = np.array([number for slot in slots for number in slot.connections], dtype=np.int64)
        self._owners = np.repeat(np.arange(len(slots)), [slot.sockets for slot in slots])
        self._loads = np.zeros(len(self._connections), dtype=np.int64)
        self._capacities = [slot.sockets * limits.per_socket for slot in slots]
        self._lookup = self._places_of_pins()
        self._pins = self._usable_pins(())
        self._accepted = np.ones(len(wanted), dtype=np.bool_)
        self._reasons: dict[int, str] = {}
        self._where = np.full(len(wanted), -1, dtype=np.int64)
        self._by_rank = np.argsort(wanted.ranks, kind="stable")

    def _places_of_pins(self) -> NDArray[np.int64]:
        """Where each pin leads: places in ``slots``, `_UNUSABLE` for an account that cannot be used; last `NO_PIN`."""
        accounts = {slot.account: place for place, slot in enumerate(self._slots)}
        absent = NO_PIN if self._limits.spill_pinned else _UNUSABLE
        return np.array([accounts.get(name, absent) for name in self._wanted.pin_names] + [NO_PIN], dtype=np.int64)

    def _usable_pins(self, full: Collection[int]) -> NDArray[np.int64]:
        """Where each instrument is to go: its own pin, else the first usable one of others, else where one lets it.

        Args:
            full: Places in ``slots`` of accounts that have no room for all that are pinned to them; what they take
                stays, so that only who is left out looks further.

        Returns:
            int64[n], places in ``slots``, `NO_PIN` for anywhere, `_UNUSABLE` for nowhere.
        """
        wanted = self._wanted
        pins = self._lookup[wanted.pins]
        if not len(wanted.other_rows):
            return pins
        others = self._lookup[wanted.other_pins]
        is_open = (others != _UNUSABLE) & ~np.isin(others, list(full))
        astray = pins == _UNUSABLE
        for place in full:
            astray[self._excess(pins == place, self._capacities[place], wanted.other_rows[is_open])] = True
        for is_meant in (others >= 0, others == NO_PIN):
            candidates = np.flatnonzero(is_meant & is_open & astray[wanted.other_rows])
            rows, firsts = np.unique(wanted.other_rows[candidates], return_index=True)
            pins[rows] = others[candidates[firsts]]
            astray[rows] = False
        return pins

    def _excess(self, pinned: NDArray[np.bool_], capacity: int, movable_rows: Integers) -> NDArray[np.intp]:
        """Return whom an account has no room for: first those who may go elsewhere, then the least important."""
        movable = np.zeros(len(pinned), dtype=np.bool_)
        movable[movable_rows] = True
        rows = np.flatnonzero(pinned)
        order = np.lexsort((self._wanted.ranks[rows], movable[rows]))
        return rows[order[capacity:]]

    # -- who gets a place

    def choose(self) -> None:
        """Find out who gets a place at all: the most important that fit."""
        full: set[int] = set()
        while (
            overfull := {place for place, count in enumerate(self._pinned_counts()) if count > self._capacities[place]}
            - full
        ):
            full |= overfull
            self._pins = self._usable_pins(full)
        pins = self._pins
        for pin, name in enumerate(self._wanted.pin_names):
            self._refuse(np.flatnonzero((pins == _UNUSABLE) & (self._wanted.pins == pin)), _away(name))
        for place, slot in enumerate(self._slots):
            capacity = self._capacities[place]
            if int((pins == place).sum()) > capacity:
                pinned = self._by_rank[pins[self._by_rank] == place]
                self._refuse(
                    pinned[capacity:], f"pinned to {slot.account}, which is full with {capacity:,} instruments"
                )
        total = sum(self._capacities)
        if int(self._accepted.sum()) > total:
            ranked = self._by_rank[self._accepted[self._by_rank]]
            self._refuse(ranked[total:], _full(len(self._slots), total))

    def _pinned_counts(self) -> list[int]:
        counts: list[int] = np.bincount(self._pins[self._pins >= 0], minlength=len(self._slots)).tolist()
        return counts

    def _refuse(self, rows: NDArray[np.intp], reason: str) -> None:
        self._accepted[rows] = False
        for row in rows.tolist():
            self._reasons[row] = reason

    # -- who stays

    def keep(self, previous: Assignments) -> None:
        """Leave everything where it was, as far as it may be there."""
        mine, theirs = common_rows(self._wanted.tokens, previous.tokens)
        if not len(mine):
            return
        sockets = self._sockets_of(previous.connections[theirs])
        owners = np.where(sockets < 0, -1, self._owners[sockets])
        pins = self._pins[mine]
        stays = self._accepted[mine] & (sockets >= 0) & ((pins == NO_PIN) | (pins == owners))
        self._where[mine[stays]] = sockets[stays]
        for socket, load in enumerate(self._count().tolist()):
            if load > self._limits.per_socket:
                self._uproot(self._where == socket, load - self._limits.per_socket)
        for place, capacity in enumerate(self._capacities):
            self._make_room(place, capacity)
        self._loads = self._count()

    def _sockets_of(self, connections: Integers) -> NDArray[np.int64]:
        order = np.argsort(self._connections)
        ascending = self._connections[order]
        places = np.minimum(np.searchsorted(ascending, connections), len(ascending) - 1)
        return np.where(ascending[places] == connections, order[places], -1)

    def _count(self) -> NDArray[np.int64]:
        return np.bincount(self._where[self._where >= 0], minlength=len(self._connections))

    def _make_room(self, place: int, capacity: int) -> None:
        """Send the least important unpinned instruments of an account away when its pinned ones need their room."""
        coming = int((self._accepted & (self._pins == place) & (self._where < 0)).sum())
        here = (self._where >= 0) & (self._owners[self._where] == place)
        excess = int(here.sum()) + coming - capacity
        if coming and excess > 0:
            self._uproot(here & (self._pins == NO_PIN), excess)

    def _uproot(self, candidates: NDArray[np.bool_], count: int) -> None:
        leaving = self._by_rank[candidates[self._by_rank]][-count:]
        self._where[leaving] = -1

    # -- who goes where

    def place_pinned(self) -> None:
        """Place what must go to one account."""
        for place in range(len(self._slots)):
            for rows in self._groups(self._pins == place):
                self._fill(place, rows, self._home(rows))

    def place_rest(self) -> None:
        """Place what may go anywhere, group by group, the group of the most important instrument first."""
        for rows in self._groups(self._pins == NO_PIN):
            home = self._home(rows)
            while len(rows):
                place = self._best_account(len(rows), home)
                count = min(len(rows), self._room(place))
                self._fill(place, rows[:count], home)
                rows = rows[count:]

    def _groups(self, candidates: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
        """Rows that have no place yet, by group; groups and rows by importance."""
        waiting = candidates & self._accepted & (self._where < 0)
        if not waiting.any():
            return []
        rows = self._by_rank[waiting[self._by_rank]]
        groups = self._wanted.groups[rows]
        unique, firsts = np.unique(groups, return_index=True)
        return [rows[groups == group] for group in unique[np.argsort(firsts)]]

    def _home(self, rows: NDArray[np.intp]) -> int:
        """The socket that carries the most of the group these rows belong to, -1 for none."""
        sockets = self._where[self._wanted.groups == self._wanted.groups[rows[0]]]
        sockets = sockets[sockets >= 0]
        return int(np.bincount(sockets).argmax()) if len(sockets) else -1

    def _room(self, place: int) -> int:
        return self._capacities[place] - int(self._loads[self._owners == place].sum())

    def _best_account(self, count: int, home: int) -> int:
        """The group's own account if it has room for all, else the least loaded that has, else that has any."""
        rooms = [self._room(place) for place in range(len(self._slots))]
        if home >= 0 and rooms[self._owners[home]] >= count:
            return int(self._owners[home])
        some = [place for place, room in enumerate(rooms) if room >= count]
        some = some or [place for place, room in enumerate(rooms) if room > 0]
        return max(some, key=lambda place: (rooms[place] / self._capacities[place], -place))

    def _fill(self, place: int, rows: NDArray[np.intp], home: int) -> None:
        """Put rows on the sockets of one account; there is room for all of them."""
        while len(rows):
            socket, count = self._next_piece(place, len(rows), home)
            assert count > 0, "an account was given more than it has room for"
            self._where[rows[:count]] = socket
            self._loads[socket] += count
            rows = rows[count:]

    def _next_piece(self, place: int, count: int, home: int) -> tuple[int, int]:
        """The socket that takes the next instruments, and how many of them."""
        soft, hard, slack = self._limits.soft, self._limits.per_socket, self._limits.slack
        sockets = np.flatnonzero(self._owners == place)
        loads = self._loads[sockets]
        if home in sockets and self._loads[home] < soft:
            socket = home
        elif (loads < soft).any():
            below = sockets[loads < soft]
            socket = int(below[np.argmax(self._loads[below])])
        else:
            socket = int(sockets[np.argmin(loads)])
            next_load = int(np.sort(loads)[1]) if len(loads) > 1 else hard
            even = max(slack, 1, next_load - int(self._loads[socket]))
            return socket, min(count, even, hard - int(self._loads[socket]))
        load = int(self._loads[socket])
        room = min(soft + slack, hard) - load
        return socket, count if count <= room else min(count, soft - load)

    def result(self) -> Assignments:
        """Return what came out."""
        rows = np.flatnonzero(self._where >= 0)
        tokens = self._wanted.tokens
        order = sorted(self._reasons, key=self._wanted.ranks.__getitem__)
        return Assignments(
            tokens=tokens[rows],
            connections=self._connections[self._where[rows]],
            modes=self._wanted.modes[rows],
            slots=tuple(self._slots),
            unassigned={int(tokens[row]): self._reasons[row] for row in order},
        )


def _away(account: str) -> str:
    return f"pinned to {account}, which cannot be used now; unpin it, or log {account} in"


def _full(accounts: int, total: int) -> str:
    which = "the account has" if accounts == 1 else f"all {accounts} accounts have"
    return f"no room: {which} {total:,} instruments already; take fewer strikes, or add an account"
