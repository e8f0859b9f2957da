"""What is imported at run time, which no static graph sees: the floors below the screen never load the screen."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import tickertui

_BELOW_THE_SCREEN = ("market", "kite", "store", "recording", "services", "simulator")


def modules_of(package: str) -> list[str]:
    path = [f"{entry}/{package}" for entry in tickertui.__path__]
    return [f"tickertui.{package}.{info.name}" for info in pkgutil.iter_modules(path)]


def loaded_by(modules: list[str]) -> set[str]:
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}:\n    importlib.import_module(name)\n"
        "print(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("package", _BELOW_THE_SCREEN)
def test_a_floor_below_the_screen_loads_neither_textual_nor_rich(package: str) -> None:
    assert not {"textual", "rich", "textual_plot"} & loaded_by(modules_of(package))


def test_the_market_floor_is_pure() -> None:
    modules = modules_of("market")
    assert modules
    assert not {"anyio", "trio", "websockets", "apsw", "kiteconnect", "pydantic"} & loaded_by(modules)


def test_importing_the_broker_client_loads_neither_the_official_ticker_nor_twisted() -> None:
    assert not {"kiteconnect", "twisted", "autobahn"} & loaded_by(modules_of("kite"))
