"""What runs in the background: the ticker loop and the services that it supervises, a room for each task.

The engine builds `tickertui.services.bundle.Services` from them. The classes of the original system are exported here
under their own names, when somebody asks for them: importing this package loads none of them. The layers of the
rooms, from above: loop; accounts; history, plan, mock and valuation beside each other; contracts; supervision.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tickertui.services.accounts.session_orchestrator import SessionOrchestrator
    from tickertui.services.contracts.instrument_registry import InstrumentRegistry
    from tickertui.services.history.historical_bootstrapper import HistoricalBootstrapper
    from tickertui.services.loop.ticker_loop import MultiAccountTickerLoop
    from tickertui.services.mock.mock_generator import MockDataGenerator
    from tickertui.services.plan.subscription_reconciler import SubscriptionReconciler
    from tickertui.services.plan.subscription_reloader import SubscriptionReloader
    from tickertui.services.supervision.task_monitor import TaskMonitor

__all__ = [
    "HistoricalBootstrapper",
    "InstrumentRegistry",
    "MockDataGenerator",
    "MultiAccountTickerLoop",
    "SessionOrchestrator",
    "SubscriptionReconciler",
    "SubscriptionReloader",
    "TaskMonitor",
]

_MODULES = {
    "HistoricalBootstrapper": "tickertui.services.history.historical_bootstrapper",
    "InstrumentRegistry": "tickertui.services.contracts.instrument_registry",
    "MockDataGenerator": "tickertui.services.mock.mock_generator",
    "MultiAccountTickerLoop": "tickertui.services.loop.ticker_loop",
    "SessionOrchestrator": "tickertui.services.accounts.session_orchestrator",
    "SubscriptionReconciler": "tickertui.services.plan.subscription_reconciler",
    "SubscriptionReloader": "tickertui.services.plan.subscription_reloader",
    "TaskMonitor": "tickertui.services.supervision.task_monitor",
}


def __getattr__(name: str) -> Any:
    """Import an exported class when it is first asked for (PEP 562)."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    """Name what is exported."""
    return sorted([*globals(), *__all__])
