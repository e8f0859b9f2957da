"""`ChainSwitch`: which chain is shown: pickers, search, the expiries before and after, and the way to another chain.

The chain before stays on display, dimmed, until the one that was asked for has a price. `tickertui.tui.screens.chain`
builds the pane on it and draws; palette and command line call `ChainSwitch.select` and `ChainSwitch.find`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial

import numpy as np

from tickertui.market.board import Derived
from tickertui.market.chain import OptionChain, Side
from tickertui.market.forward import ForwardSource
from tickertui.market.hours import CalendarError
from tickertui.market.instruments import Instrument, InstrumentKind
from tickertui.tui.actions import key_name
from tickertui.tui.backend import Backend
from tickertui.tui.chain_reader import ChainContext, ChainReader
from tickertui.tui.expiry_passing import ExpiryPassing
from tickertui.tui.frames import ChainKey, ExpiryMark
from tickertui.tui.marks import Marks
from tickertui.tui.options import ScreenOptions
from tickertui.tui.screens.chain_choices import contract_choices, expiry_choices, underlying_choices
from tickertui.tui.screens.chain_looks import ChainLooks
from tickertui.tui.screens.modals import PickerScreen
from tickertui.tui.widgets.chain_view import ChainView

_SWITCH_PATIENCE_NS = 3_000_000_000
"""The chain before stays, dimmed, until the new one has a price, but not longer than this."""


class ChainSwitch(ChainLooks):
    """What the chain pane is built on.

    Args:
        backend: The program behind it.
        options: How the trader wants it.
        id: As for every widget.
    """

    def __init__(self, backend: Backend, options: ScreenOptions, *, id: str | None = None) -> None:
        super().__init__(options, id=id)
        self._backend = backend
        self._options = options
        self._wanted = options.underlying
        self._before = ""
        self._reader: ChainReader | None = None
        self._next: ChainReader | None = None
        self._switched_ns = 0
        self._around = ChainContext(convention=options.model_name, reference=options.reference)
        self._chosen_expiry: date | None = None
        self._painted_ns = 0
        self._marks = Marks()
        self.expiries: tuple[ExpiryMark, ...] = ()
        self._passing = ExpiryPassing()

    @property
    def view(self) -> ChainView:
        """The widgets."""
        return self.query_one(ChainView)

    @property
    def underlying(self) -> str:
        """Underlying that is shown or wanted."""
        return self._wanted

    @property
    def expiry(self) -> date | None:
        """Expiry that is shown, None before there is one."""
        reader = self._next or self._reader
        return reader.key.expiry if reader is not None else None

    @property
    def _readers(self) -> tuple[ChainReader, ...]:
        """Of the chain on display, and of the one on its way."""
        return tuple(reader for reader in (self._reader, self._next) if reader is not None)

    def _surround_readers(self) -> None:
        """Tell the readers what is around them; the model is each chain's own."""
        for reader in self._readers:
            reader.context = replace(self._around, convention=self._model(reader))

    def _model(self, reader: ChainReader) -> str:
        """``B76 F=parity T→15:40``: the model, where its forward comes from and up to when it counts the time."""
        sources = reader.chain.derived(Derived.FORWARD_SOURCE)
        known = sources[~np.isnan(sources)]
        # The middle one: far strikes may be valued later than the others.
        source = ForwardSource(int(np.sort(known)[len(known) // 2])) if len(known) else ForwardSource.NONE
        forward = "" if source is ForwardSource.NONE else f" F={source.label}"
        try:
            until = self._backend.calendar.expiry_instant(reader.chain.contracts.segment, reader.key.expiry)
        except CalendarError:
            return f"{self._options.model_name}{forward}"
        return f"{self._options.model_name}{forward} T→{until:%H:%M}"

    def frame(self) -> None:
        """Draw the chain as the board holds it now."""
        raise NotImplementedError

    # ------------------------------------------------------------------ asked for

    def select(self, underlying: str, expiry: date | None = None) -> None:
        """Show another underlying, the nearest expiry unless one is named; the old chain stays until there is data."""
        if underlying not in self._backend.underlyings():
            key = key_name("pick-underlying", self._options.keymap)
            sentence = f"there are no options on {underlying} today; {key} lists what there is"
            self.notify(sentence, severity="warning", markup=False)
            return
        if underlying != self._wanted:
            self._before, self._wanted = self._wanted, underlying
        self._chosen_expiry = expiry
        self._passing.over()
        self._refresh_expiries(chosen=True)
        self.frame()

    def _select_expiry(self, expiry: date) -> None:
        """Show an expiry that stands on the strip, which is that of the chain on display."""
        frame = self.grid.frame
        self.select(frame.key.underlying if frame is not None else self._wanted, expiry)

    def find(self, text: str) -> None:
        """Go to a strike (a number), else to the first contract that matches."""
        try:
            self.grid.goto_strike(float(text.replace(",", "")))
        except ValueError:
            match = next((mark for mark in self.expiries if f"{mark.expiry:%d%b%y}".lower() == text.lower()), None)
            if match is not None:
                self.select(self._wanted, match.expiry)
                return
            found = self._backend.search(text, 1)
            if not found:
                self.notify(f"nothing matches {text!r}", severity="warning", markup=False)
                return
            self._go_to_token(str(found[0].token))

    def _go_to_token(self, token: str) -> None:
        found = self._backend.instrument(int(token))
        if found is None or found.expiry is None:
            return
        self.select(found.name, found.expiry)
        self._go_to(found)

    def _go_to(self, found: Instrument) -> None:
        if found.strike is not None:
            self.grid.set_side(Side.PUT if found.kind is InstrumentKind.PUT else Side.CALL)
            self.grid.goto_strike(found.strike)

    def action_expiry(self, steps: int) -> None:
        """Show the expiry before or after."""
        listed = [mark.expiry for mark in self.expiries]
        if self.expiry in listed:
            place = min(max(listed.index(self.expiry) + steps, 0), len(listed) - 1)
            self.select(self._wanted, listed[place])

    def action_last_underlying(self) -> None:
        """Go back to the underlying before."""
        if self._before:
            self.select(self._before)

    def action_pick_underlying(self) -> None:
        """Choose an underlying."""
        choices = list(underlying_choices(self._backend))
        self._ask(PickerScreen("Underlying", choices, current=self._wanted), self.select)

    def action_pick_expiry(self) -> None:
        """Choose an expiry."""
        choices = list(expiry_choices(self._backend, self._wanted, self.expiries))
        current = self.expiry.isoformat() if self.expiry else ""
        picker = PickerScreen(f"Expiry of {self._wanted}", choices, current=current)
        self._ask(picker, lambda chosen: self.select(self._wanted, date.fromisoformat(chosen)))

    def action_find(self) -> None:
        """Find a strike, symbol or expiry."""
        search = partial(contract_choices, self._backend)
        picker = PickerScreen("Find", [], search=search, placeholder="24500, nifty dec 24500 ce, sensex ...")
        self._ask(picker, self._go_to_token)

    # ------------------------------------------------------------------ from one chain to the next

    def _refresh_expiries(self, *, chosen: bool = False) -> None:
        """Look whether the instruments of the day have changed: new expiries, new strikes, or the first of them.

        Args:
            chosen: Whether the trader has just chosen what to show, so that an expired chain does not wait.
        """
        self.expiries = self._backend.expiries(self._wanted)
        if not self.expiries:
            return
        for shown_or_coming in self._readers:
            shown_or_coming.list_expiries(self._wanted, self.expiries)
        expiry = self._expiry_to_show([mark.expiry for mark in self.expiries])
        reader = self._next or self._reader
        if not chosen and reader is not None and self._stays(reader.key, expiry):
            return
        shown = reader is not None and (reader.key.underlying, reader.key.expiry) == (self._wanted, expiry)
        if not shown or reader is None or self._backend.chain(self._wanted, expiry) is not reader.chain.contracts:
            self._open(expiry)

    def _stays(self, shown: ChainKey, following: date) -> bool:
        """Whether the shown chain has expired and stays, dimmed, for the moment."""
        listed = any(mark.expiry == shown.expiry for mark in self.expiries)
        clock = self._backend.clock
        if listed or shown.underlying != self._wanted or shown.expiry > clock.now().date():
            return False
        stays = self._passing.holds(self._wanted, shown.expiry, following, clock.monotonic_ns())
        self.grid.set_dimmed(stays)
        return stays

    @property
    def passing_text(self) -> str:
        """What to say about a shown chain that has expired, empty where it has not."""
        key = key_name("back", self._options.keymap)
        return self._passing.text(self._backend.clock.monotonic_ns(), key)

    def _expiry_to_show(self, listed: list[date]) -> date:
        """The one that was asked for, else the nearest that the plan carries, else the nearest."""
        if self._chosen_expiry in listed:
            return self._chosen_expiry
        return next((expiry for expiry in listed if self._is_carried(expiry)), listed[0])

    def _is_carried(self, expiry: date) -> bool:
        contracts = self._backend.chain(self._wanted, expiry)
        return contracts is not None and bool(self._backend.board.rows(contracts.call_tokens.tolist()).any())

    def _open(self, expiry: date) -> None:
        contracts = self._backend.chain(self._wanted, expiry)
        if contracts is None:
            return
        future = self._backend.future(self._wanted)
        chain = OptionChain(
            contracts,
            self._backend.board,
            underlying_token=self._backend.index_token(self._wanted) or 0,
            future_token=future.token if future is not None else 0,
        )
        self._next = ChainReader(chain, self._backend.clock, self._around, self.expiries)
        self._surround_readers()
        self._marks.apply(self._next)
        self._switched_ns = self._backend.clock.monotonic_ns()
        if self._reader is None:
            self._take_next()
        else:
            self.grid.set_dimmed(True)

    def _await_next(self) -> None:
        """Look, with every frame, whether the chain that was asked for can be shown; say how far it is."""
        if self._next is None:
            return
        waited = self._backend.clock.monotonic_ns() - self._switched_ns
        coming = self._next.read()
        self.view.say_loading(f"{coming.key.underlying} {coming.key.expiry:%d%b} loading {coming.loaded}/{coming.legs}")
        if coming.loaded or not coming.legs or waited > _SWITCH_PATIENCE_NS:
            self._take_next()

    def _take_next(self) -> None:
        self._reader, self._next = self._next, None
        self.view.say_loading("")
        self._painted_ns = 0
        self.grid.set_dimmed(False)

    def rest(self) -> None:
        """Note that nothing is drawn for now: ticks that come meanwhile did not wait for the screen."""
        self._painted_ns = 0
