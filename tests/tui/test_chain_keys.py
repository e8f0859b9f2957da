"""The keys of the chain: where the cursor goes, which rows and chains are shown, how they look, what is copied."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from tests.support.prepared_backend import Situation
from tests.support.waiting import wait_until
from tests.tui.covering import covers, press
from tests.tui.driving import driven
from tickertui.market.candles import Candles
from tickertui.market.chain import Side
from tickertui.services.loop.status import FeedMode
from tickertui.tui.chain_grid.columns import PRESETS, View
from tickertui.tui.look.format import Units
from tickertui.tui.panels.base import PickerScreen
from tickertui.tui.panels.column_editor import ColumnsScreen
from tickertui.tui.panels.leg import LegScreen
from tickertui.tui.panes.chain.rail import RailPanel
from tickertui.tui.view.frames import BarMeaning, Field

# ---------------------------------------------------------------------- the chain


@covers(
    "strike-up", "strike-down", "column-left", "column-right", "page-up", "page-down", "first-strike", "last-strike",
    "chain-to-atm",
)  # fmt: skip
async def test_the_cursor_moves_and_comes_back_to_the_money() -> None:
    async with driven() as run:
        grid = run.grid
        assert grid.cursor.strike == 24_350
        await press(run, "strike-down", "strike-down", "strike-up")
        assert grid.cursor.strike == 24_400
        await press(run, "column-left")
        assert (grid.cursor.side, grid.cursor.column) == (Side.CALL, "delta")
        await press(run, "column-right", "column-right")
        assert (grid.cursor.side, grid.cursor.column) == (Side.PUT, "ltp")
        await press(run, "page-down")
        assert grid.cursor.strike > 24_400 + 10 * 50
        await press(run, "page-up")
        assert grid.cursor.strike == 24_400
        await press(run, "first-strike")
        assert grid.cursor.strike == 22_850
        await press(run, "last-strike")
        assert grid.cursor.strike == 25_850
        await press(run, "chain-to-atm")
        assert grid.cursor.strike == 24_350


@covers("auto-centre", "wider", "narrower", "pin", "sort", "filter", "mark")
async def test_which_rows_are_shown() -> None:
    async with driven() as run:
        grid = run.grid
        await press(run, "auto-centre")
        assert not grid.auto_centre
        await press(run, "narrower")
        assert run.strike_range() == 20, "61 strikes: 30 and more would change nothing"
        await press(run, "narrower", "wider", "wider")
        assert run.strike_range() is None
        await press(run, "pin")
        assert grid.pins == {24_350.0}
        await press(run, "pin")
        orders = []
        for _ in range(3):
            await press(run, "sort")
            orders.append(grid.sort and grid.sort.descending)
        assert orders == [True, False, None]
        await press(run, "filter")
        await run.until(PickerScreen)
        await run.write("heavy")
        await run.press("enter")
        await run.back_to_main()
        heavy = len(grid._order)
        assert 0 < heavy < 61
        await press(run, "back")
        assert len(grid._order) == 61
        await press(run, "mark")
        run.main.frame()
        assert grid.frame is not None
        assert grid.frame.summary.marked_at == run.backend.clock.now()


async def test_a_mark_holds_for_every_chain_and_has_columns_of_its_own() -> None:
    async with driven(size=(200, 50)) as run:
        assert "mark" not in run.chain.presets.names(marked=run.chain.selection.has_mark)
        await press(run, "mark")
        marked = run.backend.clock.now()
        run.backend.clock.advance(60)
        await run.press("c", "c", "c", "c")
        assert run.grid.preset.name == "mark"
        await press(run, "next-expiry")
        run.main.frame()
        assert run.chain.expiry == date(2026, 12, 8)
        for key in ("previous-expiry", "last-underlying"):
            assert run.grid.frame is not None
            assert run.grid.frame.summary.marked_at == marked
            assert np.nanmax(np.abs(run.grid.frame.values[..., Field.MARK_LTP])) == 0
            await press(run, key)
            run.main.frame()
        run.main.show_all()
        movers = run.main.query_one("#rail-movers", RailPanel)
        assert str(movers.border_title) == "Movers since mark 11:42"


async def test_a_mark_ends_with_the_feed_it_was_set_in() -> None:
    async with driven() as run:
        await press(run, "mark")
        await run.press("c", "c", "c", "c")
        assert run.grid.preset.name == "mark"
        run.backend.state = replace(run.backend.state, feed=FeedMode.MOCK)
        run.main._frames = 0
        run.main.frame()
        run.main.frame()
        assert run.grid.frame is not None
        assert run.grid.frame.summary.marked_at is None
        assert run.grid.preset.name == "oi"


@covers("next-columns", "next-bar", "next-units", "maximise", "edit-columns")
async def test_how_rows_look() -> None:
    async with driven() as run:
        grid = run.grid
        names = []
        for _ in PRESETS:
            await press(run, "next-columns")
            names.append(grid.preset.name)
        assert names == ["price", "greeks", "full", "oi"]
        await press(run, "next-bar")
        assert grid.bars is BarMeaning.OI_CHANGE
        await press(run, "next-units")
        assert grid.units is Units.LOTS
        height = grid.size.height
        await press(run, "maximise")
        assert grid.size.height == height + 11
        await press(run, "maximise")
        assert grid.size.height == height
        await press(run, "edit-columns")
        await run.until(ColumnsScreen)
        await run.press("j", "space", "h", "enter")
        await run.back_to_main()
        await wait_until(lambda: grid.preset.name == "own", "the own preset")
        assert "oi" not in grid.preset.columns


@covers("next-view")
async def test_views_come_in_a_ring_and_by_expiry_follows_strike_and_cursor() -> None:
    async with driven() as run:
        seen = []
        for _ in range(2):
            await press(run, "next-view")
            seen.append(run.grid.view)
        assert seen == [View.ONE_SIDE, View.STRADDLE]
        await press(run, "next-view")
        assert run.text()[3].startswith(" NIFTY 24,350 by expiry")
        assert [item.key for item in run.rows.rows if item.key][:2] == ["expiry:2026-11-23", "expiry:2026-12-01"]
        assert run.rows.cursor_key == "expiry:2026-12-01", "the chain's own expiry"
        await run.press("right")
        assert run.text()[3].startswith(" NIFTY 24,400 by expiry")
        assert run.chain.leg is not None
        assert run.chain.leg.strike == 24_400
        assert run.chain.instrument is not None
        assert run.chain.instrument.expiry == date(2026, 12, 1)
        await run.press("down", "enter")
        run.main.frame()
        assert run.chain.expiry == date(2026, 12, 8)
        assert run.grid.view is View.CHAIN
        assert run.grid.has_focus


@covers("previous-expiry", "next-expiry", "pick-expiry", "pick-underlying", "last-underlying", "find")
async def test_which_chain_is_shown() -> None:
    async with driven() as run:
        await press(run, "next-expiry")
        run.main.frame()
        assert run.chain.expiry == date(2026, 12, 8)
        await press(run, "previous-expiry")
        run.main.frame()
        assert run.chain.expiry == date(2026, 12, 1)
        await press(run, "pick-expiry")
        await run.until(PickerScreen)
        await run.write("29 dec")
        await run.press("enter")
        await run.back_to_main()
        await wait_until(lambda: run.chain.expiry == date(2026, 12, 29), "29 December")
        await press(run, "pick-underlying")
        await run.write("sen")
        await run.press("enter")
        await run.back_to_main()
        await wait_until(lambda: run.chain.underlying == "SENSEX", "SENSEX")
        await press(run, "last-underlying")
        assert run.chain.underlying == "NIFTY"
        await press(run, "find")
        await run.write("nifty26d01 24000pe")
        await run.press("enter")
        await run.back_to_main()
        run.main.frame()
        await wait_until(lambda: run.chain.expiry == date(2026, 12, 1), "1 December")
        assert (run.grid.cursor.strike, run.grid.cursor.side) == (24_000, Side.PUT)


async def test_an_empty_chain_keeps_its_keys() -> None:
    """The rows are hidden behind a notice; the keys that the notice names must work all the same."""
    async with driven(Situation.EMPTY, size=(80, 24)) as run:
        assert any("u  other underlying" in line for line in run.text())
        await press(run, "pick-underlying")
        await run.until(PickerScreen)
        await run.press("escape")
        await run.back_to_main()
        await press(run, "show-subscriptions", "show-chain", "pick-expiry")
        await run.until(PickerScreen)


@covers("why", "depth", "leg")
async def test_three_views_of_a_leg_lead_to_each_other() -> None:
    async with driven() as run:
        await press(run, "why")
        await run.until(LegScreen)
        text = "\n".join(item.text for item in run.rows.rows)
        for part in (
            "LIVE, the account's socket",
            "Z1/s2",
            "NIFTY next 2 ATM±40 full",
            "T 8.165 d to 01 Dec 15:40",
            "24,371.20 from parity",
            "+92.9K   previous close 18.6L",
        ):
            assert part in text  # fmt: skip
        assert "since " not in text
        run.main.frame()
        await wait_until(
            lambda: any("1m candles 09:15..11:41   147, with OI 147" in line for line in run.text()), "the history"
        )
        await run.press("d")
        await wait_until(lambda: any("orders     qty" in line for line in run.text()), "the depth")
        await run.press("enter")
        await run.called("candles")
        await wait_until(lambda: any("147 candles" in line for line in run.text()), "the day")
        await run.press("i")
        await wait_until(lambda: any("d to 01 Dec" in line for line in run.text()), "why")
        await run.press("escape")
        await run.back_to_main()
        await press(run, "depth")
        await wait_until(lambda: any("orders     qty" in line for line in run.text()), "the depth")
        await run.press("escape")
        await press(run, "leg")
        await wait_until(lambda: any("147 candles" in line for line in run.text()), "the day")


async def test_the_open_day_of_a_leg_grows_with_the_session() -> None:
    async with driven() as run:
        await press(run, "leg")
        await wait_until(lambda: any("147 candles" in line for line in run.text()), "the day")
        assert run.chain.instrument is not None
        token = run.chain.instrument.token
        whole = run.backend.candles_of[token].to_rows()
        later = whole[-1:].copy()
        later[:, 0] += 60
        run.backend.candles_of[token] = Candles.from_rows(np.concatenate([whole, later]))
        run.main.frame()
        assert run.backend.calls.count(("candles", token)) == 1, "not with every frame"
        run.backend.clock.advance(25)

        def shows_it() -> bool:
            run.main.frame()
            return any("148 candles" in line for line in run.text())

        await wait_until(shows_it, "the candle that was made meanwhile")


async def test_why_tells_what_changed_since_the_mark() -> None:
    async with driven() as run:
        await press(run, "mark", "why")
        await run.until(LegScreen)
        run.main.frame()
        text = "\n".join(item.text for item in run.rows.rows)
        assert "since 11:42:07   dOI 0   price +0.00   volume 0" in text


async def test_depth_stays_current_while_it_is_open() -> None:
    async with driven() as run:
        await press(run, "depth")
        await run.until(LegScreen)
        board = run.backend.board
        row = board.row(run.chain.instrument.token) if run.chain.instrument else 0
        board.words[row, 16 + 1] += 100_00
        before = [item.text for item in run.rows.rows]
        run.main.frame()
        assert [item.text for item in run.rows.rows] != before


@covers("copy", "copy-row")
async def test_cell_and_row_are_copied_and_a_mock_value_keeps_its_mark() -> None:
    async with driven() as run:
        await press(run, "copy")
        assert run.app.clipboard == "183.15"
        await press(run, "copy-row")
        assert run.app.clipboard.split("\t")[7:10] == ["183.15", "24350", "161.45"]
    async with driven(Situation.MOCK) as run:
        await press(run, "copy")
        assert run.app.clipboard == "~183.15"
        await press(run, "copy-row")
        assert run.app.clipboard.startswith("MOCK\t")


async def test_what_is_copied_is_what_the_cursor_is_on_in_every_view() -> None:
    async with driven(size=(120, 40)) as run:
        await run.press("v", "v")
        assert run.grid.view is View.STRADDLE
        frame = run.grid.frame
        assert frame is not None
        await press(run, "copy")
        assert run.app.clipboard == f"{float(frame.values[frame.atm_row, :, Field.LTP].sum()):.10g}"
        await press(run, "column-right", "copy")
        assert run.app.clipboard.startswith("1.41")
        await run.press("v")
        await press(run, "strike-down", "copy")
        assert run.app.clipboard.startswith("W 08Dec 15d 158.30")
        await press(run, "copy-row")
        assert run.app.clipboard.startswith("W 08Dec 15d 158.30")
