"""One program for all journeys of a size that leave the screen as they found it; a new one after one that failed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.journeys.trader import DAY, NO_HISTORY, SIZES, Size, Trader, at_work
from tests.support.stages import Scenario

_LIVE = Scenario("a trader's day", DAY, rules=NO_HISTORY)


class SharedDesk:
    """The running program of a size."""

    def __init__(self, size: Size, folder: Path) -> None:
        self._size = size
        self._folder = folder
        self._stack = ExitStack()
        self._trader: Trader | None = None
        self._starts = 0

    def trader(self) -> Trader:
        """Return the trader, at the screen that every journey begins with."""
        if self._trader is not None:
            return self._trader
        self._starts += 1
        self._trader = self._stack.enter_context(at_work(_LIVE, self._size, self._folder / str(self._starts)))
        self._trader.at_home()
        return self._trader

    def close(self) -> None:
        """End the program."""
        self._trader = None
        self._stack.close()


@pytest.fixture(scope="session", params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def shared_desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedDesk]:
    desk = SharedDesk(request.param, tmp_path_factory.mktemp("desk"))
    yield desk
    desk.close()


_CALL_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell `trader` whether the journey went well."""
    report = yield
    if report.when == "call":
        item.stash[_CALL_FAILED] = report.failed
    return report


@pytest.fixture
def trader(request: pytest.FixtureRequest, shared_desk: SharedDesk) -> Iterator[Trader]:
    """The trader at the shared program; what a journey that failed has left is not the next one's."""
    trader = shared_desk.trader()
    yield trader
    if request.node.stash.get(_CALL_FAILED, True):
        shared_desk.close()
        return
    try:
        trader.at_home()
    except AssertionError:
        shared_desk.close()
        raise


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def size(request: pytest.FixtureRequest) -> Size:
    found: Size = request.param
    return found
