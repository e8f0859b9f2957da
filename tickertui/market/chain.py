"""`OptionChain`: the calls and puts of one underlying and expiry, by strike, read from the board as arrays.

Column 0 of every (k, 2) array is the call, column 1 the put. Called by the frame reader of the terminal, by the
analytics screen and by the subscription services that look for the money.
"""

from __future__ import annotations

from datetime import date
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.analytics import atm_index, max_pain
from tickertui.market.board import Derived, MarketBoard
from tickertui.market.coverage import Coverage
from tickertui.market.figures import AT_LEAST, known_quantities
from tickertui.market.forward import ForwardSource
from tickertui.market.instruments import ChainRows
from tickertui.market.ticks import ABSENT, Word


class Side(IntEnum):
    """Column of the (k, 2) arrays of a chain."""

    CALL = 0
    PUT = 1

    @property
    def label(self) -> str:
        """The exchange's word: CE or PE."""
        return "PE" if self else "CE"


class ReferenceKind(StrEnum):
    """What the at-the-money row is measured from; the value is its name on screen."""

    SPOT = "spot"
    FORWARD = "fwd"
    FUTURE = "fut"
    """The future's price, where the underlying has no index or share."""
    CLOSE = "close"
    """The underlying's previous close, before it has traded."""
    LAST = "last"
    """The last price that was known, while none is sent (or one of 0): the money does not jump for that."""
    NONE = ""


@frozen
class Reference:
    """The price that decides which strike is at the money.

    Attributes:
        price: Rupees, NaN where nothing is known.
        kind: What it is.
    """

    price: float
    kind: ReferenceKind


_NAN: Final = float("nan")
NO_REFERENCE: Final = Reference(_NAN, ReferenceKind.NONE)


class TotalsCoverage(NamedTuple):
    """Of how many listed legs each sum of `ChainTotals` knows the value; a ratio rests on both sides together."""

    call_oi: Coverage = Coverage()
    put_oi: Coverage = Coverage()
    call_oi_change: Coverage = Coverage()
    put_oi_change: Coverage = Coverage()
    call_volume: Coverage = Coverage()
    put_volume: Coverage = Coverage()

    @property
    def oi(self) -> Coverage:
        """Of the put/call ratio of the open interest, and of the max pain."""
        return self.call_oi + self.put_oi

    @property
    def oi_change(self) -> Coverage:
        """Of the ratio of the changes."""
        return self.call_oi_change + self.put_oi_change

    @property
    def volume(self) -> Coverage:
        """Of the ratio of the volumes."""
        return self.call_volume + self.put_volume


@frozen
class ChainTotals:
    """Sums over the listed strikes of a chain, as far as they are known: `coverage` says how far.

    A sum is NaN where too few legs are known (`Coverage.is_enough`), so that no part is taken for the total; a ratio is
    NaN where its divisor is zero or one of its sums is.

    Attributes:
        call_oi: Open interest of the calls, units.
        put_oi: Of the puts.
        call_oi_change: Change since the previous close of the calls whose previous close is known, units.
        put_oi_change: Of the puts.
        call_volume: Units traded today in calls.
        put_volume: In puts.
        max_pain: The listed strike at which the options are worth least to their holders, NaN without open interest.
        coverage: Of how many legs each of them knows the value.
    """

    call_oi: float
    put_oi: float
    call_oi_change: float
    put_oi_change: float
    call_volume: float
    put_volume: float
    max_pain: float
    coverage: TotalsCoverage = TotalsCoverage()

    @property
    def pcr(self) -> float:
        """Put/call ratio of the open interest."""
        return _ratio(self.put_oi, self.call_oi)

    @property
    def pcr_change(self) -> float:
        """Put/call ratio of the changes of the open interest since the previous close."""
        return _ratio(self.put_oi_change, self.call_oi_change)

    @property
    def pcr_volume(self) -> float:
        """Put/call ratio of the day's volume."""
        return _ratio(self.put_volume, self.call_volume)


