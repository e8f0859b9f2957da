"""``tickertui``: the terminal interface beside the engine's services, in one task group."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import Final

import anyio

from tickertui.commands.common import CommandFailed, Configuration, Located, load_configuration, locate, report
from tickertui.engine import CONVENTIONS, Engine, EngineOptions, StopRequest
from tickertui.market.calendar_data import CalendarError
from tickertui.market.chain import ReferenceKind
from tickertui.process.exit_codes import ExitCode
from tickertui.process.logging_setup import LogUnavailable, logging_nowhere, logging_to
from tickertui.services.bundle import Services
from tickertui.settings.load import environment
from tickertui.settings.model import Settings
from tickertui.settings.text import ConfigProblem, line_of
from tickertui.store.protocol import StoreError
from tickertui.tui.app import TickerApp
from tickertui.tui.keys.keymap import KeymapError, check_keymap
from tickertui.tui.services_backend import ServicesBackend
from tickertui.tui.view.options import ScreenOptions

_MOCK_PATIENCE_S: Final = 2.0
_LIVE_PATIENCE_S: Final = 0.3
"""How long the screen waits for the first plan. The mock has its chain in 0.1 s, and the first frame shows it: an empty
one before it would be mounted, styled and painted for nothing, 0.15 s. Accounts take longer; the screen tells how far
they are."""


def run_command(arguments: Namespace) -> int:
    """Show the terminal interface until the trader quits, and return the exit code."""
    try:
        configuration = load_configuration(arguments)
        if arguments.demo:
            with logging_nowhere():
                return _run(configuration, None)
        located = locate(configuration)
        level, told = configuration.settings.log.level, (CommandFailed, StoreError, CalendarError)
        with logging_to(configuration.paths.log_file, level, located.clock, told):
            return _run(configuration, located)
    except (LogUnavailable, StoreError) as error:
        code = ExitCode.STORE if isinstance(error, StoreError) else ExitCode.FAILED
        return report(CommandFailed(str(error), code))
    except CalendarError as error:
        return report(CommandFailed(str(error), ExitCode.USAGE))
    except CommandFailed as failed:
        return report(failed)


def _run(configuration: Configuration, located: Located | None) -> int:
    """Run engine and screen; where nothing is located it is the demo."""
    demo = located is None
    options = screen_options(configuration, environment(), demo=demo)
    engine = Engine(
        EngineOptions(
            configuration.settings,
            configuration.paths,
            environ=environment(),
            config_file=configuration.file,
            demo=demo,
            broker=None if located is None else located.broker,
            clock=None if located is None else located.clock,
        )
    )
    return anyio.run(engine.run, _Terminal(options).show, _need_a_terminal)


def _need_a_terminal() -> None:
    """Refuse to paint where nobody would see it, or nobody could type.

    Raises:
        CommandFailed: It names the command that needs no terminal.
    """
    if sys.platform == "win32":
        return
    from tickertui.tui.terminal.driver import terminal_problem

    if problem := terminal_problem():
        raise CommandFailed(
            f"tickertui: {problem}, and the screen needs one; `tickertui headless` runs without a terminal",
            ExitCode.USAGE,
        )


class _Terminal:
    """The foreground of the engine: the Textual application.

    Args:
        options: How the trader wants it.
    """

    def __init__(self, options: ScreenOptions) -> None:
        self._options = options

    async def show(self, services: Services, stop: StopRequest) -> int:
        """Run the application until it ends or a signal asks for it.

        Raises:
            Exception: What ended the application, when a defect did.
        """
        with anyio.move_on_after(_LIVE_PATIENCE_S if services.orchestrator.list_accounts() else _MOCK_PATIENCE_S):
            await services.loop.wait_until_started()
        app = TickerApp(ServicesBackend(services), self._options)
        app.reports_errors = False
        app.is_asked_to_end = lambda: stop.heard
        stop.last_words = app.restore_terminal
        async with anyio.create_task_group() as tasks:

            async def end_on_request() -> None:
                app.end(await stop.wait())

            tasks.start_soon(end_on_request)
            await app.run_async()
            tasks.cancel_scope.cancel()
        if len(app.fatal_errors) > 1:
            raise ExceptionGroup("several errors ended the screen", app.fatal_errors)
        if app.fatal_errors:
            raise app.fatal_errors[0]
        return stop.code or app.return_code or 0


def screen_options(configuration: Configuration, environ: Mapping[str, str], *, demo: bool = False) -> ScreenOptions:
    """Return what the screens need of the configuration; the demo writes nothing.

    Raises:
        CommandFailed: When keys of the keymap are wrong or clash.
    """
    settings: Settings = configuration.settings
    screen = settings.screen
    try:
        keymap = check_keymap(settings.keys)
    except KeymapError as error:
        text = configuration.file.read_text(encoding="utf-8-sig") if configuration.file.exists() else ""
        problems = (
            ConfigProblem(
                str(configuration.file), line_of(text, ("keys", mistake.action_id)), mistake.key, mistake.text
            )
            for mistake in error.mistakes
        )
        raise CommandFailed("\n".join(map(str, problems)), ExitCode.USAGE) from None
    return ScreenOptions(
        theme=screen.theme,
        ascii_glyphs=_wants_ascii(screen.glyphs, environ),
        underlying=screen.underlying.upper(),
        header=screen.header,
        preset=screen.columns,
        presets=screen.presets,
        saved_presets=configuration.saved.presets,
        presets_file=None if demo else configuration.paths.presets_file,
        notices=configuration.saved.problems,
        units=screen.units,
        reference=ReferenceKind.FORWARD if screen.atm_reference == "forward" else ReferenceKind.SPOT,
        frames_per_second=screen.refresh_per_second,
        keymap=keymap,
        themes_dir=configuration.paths.themes_dir,
        pictures_dir=None,
        simulated=settings.broker.is_simulated,
        convention=CONVENTIONS[settings.greeks.convention].label,
        model_name=CONVENTIONS[settings.greeks.convention].value.model_name,
    )


def _wants_ascii(glyphs: str, environ: Mapping[str, str]) -> bool:
    """Tell whether the terminal can only draw ASCII, unless the trader has said."""
    if glyphs != "auto":
        return glyphs == "ascii"
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
    return environ.get("TERM") in ("linux", "dumb") or (encoding not in ("utf8", "") and os.name == "posix")
