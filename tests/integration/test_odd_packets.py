"""Odd but well-formed packets over a real socket: what a screen, the rules and the valuation make of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.support.broker_loop import BrokerLoop, live_loop
from tests.support.loop_rig import running
from tests.support.odd_packets import NOT_KNOWN, full_packet, index_packet, quote_packet, sent
from tests.support.simulators import mock_market
from tickertui.market.board import Derived
from tickertui.market.chain import OptionChain, ReferenceKind
from tickertui.market.figures import AT_LEAST
from tickertui.market.hours import load_calendar
from tickertui.market.ticks import Source
from tickertui.services.loop.spots import Spots
from tickertui.services.valuation.valuation import Valuation
from tickertui.tui.view.baseline import BaselineMark, BoardMark
from tickertui.tui.view.chain_reader import ChainContext, ChainReader
from tickertui.tui.view.data_states import DataState
from tickertui.tui.view.frames import ChainFrame, Field
from tickertui.tui.view.market_view import market_view


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
    assert np.isnan(frame.values[screen.leg][[Field.TODAY, Field.CHANGE, Field.CHANGE_PCT]]).all()
    assert frame.directions[screen.leg] == 0
    assert frame.atm_row == screen.leg[0]
    assert np.isnan(frame.summary.straddle), "half of it is of nobody knows when"
    frame = await screen.market_moves()
    assert frame.values[screen.leg][0] != 999.0
    assert not np.isnan(frame.summary.straddle)
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


def interest_of(frame: ChainFrame) -> list[float]:
    """Open interest of all calls and of all puts that are streamed."""
    sums: list[float] = np.nansum(frame.values[..., Field.OI], axis=0).tolist()
    return sums


# ---------------------------------------------------------------------------------------- a price of another day


@pytest.mark.parametrize("is_full", [False, True], ids=["quote", "full"])
async def test_a_price_of_another_day_is_marked_and_has_no_change(screen: Screen, is_full: bool) -> None:
    board = screen.live.rig.board
    board.previous_oi[screen.row] = 655_200
    day_before = screen.now - 86_400
    packet = quote_packet(screen.token, last=880.5, volume=0, close=1_190.0)
    if is_full:
        packet = full_packet(
            screen.token, screen.now, last=880.5, volume=0, average=0.0, ohlc=(0.0, 0.0, 0.0, 1_190.0),
            traded=day_before, has_book=False,
        )  # fmt: skip
    frame = await screen.send(packet)
    values = frame.values[screen.leg]
    assert values[Field.LTP] == 880.5
    assert frame.states[screen.leg] == DataState.PAST
    assert frame.directions[screen.leg] == frame.flashes[screen.leg] == 0
    assert np.isnan(values[[Field.CHANGE, Field.CHANGE_PCT, Field.TODAY]]).all()
    assert np.isnan(frame.summary.straddle)
    valuation = Valuation(board, screen.live.rig.registry, load_calendar(), screen.live.rig.clock)
    valuation.round()
    derived = board.derived[screen.row]
    assert derived[Derived.PRICE] != 880.5
    if is_full:
        assert np.isnan(derived[Derived.PRICE]), "nobody bids or offers either"
    frame = await screen.market_moves()
    assert frame.states[screen.leg] != DataState.PAST
    assert not np.isnan(frame.values[screen.leg][Field.CHANGE])


async def test_a_volume_of_today_beside_a_trade_of_yesterday_is_not_today(screen: Screen) -> None:
    calendar = load_calendar()
    screen.reader.context = ChainContext(market=market_view(calendar, "NFO", screen.live.rig.clock.now()))
    frame = await screen.send(full_packet(screen.token, screen.now, traded=screen.now - 86_400))
    assert frame.states[screen.leg] == DataState.PAST
    assert np.isnan(frame.values[screen.leg][Field.CHANGE])


# ---------------------------------------------------------------------------------------- numbers that mean nothing


async def test_what_is_not_there_before_the_open_is_a_dash_and_what_is_known_stays(screen: Screen) -> None:
    board = screen.live.rig.board
    board.previous_oi[screen.chain.rows[screen.chain.rows > 0]] = 500_000
    before = await screen.market_moves()
    known = before.values[screen.leg][Field.OI]
    packet = full_packet(
        screen.token, screen.now, volume=0, average=NOT_KNOWN, ohlc=(206.0, NOT_KNOWN, NOT_KNOWN, 201.3), traded=0, oi=0
    )
    frame = await screen.send(packet)
    values = frame.values[screen.leg]
    assert np.isnan(values[[Field.AVERAGE, Field.HIGH, Field.LOW]]).all()
    assert values[Field.OI] == known > 0
    assert values[Field.OI_CHANGE] == known - 500_000
    assert interest_of(frame) == interest_of(before)


async def test_a_packet_that_says_nothing_takes_nothing_away(screen: Screen) -> None:
    before = screen.reader.read()
    empty = full_packet(
        screen.token, screen.now, last=0.0, volume=0, average=0.0, ohlc=(0.0, 0.0, 0.0, 201.3), traded=0, oi=0,
        has_book=False,
    )  # fmt: skip
    frame = await screen.send(empty)
    shown = [Field.LTP, Field.VOLUME, Field.OI, Field.CHANGE, Field.HIGH]
    assert frame.values[screen.leg][shown].tolist() == before.values[screen.leg][shown].tolist()
    assert interest_of(frame) == interest_of(before)
    assert screen.live.rig.board.counters.emptied == 1


async def test_a_volume_that_goes_round_is_at_least_what_a_word_holds(screen: Screen) -> None:
    board = screen.live.rig.board
    await screen.send(full_packet(screen.token, screen.now, volume=2**32 - 40))
    mark = BaselineMark()
    mark.take(BoardMark(board, screen.live.rig.clock.now()), screen.reader)
    for volume in (3_250, 9_750):
        frame = await screen.send(full_packet(screen.token, screen.now, volume=volume))
        assert frame.values[screen.leg][Field.VOLUME] == AT_LEAST
        assert np.isnan(frame.values[screen.leg][Field.MARK_VOLUME])
