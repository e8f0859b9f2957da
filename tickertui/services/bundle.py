"""`Services`: everything the engine has built, in one value for the screens and for `headless`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tickertui.frozen import frozen
from tickertui.market.board import MarketBoard
from tickertui.market.clock import Clock
from tickertui.market.hours import MarketCalendar
from tickertui.services.accounts.session_orchestrator import SessionOrchestrator
from tickertui.services.contracts.instrument_registry import InstrumentRegistry
from tickertui.services.loop.ticker_loop import MultiAccountTickerLoop
from tickertui.services.mock.mock_generator import MockDataGenerator
from tickertui.services.plan.subscription_reconciler import SubscriptionReconciler
from tickertui.services.plan.subscription_reloader import SubscriptionReloader
from tickertui.services.supervision.events import EventLog
from tickertui.services.supervision.observed_hours import ObservedHours
from tickertui.services.supervision.process_watch import ProcessWatch
from tickertui.services.supervision.store_watch import StoreWatch
from tickertui.services.supervision.task_monitor import TaskMonitor
from tickertui.services.valuation.valuation import Valuation
from tickertui.store.protocol import Store

if TYPE_CHECKING:
    from tickertui.services.history.historical_bootstrapper import HistoricalBootstrapper


@frozen
class Services:
    """The running services; the engine owns their tasks, whoever receives this only asks.

    Attributes:
        clock: Wall and monotonic time.
        calendar: Sessions and holidays.
        hours: Which segments trade, by what is seen.
        board: The latest of everything that ticks.
        registry: The day's contracts.
        store: What survives.
        loop: Supervises all of it.
        reconciler: What is wanted and who carries it.
        reloader: Turns changes into reloads.
        bootstrapper: Fills gaps in the history; None where that is switched off.
        mock_generator: The mock market.
        orchestrator: Accounts, tokens and clients.
        task_monitor: Every background task.
        events: What happened.
        process: What the program itself costs.
        store_watch: Whether the store answers.
        login_url: Address of the broker's login page, by account id.
        valuation: Keeps implied volatility and Greeks current; None where nobody looks at them.
    """

    clock: Clock
    calendar: MarketCalendar
    hours: ObservedHours
    board: MarketBoard
    registry: InstrumentRegistry
    store: Store
    loop: MultiAccountTickerLoop
    reconciler: SubscriptionReconciler
    reloader: SubscriptionReloader
    bootstrapper: HistoricalBootstrapper | None
    mock_generator: MockDataGenerator
    orchestrator: SessionOrchestrator
    task_monitor: TaskMonitor
    events: EventLog
    process: ProcessWatch
    store_watch: StoreWatch
    login_url: Callable[[str], str]
    valuation: Valuation | None = None
