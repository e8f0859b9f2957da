"""``tickertui store recover|backup``: goes back to a backup of a damaged database, or makes one."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import anyio

from tickertui.commands.common import CommandFailed, Located, load_configuration, locate, report
from tickertui.market.clock import Clock
from tickertui.process.exit_codes import ExitCode
from tickertui.process.output import say
from tickertui.store.open import is_server, open_store
from tickertui.store.protocol import StoreError
from tickertui.store.sqlite_files import recover


def run_command(arguments: Namespace) -> int:
    """Do what ``arguments.action`` says and return the exit code."""
    try:
        located = locate(load_configuration(arguments))
        path, clock = _database(located), located.clock
        say(_recover(path, clock) if arguments.action == "recover" else anyio.run(_back_up, path, clock))
    except CommandFailed as error:
        return report(error)
    except StoreError as error:
        return report(CommandFailed(str(error), ExitCode.STORE))
    return ExitCode.OK


def _database(located: Located) -> Path:
    if is_server(located.database):
        raise CommandFailed(
            "store.url names a PostgreSQL server; whoever runs it makes its backups and restores them", ExitCode.USAGE
        )
    return Path(located.database).expanduser()


def _recover(path: Path, clock: Clock) -> str:
    return f"{path}: {recover(path, clock.now()).describe()}"


async def _back_up(path: Path, clock: Clock) -> str:
    store = await open_store(path, clock)
    try:
        return f"{path}: copied to {await store.backup()}"
    finally:
        await store.close()
