"""The command line: thin, and lazy, so that ``--version`` and ``--help`` load neither textual nor numpy."""

from __future__ import annotations

import argparse
import math
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, Final, NoReturn

from tickertui import __version__
from tickertui.process.crashes import Crashes
from tickertui.process.exit_codes import ExitCode
from tickertui.process.output import OutputFailed, complain, say
from tickertui.settings.paths import user_paths

_DESCRIPTION = "A live monitor of option chains for the terminal. It never places an order."
_EPILOG = "With nothing configured it shows a moving synthetic chain, marked MOCK. `?` lists the keys."


class Parser(argparse.ArgumentParser):
    """argparse with this program's exit code, one sentence instead of a usage block, and output that may fail.

    Attributes:
        commands: Parsers of its commands or actions by name.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.commands: dict[str, Parser] = {}
        self.register("action", None, _StoreOnce)

    def add_command(self, name: str, help: str) -> Parser:
        """Add a command to those that follow this parser's own options."""
        if not self.commands:
            is_program = " " not in self.prog
            self._commands_action = self.add_subparsers(
                dest="command" if is_program else "action",
                metavar="COMMAND" if is_program else "ACTION",
                required=not is_program,
            )
        self.commands[name] = self._commands_action.add_parser(name, help=help)
        return self.commands[name]

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one sentence."""
        complain(f"{self.prog}: {message}; `{self.prog} --help` lists what there is")
        raise SystemExit(ExitCode.USAGE)

    def print_help(self, file: object = None) -> None:
        """Say the help on standard output, which may have been closed."""
        del file
        say(self.format_help(), end="")


class _StoreOnce(argparse.Action):
    """Takes an option's value; a second one that differs is an error, where argparse takes the last in silence.

    The arguments tell in ``given`` which options stood there, also those that say what is the default.
    """

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        given = namespace.__dict__.setdefault("given", {})
        if option is not None and given.setdefault(self.dest, values) != values:
            raise argparse.ArgumentError(self, _given_twice(option, (given[self.dest], values)))
        setattr(namespace, self.dest, values)


class _SayVersion(argparse.Action):
    """Says the version and ends; argparse's own does not notice a standard output that is closed or full."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        say(f"tickertui {__version__}")
        parser.exit()


def _given_twice(option: str, values: Sequence[object]) -> str:
    return f"{option} is given twice, as {' and as '.join(map(str, values))}; leave one out"


# ---------------------------------------------------------------------- options of every command


class _Global:
    """An option that may stand before, between and after the words of every command.

    argparse knows only options of one parser, and what a command's parser says replaces what was said before the
    command. So each parser has the option under a name of its own; `collect` puts them together.
    """

    def __init__(self, flag: str, makes_no_sense: str, default: object, **options: Any) -> None:
        self.flag = flag
        self.makes_no_sense = makes_no_sense
        self._name = flag.removeprefix("--")
        self._default = default
        self._options = options

    def add_to(self, parser: Parser, depth: int, *, hidden: bool) -> None:
        """Give a parser the option.

        Args:
            parser: Of the program, a command or an action.
            depth: 0, 1 or 2.
            hidden: Whether its help says nothing about it.
        """
        options = self._options | ({"help": argparse.SUPPRESS} if hidden else {})
        parser.add_argument(self.flag, dest=f"{self._name}@{depth}", default=argparse.SUPPRESS, **options)

    def collect(self, parser: Parser, arguments: argparse.Namespace, *, takes: bool) -> None:
        """Set the option's own name in the arguments, wherever it stood.

        Args:
            parser: Says what is wrong.
            arguments: As parsed.
            takes: Whether the command has a use for it.
        """
        found = [vars(arguments).pop(f"{self._name}@{depth}", []) for depth in range(_DEPTHS)]
        values = [value for each in found for value in each]
        if values and not takes:
            parser.error(f"{self.flag} makes no sense here: {self.makes_no_sense}")
        if any(value != values[0] for value in values):
            parser.error(_given_twice(self.flag, values))
        setattr(arguments, self._name, values[0] if values else self._default)


_DEPTHS: Final = 3
_CONFIG: Final = _Global(
    "--config",
    "this command reads no configuration",
    None,
    action="append",
    metavar="FILE",
    help="configuration file (default: see `tickertui config path`)",
)
_DEMO: Final = _Global(
    "--demo",
    "only the terminal interface and `headless` have a demo",
    False,
    action="append_const",
    const=True,
    help="the demo: a mock market, no account, no network, nothing written to disk",
)
_GLOBALS: Final = (_CONFIG, _DEMO)


def build_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(prog="tickertui", description=_DESCRIPTION, epilog=_EPILOG)
    _add_config_command(parser)
    _add_login_command(parser)
    _add_simulate_command(parser)
    _add_headless_command(parser)
    _add_subs_command(parser)
    _add_store_command(parser)
    for words, each in parsers(parser):
        each.add_argument("--version", action=_SayVersion, nargs=0, help="show the version and end")
        for option in _GLOBALS:
            hidden = bool(words) and option not in _COMMANDS[words[0]].takes
            option.add_to(each, len(words), hidden=hidden)
    return parser


