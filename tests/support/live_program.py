"""The program as processes: the simulated broker, the program without a screen, and one command at a time."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self


class Broker:
    """``tickertui simulate`` in a process of its own.

    Args:
        environ: Environment of the process.
        at: Market time of its start.
        speed: Seconds of market time per second.
        instruments: The day's list of contracts, None for the program's own.
    """

    def __init__(
        self,
        environ: dict[str, str],
        at: str = "2026-11-25 11:00",
        speed: float = 1.0,
        instruments: Path | None = None,
    ) -> None:
        options = ["--port", "0", "--stream-port", "0", "--at", at, "--speed", str(speed)]
        if instruments is not None:
            options += ["--instruments", str(instruments)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tickertui", "simulate", *options],
            stdout=subprocess.PIPE, text=True, env=environ,
        )  # fmt: skip
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if "Ctrl-C stops" in line:
                break
        self.text = "".join(lines)
        found = re.search(r"REST (http://\S+)", self.text)
        assert found is not None, self.text
        self.url = found[1]

    def configuration(self) -> str:
        """The configuration that it prints."""
        start, end = self.text.index("  [broker]"), self.text.index("Log in, here")
        return "\n".join(line.removeprefix("  ") for line in self.text[start:end].splitlines())

    def request_token(self, account: int) -> str:
        with urllib.request.urlopen(f"{self.url}/simulator/request_token?api_key=simulated{account}") as answer:
            token: str = answer.read().decode()
            return token

    def access_token(self, account: int) -> str:
        """Log in, and return the day's token."""
        key, request_token = f"simulated{account}", self.request_token(account).strip()
        checksum = hashlib.sha256(f"{key}{request_token}secret{account}".encode()).hexdigest()
        fields = {"api_key": key, "request_token": request_token, "checksum": checksum}
        with urllib.request.urlopen(f"{self.url}/session/token", urllib.parse.urlencode(fields).encode()) as answer:
            token: str = json.loads(answer.read())["data"]["access_token"]
            return token

    def state(self) -> dict[str, Any]:
        """How the simulator is: clock, sockets, faults."""
        with urllib.request.urlopen(f"{self.url}/simulator/state") as answer:
            document: dict[str, Any] = json.loads(answer.read())
            return document

    def control(self, path: str, document: dict[str, object]) -> None:
        request = urllib.request.Request(
            f"{self.url}/simulator/{path}", json.dumps(document).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request).close()

    def stop(self) -> None:
        """End it, and let go of its output."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


class Headless:
    """``tickertui headless``, its records kept as they come."""

    def __init__(self, environ: dict[str, str], config: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tickertui", "headless", "--config", str(config), "--status-seconds", "0.2"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ,
        )  # fmt: skip
        self.records: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing running when a test failed before its `stop`."""
        if self.process.returncode is None:
            self.process.kill()
            self.process.communicate(timeout=30)

    def until(
        self, predicate: Callable[[dict[str, Any]], bool], description: str, timeout: float = 40.0
    ) -> dict[str, Any]:
        """Read until a record is what is waited for."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + timeout
        for line in self.process.stdout:
            record: dict[str, Any] = json.loads(line)
            self.records.append(record)
            if predicate(record):
                return record
            if time.monotonic() > deadline:
                break
        raise AssertionError(f"waited in vain for: {description}\n{self.records[-5:]}")

    def until_said(self, words: str, timeout: float = 40.0) -> dict[str, Any]:
        """Read until an event with these words is there, perhaps among what was read already."""
        for record in self.records:
            if _says(record, words):
                return record
        return self.until(lambda record: _says(record, words), f"an event that says {words!r}", timeout)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=30)
        assert self.process.returncode == 128 + signal.SIGTERM, errors
        assert errors == ""


def _says(record: dict[str, Any], words: str) -> bool:
    return record["type"] == "event" and words in record["text"]


def run_program(environ: dict[str, str], *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tickertui", *arguments],
        input=typed, capture_output=True, text=True, env=environ, timeout=60,
    )  # fmt: skip
