"""`build_gap_map`: which days of which group are there, for the bootstrap pane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import anyio.lowlevel

from tickertui.market.candles import Interval
from tickertui.services.history.gaps import candle_count, clipped, merged, midnight_of, subtract
from tickertui.services.history.sessions import HistoryWindow, not_due
from tickertui.services.history.status import DayCoverage
from tickertui.services.history.types import BackfillTarget
from tickertui.store.protocol import ContractKey, Span

_AT_ONCE: Final = 100
"""Contracts between two looks at the event loop: 5 days of a hundred take some 3 ms."""


@dataclass(slots=True)
class _Cell:
    expected: int = 0
    stored: int = 0
    missing: int = 0


async def build_gap_map(
    targets: Sequence[BackfillTarget],
    window: HistoryWindow,
    interval: Interval,
    coverage: Mapping[ContractKey, Sequence[Span]],
    stored: Mapping[ContractKey, Mapping[date, int]],
) -> dict[str, tuple[DayCoverage, ...]]:
    """Return the coverage of each group by trading day, oldest first.

    It speaks of what the plan of the same window speaks of: the newest minutes of a running session that are not asked
    for yet are neither expected nor missing.

    Args:
        targets: Contracts.
        window: Trading days and what of them is final.
        interval: Length of the candles.
        coverage: What is complete.
        stored: Candles by contract and day.
    """
    days = window.days({target.segment for target in targets})
    bounds = [(day, midnight_of(day), midnight_of(day) + 86_400) for day in days]
    groups: dict[str, list[_Cell]] = {}
    for number, target in enumerate(targets):
        if number % _AT_ONCE == 0:
            await anyio.lowlevel.checkpoint()
        cells = groups.get(target.group_label)
        if cells is None:
            cells = groups[target.group_label] = [_Cell() for _ in days]
        covered = coverage.get(target.key, ())
        tail = not_due(window, target, covered)
        have = covered if tail is None else merged([*covered, tail])
        missing = subtract(window.wanted(target).spans, have)
        expected = window.expected(target) if tail is None else subtract(window.expected(target), [tail])
        counts = stored.get(target.key, {})
        for cell, (day, start, end) in zip(cells, bounds, strict=True):
            cell.expected += candle_count(clipped(expected, start, end), interval)
            cell.stored += counts.get(day, 0)
            cell.missing += candle_count(clipped(missing, start, end), interval) if missing else 0
    return {
        label: tuple(
            DayCoverage(day, cell.expected, cell.stored, requested=not cell.missing)
            for day, cell in zip(days, cells, strict=True)
        )
        for label, cells in groups.items()
    }
