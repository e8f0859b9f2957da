"""How far the backfill is, as values: made by the bootstrapper's progress, shown by the screens."""

from __future__ import annotations

from dataclasses import field
from datetime import date, datetime
from enum import StrEnum

from tickertui.frozen import frozen


class BootstrapState(StrEnum):
    """State of the historical backfill."""

    IDLE = "idle"
    PLANNING = "planning"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"


@frozen
class BootstrapGroup:
    """Progress of one underlying and expiry.

    Attributes:
        label: ``NIFTY W01Dec``.
        underlying: Name.
        expiry: Date, None for underlyings themselves.
        total: Instruments.
        done: Instruments without a gap left.
        failed: Instruments whose last attempt failed.
    """

    label: str
    underlying: str
    expiry: date | None
    total: int
    done: int
    failed: int = 0


@frozen
class BootstrapFailure:
    """A request that failed, and why."""

    token: int
    label: str
    reason: str
    attempts: int
    retry_at: datetime | None = None


@frozen
class DayCoverage:
    """Coverage of one trading day in a group, for the gap map.

    Attributes:
        day: Trading day.
        expected: Candles the calendar expects.
        stored: Candles stored.
        requested: Whether the broker was asked for all of it (a candle without a trade does not exist).
    """

    day: date
    expected: int
    stored: int
    requested: bool


@frozen
class BootstrapProgress:
    """The backfill at a glance.

    Attributes:
        state: See `BootstrapState`.
        groups: By underlying and expiry.
        instruments_total: All groups.
        instruments_done: All groups.
        requests_left: To the broker.
        requests_done: To the broker.
        rate: Requests per second over the last while.
        rate_limit: Requests per second that the keys allow.
        seconds_left: None while it cannot be told.
        gaps_found: Since the start.
        gaps_filled: Since the start.
        candles_stored: Since the start, of the broker's.
        own_candles: Made from the session's own ticks since the start; the broker's take their place.
        own_until: End of the last of them, None without any.
        rate_limited: 429 answers since the start.
        failures: Latest first, bounded.
        coverage: Group label -> days, oldest first.
        detail: One sentence when something holds it up, else empty.
    """

    state: BootstrapState = BootstrapState.IDLE
    groups: tuple[BootstrapGroup, ...] = ()
    instruments_total: int = 0
    instruments_done: int = 0
    requests_left: int = 0
    requests_done: int = 0
    rate: float = 0.0
    rate_limit: float = 0.0
    seconds_left: float | None = None
    gaps_found: int = 0
    gaps_filled: int = 0
    candles_stored: int = 0
    own_candles: int = 0
    own_until: datetime | None = None
    rate_limited: int = 0
    failures: tuple[BootstrapFailure, ...] = ()
    coverage: dict[str, tuple[DayCoverage, ...]] = field(default_factory=dict)
    detail: str = ""

    @property
    def fraction(self) -> float:
        """Done part between 0 and 1; 1 when there is nothing to do."""
        return self.instruments_done / self.instruments_total if self.instruments_total else 1.0
