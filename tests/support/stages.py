"""The situations in which the whole program is tried: demo, live, a shut market, an expiry's afternoon, an empty plan.

`tests/faults` and `tests/journeys` start the program in them. Each stage has a home of its own and, except in the demo,
a simulated broker of its own with two accounts that are logged in: what is done there to rules, clock or tokens is not
there in the next one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.live_program import Broker

RULES: Final = """
[[rules]]
underlying = "NIFTY"
expiries = 2
strikes = 15
[[rules]]
underlying = "BANKNIFTY"
strikes = 10
account = "Z2"
"""


@dataclass(frozen=True)
class Scenario:
    """One situation.

    Attributes:
        name: For the command line.
        at: Market time of its broker, None for the demo.
        speed: Seconds of market time per second.
        rules: Of the configuration.
        is_mock: Whether everything on the screen is synthetic from the start.
        streams: Whether ticks come all the time.
        logged_in: Whether the accounts are.
    """

    name: str
    at: str | None
    rules: str = RULES
    is_mock: bool = False
    streams: bool = False
    logged_in: bool = True
    speed: float = 1.0


SCENARIOS: Final[Sequence[Scenario]] = (
    Scenario("demo", None, is_mock=True),
    Scenario("live", "2026-11-25 11:00", streams=True),
    Scenario("closed", "2026-11-28 11:00"),
    # The options expire at 15:40, in 11 seconds. (Faster, and the program takes each second for a sleep of ten.)
    Scenario("expiry", "2026-12-01 15:38:30", speed=8.0),
    Scenario("empty", "2026-11-25 11:00", rules=""),
)
BY_NAME: Final = {scenario.name: scenario for scenario in SCENARIOS}


@dataclass(frozen=True)
class Stage:
    """Where a session plays.

    Attributes:
        arguments: Of the program.
        environ: Its environment.
        folder: Its working folder: pictures go there.
        broker: The simulator, None in the demo.
    """

    arguments: Sequence[str]
    environ: dict[str, str]
    folder: Path
    broker: Broker | None


@contextmanager
def staged(scenario: Scenario, folder: Path) -> Iterator[Stage]:
    """Start what a scenario needs, and end it."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environ = {**kept, "HOME": str(folder), "TICKERTUI_HOME": str(folder / "tickertui"), "PYTHONUTF8": "1"}
    if scenario.at is None:
        yield Stage(["--demo"], environ, folder, None)
        return
    broker = Broker(environ, at=scenario.at, speed=scenario.speed)
    try:
        path = folder / "simulator.toml"
        path.write_text(f"{broker.configuration()}\n{scenario.rules}")
        # Logged in without a process for each login; a login is a journey of its own.
        accounts = (1, 2) if scenario.logged_in else ()
        tokens = {f"TICKERTUI_Z{number}_ACCESS_TOKEN": broker.access_token(number) for number in accounts}
        secrets = {f"TICKERTUI_Z{number}_API_SECRET": f"secret{number}" for number in (1, 2)}
        yield Stage(["--config", str(path)], {**environ, **tokens, **secrets}, folder, broker)
    finally:
        broker.stop()
