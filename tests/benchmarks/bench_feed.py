"""A sustained feed of 50,000 ticks a second over three sockets: CPU per million ticks, next to the official client.

Server, our client and the official one are processes of their own; both clients read the same server, one after the
other, and each one's own CPU time is told. Ours ends with the ticks on the board, the official one with its dicts.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.benchmarks.harness import MissingPeer, Result, import_peer

_STEP_S = 0.155
"""9,000 instruments change this often, after the 20 ms that a step takes the server: 50,000 ticks a second."""
_SECONDS = 8.0


@contextmanager
def _process(what: str, job: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.feed_process", what],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.flush()
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def run() -> list[Result]:
    """Measure both clients."""
    figures = {}
    with _process("serve", {"step": _STEP_S}) as server:
        broker = _line(server)
        for number, what in enumerate(("ours", "official")):
            if what == "official" and isinstance(import_peer("kiteconnect"), MissingPeer):
                continue
            job = {"url": broker["url"], "account": broker["accounts"][number], "seconds": _SECONDS}
            with _process(what, job) as client:
                figures[what] = _line(client)
    ours, official = figures["ours"], figures.get("official")
    per_million = ours["cpu"] / ours["ticks"] * 1e6
    theirs = official["cpu"] / official["ticks"] * 1e6 if official else None
    results = [
        Result(
            "CPU per million ticks, socket to board", per_million, "s", "kiteconnect KiteTicker", theirs,
            theirs / per_million if theirs else None,
        ),
        Result("ticks a second taken in", ours["ticks"] / ours["seconds"], "ticks/s", target="50,000"),
        Result("share of one core at that rate", 100 * ours["cpu"] / ours["seconds"], "%"),
    ]  # fmt: skip
    if official:
        rate = official["ticks"] / official["seconds"]
        results.append(Result("ticks a second the official client took in", rate, "ticks/s"))
    return results
