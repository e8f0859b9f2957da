"""The contracts that the mock market quotes, as columns: `MockGroups` (one per underlying and expiry) and `MockRows`.

Used by `tickertui.synthetic.market` alone. Groups are what moves together: their pulse says how often their
prices are looked at, so that near expiries tick each second and far ones once a minute, while within a group the
whole chain moves at once and stays free of arbitrage.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tickertui.market.instruments import PRICE_DIVISORS, InstrumentKind, InstrumentTable
from tickertui.market.ticks import WORDS
from tickertui.synthetic.pricing import base_open_interest, mixed, unit

Floats = NDArray[np.float64]

INDEX_TICK: Final = 0.01
"""An index is published to the paisa."""

_OPTION_OI_LOTS: Final = 50_000.0
_OPTION_VOLUME_LOTS: Final = 400_000.0
_FUTURE_OI_LOTS: Final = 200_000.0
_FUTURE_VOLUME_LOTS: Final = 250_000.0
_PULSES: Final = ((8.0, 1.0), (16.0, 2.0), (40.0, 4.0), (100.0, 15.0))
"""(days to expiry, seconds between looks at the prices); later expiries: each minute."""
_SLOWEST: Final = 60.0


class GroupKind(IntEnum):
    """What the rows of a group are."""

    SPOT = 0
    FUTURE = 1
    OPTION = 2


class UnderlyingTraits(Protocol):
    """What the book must know of an underlying."""

    @property
    def carry(self) -> float:
        """Growth of the forward over the spot, per year."""
        ...

    @property
    def skew(self) -> float:
        """Rho of the SSVI surface."""
        ...

    @property
    def smile(self) -> float:
        """Eta of the SSVI surface."""
        ...

    @property
    def activity(self) -> float:
        """Trade as a part of the NIFTY's."""
        ...

    @property
    def volatility(self) -> float:
        """Of the at-the-money option, per year."""
        ...


class _Columns:
    """A dataclass of equally long arrays that can grow and shrink."""

    def extend(self, other: _Columns) -> None:
        """Append another's rows."""
        for field in fields(self):  # type: ignore[arg-type]
            setattr(self, field.name, np.concatenate((getattr(self, field.name), getattr(other, field.name))))

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop the rows that are not in the mask."""
        for field in fields(self):  # type: ignore[arg-type]
            setattr(self, field.name, getattr(self, field.name)[mask])


@dataclass(slots=True)
class MockGroups(_Columns):
    """One underlying's spot, a future, or the options of one expiry; all columns have one entry per group.

    Attributes:
        underlying: Number of the underlying.
        kind: Values of `GroupKind`.
        expiry: Epoch seconds of the expiry instant, inf for a spot.
        period: Seconds between two looks at the prices.
        carry: Growth of the forward, per year.
        rho: Skew.
        eta: Curvature.
        term: Factor on the underlying's volatility.
        pulse: Epoch seconds of the last look, -inf before the first.
        forward: Forward (level, for a spot) then, rupees.
        theta: Total variance of the at-the-money option then.
    """

    underlying: NDArray[np.intp]
    kind: NDArray[np.int8]
    expiry: Floats
    period: Floats
    carry: Floats
    rho: Floats
    eta: Floats
    term: Floats
    pulse: Floats
    forward: Floats
    theta: Floats

    def __len__(self) -> int:
        return len(self.underlying)

    @classmethod
    def single(
        cls, underlying: int, kind: GroupKind, expiry: float, days: float, traits: UnderlyingTraits
    ) -> MockGroups:
        """Return one group; ``days`` to its expiry decide how often it ticks."""

        def one(value: float, dtype: Any = np.float64) -> NDArray[Any]:
            return np.array([value], dtype=dtype)

        return cls(
            underlying=one(underlying, np.intp),
            kind=one(kind, np.int8),
            expiry=one(expiry),
            period=one(pulse_seconds(kind, days, traits.activity)),
            carry=one(traits.carry),
            rho=one(traits.skew),
            eta=one(traits.smile),
            term=one(1.0),
            pulse=one(-np.inf),
            forward=one(np.nan),
            theta=one(0.0),
        )

    @classmethod
    def empty(cls) -> MockGroups:
        """Return no groups."""
        floats = [np.empty(0) for _ in range(9)]
        return cls(np.empty(0, dtype=np.intp), np.empty(0, dtype=np.int8), *floats)


def pulse_seconds(kind: GroupKind, days: float, activity: float) -> float:
    """Return how many seconds pass between two looks at a group's prices."""
    if kind is GroupKind.SPOT:
        return 1.0
    seconds = next((period for limit, period in _PULSES if days < limit), _SLOWEST)
    slower = 1.0 if activity >= 0.3 else 2.0 if activity >= 0.05 else 4.0
    return min(seconds * slower, _SLOWEST)


