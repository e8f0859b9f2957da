"""The broker's binary frames, decoded into `TickBatch` and encoded from it.

A frame is a big-endian 16-bit number of packets, then each packet behind its own 16-bit length; the length alone
tells what a packet is. A packet is a row of big-endian 32-bit words, so a frame of equal packets is one strided view
and one byte swap. `tickertui.kite.stream` decodes what the socket gives; the simulator encodes what it sends.

Source: Kite Connect v3 documentation, WebSocket streaming, message and packet structure.
"""

from __future__ import annotations

import struct
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.market.ticks import BatchPart, Mode, Source, TickBatch, Word

_LENGTHS: Final = {
    # bytes on the wire: (mode, is_index, words in the board's order)
    8: (Mode.LTP, False, 2),
    28: (Mode.QUOTE, True, 11),
    32: (Mode.FULL, True, 16),
    44: (Mode.QUOTE, False, 11),
    184: (Mode.FULL, False, 46),
}
_LONGEST: Final = 184

_TO_BOARD: Final = ((0, 0), (1, 1), (2, 8), (3, 9), (4, 7), (5, 10))
"""(index packet word, board word): an index packet has high, low, open, close where others have quantities."""

_BIG_ENDIAN: Final = np.dtype(">u4")
_VOID: Final = {length: np.dtype(f"V{length}") for length in _LENGTHS}
_NO_WORDS: Final[NDArray[np.uint32]] = np.zeros((0, 2), dtype=np.uint32)

_FROM_INDEX: Final = np.array([0, 1, 0, 0, 0, 0, 0, 4, 2, 3, 5, 0, 0, 0, 0, 7], dtype=np.intp)
"""The same the other way: which packet word each of the first 16 board words takes; 0 for those it does not have."""

_PADDING: Final = bytes(_LONGEST)

HEARTBEAT: Final = b"\x00"
"""What the broker sends about each second; its length (one byte) is its meaning."""


class MalformedFrame(ValueError):  # noqa: N818 - the name the documentation of this project uses
    """A frame whose lengths do not add up; nothing in it was used."""


def is_heartbeat(frame: bytes) -> bool:
    """Tell whether a binary frame is the broker's one-byte heartbeat."""
    return len(frame) == 1


def decode(
    frame: bytes,
    *,
    source: Source = Source.LIVE,
    received_ns: int = 0,
    received_wall_ns: int = 0,
    generation: int = 0,
    connection: int = -1,
) -> TickBatch:
    """Decode one binary frame.

    Packets of a length this protocol does not know are skipped and counted in `TickBatch.skipped`. A heartbeat
    decodes to an empty batch.

    Args:
        frame: The payload of one binary WebSocket message.
        source: Provenance to stamp on the batch.
        received_ns: Monotonic time of receipt.
        received_wall_ns: Epoch time of receipt.
        generation: Subscription plan of the feed.
        connection: Number of the connection.

    Raises:
        MalformedFrame: When a packet or its length header goes beyond the frame, or bytes are left over.
    """
    skipped = 0
    positions = None
    size = len(frame)
    if size < 4:
        words, parts = _decode_empty(frame)
    else:
        count = frame[0] << 8 | frame[1]
        length = frame[2] << 8 | frame[3]
        if count * (length + 2) + 2 == size and _is_uniform(frame, count, length):
            known = _LENGTHS.get(length)
            if known is None:
                words, parts, skipped = _NO_WORDS, (), count
            else:
                mode, is_index, width = known
                words = _uniform_words(frame, count, length)
                if is_index:
                    words = _index_to_board(words, width)
                parts = (BatchPart(0, count, width, mode, is_index),)
        else:
            words, parts, positions, skipped = _decode_mixed(frame, count)
    return TickBatch(
        words,
        parts,
        positions,
        source=source,
        received_ns=received_ns,
        received_wall_ns=received_wall_ns,
        generation=generation,
        connection=connection,
        skipped=skipped,
    )


_Parts = tuple[BatchPart, ...]