def totals_of(
    strikes: NDArray[np.float64],
    oi: NDArray[np.float64],
    oi_change: NDArray[np.float64],
    volume: NDArray[np.float64],
    listed: NDArray[np.bool_] | None = None,
) -> ChainTotals:
    """Sum a chain.

    Args:
        strikes: float64[k].
        oi: float64[k, 2] units, NaN missing.
        oi_change: float64[k, 2] units, NaN missing.
        volume: float64[k, 2] units, NaN missing.
        listed: bool[k, 2], which legs there are; None for all.
    """
    stacked = np.stack((oi, oi_change, volume))
    known = ~np.isnan(stacked)
    legs = [len(strikes)] * 2 if listed is None else np.count_nonzero(listed, axis=0).tolist()
    counts = np.count_nonzero(known, axis=1).tolist()
    coverage = TotalsCoverage(*(Coverage(count, legs[side]) for pair in counts for side, count in enumerate(pair)))
    # Of a quantity that is only known to be large enough there is no sum.
    sums = np.where(known, np.where(stacked >= AT_LEAST, np.nan, stacked), 0.0).sum(axis=1).ravel().tolist()
    call_oi, put_oi, call_change, put_change, call_volume, put_volume = (
        total if part.is_enough else _NAN for total, part in zip(sums, coverage, strict=True)
    )
    whole = coverage.call_oi.is_enough and coverage.put_oi.is_enough
    pain = max_pain(strikes, oi[:, 0], oi[:, 1]) if whole else _NAN
    return ChainTotals(call_oi, put_oi, call_change, put_change, call_volume, put_volume, pain, coverage)


def _ratio(numerator: float, divisor: float) -> float:
    return numerator / divisor if divisor else _NAN


