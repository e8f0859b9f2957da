"""Quotes by REST as rows of the board: figures that no word holds, and those that a quote does not say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tickertui.kite.responses import quote_words, read_quotes
from tickertui.market.board import MarketBoard
from tickertui.market.figures import AT_LEAST
from tickertui.market.ticks import Source, TickBatch, Word

TOKEN = 11_234 << 8 | 2


def board_with(previous_oi: int = -1, **fields: Any) -> MarketBoard:
    """A board that has taken over one quote."""
    quote = {
        "instrument_token": TOKEN, "last_price": 212.4, "volume": 41_600, "oi": 655_200,
        "ohlc": {"open": 205.0, "high": 219.5, "low": 198.1, "close": 201.3},
    } | fields  # fmt: skip
    words = quote_words(list(read_quotes({"NFO:X": quote}).values()))
    board = MarketBoard()
    board.ensure([TOKEN])
    board.previous_oi[board.row(TOKEN)] = previous_oi
    board.apply(TickBatch.from_rows(words, Source.SNAPSHOT, received_ns=1, received_wall_ns=1))
    return board


def interest(board: MarketBoard) -> list[float]:
    """Volume, open interest, its change."""
    return [float(column[0]) for column in board.interest([board.row(TOKEN)])]


@pytest.mark.parametrize("large", [5_300_000_001, AT_LEAST, 1 << 40, 10**18])
def test_more_than_32_bits_are_at_least_so_much_and_no_change(large: int) -> None:
    assert interest(board_with(volume=large))[0] == AT_LEAST
    volume, oi, change = interest(board_with(4_700_000_000, oi=large))
    assert (volume, oi) == (41_600, AT_LEAST)
    assert np.isnan(change)


def test_a_change_against_a_stored_figure_of_more_than_32_bits_is_none() -> None:
    assert np.isnan(interest(board_with(4_800_000_000))[2])
    assert interest(board_with(600_000))[2] == 55_200


@pytest.mark.parametrize("missing", [None, "", "n/a", float("nan")])
def test_what_a_quote_does_not_say_is_missing_and_not_zero(missing: object) -> None:
    board = board_with(600_000, volume=missing, oi=missing, average_price=missing)
    assert np.isnan(interest(board)).all()
    assert not board.untraded([board.row(TOKEN)]).any(), "nobody said that nothing has traded"
    assert np.isnan(board.price_of(board.row(TOKEN), Word.AVERAGE_PRICE))
    batch = TickBatch.from_rows(board.words[[board.row(TOKEN)]], Source.SNAPSHOT)
    assert batch.oi.tolist() == batch.volume_traded.tolist() == [-1]


@pytest.mark.parametrize("price", [21_474_836.48, 1e9, 1e15, -3.5])
def test_a_price_that_no_word_holds_is_none(price: float) -> None:
    board = board_with(last_price=price)
    assert np.isnan(board.price_of(board.row(TOKEN)))
