"""The processes of `bench_feed`: the simulated broker, our client, the official client.

``python -m tests.benchmarks.feed_process serve|ours|official``; each reads one line of JSON and prints one.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import anyio

_OPTIONS = 4_500
"""Strikes, with a call and a put each: 9,000 instruments."""


def _tokens() -> list[int]:
    from tests.support.plain_market import option
    from tickertui.market.instruments import InstrumentKind

    return [
        option(60_000 + number * 2 + side, 10_000 + number, kind).token
        for number in range(_OPTIONS)
        for side, kind in enumerate((InstrumentKind.CALL, InstrumentKind.PUT))
    ]


async def _serve(job: dict[str, Any]) -> None:
    from tests.support.plain_market import PlainMarket, option
    from tests.support.simulators import simulated_broker
    from tickertui.market.instruments import InstrumentKind
    from tickertui.simulator.server import Timing

    contracts = tuple(
        option(60_000 + number * 2 + side, 10_000 + number, kind)
        for number in range(_OPTIONS)
        for side, kind in enumerate((InstrumentKind.CALL, InstrumentKind.PUT))
    )
    timing = Timing(heartbeat=1.0, step=job["step"])
    async with simulated_broker(PlainMarket(contracts), accounts=2, timing=timing, speed=1.0) as broker:
        accounts = [(account.api_key, account.access_token) for account in broker.accounts]
        print(json.dumps({"url": broker.stream_url, "accounts": accounts}), flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


class _Sink:
    generation = 0

    def __init__(self, board: Any) -> None:
        self._board = board

    def on_frame(self, connection: int, frame: bytes, received_ns: int, wall_ns: int) -> None:
        pass

    def on_batch(self, batch: Any) -> None:
        self._board.apply(batch)

    def on_text(self, connection: int, message: Any) -> None:
        pass

    def on_state(self, connection: int, state: Any, reason: str) -> None:
        pass

    def on_subscribed(self, connection: int, tokens: Sequence[int], now_ns: int) -> None:
        pass


async def _ours(job: dict[str, Any]) -> None:
    from tests.support.waiting import wait_until
    from tickertui.clock import SystemClock
    from tickertui.kite.secrets import Secret
    from tickertui.kite.stream import KiteStream
    from tickertui.market.board import MarketBoard
    from tickertui.market.ticks import Mode

    tokens = _tokens()
    board = MarketBoard(len(tokens))
    board.ensure(tokens)
    key, token = job["account"]
    streams = []
    async with anyio.create_task_group() as tasks:
        for number in range(3):
            stream = KiteStream(
                number, url=job["url"], api_key=key, token=lambda: Secret(token), sink=_Sink(board),
                clock=SystemClock(), random=random.Random(number),
            )  # fmt: skip
            stream.set_desired(dict.fromkeys(tokens[number * 3_000 : (number + 1) * 3_000], Mode.FULL))
            streams.append(stream)
            tasks.start_soon(stream.run)
        await wait_until(lambda: board.counters.ticks >= len(tokens), "each instrument has ticked", timeout=30)
        before, began, cpu = board.counters.ticks, time.perf_counter(), time.process_time()
        await anyio.sleep(job["seconds"])
        _report(board.counters.ticks - before, time.perf_counter() - began, time.process_time() - cpu)
        tasks.cancel_scope.cancel()


def _report(ticks: int, seconds: float, cpu: float) -> None:
    print(json.dumps({"ticks": ticks, "seconds": seconds, "cpu": cpu}), flush=True)


def _official(job: dict[str, Any]) -> None:
    from kiteconnect import KiteTicker

    tokens = _tokens()
    key, token = job["account"]
    seen = [0]
    lock = threading.Lock()

    def connect(number: int) -> None:
        ticker = KiteTicker(key, token, root=job["url"])
        mine = tokens[number * 3_000 : (number + 1) * 3_000]

        def on_connect(socket: Any, response: Any) -> None:
            socket.subscribe(mine)
            socket.set_mode("full", mine)

        def on_ticks(socket: Any, ticks: list[Any]) -> None:
            with lock:
                seen[0] += len(ticks)

        ticker.on_connect, ticker.on_ticks = on_connect, on_ticks
        ticker.connect(threaded=True)

    for number in range(3):
        connect(number)
        time.sleep(0.5)
    while seen[0] < len(tokens):
        time.sleep(0.05)
    before, began, cpu = seen[0], time.perf_counter(), time.process_time()
    time.sleep(job["seconds"])
    _report(seen[0] - before, time.perf_counter() - began, time.process_time() - cpu)
    os._exit(0)  # the reactor's thread would keep the process alive


def main() -> None:
    """Run the process that the command line names."""
    job = json.loads(sys.stdin.readline())
    what = sys.argv[1]
    if what == "official":
        _official(job)
    else:
        anyio.run({"serve": _serve, "ours": _ours}[what], job)


if __name__ == "__main__":
    main()
