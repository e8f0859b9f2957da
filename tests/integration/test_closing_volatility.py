"""Volatilities at the end of a day from candles in a real database: read, kept once, and absent where they must be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from datetime import date, datetime
from pathlib import Path

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.backfill_process import EVENING, UNPACED
from tests.support.history import HistoryAccounts, HistoryBroker
from tests.support.virtual_time import LoopClock
from tests.support.waiting import wait_until
from tickertui.engine import Engine, EngineOptions
from tickertui.market.candles import Candles, Interval
from tickertui.market.greeks import GreeksCalculator
from tickertui.market.hours import load_calendar
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.services.contracts.instrument_registry import InstrumentRegistry
from tickertui.services.history.closing_volatility import NEAREST_STRIKES, ClosingVolatility
from tickertui.services.history.daily_volatility import DailyVolatility
from tickertui.services.history.historical_bootstrapper import HistoricalBootstrapper
from tickertui.services.history.status import BootstrapState
from tickertui.services.history.types import BackfillSettings, BackfillTarget
from tickertui.services.supervision.events import EventLog
from tickertui.settings.model import Settings
from tickertui.settings.paths import Paths
from tickertui.store.protocol import Span, Store, VolatilityFact
from tickertui.store.sqlite import SqliteStore
from tickertui.tui.services_backend import ServicesBackend

DAY = EVENING.date()
FRONT, LATER = date(2026, 12, 1), date(2026, 12, 29)
SPOTS = {"NIFTY": 24_367.3, "BANKNIFTY": 57_912.0}
TOKENS = {"NIFTY": 256265, "BANKNIFTY": 260105}
VOLATILITIES = {FRONT: 0.137, LATER: 0.152, DAY: 0.4}
STEP = 50.0
CALENDAR = load_calendar()
(SESSION,) = CALENDAR.session_on("NFO", DAY)

Keep = Callable[[Instrument, NDArray[np.int64]], NDArray[np.bool_]]
"""Which of the minutes of a contract were traded."""


def listed(*expiries: date, strikes: int = 12) -> list[Instrument]:
    """Options of both underlyings, and the two indices."""
    rows = [Instrument(TOKENS[name], name, name, InstrumentKind.INDEX, "INDICES", "NSE") for name in SPOTS]
    number = 50_000
    for name, spot in SPOTS.items():
        for expiry in expiries:
            for place in range(-strikes, strikes + 1):
                strike = round(spot / STEP) * STEP + STEP * place
                for kind in (InstrumentKind.CALL, InstrumentKind.PUT):
                    number += 1
                    symbol = f"{name}{expiry:%d%b}{strike:g}{kind.label}"
                    rows.append(
                        Instrument(number << 8 | 2, symbol, name, kind, "NFO-OPT", "NFO", expiry, strike, 0.05, 65)
                    )
    return rows


def registry_of(instruments: Iterable[Instrument]) -> InstrumentRegistry:
    registry = InstrumentRegistry(clock=LoopClock(EVENING), calendar=CALENDAR, index_tokens=TOKENS)
    registry.replace(InstrumentTable.from_instruments(instruments), DAY)
    return registry


def candles_of(instrument: Instrument, starts: NDArray[np.int64], length: int = 60) -> Candles:
    """The true prices at the end of each candle, in paise."""
    if instrument.expiry is None or instrument.strike is None:
        rupees = np.full(len(starts), SPOTS[instrument.name])
    else:
        end = np.minimum(starts + length, int(SESSION.close.timestamp()))
        instant = CALENDAR.expiry_instant(instrument.exchange, instrument.expiry).timestamp()
        rupees = (
            GreeksCalculator()
            .greeks(
                SPOTS[instrument.name] + 30.0,
                instrument.strike,
                (instant - end) / (365 * 86_400),
                instrument.kind is InstrumentKind.CALL,
                VOLATILITIES[instrument.expiry],
            )
            .price
        )
    close = np.rint(np.nan_to_num(np.asarray(rupees)) * 100).astype(np.int64)
    volume = np.full(len(starts), 650)
    return Candles(starts, close, close, close, close, volume, np.full(len(starts), -1, dtype=np.int64))


def always(_: Instrument, starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.ones(len(starts), dtype=np.bool_)


async def fill(
    store: Store, instruments: Iterable[Instrument], keep: Keep = always, interval: Interval = Interval.MINUTE
) -> None:
    """Store the last two hours of the day."""
    last, length = int(SESSION.close.timestamp()), interval.seconds
    first = int(SESSION.open.timestamp())
    starts = np.arange(first, last, length, dtype=np.int64)
    starts = starts[starts >= last - 7_200]
    for instrument in instruments:
        candles = candles_of(instrument, starts[keep(instrument, starts)], length)
        await store.add_candles(instrument.token, instrument.expiry, interval, candles, None)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await SqliteStore.open(tmp_path / "tickertui.db", LoopClock(EVENING))
    try:
        yield opened
    finally:
        await opened.close()


def as_dict(facts: Iterable[VolatilityFact]) -> dict[str, float]:
    return {fact.underlying: fact.atm_iv for fact in facts}


async def test_the_front_expiry_of_each_underlying_is_kept_and_read_back(store: Store) -> None:
    instruments = listed(FRONT, LATER)
    await fill(store, instruments)
    hook = ClosingVolatility(store, registry_of(instruments), CALENDAR)
    await DailyVolatility(store, hook).save(DAY, set(SPOTS))
    for name in SPOTS:
        ((day, volatility),) = await store.atm_iv_history(name, 10)
        assert day == DAY
        assert volatility == pytest.approx(VOLATILITIES[FRONT], abs=1e-4)


async def test_on_expiry_day_the_next_expiry_speaks(store: Store) -> None:
    instruments = listed(DAY, FRONT)
    await fill(store, instruments)
    facts = await ClosingVolatility(store, registry_of(instruments), CALENDAR)(DAY)
    assert as_dict(facts) == pytest.approx(dict.fromkeys(SPOTS, VOLATILITIES[FRONT]), abs=1e-4)


async def test_only_an_expiry_of_the_day_says_nothing(store: Store) -> None:
    instruments = listed(DAY)
    await fill(store, instruments)
    assert await ClosingVolatility(store, registry_of(instruments), CALENDAR)(DAY) == []


async def test_an_expiry_that_nobody_watches_is_passed_over(store: Store) -> None:
    instruments = listed(FRONT, LATER)
    await fill(store, [one for one in instruments if one.expiry != FRONT])
    facts = await ClosingVolatility(store, registry_of(instruments), CALENDAR)(DAY)
    assert as_dict(facts) == pytest.approx(dict.fromkeys(SPOTS, VOLATILITIES[LATER]), abs=1e-4)


async def test_minutes_without_trades_are_no_hindrance(store: Store) -> None:
    instruments = listed(FRONT)

    def sparse(instrument: Instrument, starts: NDArray[np.int64]) -> NDArray[np.bool_]:
        traded: NDArray[np.bool_] = (starts // 60 * 2_654_435_761 + instrument.token) % 7 > 2
        return traded

    await fill(store, instruments, sparse)
    facts = await ClosingVolatility(store, registry_of(instruments), CALENDAR)(DAY)
    assert as_dict(facts) == pytest.approx(dict.fromkeys(SPOTS, VOLATILITIES[FRONT]), abs=1e-4)


async def test_an_underlying_with_too_little_is_missing(store: Store) -> None:
    instruments = listed(FRONT)
    calls = [one for one in instruments if one.name == "BANKNIFTY" and one.kind is InstrumentKind.CALL]
    await fill(store, [*(one for one in instruments if one.name == "NIFTY"), *calls])
    hook = ClosingVolatility(store, registry_of(instruments), CALENDAR)
    assert list(as_dict(await hook(DAY))) == ["NIFTY"]
    await DailyVolatility(store, hook).save(DAY, set(SPOTS))
    assert await store.atm_iv_history("BANKNIFTY", 10) == []


async def test_trades_of_the_morning_are_not_the_close(store: Store) -> None:
    instruments = listed(FRONT)
    last = int(SESSION.close.timestamp())
    await fill(store, instruments, lambda _, starts: starts < last - 1_800)
    assert await ClosingVolatility(store, registry_of(instruments), CALENDAR)(DAY) == []


async def test_no_candles_no_session_no_contracts(store: Store) -> None:
    instruments = listed(FRONT)
    hook = ClosingVolatility(store, registry_of(instruments), CALENDAR)
    assert await hook(DAY) == []
    await fill(store, instruments)
    assert await hook(date(2026, 11, 22)) == []  # a Sunday
    empty = InstrumentRegistry(clock=LoopClock(EVENING), calendar=CALENDAR, index_tokens=TOKENS)
    assert await ClosingVolatility(store, empty, CALENDAR)(DAY) == []


@pytest.mark.parametrize("with_index", [True, False])
async def test_of_a_wide_chain_the_strikes_at_the_money_are_read(store: Store, with_index: bool) -> None:
    instruments = [one for one in listed(FRONT, strikes=60) if one.name == "NIFTY"]
    await fill(store, [one for one in instruments if with_index or one.expiry is not None])
    asked: list[int] = []

    class Counting:
        """The store, with the options it is asked for."""

        candle_days = store.candle_days

        async def candles(
            self, token: int, expiry: date | None, interval: Interval, start: datetime, end: datetime
        ) -> Candles:
            if expiry is not None:
                asked.append(token)
            return await store.candles(token, expiry, interval, start, end)

    facts = await ClosingVolatility(Counting(), registry_of(instruments), CALENDAR)(DAY)
    assert as_dict(facts) == pytest.approx({"NIFTY": VOLATILITIES[FRONT]}, abs=1e-4)
    assert len(asked) == 2 * (NEAREST_STRIKES if with_index else 121)


async def test_the_screens_read_what_is_kept(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state")
    engine = Engine(EngineOptions(Settings(), paths, environ={}, clock=LoopClock(EVENING), seed=1))
    async with engine.services() as services:
        instruments = listed(FRONT)
        services.registry.replace(InstrumentTable.from_instruments(instruments), DAY)
        await fill(services.store, instruments)
        hook = ClosingVolatility(services.store, services.registry, services.calendar)
        await DailyVolatility(services.store, hook).save(DAY, set(SPOTS))
        ((day, volatility),) = await ServicesBackend(services).atm_iv_history("NIFTY", 10)
    assert day == DAY
    assert volatility == pytest.approx(VOLATILITIES[FRONT], abs=1e-4)


@pytest.mark.parametrize("interval", [Interval.MINUTE_5, Interval.MINUTE_60])
async def test_longer_candles_will_do(store: Store, interval: Interval) -> None:
    instruments = listed(FRONT)
    await fill(store, instruments, interval=interval)
    facts = await ClosingVolatility(store, registry_of(instruments), CALENDAR, interval)(DAY)
    assert as_dict(facts) == pytest.approx(dict.fromkeys(SPOTS, VOLATILITIES[FRONT]), abs=1e-4)


async def test_the_backfill_leaves_the_volatility_behind(store: Store) -> None:
    instruments = [one for one in listed(FRONT, strikes=4) if one.name == "NIFTY"]
    by_token = {one.token: one for one in instruments}
    clock = LoopClock(EVENING)
    broker = HistoryBroker(clock, per_second=1_000_000, latency=0.001)
    truth = broker.truth

    def priced(token: int, span: Span) -> Candles:
        return candles_of(by_token[token], truth(token, span).start)

    broker.truth = priced  # type: ignore[method-assign]
    bootstrapper = HistoricalBootstrapper(
        store=store,
        calendar=CALENDAR,
        clock=clock,
        clients=HistoryAccounts(broker, "Z1", rate=UNPACED),
        events=EventLog(clock),
        settings=BackfillSettings(days=1),
        daily_volatility=ClosingVolatility(store, registry_of(instruments), CALENDAR),
    )
    bootstrapper.set_targets([
        BackfillTarget(one.token, one.tradingsymbol, "NIFTY", "NIFTY", one.expiry, segment=one.segment)
        for one in instruments
    ])  # fmt: skip
    async with anyio.create_task_group() as group:
        group.start_soon(bootstrapper.run)
        await wait_until(lambda: bootstrapper.progress().state is BootstrapState.DONE, "the history", timeout=60)
        group.cancel_scope.cancel()
    ((day, volatility),) = await store.atm_iv_history("NIFTY", 10)
    assert day == DAY
    assert volatility == pytest.approx(VOLATILITIES[FRONT], abs=1e-4)
