"""`summarise`: what a chain says as a whole, for the third line and the analytics, from one frame's values.

Called by `tickertui.tui.view.chain_reader` for each frame.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tickertui.market.board import RowFacts
from tickertui.market.chain import OptionChain, Reference
from tickertui.market.clock import Clock, from_epoch
from tickertui.market.forward import ForwardSource
from tickertui.market.volatility_analytics import atm_volatility
from tickertui.tui.view.frames import ChainSummary, Field
from tickertui.tui.view.index_state import IndexState

_GAP: Final = 1
"""Strikes without a volatility that the one at the money may be bridged over, on either side."""
_TODAY, _IV = int(Field.TODAY), int(Field.IV)


class Money(NamedTuple):
    """Where the money is.

    Attributes:
        reference: The price that it is measured from.
        forward: Of the expiry.
        row: Of the nearest strike, -1 when no reference is known.
        underlying: How the underlying stands in a closing auction.
    """

    reference: Reference
    forward: Reference
    row: int
    underlying: IndexState


def summarise(
    chain: OptionChain,
    values: NDArray[np.float64],
    money: Money,
    facts: RowFacts,
    clock: Clock,
    convention: str,
    marked_at: datetime | None,
) -> ChainSummary:
    """Return the summary of a frame.

    The straddle is that of the strike at the money; the volatility is the forward's, between the strikes around it.

    Args:
        chain: Whose.
        values: float64[k, 2, fields] by `Field`.
        money: Where the money is.
        facts: Of the legs.
        clock: For the age of the open interest.
        convention: How volatilities are computed, in words.
        marked_at: When the trader set the mark.
    """
    row = money.row
    straddle = float(values[row, 0, _TODAY] + values[row, 1, _TODAY]) if row >= 0 else float("nan")
    oi_ns = int(facts.oi_changed_ns.max(initial=0))
    return ChainSummary(
        reference=money.reference,
        atm_strike=float(chain.strikes[row]) if row >= 0 else float("nan"),
        straddle=straddle,
        # Parity alone may put the forward of an odd chain at nothing, and a commodity's price may be less than that.
        straddle_pct=100 * straddle / money.reference.price if money.reference.price > 0 else float("nan"),
        atm_iv=atm_volatility(chain.strikes, values[:, 0, _IV], values[:, 1, _IV], money.forward.price, gap=_GAP),
        forward=money.forward,
        forward_source=chain.forward_source() if money.underlying.is_frozen else ForwardSource.NONE,
        oi_at=from_epoch(oi_ns // 1_000_000_000) if oi_ns else None,
        oi_age_s=(clock.time_ns() - oi_ns) / 1e9 if oi_ns else float("nan"),
        convention=convention,
        marked_at=marked_at,
    )
