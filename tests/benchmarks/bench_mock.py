"""The mock market: a step of 9,000 options, what begins them, and a day of candles."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta

import numpy as np

from tests.benchmarks.harness import Result, best_of, compare
from tickertui.market.board import MarketBoard
from tickertui.market.candles import Interval
from tickertui.market.hours import IST, load_calendar
from tickertui.market.instruments import InstrumentKind
from tickertui.market.universe import load_universe, universe_instruments
from tickertui.synthetic.market import MockMarket

START = datetime(2026, 11, 25, 11, 0, tzinfo=IST)
OPTIONS = 9000


def _scalar_chain(forward: float, strikes: list[float], total: float) -> float:
    """Price options one at a time with the standard library, as a per-instrument mock does; price only."""
    prices = 0.0
    for strike in strikes:
        d1 = math.log(forward / strike) / total + total / 2
        call = forward * math.erfc(-d1 / 2**0.5) / 2 - strike * math.erfc(-(d1 - total) / 2**0.5) / 2
        prices += round(max(call, 0.05) / 0.05) * 0.05
    return prices


class _Stepper:
    """Steps a market by so many seconds at each call."""

    def __init__(self, market: MockMarket, seconds: float, board: MarketBoard | None = None) -> None:
        self._market = market
        self._by = timedelta(seconds=seconds)
        self._now = market.now
        self._board = board

    def __call__(self) -> None:
        """Take one step."""
        self._now += self._by
        batch = self._market.step(self._now)
        if self._board is not None:
            self._board.apply(batch)


def run() -> list[Result]:
    """Measure."""
    universe, calendar = load_universe(), load_calendar()
    table = universe_instruments(universe, START.date())
    options = table.tokens[table.kinds >= InstrumentKind.CALL][:OPTIONS].tolist()

    def fresh() -> MockMarket:
        market = MockMarket(universe, calendar, start=START, instruments=table)
        market.ensure(options)
        market.step(START)
        return market

    begin = best_of(fresh, rounds=3)
    market = fresh()
    # A minute apart every group's pulse has come: all 9,000 are priced and nearly all change.
    whole = best_of(_Stepper(market, 60.0), rounds=20)
    usual = best_of(_Stepper(market, 1.0), rounds=5, inner=60)
    board = MarketBoard(OPTIONS + 1)
    board.ensure(options)
    shown = best_of(_Stepper(market, 1.0, board), rounds=3, inner=60)
    strikes = np.linspace(20_000.0, 29_000.0, OPTIONS).tolist()
    scalar = best_of(lambda: _scalar_chain(24_352.4, strikes, 0.016), rounds=5)
    chain = table.chain("NIFTY", date(2026, 12, 1))
    assert chain is not None
    token, now = int(chain.call_tokens[50]), market.now
    day = best_of(lambda: market.candles(token, now - timedelta(days=1), now, Interval.MINUTE), rounds=3)
    peer = "price alone, one option at a time"
    return [
        compare("step, all 9,000 options repriced", whole * 1e3, "ms", peer, scalar * 1e3, "< 10 ms"),
        Result("step, one second of 9,000 options", usual * 1e3, "ms", target="< 10 ms"),
        Result("the same and applied to the board", shown * 1e3, "ms"),
        Result("begin 9,000 options", begin * 1e3, "ms"),
        Result("minute candles of a day with open interest", day * 1e3, "ms"),
    ]
