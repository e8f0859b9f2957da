"""A start before the open, without a login: the last session is shown whole, from the store."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from tests.support.broker_loop import live_loop
from tests.support.fake_sockets import FakeSockets
from tests.support.loop_rig import LoopRig, build_loop, open_store, running
from tests.support.simulators import mock_market
from tickertui.clock import SystemClock
from tickertui.kite.secrets import Secret
from tickertui.kite.stream_state import StreamState
from tickertui.market.board import Derived
from tickertui.market.clock import IST
from tickertui.market.hours import load_calendar
from tickertui.market.ticks import Source, Word
from tickertui.services.accounts.session_orchestrator import AccountConfig
from tickertui.services.history.status import BootstrapState
from tickertui.services.valuation.valuation import Valuation
from tickertui.simulator.clock import SimulatedClock

EVENING = datetime(2026, 11, 25, 18, 0, tzinfo=IST)
MORNING = datetime(2026, 11, 26, 8, 10, tzinfo=IST)
WORDS = (Word.LAST_PRICE, Word.OPEN, Word.HIGH, Word.LOW, Word.CLOSE, Word.VOLUME, Word.OPEN_INTEREST)


def near_the_money(rig: LoopRig, spot: float) -> list[int]:
    """Calls and puts of the three strikes nearest to a price."""
    chain = rig.registry.chain("NIFTY", rig.registry.nearest_expiries("NIFTY", 2)[-1])
    assert chain is not None
    nearest = np.argsort(np.abs(chain.strikes - spot))[:3]
    tokens: list[int] = [*chain.call_tokens[nearest].tolist(), *chain.put_tokens[nearest].tolist()]
    return tokens


async def test_a_restart_before_the_open_shows_the_last_session_from_the_store(tmp_path: Path) -> None:
    market = mock_market(EVENING)
    async with live_loop(tmp_path, market=market, backfill=True, start=EVENING) as live:
        rig, bootstrapper = live.rig, live.loop.bootstrapper
        assert bootstrapper is not None
        async with running(rig):
            await live.until_contracts()
            tokens = near_the_money(rig, market.spot("NIFTY") or 0.0)
            await rig.subscribe(tokens)
            await live.loop.reload_subscriptions()
            await rig.until(lambda: bootstrapper.progress().instruments_done == 6, "fetched", timeout=60)
            await rig.until(lambda: bootstrapper.progress().state is BootstrapState.DONE, "done", timeout=60)
            board = rig.board
            rows = board.rows(tokens)
            await rig.until(lambda: (board.previous_oi[rows] > 0).all(), "the close before")
            before = board.previous_oi[rows].tolist()
            truth = {
                int(row[Word.TOKEN]): [int(row[word]) for word in WORDS] for row in live.broker.market.rows(tokens)
            }
    clock = SimulatedClock(SystemClock(), MORNING)
    store = await open_store(tmp_path, clock)
    sockets = FakeSockets(clock, answers={0: StreamState.AUTH})
    accounts = [AccountConfig("Z1", "key", Secret("secret"))]
    rig = build_loop(store, clock, accounts=accounts, stream_factory=sockets, logged_in=(), backfill=True)
    async with running(rig):
        rows = rig.board.rows(tokens)
        await rig.until(
            lambda: (rig.board.sources[rig.board.rows(tokens)] == Source.STORED).all(), "the stored close", timeout=30
        )
        shown = [[int(rig.board.field([row], word)[0]) for word in WORDS] for row in rows]
        assert shown == [truth[token] for token in tokens], "price, range, close before, volume and open interest"
        assert rig.board.previous_oi[rows].tolist() == before, "the change is that of the last session, not nothing"
        assert (np.array(before) != [row[-1] for row in shown]).any()
        Valuation(board, rig.registry, load_calendar(), clock).round()
        volatility = board.derived[rows, Derived.IV]
        assert np.isfinite(volatility).any(), "and volatilities as of the close"
        clock.set(datetime(2026, 11, 26, 8, 50, tzinfo=IST))
        board.touch(rows)
        Valuation(board, rig.registry, load_calendar(), clock).round()
        assert board.derived[rows, Derived.IV].tolist() == pytest.approx(volatility.tolist(), nan_ok=True)
    await store.close()
