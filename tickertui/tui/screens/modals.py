"""Modal screens that others are made of: a question, a list to read, a list to choose from by typing.

They are panels below the first row, so that the MOCK or REPLAY banner stays in sight; ``Esc`` closes each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tickertui.tui.widgets.row_list import Row, RowList, Span, row

T = TypeVar("T")


class PanelScreen(ModalScreen[T | None], Generic[T]):
    """A bordered panel with a title over the dimmed main screen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "back", tooltip="Close this.")]
    DEFAULT_CSS = """
    PanelScreen {
        align: center middle;
        background: $ground 60%;
        & > Vertical {
            width: 80%;
            min-width: 60;
            max-width: 110;
            height: auto;
            max-height: 90%;
            margin-top: 1;
            background: $ground;
            border: round $quiet;
            padding: 0 1;
        }
        & .panel-hint { height: 1; color: $quiet; }
        & .panel-text { height: auto; color: $text-cell; }
        & .panel-error { height: auto; color: $error; display: none; }
        & .panel-error.-shown { display: block; }
        & Input { height: 1; border: none; padding: 0; background: $header; }
        & RowList { height: auto; max-height: 30; min-height: 1; }
    }
    """

    def __init__(self, title: str, hint: str) -> None:
        super().__init__()
        self._title = title
        self._hint = hint

    def compose(self) -> ComposeResult:
        """Title, the content of the subclass, a hint about keys."""
        with Vertical() as panel:
            panel.border_title = self._title
            yield from self.content()
            yield Static("", classes="panel-error", markup=False)
            yield Static(self._hint, classes="panel-hint", markup=False)

    def content(self) -> ComposeResult:
        """What stands between title and hint."""
        yield from ()

    def show_error(self, sentence: str) -> None:
        """Show why it did not work; an empty sentence takes it away."""
        error = self.query_one(".panel-error", Static)
        error.update(sentence)
        error.set_class(bool(sentence), "-shown")

    def action_close(self) -> None:
        """Close without an answer."""
        self.dismiss(None)


class ConfirmScreen(PanelScreen[bool]):
    """A question about something that acts at once: what will happen, in numbers."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,y", "answer(True)", "yes", tooltip="Do it."),
        Binding("n", "answer(False)", "no", tooltip="Leave it."),
    ]

    def __init__(self, title: str, text: str, yes: str) -> None:
        super().__init__(title, f"Enter {yes}   Esc leave it")
        self._text = text

    def content(self) -> ComposeResult:
        """The question."""
        yield Static(self._text, classes="panel-text", markup=False)

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)


class ListScreen(PanelScreen[str]):
    """Rows to read; Enter closes with the key of the row under the cursor where a row has one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("g,home", "edge(-1)", "first", show=False),
        Binding("G,end", "edge(1)", "last", show=False),
        Binding("enter", "choose", "choose", show=False),
        Binding("y", "copy", "copy", tooltip="Copy the text to the clipboard."),
    ]

    def __init__(self, title: str, rows: Sequence[Row], hint: str = "y copy   Esc back") -> None:
        super().__init__(title, hint)
        self._rows = rows

    def content(self) -> ComposeResult:
        """The rows."""
        yield RowList()

    def on_mount(self) -> None:
        """Fill the list and take the keys."""
        rows = self.query_one(RowList)
        rows.styles.height = min(30, max(1, len(self._rows)))
        rows.set_rows(self._rows)
        rows.focus()

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show other rows."""
        self._rows = rows
        self.query_one(RowList).set_rows(rows)

    def action_move(self, lines: int) -> None:
        """Move the cursor, or scroll where no row can hold it."""
        rows = self.query_one(RowList)
        if rows.cursor_key:
            rows.move(lines)
        else:
            rows.scroll_relative(y=lines, animate=False)

    def action_page(self, pages: int) -> None:
        """Move by one page."""
        self.action_move(pages * max(1, self.query_one(RowList).size.height - 1))

    def action_edge(self, direction: int) -> None:
        """Go to one end."""
        self.action_move(direction * len(self._rows))

    def action_choose(self) -> None:
        """Close with the row under the cursor."""
        self.dismiss(self.query_one(RowList).cursor_key or None)

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """A click on the cursor chooses."""
        self.dismiss(message.key)

    def action_copy(self) -> None:
        """Copy all of it."""
        self.app.copy_to_clipboard("\n".join(item.text.rstrip() for item in self._rows))
        self.notify("Copied.", timeout=2)


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose.

    Attributes:
        key: What the picker returns.
        text: What is shown and searched.
        note: Shown behind it, not searched.
        role: Style of the text.
    """

    key: str
    text: str
    note: str = ""
    role: str = "text"


