"""What cannot be had is refused before it is stored: accounts, underlyings and dates that there are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

import pytest

from tests.support.planning import M23, W01, PlanningRig
from tickertui.market.clock import IST
from tickertui.market.subscriptions import ChainRule, RuleError
from tickertui.services.plan.rule_check import check_rule

NIFTY = ChainRule(0, "NIFTY", 1, strikes=3)
MORNING = datetime(2026, 11, 23, 10, 0, tzinfo=IST)


def objection(rule: ChainRule, accounts: Sequence[str] = ("Z1", "Z2"), now: datetime = MORNING) -> str:
    try:
        check_rule(rule, PlanningRig().registry.contracts, accounts, now)
    except RuleError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("account", "accounts", "sentence"),
    [
        ("Z3", ("Z1", "Z2"), "there is no account Z3 in the configuration; there are Z1, Z2"),
        ("HOMES", ("HOME", "DESK"), "there is no account HOMES in the configuration; did you mean HOME?"),
        ("home", ("HOME",), "there is no account home in the configuration; did you mean HOME?"),
        ("X", ("HOME",), "there is no account X in the configuration; there is HOME"),
        ("Z1", (), "there is no account Z1: none is configured; leave the account out"),
    ],
)
def test_an_account_that_is_not_configured(account: str, accounts: tuple[str, ...], sentence: str) -> None:
    assert objection(replace(NIFTY, preferred_account=account), accounts) == sentence


def test_what_can_be_had_is_not_refused() -> None:
    assert objection(NIFTY) == ""
    assert objection(NIFTY, ()) == ""
    assert objection(replace(NIFTY, preferred_account="Z2", expiries=(M23, W01))) == ""


def test_a_name_without_options_names_the_nearest() -> None:
    assert objection(replace(NIFTY, underlying="NIFTI")) == (
        "no options on NIFTI among the day's contracts; did you mean NIFTY?"
    )
    assert objection(replace(NIFTY, underlying="QQQQ")) == "no options on QQQQ among the day's contracts"


def test_dates_that_are_over() -> None:
    gone = date(2026, 11, 16)
    assert objection(replace(NIFTY, expiries=(gone, W01))) == "NIFTY: 16 Nov 2026 is over already"
    earlier = replace(NIFTY, expiries=(date(2025, 11, 25), gone))
    assert objection(earlier) == "NIFTY: 25 Nov 2025, 16 Nov 2026 are over already"
    todays = replace(NIFTY, expiries=(M23,))
    assert objection(todays, now=MORNING.replace(hour=15, minute=29)) == ""
    assert objection(todays, now=MORNING.replace(hour=15, minute=50)) == "NIFTY: 23 Nov 2026 is over already"
    assert objection(replace(NIFTY, expiries=(date(2027, 3, 2),))) == "", "not listed yet: the plan says so"


def test_without_contracts_only_what_is_known_is_looked_at() -> None:
    desk = PlanningRig()
    desk.forget_contracts()
    contracts = desk.registry.contracts
    check_rule(replace(NIFTY, underlying="NIFTI"), contracts, ("Z1",), MORNING)
    with pytest.raises(RuleError, match="16 Nov 2026 is over"):
        check_rule(replace(NIFTY, expiries=(date(2026, 11, 16),)), contracts, ("Z1",), MORNING)
