"""The column editor: which columns a side has and in which order, and the names under which choices are kept."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input

from tickertui.frozen import frozen
from tickertui.settings.presets import UNSAVED
from tickertui.tui.chain_grid.columns import COLUMNS, Preset
from tickertui.tui.chain_grid.presets import PresetBook, PresetRefused
from tickertui.tui.keys.actions import Context, bindings_of, key_name
from tickertui.tui.panels.base import ConfirmScreen, Hint, PanelScreen, entry, keys_of
from tickertui.tui.widgets.row_list import Row, RowList, Span, row

_KEYS: Hint = (
    ("column-toggle", "on/off"), ("column-outward column-inward", "order"), ("preset-next", "preset"),
    ("preset-save", "save"), ("preset-delete", "delete"), ("take", "use"), ("close-panel", "back"),
)  # fmt: skip
_NAMING: Hint = (("take", "save under this name"), ("close-panel", "back to the columns"))
_PAGE = 10


@frozen
class ColumnChoice:
    """What the editor closes with.

    Attributes:
        columns: From the outside in.
        name: Of the preset they are, empty for a choice without one.
    """

    columns: tuple[str, ...]
    name: str = ""


class ColumnsScreen(PanelScreen[ColumnChoice]):
    """Closes with the chosen columns.

    Args:
        preset: What is shown now.
        book: Where choices are kept.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.TAKE, Context.LIST, Context.COLUMNS)]
    DEFAULT_CSS = """
    ColumnsScreen Input { display: none; }
    ColumnsScreen.-naming Input { display: block; }
    """

    def __init__(self, preset: Preset, book: PresetBook) -> None:
        super().__init__("", _KEYS)
        self._book = book
        self._preset = preset.name
        self._chosen: list[str] = []
        self._load(preset)

    def content(self) -> ComposeResult:
        """The chosen ones in their order, then the others; the name in front while one is asked for."""
        yield entry(placeholder="name of the preset")
        yield RowList()

    def on_mount(self) -> None:
        """Fill the list and take the keys."""
        self.fit_list(len(COLUMNS) - 1)
        self._show()
        self.query_one(RowList).focus()

    def _load(self, preset: Preset) -> None:
        self._preset = preset.name
        self._chosen = [name for name in preset.columns if name != "ltp"]

    @property
    def _is_changed(self) -> bool:
        preset = self._book.get(self._preset)
        return preset is None or [name for name in preset.columns if name != "ltp"] != self._chosen

    def _show(self) -> None:
        changed = ", changed" if self._is_changed and self._preset != UNSAVED else ""
        self.retitle(f"Columns of a side, from the outside in · {self._preset}{changed}")
        others = [name for name in COLUMNS if name not in self._chosen and name != "ltp"]
        lines = [self._row(name, on=True) for name in self._chosen] + [self._row(name, on=False) for name in others]
        self.query_one(RowList).set_rows(lines)

    @staticmethod
    def _row(name: str, *, on: bool) -> Row:
        column = COLUMNS[name]
        mark = Span(" [x] ", "ok") if on else Span(" [ ] ", "quiet")
        return row(name, mark, f"{column.title or name:<7}", Span(column.help, "quiet"))

    def action_list_cursor(self, lines: int) -> None:
        """Move the cursor."""
        self.query_one(RowList).move(lines)

    def action_list_page(self, pages: int) -> None:
        """Move the cursor by ten columns."""
        self.query_one(RowList).move(pages * _PAGE)

    def action_list_edge(self, direction: int) -> None:
        """Move the cursor to one end."""
        self.query_one(RowList).edge(direction)

    def action_toggle_column(self) -> None:
        """Take the column in or out."""
        name = self.query_one(RowList).cursor_key
        if name in self._chosen:
            self._chosen.remove(name)
        else:
            self._chosen.append(name)
        self._show()

    def action_shift(self, steps: int) -> None:
        """Move the column in its order."""
        name = self.query_one(RowList).cursor_key
        if name not in self._chosen:
            return
        place = self._chosen.index(name)
        self._chosen.insert(max(0, place + steps), self._chosen.pop(place))
        self._show()

    def action_next_preset(self) -> None:
        """Start from the columns of the next preset."""
        names = self._book.names()
        place = names.index(self._preset) if self._preset in names else -1
        preset = self._book.get(names[(place + 1) % len(names)])
        if preset is not None:
            self._load(preset)
            self._show()

    async def action_take(self) -> None:
        """Close with the choice (without any column nothing changes), or save it while its name is asked for."""
        if self.has_class("-naming"):
            await self.query_one(Input).action_submit()
            return
        self.dismiss(
            None if not self._chosen else ColumnChoice(tuple(self._chosen), "" if self._is_changed else self._preset)
        )

    # ------------------------------------------------------------------ names

    def action_name(self) -> None:
        """Ask under which name to keep the choice."""
        line = self.query_one(Input)
        line.value = self._preset if self._book.is_saved(self._preset) else ""
        self._naming(on=True)
        line.focus()

    def _naming(self, *, on: bool) -> None:
        self.set_class(on, "-naming")
        self.rehint(_NAMING if on else _KEYS)
        self.show_error("")
        if not on:
            self.query_one(RowList).focus()

    def action_close(self) -> None:
        """Close without an answer, or give the name up."""
        if self.has_class("-naming"):
            self._naming(on=False)
        else:
            super().action_close()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Keep the choice under the name and use it."""
        message.stop()
        self.run_worker(partial(self._save, message.value.strip()), group="columns", exclusive=True)

    async def _save(self, name: str) -> None:
        columns = tuple(self._chosen)
        if await self._granted(self._book.save(name, columns)):
            self.dismiss(ColumnChoice(columns, name))

    def action_ask_delete(self) -> None:
        """Ask, then forget the saved preset."""
        name = self._preset
        if not self._book.is_saved(name):
            key = key_name("preset-next", keys_of(self))
            self.show_error(f"{name!r} is not a saved preset; {key} goes through all of them")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.run_worker(partial(self._delete, name), group="columns", exclusive=True)

        question = "It goes from the list and from its file."
        self.app.push_screen(ConfirmScreen(f"Delete the preset {name}?", question, "delete it"), answered)

    async def _delete(self, name: str) -> None:
        if await self._granted(self._book.delete(name)):
            self.notify(f"preset {name}: deleted", timeout=3, markup=False)
            self._show()

    async def _granted(self, request: Awaitable[object]) -> bool:
        """Whether the book did it; when it refused, the reason is in sight."""
        try:
            await request
        except PresetRefused as refused:
            self.show_error(str(refused))
            return False
        self.show_error("")
        return True
