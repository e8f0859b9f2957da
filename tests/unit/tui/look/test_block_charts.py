"""Small charts: exact size, the right order of levels, gaps as gaps."""

from __future__ import annotations

import numpy as np
import pytest

from tickertui.tui.look.block_charts import line_chart, resampled

LEVELS = "▁▂▃▄▅▆▇█"


def heights(lines: list[str]) -> list[int]:
    """Level of each column, counted in eighths from the bottom."""
    rows = lines[::-1]
    return [
        next(8 * row + LEVELS.index(line[column]) for row, line in enumerate(rows) if line[column] != " ")
        for column in range(len(lines[0]))
    ]


@pytest.mark.parametrize("count", [2, 3, 39, 40, 41, 375])
def test_a_chart_has_exactly_its_size_and_one_block_a_column(count: int) -> None:
    lines = line_chart(np.linspace(1.0, 9.0, count), 40, 5)
    assert [len(line) for line in lines] == [40] * 5
    assert all(sum(line[column] != " " for line in lines) == 1 for column in range(40))


def test_a_rising_line_rises_from_the_lowest_to_the_highest_level() -> None:
    levels = heights(line_chart(np.linspace(0.0, 1.0, 40), 40, 5))
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (0, 39)


def test_a_gap_is_blank_and_what_is_missing_at_the_ends_is_no_part_of_it() -> None:
    values = np.array([np.nan, 1.0, 2.0, np.nan, np.nan, 3.0, 4.0, np.nan])
    assert resampled(values, 6).tolist() == pytest.approx([1.0, 2.0, np.nan, np.nan, 3.0, 4.0], nan_ok=True)
    (line,) = line_chart(values, 6, 1)
    assert [cell == " " for cell in line] == [False, False, True, True, False, False]
    (wide,) = line_chart(values, 24, 1)
    assert " " * 5 in wide.strip()
    (narrow,) = line_chart(np.repeat(values, 10), 6, 1)
    assert " " in narrow.strip()


def test_a_flat_line_stands_in_the_middle() -> None:
    assert set(heights(line_chart(np.full(10, 7.0), 10, 2))) == {8}


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, np.nan], [np.nan, 4.0]])
def test_without_two_values_there_is_nothing_to_draw(values: list[float]) -> None:
    assert line_chart(np.array(values, dtype=np.float64), 6, 2) == [" " * 6] * 2
