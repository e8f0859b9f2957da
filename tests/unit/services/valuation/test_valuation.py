"""Valuation: volatilities that were put into prices come back, only touched slices are done, ages are the oldest."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta

import numpy as np
import pytest

from tests.support.priced_boards import Market
from tickertui.market.board import Derived
from tickertui.market.clock import IST
from tickertui.market.conventions import Preset, PriceRule
from tickertui.market.forward import ForwardSource
from tickertui.market.hours import load_calendar
from tickertui.market.implied_volatility import Status
from tickertui.market.instruments import InstrumentKind
from tickertui.market.price_selection import PriceSource
from tickertui.market.ticks import Mode, Source, TickBatch, Word
from tickertui.services.valuation.valuation import Valuation

EXPIRIES = (date(2026, 12, 1), date(2026, 12, 29))


@pytest.fixture
def market() -> Market:
    return Market({"NIFTY": 24_352.4, "BANKNIFTY": 57_912.0}, EXPIRIES)


def valuation(market: Market, preset: Preset = Preset.FORWARD) -> Valuation:
    return Valuation(market.board, market, load_calendar(), market.clock, preset.value)


def row_of(market: Market, name: str, expiry: date, strike: float, kind: InstrumentKind) -> int:
    found = market.table.find_option(name, expiry, strike, kind)
    assert found is not None
    return market.board.row(found.token)


def test_volatilities_come_back_from_the_prices(market: Market) -> None:
    market.apply()
    done = valuation(market).round()
    assert (done.rows, done.slices) == (2 * 2 * 41 * 2, 4)
    for name in market.spots:
        for expiry in EXPIRIES:
            forward = market.forward(name, expiry)
            chain = market.table.chain(name, expiry)
            assert chain is not None
            for strike in chain.strikes[12:29].tolist():
                for kind in (InstrumentKind.CALL, InstrumentKind.PUT):
                    values = market.board.derived[row_of(market, name, expiry, strike, kind)]
                    assert values[Derived.IV] == pytest.approx(market.volatility(strike, forward), abs=4e-4)
                    assert values[Derived.FORWARD] == pytest.approx(forward, abs=0.06)
                    assert values[Derived.FORWARD_SOURCE] == ForwardSource.PARITY


def test_the_time_to_expiry_is_that_of_the_underlyings_kind() -> None:
    """An hour before the end a quarter of an hour too much would give three volatilities for four."""
    day = date(2026, 12, 8)
    market = Market({"NIFTY": 24_352.4}, (day,), end=time(15, 30))
    market.clock.set(datetime.combine(day, time(14, 30), IST))
    market.apply()
    valuation(market).round()
    forward = market.forward("NIFTY", day)
    values = market.board.derived[row_of(market, "NIFTY", day, 24_350.0, InstrumentKind.CALL)]
    assert values[Derived.IV] == pytest.approx(market.volatility(24_350.0, forward), abs=1e-3)


@pytest.mark.parametrize(("hour", "minute"), [(1, 56), (8, 30)])
def test_what_expires_today_has_volatilities_in_a_mock_before_the_open(hour: int, minute: int) -> None:
    """The auction of the day before has settled nothing of today's."""
    day = EXPIRIES[0]
    market = Market({"NIFTY": 24_352.4}, (day,))
    market.clock.set(datetime.combine(day, time(hour, minute), IST))
    market.apply(Source.MOCK)
    valuation(market).round()
    values = market.board.derived[row_of(market, "NIFTY", day, 24_350.0, InstrumentKind.CALL)]
    assert values[Derived.IV] == pytest.approx(market.volatility(24_350.0, market.forward("NIFTY", day)), abs=1e-3)


def test_call_and_put_of_a_strike_share_the_out_of_the_money_volatility(market: Market) -> None:
    market.apply()
    valuation(market).round()
    call, put = (
        market.board.derived[row_of(market, "NIFTY", EXPIRIES[0], 24_500.0, kind)]
        for kind in (InstrumentKind.CALL, InstrumentKind.PUT)
    )
    assert call[Derived.IV] == put[Derived.IV]
    assert call[Derived.DELTA] - put[Derived.DELTA] == pytest.approx(1.0, abs=1e-9)
    assert 0 < call[Derived.DELTA] < 0.5
    assert call[Derived.THETA] < 0 < call[Derived.VEGA]


def test_the_last_round_that_valued_anything_is_kept_while_rounds_are_empty(market: Market) -> None:
    assert valuation(market).last_valued is None, "nothing was valued yet"
    values = valuation(market)
    market.apply()
    done = values.round()
    assert values.round().rows == 0
    assert values.last_valued == done
    assert done.rows == 2 * 2 * 41 * 2


