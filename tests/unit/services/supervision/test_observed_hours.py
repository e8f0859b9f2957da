"""What is seen goes before what the calendar says: special sessions, extended hours, unlisted holidays, outages."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import anyio
import numpy as np
import pytest

from tests.support.waiting import wait_until
from tickertui.market.board import MarketBoard
from tickertui.market.clock import IST, ManualClock
from tickertui.market.hours import Phase, load_calendar
from tickertui.market.ticks import WORDS, Mode, Source, TickBatch, Word
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.services.supervision.observed_hours import DeviationKind, ObservedHours

SATURDAY = datetime(2026, 11, 28, 10, 0, tzinfo=IST)
MONDAY = datetime(2026, 11, 30, 11, 0, tzinfo=IST)
EVENING = datetime(2026, 11, 30, 18, 0, tzinfo=IST)
NFO = [number << 8 | 2 for number in range(41_000, 41_030)]
MCX = [number << 8 | 7 for number in range(52_000, 52_011)]
INDEX = 256_265
SECOND = timedelta(seconds=1)


class Market:
    """A board that is fed second by second, and what is seen of it."""

    def __init__(self, now: datetime, *, step: float = 1.0, file: Path | None = None) -> None:
        self.clock = ManualClock(now)
        self.board = MarketBoard()
        self.tokens = [*NFO, *MCX, INDEX]
        self.board.ensure(self.tokens)
        self.events = EventLog(self.clock)
        self.hours = ObservedHours(self.board, load_calendar(), self.clock, self.events, file=file)
        self.sockets: list[int] = [0, 1]
        self.hours.watch_sockets(lambda: self.sockets)
        self.step = step
        self.paise = 10_000
        self.subscribe()

    def subscribe(self) -> None:
        """Connect: commodities on socket 1, everything else on socket 0."""
        now_ns = self.clock.monotonic_ns()
        self.board.mark_subscribed([*NFO, INDEX], 0, now_ns)
        self.board.mark_subscribed(MCX, 1, now_ns)

    def send(
        self,
        tokens: list[int],
        stamp: datetime | None = None,
        *,
        moves: bool = True,
        mode: Mode = Mode.FULL,
        source: Source = Source.LIVE,
    ) -> None:
        """Let packets come now; the exchange's stamp is now unless another is given."""
        self.paise += 5 if moves else 0
        words = np.zeros((len(tokens), WORDS if mode is Mode.FULL else int(mode)), dtype=np.uint32)
        words[:, Word.TOKEN], words[:, Word.LAST_PRICE] = tokens, self.paise
        if mode is Mode.FULL:
            words[:, Word.EXCHANGE_TIMESTAMP] = int((stamp or self.clock.now()).timestamp())
        self.board.apply(
            TickBatch.from_rows(
                words, source, mode=mode, received_ns=self.clock.monotonic_ns(),
                received_wall_ns=self.clock.time_ns(), connection=1 if tokens[0] in MCX else 0,
            )
        )  # fmt: skip

    def wait(self, seconds: float = 1.0) -> None:
        """Let time pass, look by look."""
        for _ in range(round(seconds / self.step)):
            self.clock.advance(self.step)
            self.hours.look()

    def stream(self, tokens: list[int], seconds: int, **packet: object) -> None:
        """Let packets come each second."""
        for _ in range(seconds):
            self.send(tokens, **packet)  # type: ignore[arg-type]
            self.wait(1.0)

    def is_open(self, segment: str) -> bool:
        """What is seen of a segment now."""
        return self.hours.is_open(segment, self.clock.now())

    def told(self) -> list[str]:
        """The events."""
        return [event.text for event in self.events.since()]


@pytest.mark.parametrize("mode", [Mode.FULL, Mode.LTP], ids=lambda mode: mode.label)
def test_ticks_that_flow_on_a_saturday_open_their_segment_and_no_other(mode: Mode) -> None:
    market = Market(SATURDAY)
    market.stream(NFO, 20, mode=mode)
    assert market.is_open("NFO")
    assert market.hours.phase("NFO-OPT", market.clock.now()) is Phase.OPEN
    assert not market.is_open("MCX")
    assert not market.is_open("BFO")
    (deviation,) = market.hours.deviations()
    assert (deviation.segment, deviation.kind) == ("NFO", DeviationKind.FLOWING)
    assert SATURDAY <= deviation.since <= SATURDAY + 3 * SECOND
    session = market.hours.current_session("NFO", market.clock.now())
    assert session is not None
    assert session.open == SATURDAY
    assert market.hours.current_session("MCX", market.clock.now()) is None
    assert market.told() == ["NFO trades since Sat 10:00, though the calendar says closed"]
    assert market.events.since()[0].severity is Severity.WARNING


