"""What needs attention: each problem says what, why and which key helps, and is an event once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.fake_backend import NOW, live_accounts, live_runtime, socket, some_progress
from tickertui.kite.stream_state import StreamState
from tickertui.market.hours import Phase
from tickertui.services.accounts.status import AccountState
from tickertui.services.history.status import BootstrapFailure, BootstrapProgress, BootstrapState
from tickertui.services.loop.status import FeedMode, LoopState
from tickertui.services.plan.status import ReloadResult, Unplaced
from tickertui.services.supervision.clock_watch import ClockFault, ClockGap
from tickertui.services.supervision.events import Severity
from tickertui.services.supervision.status import TaskInfo, TaskState
from tickertui.tui.terminal.display_rate import DisplayRate
from tickertui.tui.view.backend import HealthFigures
from tickertui.tui.view.data_states import NO_SOCKET_HEALTH, Link, LinkProblem, MarketView, SocketHealth
from tickertui.tui.view.problems import Loudness, ProblemInputs, ProblemLog, problems

CALM = ProblemInputs(
    live_runtime(), NO_SOCKET_HEALTH, MarketView(), HealthFigures(contracts_day=NOW.date()), BootstrapProgress(), (),
    DisplayRate(10.0), NOW, "NIFTY",
)  # fmt: skip


def test_what_is_wrong_with_the_calendar_is_told_quietly() -> None:
    (problem,) = problems(replace(CALM, calendar=("The market calendar's holidays end on 31 Dec 2026, in 30 days.",)))
    assert problem.why.startswith("The market calendar's holidays end on 31 Dec 2026")
    assert problem.role is Loudness.QUIET
    assert "calendar.toml" in problem.remedy


def account(**changes: object) -> ProblemInputs:
    first, second = live_accounts()
    accounts = (replace(first, **changes), second)  # type: ignore[arg-type]
    return replace(CALM, runtime=replace(CALM.runtime, accounts=accounts))


def runtime(**changes: object) -> ProblemInputs:
    return replace(CALM, runtime=replace(CALM.runtime, **changes))  # type: ignore[arg-type]


def figures(**changes: object) -> ProblemInputs:
    return replace(CALM, figures=replace(CALM.figures, **changes))  # type: ignore[arg-type]


def link(kind: Link, **changes: object) -> ProblemInputs:
    status = replace(socket(1, "Z1/s2", 1_000), **changes)  # type: ignore[arg-type]
    return replace(CALM, socket_health=SocketHealth(NO_SOCKET_HEALTH.codes, (LinkProblem(status, kind, "Z1"),)))


def slow() -> ProblemInputs:
    rate = DisplayRate(10.0)
    for number in range(40):
        rate.note(number * 100_000_000, drawn=number % 5 == 0)
    return replace(CALM, rate=rate)


def slept(progress: BootstrapProgress, minutes_ago: float = 1.0) -> ProblemInputs:
    end = NOW - timedelta(minutes=minutes_ago)
    gap = ClockGap(ClockFault.ASLEEP, end - timedelta(minutes=39), end)
    return replace(runtime(asleep=gap), progress=progress)


FAILED = BootstrapProgress(failures=(BootstrapFailure(9, "NIFTY26DEC26000CE", "no answer within 7 s", 2),))
SLOWED = BootstrapProgress(BootstrapState.RUNNING, rate=1.4, rate_limit=5.8, rate_limited=20, requests_left=9)
BROKEN_RELOAD = ReloadResult(NOW, 118, 0, 0, 0, 0, 0.2, "Z2 has no room")

HOLIDAY = MarketView(Phase.CLOSED, "HOLIDAY Guru Nanak", "next open Wed 25 Nov 09:15", None, "Mon 23 Nov")

CASES: list[tuple[str, Callable[[], ProblemInputs], str, list[str]]] = [
    ("no account", lambda: runtime(accounts=(), feed=FeedMode.MOCK), "quiet", ["no account", "tickertui config init"]),
    ("token refused", lambda: account(state=AccountState.AUTH_EXPIRED, detail="403"), "error",
     ["Z1 needs a login", "2,988 legs", "06:00", "L logs in", "2 X moves its legs to Z2 (room 7,796)"]),
    ("token past its flush", lambda: account(token_expires=NOW - timedelta(minutes=1)), "warn",
     ["past its flush", "L logs in"]),
    ("account failed", lambda: account(state=AccountState.FAILED, detail="no market-data plan"), "error",
     ["Z1 has failed", "no market-data plan", "2 R tries again"]),
    ("429 at the socket", lambda: account(state=AccountState.RATE_LIMITED), "warn",
     ["429", "allows three connections", "or another program", "by itself"]),
    ("streamed elsewhere", lambda: account(state=AccountState.ELSEWHERE), "quiet", ["another terminal", "read-only"]),
    ("silent socket", lambda: link(Link.SILENT, data_age=14.0, frame_age=0.9, rebuild_in=6.0), "warn",
     ["Z1/s2 is silent for 14s, 1,000 legs", "socket open, heartbeat 0.9s, no ticks; rebuild in 6s", "2 R rebuilds"]),
    ("silent after an error", lambda: link(Link.SILENT, data_age=4.0, last_error="was asleep"), "warn",
     ["socket open, heartbeat 0.4s, no ticks"]),
    ("mute socket", lambda: link(Link.SILENT, data_age=None, open_for=9.0), "warn",
     ["Z1/s2 is silent", "accepted, but no tick has come since"]),
    ("socket down", lambda: link(Link.DOWN, state=StreamState.BACKOFF, subscribed=0, last_error="reset", retry_in=4.0),
     "warn", ["Z1/s2 is down", "1,000 legs are stale", "reset; tries again in 4 s"]),
    ("database away", lambda: figures(database_fault="connection refused (3 tries, next in 8 s)"), "error",
     ["database cannot be reached", "connection refused (3 tries", "Ticks go on for the 4,192 legs of revision 118"]),
    ("no room", lambda: runtime(unassigned=(Unplaced("SENSEX next 9", "Z1 is full"),) * 12), "warn",
     ["12 legs have no room", "SENSEX next 9: Z1 is full", "fewer strikes", "2 D drops", "2 Space moves"]),
    ("unresolved", lambda: runtime(unresolved=(Unplaced("NIFTY26D0827400CE", "not in the dump"),)), "warn",
     ["1 subscriptions are not in today's", "NIFTY26D0827400CE", "kept"]),
    ("other contracts", lambda: figures(contracts_news="names: OLDCO is now NEWCO (6 contracts)"), "quiet",
     ["contracts are others than the day before", "OLDCO is now NEWCO (6 contracts)", "look at what you hold"]),
    ("no contracts", lambda: figures(contracts_day=None, contracts_stale=True), "warn",
     ["no contracts yet", "nothing can be subscribed", "I fetches"]),
    ("old contracts", lambda: figures(contracts_day=NOW.date() - timedelta(days=3), contracts_stale=True), "warn",
     ["contracts of Fri 20 Nov", "may be wrong", "I fetches today's"]),
    ("no spot", lambda: replace(CALM, has_spot=False), "warn", ["NIFTY has no price", "Greeks are —", "u other"]),
    ("slept", lambda: slept(replace(some_progress(), failures=()), 60.0), "warn",
     ["asleep 10:03-10:42: 39 min of ticks are missing", "76 requests to go, 51s", "3 shows the backfill"]),
    ("slept and all is there", lambda: slept(BootstrapProgress()), "warn", ["asleep", "nothing left to ask for"]),
    ("clock behind", lambda: figures(clock_skew_s=-3.4), "warn", ["3.4 s behind the exchange", "ages", "NTP"]),
    ("clock ahead", lambda: figures(clock_skew_s=2.1), "warn", ["2.1 s ahead of the exchange"]),
    ("slow display", slow, "warn", ["frames/s", "frames were merged", "c fewer columns"]),
    ("history failed", lambda: replace(CALM, progress=FAILED), "warn",
     ["1 backfill request failed", "NIFTY26DEC26000CE: no answer", "3 f asks again"]),
    ("429 in the backfill", lambda: replace(CALM, progress=SLOWED), "warn",
     ["429 20 times", "slowed itself to 1.4 of 5.8", "none needed"]),
    ("task failed", lambda: replace(CALM, tasks=(TaskInfo("valuation", TaskState.FAILED, 3, "it broke"),)), "error",
     ["task valuation has failed", "it broke, 3 restarts"]),
    ("loop failed", lambda: runtime(state=LoopState.FAILED, detail="no store"), "error",
     ["has failed", "no store", "q"]),
    ("reload failed", lambda: runtime(last_reload=BROKEN_RELOAD), "error",
     ["the reload of 11:42:07 failed", "Z2 has no room; what ran before runs on", "r plans it again"]),
    ("reload waits", lambda: runtime(store_revision=119), "warn", ["revision 119 waits, revision 118 runs", "r shows"]),
    ("holiday", lambda: replace(CALM, market=HOLIDAY), "quiet",
     ["HOLIDAY Guru Nanak: last values of Mon 23 Nov", "next open Wed 25 Nov 09:15", "M shows the mock"]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "inputs", "role", "words"), CASES, ids=[case[0] for case in CASES])
def test_it_says_what_why_and_which_key_helps(
    what: str, inputs: Callable[[], ProblemInputs], role: str, words: list[str]
) -> None:
    found = problems(inputs())
    assert len(found) == 1, [problem.name for problem in found]
    (problem,) = found
    assert problem.role == role
    text = f"{problem.what}: {problem.why} → {problem.remedy}"
    for word in words:
        assert word in text, text
    assert problem.what
    assert problem.remedy


def test_in_good_health_there_is_nothing_to_say() -> None:
    assert problems(CALM) == ()


def test_the_worst_comes_first_and_the_traders_own_keys_are_named() -> None:
    inputs = replace(account(state=AccountState.AUTH_EXPIRED), has_spot=False, keys={"login": "f8"})
    inputs = replace(inputs, figures=replace(inputs.figures, database_fault="gone"))
    assert [problem.role for problem in problems(inputs)] == ["error", "error", "warn"]
    assert "f8 logs in" in problems(inputs)[0].remedy


def test_a_sleep_long_ago_with_nothing_left_to_fetch_is_over() -> None:
    assert problems(slept(BootstrapProgress(), 31.0)) == ()


def test_a_mock_needs_no_contracts_of_the_broker() -> None:
    stale = figures(contracts_day=None, contracts_stale=True)
    inputs = replace(stale, runtime=replace(stale.runtime, feed=FeedMode.MOCK))
    assert problems(inputs) == ()


def test_what_only_the_screen_notices_is_an_event_when_it_lasts_and_when_it_is_over() -> None:
    log, second = ProblemLog(), 1_000_000_000
    skewed = problems(figures(clock_skew_s=-3.4))
    assert log.news(skewed, 0) == []
    assert log.news((), 2 * second) == [], "it did not last"
    assert log.news(skewed, 3 * second) == []
    ((severity, text),) = log.news(skewed, 8 * second)
    assert severity is Severity.WARNING
    assert "3.4 s behind" in text
    assert log.news(skewed, 9 * second) == [], "told once"
    assert log.news((), 10 * second) == [(Severity.INFO, "over: this clock is 3.4 s behind the exchange")]


def test_what_a_service_records_itself_is_not_recorded_twice() -> None:
    log = ProblemLog()
    away = problems(figures(database_fault="connection refused"))
    assert log.news(away, 0) == []
    assert log.news(away, 60_000_000_000) == []
