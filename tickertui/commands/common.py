"""What the commands share: reading the configuration and ending with one clear sentence."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import field
from pathlib import Path

from tickertui.clock import ClockUnavailable, MarketTime, market_time
from tickertui.frozen import frozen
from tickertui.market.clock import Clock
from tickertui.process.exit_codes import ExitCode
from tickertui.process.output import complain
from tickertui.settings.broker import broker_of
from tickertui.settings.load import ConfigError, check_starting_columns, environment, load_settings, resolve_config_path
from tickertui.settings.model import Settings
from tickertui.settings.paths import Paths, user_paths
from tickertui.settings.presets import SavedPresets, read_presets
from tickertui.store.identity import BrokerIdentity


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


@frozen
class Located:
    """Which broker a configuration is about, its clock, and where its data lie.

    Attributes:
        broker: Whose data.
        clock: Market time.
        paths: With the database and the tokens of this broker.
        database: Path or address of the store: ``store.url``, else the file in ``paths``.
    """

    broker: BrokerIdentity
    clock: Clock
    paths: Paths
    database: str | Path


def locate(configuration: Configuration) -> Located:
    """Tell which broker a configuration is about; every command that reads or writes its data asks here.

    Raises:
        CommandFailed: When a simulator's clock cannot be asked, or is set beside the broker's own address.
    """
    settings = configuration.settings
    if settings.accounts and settings.broker.clock_url and not settings.broker.is_simulated:
        raise CommandFailed(
            "broker.clock_url is for a simulator, and broker.api_url is the broker's own address; take one of them out",
            ExitCode.USAGE,
        )
    told = _time_of(settings)
    broker = broker_of(settings, told.market)
    paths = configuration.paths.of(broker)
    return Located(broker, told.clock, paths, settings.store.url or paths.database_file)


def _time_of(settings: Settings) -> MarketTime:
    try:
        return market_time(settings.broker.clock_url)
    except ClockUnavailable as error:
        raise CommandFailed(str(error), ExitCode.UNAVAILABLE) from None


def report(error: CommandFailed) -> int:
    """Say the sentence on standard error and return the exit code."""
    complain(str(error))
    return int(error.code)
