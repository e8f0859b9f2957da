"""The broker's own client, run in a process of its own: ``python -m tests.support.official_client rest|ticker``.

`KiteTicker` lives on one global Twisted reactor that cannot be started twice, and importing the package alone loads
it. The instruction comes as one line of JSON on standard input, what happens goes as lines of JSON to standard output.

``rest``: ``{"root", "api_key", "access_token", "calls": [[method, args, kwargs], ...]}``; a line for each call, with
``result`` or ``error`` (class, message, code).

``ticker``: ``{"root", "api_key", "access_token", "modes": {"full": [tokens], ...}}``; a line for each callback. It
runs until its standard input ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from typing import Any

DEADLINE_SECONDS = 60.0


def _say(**event: object) -> None:
    sys.stdout.write(json.dumps(event, default=str) + "\n")
    sys.stdout.flush()


def _run_rest(job: Mapping[str, Any]) -> None:
    from kiteconnect import KiteConnect

    client = KiteConnect(job["api_key"], job["access_token"], root=job["root"])
    for method, args, kwargs in job["calls"]:
        try:
            _say(result=getattr(client, method)(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - whatever the official client raises is the finding
            _say(error=type(error).__name__, message=str(error), code=getattr(error, "code", None))


def _run_ticker(job: Mapping[str, Any]) -> None:
    from kiteconnect import KiteTicker

    ticker = KiteTicker(job["api_key"], job["access_token"], root=job["root"])

    def on_connect(socket: Any, response: Any) -> None:
        for mode, tokens in job["modes"].items():
            socket.subscribe(tokens)
            socket.set_mode(mode, tokens)
        _say(event="connect")

    ticker.on_connect = on_connect
    ticker.on_ticks = lambda socket, ticks: _say(event="ticks", ticks=ticks)
    ticker.on_order_update = lambda socket, data: _say(event="order", data=data)
    ticker.on_message = lambda socket, payload, is_binary: (
        _say(event="binary", size=len(payload)) if is_binary else _say(event="text", text=payload.decode())
    )
    ticker.on_close = lambda socket, code, reason: _say(event="close", code=code, reason=reason)
    ticker.on_error = lambda socket, code, reason: _say(event="error", code=code, reason=reason)
    ticker.connect(threaded=True)
    sys.stdin.read()
    os._exit(0)  # The reactor's thread would keep the process alive.


def main() -> None:
    watchdog = threading.Timer(DEADLINE_SECONDS, os._exit, (3,))
    watchdog.daemon = True
    watchdog.start()
    job = json.loads(sys.stdin.readline())
    {"rest": _run_rest, "ticker": _run_ticker}[sys.argv[1]](job)


if __name__ == "__main__":
    main()
