"""History beside the stream, two terminals on one real store, and what the package exports."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

import tickertui.services as services
from tests.support.broker_loop import live_loop
from tests.support.loop_rig import build_loop, open_store, running
from tests.support.paths import REPOSITORY
from tests.support.simulators import MARKET_TIME
from tickertui.clock import SystemClock
from tickertui.market.candles import Interval
from tickertui.market.hours import load_calendar
from tickertui.services.accounts.status import AccountState
from tickertui.services.history.shown_session import shown_days
from tickertui.services.history.status import BootstrapState
from tickertui.simulator.clock import SimulatedClock


async def test_the_history_of_the_plan_is_filled_beside_the_stream(tmp_path: Path) -> None:
    async with live_loop(tmp_path, backfill=True) as live:
        rig = live.rig
        async with running(rig):
            await live.until_contracts()
            bootstrapper = live.loop.bootstrapper
            assert bootstrapper is not None
            tokens = rig.option_tokens(4)
            await rig.subscribe(tokens)
            await live.loop.reload_subscriptions()
            await live.until_account("Z1", AccountState.LIVE)
            await rig.until(lambda: bootstrapper.progress().instruments_done == 4, "all are done", timeout=30)
            progress = bootstrapper.progress()
            assert progress.state in (BootstrapState.DONE, BootstrapState.RUNNING)
            assert [group.label for group in progress.groups] == ["NIFTY W01Dec"]
            now = rig.clock.now()
            instrument = rig.registry.get(tokens[0])
            assert instrument is not None
            start = now - timedelta(hours=1)
            assert len(await rig.store.candles(tokens[0], instrument.expiry, Interval.MINUTE, start, now)) > 50
            assert live.state("Z1") is AccountState.LIVE
            # The column of changes since yesterday fills while the history comes, not at the next reload.
            before = shown_days(load_calendar(), "NFO", now).before
            assert before is not None
            known = {token: oi for (token, _), oi in (await rig.store.open_interest_on(before)).items()}
            board = rig.board
            assert set(tokens) <= set(known)
            assert [int(board.previous_oi[board.row(token)]) for token in tokens] == [known[token] for token in tokens]


async def test_a_second_loop_on_the_same_store_takes_a_change_up(tmp_path: Path) -> None:
    clock = SimulatedClock(SystemClock(), MARKET_TIME)
    first_store = await open_store(tmp_path, clock)
    second_store = await open_store(tmp_path, clock)
    first, second = build_loop(first_store, clock), build_loop(second_store, clock)
    async with running(first), running(second):
        before = second.loop.runtime_state().instruments
        await first.add_rule(strikes=2)
        await first.loop.reload_subscriptions()
        assert first.loop.runtime_state().instruments > before
        await second.until(
            lambda: second.loop.runtime_state().instruments == first.loop.runtime_state().instruments,
            "the change of the other terminal",
        )
    await first_store.close()
    await second_store.close()


@pytest.mark.parametrize("name", services.__all__)
def test_the_services_of_the_original_are_exported_without_being_loaded(name: str) -> None:
    program = (
        "import sys, tickertui.services as services\n"
        "assert not any(name.startswith('tickertui.services.') for name in sys.modules), sorted(sys.modules)\n"
        f"assert {name!r} in dir(services)\n"
        "assert len(services.__all__) == 8\n"
        f"assert services.{name}.__name__ == {name!r}\n"
        "try:\n"
        "    services.Nothing\n"
        "except AttributeError as error:\n"
        "    assert 'Nothing' in str(error)\n"
        "else:\n"
        "    raise AssertionError\n"
        "assert 'textual' not in sys.modules and 'asyncio' not in vars(services)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


async def test_a_loop_that_is_cancelled_in_the_middle_of_everything_leaves_nothing(tmp_path: Path) -> None:
    async with live_loop(tmp_path, accounts=2, backfill=True) as live:
        rig = live.rig
        async with running(rig):
            await live.until_contracts()
            await rig.subscribe(rig.option_tokens(6))
            async with anyio.create_task_group() as group:
                group.start_soon(live.loop.reload_subscriptions)
                await anyio.sleep(0.01)
                group.cancel_scope.cancel()
        await live.broker.until_sockets(0)
        assert rig.alive() == []
