"""The display slows down by itself when the terminal does not keep up, and says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui.driving import driven
from tickertui.tui.main import screen as main_module
from tickertui.tui.terminal.display_rate import DisplayRate, waiting_writes

TICK_NS = 100_000_000


def after(pattern: str, times: int) -> DisplayRate:
    """A rate after so many repetitions of drawn (``x``) and merged (``.``) frames at 10 Hz."""
    rate = DisplayRate(10.0)
    for number, letter in enumerate(pattern * times):
        rate.note(number * TICK_NS, drawn=letter == "x")
    return rate


def test_a_terminal_that_keeps_up_is_not_slow() -> None:
    assert after("x", 100).slow is None
    assert after("xx.", 40).slow is None, "two of three frames are good enough to say nothing"


@pytest.mark.parametrize(("pattern", "fps"), [("x.", 5.0), ("x....", 2.0), (".", 0.0)])
def test_a_slow_terminal_is_told_with_the_frames_it_takes(pattern: str, fps: float) -> None:
    assert after(pattern, 60).slow == pytest.approx(fps, abs=0.21)


def test_only_the_last_five_seconds_count() -> None:
    rate = after(".", 100)
    assert rate.merged == 50
    for number in range(100, 160):
        rate.note(number * TICK_NS, drawn=True)
    assert rate.slow is None
    assert rate.merged == 0


async def test_no_frame_is_drawn_while_the_terminal_still_writes_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with driven() as run:
        assert waiting_writes(run.app) == 0, "a headless driver has no writer"
        backlog = [1]
        monkeypatch.setattr(main_module, "waiting_writes", lambda app: backlog[0])
        shown = run.grid.frame
        for _ in range(30):
            run.backend.clock.advance(0.1)
            run.main._tick()
        assert run.grid.frame is shown
        assert run.main.rate.slow == 0.0
        backlog[0] = 0
        run.main._tick()
        assert run.grid.frame is shown, "as long as the frame took, the line is left to the answers to keys"
        run.backend.clock.advance(2.0)
        run.main._tick()
        assert run.grid.frame is not shown
        assert any("DISPLAY 0 fps, 31 frames merged" in line for line in run.text())
        run.backend.state = replace(run.backend.state, ticks_per_second=1.0)
        for _ in range(60):
            run.backend.clock.advance(0.1)
            run.main._tick()
        await run.pilot.pause()
        assert not any("DISPLAY" in line for line in run.text())


def test_half_of_a_slow_line_is_left_to_the_answers_to_keys() -> None:
    """The terminal takes 0.4 s for each frame: one is drawn every 0.8 s."""
    rate = DisplayRate(10.0)
    drawn: list[int] = []
    for number in range(50):
        busy = bool(drawn) and number - drawn[-1] < 4
        if rate.is_due(number * TICK_NS, waiting=int(busy)):
            drawn.append(number)
    assert drawn == [0, 8, 16, 24, 32, 40, 48]


def test_a_line_that_stood_still_for_long_is_not_left_idle_for_as_long() -> None:
    rate = DisplayRate(10.0)
    assert rate.is_due(0, waiting=0)
    for number in range(1, 600):
        assert not rate.is_due(number * TICK_NS, waiting=1)
    due = next(number for number in range(600, 1_200) if rate.is_due(number * TICK_NS, waiting=0))
    assert due == 620
