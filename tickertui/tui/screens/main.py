"""The one screen: banner, panes, the small panels under a chain that has room, status bar and key bar.

It keeps the display's clock: one timer builds the frames of what is in sight and nothing else. Keys repaint at once.
What changes something goes through `Requests` (questions, plans, forms).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Static

from tickertui.services.state import RuntimeState
from tickertui.tui.actions import BY_ID, Action, Context, bindings_of, key_name, outside_panels
from tickertui.tui.backend import Backend
from tickertui.tui.display_rate import DisplayRate, waiting_writes
from tickertui.tui.latency import LatencyMeter
from tickertui.tui.market_view import DERIVATIVES, banner, market_view
from tickertui.tui.options import ScreenOptions
from tickertui.tui.paced import Paced
from tickertui.tui.provenance import LIVE_ONLY, provenance
from tickertui.tui.rule_costs import RuleCosts
from tickertui.tui.screens.analytics import AnalyticsPane
from tickertui.tui.screens.bootstrap import BootstrapPane, bootstrap_panel, bootstrap_title
from tickertui.tui.screens.chain import ChainPane
from tickertui.tui.screens.events import EventsPane, event_panel
from tickertui.tui.screens.health import HealthPane, HealthView, health_panel
from tickertui.tui.screens.jump import JumpTarget
from tickertui.tui.screens.modals import ShowsBanner, TextScreen, glyphs_of
from tickertui.tui.screens.requests import Requests
from tickertui.tui.screens.subscriptions import (
    SubscriptionsPane,
    SubscriptionsView,
    subscription_panel,
    subscription_title,
)
from tickertui.tui.situations import Situation, SituationLog, Surroundings, situations
from tickertui.tui.states import NO_LINKS, LinkWatch, MarketView
from tickertui.tui.status import status_view
from tickertui.tui.watched_legs import Around, NeverTicked, WatchedLegs
from tickertui.tui.widgets.banner import Banner
from tickertui.tui.widgets.chain_grid import ChainGrid
from tickertui.tui.widgets.key_bar import KeyBar
from tickertui.tui.widgets.list_pane import ListPane
from tickertui.tui.widgets.row_list import Row, RowList
from tickertui.tui.widgets.status_bar import StatusBar

PANES = ("chain", "subscriptions", "bootstrap", "health", "analytics", "events")
_SLOW_EVERY_S = 0.5
_SAID_S = 2.5
_WIDE = 110
_PANELS_WIDTH, _PANELS_HEIGHT = 110, 34
_RAIL_WIDTH, _RAIL_HEIGHT = 180, 46
_LEAST_WIDTH, _LEAST_HEIGHT = 40, 10
"""Below this a sentence takes the place of everything."""

Pane = ChainPane | SubscriptionsPane | BootstrapPane | HealthPane | AnalyticsPane | EventsPane


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
        screen = self.screen
        if isinstance(screen, MainScreen):
            screen.action_show_pane(self.pane)


class MainScreen(Paced, Screen[None]):
    """Everything the trader sees.

    Args:
        backend: The program behind it.
        options: How the trader wants it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.APP, Context.REPLAY)]
    AUTO_FOCUS = ""  # `on_mount` gives the keys to the chain; each change of focus styles 40 widgets, 5 ms
    DEFAULT_CSS = """
    MainScreen {
        background: $ground;
        & #panes { height: 1fr; width: 1fr; }
        & #panels { height: 11; display: none; }
        & #too-small { display: none; height: 1fr; color: $text-cell; }
    }
    """

    def __init__(self, backend: Backend, options: ScreenOptions) -> None:
        super().__init__()
        self.backend = backend
        self.options = options
        self.requests = Requests(self, backend)
        self.latency = LatencyMeter()
        self.runtime: RuntimeState = backend.runtime()
        self.paused = False
        self.maximised = False
        self._links = LinkWatch()
        self.shown = LIVE_ONLY
        self.watched = WatchedLegs(backend)
        self.around = Around(self.runtime, NO_LINKS, MarketView())
        self.found: tuple[Situation, ...] = ()
        self._costs = RuleCosts(backend)
        self._news = SituationLog()
        self._frames = 0
        self._slow_ns = 0
        self._said = ""
        self._unpainted = ExitStack()
        self.rate = DisplayRate(options.frames_per_second)

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
        with Horizontal(id="panels"):
            yield Panel("subscriptions", "2 Subs")
            yield Panel("bootstrap", "3 Bootstrap")
            yield Panel("events", "6 Events")
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
        if self.pane_name in ("chain", "analytics"):
            self.chain.frame()
            if self.pane_name == "analytics":
                self.query_one(AnalyticsPane).show(self.chain.current_frame)
        self._renew_top(slow=(self._frames - 1) % slow_every == 0)

    def _renew_top(self, *, slow: bool) -> None:
        """Renew the list over this screen, if there is one."""
        top = self.app.screen
        if isinstance(top, TextScreen) and (slow or not top.slowly):
            top.renew()

    def _slow_frame(self) -> None:
        """Everything that changes slowly: accounts, progress, events, what surrounds the chain."""
        backend, now = self.backend, self.backend.clock.now()
        self._slow_ns = backend.clock.monotonic_ns()
        self.runtime = backend.runtime()
        market = market_view(backend.calendar, DERIVATIVES, now)
        links = self._links.update(self.runtime.accounts, market_open=market.is_open)
        self.around = Around(self.runtime, links, market)
        self.chain.surround(self.runtime, market, links)
        self.shown = provenance(backend.board, self.runtime.feed)
        self._find_situations()
        view = banner(
            self.runtime, links, market, self.keymap, simulated=self.options.simulated, shown=self.shown,
            database=backend.health().database, seed=backend.mock_seed(self.chain.underlying),
        )  # fmt: skip
        self.query_one(Banner).show(view)
        for screen in self.app.screen_stack[1:]:
            if isinstance(screen, ShowsBanner):
                screen.show_banner(view)
        said = self._said or self.chain.passing_text
        fields = status_view(
            backend, self.runtime, self.latency, market, self.rate, said=said, paused=self.paused,
            wide=self.size.width >= _WIDE, keys=self.keymap, links=links,
            usual=sum(self._links.usual(s.connection) for a in self.runtime.accounts for s in a.connections),
        )  # fmt: skip
        self.query_one(StatusBar).show(fields)
        self._title()
        if not self.paused:
            self.show_all()

    def _find_situations(self) -> None:
        """See what is not as it should be; what only the screen notices becomes an event."""
        backend, around = self.backend, self.around
        frame = self.chain.current_frame
        self.found = situations(
            Surroundings(
                runtime=around.runtime, links=around.links, market=around.market, figures=backend.health(),
                progress=backend.bootstrap(), tasks=backend.tasks(), rate=self.rate, now=backend.clock.now(),
                underlying=self.chain.underlying, has_spot=frame is None or frame.underlying.price > 0,
                keys=self.keymap,
            )
        )  # fmt: skip
        if not around.runtime.instruments:
            # The notice in the empty chain tells what a first rule would cost.
            self._ask_costs()
        self.chain.costs = self._costs.costs
        for severity, sentence in self._news.news(self.found, backend.clock.monotonic_ns()):
            backend.note("screen", sentence, severity)

    def _ask_costs(self) -> None:
        """Ask what rules cost, one at a time, while somebody can see the answer."""
        rules, underlying = self.backend.rules(), self.chain.underlying
        if self._costs.is_due(rules, self.runtime.revision, underlying):
            self.run_worker(self._costs.ask(rules, underlying), group="costs")

    def _subscriptions_view(self) -> SubscriptionsView:
        never: NeverTicked = self.watched.never(self.around)
        return SubscriptionsView(
            self.runtime, self.backend.rules(), self.backend.clock.now(), self.keymap, self.around.links,
            self._costs.costs, never,
        )  # fmt: skip

    def _health_view(self) -> HealthView:
        backend = self.backend
        return HealthView(
            self.runtime, backend.tasks(), backend.health(), self.latency, backend.clock.now(), self.found,
            self.around.links,
        )  # fmt: skip

    def show_all(self) -> None:
        """Renew the pane in sight and what stands beside it."""
        self._show_pane(self.pane_name)
        if self._has_panels:
            self._show_panels()
        if self._has_rail:
            self._show_rail()

    def _show_rail(self) -> None:
        chain = self.chain
        chain.rail.show(chain.current_frame, chain.instrument, chain.marked_iv)

    def _show_pane(self, name: str) -> None:
        backend = self.backend
        if name == "subscriptions":
            self._ask_costs()
            self.query_one(SubscriptionsPane).show(self._subscriptions_view())
        elif name == "bootstrap":
            self.query_one(BootstrapPane).show(backend.bootstrap(), backend.rules(), self.keymap)
        elif name == "health":
            self.query_one(HealthPane).show(self._health_view())
        elif name == "events":
            self.query_one(EventsPane).show(backend.events())

    def _show_panels(self) -> None:
        progress, width = self.backend.bootstrap(), self.query_one("#panel-subscriptions", Panel).size.width
        wide = self.size.width >= _RAIL_WIDTH
        if wide:
            self._ask_costs()
        last = [*event_panel(self.backend.events())]
        panels: tuple[tuple[str, str, Sequence[Row]], ...] = (
            (
                "subscriptions", subscription_title(self.runtime, width),
                [*subscription_panel(self._subscriptions_view(), width)],
            ),
            ("bootstrap", bootstrap_title(progress), [*bootstrap_panel(progress, width, self.keymap)]),
            (
                "events", "4 Health  /  6 Events" if wide else "6 Events",
                [*health_panel(self._health_view()), *last] if wide else last,
            ),
        )  # fmt: skip
        glyphs = glyphs_of(self)
        for name, title, rows in panels:
            panel = self.query_one(f"#panel-{name}", Panel)
            panel.retitle(glyphs.text(title))
            panel.set_rows(rows)

    def on_chain_grid_cell_highlighted(self, message: ChainGrid.CellHighlighted) -> None:
        """The depth in the rail is that of the leg under the cursor."""
        message.stop()
        if self._has_rail:
            self._show_rail()

    def _title(self) -> None:
        """The window's title says MOCK, REPLAY and SIMULATED too."""
        word = self.shown.word or ("SIMULATED" if self.options.simulated else "")
        title = f"{word} · tickertui" if word else "tickertui"
        if self.app.title != title:
            self.app.title = title

    def on_resize(self) -> None:
        """Choose the layout for the size."""
        width, height = self.size
        self._arrange()
        if self._is_tiny:
            leave = key_name("quit", self.keymap)
            sentence = f"80x24 needed, this is {width}x{height}: make the window larger; {leave} quits."
            self.query_one("#too-small", Static).update(sentence)
        self.chain.fit(width, height)
        if not self._is_tiny and self.focused is None:
            # What was hidden has lost the keys; without them nothing but the digits would work any more.
            self.pane.take_focus()
        if self._frames:
            self.show_all()
        else:
            self._begin()
        self.refresh_keys()

    def _arrange(self) -> None:
        """Show what there is room for. Not by classes: each would match every widget with the style sheet again."""
        tiny = self._is_tiny
        shown = {
            "#panes": not tiny, "#status": not tiny, "#keys": not tiny, "#too-small": tiny,
            "#panels": self._has_panels, "#rail": self._has_rail,
        }  # fmt: skip
        for selector, display in shown.items():
            widget = self.query_one(selector)
            if widget.display is not display:  # setting what it is already would lay everything out again
                widget.display = display

    @property
    def _is_tiny(self) -> bool:
        return self.size.width < _LEAST_WIDTH or self.size.height < _LEAST_HEIGHT

    @property
    def _has_panels(self) -> bool:
        """Whether there is room for the small panels under the chain, and the chain wants them."""
        room = self.size.width >= _PANELS_WIDTH and self.size.height >= _PANELS_HEIGHT
        return room and self.pane_name == "chain" and not self.maximised

    @property
    def _has_rail(self) -> bool:
        """Likewise for the rail at the right."""
        room = self.size.width >= _RAIL_WIDTH and self.size.height >= _RAIL_HEIGHT
        return room and self.pane_name == "chain" and not self.maximised

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
        """The pane that is shown."""
        shown: Pane = self.query_one(f"#{self.pane_name}")  # type: ignore[assignment]
        return shown

    @property
    def contexts(self) -> tuple[Context, ...]:
        """Where keys work now."""
        replay = (Context.REPLAY,) if self.shown.replay else ()
        return (*self.pane.CONTEXTS, Context.APP, *replay)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A replay's keys work in a replay only."""
        return action != "leave_replay" or self.shown.replay

    def action_show_pane(self, name: str) -> None:
        """Show a pane and give it the keys."""
        self.query_one("#panes", ContentSwitcher).current = name
        self._arrange()
        self.pane.take_focus()
        self.show_all()
        if name == "analytics":
            self.query_one(AnalyticsPane).show(self.chain.current_frame)
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
            return targets + [JumpTarget(at, key, partial(rows.goto, key)) for key, at in rows.visible_keys()]
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
        self.call_later(self.app.run_action, action.method, target)

    # ------------------------------------------------------------------ actions

    def action_pause(self) -> None:
        """Hold the display; the feed goes on."""
        self.paused = not self.paused
        self._slow_frame()
        if self.paused:
            self.chain.rest()
        else:
            self.chain.frame()

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
        from tickertui.tui.screens.help import HelpScreen  # 1 ms of the start

        self.app.push_screen(HelpScreen(self.contexts, self.keymap))

    def action_reload_plan(self) -> None:
        """Plan a reload and ask."""
        self.requests.reload_plan()

    def action_login(self) -> None:
        """Log an account in."""
        self.requests.login()

    def action_refresh_contracts(self) -> None:
        """Fetch the day's contracts."""
        self.requests.refresh_contracts()

    def action_toggle_mock(self) -> None:
        """Switch the mock."""
        self.requests.toggle_mock()

    def action_choose_theme(self) -> None:
        """Choose a theme."""
        self.requests.choose_theme()

    def action_command_line(self) -> None:
        """Type a command."""
        self.requests.command_line()

    def action_jump(self) -> None:
        """Jump by letter."""
        self.requests.jump()

    def action_toggle_bootstrap(self) -> None:
        """Start or pause the backfill."""
        self.requests.toggle_bootstrap()

    def action_save_picture(self) -> None:
        """Save the screen."""
        self.requests.save_picture()

    def action_leave_replay(self) -> None:
        """Go back to what the accounts and the calendar say."""
        self.requests.leave_replay()

    def action_ask_quit(self) -> None:
        """Quit, asking while a live feed runs."""
        self.requests.quit()

    def on_chain_looks_said(self, message: ChainPane.Said) -> None:
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

    def on_subscriptions_pane_asked(self, message: SubscriptionsPane.Asked) -> None:
        """Do what the subscriptions pane asks for."""
        self.requests.about_subscription(message.what, message.key)

    def on_bootstrap_pane_asked(self, message: BootstrapPane.Asked) -> None:
        """Do what the bootstrap pane asks for."""
        self.requests.about_bootstrap(message.what, message.key)


_HOME: Mapping[Context, str] = {
    Context.CHAIN: "chain",
    Context.SUBSCRIPTIONS: "subscriptions",
    Context.BOOTSTRAP: "bootstrap",
    Context.EVENTS: "events",
}
