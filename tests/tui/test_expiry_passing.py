"""The shown chain expires: it stays for ten seconds, says so, and the next one follows unless the trader stays."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from tests.support.boards import EXPIRIES
from tests.tui.driving import Driven, driven
from tickertui.market.clock import IST
from tickertui.tui.view.data_states import LIVE_STATES
from tickertui.tui.widgets.status_bar import StatusBar

AFTER = datetime(2026, 12, 2, 0, 0, 1, tzinfo=IST)
"""The desk's list of expiries ends a contract with its day; the services end it at its instant."""


async def slow_frame(run: Driven) -> None:
    run.main._frames = 0
    run.main.frame()
    await run.pilot.pause()


def said(run: Driven) -> str:
    return "  ".join(field.text for field in run.main.query_one(StatusBar).shown or ())


async def let_it_expire(run: Driven) -> None:
    assert run.chain.expiry == EXPIRIES[1]
    run.backend.clock.set(AFTER)
    await slow_frame(run)


async def test_the_next_chain_follows_after_ten_seconds_that_are_counted() -> None:
    async with driven() as run:
        await let_it_expire(run)
        assert run.chain.expiry == EXPIRIES[1]
        assert "NIFTY 01 Dec has expired: 08 Dec follows in 10s, Esc stays" in said(run)
        frame = run.chain.current_frame
        assert frame is not None
        assert not np.isin(frame.states, LIVE_STATES).any(), "its values are those of the last session"
        assert frame.at == run.backend.clock.now()
        assert any(line.startswith("[CLOSED Tue 01 Dec] NIFTY 24,352.40 ") for line in run.text())
        run.backend.clock.advance(6.0)
        await slow_frame(run)
        assert "follows in 4s" in said(run)
        assert run.chain.expiry == EXPIRIES[1]
        run.backend.clock.advance(4.5)
        await slow_frame(run)
        await slow_frame(run)
        assert run.chain.expiry == EXPIRIES[2]
        assert "expired" not in said(run)


async def test_escape_stays_until_another_chain_is_chosen() -> None:
    async with driven() as run:
        await let_it_expire(run)
        await run.press("escape")
        run.backend.clock.advance(600.0)
        await slow_frame(run)
        assert run.chain.expiry == EXPIRIES[1]
        assert "NIFTY 01 Dec has expired: its last values" in said(run)
        run.chain.select("NIFTY", EXPIRIES[3])
        await slow_frame(run)
        assert run.chain.expiry == EXPIRIES[3]
        assert "expired" not in said(run)


async def test_a_spot_of_zero_moves_no_money() -> None:
    async with driven(size=(80, 24)) as run:
        before = run.chain.current_frame
        assert before is not None
        token = run.backend.index_token("NIFTY")
        assert token is not None
        board = run.backend.board
        board.words[board.row(token), 1] = 0
        board.touch(board.rows([token]))
        await slow_frame(run)
        frame = run.chain.current_frame
        assert frame is not None
        assert frame.underlying.price != frame.underlying.price, "a price of 0 is none"
        assert frame.atm_row == before.atm_row
        assert any("ATM 24,350 last" in line for line in run.text())
        assert any("NIFTY 24,266.25 close Fri 20 Nov  Fut" in line for line in run.text()), "no arrow, no price of now"
        await slow_frame(run)
        assert any(problem.name == "no-spot" for problem in run.main.program_status.problems)
