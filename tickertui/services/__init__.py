"""What runs in the background: the ticker loop and the services that it supervises.

The three services that the original system's loop was taken apart into are exported here under their own names, when
somebody asks for them: importing this package loads none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tickertui.services.history.historical_bootstrapper import HistoricalBootstrapper
    from tickertui.services.mock.mock_generator import MockDataGenerator
    from tickertui.services.plan.subscription_reconciler import SubscriptionReconciler

__all__ = ["HistoricalBootstrapper", "MockDataGenerator", "SubscriptionReconciler"]

_MODULES = {
    "HistoricalBootstrapper": "tickertui.services.history.historical_bootstrapper",
    "MockDataGenerator": "tickertui.services.mock.mock_generator",
    "SubscriptionReconciler": "tickertui.services.plan.subscription_reconciler",
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
