"""`renamings`: underlyings and shares that go by another name from one day to the next, under the same tokens.

`tickertui.services.contracts.differences` asks before it calls a token reused: a name that went over to another one as
a whole is the same underlying, single tokens under another name are other contracts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tickertui.frozen import frozen
from tickertui.market.contract_terms import Renaming
from tickertui.market.instruments import InstrumentKind, InstrumentTable
from tickertui.market.underlying_names import listed_name

RowPairs = Sequence[tuple[int, int]]
"""Rows of one token in the earlier and the later table."""


@frozen
class Names:
    """What became of names.

    Attributes:
        renamed: For the screen, by old name.
        after: Old name of derivatives -> every name that they go by now; only what is gone under the old name.
    """

    renamed: tuple[Renaming, ...]
    after: Mapping[str, frozenset[str]]

    def is_same(self, before: str, after: str) -> bool:
        """Whether two names are the same underlying's, whatever tells their chains apart (exchange, series)."""
        was, now = listed_name(before), listed_name(after)
        return was == now or now in self.after.get(was, ())


def renamings(before: InstrumentTable, after: InstrumentTable, pairs: RowPairs) -> Names:
    """Find the names that became others.

    A share or an index is renamed when its symbol is another one; a series behind a hyphen (``XYZ-BE``) is no name. An
    underlying is renamed when no derivative goes by its name any more and tokens that did go by another one now. Names
    are those that the exchanges list: that a chain is ``BCD:NAME`` since another exchange lists it too renames nothing.

    Args:
        before: The contracts of the earlier day.
        after: Those of the later one.
        pairs: See `RowPairs`.
    """
    counts: dict[str, dict[str, int]] = {}
    shares: dict[str, str] = {}
    for old, new in pairs:
        if before.expiries[old] > 0:
            was, now = listed_name(before.names[old]), listed_name(after.names[new])
            if was != now and before.expiries[old] == after.expiries[new]:
                count = counts.setdefault(was, {})
                count[now] = count.get(now, 0) + 1
        elif before.symbols[old] != after.symbols[new] and before.kinds[old] == after.kinds[new]:
            was, now = (symbol.partition("-")[0] for symbol in (before.symbols[old], after.symbols[new]))
            if was != now:
                shares[was] = now
    listed, listed_before = _underlyings(after), _underlyings(before)
    gone = {name: count for name, count in counts.items() if name not in listed}
    found = {
        name: Renaming(
            name,
            tuple(sorted(count)),
            sum(count.values()),
            is_clear=len(count) == 1 and listed_before.isdisjoint(count) and _is_only(name, gone),
        )
        for name, count in gone.items()
    }
    for was, now in shares.items():
        found.setdefault(was, Renaming(was, (now,), 0, is_clear=True))
    return Names(tuple(found[name] for name in sorted(found)), {name: frozenset(count) for name, count in gone.items()})


def _underlyings(table: InstrumentTable) -> set[str]:
    derivative = (table.kinds >= InstrumentKind.FUTURE).nonzero()[0].tolist()
    return set(map(listed_name, set(map(table.names.__getitem__, derivative))))


def _is_only(name: str, gone: Mapping[str, Mapping[str, int]]) -> bool:
    """Whether no other name went over to the same one."""
    return all(other == name or set(count).isdisjoint(gone[name]) for other, count in gone.items())
