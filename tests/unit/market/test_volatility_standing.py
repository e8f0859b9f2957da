"""Rank and percentile of the last close among the year before it; too short a history has neither."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest

from tickertui.market.volatility_standing import FEWEST_DAYS, VolatilityStanding, volatility_standing
from tickertui.tui.panes.analytics import standing_line

LAST = date(2026, 11, 25)


def history(*values: float, step: int = 1) -> list[tuple[date, float]]:
    """Values of days up to the last one."""
    return [(LAST - timedelta(days=step * (len(values) - 1 - place)), value) for place, value in enumerate(values)]


def test_the_last_close_is_measured_against_the_days_before_it() -> None:
    earlier = [0.10 + 0.01 * (place % 11) for place in range(33)]  # three times 10 % to 20 %
    found = volatility_standing(history(*earlier, 0.125))
    assert (found.days, found.day, found.volatility) == (34, LAST, 0.125)
    assert found.rank == pytest.approx(25.0)
    assert found.percentile == pytest.approx(100 * 3 / 11)


def test_a_new_high_is_above_the_range() -> None:
    earlier = [0.10, 0.20] * 15
    found = volatility_standing(history(*earlier, 0.25))
    assert found.rank == pytest.approx(150.0)
    assert found.percentile == 100.0


@pytest.mark.parametrize("days", [1, FEWEST_DAYS - 1])
def test_a_short_history_has_no_rank(days: int) -> None:
    found = volatility_standing(history(*[0.1 + 0.001 * place for place in range(days)]))
    assert (found.days, found.day) == (days, LAST)
    assert math.isnan(found.rank)
    assert math.isnan(found.percentile)
    assert not math.isnan(volatility_standing(history(*[0.1 + 0.001 * place for place in range(FEWEST_DAYS)])).rank)


def test_what_is_older_than_a_year_does_not_count() -> None:
    found = volatility_standing(history(*[0.1 + 0.001 * place for place in range(40)], step=30))
    assert found.days == 13
    assert math.isnan(found.rank)


def test_nothing_is_known_of_nothing() -> None:
    assert volatility_standing([]).day is None
    assert math.isnan(volatility_standing([]).rank)


def test_the_line_says_what_the_figures_rest_on() -> None:
    assert standing_line("NIFTY", VolatilityStanding(120, LAST, 0.118, 43.2, 60.9)) == (
        "NIFTY · IV rank 43 · percentile 61 · close of 25 Nov 11.8 · 120 days"
    )
    assert standing_line("NIFTY", VolatilityStanding(4, LAST, 0.118)) == (
        "NIFTY · IV rank — · percentile — · 4 days kept, 20 needed"
    )
    assert standing_line("NIFTY", None) == "NIFTY · IV rank — · percentile —"
