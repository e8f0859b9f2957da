"""`MockMarket`: a synthetic market of whole option chains, deterministic from (seed, clock).

`MockDataGenerator` streams it where there is no live feed, the simulator serves it over the broker's protocol. One
path per underlying (`paths`) drives its index, its futures and all its options (`pricing`); every price is
a function of seed, contract and instant, so that candles of the past and the ticks of this second fit together.

Rows carry `Source.MOCK` from here on, for life.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market.arrays import distinct
from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import from_epoch
from tickertui.market.hours import MarketCalendar, market_time
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.market.ticks import Source, TickBatch
from tickertui.market.universe import Universe, universe_instruments
from tickertui.synthetic.book import joined_tables
from tickertui.synthetic.levels import MarketLevels
from tickertui.synthetic.paths import Floats, Regime, midnight_before
from tickertui.synthetic.quotes import MockQuotes, OptionState
from tickertui.synthetic.script import MarketAction, MarketScript, MockEvent

_COARSE_SPAN: Final = 62 * 86_400.0
_COARSE_PERIOD: Final = 60.0
"""Candles over more than two months look at prices once a minute."""


class MockMarket:
    """A market of any number of contracts.

    Contracts become rows when they are asked for (`ensure`); only rows cost time. A contract whose underlying has no
    level is never quoted: no price is better than an invented one.

    Args:
        universe: Levels and behaviour of the known underlyings.
        calendar: Sessions, expiry instants and closing auctions.
        start: The instant at which every underlying stands at its level (aware).
        seed: Same seed, same market.
        regime: How it behaves, from the beginning.
        sessions: True: it moves in the calendar's sessions only. False: at every hour (the demo).
        instruments: Contracts; None for those that the universe lists on the day of ``start``.
        levels: Last known levels by underlying name; they win over the universe's.
        script: What is to happen at which time of each day.
    """

    def __init__(
        self,
        universe: Universe,
        calendar: MarketCalendar,
        *,
        start: datetime,
        seed: int = 7,
        regime: Regime = Regime.CALM,
        sessions: bool = False,
        instruments: InstrumentTable | None = None,
        levels: Mapping[str, float] | None = None,
        script: MarketScript | None = None,
    ) -> None:
        start = market_time(start)
        self.universe = universe
        self.seed = seed
        self._instruments = instruments
        self._first_day = start.date()
        self._levels = MarketLevels(
            universe, calendar, seed=seed, regime=regime, sessions=sessions, start=start.timestamp()
        )
        self._time = self._levels.time
        self._quotes = MockQuotes(self._levels, calendar, exact_extremes=sessions)
        self._sessions = sessions
        self._script = script if script is not None else MarketScript()
        self._events: list[MockEvent] = []
        self._now = start.timestamp()
        self._session = self._time.session(self._now)
        self._script.begin(start)
        for name, level in (levels or {}).items():
            self._levels.seed_level(name, level, self._now)

    @property
    def instruments(self) -> InstrumentTable:
        """The contracts that it knows, new strikes of the day included."""
        if self._instruments is None:
            # Not before somebody asks: a feed hands its own over first, and listing these takes 10 ms.
            self._instruments = universe_instruments(self.universe, self._first_day)
        return self._instruments

    @instruments.setter
    def instruments(self, table: InstrumentTable) -> None:
        self._instruments = table

    # ------------------------------------------------------------------ levels

    @property
    def now(self) -> datetime:
        """Instant of the last step."""
        return from_epoch(self._now)

    @property
    def session_start(self) -> datetime:
        """Start of the session that runs, else of the last one."""
        return from_epoch(self._session[0])

    def previous_close(self, name: str) -> float:
        """Return the level of an underlying at the close before this session, NaN where it has none."""
        number = self._levels.number(name)
        if number is None:
            return float("nan")
        close = self._time.session(self._session[0] - 1.0)[1] - 1.0
        return round(float(self._levels.shown(number, np.array([close]))[0]), 2)

    @property
    def regime(self) -> Regime:
        """How the market behaves now."""
        return self._levels.timeline.regime

    def seed_level(
        self, name: str, level: float, at: datetime | None = None, *, volatility: float | None = None
    ) -> None:
        """Let an underlying stand at a level at an instant.

        Args:
            name: Underlying as in the dump, or an index without options.
            level: Rupees.
            at: Aware; now where there is none.
            volatility: Yearly at-the-money volatility, where it is known.

        Raises:
            ValueError: When the level or volatility is not a positive number.
        """
        instant = self._now if at is None else market_time(at).timestamp()
        number = self._levels.seed_level(name, level, instant, volatility)
        self._quotes.begin(self._quotes.of_underlying(number), self._session, self._now)

    def spot(self, name: str) -> float | None:
        """Return the level that an underlying's index shows now, None where it has none."""
        number = self._levels.number(name)
        return None if number is None else round(float(self._levels.shown(number, np.array([self._now]))[0]), 2)

    def levels_between(self, name: str, start: datetime, end: datetime) -> Floats:
        """Return an underlying's levels each second from ``start`` to ``end`` (empty where it has none), rupees."""
        number = self._levels.number(name)
        if number is None:
            return np.empty(0)
        first, last = market_time(start).timestamp(), market_time(end).timestamp()
        return np.round(self._levels.shown(number, np.append(np.arange(first, last), last)), 2)

    # ------------------------------------------------------------------ rows

    def __contains__(self, token: int) -> bool:
        return token in self._quotes

    def __len__(self) -> int:
        return len(self._quotes)

    def ensure(self, tokens: Iterable[int]) -> list[int]:
        """Make contracts rows, so that steps take them along.

        Returns:
            Tokens that cannot be quoted: unknown, expired, or of an underlying without a level. Where the market has
            hours a contract is there until the day of its expiry ends, as the broker's are.
        """
        return self._quotes.ensure(self.instruments, tokens, self._session, self._now, self._living)

    @property
    def _living(self) -> float:
        """The instant after which the contracts that there are expire."""
        return midnight_before(self._now) if self._sessions else self._now

    def release(self, tokens: Iterable[int]) -> None:
        """Drop rows; unknown tokens are passed over."""
        self._quotes.release(tokens)

    def release_expired(self, at: datetime) -> list[int]:
        """Drop the rows of contracts that have expired by an instant and return their tokens."""
        return self._quotes.release_expired(market_time(at).timestamp())

    def rows(self, tokens: Iterable[int]) -> NDArray[np.uint32]:
        """Return uint32[k, 46] of contracts as of the last step, those that cannot be quoted left out."""
        wanted = list(tokens)
        self.ensure(wanted)
        places = [row for token in wanted if (row := self._quotes.row(token)) is not None]
        return self._quotes.words(np.array(places, dtype=np.intp))

    def underlying_of(self, instrument: Instrument) -> str:
        """Return the name of the underlying whose path a contract follows."""
        return self._quotes.name_of(instrument)

    def names_of(self, tokens: Iterable[int]) -> set[str]:
        """Return the names of the underlyings of those of these contracts that are rows."""
        return self._quotes.names_of(tokens)

    def option_state(self, token: int) -> OptionState | None:
        """Return what the model knows of an option at its last look, None for what is not a live option's row."""
        row = self._quotes.row(token)
        return None if row is None else self._quotes.option_state(row)

    def calibrate(self, name: str, expiry: date, volatility: float) -> None:
        """Let the at-the-money option of an expiry have a volatility now.

        Raises:
            ValueError: When the volatility is not a positive number.
        """
        if not 0.0 < volatility < 10.0:
            raise ValueError(f"{name} {expiry}: a volatility is a positive number, not {volatility}")
        self._quotes.calibrate(name, expiry.toordinal(), volatility, self._session, self._now)

    def seed_open_interest(self, units: Mapping[int, int]) -> None:
        """Let rows have an open interest now, units by token; tokens that are no rows are passed over."""
        self._quotes.seed_open_interest(units, self._session, self._now)

    def previous_oi(self, tokens: Iterable[int]) -> dict[int, int]:
        """Return the open interest at the previous close, units, of the rows among these tokens."""
        return self._quotes.previous_oi(tokens, self._session[0])

    # ------------------------------------------------------------------ one step

    def step(self, now: datetime) -> TickBatch:
        """Move to an instant and return the rows that changed (each row once after it was begun, also while shut).

        Args:
            now: Aware. An instant before the last one begins all rows anew.
        """
        self.advance(now)
        return TickBatch.from_rows(self.take_changed(), Source.MOCK)

    def advance(self, now: datetime) -> None:
        """Move to an instant; what changed waits for `take_changed`."""
        at = market_time(now).timestamp()
        back = at < self._now
        due = self._script.due(market_time(now))
        for instant, action in () if back else due:
            self._now = max(self._now, instant.timestamp())
            action(self)
        before, self._now = self._now, at
        session = self._time.session(at)
        if back or session != self._session:
            self._session = session
            self._quotes.begin(self._quotes.everything(), session, at)
        if self._time.moves(at):
            self._quotes.update(session, at)
        elif before < session[1] <= at:
            self._quotes.update(session, float(np.nextafter(session[1], session[0])))

    def take_changed(self) -> NDArray[np.uint32]:
        """Return uint32[k, 46] of the rows that changed since the last call."""
        return self._quotes.take_changed()

    def show_all(self) -> None:
        """Let the next `take_changed` return every row (the board was emptied)."""
        self._quotes.show_all()

    # ------------------------------------------------------------------ history

    def candles(self, token: int, start: datetime, end: datetime, interval: Interval) -> Candles:
        """Return the candles of a contract that begin between two instants, both included, up to the last step.

        They are made of the same prices that the steps showed or would have shown, with open interest; the last one
        is as far as the last step. A contract that cannot be quoted has none.
        """
        self.ensure([token])
        row = self._quotes.row(token)
        if row is None:
            return Candles.empty()
        first, last = market_time(start).timestamp(), market_time(end).timestamp()
        parts = [
            part
            for opened, closed in self._time.within(first, min(last, self._now) + 1.0)
            if (part := self._session_candles(row, (opened, closed), interval, (first, last))) is not None
        ]
        if not parts:
            return Candles.empty()
        candles = np.concatenate(parts)
        return Candles.from_rows(candles[(candles[:, 0] >= first) & (candles[:, 0] <= last)])

    def _session_candles(
        self, row: int, session: tuple[float, float], interval: Interval, wanted: tuple[float, float]
    ) -> NDArray[np.int64] | None:
        """int64[n, 7] of what is wanted of one session, see `Candles.from_rows`; None where it has no candles."""
        opened, closed = session
        day, begun = interval is Interval.DAY, opened
        coarse = wanted[1] - wanted[0] > _COARSE_SPAN
        if not day and not coarse:
            # Whole candles, no more than are asked for: a look at each second of a day takes 60 ms.
            begun = opened + max(0.0, (wanted[0] - opened) // interval.seconds * interval.seconds)
            closed = min(closed, wanted[1] + interval.seconds)
        pulses = self._candle_pulses(row, opened, closed, coarse=coarse)
        # One look before the first candle tells what had been traded by then; none is before the session's first.
        before = int(np.searchsorted(pulses, begun)) if begun > opened else 0
        pulses = pulses[max(0, before - 1) :]
        count = len(pulses) - bool(before)
        if count < 1:
            return None
        wire, volume, oi = self._quotes.history(row, pulses, opened)
        traded = int(volume[0]) if before else 0
        pulses, wire, volume, oi = pulses[-count:], wire[-count:], volume[-count:], oi[-count:]
        midnight = midnight_before(opened)
        number = np.zeros(count, dtype=np.int64) if day else ((pulses - opened) // interval.seconds).astype(np.int64)
        starts = np.flatnonzero(np.diff(number, prepend=-1))
        ends = np.append(starts[1:], count) - 1
        begin = np.full(1, midnight) if day else opened + number[starts] * interval.seconds
        return np.column_stack(
            (
                begin.astype(np.int64),
                wire[starts],
                np.maximum.reduceat(wire, starts),
                np.minimum.reduceat(wire, starts),
                wire[ends],
                np.diff(volume[ends], prepend=traded),
                oi[ends],
            )
        )

    def _candle_pulses(self, row: int, opened: float, closed: float, *, coarse: bool) -> Floats:
        """The instants of a session at which a row's price was looked at; coarse: one a minute, and the last."""
        own = self._quotes.period(row)
        period = max(own, _COARSE_PERIOD) if coarse else own
        stop = min(closed, self._quotes.expiry(row), np.nextafter(self._now, np.inf))
        if self._quotes.is_index(row):
            # An index says nothing from the beginning of the closing auction on, and so it has no candles.
            stop = min(stop, self._levels.silent_from(opened))
        if opened >= stop:
            return np.empty(0)
        pulses = np.arange(np.ceil(opened / period) * period, stop, period)
        last = (np.ceil(stop / own) - 1.0) * own
        return distinct(np.concatenate(([opened], pulses, [max(last, opened)])))

    # ------------------------------------------------------------------ what is done to the market

    def schedule(self, at: datetime, action: MarketAction) -> None:
        """Let something happen at an instant; it happens in the step that reaches it."""
        self._script.add(at, action)

    def set_regime(self, regime: Regime, at: datetime | None = None) -> None:
        """Let the market behave differently from an instant on (now, where there is none).

        Raises:
            ValueError: When the instant is before the last change of regime.
        """
        instant = self._now if at is None else market_time(at).timestamp()
        self._levels.timeline.change(instant, self._levels.tau(instant), regime)
        self._events.append(MockEvent(f"mock market: {regime.value}"))

    def jump(self, percent: float, name: str | None = None) -> None:
        """Let an underlying (None: the whole market) gap by so many per cent now.

        Raises:
            ValueError: When it would leave no positive level.
        """
        if not percent > -100.0:
            raise ValueError(f"a market cannot fall by {-percent} %")
        tau = float(np.nextafter(self._levels.tau(self._now), np.inf))
        self._levels.timeline.jump(tau, name, float(np.log1p(percent / 100.0)))
        self._events.append(MockEvent(f"mock market: {name or 'everything'} gaps by {percent:+g} %"))

    def list_strike(
        self, name: str = "NIFTY", expiry: date | None = None, strike: float | None = None
    ) -> tuple[Instrument, ...]:
        """List a new strike, call and put, while the market runs; they are in `instruments` at once.

        Args:
            name: An underlying of the universe.
            expiry: The nearest one where there is none.
            strike: Rupees; the next one above the chain where there is none.

        Returns:
            The new contracts; empty where the strike is listed already.

        Raises:
            ValueError: When the universe does not know the underlying or the expiry.
        """
        underlying = self.universe.get(name)
        today = from_epoch(self._now).date()
        listed = [] if underlying is None else [e for e in underlying.expiries(today) if expiry in (None, e.day)]
        if underlying is None or not listed:
            raise ValueError(f"the bundled universe does not list {name} {expiry or ''}".rstrip())
        chain = self.instruments.chain(name, listed[0].day)
        if strike is None:
            strike = underlying.spot if chain is None else float(chain.strikes[-1]) + underlying.strike_step
        if chain is not None and strike in chain.strikes:
            return ()
        sides = (InstrumentKind.CALL, InstrumentKind.PUT)
        fresh = tuple(underlying.option(listed[0], strike, side) for side in sides)
        self.instruments = joined_tables(self.instruments, InstrumentTable.from_instruments(fresh))
        self._events.append(MockEvent(f"mock market: {name} lists {strike:g} of {listed[0].day:%d %b}", fresh))
        return fresh

    def drain_events(self) -> tuple[MockEvent, ...]:
        """Return what happened since the last call: new strikes, changed regimes, jumps."""
        events = tuple(self._events)
        self._events.clear()
        return events
