"""What is backed up and dropped, and when, on a real database."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import anyio
import numpy as np
import pytest

from tests.support.virtual_time import LoopClock, virtual_trio
from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import IST, ManualClock
from tickertui.services.supervision.store_maintenance import StoreMaintenance
from tickertui.store.open import open_store

NOW = datetime(2026, 11, 25, 10, 0, tzinfo=IST)


def candle(at: datetime) -> Candles:
    one = np.ones(1, dtype=np.int64)
    return Candles(np.array([int(at.timestamp())], dtype=np.int64), one, one, one, one, one, one)


def backups(folder: Path) -> list[Path]:
    return sorted((folder / "desk.db.d" / "backups").glob("*.db"))


async def test_a_copy_is_made_when_the_trader_changed_something_and_only_then(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    store = await open_store(tmp_path / "desk.db", clock)
    maintenance = StoreMaintenance(store, clock, keep_days=30)
    try:
        await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=None)
        await maintenance.round()
        assert len(backups(tmp_path)) == 1
        clock.advance(3600)
        await maintenance.round()
        assert len(backups(tmp_path)) == 1
        await store.upsert(token=2, tradingsymbol="B", segment="NFO-OPT", expiry=None)
        await maintenance.round()
        assert len(backups(tmp_path)) == 2
    finally:
        await store.close()


async def test_old_candles_go_once_a_day(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    store = await open_store(tmp_path / "desk.db", clock)
    maintenance = StoreMaintenance(store, clock, keep_days=30)

    async def days_old() -> list[int]:
        found = await store.candles(1, None, Interval.MINUTE, NOW - timedelta(days=90), NOW)
        return [round((clock.now().timestamp() - start) / 86_400) for start in found.start.tolist()]

    try:
        for age in (40, 29, 1):
            await store.add_candles(1, None, Interval.MINUTE, candle(NOW - timedelta(days=age)), None)
        await maintenance.round()
        assert await days_old() == [29, 1]
        clock.advance(2 * 86_400)
        await maintenance.round()
        assert await days_old() == [3]
    finally:
        await store.close()


class Counting:
    """A store that notes when it was looked after."""

    def __init__(self) -> None:
        self.copied: list[float] = []
        self.pruned: list[float] = []

    async def revision(self) -> int:
        return len(self.copied)

    async def backup(self) -> Path | None:
        self.copied.append(anyio.current_time())
        return None

    async def prune_candles(self, before: object) -> int:
        self.pruned.append(anyio.current_time())
        return 0


@pytest.mark.parametrize("anyio_backend", [virtual_trio()])
async def test_it_waits_for_the_start_to_be_over_and_then_looks_every_hour() -> None:
    store = Counting()
    begun = anyio.current_time()
    with anyio.move_on_after(300 + 2 * 3600 + 1):
        await StoreMaintenance(store, LoopClock(NOW), keep_days=30).run()
    assert [round(at - begun) for at in store.copied] == [300, 3900, 7500]
    assert [round(at - begun) for at in store.pruned] == [300]
