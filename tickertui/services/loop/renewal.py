"""`ContractRenewal`: empties the rows of the board whose token is another contract since the day's list was taken.

What stands there is a price, an open interest, a volatility of the contract before: under the strike of now it would be
a wrong number without a mark. The sockets carry the tokens on; the next packet, or a quote, fills the rows again. The
ticker loop asks after each list, and before each plan has the stored facts of the same tokens shown anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tickertui.market.board import MarketBoard
from tickertui.market.clock import Clock
from tickertui.market.contract_terms import TermsChange
from tickertui.services.contracts.day_contracts import DayContracts
from tickertui.services.loop.spots import Spots


class ContractRenewal:
    """See the module.

    Args:
        board: Holds the rows.
        spots: Forgets the prices of shares that are quoted in other units.
        contracts: Those in force.
        clock: Stamps the subscriptions anew.
    """

    def __init__(
        self, *, board: MarketBoard, spots: Spots, contracts: Callable[[], DayContracts], clock: Clock
    ) -> None:
        self._board = board
        self._spots = spots
        self._contracts = contracts
        self._clock = clock
        self._known: Mapping[int, TermsChange] | None = None
        self._renewed: list[int] = []

    def look(self) -> None:
        """Empty the rows of tokens whose terms changed since the last look; the first only remembers."""
        contracts = self._contracts()
        before, self._known = self._known, contracts.terms_changes
        if before is None or before is self._known:
            return
        tokens = [token for token, change in self._known.items() if before.get(token) != change]
        self._renewed += tokens
        self._empty([token for token in tokens if token in self._board])
        for token in tokens:
            instrument = contracts.get(token)
            if instrument is not None and instrument.expiry is None:
                self._spots.forget(instrument.tradingsymbol)

    def take(self) -> list[int]:
        """Return the tokens that were renewed since the last call: what is stored of them is to be read anew."""
        self.look()
        renewed, self._renewed = self._renewed, []
        return [token for token in renewed if token in self._board]

    def _empty(self, tokens: Sequence[int]) -> None:
        rows = self._board.rows(tokens)
        carried_by, subscribed = self._board.connections[rows].copy(), self._board.subscribed_ns[rows] > 0
        self._board.clear(tokens)
        now_ns = self._clock.monotonic_ns()
        for connection in np.unique(carried_by[subscribed]).tolist():
            mine = np.flatnonzero(subscribed & (carried_by == connection))
            self._board.mark_subscribed([tokens[place] for place in mine.tolist()], connection, now_ns)
