"""`TokenRows`: which row of the board each token has, and which rows are free.

`tickertui.market.board.MarketBoard` owns one and asks it with each batch, hence two ways to a row: a dictionary that
is always right, and a direct table by exchange token that is right but for the rare token that shares its exchange
token with one of another segment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

_DENSE_LIMIT: Final = 1 << 22
"""Exchange tokens below this are found in a direct table (at most 32 MiB, touched page by page): NSE, NFO, BSE, BFO,
MCX and index tokens are. 3 µs for 500 tokens against 10 µs of a binary search. The rest take a dictionary."""


class TokenRows:
    """Gives rows to tokens and takes them back; row 0 is nobody's.

    Attributes:
        of: Row by token.
        dense: intp[...], row by exchange token (the token without its segment's byte), 0 where there is none. Two
            segments may share an exchange token: then one of the two stands here and the caller asks `of`.
    """

    def __init__(self) -> None:
        self.of: dict[int, int] = {}
        self.dense: NDArray[np.intp] = np.zeros(1 << 12, dtype=np.intp)
        self._free: list[int] = []
        self._next = 1

    def take(self, tokens: Sequence[int]) -> NDArray[np.intp]:
        """Give tokens that have none a row each: those that were freed, then the next.

        A plan of 27,000 instruments is put into force on the event loop: all of them at once take 5 ms, one by one 40.

        Args:
            tokens: None of them has a row, none stands there twice.

        Raises:
            ValueError: When a token is not a positive 32-bit number; then none has been given a row.
        """
        for token in (min(tokens, default=1), max(tokens, default=1)):
            if not 0 < token < 1 << 32:
                raise ValueError(f"an instrument token is a positive 32-bit number, not {token}")
        freed = min(len(self._free), len(tokens))
        reused = [self._free.pop() for _ in range(freed)]
        end = self._next + len(tokens) - freed
        rows = [*reused, *range(self._next, end)]
        self._next = end
        self.of.update(zip(tokens, rows, strict=True))
        keys, places = np.array(tokens, dtype=np.int64) >> 8, np.array(rows, dtype=np.intp)
        dense = keys < _DENSE_LIMIT
        self._reach(int(keys[dense].max(initial=0)))
        self.dense[keys[dense]] = places[dense]
        return places

    def _reach(self, longest: int) -> None:
        """Make the direct table long enough for an exchange token; each time copies the whole of it."""
        if longest >= len(self.dense):
            # zeros, not resize: pages that no token touches are never paid for.
            dense = np.zeros(min(_DENSE_LIMIT, max(longest + 1, 2 * len(self.dense))), dtype=np.intp)
            dense[: len(self.dense)] = self.dense
            self.dense = dense

    def give_back(self, tokens: Iterable[int]) -> list[int]:
        """Free the rows of these tokens and return them; unknown tokens are passed over."""
        rows = []
        for token in tokens:
            row = self.of.pop(token, None)
            if row is not None:
                key = token >> 8
                if key < len(self.dense) and self.dense[key] == row:
                    self.dense[key] = 0
                rows.append(row)
        self._free.extend(rows)
        return rows
