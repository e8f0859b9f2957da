"""The view "by expiry": one strike, the expiries down, for who looks along the term instead of along the strikes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np

from tickertui.frozen import frozen
from tickertui.market.board import Derived
from tickertui.market.chain import OptionChain, Side
from tickertui.market.clock import from_epoch
from tickertui.market.instruments import LEAST_DECIMALS, ChainRows
from tickertui.tui.look import format as fmt
from tickertui.tui.look.breakpoints import WIDE
from tickertui.tui.look.format import Units
from tickertui.tui.view.backend import Backend, price_token
from tickertui.tui.view.chain_reader import ChainContext, ChainReader
from tickertui.tui.view.data_states import DataState
from tickertui.tui.view.frames import ChainFrame, Field, ListedExpiry
from tickertui.tui.widgets.row_list import Row, RowList, Span, row

_ARROWS = {1: "▲", -1: "▼", 0: "·"}
_ROLES = {DataState.MOCK: "mock", DataState.STALE: "quiet", DataState.SNAP: "warn", DataState.ERROR: "error",
          DataState.PAST: "quiet", DataState.DOUBT: "warn"}  # fmt: skip


@frozen
class TermLook:
    """How the rows are written.

    Attributes:
        width: Cells of a line.
        units: Of quantities; in full they would not fit and are written in lots.
        spot: Reference price, for the straddle's share; NaN when not known.
    """

    width: int
    units: Units
    spot: float


class TermReader:
    """Reads one strike of every expiry of an underlying.

    It is a `ChainReader` over a chain whose rows are expiries, so that states, ages and marks are exactly those of the
    chain.

    Args:
        backend: The program behind it.
        underlying: Name.
        expiries: Expiries, ascending.
        strike: Rupees.
    """

    def __init__(self, backend: Backend, underlying: str, expiries: Sequence[ListedExpiry], strike: float) -> None:
        self.underlying = underlying
        self.strike = strike
        self.expiries = tuple(expiries)
        chains = [backend.chain(underlying, listed.expiry) for listed in expiries]
        tokens, lots, ticks = zip(*(_legs_at(chain, strike) for chain in chains), strict=True) if chains else ((),) * 3
        tokens_by_expiry = np.array(tokens, dtype=np.int64).reshape(-1, 2)
        first = next((chain for chain in chains if chain is not None), None)
        contracts = ChainRows(
            underlying, expiries[0].expiry if expiries else date.min, np.arange(len(expiries), dtype=np.float64),
            tokens_by_expiry[:, 0], tokens_by_expiry[:, 1],
            np.array(lots, dtype=np.int64).reshape(-1, 2), np.array(ticks, dtype=np.float64).reshape(-1, 2),
            first.lot_size if first is not None else 1,
            min((chain.tick_size for chain in chains if chain is not None), default=0.05),
            first.exchange if first is not None else "", first.segment if first is not None else "",
        )  # fmt: skip
        chain = OptionChain(
            contracts, backend.board, underlying_token=price_token(backend, underlying),
            is_on_future=backend.priced_by(underlying) is not None,
        )  # fmt: skip
        self._reader = ChainReader(chain, backend.clock)

    def read(self, around: ChainContext) -> ChainFrame:
        """Return the term as the board holds it now."""
        self._reader.context = around
        return self._reader.read()

    def priced_on(self) -> list[date | None]:
        """Return the day that each expiry's volatilities are of, None where there are none."""
        instants = self._reader.chain.derived(Derived.PRICED_AT)
        known = np.nanmax(np.where(np.isnan(instants), -1.0, instants), axis=1).tolist() if len(instants) else []
        return [from_epoch(seconds).date() if seconds > 0 else None for seconds in known]

    def token(self, expiry: date, side: int) -> int:
        """Return the token of a leg, -1 where the expiry does not have the strike."""
        place = next((at for at, listed in enumerate(self.expiries) if listed.expiry == expiry), None)
        return -1 if place is None else int(self._reader.chain.tokens[place, side])


