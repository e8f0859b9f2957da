"""A frozen, seeded option chain on a real board: what the screen's tests look at.

Prices follow Black-76 over a skewed smile, open interest clusters at round strikes, every figure comes from the seed.
Nothing here is market data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from tickertui.market.board import Derived, MarketBoard
from tickertui.market.chain import OptionChain
from tickertui.market.clock import IST, ManualClock
from tickertui.market.instruments import ChainRows, Instrument, InstrumentKind, InstrumentTable
from tickertui.market.ticks import (
    ASK_PRICE,
    ASK_QUANTITY,
    BID_PRICE,
    BID_QUANTITY,
    WORDS,
    Source,
    TickBatch,
    Word,
)

START = datetime(2026, 11, 23, 11, 42, 7, tzinfo=IST)
EXPIRIES = tuple(
    date.fromisoformat(day)
    for day in ("2026-11-23", "2026-12-01", "2026-12-08", "2026-12-15", "2026-12-22", "2026-12-29", "2027-01-25")
)
SPOT, FORWARD, SPOT_CLOSE = 24_352.40, 24_371.20, 24_266.25
SPOT_TOKEN = 256_265
FUTURE_TOKEN = 13_238_786 & ~0xFF | 2
LOT_SIZE = 65
STEP = 50.0


@dataclass(slots=True)
class Scene:
    """A chain on a board at a standing clock.

    Attributes:
        board: Spot, future and every leg.
        table: Their contracts.
        contracts: Strikes and tokens of the shown expiry.
        chain: The same over the board.
        clock: Stands at `START` after `build_scene`.
        model: float64[k, 2] prices in rupees.
        oi: int64[k, 2] units.
    """

    board: MarketBoard
    table: InstrumentTable
    contracts: ChainRows
    chain: OptionChain
    clock: ManualClock
    model: NDArray[np.float64]
    oi: NDArray[np.int64]
    volume: NDArray[np.int64]
    source: Source
    connections: int

    def words(
        self, rows: NDArray[np.intp] | None = None, *, moves: NDArray[np.float64] | None = None
    ) -> NDArray[np.uint32]:
        """Full packets of strikes (all by default), both legs, prices moved by so many rupees."""
        chosen = np.arange(len(self.chain)) if rows is None else rows
        prices = self.model[chosen] + (0.0 if moves is None else moves)
        tokens = self.chain.tokens[chosen]
        words = np.zeros((len(chosen) * 2, WORDS), dtype=np.uint32)
        paise = np.maximum(np.rint(prices.ravel() * 20).astype(np.int64) * 5, 5)
        spread = np.maximum(5, paise // 200 // 5 * 5)
        words[:, Word.TOKEN] = tokens.ravel()
        words[:, Word.LAST_PRICE] = paise
        words[:, Word.LAST_QUANTITY] = LOT_SIZE
        words[:, Word.AVERAGE_PRICE] = paise
        words[:, Word.VOLUME] = self.volume[chosen].ravel()
        words[:, Word.BUY_QUANTITY] = self.oi[chosen].ravel() // 9
        words[:, Word.SELL_QUANTITY] = self.oi[chosen].ravel() // 11
        words[:, Word.OPEN] = words[:, Word.HIGH] = paise + paise // 20
        words[:, Word.LOW] = paise - paise // 20
        words[:, Word.CLOSE] = np.rint(paise * 1.03 / 5).astype(np.int64) * 5
        words[:, Word.OPEN_INTEREST] = self.oi[chosen].ravel()
        words[:, Word.EXCHANGE_TIMESTAMP] = self.clock.time_ns() // 1_000_000_000
        words[:, Word.LAST_TRADE_TIME] = words[:, Word.EXCHANGE_TIMESTAMP]
        for level in range(5):
            bid, ask = BID_PRICE + 3 * level, ASK_PRICE + 3 * level
            words[:, bid] = np.maximum(paise - spread - 5 * level, 0)
            words[:, ask] = paise + spread + 5 * level
            words[:, BID_QUANTITY + 3 * level] = LOT_SIZE * (5 + 3 * level)
            words[:, ASK_QUANTITY + 3 * level] = LOT_SIZE * (4 + 2 * level)
            words[:, bid + 1] = (3 + level) << 16
            words[:, ask + 1] = (2 + level) << 16
        return words

    def apply(self, words: NDArray[np.uint32], connection: int = 0, source: Source | None = None) -> None:
        """Write rows into the board as received now."""
        self.board.apply(
            TickBatch.from_rows(
                words,
                self.source if source is None else source,
                received_ns=self.clock.monotonic_ns(),
                received_wall_ns=self.clock.time_ns(),
                connection=connection,
            )
        )

    def tick(self, rows: NDArray[np.intp], moves: NDArray[np.float64] | float = 0.0, connection: int = 0) -> None:
        """Let strikes tick, their prices moved by so many rupees from the model's."""
        self.apply(
            self.words(rows, moves=np.broadcast_to(np.asarray(moves, dtype=np.float64), (len(rows), 2))), connection
        )

    def tick_underlying(self, spot: float = SPOT, future: float = FORWARD) -> None:
        """Let spot and future tick."""
        words = np.zeros((2, WORDS), dtype=np.uint32)
        for row, (token, price, close) in enumerate(
            ((SPOT_TOKEN, spot, SPOT_CLOSE), (FUTURE_TOKEN, future, SPOT_CLOSE + 20))
        ):
            words[row, Word.TOKEN] = token
            words[row, Word.LAST_PRICE] = round(price * 100)
            words[row, Word.OPEN] = words[row, Word.HIGH] = words[row, Word.LOW] = round(price * 100)
            words[row, Word.CLOSE] = round(close * 100)
            words[row, Word.VOLUME] = 65_000 if token == FUTURE_TOKEN else 0
            words[row, Word.EXCHANGE_TIMESTAMP] = self.clock.time_ns() // 1_000_000_000
        self.apply(words)


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def smile(strike: float) -> float:
    """Implied volatility of a strike, a decimal."""
    moneyness = math.log(strike / FORWARD)
    return (
        0.118 - 0.45 * moneyness + 6.0 * moneyness**2 if moneyness < 0 else 0.118 - 0.25 * moneyness + 6 * moneyness**2
    )