def test_only_touched_slices_are_done_again(market: Market) -> None:
    market.apply()
    values = valuation(market)
    values.round()
    assert values.round().rows == 0, "its own writes touch nothing"
    chain = market.table.chain("NIFTY", EXPIRIES[1])
    assert chain is not None
    market.clock.advance(1)
    market.apply(only={int(chain.call_tokens[20])})
    done = values.round()
    assert (done.slices, done.rows) == (1, 82)
    market.clock.advance(1)
    market.apply(only={market.index_tokens["BANKNIFTY"]})
    assert values.round().slices == 2, "both expiries of the underlying that moved"
    market.clock.advance(61)
    assert values.round().slices == 4, "time itself moves everything once a minute"


def test_legs_that_did_not_tick_are_changed_rows_when_they_are_valued_anew(market: Market) -> None:
    """Readers take up rows by the board's versions: without that the Greeks of quiet legs stayed old on the screen."""
    market.apply()
    values = valuation(market)
    values.round()
    chain = market.table.chain("NIFTY", EXPIRIES[0])
    assert chain is not None
    rows = market.board.rows(np.concatenate([chain.call_tokens, chain.put_tokens]))
    others = market.board.rows([market.index_tokens["NIFTY"]])
    market.clock.advance(1)
    market.apply(only={market.index_tokens["NIFTY"]})
    read = market.board.sequence
    values.round()
    assert (market.board.versions[rows] > read).all()
    assert (market.board.versions[others] <= read).all(), "what is not valued is not changed by it"


def test_another_convention_values_everything_anew(market: Market) -> None:
    market.apply()
    values = valuation(market)
    values.round()
    row = row_of(market, "NIFTY", EXPIRIES[0], 24_500.0, InstrumentKind.CALL)
    before = market.board.derived[row, Derived.IV]
    values.convention = Preset.KITE_SENSIBULL.value
    assert values.round().slices == 4
    assert market.board.derived[row, Derived.IV] != before


def test_on_expiry_day_time_alone_is_enough() -> None:
    market = Market({"NIFTY": 24_352.4}, (date(2026, 11, 25), date(2026, 12, 29)))
    market.apply()
    values = valuation(market)
    values.round()
    market.clock.advance(1)
    assert values.round().slices == 1


def test_an_expired_option_has_a_reason_and_no_number() -> None:
    market = Market({"NIFTY": 24_352.4}, (date(2026, 11, 25),))
    market.apply()
    market.clock.set(market.clock.now().replace(hour=15, minute=41))
    valuation(market).round()
    row = row_of(market, "NIFTY", date(2026, 11, 25), 24_350.0, InstrumentKind.CALL)
    assert np.isnan(market.board.derived[row, Derived.IV])
    assert market.board.derived_status[row] == Status.EXPIRED


def test_a_leg_without_a_price_stays_missing_and_spoils_no_other(market: Market) -> None:
    chain = market.table.chain("NIFTY", EXPIRIES[0])
    assert chain is not None
    silent = {int(chain.call_tokens[30]), int(chain.put_tokens[30])}
    market.apply(only=set(market.table.tokens.tolist()) - silent)
    valuation(market).round()
    lone, neighbour = (market.board.row(int(chain.call_tokens[place])) for place in (30, 31))
    assert market.board.derived_status[lone] == Status.NO_PRICE
    assert np.isnan(market.board.derived[lone, : Derived.FORWARD]).all()
    assert not np.isnan(market.board.derived[neighbour, Derived.IV])


def test_greeks_carry_the_age_of_their_oldest_input(market: Market) -> None:
    market.apply()
    old_ns = market.clock.monotonic_ns()
    market.clock.advance(10)
    chain = market.table.chain("NIFTY", EXPIRIES[0])
    assert chain is not None
    market.apply(only={int(chain.call_tokens[5])})
    valuation(market).round()
    row = market.board.row(int(chain.call_tokens[5]))
    assert market.board.received_ns[row] > old_ns
    assert market.board.derived_ns[row] == old_ns, "the forward's legs have not ticked since"


@pytest.mark.parametrize("futures", [True, False])
def test_without_two_sided_quotes_the_forward_falls_back(futures: bool) -> None:
    market = Market({"NIFTY": 24_352.4}, EXPIRIES, futures=futures)
    market.apply(spread=400.0)
    valuation(market).round()
    row = row_of(market, "NIFTY", EXPIRIES[0], 24_350.0, InstrumentKind.CALL)
    values = market.board.derived[row]
    expected = ForwardSource.FUTURE if futures else ForwardSource.SPOT_CARRIED
    assert values[Derived.FORWARD_SOURCE] == expected
    assert values[Derived.FORWARD] == pytest.approx(
        market.forward("NIFTY", EXPIRIES[0]), rel=1e-5 if not futures else 1e-2
    )


def test_in_the_closing_auction_the_frozen_spot_is_no_forward() -> None:
    market = Market({"NIFTY": 24_352.4}, EXPIRIES, futures=False)
    market.clock.set(market.clock.now().replace(hour=15, minute=20))
    market.apply(spread=400.0)
    valuation(market).round()
    row = row_of(market, "NIFTY", EXPIRIES[0], 24_350.0, InstrumentKind.CALL)
    assert market.board.derived[row, Derived.FORWARD_SOURCE] == ForwardSource.NONE
    assert np.isnan(market.board.derived[row, Derived.IV])


