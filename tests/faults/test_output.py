"""Standard output that nobody reads, is full, closed or slow: one sentence or silence, the right code, no traceback.

Every command of the parser is tried as a process with real pipes and devices.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.terminals import in_terminal
from tickertui.cli import build_parser, parsers
from tickertui.process.output import LineWriter

SECONDS = 60.0

CONFIG = '[[accounts]]\nid = "Z1"\napi_key = "k"\n'
RULES = "kind,name\nrule,NIFTY\nrule,BANKNIFTY\nrule,SENSEX\n"

HEADLESS = ["headless", "--demo", "--status-seconds", "0.05"]
ARGUMENTS: dict[tuple[str, ...], list[str]] = {
    ("config", "init"): ["--stdout"],
    ("config", "check"): [],
    ("config", "path"): [],
    ("login",): ["Z1"],
    ("simulate",): ["--port", "0", "--stream-port", "0"],
    ("headless",): HEADLESS[1:],
    ("subs", "list"): [],
    ("subs", "add"): ["NIFTY"],
    ("subs", "remove"): ["1"],
    ("subs", "plan"): [],
    ("subs", "import"): ["rules.csv"],
    ("subs", "export"): ["-"],
    ("store", "backup"): [],
    ("store", "recover"): [],
}
LINES = [
    ["--help"],
    ["--version"],
    ["subs", "--help"],
    ["config", "init", "--config", "new.toml"],
    ["subs", "export", "mine.toml"],
    *([*words, *needed] for words, needed in ARGUMENTS.items()),
]
"""Command lines that all say something."""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    home = tmp_path / "tickertui"
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text(CONFIG)
    (tmp_path / "rules.csv").write_text(RULES)
    return {**kept, "HOME": str(tmp_path), "TICKERTUI_HOME": str(home), "TICKERTUI_Z1_API_SECRET": "s"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tickertui", *arguments]


def run(environ: dict[str, str], *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(command(*arguments), env=environ, cwd=environ["HOME"], timeout=SECONDS, **options)


def prepare(environ: dict[str, str], arguments: list[str]) -> None:
    """Have something to remove, and something to recover."""
    if arguments[:2] in (["subs", "remove"], ["store", "recover"]):
        assert run(environ, "subs", "add", "SENSEX").returncode == 0
    if arguments[:2] == ["store", "recover"]:
        assert run(environ, "store", "backup").returncode == 0
        (Path(environ["TICKERTUI_HOME"]) / "data" / "tickertui.db").write_bytes(b"no database" * 1000)


def with_a_reader_that_has_gone(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return run(environ, *arguments, stdout=writer)
    finally:
        os.close(writer)


def on_a_full_device(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    with open("/dev/full", "wb") as full:
        return run(environ, *arguments, stdout=full)


def closed(environ: dict[str, str], *arguments: str, how: str = ">&-") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {how}', "sh", *command(*arguments)],
        env=environ, cwd=environ["HOME"], timeout=SECONDS, capture_output=True,
    )  # fmt: skip


SITUATIONS: dict[str, tuple[Callable[..., subprocess.CompletedProcess[bytes]], int, bytes]] = {
    "gone": (with_a_reader_that_has_gone, 128 + signal.SIGPIPE, b""),
    "full": (on_a_full_device, 1, b"tickertui: standard output cannot be written: No space left on device\n"),
    "closed": (
        closed, 1, b"tickertui: standard output is closed; redirect it to /dev/null if nobody is to read it\n"
    ),
}  # fmt: skip


def test_every_command_is_tried() -> None:
    assert {words for words, parser in parsers(build_parser()) if words and not parser.commands} == set(ARGUMENTS)


@pytest.mark.parametrize("situation", [name for name in SITUATIONS if name != "full" or os.path.exists("/dev/full")])
@pytest.mark.parametrize("arguments", LINES, ids=" ".join)
def test_output_that_cannot_be_written(environ: dict[str, str], arguments: list[str], situation: str) -> None:
    prepare(environ, arguments)
    attempt, code, complaint = SITUATIONS[situation]
    done = attempt(environ, *arguments)
    assert (done.returncode, done.stderr) == (code, complaint)


@pytest.mark.parametrize("situation", [name for name in SITUATIONS if name != "full" or os.path.exists("/dev/full")])
def test_what_a_command_does_is_done_though_nobody_can_read_it(environ: dict[str, str], situation: str) -> None:
    # Each line is written when it is said: the first would fail before the second rule is taken.
    environ["PYTHONUNBUFFERED"] = "1"
    SITUATIONS[situation][0](environ, "subs", "import", "rules.csv")
    assert run(environ, "subs", "list").stdout.count(b"rule ") == 3
    SITUATIONS[situation][0](environ, "subs", "remove", "1", "2")
    assert run(environ, "subs", "list").stdout.count(b"rule ") == 1


def test_nothing_is_written_where_a_standard_stream_was(environ: dict[str, str]) -> None:
    assert closed(environ, "subs", "add", "NIFTY", how="<&- >&- 2>&-").returncode == 1
    assert b"NIFTY" in run(environ, "subs", "list").stdout, "the database was opened as descriptor 1 or 2"
    done = closed(environ, "frobnicate", how="2>&-")
    assert (done.returncode, done.stdout) == (2, b""), "a complaint is no output"
    with open("/dev/full", "wb") as full:
        assert run(environ, "frobnicate", stderr=full).returncode == 2


def test_the_end_of_standard_input_is_one_sentence(environ: dict[str, str]) -> None:
    for arguments in (["login", "Z1"], ["subs", "import", "-"]):
        done = closed(environ, *arguments, how="<&-")
        assert done.returncode == 2
        assert done.stderr.startswith(b"standard input is closed: ")
        assert done.stderr.count(b"\n") == 1
    with in_terminal(["login", "Z1"], environ) as terminal:
        terminal.until_painted("(it is not shown)")
        terminal.until_painted("   > ")
        terminal.type("\x04")
        assert terminal.wait() == 4
        assert "Z1: nothing was pasted" in terminal.text
        assert "Traceback" not in terminal.text


def test_export_and_import_go_through_pipes(environ: dict[str, str]) -> None:
    assert run(environ, "subs", "import", "rules.csv").returncode == 0
    toml = run(environ, "subs", "export", "-").stdout
    assert toml.count(b"underlying = ") == 3
    table = run(environ, "subs", "export", "-", "--format", "csv").stdout
    assert table.startswith(b"kind,name,")
    assert run(environ, "subs", "remove", "1", "2").returncode == 0
    added = run(environ, "subs", "import", "-", input=toml).stdout
    assert added.count(b"added: ") == 2
    assert run(environ, "subs", "import", "-", "--format", "csv", input=table).stdout.count(b"there already: ") == 3
    wrong = run(environ, "subs", "import", "-", input=b"no")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith(b"standard input: is not valid TOML")


def test_a_terminal_without_the_letters_gets_escapes(environ: dict[str, str]) -> None:
    done = run({**environ, "PYTHONIOENCODING": "ascii"}, "subs", "add", "NIFTY")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"added: NIFTY next 1 ATM\\xb140 full\n"


def test_a_configuration_that_does_not_fit_on_the_disk_leaves_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = run(environ, "config", "init", "--config", "new.toml", preexec_fn=small)
    assert done.returncode == 2
    assert done.stderr == b"new.toml: cannot be written: File too large\n"
    assert not (tmp_path / "new.toml").exists()


def interrupted(process: subprocess.Popen[bytes]) -> bytes:
    """Press Ctrl+C until the program has ended; return what it says.

    A signal between Python's look for one and the system call that it is about to block in is not heard: on a busy
    machine that has been seen, and one presses again.
    """
    for _ in range(int(SECONDS)):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=1)[1]
    process.kill()
    raise AssertionError("Ctrl+C does not end it")


def test_ctrl_c_is_no_traceback(environ: dict[str, str], tmp_path: Path) -> None:
    fifo = tmp_path / "rules.toml"
    os.mkfifo(fifo)
    with subprocess.Popen(command("subs", "import", str(fifo)), env=environ, stderr=subprocess.PIPE) as process:
        writers: list[int] = []

        def has_opened_it() -> bool:
            with suppress(OSError):
                writers.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
            return bool(writers)

        until(has_opened_it, "the command reads its file")
        complaint = interrupted(process)
    os.close(writers[0])
    assert (process.returncode, complaint) == (128 + signal.SIGINT, b"")
    assert not (Path(environ["TICKERTUI_HOME"]) / "data").exists()


# ---------------------------------------------------------------------- programs that run for long


@pytest.mark.parametrize("how", [["--demo", "headless"], ["headless", "--demo"]])
def test_the_demo_without_a_screen_is_the_demo_wherever_the_word_stands(
    environ: dict[str, str], how: list[str]
) -> None:
    with subprocess.Popen(command(*how, "--status-seconds", "0.05"), env=environ, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            record = next(each for each in map(json.loads, process.stdout) if each["type"] == "status")
        finally:
            process.terminate()
            process.communicate(timeout=SECONDS)
    assert record["is_mock"] is True
    assert record["accounts"] == []
    assert [path.name for path in Path(environ["TICKERTUI_HOME"]).iterdir()] == ["config"], "the demo writes nothing"


def small_pipe() -> tuple[int, int]:
    """Reader and writer of a pipe that takes little, where the system lets one choose."""
    reader, writer = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    return reader, writer


def fill(writer: int) -> None:
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(1024))
    os.set_blocking(writer, True)


class Stopped:
    """A program whose standard output is a small pipe that nobody reads, until someone does."""

    def __init__(self, environ: dict[str, str], *arguments: str, filled: bool = False) -> None:
        self.reader, self.writer = small_pipe()
        if filled:
            fill(self.writer)
        self.process = subprocess.Popen(command(*arguments), env=environ, stdout=self.writer, stderr=subprocess.PIPE)

    def is_full(self) -> bool:
        poll = select.poll()
        poll.register(self.writer, select.POLLOUT)
        assert self.process.poll() is None, "it ended by itself"
        return not poll.poll(0)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        _, complaint = self.process.communicate(timeout=SECONDS)
        assert complaint == b""
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def stopped(environ: dict[str, str]) -> Iterator[Callable[..., Stopped]]:
    made: list[Stopped] = []

    def make(*arguments: str, filled: bool = False) -> Stopped:
        made.append(Stopped(environ, *arguments, filled=filled))
        return made[-1]

    yield make
    for each in made:
        each.close()


def until(predicate: Callable[[], object], description: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not predicate():
        assert time.monotonic() < deadline, f"waited {SECONDS} s in vain for: {description}"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_headless_ends_when_told_to_while_its_reader_stands_still(
    stopped: Callable[..., Stopped], number: signal.Signals
) -> None:
    program = stopped("headless", "--demo", "--status-seconds", "0.002")
    until(program.is_full, "a full pipe")
    assert program.end(number) == 128 + number


def test_what_a_slow_reader_misses_is_counted_and_lines_stay_whole(stopped: Callable[..., Stopped]) -> None:
    program = stopped("headless", "--demo", "--status-seconds", "0.001")
    data = b""
    deadline = time.monotonic() + SECONDS
    while b'"dropped"' not in data.rpartition(b"\n")[0]:
        assert time.monotonic() < deadline, "nothing was dropped"
        # A reader of some 10 kB a second; the program writes ten times as much.
        until(program.is_full, "a full pipe")
        data += os.read(program.reader, 1024)
        time.sleep(0.1)
    records = [json.loads(line) for line in data.rpartition(b"\n")[0].splitlines()]
    dropped = next(record for record in records if record["type"] == "dropped")
    assert dropped["lines"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*\+05:30", dropped["at"])
    assert program.end(signal.SIGTERM) == 143


def test_a_terminal_that_is_stopped_stops_neither_feed_nor_signal(environ: dict[str, str]) -> None:
    with in_terminal(["headless", "--demo", "--status-seconds", "0.002"], environ) as terminal:
        terminal.until_painted('"status"')
        terminal.type("\x13")
        terminal.until(lambda: not select.select([terminal.master], [], [], 0.5)[0], "output that has stopped")
        terminal.signal(signal.SIGTERM)
        assert terminal.wait(SECONDS) == 143


def test_the_reader_of_a_service_that_says_nothing_leaves(environ: dict[str, str]) -> None:
    with subprocess.Popen(
        command("headless", "--demo", "--status-seconds", "0"),
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["type"] == "event"
        process.stdout.close()
        assert process.wait(SECONDS) == 128 + signal.SIGPIPE
        assert process.stderr.read() == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_simulator_serves_and_ends_while_nobody_reads_its_greeting(
    stopped: Callable[..., Stopped], number: signal.Signals
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        port = chosen.getsockname()[1]
    program = stopped("simulate", "--port", str(port), "--stream-port", "0", filled=True)

    def serves() -> bool:
        assert program.process.poll() is None, "it ended by itself"
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    until(serves, "the simulator")
    assert program.end(number) == 128 + number


# ---------------------------------------------------------------------- the writer


def test_the_newest_lines_wait_and_the_gap_stands_where_it_is() -> None:
    reader, writer = small_pipe()
    with open(writer, "w") as out:
        lines = LineWriter(out, limit=10)
        lines.start("missing {}".format)
        lines.put("x" * 100_000)
        # The thread has it when the pipe is full of it.
        until(lambda: not select.select([], [writer], [], 0)[1], "a full pipe")
        for number in range(25):
            lines.put(str(number))
        with open(reader) as source:
            assert source.readline() == "x" * 100_000 + "\n"
            assert source.readline() == "missing 15\n"
            assert [source.readline() for _ in range(10)] == [f"{number}\n" for number in range(15, 25)]
            lines.put("and on")
            assert source.readline() == "and on\n"
        lines.close(SECONDS)


def test_a_pipe_that_another_program_made_non_blocking_loses_nothing() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with open(writer, "w") as out, open(reader) as source:
        lines = LineWriter(out)
        lines.start("missing {}".format)
        lines.put("x" * 300_000)
        assert source.readline() == "x" * 300_000 + "\n"
        lines.close(SECONDS)
        assert lines.error is None
