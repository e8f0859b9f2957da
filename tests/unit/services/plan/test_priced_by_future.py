"""An underlying without index or share (commodities, currencies) has the price of its future."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from tests.support.fakes import chain_of, future_of
from tests.support.planning import NOW, PlanningRig, a_day
from tickertui.market.board import MarketBoard
from tickertui.market.chain import OptionChain, ReferenceKind
from tickertui.market.subscriptions import ChainRule
from tickertui.market.ticks import WORDS, Source, TickBatch, Word
from tickertui.services.loop.spots import Spots
from tickertui.services.valuation.layout import build_layout

D22, J21 = date(2026, 12, 22), date(2027, 1, 21)
DEC, JAN, FEB = (
    future_of("ZINCMINI", expiry, number=number, exchange="MCX", code=7)
    for expiry, number in ((date(2026, 12, 31), 31_000), (date(2027, 1, 29), 31_001), (date(2027, 2, 26), 31_002))
)
STRIKES = [float(strike) for strike in range(250, 351, 5)]


def options(expiry: date, first: int) -> list[int]:
    return [option.token for option in chain_of("ZINCMINI", expiry, STRIKES, first=first, exchange="MCX", code=7)]


@pytest.fixture
def rig() -> PlanningRig:
    chains = [
        *chain_of("ZINCMINI", D22, STRIKES, first=32_000, exchange="MCX", code=7, lot_size=1),
        *chain_of("ZINCMINI", J21, STRIKES, first=33_000, exchange="MCX", code=7, lot_size=1),
    ]
    return PlanningRig(table=a_day(DEC, JAN, FEB, *chains))


def test_each_expiry_is_priced_by_the_future_that_its_options_end_in(rig: PlanningRig) -> None:
    registry = rig.registry
    assert [registry.priced_by("ZINCMINI", expiry) for expiry in (None, D22, J21)] == [DEC, DEC, JAN]
    assert registry.priced_by("ZINCMINI", date(2027, 9, 1)) == FEB, "the last one where none is late enough"
    assert registry.price_token("ZINCMINI") == DEC.token
    assert registry.priced_by("NIFTY") is None
    assert registry.price_token("NIFTY") == registry.index_token("NIFTY")
    assert registry.price_token("NOBODY") is None


@pytest.mark.parametrize("include_future", [True, False])
def test_a_rule_is_centred_on_the_future_which_it_always_brings(rig: PlanningRig, include_future: bool) -> None:
    rig.store.rule(ChainRule(0, "ZINCMINI", expiry_count=2, strikes=2, include_future=include_future))
    rig.reload()
    assert {DEC.token, JAN.token} <= set(rig.reconciler.watched().tokens.tolist())
    status = rig.reconciler.rules()[0]
    assert status.detail == "no price of ZINCMINI yet: centred on a guess"
    rig.spots["ZINCMINI"] = 331.2
    rig.reload()
    status = rig.reconciler.rules()[0]
    assert (status.centre, status.detail) == (330.0, "")


def test_spots_read_the_future_from_the_board(rig: PlanningRig) -> None:
    board = MarketBoard()
    board.ensure([DEC.token])
    spots = Spots(board, rig.registry.price_token)
    assert spots("ZINCMINI") is None
    apply(board, {DEC.token: 33_120})
    assert spots("ZINCMINI") == pytest.approx(331.2)
    rig.clock.set(NOW.replace(year=2027, month=1, day=4))
    board.ensure([JAN.token])
    apply(board, {JAN.token: 33_500})
    assert spots("ZINCMINI") == pytest.approx(335.0), "the next one when the first is over"


def apply(board: MarketBoard, prices: dict[int, int]) -> None:
    words = np.zeros((len(prices), WORDS), dtype=np.uint32)
    words[:, Word.TOKEN], words[:, Word.LAST_PRICE] = list(prices), list(prices.values())
    board.apply(TickBatch.from_rows(words, Source.LIVE, received_ns=1))


def test_the_future_of_the_month_is_the_forward_and_no_auction_freezes_it(rig: PlanningRig) -> None:
    board, registry = MarketBoard(), rig.registry
    board.ensure([DEC.token, JAN.token, *options(D22, 32_000), *options(J21, 33_000)])
    layout = build_layout(board, registry.table, registry.index_token)
    assert [item.expiry for item in layout.slices] == [D22, J21]
    assert layout.future_rows.tolist() == board.rows([DEC.token, JAN.token]).tolist()
    assert not layout.spot_is_index.any()
    assert not layout.spot_rows.any()


def test_the_money_of_the_chain_is_the_futures(rig: PlanningRig) -> None:
    board = MarketBoard()
    board.ensure([DEC.token])
    rows = rig.registry.table.chain("ZINCMINI", D22)
    assert rows is not None
    chain = OptionChain(rows, board, underlying_token=DEC.token, is_on_future=True)
    assert chain.spot().kind is ReferenceKind.NONE
    apply(board, {DEC.token: 33_120})
    assert (chain.spot().price, chain.spot().kind) == (331.2, ReferenceKind.FUTURE)
    assert rows.strikes[chain.atm_row()] == 330.0
