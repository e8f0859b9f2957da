"""One long step at a time, cut short by a stop that may come from inside it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from tests.support.virtual_time import virtual_trio
from tickertui.services.supervision.operations import Operations


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


async def test_operations_take_turns_in_the_order_they_came() -> None:
    operations = Operations()
    seen: list[str] = []

    async def operation(name: str) -> None:
        async with operations.one_at_a_time():
            seen.append(f"{name} begins")
            await anyio.sleep(1)
            seen.append(f"{name} ends")

    async with anyio.create_task_group() as group:
        for name in "abcde":
            group.start_soon(operation, name)
            await anyio.wait_all_tasks_blocked()
        assert operations.pending == 5
    assert seen == [f"{name} {what}" for name in "abcde" for what in ("begins", "ends")]
    assert operations.pending == 0


async def test_only_the_task_inside_is_inside() -> None:
    operations = Operations()
    other: list[bool] = []

    def inside() -> bool:
        return operations.is_inside

    async def ask() -> None:
        other.append(inside())

    assert not inside()
    async with anyio.create_task_group() as group:
        async with operations.one_at_a_time():
            assert inside()
            group.start_soon(ask)
            await anyio.sleep(1)
        assert not inside()
        async with operations.part_of_it():
            async with operations.one_at_a_time():
                pass
            assert inside(), "a part stays a part after an operation of its own"
        assert not inside()
    assert other == [False]


async def test_cancel_ends_the_running_one_and_says_so() -> None:
    operations = Operations()
    operations.cancel()
    cut: list[bool] = []

    async def operation() -> None:
        async with operations.one_at_a_time() as scope:
            await anyio.sleep_forever()
        cut.append(scope.cancelled_caught)

    async with anyio.create_task_group() as group:
        group.start_soon(operation)
        await anyio.wait_all_tasks_blocked()
        operations.cancel()
        await operations.wait_until_over()
        await anyio.wait_all_tasks_blocked()
    assert cut == [True]


async def test_an_operation_can_cancel_itself() -> None:
    operations = Operations()
    async with operations.one_at_a_time() as scope:
        operations.cancel()
        await anyio.sleep_forever()
    assert scope.cancelled_caught
