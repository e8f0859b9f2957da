"""The whole program against the simulated broker, as a trader runs it: log in, stream, subscribe, stop."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.live_program import Broker, Headless, run_program
from tests.support.terminals import in_terminal


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
def config(broker: Broker, environ: dict[str, str], tmp_path: Path) -> Path:
    """A configuration with one rule, both accounts logged in."""
    path = tmp_path / "simulator.toml"
    rules = '\n[[rules]]\nunderlying = "NIFTY"\nstrikes = 5\naccount = "Z1"\n[history]\nenabled = false\n'
    path.write_text(broker.configuration() + rules)
    for account in (1, 2):
        done = run_program(environ, "login", f"Z{account}", "--config", str(path), typed=broker.request_token(account))
        assert done.returncode == 0, done.stderr
        assert f"Z{account}: logged in as" in done.stdout
    return path


def all_tick(record: dict[str, Any], instruments: int) -> bool:
    if record["type"] != "status" or record["instruments"] != instruments:
        return False
    # Far strikes of a calm market are silent for minutes: half of them is the living part.
    return sum(int(account["ticking"]) for account in record["accounts"]) >= instruments / 2


def test_two_accounts_stream_and_a_rule_from_the_shell_joins_without_a_restart(
    environ: dict[str, str], broker: Broker, config: Path
) -> None:
    with Headless(environ, config) as program:
        # 11 strikes with two legs each, the future and the index; VIX and the two other indices of the first line
        record = program.until(lambda r: all_tick(r, 27), "27 instruments tick")
        assert record["feed"] == "live"
        assert record["is_mock"] is False
        added = run_program(
            environ, "subs", "add", "BANKNIFTY", "--strikes", "5", "--account", "Z2", "--config", str(config)
        )
        assert added.returncode == 0, added.stderr
        record = program.until(lambda r: all_tick(r, 50), "50 instruments tick after the rule was added from the shell")
        by_account = {account["account"]: account["desired"] for account in record["accounts"]}
        assert by_account == {"Z1": 26, "Z2": 24}
        assert program.until_said("26 unchanged")["topic"] == "reload", (
            "said when all have ticked, perhaps after that line"
        )
        broker.control("faults", {"fault": "reset", "api_key": "simulated1"})
        program.until(lambda r: r["type"] == "event" and "is back" in r["text"], "the socket that was reset is back")
        program.until(lambda r: all_tick(r, 50), "all tick again")
        program.stop()


_THREE_MISTAKES = """
[[rules]]
underlying = "BANKNIFTI"

[[rules]]
underlying = "NIFTY"
expiries = ["2026-11-16"]

[[instruments]]
symbol = "NSE:NIFTY 50"
account = "z1"
"""


def test_subs_list_plan_export_and_remove(environ: dict[str, str], config: Path, tmp_path: Path) -> None:
    with Headless(environ, config) as program:
        program.until(lambda r: r["type"] == "status" and r["instruments"] == 27, "the plan is there")
        program.stop()
    arguments = ("--config", str(config))
    listed = run_program(environ, "subs", "list", *arguments)
    assert "NIFTY next 1 ATM±5 full @Z1" in listed.stdout
    number = listed.stdout.split()[1]
    planned = run_program(environ, "subs", "plan", *arguments)
    assert planned.returncode == 0, planned.stderr
    assert "Z1: " in planned.stdout
    path = tmp_path / "mine.toml"
    assert run_program(environ, "subs", "export", str(path), *arguments).returncode == 0
    dry = run_program(environ, "subs", "remove", number, "--dry-run", *arguments)
    assert dry.stdout.startswith("would remove: NIFTY")
    assert "NIFTY" in run_program(environ, "subs", "list", *arguments).stdout
    assert run_program(environ, "subs", "remove", number, *arguments).returncode == 0
    assert "nothing is subscribed" in run_program(environ, "subs", "list", *arguments).stdout
    again = run_program(environ, "subs", "import", str(path), *arguments)
    assert again.stdout == "added: NIFTY next 1 ATM±5 full @Z1\n"
    refused = run_program(
        environ, "subs", "add", "BANKNIFTI", "--expiries", "2026-11-16", "--account", "Z9", *arguments
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "there is no account Z9 in the configuration; there are Z1, Z2\n"
    path.write_text(path.read_text(encoding="utf-8") + _THREE_MISTAKES, encoding="utf-8")
    for more in ((), ("--dry-run",)):
        refused = run_program(environ, "subs", "import", str(path), *arguments, *more)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.splitlines() == [
            "no options on BANKNIFTI among the day's contracts; did you mean BANKNIFTY?",
            "NIFTY: 16 Nov 2026 is over already",
            "NSE:NIFTY 50: there is no account z1 in the configuration; did you mean Z1?",
        ], "all at once, and nothing is taken"
    for symbol in ("BSE:NIFTY 50", "NSE:NIFTY 5O"):
        refused = run_program(environ, "subs", "add", "--symbol", symbol, *arguments)
        assert refused.returncode == 2
        assert refused.stderr.endswith("did you mean NSE:NIFTY 50?\n"), "what is listed, where it is listed"
    wrong = run_program(environ, "subs", "remove", "99", *arguments)
    assert wrong.returncode == 2
    assert wrong.stderr == "99: is neither a rule's number nor a subscribed symbol; see `subs list`\n"


def test_the_screen_shows_the_live_chain_and_asks_before_it_quits(environ: dict[str, str], config: Path) -> None:
    with in_terminal(["--config", str(config)], environ) as terminal:
        terminal.until_painted("LIVE")
        terminal.until_painted("subscribed 27")
        terminal.until(lambda: "▶" in terminal.text, "the row at the money")
        terminal.type("r")
        terminal.until_painted("Reload plan")
        terminal.until_painted("nothing to send")
        terminal.type("\r")
        terminal.type_until_painted("q", "instruments stream")
        terminal.type("\r")
        assert terminal.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("login", "Z9"), 2, "there is no account 'Z9': Z1, Z2"),
        (("login", "Z1"), 4, "is neither"),
    ],
)
def test_a_login_that_cannot_be_is_one_sentence(
    environ: dict[str, str], config: Path, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = run_program(environ, *arguments, "--config", str(config), typed="https://example.com/?status=failed\n")
    assert done.returncode == code
    assert done.stderr.count("\n") == 1
    if code == 2:
        assert sentence in done.stderr


def test_a_broker_that_is_not_there_is_code_5(environ: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "gone.toml"
    path.write_text(
        '[broker]\napi_url = "http://127.0.0.1:9"\nclock_url = "http://127.0.0.1:9/simulator/state"\n'
        '[[accounts]]\nid = "Z1"\napi_key = "k"\n'
    )
    done = run_program(environ, "headless", "--config", str(path))
    assert done.returncode == 5
    assert "broker.clock_url: http://127.0.0.1:9/simulator/state does not answer" in done.stderr
