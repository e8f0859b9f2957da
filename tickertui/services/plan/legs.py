"""`Legs`: the instruments of the plan in force as columns, for the screens; 9,000 of them cost 10 ms once per plan.

The subscription reconciler makes it (`SubscriptionReconciler.watched`). A row becomes a `WatchedInstrument` when
somebody reads it, so that a list of thousands costs what is in sight of it; whatever looks through all of them asks
for columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.instruments import InstrumentTable
from tickertui.market.ticks import Mode
from tickertui.services.plan.assignments import MODES


@frozen
class WatchedInstrument:
    """One leg of the plan in force, for drilling down.

    Attributes:
        token: The broker's ``instrument_token``.
        label: Trading symbol.
        mode: Requested mode.
        account: Account id, empty in a mock feed.
        connection: Number of its socket, -1 for none.
        owners: Who asks for it, by number: a rule's ``rule_id``, or those of what is no rule (`desired_plan.Source`).
    """

    token: int
    label: str
    mode: Mode
    account: str
    connection: int
    owners: tuple[int, ...]


Integers = NDArray[np.int64]


@frozen(eq=False)
class NameColumn:
    """A column of names, each kept once.

    Attributes:
        ids: int64[n], places in ``names``.
        names: Each once.
    """

    ids: Integers
    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[str]) -> NameColumn:
        """Return a column of these."""
        places: dict[str, int] = {}
        ids = [places.setdefault(name, len(places)) for name in names]
        return cls(np.array(ids, dtype=np.int64), tuple(places))

    def __getitem__(self, row: int) -> str:
        return self.names[int(self.ids[row])]

    def select(self, rows: NDArray[np.intp]) -> NameColumn:
        """Return some rows."""
        return NameColumn(self.ids[rows], self.names)

    def where(self, holds: Callable[[str], bool]) -> NDArray[np.intp]:
        """Return the rows whose name a condition holds for; it is asked once for each name."""
        return np.flatnonzero(np.array([holds(name) for name in self.names], dtype=np.bool_)[self.ids])


@frozen(eq=False)
class Owners:
    """Who asks for each leg, by number: rules by their ``rule_id``, the others by those of `Source.rule_id`.

    Attributes:
        places: int64[n], places in ``groups``.
        groups: Numbers of those who ask for the same legs, in the order of the plan; each combination once.
    """

    places: Integers
    groups: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, owners: Iterable[tuple[int, ...]]) -> Owners:
        """Return a column of these."""
        places_by_group: dict[tuple[int, ...], int] = {}
        places = [places_by_group.setdefault(group, len(places_by_group)) for group in owners]
        return cls(np.array(places, dtype=np.int64), tuple(places_by_group))

    def __getitem__(self, row: int) -> tuple[int, ...]:
        return self.groups[int(self.places[row])]

    def select(self, rows: NDArray[np.intp]) -> Owners:
        """Return some rows."""
        return Owners(self.places[rows], self.groups)

    def having(self, rule_id: int) -> NDArray[np.intp]:
        """Return the rows that a rule is among the owners of."""
        return np.flatnonzero(np.array([rule_id in group for group in self.groups], dtype=np.bool_)[self.places])


@frozen(eq=False)
class ContractTerms:
    """What the contracts of the day say about each leg.

    Attributes:
        underlyings: Names, empty of what is not in them.
        strikes: float64[n], rupees, NaN without one.
        expiries: int64[n], ordinals, 0 without one.
    """

    underlyings: NameColumn
    strikes: NDArray[np.float64]
    expiries: Integers

    @classmethod
    def of(cls, tokens: Integers, table: InstrumentTable) -> ContractTerms:
        """Look the tokens up."""
        rows = [-1 if (row := table.row(token)) is None else row for token in tokens.tolist()]
        names = table.names
        underlyings = NameColumn.of("" if row < 0 else names[row] for row in rows)
        table_rows = np.array(rows, dtype=np.int64)
        if not len(table):
            return cls(underlyings, np.full(len(table_rows), np.nan), np.zeros(len(table_rows), dtype=np.int64))
        return cls(
            underlyings,
            np.where(table_rows < 0, np.nan, table.strikes[table_rows]),
            np.where(table_rows < 0, 0, table.expiries[table_rows]).astype(np.int64),
        )

    def select(self, rows: NDArray[np.intp]) -> ContractTerms:
        """Return some rows."""
        return ContractTerms(self.underlyings.select(rows), self.strikes[rows], self.expiries[rows])


@frozen(eq=False)
class Legs(Sequence[WatchedInstrument]):
    """See the module.

    Attributes:
        tokens: int64[n], the broker's ``instrument_token``.
        connections: int64[n], numbers of the sockets, -1 for none.
        modes: int64[n], values of `Mode`.
        accounts: Account ids, empty in a mock feed.
        owners: Who asks for each, by number.
        terms: Strikes, expiries, underlyings.
        label: Trading symbol of a token.
    """

    tokens: Integers
    connections: Integers
    modes: Integers
    accounts: NameColumn
    owners: Owners
    terms: ContractTerms
    label: Callable[[int], str]

    @classmethod
    def of(cls, rows: Iterable[WatchedInstrument], table: InstrumentTable) -> Legs:
        """Return legs that stand as rows already, of the contracts in a table."""
        made = tuple(rows)
        labels = {row.token: row.label for row in made}
        tokens = np.array([row.token for row in made], dtype=np.int64)
        return cls(
            tokens,
            np.array([row.connection for row in made], dtype=np.int64),
            np.array([row.mode for row in made], dtype=np.int64),
            NameColumn.of(row.account for row in made),
            Owners.of(row.owners for row in made),
            ContractTerms.of(tokens, table),
            labels.__getitem__,
        )

    def __len__(self) -> int:
        return len(self.tokens)

    @overload
    def __getitem__(self, place: int) -> WatchedInstrument: ...
    @overload
    def __getitem__(self, place: slice) -> Legs: ...
    def __getitem__(self, place: int | slice) -> WatchedInstrument | Legs:
        """Return one row as a value, or some as legs."""
        if isinstance(place, slice):
            return self.select(np.arange(len(self))[place])
        token = int(self.tokens[place])
        return WatchedInstrument(
            token=token,
            label=self.label(token),
            mode=MODES[int(self.modes[place])],
            account=self.accounts[place],
            connection=int(self.connections[place]),
            owners=self.owners[place],
        )

    def __iter__(self) -> Iterator[WatchedInstrument]:
        return (self[place] for place in range(len(self)))

    def select(self, rows: NDArray[np.intp]) -> Legs:
        """Return the legs in some rows."""
        accounts, owners = self.accounts.select(rows), self.owners.select(rows)
        tokens, connections, modes = self.tokens[rows], self.connections[rows], self.modes[rows]
        return Legs(tokens, connections, modes, accounts, owners, self.terms.select(rows), self.label)

    def find(self, token: int) -> WatchedInstrument | None:
        """Return the leg of a token, None without one."""
        rows = np.flatnonzero(self.tokens == token)
        return self[int(rows[0])] if len(rows) else None

    def asked_for_by(self, rule_id: int) -> NDArray[np.intp]:
        """Return the rows that a rule asks for, alone or with others."""
        return self.owners.having(rule_id)

    def counts(self) -> Iterator[tuple[tuple[int, ...], str, int]]:
        """Yield how many legs there are of each group of owners and account: (owners, account id, legs)."""
        width = max(1, len(self.accounts.names))
        pairs, counts = np.unique(self.owners.places * width + self.accounts.ids, return_counts=True)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            yield self.owners.groups[pair // width], self.accounts.names[pair % width], count


NO_LEGS: Final = Legs.of((), InstrumentTable.from_instruments(()))
