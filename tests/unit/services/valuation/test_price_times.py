"""Time to expiry is that of the instant the prices are from: shut market, restart, stopped feed, auction, expiry."""

from __future__ import annotations

import math
from datetime import date, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.priced_boards import Market
from tickertui.market.board import Derived
from tickertui.market.clock import IST
from tickertui.market.conventions import Preset
from tickertui.market.forward import ForwardSource
from tickertui.market.hours import load_calendar
from tickertui.market.implied_volatility import Status
from tickertui.market.instruments import InstrumentKind
from tickertui.market.ticks import Mode, Source, TickBatch, Word
from tickertui.services.supervision.events import EventLog
from tickertui.services.supervision.observed_hours import ObservedHours
from tickertui.services.valuation.valuation import Valuation

TUESDAY = date(2026, 12, 1)
FRIDAY_CLOSE = datetime(2026, 11, 27, 15, 39, 59, tzinfo=IST)
SPOT = 24_352.4


def market_at(moment: datetime, *, futures: bool = True) -> Market:
    market = Market({"NIFTY": SPOT}, (TUESDAY, date(2026, 12, 29)), futures=futures)
    market.clock.set(moment)
    return market


def leg(market: Market, strike: float = 24_400.0, kind: InstrumentKind = InstrumentKind.CALL) -> int:
    found = market.table.find_option("NIFTY", TUESDAY, strike, kind)
    assert found is not None
    return market.board.row(found.token)


def futures_of(market: Market) -> set[int]:
    return {future.token for future in market.table.futures_of("NIFTY")}


def value_at(market: Market, moment: datetime, preset: Preset = Preset.FORWARD) -> NDArray[np.float64]:
    """Derived values of the 24,400 call as a program that starts now sees them."""
    market.clock.set(moment)
    Valuation(market.board, market, load_calendar(), market.clock, preset.value).round()
    values: NDArray[np.float64] = market.board.derived[leg(market)].copy()
    return values


def plain_price(volatility: float, forward: float, strike: float, days: float) -> float:
    """Black's call by the textbook."""
    deviation = volatility * math.sqrt(days / 365)
    first = math.log(forward / strike) / deviation + deviation / 2
    normal = [0.5 * (1 + math.erf(x / math.sqrt(2))) for x in (first, first - deviation)]
    return forward * normal[0] - strike * normal[1]


def repeat_packets(market: Market, mode: Mode = Mode.FULL) -> None:
    """Send what the board holds again, as the broker's cached packets after a reconnect: their stamps stay."""
    rows = market.board.rows(market.table.tokens)
    market.board.apply(
        TickBatch.from_rows(
            market.board.words[rows][:, : int(mode)].copy(),
            Source.LIVE,
            mode=mode,
            received_ns=market.clock.monotonic_ns(),
            received_wall_ns=market.clock.time_ns(),
        )
    )


SHUT = [
    datetime(2026, 11, 27, 15, 41, tzinfo=IST),
    datetime(2026, 11, 28, 12, 0, tzinfo=IST),
    datetime(2026, 11, 30, 8, 30, tzinfo=IST),
    datetime(2026, 11, 30, 9, 10, tzinfo=IST),
]


@pytest.mark.parametrize("preset", list(Preset))
def test_the_values_of_the_close_stand_until_the_market_opens(preset: Preset) -> None:
    market = market_at(FRIDAY_CLOSE)
    market.apply()
    close = value_at(market, FRIDAY_CLOSE, preset)
    assert not np.isnan(close[Derived.IV])
    for moment in SHUT:
        assert value_at(market, moment, preset)[: Derived.FORWARD].tolist() == close[: Derived.FORWARD].tolist()


def test_the_volatility_of_the_close_is_that_of_a_plain_formula() -> None:
    market = market_at(FRIDAY_CLOSE)
    market.apply()
    monday = value_at(market, datetime(2026, 11, 30, 8, 30, tzinfo=IST))
    days = 4 + 1 / 86_400  # Friday 15:39:59 to Tuesday 15:40
    price = plain_price(float(monday[Derived.IV]), float(monday[Derived.FORWARD]), 24_400.0, days)
    assert price == pytest.approx(float(monday[Derived.PRICE]), abs=1e-6)
    assert monday[Derived.PRICED_AT] == FRIDAY_CLOSE.timestamp()


