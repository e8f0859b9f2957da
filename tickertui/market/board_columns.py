"""How `tickertui.market.board.MarketBoard` lays out what it knows of a row besides the packet's words."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tickertui.market.ticks import WORDS


class Meta(IntEnum):
    """Columns of the int64 record of a row that a batch writes alike into all rows of one mode, in one assignment."""

    RECEIVED = 0
    RECEIVED_WALL = 1
    VERSION = 2
    CONNECTION = 3
    GENERATION = 4
    FLAGS = 5
    """Source in the low byte, mode above it, then one bit: `DOUBTFUL`."""


class Past(IntEnum):
    """Columns of the int64 record of a row that depend on what it held before: read, changed and written as one."""

    PACKETS = 0
    MOVED = 1
    PRICE_BEFORE = 2
    OI_CHANGED = 3


DOUBTFUL: Final = 1 << 16
"""Flag of a row whose time stamp lies ahead of the market's clock; its next packet takes it away."""

ROW_VOID: Final = np.dtype(f"V{WORDS * 4}")
META_VOID: Final = np.dtype(f"V{len(Meta) * 8}")
PAST_VOID: Final = np.dtype(f"V{len(Past) * 8}")
META_RECORD: Final = struct.Struct(f"={len(Meta)}q")


class RowFacts(NamedTuple):
    """What a board knows of some rows besides their words, as `MarketBoard.facts` gathers it at once.

    Every array is int64 of the shape of the rows.

    Attributes:
        source: `Source` of the values.
        mode: `Mode` of the last packet (the number of words that are current).
        version: The board's `sequence` at which the row changed last.
        received_ns: Monotonic time of the last packet, 0 = none.
        connection: Number of the connection of the last packet or subscription.
        packets: Packets since the last subscription (1 = only the broker's cached one).
        direction: -1, 0 or +1, the last change of the last price; 0 before the first.
        moved_ns: Monotonic time of that change, 0 = none.
        oi_changed_ns: Wall time of the last change of the open interest, 0 = none.
        doubtful: Not 0 where the last packet's time stamp lies ahead of the market's clock.
    """

    source: NDArray[np.int64]
    mode: NDArray[np.int64]
    version: NDArray[np.int64]
    received_ns: NDArray[np.int64]
    connection: NDArray[np.int64]
    packets: NDArray[np.int64]
    direction: NDArray[np.int64]
    moved_ns: NDArray[np.int64]
    oi_changed_ns: NDArray[np.int64]
    doubtful: NDArray[np.int64]


class Derived(IntEnum):
    """Columns of `MarketBoard.derived`: what valuation computes for an option row."""

    IV = 0
    DELTA = 1
    GAMMA = 2
    THETA = 3
    VEGA = 4
    RHO = 5
    VANNA = 6
    VOLGA = 7
    CHARM = 8
    FORWARD = 9
    PRICE = 10
    """The price the volatility was solved from, rupees."""
    FORWARD_SOURCE = 11
    """Value of `tickertui.market.forward.ForwardSource`."""
    PRICE_SOURCE = 12
    """Value of `tickertui.market.price_selection.PriceSource`."""
    UNRELIABLE = 13
    """1 where the price grid or the quote is coarser than the volatility, else 0."""
    PRICED_AT = 14
    """Epoch seconds of the instant that the prices are from: time to expiry counts from there."""
    PRICE_AT = 15
    """Epoch seconds of `PRICE`: of the last trade, or of the packet with bid and ask."""
    IV_ORIGIN = 16
    """Value of `tickertui.market.price_selection.VolatilityOrigin`: whose volatility `IV` is."""
    OTHER_LEG = 17
    """Token of the strike's other leg, 0 where it has none."""


DERIVED_VOID: Final = np.dtype(f"V{len(Derived) * 8}")


@dataclass(slots=True)
class BoardCounters:
    """What the board took in and what it refused, since the start."""

    ticks: int = 0
    batches: int = 0
    unknown_tokens: int = 0
    stale_generation: int = 0
    out_of_order: int = 0
    ahead: int = 0
    """Packets whose time stamp lay ahead of the market's clock: taken in, marked, and their time decides nothing."""
    emptied: int = 0
    """Packets without price, volume and open interest, of instruments whose price is known: dropped."""
    skipped_packets: int = 0
