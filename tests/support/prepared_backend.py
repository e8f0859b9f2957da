"""A backend at a standing clock: the frozen NIFTY chain, its neighbours, and a `FakeBackend` in a given situation.

The pictures of the snapshot tests and of the README are drawn from it. Everything follows from the seed; nothing here
is market data.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.support.boards import EXPIRIES, FUTURE_TOKEN, SPOT, SPOT_TOKEN, Scene, build_scene
from tests.support.fake_backend import NOW, FakeBackend, live_accounts, live_runtime, socket, some_rules
from tickertui.kite.stream_state import StreamState
from tickertui.market.board import Derived, MarketBoard
from tickertui.market.candles import Candles
from tickertui.market.chain import Side
from tickertui.market.clock import IST
from tickertui.market.forward import ForwardSource
from tickertui.market.hours import load_calendar
from tickertui.market.instruments import ChainRows, Instrument, InstrumentKind, InstrumentTable
from tickertui.market.ticks import WORDS, Mode, Source, Word
from tickertui.services.accounts.status import AccountState
from tickertui.services.loop.status import FeedMode
from tickertui.services.mock.seeding import MockSeed, SeedOrigin
from tickertui.services.plan.legs import WatchedInstrument

INDEX_TOKENS: Final = {"NIFTY": SPOT_TOKEN, "BANKNIFTY": 260_105, "SENSEX": 265, "INDIA VIX": 264_969}
HOLIDAY_MORNING: Final = datetime(2026, 11, 24, 10, 5, tzinfo=IST)
AUCTION: Final = datetime(2026, 11, 23, 15, 22, 0, tzinfo=IST)
LEVELS: Final = {"BANKNIFTY": (57_912.05, 57_974.35), "SENSEX": (79_640.15, 79_418.05), "INDIA VIX": (12.84, 12.97)}
"""Index -> price and previous close, rupees."""


class Situation(StrEnum):
    """What is going on."""

    LIVE = "live"
    STALE = "stale"
    MOCK = "mock"
    MOCK_HOLIDAY = "mock-holiday"
    REPLAY = "replay"
    CLOSED = "closed"
    CAS = "cas"
    EMPTY = "empty"
    LOGIN = "login"
    DATABASE = "database"
    STARTING = "starting"


_SOURCES: Final = {
    Situation.MOCK: Source.MOCK, Situation.MOCK_HOLIDAY: Source.MOCK, Situation.REPLAY: Source.REPLAY,
}  # fmt: skip


def prepared_backend(situation: Situation = Situation.LIVE) -> FakeBackend:
    """Return a backend in a situation; the clock stands at 23 Nov 2026 11:42:07 unless the situation needs another."""
    scene = build_scene(source=_SOURCES.get(situation, Source.LIVE), connections=2)
    table = _table(scene)
    scene.board.ensure(INDEX_TOKENS.values())
    _tick_indices(scene)
    _tick_neighbours(scene, table)
    _colour_the_day(scene)
    backend = FakeBackend(
        clock=scene.clock, board=scene.board, table=table, indices=dict(INDEX_TOKENS), state=live_runtime(),
        leg_list=_legs(scene), notes=_notes(),
    )  # fmt: skip
    atm = len(scene.chain) // 2
    for side in Side:
        token = int(scene.chain.tokens[atm, side])
        backend.candles_of[token] = _candles(float(scene.model[atm, side]), int(scene.oi[atm, side]), seed=11 + side)
    _SITUATE.get(situation, _as_it_is)(backend, scene)
    return backend


def chain_tokens(scene_or_board: FakeBackend) -> NDArray[np.int64]:
    """Tokens of the shown chain, int64[k, 2], calls first."""
    contracts = scene_or_board.table.chain("NIFTY", EXPIRIES[1])
    assert contracts is not None
    return np.stack([contracts.call_tokens, contracts.put_tokens], axis=1)


# ---------------------------------------------------------------------- contracts and prices


def _table(scene: Scene) -> InstrumentTable:
    """The scene's contracts and thinner chains of the neighbours."""
    rows = [scene.table.instrument(at) for at in range(len(scene.table))]
    for number, expiry in enumerate(EXPIRIES):
        if expiry != EXPIRIES[1]:
            rows += _options("NIFTY", expiry, 24_350.0, 50.0, 60_000 + 400 * number, 65, "NFO")
    rows += _options("BANKNIFTY", EXPIRIES[5], 57_900.0, 100.0, 70_000, 30, "NFO")
    rows += _options("SENSEX", date(2026, 11, 26), 79_600.0, 100.0, 80_000, 20, "BFO")
    return InstrumentTable.from_instruments(rows)


def _options(
    name: str, expiry: date, centre: float, step: float, first: int, lot: int, exchange: str
) -> list[Instrument]:
    segment = 2 if exchange == "NFO" else 4
    rows = []
    for place in range(-20, 21):
        for kind in (InstrumentKind.CALL, InstrumentKind.PUT):
            first += 1
            strike = centre + step * place
            rows.append(
                Instrument(
                    first << 8 | segment, f"{name}{expiry:%y%b%d}{strike:.0f}{kind.label}".upper(), name, kind,
                    f"{exchange}-OPT", exchange, expiry, strike, lot_size=lot, exchange_token=first,
                )
            )  # fmt: skip
    return rows


