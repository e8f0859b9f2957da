"""`DayContracts`: one day's contracts with every lookup that the services and screens make in them.

Immutable: the `InstrumentRegistry` holds the one in force and replaces it as a whole, so whoever works on one (the
reconciler, in a worker thread) sees one consistent dump to the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from functools import cached_property
from itertools import zip_longest
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.calendar_data import UnderlyingKind
from tickertui.market.contract_terms import Renaming, TermsChange
from tickertui.market.instruments import ChainRows, Instrument, InstrumentKind, InstrumentTable
from tickertui.market.subscriptions import ChainRule
from tickertui.market.underlying_names import listed_name
from tickertui.market.underlyings import spot_tokens, underlying_kind

MONTHLY_SERIES: Final = 3
"""Monthly expiries of an underlying that are listed at a time (NSE contract specification, equity derivatives)."""
QUARTERLY_SERIES: Final = 3
"""Quarterly expiries behind the monthly ones; what lies beyond is half-yearly (same source)."""


class ExpiryCalendar(Protocol):
    """What of the market calendar is needed here: `tickertui.market.hours.MarketCalendar`."""

    def expiry_instant(self, segment: str, expiry: date, underlying: UnderlyingKind) -> datetime:
        """Return when a contract that expires on a date is over."""
        ...

    def is_trading_day(self, segment: str, day: date) -> bool:
        """Return whether a segment trades on a day."""
        ...

    def shifted_expiry_note(self, segment: str, expiry: date) -> str | None:
        """Return why an expiry may not be on its usual day."""
        ...


@frozen
class ExpiryName:
    """How an expiry is called on the screen.

    Attributes:
        expiry: Its date.
        cycle: W, M, Q or H: weekly, monthly, quarterly, half-yearly.
        note: Why it is not on its usual day, empty where nothing says so.
    """

    expiry: date
    cycle: str
    note: str = ""

    def __str__(self) -> str:
        """Return for example ``W08Dec``; with the year where it is needed (``H27Jun28``)."""
        text = f"{self.cycle}{self.expiry:%d%b}"
        return f"{text}{self.expiry:%y}" if self.cycle in "QH" else text


class DayContracts:
    """The contracts of one day.

    Args:
        table: Their columns.
        day: Trading day of the dump, None where there is none yet.
        index_tokens: Underlying -> token of its index, where the broker's dump does not tell.
        calendar: See `ExpiryCalendar`.
        bundled: Whether these are the contracts that come with the program, not the broker's.

    Attributes:
        terms_changes: Token -> the last change of its terms, whenever that was; the registry sets it once.
        renamed: Names that became others when these contracts were taken; set likewise.
    """

    def __init__(
        self,
        table: InstrumentTable,
        day: date | None,
        index_tokens: Mapping[str, int],
        calendar: ExpiryCalendar,
        *,
        bundled: bool = False,
    ) -> None:
        self.table = table
        self.day = day
        self.bundled = bundled
        self.terms_changes: Mapping[int, TermsChange] = {}
        self.renamed: tuple[Renaming, ...] = ()
        self._index_tokens = index_tokens
        self._calendar = calendar
        self._instants: dict[tuple[str, int, UnderlyingKind], datetime] = {}
        self._kinds: dict[str, UnderlyingKind] = {}
        self._names: dict[str, tuple[ExpiryName, ...]] = {}

    def __len__(self) -> int:
        return len(self.table)

    def warm(self) -> None:
        """Build the indices that lookups need, so that the first of them does not pay (about 50 ms for a full dump)."""
        self.table.row(0)
        self.table.futures_of("")
        self.table.underlying_named("")
        self.names_of("")
        self._index_of("")

    # ------------------------------------------------------------------ lookups

    def get(self, token: int) -> Instrument | None:
        """Return the contract of a token."""
        return self.table.get(token)

    def find(
        self, underlying: str, expiry: date | None, strike: float | None, kind: InstrumentKind
    ) -> Instrument | None:
        """Return the contract that these four name, None where the dump does not hold it.

        An index or a share is named by its underlying alone.
        """
        if kind.is_option:
            if expiry is None or strike is None:
                return None
            return self.table.find_option(underlying, expiry, strike, kind)
        if kind is InstrumentKind.FUTURE:
            return next((f for f in self.table.futures_of(underlying) if f.expiry == expiry), None)
        token = self.index_token(underlying)
        instrument = None if token is None else self.table.get(token)
        return instrument if instrument is not None and instrument.kind is kind else None

    def underlyings(self) -> tuple[str, ...]:
        """Return the names that have options."""
        return self.table.option_underlyings

    def resolved(self, rules: Iterable[ChainRule]) -> list[ChainRule]:
        """Return rules with their underlyings as these contracts name them (``NCO:BRENT`` is BRENT where MCX has none).

        One that is not among them stays as it is written.
        """
        named = ((rule, self.table.underlying_named(rule.underlying)) for rule in rules)
        return [
            rule if name is None or name == rule.underlying else replace(rule, underlying=name) for rule, name in named
        ]

    def expiries(self, underlying: str, *, from_: date | None = None) -> tuple[date, ...]:
        """Return the listed expiries of an underlying's options, ascending."""
        return tuple(expiry for expiry in self._expiries.get(underlying, ()) if from_ is None or expiry >= from_)

    def chain(self, underlying: str, expiry: date) -> ChainRows | None:
        """Return strikes and tokens of one chain."""
        return self.table.chain(underlying, expiry)

    def index_token(self, underlying: str) -> int | None:
        """Return the token of an underlying's index or share, None where nobody knows it.

        Those of other exchanges and other terms have it in common; a share of the Bombay exchange's derivatives is
        its own.
        """
        found = self._token_of(underlying)
        return self._token_of(listed_name(underlying)) if found is None else found

    def _token_of(self, underlying: str) -> int | None:
        known = self._index_tokens.get(underlying)
        if known is not None and (not len(self.table) or self.table.row(known) is not None):
            return known
        return self._index_of(underlying) or known

    def future(self, underlying: str, expiry: date | None = None, *, now: datetime | None = None) -> Instrument | None:
        """Return an underlying's future of an expiry, or the nearest one that is not over at ``now``."""
        futures = self.table.futures_of(underlying)
        if expiry is not None:
            return next((future for future in futures if future.expiry == expiry), None)
        return next((future for future in futures if now is None or not self.is_over(future, now)), None)

    def priced_by(
        self, underlying: str, expiry: date | None = None, *, now: datetime | None = None
    ) -> Instrument | None:
        """Return the future whose price is the underlying's, None where an index or a share gives that.

        It is the one that the options of an expiry end in: the first that does not expire before them (commodity
        options end in the future of their month, currency options with it), else the last one.

        Args:
            underlying: Whose price.
            expiry: Of options on it; None for the nearest future.
            now: Futures that are over by then are passed over.
        """
        if self.index_token(underlying) is not None:
            return None
        live = [future for future in self.table.futures_of(underlying) if now is None or not self.is_over(future, now)]
        later = (future for future in live if expiry is None or future.expiry is None or future.expiry >= expiry)
        return next(later, live[-1] if live else None)

    def price_token(self, underlying: str, *, now: datetime | None = None) -> int | None:
        """Return the token of what an underlying's price is read from: index or share, else its nearest future."""
        index = self.index_token(underlying)
        if index is not None:
            return index
        future = self.priced_by(underlying, now=now)
        return None if future is None else future.token

    # ------------------------------------------------------------------ expiry

    def kind_of(self, underlying: str) -> UnderlyingKind:
        """Return whether a name is an index's, a share's or neither, as the day's instruments tell it."""
        kind = self._kinds.get(underlying)
        if kind is None:
            self._kinds[underlying] = kind = underlying_kind(self.table, self.index_token(underlying))
        return kind

    def expiry_instant(self, exchange: str, expiry: date | int, underlying: str) -> datetime:
        """Return when contracts of an exchange on an underlying that expire on a date (or its ordinal) are over."""
        ordinal = expiry if isinstance(expiry, int) else expiry.toordinal()
        key = (exchange, ordinal, self.kind_of(underlying))
        instant = self._instants.get(key)
        if instant is None:
            day = date.fromordinal(ordinal)
            self._instants[key] = instant = self._calendar.expiry_instant(exchange, day, key[2])
        return instant

    def is_over(self, instrument: Instrument, now: datetime) -> bool:
        """Return whether a contract has expired."""
        if instrument.expiry is None:
            return False
        return now >= self.expiry_instant(instrument.exchange, instrument.expiry, instrument.name)

    def over(self, now: datetime) -> NDArray[np.bool_]:
        """Return which rows of the table have expired, bool[n]."""
        expiries, today = self.table.expiries, now.date().toordinal()
        over: NDArray[np.bool_] = (expiries > 0) & (expiries < today)
        exchanges, names = self.table.exchanges, self.table.names
        for row in np.flatnonzero(expiries == today).tolist():
            over[row] = now >= self.expiry_instant(exchanges[row], today, names[row])
        return over

    def live_expiries(self, underlying: str, now: datetime) -> tuple[date, ...]:
        """Return the expiries of an underlying's options that are not over, ascending."""
        return tuple(
            expiry
            for expiry in self._expiries.get(underlying, ())
            if now < self.expiry_instant(self._exchanges[underlying], expiry, underlying)
        )

    def names_of(self, underlying: str) -> tuple[ExpiryName, ...]:
        """Return the names of an underlying's expiries, ascending.

        The last listed expiry of a month is its monthly one. Of these the first three are called monthly, the next
        three quarterly, the others half-yearly: that is what the exchanges list.
        """
        names = self._names.get(underlying)
        if names is None:
            self._names[underlying] = names = self._name_all(underlying)
        return names

    def _name_all(self, underlying: str) -> tuple[ExpiryName, ...]:
        expiries = self._expiries.get(underlying, ())
        exchange = self._exchanges.get(underlying, "")
        names, series = [], 0
        for expiry, following in zip_longest(expiries, expiries[1:]):
            cycle = "W"
            if following is None or (following.year, following.month) != (expiry.year, expiry.month):
                series += 1
                cycle = "M" if series <= MONTHLY_SERIES else "Q" if series <= MONTHLY_SERIES + QUARTERLY_SERIES else "H"
            names.append(ExpiryName(expiry, cycle, self._calendar.shifted_expiry_note(exchange, expiry) or ""))
        return tuple(names)

    def name_of(self, underlying: str, expiry: date) -> ExpiryName | None:
        """Return the name of one expiry, None where the underlying has no options of it."""
        return next((name for name in self.names_of(underlying) if name.expiry == expiry), None)

    def label(self, underlying: str, expiry: date) -> str:
        """Return the name of one expiry for the screen; plainly the date where the day's options do not have it."""
        return str(self.name_of(underlying, expiry) or f"{expiry:%d%b%y}")

    # ------------------------------------------------------------------ inside

    @cached_property
    def _expiries(self) -> dict[str, tuple[date, ...]]:
        return {underlying: self.table.expiries_of(underlying) for underlying in self.table.option_underlyings}

    @cached_property
    def _exchanges(self) -> dict[str, str]:
        """Exchange of each underlying's options, as the calendar knows it."""
        found = {}
        for underlying, expiries in self._expiries.items():
            chain = self.table.chain(underlying, expiries[0])
            found[underlying] = "" if chain is None else chain.exchange
        return found

    @cached_property
    def _index_rows(self) -> dict[str, int]:
        """Tokens of indices and shares by the name that their derivatives go by."""
        futures = np.flatnonzero(self.table.kinds == InstrumentKind.FUTURE).tolist()
        names = {self.table.names[row] for row in futures}.union(self.table.option_underlyings)
        return spot_tokens(self.table, names)

    def _index_of(self, underlying: str) -> int | None:
        return self._index_rows.get(underlying) or self._listed_indices.get(underlying.upper())

    @cached_property
    def _listed_indices(self) -> dict[str, int]:
        """Tokens of all indices by symbol and by name, also of those without derivatives (the header line's)."""
        table, found = self.table, dict[str, int]()
        rows = np.flatnonzero(table.kinds == InstrumentKind.INDEX).tolist()
        rows.sort(key=lambda row: table.exchanges[row] == "NSE")  # the later entry stays
        for row in rows:
            for name in (table.names[row], table.symbols[row]):
                found[name.upper()] = int(table.tokens[row])
        return found
