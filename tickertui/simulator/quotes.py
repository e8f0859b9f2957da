"""Rows of the market as the JSON of the quote calls, and candles as that of the historical call.

Source of the shapes: Kite Connect v3 documentation, market quotes and historical candles.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market.candles import Candles
from tickertui.market.clock import from_epoch
from tickertui.market.instruments import Instrument, InstrumentKind, price_divisor
from tickertui.market.ticks import WORDS, Word
from tickertui.market.wire_prices import rupees_of

Json = dict[str, object]

BAND: Final = 0.2
"""The market does not model daily price bands: 20 % of the previous close, of the strike for an option."""

_IST_SECONDS: Final = 19_800


def ltp(row: NDArray[np.uint32], instrument: Instrument) -> Json:
    """Return an entry of ``/quote/ltp``."""
    return {"instrument_token": instrument.token, "last_price": _price(row, Word.LAST_PRICE, instrument)}


def ohlc(row: NDArray[np.uint32], instrument: Instrument) -> Json:
    """Return an entry of ``/quote/ohlc``."""
    return {**ltp(row, instrument), "ohlc": _ohlc(row, instrument)}


def quote(row: NDArray[np.uint32], instrument: Instrument) -> Json:
    """Return an entry of ``/quote``; an index has neither trades nor depth."""
    last, close = (_price(row, word, instrument) for word in (Word.LAST_PRICE, Word.CLOSE))
    shared: Json = {
        "instrument_token": instrument.token,
        "timestamp": time_text(int(row[Word.EXCHANGE_TIMESTAMP])),
        "last_price": last,
        "net_change": round(last - close, 4),
        "ohlc": _ohlc(row, instrument),
    }
    if instrument.kind is InstrumentKind.INDEX:
        return {**shared, **_NO_TRADES}
    lower, upper = _band(close, instrument)
    return {
        **shared,
        "last_trade_time": time_text(int(row[Word.LAST_TRADE_TIME])),
        "last_quantity": int(row[Word.LAST_QUANTITY]),
        "buy_quantity": int(row[Word.BUY_QUANTITY]),
        "sell_quantity": int(row[Word.SELL_QUANTITY]),
        "volume": int(row[Word.VOLUME]),
        "average_price": _price(row, Word.AVERAGE_PRICE, instrument),
        "oi": int(row[Word.OPEN_INTEREST]),
        "oi_day_high": int(row[Word.OI_DAY_HIGH]),
        "oi_day_low": int(row[Word.OI_DAY_LOW]),
        "lower_circuit_limit": lower,
        "upper_circuit_limit": upper,
        "depth": {"buy": _levels(row, Word.DEPTH, instrument), "sell": _levels(row, Word.DEPTH + 15, instrument)},
    }


_NO_TRADES: Final[Json] = {
    "last_trade_time": "",
    "last_quantity": 0,
    "buy_quantity": 0,
    "sell_quantity": 0,
    "volume": 0,
    "average_price": 0,
    "oi": 0,
    "oi_day_high": 0,
    "oi_day_low": 0,
    "lower_circuit_limit": 0,
    "upper_circuit_limit": 0,
    "depth": {"buy": None, "sell": None},
}


def candle_rows(candles: Candles, token: int, *, with_oi: bool) -> list[list[object]]:
    """Return candles as the broker's arrays: time, open, high, low, close, volume and, if wanted, open interest."""
    divisor = price_divisor(token)
    times = np.datetime_as_string((candles.start + _IST_SECONDS).astype("datetime64[s]"))
    columns: list[list[object]] = [[f"{text}+0530" for text in times.tolist()]]
    prices = (candles.open, candles.high, candles.low, candles.close)
    columns += [(column / divisor).tolist() for column in prices]
    columns.append(candles.volume.tolist())
    if with_oi:
        columns.append(np.maximum(candles.oi, 0).tolist())
    return [list(row) for row in zip(*columns, strict=True)]


def time_text(epoch: int) -> str:
    """Return epoch seconds as the broker writes times: market time without a zone; empty for never."""
    return from_epoch(epoch).strftime("%Y-%m-%d %H:%M:%S") if epoch else ""


def is_expired(instrument: Instrument, today: date) -> bool:
    """Return whether a contract is gone: it is quoted no more and has no history."""
    return instrument.expiry is not None and instrument.expiry < today


def _price(row: NDArray[np.uint32], word: int, instrument: Instrument) -> float:
    price = rupees_of(int(row[word]), instrument.token)
    return price if price == price else 0.0


def _ohlc(row: NDArray[np.uint32], instrument: Instrument) -> Json:
    words = {"open": Word.OPEN, "high": Word.HIGH, "low": Word.LOW, "close": Word.CLOSE}
    return {name: _price(row, word, instrument) for name, word in words.items()}


def _levels(row: NDArray[np.uint32], first: int, instrument: Instrument) -> list[Json]:
    assert len(row) == WORDS
    return [
        {
            "price": _price(row, at + 1, instrument),
            "quantity": int(row[at]),
            "orders": int(row[at + 2]) >> 16,
        }
        for at in range(first, first + 15, 3)
    ]


def _band(close: float, instrument: Instrument) -> tuple[float, float]:
    width = BAND * (instrument.strike if instrument.strike is not None else close)
    tick = instrument.tick_size or 0.05
    lower, upper = max(tick, close - width), close + width
    return round(round(lower / tick) * tick, 4), round(round(upper / tick) * tick, 4)
