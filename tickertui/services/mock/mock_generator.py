"""`MockDataGenerator`: streams the mock market where there is no live feed, and knows where its prices come from.

The ticker loop hands it the plan, calls `MockDataGenerator.step` about once a second and applies the batch to the
board; everything it makes carries `Source.MOCK`. Levels are seeded from the best that is there: prices that were
recorded or stored, else the broker's quotes in one bulk call, else the bundled universe, so that a first run without
account or network shows a moving chain at once. An underlying without any level is not mocked; it is listed in
`MockDataGenerator.unseeded`.

Nothing waits for the network while others could use the market: quotes are fetched first (one call for all who ask
at the same time) and taken in afterwards in one go.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import anyio
import numpy as np
from anyio.lowlevel import checkpoint

from tickertui.frozen import frozen
from tickertui.market.board import Derived, MarketBoard
from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import Clock
from tickertui.market.greeks import GreeksCalculator
from tickertui.market.hours import CalendarError, MarketCalendar
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.market.snapshots import OptionSnapshot, UnderlyingBar, option_snapshot
from tickertui.market.ticks import ABSENT, Source, TickBatch
from tickertui.market.underlying_names import listed_name
from tickertui.market.universe import Universe
from tickertui.services.mock.seeding import MockSeed, MockSeeder, QuoteSource, SeedOrigin
from tickertui.synthetic.market import MockMarket
from tickertui.synthetic.paths import Regime
from tickertui.synthetic.script import MarketScript, MockEvent

_CHUNK: Final = 1500
"""Contracts begun without letting the event loop run: about 8 ms."""
_DERIVATIVES: Final = "NFO"
"""Segment whose close ends a session; the index's last print comes some minutes before it."""
_LONGEST_BAR: Final = timedelta(hours=1)
_CANDLES_AT_ONCE: Final = timedelta(hours=1)
_MOMENT: Final = timedelta(microseconds=1)


@frozen
class MockRefusal:
    """A planned contract that is not mocked.

    Attributes:
        token: Which.
        reason: One sentence.
    """

    token: int
    reason: str


