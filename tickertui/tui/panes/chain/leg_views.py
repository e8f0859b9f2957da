"""`LegViews`: what a key shows of the leg under the cursor: why its number is what it is, depth, day, text to copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time, timedelta
from functools import partial
from typing import Final

import numpy as np

from tickertui.frozen import frozen
from tickertui.market.candles import Candles
from tickertui.market.chain import Side
from tickertui.market.hours import CalendarError
from tickertui.market.instruments import Instrument
from tickertui.market.ticks import Source
from tickertui.services.plan.legs import WatchedInstrument
from tickertui.tui.chain_grid.columns import COLUMNS
from tickertui.tui.chain_grid.grid import Leg
from tickertui.tui.chain_grid.straddle_painter import PAIRS
from tickertui.tui.keys.actions import NO_KEYS, key_name
from tickertui.tui.look import format as fmt
from tickertui.tui.panels.leg import LegContext, LegScreen, LegView, depth_rows, leg_rows, title_of, why_rows
from tickertui.tui.terminal.contained import Contained
from tickertui.tui.view.backend import Backend, BackendRefused
from tickertui.tui.view.data_states import DataState
from tickertui.tui.view.frames import ChainFrame, Field
from tickertui.tui.view.owner_words import owner_words
from tickertui.tui.widgets.row_list import Row

_RowSource = Callable[[], Sequence[Row]]

_DAYS: Final = 4
"""Calendar days of candles before today that the day of a leg shows: over a weekend there is still one."""
_RELOAD_NS: Final = 20 * 10**9
"""Between two readings of an open day: a running session makes a candle each minute."""
_COPIED: Final = (Field.OI, Field.OI_CHANGE, Field.VOLUME, Field.IV, Field.DELTA, Field.BID, Field.ASK, Field.LTP)


@frozen
class LegCursor:
    """What the cursor is on, asked whenever a key is pressed and for each frame of an open view.

    Attributes:
        instrument: The contract under it, None for none.
        frame: The frame on display, None before the first.
        cell: Row and column of the frame on display that it is on, None for none.
        expiry_line: Its line of the view by expiry as it stands on the screen, None for none; where that view is
            closed, there are no such lines (`is_by_expiry`).
        is_by_expiry: Whether the view by expiry is open.
    """

    instrument: Callable[[], Instrument | None]
    frame: Callable[[], ChainFrame | None]
    cell: Callable[[], Leg | None]
    expiry_line: Callable[[], str | None]
    is_by_expiry: Callable[[], bool]


class _Day:
    """What the open day of a leg shows.

    Attributes:
        candles: None until they have been read.
        asked_ns: When they were asked for last, monotonic nanoseconds.
    """

    __slots__ = ("asked_ns", "candles")

    def __init__(self) -> None:
        self.candles: Candles | None = None
        self.asked_ns = 0


class LegViews:
    """The views of one leg.

    Args:
        host: The widget whose place errors of the views are; it runs what they wait for.
        cursor: Says which leg.
        backend: The program behind it.
        convention: How implied volatility and Greeks are computed, in words.
        keys: The user's own keys by action id.
    """

    def __init__(
        self,
        host: Contained,
        cursor: LegCursor,
        backend: Backend,
        convention: str,
        keys: Mapping[str, str] = NO_KEYS,
    ) -> None:
        self._host = host
        self._cursor = cursor
        self._backend = backend
        self._convention = convention
        self._keys = keys
        self._history: tuple[int, Candles | None] = (0, None)

    def show(self, view: LegView) -> None:
        """Open a view of the leg under the cursor; its keys lead to the others."""
        instrument = self._cursor.instrument()
        if instrument is None:
            self._host.notify("there is no contract under the cursor", severity="warning", timeout=3)
        else:
            self._open(view, instrument)

    def _open(self, view: LegView | None, instrument: Instrument) -> None:
        if view is LegView.DAY:
            self._host.run_worker(partial(self._show_day, instrument), group="leg", exclusive=True)
        elif view is LegView.DEPTH:
            self._push(f"Depth · {title_of(instrument)}", instrument, lambda: self._depth(instrument))
        elif view is LegView.WHY:
            self._history = (instrument.token, None)
            self._push(title_of(instrument), instrument, lambda: self._why(instrument))
            if not self._is_mock(instrument):
                # Of a mock nothing is stored.
                self._host.run_worker(partial(self._read_history, instrument), group="leg", exclusive=True)

    def _push(self, title: str, instrument: Instrument, source: _RowSource) -> None:
        self._host.app.push_screen(self._screen(title, instrument, source), lambda view: self._open(view, instrument))

    def _screen(self, title: str, instrument: Instrument, source: _RowSource) -> LegScreen:
        return LegScreen(self._marked(title, instrument), source(), source=source)

    def _is_mock(self, instrument: Instrument) -> bool:
        board = self._backend.board
        return board.source_of(board.row(instrument.token)) is Source.MOCK

    def _marked(self, title: str, instrument: Instrument) -> str:
        return f"~ MOCK · {title}" if self._is_mock(instrument) else title

    def _why(self, instrument: Instrument) -> Sequence[Row]:
        return list(why_rows(self._backend.board, self._backend.clock, self._context(instrument)))

    def _depth(self, instrument: Instrument) -> Sequence[Row]:
        return list(depth_rows(self._backend.board, instrument))

    def _context(self, instrument: Instrument) -> LegContext:
        watched = self._backend.legs().find(instrument.token)
        return LegContext(
            instrument=instrument,
            owner="" if watched is None else owner_words(watched.owners, self._backend.rules()),
            socket=self._socket_label(watched),
            state=self._state(instrument.token),
            convention=self._convention,
            expires_at=self._expires_at(instrument),
            history=self._history[1] if self._history[0] == instrument.token else None,
            since_mark=self._since_mark(instrument.token),
            hours=self._hours(instrument),
            terms=self._backend.terms_change(instrument.token),
        )

    async def _read_history(self, instrument: Instrument) -> None:
        """Today's candles of a leg, for the line that counts them; the view is open meanwhile."""
        now = self._backend.clock.now()
        start = datetime.combine(now.date(), time(0, 0), tzinfo=now.tzinfo)
        try:
            candles = await self._backend.candles(instrument.token, start, now)
        except BackendRefused:
            # The line stays away; the events say why the store cannot be read.
            return
        if self._history[0] == instrument.token:
            self._history = (instrument.token, candles)

    def _since_mark(self, token: int) -> str:
        """``11:30   dOI -41.0K   price +2.30   volume +1.20L`` of a leg in the frame on display."""
        frame = self._cursor.frame()
        place = self._place(token)
        if frame is None or place is None or frame.summary.marked_at is None:
            return ""
        values = frame.values[place]
        oi, volume = (float(values[field]) for field in (Field.MARK_OI, Field.MARK_VOLUME))
        price = fmt.price(float(values[Field.MARK_LTP]), frame.contracts.decimals, signed=True)
        return (
            f"since {frame.summary.marked_at:%H:%M:%S}   dOI {fmt.compact(oi, signed=True)}   "
            f"price {price}   volume {fmt.compact(volume, signed=True)}"
        )

    def _place(self, token: int) -> tuple[int, int] | None:
        """Row and side of a leg in the frame on display, None for a leg of another chain."""
        frame = self._cursor.frame()
        if frame is None:
            return None
        places = np.argwhere(frame.tokens == token)
        return (int(places[0][0]), int(places[0][1])) if len(places) else None

    def _state(self, token: int) -> DataState:
        """State of the leg in the frame on display, WAITING for a leg of another chain."""
        frame, place = self._cursor.frame(), self._place(token)
        return DataState(int(frame.states[place])) if frame is not None and place is not None else DataState.WAITING

    def _socket_label(self, watched: WatchedInstrument | None) -> str:
        if watched is None:
            return ""
        sockets = (status for account in self._backend.runtime().accounts for status in account.connections)
        return next((status.label for status in sockets if status.connection == watched.connection), "")

    def _hours(self, instrument: Instrument) -> str:
        if self._backend.calendar.knows(instrument.exchange):
            return self._unconfirmed(instrument)
        until = ": its time is counted to the end of the expiry day" if instrument.expiry else ""
        return f"{instrument.exchange}'s are not known{until}"

    def _unconfirmed(self, instrument: Instrument) -> str:
        calendar = self._backend.calendar
        if instrument.expiry is None:
            announcement = calendar.announced_hours(instrument.exchange, self._backend.clock.now().date())
        else:
            kind = self._backend.underlying_kind(instrument.name)
            announcement = calendar.announced_expiry(instrument.exchange, instrument.expiry, kind)
        if announcement is None:
            return ""
        what = "" if instrument.expiry is None else "the end on the expiry day is "
        return f"{what}{announcement.label}; {key_name('show-health', self._keys)} says by whom"

    def _expires_at(self, instrument: Instrument) -> datetime | None:
        if instrument.expiry is None:
            return None
        try:
            kind = self._backend.underlying_kind(instrument.name)
            return self._backend.calendar.expiry_instant(instrument.segment, instrument.expiry, kind)
        except CalendarError:
            return None

    async def _show_day(self, instrument: Instrument) -> None:
        """Open at once, fill in the candles when they have been read, and again as the session makes more."""
        board, clock, keys, day = self._backend.board, self._backend.clock, self._keys, _Day()

        def rows() -> Sequence[Row]:
            if day.candles is not None and clock.monotonic_ns() - day.asked_ns >= _RELOAD_NS:
                day.asked_ns = clock.monotonic_ns()
                self._host.run_worker(partial(self._read_day, instrument, day), group="leg", exclusive=True)
            return list(leg_rows(board, instrument, day.candles, keys=keys))

        screen = self._screen(title_of(instrument), instrument, rows)
        await self._host.app.push_screen(screen, lambda view: self._open(view, instrument))
        day.asked_ns = clock.monotonic_ns()
        await self._read_day(instrument, day)
        if screen.is_attached:
            screen.renew()

    async def _read_day(self, instrument: Instrument, day: _Day) -> None:
        now = self._backend.clock.now()
        start = datetime.combine(now.date() - timedelta(days=_DAYS), time(0, 0), tzinfo=now.tzinfo)
        try:
            day.candles = await self._backend.candles(instrument.token, start, now)
        except BackendRefused as refused:
            if day.candles is None:
                self._host.notify(str(refused), severity="error", markup=False)
                day.candles = Candles.empty()

    # ------------------------------------------------------------------ copies

    def cell_text(self) -> str | None:
        """Return the value under the cursor as it is copied: plain, a synthetic one with its mark."""
        frame, leg = self._cursor.frame(), self._cursor.cell()
        if self._cursor.is_by_expiry():
            return self._line_text()
        if frame is None or leg is None:
            return None
        pair = next((pair for pair in PAIRS if pair.name == leg.column), None)
        if pair is not None:
            call, put = frame.values[leg.row].tolist()
            mock = "~" if (frame.states[leg.row] == DataState.MOCK).any() else ""
            return mock + _plain(pair.value(call, put, frame.summary.reference.price))
        column = COLUMNS.get(leg.column)
        field = column.field if column is not None else Field.LTP
        mock = "~" if frame.states[leg.row, leg.side] == DataState.MOCK else ""
        return mock + _plain(float(frame.values[leg.row, leg.side, field]))

    def _line_text(self) -> str | None:
        line = self._cursor.expiry_line()
        return " ".join(line.split()) if line is not None else None

    def row_text(self) -> str | None:
        """Return both legs of the strike, tab separated, outside in; a synthetic row says so first."""
        frame, leg = self._cursor.frame(), self._cursor.cell()
        if self._cursor.is_by_expiry():
            return self._line_text()
        if frame is None or leg is None:
            return None
        call, put = ([_plain(float(frame.values[leg.row, side, field])) for field in _COPIED] for side in Side)
        mock = "MOCK\t" if frame.is_mock else ""
        return mock + "\t".join([*call, f"{leg.strike:g}", *reversed(put)])


def _plain(value: float) -> str:
    return fmt.MISSING if np.isnan(value) else f"{value:.10g}"
