"""When an index stands still in the closing auction, and when it has settled."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from tickertui.market.clock import IST
from tickertui.market.hours import load_calendar
from tickertui.market.settling import NO_AUCTION, AuctionTimes

DAY = date(2026, 12, 1)


def at(text: str) -> float:
    return datetime.fromisoformat(f"2026-12-01T{text}").replace(tzinfo=IST).timestamp()


@pytest.fixture(scope="module")
def auction() -> AuctionTimes:
    (session,) = load_calendar().session_on("INDICES", DAY)
    return AuctionTimes.of(session)


def test_the_auction_has_its_times_from_the_calendar(auction: AuctionTimes) -> None:
    assert auction == AuctionTimes(at("15:15"), at("15:30"), at("15:35"))
    (before_the_auction_came,) = load_calendar().session_on("INDICES", date(2026, 7, 14))
    assert AuctionTimes.of(before_the_auction_came) == AuctionTimes.of(None) == NO_AUCTION


@pytest.mark.parametrize(
    ("now", "stamp", "moved", "settled"),
    [
        ("15:36:00", "15:14:59", "15:14:59", False),
        ("15:36:00", "15:15:03", "15:15:03", False),  # the last print before the auction comes a little late
        ("15:36:00", "15:24:00", "15:24:00", False),  # whatever is printed before the matching is not the result
        ("15:36:00", "15:31:10", "15:14:59", False),  # the same price again each second is no result
        ("15:36:00", "15:31:10", "15:31:10", True),
        ("15:36:00", "15:31:10", None, True),  # not repeated since: nobody saw it move, and it is the result
        ("15:34:43", "15:34:42", None, False),  # started while the held price is printed again and again
        ("15:36:00", "15:35:00", "15:14:59", True),  # whatever stands at the end of the auction is its result
        ("15:36:00", None, None, False),
    ],
)
def test_an_index_settles_by_a_print_of_the_matching(
    auction: AuctionTimes, now: str, stamp: str | None, moved: str | None, settled: bool
) -> None:
    stamps, moves = ([at(text) if text else 0.0] for text in (stamp, moved))
    assert auction.settled(at(now), stamps, moves).tolist() == [settled]
    assert auction.frozen(at(now), stamps, moves).tolist() == [not settled]


def test_before_the_auction_nothing_is_frozen(auction: AuctionTimes) -> None:
    assert auction.frozen(at("15:14:59"), [at("15:14:58"), 0.0], [0.0, 0.0]).tolist() == [False, False]
    assert not NO_AUCTION.frozen(at("15:20"), [at("15:14:58")], [0.0]).any()
