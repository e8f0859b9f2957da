"""Rows of the grid as text, without an app: what stands under which header, and that nothing synthetic is unmarked."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.style import Style

from tests.support.boards import build_scene
from tests.support.chain_host import READERS
from tests.support.colours import contrast
from tickertui.market.chain import Side
from tickertui.market.ticks import Source
from tickertui.tui.chain_grid.columns import COLUMNS, NARROW, PRESETS, Kind, Placed, Preset, View, fit, user_preset
from tickertui.tui.chain_grid.row_painter import RowPainter
from tickertui.tui.chain_grid.straddle_painter import PAIRS, StraddlePainter
from tickertui.tui.look.format import ASCII, UNICODE, GlyphSet, Units
from tickertui.tui.look.styles import build_palette
from tickertui.tui.look.themes import load_themes, variable_defaults
from tickertui.tui.terminal.line import merge
from tickertui.tui.view.chain_reader import ChainContext, ChainReader
from tickertui.tui.view.data_states import DataState
from tickertui.tui.view.frames import BarMeaning, ChainFrame, Field

PALETTE = build_palette(variable_defaults())
FRAMES = {name: build().read() for name, build in READERS.items()}
everything = user_preset("everything", list(COLUMNS))
presets = st.sampled_from([*PRESETS.values(), everything])


def painter(
    preset: Preset = PRESETS["oi"],
    width: int = 80,
    *,
    view: View = View.CHAIN,
    side: Side = Side.CALL,
    units: Units = Units.LAKH,
    bars: BarMeaning = BarMeaning.OI,
    glyphs: GlyphSet = UNICODE,
) -> RowPainter:
    layout = fit(preset, width, view=view, side=side, units=units)
    return RowPainter(layout, PALETTE, units=units, bars=bars, glyphs=glyphs)


def cell(text: str, placed: Placed) -> str:
    return text[placed.x : placed.x + placed.cells]


@given(
    presets, st.integers(NARROW, 260), st.sampled_from(list(Units)), st.sampled_from(list(BarMeaning)),
    st.sampled_from([UNICODE, ASCII]), st.sampled_from([View.CHAIN, View.ONE_SIDE]), st.sampled_from(sorted(FRAMES)),
    st.integers(0, 60),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_every_line_is_exactly_as_wide_as_the_grid(
    preset: Preset, width: int, units: Units, bars: BarMeaning, glyphs: GlyphSet, view: View, name: str, row: int
) -> None:
    rows = painter(preset, width, view=view, units=units, bars=bars, glyphs=glyphs)
    frame = FRAMES[name]
    for strip in (rows.row(frame, row, cursor_side=0, cursor_column="ltp").strip, rows.header(mock=frame.is_mock)):
        assert strip.cell_length == width
        assert len(strip.text) == width
        assert glyphs is UNICODE or strip.text.isascii()
        assert all(segment.style is not None and segment.style.bgcolor is not None for segment in strip)


DISTINCT = {
    Field.LTP: 111.05, Field.CLOSE: 112.05, Field.BID: 113.05, Field.ASK: 114.05, Field.AVERAGE: 115.05,
    Field.HIGH: 116.05, Field.LOW: 117.05, Field.OI: 2_110_000, Field.VOLUME: 2_220_000, Field.BID_QTY: 330,
    Field.ASK_QTY: 440, Field.LAST_QTY: 550, Field.IV: 0.126, Field.DELTA: 0.51, Field.GAMMA: 0.00061,
    Field.THETA: -7.25, Field.VEGA: 8.25, Field.OI_CHANGE: 233_000, Field.CHANGE: 9.35, Field.CHANGE_PCT: 4.45,
    Field.SPREAD: 1.55, Field.MARK_OI: 244_000, Field.MARK_LTP: 3.65, Field.MARK_VOLUME: 255_000,
}  # fmt: skip
EXPECTED = {
    "oi": "21.1L", "oi_change": "+2.33L", "mark_oi": "+2.44L", "volume": "22.2L", "mark_volume": "+2.55L",
    "iv": "12.6", "gamma": ".00061", "theta": "-7.25", "vega": "8.25", "bid": "113.05", "bid_qty": "330",
    "ask": "114.05", "ask_qty": "440", "spread": "1.55", "change": "+9.35", "change_pct": "+4.45%",
    "mark_ltp": "+3.65", "average": "115.05", "high": "116.05", "low": "117.05",
}  # fmt: skip


def distinct_frame() -> ChainFrame:
    """Every field of every leg has a value of its own."""
    frame = FRAMES["closed"]
    values = frame.values.copy()
    for field, value in DISTINCT.items():
        values[..., field] = value
    return replace(frame, values=values)


@pytest.mark.parametrize("width", [60, 80, 100, 120, 156, 200, 420])
@pytest.mark.parametrize("preset", [*PRESETS.values(), everything], ids=lambda preset: preset.name)
def test_every_value_stands_under_its_own_header(preset: Preset, width: int) -> None:
    rows = painter(preset, width)
    text, header = rows.row(distinct_frame(), 10).text, rows.header(mock=False).text
    for placed in rows.layout.placed:
        column = placed.column
        title = cell(header, placed)
        if column.kind is Kind.PRICE:
            assert title.split() == ["PUT" if placed.side is Side.PUT else "CALL", "age"]
            assert cell(text, placed).strip() == "111.05"
        elif column.kind is Kind.BAR:
            assert title.strip() == "bar"
        else:
            assert title.strip() in (column.title, column.short, column.title[: placed.width])
            expected = EXPECTED.get(column.name) or (".51" if placed.width < 5 else "+0.51")
            assert cell(text, placed).strip() == expected, column.name
            assert cell(text, placed).startswith(" " * placed.gap)


def test_the_columns_of_everything_are_all_told_apart() -> None:
    shown = {placed.column.name for placed in painter(everything, 420).layout.placed}
    assert shown == set(COLUMNS)
    assert len(set(EXPECTED.values())) == len(EXPECTED)


NUMBER = re.compile(r"\d")


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=lambda glyphs: glyphs.name)
@pytest.mark.parametrize("width", [40, 60, 79, 80, 100, 120, 156, 200, 420])
@pytest.mark.parametrize("preset", [*PRESETS.values(), everything], ids=lambda preset: preset.name)
def test_no_synthetic_value_is_shown_without_its_mark(preset: Preset, width: int, glyphs: GlyphSet) -> None:
    frame = FRAMES["mock"]
    assert frame.is_mock
    for side in Side:
        rows = painter(preset, width, side=side, glyphs=glyphs)
        header = rows.header(mock=frame.is_mock).text
        for placed in rows.layout.placed:
            if placed.column.kind is not Kind.BAR:
                assert "~" in cell(header, placed), placed.column.name
        for row in range(len(frame.strikes)):
            text = rows.row(frame, row).text
            for placed in rows.layout.placed:
                if placed.column.kind is Kind.PRICE:
                    shown = cell(text, placed).strip()
                    assert shown.startswith("~") == bool(NUMBER.search(shown)), shown


@pytest.mark.parametrize("state", [state for state in DataState if state is not DataState.MOCK])
def test_only_a_synthetic_price_has_the_mark_in_front(state: DataState) -> None:
    frame = FRAMES["live"]
    shown = replace(frame, states=np.full_like(frame.states, state))
    rows = painter()
    assert not shown.is_mock
    assert "~" not in rows.header(mock=shown.is_mock).text
    for placed in rows.layout.placed:
        if placed.column.kind is Kind.PRICE:
            assert not cell(rows.row(shown, 30).text, placed).strip().startswith("~")


def test_the_straddle_view_marks_synthetic_values_too() -> None:
    frame = FRAMES["mock"]
    view = StraddlePainter(200, PALETTE, units=Units.LAKH, glyphs=UNICODE)
    assert len(view.pairs) == len(PAIRS)
    header = view.header(mock=True).text
    assert header.count("~") == len(PAIRS)
    for row in range(len(frame.strikes)):
        text = view.row(frame, row).text
        assert len(text) == 200
        assert "~" in text[12:22]


def test_the_straddle_view_adds_both_legs() -> None:
    frame = FRAMES["closed"]
    row = frame.atm_row
    view = StraddlePainter(120, PALETTE, units=Units.LAKH, glyphs=UNICODE)
    text = view.row(frame, row).text
    legs = frame.values[row]
    assert f"{legs[:, Field.LTP].sum():.2f}" in text
    assert f"{legs[:, Field.DELTA].sum():+.2f}" in text
    assert text.startswith(" ▶ 24,350 ◀ ")
    missing = replace(frame, values=np.full_like(frame.values, np.nan))
    assert not NUMBER.search(view.row(missing, row).text[12:])


@pytest.mark.parametrize(
    ("state", "tail"),
    [
        (DataState.LIVE, "▲14s"), (DataState.QUIET, "▲14s"), (DataState.STALE, "~14s"), (DataState.SNAP, "'14s"),
        (DataState.CAS, "=14s"), (DataState.REPLAY, "▲14s"), (DataState.MOCK, "▲"), (DataState.CLOSED, ""),
    ],
)  # fmt: skip
def test_what_stands_behind_a_price_tells_its_state(state: DataState, tail: str) -> None:
    frame = FRAMES["live"]
    ages = np.full_like(frame.ages, -1 if state in (DataState.MOCK, DataState.CLOSED) else 14)
    shown = replace(
        frame,
        states=np.full_like(frame.states, state),
        directions=np.ones_like(frame.directions),
        ages=ages,
    )
    rows = painter()
    price = rows.layout.call[-1]
    assert cell(rows.row(shown, 30).text, price).split(".")[1][2:].strip() == tail


def test_missing_is_a_dash_and_never_a_zero() -> None:
    frame = FRAMES["live"]
    for state in (DataState.WAITING, DataState.NEVER, DataState.ERROR, DataState.MOCK, DataState.STALE):
        empty = replace(
            frame, values=np.full_like(frame.values, np.nan), states=np.full_like(frame.states, state),
            ages=np.full_like(frame.ages, -1),
        )  # fmt: skip
        rows = painter(PRESETS["full"], 200)
        text = rows.row(empty, 30).text
        for placed in rows.layout.placed:
            if placed.column.kind is not Kind.BAR:
                shown = cell(text, placed).strip()
                assert shown.rstrip("~!") == "—", (state, placed.column.name)
        assert "!" in text or state is not DataState.ERROR


def test_the_row_at_the_money_is_marked_in_shape_and_ground() -> None:
    frame = FRAMES["live"]
    rows = painter()
    atm, other = rows.row(frame, frame.atm_row).strip, rows.row(frame, frame.atm_row + 1).strip
    assert "▶ 24,350 ◀" in atm.text
    assert "▶" not in other.text

    def grounds(row: object) -> set[str]:
        assert hasattr(row, "_segments")
        return {str(segment.style.bgcolor.name) for segment in row._segments if segment.style and segment.style.bgcolor}

    assert variable_defaults()["atm"].lower() in grounds(atm)
    assert variable_defaults()["atm"].lower() not in grounds(other)
    assert variable_defaults()["itm"].lower() in grounds(other)


def test_a_pinned_strike_is_marked() -> None:
    rows = painter()
    assert "• 24,400" in rows.row(FRAMES["live"], 31, pinned=True).text
    assert "• 24,400" not in rows.row(FRAMES["live"], 31).text


@pytest.mark.parametrize("bars", list(BarMeaning))
def test_bars_are_as_long_as_their_values(bars: BarMeaning) -> None:
    frame = FRAMES["live"]
    rows = painter(PRESETS["oi"], 120, bars=bars)
    for row in range(len(frame.strikes)):
        text = rows.row(frame, row).text
        for placed in rows.layout.placed:
            if placed.column.kind is Kind.BAR:
                value = abs(float(frame.values[row, placed.side, bars.field]))
                eighths = 8 * placed.width * value / frame.bar_scales[bars]
                full = cell(text, placed).count("█")
                assert abs(full * 8 - eighths) < 8.5


def test_quantities_follow_the_units() -> None:
    frame = FRAMES["live"]
    value = float(frame.values[30, 0, Field.OI])
    shown = {}
    for units in Units:
        rows = painter(PRESETS["oi"], 200, units=units)
        placed = next(item for item in rows.layout.call if item.column.name == "oi")
        shown[units] = cell(rows.row(frame, 30).text, placed).strip()
    assert shown[Units.LAKH] == f"{value / 1e5:.1f}L"
    assert shown[Units.LOTS] == f"{value / 65 / 1e3:.1f}K"
    assert int(shown[Units.CONTRACTS].replace(",", "")) == round(value / 65), "one contract is one lot"


def test_neighbours_of_one_style_become_one_segment() -> None:
    strip = merge([("a", 0), ("b", 0), ("", 1), ("c", 1), ("d", 0)], (Style(), Style(bold=True)), 4)
    assert [segment.text for segment in strip] == ["ab", "c", "d"]
    assert painter().row(FRAMES["live"], 30).text == "".join(s.text for s in painter().row(FRAMES["live"], 30).strip)
    assert len(list(painter().row(FRAMES["closed"], 10).strip)) <= 16


def test_a_dimmed_palette_has_one_ink() -> None:
    dimmed = build_palette(variable_defaults(), dimmed=True)
    normal = build_palette(variable_defaults())
    assert len({style.color for style in dimmed}) < len({style.color for style in normal})


def test_every_shipped_theme_makes_a_palette() -> None:
    for theme in load_themes()[0].values():
        assert len(build_palette(theme.variables)) == len(PALETTE)


@pytest.mark.parametrize("theme", sorted(load_themes()[0]))
def test_the_mark_of_a_synthetic_price_can_be_read_in_every_theme(theme: str) -> None:
    frame = FRAMES["mock"]
    palette = build_palette(load_themes()[0][theme].variables)
    rows = RowPainter(fit(PRESETS["oi"], 80), palette, units=Units.LAKH, bars=BarMeaning.OI, glyphs=UNICODE)
    marked = 0
    for row in range(len(frame.strikes)):
        for cursor in (-1, 0, 1):
            for segment in rows.row(frame, row, cursor_side=cursor, cursor_column="ltp").strip:
                if "~" in segment.text:
                    marked += segment.text.count("~")
                    assert segment.style is not None
                    ink, ground = segment.style.color, segment.style.bgcolor
                    assert ink is not None
                    assert ground is not None
                    assert contrast(ink.name, ground.name) >= 4.5
    assert marked == 3 * 2 * len(frame.strikes)


def test_a_mock_scene_of_another_seed_is_marked_as_well() -> None:
    scene = build_scene(source=Source.MOCK, seed=11)
    assert ChainReader(scene.chain, scene.clock, ChainContext()).read().is_mock
