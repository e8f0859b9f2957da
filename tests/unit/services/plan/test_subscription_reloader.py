"""The reloader against a reference model, in virtual time: bursts, steady triggers, stops, failures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.virtual_time import virtual_trio
from tickertui.services.plan.subscription_reloader import SubscriptionReloader

DEBOUNCE, MAX_WAIT, MIN_INTERVAL = 1000, 5000, 5000
"""Milliseconds, as everywhere in this file."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


def now() -> int:
    return round(anyio.current_time() * 1000)


async def sleep_until(moment: int) -> None:
    await anyio.sleep(moment / 1000 - anyio.current_time())


# ---------------------------------------------------------------------- reference model


@dataclass(frozen=True)
class Script:
    """What happens from outside.

    Attributes:
        triggers: When, ascending.
        durations: Of each reload in turn; the last one stands for all that follow.
        stop: When `stop` is called, None for never.
    """

    triggers: tuple[int, ...]
    durations: tuple[int, ...] = (0,)
    stop: int | None = None

    def duration(self, reload: int) -> int:
        return self.durations[min(reload, len(self.durations) - 1)]

    @property
    def horizon(self) -> int:
        return max(self.triggers, default=0) + 20_000 + 2 * sum(self.durations)


def expected_starts(script: Script) -> list[int]:
    """Walk through time one millisecond at a time and apply the three rules as they are worded."""
    starts: list[int] = []
    waiting: list[int] = []
    free_at = 0
    for moment in range(script.horizon):
        if moment == script.stop:
            break
        if moment in script.triggers:
            waiting.append(moment)
        if not waiting or moment < free_at:
            continue
        is_quiet = moment - waiting[-1] >= DEBOUNCE
        is_overdue = moment - waiting[0] >= MAX_WAIT
        is_rested = not starts or moment - free_at >= MIN_INTERVAL
        if (is_quiet or is_overdue) and is_rested:
            free_at = moment + script.duration(len(starts))
            starts.append(moment)
            waiting.clear()
    return starts


@dataclass
class Played:
    starts: list[int] = field(default_factory=list)
    overlaps: int = 0
    ended: int | None = None


async def play(script: Script) -> Played:
    played = Played()
    running = 0

    async def reload() -> None:
        nonlocal running
        played.overlaps += running
        running += 1
        played.starts.append(now())
        await anyio.sleep(script.duration(len(played.starts) - 1) / 1000)
        running -= 1

    reloader = SubscriptionReloader(
        reload, debounce=DEBOUNCE / 1000, max_wait=MAX_WAIT / 1000, min_interval=MIN_INTERVAL / 1000
    )

    async def live() -> None:
        await reloader.run()
        played.ended = now()

    async with anyio.create_task_group() as group:
        group.start_soon(live)
        events: list[tuple[int, Callable[[], None]]] = [(at, reloader.trigger) for at in script.triggers]
        if script.stop is not None:
            events.append((script.stop, reloader.stop))
        for at, act in sorted(events, key=lambda event: event[0]):
            await sleep_until(at)
            act()
        await sleep_until(script.horizon)
        group.cancel_scope.cancel()
    return played


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Triggers in bursts, steady or sparse.

    The last two digits of a trigger are its number, and all other times are whole tenths of a second, so that no
    trigger falls on the very moment at which another one's reload is due: there both orders are right.
    """
    gaps = draw(st.lists(st.one_of(st.just(1), st.integers(2, 12), st.integers(13, 80)), min_size=1, max_size=40))
    moment, triggers = 0, []
    for number, gap in enumerate(gaps):
        moment += gap * 100
        triggers.append(moment + number)
    durations = draw(st.lists(st.integers(0, 70).map(lambda tenth: tenth * 100), min_size=1, max_size=4))
    stop = draw(st.none() | st.integers(1, triggers[-1] // 100 + 80).map(lambda tenth: tenth * 100 + 77))
    return Script(tuple(triggers), tuple(durations), stop)


@given(scripts())
@example(Script((100, 201, 302, 403, 504)))
@example(Script(tuple(100 * k + k for k in range(1, 40)), (300,)))
@example(Script((100, 1201, 2002), (4000, 0)))
@example(Script((100,), stop=577))
def test_reloads_start_when_the_rules_say(script: Script) -> None:
    backend, options = virtual_trio()
    played = anyio.run(play, script, backend=backend, backend_options=options)
    assert played.starts == expected_starts(script)
    assert played.overlaps == 0
    if script.stop is None:
        assert played.ended is None, "without a stop it lives on"
    else:
        assert played.ended is not None, "a stop ends it"


# ---------------------------------------------------------------------- named situations


class Recorder:
    """Notes when reloads start; each takes `seconds`, or does what `action` says."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.starts: list[int] = []
        self.merged: list[int] = []
        self.action: Callable[[], Awaitable[None]] | None = None
        self.reloader = SubscriptionReloader(self.reload)

    async def reload(self) -> None:
        self.starts.append(now())
        self.merged.append(self.reloader.merged)
        await anyio.sleep(self.seconds)
        if self.action is not None:
            await self.action()


async def test_a_burst_in_one_moment_is_one_reload_of_all_its_triggers() -> None:
    recorder = Recorder()
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.reloader.run)
        await anyio.sleep(0.5)
        for _ in range(10):
            recorder.reloader.trigger_reload()
        assert recorder.reloader.merged == 10
        await anyio.sleep(30)
        assert recorder.starts == [1500]
        assert recorder.merged == [10]
        assert not recorder.reloader.pending
        group.cancel_scope.cancel()


