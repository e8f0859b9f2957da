"""`owner_words`: who asks for a leg, in words; the lists of legs and the leg's own panel show them.

The plan itself knows owners by number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from tickertui.services.plan.desired_plan import INDICES, SINGLES
from tickertui.services.plan.status import RuleStatus

_OTHERS: Final = {SINGLES: "single subscription", INDICES: "shown beside every chain"}


def owner_words(owners: Iterable[int], rules: Sequence[RuleStatus]) -> str:
    """Return ``single subscription, NIFTY next 2 ATM±40 full``.

    Args:
        owners: Numbers of rules and of what is no rule, as a leg has them.
        rules: The rules of the plan; one that is not among them is named by its number.
    """
    named = {status.rule.rule_id: status.rule.describe() for status in rules}
    return ", ".join(_OTHERS.get(owner) or named.get(owner) or f"rule {owner}" for owner in owners)
