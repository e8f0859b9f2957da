"""`MarketBoard` against a dictionary that does the same one packet at a time, and its promises one by one."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.kite_frames import join
from tickertui.kite.packets import decode
from tickertui.market.board import MarketBoard
from tickertui.market.instruments import price_divisor
from tickertui.market.ticks import WORDS, Mode, Source, TickBatch, Word

EXCHANGE_TOKENS = (1, 2, 3, 100, 5_000, (1 << 22) - 1, 1 << 22, (1 << 24) - 1)
"""Among them the first beyond the table a board starts with, the last of the direct table and the first beyond it."""

TOKENS = [number << 8 | segment for number in EXCHANGE_TOKENS for segment in (1, 2, 3, 9)]
"""Segments share exchange tokens, so that the direct table cannot tell them apart."""

FIELDS = tuple(Word)[:16]
INDEX_FIELDS = {
    Word.TOKEN, Word.LAST_PRICE, Word.OPEN, Word.HIGH, Word.LOW, Word.CLOSE, Word.EXCHANGE_TIMESTAMP,
}  # fmt: skip
WIDTH = {8: Mode.LTP, 28: Mode.QUOTE, 32: Mode.FULL, 44: Mode.QUOTE, 184: Mode.FULL}


@dataclass(frozen=True)
class Tick:
    """One packet and what it means."""

    token: int
    length: int
    price: int
    oi: int
    time: int
    fill: int

    def payload(self) -> bytes:
        words = [self.token, self.price] + [self.fill] * (self.length // 4 - 2)
        if self.length == 184:
            words[12], words[15] = self.oi, self.time
        if self.length == 32:
            words[7] = self.time
        return struct.pack(f">{len(words)}I", *words)

    def fields(self) -> dict[int, int]:
        """Board word -> value, for the first 16 words that this packet carries."""
        if self.length in {28, 32}:
            # What an index does not have is 0 on the board; its token's segment keeps that from being shown.
            words = dict.fromkeys(range(16 if self.length == 32 else 11), 0)
            words |= {0: self.token, 1: self.price} | dict.fromkeys((7, 8, 9, 10), self.fill)
            return words | {15: self.time} if self.length == 32 else words
        words = {0: self.token, 1: self.price} | dict.fromkeys(range(2, min(self.length // 4, 16)), self.fill)
        return words | {12: self.oi, 15: self.time} if self.length == 184 else words


@dataclass
class Entry:
    """What the model knows of one token."""

    words: dict[int, int] = field(default_factory=dict)
    mode: int = 0
    source: int = 0
    packets: int = 0
    before: int = 0
    moved_ns: int = 0
    oi_ns: int = 0
    received_ns: int = 0
    generation: int = 0
    connection: int = 0
    version: int = 0

    def direction(self) -> int:
        price, before = (with_sign(word, self.words.get(0, 0)) for word in (self.words.get(1, 0), self.before))
        return 0 if not before else (price > before) - (price < before)


def with_sign(word: int, token: int) -> int:
    """A price word as the number that it is: commodities have a sign."""
    return word - (1 << 32) if token & 0xFF in (7, 12) and word >= 1 << 31 else word


class Model:
    """A board as a dictionary, one packet at a time."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.unknown = self.late = self.stale = self.sequence = self.generation = 0
        self.emptied = 0

    def apply(self, ticks: Sequence[Tick], source: Source, generation: int, now: int) -> None:
        if generation < self.generation:
            self.stale += len(ticks)
            return
        self.sequence += 1
        for tick in ticks:
            self._take(tick, source, generation, now)

    def _take(self, tick: Tick, source: Source, generation: int, now: int) -> None:
        entry = self.entries.get(tick.token)
        if entry is None:
            self.unknown += 1
            return
        new, old = tick.fields(), entry.words
        behind = old.get(15, 0) - new.get(15, 1 << 40)
        if 0 < behind < 60 and entry.source == source:
            self.late += 1
            entry.packets += 1
            return
        says_nothing = new[1] == 0 == new.get(4, 0) == new.get(12, 0) and tick.token & 0xFF != 9 and tick.length >= 8
        if says_nothing and tick.length not in {28, 32} and old.get(1) and entry.source == source:
            self.emptied += 1
            entry.packets += 1
            return
        if tick.length == 184 and tick.oi == 0 and old.get(12, 0) > new[4] and new[4] >= 0:
            new[12] = old[12]
        if old.get(1) and old[1] != tick.price:
            entry.before, entry.moved_ns = old[1], now
        if tick.length == 184 and old.get(15) and old.get(12, 0) != tick.oi:
            entry.oi_ns = now + 1
        entry.words = old | new
        entry.mode, entry.source, entry.packets = WIDTH[tick.length], source, entry.packets + 1
        entry.received_ns, entry.generation, entry.connection, entry.version = now, generation, 5, self.sequence


