"""A login in another shell, as three processes: the broker, the running program, and ``tickertui login``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.live_program import Broker, Headless, run_program
from tests.support.terminals import in_terminal
from tickertui.services.accounts.status import AccountState

RecordProperty = Callable[[str, object], None]

RULE = '\n[[rules]]\nunderlying = "NIFTY"\nstrikes = 5\naccount = "Z1"\n[history]\nenabled = false\n'


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    secrets = {"TICKERTUI_Z1_API_SECRET": "secret1", "TICKERTUI_Z2_API_SECRET": "secret2"}
    return {**kept, **secrets, "HOME": str(tmp_path), "TICKERTUI_HOME": str(tmp_path / "tickertui"), "PYTHONUTF8": "1"}


@pytest.fixture
def broker(environ: dict[str, str]) -> Iterator[Broker]:
    running = Broker(environ)
    yield running
    running.stop()


@pytest.fixture
def config(broker: Broker, tmp_path: Path) -> Path:
    """A configuration with one rule; nobody is logged in."""
    path = tmp_path / "simulator.toml"
    path.write_text(broker.configuration() + RULE)
    return path


class Shell:
    """Another shell of the trader."""

    def __init__(self, environ: dict[str, str], broker: Broker, config: Path) -> None:
        self._environ = environ
        self._broker = broker
        self._config = config

    def log_in(self, account: int) -> float:
        """Log in and return the machine's time at which the token was kept."""
        request_token = self._broker.request_token(account)
        done = run_program(self._environ, "login", f"Z{account}", "--config", str(self._config), typed=request_token)
        assert done.returncode == 0, done.stderr
        return self.token_file(account).stat().st_mtime

    def token_file(self, account: int) -> Path:
        (path,) = Path(self._environ["TICKERTUI_HOME"]).rglob(f"session-Z{account}.json")
        return path


@pytest.fixture
def shell(environ: dict[str, str], broker: Broker, config: Path) -> Shell:
    return Shell(environ, broker, config)


def states(record: dict[str, Any]) -> dict[str, str]:
    return {account["account"]: account["state"] for account in record.get("accounts", ())}


def ticking(record: dict[str, Any]) -> int:
    return sum(int(account["ticking"]) for account in record.get("accounts", ()))


def said(record: dict[str, Any], words: str) -> bool:
    return record["type"] == "event" and words in record["text"]


def test_streams_of_a_program_begin_with_a_login_in_another_shell_and_resume_with_the_next(
    environ: dict[str, str], broker: Broker, config: Path, shell: Shell, record_property: RecordProperty
) -> None:
    with Headless(environ, config) as program:
        program.until(lambda r: states(r).get("Z1") == AccountState.AUTH_EXPIRED.value, "the program asks for a login")
        kept_at = shell.log_in(1)
        program.until(lambda r: ticking(r) > 0, "instruments tick")
        record_property("seconds from the first login to ticks", round(time.time() - kept_at, 2))
        record = program.until(lambda r: states(r).get("Z1") == AccountState.LIVE.value, "the account is live")
        assert states(record)["Z2"] == AccountState.AUTH_EXPIRED.value, "the other account still needs its own"

        broker.control("faults", {"fault": "expire-tokens", "api_key": "simulated1"})
        broker.control("faults", {"fault": "reset", "api_key": "simulated1"})
        program.until(lambda r: states(r).get("Z1") == AccountState.AUTH_EXPIRED.value, "the broker refuses the token")
        kept_at = shell.log_in(1)
        program.until(lambda r: states(r).get("Z1") == AccountState.LIVE.value, "the account is live again")
        record_property("seconds from the next login to the streams", round(time.time() - kept_at, 2))

        shell.token_file(1).chmod(0o644)
        program.until(lambda r: said(r, "can be read by others"), "the open file is said")
        program.stop()
        logins = [r["text"] for r in program.records if said(r, "is logged in as")]
        assert len(logins) == 2, logins
        assert len([r for r in program.records if said(r, "can be read by others")]) == 1


def test_the_banner_and_the_streams_of_the_screen_follow_and_health_names_the_watch(
    environ: dict[str, str], broker: Broker, config: Path, shell: Shell, record_property: RecordProperty
) -> None:
    for account in (1, 2):
        shell.log_in(account)
    with in_terminal(["--config", str(config)], environ, columns=120, lines=40) as terminal:
        terminal.until_painted("subscribed 27")
        terminal.until(lambda: "▶" in terminal.text, "the row at the money")
        broker.control("faults", {"fault": "expire-tokens", "api_key": "simulated1"})
        broker.control("faults", {"fault": "reset", "api_key": "simulated1"})
        terminal.until_painted("retrying will not help")
        terminal.output = ""
        kept_at = shell.log_in(1)
        terminal.until_painted("Z1 is logged in as")
        record_property("seconds from the login to the screen", round(time.time() - kept_at, 2))
        terminal.until_painted("is back")
        terminal.type_until_painted("4", "token files")
        assert "retrying will not help" not in terminal.text, "Health is painted whole, and asks for nothing any more"
        terminal.type_until_painted("q", "instruments stream")
        terminal.type("\r")
        assert terminal.wait() == 0
