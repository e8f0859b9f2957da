from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickertui.kite.stream_state import StreamState
from tickertui.market.hours import Phase
from tickertui.market.ticks import Source
from tickertui.services.accounts.status import AccountState, AccountStatus, ConnectionStatus
from tickertui.services.loop.status import FeedMode
from tickertui.tui.look.themes import MEANINGS
from tickertui.tui.view.data_states import (
    LIVE_STATES,
    CellFacts,
    DataState,
    Link,
    LinkWatch,
    MarketView,
    TypicalGap,
    classify,
    spot_state,
)

OPEN = MarketView(Phase.OPEN)
SHUT = MarketView(Phase.CLOSED, "HOLIDAY", session_day="Fri 20 Nov")
UNKNOWN = MarketView(Phase.UNKNOWN, "IFSC HOURS NOT KNOWN")
NAN = float("nan")


def state(
    *,
    source: Source = Source.LIVE,
    packets: int = 50,
    age: float = 0.4,
    gap: float = 0.5,
    subscribed: float = 600.0,
    link: Link = Link.HEALTHY,
    refused: bool = False,
    feed: FeedMode = FeedMode.LIVE,
    market: MarketView = OPEN,
) -> DataState:
    facts = CellFacts(
        np.array([source], dtype=np.int64),
        np.array([packets], dtype=np.int64),
        np.array([age]),
        np.array([gap]),
        np.array([subscribed]),
        np.array([link], dtype=np.int8),
        np.array([refused]),
    )
    return DataState(int(classify(facts, feed, market)[0]))


RULES: list[tuple[str, Callable[[], DataState], DataState]] = [
    ("ticks within its habit", lambda: state(), DataState.LIVE),
    ("a slow leg within its habit", lambda: state(age=14.0, gap=5.0), DataState.LIVE),
    ("longer silent than three gaps", lambda: state(age=16.0, gap=5.0), DataState.QUIET),
    ("never quiet within two seconds", lambda: state(age=1.9, gap=0.1), DataState.LIVE),
    ("habit not known yet", lambda: state(age=2.5, gap=NAN), DataState.QUIET),
    ("only the cached packet", lambda: state(packets=1), DataState.SNAP),
    ("a REST answer", lambda: state(source=Source.SNAPSHOT), DataState.SNAP),
    ("its socket is silent", lambda: state(link=Link.SILENT), DataState.STALE),
    ("its socket is away", lambda: state(link=Link.DOWN), DataState.STALE),
    ("its login has expired", lambda: state(link=Link.AUTH), DataState.STALE),
    ("a REST answer while the socket is away", lambda: state(source=Source.SNAPSHOT, link=Link.DOWN), DataState.SNAP),
    ("the market is shut", lambda: state(market=SHUT, age=9e4), DataState.CLOSED),
    ("shut and the socket is away", lambda: state(market=SHUT, link=Link.DOWN), DataState.CLOSED),
    ("the feed says closed", lambda: state(feed=FeedMode.CLOSED), DataState.CLOSED),
    ("hours not known, it ticks", lambda: state(market=UNKNOWN, feed=FeedMode.CLOSED), DataState.LIVE),
    ("hours not known, long silent", lambda: state(market=UNKNOWN, age=9e4), DataState.QUIET),
    ("hours not known, its socket is away", lambda: state(market=UNKNOWN, link=Link.DOWN), DataState.STALE),
    ("a mock, market open", lambda: state(source=Source.MOCK, link=Link.DOWN), DataState.MOCK),
    ("a mock, market shut", lambda: state(source=Source.MOCK, market=SHUT), DataState.MOCK),
    ("a recording", lambda: state(source=Source.REPLAY, market=SHUT), DataState.REPLAY),
    ("nothing yet", lambda: state(source=Source.NONE, subscribed=5.0, age=NAN), DataState.WAITING),
    ("nothing for a minute", lambda: state(source=Source.NONE, subscribed=61.0, age=NAN), DataState.NEVER),
    ("not subscribed", lambda: state(source=Source.NONE, subscribed=NAN, age=NAN), DataState.WAITING),
    ("nothing, login refused", lambda: state(source=Source.NONE, link=Link.AUTH, age=NAN), DataState.ERROR),
    ("the instrument is refused", lambda: state(refused=True), DataState.ERROR),
]


