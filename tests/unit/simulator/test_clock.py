"""The simulated clock: set, accelerated, stopped, and without drift."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tickertui.market.clock import IST, Clock, ManualClock, epoch_ns
from tickertui.simulator.clock import SimulatedClock

START = datetime(2026, 11, 25, 11, 0, tzinfo=IST)


def base() -> ManualClock:
    return ManualClock(datetime(2030, 1, 1, tzinfo=IST))


def test_it_starts_where_it_is_told_and_runs_as_fast_as_it_is_told() -> None:
    machine = base()
    clock = SimulatedClock(machine, START, 60.0)
    assert isinstance(clock, Clock)
    assert clock.now() == START
    before = clock.monotonic_ns()
    machine.advance(2.5)
    assert clock.now() == START + timedelta(seconds=150)
    assert clock.time_ns() == epoch_ns(START) + 150_000_000_000
    assert clock.monotonic_ns() - before == 150_000_000_000


def test_without_a_start_it_follows_the_machine() -> None:
    machine = base()
    clock = SimulatedClock(machine)
    machine.advance(3)
    assert clock.now() == machine.now()


def test_a_change_of_speed_begins_now_and_a_set_moves_only_the_wall() -> None:
    machine = base()
    clock = SimulatedClock(machine, START, 10.0)
    machine.advance(1)
    clock.set_speed(0.0)
    machine.advance(100)
    assert clock.now() == START + timedelta(seconds=10)
    monotonic = clock.monotonic_ns()
    clock.set(START - timedelta(days=1))
    assert clock.monotonic_ns() == monotonic
    clock.set_speed(1.0)
    machine.advance(5)
    assert clock.now() == START - timedelta(days=1) + timedelta(seconds=5)
    assert clock.monotonic_ns() == monotonic + 5_000_000_000


def test_other_time_zones_become_market_time() -> None:
    clock = SimulatedClock(base(), datetime(2026, 11, 25, 5, 30, tzinfo=UTC), 0.0)
    assert clock.now() == START
    assert clock.now().utcoffset() == timedelta(hours=5, minutes=30)


@pytest.mark.parametrize("speed", [-1.0, float("nan"), float("inf"), 1e9])
def test_an_impossible_speed_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed of the market clock"):
        SimulatedClock(base(), START, speed)
    clock = SimulatedClock(base(), START)
    with pytest.raises(ValueError, match="speed of the market clock"):
        clock.set_speed(speed)


@pytest.mark.parametrize("year", [1970, 1990, 2100, 9999])
def test_a_time_that_no_packet_could_hold_is_refused(year: int) -> None:
    clock = SimulatedClock(base(), START)
    with pytest.raises(ValueError, match=f"between 1990 and 2100, not in {year}"):
        clock.set(datetime(year, 6, 1, tzinfo=IST))
    assert clock.now() == START


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        SimulatedClock(base(), datetime(2026, 11, 25))  # noqa: DTZ001
    with pytest.raises(ValueError, match="no time zone"):
        SimulatedClock(base(), START).set(datetime(2026, 11, 25))  # noqa: DTZ001
