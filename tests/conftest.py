"""What every test shares: one event loop flavour by default and no contact with the user's own files."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio unless a test parametrises its own backend."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_user_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the developer's own configuration, data and state directories out of every test."""
    home = tmp_path / "home"
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(home / variable.lower()))
    monkeypatch.setenv("HOME", str(home))
    for variable in ("NO_COLOR", "TICKERTUI_CONFIG"):
        monkeypatch.delenv(variable, raising=False)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a case of bytes by its argument: what is compressed holds the second, and xdist's workers must agree."""
    return argname if isinstance(val, bytes) else None
