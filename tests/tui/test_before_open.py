"""Before the open the index is of today and everything else of the last session: each says so, nothing mixes them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pytest

from tests.support.boards import FORWARD, FUTURE_TOKEN, SPOT, SPOT_TOKEN
from tests.support.fake_backend import FakeBackend
from tests.support.prepared_backend import prepared_backend
from tests.tui.driving import driven
from tickertui.market.clock import IST
from tickertui.market.ticks import WORDS, Source, TickBatch, Word
from tickertui.services.loop.status import FeedMode
from tickertui.tui.view.data_states import DataState

PRE_OPEN = datetime(2026, 11, 25, 9, 1, tzinfo=IST)
"""A Wednesday after a holiday: the last session was that of Monday 23 November."""
INDICATED = 24_512.35


def send(backend: FakeBackend, token: int, price: float, close: float) -> None:
    words = np.zeros((1, WORDS), dtype=np.uint32)
    words[0, [Word.TOKEN, Word.LAST_PRICE, Word.CLOSE]] = token, round(100 * price), round(100 * close)
    words[0, Word.EXCHANGE_TIMESTAMP] = int(backend.clock.now().timestamp())
    backend.board.apply(
        TickBatch.from_rows(
            words, Source.LIVE, received_ns=backend.clock.monotonic_ns(), received_wall_ns=backend.clock.time_ns()
        )
    )


def desk(at: datetime) -> FakeBackend:
    """Monday's chain as it stands on Wednesday morning; the index prints."""
    backend = prepared_backend()
    backend.clock.advance((at - backend.clock.now()).total_seconds())
    backend.state = replace(backend.state, feed=FeedMode.CLOSED)
    send(backend, SPOT_TOKEN, INDICATED, SPOT)
    return backend


async def test_each_number_says_of_which_day_it_is() -> None:
    async with driven(backend=desk(PRE_OPEN), size=(200, 50)) as run:
        header, _, summary = run.text()[:3]
        assert "[CLOSED Mon 23 Nov] NIFTY 24,512.35" in header
        assert "pre-open Wed 25 Nov  Fut 24,371.20 Mon 23 Nov" in header
        assert "(-" not in header, "a basis of two days"
        assert "ATM 24,350 close  all of Mon 23 Nov" in summary
        frame = run.chain.current_frame
        assert frame is not None
        assert frame.underlying.state is DataState.LIVE, "it is of now"
        assert frame.summary.reference.price == pytest.approx(SPOT)
        assert frame.summary.straddle_pct == pytest.approx(100 * frame.summary.straddle / SPOT)


@pytest.mark.parametrize("width", [80, 100, 120])
async def test_it_is_said_at_every_width(width: int) -> None:
    async with driven(backend=desk(PRE_OPEN), size=(width, 30)) as run:
        header = run.text()[0]
        assert "[CLOSED Mon 23 Nov]" in header
        assert "pre-open" in header
        assert "25 Nov" in header
        assert "09:01" in header


async def test_an_index_that_stopped_printing_is_not_live() -> None:
    backend = desk(PRE_OPEN)
    async with driven(backend=backend, size=(200, 50)) as run:
        backend.clock.advance(30.0)
        run.main.frame()
        frame = run.chain.current_frame
        assert frame is not None
        assert (frame.underlying.state, frame.underlying.day) == (DataState.CLOSED, date(2026, 11, 25))


async def test_at_the_open_an_index_of_the_day_before_is_no_spot_of_today() -> None:
    backend = prepared_backend()
    backend.clock.advance((PRE_OPEN.replace(minute=16) - backend.clock.now()).total_seconds())
    send(backend, FUTURE_TOKEN, FORWARD, FORWARD)
    send(backend, FUTURE_TOKEN, FORWARD + 1, FORWARD)
    backend.board.words[backend.board.row(SPOT_TOKEN), Word.EXCHANGE_TIMESTAMP] = int(PRE_OPEN.timestamp()) - 2 * 86_400
    async with driven(backend=backend, size=(200, 50)) as run:
        header, _, summary = run.text()[:3]
        assert "Mon 23 Nov  Fut" in header
        assert "(" not in header.split("Fut")[1].split("VIX")[0]
        assert " fwd" in summary


async def test_within_a_session_nothing_is_said() -> None:
    async with driven(size=(200, 50)) as run:
        header = run.text()[0]
        assert "pre-open" not in header
        assert "23 Nov" not in header
        assert "(+18.80)" in header
