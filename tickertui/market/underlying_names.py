"""How underlyings are told apart: one name for each exchange's chains, and for contracts of other terms among them.

A dump may have one name on several exchanges (currencies on CDS and BCD, crude on MCX and NCO, shares on NFO and BFO),
and, after a corporate action, two contracts at one strike. Neither may stand in one chain with the other, so each gets
a name of its own, by which tables, rules, plans and screens know it:

* the bare name is that of the first of `EXCHANGE_ORDER` that has it, of another one ``EXCHANGE:NAME``
  (``BCD:USDINR``);
* where contracts of one expiry share strike and kind, those of the lot that most have keep the name, the others are a
  series of their own, ``NAME/LOT`` (``ABCSTEEL/910``), and where even the lots agree ``NAME/LOT#2``.

`tickertui.kite.instruments_csv` and `InstrumentTable.from_instruments` name their rows with `distinct_names`; whoever
looks for something beside the derivatives (an index, a share, a synthetic path) asks for `listed_name`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen

EXCHANGE_ORDER: Final = ("NFO", "BFO", "CDS", "MCX", "BCD", "NCO")
"""Whose contracts a bare name means: the first of these that lists it; others come behind, by their name.

It does not depend on how many contracts an exchange lists on a day, so that a rule means tomorrow what it means today.
"""

_STRANGE: Final = len(EXCHANGE_ORDER)
_LOW_BITS: Final = np.uint64(0x9E3779B97F4A7C15)
_HIGH_BITS: Final = np.uint64(0xC2B2AE3D27D4EB4F)


def listed_name(underlying: str) -> str:
    """Return what the exchanges call an underlying: without the exchange before it and the series behind it."""
    return underlying.rpartition(":")[2].partition("/")[0]


def exchange_of(underlying: str) -> str:
    """Return the exchange that a name says (``BCD`` of ``BCD:USDINR``), empty where it says none."""
    return underlying.rpartition(":")[0]


def in_exchange_order(exchanges: Iterable[str]) -> list[str]:
    """Return exchanges, the one that a bare name means first."""
    return sorted(exchanges, key=_rank)


def _rank(exchange: str) -> tuple[int, str]:
    known = exchange in EXCHANGE_ORDER
    return EXCHANGE_ORDER.index(exchange) if known else _STRANGE, exchange


def distinct_names(
    names: Sequence[str],
    exchanges: Sequence[str],
    symbols: Sequence[str],
    *,
    tokens: NDArray[np.integer],
    kinds: NDArray[np.int8],
    expiries: NDArray[np.int32],
    strikes: NDArray[np.float64],
    lot_sizes: NDArray[np.int32],
) -> Sequence[str]:
    """Return the names of underlyings by which the chains of a dump are told apart.

    Names that are distinct already stay, also those that this function has made.

    Args:
        names: n names as listed.
        exchanges: n exchanges.
        symbols: n trading symbols, which decide the order of contracts that are alike in everything else.
        tokens: int[n]: a token that is listed twice is one contract.
        kinds: int8[n], values of `tickertui.market.instruments.InstrumentKind`.
        expiries: int32[n], ordinals; 0 for what does not expire, whose name stays as it is.
        strikes: float64[n], NaN where there is none.
        lot_sizes: int32[n].
    """
    rows = np.flatnonzero(expiries > 0)
    places = rows.tolist()
    listed = list(map(names.__getitem__, places))
    told_apart = _by_exchange(listed, list(map(exchanges.__getitem__, places)))
    told_apart = _by_series(
        told_apart,
        _Terms(
            lambda place: symbols[places[place]], tokens[rows], kinds[rows], np.nan_to_num(strikes[rows]),
            lot_sizes[rows],
        ),
        expiries[rows],
    )  # fmt: skip
    if told_apart is listed:
        return names
    result = list(names)
    for row, name in zip(places, told_apart, strict=True):
        result[row] = name
    return result


@frozen
class _Terms:
    """What makes two rows of one underlying and expiry another contract."""

    symbol: Callable[[int], str]
    tokens: NDArray[np.integer]
    kinds: NDArray[np.int8]
    strikes: NDArray[np.float64]
    lots: NDArray[np.int32]


def _by_exchange(names: list[str], exchanges: list[str]) -> list[str]:
    """Put the exchange before a name of which another one has the bare one; the list itself where there is none."""
    ids, listed = _numbered(names)
    codes, on = _numbered(exchanges)
    is_pair = np.zeros((len(listed), len(on)), dtype=np.bool_)
    is_pair[ids, codes] = True
    if np.count_nonzero(is_pair) == len(listed):
        return names
    pairs = [(listed[name], on[code]) for name, code in np.argwhere(is_pair).tolist()]
    found: dict[str, list[str]] = {}
    for name, exchange in pairs:
        found.setdefault(name, []).append(exchange)
    other = {
        (name, exchange): f"{exchange}:{name}"
        for name, on in found.items()
        for exchange in in_exchange_order(on)[1:]
        if not exchange_of(name)
    }
    return [other.get(pair, pair[0]) for pair in zip(names, exchanges, strict=True)]


def _by_series(names: list[str], terms: _Terms, expiries: NDArray[np.int32]) -> list[str]:
    """Name the contracts that share expiry, kind and strike with others; the list itself where none do."""
    chains = _numbered(names)[0] << 24 | expiries
    doubled = _chains_with_doubles(chains << 3 | terms.kinds, terms.strikes, chains)
    if not doubled:
        return names
    named = list(names)
    for chain in doubled:
        _name_series(named, np.flatnonzero(chains == chain).tolist(), terms)
    return named


def _numbered(texts: list[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Return a number for each text, the same for equal ones, and the texts by their numbers: at C's speed."""
    distinct = dict.fromkeys(texts)
    numbers = dict(zip(distinct, range(len(distinct)), strict=True))
    return np.fromiter(map(numbers.__getitem__, texts), np.int64, len(texts)), list(distinct)