@pytest.mark.parametrize(("rule", "found", "expected"), RULES, ids=[rule for rule, _, _ in RULES])
def test_the_rule_of_a_cell(rule: str, found: Callable[[], DataState], expected: DataState) -> None:
    assert found() is expected


@given(
    st.sampled_from(list(Source)), st.integers(0, 3), st.floats(0, 1e6), st.floats(0.1, 100),
    st.sampled_from(list(Link)), st.sampled_from(list(FeedMode)), st.sampled_from([OPEN, SHUT]), st.booleans(),
)  # fmt: skip
def test_a_synthetic_value_is_never_called_anything_but_mock(
    source: Source, packets: int, age: float, gap: float, link: Link, feed: FeedMode, market: MarketView, refused: bool
) -> None:
    found = state(
        source=source, packets=packets, age=age, gap=gap, link=link, feed=feed, market=market, refused=refused
    )
    if source is Source.MOCK:
        assert found in (DataState.MOCK, DataState.ERROR)
    else:
        assert found is not DataState.MOCK
    if found in LIVE_STATES:
        assert source is Source.LIVE
        assert link is Link.HEALTHY
        assert market.is_open


def test_whole_arrays_are_judged_cell_by_cell() -> None:
    shape = (3, 2)
    facts = CellFacts(
        np.full(shape, Source.LIVE, dtype=np.int64),
        np.full(shape, 9),
        np.array([[0.1, 30.0], [0.1, 0.1], [NAN, 0.1]]),
        np.full(shape, 0.5),
        np.full(shape, 600.0),
        np.array([[0, 0], [1, 0], [0, 2]], dtype=np.int8),
        np.zeros(shape, dtype=np.bool_),
    )
    facts.source[2, 0] = Source.NONE
    names = [[DataState(code).word for code in row] for row in classify(facts, FeedMode.LIVE, OPEN).tolist()]
    assert names == [["LIVE", "QUIET"], ["STALE", "LIVE"], ["NEVER", "STALE"]]


def test_every_state_has_a_word_a_glyph_and_a_hue_of_its_own() -> None:
    badges = [state.badge for state in DataState]
    assert len({badge.word for badge in badges}) == len(DataState)
    assert len({badge.glyph for badge in badges}) == len(DataState)
    assert all(len(badge.glyph) == 1 for badge in badges)
    assert {badge.variable for badge in badges} <= set(MEANINGS)


@pytest.mark.parametrize(
    ("source", "age", "link", "phase", "expected"),
    [
        (Source.LIVE, 0.5, Link.HEALTHY, Phase.OPEN, DataState.LIVE),
        (Source.LIVE, 2.5, Link.HEALTHY, Phase.OPEN, DataState.QUIET),
        (Source.LIVE, 400.0, Link.HEALTHY, Phase.CAS, DataState.CAS),
        (Source.LIVE, 400.0, Link.HEALTHY, Phase.CLOSING, DataState.CAS),
        (Source.LIVE, 0.5, Link.HEALTHY, Phase.CAS, DataState.LIVE),
        (Source.LIVE, 400.0, Link.SILENT, Phase.CAS, DataState.STALE),
        (Source.LIVE, 400.0, Link.HEALTHY, Phase.CLOSED, DataState.CLOSED),
        (Source.MOCK, 0.5, Link.HEALTHY, Phase.CAS, DataState.MOCK),
        (Source.REPLAY, 0.5, Link.HEALTHY, Phase.OPEN, DataState.REPLAY),
        (Source.SNAPSHOT, 0.5, Link.DOWN, Phase.OPEN, DataState.SNAP),
        (Source.NONE, NAN, Link.HEALTHY, Phase.OPEN, DataState.WAITING),
        (Source.NONE, NAN, Link.AUTH, Phase.OPEN, DataState.ERROR),
    ],
)
def test_the_rule_of_the_index(source: Source, age: float, link: Link, phase: Phase, expected: DataState) -> None:
    assert spot_state(source, age, link, FeedMode.LIVE, MarketView(phase)) is expected


