"""The whole screen as a state machine: after every step its frame is of one moment, and the terminal shows it.

Rules are what a trader, a market and a broker do in any order: chains, expiries, views, panels, feeds, contracts that
come and go, ticks, sizes. The clock stands in the machine's hand. After each step two things hold: what is on display
is consistent in itself, and every cell of the terminal is as if the screen had been painted afresh.

``TICKERTUI_MACHINE=EXAMPLESxSTEPS`` runs more of it: 200x60 takes about an hour.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.prepared_backend import Situation, prices_around
from tests.support.waiting import wait_until
from tests.tui.driving import Driven, driven
from tests.tui.painting import Painted, settled, watched
from tickertui.market.instruments import InstrumentTable
from tickertui.market.ticks import Source, TickBatch, Word
from tickertui.services.loop.status import FeedMode
from tickertui.tui.keys.actions import ACTIONS, Context
from tickertui.tui.look.format import Units
from tickertui.tui.main.screen import PANES
from tickertui.tui.panes.chain.expiry_strip import ExpiryStrip
from tickertui.tui.widgets.row_list import RowList

SIZES = [(80, 24), (120, 40), (200, 50), (100, 30), (60, 15), (45, 12), (39, 9), (1, 1), (250, 70)]
OPENERS = ["u", "e", "i", "d", "enter", "question_mark", "ctrl+o", "ctrl+p", "r", "colon", "n", "t", "C", "slash", "L"]
TEXTS = ["SENSEX", "BANK", "24500", "goto 24000", "zzz", "full", "NIFTY 1 10"]
KEYS = sorted(
    {
        key
        for action in ACTIONS
        for key in action.keys.split(",")
        # Quitting ends the machine, a picture is a file, the editor's D and s write one.
        if action.id not in ("quit", "screenshot", "preset-save", "preset-delete")
        and action.context is not Context.COLUMNS
    }
)
EXAMPLES, STEPS = (int(number) for number in os.environ.get("TICKERTUI_MACHINE", "6x25").split("x"))

Step = Callable[[Driven, Painted], Awaitable[None]]


def tick_anything(run: Driven, chance: random.Random) -> None:
    """Let some rows of the board tick, whatever they are."""
    board = run.backend.board
    tokens = [int(token) for token in board.tokens[board.tokens > 0].tolist()]
    rows = board.rows(chance.sample(tokens, min(len(tokens), chance.choice([1, 3, 12, 400]))))
    words = board.words[rows].copy()
    words[:, Word.TOKEN] = board.tokens[rows]
    steps = np.array([chance.choice([-5, 0, 5, 10, 25]) for _ in rows])
    words[:, Word.LAST_PRICE] = np.maximum(words[:, Word.LAST_PRICE].astype(np.int64) + steps, 5)
    source = Source.MOCK if run.backend.state.feed is FeedMode.MOCK else Source.LIVE
    board.apply(TickBatch.from_rows(words, source, received_ns=run.backend.clock.monotonic_ns(), connection=0))


class ScreenSession:
    """One application on an event loop of its own, which runs only while a step is taken."""

    def __init__(self, situation: Situation, size: tuple[int, int]) -> None:
        self._loop = asyncio.new_event_loop()
        self._steps: asyncio.Queue[tuple[Step, asyncio.Future[None]] | None] = asyncio.Queue()
        self._patches = pytest.MonkeyPatch()
        self._ready = self._loop.create_future()
        self._task = self._loop.create_task(self._run(situation, size))
        self._loop.run_until_complete(self._ready)

    async def _run(self, situation: Situation, size: tuple[int, int]) -> None:
        with watched(self._patches, size) as painted:
            async with driven(situation, size=size) as run:
                self._ready.set_result(None)
                while (asked := await self._steps.get()) is not None:
                    step, done = asked
                    try:
                        await step(run, painted)
                    except BaseException as error:  # noqa: BLE001 - it is raised where the step was asked for
                        done.set_exception(error)
                    else:
                        done.set_result(None)

    def take(self, step: Step) -> None:
        """Take one step and wait until it is done."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._steps.put_nowait((step, done))
        self._loop.run_until_complete(done)

    def close(self) -> None:
        """End the application."""
        self._steps.put_nowait(None)
        try:
            self._loop.run_until_complete(self._task)
        finally:
            self._patches.undo()
            with suppress(RuntimeError):
                self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()


