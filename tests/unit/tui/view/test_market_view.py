"""Phase of the market in words, and what the first row must say."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.fake_backend import live_accounts, live_runtime, socket
from tickertui.kite.stream_state import StreamState
from tickertui.market.board import MarketBoard
from tickertui.market.clock import IST, ManualClock
from tickertui.market.hours import load_calendar
from tickertui.services.accounts.status import AccountState
from tickertui.services.loop.status import FeedMode
from tickertui.services.mock.seeding import MockSeed, SeedOrigin
from tickertui.services.supervision.events import EventLog
from tickertui.services.supervision.observed_hours import Deviation, DeviationKind, ObservedHours
from tickertui.services.supervision.seen_sessions import SeenSession, write_seen_sessions
from tickertui.tui.panes.chain.header import phase_text
from tickertui.tui.view.data_states import NO_SOCKET_HEALTH, Link, LinkProblem, LinkWatch, SocketHealth
from tickertui.tui.view.market_view import MarketViews, banner, market_view
from tickertui.tui.widgets.banner import BannerKind

CALENDAR = load_calendar()


@pytest.mark.parametrize(
    ("at", "label", "detail"),
    [
        ("2026-11-23 11:42", "F&O OPEN", "closes 15:40"),
        ("2026-11-23 15:22", "F&O OPEN", "auction to 15:35: limit and market orders; options to 15:40"),
        ("2026-11-23 15:37", "F&O CLOSING", "closes 15:40"),
        ("2026-11-23 18:00", "F&O CLOSED", "next open Wed 25 Nov 09:15"),
        ("2026-11-24 10:05", "HOLIDAY Prakash Gurpurb Sri Guru Nanak Dev", "next open Wed 25 Nov 09:15"),
        ("2026-11-22 12:00", "WEEKEND", "next open Mon 23 Nov 09:15"),
    ],
)
def test_the_market_in_words(at: str, label: str, detail: str) -> None:
    view = market_view(CALENDAR, "NFO", datetime.fromisoformat(at).replace(tzinfo=IST))
    assert (view.label, view.detail) == (label, detail)


@pytest.mark.parametrize(
    ("at", "label", "detail", "unconfirmed"),
    [
        ("2026-12-04 15:19", "F&O OPEN", "auction to 15:35: reference price; options to 15:40", ""),
        ("2026-12-07 15:29", "F&O OPEN", "closes 15:45", "announced for 7 Dec, unconfirmed"),
        (
            "2026-12-07 15:32",
            "F&O OPEN",
            "auction to 15:40: limit and market orders; options to 15:45",
            "announced for 7 Dec, unconfirmed",
        ),
        ("2026-12-07 15:42", "F&O CLOSING", "closes 15:45", "announced for 7 Dec, unconfirmed"),
    ],
)
def test_hours_that_are_announced_and_unconfirmed_are_marked(
    at: str, label: str, detail: str, unconfirmed: str
) -> None:
    view = market_view(CALENDAR, "NFO", datetime.fromisoformat(at).replace(tzinfo=IST))
    assert (view.label, view.detail, view.unconfirmed) == (label, detail, unconfirmed)
    assert ("unconfirmed" in phase_text(view)) is bool(unconfirmed)


def test_an_exchange_without_hours_is_said_to_be_so_and_shuts_nothing() -> None:
    view = market_view(CALENDAR, "IFSC-OPT", datetime(2026, 11, 23, 20, 0, tzinfo=IST))
    assert (view.label, view.session_day, view.closes_in) == ("IFSC HOURS NOT KNOWN", "", None)
    assert view.detail == "the hours of IFSC are not known; a [[hours]] in calendar.toml tells them"
    assert not view.is_open
    assert not view.shuts(FeedMode.LIVE)
    assert not view.shuts(FeedMode.CLOSED)


def silent_links() -> SocketHealth:
    status = socket(1, "Z1/s2", 1_000, state=StreamState.SILENT, data_age=14.0, last_error="no ticks")
    return replace(NO_SOCKET_HEALTH, problems=(LinkProblem(status, Link.SILENT, "Z1"),) * 2)


def test_a_mock_or_a_replay_comes_before_every_trouble() -> None:
    expired = tuple(replace(account, state=AccountState.AUTH_EXPIRED) for account in live_accounts())
    for feed, kind in ((FeedMode.MOCK, BannerKind.MOCK), (FeedMode.REPLAY, BannerKind.REPLAY)):
        view = banner(replace(live_runtime(), feed=feed, accounts=expired), silent_links())
        assert view is not None
        assert view.kind is kind
        assert kind.name in view.text


def test_a_refused_token_names_its_account_and_the_traders_own_key() -> None:
    first, second = live_accounts()
    runtime = replace(live_runtime(), accounts=(replace(first, state=AccountState.AUTH_EXPIRED), second))
    view = banner(runtime, silent_links(), {"login": "f8"})
    assert view is not None
    assert view.text == "Z1 NEEDS A LOGIN · f8 logs in · retrying will not help"


def test_a_silent_socket_is_told_in_market_hours_only() -> None:
    view = banner(live_runtime(), silent_links())
    assert view is not None
    assert view.text == "Z1/s2 SILENT 14s and 1 more · no ticks · 2 R rebuilds it"

    problem = silent_links().problems[0]
    waits = replace(problem.status, state=StreamState.OPEN, frame_age=0.9, rebuild_in=6.2)
    view = banner(live_runtime(), replace(NO_SOCKET_HEALTH, problems=(replace(problem, status=waits),)))
    assert view is not None
    assert view.text == "Z1/s2 SILENT 14s · socket open, heartbeat 0.9s, no ticks · rebuild in 6s · 2 R now"
    assert view.shorter == ("Z1/s2 SILENT 14s · socket open, heartbeat 0.9s, no ticks · rebuild in 6s",)
    idle = replace(live_accounts()[0], connections=(replace(waits, data_age=3600.0, expects_data=False),))
    assert not LinkWatch().update((idle,), market_open=True).problems, "what it carries does not trade now"
    busy = replace(idle, connections=(replace(waits, data_age=3600.0, frame_age=9.0),))
    assert LinkWatch().update((busy,), market_open=True).problems
    assert not LinkWatch().update((busy,), market_open=False).problems


def test_a_mock_says_where_its_levels_come_from() -> None:
    def said(origin: SeedOrigin, at: datetime | None = None, *, is_close: bool = False) -> tuple[str, ...]:
        seed = MockSeed(origin, at, is_close, number=7)
        view = banner(replace(live_runtime(), feed=FeedMode.MOCK), NO_SOCKET_HEALTH, seed=seed)
        assert view is not None
        assert view.kind is BannerKind.MOCK
        return (view.text, *view.shorter)

    monday, bare = datetime(2026, 11, 23, 15, 40, tzinfo=IST), "MOCK DATA · NOT EXCHANGE PRICES"
    assert said(SeedOrigin.RECORDED, monday, is_close=True) == (
        "MOCK DATA · seeded from close Mon 23 Nov 15:40 · NOT EXCHANGE PRICES",
        "MOCK DATA · close Mon 23 Nov 15:40 · NOT EXCHANGE PRICES",
        bare,
    )
    assert "· seeded from prices of Mon 23 Nov 15:40 ·" in said(SeedOrigin.RECORDED, monday)[0]
    assert "· seeded from last known prices ·" in said(SeedOrigin.RECORDED)[0]
    assert "· seeded from broker quotes ·" in said(SeedOrigin.QUOTE)[0]
    assert said(SeedOrigin.TYPICAL) == ("MOCK DATA · demo levels, seed 7 · NOT EXCHANGE PRICES", bare)


def test_nothing_is_said_while_nothing_must_be_said() -> None:
    assert banner(live_runtime(), NO_SOCKET_HEALTH) is None


@pytest.mark.parametrize(
    ("at", "labels"),
    [
        ("2026-11-23 11:42", ["F&O OPEN", "F&O OPEN", "MCX OPEN", "CDS OPEN"]),
        ("2026-11-23 15:22", ["F&O OPEN", "F&O OPEN", "MCX OPEN", "CDS OPEN"]),
        ("2026-11-23 16:59", ["F&O CLOSED", "F&O CLOSED", "MCX OPEN", "CDS OPEN"]),
        ("2026-11-23 18:00", ["F&O CLOSED", "F&O CLOSED", "MCX OPEN", "CDS CLOSED"]),
        ("2026-11-23 23:56", ["F&O CLOSED", "F&O CLOSED", "MCX CLOSED", "CDS CLOSED"]),
    ],
)
def test_every_segment_has_a_phase_of_its_own(at: str, labels: list[str]) -> None:
    views = MarketViews(CALENDAR, datetime.fromisoformat(at).replace(tzinfo=IST))
    assert [views.of(exchange).label for exchange in ("NFO", "BFO", "MCX", "CDS")] == labels
    assert views.of("").label == labels[0], "before there is a chain"
    assert views.of_indices("MCX").label == labels[0], "the indices beside a commodity are not open in the evening"


def test_the_last_session_is_that_of_the_exchange() -> None:
    """On 24 Nov 2026 equity has a holiday and commodities trade in the evening."""
    views = MarketViews(CALENDAR, datetime(2026, 11, 25, 8, 0, tzinfo=IST))
    assert views.of("NFO").session_day == "Mon 23 Nov"
    assert views.of("MCX").session_day == "Tue 24 Nov"


SATURDAY = datetime(2026, 11, 28, 11, 0, tzinfo=IST)
FLOW = Deviation("NFO", DeviationKind.FLOWING, SATURDAY - timedelta(minutes=55))
STILL = Deviation("MCX", DeviationKind.STILL, datetime(2026, 11, 30, 18, 2, tzinfo=IST))


def test_a_segment_that_trades_although_the_calendar_says_closed_is_open_and_told() -> None:
    views = MarketViews(CALENDAR, SATURDAY, (FLOW,))
    assert (views.of("NFO").label, views.of("NFO").is_open) == ("F&O OPEN", True)
    assert views.of("NFO").detail == "NFO trades since Sat 10:05, though the calendar says closed"
    assert not views.of("MCX").is_open
    view = banner(live_runtime(), NO_SOCKET_HEALTH, deviations=views.deviations)
    assert view is not None
    assert view.text == "NFO trades since Sat 10:05, though the calendar says closed"
    indices = MarketViews(CALENDAR, SATURDAY, (Deviation("INDICES", DeviationKind.FLOWING, SATURDAY), FLOW))
    assert indices.of_indices("NFO").is_open
    both = banner(live_runtime(), NO_SOCKET_HEALTH, deviations=indices.deviations)
    assert both is not None
    assert both.shorter[0] == "the indices trade since Sat 11:00 · 1 more"


def test_a_segment_that_sends_nothing_although_the_calendar_says_open_is_shut_and_told() -> None:
    views = MarketViews(CALENDAR, datetime(2026, 11, 30, 18, 10, tzinfo=IST), (STILL,))
    commodity = views.of("MCX")
    assert (commodity.label, commodity.is_open, commodity.session_day) == ("MCX NO TICKS", False, "Mon 30 Nov")
    holiday = Deviation("MCX", DeviationKind.STILL, datetime(2026, 11, 30, 9, 0, tzinfo=IST), ticked=False, whole=True)
    view = MarketViews(CALENDAR, datetime(2026, 11, 30, 9, 5, tzinfo=IST), (holiday,)).of("MCX")
    assert view.session_day == "Fri 27 Nov"
    assert view.detail == (
        "no tick of MCX since 09:00, the open, though the calendar says open and the sockets are healthy: "
        "a holiday that is not listed, or an outage"
    )
    silent = banner(live_runtime(), silent_links(), deviations=(STILL,))
    assert silent is not None
    assert "SILENT" in silent.text, "a socket in trouble comes first"


def test_a_session_that_was_seen_is_the_one_whose_values_are_shown_afterwards(tmp_path: Path) -> None:
    monday, file = datetime(2026, 11, 30, 8, 0, tzinfo=IST), tmp_path / "seen-sessions.json"
    opened = SATURDAY.replace(hour=10)
    write_seen_sessions(file, [SeenSession("NFO", opened, SATURDAY)], monday)
    clock = ManualClock(monday)
    hours = ObservedHours(MarketBoard(), CALENDAR, clock, EventLog(clock), file=file)
    view = MarketViews(hours, monday).of("NFO")
    assert view.session_day == "Sat 28 Nov"
    assert view.session is not None
    assert (view.session.open, view.session.close) == (opened, SATURDAY)
    assert MarketViews(hours, monday).of("MCX").session_day == "Fri 27 Nov"
