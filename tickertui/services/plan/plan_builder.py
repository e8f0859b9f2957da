"""`PlanBuilder`: from what the store says and the day's contracts to a `DesiredPlan`.

The `SubscriptionReconciler` makes one for each plan, with everything the plan depends on, so that it may work in a
thread of its own. Nothing is ever lost here: what the contracts do not know is listed as unresolved, and while there
are no contracts at all, everything stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import date, datetime
from typing import Final

import numpy as np

from tickertui.frozen import frozen
from tickertui.market.arrays import distinct
from tickertui.market.instruments import ChainRows, Instrument
from tickertui.market.subscriptions import ChainRule, SubscriptionRecord
from tickertui.market.ticks import Mode
from tickertui.market.underlying_names import listed_name
from tickertui.services.contracts.day_contracts import DayContracts
from tickertui.services.plan.assignments import Integers
from tickertui.services.plan.desired_plan import (
    INDICES,
    SINGLES,
    Demand,
    DesiredPlan,
    leg_priorities,
    merge,
    single_priority,
    spot_priority,
)
from tickertui.services.plan.expansion import Expansion, FollowSettings, RuleState, expand, moved_strikes
from tickertui.services.plan.status import RuleStatus, Unplaced

NOT_LOADED: Final = "today's contracts are not loaded yet; it stays as it is"

_NONE: Final = np.zeros(0, dtype=np.int64)


@frozen(slots=False, eq=False)
class ExpandedRule:
    """A rule and what came of it, kept until something that it depends on changes.

    Attributes:
        rule: The rule.
        contracts: The day's contracts.
        expiries: Its expiries that are not over.
        futures: Tokens of its futures, the nearest first.
        place: Its place among the rules.
        expansion: Its legs.
        demand: Legs, index and future.
        status: For the screen.
    """

    rule: ChainRule
    contracts: DayContracts
    expiries: tuple[date, ...]
    futures: tuple[int, ...]
    place: int
    expansion: Expansion
    demand: Demand
    status: RuleStatus


@frozen(slots=False)
class PlanInputs:
    """What a plan depends on beside store and contracts.

    Attributes:
        now: Aware.
        spots: Underlying -> last price; None where there is none yet.
        settings: How rules follow the spot.
        states: Rule id -> what it holds in the plan in force.
        due: Rules that are to be centred anew, if the spot is still away.
        last: Rule id -> how it was expanded for the plan in force.
        held: int64[k], tokens that the last plan placed, ascending; a rule without a spot is centred on these.
        indices: Names of indices that come along with whatever is subscribed.
    """

    now: datetime
    spots: Mapping[str, float | None] = field(default_factory=dict)
    settings: FollowSettings = field(default_factory=FollowSettings)
    states: Mapping[int, RuleState] = field(default_factory=dict)
    due: frozenset[int] = frozenset()
    last: Mapping[int, ExpandedRule] = field(default_factory=dict)
    held: Integers = field(default_factory=lambda: _NONE)
    indices: tuple[str, ...] = ()


class PlanBuilder:
    """Makes one plan.

    Attributes:
        expanded: Rule id -> how it was expanded.

    Args:
        contracts: The day's contracts.
        inputs: See `PlanInputs`.
    """

    def __init__(self, contracts: DayContracts, inputs: PlanInputs) -> None:
        self.expanded: dict[int, ExpandedRule] = {}
        self._contracts = contracts
        self._inputs = inputs
        self._unresolved: list[Unplaced] = []
        self._expired: list[tuple[int, str]] = []
        self._recentred: set[int] = set()

    def build(self, revision: int, records: Sequence[SubscriptionRecord], rules: Sequence[ChainRule]) -> DesiredPlan:
        """Return the plan of everything that is wanted."""
        demands = [self._singles(records)]
        statuses = []
        for place, rule in enumerate(rules):
            status, demand = self._rule(rule, place)
            statuses.append(status)
            if demand is not None and len(demand):
                demands.append(demand)
        first_demand = next((demand for demand in demands if len(demand)), None)
        if first_demand is not None:
            demands.append(self._indices(first_demand.groups[0]))
        merged = merge(demands)
        return DesiredPlan(
            revision=revision,
            contracts=self._contracts,
            made_at=self._inputs.now,
            demands=tuple(demands),
            wanted=merged.wanted,
            expiries=merged.expiries,
            rules=tuple(statuses),
            states={rule_id: expanded.expansion.state for rule_id, expanded in self.expanded.items()},
            recentred=frozenset(self._recentred),
            unresolved=tuple(self._unresolved),
            expired=tuple(self._expired),
        )

    def expand_rule(self, rule: ChainRule) -> Demand:
        """Return what one rule asks for; empty where it cannot be resolved."""
        _, demand = self._rule(rule, 0)
        if demand is None:
            return Demand(rule.rule_id, _NONE, _NONE, _NONE, _NONE, (rule.underlying,), (None,))
        return demand

    # ------------------------------------------------------------------ single subscriptions

    def _singles(self, records: Sequence[SubscriptionRecord]) -> Demand:
        wanted: list[tuple[SubscriptionRecord, str, int]] = []
        instants: set[datetime] = set()
        for record in records:
            instrument = self._contracts.get(record.token)
            is_same = instrument is not None and self._is_same(instrument, record)
            expiry = instrument.expiry if instrument is not None and is_same else record.expiry
            name = instrument.name if instrument is not None and is_same else ""
            instant = self._instant(record.segment, expiry, name)
            if instant is not None and self._inputs.now >= instant:
                self._expired.append((record.token, f"expired on {instant:%d %b %Y at %H:%M}"))
                continue
            if not is_same:
                self._unresolved.append(Unplaced(record.tradingsymbol, self._why_unknown(instrument), record.token))
                if len(self._contracts):
                    continue
            name = instrument.name if instrument is not None and expiry is not None else record.segment
            wanted.append((record, name, expiry.toordinal() if expiry else 0))
            if instant is not None:
                instants.add(instant)
        return Demand(
            rule_id=SINGLES,
            tokens=_column([record.token for record, _, _ in wanted]),
            modes=_column([record.mode for record, _, _ in wanted]),
            priorities=_column([single_priority(place) for place in range(len(wanted))]),
            expiries=_column([expiry for _, _, expiry in wanted]),
            groups=[name for _, name, _ in wanted],
            pins=[record.preferred_account for record, _, _ in wanted],
            instants=tuple(instants),
        )

    def _is_same(self, instrument: Instrument, record: SubscriptionRecord) -> bool:
        """Whether a token still names the contract that was subscribed.

        Tokens are used again, so the expiry must be the same, and the token must not have gone over to something else
        of the same expiry; where only the exchange has moved the expiry, the trading symbol is the same. A contract
        whose strike or lot was adjusted is still the one that the trader watches.
        """
        if instrument.tradingsymbol == record.tradingsymbol:
            return instrument.segment == record.segment
        change = self._contracts.terms_changes.get(record.token)
        return instrument.expiry == record.expiry and not (change is not None and change.is_another)

    def _instant(self, segment: str, expiry: date | None, underlying: str) -> datetime | None:
        if expiry is None:
            return None
        return self._contracts.expiry_instant(segment.partition("-")[0], expiry, underlying)

    def _why_unknown(self, instrument: Instrument | None) -> str:
        if not len(self._contracts):
            return NOT_LOADED
        if instrument is not None:
            return f"its token belongs to {instrument.tradingsymbol} now; subscribe to the contract anew"
        return f"not among {self._named_contracts()}; kept, in case it is listed again"

    def _named_contracts(self) -> str:
        day = self._contracts.day
        return f"the contracts of {day:%d %b}" if day else "the day's contracts"

    def _indices(self, group: str) -> Demand:
        """The indices of the header line; one that the day's contracts do not know is simply not there.

        They go with a group that is there anyhow: three indices are not worth a socket of their own.
        """
        tokens = [token for name in self._inputs.indices if (token := self._contracts.index_token(name)) is not None]
        listed = _column([token for token in dict.fromkeys(tokens) if self._contracts.get(token) is not None])
        return Demand(
            rule_id=INDICES,
            tokens=listed,
            modes=_full(len(listed), Mode.FULL),
            priorities=_full(len(listed), spot_priority(len(self.expanded))),
            expiries=_full(len(listed), 0),
            groups=(group,),
            pins=(None,),
        )

    # ------------------------------------------------------------------ rules

    def _rule(self, rule: ChainRule, place: int) -> tuple[RuleStatus, Demand | None]:
        if not rule.enabled:
            return RuleStatus(rule, detail="switched off"), None
        if not len(self._contracts):
            return self._hold(rule)
        expiries, detail = self._expiries(rule)
        chains = [chain for expiry in expiries if (chain := self._contracts.chain(rule.underlying, expiry)) is not None]
        if not chains:
            return RuleStatus(rule, detail=detail), None
        futures = self._futures(rule, chains)
        anchor, is_guess = self._anchor(rule, chains)
        expanded = self._reusable(rule, place, expiries, _tokens_of(futures), anchor, is_guess)
        if expanded is None:
            state = self._inputs.states.get(rule.rule_id)
            legs = expand(rule, chains, anchor, state, self._inputs.settings, is_guess=is_guess)
            demand = self._demand(rule, place, legs, chains, futures)
            if is_guess and not detail:
                detail = f"no price of {rule.underlying} yet: centred on a guess"
            detail = detail or self._whose(rule.underlying)
            status = RuleStatus(rule, len(demand), None if is_guess else legs.centre, expiries, detail)
            expanded = ExpandedRule(rule, self._contracts, expiries, _tokens_of(futures), place, legs, demand, status)
        self.expanded[rule.rule_id] = expanded
        return expanded.status, expanded.demand

    def _whose(self, underlying: str) -> str:
        """Which exchange a bare name means, where another one has it too."""
        is_bare = listed_name(underlying) == underlying
        return self._contracts.table.explain_name(underlying) if is_bare else ""

    def _futures(self, rule: ChainRule, chains: Sequence[ChainRows]) -> tuple[Instrument, ...]:
        """The nearest future where the rule wants it, and those that price its chains where there is no index."""
        contracts, now = self._contracts, self._inputs.now
        nearest = contracts.future(rule.underlying, now=now) if rule.include_future else None
        pricing = (contracts.priced_by(rule.underlying, chain.expiry, now=now) for chain in chains)
        found = [future for future in (nearest, *pricing) if future is not None and future.expiry is not None]
        return tuple({future.token: future for future in found}.values())

    def _hold(self, rule: ChainRule) -> tuple[RuleStatus, Demand | None]:
        """While there are no contracts, a rule keeps what it has, without what is over."""
        self._unresolved.append(Unplaced(rule.describe(), NOT_LOADED, rule_id=rule.rule_id))
        last = self._inputs.last.get(rule.rule_id)
        if last is None or last.rule != rule:
            return RuleStatus(rule, detail=NOT_LOADED), None
        self.expanded[rule.rule_id] = last
        now, demand = self._inputs.now, last.demand
        live = tuple(instant for instant in demand.instants if now < instant)
        if len(live) < len(demand.instants):
            over = [
                ordinal
                for ordinal in distinct(demand.expiries).tolist()
                if ordinal and now >= last.contracts.expiry_instant(_exchange(last), ordinal, rule.underlying)
            ]
            demand = demand.where(~np.isin(demand.expiries, over), live)
        status = RuleStatus(rule, len(demand), last.status.centre, last.status.expiries, NOT_LOADED)
        return status, demand

    def _expiries(self, rule: ChainRule) -> tuple[tuple[date, ...], str]:
        """The expiries a rule means that are not over, and what is to be said about the others."""
        listed = self._contracts.expiries(rule.underlying)
        live = self._contracts.live_expiries(rule.underlying, self._inputs.now)
        if not live:
            reason = f"no options on {rule.underlying} among {self._named_contracts()}{self._new_names(rule)}"
            return (), self._unknown(rule, rule.describe(), f"{reason} that are not over" if listed else reason)
        if not rule.expiries:
            return live[: max(0, rule.expiry_count)], ""
        remarks, over = [], []
        exchange = self._exchange_of(rule.underlying)
        for expiry in sorted(set(rule.expiries).difference(live)):
            if self._inputs.now >= self._contracts.expiry_instant(exchange, expiry, rule.underlying):
                over.append(f"{expiry:%d %b %Y}")
            else:
                reason = f"{rule.underlying} has no expiry on {expiry:%d %b %Y} among {self._named_contracts()}"
                remarks.append(self._unknown(rule, f"{rule.underlying} {expiry:%d %b %Y}", reason))
        if over:
            remarks.insert(0, f"{', '.join(over)} {'is' if len(over) == 1 else 'are'} over")
        return tuple(expiry for expiry in live if expiry in rule.expiries), "; ".join(remarks)

    def _new_names(self, rule: ChainRule) -> str:
        """What an underlying goes by now, where a rule could not follow: there are several names, or it is shared."""
        gone = next((one for one in self._contracts.renamed if one.before == listed_name(rule.underlying)), None)
        return "" if gone is None else f": {gone.before} is now {' and '.join(gone.after)}; drop it and add another"

    def _unknown(self, rule: ChainRule, label: str, reason: str) -> str:
        self._unresolved.append(Unplaced(label, reason, rule_id=rule.rule_id))
        return reason

    def _exchange_of(self, underlying: str) -> str:
        expiries = self._contracts.expiries(underlying)
        chain = self._contracts.chain(underlying, expiries[0]) if expiries else None
        return chain.exchange if chain else ""

    # ------------------------------------------------------------------ centre

    def _anchor(self, rule: ChainRule, chains: Sequence[ChainRows]) -> tuple[float, bool]:
        """The price that a rule is centred on, and whether it is only a guess."""
        spot = self._inputs.spots.get(rule.underlying)
        state = self._inputs.states.get(rule.rule_id)
        if state is not None and state.underlying != rule.underlying:
            state = None
        if state is None or state.is_guess or not state.fits(rule):
            if spot is not None:
                self._recentred.add(rule.rule_id)
                return spot, False
            return (state.anchor, state.is_guess) if state else (self._guess(chains[0]), True)
        if spot is not None and (rule.strikes is None or rule.rule_id in self._inputs.due):
            self._recentred.add(rule.rule_id)
            threshold = self._inputs.settings.threshold(rule)
            if any(moved_strikes(chain.strikes, state.anchor, spot) >= threshold for chain in chains):
                return spot, False
        return state.anchor, False

    def _guess(self, chain: ChainRows) -> float:
        """Without a spot: the middle of what the last plan had of a chain, else the middle of the listed strikes."""
        held = np.isin(chain.call_tokens, self._inputs.held) | np.isin(chain.put_tokens, self._inputs.held)
        strikes = chain.strikes[held] if held.any() else chain.strikes
        return float(strikes[len(strikes) // 2])

    def _reusable(
        self,
        rule: ChainRule,
        place: int,
        expiries: tuple[date, ...],
        futures: tuple[int, ...],
        anchor: float,
        is_guess: bool,
    ) -> ExpandedRule | None:
        """How the rule was expanded the last time, if doing it again would give the same."""
        last = self._inputs.last.get(rule.rule_id)
        if last is None or last.contracts is not self._contracts:
            return None
        state = last.expansion.state
        same = (
            last.rule == rule
            and last.place == place
            and last.expiries == expiries
            and last.futures == futures
            and (state.anchor, state.is_guess) == (anchor, is_guess)
            and self._inputs.states.get(rule.rule_id) is state
        )
        return last if same else None

    # ------------------------------------------------------------------ columns

    def _demand(
        self, rule: ChainRule, place: int, legs: Expansion, chains: Sequence[ChainRows], futures: Sequence[Instrument]
    ) -> Demand:
        """Legs, and before them index and futures, which are wanted in full whatever the legs' mode is."""
        underlying_tokens: list[tuple[int, int]] = []
        index = self._contracts.index_token(rule.underlying)
        if index is not None:
            underlying_tokens.append((index, 0))
        underlying_tokens += [(future.token, future.expiry.toordinal()) for future in futures if future.expiry]
        name = rule.underlying
        instants = {self._contracts.expiry_instant(chain.exchange, chain.expiry, name) for chain in chains}
        instants |= {
            self._contracts.expiry_instant(future.exchange, future.expiry, name) for future in futures if future.expiry
        }
        count = len(underlying_tokens)
        return Demand(
            rule_id=rule.rule_id,
            tokens=np.concatenate([_column([token for token, _ in underlying_tokens]), legs.tokens]),
            modes=np.concatenate([_full(count, Mode.FULL), _full(len(legs), rule.mode)]),
            priorities=np.concatenate([_full(count, spot_priority(place)), leg_priorities(legs, place)]),
            expiries=np.concatenate([_column([expiry for _, expiry in underlying_tokens]), legs.expiries]),
            groups=(rule.underlying,),
            pins=(rule.preferred_account,),
            instants=tuple(instants),
        )


def _exchange(expanded: ExpandedRule) -> str:
    chain = expanded.contracts.chain(expanded.rule.underlying, expanded.expiries[0])
    return chain.exchange if chain else ""


def _tokens_of(futures: Sequence[Instrument]) -> tuple[int, ...]:
    return tuple(future.token for future in futures)


def _column(values: Sequence[int]) -> Integers:
    return np.array(values, dtype=np.int64)


def _full(count: int, value: int) -> Integers:
    return np.full(count, value, dtype=np.int64)
