"""Two terminals on one store and one broker: one of them streams each account, the other takes over at its end.

The store is an SQLite file on one machine and a PostgreSQL server for several. Each terminal has its own store object,
event loop tasks, board and sockets. The locks that hold the accounts exclude two store objects of one process just as
they do two processes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.broker_loop import BrokerLoop, live_terminal
from tests.support.loop_rig import running
from tests.support.postgres import cut_all_connections, lock_holders, postgres_cluster, postgres_location
from tests.support.simulators import BY_HAND, GENEROUS, SimulatedBroker, simulated_broker
from tickertui.market.ticks import Source
from tickertui.services.accounts.status import AccountState
from tickertui.services.loop.status import LoopState

__all__ = ["postgres_cluster", "postgres_location"]

TAKE_OVER_WITHIN = 20.0
"""Seconds; the terminals of these tests look five times a second."""


@dataclass
class Pair:
    """Two terminals; the first has started and carries three options, the second has not."""

    broker: SimulatedBroker
    first: BrokerLoop
    second: BrokerLoop
    tokens: list[int]

    async def until_second_watches(self) -> None:
        """Wait until the second has read the same plan and knows who has the account."""
        await self.second.rig.until_state(LoopState.RUNNING)
        await self.second.until_account("Z1", AccountState.ELSEWHERE)
        await self.second.loop.reload_subscriptions()
        assert self.second.loop.runtime_state().instruments == len(self.tokens)

    async def until_streamed_by(self, terminal: BrokerLoop) -> None:
        """Wait until a terminal has the account and shows live values."""
        rig = terminal.rig
        await rig.until(
            lambda: terminal.state("Z1") is AccountState.LIVE, "this terminal streams Z1", timeout=TAKE_OVER_WITHIN
        )
        await self.broker.until_sockets(1)
        await self.broker.until_subscribed(len(self.tokens))
        rows = rig.board.rows(self.tokens)
        await rig.until(lambda: (rig.board.sources[rows] == Source.LIVE).all(), "its values are live")


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    return str(request.getfixturevalue("postgres_location")) if request.param == "postgres" else tmp_path


@pytest.fixture
async def pair(location: Path | str) -> AsyncIterator[Pair]:
    async with (
        simulated_broker(limits=GENEROUS, timing=BY_HAND, speed=1.0) as broker,
        live_terminal(broker, location) as first,
        live_terminal(broker, location) as second,
        running(first.rig),
    ):
        await first.until_contracts()
        pair = Pair(broker, first, second, first.rig.option_tokens(3))
        await first.rig.subscribe(pair.tokens)
        await first.loop.reload_subscriptions()
        await pair.until_streamed_by(first)
        yield pair


@asynccontextmanager
async def second_started(pair: Pair) -> AsyncIterator[None]:
    async with running(pair.second.rig):
        await pair.until_second_watches()
        yield


async def test_the_second_terminal_leaves_an_account_alone_that_the_first_streams(pair: Pair) -> None:
    (socket,) = pair.broker.sockets
    async with second_started(pair):
        for _ in range(5):
            await pair.first.step()
            await pair.second.loop.reload_subscriptions()
        await pair.second.loop.reconnect("Z1")
        await pair.first.step()
        assert pair.broker.sockets == (socket,), "the very same socket, and no other"
        assert pair.second.tape.packets == []
        assert pair.second.state("Z1") is AccountState.ELSEWHERE
        (account,) = pair.second.loop.runtime_state().accounts
        assert account.detail.startswith("streamed by ")
        assert any("shown read-only here" in text for text in pair.second.rig.texts("account"))
        assert pair.first.state("Z1") is AccountState.LIVE


async def test_the_second_takes_over_when_the_first_stops_and_the_first_then_watches(pair: Pair) -> None:
    async with second_started(pair):
        await pair.first.loop.stop()
        received = len(pair.first.tape.packets)
        await pair.until_streamed_by(pair.second)
        await pair.second.step()
        assert {token for _, token, _ in pair.second.tape.packets} == set(pair.tokens)
        assert "Z1 is streamed here now" in pair.second.rig.texts("account")
        (socket,) = pair.broker.sockets
        await pair.first.loop.start()
        assert pair.first.state("Z1") is AccountState.ELSEWHERE
        await pair.second.step()
        assert pair.broker.sockets == (socket,)
        assert len(pair.first.tape.packets) == received
        await pair.second.loop.stop()
        await pair.until_streamed_by(pair.first)


async def test_what_the_first_stored_last_is_what_the_second_streams(pair: Pair) -> None:
    async with second_started(pair):
        (added,) = pair.first.rig.option_tokens(1, skip=3)
        await pair.first.rig.subscribe([added])
        await pair.first.loop.reload_subscriptions()
        await pair.broker.until_subscribed(4)
        await pair.first.loop.stop()
        pair.tokens.append(added)
        await pair.until_streamed_by(pair.second)
        (socket,) = pair.broker.sockets
        assert set(socket.modes) == set(pair.tokens)


@pytest.mark.parametrize("location", ["postgres"], indirect=True)
async def test_when_the_server_forgets_who_has_an_account_one_terminal_streams_it_again(
    pair: Pair, location: str
) -> None:
    async with second_started(pair):
        before = lock_holders(location)
        assert len(before) == 1
        cut_all_connections(location)
        rig, terminals = pair.first.rig, (pair.first, pair.second)

        def states() -> set[AccountState | None]:
            return {terminal.state("Z1") for terminal in terminals}

        # Whether the loss is said depends on who notices first: a question may have the account again unnoticed.
        await rig.until(
            lambda: len(lock_holders(location) - before) == 1,
            "a session that began after the cut has the account",
            timeout=TAKE_OVER_WITHIN,
        )
        await rig.until(
            lambda: states() == {AccountState.LIVE, AccountState.ELSEWHERE},
            "one terminal has the account, the other watches",
            timeout=TAKE_OVER_WITHIN,
        )
        await pair.until_streamed_by(next(one for one in terminals if one.state("Z1") is AccountState.LIVE))
