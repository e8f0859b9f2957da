"""`RowList`: the cursor stays on its row, only changed lines are drawn, keys that cannot be chosen are skipped."""

from __future__ import annotations

from textual.app import App, ComposeResult

from tickertui.tui.look.themes import variable_defaults
from tickertui.tui.widgets.row_list import LazyRows, Row, RowList, Span, heading, row


class Host(App[None]):
    CSS = "RowList { height: 5; }"

    def __init__(self) -> None:
        super().__init__()
        self.chosen: list[str] = []

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return variable_defaults()

    def compose(self) -> ComposeResult:
        yield RowList()

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        self.chosen.append(message.key)


def rows_of(*keys: str) -> list[Row]:
    return [row(key, f"line {key}") for key in keys]


async def test_the_cursor_stays_on_its_row_when_rows_come_and_go() -> None:
    app = Host()
    async with app.run_test(size=(40, 8)):
        rows = app.query_one(RowList)
        rows.set_rows(rows_of("a", "b", "c"))
        assert rows.cursor_key == "a"
        rows.move(1)
        rows.set_rows(rows_of("x", "a", "b", "c"))
        assert rows.cursor_key == "b"
        rows.set_rows(rows_of("x", "a", "c"))
        assert rows.cursor_key == "c", "the row that took its place"
        rows.set_rows([heading("nothing")])
        assert rows.cursor_key == ""
        rows.set_rows(rows_of("z"))
        assert rows.cursor_key == "z"


async def test_headings_cannot_hold_the_cursor() -> None:
    app = Host()
    async with app.run_test(size=(40, 8)) as pilot:
        rows = app.query_one(RowList)
        rows.set_rows([heading("title"), *rows_of("a"), heading("more"), *rows_of("b")])
        rows.move(1)
        assert rows.cursor_key == "b"
        rows.move(5)
        assert rows.cursor_key == "b"
        rows.edge(-1)
        assert rows.cursor_key == "a"
        rows.choose()
        await pilot.pause()
        assert app.chosen == ["a"]


async def test_lines_are_exactly_as_wide_as_the_list_and_wide_text_is_cut() -> None:
    app = Host()
    async with app.run_test(size=(20, 8)):
        rows = app.query_one(RowList)
        rows.set_rows([row("a", "short"), row("b", "x" * 50, Span("never seen", "warn")), row("c", "▲ 文字 " * 5)])
        for y in range(5):
            strip = rows.render_line(y)
            assert strip.cell_length == 20
            assert sum(segment.cell_length for segment in strip) == 20
        assert "never seen" not in rows.render_line(1).text


async def test_the_cursor_scrolls_into_sight() -> None:
    app = Host()
    async with app.run_test(size=(20, 8)) as pilot:
        rows = app.query_one(RowList)
        rows.set_rows(rows_of(*(str(n) for n in range(30))))
        rows.edge(1)
        await pilot.pause()
        assert rows.scroll_offset.y == 25
        assert rows.render_line(4).text.startswith("line 29")


async def test_a_click_moves_the_cursor_and_a_second_one_chooses() -> None:
    app = Host()
    async with app.run_test(size=(40, 8)) as pilot:
        rows = app.query_one(RowList)
        rows.set_rows(rows_of("a", "b", "c"))
        await pilot.click(RowList, offset=(3, 2))
        assert rows.cursor_key == "c"
        assert app.chosen == []
        await pilot.click(RowList, offset=(3, 2))
        await pilot.pause()
        assert app.chosen == ["c"]


async def test_of_a_list_of_thousands_only_the_lines_in_sight_are_made() -> None:
    made: list[int] = []

    def make(place: int) -> Row:
        made.append(place)
        return row(f"key{place}", f"line {place}")

    app = Host()
    async with app.run_test(size=(40, 8)) as pilot:
        rows = app.query_one(RowList)
        rows.set_rows(LazyRows([f"key{place}" for place in range(9_000)], make))
        await pilot.pause()
        assert sorted(set(made)) == [0, 1, 2, 3, 4]
        assert rows.cursor_key == "key0"
        rows.edge(1)
        await pilot.pause()
        assert rows.cursor_key == "key8999"
        assert set(made) == {0, 1, 2, 3, 4, *range(8_995, 9_000)}
        made.clear()
        rows.set_rows(LazyRows([f"key{place}" for place in range(9_000)], make))
        await pilot.pause()
        assert set(made) == set(range(8_995, 9_000)), "newer ones in sight only"
        assert rows.cursor_key == "key8999"
        assert rows.render_line(4).text.startswith("line 8999")
