"""Boards whose options are priced from known forwards and volatilities, to check valuation against them."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Final

import numpy as np

from tickertui.market.board import MarketBoard
from tickertui.market.clock import IST, ManualClock
from tickertui.market.greeks import GreeksCalculator
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.market.ticks import (
    ASK_PRICE,
    ASK_QUANTITY,
    BID_PRICE,
    BID_QUANTITY,
    WORDS,
    Mode,
    Source,
    TickBatch,
    Word,
)

SPOT_TOKEN: Final = 256265
NOW: Final = datetime(2026, 11, 25, 11, 0, tzinfo=IST)
RATE: Final = 0.055


class Market:
    """A small market: the contracts, their true forwards and volatilities.

    Args:
        underlyings: Name -> spot.
        expiries: Of every underlying.
        strikes: Strikes each side of the money, 50 apart.
        futures: Whether each expiry has a future.
        end: Time of day at which everything expires.
    """

    def __init__(
        self,
        underlyings: dict[str, float],
        expiries: tuple[date, ...],
        strikes: int = 20,
        *,
        futures: bool = True,
        end: time = time(15, 40),
    ) -> None:
        self.spots = underlyings
        self.expiries = expiries
        instruments = []
        for number, (name, spot) in enumerate(underlyings.items()):
            centre = round(spot / 50) * 50
            base = 50_000 + number * 20_000
            for place, expiry in enumerate(expiries):
                for step in range(-strikes, strikes + 1):
                    for kind in (InstrumentKind.CALL, InstrumentKind.PUT):
                        token = (base + place * 1_000 + (step + strikes) * 2 + (kind - 3)) << 8 | 2
                        strike = centre + 50.0 * step
                        symbol = f"{name}{expiry:%d%b}{strike:.0f}{kind.label}"
                        instruments.append(
                            Instrument(token, symbol, name, kind, "NFO-OPT", "NFO", expiry, strike, 0.05, 65)
                        )
                if futures:
                    token = (base + place * 1_000 + 999) << 8 | 2
                    symbol = f"{name}{expiry:%b}FUT"
                    instruments.append(
                        Instrument(token, symbol, name, InstrumentKind.FUTURE, "NFO-FUT", "NFO", expiry, None, 0.1, 65)
                    )
        self.end = end
        self.table = InstrumentTable.from_instruments(instruments)
        self.clock = ManualClock(NOW)
        self.board = MarketBoard(len(self.table) + 8)
        self.index_tokens = {name: SPOT_TOKEN + (number << 8) for number, name in enumerate(underlyings)}
        self.board.ensure([*self.table.tokens.tolist(), *self.index_tokens.values()])

    def index_token(self, underlying: str) -> int | None:
        return self.index_tokens.get(underlying)

    def years(self, expiry: date) -> float:
        end = datetime.combine(expiry, self.end, IST)
        return (end - self.clock.now()).total_seconds() / (365 * 86_400)

    def forward(self, name: str, expiry: date) -> float:
        return self.spots[name] * float(np.exp(RATE * self.years(expiry)))

    @staticmethod
    def volatility(strike: float, forward: float) -> float:
        """A skewed smile."""
        x = np.log(strike / forward)
        return float(0.13 - 0.25 * x + 1.5 * x * x)

    def apply(
        self,
        source: Source = Source.LIVE,
        spread: float = 0.10,
        only: set[int] | None = None,
        *,
        mode: Mode = Mode.FULL,
        volume: int = 6_500,
        raised: float = 0.0,
    ) -> None:
        """Price everything at this moment and put it on the board.

        Args:
            source: Where it is from.
            spread: Ask less bid, rupees.
            only: Tokens to price, None for all.
            mode: How much of each packet comes.
            volume: Units of the day of each contract.
            raised: Rupees by which each contract is dearer than the model has it.
        """
        rows = []
        calculator = GreeksCalculator()
        now_s = int(self.clock.now().timestamp())
        for at in range(len(self.table)):
            contract = self.table.instrument(at)
            assert contract.expiry is not None
            if only is not None and contract.token not in only:
                continue
            forward = self.forward(contract.name, contract.expiry)
            price = forward
            if contract.strike is not None:
                iv = self.volatility(contract.strike, forward)
                is_call = contract.kind is InstrumentKind.CALL
                price = float(
                    calculator.greeks(forward, contract.strike, self.years(contract.expiry), is_call, iv).price
                )
            row = np.zeros(WORDS, dtype=np.uint32)
            row[Word.TOKEN] = contract.token
            row[Word.LAST_PRICE] = max(1, round((price + raised) * 100))
            row[Word.LAST_TRADE_TIME] = row[Word.EXCHANGE_TIMESTAMP] = now_s
            row[Word.VOLUME] = volume
            row[BID_PRICE], row[ASK_PRICE] = (max(0, round((price + side * spread / 2) * 100)) for side in (-1, 1))
            row[BID_QUANTITY] = row[ASK_QUANTITY] = 650
            rows.append(row)
        for name, token in self.index_tokens.items():
            if only is None or token in only:
                row = np.zeros(WORDS, dtype=np.uint32)
                row[Word.TOKEN], row[Word.LAST_PRICE] = token, round(self.spots[name] * 100)
                row[Word.EXCHANGE_TIMESTAMP] = now_s
                rows.append(row)
        batch = TickBatch.from_rows(
            np.array(rows),
            source,
            mode=mode,
            received_ns=self.clock.monotonic_ns(),
            received_wall_ns=self.clock.time_ns(),
        )
        self.board.apply(batch)
