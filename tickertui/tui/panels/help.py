"""Help: the keys of the focused pane, from the registry, with the user's own keys in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tickertui.tui.keys.actions import PANEL_CONTEXTS, Context, actions_of, key_display
from tickertui.tui.panels.base import ListScreen
from tickertui.tui.widgets.row_list import Row, Span, heading, row


class HelpScreen(ListScreen):
    """The keys of some contexts, the focused pane's first, then those of panels."""

    def __init__(self, contexts: Iterable[Context], keys: Mapping[str, str]) -> None:
        hint = (("list-up list-down", "scroll"), ("copy-text", "copy"), ("close-panel", "back"))
        shown = dict.fromkeys((*contexts, *PANEL_CONTEXTS))
        super().__init__("Keys", list(help_rows(shown, keys)), hint)


def help_rows(contexts: Iterable[Context], keys: Mapping[str, str]) -> Iterator[Row]:
    """Build the lines: a heading for each context, then its actions.

    Args:
        contexts: In the order to show.
        keys: The user's own keys by action id.
    """
    is_first = True
    for context in contexts:
        if not is_first:
            yield heading("")
        is_first = False
        yield heading(f" {context}")
        for action in actions_of((context,)):
            shown = " ".join(key_display(key.strip()) for key in keys.get(action.id, action.keys).split(","))
            asks = "  asks first" if action.asks else ""
            yield row(
                f"action:{action.id}", Span(f" {shown:<12}", "strong"), action.tooltip, Span(asks, "warn"),
                Span(f"  {action.id}", "quiet"),
            )  # fmt: skip
        if context is Context.CHAIN:
            yield from _mark_rows()


_MARKS = (
    ("▲ ▼ ·", "the last price rose, fell, or has not changed for ten seconds"),
    ("14s", "behind a price: its age, from two seconds on"),
    ("~", "STALE behind a price: its socket is silent; MOCK before it: synthetic, not an exchange price"),
    ("'", "SNAP: a REST answer, or the packet that the broker had cached"),
    ("=", "CAS: the index stands still during its closing auction"),
    ("!", "ERROR: the broker refuses it"),
    ("—", "missing: nothing has come, or it cannot be computed"),
    ("▶ ◀", "the strike at the money"),
    ("*  !", "behind an expiry: moved by a holiday; expires today"),
)


def _mark_rows() -> Iterator[Row]:
    """What stands beside the numbers of the chain."""
    yield heading("")
    yield heading(" Marks of the chain")
    for mark, meaning in _MARKS:
        yield row(f"mark:{mark}", Span(f" {mark:<12}", "strong"), meaning)
