"""Seeds of the mock market: where its levels, volatilities and open interest come from.

`MockSeeder` belongs to `tickertui.services.mock.mock_generator.MockDataGenerator`. Best first: recorded or stored
prices, the broker's quotes in bulk, the bundled universe. Quotes are fetched outside of everything else, one call for
all who ask for the same at the same time, and taken in afterwards in one go.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol

import anyio
import numpy as np

from tickertui.frozen import frozen
from tickertui.kite.errors import KiteError
from tickertui.market.figures import AT_LEAST
from tickertui.market.greeks import GreeksCalculator
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.market.ticks import ABSENT, TickBatch
from tickertui.synthetic.market import MockMarket

_LOG: Final = logging.getLogger(__name__)

_NEAREST: Final = 6
"""Options around the money whose volatilities seed an expiry: three strikes, both sides."""


class QuoteSource(Protocol):
    """Where broker quotes come from: `tickertui.kite.client.KiteClient`."""

    async def quote_batch(self, instruments: Sequence[Instrument]) -> TickBatch:
        """Return the quotes of contracts as rows, those without a quote left out.

        Raises:
            KiteError: When the broker does not answer.
        """
        ...


class SeedOrigin(StrEnum):
    """Where an underlying's level comes from, best first."""

    RECORDED = "recorded"
    QUOTE = "quote"
    TYPICAL = "typical"


@frozen
class MockSeed:
    """Where an underlying's level comes from, for the screen.

    Attributes:
        origin: What kind of price it was.
        at: When that price was the market's, None where nobody knows.
        is_close: Whether it was the last one of its session; ``at`` is that session's close then.
        number: Seed of the random numbers: same seed and level, same market.
    """

    origin: SeedOrigin
    at: datetime | None
    is_close: bool
    number: int


