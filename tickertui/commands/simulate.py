"""``tickertui simulate``: serves the simulated broker until it is told to stop.

`run_simulate` is called by `tickertui.cli` with its parsed arguments: ``host``, ``port``, ``stream_port``,
``accounts``, ``instruments``, ``at``, ``speed``, ``seed`` and ``regime``.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import anyio

from tickertui.clock import SystemClock
from tickertui.market.hours import MarketCalendar, load_calendar
from tickertui.market.universe import load_universe
from tickertui.process.deadline import END_PATIENCE_S, end_process_within, stop_signals
from tickertui.process.exit_codes import ExitCode
from tickertui.process.output import NO_OUTPUT, LineWriter, OutputFailed, complain, output_failed
from tickertui.simulator.accounts import SimulatedAccount, simulated_accounts
from tickertui.simulator.clock import SimulatedClock
from tickertui.simulator.control import parse_market_time
from tickertui.simulator.listing import (
    BundledContracts,
    Contracts,
    ContractsUnreadable,
    DumpContracts,
    ListedMarket,
    has_options,
    read_contracts,
)
from tickertui.simulator.server import CannotListen, RunningSimulator, Simulator, Timing
from tickertui.synthetic.market import MockMarket
from tickertui.synthetic.paths import Regime
from tickertui.synthetic.script import MarketScript

_MOST_ACCOUNTS: Final = 50
_STEP_SECONDS: Final = 0.25
_OUTPUT_PATIENCE_S: Final = 1.0


class _Refused(Exception):  # noqa: N818 - it ends the command
    """The arguments cannot be used; the text is one sentence."""


def run_simulate(arguments: Namespace) -> int:
    """Serve until a signal, and return the exit code: 128 + its number.

    Raises:
        OutputFailed: When the greeting, without which nobody can use it, could not be written.
    """
    if sys.stdout is None:
        raise OutputFailed(NO_OUTPUT, ExitCode.FAILED)
    try:
        simulator, notes = _build(arguments)
    except (_Refused, ContractsUnreadable) as error:
        complain(f"tickertui simulate: {error}")
        return ExitCode.USAGE
    writer = LineWriter(sys.stdout)
    service = _Service(writer, notes)
    try:
        code = anyio.run(service.run, simulator, arguments)
    except CannotListen as error:
        option = "--stream-port" if error.is_stream else "--port"
        advice = f"choose another with {option}" if error.in_use else f"check --host and {option}"
        complain(f"tickertui simulate: {error}; {advice}")
        return ExitCode.UNAVAILABLE
    writer.close(_OUTPUT_PATIENCE_S)
    if service.failure is not None:
        raise service.failure
    return code


# ---------------------------------------------------------------------- building


def _build(arguments: Namespace) -> tuple[Simulator, Sequence[str]]:
    """Return the simulator, and sentences about it that the user should know."""
    clock = _clock(arguments.at, arguments.speed)
    if not 1 <= arguments.accounts <= _MOST_ACCOUNTS:
        raise _Refused(f"--accounts is a number from 1 to {_MOST_ACCOUNTS}, not {arguments.accounts}")
    calendar = load_calendar()
    market = _market(arguments, clock.now(), calendar)
    notes = _notes(market, clock, calendar)
    simulator = Simulator(
        market,
        clock=clock,
        accounts=simulated_accounts(arguments.accounts),
        timing=Timing(step=_STEP_SECONDS),
        seed=arguments.seed,
        market_name=_market_name(arguments),
    )
    return simulator, notes


def _market_name(arguments: Namespace) -> str:
    """Name what tells its prices from another simulator's: ``seed 7, calm``."""
    of_file = "" if arguments.instruments is None else ", contracts of a file"
    return f"seed {arguments.seed}, {arguments.regime}{of_file}"


def _clock(at: str | None, speed: float) -> SimulatedClock:
    try:
        start = None if at is None else parse_market_time(at)
    except ValueError as error:
        raise _Refused(f"--at: {error}") from None
    try:
        return SimulatedClock(SystemClock(), start, speed)
    except ValueError as error:
        raise _Refused(f"--speed: {error}") from None


def _market(arguments: Namespace, start: datetime, calendar: MarketCalendar) -> ListedMarket:
    universe = load_universe()
    contracts: Contracts = BundledContracts(universe)
    levels = {}
    if arguments.instruments is not None:
        dump = contracts = DumpContracts(read_contracts(Path(arguments.instruments).expanduser()), universe)
        levels = dump.levels(start.date())
    table = contracts.on(start.date(), lambda name: None, None)
    if not has_options(table):
        raise _Refused(
            f"{arguments.instruments}: every option in it expired before {start:%d %b %Y}; "
            "set the clock back with --at, for instance to the day of the dump"
        )
    market = MockMarket(
        universe,
        calendar,
        start=start,
        seed=arguments.seed,
        regime=_regime(arguments.regime),
        sessions=True,
        instruments=table,
        levels=levels,
        script=MarketScript.with_new_strikes() if arguments.instruments is None else None,
    )
    return ListedMarket(market, contracts)


