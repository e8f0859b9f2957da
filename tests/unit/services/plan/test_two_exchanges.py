"""Rules on a name that two exchanges have: each asks for the contracts of one of them."""

from __future__ import annotations

from datetime import date

from tests.support.fakes import chain_of, future_of, table_of
from tests.support.planning import PlanningRig
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.market.subscriptions import ChainRule
from tickertui.services.contracts.day_contracts import DayContracts

DEC = date(2026, 12, 29)
PAIR, SHARE = "XAUINR", "QRSMILLS"
STRIKES = [100.0, 101.0, 102.0]


def contracts(*exchanges: str) -> InstrumentTable:
    codes = {"CDS": (3, 1), "BCD": (6, 1_000)}
    rows: list[Instrument] = []
    for place, exchange in enumerate(exchanges):
        code, lot = codes[exchange]
        first = 1_000 * (place + 1)
        rows += chain_of(PAIR, DEC, STRIKES, first=first, exchange=exchange, code=code, lot_size=lot)
        rows.append(future_of(PAIR, DEC, number=first + 900, exchange=exchange, code=code))
    return table_of(rows)


def exchanges_of_plan(rig: PlanningRig) -> dict[str, tuple[set[str], int]]:
    """Exchanges and number of legs that each rule has in the plan."""
    plan = rig.reload().desired
    found = {}
    for status, demand in zip(plan.rules, plan.demands[1:], strict=False):
        instruments = [rig.registry.get(token) for token in demand.tokens.tolist()]
        found[status.rule.underlying] = ({one.exchange for one in instruments if one is not None}, len(instruments))
    return found


def test_each_rule_has_legs_and_future_of_its_exchange_alone() -> None:
    rig = PlanningRig(table=contracts("BCD", "CDS"))
    rig.store.rule(ChainRule(0, PAIR, strikes=None))
    rig.store.rule(ChainRule(0, f"BCD:{PAIR}", strikes=None))
    rig.spots[PAIR] = rig.spots[f"BCD:{PAIR}"] = 101.0
    assert exchanges_of_plan(rig) == {PAIR: ({"CDS"}, 7), f"BCD:{PAIR}": ({"BCD"}, 7)}
    assert [status.detail for status in rig.reconciler.rules()] == [f"{PAIR} is CDS's; BCD's is BCD:{PAIR}", ""]


def test_a_rule_that_says_its_exchange_is_found_whatever_else_is_listed() -> None:
    rig = PlanningRig(table=contracts("BCD"))
    rig.store.rule(ChainRule(0, f"BCD:{PAIR}", strikes=None))
    assert exchanges_of_plan(rig) == {PAIR: ({"BCD"}, 7)}
    rig.store.rule(ChainRule(0, f"CDS:{PAIR}", strikes=None))
    plan = rig.reload().desired
    assert [(one.label, one.rule_id) for one in plan.unresolved] == [(f"CDS:{PAIR} next 1 all strikes full", 2)]


def test_the_cost_of_a_rule_is_that_of_its_exchange() -> None:
    rig = PlanningRig(table=contracts("CDS", "BCD"))
    rig.store.rule(ChainRule(0, PAIR, strikes=None))
    rig.reload()
    assert rig.reconciler.what_if(ChainRule(0, f"CDS:{PAIR}", strikes=None)).new_legs == 0
    assert rig.reconciler.what_if(ChainRule(0, f"BCD:{PAIR}", strikes=None)).new_legs == 7


def test_the_share_of_each_exchange_is_the_price_of_its_derivatives() -> None:
    rows = [
        *chain_of(SHARE, DEC, STRIKES, first=1_000),
        *chain_of(SHARE, DEC, STRIKES, first=2_000, exchange="BFO", code=5),
        *chain_of(SHARE, DEC, STRIKES, first=3_000, lot_size=910),
        Instrument(4_001 << 8 | 1, SHARE, "QRS MILLS", InstrumentKind.EQUITY, "NSE", "NSE"),
        Instrument(4_002 << 8 | 4, SHARE, "QRS MILLS", InstrumentKind.EQUITY, "BSE", "BSE"),
    ]
    listed = DayContracts(InstrumentTable.from_instruments(rows), None, {}, PlanningRig().calendar)
    tokens = [listed.index_token(name) for name in (SHARE, f"BFO:{SHARE}", f"{SHARE}/910")]
    assert tokens == [4_001 << 8 | 1, 4_002 << 8 | 4, 4_001 << 8 | 1]