def assert_same(board: MarketBoard, model: Model) -> None:
    assert len(board) == len(model.entries)
    rows = board.rows(TOKENS)
    fields = {word: board.field(rows, word).tolist() for word in FIELDS}
    prices = board.price(rows).tolist()
    for at, (token, row) in enumerate(zip(TOKENS, rows.tolist(), strict=True)):
        entry = model.entries.get(token)
        assert (row == 0) == (entry is None)
        assert (token in board) == (entry is not None)
        if entry is None:
            entry = Entry()
        elif not entry.mode:
            assert int(board.words[row].sum()) == 0
        shown = {
            word: entry.words.get(word, 0)
            for word in FIELDS
            if word < entry.mode and (token & 0xFF != 9 or word in INDEX_FIELDS)
        }
        assert {word: fields[word][at] for word in FIELDS} == {word: shown.get(word, -1) for word in FIELDS}
        raw = with_sign(shown.get(Word.LAST_PRICE, 0), token)
        known = -0x7FFF_FFFF <= raw < 0x7FFF_FFFF and raw
        assert prices[at] == pytest.approx(raw / price_divisor(token) if known else np.nan, nan_ok=True, rel=0)
        state = (
            board.packets[row], board.direction[row], board.moved_ns[row], board.oi_changed_ns[row],
            board.received_ns[row], board.generations[row], board.connections[row], board.versions[row],
            board.modes[row], board.sources[row],
        )  # fmt: skip
        assert [int(value) for value in state] == [
            entry.packets, entry.direction(), entry.moved_ns, entry.oi_ns, entry.received_ns, entry.generation,
            entry.connection, entry.version, entry.mode, entry.source,
        ]  # fmt: skip
    counters = board.counters
    assert (counters.unknown_tokens, counters.out_of_order + counters.emptied, counters.stale_generation) == (
        model.unknown, model.late + model.emptied, model.stale,
    )  # fmt: skip
    assert_nobody_is_nobody(board)


def assert_nobody_is_nobody(board: MarketBoard) -> None:
    """Row 0 stays empty whatever happens."""
    assert not board.words[0].any()
    assert board.tokens[0] == 0
    for column in (board.packets, board.moved_ns, board.direction, board.versions, board.received_ns, board.sources):
        assert column[0] == 0


def ticks_of(lengths: Sequence[int], token: st.SearchStrategy[int]) -> st.SearchStrategy[Tick]:
    return st.builds(
        Tick,
        token=token,
        length=st.sampled_from(lengths),
        price=st.sampled_from((0, 100, 101, 102, (1 << 32) - 1)),
        oi=st.sampled_from((0, 65, 130)),
        time=st.sampled_from((0, 1_000, 1_001, 1_059, 1_060, 5_000)),
        fill=st.integers(0, 3),
    )


few_tokens = st.sampled_from(TOKENS)
mixed = st.lists(ticks_of((8, 28, 32, 44, 184), few_tokens), min_size=1, max_size=24).filter(
    lambda ticks: len({tick.length for tick in ticks}) > 1 or len({tick.token for tick in ticks}) == len(ticks)
)
uniform = st.sampled_from((8, 28, 32, 44, 184)).flatmap(
    # Within a frame of equal packets a token that occurs twice counts once: see the test of it below.
    lambda length: st.lists(ticks_of((length,), few_tokens), min_size=1, max_size=24, unique_by=lambda tick: tick.token)
)
some_tokens = st.lists(few_tokens, max_size=12)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("ensure"), some_tokens),
        st.tuples(st.just("release"), some_tokens),
        st.tuples(st.just("clear"), st.none() | some_tokens),
        st.tuples(st.just("subscribed"), some_tokens),
        st.tuples(st.just("generation"), st.none()),
        st.tuples(
            st.just("frame"),
            st.tuples(mixed | uniform, st.sampled_from((Source.LIVE, Source.MOCK)), st.integers(-1, 1)),
        ),
    ),
    max_size=12,
)


