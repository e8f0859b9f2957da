"""What is pasted or piped at a login is looked through whole, and secrets are asked for only then: real processes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.live_program import Broker, Headless, run_program
from tests.support.terminals import Terminal, in_terminal

PLACES = (
    "http://127.0.0.1:8080/done?status=success&request_token={first}{rest}&action=login",
    "http://127.0.0.1:8080/done?status=success&request_token={first}\n{rest}&action=login",
    "http://127.0.0.1:8080/done?status=success\n&action=login\n&request_token={first}{rest}",
    "http://127.0.0.1:8080/done?stat\nus=success&request_to\n  ken={first}\n{rest}\n&action=login",
    "you are sent to\nhttp://127.0.0.1:8080/done?request_token={first}{rest}&status=success\nthank you",
)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    secret = {"TICKERTUI_Z1_API_SECRET": "secret1"}
    return {**kept, **secret, "HOME": str(tmp_path), "TICKERTUI_HOME": str(tmp_path / "home"), "PYTHONUTF8": "1"}


@pytest.fixture
def broker(environ: dict[str, str]) -> Iterator[Broker]:
    running = Broker(environ)
    yield running
    running.stop()


@pytest.fixture
def config(broker: Broker, tmp_path: Path) -> Path:
    path = tmp_path / "simulator.toml"
    path.write_text(broker.configuration())
    return path


def pasted(broker: Broker, form: str) -> str:
    token = broker.request_token(1).strip()
    return form.format(first=token[:9], rest=token[9:])


def tokens(environ: dict[str, str]) -> list[Path]:
    return list(Path(environ["TICKERTUI_HOME"]).rglob("session-Z1.json"))


def asked(broker: Broker) -> int:
    """How many requests the broker has answered."""
    return sum(broker.state()["answers"].values())


@pytest.mark.parametrize("form", PLACES)
def test_a_pipe_is_looked_through(environ: dict[str, str], broker: Broker, config: Path, form: str) -> None:
    done = run_program(environ, "login", "Z1", "--config", str(config), typed=pasted(broker, form))
    assert done.returncode == 0, done.stderr
    assert "Z1: logged in as SIM001" in done.stdout


def test_a_pipe_that_stays_open_is_not_waited_for(environ: dict[str, str], broker: Broker, config: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tickertui", "login", "Z1", "--config", str(config)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(pasted(broker, PLACES[0]) + "\n")
        process.stdin.flush()
        assert process.wait(60) == 0


@pytest.mark.parametrize("form", ["{first}", "http://127.0.0.1:8080/done?status=success&request_token={first}"])
def test_a_token_that_may_be_cut_is_not_sent(environ: dict[str, str], broker: Broker, config: Path, form: str) -> None:
    text, before = pasted(broker, form), asked(broker)
    done = run_program(environ, "login", "Z1", "--config", str(config), typed=text)
    assert done.returncode == 4
    assert "may be cut: it has 9 characters" in done.stderr
    assert asked(broker) == before
    assert tokens(environ) == []


def at_terminal(environ: dict[str, str], config: Path, text: str) -> Terminal:
    with in_terminal(["login", "Z1", "--config", str(config)], environ) as terminal:
        terminal.until_painted("   > ")
        terminal.type(text)
        terminal.wait()
        return terminal


@pytest.mark.parametrize("form", PLACES)
@pytest.mark.parametrize("enter", ["\n", "\r"])
def test_a_paste_at_a_terminal_is_looked_through_and_not_shown(
    environ: dict[str, str], broker: Broker, config: Path, form: str, enter: str
) -> None:
    text = pasted(broker, form)
    terminal = at_terminal(environ, config, text.replace("\n", enter) + enter)
    assert terminal.process.returncode == 0, terminal.text
    assert "logged in as SIM001" in terminal.text
    assert "status" not in terminal.text, "nothing is echoed"


def test_marks_of_a_paste_a_long_line_and_a_correction_do_no_harm(
    environ: dict[str, str], broker: Broker, config: Path
) -> None:
    text = pasted(broker, PLACES[1]) + "&state=" + "x" * 5_000
    terminal = at_terminal(environ, config, f"wrong\x15\x1b[200~{text}y\x1b[201~\x7f\r")
    assert terminal.process.returncode == 0, terminal.text


def test_half_an_address_at_a_terminal_is_not_sent(environ: dict[str, str], broker: Broker, config: Path) -> None:
    text, before = pasted(broker, "http://127.0.0.1:8080/done?status=success&request_token={first}"), asked(broker)
    terminal = at_terminal(environ, config, text + "\r")
    assert terminal.process.returncode == 4
    assert "may be cut" in terminal.text
    assert asked(broker) == before


@pytest.mark.parametrize("keys", ["\x04", "\r"])
def test_a_login_is_left_without_a_trace(environ: dict[str, str], broker: Broker, config: Path, keys: str) -> None:
    terminal = at_terminal(environ, config, keys)
    assert terminal.process.returncode == 4, terminal.text
    assert tokens(environ) == []


@pytest.mark.parametrize("form", PLACES)
@pytest.mark.parametrize("marked", [True, False], ids=["marked paste", "keys"])
def test_the_login_panel_takes_every_line(
    environ: dict[str, str], broker: Broker, config: Path, form: str, marked: bool
) -> None:
    config.write_text(config.read_text().partition('[[accounts]]\nid = "Z2"')[0])
    with in_terminal(["--config", str(config)], environ) as terminal:
        terminal.until_painted("login")
        terminal.type_until_painted("L", "Log in Z1")
        text = pasted(broker, form).replace("\n", "\r")
        terminal.type(f"\x1b[200~{text}\x1b[201~\r" if marked else f"{text}\r")
        terminal.until(lambda: tokens(environ), "the token is kept")
        terminal.until(lambda: "simulated1" in broker.state()["logged_in"], "the broker knows the session")


# ---------------------------------------------------------------------- the API secret


def slow_command(tmp_path: Path, seconds: float) -> str:
    """A command that notes that it runs, takes its time and prints the secret."""
    note = shlex.quote(str(tmp_path / "asked"))
    return f'sh -c "echo x >> {note}; echo $$ > {note}.pid; sleep {seconds}; echo secret1"'


def living(group: int) -> list[str]:
    """Processes of a group that have not ended (whether anybody has asked for their end or not)."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            name, _, rest = status.read_text().rpartition(")")
            state, _, its_group, *_ = rest.split()
            if int(its_group) == group and state != "Z":
                found.append(name)
    return found