def _chains_with_doubles(keys: NDArray[np.int64], strikes: NDArray[np.float64], chains: NDArray[np.int64]) -> list[int]:
    """Chains in which a key and strike occur twice. One sort of a mixed number a row: 1 ms for a full dump."""
    mixed = keys.astype(np.uint64) * _LOW_BITS ^ strikes.view(np.uint64) * _HIGH_BITS
    ordered = np.sort(mixed)
    if not (ordered[1:] == ordered[:-1]).any():
        return []
    order = np.argsort(mixed)
    ordered = mixed[order]
    later = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
    return sorted({
        int(chains[order[place]])
        for place in later.tolist()
        if keys[order[place]] == keys[order[place - 1]] and strikes[order[place]] == strikes[order[place - 1]]
    })  # fmt: skip


def _name_series(names: list[str], rows: list[int], terms: _Terms) -> None:
    """Name the contracts of one chain in place: those of the usual lot stay."""
    rows.sort(key=lambda row: (len(terms.symbol(row)), terms.symbol(row)))
    lots, tokens = terms.lots, terms.tokens
    counts: dict[int, int] = {}
    for row in rows:
        counts[int(lots[row])] = counts.get(int(lots[row]), 0) + 1
    usual = max(counts, key=lambda lot: counts[lot])  # the first of equally many: that of the shortest symbol
    seen: dict[tuple[int, int, float], list[int]] = {}
    for row in rows:
        lot, token = int(lots[row]), int(tokens[row])
        alike = seen.setdefault((lot, int(terms.kinds[row]), float(terms.strikes[row])), [])
        if token not in alike:
            alike.append(token)
        nth = alike.index(token) + 1
        if nth > 1:
            names[row] = f"{names[row]}/{lot}#{nth}"
        elif lot != usual:
            names[row] = f"{names[row]}/{lot}"
