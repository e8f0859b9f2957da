"""The chain pane: what of the chain is drawn, the view by expiry in its place, the mark, and the leg under the cursor.

The main screen calls it with every frame; palette and command line call `ChainPane.select` and `ChainPane.find`. Which
chain it is, is the matter of `ChainSelection`, how its rows look that of `ChainAppearance`, what a leg's views show
that of `LegViews`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.geometry import Offset
from textual.message import Message

from tickertui.market.chain import OptionChain, Side
from tickertui.market.instruments import Instrument, InstrumentKind
from tickertui.services.loop.status import FeedMode, RuntimeState
from tickertui.tui.chain_grid.columns import MARK_COLUMNS, PRESETS, Preset, View
from tickertui.tui.chain_grid.grid import ChainGrid, Leg
from tickertui.tui.chain_grid.presets import PresetBook
from tickertui.tui.keys.actions import Context, bindings_of, key_name
from tickertui.tui.look import format as fmt
from tickertui.tui.look.format import Units
from tickertui.tui.panels.base import PickerScreen
from tickertui.tui.panels.jump import JumpTarget
from tickertui.tui.panels.leg import LegView
from tickertui.tui.panes.chain.appearance import ChainAppearance
from tickertui.tui.panes.chain.by_expiry import ByExpiry
from tickertui.tui.panes.chain.choices import choose, contract_choices, expiry_choices, underlying_choices
from tickertui.tui.panes.chain.empty import empty_chain_text
from tickertui.tui.panes.chain.expiry_strip import ExpiryStrip
from tickertui.tui.panes.chain.leg_views import LegCursor, LegViews
from tickertui.tui.panes.chain.rail import Rail
from tickertui.tui.panes.chain.selection import ChainSelection
from tickertui.tui.panes.chain.view import ChainView
from tickertui.tui.terminal.contained import Contained
from tickertui.tui.view.backend import Backend
from tickertui.tui.view.baseline import BoardMark
from tickertui.tui.view.chain_reader import ChainContext, HeaderQuote
from tickertui.tui.view.data_states import SocketHealth
from tickertui.tui.view.expiry_passing import as_expired
from tickertui.tui.view.frames import ChainFrame
from tickertui.tui.view.latency import LatencyMeter
from tickertui.tui.view.market_view import MarketViews
from tickertui.tui.view.options import ScreenOptions
from tickertui.tui.view.rule_costs import NO_COSTS
from tickertui.tui.widgets.row_list import RowList


class ChainPane(Contained, Vertical, can_focus=True):
    """One chain.

    Args:
        backend: The program behind it.
        options: How the trader wants it.
        latency: Told when ticks reach the screen.
        id: As for every widget.

    Attributes:
        selection: Which chain it is.
        appearance: How its rows look.
        presets: Every choice of columns.
        view: The widgets of the chain.
        grid: Its rows.
        term: The view by expiry.
        rail: Beside the rows, where there is room.
        costs: What rules cost, for the notice in an empty chain.
    """

    @dataclass
    class Said(Message):
        """A key has changed something that the rows alone do not tell.

        Attributes:
            text: A few words for the status bar.
        """

        text: str

    is_place = True
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
        super().__init__(id=id)
        self._backend = backend
        self._options = options
        self._latency = latency
        self._painted_ns = 0
        self._empty = False
        self._runtime: RuntimeState | None = None
        self.costs = NO_COSTS
        self.selection = ChainSelection(backend, options)
        self.presets = PresetBook(options)
        self.rail = Rail(backend, id="rail")
        self.term = ByExpiry(backend, id="by-expiry")
        self.view = ChainView(
            preset=self.first_preset,
            glyphs=fmt.ASCII if options.ascii_glyphs else fmt.UNICODE,
            instead=self.term,
            beside=self.rail,
        )
        self.grid = self.view.grid
        self.appearance = ChainAppearance(
            self.grid, self.presets, options, has_mark=lambda: self.selection.has_mark, say=self._say
        )
        cursor = LegCursor(
            instrument=lambda: self.instrument,
            frame=lambda: self.current_frame,
            cell=lambda: self.grid.leg,
            expiry_line=lambda: self.term.cursor_text,
            is_by_expiry=lambda: self.term.is_open,
        )
        self._legs = LegViews(self, cursor, backend, options.convention, options.keymap)

    def compose(self) -> ComposeResult:
        """Header, strip, grid and totals as one view."""
        yield self.view

    def on_mount(self) -> None:
        """Take over the options that the grid is not built with."""
        self.grid.set_units(Units(self._options.units))

    # ------------------------------------------------------------------ what is shown

    @property
    def first_preset(self) -> Preset:
        """The columns to start with."""
        return self.presets.get(self._options.preset) or PRESETS["oi"]

    @property
    def underlying(self) -> str:
        """Underlying that is shown or wanted."""
        return self.selection.underlying

    @property
    def expiry(self) -> date | None:
        """Expiry that is shown or on its way, None before there is one."""
        return self.selection.expiry

    @property
    def current_frame(self) -> ChainFrame | None:
        """The frame on display."""
        return self.grid.frame

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

    def surround(self, runtime: RuntimeState, markets: MarketViews, socket_health: SocketHealth) -> None:
        """Take in what changes slowly around the chain."""
        selection = self.selection
        selection.refresh()
        board = self._backend.board
        others = tuple(
            HeaderQuote(name.removeprefix("INDIA "), token)
            for name in self._options.header
            if (token := self._backend.index_token(name)) and board.row(token)
        )
        self._follow_feed(runtime.feed)
        self._runtime = runtime
        selection.surround(
            ChainContext(
                feed=runtime.feed,
                socket_health=socket_health,
                others=others,
                reference=self._options.reference,
                convention=self._options.model_name,
                refused=runtime.refused,
            ),
            markets,
        )
        self._show_change()

    def frame(self) -> None:
        """Draw the chain as the board holds it now."""
        selection = self.selection
        if selection.advance():
            self._painted_ns = 0
        self._show_change()
        reader = selection.shown
        shown = self.current_frame
        if selection.passing.is_on and shown is not None:
            self.view.show(as_expired(shown, self._backend.clock.now(), selection.context.market))
        elif reader is not None:
            self.view.show(reader.read())
            self._measure(reader.chain)
        self._show_term()
        self._show_notice(self._notice())

    def _show_change(self) -> None:
        """Show whether the chain on display waits for another, and how far that one is."""
        self.view.say_loading(self.selection.loading)
        self.grid.set_dimmed(self.selection.is_dimmed)

    def rest(self) -> None:
        """Note that nothing is drawn for now: ticks that come meanwhile did not wait for the screen."""
        self._painted_ns = 0

    def _show_notice(self, text: str) -> None:
        self.view.show_notice(text)
        if bool(text) is not self._empty:
            self._empty = bool(text)
            if self.display:
                self.take_focus()

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
        if self.selection.shown is not None and self.current_frame is not None and self.current_frame.legs:
            return ""
        return empty_chain_text(
            self._backend, self._runtime, self.underlying, self.expiry, self._options.keymap, self.costs
        )

    # ------------------------------------------------------------------ which chain

    def select(self, underlying: str, expiry: date | None = None) -> None:
        """Show another underlying, the nearest expiry unless one is named; the old chain stays until there is data."""
        if self.selection.select(underlying, expiry):
            self.frame()
            return
        key = key_name("pick-underlying", self._options.keymap)
        sentence = f"there are no options on {underlying} today; {key} lists what there is"
        self.notify(sentence, severity="warning", markup=False)

    def _select_expiry(self, expiry: date) -> None:
        """Show an expiry that stands on the strip, which is that of the chain on display."""
        frame = self.current_frame
        self.select(frame.key.underlying if frame is not None else self.underlying, expiry)

    def find(self, text: str) -> None:
        """Go to a strike (a number), else to the first contract that matches."""
        try:
            self.grid.goto_strike(float(text.replace(",", "")))
        except ValueError:
            marks = self.selection.expiries
            match = next((mark for mark in marks if f"{mark.expiry:%d%b%y}".lower() == text.lower()), None)
            if match is not None:
                self.select(self.underlying, match.expiry)
                return
            contracts = self._backend.search(text, 1)
            if not contracts:
                self.notify(f"nothing matches {text!r}", severity="warning", markup=False)
                return
            self._go_to_token(str(contracts[0].token))

    def _go_to_token(self, token: str) -> None:
        contract = self._backend.instrument(int(token))
        if contract is None or contract.expiry is None:
            return
        self.select(contract.name, contract.expiry)
        if contract.strike is not None:
            self.grid.set_side(Side.PUT if contract.kind is InstrumentKind.PUT else Side.CALL)
            self.grid.goto_strike(contract.strike)

    def action_expiry(self, steps: int) -> None:
        """Show the expiry before or after."""
        expiry = self.selection.neighbour(steps)
        if expiry is not None:
            self.select(self.underlying, expiry)

    def action_last_underlying(self) -> None:
        """Go back to the underlying before."""
        if self.selection.underlying_before:
            self.select(self.selection.underlying_before)

    def action_pick_underlying(self) -> None:
        """Choose an underlying."""
        choices = list(underlying_choices(self._backend))
        choose(self.app, PickerScreen("Underlying", choices, current=self.underlying), self.select)

    def action_pick_expiry(self) -> None:
        """Choose an expiry."""
        underlying = self.underlying
        choices = list(expiry_choices(self._backend, underlying, self.selection.expiries))
        current = self.expiry.isoformat() if self.expiry else ""
        picker = PickerScreen(f"Expiry of {underlying}", choices, current=current)
        choose(self.app, picker, lambda chosen: self.select(self.underlying, date.fromisoformat(chosen)))

    def action_find(self) -> None:
        """Find a strike, symbol or expiry."""
        search = partial(contract_choices, self._backend)
        picker = PickerScreen("Find", [], search=search, placeholder="24500, nifty dec 24500 ce, sensex ...")
        choose(self.app, picker, self._go_to_token)

    # ------------------------------------------------------------------ moving and looks

    def action_look(self, action_id: str) -> None:
        """Change how the rows look."""
        self.appearance.run(action_id)

    def _say(self, text: str) -> None:
        self.post_message(self.Said(text))

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
        frame = self.current_frame
        if leg is not None and frame is not None and frame.expiries:
            self.term.open(frame.key.underlying, frame.expiries, leg.strike)
            self.add_class("-by-expiry")
            self._show_term()
            self.term.goto(f"expiry:{frame.key.expiry.isoformat()}")
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
            # Of the chain on display, which is not the one that was asked for while that is on its way.
            self.term.open(frame.key.underlying, frame.expiries, leg.strike)
            self.term.show(self.selection.context, self.grid.units, frame.summary.reference.price)

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """Show the chain of the expiry that was chosen."""
        message.stop()
        underlying = self.term.underlying
        self._close_term()
        self.select(underlying, date.fromisoformat(message.key.partition(":")[2]))

    def action_mark(self) -> None:
        """Mark now: the marked columns show what changed since."""
        at = self._backend.clock.now()
        self.selection.take_mark(BoardMark(self._backend.board, at))
        key = key_name("next-columns", self._options.keymap)
        self._say(f"marked {at:%H:%M:%S}: {key} shows what changed since, of every chain")

    @property
    def marked_iv(self) -> NDArray[np.float64] | None:
        """Implied volatilities of the shown frame's legs at the mark, float64[k, 2]; None without a mark."""
        frame, mark = self.current_frame, self.selection.mark
        return mark.iv(frame.tokens) if mark is not None and frame is not None else None

    def _follow_feed(self, feed: FeedMode) -> None:
        """Forget the mark when something else fills the board: a change from live to synthetic is none."""
        if self.selection.has_mark and feed is not self.selection.context.feed:
            self.selection.take_mark(None)
            if self.grid.preset is MARK_COLUMNS:
                self.grid.set_preset(self.first_preset)

    def back(self) -> bool:
        """Undo a narrowing: the view by expiry, else filter and sort; tell whether there was any."""
        if self.selection.passing.stay():
            return True
        if self.term.is_open:
            self._close_term()
            return True
        return self.appearance.widen()

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
        self._legs.show(LegView.WHY)

    def action_depth(self) -> None:
        """Show the order book."""
        self._legs.show(LegView.DEPTH)

    def action_leg(self) -> None:
        """Open the leg's day; in the view by expiry, that expiry's chain."""
        if self.term.is_open:
            self.term.choose()
        else:
            self._legs.show(LegView.DAY)

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
        targets.append(JumpTarget(Offset(region.x + region.width // 2 - 1, region.y), "ATM", self.grid.to_atm))
        return targets
