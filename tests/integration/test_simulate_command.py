"""``tickertui simulate`` as a user runs it: a process, its words, its ports, its end."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.support.http_client import connect
from tests.support.paths import REPOSITORY
from tests.support.plain_market import plain_instruments
from tests.support.raw_socket import raw_socket
from tickertui.cli import run
from tickertui.kite.instruments_csv import format_instruments
from tickertui.market.instruments import InstrumentTable
from tickertui.process.exit_codes import ExitCode
from tickertui.settings.load import load_settings
from tickertui.simulator.accounts import simulated_accounts

SECONDS = 60.0
LAST_LINE = "Ctrl-C stops."


class Running:
    """A running simulator process.

    Attributes:
        greeting: What it printed.
        configuration: The part of it that goes into a file.
    """

    def __init__(self, process: anyio.abc.Process, greeting: str) -> None:
        self.process = process
        self.greeting = greeting
        lines = greeting.splitlines()
        first = next(number for number, line in enumerate(lines) if line.strip() == "[broker]")
        last = next(number for number, line in enumerate(lines) if line.startswith("Log in"))
        self.configuration = "\n".join(line.strip() for line in lines[first:last]) + "\n"


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "tickertui", "simulate", *options]


@asynccontextmanager
async def simulate(*options: str) -> AsyncIterator[Running]:
    arguments = command("--port", "0", "--stream-port", "0", *options)
    async with await anyio.open_process(arguments, cwd=REPOSITORY, stderr=None) as process:
        try:
            assert process.stdout is not None
            reader = BufferedByteReceiveStream(process.stdout)
            with anyio.fail_after(SECONDS):
                greeting = (await reader.receive_until(LAST_LINE.encode(), 1 << 16)).decode()
            yield Running(process, greeting)
            if process.returncode is None:
                process.terminate()
            with anyio.fail_after(SECONDS):
                await process.wait()
        finally:
            # Leaving waits for its end: a failed test must not wait for ever.
            if process.returncode is None:
                process.kill()


def failed(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    """Exit code and complaint of a simulator that does not start."""
    code = run(["simulate", *options])
    printed = capsys.readouterr()
    assert printed.out == ""
    return code, printed.err


async def test_what_it_prints_is_a_configuration_and_a_way_to_log_in(tmp_path: Path) -> None:
    async with simulate("--accounts", "2", "--at", "2026-11-25 11:00") as running:
        path = tmp_path / "simulator.toml"
        path.write_text(running.configuration)
        settings = load_settings(path, {})
        assert [account.id for account in settings.accounts] == ["Z1", "Z2"]
        assert "market time Wed 25 Nov 2026 11:00:00, speed 1" in running.greeting
        assert "the market is shut" not in running.greeting
        account = simulated_accounts(1)[0]
        connection = await connect(settings.broker.api_url)
        async with connection.stream:
            token = await connection.call("GET", f"/simulator/request_token?api_key={account.api_key}")
        assert urlsplit(settings.broker.login_url).port == urlsplit(settings.broker.api_url).port
        login = await anyio.run_process(
            [sys.executable, "-m", "tickertui", "login", "Z1", "--config", str(path)],
            input=token.body,
            env={**os.environ, "TICKERTUI_Z1_API_SECRET": account.api_secret, "TICKERTUI_HOME": str(tmp_path)},
            cwd=REPOSITORY,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert login.returncode == ExitCode.OK, login.stdout.decode()
        assert "logged in as SIM001" in login.stdout.decode()


async def test_it_streams_the_contracts_of_a_file(tmp_path: Path) -> None:
    instruments = plain_instruments()
    path = tmp_path / "instruments.csv"
    path.write_bytes(format_instruments(InstrumentTable.from_instruments(instruments)))
    async with simulate("--instruments", str(path), "--at", "2026-11-25 11:00", "--speed", "30") as running:
        file = tmp_path / "simulator.toml"
        file.write_text(running.configuration)
        broker = load_settings(file, {}).broker
        account = simulated_accounts(1)[0]
        token = await _log_in(broker.api_url, account.api_key, account.api_secret)
        async with raw_socket(broker.stream_url, account, token) as socket:
            wanted = [row.token for row in instruments if row.kind.is_option]
            await socket.subscribe(wanted, "full")
            seen: set[int] = set()
            times: set[int] = set()
            while len(seen) < len(wanted) or len(times) < 3:
                batch = await socket.batch()
                seen |= set(batch.instrument_token.tolist())
                times |= set(batch.exchange_timestamp.tolist())
            assert seen == set(wanted)


async def _log_in(url: str, api_key: str, api_secret: str) -> str:
    connection = await connect(url)
    async with connection.stream:
        request_token = (await connection.call("GET", f"/simulator/request_token?api_key={api_key}")).text.strip()
        checksum = hashlib.sha256(f"{api_key}{request_token}{api_secret}".encode()).hexdigest()
        form = {"api_key": api_key, "request_token": request_token, "checksum": checksum}
        token: str = (await connection.call("POST", "/session/token", form=form)).data["access_token"]
    return token


async def test_a_shut_market_is_announced_with_the_way_out() -> None:
    async with simulate("--at", "2026-11-28 12:00") as running:
        assert "the market is shut at this time and opens Mon 30 Nov 09:15" in running.greeting
        assert '--at "2026-11-30 11:00"' in running.greeting


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    async with simulate() as running:
        running.process.send_signal(number)
        with anyio.fail_after(SECONDS):
            assert await running.process.wait() == 128 + number


def test_a_signal_ends_it_when_nobody_reads_its_words_any_more(tmp_path: Path) -> None:
    complaints = tmp_path / "stderr"
    with complaints.open("wb") as file:
        arguments = command("--port", "0", "--stream-port", "0")
        with subprocess.Popen(arguments, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=file) as process:
            assert process.stdout is not None
            while LAST_LINE.encode() not in process.stdout.readline():
                assert process.poll() is None, "it ended by itself"
            process.stdout.close()
            process.terminate()
            assert process.wait(SECONDS) == 128 + signal.SIGTERM
    assert complaints.read_text() == ""


@pytest.mark.parametrize("option, other", [("--port", "--stream-port"), ("--stream-port", "--port")])
def test_a_port_in_use_is_one_sentence(capsys: pytest.CaptureFixture[str], option: str, other: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, words = failed(capsys, option, port, other, "0")
    assert code == ExitCode.UNAVAILABLE
    assert words == f"tickertui simulate: port {port} of 127.0.0.1 is in use; choose another with {option}\n"


@pytest.mark.parametrize(
    "options, code, words",
    [
        (("--at", "yesterday"), ExitCode.USAGE, "--at: 'yesterday' is not a market time like \"2026-11-25 11:00\""),
        (("--speed", "-1"), ExitCode.USAGE, "--speed: the speed of the market clock is a number from 0 to 86400"),
        (("--accounts", "0"), ExitCode.USAGE, "--accounts is a number from 1 to 50, not 0"),
        (("--regime", "wild"), ExitCode.USAGE, "--regime is one of calm, trending"),
        (("--instruments", "nowhere.csv"), ExitCode.USAGE, "nowhere.csv: cannot be read: No such file or directory"),
        (("--port", "99999"), ExitCode.UNAVAILABLE, "check --host and --port"),
    ],
)
def test_wrong_options_are_one_sentence(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], code: ExitCode, words: str
) -> None:
    returned, complaint = failed(capsys, *options)
    assert returned == code
    assert complaint.startswith("tickertui simulate: ")
    assert words in complaint
    assert complaint.count("\n") == 1


def test_a_dump_whose_options_have_all_expired(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes(format_instruments(InstrumentTable.from_instruments(plain_instruments())))
    code, complaint = failed(capsys, "--instruments", str(path), "--at", "2027-02-01 11:00")
    assert code == ExitCode.USAGE
    assert "every option in it expired before 01 Feb 2027; set the clock back with --at" in complaint
