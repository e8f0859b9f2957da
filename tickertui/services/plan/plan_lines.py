"""What a plan changes, in lines that a trader reads: ``+ 42 NIFTY W08Dec 24,850..25,850 CE/PE → Z1/s3 (988 → 1,030)``.

Instruments of one chain that share their fate and their socket are one line. The `SubscriptionReconciler` calls this
for every plan; the reload screen and ``subs plan`` show it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Final

import numpy as np

from tickertui.frozen import frozen
from tickertui.market.instruments import InstrumentKind, InstrumentTable, decimals_of
from tickertui.market.ticks import Mode
from tickertui.services.contracts.day_contracts import DayContracts
from tickertui.services.plan.assignments import NO_CONNECTION, Assignments, Integers, PlanDiff
from tickertui.services.plan.desired_plan import INDICES, SINGLES, DesiredPlan
from tickertui.services.plan.status import PlanLine

NO_SOCKET: Final = "no account (mock only)"

_OPTION: Final = int(InstrumentKind.CALL)
_MOST_NAMED: Final = 2
"""Instruments of a group that are named one by one before it is summed up."""


@frozen
class Group:
    """Instruments that make one line.

    Attributes:
        label: ``NIFTY W08Dec 24,850..25,850 CE/PE``.
        tokens: Which.
        rows: Their places among the tokens that were grouped.
    """

    label: str
    tokens: tuple[int, ...]
    rows: tuple[int, ...]


def grouped(tokens: Integers, contracts: DayContracts, older: DayContracts | None = None) -> list[Group]:
    """Group instruments by chain; what is no option by kind and underlying.

    Args:
        tokens: Which.
        contracts: The day's contracts.
        older: Those of the plan before, for what is not listed any more.
    """
    groups: dict[tuple[str, int, int], tuple[DayContracts, list[int], list[int]]] = {}
    unknown: list[int] = []
    for place, token in enumerate(tokens.tolist()):
        book, row = contracts, contracts.table.row(token)
        if row is None and older is not None:
            book, row = older, older.table.row(token)
        if row is None:
            unknown.append(place)
            continue
        _, rows, places = groups.setdefault(_key(book.table, row), (book, [], []))
        rows.append(row)
        places.append(place)
    labelled = [
        Group(_label(*key, book, rows), tuple(tokens[places].tolist()), tuple(places))
        for key, (book, rows, places) in sorted(groups.items(), key=lambda item: item[0])
    ]
    if unknown:
        label = _counted(len(unknown), "instrument of an earlier day", "instruments of an earlier day")
        labelled.append(Group(label, tuple(tokens[unknown].tolist()), tuple(unknown)))
    return labelled


def _key(table: InstrumentTable, row: int) -> tuple[str, int, int]:
    kind, expiry = int(table.kinds[row]), int(table.expiries[row])
    if kind >= _OPTION:
        return table.names[row], _OPTION, expiry
    if kind == InstrumentKind.FUTURE:
        return table.names[row], kind, expiry
    return table.exchanges[row], kind, 0


def _label(name: str, kind: int, expiry: int, book: DayContracts, rows: Sequence[int]) -> str:
    table = book.table
    if kind == _OPTION:
        when = book.label(name, date.fromordinal(expiry))
        strikes = table.strikes[list(rows)]
        low, high = float(strikes.min()), float(strikes.max())
        span = _strike(low) if low == high else f"{_strike(low)}..{_strike(high)}"
        kinds = {int(table.kinds[row]) for row in rows}
        sides = "/".join(InstrumentKind(side).label for side in sorted(kinds))
        return f"{name} {when} {span} {sides}"
    if kind == InstrumentKind.FUTURE:
        return f"{name} future {date.fromordinal(expiry):%d%b}"
    if len(rows) <= _MOST_NAMED:
        return ", ".join(table.symbols[row] for row in rows)
    return _counted(len(rows), *(("index", "indices") if kind == InstrumentKind.INDEX else ("share", "shares")))


def _strike(price: float) -> str:
    return f"{price:,.0f}" if price == int(price) else f"{price:,.{decimals_of(price)}f}"


def _counted(count: int, singular: str, plural: str) -> str:
    return f"{count:,} {singular if count == 1 else plural}"


# ---------------------------------------------------------------------- lines


def lines_of(change: PlanDiff, plan: DesiredPlan, before: DesiredPlan | None) -> tuple[PlanLine, ...]:
    """Return the lines of a plan: what is added, removed, moved, and what changes its mode.

    Args:
        change: From the plan in force to the next.
        plan: What is wanted.
        before: What was wanted for the plan in force; it knows who had asked for what goes now.
    """
    return tuple(_Lines(change, plan, before).all())


class _Lines:
    """Writes the lines of one plan."""

    def __init__(self, change: PlanDiff, plan: DesiredPlan, before: DesiredPlan | None) -> None:
        self._change = change
        self._plan = plan
        self._before = before

    def all(self) -> Iterator[PlanLine]:
        yield from self._added()
        yield from self._removed()
        yield from self._moved()
        yield from self._changed()

    def _lines(
        self, action: str, tokens: Integers, keys: Sequence[object], describe: Callable[[int], tuple[str, str]]
    ) -> Iterator[PlanLine]:
        """Lines of instruments with equal keys; ``describe`` gives account and detail from one of their places."""
        by_key: dict[object, list[int]] = {}
        for place, key in enumerate(keys):
            by_key.setdefault(key, []).append(place)
        older = None if self._before is None else self._before.contracts
        for places in by_key.values():
            account, detail = describe(places[0])
            for group in grouped(tokens[places], self._plan.contracts, older):
                yield PlanLine(action, len(group.tokens), group.label, account, detail, group.tokens)

    def _added(self) -> Iterator[PlanLine]:
        new = self._change.new
        tokens = new.tokens[self._change.added]
        connections = new.connections[self._change.added].tolist()

        def describe(place: int) -> tuple[str, str]:
            connection = connections[place]
            if connection == NO_CONNECTION:
                return "", f"→ {NO_SOCKET}"
            return new.account_of(connection), f"→ {new.label(connection)} ({self._loads(connection, new)})"

        yield from self._lines("add", tokens, connections, describe)

    def _loads(self, connection: int, where: Assignments) -> str:
        """Load of a socket before and after; the numbers of sockets do not change as long as the accounts do not."""
        after = where.loads.get(connection, 0)
        return f"{self._change.old.loads.get(connection, 0):,} → {after:,}"

    def _removed(self) -> Iterator[PlanLine]:
        old = self._change.old
        tokens = old.tokens[self._change.removed]
        connections = old.connections[self._change.removed].tolist()
        reasons = [self._why(token) for token in tokens.tolist()]

        def describe(place: int) -> tuple[str, str]:
            connection = connections[place]
            source = old.label(connection) or (NO_SOCKET if connection == NO_CONNECTION else f"socket {connection}")
            return old.account_of(connection), f"← {source} ({reasons[place]})"

        yield from self._lines("remove", tokens, list(zip(connections, reasons, strict=True)), describe)

    def _why(self, token: int) -> str:
        """Why an instrument goes."""
        plan, before = self._plan, self._before
        if token in self._change.new.unassigned:
            return "no room"
        contracts = plan.contracts if before is None else before.contracts
        instrument = contracts.get(token)
        if instrument is not None and contracts.is_over(instrument, plan.made_at):
            return "expired"
        if len(plan.contracts) and plan.contracts.get(token) is None:
            return "not listed any more"
        owners = () if before is None else before.owners_of(token)
        if not owners:
            return "not wanted any more"
        if owners[0].rule_id == SINGLES:
            return "subscription ended"
        if owners[0].rule_id == INDICES:
            return "not shown any more"
        status = plan.rule_of(owners[0].rule_id)
        if status is None:
            return "rule removed"
        if not status.rule.enabled:
            return "rule switched off"
        return "out of the rule's range"

    def _moved(self) -> Iterator[PlanLine]:
        change = self._change
        tokens = change.new.tokens[change.moved_new]
        ways = list(
            zip(
                change.old.connections[change.moved_old].tolist(),
                change.new.connections[change.moved_new].tolist(),
                strict=True,
            )
        )

        def describe(place: int) -> tuple[str, str]:
            left, right = ways[place]
            source, target = change.old.label(left) or NO_SOCKET, change.new.label(right) or NO_SOCKET
            return change.new.account_of(right), f"{source} → {target}"

        yield from self._lines("move", tokens, ways, describe)

    def _changed(self) -> Iterator[PlanLine]:
        change = self._change
        tokens = change.new.tokens[change.changed_new]
        keys = list(
            zip(
                change.new.connections[change.changed_new].tolist(),
                change.old.modes[change.changed_old].tolist(),
                change.new.modes[change.changed_new].tolist(),
                strict=True,
            )
        )

        def describe(place: int) -> tuple[str, str]:
            connection, before, after = keys[place]
            modes = f"{Mode(before).label} → {Mode(after).label}"
            return change.new.account_of(connection), f"{modes}  {change.new.label(connection)}".rstrip()

        yield from self._lines("mode", tokens, keys, describe)


def order_of(tokens: Integers, table: InstrumentTable) -> Integers:
    """Return places of tokens by underlying, expiry, strike and side, as lists show them; unknown ones last."""
    rows = np.array([-1 if (row := table.row(token)) is None else row for token in tokens.tolist()], dtype=np.int64)
    names = ["\U0010ffff" if row < 0 else table.names[row] for row in rows.tolist()]
    ranks = {name: rank for rank, name in enumerate(sorted(set(names)))}
    name_ids = np.fromiter(map(ranks.__getitem__, names), dtype=np.int64, count=len(names))
    expiries = np.where(rows < 0, 0, table.expiries[rows]) if len(table) else rows
    strikes = np.where(rows < 0, 0.0, np.nan_to_num(table.strikes[rows])) if len(table) else rows
    kinds = np.where(rows < 0, 0, table.kinds[rows]) if len(table) else rows
    return np.lexsort((tokens, kinds, strikes, expiries, name_ids)).astype(np.int64)
