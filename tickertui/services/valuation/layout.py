"""The rows that valuation works on, sorted once per change of the plan: by underlying, expiry, strike and kind.

A slice is one (underlying, expiry). Everything that does not change from tick to tick (strikes, which leg pairs with
which, where the forward may come from) is laid out here, so that a round of `tickertui.services.valuation.valuation` is
only array work on the touched slices.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.board import MarketBoard
from tickertui.market.calendar_data import UnderlyingKind
from tickertui.market.instruments import PRICE_DIVISORS, InstrumentKind, InstrumentTable
from tickertui.market.price_selection import other_legs
from tickertui.market.underlyings import underlying_kind

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@frozen
class ValuationSlice:
    """One underlying and expiry.

    Attributes:
        underlying: Name.
        expiry: Date of expiry.
        segment: The broker's segment, for the expiry instant.
        kind: What the underlying is, for the expiry instant.
    """

    underlying: str
    expiry: date
    segment: str
    kind: UnderlyingKind


@frozen(eq=False)
class ValuationLayout:
    """Option rows of the board in valuation order, n rows in m slices with k strikes in all.

    Attributes:
        slices: m slices.
        rows: intp[n], rows of the board.
        starts: intp[m], first row of each slice in this order.
        lengths: intp[m], rows of each slice.
        slice_of: intp[n], slice of each row.
        strikes: float64[n], rupees.
        is_call: bool[n].
        ticks: float64[n], tick sizes in rupees.
        divisors: float64[n], wire integer to rupees.
        other_leg: intp[n], position of the same strike's other leg, -1 where it has none.
        other_tokens: float64[n], token of that leg, 0 where it has none.
        pair_starts: intp[m], first strike of each slice.
        pair_lengths: intp[m], strikes of each slice.
        pair_strikes: float64[k].
        pair_calls: intp[k], position of the strike's call, -1 where it has none.
        pair_puts: intp[k], position of the strike's put, -1 where it has none.
        spot_rows: intp[m], board row of the underlying, 0 where it is not on the board.
        future_rows: intp[m], board row of the future of the same expiry, 0 where there is none.
        far_rows: intp[m], board row of the nearest future of another expiry, 0 where there is none.
        far_expiries: m expiries of those, None where there is none.
        spot_is_index: bool[m], whether the underlying is an index (its closing auction freezes it).
    """

    slices: tuple[ValuationSlice, ...]
    rows: Rows
    starts: Rows
    lengths: Rows
    slice_of: Rows
    strikes: Floats
    is_call: NDArray[np.bool_]
    ticks: Floats
    divisors: Floats
    other_leg: Rows
    other_tokens: Floats
    pair_starts: Rows
    pair_lengths: Rows
    pair_strikes: Floats
    pair_calls: Rows
    pair_puts: Rows
    spot_rows: Rows
    future_rows: Rows
    far_rows: Rows
    far_expiries: tuple[date | None, ...]
    spot_is_index: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)


def build_layout(
    board: MarketBoard, table: InstrumentTable, underlying_token: Callable[[str], int | None]
) -> ValuationLayout:
    """Lay out every option on the board.

    Args:
        board: Whose tokens are laid out.
        table: Contracts of the day; tokens that it does not know are left out.
        underlying_token: Token of an underlying's index or share.
    """
    used = np.flatnonzero(board.tokens)
    contracts = np.array([_row(table, token) for token in board.tokens[used].tolist()], dtype=np.intp)
    kinds = np.where(contracts >= 0, table.kinds[contracts], -1) if len(table) else np.full(len(used), -1)
    futures = _futures_on_board(table, used[kinds == InstrumentKind.FUTURE], contracts[kinds == InstrumentKind.FUTURE])
    options = kinds >= InstrumentKind.CALL
    rows, contracts = used[options], contracts[options]
    names, name_ids = _name_ids([table.names[contract] for contract in contracts.tolist()])
    expiries, strikes = table.expiries[contracts], table.strikes[contracts]
    order = np.lexsort((table.kinds[contracts], strikes, expiries, name_ids))
    rows, contracts, name_ids = rows[order], contracts[order], name_ids[order]
    expiries, strikes = expiries[order], strikes[order]
    is_call = table.kinds[contracts] == InstrumentKind.CALL
    starts, lengths = _runs(name_ids, expiries)
    slice_of = np.repeat(np.arange(len(starts), dtype=np.intp), lengths)
    slices = tuple(
        ValuationSlice(
            names[int(name_ids[start])],
            date.fromordinal(int(expiries[start])),
            table.exchanges[int(contracts[start])],
            underlying_kind(table, underlying_token(names[int(name_ids[start])])),
        )
        for start in starts.tolist()
    )
    pair_starts, pair_lengths, pair_strikes, pair_calls, pair_puts = _pairs(slice_of, strikes, is_call, len(slices))
    spot_rows, spot_is_index = _spots(board, table, slices, underlying_token)
    future_rows, far_rows, far_expiries = _choose_futures(slices, futures, underlying_token)
    other = other_legs(slice_of, strikes, is_call)
    return ValuationLayout(
        slices=slices,
        rows=rows,
        starts=starts,
        lengths=lengths,
        slice_of=slice_of,
        strikes=strikes,
        is_call=is_call,
        ticks=table.tick_sizes[contracts],
        divisors=PRICE_DIVISORS[board.tokens[rows] & 0xFF],
        other_leg=other,
        other_tokens=np.where(other >= 0, board.tokens[rows[other]], 0.0) if len(rows) else np.zeros(0),
        pair_starts=pair_starts,
        pair_lengths=pair_lengths,
        pair_strikes=pair_strikes,
        pair_calls=pair_calls,
        pair_puts=pair_puts,
        spot_rows=spot_rows,
        future_rows=future_rows,
        far_rows=far_rows,
        far_expiries=far_expiries,
        spot_is_index=spot_is_index,
    )


def _row(table: InstrumentTable, token: int) -> int:
    row = table.row(token)
    return -1 if row is None else row


def _name_ids(names: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    ids: dict[str, int] = {}
    numbers = np.array([ids.setdefault(name, len(ids)) for name in names], dtype=np.int64)
    return list(ids), numbers


def _runs(name_ids: NDArray[np.int64], expiries: NDArray[np.int32]) -> tuple[Rows, Rows]:
    """Starts and lengths of the runs of equal (name, expiry)."""
    if not len(name_ids):
        none = np.zeros(0, dtype=np.intp)
        return none, none
    changes = np.flatnonzero((np.diff(name_ids) != 0) | (np.diff(expiries) != 0)) + 1
    starts = np.concatenate(([0], changes)).astype(np.intp)
    return starts, np.diff(np.append(starts, len(name_ids))).astype(np.intp)


def _pairs(
    slice_of: Rows, strikes: Floats, is_call: NDArray[np.bool_], slices: int
) -> tuple[Rows, Rows, Floats, Rows, Rows]:
    """Strikes of each slice and the positions of their legs."""
    if not len(strikes):
        none = np.zeros(0, dtype=np.intp)
        return np.zeros(slices, dtype=np.intp), np.zeros(slices, dtype=np.intp), np.zeros(0), none, none
    begins_pair = np.concatenate(([True], (np.diff(slice_of) != 0) | (np.diff(strikes) != 0)))
    pair_of = np.cumsum(begins_pair) - 1
    count = int(pair_of[-1]) + 1
    calls, puts = np.full(count, -1, dtype=np.intp), np.full(count, -1, dtype=np.intp)
    positions = np.arange(len(strikes), dtype=np.intp)
    calls[pair_of[is_call]] = positions[is_call]
    puts[pair_of[~is_call]] = positions[~is_call]
    lengths = np.bincount(slice_of[begins_pair], minlength=slices).astype(np.intp)
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.intp)
    return starts, lengths, strikes[begins_pair], calls, puts


def _spots(
    board: MarketBoard,
    table: InstrumentTable,
    slices: tuple[ValuationSlice, ...],
    underlying_token: Callable[[str], int | None],
) -> tuple[Rows, NDArray[np.bool_]]:
    rows = np.zeros(len(slices), dtype=np.intp)
    is_index = np.zeros(len(slices), dtype=np.bool_)
    for number, item in enumerate(slices):
        token = underlying_token(item.underlying) or 0
        rows[number] = board.row(token)
        contract = table.row(token)
        # Without an index (commodities, currencies) there is nothing that an auction could freeze.
        is_index[number] = bool(token) and (contract is None or table.kinds[contract] == InstrumentKind.INDEX)
    return rows, is_index


_Futures = dict[str, list[tuple[date, int]]]


def _futures_on_board(table: InstrumentTable, rows: Rows, contracts: Rows) -> _Futures:
    futures: _Futures = {}
    for row, contract in zip(rows.tolist(), contracts.tolist(), strict=True):
        expiry = date.fromordinal(int(table.expiries[contract]))
        futures.setdefault(table.names[contract], []).append((expiry, row))
    for listed in futures.values():
        listed.sort()
    return futures


def _choose_futures(
    slices: tuple[ValuationSlice, ...], futures: _Futures, underlying_token: Callable[[str], int | None]
) -> tuple[Rows, Rows, tuple[date | None, ...]]:
    """The future that is each slice's forward, and the nearest of another expiry.

    It is that of the same expiry. Options without an index or a share are options on a future: on the first that does
    not expire before them.
    """
    same = np.zeros(len(slices), dtype=np.intp)
    far = np.zeros(len(slices), dtype=np.intp)
    far_expiries: list[date | None] = []
    for number, item in enumerate(slices):
        listed = futures.get(item.underlying, [])
        on_future = underlying_token(item.underlying) is None
        is_forward = operator.ge if on_future else operator.eq
        same[number] = next((row for expiry, row in listed if is_forward(expiry, item.expiry)), 0)
        others = [(abs((expiry - item.expiry).days), expiry, row) for expiry, row in listed if expiry != item.expiry]
        nearest = min(others, default=None)
        far[number] = nearest[2] if nearest else 0
        far_expiries.append(nearest[1] if nearest else None)
    return same, far, tuple(far_expiries)
