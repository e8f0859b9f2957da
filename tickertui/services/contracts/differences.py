"""What changed from one day's contracts to the next, found over the columns of both.

The instrument registry reports it after each refresh: new and gone contracts, changed strikes, lots and tick sizes,
expiries that the exchange has moved, names that became others, and tokens that name another contract now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import date
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.contract_terms import Renaming, Terms, TermsChange
from tickertui.market.instruments import InstrumentKind, InstrumentTable
from tickertui.market.underlying_names import listed_name
from tickertui.services.contracts.renamings import MatchedRows, Names, renamings

_EMPTY: Final[NDArray[np.int64]] = np.zeros(0, dtype=np.int64)
_SHOWN: Final = 8


@frozen
class ValueChange:
    """A lot or tick size that is another one now, for all contracts of an underlying that changed alike.

    Attributes:
        name: Underlying, or the trading symbol of a share.
        before: Value on the day before.
        after: Value now.
        contracts: How many contracts.
    """

    name: str
    before: float
    after: float
    contracts: int

    def __str__(self) -> str:
        """Return for example ``NIFTY 75 → 65 (1,722 contracts)``."""
        count = f" ({self.contracts:,} contracts)" if self.contracts > 1 else ""
        return f"{self.name} {self.before:g} → {self.after:g}{count}"


@frozen
class ShiftedExpiry:
    """An expiry that the exchange has moved.

    Attributes:
        name: Underlying.
        before: Date it was.
        after: Date it is.
        contracts: How many contracts.
    """

    name: str
    before: date
    after: date
    contracts: int

    def __str__(self) -> str:
        """Return for example ``NIFTY 24 Nov → 23 Nov``."""
        return f"{self.name} {self.before:%d %b} → {self.after:%d %b}"


@frozen
class ReusedToken:
    """A token that names another contract now; anything kept under it is about the old one."""

    token: int
    before: str
    after: str

    def __str__(self) -> str:
        """Return for example ``15872002: NIFTY26NOV24000CE → NIFTY26DEC24000CE``."""
        return f"{self.token}: {self.before} → {self.after}"


@frozen
class ChangedStrikes:
    """Contracts of an underlying whose strikes are others now, as after a split or a bonus issue.

    Attributes:
        name: Underlying.
        before: Lowest strike of those that changed, before.
        after: What that one is now.
        contracts: How many contracts.
    """

    name: str
    before: float
    after: float
    contracts: int

    def __str__(self) -> str:
        """Return for example ``XYZCEM 1,560 → 780 and so on (10 contracts)``."""
        more = f" and so on ({self.contracts:,} contracts)" if self.contracts > 1 else ""
        return f"{self.name} {self.before:,.10g} → {self.after:,.10g}{more}"


@frozen(slots=False, eq=False)
class Differences:
    """What changed.

    Attributes:
        new: int64[k], tokens that were not there before (reused ones are not among them).
        gone: int64[k], tokens that are not there any more although their contracts had not expired.
        expired: How many contracts went because they had expired.
        lots: Changed lot sizes.
        ticks: Changed tick sizes.
        shifted: Moved expiries.
        reused: Tokens that name another contract.
        strikes: Changed strikes.
        renamed: Names that became others.
        terms: Tokens whose stored history is that of other terms; lots, strikes and reused tokens are among them.
        symbols: Token -> trading symbol of now, of contracts that are the same but go by another symbol.
        lost_exchanges: Exchanges that have no contract any more.
    """

    new: NDArray[np.int64] = field(default_factory=lambda: _EMPTY)
    gone: NDArray[np.int64] = field(default_factory=lambda: _EMPTY)
    expired: int = 0
    lots: tuple[ValueChange, ...] = ()
    ticks: tuple[ValueChange, ...] = ()
    shifted: tuple[ShiftedExpiry, ...] = ()
    reused: tuple[ReusedToken, ...] = ()
    strikes: tuple[ChangedStrikes, ...] = ()
    renamed: tuple[Renaming, ...] = ()
    terms: tuple[TermsChange, ...] = ()
    symbols: Mapping[int, str] = field(default_factory=dict)
    lost_exchanges: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether both days are the same."""
        return not (len(self.new) or len(self.gone) or self.expired or self.alarming)

    @property
    def alarming(self) -> bool:
        """Whether something changed that a trader should look at: terms, a name, a tick, an expiry, an exchange."""
        changed = self.lots or self.ticks or self.shifted or self.reused or self.strikes
        return bool(changed or self.renamed or self.terms or self.lost_exchanges)

    def describe(self) -> str:
        """One sentence, e.g. ``+212 −88 contracts, 40 expired; lots: NIFTY 75 → 65 (1,722 contracts)``."""
        counts = f"+{len(self.new):,} −{len(self.gone):,} contracts, {self.expired:,} expired"
        return f"{counts}; {self.news or 'no change of lot, tick or expiry'}"

    @cached_property
    def news(self) -> str:
        """What a trader should look at, in words; empty where there is nothing."""
        parts = [
            *_described("names", self.renamed),
            *_described("strikes", self.strikes),
            *_described("lots", self.lots),
            *_described("ticks", self.ticks),
            *_described("expiries moved", self.shifted),
            *_described("tokens used again", self.reused),
            *_described("no contract any more of", self.lost_exchanges),
        ]
        return "; ".join(parts)


