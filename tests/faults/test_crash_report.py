"""After a defect: the whole error in the log and in a file that the last line on the terminal names, and no secret."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.terminals import ShellTerminal, in_shell

SECRET = "q7Zk2mVx9Lr4Tn8Bw1Yd6Hs3Pf5Gc0Ja"

START = "\nfrom tickertui.__main__ import main\nraise SystemExit(main())\n"
IN_THE_SCREEN = f"""
from tickertui.tui.app import TickerApp

def broken(self):
    held = "{SECRET}"
    try:
        int("a cause")
    except ValueError as error:
        raise ZeroDivisionError(f"a defect, access_token={{held}}&more") from error

# The third within ten seconds means that the screen cannot go on.
TickerApp.on_ready = lambda self: self.set_interval(0.3, lambda: broken(self))
"""
IN_A_WORKER = """
from tickertui.tui.app import TickerApp

async def broken():
    raise ZeroDivisionError("a defect of a worker")

TickerApp.on_ready = lambda self: self.run_worker(broken())
"""
IN_THE_TASK_GROUP = f"""
import anyio
from tickertui.engine import Engine

async def first():
    held = "{SECRET}"
    await anyio.sleep(0.5)
    raise ZeroDivisionError(f"the first defect of {{held}}")

async def second():
    try:
        await anyio.sleep_forever()
    finally:
        raise LookupError("the second defect")

started = Engine._start

def start(self, services, tasks):
    started(self, services, tasks)
    tasks.start_soon(first)
    tasks.start_soon(second)

Engine._start = start
"""
IN_THE_KEYBOARDS_THREAD = """
from tickertui.tui.terminal.driver import TerminalDriver

def broken(self):
    raise ZeroDivisionError("a defect of the keyboard")

TerminalDriver.run_input_thread = broken
"""
IN_A_THREAD = f"""
import threading
from tickertui.tui.app import TickerApp

def broken():
    held = "{SECRET}"
    raise ZeroDivisionError("a defect of a thread")

TickerApp.on_ready = lambda self: threading.Thread(target=broken, name="the unlucky").start()
"""
IN_A_SERVICE = """
from tickertui.services.supervision.store_maintenance import StoreMaintenance

async def broken(self):
    raise ExceptionGroup("many", [ZeroDivisionError(f"defect {number}") for number in range(20)])

StoreMaintenance.run = broken
"""
IN_A_COMMAND = """
from tickertui.commands import config

def broken(arguments):
    raise ZeroDivisionError("x")

