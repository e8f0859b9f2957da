"""`SmallPanels`: under a chain that has room, the other panes in short; a click opens the pane.

The main screen shows them twice a second while its layout has room for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content

from tickertui.services.history.status import BootstrapProgress
from tickertui.services.supervision.events import Event
from tickertui.tui.look.glyphs import glyphs_of
from tickertui.tui.panes.bootstrap import bootstrap_panel, bootstrap_title
from tickertui.tui.panes.events import event_panel
from tickertui.tui.panes.health import HealthView, health_panel
from tickertui.tui.panes.subscriptions import SubscriptionsView, subscription_panel, subscription_title
from tickertui.tui.terminal.contained import Contained
from tickertui.tui.terminal.failures import Failure
from tickertui.tui.widgets.row_list import Row, RowList


class Panel(RowList, can_focus=False):
    """A small list under the chain; a click opens its pane."""

    DEFAULT_CSS = """
    Panel {
        width: 1fr; height: 100%; padding: 0;
        border: round $quiet; border-title-color: $text-cell; border-title-style: bold;
    }
    """

    def __init__(self, pane: str, title: str) -> None:
        super().__init__(id=f"panel-{pane}")
        self.pane = pane
        self.retitle(title)

    def retitle(self, title: str) -> None:
        """Say what the panel shows."""
        self.border_title = Content(title)

    def on_click(self, event: events.Click) -> None:
        """Open the pane."""
        event.stop()
        self.call_later(self.run_action, f"screen.show_pane({self.pane!r})")


class SmallPanels(Contained, Horizontal):
    """Subscriptions, backfill, and events with the program's health where the screen is wide."""

    DEFAULT_CSS = "SmallPanels { height: 11; display: none; }"

    def compose(self) -> ComposeResult:
        """Left to right."""
        yield Panel("subscriptions", "2 Subs")
        yield Panel("bootstrap", "3 Bootstrap")
        yield Panel("events", "6 Events")

    def fail(self, failure: Failure) -> None:
        """Show an error in the place of all of them."""
        for panel in self.query(Panel):
            panel.fail(failure)

    def show(
        self,
        subscriptions: SubscriptionsView,
        progress: BootstrapProgress,
        happened: Sequence[Event],
        health: HealthView | None,
        keys: Mapping[str, str],
    ) -> None:
        """Show how things stand.

        Args:
            subscriptions: Accounts and rules.
            progress: Of the backfill.
            happened: Events, oldest first.
            health: Of the program, None where there is no room for it.
            keys: The user's own keys by action id.
        """
        width = self.query_one("#panel-subscriptions", Panel).size.width
        last = [*event_panel(happened)]
        panels: tuple[tuple[str, str, Sequence[Row]], ...] = (
            (
                "subscriptions", subscription_title(subscriptions.runtime, width),
                [*subscription_panel(subscriptions, width)],
            ),
            ("bootstrap", bootstrap_title(progress), [*bootstrap_panel(progress, width, keys)]),
            (
                "events", "6 Events" if health is None else "4 Health  /  6 Events",
                last if health is None else [*health_panel(health), *last],
            ),
        )  # fmt: skip
        glyphs = glyphs_of(self)
        for name, title, rows in panels:
            panel = self.query_one(f"#panel-{name}", Panel)
            panel.retitle(glyphs.text(title))
            panel.set_rows(rows)
