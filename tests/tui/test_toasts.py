"""Notices count down by a time that is never over, whatever the wall clock does."""

from __future__ import annotations

import time

import pytest

from tests.support.waiting import wait_until
from tests.tui.driving import driven
from tickertui.tui.terminal.toasts import LastingNotification


@pytest.mark.parametrize("since", [0.0, 4.999_999, 5.0, 5.000_001, 9.0, 80_000.0, -80_000.0])
def test_the_time_left_is_never_over(since: float, monkeypatch: pytest.MonkeyPatch) -> None:
    notice = LastingNotification("text", timeout=5)
    monkeypatch.setattr("textual.notifications.time", lambda: notice.raised_at + since)
    assert 0 < notice.time_left <= 5
    assert notice.has_expired is (since >= 5)


async def test_every_notice_of_the_program_is_one_of_these(monkeypatch: pytest.MonkeyPatch) -> None:
    async with driven() as run:
        for notify in (run.app.notify, run.main.notify, run.chain.notify):
            notify("text", timeout=20)
        await wait_until(lambda: len(run.app._notifications) == 3, "three notices")
        assert all(isinstance(notice, LastingNotification) for notice in run.app._notifications)


async def test_notices_that_are_over_while_panels_open_and_close_stop_nothing() -> None:
    async with driven() as run:
        for number in range(20):
            run.app.notify(f"text {number}", timeout=0.02)
            await run.press("question_mark")
            await run.press("escape")
        await run.back_to_main()
        started = time.monotonic()
        await wait_until(lambda: not len(run.app._notifications), "all of them gone")
        assert time.monotonic() - started < 10
