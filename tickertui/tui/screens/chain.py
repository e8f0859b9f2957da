"""The chain pane: which chain is shown, and every key that looks at it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.geometry import Offset

from tickertui.market.board import MarketBoard
from tickertui.market.candles import Candles
from tickertui.market.chain import OptionChain, Side
from tickertui.market.hours import CalendarError
from tickertui.market.instruments import Instrument, InstrumentKind
from tickertui.services.state import AccountState, RuntimeState, WatchedInstrument
from tickertui.tui import format as fmt
from tickertui.tui.actions import Context, bindings_of
from tickertui.tui.backend import Backend
from tickertui.tui.chain_reader import ChainContext, ChainReader, HeaderQuote
from tickertui.tui.columns import COLUMNS, PRESETS, Preset, user_preset
from tickertui.tui.format import Units
from tickertui.tui.frames import ChainFrame, ExpiryMark, Field
from tickertui.tui.latency import LatencyMeter
from tickertui.tui.options import ScreenOptions
from tickertui.tui.screens.columns import ColumnsScreen
from tickertui.tui.screens.jump import JumpTarget
from tickertui.tui.screens.leg import LegContext, depth_rows, leg_rows, title_of, why_rows
from tickertui.tui.screens.modals import Choice, ListScreen, PickerScreen
from tickertui.tui.states import DataState, Links, MarketView
from tickertui.tui.widgets.chain_grid import ChainGrid, Leg
from tickertui.tui.widgets.chain_view import ChainView

_SWITCH_PATIENCE_NS = 3_000_000_000
"""The chain before stays, dimmed, until the new one has a price, but not longer than this."""

RowFilter = Callable[[ChainFrame], NDArray[np.bool_]]


class ChainPane(Vertical):
    """One chain.

    Args:
        backend: The program behind it.
        options: How the trader wants it.
        latency: Told when ticks reach the screen.
    """

    CONTEXTS: ClassVar[tuple[Context, ...]] = (Context.CHAIN,)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.CHAIN)]

    def __init__(
        self, backend: Backend, options: ScreenOptions, latency: LatencyMeter, *, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._backend = backend
        self._options = options
        self._latency = latency
        self._wanted = options.underlying
        self._before = ""
        self._reader: ChainReader | None = None
        self._next: ChainReader | None = None
        self._switched_ns = 0
        self._around = ChainContext(convention=options.convention, reference=options.reference)
        self._own_preset: Preset | None = None
        self._chosen_expiry: date | None = None
        self._runtime: RuntimeState | None = None
        self._seen = -1
        self.expiries: tuple[ExpiryMark, ...] = ()

    def compose(self) -> ComposeResult:
        """Header, strip, grid and totals as one view."""
        yield ChainView(
            preset=PRESETS[self._options.preset], glyphs=fmt.ASCII if self._options.ascii_glyphs else fmt.UNICODE
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
    def grid(self) -> ChainGrid:
        """The rows."""
        return self.view.grid

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
        self.grid.focus()

    def fit(self, width: int, height: int) -> None:
        """Adapt to the screen."""
        self.view.fit(width, height)

    # ------------------------------------------------------------------ frames

    def surround(self, runtime: RuntimeState, market: MarketView, links: Links) -> None:
        """Take in what changes slowly around the chain."""
        self._refresh_expiries()
        others = tuple(
            HeaderQuote(name, token)
            for name in ("BANKNIFTY", "SENSEX", "INDIA VIX")
            if name != self._wanted and (token := self._backend.index_token(name))
        )
        self._runtime = runtime
        self._around = ChainContext(
            feed=runtime.feed,
            market=market,
            links=links,
            expiries=self.expiries,
            others=others,
            reference=self._around.reference,
            convention=self._options.convention,
        )

    def _refresh_expiries(self) -> None:
        """Look whether the instruments of the day have changed: new expiries, new strikes, or the first of them."""
        self.expiries = self._backend.expiries(self._wanted)
        if not self.expiries:
            return
        listed = [mark.expiry for mark in self.expiries]
        expiry = self._chosen_expiry if self._chosen_expiry in listed else listed[0]
        reader = self._next or self._reader
        shown = reader is not None and (reader.key.underlying, reader.key.expiry) == (self._wanted, expiry)
        if not shown or reader is None or self._backend.chain(self._wanted, expiry) is not reader.chain.contracts:
            self._open(expiry)

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
        self._switched_ns = self._backend.clock.monotonic_ns()
        if self._reader is None:
            self._take_next()
        else:
            self.grid.set_dimmed(True)

    def _take_next(self) -> None:
        self._reader, self._next = self._next, None
        self._seen = -1
        self.grid.set_dimmed(False)

    def frame(self) -> None:
        """Draw the chain as the board holds it now."""
        if self._next is not None:
            self._next.context = self._around
            waited = self._backend.clock.monotonic_ns() - self._switched_ns
            if self._next.read().loaded or waited > _SWITCH_PATIENCE_NS:
                self._take_next()
        reader = self._reader
        if reader is not None:
            reader.context = self._around
            self.view.show(reader.read())
            self._measure(reader.chain)
        self.view.show_notice(self._notice())

    def _measure(self, chain: OptionChain) -> None:
        """Note how long ticks of the rows in sight took from their receipt to this frame."""
        board, rows = self._backend.board, chain.rows[self.grid.visible_rows].ravel()
        fresh = rows[board.versions[rows] > self._seen] if self._seen >= 0 else rows[:0]
        self._seen = board.sequence
        received = board.received_ns[fresh[fresh > 0]]
        if len(received):
            self._latency.add(received, self._backend.clock.monotonic_ns())

    def _notice(self) -> str:
        """What to say in the middle of an empty chain; empty when there is a chain."""
        if self._reader is not None and self.current_frame is not None and self.current_frame.legs:
            return ""
        accounts = self._runtime.accounts if self._runtime is not None else ()
        refused = [account.account_id for account in accounts if account.state is AccountState.AUTH_EXPIRED]
        day = self._backend.instruments_day()
        if day is None:
            why = f"\n{' '.join(refused)} needs a login: L" if refused else ""
            return f"No instruments yet: the day's list of contracts has not been loaded.{why}"
        if not self.expiries:
            return f"There are no options on {self._wanted} in the list of {day:%d %b %Y}.\nu  other underlying"
        if self._runtime is None or not self._runtime.instruments:
            return (
                f"Nothing is subscribed yet.\nn  subscribe {self._wanted}, its cost shown first    u  other underlying"
            )
        return f"Nothing in your subscriptions asks for {self._wanted} yet.\nn  subscribe it    u  other underlying"

    # ------------------------------------------------------------------ which chain

    def select(self, underlying: str, expiry: date | None = None) -> None:
        """Show another underlying, the nearest expiry unless one is named; the old chain stays until there is data."""
        if underlying not in self._backend.underlyings():
            self.notify(f"there are no options on {underlying} today; u lists what there is", severity="warning")
            return
        if underlying != self._wanted:
            self._before, self._wanted = self._wanted, underlying
        self._chosen_expiry = expiry
        self._refresh_expiries()
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
        choices = [Choice(name, name, self._underlying_note(name)) for name in self._backend.underlyings()]
        self._ask(PickerScreen("Underlying", choices, current=self._wanted), self.select)

    def _underlying_note(self, name: str) -> str:
        marks = self._backend.expiries(name)
        return f"{len(marks)} expiries, next {marks[0].expiry:%d %b}" if marks else ""

    def action_pick_expiry(self) -> None:
        """Choose an expiry."""
        choices = [Choice(mark.expiry.isoformat(), self._expiry_text(mark), mark.note) for mark in self.expiries]
        current = self.expiry.isoformat() if self.expiry else ""
        picker = PickerScreen(f"Expiry of {self._wanted}", choices, current=current)
        self._ask(picker, lambda chosen: self.select(self._wanted, date.fromisoformat(chosen)))

    def _expiry_text(self, mark: ExpiryMark) -> str:
        contracts = self._backend.chain(self._wanted, mark.expiry)
        strikes = f"{len(contracts.strikes)} strikes" if contracts is not None else ""
        today = " expires today" if mark.is_today else ""
        return f"{mark.letter} {mark.expiry:%d %b %Y}  {mark.days:>3}d  {strikes}{today}"

    def _ask(self, picker: PickerScreen, take: Callable[[str], None]) -> None:
        self.app.push_screen(picker, lambda chosen: take(chosen) if chosen else None)

    def action_find(self) -> None:
        """Find a strike, symbol or expiry."""

        def search(text: str) -> list[Choice]:
            return [
                Choice(str(found.token), title_of(found).partition(" · ")[0], found.tradingsymbol)
                for found in self._backend.search(text, 20)
            ]

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
        """Move the cursor."""
        self.grid.move_cursor(rows=rows, columns=columns)

    def action_page(self, pages: int) -> None:
        """Move by pages."""
        self.grid.page(pages)

    def action_edge(self, direction: int) -> None:
        """Go to the first or last strike."""
        self.grid.to_end(last=direction > 0)

    def action_to_atm(self) -> None:
        """Go to the money."""
        self.grid.to_atm()

    def action_auto_centre(self) -> None:
        """Follow the money, or not."""
        self.grid.set_auto_centre(not self.grid.auto_centre)
        self.notify(f"auto-centre {'on' if self.grid.auto_centre else 'off'}", timeout=2)

    def action_strike_range(self, steps: int) -> None:
        """Show more or fewer strikes."""
        self.grid.widen_range(steps)

    def action_next_columns(self) -> None:
        """Switch the column preset."""
        presets = [*PRESETS.values(), *([self._own_preset] if self._own_preset else [])]
        names = [preset.name for preset in presets]
        place = names.index(self.grid.preset.name) if self.grid.preset.name in names else -1
        self.grid.set_preset(presets[(place + 1) % len(presets)])

    def action_edit_columns(self) -> None:
        """Choose the columns of an own preset."""

        def take(names: tuple[str, ...] | None) -> None:
            if names:
                self._own_preset = user_preset("own", names)
                self.grid.set_preset(self._own_preset)

        self.app.push_screen(ColumnsScreen(self.grid.preset.columns), take)

    def action_next_view(self) -> None:
        """Switch the view."""
        self.grid.set_view(self.grid.view.next)

    def action_next_bar(self) -> None:
        """Switch what the bars mean."""
        self.grid.set_bars(self.grid.bars.next)
        self.notify(f"bars: {self.grid.bars.label}", timeout=2)

    def action_next_units(self) -> None:
        """Switch units."""
        self.grid.set_units(self.grid.units.next)
        self.notify(f"units: {self.grid.units}", timeout=2)

    def action_maximise(self) -> None:
        """Give the chain the whole screen, or give it back."""
        self.screen.toggle_class("-maximised")

    def action_next_sort(self) -> None:
        """Sort by the column under the cursor, the other way round, then by strike again."""
        sort = self.grid.sort_by_cursor()
        if sort is None:
            self.notify("sorted by strike", timeout=2)
        else:
            way = "largest first" if sort.descending else "smallest first"
            self.notify(f"sorted by {sort.field.name.lower()} of the {sort.side.label}, {way}", timeout=2)

    def action_filter(self) -> None:
        """Choose which strikes are shown."""
        choices = [Choice(name, name, note) for name, (note, _) in FILTERS.items()]
        self._ask(PickerScreen("Show", choices), lambda name: self.grid.set_filter(FILTERS[name][1]))

    def action_pin(self) -> None:
        """Keep this strike in sight."""
        self.grid.toggle_pin()

    def action_mark(self) -> None:
        """Mark now: the marked columns show what changed since."""
        if self._reader is not None:
            at = self._reader.mark_now()
            self.notify(f"marked {at:%H:%M:%S}; C adds the columns OI±m, LTP±m, Vol±m", timeout=4)

    def back(self) -> None:
        """Undo a narrowing: the filter, the sort, the maximised pane."""
        self.grid.set_filter(None)
        self.grid.set_sort(None)
        self.screen.remove_class("-maximised")

    # ------------------------------------------------------------------ one leg

    def _leg(self) -> tuple[Leg, Instrument] | None:
        leg = self.grid.leg
        found = self._backend.instrument(leg.token) if leg is not None and leg.token >= 0 else None
        if leg is None or found is None:
            self.notify("there is no contract under the cursor", severity="warning", timeout=3)
            return None
        return leg, found

    def action_why(self) -> None:
        """Tell where this number comes from."""
        found = self._leg()
        if found is not None:
            leg, instrument = found
            rows = list(why_rows(self._backend.board, self._backend.clock, self._leg_context(leg, instrument)))
            self.app.push_screen(ListScreen(title_of(instrument), rows))

    def _leg_context(self, leg: Leg, instrument: Instrument) -> LegContext:
        board, frame = self._backend.board, self.current_frame
        watched = next((item for item in self._backend.legs() if item.token == instrument.token), None)
        state = DataState(int(frame.states[leg.row, leg.side])) if frame is not None else DataState.WAITING
        return LegContext(
            instrument=instrument,
            leg=watched,
            socket=self._socket_label(board, instrument.token, watched),
            state=state,
            convention=self._options.convention,
            expires_at=self._expires_at(instrument),
        )

    def _socket_label(self, board: MarketBoard, token: int, watched: WatchedInstrument | None) -> str:
        number = watched.connection if watched is not None else int(board.connections[board.row(token)])
        for account in self._backend.runtime().accounts:
            for status in account.connections:
                if status.connection == number and watched is not None:
                    return status.label
        return ""

    def _expires_at(self, instrument: Instrument) -> datetime | None:
        if instrument.expiry is None:
            return None
        try:
            return self._backend.calendar.expiry_instant(instrument.segment, instrument.expiry)
        except CalendarError:
            return None

    def action_depth(self) -> None:
        """Show the order book."""
        found = self._leg()
        if found is not None:
            rows = list(depth_rows(self._backend.board, found[1]))
            self.app.push_screen(ListScreen(f"Depth of {title_of(found[1])}", rows))

    def action_leg(self) -> None:
        """Open the leg's day."""
        found = self._leg()
        if found is not None:
            self.run_worker(self._show_leg(found[1]), group="leg", exclusive=True)

    async def _show_leg(self, instrument: Instrument) -> None:
        now = self._backend.clock.now()
        start = datetime.combine(now.date() - timedelta(days=4), time(0, 0), tzinfo=now.tzinfo)
        candles: Candles = await self._backend.candles(instrument.token, start, now)
        rows = list(leg_rows(self._backend.board, instrument, candles))
        self.app.push_screen(ListScreen(title_of(instrument), rows))

    def on_chain_grid_leg_selected(self, message: ChainGrid.LegSelected) -> None:
        """A second click opens the leg."""
        message.stop()
        self.action_leg()

    def action_copy_cell(self) -> None:
        """Copy what the cursor is on."""
        frame, leg = self.current_frame, self.grid.leg
        if frame is not None and leg is not None:
            column = COLUMNS.get(leg.column)
            field = column.field if column is not None else Field.LTP
            mock = "~" if frame.states[leg.row, leg.side] == DataState.MOCK else ""
            self._copy(mock + _plain(float(frame.values[leg.row, leg.side, field])))

    def action_copy_row(self) -> None:
        """Copy both legs of the strike, tab separated."""
        frame, leg = self.current_frame, self.grid.leg
        if frame is None or leg is None:
            return
        fields = (Field.OI, Field.OI_CHANGE, Field.VOLUME, Field.IV, Field.DELTA, Field.BID, Field.ASK, Field.LTP)
        call, put = ([_plain(frame.values[leg.row, side, field]) for field in fields] for side in Side)
        mock = "MOCK\t" if frame.is_mock else ""
        self._copy(mock + "\t".join([*call, f"{leg.strike:g}", *reversed(put)]))

    def _copy(self, text: str) -> None:
        self.app.copy_to_clipboard(text)
        self.notify(f"copied {text}", timeout=2, markup=False)

    def jump_targets(self) -> list[JumpTarget]:
        """The expiries of the strip, and the money."""
        targets = []
        for expiry, offset in self.view.expiry_offsets():
            targets.append(JumpTarget(offset, f"{expiry:%d %b}", partial(self._select_expiry, expiry)))
        region = self.grid.region
        targets.append(JumpTarget(Offset(region.x + region.width // 2 - 1, region.y), "ATM", self.action_to_atm))
        return targets


def _plain(value: float) -> str:
    return fmt.MISSING if np.isnan(value) else f"{value:g}"


def _with_oi(frame: ChainFrame) -> NDArray[np.bool_]:
    """Strikes with open interest on either side."""
    return np.asarray((np.nan_to_num(frame.values[:, :, Field.OI]) > 0).any(axis=1))


def _with_price(frame: ChainFrame) -> NDArray[np.bool_]:
    """Strikes with a price on either side."""
    return np.asarray((~np.isnan(frame.values[:, :, Field.LTP])).any(axis=1))


def _heavy(frame: ChainFrame) -> NDArray[np.bool_]:
    """Strikes with at least a tenth of the largest open interest."""
    oi = np.nan_to_num(frame.values[:, :, Field.OI])
    return np.asarray((oi >= oi.max(initial=0.0) / 10).any(axis=1) & (oi > 0).any(axis=1))


def _changing(frame: ChainFrame) -> NDArray[np.bool_]:
    """Strikes whose open interest has changed by a twentieth or more."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.abs(frame.values[:, :, Field.OI_CHANGE]) / frame.values[:, :, Field.OI]
    return np.asarray((np.nan_to_num(share) >= 0.05).any(axis=1))


FILTERS: dict[str, tuple[str, RowFilter | None]] = {
    "all": ("every strike", None),
    "priced": ("strikes with a price", _with_price),
    "open interest": ("strikes with open interest", _with_oi),
    "heavy": ("at least a tenth of the largest open interest", _heavy),
    "moving": ("open interest changed by 5 % or more", _changing),
}
"""What key ``f`` offers."""
