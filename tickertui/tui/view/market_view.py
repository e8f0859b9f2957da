"""What the calendar and the loop say about now, in the words of the screen: market phase and the first row's banner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tickertui.kite.stream_state import StreamState
from tickertui.market.hours import CalendarError, DayKind, MarketCalendar, Phase, unknown_hours
from tickertui.market.settling import NO_AUCTION, AuctionTimes
from tickertui.services.accounts.status import AccountState
from tickertui.services.loop.status import FeedMode, RuntimeState
from tickertui.services.mock.seeding import MockSeed, SeedOrigin
from tickertui.tui.keys.actions import NO_KEYS, key_name
from tickertui.tui.view.data_states import SILENT_DATA_S, Link, MarketView, SocketHealth
from tickertui.tui.view.problems import rebuild_words, socket_reason
from tickertui.tui.view.provenance import LIVE_ONLY, Provenance
from tickertui.tui.widgets.banner import BannerKind, BannerView

DERIVATIVES = "NFO"
"""Segment whose hours the header shows; BFO keeps the same (BSE notice 20260612-9)."""

_OPEN_LABELS = {Phase.OPEN: "F&O OPEN", Phase.CAS: "F&O OPEN", Phase.CLOSING: "F&O CLOSING"}


def market_view(calendar: MarketCalendar, segment: str, now: datetime) -> MarketView:
    """Return what a segment does now.

    Args:
        calendar: Sessions and holidays.
        segment: The derivatives segment, e.g. "NFO".
        now: Aware datetime.
    """
    announcement = calendar.announced_hours(segment, now.date())
    view = _phase_view(calendar, segment, now)
    return view if announcement is None else replace(view, unconfirmed=announcement.label)


def _phase_view(calendar: MarketCalendar, segment: str, now: datetime) -> MarketView:
    phase = calendar.phase(segment, now)
    if phase is Phase.UNKNOWN:
        exchange = segment.partition("-")[0]
        return MarketView(phase, f"{exchange} HOURS NOT KNOWN", unknown_hours(exchange))
    try:
        session_day = f"{calendar.last_close(segment, now):%a %d %b}"
    except CalendarError:
        session_day = ""
    if phase.is_open:
        session = calendar.current_session(segment, now)
        close = session.close if session is not None else now
        detail = f"closes {close:%H:%M}"
        frozen, times = "", NO_AUCTION
        if phase in (Phase.CAS, Phase.CLOSING):
            sessions = calendar.session_on("INDICES", now.date())
            index = next((held for held in sessions if held.auction is not None), None)
            auction, times = index.auction if index is not None else None, AuctionTimes.of(index)
        if phase is Phase.CAS:
            frozen = f"{auction:%H:%M}" if auction is not None else ""
            until = f" to {index.close:%H:%M}" if index is not None else ""
            step = calendar.step("INDICES", now)
            detail = f"auction{until}{f': {step}' if step else ''}; options to {close:%H:%M}"
        left = (close - now).total_seconds()
        return MarketView(phase, _OPEN_LABELS[phase], detail, left, session_day, frozen, auction=times)
    try:
        following = calendar.next_open(segment, now)
        detail = f"next open {following:%a %d %b %H:%M}"
    except CalendarError:
        detail = "next session not in the calendar"
    if phase is Phase.PRE_OPEN:
        return MarketView(phase, "PRE-OPEN", f"options open {following:%H:%M}", None, session_day)
    return MarketView(phase, _closed_label(calendar, segment, now), detail, None, session_day)


def _closed_label(calendar: MarketCalendar, segment: str, now: datetime) -> str:
    kind = calendar.day_kind(now.date(), segment)
    if kind is DayKind.HOLIDAY:
        return f"HOLIDAY {calendar.holiday_name(now.date(), segment) or ''}".rstrip()
    if kind is DayKind.WEEKEND:
        return "WEEKEND"
    return "F&O CLOSED"


def banner(
    runtime: RuntimeState,
    socket_health: SocketHealth,
    market: MarketView,
    keys: Mapping[str, str] = NO_KEYS,
    *,
    simulated: bool = False,
    shown: Provenance = LIVE_ONLY,
    database_fault: str | None = None,
    seed: MockSeed | None = None,
) -> BannerView | None:
    """Return what the first row must say, the most important first; None while nothing must be said.

    A mock or a replay comes before everything: no other word may hide that the numbers are not the exchange's. With
    a simulated broker the row always says so, before whatever else there is to say: its faults are there to practise.

    Args:
        runtime: State of the loop.
        socket_health: Health of the sockets.
        market: What the calendar says.
        keys: The user's own keys by action id.
        simulated: Whether the broker is a simulator.
        shown: Where what the board holds comes from.
        database_fault: Why the database cannot be reached, None while it can.
        seed: Where the mock's level of the shown underlying comes from, None where that is not known.
    """
    if runtime.feed is FeedMode.MOCK or shown.mock:
        return _mock_banner(seed if runtime.feed is FeedMode.MOCK else None)
    if runtime.feed is FeedMode.REPLAY or shown.replay:
        then = "nothing played yet" if shown.then is None else f"{shown.then:%a %d %b %Y %H:%M:%S} IST"
        return BannerView(BannerKind.REPLAY, f"REPLAY  {then}  not live")
    view = _trouble(runtime, socket_health, market, keys, database_fault)
    if not simulated:
        return view
    if view is None:
        return BannerView(BannerKind.MOCK, "SIMULATED BROKER · NOT EXCHANGE PRICES")
    return BannerView(view.kind, f"SIMULATED · {view.text}")


_MOCK = ("MOCK DATA", "NOT EXCHANGE PRICES")
"""What the first row says of a mock however narrow it is."""


def _mock_banner(seed: MockSeed | None) -> BannerView:
    words, rest = _MOCK
    if seed is None:
        return BannerView(BannerKind.MOCK, f"{words} · {rest}")
    origin = _seed_words(seed)
    forms = [f"{words} · {one} · {rest}" for one in dict.fromkeys((origin, origin.removeprefix("seeded from ")))]
    return BannerView(BannerKind.MOCK, forms[0], (*forms[1:], f"{words} · {rest}"))


def _seed_words(seed: MockSeed) -> str:
    """``seeded from close Mon 23 Nov 15:40``, ``demo levels, seed 7``."""
    if seed.origin is SeedOrigin.TYPICAL:
        return f"demo levels, seed {seed.number}"
    if seed.origin is SeedOrigin.QUOTE:
        return "seeded from broker quotes"
    if seed.at is None:
        return "seeded from last known prices"
    return f"seeded from {'close' if seed.is_close else 'prices of'} {seed.at:%a %d %b %H:%M}"


def _trouble(
    runtime: RuntimeState,
    socket_health: SocketHealth,
    market: MarketView,
    keys: Mapping[str, str],
    database_fault: str | None,
) -> BannerView | None:
    health = f"{key_name('show-health', keys)} why"
    expired = [account for account in runtime.accounts if account.state is AccountState.AUTH_EXPIRED]
    if expired:
        names = " ".join(account.account_id for account in expired)
        press = key_name("login", keys)
        return BannerView(BannerKind.LOGIN, f"{names} NEEDS A LOGIN · {press} logs in · retrying will not help")
    silent = [problem for problem in socket_health.problems if problem.link in (Link.SILENT, Link.DOWN)]
    if silent and market.is_open:
        problem = silent[0]
        age = problem.status.data_age
        since = "" if age is None else f" {age:.0f}s"
        more = f" and {len(silent) - 1} more" if len(silent) > 1 else ""
        word = "SILENT" if problem.link is Link.SILENT else "DOWN"
        if problem.status.state is StreamState.OPEN and age is not None and age < SILENT_DATA_S:
            word, since = "RECOVERING", ""
        press = f"{key_name('show-subscriptions', keys)} {key_name('rebuild-feed', keys)}"
        said = [f"{problem.status.label} {word}{since}{more}", socket_reason(problem)]
        rebuild = rebuild_words(problem)
        if not rebuild:
            return BannerView(BannerKind.SILENT, " · ".join((*said, f"{press} rebuilds it")))
        said.append(rebuild)
        return BannerView(BannerKind.SILENT, " · ".join((*said, f"{press} now")), (" · ".join(said),))
    failed = [account.account_id for account in runtime.accounts if account.state is AccountState.FAILED]
    if failed:
        return BannerView(BannerKind.LOGIN, f"{' '.join(failed)} FAILED · {health}")
    if database_fault is not None:
        return BannerView(BannerKind.SILENT, f"DATABASE AWAY · ticks go on, reloads wait · {health} · {database_fault}")
    return None
