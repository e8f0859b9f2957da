from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tests.support.boards import FORWARD, FUTURE_TOKEN, SPOT, SPOT_CLOSE, START, Scene, build_scene
from tickertui.market.chain import ReferenceKind
from tickertui.market.clock import from_epoch
from tickertui.market.hours import Phase, Session
from tickertui.market.ticks import Source, Word
from tickertui.services.loop.status import FeedMode
from tickertui.tui.view.baseline import BoardMark
from tickertui.tui.view.chain_reader import ChainContext, ChainReader, HeaderQuote
from tickertui.tui.view.data_states import LIVE_STATES, DataState, Link, MarketView, SocketHealth
from tickertui.tui.view.frames import BarMeaning, ChainFrame, Field


def reader_of(scene: Scene, **context: object) -> ChainReader:
    return ChainReader(scene.chain, scene.clock, ChainContext(**context))  # type: ignore[arg-type]


def changed_rows(before: ChainFrame, after: ChainFrame) -> list[int]:
    assert after.number > before.number
    rows: list[int] = np.flatnonzero(after.row_versions > before.number).tolist()
    return rows


def test_a_frame_holds_what_the_board_holds() -> None:
    scene = build_scene()
    frame = reader_of(scene).read()
    assert np.allclose(frame.values[..., Field.LTP], scene.chain.price())
    assert (frame.values[..., Field.OI] == scene.oi).all()
    assert (frame.values[..., Field.VOLUME] == scene.volume).all()
    assert np.allclose(frame.values[..., Field.OI_CHANGE], scene.chain.oi_change())
    spread = frame.values[..., Field.ASK] - frame.values[..., Field.BID]
    assert np.allclose(frame.values[..., Field.SPREAD], spread, equal_nan=True)
    assert np.allclose(frame.values[..., Field.CHANGE], frame.values[..., Field.LTP] - frame.values[..., Field.CLOSE])
    assert frame.strikes[frame.atm_row] == 24_350
    assert frame.underlying.price == SPOT
    assert frame.underlying.change == pytest.approx(SPOT - SPOT_CLOSE)
    assert frame.future is not None
    assert frame.future.price == FORWARD
    assert (frame.loaded, frame.legs) == (122, 122)
    assert frame.at == scene.clock.now()
    assert (frame.states == DataState.LIVE).mean() > 0.7
    assert frame.summary.straddle == pytest.approx(frame.values[frame.atm_row, :, Field.LTP].sum())
    assert frame.summary.atm_iv == pytest.approx(0.118, abs=0.002)


def test_frames_cannot_be_changed_and_do_not_change_afterwards() -> None:
    scene = build_scene()
    reader = reader_of(scene)
    frame = reader.read()
    with pytest.raises(ValueError, match="read-only"):
        frame.values[0, 0, 0] = 1.0
    before = frame.values.copy()
    scene.tick(np.arange(10), 5.0)
    reader.read()
    assert np.array_equal(before, frame.values, equal_nan=True)


def test_only_rows_that_look_different_are_marked() -> None:
    scene = build_scene()
    reader = reader_of(scene)
    first = reader.read()
    second = reader.read()
    assert changed_rows(first, second) == []
    scene.tick(np.array([20, 40]), 3.0)
    third = reader.read()
    assert changed_rows(second, third) == [20, 40]
    assert third.flashes[20].tolist() == [1, 1]
    assert third.directions[40].tolist() == [1, 1]


def test_a_tick_that_changes_nothing_shown_repaints_nothing() -> None:
    scene = build_scene()
    reader = reader_of(scene)
    scene.tick(np.array([20]), 3.0)
    reader.read()
    scene.clock.advance(0.5)
    first = reader.read()
    scene.tick(np.array([20]), 3.0)
    assert changed_rows(first, reader.read()) == []


def test_a_flash_and_an_arrow_end_by_themselves() -> None:
    scene = build_scene()
    reader = reader_of(scene)
    scene.tick(np.array([30]), 4.0)
    lit = reader.read()
    scene.clock.advance(0.5)
    dark = reader.read()
    assert lit.flashes[30, 0] == 1
    assert dark.flashes[30, 0] == 0
    assert dark.directions[30, 0] == 1
    assert 30 in changed_rows(lit, dark)
    scene.clock.advance(10.0)
    assert reader.read().directions[30, 0] == 0


