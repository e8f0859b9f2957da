"""What the broker's REST calls give, as values: read from its JSON by `tickertui.kite.client`.

A reader raises `AnswerError` when the JSON is not what the protocol says, and never anything else.

Source: Kite Connect v3 documentation, user, market quotes and instruments, historical candle data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.kite.secrets import Secret
from tickertui.market.candles import Candles
from tickertui.market.clock import IST
from tickertui.market.figures import AT_LEAST, NO_FIGURE
from tickertui.market.instruments import price_divisor
from tickertui.market.ticks import WORDS, Word
from tickertui.market.wire_prices import price_word

_LARGEST_TOKEN: Final = (1 << 32) - 1
_LEVELS: Final = 5
_CANDLE_COLUMNS: Final = 6
_MOST_RUPEES: Final = 1e10
"""No price comes near it; times the largest divisor, 10^7, it still fits 64 bits. NaN and infinity fail it too."""


class AnswerError(ValueError):
    """The JSON is not in the expected form; the text says what is missing."""


# ---------------------------------------------------------------------- user


@frozen
class Session:
    """What a login gives.

    Attributes:
        user_id: The broker's user.
        user_name: Name for display.
        access_token: Token of the day.
        login_time: Aware datetime, None when the broker did not say.
    """

    user_id: str
    user_name: str
    access_token: Secret
    login_time: datetime | None


@frozen
class Profile:
    """Whose session it is.

    Attributes:
        user_id: The broker's user.
        user_name: Name for display.
        exchanges: Where the user may trade.
        products: The broker's product codes.
    """

    user_id: str
    user_name: str
    exchanges: tuple[str, ...] = ()
    products: tuple[str, ...] = ()


def read_session(data: object) -> Session:
    """Read the answer to the exchange of a request token."""
    answer = _object(data, "session")
    token, user_id = answer.get("access_token"), answer.get("user_id")
    if not isinstance(token, str) or not token or not isinstance(user_id, str):
        raise AnswerError("it has no access_token or user_id")
    return Session(user_id, _text(answer, "user_name"), Secret(token), _instant(answer.get("login_time")))


def read_profile(data: object) -> Profile:
    """Read the answer of ``/user/profile``."""
    answer = _object(data, "profile")
    user_id = _text(answer, "user_id")
    if not user_id:
        raise AnswerError("it has no user_id")
    return Profile(user_id, _text(answer, "user_name"), _texts(answer, "exchanges"), _texts(answer, "products"))


# ---------------------------------------------------------------------- quotes


@frozen
class QuoteLevel:
    """One level of the order book.

    Attributes:
        price: Rupees.
        quantity: Units.
        orders: Number of orders.
    """

    price: float
    quantity: int
    orders: int


@frozen
class Quote:
    """A full quote; NaN or -1 where the broker did not say (an index has no volume, open interest or depth).

    Attributes:
        token: The broker's ``instrument_token``.
        last_price: Rupees.
        last_quantity: Units.
        average_price: Rupees.
        volume: Units since the open.
        buy_quantity: Units bid for in the whole book.
        sell_quantity: Units offered in the whole book.
        open: Rupees.
        high: Rupees.
        low: Rupees.
        close: Close of the previous session, rupees.
        oi: Open interest, units.
        oi_day_high: Units.
        oi_day_low: Units.
        lower_circuit: Lowest price allowed today, rupees.
        upper_circuit: Highest price allowed today, rupees.
        timestamp: Aware datetime of the exchange.
        last_trade_time: Aware datetime, None when it never traded.
        bids: At most five, best first.
        asks: At most five, best first.
    """

    token: int
    last_price: float
    last_quantity: int
    average_price: float
    volume: int
    buy_quantity: int
    sell_quantity: int
    open: float
    high: float
    low: float
    close: float
    oi: int
    oi_day_high: int
    oi_day_low: int
    lower_circuit: float
    upper_circuit: float
    timestamp: datetime | None
    last_trade_time: datetime | None
    bids: tuple[QuoteLevel, ...] = field(default=())
    asks: tuple[QuoteLevel, ...] = field(default=())


def read_quotes(data: object) -> dict[str, Quote]:
    """Read the answer of ``/quote``: by the keys that were asked; what the broker left out is not there."""
    return {key: _quote(_object(item, f"quote of {key}")) for key, item in _object(data, "quotes").items()}


def _quote(item: Mapping[str, object]) -> Quote:
    prices, depth = _part(item, "ohlc"), _part(item, "depth")
    return Quote(
        token=_token(item),
        last_price=_number(item, "last_price"),
        last_quantity=_integer(item, "last_quantity"),
        average_price=_number(item, "average_price"),
        volume=_integer(item, "volume"),
        buy_quantity=_integer(item, "buy_quantity"),
        sell_quantity=_integer(item, "sell_quantity"),
        open=_number(prices, "open"),
        high=_number(prices, "high"),
        low=_number(prices, "low"),
        close=_number(prices, "close"),
        oi=_integer(item, "oi"),
        oi_day_high=_integer(item, "oi_day_high"),
        oi_day_low=_integer(item, "oi_day_low"),
        lower_circuit=_number(item, "lower_circuit_limit"),
        upper_circuit=_number(item, "upper_circuit_limit"),
        timestamp=_instant(item.get("timestamp")),
        last_trade_time=_instant(item.get("last_trade_time")),
        bids=_levels(depth.get("buy")),
        asks=_levels(depth.get("sell")),
    )


def _levels(data: object) -> tuple[QuoteLevel, ...]:
    """Levels of one side; null for an index."""
    if not isinstance(data, list):
        return ()
    return tuple(
        QuoteLevel(_number(level, "price"), _integer(level, "quantity"), _integer(level, "orders"))
        for level in data[:_LEVELS]
        if isinstance(level, dict)
    )


def read_last_prices(data: object) -> dict[str, float]:
    """Read the answer of ``/quote/ltp``: rupees by the keys that were asked."""
    answer = _object(data, "last prices")
    return {key: _number(_object(item, f"last price of {key}"), "last_price") for key, item in answer.items()}


def quote_words(quotes: Sequence[Quote]) -> NDArray[np.uint32]:
    """Return quotes as rows of the board, uint32[n, 46].

    A price or time that a quote does not say is 0, as on the wire; a quantity is `NO_FIGURE`, since 0 is one, and one
    of more than 32 bits is `AT_LEAST`.
    """
    words = np.zeros((len(quotes), WORDS), dtype=np.uint32)
    for row, quote in enumerate(quotes):
        _fill_row(words[row], quote)
    return words


def _fill_row(row: NDArray[np.uint32], quote: Quote) -> None:
    row[Word.TOKEN] = quote.token
    for word, price in (
        (Word.LAST_PRICE, quote.last_price),
        (Word.AVERAGE_PRICE, quote.average_price),
        (Word.OPEN, quote.open),
        (Word.HIGH, quote.high),
        (Word.LOW, quote.low),
        (Word.CLOSE, quote.close),
    ):
        row[word] = price_word(price, quote.token)
    for word, quantity in (
        (Word.LAST_QUANTITY, quote.last_quantity),
        (Word.VOLUME, quote.volume),
        (Word.BUY_QUANTITY, quote.buy_quantity),
        (Word.SELL_QUANTITY, quote.sell_quantity),
        (Word.OPEN_INTEREST, quote.oi),
        (Word.OI_DAY_HIGH, quote.oi_day_high),
        (Word.OI_DAY_LOW, quote.oi_day_low),
    ):
        row[word] = NO_FIGURE if quantity < 0 else _clamped(quantity)
    for word, instant in ((Word.LAST_TRADE_TIME, quote.last_trade_time), (Word.EXCHANGE_TIMESTAMP, quote.timestamp)):
        row[word] = 0 if instant is None else _clamped(int(instant.timestamp()))
    for first, levels in ((Word.DEPTH, quote.bids), (Word.DEPTH + 3 * _LEVELS, quote.asks)):
        for number, level in enumerate(levels):
            at = first + 3 * number
            row[at] = _clamped(level.quantity)
            row[at + 1] = price_word(level.price, quote.token)
            row[at + 2] = min(_clamped(level.orders), 0xFFFF) << 16


def _clamped(value: int) -> int:
    return min(max(value, 0), AT_LEAST)


# ---------------------------------------------------------------------- candles


def read_candles(data: object, token: int) -> Candles:
    """Read the answer of ``/instruments/historical``.

    The broker's answers were seen with repeated and disordered candles: of two with the same start the later one in
    the answer counts, and the result ascends.

    Args:
        data: The answer.
        token: Whose; its segment tells the wire's integer for a price.
    """
    rows = _object(data, "history").get("candles")
    if not isinstance(rows, list):
        raise AnswerError("it has no list of candles")
    if not rows:
        return Candles.empty()
    try:
        starts = _starts([row[0] for row in rows])
        prices = np.array([row[1:5] for row in rows], dtype=np.float64)
        volume = np.array([row[5] for row in rows], dtype=np.int64)
        oi = np.array([row[6] if len(row) > _CANDLE_COLUMNS else -1 for row in rows], dtype=np.int64)
    except (TypeError, ValueError, IndexError, KeyError, OverflowError):
        raise AnswerError(_bad_candle(rows)) from None
    if prices.shape != (len(rows), 4) or not (np.abs(prices) < _MOST_RUPEES).all():
        raise AnswerError(_bad_candle(rows))
    wire = np.rint(prices * price_divisor(token)).astype(np.int64)
    table = np.column_stack((starts, wire, volume, oi))
    if len(rows) > 1 and not (starts[1:] > starts[:-1]).all():
        # unique() keeps the first of equal ones: look from behind.
        _, last = np.unique(starts[::-1], return_index=True)
        table = table[::-1][last]
    return Candles.from_rows(table)


def _starts(texts: Sequence[str]) -> NDArray[np.int64]:
    """Epoch seconds of ``2026-11-25T09:15:00+0530``; numpy parses 22,500 of them in 5 ms when all are in IST."""
    if all(len(text) == 24 and text.endswith("+0530") for text in texts):
        local = np.array([text[:19] for text in texts], dtype="datetime64[s]")
        return local.astype(np.int64) - 19_800
    return np.array([int(_aware(text).timestamp()) for text in texts], dtype=np.int64)


def _bad_candle(rows: Sequence[object]) -> str:
    for number, row in enumerate(rows):
        good = (
            isinstance(row, list)
            and len(row) >= _CANDLE_COLUMNS
            and isinstance(row[0], str)
            and all(isinstance(value, int | float) and math.isfinite(value) for value in row[1:])
        )
        if not good:
            return f"candle {number} of {len(rows)} is not a time, four prices and a volume"
    return f"the {len(rows)} candles have different forms or impossible times"


# ---------------------------------------------------------------------- single values


def _object(data: object, what: str) -> Mapping[str, object]:
    if not isinstance(data, dict):
        raise AnswerError(f"the {what} is not an object but {type(data).__name__}")
    return data


def _part(data: Mapping[str, object], key: str) -> Mapping[str, object]:
    """A nested object, empty when it is missing or null."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _token(data: Mapping[str, object]) -> int:
    token = data.get("instrument_token")
    if isinstance(token, bool) or not isinstance(token, int) or not 0 < token <= _LARGEST_TOKEN:
        raise AnswerError("a quote has no instrument_token")
    return token


def _number(data: Mapping[str, object], key: str) -> float:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _integer(data: Mapping[str, object], key: str) -> int:
    number = _number(data, key)
    return -1 if math.isnan(number) else int(number)


def _text(data: Mapping[str, object], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _texts(data: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = data.get(key)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _instant(value: object) -> datetime | None:
    """``yyyy-mm-dd hh:mm:ss`` in IST, None for anything else: empty, null, never."""
    if not isinstance(value, str) or not value:
        return None
    try:
        return _aware(value)
    except ValueError:
        return None


def _aware(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=IST) if instant.tzinfo is None else instant.astimezone(IST)