def perform(board: MarketBoard, model: Model, action: str, value: Any, now: int) -> None:
    if action == "frame":
        ticks, source, newer = value
        generation = max(0, model.generation + newer)
        frame = join([tick.payload() for tick in ticks])
        batch = decode(
            frame, source=source, received_ns=now, received_wall_ns=now + 1, generation=generation, connection=5
        )
        before = sum(entry.packets for entry in model.entries.values()) - model.late - model.emptied
        applied = board.apply(batch)
        model.apply(ticks, source, generation, now)
        assert applied == sum(entry.packets for entry in model.entries.values()) - model.late - model.emptied - before
    elif action == "generation":
        board.generation += 1
        model.generation += 1
    elif action == "ensure":
        board.ensure(value)
        for token in value:
            model.entries.setdefault(token, Entry())
    elif action == "release":
        board.release(value)
        for token in value:
            model.entries.pop(token, None)
    elif action == "subscribed":
        board.mark_subscribed(value, 8, now)
        for token in set(value) & set(model.entries):
            model.entries[token].packets, model.entries[token].connection = 0, 8
    else:
        board.clear(value)
        model.sequence += 1
        for token in model.entries if value is None else set(value) & set(model.entries):
            model.entries[token] = Entry(version=model.sequence)


@settings(max_examples=150, deadline=None)
@given(first=st.just(TOKENS) | some_tokens, todo=actions, capacity=st.integers(1, 40))
def test_a_board_is_a_dictionary_taken_one_packet_at_a_time(
    first: list[int], todo: list[tuple[str, Any]], capacity: int
) -> None:
    board, model = MarketBoard(capacity), Model()
    perform(board, model, "ensure", first, 0)
    for number, (action, value) in enumerate(todo):
        perform(board, model, action, value, 1_000 * (number + 1))
        assert_same(board, model)


def full(token: int, price: int = 100, time: int = 1_000, oi: int = 50) -> Tick:
    return Tick(token, 184, price, oi, time, 1)


def batch_of(*ticks: Tick, source: Source = Source.LIVE, now: int = 7, generation: int = 0) -> TickBatch:
    return decode(
        join([tick.payload() for tick in ticks]),
        source=source,
        received_ns=now,
        received_wall_ns=now,
        generation=generation,
    )


MANY = [number << 8 | 2 for number in range(1, 101)]


