"""The one screen: banner, panes, the small panels under a chain that has room, status bar and key bar.

It keeps the display's clock: one timer builds the frames of what is in sight and nothing else. Keys repaint at once.
`ProgramStatus` knows how everything around the chain stands, `ScreenLayout` what there is room for; what changes
something goes through `Dialogs` (questions, plans, forms). The application shows it first, and panels over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Static

from tickertui.services.loop.status import FeedMode
from tickertui.tui.chain_grid.grid import ChainGrid
from tickertui.tui.keys.actions import BY_ID, REQUEST, Action, Context, bindings_of, key_name, outside_panels
from tickertui.tui.look.glyphs import glyphs_of
from tickertui.tui.main.dialogs import Dialogs
from tickertui.tui.main.layout import ScreenLayout
from tickertui.tui.main.program_status import ProgramStatus
from tickertui.tui.main.small_panels import SmallPanels
from tickertui.tui.panels.base import ShowsBanner, TextScreen
from tickertui.tui.panels.jump import JumpTarget
from tickertui.tui.panes.analytics import AnalyticsPane
from tickertui.tui.panes.bootstrap import BootstrapPane
from tickertui.tui.panes.chain.pane import ChainPane
from tickertui.tui.panes.events import EventsPane
from tickertui.tui.panes.failure_pane import FailurePane
from tickertui.tui.panes.health import HealthPane
from tickertui.tui.panes.subscriptions import SubscriptionsPane
from tickertui.tui.terminal.contained import Contained, PlaceFailed, contain
from tickertui.tui.terminal.display_rate import DisplayRate, waiting_writes
from tickertui.tui.terminal.failures import RETRY_S, Failure, FailureLog
from tickertui.tui.terminal.responsive_screen import ResponsiveScreen
from tickertui.tui.view.backend import Backend
from tickertui.tui.view.latency import LatencyMeter
from tickertui.tui.view.options import ScreenOptions
from tickertui.tui.widgets.banner import Banner
from tickertui.tui.widgets.key_bar import KeyBar
from tickertui.tui.widgets.list_pane import ListPane
from tickertui.tui.widgets.status_bar import StatusBar

PANES = ("chain", "subscriptions", "bootstrap", "health", "analytics", "events")
_SLOW_EVERY_S = 0.5
_SAID_S = 2.5
_LEAVE_REPLAY = (REQUEST, ("leave-replay",))

Pane = FailurePane | ChainPane | SubscriptionsPane | BootstrapPane | HealthPane | AnalyticsPane | EventsPane


class MainScreen(ResponsiveScreen, Screen[None]):
    """Everything the trader sees.

    Args:
        backend: The program behind it.
        options: How the trader wants it.
        failures: What has gone wrong where.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.APP, Context.REPLAY)]
    AUTO_FOCUS = ""  # `on_mount` gives the keys to the chain; each change of focus styles 40 widgets, 5 ms
    DEFAULT_CSS = """
    MainScreen {
        background: $ground;
        & #panes { height: 1fr; width: 1fr; }
        & #failure { display: none; height: 1fr; }
        & #too-small { display: none; height: 1fr; color: $text-cell; }
    }
    """

    def __init__(self, backend: Backend, options: ScreenOptions, failures: FailureLog) -> None:
        super().__init__()
        self.backend = backend
        self.options = options
        self.dialogs = Dialogs(self, backend)
        self.latency = LatencyMeter()
        self.rate = DisplayRate(options.frames_per_second)
        self.program_status = ProgramStatus(backend, options, self.latency, self.rate)
        self.paused = False
        self._held_feed: FeedMode | None = None
        self.maximised = False
        self._frames = 0
        self._slow_ns = 0
        self._said = ""
        self._unpainted = ExitStack()
        self._failures = failures

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        glyphs = glyphs_of(self)
        yield Banner(glyphs=glyphs, id="banner")
        with ContentSwitcher(initial="chain", id="panes"):
            yield ChainPane(self.backend, self.options, self.latency, id="chain")
            yield SubscriptionsPane(id="subscriptions")
            yield BootstrapPane(id="bootstrap")
            yield HealthPane(id="health")
            yield AnalyticsPane(self.backend, id="analytics")
            yield EventsPane(id="events")
        yield FailurePane(id="failure")
        yield SmallPanels(id="panels")
        yield Static("", id="too-small", markup=False)
        yield StatusBar(glyphs=glyphs, id="status")
        yield KeyBar(glyphs=glyphs, id="keys")

    # ------------------------------------------------------------------ frames

    def on_mount(self) -> None:
        """Hold the display until the sizes are known (`on_resize`): what is painted first is the whole first frame."""
        self.chain.take_focus()
        self._unpainted.enter_context(self.app.batch_update())

    def _begin(self) -> None:
        """Show the first frame and start the display's clock."""
        self.frame()
        self._unpainted.close()
        if self.options.live_frames:
            self.set_interval(1 / self.options.frames_per_second, self._tick)

    def _tick(self) -> None:
        """Draw a frame, unless the terminal has not taken the one before."""
        now_ns = self.backend.clock.monotonic_ns()
        if not self.rate.is_due(now_ns, waiting_writes(self.app)):
            return
        if now_ns - self._slow_ns >= _SLOW_EVERY_S * 1e9:
            # Frames were merged: what is counted in frames would be late.
            self._frames = 0
        elif self.app.screen is not self or self.pane_name == "analytics":
            # Behind a panel Textual dims the whole screen anew for each change in it (60 ms), and curves are read, not
            # watched: both take part in the slow frame only. What is on top stays at its rate.
            self.chain.rest()
            self._renew_top(slow=False)
            return
        self.frame()

    @contextmanager
    def _containing(self, place: Widget) -> Iterator[None]:
        """Let an error in reading what a pane or line shows stay there."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the rest of the frame, and the feed, go on
            contain(place, error, "reading")

    def frame(self) -> None:
        """Draw what is in sight; called by the timer, and by tests."""
        slow_every = max(1, round(_SLOW_EVERY_S * self.options.frames_per_second))
        if self._frames % slow_every == 0:
            self._slow_frame()
        self._frames += 1
        if self.paused or self.pane_name not in ("chain", "analytics"):
            self.chain.rest()
        if self.paused:
            return
        if self.pane_name in ("chain", "analytics") and "chain" not in self._failures.latest:
            with self._containing(self.chain):
                self.chain.frame()
            if self.pane_name == "analytics":
                self._show_analytics()
        self._renew_top(slow=(self._frames - 1) % slow_every == 0)

    def _show_analytics(self) -> None:
        if "analytics" not in self._failures.latest:
            pane = self.query_one(AnalyticsPane)
            with self._containing(pane):
                pane.show(self.chain.current_frame)

    def _renew_top(self, *, slow: bool) -> None:
        """Renew the list over this screen, if there is one."""
        top = self.app.screen
        if isinstance(top, TextScreen) and (slow or not top.slowly):
            with self._containing(top):
                top.renew()

    def _slow_frame(self) -> None:
        """Everything that changes slowly: accounts, progress, events, what surrounds the chain."""
        program_status, chain, status = self.program_status, self.chain, self.query_one(StatusBar)
        self._slow_ns = self.backend.clock.monotonic_ns()
        with self._containing(status):
            program_status.look(chain.selection.exchange)
        if self.paused and program_status.runtime.feed is not self._held_feed:
            # Held prices of the mock under the first row of the market would be taken for the market's.
            self.paused = False
        if "chain" not in self._failures.latest:
            with self._containing(chain):
                chain.surround(program_status.runtime, program_status.markets, program_status.context.socket_health)
        with self._containing(status):
            program_status.find_problems(chain.underlying, chain.current_frame)
            if not program_status.runtime.instruments:
                # The notice in the empty chain tells what a first rule would cost.
                self._ask_costs()
            chain.costs = program_status.costs.costs
        with self._containing(self.query_one(Banner)):
            self._show_banner()
        with self._containing(status):
            said = self._said or chain.selection.passing_text
            status.show(program_status.status(said=said, paused=self.paused, wide=self.screen_layout.has_long_words))
        if not self.paused:
            self.show_all()

    def _show_banner(self) -> None:
        """Say in the first row, that of panels too, and in the window's title what must be known of all numbers."""
        view = self.program_status.banner(self.chain.underlying)
        self.query_one(Banner).show(view)
        for screen in self.app.screen_stack[1:]:
            if isinstance(screen, ShowsBanner):
                screen.show_banner(view)
        if self.app.title != self.program_status.title():
            self.app.title = self.program_status.title()

    def _ask_costs(self) -> None:
        """Ask what rules cost, one at a time, while somebody can see the answer."""
        rules, underlying = self.backend.rules(), self.chain.underlying
        costs = self.program_status.costs
        if costs.is_due(rules, self.program_status.runtime.revision, underlying):
            self.run_worker(partial(costs.ask, rules, underlying), group="costs")

    def show_all(self) -> None:
        """Renew the pane in sight and what stands beside it."""
        name = self.pane_name
        if name in self._failures.latest:
            self._show_failure()
        else:
            with self._containing(self.pane):
                self._show_pane(name)
        if self.screen_layout.has_panels:
            with self._containing(self.query_one(SmallPanels)):
                self._show_panels()
        if self.screen_layout.has_rail:
            self._show_rail()

    def _show_rail(self) -> None:
        chain = self.chain
        with self._containing(chain.rail):
            chain.rail.show(chain.current_frame, chain.instrument, chain.marked_iv)

    def _show_pane(self, name: str) -> None:
        backend = self.backend
        if name == "subscriptions":
            self._ask_costs()
            self.query_one(SubscriptionsPane).show(self.program_status.subscriptions_view())
        elif name == "bootstrap":
            self.query_one(BootstrapPane).show(backend.bootstrap(), backend.rules(), self.keymap)
        elif name == "health":
            self.query_one(HealthPane).show(self.program_status.health_view())
        elif name == "events":
            self.query_one(EventsPane).show(backend.events())

    def _show_panels(self) -> None:
        backend, program_status = self.backend, self.program_status
        health = None
        if self.screen_layout.has_health:
            self._ask_costs()
            health = program_status.health_view()
        self.query_one(SmallPanels).show(
            program_status.subscriptions_view(), backend.bootstrap(), backend.events(), health, self.keymap
        )

    def on_chain_grid_cell_highlighted(self, message: ChainGrid.CellHighlighted) -> None:
        """The depth in the rail is that of the leg under the cursor."""
        message.stop()
        if self.screen_layout.has_rail:
            self._show_rail()

    def on_resize(self) -> None:
        """Choose the layout for the size."""
        width, height = self.size
        self._arrange()
        if self.screen_layout.is_tiny:
            leave = key_name("quit", self.keymap)
            sentence = f"80x24 needed, this is {width}x{height}: make the window larger; {leave} quits."
            self.query_one("#too-small", Static).update(sentence)
        self.chain.fit(width, height)
        if not self.screen_layout.is_tiny and self.focused is None:
            # What was hidden has lost the keys; without them nothing but the digits would work any more.
            self.pane.take_focus()
        if self._frames:
            self.show_all()
        else:
            self._begin()
        self.refresh_keys()

    def _arrange(self) -> None:
        """Show what there is room for. Not by classes: each would match every widget with the style sheet again."""
        has_failed = self.pane_name in self._failures.latest
        for selector, display in self.screen_layout.shown(failed=has_failed).items():
            widget = self.query_one(selector)
            if widget.display is not display:  # setting what it is already would lay everything out again
                widget.display = display

    @property
    def screen_layout(self) -> ScreenLayout:
        """What there is room for."""
        return ScreenLayout(*self.size, beside_chain=self.pane_name == "chain" and not self.maximised)

    # ------------------------------------------------------------------ failures

    def fail(self, failure: Failure) -> None:
        """Tell of an error that is of no pane."""
        self.notify(failure.sentence, severity="error", timeout=10, markup=False)

    def on_place_failed(self, message: PlaceFailed) -> None:
        """Put a box in the place of a pane in which something failed; try it again in a moment, unless it is plain."""
        message.stop()
        failure = message.failure
        if not failure.is_plain:
            self.set_timer(RETRY_S, partial(self._try_again, failure), name="try again")
        self._failures_changed()

    def _try_again(self, failure: Failure) -> None:
        if self._failures.latest.get(failure.place) is failure:
            self._failures.forget(failure.place)
            self._failures_changed()

    def _failures_changed(self) -> None:
        self._arrange()
        if not self.screen_layout.is_tiny:
            self.pane.take_focus()
        self.frame()
        self.show_all()

    def _show_failure(self) -> None:
        chain = self.chain
        with self._containing(self):
            self.query_one(FailurePane).show(
                self._failures.latest[self.pane_name], self.backend, chain.underlying, chain.expiry, self.keymap
            )

    def action_redraw(self) -> None:
        """Paint everything anew, and try again what has failed."""
        self._failures.latest.clear()
        for widget in self.walk_children():
            if isinstance(widget, Contained):
                widget.try_again()
        self._failures_changed()
        super().action_redraw()

    # ------------------------------------------------------------------ panes

    @property
    def chain(self) -> ChainPane:
        """The chain pane, also when another one is shown."""
        return self.query_one(ChainPane)

    @property
    def pane_name(self) -> str:
        """Name of the pane that is shown."""
        return self.query_one("#panes", ContentSwitcher).current or "chain"

    @property
    def pane(self) -> Pane:
        """The pane that is shown, or what stands in its place."""
        if self.pane_name in self._failures.latest:
            return self.query_one(FailurePane)
        shown: Pane = self.query_one(f"#{self.pane_name}")  # type: ignore[assignment]
        return shown

    @property
    def contexts(self) -> tuple[Context, ...]:
        """Where keys work now."""
        replay = (Context.REPLAY,) if self.program_status.shown.replay else ()
        return (*self.pane.CONTEXTS, Context.APP, *replay)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A replay's keys work in a replay only."""
        return (action, parameters) != _LEAVE_REPLAY or self.program_status.shown.replay

    def action_show_pane(self, name: str) -> None:
        """Show a pane and give it the keys."""
        self.query_one("#panes", ContentSwitcher).current = name
        self._arrange()
        self.pane.take_focus()
        self.show_all()
        if name == "analytics":
            self._show_analytics()
        self.refresh_keys()

    def action_next_pane(self, direction: int) -> None:
        """Show the pane after or before."""
        self.action_show_pane(PANES[(PANES.index(self.pane_name) + direction) % len(PANES)])

    def refresh_keys(self) -> None:
        """Tell the key bar where the keys are."""
        if self.is_mounted:
            self.query_one(KeyBar).show(self.contexts, f"show-{self.pane_name}", self.keymap)

    @property
    def keymap(self) -> Mapping[str, str]:
        """The user's own keys by action id."""
        return self.options.keymap

    def jump_targets(self) -> list[JumpTarget]:
        """Everything that jump mode puts a letter on: the panes, then what the pane has."""
        keys = self.query_one(KeyBar)
        targets = [
            JumpTarget(keys.offset_of(f"show-{name}"), name, partial(self.action_show_pane, name)) for name in PANES
        ]
        pane = self.pane
        if isinstance(pane, ListPane):
            rows = pane.row_list
            return targets + [JumpTarget(place, key, partial(rows.goto, key)) for key, place in rows.visible_keys()]
        return targets + (pane.jump_targets() if isinstance(pane, ChainPane) else [])

    def runnable(self) -> list[Action]:
        """What palette and command line offer: everything that does something now, none of the panels' own keys."""
        there = {Context.APP, *_HOME, *self.contexts}
        return [action for action in outside_panels() if action.context in there]

    def run_action_id(self, action_id: str) -> None:
        """Run any action of the registry, wherever its pane is: for the palette and the command line."""
        action = BY_ID[action_id]
        target: Widget = self
        if action.context is not Context.APP:
            name = _HOME.get(action.context)
            if name is not None and name != self.pane_name:
                self.action_show_pane(name)
            target = self.pane
        self.call_later(self.app.run_action, action.call, target)

    # ------------------------------------------------------------------ actions

    def action_request(self, action_id: str) -> None:
        """Ask, plan or open a form."""
        self.dialogs.run(action_id)

    def on_list_pane_action_requested(self, message: ListPane.ActionRequested) -> None:
        """Do what a pane's key asks for about its row."""
        self.dialogs.run(message.action_id, message.row_key)

    def action_pause(self) -> None:
        """Hold the display; the feed goes on."""
        self.paused = not self.paused
        self._held_feed = self.program_status.runtime.feed
        self._slow_frame()
        if self.paused:
            self.chain.rest()
        else:
            self.frame()

    def action_back(self) -> None:
        """Undo the last narrowing: a filter, another pane, a view, a maximised pane."""
        if self.pane_name == "events" and self.query_one(EventsPane).end_filter(clear=True):
            return
        if self.pane_name != "chain":
            self.action_show_pane("chain")
        elif not self.chain.back() and self.maximised:
            self.action_maximise()

    def action_maximise(self) -> None:
        """Give the chain the whole screen, or give it back."""
        self.maximised = not self.maximised
        self._arrange()
        self.show_all()

    def action_show_help(self) -> None:
        """List the keys."""
        from tickertui.tui.panels.help import HelpScreen  # 1 ms of the start

        self.app.push_screen(HelpScreen(self.contexts, self.keymap))

    def on_chain_pane_said(self, message: ChainPane.Said) -> None:
        """Say it at the beginning of the status bar for a moment."""
        message.stop()
        self._said = message.text
        self._slow_frame()
        self.set_timer(_SAID_S, partial(self._unsay, message.text), name="unsay")

    def _unsay(self, text: str) -> None:
        if self._said == text:
            self._said = ""
            self._slow_frame()

    def on_key_bar_pressed(self, message: KeyBar.Pressed) -> None:
        """A click on the key bar does what the key does."""
        self.run_action_id(message.action)


_HOME: Mapping[Context, str] = {
    Context.CHAIN: "chain",
    Context.SUBSCRIPTIONS: "subscriptions",
    Context.BOOTSTRAP: "bootstrap",
    Context.EVENTS: "events",
}
