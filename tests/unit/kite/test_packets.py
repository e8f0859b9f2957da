"""The decoder against the official client's parser, frame by frame; its inverse; and bytes that are no frame."""

from __future__ import annotations

import math
import struct
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.kite_frames import LENGTHS, SEGMENTS, Packet, frame_of, frames_of_packets, join
from tests.support.paths import sample
from tickertui.kite.packets import HEARTBEAT, MalformedFrame, decode, encode, is_heartbeat
from tickertui.market.ticks import Mode, Source, TickBatch


@pytest.fixture(scope="module")
def official() -> Any:
    from kiteconnect import KiteTicker

    return KiteTicker("key", "token")


def epoch(value: datetime | None) -> int:
    assert value is not None
    return round(value.timestamp())


INTEGERS = (
    "last_traded_quantity", "volume_traded", "total_buy_quantity", "total_sell_quantity", "oi", "oi_day_high",
    "oi_day_low", "last_trade_time", "exchange_timestamp",
)  # fmt: skip
OHLC = ("open", "high", "low", "close")


def ticks(batch: TickBatch) -> list[dict[str, Any]]:
    """A batch in the official client's form, read through the named columns."""
    columns = {name: getattr(batch, name).tolist() for name in INTEGERS + OHLC}
    tradable, tokens = batch.tradable.tolist(), batch.instrument_token.tolist()
    last, average = batch.last_price.tolist(), batch.average_traded_price.tolist()
    depth = [column.tolist() for column in (batch.depth_quantity, batch.depth_price, batch.depth_orders)]
    rows = []
    for i, mode in enumerate(batch.mode.tolist()):
        tick: dict[str, Any] = {
            "tradable": tradable[i],
            "mode": mode,
            "instrument_token": tokens[i],
            "last_price": last[i],
        }
        if mode != "ltp":
            tick["ohlc"] = {name: columns[name][i] for name in OHLC}
        tick.update({name: columns[name][i] for name in INTEGERS if columns[name][i] != -1})
        if not math.isnan(average[i]):
            tick["average_traded_price"] = average[i]
        if depth[0][i][0] != -1:
            tick["depth"] = list(zip(*(column[i] for column in depth), strict=True))
        rows.append(tick)
    return rows


def with_sign(price: float, token: int) -> float:
    """A commodity's price, which the Python client reads without its sign (the Java and Node clients with it)."""
    divisor = {7: 100, 12: 10_000}.get(token & 0xFF)
    word = 0 if divisor is None else round(price * divisor)
    return (word - (1 << 32)) / divisor if divisor is not None and word >= 1 << 31 else price


def official_ticks(parser: Any, frame: bytes) -> list[dict[str, Any]]:
    rows = parser._parse_binary(frame)
    for tick in rows:
        tick.pop("change", None)
        for name in ("last_trade_time", "exchange_timestamp"):
            if name in tick:
                tick[name] = epoch(tick[name])
        token = tick["instrument_token"]
        for name in {"last_price", "average_traded_price"}.intersection(tick):
            tick[name] = with_sign(tick[name], token)
        if "ohlc" in tick:
            tick["ohlc"] = {name: with_sign(price, token) for name, price in tick["ohlc"].items()}
        if "depth" in tick:
            tick["depth"] = [
                (level["quantity"], with_sign(level["price"], token), level["orders"])
                for side in ("buy", "sell")
                for level in tick["depth"][side]
            ]
    result: list[dict[str, Any]] = rows
    return result


@settings(max_examples=200, deadline=None)
@given(found=frames_of_packets())
def test_every_frame_reads_as_the_official_client_reads_it(official: Any, found: list[Packet]) -> None:
    frame = frame_of(found)
    batch = decode(frame)
    assert ticks(batch) == official_ticks(official, frame)
    assert batch.skipped == 0


@pytest.mark.parametrize("segment", SEGMENTS)
@pytest.mark.parametrize("length", LENGTHS)
def test_every_kind_in_every_segment(official: Any, segment: int, length: int) -> None:
    packet = Packet(1234 << 8 | segment, bytes(range(1, length - 3)))
    for count in (1, 2, 9):
        frame = frame_of([packet] * count)
        assert ticks(decode(frame)) == official_ticks(official, frame)


@pytest.mark.parametrize(
    ("token", "raw", "rupees"),
    # Test vectors of the broker's .NET client for the commodity segment of NSE, whose divisor came late.
    [
        (31132428, 3782000, 378.20),
        (31188748, 2916000, 291.60),
        (31503116, 268500000, 26850.0),
        (33539084, 84940000, 8494.0),
    ],
)
def test_published_prices_of_the_commodity_segment(token: int, raw: int, rupees: float) -> None:
    assert decode(join([struct.pack(">II", token, raw)])).last_price.tolist() == [rupees]


def test_the_brokers_published_packet(official: Any) -> None:
    frame = join([sample("ticker_quote.packet").read_bytes()])
    batch = decode(frame)
    assert batch.instrument_token.tolist() == [408065]
    assert batch.last_price.tolist() == [1573.15]
    assert batch.volume_traded.tolist() == [1175986]
    assert batch.total_sell_quantity.tolist() == [360503]
    assert [batch.open[0], batch.high[0], batch.low[0], batch.close[0]] == [1569.15, 1575.0, 1561.05, 1567.8]
    assert ticks(batch) == official_ticks(official, frame)


