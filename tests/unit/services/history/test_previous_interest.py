"""Open interest at the previous close comes onto the board as the backfill finds it."""

from __future__ import annotations

from datetime import date

import pytest

from tests.support.fakes import table_of
from tests.support.planning import NOW, W01, nifty_chain
from tickertui.market.board import MarketBoard
from tickertui.market.clock import ManualClock
from tickertui.market.hours import load_calendar
from tickertui.services.history.previous_interest import PreviousInterest
from tickertui.services.supervision.events import EventLog

FRIDAY, THURSDAY = date(2026, 11, 20), date(2026, 11, 19)
LEG = nifty_chain(W01)[0]


def interest(board: MarketBoard, *, is_live: bool = True) -> PreviousInterest:
    clock = ManualClock(NOW)
    return PreviousInterest(
        store=None,  # type: ignore[arg-type]  # nothing is read here
        board=board,
        calendar=load_calendar(),
        clock=clock,
        instrument=table_of([LEG]).get,
        is_live=lambda: is_live,
        events=EventLog(clock),
    )


def board_with(*tokens: int) -> MarketBoard:
    board = MarketBoard(16)
    board.ensure(tokens)
    return board


def test_on_monday_the_day_before_is_friday() -> None:
    board = board_with(LEG.token)
    own = interest(board)
    own.note(LEG.token, FRIDAY, 6_500)
    own.note(LEG.token, THURSDAY, 4_200)
    own.note(LEG.token, NOW.date(), 9_100)
    assert board.previous_oi[board.row(LEG.token)] == 6_500


@pytest.mark.parametrize(("token", "is_live"), [(LEG.token, False), (LEG.token + 256, True)])
def test_neither_a_mock_nor_an_unknown_contract_takes_it(token: int, is_live: bool) -> None:
    board = board_with(LEG.token, LEG.token + 256)
    interest(board, is_live=is_live).note(token, FRIDAY, 6_500)
    assert (board.previous_oi == -1).all()


def test_what_is_not_on_the_board_changes_nothing() -> None:
    board = board_with()
    interest(board).note(LEG.token, FRIDAY, 6_500)
    assert (board.previous_oi == -1).all()
