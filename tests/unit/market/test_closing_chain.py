"""The volatility that was put into a chain's closes comes back, whatever is missing; what cannot be told is NaN."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tickertui.market.closing_chain import (
    ClosingChain,
    carried,
    closing_forwards,
    closing_volatility,
    minute_volatilities,
)
from tickertui.market.greeks import GreeksCalculator

FORWARD = 24_367.3
YEAR_MINUTES = 365 * 1_440
STRIKES = np.arange(23_900.0, 24_901.0, 50.0)


def priced(
    volatility: NDArray[np.float64] | float = 0.137,
    strikes: NDArray[np.float64] = STRIKES,
    forwards: tuple[float, ...] = (FORWARD,) * 4,
    minutes_left: float = 6 * 1_440,
) -> ClosingChain:
    """A chain of Black-76 prices, rounded to paise as on the wire."""
    years = (minutes_left - np.arange(len(forwards))) / YEAR_MINUTES
    shape = (len(strikes), len(forwards))
    grid = [np.broadcast_to(one, shape) for one in (np.array(forwards), strikes[:, None], years)]
    sigma = np.broadcast_to(np.asarray(volatility, dtype=np.float64).reshape(-1, 1), shape)
    forward, strike, time = grid
    prices: list[NDArray[np.float64]] = []
    for is_call in (True, False):
        greeks = GreeksCalculator().greeks(forward, strike, time, np.full(shape, is_call), sigma)
        prices.append(np.rint(greeks.price * 100) / 100)
    return ClosingChain(strikes, prices[0], prices[1], years)


def without(chain: ClosingChain, calls: list[int], puts: list[int]) -> ClosingChain:
    """The chain with legs that did not trade."""
    call, put = chain.calls.copy(), chain.puts.copy()
    call[calls], put[puts] = np.nan, np.nan
    return replace(chain, calls=call, puts=put)


@pytest.mark.parametrize("volatility", [0.08, 0.137, 0.41])
@pytest.mark.parametrize("minutes_left", [1_440, 6 * 1_440, 30 * 1_440])
def test_the_volatility_comes_back(volatility: float, minutes_left: float) -> None:
    chain = priced(volatility, minutes_left=minutes_left)
    assert closing_volatility(chain) == pytest.approx(volatility, abs=1e-4)
    assert closing_forwards(chain) == pytest.approx(FORWARD, abs=0.02)


def test_every_minute_has_its_own_forward() -> None:
    forwards = (24_310.0, 24_352.7, 24_388.1)
    chain = priced(0.12, forwards=forwards)
    assert closing_forwards(chain) == pytest.approx(np.array(forwards), abs=0.02)
    assert minute_volatilities(chain) == pytest.approx(np.full(3, 0.12), abs=1e-4)


def test_a_skewed_smile_is_read_at_the_forward() -> None:
    smile = 0.13 - 0.25 * np.log(STRIKES / FORWARD)
    assert closing_volatility(priced(smile)) == pytest.approx(0.13, abs=1e-4)


def test_holes_are_bridged() -> None:
    near = int(np.searchsorted(STRIKES, FORWARD))
    whole = priced()
    assert closing_volatility(without(whole, [near - 1, near], [near + 1])) == pytest.approx(0.137, abs=1e-4)
    assert closing_volatility(without(whole, [near], [near])) == pytest.approx(0.137, abs=1e-4)


def test_a_minute_without_trades_is_left_out() -> None:
    chain = priced()
    chain.calls[:, -1] = np.nan
    assert np.isnan(minute_volatilities(chain)).tolist() == [False, False, False, True]
    assert closing_volatility(chain) == pytest.approx(0.137, abs=1e-4)


def test_one_odd_trade_does_not_count() -> None:
    chain = priced()
    at = int(np.searchsorted(STRIKES, FORWARD))
    chain.calls[at, -1] *= 1.5
    assert closing_forwards(chain) == pytest.approx(FORWARD, abs=0.02)
    assert closing_volatility(chain) == pytest.approx(0.137, abs=1e-4)


def test_where_trades_are_rare_they_stand_for_some_minutes() -> None:
    rare = priced(forwards=(FORWARD,) * 8)
    rare.calls[:, [0, 2, 3, 4, 5, 6, 7]] = np.nan
    rare.puts[:, [0, 1, 2, 4, 5, 6, 7]] = np.nan
    assert np.isnan(minute_volatilities(rare)).all()
    assert np.isnan(minute_volatilities(carried(rare))).tolist() == [True, True, True, False, False, False, False, True]
    # The call is of two minutes before the put: what decays in them is the error.
    assert closing_volatility(rare) == pytest.approx(0.137, abs=2e-4)


def test_a_trade_does_not_stand_for_ever() -> None:
    rare = priced(forwards=(FORWARD,) * 8)
    rare.calls[:, 1:], rare.puts[:, :7] = np.nan, np.nan
    assert math.isnan(closing_volatility(rare))


def test_only_the_last_minutes_count() -> None:
    early, late = priced(0.30, forwards=(FORWARD,) * 9), priced(0.15, forwards=(FORWARD,) * 9)
    calls, puts = early.calls.copy(), early.puts.copy()
    calls[:, -5:], puts[:, -5:] = late.calls[:, -5:], late.puts[:, -5:]
    assert closing_volatility(replace(early, calls=calls, puts=puts)) == pytest.approx(0.15, abs=1e-4)


def test_what_cannot_be_told_is_missing() -> None:
    whole = priced()
    every = list(range(len(STRIKES)))
    none = np.zeros((0, 0))
    missing = [
        ClosingChain(np.zeros(0), none, none, np.zeros(0)),
        ClosingChain(STRIKES, np.zeros((len(STRIKES), 0)), np.zeros((len(STRIKES), 0)), np.zeros(0)),
        without(whole, every, []),
        without(whole, every, every),
        priced(strikes=STRIKES[:2]),
        priced(strikes=np.arange(24_400.0, 24_700.0, 50.0)),  # all above the forward
        replace(whole, years=np.zeros(4)),
        replace(whole, years=np.full(4, -0.001)),
    ]
    for chain in missing:
        assert math.isnan(closing_volatility(chain))
