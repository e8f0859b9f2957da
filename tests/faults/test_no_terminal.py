"""Without a terminal there is one sentence; with one, it is painted on whatever else is redirected, at its own size."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.support.terminals import ShellTerminal, in_shell

DEMO = [sys.executable, "-m", "tickertui", "--demo"]


@pytest.mark.parametrize(
    ("redirection", "problem"),
    [
        ("</dev/null", "standard input is not a terminal"),
        ("<&-", "standard input is closed"),
        (">out", "standard output is not a terminal"),
        ("| cat >out", "standard output is not a terminal"),
        (">&-", "standard output is closed"),
        (">out 2>&1", "standard output is not a terminal"),
        ("</dev/null >out 2>errors", "standard input is not a terminal"),
    ],
)
@pytest.mark.parametrize("arguments", [["--demo"], []], ids=["demo", "real"])
def test_without_a_terminal_it_says_so_and_what_needs_none(
    environ: dict[str, str], tmp_path: Path, redirection: str, problem: str, arguments: list[str]
) -> None:
    redirected = re.sub(r"\b(out|errors)\b", lambda name: str(tmp_path / name[0]), redirection)
    command = [sys.executable, "-m", "tickertui", *arguments]
    with in_shell(command, environ, tmp_path / "note", redirection=redirected) as terminal:
        assert terminal.code() == 2
        terminal.until_painted("the shell goes on")
        said = terminal.output.replace("\r\n", "\n")
    for name in ("out", "errors"):
        if (tmp_path / name).exists():
            said += (tmp_path / name).read_text()
    sentence = f"tickertui: {problem}, and the screen needs one; `tickertui headless` runs without a terminal\n"
    assert said.replace("the shell goes on\n", "") == sentence


def test_standard_error_in_a_file_takes_nothing_off_the_screen(environ: dict[str, str], tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    with in_shell(DEMO, environ, tmp_path / "note", redirection=f"2>{errors}") as terminal:
        terminal.until_painted("MOCK DATA")
        terminal.type("?")
        terminal.until_painted("Go to the strike at the money.")
        terminal.type("\x1b")
        terminal.until_painted("STRIKE")
        terminal.type("q")
        assert terminal.code() == 0
    assert errors.read_bytes() == b""


def test_standard_error_that_is_closed_takes_nothing_off_the_screen(environ: dict[str, str], tmp_path: Path) -> None:
    with in_shell(DEMO, environ, tmp_path / "note", redirection="2>&-") as terminal:
        terminal.until_painted("MOCK DATA")
        terminal.type("q")
        assert terminal.code() == 0


def test_the_terminals_size_counts_whatever_the_environment_says(environ: dict[str, str], tmp_path: Path) -> None:
    environ |= {"COLUMNS": "60", "LINES": "15"}
    with in_shell(DEMO, environ, tmp_path / "note", columns=120, lines=40) as terminal:
        for columns, lines in ((120, 40), (150, 45), (90, 30)):
            if (columns, lines) != (120, 40):
                terminal.output = ""
                terminal.resize(columns, lines)
            terminal.until(partial(is_painted, terminal, columns, lines), f"a screen of {columns}x{lines}")
        terminal.type("q")
        assert terminal.code() == 0


def is_painted(terminal: ShellTerminal, columns: int, lines: int) -> bool:
    """Whether a whole screen of this size was painted: of its last line what follows cannot be told apart."""
    widths = [len(line) for line in terminal.text.replace("\r", "").split("\n")]
    return widths.count(columns) >= lines - 2


def test_a_drivers_own_screen_needs_no_terminal(environ: dict[str, str]) -> None:
    """What textual-serve does: its driver speaks over pipes, and nothing looks for a terminal meanwhile."""
    environ |= {"TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver"}
    with subprocess.Popen(
        DEMO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ
    ) as program:
        assert program.stdout is not None
        assert program.stdin is not None
        output = b""
        try:
            # The first line, with each price of the index: that is longer than a look at a terminal would take.
            while output.count(b"[MOCK]") < 8:
                data = os.read(program.stdout.fileno(), 1 << 16)
                assert data, "it goes on"
                output += data
            program.send_signal(signal.SIGHUP)
            assert program.communicate(timeout=60)[1] == b""
            assert program.returncode == 128 + signal.SIGHUP
        finally:
            program.kill()
    assert output.startswith(b"__GANGLION__\n")
