"""Frames as the broker sends them, made by hand (struct) and by hypothesis: no code of the decoder is used here."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

SEGMENTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 0, 200)
"""Every segment of the protocol, and two that it does not have."""

LENGTHS = (8, 28, 32, 44, 184)


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet: its token and the bytes behind it."""

    token: int
    rest: bytes

    @property
    def payload(self) -> bytes:
        return struct.pack(">I", self.token) + self.rest

    def words(self) -> list[int]:
        """All of it as 32-bit numbers."""
        return list(struct.unpack(f">{len(self.payload) // 4}I", self.payload))


def join(payloads: Sequence[bytes]) -> bytes:
    """A frame of these packets."""
    return struct.pack(">H", len(payloads)) + b"".join(struct.pack(">H", len(one)) + one for one in payloads)


def frame_of(packets: Sequence[Packet]) -> bytes:
    """A frame of these packets."""
    return join([packet.payload for packet in packets])


def tokens(exchange_tokens: int = 1 << 24) -> st.SearchStrategy[int]:
    """Tokens of every segment."""
    return st.builds(
        lambda number, segment: number << 8 | segment, st.integers(1, exchange_tokens - 1), st.sampled_from(SEGMENTS)
    )


def contents(length: int) -> st.SearchStrategy[bytes]:
    """Bytes of one length: any, all zero or all one. Made from a seed: 184 drawn bytes a packet would be too many."""
    extremes = st.sampled_from((bytes(length), b"\xff" * length))
    return st.integers(0, 1 << 32).map(lambda seed: random.Random(seed).randbytes(length)) | extremes


def packets(token: st.SearchStrategy[int], lengths: Sequence[int] = LENGTHS) -> st.SearchStrategy[Packet]:
    """Packets of these lengths."""
    return st.sampled_from(lengths).flatmap(lambda length: st.builds(Packet, token, contents(length - 4)))


def uniform(token: st.SearchStrategy[int], most: int = 20) -> st.SearchStrategy[list[Packet]]:
    """Packets of one length."""
    return st.sampled_from(LENGTHS).flatmap(
        lambda length: st.lists(packets(token, (length,)), min_size=1, max_size=most)
    )


def frames_of_packets() -> st.SearchStrategy[list[Packet]]:
    """Uniform, mixed and short frames; few tokens, so that some occur twice."""
    few = st.sampled_from([number << 8 | segment for number in (1, 2, 70_000) for segment in SEGMENTS])
    any_token = tokens()
    return st.one_of(
        uniform(any_token),
        st.lists(packets(any_token), max_size=20),
        st.lists(packets(few), min_size=8, max_size=30),
    )
