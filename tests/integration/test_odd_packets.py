"""Odd but well-formed packets over a real socket: what a screen, the rules and the valuation make of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.support.broker_loop import BrokerLoop, live_loop
from tests.support.loop_rig import running
from tests.support.odd_packets import full_packet, index_packet, sent
from tests.support.simulators import mock_market
from tickertui.market.chain import OptionChain, ReferenceKind
from tickertui.market.ticks import Source
from tickertui.services.loop.spots import Spots
from tickertui.tui.view.chain_reader import ChainReader
from tickertui.tui.view.data_states import DataState
from tickertui.tui.view.frames import ChainFrame


@dataclass
class Screen:
    """A chain that is streamed, and the reader of a screen over it."""

    live: BrokerLoop
    chain: OptionChain
    reader: ChainReader
    leg: tuple[int, int]
    """Row and side of the leg that odd packets are sent for."""

    @property
    def token(self) -> int:
        return int(self.chain.tokens[self.leg])

    @property
    def row(self) -> int:
        return self.live.rig.board.row(self.token)

    @property
    def now(self) -> int:
        """The market's clock, epoch seconds."""
        return int(self.live.rig.clock.now().timestamp())

    async def send(self, *packets: bytes) -> ChainFrame:
        """Send packets to the program and return what it shows when they have come."""
        board = self.live.rig.board
        batches = board.counters.batches
        await self.live.broker.misbehave(sent(*packets))
        await self.live.rig.until(lambda: board.counters.batches > batches, "the packets have come")
        return self.reader.read()

    async def market_moves(self) -> ChainFrame:
        """Let the market go on until the leg and its index have ticked."""
        board = self.live.rig.board
        rows = [self.row, board.row(self.chain.underlying_token)]
        seen = board.versions[rows].copy()

        def ticked() -> bool:
            self.live.broker.step()
            return bool((board.versions[rows] > seen).all())

        await self.live.rig.until(ticked, "the market moves on", timeout=60)
        return self.reader.read()


@pytest.fixture
async def screen(tmp_path: Path) -> AsyncIterator[Screen]:
    async with live_loop(tmp_path, market=mock_market()) as live:
        rig = live.rig
        await rig.add_rule(strikes=4, expiry_count=1)
        async with running(rig):
            await live.until_contracts()
            await rig.until(lambda: rig.reconciler.watched(), "a plan")
            contracts = rig.registry.chain("NIFTY", rig.registry.nearest_expiries("NIFTY", 1)[0])
            index = rig.registry.index_token("NIFTY")
            assert contracts is not None
            assert index is not None
            chain = OptionChain(contracts, rig.board, underlying_token=index)
            await rig.until(
                lambda: (rig.board.sources[chain.rows[chain.rows > 0]] == Source.LIVE).all(), "cached ticks"
            )
            await rig.until(lambda: np.count_nonzero(chain.rows) >= 18, "the strikes around the money")
            reader = ChainReader(chain, rig.clock)
            view = Screen(live, chain, reader, (chain.atm_row(), 0))
            frame = await view.market_moves()
            assert frame.states[view.leg] in (DataState.LIVE, DataState.SNAP)
            yield view


@pytest.mark.parametrize("ahead", [10, 50, 3_000])
async def test_a_leg_stamped_ahead_is_marked_and_follows_the_market_again(screen: Screen, ahead: int) -> None:
    frame = await screen.send(full_packet(screen.token, screen.now + ahead, last=999.0))
    assert frame.values[screen.leg][0] == 999.0
    assert frame.states[screen.leg] == DataState.DOUBT
    frame = await screen.market_moves()
    assert frame.values[screen.leg][0] != 999.0
    assert frame.states[screen.leg] != DataState.DOUBT
    assert screen.live.rig.board.counters.ahead == 1


async def test_nothing_follows_an_index_stamped_ahead(screen: Screen) -> None:
    before = screen.reader.read()
    spots = Spots(screen.live.rig.board, screen.live.rig.registry.index_token)
    spot = spots("NIFTY")
    assert spot is not None
    index = screen.chain.underlying_token
    frame = await screen.send(index_packet(index, screen.now + 50, last=0.98 * spot))
    assert frame.underlying.state is DataState.DOUBT
    assert frame.summary.reference.price == before.summary.reference.price or (
        frame.summary.reference.kind is ReferenceKind.FORWARD
    )
    assert frame.atm_row == before.atm_row
    assert spots("NIFTY") == spot
    frame = await screen.market_moves()
    assert frame.underlying.state is DataState.LIVE
    assert frame.underlying.price == spots("NIFTY")
    assert abs(frame.underlying.price / spot - 1) < 0.01