config.run_command = broken
"""


def program(defect: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", defect + START, *arguments]


def folder(environ: dict[str, str]) -> Path:
    return Path(environ["XDG_STATE_HOME"]) / "tickertui"


def last_line(terminal: ShellTerminal) -> str:
    """The last line before the shell goes on."""
    terminal.until_painted("the shell goes on")
    return terminal.text.replace("\r", "").partition("\nthe shell goes on")[0].rpartition("\n")[2]


@pytest.mark.parametrize(
    ("defect", "expected"),
    [
        (IN_THE_SCREEN, ["ZeroDivisionError: a defect", "ValueError: invalid literal", "in broken", "direct cause"]),
        (IN_THE_TASK_GROUP, ["the first defect", "LookupError: the second defect", "in first", "in second"]),
        (IN_THE_KEYBOARDS_THREAD, ["ZeroDivisionError: a defect of the keyboard", "in broken"]),
    ],
    ids=["screen", "task group", "keyboard"],
)
def test_an_error_that_ends_the_program_is_whole_in_log_and_crash_file(
    environ: dict[str, str], tmp_path: Path, defect: str, expected: list[str]
) -> None:
    with in_shell(program(defect), environ, tmp_path / "note") as terminal:
        assert terminal.code() == 1
        last = last_line(terminal)
        shown = terminal.output
    assert "\x1b[?1049l" in shown, "the terminal was given back first"
    assert "ended by an error of its own" in shown.rpartition("\x1b[?1049l")[2]
    named = re.search(r"/\S+/crash-\S+\.txt", last)
    assert named is not None, last
    (file,) = folder(environ).glob("crash-*.txt")
    assert named[0] == str(file)
    assert file.stat().st_mode & 0o777 == 0o600
    log = folder(environ) / "tickertui.log"
    for text in (file.read_text(), log.read_text()):
        assert all(part in text for part in expected), text
        assert SECRET not in text
    assert SECRET not in shown
    with in_shell([sys.executable, "-m", "tickertui"], environ, tmp_path / "again") as terminal:
        terminal.until_painted("MOCK DATA")
        terminal.type("q")
        assert terminal.code() == 0


def test_an_error_of_a_worker_is_whole_in_the_log_and_the_screen_goes_on(
    environ: dict[str, str], tmp_path: Path
) -> None:
    with in_shell(program(IN_A_WORKER), environ, tmp_path / "note") as terminal:
        terminal.until_painted("MOCK DATA")
        log = folder(environ) / "tickertui.log"
        terminal.until(lambda: log.exists() and "ZeroDivisionError: a defect of a worker" in log.read_text(), "the log")
        assert "in broken" in log.read_text()
        terminal.type_until_painted("6", "a defect of a worker")
        terminal.type("q")
        assert terminal.code() == 0
    assert not [*folder(environ).glob("crash-*.txt")]


def test_the_demo_writes_nothing_and_says_it_on_the_terminal(environ: dict[str, str], tmp_path: Path) -> None:
    with in_shell(program(IN_THE_SCREEN, "--demo"), environ, tmp_path / "note") as terminal:
        assert terminal.code() == 1
        assert last_line(terminal).endswith("the lines above; nothing was written to disk")
        told = terminal.output.rpartition("\x1b[?1049l")[2]
    assert "Traceback" in told
    assert "in broken" in told
    assert "ZeroDivisionError: a defect" in told
    assert SECRET not in told
    assert not folder(environ).exists()


def test_an_error_of_a_thread_is_noted_and_the_screen_goes_on(environ: dict[str, str], tmp_path: Path) -> None:
    with in_shell(program(IN_A_THREAD), environ, tmp_path / "note") as terminal:
        terminal.until_painted("MOCK DATA")
        terminal.until(lambda: [*folder(environ).glob("crash-*.txt")], "the crash file")
        terminal.type_until_painted("?", "Go to the strike at the money.")
        terminal.type("\x1b")
        terminal.until_painted("STRIKE")
        assert "Traceback" not in terminal.text
        terminal.type("q")
        assert terminal.code() == 0
        (file,) = folder(environ).glob("crash-*.txt")
        assert last_line(terminal).endswith(str(file))
    for text in (file.read_text(), (folder(environ) / "tickertui.log").read_text()):
        assert "'the unlucky'" in text
        assert "ZeroDivisionError: a defect of a thread" in text
        assert "in broken" in text
        assert SECRET not in text


def test_an_error_of_a_service_is_whole_in_the_log(environ: dict[str, str], tmp_path: Path) -> None:
    with in_shell(program(IN_A_SERVICE), environ, tmp_path / "note") as terminal:
        terminal.until_painted("MOCK DATA")
        log = folder(environ) / "tickertui.log"
        terminal.until(lambda: log.exists() and "defect 19" in log.read_text(), "the last member of the group")
        assert all(f"ZeroDivisionError: defect {number}\n" in log.read_text() for number in range(20))
        # The event of the restart says when, and why.
        restarts = (
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} IST WARNING events.task: "
            r"store maintenance restarts in \d+\.\d s after"
        )
        assert re.search(restarts, log.read_text())
        terminal.type("q")
        assert terminal.code() == 0


def test_without_a_screen_it_is_the_same(environ: dict[str, str]) -> None:
    done = subprocess.run(
        program(IN_THE_TASK_GROUP, "headless"), env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    (file,) = folder(environ).glob("crash-*.txt")
    assert done.stderr.rstrip().endswith(str(file))
    assert "Traceback" not in done.stderr
    assert "the second defect" in file.read_text()
    assert SECRET not in done.stderr + file.read_text()


def test_any_command_ends_with_a_report(environ: dict[str, str]) -> None:
    done = subprocess.run(
        program(IN_A_COMMAND, "config", "path"), env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    (file,) = folder(environ).glob("crash-*.txt")
    assert done.stderr.splitlines()[0] == "tickertui: ended by an error of its own: ZeroDivisionError: x"
    assert done.stderr.rstrip().endswith(str(file))


def test_a_folder_that_cannot_be_written_is_no_loss(environ: dict[str, str], tmp_path: Path) -> None:
    environ |= {"TMPDIR": str(tmp_path)}
    folder(environ).parent.write_text("a file where the folder would be")
    done = subprocess.run(
        program(IN_A_COMMAND, "config", "path"), env=environ, capture_output=True, text=True, timeout=60
    )
    (file,) = tmp_path.glob("tickertui-crash-*.txt")
    assert done.stderr.rstrip().endswith(str(file))
    assert "ZeroDivisionError" in file.read_text()


def test_old_crash_files_are_forgotten(environ: dict[str, str]) -> None:
    folder(environ).mkdir(parents=True)
    for number in range(30):
        (folder(environ) / f"crash-20200101-0000{number:02d}-1.txt").write_text("old")
    subprocess.run(program(IN_A_COMMAND, "config", "path"), env=environ, capture_output=True, timeout=60)
    kept = sorted(folder(environ).glob("crash-*.txt"))
    assert len(kept) == 20
    assert "ZeroDivisionError" in kept[-1].read_text()
