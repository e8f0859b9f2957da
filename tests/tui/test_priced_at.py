"""Beside volatilities stands the time to expiry that they were computed with: that of the session of their prices."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from tests.support.prepared_backend import Situation
from tests.tui.driving import Driven, driven
from tickertui.market.board import Derived
from tickertui.market.clock import IST
from tickertui.market.implied_volatility import Status

FRIDAY = datetime(2026, 11, 20, 15, 40, tzinfo=IST)
"""The clock of the shut market stands at Tuesday 24 November, 10:05:00, a holiday."""


def priced_on_friday(run: Driven) -> None:
    run.backend.board.derived[:, Derived.PRICED_AT] = FRIDAY.timestamp()
    run.main.frame()


async def test_the_model_says_from_when_to_when_it_counts() -> None:
    async with driven(Situation.CLOSED, size=(200, 50)) as run:
        assert " T→15:40" in run.text()[2]
        run.backend.board.derived[:, Derived.PRICED_AT] = FRIDAY.timestamp()
        run.chain.selection.surround(run.chain.selection.context, run.chain.selection.markets)
        run.main.frame()
        assert " T 11.0d Fri 15:40→15:40" in run.text()[2]


async def test_an_end_that_is_announced_and_unconfirmed_is_marked_where_it_is_told() -> None:
    async with driven(size=(200, 50)) as run:
        assert " T→15:40 " in f"{run.text()[2]} "
        await run.press("i")
        assert "unconfirmed" not in "\n".join(run.text())
        await run.press("escape", "]")
        run.main.frame()
        run.main.frame()
        assert " T→15:30?" in run.text()[2]
        await run.press("i")
        shown = "\n".join(run.text())
        assert "to 08 Dec 15:30" in shown
        assert "the end on the expiry day is announced for 7 Dec, unconfirmed" in shown


async def test_days_by_expiry_are_those_of_the_volatilities_beside_them() -> None:
    async with driven(Situation.CLOSED) as run:
        await run.press("v", "v", "v")
        run.main.frame()
        shown = "\n".join(run.text())
        assert "days from" not in shown
        assert " W 01Dec    7d" in shown
        priced_on_friday(run)
        shown = "\n".join(run.text())
        assert "days from Fri 20 Nov" in shown
        assert " W 01Dec   11d" in shown


async def test_the_inspector_says_from_when_the_time_counts_and_what_is_left_at_the_end() -> None:
    async with driven(Situation.CLOSED) as run:
        priced_on_friday(run)
        await run.press("i")
        shown = "\n".join(run.text())
        assert "T 11.000 d from Fri 20 Nov 15:40 to 01 Dec 15:40" in shown
        assert "₹/day" in shown
        board = run.backend.board
        board.derived[:, Derived.PRICED_AT] = datetime(2026, 12, 1, 15, 20, tzinfo=IST).timestamp()
        await run.press("escape", "i")
        assert "₹/to expiry" in "\n".join(run.text())
        board.derived[:, : Derived.FORWARD] = np.nan
        board.derived_status[:] = Status.SETTLED
        await run.press("escape", "i")
        assert "—   settled   intrinsic " in "\n".join(run.text())
