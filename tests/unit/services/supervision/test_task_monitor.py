"""Supervised tasks: states, restarts with backoff, kept exceptions, cancellation."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any

import anyio
import pytest

from tests.support.virtual_time import LoopClock, virtual_trio
from tests.support.waiting import wait_until
from tickertui.market.clock import IST
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.services.supervision.status import TaskInfo, TaskState
from tickertui.services.supervision.task_monitor import RestartPolicy, TaskMonitor, describe_error

START = datetime(2026, 11, 23, 10, 0, tzinfo=IST)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


class Bench:
    def __init__(self) -> None:
        self.clock = LoopClock(START)
        self.events = EventLog(self.clock)
        self.monitor = TaskMonitor(clock=self.clock, events=self.events, random=Random(7))

    def info(self, name: str) -> TaskInfo:
        return next(task for task in self.monitor.tasks() if task.name == name)

    async def state(self, name: str, state: TaskState) -> TaskInfo:
        await wait_until(lambda: self.info(name).state is state, f"{name} is {state}", timeout=600)
        return self.info(name)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def fail() -> None:
    raise RuntimeError("boom")


async def test_a_task_that_ends_is_done_and_keeps_no_error(bench: Bench) -> None:
    async def work(value: int) -> int:
        return value

    async with anyio.create_task_group() as group:
        bench.monitor.start(group, "work", work, 3)
        assert bench.info("work").state is TaskState.RUNNING
        assert bench.info("work").started_at == START
    assert bench.info("work").state is TaskState.DONE
    assert bench.monitor.error("work") is None
    assert not bench.monitor.is_running("work")


async def test_an_exception_is_kept_reported_and_does_not_end_the_group(bench: Bench) -> None:
    seen: list[BaseException] = []
    async with anyio.create_task_group() as group:
        bench.monitor.create_monitored_task(group, fail, "work", on_error=seen.append)
        info = await bench.state("work", TaskState.FAILED)
    assert info.last_error == "RuntimeError: boom"
    assert info.last_error_at is not None
    error = bench.monitor.error("work")
    assert isinstance(error, RuntimeError)
    assert seen == [error]
    event = bench.events.since()[-1]
    assert event.severity is Severity.ERROR
    assert "work" in event.text
    assert "boom" in event.text


async def test_an_async_listener_is_awaited_and_a_failing_one_is_harmless(bench: Bench) -> None:
    seen: list[str] = []

    async def slow(error: BaseException) -> None:
        await anyio.sleep(1)
        seen.append(str(error))

    def broken(_: BaseException) -> None:
        raise ValueError("listener")

    async with anyio.create_task_group() as group:
        bench.monitor.create_monitored_task(group, fail, "one", on_error=slow)
        bench.monitor.create_monitored_task(group, fail, "two", on_error=broken)
    assert seen == ["boom"]
    assert bench.info("two").state is TaskState.FAILED
    assert bench.info("two").last_error == "RuntimeError: boom"


async def test_restarts_wait_twice_as_long_each_time_with_jitter_then_the_task_is_given_up(bench: Bench) -> None:
    began: list[float] = []
    given_up: list[BaseException] = []

    async def crash() -> None:
        began.append(anyio.current_time())
        raise OSError("no route")

    policy = RestartPolicy(attempts=5, first_delay=1, longest_delay=4)
    async with anyio.create_task_group() as group:
        bench.monitor.start(group, "stream", crash, restart=policy, on_failed=given_up.append)
        await bench.state("stream", TaskState.RESTARTING)
        await bench.state("stream", TaskState.FAILED)
    gaps = [after - before for before, after in itertools.pairwise(began)]
    assert len(gaps) == 4
    for gap, ceiling in zip(gaps, (1, 2, 4, 4), strict=True):
        assert ceiling / 2 <= gap <= ceiling
    assert len({round(gap / ceiling, 6) for gap, ceiling in zip(gaps, (1, 2, 4, 4), strict=True)}) == 4
    assert bench.info("stream").restarts == 4
    assert len(given_up) == 1
    warnings = [event for event in bench.events.since() if event.severity is Severity.WARNING]
    assert len(warnings) == 4


async def test_a_long_healthy_run_makes_earlier_crashes_forgotten(bench: Bench) -> None:
    runs = 0

    async def crash_after_a_while() -> None:
        nonlocal runs
        runs += 1
        await anyio.sleep(100)
        raise OSError("again")

    policy = RestartPolicy(attempts=2, healthy_after=60)
    async with anyio.create_task_group() as group:
        bench.monitor.start(group, "stream", crash_after_a_while, restart=policy)
        await wait_until(lambda: runs == 10, "ten runs", timeout=3000, poll=1)
        assert bench.info("stream").state is TaskState.RUNNING
        group.cancel_scope.cancel()
    assert bench.info("stream").state is TaskState.CANCELLED


async def test_a_policy_without_a_limit_never_gives_up_and_never_overflows(bench: Bench) -> None:
    policy = RestartPolicy(attempts=None, longest_delay=60)
    assert 30 <= policy.delay(5000, Random(1)) <= 60
    async with anyio.create_task_group() as group:
        bench.monitor.start(group, "stream", fail, restart=policy)
        await wait_until(lambda: bench.info("stream").restarts > 50, "50 restarts", timeout=6000, poll=1)
        group.cancel_scope.cancel()


@pytest.mark.parametrize("body", ["sleeping", "waiting for its restart"])
async def test_cancelling_by_name_ends_one_task_only(bench: Bench, body: str) -> None:
    work: Callable[..., Any] = anyio.sleep_forever if body == "sleeping" else fail
    policy = RestartPolicy(attempts=None, first_delay=1000, longest_delay=1000)
    async with anyio.create_task_group() as group:
        bench.monitor.start(group, "one", work, restart=policy)
        bench.monitor.start(group, "two", anyio.sleep_forever)
        if body != "sleeping":
            await bench.state("one", TaskState.RESTARTING)
        assert bench.monitor.cancel("one")
        await bench.monitor.wait("one")
        assert bench.info("one").state is TaskState.CANCELLED
        assert bench.info("two").state is TaskState.RUNNING
        assert not bench.monitor.cancel("one")
        assert not bench.monitor.cancel("nobody")
        await bench.monitor.wait("nobody")
        group.cancel_scope.cancel()


async def test_a_task_cancelled_before_its_first_step_is_over_and_leaves_nothing_unawaited(bench: Bench) -> None:
    ran = False

    async def work() -> None:
        nonlocal ran
        await anyio.lowlevel.checkpoint()
        ran = True

    async with anyio.create_task_group() as group:
        bench.monitor.start(group, "work", work)
        bench.monitor.cancel("work")
    assert not ran
    assert bench.info("work").state is TaskState.CANCELLED


async def test_a_name_is_unique_while_it_runs_and_free_afterwards(bench: Bench) -> None:
    async with anyio.create_task_group() as group:
        bench.monitor.start(group, "work", anyio.sleep, 1)
        with pytest.raises(ValueError, match="already running"):
            bench.monitor.start(group, "work", anyio.sleep, 1)
        await bench.monitor.wait("work")
        bench.monitor.start(group, "work", anyio.sleep, 1)
    assert [task.name for task in bench.monitor.tasks()] == ["work"]


async def test_many_tasks_are_listed_in_order_and_the_oldest_ended_ones_are_forgotten(bench: Bench) -> None:
    async with anyio.create_task_group() as group:
        bench.monitor.start(group, "keeper", anyio.sleep, 1000)
        for number in range(200):
            bench.monitor.start(group, f"task {number}", anyio.sleep, 0)
        await wait_until(lambda: not bench.monitor.is_running("task 199"), "all have ended")
        bench.monitor.start(group, "last", anyio.sleep, 0)
    names = [task.name for task in bench.monitor.tasks()]
    assert names[0] == "keeper"
    assert names[-1] == "last"
    assert len(names) < 100


async def test_activity_is_stamped(bench: Bench) -> None:
    async def work() -> None:
        await anyio.sleep(90)
        bench.monitor.touch("work")

    bench.monitor.touch("nobody")
    async with anyio.create_task_group() as group:
        bench.monitor.start(group, "work", work)
        assert bench.info("work").last_activity is None
    activity = bench.info("work").last_activity
    assert activity is not None
    assert round((activity - START).total_seconds()) == 90


def test_a_sentence_about_an_error_shows_no_secret_and_looks_into_groups() -> None:
    error = OSError("GET wss://ws.kite.trade?api_key=abc123&access_token=s3cret refused: Authorization: token k:t0p")
    text = describe_error(ExceptionGroup("unhandled", [ExceptionGroup("again", [error])]))
    assert text.startswith("OSError: ")
    for secret in ("abc123", "s3cret", "t0p"):
        assert secret not in text
    both = describe_error(ExceptionGroup("two", [ValueError("one"), KeyError("other")]))
    assert "ValueError: one" in both
    assert "KeyError: 'other'" in both
    assert describe_error(RuntimeError()) == "RuntimeError: no message"
