"""A plan as the shell prints it."""

from __future__ import annotations

from tickertui.commands.subs import plan_lines
from tickertui.services.plan.status import PlanLine, ReloadPlan, Unplaced


def test_what_has_no_place_is_one_line_for_each_cause() -> None:
    full = "no room: the account has 3 instruments already; take fewer strikes, or add an account"
    plan = ReloadPlan(
        generation=1,
        revision=7,
        lines=(PlanLine("add", 3, "NIFTY M29Dec 24,000..24,100 CE", "Z1", "→ Z1/s1 (0 → 3)"),),
        added=3,
        unassigned=(
            *(Unplaced(f"NIFTY26DEC{24_000 + 50 * number}PE", full, number + 1) for number in range(490)),
            Unplaced("NIFTY 50", "pinned to Z2, which cannot be used now; unpin it, or log Z2 in", 999),
        ),
        unresolved=(Unplaced("ABC next 1 ATM±5 full", "no options on ABC among the contracts of 30 Nov", rule_id=2),),
        load_after=(("Z1", 3, 3),),
    )
    assert [" ".join(line.split()) for line in plan_lines(plan)] == [
        "add 3 NIFTY M29Dec 24,000..24,100 CE → Z1/s1 (0 → 3)",
        f"no room 490 NIFTY26DEC24000PE and 489 more {full}",
        "no room 1 NIFTY 50 pinned to Z2, which cannot be used now; unpin it, or log Z2 in",
        "unresolved 1 ABC next 1 ATM±5 full no options on ABC among the contracts of 30 Nov",
        "Z1: 3 of 3",
    ]
    assert plan_lines(ReloadPlan(1, 1)) == ["nothing is wanted"]
