"""The real loop without an account: a mock market, offline, over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.loop_rig import LoopRig, build_loop, open_store, running
from tests.support.simulators import MARKET_TIME
from tickertui.clock import SystemClock
from tickertui.market.hours import load_calendar
from tickertui.market.ticks import Source, TickBatch
from tickertui.market.universe import load_universe
from tickertui.services.loop.status import FeedMode, LoopState
from tickertui.services.mock.mock_generator import MockDataGenerator
from tickertui.simulator.clock import SimulatedClock


class Stumbling(MockDataGenerator):
    """A mock market whose step fails when it is told to."""

    failures = 0
    resets = 0

    def step(self) -> TickBatch:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("a defect in the mock")
        return super().step()

    async def reset_state(self) -> None:
        self.resets += 1
        await super().reset_state()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[LoopRig]:
    clock = SimulatedClock(SystemClock(), MARKET_TIME)
    store = await open_store(tmp_path, clock)
    rig = build_loop(store, clock)
    yield rig
    await store.close()


async def test_without_an_account_a_whole_chain_moves_flagged_as_mock(rig: LoopRig) -> None:
    await rig.add_rule()
    async with running(rig):
        assert rig.loop.state is LoopState.RUNNING
        state = rig.loop.runtime_state()
        assert state.feed is FeedMode.MOCK
        assert state.instruments >= 22
        assert state.accounts == ()
        tokens = [leg.token for leg in rig.reconciler.watched()]
        rows = rig.board.rows(tokens)
        await rig.until(lambda: (rig.board.sources[rows] == Source.MOCK).all(), "every leg has a mock value")
        before = rig.board.sequence
        await rig.until(lambda: rig.board.sequence > before + 1, "it moves")
        assert np.isfinite(rig.board.price(rows)).all()
        await rig.until(lambda: rig.loop.runtime_state().ticks_per_second > 0, "the rate is counted")
        assert any("mock feed" in text for text in rig.texts("market"))
    assert rig.loop.runtime_state().feed is FeedMode.NONE


async def test_a_defect_in_the_mock_is_shown_and_the_market_moves_on(tmp_path: Path) -> None:
    clock = SimulatedClock(SystemClock(), MARKET_TIME)
    store = await open_store(tmp_path, clock)
    mock = Stumbling(clock=clock, calendar=load_calendar(), universe=load_universe())
    rig = build_loop(store, clock, mock=mock)
    await rig.add_rule()
    try:
        async with running(rig):
            await rig.until(lambda: rig.board.sequence > 2, "it moves")
            mock.failures = 1
            await rig.until(lambda: not mock.failures, "it has failed")
            await rig.until(
                lambda: any(task.name == "mock feed" and task.restarts == 1 for task in rig.loop.task_monitor.tasks()),
                "the mock is started again",
            )
            before = rig.board.sequence
            await rig.until(lambda: rig.board.sequence > before + 1, "it moves again")
            assert rig.loop.state is LoopState.RUNNING
            assert any("a defect in the mock" in event.text for event in rig.events.since())
    finally:
        await store.close()


async def test_the_mock_never_goes_on_where_an_earlier_one_ended(tmp_path: Path) -> None:
    clock = SimulatedClock(SystemClock(), MARKET_TIME)
    store = await open_store(tmp_path, clock)
    mock = Stumbling(clock=clock, calendar=load_calendar(), universe=load_universe())
    rig = build_loop(store, clock, mock=mock)
    await rig.add_rule()
    try:
        async with running(rig):
            await rig.until(lambda: rig.board.sequence > 2, "it moves")
            assert mock.resets == 1
            await rig.loop.stop()
            await rig.loop.start()
            assert rig.loop.runtime_state().feed is FeedMode.MOCK
            assert mock.resets == 2
    finally:
        await store.close()