def known_change(found: list[Packet]) -> list[Packet]:
    """The price change word of index packets, which this program does not keep, made what encode writes."""
    result = []
    for packet in found:
        words = packet.words()
        if len(words) in {7, 8}:
            words[6] = (words[1] - words[5]) % (1 << 32)
            packet = Packet(packet.token, struct.pack(f">{len(words) - 1}I", *words[1:]))
        result.append(packet)
    return result


@settings(deadline=None)
@given(found=frames_of_packets().map(known_change))
def test_encode_is_the_inverse(found: list[Packet]) -> None:
    frame = frame_of(found)
    assert encode(decode(frame)) == frame


def test_encode_refuses_more_than_a_frame_can_announce() -> None:
    words = np.ones((65_536, 2), dtype=np.uint32)
    with pytest.raises(ValueError, match="at most 65,535 packets, not 65536"):
        encode(TickBatch.from_rows(words, Source.MOCK, mode=Mode.LTP))


@pytest.mark.parametrize("byte", [b"\x00", b"\x01", b"\xff"])
def test_a_heartbeat_is_an_empty_batch(byte: bytes) -> None:
    assert is_heartbeat(byte)
    assert len(decode(byte)) == 0
    assert is_heartbeat(HEARTBEAT)
    assert not is_heartbeat(b"\x00\x00")


def test_the_batch_carries_its_stamps() -> None:
    batch = decode(
        join([bytes(8)]), source=Source.REPLAY, received_ns=1, received_wall_ns=2, generation=3, connection=4
    )
    assert (batch.source, batch.received_ns, batch.received_wall_ns) == (Source.REPLAY, 1, 2)
    assert (batch.generation, batch.connection) == (3, 4)


unknown_payloads = st.integers(0, 300).filter(lambda length: length not in LENGTHS).map(lambda length: b"\x07" * length)


@settings(deadline=None)
@given(
    packets=st.lists(frames_of_packets().map(lambda many: many[0] if many else None) | unknown_payloads, max_size=20)
)
def test_unknown_lengths_are_skipped_and_counted(packets: list[Packet | bytes | None]) -> None:
    payloads = [one.payload if isinstance(one, Packet) else one for one in packets if one is not None]
    known = [one for one in packets if isinstance(one, Packet)]
    batch = decode(join(payloads))
    assert batch.skipped == len(payloads) - len(known)
    assert ticks(batch) == ticks(decode(frame_of(known)))


def test_a_frame_of_unknown_packets_only() -> None:
    batch = decode(join([b"x" * 164] * 5))
    assert (len(batch), batch.skipped) == (0, 5)
    batch = decode(join([b"", b"x" * 164]))
    assert (len(batch), batch.skipped) == (0, 2)
    assert decode(join([b"x" * 264] * 3)).skipped == 3


def safe_decode(frame: bytes) -> TickBatch | None:
    try:
        return decode(frame)
    except MalformedFrame:
        return None


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_frame_or_malformed(frame: bytes) -> None:
    batch = safe_decode(frame)
    if batch is not None:
        ticks(batch)


@settings(deadline=None)
@given(found=frames_of_packets(), data=st.data())
def test_a_damaged_frame_is_malformed_or_reads_as_the_official_client_reads_it(
    official: Any, found: list[Packet], data: st.DataObject
) -> None:
    frame = bytearray(frame_of(found))
    how = data.draw(st.sampled_from(("cut", "grow", "count", "byte")))
    if how == "cut":
        del frame[data.draw(st.integers(0, len(frame) - 1)) :]
    elif how == "grow":
        frame += data.draw(st.binary(min_size=1, max_size=200))
    elif how == "count":
        frame[0:2] = struct.pack(">H", data.draw(st.integers(0, 65_535)))
    else:
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    batch = safe_decode(bytes(frame))
    if batch is not None and len(frame) > 1:
        assert ticks(batch) == official_ticks(official, bytes(frame))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (b"", "the frame is empty"),
        (b"\x00\x01", "too short for the packets"),
        (b"\x00\x00\x00", "too short"),
        (b"\x00\x00\x00\x00", "2 bytes are left behind the 0 packets"),
        (b"\x00\x01\x00\x08\x00", "packet 1 of 1 ends at byte 12, beyond the 5 bytes"),
        (b"\x00\x02\x00\x08" + bytes(8), "packet 2 of 2 starts beyond the 12 bytes"),
        (join([bytes(8), bytes(44)]) + b"\x00", "1 bytes are left behind the 2 packets"),
    ],
)
def test_what_is_wrong_is_said(frame: bytes, message: str) -> None:
    with pytest.raises(MalformedFrame, match=message):
        decode(frame)


def test_the_largest_frame_of_a_connection() -> None:
    many = [Packet(number << 8 | 2, bytes(180)) for number in range(1, 3001)]
    frame = frame_of(many)
    assert len(frame) == 558_002
    assert decode(frame).instrument_token.tolist() == [packet.token for packet in many]
    mixed = frame_of([*many[:1500], Packet(1001 << 8 | 9, bytes(28)), *many[1500:]])
    assert decode(mixed).instrument_token.tolist()[1500] == 1001 << 8 | 9
