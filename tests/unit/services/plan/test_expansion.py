"""Which strikes a rule means, and how it follows the spot without flapping."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fakes import chain_of, table_of, uniform_chain
from tickertui.market.instruments import ChainRows
from tickertui.market.subscriptions import ChainRule
from tickertui.services.plan.expansion import Expansion, FollowSettings, RuleState, expand, moved_strikes, nearest

NEAR, FAR = date(2026, 12, 1), date(2026, 12, 29)
FOLLOW = FollowSettings(strikes=2, margin=4)


def chain(low: int, high: int, step: int = 50, expiry: date = NEAR) -> ChainRows:
    """A ladder of strikes; the token of a call is ten times its strike, that of the put one more."""
    table = table_of(chain_of("NIFTY", expiry, [float(strike) for strike in range(low, high + 1, step)], first=1))
    rows = table.chain("NIFTY", expiry)
    assert rows is not None
    calls = (rows.strikes * 10).astype(np.int64)
    return uniform_chain("NIFTY", expiry, rows.strikes, calls, calls + 1)


LADDER = chain(22_000, 27_000)


def rule(strikes: int | None = 3) -> ChainRule:
    return ChainRule(1, "NIFTY", strikes=strikes)


def strikes_of(legs: Expansion) -> list[int]:
    return sorted({token // 10 for token in legs.tokens.tolist()})


def window(legs: Expansion) -> tuple[int, int]:
    held = strikes_of(legs)
    assert held == list(range(held[0], held[-1] + 1, 50)), "no strike in between is left out"
    return held[0], held[-1]


def test_a_rule_means_call_and_put_of_the_strikes_about_the_money() -> None:
    legs = expand(rule(), [LADDER], 24_360.0, None, FOLLOW)
    assert window(legs) == (24_200, 24_500)
    assert len(legs) == 14
    assert legs.centre == 24_350
    assert dict(zip(legs.tokens.tolist(), legs.distances.tolist(), strict=True))[243_500] == 0
    assert dict(zip(legs.tokens.tolist(), legs.distances.tolist(), strict=True))[242_001] == 3


def test_all_strikes_and_several_expiries_with_ladders_of_their_own() -> None:
    far = chain(20_000, 30_000, 500, FAR)
    legs = expand(rule(None), [LADDER, far], 24_360.0, None, FOLLOW)
    assert len(legs) == 2 * len(LADDER.strikes) + 2 * len(far.strikes)
    few = expand(rule(1), [LADDER, far], 24_360.0, None, FOLLOW)
    assert strikes_of(few) == [24_000, 24_300, 24_350, 24_400, 24_500, 25_000]
    assert set(few.places.tolist()) == {0, 1}
    assert set(few.expiries.tolist()) == {NEAR.toordinal(), FAR.toordinal()}


def test_at_the_edge_of_the_ladder_the_range_is_cut() -> None:
    assert window(expand(rule(), [LADDER], 26_990.0, None, FOLLOW)) == (26_850, 27_000)
    assert window(expand(rule(), [LADDER], 90_000.0, None, FOLLOW)) == (26_850, 27_000)


def test_a_strike_without_a_put_has_one_leg() -> None:
    puts = LADDER.put_tokens.copy()
    puts[LADDER.strikes == 24_350] = -1
    lopsided = uniform_chain("NIFTY", NEAR, LADDER.strikes, LADDER.call_tokens, puts)
    assert len(expand(rule(), [lopsided], 24_350.0, None, FOLLOW)) == 13


def test_when_the_centre_moves_the_old_strikes_stay_within_the_margin() -> None:
    first = expand(rule(), [LADDER], 24_350.0, None, FOLLOW)
    up = expand(rule(), [LADDER], 24_450.0, first.state, FOLLOW)
    assert window(up) == (24_200, 24_600), "two below the range, within the margin of four"
    back = expand(rule(), [LADDER], 24_350.0, up.state, FOLLOW)
    assert window(back) == (24_200, 24_600), "back again: nothing is dropped, nothing is added"
    away = expand(rule(), [LADDER], 24_650.0, up.state, FOLLOW)
    assert window(away) == (24_300, 24_800), "beyond the margin it goes"


def test_after_a_jump_nothing_in_between_is_kept() -> None:
    first = expand(rule(), [LADDER], 24_350.0, None, FOLLOW)
    assert window(expand(rule(), [LADDER], 26_000.0, first.state, FOLLOW)) == (25_850, 26_150)


def test_strikes_that_are_listed_within_the_range_are_taken_in_and_nothing_goes_for_them() -> None:
    first = expand(rule(), [LADDER], 24_350.0, None, FOLLOW)
    denser = chain(22_000, 27_000, 25)
    legs = expand(rule(), [denser], 24_350.0, first.state, FOLLOW)
    assert strikes_of(legs) == list(range(24_200, 24_501, 25))
    assert set(first.tokens.tolist()) <= set(legs.tokens.tolist())


def test_strikes_that_are_listed_beyond_the_old_edge_are_taken_in() -> None:
    first = expand(rule(), [chain(24_000, 24_400)], 24_350.0, None, FOLLOW)
    assert window(first) == (24_200, 24_400)
    assert window(expand(rule(), [LADDER], 24_350.0, first.state, FOLLOW)) == (24_200, 24_500)


def test_a_changed_range_starts_anew() -> None:
    wide = expand(rule(20), [LADDER], 24_350.0, None, FOLLOW)
    assert window(expand(rule(2), [LADDER], 24_350.0, wide.state, FOLLOW)) == (24_250, 24_450)


def test_an_expiry_that_comes_in_has_the_plain_range() -> None:
    first = expand(rule(), [LADDER], 24_350.0, None, FOLLOW)
    up = expand(rule(), [LADDER, chain(22_000, 27_000, 50, FAR)], 24_450.0, first.state, FOLLOW)
    assert up.state.windows == {NEAR: (24_200.0, 24_600.0), FAR: (24_300.0, 24_600.0)}


def test_without_chains_there_are_no_legs() -> None:
    legs = expand(rule(), [], 24_350.0, None, FOLLOW)
    assert len(legs) == 0
    assert legs.centre is None


@pytest.mark.parametrize(
    ("price", "strike"), [(0.0, 22_000), (24_374.9, 24_350), (24_375.0, 24_350), (24_375.1, 24_400), (99_999.0, 27_000)]
)
def test_the_nearest_strike_and_of_two_the_lower(price: float, strike: int) -> None:
    assert LADDER.strikes[nearest(LADDER.strikes, price)] == strike


def test_moved_strikes_are_counted_between_the_strikes_at_the_money() -> None:
    assert moved_strikes(LADDER.strikes, 24_350.0, 24_374.0) == 0
    assert moved_strikes(LADDER.strikes, 24_350.0, 24_426.0) == 2
    assert moved_strikes(LADDER.strikes, 24_350.0, 24_200.0) == 3


@pytest.mark.parametrize(("strikes", "threshold"), [(None, 1), (1, 1), (2, 2), (40, 2)])
def test_the_money_never_leaves_the_range_before_the_centre_follows(strikes: int | None, threshold: int) -> None:
    assert FOLLOW.threshold(rule(strikes)) == threshold


@pytest.mark.parametrize("nonsense", [{"strikes": 0}, {"seconds": -1.0}, {"margin": -1}])
def test_impossible_settings_are_refused(nonsense: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="follows"):
        FollowSettings(**nonsense)  # type: ignore[arg-type]


@given(st.lists(st.integers(21_000, 28_000), min_size=1, max_size=12), st.integers(1, 30), st.integers(0, 6))
def test_however_the_spot_wanders_the_range_is_there_and_little_more(spots: list[int], reach: int, margin: int) -> None:
    follow = FollowSettings(margin=margin)
    state: RuleState | None = None
    for spot in spots:
        before = state
        legs = expand(rule(reach), [LADDER], float(spot), state, follow)
        state = legs.state
        low, high = window(legs)
        centre = nearest(LADDER.strikes, spot)
        places = np.searchsorted(LADDER.strikes, [low, high])
        assert places[0] <= max(0, centre - reach)
        assert places[1] >= min(len(LADDER.strikes) - 1, centre + reach)
        if before is not None and before.anchor != spot:
            assert places[0] >= centre - reach - margin
            assert places[1] <= centre + reach + margin
        assert set(expand(rule(reach), [LADDER], float(spot), state, follow).tokens.tolist()) == set(
            legs.tokens.tolist()
        ), "without a move, expanding once more gives the same"
