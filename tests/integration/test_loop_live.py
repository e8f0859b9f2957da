"""The real loop over the simulated broker: real sockets, real REST, a real store."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import anyio
import numpy as np
import pytest

from tests.support.broker_loop import BrokerLoop, live_loop, live_terminal
from tests.support.loop_rig import QUICK, running
from tests.support.simulators import BY_HAND, GENEROUS, MARKET_TIME, simulated_broker
from tickertui.market.ticks import Mode, Source, Word
from tickertui.services.accounts.status import AccountState
from tickertui.services.loop.status import FeedMode, LoopState
from tickertui.services.mock.mock_generator import MockDataGenerator
from tickertui.services.mock.seeding import SeedOrigin
from tickertui.services.plan.status import ReloadResult
from tickertui.simulator.faults import ErrorAnswer, ExpireTokens, RefuseUpgrade, Reset


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[BrokerLoop]:
    async with live_loop(tmp_path) as live:
        yield live


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[BrokerLoop]:
    """Two accounts."""
    async with live_loop(tmp_path, accounts=2) as live:
        yield live


def added_by_last_reload(live: BrokerLoop) -> int | None:
    result = live.loop.runtime_state().last_reload
    return None if result is None else result.added


async def test_idle_is_running_and_the_first_subscription_starts_to_stream(live: BrokerLoop) -> None:
    rig = live.rig
    async with running(rig):
        await live.until_contracts()
        state = live.loop.runtime_state()
        assert (state.state, state.feed, state.instruments) == (LoopState.RUNNING, FeedMode.LIVE, 0)
        assert live.broker.sockets == ()
        started = state.started_at
        await rig.subscribe(rig.option_tokens(3))
        live.loop.reload_subscriptions_async()
        await live.until_subscribed(3)
        await live.until_account("Z1", AccountState.LIVE)
        rows = rig.board.rows(rig.option_tokens(3))
        await rig.until(lambda: (rig.board.sources[rows] == Source.LIVE).all(), "live values")
        await live.step()
        await rig.until(lambda: (rig.board.packets[rows] >= 2).all(), "they tick")
        await rig.until(lambda: added_by_last_reload(live) == 3, "the reload is over, and says so")
        state = live.loop.runtime_state()
        assert state.started_at == started
        account = state.accounts[0]
        assert (account.desired, account.subscribed, account.ticking, account.never) == (3, 3, 3, 0)
        assert account.connections[0].label == "Z1/s1"
        assert state.revision == state.store_revision == 3


async def test_the_last_one_removed_and_another_added_streams_again(live: BrokerLoop) -> None:
    rig = live.rig
    async with running(rig):
        await live.until_contracts()
        first, second = rig.option_tokens(2)
        await rig.subscribe([first])
        await live.loop.reload_subscriptions()
        await live.until_subscribed(1)
        await rig.store.deactivate(first, "removed by the test")
        await live.loop.reload_subscriptions()
        await live.broker.until_sockets(0)
        assert live.loop.runtime_state().instruments == 0
        assert first not in rig.board
        await rig.subscribe([second])
        await live.loop.reload_subscriptions()
        await live.until_subscribed(1)
        assert second in rig.board


async def test_five_are_added_to_ten_without_a_gap_on_the_ten(live: BrokerLoop) -> None:
    rig = live.rig
    async with running(rig):
        await live.until_contracts()
        ten, five = rig.option_tokens(10), rig.option_tokens(5, skip=10)
        await rig.subscribe(ten)
        await live.loop.reload_subscriptions()
        await live.until_subscribed(10)
        (socket,) = live.broker.sockets
        # Before the first step: the broker conflates a step with the cached packet that it has not sent yet.
        await rig.until(lambda: all(live.tape.counts[token] for token in ten), "the cached packets have come")
        for _ in range(3):
            await live.step()
        await rig.subscribe(five)
        async with anyio.create_task_group() as group:
            group.start_soon(live.loop.reload_subscriptions)
            for _ in range(20):
                await live.step()
        await live.until_subscribed(15)
        for _ in range(3):
            await live.step()
        assert live.broker.sockets == (socket,), "the very same socket"
        for token in ten:
            prices = live.tape.prices(token)
            assert np.diff(prices).tolist() == [5] * 26, "every step came, once"
        for token in five:
            assert (np.diff(live.tape.prices(token)) == 5).all()
            assert rig.board.packets[rig.board.row(token)] >= 3
        result = live.loop.runtime_state().last_reload
        assert result is not None
        assert (result.added, result.removed, result.moved) == (5, 0, 0)


async def test_five_concurrent_reloads_take_turns(live: BrokerLoop) -> None:
    rig = live.rig
    async with running(rig):
        await live.until_contracts()
        results: list[ReloadResult | None] = []
        states: set[LoopState] = set()

        async def subscribe_and_reload(token: int) -> None:
            await rig.subscribe([token])
            results.append(await live.loop.reload_subscriptions())
            states.add(live.loop.state)

        async with anyio.create_task_group() as group:
            for token in rig.option_tokens(5):
                group.start_soon(subscribe_and_reload, token)
        await live.until_subscribed(5)
        assert len(results) == 5
        assert all(result is not None and not result.error for result in results)
        assert sum(result.added for result in results if result) == 5
        assert states <= {LoopState.RUNNING, LoopState.RELOADING}
        assert live.loop.state is LoopState.RUNNING


async def test_a_plan_is_shown_before_it_is_applied_and_made_anew_when_overtaken(live: BrokerLoop) -> None:
    rig = live.rig
    async with running(rig):
        await live.until_contracts()
        await rig.subscribe(rig.option_tokens(3))
        plan = await live.loop.plan_reload()
        assert (plan.added, plan.unchanged, plan.is_empty) == (3, 0, False)
        assert live.broker.sockets == ()
        assert await rig.store.list_assignments() == []
        await rig.subscribe(rig.option_tokens(2, skip=3))
        result = await live.loop.apply_reload()
        assert result.added == 5
        await live.until_subscribed(5)
        assert len(await rig.store.list_assignments()) == 5
        plan = await live.loop.plan_reload()
        assert plan.is_empty
        result = await live.loop.apply_reload()
        assert (result.added, result.error) == (0, "")


async def test_stop_and_start_again_leave_nothing_behind_and_stream_the_same(live: BrokerLoop) -> None:
    rig = live.rig
    before = {thread.name for thread in threading.enumerate()}
    async with running(rig):
        await live.until_contracts()
        await rig.subscribe(rig.option_tokens(4))
        await live.loop.reload_subscriptions()
        await live.until_subscribed(4)
        for _ in range(3):
            await live.loop.stop()
            assert live.loop.runtime_state().state is LoopState.STOPPED
            await live.broker.until_sockets(0)
            assert rig.alive() == ["reloader"], "the reloader lives as long as the engine"
            assert await live.loop.reload_subscriptions() is not None
            assert live.broker.sockets == ()
            await live.loop.start()
            await live.until_subscribed(4)
            assert live.loop.state is LoopState.RUNNING
    assert rig.alive() == []
    await live.broker.until_sockets(0)
    assert {thread.name for thread in threading.enumerate()} <= before | {"AnyIO worker thread"}


async def test_a_reload_while_it_stops_does_not_deadlock(live: BrokerLoop) -> None:
    rig = live.rig
    async with running(rig):
        await live.until_contracts()
        await rig.subscribe(rig.option_tokens(4))
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(live.loop.reload_subscriptions)
                group.start_soon(live.loop.stop)
                group.start_soon(live.loop.reload_subscriptions)
                group.start_soon(live.loop.stop)
        assert live.loop.state is LoopState.STOPPED
        await live.broker.until_sockets(0)


async def test_the_feed_is_switched_at_run_time_and_nothing_mixes(live: BrokerLoop) -> None:
    rig = live.rig
    nifty = live.broker.market.row(256265)  # type: ignore[attr-defined]
    nifty[1] = 2_600_000
    nifty[Word.EXCHANGE_TIMESTAMP] = int(rig.clock.now().timestamp())
    async with running(rig):
        await live.until_contracts()
        await rig.add_rule(strikes=3)
        await live.loop.reload_subscriptions()
        await live.until_account("Z1", AccountState.LIVE)
        rows = rig.board.rows([leg.token for leg in rig.reconciler.watched()])
        await rig.until(lambda: (rig.board.sources[rows] == Source.LIVE).all(), "live values")
        await live.loop.set_feed(FeedMode.MOCK)
        assert live.loop.runtime_state().feed is FeedMode.MOCK
        assert not (rig.board.sources[rows] == Source.LIVE).any()
        await live.broker.until_sockets(0)
        await rig.until(lambda: (rig.board.sources[rows] == Source.MOCK).all(), "mock values")
        spot = rig.loop.spots("NIFTY")
        assert spot is not None
        assert abs(spot / 26_000 - 1) < 0.02, "the mock goes on where the market was"
        assert isinstance(rig.loop.mock_generator, MockDataGenerator)
        seed = rig.loop.mock_generator.seed_of("NIFTY")
        assert seed is not None
        assert seed.origin is SeedOrigin.RECORDED
        assert seed.at is not None
        assert abs(seed.at - rig.clock.now()) < timedelta(minutes=5), "it knows of when that level is"
        await live.loop.set_feed(FeedMode.LIVE)
        await live.until_account("Z1", AccountState.LIVE)
        await rig.until(lambda: (rig.board.sources[rows] == Source.LIVE).all(), "live values again")
        await live.step()
        sources = set(rig.board.sources[rows].tolist())
        assert sources == {Source.LIVE}
        feeds = rig.texts("market")
        assert any("at your wish" in text for text in feeds)
        assert "values of the mock feed were cleared" in feeds[-1]


def nifty_stands_at(live: BrokerLoop, price: int) -> None:
    row = live.broker.market.row(256265)  # type: ignore[attr-defined]
    row[Word.LAST_PRICE] = price * 100
    row[Word.EXCHANGE_TIMESTAMP] = int(live.rig.clock.now().timestamp())


async def test_a_mock_with_an_account_takes_levels_and_open_interest_from_quotes(tmp_path: Path) -> None:
    async with live_loop(tmp_path, settings=replace(QUICK, first_feed=FeedMode.MOCK)) as live:
        rig = live.rig
        nifty_stands_at(live, 26_000)
        async with running(rig):
            await live.until_contracts()
            await rig.add_rule(strikes=3)
            await live.loop.reload_subscriptions()
            generator = rig.loop.mock_generator
            assert isinstance(generator, MockDataGenerator)
            seed = generator.seed_of("NIFTY")
            assert seed is not None
            assert seed.origin is SeedOrigin.QUOTE
            spot = rig.loop.spots("NIFTY")
            assert spot is not None
            assert abs(spot / 26_000 - 1) < 0.02
            tokens = [leg.token for leg in rig.reconciler.watched() if leg.token != 256265]
            quoted = live.broker.market.rows(tokens)
            interest = dict(zip(quoted[:, Word.TOKEN].tolist(), quoted[:, Word.OPEN_INTEREST].tolist(), strict=True))
            wanted = np.array([interest[token] for token in tokens])
            assert (wanted > 0).any()
            rows = rig.board.rows(tokens)
            await rig.until(
                lambda: np.allclose(rig.board.field(rows, Word.OPEN_INTEREST), wanted, rtol=0.05),
                "open interest as quoted",
            )
            assert (rig.board.sources[rows] == Source.MOCK).all()


async def test_a_mock_whose_broker_gives_no_quotes_stands_at_typical_levels(tmp_path: Path) -> None:
    async with live_loop(tmp_path, settings=replace(QUICK, first_feed=FeedMode.MOCK)) as live:
        rig = live.rig
        await live.broker.misbehave(ErrorAnswer(path="/quote", status=403, error_type="PermissionException"))
        async with running(rig):
            await live.until_contracts()
            await rig.add_rule(strikes=3)
            await live.loop.reload_subscriptions()
            rows = rig.board.rows([leg.token for leg in rig.reconciler.watched()])
            assert len(rows) > 6
            await rig.until(lambda: (rig.board.sources[rows] == Source.MOCK).all(), "mock values")
            generator = rig.loop.mock_generator
            assert isinstance(generator, MockDataGenerator)
            seed = generator.seed_of("NIFTY")
            assert seed is not None
            assert seed.origin is SeedOrigin.TYPICAL


async def test_a_token_that_dies_in_the_session_stops_one_account_and_a_login_revives_it(pair: BrokerLoop) -> None:
    rig = pair.rig
    async with running(rig):
        await pair.until_contracts()
        tokens = rig.option_tokens(8)
        await rig.subscribe(tokens[:4], account="Z1")
        await rig.subscribe(tokens[4:], account="Z2")
        await pair.loop.reload_subscriptions()
        await pair.until_subscribed(8)
        await rig.until(lambda: rig.orchestrator.state("Z1") is AccountState.READY, "the token was validated")
        key = rig.orchestrator.config("Z1").api_key
        await pair.broker.misbehave(ExpireTokens(api_key=key))
        await pair.step()
        assert pair.state("Z1") is AccountState.LIVE, "the broker looks at the token only at the connect"
        await pair.broker.misbehave(Reset(api_key=key))
        await pair.until_account("Z1", AccountState.AUTH_EXPIRED)
        await rig.until(lambda: "login needed" in rig.orchestrator.detail("Z1"), "the profile was asked for")
        await pair.step()
        assert pair.state("Z2") is AccountState.LIVE
        rows = rig.board.rows(tokens[4:])
        assert (rig.board.packets[rows] >= 3).all()
        restarts = {task.name: task.restarts for task in rig.monitor.tasks()}
        await pair.log_in("Z1")
        await pair.until_account("Z1", AccountState.LIVE)
        await pair.until_subscribed(8)
        await pair.step()
        assert {task.name: task.restarts for task in rig.monitor.tasks() if task.name in restarts} == restarts
        texts = " ".join(rig.texts())
        assert "Z1 needs a login" in texts
        assert "token1" not in texts


async def test_a_crashing_stream_is_restarted_then_given_up_and_its_instruments_move(pair: BrokerLoop) -> None:
    rig = pair.rig
    async with running(rig):
        await pair.until_contracts()
        tokens = rig.option_tokens(6)
        await rig.subscribe(tokens)
        await pair.loop.reload_subscriptions()
        await pair.until_subscribed(6)
        (home,) = {leg.account for leg in rig.reconciler.watched()}
        other = "Z2" if home == "Z1" else "Z1"
        pair.broken.add(home)
        await pair.loop.stop()
        await pair.loop.start()
        await rig.until(lambda: pair.state(home) is AccountState.FAILED, f"{home} was given up", timeout=60)
        await rig.until(lambda: {leg.account for leg in rig.reconciler.watched()} == {other}, "moved")
        await pair.until_subscribed(6)
        await pair.step()
        assert pair.state(other) is AccountState.LIVE
        task = next(task for task in rig.monitor.tasks() if task.name == f"stream {home}")
        assert task.restarts == 2
        assert "this socket is broken" in task.last_error
        pair.broken.clear()
        await pair.loop.reconnect(home)
        await pair.until_account(home, AccountState.READY)


async def test_the_user_moves_an_account_and_a_pinned_instrument_stays(pair: BrokerLoop) -> None:
    rig = pair.rig
    async with running(rig):
        await pair.until_contracts()
        tokens = rig.option_tokens(6)
        await rig.subscribe(tokens)
        await pair.loop.reload_subscriptions()
        await pair.until_subscribed(6)
        (home,) = {leg.account for leg in rig.reconciler.watched()}
        async with anyio.create_task_group() as group:
            group.start_soon(pair.loop.move_account, home)
            for _ in range(10):
                await pair.step()
        await rig.until(lambda: home not in {leg.account for leg in rig.reconciler.watched()}, "moved")
        await pair.until_subscribed(6)
        result = pair.loop.runtime_state().last_reload
        assert result is not None
        assert (result.moved, result.added, result.removed) == (6, 0, 0)
        assert "not seen yet" not in " ".join(rig.texts("reload"))
        for token in tokens:
            # In the overlap two sockets bring each step, and nothing says which one comes first.
            assert (np.diff(np.unique(pair.tape.prices(token))) == 5).all(), "no step is missing"
            assert pair.tape.highest[token] == pair.broker.market.rows([token])[0, Word.LAST_PRICE]
            for connection in {other for other, one, _ in pair.tape.packets if one == token}:
                assert (np.diff(pair.tape.prices(token, connection)) > 0).all(), "on a socket none comes twice"


async def test_what_the_broker_refuses_on_a_full_socket_is_known_by_instrument(tmp_path: Path) -> None:
    limits = replace(GENEROUS, socket_instruments=5)
    async with (
        simulated_broker(limits=limits, timing=BY_HAND, start=MARKET_TIME, speed=1.0) as broker,
        live_terminal(broker, tmp_path) as live,
        running(live.rig),
    ):
        rig = live.rig
        await live.until_contracts()
        await rig.subscribe(rig.option_tokens(8))
        await live.loop.reload_subscriptions()
        await rig.until(lambda: live.loop.runtime_state().refused, "the broker refuses some")
        served = {token for socket in broker.sockets for token in socket.modes}
        assert len(served) == 5
        await live.step()
        refused = live.loop.runtime_state().refused
        assert refused
        assert not refused & served
        assert len(refused | served) == live.loop.runtime_state().instruments
        assert any("refuses: Can't subscribe to more than 5" in text for text in rig.texts())


async def test_a_refused_upgrade_is_shown_and_rest_fills_in(live: BrokerLoop) -> None:
    rig = live.rig
    fault = await live.broker.misbehave(RefuseUpgrade(status=503))
    async with running(rig):
        await live.until_contracts()
        tokens = rig.option_tokens(5)
        await rig.subscribe(tokens)
        await live.loop.reload_subscriptions()
        rows = rig.board.rows(tokens)
        await rig.until(lambda: (rig.board.sources[rows] == Source.SNAPSHOT).all(), "filled by quotes", timeout=30)
        assert live.state("Z1") in (AccountState.RECONNECTING, AccountState.STARTING)
        assert live.loop.runtime_state().accounts[0].ticking == 0
        live.broker.simulator.clear_faults(fault)
        await live.until_account("Z1", AccountState.LIVE)
        await rig.until(lambda: (rig.board.sources[rows] == Source.LIVE).all(), "live again")


async def test_modes_of_the_plan_reach_the_broker_and_a_change_is_one_frame(live: BrokerLoop) -> None:
    rig = live.rig
    async with running(rig):
        await live.until_contracts()
        token, other = rig.option_tokens(2)
        await rig.subscribe([token, other])
        await live.loop.reload_subscriptions()
        await live.until_subscribed(2)
        record = await rig.store.get(token)
        assert record is not None
        await rig.store.upsert(
            token=token,
            tradingsymbol=record.tradingsymbol,
            segment=record.segment,
            expiry=record.expiry,
            mode=Mode.LTP,
        )
        await live.loop.reload_subscriptions()
        (socket,) = live.broker.sockets
        await rig.until(lambda: socket.modes.get(token) is Mode.LTP, "the mode has changed")
        assert socket.modes[other] is Mode.FULL
        result = live.loop.runtime_state().last_reload
        assert result is not None
        assert (result.mode_changed, result.added, result.removed) == (1, 0, 0)


async def test_history_is_fetched_through_any_account_and_contracts_on_demand(pair: BrokerLoop) -> None:
    rig = pair.rig
    async with running(rig):
        await pair.until_contracts()
        now = rig.clock.now()
        candles = await pair.loop.fetch_history(rig.option_tokens(1)[0], now - timedelta(minutes=30), now)
        assert len(candles) > 20
        assert pair.loop.list_accounts() == ("Z1", "Z2")
        report = await pair.loop.refresh_instruments()
        assert not report.changed
        assert (await pair.loop.refresh_instruments(force=True)).rows == len(rig.registry)


async def test_the_bell_rings_while_it_streams(tmp_path: Path) -> None:
    async with live_loop(tmp_path, start=MARKET_TIME.replace(hour=15, minute=39, second=56)) as live:
        rig = live.rig
        async with running(rig):
            await live.until_contracts()
            await rig.subscribe(rig.option_tokens(2))
            await live.loop.reload_subscriptions()
            await live.until_account("Z1", AccountState.LIVE)
            assert live.loop.runtime_state().feed is FeedMode.LIVE
            await rig.until(lambda: live.loop.runtime_state().feed is FeedMode.CLOSED, "the market has closed")
            rows = rig.board.rows(rig.option_tokens(2))
            assert (rig.board.sources[rows] == Source.LIVE).all()
            assert live.state("Z1") is AccountState.LIVE
            await live.step()
            await rig.until(lambda: (rig.board.packets[rows] >= 2).all(), "what comes all the same is taken")
