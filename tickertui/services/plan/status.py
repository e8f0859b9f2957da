"""What is planned and what of it could not be placed, as values: made by the reconciler, shown by the screens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from tickertui.frozen import frozen
from tickertui.market.subscriptions import ChainRule


@frozen
class Unplaced:
    """An instrument or rule that the plan could not serve, and why; never dropped silently.

    Attributes:
        label: Trading symbol or the rule's description.
        reason: One sentence.
        token: The token, 0 for a rule.
        rule_id: Of the rule, 0 for an instrument.
    """

    label: str
    reason: str
    token: int = 0
    rule_id: int = 0


def by_reason(items: Sequence[Unplaced]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return each reason with the labels of what has no place because of it, in the order of their first."""
    labels: dict[str, list[str]] = {}
    for item in items:
        labels.setdefault(item.reason, []).append(item.label)
    return tuple((reason, tuple(found)) for reason, found in labels.items())


def some_of(labels: Sequence[str]) -> str:
    """Return the first of some labels, and how many more there are."""
    return labels[0] if len(labels) == 1 else f"{labels[0]} and {len(labels) - 1:,} more"


@frozen
class PlanLine:
    """One line of a reload plan as the trader sees it.

    Attributes:
        action: "add", "remove", "move" or "mode".
        count: Instruments.
        label: ``NIFTY W08Dec 24,850..25,850 CE/PE``.
        account: Account id, empty when it has none.
        detail: ``Z1/s3 (988 → 1,030)``, ``rule removed``.
        tokens: Which.
    """

    action: str
    count: int
    label: str
    account: str
    detail: str
    tokens: tuple[int, ...] = ()


@frozen
class ReloadPlan:
    """What a reload would do; nothing has been sent yet.

    Attributes:
        generation: Number the plan would get.
        revision: Revision of the store it was made from.
        lines: Grouped changes.
        added: Instruments.
        removed: Instruments.
        moved: Instruments.
        mode_changed: Instruments.
        unchanged: Instruments that see no gap at all.
        unassigned: What does not fit on any account.
        unresolved: What the day's dump does not know (kept in the store).
        load_after: (account id, instruments after, capacity).
        backfill_requests: History requests the additions will cost.
        merged_triggers: Changes that arrived within the debounce and are part of this plan.
    """

    generation: int
    revision: int
    lines: tuple[PlanLine, ...] = ()
    added: int = 0
    removed: int = 0
    moved: int = 0
    mode_changed: int = 0
    unchanged: int = 0
    unassigned: tuple[Unplaced, ...] = ()
    unresolved: tuple[Unplaced, ...] = ()
    load_after: tuple[tuple[str, int, int], ...] = ()
    backfill_requests: int = 0
    merged_triggers: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether applying it would change nothing."""
        return not (self.added or self.removed or self.moved or self.mode_changed)


@frozen
class ReloadResult:
    """What the last reload did.

    Attributes:
        at: Aware datetime.
        generation: Of the plan in force afterwards.
        added: Instruments.
        removed: Instruments.
        moved: Instruments.
        mode_changed: Instruments.
        seconds: How long it took.
        error: One sentence, empty on success; the plan before it stays in force.
    """

    at: datetime
    generation: int
    added: int
    removed: int
    moved: int
    mode_changed: int
    seconds: float
    error: str = ""


@frozen
class RuleCost:
    """What a rule would cost before it is added.

    Attributes:
        legs: Instruments.
        new_legs: Of these, how many no other rule or subscription asks for already.
        fits: Whether the accounts have room for all of them.
        account_loads: (account id, new legs there, load after, capacity).
        sockets: Additional sockets.
        backfill_requests: History requests.
        backfill_seconds: At the limits of the keys.
    """

    legs: int
    new_legs: int
    fits: bool
    account_loads: tuple[tuple[str, int, int, int], ...]
    sockets: int
    backfill_requests: int
    backfill_seconds: float


@frozen
class RuleStatus:
    """A chain rule as it stands.

    Attributes:
        rule: The rule.
        legs: Instruments it expands to.
        centre: Strike it is centred on, None before a spot is known.
        expiries: Expiries it takes in.
        detail: One sentence when something is wrong, else empty.
    """

    rule: ChainRule
    legs: int = 0
    centre: float | None = None
    expiries: tuple[date, ...] = ()
    detail: str = ""
