"""A commodity's price below zero is one below zero wherever it is read; prices of other segments have no sign."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import date
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.fakes import future_of
from tickertui.kite.packets import decode, encode
from tickertui.kite.responses import quote_words, read_quotes
from tickertui.market.board import MarketBoard
from tickertui.market.forward import ForwardInputs, ForwardSource, ParityForwards, choose_forwards
from tickertui.market.snapshots import market_depth, option_snapshot
from tickertui.market.ticks import ASK_PRICE, BID_PRICE, WORDS, Mode, Source, TickBatch, Word
from tickertui.market.wire_prices import NO_PRICE, price_word, rupees, rupees_of
from tickertui.simulator.quotes import quote

MCX, NCO, NFO, CDS, BCD = (4_711 << 8 | code for code in (7, 12, 2, 3, 6))
DEC: Final = date(2026, 12, 21)


@pytest.mark.parametrize(
    ("token", "word", "price"),
    [
        (MCX, 2**32 - 3_763, -37.63), (MCX, 2**32 - 1, -0.01), (MCX, 560_100, 5_601.0), (MCX, 2**31 - 2, 21_474_836.46),
        (NCO, 2**32 - 376_300, -37.63), (NCO, 3_782_000, 378.2),
        (CDS, 27_625_000, 2.7625), (BCD, 27_625, 2.7625), (NFO, 2_440_500, 24_405.0),
    ],
)  # fmt: skip
def test_words_of_each_segment(token: int, word: int, price: float) -> None:
    assert rupees_of(word, token) == pytest.approx(price, abs=1e-9)
    assert rupees(np.array([word]), np.array([token])).tolist() == [pytest.approx(price, abs=1e-9)]
    assert price_word(price, token) == word


@pytest.mark.parametrize(
    ("token", "word"),
    [
        (MCX, 0),
        (MCX, NO_PRICE),
        (NCO, NO_PRICE),
        (NFO, 0),
        (CDS, 0),
        (CDS, 3_000_000_000),
        (NFO, 0x7FFF_FFFF),
        (MCX, 0x7FFF_FFFF),
    ],
)
def test_words_that_are_no_price(token: int, word: int) -> None:
    assert np.isnan(rupees_of(word, token))
    assert np.isnan(rupees(np.array([word]), np.array([token]))).all()


@pytest.mark.parametrize(("token", "price"), [(NFO, -1.0), (CDS, -1.0), (MCX, float("nan")), (MCX, 3e7), (MCX, -3e7)])
def test_prices_that_no_word_says_are_none(token: int, price: float) -> None:
    assert price_word(price, token) == 0


def packet(token: int, price: float, close: float) -> NDArray[np.uint32]:
    row = np.zeros(WORDS, dtype=np.uint32)
    row[Word.TOKEN] = token
    row[Word.LAST_PRICE], row[Word.CLOSE] = price_word(price, token), price_word(close, token)
    row[BID_PRICE], row[ASK_PRICE] = price_word(price - 1, token), price_word(price + 1, token)
    row[BID_PRICE - 1] = row[ASK_PRICE - 1] = 10
    row[Word.EXCHANGE_TIMESTAMP] = 1_798_000_000
    return row


def board_with(*prices: float, token: int = MCX, close: float = 12.5) -> MarketBoard:
    """A board that has seen these prices one after the other, by frames as the broker sends them."""
    board = MarketBoard()
    board.ensure([token])
    for number, price in enumerate(prices):
        sent = TickBatch.from_rows(packet(token, price, close)[None], Source.LIVE)
        board.apply(decode(encode(sent), received_ns=number + 1, received_wall_ns=number + 1))
    return board


@pytest.mark.parametrize("token", [MCX, NCO])
def test_every_reader_of_the_board_sees_the_sign(token: int) -> None:
    board = board_with(-37.63, token=token)
    row = board.row(token)
    assert board.price_of(row) == board.price([row])[0] == pytest.approx(-37.63)
    assert board.price_of(row, Word.CLOSE) == 12.5
    depth = market_depth(board, token)
    assert depth is not None
    assert [level.price for level in (depth.buy[0], depth.sell[0])] == pytest.approx([-38.63, -36.63])
    assert depth.spread == pytest.approx(2.0)
    future = replace(future_of("BRENTOIL", DEC, number=4_711, exchange="MCX", code=7), token=token)
    assert option_snapshot(board, future).last_price == pytest.approx(-37.63)


@pytest.mark.parametrize(
    ("prices", "direction"),
    [((1.0, -1.0), -1), ((-1.0, 1.0), 1), ((-1.0, -2.0), -1), ((-2.0, -1.0), 1), ((1.0, 2.0), 1), ((-1.0, -1.0), 0)],
)
def test_a_price_that_goes_through_zero_goes_the_way_it_goes(prices: tuple[float, float], direction: int) -> None:
    board = board_with(*prices)
    row = board.row(MCX)
    assert board.direction[row] == direction
    assert board.facts(np.array([row])).direction.tolist() == [direction]


def test_the_columns_of_a_frame_have_the_sign() -> None:
    batch = decode(struct.pack(">HHII", 1, 8, MCX, 2**32 - 3_763))
    assert batch.last_price.tolist() == [pytest.approx(-37.63)]
    full = TickBatch.from_rows(packet(MCX, -37.63, -2.0)[None], Source.LIVE, mode=Mode.FULL)
    assert full.close.tolist() == [-2.0]
    assert full.depth_price[0, 0] == pytest.approx(-38.63)


def test_a_quote_by_rest_keeps_the_sign_both_ways() -> None:
    future = future_of("BRENTOIL", DEC, number=4_711, exchange="MCX", code=7)
    answer = quote(packet(MCX, -37.63, -2.0), future)
    assert answer["last_price"] == pytest.approx(-37.63)
    assert answer["ohlc"] == {"open": 0.0, "high": 0.0, "low": 0.0, "close": -2.0}
    words = quote_words(list(read_quotes({"MCX:X": answer}).values()))
    assert rupees_of(int(words[0, Word.LAST_PRICE]), MCX) == pytest.approx(-37.63)
    assert rupees_of(int(words[0, BID_PRICE]), MCX) == pytest.approx(-38.63)


@pytest.mark.parametrize("future", [-37.63, 0.0])
def test_where_the_future_is_worth_nothing_or_less_there_is_no_forward(future: float) -> None:
    """Neither a far future nor the spot nor a guess by parity may stand in: the model knows no such price."""
    ones = np.ones(1)
    parity = ParityForwards(4 * ones, 3 * ones, 5 * ones, np.array([6]))
    known = ForwardInputs.unknown(0.1 * ones)
    inputs = replace(known, future=future * ones, far_future=20 * ones, far_years=0.2 * ones, spot=10 * ones)
    chosen = choose_forwards(parity, inputs, carry_rate=0.05)
    assert np.isnan(chosen.value).all()
    assert chosen.source.tolist() == [ForwardSource.NONE]
    assert choose_forwards(parity, replace(inputs, future=2 * ones), carry_rate=0.05).value.tolist() == [4.0]
