"""The record of what happened: bounded, numbered, and told to whoever listens."""

from __future__ import annotations

from datetime import datetime

import pytest

import tickertui.services as services
from tickertui.market.clock import IST, ManualClock
from tickertui.services.history.historical_bootstrapper import HistoricalBootstrapper
from tickertui.services.supervision.events import Event, EventLog, Severity


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 23, 10, 0, tzinfo=IST))


def test_the_oldest_go_and_numbers_stay(clock: ManualClock) -> None:
    log = EventLog(clock, limit=2)
    assert log.sequence == 0
    for text in ("one", "two", "three"):
        log.add("test", text)
        clock.advance(1)
    assert log.sequence == 3
    assert [(event.sequence, event.text) for event in log.since()] == [(2, "two"), (3, "three")]
    assert [event.text for event in log.since(2)] == ["three"]
    assert log.since(3) == ()
    assert log.since(2)[0].at == datetime(2026, 11, 23, 10, 0, 2, tzinfo=IST)


def test_listeners_hear_each_event_until_they_leave_even_from_within(clock: ManualClock) -> None:
    log = EventLog(clock)
    heard: list[Event] = []

    def once(event: Event) -> None:
        heard.append(event)
        leave()

    leave = log.listen(once)
    log.add("account", "Z1 is down", severity=Severity.ERROR, account="Z1")
    log.add("account", "Z1 is back", account="Z1")
    assert [(event.text, event.severity, event.account) for event in heard] == [("Z1 is down", Severity.ERROR, "Z1")]


def test_a_log_that_keeps_nothing_is_refused(clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="at least one event, not 0"):
        EventLog(clock, limit=0)


def test_the_package_exports_the_extracted_services_by_name() -> None:
    assert services.HistoricalBootstrapper is HistoricalBootstrapper
    assert set(services.__all__) <= set(dir(services))
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = services.Nonsense
