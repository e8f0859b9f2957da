"""``tickertui headless``: the engine without a screen; what happens as JSON lines on standard output."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from enum import Enum
from typing import Final

import anyio

from tickertui.commands.common import CommandFailed, load_configuration, locate, report
from tickertui.engine import Engine, EngineOptions, StopRequest
from tickertui.market.calendar_data import CalendarError
from tickertui.process.deadline import END_PATIENCE_S, end_process_within
from tickertui.process.exit_codes import ExitCode
from tickertui.process.logging_setup import LogUnavailable, logging_nowhere, logging_to
from tickertui.process.output import NO_OUTPUT, LineWriter, OutputFailed, output_failed
from tickertui.services.bundle import Services
from tickertui.services.loop.status import RuntimeState
from tickertui.services.supervision.events import Event
from tickertui.settings.load import environment
from tickertui.store.protocol import StoreError

_OUTPUT_PATIENCE_S: Final = 1.0
"""How long the lines that are still there at the end wait for a reader that may have stopped."""


def run_command(arguments: Namespace) -> int:
    """Run the engine until a signal, and return the exit code: 128 + the signal's number.

    Raises:
        OutputFailed: When standard output is closed or could no longer be written.
    """
    if sys.stdout is None:
        raise OutputFailed(NO_OUTPUT, ExitCode.FAILED)
    try:
        configuration = load_configuration(arguments)
        located = None if arguments.demo else locate(configuration)
        options = EngineOptions(
            configuration.settings,
            configuration.paths,
            environ=environment(),
            config_file=configuration.file,
            demo=arguments.demo,
            broker=None if located is None else located.broker,
            clock=None if located is None else located.clock,
        )
        if arguments.demo:
            with logging_nowhere():
                return _run(Engine(options), arguments.status_seconds)
        level, told = configuration.settings.log.level, (CommandFailed, OutputFailed, StoreError, CalendarError)
        with logging_to(configuration.paths.log_file, level, options.clock, told):
            return _run(Engine(options), arguments.status_seconds)
    except (LogUnavailable, StoreError) as error:
        code = ExitCode.STORE if isinstance(error, StoreError) else ExitCode.FAILED
        return report(CommandFailed(str(error), code))
    except CalendarError as error:
        return report(CommandFailed(str(error), ExitCode.USAGE))
    except CommandFailed as failed:
        return report(failed)


def _run(engine: Engine, status_seconds: float) -> int:
    writer = LineWriter(sys.stdout)
    reporter = Reporter(writer, status_seconds)
    code = anyio.run(engine.run, reporter.run)
    writer.close(_OUTPUT_PATIENCE_S)
    if reporter.failure is not None:
        raise reporter.failure
    return code


class Reporter:
    """Writes events, and the state now and then, one JSON object a line.

    Args:
        writer: Where to.
        status_seconds: Time between two status lines, 0 for none.

    Attributes:
        failure: Why the output ended the command; None where something else did.
    """

    def __init__(self, writer: LineWriter, status_seconds: float) -> None:
        self._writer = writer
        self._status_seconds = status_seconds
        self.failure: OutputFailed | None = None

    async def run(self, services: Services, stop: StopRequest) -> int:
        """Report until a signal asks for a stop or nothing can be written any more; return the exit code."""
        self._writer.start(lambda dropped: _line({"type": "dropped", "at": services.clock.now(), "lines": dropped}))
        for event in services.events.since():
            self._event(event)
        forget = services.events.listen(self._event)
        code = 0
        try:
            async with anyio.create_task_group() as tasks:
                if self._status_seconds > 0:
                    tasks.start_soon(self._report_status, services)
                tasks.start_soon(self._end_with_the_output, stop)
                code = await stop.wait()
                tasks.cancel_scope.cancel()
        finally:
            forget()
        end_process_within(END_PATIENCE_S, code)
        return code

    async def _end_with_the_output(self, stop: StopRequest) -> None:
        self.failure = output_failed(await self._writer.wait_for_error())
        stop.ask(self.failure.code)

    async def _report_status(self, services: Services) -> None:
        while True:
            await anyio.sleep(self._status_seconds)
            self._write({"type": "status", "at": services.clock.now(), **status_of(services.loop.runtime_state())})

    def _event(self, event: Event) -> None:
        self._write({"type": "event", **asdict(event)})

    def _write(self, record: Mapping[str, object]) -> None:
        self._writer.put(_line(record))


def status_of(runtime: RuntimeState) -> dict[str, object]:
    """Return the figures of a status line."""
    return {
        "state": runtime.state,
        "feed": runtime.feed,
        "is_mock": runtime.feed.value == "mock",
        "generation": runtime.generation,
        "instruments": runtime.instruments,
        "ticks_per_second": round(runtime.ticks_per_second, 1),
        "unassigned": len(runtime.unassigned),
        "unresolved": len(runtime.unresolved),
        "accounts": [
            {
                "account": account.account_id,
                "state": account.state,
                "desired": account.desired,
                "subscribed": account.subscribed,
                "ticking": account.ticking,
                "never": account.never,
            }
            for account in runtime.accounts
        ],
    }


def _line(record: Mapping[str, object]) -> str:
    return json.dumps(record, default=_plain, ensure_ascii=False)


def _plain(value: object) -> object:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} has no place in a report")
