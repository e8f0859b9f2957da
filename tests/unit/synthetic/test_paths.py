"""Noise, time and levels of the mock market: functions of seed and instant."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickertui.market.hours import IST, load_calendar
from tickertui.synthetic.paths import (
    SESSION_SECONDS,
    AroundTheClock,
    LevelPath,
    MarketTime,
    Noise,
    Regime,
    SessionHours,
    Timeline,
)

CALENDAR = load_calendar()


def epoch(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=IST).timestamp()


def path(timeline: Timeline, *, seed: int = 7, name: str = "NIFTY") -> LevelPath:
    made = LevelPath(name, seed, Noise(seed, "market"), Noise(seed, "mood"), timeline, 0.12, 1.0)
    made.anchor(24_000.0, 1e6)
    return made


@given(st.lists(st.floats(0, 3e7), min_size=1, max_size=20), st.integers(0, 50))
@settings(max_examples=50, deadline=None)
def test_noise_is_the_same_however_it_is_asked_for(times: list[float], seed: int) -> None:
    whole = Noise(seed, "a").at(np.array(times))
    other = Noise(seed, "a")
    single = [float(other.at(np.array([time]))[0]) for time in reversed(times)]
    assert whole.tolist() == list(reversed(single))


def test_noise_grows_like_a_brownian_motion_and_is_continuous() -> None:
    noise = Noise(3, "x")
    seconds = np.arange(0.0, 4_000_000.0)
    steps = np.diff(noise.at(seconds))
    assert steps.std() == pytest.approx(1.0, rel=0.02)
    assert np.abs(steps).max() < 7.0
    hours = np.diff(noise.at(np.arange(0.0, 4_000_000.0, 3_600.0)))
    assert hours.std() == pytest.approx(60.0, rel=0.1)
    assert abs(np.corrcoef(hours[1:], hours[:-1])[0, 1]) < 0.1
    assert noise.at(np.array([10.5]))[0] == pytest.approx(noise.at(np.array([10.0, 11.0])).mean())


def test_names_and_seeds_have_their_own_noise() -> None:
    times = np.arange(0.0, 100_000.0, 100.0)
    first, second, third = Noise(1, "a").at(times), Noise(1, "b").at(times), Noise(2, "a").at(times)
    assert abs(np.corrcoef(np.diff(first), np.diff(second))[0, 1]) < 0.15
    assert abs(np.corrcoef(np.diff(first), np.diff(third))[0, 1]) < 0.15


@pytest.mark.parametrize("time", [AroundTheClock(), SessionHours(CALENDAR)])
def test_business_time_never_runs_back(time: MarketTime) -> None:
    instants = np.arange(epoch("2026-11-19T00:00"), epoch("2026-11-26T00:00"), 30.0)
    assert (np.diff(time.business(instants)) >= 0).all()
    assert (np.diff(time.elapsed(instants)) >= 0).all()
    progress = time.progress(instants)
    assert progress.min() >= 0
    assert progress.max() <= 1


def test_sessions_move_only_while_the_calendar_is_open() -> None:
    time = SessionHours(CALENDAR)
    at = {
        name: epoch(f"2026-11-{day}")
        for name, day in (("close", "23T15:40"), ("holiday", "24T12:00"), ("before", "25T09:14"), ("open", "25T09:15"))
    }
    assert not time.moves(at["holiday"])
    assert time.moves(at["open"])
    assert not time.moves(at["close"])
    business = time.business(np.array([at["close"], at["holiday"], at["before"], at["open"]]))
    assert business[0] == business[1] == business[2] < business[3]
    assert time.session(at["holiday"]) == (epoch("2026-11-23T09:15"), at["close"])
    assert time.latest(np.array([at["holiday"]]))[0] < at["close"]
    assert time.within(at["close"], at["open"] + 1) == [(at["open"], epoch("2026-11-25T15:40"))]
    fast = time.business(np.array([at["open"], at["open"] + 600.0]))
    slow = time.business(np.array([epoch("2026-11-25T12:00"), epoch("2026-11-25T12:10")]))
    assert fast[1] - fast[0] > 2 * (slow[1] - slow[0])


def test_around_the_clock_a_day_moves_as_much_as_a_session() -> None:
    time = AroundTheClock()
    day = np.array([epoch("2026-11-22T00:00"), epoch("2026-11-23T00:00")])
    assert np.diff(time.business(day))[0] == pytest.approx(SESSION_SECONDS)
    assert time.moves(day[0])
    assert time.session(day[0] + 5.0) == (day[0], day[1])
    assert len(time.within(day[0] + 1, day[1] + 1)) == 2


def test_a_path_passes_through_its_anchor_and_moves_as_its_volatility_says() -> None:
    made = path(Timeline(Regime.CALM))
    assert made.levels(np.array([1e6]))[0] == pytest.approx(24_000.0)
    sessions = np.arange(0.0, 600.0) * SESSION_SECONDS + 1e6
    returns = np.diff(np.log(made.levels(sessions)))
    assert returns.std() * 252**0.5 == pytest.approx(0.12 * 0.75, rel=0.1)


def test_a_regime_changes_the_future_and_not_the_past() -> None:
    calm, changed = Timeline(Regime.CALM), Timeline(Regime.CALM)
    changed.change(0.0, 1.5e6, Regime.VOLATILE)
    before, after = np.arange(1.0e6, 1.5e6, 1_000.0), np.arange(1.5e6, 2.5e6, 1_000.0)
    assert np.array_equal(path(calm).levels(before), path(changed).levels(before))
    joined = path(changed).levels(np.array([1.5e6 - 1, 1.5e6, 1.5e6 + 1]))
    assert np.abs(np.diff(np.log(joined))).max() < 1e-3
    quiet, wild = (np.diff(np.log(path(timeline).levels(after))).std() for timeline in (calm, changed))
    assert wild == pytest.approx(quiet * 2.5 / 0.75, rel=0.05)
    with pytest.raises(ValueError, match="before the last change"):
        changed.change(-1.0, 0.0, Regime.CALM)


def test_a_trend_goes_somewhere_and_comes_back() -> None:
    levels = path(Timeline(Regime.TRENDING)).levels(np.array([1e6, 1e6 + 7_200, 1e6 + 14_400 * 50]))
    calm = path(Timeline(Regime.CALM)).levels(np.array([1e6 + 14_400 * 50]))
    assert 0.9 < levels[2] / calm[0] < 1.1


def test_jumps_hit_the_named_underlying_or_all() -> None:
    timeline = Timeline(Regime.CALM)
    timeline.jump(1.2e6, "NIFTY", 0.02)
    timeline.jump(1.3e6, None, -0.05)
    times = np.array([1.1e6, 1.25e6, 1.35e6])
    plain, jumped = path(Timeline(Regime.CALM)), path(timeline)
    assert np.log(jumped.levels(times) / plain.levels(times)) == pytest.approx([0.0, 0.02, -0.03])
    other = path(timeline, name="SENSEX")
    plain_other = path(Timeline(Regime.CALM), name="SENSEX")
    assert np.log(other.levels(times) / plain_other.levels(times)) == pytest.approx([0.0, 0.0, -0.05])


def test_volatility_rises_when_the_level_falls() -> None:
    timeline = Timeline(Regime.CALM)
    timeline.jump(1.2e6, None, -0.05)
    times = np.array([1.2e6 - 1, 1.2e6 + 1])
    _, volatility = path(timeline).state(times, np.ones(2))
    assert volatility[1] > 1.05 * volatility[0]
    assert path(Timeline(Regime.CALM)).state(np.array([1e6]), np.ones(1))[1][0] == pytest.approx(0.12)
