"""The real loop without an account: a mock market, offline, over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.loops import LoopRig, build_loop, open_store, running
from tests.support.simulators import MARKET_TIME
from tickertui.clock import SystemClock
from tickertui.market.ticks import Source
from tickertui.services.state import FeedMode, LoopState
from tickertui.simulator.clock import SimulatedClock


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