def _packet(token: int, price: float, close: float, at_s: int, oi: int = 0) -> NDArray[np.uint32]:
    row = np.zeros(WORDS, dtype=np.uint32)
    row[Word.OPEN_INTEREST] = oi
    row[Word.VOLUME] = oi
    row[Word.TOKEN], row[Word.LAST_PRICE], row[Word.CLOSE] = token, round(price * 100), round(close * 100)
    row[Word.EXCHANGE_TIMESTAMP] = at_s
    return row


def _apply(scene: Scene, rows: list[NDArray[np.uint32]]) -> None:
    scene.apply(np.array(rows))


def _tick_indices(scene: Scene) -> None:
    at_s = scene.clock.time_ns() // 1_000_000_000
    for part in (0.999, 1.0):
        _apply(scene, [_packet(INDEX_TOKENS[n], part * p, c, at_s) for n, (p, c) in LEVELS.items()])


def _tick_neighbours(scene: Scene, table: InstrumentTable) -> None:
    """NIFTY 8 Dec and SENSEX have prices, NIFTY 15 Dec waits for them."""
    for name, expiry, level in (("NIFTY", EXPIRIES[2], SPOT), ("SENSEX", date(2026, 11, 26), LEVELS["SENSEX"][0])):
        contracts = table.chain(name, expiry)
        assert contracts is not None
        rows = scene.board.ensure([*contracts.call_tokens.tolist(), *contracts.put_tokens.tolist()])
        # Two packets: the first one is the broker's cached one.
        for wave in (0.0, 0.05):
            _apply(scene, prices_around(contracts, level, wave, scene.clock.time_ns() // 1_000_000_000))
        scene.board.moved_ns[rows] -= 5_000_000_000
    waiting = table.chain("NIFTY", EXPIRIES[3])
    assert waiting is not None
    scene.board.ensure([*waiting.call_tokens.tolist(), *waiting.put_tokens.tolist()])


def prices_around(contracts: ChainRows, level: float, wave: float, at_s: int) -> list[NDArray[np.uint32]]:
    """Packets of both legs of every strike: inner value and a bell of time value."""
    packets = []
    width = level * 0.016
    for strike, call, put in zip(
        contracts.strikes.tolist(), contracts.call_tokens.tolist(), contracts.put_tokens.tolist(), strict=True
    ):
        bell = width * float(np.exp(-(((strike - level) / width / 2) ** 2))) * 0.4 + wave
        for token, inner in ((call, max(level - strike, 0.0)), (put, max(strike - level, 0.0))):
            price = inner + bell
            packets.append(_packet(token, price, price + 1, at_s, oi=65 * int(40 * bell)))
    return packets


def _legs(scene: Scene) -> tuple[WatchedInstrument, ...]:
    owners = (some_rules()[0].rule.rule_id,)
    return tuple(
        WatchedInstrument(int(token), leg.tradingsymbol, Mode.FULL, "Z1", side, owners)
        for pair in scene.chain.tokens.tolist()
        for side, token in zip((1, 0), pair, strict=True)
        if (leg := scene.table.get(token)) is not None
    )


def _colour_the_day(scene: Scene) -> None:
    """Previous closes that differ by strike, open interest that was seen to change, and what the valuation used."""
    board, rows = scene.board, scene.chain.rows
    random = np.random.default_rng(5)
    last = board.words[rows, Word.LAST_PRICE].astype(np.float64)
    drift = np.array([-0.06, 0.05]) + random.normal(0, 0.03, rows.shape)
    board.words[rows, Word.CLOSE] = np.maximum(np.rint(last * (1 + drift) / 5), 1).astype(np.uint32) * 5
    board.oi_changed_ns[rows] = (int(scene.clock.now().timestamp()) - 187) * 1_000_000_000
    board.derived[rows, Derived.PRICE] = last / 100
    board.derived[rows, Derived.FORWARD_SOURCE] = ForwardSource.PARITY
    board.touch(rows.ravel())


def _candles(price: float, oi: int, seed: int) -> Candles:
    """A day of one-minute candles that ends at a price."""
    count = 147
    random = np.random.default_rng(seed)
    walk = np.cumsum(random.integers(-3, 4, count)) * 15
    close = np.maximum(round(price * 20) * 5 + walk - walk[-1], 500).astype(np.int64)
    opened = np.concatenate(([close[0] + 45], close[:-1])).astype(np.int64)
    start = int(datetime(2026, 11, 23, 9, 15, tzinfo=IST).timestamp()) + 60 * np.arange(count, dtype=np.int64)
    interest = (oi + np.cumsum(random.integers(-20, 24, count)) * 65).astype(np.int64)
    return Candles(
        start, opened, np.maximum(opened, close) + 20, np.minimum(opened, close) - 20, close,
        random.integers(10, 900, count).astype(np.int64) * 65, interest,
    )  # fmt: skip


def _notes() -> dict[date, str]:
    calendar = load_calendar()
    return {expiry: note for expiry in EXPIRIES if (note := calendar.shifted_expiry_note("NFO", expiry))}


# ---------------------------------------------------------------------- situations


def _as_it_is(backend: FakeBackend, scene: Scene) -> None:
    """The middle of a good morning."""


def _stale(backend: FakeBackend, scene: Scene) -> None:
    """The socket that carries the calls has been silent for 14 seconds."""
    puts = scene.words(moves=np.zeros((len(scene.chain), 2)))[1::2]
    for _ in range(7):
        scene.clock.advance(2.0)
        scene.apply(puts, 0)
        scene.tick_underlying()
    _tick_indices(scene)
    first, second = live_accounts()
    silent = socket(
        1, "Z1/s2", 1_000, state=StreamState.SILENT, data_age=14.0, frame_age=0.9, ticks_per_second=0.0,
        rebuild_in=6.0,
    )  # fmt: skip
    sockets = (first.connections[0], silent, first.connections[2])
    accounts = (replace(first, connections=sockets), second)
    backend.state = replace(backend.state, accounts=accounts, ticks_per_second=870.0)


def _mock(backend: FakeBackend, scene: Scene) -> None:
    """Nothing is configured: the synthetic market."""
    backend.state = replace(backend.state, feed=FeedMode.MOCK, accounts=(), last_reload=None, instruments=126)
    backend.leg_list = tuple(replace(leg, account="", connection=-1) for leg in backend.leg_list)


def _mock_holiday(backend: FakeBackend, scene: Scene) -> None:
    _mock(backend, scene)
    scene.clock.set(HOLIDAY_MORNING)
    backend.seed = MockSeed(SeedOrigin.RECORDED, datetime(2026, 11, 23, 15, 40, tzinfo=IST), is_close=True, number=7)


def _replay(backend: FakeBackend, scene: Scene) -> None:
    backend.state = replace(backend.state, feed=FeedMode.REPLAY, accounts=())


def _closed(backend: FakeBackend, scene: Scene) -> None:
    """A holiday morning with accounts: the last session's values."""
    scene.clock.set(HOLIDAY_MORNING)
    backend.state = replace(backend.state, feed=FeedMode.CLOSED, ticks_per_second=0.0)


def _auction(backend: FakeBackend, scene: Scene) -> None:
    """The closing auction: the index has not printed for ten seconds, options trade."""
    scene.clock.set(AUCTION)
    scene.clock.advance(10.0)
    scene.apply(scene.words(moves=np.zeros((len(scene.chain), 2))))
    _colour_the_day(scene)


def _empty(backend: FakeBackend, scene: Scene) -> None:
    """Accounts are there, nothing is subscribed."""
    backend.board = MarketBoard()
    backend.rule_list, backend.leg_list = (), ()
    accounts = tuple(
        replace(a, desired=0, subscribed=0, ticking=0, never=0, connections=(), state=AccountState.READY)
        for a in live_accounts()
    )
    backend.state = replace(backend.state, accounts=accounts, instruments=0, last_reload=None, ticks_per_second=0.0)


def _login(backend: FakeBackend, scene: Scene) -> None:
    """The daily flush of tokens has taken Z1's."""
    first, second = live_accounts()
    away = tuple(
        replace(s, state=StreamState.AUTH, ticks_per_second=0.0, data_age=9.0, frame_age=9.0, ticking=0)
        for s in first.connections
    )
    first = replace(
        first, state=AccountState.AUTH_EXPIRED, connections=away, token_expires=None, ticking=0,
        detail="06:02 the broker refused the token; this is the daily flush, not a network fault",
    )  # fmt: skip
    backend.state = replace(backend.state, accounts=(first, second), ticks_per_second=412.0)


def _database(backend: FakeBackend, scene: Scene) -> None:
    backend.figures = replace(backend.figures, database_fault="connection refused (3 tries, next in 8 s)")
    backend.state = replace(
        backend.state, detail="the subscriptions store cannot be reached: reload is off, ticks go on"
    )


def _starting(backend: FakeBackend, scene: Scene) -> None:
    """The first moments: no list of contracts yet."""
    backend.board, backend.table = MarketBoard(), InstrumentTable.from_instruments(())
    backend.rule_list, backend.leg_list, backend.indices = (), (), {}
    accounts = tuple(
        replace(a, state=AccountState.STARTING, subscribed=0, ticking=0, never=0, connections=())
        for a in live_accounts()
    )
    backend.state = replace(backend.state, accounts=accounts, instruments=0, last_reload=None, ticks_per_second=0.0)


_SITUATE = {
    Situation.STALE: _stale,
    Situation.MOCK: _mock,
    Situation.MOCK_HOLIDAY: _mock_holiday,
    Situation.REPLAY: _replay,
    Situation.CLOSED: _closed,
    Situation.CAS: _auction,
    Situation.EMPTY: _empty,
    Situation.LOGIN: _login,
    Situation.DATABASE: _database,
    Situation.STARTING: _starting,
}

__all__ = ["FUTURE_TOKEN", "NOW", "Situation", "chain_tokens", "prepared_backend"]
