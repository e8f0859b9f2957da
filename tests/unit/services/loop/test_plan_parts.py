"""The plan over the board: counts per socket, spots of underlyings, and moving without a gap."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import anyio
import pytest

from tests.support.fake_sockets import FakeSockets, rows_of
from tests.support.virtual_time import LoopClock, virtual_trio
from tests.support.waiting import wait_until
from tickertui.market.board import MarketBoard
from tickertui.market.clock import IST
from tickertui.market.ticks import Mode, Source, TickBatch
from tickertui.services.accounts.account_stream import AccountStream, FeedPulse, SocketCounts, StreamHooks
from tickertui.services.accounts.plan_applier import ApplyReport, PlanApplier
from tickertui.services.loop.plan_view import PlanView
from tickertui.services.loop.spots import Spots
from tickertui.services.plan.placement import Assignments, diff
from tickertui.services.supervision.events import EventLog

START = datetime(2026, 11, 23, 10, 0, tzinfo=IST)
S = 1_000_000_000
NIFTY, BANKNIFTY = 256265, 260105


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


def tokens(count: int, first: int = 1) -> list[int]:
    return [number << 8 | 2 for number in range(first, first + count)]


def full(count: int, first: int = 1) -> dict[int, Mode]:
    return dict.fromkeys(tokens(count, first), Mode.FULL)


def apply(board: MarketBoard, wanted: list[int], source: Source = Source.LIVE, price: int = 10_000) -> None:
    board.apply(TickBatch.from_rows(rows_of(wanted, price), source, received_ns=10 * S))


# ---------------------------------------------------------------------- counts


def test_counts_tell_ticking_from_cached_from_never() -> None:
    board = MarketBoard()
    view = PlanView(board)
    plan = {0: full(10), 4: full(5, 100), 5: {}}
    for modes in plan.values():
        board.ensure(modes)
    view.set(Assignments.of(plan))
    assert len(view) == 15
    assert sorted(view.distribution) == [0, 4]
    board.mark_subscribed(tokens(10), 0, 1 * S)
    board.mark_subscribed(tokens(5, 100), 4, 50 * S)
    apply(board, tokens(8))
    apply(board, tokens(6))
    assert view.counts(70 * S) == {0: SocketCounts(ticking=6, never=2), 4: SocketCounts()}
    assert view.counts(120 * S)[4] == SocketCounts(ticking=0, never=5)


def test_counts_follow_the_board_when_rows_move_and_the_plan_when_it_changes() -> None:
    board = MarketBoard()
    view = PlanView(board)
    assert view.counts(0) == {}
    board.ensure(tokens(3, 500))
    view.set(Assignments.of({0: full(2)}))
    assert view.counts(0) == {0: SocketCounts()}
    board.ensure(tokens(2))
    board.release(tokens(3, 500))
    apply(board, tokens(2))
    apply(board, tokens(2))
    assert view.counts(0) == {0: SocketCounts(ticking=2)}
    view.set(Assignments.of({1: full(1)}))
    assert view.counts(0) == {1: SocketCounts(ticking=1)}


def test_what_only_rest_knows_does_not_tick() -> None:
    board = MarketBoard()
    board.ensure(tokens(1))
    view = PlanView(board)
    view.set(Assignments.of({0: full(1)}))
    for _ in range(3):
        apply(board, tokens(1), Source.SNAPSHOT)
    assert view.counts(0) == {0: SocketCounts()}


def test_each_socket_is_known_by_the_segments_that_it_carries() -> None:
    view = PlanView(MarketBoard())
    crude, sensex = 52_000 << 8 | 7, 265
    view.set(
        Assignments.of({0: {1 << 8 | 2: Mode.FULL, NIFTY: Mode.FULL}, 1: {crude: Mode.LTP}, 3: {sensex: Mode.FULL}})
    )
    assert [view.segments_of((number,)) for number in range(4)] == [{"NFO"}, {"MCX"}, set(), {"INDICES"}]
    assert view.segments_of(range(3)) == {"NFO", "MCX"}


def test_a_segment_that_nobody_has_heard_of_has_a_name_without_hours() -> None:
    view = PlanView(MarketBoard())
    view.set(Assignments.of({0: {1 << 8 | 2: Mode.FULL, 2 << 8 | 11: Mode.FULL, NIFTY: Mode.FULL}}))
    assert view.segments == {"NFO", "segment 11"}
    view.set(Assignments.of({0: {NIFTY: Mode.FULL}}))
    assert view.segments == {"NFO"}, "an index goes with its derivatives"


# ---------------------------------------------------------------------- spots


def test_each_underlying_has_its_own_spot_and_a_broken_price_is_refused() -> None:
    board = MarketBoard()
    board.ensure([NIFTY, BANKNIFTY])
    spots = Spots(board, {"NIFTY": NIFTY, "BANKNIFTY": BANKNIFTY}.get)
    assert spots("NIFTY") is None
    assert spots.missing(["NIFTY", "BANKNIFTY", "NOBODY"]) == ("NIFTY", "BANKNIFTY", "NOBODY")
    apply(board, [NIFTY], price=2_435_240)
    apply(board, [BANKNIFTY], price=5_200_000)
    assert spots("NIFTY") == 24_352.40
    assert spots("BANKNIFTY") == 52_000.0
    apply(board, [NIFTY], price=0)
    assert spots("NIFTY") == 24_352.40, "an index in the closing auction keeps its last price"
    assert not spots.remember("NIFTY", 0.0)
    assert not spots.remember("NIFTY", float("nan"))
    assert spots.remember("NOBODY", 100.0)
    assert spots.missing(["NIFTY", "NOBODY"]) == ()
    board.clear()
    spots.clear()
    assert spots("NIFTY") is None


# ---------------------------------------------------------------------- applying


class Fleet:
    """Two accounts of three sockets."""

    def __init__(self, per_socket: int = 3000) -> None:
        self.clock = LoopClock(START)
        self.board = MarketBoard()
        self.sockets = FakeSockets(self.clock)
        self.per_socket = per_socket
        hooks = StreamHooks(lambda _: False, lambda *_: None, lambda *_: None)
        self.streams: dict[str, AccountStream] = {
            account: AccountStream(
                account,
                first,
                sockets=3,
                per_socket=per_socket,
                socket_factory=self.sockets,
                board=self.board,
                clock=self.clock,
                events=EventLog(self.clock),
                pulse=FeedPulse(),
                hooks=hooks,
            )
            for account, first in (("Z1", 0), ("Z2", 3))
        }

    async def apply(self, old: Mapping[int, Mapping[int, Mode]], new: Mapping[int, Mapping[int, Mode]]) -> ApplyReport:
        for modes in new.values():
            self.board.ensure(modes)
        return await PlanApplier(per_socket=self.per_socket, move_wait=3).apply(
            self.streams, diff(Assignments.of(old), Assignments.of(new))
        )

    async def settle(self, plan: Mapping[int, Mapping[int, Mode]]) -> None:
        wanted = {number: dict(modes) for number, modes in plan.items() if modes}
        await wait_until(
            lambda: {s.connection: s.subscribed for s in self.sockets.running if s.subscribed} == wanted, "settled"
        )


async def run_fleet(fleet: Fleet, group: anyio.abc.TaskGroup) -> None:
    for stream in fleet.streams.values():
        group.start_soon(stream.run)
    await anyio.wait_all_tasks_blocked()


async def test_an_addition_touches_only_its_own_socket() -> None:
    fleet = Fleet()
    async with anyio.create_task_group() as group:
        await run_fleet(fleet, group)
        old = {0: full(10), 3: full(10, 100)}
        assert await fleet.apply({}, old) == ApplyReport()
        await fleet.settle(old)
        new = {0: full(15), 3: full(10, 100)}
        assert await fleet.apply(old, new) == ApplyReport()
        await fleet.settle(new)
        assert fleet.sockets[3].sent == [("subscribe", frozenset(tokens(10, 100)))]
        group.cancel_scope.cancel()


async def test_a_moved_instrument_leaves_its_old_socket_only_when_it_ticks_on_the_new_one() -> None:
    fleet = Fleet()
    async with anyio.create_task_group() as group:
        await run_fleet(fleet, group)
        old = {0: full(10)}
        await fleet.apply({}, old)
        await fleet.settle(old)
        fleet.sockets.silent = True  # the new socket takes the subscription but sends nothing yet
        new = {0: full(5), 3: full(5, 6)}
        reports: list[ApplyReport] = []

        async def move() -> None:
            reports.append(await fleet.apply(old, new))

        group.start_soon(move)
        await wait_until(
            lambda: any(socket.connection == 3 and socket.subscribed for socket in fleet.sockets.running),
            "added on the new socket",
        )
        await anyio.sleep(1)
        assert fleet.sockets[0].subscribed == full(10)
        fleet.sockets[3].tick(tokens(4, 6))
        await anyio.sleep(0.1)
        assert not reports
        fleet.sockets[3].tick()
        await fleet.settle(new)
        assert reports == [ApplyReport(moved=5, unseen=0)]
        assert all(stream.watcher is None for stream in fleet.streams.values())
        group.cancel_scope.cancel()


async def test_a_move_that_never_arrives_is_done_all_the_same_and_counted() -> None:
    fleet = Fleet()
    async with anyio.create_task_group() as group:
        await run_fleet(fleet, group)
        old = {0: full(10)}
        await fleet.apply({}, old)
        await fleet.settle(old)
        fleet.sockets.silent = True
        new = {3: full(10)}
        began = anyio.current_time()
        assert await fleet.apply(old, new) == ApplyReport(moved=10, unseen=10)
        assert anyio.current_time() - began == pytest.approx(3)
        await fleet.settle(new)
        group.cancel_scope.cancel()


async def test_a_swap_between_full_sockets_never_exceeds_what_the_broker_allows() -> None:
    fleet = Fleet(per_socket=10)
    async with anyio.create_task_group() as group:
        await run_fleet(fleet, group)
        old = {0: full(10), 3: full(10, 100)}
        await fleet.apply({}, old)
        await fleet.settle(old)
        new = {0: full(10, 100), 3: full(10)}
        report = await fleet.apply(old, new)
        assert report == ApplyReport(moved=20, unseen=0)
        await fleet.settle(new)
        group.cancel_scope.cancel()


async def test_sockets_of_an_account_that_is_streamed_elsewhere_are_not_waited_for() -> None:
    fleet = Fleet()
    async with anyio.create_task_group() as group:
        await run_fleet(fleet, group)
        old = {0: full(10)}
        await fleet.apply({}, old)
        await fleet.settle(old)
        began = anyio.current_time()
        assert await fleet.apply(old, {0: full(5), 6: full(5, 6)}) == ApplyReport(moved=5, unseen=0)
        assert anyio.current_time() == began
        await fleet.settle({0: full(5)})
        group.cancel_scope.cancel()
