"""`KeyBar`: the last line of the screen, made from the registry for the focused pane."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Offset
from textual.strip import Strip
from textual.widget import Widget

from tickertui.tui.actions import Context, actions_of, key_display


class KeyBar(Widget):
    """Keys and short labels; what does not fit is left out from the right, help stays."""

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

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
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

    def entries(self) -> list[tuple[str, str, bool]]:
        """Return (key, label, highlighted) of what the bar wants to show, most important first."""
        actions = sorted((action for action in actions_of(self._contexts) if action.footer), key=lambda a: a.footer)
        return [
            (key_display(self._keys.get(action.id, action.keys).split(",")[0]), action.label, action.id == self._active)
            for action in actions
        ]

    def offset_of(self, action_id: str) -> Offset:
        """Return where an entry stands on the screen; the bar's beginning for one that is not shown."""
        labels = {action.label: action.id for action in actions_of(self._contexts)}
        x = 0
        for key, label, _ in _fitting(self.entries(), self.size.width):
            if labels.get(label) == action_id:
                return self.region.offset + Offset(x, 0)
            x += _entry_width(key, label)
        return self.region.offset

    def render_line(self, y: int) -> Strip:
        """Draw the bar."""
        key_style, label_style, active_style = (
            self.get_component_rich_style(f"key-bar--{name}") for name in ("key", "label", "active")
        )
        width = self.size.width
        entries = self.entries()
        shown = _fitting(entries, width)
        segments: list[Segment] = []
        for key, label, active in shown:
            compact = key.isdigit()
            segments.append(Segment(f" {key}" if compact else f"  {key} ", active_style if active else key_style))
            segments.append(Segment(label, active_style if active else label_style))
        used = sum(cell_len(segment.text) for segment in segments)
        segments.append(Segment(" " * max(0, width - used), Style() + label_style))
        return Strip(segments, max(width, used)).crop(0, width)


def _fitting(entries: list[tuple[str, str, bool]], width: int) -> list[tuple[str, str, bool]]:
    """Leave out entries before the last two (help and quit) until the rest fits."""
    kept = list(entries)
    while len(kept) > 2 and sum(_entry_width(key, label) for key, label, _ in kept) > width:
        del kept[-3]
    return kept


def _entry_width(key: str, label: str) -> int:
    """Cells of one entry: a digit stands right before its label, other keys have room around them."""
    return cell_len(label) + cell_len(key) + (1 if key.isdigit() else 3)
