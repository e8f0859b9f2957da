"""`Spots`: the price of every underlying, from the index rows of the board.

The reconciler centres chain rules on it, the loop fills in by REST what the stream has not brought. One price for
each underlying: an index never stands in for another. While the cash market is in its closing auction an index
prints nothing, so its last price simply stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from tickertui.market.board import MarketBoard


class Spots:
    """Last price of each underlying.

    Args:
        board: Holds the rows of the indices.
        token_of: Token of an underlying's index or share, None where it has none.
    """

    def __init__(self, board: MarketBoard, token_of: Callable[[str], int | None]) -> None:
        self._board = board
        self._token_of = token_of
        self._known: dict[str, float] = {}

    def __call__(self, underlying: str) -> float | None:
        """Return the last price in rupees, None before there was one.

        A row without a positive price (an index before its first print, or a broken packet) leaves the price known
        before in force.
        """
        token = self._token_of(underlying)
        if token is not None:
            price = float(self._board.price(np.array([self._board.row(token)]))[0])
            if price > 0:
                self._known[underlying] = price
        return self._known.get(underlying)

    def remember(self, underlying: str, price: float) -> bool:
        """Note a price that came another way; False where it is none (zero, negative, missing)."""
        if not price > 0:
            return False
        self._known[underlying] = price
        return True

    def missing(self, underlyings: Iterable[str]) -> tuple[str, ...]:
        """Return those without a price."""
        return tuple(underlying for underlying in underlyings if self(underlying) is None)

    def clear(self) -> None:
        """Forget everything: another feed takes over."""
        self._known.clear()
