"""Immutable views of one instrument on the board: for the depth pane, the leg inspector and the mock generator.

The chain grid does not use them; it reads columns.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.board import Derived, MarketBoard
from tickertui.market.clock import from_epoch
from tickertui.market.instruments import INDEX_SEGMENT_CODE, Instrument
from tickertui.market.stamps import FIRST_TIME
from tickertui.market.ticks import ABSENT, DEPTH_ORDERS, DEPTH_PRICE, DEPTH_QUANTITY, Mode, Source, Word
from tickertui.market.wire_prices import rupees_of

_DEPTH_ROWS: Final = 5


@frozen
class DepthLevel:
    """One price level of the order book.

    Attributes:
        quantity: Units.
        price: Rupees.
        orders: Number of orders.
    """

    quantity: int
    price: float
    orders: int


@frozen
class MarketDepth:
    """The order book's best five levels a side; empty levels are left out.

    Attributes:
        buy: Bids, best (highest) first.
        sell: Offers, best (lowest) first.
    """

    buy: tuple[DepthLevel, ...]
    sell: tuple[DepthLevel, ...]

    @property
    def spread(self) -> float:
        """Best offer less best bid, rupees; NaN where a side is empty."""
        return self.sell[0].price - self.buy[0].price if self.buy and self.sell else float("nan")


@frozen
class OptionSnapshot:
    """One option, future or share as the board held it.

    Attributes:
        instrument: The contract.
        last_price: Rupees, NaN when nothing came yet.
        volume: Units traded today, -1 when not known; `tickertui.market.figures.AT_LEAST` stands for that and more.
        oi: Open interest in units, -1 when not known.
        oi_change: Since the previous close, None when that is not known.
        iv: Implied volatility, a decimal per year; NaN when there is none.
        delta: Per rupee of the underlying.
        gamma: Per rupee.
        theta: Rupees per calendar day.
        vega: Rupees per volatility point.
        source: Where the values come from.
        exchange_at: The exchange's time stamp, None when the packet carried none.
        received_at: When it arrived here, None before the first packet.
        depth: Five levels a side, None outside full mode.
        total_buy_quantity: Units bid for in the whole book, -1 when not known.
        total_sell_quantity: Units offered, -1 when not known.
    """

    instrument: Instrument
    last_price: float
    volume: int
    oi: int
    oi_change: int | None
    iv: float
    delta: float
    gamma: float
    theta: float
    vega: float
    source: Source
    exchange_at: datetime | None
    received_at: datetime | None
    depth: MarketDepth | None
    total_buy_quantity: int
    total_sell_quantity: int

    @property
    def is_mock(self) -> bool:
        """Whether the values are synthetic."""
        return self.source is Source.MOCK


@frozen
class UnderlyingBar:
    """The running bar of an underlying: the day's from the board, or a shorter one that a feed has formed.

    Attributes:
        symbol: Name of the underlying.
        token: The broker's ``instrument_token``.
        open: Rupees, NaN when not known.
        high: Rupees.
        low: Rupees.
        close: Last price, rupees.
        previous_close: Close of the session before, rupees.
        volume: Units, -1 for an index.
        at: When the values were valid, None before the first packet.
        source: Where the values come from.
    """

    symbol: str
    token: int
    open: float
    high: float
    low: float
    close: float
    previous_close: float
    volume: int
    at: datetime | None
    source: Source

    @property
    def is_mock(self) -> bool:
        """Whether the values are synthetic."""
        return self.source is Source.MOCK


def market_depth(board: MarketBoard, token: int) -> MarketDepth | None:
    """Return the order book of a token, or None where its last packet carried none."""
    row = board.row(token)
    is_index = token & 0xFF == INDEX_SEGMENT_CODE
    if not row or is_index or board.mode_of(row) is not Mode.FULL or board.source_of(row) is Source.NONE:
        return None
    raw: NDArray[np.uint32] = board.words[row]
    prices = [rupees_of(word, token) for word in raw[DEPTH_PRICE].tolist()]
    quantities, orders = raw[DEPTH_QUANTITY].tolist(), (raw[DEPTH_ORDERS] >> 16).tolist()
    levels = [
        DepthLevel(quantity, price, count) for quantity, price, count in zip(quantities, prices, orders, strict=True)
    ]
    # The broker pads a short book with levels of price 0: no price.
    buy, sell = levels[:_DEPTH_ROWS], levels[_DEPTH_ROWS:]
    return MarketDepth(*(tuple(level for level in side if level.price == level.price) for side in (buy, sell)))


def option_snapshot(board: MarketBoard, instrument: Instrument) -> OptionSnapshot:
    """Return what the board holds of one contract; an instrument that is not on it has every value missing."""
    row = board.row(instrument.token)
    volume, oi, change = (float(column[0]) for column in board.interest([row]))
    derived = board.derived[row].tolist()
    return OptionSnapshot(
        instrument=instrument,
        last_price=float(board.price([row])[0]),
        volume=_units(volume),
        oi=_units(oi),
        oi_change=None if change != change else int(change),
        iv=derived[Derived.IV],
        delta=derived[Derived.DELTA],
        gamma=derived[Derived.GAMMA],
        theta=derived[Derived.THETA],
        vega=derived[Derived.VEGA],
        source=board.source_of(row),
        exchange_at=_exchange_time(board, row),
        received_at=_received_time(board, row),
        depth=market_depth(board, instrument.token),
        total_buy_quantity=int(board.field([row], Word.BUY_QUANTITY)[0]),
        total_sell_quantity=int(board.field([row], Word.SELL_QUANTITY)[0]),
    )


def _units(value: float) -> int:
    return ABSENT if value != value else int(value)


def _exchange_time(board: MarketBoard, row: int) -> datetime | None:
    seconds = int(board.field([row], Word.EXCHANGE_TIMESTAMP)[0])
    return from_epoch(seconds) if seconds >= FIRST_TIME else None


def _received_time(board: MarketBoard, row: int) -> datetime | None:
    nanoseconds = int(board.received_wall_ns[row])
    return from_epoch(nanoseconds / 1e9) if nanoseconds else None
