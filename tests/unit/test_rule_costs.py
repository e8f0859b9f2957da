"""What a rule holds, and what one more would cost."""

from __future__ import annotations

from dataclasses import replace

from tests.support.fake_backend import FakeBackend, a_leg, some_rules
from tickertui.services.legs import NO_LEGS, Legs
from tickertui.services.state import RuleCost
from tickertui.tui.rule_costs import Costs, RuleCosts, one_more, shares

FIRST, SECOND = some_rules()


def test_own_and_shared_legs_are_counted_by_account() -> None:
    first, second = FIRST.rule.describe(), SECOND.rule.describe()
    legs = [replace(a_leg(number, "A"), owner=first) for number in range(3)]
    legs += [replace(a_leg(number, "B"), owner=f"{first}, {second}") for number in range(2)]
    legs.append(replace(a_leg(9, "C"), owner=second, account="Z2"))
    found = shares(some_rules(), Legs.of(legs, FakeBackend().table))
    assert found[1].describe() == "its own 3 legs: Z1 3, 2 shared with others"
    assert found[2].describe() == "its own 1 legs: Z2 1, 2 shared with others"
    assert shares(some_rules(), NO_LEGS)[1].describe() == ""


def test_a_rule_whose_name_ends_like_anothers_shares_nothing_with_it() -> None:
    """BANKNIFTY's legs are not NIFTY's, nor are those of a rule that differs in its pin alone."""
    nifty = replace(FIRST, rule=replace(FIRST.rule, rule_id=1, underlying="NIFTY", preferred_account=None))
    bank = replace(nifty, rule=replace(nifty.rule, rule_id=2, underlying="BANKNIFTY"))
    pinned = replace(nifty, rule=replace(nifty.rule, rule_id=3, preferred_account="Z1"))
    names = [status.rule.describe() for status in (nifty, bank, pinned)]
    legs = Legs.of([replace(a_leg(number, "A"), owner=name) for number, name in enumerate(names)], FakeBackend().table)
    assert [share.shared for share in shares((nifty, bank, pinned), legs).values()] == [0, 0, 0]
    assert [len(legs.select(legs.asked_for_by(name))) for name in names] == [1, 1, 1]


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
