"""Which price a volatility was computed from, and when a contract traded last, in words: for the view of one leg."""

from __future__ import annotations

from datetime import datetime
from math import isnan
from typing import Final

from tickertui.market.board import Derived, MarketBoard
from tickertui.market.clock import Clock, from_epoch
from tickertui.market.instruments import Instrument, InstrumentKind
from tickertui.market.price_selection import PriceSource, VolatilityOrigin
from tickertui.market.stamps import FIRST_TIME
from tickertui.market.ticks import Mode, Word
from tickertui.tui.look import format as fmt

_LEGS: Final = {InstrumentKind.CALL: "call", InstrumentKind.PUT: "put"}
_OTHERS: Final = {InstrumentKind.CALL: "put", InstrumentKind.PUT: "call"}


def volatility_words(board: MarketBoard, place: int, instrument: Instrument, now: datetime) -> str:
    """``the put's mid 183.05 of 11:41:03``: of which leg and which kind the price behind a volatility is.

    Args:
        board: With the values of the last valuation.
        place: Row of the leg.
        instrument: Its contract.
        now: Aware datetime; the day is told of what is not of today.
    """
    own = f"{_LEGS.get(instrument.kind, 'contract')}'s {_price_words(board, place, instrument.decimals, now)}"
    origin, other_token = _code(board, place, Derived.IV_ORIGIN), _code(board, place, Derived.OTHER_LEG)
    if origin == VolatilityOrigin.OWN or not other_token:
        return f"the {own}"
    price = _price_words(board, board.row(other_token), instrument.decimals, now)
    other = f"the {_OTHERS.get(instrument.kind, 'other leg')}'s {price}"
    return other if origin == VolatilityOrigin.OTHER_LEG else f"the {own} and {other}"


def _price_words(board: MarketBoard, place: int, decimals: int, now: datetime) -> str:
    """``mid 183.05 of 11:41:03``."""
    source = PriceSource(_code(board, place, Derived.PRICE_SOURCE))
    word = "price" if source is PriceSource.NONE else source.name.lower()
    seconds = float(board.derived[place, Derived.PRICE_AT])
    at = "" if isnan(seconds) or seconds < FIRST_TIME else f" of {_instant(from_epoch(seconds), now)}"
    return f"{word} {fmt.price(float(board.derived[place, Derived.PRICE]), decimals)}{at}"


def _instant(at: datetime, now: datetime) -> str:
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%a %d %b %H:%M:%S}"


def _code(board: MarketBoard, place: int, column: Derived) -> int:
    """A whole number of the valuation, 0 where it has none."""
    value = float(board.derived[place, column])
    return 0 if isnan(value) else int(value)


def trade_words(board: MarketBoard, place: int, clock: Clock) -> str:
    """``Fri 27 Nov 15:29:58, a day before``: when a contract traded last, as far as its packets tell.

    Args:
        board: Where they are.
        place: Row of the contract.
        clock: Says what today is.
    """
    mode, now = board.mode_of(place), clock.now()
    if mode is Mode.NONE:
        return "no packet yet"
    nothing = "nothing traded in this session; " if board.untraded(place) else ""
    if mode is Mode.FULL:
        seconds = int(board.field([place], Word.LAST_TRADE_TIME)[0])
        if seconds < FIRST_TIME:
            return f"{nothing}no time of a last trade"
        at = from_epoch(seconds)
        days = (now.date() - at.date()).days
        before = "" if days <= 0 else ", a day before" if days == 1 else f", {days} days before"
        return f"{nothing}last one {at:%a %d %b %H:%M:%S}{before}"
    if nothing:
        return f"{nothing}quote mode does not tell when the last one was"
    moved = int(board.moved_ns[place])
    if mode is Mode.LTP and not moved:
        return "ltp mode tells neither time nor volume: the price may be of any day"
    seen = from_epoch((clock.time_ns() - (clock.monotonic_ns() - moved)) / 1e9) if moved else None
    last = f"; the price was seen to move {seen:%a %d %b %H:%M:%S}" if seen is not None else ""
    return f"{mode.label} mode does not tell when{last}"
