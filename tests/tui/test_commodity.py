"""A commodity in the evening, on the screen: its own hours, its future as the price, live legs with ages."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import numpy as np

from tests.support.fake_backend import FakeBackend, live_runtime
from tests.support.fakes import chain_of, future_of, table_of
from tests.tui.driving import STILL, driven
from tickertui.market.clock import IST, ManualClock
from tickertui.market.ticks import WORDS, Source, TickBatch, Word
from tickertui.services.loop.status import FeedMode

EVENING = datetime(2026, 11, 30, 18, 0, tzinfo=IST)
FUTURE = future_of("ZINCMINI", date(2026, 12, 31), number=31_000, exchange="MCX", code=7)
OPTIONS = chain_of(
    "ZINCMINI", date(2026, 12, 22), [float(strike) for strike in range(250, 351, 5)], first=32_000, exchange="MCX",
    code=7, lot_size=1,
)  # fmt: skip


def send(backend: FakeBackend, tokens: list[int], paise: list[int]) -> None:
    words = np.zeros((len(tokens), WORDS), dtype=np.uint32)
    words[:, Word.TOKEN], words[:, Word.LAST_PRICE], words[:, Word.CLOSE] = tokens, paise, 32_600
    words[:, Word.VOLUME] = 1_200
    words[:, Word.LAST_TRADE_TIME] = words[:, Word.EXCHANGE_TIMESTAMP] = int(backend.clock.now().timestamp())
    backend.board.apply(
        TickBatch.from_rows(
            words, Source.LIVE, received_ns=backend.clock.monotonic_ns(), received_wall_ns=backend.clock.time_ns()
        )
    )


def commodity_desk(at: datetime = EVENING) -> FakeBackend:
    """Options on zinc and its future, all ticking; neither index nor share."""
    backend = FakeBackend(clock=ManualClock(at), table=table_of([FUTURE], OPTIONS), state=live_runtime())
    tokens = [FUTURE.token, *(option.token for option in OPTIONS)]
    backend.board.ensure(tokens)
    backend.board.mark_subscribed(tokens, 0, backend.clock.monotonic_ns())
    for _ in range(2):
        send(backend, tokens, [33_120, *(900 for _ in OPTIONS)])
    return backend


async def test_in_the_evening_a_commodity_is_live_around_its_future() -> None:
    backend = commodity_desk()
    async with driven(backend=backend, options=replace(STILL, underlying="ZINCMINI"), size=(150, 40)) as run:
        backend.clock.advance(17.0)
        send(backend, [FUTURE.token], [33_120])
        run.main.frame()
        header, strip, summary = run.text()[:3]
        assert "[LIVE 42/42] ZINCMINI Fut 331.20" in header
        assert "18:00:17 IST" in header
        assert "MCX OPEN 5h5" in strip, "to 23:55"
        assert "ATM 330 fut" in summary
        assert any("17s" in line for line in run.text()), "ages"
        assert "CLOSED" not in "\n".join(run.text())


async def test_after_its_close_a_commodity_is_closed_and_says_of_which_day() -> None:
    backend = commodity_desk(datetime(2026, 11, 30, 23, 57, tzinfo=IST))
    backend.state = replace(backend.state, feed=FeedMode.CLOSED)
    async with driven(backend=backend, options=replace(STILL, underlying="ZINCMINI"), size=(150, 40)) as run:
        header = run.text()[0]
        assert "[CLOSED Mon 30 Nov] ZINCMINI Fut 331.20" in header
        assert "MCX CLOSED" in header
