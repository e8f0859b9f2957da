"""`MockFeed`: lets the mock market fill the board while no live feed does.

The ticker loop runs it as a task of its own while the feed mode is MOCK. What the mock lists during the day goes to
the instrument registry, as a new dump of the broker would. Where an account is logged in, the broker's quotes give
the levels that are not known yet, and the volatilities and the open interest of what is planned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

import anyio
import numpy as np

from tickertui.market.board import MarketBoard
from tickertui.market.instruments import Instrument, InstrumentTable
from tickertui.market.ticks import TickBatch
from tickertui.market.universe import Universe
from tickertui.services.mock.seeding import QuoteSource
from tickertui.services.supervision.events import EventLog
from tickertui.synthetic.script import MockEvent

_CLEANUP_EVERY: Final = 60.0
"""Seconds between two looks for expired contracts."""

_QUOTES_WAIT: Final = 5.0
"""Seconds that the mock waits for the broker's quotes of the indices; without them it stands at typical levels."""


class MockSource(Protocol):
    """The mock market as the feed uses it (`tickertui.services.mock.mock_generator.MockDataGenerator`)."""

    generation: int
    universe: Universe

    @property
    def instruments(self) -> InstrumentTable:
        """The contracts it knows, new strikes of the day included."""
        ...

    def use_instruments(self, table: InstrumentTable) -> None:
        """Take over the day's contracts."""
        ...

    async def set_plan(self, tokens: Iterable[int], *, generation: int | None = None) -> object:
        """Take over the plan; it comes whole in the next step."""
        ...

    def step(self) -> TickBatch:
        """Move the market to now and return what changed."""
        ...

    def previous_oi(self) -> Mapping[int, int]:
        """Return the open interest at the previous close of the planned contracts."""
        ...

    def seed_prices(self, levels: Mapping[str, float], times: Mapping[str, datetime] = ...) -> None:
        """Let underlyings stand at these levels now."""
        ...

    async def ensure_underlying_seeded(self, client: QuoteSource | None = None, names: Sequence[str] = ...) -> None:
        """Give underlyings a level from the best source that has one."""
        ...

    async def ensure_options_seeded(self, client: QuoteSource | None, instruments: Sequence[Instrument]) -> object:
        """Take volatility and open interest of contracts from quotes, of each once."""
        ...

    def spot(self, name: str) -> float | None:
        """Return the level of an underlying's index, None where it has none."""
        ...

    def drain_events(self) -> tuple[MockEvent, ...]:
        """Return what happened since the last call."""
        ...

    async def cleanup_expired(self) -> int:
        """Drop expired contracts."""
        ...

    async def reset_state(self) -> None:
        """Begin with a fresh market."""
        ...


class MockFeed:
    """The mock market on the board.

    Args:
        source: The market.
        board: Takes the ticks.
        events: What happens in the market is recorded here.
        interval: Seconds between two steps.
        contracts: The day's contracts, None while there are none.
        listed: Given the contracts when the mock has listed new ones.
        quotes: The broker's quotes, None while no account can be asked.
    """

    def __init__(
        self,
        source: MockSource,
        *,
        board: MarketBoard,
        events: EventLog,
        interval: float,
        contracts: Callable[[], InstrumentTable | None],
        listed: Callable[[InstrumentTable], None],
        quotes: Callable[[], QuoteSource | None] = lambda: None,
    ) -> None:
        self._source = source
        self._board = board
        self._events = events
        self._interval = interval
        self._contracts = contracts
        self._listed = listed
        self._quotes = quotes
        self._planned: tuple[Instrument, ...] = ()
        self._plan_changed = anyio.Event()

    async def begin(self, levels: Mapping[str, float], times: Mapping[str, datetime], generation: int) -> None:
        """Start with a fresh market that stands at the last known levels; before `run`.

        Args:
            levels: Last live prices by underlying, where there are any.
            times: When they were sent, as far as that is known.
            generation: Of the feed.
        """
        await self._source.reset_state()
        table = self._contracts()
        if table is not None:
            self._source.use_instruments(table)
        self._source.generation = generation
        self._source.seed_prices(levels, times)

    async def spots(self, underlyings: Sequence[str]) -> Mapping[str, float]:
        """Return the level of each of these underlyings that the mock knows."""
        quotes = self._quotes()
        if quotes is not None:
            with anyio.move_on_after(_QUOTES_WAIT):
                await self._source.ensure_underlying_seeded(quotes, underlyings)
        await self._source.ensure_underlying_seeded(None, underlyings)
        return {name: level for name in underlyings if (level := self._source.spot(name)) is not None}

    async def set_plan(self, tokens: Sequence[int], generation: int) -> None:
        """Stream these, and show what their open interest was at the previous close."""
        table = self._contracts()
        if table is not None and table is not self._source.instruments:
            self._source.use_instruments(table)
        await self._source.set_plan(tokens, generation=generation)
        self._show_previous_interest()
        # At once, not with the next step: whoever asked for these looks at an empty chain.
        self._step()
        contracts = (self._source.instruments.get(token) for token in tokens)
        self._planned = tuple(contract for contract in contracts if contract is not None)
        self._plan_changed.set()

    def _show_previous_interest(self) -> None:
        before = self._source.previous_oi()
        rows = self._board.rows(before)
        known = rows > 0
        self._board.previous_oi[rows[known]] = np.fromiter(before.values(), dtype=np.int64)[known]

    def _step(self) -> None:
        batch = self._source.step()
        if len(batch):
            self._board.apply(batch)

    async def run(self) -> None:
        """Step for ever, and take from the broker's quotes what the market does not know of a new plan."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._follow_quotes)
            await self._run_market()

    async def _follow_quotes(self) -> None:
        """Beside the steps: 9,000 quotes take 18 s, and the mock moves meanwhile."""
        while True:
            await self._plan_changed.wait()
            self._plan_changed = anyio.Event()
            quotes = self._quotes()
            if quotes is not None:
                await self._source.ensure_options_seeded(quotes, self._planned)
                self._show_previous_interest()

    async def _run_market(self) -> None:
        cleaned = anyio.current_time()
        while True:
            self._step()
            self._tell()
            if anyio.current_time() - cleaned >= _CLEANUP_EVERY:
                cleaned = anyio.current_time()
                await self._source.cleanup_expired()
            await anyio.sleep(self._interval)

    def _tell(self) -> None:
        happened = self._source.drain_events()
        for event in happened:
            self._events.add("market", event.text)
        if any(event.instruments for event in happened):
            self._listed(self._source.instruments)
