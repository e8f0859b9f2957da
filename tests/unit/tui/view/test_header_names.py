"""A name of the header line that cannot be shown is said: unknown to the contracts, or silent since it was asked."""

from __future__ import annotations

from tests.support.fakes import index_of
from tests.support.prepared_backend import INDEX_TOKENS, prepared_backend
from tickertui.market.instruments import InstrumentTable
from tickertui.services.loop.status import FeedMode
from tickertui.tui.view.header_names import missing_names

SILENT = index_of("TAIEX", 45_901 << 8 | 9, "GLOBAL")


def test_a_name_that_no_contract_has_is_said() -> None:
    desk = prepared_backend()
    assert missing_names(desk, ("INDIA VIX", "TAIEX"), FeedMode.LIVE) == (
        "TAIEX is no index among the contracts of 23 Nov",
    )
    assert missing_names(desk, tuple(INDEX_TOKENS), FeedMode.LIVE) == ()


def test_before_there_are_contracts_nothing_is_said() -> None:
    desk = prepared_backend()
    desk.table = InstrumentTable.from_instruments(())
    assert missing_names(desk, ("TAIEX",), FeedMode.LIVE) == ()


def test_an_index_that_stays_silent_is_said_after_a_while_and_not_in_a_mock() -> None:
    desk = prepared_backend()
    rows = [desk.table.instrument(at) for at in range(len(desk.table))]
    desk.table = InstrumentTable.from_instruments([*rows, SILENT])
    desk.indices["TAIEX"] = SILENT.token
    assert missing_names(desk, ("TAIEX",), FeedMode.LIVE) == (), "it is not subscribed while nothing else is"
    desk.board.ensure([SILENT.token])
    desk.board.mark_subscribed([SILENT.token], 0, desk.clock.monotonic_ns())
    assert missing_names(desk, ("TAIEX",), FeedMode.LIVE) == ()
    desk.clock.advance(31)
    assert missing_names(desk, ("TAIEX",), FeedMode.LIVE) == ("TAIEX is subscribed and has sent no price",)
    assert missing_names(desk, ("TAIEX",), FeedMode.MOCK) == ()
