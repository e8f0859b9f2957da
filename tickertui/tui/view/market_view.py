"""What calendar, market and loop say about now, in the words of the screen: phases, and the first row's banner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from tickertui.kite.stream_state import StreamState
from tickertui.market.hours import CalendarError, DayKind, MarketCalendar, Phase, Session, unknown_hours
from tickertui.market.settling import NO_AUCTION, AuctionTimes
from tickertui.services.accounts.status import AccountState
from tickertui.services.loop.status import FeedMode, RuntimeState
from tickertui.services.mock.seeding import MockSeed, SeedOrigin
from tickertui.services.supervision.observed_hours import Deviation, DeviationKind
from tickertui.tui.keys.actions import NO_KEYS, key_name
from tickertui.tui.view.data_states import SILENT_DATA_S, Link, MarketView, SocketHealth
from tickertui.tui.view.problems import rebuild_words, socket_reason
from tickertui.tui.view.provenance import LIVE_ONLY, Provenance
from tickertui.tui.widgets.banner import BannerKind, BannerView

DERIVATIVES = "NFO"
"""Segment that stands for the Indian indices; BFO keeps the same hours (BSE notice 20260612-9)."""
INDICES = "INDICES"
_EQUITY = frozenset(("NFO", "BFO", "NSE", "BSE", INDICES))


class MarketViews:
    """What every segment does at one moment; each is worked out when it is asked for.

    Args:
        calendar: Sessions and holidays.
        now: Aware datetime.
        deviations: Where the market does not go by the calendar.
    """

    def __init__(self, calendar: MarketCalendar, now: datetime, deviations: Sequence[Deviation] = ()) -> None:
        self._calendar = calendar
        self._now = now
        self._views: dict[str, MarketView] = {}
        self.deviations = tuple(deviations)

    def of(self, exchange: str) -> MarketView:
        """Return what an exchange's segment does; that of the equity derivatives where ``exchange`` is empty."""
        name = exchange or DERIVATIVES
        view = self._views.get(name)
        if view is None:
            deviation = next((one for one in self.deviations if one.segment == name), None)
            view = self._views[name] = market_view(self._calendar, name, self._now, deviation)
        return view

    def of_indices(self, exchange: str) -> MarketView:
        """Return what the indices beside a chain do: as the equity derivatives, unless they themselves deviate.

        Args:
            exchange: Of the chain.
        """
        if any(deviation.segment == INDICES for deviation in self.deviations):
            return self.of(INDICES)
        return self.of(exchange if exchange in _EQUITY else DERIVATIVES)


def venue(segment: str) -> str:
    """Return how the screen names a segment: ``F&O`` for equity derivatives, else the exchange."""
    exchange = segment.partition("-")[0]
    return "F&O" if exchange in ("NFO", "BFO") else exchange


def market_view(
    calendar: MarketCalendar, segment: str, now: datetime, deviation: Deviation | None = None
) -> MarketView:
    """Return what a segment does now.

    Args:
        calendar: Sessions and holidays.
        segment: The derivatives segment, e.g. "NFO".
        now: Aware datetime.
        deviation: How the market differs from the calendar there.
    """
    if deviation is not None:
        return _observed_view(calendar, segment, now, deviation)
    announcement = calendar.announced_hours(segment, now.date())
    view = replace(_phase_view(calendar, segment, now), session=_shown_session(calendar, segment, now))
    return view if announcement is None else replace(view, unconfirmed=announcement.label)


