"""What the screens are told by the real services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, time, timedelta
from pathlib import Path

import anyio
import numpy as np
import pytest

from tests.support.waiting import wait_until
from tickertui.engine import Engine, EngineOptions
from tickertui.kite.errors import BrokerTimeout
from tickertui.market.calendar_data import CalendarError
from tickertui.market.candles import Candles, Interval
from tickertui.market.ticks import Word
from tickertui.services.accounts.session_orchestrator import MissingApiSecret, NoAccounts
from tickertui.services.bundle import Services
from tickertui.services.contracts.plausibility import DumpRefused
from tickertui.services.loop.contract_refresher import ContractsMissing
from tickertui.services.loop.status import FeedMode
from tickertui.services.loop.ticker_loop import LoopNotRunning, ReloadFailed
from tickertui.settings.model import Settings
from tickertui.settings.paths import user_paths
from tickertui.store.protocol import StoreBusy
from tickertui.tui.services_backend import ServicesBackend
from tickertui.tui.view.backend import BackendRefused


async def test_expiries_bear_the_names_of_the_exchanges_series(tmp_path: Path) -> None:
    engine = Engine(
        EngineOptions(Settings(), user_paths({"TICKERTUI_HOME": str(tmp_path)}), environ={}, demo=True, seed=1)
    )
    async with engine.services() as services:
        marks = ServicesBackend(services).expiries("NIFTY")
    letters = [mark.letter for mark in marks if mark.letter != "W"]
    assert letters[:3] == ["M", "M", "M"]
    assert letters[3:] == sorted(letters[3:], reverse=True), "quarterly series come before the half-yearly ones"
    assert letters.count("Q") <= 3
    assert "W" in {mark.letter for mark in marks}
    assert [mark.expiry for mark in marks] == sorted(mark.expiry for mark in marks)
    today = services.clock.now().date()
    assert all(mark.days == (mark.expiry - today).days >= 0 for mark in marks)


@asynccontextmanager
async def demo(tmp_path: Path) -> AsyncIterator[Services]:
    """The services of the demo."""
    paths = user_paths({"TICKERTUI_HOME": str(tmp_path)})
    async with Engine(EngineOptions(Settings(), paths, environ={}, demo=True, seed=1)).services() as services:
        yield services


@pytest.mark.parametrize(
    "error",
    [
        MissingApiSecret("the API secret of Z1 is not known: put it into secrets.toml or set secret_command"),
        NoAccounts("no account can be used"), ContractsMissing("the broker's contracts are not loaded yet"),
        ReloadFailed("no room"), LoopNotRunning("the ticker loop is stopped"), DumpRefused("the dump was cut off"),
        StoreBusy("the database is busy"), BrokerTimeout(account="Z1", endpoint="/session/token"),
        CalendarError("no calendar for 2031"), PermissionError(13, "Permission denied", "tokens/Z1"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
async def test_whatever_a_service_refuses_with_is_a_sentence_and_never_the_end_of_the_program(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise error

    async with demo(tmp_path) as services:
        monkeypatch.setattr(services.orchestrator, "login", refuse)
        monkeypatch.setattr(services.loop, "plan_reload", refuse)
        backend = ServicesBackend(services)
        with pytest.raises(BackendRefused) as refused:
            await backend.login("Z1", "request_token_of_today_1234")
        assert str(refused.value).strip()
        with pytest.raises(BackendRefused):
            await backend.plan_reload()


async def test_health_tells_the_last_round_that_valued_anything(tmp_path: Path) -> None:
    async with demo(tmp_path) as services:
        backend, valuation = ServicesBackend(services), services.valuation
        assert valuation is not None
        assert backend.health().greeks_ms is None, "no round yet"
        expiry = services.registry.table.expiries_of("NIFTY")[0]
        chain = services.registry.table.chain("NIFTY", expiry)
        assert chain is not None
        services.board.ensure(chain.call_tokens.tolist())
        assert valuation.round().rows == len(chain.call_tokens)
        assert valuation.round().rows == 0, "no tick since"
        assert backend.health().greeks_rows == len(chain.call_tokens)


async def test_candles_of_a_mock_are_its_own_and_never_the_stored_ones(tmp_path: Path) -> None:
    async with demo(tmp_path) as services, anyio.create_task_group() as tasks:
        tasks.start_soon(services.loop.run)
        backend = ServicesBackend(services)
        await wait_until(lambda: services.loop.runtime_state().feed is FeedMode.MOCK, "the mock feed")
        await wait_until(backend.legs, "a plan")
        leg = next(leg for leg in backend.legs() if (row := backend.instrument(leg.token)) and row.strike is not None)
        instrument = backend.instrument(leg.token)
        assert instrument is not None
        now = services.clock.now()
        start = datetime.combine(now.date(), time(0), now.tzinfo)
        stored = Candles.from_rows(np.array([[int(now.timestamp()) // 60 * 60 - 60, 1, 1, 1, 1, 1, 1]]))
        await services.store.add_candles(leg.token, instrument.expiry, Interval.MINUTE, stored, None)
        candles = await backend.candles(leg.token, start - timedelta(days=1), now)
        assert len(candles)
        assert int(candles.close.min()) > 1
        assert int(candles.close[-1]) == int(services.board.words[services.board.row(leg.token), Word.LAST_PRICE])
        tasks.cancel_scope.cancel()
