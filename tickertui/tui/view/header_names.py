"""Names of the header line that it cannot show, and why: they are said instead of left out in silence.

Called by `tickertui.tui.main.program_status` for the problems of the health pane.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tickertui.market.ticks import Source
from tickertui.services.loop.status import FeedMode
from tickertui.tui.view.backend import Backend

_PATIENCE_NS: Final = 30_000_000_000
"""A subscribed index that has sent nothing for this long is said to be silent."""


def missing_names(backend: Backend, names: Sequence[str], feed: FeedMode) -> tuple[str, ...]:
    """Return one sentence for each name of the header that is not shown.

    Args:
        backend: The program behind the screen.
        names: As the configuration has them.
        feed: What fills the board.
    """
    day = backend.instruments_day()
    return () if day is None else tuple(_sentences(backend, names, feed, f"{day:%d %b}"))


def _sentences(backend: Backend, names: Sequence[str], feed: FeedMode, day: str) -> Iterator[str]:
    board, now_ns = backend.board, backend.clock.monotonic_ns()
    for name in names:
        token = backend.index_token(name)
        row = board.row(token) if token else 0
        if not row and (not token or backend.instrument(token) is None):
            yield f"{name} is no index among the contracts of {day}"
            continue
        subscribed_ns = int(board.subscribed_ns[row]) if row else 0
        is_silent = board.source_of(row) is Source.NONE and now_ns - subscribed_ns > _PATIENCE_NS
        if feed is FeedMode.LIVE and subscribed_ns and is_silent:
            yield f"{name} is subscribed and has sent no price"
