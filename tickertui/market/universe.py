"""The bundled universe: ten index underlyings, their contracts and typical levels, as data.

It is what the program lists when there is no instruments dump: the first run without an account, the mock market
and the simulator. `load_universe` reads ``data/universe.toml``; `universe_instruments` writes the contracts of a day
as an `InstrumentTable` like a dump's. With an account the broker's dump decides; only index tokens and typical
levels are taken from here then.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cached_property
from importlib.resources import files
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.arrays import distinct
from tickertui.market.instruments import INDEX_SEGMENT_CODE, Instrument, InstrumentKind, InstrumentTable

SEGMENT_CODES: Final = {"NSE": 1, "NFO": 2, "CDS": 3, "BSE": 4, "BFO": 5, "BCD": 6, "MCX": 7, "INDICES": 9, "NCO": 12}
"""Low byte of an ``instrument_token`` by exchange or segment (kiteconnect, ticker.py)."""

_MONTH_CODES: Final = "123456789OND"
_NEIGHBOUR: Final = timedelta(days=3)
"""A rolled weekly expiry this near to another kind's is that expiry, moved by a holiday."""

# Layout of the made-up exchange tokens: unique among live contracts, the same for a contract's whole life, and below
# the board's direct table of 4 million. 2^18 numbers per underlying: 128 expiries x 1,024 strikes x 2 sides.
MADE_UP_FROM: Final = 40_000
"""First of the made-up exchange tokens."""
_PER_UNDERLYING: Final = 1 << 18
NUMBERS_PER_BLOCK: Final = 1 << 11
"""Of one expiry, and of the futures, of an underlying."""
BLOCKS_PER_UNDERLYING: Final = _PER_UNDERLYING // NUMBERS_PER_BLOCK
_WEEKLY_SLOTS: Final = 16
_MONTH_SLOTS: Final = 96
FUTURES_BLOCK: Final = 127


@frozen
class Listing:
    """Which expiries of one cycle are listed, and with which strikes.

    Attributes:
        cycle: "weekly", "monthly", "quarterly" or "half-yearly".
        kinds: Kinds of dates in the schedule that the cycle takes.
        count: How many of the next ones.
        ladders: For the first, second, ... expiry (the last repeats): (step, reach) in rupees around the spot.
    """

    cycle: str
    kinds: tuple[str, ...]
    count: int
    ladders: tuple[tuple[tuple[float, float], ...], ...]