class MockSeeder:
    """Gives a market its levels.

    Args:
        market: Which.
        recorded: Last recorded level of an underlying, None where there is none.
        greeks: Takes option prices apart.
    """

    def __init__(
        self, market: MockMarket, recorded: Callable[[str], float | None] | None, greeks: GreeksCalculator
    ) -> None:
        self.origins: dict[str, SeedOrigin] = {}
        self.times: dict[str, datetime] = {}
        self.unseeded: set[str] = set()
        self._market = market
        self._recorded_level = recorded
        self._greeks = greeks
        self._fetches: dict[tuple[int, ...], anyio.Event] = {}
        self._cash_of: InstrumentTable | None = None
        self._cash: dict[str, int] = {}

    def note_typical(self, name: str) -> None:
        """Note that an underlying is in use at its typical level, unless it has a better one."""
        self.origins.setdefault(name, SeedOrigin.TYPICAL)
        self.unseeded.discard(name)

    def take(
        self, levels: Mapping[str, float], origin: SeedOrigin, times: Mapping[str, datetime] = MappingProxyType({})
    ) -> None:
        """Let underlyings stand at levels now; what is no positive number is passed over."""
        for name, level in levels.items():
            if 0.0 < level < np.inf:
                self._market.seed_level(name, level)
                self.origins[name] = origin
                self.times.pop(name, None)
                if name in times:
                    self.times[name] = times[name]
                self.unseeded.discard(name)

    async def ensure(self, client: QuoteSource | None, names: Sequence[str]) -> None:
        """Give underlyings the best level there is; what has a recorded or quoted one keeps it."""
        missing = [name for name in names if self.origins.get(name, SeedOrigin.TYPICAL) is SeedOrigin.TYPICAL]
        recorded = {name: level for name in missing if (level := self._recorded(name)) is not None}
        self.take(recorded, SeedOrigin.RECORDED)
        indices = {name: index for name in missing if name not in recorded and (index := self.index(name))}
        if client is not None and indices:
            await self.fetch_once(client, list(indices.values()), lambda batch: self._take_levels(batch, indices))
        for name in names:
            if self._market.spot(name) is None:
                self.unseeded.add(name)
            else:
                self.note_typical(name)

    def _recorded(self, name: str) -> float | None:
        level = self._recorded_level(name) if self._recorded_level is not None else None
        return level if level is not None and 0.0 < level < np.inf else None

    def index(self, name: str) -> Instrument | None:
        """Return the contract whose price is an underlying's level, None where no contract is known."""
        underlying = self._market.universe.get(name)
        if underlying is None:
            return self._by_symbol(name)
        listed = self._by_symbol(underlying.index_symbol)
        return listed if listed is not None else underlying.index if underlying.index_token_known else None

    def _by_symbol(self, symbol: str) -> Instrument | None:
        table = self._market.instruments
        if self._cash_of is not table:
            rows = np.flatnonzero(table.kinds <= InstrumentKind.INDEX).tolist()
            self._cash_of, self._cash = table, {table.symbols[row]: row for row in rows}
        row = self._cash.get(symbol)
        return None if row is None else table.instrument(row)

    def _take_levels(self, batch: TickBatch, indices: Mapping[str, Instrument]) -> None:
        prices = dict(zip(batch.instrument_token.tolist(), batch.last_price.tolist(), strict=True))
        levels = {name: prices.get(index.token, np.nan) for name, index in indices.items()}
        self.take(levels, SeedOrigin.QUOTE)

    async def fetch_once(
        self, client: QuoteSource, instruments: Sequence[Instrument], take: Callable[[TickBatch], None]
    ) -> bool:
        """Fetch quotes and take them in; who asks for the same while they are under way waits for that call.

        Returns:
            Whether this caller's call brought quotes; the broker's failure is logged, not raised.
        """
        key = tuple(sorted(instrument.token for instrument in instruments))
        under_way = self._fetches.get(key)
        if under_way is not None:
            await under_way.wait()
            return False
        done = self._fetches[key] = anyio.Event()
        try:
            take(await client.quote_batch(instruments))
        except KiteError as error:
            _LOG.warning("the mock is seeded without the broker's quotes: %s", error)
            return False
        finally:
            del self._fetches[key]
            done.set()
        return True

    def take_options(self, batch: TickBatch, instruments: Sequence[Instrument]) -> None:
        """Take the volatility at the money and the open interest from quotes of options."""
        tokens = batch.instrument_token.tolist()
        # A price of another day has no volatility of today. Before anything has traded, all of them are of one day.
        has_traded = batch.volume_traded > 0
        traded = np.where(has_traded | ~has_traded.any(), batch.last_price, np.nan)
        prices = dict(zip(tokens, traded.tolist(), strict=True))
        interest = zip(tokens, batch.oi.tolist(), strict=True)
        self._market.seed_open_interest({token: units for token, units in interest if ABSENT < units < AT_LEAST})
        chains: dict[tuple[str, date], list[Instrument]] = {}
        for instrument in instruments:
            if instrument.kind.is_option and instrument.expiry is not None:
                chains.setdefault((instrument.name, instrument.expiry), []).append(instrument)
        for (name, expiry), members in chains.items():
            volatility = self._at_the_money(members, prices)
            if volatility is not None:
                self._market.calibrate(name, expiry, volatility)

    def _at_the_money(self, members: Sequence[Instrument], prices: Mapping[int, float]) -> float | None:
        """Median implied volatility of the options around the forward, None where none has one."""
        states = [(option, state) for option in members if (state := self._market.option_state(option.token))]
        nearest = sorted(states, key=lambda pair: abs((pair[0].strike or 0.0) - pair[1].forward))[:_NEAREST]
        volatilities = []
        for option, state in nearest:
            is_call = option.kind is InstrumentKind.CALL
            price, strike = prices.get(option.token, np.nan), option.strike or np.nan
            volatility, _ = self._greeks.implied_volatility(price, state.forward, strike, state.years, is_call)
            if 0.01 < float(volatility) < 3.0:
                volatilities.append(float(volatility))
        return float(np.median(volatilities)) if volatilities else None
