"""What is imported at run time, which no static graph sees: the floors below the screen never load the screen."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import tickertui
from tests.support.paths import REPOSITORY

_BELOW_THE_SCREEN = ("market", "kite", "store", "recording", "synthetic", "settings", "services", "simulator")


def modules_of(package: str) -> list[str]:
    """Every module of a package, at whatever depth, itself included."""
    path = [f"{entry}/{package}" for entry in tickertui.__path__]
    inside = [info.name for info in pkgutil.walk_packages(path, f"tickertui.{package}.")]
    return [f"tickertui.{package}", *inside]


def modules_in_files(package: str) -> list[str]:
    """The same by the files that are there."""
    top = REPOSITORY / "tickertui"
    files = (path.relative_to(REPOSITORY).with_suffix("") for path in (top / package).rglob("*.py"))
    return [".".join(path.parts).removesuffix(".__init__") for path in files]


@pytest.mark.parametrize("package", [*_BELOW_THE_SCREEN, "tui", "commands"])
def test_every_module_there_is_is_looked_at(package: str) -> None:
    assert sorted(modules_of(package)) == sorted(modules_in_files(package))


def everything_loaded_by(modules: list[str]) -> set[str]:
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}:\n    importlib.import_module(name)\n"
        "print(' '.join(sorted(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def loaded_by(modules: list[str]) -> set[str]:
    """Top-level packages that importing these modules loads."""
    return {name.partition(".")[0] for name in everything_loaded_by(modules)}


def ours_loaded_by(modules: list[str]) -> set[str]:
    """Modules of this program that importing these loads."""
    return {name for name in everything_loaded_by(modules) if name.startswith("tickertui.")}


@pytest.mark.parametrize("package", _BELOW_THE_SCREEN)
def test_a_floor_below_the_screen_loads_neither_textual_nor_rich(package: str) -> None:
    assert not {"textual", "rich", "textual_plot"} & loaded_by(modules_of(package))


def test_the_market_floor_is_pure() -> None:
    modules = modules_of("market")
    assert modules
    assert not {"anyio", "trio", "websockets", "apsw", "kiteconnect", "pydantic"} & loaded_by(modules)


def test_the_synthetic_market_stands_on_the_market_alone() -> None:
    floors = {name.split(".")[1] for name in ours_loaded_by(modules_of("synthetic"))}
    assert floors == {"synthetic", "market", "frozen"}


def test_the_simulator_needs_no_service() -> None:
    floors = {name.split(".")[1] for name in ours_loaded_by(modules_of("simulator"))}
    assert "kite" in floors
    assert not {"services", "settings", "store", "tui"} & floors


def test_importing_the_broker_client_loads_neither_the_official_ticker_nor_twisted() -> None:
    assert not {"kiteconnect", "twisted", "autobahn"} & loaded_by(modules_of("kite"))


_DEMO = """
import sys
from argparse import Namespace
import anyio
from tickertui.commands.common import load_configuration
from tickertui.commands.run import screen_options
from tickertui.engine import Engine, EngineOptions
from tickertui.tui.app import TickerApp
from tickertui.tui.services_backend import ServicesBackend

configuration = load_configuration(Namespace(config=None))

async def foreground(services, stop):
    await services.loop.wait_until_started()
    app = TickerApp(ServicesBackend(services), screen_options(configuration, {}, demo=True))
    async with app.run_test(size=(200, 50)):
        assert app.screen.chain.current_frame.loaded
        print(*sorted(sys.modules))
    return 0

options = EngineOptions(configuration.settings, configuration.paths, environ={}, demo=True)
sys.exit(anyio.run(Engine(options).run, foreground))
"""

_NOT_AT_THE_START = {
    "pydantic": "110 ms; only a configuration file is checked by it",
    "numpy.ma": "20 ms; np.unique(values) imports it (tickertui.market.arrays.distinct does not)",
    "numpy.testing": "never",
    "textual_plot": "35 ms; the analytics pane imports it when it is opened",
    "textual_hires_canvas": "with textual_plot",
    "importlib.metadata": "10 ms",
    "email": "with importlib.metadata",
    "http.client": "with urllib.request",
    "urllib.request": "20 ms; only a simulator's clock is asked",
    "kiteconnect": "0.3 s; only an account needs it",
    "requests": "with kiteconnect",
    "websockets": "only an account needs it",
    "tickertui.kite.client": "only an account needs it",
    "tickertui.kite.stream": "only an account needs it",
    "tickertui.store.postgres": "only a desk that shares its subscriptions needs it",
    "psycopg": "with tickertui.store.postgres",
    "stamina": "only requests to the broker are retried",
    "tomli_w": "only what writes a configuration needs it",
    "markdown_it": "no text of this program is Markdown",
    "pygments": "only a traceback is coloured by it",
    "rich.traceback": "40 ms; only a defect is printed by it",
}


def test_the_demo_shows_its_first_chain_without_what_a_start_can_do_without(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _DEMO], capture_output=True, text=True, timeout=60,
        env={**os.environ, "TICKERTUI_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "tickertui.tui.main.screen" in loaded
    assert {name: why for name, why in _NOT_AT_THE_START.items() if name in loaded} == {}
