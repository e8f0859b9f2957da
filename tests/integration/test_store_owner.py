"""A store says whose data it holds: another broker's is refused, what an earlier version mixed is set aside once."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import IST, ManualClock
from tickertui.market.universe import load_universe, universe_instruments
from tickertui.services.contracts.store_owner import own_store
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.store.identity import KITE, MOCK, BrokerIdentity, BrokerKind
from tickertui.store.open import open_store
from tickertui.store.protocol import ContractKey, OpenInterestFact, Store, StoreOfAnotherBroker

NOW = datetime(2026, 11, 30, 11, 0, tzinfo=IST)
TODAY = NOW.date()
SIMULATED_DAY = date(2026, 11, 24)
SIMULATOR = BrokerIdentity(
    BrokerKind.SIMULATOR, "simulator seed 7, calm", 'the simulated market "seed 7, calm"', "simulator-seed-7-calm"
)
UNIVERSE = load_universe()
REAL: list[ContractKey] = [((61_201 + place) << 8 | 2, date(2026, 12, 1)) for place in range(30)]
NIFTY: ContractKey = (256265, None)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def events(clock: ManualClock) -> EventLog:
    return EventLog(clock)


async def opened(tmp_path: Path, clock: ManualClock) -> Store:
    return await open_store(tmp_path / "tickertui.db", clock)


def simulated() -> list[ContractKey]:
    table = universe_instruments(UNIVERSE, SIMULATED_DAY)
    expiry = table.expiries_of("NIFTY")[0]
    chain = table.chain("NIFTY", expiry)
    assert chain is not None
    middle = len(chain.strikes) // 2
    return [(token, expiry) for token in chain.call_tokens[middle - 10 : middle + 10].tolist()]


async def fill(store: Store, contracts: list[ContractKey], day: date) -> None:
    """Ten minutes of each contract, covered, and the day's open interest."""
    start = datetime(day.year, day.month, day.day, 9, 15, tzinfo=IST)
    starts = int(start.timestamp()) + 60 * np.arange(10, dtype=np.int64)
    column = np.full(10, 10_000, dtype=np.int64)
    for token, expiry in contracts:
        candles = Candles(starts, column, column, column, column, column, column)
        await store.add_candles(token, expiry, Interval.MINUTE, candles, (start, start + timedelta(minutes=10)))
    await store.save_daily_facts(day, [OpenInterestFact(token, expiry, 500) for token, expiry in contracts])


async def own(store: Store, broker: BrokerIdentity, events: EventLog, today: date = TODAY) -> None:
    await own_store(store, broker, today, UNIVERSE, events)


def told(events: EventLog) -> list[str]:
    return [event.text for event in events.since() if event.severity is Severity.WARNING]


async def test_a_store_belongs_to_who_opened_it_first(tmp_path: Path, clock: ManualClock, events: EventLog) -> None:
    store = await opened(tmp_path, clock)
    await own(store, SIMULATOR, events)
    await fill(store, simulated(), TODAY)
    await own(store, SIMULATOR, events)
    for other in (KITE, MOCK):
        with pytest.raises(StoreOfAnotherBroker) as refused:
            await own(store, other, events)
        text = str(refused.value)
        assert 'holds data of the simulated market "seed 7, calm"' in text
        assert f"this configuration is for {other.name}; take store.url out" in text
        assert "\n" not in text
    assert len(await store.stored_days()) == 20, "nothing was changed"
    assert told(events) == []
    await store.close()


async def test_what_was_mixed_is_set_aside_once_and_the_brokers_own_stays(
    tmp_path: Path, clock: ManualClock, events: EventLog
) -> None:
    store = await opened(tmp_path, clock)
    own_day = TODAY - timedelta(days=4)
    await fill(store, [*REAL, NIFTY], own_day)
    await fill(store, [*simulated(), NIFTY], SIMULATED_DAY)
    await fill(store, REAL[:1], TODAY + timedelta(days=30))

    await own(store, KITE, events)

    assert await store.stored_days() == {key: [own_day] for key in [*REAL, NIFTY]}
    (sentence,) = told(events)
    # 20 contracts and the index of the simulator's day, and one contract of a day to come: ten candles each
    assert sentence.startswith("220 candles of 22 contracts were of another market or of days to come; they were set")
    assert f"set_aside_... of {tmp_path / 'tickertui.db'}, nothing was deleted" in sentence
    await own(store, KITE, events)
    assert len(told(events)) == 1, "once"
    await store.close()


async def test_a_simulators_list_of_contracts_is_not_taken_for_the_brokers(
    tmp_path: Path, clock: ManualClock, events: EventLog
) -> None:
    from tickertui.kite.instruments_csv import format_instruments

    store = await opened(tmp_path, clock)
    await store.save_instruments(TODAY, format_instruments(universe_instruments(UNIVERSE, TODAY)))
    await own(store, KITE, events)
    assert await store.load_instruments() is None
    assert told(events)[0].startswith("the kept contracts of the day were of another market")
    await store.close()


async def test_a_store_of_before_may_be_the_brokers_and_is_not_given_to_a_simulator(
    tmp_path: Path, clock: ManualClock, events: EventLog
) -> None:
    store = await opened(tmp_path, clock)
    await fill(store, REAL, TODAY - timedelta(days=1))
    with pytest.raises(StoreOfAnotherBroker, match=r"may be Kite's.*take store\.url out or name another place in it$"):
        await own(store, SIMULATOR, events)
    assert await store.data_owner() is None
    await own(store, KITE, events)
    assert len(await store.stored_days()) == len(REAL)
    await store.close()


async def test_a_simulator_that_is_set_back_does_not_know_what_comes(
    tmp_path: Path, clock: ManualClock, events: EventLog
) -> None:
    store = await opened(tmp_path, clock)
    await own(store, SIMULATOR, events)
    await fill(store, simulated(), SIMULATED_DAY)
    await fill(store, simulated(), TODAY)
    await own(store, SIMULATOR, events, today=TODAY + timedelta(days=1))
    assert told(events) == [], "a day later everything is good"
    await own(store, SIMULATOR, events, today=SIMULATED_DAY)
    assert set(map(tuple, (await store.stored_days()).values())) == {(SIMULATED_DAY,)}
    assert len(told(events)) == 1
    await store.close()