def test_ages_are_shown_in_the_steps_in_which_they_are_written() -> None:
    scene = build_scene()
    reader = reader_of(scene)
    scene.tick(np.arange(61))
    fresh = reader.read()
    assert (fresh.ages == -1).all()
    scene.clock.advance(3.5)
    aged = reader.read()
    assert (aged.ages == 3).all()
    scene.clock.advance(0.4)
    assert (reader.read().ages == 3).all(), "the text is still 3s"
    scene.clock.advance(86.0)
    assert (reader.read().ages == 60).all()


def test_states_follow_the_socket_that_carries_the_leg() -> None:
    scene = build_scene(connections=2)
    codes = np.array([Link.HEALTHY, Link.SILENT, Link.HEALTHY], dtype=np.int8)
    frame = reader_of(scene, socket_health=SocketHealth(codes)).read()
    assert (frame.states[:, 0] == DataState.STALE).all()
    assert (frame.states[:, 1] != DataState.STALE).all()
    tag = frame.tag(np.arange(20, 37))
    assert (tag.state, tag.count, tag.total) == (DataState.STALE, 17, 34)


def test_the_tag_counts_what_it_names() -> None:
    scene = build_scene()
    tag = reader_of(scene).read().tag(np.arange(10, 20))
    assert (tag.state, tag.count, tag.total) == (DataState.LIVE, 20, 20)
    scene.board.release(scene.chain.tokens[:5].ravel().tolist())
    partly = reader_of(scene).read().tag(np.arange(10))
    assert (partly.state, partly.count, partly.total) == (DataState.LIVE, 10, 10)


def test_a_few_legs_that_have_not_ticked_since_the_connect_do_not_hide_the_living_ones() -> None:
    scene = build_scene()
    rows = scene.chain.rows[10:20]
    scene.board.packets[rows[:2]] = 1
    tag = reader_of(scene).read().tag(np.arange(10, 20))
    assert (tag.state, tag.count, tag.total) == (DataState.LIVE, 16, 20)
    scene.board.packets[rows] = 1
    tag = reader_of(scene).read().tag(np.arange(10, 20))
    assert (tag.state, tag.count, tag.total) == (DataState.SNAP, 20, 20)


def test_a_shut_market_shows_its_last_values_without_ages() -> None:
    scene = build_scene()
    frame = reader_of(scene, feed=FeedMode.CLOSED, market=MarketView(Phase.CLOSED)).read()
    assert (frame.states == DataState.CLOSED).all()
    assert (frame.ages == -1).all()
    assert frame.underlying.state is DataState.CLOSED


def test_a_mock_board_makes_a_mock_frame() -> None:
    frame = reader_of(build_scene(source=Source.MOCK), feed=FeedMode.MOCK).read()
    assert frame.is_mock
    assert (frame.states == DataState.MOCK).all()
    assert frame.underlying.state is DataState.MOCK
    assert not reader_of(build_scene()).read().is_mock
    assert reader_of(build_scene(source=Source.REPLAY)).read().is_replay


def test_the_cached_packet_is_as_old_as_the_exchange_says() -> None:
    scene = build_scene(ticked=False)
    scene.clock.advance(5.0)
    frame = reader_of(scene).read()
    assert (frame.states == DataState.SNAP).all()
    assert (frame.ages == 5).all()


def test_missing_stays_missing() -> None:
    scene = build_scene()
    scene.board.clear()
    scene.board.mark_subscribed(scene.chain.tokens.ravel().tolist(), 0, scene.clock.monotonic_ns())
    frame = reader_of(scene).read()
    assert np.isnan(frame.values).all()
    assert frame.loaded == 0
    assert frame.legs == 122
    assert (frame.states == DataState.WAITING).all()
    assert frame.atm_row == -1
    assert np.isnan(frame.summary.straddle)
    assert np.isnan(frame.underlying.price)
    scene.clock.advance(61)
    assert (reader_of(scene).read().states == DataState.NEVER).all()


