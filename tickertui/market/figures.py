"""Which figures of a packet mean anything: what is no price, what is no quantity, and zeros that cannot be.

Before the open, after the close and where a word is too narrow, a feed sends well-formed packets whose figures are
none: 0x80000000 for a price that there is not yet, an open interest of 0, a volume that has gone round. The board asks
when it writes (a known figure is not replaced by one that cannot be), the readers when they show: what is not known is
NaN, and what is more than 32 bits hold is `AT_LEAST`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market.stamps import FIRST_TIME
from tickertui.market.ticks import NO_FIGURE as NO_FIGURE
from tickertui.market.ticks import Word

AT_LEAST: Final = 0xFFFF_FFFF
"""A quantity of this or more: REST tells larger ones than a word holds, and a day's volume goes round behind it."""

HALF: Final = 1 << 31
"""A day's volume that falls by more has gone round, and no open interest changes by as much in a day."""

_DAY_S: Final = 86_400
_INDIA_S: Final = 19_800
_PRICE, _VOLUME, _OI, _STAMP = (
    int(word) for word in (Word.LAST_PRICE, Word.VOLUME, Word.OPEN_INTEREST, Word.EXCHANGE_TIMESTAMP)
)


def known_quantities(raw: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which of the wire's integers are quantities; 0 is one."""
    known: NDArray[np.bool_] = raw != NO_FIGURE
    return known


def blank_zeros(
    price: NDArray[np.float64], volume: NDArray[np.float64], oi: NDArray[np.float64], previous: NDArray[np.int64]
) -> None:
    """Blank zeros that nobody has counted, in place.

    A packet without a last price says nothing of volume and open interest either. And an open interest changes by no
    more than was traded: it is not 0 where yesterday's was greater than today's volume.

    Args:
        price: Last prices, NaN where there is none; of whatever shape, like the others.
        volume: Units of the day, NaN where not known.
        oi: Open interest, units, NaN where not known.
        previous: Open interest at the previous close, units, negative where not known.
    """
    if oi.all() and volume.all():  # no zeros, as in most frames of a session
        return
    nothing = np.isnan(price)
    oi[(oi == 0) & (nothing | (previous > np.nan_to_num(volume)))] = np.nan
    volume[(volume == 0) & nothing] = np.nan


def change_of(now: NDArray[np.float64], before: NDArray[Any]) -> NDArray[np.float64]:
    """Return by how much a quantity has changed, units; NaN where either is not known in full.

    Args:
        now: Units, NaN where not known.
        before: Units, NaN or negative where not known.
    """
    change: NDArray[np.float64] = now - before
    if np.fmax.reduce(now, axis=None, initial=0) < HALF > np.fmax.reduce(before, axis=None, initial=0):
        # As good as always: then no difference is as great, and only what is not known has none.
        unknown = before < 0
        if unknown.any():
            change[unknown] = np.nan
        return change
    change[~((now < AT_LEAST) & (before >= 0) & (before < AT_LEAST) & (np.abs(change) < HALF))] = np.nan
    return change


def emptied(words: NDArray[np.uint32], width: int, shown: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Return which packets say nothing of an instrument whose price is known, bool[n].

    Args:
        words: uint32[n, >= width], packets of what is traded.
        width: Words of each that mean something.
        shown: uint32[n, 46], what their rows hold.
    """
    nothing: NDArray[np.bool_] = (words[:, _PRICE] == 0) & (shown[:, _PRICE] != 0)
    if width > _VOLUME:
        nothing &= words[:, _VOLUME] == 0
    if width > _OI:
        nothing &= words[:, _OI] == 0
    return nothing


def impossible(words: NDArray[np.uint32], shown: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Return which full packets hold an open interest or a volume that cannot be, after what their rows hold.

    Args:
        words: uint32[n, 46].
        shown: uint32[n, 46].
    """
    oi, volume = words[:, _OI], words[:, _VOLUME]
    gone: NDArray[np.bool_] = (oi == 0) & (shown[:, _OI] > volume) & known_quantities(shown[:, _OI])
    return gone | (_went_round(volume, shown[:, _VOLUME]) & _same_day(words, shown))


def keep_known(words: NDArray[np.uint32], shown: NDArray[np.uint32]) -> None:
    """Put what is known into packets that `impossible` has found, in place.

    The open interest is the one before. Of a day's volume it is known that it has not fallen: 0 is the one before, one
    that has gone round is `AT_LEAST`.

    Args:
        words: uint32[n, 46].
        shown: uint32[n, 46].
    """
    same_day, volume, before = _same_day(words, shown), words[:, _VOLUME], shown[:, _VOLUME]
    gone = (words[:, _OI] == 0) & (shown[:, _OI] > volume)
    round_ = same_day & _went_round(volume, before)
    words[gone, _OI] = shown[gone, _OI]
    zero = gone & same_day & (volume == 0)
    words[zero, _VOLUME] = before[zero]
    words[round_, _VOLUME] = AT_LEAST


def _went_round(volume: NDArray[np.uint32], before: NDArray[np.uint32]) -> NDArray[np.bool_]:
    fallen: NDArray[np.bool_] = (before > volume) & (before - volume > HALF) & (before != NO_FIGURE)
    return fallen


def _same_day(words: NDArray[np.uint32], shown: NDArray[np.uint32]) -> NDArray[np.bool_]:
    new, old = words[:, _STAMP].astype(np.int64), shown[:, _STAMP].astype(np.int64)
    same: NDArray[np.bool_] = (new + _INDIA_S) // _DAY_S == (old + _INDIA_S) // _DAY_S
    return same & (old >= FIRST_TIME)
