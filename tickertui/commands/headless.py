"""``tickertui headless``: the engine without a screen; what happens as JSON lines on standard output."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from enum import Enum
from typing import TextIO

import anyio

from tickertui.commands.common import CommandFailed, clock_of, load_configuration, report
from tickertui.config import environment
from tickertui.engine import Engine, EngineOptions, StopRequest
from tickertui.exit_codes import ExitCode
from tickertui.logging_setup import LogUnavailable, logging_to
from tickertui.services.bundle import Services
from tickertui.services.state import Event, RuntimeState
from tickertui.store.protocol import StoreError


def run_command(arguments: Namespace) -> int:
    """Run the engine until a signal, and return the exit code (0 after SIGTERM and SIGINT)."""
    try:
        configuration = load_configuration(arguments)
        options = EngineOptions(
            configuration.settings,
            configuration.paths,
            environ=environment(),
            demo=arguments.demo,
            clock=None if arguments.demo else clock_of(configuration),
        )
        reporter = Reporter(sys.stdout, arguments.status_seconds)
        if arguments.demo:
            return anyio.run(Engine(options).run, reporter.run)
        with logging_to(configuration.paths.log_file, configuration.settings.log.level):
            return anyio.run(Engine(options).run, reporter.run)
    except (LogUnavailable, StoreError) as error:
        code = ExitCode.STORE if isinstance(error, StoreError) else ExitCode.FAILED
        return report(CommandFailed(str(error), code))
    except CommandFailed as failed:
        return report(failed)


class Reporter:
    """Writes events, and the state now and then, one JSON object a line.

    Args:
        out: Where to.
        status_seconds: Time between two status lines, 0 for none.
    """

    def __init__(self, out: TextIO, status_seconds: float) -> None:
        self._out = out
        self._status_seconds = status_seconds

    async def run(self, services: Services, stop: StopRequest) -> int:
        """Report until a stop is asked for; a signal is the ordinary way to end this command."""
        for event in services.events.since():
            self._event(event)
        forget = services.events.listen(self._event)
        try:
            async with anyio.create_task_group() as tasks:
                if self._status_seconds > 0:
                    tasks.start_soon(self._report_status, services)
                await stop.wait()
                tasks.cancel_scope.cancel()
        finally:
            forget()
        return ExitCode.OK

    async def _report_status(self, services: Services) -> None:
        while True:
            await anyio.sleep(self._status_seconds)
            self._write({"type": "status", "at": services.clock.now(), **status_of(services.loop.runtime_state())})

    def _event(self, event: Event) -> None:
        self._write({"type": "event", **asdict(event)})

    def _write(self, record: Mapping[str, object]) -> None:
        print(json.dumps(record, default=_plain, ensure_ascii=False), file=self._out, flush=True)


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


def _plain(value: object) -> object:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} has no place in a report")