@pytest.mark.parametrize(
    ("market", "hours", "close"),
    [
        (MarketView(session_day="Fri 20 Nov"), 0.1, SPOT_CLOSE),
        (MarketView(Phase.PRE_OPEN, session_day="Fri 20 Nov"), 0.1, SPOT_CLOSE),
        (MarketView(Phase.CLOSED, session_day="Mon 23 Nov"), 0.1, None),
        (MarketView(session_day="Fri 20 Nov"), 12, None),
        (MarketView(), 0.1, None),
    ],
    ids=["open", "pre-open", "shut: whose close it is cannot be told", "a packet of yesterday", "no calendar"],
)
def test_an_index_without_a_price_has_its_last_close_and_nothing_follows_from_it(
    market: MarketView, hours: float, close: float | None
) -> None:
    scene = build_scene()
    before = reader_of(scene, market=market).read().underlying
    assert (np.isnan(before.last_close), before.close_day) == (True, ""), "there is a price"
    scene.tick_underlying(spot=0.0)
    scene.clock.advance(hours * 3600)
    frame = reader_of(scene, market=market).read()
    quote = frame.underlying
    assert np.isnan(quote.price)
    assert np.isnan(quote.change)
    assert quote.last_close == pytest.approx(np.nan if close is None else close, nan_ok=True)
    assert quote.close_day == ("" if close is None else "Fri 20 Nov")
    assert frame.summary.reference.kind is not ReferenceKind.SPOT, "the money is not where it was"


def test_values_of_another_feed_do_not_linger() -> None:
    scene = build_scene()
    reader = reader_of(scene)
    reader.read()
    scene.board.clear()
    frame = reader.read()
    assert np.isnan(frame.values[..., : Field.MARK_OI]).all()
    assert frame.totals.call_oi != frame.totals.call_oi, "NaN"


def test_rows_given_out_anew_start_over() -> None:
    scene = build_scene()
    reader = reader_of(scene)
    before = reader.read()
    scene.board.release(scene.chain.tokens[:3].ravel().tolist())
    after = reader.read()
    assert np.isnan(after.values[:3]).all()
    assert len(changed_rows(before, after)) == 61


def test_the_money_moves_with_the_spot_and_repaints_what_it_crosses() -> None:
    scene = build_scene()
    reader = reader_of(scene)
    before = reader.read()
    scene.tick_underlying(SPOT + 120)
    after = reader.read()
    assert after.strikes[after.atm_row] == 24_450
    crossed = changed_rows(before, after)
    assert set(range(before.atm_row, after.atm_row + 1)) <= set(crossed)
    assert len(crossed) < 8


def test_in_the_closing_auction_the_forward_decides() -> None:
    scene = build_scene()
    scene.clock.advance(30)
    frame = reader_of(scene, market=MarketView(Phase.CAS)).read()
    assert frame.summary.reference.kind is ReferenceKind.FORWARD
    assert frame.underlying.state is DataState.CAS
    chosen = reader_of(scene, reference=ReferenceKind.FORWARD).read()
    assert chosen.summary.reference.price == pytest.approx(FORWARD)


def test_changes_since_the_mark() -> None:
    scene = build_scene()
    reader = reader_of(scene)
    reader.read()
    at = scene.clock.now()
    reader.set_mark(BoardMark(scene.board, at).values(scene.chain.tokens), at)
    base = scene.chain.price()[30, 0]
    scene.tick(np.array([30]), 4.0)
    frame = reader.read()
    assert frame.summary.marked_at == at
    assert frame.values[30, 0, Field.MARK_LTP] == pytest.approx(scene.chain.price()[30, 0] - base)
    assert frame.values[10, 1, Field.MARK_OI] == 0
    reader.set_mark(None, None)
    assert np.isnan(reader.read().values[..., Field.MARK_LTP]).all()