async def test_steady_triggers_are_bounded_by_the_maximum_wait() -> None:
    recorder = Recorder()
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.reloader.run)
        await anyio.wait_all_tasks_blocked()
        for _ in range(46):
            recorder.reloader.trigger()
            await anyio.sleep(0.1)
        assert recorder.starts == []
        for _ in range(10):
            recorder.reloader.trigger()
            await anyio.sleep(0.1)
        assert recorder.starts == [5000]
        group.cancel_scope.cancel()


async def test_triggers_during_a_reload_make_exactly_one_more() -> None:
    recorder = Recorder(seconds=2.0)
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.reloader.run)
        await anyio.wait_all_tasks_blocked()
        recorder.reloader.trigger()
        await anyio.sleep(1.2)
        assert recorder.reloader.is_reloading
        for _ in range(5):
            recorder.reloader.trigger()
        assert recorder.reloader.pending
        assert recorder.reloader.merged == 1, "those of the reload under way, not of the next"
        await anyio.sleep(60)
        assert recorder.starts == [1000, 8000], "5 s after the end of the first"
        assert recorder.merged == [1, 5]
        group.cancel_scope.cancel()


async def test_a_failure_is_remembered_and_the_next_trigger_still_works() -> None:
    recorder = Recorder()

    async def fail() -> None:
        raise ValueError("no such account")

    recorder.action = fail
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.reloader.run)
        await anyio.wait_all_tasks_blocked()
        recorder.reloader.trigger()
        await anyio.sleep(1.5)
        assert str(recorder.reloader.last_error) == "no such account"
        recorder.action = None
        recorder.reloader.trigger()
        await anyio.sleep(10)
        assert recorder.starts == [1000, 6000]
        assert recorder.reloader.last_error is None
        group.cancel_scope.cancel()


async def test_stop_during_the_debounce_drops_the_reload_and_ends_at_once() -> None:
    recorder = Recorder()
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.reloader.run)
        await anyio.wait_all_tasks_blocked()
        recorder.reloader.trigger()
        await anyio.sleep(0.3)
        recorder.reloader.stop()
    assert now() == 300
    assert recorder.starts == []


async def test_stop_during_the_minimum_interval_drops_the_reload_and_ends_at_once() -> None:
    recorder = Recorder()
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.reloader.run)
        await anyio.wait_all_tasks_blocked()
        recorder.reloader.trigger()
        await anyio.sleep(1.5)
        recorder.reloader.trigger()
        await anyio.sleep(2)
        recorder.reloader.stop()
    assert now() == 3500
    assert recorder.starts == [1000]


async def test_stop_during_a_reload_lets_it_end_and_starts_no_other() -> None:
    recorder = Recorder(seconds=3.0)
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.reloader.run)
        await anyio.wait_all_tasks_blocked()
        recorder.reloader.trigger()
        await anyio.sleep(2)
        recorder.reloader.trigger()
        recorder.reloader.stop()
        recorder.reloader.trigger()
        assert not recorder.reloader.pending
    assert now() == 4000
    assert recorder.starts == [1000]


async def test_a_reload_may_stop_the_reloader_that_runs_it() -> None:
    recorder = Recorder()

    async def stop() -> None:
        recorder.reloader.stop()

    recorder.action = stop
    recorder.reloader.trigger()
    await recorder.reloader.run()
    assert recorder.starts == [1000]
    assert recorder.reloader.last_error is None
    assert not recorder.reloader.is_running


async def test_a_trigger_before_the_start_is_kept() -> None:
    recorder = Recorder()
    recorder.reloader.trigger()
    await anyio.sleep(100)
    with anyio.move_on_after(10):
        await recorder.reloader.run()
    assert recorder.starts == [101_000]


async def test_cancelling_it_keeps_what_waits_for_the_next_run() -> None:
    recorder = Recorder()
    recorder.reloader.trigger()
    with anyio.move_on_after(0.5):
        await recorder.reloader.run()
    assert recorder.reloader.pending
    with anyio.move_on_after(10):
        await recorder.reloader.run()
    assert recorder.starts == [1500]


async def test_dropping_forgets_what_waits_and_nothing_else() -> None:
    recorder = Recorder()
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.reloader.run)
        await anyio.wait_all_tasks_blocked()
        recorder.reloader.trigger()
        recorder.reloader.drop()
        await anyio.sleep(3)
        recorder.reloader.trigger()
        await anyio.sleep(3)
        assert recorder.starts == [4000]
        group.cancel_scope.cancel()


async def test_it_runs_once_at_a_time() -> None:
    recorder = Recorder()
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.reloader.run)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="runs already"):
            await recorder.reloader.run()
        recorder.reloader.stop()


async def test_without_any_interval_a_self_triggering_reload_starves_nobody() -> None:
    count = 0

    async def reload() -> None:
        nonlocal count
        count += 1
        reloader.trigger()

    reloader = SubscriptionReloader(reload, debounce=0, max_wait=0, min_interval=0)
    reloader.trigger()
    async with anyio.create_task_group() as group:
        group.start_soon(reloader.run)
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        reloader.stop()
    assert 1 < count < 200


@pytest.mark.parametrize("times", [{"debounce": -1.0}, {"min_interval": -1.0}, {"debounce": 2.0, "max_wait": 1.0}])
def test_impossible_times_are_refused(times: dict[str, float]) -> None:
    async def reload() -> None: ...

    with pytest.raises(ValueError, match="debounce"):
        SubscriptionReloader(reload, **times)