@pytest.mark.parametrize("tokens", [MANY[:3], MANY], ids=["few", "many"])
class TestOneByOneAndAtOnce:
    """The same promises on the path of short frames and on that of long ones."""

    def test_direction_and_time_of_the_last_change(self, tokens: list[int]) -> None:
        board = MarketBoard()
        rows = board.ensure(tokens)
        for now, price, direction, moved in ((1, 100, 0, 0), (2, 101, 1, 2), (3, 101, 1, 2), (4, 99, -1, 4)):
            board.apply(batch_of(*(full(token, price) for token in tokens), now=now))
            assert set(board.direction[rows].tolist()) == {direction}
            assert set(board.moved_ns[rows].tolist()) == {moved}

    def test_open_interest_changes_are_seen_between_full_packets_only(self, tokens: list[int]) -> None:
        board = MarketBoard()
        rows = board.ensure(tokens)
        board.apply(batch_of(*(Tick(token, 8, 100, 0, 0, 0) for token in tokens), now=1))
        board.apply(batch_of(*(full(token, oi=50) for token in tokens), now=2))
        assert not board.oi_changed_ns[rows].any()
        board.apply(batch_of(*(Tick(token, 44, 100, 0, 0, 0) for token in tokens), now=3))
        board.apply(batch_of(*(full(token, oi=50) for token in tokens), now=4))
        assert not board.oi_changed_ns[rows].any()
        board.apply(batch_of(*(full(token, oi=51) for token in tokens), now=5))
        assert set(board.oi_changed_ns[rows].tolist()) == {5}

    def test_a_shorter_packet_takes_the_longer_fields_off_the_board(self, tokens: list[int]) -> None:
        board = MarketBoard()
        rows = board.ensure(tokens)
        board.apply(batch_of(*(full(token) for token in tokens)))
        assert set(board.field(rows, Word.OPEN_INTEREST).tolist()) == {50}
        board.apply(batch_of(*(Tick(token, 8, 105, 0, 0, 0) for token in tokens)))
        assert set(board.field(rows, Word.OPEN_INTEREST).tolist()) == {-1}
        assert set(board.price(rows).tolist()) == {1.05}
        assert np.isnan(board.price(rows, Word.CLOSE)).all()

    def test_late_packets_are_dropped_unless_they_are_of_another_clock(self, tokens: list[int]) -> None:
        board = MarketBoard()
        rows = board.ensure(tokens)
        board.apply(batch_of(*(full(token, 100, 1_000) for token in tokens)))
        assert board.apply(batch_of(*(full(token, 90, 999) for token in tokens), now=9)) == 0
        assert board.counters.out_of_order == len(tokens)
        assert set(board.price(rows).tolist()) == {1.0}
        assert set(board.moved_ns[rows].tolist()) == {0}
        assert board.apply(batch_of(*(full(token, 90, 940) for token in tokens))) == len(tokens)
        assert board.apply(batch_of(*(full(token, 80, 930) for token in tokens), source=Source.MOCK)) == len(tokens)
        assert set(board.sources[rows].tolist()) == {Source.MOCK}

    def test_a_batch_of_an_older_plan_is_dropped_whole(self, tokens: list[int]) -> None:
        board = MarketBoard()
        rows = board.ensure(tokens)
        board.generation = 3
        before = board.sequence
        assert board.apply(batch_of(*(full(token) for token in tokens), generation=2)) == 0
        assert (board.sequence, board.counters.stale_generation) == (before, len(tokens))
        assert board.apply(batch_of(*(full(token) for token in tokens), generation=3)) == len(tokens)
        assert set(board.generations[rows].tolist()) == {3}

    def test_what_changed_is_what_has_a_newer_version(self, tokens: list[int]) -> None:
        board = MarketBoard()
        rows = board.ensure([*tokens, 1 << 20])
        seen = board.sequence
        board.apply(batch_of(*(full(token) for token in tokens)))
        changed = board.versions[rows] > seen
        assert changed.tolist() == [True] * len(tokens) + [False]
        seen = board.sequence
        board.touch(rows[:1])
        assert np.flatnonzero(board.versions[rows] > seen).tolist() == [0]

    def test_unknown_tokens_leave_no_trace(self, tokens: list[int]) -> None:
        board = MarketBoard()
        row = int(board.ensure(tokens[:1])[0])
        board.apply(batch_of(*(full(token) for token in tokens)))
        board.apply(batch_of(*(full(token, 200) for token in tokens)))
        assert board.counters.unknown_tokens == 2 * (len(tokens) - 1)
        assert board.counters.ticks == 2
        assert board.direction[row] == 1
        assert_nobody_is_nobody(board)

    def test_a_token_twice_in_a_frame_ends_up_with_its_last_packet(self, tokens: list[int]) -> None:
        board = MarketBoard()
        row = int(board.ensure(tokens)[0])
        board.apply(batch_of(*(full(token, 100) for token in tokens)))
        board.apply(batch_of(full(tokens[0], 101), *(full(token, 100) for token in tokens[1:]), full(tokens[0], 102)))
        assert board.price(row) == 1.02
        assert board.direction[row] == 1
        # Also when the last one is shorter than the one before it.
        longer = [full(tokens[0], 110), *(full(token, 100) for token in tokens[1:])]
        board.apply(batch_of(*longer, Tick(tokens[0], 8, 105, 0, 0, 0)))
        assert board.price(row) == 1.05
        assert board.direction[row] == -1
        assert board.mode_of(row) is Mode.LTP


