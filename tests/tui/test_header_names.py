"""A name of the header line that nobody knows is among the problems, and told as an event once."""

from __future__ import annotations

from dataclasses import replace

from tests.tui.driving import STILL, driven


async def test_an_unknown_name_is_listed_by_the_health_pane() -> None:
    async with driven(options=replace(STILL, header=("INDIA VIX", "NO SUCH INDEX"))) as run:
        run.main.program_status.find_problems("NIFTY", run.chain.current_frame)
        await run.press("4")
        text = " ".join(" ".join(run.text()).split())
        assert "the first line leaves out an index" in text
        assert "NO SUCH INDEX is no index among the contracts of 23 Nov" in text
        run.backend.clock.advance(6)
        run.main.program_status.find_problems("NIFTY", run.chain.current_frame)
        told = [event.text for event in run.backend.event_list if "NO SUCH INDEX" in event.text]
        assert told == ["the first line leaves out an index: NO SUCH INDEX is no index among the contracts of 23 Nov"]
