"""Well-formed packets with figures that no one would guess, as a broker's socket carries them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tests.support.kite_frames import join
from tickertui.simulator.faults import GarbageFrame

NOT_KNOWN = 0x8000_0000
"""What an exchange's feed writes where it has no figure yet."""


def full_packet(
    token: int,
    stamp: int,
    *,
    last: float = 212.4,
    volume: int = 41_600,
    average: float = 208.9,
    ohlc: Sequence[float] = (205.0, 219.5, 198.1, 201.3),
    traded: int | None = None,
    oi: int = 655_200,
    oi_range: tuple[int, int] | None = None,
    has_book: bool = True,
) -> bytes:
    """An instrument's 184 bytes; prices in rupees (`NOT_KNOWN` as it is), divided by 100 on the wire.

    Args:
        token: Whose.
        stamp: Time of the exchange, epoch seconds.
        last: Last price.
        volume: Units of the day.
        average: Average traded price.
        ohlc: Open, high, low, and the close of the day before.
        traded: Time of the last trade, epoch seconds; two seconds before ``stamp`` by default.
        oi: Open interest.
        oi_range: High and low of the day's open interest; ``oi`` itself by default.
        has_book: Whether there are bids and offers.
    """
    paise = [price if price == NOT_KNOWN else round(100 * price) for price in (last, average, *ohlc)]
    most, least = (oi, oi) if oi_range is None else oi_range
    head = struct.pack(">11I", token, paise[0], 65, paise[1], volume, 9_750, 8_905, *paise[2:])
    times = struct.pack(">5I", stamp - 2 if traded is None else traded, oi, most, least, stamp)
    levels = [(65 * (2 + n), paise[0] - 5 * (n + 1), 3) for n in range(5)]
    levels += [(65 * (1 + n), paise[0] + 5 * (n + 1), 2) for n in range(5)]
    book = b"".join(struct.pack(">IIHH", *(level if has_book else (0, 0, 0)), 0) for level in levels)
    return head + times + book


def quote_packet(token: int, *, last: float = 212.4, volume: int = 41_600, close: float = 201.3) -> bytes:
    """An instrument's 44 bytes."""
    return struct.pack(">11I", token, round(100 * last), 65, 0, volume, 3_900, 4_225, 0, 0, 0, round(100 * close))


def index_packet(token: int, stamp: int, *, last: float) -> bytes:
    """An index's 32 bytes."""
    paise = round(100 * last)
    return struct.pack(">IIIIIIiI", token, paise, paise + 900, paise - 900, paise, paise + 2_000, -2_000, stamp)


def sent(*packets: bytes) -> GarbageFrame:
    """The fault that makes the simulator send these packets to everyone who is connected, in one frame."""
    return GarbageFrame(content=join(packets).hex())
