"""Why instruments never tick, and what a leg of the plan is worth."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.desk import Situation, desk
from tickertui.services.state import RuntimeState
from tickertui.tui.states import Link, LinkProblem, Links, LinkWatch, MarketView
from tickertui.tui.watched_legs import Around, NeverTicked, WatchedLegs


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
    backend = desk()
    far, near = backend.leg_list[0], backend.leg_list[60]
    strike = backend.table.get(far.token)
    assert strike is not None
    backend.board.clear([far.token, near.token])
    backend.board.mark_subscribed([far.token, near.token], 0, backend.clock.monotonic_ns())
    backend.clock.advance(61.0)
    first, second = backend.state.accounts
    runtime: RuntimeState = replace(backend.state, accounts=(replace(first, never=2), second))
    around = Around(runtime, LinkWatch().update((), market_open=True), MarketView())
    watched = WatchedLegs(backend)
    assert {leg.token for leg in watched.never_legs(around)} == {far.token, near.token}
    assert watched.never(around).total == 2
    words = [row.text for row in watched.rows([far, near], around)[1:]]
    assert all("— NEVER" in text and "has not traded yet" in text for text in words), "within 12 % of the money"


def test_a_leg_of_a_sick_socket_is_stale_and_says_why() -> None:
    backend = desk(Situation.STALE)
    silent = backend.state.accounts[0].connections[1]
    codes = LinkWatch().update(backend.state.accounts, market_open=True).codes
    around = Around(backend.state, Links(codes, (LinkProblem(silent, Link.SILENT, "Z1"),)), MarketView())
    legs = [leg for leg in backend.leg_list if leg.connection == silent.connection][:3]
    for item in WatchedLegs(backend).rows(legs, around)[1:]:
        assert "~ STALE" in item.text
        assert "its socket is silent" in item.text
