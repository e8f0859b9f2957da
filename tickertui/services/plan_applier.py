"""`PlanApplier`: puts a new distribution over the account streams into force, without a gap.

Called by the ticker loop during a reload. An instrument that moves from one socket to another is first added to the
new one; the old one drops it when the first packet has come through the new one. What does not move is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import anyio

from tickertui.market.ticks import Mode, TickBatch
from tickertui.services.account_stream import AccountStream
from tickertui.services.placement import Distribution


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """How a distribution was put into force.

    Attributes:
        moved: Instruments that changed their socket.
        unseen: Of these, how many had sent nothing through the new socket when the wait was over.
    """

    moved: int = 0
    unseen: int = 0


class _Arrivals:
    """Waits for the first packet of moved instruments through their new socket."""

    def __init__(self, awaited: Distribution) -> None:
        self.pending = {connection: set(modes) for connection, modes in awaited.items() if modes}
        self.complete = anyio.Event()

    def watch(self, batch: TickBatch) -> None:
        pending = self.pending.get(batch.connection)
        if pending is None:
            return
        pending.difference_update(batch.instrument_token.tolist())
        if not pending:
            del self.pending[batch.connection]
            if not self.pending:
                self.complete.set()

    @property
    def missing(self) -> int:
        return sum(len(tokens) for tokens in self.pending.values())


class PlanApplier:
    """Sets what the sockets of all accounts carry.

    Args:
        per_socket: Instruments the broker allows on one socket.
        move_wait: Seconds that moved instruments may take to arrive; then the old socket drops them all the same.
    """

    def __init__(self, *, per_socket: int = 3000, move_wait: float = 3.0) -> None:
        self._per_socket = per_socket
        self._move_wait = move_wait

    async def apply(self, streams: Mapping[str, AccountStream], old: Distribution, new: Distribution) -> ApplyReport:
        """Put ``new`` into force where ``old`` is.

        Args:
            streams: Account id -> stream; sockets of other accounts are passed over.
            old: In force now.
            new: Wanted.
        """
        moved = _moved(old, new)
        count = sum(len(modes) for modes in moved.values())
        if not count:
            set_all(streams, new)
            return ApplyReport()
        arrivals = _Arrivals(_ours(streams, moved))
        for stream in streams.values():
            stream.watcher = arrivals.watch
        try:
            set_all(streams, self._both(old, new, moved))
            if arrivals.pending:
                with anyio.move_on_after(self._move_wait):
                    await arrivals.complete.wait()
        finally:
            for stream in streams.values():
                stream.watcher = None
        set_all(streams, new)
        return ApplyReport(count, arrivals.missing)

    def _both(self, old: Distribution, new: Distribution, moved: Distribution) -> Distribution:
        """The new distribution, with moved instruments also where they were, as far as the sockets have room."""
        leaving = {token for modes in moved.values() for token in modes}
        both = {connection: dict(modes) for connection, modes in new.items()}
        for connection, modes in old.items():
            target = both.setdefault(connection, {})
            for token, mode in modes.items():
                if token in leaving and token not in target and len(target) < self._per_socket:
                    target[token] = mode
        return both


def set_all(streams: Mapping[str, AccountStream], distribution: Distribution) -> None:
    """Tell every stream what its sockets carry; streams whose sockets stay as they are, are left alone."""
    for stream in streams.values():
        wanted = {number: distribution[number] for number in stream.connections if distribution.get(number)}
        if wanted != stream.desired:
            stream.set_desired(wanted)


def _moved(old: Distribution, new: Distribution) -> Distribution:
    """Instruments that are in both but on another socket, by their new socket."""
    before = {token: connection for connection, modes in old.items() for token in modes}
    moved: dict[int, dict[int, Mode]] = {}
    for connection, modes in new.items():
        for token, mode in modes.items():
            if before.get(token, connection) != connection:
                moved.setdefault(connection, {})[token] = mode
    return moved


def _ours(streams: Mapping[str, AccountStream], moved: Distribution) -> Distribution:
    """Without those whose old or new socket is not of these streams: nothing is to be waited for there."""
    ours = {number for stream in streams.values() for number in stream.connections}
    return {connection: modes for connection, modes in moved.items() if connection in ours}