class OptionChain:
    """One underlying and expiry over a board.

    Args:
        contracts: Strikes and tokens of the chain, from the day's instrument table.
        board: Where the values are.
        underlying_token: Token of what gives the underlying's price, 0 when there is nothing.
        future_token: Token of the future whose price stands in for a forward, 0 when there is none.
        is_on_future: Whether the underlying's price is that of a future, for want of an index or share.
    """

    def __init__(
        self,
        contracts: ChainRows,
        board: MarketBoard,
        *,
        underlying_token: int = 0,
        future_token: int = 0,
        is_on_future: bool = False,
    ) -> None:
        self.contracts = contracts
        self.board = board
        self.underlying_token = underlying_token
        self.future_token = future_token
        self.is_on_future = is_on_future
        self.tokens: NDArray[np.int64] = np.column_stack((contracts.call_tokens, contracts.put_tokens))
        self._layout = -1
        self._rows: NDArray[np.intp] = np.zeros(self.tokens.shape, dtype=np.intp)

    def __len__(self) -> int:
        return len(self.contracts.strikes)

    @property
    def underlying(self) -> str:
        """Name of the underlying."""
        return self.contracts.underlying

    @property
    def expiry(self) -> date:
        """Date of expiry."""
        return self.contracts.expiry

    @property
    def strikes(self) -> NDArray[np.float64]:
        """float64[k], ascending, rupees."""
        return self.contracts.strikes

    @property
    def listed(self) -> NDArray[np.bool_]:
        """bool[k, 2]: which legs the day's contracts list, on the board or not."""
        return self.tokens > 0

    @property
    def rows(self) -> NDArray[np.intp]:
        """intp[k, 2]: rows of the board, 0 where a leg does not exist or is not on the board."""
        if self._layout != self.board.layout:
            self._layout = self.board.layout
            self._rows = self.board.rows(self.tokens.ravel().tolist()).reshape(self.tokens.shape)
        return self._rows

    def price(self, word: Word | int = Word.LAST_PRICE) -> NDArray[np.float64]:
        """float64[k, 2]: one price field in rupees, NaN missing."""
        return self.board.price(self.rows, word)

    def price_today(self) -> NDArray[np.float64]:
        """float64[k, 2]: the last price in rupees, NaN where there is none, it is of another day, or nobody knows."""
        return np.where(self.board.untraded(self.rows) | self.board.doubtful[self.rows], np.nan, self.price())

    def quantity(self, word: Word | int) -> NDArray[np.float64]:
        """float64[k, 2]: one quantity field in units, NaN missing."""
        if word in (Word.VOLUME, Word.OPEN_INTEREST):
            return self.board.interest(self.rows)[word == Word.OPEN_INTEREST]
        raw = self.board.field(self.rows, word)
        return np.where((raw == ABSENT) | ~known_quantities(raw), np.nan, raw.astype(np.float64))

    def oi_change(self) -> NDArray[np.float64]:
        """float64[k, 2]: open interest less that of the previous close, units, NaN where either is not known."""
        return self.board.interest(self.rows)[2]

    def derived(self, column: Derived) -> NDArray[np.float64]:
        """float64[k, 2]: one column of the valuation, NaN missing."""
        values: NDArray[np.float64] = self.board.derived[self.rows, column]
        return values

    def totals(self) -> ChainTotals:
        """Return the sums over all listed strikes, as far as they are known."""
        oi, volume = self.quantity(Word.OPEN_INTEREST), self.quantity(Word.VOLUME)
        return totals_of(self.strikes, oi, self.oi_change(), volume, self.listed)

    def nearest(self, price: float) -> int:
        """Return the row of the strike nearest to a price (the lower one of two equally near), -1 for NaN."""
        return atm_index(self.strikes, price)

    def spot(self) -> Reference:
        """Return the underlying's last price, else its previous close, else `NO_REFERENCE`.

        A price of which nobody knows of when it is (`MarketBoard.doubtful`) is none: the money must not follow it.
        """
        row = self.board.row(self.underlying_token)
        if self.board.is_doubtful(row):
            return NO_REFERENCE
        price = self.board.price_of(row)
        if price == price:
            return Reference(price, ReferenceKind.FUTURE if self.is_on_future else ReferenceKind.SPOT)
        close = self.board.price_of(row, Word.CLOSE)
        return Reference(close, ReferenceKind.CLOSE) if close == close else NO_REFERENCE

    def forward(self) -> Reference:
        """Return the forward of this expiry, else `NO_REFERENCE`.

        That of the valuation where it has run; otherwise put-call parity without discount at the strike where call
        and put are closest, ``K + C - P``, which is where the parity is least sensitive to stale legs.
        """
        valued = self.derived(Derived.FORWARD)
        known = valued[~np.isnan(valued)]
        if len(known):
            # The middle one: during an update of the valuation, legs of two forwards may stand side by side.
            return Reference(float(np.sort(known)[len(known) // 2]), ReferenceKind.FORWARD)
        prices = self.price_today()
        gap = prices[:, Side.CALL] - prices[:, Side.PUT]
        if np.isnan(gap).all():
            return NO_REFERENCE
        row = int(np.nanargmin(np.abs(gap)))
        return Reference(float(self.strikes[row] + gap[row]), ReferenceKind.FORWARD)

    def forward_source(self) -> ForwardSource:
        """Return where `forward` comes from; parity where the valuation has not run."""
        sources = self.derived(Derived.FORWARD_SOURCE)
        known = sources[~np.isnan(sources)]
        return ForwardSource(int(np.sort(known)[len(known) // 2])) if len(known) else ForwardSource.PARITY

    def reference(self, preferred: ReferenceKind = ReferenceKind.SPOT) -> Reference:
        """Return the price that decides the at-the-money row: the preferred one, else what is known."""
        first, second = (self.forward, self.spot) if preferred is ReferenceKind.FORWARD else (self.spot, self.forward)
        found = first()
        return found if found.kind is not ReferenceKind.NONE else second()

    def atm_row(self, preferred: ReferenceKind = ReferenceKind.SPOT) -> int:
        """Return the row of the strike at the money, -1 when no reference is known."""
        return self.nearest(self.reference(preferred).price)

    def straddle(self, row: int) -> float:
        """Return call plus put at a row, rupees; NaN where either is missing or of another day, or ``row`` is -1."""
        return float("nan") if row < 0 else float(self.price_today()[row].sum())
