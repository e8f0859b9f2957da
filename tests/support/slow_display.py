"""A program for a terminal that does not keep up: the application over a desk whose whole chain ticks all the time.

``python -m tests.support.slow_display FILE`` writes to the file how many keys and sizes its event loop has taken in,
which shows whether the loop runs on while the terminal takes nothing. With a further word nothing ticks and no clock
draws: what was not painted in time is painted by nobody else.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from textual import events

from tests.support.fake_backend import FakeBackend
from tests.support.prepared_backend import chain_tokens, prepared_backend
from tickertui.market.ticks import Source, TickBatch, Word
from tickertui.tui.app import TickerApp
from tickertui.tui.view.options import ScreenOptions

PERIOD_S = 0.1


class Busy(TickerApp):
    """Every leg of the chain ticks ten times a second."""

    def __init__(self, backend: FakeBackend, keys: Path, *, is_still: bool = False) -> None:
        super().__init__(backend, ScreenOptions(live_frames=not is_still))
        self.is_still = is_still
        self.desk = backend
        self.keys = keys
        self.taken = 0
        self.rows = backend.board.rows(chain_tokens(backend).ravel().tolist())

    def on_ready(self) -> None:
        if not self.is_still:
            self.set_interval(PERIOD_S, self.tick)

    def tick(self) -> None:
        """Let time pass and every price change."""
        board, clock = self.desk.board, self.desk.clock
        clock.advance(PERIOD_S)
        words = board.words[self.rows].copy()
        words[:, Word.LAST_PRICE] += np.uint32(5)
        board.apply(TickBatch.from_rows(words, Source.LIVE, received_ns=clock.monotonic_ns(), connection=0))

    async def on_event(self, event: events.Event) -> None:
        await super().on_event(event)
        if isinstance(event, events.Key | events.Resize):
            self.taken += 1
            self.keys.write_text(str(self.taken), encoding="utf-8")


if __name__ == "__main__":
    Busy(prepared_backend(), Path(sys.argv[1]), is_still=len(sys.argv) > 2).run(mouse=False)
