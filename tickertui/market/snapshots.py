"""Immutable views of one instrument on the board: for the depth pane, the leg inspector, `headless` and exports.

The chain grid does not use them; it reads columns. `OptionSnapshot.to_payload` keeps the keys that consumers of the
original service know.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from tickertui.market.board import Derived, MarketBoard
from tickertui.market.clock import from_epoch
from tickertui.market.instruments import INDEX_SEGMENT_CODE, Instrument, price_divisor
from tickertui.market.ticks import ABSENT, DEPTH_ORDERS, DEPTH_PRICE, DEPTH_QUANTITY, Mode, Source, Word
from tickertui.values import frozen

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

    def to_dict(self) -> DepthPayload:
        """Return the levels as plain lists."""
        return {"buy": [_level(level) for level in self.buy], "sell": [_level(level) for level in self.sell]}


class LevelPayload(TypedDict):
    """A level as consumers of the payload know it."""

    quantity: int
    price: float
    orders: int


class DepthPayload(TypedDict):
    """The book as consumers of the payload know it."""

    buy: list[LevelPayload]
    sell: list[LevelPayload]


class _RequiredPayload(TypedDict):
    symbol: str
    token: int
    tradingsymbol: str
    segment: str
    exchange: str
    strike: float | None
    expiry: str | None
    type: str
    lot_size: int
    tick_size: float
    price: float | None
    volume: int | None
    oi: int | None
    iv: float | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    ts: int
    is_mock: bool
    source: str


class OptionPayload(_RequiredPayload, total=False):
    """`OptionSnapshot` as plain values; what is not known is None, never 0."""

    depth: DepthPayload
    total_buy_quantity: int | None
    total_sell_quantity: int | None


def _level(level: DepthLevel) -> LevelPayload:
    return {"quantity": level.quantity, "price": level.price, "orders": level.orders}


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _present(value: int) -> int | None:
    return None if value == ABSENT else value


@frozen
class OptionSnapshot:
    """One option, future or share as the board held it.

    Attributes:
        instrument: The contract.
        last_price: Rupees, NaN when nothing came yet.
        volume: Units traded today, -1 when not known.
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

    @property
    def timestamp(self) -> int:
        """Epoch seconds of the exchange, else of the receipt, else 0."""
        at = self.exchange_at or self.received_at
        return int(at.timestamp()) if at else 0

    def to_payload(self) -> OptionPayload:
        """Return plain values under the keys of the original service, with ``source`` added.

        A consumer that stores data must drop a payload whose ``is_mock`` is true.
        """
        instrument = self.instrument
        payload: OptionPayload = {
            "symbol": instrument.name,
            "token": instrument.token,
            "tradingsymbol": instrument.tradingsymbol,
            "segment": instrument.segment,
            "exchange": instrument.exchange,
            "strike": instrument.strike,
            "expiry": instrument.expiry.isoformat() if instrument.expiry else None,
            "type": instrument.kind.label,
            "lot_size": instrument.lot_size,
            "tick_size": instrument.tick_size,
            "price": _known(self.last_price),
            "volume": _present(self.volume),
            "oi": _present(self.oi),
            "iv": _known(self.iv),
            "delta": _known(self.delta),
            "gamma": _known(self.gamma),
            "theta": _known(self.theta),
            "vega": _known(self.vega),
            "ts": self.timestamp,
            "is_mock": self.is_mock,
            "source": self.source.name.lower(),
        }
        if self.depth is not None:
            payload["depth"] = self.depth.to_dict()
            payload["total_buy_quantity"] = _present(self.total_buy_quantity)
            payload["total_sell_quantity"] = _present(self.total_sell_quantity)
        return payload


class BarPayload(TypedDict):
    """`UnderlyingBar` as plain values."""

    symbol: str
    token: int
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    previous_close: float | None
    volume: int | None
    ts: int
    is_mock: bool
    source: str


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

    @property
    def change(self) -> float:
        """Close less previous close, rupees; NaN where either is not known."""
        return self.close - self.previous_close

    def to_payload(self) -> BarPayload:
        """Return plain values; what is not known is None."""
        return {
            "symbol": self.symbol,
            "token": self.token,
            "open": _known(self.open),
            "high": _known(self.high),
            "low": _known(self.low),
            "close": _known(self.close),
            "previous_close": _known(self.previous_close),
            "volume": _present(self.volume),
            "ts": int(self.at.timestamp()) if self.at else 0,
            "is_mock": self.is_mock,
            "source": self.source.name.lower(),
        }


def market_depth(board: MarketBoard, token: int) -> MarketDepth | None:
    """Return the order book of a token, or None where its last packet carried none."""
    row = board.row(token)
    is_index = token & 0xFF == INDEX_SEGMENT_CODE
    if not row or is_index or board.mode_of(row) is not Mode.FULL or board.source_of(row) is Source.NONE:
        return None
    raw: NDArray[np.uint32] = board.words[row]
    prices = (raw[DEPTH_PRICE] / price_divisor(token)).tolist()
    quantities, orders = raw[DEPTH_QUANTITY].tolist(), (raw[DEPTH_ORDERS] >> 16).tolist()
    levels = [
        DepthLevel(quantity, price, count) for quantity, price, count in zip(quantities, prices, orders, strict=True)
    ]
    # The broker pads a short book with levels of price 0.
    buy, sell = levels[:_DEPTH_ROWS], levels[_DEPTH_ROWS:]
    return MarketDepth(tuple(level for level in buy if level.price), tuple(level for level in sell if level.price))


def option_snapshot(board: MarketBoard, instrument: Instrument) -> OptionSnapshot:
    """Return what the board holds of one contract; an instrument that is not on it has every value missing."""
    row = board.row(instrument.token)
    oi, previous = int(board.field([row], Word.OPEN_INTEREST)[0]), int(board.previous_oi[row])
    derived = board.derived[row].tolist()
    return OptionSnapshot(
        instrument=instrument,
        last_price=float(board.price([row])[0]),
        volume=int(board.field([row], Word.VOLUME)[0]),
        oi=oi,
        oi_change=None if ABSENT in (oi, previous) else oi - previous,
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


def underlying_bar(board: MarketBoard, instrument: Instrument) -> UnderlyingBar:
    """Return the day's bar of an underlying as the board holds it, every value missing where it is not on it."""
    row = board.row(instrument.token)
    open_, high, low, last, previous = (
        float(board.price([row], word)[0]) for word in (Word.OPEN, Word.HIGH, Word.LOW, Word.LAST_PRICE, Word.CLOSE)
    )
    return UnderlyingBar(
        symbol=instrument.name,
        token=instrument.token,
        open=open_,
        high=high,
        low=low,
        close=last,
        previous_close=previous,
        volume=int(board.field([row], Word.VOLUME)[0]),
        at=_exchange_time(board, row) or _received_time(board, row),
        source=board.source_of(row),
    )


def _exchange_time(board: MarketBoard, row: int) -> datetime | None:
    seconds = int(board.field([row], Word.EXCHANGE_TIMESTAMP)[0])
    return from_epoch(seconds) if seconds > 0 else None


def _received_time(board: MarketBoard, row: int) -> datetime | None:
    nanoseconds = int(board.received_wall_ns[row])
    return from_epoch(nanoseconds / 1e9) if nanoseconds else None