def test_the_session_that_was_seen_is_one_for_the_backfill_too_and_ends_with_its_ticks() -> None:
    market = Market(SATURDAY)
    market.stream([*NFO[:3], INDEX], 125)
    market.wait(150)
    assert not market.is_open("NFO")
    assert market.hours.deviations() == ()
    days = date(2026, 11, 27), date(2026, 11, 30)
    assert [session.day.day for session in market.hours.calendar.sessions("NFO", *days)] == [27, 30]
    seen = [session for session in market.hours.sessions("NFO-OPT", *days) if session.day.day == 28]
    assert [(session.open, session.close) for session in seen] == [(SATURDAY, SATURDAY + timedelta(minutes=3))]
    assert [session.day.day for session in market.hours.sessions("MCX", *days)] == [27, 30]
    assert market.hours.previous_session("NFO", market.clock.now()).day.day == 28
    assert market.told()[-1].startswith("over: ")


def test_extended_hours_begin_where_the_close_was_and_not_with_its_last_ticks() -> None:
    market = Market(MONDAY.replace(hour=15, minute=39))
    market.stream(NFO, 75)
    market.wait(300)
    assert market.hours.deviations() == (), "fifteen seconds after the bell are the day's last ticks"
    market.stream(NFO, 90)
    assert market.is_open("NFO")
    assert market.hours.deviations()[0].since >= MONDAY.replace(hour=15, minute=45)
    assert len(market.hours.session_on("NFO", MONDAY.date())) == 2


@pytest.mark.parametrize(
    "packet",
    [
        {"stamp": SATURDAY - timedelta(hours=18)},  # the broker's last packet of yesterday, again and again
        {"moves": False},  # an index that goes on printing one value
        {"moves": False, "mode": Mode.LTP},
        {"source": Source.SNAPSHOT},
        {"source": Source.MOCK},
    ],
    ids=["frozen stamp", "frozen value", "frozen value without stamp", "REST", "mock"],
)
def test_what_repeats_itself_or_is_not_the_markets_is_no_trading(packet: dict[str, object]) -> None:
    market = Market(SATURDAY)
    market.stream([*NFO, INDEX], 90, **packet)
    assert market.hours.deviations() == ()


def test_cached_packets_of_each_connect_and_stray_ones_are_no_trading() -> None:
    market = Market(SATURDAY)
    for _ in range(40):
        market.subscribe()
        market.send([*NFO, INDEX])
        market.wait(2)
    for ahead in (0, 50, 0, 50):
        market.send(NFO[:1], market.clock.now() + ahead * SECOND)
        market.wait(45)
    assert market.hours.deviations() == ()


def test_a_holiday_that_is_not_listed_is_seen_and_has_no_session() -> None:
    market = Market(MONDAY.replace(hour=9, minute=14, second=50))
    market.send([*NFO, INDEX], MONDAY - timedelta(days=3))
    market.wait(200)
    assert not market.is_open("NFO")
    assert not market.is_open("INDICES")
    assert market.is_open("MCX"), "eleven commodities may be quiet for longer"
    by_segment = {deviation.segment: deviation for deviation in market.hours.deviations()}
    assert by_segment["NFO"].since == MONDAY.replace(hour=9, minute=15)
    assert by_segment["NFO"].whole
    assert "no tick of NFO since 09:15, the open, though the calendar says open" in market.told()[0]
    market.step = 60.0
    market.wait(7 * 3600)
    monday = MONDAY.date()
    assert market.hours.sessions("NFO", monday, monday) == []
    assert len(market.hours.calendar.sessions("NFO", monday, monday)) == 1


