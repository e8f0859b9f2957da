"""The status bar's fields: fixed order, alerts in words, fewer figures where there is no room."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np

from tests.support.fake_backend import FakeBackend, live_accounts
from tickertui.market.hours import Phase
from tickertui.services.accounts.status import AccountState
from tickertui.services.loop.status import FeedMode, LoopState
from tickertui.services.plan.status import Unplaced
from tickertui.tui.terminal.display_rate import DisplayRate
from tickertui.tui.view.data_states import NO_SOCKET_HEALTH, LinkWatch, MarketView, SocketHealth
from tickertui.tui.view.latency import LatencyMeter
from tickertui.tui.view.status_fields import status_view
from tickertui.tui.widgets.status_bar import StatusField


def fields(
    backend: FakeBackend,
    *,
    wide: bool = True,
    paused: bool = False,
    socket_health: SocketHealth = NO_SOCKET_HEALTH,
    usual: float = 0.0,
) -> tuple[StatusField, ...]:
    latency = LatencyMeter()
    latency.add(np.array([1_000_000_000]), 1_120_000_000)
    return status_view(
        backend, backend.state, latency, MarketView(), DisplayRate(10.0), paused=paused, wide=wide,
        socket_health=socket_health, usual=usual,
    )  # fmt: skip


def alerts(backend: FakeBackend) -> list[str]:
    return [field.text for field in fields(backend) if field.alert]


def test_the_order_is_fixed_and_nothing_alerts_in_good_health() -> None:
    texts = [field.text for field in fields(FakeBackend())]
    assert texts == [
        "Z1 0.4s", "Z2 0.6s", "1,312 t/s", "drop 0", "tick→screen p99 120 ms", "greeks 4.1 ms", "boot 92%", "DB ●",
        "tok→06:00", "skew +0.04s",
    ]  # fmt: skip
    assert alerts(FakeBackend()) == []


def test_a_narrow_bar_leaves_out_the_figures_that_matter_less() -> None:
    texts = [field.text for field in fields(FakeBackend(), wide=False)]
    assert not any(word in text for text in texts for word in ("greeks", "p99", "DB ●", "skew"))


def test_while_a_socket_is_in_trouble_each_one_of_its_account_is_told() -> None:
    backend = FakeBackend()
    first, second = live_accounts()
    watch = LinkWatch()
    watch.update((first, second), market_open=True)
    silent = replace(first.connections[1], data_age=14.0)
    first = replace(first, connections=(first.connections[0], silent, first.connections[2]))
    backend.state = replace(backend.state, accounts=(first, second), ticks_per_second=870.0)
    socket_health = watch.update(backend.state.accounts, market_open=True)
    shown = fields(backend, wide=False, socket_health=socket_health, usual=1_300.0)
    assert [field.short or field.text for field in shown][:3] == [
        "Z1 s1●0.4s s2◐14s s3●0.4s", "Z2 ●0.6s", "870 t/s (usual 1,300)",
    ]  # fmt: skip
    assert "usual" not in "".join(field.text for field in fields(backend, usual=1_300.0)), "only in trouble"


def test_everything_that_is_not_in_order_says_so_in_a_word() -> None:
    backend = FakeBackend()
    first, second = live_accounts()
    overdue = backend.clock.now() - timedelta(minutes=1)
    backend.state = replace(
        backend.state, state=LoopState.FAILED, detail="no store",
        accounts=(replace(first, state=AccountState.AUTH_EXPIRED), replace(second, token_expires=overdue)),
        unassigned=(Unplaced("NIFTY", "no room"),) * 3,
    )  # fmt: skip
    backend.figures = replace(backend.figures, database_fault="connection refused", clock_skew_s=-3.4)
    assert alerts(backend) == [
        "FAILED no store", "Z1 LOGIN", "DB connection refused", "tok OVERDUE", "3 UNASSIGNED",
        "CLOCK 3.4s behind the exchange",
    ]  # fmt: skip
    assert fields(FakeBackend(), paused=True)[0] == StatusField("PAUSED p resumes", alert=True)


def test_without_an_account_the_mock_needs_no_token() -> None:
    backend = FakeBackend()
    backend.state = replace(backend.state, feed=FeedMode.MOCK, accounts=())
    texts = [field.text for field in fields(backend)]
    assert texts[0] == "no account, mock only: 2 tells how to add one"
    assert not any(text.startswith("tok") for text in texts)


def test_a_shut_market_says_when_it_opens_and_that_there_is_a_mock() -> None:
    backend = FakeBackend()
    backend.state = replace(backend.state, feed=FeedMode.CLOSED)
    shut = MarketView(Phase.CLOSED, "HOLIDAY", "next open Wed 25 Nov 09:15", None, "Mon 23 Nov")
    rate, latency, keys = DisplayRate(10.0), LatencyMeter(), {"toggle-mock": "f7"}
    found = status_view(backend, backend.state, latency, shut, rate, paused=False, wide=True, keys=keys)
    assert found[0].text == "next open Wed 25 Nov 09:15, f7 mock"
