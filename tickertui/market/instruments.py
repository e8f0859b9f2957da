"""Contracts: one `Instrument`, and the day's hundred thousand of them as columns (`InstrumentTable`).

Everything about a contract (strike, expiry, lot, tick, underlying) is read from the columns of the broker's dump;
no code takes a trading symbol apart. The broker's CSV is parsed in `tickertui.kite.instruments_csv`, which builds the
table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import date
from enum import IntEnum
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.arrays import distinct
from tickertui.market.underlying_names import distinct_names, exchange_of, in_exchange_order, listed_name


class InstrumentKind(IntEnum):
    """What a contract is; `label` is the broker's own word in ``instrument_type``."""

    EQUITY = 0
    INDEX = 1
    FUTURE = 2
    CALL = 3
    PUT = 4

    @property
    def label(self) -> str:
        """The broker's word: EQ, INDEX, FUT, CE or PE (the broker lists an index as EQ in segment INDICES)."""
        return _KIND_LABELS[self]

    @property
    def is_option(self) -> bool:
        """Whether it has a strike and an implied volatility."""
        return self >= InstrumentKind.CALL


_KIND_LABELS = {
    InstrumentKind.EQUITY: "EQ",
    InstrumentKind.INDEX: "INDEX",
    InstrumentKind.FUTURE: "FUT",
    InstrumentKind.CALL: "CE",
    InstrumentKind.PUT: "PE",
}

INDEX_SEGMENT_CODE = 9
"""Low byte of an index's token."""

_DIVISORS = {3: 10_000_000, 6: 10_000, 12: 10_000}
PRICE_DIVISORS: NDArray[np.float64] = np.full(256, 100.0)
"""Price = wire integer / divisor, by segment (the low byte of the token).

CDS (3) is 10^7, BCD (6) and NCO (12) are 10^4, everything else 100 (Kite Connect v3, kiteconnect >= 5.2.2).
"""
for _segment, _divisor in _DIVISORS.items():
    PRICE_DIVISORS[_segment] = _divisor
PRICE_DIVISORS.setflags(write=False)


LEAST_DECIMALS: Final = 2
_MOST_DECIMALS: Final = 6
_ROUND: Final = 1e-6
"""Steps this near a whole number are whole: ticks are written as decimals and kept in binary."""


def decimals_of(tick_size: float) -> int:
    """Return how many decimals a price has on a grid of this step, rupees: two at least, four for 0.0025."""
    for decimals in range(LEAST_DECIMALS, _MOST_DECIMALS):
        steps = tick_size * 10**decimals
        if abs(steps - round(steps)) < _ROUND:
            return decimals
    return _MOST_DECIMALS


def price_divisor(token: int) -> int:
    """Return what a wire price of this token is divided by to give rupees."""
    return _DIVISORS.get(token & 0xFF, 100)


@frozen
class Instrument:
    """One contract of the day, with the words of the broker's dump.

    Attributes:
        token: The broker's ``instrument_token``; reused for other contracts after an expiry.
        tradingsymbol: For display and for REST keys; never parsed.
        name: The underlying of a derivative ("NIFTY"; of a name that another exchange has too, ``BCD:USDINR``), the
            company or index name otherwise.
        kind: Equity, index, future, call or put.
        segment: The broker's segment, e.g. "NFO-OPT" or "INDICES".
        exchange: NSE, BSE, NFO, BFO, MCX, CDS, BCD or NCO.
        expiry: Date of expiry, None for what does not expire.
        strike: Strike in rupees, None for what is not an option.
        tick_size: Smallest price step in rupees.
        lot_size: Units per lot.
        exchange_token: The exchange's own number.
    """

    token: int
    tradingsymbol: str
    name: str
    kind: InstrumentKind
    segment: str
    exchange: str
    expiry: date | None = None
    strike: float | None = None
    tick_size: float = 0.05
    lot_size: int = 1
    exchange_token: int = 0

    @property
    def quote_key(self) -> str:
        """``EXCHANGE:TRADINGSYMBOL``, the key of the broker's quote calls."""
        return f"{self.exchange}:{self.tradingsymbol}"

    @property
    def decimals(self) -> int:
        """Decimals of its prices."""
        return decimals_of(self.tick_size)


