"""`ChainSelection`: which chain is shown, which one is on its way, and the marks that both show changes against.

The chain before stays on display, dimmed, until the one that was asked for has a price. Nothing here draws: the chain
pane asks it with every frame what to read, whether it is dimmed and what to say about it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from tickertui.market.board import Derived
from tickertui.market.chain import OptionChain
from tickertui.market.clock import from_epoch
from tickertui.market.forward import ForwardSource
from tickertui.market.hours import CalendarError
from tickertui.tui.keys.actions import key_name
from tickertui.tui.view.backend import Backend
from tickertui.tui.view.baseline import BaselineMark, BoardMark
from tickertui.tui.view.chain_reader import ChainContext, ChainReader
from tickertui.tui.view.expiry_passing import ExpiryPassing
from tickertui.tui.view.frames import ChainKey, ListedExpiry
from tickertui.tui.view.market_view import MarketViews
from tickertui.tui.view.options import ScreenOptions

_SWITCH_PATIENCE_NS = 3_000_000_000
"""The chain before stays, dimmed, until the new one has a price, but not longer than this."""


class ChainSelection:
    """The chain on display and the way to another one.

    Args:
        backend: The program behind it.
        options: How the trader wants it.

    Attributes:
        underlying: Underlying that is shown or wanted.
        underlying_before: The one before, empty for none.
        expiries: Those of the underlying that are listed, ascending.
        context: What surrounds the chain; see `surround`.
        markets: What every segment does.
        shown: Reads the chain on display, None before the first.
        is_dimmed: Whether the chain on display is drawn as old, for it waits for its successor.
        loading: How far the chain on its way is (``SENSEX 03Dec loading 84/162``), empty for none.
        passing: Whether the chain on display has expired.
    """

    def __init__(self, backend: Backend, options: ScreenOptions) -> None:
        self._backend = backend
        self._options = options
        self.underlying = options.underlying
        self.underlying_before = ""
        self.expiries: tuple[ListedExpiry, ...] = ()
        self.context = ChainContext(convention=options.model_name, reference=options.reference)
        self.markets = MarketViews(backend.calendar, backend.clock.now())
        self.shown: ChainReader | None = None
        self.is_dimmed = False
        self.loading = ""
        self.passing = ExpiryPassing()
        self._coming: ChainReader | None = None
        self._switched_ns = 0
        self._chosen_expiry: date | None = None
        self._baseline = BaselineMark()

    @property
    def expiry(self) -> date | None:
        """Expiry that is shown or on its way, None before there is one."""
        reader = self._coming or self.shown
        return reader.key.expiry if reader is not None else None

    @property
    def exchange(self) -> str:
        """Exchange of the chain on display, or of the first on its way; empty before there is one."""
        reader = self.shown or self._coming
        return reader.chain.contracts.exchange if reader is not None else ""

    @property
    def _readers(self) -> tuple[ChainReader, ...]:
        """Of the chain on display, and of the one on its way."""
        return tuple(reader for reader in (self.shown, self._coming) if reader is not None)

    # ------------------------------------------------------------------ asked for

    def select(self, underlying: str, expiry: date | None = None) -> bool:
        """Show another chain as soon as there is data; tell whether there are options on the underlying.

        Args:
            underlying: Its name, or one with the exchange before it.
            expiry: None for the nearest.
        """
        named = self._backend.underlying_named(underlying)
        if named is None:
            return False
        underlying = named
        if underlying != self.underlying:
            self.underlying_before, self.underlying = self.underlying, underlying
        self._chosen_expiry = expiry
        self.passing.over()
        self.refresh(chosen=True)
        return True

    def neighbour(self, steps: int) -> date | None:
        """Return the expiry so many after the chosen one, the last one at an end; None while there is none."""
        listed = [mark.expiry for mark in self.expiries]
        if self.expiry not in listed:
            return None
        return listed[min(max(listed.index(self.expiry) + steps, 0), len(listed) - 1)]

    # ------------------------------------------------------------------ marks

    @property
    def mark(self) -> BoardMark | None:
        """What changes are shown against, None without."""
        return self._baseline.mark

    @property
    def has_mark(self) -> bool:
        """Whether changes since a mark can be shown."""
        return self._baseline.mark is not None

    def take_mark(self, mark: BoardMark | None) -> None:
        """Show changes against another mark, or none any more."""
        self._baseline.take(mark, *self._readers)

    # ------------------------------------------------------------------ what is around it

    def surround(self, context: ChainContext, markets: MarketViews) -> None:
        """Tell the readers what is around them; the model, and the hours of its exchange, are each chain's own.

        Args:
            context: What all have alike.
            markets: What every segment does.
        """
        self.markets = markets
        exchange = self.exchange
        self.context = replace(context, market=markets.of(exchange), indices=markets.of_indices(exchange))
        for reader in self._readers:
            self._surround(reader)

    def _surround(self, reader: ChainReader) -> None:
        exchange, markets = reader.chain.contracts.exchange, self.markets
        reader.context = replace(
            self.context, convention=self._model(reader),
            market=markets.of(exchange), indices=markets.of_indices(exchange),
        )  # fmt: skip

    def _model(self, reader: ChainReader) -> str:
        """``B76 F=parity T→15:40``: the model, where its forward comes from and up to when it counts the time.

        Of another day's prices (a shut market) it says from when as well: ``T 3.9d Fri 15:39→15:40``. ``T→15:30?``:
        that hour is announced and nothing confirms it.
        """
        # Far strikes may be valued later than the others: the middle one.
        source = ForwardSource(int(_middle(reader, Derived.FORWARD_SOURCE) or ForwardSource.NONE))
        forward = "" if source is ForwardSource.NONE else f" F={source.label}"
        calendar, contracts = self._backend.calendar, reader.chain.contracts
        when = contracts.segment, reader.key.expiry, self._backend.underlying_kind(contracts.underlying)
        try:
            until = calendar.expiry_instant(*when)
        except CalendarError:
            return f"{self._options.model_name}{forward}"
        counted_to = f"{until:%H:%M}" if until.date() == reader.key.expiry else "end of day"
        priced = _middle(reader, Derived.PRICED_AT)
        now = self._backend.clock.now()
        at = now if priced is None else from_epoch(priced)
        since = f" {(until - at).total_seconds() / 86_400:.1f}d {at:%a %H:%M}" if at.date() != now.date() else ""
        doubt = "" if calendar.announced_expiry(*when) is None else "?"
        return f"{self._options.model_name}{forward} T{since}→{counted_to}{doubt}"

    # ------------------------------------------------------------------ from one chain to the next

    def refresh(self, *, chosen: bool = False) -> None:
        """Look whether the instruments of the day have changed: new expiries, new strikes, or the first of them.

        Args:
            chosen: Whether the trader has just chosen what to show, so that an expired chain does not wait.
        """
        # A name may be written with its exchange, and be another one of ours since the day's contracts changed.
        self.underlying = self._backend.underlying_named(self.underlying) or self.underlying
        self.expiries = self._backend.expiries(self.underlying)
        if not self.expiries:
            self._follow_name()
        if not self.expiries:
            return
        for shown_or_coming in self._readers:
            shown_or_coming.list_expiries(self.underlying, self.expiries)
        expiry = self._expiry_to_show([mark.expiry for mark in self.expiries])
        reader = self._coming or self.shown
        if not chosen and reader is not None and self._stays(reader.key, expiry):
            return
        is_there = reader is not None and (reader.key.underlying, reader.key.expiry) == (self.underlying, expiry)
        if not is_there or reader is None or self._backend.chain(self.underlying, expiry) is not reader.chain.contracts:
            self._open(expiry)

    def _follow_name(self) -> None:
        """Go on with the chain of an underlying whose name is another one since the day's contracts were taken."""
        name = self._backend.renamed(self.underlying)
        if name is not None:
            self.underlying = name
            self.expiries = self._backend.expiries(name)

    def _stays(self, shown: ChainKey, following: date) -> bool:
        """Whether the shown chain has expired and stays, dimmed, for the moment."""
        listed = any(mark.expiry == shown.expiry for mark in self.expiries)
        clock = self._backend.clock
        if listed or shown.underlying != self.underlying or shown.expiry > clock.now().date():
            return False
        self.is_dimmed = self.passing.holds(self.underlying, shown.expiry, following, clock.monotonic_ns())
        return self.is_dimmed

    @property
    def passing_text(self) -> str:
        """What to say about a shown chain that has expired, empty where it has not."""
        key = key_name("back", self._options.keymap)
        return self.passing.text(self._backend.clock.monotonic_ns(), key)

    def _expiry_to_show(self, listed: list[date]) -> date:
        """The one that was asked for, else the nearest that the plan carries, else the nearest."""
        if self._chosen_expiry in listed:
            return self._chosen_expiry
        return next((expiry for expiry in listed if self._is_carried(expiry)), listed[0])

    def _is_carried(self, expiry: date) -> bool:
        contracts = self._backend.chain(self.underlying, expiry)
        return contracts is not None and bool(self._backend.board.rows(contracts.call_tokens.tolist()).any())

    def _open(self, expiry: date) -> None:
        contracts = self._backend.chain(self.underlying, expiry)
        if contracts is None:
            return
        pricing = self._backend.priced_by(self.underlying, expiry)
        # A future that gives the underlying's price leads the header; it is not told twice.
        future = self._backend.future(self.underlying) if pricing is None else None
        index = self._backend.index_token(self.underlying)
        chain = OptionChain(
            contracts,
            self._backend.board,
            underlying_token=index or (pricing.token if pricing is not None else 0),
            is_on_future=pricing is not None,
            future_token=future.token if future is not None else 0,
        )
        self._coming = ChainReader(chain, self._backend.clock, self.context, self.expiries)
        self._surround(self._coming)
        self._forget_other_terms(chain)
        self._baseline.apply(self._coming)
        self._switched_ns = self._backend.clock.monotonic_ns()
        if self.shown is None:
            self._take_coming()
        else:
            self.is_dimmed = True

    def _forget_other_terms(self, chain: OptionChain) -> None:
        """Let the mark know nothing of legs whose token names another contract since."""
        mark = self.mark
        if mark is None:
            return
        changes = filter(None, map(self._backend.terms_change, chain.tokens[chain.tokens > 0].tolist()))
        mark.forget([change.token for change in changes if change.since > mark.at.date()])

    def advance(self) -> bool:
        """Look, with every frame, whether the chain that was asked for can be shown; tell whether it is from now on."""
        if self._coming is None:
            return False
        waited = self._backend.clock.monotonic_ns() - self._switched_ns
        coming = self._coming.read()
        self.loading = f"{coming.key.underlying} {coming.key.expiry:%d%b} loading {coming.loaded}/{coming.legs}"
        if not coming.loaded and coming.legs and waited <= _SWITCH_PATIENCE_NS:
            return False
        self._take_coming()
        return True

    def _take_coming(self) -> None:
        self.shown, self._coming = self._coming, None
        self.loading = ""
        self.is_dimmed = False


def _middle(reader: ChainReader, column: Derived) -> float | None:
    """The middle value of a chain's column, None without any: far strikes may be valued later than the others."""
    values = reader.chain.derived(column)
    known = values[~np.isnan(values)]
    return float(np.sort(known)[len(known) // 2]) if len(known) else None
