"""Another process on the same store: ``python -m tests.support.store_process LOCATION COMMAND [ARGUMENT]``.

It prints a line for each thing it did, and works until it is killed or its input ends.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
from anyio import to_thread

from tests.support.paths import REPOSITORY
from tickertui.clock import SystemClock
from tickertui.store.open import open_store
from tickertui.store.protocol import Owner, Store


@contextmanager
def store_process(location: str, command: str, argument: str = "") -> Iterator[subprocess.Popen[str]]:
    """Run such a process; it is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.store_process", location, command, argument],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


def next_line(process: subprocess.Popen[str]) -> str:
    """Return the next line of a process; empty when it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def remaining_lines(process: subprocess.Popen[str]) -> list[str]:
    """Return the whole lines that a process wrote and nobody has read; one that was cut short is left out.

    Not `communicate`: it passes over what the text layer has already taken from the pipe.
    """
    assert process.stdout is not None
    return [line.strip() for line in process.stdout if line.endswith("\n")]


async def _write(store: Store) -> None:
    token = 0
    while True:
        token += 1
        await store.upsert(token=token, tradingsymbol=f"S{token}", segment="NFO-OPT", expiry=None)
        print(token, flush=True)


async def _claim(store: Store, account: str) -> None:
    claim = await store.claim_account(account)
    print("refused" if isinstance(claim, Owner) else "held", flush=True)
    await to_thread.run_sync(sys.stdin.read)


async def _upsert(store: Store, token: int) -> None:
    await store.upsert(token=token, tradingsymbol="OTHER", segment="NFO-OPT", expiry=None)
    print("done", flush=True)


async def _main(location: str, command: str, argument: str) -> None:
    store = await open_store(location, SystemClock())
    try:
        if command == "write":
            await _write(store)
        elif command == "claim":
            await _claim(store, argument)
        elif command == "upsert":
            await _upsert(store, int(argument))
        elif command == "count":
            print(len(await store.list_all()), flush=True)
    finally:
        await store.close()


if __name__ == "__main__":
    anyio.run(_main, sys.argv[1], sys.argv[2], sys.argv[3])
