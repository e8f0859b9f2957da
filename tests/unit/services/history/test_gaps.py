"""What is missing, checked against sets of minutes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tickertui.market.candles import Interval
from tickertui.market.clock import IST
from tickertui.market.hours import load_calendar
from tickertui.services.history.gaps import (
    Wanted,
    candle_count,
    clipped,
    merged,
    requests_for,
    seconds_of,
    subtract,
    wanted_spans,
    young_tail,
)
from tickertui.store.protocol import Span

CALENDAR = load_calendar()
SETTLE = timedelta(seconds=90)

loose = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 25)).map(lambda pair: (pair[0], pair[0] + pair[1])))


def points(spans: Sequence[Span]) -> set[int]:
    """Every second of some spans."""
    return {second for start, end in spans for second in range(start, end)}


def is_tidy(spans: Sequence[Span]) -> bool:
    """Whether spans are ascending, not empty and do not overlap."""
    edges = [edge for span in spans for edge in span]
    return edges == sorted(edges) and all(start < end for start, end in spans)


@given(loose)
def test_a_union_holds_the_same_seconds(spans: list[Span]) -> None:
    union = merged(spans)
    assert is_tidy(union)
    assert points(union) == points(spans)
    assert all(end < start for (_, end), (start, _) in pairwise(union)), "they do not touch"


@given(loose, loose)
def test_a_difference_holds_the_right_seconds(one: list[Span], other: list[Span]) -> None:
    wanted, covered = merged(one), merged(other)
    assert points(subtract(wanted, covered)) == points(wanted) - points(covered)
    assert is_tidy(subtract(wanted, covered))


@given(loose, loose, st.integers(1, 80))
def test_requests_fill_exactly_what_is_missing(one: list[Span], other: list[Span], longest: int) -> None:
    wanted, covered = merged(one), merged(other)
    missing = points(wanted) - points(covered)
    requests = requests_for(wanted, covered, longest)
    assert is_tidy(requests)
    assert points(requests) & points(wanted) == missing, "all that is missing, and nothing that is there"
    assert all(end - start <= longest for start, end in requests)
    assert all(start in missing and end - 1 in missing for start, end in requests), "none begins or ends in vain"


@given(loose, loose)
def test_no_fewer_requests_would_do(one: list[Span], other: list[Span]) -> None:
    """Without a longest request, two neighbours are apart only where something covered lies between them."""
    wanted, covered = merged(one), merged(other)
    requests = requests_for(wanted, covered, 10_000)
    for (_, end), (start, _) in pairwise(requests):
        assert points([(end, start)]) & points(wanted) & points(covered)


def test_a_request_reaches_over_a_night_but_not_over_what_is_there() -> None:
    days = [(0, 375), (1440, 1815), (2880, 3255)]
    assert requests_for(days, [], 86_400) == [(0, 3255)]
    assert requests_for(days, [(1440, 1815)], 86_400) == [(0, 375), (2880, 3255)]
    assert requests_for(days, [(0, 100), (3000, 3255)], 86_400) == [(100, 3000)]
    assert requests_for(days, [], 2000) == [(0, 1815), (2880, 3255)]
    assert requests_for(days, days, 86_400) == []


def test_a_long_gap_is_cut() -> None:
    assert requests_for([(0, 1000)], [], 400) == [(0, 400), (400, 800), (800, 1000)]


# ---------------------------------------------------------------------- with the calendar


def at(day: int, hour: int, minute: int, second: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, second, tzinfo=IST)


def wanted(interval: Interval, now: datetime, first: date, since: date | None = None) -> Wanted:
    sessions = CALENDAR.sessions("NFO", first, now.date())
    return wanted_spans([one for one in sessions if one.open <= now], interval, now, SETTLE, since)


def test_a_holiday_and_a_weekend_want_nothing() -> None:
    found = wanted(Interval.MINUTE, at(25, 20, 0), date(2026, 11, 20))
    days = [datetime.fromtimestamp(start, IST).date().day for start, _ in found.spans]
    assert days == [20, 23, 25], "the 21st and 22nd are a weekend, the 24th is Guru Nanak Jayanti"
    assert candle_count(found.spans, Interval.MINUTE) == 3 * 385
    assert found.running_from is None


def test_a_special_session_wants_its_own_minutes() -> None:
    sessions = CALENDAR.sessions("NFO", date(2026, 2, 1), date(2026, 2, 1))
    assert len(sessions) == 1, "the Budget Sunday traded"
    found = wanted_spans(sessions, Interval.MINUTE, at(2, 12, 0, month=2), SETTLE)
    assert candle_count(found.spans, Interval.MINUTE) == sessions[0].minutes


def test_the_forming_candle_is_not_wanted() -> None:
    found = wanted(Interval.MINUTE, at(25, 11, 0, 30), date(2026, 11, 25))
    assert found.spans == ((seconds_of(at(25, 9, 15)), seconds_of(at(25, 10, 59))),)
    assert found.running_from == seconds_of(at(25, 9, 15))


def test_a_session_is_wanted_wholly_when_its_last_candle_is_settled() -> None:
    almost = wanted(Interval.MINUTE, at(25, 15, 41, 29), date(2026, 11, 25))
    assert almost.spans[-1][1] == seconds_of(at(25, 15, 39))
    after = wanted(Interval.MINUTE, at(25, 15, 41, 30), date(2026, 11, 25))
    assert (after.spans[-1][1], after.running_from) == (seconds_of(at(25, 15, 40)), None)


def test_candles_are_counted_from_the_open_and_the_last_one_may_be_short() -> None:
    running = wanted(Interval.MINUTE_60, at(25, 12, 0), date(2026, 11, 25))
    assert running.spans == ((seconds_of(at(25, 9, 15)), seconds_of(at(25, 11, 15))),)
    over = wanted(Interval.MINUTE_60, at(25, 16, 0), date(2026, 11, 25))
    assert candle_count(over.spans, Interval.MINUTE_60) == 7


def test_nothing_is_wanted_before_the_first_candle_has_ended() -> None:
    assert wanted(Interval.MINUTE, at(25, 9, 15, 50), date(2026, 11, 25)) == Wanted()


def test_day_candles_are_whole_days_once_they_are_over() -> None:
    during = wanted(Interval.DAY, at(25, 15, 0), date(2026, 11, 23))
    assert during.spans == ((seconds_of(at(23, 0, 0)), seconds_of(at(24, 0, 0))),)
    after = wanted(Interval.DAY, at(25, 16, 0), date(2026, 11, 23))
    assert candle_count(after.spans, Interval.DAY) == 2


def test_a_strike_is_wanted_from_its_listing() -> None:
    found = wanted(Interval.MINUTE, at(25, 20, 0), date(2026, 11, 20), since=date(2026, 11, 23))
    assert [datetime.fromtimestamp(start, IST).day for start, _ in found.spans] == [23, 25]


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_young_tail_is_only_the_end_of_a_running_session_that_was_asked_for(covered_to: int, now: int) -> None:
    wanted_now = Wanted(((0, now * 60),) if now else (), 0 if now else None)
    have = [(0, covered_to * 60)] if covered_to else []
    tail = young_tail(wanted_now, have, 1800)
    missing = now - covered_to
    if covered_to and 0 < missing < 30:
        assert tail == (covered_to * 60, now * 60)
    else:
        assert tail is None


def test_a_finished_session_has_no_young_tail() -> None:
    assert young_tail(Wanted(((0, 600),)), [(0, 540)], 1800) is None


def test_a_gap_before_the_tail_is_no_tail() -> None:
    assert young_tail(Wanted(((0, 600),), 0), [(0, 60), (120, 600)], 1800) is None


def test_clipping() -> None:
    assert clipped([(0, 10), (20, 30), (40, 50)], 5, 25) == [(5, 10), (20, 25)]
    assert clipped([(0, 10)], 10, 20) == []
