"""MOCK and REPLAY follow the values themselves: a batch with that source marks banner, title, cells and keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from tests.support.boards import EXPIRIES
from tests.support.prepared_backend import Situation, chain_tokens
from tests.support.waiting import wait_until
from tests.tui.driving import Driven, driven
from tickertui.market.clock import IST
from tickertui.market.ticks import WORDS, Source, TickBatch, Word
from tickertui.services.loop.status import FeedMode
from tickertui.tui.keys.actions import Context
from tickertui.tui.panels.base import ConfirmScreen
from tickertui.tui.view.data_states import DataState
from tickertui.tui.widgets.banner import Banner

THEN = datetime(2026, 8, 13, 14, 58, 12, tzinfo=IST)


def recorded(run: Driven, source: Source, *, packets: int = 2) -> None:
    """Apply batches of another origin to the whole shown chain."""
    board = run.backend.board
    board.clear()  # as a switch of the feed does; the board takes no tick that is older than what it holds
    tokens = chain_tokens(run.backend).ravel()
    for number in range(packets):
        words = np.zeros((len(tokens), WORDS), dtype=np.uint32)
        words[:, Word.TOKEN] = tokens
        words[:, Word.LAST_PRICE] = 10_000 + 5 * number
        words[:, Word.EXCHANGE_TIMESTAMP] = int(THEN.timestamp())
        run.backend.clock.advance(0.5)
        now = run.backend.clock.monotonic_ns()
        board.apply(TickBatch.from_rows(words, source, received_ns=now, received_wall_ns=run.backend.clock.time_ns()))


async def slow_frame(run: Driven) -> None:
    run.main._frames = 0
    run.main.frame()
    await run.pilot.pause()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)], ids=str)
async def test_a_recorded_batch_alone_brings_banner_title_states_and_key(size: tuple[int, int]) -> None:
    async with driven(size=size) as run:
        assert run.backend.state.feed is FeedMode.LIVE
        assert not run.main.query_one(Banner).display
        recorded(run, Source.REPLAY)
        await slow_frame(run)
        line = run.text()[0]
        assert line.startswith("<<< REPLAY  Thu 13 Aug 2026 14:58:12 IST  not live"), "the time of then, not of now"
        assert line.endswith("<<<")
        frame = run.chain.current_frame
        assert frame is not None
        assert frame.key.expiry == EXPIRIES[1]
        assert (frame.states == DataState.REPLAY).all()
        assert any(text.startswith("[REPLAY] NIFTY") for text in run.text())
        assert run.app.title == "REPLAY · tickertui"
        assert Context.REPLAY in run.main.contexts
        await run.press("Q")
        await run.until(ConfirmScreen)
        assert run.text()[0].startswith("<<< REPLAY"), "a panel leaves the banner alone"


async def test_a_synthetic_batch_alone_brings_the_mock_banner() -> None:
    async with driven(size=(80, 24)) as run:
        recorded(run, Source.MOCK)
        await slow_frame(run)
        assert run.text()[0].startswith("▓▒░ MOCK DATA · NOT EXCHANGE PRICES")
        assert run.app.title == "MOCK · tickertui"


async def test_the_banner_goes_with_the_last_recorded_value() -> None:
    async with driven(size=(80, 24)) as run:
        recorded(run, Source.REPLAY)
        await slow_frame(run)
        assert run.main.query_one(Banner).display
        run.backend.board.clear()
        await slow_frame(run)
        assert not run.main.query_one(Banner).display
        assert run.app.title == "tickertui"
        await run.press("Q")
        assert run.screen is run.main, "its key does nothing any more"


async def test_a_replay_without_a_tick_yet_says_so() -> None:
    async with driven(Situation.EMPTY, size=(80, 24)) as run:
        run.backend.state = replace(run.backend.state, feed=FeedMode.REPLAY)
        await slow_frame(run)
        assert run.text()[0].startswith("<<< REPLAY  nothing played yet  not live")


async def test_no_key_and_no_click_takes_the_banner_away() -> None:
    async with driven(size=(80, 24)) as run:
        recorded(run, Source.REPLAY)
        await slow_frame(run)
        await run.pilot.click(Banner)
        for key in ("escape", "enter", "p", "p", "Z", "Z", "2", "escape"):
            await run.press(key)
            await slow_frame(run)
            await wait_until(lambda: run.text()[0].startswith("<<< REPLAY"), f"the banner after {key}")
