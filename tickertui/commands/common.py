"""What the commands share: reading the configuration and ending with one clear sentence."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import field
from pathlib import Path

from tickertui.clock import ClockUnavailable, program_clock
from tickertui.frozen import frozen
from tickertui.market.clock import Clock
from tickertui.process.exit_codes import ExitCode
from tickertui.process.output import complain
from tickertui.settings.load import ConfigError, check_starting_columns, environment, load_settings, resolve_config_path
from tickertui.settings.model import Settings
from tickertui.settings.paths import Paths, user_paths
from tickertui.settings.presets import SavedPresets, read_presets


class CommandFailed(Exception):  # noqa: N818 - it ends a command; it is not an error of the program
    """A command ends with this sentence and exit code.

    Attributes:
        code: Exit code of the process.
    """

    def __init__(self, sentence: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(sentence)
        self.code = code


@frozen
class Configuration:
    """Settings, where the files are, and the presets that the column editor keeps."""

    settings: Settings
    paths: Paths
    file: Path
    saved: SavedPresets = field(default_factory=SavedPresets)


def load_configuration(arguments: Namespace) -> Configuration:
    """Read the configuration that the arguments name.

    Raises:
        CommandFailed: With every mistake, one a line.
    """
    environ = environment()
    paths = user_paths(environ)
    try:
        path = resolve_config_path(arguments.config, environ, paths)
        settings, saved = load_settings(path, environ), read_presets(paths.presets_file)
        if not saved.problems:
            # A file with a mistake is told on the screen, where the chain can be shown without it.
            check_starting_columns(path, settings, saved.presets)
        return Configuration(settings, paths, path, saved)
    except ConfigError as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from None


def clock_of(configuration: Configuration) -> Clock:
    """Return the clock that the settings name.

    Raises:
        CommandFailed: When a simulator's clock cannot be asked.
    """
    try:
        return program_clock(configuration.settings.broker.clock_url)
    except ClockUnavailable as error:
        raise CommandFailed(str(error), ExitCode.UNAVAILABLE) from None


def report(error: CommandFailed) -> int:
    """Say the sentence on standard error and return the exit code."""
    complain(str(error))
    return int(error.code)
