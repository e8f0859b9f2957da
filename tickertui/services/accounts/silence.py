"""When an open socket that sends nothing is broken, and when it is merely quiet.

A socket can stay open and keep its heartbeat while the data behind it has stopped. One account's stream asks a
`SilenceWatch` each second, with the data age of its sockets and of the whole feed: a socket that has gone quiet while
others tick is broken, one that is quiet with all others probably is not.
"""

from __future__ import annotations

from tickertui.frozen import frozen


@frozen
class SilenceLimits:
    """Seconds without data after which an open socket is taken for broken.

    Attributes:
        among_peers: With enough instruments, while another socket ticks.
        alone: With enough instruments, when nothing else ticks either.
        few_instruments: With only a few instruments, while another socket ticks.
        few: Below this many instruments silence is likely: far strikes may not trade for minutes.
        fresh: The feed counts as ticking when its newest data is younger than this.
    """

    among_peers: float = 20.0
    alone: float = 60.0
    few_instruments: float = 180.0
    few: int = 20
    fresh: float = 5.0


DEFAULT_LIMITS = SilenceLimits()


class SilenceWatch:
    """Remembers how often each socket was dropped for silence, to drop it ever more slowly.

    Args:
        limits: See `SilenceLimits`.
    """

    def __init__(self, limits: SilenceLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._strikes: dict[int, int] = {}

    def is_silent(self, connection: int, instruments: int, data_age: float, feed_age: float | None) -> bool:
        """Tell whether a socket should be dropped; each True doubles the patience until data comes again.

        Args:
            connection: Number of the socket.
            instruments: It carries.
            data_age: Seconds since its last packet, or since it connected.
            feed_age: Seconds since the newest packet of any socket, None before the first.
        """
        patience = self.patience(connection, instruments, feed_age)
        if patience is None or data_age <= patience:
            return False
        self._strikes[connection] = self._strikes.get(connection, 0) + 1
        return True

    def patience(self, connection: int, instruments: int, feed_age: float | None) -> float | None:
        """Return after how many seconds without data a socket is dropped as things are, None for never.

        Args:
            connection: Number of the socket.
            instruments: It carries.
            feed_age: Seconds since the newest packet of any socket, None before the first.
        """
        limits = self._limits
        peers_tick = feed_age is not None and feed_age < limits.fresh
        if instruments < limits.few:
            patience = limits.few_instruments
        else:
            patience = limits.among_peers if peers_tick else limits.alone
        if not instruments or (instruments < limits.few and not peers_tick):
            return None
        # At most 64 times the patience: about 20 minutes for a full socket.
        return patience * 2.0 ** min(self._strikes.get(connection, 0), 6)

    def heard(self, connection: int) -> None:
        """Forget earlier silences of a socket: it has sent data."""
        self._strikes.pop(connection, None)
