"""Which socket carries what: pins, stickiness, room, balance, and the difference between two plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickertui.market.ticks import Mode
from tickertui.services.plan.assignments import diff
from tickertui.services.plan.placement import (
    NO_CONNECTION,
    NO_PIN,
    AccountSlots,
    Assignments,
    PlacementLimits,
    Wanted,
    place,
)

Z1, Z2, Z3 = AccountSlots("Z1", 0), AccountSlots("Z2", 3), AccountSlots("Z3", 6)
TINY = PlacementLimits(per_socket=4, comfortable=2, slack=0)


def wanted(
    count: int,
    *,
    first: int = 1,
    pins: Mapping[int, str] | None = None,
    groups: Sequence[int] | None = None,
    ranks: Sequence[int] | None = None,
    modes: Mapping[int, Mode] | None = None,
) -> Wanted:
    """Tokens from `first` on, the first one the most important, all of one group, unless told otherwise."""
    pins, modes = pins or {}, modes or {}
    names = tuple(sorted(set(pins.values())))
    tokens = list(range(first, first + count))
    return Wanted(
        tokens=np.array(tokens, dtype=np.int64),
        modes=np.array([modes.get(token, Mode.FULL) for token in tokens], dtype=np.int64),
        ranks=np.array(range(count) if ranks is None else ranks, dtype=np.int64),
        groups=np.array([0] * count if groups is None else groups, dtype=np.int64),
        pins=np.array([names.index(pins[token]) if token in pins else NO_PIN for token in tokens], dtype=np.int64),
        pin_names=names,
    )


def where(assignments: Assignments) -> dict[int, int]:
    return dict(zip(assignments.tokens.tolist(), assignments.connections.tolist(), strict=True))


def loads(assignments: Assignments) -> list[int]:
    return [assignments.loads.get(number, 0) for one in assignments.slots for number in one.connections]


# ---------------------------------------------------------------------- sockets of one account


def test_a_few_hundred_instruments_take_one_socket() -> None:
    assert loads(place(wanted(652), [Z1], {}, PlacementLimits())) == [652, 0, 0]


def test_the_second_socket_is_opened_at_a_thousand_and_then_the_third() -> None:
    assert loads(place(wanted(1_900), [Z1], {}, PlacementLimits())) == [1_000, 900, 0]
    assert loads(place(wanted(2_988), [Z1], {}, PlacementLimits())) == [1_000, 1_000, 988]


def test_a_group_that_exceeds_the_thousand_by_little_is_not_split() -> None:
    before = place(wanted(988), [Z1], {}, PlacementLimits())
    after = place(wanted(1_030), [Z1], before, PlacementLimits())
    assert loads(after) == [1_030, 0, 0]


def test_beyond_three_thousand_the_sockets_grow_evenly() -> None:
    heaviest = max(loads(place(wanted(6_000), [Z1], {}, PlacementLimits())))
    assert heaviest <= 2_100
    assert loads(place(wanted(9_000), [Z1], {}, PlacementLimits())) == [3_000, 3_000, 3_000]


def test_nothing_moves_for_the_sake_of_balance() -> None:
    crooked = dict.fromkeys(range(1, 2_501), 1)
    after = place(wanted(2_501), [Z1], crooked, PlacementLimits())
    assert loads(after) == [1, 2_500, 0]
    assert where(after)[2_501] == 0


# ---------------------------------------------------------------------- accounts


def test_a_new_group_goes_to_the_least_loaded_account_whole() -> None:
    groups = [0] * 300 + [1] * 300
    after = place(wanted(600, groups=groups), [Z1, Z2], {}, PlacementLimits())
    assert {after.account_of(where(after)[token]) for token in range(1, 301)} == {"Z1"}
    assert {after.account_of(where(after)[token]) for token in range(301, 601)} == {"Z2"}


def test_what_is_added_to_a_group_joins_it() -> None:
    groups = [0] * 10 + [1] * 2
    before = place(wanted(12, groups=groups), [Z1, Z2], {}, PlacementLimits())
    after = place(wanted(14, groups=[*groups, 0, 0]), [Z1, Z2], before, PlacementLimits())
    assert {where(after)[13], where(after)[14]} == {where(before)[1]}, "although the other account is emptier"


def test_a_group_that_fits_nowhere_whole_is_split() -> None:
    after = place(wanted(20), [Z1, Z2], {}, TINY)
    assert sorted([after.load_of("Z1"), after.load_of("Z2")]) == [8, 12]


def test_without_accounts_everything_stands_under_no_connection() -> None:
    after = place(wanted(5, pins={1: "Z9"}), [], {1: 0}, TINY)
    assert after.distribution == {NO_CONNECTION: dict.fromkeys(range(1, 6), Mode.FULL)}
    assert after.unassigned == {}
    assert after.account_of(NO_CONNECTION) == ""


def test_when_an_account_goes_only_its_instruments_move() -> None:
    before = place(wanted(10, groups=[0] * 5 + [1] * 5), [Z1, Z2], {}, PlacementLimits())
    after = place(wanted(10, groups=[0] * 5 + [1] * 5), [Z2], before, PlacementLimits())
    change = diff(before, after)
    assert sorted(token for way in change.move.values() for token in way) == [1, 2, 3, 4, 5]
    assert change.unchanged == 5
    back = place(wanted(10, groups=[0] * 5 + [1] * 5), [Z1, Z2], after, PlacementLimits())
    assert diff(after, back).is_empty, "an account that comes back takes nothing away from others"


# ---------------------------------------------------------------------- pins


def test_a_pin_is_honoured_and_moves_what_is_elsewhere() -> None:
    before = place(wanted(3), [Z1, Z2], {}, TINY)
    after = place(wanted(3, pins={2: "Z2"}), [Z1, Z2], before, TINY)
    assert after.account_of(where(after)[2]) == "Z2"
    assert diff(before, after).unchanged == 2


def test_what_is_pinned_to_an_absent_account_waits_for_it() -> None:
    before = place(wanted(3, pins={2: "Z2"}), [Z1, Z2], {}, TINY)
    away = place(wanted(3, pins={2: "Z2"}), [Z1], before, TINY)
    assert 2 not in where(away)
    assert away.unassigned == {2: "pinned to Z2, which cannot be used now; unpin it, or log Z2 in"}
    back = place(wanted(3, pins={2: "Z2"}), [Z1, Z2], away, TINY)
    assert back.account_of(where(back)[2]) == "Z2"
    assert back.unassigned == {}


def test_what_is_pinned_may_spill_over_and_comes_home() -> None:
    limits = PlacementLimits(per_socket=4, comfortable=2, slack=0, spill_pinned=True)
    pinned = wanted(3, pins={2: "Z2"})
    away = place(pinned, [Z1], {2: 3}, limits)
    assert away.account_of(where(away)[2]) == "Z1"
    back = place(pinned, [Z1, Z2], away, limits)
    assert back.account_of(where(back)[2]) == "Z2"


def test_the_least_important_make_room_for_a_pin() -> None:
    before = place(wanted(12), [Z1], {}, TINY)
    after = place(wanted(13, pins={13: "Z1"}, ranks=[*range(1, 13), 0]), [Z1, Z2], before, TINY)
    assert after.account_of(where(after)[13]) == "Z1"
    assert after.account_of(where(after)[12]) == "Z2"
    assert diff(before, after).unchanged == 11


def test_more_pins_than_an_account_has_room_for() -> None:
    pins = dict.fromkeys(range(1, 15), "Z1")
    after = place(wanted(14, pins=pins), [Z1, Z2], {}, TINY)
    assert after.load_of("Z1") == 12
    assert after.unassigned == dict.fromkeys((13, 14), "pinned to Z1, which is full with 12 instruments")


# ---------------------------------------------------------------------- too little room


def test_who_is_left_out_is_the_least_important_whoever_was_there_first() -> None:
    before = place(wanted(12), [Z1], {}, TINY)
    assert before.unassigned == {}
    newcomer = wanted(13, ranks=[*range(1, 13), 0])
    after = place(newcomer, [Z1], before, TINY)
    assert list(after.unassigned) == [12]
    assert "12 instruments" in after.unassigned[12]
    assert place(newcomer, [Z1], {}, TINY).unassigned == after.unassigned, "what was there before does not matter"


def test_what_was_left_out_is_placed_when_room_appears() -> None:
    full = place(wanted(15), [Z1], {}, TINY)
    assert list(full.unassigned) == [13, 14, 15]
    after = place(wanted(15), [Z1, Z2], full, TINY)
    assert after.unassigned == {}
    change = diff(full, after)
    assert sorted(change.add[3]) == [13, 14]
    assert change.unchanged == 12


def test_twenty_seven_thousand_over_three_accounts() -> None:
    after = place(wanted(27_001), [Z1, Z2, Z3], {}, PlacementLimits())
    assert loads(after) == [3_000] * 9
    assert list(after.unassigned) == [27_001]


def test_a_lowered_limit_moves_what_no_longer_fits() -> None:
    before = place(wanted(10), [Z1], {}, PlacementLimits(per_socket=10, comfortable=10))
    after = place(wanted(10), [Z1], before, TINY)
    assert max(loads(after)) == 4
    assert diff(before, after).unchanged == 4


# ---------------------------------------------------------------------- difference


def test_add_remove_move_and_mode_by_connection() -> None:
    old = Assignments.of({0: {1: Mode.FULL, 2: Mode.FULL, 3: Mode.QUOTE}, 3: {4: Mode.LTP, 5: Mode.LTP}}, [Z1, Z2])
    new = Assignments.of({0: {1: Mode.FULL, 2: Mode.QUOTE, 6: Mode.LTP}, 4: {4: Mode.FULL, 5: Mode.LTP}}, [Z1, Z2])
    change = diff(old, new)
    assert change.add == {0: {6: Mode.LTP}}
    assert change.remove == {0: {3: Mode.QUOTE}}
    assert change.move == {(3, 4): {4: Mode.FULL, 5: Mode.LTP}}
    assert change.mode == {0: {2: Mode.QUOTE}}
    assert change.unchanged == 1
    assert not change.is_empty
    assert diff(new, new).is_empty
    assert diff(Assignments.none(), Assignments.none()).is_empty


def test_labels_and_lookups() -> None:
    plan = Assignments.of({4: {7: Mode.FULL}}, [Z1, Z2])
    assert plan.label(4) == "Z2/s2"
    assert plan.label(99) == ""
    assert plan.load_of("Z2") == 1
    assert plan.load_of("Z9") == 0


@pytest.mark.parametrize("nonsense", [{"per_socket": 0}, {"comfortable": 0}, {"slack": -1}])
def test_impossible_limits_are_refused(nonsense: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        PlacementLimits(**nonsense)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- properties


@st.composite
def situations(draw: st.DrawFn) -> tuple[Wanted, list[AccountSlots], dict[int, int], PlacementLimits]:
    tokens = draw(st.lists(st.integers(1, 60), unique=True, max_size=40).map(sorted))
    names = ("Z1", "Z2", "Z3", "Z9")
    pins = [draw(st.integers(NO_PIN, 3)) if draw(st.booleans()) else NO_PIN for _ in tokens]
    want = Wanted(
        tokens=np.array(tokens, dtype=np.int64),
        modes=np.full(len(tokens), Mode.FULL, dtype=np.int64),
        ranks=np.array(draw(st.permutations(range(len(tokens)))), dtype=np.int64),
        groups=np.array([draw(st.integers(0, 3)) for _ in tokens], dtype=np.int64),
        pins=np.array(pins, dtype=np.int64),
        pin_names=names,
    )
    slots = draw(st.lists(st.sampled_from([Z1, Z2, Z3]), unique=True, max_size=3))
    previous = draw(st.dictionaries(st.integers(1, 60), st.integers(-1, 8), max_size=40))
    limits = PlacementLimits(
        per_socket=draw(st.integers(1, 6)),
        comfortable=draw(st.integers(1, 6)),
        slack=draw(st.integers(0, 3)),
        spill_pinned=draw(st.booleans()),
    )
    return want, slots, previous, limits


@settings(max_examples=300)
@given(situations())
def test_every_placement_keeps_the_rules(
    situation: tuple[Wanted, list[AccountSlots], dict[int, int], PlacementLimits],
) -> None:
    want, slots, previous, limits = situation
    after = place(want, slots, previous, limits)
    placed = where(after)
    assert sorted([*placed, *after.unassigned]) == want.tokens.tolist(), "placed or left out with a reason"
    if not slots:
        return
    assert all(after.slots_of(connection) in slots for connection in placed.values())
    assert max(after.loads.values(), default=0) <= limits.per_socket
    usable = {one.account for one in slots}
    pins = {
        token: want.pin_names[pin]
        for token, pin in zip(want.tokens.tolist(), want.pins.tolist(), strict=True)
        if pin >= 0
    }
    for token, connection in placed.items():
        pin = pins.get(token)
        if pin in usable or (pin and not limits.spill_pinned):
            assert after.account_of(connection) == pin
    again = place(want, slots, after, limits)
    assert diff(after, again).is_empty, "the same wish once more changes nothing"
    assert again.unassigned == after.unassigned
    room = {one.account: 3 * limits.per_socket - after.load_of(one.account) for one in slots}
    for token in after.unassigned:
        pin = pins.get(token)
        if pin in usable:
            assert room[str(pin)] == 0
        elif pin is None or limits.spill_pinned:
            assert not any(room.values()), "nobody is left out while there is room"
    if not pins and len(want) <= 3 * limits.per_socket * len(slots):
        overloaded = {
            connection
            for connection in previous.values()
            if sum(previous.get(token) == connection for token in want.tokens.tolist()) > limits.per_socket
        }
        for token in placed:
            old = previous.get(token, -1)
            if after.slots_of(old) is not None and old not in overloaded:
                assert placed[token] == old, "what can stay stays"
