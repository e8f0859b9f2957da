"""The column editor: which columns a side has, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tickertui.tui.columns import COLUMNS
from tickertui.tui.screens.modals import PanelScreen
from tickertui.tui.widgets.row_list import Row, RowList, Span, row


class ColumnsScreen(PanelScreen[tuple[str, ...]]):
    """Closes with the names of the chosen columns, from the outside in.

    Args:
        chosen: What is shown now.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("space", "toggle_column", "on/off", tooltip="Show this column, or not."),
        Binding("minus,left,h", "shift(-1)", "outward", tooltip="Move the column outward."),
        Binding("plus,equals_sign,right,l", "shift(1)", "inward", tooltip="Move the column inward."),
        Binding("enter", "take", "take", tooltip="Use these columns."),
    ]

    def __init__(self, chosen: Sequence[str]) -> None:
        super().__init__("Columns of a side, from the outside in", "Space on/off  ← → order  Enter take  Esc back")
        self._chosen = [name for name in chosen if name != "ltp"]

    def content(self) -> ComposeResult:
        """The chosen ones in their order, then the others."""
        yield RowList()

    def on_mount(self) -> None:
        """Fill the list and take the keys."""
        self.fit_list(len(COLUMNS) - 1)
        self._show()
        self.query_one(RowList).focus()

    def _show(self) -> None:
        others = [name for name in COLUMNS if name not in self._chosen and name != "ltp"]
        lines = [self._row(name, on=True) for name in self._chosen] + [self._row(name, on=False) for name in others]
        self.query_one(RowList).set_rows(lines)

    @staticmethod
    def _row(name: str, *, on: bool) -> Row:
        column = COLUMNS[name]
        mark = Span(" [x] ", "ok") if on else Span(" [ ] ", "quiet")
        return row(name, mark, f"{column.title or name:<7}", Span(column.help, "quiet"))

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self.query_one(RowList).move(lines)

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

    def action_take(self) -> None:
        """Close with the choice."""
        self.dismiss(tuple(self._chosen))