def test_rows_stay_until_released_and_are_used_again() -> None:
    board = MarketBoard(2)
    rows = board.ensure(MANY[:5])
    assert board.ensure(MANY[:5]).tolist() == rows.tolist()
    assert 0 not in rows
    layout = board.layout
    board.ensure(MANY[:5])
    assert board.layout == layout
    board.apply(batch_of(*(full(token) for token in MANY[:5])))
    board.release([MANY[1], 999_999])
    assert board.layout == layout + 1
    assert board.row(MANY[1]) == 0
    assert MANY[1] not in board
    (row,) = board.ensure([MANY[50]])
    assert row == rows[1]
    assert board.source_of(int(row)) is Source.NONE
    assert np.isnan(board.price(row))
    assert board.versions[row] == 0
    assert board.price(board.rows([MANY[0]])).tolist() == [1.0]


def test_growing_keeps_everything() -> None:
    board = MarketBoard(1)
    board.ensure(MANY[:1])
    board.apply(batch_of(full(MANY[0], 100), now=3))
    board.previous_oi[board.row(MANY[0])] = 40
    board.ensure(number << 8 | 2 for number in range(1, 5_000))
    row = board.row(MANY[0])
    assert board.capacity >= 5_000
    assert board.price(row) == 1.0
    assert (board.received_ns[row], board.previous_oi[row], board.packets[row]) == (3, 40, 1)
    assert board.previous_oi[board.row(MANY[7])] == -1
    assert np.isnan(board.derived[row]).all()
    assert board.apply(batch_of(*(full(token) for token in MANY))) == 100


def test_clearing_forgets_values_and_keeps_rows() -> None:
    board = MarketBoard()
    rows = board.ensure(MANY)
    board.apply(batch_of(*(full(token) for token in MANY)))
    seen = board.sequence
    board.clear(MANY[:10])
    assert np.isnan(board.price(rows[:10])).all()
    assert (board.versions[rows[:10]] > seen).all()
    assert not np.isnan(board.price(rows[10:])).any()
    board.clear()
    assert set(board.sources[rows].tolist()) == {Source.NONE}
    assert board.rows(MANY).tolist() == rows.tolist()


def test_a_subscription_starts_the_count_again() -> None:
    board = MarketBoard()
    rows = board.ensure(MANY)
    board.apply(batch_of(*(full(token) for token in MANY)))
    board.mark_subscribed([*MANY[:10], 999_999], 4, 55)
    assert board.packets[rows].tolist() == [0] * 10 + [1] * 90
    assert board.subscribed_ns[rows[0]] == 55
    assert board.connections[rows[0]] == 4
    assert_nobody_is_nobody(board)


def test_mock_rows_with_indices_among_them() -> None:
    board = MarketBoard()
    index, option = 1001 << 8 | 9, 7 << 8 | 2
    tokens = [option, index, *MANY[10:30]]
    rows = board.ensure(tokens)
    words = np.arange(len(tokens) * WORDS, dtype=np.uint32).reshape(-1, WORDS) + 1
    words[:, 0] = tokens
    board.apply(TickBatch.from_rows(words, Source.MOCK, received_ns=1))
    assert board.field(rows, Word.LAST_PRICE).tolist() == words[:, 1].tolist()
    assert board.field(rows[:2], Word.OPEN_INTEREST).tolist() == [words[0, 12], -1]
    assert board.field(rows[:2], Word.EXCHANGE_TIMESTAMP).tolist() == words[:2, 15].tolist()
    assert board.source_of(int(rows[1])) is Source.MOCK


@pytest.mark.parametrize("token", [0, -1, 1 << 32])
def test_what_is_no_token_gets_no_row(token: int) -> None:
    board = MarketBoard()
    with pytest.raises(ValueError, match="positive 32-bit number"):
        board.ensure([token])
    assert len(board) == 0


def test_a_board_has_at_least_one_row() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        MarketBoard(0)


NOW = 1_795_000_000
"""A wall time, epoch seconds: 2026-11-18."""


def stamped(token: int, stamp: int, price: int = 17_640) -> Tick:
    return Tick(token, 32 if token & 0xFF == 9 else 184, price, 780_000, stamp, 1)


