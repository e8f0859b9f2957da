"""The command line without a screen: versions, help, configuration files, wrong words, and what is not imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tickertui import __version__
from tickertui.cli import run
from tickertui.process.exit_codes import ExitCode


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("TICKERTUI_HOME", str(tmp_path))
    return tmp_path


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out == f"tickertui {__version__}\n"


def test_a_wrong_word_is_one_sentence_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["frobnicate"]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "invalid choice: 'frobnicate'" in error


def test_config_init_writes_a_private_file_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "init"]) == ExitCode.OK
    path = home / "config" / "config.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_text()
    capsys.readouterr()
    assert run(["config", "init"]) == ExitCode.USAGE
    assert "exists already" in capsys.readouterr().err
    assert path.read_text() == before
    assert run(["config", "check"]) == ExitCode.OK
    assert "ok (0 accounts, 0 rules)" in capsys.readouterr().out


def test_config_check_reports_every_mistake(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "bad.toml"
    path.write_text('[screen]\nthme = "x"\nunits = "kg"\n')
    assert run(["config", "check", "--config", str(path)]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert f"{path}:2: screen.thme: is not a setting; did you mean 'theme'?" in error
    assert f"{path}:3: screen.units:" in error


def test_config_path_shows_every_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "path"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert str(home / "data" / "brokers" / "mock" / "tickertui.db") in out
    assert not list(home.glob("*")), "asking for paths creates nothing"


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["config", "path"], ["subs", "--help"]])
def test_light_commands_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom tickertui.cli import run\n"
        f"run({arguments!r})\n"
        "heavy = {'textual', 'numpy', 'kiteconnect', 'twisted', 'rich', 'websockets', 'apsw'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
