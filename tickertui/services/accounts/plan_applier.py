"""`PlanApplier`: puts a new distribution over the account streams into force, without a gap.

Called by the ticker loop during a reload. An instrument that moves from one socket to another is first added to the
new one; the old one drops it when the first packet has come through the new one. What does not move is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping

import anyio

from tickertui.frozen import frozen
from tickertui.market.ticks import TickBatch
from tickertui.services.accounts.account_stream import AccountStream
from tickertui.services.plan.placement import Distribution, PlanDiff


@frozen
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

    def __init__(self, awaited: Mapping[int, set[int]]) -> None:
        self.pending = dict(awaited)
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

    async def apply(self, streams: Mapping[str, AccountStream], change: PlanDiff) -> ApplyReport:
        """Put the new plan into force where the old one is.

        Args:
            streams: Account id -> stream; sockets of other accounts are passed over.
            change: From the plan in force to the next one.
        """
        new = change.new.distribution
        if not len(change.moved_new):
            set_all(streams, new)
            return ApplyReport()
        arrivals = _Arrivals(_arriving(streams, change))
        for stream in streams.values():
            stream.watcher = arrivals.watch
        try:
            set_all(streams, self._both(change))
            if arrivals.pending:
                with anyio.move_on_after(self._move_wait):
                    await arrivals.complete.wait()
        finally:
            for stream in streams.values():
                stream.watcher = None
        set_all(streams, new)
        return ApplyReport(len(change.moved_new), arrivals.missing)

    def _both(self, change: PlanDiff) -> Distribution:
        """The new distribution, with moved instruments also where they were, as far as the sockets have room."""
        old, both = change.old.distribution, dict(change.new.distribution)
        leaving: dict[int, list[int]] = {}
        for (source, _), modes in change.move.items():
            leaving.setdefault(source, []).extend(modes)
        for source, tokens in leaving.items():
            both[source] = target = dict(both.get(source, {}))
            room = self._per_socket - len(target)
            target.update({token: old[source][token] for token in tokens[: max(0, room)]})
        return both


def set_all(streams: Mapping[str, AccountStream], distribution: Distribution) -> None:
    """Tell every stream what its sockets carry; streams whose sockets stay as they are, are left alone."""
    for stream in streams.values():
        wanted = {number: distribution[number] for number in stream.connections if distribution.get(number)}
        if wanted != stream.desired:
            stream.set_desired(wanted)


def _arriving(streams: Mapping[str, AccountStream], change: PlanDiff) -> Mapping[int, set[int]]:
    """Moved instruments by their new socket, as far as it is of these streams: only there can be waited for them."""
    ours = {number for stream in streams.values() for number in stream.connections}
    arriving: dict[int, set[int]] = {}
    for (_, target), tokens in change.move.items():
        if target in ours:
            arriving.setdefault(target, set()).update(tokens)
    return arriving
