"""`plan_requests`: compares what there must be with what there is, and queues the difference.

The `HistoricalBootstrapper` calls it for each plan. What happens to requests under way meanwhile is told by
`ChangesWhilePlanning`: they are not asked for a second time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

import anyio.lowlevel

from tickertui.frozen import frozen
from tickertui.services.history.failures import FailureBook
from tickertui.services.history.queue import ChangesWhilePlanning, RequestQueue
from tickertui.services.history.sessions import HistoryWindow, missing_requests
from tickertui.services.history.types import BackfillSettings, BackfillTarget, Request
from tickertui.store.protocol import ContractKey, Span

_PLANNED_AT_ONCE: Final = 100
"""Contracts between two looks at the event loop: a hundred take some 3 ms."""
_SHARE: Final = 0.25
"""Part of the requests that may go into following a running session; the rest is for what is missing before it."""


@frozen
class BackfillPlan:
    """What a comparison found.

    Attributes:
        window: That it was made for: what is not final in it, this plan does not speak of.
        targets: All contracts.
        missing: Those that lack something.
        queue: What to ask for.
    """

    window: HistoryWindow
    targets: Sequence[BackfillTarget]
    missing: Sequence[BackfillTarget]
    queue: RequestQueue


async def plan_requests(
    window: HistoryWindow,
    targets: Sequence[BackfillTarget],
    coverage: Mapping[ContractKey, Sequence[Span]],
    under_way: Mapping[ContractKey, Iterable[Request]],
    changes: ChangesWhilePlanning,
    failures: FailureBook,
    ready_at: Callable[[BackfillTarget], float | None],
) -> BackfillPlan:
    """Make a plan.

    Args:
        window: What there must be by now.
        targets: Contracts.
        coverage: What is complete.
        under_way: Requests that have not been answered yet; the caller changes it meanwhile.
        changes: What becomes of them while this runs.
        failures: Who is asked for no more.
        ready_at: When a contract that failed may be asked for again, None for at once.
    """
    queue, missing = RequestQueue(), []
    for number, target in enumerate(targets):
        if number % _PLANNED_AT_ONCE == 0:
            await anyio.lowlevel.checkpoint()
        busy = [running.span for running in under_way.get(target.key, ())] + changes.spans_of(target.key)
        requests = missing_requests(window, target, [*coverage.get(target.key, ()), *busy])
        if requests or changes.is_open(target.key) or target.key in under_way:
            missing.append(target)
        if not failures.has_given_up(target.key):
            for request in requests:
                queue.push(request, ready_at(target))
    return BackfillPlan(window, targets, missing, queue)


def next_plan_at(
    window: HistoryWindow, targets: Sequence[BackfillTarget], settings: BackfillSettings, rate_limit: float
) -> float:
    """Return when there is something new to fetch, epoch seconds; inf where nothing is in sight.

    That is the next close. Before it the history follows the running session, as often as its newest minutes are worth
    a request (`BackfillSettings.tail_slack`) and never with more than a quarter of what the keys allow.

    Args:
        window: Of the plan that was just made.
        targets: Its contracts.
        settings: See above.
        rate_limit: Requests per second that the usable accounts allow.
    """
    segments = {target.segment for target in targets}
    close = window.next_close(segments)
    if close is None:
        return math.inf
    seconds = len(targets) / (rate_limit * _SHARE) if rate_limit else 0.0
    follow = window.next_growth(segments, max(settings.tail_slack, timedelta(seconds=seconds)))
    return min(close.timestamp(), math.inf if follow is None else follow.timestamp())
