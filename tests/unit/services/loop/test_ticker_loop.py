"""The loop's states, clocks and failures under virtual time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import anyio
import pytest

from tests.support.fakes import table_of
from tests.support.virtual_loop import (
    EXPIRY,
    LATER,
    MORNING,
    NIFTY,
    SETTINGS,
    VirtualLoop,
    make_virtual_loop,
    quotes_of,
    running_virtual_loop,
)
from tests.support.virtual_time import virtual_trio
from tickertui.kite.errors import AuthExpired, BrokerUnavailable
from tickertui.kite.messages import InstrumentsMeta
from tickertui.kite.secrets import Secret
from tickertui.market.clock import IST
from tickertui.market.subscriptions import ChainRule, SubscriptionStatus
from tickertui.market.ticks import Source
from tickertui.services.accounts.session_orchestrator import NoAccounts
from tickertui.services.accounts.status import AccountState
from tickertui.services.loop.status import FeedMode, LoopState
from tickertui.services.loop.ticker_loop import LoopNotRunning
from tickertui.services.plan.placement import PlacementLimits
from tickertui.services.plan.subscription_reconciler import PreparedReload
from tickertui.services.supervision.events import Severity
from tickertui.store.protocol import Owner, StoreBusy, StoreUnavailable


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


FRIDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 23)
"""The two sessions before Wednesday, 25 November; Tuesday is a holiday."""


def at(hour: int, minute: int, second: int = 0, *, day: int = 25, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, second, tzinfo=IST)


# ---------------------------------------------------------------------- states


async def test_it_is_started_by_its_run_and_only_there() -> None:
    desk = make_virtual_loop("Z1")
    with pytest.raises(LoopNotRunning, match="engine"):
        await desk.loop.start()
    await desk.loop.stop()
    with pytest.raises(LoopNotRunning):
        await desk.loop.apply_reload()
    assert await desk.loop.reload_subscriptions() is None
    async with running_virtual_loop(desk):
        with pytest.raises(RuntimeError, match="run once"):
            await desk.loop.run()
        assert desk.loop.state is LoopState.RUNNING
        await desk.loop.start()
    assert desk.rig.texts("loop").count("stopped") == 1


async def test_a_loop_that_is_not_to_start_by_itself_waits_for_the_call() -> None:
    desk = make_virtual_loop("Z1", settings=replace(SETTINGS, autostart=False))
    async with running_virtual_loop(desk):
        assert desk.loop.runtime_state().state is LoopState.STOPPED
        with pytest.raises(LoopNotRunning, match="stopped"):
            await desk.loop.plan_reload()
        await desk.loop.start()
        assert desk.loop.runtime_state().state is LoopState.RUNNING


async def test_a_start_that_fails_is_rolled_back_and_the_next_one_succeeds() -> None:
    desk = make_virtual_loop("Z1")
    desk.want(desk.options(3))
    desk.store.broken = StoreUnavailable("the database server cannot be reached")
    async with running_virtual_loop(desk):
        state = desk.loop.runtime_state()
        assert state.state is LoopState.FAILED
        assert "the database server cannot be reached" in state.detail
        assert state.feed is FeedMode.NONE
        assert state.accounts == ()
        assert [task.name for task in desk.rig.monitor.tasks() if desk.rig.monitor.is_running(task.name)] == [
            "reloader"
        ]
        assert not desk.sockets.running
        assert not desk.store.claims["Z1"].is_held
        desk.store.broken = None
        await desk.loop.start()
        state = desk.loop.runtime_state()
        assert (state.state, state.detail) == (LoopState.RUNNING, "")
        await desk.until_carried(desk.options(3))


async def test_a_start_whose_caller_is_cancelled_is_rolled_back() -> None:
    desk = make_virtual_loop("Z1", settings=replace(SETTINGS, autostart=False))
    desk.client("Z1").quotes = None
    desk.store.rule(ChainRule(0, "NIFTY", strikes=2))

    async def slow(_: object) -> object:
        await anyio.sleep_forever()
        raise AssertionError

    desk.client("Z1").quote_batch = slow  # type: ignore[method-assign, assignment]
    async with running_virtual_loop(desk):
        with anyio.move_on_after(2):
            await desk.loop.start()
        assert desk.loop.state is LoopState.STOPPED
        assert not desk.store.claims["Z1"].is_held
        await desk.loop.start()
        assert desk.loop.runtime_state().state is LoopState.RUNNING, "without quotes the rule is centred on a guess"


async def test_stop_has_a_deadline_and_then_cancels() -> None:
    desk = make_virtual_loop("Z1")
    desk.want(desk.options(3))
    async with running_virtual_loop(desk):
        await desk.until_carried(desk.options(3))
        desk.sockets[0].close_takes = 1e9
        began = anyio.current_time()
        await desk.loop.stop()
        assert anyio.current_time() - began == pytest.approx(10)
        assert desk.loop.state is LoopState.STOPPED
        assert not desk.sockets.running
        assert any("not everything had stopped after 10 s" in text for text in desk.rig.texts("loop"))


async def inside_commit(desk: VirtualLoop, action: Any) -> None:
    """Let something happen in the middle of the next reload, in its own task."""
    commit = desk.rig.reconciler.commit

    async def commit_and_act(prepared: PreparedReload, *, write: bool = True) -> None:
        desk.rig.reconciler.commit = commit  # type: ignore[method-assign]
        await action()
        await commit(prepared, write=write)

    desk.rig.reconciler.commit = commit_and_act  # type: ignore[method-assign]


async def test_stop_from_inside_a_reload_returns_and_stops() -> None:
    desk = make_virtual_loop("Z1")
    async with running_virtual_loop(desk):
        desk.want(desk.options(3))
        await inside_commit(desk, desk.loop.stop)
        with anyio.fail_after(30):
            await desk.loop.reload_subscriptions()
            await desk.until(lambda: desk.loop.state is LoopState.STOPPED, "stopped", 30)
        assert not desk.sockets.running
        await desk.loop.start()
        await desk.until_carried(desk.options(3))


async def test_stop_from_inside_a_triggered_reload_leaves_the_reloader_alive() -> None:
    desk = make_virtual_loop("Z1")
    async with running_virtual_loop(desk):
        desk.want(desk.options(3))
        await inside_commit(desk, desk.loop.stop)
        desk.loop.reload_subscriptions_async()
        await desk.until(lambda: desk.loop.state is LoopState.STOPPED, "stopped", 30)
        await desk.loop.start()
        desk.want(desk.options(2, skip=3))
        desk.loop.reload_subscriptions_async()
        await desk.until_carried(desk.options(5))


async def test_start_and_reload_from_inside_a_reload_do_not_deadlock() -> None:
    desk = make_virtual_loop("Z1")
    async with running_virtual_loop(desk):
        desk.want(desk.options(3))

        async def act() -> None:
            await desk.loop.start()
            await desk.loop.reload_subscriptions()
            await desk.loop.set_feed(FeedMode.MOCK)
            with pytest.raises(LoopNotRunning, match="under way"):
                await desk.loop.plan_reload()

        await inside_commit(desk, act)
        reloads = desk.loop.reloader.reloads
        result = await desk.loop.reload_subscriptions()
        assert result is not None
        assert result.added == 3
        await desk.until(lambda: desk.loop.reloader.reloads > reloads, "exactly one more was asked for")
        await desk.until(lambda: desk.loop.runtime_state().feed is FeedMode.MOCK, "the wish was not forgotten")


async def test_stop_during_the_start_ends_it() -> None:
    desk = make_virtual_loop("Z1", settings=replace(SETTINGS, autostart=False))
    desk.store.rule(ChainRule(0, "NIFTY", strikes=2))

    async def slow(_: object) -> object:
        await anyio.sleep_forever()
        raise AssertionError

    desk.client("Z1").quote_batch = slow  # type: ignore[method-assign, assignment]
    async with running_virtual_loop(desk), anyio.create_task_group() as group:
        group.start_soon(desk.loop.start)
        await desk.until(lambda: desk.loop.state is LoopState.STARTING, "starting")
        await desk.loop.stop()
        assert desk.loop.runtime_state().state is LoopState.STOPPED


# ---------------------------------------------------------------------- a plan that was shown


async def test_a_shown_plan_is_carried_out_as_it_was_shown() -> None:
    desk = make_virtual_loop("Z1")
    async with running_virtual_loop(desk):
        desk.store.rule(ChainRule(0, "NIFTY", strikes=2, include_future=False))
        plan = await desk.loop.plan_reload()
        desk.loop.spots.remember("NIFTY", 26_400.0)
        result = await desk.loop.apply_reload()
        assert (result.added, result.error) == (plan.added, "")
        assert desk.rig.reconciler.rules()[0].centre == 26_000


async def test_a_shown_plan_that_the_store_has_overtaken_is_made_anew() -> None:
    desk = make_virtual_loop("Z1")
    desk.want(desk.options(3))
    async with running_virtual_loop(desk):
        desk.want(desk.options(2, skip=3))
        assert (await desk.loop.plan_reload()).added == 2
        for token in desk.options(4, skip=1):
            desk.store.end(token)
        result = await desk.loop.apply_reload()
        assert (result.added, result.removed) == (0, 2)
        await desk.until_carried(desk.options(1))


async def test_a_shown_plan_that_another_reload_has_overtaken_is_made_anew() -> None:
    desk = make_virtual_loop("Z1")
    async with running_virtual_loop(desk):
        desk.want(desk.options(3))
        assert (await desk.loop.plan_reload()).added == 3
        other = await desk.loop.reload_subscriptions()
        assert other is not None
        assert other.added == 3
        generation = desk.loop.runtime_state().generation
        result = await desk.loop.apply_reload()
        assert (result.added, result.removed, result.error) == (0, 0, "")
        assert desk.loop.runtime_state().generation == generation, "nothing was left to do"
        await desk.until_carried(desk.options(3))


async def test_a_shown_plan_for_an_account_that_has_failed_meanwhile_is_made_anew() -> None:
    desk = make_virtual_loop("Z1", "Z2")
    desk.want(desk.options(4), pin="Z2")
    desk.want(desk.options(2, skip=4), pin="Z1")
    async with running_virtual_loop(desk):
        await desk.until_carried(desk.options(6))
        socket = next(one for one in desk.sockets.running if desk.options(1)[0] in one.subscribed)
        socket.lose("no route to host")
        desk.want(desk.options(2, skip=6), pin="Z1")
        plan = await desk.loop.plan_reload()
        assert (plan.added, plan.removed) == (2, 0)
        await desk.until(
            lambda: any("its instruments move" in text for text in desk.rig.texts("account")), "Z2 is left out", 300
        )
        result = await desk.loop.apply_reload()
        assert (result.added, result.removed) == (2, 4), "what is pinned to Z2 has no place now"


# ---------------------------------------------------------------------- reloads that fail


async def test_a_reload_that_fails_leaves_the_running_plan() -> None:
    desk = make_virtual_loop("Z1")
    desk.want(desk.options(3))
    async with running_virtual_loop(desk):
        await desk.until_carried(desk.options(3))
        generation = desk.loop.runtime_state().generation
        desk.want(desk.options(2, skip=3))
        desk.store.failure = StoreBusy("the database is busy")
        result = await desk.loop.reload_subscriptions()
        assert result is not None
        assert "the database is busy" in result.error
        await anyio.sleep(10)
        await desk.until_carried(desk.options(3))
        state = desk.loop.runtime_state()
        assert (state.state, state.instruments, state.generation) == (LoopState.RUNNING, 3, generation)
        assert not any(token in desk.rig.board for token in desk.options(2, skip=3))
        assert desk.rig.events.since()[-1].severity is Severity.ERROR
        result = await desk.loop.reload_subscriptions()
        assert result is not None
        assert (result.added, result.error) == (2, "")
        await desk.until_carried(desk.options(5))


async def test_a_triggered_reload_that_fails_is_remembered_by_the_reloader() -> None:
    desk = make_virtual_loop("Z1")
    async with running_virtual_loop(desk):
        desk.store.broken = StoreBusy("the database is busy")
        desk.loop.reload_subscriptions_async()
        await desk.until(lambda: desk.loop.reloader.last_error, "remembered")
        assert "busy" in str(desk.loop.reloader.last_error)
        desk.store.broken = None
        desk.want(desk.options(1))
        desk.loop.reload_subscriptions_async()
        await desk.until_carried(desk.options(1))
        assert desk.loop.reloader.last_error is None


async def test_unknown_dump_rows_and_too_little_room_are_visible_states() -> None:
    desk = make_virtual_loop("Z1", limits=PlacementLimits(per_socket=2, comfortable=2))
    desk.want(desk.options(8))
    desk.store.subscribe(99_999 << 8 | 2, "UNHEARD", expiry=EXPIRY)
    async with running_virtual_loop(desk):
        state = desk.loop.runtime_state()
        assert state.instruments == 6
        assert len(state.unassigned) == 2
        assert "no room" in state.unassigned[0].reason
        assert [one.label for one in state.unresolved] == ["UNHEARD"]
        assert desk.store.records[99_999 << 8 | 2].status is SubscriptionStatus.ACTIVE


# ---------------------------------------------------------------------- clock and calendar


@pytest.mark.parametrize(
    "start, before, after",
    [
        (at(9, 14, 50), FeedMode.CLOSED, FeedMode.LIVE),
        (at(15, 39, 50), FeedMode.LIVE, FeedMode.CLOSED),
    ],
    ids=["open", "close"],
)
async def test_the_market_opens_and_closes_by_the_calendar(start: datetime, before: FeedMode, after: FeedMode) -> None:
    desk = make_virtual_loop("Z1", at=start)
    desk.want(desk.options(3))
    async with running_virtual_loop(desk):
        await desk.until_carried(desk.options(3))
        desk.sockets[0].tick()
        assert desk.loop.runtime_state().feed is before
        generation = desk.rig.board.generation
        await desk.until(lambda: desk.loop.runtime_state().feed is after, "switched", 30)
        assert abs((desk.clock.now() - start).total_seconds() - 10) <= 1.1
        row = desk.rig.board.row(desk.options(1)[0])
        assert desk.rig.board.source_of(row) is Source.LIVE, "the values stay"
        assert desk.rig.board.generation == generation
        assert desk.sockets[0].stats.epoch == 1, "the socket stays"


@pytest.mark.parametrize("start", [at(11, 0, day=22), at(11, 0, day=24)], ids=["Sunday", "holiday"])
async def test_on_a_day_without_trading_it_is_closed(start: datetime) -> None:
    desk = make_virtual_loop("Z1", at=start)
    async with running_virtual_loop(desk):
        assert desk.loop.runtime_state().feed is FeedMode.CLOSED


async def test_a_machine_that_slept_reconnects_at_once_and_says_what_it_missed() -> None:
    desk = make_virtual_loop("Z1")
    desk.want(desk.options(3))
    async with running_virtual_loop(desk):
        await desk.until_carried(desk.options(3))
        await anyio.sleep(10)
        reloads = desk.loop.reloader.reloads
        desk.clock.jump(39 * 60)
        await desk.until(lambda: desk.sockets[0].stats.epoch == 2, "reconnected", 2)
        assert any(text.startswith("asleep 11:00-11:39: 39 min of ticks") for text in desk.rig.texts("loop"))
        await desk.until(lambda: desk.loop.reloader.reloads > reloads, "a reload finds the gap in the history")
        desk.clock.jump(-3600)
        await desk.until(lambda: any("set back" in text for text in desk.rig.texts("loop")), "noticed")
        assert desk.sockets[0].stats.epoch == 2


async def test_contracts_leave_at_their_expiry_instant_and_the_rule_takes_the_next_expiry() -> None:
    desk = make_virtual_loop("Z1", at=at(15, 39, 30, day=1, month=12))
    desk.store.rule(ChainRule(0, "NIFTY", strikes=1, include_future=False))
    desk.want(desk.options(1))
    async with running_virtual_loop(desk):
        assert desk.rig.reconciler.rules()[0].expiries == (EXPIRY,)
        await desk.until(lambda: desk.rig.reconciler.rules()[0].expiries == (LATER,), "the next expiry", 120)
        waited = (desk.clock.now() - at(15, 40, day=1, month=12)).total_seconds()
        assert 0 <= waited < 5
        assert desk.store.records[desk.options(1)[0]].status is SubscriptionStatus.EXPIRED
        assert desk.options(1)[0] not in desk.rig.board
        assert any("contracts expired at 15:40" in text for text in desk.rig.texts("reload"))


async def test_rules_follow_the_spot_of_the_stream() -> None:
    desk = make_virtual_loop("Z1")
    desk.store.rule(ChainRule(0, "NIFTY", strikes=2, include_future=False))
    async with running_virtual_loop(desk):
        assert desk.rig.reconciler.rules()[0].centre == 26_000
        assert desk.client("Z1").calls[0] == "quote 1", "the first spot came by REST"
        await desk.until(lambda: desk.carried(), "carried")
        carried = desk.carried()[0]
        desk.spot(26_020)
        await anyio.sleep(30)
        assert desk.carried()[0] == carried, "not at every strike boundary"
        desk.spot(26_210)
        await desk.until(lambda: desk.rig.reconciler.rules()[0].centre == 26_200, "centred anew", 60)
        await desk.until(lambda: desk.carried()[0] != carried, "other legs")
        assert desk.sockets[0].stats.epoch == 1


async def test_a_spot_that_rest_cannot_give_comes_with_the_stream() -> None:
    desk = make_virtual_loop("Z1")
    desk.client("Z1").quotes = None
    desk.client("Z1").failure = BrokerUnavailable("down")
    desk.store.rule(ChainRule(0, "NIFTY", strikes=2, include_future=False))
    async with running_virtual_loop(desk):
        assert desk.rig.reconciler.rules()[0].centre is None
        await desk.until(lambda: desk.carried(), "the index is carried at least")
        desk.spot(26_100)
        await desk.until(lambda: desk.rig.reconciler.rules()[0].centre == 26_100, "centred", 60)


# ---------------------------------------------------------------------- accounts


async def test_an_account_that_is_down_for_long_gives_its_unpinned_instruments_away() -> None:
    desk = make_virtual_loop("Z1", "Z2")
    desk.want(desk.options(4), pin="Z1")
    desk.want(desk.options(4, skip=4))
    async with running_virtual_loop(desk):
        await desk.until_carried(desk.options(8))
        home = {socket.connection: socket for socket in desk.sockets.running}
        first = home[min(home)]
        first.lose("no route to host")
        await desk.until(
            lambda: (
                {leg.account for leg in desk.rig.reconciler.watched() if leg.token in desk.options(4, skip=4)} == {"Z2"}
            ),
            "moved",
        )
        assert (desk.clock.now() - MORNING).total_seconds() >= 180
        unassigned = desk.loop.runtime_state().unassigned
        assert {one.token for one in unassigned} == set(desk.options(4)), "a pin is not overridden"


async def test_the_user_empties_an_account_and_takes_it_up_again() -> None:
    desk = make_virtual_loop("Z1", "Z2")
    desk.want(desk.options(4))
    async with running_virtual_loop(desk):
        await desk.until_carried(desk.options(4))
        (home,) = {leg.account for leg in desk.rig.reconciler.watched()}
        await desk.loop.move_account(home)
        assert home not in {leg.account for leg in desk.rig.reconciler.watched()}
        await desk.loop.reconnect(home)
        await desk.until(lambda: not desk.loop.reloader.pending, "reloaded")
        with pytest.raises(NoAccounts, match="no account 'Z9'"):
            await desk.loop.move_account("Z9")
        with pytest.raises(NoAccounts, match="no account 'Z9'"):
            await desk.loop.reconnect("Z9")
    with pytest.raises(LoopNotRunning):
        await desk.loop.reconnect(home)


async def test_two_terminals_on_one_store_do_not_fight() -> None:
    desk = make_virtual_loop("Z1")
    desk.want(desk.options(3))
    desk.store.owners["Z1"] = Owner("desk-2", 4711, MORNING - timedelta(hours=1))
    async with running_virtual_loop(desk):
        state = desk.loop.runtime_state()
        assert state.instruments == 3
        assert state.accounts[0].state is AccountState.ELSEWHERE
        assert "desk-2, process 4711, since 10:00" in state.accounts[0].detail
        assert not desk.sockets.made
        assert desk.store.writes == [], "a terminal that only looks on writes nothing"
        rows = desk.rig.board.rows(desk.options(3))
        await desk.until(lambda: (desk.rig.board.sources[rows] == Source.SNAPSHOT).all(), "quotes fill it in", 30)
        received = desk.rig.board.received_ns[rows].max()
        await desk.until(lambda: desk.rig.board.received_ns[rows].min() > received, "again and again", 30)
        desk.store.owners.clear()
        await desk.until_carried(desk.options(3))
        assert desk.loop.runtime_state().accounts[0].state is AccountState.LIVE
        await desk.until(lambda: desk.store.writes, "now it says where things are")


async def test_a_change_of_another_terminal_is_taken_up() -> None:
    desk = make_virtual_loop("Z1")
    async with running_virtual_loop(desk):
        desk.want(desk.options(2))
        desk.store.tell_of_change()
        await desk.until(lambda: desk.loop.runtime_state().store_revision == 2, "noticed")
        await desk.until_carried(desk.options(2))
        assert desk.loop.runtime_state().revision == 2
        reloads = desk.loop.reloader.reloads
        desk.store.tell_of_change()
        await anyio.sleep(30)
        assert desk.loop.reloader.reloads == reloads, "nothing new"


async def test_a_session_that_is_dead_at_the_start_is_asked_for_and_everything_else_goes_on() -> None:
    desk = make_virtual_loop("Z1", "Z2", logged_in=["Z2"])
    desk.want(desk.options(4))
    desk.client("Z2").failure = AuthExpired("dead")
    async with running_virtual_loop(desk):
        assert desk.loop.runtime_state().accounts[0].state is AccountState.AUTH_EXPIRED
        assert desk.loop.runtime_state().state is LoopState.RUNNING
        assert desk.loop.runtime_state().feed is FeedMode.LIVE
        await desk.until(lambda: desk.rig.orchestrator.usable_accounts() == (), "found by its validation", 60)


async def test_a_login_of_another_process_makes_the_account_stream_under_a_task_of_its_own() -> None:
    desk = make_virtual_loop("Z1", logged_in=[])
    wanted = desk.options(4)
    desk.want(wanted)
    async with running_virtual_loop(desk):
        assert desk.loop.runtime_state().accounts[0].state is AccountState.AUTH_EXPIRED
        assert "token files" in desk.rig.alive(), "the health pane names it"
        desk.rig.tokens.save("Z1", Secret("from the shell"), "USER", desk.clock.now())
        await desk.until(lambda: desk.loop.runtime_state().accounts[0].state is AccountState.LIVE, "it is live", 60)
        assert set(wanted) <= set().union(*desk.carried().values())
    assert "token files" not in desk.rig.alive()


# ---------------------------------------------------------------------- mock, contracts, figures


async def test_the_mock_is_on_from_the_start_where_the_user_wants_it() -> None:
    desk = make_virtual_loop("Z1", settings=replace(SETTINGS, first_feed=FeedMode.MOCK))
    desk.store.rule(ChainRule(0, "NIFTY", strikes=2))
    async with running_virtual_loop(desk):
        assert desk.loop.runtime_state().feed is FeedMode.MOCK
        assert not desk.sockets.made
        rows = desk.rig.board.rows([leg.token for leg in desk.rig.reconciler.watched()])
        await desk.until(lambda: (desk.rig.board.sources[rows] == Source.MOCK).all(), "mocked")
        assert (desk.rig.board.previous_oi[rows] >= 0).any()
        await desk.loop.set_feed(FeedMode.LIVE)
        await desk.until(lambda: desk.carried(), "live")


async def test_bundled_contracts_serve_the_mock_and_never_a_socket() -> None:
    settings = replace(SETTINGS, first_feed=FeedMode.MOCK)
    desk = make_virtual_loop("Z1", settings=settings, logged_in=[], dump=table_of())
    registry = desk.rig.registry
    desk.store.rule(ChainRule(0, "NIFTY", strikes=2))
    async with running_virtual_loop(desk):
        assert registry.contracts.bundled
        assert desk.loop.runtime_state().instruments > 8
        await desk.loop.set_feed(FeedMode.LIVE)
        await anyio.sleep(10)
        assert not desk.carried()
        result = desk.loop.runtime_state().last_reload
        assert result is not None
        assert "contracts of today are not loaded" in result.error


async def test_a_mock_of_its_own_can_be_injected_and_without_one_nothing_runs() -> None:
    desk = make_virtual_loop(settings=replace(SETTINGS, mock_allowed=False))
    async with running_virtual_loop(desk):
        state = desk.loop.runtime_state()
        assert (state.state, state.feed) == (LoopState.RUNNING, FeedMode.NONE)


async def test_what_the_stream_says_about_the_dump_leads_to_another_one() -> None:
    desk = make_virtual_loop("Z1")
    desk.want(desk.options(1))
    async with running_virtual_loop(desk):
        await desk.until_carried(desk.options(1))
        count = len(desk.rig.registry)
        sink = desk.sockets[0].sink
        sink.on_text(0, InstrumentsMeta(count, "first"))
        await anyio.sleep(60)
        assert "csv" not in desk.client("Z1").calls
        sink.on_text(0, InstrumentsMeta(count, "second"))
        await desk.until(lambda: "csv" in desk.client("Z1").calls, "fetched", 5)
        assert len(desk.rig.registry) == count, "an empty dump is refused and the old one stays"


async def test_yesterdays_open_interest_is_shown_beside_live_rows() -> None:
    desk = make_virtual_loop("Z1")
    first, second = desk.options(2)
    desk.store.interest = {(MONDAY, first, None): 1234}
    desk.want([first, second])
    async with running_virtual_loop(desk):
        board = desk.rig.board
        assert board.previous_oi[board.row(first)] == 1234
        assert board.previous_oi[board.row(second)] == -1


async def test_yesterdays_open_interest_returns_after_a_mock_and_changes_with_the_day() -> None:
    desk = make_virtual_loop("Z1", at=at(8, 59, 30))
    first = desk.options(1)[0]
    desk.store.interest = {(FRIDAY, first, None): 1234, (MONDAY, first, None): 4321}
    desk.want([first])
    async with running_virtual_loop(desk):
        board = desk.rig.board
        await desk.loop.set_feed(FeedMode.MOCK)
        await desk.until(lambda: board.previous_oi[board.row(first)] not in (-1, 1234), "the mock's own")
        await desk.loop.set_feed(FeedMode.LIVE)
        await desk.until(lambda: board.previous_oi[board.row(first)] == 1234, "the market's again")
        await anyio.sleep(16 * 60)
        assert board.previous_oi[board.row(first)] == 4321, "a session has begun: the day before it is another"


async def test_open_interest_that_cannot_be_read_is_said_and_the_plan_is_in_force() -> None:
    desk = make_virtual_loop("Z1")
    async with running_virtual_loop(desk):
        desk.want(desk.options(1))

        async def busy() -> None:
            desk.store.broken = StoreBusy("the database is busy")

        await inside_commit(desk, busy)
        result = await desk.loop.reload_subscriptions()
        assert result is not None
        assert result.error == ""
        assert any("yesterday's open interest is not shown" in text for text in desk.rig.texts("store"))
        await desk.until_carried(desk.options(1))


async def test_the_mock_lists_a_strike_and_the_rule_takes_it_in() -> None:
    desk = make_virtual_loop(at=at(11, 37, 30))
    desk.store.rule(ChainRule(0, "NIFTY", strikes=None))
    async with running_virtual_loop(desk):
        before = desk.loop.runtime_state().instruments
        await desk.until(lambda: desk.loop.runtime_state().instruments == before + 2, "call and put", 60)
        assert desk.clock.now() >= at(11, 38)
        assert any("lists" in text for text in desk.rig.texts("market"))


async def test_the_state_counts_what_ticks_and_what_never_did() -> None:
    desk = make_virtual_loop("Z1")
    desk.want(desk.options(4))
    desk.client("Z1").failure = BrokerUnavailable("down")
    desk.sockets.silent = True
    async with running_virtual_loop(desk):
        await desk.until_carried(desk.options(4))
        socket = desk.sockets[0]
        for _ in range(70):
            socket.tick(desk.options(3))
            await anyio.sleep(1)
        account = desk.loop.runtime_state().accounts[0]
        assert (account.desired, account.subscribed, account.ticking, account.never) == (4, 4, 3, 1)
        assert desk.loop.runtime_state().ticks_per_second == pytest.approx(3, abs=0.5)
        assert any("quotes are not to be had" in text for text in desk.rig.texts("snapshot"))
        assert len(desk.rig.texts("snapshot")) == 1, "said once"


async def test_quotes_fill_what_the_broker_does_not_send() -> None:
    desk = make_virtual_loop("Z1")
    desk.want(desk.options(4))
    desk.sockets.silent = True
    desk.client("Z1").quotes = quotes_of(desk.clock, 123.0)
    async with running_virtual_loop(desk):
        rows = desk.rig.board.rows(desk.options(4))
        await desk.until(lambda: (desk.rig.board.sources[rows] == Source.SNAPSHOT).all(), "filled", 30)
        assert (desk.rig.board.price(rows) == 123.0).all()
        assert desk.loop.runtime_state().accounts[0].ticking == 0


async def test_every_part_is_injected_and_can_be_reached() -> None:
    desk = make_virtual_loop("Z1")
    loop, rig = desk.loop, desk.rig
    assert loop.orchestrator is rig.orchestrator
    assert loop.registry is rig.registry
    assert loop.reconciler is rig.reconciler
    assert loop.board is rig.board
    assert loop.task_monitor is rig.monitor
    assert loop.events is rig.events
    assert loop.bootstrapper is None
    assert loop.mock_generator.generation == 0
    rig.reconciler.trigger_reload()
    async with running_virtual_loop(desk):
        await desk.until(lambda: loop.reloader.reloads == 1, "the reconciler's own trigger reaches the loop's reloader")
        await rig.reconciler.reload_subscriptions_blocking()
        assert loop.runtime_state().accounts[0].account_id == "Z1"
    assert NIFTY not in rig.board
