"""How accounts and their sockets stand, as values: made by orchestrator and streams, shown by the screens."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from tickertui.frozen import frozen
from tickertui.kite.stream_state import StreamState


class AccountState(StrEnum):
    """State of one account."""

    STARTING = "starting"
    READY = "ready"
    LIVE = "live"
    RECONNECTING = "reconnecting"
    AUTH_EXPIRED = "auth expired"
    """The broker refused the token: a login is needed, retrying is pointless."""
    RATE_LIMITED = "rate limited"
    ELSEWHERE = "streamed elsewhere"
    """Another terminal on the same store streams this account; here it is read-only."""
    FAILED = "failed"
    STOPPED = "stopped"


@frozen
class ConnectionStatus:
    """One socket of an account.

    Attributes:
        connection: Number that the board's `connections` column holds; unique over all accounts.
        label: For the screen: ``Z1/s2``.
        state: See `StreamState`.
        epoch: How often it has connected.
        desired: Instruments it should carry.
        subscribed: Instruments it carries.
        ticking: Of these, how many sent more than the broker's cached packet.
        never: Of these, how many have sent nothing for more than 60 s.
        frames: Binary frames received.
        ticks: Packets received.
        ticks_per_second: Over the last few seconds.
        frame_age: Seconds since the last frame, heartbeat included; None before the first.
        data_age: Seconds since the last frame with packets; None before the first.
        reconnects: Since the start.
        last_error: One sentence, empty when there was none.
        retry_in: Seconds until the next attempt while in backoff.
        open_for: Seconds since it was connected, None while it is not.
        waiting: Frames received and not looked at yet: how far the program is behind.
        rebuild_in: Seconds until it is rebuilt should no data come; None where nothing will do that, or where the
            heartbeat is missing too, which ends it within seconds.
        refused: Instruments that were asked for when the broker said that it refuses, and that sent nothing since.
        expects_data: Whether what it carries trades now, so that its silence means something.
    """

    connection: int
    label: str
    state: StreamState
    epoch: int = 0
    desired: int = 0
    subscribed: int = 0
    ticking: int = 0
    never: int = 0
    frames: int = 0
    ticks: int = 0
    ticks_per_second: float = 0.0
    frame_age: float | None = None
    data_age: float | None = None
    reconnects: int = 0
    last_error: str = ""
    retry_in: float | None = None
    open_for: float | None = None
    waiting: int = 0
    rebuild_in: float | None = None
    refused: frozenset[int] = frozenset()
    expects_data: bool = True

    @property
    def is_mute(self) -> bool:
        """Whether it is open and has sent no packet since it was connected: connected is not live."""
        return self.open_for is not None and (self.data_age is None or self.data_age > self.open_for)


@frozen
class AccountStatus:
    """One account, for the subscriptions pane.

    Attributes:
        account_id: As in the configuration ("Z1").
        state: See `AccountState`.
        user_id: The broker's user, empty before the first profile call.
        desired: Instruments the plan puts here.
        subscribed: Instruments on its sockets.
        ticking: Of these, how many tick.
        never: Subscribed for more than 60 s without a packet.
        capacity: Instruments its sockets can carry (9,000).
        connections: Its sockets.
        token_expires: When the day's token is expected to be flushed (06:00), None without a token.
        detail: One sentence about what is wrong, empty when nothing is.
    """

    account_id: str
    state: AccountState
    user_id: str = ""
    desired: int = 0
    subscribed: int = 0
    ticking: int = 0
    never: int = 0
    capacity: int = 9000
    connections: tuple[ConnectionStatus, ...] = ()
    token_expires: datetime | None = None
    detail: str = ""

    @property
    def room(self) -> int:
        """Instruments it can still take."""
        return max(0, self.capacity - self.desired)
