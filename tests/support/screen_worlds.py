"""Seeded markets for the checker of the screen's figures: what was sent is kept as plain numbers beside the screen.

A world is one underlying with one or two expiries of options on a real board, valued by the real valuation: an index,
a share, a currency or a commodity, on an ordinary day, on the afternoon of an expiry, in the closing auction, while the
market is shut, or synthetic. Nothing here is market data.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final

import numpy as np

from tests.support.fake_backend import FakeBackend, live_runtime
from tickertui.market.board import MarketBoard
from tickertui.market.clock import IST, ManualClock
from tickertui.market.conventions import Preset
from tickertui.market.hours import load_calendar
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.market.ticks import ASK_PRICE, ASK_QUANTITY, BID_PRICE, BID_QUANTITY, WORDS, Source, TickBatch, Word
from tickertui.services.loop.status import FeedMode, RuntimeState
from tickertui.services.valuation.valuation import Valuation

CALL, PUT = "CE", "PE"


@dataclass(frozen=True)
class Kind:
    """What an underlying is.

    Attributes:
        name: Of the underlying.
        spot_symbol: Trading symbol of what it is measured by, empty where only futures trade.
        spot_kind: Index or share.
        spot_exchange: Where that trades.
        exchange: Of the derivatives.
        segment_byte: Last byte of their tokens.
        divisor: Wire units a rupee.
        tick: Rupees.
        decimals: As many as the tick has.
        lot: Units.
        level: Rupees, about.
        step: Rupees between strikes.
        expiries: The shown one and the next.
        ends: Time of day at which each is over.
    """

    name: str
    spot_symbol: str
    spot_kind: InstrumentKind
    spot_exchange: str
    exchange: str
    segment_byte: int
    divisor: float
    tick: float
    decimals: int
    lot: int
    level: float
    step: float
    expiries: tuple[date, date]
    ends: tuple[tuple[int, int], tuple[int, int]]


_DEC: Final = (date(2026, 12, 1), date(2026, 12, 29))
INDEX: Final = Kind(
    "NIFTY",
    "NIFTY 50",
    InstrumentKind.INDEX,
    "NSE",
    "NFO",
    2,
    100.0,
    0.05,
    2,
    65,
    24_350.0,
    50.0,
    _DEC,
    ((15, 40), (15, 30)),
)
SHARE: Final = Kind(
    "RELIANCE",
    "RELIANCE",
    InstrumentKind.EQUITY,
    "NSE",
    "NFO",
    2,
    100.0,
    0.05,
    2,
    500,
    1_482.0,
    10.0,
    _DEC,
    ((15, 40), (15, 45)),
)
CURRENCY: Final = Kind(
    "USDINR", "", InstrumentKind.INDEX, "", "CDS", 3, 10_000_000.0, 0.0025, 4, 1, 88.5, 0.25, _DEC, ((12, 30),) * 2
)
COMMODITY: Final = Kind(
    "NATURALGAS", "", InstrumentKind.INDEX, "", "MCX", 7, 100.0, 0.05, 2, 1250, 362.0, 5.0, _DEC, ((23, 55),) * 2
)

MORNING: Final = datetime(2026, 11, 25, 11, 20, 0, tzinfo=IST)
EXPIRY_AFTERNOON: Final = datetime(2026, 12, 1, 14, 5, 0, tzinfo=IST)
AUCTION: Final = datetime(2026, 11, 25, 15, 20, 0, tzinfo=IST)
SHUT: Final = datetime(2026, 11, 28, 11, 0, 0, tzinfo=IST)
FRIDAY_CLOSE: Final = datetime(2026, 11, 27, 15, 39, 30, tzinfo=IST)
EVENING: Final = datetime(2026, 11, 25, 18, 30, 0, tzinfo=IST)


@dataclass(frozen=True)
class Situation:
    """A kind at a time.

    Attributes:
        name: For the test's id.
        kind: See `Kind`.
        now: The clock.
        sent_at: When the packets were sent.
        feed: What fills the board.
        source: Of the packets.
    """

    name: str
    kind: Kind
    now: datetime
    sent_at: datetime
    feed: FeedMode = FeedMode.LIVE
    source: Source = Source.LIVE


SITUATIONS: Final = (
    Situation("index", INDEX, MORNING, MORNING),
    Situation("expiry afternoon", INDEX, EXPIRY_AFTERNOON, EXPIRY_AFTERNOON),
    Situation("auction", INDEX, AUCTION, AUCTION),
    Situation("shut", INDEX, SHUT, FRIDAY_CLOSE, FeedMode.CLOSED),
    Situation("mock", INDEX, MORNING, MORNING, FeedMode.MOCK, Source.MOCK),
    Situation("share", SHARE, MORNING, MORNING),
    Situation("currency", CURRENCY, MORNING, MORNING),
    Situation("commodity in the evening", COMMODITY, EVENING, EVENING),
)


@dataclass
class Sent:
    """What was sent of one instrument, in rupees and units; None where nothing was."""

    last: float
    close: float
    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    average: float = 0.0
    volume: int = 0
    oi: int = 0
    bid: float = 0.0
    ask: float = 0.0
    bid_quantity: int = 0
    ask_quantity: int = 0
    previous_oi: int | None = None


@dataclass
class World:
    """A market, and what was sent of it.

    Attributes:
        situation: See `Situation`.
        backend: For the application.
        strikes: Of the shown expiry, ascending.
        legs: (expiry, strike, side) -> what was sent; legs that nobody asks for, or that sent nothing, are missing.
        asked: Legs that have a row on the board.
        spot: Of the underlying, None where only futures trade.
        future: Of the shown expiry.
    """

    situation: Situation
    backend: FakeBackend
    strikes: tuple[float, ...]
    legs: dict[tuple[date, float, str], Sent] = field(default_factory=dict)
    asked: set[tuple[date, float, str]] = field(default_factory=set)
    spot: Sent | None = None
    future: Sent | None = None

    @property
    def kind(self) -> Kind:
        return self.situation.kind

    @property
    def expiry(self) -> date:
        return self.kind.expiries[0]

    @property
    def years(self) -> float:
        """From the packets to the end of the shown expiry."""
        return self.years_to(self.expiry)

    def years_to(self, expiry: date) -> float:
        """From the packets to the end of an expiry: hours change on 7 December 2026, as announced."""
        hour, minute = self.kind.ends[self.kind.expiries.index(expiry)]
        end = datetime(expiry.year, expiry.month, expiry.day, hour, minute, tzinfo=IST)
        return (end - self.situation.sent_at).total_seconds() / (365 * 86_400)


def build_world(situation: Situation, seed: int) -> World:
    """Return a market that follows from the seed alone."""
    chance = random.Random(seed)
    kind = situation.kind
    clock = ManualClock(situation.sent_at)
    level = kind.level * chance.uniform(0.97, 1.03)
    count = chance.choice((15, 21, 31))
    middle = round(level / kind.step)
    strikes = tuple(round((middle + place - count // 2) * kind.step, 4) for place in range(count))
    table, tokens = _contracts(kind, strikes)
    indices = {kind.name: tokens["spot"]} if kind.spot_symbol else {}
    board = MarketBoard(4 * count + 8)
    backend = FakeBackend(
        clock=clock, board=board, table=table, indices=indices, calendar=load_calendar(), state=live_runtime()
    )
    backend.state = _state(backend, situation)
    world = World(situation, backend, strikes)
    _trade(world, tokens, level, chance)
    Valuation(board, backend, backend.calendar, clock, Preset.FORWARD.value).round()
    clock.set(situation.now)
    return world


def _state(backend: FakeBackend, situation: Situation) -> RuntimeState:
    accounts = () if situation.feed is FeedMode.MOCK else backend.state.accounts
    return replace(backend.state, feed=situation.feed, accounts=accounts)


def _contracts(kind: Kind, strikes: tuple[float, ...]) -> tuple[InstrumentTable, dict[object, int]]:
    number, rows, tokens = 40_000, [], {}

    def add(key: object, symbol: str, what: InstrumentKind, expiry: date | None, strike: float | None) -> None:
        nonlocal number
        number += 1
        token = tokens[key] = number << 8 | kind.segment_byte
        segment = f"{kind.exchange}-{'FUT' if what is InstrumentKind.FUTURE else 'OPT'}"
        rows.append(
            Instrument(
                token, symbol, kind.name, what, segment, kind.exchange, expiry, strike, kind.tick, kind.lot, number
            )
        )

    if kind.spot_symbol:
        is_index = kind.spot_kind is InstrumentKind.INDEX
        tokens["spot"] = 5_001 << 8 | (9 if is_index else 1)
        segment = "INDICES" if is_index else kind.spot_exchange
        rows.append(
            Instrument(tokens["spot"], kind.spot_symbol, kind.spot_symbol, kind.spot_kind, segment, kind.spot_exchange)
        )
    for expiry in kind.expiries:
        add((expiry, "future"), f"{kind.name}{expiry:%y%b}FUT".upper(), InstrumentKind.FUTURE, expiry, None)
        for strike in strikes:
            for side, what in ((CALL, InstrumentKind.CALL), (PUT, InstrumentKind.PUT)):
                add((expiry, strike, side), f"{kind.name}{expiry:%d%b}{strike:g}{side}".upper(), what, expiry, strike)
    return InstrumentTable.from_instruments(rows), tokens


# ---------------------------------------------------------------------- what is sent


def _trade(world: World, tokens: dict[object, int], level: float, chance: random.Random) -> None:
    kind, board, clock = world.kind, world.backend.board, world.backend.clock
    packets: list[tuple[int, Sent, float]] = []
    forward = level * (1 + 0.06 * max(world.years, 0.0))
    if kind.spot_symbol:
        world.spot = _quote(_on_tick(level, kind), kind, chance)
        packets.append((tokens["spot"], world.spot, 100.0))
    world.future = _quote(_on_tick(forward, kind), kind, chance)
    packets.append((tokens[(world.expiry, "future")], world.future, kind.divisor))
    volatility = chance.uniform(0.10, 0.25)
    for expiry in kind.expiries:
        for strike in world.strikes:
            for side in (CALL, PUT):
                if chance.random() < 0.04:
                    continue  # nobody asks for it
                world.asked.add((expiry, strike, side))
                if chance.random() < 0.04:
                    continue  # it has sent nothing
                years = world.years_to(expiry)
                smile = volatility + 1.5 * math.log(strike / forward) ** 2
                sent = _leg(black(forward, strike, years, side, smile), kind, chance)
                world.legs[expiry, strike, side] = sent
                packets.append((tokens[expiry, strike, side], sent, kind.divisor))
    rows = board.ensure([token for token, _, _ in packets])
    board.ensure([tokens[key] for key in world.asked])
    board.mark_subscribed([token for token, _, _ in packets], 0, clock.monotonic_ns())
    stamp = int(world.situation.sent_at.timestamp())
    for wave in range(2):  # the first packet of a subscription is the broker's cached one
        clock.advance(0.2)
        words = np.array([_words(token, sent, divisor, stamp - 1 + wave) for token, sent, divisor in packets])
        board.apply(
            TickBatch.from_rows(
                words, world.situation.source, received_ns=clock.monotonic_ns(), received_wall_ns=clock.time_ns()
            )
        )
    for (_, sent, _), row in zip(packets, rows.tolist(), strict=True):
        if sent.previous_oi is not None:
            board.previous_oi[row] = sent.previous_oi
    clock.set(world.situation.sent_at)


def _on_tick(price: float, kind: Kind) -> float:
    return round(max(1, round(price / kind.tick)) * kind.tick, kind.decimals)


def _quote(last: float, kind: Kind, chance: random.Random) -> Sent:
    close = _on_tick(last * chance.uniform(0.98, 1.02), kind)
    return Sent(last, close, last, last, last, last, volume=kind.lot * 100, oi=kind.lot * 1_000)


def _leg(model: float, kind: Kind, chance: random.Random) -> Sent:
    last = _on_tick(model, kind)
    half = chance.choice((1, 2)) * kind.tick
    sent = Sent(
        last=last,
        close=_on_tick(last * chance.uniform(0.7, 1.4), kind),
        open=_on_tick(last * 1.05, kind),
        high=_on_tick(last * 1.2, kind),
        low=_on_tick(last * 0.8, kind),
        average=_on_tick(last * 1.01, kind),
        volume=kind.lot * chance.randrange(1, 400_000),
        oi=kind.lot * chance.choice((chance.randrange(0, 60), chance.randrange(0, 90_000))),
        previous_oi=kind.lot * chance.randrange(1, 90_000) if chance.random() < 0.97 else None,
    )
    if chance.random() < 0.95:
        sent.bid = round(max(last - half, kind.tick), kind.decimals)
        sent.bid_quantity = kind.lot * chance.randrange(1, 90)
    if chance.random() < 0.95:
        sent.ask = round(last + half, kind.decimals)
        sent.ask_quantity = kind.lot * chance.randrange(1, 90)
    return sent


def _words(token: int, sent: Sent, divisor: float, stamp: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    words = np.zeros(WORDS, dtype=np.uint32)
    words[Word.TOKEN] = token
    for word, rupees in (
        (Word.LAST_PRICE, sent.last), (Word.CLOSE, sent.close), (Word.OPEN, sent.open), (Word.HIGH, sent.high),
        (Word.LOW, sent.low), (Word.AVERAGE_PRICE, sent.average), (BID_PRICE, sent.bid), (ASK_PRICE, sent.ask),
    ):  # fmt: skip
        words[word] = round(rupees * divisor)
    words[Word.VOLUME], words[Word.OPEN_INTEREST] = sent.volume, sent.oi
    words[BID_QUANTITY], words[ASK_QUANTITY] = sent.bid_quantity, sent.ask_quantity
    words[Word.EXCHANGE_TIMESTAMP] = words[Word.LAST_TRADE_TIME] = stamp
    return words


# ---------------------------------------------------------------------- plain Black 1976


def normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def black(forward: float, strike: float, years: float, side: str, volatility: float) -> float:
    """Undiscounted Black (1976) price of a European option."""
    deviation = volatility * math.sqrt(years)
    d1 = math.log(forward / strike) / deviation + deviation / 2
    call = forward * normal(d1) - strike * normal(d1 - deviation)
    return call if side == CALL else call - forward + strike
