"""What each rule costs, and what one more would: asked one at a time, so that no answer holds the display up.

The answers stand until the plan or the rules change. Used by the main screen for the subscriptions pane and its panel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tickertui.market.subscriptions import ChainRule
from tickertui.services.state import RuleCost, RuleStatus
from tickertui.tui.backend import Backend, BackendRefused

_STRIKES = 40


@dataclass(frozen=True, slots=True)
class Costs:
    """What is known so far.

    Attributes:
        rules: Rule number -> what the rule costs beside all others: its own legs are those that go with it.
        suggestion: The rule that ``what_if`` is about, None before it was asked for.
        what_if: What it would cost.
    """

    rules: Mapping[int, RuleCost]
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
    """Asks the backend.

    Args:
        backend: The program behind the screens.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._about: object = None
        self._asking = False
        self.costs = NO_COSTS

    def is_due(self, rules: tuple[RuleStatus, ...], revision: int, underlying: str) -> bool:
        """Whether `ask` has something to ask; forgets what an older plan cost."""
        about = (revision, underlying, tuple((status.rule, status.legs) for status in rules))
        if about != self._about:
            self._about, self.costs = about, NO_COSTS
        missing = any(status.rule.rule_id not in self.costs.rules for status in rules)
        return not self._asking and (missing or self.costs.suggestion is None) and bool(underlying)

    async def ask(self, rules: tuple[RuleStatus, ...], underlying: str) -> None:
        """Ask for one cost that is missing: of a rule, else of one more expiry of the shown underlying."""
        self._asking, about = True, self._about
        try:
            rule = next((s.rule for s in rules if s.rule.rule_id not in self.costs.rules), None)
            more = None if rule is not None else one_more(rules, underlying)
            cost = await self._cost(rule or one_more(rules, underlying))
            if about != self._about:
                return
            if rule is not None:
                self.costs = Costs({**self.costs.rules, rule.rule_id: cost}, self.costs.suggestion, self.costs.what_if)
            else:
                self.costs = Costs(self.costs.rules, more, cost)
        finally:
            self._asking = False

    async def _cost(self, rule: ChainRule) -> RuleCost:
        try:
            return await self._backend.what_if(rule)
        except BackendRefused:
            # Nothing can be told before there are contracts; the next plan asks again.
            return RuleCost(0, 0, True, (), 0, 0, 0.0)


def one_more(rules: tuple[RuleStatus, ...], underlying: str) -> ChainRule:
    """Return the rule that takes in one expiry more of an underlying than the rules do."""
    expiries = [len(s.expiries) or s.rule.expiry_count for s in rules if s.rule.underlying == underlying]
    return ChainRule(0, underlying, max(expiries, default=0) + 1, (), _STRIKES)
