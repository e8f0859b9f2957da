"""The loop on the morning on which its tokens name other contracts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from tests.support.virtual_loop import contracts, make_virtual_loop, running_virtual_loop
from tests.support.virtual_time import virtual_trio
from tickertui.kite.instruments_csv import format_instruments
from tickertui.market.instruments import InstrumentTable
from tickertui.market.ticks import Source

MONDAY = date(2026, 11, 23)
"""The trading day before `MORNING`."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


def after_a_split(token: int) -> bytes:
    """The loop's contracts, one with half the strike and twice the lot."""
    table = contracts()
    rows = [table.instrument(row) for row in range(len(table))]
    return format_instruments(
        InstrumentTable.from_instruments(
            replace(row, strike=(row.strike or 0) / 2, lot_size=2 * row.lot_size) if row.token == token else row
            for row in rows
        )
    )


async def test_no_change_of_open_interest_is_measured_from_other_terms() -> None:
    desk = make_virtual_loop("Z1")
    changed, same = desk.options(2)
    desk.want([changed, same])
    expiry = date(2026, 12, 1)
    desk.store.interest = {(MONDAY, changed, expiry): 1234, (MONDAY, same, expiry): 4321}
    async with running_virtual_loop(desk):
        board = desk.rig.board
        await desk.until(lambda: board.previous_oi[board.row(changed)] == 1234, "Monday's is shown")
        await desk.until_carried([changed, same])
        for socket in desk.sockets.running:
            socket.tick([changed, same], 10_000)
        assert board.source_of(board.row(changed)) is Source.LIVE
        desk.client("Z1").csv = after_a_split(changed)
        report = await desk.loop.refresh_instruments(force=True)
        assert [change.token for change in report.differences.terms] == [changed]
        assert board.source_of(board.row(changed)) is Source.NONE, "the price of the contract before is not shown"
        assert board.source_of(board.row(same)) is Source.LIVE
        await desk.until(lambda: desk.rig.registry.contracts is desk.rig.reconciler.desired.contracts, "a new plan")  # type: ignore[union-attr]
        assert board.previous_oi[board.row(changed)] == -1, "there is no close to measure from"
        assert board.previous_oi[board.row(same)] == 4321
        assert desk.carried() == {0: frozenset((changed, same))}, "it streams on"
        for socket in desk.sockets.running:
            socket.tick([changed], 5_000)
        assert board.source_of(board.row(changed)) is Source.LIVE
