"""One account's sockets: the inbox, lazy opening, silence, refusal, recovery, and what the board is told."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import anyio
import pytest

from tests.support.fake_sockets import FakeSockets, rows_of
from tests.support.virtual_time import LoopClock, virtual_trio
from tests.support.waiting import wait_until
from tickertui.kite.messages import AppCode, BrokerError, BrokerMessage, InstrumentsMeta, OrderUpdate, UnknownText
from tickertui.kite.stream_state import StreamState
from tickertui.market.board import MarketBoard
from tickertui.market.clock import IST
from tickertui.market.ticks import Mode, Source, TickBatch
from tickertui.services.accounts.account_stream import AccountStream, FeedPulse, SocketCounts, StreamHooks
from tickertui.services.accounts.silence import SilenceLimits, SilenceWatch
from tickertui.services.accounts.status import AccountState
from tickertui.services.supervision.events import EventLog, Severity

START = datetime(2026, 11, 23, 10, 0, tzinfo=IST)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


def tokens(count: int, first: int = 1) -> list[int]:
    """Tokens of the NFO segment."""
    return [number << 8 | 2 for number in range(first, first + count)]


def full(count: int, first: int = 1) -> dict[int, Mode]:
    return dict.fromkeys(tokens(count, first), Mode.FULL)


class Rig:
    def __init__(self, first_connection: int = 0, per_socket: int = 3000) -> None:
        self.clock = LoopClock(START)
        self.events = EventLog(self.clock)
        self.board = MarketBoard()
        self.sockets = FakeSockets(self.clock)
        self.pulse = FeedPulse()
        self.expects_data = True
        self.refusals: list[tuple[str, str]] = []
        self.meta: list[tuple[int, str]] = []
        self.frames: list[tuple[int, bytes]] = []
        self.stream = AccountStream(
            "Z1",
            first_connection,
            sockets=3,
            per_socket=per_socket,
            socket_factory=self.sockets,
            board=self.board,
            clock=self.clock,
            events=self.events,
            pulse=self.pulse,
            hooks=StreamHooks(
                expects_data=lambda _: self.expects_data,
                on_refused=lambda account, reason: self.refusals.append((account, reason)),
                on_instruments_meta=lambda count, etag: self.meta.append((count, etag)),
                frame_tap=lambda connection, frame, _ns, _wall: self.frames.append((connection, frame)),
            ),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[AccountStream]:
        async with anyio.create_task_group() as group:
            group.start_soon(self.stream.run)
            await anyio.wait_all_tasks_blocked()
            yield self.stream
            self.stream.stop()

    def want(self, modes: dict[int, dict[int, Mode]]) -> None:
        for wanted in modes.values():
            self.board.ensure(wanted)
        self.stream.set_desired(modes)

    def texts(self) -> list[str]:
        return [event.text for event in self.events.since()]

    async def opened(self, *connections: int) -> None:
        await wait_until(lambda: all(self.stream.is_open(c) for c in connections), f"{connections} are open")


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_sockets_are_opened_only_by_need_and_ticks_reach_the_board(rig: Rig) -> None:
    async with rig.running() as stream:
        assert stream.state() is AccountState.READY
        assert not rig.sockets.made
        rig.want({0: full(10)})
        await rig.opened(0)
        assert [socket.connection for socket in rig.sockets.made] == [0]
        rows = rig.board.rows(tokens(10))
        assert (rig.board.price(rows) == 100.0).all()
        assert (rig.board.sources[rows] == Source.LIVE).all()
        assert (rig.board.connections[rows] == 0).all()
        assert (rig.board.subscribed_ns[rows] > 0).all()
        assert stream.state() is AccountState.LIVE
        assert rig.frames == [(0, b"frame")]
        rig.want({0: full(10), 2: full(5, 100)})
        await rig.opened(0, 2)
        assert [socket.connection for socket in rig.sockets.made] == [0, 2]
    assert not rig.sockets.running


async def test_what_was_desired_before_it_ran_is_opened_when_it_runs(rig: Rig) -> None:
    rig.want({1: full(3)})
    assert rig.stream.state() is AccountState.STARTING
    async with rig.running():
        await rig.opened(1)


async def test_only_the_difference_is_sent_and_unchanged_instruments_see_nothing(rig: Rig) -> None:
    async with rig.running():
        rig.want({0: full(10)})
        await rig.opened(0)
        rig.want({0: full(15)})
        await wait_until(lambda: len(rig.sockets[0].sent) == 2, "the addition was sent")
        rig.want({0: full(14, 2)})
        await wait_until(lambda: len(rig.sockets[0].sent) == 3, "the removal was sent")
        assert rig.sockets[0].sent == [
            ("subscribe", frozenset(tokens(10))),
            ("subscribe", frozenset(tokens(5, 11))),
            ("unsubscribe", frozenset(tokens(1))),
        ]
        assert rig.sockets[0].stats.epoch == 1
        (status,) = rig.stream.status({}).connections
        assert (status.desired, status.subscribed) == (14, 14)


async def test_a_socket_with_nothing_left_is_closed_and_opened_anew_only_after_it_is_gone(rig: Rig) -> None:
    async with rig.running():
        rig.want({0: full(3)})
        await rig.opened(0)
        first = rig.sockets[0]
        first.close_takes = 5
        rig.want({})
        await anyio.wait_all_tasks_blocked()
        rig.want({0: full(3)})
        await anyio.wait_all_tasks_blocked()
        second = rig.sockets[0]
        assert second is not first
        assert rig.sockets.running == [first], "the broker would count both and refuse the new one with 429"
        await rig.opened(0)
        assert rig.sockets.running == [second]


async def test_a_plan_that_does_not_fit_is_refused_before_anything_changes(rig: Rig) -> None:
    async with rig.running() as stream:
        rig.want({0: full(3)})
        await rig.opened(0)
        with pytest.raises(ValueError, match="3001 instruments do not fit on Z1/s2, which carries 3000"):
            stream.set_desired({0: full(5), 1: full(3001)})
        with pytest.raises(ValueError, match="connection 3 is not one of Z1's 3"):
            stream.set_desired({3: full(1)})
        await anyio.wait_all_tasks_blocked()
        assert rig.sockets[0].desired == full(3)
        assert stream.desired == {0: full(3)}


async def test_a_refused_token_is_told_once_and_a_new_one_is_swapped_in_without_a_restart(rig: Rig) -> None:
    rig.sockets.answers[0] = StreamState.AUTH
    async with rig.running() as stream:
        rig.want({0: full(3)})
        await wait_until(lambda: rig.refusals, "the refusal was told")
        assert stream.state() is AccountState.AUTH_EXPIRED
        assert rig.refusals == [("Z1", "refused: auth")]
        socket = rig.sockets[0]
        stream.swap_token()
        await rig.opened(0)
        assert rig.sockets[0] is socket
        assert stream.state() is AccountState.LIVE
        assert socket.reasons == ["credentials"]


async def test_a_fourth_program_on_the_key_is_a_state_with_a_reason(rig: Rig) -> None:
    rig.sockets.answers[0] = StreamState.LIMITED
    async with rig.running() as stream:
        rig.want({0: full(3)})
        await wait_until(lambda: stream.state() is AccountState.RATE_LIMITED, "the refusal is shown")
        assert rig.texts()[-1].endswith(
            "counts as many: an earlier one that it has not let go of, or another program with this key"
        ), "which of the two it is, a 429 does not tell"


async def test_one_event_for_a_loss_and_one_for_the_recovery(rig: Rig) -> None:
    async with rig.running() as stream:
        rig.want({0: full(3), 1: full(3, 10)})
        await rig.opened(0, 1)
        rig.sockets[0].lose("reset by peer")
        assert stream.state() is AccountState.RECONNECTING
        status = stream.status({})
        assert status.detail == "Z1/s1 is down"
        assert status.connections[0].last_error == "reset by peer"
        await anyio.sleep(12)
        rig.sockets[0].recover()
        await rig.opened(0)
        assert sorted(rig.texts()[:2]) == ["Z1/s1 is connected", "Z1/s2 is connected"]
        assert rig.texts()[2:] == ["Z1/s1 is down: reset by peer", "Z1/s1 is back after 12 s"]
        assert [event.severity for event in rig.events.since()[2:]] == [Severity.WARNING, Severity.INFO]
        assert stream.status({}).detail == ""


async def test_reconnect_rebuilds_every_socket_and_subscribes_everything_again(rig: Rig) -> None:
    async with rig.running() as stream:
        rig.want({0: full(3), 1: full(3, 10)})
        await rig.opened(0, 1)
        stream.reconnect("asked by the user")
        await wait_until(lambda: rig.sockets[0].stats.epoch == 2, "rebuilt")
        await rig.opened(0, 1)
        assert rig.sockets[0].reasons == ["asked by the user"]
        assert rig.sockets[0].sent[-1] == ("subscribe", frozenset(tokens(3)))


async def test_a_socket_that_goes_quiet_while_its_peer_ticks_is_silent_and_rebuilt(rig: Rig) -> None:
    async with rig.running() as stream:
        rig.want({0: full(30), 1: full(30, 100)})
        await rig.opened(0, 1)
        rig.sockets[0].silent = True
        for _ in range(5):
            rig.sockets[0].beat()
            rig.sockets[1].tick()
            await anyio.sleep(1)
        silent, ticking = (socket.rebuild_in for socket in stream.status({}).connections)
        assert silent == pytest.approx(15, abs=1.5)
        assert ticking == pytest.approx(20, abs=1.5)
        for _ in range(5):
            rig.sockets[1].tick()
            await anyio.sleep(1)
        assert stream.status({}).connections[0].rebuild_in is None, "without a heartbeat it ends by itself, sooner"
        for _ in range(15):
            rig.sockets[1].tick()
            await anyio.sleep(1)
        assert rig.sockets[0].reasons == ["no data for 21 s while open"]
        assert rig.sockets[0].stats.epoch == 2
        assert rig.sockets[1].stats.epoch == 1
        assert "Z1/s1 is silent" in rig.texts()[2], "after the two that connected"
        # Still silent: the next time it is given twice as long.
        for _ in range(30):
            rig.sockets[1].tick()
            await anyio.sleep(1)
        assert rig.sockets[0].stats.epoch == 2
        for _ in range(20):
            rig.sockets[1].tick()
            await anyio.sleep(1)
        assert rig.sockets[0].stats.epoch == 3
        assert stream.state() is AccountState.LIVE


async def test_nobody_is_silent_while_no_data_is_expected(rig: Rig) -> None:
    rig.expects_data = False
    async with rig.running() as stream:
        rig.want({0: full(30)})
        await rig.opened(0)
        await anyio.sleep(3600)
        assert rig.sockets[0].stats.epoch == 1
        assert stream.status({}).connections[0].rebuild_in is None


@pytest.mark.parametrize(
    "instruments, age, feed_age, silent",
    [
        (100, 21, 1.0, True),
        (100, 19, 1.0, False),
        (100, 21, 21.0, False),
        (100, 61, 61.0, True),
        (100, 61, None, True),
        (5, 100, 1.0, False),
        (5, 181, 1.0, True),
        (5, 10_000, 10_000.0, False),
        (0, 10_000, 1.0, False),
    ],
)
def test_silence_depends_on_how_many_instruments_and_on_the_peers(
    instruments: int, age: float, feed_age: float | None, silent: bool
) -> None:
    assert SilenceWatch(SilenceLimits()).is_silent(0, instruments, age, feed_age) is silent


def test_patience_doubles_with_each_silence_and_returns_with_data() -> None:
    watch = SilenceWatch(SilenceLimits(among_peers=20))
    assert watch.is_silent(0, 100, 21, 1.0)
    assert not watch.is_silent(0, 100, 39, 1.0)
    assert watch.is_silent(0, 100, 41, 1.0)
    assert watch.is_silent(1, 100, 21, 1.0), "another socket has its own patience"
    watch.heard(0)
    assert watch.is_silent(0, 100, 21, 1.0)


async def test_a_crash_of_a_socket_ends_the_stream_and_it_can_be_run_again(rig: Rig) -> None:
    rig.want({0: full(3), 1: full(3, 10)})

    async def run_and_crash() -> None:
        async with rig.running():
            await rig.opened(0, 1)
            rig.sockets[0].crash(RuntimeError("broken"))
            await anyio.sleep(1)

    with pytest.raises(BaseExceptionGroup) as caught:
        await run_and_crash()
    assert caught.group_contains(RuntimeError, match="broken")
    assert not rig.sockets.running
    assert rig.stream.state() is AccountState.RECONNECTING
    async with rig.running():
        await rig.opened(0, 1)
        assert len(rig.sockets.made) == 4


def refused(rig: Rig) -> frozenset[int]:
    (status,) = rig.stream.status({}).connections
    return status.refused


async def test_a_refusal_is_held_against_what_was_just_asked_for_and_each_packet_clears_its_own(rig: Rig) -> None:
    too_many = BrokerError("Can't subscribe to more than 3000 instruments.")
    async with rig.running() as stream:
        rig.want({0: full(3)})
        await rig.opened(0)
        stream.on_text(0, too_many)
        assert not refused(rig), "each has sent its cached packet"
        socket = rig.sockets[0]
        socket.silent = True
        rig.want({0: full(6)})
        await wait_until(lambda: len(socket.sent) == 2, "three more were asked for")
        rig.board.apply(TickBatch.from_rows(rows_of(tokens(1, 4)), Source.SNAPSHOT))
        stream.on_text(0, too_many)
        assert refused(rig) == frozenset(tokens(3, 4)), "a REST quote does not show that the socket serves it"
        socket.tick(tokens(1, 5))
        assert refused(rig) == {tokens(1, 4)[0], tokens(1, 6)[0]}
        rig.want({0: full(5)})
        await wait_until(lambda: len(socket.sent) == 3, "one is wanted no more")
        assert refused(rig) == set(tokens(1, 4))
        stream.reconnect("asked")
        await wait_until(lambda: socket.stats.epoch == 2, "another connection")
        assert not refused(rig), "it is asked for anew"


async def test_a_refusal_long_after_the_question_is_about_nothing_known(rig: Rig) -> None:
    async with rig.running() as stream:
        rig.want({0: full(1)})
        await rig.opened(0)
        rig.sockets[0].silent = True
        rig.want({0: full(2)})
        await wait_until(lambda: len(rig.sockets[0].sent) == 2, "one more was asked for")
        await anyio.sleep(6)
        stream.on_text(0, BrokerError("Error parsing instrument tokens."))
        stream.on_text(1, BrokerError("Error parsing instrument tokens."))
        assert not refused(rig)


async def test_texts_of_the_broker_become_events_and_the_dump_is_told(rig: Rig) -> None:
    async with rig.running() as stream:
        rig.want({0: full(1)})
        await rig.opened(0)
        stream.on_text(0, BrokerError("Can't subscribe to more than 3000 instruments."))
        stream.on_text(0, BrokerMessage("Hello"))
        stream.on_text(0, InstrumentsMeta(101_234, "abc"))
        stream.on_text(0, OrderUpdate("1", "COMPLETE", "NIFTY26DEC24000CE", "NFO", 1, "BUY", 75, 75, 100.0))
        stream.on_text(0, AppCode("now"))
        stream.on_text(0, UnknownText("type 'x' is not known", "{}"))
        stream.on_text(0, UnknownText("type 'x' is not known", "{}"))
        assert rig.meta == [(101_234, "abc")]
        assert len(rig.texts()) == 5
        assert rig.texts()[0] == "Z1/s1 is connected"
        assert "more than 3000" in rig.texts()[1]
        stream.on_text(1, OrderUpdate("1", "COMPLETE", "NIFTY26DEC24000CE", "NFO", 1, "BUY", 75, 75, math.nan))
        stream.on_text(2, OrderUpdate("1", "COMPLETE", "NIFTY26DEC24000CE", "NFO", 1, "BUY", 75, 75, math.nan))
        assert rig.texts().count("order 1 is COMPLETE: NIFTY26DEC24000CE") == 1, "the broker tells each socket"
        for filled in (25, 50):
            stream.on_text(0, OrderUpdate("2", "UPDATE", "NIFTY26DEC24000CE", "NFO", 1, "BUY", 75, filled, 100.0))
        assert rig.texts().count("order 2 is UPDATE: NIFTY26DEC24000CE") == 2


async def test_status_has_counts_ages_and_rates(rig: Rig) -> None:
    async with rig.running() as stream:
        rig.want({1: full(10)})
        await rig.opened(1)
        for _ in range(7):
            await anyio.sleep(1)
            rig.sockets[1].tick()
        await anyio.sleep(0.5)
        status = stream.status({1: SocketCounts(ticking=9, never=1)})
        (socket,) = status.connections
        assert (status.account_id, status.desired, status.subscribed, status.ticking) == ("Z1", 10, 10, 9)
        assert (status.never, status.capacity, status.room) == (1, 9000, 8990)
        assert (socket.connection, socket.label, socket.state) == (1, "Z1/s2", StreamState.OPEN)
        assert socket.data_age == pytest.approx(0.5)
        assert socket.ticks_per_second == pytest.approx(10)
        assert stream.ticks_per_second() == pytest.approx(10)
        assert socket.retry_in is None
        rig.sockets[1].stats.retry_at = anyio.current_time() + 4
        assert stream.status({}).connections[0].retry_in == pytest.approx(4)


async def test_batches_carry_the_generation_of_their_feed_and_late_ones_are_dropped() -> None:
    rig = Rig(first_connection=3)
    async with rig.running() as stream:
        stream.generation = 4
        rig.board.generation = 4
        rig.want({3: full(3)})
        await rig.opened(3)
        row = rig.board.rows(tokens(1))
        assert rig.board.generations[row][0] == 4
        rig.board.generation = 5  # the feed was switched: what still comes from the socket is late
        rig.board.clear()
        rig.sockets[3].tick()
        assert rig.board.sources[row][0] == Source.NONE
        assert rig.board.counters.stale_generation == 3
