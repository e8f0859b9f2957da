"""``tickertui subs list|add|remove|plan|import|export``: subscriptions from the shell.

A running tickertui sees each change within two seconds and reloads by itself.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import anyio

from tickertui.commands.common import CommandFailed, Configuration, load_configuration, locate, report
from tickertui.commands.subscription_files import (
    FileFormat,
    SubscriptionFileError,
    SubscriptionSet,
    WantedInstrument,
    format_subscriptions,
    parse_subscriptions,
    read_subscriptions,
    wanted_instrument,
    write_subscriptions,
)
from tickertui.engine import Engine, EngineOptions
from tickertui.market.calendar_data import CalendarError
from tickertui.market.instruments import Instrument, InstrumentTable
from tickertui.market.subscriptions import ChainRule, RuleError, SubscriptionRecord, SubscriptionStatus
from tickertui.market.underlying_names import in_exchange_order
from tickertui.process.exit_codes import ExitCode
from tickertui.process.logging_setup import logging_nowhere
from tickertui.process.output import OutputFailed, complain, say
from tickertui.services.bundle import Services
from tickertui.services.plan.placement import AccountSlots
from tickertui.services.plan.rule_check import check_account, check_rule
from tickertui.services.plan.status import ReloadPlan, by_reason, some_of
from tickertui.services.supervision.events import Severity
from tickertui.settings.load import environment
from tickertui.store.protocol import StoreError

_MOST_ALIKE: Final = 20_000
"""Symbols that are looked through for one that was meant; comparing 10,000 takes half a second."""

Tell = Callable[[str], None]
Action = Callable[[Services, Namespace, Tell], Awaitable[None]]


def run_command(arguments: Namespace) -> int:
    """Run one action and return the exit code."""
    actions: dict[str, Action] = {
        "list": _list,
        "add": _add,
        "remove": _remove,
        "plan": _plan,
        "import": _import,
        "export": _export,
    }
    told: list[str] = []
    failure: CommandFailed | None = None
    try:
        configuration = load_configuration(arguments)
        if arguments.action == "import":
            # Before the event loop: standard input may be a pipe into which nothing is written yet.
            arguments.wanted = _read(arguments.file, arguments.format)
        anyio.run(_with_services, configuration, arguments, actions[arguments.action], told.append)
    except StoreError as error:
        failure = CommandFailed(str(error), ExitCode.STORE)
    except (SubscriptionFileError, CalendarError) as error:
        failure = CommandFailed(str(error), ExitCode.USAGE)
    except CommandFailed as failed:
        failure = failed
    # What was done is done: it is told when the database is closed again, whoever reads it and whatever failed then.
    try:
        say(*told)
    except OutputFailed:
        if failure is None:
            raise
    return ExitCode.OK if failure is None else report(failure)


def _read(file: str, kind: FileFormat | None) -> SubscriptionSet:
    if file != "-":
        return read_subscriptions(Path(file), kind)
    if sys.stdin is None:
        raise CommandFailed("standard input is closed: there is nothing to import", ExitCode.USAGE)
    return parse_subscriptions("standard input", sys.stdin.buffer.read(), kind or "toml")


async def _with_services(configuration: Configuration, arguments: Namespace, action: Action, tell: Tell) -> None:
    """Build the services without running any of them."""
    located = locate(configuration)
    engine = Engine(
        EngineOptions(
            configuration.settings,
            configuration.paths,
            environ=environment(),
            broker=located.broker,
            clock=located.clock,
        )
    )
    with logging_nowhere():  # the log is the running program's; Python would print warnings
        async with engine.services(first_rules=False) as services:
            for event in services.events.since():
                if event.topic == "store" and event.severity is Severity.WARNING:  # told once in the life of the store
                    complain(event.text)
            await services.registry.load_cached()
            await action(services, arguments, tell)


# ---------------------------------------------------------------------- list


async def _list(services: Services, arguments: Namespace, tell: Tell) -> None:
    del arguments
    rules = await services.store.list_rules()
    records = [item for item in await services.store.list_all() if item.status is SubscriptionStatus.ACTIVE]
    if not rules and not records:
        tell("nothing is subscribed; `tickertui subs add NIFTY` adds a chain")
    for rule in rules:
        tell(f"rule {rule.rule_id:<4} {rule.describe()}{'' if rule.enabled else '  (off)'}")
    for record in records:
        where = f" @{record.preferred_account}" if record.preferred_account else ""
        change = services.registry.contracts.terms_changes.get(record.token)
        before = "" if change is None else f"  {change.describe()}"
        tell(f"{record.segment:<9} {record.tradingsymbol} {record.mode.label}{where}{before}")


# ---------------------------------------------------------------------- add and remove


async def _add(services: Services, arguments: Namespace, tell: Tell) -> None:
    if bool(arguments.underlying) == bool(arguments.symbol):
        raise CommandFailed("name an underlying for a chain, or --symbol for single instruments", ExitCode.USAGE)
    of_chains = [*(f"--{name}" for name in ("expiries", "strikes") if name in vars(arguments).get("given", ()))]
    of_chains += ["--no-future"] if arguments.no_future else []
    if arguments.symbol and of_chains:
        raise CommandFailed(
            f"{' and '.join(of_chains)} makes no sense with --symbol: it is about chains", ExitCode.USAGE
        )
    try:
        if arguments.symbol:
            wanted = [wanted_instrument(symbol, arguments.mode, arguments.account) for symbol in arguments.symbol]
            await _take(services, SubscriptionSet((), tuple(wanted)), tell, dry_run=arguments.dry_run)
            return
        rule = ChainRule.of_words(
            arguments.underlying,
            expiries=arguments.expiries,
            strikes=arguments.strikes,
            mode=arguments.mode,
            account=arguments.account,
            future="no" if arguments.no_future else "yes",
        )
    except ValueError as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from None
    await _take(services, SubscriptionSet((rule,), ()), tell, dry_run=arguments.dry_run)


async def _import(services: Services, arguments: Namespace, tell: Tell) -> None:
    await _take(services, arguments.wanted, tell, dry_run=arguments.dry_run)


async def _take(services: Services, wanted: SubscriptionSet, tell: Tell, *, dry_run: bool) -> None:
    """Add what is not there yet; say what that is. Where one of them cannot be had, none is taken."""
    _check(services, wanted)
    found = [(item, _instrument(services, item)) for item in wanted.instruments]
    have = set(await services.store.list_rules())
    would = "would add" if dry_run else "added"
    for rule in wanted.rules:
        if rule in have:
            tell(f"there already: {rule.describe()}")
            continue
        have.add(rule)
        if not dry_run:
            await services.store.add_rule(rule)
        tell(f"{would}: {rule.describe()}")
        explanation = services.registry.table.explain_name(rule.underlying)
        if explanation:
            tell(f"  {explanation}")
    for item, instrument in found:
        if not dry_run:
            await services.store.upsert(
                token=instrument.token,
                tradingsymbol=instrument.tradingsymbol,
                segment=instrument.segment,
                expiry=instrument.expiry,
                mode=item.mode,
                preferred_account=item.account,
            )
        tell(f"{would}: {item.symbol} {item.mode.label}{f' @{item.account}' if item.account else ''}")


def _check(services: Services, wanted: SubscriptionSet) -> None:
    """Refuse accounts, underlyings and dates that there are not, all of them at once.

    Raises:
        CommandFailed: With one line for each.
    """
    accounts, problems = services.loop.list_accounts(), []
    for rule in wanted.rules:
        try:
            check_rule(rule, services.registry.contracts, accounts, services.clock.now())
        except RuleError as error:
            problems.append(str(error))
    for item in wanted.instruments:
        try:
            check_account(item.account or None, accounts)
        except RuleError as error:
            problems.append(f"{item.symbol}: {error}")
    if problems:
        raise CommandFailed("\n".join(dict.fromkeys(problems)), ExitCode.USAGE)


def _instrument(services: Services, item: WantedInstrument) -> Instrument:
    exchange, _, symbol = item.symbol.partition(":")
    table = services.registry.table
    for row in range(len(table)):
        if table.symbols[row] == symbol and table.exchanges[row] == exchange:
            return table.instrument(row)
    day = services.registry.day
    known = (
        f"the instruments of {day:%d %b %Y}" if day else "any list of instruments yet; start tickertui once to load it"
    )
    near = _nearest_symbol(table, item.symbol)
    hint = f"; did you mean {near}?" if near else ""
    raise CommandFailed(f"{item.symbol}: is not in {known}{hint}", ExitCode.USAGE)


def _nearest_symbol(table: InstrumentTable, wanted: str) -> str:
    """Return what is listed and most like it, empty where nothing is; the same symbol on another exchange first."""
    exchange, _, symbol = wanted.partition(":")
    elsewhere = in_exchange_order({table.exchanges[row] for row, one in enumerate(table.symbols) if one == symbol})
    if elsewhere:
        return f"{elsewhere[0]}:{symbol}"
    is_listed = exchange in table.exchanges
    alike = [
        f"{where}:{one}"
        for where, one in zip(table.exchanges, table.symbols, strict=True)
        if one[:3] == symbol[:3] and (where == exchange or not is_listed)
    ]
    near = get_close_matches(wanted, alike, n=1, cutoff=0.8) if len(alike) <= _MOST_ALIKE else []
    return near[0] if near else ""


async def _remove(services: Services, arguments: Namespace, tell: Tell) -> None:
    would = "would remove" if arguments.dry_run else "removed"
    rules = {str(rule.rule_id): rule for rule in await services.store.list_rules()}
    records = {record.tradingsymbol: record for record in await services.store.list_active()}
    found: list[ChainRule | SubscriptionRecord] = []
    for what in arguments.what:
        item = rules.get(what) or records.get(what.partition(":")[2] or what)
        if item is None:
            raise CommandFailed(
                f"{what}: is neither a rule's number nor a subscribed symbol; see `subs list`", ExitCode.USAGE
            )
        found.append(item)
    for item in found:
        if isinstance(item, ChainRule):
            if not arguments.dry_run:
                await services.store.remove_rule(item.rule_id)
            tell(f"{would}: {item.describe()}")
        else:
            if not arguments.dry_run:
                await services.store.deactivate(item.token, "removed from the command line")
            tell(f"{would}: {item.tradingsymbol}")


# ---------------------------------------------------------------------- plan and export


async def _plan(services: Services, arguments: Namespace, tell: Tell) -> None:
    del arguments
    for level in services.mock_generator.universe.underlyings:
        # Nothing streams here: rules are centred on typical levels, which is near enough for a count.
        services.loop.spots.remember(level.name, level.spot)
    slots = [
        AccountSlots(account, number * 3, services.orchestrator.config(account).sockets)
        for number, account in enumerate(services.loop.list_accounts())
    ]
    prepared = await services.reconciler.prepare(slots)
    for line in plan_lines(prepared.plan):
        tell(line)


def plan_lines(plan: ReloadPlan) -> Sequence[str]:
    """Return a plan as text: one line a group, one a reason for what has no place, then the load of each account."""
    lines = [f"{line.action:<7}{line.count:>6,}  {line.label:<40} {line.detail}" for line in plan.lines]
    for what, items in (("no room", plan.unassigned), ("unresolved", plan.unresolved)):
        lines += [f"{what:<7}{len(labels):>6,}  {some_of(labels):<40} {reason}" for reason, labels in by_reason(items)]
    lines += [f"{account}: {after:,} of {capacity:,}" for account, after, capacity in plan.load_after]
    return lines or ["nothing is wanted"]


async def _export(services: Services, arguments: Namespace, tell: Tell) -> None:
    table = services.registry.table
    rules = await services.store.list_rules()
    instruments = []
    for record in await services.store.list_active():
        row = table.row(record.token)
        exchange = table.exchanges[row] if row is not None else record.segment.partition("-")[0]
        instruments.append(
            WantedInstrument(f"{exchange}:{record.tradingsymbol}", record.mode, record.preferred_account)
        )
    subscriptions = SubscriptionSet(tuple(rules), tuple(instruments))
    if arguments.file == "-":
        tell(format_subscriptions(subscriptions, arguments.format or "toml").removesuffix("\n"))
        return
    path = Path(arguments.file)
    write_subscriptions(path, subscriptions, arguments.format)
    tell(f"wrote {len(rules)} rules and {len(instruments)} instruments to {path}")
