"""A PostgreSQL server for the tests: one that is given, or one that is started for them and thrown away."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

GIVEN = "TICKERTUI_TEST_POSTGRES"
"""Environment variable with the address of a server on which the tests may make and drop databases."""

_numbers = count()


def find_binaries() -> Path | None:
    """Return the folder of initdb, pg_ctl and postgres, None where no server is installed."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("pg_ctl")
    if found:
        candidates.append(Path(found).parent)
    return next((path for path in candidates if (path / "initdb").exists() and (path / "pg_ctl").exists()), None)


class PostgresCluster:
    """A server that is running.

    Args:
        admin_url: Address of a database from which others can be made.
        control: How to call pg_ctl for it, None for a server that is not ours to restart.
    """

    def __init__(self, admin_url: str, control: PgControl | None) -> None:
        self.admin_url = admin_url
        self.control = control

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, yield its address, and drop it."""
        name = f"tickertui_test_{os.getpid()}_{next(_numbers)}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        try:
            yield psycopg.conninfo.make_conninfo(self.admin_url, dbname=name)
        finally:
            self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(statement.encode())


class PgControl:
    """A server of our own in a temporary folder; PostgreSQL refuses to run as root, so another user does it then."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._user = unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="tickertui-postgres-"))
        self._data = self.folder / "data"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]

    @property
    def url(self) -> str:
        return f"postgresql://tickertui@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        """Make the cluster and start it."""
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-D", self._data, "-U", "tickertui", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.start()

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} "
            "-c fsync=off -c shared_buffers=16MB -c max_connections=40"
        )
        self._run("pg_ctl", "-D", self._data, "-o", options, "-l", self.folder / "log", "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: "fast" as an administrator does, "immediate" as a crash does."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    @contextmanager
    def crashed(self) -> Iterator[None]:
        """The server is down within, and up again behind."""
        self.stop("immediate")
        try:
            yield
        finally:
            self.start()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [str(self._binaries / program), *map(str, arguments)]
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
        # The output goes to a file: the server inherits it and would hold a pipe open for ever.
        with (self.folder / "commands.log").open("ab") as log:
            process = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=self.folder,
                user=None if self._user is None else self._user.pw_uid,
                group=None if self._user is None else self._user.pw_gid,
                extra_groups=None if self._user is None else [],
                check=False,
            )  # fmt: skip
        if process.returncode:
            raise RuntimeError(f"{program} failed: {(self.folder / 'commands.log').read_text(errors='replace')[-800:]}")


def unprivileged() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster]:
    """A running server; the test is skipped where there is none."""
    given = os.environ.get(GIVEN)
    if given:
        yield PostgresCluster(given, None)
        return
    binaries = find_binaries()
    if binaries is None:
        pytest.skip(f"no PostgreSQL server is installed, and {GIVEN} names none")
    control = PgControl(binaries)
    try:
        control.create()
        try:
            yield PostgresCluster(control.url, control)
        finally:
            control.stop("immediate")
    finally:
        control.remove()


@pytest.fixture
def postgres_location(postgres_cluster: PostgresCluster) -> Iterator[str]:
    """The address of an empty database, as a configuration names it."""
    with postgres_cluster.database() as conninfo:
        parts = psycopg.conninfo.conninfo_to_dict(conninfo)
        password = f":{parts['password']}" if parts.get("password") else ""
        yield f"postgresql://{parts['user']}{password}@{parts['host']}:{parts['port']}/{parts['dbname']}"


def cut_all_connections(location: str) -> None:
    """End every session of a database on the server's side, as a lost network does in the end."""
    with psycopg.connect(location, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def lock_holders(location: str) -> frozenset[int]:
    """Server processes of the sessions that hold an advisory lock of a database: an account each."""
    with psycopg.connect(location, autocommit=True) as admin:
        rows = admin.execute(
            "SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database "
            "WHERE locktype = 'advisory' AND granted AND datname = current_database()"
        ).fetchall()
    return frozenset(pid for (pid,) in rows)