def _regime(name: str) -> Regime:
    try:
        return Regime(name)
    except ValueError:
        raise _Refused(f"--regime is one of {', '.join(Regime)}, not {name!r}") from None


def _notes(market: ListedMarket, clock: SimulatedClock, calendar: MarketCalendar) -> list[str]:
    now = clock.now()
    notes = [f"{len(market.instruments):,} contracts; market time {now:%a %d %b %Y %H:%M:%S}, speed {clock.speed:g}"]
    if not calendar.is_open("NFO", now):
        opens = calendar.next_open("NFO", now)
        notes.append(
            f"the market is shut at this time and opens {opens:%a %d %b %H:%M}; "
            f'to trade at once start with --at "{opens:%Y-%m-%d} 11:00"'
        )
    return notes


# ---------------------------------------------------------------------- running


class _Service:
    """Serves until a signal.

    Args:
        writer: Of standard output. Its reader may stop, or leave once it has the greeting: no reason to end, nor not
            to end when told so.
        notes: Sentences of the greeting.

    Attributes:
        failure: Why the greeting was not written; None when it was.
    """

    def __init__(self, writer: LineWriter, notes: Sequence[str]) -> None:
        self._writer = writer
        self._notes = notes
        self.failure: OutputFailed | None = None

    async def run(self, simulator: Simulator, arguments: Namespace) -> int:
        """Serve, and return the exit code."""
        with anyio.open_signal_receiver(*stop_signals()) as signals:
            async with (
                simulator.serve(arguments.host, arguments.port, arguments.stream_port) as running,
                anyio.create_task_group() as tasks,
            ):
                self._writer.start("{} lines were dropped".format)
                self._writer.put(_greeting(running, self._notes))
                tasks.start_soon(self._end_without_greeting, tasks.cancel_scope)
                async for number in signals:
                    end_process_within(END_PATIENCE_S, 128 + number)
                    self._writer.put("stopped")
                    tasks.cancel_scope.cancel()
                    return 128 + number
        assert self.failure is not None
        return self.failure.code

    async def _end_without_greeting(self, scope: anyio.CancelScope) -> None:
        error = await self._writer.wait_for_error()
        if not self._writer.written:
            self.failure = output_failed(error)
            end_process_within(END_PATIENCE_S, self.failure.code)
            scope.cancel()


def _greeting(running: RunningSimulator, notes: Sequence[str]) -> str:
    accounts = list(running.sessions.accounts.values())
    lines = [
        f"Simulated broker: REST {running.rest_url}  stream {running.stream_url}",
        *(f"  {note}" for note in notes),
        "",
        "Put this into a file, for instance simulator.toml:",
        "",
        *(f"  {line}" if line else "" for line in _configuration(running, accounts)),
        "",
        "Log in, here or through the page that `tickertui login` shows:",
        "",
        *(f"  {_login_line(running, number, account)}" for number, account in enumerate(accounts, 1)),
        "",
        f"Then `tickertui --config simulator.toml`.  Faults, clock and state: see {running.rest_url}/simulator/state",
        "What it stores of this market lies apart from every other broker's:",
        "`tickertui config path --config simulator.toml` shows where.",
        "Ctrl-C stops.",
    ]
    return "\n".join(lines)


def _configuration(running: RunningSimulator, accounts: Sequence[SimulatedAccount]) -> list[str]:
    lines = [
        "[broker]",
        f'api_url = "{running.rest_url}"',
        f'stream_url = "{running.stream_url}"',
        f'login_url = "{running.login_url}"',
        f'clock_url = "{running.rest_url}/simulator/state"',
    ]
    for number, account in enumerate(accounts, 1):
        lines += ["", "[[accounts]]", f'id = "Z{number}"', f'api_key = "{account.api_key}"']
    return lines


def _login_line(running: RunningSimulator, number: int, account: SimulatedAccount) -> str:
    token = f"curl -s '{running.rest_url}/simulator/request_token?api_key={account.api_key}'"
    secret = f"TICKERTUI_Z{number}_API_SECRET={account.api_secret}"
    return f"{token} | {secret} tickertui login Z{number} --config simulator.toml"