def _decode_empty(frame: bytes) -> tuple[NDArray[np.uint32], _Parts]:
    """A heartbeat, or a frame that announces no packets; anything else this short is cut."""
    if len(frame) == 1 or frame == b"\x00\x00":
        return _NO_WORDS, ()
    if not frame:
        raise MalformedFrame("the frame is empty; even a heartbeat has one byte")
    raise MalformedFrame(f"the frame of {len(frame)} bytes is too short for the packets that it announces")


def _is_uniform(frame: bytes, count: int, length: int) -> bool:
    """Whether every length header, each reached through equal ones before it, says ``length``."""
    if count == 1:
        return True
    step = length + 2
    return frame[2::step] == frame[2:3] * count and frame[3::step] == frame[3:4] * count


def _uniform_words(frame: bytes, count: int, length: int) -> NDArray[np.uint32]:
    """uint32[count, length / 4] of a frame of equal packets: one copy that packs them, one byte swap."""
    if count == 1:
        packed: NDArray[np.void] = np.frombuffer(frame, _VOID[length], 1, 4)
    else:
        packed = np.ndarray((count,), _VOID[length], frame, 4, (length + 2,)).copy()
    return packed.view(_BIG_ENDIAN).reshape(count, length >> 2).astype(np.uint32)


def _index_to_board(words: NDArray[np.uint32], width: int) -> NDArray[np.uint32]:
    """Bring index packets, uint32[k, >= 7], into the board's order, uint32[k, width]."""
    board = np.zeros((len(words), width), dtype=np.uint32)
    for packet_word, board_word in _TO_BOARD:
        board[:, board_word] = words[:, packet_word]
    if width > Word.EXCHANGE_TIMESTAMP:
        board[:, Word.EXCHANGE_TIMESTAMP] = words[:, 7]
    return board


def _decode_mixed(frame: bytes, count: int) -> tuple[NDArray[np.uint32], _Parts, NDArray[np.intp] | None, int]:
    """Decode packets of several lengths: one walk over the headers, one gather sorted by length, one byte swap."""
    starts, lengths, skipped = _packet_starts(frame, count)
    if not len(starts):
        return _NO_WORDS, (), None, skipped
    order = lengths.argsort(kind="stable")
    # Every packet is gathered as if it were the longest, into the bytes of its successor or the padding; the width
    # of its part says where it ends. One item starts at each byte of the frame, so a packet costs one memcpy.
    padded = frame + _PADDING
    items: NDArray[np.void] = np.ndarray((len(frame),), _VOID[_LONGEST], padded, 0, (1,))
    words = items[starts[order]].view(_BIG_ENDIAN).reshape(len(starts), _LONGEST >> 2).astype(np.uint32)
    walked = lengths.tobytes()
    parts = []
    start = 0
    for code, (mode, is_index, width) in _LENGTHS.items():
        size = walked.count(code)
        if size:
            parts.append(BatchPart(start, start + size, width, mode, is_index))
            start += size
    indices = [part for part in parts if part.is_index]
    if indices:
        # Two lengths of index packets stand side by side: one reordering for both.
        _index_in_place(words[indices[0].start : indices[-1].stop])
    return words, tuple(parts), order, skipped


def _index_in_place(words: NDArray[np.uint32]) -> None:
    """Bring gathered index packets, uint32[k, 46], into the board's order; beyond its width a row is undefined."""
    words[:, : len(_FROM_INDEX)] = words.take(_FROM_INDEX, axis=1)
    words[:, Word.LAST_QUANTITY : Word.OPEN] = 0
    words[:, Word.LAST_TRADE_TIME : Word.EXCHANGE_TIMESTAMP] = 0


