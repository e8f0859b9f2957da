"""Open interest at the previous close comes onto the board as the backfill finds it."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest

from tests.support.fakes import table_of
from tests.support.planning import NOW, W01, nifty_chain
from tickertui.market.board import MarketBoard
from tickertui.market.clock import IST, ManualClock
from tickertui.market.hours import load_calendar
from tickertui.services.history.previous_interest import PreviousInterest
from tickertui.services.supervision.events import EventLog
from tickertui.store.open import open_store
from tickertui.store.protocol import OpenInterestFact

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


OPTION, FUTURE, BSE_OPTION = 45_001 << 8 | 2, 240_101 << 8 | 7, 61_002 << 8 | 5
DEC, NOV = date(2026, 12, 29), date(2026, 11, 24)


async def shown_at(tmp_path: Path, moment: str, stored: dict[str, list[OpenInterestFact]], token: int = OPTION) -> int:
    """What a board shows of a contract that the day's list need not know."""
    clock = ManualClock(datetime.fromisoformat(moment).replace(tzinfo=IST))
    store = await open_store(tmp_path / "tickertui.db", clock)
    for day, facts in stored.items():
        await store.save_daily_facts(date.fromisoformat(day), facts)
    board = board_with(token)
    own = PreviousInterest(
        store=store,
        board=board,
        calendar=load_calendar(),
        clock=clock,
        instrument=lambda _: None,
        is_live=lambda: True,
        events=EventLog(clock),
    )
    await own.show([token], lambda: [token])
    await store.close()
    return int(board.previous_oi[board.row(token)])


def option_with(interest: int, expiry: date = DEC) -> OpenInterestFact:
    return OpenInterestFact(OPTION, expiry, interest)


@pytest.mark.parametrize("away", ["2026-11-13", "2026-11-18", "2026-11-19"])
async def test_what_is_stored_of_an_older_day_is_not_compared_with(tmp_path: Path, away: str) -> None:
    assert await shown_at(tmp_path, "2026-11-23 09:20", {away: [option_with(310_000)]}) == -1


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-20 11:00", 100),
        ("2026-11-20 18:00", 100),
        ("2026-11-22 12:00", 100),
        ("2026-11-23 08:30", 100),
        ("2026-11-23 09:14", 100),
        ("2026-11-23 09:15", 200),
        ("2026-11-23 23:59", 200),
    ],
)
async def test_until_the_next_open_it_is_the_close_before_the_shown_session(
    tmp_path: Path, moment: str, expected: int
) -> None:
    stored = {"2026-11-19": [option_with(100)], "2026-11-20": [option_with(200)]}
    assert await shown_at(tmp_path, moment, stored) == expected


async def test_each_exchange_has_its_own_day_before(tmp_path: Path) -> None:
    """On 24 November the equity markets have a holiday and commodities an evening session."""
    stored = {
        "2026-11-23": [option_with(510), OpenInterestFact(BSE_OPTION, DEC, 610)],
        "2026-11-24": [OpenInterestFact(FUTURE, date(2026, 12, 18), 900)],
    }
    assert await shown_at(tmp_path, "2026-11-25 09:20", stored) == 510
    assert await shown_at(tmp_path, "2026-11-25 09:20", stored, BSE_OPTION) == 610
    assert await shown_at(tmp_path, "2026-11-25 09:20", stored, FUTURE) == 900


async def test_what_had_expired_is_not_compared_with_what_uses_its_token_again(tmp_path: Path) -> None:
    stored = {"2026-11-23": [option_with(700, NOV)]}
    assert await shown_at(tmp_path, "2026-11-25 09:20", stored) == -1