def test_an_outage_is_seen_and_ends_with_ticks_but_not_with_a_stray_one() -> None:
    market = Market(MONDAY)
    market.stream([*NFO, INDEX], 30)
    market.wait(100)
    assert market.is_open("NFO")
    market.wait(30)
    assert not market.is_open("NFO")
    deviation = market.hours.deviations()[0]
    assert not deviation.whole
    last = market.hours.previous_session("NFO", market.clock.now())
    assert (last.day, last.close) == (MONDAY.date(), deviation.since), "its values are of today, up to then"
    assert market.hours.expiry_instant("NFO", MONDAY.date()).hour == 15, "an outage ends no contract"
    assert abs(deviation.since - (MONDAY + 29 * SECOND)) <= SECOND
    market.send(NFO[:1])
    market.wait(30)
    assert not market.is_open("NFO")
    market.stream([*NFO, INDEX], 4)
    assert market.is_open("NFO")
    assert market.told()[-1].endswith("ticks come again")
    assert len(market.hours.sessions("NFO", MONDAY.date(), MONDAY.date())) == 1


def test_silence_of_a_socket_that_is_not_healthy_is_not_the_exchanges() -> None:
    market = Market(MONDAY)
    market.stream([*NFO, INDEX], 10)
    market.sockets = [1]
    market.wait(900)
    assert [deviation.segment for deviation in market.hours.deviations()] == ["MCX"]


def test_sockets_that_are_rebuilt_meanwhile_do_not_hide_an_outage() -> None:
    market = Market(MONDAY)
    market.stream([*NFO, INDEX], 10)
    for _ in range(3):
        market.sockets = []
        market.wait(2)
        market.sockets = [0, 1]
        market.subscribe()
        market.send([*NFO, INDEX], MONDAY)
        market.wait(60)
    assert not market.is_open("NFO")


def test_the_closing_auction_is_no_outage_of_the_indices() -> None:
    market = Market(MONDAY.replace(hour=15, minute=10))
    for _ in range(30 * 60):
        market.send(NFO)
        if market.clock.now() < MONDAY.replace(hour=15, minute=15):
            market.send([INDEX])
        market.wait(1)
    assert {deviation.segment for deviation in market.hours.deviations()} <= {"MCX"}


def test_what_is_subscribed_at_noon_and_silent_is_not_silent_since_the_open() -> None:
    market = Market(MONDAY)
    market.wait(130)
    (first, *_) = market.hours.deviations()
    assert MONDAY <= first.since <= MONDAY + 2 * SECOND
    assert not first.whole


def test_a_commodity_in_the_evening_is_open_by_its_own_hours() -> None:
    market = Market(EVENING)
    market.stream(MCX, 30)
    assert market.hours.deviations() == ()
    assert market.is_open("MCX")
    assert not market.is_open("NFO")
    market.wait(580)
    assert market.is_open("MCX")
    market.wait(60)
    assert not market.is_open("MCX"), "eleven instruments are given ten minutes"


async def test_what_was_seen_is_known_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "state" / "seen-sessions.json"
    market = Market(SATURDAY, file=file)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(market.hours.run)
        market.stream([*NFO, INDEX], 125)
        await wait_until(file.exists, "it is written")
        tasks.cancel_scope.cancel()
    later = Market(MONDAY, file=file)
    sessions = later.hours.sessions("NFO", date(2026, 11, 27), date(2026, 11, 30))
    assert [session.day.day for session in sessions] == [27, 28, 30]
    assert sessions[1].open == SATURDAY
    assert sessions[1].close >= SATURDAY + timedelta(minutes=2)
    assert later.hours.previous_session("INDICES", MONDAY).day.day == 28
    assert later.hours.deviations() == ()


def test_a_file_that_cannot_be_read_is_one_sentence_and_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "seen-sessions.json"
    file.write_text('{"sessions": [{"segment": "NFO", "open": "yesterday"}]}')
    market = Market(MONDAY, file=file)
    assert market.told() == [f"{file} cannot be read: sessions that were seen on earlier days are not known"]
    assert len(market.hours.sessions("NFO", date(2026, 11, 27), date(2026, 11, 27))) == 1


def test_a_few_derivatives_that_are_quiet_while_the_index_ticks_are_given_longer() -> None:
    market = Market(MONDAY)
    market.stream([*NFO, INDEX], 10)
    market.stream([INDEX], 300)
    assert market.is_open("NFO")
    market.stream([INDEX], 400)
    assert not market.is_open("NFO")
