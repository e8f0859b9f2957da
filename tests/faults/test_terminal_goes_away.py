"""The terminal goes away, the process is stopped and continued, the end hangs: it ends, with its code, and frees all.

A shell stands between terminal and program, as it does for a trader: `tests.support.terminals.in_shell`.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.live_program import Broker, run_program
from tests.support.paths import REPOSITORY
from tests.support.terminals import ShellTerminal, in_shell

DEMO = [sys.executable, "-m", "tickertui", "--demo"]
HUNG_UP = 128 + signal.SIGHUP
TERMINATED = 128 + signal.SIGTERM
CONTINUED = 5

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "note"


def threads_of(pid: int) -> int:
    """How many threads a process has."""
    found = re.search(r"Threads:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def state_of(pid: int) -> str:
    """The kernel's letter for what a process does: T for stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def kill(*numbers: signal.Signals) -> Callable[[ShellTerminal], None]:
    def send(terminal: ShellTerminal) -> None:
        for number in numbers:
            os.kill(terminal.pid, number)

    return send


def close(terminal: ShellTerminal) -> None:
    terminal.hang_up()


def kill_the_shell(terminal: ShellTerminal) -> None:
    os.kill(terminal.process.pid, signal.SIGKILL)


def close_while_stopped(terminal: ShellTerminal) -> None:
    os.kill(terminal.pid, signal.SIGTSTP)
    terminal.until(lambda: state_of(terminal.pid) == "T", "the program is suspended")
    terminal.hang_up()


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (close, {HUNG_UP}),
        (close_while_stopped, {HUNG_UP}),
        (kill_the_shell, {HUNG_UP}),
        (kill(signal.SIGHUP, signal.SIGCONT), {HUNG_UP}),
        (kill(signal.SIGCONT, signal.SIGHUP), {HUNG_UP}),
        (kill(signal.SIGTERM), {TERMINATED}),
        (kill(signal.SIGTERM, signal.SIGTERM), {TERMINATED}),
        # Which of several pending signals comes first is the kernel's affair.
        (kill(signal.SIGHUP, signal.SIGHUP, signal.SIGTERM, signal.SIGCONT), {HUNG_UP, TERMINATED}),
    ],
    ids=["close", "close-stopped", "kill-shell", "hup-cont", "cont-hup", "term", "term-term", "hup-hup-term-cont"],
)
def test_it_ends_with_the_signals_code(
    environ: dict[str, str], note: Path, what: Callable[[ShellTerminal], None], code: set[int]
) -> None:
    with in_shell(DEMO, environ, note) as terminal:
        terminal.until_painted("MOCK DATA")
        what(terminal)
        assert terminal.code() in code


def test_a_living_terminal_is_given_back_after_a_signal(environ: dict[str, str], note: Path) -> None:
    with in_shell(DEMO, environ, note) as terminal:
        terminal.until_painted("MOCK DATA")
        os.kill(terminal.pid, signal.SIGHUP)
        terminal.until_painted("the shell goes on")
        assert "\x1b[?1049l" in terminal.output
        assert terminal.code() == HUNG_UP


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_it_ends_with_the_tmux_server(environ: dict[str, str], note: Path, tmp_path: Path) -> None:
    tmux = ["tmux", "-S", str(tmp_path / "socket"), "-f", "/dev/null"]
    witness = [sys.executable, "-m", "tests.support.witness", str(note), *DEMO]
    # A command line of tmux is run by a shell; with something after it the shell stays.
    line = f"{shlex.join(witness)}; echo done"
    subprocess.run([*tmux, "new-session", "-d", "-x", "120", "-y", "40", line], env=environ, cwd=REPOSITORY, check=True)
    try:
        until(lambda: "MOCK DATA" in captured(tmux), "the chain in tmux")
    finally:
        subprocess.run([*tmux, "kill-server"], check=True)
    until(lambda: len(note.read_text().split()) == 2, "the program's end")
    assert note.read_text().split()[1] == str(HUNG_UP)


