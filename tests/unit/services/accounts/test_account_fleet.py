"""All accounts together: crashes, refusals, logins, claims of other terminals, and who may be in a plan."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Any

import anyio
import pytest

from tests.support.fake_broker import FakeClient, FakeTokens
from tests.support.fake_sockets import FakeSockets
from tests.support.virtual_time import LoopClock, virtual_trio
from tests.support.waiting import wait_until
from tickertui.kite.errors import AuthExpired, BrokerUnavailable
from tickertui.kite.secrets import Secret
from tickertui.kite.stream_state import StreamState
from tickertui.market.board import MarketBoard
from tickertui.market.clock import IST
from tickertui.market.ticks import Mode
from tickertui.services.accounts.account_fleet import AccountFleet, FleetSettings
from tickertui.services.accounts.session_orchestrator import AccountConfig, SessionOrchestrator
from tickertui.services.accounts.status import AccountState
from tickertui.services.supervision.events import EventLog
from tickertui.services.supervision.task_monitor import RestartPolicy, TaskMonitor
from tickertui.store.protocol import StoreUnavailable

START = datetime(2026, 11, 23, 10, 0, tzinfo=IST)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


def full(count: int, first: int = 1) -> dict[int, Mode]:
    return dict.fromkeys((number << 8 | 2 for number in range(first, first + count)), Mode.FULL)


class FakeClaims:
    """Accounts that another terminal has, by name."""

    def __init__(self) -> None:
        self.others: dict[str, str] = {}
        self.held: set[str] = set()
        self.failing = False
        self.asked: list[str] = []

    async def claim(self, account: str) -> str | None:
        self.asked.append(account)
        if self.failing:
            raise StoreUnavailable("the database cannot be reached")
        if account in self.others:
            self.held.discard(account)
            return self.others[account]
        self.held.add(account)
        return None

    def is_held(self, account: str) -> bool:
        return account in self.held

    async def release_all(self) -> None:
        self.held.clear()

    def lose(self, account: str, taken_by: str = "") -> None:
        """The database lost this terminal, and another may have taken the account."""
        self.held.discard(account)
        if taken_by:
            self.others[account] = taken_by


class Desk:
    def __init__(self, *accounts: str, logged_in: tuple[str, ...] | None = None) -> None:
        self.clock = LoopClock(START)
        self.events = EventLog(self.clock)
        self.board = MarketBoard()
        self.sockets = FakeSockets(self.clock)
        self.claims = FakeClaims()
        self.monitor = TaskMonitor(clock=self.clock, events=self.events, random=Random(7))
        self.tokens = FakeTokens()
        for account in accounts if logged_in is None else logged_in:
            self.tokens.save(account, Secret(f"morning-{account}"), f"USER-{account}", START - timedelta(hours=2))
        self.clients: dict[str, FakeClient] = {}
        self.orchestrator = SessionOrchestrator(
            [AccountConfig(account, f"key{account}") for account in accounts],
            client_factory=self.make_client,
            token_store=self.tokens,
            clock=self.clock,
            events=self.events,
        )
        self.reloads_due = 0
        self.open = True
        self.fleet = AccountFleet(
            orchestrator=self.orchestrator,
            monitor=self.monitor,
            socket_factory=self.sockets,
            claims=self.claims,
            board=self.board,
            clock=self.clock,
            events=self.events,
            settings=FleetSettings(restart=RestartPolicy(attempts=3), redistribute_after=180),
            expects_data=lambda _: self.open,
            changed=self.changed,
            on_instruments_meta=lambda *_: None,
        )

    def make_client(self, config: AccountConfig, token: Secret | None) -> FakeClient:
        return self.clients.setdefault(config.account_id, FakeClient(config.account_id, token))

    def client(self, account: str) -> FakeClient:
        self.orchestrator.client(account)
        return self.clients[account]

    def changed(self) -> None:
        self.reloads_due += 1

    def carry(self, plan: dict[int, dict[int, Mode]]) -> None:
        for modes in plan.values():
            self.board.ensure(modes)
        self.fleet.carry(plan, 1)

    def texts(self) -> list[str]:
        return [event.text for event in self.events.since()]

    async def state(self, account: str, state: AccountState) -> None:
        await wait_until(lambda: self.fleet.state(account) is state, f"{account} is {state}", timeout=600, poll=0.1)

    async def look_after(self, seconds: int) -> None:
        for _ in range(seconds):
            self.fleet.look_after()
            await anyio.sleep(1)
        self.fleet.look_after()


@asynccontextmanager
async def running(desk: Desk) -> AsyncIterator[AccountFleet]:
    await desk.orchestrator.open()
    async with anyio.create_task_group() as group:
        await desk.fleet.open(group)
        yield desk.fleet
        with anyio.move_on_after(10):
            await desk.fleet.close()
        await desk.fleet.abandon()
    assert not desk.sockets.running
    assert not desk.claims.held


async def test_every_account_streams_its_share_and_closes() -> None:
    desk = Desk("Z1", "Z2")
    async with running(desk) as fleet:
        assert fleet.plannable() == ("Z1", "Z2")
        desk.carry({0: full(5), 4: full(5, 100)})
        await desk.state("Z1", AccountState.LIVE)
        await desk.state("Z2", AccountState.LIVE)
        assert sorted(fleet.connected()) == [0, 4]
        assert desk.claims.held == {"Z1", "Z2"}
        status = fleet.status({})
        assert [account.account_id for account in status] == ["Z1", "Z2"]
        assert status[0].user_id == "USER-Z1"
        assert status[0].token_expires == datetime(2026, 11, 24, 6, 0, tzinfo=IST)
        assert [account.desired for account in status] == [5, 5]
        assert fleet.ticks_per_second() == 0.0


async def test_a_crashed_stream_is_restarted_and_carries_the_same_again() -> None:
    desk = Desk("Z1")
    async with running(desk):
        desk.carry({0: full(5)})
        await desk.state("Z1", AccountState.LIVE)
        desk.sockets[0].crash(RuntimeError("broken"))
        await wait_until(lambda: len(desk.sockets.made) == 2, "another socket", timeout=60)
        await desk.state("Z1", AccountState.LIVE)
        assert desk.sockets[0].subscribed == full(5)
        assert desk.monitor.tasks()[0].restarts == 1
        assert desk.fleet.plannable() == ("Z1",)


async def test_an_account_that_crashes_again_and_again_fails_and_its_share_may_move() -> None:
    desk = Desk("Z1", "Z2")
    async with running(desk) as fleet:
        desk.sockets.crash_at_start.add("Z1")
        desk.carry({0: full(5), 3: full(5, 100)})
        await desk.state("Z1", AccountState.FAILED)
        assert fleet.plannable() == ("Z2",)
        assert desk.reloads_due == 1
        assert "crashed too often" in fleet.status({})[0].detail
        assert any("its instruments move" in text for text in desk.texts())
        desk.sockets.crash_at_start.clear()
        fleet.reconnect("Z1", "asked by the user")
        await desk.state("Z1", AccountState.LIVE)
        assert fleet.plannable() == ("Z1", "Z2")
        assert desk.reloads_due == 2


async def test_with_nobody_to_take_them_instruments_wait_where_they_are() -> None:
    desk = Desk("Z1")
    async with running(desk) as fleet:
        desk.sockets.crash_at_start.add("Z1")
        desk.carry({0: full(5)})
        await desk.state("Z1", AccountState.FAILED)
        await desk.look_after(10)
        assert fleet.plannable() == ("Z1",)
        assert desk.reloads_due == 0


async def test_an_account_that_was_emptied_takes_nothing_from_one_that_is_down() -> None:
    desk = Desk("Z1", "Z2")
    async with running(desk) as fleet:
        desk.carry({0: full(5)})
        await desk.state("Z1", AccountState.LIVE)
        fleet.empty("Z2")
        desk.sockets[0].lose("no route")
        await desk.look_after(600)
        assert fleet.plannable() == ("Z1",), "there is nowhere to go"
        assert desk.reloads_due == 1


async def test_accounts_that_are_down_together_keep_what_they_have() -> None:
    desk = Desk("Z1", "Z2")
    async with running(desk) as fleet:
        desk.carry({0: full(5), 3: full(5, 100)})
        for account, connection in (("Z1", 0), ("Z2", 3)):
            await desk.state(account, AccountState.LIVE)
            desk.sockets[connection].lose("no route")
        await desk.look_after(600)
        assert fleet.plannable() == ("Z1", "Z2")
        assert desk.reloads_due == 0
        desk.sockets[3].recover()
        await desk.state("Z2", AccountState.LIVE)
        await desk.look_after(1)
        assert fleet.plannable() == ("Z2",), "one that is well again takes them"
        assert desk.reloads_due == 1


async def test_what_crashed_too_often_moves_while_the_market_is_shut_too() -> None:
    desk = Desk("Z1", "Z2")
    async with running(desk) as fleet:
        desk.open = False
        desk.sockets.crash_at_start |= {"Z1", "Z2"}
        desk.carry({0: full(5), 3: full(5, 100)})
        await desk.state("Z1", AccountState.FAILED)
        await desk.state("Z2", AccountState.FAILED)
        await desk.look_after(5)
        assert fleet.plannable() == ("Z1", "Z2"), "nobody can take them"
        desk.sockets.crash_at_start.clear()
        fleet.reconnect("Z2", "asked by the user")
        await desk.state("Z2", AccountState.LIVE)
        await desk.look_after(1)
        assert fleet.plannable() == ("Z2",)


async def test_an_account_that_the_user_emptied_does_not_come_back_because_it_was_down() -> None:
    desk = Desk("Z1", "Z2")
    async with running(desk) as fleet:
        desk.carry({0: full(5), 3: full(5, 100)})
        await desk.state("Z1", AccountState.LIVE)
        fleet.empty("Z1")
        desk.sockets[0].lose("no route")
        await desk.look_after(300)
        desk.sockets[0].recover()
        await desk.state("Z1", AccountState.LIVE)
        await desk.look_after(300)
        assert fleet.plannable() == ("Z2",)
        assert desk.reloads_due == 1


async def test_an_account_that_is_down_for_long_is_left_out_and_later_given_another_chance() -> None:
    desk = Desk("Z1", "Z2")
    async with running(desk) as fleet:
        desk.carry({0: full(5), 3: full(5, 100)})
        await desk.state("Z1", AccountState.LIVE)
        desk.sockets[0].lose("no route")
        await desk.look_after(170)
        assert fleet.plannable() == ("Z1", "Z2")
        await desk.look_after(15)
        assert fleet.plannable() == ("Z2",)
        assert desk.reloads_due == 1
        desk.carry({3: full(5, 100) | full(5)})  # what the reload does
        await desk.look_after(200)
        assert fleet.plannable() == ("Z1", "Z2")
        assert desk.reloads_due == 2


async def test_an_account_that_connects_again_and_again_and_stays_mute_is_left_out() -> None:
    desk = Desk("Z1", "Z2")
    async with running(desk) as fleet:
        desk.carry({0: full(30), 3: full(30, 100)})
        await desk.state("Z1", AccountState.LIVE)
        await desk.state("Z2", AccountState.LIVE)
        desk.sockets[0].tick()
        rebuilt = desk.sockets[0].stats.epoch
        waited = 0
        while fleet.plannable() == ("Z1", "Z2"):
            desk.sockets[3].tick()
            await desk.look_after(1)
            waited += 1
            assert waited < 600
        assert fleet.plannable() == ("Z2",)
        assert 180 < waited < 300, "a minute of silence, then as long as a broken one"
        assert desk.sockets[0].stats.epoch > rebuilt + 1, "each rebuilt socket brought the cached packets"
        assert any("Z1: connected and mute for 180 s; its instruments move" in text for text in desk.texts())


async def test_an_account_that_ticks_again_keeps_its_instruments_and_one_is_not_mute_alone() -> None:
    desk = Desk("Z1", "Z2")
    async with running(desk) as fleet:
        desk.carry({0: full(30), 3: full(30, 100)})
        await desk.state("Z1", AccountState.LIVE)
        await desk.state("Z2", AccountState.LIVE)
        for second in range(1_000):
            desk.sockets[3].tick()
            if second % 200 > 150:
                desk.sockets[0].tick()
            await desk.look_after(1)
        assert fleet.plannable() == ("Z1", "Z2"), "it was silent for 150 s at most"
        await desk.look_after(1_000)
        assert fleet.plannable() == ("Z1", "Z2"), "with both silent nobody knows that it is Z1"


async def test_a_short_outage_or_one_while_the_market_is_shut_moves_nothing() -> None:
    desk = Desk("Z1", "Z2")
    async with running(desk) as fleet:
        desk.carry({0: full(5), 3: full(5, 100)})
        await desk.state("Z1", AccountState.LIVE)
        desk.sockets[0].lose("no route")
        await desk.look_after(100)
        desk.sockets[0].recover()
        await desk.state("Z1", AccountState.LIVE)
        await desk.look_after(100)
        desk.sockets[0].lose("no route")
        desk.open = False
        await desk.look_after(3600)
        assert fleet.plannable() == ("Z1", "Z2")
        desk.open = True
        await desk.look_after(100)
        assert fleet.plannable() == ("Z1", "Z2"), "the count begins at the open"
        assert desk.reloads_due == 0


async def test_the_user_can_empty_an_account_until_it_is_rebuilt() -> None:
    desk = Desk("Z1", "Z2")
    async with running(desk) as fleet:
        fleet.empty("Z1")
        fleet.empty("Z1")
        assert fleet.plannable() == ("Z2",)
        assert desk.reloads_due == 1
        await desk.look_after(1000)
        assert fleet.plannable() == ("Z2",), "not by itself"
        fleet.reconnect("Z1", "asked by the user")
        assert fleet.plannable() == ("Z1", "Z2")
        with pytest.raises(KeyError):
            fleet.empty("Z9")


async def test_a_dead_session_is_a_state_of_one_account_and_a_login_revives_it_without_a_restart() -> None:
    desk = Desk("Z1", "Z2")
    desk.sockets.answers[0] = StreamState.AUTH
    desk.client("Z1").failure = AuthExpired("dead")
    async with running(desk) as fleet:
        desk.carry({0: full(5), 3: full(5, 100)})
        await desk.state("Z1", AccountState.AUTH_EXPIRED)
        await desk.state("Z2", AccountState.LIVE)
        await wait_until(lambda: "login needed" in desk.orchestrator.detail("Z1"), "the profile was asked for")
        assert "login needed" in fleet.status({})[0].detail
        await anyio.sleep(3600)
        assert desk.client("Z1").calls == ["profile"], "a dead token is asked about once"
        socket = desk.sockets[0]
        desk.orchestrator.set_token("Z1", Secret("new"))
        await desk.state("Z1", AccountState.LIVE)
        assert desk.sockets[0] is socket
        assert socket.subscribed == full(5)
        assert desk.monitor.tasks()[0].restarts == 0


async def test_a_refusal_that_cannot_be_explained_is_asked_about_again_until_it_can() -> None:
    desk = Desk("Z1")
    desk.sockets.answers[0] = StreamState.AUTH
    desk.client("Z1").failure = BrokerUnavailable("down")
    async with running(desk) as fleet:
        desk.carry({0: full(5)})
        await wait_until(lambda: len(desk.client("Z1").calls) > 4, "asked several times", timeout=600)
        desk.client("Z1").failure = None
        await desk.state("Z1", AccountState.FAILED)
        assert "market-data plan" in fleet.status({})[0].detail
        asked = len(desk.client("Z1").calls)
        await anyio.sleep(600)
        assert len(desk.client("Z1").calls) == asked, "and not again: that would go round and round"
        fleet.reconnect("Z1", "asked by the user")  # the plan has been bought meanwhile
        await desk.state("Z1", AccountState.LIVE)
        assert fleet.status({})[0].detail == ""


async def test_an_account_of_another_terminal_is_read_only_here_until_that_one_ends() -> None:
    desk = Desk("Z1", "Z2")
    desk.claims.others["Z1"] = "desk-2, process 4711"
    async with running(desk) as fleet:
        desk.carry({0: full(5), 3: full(5, 100)})
        await desk.state("Z2", AccountState.LIVE)
        assert fleet.state("Z1") is AccountState.ELSEWHERE
        assert fleet.status({})[0].detail == "streamed by desk-2, process 4711"
        assert [socket.connection for socket in desk.sockets.made] == [3]
        assert fleet.is_ours
        assert fleet.plannable() == ("Z1", "Z2"), "the plan leaves its instruments where they are"
        fleet.reconnect("Z1", "asked by the user")
        assert [socket.connection for socket in desk.sockets.made] == [3]
        desk.claims.others.clear()
        await fleet.check_claims()
        assert desk.reloads_due == 1
        desk.carry({0: full(5), 3: full(5, 100)})  # what the reload does
        await desk.state("Z1", AccountState.LIVE)
        desk.claims.failing = True
        await fleet.check_claims()
        assert fleet.state("Z1") is AccountState.LIVE, "a store that is away ends nothing"
        desk.claims.failing = False
        desk.claims.others["Z1"] = "desk-3"
        await fleet.check_claims()
        await wait_until(lambda: len(desk.sockets.running) == 1, "its sockets are closed")
        assert fleet.state("Z1") is AccountState.ELSEWHERE


async def test_a_lost_claim_is_taken_again_at_once_and_the_stream_goes_on() -> None:
    desk = Desk("Z1", "Z2")
    async with running(desk) as fleet:
        desk.carry({0: full(5), 3: full(5, 100)})
        await desk.state("Z1", AccountState.LIVE)
        desk.claims.asked.clear()
        desk.claims.lose("Z1")
        fleet.look_after()
        await wait_until(lambda: desk.claims.held == {"Z1", "Z2"}, "Z1 is claimed again without the periodic look")
        await wait_until(lambda: "Z1 is still ours: nobody took it meanwhile" in desk.texts(), "the trader is told")
        assert any(text.startswith("Z1: the database lost this terminal") for text in desk.texts())
        assert len(desk.sockets.made) == 2, "the sockets are the same"
        assert desk.sockets[0].is_open
        assert desk.sockets[0].reasons == []
        assert fleet.state("Z1") is AccountState.LIVE
        assert desk.reloads_due == 0
        asked = len(desk.claims.asked)
        await desk.look_after(60)
        assert len(desk.claims.asked) == asked, "a claim that is held is no reason to ask"


async def test_a_lost_claim_that_another_has_closes_the_sockets_and_comes_back_when_that_one_ends() -> None:
    desk = Desk("Z1", "Z2")
    async with running(desk) as fleet:
        desk.carry({0: full(5), 3: full(5, 100)})
        await desk.state("Z1", AccountState.LIVE)
        await desk.state("Z2", AccountState.LIVE)
        desk.claims.lose("Z1", taken_by="desk-2, process 4711")
        fleet.look_after()
        await wait_until(lambda: [one.connection for one in desk.sockets.running] == [3], "Z1's sockets are closed")
        assert fleet.state("Z1") is AccountState.ELSEWHERE
        assert fleet.state("Z2") is AccountState.LIVE
        assert fleet.status({})[0].detail == "streamed by desk-2, process 4711"
        assert "Z1 was taken over by desk-2, process 4711; read-only here" in desk.texts()
        assert desk.reloads_due == 1
        fleet.reconnect("Z1", "asked by the user")
        fleet.reconnect_all("this machine was asleep")
        await desk.look_after(10)
        assert [one.connection for one in desk.sockets.running] == [3], "and stay closed"
        desk.claims.others.clear()
        await fleet.check_claims()
        await desk.state("Z1", AccountState.LIVE)
        assert desk.claims.held == {"Z1", "Z2"}
        assert sorted(one.connection for one in desk.sockets.running) == [0, 3]
        assert desk.sockets[0].subscribed == full(5)


async def test_a_lost_claim_waits_for_the_store_and_then_obeys_its_answer() -> None:
    desk = Desk("Z1")
    async with running(desk) as fleet:
        desk.carry({0: full(5)})
        await desk.state("Z1", AccountState.LIVE)
        desk.claims.failing = True
        desk.claims.lose("Z1", taken_by="desk-2")
        fleet.look_after()
        await wait_until(lambda: desk.claims.asked == ["Z1", "Z1"], "it was asked for again")
        await desk.look_after(60)
        await fleet.check_claims()
        assert fleet.state("Z1") is AccountState.LIVE, "nobody has said that another has it"
        assert len([text for text in desk.texts() if "the database lost this terminal" in text]) == 1
        desk.claims.failing = False
        await fleet.check_claims()
        await wait_until(lambda: not desk.sockets.running, "its sockets are closed")
        assert fleet.state("Z1") is AccountState.ELSEWHERE


async def test_after_a_sleep_the_store_is_asked_at_once_who_has_the_accounts() -> None:
    desk = Desk("Z1")
    async with running(desk) as fleet:
        desk.carry({0: full(5)})
        await desk.state("Z1", AccountState.LIVE)
        desk.claims.others["Z1"] = "desk-2"  # and nothing has noticed: the claim still seems to be held
        fleet.reconnect_all("this machine was asleep")
        await wait_until(lambda: not desk.sockets.running, "its sockets are closed")
        assert fleet.state("Z1") is AccountState.ELSEWHERE


async def test_a_crashed_stream_whose_account_was_taken_is_not_restarted() -> None:
    desk = Desk("Z1")
    async with running(desk) as fleet:
        desk.carry({0: full(5)})
        await desk.state("Z1", AccountState.LIVE)
        desk.sockets[0].crash(RuntimeError("broken"))
        await wait_until(lambda: any("restarts in" in text for text in desk.texts()), "it waits for its restart")
        desk.claims.lose("Z1", taken_by="desk-2")
        await fleet.check_claims()
        await wait_until(lambda: not desk.monitor.is_running("stream Z1"), "there is no restart")
        await desk.look_after(120)
        assert len(desk.sockets.made) == 1
        desk.claims.others.clear()
        await fleet.check_claims()
        await desk.state("Z1", AccountState.LIVE)
        assert len(desk.sockets.made) == 2


async def test_an_account_is_not_claimed_while_our_own_sockets_of_it_are_still_closing() -> None:
    desk = Desk("Z1")
    async with running(desk) as fleet:
        desk.carry({0: full(5)})
        await desk.state("Z1", AccountState.LIVE)
        old = desk.sockets[0]
        old.close_takes = 1e9
        desk.claims.lose("Z1", taken_by="desk-2")
        await fleet.check_claims()
        await anyio.sleep(5)
        assert old.running
        desk.claims.others.clear()
        await fleet.check_claims()
        assert desk.claims.held == set()
        await wait_until(lambda: not old.running, "the socket that did not close is cancelled")
        await fleet.check_claims()
        await desk.state("Z1", AccountState.LIVE)
        assert desk.sockets.running == [desk.sockets[0]]
        assert desk.sockets[0] is not old


async def test_sockets_that_do_not_close_are_cancelled_after_the_deadline() -> None:
    desk = Desk("Z1")
    async with running(desk):
        desk.carry({0: full(5)})
        await desk.state("Z1", AccountState.LIVE)
        desk.sockets[0].close_takes = 1e9
        began = anyio.current_time()
    assert anyio.current_time() - began == pytest.approx(10)
