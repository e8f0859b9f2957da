"""A backfill in another process, to be killed: ``python -m tests.support.backfill_process DATABASE CONTRACTS``.

It prints the token of each request that the broker has got.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import anyio

from tests.support.history import HistoryAccounts, HistoryBroker, option
from tests.support.virtual_time import LoopClock
from tickertui.market.clock import IST
from tickertui.services.history.historical_bootstrapper import HistoricalBootstrapper
from tickertui.services.history.types import BackfillSettings
from tickertui.services.supervision.events import EventLog
from tickertui.store.protocol import Store
from tickertui.store.sqlite import SqliteStore

EVENING = datetime(2026, 11, 25, 20, 0, tzinfo=IST)
SETTINGS = BackfillSettings(days=4)
UNPACED = 100_000.0


def quick_bootstrapper(store: Store, now: datetime = EVENING) -> tuple[HistoricalBootstrapper, HistoryBroker]:
    """A backfill through one account of a broker that answers at once."""
    clock = LoopClock(now)
    broker = HistoryBroker(clock, per_second=1_000_000, latency=0.001)
    accounts = HistoryAccounts(broker, "Z1", rate=UNPACED)
    bootstrapper = HistoricalBootstrapper(
        store=store, calendar=broker.calendar, clock=clock, clients=accounts, events=EventLog(clock), settings=SETTINGS
    )
    return bootstrapper, broker


async def _main(database: str, contracts: int) -> None:
    store = await SqliteStore.open(Path(database), LoopClock(EVENING))
    bootstrapper, broker = quick_bootstrapper(store)
    truth = broker.truth

    def told(token: int, span: tuple[int, int]) -> object:
        print(token, flush=True)
        return truth(token, span)

    broker.truth = told  # type: ignore[method-assign, assignment]
    bootstrapper.set_targets([option(number) for number in range(1, contracts + 1)])
    await bootstrapper.run()


if __name__ == "__main__":
    anyio.run(_main, sys.argv[1], int(sys.argv[2]))
