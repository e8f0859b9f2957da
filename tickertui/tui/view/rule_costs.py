"""What each rule holds, and what one more would cost.

What a rule holds is counted in the legs of the plan; the cost of one more is asked for, while somebody can see it, and
stands until the plan or the rules change. Used by the main screen for the subscriptions pane and its panel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from tickertui.frozen import frozen
from tickertui.market.subscriptions import MOST_EXPIRIES, ChainRule
from tickertui.services.plan.legs import Legs
from tickertui.services.plan.status import RuleCost, RuleStatus
from tickertui.tui.view.backend import Backend, BackendRefused

_STRIKES = 40


@frozen
class RuleShare:
    """What a rule holds of the plan.

    Attributes:
        own: Legs that nothing else asks for: they go with the rule.
        shared: Legs that something else asks for too.
        accounts: Own legs by account id.
    """

    own: int = 0
    shared: int = 0
    accounts: Mapping[str, int] = field(default_factory=dict)

    def describe(self) -> str:
        """Return ``its own 326 legs: Z1 326``; empty where it holds none."""
        if not self.own and not self.shared:
            return ""
        where = " ".join(f"{account} {count:,}" for account, count in self.accounts.items() if account)
        shared = f", {self.shared:,} shared with others" if self.shared else ""
        return f"its own {self.own:,} legs{f': {where}' if where else ''}{shared}"


@frozen
class Costs:
    """What is known so far.

    Attributes:
        rules: Rule number -> what it holds.
        suggestion: The rule that ``what_if`` is about, None before it was asked for.
        what_if: What it would cost.
    """

    rules: Mapping[int, RuleShare]
    suggestion: ChainRule | None = None
    what_if: RuleCost | None = None

    def what_if_text(self, *, short: bool = False) -> str:
        """Return ``NIFTY next 3 ATM±40 full = +162 (fits Z1)``; empty before it is known."""
        if self.suggestion is None or self.what_if is None:
            return ""
        cost = self.what_if
        takers = " ".join(account for account, new, _, _ in cost.account_loads if new)
        fits = f"fits {takers}".rstrip() if cost.fits else "does not fit"
        words = self.suggestion.describe()
        if short:
            words = f"{self.suggestion.underlying} next {self.suggestion.expiry_count} ±{self.suggestion.strikes}"
        return f"{words} = +{cost.new_legs:,} ({fits})"


NO_COSTS = Costs({})


class RuleCosts:
    """Counts, and asks the backend.

    Args:
        backend: The program behind the screens.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._about: object = None
        self._legs: Legs | None = None
        self._asking = False
        self.costs = NO_COSTS

    def is_due(self, rules: tuple[RuleStatus, ...], revision: int, underlying: str) -> bool:
        """Whether `ask` has something to ask; counts anew, and forgets what an older plan cost."""
        about = (revision, underlying, tuple((s.rule, s.legs, s.centre, s.expiries) for s in rules))
        legs = self._backend.legs()
        if about != self._about:
            self._about, self._legs, self.costs = about, legs, Costs(shares(rules, legs))
        elif legs is not self._legs:
            # Another plan of the same rules: their legs have moved to other accounts.
            self._legs, self.costs = legs, replace(self.costs, rules=shares(rules, legs))
        return not self._asking and self.costs.suggestion is None and bool(underlying)

    async def ask(self, rules: tuple[RuleStatus, ...], underlying: str) -> None:
        """Ask what one more expiry of the shown underlying would cost."""
        self._asking, about = True, self._about
        try:
            more = one_more(rules, underlying)
            cost = await self._cost(more)
            if about == self._about:
                self.costs = Costs(self.costs.rules, more, cost)
        finally:
            self._asking = False

    async def _cost(self, rule: ChainRule) -> RuleCost | None:
        try:
            return await self._backend.what_if(rule)
        except BackendRefused:
            return None  # nothing can be told before there are contracts; the next plan asks again


def shares(rules: Sequence[RuleStatus], legs: Legs) -> dict[int, RuleShare]:
    """Count the legs of each rule: a leg has the numbers of everything that asks for it."""
    by_owners: dict[tuple[int, ...], Counter[str]] = {}
    for owners, account, count in legs.counts():
        by_owners.setdefault(owners, Counter())[account] = count
    by_rule = {}
    for rule_id in (status.rule.rule_id for status in rules):
        own = by_owners.get((rule_id,), Counter())
        shared = sum(counts.total() for owners, counts in by_owners.items() if rule_id in owners and len(owners) > 1)
        by_rule[rule_id] = RuleShare(own.total(), shared, dict(sorted(own.items())))
    return by_rule


def one_more(rules: tuple[RuleStatus, ...], underlying: str) -> ChainRule:
    """Return the rule that takes in one expiry more of an underlying than the rules do, as far as a rule may."""
    expiries = [len(s.expiries) or s.rule.expiry_count for s in rules if s.rule.underlying == underlying]
    return ChainRule(0, underlying, min(max(expiries, default=0) + 1, MOST_EXPIRIES), (), _STRIKES)