class MockDataGenerator:
    """The mock feed.

    Args:
        clock: Time of the feed.
        calendar: Sessions, expiry instants, closing auctions.
        universe: The bundled underlyings.
        instruments: The day's contracts; None for those that the universe lists.
        seed: Same seed and clock, same market.
        regime: How the market behaves.
        max_size: Most contracts it keeps.
        greeks_calculator: For the Greeks of snapshots.
        last_underlying_price_getter: Last recorded level of an underlying, None where there is none.
        script: What happens at which time of day; None for a new strike at 11:38.
        generation: Number of the subscription plan, stamped on batches.

    Raises:
        ValueError: When ``max_size`` is not positive.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        calendar: MarketCalendar,
        universe: Universe,
        instruments: InstrumentTable | None = None,
        seed: int = 7,
        regime: Regime = Regime.CALM,
        max_size: int = 30_000,
        greeks_calculator: GreeksCalculator | None = None,
        last_underlying_price_getter: Callable[[str], float | None] | None = None,
        script: MarketScript | None = None,
        generation: int = 0,
    ) -> None:
        if max_size < 1:
            raise ValueError(f"max_size is the number of contracts to keep, at least 1, not {max_size}")
        self.generation = generation
        self.max_size = max_size
        self.universe = universe
        self._clock = clock
        self._calendar = calendar
        self._given = instruments
        self._seed_number = seed
        self._regime = regime
        self._script = script
        self._greeks = greeks_calculator if greeks_calculator is not None else GreeksCalculator()
        self._last_price = last_underlying_price_getter
        self._begin()

    def _begin(self) -> None:
        """Start over with a fresh market."""
        self._market = self._new_market()
        self._recent: OrderedDict[int, None] = OrderedDict()
        self._plan: frozenset[int] = frozenset()
        self._refused: tuple[MockRefusal, ...] = ()
        self._seeder = MockSeeder(self._market, self._last_price, self._greeks)
        self._seeded_options: set[int] = set()
        self._bars: dict[str, datetime] = {}
        self._last_close: datetime | None = None

    def _new_market(self) -> MockMarket:
        return MockMarket(
            self.universe,
            self._calendar,
            start=self._clock.now(),
            seed=self._seed_number,
            regime=self._regime,
            instruments=self._given,
            script=self._script if self._script is not None else MarketScript.with_new_strikes(),
        )

    # ------------------------------------------------------------------ what it is about

    @property
    def market(self) -> MockMarket:
        """The market behind the feed; a new one after `reset_state`."""
        return self._market

    @property
    def instruments(self) -> InstrumentTable:
        """The contracts it knows, new strikes of the day included."""
        return self._market.instruments

    def use_instruments(self, table: InstrumentTable) -> None:
        """Take over the day's contracts from the registry."""
        self._given = table
        self._market.instruments = table

    @property
    def planned(self) -> frozenset[int]:
        """Tokens of the plan that are mocked; never evicted."""
        return self._plan

    @property
    def refused(self) -> tuple[MockRefusal, ...]:
        """Planned contracts that are not mocked, with the reason."""
        return self._refused

    @property
    def unseeded(self) -> frozenset[str]:
        """Underlyings that were asked for and have no level."""
        return frozenset(self._seeder.unseeded)

    def seed_of(self, name: str) -> MockSeed | None:
        """Return where an underlying's level comes from, in full; None while it has none.

        A price is a session's close when no other of that session can follow it: the market is shut.
        """
        if name not in self._seeder.origins:
            name = listed_name(name)  # chains of several exchanges and series on one underlying follow one level
        origin = self._seeder.origins.get(name)
        if origin is None:
            return None
        price_time, close = self._seeder.times.get(name), self._last_close
        is_close = price_time is not None and close is not None and price_time.date() == close.date()
        return MockSeed(origin, close if is_close else price_time, is_close, self._seed_number)

    def get_state_size(self) -> int:
        """Return how many contracts it keeps."""
        return len(self._market)

    # ------------------------------------------------------------------ the feed

    async def set_plan(self, tokens: Iterable[int], *, generation: int | None = None) -> tuple[MockRefusal, ...]:
        """Take over the plan: what is planned is streamed, whole, in the next step.

        Args:
            tokens: Planned contracts.
            generation: Number of the plan.

        Returns:
            What cannot be mocked: unknown, expired, without a level, or beyond ``max_size``.
        """
        wanted = list(dict.fromkeys(tokens))
        fits, beyond = wanted[: self.max_size], wanted[self.max_size :]
        self._plan = frozenset(fits)
        self._make_room(len([token for token in fits if token not in self._market]))
        refused = [MockRefusal(token, self._full) for token in beyond]
        for start in range(0, len(fits), _CHUNK):
            refused += self._keep(fits[start : start + _CHUNK])
            await checkpoint()
        if generation is not None:
            self.generation = generation
        self._plan -= {refusal.token for refusal in refused}
        self._refused = tuple(refused)
        self._market.show_all()
        return self._refused

    def step(self) -> TickBatch:
        """Move the market to the clock's instant and return the planned rows that changed."""
        self._market.advance(self._clock.now())
        words = self._market.take_changed()
        if len(self._market) > len(self._plan):
            words = words[np.isin(words[:, 0], np.fromiter(self._plan, dtype=np.uint32, count=len(self._plan)))]
        return self._batch(words)

    async def run(self, apply: Callable[[TickBatch], object], interval: float = 1.0) -> None:
        """Step for ever, each ``interval`` seconds, and hand every batch that is not empty to ``apply``."""
        while True:
            batch = self.step()
            if len(batch):
                apply(batch)
            await anyio.sleep(interval)

    def _batch(self, words: np.ndarray[tuple[int, ...], np.dtype[np.uint32]]) -> TickBatch:
        return TickBatch.from_rows(
            words,
            Source.MOCK,
            received_ns=self._clock.monotonic_ns(),
            received_wall_ns=self._clock.time_ns(),
            generation=self.generation,
        )

    def spot(self, name: str) -> float | None:
        """Return the level of an underlying's index as of the last step, None where it has none."""
        return self._market.spot(name)

    def previous_oi(self) -> dict[int, int]:
        """Return the open interest at the previous close of the planned contracts, units by token."""
        return self._market.previous_oi(self._plan)

    @property
    def regime(self) -> Regime:
        """How the market behaves."""
        return self._market.regime

    def set_regime(self, regime: Regime) -> None:
        """Let the market behave differently from now on, also after a reset."""
        self._regime = regime
        self._market.advance(self._clock.now())
        self._market.set_regime(regime)

    def drain_events(self) -> tuple[MockEvent, ...]:
        """Return what happened in the market since the last call: new strikes, changed regimes, gaps."""
        return self._market.drain_events()

    # ------------------------------------------------------------------ keeping and forgetting

    def _keep(self, tokens: Sequence[int]) -> list[MockRefusal]:
        """Make contracts rows and the most recently used ones; say which cannot be."""
        refused = {token: self._reason(token) for token in self._market.ensure(tokens)}
        for token in tokens:
            if token not in refused:
                self._recent[token] = None
                self._recent.move_to_end(token)
        for name in self._market.names_of(token for token in tokens if token not in refused):
            self._seeder.note_typical(name)
        return [MockRefusal(token, reason) for token, reason in refused.items()]

    def _reason(self, token: int) -> str:
        instrument = self._market.instruments.get(token)
        if instrument is None:
            return "not among the day's contracts"
        name = self._market.underlying_of(instrument)
        if self._market.spot(name) is None:
            self._seeder.unseeded.add(name)
            return f"no level of {name} is known: neither a recorded price nor a quote nor a typical one"
        return "expired"

    def _make_room(self, count: int) -> bool:
        """Evict the least recently used contracts that are not planned until ``count`` more fit."""
        excess = len(self._market) + count - self.max_size
        if excess > 0:
            gone = [token for token in self._recent if token not in self._plan][:excess]
            self._forget(gone)
            excess -= len(gone)
        return excess <= 0

    def _forget(self, tokens: Iterable[int]) -> None:
        dropped = list(tokens)
        self._market.release(dropped)
        for token in dropped:
            self._recent.pop(token, None)
            self._seeded_options.discard(token)

    async def cleanup_expired(self) -> int:
        """Drop the contracts that have expired by now and return how many."""
        await checkpoint()
        return self._drop_expired()

    def _drop_expired(self) -> int:
        gone = self._market.release_expired(self._clock.now())
        for token in gone:
            self._recent.pop(token, None)
            self._seeded_options.discard(token)
        self._plan -= set(gone)
        return len(gone)

    async def reset_state(self) -> None:
        """Forget everything, as when the market opens: the next mock starts from newly seeded levels."""
        await checkpoint()
        self._begin()

    # ------------------------------------------------------------------ seeds

    def seed_prices(self, levels: Mapping[str, float], times: Mapping[str, datetime] = MappingProxyType({})) -> None:
        """Let underlyings stand at recorded or stored levels now; a level that is no positive number is passed over.

        Args:
            levels: Rupees by underlying.
            times: When these were the market's prices, as far as that is known.
        """
        now = self._clock.now()
        self._market.advance(now)
        self._seeder.take(levels, SeedOrigin.RECORDED, times)
        if times:
            self._last_close = None
            with suppress(CalendarError):
                if not self._calendar.is_open(_DERIVATIVES, now):
                    self._last_close = self._calendar.last_close(_DERIVATIVES, now)

    async def ensure_underlying_seeded(
        self, client: QuoteSource | None = None, names: Sequence[str] = ("NIFTY",)
    ) -> None:
        """Give underlyings a level, each once, from the best source that has one.

        Callers at the same time cause one call to the broker. When the broker fails, the typical level serves until
        the next call.

        Args:
            client: Broker quotes, None without an account.
            names: Which underlyings.
        """
        await checkpoint()
        self._market.advance(self._clock.now())
        await self._seeder.ensure(client, names)

    async def ensure_options_seeded(
        self, client: QuoteSource | None, instruments: Sequence[Instrument], last_underlying_price: float | None = None
    ) -> tuple[MockRefusal, ...]:
        """Make contracts ready: levels of their underlyings, and from the broker volatility and open interest.

        Args:
            client: Broker quotes, None without an account.
            instruments: Which contracts.
            last_underlying_price: Level of the underlying of all of them, where the caller knows it.

        Returns:
            What cannot be mocked, with the reason.
        """
        self._drop_expired()
        seeder = self._seeder
        names = list(dict.fromkeys(self._market.underlying_of(instrument) for instrument in instruments))
        if last_underlying_price is not None and len(names) == 1 and names[0] not in seeder.origins:
            self.seed_prices({names[0]: last_underlying_price})
        await self.ensure_underlying_seeded(client, names)
        missing = [instrument for instrument in instruments if instrument.token not in self._seeded_options]
        refused: list[MockRefusal] = []
        for start in range(0, len(missing), _CHUNK):
            refused += self._admit([instrument.token for instrument in missing[start : start + _CHUNK]])
            await checkpoint()
        lost = {refusal.token for refusal in refused}
        kept = [instrument for instrument in missing if instrument.token not in lost]
        if client is not None and kept:
            fetched = await seeder.fetch_once(client, kept, lambda batch: seeder.take_options(batch, kept))
            if fetched and seeder is self._seeder:
                self._seeded_options |= {row.token for row in kept if row.token in self._market}
        return tuple(refused)

    def _admit(self, tokens: Sequence[int]) -> list[MockRefusal]:
        """Keep contracts as far as there is room besides the plan."""
        for token in tokens:
            if token in self._recent:
                self._recent.move_to_end(token)
        fresh = [token for token in tokens if token not in self._market]
        room = self.max_size - len(self._plan)
        beyond = set(fresh[room:])
        self._make_room(len(fresh) - len(beyond))
        refused = [MockRefusal(token, self._full) for token in fresh[room:]]
        return refused + self._keep([token for token in tokens if token not in beyond])

    @property
    def _full(self) -> str:
        return f"the mock keeps {self.max_size} contracts at most"

    # ------------------------------------------------------------------ single views

    async def candles(self, token: int, start: datetime, end: datetime, interval: Interval) -> Candles:
        """Return a contract's synthetic candles of the running session; for the screen, never for a store.

        They are made hour by hour, so that the loop is free in between (an hour takes about 4 ms).

        Returns:
            None of a contract that is not on the plan: a look at its past is no reason to keep it.
        """
        if token not in self._plan:
            return Candles.empty()
        start, parts = max(start, self._market.session_start), [Candles.empty().to_rows()]
        while start <= end:
            stop = start + _CANDLES_AT_ONCE
            parts.append(self._market.candles(token, start, min(end, stop - _MOMENT), interval).to_rows())
            start = stop
            await checkpoint()
        return Candles.from_rows(np.concatenate(parts))

    def get_underlying_snapshot(self, name: str = "NIFTY") -> UnderlyingBar | None:
        """Return an underlying's day as of the last step, None where it has no level."""
        return self._bar(name, None)

    async def generate_underlying_bar(self, name: str = "NIFTY") -> UnderlyingBar | None:
        """Return the bar of an underlying since the last one (the first opens at the last price).

        Returns:
            Open, high, low and close of this interval alone, flagged as mock; None where the underlying has no level.
        """
        await checkpoint()
        self._market.advance(self._clock.now())
        now = self._market.now
        since = max(self._bars.get(name, now), now - _LONGEST_BAR)
        bar = self._bar(name, min(since, now))
        if bar is not None:
            self._bars[name] = now
        return bar

    def _bar(self, name: str, since: datetime | None) -> UnderlyingBar | None:
        underlying = self.universe.get(name)
        index = underlying.index if underlying is not None else self._seeder.index(name)
        if self._market.spot(name) is None or index is None:
            return None
        now = self._market.now
        start = self._market.session_start if since is None else since
        levels = self._market.levels_between(name, start, now)
        return UnderlyingBar(
            symbol=name,
            token=index.token,
            open=float(levels[0]),
            high=float(levels.max()),
            low=float(levels.min()),
            close=float(levels[-1]),
            previous_close=self._market.previous_close(name),
            volume=ABSENT,
            at=now,
            source=Source.MOCK,
        )

    async def generate_option_snapshot(self, instrument: Instrument) -> OptionSnapshot | None:
        """Return one contract as it stands now, with the Greeks of its own price; None where it cannot be mocked."""
        await checkpoint()
        self._market.advance(self._clock.now())
        if self._admit([instrument.token]):
            return None
        words = self._market.rows([instrument.token])
        board = MarketBoard(1)
        row = int(board.ensure([instrument.token])[0])
        board.apply(self._batch(words))
        board.previous_oi[row] = self._market.previous_oi([instrument.token]).get(instrument.token, ABSENT)
        self._value(board, row, instrument)
        return option_snapshot(board, instrument)

    def _value(self, board: MarketBoard, row: int, instrument: Instrument) -> None:
        """Write the Greeks at the model's own volatility."""
        state = self._market.option_state(instrument.token)
        if state is None or instrument.strike is None:
            return
        is_call = instrument.kind is InstrumentKind.CALL
        greeks = self._greeks.greeks(state.forward, instrument.strike, state.years, is_call, state.volatility)
        derived = board.derived[row]
        derived[Derived.IV], derived[Derived.FORWARD] = state.volatility, state.forward
        for column, value in (
            (Derived.DELTA, greeks.delta),
            (Derived.GAMMA, greeks.gamma),
            (Derived.THETA, greeks.theta),
            (Derived.VEGA, greeks.vega),
        ):
            derived[column] = float(value)
