"""Failures of the interface: how often a place has failed, what is said of it, and what is not repeated."""

from __future__ import annotations

import logging

import pytest

from tests.support.fake_backend import NOW
from tickertui.market.clock import ManualClock
from tickertui.tui.terminal.failures import PLAIN_AFTER, Failure, FailureLog


def broken(words: str = "date is not in list") -> ValueError:
    try:
        token = "a secret of forty-two letters"
        raise ValueError(words)
    except ValueError as error:
        del token
        return error


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


def test_a_failure_tells_what_where_and_when(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        failure = FailureLog(clock).add("chain", "painting", broken())
    assert failure.sentence.startswith("chain: painting failed: ValueError: date is not in list (test_failures.py:")
    assert failure.where.endswith("in broken")
    assert failure.at == NOW
    assert "ValueError: date is not in list" in caplog.text
    assert "Traceback" in caplog.text
    assert "forty-two" not in caplog.text.replace(failure.sentence, "").split("raise ValueError")[-1]


def test_the_third_within_ten_seconds_means_the_plain_view(clock: ManualClock) -> None:
    log = FailureLog(clock)
    counts = []
    for _ in range(PLAIN_AFTER):
        counts.append(log.add("chain", "painting", broken()).is_plain)
        clock.advance(3.0)
    assert counts == [False, False, True]


def test_three_in_half_a_minute_do_not(clock: ManualClock) -> None:
    log = FailureLog(clock)
    for _ in range(5):
        assert not log.add("chain", "painting", broken()).is_plain
        clock.advance(6.0)


def test_what_goes_on_failing_is_told_three_times_in_all(clock: ManualClock) -> None:
    log = FailureLog(clock)
    told: list[Failure] = []
    for _ in range(200):
        failure = log.add("status", "reading", broken())
        told += [failure] if failure.is_news else []
        clock.advance(0.1)
    assert len(told) == PLAIN_AFTER
    clock.advance(11.0)
    assert log.add("status", "reading", broken()).is_news, "it had worked for ten seconds"


def test_places_are_counted_apart(clock: ManualClock) -> None:
    log = FailureLog(clock)
    for place in ("chain", "events", "health", "rail"):
        assert log.add(place, "painting", broken()).count == 1
    log.forget("chain")
    assert set(log.latest) == {"events", "health", "rail"}


def test_an_error_with_pages_of_words_is_cut_on_the_screen_only(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        failure = FailureLog(clock).add("chain", "painting", broken("long\n" * 500))
    assert len(failure.what) <= 120
    assert "\n" not in failure.sentence
    assert caplog.text.count("long") >= 500


def test_an_error_without_a_traceback_has_no_place(clock: ManualClock) -> None:
    assert FailureLog(clock).add("chain", "painting", ValueError("x")).where == "place unknown"
