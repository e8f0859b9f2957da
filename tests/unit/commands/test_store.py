"""``tickertui store``: the way back to a backup."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import anyio
import pytest

from tickertui.clock import SystemClock
from tickertui.commands.store import run_command
from tickertui.process.exit_codes import ExitCode
from tickertui.store.open import open_store


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "desk.db"


def command(action: str, tmp_path: Path, url: str | Path) -> int:
    config = tmp_path / "config.toml"
    config.write_text(f'[store]\nurl = "{url}"\n')
    return run_command(Namespace(action=action, config=str(config)))


async def subscribe(database: Path) -> None:
    store = await open_store(database, SystemClock())
    await store.upsert(token=1, tradingsymbol="A", segment="NFO-OPT", expiry=None)
    await store.close()


async def subscriptions(database: Path) -> int:
    store = await open_store(database, SystemClock())
    try:
        return len(await store.list_all())
    finally:
        await store.close()


def test_there_and_back(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    anyio.run(subscribe, database)
    assert command("backup", tmp_path, database) == ExitCode.OK
    assert "copied to" in capsys.readouterr().out
    database.write_bytes(b"garbage" * 1000)
    assert command("backup", tmp_path, database) == ExitCode.STORE
    assert "tickertui store recover" in capsys.readouterr().err
    assert command("recover", tmp_path, database) == ExitCode.OK
    assert "took its place" in capsys.readouterr().out
    assert anyio.run(subscriptions, database) == 1


def test_a_server_is_not_ours_to_restore(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("recover", tmp_path, "postgresql://u:hunter2@db/desk") == ExitCode.USAGE
    told = capsys.readouterr().err
    assert "whoever runs it" in told
    assert "hunter2" not in told
