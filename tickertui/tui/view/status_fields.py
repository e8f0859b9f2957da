"""What the status bar says: how fresh each account is, how fast the feed, what is not in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from tickertui.services.accounts.status import AccountState, AccountStatus
from tickertui.services.history.status import BootstrapState
from tickertui.services.loop.status import FeedMode, LoopState, RuntimeState
from tickertui.tui.keys.actions import NO_KEYS, key_name
from tickertui.tui.look import format as fmt
from tickertui.tui.terminal.display_rate import DisplayRate
from tickertui.tui.view.backend import Backend
from tickertui.tui.view.data_states import NO_SOCKET_HEALTH, MarketView, SocketHealth
from tickertui.tui.view.latency import LatencyMeter
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
    socket_health: SocketHealth = NO_SOCKET_HEALTH,
    usual: float = 0.0,
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
        socket_health: Health of the sockets: of an account with one in trouble, each one is told.
        usual: Packets per second that the sockets usually send, 0 when that is not known.
    """
    fields = [
        *([StatusField(said)] if said else []),
        *_display(rate, paused=paused, keys=keys),
        *_market(market, runtime.feed, keys),
        *_loop(runtime, socket_health, keys),
        _rate(runtime.ticks_per_second, usual if socket_health.problems else 0.0),
        *_figures(backend, latency, wide=wide),
        *_trouble(backend, runtime, wide=wide),
    ]
    return tuple(fields)


def _display(rate: DisplayRate, *, paused: bool, keys: Mapping[str, str]) -> Iterator[StatusField]:
    if paused:
        yield StatusField(f"PAUSED {key_name('pause', keys)} resumes", alert=True)
    if rate.slow is not None:
        text = f"DISPLAY {rate.slow:.0f} fps, {rate.merged} frames merged: the terminal is slow"
        yield StatusField(text, f"DISPLAY {rate.slow:.0f} fps", alert=True)


def _rate(now: float, usual: float) -> StatusField:
    """Ticks a second, and against the usual while a socket is in trouble."""
    return StatusField(f"{now:,.0f} t/s{f' (usual {usual:,.0f})' if usual else ''}")


def _loop(runtime: RuntimeState, socket_health: SocketHealth, keys: Mapping[str, str]) -> Iterator[StatusField]:
    if runtime.state in (LoopState.FAILED, LoopState.STARTING, LoopState.RELOADING, LoopState.STOPPING):
        text = f"{runtime.state.upper()} {runtime.detail}".rstrip()
        yield StatusField(text, str(runtime.state.upper()), alert=runtime.state is LoopState.FAILED)
    for account in runtime.accounts:
        yield _account(account, socket_health)
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
    if health.database_fault is not None:
        yield StatusField(f"DB {health.database_fault}", "DB AWAY", alert=True)
    elif wide:
        yield StatusField("DB ●")


def _trouble(backend: Backend, runtime: RuntimeState, *, wide: bool) -> Iterator[StatusField]:
    if runtime.feed is not FeedMode.MOCK:
        yield from _token(runtime, backend.clock.now())
    missing = len(runtime.unassigned)
    if missing:
        yield StatusField(f"{missing:,} UNASSIGNED", alert=True)
    skew = backend.health().clock_skew_s
    if skew is not None and abs(skew) > _SKEW_S:
        way = "behind" if skew < 0 else "ahead of"
        yield StatusField(f"CLOCK {abs(skew):.1f}s {way} the exchange", f"CLOCK {skew:+.1f}s", alert=True)
    elif skew is not None and wide:
        yield StatusField(f"skew {skew:+.2f}s")


def _account(account: AccountStatus, socket_health: SocketHealth) -> StatusField:
    if account.state is AccountState.AUTH_EXPIRED:
        return StatusField(f"{account.account_id} LOGIN", alert=True)
    if account.state not in _CALM:
        return StatusField(f"{account.account_id} {account.state.upper()}", alert=True)
    carrying = [status for status in account.connections if status.subscribed]
    troubled = {problem.status.connection for problem in socket_health.problems}
    if len(carrying) > 1 and troubled & {status.connection for status in carrying}:
        sockets = " ".join(
            f"{status.label.rpartition('/')[2]}{'◐' if status.connection in troubled else '●'}"
            f"{fmt.short_age(status.data_age)}"
            for status in carrying
        )
        return StatusField(f"{account.account_id} {sockets}")
    worst = max((status.data_age for status in carrying if status.data_age is not None), default=None)
    mark = "◐" if troubled & {status.connection for status in carrying} else "●"
    # While there is trouble its sockets matter more than how full each account is.
    load = "" if troubled else f" {account.desired}/{account.capacity}"
    age = fmt.short_age(worst)
    return StatusField(f"{account.account_id} {age}", f"{account.account_id}{load} {mark}{age}")


def _token(runtime: RuntimeState, now: datetime) -> Iterator[StatusField]:
    expiries = [account.token_expires for account in runtime.accounts if account.token_expires is not None]
    if expiries:
        first = min(expiries)
        yield StatusField("tok OVERDUE" if first <= now else f"tok→{first:%H:%M}", alert=first <= now)
