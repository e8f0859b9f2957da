"""The rate of the backfill's requests against the 3 a second that the broker allows each key, in virtual time.

The broker answers after 0.2 s and refuses whatever comes too fast. Target: at most 5 % under what is allowed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import anyio

from tests.benchmarks.harness import Result
from tests.support.history import HistoryAccounts, HistoryBroker, MemoryHistory, option
from tests.support.virtual_time import LoopClock, virtual_trio
from tests.support.waiting import wait_until
from tickertui.market.clock import IST
from tickertui.services.history.historical_bootstrapper import HistoricalBootstrapper
from tickertui.services.history.status import BootstrapState
from tickertui.services.history.types import BackfillSettings
from tickertui.services.supervision.events import EventLog

_EVENING: Final = datetime(2026, 11, 25, 20, 0, tzinfo=IST)
_ALLOWED: Final = 3
"""Requests a second and key (kite-protocol, limits)."""
_CONTRACTS: Final = 240


async def _backfill(accounts: int, rates: dict[int, tuple[float, int]]) -> None:
    clock = LoopClock(_EVENING)
    broker = HistoryBroker(clock, per_second=_ALLOWED)
    names = [f"Z{number}" for number in range(1, accounts + 1)]
    bootstrapper = HistoricalBootstrapper(
        store=MemoryHistory(),
        calendar=broker.calendar,
        clock=clock,
        clients=HistoryAccounts(broker, *names),
        events=EventLog(clock),
        settings=BackfillSettings(days=4),
    )
    bootstrapper.set_targets([option(number) for number in range(1, _CONTRACTS + 1)])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bootstrapper.run)
        await wait_until(
            lambda: bootstrapper.progress().state is BootstrapState.DONE, "the end", timeout=50_000, poll=0.5
        )
        tasks.cancel_scope.cancel()
    # Each account's first request waits for nobody: it is where the time begins, not part of the rate.
    rates[accounts] = (len(broker.at) - accounts) / (broker.at[-1] - broker.at[0]), broker.refused


def run() -> list[Result]:
    """Measure with one account and with three."""
    rates: dict[int, tuple[float, int]] = {}
    results = []
    for accounts in (1, 3):
        backend, options = virtual_trio()
        anyio.run(_backfill, accounts, rates, backend=backend, backend_options=options)
        rate, refused = rates[accounts]
        allowed = _ALLOWED * accounts
        name = f"requests a second with {accounts} key{'s' * (accounts > 1)}"
        target = f">= {0.95 * allowed:.2f}"
        results.append(Result(name, rate, "1/s", "allowed", allowed, rate / allowed, target))
        results.append(Result("of these refused", refused, "", target="0"))
    return results