def test_the_habit_settles_at_the_median_gap() -> None:
    random = np.random.default_rng(7)
    typical_gap = TypicalGap((200,))
    gaps = np.where(random.random((400, 200)) < 0.1, 60.0, random.uniform(0.5, 1.5, (400, 200)))
    now = np.full(200, 1_000_000_000, dtype=np.int64)
    typical_gap.update(now)
    assert np.isnan(typical_gap.gap_s).all(), "one packet has no gap"
    for step in gaps:
        now = now + np.rint(step * 1e9).astype(np.int64)
        typical_gap.update(now)
    assert np.median(typical_gap.gap_s) == pytest.approx(1.05, abs=0.25)
    assert typical_gap.gap_s.max() < 3.0


def test_a_leg_that_sends_nothing_keeps_its_habit() -> None:
    typical_gap = TypicalGap((2,))
    typical_gap.update(np.array([10**9, 10**9]))
    typical_gap.update(np.array([2 * 10**9, 10**9]))
    assert typical_gap.gap_s[0] == pytest.approx(1.0)
    assert np.isnan(typical_gap.gap_s[1])
    typical_gap.update(np.array([2 * 10**9, 10**9]))
    assert typical_gap.gap_s[0] == pytest.approx(1.0)


def account(*connections: ConnectionStatus) -> AccountStatus:
    return AccountStatus("Z1", AccountState.LIVE, connections=connections)


def socket(number: int, state: StreamState = StreamState.OPEN, **values: float) -> ConnectionStatus:
    given: dict[str, float] = {
        "ticks_per_second": 400.0,
        "frame_age": 0.4,
        "data_age": 0.4,
        "subscribed": 3000,
    } | values
    return ConnectionStatus(
        number, f"Z1/s{number + 1}", state, subscribed=int(given["subscribed"]),
        ticks_per_second=given["ticks_per_second"], frame_age=given["frame_age"], data_age=given["data_age"],
    )  # fmt: skip


def test_a_socket_is_silent_when_it_usually_is_not() -> None:
    watch = LinkWatch()
    healthy = watch.update([account(socket(0), socket(1, ticks_per_second=1.0))], market_open=True)
    assert healthy.codes.tolist() == [Link.HEALTHY, Link.HEALTHY, Link.HEALTHY]
    assert not healthy.problems
    silent = [account(socket(0, data_age=3.5, ticks_per_second=0.0), socket(1, data_age=3.5, ticks_per_second=0.0))]
    socket_health = watch.update(silent, market_open=True)
    assert socket_health.codes.tolist() == [Link.SILENT, Link.HEALTHY, Link.HEALTHY], "the second one never sent much"
    assert [problem.status.label for problem in socket_health.problems] == ["Z1/s1"]
    assert not watch.update(silent, market_open=False).problems


def test_a_socket_that_is_merely_open_again_is_not_healthy_yet() -> None:
    watch = LinkWatch()

    def look(**changes: object) -> Link:
        status = replace(socket(0), **changes)  # type: ignore[arg-type]
        return Link(int(watch.update([account(status)], market_open=True).codes[0]))

    assert look(ticks=10_000) is Link.HEALTHY
    assert look(ticks=10_000, state=StreamState.SILENT) is Link.SILENT
    assert look(ticks=10_000, data_age=None, frame_age=None, ticks_per_second=0.0) is Link.SILENT, "no data at all"
    assert look(ticks=10_500, data_age=0.1) is Link.SILENT, "the cached packets"
    assert look(ticks=10_500, data_age=0.6) is Link.SILENT, "and nothing after them"
    assert look(ticks=10_800, data_age=0.1) is Link.SILENT
    assert look(ticks=11_100, data_age=0.1) is Link.HEALTHY, "data flow"
    assert look(ticks=11_100, data_age=0.6) is Link.HEALTHY


