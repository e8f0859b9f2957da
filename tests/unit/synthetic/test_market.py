"""The mock market as a whole: determinism, whole chains, sessions, auctions, candles, scripted events."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickertui.market.board import MarketBoard
from tickertui.market.candles import Interval
from tickertui.market.hours import IST, load_calendar
from tickertui.market.instruments import ChainRows, Instrument, InstrumentKind, InstrumentTable
from tickertui.market.ticks import DEPTH_PRICE, DEPTH_QUANTITY, Source, Word
from tickertui.market.universe import load_universe, universe_instruments
from tickertui.synthetic.market import MockMarket
from tickertui.synthetic.paths import Regime
from tickertui.synthetic.script import ChangeRegime, Gap, MarketScript, NewStrike

UNIVERSE = load_universe()
CALENDAR = load_calendar()
DAY = date(2026, 11, 25)
TABLE = universe_instruments(UNIVERSE, DAY)
NIFTY = 256265
WEEKLY = date(2026, 12, 1)


def at(clock: str, day: date = DAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), IST)


def market(start: datetime, **options: object) -> MockMarket:
    return MockMarket(UNIVERSE, CALENDAR, start=start, instruments=TABLE, **options)  # type: ignore[arg-type]


def chain(expiry: date = WEEKLY, name: str = "NIFTY") -> ChainRows:
    rows = TABLE.chain(name, expiry)
    assert rows is not None
    return rows


def tokens(rows: ChainRows) -> list[int]:
    return [*rows.call_tokens.tolist(), *rows.put_tokens.tolist()]


def board_of(made: MockMarket, wanted: list[int]) -> MarketBoard:
    board = MarketBoard()
    board.ensure(wanted)
    assert made.ensure(wanted) == []
    return board


def run(made: MockMarket, board: MarketBoard, start: datetime, seconds: int, step: int = 1) -> None:
    for second in range(0, seconds + 1, step):
        board.apply(made.step(start + timedelta(seconds=second)))


def assert_no_arbitrage(board: MarketBoard, rows: ChainRows) -> None:
    calls, puts = (np.rint(board.price(board.rows(side)) / 0.05) for side in (rows.call_tokens, rows.put_tokens))
    parity = calls - puts + rows.strikes / 0.05
    assert parity.max() - parity.min() <= 2 + 1e-6
    assert (np.diff(calls) <= 0).all()
    assert (np.diff(puts) >= 0).all()
    if len(set(np.diff(rows.strikes).tolist())) == 1:
        assert (calls[:-2] - 2 * calls[1:-1] + calls[2:] >= -2).all()
        assert (puts[:-2] - 2 * puts[1:-1] + puts[2:] >= -2).all()


# ------------------------------------------------------------------------------------------------------- determinism


def test_same_seed_and_clock_give_the_same_market() -> None:
    def rows(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
        made = market(at("11:00"), seed=seed)
        board = board_of(made, tokens(chain()))
        run(made, board, at("11:00"), 30)
        return board.words[1 : len(board) + 1]

    assert np.array_equal(rows(7), rows(7))
    assert not np.array_equal(rows(7), rows(8))


@given(st.lists(st.integers(1, 600), min_size=1, max_size=8))
@settings(max_examples=20, deadline=None)
def test_prices_do_not_depend_on_how_the_clock_got_there(pauses: list[int]) -> None:
    wanted = [*chain().call_tokens.tolist(), NIFTY]
    direct, stepped = market(at("11:00")), market(at("11:00"))
    stepped.ensure(wanted)
    now = at("11:00")
    for pause in pauses:
        now += timedelta(seconds=pause)
        stepped.step(now)
    direct.step(now)
    columns = [Word.TOKEN, Word.LAST_PRICE, Word.VOLUME, Word.OPEN_INTEREST, Word.OPEN, Word.CLOSE]
    assert np.array_equal(direct.rows(wanted)[:, columns], stepped.rows(wanted)[:, columns])


def test_a_clock_that_is_set_back_begins_anew() -> None:
    made = market(at("11:00"))
    board = board_of(made, tokens(chain()))
    run(made, board, at("11:00"), 5)
    before = made.rows([NIFTY])[0, Word.LAST_PRICE]
    made.step(at("13:00"))
    assert made.rows([NIFTY])[0, Word.LAST_PRICE] != before
    made.step(at("11:00") + timedelta(seconds=5))
    assert made.rows([NIFTY])[0, Word.LAST_PRICE] == before


# ------------------------------------------------------------------------------------------------------ whole chains


@pytest.mark.parametrize("regime", list(Regime))
def test_whole_chains_stay_free_of_arbitrage_while_they_tick(regime: Regime) -> None:
    chains = [chain(), chain(date(2026, 12, 29)), chain(date(2026, 12, 31), "SENSEX")]
    made = market(at("11:00"), regime=regime)
    board = board_of(made, [token for rows in chains for token in tokens(rows)])
    for second in range(0, 120, 7):
        board.apply(made.step(at("11:00") + timedelta(seconds=second)))
        for rows in chains:
            assert_no_arbitrage(board, rows)


def test_a_step_returns_only_what_changed_and_far_options_are_quiet() -> None:
    made = market(at("11:00"))
    wanted = TABLE.tokens[TABLE.kinds >= InstrumentKind.CALL][:9000].tolist()
    made.ensure(wanted)
    assert len(made.step(at("11:00"))) == 9000
    counts = [len(made.step(at("11:00") + timedelta(seconds=second))) for second in range(1, 21)]
    assert 0 < np.median(counts) < 0.25 * len(wanted)
    assert len(made.step(at("11:00") + timedelta(seconds=20))) == 0
    rows = chain()
    board = MarketBoard()
    board.ensure(tokens(rows))
    board.apply(made.step(at("11:00") + timedelta(seconds=21)))
    made.show_all()
    board.apply(made.step(at("11:00") + timedelta(seconds=21)))
    deep = board.price(board.rows(rows.call_tokens[-8:]))
    assert deep.tolist() == [0.05] * 8


def test_rows_are_flagged_and_consistent() -> None:
    made = market(at("11:00"))
    rows = chain()
    wanted = [*tokens(rows), NIFTY, TABLE.futures_of("NIFTY")[0].token]
    board = board_of(made, wanted)
    volume = np.zeros(len(wanted))
    for second in range(0, 400, 20):
        batch = made.step(at("11:00") + timedelta(seconds=second))
        assert batch.source is Source.MOCK
        board.apply(batch)
        low, last, high, opened = (
            board.price(board.rows(wanted), word) for word in (Word.LOW, Word.LAST_PRICE, Word.HIGH, Word.OPEN)
        )
        assert ((low <= last) & (last <= high) & (low <= opened) & (opened <= high)).all()
        now = np.maximum(board.field(board.rows(wanted), Word.VOLUME), 0)
        assert (now >= volume).all()
        volume = now.astype(np.float64)
    words = made.rows(tokens(rows)).astype(np.int64)
    assert (words[:, Word.VOLUME] % 65 == 0).all()
    assert (words[:, Word.OPEN_INTEREST] % 65 == 0).all()
    assert (words[:, Word.LAST_PRICE] % 5 == 0).all()
    assert (words[:, Word.OI_DAY_LOW] <= words[:, Word.OPEN_INTEREST]).all()
    assert (words[:, Word.OPEN_INTEREST] <= words[:, Word.OI_DAY_HIGH]).all()
    prices, quantities = words[:, DEPTH_PRICE], words[:, DEPTH_QUANTITY]
    assert (prices % 5 == 0).all()
    assert ((prices > 0) == (quantities > 0)).all()
    near = np.abs(rows.strikes - 24_350) < 500
    assert (prices[: len(rows.strikes)][near] > 0).all()
    index = made.rows([NIFTY])[0]
    assert not index[[Word.VOLUME, Word.OPEN_INTEREST, Word.BUY_QUANTITY]].any()
    assert not index[Word.DEPTH :].any()


def test_open_interest_steps_about_every_three_minutes() -> None:
    made = market(at("11:00"))
    wanted = chain().call_tokens[40:60].tolist()
    board = board_of(made, wanted)
    changes = []
    previous = None
    for second in range(0, 1800, 10):
        board.apply(made.step(at("11:00") + timedelta(seconds=second)))
        oi = tuple(board.field(board.rows(wanted), Word.OPEN_INTEREST).tolist())
        if previous is not None and oi != previous:
            changes.append(second)
        previous = oi
    assert len(changes) in (9, 10)
    assert set(np.diff(changes).tolist()) <= {170, 180, 190}
    before = made.previous_oi(wanted)
    assert set(before) == set(wanted)
    assert all(units > 0 for units in before.values())


def test_levels_start_where_they_were_seeded() -> None:
    made = market(at("11:00"), levels={"NIFTY": 25_000.0})
    assert made.spot("NIFTY") == 25_000.0
    assert made.spot("SENSEX") == 79_640.18
    assert made.spot("INDIA VIX") == 12.84
    assert made.spot("RELIANCE") is None
    made.seed_level("RELIANCE", 1_420.5)
    assert made.spot("RELIANCE") == 1_420.5
    for level in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="NIFTY: a level and a volatility are positive"):
            made.seed_level("NIFTY", level)


def test_what_has_no_level_is_never_quoted() -> None:
    share = Instrument(5 << 8 | 2, "RELIANCE26DEC1400CE", "RELIANCE", InstrumentKind.CALL, "NFO-OPT", "NFO",
                       date(2026, 12, 29), 1400.0, 0.05, 500, 5)  # fmt: skip
    made = MockMarket(UNIVERSE, CALENDAR, start=at("11:00"), instruments=InstrumentTable.from_instruments([share]))
    assert made.ensure([share.token, 999]) == [share.token, 999]
    assert len(made.rows([share.token])) == 0
    made.seed_level("RELIANCE", 1_420.0)
    assert made.ensure([share.token]) == []
    price = made.rows([share.token])[0, Word.LAST_PRICE] / 100
    assert 20 < price < 120
    assert made.candles(999, at("09:15"), at("11:00"), Interval.MINUTE).start.size == 0


def test_calibrating_an_expiry_sets_its_volatility_at_the_money() -> None:
    made = market(at("11:00"))
    rows = chain()
    token = int(rows.call_tokens[np.abs(rows.strikes - 24_400).argmin()])
    made.ensure([token])
    made.calibrate("NIFTY", WEEKLY, 0.25)
    state = made.option_state(token)
    assert state is not None
    assert state.volatility == pytest.approx(0.25, abs=0.005)
    made.seed_open_interest({token: 650_000, 1: 5})
    assert made.rows([token])[0, Word.OPEN_INTEREST] == pytest.approx(650_000, rel=0.001)
    with pytest.raises(ValueError, match="positive number"):
        made.calibrate("NIFTY", WEEKLY, 0.0)


# ------------------------------------------------------------------------------------- hours, auctions, expiry


def test_with_sessions_the_market_is_silent_outside_them() -> None:
    made = market(at("08:00"), sessions=True)
    made.ensure(tokens(chain()))
    first = made.step(at("08:00"))
    assert len(first) == 2 * len(chain().strikes)
    stamped = datetime.fromtimestamp(int(first.exchange_timestamp.max()), IST)
    assert stamped == at("15:39:59", date(2026, 11, 23))
    assert len(made.step(at("09:14:59"))) == 0
    opening = made.step(at("09:15"))
    assert len(opening) > 0
    assert int(opening.volume_traded.max()) == 0
    close_before = dict(zip(first.instrument_token.tolist(), first.last_price.tolist(), strict=True))
    assert all(
        close == pytest.approx(close_before[token])
        for token, close in zip(opening.instrument_token.tolist(), opening.close.tolist(), strict=True)
    )
    closing = made.step(at("15:40"))
    assert int(closing.exchange_timestamp.max()) < at("15:40").timestamp(), "a leap over the close brings its values"
    assert len(made.step(at("15:41"))) == 0
    assert len(made.step(at("12:00", date(2026, 11, 28)))) == 2 * len(chain().strikes)
    assert len(made.step(at("12:01", date(2026, 11, 28)))) == 0


@pytest.mark.parametrize("sessions", [True, False])
def test_the_index_is_frozen_in_the_closing_auction_while_options_trade(sessions: bool) -> None:
    made = market(at("15:14"), sessions=sessions)
    option = int(chain().call_tokens[50])
    made.ensure([NIFTY, option])
    spots, prices = [], []
    for clock in ("15:15:00", "15:20:00", "15:27:13", "15:34:59"):
        made.step(at(clock))
        spots.append(made.spot("NIFTY"))
        prices.append(int(made.rows([option])[0, Word.LAST_PRICE]))
    assert len(set(spots)) == 1
    assert len(set(prices)) > 1
    made.step(at("15:35:00"))
    assert made.spot("NIFTY") != spots[0]


def test_the_closing_auction_can_be_chosen_as_a_regime() -> None:
    made = market(at("11:00"))
    made.step(at("11:00:10"))
    made.set_regime(Regime.CLOSING_AUCTION)
    frozen = made.spot("NIFTY")
    option = int(chain().call_tokens[50])
    before = int(made.rows([option])[0, Word.LAST_PRICE])
    made.step(at("11:10"))
    assert made.regime is Regime.CLOSING_AUCTION
    assert made.spot("NIFTY") == frozen
    assert int(made.rows([option])[0, Word.LAST_PRICE]) != before
    made.set_regime(Regime.CALM)
    made.step(at("11:10:01"))
    assert made.spot("NIFTY") != frozen


def test_an_option_falls_silent_at_its_expiry_instant() -> None:
    day = date(2026, 12, 1)
    made = market(at("15:39:50", day))
    rows = chain(day)
    board = board_of(made, tokens(rows))
    run(made, board, at("15:39:50", day), 9)
    assert_no_arbitrage(board, rows)
    assert len(made.step(at("15:40:00", day))) == 0
    assert len(made.step(at("15:41:00", day))) == 0
    assert made.ensure([TABLE.tokens[0]]) == []
    assert sorted(made.release_expired(at("15:39:59", day))) == []
    assert sorted(made.release_expired(at("15:40:00", day))) == sorted(tokens(rows))
    assert made.ensure(tokens(rows)) == tokens(rows)


def test_on_the_last_day_an_index_option_falls_silent_when_the_calendar_stops_its_kind() -> None:
    day = date(2026, 12, 8)
    made = market(at("15:29:50", day))
    rows = chain(day)
    run(made, board_of(made, tokens(rows)), at("15:29:50", day), 9)
    assert len(made.step(at("15:30:00", day))) == 0
    assert sorted(made.release_expired(at("15:30:00", day))) == sorted(tokens(rows))


def test_expiry_afternoon_moves_near_options_more_than_a_calm_one() -> None:
    def travelled(regime: Regime) -> float:
        made = market(at("14:00"), regime=regime)
        token = int(chain().call_tokens[49])
        prices = []
        for second in range(0, 900, 10):
            made.step(at("14:00") + timedelta(seconds=second))
            prices.append(made.rows([token])[0, Word.LAST_PRICE])
        return float(np.abs(np.diff(np.array(prices, dtype=np.int64))).sum())

    assert travelled(Regime.EXPIRY_AFTERNOON) > 1.5 * travelled(Regime.CALM)


# -------------------------------------------------------------------------------------------------------- candles


@pytest.mark.parametrize("sessions", [True, False])
def test_candles_meet_the_live_market_at_the_seam(sessions: bool) -> None:
    made = market(at("11:00"), sessions=sessions)
    token = int(chain().call_tokens[48])
    made.ensure([token])
    closes, extremes = {}, {}
    for minute in range(3):
        seen = []
        for second in range(60):
            now = at("11:00") + timedelta(minutes=minute, seconds=second)
            made.step(now)
            seen.append(int(made.rows([token])[0, Word.LAST_PRICE]))
        start = int(now.timestamp()) - 59
        closes[start] = seen[-1]
        extremes[start] = (seen[0], max(seen), min(seen))
    candles = made.candles(token, at("10:58"), at("11:02"), Interval.MINUTE)
    assert len(candles) == 5
    by_start = {row[0]: row for row in candles.to_rows().tolist()}
    for start, close in closes.items():
        assert by_start[start][4] == close
        assert tuple(by_start[start][1:4]) == extremes[start]
    assert by_start[int(at("11:02").timestamp())][6] == made.rows([token])[0, Word.OPEN_INTEREST]
    session = made.session_start
    whole = made.candles(token, session, at("23:00"), Interval.MINUTE)
    assert int(whole.volume.sum()) == made.rows([token])[0, Word.VOLUME]


def test_candles_of_all_lengths_agree_and_follow_the_calendar() -> None:
    made = market(at("16:00"), sessions=True)
    token = int(chain().put_tokens[48])
    start = at("00:00", date(2026, 11, 19))
    minutes = made.candles(token, start, at("16:00"), Interval.MINUTE)
    days = [datetime.fromtimestamp(second, IST).date() for second in minutes.start.tolist()]
    assert sorted(set(days)) == [date(2026, 11, day) for day in (19, 20, 23, 25)]
    assert len(minutes) == 4 * 385
    assert (minutes.high >= np.maximum(minutes.open, minutes.close)).all()
    assert (minutes.low <= np.minimum(minutes.open, minutes.close)).all()
    assert (minutes.volume >= 0).all()
    for interval in (Interval.MINUTE_5, Interval.MINUTE_15, Interval.MINUTE_60, Interval.DAY):
        longer = made.candles(token, start, at("16:00"), interval)
        assert int(longer.volume.sum()) == int(minutes.volume.sum())
        assert longer.close[-1] == minutes.close[-1]
        assert longer.high.max() == minutes.high.max()
        assert longer.low.min() == minutes.low.min()
    assert datetime.fromtimestamp(int(longer.start[0]), IST) == at("00:00", date(2026, 11, 19))
    hour = made.candles(NIFTY, at("10:15"), at("12:15"), Interval.MINUTE_60)
    assert [datetime.fromtimestamp(second, IST).time() for second in hour.start.tolist()] == [
        time(10, 15), time(11, 15), time(12, 15),
    ]  # fmt: skip


@pytest.mark.parametrize("sessions", [True, False])
@given(data=st.data(), first=st.integers(-20, 400), length=st.integers(0, 60), second=st.integers(0, 59))
@settings(max_examples=25, deadline=None)
def test_a_part_of_a_day_is_a_part_of_its_candles(
    sessions: bool, data: st.DataObject, first: int, length: int, second: int
) -> None:
    """Whatever window is asked for, the candles in it are those of the whole day, volumes included."""
    made = market(at("16:00"), sessions=sessions)
    calls, puts = chain().call_tokens, chain().put_tokens
    token = data.draw(st.sampled_from([NIFTY, int(calls[48]), int(puts[48]), int(calls[0]), int(calls[-1])]))
    start = at("09:15") + timedelta(minutes=first, seconds=second)
    end = start + timedelta(minutes=length)
    whole = made.candles(token, at("08:00"), at("18:00"), Interval.MINUTE).to_rows()
    inside = (whole[:, 0] >= start.timestamp()) & (whole[:, 0] <= end.timestamp())
    assert made.candles(token, start, end, Interval.MINUTE).to_rows().tolist() == whole[inside].tolist()


def test_candles_over_many_months_are_coarser_and_end_at_the_same_prices() -> None:
    made = market(at("16:00"), sessions=True)
    token = int(chain(date(2026, 12, 29)).call_tokens[60])
    long = made.candles(token, at("00:00", date(2026, 8, 25)), at("16:00"), Interval.DAY)
    short = made.candles(token, at("00:00", date(2026, 11, 20)), at("16:00"), Interval.DAY)
    assert len(long) > 50
    assert long.close[-3:].tolist() == short.close.tolist()
    assert long.volume[-3:].tolist() == short.volume.tolist()


def test_there_are_no_candles_of_the_future_or_after_an_expiry() -> None:
    day = date(2026, 12, 1)
    made = market(at("11:00"))
    token = int(chain(day).call_tokens[50])
    assert made.candles(token, at("11:00"), at("12:00"), Interval.MINUTE).start.tolist() == [at("11:00").timestamp()]
    assert len(made.candles(token, at("11:01"), at("12:00"), Interval.MINUTE)) == 0
    made.step(at("18:00", day))
    last = made.candles(token, at("15:00", day), at("18:00", day), Interval.MINUTE).start.tolist()[-1]
    assert datetime.fromtimestamp(last, IST) == at("15:39", day)


# ------------------------------------------------------------------------------------------------- scripted events


def test_a_new_strike_is_listed_at_eleven_thirty_eight() -> None:
    made = market(at("11:37:58"), script=MarketScript.with_new_strikes())
    made.ensure(tokens(chain()))
    made.step(at("11:37:59"))
    assert made.drain_events() == ()
    known = len(made.instruments)
    made.step(at("11:38:00"))
    (event,) = made.drain_events()
    assert [row.strike for row in event.instruments] == [27_000.0, 27_000.0]
    assert len(made.instruments) == known + 2
    new = [row.token for row in event.instruments]
    assert made.ensure(new) == []
    assert set(made.step(at("11:38:01")).instrument_token.tolist()) >= set(new)
    assert made.list_strike("NIFTY", WEEKLY, 27_000.0) == ()
    with pytest.raises(ValueError, match="does not list DOW"):
        made.list_strike("DOW")
    made.step(at("11:38", date(2026, 11, 26)))
    assert len(made.drain_events()) == 1


def test_actions_happen_in_the_step_that_reaches_their_instant() -> None:
    made, plain = market(at("11:00")), market(at("11:00"))
    made.schedule(at("11:00:30"), Gap(-2.0))
    made.schedule(at("11:00:20"), ChangeRegime(Regime.VOLATILE))
    made.schedule(at("11:00:40"), NewStrike("SENSEX"))
    made.step(at("11:00:19"))
    plain.step(at("11:00:19"))
    assert made.spot("NIFTY") == plain.spot("NIFTY")
    made.step(at("11:00:31"))
    assert made.regime is Regime.VOLATILE
    plain.step(at("11:00:31"))
    ours, theirs = made.spot("NIFTY"), plain.spot("NIFTY")
    assert ours is not None
    assert theirs is not None
    assert ours / theirs - 1 == pytest.approx(-0.02, abs=0.002)
    made.step(at("11:00:40"))
    assert [event.text for event in made.drain_events()] == [
        "mock market: volatile",
        "mock market: everything gaps by -2 %",
        "mock market: SENSEX lists 88400 of 26 Nov",
    ]
    with pytest.raises(ValueError, match="cannot fall by 100"):
        made.jump(-100.0)


# ------------------------------------------------------------------------------------------------------- one market


def assert_quotes_agree_with_candles(made: MockMarket, wanted: list[int]) -> None:
    """A quote's high and low are those of its own candles, its last price is that of the last one."""
    opened = made.session_start
    for token in wanted:
        candles, (words,) = made.candles(token, opened, made.now, Interval.MINUTE), made.rows([token])
        assert (int(words[Word.HIGH]), int(words[Word.LOW])) == (candles.high.max(), candles.low.min()), token
        assert int(words[Word.LAST_PRICE]) == candles.close[-1], token


