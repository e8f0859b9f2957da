"""The command line: thin, and lazy, so that ``--version`` and ``--help`` load neither textual nor numpy."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

from tickertui import __version__
from tickertui.exit_codes import ExitCode

_DESCRIPTION = "A live monitor of option chains for the terminal. It never places an order."
_EPILOG = "With nothing configured it shows a moving synthetic chain, marked MOCK. `?` lists the keys."


class _Parser(argparse.ArgumentParser):
    """argparse with this program's exit code and one sentence instead of a usage block."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}; `{self.prog} --help` lists what there is", file=sys.stderr)
        raise SystemExit(ExitCode.USAGE)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = _Parser(prog="tickertui", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"tickertui {__version__}")
    _add_config(parser)
    parser.add_argument(
        "--demo", action="store_true", help="show the demo chain: no account, no network, nothing written to disk"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_config_command(commands)
    _add_login_command(commands)
    _add_simulate_command(commands)
    _add_headless_command(commands)
    _add_subs_command(commands)
    _add_store_command(commands)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: see `tickertui config path`)")


def _add_config_command(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser("config", help="write, check or find the configuration")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    init = actions.add_parser("init", help="write a documented configuration file")
    _add_config(init)
    init.add_argument("--stdout", action="store_true", help="print it instead")
    check = actions.add_parser("check", help="report every mistake with file and line")
    _add_config(check)
    path = actions.add_parser("path", help="show where the files are")
    _add_config(path)


def _add_login_command(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser("login", help="fetch the day's access token of an account")
    parser.add_argument("account", metavar="ACCOUNT", help='account id of the configuration, for instance "Z1"')
    _add_config(parser)


def _add_simulate_command(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser("simulate", help="serve a Kite-compatible broker on this machine, to practise")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="REST port (default: %(default)s)")
    parser.add_argument("--stream-port", type=int, default=8766, help="WebSocket port (default: %(default)s)")
    parser.add_argument(
        "--accounts", type=int, default=2, metavar="N", help="simulated accounts (default: %(default)s)"
    )
    parser.add_argument("--instruments", metavar="FILE", help="the broker's instruments CSV, plain or .gz")
    parser.add_argument("--at", metavar="TIME", help='market time to start at, "2026-11-25 11:00" (default: now)')
    parser.add_argument("--speed", type=float, default=1.0, help="seconds of market time per second (default: 1)")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same market (default: %(default)s)")
    parser.add_argument("--regime", default="calm", help="how the market behaves (default: %(default)s)")


def _add_headless_command(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser("headless", help="run without a screen; events as JSON lines on standard output")
    _add_config(parser)
    parser.add_argument("--demo", action="store_true", help="the mock market, nothing written to disk")
    parser.add_argument(
        "--status-seconds", type=float, default=10.0, metavar="S", help="a status line each S seconds, 0 for none"
    )


def _add_subs_command(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser("subs", help="list and change what is subscribed")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list rules and single instruments")
    add = actions.add_parser("add", help="add a chain rule or, with --symbol, single instruments")
    add.add_argument("underlying", nargs="?", metavar="UNDERLYING", help="for instance NIFTY")
    add.add_argument("--expiries", default="1", help="how many of the nearest, or dates 2026-12-01,2026-12-08")
    add.add_argument("--strikes", default="40", help='strikes each side of the money, or "all"')
    add.add_argument("--mode", choices=("ltp", "quote", "full"), default="full")
    add.add_argument("--account", default="", help="account that must carry it")
    add.add_argument("--symbol", action="append", default=[], metavar="EXCHANGE:SYMBOL", help="single instrument")
    add.add_argument("--no-future", action="store_true", help="do not add the nearest future")
    remove = actions.add_parser("remove", help="remove a rule by number, or single instruments by symbol")
    remove.add_argument("what", nargs="+", metavar="RULE|EXCHANGE:SYMBOL")
    plan = actions.add_parser("plan", help="show what the next reload would do")
    importing = actions.add_parser("import", help="read rules and instruments from a CSV or TOML file")
    importing.add_argument("file", metavar="FILE")
    exporting = actions.add_parser("export", help="write rules and instruments to a CSV or TOML file")
    exporting.add_argument("file", metavar="FILE")
    for action in (add, remove, importing):
        action.add_argument("--dry-run", action="store_true", help="say what would change and change nothing")
    for action in (listing, add, remove, plan, importing, exporting):
        _add_config(action)


def _add_store_command(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser("store", help="back the database up, or go back to a backup of a damaged one")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    backup = actions.add_parser("backup", help="copy the database, also while it is in use")
    _add_config(backup)
    recover = actions.add_parser("recover", help="put a damaged database aside and the latest whole backup in place")
    _add_config(recover)


_COMMANDS = {
    None: ("tickertui.commands.run", "run_command"),
    "config": ("tickertui.commands.config", "run_command"),
    "login": ("tickertui.commands.login", "run_command"),
    "simulate": ("tickertui.simulator.command", "run_simulate"),
    "headless": ("tickertui.commands.headless", "run_command"),
    "subs": ("tickertui.commands.subs", "run_command"),
    "store": ("tickertui.commands.store", "run_command"),
}


def run(arguments: Sequence[str], loaded: Callable[[], None] = lambda: None) -> int:
    """Parse the arguments, run one command and return its exit code.

    Args:
        arguments: Without the program's name.
        loaded: Called when the command's modules are loaded, before it runs.
    """
    try:
        parsed = build_parser().parse_args(arguments)
    except SystemExit as exit_:
        return int(exit_.code or 0)
    module, function = _COMMANDS[parsed.command]
    command: Callable[[argparse.Namespace], int] = getattr(import_module(module), function)
    loaded()
    return command(parsed)
