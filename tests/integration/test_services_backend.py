"""What the screens are told by the real services."""

from __future__ import annotations

from pathlib import Path

from tickertui.config import Settings
from tickertui.engine import Engine, EngineOptions
from tickertui.paths import user_paths
from tickertui.tui.services_backend import ServicesBackend


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
