"""What the status bar says: how fresh each account is, how fast the feed, what is not in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from tickertui.services.state import (
    AccountState,
    AccountStatus,
    BootstrapState,
    FeedMode,
    LoopState,
    RuntimeState,
)
from tickertui.tui import format as fmt
from tickertui.tui.actions import NO_KEYS, key_name
from tickertui.tui.backend import Backend
from tickertui.tui.display_rate import DisplayRate
from tickertui.tui.latency import LatencyMeter
from tickertui.tui.states import MarketView
from tickertui.tui.widgets.status_bar import StatusField

_SKEW_S = 2.0
_CALM = (AccountState.LIVE, AccountState.READY, AccountState.STARTING)


def status_view(
    backend: Backend,
    runtime: RuntimeState,
    latency: LatencyMeter,
    market: MarketView,
    rate: DisplayRate,
    *,
    said: str = "",
    paused: bool,
    wide: bool,
    keys: Mapping[str, str] = NO_KEYS,
) -> tuple[StatusField, ...]:
    """Return the fields of the status bar, in their fixed order.

    Args:
        backend: The program.
        runtime: State of the loop.
        latency: Ticks to the screen.
        market: What the calendar says.
        rate: Of the display.
        said: What the last key has changed, empty for nothing new.
        paused: Whether the display is held.
        wide: Whether there is room for figures that matter less.
        keys: The user's own keys by action id.
    """
    fields = [
        *([StatusField(said)] if said else []),
        *_display(rate, paused=paused, keys=keys),
        *_market(market, runtime.feed, keys),
        *_loop(runtime, keys),
        StatusField(f"{runtime.ticks_per_second:,.0f} t/s"),
        *_figures(backend, latency, wide=wide),
        *_trouble(backend, runtime),
    ]
    return tuple(fields)


def _display(rate: DisplayRate, *, paused: bool, keys: Mapping[str, str]) -> Iterator[StatusField]:
    if paused:
        yield StatusField(f"PAUSED {key_name('pause', keys)} resumes", alert=True)
    if rate.slow is not None:
        text = f"DISPLAY {rate.slow:.0f} fps, {rate.merged} frames merged: the terminal is slow"
        yield StatusField(text, f"DISPLAY {rate.slow:.0f} fps", alert=True)


def _loop(runtime: RuntimeState, keys: Mapping[str, str]) -> Iterator[StatusField]:
    if runtime.state in (LoopState.FAILED, LoopState.STARTING, LoopState.RELOADING, LoopState.STOPPING):
        text = f"{runtime.state.upper()} {runtime.detail}".rstrip()
        yield StatusField(text, str(runtime.state.upper()), alert=runtime.state is LoopState.FAILED)
    for account in runtime.accounts:
        yield _account(account)
    if not runtime.accounts and runtime.feed is not FeedMode.REPLAY:
        show = key_name("show-subscriptions", keys)
        yield StatusField(f"no account, mock only: {show} tells how to add one", f"no account: {show} how to add")


def _market(market: MarketView, feed: FeedMode, keys: Mapping[str, str]) -> Iterator[StatusField]:
    """When the market opens again, while it is shut, and what there is to look at meanwhile."""
    if not market.is_open and market.detail:
        mock = f", {key_name('toggle-mock', keys)} mock" if feed is FeedMode.CLOSED else ""
        yield StatusField(f"{market.detail}{mock}")


def _figures(backend: Backend, latency: LatencyMeter, *, wide: bool) -> Iterator[StatusField]:
    health = backend.health()
    yield StatusField(f"drop {health.dropped:,}")
    p99 = latency.percentile_ms(99)
    if p99 is not None and wide:
        yield StatusField(f"tick→screen p99 {p99:,.0f} ms")
    if health.greeks_ms is not None and wide:
        yield StatusField(f"greeks {health.greeks_ms:.1f} ms")
    boot = backend.bootstrap()
    if boot.state is not BootstrapState.IDLE:
        paused = " paused" if boot.state is BootstrapState.PAUSED else ""
        yield StatusField(f"boot {boot.fraction:.0%}{paused}")
    if health.database != "ok":
        yield StatusField(f"DB {health.database}", "DB AWAY", alert=True)
    else:
        yield StatusField("DB ●")


def _trouble(backend: Backend, runtime: RuntimeState) -> Iterator[StatusField]:
    if runtime.feed is not FeedMode.MOCK:
        yield from _token(runtime, backend.clock.now())
    missing = len(runtime.unassigned)
    if missing:
        yield StatusField(f"{missing:,} UNASSIGNED", alert=True)
    skew = backend.health().clock_skew_s
    if skew is not None and abs(skew) > _SKEW_S:
        way = "behind" if skew < 0 else "ahead of"
        yield StatusField(f"CLOCK {abs(skew):.1f}s {way} the exchange", f"CLOCK {skew:+.1f}s", alert=True)


def _account(account: AccountStatus) -> StatusField:
    if account.state is AccountState.AUTH_EXPIRED:
        return StatusField(f"{account.account_id} LOGIN", alert=True)
    if account.state not in _CALM:
        return StatusField(f"{account.account_id} {account.state.upper()}", alert=True)
    ages = [status.data_age for status in account.connections if status.subscribed]
    worst = max((age for age in ages if age is not None), default=None)
    load = f"{account.account_id} {fmt.short_age(worst)}"
    return StatusField(load, f"{account.account_id} {account.desired}/{account.capacity} ●{fmt.short_age(worst)}")


def _token(runtime: RuntimeState, now: datetime) -> Iterator[StatusField]:
    expiries = [account.token_expires for account in runtime.accounts if account.token_expires is not None]
    if expiries:
        first = min(expiries)
        yield StatusField("tok OVERDUE" if first <= now else f"tok→{first:%H:%M}", alert=first <= now)