@pytest.mark.parametrize("mode", [Mode.FULL, Mode.QUOTE])
def test_a_restart_on_the_weekend_changes_nothing(mode: Mode) -> None:
    """Packets of quote mode carry no time of the exchange: what comes on a Saturday is of Friday's close."""
    market = market_at(FRIDAY_CLOSE)
    market.apply()
    if mode is Mode.QUOTE:
        repeat_packets(market, mode)
    close = value_at(market, FRIDAY_CLOSE)
    market.clock.set(datetime(2026, 11, 28, 12, 0, tzinfo=IST))
    repeat_packets(market, mode)
    again = value_at(market, market.clock.now())
    assert again[Derived.IV] == pytest.approx(close[Derived.IV], rel=1e-5)
    if mode is Mode.FULL:
        assert again[: Derived.FORWARD].tolist() == close[: Derived.FORWARD].tolist()


def test_the_index_of_a_pre_open_session_is_no_time_of_the_options_prices() -> None:
    market = market_at(FRIDAY_CLOSE)
    market.apply()
    close = value_at(market, FRIDAY_CLOSE)
    market.clock.set(datetime(2026, 11, 30, 9, 8, tzinfo=IST))
    market.apply(only=set(market.index_tokens.values()))
    assert value_at(market, market.clock.now())[Derived.PRICED_AT] == close[Derived.PRICED_AT]


def test_a_feed_that_has_stopped_lets_no_volatility_rise() -> None:
    market = market_at(datetime(2026, 12, 1, 14, 0, tzinfo=IST))
    market.apply()
    before = value_at(market, market.clock.now())
    later = value_at(market, datetime(2026, 12, 1, 14, 40, tzinfo=IST))
    assert later[Derived.IV] == before[Derived.IV]


def test_one_tick_anywhere_in_the_slice_moves_its_time() -> None:
    market = market_at(datetime(2026, 11, 30, 11, 0, tzinfo=IST))
    market.apply()
    value_at(market, market.clock.now())
    market.clock.advance(600)
    market.apply(only={int(market.board.tokens[leg(market, 24_000.0)])})
    moved = value_at(market, market.clock.now())
    assert moved[Derived.PRICED_AT] == market.clock.now().timestamp()


def test_quotes_of_another_session_are_behind_nothing_once_the_slice_has_prices_of_this_one() -> None:
    """Friday's quotes valued at Monday's time to expiry had a volatility that no market ever had."""
    market = market_at(FRIDAY_CLOSE)
    market.apply()
    close = value_at(market, FRIDAY_CLOSE)
    monday = datetime(2026, 11, 30, 9, 16, tzinfo=IST)
    market.clock.set(monday)
    market.apply(only={int(market.board.tokens[leg(market, 24_000.0)])})
    values = value_at(market, monday)
    assert not np.isnan(close[Derived.IV])
    assert np.isnan(values[[Derived.IV, Derived.DELTA, Derived.FORWARD, Derived.PRICE]]).all()
    assert values[Derived.FORWARD_SOURCE] == ForwardSource.NONE, "index, future and parity are all of Friday"
    market.apply()
    values = value_at(market, monday)
    assert values[Derived.IV] == pytest.approx(market.volatility(24_400.0, market.forward("NIFTY", TUESDAY)), abs=4e-4)


def test_a_future_of_another_session_is_no_forward_of_this_one() -> None:
    market = market_at(FRIDAY_CLOSE)
    market.apply()
    monday = datetime(2026, 11, 30, 9, 16, tzinfo=IST)
    market.clock.set(monday)
    market.apply(spread=400.0, only=set(market.table.tokens.tolist()) - futures_of(market))
    assert value_at(market, monday)[Derived.FORWARD_SOURCE] == ForwardSource.NONE
    market.apply(spread=400.0, only=futures_of(market))
    assert value_at(market, monday)[Derived.FORWARD_SOURCE] != ForwardSource.NONE