def test_bars_keep_their_scale_while_the_largest_value_moves_little() -> None:
    scene = build_scene()
    reader = reader_of(scene)
    first = reader.read()
    assert first.bar_scales[BarMeaning.OI] == scene.oi.max()
    assert first.bar_scales[BarMeaning.VOLUME] == scene.volume.max()
    largest = np.unravel_index(int(scene.oi.argmax()), scene.oi.shape)
    scene.oi[largest] = int(scene.oi[largest] * 0.95)
    scene.tick(np.array([largest[0]]))
    second = reader.read()
    assert second.bar_scales == first.bar_scales
    scene.oi[largest] *= 2
    scene.tick(np.array([largest[0]]))
    third = reader.read()
    assert third.bar_scales[BarMeaning.OI] == scene.oi.max()
    assert len(changed_rows(second, third)) == 61


def test_old_greeks_are_told_apart() -> None:
    scene = build_scene()
    reader = reader_of(scene)
    assert not reader.read().old_greeks.any()
    scene.clock.advance(11)
    assert reader.read().old_greeks.all()


def test_yesterdays_open_interest_may_come_late() -> None:
    scene = build_scene()
    rows = scene.chain.rows
    scene.board.previous_oi[rows] = -1
    reader = reader_of(scene)
    first = reader.read()
    assert np.isnan(first.values[..., Field.OI_CHANGE]).all()
    scene.board.previous_oi[rows[:5]] = 650
    second = reader.read()
    assert (second.values[:5, :, Field.OI_CHANGE] == scene.oi[:5] - 650).all()
    assert {0, 1, 2, 3, 4} <= set(changed_rows(first, second))


def test_refused_instruments_are_errors() -> None:
    scene = build_scene()
    token = int(scene.chain.tokens[4, 1])
    frame = reader_of(scene, refused=frozenset({token})).read()
    assert frame.states[4, 1] == DataState.ERROR
    assert (frame.states == DataState.ERROR).sum() == 1
    assert frame.token(4, 1) == token


def test_further_header_instruments() -> None:
    scene = build_scene()
    frame = reader_of(scene, others=(HeaderQuote("VIX", 12345 << 8 | 9),)).read()
    assert frame.others[0].label == "VIX"
    assert np.isnan(frame.others[0].price)
    assert frame.others[0].state is DataState.WAITING


def test_the_oi_clock_is_the_last_change_seen() -> None:
    scene = build_scene()
    reader = reader_of(scene)
    assert reader.read().summary.oi_at is None
    scene.oi[7] += 65
    scene.tick(np.array([7]))
    scene.clock.advance(187)
    summary = reader.read().summary
    assert summary.oi_at == START
    assert summary.oi_age_s == pytest.approx(187, abs=1)


def session_from(began: float) -> Session:
    """A session whose trades come from an instant on, epoch seconds; it opens an hour later."""
    opened = from_epoch(began + 3_600)
    return Session(opened.date(), opened, opened + timedelta(hours=6))


def odd_words(scene: Scene, leg: tuple[int, int], **fields: int) -> None:
    """Let a leg tick with some words of its own."""
    words = scene.words(np.array([leg[0]]))[[leg[1]]]
    for name, value in fields.items():
        words[0, Word[name]] = value
    scene.apply(words)


@pytest.mark.parametrize("volume", [0, 65_000])
@pytest.mark.parametrize("phase", [Phase.OPEN, Phase.CLOSED])
def test_a_price_of_another_day_says_so_whether_the_market_is_open_or_shut(volume: int, phase: Phase) -> None:
    scene = build_scene()
    leg = (20, 1)
    began = scene.clock.time_ns() / 1e9 - 3 * 3_600
    reader = reader_of(scene, market=MarketView(phase, session_day="Fri 20 Nov", session=session_from(began)))
    odd_words(scene, leg, VOLUME=volume, LAST_TRADE_TIME=int(began) - 60_000)
    frame = reader.read()
    assert frame.states[leg] == DataState.PAST
    assert frame.states[20, 0] in ((DataState.CLOSED,) if phase is Phase.CLOSED else LIVE_STATES)
    assert np.isnan(frame.values[20, 1, [Field.CHANGE, Field.CHANGE_PCT]]).all()
    assert not np.isnan(frame.values[20, 0, Field.CHANGE])
    assert frame.directions[leg] == 0
    assert frame.ages[leg] >= -1


