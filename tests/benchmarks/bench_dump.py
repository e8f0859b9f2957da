"""Parse an instruments dump of 100,000 rows, against the official client's parser on the same bytes."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from tests.benchmarks.harness import MissingPeer, Result, best_of, compare, import_peer
from tickertui.kite.instruments_csv import HEADER, format_instruments, parse_instruments

ROWS = 100_000


def dump() -> bytes:
    """A dump shaped as the broker's: names that repeat, weekly and monthly expiries, some stocks."""
    first = date(2026, 11, 26)
    lines = [",".join(HEADER)]
    for number in range(ROWS):
        token, name = (30_000 + number) << 8 | 2, f"SYM{number % 210}"
        if number % 10 == 0:
            lines.append(f"{token},{token >> 8},{name}{number},{name} LIMITED,0.0,,0.0,0.05,1,EQ,NSE,NSE")
            continue
        expiry, strike, side = (
            first + timedelta(days=7 * (number % 12)),
            100.0 + 50 * (number % 400),
            ("CE", "PE")[number % 2],
        )
        symbol = f"{name}{expiry:%y%b}{strike:.0f}{side}".upper()
        lines.append(f"{token},{token >> 8},{symbol},{name},0.0,{expiry},{strike},0.05,65,{side},NFO-OPT,NFO")
    return ("\n".join(lines) + "\n").encode()


def _official_seconds(client: Any, content: bytes) -> float:
    seconds = best_of(lambda: client._parse_instruments(content), rounds=1)
    client.reqsession.close()
    return seconds


def run() -> list[Result]:
    """Parse, and write back."""
    content = dump()
    table = parse_instruments(content)
    peer = import_peer("kiteconnect")
    own, official = float("inf"), None
    for _ in range(3):
        own = min(own, best_of(lambda: parse_instruments(content), rounds=2))
        if not isinstance(peer, MissingPeer):
            seconds = _official_seconds(peer.KiteConnect("key"), content)
            official = seconds if official is None else min(official, seconds)
    label = peer if isinstance(peer, MissingPeer) else "kiteconnect"
    written = best_of(lambda: format_instruments(table), rounds=2)
    return [
        compare("parse 100,000 rows", own * 1e3, "ms", label, official and official * 1e3, ">= 5x"),
        Result("write 100,000 rows", written * 1e3, "ms"),
    ]