def test_a_quiet_socket_is_healthy_again_with_its_first_heartbeat() -> None:
    watch = LinkWatch()

    def look(**changes: object) -> Link:
        status = replace(socket(0, ticks_per_second=1.0), **changes)  # type: ignore[arg-type]
        return Link(int(watch.update([account(status)], market_open=True).codes[0]))

    assert look(frames=100) is Link.HEALTHY
    assert look(frames=100, state=StreamState.BACKOFF) is Link.DOWN
    assert look(frames=100, frame_age=None, data_age=None) is Link.SILENT
    assert look(frames=101, frame_age=0.1, data_age=9.0) is Link.HEALTHY


def test_a_shut_market_ends_every_wait_for_data() -> None:
    watch = LinkWatch()
    silent = [account(socket(0, StreamState.SILENT))]
    assert watch.update(silent, market_open=True).codes[0] == Link.SILENT
    assert watch.update([account(socket(0))], market_open=False).codes[0] == Link.HEALTHY
    assert watch.update([account(socket(0))], market_open=True).codes[0] == Link.HEALTHY


def test_a_missing_heartbeat_is_silence_whatever_the_rate() -> None:
    watch = LinkWatch()
    socket_health = watch.update(
        [account(socket(0, frame_age=5.5, data_age=5.5, ticks_per_second=0.0))], market_open=True
    )
    assert socket_health.codes[0] == Link.SILENT


def test_a_socket_that_is_down_is_a_problem_although_it_carries_nothing_now() -> None:
    lost = replace(socket(0, StreamState.BACKOFF, subscribed=0), desired=3000)
    socket_health = LinkWatch().update([account(lost, socket(1))], market_open=True)
    assert [(problem.link, problem.status.label) for problem in socket_health.problems] == [(Link.DOWN, "Z1/s1")]
    never_used = socket(2, StreamState.IDLE, subscribed=0)
    assert not LinkWatch().update([account(never_used)], market_open=True).problems


@pytest.mark.parametrize(
    ("data_age", "open_for", "link"),
    [(None, 4.0, Link.HEALTHY), (None, 6.0, Link.SILENT), (40.0, 6.0, Link.SILENT), (0.5, 6.0, Link.HEALTHY)],
)
def test_a_socket_that_was_accepted_and_stays_mute_is_silent(
    data_age: float | None, open_for: float, link: Link
) -> None:
    mute = replace(socket(0), data_age=data_age, ticks_per_second=0.0, open_for=open_for)
    assert LinkWatch().update([account(mute)], market_open=True).codes[0] == link
    assert LinkWatch().update([account(mute)], market_open=False).codes[0] == Link.HEALTHY


@pytest.mark.parametrize(
    ("stream", "link"),
    [
        (StreamState.AUTH, Link.AUTH),
        (StreamState.SILENT, Link.SILENT),
        (StreamState.BACKOFF, Link.DOWN),
        (StreamState.CONNECTING, Link.DOWN),
        (StreamState.LIMITED, Link.DOWN),
        (StreamState.OPEN, Link.HEALTHY),
    ],
)
def test_the_state_of_the_stream_decides_first(stream: StreamState, link: Link) -> None:
    assert LinkWatch().update([account(socket(2, stream))], market_open=True).codes[2] == link


def test_the_worst_problem_comes_first_and_an_empty_socket_is_none() -> None:
    socket_health = LinkWatch().update(
        [
            account(
                socket(0, StreamState.SILENT), socket(1, StreamState.AUTH), socket(2, StreamState.IDLE, subscribed=0)
            )
        ],
        market_open=True,
    )
    assert [problem.link for problem in socket_health.problems] == [Link.AUTH, Link.SILENT]


def test_a_stale_feed_without_accounts_has_no_links() -> None:
    assert LinkWatch().update([], market_open=True).codes.tolist() == [Link.HEALTHY]
