"""Loads the broker's own REST client, `kiteconnect.KiteConnect`, without its Twisted ticker.

``import kiteconnect`` also imports its WebSocket client, which loads 600 modules of Twisted, autobahn and OpenSSL,
installs a global reactor and costs 0.27 s of CPU and 35 MB, for REST too. `load` puts an empty module in the place
of ``kiteconnect.ticker`` while the package is imported and takes it away again; the real one is then imported when
somebody asks for ``kiteconnect.KiteTicker`` or ``kiteconnect.ticker``, as if nothing had been done. Where the
package is loaded already, or does not like the empty module, it is used as it is.

Called in worker threads by `tickertui.kite.rest`; nothing here runs before an account is used.
"""

from __future__ import annotations

import importlib
import sys
import threading
from types import ModuleType
from typing import Any, Final

_PACKAGE: Final = "kiteconnect"
_TICKER: Final = "kiteconnect.ticker"
_lock = threading.Lock()


def load() -> type[Any]:
    """Return the class ``kiteconnect.KiteConnect``."""
    with _lock:
        if _PACKAGE not in sys.modules:
            _import_without_ticker()
        client: type[Any] = importlib.import_module(_PACKAGE).KiteConnect
    return client


def _import_without_ticker() -> None:
    empty = ModuleType(_TICKER)
    empty.KiteTicker = None  # type: ignore[attr-defined]
    sys.modules[_TICKER] = empty
    try:
        package = importlib.import_module(_PACKAGE)
    except (ImportError, AttributeError):
        # Another version that needs more of its ticker: forget the attempt and import all of it.
        for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]:
            del sys.modules[name]
        return
    del sys.modules[_TICKER]
    for name in ("ticker", "KiteTicker"):
        package.__dict__.pop(name, None)
    package.__dict__["__getattr__"] = _late_ticker


def _late_ticker(name: str) -> Any:
    """Module-level ``__getattr__`` of the package: import the real ticker when it is asked for (PEP 562)."""
    if name not in {"ticker", "KiteTicker"}:
        raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}")
    ticker = importlib.import_module(_TICKER)
    package = sys.modules[_PACKAGE]
    package.__dict__["KiteTicker"] = ticker.KiteTicker
    return package.__dict__[name]
