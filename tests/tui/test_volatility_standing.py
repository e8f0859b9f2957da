"""The line of the analytics pane that says where volatility stands: read off the frames, seldom, by underlying."""

from __future__ import annotations

from tests.support.prepared_backend import Situation, prepared_backend
from tests.support.waiting import wait_until
from tests.tui.driving import Driven, driven


def line(run: Driven) -> str:
    return str(run.main.query_one("#standing-title").render())


async def opened(run: Driven) -> None:
    """Show the pane and draw a frame with its plots."""
    await run.press("5")
    await wait_until(lambda: run.main.query("#smile"), "the plots")
    await run.pilot.pause()
    run.main.frame()


async def test_rank_and_percentile_of_the_last_close_are_shown() -> None:
    async with driven() as run:
        assert "atm_iv_history" not in run.calls, "nobody has looked yet"
        await opened(run)
        await wait_until(lambda: "close of" in line(run), "the kept volatilities")
        # The last of the 91 values is 12.0 %; 31 of the 90 before it are lower, all between 10.0 and 16.0 %.
        assert line(run) == "NIFTY · IV rank 33 · percentile 34 · close of 20 Nov 12.0 · 91 days"


async def test_frames_do_not_ask_again_before_ten_minutes() -> None:
    async with driven() as run:
        await opened(run)
        await wait_until(lambda: "close of" in line(run), "the kept volatilities")
        for _ in range(5):
            run.main.frame()
            await run.pilot.pause()
        assert run.calls.count("atm_iv_history") == 1
        run.backend.clock.advance(601)
        run.main.frame()
        await wait_until(lambda: run.calls.count("atm_iv_history") == 2, "the second question")


async def test_too_few_days_and_none_are_dashes() -> None:
    backend = prepared_backend(Situation.LIVE)
    backend.volatilities = {"NIFTY": backend.volatilities["SENSEX"]}
    async with driven(backend=backend) as run:
        await opened(run)
        await wait_until(lambda: "kept" in line(run), "the kept volatilities")
        assert line(run) == "NIFTY · IV rank — · percentile — · 5 days kept, 20 needed"


async def test_a_database_that_cannot_be_read_leaves_dashes() -> None:
    backend = prepared_backend(Situation.LIVE)
    async with driven(backend=backend) as run:
        backend.refusal = "the database cannot be reached"
        await opened(run)
        await run.called("atm_iv_history")
        assert line(run) == "NIFTY · IV rank — · percentile —"