def test_yesterdays_trades_are_of_another_day_from_the_open_on_without_a_packet() -> None:
    scene = build_scene()
    now_s = scene.clock.time_ns() / 1e9
    reader = reader_of(scene, market=MarketView(session=session_from(now_s - 90_000)))
    odd_words(scene, (20, 0), LAST_TRADE_TIME=int(now_s) - 70_000)
    assert reader.read().states[20, 0] != DataState.PAST
    reader.context = ChainContext(market=MarketView(session=session_from(now_s - 3_600)))
    frame = reader.read()
    assert frame.states[20, 0] == DataState.PAST
    assert (frame.states == DataState.PAST).sum() == 1


def test_a_packet_of_the_session_before_has_no_volume_and_no_range_of_this_one() -> None:
    """The broker's cached packet of what has not traded yet: Monday's volume stood in Tuesday's sums."""
    scene = build_scene()
    now_s = int(scene.clock.time_ns() / 1e9)
    reader = reader_of(scene, market=MarketView(session=session_from(now_s - 3_600)))
    today = reader.read()
    odd_words(scene, (20, 0), LAST_TRADE_TIME=now_s - 70_002, EXCHANGE_TIMESTAMP=now_s - 70_000)
    frame = reader.read()
    day = [Field.VOLUME, Field.AVERAGE, Field.HIGH, Field.LOW]
    assert not np.isnan(today.values[20, 0, day]).any()
    assert np.isnan(frame.values[20, 0, day]).all()
    assert not np.isnan(frame.values[20, 0, [Field.LTP, Field.CLOSE, Field.OI]]).any(), "these stand until they change"
    assert frame.totals.call_volume == pytest.approx(today.totals.call_volume - today.values[20, 0, Field.VOLUME])
    odd_words(scene, (20, 0), LAST_TRADE_TIME=now_s - 70_002, EXCHANGE_TIMESTAMP=now_s)
    assert not np.isnan(reader.read().values[20, 0, Field.VOLUME]), "told in this session"


def test_the_straddle_at_the_money_is_of_one_day_or_none() -> None:
    scene = build_scene()
    reader = reader_of(scene)
    row = reader.read().atm_row
    odd_words(scene, (row, 0), VOLUME=0)
    summary = reader.read().summary
    assert np.isnan([summary.straddle, summary.straddle_pct]).all()
    assert np.isnan(scene.chain.straddle(row))


def test_a_mocks_prices_are_of_now_traded_or_not() -> None:
    scene = build_scene(source=Source.MOCK)
    odd_words(scene, (20, 0), VOLUME=0)
    frame = reader_of(scene).read()
    assert frame.states[20, 0] == DataState.MOCK
    assert not np.isnan(frame.values[20, 0, Field.CHANGE])


def test_when_nothing_has_traded_yet_the_tag_says_of_another_day() -> None:
    scene = build_scene()
    for row in range(len(scene.chain)):
        for side in (0, 1):
            odd_words(scene, (row, side), VOLUME=0)
    tag = reader_of(scene).read().tag(np.arange(5))
    assert (tag.state, tag.count, tag.total) == (DataState.PAST, 10, 10)


def test_a_future_of_another_day_has_no_change_in_the_header() -> None:
    scene = build_scene()
    words = scene.board.words[[scene.board.row(FUTURE_TOKEN)]].copy()
    words[0, Word.VOLUME] = 0
    scene.apply(words)
    future = reader_of(scene).read().future
    assert future is not None
    assert future.state is DataState.PAST
    assert np.isnan([future.change, future.change_pct]).all()


def test_a_clock_in_a_packet_before_2000_is_no_age() -> None:
    scene = build_scene()
    scene.board.mark_subscribed(scene.chain.tokens.ravel().tolist(), 0, 0)
    odd_words(scene, (20, 0), EXCHANGE_TIMESTAMP=19_800)
    frame = reader_of(scene).read()
    assert np.isnan(frame.values[20, 0, Field.EXCHANGE_AT])
    assert frame.ages[20, 0] == -1
