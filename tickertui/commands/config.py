"""``tickertui config init|check|path``."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from tickertui.clock import SystemClock
from tickertui.commands.common import CommandFailed, load_configuration, locate, report
from tickertui.market.hours import CalendarError, load_calendar
from tickertui.process.exit_codes import ExitCode
from tickertui.process.output import say
from tickertui.settings.load import ConfigError, environment, resolve_config_path
from tickertui.settings.model import Settings
from tickertui.settings.paths import user_paths
from tickertui.settings.text import render_example


def run_command(arguments: Namespace) -> int:
    """Run one of the three actions and return the exit code."""
    actions = {"init": _init, "check": _check, "path": _path}
    try:
        actions[arguments.action](arguments)
    except CommandFailed as error:
        return report(error)
    return ExitCode.OK


def _init(arguments: Namespace) -> None:
    text = render_example(Settings)
    if arguments.stdout:
        say(text, end="")
        return
    paths = user_paths(environment())
    path = Path(arguments.config).expanduser() if arguments.config else paths.config_file
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise CommandFailed(
            f"{path}: exists already; move it away, or use --stdout to see the example", ExitCode.USAGE
        ) from None
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be written: {error.strerror}", ExitCode.USAGE) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        # Half a file would be "exists already" the next time.
        path.unlink(missing_ok=True)
        raise CommandFailed(f"{path}: cannot be written: {error.strerror}", ExitCode.USAGE) from None
    say(f"wrote {path}")


def _check(arguments: Namespace) -> None:
    configuration = load_configuration(arguments)
    calendar = _checked_calendar(configuration.paths.calendar_file)
    path = resolve_config_path(arguments.config, environment(), configuration.paths)
    settings = configuration.settings
    what = f"{len(settings.accounts)} accounts, {len(settings.rules)} rules"
    say(f"{path}: ok ({what})" if path.exists() else f"{path}: not there; the defaults apply")
    say(*calendar)


def _checked_calendar(path: Path) -> list[str]:
    """Return what is to be said of the user's calendar and of what was merged with it.

    Raises:
        CommandFailed: When it has a mistake.
    """
    try:
        calendar = load_calendar(path)
    except CalendarError as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from None
    is_there = str(path) in calendar.sources
    own = [f"{path}: ok (holidays to {calendar.valid_until:%d %b %Y})"] if is_there else []
    return own + calendar.warnings(SystemClock().now())


def _path(arguments: Namespace) -> None:
    environ = environment()
    paths = user_paths(environ)
    try:
        config = resolve_config_path(arguments.config, environ, paths)
    except ConfigError as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from None
    database, tokens = _of_broker(arguments)
    files: tuple[tuple[str, object], ...] = (
        ("config", config),
        ("secrets", paths.secrets_file),
        ("calendar", paths.calendar_file),
        ("themes", paths.themes_dir),
        ("database", database),
        ("tokens", tokens),
        ("log", paths.log_file),
    )
    say(*(f"{label:<9}{path}" for label, path in files))


def _of_broker(arguments: Namespace) -> tuple[object, object]:
    """Where the data of the configuration's broker are; a word where it cannot be told."""
    try:
        configuration = load_configuration(arguments)
    except CommandFailed:
        unknown = "not known: the configuration has a mistake, see `tickertui config check`"
        return unknown, unknown
    try:
        located = locate(configuration)
    except CommandFailed as failed:
        unknown = f"not known: {failed}"
        return configuration.settings.store.url or unknown, unknown
    return _shown(located.database), located.paths.tokens_dir


def _shown(database: str | Path) -> object:
    if isinstance(database, Path):
        return database
    from tickertui.store.open import is_server  # with numpy, which this command otherwise does without

    return "a PostgreSQL server, see store.url" if is_server(database) else Path(database).expanduser()
