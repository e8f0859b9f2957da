"""The grid in an app: what repaints, where the cursor goes, what survives a resize and a switch of the chain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from textual.events import MouseScrollDown
from textual.geometry import Region
from textual.pilot import Pilot
from textual.strip import Strip

from tests.support.boards import SPOT, Scene, build_scene
from tests.support.chain_host import READERS, ChainHost
from tests.support.fakes import uniform_chain
from tickertui.market.chain import OptionChain, Side
from tickertui.market.instruments import ChainRows
from tickertui.market.ticks import Source
from tickertui.services.loop.status import FeedMode
from tickertui.tui.chain_grid.columns import PRESETS, View
from tickertui.tui.chain_grid.grid import ChainGrid
from tickertui.tui.chain_grid.row_order import RANGES, Sort
from tickertui.tui.chain_grid.row_painter import RowPainter
from tickertui.tui.look.format import Units
from tickertui.tui.terminal.line import Line
from tickertui.tui.view.chain_reader import ChainContext, ChainReader
from tickertui.tui.view.frames import BarMeaning, ChainFrame, Field


class Stage:
    """A scene on the screen."""

    def __init__(self, scene: Scene, app: ChainHost, pilot: Pilot[None]) -> None:
        self.scene, self.app, self.pilot = scene, app, pilot
        self.painted: list[int] = []

    @property
    def grid(self) -> ChainGrid:
        return self.app.grid

    async def settle(self) -> None:
        await self.pilot.pause()

    async def step(self) -> ChainFrame:
        frame = self.app.step()
        await self.settle()
        return frame

    @property
    def strikes(self) -> list[float]:
        assert self.grid.frame is not None
        return [float(strike) for strike in self.grid.frame.strikes[self.grid.visible_rows]]


@asynccontextmanager
async def stage(size: tuple[int, int] = (80, 24), scene: Scene | None = None) -> AsyncIterator[Stage]:
    scene = scene or build_scene()
    app = ChainHost(ChainReader(scene.chain, scene.clock, ChainContext()))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield Stage(scene, app, pilot)


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lines that any grid was asked to paint."""
    lines: list[int] = []
    render = ChainGrid.line

    def spy(self: ChainGrid, y: int) -> Line | Strip:
        lines.append(y)
        return render(self, y)

    monkeypatch.setattr(ChainGrid, "line", spy)
    return lines


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows that were put together anew."""
    rows: list[int] = []
    build = RowPainter.row

    def spy(self: RowPainter, frame: ChainFrame, row: int, **look: Any) -> Line:
        rows.append(row)
        return build(self, frame, row, **look)

    monkeypatch.setattr(RowPainter, "row", spy)
    return rows


async def test_the_money_stands_in_the_middle() -> None:
    async with stage() as at:
        assert at.strikes[len(at.strikes) // 2] == 24_350
        assert at.grid.cursor.strike == 24_350


async def test_only_rows_that_changed_are_built(painted: list[int], built: list[int]) -> None:
    async with stage() as at:
        await at.step()
        rows = at.grid.visible_rows
        painted.clear()
        built.clear()
        await at.step()
        assert painted == [], "nothing changed"
        at.scene.tick(rows[[2, 3, 9]], 3.0)
        await at.step()
        assert sorted(built) == sorted(rows[[2, 3, 9]].tolist())
        built.clear()
        at.grid.move_cursor(rows=1)
        await at.settle()
        assert sorted(built) == [30, 31], "the row that the cursor left and the one it came to"


async def test_ticks_out_of_sight_paint_nothing(painted: list[int]) -> None:
    async with stage() as at:
        await at.step()
        hidden = np.setdiff1d(np.arange(61), at.grid.visible_rows)
        painted.clear()
        at.scene.tick(hidden[:20], 0.25)
        await at.step()
        assert painted == []


async def test_neighbours_are_refreshed_as_one_region(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage() as at:
        await at.step()
        regions: list[Region] = []
        refresh = at.grid.refresh

        def spy(*asked: Region, **flags: bool) -> ChainGrid:
            regions.extend(asked)
            return refresh(*asked, **flags)

        monkeypatch.setattr(at.grid, "refresh", spy)
        at.scene.tick(at.grid.visible_rows[[4, 5, 6, 10]], 3.0)
        await at.step()
        assert [(region.y, region.height) for region in regions] == [(5, 3), (11, 1)]


async def test_a_skipped_frame_loses_no_change(painted: list[int]) -> None:
    async with stage() as at:
        await at.step()
        at.scene.tick(at.grid.visible_rows[[2]], 3.0)
        at.app.reader.read()
        painted.clear()
        await at.step()
        assert 3 in painted


async def test_the_cursor_goes_by_rows_and_columns_through_the_strike() -> None:
    async with stage() as at:
        grid = at.grid
        grid.move_cursor(rows=2)
        assert grid.cursor.strike == 24_450
        grid.move_cursor(columns=1)
        assert (grid.cursor.side, grid.cursor.column) == (Side.PUT, "ltp")
        for _ in range(9):
            grid.move_cursor(columns=1)
        assert (grid.cursor.side, grid.cursor.column) == (Side.PUT, "oi")
        for _ in range(20):
            grid.move_cursor(columns=-1)
        assert (grid.cursor.side, grid.cursor.column) == (Side.CALL, "oi")
        grid.to_end(last=True)
        await at.settle()
        assert grid.cursor.strike == 25_850
        assert at.strikes[-1] == 25_850
        grid.to_end(last=False)
        await at.settle()
        assert at.strikes[0] == 22_850
        grid.page(1)
        await at.settle()
        assert grid.cursor.strike in at.strikes
        assert grid.cursor.strike == 22_850 + 50 * (grid.size.height - 2)
        leg = grid.leg
        assert leg is not None
        assert leg.token == at.scene.chain.tokens[leg.row, Side.CALL]


async def test_the_cell_under_the_cursor_is_told() -> None:
    async with stage() as at:
        at.grid.move_cursor(rows=1)
        at.grid.move_cursor(columns=1)
        at.grid.select_leg()
        await at.settle()
        highlighted = [message for message in at.app.messages if isinstance(message, ChainGrid.CellHighlighted)]
        selected = [message for message in at.app.messages if isinstance(message, ChainGrid.LegSelected)]
        assert highlighted[-1].leg == selected[-1].leg
        assert selected[-1].leg.strike == 24_400
        assert selected[-1].leg.side is Side.PUT
        assert selected[-1].control is at.grid
        assert highlighted[0].can_replace(highlighted[-1])
        assert not highlighted[0].can_replace(selected[0])


async def test_the_mouse_puts_the_cursor_and_a_second_click_chooses() -> None:
    async with stage() as at:
        layout = at.grid.layout_in_use
        oi = next(placed for placed in layout.put if placed.column.name == "oi")
        await at.pilot.click(ChainGrid, offset=(oi.x + 2, 4))
        assert (at.grid.cursor.side, at.grid.cursor.column) == (Side.PUT, "oi")
        assert at.grid.cursor.strike == at.strikes[3]
        assert not any(isinstance(message, ChainGrid.LegSelected) for message in at.app.messages)
        await at.pilot.click(ChainGrid, offset=(oi.x + 2, 4))
        assert any(isinstance(message, ChainGrid.LegSelected) for message in at.app.messages)
        before = at.grid.cursor
        await at.pilot.click(ChainGrid, offset=(oi.x, 0))
        assert at.grid.cursor == before, "the header is no row"


SIZES = [(120, 40), (200, 50), (79, 23), (60, 12), (80, 24)]


async def test_a_resize_keeps_the_trader_where_he_was() -> None:
    async with stage() as at:
        at.grid.move_cursor(rows=12, columns=2)
        chosen = at.grid.cursor
        assert chosen.column == "delta"
        for size in SIZES:
            await at.pilot.resize_terminal(*size)
            await at.settle()
            assert at.grid.cursor == chosen
            assert chosen.strike in at.strikes
            leg = at.grid.leg
            assert leg is not None
            assert leg.side is chosen.side


async def test_a_column_without_room_gives_way_to_the_price_and_comes_back() -> None:
    async with stage((156, 40)) as at:
        at.grid.move_cursor(columns=-2)
        assert at.grid.cursor.column == "bid"
        await at.pilot.resize_terminal(80, 24)
        await at.settle()
        leg = at.grid.leg
        assert leg is not None
        assert leg.column == "ltp"
        await at.pilot.resize_terminal(156, 40)
        await at.settle()
        leg = at.grid.leg
        assert leg is not None
        assert leg.column == "bid"


def other_chain(scene: Scene, underlying: str, shift: float, expiry_days: int = 7) -> ChainRows:
    contracts = scene.contracts
    return uniform_chain(
        underlying, contracts.expiry.replace(day=contracts.expiry.day + expiry_days), contracts.strikes + shift,
        contracts.call_tokens, contracts.put_tokens, lot=20, exchange="BFO",
    )  # fmt: skip


async def test_a_switch_of_the_expiry_keeps_the_strike_and_of_the_underlying_the_moneyness() -> None:
    async with stage() as at:
        at.grid.move_cursor(rows=3)
        assert at.grid.cursor.strike == 24_500
        scene = at.scene
        token = scene.chain.underlying_token
        later = OptionChain(other_chain(scene, "NIFTY", 0.0), scene.board, underlying_token=token)
        at.app.reader = ChainReader(later, scene.clock)
        await at.step()
        assert at.grid.cursor.strike == 24_500
        other = OptionChain(other_chain(scene, "SENSEX", 200.0), scene.board, underlying_token=token)
        at.app.reader = ChainReader(other, scene.clock)
        frame = await at.step()
        assert at.grid.cursor.strike == frame.strikes[frame.atm_row + 3]
        assert at.grid.cursor.strike in at.strikes


async def test_a_mock_changes_the_header_at_once() -> None:
    async with stage() as at:
        assert not any("~CALL" in line for line in at.app.lines())
        mock = build_scene(source=Source.MOCK)
        for row in range(61):
            at.scene.apply(mock.words(np.array([row])), source=Source.MOCK)
        await at.step()
        lines = at.app.lines()
        assert any("~CALL" in line and "~OI" in line for line in lines)


async def test_rows_follow_the_money_only_after_a_while_and_never_under_the_cursor() -> None:
    async with stage() as at:
        at.scene.tick_underlying(SPOT + 100)
        await at.step()
        at.scene.clock.advance(4.9)
        await at.step()
        assert at.strikes[len(at.strikes) // 2] == 24_350, "it may come back"
        at.scene.clock.advance(0.2)
        frame = await at.step()
        assert frame.strikes[frame.atm_row] == 24_450
        assert at.strikes[len(at.strikes) // 2] == 24_450
        assert at.grid.cursor.strike == 24_450
        at.grid.move_cursor(rows=1)
        at.scene.tick_underlying(SPOT + 300)
        await at.step()
        at.scene.clock.advance(30)
        await at.step()
        assert at.strikes[len(at.strikes) // 2] == 24_450, "the trader is at work"
        at.grid.to_atm()
        await at.settle()
        assert at.strikes[len(at.strikes) // 2] == 24_650
        at.grid.set_auto_centre(False)
        at.scene.tick_underlying(SPOT)
        await at.step()
        at.scene.clock.advance(30)
        await at.step()
        assert at.strikes[len(at.strikes) // 2] == 24_650


async def test_a_short_excursion_of_the_spot_moves_nothing() -> None:
    async with stage() as at:
        for shift in (100, 0, 100, 0):
            at.scene.tick_underlying(SPOT + shift)
            await at.step()
            at.scene.clock.advance(3.0)
            await at.step()
        assert at.strikes[len(at.strikes) // 2] == 24_350


async def test_the_range_goes_up_and_down_its_ladder() -> None:
    async with stage((80, 50)) as at:
        grid = at.grid
        grid.set_range(5)
        await at.settle()
        assert at.strikes == [24_350 + 50 * i for i in range(-5, 6)]
        wider: list[int | None] = []
        ladder = [span for span in RANGES if span < 30]
        for _ in range(len(ladder) + 1):
            grid.widen_range(1)
            wider.append(grid.strike_range)
        assert wider == [*ladder[1:], None, None], "30 strikes each side of the money are all there are"
        narrower: list[int | None] = []
        for _ in range(len(ladder) + 1):
            grid.widen_range(-1)
            narrower.append(grid.strike_range)
        assert narrower == [*ladder[::-1], ladder[0]]
        assert not grid.goto_strike(25_850), "out of range"
        assert grid.goto_strike(24_420)
        assert grid.cursor.strike == 24_400


async def test_sorting_by_the_column_under_the_cursor() -> None:
    async with stage() as at:
        grid = at.grid
        while grid.cursor.column != "oi":
            grid.move_cursor(columns=-1)
        assert grid.sort_by_cursor() == Sort(Field.OI, Side.CALL)
        grid.to_end(last=False)
        await at.settle()
        oi = at.scene.oi[:, 0]
        assert at.strikes[:5] == at.scene.chain.strikes[np.argsort(-oi, kind="stable")][:5].tolist()
        assert grid.sort_by_cursor() == Sort(Field.OI, Side.CALL, descending=False)
        assert grid.sort_by_cursor() is None
        await at.settle()
        assert at.strikes == sorted(at.strikes)


async def test_sorting_by_a_column_of_both_sides() -> None:
    async with stage() as at:
        grid = at.grid
        grid.set_view(View.STRADDLE)
        await at.settle()
        for steps, fields in ((0, (Field.LTP,)), (3, (Field.OI,))):
            grid.move_cursor(columns=steps)
            orders = []
            for _ in range(2):
                sort = grid.sort_by_cursor()
                assert sort is not None
                assert sort.pair
                assert grid.frame is not None
                keys = sum(grid.frame.values[grid._order.rows, side, field] for side in (0, 1) for field in fields)
                orders.append(np.diff(np.asarray(keys)))
            assert (orders[0] <= 0).all()
            assert (orders[1] >= 0).all()
            assert grid.sort_by_cursor() is None


async def test_sorted_rows_change_places_at_leisure() -> None:
    async with stage() as at:
        at.grid.set_sort(Sort(Field.OI, Side.CALL))
        at.grid.to_end(last=False)
        await at.settle()
        top = at.strikes[0]
        at.scene.oi[3, 0] = at.scene.oi.max() * 2
        at.scene.tick(np.array([3]))
        await at.step()
        assert at.strikes[0] == top
        at.scene.clock.advance(2.1)
        await at.step()
        assert at.strikes[0] == at.scene.chain.strikes[3]


async def test_missing_values_sort_last_both_ways() -> None:
    scene = build_scene(strikes=11)
    scene.board.clear([int(scene.chain.tokens[4, 0])])
    async with stage((80, 24), scene) as at:
        for descending in (True, False):
            at.grid.set_sort(Sort(Field.LTP, Side.CALL, descending))
            await at.settle()
            assert at.strikes[-1] == scene.chain.strikes[4]


async def test_a_filter_hides_rows_and_the_cursor_finds_its_way() -> None:
    async with stage() as at:

        def round_ones(frame: ChainFrame) -> NDArray[np.bool_]:
            return np.asarray(frame.strikes % 500 == 0)

        at.grid.set_filter(round_ones)
        await at.settle()
        assert at.strikes == [23_000 + 500 * i for i in range(6)]
        at.grid.move_cursor(rows=0)
        assert at.grid.cursor.strike in (24_500, 24_000)
        at.grid.set_filter(None)
        await at.settle()
        assert len(at.strikes) > 10


async def test_a_pinned_strike_stays_above_the_rows() -> None:
    async with stage() as at:
        at.grid.toggle_pin()
        at.grid.to_end(last=True)
        await at.settle()
        assert at.grid.pins == {24_350}
        assert 24_350 not in at.strikes
        lines = at.app.lines()
        header = next(y for y, line in enumerate(lines) if "STRIKE" in line)
        assert "24,350" in lines[header + 1]
        assert "25,850" in lines[header + at.grid.size.height - 1]
        at.scene.tick(np.array([30]), 50.0)
        await at.step()
        assert f"{at.scene.chain.price()[30, 0]:.2f}" in at.app.lines()[header + 1]
        at.grid.goto_strike(24_350)
        at.grid.toggle_pin()
        assert not at.grid.pins


async def test_pins_never_take_more_than_a_third() -> None:
    async with stage() as at:
        for _ in range(12):
            at.grid.toggle_pin()
            at.grid.move_cursor(rows=1)
        await at.settle()
        assert len(at.strikes) >= 10


LOOKS: list[Callable[[ChainGrid], None]] = [
    lambda grid: grid.set_preset(PRESETS["greeks"]),
    lambda grid: grid.set_units(Units.LOTS),
    lambda grid: grid.set_bars(BarMeaning.VOLUME),
    lambda grid: grid.set_view(View.STRADDLE),
    lambda grid: grid.set_view(View.ONE_SIDE),
]


@pytest.mark.parametrize("look", range(len(LOOKS)))
async def test_a_look_is_taken_at_once(look: int) -> None:
    async with stage((120, 40)) as at:
        before = at.app.lines()
        LOOKS[look](at.grid)
        await at.settle()
        after = at.app.lines()
        assert after != before
        assert all(len(line) == 120 for line in after)


def test_every_view_unit_and_bar_is_reached_in_a_ring() -> None:
    views = [View.CHAIN, View.CHAIN.next, View.CHAIN.next.next, View.CHAIN.next.next.next]
    units = [Units.LAKH, Units.LAKH.next, Units.LAKH.next.next, Units.LAKH.next.next.next]
    bars = [BarMeaning.OI, BarMeaning.OI.next, BarMeaning.OI.next.next, BarMeaning.OI.next.next.next]
    for ring in (views, units, bars):
        assert ring[0] == ring[3]
        assert len(set(ring)) == 3


async def test_the_straddle_view_has_its_own_cursor() -> None:
    async with stage((120, 40)) as at:
        at.grid.set_view(View.STRADDLE)
        await at.settle()
        leg = at.grid.leg
        assert leg is not None
        assert leg.column == "straddle"
        at.grid.move_cursor(columns=1)
        assert at.grid.cursor.column == "straddle_pct"
        await at.pilot.click(ChainGrid, offset=(14, 5))
        assert at.grid.cursor.column == "straddle"
        assert at.grid.sort_by_cursor() is not None


async def test_the_other_theme_is_on_every_line() -> None:
    async with stage() as at:
        at.app.theme = "cvd-light"
        await at.settle()
        strip = at.grid.render_line(3)
        grounds = {str(s.style.bgcolor.name) for s in strip if s.style is not None and s.style.bgcolor is not None}
        assert "#ffffff" in grounds
        assert "#0b0e14" not in grounds


async def test_without_colour_glyphs_and_brightness_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with stage() as at:
        strips = at.grid.render_lines(Region(0, 0, 80, at.grid.size.height))
        colours = {
            colour.triplet
            for strip in strips
            for segment in strip
            if segment.style is not None
            for colour in (segment.style.color, segment.style.bgcolor)
            if colour is not None and colour.triplet is not None
        }
        assert len(colours) > 3
        assert all(triplet.red == triplet.green == triplet.blue for triplet in colours)
        text = "\n".join(strip.text for strip in strips)
        assert "▲" in text
        assert "▶ 24,350 ◀" in text


async def test_the_wheel_scrolls_and_holds_the_rows() -> None:
    async with stage() as at:
        top = at.strikes[0]
        wheel = MouseScrollDown(at.grid, 5, 5, 0, 1, 0, False, False, False, 5, 5)
        for _ in range(3):
            at.grid.post_message(wheel)
        await at.settle()
        assert at.strikes[0] > top
        shown = at.strikes
        at.scene.tick_underlying(SPOT + 200)
        await at.step()
        at.scene.clock.advance(10)
        await at.step()
        assert at.strikes == shown


async def test_one_side_below_eighty_columns_and_a_sentence_below_forty() -> None:
    async with stage((79, 24)) as at:
        assert at.grid.layout_in_use.view is View.ONE_SIDE
        assert "PUT" not in at.grid.render_line(0).text
        at.grid.set_side(Side.PUT)
        await at.settle()
        assert "PUT" in at.grid.render_line(0).text
        await at.pilot.resize_terminal(30, 10)
        await at.settle()
        assert "40 columns needed" in at.grid.render_line(0).text


async def test_an_empty_grid_paints_blanks() -> None:
    scene = build_scene(strikes=3)
    async with stage((80, 24), scene) as at:
        empty = uniform_chain("X", scene.contracts.expiry, np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
        at.app.reader = ChainReader(OptionChain(empty, scene.board), scene.clock)
        await at.step()
        at.grid.move_cursor(rows=1)
        at.grid.to_atm()
        at.grid.select_leg()
        assert not at.grid.goto_strike(5.0)
        assert at.grid.leg is None
        assert at.strikes == []


async def test_dimming_repaints_and_ends() -> None:
    async with stage() as at:
        normal = at.grid.render_line(3)
        at.grid.set_dimmed(True)
        dim = at.grid.render_line(3)
        assert dim.text == normal.text
        assert dim != normal
        at.grid.set_dimmed(False)
        assert at.grid.render_line(3) == normal


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (81, 25), (110, 34), (120, 40), (180, 46), (200, 50), (260, 70)])
@pytest.mark.parametrize("state", READERS)
async def test_every_line_of_the_view_fills_the_screen(state: str, size: tuple[int, int]) -> None:
    app = ChainHost(READERS[state]())
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        lines = app.lines()
        assert len(lines) == size[1]
        assert {len(line) for line in lines} == {size[0]}


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_no_number_of_a_mock_stands_around_the_rows_without_its_mark(size: tuple[int, int]) -> None:
    app = ChainHost(READERS["mock"]())
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        lines = app.lines()
        assert "MOCK" in lines[0]
        summary = app.chain_view.summary.shown
        assert summary is not None
        text = "\n".join(lines)
        for value in (summary.atm, summary.straddle, summary.pcr, summary.pain):
            line = next(line for line in lines[1:5] if value in line)
            assert f"~{value}" in line, value
        for price in ("24,352.40", "24,371.20"):
            assert f"~{price}" in text
            assert f" {price}" not in text
        totals = next((line for line in lines if "Σ" in line), None)
        if totals is not None:
            assert all(word.startswith("~") for word in totals.split() if any(c.isdigit() for c in word))


async def test_the_banner_cannot_be_dismissed_and_goes_only_with_its_cause() -> None:
    app = ChainHost(READERS["mock"]())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("escape")
        await pilot.click("Banner")
        await pilot.pause()
        assert app.banner.display
        assert "MOCK" in app.lines()[0]
        app.reader.context = replace(app.reader.context, feed=FeedMode.LIVE)
        app.step()
        await pilot.pause()
        assert not app.banner.display


async def test_the_totals_give_their_row_to_the_banner_on_a_small_screen() -> None:
    app = ChainHost(READERS["mock"]())
    async with app.run_test(size=(80, 23)) as pilot:
        await pilot.pause()
        assert not app.chain_view.totals.display
        assert app.grid.size.height == 18
        await pilot.resize_terminal(80, 40)
        await pilot.pause()
        assert app.chain_view.totals.display


async def test_a_click_on_an_expiry_asks_for_it() -> None:
    app = ChainHost(READERS["live"]())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        offsets = dict(app.chain_view.expiry_offsets())
        assert len(offsets) == 7
        line = app.lines()[app.chain_view.strip.region.y]
        for expiry, offset in offsets.items():
            assert f"{expiry:%d%b}" in line[offset.x : offset.x + 10]
