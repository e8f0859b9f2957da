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
    ("stamp", "moved", "settled"),
    [
        ("15:14:59", "15:14:59", False),
        ("15:15:03", "15:15:03", False),  # the last print before the auction comes a little late
        ("15:24:00", "15:24:00", False),  # whatever is printed before the matching is not the result
        ("15:31:10", "15:14:59", False),  # the same price again each second is no result
        ("15:31:10", "15:31:10", True),
        ("15:31:10", None, True),  # the first packet after a start: nobody saw it move
        ("15:35:00", "15:14:59", True),  # whatever stands at the end of the auction is its result
        (None, None, False),
    ],
)
def test_an_index_settles_by_a_print_of_the_matching(
    auction: AuctionTimes, stamp: str | None, moved: str | None, settled: bool
) -> None:
    stamps, moves = ([at(text) if text else 0.0] for text in (stamp, moved))
    assert auction.settled(stamps, moves).tolist() == [settled]
    assert auction.frozen(at("15:36"), stamps, moves).tolist() == [not settled]


def test_before_the_auction_nothing_is_frozen(auction: AuctionTimes) -> None:
    assert auction.frozen(at("15:14:59"), [at("15:14:58"), 0.0], [0.0, 0.0]).tolist() == [False, False]
    assert not NO_AUCTION.frozen(at("15:20"), [at("15:14:58")], [0.0]).any()
