"""Whether the store answers, how fast, and what is said when it does not; hours pass in virtual time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import anyio
import pytest

from tests.support.virtual_time import LoopClock, virtual_trio
from tickertui.market.clock import IST
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.services.supervision.store_watch import StoreWatch
from tickertui.store.protocol import StoreUnavailable


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


class Store:
    """Answers after a while, refuses, or hangs."""

    def __init__(self) -> None:
        self.takes = 0.003
        self.away = False
        self.asked: list[float] = []

    async def revision(self) -> int:
        self.asked.append(anyio.current_time())
        await anyio.sleep(self.takes)
        if self.away:
            raise StoreUnavailable("connection refused")
        return 1


def make() -> tuple[Store, StoreWatch, EventLog]:
    clock = LoopClock(datetime(2026, 11, 25, 10, 0, tzinfo=IST))
    store, events = Store(), EventLog(clock)
    return store, StoreWatch(store, clock, events), events


async def test_an_answer_is_timed_and_no_event() -> None:
    _, watch, events = make()
    assert watch.health.milliseconds is None
    await watch.look()
    assert watch.health.milliseconds == pytest.approx(3.0, abs=0.01)
    assert watch.health.error == ""
    assert events.since() == ()


async def test_a_loss_and_the_return_are_one_event_each_and_the_tries_are_counted() -> None:
    store, watch, events = make()
    store.away = True
    async with anyio.create_task_group() as group:
        group.start_soon(watch.run)
        await anyio.sleep(60)
        health = watch.health
        assert (health.error, health.tries) == ("connection refused", 5)
        assert health.retry_at is not None
        assert health.retry_at > anyio.current_time()
        gaps = [after - before for before, after in zip(store.asked, store.asked[1:], strict=False)]
        assert gaps == sorted(gaps), "more seldom the longer it is away"
        store.away = False
        await anyio.sleep(60)
        group.cancel_scope.cancel()
    assert watch.health.error == ""
    assert watch.health.tries == 0
    assert [event.severity for event in events.since()] == [Severity.ERROR, Severity.INFO]
    assert "connection refused" in events.since()[0].text
    assert "answers again after" in events.since()[1].text


async def test_a_store_that_hangs_is_away() -> None:
    store, watch, _ = make()
    store.takes = 600.0
    await watch.look()
    assert "has not answered within 10 s" in watch.health.error
