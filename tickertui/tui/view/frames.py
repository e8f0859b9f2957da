"""What the widgets of the chain are fed: immutable pictures of one moment, built once per display frame.

A `ChainFrame` holds numbers and states, not text: units, columns and widths are the widget's business, so that a key
that changes them repaints at once from the frame that is there. `tickertui.tui.view.chain_reader.ChainReader` builds
it.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.chain import NO_REFERENCE, ChainTotals, Reference, ReferenceKind
from tickertui.market.forward import ForwardSource
from tickertui.market.instruments import LEAST_DECIMALS, ChainRows
from tickertui.tui.view.data_states import LIVE_STATES, DataState, MarketView


class Field(IntEnum):
    """Columns of `ChainFrame.values`; NaN where there is no value. Prices in rupees, quantities in units."""

    LTP = 0
    CLOSE = 1
    BID = 2
    ASK = 3
    AVERAGE = 4
    HIGH = 5
    LOW = 6
    OI = 7
    VOLUME = 8
    BID_QTY = 9
    ASK_QTY = 10
    LAST_QTY = 11
    BUY_QTY = 12
    SELL_QTY = 13
    IV = 14
    """A decimal per year."""
    DELTA = 15
    GAMMA = 16
    THETA = 17
    """Rupees per calendar day."""
    VEGA = 18
    """Rupees per volatility point."""
    OI_CHANGE = 19
    """Since the previous close."""
    CHANGE = 20
    CHANGE_PCT = 21
    SPREAD = 22
    MARK_OI = 23
    """Change of the open interest since the mark was set."""
    MARK_LTP = 24
    MARK_VOLUME = 25
    EXCHANGE_AT = 26
    """Epoch seconds of the exchange's time stamp; not shown in a cell."""
    TODAY = 27
    """The last price where it is of the session that is shown: what straddles are sums of; not shown in a cell."""


class BarMeaning(IntEnum):
    """What the bar in a cell stands for; the value is the index into `ChainFrame.bar_scales`."""

    OI = 0
    OI_CHANGE = 1
    VOLUME = 2

    @property
    def field(self) -> Field:
        """The field that is drawn."""
        return (Field.OI, Field.OI_CHANGE, Field.VOLUME)[self]

    @property
    def label(self) -> str:
        """Its name on screen."""
        return ("OI", "dOI", "Vol")[self]

    @property
    def next(self) -> BarMeaning:
        """The one after it, in a ring."""
        return BarMeaning((self + 1) % len(BarMeaning))


@frozen
class ChainKey:
    """Which chain a frame shows."""

    underlying: str
    expiry: date


@frozen
class ListedExpiry:
    """One expiry of the strip.

    Attributes:
        expiry: Its date.
        letter: W weekly, M monthly (the last one of its month), Q quarterly, H half-yearly.
        days: Calendar days from today.
        note: Why it is not on its usual day, empty when it is or nobody knows.
    """

    expiry: date
    letter: str
    days: int
    note: str = ""

    @property
    def is_today(self) -> bool:
        """Whether it expires today."""
        return self.days == 0


@frozen
class QuoteView:
    """One instrument of the header line.

    Attributes:
        label: ``NIFTY``, ``Fut``, ``VIX``.
        price: Rupees, NaN missing.
        change: Since the previous close, rupees, NaN missing.
        change_pct: The same in percent.
        direction: Of the last change of the price, -1, 0 or +1.
        state: What the price is worth.
        age_s: Seconds since its last packet, NaN before the first.
        last_close: Rupees, where there is no price of this session to show; NaN otherwise.
        close_day: ``Fri 20 Nov``: the session of that close.
        day: Of the price, where that is not the session whose values the chain shows; None where it is.
        settled_at: ``15:31``: when the closing auction's result was printed; empty outside an auction and before it.
        decimals: Of the price.
    """

    label: str
    price: float
    change: float = float("nan")
    change_pct: float = float("nan")
    direction: int = 0
    state: DataState = DataState.LIVE
    age_s: float = float("nan")
    last_close: float = float("nan")
    close_day: str = ""
    day: date | None = None
    settled_at: str = ""
    decimals: int = LEAST_DECIMALS


@frozen
class ChainSummary:
    """The third line: what the chain says as a whole.

    Attributes:
        reference: What the at-the-money row is measured from.
        atm_strike: Rupees, NaN when no reference is known.
        straddle: Call plus put at the money, rupees.
        straddle_pct: The same in percent of the reference.
        atm_iv: Mean implied volatility at the money, a decimal.
        forward: Forward of this expiry, `NO_REFERENCE` when it cannot be told.
        forward_source: Where it comes from, told while the closing auction runs; else NONE.
        oi_at: When an open interest of this chain was last seen to change, None when not yet.
        oi_age_s: Seconds since then, NaN when not yet.
        convention: How implied volatility and Greeks are computed, in words.
        marked_at: When the trader set the mark, None without one.
    """

    reference: Reference = NO_REFERENCE
    atm_strike: float = float("nan")
    straddle: float = float("nan")
    straddle_pct: float = float("nan")
    atm_iv: float = float("nan")
    forward: Reference = NO_REFERENCE
    forward_source: ForwardSource = ForwardSource.NONE
    oi_at: datetime | None = None
    oi_age_s: float = float("nan")
    convention: str = ""
    marked_at: datetime | None = None


