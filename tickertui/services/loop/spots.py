"""`Spots`: the price of every underlying, from the board: of its index or share, else of its nearest future.

The reconciler centres chain rules on it, the loop fills in by REST what the stream has not brought. One price for
each underlying: an index never stands in for another. While the cash market is in its closing auction an index
prints nothing, so its last price simply stays.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime

import numpy as np

from tickertui.kite.errors import KiteError
from tickertui.market.board import MarketBoard
from tickertui.market.clock import Clock, from_epoch
from tickertui.market.instruments import Instrument
from tickertui.market.ticks import TickBatch, Word
from tickertui.services.accounts.session_orchestrator import NoAccounts
from tickertui.services.loop.snapshot_quotes import apply_snapshot


class Spots:
    """Last price of each underlying.

    Args:
        board: Holds the rows of the indices.
        token_of: Token of what an underlying's price is read from, None where there is nothing.
    """

    def __init__(self, board: MarketBoard, token_of: Callable[[str], int | None]) -> None:
        self._board = board
        self._token_of = token_of
        self._known: dict[str, float] = {}
        self._stamps: dict[str, int] = {}

    def __call__(self, underlying: str) -> float | None:
        """Return the last price in rupees, None before there was one.

        A row without a positive price (an index before its first print, or a broken packet), and one whose packet's
        time lies ahead of the market's clock, leave the price known before in force.
        """
        token = self._token_of(underlying)
        if token is not None:
            rows = np.array([self._board.row(token)])
            price = float(self._board.price(rows)[0])
            if price > 0 and not self._board.doubtful[rows[0]]:
                self._known[underlying] = price
                self._stamps[underlying] = int(self._board.field(rows, Word.EXCHANGE_TIMESTAMP)[0])
        return self._known.get(underlying)

    def remember(self, underlying: str, price: float, stamp: int = 0) -> bool:
        """Note a price that came another way; False where it is none (zero, negative, missing).

        Args:
            underlying: Of which.
            price: Rupees.
            stamp: Epoch seconds at which the exchange sent it, 0 or less where that is not known.
        """
        if not price > 0:
            return False
        self._known[underlying] = price
        self._stamps[underlying] = stamp
        return True

    def forget(self, underlying: str) -> None:
        """Forget one price: it is quoted in other units now."""
        self._known.pop(underlying, None)
        self._stamps.pop(underlying, None)

    def missing(self, underlyings: Iterable[str]) -> tuple[str, ...]:
        """Return those without a price."""
        return tuple(underlying for underlying in underlyings if self(underlying) is None)

    def known(self) -> Mapping[str, float]:
        """Return every price that was asked for and found, by underlying."""
        return dict(self._known)

    def times(self) -> Mapping[str, datetime]:
        """Return when the exchange sent those prices, by underlying, as far as the broker said so."""
        return {underlying: from_epoch(stamp) for underlying, stamp in self._stamps.items() if stamp > 0}

    def clear(self) -> None:
        """Forget everything: another feed takes over."""
        self._known.clear()
        self._stamps.clear()


class SpotFiller:
    """Fills in by REST the spots that the stream has not brought.

    Called by `ActivePlan` before the rules are expanded (the first plan would else hold nothing but the indices) and by
    the loop's follower.

    Args:
        spots: Where they are kept.
        instrument: Contract of a token, None where the day's dump does not hold it.
        token_of: Token of what an underlying's price is read from.
        quote: Gives full quotes of instruments; raises `KiteError` or `NoAccounts`.
        board: Also shows them, marked as snapshots.
        clock: Tells what is newer.
        generation: Number of the plan in force.
    """

    def __init__(
        self,
        spots: Spots,
        *,
        instrument: Callable[[int], Instrument | None],
        token_of: Callable[[str], int | None],
        quote: Callable[[Sequence[Instrument]], Awaitable[TickBatch]],
        board: MarketBoard,
        clock: Clock,
        generation: Callable[[], int],
    ) -> None:
        self._spots = spots
        self._instrument = instrument
        self._token_of = token_of
        self._quote = quote
        self._board = board
        self._clock = clock
        self._generation = generation

    async def fill(self, underlyings: Iterable[str]) -> tuple[str, ...]:
        """Ask for what is missing and return what still is; a broker that does not answer leaves it missing."""
        missing = self._spots.missing(underlyings)
        wanted: dict[int, str] = {}
        instruments = []
        for underlying in missing:
            token = self._token_of(underlying)
            instrument = None if token is None else self._instrument(token)
            if instrument is not None:
                wanted[instrument.token] = underlying
                instruments.append(instrument)
        if not instruments:
            return missing
        generation, asked_ns = self._generation(), self._clock.monotonic_ns()
        try:
            batch = await self._quote(instruments)
        except (KiteError, NoAccounts):
            return missing
        if self._board.generation <= generation:  # else another feed has taken over meanwhile
            columns = (batch.instrument_token, batch.last_price, batch.exchange_timestamp)
            for token, price, stamp in zip(*(column.tolist() for column in columns), strict=True):
                if token in wanted:
                    self._spots.remember(wanted[token], price, stamp)
            apply_snapshot(self._board, batch, asked_ns, generation)
        return self._spots.missing(missing)
