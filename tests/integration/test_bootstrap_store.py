"""The backfill on a real database, and with the real client against the simulated broker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from tests.support.backfill_process import EVENING, SETTINGS, quick_bootstrapper
from tests.support.history import HistoryBroker, index, option
from tests.support.paths import REPOSITORY
from tests.support.plain_market import EXPIRY, NIFTY, plain_instruments
from tests.support.simulators import SimulatedBroker, simulated_broker
from tests.support.virtual_time import LoopClock
from tests.support.waiting import wait_until
from tickertui.kite.client import KiteClient
from tickertui.kite.secrets import Secret
from tickertui.market.candles import Interval
from tickertui.market.clock import IST
from tickertui.market.hours import load_calendar
from tickertui.services.history.gaps import seconds_of, subtract
from tickertui.services.history.historical_bootstrapper import HistoricalBootstrapper
from tickertui.services.history.status import BootstrapState
from tickertui.services.history.types import BackfillTarget
from tickertui.services.supervision.events import EventLog
from tickertui.store.protocol import ContractKey, Span, Store
from tickertui.store.sqlite import SqliteStore

MINUTE = Interval.MINUTE
FIRST = datetime(2026, 11, 19, tzinfo=IST)
FIRST_OPEN = datetime(2026, 11, 19, 9, 15, tzinfo=IST)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "tickertui.db"


@asynccontextmanager
async def opened(database: Path) -> AsyncIterator[Store]:
    store = await SqliteStore.open(database, LoopClock(EVENING))
    try:
        yield store
    finally:
        await store.close()


async def fill(bootstrapper: HistoricalBootstrapper, targets: Sequence[BackfillTarget]) -> None:
    async with anyio.create_task_group() as group:
        bootstrapper.set_targets(targets)
        group.start_soon(bootstrapper.run)
        await wait_until(lambda: bootstrapper.progress().state is BootstrapState.DONE, "the history", timeout=60)
        group.cancel_scope.cancel()


async def assert_whole(store: Store, broker: HistoryBroker, targets: Sequence[BackfillTarget]) -> None:
    """What is stored is the truth, all of it."""
    span = (seconds_of(FIRST), seconds_of(EVENING))
    for target in targets:
        stored = await store.candles(target.token, target.expiry, MINUTE, FIRST, EVENING)
        assert stored.to_rows().tolist() == broker.truth(target.token, span).to_rows().tolist()


async def test_the_history_is_in_the_database_and_stays_there(database: Path) -> None:
    targets = [index(), *(option(n) for n in range(1, 21))]
    async with opened(database) as store:
        bootstrapper, broker = quick_bootstrapper(store)
        await fill(bootstrapper, targets)
        await assert_whole(store, broker, targets)
        days = bootstrapper.progress().coverage["NIFTY W01Dec"]
        assert [day.requested for day in days] == [True] * 4
        stored = [len(await store.candles(*one.key, MINUTE, FIRST, EVENING)) for one in targets[1:]]
        assert sum(day.stored for day in days) == sum(stored)
    async with opened(database) as store:
        bootstrapper, broker = quick_bootstrapper(store)
        await fill(bootstrapper, targets)
        assert broker.requests == []


async def test_open_interest_of_the_day_before_is_filled(database: Path) -> None:
    target = option(1)
    async with opened(database) as store:
        bootstrapper, broker = quick_bootstrapper(store, datetime(2026, 11, 25, 11, 0, 30, tzinfo=IST))
        await fill(bootstrapper, [target])
        monday = date(2026, 11, 23)
        start = seconds_of(datetime(2026, 11, 23, tzinfo=IST))
        closing = int(broker.truth(target.token, (start, start + 86_400)).oi[-1])
        assert await store.open_interest_on(monday) == {target.key: closing}


@pytest.mark.parametrize("requests", [1, 25, 60])
async def test_a_killed_backfill_goes_on_where_it_was(database: Path, requests: int) -> None:
    targets = [option(n) for n in range(1, 81)]
    process = subprocess.Popen(  # noqa: ASYNC220 - it is read in a thread
        [sys.executable, "-m", "tests.support.backfill_process", str(database), str(len(targets))],
        stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        for _ in range(requests):
            assert await to_thread.run_sync(process.stdout.readline), "it ended by itself"
        process.kill()
    async with opened(database) as store:
        before: dict[ContractKey, list[Span]] = await store.coverage(MINUTE)
        assert len(before) < len(targets)
        bootstrapper, broker = quick_bootstrapper(store)
        await fill(bootstrapper, targets)
        keys = {target.token: target.key for target in targets}
        assert {token for _, token, _ in broker.requests} == {t.token for t in targets if t.key not in before}
        for _, token, span in broker.requests:
            assert subtract([span], before.get(keys[token], [])) == [span], "nothing is fetched twice"
        await assert_whole(store, broker, targets)


class SimulatorAccounts:
    """The accounts of a simulated broker through the real client."""

    def __init__(self, broker: SimulatedBroker) -> None:
        self.clients = {
            f"Z{number}": KiteClient(f"Z{number}", one.api_key, Secret(str(one.access_token)), root=broker.rest_url)
            for number, one in enumerate(broker.accounts, 1)
        }
        self.reported: list[str] = []

    def usable_accounts(self) -> Sequence[str]:
        return [name for name in self.clients if name not in self.reported]

    def client(self, account: str, /) -> KiteClient:
        return self.clients[account]

    def report_auth_expired(self, account: str, /) -> None:
        self.reported.append(account)

    def history_refusals(self) -> int:
        return sum(client.history_refusals for client in self.clients.values())


async def test_with_the_real_client_and_the_simulated_broker(database: Path) -> None:
    contracts = [one for one in plain_instruments(5) if one.expiry == EXPIRY and one.segment == "NFO-OPT"][:8]
    targets = [
        BackfillTarget(NIFTY, "NIFTY 50", "NIFTY", "NIFTY", None, segment="INDICES"),
        *(
            BackfillTarget(one.token, one.tradingsymbol, "NIFTY W01Dec", "NIFTY", one.expiry, segment=one.segment)
            for one in contracts
        ),
    ]
    async with simulated_broker(accounts=2) as broker, opened(database) as store:
        accounts = SimulatorAccounts(broker)
        bootstrapper = HistoricalBootstrapper(
            store=store, calendar=load_calendar(), clock=broker.clock, clients=accounts,
            events=EventLog(broker.clock), settings=SETTINGS,
        )  # fmt: skip
        await fill(bootstrapper, targets)
        now = broker.clock.now()
        for target in targets:
            stored = await store.candles(target.token, target.expiry, MINUTE, FIRST, now)
            told = await accounts.client("Z1").fetch_historical(
                target.token, FIRST_OPEN, now - timedelta(minutes=3), MINUTE, oi=target.has_oi
            )
            assert stored.to_rows()[: len(told)].tolist() == told.to_rows().tolist()
            assert len(stored) - len(told) in (0, 1, 2)
        for client in accounts.clients.values():
            await client.aclose()