class ScreenMachine(RuleBasedStateMachine):
    """See the module."""

    session: ScreenSession

    @initialize(
        situation=st.sampled_from([Situation.LIVE, Situation.MOCK, Situation.CLOSED, Situation.EMPTY, Situation.STALE]),
        size=st.sampled_from(SIZES[:5]),
    )
    def start(self, situation: Situation, size: tuple[int, int]) -> None:
        self.session = ScreenSession(situation, size)

    def teardown(self) -> None:
        if hasattr(self, "session"):
            self.session.close()

    def take(self, step: Callable[[Driven], Any]) -> None:
        async def taken(run: Driven, painted: Painted) -> None:
            result = step(run)
            if result is not None:
                await result
            await run.pilot.pause()

        self.session.take(taken)

    # ------------------------------------------------------------------ the market

    @rule(seed=st.integers(0, 2**16), seconds=st.sampled_from([0.1, 0.5, 2.5, 11.0]))
    def ticks(self, seed: int, seconds: float) -> None:
        def step(run: Driven) -> None:
            run.backend.clock.advance(seconds)
            tick_anything(run, random.Random(seed))
            run.main.frame()

        self.take(step)

    @rule(seconds=st.sampled_from([0.5, 3.5, 70.0]))
    def silence(self, seconds: float) -> None:
        def step(run: Driven) -> None:
            for _ in range(6):
                run.backend.clock.advance(seconds / 6)
                run.main.frame()

        self.take(step)

    @rule(name=st.sampled_from(["NIFTY", "SENSEX", "BANKNIFTY"]), source=st.sampled_from([Source.LIVE, Source.MOCK]))
    def another_chain_gets_prices(self, name: str, source: Source) -> None:
        def step(run: Driven) -> None:
            backend = run.backend
            for expiry in backend.table.expiries_of(name)[:2]:
                contracts = backend.table.chain(name, expiry)
                if contracts is None:
                    continue
                backend.board.ensure([*contracts.call_tokens.tolist(), *contracts.put_tokens.tolist()])
                at_s = backend.clock.time_ns() // 1_000_000_000
                rows = np.array(prices_around(contracts, float(np.median(contracts.strikes)), 0.5, at_s))
                received = backend.clock.monotonic_ns()
                backend.board.apply(TickBatch.from_rows(rows, source, received_ns=received, connection=0))
            run.main.frame()

        self.take(step)

    @rule(keep=st.floats(0.3, 1.0), seed=st.integers(0, 99))
    def contracts_go(self, keep: float, seed: int) -> None:
        """The day's list is fetched anew and is shorter: strikes, expiries or a whole underlying are gone."""

        def step(run: Driven) -> None:
            table, chance = run.backend.table, random.Random(seed)
            groups = sorted(
                {(table.instrument(at).name, table.instrument(at).expiry) for at in range(len(table))}, key=str
            )
            kept = {group for group in groups if chance.random() < keep}
            rows = [table.instrument(at) for at in range(len(table))]
            run.backend.table = InstrumentTable.from_instruments(
                [row for row in rows if (row.name, row.expiry) in kept]
            )
            run.main.frame()

        self.take(step)

    @rule(share=st.floats(0.1, 0.9), seed=st.integers(0, 99))
    def the_plan_changes(self, share: float, seed: int) -> None:
        """Rows of the board are given back and given out anew."""

        def step(run: Driven) -> None:
            board, chance = run.backend.board, random.Random(seed)
            tokens = [int(token) for token in board.tokens[board.tokens > 0].tolist()]
            gone = chance.sample(tokens, int(share * len(tokens)))
            board.release(gone)
            board.ensure(chance.sample(gone, len(gone) // 2))
            run.backend.state = replace(run.backend.state, generation=run.backend.state.generation + 1)
            run.main.frame()

        self.take(step)

    @rule(feed=st.sampled_from(list(FeedMode)))
    def the_feed_changes(self, feed: FeedMode) -> None:
        def step(run: Driven) -> None:
            run.backend.state = replace(run.backend.state, feed=feed)
            run.main.frame()

        self.take(step)

    @rule(days=st.integers(1, 3))
    def days_pass(self, days: int) -> None:
        def step(run: Driven) -> None:
            run.backend.clock.advance(timedelta(days=days).total_seconds())
            for _ in range(12):
                run.backend.clock.advance(1.0)
                run.main.frame()

        self.take(step)

    # ------------------------------------------------------------------ the trader

    @rule(name=st.sampled_from(["NIFTY", "SENSEX", "BANKNIFTY", "NOSUCH"]))
    def another_underlying(self, name: str) -> None:
        self.take(lambda run: run.chain.select(name))

    @rule(steps=st.sampled_from([-3, -1, 1, 2]))
    def another_expiry(self, steps: int) -> None:
        self.take(lambda run: run.chain.action_expiry(steps))

    @rule(place=st.integers(0, 9))
    def an_expiry_of_the_strip(self, place: int) -> None:
        def step(run: Driven) -> None:
            strip = run.chain.query_one(ExpiryStrip)
            offered = strip.offsets()
            if offered:
                strip.post_message(ExpiryStrip.Chosen(offered[place % len(offered)][0]))

        self.take(step)

    @rule(name=st.sampled_from(PANES))
    def another_pane(self, name: str) -> None:
        self.take(lambda run: run.main.action_show_pane(name))

    @rule(preset=st.sampled_from(["oi", "price", "greeks", "full"]), units=st.sampled_from(list(Units)))
    def another_look(self, preset: str, units: Units) -> None:
        def step(run: Driven) -> None:
            run.chain.appearance.show_preset(preset)
            run.grid.set_units(units)

        self.take(step)

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4))
    def keys(self, keys: list[str]) -> None:
        self.take(lambda run: run.press(*keys))

    @rule(opener=st.sampled_from(OPENERS), text=st.sampled_from(TEXTS), take=st.booleans())
    def a_panel(self, opener: str, text: str, take: bool) -> None:
        async def step(run: Driven) -> None:
            await run.press(opener)
            await run.write(text)
            await run.press("enter" if take else "escape")

        self.take(step)

    @rule()
    def back(self) -> None:
        self.take(lambda run: run.press("escape"))

    @rule(size=st.sampled_from(SIZES))
    def another_size(self, size: tuple[int, int]) -> None:
        self.take(lambda run: run.pilot.resize_terminal(*size))

    @rule(x=st.floats(0, 0.999), y=st.floats(0, 0.999))
    def a_click(self, x: float, y: float) -> None:
        async def step(run: Driven) -> None:
            width, height = run.app.size
            await run.pilot.click(offset=(int(x * width), int(y * height)))

        self.take(step)

    # ------------------------------------------------------------------ what holds after every step

    @invariant()
    def what_is_on_display_is_of_one_moment(self) -> None:
        async def look(run: Driven, painted: Painted) -> None:
            await wait_until(lambda: run.app.is_running, "the program alive")
            assert run.app._exception is None
            assert run.app.screen_stack[0] is run.main
            frame, grid = run.chain.current_frame, run.grid
            if frame is None:
                return
            assert frame.key.underlying == frame.contracts.underlying
            assert not frame.expiries or frame.key.expiry in [mark.expiry for mark in frame.expiries]
            strip = run.chain.query_one(ExpiryStrip).shown
            assert strip is None or not strip.expiries or strip.chosen in [mark.expiry for mark in strip.expiries]
            count = len(frame.strikes)
            assert -1 <= frame.atm_row < count
            assert frame.values.shape[:2] == (count, 2)
            assert ((grid.visible_rows >= 0) & (grid.visible_rows < count)).all()
            leg = grid.leg
            assert leg is None or (0 <= leg.row < count and leg.token == frame.token(leg.row, leg.side))
            for rows in run.main.query(RowList):
                assert not rows.cursor_key or rows.cursor_key in [row.key for row in rows.rows]

        if hasattr(self, "session"):
            self.session.take(look)

    @invariant()
    def the_terminal_shows_what_a_fresh_paint_would(self) -> None:
        async def look(run: Driven, painted: Painted) -> None:
            await settled(run, painted, "the last step")
            assert not run.app.failures.latest

        if hasattr(self, "session"):
            self.session.take(look)


TestScreen = ScreenMachine.TestCase
TestScreen.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    # The same walks in every run of CI; more, and others, are asked for by the environment.
    derandomize="TICKERTUI_MACHINE" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
