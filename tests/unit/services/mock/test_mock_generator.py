"""The mock feed: seeds, plan, eviction, expiry, bars and snapshots; never blocked by the network, always flagged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from itertools import pairwise

import anyio
import numpy as np
import pytest

from tests.support.waiting import wait_until
from tickertui.kite.errors import KiteError
from tickertui.market.board import MarketBoard
from tickertui.market.candles import Interval
from tickertui.market.clock import IST, ManualClock
from tickertui.market.hours import load_calendar
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.market.ticks import WORDS, Mode, Source, TickBatch, Word
from tickertui.market.universe import load_universe, universe_instruments
from tickertui.services.mock.mock_generator import MockDataGenerator
from tickertui.services.mock.seeding import MockSeed, SeedOrigin
from tickertui.synthetic.paths import Regime

UNIVERSE = load_universe()
CALENDAR = load_calendar()
DAY = date(2026, 11, 25)
TABLE = universe_instruments(UNIVERSE, DAY)
NIFTY, SENSEX = 256265, 265
WEEKLY = date(2026, 12, 1)


def at(clock: str, day: date = DAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), IST)


def origin_of(feed: MockDataGenerator, name: str) -> SeedOrigin | None:
    seed = feed.seed_of(name)
    return None if seed is None else seed.origin


def generator(clock: ManualClock | None = None, **options: object) -> MockDataGenerator:
    options.setdefault("instruments", TABLE)
    clock = clock if clock is not None else ManualClock(at("11:00"))
    return MockDataGenerator(clock=clock, calendar=CALENDAR, universe=UNIVERSE, **options)  # type: ignore[arg-type]


def options_of(expiry: date = WEEKLY, count: int = 1000, name: str = "NIFTY") -> list[Instrument]:
    chain = TABLE.chain(name, expiry)
    assert chain is not None
    middle = len(chain.strikes) // 2
    calls = [TABLE.get(int(token)) for token in chain.call_tokens[max(0, middle - count // 2) :][:count]]
    return [call for call in calls if call is not None]


class Broker:
    """Quotes by token, in rupees; counts calls; can hang or fail."""

    def __init__(self, prices: dict[int, float] | None = None, oi: int = 0) -> None:
        self.prices = prices or {}
        self.oi = oi
        self.calls: list[int] = []
        self.error: KiteError | None = None
        self.gate: anyio.Event | None = None

    async def quote_batch(self, instruments: Sequence[Instrument]) -> TickBatch:
        self.calls.append(len(instruments))
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        known = [row.token for row in instruments if row.token in self.prices]
        words = np.zeros((len(known), WORDS), dtype=np.uint32)
        words[:, Word.TOKEN] = known
        words[:, Word.LAST_PRICE] = [round(self.prices[token] * 100) for token in known]
        words[:, Word.CLOSE] = words[:, Word.LAST_PRICE] * 0.96
        words[:, Word.OPEN_INTEREST] = self.oi
        return TickBatch.from_rows(words, Source.SNAPSHOT)


# ---------------------------------------------------------------------------------------------------------- the feed


async def test_a_first_run_without_account_or_network_shows_a_moving_chain_at_once() -> None:
    clock = ManualClock(at("03:00", date(2026, 11, 24)))
    feed = generator(clock, instruments=None)
    tokens = [row.token for row in options_of()] + [NIFTY]
    assert await feed.set_plan(tokens, generation=4) == ()
    board = MarketBoard()
    board.ensure(tokens)
    board.generation = 4
    assert board.apply(feed.step()) == len(tokens)
    assert not np.isnan(board.price(board.rows(tokens))).any()
    moved = 0
    for _ in range(5):
        clock.advance(1)
        moved += board.apply(feed.step())
    assert moved > 50
    assert {board.source_of(row) for row in board.rows(tokens)} == {Source.MOCK}
    assert board.counters.stale_generation == board.counters.unknown_tokens == 0
    assert origin_of(feed, "NIFTY") is SeedOrigin.TYPICAL


async def test_batches_carry_time_generation_source_and_full_rows() -> None:
    clock = ManualClock(at("11:00"))
    feed = generator(clock, generation=2)
    await feed.set_plan([NIFTY, options_of()[0].token])
    batch = feed.step()
    assert (batch.source, batch.generation, batch.connection) == (Source.MOCK, 2, -1)
    assert (batch.received_ns, batch.received_wall_ns) == (clock.monotonic_ns(), clock.time_ns())
    assert {part.mode for part in batch.parts} == {Mode.FULL}
    assert len(feed.step()) == 0
    await feed.set_plan([NIFTY], generation=3)
    assert feed.step().instrument_token.tolist() == [NIFTY]
    assert feed.generation == 3


async def test_the_feed_is_the_same_for_the_same_seed_and_clock() -> None:
    async def rows(seed: int) -> list[bytes]:
        clock = ManualClock(at("11:00"))
        feed = generator(clock, seed=seed)
        await feed.set_plan([row.token for row in options_of(count=20)])
        found = []
        for _ in range(10):
            found.append(feed.step().words.tobytes())
            clock.advance(1)
        return found

    assert await rows(1) == await rows(1)
    assert await rows(1) != await rows(2)


async def test_run_hands_over_batches_until_it_is_cancelled() -> None:
    clock = ManualClock(at("11:00"))
    feed = generator(clock)
    await feed.set_plan([NIFTY])
    board = MarketBoard()
    board.ensure([NIFTY])

    def apply(batch: TickBatch) -> None:
        board.apply(batch)
        clock.advance(1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed.run, apply, 0.001)
        await wait_until(lambda: board.counters.ticks >= 5, "five batches of the mock")
        tasks.cancel_scope.cancel()


async def test_a_new_strike_can_be_planned_when_it_is_listed() -> None:
    clock = ManualClock(at("11:37:59"))
    feed = generator(clock)
    await feed.set_plan([NIFTY])
    feed.step()
    clock.advance(1)
    feed.step()
    (event,) = feed.drain_events()
    tokens = [row.token for row in event.instruments]
    assert feed.instruments.get(tokens[0]) is not None
    assert await feed.set_plan([NIFTY, *tokens]) == ()
    assert set(feed.step().instrument_token.tolist()) == {NIFTY, *tokens}
    assert feed.drain_events() == ()


async def test_the_regime_can_be_changed_at_run_time_and_outlives_a_reset() -> None:
    feed = generator()
    feed.set_regime(Regime.VOLATILE)
    assert feed.regime is Regime.VOLATILE
    await feed.reset_state()
    assert feed.regime is Regime.VOLATILE
    assert feed.market.regime is Regime.VOLATILE


# ---------------------------------------------------------------------------------------------- plan, memory, expiry


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_that_holds_nothing_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        generator(max_size=size)


async def test_a_plan_beyond_the_size_is_refused_by_name_and_never_thrashes() -> None:
    rows = options_of(count=15)
    feed = generator(max_size=10)
    refused = await feed.set_plan([row.token for row in rows])
    assert [refusal.token for refusal in refused] == [row.token for row in rows[10:]]
    assert all("10 contracts" in refusal.reason for refusal in refused)
    assert feed.refused == refused
    assert feed.planned == {row.token for row in rows[:10]}
    assert feed.get_state_size() == 10
    assert set(feed.step().instrument_token.tolist()) == feed.planned
    assert await feed.generate_option_snapshot(rows[12]) is None
    assert feed.get_state_size() == 10


async def test_access_refreshes_what_is_kept_and_the_plan_is_never_evicted() -> None:
    rows = options_of(count=20)
    feed = generator(max_size=6)
    await feed.set_plan([rows[0].token, rows[1].token])
    for row in rows[2:6]:
        assert await feed.generate_option_snapshot(row) is not None
    assert await feed.generate_option_snapshot(rows[2]) is not None
    assert await feed.generate_option_snapshot(rows[6]) is not None
    kept = {row.token for row in rows if row.token in feed.market}
    assert kept == {rows[i].token for i in (0, 1, 2, 4, 5, 6)}
    for row in rows[7:20]:
        await feed.generate_option_snapshot(row)
        assert feed.get_state_size() == 6
        assert rows[0].token in feed.market
        assert rows[1].token in feed.market
    assert set(feed.step().instrument_token.tolist()) == {rows[0].token, rows[1].token}


async def test_an_evicted_contract_comes_back_with_the_same_price_and_without_a_fetch() -> None:
    rows = options_of(count=4)
    broker = Broker({NIFTY: 24_500.0})
    feed = generator(max_size=2)
    await feed.ensure_underlying_seeded(broker)
    first = await feed.generate_option_snapshot(rows[0])
    for row in rows[1:]:
        await feed.generate_option_snapshot(row)
    assert rows[0].token not in feed.market
    again = await feed.generate_option_snapshot(rows[0])
    assert first is not None
    assert again is not None
    assert again.last_price == first.last_price
    assert broker.calls == [1]


async def test_expired_contracts_are_dropped_at_the_expiry_instant() -> None:
    clock = ManualClock(at("15:39:58", WEEKLY))
    feed = generator(clock)
    near, far = options_of(WEEKLY, 5), options_of(date(2026, 12, 8), 5)
    await feed.set_plan([row.token for row in (*near, *far)])
    assert await feed.cleanup_expired() == 0
    assert await feed.generate_option_snapshot(near[0]) is not None
    clock.advance(2)
    assert await feed.cleanup_expired() == 5
    assert feed.planned == {row.token for row in far}
    assert await feed.generate_option_snapshot(near[0]) is None
    (refusal,) = await feed.set_plan([near[0].token])
    assert refusal.reason == "expired"
    await feed.ensure_options_seeded(None, far)
    assert feed.get_state_size() == 5


async def test_reset_forgets_everything_and_reseeds() -> None:
    levels = {"NIFTY": 25_000.0}
    clock = ManualClock(at("18:00"))
    feed = generator(clock, last_underlying_price_getter=levels.get)
    await feed.ensure_underlying_seeded()
    await feed.set_plan([NIFTY])
    assert feed.step().last_price.tolist() == [25_000.0]
    clock.set(at("18:00", date(2026, 11, 26)))
    levels["NIFTY"] = 25_400.0
    await feed.reset_state()
    assert (feed.get_state_size(), feed.planned, feed.refused) == (0, frozenset(), ())
    assert origin_of(feed, "NIFTY") is None
    await feed.ensure_underlying_seeded()
    await feed.set_plan([NIFTY])
    assert feed.step().last_price.tolist() == [25_400.0]


# ------------------------------------------------------------------------------------------------------------- seeds


@pytest.mark.parametrize(
    ("now", "sent", "told", "is_close"),
    [
        ("2026-11-24 10:05", "2026-11-23 15:35", "2026-11-23 15:40", True),
        ("2026-11-24 10:05", "2026-11-20 12:00", "2026-11-20 12:00", False),
        ("2026-11-25 11:00", "2026-11-25 10:59", "2026-11-25 10:59", False),
        ("2026-11-25 20:00", "2026-11-25 15:34", "2026-11-25 15:40", True),
    ],
)
def test_a_seed_knows_of_when_it_is(now: str, sent: str, told: str, is_close: bool) -> None:
    at, sent_at, told_at = (datetime.fromisoformat(text).replace(tzinfo=IST) for text in (now, sent, told))
    feed = generator(clock=ManualClock(at))
    feed.seed_prices({"NIFTY": 24_123.45}, {"NIFTY": sent_at})
    assert feed.seed_of("NIFTY") == MockSeed(SeedOrigin.RECORDED, told_at, is_close=is_close, number=7)


async def test_seeds_come_from_the_best_source_there_is() -> None:
    broker = Broker({NIFTY: 24_500.0, SENSEX: 80_000.0})
    feed = generator(last_underlying_price_getter={"NIFTY": 24_123.45}.get)
    await feed.ensure_underlying_seeded(broker, ["NIFTY", "SENSEX", "BANKNIFTY", "DOW"])
    assert feed.spot("NIFTY") == 24_123.45
    assert feed.spot("SENSEX") == 80_000.0
    assert feed.spot("BANKNIFTY") == 57_912.05
    assert feed.spot("DOW") is None
    origins = [origin_of(feed, name) for name in ("NIFTY", "SENSEX", "BANKNIFTY", "DOW")]
    assert origins == [SeedOrigin.RECORDED, SeedOrigin.QUOTE, SeedOrigin.TYPICAL, None]
    assert feed.unseeded == {"DOW"}
    assert broker.calls == [2]
    assert feed.seed_of("NIFTY") == MockSeed(SeedOrigin.RECORDED, None, is_close=False, number=7)
    assert feed.seed_of("DOW") is None
    feed.seed_prices({"DOW": 40_000.0, "NIFTY": float("nan"), "SENSEX": -5.0})
    assert feed.unseeded == frozenset()
    assert feed.spot("NIFTY") == 24_123.45


async def test_callers_at_the_same_time_cause_one_call() -> None:
    broker = Broker({NIFTY: 24_500.0})
    broker.gate = anyio.Event()
    feed = generator()
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(feed.ensure_underlying_seeded, broker)
        await wait_until(lambda: broker.calls, "the call to the broker")
        broker.gate.set()
    assert broker.calls == [1]
    await feed.ensure_underlying_seeded(broker)
    assert broker.calls == [1]
    assert feed.spot("NIFTY") == 24_500.0


async def test_the_feed_goes_on_while_seeding_waits_for_the_network() -> None:
    clock = ManualClock(at("11:00"))
    broker = Broker({NIFTY: 24_500.0})
    broker.gate = anyio.Event()
    feed = generator(clock)
    rows = options_of(count=10)
    await feed.set_plan([NIFTY])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed.ensure_options_seeded, broker, rows)
        await wait_until(lambda: broker.calls, "the call to the broker")
        for _ in range(5):
            clock.advance(1)
            assert len(feed.step()) == 1
        assert await feed.generate_underlying_bar() is not None
        assert await feed.generate_option_snapshot(rows[0]) is not None
        broker.gate.set()
    assert feed.get_state_size() == 11


async def test_quotes_that_arrive_after_a_reset_are_not_taken() -> None:
    broker = Broker({NIFTY: 10_000.0})
    broker.gate = anyio.Event()
    feed = generator()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed.ensure_underlying_seeded, broker)
        await wait_until(lambda: broker.calls, "the call to the broker")
        await feed.reset_state()
        broker.gate.set()
    assert feed.spot("NIFTY") == 24_352.4


async def test_a_broker_that_fails_leaves_typical_levels_and_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker({NIFTY: 24_500.0})
    broker.error = KiteError("no answer", endpoint="quotes")
    feed = generator()
    await feed.ensure_underlying_seeded(broker)
    assert origin_of(feed, "NIFTY") is SeedOrigin.TYPICAL
    assert "without the broker's quotes" in caplog.text
    broker.error = None
    await feed.ensure_underlying_seeded(broker)
    assert origin_of(feed, "NIFTY") is SeedOrigin.QUOTE
    assert feed.spot("NIFTY") == 24_500.0


@pytest.mark.parametrize("prices", [{}, {NIFTY: 0.0}])
async def test_a_missing_or_zero_quote_is_not_a_level(prices: dict[int, float]) -> None:
    feed = generator()
    await feed.ensure_underlying_seeded(Broker(prices))
    assert origin_of(feed, "NIFTY") is SeedOrigin.TYPICAL


async def test_options_take_volatility_and_open_interest_from_quotes() -> None:
    source = generator()
    rows = options_of(count=40)
    source.market.ensure([row.token for row in rows])
    source.market.calibrate("NIFTY", WEEKLY, 0.22)
    words = source.market.rows([row.token for row in rows])
    broker = Broker({int(row[0]): row[1] / 100 for row in words.tolist()} | {NIFTY: 24_352.4}, oi=130_000)
    feed = generator()
    assert await feed.ensure_options_seeded(broker, rows) == ()
    assert broker.calls == [1, 40]
    snapshots = [await feed.generate_option_snapshot(row) for row in rows]
    assert all(snapshot is not None and snapshot.oi == pytest.approx(130_000, rel=0.01) for snapshot in snapshots)
    ours = np.array([snapshot.last_price for snapshot in snapshots if snapshot is not None])
    assert ours == pytest.approx(words[:, Word.LAST_PRICE] / 100, rel=0.02, abs=0.3)
    await feed.ensure_options_seeded(broker, rows)
    assert broker.calls == [1, 40]


async def test_a_share_without_any_level_is_not_mocked_and_is_named() -> None:
    share = Instrument(77 << 8 | 2, "RELIANCE26DEC1400CE", "RELIANCE", InstrumentKind.CALL, "NFO-OPT", "NFO",
                       date(2026, 12, 29), 1400.0, 0.05, 500, 77)  # fmt: skip
    feed = generator(instruments=InstrumentTable.from_instruments([share]))
    (refusal,) = await feed.set_plan([share.token])
    assert "no level of RELIANCE is known" in refusal.reason
    assert feed.unseeded == {"RELIANCE"}
    assert await feed.generate_option_snapshot(share) is None
    (missing,) = await feed.set_plan([123456])
    assert missing.reason == "not among the day's contracts"
    assert await feed.ensure_options_seeded(None, [share], last_underlying_price=1_420.0) == ()
    snapshot = await feed.generate_option_snapshot(share)
    assert snapshot is not None
    assert 20 < snapshot.last_price < 150


# ----------------------------------------------------------------------------------------------- bars and snapshots


async def test_the_first_bar_opens_at_the_last_price_and_bars_hold_their_own_extremes() -> None:
    clock = ManualClock(at("11:00"))
    feed = generator(clock)
    await feed.ensure_underlying_seeded(Broker({NIFTY: 25_000.0}))
    bars = []
    for _ in range(20):
        bar = await feed.generate_underlying_bar()
        assert bar is not None
        bars.append(bar)
        clock.advance(5)
    assert bars[0].open == bars[0].close == 25_000.0
    for earlier, later in pairwise(bars):
        assert later.open == earlier.close
        assert earlier.at is not None
        assert later.at == earlier.at + timedelta(seconds=5)
    for bar in bars:
        assert bar.is_mock
        assert bar.source is Source.MOCK
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
    day = feed.get_underlying_snapshot()
    assert day is not None
    assert day.high - day.low > 2 * max(bar.high - bar.low for bar in bars[1:])
    assert day.previous_close > 0


async def test_no_bar_without_a_level() -> None:
    feed = generator()
    assert await feed.generate_underlying_bar("DOW") is None
    assert feed.get_underlying_snapshot("DOW") is None


async def test_snapshots_are_flagged_complete_and_valued_anew() -> None:
    clock = ManualClock(at("11:00"))
    feed = generator(clock)
    rows = options_of(count=21)
    deltas = set()
    for _ in range(20):
        snapshot = await feed.generate_option_snapshot(rows[10])
        assert snapshot is not None
        deltas.add(snapshot.delta)
        clock.advance(10)
    assert len(deltas) == 20
    snapshot = await feed.generate_option_snapshot(rows[10])
    assert snapshot is not None
    assert snapshot.is_mock
    assert 0 < snapshot.delta < 1
    assert snapshot.gamma > 0
    assert snapshot.vega > 0 > snapshot.theta
    assert 0.05 < snapshot.iv < 0.5
    assert snapshot.oi_change is not None
    assert snapshot.depth is not None
    bids, asks = ([level.price for level in side] for side in (snapshot.depth.buy, snapshot.depth.sell))
    assert len(bids) == len(asks) == 5
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert 0 < bids[0] < asks[0]
    assert all(round(price / 0.05, 6).is_integer() for price in (*bids, *asks, snapshot.last_price))
    assert snapshot.total_buy_quantity > 0
    future = feed.instruments.futures_of("NIFTY")[0]
    valued = await feed.generate_option_snapshot(future)
    assert valued is not None
    assert np.isnan(valued.iv)


async def test_a_snapshot_does_not_take_ticks_away_from_the_feed() -> None:
    clock = ManualClock(at("11:00"))
    feed = generator(clock)
    row = options_of()[50]
    await feed.set_plan([row.token])
    feed.step()
    clock.advance(30)
    snapshot = await feed.generate_option_snapshot(row)
    assert snapshot is not None
    assert feed.step().last_price.tolist() == [snapshot.last_price]


async def test_the_contracts_of_the_registry_replace_the_bundled_ones() -> None:
    feed = generator(instruments=None)
    option = options_of()[0]
    renamed = InstrumentTable.from_instruments(
        [Instrument(11 << 8 | 2, "X", "NIFTY", InstrumentKind.CALL, "NFO-OPT", "NFO", WEEKLY, 24_000.0, 0.05, 65, 11)]
    )
    feed.use_instruments(renamed)
    assert [refusal.token for refusal in await feed.set_plan([11 << 8 | 2, option.token])] == [option.token]
    await feed.reset_state()
    assert feed.instruments is renamed
    assert feed.previous_oi() == {}


async def test_candles_lead_up_to_the_price_on_screen_and_leave_the_feed_as_it_was() -> None:
    clock = ManualClock(at("11:00"))
    feed, twin = generator(clock), generator(clock)
    leg = options_of()[50].token
    for each in (feed, twin):
        await each.set_plan([leg], generation=1)
    words = feed.step().words
    candles = await feed.candles(leg, at("00:00"), clock.now(), Interval.MINUTE)
    assert int(candles.close[-1]) == int(words[0, Word.LAST_PRICE])
    assert int(candles.start[-1]) == at("11:00").timestamp()
    assert len(candles) > 60, "several hours, each made by itself"
    assert (np.diff(candles.start) > 0).all()
    twin.step()
    clock.advance(1.0)
    assert np.array_equal(feed.step().words, twin.step().words)


async def test_a_contract_off_the_plan_has_no_candles_and_is_not_kept() -> None:
    feed = generator()
    legs = options_of()
    await feed.set_plan([legs[50].token], generation=1)
    size = feed.get_state_size()
    assert len(await feed.candles(legs[51].token, at("09:15"), at("11:00"), Interval.MINUTE)) == 0
    assert feed.get_state_size() == size