def test_the_presets_differ_as_the_market_knows_them(market: Market) -> None:
    market.apply()
    ivs = {}
    for preset in Preset:
        valuation(market, preset).round()
        call, put = (
            market.board.derived[row_of(market, "NIFTY", EXPIRIES[1], 24_350.0, kind), Derived.IV]
            for kind in (InstrumentKind.CALL, InstrumentKind.PUT)
        )
        ivs[preset] = (call, put)
    forward_call, forward_put = ivs[Preset.FORWARD]
    assert forward_call == forward_put
    exchange_call, exchange_put = ivs[Preset.EXCHANGE]
    assert exchange_put - exchange_call > 0.01, "the exchange's 10 % rate opens its known gap between put and call"
    assert ivs[Preset.KITE_SENSIBULL][0] != pytest.approx(forward_call, abs=1e-4)


def test_a_changed_plan_is_laid_out_anew(market: Market) -> None:
    market.apply(Source.MOCK)
    values = valuation(market)
    values.round()
    chain = market.table.chain("NIFTY", EXPIRIES[0])
    assert chain is not None
    market.board.release(chain.put_tokens.tolist())
    done = values.round()
    assert done.rows == 4 * 82 - 41
    market.clock.advance(timedelta(seconds=1).total_seconds())


def test_an_empty_board_is_no_trouble(market: Market) -> None:
    market.board.release(market.table.tokens.tolist())
    assert valuation(market).round().rows == 0


def untraded_leg(market: Market) -> tuple[int, int]:
    """Token and row of a call a little out of the money."""
    found = market.table.find_option("NIFTY", EXPIRIES[0], 24_500.0, InstrumentKind.CALL)
    assert found is not None
    return found.token, market.board.row(found.token)


@pytest.mark.parametrize("mode", [Mode.FULL, Mode.QUOTE])
@pytest.mark.parametrize("rule", [PriceRule.LAST, PriceRule.MID_OR_LAST])
def test_a_price_of_another_day_is_behind_no_volatility(market: Market, mode: Mode, rule: PriceRule) -> None:
    token, row = untraded_leg(market)
    put = row_of(market, "NIFTY", EXPIRIES[0], 24_500.0, InstrumentKind.PUT)
    values = Valuation(
        market.board, market, load_calendar(), market.clock, replace(Preset.FORWARD.value, price_rule=rule)
    )
    for _ in range(2):  # the broker's cached packet, and one more
        market.apply(spread=400.0)
        market.apply(spread=400.0, only={token}, mode=mode, volume=0, raised=700.0)
        market.clock.advance(1)
    values.round()
    call_values, put_values = market.board.derived[row], market.board.derived[put]
    assert np.isnan(call_values[Derived.PRICE])
    # The put's own price is of today: both legs stand on it.
    assert (
        call_values[Derived.IV]
        == put_values[Derived.IV]
        == pytest.approx(market.volatility(24_500.0, 24_360), abs=0.01)
    )
    market.apply(spread=400.0, only={token}, mode=mode)
    values.round()
    assert market.board.derived[row, Derived.PRICE_SOURCE] == PriceSource.LAST


def test_in_ltp_mode_a_price_is_of_today_once_it_has_been_seen_to_move(market: Market) -> None:
    token, row = untraded_leg(market)
    market.apply()
    market.board.clear([token])
    values = valuation(market)
    for raised, known in ((0.0, False), (0.0, False), (1.0, True)):
        market.clock.advance(1)
        market.apply(only={token}, mode=Mode.LTP, raised=raised)
        values.round()
        assert np.isnan(market.board.derived[row, Derived.PRICE]) != known


def test_the_cached_packet_in_quote_mode_may_be_of_any_day(market: Market) -> None:
    token, row = untraded_leg(market)
    market.apply()
    market.board.clear([token])
    values = valuation(market)
    for known in (False, True):
        market.clock.advance(1)
        market.apply(only={token}, mode=Mode.QUOTE)
        values.round()
        assert np.isnan(market.board.derived[row, Derived.PRICE]) != known


def test_no_price_of_a_packet_from_the_future_is_behind_a_volatility(market: Market) -> None:
    market.apply()
    token, row = untraded_leg(market)
    values = valuation(market)
    words = market.board.words[row].copy()
    words[Word.EXCHANGE_TIMESTAMP] += 50
    market.board.apply(
        TickBatch.from_rows(
            words[None], Source.LIVE, received_ns=market.clock.monotonic_ns(), received_wall_ns=market.clock.time_ns()
        )
    )
    values.round()
    assert np.isnan(market.board.derived[row, Derived.PRICE])
    market.apply(only={token})
    values.round()
    assert not np.isnan(market.board.derived[row, Derived.PRICE])
