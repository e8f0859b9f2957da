"""The indices of the header line come along with whatever is subscribed."""

from __future__ import annotations

from tests.support.fakes import index_of
from tests.support.planning import NIFTY_INDEX, SENSEX_INDEX, VIX_INDEX, PlanningRig, a_day
from tickertui.market.subscriptions import ChainRule
from tickertui.market.ticks import Mode
from tickertui.services.plan.desired_plan import INDICES


def desk() -> PlanningRig:
    return PlanningRig(
        table=a_day(index_of("INDIA VIX", VIX_INDEX)), indices=("INDIA VIX", "SENSEX", "NIFTY", "NO SUCH INDEX")
    )


def test_they_are_subscribed_in_full_on_the_account_that_streams_anyhow() -> None:
    own = desk()
    rule = own.store.rule(ChainRule(0, "NIFTY", strikes=2))
    plan = own.reload()
    assert {VIX_INDEX, SENSEX_INDEX, NIFTY_INDEX} <= set(plan.desired.tokens.tolist())
    assert plan.desired.modes[VIX_INDEX] is Mode.FULL
    assert [account for account, load, _ in plan.plan.load_after if load] == ["Z1"], "no socket of their own"
    assert plan.plan.unresolved == ()
    owners = {one.token: one.owners for one in own.reconciler.watched()}
    assert owners[VIX_INDEX] == (INDICES,)
    assert owners[NIFTY_INDEX] == (rule.rule_id, INDICES)


def test_alone_they_are_not_worth_a_connection() -> None:
    assert len(desk().reload().desired) == 0


def test_they_go_with_the_last_rule() -> None:
    own = desk()
    rule = own.store.rule(ChainRule(0, "NIFTY", strikes=2))
    own.reload()
    own.store.remove(rule.rule_id)
    plan = own.reload()
    assert len(plan.desired) == 0
    reasons = [line.detail for line in plan.plan.lines if line.action == "remove"]
    assert any("not shown any more" in reason for reason in reasons), reasons


def test_an_index_without_derivatives_is_found_by_its_symbol() -> None:
    foreign = index_of("TAIEX", 45_901 << 8 | 9, "GLOBAL")
    own = PlanningRig(table=a_day(foreign), indices=("TAIEX", "NO SUCH INDEX"))
    own.store.rule(ChainRule(0, "NIFTY", strikes=2))
    assert foreign.token in own.reload().desired.tokens.tolist()
