"""How the ticker loop stands, as values: what it tells the screens and `headless` of itself."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from tickertui.frozen import frozen
from tickertui.services.accounts.status import AccountStatus
from tickertui.services.plan.status import ReloadResult, Unplaced
from tickertui.services.supervision.clock_watch import ClockGap


class LoopState(StrEnum):
    """State of the ticker loop. RUNNING with zero instruments is how it idles."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    RELOADING = "reloading"
    STOPPING = "stopping"
    FAILED = "failed"


class FeedMode(StrEnum):
    """Which feed fills the board."""

    LIVE = "live"
    CLOSED = "closed"
    """Accounts are there, the market is shut: last values, sockets stay open."""
    MOCK = "mock"
    REPLAY = "replay"
    NONE = "none"


@frozen
class RuntimeState:
    """The loop at a glance.

    Attributes:
        state: See `LoopState`.
        feed: See `FeedMode`.
        started_at: Aware datetime, None when stopped.
        generation: Of the plan in force.
        revision: Of the store the plan was made from.
        store_revision: Of the store now; differs while a reload is due.
        instruments: In the plan.
        accounts: In the order of the configuration.
        last_reload: None before the first.
        reloading: Whether one is pending or under way.
        unassigned: See `ReloadPlan`.
        unresolved: See `ReloadPlan`.
        ticks_per_second: Over all sockets.
        detail: One sentence when something is wrong, else empty.
        asleep: The last time that this machine slept, None when it never did.
    """

    state: LoopState
    feed: FeedMode
    started_at: datetime | None = None
    generation: int = 0
    revision: int = 0
    store_revision: int = 0
    instruments: int = 0
    accounts: tuple[AccountStatus, ...] = ()
    last_reload: ReloadResult | None = None
    reloading: bool = False
    unassigned: tuple[Unplaced, ...] = ()
    unresolved: tuple[Unplaced, ...] = ()
    ticks_per_second: float = 0.0
    detail: str = ""
    asleep: ClockGap | None = None

    @property
    def refused(self) -> frozenset[int]:
        """Instruments that the broker refuses to serve, over all sockets."""
        return frozenset().union(*(socket.refused for account in self.accounts for socket in account.connections))
