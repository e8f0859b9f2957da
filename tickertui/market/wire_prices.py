"""Prices as the wire has them: integers in a 32-bit word, of commodities with a sign.

A commodity's price can be negative (crude oil, April 2020), and the broker writes it as a signed word; of every other
segment such a word is none (`tickertui.market.figures`). 0 is no price yet. Whoever reads prices off a board's words
asks here: `tickertui.market.board_rows`, `tickertui.market.snapshots`, `tickertui.market.candle_builder`, the
valuation, the frame reader, the marks, the simulator.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market.instruments import PRICE_DIVISORS, price_divisor

SIGNED_SEGMENTS: Final = (7, 12)
"""Low bytes of the tokens of MCX and NCO, whose prices have a sign."""

NO_PRICE: Final = 0x7FFF_FFFF
"""From here on a price is none: 2.1 crore rupees, the largest number of 32 bits with a sign. Of a commodity, words
behind `_HALF` are prices below zero."""

_HALF: Final = 1 << 31
"""0x80000000, which is no price of any segment: feeds send it where there is none yet."""

_WRAP: Final = 1 << 32
_WRAPS: Final[NDArray[np.int64]] = np.zeros(256, dtype=np.int64)
_WRAPS[list(SIGNED_SEGMENTS)] = _WRAP
_WRAPS.setflags(write=False)


def is_signed(token: int) -> bool:
    """Whether prices of a token's segment have a sign."""
    return token & 0xFF in SIGNED_SEGMENTS


def signed_words(raw: NDArray[Any], tokens: NDArray[Any]) -> NDArray[Any]:
    """Return price words as the numbers that they are.

    Args:
        raw: Words as unsigned integers; a negative one, which stands for a word that was not sent, stays.
        tokens: Whose; they broadcast.
    """
    high = raw >= _HALF
    if not high.any():  # as good as always
        return raw
    return raw.astype(np.int64) - np.where(high, _WRAPS[tokens & 0xFF], 0)


def signed_word(raw: int, token: int) -> int:
    """Return one price word as the number that it is, as `signed_words` does."""
    return raw - _WRAP if raw >= _HALF and is_signed(token) else raw


def known_prices(raw: NDArray[Any], tokens: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which words are prices; 0 is none.

    Args:
        raw: Words as unsigned integers, or negative ones for words that were not sent.
        tokens: Whose; they broadcast.
    """
    known: NDArray[np.bool_] = (raw > 0) & (raw < NO_PRICE)
    if known.all():
        return known
    high = raw > _HALF
    if high.any():
        known |= high & (_WRAPS[tokens & 0xFF] > 0)
    return known


def rupees(raw: NDArray[Any], tokens: NDArray[Any], divisors: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return prices in rupees, NaN where a word is none (see `known_prices`).

    Args:
        raw: Words as unsigned integers; a negative one stands for a word that was not sent.
        tokens: Whose; they broadcast.
        divisors: Theirs, where the caller knows them.
    """
    divisors = PRICE_DIVISORS[tokens & 0xFF] if divisors is None else divisors
    if raw.max(initial=0) < NO_PRICE:  # as good as always: one look instead of three
        return np.where(raw > 0, raw / divisors, np.nan)
    return np.where(known_prices(raw, tokens), signed_words(raw, tokens) / divisors, np.nan)


def rupees_of(raw: int, token: int) -> float:
    """Return one price in rupees, as `rupees` does, without numpy's cost per call."""
    if 0 < raw < NO_PRICE:
        return raw / price_divisor(token)
    return (raw - _WRAP) / price_divisor(token) if raw > _HALF and is_signed(token) else float("nan")


def price_word(rupees: float, token: int) -> int:
    """Return the word that says a price; 0, no price, for one that no word says (NaN, negative without a sign)."""
    word = 0 if rupees != rupees else round(rupees * price_divisor(token))
    if 0 < word < NO_PRICE:
        return word
    return word + _WRAP if -_HALF < word < 0 and is_signed(token) else 0
