"""Settings of the ticker loop, as the engine hands them over."""

from __future__ import annotations

from dataclasses import field
from datetime import time

from tickertui.frozen import frozen
from tickertui.services.accounts.account_fleet import FleetSettings
from tickertui.services.loop.snapshot_quotes import SnapshotLimits
from tickertui.services.loop.status import FeedMode


@frozen
class LoopSettings:
    """How the loop runs.

    Attributes:
        autostart: Whether `run` starts it.
        mock_allowed: Whether a mock may run without accounts.
        first_feed: MOCK where the user wants the mock with accounts too, else None.
        mock_interval: Seconds between two steps of the mock.
        debounce: Seconds of quiet after a change before it is applied.
        max_wait: Longest that changes put a reload off, seconds.
        min_interval: Least time between two reloads, seconds.
        stop_deadline: Seconds that sockets may take to close; then everything left is cancelled.
        move_wait: Seconds that moved instruments may take to arrive on their new socket.
        follow_every: Seconds between two looks at the spots.
        snapshot_quotes: Whether rows that have not ticked are filled by REST.
        snapshots: See `SnapshotLimits`.
        fleet: See `FleetSettings`.
        refresh_at: Market time at which the day's contracts are fetched (the broker writes its dump at about 08:00).
        claim_every: Seconds between two attempts to take over an account that another terminal streams.
    """

    autostart: bool = True
    mock_allowed: bool = True
    first_feed: FeedMode | None = None
    mock_interval: float = 1.0
    debounce: float = 1.0
    max_wait: float = 5.0
    min_interval: float = 5.0
    stop_deadline: float = 10.0
    move_wait: float = 3.0
    follow_every: float = 3.0
    snapshot_quotes: bool = True
    snapshots: SnapshotLimits = field(default_factory=SnapshotLimits)
    fleet: FleetSettings = field(default_factory=FleetSettings)
    refresh_at: time = time(8, 30)
    claim_every: float = 5.0
