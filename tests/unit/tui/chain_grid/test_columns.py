from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickertui.market.chain import Side
from tickertui.tui.chain_grid.columns import (
    CHAIN_WIDTH,
    COLUMNS,
    NARROW,
    PRESETS,
    Kind,
    Layout,
    Preset,
    View,
    fit,
    user_preset,
)
from tickertui.tui.look.format import Units

widths = st.integers(NARROW, 300)
presets = st.sampled_from(list(PRESETS.values()))
units = st.sampled_from(list(Units))


def names(layout: Layout, side: Side) -> list[str]:
    return [placed.column.name for placed in (layout.put if side is Side.PUT else layout.call)]


@pytest.mark.parametrize(
    ("width", "call"),
    [
        (80, ["bar", "oi", "oi_change", "delta", "ltp"]),
        (120, ["bar", "oi", "oi_change", "volume", "iv", "delta", "ltp"]),
        (156, ["bar", "oi", "oi_change", "volume", "iv", "delta", "bid", "ask", "ltp"]),
    ],
)
def test_the_default_columns_of_the_three_sizes_fill_the_line(width: int, call: list[str]) -> None:
    layout = fit(PRESETS["oi"], width)
    assert names(layout, Side.CALL) == call
    assert names(layout, Side.PUT) == call[::-1]
    assert layout.margin == 0
    assert layout.used == width


@given(presets, widths, units, st.sampled_from([View.CHAIN, View.ONE_SIDE]), st.sampled_from(list(Side)))
def test_columns_stand_side_by_side_within_the_width(
    preset: Preset, width: int, unit: Units, view: View, side: Side
) -> None:
    layout = fit(preset, width, view=view, side=side, units=unit)
    taken = sorted(
        [(placed.x, placed.x + placed.cells) for placed in layout.placed]
        + [(layout.strike_x, layout.strike_x + layout.strike_width)]
    )
    assert taken[0][0] == layout.margin
    assert taken[-1][1] == layout.used <= width
    for (_, end), (start, _) in itertools.pairwise(taken):
        assert end == start
    assert "ltp" in [placed.column.name for placed in layout.placed]
    if layout.view is View.CHAIN:
        assert names(layout, Side.CALL) == names(layout, Side.PUT)[::-1]


@given(presets, st.integers(CHAIN_WIDTH, 299), units)
def test_a_wider_line_never_shows_fewer_columns(preset: Preset, width: int, unit: Units) -> None:
    narrow = fit(preset, width, units=unit)
    wide = fit(preset, width + 1, units=unit)
    if narrow.view is wide.view:
        assert len(wide.call) >= len(narrow.call)


@given(presets, st.integers(NARROW, CHAIN_WIDTH - 1))
def test_below_eighty_columns_one_side_is_shown(preset: Preset, width: int) -> None:
    layout = fit(preset, width, side=Side.PUT)
    assert layout.view is View.ONE_SIDE
    assert layout.strike_x == 0
    assert not layout.call
    assert layout.put[0].column.kind is Kind.PRICE


def test_every_preset_shows_something_of_its_own_at_eighty_columns() -> None:
    shown = {name: tuple(names(fit(preset, 80), Side.CALL)) for name, preset in PRESETS.items()}
    assert "bid" in shown["price"]
    assert "ask" in shown["price"]
    assert "theta" in shown["greeks"]
    assert "oi" in shown["oi"]


def test_a_cell_is_found_by_its_place() -> None:
    layout = fit(PRESETS["oi"], 80)
    for placed in layout.placed:
        assert layout.at(placed.x) is placed
        assert layout.at(placed.x + placed.cells - 1) is placed
    assert layout.at(layout.strike_x) is None
    assert layout.at(500) is None


def test_the_traders_own_columns() -> None:
    preset = user_preset("mine", ["volume", "ltp", "iv"])
    assert preset.columns == ("volume", "iv", "ltp")
    assert names(fit(preset, 120), Side.CALL) == ["volume", "iv", "ltp"]
    everything = user_preset("all", list(COLUMNS))
    assert names(fit(everything, 80), Side.CALL)[-1] == "ltp"
    with pytest.raises(ValueError, match="'ivv' is no column; did you mean 'iv'"):
        user_preset("mine", ["ivv"])
    with pytest.raises(ValueError, match="twice"):
        user_preset("mine", ["iv", "iv"])


def test_quantities_in_full_take_the_room_they_need() -> None:
    layout = fit(PRESETS["oi"], 120, units=Units.CONTRACTS)
    oi = next(placed for placed in layout.call if placed.column.name == "oi")
    assert oi.width >= len("99,99,99,999")
