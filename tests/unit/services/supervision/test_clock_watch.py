"""Sleep, a stopped process and a clock that was set, told apart from seconds that merely pass."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tickertui.clock import ShiftedClock
from tickertui.market.clock import IST, Clock, ManualClock, wall_rate
from tickertui.services.supervision.clock_watch import ClockFault, ClockWatch

START = datetime(2026, 11, 23, 10, 2, tzinfo=IST)


def test_seconds_that_pass_are_nothing() -> None:
    clock = ManualClock(START)
    watch = ClockWatch(clock, 0.0)
    for second in range(100):
        clock.advance(1.2)
        assert watch.look(1.2 * second) is None
    clock.set(clock.now() + timedelta(seconds=3))
    assert watch.look(119.0) is None, "an ordinary correction of the clock"


def test_a_laptop_that_slept_is_named_with_its_hours() -> None:
    clock = ManualClock(START)
    watch = ClockWatch(clock, 0.0)
    clock.set(START + timedelta(minutes=39))
    gap = watch.look(1.0)
    assert gap is not None
    assert gap.fault is ClockFault.ASLEEP
    assert gap.describe() == "asleep 10:02-10:41: 39 min of ticks are missing"
    clock.advance(1)
    assert watch.look(1.0) is None


def test_a_process_that_was_stopped_is_seen_by_one_long_second() -> None:
    clock = ManualClock(START)
    watch = ClockWatch(clock, 0.0)
    clock.advance(60)
    gap = watch.look(60.0)
    assert gap is not None
    assert gap.fault is ClockFault.ASLEEP
    assert "60 s of ticks are missing" in gap.describe()


@pytest.mark.parametrize("hours, words", [(1.5, "90 min"), (3, "3 h 0 min")])
def test_long_gaps_are_in_readable_units(hours: float, words: str) -> None:
    clock = ManualClock(START)
    watch = ClockWatch(clock, 0.0)
    clock.set(START + timedelta(hours=hours))
    gap = watch.look(1.0)
    assert gap is not None
    assert words in gap.describe()


def test_a_clock_that_was_set_back_is_not_sleep() -> None:
    clock = ManualClock(START)
    watch = ClockWatch(clock, 0.0)
    clock.advance(1)
    clock.set(START - timedelta(hours=1))
    gap = watch.look(1.0)
    assert gap is not None
    assert gap.fault is ClockFault.SET_BACK
    assert gap.describe() == "the clock of this machine was set back from 10:02:00 to 09:02:00"


def test_an_accelerated_market_clock_is_not_sleep() -> None:
    clock = ManualClock(START)
    watch = ClockWatch(clock, 0.0)
    clock.advance(60)
    assert watch.look(1.0) is None


class FastMarket(ManualClock):
    """A clock as `tickertui.clock.ShiftedClock`: the wall time runs ahead of the machine's monotonic time."""

    def __init__(self, start: datetime, rate: float) -> None:
        super().__init__(start)
        self.wall_rate = rate

    def pass_seconds(self, seconds: float) -> None:
        """Let seconds of the machine pass."""
        self.advance(seconds)
        self.set(self.now() + timedelta(seconds=(self.wall_rate - 1) * seconds))


@pytest.mark.parametrize("rate", [12.0, 60.0, 3_600.0, 86_400.0])
def test_a_market_that_runs_faster_than_the_machine_is_not_sleep(rate: float) -> None:
    clock = FastMarket(START, rate)
    watch = ClockWatch(clock, 0.0)
    for second in range(1, 30):
        clock.pass_seconds(1.1)
        assert watch.look(1.1 * second) is None


@pytest.mark.parametrize("rate", [1.0, 60.0])
def test_a_fast_market_does_not_hide_sleep(rate: float) -> None:
    clock = FastMarket(START, rate)
    watch = ClockWatch(clock, 0.0)
    clock.pass_seconds(1.0)
    clock.set(clock.now() + timedelta(seconds=60 * rate))
    gap = watch.look(1.0)
    assert gap is not None
    assert gap.fault is ClockFault.ASLEEP


def test_a_program_stopped_under_a_fast_market_is_seen() -> None:
    clock = FastMarket(START, 60.0)
    watch = ClockWatch(clock, 0.0)
    clock.pass_seconds(30.0)
    assert watch.look(30.0) is not None


def test_the_rate_is_that_of_the_simulators_clock() -> None:
    machine: Clock = ManualClock(START)
    assert wall_rate(machine) == 1.0
    assert wall_rate(ShiftedClock(START, 12.0)) == 12.0
