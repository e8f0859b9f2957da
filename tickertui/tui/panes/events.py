"""The events pane: everything that happened, newest first, filterable and copyable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input

from tickertui.services.supervision.events import Event, Severity
from tickertui.tui.keys.actions import Context, bindings_of
from tickertui.tui.panels.base import entry
from tickertui.tui.widgets.list_pane import ListPane
from tickertui.tui.widgets.row_list import Row, RowList, Span, heading, row

_ROLE = {Severity.INFO: "text", Severity.WARNING: "warn", Severity.ERROR: "error"}
_MARK = {Severity.INFO: "   ", Severity.WARNING: " ! ", Severity.ERROR: " !!"}


class EventsPane(ListPane):
    """Events and a filter line that shows while it is used."""

    CONTEXTS: ClassVar[tuple[Context, ...]] = (Context.EVENTS, Context.LIST)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.EVENTS)]
    DEFAULT_CSS = """
    EventsPane Input { height: 1; border: none; padding: 0 1; display: none; }
    EventsPane Input.-shown { display: block; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._filter = ""
        self._events: tuple[Event, ...] = ()

    def compose(self) -> ComposeResult:
        """The list above its filter."""
        yield RowList()
        yield entry(placeholder="words that must appear: account, topic, text", id="events-filter")

    def show(self, events: tuple[Event, ...]) -> None:
        """Show these events, filtered."""
        self._events = events
        self.query_one(RowList).set_rows(list(event_rows(events, self._filter)))

    def action_filter_events(self) -> None:
        """Open the filter line."""
        line = self.query_one("#events-filter", Input)
        line.add_class("-shown")
        line.focus()

    def end_filter(self, *, clear: bool) -> bool:
        """Close the filter line; tell whether it was open or a filter was on."""
        line = self.query_one("#events-filter", Input)
        was_on = line.has_class("-shown") or bool(self._filter)
        line.remove_class("-shown")
        if clear:
            line.value = self._filter = ""
            self.show(self._events)
        self.query_one(RowList).focus()
        return was_on

    def on_input_changed(self, message: Input.Changed) -> None:
        """Filter while typing."""
        message.stop()
        if message.value != message.input.value:
            return  # a newer one follows
        self._filter = message.value
        self.show(self._events)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Keep the filter and go back to the list."""
        message.stop()
        self.end_filter(clear=False)

    def action_copy_event(self) -> None:
        """Copy the event under the cursor."""
        event = self.selected()
        if event is not None:
            self.app.copy_to_clipboard(event_text(event))
            self.notify("Copied.", timeout=2)

    def selected(self) -> Event | None:
        """The event under the cursor."""
        key = self.query_one(RowList).cursor_key
        return next((event for event in self._events if f"event:{event.sequence}" == key), None)


def event_text(event: Event) -> str:
    """One line, as it is copied."""
    return f"{event.at:%Y-%m-%d %H:%M:%S} {event.severity} {event.topic} {_sentence(event)}"


def _sentence(event: Event) -> str:
    """The event's text, its account in front unless the text names it already."""
    named = not event.account or event.account in event.text.replace("/", " ").split()
    return event.text if named else f"{event.account} {event.text}"


def event_panel(events: Iterable[Event], limit: int = 20) -> Iterator[Row]:
    """Build the small panel under the chain: time, mark and text of the latest events."""
    for event in reversed(tuple(events)[-limit:]):
        role = _ROLE[event.severity]
        yield row("", Span(f" {event.at:%H:%M:%S}", "quiet"), Span(f"{_MARK[event.severity]}{_sentence(event)}", role))


def event_rows(events: Iterable[Event], words: str = "", *, limit: int = 1000) -> Iterator[Row]:
    """Build rows, newest first, of the events that hold every word."""
    wanted = words.lower().split()
    events = tuple(events)
    shown = 0
    yield heading(f" Events · {len(events):,}" + (f" · only those with: {' '.join(wanted)}" if wanted else ""))
    for event in reversed(events):
        text = event_text(event).lower()
        if not all(word in text for word in wanted):
            continue
        role = _ROLE[event.severity]
        yield row(
            f"event:{event.sequence}", Span(f" {event.at:%H:%M:%S}", "quiet"), Span(_MARK[event.severity], role),
            Span(f" {event.topic:<12}", "quiet"), Span(_sentence(event), role),
        )  # fmt: skip
        shown += 1
        if shown >= limit:
            return
    if not shown:
        yield row(
            "", Span(" Nothing matches the filter; Esc clears it." if wanted else " Nothing happened yet.", "quiet")
        )