def black76(strike: float, years: float) -> tuple[float, float, list[list[float]]]:
    """Price of the call and the put, and (iv, delta, gamma, theta per day, vega per point) of both."""
    sigma = smile(strike)
    deviation = sigma * math.sqrt(years)
    d1 = math.log(FORWARD / strike) / deviation + deviation / 2
    d2 = d1 - deviation
    density = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
    call = FORWARD * _normal(d1) - strike * _normal(d2)
    gamma, vega = density / (FORWARD * deviation), FORWARD * density * math.sqrt(years) / 100
    theta = -FORWARD * density * sigma / (2 * math.sqrt(years)) / 365
    greeks = [[sigma, delta, gamma, theta, vega] for delta in (_normal(d1), _normal(d1) - 1)]
    return call, call - FORWARD + strike, greeks


def build_table(strikes: NDArray[np.float64], expiry: date) -> InstrumentTable:
    """Spot, future and the options of one expiry as a day's table."""
    rows = [
        Instrument(SPOT_TOKEN, "NIFTY 50", "NIFTY 50", InstrumentKind.INDEX, "INDICES", "NSE"),
        Instrument(
            FUTURE_TOKEN, "NIFTY26DECFUT", "NIFTY", InstrumentKind.FUTURE, "NFO-FUT", "NFO", EXPIRIES[5],
            lot_size=LOT_SIZE,
        ),
    ]  # fmt: skip
    number = 40_000
    for strike in strikes.tolist():
        for kind in (InstrumentKind.CALL, InstrumentKind.PUT):
            number += 1
            symbol = f"NIFTY26D01{strike:.0f}{kind.label}"
            rows.append(
                Instrument(
                    number << 8 | 2, symbol, "NIFTY", kind, "NFO-OPT", "NFO", expiry, strike, lot_size=LOT_SIZE,
                    exchange_token=number,
                )
            )  # fmt: skip
    return InstrumentTable.from_instruments(rows)