def captured(tmux: Sequence[str]) -> str:
    return subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True).stdout


def until(predicate: Callable[[], object], description: str, timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while not predicate():
        assert time.monotonic() < deadline, f"waited {timeout} s in vain for: {description}"
        time.sleep(0.05)


def test_the_accounts_of_a_closed_terminal_are_free_at_once(
    environ: dict[str, str], note: Path, tmp_path: Path
) -> None:
    broker = Broker(environ)
    try:
        config = tmp_path / "simulator.toml"
        rules = '\n[[rules]]\nunderlying = "NIFTY"\nstrikes = 3\n[history]\nenabled = false\n'
        config.write_text(broker.configuration() + rules)
        environ.update({"TICKERTUI_Z1_API_SECRET": "secret1", "TICKERTUI_Z2_API_SECRET": "secret2"})
        for account in (1, 2):
            typed = broker.request_token(account)
            assert run_program(environ, "login", f"Z{account}", "--config", str(config), typed=typed).returncode == 0
        command = [sys.executable, "-m", "tickertui", "--config", str(config)]
        for start in ("first", "second"):
            with in_shell(command, environ, tmp_path / start) as terminal:
                terminal.until_painted("LIVE")
                terminal.until(lambda: "▶" in terminal.text, "the row at the money")
                assert "ELSEWHERE" not in terminal.text
                assert "read-only" not in terminal.text
                terminal.hang_up()
                assert terminal.code() == HUNG_UP
    finally:
        broker.stop()


def test_a_continue_that_follows_no_suspension_starts_no_thread(environ: dict[str, str], note: Path) -> None:
    with in_shell(DEMO, environ, note) as terminal:
        terminal.until_painted("MOCK DATA")
        terminal.until(lambda: "▶" in terminal.text, "the row at the money")
        before = threads_of(terminal.pid)
        for _ in range(CONTINUED):
            terminal.output = ""
            os.kill(terminal.pid, signal.SIGCONT)
            terminal.until_painted("MOCK DATA")
        # Workers come and go; a reader and a writer for each signal would be twice as many.
        assert threads_of(terminal.pid) < before + CONTINUED
        terminal.type("?")
        terminal.until_painted("Go to the strike at the money.")


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_a_stopped_program_goes_on_where_it_was(environ: dict[str, str], note: Path, number: signal.Signals) -> None:
    with in_shell(DEMO, environ, note) as terminal:
        terminal.until_painted("MOCK DATA")
        os.kill(terminal.pid, number)
        terminal.until(lambda: state_of(terminal.pid) == "T", "the program is stopped")
        if number is signal.SIGTSTP:
            terminal.until(lambda: "\x1b[?1049l" in terminal.output, "the terminal given back")
        # What a shell does to the terminal meanwhile.
        subprocess.run(["stty", "sane"], stdin=terminal.master, check=True)
        terminal.output = ""
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.until_painted("MOCK DATA")
        assert "\x1b[?1049h" in terminal.output
        terminal.type("?")
        terminal.until_painted("Go to the strike at the money.")
        terminal.type("\x1b")
        terminal.until_painted("STRIKE")
        terminal.type("q")
        assert terminal.code() == 0


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
@pytest.mark.skipif(shutil.which("bash") is None, reason="a shell with job control")
def test_stop_bg_and_fg_in_a_shell(environ: dict[str, str], note: Path, number: signal.Signals) -> None:
    shell = ["bash", "--norc", "--noprofile", "-i"]
    with in_shell(shell, environ | {"PS1": "ready> "}, note) as terminal:
        terminal.until_painted("ready>")
        # The shell's own child says who it is, then becomes the program.
        become = shlex.join(["sh", "-c", f"echo $$ >{note}.pid; exec {shlex.join(DEMO)}"])
        terminal.type(f"{become}\n")
        terminal.until(lambda: "▶" in terminal.text, "the row at the money")
        pid = int(Path(f"{note}.pid").read_text())
        os.kill(pid, number)
        terminal.until(lambda: state_of(pid) == "T", "the program is stopped")
        terminal.until_painted("Stopped")
        terminal.type("bg\n")
        terminal.until(lambda: terminal.text.count("ready>") > 0, "the shell goes on")
        terminal.type("echo $((40+2)) is here\n")
        terminal.until_painted("42 is here")
        terminal.until(lambda: state_of(pid) == "T", "it does not paint over the shell")
        terminal.type("fg\n")
        terminal.until_painted("MOCK DATA")
        terminal.type_until_painted("?", "Go to the strike at the money.")
        terminal.type("\x1b")
        terminal.until_painted("STRIKE")
        terminal.type("q")
        terminal.until_painted("ready>")
        terminal.type("echo code=$?\n")
        terminal.until_painted("code=0")


def test_a_stopped_program_ends_when_it_is_continued(environ: dict[str, str], note: Path) -> None:
    with in_shell(DEMO, environ, note) as terminal:
        terminal.until_painted("MOCK DATA")
        os.kill(terminal.pid, signal.SIGTSTP)
        terminal.until(lambda: state_of(terminal.pid) == "T", "the program is stopped")
        os.kill(terminal.pid, signal.SIGHUP)
        os.kill(terminal.pid, signal.SIGCONT)
        assert terminal.code() == HUNG_UP


HANGING = """
import threading
from tickertui.tui.app import TickerApp
HANGS
from tickertui.__main__ import main
raise SystemExit(main())
"""
LOOP = """
TickerApp.on_ready = lambda self: self.set_timer(0.5, threading.Event().wait)
"""
SERVICE = """
import anyio
from tickertui.services.accounts.session_orchestrator import SessionOrchestrator
async def never(self):
    with anyio.CancelScope(shield=True):
        await anyio.sleep_forever()
SessionOrchestrator.aclose = never
"""
THREAD = """
import threading
threading.Thread(target=threading.Event().wait).start()
"""


@pytest.mark.parametrize("hangs", [LOOP, SERVICE, THREAD], ids=["loop", "service", "thread"])
def test_the_end_comes_whatever_hangs(environ: dict[str, str], note: Path, tmp_path: Path, hangs: str) -> None:
    program = [sys.executable, "-c", HANGING.replace("HANGS", hangs)]
    with in_shell(program, environ, note) as terminal:
        terminal.until_painted("MOCK DATA")
        if hangs is LOOP:
            until_quiet(terminal)
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.code() == TERMINATED
        terminal.until_painted("the shell goes on")
        assert "\x1b[?1049l" in terminal.output, "the terminal was given back"
    if hangs is not THREAD:
        (report,) = (tmp_path / "state" / "tickertui").glob("crash-*.txt")
        assert "did not end in order" in report.read_text()
        assert "thread 'MainThread'" in report.read_text()


def until_quiet(terminal: ShellTerminal) -> None:
    """Read until nothing has been painted for two seconds: the loop stands still."""
    quiet_since, length = time.monotonic(), len(terminal.output)

    def is_quiet() -> bool:
        nonlocal quiet_since, length
        if len(terminal.output) != length:
            quiet_since, length = time.monotonic(), len(terminal.output)
        return time.monotonic() - quiet_since > 2.0

    terminal.until(is_quiet, "a screen that stands still", timeout=60.0)


@pytest.mark.parametrize("what", ["close", "quit", "term"])
def test_a_terminal_that_takes_nothing_holds_nobody(environ: dict[str, str], note: Path, what: str) -> None:
    with in_shell(DEMO, environ, note) as terminal:
        terminal.until_painted("MOCK DATA")
        terminal.stall()
        if what == "quit":
            os.write(terminal.master, b"q")
            code = 0
        elif what == "term":
            os.kill(terminal.pid, signal.SIGTERM)
            code = TERMINATED
        else:
            terminal.hang_up()
            code = HUNG_UP
        assert terminal.code() == code
