"""What the status bar says: how fresh each account is, how fast the feed, what is not in order."""

from __future__ import annotations

from collections.abc import Iterator
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
from tickertui.tui.backend import Backend
from tickertui.tui.latency import LatencyMeter
from tickertui.tui.widgets.status_bar import StatusField

_SKEW_S = 2.0
_CALM = (AccountState.LIVE, AccountState.READY, AccountState.STARTING)


def status_view(
    backend: Backend, runtime: RuntimeState, latency: LatencyMeter, *, paused: bool
) -> tuple[StatusField, ...]:
    """Return the fields of the status bar, in their fixed order."""
    return tuple(_fields(backend, runtime, latency, paused=paused))


def _fields(backend: Backend, runtime: RuntimeState, latency: LatencyMeter, *, paused: bool) -> Iterator[StatusField]:
    now = backend.clock.now()
    if paused:
        yield StatusField("PAUSED p resumes", alert=True)
    if runtime.state in (LoopState.FAILED, LoopState.STARTING, LoopState.RELOADING, LoopState.STOPPING):
        text = f"{runtime.state.upper()} {runtime.detail}".rstrip()
        yield StatusField(text, str(runtime.state.upper()), alert=runtime.state is LoopState.FAILED)
    for account in runtime.accounts:
        yield _account(account)
    if not runtime.accounts:
        yield StatusField("no account: mock only", "no account")
    yield StatusField(f"{runtime.ticks_per_second:,.0f} t/s")
    health = backend.health()
    yield StatusField(f"drop {health.dropped:,}", alert=False)
    p99 = latency.percentile_ms(99)
    if p99 is not None:
        yield StatusField(f"tick→screen p99 {p99:,.0f} ms", f"p99 {p99:,.0f}ms")
    if health.greeks_ms is not None:
        yield StatusField(f"greeks {health.greeks_ms:.1f} ms", "")
    boot = backend.bootstrap()
    if boot.state is not BootstrapState.IDLE:
        paused_boot = boot.state is BootstrapState.PAUSED
        yield StatusField(f"boot {boot.fraction:.0%}{' paused' if paused_boot else ''}")
    missing = len(runtime.unassigned)
    if missing:
        yield StatusField(f"{missing:,} UNASSIGNED", alert=True)
    if health.database != "ok":
        yield StatusField(f"DB {health.database}", "DB!", alert=True)
    else:
        yield StatusField("DB ●")
    if runtime.feed is not FeedMode.MOCK:
        yield from _token(runtime, now)
    if health.clock_skew_s is not None and abs(health.clock_skew_s) > _SKEW_S:
        way = "behind" if health.clock_skew_s < 0 else "ahead of"
        yield StatusField(f"CLOCK {abs(health.clock_skew_s):.1f}s {way} the exchange", "CLOCK!", alert=True)


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
