"""Runs `tests.support.official_client` and reads what it says; every wait has a deadline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.support.paths import REPOSITORY

SECONDS = 60.0
_LONGEST_LINE = 8 << 20

Event = dict[str, Any]


class OfficialClient:
    """A running official client.

    Attributes:
        events: Everything it has said, oldest first.
    """

    def __init__(self, process: Process) -> None:
        self.events: list[Event] = []
        assert process.stdout is not None
        self._lines = BufferedByteReceiveStream(process.stdout)

    async def next(self) -> Event:
        """What it says next."""
        with anyio.fail_after(SECONDS):
            line = await self._lines.receive_until(b"\n", _LONGEST_LINE)
        event: Event = json.loads(line)
        self.events.append(event)
        return event

    async def until(self, kind: str) -> Event:
        """The next event of a kind; the others are passed over."""
        while True:
            event = await self.next()
            if event.get("event") == kind:
                return event


@asynccontextmanager
async def _started(kind: str, job: Mapping[str, object]) -> AsyncIterator[OfficialClient]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.official_client", kind]
    environ = {**os.environ, "TZ": "Asia/Kolkata"}  # It makes naive local times of epoch seconds.
    async with await anyio.open_process(command, stderr=subprocess.DEVNULL, cwd=REPOSITORY, env=environ) as process:
        assert process.stdin is not None
        await process.stdin.send(json.dumps(job).encode() + b"\n")
        try:
            yield OfficialClient(process)
        finally:
            await process.stdin.aclose()
            with anyio.move_on_after(5.0, shield=True):
                await process.wait()


@asynccontextmanager
async def official_ticker(
    root: str, api_key: str, access_token: str, modes: Mapping[str, Sequence[int]]
) -> AsyncIterator[OfficialClient]:
    """The official `KiteTicker`, connected, its subscriptions sent."""
    job = {"root": root, "api_key": api_key, "access_token": access_token, "modes": modes}
    async with _started("ticker", job) as client:
        yield client


async def official_calls(
    root: str, api_key: str, access_token: str, *calls: tuple[str, Sequence[object], Mapping[str, object]]
) -> list[Event]:
    """The answers that the official `KiteConnect` understood, one for each call, in order."""
    job = {"root": root, "api_key": api_key, "access_token": access_token, "calls": calls}
    async with _started("rest", job) as client:
        return [await client.next() for _ in calls]