def parsers(parser: Parser, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Parser]]:
    """Yield the parser itself and those of all commands and actions, each with the words that lead to it."""
    yield words, parser
    for name, command in parser.commands.items():
        yield from parsers(command, (*words, name))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the arguments of a command, those that every command knows included.

    Raises:
        SystemExit: When they are wrong, or help or version were asked for.
        OutputFailed: When help or version could not be written.
    """
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    command = parser.commands.get(parsed.command, parser)
    takes = _COMMANDS[parsed.command].takes
    for option in _GLOBALS:
        option.collect(command.commands.get(getattr(parsed, "action", ""), command), parsed, takes=option in takes)
    return parsed


# ---------------------------------------------------------------------- the commands


def _add_config_command(program: Parser) -> None:
    parser = program.add_command("config", help="write, check or find the configuration")
    init = parser.add_command("init", help="write a documented configuration file")
    init.add_argument("--stdout", action="store_true", help="print it instead")
    parser.add_command("check", help="report every mistake with file and line")
    parser.add_command("path", help="show where the files are")


def _add_login_command(program: Parser) -> None:
    parser = program.add_command("login", help="fetch the day's access token of an account")
    parser.add_argument("account", metavar="ACCOUNT", help='account id of the configuration, for instance "Z1"')


def _add_simulate_command(program: Parser) -> None:
    parser = program.add_command("simulate", help="serve a Kite-compatible broker on this machine, to practise")
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


def _add_headless_command(program: Parser) -> None:
    parser = program.add_command("headless", help="run without a screen; events as JSON lines on standard output")
    parser.add_argument(
        "--status-seconds", type=_seconds, default=10.0, metavar="S", help="a status line each S seconds, 0 for none"
    )


def _add_subs_command(program: Parser) -> None:
    parser = program.add_command("subs", help="list and change what is subscribed")
    parser.add_command("list", help="list rules and single instruments")
    add = parser.add_command("add", help="add a chain rule or, with --symbol, single instruments")
    add.add_argument("underlying", nargs="?", metavar="UNDERLYING", help="for instance NIFTY")
    add.add_argument("--expiries", default="1", help="how many of the nearest, or dates 2026-12-01,2026-12-08")
    add.add_argument("--strikes", default="40", help='strikes each side of the money, or "all"')
    add.add_argument("--mode", default="full", help="ltp, quote or full (with open interest and depth)")
    add.add_argument("--account", default="", help="account that must carry it")
    add.add_argument("--symbol", action="append", default=[], metavar="EXCHANGE:SYMBOL", help="single instrument")
    add.add_argument("--no-future", action="store_true", help="do not add the nearest future")
    remove = parser.add_command("remove", help="remove a rule by number, or single instruments by symbol")
    remove.add_argument("what", nargs="+", metavar="RULE|EXCHANGE:SYMBOL")
    parser.add_command("plan", help="show what the next reload would do")
    importing = parser.add_command("import", help="read rules and instruments from a CSV or TOML file")
    importing.add_argument("file", metavar="FILE", help="`-` for standard input")
    exporting = parser.add_command("export", help="write rules and instruments to a CSV or TOML file")
    exporting.add_argument("file", metavar="FILE", help="`-` for standard output")
    for action in (importing, exporting):
        action.add_argument("--format", choices=("csv", "toml"), help="default: by the file's name; toml for `-`")
    for action in (add, remove, importing):
        action.add_argument("--dry-run", action="store_true", help="say what would change and change nothing")


def _add_store_command(program: Parser) -> None:
    parser = program.add_command("store", help="back the database up, or go back to a backup of a damaged one")
    parser.add_command("backup", help="copy the database, also while it is in use")
    parser.add_command("recover", help="put a damaged database aside and the latest whole backup in place")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and seconds >= 0):
        raise argparse.ArgumentTypeError(f"a number of seconds from 0, not {text}")
    return seconds


class _Command:
    """Where a command is, and which of the options of every command it takes; the others are refused."""

    def __init__(self, module: str, function: str, takes: Sequence[_Global]) -> None:
        self.module = module
        self.function = function
        self.takes = takes


_COMMANDS: Final = {
    None: _Command("tickertui.commands.run", "run_command", (_CONFIG, _DEMO)),
    "config": _Command("tickertui.commands.config", "run_command", (_CONFIG,)),
    "login": _Command("tickertui.commands.login", "run_command", (_CONFIG,)),
    "simulate": _Command("tickertui.commands.simulate", "run_simulate", ()),
    "headless": _Command("tickertui.commands.headless", "run_command", (_CONFIG, _DEMO)),
    "subs": _Command("tickertui.commands.subs", "run_command", (_CONFIG,)),
    "store": _Command("tickertui.commands.store", "run_command", (_CONFIG,)),
}


def run(arguments: Sequence[str], loaded: Callable[[], None] = lambda: None) -> int:
    """Parse the arguments, run one command and return its exit code.

    Args:
        arguments: Without the program's name.
        loaded: Called when the command's modules are loaded, before it runs.
    """
    try:
        parsed = parse(arguments)
        command = _COMMANDS[parsed.command]
        perform: Callable[[argparse.Namespace], int] = getattr(import_module(command.module), command.function)
        loaded()
        crashes = Crashes(writes=not getattr(parsed, "demo", False), directory=lambda: user_paths(os.environ).state_dir)
        return crashes.run(lambda: perform(parsed), told=(OutputFailed,))
    except SystemExit as exit_:
        return int(exit_.code or 0)
    except OutputFailed as failed:
        if str(failed):
            complain(f"tickertui: {failed}")
        return failed.code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