def _packet_starts(frame: bytes, count: int) -> tuple[NDArray[np.intp], NDArray[np.uint8], int]:
    """Return where the known packets start and their lengths, and how many unknown ones lie between.

    The quick walk looks at the low byte of each length only (70 ns a packet); the high bytes and whether all lengths
    are known are checked at once behind it. Any surprise takes the careful walk, which tells what is wrong.
    """
    length, at = 0, 1
    try:
        walked = bytes([length := frame[at := at + length + 2] for _ in repeat(None, count)])
    except IndexError:
        return _packet_starts_carefully(frame, count)
    if at + length + 1 != len(frame) or sum(map(walked.count, _LENGTHS)) != count:
        return _packet_starts_carefully(frame, count)
    lengths = np.frombuffer(walked, np.uint8)
    starts = lengths.cumsum(dtype=np.intp)
    starts -= lengths
    starts += np.arange(4, 4 + 2 * count, 2)
    if np.frombuffer(frame, np.uint8).take(starts - 2).any():
        return _packet_starts_carefully(frame, count)
    return starts, lengths, 0


def _packet_starts_carefully(frame: bytes, count: int) -> tuple[NDArray[np.intp], NDArray[np.uint8], int]:
    size = len(frame)
    starts: list[int] = []
    lengths: list[int] = []
    skipped = 0
    at = 2
    for number in range(1, count + 1):
        start = at + 2
        if start > size:
            raise MalformedFrame(f"packet {number} of {count} starts beyond the {size} bytes of the frame")
        length = frame[at] << 8 | frame[at + 1]
        at = start + length
        if at > size:
            raise MalformedFrame(f"packet {number} of {count} ends at byte {at}, beyond the {size} bytes of the frame")
        if length in _LENGTHS:
            starts.append(start)
            lengths.append(length)
        else:
            skipped += 1
    if at != size:
        raise MalformedFrame(f"{size - at} bytes are left behind the {count} packets of the frame")
    return np.array(starts, dtype=np.intp), np.array(lengths, dtype=np.uint8), skipped


# ---------------------------------------------------------------------- encoding


def encode(batch: TickBatch) -> bytes:
    """Encode a batch as one binary frame: the inverse of `decode`, packets in the batch's order.

    Raises:
        ValueError: When the batch holds more than 65,535 ticks, the most a frame can announce.
    """
    total = len(batch)
    if total > 0xFFFF:
        raise ValueError(f"a frame announces at most 65,535 packets, not {total}")
    header = struct.pack(">H", total)
    if len(batch.parts) == 1 and batch.positions is None:
        return header + _encode_part(batch, batch.parts[0]).tobytes()
    packets: list[bytes] = [b""] * total
    for part in batch.parts:
        rows = range(part.start, part.stop)
        where = rows if batch.positions is None else batch.positions[part.start : part.stop].tolist()
        for position, packet in zip(where, _encode_part(batch, part), strict=True):
            packets[position] = packet.tobytes()
    return header + b"".join(packets)


def _encode_part(batch: TickBatch, part: BatchPart) -> NDArray[np.uint8]:
    """Return uint8[k, 2 + length]: each packet behind its length header."""
    words = batch.words[part.start : part.stop, : part.width]
    if part.is_index and part.mode is not Mode.LTP:
        words = _board_to_index(words, part.mode)
    length = words.shape[1] * 4
    encoded = np.empty((len(words), length + 2), dtype=np.uint8)
    encoded[:, 0] = length >> 8
    encoded[:, 1] = length & 0xFF
    encoded[:, 2:] = np.ascontiguousarray(words.astype(_BIG_ENDIAN)).view(np.uint8)
    return encoded


def _board_to_index(words: NDArray[np.uint32], mode: Mode) -> NDArray[np.uint32]:
    """The inverse of `_index_to_board`; the broker's price change word is last value minus close."""
    packet = np.zeros((len(words), 8 if mode is Mode.FULL else 7), dtype=np.uint32)
    for packet_word, board_word in _TO_BOARD:
        packet[:, packet_word] = words[:, board_word]
    packet[:, 6] = words[:, Word.LAST_PRICE] - words[:, Word.CLOSE]
    if mode is Mode.FULL:
        packet[:, 7] = words[:, Word.EXCHANGE_TIMESTAMP]
    return packet
