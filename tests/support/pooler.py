"""A real pgbouncer in front of the tests' PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import unprivileged
from tests.support.waiting import wait_until

_SETTINGS = """
[databases]
* = host={host} port={port} user={user}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
server_round_robin = {round_robin}
"""


@asynccontextmanager
async def pgbouncer(location: str, mode: str, *, round_robin: bool = False) -> AsyncIterator[str]:
    """Yield the address of the same database behind a pooler; the test is skipped where there is none.

    Args:
        location: Address of the database.
        mode: ``session``, ``transaction`` or ``statement``.
        round_robin: Whether the server process that has waited longest is lent, instead of the one used last.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("no pgbouncer is installed")
    parts = psycopg.conninfo.conninfo_to_dict(location)
    user = unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="tickertui-pgbouncer-"))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        _SETTINGS.format(
            host=parts["host"], port=parts["port"], user=parts["user"], own_port=port, mode=mode,
            round_robin=int(round_robin),
        ),
        encoding="utf-8",
    )  # fmt: skip
    if user is not None:
        for path in (folder, settings):
            os.chown(path, user.pw_uid, user.pw_gid)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - it starts in the background, and this waits for nothing
            [program, str(settings)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
            user=None if user is None else user.pw_uid,
            group=None if user is None else user.pw_gid,
            extra_groups=None if user is None else [],
        )  # fmt: skip
    address = f"postgresql://{parts['user']}@127.0.0.1:{port}/{parts['dbname']}"
    try:
        await wait_until(lambda: _answers(address), "the pooler answers")
        yield address
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(address: str) -> bool:
    try:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True
