"""What a rule holds, and what one more would cost."""

from __future__ import annotations

from dataclasses import replace

from tests.support.fake_backend import FakeBackend, a_leg, some_rules
from tickertui.services.plan.legs import NO_LEGS, Legs
from tickertui.services.plan.status import RuleCost
from tickertui.tui.view.rule_costs import Costs, RuleCosts, one_more, shares

FIRST, _ = some_rules()


def test_own_and_shared_legs_are_counted_by_account() -> None:
    legs = [replace(a_leg(number, "A"), owners=(1,)) for number in range(3)]
    legs += [replace(a_leg(number, "B"), owners=(1, 2)) for number in range(2)]
    legs.append(replace(a_leg(9, "C"), owners=(2,), account="Z2"))
    found = shares(some_rules(), Legs.of(legs, FakeBackend().table))
    assert found[1].describe() == "its own 3 legs: Z1 3, 2 shared with others"
    assert found[2].describe() == "its own 1 legs: Z2 1, 2 shared with others"
    assert shares(some_rules(), NO_LEGS)[1].describe() == ""


def test_rules_that_ask_for_the_same_are_told_apart() -> None:
    """The same rule twice has legs that both ask for, and neither has legs of its own."""
    twin = replace(FIRST, rule=replace(FIRST.rule, rule_id=3))
    legs = Legs.of([replace(a_leg(4, "A"), owners=(1, 3)), replace(a_leg(5, "B"), owners=(3,))], FakeBackend().table)
    found = shares((FIRST, twin), legs)
    assert [(share.own, share.shared) for share in found.values()] == [(0, 1), (1, 1)]
    assert [len(legs.select(legs.asked_for_by(rule_id))) for rule_id in (1, 3)] == [1, 2]


def test_one_more_expiry_is_not_more_than_a_rule_may_ask_for() -> None:
    most = replace(FIRST, rule=replace(FIRST.rule, expiry_count=20), expiries=())
    assert one_more((most,), "NIFTY").expiry_count == 20


def test_one_more_expiry_of_what_is_shown() -> None:
    assert one_more(some_rules(), "NIFTY").describe() == "NIFTY next 3 ATM±40 full"
    assert one_more(some_rules(), "BANKNIFTY").describe() == "BANKNIFTY next 1 ATM±40 full"


async def test_it_is_asked_once_for_each_plan() -> None:
    backend = FakeBackend()
    costs = RuleCosts(backend)
    assert costs.is_due(some_rules(), 118, "NIFTY")
    await costs.ask(some_rules(), "NIFTY")
    assert costs.costs.what_if_text() == "NIFTY next 3 ATM±40 full = +120 (fits Z1)"
    assert costs.costs.what_if_text(short=True) == "NIFTY next 3 ±40 = +120 (fits Z1)"
    assert not costs.is_due(some_rules(), 118, "NIFTY")
    assert costs.is_due(some_rules(), 119, "NIFTY"), "another plan"
    assert costs.costs.what_if_text() == ""


async def test_legs_that_have_moved_are_counted_where_they_are_now() -> None:
    backend = FakeBackend()
    backend.leg_list = tuple(replace(a_leg(number, "A"), owners=(1,)) for number in range(3))
    costs = RuleCosts(backend)
    assert costs.is_due(some_rules(), 118, "NIFTY")
    await costs.ask(some_rules(), "NIFTY")
    assert costs.costs.rules[1].describe() == "its own 3 legs: Z1 3"
    backend.leg_list = tuple(replace(leg, account="Z2") for leg in backend.leg_list)
    assert not costs.is_due(some_rules(), 118, "NIFTY"), "what one more costs is known"
    assert costs.costs.rules[1].describe() == "its own 3 legs: Z2 3"


async def test_a_refusal_is_no_end() -> None:
    costs = RuleCosts(FakeBackend(refusal="no contracts yet"))
    assert costs.is_due(some_rules(), 1, "NIFTY")
    await costs.ask(some_rules(), "NIFTY")
    assert costs.costs.what_if_text() == ""
    assert not costs.is_due(some_rules(), 1, "NIFTY")


def test_what_does_not_fit_says_so() -> None:
    more = one_more(some_rules(), "NIFTY")
    cost = RuleCost(162, 162, False, (("Z1", 0, 9_000, 9_000),), 0, 162, 54.0)
    assert Costs({}, more, cost).what_if_text().endswith("= +162 (does not fit)")
