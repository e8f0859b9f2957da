"""Open interest at the close of contracts that did not trade in the part of the session that was fetched last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import anyio
import numpy as np
import pytest

from tests.support.history import HistoryAccounts, HistoryBroker, MemoryHistory, option
from tests.support.virtual_time import LoopClock, virtual_trio
from tests.support.waiting import wait_until
from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import IST
from tickertui.services.history.fetcher import Fetched, fetch_into_store
from tickertui.services.history.gaps import seconds_of
from tickertui.services.history.historical_bootstrapper import HistoricalBootstrapper
from tickertui.services.history.status import BootstrapState
from tickertui.services.history.types import BackfillSettings, Request
from tickertui.services.supervision.events import EventLog

DAY, DAY_BEFORE = date(2026, 11, 25), date(2026, 11, 23)
LEG = option(1)
MINUTE = Interval.MINUTE


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


def at(hour: int, minute: int, day: date = DAY) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=IST)


def candle(start: datetime, interest: int) -> Candles:
    return Candles.from_rows(np.array([[seconds_of(start), 10_000, 10_009, 9_991, 10_002, 150, interest]]))


async def fetched_last_part(store: MemoryHistory) -> Fetched:
    """Ask for the end of the session, in which nothing traded."""
    clock = LoopClock(at(15, 45))
    broker = HistoryBroker(clock)
    broker.mutate = lambda number, candles: Candles.empty()
    client = HistoryAccounts(broker, "Z1").client("Z1")
    sessions = broker.calendar.sessions("NFO", DAY_BEFORE, DAY)
    request = Request(LEG, seconds_of(at(15, 18)), seconds_of(at(15, 40)))
    return await fetch_into_store(client, store, request, BackfillSettings(), sessions, [])


async def test_a_leg_that_has_not_traded_since_two_has_its_open_interest_at_the_close() -> None:
    clock, store = LoopClock(at(9, 40)), MemoryHistory()
    broker = HistoryBroker(clock)
    stopped = seconds_of(at(14, 0))
    broker.mutate = lambda number, candles: Candles.from_rows(candles.to_rows()[candles.start < stopped])
    bootstrapper = HistoricalBootstrapper(
        store=store, calendar=broker.calendar, clock=clock, clients=HistoryAccounts(broker, "Z1"),
        events=EventLog(clock), settings=BackfillSettings(days=2),
    )  # fmt: skip
    told: list[tuple[int, date, int]] = []
    bootstrapper.on_interest(lambda token, day, interest: told.append((token, day, interest)))
    async with anyio.create_task_group() as group:
        bootstrapper.set_targets([LEG])
        group.start_soon(bootstrapper.run)
        await wait_until(lambda: clock.now() > at(15, 50), "the evening", timeout=86_400, poll=30)
        await wait_until(lambda: bootstrapper.progress().state is BootstrapState.DONE, "all of it", timeout=600)
        group.cancel_scope.cancel()
    last = broker.truth(LEG.token, (seconds_of(at(9, 15)), stopped)).oi[-1]
    assert store.oi[DAY] == {LEG.token: last}
    assert told[-1] == (LEG.token, DAY, last), "shown at once"


@pytest.mark.parametrize("traded", [at(9, 15), at(12, 0), at(15, 17), at(15, 39, DAY_BEFORE)])
async def test_it_is_that_of_the_last_trade_whenever_that_was(traded: datetime) -> None:
    store = MemoryHistory()
    await store.add_candles(*LEG.key, MINUTE, candle(traded, 4_875), (at(9, 15, DAY_BEFORE), at(15, 18)))
    assert (await fetched_last_part(store)).interest == ((DAY, 4_875),)
    assert store.oi == {DAY: {LEG.token: 4_875}}


@pytest.mark.parametrize(
    "covered",
    [
        [(at(9, 15), at(12, 1)), (at(12, 30), at(15, 18))],
        [(at(9, 15), at(12, 1))],
        [],
    ],
)
async def test_nothing_is_said_while_minutes_since_the_last_trade_are_missing(
    covered: Sequence[tuple[datetime, datetime]],
) -> None:
    store = MemoryHistory()
    await store.add_candles(*LEG.key, MINUTE, candle(at(12, 0), 4_875), None)
    for span in covered:
        await store.add_candles(*LEG.key, MINUTE, Candles.empty(), span)
    assert (await fetched_last_part(store)).interest == ()
    assert store.oi == {}


async def test_of_before_the_sessions_that_are_looked_at_nobody_knows() -> None:
    store, before = MemoryHistory(), at(15, 0, DAY_BEFORE - timedelta(days=3))
    await store.add_candles(*LEG.key, MINUTE, candle(before, 4_875), (before, at(15, 18)))
    assert (await fetched_last_part(store)).interest == ()
