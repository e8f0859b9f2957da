"""Where a volatility comes from and when a contract traded last, as the view of a leg tells it."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from tests.support.priced_boards import Market
from tickertui.market.conventions import Preset
from tickertui.market.hours import load_calendar
from tickertui.market.instruments import Instrument, InstrumentKind
from tickertui.market.ticks import Mode, Source, TickBatch, Word
from tickertui.services.valuation.valuation import Valuation
from tickertui.tui.panels.leg import LegContext, why_rows
from tickertui.tui.panels.price_words import trade_words
from tickertui.tui.view.data_states import DataState

EXPIRY = date(2026, 12, 1)


@pytest.fixture
def market() -> Market:
    return Market({"NIFTY": 24_352.4}, (EXPIRY,))


def option(market: Market, strike: float, kind: InstrumentKind) -> Instrument:
    found = market.table.find_option("NIFTY", EXPIRY, strike, kind)
    assert found is not None
    return found


def value(market: Market) -> None:
    Valuation(market.board, market, load_calendar(), market.clock, Preset.FORWARD.value).round()


def line(market: Market, instrument: Instrument, label: str) -> str:
    """One line of the view, without its label."""
    context = LegContext(instrument, "", "", DataState.LIVE, "", None)
    texts = (row.text for row in why_rows(market.board, market.clock, context))
    return next(text.strip().removeprefix(label).strip() for text in texts if text.strip().startswith(label))


def price(market: Market, instrument: Instrument) -> str:
    return f"{float(market.board.price([market.board.row(instrument.token)])[0]):,.2f}"


def retraded(market: Market, instrument: Instrument, mode: Mode = Mode.FULL, **fields: int) -> None:
    """Send a leg's packet again with some words of its own."""
    words = market.board.words[[market.board.row(instrument.token)]].copy()
    for name, word in fields.items():
        words[0, Word[name]] = word
    market.board.apply(
        TickBatch.from_rows(
            words, Source.LIVE, mode=mode,
            received_ns=market.clock.monotonic_ns(), received_wall_ns=market.clock.time_ns(),
        )
    )  # fmt: skip


def test_the_out_of_the_money_legs_price_is_behind_both(market: Market) -> None:
    market.apply()
    value(market)
    call, put = (option(market, 24_500.0, kind) for kind in (InstrumentKind.CALL, InstrumentKind.PUT))
    at = f"{market.clock.now():%H:%M:%S}"
    for leg in (call, put):
        assert f"from the call's mid {price(market, call)} of {at}" in line(market, leg, "IV")
    call, put = (option(market, 24_200.0, kind) for kind in (InstrumentKind.CALL, InstrumentKind.PUT))
    for leg in (call, put):
        assert f"from the put's mid {price(market, put)} of {at}" in line(market, leg, "IV")


def test_the_last_price_is_told_with_the_time_of_its_trade(market: Market) -> None:
    market.apply(spread=400.0)
    put = option(market, 24_200.0, InstrumentKind.PUT)
    traded = int(market.clock.now().timestamp()) - 95
    retraded(market, put, LAST_TRADE_TIME=traded)
    value(market)
    expected = f"from the put's last {price(market, put)} of {np.datetime64(traded + 19_800, 's').item():%H:%M:%S}"
    assert expected in line(market, option(market, 24_200.0, InstrumentKind.CALL), "IV")
    assert expected in line(market, put, "IV")


def test_where_the_better_leg_has_none_the_other_ones_price_is_named(market: Market) -> None:
    market.apply(spread=400.0)
    call, put = (option(market, 24_500.0, kind) for kind in (InstrumentKind.CALL, InstrumentKind.PUT))
    retraded(market, call, VOLUME=0, LAST_TRADE_TIME=0)
    value(market)
    for leg in (call, put):
        assert f"from the put's last {price(market, put)}" in line(market, leg, "IV")


def test_the_last_trade_is_told_with_its_day(market: Market) -> None:
    market.apply()
    call = option(market, 24_500.0, InstrumentKind.CALL)
    now = market.clock.now()
    assert line(market, call, "trade") == f"last one {now:%a %d %b %H:%M:%S}"
    retraded(market, call, VOLUME=0, LAST_TRADE_TIME=int(now.timestamp()) - 86_400)
    assert line(market, call, "trade").startswith("nothing traded in this session; last one ")
    assert line(market, call, "trade").endswith(", a day before")
    retraded(market, call, VOLUME=0, LAST_TRADE_TIME=0)
    assert line(market, call, "trade") == "nothing traded in this session; no time of a last trade"


def test_what_a_mode_does_not_tell_is_said(market: Market) -> None:
    market.apply()
    call = option(market, 24_500.0, InstrumentKind.CALL)
    row = market.board.row(call.token)
    retraded(market, call, Mode.QUOTE, VOLUME=0)
    assert trade_words(market.board, row, market.clock) == (
        "nothing traded in this session; quote mode does not tell when the last one was"
    )
    retraded(market, call, Mode.QUOTE)
    market.board.clear([call.token])
    assert trade_words(market.board, row, market.clock) == "no packet yet"
    market.apply(only={call.token}, mode=Mode.LTP)
    assert trade_words(market.board, row, market.clock).endswith("the price may be of any day")
    market.clock.advance(1)
    market.apply(only={call.token}, mode=Mode.LTP, raised=1.0)
    assert f"seen to move {market.clock.now():%a %d %b %H:%M:%S}" in trade_words(market.board, row, market.clock)