def _described(what: str, items: tuple[object, ...]) -> Iterator[str]:
    if items:
        more = f" and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""
        yield f"{what}: {', '.join(map(str, items[:_SHOWN]))}{more}"


def differences(
    before: InstrumentTable, after: InstrumentTable, day: date, *, over: NDArray[np.bool_] | None = None
) -> Differences:
    """Compare two days.

    Args:
        before: The contracts of the earlier day.
        after: Those of ``day``.
        day: What expired before it is expected to be gone.
        over: bool[n], which contracts of ``before`` have expired: also today's, which a list of the evening is without;
            those that expired before ``day`` by default.
    """
    rows = MatchedRows(before, after)
    old_rows, new_rows = rows.old, rows.new
    symbols_differ = rows.differ(before.symbols, after.symbols)
    names_differ = rows.differ(before.names, after.names)
    expiries_differ = before.expiries[old_rows] != after.expiries[new_rows]
    names = renamings(before, after, rows, names_differ, symbols_differ)
    reused = _reused(before, after, rows, names, names_differ) | (expiries_differ & symbols_differ)
    kept = ~reused
    gone = _others(before, old_rows)
    is_over = ((before.expiries > 0) & (before.expiries < day.toordinal()) if over is None else over)[gone]
    expires = (before.expiries[old_rows] > 0) & (after.expiries[new_rows] > 0)
    lots = kept & expires & (before.lot_sizes[old_rows] != after.lot_sizes[new_rows])
    strikes = kept & expires & _differ(before.strikes[old_rows], after.strikes[new_rows])
    ticks = kept & (before.tick_sizes[old_rows] != after.tick_sizes[new_rows])
    shifted = kept & expiries_differ
    restated = _restated_shares(before, after, old_rows, new_rows, strikes)
    return Differences(
        new=after.tokens[_others(after, new_rows)].astype(np.int64),
        gone=before.tokens[gone[~is_over]].astype(np.int64),
        expired=int(is_over.sum()),
        lots=_value_changes(after, new_rows[lots], before.lot_sizes[old_rows[lots]], after.lot_sizes[new_rows[lots]]),
        ticks=_value_changes(
            after, new_rows[ticks], before.tick_sizes[old_rows[ticks]], after.tick_sizes[new_rows[ticks]]
        ),
        shifted=_shifts(before, after, old_rows[shifted], new_rows[shifted]),
        reused=tuple(
            ReusedToken(int(after.tokens[new]), before.symbols[old], after.symbols[new])
            for old, new in zip(old_rows[reused].tolist(), new_rows[reused].tolist(), strict=True)
        ),
        strikes=_changed_strikes(before, after, old_rows[strikes], new_rows[strikes]),
        renamed=names.renamed,
        terms=tuple(
            TermsChange(int(before.tokens[old]), day, Terms.of(before.instrument(old)), bool(reused[place]))
            for place in np.flatnonzero(reused | lots | strikes | restated).tolist()
            for old in (int(old_rows[place]),)
        ),
        symbols={int(after.tokens[new]): after.symbols[new] for new in new_rows[symbols_differ & ~reused].tolist()},
        lost_exchanges=tuple(sorted(set(before.exchanges).difference(after.exchanges))),
    )