@frozen
class ScheduledExpiry:
    """An expiry as it is listed on a day.

    Attributes:
        day: The date.
        cycle: For the screen: "weekly", "monthly", "quarterly" or "half-yearly".
        is_weekly: Whether the contract is a weekly one (its trading symbol is written with the day).
        ladders: (step, reach) in rupees around the spot.
    """

    day: date
    cycle: str
    is_weekly: bool
    ladders: tuple[tuple[float, float], ...]

    def strikes(self, spot: float) -> NDArray[np.float64]:
        """Return the strikes listed around a spot, ascending, in rupees."""
        runs = [
            np.arange(-(-(spot - reach) // step), (spot + reach) // step + 1) * step for step, reach in self.ladders
        ]
        strikes = distinct(np.concatenate(runs))
        return strikes[strikes > 0]


@frozen
class Schedule:
    """Dated expiries of one exchange.

    Attributes:
        dates: Kind -> dates, ascending.
        roll: Kind -> days from one expiry to the next, in turn, where the dates have run out.
    """

    dates: Mapping[str, tuple[date, ...]]
    roll: Mapping[str, tuple[int, ...]]

    def after(self, kind: str, day: date) -> Iterator[date]:
        """Yield the dates of a kind from ``day`` on, without end."""
        known = self.dates[kind]
        yield from (expiry for expiry in known if expiry >= day)
        others = {expiry for other, dates in self.dates.items() if other != kind for expiry in dates}
        expiry, turn, offsets = known[-1], 0, self.roll[kind]
        while True:
            expiry += timedelta(days=offsets[turn % len(offsets)])
            turn += 1
            if expiry >= day and not any(abs(expiry - other) <= _NEIGHBOUR for other in others):
                yield expiry


@frozen
class Underlying:
    """One index with options.

    Attributes:
        name: As in the dump's ``name`` column.
        title: For the screen.
        index_token: Token of the index.
        index_token_known: Whether that is the broker's number; otherwise it only serves the mock.
        index_symbol: Trading symbol of the index.
        index_exchange: NSE or BSE.
        exchange: NFO or BFO.
        lot_size: Units per lot.
        tick_size: Of the options, rupees.
        future_tick_size: Of the futures, rupees.
        strike_step: Step of the strikes near the money, rupees.
        freeze_quantity: Most units in one order, None where the exchange's number is not known.
        spot: Typical level.
        volatility: Of the at-the-money option, per year.
        skew: rho of the SSVI surface, negative: puts dearer.
        smile: eta of the SSVI surface.
        carry: Growth of the forward over the spot, per year.
        beta: How far it moves with the market.
        activity: Trade in its options as a part of the NIFTY's.
        schedule: Its dated expiries.
        listings: What is listed.
        number: Position in the file, from 0.
    """

    name: str
    title: str
    index_token: int
    index_token_known: bool
    index_symbol: str
    index_exchange: str
    exchange: str
    lot_size: int
    tick_size: float
    future_tick_size: float
    strike_step: float
    freeze_quantity: int | None
    spot: float
    volatility: float
    skew: float
    smile: float
    carry: float
    beta: float
    activity: float
    schedule: Schedule
    listings: tuple[Listing, ...]
    number: int

    @property
    def segment(self) -> str:
        """The broker's segment of its options."""
        return f"{self.exchange}-OPT"

    @property
    def quote_key(self) -> str:
        """``EXCHANGE:TRADINGSYMBOL`` of the index, the key of the broker's quote calls."""
        return f"{self.index_exchange}:{self.index_symbol}"

    def expiries(self, as_of: date) -> tuple[ScheduledExpiry, ...]:
        """Return what is listed on a day, nearest first; an expiry of that day included."""
        taken: dict[date, ScheduledExpiry] = {}
        for listing in self.listings:
            streams = [self.schedule.after(kind, as_of) for kind in listing.kinds]
            for rank, (day, kind) in enumerate(_first(streams, listing.kinds, listing.count, set(taken))):
                ladders = listing.ladders[min(rank, len(listing.ladders) - 1)]
                taken[day] = ScheduledExpiry(day, listing.cycle, kind == "weekly", ladders)
        return tuple(taken[day] for day in sorted(taken))

    def future_expiries(self, as_of: date) -> tuple[date, ...]:
        """Return the dates of the three futures of a day."""
        kinds = tuple(kind for kind in self.schedule.dates if kind != "weekly")
        streams = [self.schedule.after(kind, as_of) for kind in kinds]
        return tuple(day for day, _ in _first(streams, kinds, 3, set()))

    def cycle(self, expiry: date, as_of: date) -> str:
        """Return the cycle under which an expiry is listed on a day, empty where it is not."""
        return next((listed.cycle for listed in self.expiries(as_of) if listed.day == expiry), "")

    @property
    def index(self) -> Instrument:
        """The index itself."""
        return _index_instrument(self.index_token, self.index_symbol, self.index_symbol, self.index_exchange)

    def option(self, listed: ScheduledExpiry, strike: float, kind: InstrumentKind) -> Instrument:
        """Return one option as the bundled universe lists it, for instance one that is new during the day."""
        number = int(self.option_numbers(listed, np.array([strike]), np.array([kind], dtype=np.int8))[0])
        return Instrument(
            token=number << 8 | SEGMENT_CODES[self.exchange],
            tradingsymbol=f"{self.name}{_expiry_text(listed)}{strike:g}{kind.label}",
            name=self.name,
            kind=kind,
            segment=self.segment,
            exchange=self.exchange,
            expiry=listed.day,
            strike=strike,
            tick_size=self.tick_size,
            lot_size=self.lot_size,
            exchange_token=number,
        )

    def future(self, expiry: date) -> Instrument:
        """Return the future of an expiry."""
        months = expiry.year * 12 + expiry.month
        number = (
            MADE_UP_FROM
            + self.number * _PER_UNDERLYING
            + FUTURES_BLOCK * NUMBERS_PER_BLOCK
            + months % NUMBERS_PER_BLOCK
        )
        return Instrument(
            token=number << 8 | SEGMENT_CODES[self.exchange],
            tradingsymbol=f"{self.name}{expiry:%y%b}FUT".upper(),
            name=self.name,
            kind=InstrumentKind.FUTURE,
            segment=f"{self.exchange}-FUT",
            exchange=self.exchange,
            expiry=expiry,
            tick_size=self.future_tick_size,
            lot_size=self.lot_size,
            exchange_token=number,
        )

    def option_numbers(
        self, listed: ScheduledExpiry, strikes: NDArray[np.float64], kinds: NDArray[np.int8]
    ) -> NDArray[np.int64]:
        """Return the made-up exchange tokens of options: weeks and months turn in slots longer than any lives.

        Args:
            listed: The expiry.
            strikes: float64[n], rupees.
            kinds: int8[n], values of `InstrumentKind`.
        """
        if listed.is_weekly:
            slot = listed.day.toordinal() // 7 % _WEEKLY_SLOTS
        else:
            slot = _WEEKLY_SLOTS + (listed.day.year * 12 + listed.day.month) % _MONTH_SLOTS
        first = MADE_UP_FROM + self.number * _PER_UNDERLYING + slot * NUMBERS_PER_BLOCK
        places = np.rint(strikes / self.strike_step).astype(np.int64) % (NUMBERS_PER_BLOCK // 2)
        return np.asarray(first + places * 2 + (kinds == InstrumentKind.PUT), dtype=np.int64)


@frozen
class IndexLevel:
    """An index without options here (the volatility index).

    Attributes:
        name: For the screen.
        instrument: Its contract row.
        level: Typical level.
    """

    name: str
    instrument: Instrument
    level: float


@frozen(slots=False)
class Universe:
    """The bundled underlyings.

    Attributes:
        underlyings: In the order of the file.
        other_indices: Indices without options.
    """

    underlyings: tuple[Underlying, ...]
    other_indices: tuple[IndexLevel, ...]

    @cached_property
    def _by_name(self) -> dict[str, Underlying]:
        return {underlying.name: underlying for underlying in self.underlyings}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the underlyings."""
        return tuple(self._by_name)

    def get(self, name: str) -> Underlying | None:
        """Return an underlying, None for an unknown name."""
        return self._by_name.get(name)

    @property
    def index_tokens(self) -> dict[str, int]:
        """Name -> the broker's token of the index, of those that are known."""
        known = {row.name: row.index_token for row in self.underlyings if row.index_token_known}
        return known | {index.name: index.instrument.token for index in self.other_indices}


def load_universe() -> Universe:
    """Read the bundled universe."""
    text = files("tickertui.market").joinpath("data", "universe.toml").read_text(encoding="utf-8")
    document = tomllib.loads(text)
    schedules = {name: _schedule(table) for name, table in document["schedule"].items()}
    return Universe(
        underlyings=tuple(_underlying(table, number, schedules) for number, table in enumerate(document["underlying"])),
        other_indices=tuple(
            IndexLevel(
                table["name"],
                _index_instrument(
                    table["index_token"], table["index_symbol"], table["index_symbol"], table["index_exchange"]
                ),
                float(table["level"]),
            )
            for table in document["index"]
        ),
    )


def universe_instruments(universe: Universe, as_of: date, spots: Mapping[str, float] | None = None) -> InstrumentTable:
    """Return the contracts of a day: indices, futures, options by underlying, expiry, strike and side.

    Args:
        universe: The bundled universe.
        as_of: The day; what expires on it is still listed.
        spots: Underlying -> level that the strikes are centred on; the typical level where there is none.
    """
    rows = [index.instrument for index in universe.other_indices]
    rows += [underlying.index for underlying in universe.underlyings]
    rows += [row.future(expiry) for row in universe.underlyings for expiry in row.future_expiries(as_of)]
    columns = _Columns(rows)
    for underlying in universe.underlyings:
        spot = (spots or {}).get(underlying.name, underlying.spot)
        for listed in underlying.expiries(as_of):
            columns.add_chain(underlying, listed, listed.strikes(spot))
    return columns.table()


class _Columns:
    """Collects contracts as columns: 9,500 of them in about 10 ms, where single `Instrument`s take 110."""

    def __init__(self, rows: list[Instrument]) -> None:
        first = InstrumentTable.from_instruments(rows)
        self._exchange_tokens = [first.exchange_tokens]
        self._codes = [(first.tokens & 0xFF).astype(np.int64)]
        self._kinds = [first.kinds]
        self._strikes = [first.strikes]
        self._expiries = [first.expiries]
        self._tick_sizes = [first.tick_sizes]
        self._lot_sizes = [first.lot_sizes]
        self._symbols = list(first.symbols)
        self._names = list(first.names)
        self._segments = list(first.segments)
        self._exchanges = list(first.exchanges)

    def add_chain(self, underlying: Underlying, listed: ScheduledExpiry, strikes: NDArray[np.float64]) -> None:
        """Add call and put of every strike."""
        count = 2 * len(strikes)
        kinds = np.tile(np.array([InstrumentKind.CALL, InstrumentKind.PUT], dtype=np.int8), len(strikes))
        both = np.repeat(strikes, 2)
        self._exchange_tokens.append(underlying.option_numbers(listed, both, kinds))
        self._codes.append(np.full(count, SEGMENT_CODES[underlying.exchange]))
        self._kinds.append(kinds)
        self._strikes.append(both)
        self._expiries.append(np.full(count, listed.day.toordinal(), dtype=np.int32))
        self._tick_sizes.append(np.full(count, underlying.tick_size))
        self._lot_sizes.append(np.full(count, underlying.lot_size, dtype=np.int32))
        prefix = f"{underlying.name}{_expiry_text(listed)}"
        call, put = InstrumentKind.CALL.label, InstrumentKind.PUT.label
        for strike in strikes.tolist():
            self._symbols += (f"{prefix}{strike:g}{call}", f"{prefix}{strike:g}{put}")
        self._names += [underlying.name] * count
        self._segments += [underlying.segment] * count
        self._exchanges += [underlying.exchange] * count

    def table(self) -> InstrumentTable:
        """Return what was collected."""
        exchange_tokens = np.concatenate(self._exchange_tokens)
        return InstrumentTable(
            tokens=(exchange_tokens << 8 | np.concatenate(self._codes)).astype(np.uint32),
            exchange_tokens=exchange_tokens,
            kinds=np.concatenate(self._kinds),
            strikes=np.concatenate(self._strikes),
            expiries=np.concatenate(self._expiries),
            tick_sizes=np.concatenate(self._tick_sizes),
            lot_sizes=np.concatenate(self._lot_sizes),
            symbols=self._symbols,
            names=self._names,
            segments=self._segments,
            exchanges=self._exchanges,
        )


def _first(
    streams: list[Iterator[date]], kinds: tuple[str, ...], count: int, taken: set[date]
) -> list[tuple[date, str]]:
    """Merge endless ascending streams and return the first dates that are not taken, with their kinds."""
    heads = [next(stream) for stream in streams]
    found: list[tuple[date, str]] = []
    while len(found) < count:
        place = heads.index(min(heads))
        if heads[place] not in taken:
            found.append((heads[place], kinds[place]))
        heads[place] = next(streams[place])
    return found


def _expiry_text(listed: ScheduledExpiry) -> str:
    """The expiry in the broker's symbols: ``26D08`` of a weekly, ``26DEC`` of all others."""
    day = listed.day
    if listed.is_weekly:
        return f"{day:%y}{_MONTH_CODES[day.month - 1]}{day:%d}"
    return f"{day:%y%b}".upper()


def _index_instrument(token: int, symbol: str, name: str, exchange: str) -> Instrument:
    if token & 0xFF != INDEX_SEGMENT_CODE:
        raise ValueError(f"universe.toml: {symbol}: {token} is not an index token (its low byte must be 9)")
    return Instrument(
        token=token,
        tradingsymbol=symbol,
        name=name,
        kind=InstrumentKind.INDEX,
        segment="INDICES",
        exchange=exchange,
        tick_size=0.0,
        lot_size=0,
        exchange_token=token >> 8,
    )


def _schedule(table: Mapping[str, Any]) -> Schedule:
    roll = {kind: tuple(days) for kind, days in table["roll"].items()}
    return Schedule(dates={kind: tuple(table[kind]) for kind in roll}, roll=roll)


def _underlying(table: Mapping[str, Any], number: int, schedules: Mapping[str, Schedule]) -> Underlying:
    listings = tuple(
        Listing(
            cycle=item["cycle"],
            kinds=tuple(item["of"]),
            count=item["count"],
            ladders=tuple(tuple((float(step), float(reach)) for step, reach in ladder) for ladder in item["ladders"]),
        )
        for item in table["listing"]
    )
    plain = {key: value for key, value in table.items() if key not in ("listing", "schedule", "index_token_known")}
    return Underlying(
        **{"freeze_quantity": None, **plain},
        index_token_known=table.get("index_token_known", True),
        schedule=schedules[table["schedule"]],
        listings=listings,
        number=number,
    )