def arrived(board: MarketBoard, *ticks: Tick, at: int = NOW, source: Source = Source.LIVE) -> None:
    """Apply packets in one frame, received at a wall time (and as many monotonic seconds)."""
    board.apply(
        decode(
            join([tick.payload() for tick in ticks]),
            source=source,
            received_ns=at * 10**9,
            received_wall_ns=at * 10**9 + 300_000_000,
        )
    )


def market(board: MarketBoard, tokens: Sequence[int], at: int = NOW, ahead: int = 0) -> None:
    """Let every instrument tick, as a frame each, stamped with the second (or so many ahead of it)."""
    for token in tokens:
        arrived(board, stamped(token, at + ahead), at=at)


INDEX = 256_265
"""A token of the indices' segment."""


@pytest.mark.parametrize("tokens", [[MANY[0]], [INDEX], MANY[:60]], ids=["one", "index", "at once"])
class TestStampsAheadOfTheClock:
    """A time ahead of the market's clock decides nothing."""

    def board(self, tokens: list[int]) -> MarketBoard:
        board = MarketBoard()
        board.ensure([*MANY, INDEX])
        market(board, MANY[60:])
        for token in tokens:
            arrived(board, stamped(token, NOW))
        return board

    @pytest.mark.parametrize("ahead", [4, 50, 59, 60, 3_600, 86_400 * 365])
    def test_the_row_follows_the_market_with_the_next_packet(self, tokens: list[int], ahead: int) -> None:
        board = self.board(tokens)
        arrived(board, *(stamped(token, NOW + 1 + ahead, 9_000) for token in tokens), at=NOW + 1)
        arrived(board, *(stamped(token, NOW + 2, 17_700) for token in tokens), at=NOW + 2)
        rows = board.rows(tokens)
        assert board.price(rows).tolist() == [177.0] * len(tokens)
        assert board.field(rows, Word.EXCHANGE_TIMESTAMP).tolist() == [NOW + 2] * len(tokens)
        assert board.counters.out_of_order == 0

    def test_it_is_marked_and_counted_until_then(self, tokens: list[int]) -> None:
        if len(tokens) > 1:
            pytest.skip("most instruments together are the market's clock")
        board = self.board(tokens)
        assert not board.doubtful.any()
        arrived(board, *(stamped(token, NOW + 51) for token in tokens), at=NOW + 1)
        rows = board.rows(tokens)
        assert np.flatnonzero(board.doubtful).tolist() == rows.tolist() == np.flatnonzero(board.facts(
            np.arange(board.capacity)).doubtful).tolist()  # fmt: skip
        assert board.counters.ahead == 1
        assert board.modes[rows].tolist() == [Mode.FULL]
        assert board.sources[rows].tolist() == [Source.LIVE]
        arrived(board, *(stamped(token, NOW + 2) for token in tokens), at=NOW + 2)
        assert not board.doubtful.any()

    def test_a_clock_that_is_off_by_as_much_as_is_allowed_is_right(self, tokens: list[int]) -> None:
        board = self.board(tokens)
        arrived(board, *(stamped(token, NOW + 3) for token in tokens), at=NOW + 1)
        assert not board.doubtful.any()
        assert board.counters.ahead == 0

    def test_a_tick_one_second_older_from_another_socket_stays_out(self, tokens: list[int]) -> None:
        board = self.board(tokens)
        arrived(board, *(stamped(token, NOW + 5, 18_000) for token in tokens), at=NOW + 5)
        board.mark_subscribed(tokens, 2, 0)
        arrived(board, *(stamped(token, NOW + 4, 9_000) for token in tokens), at=NOW + 5)
        rows = board.rows(tokens)
        assert board.price(rows).tolist() == [180.0] * len(tokens)
        assert board.counters.out_of_order == len(tokens)
        # It was the cached packet of the new subscription: what comes now is a tick.
        arrived(board, *(stamped(token, NOW + 6, 18_100) for token in tokens), at=NOW + 6)
        assert board.packets[rows].tolist() == [2] * len(tokens)

    def test_so_it_does_on_a_machine_whose_clock_is_behind(self, tokens: list[int]) -> None:
        board = MarketBoard()
        board.ensure([*MANY, INDEX])
        for second in range(4):
            market(board, [*MANY, INDEX], NOW + second, ahead=30)
        assert not board.doubtful.any(), "all of them tell the same time"
        for late in (NOW + 32, NOW + 31):
            arrived(board, *(stamped(token, late, 9_000) for token in tokens), at=NOW + 4)
        assert board.price(board.rows(tokens)).tolist() == [176.4] * len(tokens)

    def test_a_packet_without_a_time_takes_no_part(self, tokens: list[int]) -> None:
        board = self.board(tokens)
        for stamp in (0, 1, 19_800):  # 1970 in one zone or another
            arrived(board, *(stamped(token, stamp, 17_650) for token in tokens), at=NOW + 1)
            assert board.price(board.rows(tokens)).tolist() == [176.5] * len(tokens)
            assert not board.doubtful.any()
        arrived(board, *(stamped(token, NOW + 1, 17_700) for token in tokens), at=NOW + 1)
        assert board.price(board.rows(tokens)).tolist() == [177.0] * len(tokens)


