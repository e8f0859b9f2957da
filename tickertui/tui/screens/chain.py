"""The chain pane: which chain is shown, and every key that looks at it."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.geometry import Offset

from tickertui.market.board import Derived
from tickertui.market.chain import OptionChain, Side
from tickertui.market.forward import ForwardSource
from tickertui.market.hours import CalendarError
from tickertui.market.instruments import Instrument, InstrumentKind
from tickertui.services.state import FeedMode, RuntimeState
from tickertui.tui import format as fmt
from tickertui.tui.actions import Context, bindings_of, key_name
from tickertui.tui.backend import Backend
from tickertui.tui.chain_reader import ChainContext, ChainReader, HeaderQuote
from tickertui.tui.columns import MARK_COLUMNS, View
from tickertui.tui.expiry_passing import ExpiryPassing, as_expired
from tickertui.tui.format import Units
from tickertui.tui.frames import ChainFrame, ChainKey, ExpiryMark
from tickertui.tui.latency import LatencyMeter
from tickertui.tui.marks import BoardMark, Marks
from tickertui.tui.options import ScreenOptions
from tickertui.tui.rule_costs import NO_COSTS
from tickertui.tui.screens.by_expiry import ByExpiry
from tickertui.tui.screens.chain_choices import contract_choices, expiry_choices, underlying_choices
from tickertui.tui.screens.chain_looks import ChainLooks
from tickertui.tui.screens.empty_chain import empty_chain_text
from tickertui.tui.screens.jump import JumpTarget
from tickertui.tui.screens.leg_views import LegViews
from tickertui.tui.screens.modals import PickerScreen
from tickertui.tui.screens.rail import Rail
from tickertui.tui.states import Links, MarketView
from tickertui.tui.widgets.chain_grid import ChainGrid, Leg
from tickertui.tui.widgets.chain_view import ChainView
from tickertui.tui.widgets.expiry_strip import ExpiryStrip
from tickertui.tui.widgets.row_list import RowList

_SWITCH_PATIENCE_NS = 3_000_000_000
"""The chain before stays, dimmed, until the new one has a price, but not longer than this."""


class ChainPane(ChainLooks, can_focus=True):
    """One chain.

    Args:
        backend: The program behind it.
        options: How the trader wants it.
        latency: Told when ticks reach the screen.
    """

    CONTEXTS: ClassVar[tuple[Context, ...]] = (Context.CHAIN,)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.CHAIN)]
    DEFAULT_CSS = """
    ChainPane {
        & #by-expiry { display: none; height: 1fr; }
        &.-by-expiry #by-expiry { display: block; }
        &.-by-expiry ChainGrid { display: none; }
        &.-by-expiry Totals { display: none; }
    }
    """

    def __init__(
        self, backend: Backend, options: ScreenOptions, latency: LatencyMeter, *, id: str | None = None
    ) -> None:
        super().__init__(options, id=id)
        self._backend = backend
        self._options = options
        self._latency = latency
        self._wanted = options.underlying
        self._before = ""
        self._reader: ChainReader | None = None
        self._next: ChainReader | None = None
        self._switched_ns = 0
        self._around = ChainContext(convention=options.model_name, reference=options.reference)
        self._legs = LegViews(self, backend, options.convention, options.keymap)
        self._empty = False
        self._chosen_expiry: date | None = None
        self._runtime: RuntimeState | None = None
        self._painted_ns = 0
        self._marks = Marks()
        self.expiries: tuple[ExpiryMark, ...] = ()
        self.costs = NO_COSTS
        self._passing = ExpiryPassing()
        self.rail = Rail(backend, id="rail")

    def compose(self) -> ComposeResult:
        """Header, strip, grid and totals as one view."""
        yield ChainView(
            preset=self.first_preset,
            glyphs=fmt.ASCII if self._options.ascii_glyphs else fmt.UNICODE,
            instead=ByExpiry(self._backend, id="by-expiry"),
            beside=self.rail,
        )

    def on_mount(self) -> None:
        """Take over the options that the grid is not built with."""
        self.grid.set_units(Units(self._options.units))

    # ------------------------------------------------------------------ what is shown

    @property
    def view(self) -> ChainView:
        """The widgets."""
        return self.query_one(ChainView)

    @property
    def term(self) -> ByExpiry:
        """The view by expiry."""
        return self.query_one(ByExpiry)

    @property
    def current_frame(self) -> ChainFrame | None:
        """The frame on display."""
        return self.grid.frame

    @property
    def underlying(self) -> str:
        """Underlying that is shown or wanted."""
        return self._wanted

    @property
    def expiry(self) -> date | None:
        """Expiry that is shown, None before there is one."""
        reader = self._next or self._reader
        return reader.key.expiry if reader is not None else None

    def take_focus(self) -> None:
        """Give the keys to the rows."""
        if self.term.is_open:
            self.term.focus()
        elif self._empty:
            # The rows are hidden behind a notice, and what is hidden has no keys; the notice names some.
            self.focus()
        else:
            self.grid.focus()

    def fit(self, width: int, height: int) -> None:
        """Adapt to the screen."""
        self.view.fit(width, height)

    # ------------------------------------------------------------------ frames

    def surround(self, runtime: RuntimeState, market: MarketView, links: Links) -> None:
        """Take in what changes slowly around the chain."""
        self._refresh_expiries()
        board = self._backend.board
        others = tuple(
            HeaderQuote(name.removeprefix("INDIA "), token)
            for name in self._options.header
            if name != self._wanted and (token := self._backend.index_token(name)) and board.row(token)
        )
        self._follow_feed(runtime.feed)
        self._runtime = runtime
        self._around = ChainContext(
            feed=runtime.feed,
            market=market,
            links=links,
            expiries=self.expiries,
            others=others,
            reference=self._around.reference,
            convention=self._model(),
        )

    def _model(self) -> str:
        """``B76 F=parity T→15:40``: the model, where its forward comes from and up to when it counts the time."""
        reader = self._next or self._reader
        if reader is None:
            return self._options.model_name
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

    def _refresh_expiries(self, *, chosen: bool = False) -> None:
        """Look whether the instruments of the day have changed: new expiries, new strikes, or the first of them.

        Args:
            chosen: Whether the trader has just chosen what to show, so that an expired chain does not wait.
        """
        self.expiries = self._backend.expiries(self._wanted)
        if not self.expiries:
            return
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
        self._next = ChainReader(chain, self._backend.clock, self._around)
        self._marks.apply(self._next)
        self._switched_ns = self._backend.clock.monotonic_ns()
        if self._reader is None:
            self._take_next()
        else:
            self.grid.set_dimmed(True)

    def _take_next(self) -> None:
        self._reader, self._next = self._next, None
        self.view.say_loading("")
        self._painted_ns = 0
        self.grid.set_dimmed(False)

    def frame(self) -> None:
        """Draw the chain as the board holds it now."""
        if self._next is not None:
            self._next.context = self._around
            waited = self._backend.clock.monotonic_ns() - self._switched_ns
            coming = self._next.read()
            self.view.say_loading(
                f"{coming.key.underlying} {coming.key.expiry:%d%b} loading {coming.loaded}/{coming.legs}"
            )
            if coming.loaded or not coming.legs or waited > _SWITCH_PATIENCE_NS:
                self._take_next()
        reader = self._reader
        shown = self.current_frame
        if self._passing.is_on and shown is not None:
            self.view.show(as_expired(shown, self._backend.clock.now(), self._around.market))
        elif reader is not None:
            reader.context = self._around
            self.view.show(reader.read())
            self._measure(reader.chain)
        self._show_term()
        self._show_notice(self._notice())

    def _show_notice(self, text: str) -> None:
        self.view.show_notice(text)
        if bool(text) is not self._empty:
            self._empty = bool(text)
            if self.display:
                self.take_focus()

    def rest(self) -> None:
        """Note that nothing is drawn for now: ticks that come meanwhile did not wait for the screen."""
        self._painted_ns = 0

    def _measure(self, chain: OptionChain) -> None:
        """Note how long ticks of the rows in sight took from their receipt to this frame."""
        board, rows = self._backend.board, chain.rows[self.grid.visible_rows].ravel()
        now_ns = self._backend.clock.monotonic_ns()
        # By receipt, not by version: valuation renews a row's Greeks without a packet.
        received = board.received_ns[rows[rows > 0]]
        fresh = received[received > self._painted_ns] if self._painted_ns else received[:0]
        self._painted_ns = now_ns
        if len(fresh):
            self._latency.add(fresh, now_ns)

    def _notice(self) -> str:
        """What to say in the middle of an empty chain; empty when there is a chain."""
        if self._reader is not None and self.current_frame is not None and self.current_frame.legs:
            return ""
        return empty_chain_text(
            self._backend, self._runtime, self._wanted, self.expiry, self._options.keymap, self.costs
        )

    # ------------------------------------------------------------------ which chain

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
        self.select(self._wanted, expiry)

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

    # ------------------------------------------------------------------ moving and looks

    def action_cursor(self, rows: int, columns: int) -> None:
        """Move the cursor; in the view by expiry, left and right go to the neighbouring strikes."""
        if not self.term.is_open:
            self.grid.move_cursor(rows=rows, columns=columns)
        elif columns:
            self.grid.move_cursor(rows=columns)
            self._show_term()
        else:
            self.term.move(rows)

    def action_page(self, pages: int) -> None:
        """Move by pages."""
        if not self.term.is_open:
            self.grid.page(pages)
        else:
            self.term.page(pages)

    def action_edge(self, direction: int) -> None:
        """Go to the first or last strike, or expiry."""
        if not self.term.is_open:
            self.grid.to_end(last=direction > 0)
        else:
            self.term.edge(direction)

    def action_next_view(self) -> None:
        """Switch the view: both sides, one side, straddle, by expiry."""
        if self.term.is_open:
            self._close_term()
        elif self.grid.view is View.STRADDLE:
            self._open_term()
        else:
            self.grid.set_view(self.grid.view.next)
        self._say(f"view: {'by expiry' if self.term.is_open else self.grid.view}")

    # ------------------------------------------------------------------ by expiry

    def _open_term(self) -> None:
        leg = self.grid.leg
        if leg is not None and self.expiries:
            self.term.open(self._wanted, self.expiries, leg.strike)
            self.add_class("-by-expiry")
            self._show_term()
            if self.expiry is not None:
                self.term.goto(f"expiry:{self.expiry.isoformat()}")
            self.take_focus()

    def _close_term(self) -> None:
        self.term.close()
        self.remove_class("-by-expiry")
        self.grid.set_view(View.CHAIN)
        self.take_focus()

    def _show_term(self) -> None:
        """Renew the view by expiry, when it is open: for the strike under the cursor."""
        frame, leg = self.current_frame, self.grid.leg
        if self.term.is_open and frame is not None and leg is not None:
            self.term.open(self._wanted, self.expiries, leg.strike)
            self.term.show(self._around, self.grid.units, frame.summary.reference.price)

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """Show the chain of the expiry that was chosen."""
        message.stop()
        self._close_term()
        self.select(self._wanted, date.fromisoformat(message.key.partition(":")[2]))

    def action_mark(self) -> None:
        """Mark now: the marked columns show what changed since."""
        at = self._backend.clock.now()
        self._marks.take(BoardMark(self._backend.board, at), self._reader, self._next)
        key = key_name("next-columns", self._options.keymap)
        self._say(f"marked {at:%H:%M:%S}: {key} shows what changed since, of every chain")

    @property
    def has_mark(self) -> bool:
        """Whether changes since a mark can be shown."""
        return self._marks.mark is not None

    @property
    def marked_iv(self) -> NDArray[np.float64] | None:
        """Implied volatilities of the shown chain's legs at the mark, float64[k, 2]; None without a mark."""
        reader, mark = self._reader, self._marks.mark
        return mark.iv(reader.chain.tokens) if mark is not None and reader is not None else None

    def _follow_feed(self, feed: FeedMode) -> None:
        """Forget the mark when something else fills the board: a change from live to synthetic is none."""
        if self.has_mark and feed is not self._around.feed:
            self._marks.take(None, self._reader, self._next)
            if self.grid.preset is MARK_COLUMNS:
                self.grid.set_preset(self.first_preset)

    def back(self) -> bool:
        """Undo a narrowing: the view by expiry, else filter and sort; tell whether there was any."""
        if self._passing.stay():
            return True
        if self.term.is_open:
            self._close_term()
            return True
        return self.widen()

    # ------------------------------------------------------------------ one leg

    @property
    def leg(self) -> Leg | None:
        """The leg under the cursor, also in the view by expiry."""
        leg = self.grid.leg
        if leg is None or not self.term.is_open:
            return leg
        return Leg(self.term.token(leg.side), leg.strike, leg.side, "ltp", leg.row)

    @property
    def instrument(self) -> Instrument | None:
        """The contract under the cursor."""
        leg = self.leg
        return self._backend.instrument(leg.token) if leg is not None and leg.token >= 0 else None

    def action_why(self) -> None:
        """Tell where this number comes from."""
        self._legs.show("why")

    def action_depth(self) -> None:
        """Show the order book."""
        self._legs.show("depth")

    def action_leg(self) -> None:
        """Open the leg's day; in the view by expiry, that expiry's chain."""
        if self.term.is_open:
            self.term.choose()
        else:
            self._legs.show("day")

    def on_expiry_strip_chosen(self, message: ExpiryStrip.Chosen) -> None:
        """A click on the strip shows that expiry."""
        message.stop()
        self._select_expiry(message.expiry)

    def on_chain_grid_leg_selected(self, message: ChainGrid.LegSelected) -> None:
        """A second click opens the leg."""
        message.stop()
        self.action_leg()

    def action_copy_cell(self) -> None:
        """Copy what the cursor is on."""
        self._copy(self._legs.cell_text())

    def action_copy_row(self) -> None:
        """Copy both legs of the strike, tab separated."""
        self._copy(self._legs.row_text())

    def _copy(self, text: str | None) -> None:
        if text is not None:
            self.app.copy_to_clipboard(text)
            self._say(f"copied {text}")

    def jump_targets(self) -> list[JumpTarget]:
        """The expiries of the strip, and the money."""
        targets = []
        for expiry, offset in self.view.expiry_offsets():
            targets.append(JumpTarget(offset, f"{expiry:%d %b}", partial(self._select_expiry, expiry)))
        region = self.grid.region
        targets.append(JumpTarget(Offset(region.x + region.width // 2 - 1, region.y), "ATM", self.action_to_atm))
        return targets