def test_a_stamp_from_the_future_is_no_time() -> None:
    market = market_at(datetime(2026, 11, 30, 11, 0, tzinfo=IST))
    market.apply()
    market.board.words[leg(market), Word.EXCHANGE_TIMESTAMP] += 3_600
    assert value_at(market, market.clock.now())[Derived.PRICED_AT] == market.clock.now().timestamp()


def test_a_mock_on_a_weekend_has_its_own_time() -> None:
    sunday = datetime(2026, 11, 29, 12, 0, tzinfo=IST)
    market = market_at(sunday)
    market.apply(Source.MOCK)
    values = value_at(market, sunday)
    assert values[Derived.IV] == pytest.approx(market.volatility(24_400.0, market.forward("NIFTY", TUESDAY)), abs=4e-4)


# ---------------------------------------------------------------------- the day of expiry

AFTERNOON = datetime(2026, 12, 1, 15, 10, tzinfo=IST)


def settle(market: Market, value: float, moment: datetime) -> None:
    """Let the index print."""
    market.clock.set(moment)
    market.spots["NIFTY"] = value
    market.apply(only=set(market.index_tokens.values()))


def option(market: Market, moment: datetime, strike: float = 24_400.0) -> tuple[NDArray[np.float64], Status]:
    market.clock.set(moment)
    Valuation(market.board, market, load_calendar(), market.clock).round()
    row = leg(market, strike)
    return market.board.derived[row].copy(), Status(int(market.board.derived_status[row]))


def test_theta_on_the_last_afternoon_is_what_can_still_be_lost() -> None:
    market = market_at(AFTERNOON)
    market.apply()
    for strike in (24_350.0, 24_400.0):
        values, status = option(market, AFTERNOON, strike)
        assert status is Status.OK
        price = plain_price(float(values[Derived.IV]), float(values[Derived.FORWARD]), strike, 0.5 / 24)
        time_value = price - max(float(values[Derived.FORWARD]) - strike, 0.0)
        assert values[Derived.THETA] == pytest.approx(-time_value, abs=1e-6)


def test_a_day_before_theta_is_per_day() -> None:
    market = market_at(datetime(2026, 11, 30, 15, 0, tzinfo=IST))
    market.apply()
    values, _ = option(market, market.clock.now())
    iv, forward, days = float(values[Derived.IV]), float(values[Derived.FORWARD]), 1 + 40 / 1_440
    step = 1e-4
    decay = plain_price(iv, forward, 24_400.0, days - step) - plain_price(iv, forward, 24_400.0, days + step)
    assert values[Derived.THETA] == pytest.approx(decay / (2 * step), rel=1e-5)


def test_in_the_last_five_minutes_no_volatility_is_shown() -> None:
    market = market_at(datetime(2026, 12, 1, 15, 14, 59, tzinfo=IST))
    market.apply()
    legs = set(market.table.tokens.tolist())
    market.clock.set(datetime(2026, 12, 1, 15, 34, 59, tzinfo=IST))
    market.apply(only=legs)
    values, status = option(market, market.clock.now(), 24_350.0)
    assert status is Status.OK
    assert values[Derived.IV] == pytest.approx(0.13, abs=0.02)
    market.clock.set(datetime(2026, 12, 1, 15, 35, 1, tzinfo=IST))
    market.apply(only=legs)
    values, status = option(market, market.clock.now(), 24_350.0)
    assert status is Status.NEAR_EXPIRY
    assert np.isnan(values[: Derived.FORWARD]).all()
    assert not np.isnan(values[Derived.FORWARD])


