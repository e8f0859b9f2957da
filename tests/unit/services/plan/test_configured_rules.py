"""What the `[[rules]]` of a configuration mean for the rules that are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickertui.market.configured_rules import ConfiguredChanges, EntryMatch, match_entries
from tickertui.market.subscriptions import ChainRule
from tickertui.market.ticks import Mode
from tickertui.services.plan.configured_rules import entries_of_texts, old_text

NIFTY, SENSEX, BANK = ChainRule(0, "NIFTY", 2), ChainRule(0, "SENSEX", 1), ChainRule(0, "BANKNIFTY", 1)
WIDER = replace(NIFTY, strikes=60)
D26, D27 = date(2026, 12, 8), date(2027, 12, 8)


def stored(rule: ChainRule, rule_id: int) -> ChainRule:
    return replace(rule, rule_id=rule_id)


def places(changes: ConfiguredChanges) -> list[int | None]:
    return [match.rule_id for match in changes.matches]


def test_a_first_look_adds_everything_once() -> None:
    changes = match_entries([NIFTY, SENSEX, NIFTY], [], [])
    assert changes.matches == (EntryMatch(NIFTY, None), EntryMatch(SENSEX, None))
    assert changes.added == (NIFTY, SENSEX)
    assert changes


def test_a_rule_that_is_there_stands_for_an_entry() -> None:
    changes = match_entries([NIFTY, SENSEX], [], [stored(NIFTY, 4)])
    assert places(changes) == [4, None]
    assert changes.added == (SENSEX,)


def test_entries_that_only_moved_change_nothing() -> None:
    changes = match_entries([SENSEX, NIFTY], [stored(NIFTY, 1), stored(SENSEX, 2)], [stored(NIFTY, 1)])
    assert places(changes) == [2, 1], "SENSEX was dropped, and stays dropped"
    assert not changes


def test_an_edited_entry_changes_its_rule() -> None:
    changes = match_entries([SENSEX, WIDER], [stored(NIFTY, 1), stored(SENSEX, 2)],
                            [stored(NIFTY, 1), stored(SENSEX, 2)])  # fmt: skip
    ((before, after),) = changes.replaced
    assert (before, after) == (NIFTY, WIDER)
    assert (before.rule_id, after.rule_id) == (1, 1)
    assert places(changes) == [2, 1]
    assert changes
    assert changes.added == changes.released == ()


def test_an_edit_keeps_what_the_trader_changed_in_the_program() -> None:
    pinned = stored(replace(NIFTY, preferred_account="Z1"), 1)
    assert not match_entries([NIFTY], [stored(NIFTY, 1)], [pinned]), "the entry says what it said"
    ((_, after),) = match_entries([WIDER], [stored(NIFTY, 1)], [pinned]).replaced
    assert after == replace(WIDER, preferred_account="Z1")
    on_z2 = replace(NIFTY, preferred_account="Z2")
    ((_, after),) = match_entries([on_z2], [stored(NIFTY, 1)], [pinned]).replaced
    assert after == on_z2, "the edit is about just that"


def test_an_edit_to_what_the_rule_is_already_changes_nothing() -> None:
    changes = match_entries([WIDER], [stored(NIFTY, 1)], [stored(WIDER, 1)])
    assert (places(changes), bool(changes)) == ([1], False)


def test_an_edit_to_what_another_rule_says_leaves_that_one() -> None:
    changes = match_entries([WIDER], [stored(NIFTY, 1)], [stored(NIFTY, 1), stored(WIDER, 5)])
    ((before, after),) = changes.replaced
    assert (before.rule_id, after.rule_id) == (1, 5)
    assert places(changes) == [5]


def test_a_dropped_rule_comes_back_when_its_entry_says_something_else() -> None:
    assert places(match_entries([NIFTY], [stored(NIFTY, 1)], [])) == [1]
    changes = match_entries([WIDER], [stored(NIFTY, 1)], [])
    assert changes.added == (WIDER,)


def test_another_underlying_at_the_same_place_is_an_edit() -> None:
    rules = [stored(NIFTY, 1), stored(SENSEX, 2)]
    ((before, after),) = match_entries([BANK, SENSEX], rules, rules).replaced
    assert (before.rule_id, after.rule_id) == (1, 1)
    assert after == replace(BANK, expiry_count=1)
    changes = match_entries([BANK, NIFTY, SENSEX], rules, rules)
    assert (changes.added, changes.replaced) == ((BANK,), ()), "one more in front is none"


def test_several_entries_of_one_underlying_are_told_apart_by_their_order() -> None:
    near, far = ChainRule(0, "NIFTY", 1, strikes=20), ChainRule(0, "NIFTY", 4, strikes=5)
    rules = [stored(near, 1), stored(far, 2)]
    changes = match_entries([replace(near, strikes=30), replace(far, strikes=7)], rules, rules)
    assert [(one.rule_id, other.strikes) for one, other in changes.replaced] == [(1, 30), (2, 7)]
    changes = match_entries([near, replace(far, strikes=7)], rules, rules)
    assert [(one.rule_id, other.strikes) for one, other in changes.replaced] == [(2, 7)]


def test_an_entry_that_is_gone_leaves_its_rule() -> None:
    changes = match_entries([], [stored(NIFTY, 1), stored(SENSEX, 2)], [stored(NIFTY, 1)])
    assert changes.released == (NIFTY,), "SENSEX was dropped before"
    assert not changes


def test_next_year_is_another_expiry() -> None:
    this, following = ChainRule(0, "NIFTY", expiries=(D26,)), ChainRule(0, "NIFTY", expiries=(D27,))
    ((_, after),) = match_entries([following], [stored(this, 1)], [stored(this, 1)]).replaced
    assert after.expiries == (D27,)


# ---------------------------------------------------------------------- for every history

ENTRIES = st.lists(
    st.builds(
        ChainRule, st.just(0), st.sampled_from(["NIFTY", "SENSEX", "M&M"]), st.integers(1, 3),
        strikes=st.sampled_from([10, 20]), mode=st.sampled_from([Mode.FULL, Mode.LTP]),
    ),
    max_size=4, unique=True,
)  # fmt: skip


class Book:
    """Rules and memory as a store keeps them."""

    def __init__(self) -> None:
        self.rules: dict[int, ChainRule] = {}
        self.remembered: list[ChainRule] = []
        self.highest = 0

    def add(self, rule: ChainRule) -> int:
        self.highest += 1
        self.rules[self.highest] = stored(rule, self.highest)
        return self.highest

    def sync(self, entries: Sequence[ChainRule]) -> ConfiguredChanges:
        changes = match_entries(entries, self.remembered, list(self.rules.values()))
        for before, after in changes.replaced:
            if before.rule_id == after.rule_id:
                self.rules[before.rule_id] = after
            else:
                del self.rules[before.rule_id]
        self.remembered = [
            stored(one.entry, self.add(one.entry) if one.rule_id is None else one.rule_id) for one in changes.matches
        ]
        return changes


@given(st.lists(st.tuples(ENTRIES, st.booleans()), min_size=1, max_size=5), ENTRIES)
def test_whatever_is_edited_and_dropped_the_rules_are_what_was_said_last(
    history: list[tuple[list[ChainRule], bool]], by_hand: list[ChainRule]
) -> None:
    book = Book()
    for rule in by_hand:
        book.add(rule)
    dropped: set[ChainRule] = set()
    for entries, drops in history:
        before = set(book.remembered)
        book.sync(entries)
        said = set(book.rules.values())
        assert set(entries) - dropped <= said, "what is said is there"
        assert not (set(entries) - before) - said, "also what was dropped in another form"
        assert not book.sync(entries), "said again it changes nothing"
        assert not book.sync(list(reversed(entries))), "nor in another order"
        assert len(said) == len(book.rules), "no rule twice"
        dropped &= set(entries) & before
        if drops and book.remembered:
            gone = book.rules.pop(book.remembered[0].rule_id, None)
            dropped |= {gone} if gone is not None else set()


# ---------------------------------------------------------------------- what earlier versions remembered


@pytest.mark.parametrize(
    ("entries", "texts", "rules", "ids"),
    [
        ([NIFTY, SENSEX], [NIFTY], [stored(NIFTY, 3)], [3]),
        ([NIFTY], [NIFTY], [], [0]),
        ([ChainRule(0, "NIFTY", expiries=(D27,))], [ChainRule(0, "NIFTY", expiries=(D26,))],
         [ChainRule(7, "NIFTY", expiries=(D26,))], [7]),
        ([ChainRule(0, "NIFTY", expiries=(D26,)), ChainRule(0, "NIFTY", expiries=(D27,))],
         [ChainRule(0, "NIFTY", expiries=(D26,))], [ChainRule(7, "NIFTY", expiries=(D26,))], [7]),
        ([replace(NIFTY, include_future=False)], [NIFTY], [stored(NIFTY, 3)], [3]),
        ([SENSEX, WIDER], [SENSEX, NIFTY, BANK], [stored(SENSEX, 1), stored(NIFTY, 3), stored(BANK, 2)], [1, 3]),
        ([WIDER], [SENSEX], [stored(SENSEX, 1), stored(NIFTY, 3)], []),
    ],
)  # fmt: skip
def test_texts_of_earlier_versions_are_read(
    entries: list[ChainRule], texts: list[ChainRule], rules: list[ChainRule], ids: list[int]
) -> None:
    found = entries_of_texts([old_text(rule) for rule in texts], entries, rules)
    assert [rule.rule_id for rule in found] == ids


def test_the_texts_are_those_that_earlier_versions_wrote() -> None:
    rule = ChainRule(0, "NIFTY", 1, (D26, D27), None, Mode.LTP, "Z1", include_future=False)
    assert old_text(rule) == "NIFTY 08 Dec, 08 Dec all strikes ltp @Z1 without future"
    assert old_text(NIFTY) == "NIFTY next 2 ATM±40 full"