class TestWhoseClockIsRight:
    """Whether a stamp ahead of this machine is one of the market's clock is told by the other instruments."""

    def test_one_instrument_against_the_rest_is_wrong_again_and_again(self) -> None:
        board = MarketBoard()
        board.ensure(MANY)
        for second in range(20):
            market(board, MANY[1:], NOW + second)
            arrived(board, stamped(MANY[0], NOW + second + 50), at=NOW + second)
            assert np.flatnonzero(board.doubtful).tolist() == [board.row(MANY[0])]
        assert board.counters.ahead == 20

    def test_a_machine_that_is_behind_doubts_at_most_the_first_packet(self) -> None:
        board = MarketBoard()
        board.ensure(MANY)
        for second in range(90):
            market(board, MANY, NOW + second, ahead=45)
        assert board.counters.ahead <= 1
        assert not board.doubtful.any()
        arrived(board, stamped(MANY[0], NOW + 90 + 95), at=NOW + 90)
        assert np.flatnonzero(board.doubtful).tolist() == [board.row(MANY[0])], "50 s ahead of the others"

    def test_two_odd_packets_while_nothing_else_comes_are_no_clock(self) -> None:
        board = MarketBoard()
        board.ensure([*MANY, INDEX])
        market(board, [*MANY, INDEX])
        for token in (MANY[0], INDEX):
            arrived(board, stamped(token, NOW + 65), at=NOW + 15)
        assert board.counters.ahead == 2
        assert board.doubtful[board.rows([MANY[0], INDEX])].all()

    def test_a_clock_that_was_set_back_is_found_out_by_the_first_quarter(self) -> None:
        board = MarketBoard()
        board.ensure(MANY)
        market(board, MANY)
        market(board, MANY, NOW - 30, ahead=31)
        assert not board.doubtful[board.rows(MANY[30:])].any()

    def test_an_only_instrument_is_believed_when_its_clock_runs(self) -> None:
        board = MarketBoard()
        board.ensure([INDEX])
        doubted = []
        for second in range(4):
            arrived(board, stamped(INDEX, NOW + second + 45), at=NOW + second)
            doubted.append(bool(board.doubtful[board.row(INDEX)]))
        assert doubted == [True, False, False, False]

    def test_a_whole_frame_of_the_future_holds_nothing_up(self) -> None:
        board = MarketBoard()
        board.ensure(MANY)
        market(board, MANY)
        arrived(board, *(stamped(token, NOW + 51, 9_000) for token in MANY), at=NOW + 1)
        arrived(board, *(stamped(token, NOW + 2, 17_700) for token in MANY), at=NOW + 2)
        assert board.price(board.rows(MANY)).tolist() == [177.0] * len(MANY)

    def test_without_a_time_of_receipt_nothing_is_ahead(self) -> None:
        board = MarketBoard()
        board.ensure(MANY)
        board.apply(batch_of(full(MANY[0], time=NOW + 3_600)))
        assert not board.doubtful.any()

    def test_the_later_packet_of_a_frame_decides(self) -> None:
        board = MarketBoard()
        board.ensure(MANY)
        market(board, MANY)
        arrived(board, stamped(MANY[0], NOW + 50), stamped(MANY[0], NOW + 1), at=NOW + 1)
        assert not board.doubtful.any()