def build_scene(
    *, source: Source = Source.LIVE, strikes: int = 61, seed: int = 7, connections: int = 1, ticked: bool = True
) -> Scene:
    """Build the chain of NIFTY 1 Dec 2026 around 24,350 as it stood on 23 Nov at 11:42:07.

    Args:
        source: Of every row.
        strikes: How many; odd, so that the money is in the middle.
        seed: Of open interest, volume and who ticked when.
        connections: Sockets that the legs are spread over: calls on the first half, puts on the second.
        ticked: Whether the legs have sent more than their first packet.
    """
    random = np.random.default_rng(seed)
    clock = ManualClock(START - timedelta(seconds=90))
    ladder: NDArray[np.float64] = np.asarray(24_350.0 + STEP * (np.arange(strikes) - strikes // 2), dtype=np.float64)
    expiry = EXPIRIES[1]
    table = build_table(ladder, expiry)
    contracts = table.chain("NIFTY", expiry)
    assert contracts is not None
    board = MarketBoard(2 * strikes + 8)
    board.ensure(table.tokens.tolist())
    years = (datetime(2026, 12, 1, 15, 40, tzinfo=IST) - START).total_seconds() / (365 * 86_400)
    model, derived = np.zeros((strikes, 2)), np.zeros((strikes, 2, 5))
    for row, strike in enumerate(ladder.tolist()):
        model[row, 0], model[row, 1], derived[row] = black76(strike, years)
    shape = np.exp(-(((ladder - 24_350) / 450) ** 2))[:, None] * random.uniform(0.3, 1.0, (strikes, 2))
    round_strikes = np.where(ladder % 500 == 0, 2.2, np.where(ladder % 100 == 0, 1.2, 0.6))[:, None]
    oi = np.rint(shape * round_strikes * 4_500_000 / LOT_SIZE).astype(np.int64) * LOT_SIZE + LOT_SIZE
    volume = np.rint(oi * random.uniform(0.8, 9.0, (strikes, 2)) / LOT_SIZE).astype(np.int64) * LOT_SIZE
    scene = Scene(
        board, table, contracts,
        OptionChain(contracts, board, underlying_token=SPOT_TOKEN, future_token=FUTURE_TOKEN),
        clock, model, oi, volume, source, connections,
    )  # fmt: skip
    _fill(scene, derived, random, ticked=ticked)
    return scene


def _fill(scene: Scene, derived: NDArray[np.float64], random: np.random.Generator, *, ticked: bool) -> None:
    board, chain = scene.board, scene.chain
    board.mark_subscribed(scene.table.tokens.tolist(), 0, scene.clock.monotonic_ns())
    if scene.connections > 1:
        board.mark_subscribed(chain.tokens[:, 0].tolist(), 1, scene.clock.monotonic_ns())
    previous = np.rint(scene.oi * random.uniform(0.7, 1.05, scene.oi.shape) / LOT_SIZE).astype(np.int64) * LOT_SIZE
    everything = np.arange(len(chain), dtype=np.intp)
    scene.tick_underlying(SPOT - 3)
    scene.apply(scene.words(everything, moves=random.choice([-0.5, 0.0, 0.5], (len(chain), 2))))
    board.previous_oi[chain.rows] = previous
    if ticked:
        _tick_through(scene, everything, random)
    rows = chain.rows
    board.derived[
        rows[..., None], np.array([Derived.IV, Derived.DELTA, Derived.GAMMA, Derived.THETA, Derived.VEGA])
    ] = derived
    board.derived[rows, Derived.FORWARD] = FORWARD
    board.derived_ns[rows] = scene.clock.monotonic_ns()
    board.touch(rows.ravel())


def _tick_through(scene: Scene, everything: NDArray[np.intp], random: np.random.Generator) -> None:
    """Let the legs tick up to `START`: most a moment ago, some seconds ago."""
    quiet = random.choice([2.4, 6.4, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], len(everything))
    elapsed = 0.0
    for moment in (60.0, 83.6, 87.6, 89.5):
        scene.clock.advance(moment - elapsed)
        elapsed = moment
        due = everything[90 - moment >= quiet - 0.001]
        moves = random.choice([-0.25, 0.0, 0.0, 0.25], (len(due), 2))
        words = scene.words(due, moves=moves)
        if scene.connections > 1:
            scene.apply(words[1::2], 0)
            scene.apply(words[0::2], 1)
        else:
            scene.apply(words, 0)
        scene.tick_underlying(SPOT - (0.0 if moment > 89 else 1.5))
    scene.clock.advance(90.0 - elapsed)