def _phase_view(calendar: MarketCalendar, segment: str, now: datetime) -> MarketView:
    phase = calendar.phase(segment, now)
    if phase is Phase.UNKNOWN:
        exchange = segment.partition("-")[0]
        return MarketView(phase, f"{exchange} HOURS NOT KNOWN", unknown_hours(exchange))
    try:
        session_day = f"{calendar.previous_session(segment, now).day:%a %d %b}"
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
        label = f"{venue(segment)} {'CLOSING' if phase is Phase.CLOSING else 'OPEN'}"
        return MarketView(phase, label, detail, left, session_day, frozen, auction=times)
    try:
        following = calendar.next_open(segment, now)
        detail = f"next open {following:%a %d %b %H:%M}"
    except CalendarError:
        detail = "next session not in the calendar"
    if phase is Phase.PRE_OPEN:
        return MarketView(phase, "PRE-OPEN", f"options open {following:%H:%M}", None, session_day)
    return MarketView(phase, _closed_label(calendar, segment, now), detail, None, session_day)


def _shown_session(calendar: MarketCalendar, segment: str, now: datetime) -> Session | None:
    """The session whose values are shown: the one that runs, else the last one."""
    try:
        return calendar.current_session(segment, now) or calendar.previous_session(segment, now)
    except CalendarError:
        return None


def _closed_label(calendar: MarketCalendar, segment: str, now: datetime) -> str:
    kind = calendar.day_kind(now.date(), segment)
    if kind is DayKind.HOLIDAY:
        return f"HOLIDAY {calendar.holiday_name(now.date(), segment) or ''}".rstrip()
    if kind is DayKind.WEEKEND:
        return "WEEKEND"
    return f"{venue(segment)} CLOSED"


def _observed_view(calendar: MarketCalendar, segment: str, now: datetime, deviation: Deviation) -> MarketView:
    """What a segment does that does not go by the calendar."""
    try:
        last = f"{calendar.previous_session(segment, now).day:%a %d %b}"
    except CalendarError:
        last = ""
    if deviation.kind is DeviationKind.FLOWING:
        return MarketView(Phase.OPEN, f"{venue(segment)} OPEN", deviation.describe(), None, last)
    ticked = f"{deviation.since:%a %d %b}" if deviation.ticked else last
    return MarketView(Phase.CLOSED, f"{venue(segment)} NO TICKS", deviation.describe(), None, ticked)


def banner(
    runtime: RuntimeState,
    socket_health: SocketHealth,
    keys: Mapping[str, str] = NO_KEYS,
    *,
    simulated: bool = False,
    shown: Provenance = LIVE_ONLY,
    database_fault: str | None = None,
    seed: MockSeed | None = None,
    deviations: Sequence[Deviation] = (),
) -> BannerView | None:
    """Return what the first row must say, the most important first; None while nothing must be said.

    A mock or a replay comes before everything: no other word may hide that the numbers are not the exchange's. With
    a simulated broker the row always says so, before whatever else there is to say: its faults are there to practise.

    Args:
        runtime: State of the loop.
        socket_health: Health of the sockets; its problems are of sockets whose contracts trade now.
        keys: The user's own keys by action id.
        simulated: Whether the broker is a simulator.
        shown: Where what the board holds comes from.
        database_fault: Why the database cannot be reached, None while it can.
        seed: Where the mock's level of the shown underlying comes from, None where that is not known.
        deviations: Where the market does not go by the calendar.
    """
    if runtime.feed is FeedMode.MOCK or shown.mock:
        return _mock_banner(seed if runtime.feed is FeedMode.MOCK else None)
    if runtime.feed is FeedMode.REPLAY or shown.replay:
        then = "nothing played yet" if shown.then is None else f"{shown.then:%a %d %b %Y %H:%M:%S} IST"
        return BannerView(BannerKind.REPLAY, f"REPLAY  {then}  not live")
    view = _trouble(runtime, socket_health, keys, database_fault) or _deviation_banner(deviations)
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


def _deviation_banner(deviations: Sequence[Deviation]) -> BannerView | None:
    if not deviations:
        return None
    first = deviations[0]
    more = f" · {len(deviations) - 1} more" if len(deviations) > 1 else ""
    return BannerView(BannerKind.SILENT, f"{first.describe()}{more}", (f"{first.short()}{more}", first.short()))


def _trouble(
    runtime: RuntimeState,
    socket_health: SocketHealth,
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
    if silent:
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
