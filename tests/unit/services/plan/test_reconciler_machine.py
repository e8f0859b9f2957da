"""The reconciler as a state machine: whatever happens in whatever order, nothing is lost or moves needlessly."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.fakes import chain_of, run_at_once, table_of
from tests.support.planning import (
    M23,
    M29,
    NIFTY_INDEX,
    NOW,
    S03,
    S26,
    SENSEX_INDEX,
    W01,
    W08,
    Z1,
    Z2,
    Z3,
    PlanningRig,
    a_day,
)
from tickertui.market.hours import UnderlyingKind
from tickertui.market.instruments import Instrument, InstrumentTable
from tickertui.market.subscriptions import Assignment, ChainRule, SubscriptionStatus
from tickertui.market.ticks import Mode
from tickertui.services.plan.assignments import diff
from tickertui.services.plan.desired_plan import DesiredPlan
from tickertui.services.plan.placement import NO_CONNECTION, Assignments, PlacementLimits, place
from tickertui.services.plan.subscription_reconciler import PreparedReload
from tickertui.store.protocol import StoreBusy

LIMITS = PlacementLimits(per_socket=8, comfortable=4, slack=1)
ACCOUNTS = {"Z1": Z1, "Z2": Z2, "Z3": Z3}
MODES = st.sampled_from([Mode.LTP, Mode.QUOTE, Mode.FULL])
PINS = st.sampled_from([None, None, "Z1", "Z2", "Z9"])
EXPIRIES = (M23, W01, W08, M29, S26, S03)


def connections_of(placed: Assignments) -> dict[int, int]:
    """The socket of each instrument, by token."""
    return dict(zip(placed.tokens.tolist(), placed.connections.tolist(), strict=True))


class Planning(RuleBasedStateMachine):
    """Everything that can happen to a plan; each reload is checked against what went before."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = PlanningRig(LIMITS)
        self.rows: list[Instrument] = []
        self.listed = 0
        self.loaded = True
        self.eager = False

    @initialize(
        accounts=st.sets(st.sampled_from(sorted(ACCOUNTS)), min_size=1),
        eager=st.booleans(),
        strikes=st.integers(1, 3),
        pin=PINS,
    )
    def start(self, accounts: set[str], eager: bool, strikes: int, pin: str | None) -> None:
        self.rows = [self.desk.table.instrument(row) for row in range(len(self.desk.table))]
        self.desk.slots = [ACCOUNTS[name] for name in sorted(accounts)]
        self.desk.store.rule(ChainRule(0, "NIFTY", 1, strikes=strikes, mode=Mode.QUOTE))
        self.desk.store.rule(ChainRule(0, "SENSEX", 1, strikes=1, preferred_account=pin))
        self.eager = eager

    # -- what the trader does

    @rule(
        underlying=st.sampled_from(["NIFTY", "SENSEX", "NIFTI"]),
        count=st.integers(1, 3),
        named=st.lists(st.sampled_from(EXPIRIES), max_size=2),
        strikes=st.one_of(st.integers(1, 4), st.none()),
        mode=MODES,
        pin=PINS,
        future=st.booleans(),
    )
    def add_rule(
        self,
        underlying: str,
        count: int,
        named: list[date],
        strikes: int | None,
        mode: Mode,
        pin: str | None,
        future: bool,
    ) -> None:
        if len(self.desk.store.rules) < 4:
            self.desk.store.rule(ChainRule(0, underlying, count, tuple(named), strikes, mode, pin, future))

    @precondition(lambda self: self.desk.store.rules)
    @rule(data=st.data(), strikes=st.integers(1, 4), enabled=st.booleans(), pin=PINS)
    def change_rule(self, data: st.DataObject, strikes: int, enabled: bool, pin: str | None) -> None:
        number = data.draw(st.sampled_from(sorted(self.desk.store.rules)))
        old = self.desk.store.rules[number]
        self.desk.store.change(replace(old, strikes=strikes, enabled=enabled, preferred_account=pin))

    @precondition(lambda self: self.desk.store.rules)
    @rule(data=st.data())
    def remove_rule(self, data: st.DataObject) -> None:
        self.desk.store.remove(data.draw(st.sampled_from(sorted(self.desk.store.rules))))

    @rule(data=st.data(), mode=MODES, pin=PINS)
    def subscribe(self, data: st.DataObject, mode: Mode, pin: str | None) -> None:
        if self.rows:
            self.desk.store.add(data.draw(st.sampled_from(self.rows)), mode, pin)

    @rule()
    def subscribe_to_what_nobody_knows(self) -> None:
        self.desk.store.subscribe(777 << 8 | 2, "NIFTY26D0827400CE", expiry=W08)

    @precondition(lambda self: self.desk.store.records)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        self.desk.store.end(data.draw(st.sampled_from(sorted(self.desk.store.records))))

    # -- what the world does

    @rule(underlying=st.sampled_from(["NIFTY", "SENSEX"]), part=st.floats(-0.02, 0.02))
    def move_spot(self, underlying: str, part: float) -> None:
        base = 24_350.0 if underlying == "NIFTY" else 79_600.0
        self.desk.spots[underlying] = round(base * (1 + part), 2)

    @rule(underlying=st.sampled_from(["NIFTY", "SENSEX"]))
    def lose_spot(self, underlying: str) -> None:
        self.desk.spots.pop(underlying, None)

    @rule(seconds=st.sampled_from([1, 3, 6]))
    def wait_and_look(self, seconds: int) -> None:
        self.desk.clock.advance(seconds)
        self.desk.reconciler.follow_spot()

    @rule(account=st.sampled_from(sorted(ACCOUNTS)))
    def account_comes_or_goes(self, account: str) -> None:
        slots = ACCOUNTS[account]
        if slots in self.desk.slots:
            self.desk.slots.remove(slots)
        else:
            self.desk.slots.append(slots)

    @precondition(lambda self: self.loaded)
    @rule(expiry=st.sampled_from([W01, W08, M29]), strike=st.sampled_from([24_325, 24_375, 24_425, 25_000]))
    def list_strike(self, expiry: date, strike: int) -> None:
        if not any(row.expiry == expiry and row.strike == strike for row in self.rows):
            self.listed += 1
            self.rows += chain_of("NIFTY", expiry, [float(strike)], first=30_000 + 10 * self.listed)
            self._replace()

    def _replace(self) -> None:
        # The day's check for partial dumps has its own tests; here also a small one must do.
        self.desk.registry.replace(table_of(self.rows) if self.rows else a_day(), NOW.date(), bundled=True)

    @rule()
    def contracts_are_lost(self) -> None:
        self.desk.forget_contracts()
        self.loaded = False

    @precondition(lambda self: not self.loaded)
    @rule()
    def contracts_come_back(self) -> None:
        self._replace()
        self.loaded = True

    @precondition(lambda self: self.desk.reconciler.next_expiry_instant() is not None)
    @rule()
    def an_expiry_passes(self) -> None:
        instant = self.desk.reconciler.next_expiry_instant()
        assert instant is not None
        if instant > self.desk.clock.now():
            self.desk.clock.set(instant - timedelta(milliseconds=1))
            self.reload()
            self.desk.clock.set(instant)
        self.reload()
        after = self.desk.reconciler.next_expiry_instant()
        assert after is None or after > instant

    @rule(account=st.sampled_from(sorted(ACCOUNTS)))
    def restart(self, account: str) -> None:
        """The program starts again, perhaps with the accounts in another order."""
        self.desk.restarted()
        self.desk.slots.sort(key=lambda one: (one.account != account, one.account))

    # -- reloads

    @rule()
    def reload(self) -> None:
        desk = self.desk
        before = desk.reconciler.assignments
        earlier = desk.reconciler.desired
        stored = dict(desk.store.assignments)
        prepared = desk.prepare()
        assert desk.reconciler.assignments is before
        run_at_once(desk.reconciler.commit(prepared))
        self.check_placement(prepared.assignments, prepared)
        self.check_pins(prepared)
        self.check_moves(before, prepared)
        if earlier is None:
            self.check_restart(stored, prepared)
        self.check_difference(before, prepared)
        self.check_store(prepared)
        if self.loaded:
            self.check_nothing_is_lost(prepared)
        elif earlier is not None:
            self.check_everything_stays(earlier, prepared)
        again = desk.prepare()
        assert again.plan.is_empty, "the same wish once more changes nothing"
        assert again.plan.unassigned == prepared.plan.unassigned

    @rule()
    def reload_that_cannot_be_written(self) -> None:
        desk = self.desk
        kept, before = dict(desk.store.assignments), desk.reconciler.assignments
        prepared = desk.prepare()
        if prepared.changes.is_empty:
            return
        desk.store.failure = StoreBusy("another process holds the database")
        try:
            run_at_once(desk.reconciler.commit(prepared))
        except StoreBusy:
            assert desk.store.assignments == kept
            assert desk.reconciler.assignments is before
        else:
            raise AssertionError("a store that cannot be written must be heard of")

    @rule()
    def look_and_drop(self) -> None:
        prepared = self.desk.prepare()
        assert prepared.plan.added == len(prepared.diff.added)
        assert sum(line.count for line in prepared.plan.lines) == sum(
            (prepared.plan.added, prepared.plan.removed, prepared.plan.moved, prepared.plan.mode_changed)
        )
        assert all(line.label and line.detail for line in prepared.plan.lines)

    # -- what must be so

    @invariant()
    def reloads_follow_at_once(self) -> None:
        """Half of the runs reload after every step, the others let changes gather."""
        if self.eager:
            self.reload()

    @invariant()
    def plans_in_force_are_in_order(self) -> None:
        placed = self.desk.reconciler.assignments
        tokens = placed.tokens.tolist()
        assert tokens == sorted(set(tokens)), "one subscription for each token"
        assert sum(len(modes) for modes in placed.distribution.values()) == len(placed)

    def check_placement(self, placed: Assignments, prepared: PreparedReload) -> None:
        wanted = set(prepared.desired.tokens.tolist())
        got = set(placed.tokens.tolist())
        assert got | set(placed.unassigned) == wanted
        assert not got & set(placed.unassigned)
        assert all(placed.unassigned.values()), "with a reason"
        if self.desk.slots:
            assert max(placed.loads.values(), default=0) <= LIMITS.per_socket
            assert all(placed.slots_of(connection) in self.desk.slots for connection in placed.loads)
        else:
            assert set(placed.loads) <= {NO_CONNECTION}
            full = all(placed.load_of(one.account) == one.sockets * LIMITS.per_socket for one in self.desk.slots)
            pins = self.pins(prepared)
            assert full or all(token in pins for token in placed.unassigned), "nobody is left out while there is room"
        for token, mode in zip(placed.tokens.tolist(), placed.modes.tolist(), strict=True):
            asked = [
                int(demand.modes[demand.tokens.tolist().index(token)]) for demand in prepared.desired.owners_of(token)
            ]
            assert mode == max(asked), "the highest mode that anybody asks for"
        afresh = place(prepared.desired.wanted, self.desk.slots, {}, LIMITS)
        assert dict(afresh.unassigned) == dict(placed.unassigned), "who is left out does not depend on the past"

    def askers(self, prepared: PreparedReload) -> dict[int, list[str | None]]:
        """What everybody who asks for an instrument says of its account: singles, then the rules in their order."""
        askers: dict[int, list[str | None]] = {}
        for demand in prepared.desired.demands:
            for place_, token in enumerate(demand.tokens.tolist()):
                askers.setdefault(token, []).append(demand.pins[0 if len(demand.pins) == 1 else place_])
        return askers

    def pins(self, prepared: PreparedReload) -> dict[int, str]:
        """The first pin that can be followed, else the first one where nobody lets the instrument go elsewhere."""
        usable = {one.account for one in self.desk.slots}
        pins: dict[int, str] = {}
        for token, asked in self.askers(prepared).items():
            named = [pin for pin in asked if pin is not None]
            followed = next((pin for pin in named if pin in usable), None)
            if followed is not None:
                pins[token] = followed
            elif named and None not in asked:
                pins[token] = named[0]
        return pins

    def check_pins(self, prepared: PreparedReload) -> None:
        placed = prepared.assignments
        if not self.desk.slots:
            return
        where, askers = connections_of(placed), self.askers(prepared)
        for token, pin in self.pins(prepared).items():
            if token not in where or (account := placed.account_of(where[token])) == pin:
                continue
            assert account in askers[token] or None in askers[token], "nobody else lets it go there"
            assert self.wished(prepared, pin) > ACCOUNTS[pin].sockets * LIMITS.per_socket, "there was room"

    def wished(self, prepared: PreparedReload, account: str) -> int:
        return sum(account in asked for asked in self.askers(prepared).values())

    def check_moves(self, before: Assignments, prepared: PreparedReload) -> None:
        placed, pins = prepared.assignments, self.pins(prepared)
        where, there = connections_of(placed), connections_of(before)
        for (old, _), modes in prepared.diff.move.items():
            slots = placed.slots_of(old)
            if slots is None or old == NO_CONNECTION:
                continue
            for token in modes:
                pin = pins.get(token)
                if pin == slots.account:
                    may_go = set(self.askers(prepared)[token]) - {pin}
                    crowded = self.wished(prepared, pin) > slots.sockets * LIMITS.per_socket
                    assert may_go, f"{token} was where it is pinned to, and moved"
                    assert crowded, f"{token} was where it is pinned to, with room, and moved"
                if pin is None:
                    newcomers = [
                        other
                        for other, wish in pins.items()
                        if wish == slots.account
                        and other in where
                        and before.account_of(there.get(other, NO_CONNECTION)) != slots.account
                    ]
                    full = placed.load_of(slots.account) == slots.sockets * LIMITS.per_socket
                    assert newcomers, "it moved for nobody"
                    assert full, "it moved although there was room"

    def check_restart(self, stored: dict[int, Assignment], prepared: PreparedReload) -> None:
        """After a restart the store says where things were; pins aside, there they are again."""
        pins, placed = self.pins(prepared), prepared.assignments
        if any(ACCOUNTS.get(pin) in self.desk.slots for pin in pins.values()):
            return  # a pinned newcomer may have needed the room
        for token, connection in zip(placed.tokens.tolist(), placed.connections.tolist(), strict=True):
            one = stored.get(token)
            instrument = self.desk.registry.get(token)
            same = one is not None and instrument is not None and one.expiry == instrument.expiry
            if one is not None and same and ACCOUNTS[one.account] in self.desk.slots:
                assert connection == ACCOUNTS[one.account].first_connection + one.connection

    def check_difference(self, before: Assignments, prepared: PreparedReload) -> None:
        change, placed = prepared.diff, prepared.assignments
        state = {connection: dict(modes) for connection, modes in before.distribution.items()}
        for connection, modes in [*change.add.items(), *change.mode.items()]:
            state.setdefault(connection, {}).update(modes)
        for (old, new), modes in change.move.items():
            state.setdefault(new, {}).update(modes)
            for token in modes:
                del state[old][token]
        for connection, modes in change.remove.items():
            for token in modes:
                del state[connection][token]
        assert {connection: modes for connection, modes in state.items() if modes} == placed.distribution
        same = sum(
            placed.distribution.get(connection, {}).get(token) == mode
            for connection, modes in before.distribution.items()
            for token, mode in modes.items()
        )
        assert change.unchanged == same
        assert diff(before, placed).unchanged == same

    def check_store(self, prepared: PreparedReload) -> None:
        if not self.desk.slots or not self.loaded:
            return
        placed = prepared.assignments
        stored = {
            token: ACCOUNTS[one.account].first_connection + one.connection
            for token, one in self.desk.store.assignments.items()
        }
        assert stored == dict(zip(placed.tokens.tolist(), placed.connections.tolist(), strict=True))

    def check_nothing_is_lost(self, prepared: PreparedReload) -> None:
        desk, now = self.desk, self.desk.clock.now()
        contracts = desk.registry.contracts
        wanted = set(prepared.desired.tokens.tolist())
        unresolved = {one.token for one in prepared.plan.unresolved}
        for token, record in desk.store.records.items():
            instrument = contracts.get(token)
            if record.status is SubscriptionStatus.ACTIVE:
                assert (token in wanted) != (token in unresolved)
                assert (token in unresolved) == (instrument is None)
            elif record.status is SubscriptionStatus.EXPIRED:
                assert record.expiry is not None
                assert now >= desk.calendar.expiry_instant("NFO", record.expiry, UnderlyingKind.INDEX)
        for token in wanted:
            instrument = contracts.get(token)
            assert instrument is not None
            assert not contracts.is_over(instrument, now), "what is over is not asked for"
        for status in desk.reconciler.rules():
            self.check_rule(status.rule, status.centre, contracts.table, wanted)

    def check_rule(self, one: ChainRule, centre: float | None, table: InstrumentTable, wanted: set[int]) -> None:
        contracts, now = self.desk.registry.contracts, self.desk.clock.now()
        live = contracts.live_expiries(one.underlying, now)
        if not one.enabled or not live:
            return
        meant = [expiry for expiry in live if expiry in one.expiries] if one.expiries else live[: one.expiry_count]
        if not meant:
            return
        assert {"NIFTY": NIFTY_INDEX, "SENSEX": SENSEX_INDEX}[one.underlying] in wanted
        future = contracts.future(one.underlying, now=now)
        assert not one.include_future or future is None or future.token in wanted
        for expiry in meant:
            chain = table.chain(one.underlying, expiry)
            assert chain is not None
            if one.strikes is None:
                inside = chain.strikes == chain.strikes
            elif expiry == meant[0] and centre is not None:
                place_ = int((chain.strikes == centre).argmax())
                low = max(0, place_ - one.strikes)
                inside = (chain.strikes >= chain.strikes[low]) & (
                    chain.strikes <= chain.strikes[min(len(chain.strikes) - 1, place_ + one.strikes)]
                )
            else:
                continue
            legs = {*chain.call_tokens[inside].tolist(), *chain.put_tokens[inside].tolist()}
            assert legs <= wanted, "every leg that the rule means"

    def check_everything_stays(self, earlier: DesiredPlan, prepared: PreparedReload) -> None:
        """Without contracts: what was wanted stays wanted, unless it is over or nobody asks for it any more."""
        known = {row.token: row for row in self.rows}
        now, wanted = self.desk.clock.now(), set(prepared.desired.tokens.tolist())
        asked = {token for token, one in self.desk.store.records.items() if one.status is SubscriptionStatus.ACTIVE}
        for demand in earlier.demands:
            status = earlier.rule_of(demand.rule_id)
            if status is not None and status.rule.enabled and self.desk.store.rules.get(demand.rule_id) == status.rule:
                asked |= set(demand.tokens.tolist())
        for token in asked & set(earlier.tokens.tolist()):
            row = known.get(token)
            expiry = self.desk.store.records[token].expiry if row is None else row.expiry
            exchange = "NFO" if row is None else row.exchange
            over = expiry is not None and now >= self.desk.calendar.expiry_instant(
                exchange, expiry, UnderlyingKind.INDEX
            )
            assert over or token in wanted


TestPlanning = Planning.TestCase
TestPlanning.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
