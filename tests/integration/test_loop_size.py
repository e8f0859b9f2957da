"""As large as the broker allows: 9,000 instruments on one account, 27,000 over three."""

from __future__ import annotations

from pathlib import Path

import anyio
import numpy as np
import pytest

from tests.support.broker_loop import BrokerLoop, live_loop
from tests.support.loop_rig import running
from tests.support.plain_market import EXPIRY, LATER, NIFTY, PlainMarket, option, plain_instruments
from tickertui.market.instruments import Instrument, InstrumentKind
from tickertui.market.ticks import Word
from tickertui.services.accounts.status import AccountState

SPOT = 26_000.0


def wide_market(legs: int) -> PlainMarket:
    """NIFTY with at least so many options in two expiries, the money in their middle."""
    strikes = -(-legs // 4)
    rows: list[Instrument] = [one for one in plain_instruments(0) if one.name != "NIFTY" or not one.kind.is_option]
    number = 50_000
    for expiry in (EXPIRY, LATER):
        for place in range(strikes):
            for kind in (InstrumentKind.CALL, InstrumentKind.PUT):
                rows.append(option(number, SPOT + 2.5 * (place - strikes // 2), kind, expiry))
                number += 1
    market = PlainMarket(rows)
    market.row(NIFTY)[Word.LAST_PRICE] = round(SPOT * 100)
    return market


async def all_ticked(live: BrokerLoop, times: int) -> None:
    """Wait until every row of the plan has had its cached packet and so many steps."""
    rig = live.rig
    rows = rig.board.rows([leg.token for leg in rig.reconciler.watched()])
    await rig.until(lambda: (rig.board.packets[rows] >= times + 1).all(), f"{times} steps on every row", timeout=30)
    assert (rig.board.packets[rows] == times + 1).all(), "none twice"


@pytest.mark.timeout(60)
async def test_nine_thousand_on_one_account_and_a_change_that_costs_the_rest_nothing(tmp_path: Path) -> None:
    async with live_loop(tmp_path, market=wide_market(8990)) as live:
        rig = live.rig
        async with running(rig):
            await live.until_contracts()
            await rig.add_rule(strikes=None, expiry_count=2)
            await live.loop.reload_subscriptions()
            state = live.loop.runtime_state()
            assert state.instruments == 8994
            assert not state.unassigned
            await live.until_subscribed(8994)
            assert sorted(len(socket.modes) for socket in live.broker.sockets) == [2994, 3000, 3000]
            await all_ticked(live, 0)
            await rig.subscribe([408065])
            async with anyio.create_task_group() as group:
                group.start_soon(live.loop.reload_subscriptions)
                for _ in range(5):
                    await live.step()
            await live.until_subscribed(8995)
            rows = rig.board.rows([leg.token for leg in rig.reconciler.watched() if leg.token != 408065])
            await rig.until(lambda: (rig.board.packets[rows] >= 6).all(), "all steps have come", timeout=30)
            assert set(rig.board.packets[rows].tolist()) == {6}, "the rest has lost nothing and seen nothing twice"
            assert {connection.epoch for connection in live.loop.runtime_state().accounts[0].connections} == {1}
            account = live.loop.runtime_state().accounts[0]
            assert (account.state, account.desired, account.room) == (AccountState.LIVE, 8995, 5)
            assert account.ticking >= 8994


@pytest.mark.timeout(90)
async def test_twenty_seven_thousand_over_three_accounts(tmp_path: Path) -> None:
    async with live_loop(tmp_path, accounts=3, market=wide_market(26_990)) as live:
        rig = live.rig
        async with running(rig):
            await live.until_contracts()
            await rig.add_rule(strikes=None, expiry_count=2)
            await live.loop.reload_subscriptions()
            state = live.loop.runtime_state()
            assert state.instruments == 26_994
            assert not state.unassigned
            await rig.until(
                lambda: sum(len(socket.modes) for socket in live.broker.sockets) == 26_994, "subscribed", timeout=40
            )
            assert len(live.broker.sockets) == 9
            assert max(len(socket.modes) for socket in live.broker.sockets) == 3000
            await all_ticked(live, 0)
            live.broker.step()
            await all_ticked(live, 1)
            loads = [account.desired for account in live.loop.runtime_state().accounts]
            assert sum(loads) == 26_994
            assert all(account.state is AccountState.LIVE for account in live.loop.runtime_state().accounts)
            connections = np.unique(
                rig.board.connections[rig.board.rows([leg.token for leg in rig.reconciler.watched()])]
            )
            assert connections.tolist() == list(range(9))