class ByExpiry(RowList):
    """The list of expiries; closed until it is opened for a strike.

    Args:
        backend: The program behind it.
        id: As for every widget.
    """

    def __init__(self, backend: Backend, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._backend = backend
        self._term: TermReader | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is shown instead of the rows."""
        return self._term is not None

    @property
    def underlying(self) -> str:
        """Whose expiries are listed, empty while it is closed."""
        return self._term.underlying if self._term is not None else ""

    def open(self, underlying: str, expiries: Sequence[ListedExpiry], strike: float) -> None:
        """Show a strike of an underlying; the same one costs nothing."""
        term = self._term
        if term is None or (term.underlying, term.strike, term.expiries) != (underlying, strike, tuple(expiries)):
            self._term = TermReader(self._backend, underlying, expiries, strike)

    def close(self) -> None:
        """Give the rows back."""
        self._term = None

    def show(self, around: ChainContext, units: Units, spot: float) -> None:
        """Show the term as the board holds it now."""
        if self._term is not None:
            look = TermLook(self.size.width, units, spot)
            self.set_rows(list(term_rows(self._term.read(around), self._term, look)))

    def token(self, side: int) -> int:
        """Return the token of the leg under the cursor, -1 when there is none."""
        expiry = self.cursor_key.partition(":")[2]
        return self._term.token(date.fromisoformat(expiry), side) if self._term is not None and expiry else -1


_Pair = tuple[float, float]


def _legs_at(chain: ChainRows | None, strike: float) -> tuple[_Pair, _Pair, _Pair]:
    """Tokens, lots and ticks of the call and the put of a strike; -1 and 0 where the expiry does not have it."""
    at = -1 if chain is None else int(np.searchsorted(chain.strikes, strike))
    if chain is None or at >= len(chain.strikes) or chain.strikes[at] != strike:
        return (-1, -1), (0, 0), (0.0, 0.0)
    (call_lot, put_lot), (call_tick, put_tick) = chain.lots[at].tolist(), chain.ticks[at].tolist()
    return (int(chain.call_tokens[at]), int(chain.put_tokens[at])), (call_lot, put_lot), (call_tick, put_tick)


def term_rows(frame: ChainFrame, term: TermReader, look: TermLook) -> Iterator[Row]:
    """Build the title, the header and one line for each expiry; lines take 80 cells, or 110 with the deltas."""
    mock = "~" if frame.is_mock else ""
    strike = f"{frame.key.underlying} {fmt.strike(term.strike)}"
    priced_on, today = term.priced_on(), frame.at.date()
    # Volatilities of a shut market are those of its last session, and so are the days beside them.
    shut = max((day for day in priced_on if day is not None), default=today)
    since = f"   days from {shut:%a %d %b}" if shut < today else ""
    yield row("", Span(f" {strike} by expiry", "title"), Span(f"   ← → strike   Enter that chain{since}", "quiet"))
    yield row("", Span(_header(mock, wide=look.width >= WIDE), "quiet"))
    for place, listed in enumerate(term.expiries):
        expires_today = "!" if listed.is_today else " "
        shifted = "*" if listed.note and not listed.is_today else " "
        counted = listed.days if not since else (listed.expiry - (priced_on[place] or shut)).days
        name = f" {listed.letter} {listed.expiry:%d%b}{shifted}{counted:>4}d{expires_today}"
        call, put = (_side(frame, place, side, look) for side in Side)
        yield row(
            f"expiry:{listed.expiry.isoformat()}", Span(name, "strong"), *call, Span("│", "quiet"), *put,
            *_straddle(frame, place, look, mock),
        )  # fmt: skip


def _header(mock: str, *, wide: bool) -> str:
    def side(label: str) -> str:
        delta = f"{mock + 'dlt':>6}" if wide else ""
        return f"{mock + label:>9}{mock + 'IV':>6}{delta}{mock + 'OI':>6}{mock + 'dOI':>7}"

    share = f"{mock + '%':>7}" if wide else ""
    return f"{' expiry   days':<15}{side('CALL')} {side('PUT')}{mock + 'strd':>7}{share}"


def _side(frame: ChainFrame, place: int, side: int, look: TermLook) -> list[Span | str]:
    values = frame.values[place, side]
    state = DataState(int(frame.states[place, side]))
    missing = np.isnan(values[Field.LTP])
    arrow = int(frame.directions[place, side])
    glyph = " " if missing else state.badge.cell or _ARROWS[arrow]
    role = _ROLES.get(state, {1: "gain", -1: "loss"}.get(arrow, "text"))
    price = fmt.fit_price(
        float(values[Field.LTP]),
        9,
        "~" if state is DataState.MOCK and not missing else "",
        decimals=frame.contracts.decimals,
    )
    change = float(values[Field.OI_CHANGE])
    units = Units.LOTS if look.units is Units.CONTRACTS else look.units
    lot = int(frame.contracts.lots[place, side])
    oi, oi_change = (
        fmt.quantity(float(values[field]), units, lot, signed=signed)
        for field, signed in ((Field.OI, False), (Field.OI_CHANGE, True))
    )
    delta = f"{fmt.signed_number(float(values[Field.DELTA])):>6}" if look.width >= WIDE else ""
    return [
        Span(price + glyph, role), f"{fmt.volatility(float(values[Field.IV])):>5}{delta}{oi:>6}",
        Span(f"{oi_change:>7}", "gain" if change > 0 else "loss" if change < 0 else "quiet"),
    ]  # fmt: skip


def _straddle(frame: ChainFrame, place: int, look: TermLook, mock: str) -> list[Span | str]:
    total = float(frame.values[place, :, Field.TODAY].sum())
    missing = total != total
    decimals = frame.contracts.decimals
    # Without a cell between it and the change before it only where its decimals need that.
    text = (
        fmt.MISSING
        if missing
        else fmt.fit_price(total, 6 if decimals == LEAST_DECIMALS else 7, mock, decimals=decimals)
    )
    spans: list[Span | str] = [Span(f"{text:>7}", "mock" if mock and not missing else "text")]
    if look.width >= WIDE:
        spans.append(f"{fmt.percent(100 * total / look.spot if look.spot > 0 else float('nan')):>7}")
    return spans