class PickerScreen(PanelScreen[str]):
    """Choose by typing part of a name; the list narrows with each letter.

    Args:
        title: Of the panel.
        choices: All of them, in the order to show.
        current: Key to start on.
        search: Where choices come from as one types, instead of narrowing ``choices``.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "up", show=False, priority=True),
        Binding("down", "move(1)", "down", show=False, priority=True),
        Binding("pageup", "move(-10)", "page up", show=False, priority=True),
        Binding("pagedown", "move(10)", "page down", show=False, priority=True),
        Binding("enter", "choose", "choose", show=False, priority=True),
    ]

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        *,
        current: str = "",
        search: Callable[[str], Sequence[Choice]] | None = None,
        placeholder: str = "type to narrow",
    ) -> None:
        super().__init__(title, "↑↓ choose   Enter take   Esc back")
        self._choices = choices
        self._current = current
        self._search = search
        self._placeholder = placeholder

    def content(self) -> ComposeResult:
        """What was typed, above what matches."""
        yield Input(placeholder=self._placeholder, compact=True)
        yield RowList()

    def on_mount(self) -> None:
        """Show everything."""
        rows = self.query_one(RowList)
        rows.styles.height = min(20, max(3, len(self._choices)))
        rows.can_focus = False
        self._show(self._choices)
        if self._current:
            keys = [choice.key for choice in self._choices]
            if self._current in keys:
                rows.move(keys.index(self._current))
        self.query_one(Input).focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Narrow while typing."""
        if self._search is not None and message.value.strip():
            self._show(self._search(message.value))
        else:
            self._show(narrowed(self._choices, message.value))
        self.query_one(RowList).edge(-1)

    def _show(self, choices: Iterable[Choice]) -> None:
        rows = [row(c.key, Span(f" {c.text} ", c.role), Span(c.note, "quiet")) for c in choices]
        self.query_one(RowList).set_rows(rows or [row("", Span(" nothing matches", "quiet"))])

    def action_move(self, lines: int) -> None:
        """Move the cursor while the input keeps the keys."""
        self.query_one(RowList).move(lines)

    def action_choose(self) -> None:
        """Close with what is under the cursor."""
        self.dismiss(self.query_one(RowList).cursor_key or None)

    def on_row_list_highlighted(self, message: RowList.Highlighted) -> None:
        """Subclasses that preview listen to the list themselves."""
        message.stop()

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """A click on the cursor chooses."""
        self.dismiss(message.key)


def narrowed(choices: Sequence[Choice], typed: str) -> list[Choice]:
    """Return the choices that match: a beginning first, then a word, then letters in order.

    The order within each group is the given one, so that equal matches do not jump.
    """
    words = typed.lower().split()
    if not words:
        return list(choices)
    ranked = [(max(_rank(choice.text.lower(), word) for word in words), choice) for choice in choices]
    return [choice for rank, choice in sorted(ranked, key=lambda item: item[0]) if rank < _NO_MATCH]


_NO_MATCH = 4


def _rank(text: str, word: str) -> int:
    if text.startswith(word):
        return 0
    if f" {word}" in text:
        return 1
    if word in text:
        return 2
    letters = iter(text)
    return 3 if all(letter in letters for letter in word) else _NO_MATCH
