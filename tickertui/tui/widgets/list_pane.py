"""`ListPane`: a pane around one `RowList`, with the registry's list keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message

from tickertui.tui.keys.actions import Context, bindings_of
from tickertui.tui.terminal.contained import Contained
from tickertui.tui.widgets.row_list import RowList


class ListPane(Contained, Vertical):
    """A list that fills the pane.

    Attributes:
        CONTEXTS: Where its keys are listed; subclasses put their own context first.
    """

    is_place = True
    CONTEXTS: ClassVar[tuple[Context, ...]] = (Context.LIST,)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.LIST)]
    DEFAULT_CSS = "ListPane > RowList { height: 1fr; }"

    @dataclass
    class ActionRequested(Message):
        """The trader asked for something that is not the list's own matter; the main screen sees to it.

        Attributes:
            action_id: In the registry of actions.
            row_key: Of the row under the cursor at that moment, empty for none.
        """

        action_id: str
        row_key: str

    def compose(self) -> ComposeResult:
        """One list."""
        yield RowList()

    @property
    def row_list(self) -> RowList:
        """The list."""
        return self.query_one(RowList)

    def take_focus(self) -> None:
        """Give the keys to the list."""
        self.row_list.focus()

    def action_list_cursor(self, lines: int) -> None:
        """Move the cursor."""
        self.row_list.move(lines)

    def action_list_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self.row_list.page(pages)

    def action_list_edge(self, direction: int) -> None:
        """Move the cursor to one end."""
        self.row_list.edge(direction)

    def action_request(self, action_id: str) -> None:
        """Ask for an action about the row under the cursor."""
        self.post_message(self.ActionRequested(action_id, self.row_list.cursor_key))
