"""`ProgramStatus`: how everything around the chain stands: accounts, sockets, market, problems, what rules cost.

The main screen looks twice a second and shows what follows from it: the banner, the status bar, and the views of the
panes for subscriptions and health. `Dialogs` asks it about accounts and about legs that have never ticked.
"""

from __future__ import annotations

from datetime import date
from math import isnan

from tickertui.market.chain import ReferenceKind
from tickertui.services.loop.status import FeedMode, RuntimeState
from tickertui.tui.panes.health import HealthView
from tickertui.tui.panes.subscriptions import SubscriptionsView
from tickertui.tui.terminal.display_rate import DisplayRate
from tickertui.tui.view.backend import Backend
from tickertui.tui.view.data_states import NO_SOCKET_HEALTH, LinkWatch, MarketView
from tickertui.tui.view.frames import ChainFrame
from tickertui.tui.view.header_names import missing_names
from tickertui.tui.view.latency import LatencyMeter
from tickertui.tui.view.market_view import MarketViews, banner
from tickertui.tui.view.options import ScreenOptions
from tickertui.tui.view.plan_legs import CellContext, WatchedLegs
from tickertui.tui.view.problems import Problem, ProblemInputs, ProblemLog, problems
from tickertui.tui.view.provenance import LIVE_ONLY, provenance
from tickertui.tui.view.rule_costs import RuleCosts
from tickertui.tui.view.status_fields import status_view
from tickertui.tui.widgets.banner import BannerView
from tickertui.tui.widgets.status_bar import StatusField


class ProgramStatus:
    """What the main screen knows of the program, as of its last look.

    Args:
        backend: The program.
        options: How the trader wants it.
        latency: From a tick's receipt to the screen.
        rate: How many frames the terminal takes.

    Attributes:
        context: The loop's state, its sockets and the market.
        markets: What every segment does.
        shown: Where the values on the board come from.
        problems: What is not as it should be, the worst first.
        watched: Why instruments have never ticked.
        costs: What rules cost.
    """

    def __init__(self, backend: Backend, options: ScreenOptions, latency: LatencyMeter, rate: DisplayRate) -> None:
        self._backend = backend
        self._options = options
        self._latency = latency
        self._rate = rate
        self._link_watch = LinkWatch()
        self._news = ProblemLog()
        self.markets = MarketViews(backend.calendar, backend.clock.now())
        self.context = CellContext(backend.runtime(), NO_SOCKET_HEALTH, MarketView())
        self.shown = LIVE_ONLY
        self.problems: tuple[Problem, ...] = ()
        self.watched = WatchedLegs(backend)
        self.costs = RuleCosts(backend)
        self._calendar_day: date | None = None
        self._calendar_notes: tuple[str, ...] = ()

    @property
    def runtime(self) -> RuntimeState:
        """State of the loop."""
        return self.context.runtime

    def look(self, exchange: str = "") -> None:
        """Take in how everything stands now.

        Args:
            exchange: Of the chain on display; empty before there is one.
        """
        backend = self._backend
        runtime = backend.runtime()
        self.markets = markets = MarketViews(backend.calendar, backend.clock.now(), backend.deviations())
        # Which sockets' silence means something, each of them says; while all is shut, none's does.
        socket_health = self._link_watch.update(runtime.accounts, market_open=runtime.feed is FeedMode.LIVE)
        self.context = CellContext(runtime, socket_health, markets.of(exchange), markets)
        self.shown = provenance(backend.board, runtime.feed)

    def find_problems(self, underlying: str, frame: ChainFrame | None) -> None:
        """See what is not as it should be; what only the screen notices becomes an event.

        Args:
            underlying: Whose chain is shown or wanted.
            frame: Of the chain on display, None before the first.
        """
        backend, context, now = self._backend, self.context, self._backend.clock.now()
        if self._calendar_day != now.date():
            self._calendar_day, self._calendar_notes = now.date(), tuple(backend.calendar.warnings(now))
        self.problems = problems(
            ProblemInputs(
                runtime=context.runtime, socket_health=context.socket_health, market=context.market,
                figures=backend.health(), progress=backend.bootstrap(), tasks=backend.tasks(), rate=self._rate,
                now=now, underlying=underlying, has_spot=frame is None or not isnan(frame.underlying.price),
                header=missing_names(backend, self._options.header, context.runtime.feed),
                calendar=self._calendar_notes, keys=self._options.keymap,
                deviations=self.markets.deviations,
                has_forward=frame is not None and frame.summary.forward.kind is ReferenceKind.FORWARD,
            )
        )  # fmt: skip
        for severity, sentence in self._news.news(self.problems, backend.clock.monotonic_ns()):
            backend.note("screen", sentence, severity)

    def banner(self, underlying: str) -> BannerView | None:
        """Return what the first row must say; None while nothing must be said.

        Args:
            underlying: Whose chain is shown or wanted: in a mock, where its levels come from is said.
        """
        context = self.context
        return banner(
            context.runtime, context.socket_health, self._options.keymap, simulated=self._options.simulated,
            shown=self.shown, database_fault=self._backend.health().database_fault,
            seed=self._backend.mock_seed(underlying), deviations=self.markets.deviations,
        )  # fmt: skip

    def status(self, *, said: str, paused: bool, wide: bool) -> tuple[StatusField, ...]:
        """Return the fields of the status bar.

        Args:
            said: What a key has just changed, empty for nothing.
            paused: Whether the display is held.
            wide: Whether there is room to say everything in full.
        """
        context = self.context
        sockets = (status for account in context.runtime.accounts for status in account.connections)
        return status_view(
            self._backend, context.runtime, self._latency, context.market, self._rate, said=said, paused=paused,
            wide=wide, keys=self._options.keymap, socket_health=context.socket_health,
            usual=sum(self._link_watch.usual(status.connection) for status in sockets),
        )  # fmt: skip

    def title(self) -> str:
        """Return the window's title; it says MOCK, REPLAY and SIMULATED too."""
        word = self.shown.word or ("SIMULATED" if self._options.simulated else "")
        return f"{word} · tickertui" if word else "tickertui"

    def subscriptions_view(self) -> SubscriptionsView:
        """Return what the pane of subscriptions and its small panel show."""
        backend, context = self._backend, self.context
        return SubscriptionsView(
            context.runtime, backend.rules(), backend.clock.now(), self._options.keymap, context.socket_health,
            self.costs.costs, self.watched.never(context), self.watched.adjusted(),
        )  # fmt: skip

    def health_view(self) -> HealthView:
        """Return what the pane of the program's health and its small panel show."""
        backend, context = self._backend, self.context
        return HealthView(
            context.runtime, backend.tasks(), backend.health(), self._latency, backend.clock.now(), self.problems,
            context.socket_health,
        )  # fmt: skip
