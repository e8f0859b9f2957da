"""The legs of the plan as columns: what is read of them is what rows would say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.fake_backend import a_leg
from tests.support.prepared_backend import prepared_backend
from tickertui.market.instruments import InstrumentTable
from tickertui.market.ticks import Mode
from tickertui.services.plan.legs import NO_LEGS, Legs

EMPTY = InstrumentTable.from_instruments(())
ROWS = (
    replace(a_leg(1, "A"), owners=(1,)),
    replace(a_leg(2, "B"), owners=(1, 2), mode=Mode.QUOTE, connection=-1),
    replace(a_leg(3, "C"), owners=(2,), account="Z2", connection=4),
    replace(a_leg(4, "D"), owners=(2,), account="Z2"),
)
LEGS = Legs.of(ROWS, EMPTY)


def test_rows_come_back_as_they_were() -> None:
    assert tuple(LEGS) == ROWS
    assert (LEGS[0], LEGS[-1]) == (ROWS[0], ROWS[-1])
    assert tuple(LEGS[1:3]) == ROWS[1:3]
    assert (len(LEGS), len(NO_LEGS), bool(NO_LEGS)) == (4, 0, False)
    with pytest.raises(IndexError):
        LEGS[4]


def test_legs_are_selected_by_account_and_rule_and_found_by_token() -> None:
    assert tuple(LEGS.select(LEGS.accounts.where(lambda name: name == "Z2"))) == ROWS[2:]
    assert tuple(LEGS.select(LEGS.asked_for_by(1))) == ROWS[:2]
    assert tuple(LEGS.select(LEGS.asked_for_by(2))) == ROWS[1:]
    assert not LEGS.select(LEGS.asked_for_by(12))
    assert not NO_LEGS.select(NO_LEGS.asked_for_by(1))
    assert LEGS.find(3) == ROWS[2]
    assert LEGS.find(9) is None


def test_legs_are_counted_by_owner_and_account() -> None:
    assert sorted(LEGS.counts()) == [((1,), "Z1", 1), ((1, 2), "Z1", 1), ((2,), "Z2", 2)]
    assert list(NO_LEGS.counts()) == []


def test_particulars_are_those_of_the_contracts() -> None:
    backend = prepared_backend()
    legs = backend.legs()
    for place in (0, 1, 60, -1):
        contract = backend.table.get(legs[place].token)
        assert contract is not None
        about = legs.terms
        assert (about.underlyings[place], about.strikes[place]) == (contract.name, contract.strike)
        assert contract.expiry is not None
        assert about.expiries[place] == contract.expiry.toordinal()
