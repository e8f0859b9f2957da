"""The broker's text messages on the stream, as values: parsed by `tickertui.kite.stream`, handed to its sink.

Whatever the broker sends gives a `TextMessage`; what is not understood is an `UnknownText`, which is counted and
shown and never disturbs the stream.

Source: Kite Connect v3 documentation, WebSocket streaming, "Postbacks and non-binary updates"; the types
``instruments_meta`` and ``app_code`` are undocumented and sent at each connect.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from tickertui.frozen import frozen

_LONGEST_SHOWN: Final = 300


@frozen
class OrderUpdate:
    """Something happened to an order of this user, placed anywhere; tickertui shows it and cannot place any.

    Attributes:
        order_id: The broker's number.
        status: ``COMPLETE``, ``OPEN``, ``REJECTED``, ``CANCELLED``, ``UPDATE``, ...
        tradingsymbol: Contract.
        exchange: Exchange.
        instrument_token: Token, 0 when the message does not say.
        side: ``BUY`` or ``SELL``.
        quantity: Units ordered.
        filled_quantity: Units filled.
        average_price: Rupees, NaN when the message does not say.
        detail: The broker's words about a rejection, empty otherwise.
    """

    order_id: str
    status: str
    tradingsymbol: str
    exchange: str
    instrument_token: int
    side: str
    quantity: int
    filled_quantity: int
    average_price: float
    detail: str = ""


@frozen
class BrokerError:
    """The broker refused part of what was sent; the connection stays up.

    Attributes:
        text: E.g. ``Can't subscribe to more than 3000 instruments.``
    """

    text: str


@frozen
class BrokerMessage:
    """A message of the broker to its users."""

    text: str


@frozen
class InstrumentsMeta:
    """What the day's instruments dump looks like: a cheap test whether the one at hand is stale.

    Attributes:
        count: Rows.
        etag: Changes with each dump.
    """

    count: int
    etag: str


@frozen
class AppCode:
    """Sent at each connect; its meaning is the broker's.

    Attributes:
        timestamp: As sent.
    """

    timestamp: str


@frozen
class UnknownText:
    """A text that none of the others is.

    Attributes:
        reason: What was not understood.
        text: Its beginning.
    """

    reason: str
    text: str


TextMessage = OrderUpdate | BrokerError | BrokerMessage | InstrumentsMeta | AppCode | UnknownText


def parse_text(text: str) -> TextMessage:
    """Return the message that a text frame holds; never raises."""
    try:
        message = json.loads(text)
    except ValueError:
        return UnknownText("not JSON", text[:_LONGEST_SHOWN])
    except RecursionError:
        return UnknownText("nested too deeply", text[:_LONGEST_SHOWN])
    if not isinstance(message, dict):
        return UnknownText("not an object", text[:_LONGEST_SHOWN])
    kind = message.get("type")
    parse = _PARSERS.get(kind) if isinstance(kind, str) else None
    parsed = parse(message) if parse is not None else None
    if parsed is not None:
        return parsed
    if parse is None:
        return UnknownText(f"type {str(kind)[:40]!r} is not known", text[:_LONGEST_SHOWN])
    return UnknownText(f"a message of type {kind!r} without its data", text[:_LONGEST_SHOWN])


_Object = Mapping[str, object]


def _order(message: _Object) -> TextMessage | None:
    data = message.get("data")
    if not isinstance(data, dict) or not data.get("order_id"):
        return None
    return OrderUpdate(
        order_id=_string(data, "order_id"),
        status=_string(data, "status"),
        tradingsymbol=_string(data, "tradingsymbol"),
        exchange=_string(data, "exchange"),
        instrument_token=_integer(data, "instrument_token"),
        side=_string(data, "transaction_type"),
        quantity=_integer(data, "quantity"),
        filled_quantity=_integer(data, "filled_quantity"),
        average_price=_number(data, "average_price"),
        detail=_string(data, "status_message"),
    )


def _error(message: _Object) -> TextMessage | None:
    text = _words(message)
    return BrokerError(text) if text else None


def _message(message: _Object) -> TextMessage | None:
    text = _words(message)
    return BrokerMessage(text) if text else None


def _instruments_meta(message: _Object) -> TextMessage | None:
    data = message.get("data")
    if not isinstance(data, dict) or "count" not in data:
        return None
    return InstrumentsMeta(_integer(data, "count"), _string(data, "etag"))


def _app_code(message: _Object) -> TextMessage:
    return AppCode(_string(message, "timestamp"))


_PARSERS: Final[Mapping[str, Callable[[_Object], TextMessage | None]]] = {
    "order": _order,
    "error": _error,
    "message": _message,
    "instruments_meta": _instruments_meta,
    "app_code": _app_code,
}


def _words(message: _Object) -> str:
    """The data of a message as one line; the broker sends a string, sometimes an object with a message in it."""
    data = message.get("data")
    if isinstance(data, dict):
        data = data.get("message") or json.dumps(data)
    return " ".join(str(data or "").split())[:_LONGEST_SHOWN]


def _string(data: _Object, key: str) -> str:
    value = data.get(key)
    return "" if value is None else str(value)[:_LONGEST_SHOWN]


def _integer(data: _Object, key: str) -> int:
    number = _number(data, key)
    return int(number) if abs(number) < 1 << 53 else 0


def _number(data: _Object, key: str) -> float:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return float("nan")
    try:
        return float(value)
    except (ValueError, OverflowError):
        return float("nan")
