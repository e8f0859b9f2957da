"""`KeyBar`: the last line of the screen, made from the registry for the focused pane."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.geometry import Offset
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tickertui.frozen import frozen
from tickertui.tui.keys.actions import Context, actions_of, footer_place, key_name
from tickertui.tui.look.breakpoints import WIDE
from tickertui.tui.look.format import UNICODE, GlyphSet

"""From this width on labels are written in full."""
_SEPARATOR = " │"


@frozen
class Entry:
    """One entry of the bar.

    Attributes:
        action: Id of the action.
        key: As printed on a keyboard; two keys with a space for a pair.
        label: What it does, in a word.
        active: Whether it is the pane that is shown.
    """

    action: str
    key: str
    label: str
    active: bool

    @property
    def is_tab(self) -> bool:
        """Whether it stands right before its label, as the panes' digits do."""
        return self.key.isdigit()

    @property
    def text(self) -> str:
        """The cells it takes, the space in front included."""
        if self.is_tab:
            return f" {self.key}{self.label}"
        return f" {self.key} {self.label} " if self.label else f" {self.key} "


class KeyBar(Widget):
    """Keys and short labels; what does not fit is left out from the right, help stays.

    Args:
        glyphs: Unicode or ASCII.
        id: As for every widget.
    """

    ALLOW_SELECT: ClassVar[bool] = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-bar--key", "key-bar--label", "key-bar--active"}
    DEFAULT_CSS = """
    KeyBar {
        height: 1;
        background: $header;
        & > .key-bar--key { color: $header-text; background: $header; text-style: bold; }
        & > .key-bar--label { color: $header-text; background: $header; }
        & > .key-bar--active { color: $text-cell; background: $atm; text-style: bold; }
    }
    """

    @dataclass
    class Pressed(Message):
        """An entry was clicked."""

        action: str

    def __init__(self, *, glyphs: GlyphSet = UNICODE, id: str | None = None) -> None:
        super().__init__(id=id)
        self._glyphs = glyphs
        self._contexts: tuple[Context, ...] = (Context.APP,)
        self._active = ""
        self._keys: Mapping[str, str] = {}

    def show(self, contexts: Iterable[Context], active: str, keys: Mapping[str, str]) -> None:
        """Show the actions of contexts.

        Args:
            contexts: Of the focused pane.
            active: Action id of the pane that is shown; it is highlighted.
            keys: The user's own keys by action id.
        """
        state = (tuple(contexts), active, keys)
        if state != (self._contexts, self._active, self._keys):
            self._contexts, self._active, self._keys = state
            self.refresh()

    def entries(self) -> list[Entry]:
        """Return what fits, left to right."""
        narrow = self.size.width < WIDE
        shown = (action for action in actions_of(self._contexts) if action.footer)
        actions = sorted(shown, key=lambda action: footer_place(action, self._contexts))
        entries = []
        for action in actions:
            key = key_name(action.id, self._keys)
            if action.partner:
                key += f" {key_name(action.partner, self._keys)}"
            label = action.group or (action.short if narrow and action.short else action.label)
            entries.append(Entry(action.id, key, label.strip(), action.id == self._active))
        # Without room quit goes first (help lists it), then what stands before help, from the right.
        while len(entries) > 1 and sum(len(entry.text) for entry in entries) + len(_SEPARATOR) - 1 > self.size.width:
            del entries[-1 if entries[-1].action == "quit" else -2]
        return entries

    def _placed(self) -> list[tuple[int, Entry]]:
        """Entries and the cell where each one begins; a bar stands between the panes and the other keys."""
        placed: list[tuple[int, Entry]] = []
        x, after_tabs = 0, False
        for entry in self.entries():
            if not entry.is_tab and not after_tabs:
                after_tabs = True
                x += len(_SEPARATOR) if placed else 0
            placed.append((x, entry))
            x += len(entry.text)
        return placed

    def offset_of(self, action_id: str) -> Offset:
        """Return where an entry stands on the screen; the bar's beginning for one that is not shown."""
        x = next((x for x, entry in self._placed() if entry.action == action_id), 0)
        return self.region.offset + Offset(x, 0)

    def on_click(self, event: events.Click) -> None:
        """Do what the key under the pointer does."""
        event.stop()
        for x, entry in self._placed():
            if x <= event.x < x + len(entry.text):
                self.post_message(self.Pressed(entry.action))

    def render_line(self, y: int) -> Strip:
        """Draw the bar."""
        key_style, label_style, active_style = (
            self.get_component_rich_style(f"key-bar--{name}") for name in ("key", "label", "active")
        )
        segments: list[Segment] = []
        used, width = 0, self.size.width
        for x, entry in self._placed():
            if x > used:
                segments.append(Segment(self._glyphs.text(_SEPARATOR), label_style))
            style = active_style if entry.active else key_style
            head, label, tail = entry.text.partition(entry.label) if entry.label else (entry.text, "", "")
            segments.append(Segment(self._glyphs.text(head), style))
            segments.append(Segment(label + tail, active_style if entry.active else label_style))
            used = x + len(entry.text)
        segments.append(Segment(" " * max(0, width - used), label_style))
        return Strip(segments, max(width, used)).crop(0, width)
