"""Why instruments never tick, and what a leg of the plan is worth."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from tests.support.boards import EXPIRIES
from tests.support.prepared_backend import Situation, prepared_backend
from tickertui.market.clock import IST
from tickertui.market.instruments import InstrumentKind
from tickertui.market.ticks import WORDS, Source, TickBatch, Word
from tickertui.services.loop.status import RuntimeState
from tickertui.services.plan.legs import Legs
from tickertui.tui.view.data_states import DataState, Link, LinkProblem, LinkWatch, MarketView, SocketHealth
from tickertui.tui.view.market_view import MarketViews
from tickertui.tui.view.plan_legs import CellContext, NeverTicked, WatchedLegs


@pytest.mark.parametrize(
    ("never", "text"),
    [
        (NeverTicked(), ""),
        (NeverTicked(54, 51), "54: 51 are > 12% from ATM, 3 have not traded yet"),
        (NeverTicked(5, 2, 3), "5: 2 are > 12% from ATM, 3 expire in > 60 days"),
    ],
)
def test_the_reasons_are_counted(never: NeverTicked, text: str) -> None:
    assert never.describe() == text


def test_a_far_strike_is_told_from_one_that_has_not_traded() -> None:
    backend = prepared_backend()
    far, near = backend.leg_list[0], backend.leg_list[60]
    strike = backend.table.get(far.token)
    assert strike is not None
    backend.board.clear([far.token, near.token])
    backend.board.mark_subscribed([far.token, near.token], 0, backend.clock.monotonic_ns())
    backend.clock.advance(61.0)
    first, second = backend.state.accounts
    runtime: RuntimeState = replace(backend.state, accounts=(replace(first, never=2), second))
    context = CellContext(runtime, LinkWatch().update((), market_open=True), MarketView())
    watched = WatchedLegs(backend)
    assert {leg.token for leg in watched.never_legs(context)} == {far.token, near.token}
    assert watched.never(context).total == 2
    words = [row.text for row in watched.rows(Legs.of([far, near], backend.table), context)[1:]]
    assert all("— NEVER" in text and "has not traded yet" in text for text in words), "within 12 % of the money"
    index = backend.board.row(backend.indices["NIFTY"])
    backend.board.words[index, Word.LAST_PRICE] = 20_000_00
    backend.clock.advance(11.0)
    assert watched.never(context) == NeverTicked(2, far=2), "it is looked at again after ten seconds"
    words = [row.text for row in watched.rows(Legs.of([far, near], backend.table), context)[1:]]
    assert all("> 12% from ATM" in text for text in words)


def test_an_expiry_far_away_is_a_reason_and_an_unknown_contract_has_none() -> None:
    backend = prepared_backend()
    late = backend.table.find_option("NIFTY", EXPIRIES[5], 24_350.0, InstrumentKind.CALL)
    assert late is not None
    legs = [replace(backend.leg_list[0], token=token) for token in (late.token, 12_345)]
    backend.leg_list = tuple(legs)
    tokens = [leg.token for leg in legs]
    backend.board.ensure(tokens)
    backend.board.mark_subscribed(tokens, 0, backend.clock.monotonic_ns())
    backend.clock.advance(61.0)
    backend.clock.set(datetime(2026, 10, 1, 11, 0, tzinfo=IST))
    first, second = backend.state.accounts
    runtime = replace(backend.state, accounts=(replace(first, never=2), second))
    context = CellContext(runtime, LinkWatch().update((), market_open=True), MarketView())
    watched = WatchedLegs(backend)
    assert watched.never(context) == NeverTicked(2, late=1)
    assert [text.text.split("; ")[0][-24:].strip() for text in watched.rows(backend.legs(), context)[1:]] == [
        "expires in > 60 days", "not in today's contracts",
    ]  # fmt: skip


def test_a_refused_leg_is_an_error_and_says_whose_doing_it_is() -> None:
    backend = prepared_backend()
    leg = backend.leg_list[0]
    first, second = backend.state.accounts
    sockets = (replace(first.connections[0], refused=frozenset({leg.token})), *first.connections[1:])
    runtime = replace(backend.state, accounts=(replace(first, connections=sockets), second))
    context = CellContext(runtime, LinkWatch().update(runtime.accounts, market_open=True), MarketView())
    refused, served = WatchedLegs(backend).rows(Legs.of(backend.leg_list[:2], backend.table), context)[1:]
    assert "! ERROR" in refused.text
    assert "the broker refuses it" in refused.text
    assert "ERROR" not in served.text


def test_a_leg_of_a_sick_socket_is_stale_and_says_why() -> None:
    backend = prepared_backend(Situation.STALE)
    silent = backend.state.accounts[0].connections[1]
    codes = LinkWatch().update(backend.state.accounts, market_open=True).codes
    context = CellContext(backend.state, SocketHealth(codes, (LinkProblem(silent, Link.SILENT, "Z1"),)), MarketView())
    legs = [leg for leg in backend.leg_list if leg.connection == silent.connection][:3]
    for item in WatchedLegs(backend).rows(Legs.of(legs, backend.table), context)[1:]:
        assert "~ STALE" in item.text
        assert "its socket is silent" in item.text


def test_legs_of_several_segments_each_go_by_their_own_hours() -> None:
    backend = prepared_backend()
    near, evening = backend.leg_list[60], datetime(2026, 11, 23, 18, 0, tzinfo=IST)
    gas, dollar = 44_040 << 8 | 7, 1_200 << 8 | 3
    legs = [near, replace(near, token=gas), replace(near, token=dollar), replace(near, token=backend.indices["NIFTY"])]
    board, tokens = backend.board, [leg.token for leg in legs]
    board.ensure(tokens)
    for _ in range(2):
        words = np.zeros((len(tokens), WORDS), dtype=np.uint32)
        words[:, Word.TOKEN], words[:, Word.LAST_PRICE] = tokens, 10_000
        words[:, Word.VOLUME] = 6_500
        board.apply(TickBatch.from_rows(words, Source.LIVE, received_ns=backend.clock.monotonic_ns()))
    markets = MarketViews(backend.calendar, evening)
    context = CellContext(backend.state, LinkWatch().update((), market_open=True), markets.of("NFO"), markets)
    states = WatchedLegs(backend).states(Legs.of(legs, backend.table), context)
    closed, live = DataState.CLOSED, DataState.LIVE
    assert [DataState(state) for state in states.tolist()] == [closed, live, closed, closed]
