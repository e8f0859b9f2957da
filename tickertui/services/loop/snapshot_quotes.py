"""Which rows need a REST quote, and how one is written without hiding a newer live value.

Used by the ticker loop's snapshot task. A row needs a quote when it was subscribed some seconds ago and nothing
has come, or while the socket that should carry it is down. A quote is of the moment it was asked for: a row that
has received a packet since then, or whose exchange time is newer, keeps what it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.arrays import distinct
from tickertui.market.board import MarketBoard
from tickertui.market.ticks import Mode, Source, TickBatch, Word

_NS: Final = 1_000_000_000


@frozen
class SnapshotLimits:
    """When rows are filled by REST.

    Attributes:
        first_packet: Seconds that a new subscription may take to its first packet (the broker sends one at once).
        refresh: Least seconds between two quotes of a row whose socket is down while the market is open.
        retry: Seconds before an instrument that had no quote is asked for again.
        per_call: Instruments of one call (the broker allows 500).
    """

    first_packet: float = 5.0
    refresh: float = 10.0
    retry: float = 60.0
    per_call: int = 500


DEFAULT_LIMITS: Final = SnapshotLimits()


class SnapshotPlanner:
    """Chooses the tokens to ask for next, and remembers what was asked.

    Args:
        board: Read for what has arrived.
        limits: See `SnapshotLimits`.
    """

    def __init__(self, board: MarketBoard, limits: SnapshotLimits = DEFAULT_LIMITS) -> None:
        self._board = board
        self._limits = limits
        self._asked_ns: dict[int, int] = {}
        self._down_ns: dict[int, int] = {}

    def due(
        self, rows: NDArray[np.intp], connections: NDArray[np.int64], up: Sequence[int], now_ns: int, *, moving: bool
    ) -> list[int]:
        """Return the tokens of the next call, at most `SnapshotLimits.per_call`, those without a value first.

        Args:
            rows: intp[n], board rows of the plan.
            connections: int64[n], the socket that should carry each.
            up: Sockets that are connected.
            now_ns: Monotonic time.
            moving: Whether the market is open, so that a quote of ten seconds ago is old.
        """
        limits, board = self._limits, self._board
        self._note_down(connections, up, now_ns)
        down = self._down_for(connections, now_ns, limits.first_packet)
        empty = ~has_broker_value(board, rows)
        subscribed = board.subscribed_ns[rows]
        waited = (board.packets[rows] == 0) & (subscribed > 0)
        waited &= now_ns - subscribed > round(limits.first_packet * _NS)
        missing = empty & (waited | down)
        stale = down & ~missing if moving else np.zeros(len(rows), dtype=np.bool_)
        # A second terminal on the same key asks as well: at most every other second of the key's one call a second.
        refresh = max(limits.refresh, 2.0 * int(stale.sum()) / limits.per_call)
        due: list[int] = []
        for wanted, pause in ((missing, limits.retry), (stale, refresh)):
            for token in board.tokens[rows[wanted]].tolist():
                if now_ns - self._asked_ns.get(token, -(1 << 62)) > pause * _NS:
                    due.append(token)
                    if len(due) == limits.per_call:
                        return due
        return due

    def asked(self, tokens: Sequence[int], now_ns: int) -> None:
        """Note that these were asked for."""
        self._asked_ns.update(dict.fromkeys(tokens, now_ns))

    def forget(self, tokens: Sequence[int]) -> None:
        """Forget instruments that left the plan."""
        for token in tokens:
            self._asked_ns.pop(token, None)

    def _note_down(self, connections: NDArray[np.int64], up: Sequence[int], now_ns: int) -> None:
        connected = set(up)
        for connection in distinct(connections).tolist():
            if connection in connected:
                self._down_ns.pop(connection, None)
            else:
                self._down_ns.setdefault(connection, now_ns)

    def _down_for(self, connections: NDArray[np.int64], now_ns: int, seconds: float) -> NDArray[np.bool_]:
        long_down = [number for number, since in self._down_ns.items() if now_ns - since > seconds * _NS]
        return np.isin(connections, long_down)


def has_broker_value(board: MarketBoard, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Tell for rows whether anything of them came from a feed: bool[n]; what is only stored did not."""
    sources = board.sources[rows]
    has_value: NDArray[np.bool_] = (sources != Source.NONE) & (sources != Source.STORED)
    return has_value


def apply_snapshot(board: MarketBoard, batch: TickBatch, asked_ns: int, generation: int) -> int:
    """Write those rows of a quote answer that are newer than what the board has; return how many.

    A quote is not a packet of the subscription: the count of packets stays, so that an instrument which only REST
    knows is still seen as one that never ticked.

    Args:
        board: Where to.
        batch: Full-width rows of source SNAPSHOT.
        asked_ns: Monotonic time at which the quotes were asked for.
        generation: Of the plan in force when they were asked for.
    """
    words = batch.words
    rows = board.rows(words[:, Word.TOKEN])
    on_board = rows > 0
    received_since = board.received_ns[rows] >= asked_ns
    has_value = has_broker_value(board, rows)
    shown_time = board.field(rows, Word.EXCHANGE_TIMESTAMP)
    # A time ahead of the clock decides nothing, or it would keep every quote out until the clock has caught up.
    older = (
        has_value
        & (shown_time > 0)
        & ~board.doubtful[rows]
        & (words[:, Word.EXCHANGE_TIMESTAMP].astype(np.int64) < shown_time)
    )
    keep = on_board & ~received_since & ~older & (words[:, Word.LAST_PRICE] > 0)
    if not keep.any():
        return 0
    kept = TickBatch.from_rows(
        words[keep],
        Source.SNAPSHOT,
        mode=Mode.FULL,
        received_ns=batch.received_ns,
        received_wall_ns=batch.received_wall_ns,
        generation=generation,
        connection=-1,
    )
    written = rows[keep]
    packets, connections = board.packets[written].copy(), board.connections[written].copy()
    applied = board.apply(kept)
    board.packets[written] = packets
    board.connections[written] = connections
    return applied
