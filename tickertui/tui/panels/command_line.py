"""The ``:`` line: any action by its id, and a few commands that take a word, with completion."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input

from tickertui.frozen import frozen
from tickertui.tui.keys.actions import Action, Context, bindings_of, key_name
from tickertui.tui.panels.base import Choice, LineScreen, entry, keys_of, narrowed
from tickertui.tui.widgets.row_list import RowList, Span, row


@frozen
class Command:
    """A command of the line.

    Attributes:
        name: First word.
        help: One sentence.
        words: What may follow it, for completion; empty where it takes free text or nothing.
    """

    name: str
    help: str
    words: Callable[[], Sequence[str]] = tuple


class CommandSyntax(ValueError):  # noqa: N818 - what was typed, not a defect
    """The line means nothing; the text names the nearest command."""


def parse_command(text: str, commands: Mapping[str, Command], *, complete: str = "Tab") -> tuple[str, str]:
    """Return (name, argument) of a line.

    Args:
        text: As typed.
        commands: By name.
        complete: The key that completes, for the sentence that proposes it.

    Raises:
        CommandSyntax: For an unknown first word.
    """
    name, _, argument = text.strip().removeprefix(":").partition(" ")
    if name not in commands:
        near = difflib.get_close_matches(name, commands, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; {complete} completes what there is"
        raise CommandSyntax(f"no command {name!r}{hint}")
    return name, argument.strip()


def action_commands(actions: Iterable[Action]) -> dict[str, Command]:
    """Actions of the registry as commands without an argument."""
    return {action.id: Command(action.id, action.tooltip) for action in actions}


class CommandLineScreen(LineScreen[tuple[str, str]]):
    """Closes with (name, argument)."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.PICKER, Context.COMPLETION)]

    def __init__(self, commands: Mapping[str, Command]) -> None:
        hint = (("complete", "complete"), ("choice-up choice-down", "choose"), ("take", "run"), ("close-panel", "back"))
        super().__init__("Command", hint)
        self._commands = commands

    def content(self) -> ComposeResult:
        """The line above what matches."""
        yield entry(placeholder="goto 24500, underlying SENSEX, theme mono, or any action")
        yield RowList()

    def on_mount(self) -> None:
        """Take the keys."""
        rows = self.query_one(RowList)
        self.fit_list(14, others=1)
        rows.follow_only()
        self._suggest("")
        self.query_one(Input).focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Suggest while typing."""
        message.stop()
        if message.value != message.input.value:
            return  # a newer one follows
        self._suggest(message.value)

    def _suggest(self, text: str) -> None:
        name, space, argument = text.partition(" ")
        command = self._commands.get(name)
        if space and command is not None:
            words = [Choice(f"{name} {word}", f"{name} {word}") for word in command.words()]
            choices = narrowed(words, argument) if argument else words
        else:
            choices = narrowed([Choice(item.name, item.name, item.help) for item in self._commands.values()], name)
        rows = [
            row(choice.key, Span(f" {choice.text:<24} ", "strong"), Span(choice.note, "quiet")) for choice in choices
        ]
        self.query_one(RowList).set_rows(rows)
        self.query_one(RowList).edge(-1)

    def action_move(self, lines: int) -> None:
        """Choose another suggestion."""
        self.query_one(RowList).move(lines)

    def action_complete(self) -> None:
        """Take the suggestion into the line."""
        key = self.query_one(RowList).cursor_key
        if key:
            line = self.query_one(Input)
            line.value = key if " " in key or not self._commands[key].words() else f"{key} "
            line.cursor_position = len(line.value)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Run the line, or the suggestion when the line is only part of one."""
        message.stop()
        text = message.value.strip()
        suggestion = self.query_one(RowList).cursor_key
        word = text.partition(" ")[0]
        if word not in self._commands and suggestion:
            text = suggestion
        try:
            complete = key_name("complete", keys_of(self))
            self.dismiss(parse_command(text, self._commands, complete=complete))
        except CommandSyntax as mistake:
            self.show_error(str(mistake))
