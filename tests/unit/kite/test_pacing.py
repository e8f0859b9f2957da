"""`Pacer` under a mock clock: even spacing, order, shared limits, slowing down and recovering."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import anyio
import pytest

from tests.support.virtual_time import virtual_trio
from tickertui.kite.pacing import RATES, CallClass, Pacer


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


async def times_of(pacer: Pacer, kind: CallClass, count: int, into: list[float] | None = None) -> list[float]:
    """Start `count` calls at once and return when each got its turn, from the start."""
    start = anyio.current_time()
    times = [] if into is None else into

    async def call() -> None:
        await pacer.wait(kind)
        times.append(anyio.current_time() - start)

    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(call)
    return sorted(times)


def busiest_second(times: list[float]) -> int:
    return max(sum(1 for other in times if time <= other < time + 1.0) for time in times)


@pytest.mark.parametrize(("kind", "limit"), [(CallClass.QUOTE, 1), (CallClass.HISTORICAL, 3), (CallClass.OTHER, 10)])
async def test_no_second_holds_more_than_the_broker_allows(kind: CallClass, limit: int) -> None:
    times = await times_of(Pacer(), kind, 40)
    assert times[0] == 0.0
    assert busiest_second(times) <= limit
    # And no time is given away: within 2 % of the rate that was set.
    assert times[-1] == pytest.approx(39 / RATES[kind], rel=0.02)


async def test_all_classes_of_a_key_share_ten_a_second() -> None:
    pacer = Pacer()
    times: list[float] = []
    async with anyio.create_task_group() as group:
        for kind, count in ((CallClass.QUOTE, 5), (CallClass.HISTORICAL, 15), (CallClass.OTHER, 60)):
            group.start_soon(times_of, pacer, kind, count, times)
    assert len(times) == 80
    assert busiest_second(times) <= 10


async def test_turns_come_in_the_order_of_the_calls() -> None:
    pacer = Pacer()
    order: list[int] = []

    async def call(number: int) -> None:
        await pacer.wait(CallClass.HISTORICAL)
        order.append(number)

    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(call, number)
            await anyio.lowlevel.checkpoint()
            await anyio.wait_all_tasks_blocked()
    assert order == list(range(10))


async def test_a_class_does_not_wait_for_another() -> None:
    pacer = Pacer()
    async with anyio.create_task_group() as group:
        group.start_soon(times_of, pacer, CallClass.QUOTE, 20)
        await anyio.sleep(0.5)
        start = anyio.current_time()
        await pacer.wait(CallClass.OTHER)
        assert anyio.current_time() - start < 0.11
        group.cancel_scope.cancel()


async def test_a_cancelled_wait_takes_no_turn() -> None:
    pacer = Pacer()
    await pacer.wait(CallClass.QUOTE)
    with anyio.move_on_after(0.5):
        await times_of(pacer, CallClass.QUOTE, 100)
    start = anyio.current_time()
    await pacer.wait(CallClass.QUOTE)
    assert anyio.current_time() - start < 0.6


async def test_a_stall_is_not_made_up_for() -> None:
    pacer = Pacer()
    await pacer.wait(CallClass.HISTORICAL)
    await anyio.sleep(60)
    times = await times_of(pacer, CallClass.HISTORICAL, 12)
    assert busiest_second(times) <= 3


async def test_a_429_pauses_halves_and_recovers_slowly() -> None:
    pacer = Pacer()
    usual = pacer.rate(CallClass.HISTORICAL)
    await pacer.wait(CallClass.HISTORICAL)
    pacer.slow_down(CallClass.HISTORICAL)
    # Two more refusals of requests that were under way: the same excess, counted once.
    pacer.slow_down(CallClass.HISTORICAL)
    pacer.slow_down(CallClass.HISTORICAL)
    assert pacer.rate(CallClass.HISTORICAL) == pytest.approx(usual / 2)
    assert pacer.rate(CallClass.QUOTE) == pytest.approx(RATES[CallClass.QUOTE])
    times = await times_of(pacer, CallClass.HISTORICAL, 30)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert times[0] == pytest.approx(1.0)
    assert gaps[0] == pytest.approx(2 / usual)
    assert gaps == sorted(gaps, reverse=True)
    assert pacer.rate(CallClass.HISTORICAL) == pytest.approx(usual)


async def test_a_429_moves_those_who_wait_already_and_respects_retry_after() -> None:
    pacer = Pacer()
    await pacer.wait(CallClass.QUOTE)
    times: list[float] = []
    async with anyio.create_task_group() as group:
        group.start_soon(times_of, pacer, CallClass.QUOTE, 1, times)
        await anyio.sleep(0.1)
        pacer.slow_down(CallClass.QUOTE, retry_after=30.0)
    assert times == [pytest.approx(30.1)]


async def test_it_never_becomes_slower_than_a_sixteenth() -> None:
    pacer = Pacer()
    for _ in range(10):
        pacer.slow_down(CallClass.OTHER)
        await anyio.sleep(1.1)
    assert pacer.rate(CallClass.OTHER) == pytest.approx(RATES[CallClass.OTHER] / 16)
