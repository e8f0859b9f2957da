"""The whole program in a real terminal and as a process: starts, paints, answers, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.terminals import in_terminal


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    return {**kept, "HOME": str(tmp_path), "TICKERTUI_HOME": str(tmp_path / "tickertui"), "PYTHONUTF8": "1"}


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40), (200, 50)])
def test_the_demo_shows_a_marked_mock_chain_and_quits(environ: dict[str, str], columns: int, lines: int) -> None:
    with in_terminal(["--demo"], environ, columns=columns, lines=lines) as terminal:
        terminal.until_painted("MOCK DATA")
        terminal.until_painted("NIFTY")
        terminal.until(lambda: "~CALL" in terminal.text, "the price column with its mark")
        terminal.type("?")
        terminal.until_painted("Go to the strike at the money.")
        terminal.type("\x1b")
        terminal.until_painted("STRIKE")
        terminal.type("q")
        assert terminal.wait() == 0
    assert not (Path(environ["TICKERTUI_HOME"])).exists(), "the demo writes nothing"


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40), (200, 50)])
def test_the_first_thing_painted_is_the_whole_chain_at_the_money(
    environ: dict[str, str], columns: int, lines: int
) -> None:
    with in_terminal(["--demo"], environ, columns=columns, lines=lines) as terminal:
        terminal.until_painted("▶")
        first = terminal.text.partition("▶")[0]
        assert first.count("STRIKE") == 1, "painted once, not first without prices or away from the money"
        assert "MOCK DATA" in first
        assert "[WAITING]" not in first
        assert "~24," in first


@pytest.mark.parametrize(
    ("key", "answer"), [("p", "PAUSED"), ("2", "tickertui config init"), ("?", "Go to the strike at the money.")]
)
def test_a_key_that_is_typed_while_the_program_starts_is_answered(
    environ: dict[str, str], key: str, answer: str
) -> None:
    with in_terminal(["--demo"], environ, columns=80, lines=24) as terminal:
        terminal.type(key)
        terminal.until_painted(answer)


def test_without_configuration_the_mock_comes_by_itself_and_says_how_to_add_an_account(environ: dict[str, str]) -> None:
    with in_terminal([], environ) as terminal:
        terminal.until_painted("MOCK DATA")
        terminal.until(lambda: "~CALL" in terminal.text, "the price column with its mark")
        terminal.type("2")
        terminal.until_painted("tickertui config init")
        terminal.type("q")
        assert terminal.wait() == 0
    database = Path(environ["TICKERTUI_HOME"]) / "data" / "brokers" / "mock" / "tickertui.db"
    assert database.exists()


def test_the_windows_title_says_mock_and_is_given_back(environ: dict[str, str]) -> None:
    title = "\x1b]2;MOCK · tickertui\x07"
    with in_terminal(["--demo"], environ, columns=80, lines=24) as terminal:
        terminal.until(lambda: title in terminal.output, "the title of the window")
        assert terminal.output.index("\x1b[22;2t") < terminal.output.index(title), "the one before is kept first"
        terminal.type("q")
        assert terminal.wait() == 0
        assert terminal.output.rindex("\x1b[23;2t") > terminal.output.rindex("\x1b]2;"), "and taken back at the end"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_restore_the_terminal_and_end_with_their_code(environ: dict[str, str], number: signal.Signals) -> None:
    with in_terminal(["--demo"], environ) as terminal:
        terminal.until_painted("MOCK DATA")
        terminal.signal(number)
        assert terminal.wait() == 128 + number
        assert "\x1b[?1049l" in terminal.output, "the alternate screen was left"


def test_a_terminal_that_goes_away_ends_the_program(environ: dict[str, str]) -> None:
    with in_terminal(["--demo"], environ) as terminal:
        terminal.until_painted("MOCK DATA")
        terminal.hang_up()
        terminal.wait()


def headless(environ: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tickertui", "headless", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ,
    )  # fmt: skip


def test_headless_reports_as_json_lines_and_stops_on_sigterm(environ: dict[str, str]) -> None:
    with headless(environ, "--demo", "--status-seconds", "0.2") as process:
        assert process.stdout is not None
        status: dict[str, object] = {}
        for line in process.stdout:
            record = json.loads(line)
            if record["type"] == "status" and record["instruments"] and record["ticks_per_second"]:
                status = record
                break
        assert status["feed"] == "mock"
        assert status["is_mock"] is True
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=30)
        assert process.returncode == 128 + signal.SIGTERM
        assert errors == ""
        assert all(json.loads(line) for line in rest.splitlines())


def run(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tickertui", *arguments], capture_output=True, text=True, env=environ, timeout=60
    )


def test_a_wrong_configuration_is_told_before_the_screen_is_touched(environ: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('[screen]\nthme = "mono"\n[keys]\nwhy = "d"\n')
    done = run(environ, "--config", str(path))
    assert done.returncode == 2
    assert f"{path}:2: screen.thme: is not a setting; did you mean 'theme'?" in done.stderr
    assert done.stdout == ""
    path.write_text('[keys]\nwhy = "d"\n')
    done = run(environ, "--config", str(path))
    assert done.returncode == 2
    assert "keys: 'd' means both 'why' and 'depth'; move one of them" in done.stderr


def test_an_unreadable_database_is_one_sentence(environ: dict[str, str]) -> None:
    database = Path(environ["TICKERTUI_HOME"]) / "data" / "brokers" / "mock" / "tickertui.db"
    database.parent.mkdir(parents=True)
    database.write_bytes(b"this is no database at all" * 100)
    done = run(environ)
    assert done.returncode == 3
    assert str(database) in done.stderr
    assert done.stderr.count("\n") == 1
    assert database.read_bytes().startswith(b"this is no database"), "nothing is lost"