def test_a_start_does_not_ask_for_the_secret_and_a_login_does(
    environ: dict[str, str], broker: Broker, config: Path, tmp_path: Path
) -> None:
    del environ["TICKERTUI_Z1_API_SECRET"]
    text = config.read_text().replace(
        'api_key = "simulated1"', f'api_key = "simulated1"\nsecret_command = {slow_command(tmp_path, 0.2)!r}'
    )
    config.write_text(text + '\n[[rules]]\nunderlying = "NIFTY"\nstrikes = 1\n[history]\nenabled = false\n')
    done = run_program(environ, "login", "Z1", "--config", str(config), typed=broker.request_token(1))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "asked").read_text() == "x\n"

    config.write_text(config.read_text().replace("sleep 0.2", "sleep 600"))
    with Headless(environ, config) as program:
        program.until(lambda record: any(int(row["ticking"]) for row in record.get("accounts", ())), "instruments tick")
        program.stop()
    for command in (["subs", "list"], ["subs", "plan"]):
        assert run_program(environ, *command, "--config", str(config)).returncode == 0
    assert (tmp_path / "asked").read_text() == "x\n", "nobody asked for the secret again"


def test_a_login_on_the_screen_asks_for_the_secret_and_can_be_left_while_it_does(
    environ: dict[str, str], broker: Broker, config: Path, tmp_path: Path
) -> None:
    del environ["TICKERTUI_Z1_API_SECRET"]
    text = config.read_text().partition('[[accounts]]\nid = "Z2"')[0]
    config.write_text(text + f"\nsecret_command = {slow_command(tmp_path, 600)!r}\n")
    with in_terminal(["--config", str(config)], environ) as terminal:
        terminal.until_painted("login")
        terminal.type_until_painted("L", "Log in Z1")
        assert not (tmp_path / "asked").exists()
        terminal.type(broker.request_token(1).strip() + "\r")
        terminal.until((tmp_path / "asked").exists, "the command runs")
        began = time.monotonic()
        terminal.type("\x1b")
        terminal.until(lambda: terminal.output, "the panel closes")
        terminal.type("q\r")
        assert terminal.wait() == 0
        assert time.monotonic() - began < 30, "the end does not wait for the command"
    group = int((tmp_path / "asked.pid").read_text())
    assert not living(group), "nor does anything go on that the command has started"