@frozen
class ChainRows:
    """The option rows of one underlying and expiry in an `InstrumentTable`.

    Attributes:
        underlying: Name of the underlying.
        expiry: Date of expiry.
        strikes: float64[k], ascending, rupees.
        call_tokens: int64[k], -1 where the strike has no call.
        put_tokens: int64[k], -1 where the strike has no put.
        lots: int64[k, 2], units per lot of each call and put, 0 where there is none.
        ticks: float64[k, 2], price step of each in rupees, 0 where there is none.
        lot_size: Units per lot of most of them.
        tick_size: The finest price step of all, rupees.
        exchange: That of all of them, e.g. NFO.
        segment: The broker's segment.
        series: Names of the series that share strikes of this expiry with it (`tickertui.market.underlying_names`).
    """

    underlying: str
    expiry: date
    strikes: NDArray[np.float64]
    call_tokens: NDArray[np.int64]
    put_tokens: NDArray[np.int64]
    lots: NDArray[np.int64]
    ticks: NDArray[np.float64]
    lot_size: int
    tick_size: float
    exchange: str
    segment: str
    series: tuple[str, ...] = ()

    @property
    def decimals(self) -> int:
        """Decimals of its prices: those of the finest tick."""
        return decimals_of(self.tick_size)


@frozen(slots=False, eq=False)
class InstrumentTable:
    """Contracts as columns of equal length n; row order is the dump's.

    Attributes:
        tokens: uint32[n].
        exchange_tokens: int64[n].
        kinds: int8[n], values of `InstrumentKind`.
        strikes: float64[n] in rupees, NaN where there is none.
        expiries: int32[n], ``date.toordinal()``, 0 where there is none.
        tick_sizes: float64[n] in rupees.
        lot_sizes: int32[n].
        symbols: n trading symbols.
        names: n underlying, company or index names; those of derivatives tell chains apart, see
            `tickertui.market.underlying_names`.
        segments: n segments of the broker.
        exchanges: n exchanges.
    """

    tokens: NDArray[np.uint32]
    exchange_tokens: NDArray[np.int64]
    kinds: NDArray[np.int8]
    strikes: NDArray[np.float64]
    expiries: NDArray[np.int32]
    tick_sizes: NDArray[np.float64]
    lot_sizes: NDArray[np.int32]
    symbols: Sequence[str]
    names: Sequence[str]
    segments: Sequence[str]
    exchanges: Sequence[str]
    _chains: dict[tuple[str, int], ChainRows] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        lengths = {
            len(column)
            for column in (
                self.tokens, self.exchange_tokens, self.kinds, self.strikes, self.expiries, self.tick_sizes,
                self.lot_sizes, self.symbols, self.names, self.segments, self.exchanges,
            )
        }  # fmt: skip
        if len(lengths) > 1:
            raise ValueError(f"the columns of an instrument table have different lengths: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def from_instruments(cls, instruments: Iterable[Instrument]) -> InstrumentTable:
        """Build a table from single contracts (tests, the bundled universe)."""
        rows = list(instruments)
        kinds = np.array([row.kind for row in rows], dtype=np.int8)
        strikes = np.array([np.nan if row.strike is None else row.strike for row in rows], dtype=np.float64)
        expiries = np.array([row.expiry.toordinal() if row.expiry else 0 for row in rows], dtype=np.int32)
        lot_sizes = np.array([row.lot_size for row in rows], dtype=np.int32)
        symbols, exchanges = [row.tradingsymbol for row in rows], [row.exchange for row in rows]
        tokens = np.array([row.token for row in rows], dtype=np.uint32)
        names = distinct_names(
            [row.name for row in rows], exchanges, symbols,
            tokens=tokens, kinds=kinds, expiries=expiries, strikes=strikes, lot_sizes=lot_sizes,
        )  # fmt: skip
        return cls(
            tokens=tokens,
            exchange_tokens=np.array([row.exchange_token for row in rows], dtype=np.int64),
            kinds=kinds,
            strikes=strikes,
            expiries=expiries,
            tick_sizes=np.array([row.tick_size for row in rows], dtype=np.float64),
            lot_sizes=lot_sizes,
            symbols=symbols,
            names=names,
            segments=[row.segment for row in rows],
            exchanges=exchanges,
        )

    @cached_property
    def _row_by_token(self) -> dict[int, int]:
        return dict(zip(self.tokens.tolist(), range(len(self.tokens)), strict=True))

    def row(self, token: int) -> int | None:
        """Return the row of a token, or None where the dump does not hold it."""
        return self._row_by_token.get(token)

    def instrument(self, row: int) -> Instrument:
        """Return one row as an `Instrument`."""
        strike, expiry = float(self.strikes[row]), int(self.expiries[row])
        return Instrument(
            token=int(self.tokens[row]),
            tradingsymbol=self.symbols[row],
            name=self.names[row],
            kind=InstrumentKind(int(self.kinds[row])),
            segment=self.segments[row],
            exchange=self.exchanges[row],
            expiry=date.fromordinal(expiry) if expiry else None,
            strike=None if np.isnan(strike) else strike,
            tick_size=float(self.tick_sizes[row]),
            lot_size=int(self.lot_sizes[row]),
            exchange_token=int(self.exchange_tokens[row]),
        )

    def get(self, token: int) -> Instrument | None:
        """Return the contract of a token, or None where the dump does not hold it."""
        row = self.row(token)
        return None if row is None else self.instrument(row)

    @cached_property
    def _derivatives(self) -> tuple[NDArray[np.intp], NDArray[np.int64], list[str]]:
        """Rows of what expires or is an option, a number of each one's name, and the names by their numbers."""
        rows = np.flatnonzero((self.expiries > 0) | (self.kinds >= InstrumentKind.CALL))
        names = list(map(self.names.__getitem__, rows.tolist()))
        listed = list(dict.fromkeys(names))
        numbers = dict(zip(listed, range(len(listed)), strict=True))
        return rows, np.fromiter(map(numbers.__getitem__, names), np.int64, len(names)), listed

    @cached_property
    def _rows_by_chain(self) -> dict[tuple[str, int], NDArray[np.intp]]:
        """Rows of every (underlying, expiry) of options, found in one sort over the option rows."""
        rows, ids, names = self._derivatives
        is_option = self.kinds[rows] >= InstrumentKind.CALL
        option_rows = rows[is_option]
        if not len(option_rows):
            return {}
        keys = ids[is_option] << 32 | self.expiries[option_rows].astype(np.int64)
        order = np.argsort(keys, kind="stable")
        ordered, option_rows = keys[order], option_rows[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        ends = [*starts[1:].tolist(), len(ordered)]
        return {
            (names[key >> 32], key & 0xFFFFFFFF): option_rows[start:end]
            for key, start, end in zip(ordered[starts].tolist(), starts.tolist(), ends, strict=True)
        }

    @cached_property
    def option_underlyings(self) -> tuple[str, ...]:
        """Names that have options in this dump, alphabetically."""
        return tuple(sorted({name for name, _ in self._rows_by_chain}))

    def expiries_of(self, underlying: str) -> tuple[date, ...]:
        """Return the expiries of an underlying's options, ascending (empty for an unknown name)."""
        return tuple(
            date.fromordinal(expiry) for expiry in sorted(e for n, e in self._rows_by_chain if n == underlying)
        )

    def chain(self, underlying: str, expiry: date) -> ChainRows | None:
        """Return the strikes and tokens of one underlying and expiry, or None where the dump has none."""
        key = (underlying, expiry.toordinal())
        cached = self._chains.get(key)
        if cached is not None:
            return cached
        rows = self._rows_by_chain.get(key)
        if rows is None:
            return None
        self._chains[key] = chain = self._build_chain(underlying, expiry, rows)
        return chain

    def _build_chain(self, underlying: str, expiry: date, rows: NDArray[np.intp]) -> ChainRows:
        strikes = distinct(self.strikes[rows])
        tokens = np.full((len(strikes), 2), -1, dtype=np.int64)
        lots = np.zeros((len(strikes), 2), dtype=np.int64)
        ticks = np.zeros((len(strikes), 2))
        for side, kind in enumerate((InstrumentKind.CALL, InstrumentKind.PUT)):
            legs = rows[self.kinds[rows] == kind]
            places = np.searchsorted(strikes, self.strikes[legs])
            tokens[places, side] = self.tokens[legs]
            lots[places, side] = self.lot_sizes[legs]
            ticks[places, side] = self.tick_sizes[legs]
        first = int(rows[0])
        return ChainRows(
            underlying=underlying,
            expiry=expiry,
            strikes=strikes,
            call_tokens=tokens[:, 0].copy(),
            put_tokens=tokens[:, 1].copy(),
            lots=lots,
            ticks=ticks,
            lot_size=_most_frequent(self.lot_sizes[rows]),
            tick_size=float(ticks[ticks > 0].min()) if ticks.any() else 0.0,
            exchange=self.exchanges[first],
            segment=self.segments[first],
            series=tuple(
                name for name in self._series.get(underlying, ()) if (name, expiry.toordinal()) in self._rows_by_chain
            ),
        )

    # ------------------------------------------------------------------ names of underlyings

    @cached_property
    def exchange_of_name(self) -> Mapping[str, str]:
        """Exchange of each underlying of derivatives, by its name."""
        rows, ids, names = self._derivatives
        expires = self.expiries[rows] > 0
        last = np.full(len(names), -1, dtype=np.intp)
        last[ids[expires]] = rows[expires]
        return {name: self.exchanges[row] for name, row in zip(names, last.tolist(), strict=True) if row >= 0}

    @cached_property
    def _keys(self) -> dict[str, str]:
        """The name of each underlying by every way to write it: as it is, and with its exchange before it."""
        spelled = {
            f"{exchange}:{name}": name for name, exchange in self.exchange_of_name.items() if not exchange_of(name)
        }
        return spelled | {name: name for name in self.exchange_of_name}

    @cached_property
    def _series(self) -> dict[str, tuple[str, ...]]:
        """The series of contracts of other terms beside an underlying's usual ones, by its name."""
        found: dict[str, list[str]] = {}
        for name in self.exchange_of_name:
            usual, slash, _ = name.partition("/")
            if slash:
                found.setdefault(usual, []).append(name)
        return {usual: tuple(sorted(names)) for usual, names in found.items()}

    def underlying_named(self, text: str) -> str | None:
        """Return the underlying that a text names, None where no derivative has it.

        Args:
            text: A bare name, which means that of the first exchange that has it (`EXCHANGE_ORDER`), or
                ``EXCHANGE:NAME``, which means that exchange's and no other.
        """
        return self._keys.get(text)

    def exchange_of(self, underlying: str) -> str:
        """Return the exchange of an underlying's derivatives, empty where there are none."""
        return self.exchange_of_name.get(underlying, "")

    def namesakes(self, underlying: str) -> tuple[str, ...]:
        """Return the other underlyings with options that are listed under the same name, in the exchanges' order."""
        listed = listed_name(underlying)
        others = [name for name in self._by_listed_name.get(listed, ()) if name != underlying]
        order = in_exchange_order(self.exchange_of_name.values())
        return tuple(sorted(others, key=lambda name: (order.index(self.exchange_of_name[name]), name)))

    def explain_name(self, underlying: str) -> str:
        """Return whose a name is and how the others are written, empty for one that stands alone.

        For instance ``USDINR is CDS's; BCD's is BCD:USDINR`` or ``ABCSTEEL is NFO's; that of lot 910 is ABCSTEEL/910``.
        """
        name = self.underlying_named(underlying)
        others = () if name is None else self.namesakes(name)
        if name is None or not others:
            return ""
        here, series = self.exchange_of(name), name.partition("/")[2]
        words = [self._told_apart(other, here) for other in others]
        whose = f"{here}'s of lot {series}" if series else f"{here}'s"
        return f"{underlying} is {whose}; {', '.join(words)}"

    def _told_apart(self, other: str, exchange: str) -> str:
        """Return what another underlying of one name is to one of an exchange, and how it is written."""
        where, lot = self.exchange_of(other), other.partition("/")[2]
        # With its exchange before it, a name means the same whatever else is listed.
        written = other if exchange_of(other) or lot else f"{where}:{other}"
        if where != exchange:
            return f"{where}'s is {written}"
        return f"that of lot {lot} is {written}" if lot else f"that of the usual lot is {other}"

    @cached_property
    def _by_listed_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.option_underlyings:
            found.setdefault(listed_name(name), []).append(name)
        return found

    def find_option(self, underlying: str, expiry: date, strike: float, kind: InstrumentKind) -> Instrument | None:
        """Return the option with exactly this strike, or None."""
        chain = self.chain(underlying, expiry)
        if chain is None:
            return None
        index = int(np.searchsorted(chain.strikes, strike))
        if index == len(chain.strikes) or chain.strikes[index] != strike:
            return None
        token = int((chain.call_tokens if kind is InstrumentKind.CALL else chain.put_tokens)[index])
        return None if token < 0 else self.get(token)

    @cached_property
    def _futures(self) -> dict[str, tuple[int, ...]]:
        futures: dict[str, list[int]] = {}
        for row in np.flatnonzero(self.kinds == InstrumentKind.FUTURE).tolist():
            futures.setdefault(self.names[row], []).append(row)
        return {name: tuple(sorted(rows, key=self.expiries.__getitem__)) for name, rows in futures.items()}

    def futures_of(self, underlying: str) -> tuple[Instrument, ...]:
        """Return the futures of an underlying, nearest expiry first."""
        return tuple(self.instrument(row) for row in self._futures.get(underlying, ()))


def _most_frequent(lots: NDArray[np.int32]) -> int:
    """The lot that most contracts have; of two equally frequent the first one's."""
    first = int(lots[0])
    if (lots == first).all():
        return first
    counts: dict[int, int] = {}
    for lot in lots.tolist():
        counts[lot] = counts.get(lot, 0) + 1
    return max(counts, key=counts.__getitem__)