def _reused(
    before: InstrumentTable,
    after: InstrumentTable,
    rows: MatchedRows,
    names: Names,
    names_differ: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Whether a token names another contract.

    It does when the kind or the exchange is another one, and when a derivative goes by another name although its
    underlying was not renamed; also, which the caller sees, when symbol and expiry both are others. A symbol alone may
    change with a name or a strike, an expiry alone is one that the exchange has moved.
    """
    reused: NDArray[np.bool_] = before.kinds[rows.old] != after.kinds[rows.new]
    reused |= rows.differ(before.exchanges, after.exchanges)
    for place, old, new in rows.pairs(names_differ & (before.expiries[rows.old] > 0)):
        reused[place] |= not names.is_same(before.names[old], after.names[new])
    return reused


def _differ(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.bool_]:
    differ: NDArray[np.bool_] = (before != after) & ~(np.isnan(before) & np.isnan(after))
    return differ


def _restated_shares(
    before: InstrumentTable,
    after: InstrumentTable,
    old_rows: NDArray[np.intp],
    new_rows: NDArray[np.intp],
    strikes: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Whether a share is quoted in other units now: where the strikes of all options on it changed."""
    if not strikes.any():
        return np.zeros(len(new_rows), dtype=np.bool_)
    is_option = after.kinds[new_rows] >= InstrumentKind.CALL
    names = {listed_name(after.names[row]) for row in new_rows[strikes].tolist()}
    names -= {listed_name(after.names[row]) for row in new_rows[is_option & ~strikes].tolist()}
    is_share = (before.kinds[old_rows] == InstrumentKind.EQUITY) & (after.kinds[new_rows] == InstrumentKind.EQUITY)
    is_restated: NDArray[np.bool_] = np.array([after.symbols[row] in names for row in new_rows.tolist()], np.bool_)
    restated: NDArray[np.bool_] = is_share & is_restated
    return restated


def _changed_strikes(
    before: InstrumentTable, after: InstrumentTable, old_rows: NDArray[np.intp], new_rows: NDArray[np.intp]
) -> tuple[ChangedStrikes, ...]:
    found: dict[str, tuple[float, float, int]] = {}
    for old, new in zip(old_rows.tolist(), new_rows.tolist(), strict=True):
        was, now = float(before.strikes[old]), float(after.strikes[new])
        lowest, to, count = found.get(after.names[new], (was, now, 0))
        found[after.names[new]] = (was, now, count + 1) if was < lowest else (lowest, to, count + 1)
    return tuple(ChangedStrikes(name, *values) for name, values in sorted(found.items()))


def _others(table: InstrumentTable, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    others = np.ones(len(table), dtype=np.bool_)
    others[rows] = False
    return np.flatnonzero(others)


def _value_changes(
    table: InstrumentTable, rows: NDArray[np.intp], before: NDArray[np.generic], after: NDArray[np.generic]
) -> tuple[ValueChange, ...]:
    counts: dict[tuple[str, float, float], int] = {}
    for row, old, new in zip(rows.tolist(), before.tolist(), after.tolist(), strict=True):
        name = table.names[row] if table.expiries[row] else table.symbols[row]
        key = (name, float(old), float(new))
        counts[key] = counts.get(key, 0) + 1
    return tuple(ValueChange(*key, count) for key, count in sorted(counts.items()))


def _shifts(
    before: InstrumentTable, after: InstrumentTable, old_rows: NDArray[np.intp], new_rows: NDArray[np.intp]
) -> tuple[ShiftedExpiry, ...]:
    counts: dict[tuple[str, int, int], int] = {}
    for old, new in zip(old_rows.tolist(), new_rows.tolist(), strict=True):
        key = (after.names[new], int(before.expiries[old]), int(after.expiries[new]))
        counts[key] = counts.get(key, 0) + 1
    return tuple(
        ShiftedExpiry(name, _date(old), _date(new), count)
        for (name, old, new), count in sorted(counts.items())
        if old and new
    )


def _date(ordinal: int) -> date:
    return date.fromordinal(ordinal)
