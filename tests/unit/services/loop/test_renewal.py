"""Rows of the board and backfill targets of contracts that are others since the day's list was taken."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pytest

from tests.support.fake_sockets import rows_of
from tests.support.fakes import chain_of, table_of
from tickertui.market.board import MarketBoard
from tickertui.market.clock import IST, ManualClock
from tickertui.market.hours import load_calendar
from tickertui.market.instruments import Instrument, InstrumentKind
from tickertui.market.ticks import Source, TickBatch
from tickertui.services.contracts.instrument_registry import InstrumentRegistry
from tickertui.services.loop.backfill_targets import BackfillTargets
from tickertui.services.loop.renewal import ContractRenewal
from tickertui.services.loop.spots import Spots

EXPIRY = date(2026, 12, 29)
MONDAY, TUESDAY = date(2026, 11, 30), date(2026, 12, 1)
SHARE = Instrument(46_900 << 8 | 1, "XYZCEM", "XYZ CEMENT", InstrumentKind.EQUITY, "NSE", "NSE")
OLD = chain_of("XYZCEM", EXPIRY, [1_560.0, 1_600.0], first=46_500, lot_size=350)
NEW = [replace(leg, strike=(leg.strike or 0) / 2, lot_size=700) for leg in OLD]
NIFTY = chain_of("NIFTY", EXPIRY, [24_000.0], first=50_000)


class NothingStored:
    async def contracts_expiring(self, day: date) -> list[int]:
        return []


class Desk:
    """A board with prices of Monday, and the contracts of Monday in force."""

    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2026, 12, 1, 8, 30, tzinfo=IST))
        self.registry = InstrumentRegistry(clock=self.clock, calendar=load_calendar(), index_tokens={})
        self.registry.replace(table_of(SHARE, OLD, NIFTY), MONDAY)
        self.board = MarketBoard()
        self.tokens = [leg.token for leg in (SHARE, *OLD, *NIFTY)]
        self.board.ensure(self.tokens)
        self.board.mark_subscribed(self.tokens[:3], 0, 5)
        self.board.mark_subscribed(self.tokens[3:], 1, 5)
        for connection, tokens in enumerate((self.tokens[:3], self.tokens[3:])):
            self.board.apply(TickBatch.from_rows(rows_of(tokens), Source.LIVE, connection=connection, received_ns=9))
        self.board.previous_oi[self.board.rows(self.tokens)] = 400_000
        self.spots = Spots(self.board, self.registry.index_token)
        self.renewal = ContractRenewal(
            board=self.board, spots=self.spots, contracts=lambda: self.registry.contracts, clock=self.clock
        )

    def split(self) -> None:
        self.registry.replace(table_of(SHARE, NEW, NIFTY), TUESDAY)


def test_the_rows_of_contracts_that_are_others_are_empty_and_stay_subscribed() -> None:
    desk = Desk()
    assert desk.renewal.take() == [], "the first look only remembers"
    assert desk.spots("XYZCEM") is not None
    desk.split()
    desk.renewal.look()
    changed, same = desk.tokens[:5], desk.tokens[5:]
    board = desk.board
    assert (board.sources[board.rows(changed)] == Source.NONE).all()
    assert (board.previous_oi[board.rows(changed)] == -1).all()
    assert (board.sources[board.rows(same)] == Source.LIVE).all()
    assert board.connections[board.rows(desk.tokens)].tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert (board.subscribed_ns[board.rows(changed)] == desk.clock.monotonic_ns()).all()
    assert desk.spots("XYZCEM") is None, "the share is quoted in other units"
    assert sorted(desk.renewal.take()) == sorted(changed), "their stored facts are to be shown anew"
    assert desk.renewal.take() == []
    board.apply(TickBatch.from_rows(rows_of(changed[:1]), Source.LIVE, received_ns=11))
    assert board.source_of(board.row(changed[0])) is Source.LIVE


def test_the_same_contracts_again_change_nothing() -> None:
    desk = Desk()
    desk.renewal.look()
    desk.registry.replace(table_of(SHARE, OLD, NIFTY), TUESDAY)
    assert desk.renewal.take() == []
    assert (desk.board.sources[desk.board.rows(desk.tokens)] == Source.LIVE).all()


@pytest.mark.parametrize("is_split", [False, True])
async def test_history_is_asked_for_from_the_day_of_the_terms_of_now(is_split: bool) -> None:
    desk = Desk()
    if is_split:
        desk.split()
    targets = BackfillTargets(
        lambda: desk.registry.contracts, lambda _: None, NothingStored(), lambda: TUESDAY, load_calendar().knows
    )
    since = [target.listed_on for target in await targets.of(desk.tokens)]
    assert since == [TUESDAY if is_split else None] * 5 + [None] * 2
    assert np.array_equal([target.token for target in await targets.of(desk.tokens)], desk.tokens)


async def test_what_trades_on_an_exchange_without_hours_is_no_target() -> None:
    desk = Desk()
    brent = chain_of("BRENT", EXPIRY, [70.0], first=60_000, exchange="IFSC", code=11)
    desk.registry.replace(table_of(SHARE, OLD, NIFTY, brent), TUESDAY)
    targets = BackfillTargets(
        lambda: desk.registry.contracts, lambda _: None, NothingStored(), lambda: TUESDAY, load_calendar().knows
    )
    tokens = [leg.token for leg in (*NIFTY, *brent)]
    assert [target.underlying for target in await targets.of(tokens)] == ["NIFTY"] * 2