@pytest.mark.parametrize("clock", ["09:15:30", "11:42:07", "15:10", "18:00"])
@pytest.mark.parametrize("regime", [Regime.CALM, Regime.VOLATILE])
def test_a_quotes_high_and_low_are_those_of_its_candles(clock: str, regime: Regime) -> None:
    made = market(at(clock), sessions=True, regime=regime)
    wanted = tokens(chain())[::11]
    made.ensure([*wanted, NIFTY])
    assert_quotes_agree_with_candles(made, wanted)
    if at(clock) < at("15:15"):
        assert_quotes_agree_with_candles(made, [NIFTY])


@pytest.mark.parametrize("later", ["11:00:05", "11:19", "15:39:59", "15:45", "23:00"])
def test_a_clock_that_leaps_passes_over_no_price(later: str) -> None:
    made = market(at("11:00"), sessions=True)
    wanted = tokens(chain())[::11]
    made.ensure(wanted)
    made.take_changed()
    made.advance(at(later))
    assert_quotes_agree_with_candles(made, wanted)
    board = board_of(made, wanted)
    made.show_all()
    board.apply(made.step(at(later)))
    words = made.rows(wanted)
    assert board.words[board.rows(wanted), Word.HIGH].tolist() == words[:, Word.HIGH].tolist()


def test_an_index_has_no_candle_in_its_closing_auction() -> None:
    made = market(at("16:00"), sessions=True)
    candles = made.candles(NIFTY, at("09:15"), at("16:00"), Interval.MINUTE)
    (session,) = CALENDAR.session_on("INDICES", DAY)
    assert session.auction is not None
    minutes = range(int(session.open.timestamp()), int(session.auction.timestamp()), 60)
    assert candles.start.tolist() == list(minutes)
    option = made.candles(tokens(chain())[100], at("09:15"), at("16:00"), Interval.MINUTE)
    assert option.start[-1] == int(at("15:39").timestamp()), "derivatives trade on"


def test_an_expired_contract_has_a_history_until_its_day_ends() -> None:
    token = tokens(chain())[100]
    evening = market(at("20:00", WEEKLY), sessions=True)
    assert evening.ensure([token]) == []
    candles = evening.candles(token, at("09:15", WEEKLY), at("20:00", WEEKLY), Interval.MINUTE)
    assert candles.start[-1] == int(at("15:39", WEEKLY).timestamp())
    after = market(at("00:05", WEEKLY + timedelta(days=1)), sessions=True)
    assert after.ensure([token]) == [token]
