"""Decode a frame and write it to the board, against the official parser's decode alone.

Two frames of the same tokens take turns, so that what a change costs (directions, times of change) is in the figure:
every price changes, every tenth open interest. Own rounds and the peer's alternate, and the fewest seconds of each
count.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np

from tests.benchmarks.harness import MissingPeer, Result, best_of, compare, import_peer
from tickertui.kite.packets import decode
from tickertui.market.board import MarketBoard

Frames = tuple[bytes, bytes]

ROUNDS = 7
FULL, INDEX_FULL = 184, 32
EXCHANGE_TIME = 1_795_000_000
MIXED = (8, 44, 184, 28, 32)


def frames(lengths: list[int], seed: int = 1) -> Frames:
    """Two frames of packets of these lengths, same tokens, other words."""
    rng = np.random.default_rng(seed)
    return _frame(lengths, rng), _frame(lengths, rng)


def _frame(lengths: list[int], rng: np.random.Generator) -> bytes:
    packets = [struct.pack(">H", len(lengths))]
    for number, length in enumerate(lengths):
        words = rng.integers(1, 10_000_000, length // 4, dtype=np.uint32)
        words[0] = (40_000 + number) << 8 | (9 if length in {28, 32} else 2)
        if length == FULL:
            words[15] = EXCHANGE_TIME
            # Open interest moves in steps; one instrument in ten between two frames is much.
            words[12] = number if number % 10 else words[12]
        if length == INDEX_FULL:
            words[7] = EXCHANGE_TIME
        packets.append(struct.pack(">H", length) + words.astype(">u4").tobytes())
    return b"".join(packets)


def _tokens(frame: bytes) -> list[int]:
    tokens: list[int] = decode(frame).instrument_token.tolist()
    return tokens


def _own(pair: Frames) -> Callable[[], object]:
    board = MarketBoard(16_384)
    board.ensure(_tokens(pair[0]))
    turn = cycle(pair)
    return lambda: board.apply(decode(next(turn), received_ns=1, received_wall_ns=1))


def _official(pair: Frames, parser: Any) -> Callable[[], object]:
    turn = cycle(pair)
    return lambda: parser._parse_binary(next(turn))


def _alternating(
    own: Callable[[], object], peer: Callable[[], object] | None, inner: int
) -> tuple[float, float | None]:
    """Fewest seconds of one call of each; the peer takes as few calls as give a readable figure."""
    peer_inner = max(1, inner // 100)
    own_best, peer_best = float("inf"), float("inf")
    for _ in range(ROUNDS):
        own_best = min(own_best, best_of(own, rounds=3, inner=inner))
        if peer is not None:
            peer_best = min(peer_best, best_of(peer, rounds=1, inner=peer_inner))
    return own_best, None if peer is None else peer_best


def _case(name: str, lengths: list[int], inner: int, target: str, peer: Any) -> Result:
    pair = frames(lengths)
    missing = isinstance(peer, MissingPeer)
    official = None if missing else _official(pair, peer.KiteTicker("key", "token"))
    seconds, peer_seconds = _alternating(_own(pair), official, inner)
    label = peer if missing else "kiteconnect, decode alone"
    return compare(name, seconds * 1e6, "us/frame", label, peer_seconds and peer_seconds * 1e6, target)


def run() -> list[Result]:
    """Full frames of 1 to 3,000 packets, mixed frames of 500."""
    peer = import_peer("kiteconnect.ticker")
    shuffled = list(np.random.default_rng(2).permutation([MIXED[number % len(MIXED)] for number in range(500)]))
    mixed = [int(length) for length in shuffled]
    chain = [INDEX_FULL if number % 170 == 5 else FULL for number in range(500)]
    return [
        _case("full x1, decode + board", [FULL], 2000, ">= 2x", peer),
        _case("full x50, decode + board", [FULL] * 50, 500, "", peer),
        _case("full x500, decode + board", [FULL] * 500, 200, ">= 250x", peer),
        _case("full x3000, decode + board", [FULL] * 3000, 20, "", peer),
        _case("mixed x500, decode + board", mixed, 100, ">= 40x", peer),
        _case("500 full with 3 indices, decode + board", chain, 100, "", peer),
    ]