def test_once_the_index_has_settled_its_value_is_the_forward_of_that_day_alone() -> None:
    market = market_at(datetime(2026, 12, 1, 15, 20, tzinfo=IST))
    market.apply()
    values, status = option(market, market.clock.now())
    assert status is Status.OK
    assert values[Derived.FORWARD_SOURCE] != ForwardSource.SETTLED
    settle(market, 24_437.25, datetime(2026, 12, 1, 15, 32, 10, tzinfo=IST))
    values, status = option(market, market.clock.now())
    assert status is Status.SETTLED
    assert np.isnan(values[: Derived.FORWARD]).all()
    assert (values[Derived.FORWARD], values[Derived.FORWARD_SOURCE]) == (24_437.25, ForwardSource.SETTLED)
    later = market.table.find_option("NIFTY", date(2026, 12, 29), 24_400.0, InstrumentKind.CALL)
    assert later is not None
    row = market.board.row(later.token)
    assert market.board.derived[row, Derived.FORWARD_SOURCE] == ForwardSource.PARITY
    assert not np.isnan(market.board.derived[row, Derived.IV])


@pytest.mark.parametrize("seconds", [0, 1, 3_600])
def test_from_the_expiry_on_nothing_is_valued(seconds: int) -> None:
    market = market_at(datetime(2026, 12, 1, 15, 39, 58, tzinfo=IST))
    market.apply()
    end = datetime(2026, 12, 1, 15, 40, tzinfo=IST).timestamp()
    values, status = option(market, datetime.fromtimestamp(end + seconds, IST))
    assert status is Status.EXPIRED
    assert np.isnan(values[: Derived.FORWARD]).all()


def test_a_settled_index_carries_later_forwards_again() -> None:
    """Frozen it is none; what the auction has found is the cash market's price."""
    market = market_at(datetime(2026, 12, 1, 15, 20, tzinfo=IST), futures=False)
    market.apply(spread=400.0)
    far = market.table.find_option("NIFTY", date(2026, 12, 29), 24_400.0, InstrumentKind.CALL)
    assert far is not None
    row = market.board.row(far.token)
    option(market, market.clock.now())
    assert market.board.derived[row, Derived.FORWARD_SOURCE] == ForwardSource.NONE
    settle(market, 24_437.25, datetime(2026, 12, 1, 15, 31, tzinfo=IST))
    for moment in (datetime(2026, 12, 1, 15, 31, tzinfo=IST), datetime(2026, 12, 1, 15, 39, tzinfo=IST)):
        option(market, moment)
        assert market.board.derived[row, Derived.FORWARD_SOURCE] == ForwardSource.SPOT_CARRIED


def test_the_frozen_index_stays_frozen_when_it_never_settles() -> None:
    market = market_at(datetime(2026, 12, 1, 15, 14, 59, tzinfo=IST), futures=False)
    market.apply(spread=400.0)
    values, _ = option(market, datetime(2026, 12, 1, 15, 37, tzinfo=IST))
    assert values[Derived.FORWARD_SOURCE] == ForwardSource.NONE


def test_a_session_that_is_seen_and_not_planned_is_the_time_of_its_prices() -> None:
    """On a Saturday the calendar would have every price from Friday's close."""
    saturday = datetime(2026, 11, 28, 11, 0, tzinfo=IST)
    market = market_at(FRIDAY_CLOSE)
    market.apply()
    market.clock.set(saturday)
    hours = ObservedHours(market.board, load_calendar(), market.clock, EventLog(market.clock))
    valuation = Valuation(market.board, market, hours, market.clock)
    market.board.mark_subscribed(market.table.tokens.tolist(), 0, market.clock.monotonic_ns())
    words = market.board.words[market.board.rows(market.table.tokens)].copy()
    priced = []
    for second in range(20):
        words[:, Word.EXCHANGE_TIMESTAMP] = int(market.clock.now().timestamp())
        words[:, Word.LAST_PRICE] += 5 if second % 2 else 10
        market.board.apply(
            TickBatch.from_rows(
                words, Source.LIVE, received_ns=market.clock.monotonic_ns(), received_wall_ns=market.clock.time_ns()
            )
        )
        market.clock.advance(1.0)
        hours.look()
        valuation.round()
        priced.append(float(market.board.derived[leg(market), Derived.PRICED_AT]))
    assert priced[1] == FRIDAY_CLOSE.timestamp() + 1, "before it is known"
    assert saturday.timestamp() < priced[-1] <= saturday.timestamp() + 20
