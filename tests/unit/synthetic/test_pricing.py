"""What a row of the mock market shows: no arbitrage within a tick, books in order, volume that only rises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tickertui.market.greeks import GreeksCalculator
from tickertui.synthetic.pricing import (
    base_open_interest,
    fill_book,
    mixed,
    open_interest_lots,
    option_ticks,
    out_of_the_money,
    total_volatility,
    unit,
    volume_lots,
)

TICK = 0.05

chains = st.fixed_dictionaries(
    {
        "forward": st.floats(300.0, 90_000.0),
        "volatility": st.floats(0.03, 1.5),
        "days": st.floats(1 / 86_400, 900.0),
        "rho": st.floats(-0.7, 0.3),
        "eta": st.floats(0.2, 1.4),
        "steps": st.integers(5, 60),
    }
)


def chain_ticks(
    chain: dict[str, float],
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    """Strikes, and ticks of calls and puts."""
    forward = chain["forward"]
    step = max(round(forward * 0.004 / TICK) * TICK, TICK)
    strikes = np.round(forward / step) * step + np.arange(-int(chain["steps"]), int(chain["steps"]) + 1) * step
    strikes = strikes[strikes > 0]
    count = len(strikes)
    theta = np.full(count, chain["volatility"] ** 2 * chain["days"] / 365)
    total = total_volatility(
        np.log(strikes / forward), theta, np.full(count, chain["rho"]), np.full(count, chain["eta"])
    )
    sides = [
        option_ticks(np.full(count, forward), strikes, total, np.full(count, call), np.full(count, TICK))
        for call in (True, False)
    ]
    return strikes, np.array(sides)


@given(chains)
@settings(max_examples=300, deadline=None)
def test_a_chain_is_free_of_arbitrage_within_a_tick(chain: dict[str, float]) -> None:
    strikes, (calls, puts) = chain_ticks(chain)
    assert (calls >= 1).all()
    assert (puts >= 1).all()
    apart = (chain["forward"] - strikes) / TICK
    assert (np.abs(calls - puts - apart) <= 1.0 + 1e-6).all()
    assert (np.diff(calls) <= 0).all()
    assert (np.diff(puts) >= 0).all()
    width = np.diff(strikes)[0] / TICK
    assert (-np.diff(calls) <= width + 1 + 1e-6).all()
    for side in (calls, puts):
        assert (side[:-2] - 2 * side[1:-1] + side[2:] >= -2).all()


@given(chains)
@settings(max_examples=100, deadline=None)
def test_the_price_is_the_valuations_own_model(chain: dict[str, float]) -> None:
    forward, years = chain["forward"], chain["days"] / 365
    strike = forward * np.exp(np.linspace(-0.3, 0.3, 7))
    theta = np.full(7, chain["volatility"] ** 2 * years)
    total = total_volatility(np.log(strike / forward), theta, np.full(7, chain["rho"]), np.full(7, chain["eta"]))
    ours = out_of_the_money(np.full(7, forward), strike, total)
    model = GreeksCalculator().greeks(forward, strike, years, strike >= forward, total / years**0.5).price
    assert ours == pytest.approx(model, abs=1e-9 * forward)


def test_the_smile_has_the_at_the_money_volatility_and_dearer_puts() -> None:
    log_strike = np.array([-0.05, 0.0, 0.05])
    total = total_volatility(log_strike, np.full(3, 0.0004), np.full(3, -0.4), np.full(3, 1.1))
    assert total[1] == pytest.approx(0.02)
    assert total[0] > total[2] > total[1]


def test_no_time_left_leaves_intrinsic_value_and_one_tick() -> None:
    forward, strikes = np.full(3, 100.0), np.array([90.0, 100.0, 110.0])
    total = total_volatility(np.log(strikes / forward), np.zeros(3), np.full(3, -0.4), np.full(3, 1.1))
    calls = option_ticks(forward, strikes, total, np.ones(3, dtype=bool), np.full(3, 0.05))
    assert calls.tolist() == [201, 1, 1]


@given(st.floats(0, 1e6), st.floats(0, 1), st.lists(st.floats(0, 1), min_size=2, max_size=30))
@example(1.0, 0.5, [0.0, 2.5823940422088618e-17])
@settings(max_examples=100, deadline=None)
def test_volume_starts_at_nothing_and_never_falls(daily: float, phase: float, progress: list[float]) -> None:
    along = np.array([0.0, *sorted(progress), 1.0])
    lots = volume_lots(np.full(len(along), daily), along, np.full(len(along), phase))
    assert lots[0] == 0
    assert (np.diff(lots) >= 0).all()
    assert lots[-1] == pytest.approx(daily, abs=1.0 + 1e-9 * daily)


def test_open_interest_moves_a_little_with_each_publication() -> None:
    base, phase = np.full(500, 40_000.0), np.full(500, 0.3)
    lots = open_interest_lots(base, np.arange(500.0), phase)
    steps = np.abs(np.diff(lots))
    assert (lots > 0).all()
    assert 50 < np.median(steps) < 0.03 * 40_000


def test_open_interest_peaks_at_round_strikes_calls_above_puts_below() -> None:
    strikes = np.arange(22_000.0, 27_001.0, 50.0)
    centre, step = np.full(len(strikes), 24_350.0), np.full(len(strikes), 50.0)
    calls = base_open_interest(strikes, centre, step, np.ones(len(strikes), dtype=bool))
    puts = base_open_interest(strikes, centre, step, np.zeros(len(strikes), dtype=bool))
    by_strike = dict(zip(strikes.tolist(), calls.tolist(), strict=True))
    assert by_strike[24_500.0] > 1.5 * by_strike[24_450.0]
    assert by_strike[24_500.0] > 1.5 * by_strike[24_600.0]
    assert (strikes * calls).sum() / calls.sum() > 24_350 > (strikes * puts).sum() / puts.sum()


@given(st.lists(st.tuples(st.integers(1, 100_000), st.integers(1, 60)), min_size=1, max_size=40), st.integers(0, 2**63))
@settings(max_examples=100, deadline=None)
def test_a_book_is_sorted_positive_and_around_the_last_price(rows: list[tuple[int, int]], salt: int) -> None:
    count = len(rows)
    ticks, spread = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    words = np.zeros((count, 30), dtype=np.uint32)
    keys = mixed(np.arange(count, dtype=np.uint64), 5)
    fill_book(words, keys, np.full(count, salt, dtype=np.uint64), ticks, np.full(count, 5), np.full(count, 65), spread)
    quantity, price, orders = (words[:, part::3].astype(np.int64) for part in range(3))
    bids, asks = price[:, :5], price[:, 5:]
    assert (price % 5 == 0).all()
    assert (np.diff(bids, axis=1) <= 0).all()
    assert (np.diff(asks, axis=1) == 5).all()
    assert (bids[:, 0] > 0).all()
    assert (bids[:, 0] < asks[:, 0]).all()
    assert (asks[:, 0] >= ticks * 5).all()
    assert (bids[:, 0] <= np.maximum(ticks * 5, 5)).all()
    there = price > 0
    assert (there[ticks > spread // 2 + 5]).all()
    assert (quantity[there] > 0).all()
    assert (quantity % 65 == 0).all()
    assert (quantity[~there] == 0).all()
    assert (orders[there] >> 16 > 0).all()
    assert ((orders >> 16) * 65 <= quantity).all()


def test_mixed_numbers_are_spread_evenly_and_repeat() -> None:
    keys = np.arange(20_000, dtype=np.uint64)
    numbers = unit(mixed(keys, 9))
    assert np.array_equal(numbers, unit(mixed(keys, 9)))
    assert not np.array_equal(numbers, unit(mixed(keys, 10)))
    assert 0.0 <= numbers.min() < 0.001
    assert 0.999 < numbers.max() < 1.0
    counts, _ = np.histogram(numbers, bins=20, range=(0, 1))
    assert counts.min() > 850
    assert counts.max() < 1150
