"""The expiry day of a chain: its last candles and closing open interest are fetched before the day ends.

Its legs leave the plan when their time runs out, before their last candles are final; after midnight the broker has no
history of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path

import anyio
import pytest

from tests.support.broker_loop import BrokerLoop, live_loop
from tests.support.loop_rig import running
from tests.support.plain_market import EXPIRY, LATER
from tickertui.market.candles import Interval
from tickertui.market.clock import IST
from tickertui.services.history.status import BootstrapState
from tickertui.store.protocol import Store

OPEN = datetime(2026, 12, 1, 9, 15, tzinfo=IST)
AFTERNOON = datetime(2026, 12, 1, 15, 37, 20, tzinfo=IST)
CLOSE = datetime(2026, 12, 1, 15, 40, tzinfo=IST)
assert OPEN.date() == EXPIRY


@asynccontextmanager
async def streaming(directory: Path, start: datetime) -> AsyncIterator[BrokerLoop]:
    """A loop on the store of a directory, whose contracts of the day are there."""
    async with live_loop(directory, backfill=True, start=start) as live, running(live.rig):
        await live.rig.until(lambda: len(live.rig.registry), "the day's contracts are there", timeout=30)
        yield live


async def until_fetched(live: BrokerLoop) -> None:
    """Wait until nothing is left to ask for."""
    bootstrapper = live.loop.bootstrapper
    assert bootstrapper is not None

    def is_done() -> bool:
        progress = bootstrapper.progress()
        return progress.state is BootstrapState.DONE and progress.instruments_done == progress.instruments_total > 0

    await live.rig.until(is_done, "the history is there", timeout=60)


def legs(live: BrokerLoop, expiry: date, count: int) -> list[int]:
    chain = live.rig.registry.chain("NIFTY", expiry)
    assert chain is not None
    tokens: list[int] = chain.call_tokens[:count].tolist()
    return tokens


async def minutes_of(store: Store, token: int) -> list[int]:
    """Stored minutes of the expiry day, counted from the open."""
    stored = await store.candles(token, EXPIRY, Interval.MINUTE, OPEN, CLOSE)
    return [(start - int(OPEN.timestamp())) // 60 for start in stored.start.tolist()]


async def assert_gets_whole(store: Store, tokens: Sequence[int]) -> None:
    """Every minute of the day comes to be stored of every contract, and its open interest at the close."""
    with anyio.fail_after(60):
        while any([await minutes_of(store, one) != list(range(385)) for one in tokens]):  # noqa: ASYNC110 - a poll
            await anyio.sleep(0.05)
    facts = await store.open_interest_on(EXPIRY)
    for token in tokens:
        last = await store.candles(token, EXPIRY, Interval.MINUTE, OPEN, CLOSE)
        assert facts[token, EXPIRY] == last.oi[-1]


async def test_the_last_candles_are_fetched_after_the_plan_has_dropped_the_legs(tmp_path: Path) -> None:
    async with streaming(tmp_path, AFTERNOON) as live:
        tokens = [*legs(live, EXPIRY, 3), *legs(live, LATER, 1)]
        await live.rig.subscribe(tokens)
        await live.loop.reload_subscriptions()
        await until_fetched(live)
        assert (await minutes_of(live.rig.store, tokens[0]))[-1] < 384
        live.broker.clock.set(datetime(2026, 12, 1, 15, 41, 40, tzinfo=IST))
        await live.rig.until(lambda: live.loop.runtime_state().instruments == 1, "the legs have left the plan")
        await assert_gets_whole(live.rig.store, tokens[:3])


@pytest.mark.parametrize("evening", ["15:45:10", "20:30:00", "23:50:00"])
async def test_a_start_in_the_evening_fetches_what_was_streamed_by_day(tmp_path: Path, evening: str) -> None:
    async with streaming(tmp_path, AFTERNOON) as live:
        tokens = legs(live, EXPIRY, 3)
        await live.rig.subscribe(tokens)
        await live.loop.reload_subscriptions()
        await until_fetched(live)
    start = datetime.fromisoformat(f"2026-12-01 {evening}").replace(tzinfo=IST)
    async with streaming(tmp_path, start) as live:
        await live.loop.reload_subscriptions()
        assert live.loop.runtime_state().instruments == 0, "nothing of them is in the plan"
        await assert_gets_whole(live.rig.store, tokens)


async def test_the_day_after_they_are_not_asked_for(tmp_path: Path) -> None:
    async with streaming(tmp_path, AFTERNOON) as live:
        await live.rig.subscribe(legs(live, EXPIRY, 2))
        await live.loop.reload_subscriptions()
        await until_fetched(live)
    async with streaming(tmp_path, datetime(2026, 12, 2, 9, 30, tzinfo=IST)) as live:
        await live.rig.subscribe(legs(live, LATER, 1))
        await live.loop.reload_subscriptions()
        await until_fetched(live)
        bootstrapper = live.loop.bootstrapper
        assert bootstrapper is not None
        assert bootstrapper.progress().instruments_total == 1
