"""A market for the simulator whose every value can be told beforehand: nothing is random, each step moves all rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from tickertui.market.candles import Candles, Interval
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.market.ticks import (
    DEPTH_ORDERS,
    DEPTH_PRICE,
    DEPTH_QUANTITY,
    INDEX_WIDTHS,
    WORDS,
    Mode,
    Source,
    TickBatch,
    Word,
)

NIFTY = 256265
EXPIRY = date(2026, 12, 1)
LATER = date(2026, 12, 29)

_FIRST_OPTION = 50_000


def option(number: int, strike: float, kind: InstrumentKind, expiry: date = EXPIRY) -> Instrument:
    """A NIFTY option; its token is made of ``number``."""
    return Instrument(
        token=number << 8 | 2,
        tradingsymbol=f"NIFTY{expiry:%y%b%d}{strike:g}{kind.label}".upper(),
        name="NIFTY",
        kind=kind,
        segment="NFO-OPT",
        exchange="NFO",
        expiry=expiry,
        strike=strike,
        tick_size=0.05,
        lot_size=65,
        exchange_token=number,
    )


def plain_instruments(strikes: int = 21) -> tuple[Instrument, ...]:
    """An index, an equity, futures of three price scales, and calls and puts of two expiries around 26,000."""
    rows = [
        Instrument(NIFTY, "NIFTY 50", "NIFTY 50", InstrumentKind.INDEX, "INDICES", "NSE", None, None, 0.0, 0, 1001),
        Instrument(408065, "INFY", "INFOSYS, LIMITED", InstrumentKind.EQUITY, "NSE", "NSE", None, None, 0.05, 1, 1594),
    ]
    for number, name, exchange, code in (
        (40_001, "NIFTY", "NFO", 2),
        (40_002, "USDINR", "CDS", 3),
        (40_003, "GOLD", "NCO", 12),
    ):
        rows.append(
            Instrument(
                token=number << 8 | code,
                tradingsymbol=f"{name}26DECFUT",
                name=name,
                kind=InstrumentKind.FUTURE,
                segment=f"{exchange}-FUT",
                exchange=exchange,
                expiry=LATER,
                tick_size=0.1,
                lot_size=65,
                exchange_token=number,
            )
        )
    number = _FIRST_OPTION
    for expiry in (EXPIRY, LATER):
        for place in range(strikes):
            for kind in (InstrumentKind.CALL, InstrumentKind.PUT):
                rows.append(option(number, 26_000.0 + 50 * (place - strikes // 2), kind, expiry))
                number += 1
    return tuple(rows)


class PlainMarket:
    """The market.

    Attributes:
        instruments: Its contracts; assign another table to list new ones.
        words: uint32[n, 46], its state; a test may write into it (the next step sends what it finds).
        without_data: Tokens that are listed but have no data.
        steps: How many steps it went.
        moves: Tokens that a step moves; None for all.
        tick: By how much a step raises their prices.
    """

    def __init__(self, instruments: Sequence[Instrument] | None = None) -> None:
        rows = plain_instruments() if instruments is None else instruments
        self.instruments = InstrumentTable.from_instruments(rows)
        self.words = np.zeros((0, WORDS), dtype=np.uint32)
        self.without_data: set[int] = set()
        self.steps = 0
        self.moves: set[int] | None = None
        self.tick = 5
        self._begin()

    def list_more(self, instruments: Sequence[Instrument]) -> None:
        """List new contracts."""
        known = [self.instruments.instrument(row) for row in range(len(self.instruments))]
        self.instruments = InstrumentTable.from_instruments([*known, *instruments])
        self._begin()

    def _begin(self) -> None:
        """Give the rows that have none yet a state that is made of their token."""
        old, tokens = self.words, self.instruments.tokens
        number = (tokens.astype(np.int64) >> 8)[:, None]
        self.words = (10_000 + number % 1000 * 100 + np.arange(WORDS)).astype(np.uint32)
        self.words[:, Word.TOKEN] = tokens
        self.words[:, Word.LAST_TRADE_TIME] = 1_795_000_000
        self.words[:, Word.EXCHANGE_TIMESTAMP] = 1_795_000_001
        self.words[:, DEPTH_QUANTITY] = 65 * np.arange(1, 11)
        self.words[:, DEPTH_PRICE] = self.words[:, [Word.LAST_PRICE]] + np.arange(-5, 5) * 5
        self.words[:, DEPTH_ORDERS] = np.arange(1, 11) << 16
        index = (tokens & 0xFF) == 9
        self.words[index, Word.LAST_QUANTITY : Word.OPEN] = 0
        self.words[index, Word.LAST_TRADE_TIME : Word.EXCHANGE_TIMESTAMP] = 0
        self.words[index, INDEX_WIDTHS[Mode.FULL] :] = 0
        self.words[: len(old)] = old

    def row(self, token: int) -> NDArray[np.uint32]:
        """The state of one instrument, to read or to change."""
        at = self.instruments.row(token)
        assert at is not None
        state: NDArray[np.uint32] = self.words[at]
        return state

    def rows(self, tokens: Iterable[int]) -> NDArray[np.uint32]:
        at = [
            row
            for token in tokens
            if token not in self.without_data and (row := self.instruments.row(token)) is not None
        ]
        return self.words[np.array(at, dtype=np.intp)]

    def step(self, now: datetime) -> TickBatch:
        """Raise every price that moves by a tick, and the exchange time to ``now``; a test may have changed more."""
        self.steps += 1
        if self.moves is None and not self.without_data:
            rows = np.arange(len(self.words))
        else:
            moving = self.moves if self.moves is not None else set(self.instruments.tokens.tolist())
            places = [self.instruments.row(token) for token in moving - self.without_data]
            rows = np.array([row for row in places if row is not None], dtype=np.intp)
        self.words[rows, Word.LAST_PRICE] += np.uint32(self.tick)
        self.words[rows, Word.EXCHANGE_TIMESTAMP] = int(now.timestamp())
        return TickBatch.from_rows(self.words[rows], Source.MOCK)

    def candles(self, token: int, start: datetime, end: datetime, interval: Interval) -> Candles:
        """A candle at each multiple of the interval since the epoch, its values made of its number."""
        first = -(-int(start.timestamp()) // interval.seconds)
        numbers = np.arange(first, int(end.timestamp()) // interval.seconds + 1, dtype=np.int64)
        price = 10_000 + numbers % 997
        columns = (
            numbers * interval.seconds,
            price,
            price + 15,
            price - 10,
            price + 5,
            numbers % 89,
            numbers % 77 * 65,
        )
        return Candles.from_rows(np.column_stack(columns))
