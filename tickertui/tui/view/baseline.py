"""`BoardMark`: what the whole board held when the trader said "mark now", so that every chain can tell its changes.

A mark per chain would be lost with each switch of the expiry. 9,000 rows are copied in well under a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market import figures
from tickertui.market.board import Derived, MarketBoard
from tickertui.market.ticks import Word
from tickertui.market.wire_prices import rupees
from tickertui.tui.view.chain_reader import ChainReader

_WORDS: Final = np.array([Word.OPEN_INTEREST, Word.LAST_PRICE, Word.VOLUME], dtype=np.intp)
"""In the order of `ChainReader.set_mark`."""


class BoardMark:
    """The values of every row that had any.

    Args:
        board: Read once, now.
        at: Wall time of the mark.
    """

    def __init__(self, board: MarketBoard, at: datetime) -> None:
        self.at = at
        rows = np.flatnonzero(board.tokens)
        rows = rows[np.argsort(board.tokens[rows])]
        self._tokens: NDArray[np.int64] = board.tokens[rows].astype(np.int64)
        words = board.words[rows][:, _WORDS]
        carried = board.modes[rows][:, None] > _WORDS
        quantities = figures.known_quantities(words)
        values = np.where(carried & quantities, words, np.nan).astype(np.float64)
        values[:, 1] = np.where(carried[:, 1], rupees(words[:, 1], self._tokens), np.nan)
        figures.blank_zeros(values[:, 1], values[:, 2], values[:, 0], board.previous_oi[rows])
        self._values = values
        self._iv: NDArray[np.float64] = board.derived[rows, Derived.IV].astype(np.float64)

    def values(self, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return open interest (units), last price (rupees) and volume (units) at the mark, NaN where unknown.

        Args:
            tokens: int64[k, 2] of a chain.

        Returns:
            float64[k, 2, 3].
        """
        places, held = self._find(tokens)
        return np.where(held[..., None], self._values[places], np.nan) if len(self._tokens) else _nothing(tokens, 3)

    def forget(self, tokens: Sequence[int]) -> None:
        """Know nothing of some tokens any more: they name other contracts since the mark."""
        keep = ~np.isin(self._tokens, tokens)
        self._tokens, self._values, self._iv = self._tokens[keep], self._values[keep], self._iv[keep]

    def iv(self, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the implied volatilities at the mark, float64[k, 2] decimals, NaN where unknown."""
        places, held = self._find(tokens)
        return np.where(held, self._iv[places], np.nan) if len(self._tokens) else _nothing(tokens, 1)[..., 0]

    def _find(self, tokens: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        places = np.minimum(np.searchsorted(self._tokens, tokens), max(len(self._tokens) - 1, 0))
        return places, (self._tokens[places] == tokens if len(self._tokens) else np.zeros(tokens.shape, dtype=np.bool_))


class BaselineMark:
    """The mark of a terminal, shown by every reader of a chain.

    Attributes:
        mark: The present one, None without.
    """

    def __init__(self) -> None:
        self.mark: BoardMark | None = None

    def take(self, mark: BoardMark | None, *readers: ChainReader | None) -> None:
        """Show changes against another mark, or none any more, in the readers that there are."""
        self.mark = mark
        for reader in readers:
            if reader is not None:
                self.apply(reader)

    def apply(self, reader: ChainReader) -> None:
        """Make a reader show what changed since the mark."""
        mark = self.mark
        if mark is None:
            reader.set_mark(None, None)
        else:
            reader.set_mark(mark.values(reader.chain.tokens), mark.at)


def _nothing(tokens: NDArray[np.int64], fields: int) -> NDArray[np.float64]:
    return np.full((*tokens.shape, fields), np.nan)