@frozen(eq=False)
class ChainFrame:
    """One chain at one moment. Arrays are read-only; column 0 of the second axis is the call, 1 the put.

    Attributes:
        key: Which chain.
        number: Ascending from 1 for each reader.
        at: Wall time.
        at_ns: Monotonic time.
        contracts: Strikes, tokens, lot and tick size.
        values: float64[k, 2, fields] by `Field`.
        states: int8[k, 2] of `DataState`.
        directions: int32[k, 2]: arrow to show, 0 for none (the last change is long ago).
        flashes: int32[k, 2]: direction of a change within the last moment.
        ages: int32[k, 2]: seconds to show behind the price, -1 for none.
        old_greeks: bool[k, 2]: where the oldest input of the implied volatility is old.
        row_versions: int64[k]: `number` of the frame in which the row's look changed last.
        atm_row: Row at the money, -1 when no reference is known.
        bar_scales: What a full bar stands for, by `BarMeaning`.
        totals: Sums over all strikes.
        summary: The chain as a whole.
        underlying: Header entry of the underlying.
        future: Header entry of the future, None without one.
        others: Further header entries.
        expiries: The strip: the list that this chain's expiry stands in.
        market: What the calendar says.
        loaded: Legs with a price.
        on_board: bool[k, 2], the legs that somebody asks for: they have a row on the board.
        is_mock: Whether any value of this chain is synthetic.
        is_replay: Whether any value of this chain is a recorded one.
    """

    key: ChainKey
    number: int
    at: datetime
    at_ns: int
    contracts: ChainRows
    values: NDArray[np.float64]
    states: NDArray[np.int8]
    directions: NDArray[np.int32]
    flashes: NDArray[np.int32]
    ages: NDArray[np.int32]
    old_greeks: NDArray[np.bool_]
    row_versions: NDArray[np.int64]
    atm_row: int
    bar_scales: tuple[float, float, float]
    totals: ChainTotals
    summary: ChainSummary
    underlying: QuoteView
    future: QuoteView | None
    others: tuple[QuoteView, ...]
    expiries: tuple[ListedExpiry, ...]
    market: MarketView
    loaded: int
    on_board: NDArray[np.bool_]
    is_mock: bool
    is_replay: bool

    @property
    def legs(self) -> int:
        """Legs that are on the board."""
        return int(np.count_nonzero(self.on_board))

    @property
    def strikes(self) -> NDArray[np.float64]:
        """float64[k], ascending, rupees."""
        return self.contracts.strikes

    @property
    def tokens(self) -> NDArray[np.int64]:
        """int64[k, 2]: of both legs, calls first, -1 where a strike has none."""
        return np.stack((self.contracts.call_tokens, self.contracts.put_tokens), axis=1)

    def token(self, row: int, side: int) -> int:
        """Return the token of a leg, -1 where the strike has none."""
        column = self.contracts.put_tokens if side else self.contracts.call_tokens
        return int(column[row])

    def tag(self, rows: NDArray[np.intp]) -> StateTag:
        """Return the worst thing to say about these rows, and of how many of their subscribed legs it is true."""
        asked_for = self.states[rows][self.on_board[rows]]
        counts: list[int] = np.bincount(asked_for, minlength=_STATES).tolist()
        total = len(asked_for)
        if counts[_WAITING] == total:
            return StateTag(DataState.WAITING, total, total)
        for state in _TAG_ORDER:
            if counts[state]:
                return StateTag(state, counts[state], total)
        live, snapped = sum([counts[state] for state in LIVE_STATES]), counts[_SNAP]
        # A few legs that have not ticked since the last connect are told by their own mark; ``LIVE 40/42`` says so.
        if snapped > live:
            return StateTag(DataState.SNAP, snapped, total)
        if counts[_PAST] and not live:
            return StateTag(DataState.PAST, counts[_PAST], total)
        return StateTag(DataState.LIVE if live else DataState.WAITING, live, total)


_STATES, _WAITING, _SNAP, _PAST = (
    len(DataState), int(DataState.WAITING), int(DataState.SNAP), int(DataState.PAST),
)  # fmt: skip
_TAG_ORDER: Final = (
    DataState.MOCK, DataState.REPLAY, DataState.ERROR, DataState.STALE, DataState.CLOSED,
)  # fmt: skip


@frozen
class StateTag:
    """The header's tag.

    Attributes:
        state: What it says.
        count: Legs in that state (live and quiet ones for LIVE).
        total: Legs looked at: those that are subscribed.
    """

    state: DataState
    count: int
    total: int


__all__ = [
    "BarMeaning",
    "ChainFrame",
    "ChainKey",
    "ChainSummary",
    "Field",
    "ListedExpiry",
    "QuoteView",
    "ReferenceKind",
    "StateTag",
]  # fmt: skip