@dataclass(slots=True)
class MockRows(_Columns):
    """The contracts; all columns have one entry per row.

    Attributes:
        token: The broker's ``instrument_token``.
        group: Number of the group.
        strike: Rupees, 0 for what is not an option.
        is_call: Whether a call.
        is_option: Whether an option.
        is_spot: Whether an index or a share.
        is_index: Whether an index: no volume, no open interest, no book.
        tick: Rupees.
        wire_tick: A tick as a wire integer.
        lot: Units.
        key: Of the row's own randomness.
        phase: 0 to 1, of its waves.
        oi_lots: Open interest without the expiry's factor.
        volume_lots: Daily volume of the most traded row of its kind.
        ticks: Last price in ticks, -1 before the first.
        volume: Lots since the open.
        oi: Lots.
        daily: Lots of this session, expiry and moneyness taken in.
        shown: Whether a step has sent the row since it was begun.
        words: uint32[n, 46], the row as the board knows it.
    """

    token: NDArray[np.uint32]
    group: NDArray[np.intp]
    strike: Floats
    is_call: NDArray[np.bool_]
    is_option: NDArray[np.bool_]
    is_spot: NDArray[np.bool_]
    is_index: NDArray[np.bool_]
    tick: Floats
    wire_tick: NDArray[np.int64]
    lot: NDArray[np.int64]
    key: NDArray[np.uint64]
    phase: Floats
    oi_lots: Floats
    volume_lots: Floats
    ticks: NDArray[np.int64]
    volume: NDArray[np.int64]
    oi: NDArray[np.int64]
    daily: Floats
    shown: NDArray[np.bool_]
    words: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.token)

    @classmethod
    def empty(cls) -> MockRows:
        """Return no rows."""
        nothing = np.empty(0)
        none = np.empty(0, dtype=np.intp)
        table = InstrumentTable.from_instruments(())
        return cls.of(table, none, none, centre=nothing, step=nothing, activity=nothing, seed=0)

    @classmethod
    def of(
        cls,
        table: InstrumentTable,
        places: NDArray[np.intp],
        group: NDArray[np.intp],
        *,
        centre: Floats,
        step: Floats,
        activity: Floats,
        seed: int,
    ) -> MockRows:
        """Lay contracts of a table out as rows.

        Args:
            table: Knows the contracts.
            places: intp[n], which of its rows.
            group: intp[n], group of each.
            centre: Level that each one's open interest is built around, rupees.
            step: Strike step of each one's underlying, rupees.
            activity: Trade in each one's underlying as a part of the NIFTY's.
            seed: Of the market.
        """
        count = len(places)
        kinds, token = table.kinds[places], table.tokens[places]
        is_option = np.asarray(kinds >= InstrumentKind.CALL)
        is_call = np.asarray(kinds == InstrumentKind.CALL)
        strike = np.nan_to_num(table.strikes[places])
        tick = table.tick_sizes[places]
        tick = np.where(tick > 0.0, tick, INDEX_TICK)
        key = mixed(token.astype(np.uint64), seed + 1)
        profile = base_open_interest(strike, centre, step, is_call)
        spread = 0.7 + 0.6 * unit(mixed(key, 3))
        return cls(
            token=token,
            group=group,
            strike=strike,
            is_call=is_call,
            is_option=is_option,
            is_spot=np.asarray(kinds <= InstrumentKind.INDEX),
            is_index=np.asarray(kinds == InstrumentKind.INDEX),
            tick=tick,
            wire_tick=np.rint(tick * PRICE_DIVISORS[token & 0xFF]).astype(np.int64),
            lot=np.maximum(table.lot_sizes[places], 1).astype(np.int64),
            key=key,
            phase=unit(mixed(key, 4)),
            oi_lots=spread * activity * np.where(is_option, _OPTION_OI_LOTS * profile, _FUTURE_OI_LOTS),
            volume_lots=spread * activity * np.where(is_option, _OPTION_VOLUME_LOTS, _FUTURE_VOLUME_LOTS),
            ticks=np.full(count, -1, dtype=np.int64),
            volume=np.zeros(count, dtype=np.int64),
            oi=np.zeros(count, dtype=np.int64),
            daily=np.zeros(count),
            shown=np.zeros(count, dtype=np.bool_),
            words=np.zeros((count, WORDS), dtype=np.uint32),
        )


def joined_tables(table: InstrumentTable, more: InstrumentTable) -> InstrumentTable:
    """Return one table with the contracts of both."""
    return InstrumentTable(
        tokens=np.concatenate((table.tokens, more.tokens)),
        exchange_tokens=np.concatenate((table.exchange_tokens, more.exchange_tokens)),
        kinds=np.concatenate((table.kinds, more.kinds)),
        strikes=np.concatenate((table.strikes, more.strikes)),
        expiries=np.concatenate((table.expiries, more.expiries)),
        tick_sizes=np.concatenate((table.tick_sizes, more.tick_sizes)),
        lot_sizes=np.concatenate((table.lot_sizes, more.lot_sizes)),
        symbols=[*table.symbols, *more.symbols],
        names=[*table.names, *more.names],
        segments=[*table.segments, *more.segments],
        exchanges=[*table.exchanges, *more.exchanges],
    )
