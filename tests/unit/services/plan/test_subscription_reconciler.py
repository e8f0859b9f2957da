"""The reconciler, situation by situation: rules, singles, expiry, unknown contracts, following the spot, costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from tests.support.fakes import chain_of, run_at_once, table_of
from tests.support.planning import (
    M23,
    M29,
    NIFTY_DEC_FUTURE,
    NIFTY_INDEX,
    NIFTY_NOV_FUTURE,
    NOW,
    S26,
    SENSEX_INDEX,
    SHARE,
    W01,
    W08,
    Z1,
    Z2,
    PlanningRig,
    a_day,
    nifty_chain,
)
from tickertui.market.clock import IST
from tickertui.market.instruments import InstrumentKind
from tickertui.market.subscriptions import ChainRule, SubscriptionStatus
from tickertui.market.ticks import Mode
from tickertui.services.plan.desired_plan import SINGLES
from tickertui.services.plan.placement import NO_CONNECTION, AccountSlots, PlacementLimits
from tickertui.services.plan.status import PlanLine, Unplaced
from tickertui.services.plan.subscription_reconciler import PreparedReload
from tickertui.services.plan.subscription_reloader import SubscriptionReloader
from tickertui.store.protocol import PlanChanges, StoreBusy

NIFTY_2X3 = ChainRule(0, "NIFTY", 2, strikes=3)


def lines(prepared: PreparedReload) -> list[tuple[str, int, str, str]]:
    return [(line.action, line.count, line.label, line.detail) for line in prepared.plan.lines]


def tokens(prepared: PreparedReload) -> set[int]:
    return set(prepared.assignments.tokens.tolist())


# ---------------------------------------------------------------------- plan


def test_nothing_wanted_is_an_empty_plan() -> None:
    desk = PlanningRig()
    prepared = desk.reload()
    assert prepared.plan.is_empty
    assert len(prepared.desired) == 0
    assert desk.store.writes == []
    assert desk.reconciler.next_expiry_instant() is None
    assert len(desk.reconciler.watched()) == 0


def test_a_rule_is_legs_index_and_nearest_future() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    prepared = desk.reload()
    assert prepared.plan.added == 2 * 7 * 2 + 2
    assert {NIFTY_INDEX, NIFTY_NOV_FUTURE.token} <= tokens(prepared)
    assert lines(prepared) == [
        ("add", 1, "NIFTY future 23Nov", "→ Z1/s1 (0 → 30)"),
        ("add", 14, "NIFTY M23Nov 24,200..24,500 CE/PE", "→ Z1/s1 (0 → 30)"),
        ("add", 14, "NIFTY W01Dec 24,200..24,500 CE/PE", "→ Z1/s1 (0 → 30)"),
        ("add", 1, "NIFTY 50", "→ Z1/s1 (0 → 30)"),
    ]
    assert prepared.plan.load_after == (("Z1", 30, 9_000), ("Z2", 0, 9_000))
    assert prepared.plan.backfill_requests == 30
    (status,) = desk.reconciler.rules()
    assert (status.legs, status.centre, status.expiries, status.detail) == (30, 24_350.0, (M23, W01), "")


def test_index_and_future_are_full_whatever_the_rule_asks_for() -> None:
    desk = PlanningRig()
    desk.store.rule(replace(NIFTY_2X3, mode=Mode.QUOTE))
    modes = desk.reload().distribution[0]
    assert modes[NIFTY_INDEX] is Mode.FULL
    assert modes[NIFTY_NOV_FUTURE.token] is Mode.FULL
    assert modes[desk.find(M23, 24_350, "CE").token] is Mode.QUOTE


def test_a_rule_without_its_future() -> None:
    desk = PlanningRig()
    desk.store.rule(replace(NIFTY_2X3, include_future=False))
    assert NIFTY_NOV_FUTURE.token not in tokens(desk.reload())


def test_overlapping_wishes_are_one_subscription_in_the_highest_mode() -> None:
    desk = PlanningRig()
    leg = desk.find(M23, 24_350, "CE")
    first = desk.store.rule(replace(NIFTY_2X3, expiry_count=1, mode=Mode.QUOTE))
    second = desk.store.rule(replace(NIFTY_2X3, expiry_count=1, strikes=1, mode=Mode.FULL))
    desk.store.add(leg, Mode.LTP)
    desk.reload()
    (watched,) = [one for one in desk.reconciler.watched() if one.token == leg.token]
    assert watched.mode is Mode.FULL
    assert watched.owners == (SINGLES, first.rule_id, second.rule_id)
    desk.store.remove(second.rule_id)
    prepared = desk.reload()
    assert prepared.plan.removed == 0
    assert prepared.diff.mode == {0: {
        leg.token: Mode.QUOTE for leg in nifty_chain(M23) if leg.strike in (24_300, 24_350, 24_400)
    }}  # fmt: skip
    assert lines(prepared) == [("mode", 6, "NIFTY M23Nov 24,300..24,400 CE/PE", "full → quote  Z1/s1")]


def test_an_exchange_without_hours_is_planned_like_any_other() -> None:
    brent = chain_of("BRENT", M29, [70.0, 71.0, 72.0], first=60_000, exchange="IFSC", code=11)
    desk = PlanningRig(table=a_day(*brent))
    desk.store.rule(NIFTY_2X3)
    desk.store.rule(ChainRule(0, "BRENT", 1, strikes=None, include_future=False))
    desk.store.add(brent[0])
    prepared = desk.reload()
    assert {leg.token for leg in brent} <= tokens(prepared)
    assert NIFTY_INDEX in tokens(prepared), "the others stream on"
    assert [status.legs for status in desk.reconciler.rules()] == [30, 6]
    assert [str(name) for name in desk.registry.contracts.names_of("BRENT")] == ["M29Dec"], "what the picker lists"
    desk.clock.set(datetime(2026, 12, 29, 23, 59, tzinfo=IST))
    assert brent[0].token in tokens(desk.reload()), "on its last day it may trade to midnight"
    desk.clock.set(datetime(2026, 12, 30, 0, 0, tzinfo=IST))
    assert brent[0].token not in tokens(desk.reload())


def test_named_expiries() -> None:
    desk = PlanningRig()
    desk.store.rule(ChainRule(0, "NIFTY", expiries=(W08, M29), strikes=1))
    desk.reload()
    assert desk.reconciler.rules()[0].expiries == (W08, M29)


def test_a_rule_that_is_switched_off_asks_for_nothing() -> None:
    desk = PlanningRig()
    rule = desk.store.rule(NIFTY_2X3)
    desk.reload()
    desk.store.change(replace(rule, enabled=False))
    prepared = desk.reload()
    assert prepared.plan.removed == 30
    assert all("(rule switched off)" in detail for _, _, _, detail in lines(prepared))
    assert desk.reconciler.rules()[0].detail == "switched off"
    assert desk.reconciler.underlyings == ()


def test_a_share_is_a_single_subscription_like_any_other() -> None:
    desk = PlanningRig()
    desk.store.add(SHARE, Mode.LTP)
    prepared = desk.reload()
    assert prepared.distribution == {0: {SHARE.token: Mode.LTP}}
    assert lines(prepared) == [("add", 1, "RELIANCE", "→ Z1/s1 (0 → 1)")]
    desk.store.end(SHARE.token)
    assert lines(desk.reload()) == [("remove", 1, "RELIANCE", "← Z1/s1 (subscription ended)")]


def test_the_typed_plan_can_be_had_alone_and_placed_by_itself() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    plan = run_at_once(desk.reconciler.load_subscription_plan())
    assert plan.revision == 1
    assert plan.modes[NIFTY_INDEX] is Mode.FULL
    placed = desk.reconciler.build_assignments(plan, [Z2])
    assert set(placed.distribution) == {3}
    change = desk.reconciler.diff(desk.reconciler.assignments, placed)
    assert len(change.added) == len(plan)
    assert desk.reconciler.desired is None, "nothing is in force"


# ---------------------------------------------------------------------- in force, and not


def test_a_plan_that_is_dropped_leaves_no_trace() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    desk.reload()
    before = desk.reconciler.desired
    desk.store.rule(ChainRule(0, "SENSEX", 1, strikes=2))
    desk.spots["NIFTY"] = 24_900.0
    first, second = desk.prepare(), desk.prepare()
    assert desk.reconciler.desired is before
    assert first.plan == second.plan
    assert len(desk.store.writes) == 1


def test_a_reload_writes_once_and_only_what_changed() -> None:
    desk = PlanningRig()
    rule = desk.store.rule(NIFTY_2X3)
    desk.reload()
    assert [len(write.assigned) for write in desk.store.writes] == [30]
    desk.reload()
    assert len(desk.store.writes) == 1, "nothing changed, nothing is written"
    desk.store.change(replace(rule, strikes=2))
    desk.reload()
    assert len(desk.store.writes) == 2
    assert desk.store.writes[1].assigned == ()
    assert len(desk.store.writes[1].released) == 8
    assert desk.store.reads == 1, "what one has written oneself need not be read again"


def test_when_the_store_cannot_be_written_the_plan_before_stays_in_force() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    desk.store.failure = StoreBusy("another process holds the database")
    with pytest.raises(StoreBusy):
        desk.reload()
    assert desk.reconciler.desired is None
    assert desk.reload().plan.added == 30
    assert len(desk.store.assignments) == 30


def test_a_terminal_that_only_looks_writes_nothing() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    prepared = desk.prepare()
    run_at_once(desk.reconciler.commit(prepared, write=False))
    assert desk.store.writes == []
    assert len(desk.reconciler.watched()) == 30


def test_a_plan_is_overtaken_by_the_store_the_contracts_or_an_expiry() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    prepared = desk.prepare()
    assert run_at_once(desk.reconciler.is_current(prepared))
    desk.store.rule(NIFTY_2X3)
    assert not run_at_once(desk.reconciler.is_current(prepared))
    prepared = desk.prepare()
    desk.registry.replace(a_day(), NOW.date())
    assert not run_at_once(desk.reconciler.is_current(prepared))
    prepared = desk.prepare()
    desk.clock.set(datetime(2026, 11, 23, 15, 40, tzinfo=IST))
    assert not run_at_once(desk.reconciler.is_current(prepared))


# ---------------------------------------------------------------------- placement through the store


def test_after_a_restart_everything_is_where_it_was() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    desk.store.rule(ChainRule(0, "SENSEX", 1, strikes=3))
    before = desk.reload().assignments
    desk.restarted()
    desk.slots.reverse()
    after = desk.reload().assignments
    assert after.distribution == before.distribution
    assert len(desk.store.writes) == 1


def test_a_token_that_is_used_again_does_not_inherit_a_place() -> None:
    desk = PlanningRig()
    leg = desk.find(M23, 24_350, "CE")
    desk.slots = [Z2]
    desk.store.add(leg)
    desk.reload()
    desk.clock.set(datetime(2026, 11, 24, 9, 0, tzinfo=IST))
    again = replace(leg, expiry=W01, tradingsymbol="ANOTHER")
    others = [one for one in nifty_chain(W01) if one.token != leg.token]
    desk.registry.replace(table_of([again], others), date(2026, 11, 24), bundled=True)
    desk.store.add(again)
    desk.restarted()
    desk.slots = [Z1, Z2]
    prepared = desk.reload()
    assert prepared.assignments.account_of(prepared.assignments.connections[0]) == "Z1", "least loaded, not sticky"
    assert desk.store.assignments[leg.token].expiry == W01


def test_pins_of_singles_go_before_pins_of_rules_and_survive_an_absent_account() -> None:
    desk = PlanningRig()
    leg = desk.find(M23, 24_350, "CE")
    desk.store.add(leg, pin="Z1")
    desk.store.rule(replace(NIFTY_2X3, preferred_account="Z2"))
    prepared = desk.reload()
    assert prepared.distribution[0] == {leg.token: Mode.FULL}
    assert len(prepared.distribution[3]) == 29
    desk.slots = [Z2]
    away = desk.reload()
    assert away.plan.unassigned == (), "the rule asks for it as well, and is pinned to Z2"
    assert len(away.distribution[3]) == 30
    assert desk.store.records[leg.token].preferred_account == "Z1"
    desk.slots = [Z1, Z2]
    assert desk.reload().distribution[0] == {leg.token: Mode.FULL}


def test_a_pin_that_cannot_be_followed_leaves_out_what_nobody_else_asks_for() -> None:
    desk = PlanningRig()
    desk.slots = [Z2]
    leg = desk.find(M29, 23_800, "PE")
    desk.store.add(leg, pin="Z1")
    desk.store.rule(NIFTY_2X3)
    away = desk.reload()
    assert away.plan.unassigned == (
        Unplaced(leg.tradingsymbol, "pinned to Z1, which cannot be used now; unpin it, or log Z1 in", leg.token),
    )


def test_a_rule_pinned_to_an_account_that_is_not_there_takes_nothing_from_others() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    before = desk.reload()
    desk.store.rule(replace(NIFTY_2X3, expiry_count=3, preferred_account="NOBODY"))
    after = desk.reload()
    assert (after.plan.removed, after.plan.moved) == (0, 0)
    assert after.distribution == before.distribution
    third_expiry = {leg.tradingsymbol for leg in nifty_chain(W08)}
    assert len(after.plan.unassigned) == 14, "seven strikes that only the pinned rule asks for"
    assert {unplaced.label for unplaced in after.plan.unassigned} <= third_expiry


def test_what_others_ask_for_goes_elsewhere_when_the_pinned_account_is_full() -> None:
    desk = PlanningRig(PlacementLimits(per_socket=4, comfortable=4, slack=0))
    desk.slots = [Z1, Z2]
    desk.store.rule(ChainRule(0, "NIFTY", 1, strikes=1))
    desk.store.rule(ChainRule(0, "NIFTY", 1, strikes=3, preferred_account="Z2"))
    prepared = desk.reload()
    assert prepared.plan.unassigned == (), "the two strikes that only the pinned rule asks for are on Z2"
    assert prepared.assignments.load_of("Z2") == 12
    assert prepared.assignments.load_of("Z1") == 4


def test_without_accounts_everything_is_planned_for_the_mock_and_the_store_keeps_the_places() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    desk.reload()
    kept = dict(desk.store.assignments)
    desk.slots = []
    prepared = desk.reload()
    assert set(prepared.distribution) == {NO_CONNECTION}
    assert prepared.plan.moved == 30
    assert prepared.plan.unassigned == ()
    assert ("move", 1, "NIFTY 50", "Z1/s1 → no account (mock only)") in [
        (action, count, label, detail) for action, count, label, detail in lines(prepared)
    ]
    assert desk.store.assignments == kept
    assert {one.account for one in desk.reconciler.watched()} == {""}
    desk.slots = [Z2, Z1]
    assert set(desk.reload().distribution) == {0}, "back where the store says"


def test_what_another_terminal_streams_stays_where_that_one_put_it() -> None:
    ours, theirs = PlanningRig(), PlanningRig()
    theirs.store = ours.store
    ours.slots = [Z1, AccountSlots("Z2", 3, is_ours=False)]
    theirs.slots = [AccountSlots("Z1", 0, is_ours=False), Z2]
    theirs.restarted()
    ours.store.rule(NIFTY_2X3)
    ours.store.rule(ChainRule(0, "SENSEX", 1, strikes=2))
    first = ours.reload()
    second = theirs.reload()
    assert first.distribution == second.distribution
    assert len(ours.store.writes) == 1, "both want the same: the second has nothing to write"
    theirs.slots = [Z2]
    theirs.reload()
    assert set(ours.reload().distribution) == {3}, "the other one has moved all to its own account"


def test_more_than_fits_is_listed_near_the_money_last_and_placed_when_there_is_room() -> None:
    desk = PlanningRig(PlacementLimits(per_socket=4, comfortable=4, slack=0))
    desk.slots = [Z1]
    leg = desk.find(M29, 23_800, "PE")
    desk.store.rule(replace(NIFTY_2X3, expiry_count=1))
    desk.store.add(leg)
    prepared = desk.reload()
    assert len(prepared.assignments) == 12
    assert leg.token in tokens(prepared), "what was asked for by itself goes before a rule's wings"
    assert {NIFTY_INDEX, NIFTY_NOV_FUTURE.token} <= tokens(prepared)
    out = [unplaced.label for unplaced in prepared.plan.unassigned]
    assert len(out) == 5, "16 of the rule and the single one, on 12 places"
    strikes = {instrument.tradingsymbol: instrument.strike for instrument in nifty_chain(M23)}
    assert {abs((strikes[label] or 0) - 24_350) for label in out} <= {100.0, 150.0}
    assert all("no room" in unplaced.reason for unplaced in prepared.plan.unassigned)
    desk.slots = [Z1, Z2]
    assert desk.reload().plan.unassigned == ()


# ---------------------------------------------------------------------- expiry


def test_contracts_go_at_the_expiry_instant_and_not_before() -> None:
    desk = PlanningRig()
    leg = desk.find(M23, 24_350, "CE")
    desk.store.add(leg)
    desk.store.rule(NIFTY_2X3)
    desk.reload()
    instant = datetime(2026, 11, 23, 15, 40, tzinfo=IST)
    assert desk.reconciler.next_expiry_instant() == instant
    desk.clock.set(instant - timedelta(seconds=1))
    assert desk.reload().plan.is_empty
    desk.clock.set(instant)
    assert desk.reconciler.next_expiry_instant() == instant, "until a plan without it is in force"
    prepared = desk.reload()
    assert [line for line in lines(prepared) if line[0] == "remove"] == [
        ("remove", 1, "NIFTY future 23Nov", "← Z1/s1 (expired)"),
        ("remove", 14, "NIFTY M23Nov 24,200..24,500 CE/PE", "← Z1/s1 (expired)"),
    ]
    assert NIFTY_DEC_FUTURE.token in tokens(prepared)
    assert desk.reconciler.rules()[0].expiries == (W01, W08)
    record = desk.store.records[leg.token]
    assert (record.status, record.reason) == (SubscriptionStatus.EXPIRED, "expired on 23 Nov 2026 at 15:40")
    assert desk.store.writes[-1].expired == ((leg.token, "expired on 23 Nov 2026 at 15:40"),)
    assert leg.token not in desk.store.assignments
    assert desk.reconciler.next_expiry_instant() == datetime(2026, 12, 1, 15, 40, tzinfo=IST)


def test_an_expired_single_is_told_from_the_record_even_without_contracts() -> None:
    desk = PlanningRig()
    leg = desk.find(M23, 24_350, "CE")
    desk.store.add(leg)
    desk.clock.set(datetime(2026, 11, 24, 9, 0, tzinfo=IST))
    desk.forget_contracts()
    prepared = desk.reload()
    assert prepared.desired.expired == ((leg.token, "expired on 23 Nov 2026 at 15:40"),)
    assert prepared.plan.unresolved == ()


def test_named_expiries_that_are_over_are_said_to_be() -> None:
    desk = PlanningRig()
    desk.store.rule(ChainRule(0, "NIFTY", expiries=(date(2026, 11, 17), W01), strikes=1))
    prepared = desk.reload()
    assert prepared.plan.unresolved == ()
    assert desk.reconciler.rules()[0].detail == "17 Nov 2026 is over"
    desk.clock.set(datetime(2026, 12, 1, 15, 40, tzinfo=IST))
    desk.reload()
    assert desk.reconciler.rules()[0].detail == "17 Nov 2026, 01 Dec 2026 are over"
    assert desk.reconciler.rules()[0].legs == 0


# ---------------------------------------------------------------------- unknown


def test_an_unknown_contract_is_listed_and_kept() -> None:
    desk = PlanningRig()
    desk.store.subscribe(999 << 8 | 2, "NIFTY26D0827400CE", expiry=W08)
    prepared = desk.reload()
    assert prepared.plan.unresolved == (
        Unplaced(
            "NIFTY26D0827400CE", "not among the contracts of 23 Nov; kept, in case it is listed again", 999 << 8 | 2
        ),
    )
    assert desk.store.records[999 << 8 | 2].status is SubscriptionStatus.ACTIVE
    strike = replace(nifty_chain(W08)[0], token=999 << 8 | 2, tradingsymbol="NIFTY26D0827400CE", strike=27_400.0)
    desk.registry.replace(a_day(strike), NOW.date())
    assert desk.reload().plan.added == 1


def test_a_token_that_names_another_contract_now_is_not_subscribed() -> None:
    desk = PlanningRig()
    leg = desk.find(W01, 24_350, "CE")
    desk.store.subscribe(leg.token, "NIFTY26D1524350CE", expiry=date(2026, 12, 15))
    prepared = desk.reload()
    (unresolved,) = prepared.plan.unresolved
    assert unresolved.reason == f"its token belongs to {leg.tradingsymbol} now; subscribe to the contract anew"
    assert prepared.plan.is_empty


def test_a_token_that_went_over_to_the_other_side_of_its_strike_is_not_subscribed() -> None:
    desk = PlanningRig()
    leg = desk.find(W01, 24_350, "CE")
    desk.store.add(leg)
    desk.reload()
    other = replace(leg, kind=InstrumentKind.PUT, tradingsymbol="NIFTY26D0124000PE", strike=24_000.0)
    desk.registry.replace(table_of([other if row.token == leg.token else row for row in desk.rows()]), M29)
    (unresolved,) = desk.reload().plan.unresolved
    assert unresolved.reason == "its token belongs to NIFTY26D0124000PE now; subscribe to the contract anew"
    desk.store.add(other)
    assert desk.reload().plan.unresolved == (), "what is asked for anew is what the token names now"


def test_a_leg_whose_strike_and_lot_were_adjusted_stays_where_it_streams() -> None:
    desk = PlanningRig()
    leg = desk.find(W01, 24_350, "CE")
    desk.store.add(leg)
    desk.reload()
    split = replace(leg, strike=12_175.0, lot_size=130, tradingsymbol="NIFTY26D0112175CE")
    desk.registry.replace(table_of([split if row.token == leg.token else row for row in desk.rows()]), M29)
    prepared = desk.reload()
    assert prepared.plan.unresolved == ()
    assert prepared.plan.is_empty
    assert [watched.label for watched in desk.reconciler.watched()] == ["NIFTY26D0112175CE"]


def test_a_rule_whose_name_became_several_says_which() -> None:
    desk = PlanningRig()
    desk.store.rule(ChainRule(0, "SENSEX", strikes=1))
    desk.reload()
    parts = {"FIRST": 78_800.0, "SECOND": 79_700.0}
    rows = []
    for row in desk.rows():
        if row.name == "SENSEX" and row.expiry is not None:
            name = max(parts, key=lambda part: parts[part] <= (row.strike or 0.0) and parts[part])
            row = replace(row, name=name, tradingsymbol=row.tradingsymbol.replace("SENSEX", name))
        rows.append(row)
    desk.registry.replace(table_of(rows), M29)
    (unresolved,) = desk.reload().plan.unresolved
    assert unresolved.reason == (
        "no options on SENSEX among the contracts of 29 Dec: SENSEX is now FIRST and SECOND; drop it and add another"
    )


def test_an_expiry_that_the_exchange_moved_is_the_same_contract() -> None:
    desk = PlanningRig()
    leg = desk.find(W01, 24_350, "CE")
    desk.store.subscribe(leg.token, leg.tradingsymbol, expiry=date(2026, 12, 2))
    prepared = desk.reload()
    assert prepared.plan.added == 1
    assert desk.reconciler.next_expiry_instant() == datetime(2026, 12, 1, 15, 40, tzinfo=IST)


@pytest.mark.parametrize(
    ("rule", "label", "reason"),
    [
        (
            ChainRule(0, "NIFTI"),
            "NIFTI next 1 ATM±40 full",
            "no options on NIFTI among the contracts of 23 Nov",
        ),
        (
            ChainRule(0, "NIFTY", expiries=(date(2026, 12, 9),)),
            "NIFTY 09 Dec 2026",
            "NIFTY has no expiry on 09 Dec 2026 among the contracts of 23 Nov",
        ),
    ],
)
def test_a_rule_that_names_nothing_listed_is_unresolved(rule: ChainRule, label: str, reason: str) -> None:
    desk = PlanningRig()
    desk.store.rule(rule)
    prepared = desk.reload()
    assert prepared.plan.unresolved == (Unplaced(label, reason, rule_id=1),)
    assert desk.reconciler.rules()[0].detail == reason


def test_when_every_listed_expiry_is_over_the_contracts_are_too_old() -> None:
    desk = PlanningRig()
    desk.store.rule(ChainRule(0, "NIFTY"))
    desk.clock.set(datetime(2027, 1, 4, 9, 0, tzinfo=IST))
    (unresolved,) = desk.reload().plan.unresolved
    assert unresolved.reason == "no options on NIFTY among the contracts of 23 Nov that are not over"


def test_without_contracts_everything_stays_as_it_was_and_is_said_to() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    desk.store.add(SHARE)
    before = desk.reload().distribution
    desk.forget_contracts()
    prepared = desk.reload()
    assert prepared.plan.is_empty
    assert prepared.distribution == before
    assert [one.reason for one in prepared.plan.unresolved] == [
        "today's contracts are not loaded yet; it stays as it is"
    ] * 2
    assert len(desk.store.assignments) == 31
    desk.registry.replace(a_day(), NOW.date())
    back = desk.reload()
    assert back.plan.is_empty
    assert back.plan.unresolved == ()


def test_without_contracts_what_is_over_still_goes() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    desk.reload()
    desk.forget_contracts()
    desk.clock.set(datetime(2026, 11, 23, 15, 40, tzinfo=IST))
    prepared = desk.reload()
    assert prepared.plan.removed == 15
    assert desk.reconciler.rules()[0].legs == 15
    assert desk.reload().plan.is_empty


def test_a_first_start_without_contracts_loses_nothing() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    desk.store.add(SHARE)
    before = desk.reload().distribution
    desk.restarted()
    desk.forget_contracts()
    prepared = desk.reload()
    assert tokens(prepared) == {SHARE.token}, "a token is enough to subscribe"
    assert len(desk.store.assignments) == 31
    desk.registry.replace(a_day(), NOW.date())
    assert desk.reload().distribution == before


# ---------------------------------------------------------------------- following the spot


def test_a_rule_follows_the_spot_when_it_has_been_away_for_a_while() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    desk.reload()
    desk.spots["NIFTY"] = 24_450.0
    assert not desk.reconciler.follow_spot()
    assert desk.reload().plan.is_empty, "a reload for another reason does not hurry it"
    desk.clock.advance(4.9)
    assert not desk.reconciler.follow_spot()
    desk.clock.advance(0.2)
    assert desk.reconciler.follow_spot()
    assert desk.reconciler.follow_spot(), "until a reload has been committed"
    prepared = desk.reload()
    assert lines(prepared) == [
        ("add", 4, "NIFTY M23Nov 24,550..24,600 CE/PE", "→ Z1/s1 (30 → 38)"),
        ("add", 4, "NIFTY W01Dec 24,550..24,600 CE/PE", "→ Z1/s1 (30 → 38)"),
    ]
    assert desk.reconciler.rules()[0].centre == 24_450
    assert not desk.reconciler.follow_spot()


def test_a_spot_that_swings_about_a_boundary_changes_nothing() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    desk.reload()
    for spot in (24_374.0, 24_376.0, 24_424.0, 24_426.0, 24_424.0, 24_374.0) * 5:
        desk.spots["NIFTY"] = spot
        assert not desk.reconciler.follow_spot()
        desk.clock.advance(3)
    assert desk.reload().plan.is_empty


def test_a_spot_that_comes_back_before_the_reload_moves_nothing() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    desk.reload()
    desk.spots["NIFTY"] = 24_500.0
    desk.reconciler.follow_spot()
    desk.clock.advance(6)
    assert desk.reconciler.follow_spot()
    desk.spots["NIFTY"] = 24_350.0
    assert desk.reload().plan.is_empty
    assert not desk.reconciler.follow_spot()


def test_a_single_bad_price_moves_nothing() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    desk.reload()
    desk.spots["NIFTY"] = 1.0
    assert not desk.reconciler.follow_spot()
    desk.clock.advance(3)
    desk.spots["NIFTY"] = 24_350.0
    assert not desk.reconciler.follow_spot()
    desk.clock.advance(3)
    assert not desk.reconciler.follow_spot()


def test_all_strikes_need_not_follow() -> None:
    desk = PlanningRig()
    desk.store.rule(ChainRule(0, "NIFTY", 1, strikes=None))
    desk.reload()
    desk.spots["NIFTY"] = 24_800.0
    desk.reconciler.follow_spot()
    desk.clock.advance(60)
    assert not desk.reconciler.follow_spot()


def test_before_there_is_a_spot_a_rule_is_centred_on_a_guess() -> None:
    desk = PlanningRig()
    desk.spots.clear()
    desk.store.rule(NIFTY_2X3)
    desk.reload()
    (status,) = desk.reconciler.rules()
    assert status.centre is None
    assert status.detail == "no price of NIFTY yet: centred on a guess"
    assert status.legs == 30
    assert not desk.reconciler.follow_spot()
    desk.spots["NIFTY"] = 24_300.0
    assert desk.reconciler.follow_spot(), "at once"
    desk.reload()
    assert desk.reconciler.rules()[0].centre == 24_300
    assert not desk.reconciler.follow_spot()


def test_after_a_restart_the_guess_is_what_was_there() -> None:
    desk = PlanningRig()
    desk.spots["NIFTY"] = 23_950.0
    desk.store.rule(NIFTY_2X3)
    before = desk.reload()
    desk.restarted()
    desk.spots.clear()
    after = desk.reload()
    assert after.distribution == before.distribution
    assert len(desk.store.writes) == 1


def test_a_strike_that_is_listed_during_the_day_joins_its_chain() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    desk.reload()
    strike = chain_of("NIFTY", W01, [24_375.0], first=19_000)
    desk.registry.replace(a_day(*strike), NOW.date())
    prepared = desk.reload()
    assert lines(prepared) == [("add", 2, "NIFTY W01Dec 24,375 CE/PE", "→ Z1/s1 (30 → 32)")]


def test_a_strike_that_is_gone_from_the_contracts_is_let_go() -> None:
    desk = PlanningRig()
    desk.store.rule(replace(NIFTY_2X3, expiry_count=1))
    desk.reload()
    gone = {desk.find(M23, 24_500, "CE").token, desk.find(M23, 24_500, "PE").token}
    rest = [desk.table.instrument(row) for row in range(len(desk.table)) if int(desk.table.tokens[row]) not in gone]
    desk.registry.replace(table_of(rest), NOW.date())
    assert lines(desk.reload()) == [
        ("add", 2, "NIFTY M23Nov 24,550 CE/PE", "→ Z1/s1 (16 → 16)"),
        ("remove", 2, "NIFTY M23Nov 24,500 CE/PE", "← Z1/s1 (not listed any more)"),
    ]


def test_a_narrowed_rule_lets_its_wings_go_at_once() -> None:
    desk = PlanningRig()
    rule = desk.store.rule(replace(NIFTY_2X3, expiry_count=1))
    desk.reload()
    desk.store.change(replace(rule, strikes=2))
    assert lines(desk.reload()) == [
        ("remove", 4, "NIFTY M23Nov 24,200..24,500 CE/PE", "← Z1/s1 (out of the rule's range)"),
    ]
    desk.store.remove(rule.rule_id)
    assert {detail for _, _, _, detail in lines(desk.reload())} == {"← Z1/s1 (rule removed)"}


# ---------------------------------------------------------------------- costs


def test_what_a_rule_would_cost() -> None:
    desk = PlanningRig()
    desk.store.rule(replace(NIFTY_2X3, expiry_count=1))
    desk.reload()
    cost = desk.reconciler.what_if(replace(NIFTY_2X3, strikes=4))
    assert (cost.legs, cost.new_legs, cost.fits) == (38, 22, True)
    assert cost.account_loads == (("Z1", 22, 38, 9_000), ("Z2", 0, 0, 9_000))
    assert cost.sockets == 0
    assert cost.backfill_requests == 22
    assert cost.backfill_seconds == pytest.approx(22 / 6)
    other = desk.reconciler.what_if(ChainRule(0, "SENSEX", 1, strikes=2))
    assert other.account_loads == (("Z1", 0, 16, 9_000), ("Z2", 12, 12, 9_000))
    assert other.sockets == 1
    assert desk.prepare().plan.is_empty, "asking changes nothing"


def test_what_a_change_of_a_rule_would_cost() -> None:
    desk = PlanningRig()
    rule = desk.store.rule(replace(NIFTY_2X3, expiry_count=1))
    desk.reload()
    assert desk.reconciler.what_if(replace(rule, strikes=1)).account_loads[0] == ("Z1", 0, 8, 9_000)


def test_a_rule_that_does_not_fit_is_said_not_to() -> None:
    desk = PlanningRig(PlacementLimits(per_socket=6, comfortable=6, slack=0))
    desk.slots = [Z1]
    desk.store.rule(ChainRule(0, "NIFTY", 1, strikes=1))
    desk.reload()
    assert desk.reconciler.what_if(ChainRule(0, "SENSEX", 1, strikes=1)).fits
    assert not desk.reconciler.what_if(ChainRule(0, "SENSEX", 1, strikes=2)).fits


def test_the_cost_of_nothing() -> None:
    desk = PlanningRig()
    cost = desk.reconciler.what_if(ChainRule(0, "NIFTI"))
    assert (cost.legs, cost.new_legs, cost.fits, cost.backfill_requests) == (0, 0, True, 0)


# ---------------------------------------------------------------------- what the screens read


def test_watched_instruments_are_in_the_order_of_a_list() -> None:
    desk = PlanningRig()
    desk.store.rule(replace(NIFTY_2X3, expiry_count=1, strikes=1))
    desk.reload()
    labels = [one.label for one in desk.reconciler.watched()]
    assert labels == [
        "NIFTY26NOVFUT",
        "NIFTY26112324300CE", "NIFTY26112324300PE", "NIFTY26112324350CE", "NIFTY26112324350PE",
        "NIFTY26112324400CE", "NIFTY26112324400PE",
        "NIFTY 50",
    ]  # fmt: skip
    assert {(one.account, one.connection) for one in desk.reconciler.watched()} == {("Z1", 0)}


def test_a_moved_instrument_is_a_line_that_says_from_where_to_where() -> None:
    desk = PlanningRig()
    desk.store.rule(replace(NIFTY_2X3, expiry_count=1, strikes=1))
    desk.reload()
    desk.slots = [Z2]
    prepared = desk.reload()
    assert PlanLine(
        "move", 6, "NIFTY M23Nov 24,300..24,400 CE/PE", "Z2", "Z1/s1 → Z2/s1",
        tuple(desk.find(M23, strike, side).token for strike in (24_300, 24_350, 24_400) for side in ("CE", "PE")),
    ) in prepared.plan.lines  # fmt: skip


def test_many_indices_are_counted_rather_than_named() -> None:
    desk = PlanningRig()
    desk.store.rule(ChainRule(0, "SENSEX", 1, strikes=1))
    prepared = desk.reload()
    assert ("add", 1, "SENSEX", "→ Z1/s1 (0 → 8)") in lines(prepared)
    assert SENSEX_INDEX in tokens(prepared)
    assert ("add", 6, "SENSEX M26Nov 79,500..79,700 CE/PE", "→ Z1/s1 (0 → 8)") in lines(prepared)
    assert desk.reconciler.next_expiry_instant() == desk.calendar.expiry_instant("BFO", S26)


def test_the_number_of_the_plan_and_the_changes_it_answers_are_passed_through() -> None:
    desk = PlanningRig()
    desk.store.rule(NIFTY_2X3)
    prepared = run_at_once(desk.reconciler.prepare(desk.slots, generation=119, merged_triggers=3))
    assert (prepared.plan.generation, prepared.plan.merged_triggers, prepared.plan.revision) == (119, 3, 1)
    assert prepared.changes != PlanChanges()


# ---------------------------------------------------------------------- the seed's names


async def test_triggers_before_there_is_a_reloader_are_kept() -> None:
    desk = PlanningRig()
    calls = []

    async def reload() -> None:
        calls.append("reload")

    with pytest.raises(RuntimeError, match="initialize_reloader"):
        await desk.reconciler.reload_subscriptions_blocking()
    desk.reconciler.trigger_reload()
    reloader = desk.reconciler.initialize_reloader(reload)
    assert desk.reconciler.initialize_reloader(reload) is reloader
    assert reloader.pending
    desk.reconciler.trigger_reload()
    assert reloader.merged == 2
    await desk.reconciler.reload_subscriptions_blocking()
    assert calls == ["reload"]


async def test_a_reloader_of_the_loop_may_be_used() -> None:
    desk = PlanningRig()

    async def reload() -> None: ...

    reloader = SubscriptionReloader(reload)
    desk.reconciler.use_reloader(reloader, reload)
    desk.reconciler.trigger_reload()
    assert reloader.pending
