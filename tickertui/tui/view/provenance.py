"""What the board holds that is not the exchange's: synthetic and recorded values, whoever wrote them.

The mark of MOCK and REPLAY in the first row and in the window's title follows the values themselves, not only the
feed's own word about itself: a batch that somebody else applied is marked too. Read by the main screen.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np

from tickertui.frozen import frozen
from tickertui.market.board import MarketBoard
from tickertui.market.clock import from_epoch
from tickertui.market.ticks import Source, Word
from tickertui.services.loop.status import FeedMode


@frozen
class Provenance:
    """Where what is shown comes from.

    Attributes:
        mock: Whether any value is synthetic, or the feed is the mock.
        replay: Whether any value is recorded, or the feed is a replay.
        then: Exchange time of the newest recorded value: the time of then; None before the first.
    """

    mock: bool = False
    replay: bool = False
    then: datetime | None = None

    @property
    def word(self) -> str:
        """``MOCK`` or ``REPLAY``, empty where everything is the exchange's."""
        return "MOCK" if self.mock else "REPLAY" if self.replay else ""


LIVE_ONLY: Final = Provenance()


def provenance(board: MarketBoard, feed: FeedMode) -> Provenance:
    """Look the board through: one comparison of its column, 10 us for 9,000 rows."""
    sources = board.sources
    recorded = np.flatnonzero(sources == Source.REPLAY)
    stamp = int(board.field(recorded, Word.EXCHANGE_TIMESTAMP).max(initial=0))
    return Provenance(
        mock=feed is FeedMode.MOCK or bool((sources == Source.MOCK).any()),
        replay=feed is FeedMode.REPLAY or bool(len(recorded)),
        then=from_epoch(stamp) if stamp > 0 else None,
    )
