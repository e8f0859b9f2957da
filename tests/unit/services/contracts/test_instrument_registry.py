"""The day's contracts: refreshing, refusing, comparing, looking up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fakes import chain_of, future_of, index_of, table_of
from tests.support.paths import LISTINGS, listing
from tests.support.planning import (
    M23,
    M29,
    NIFTY_DEC_FUTURE,
    NIFTY_INDEX,
    NIFTY_NOV_FUTURE,
    NOW,
    S03,
    S26,
    SENSEX_INDEX,
    SHARE,
    W01,
    W08,
    a_day,
    nifty_chain,
)
from tickertui.kite.errors import BrokerUnavailable
from tickertui.kite.instruments_csv import format_instruments, parse_instruments
from tickertui.market.clock import IST, ManualClock
from tickertui.market.contract_terms import Terms, TermsChange
from tickertui.market.hours import UnderlyingKind, load_calendar
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.market.subscriptions import SubscriptionRecord, SubscriptionStatus
from tickertui.market.ticks import Mode
from tickertui.market.universe import load_universe, universe_instruments
from tickertui.services.contracts.day_contracts import DayContracts
from tickertui.services.contracts.differences import differences
from tickertui.services.contracts.instrument_registry import InstrumentRegistry
from tickertui.services.contracts.plausibility import DumpRefused, Plausibility
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.store.protocol import ContractNews, Followed, StoreBusy, StoreError

TODAY = NOW.date()


@dataclass
class Cache:
    """Keeps one dump."""

    kept: tuple[date, bytes] | None = None
    saved: list[date] = field(default_factory=list)
    news: list[ContractNews] = field(default_factory=list)
    terms: dict[int, TermsChange] = field(default_factory=dict)
    followed: Followed = field(default_factory=Followed)
    failure: StoreError | None = None

    async def save_instruments(self, day: date, csv: bytes, news: ContractNews) -> Followed:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        self.kept = (day, csv)
        self.saved.append(day)
        self.news.append(news)
        self.terms.update({change.token: change for change in news.terms})
        return self.followed

    async def terms_changes(self) -> dict[int, TermsChange]:
        return dict(self.terms)

    async def load_instruments(self) -> tuple[date, bytes] | None:
        return self.kept


@dataclass
class Source:
    """Gives what a test puts there."""

    answer: bytes | Exception
    asked: int = 0

    async def fetch_instruments_csv(self, exchange: str | None = None) -> bytes:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Office:
    """A registry with a clock, a cache and a log."""

    def __init__(self, cache: Cache | None = None) -> None:
        self.clock = ManualClock(NOW)
        self.events = EventLog(self.clock)
        self.cache = cache or Cache()
        self.registry = InstrumentRegistry(
            clock=self.clock,
            calendar=load_calendar(),
            index_tokens={"NIFTY": NIFTY_INDEX, "SENSEX": SENSEX_INDEX},
            cache=self.cache,
            events=self.events,
        )

    @property
    def last_event(self) -> tuple[Severity, str]:
        event = self.events.since()[-1]
        return event.severity, event.text


def csv(*parts: Instrument | Sequence[Instrument]) -> bytes:
    return format_instruments(table_of(*parts))


def rows_of(table: InstrumentTable) -> list[Instrument]:
    return [table.instrument(row) for row in range(len(table))]


DAY = format_instruments(a_day())


async def test_a_name_that_means_another_exchange_than_yesterday_is_told_of() -> None:
    office = Office()
    ours = chain_of("XAUINR", M29, [100.0, 101.0], first=70_000, exchange="CDS", code=3)
    other = chain_of("XAUINR", M29, [100.0, 101.0], first=71_000, exchange="BCD", code=6)
    crude = chain_of("BRENTOIL", M29, [5_000.0], first=72_000, exchange="CDS", code=3)
    await office.registry.refresh(Source(csv(rows_of(a_day()), ours, other, crude)))
    assert "means" not in office.last_event[1]
    await office.registry.refresh(Source(csv(rows_of(a_day()), other, crude)), force=True)
    assert office.last_event == (
        Severity.WARNING,
        "XAUINR means the contracts of BCD now, of CDS before: rules that say XAUINR follow; "
        "CDS:XAUINR would mean CDS alone",
    )


# ---------------------------------------------------------------------- refreshing


async def test_the_first_refresh_takes_the_dump_and_keeps_it() -> None:
    office = Office()
    assert office.registry.is_stale()
    assert len(office.registry) == 0
    source = Source(DAY)
    report = await office.registry.refresh(source)
    assert (report.changed, report.day, report.rows) == (True, TODAY, len(a_day()))
    assert office.cache.kept == (TODAY, DAY)
    assert not office.registry.is_stale()
    assert not (await office.registry.refresh(source)).changed
    assert source.asked == 1, "once a day is enough"


async def test_a_forced_refresh_without_a_change_is_none() -> None:
    office = Office()
    await office.registry.refresh(Source(DAY))
    contracts = office.registry.contracts
    report = await office.registry.refresh(Source(DAY), force=True)
    assert not report.changed
    assert office.registry.contracts is contracts, "whoever works with it need not start anew"
    assert office.cache.saved == [TODAY]


async def test_a_new_day_makes_it_stale_at_eight() -> None:
    office = Office()
    await office.registry.refresh(Source(DAY))
    office.clock.set(datetime(2026, 11, 25, 7, 59, tzinfo=IST))
    assert not office.registry.is_stale(), "the 24th is a holiday, and the dump of the 25th is not written yet"
    office.clock.set(datetime(2026, 11, 25, 8, 0, tzinfo=IST))
    assert office.registry.is_stale()
    assert office.registry.dump_day() == date(2026, 11, 25)


async def test_what_the_broker_cannot_give_leaves_it_stale() -> None:
    office = Office()
    failure = BrokerUnavailable("Z1: the broker is down", account="Z1", endpoint="instruments", status=503)
    with pytest.raises(BrokerUnavailable):
        await office.registry.refresh(Source(failure))
    assert office.registry.is_stale()


async def test_the_kept_dump_serves_until_the_new_one_is_there() -> None:
    first = Office()
    await first.registry.refresh(Source(DAY))
    office = Office(first.cache)
    office.clock.set(datetime(2026, 11, 25, 9, 0, tzinfo=IST))
    assert await office.registry.load_cached()
    assert office.registry.day == TODAY
    assert office.registry.get(SHARE.token) == SHARE
    assert office.registry.is_stale()


async def test_an_empty_or_damaged_cache_is_no_catastrophe() -> None:
    office = Office()
    assert not await office.registry.load_cached()
    office.cache.kept = (TODAY, b"instrument_token,what\n1,2\n")
    assert not await office.registry.load_cached()
    severity, text = office.last_event
    assert severity is Severity.WARNING
    assert "lacks the column" in text
    without_cache = InstrumentRegistry(clock=office.clock, calendar=load_calendar(), index_tokens={})
    assert not await without_cache.load_cached()


async def test_rows_that_cannot_be_read_are_counted_and_said() -> None:
    office = Office()
    broken = DAY.replace(b"NIFTY26NOVFUT,NIFTY,0.0,2026-11-23", b"NIFTY26NOVFUT,NIFTY,0.0,tomorrow")
    report = await office.registry.refresh(Source(broken))
    assert report.skipped == 1
    assert office.last_event[0] is Severity.WARNING
    assert "1 rows could not be read, the first: line" in office.last_event[1]


# ---------------------------------------------------------------------- refusing


@pytest.mark.parametrize(
    ("dump", "reason"),
    [
        (b"", "is empty"),
        (b"<html>Bad gateway</html>\n" * 3, "lacks the column"),
        (DAY.splitlines(keepends=True)[0], "no rows"),
        (csv(SHARE), "lack NFO"),
    ],
)
async def test_what_is_no_dump_is_refused_also_when_there_is_nothing_yet(dump: bytes, reason: str) -> None:
    office = Office()
    report = await office.registry.refresh(Source(dump))
    assert not report.changed
    assert reason in report.refused
    assert office.registry.last_refusal == report.refused
    assert office.last_event[0] is Severity.ERROR
    assert office.registry.is_stale()
    assert office.cache.kept is None


async def test_a_dump_that_was_cut_off_is_refused_and_the_old_one_stays() -> None:
    office = Office()
    await office.registry.refresh(Source(DAY))
    before = office.registry.contracts
    lines = DAY.splitlines(keepends=True)
    report = await office.registry.refresh(Source(b"".join(lines[: len(lines) * 4 // 5])), force=True)
    assert "those of 23 Nov stay in force" in report.refused
    assert office.registry.contracts is before
    assert office.cache.kept == (TODAY, DAY)
    assert (await office.registry.refresh(Source(DAY), force=True)).refused == ""
    assert office.registry.last_refusal == ""


async def test_a_dump_without_an_exchange_is_refused() -> None:
    office = Office()
    await office.registry.refresh(Source(DAY))
    without = [row for row in rows_of(a_day()) if row.exchange != "BFO"]
    padding = chain_of("PADDING", M29, [float(strike) for strike in range(1, 200)], first=60_000)
    report = await office.registry.refresh(Source(csv(without, padding)), force=True)
    assert "lack BFO" in report.refused


HANG_SENG = index_of("HANGSENG", 45_900 << 8 | 9, "GLOBAL")
JANUARY = chain_of("NIFTY", date(2027, 1, 25), [24_000.0, 24_050.0], first=70_000)


async def test_an_exchange_that_is_gone_is_refused_once_and_then_taken() -> None:
    office = Office()
    await office.registry.refresh(Source(csv(rows_of(a_day()), HANG_SENG)))
    office.clock.set(datetime(2026, 11, 25, 9, 20, tzinfo=IST))
    tomorrow = Source(csv(rows_of(a_day()), JANUARY))
    report = await office.registry.refresh(tomorrow)
    assert report.refused == (
        "the contracts of 25 Nov lack GLOBAL; those of 23 Nov stay in force; the next list is taken even so"
    )
    assert office.registry.is_stale(), "so that it is asked for again"
    report = await office.registry.refresh(tomorrow)
    assert (report.changed, report.day) == (True, date(2026, 11, 25))
    assert report.differences.lost_exchanges == ("GLOBAL",)
    assert "no contract any more of: GLOBAL" in office.last_event[1]
    assert date(2027, 1, 25) in office.registry.expiries("NIFTY"), "the new expiry is there"
    assert not office.registry.is_stale()


async def test_a_gone_exchange_is_taken_at_once_while_nothing_subscribed_is_missing() -> None:
    for needed, is_taken in (
        ([NIFTY_INDEX], True), ([NIFTY_INDEX, 999 << 8 | 2], True), ([HANG_SENG.token], False), ([], False),
        (None, False),
    ):  # fmt: skip
        office = Office()
        office.registry.watch_needed(lambda needed=needed: needed)  # type: ignore[misc]
        await office.registry.refresh(Source(csv(rows_of(a_day()), HANG_SENG)))
        report = await office.registry.refresh(Source(csv(rows_of(a_day()), JANUARY)), force=True)
        assert report.changed is is_taken, needed


async def test_another_exchange_that_is_gone_is_refused_anew() -> None:
    office = Office()
    abroad = index_of("SGX NIFTY", 45_901 << 8 | 9, "NSEIX")
    await office.registry.refresh(Source(csv(rows_of(a_day()), HANG_SENG, abroad)))
    assert (await office.registry.refresh(Source(csv(rows_of(a_day()), abroad)), force=True)).refused
    assert "lack GLOBAL and NSEIX" in (await office.registry.refresh(Source(DAY), force=True)).refused
    assert (await office.registry.refresh(Source(DAY), force=True)).changed


async def test_a_short_list_is_refused_all_day_and_taken_when_it_is_so_on_the_next() -> None:
    office = Office()
    await office.registry.refresh(Source(DAY))
    short = Source(csv([row for row in rows_of(a_day()) if row.expiry != M29 and row.expiry != M23]))
    for _ in range(2):
        report = await office.registry.refresh(short, force=True)
        assert "are only" in report.refused
    office.clock.set(datetime(2026, 11, 25, 9, 20, tzinfo=IST))
    assert (await office.registry.refresh(short)).changed


async def test_what_has_expired_since_is_not_missed() -> None:
    office = Office()
    await office.registry.refresh(Source(DAY))
    office.clock.set(datetime(2026, 11, 25, 8, 30, tzinfo=IST))
    left = [row for row in rows_of(a_day()) if row.expiry != M23]
    assert len(left) < 0.9 * len(a_day())
    report = await office.registry.refresh(Source(csv(left)))
    assert report.changed
    assert report.differences.expired == len(a_day()) - len(left)
    assert len(report.differences.gone) == 0


async def test_what_has_expired_this_afternoon_has_expired_in_a_list_of_the_evening() -> None:
    office = Office()
    office.clock.set(datetime(2026, 11, 23, 9, 20, tzinfo=IST))
    await office.registry.refresh(Source(DAY))
    left = [row for row in rows_of(a_day()) if row.expiry != M23]
    office.clock.set(datetime(2026, 11, 23, 15, 0, tzinfo=IST))
    early = await office.registry.refresh(Source(csv(left)), force=True)
    assert early.refused, "in the afternoon they are missed"
    office.clock.set(datetime(2026, 11, 23, 16, 30, tzinfo=IST))
    report = await office.registry.refresh(Source(csv(left)), force=True)
    assert report.changed
    assert report.differences.expired == len(a_day()) - len(left)
    assert len(report.differences.gone) == 0


async def test_contracts_that_come_with_the_program_prove_nothing() -> None:
    office = Office()
    universe = load_universe()
    office.registry.replace(universe_instruments(universe, TODAY), TODAY, bundled=True)
    assert office.registry.is_stale()
    assert (await office.registry.refresh(Source(DAY))).changed
    assert not office.registry.contracts.bundled
    assert "no change of lot" in office.last_event[1], "it is not compared with made-up contracts"


def test_replacing_by_hand_is_checked_too() -> None:
    office = Office()
    office.registry.replace(a_day(), TODAY)
    with pytest.raises(DumpRefused, match="only"):
        office.registry.replace(table_of(rows_of(a_day())[:150]), TODAY)
    with pytest.raises(DumpRefused, match="empty"):
        office.registry.replace(table_of(), TODAY)
    with pytest.raises(DumpRefused, match="empty"):
        office.registry.replace(table_of(), TODAY, bundled=True)
    assert len(office.registry) == len(a_day())
    generous = InstrumentRegistry(
        clock=office.clock, calendar=load_calendar(), index_tokens={}, plausibility=Plausibility(least_part=0.1)
    )
    generous.replace(a_day(), TODAY)
    generous.replace(table_of([row for row in rows_of(a_day()) if row.expiry != M29]), TODAY)


# ---------------------------------------------------------------------- other terms, other names


def after_a_split() -> list[Instrument]:
    """The day's contracts, one option with half the strike and twice the lot."""
    return [
        replace(row, strike=11_900.0, lot_size=130, tradingsymbol="NIFTY26DEC11900CE")
        if row.token == nifty_chain(M29)[0].token
        else row
        for row in rows_of(a_day())
    ]


async def test_changed_terms_are_kept_with_the_dump_and_known_after_a_restart() -> None:
    office = Office()
    await office.registry.refresh(Source(DAY))
    leg = nifty_chain(M29)[0]
    assert office.registry.contracts.terms_changes == {}
    office.clock.set(datetime(2026, 11, 25, 9, 20, tzinfo=IST))
    record = SubscriptionRecord(
        leg.token, leg.tradingsymbol, leg.segment, leg.expiry, Mode.FULL, SubscriptionStatus.ACTIVE, "", None, None,
        NOW, NOW,
    )  # fmt: skip
    office.cache.followed = Followed(legs=(record,))
    await office.registry.refresh(Source(csv(after_a_split())))
    change = TermsChange(leg.token, date(2026, 11, 25), Terms.of(leg), is_another=False)
    assert office.registry.contracts.terms_changes == {leg.token: change}
    assert office.cache.news[-1] == ContractNews((change,), (), {leg.token: "NIFTY26DEC11900CE"})
    assert office.last_event == (
        Severity.WARNING,
        "NIFTY26122923800CE (strike 23,800, lot 65) is now NIFTY26DEC11900CE (strike 11,900, lot 130): your single leg "
        "follows it; its history and its change in open interest begin anew",
    )
    restarted = Office(office.cache)
    await restarted.registry.load_cached()
    assert restarted.registry.contracts.terms_changes == {leg.token: change}


async def test_a_change_that_could_not_be_kept_is_kept_with_the_next_refresh() -> None:
    office = Office()
    await office.registry.refresh(Source(DAY))
    office.cache.failure = StoreBusy("the database is busy")
    source = Source(csv(after_a_split()))
    with pytest.raises(StoreBusy):
        await office.registry.refresh(source, force=True)
    kept = [office.registry.is_kept]
    assert office.registry.contracts.terms_changes, "in force all the same"
    asked = source.asked
    await office.registry.refresh(source)
    assert [*kept, office.registry.is_kept] == [False, True]
    assert source.asked == asked
    assert len(office.cache.terms) == 1


async def test_what_followed_a_new_name_is_said_and_what_is_not_clear_is_asked() -> None:
    old = chain_of("OLDCO", M29, [95.0, 100.0], first=60_000)
    office = Office()
    await office.registry.refresh(Source(csv(rows_of(a_day()), old)))
    office.cache.followed = Followed(rules=((7, "OLDCO", "NEWCO"),))
    new = [replace(leg, name="NEWCO", tradingsymbol=leg.tradingsymbol.replace("OLDCO", "NEWCO")) for leg in old]
    await office.registry.refresh(Source(csv(rows_of(a_day()), new)), force=True)
    texts = [event.text for event in office.events.since()]
    assert "+0 −0 contracts, 0 expired; names: OLDCO is now NEWCO (4 contracts)" in texts[-2]
    assert texts[-1] == "rule 7 follows: OLDCO is now NEWCO"
    office.cache.followed = Followed()
    two = [replace(leg, name=f"PART{place % 2}") for place, leg in enumerate(new)]
    await office.registry.refresh(Source(csv(rows_of(a_day()), two)), force=True)
    assert office.last_event[1] == (
        "NEWCO is now PART0 and PART1 (4 contracts): which one a rule on NEWCO means is not clear; drop it and add "
        "another"
    )


# ---------------------------------------------------------------------- differences


async def test_differences_are_found_named_and_reported() -> None:
    office = Office()
    await office.registry.refresh(Source(DAY))
    rows = []
    for row in rows_of(a_day()):
        if row.expiry == W08 and row.strike == 24_350:
            continue
        if row.name == "SENSEX" and row.kind.is_option:
            row = replace(row, lot_size=10)
        if row.kind is InstrumentKind.FUTURE and row.name == "NIFTY":
            row = replace(row, tick_size=0.1)
        if row.expiry == W01:
            row = replace(row, expiry=date(2026, 12, 2))
        if row.token == nifty_chain(M29)[0].token:
            row = replace(row, tradingsymbol="NIFTY27JAN24000CE", expiry=date(2027, 1, 25))
        rows.append(row)
    rows += chain_of("NIFTY", M29, [25_000.0], first=50_000)
    report = await office.registry.refresh(Source(csv(rows)), force=True)
    found = report.differences
    assert found is office.registry.differences
    assert sorted(found.new.tolist()) == [50_000 << 8 | 2, 50_001 << 8 | 2]
    assert len(found.gone) == 2
    assert found.expired == 0
    (lot,) = found.lots
    assert str(lot) == "SENSEX 20 → 10 (68 contracts)"
    (tick,) = found.ticks
    assert (tick.name, tick.before, tick.after, tick.contracts) == ("NIFTY", 0.05, 0.1, 2)
    (shift,) = found.shifted
    assert (str(shift), shift.contracts) == ("NIFTY 01 Dec → 02 Dec", 46)
    (reused,) = found.reused
    assert (reused.token, reused.after) == (nifty_chain(M29)[0].token, "NIFTY27JAN24000CE")
    severity, text = office.last_event
    assert severity is Severity.WARNING
    for part in ("+2 −2 contracts", "lots: SENSEX 20 → 10", "expiries moved: NIFTY 01 Dec → 02 Dec", "used again: "):
        assert part in text
    assert not found.is_empty


def test_many_differences_are_cut_short_in_the_sentence() -> None:
    before = [row for number in range(12) for row in chain_of(f"N{number:02}", M29, [100.0], first=1_000 + 10 * number)]
    after = [replace(row, lot_size=1) for row in before]
    text = differences(table_of(before), table_of(after), TODAY).describe()
    assert text.endswith("N07 65 → 1 (2 contracts) and 4 more")


@given(st.data())
def test_differences_agree_with_sets(data: st.DataObject) -> None:
    rows = rows_of(a_day())
    before = data.draw(st.lists(st.sampled_from(rows), unique_by=lambda row: row.token))
    after = data.draw(st.lists(st.sampled_from(rows), unique_by=lambda row: row.token))
    later = date(2026, 12, 2)
    found = differences(table_of(before), table_of(after), later)
    old, new = {row.token for row in before}, {row.token for row in after}
    over = {row.token for row in before if row.expiry is not None and row.expiry < later}
    assert set(found.new.tolist()) == new - old
    assert set(found.gone.tolist()) == old - new - over
    assert found.expired == len((old - new) & over)
    assert set(found.lost_exchanges) == {row.exchange for row in before} - {row.exchange for row in after}
    assert replace(found, lost_exchanges=()).alarming is False
    assert found.is_empty == (old == new)


# ---------------------------------------------------------------------- looking up


@pytest.fixture(scope="module")
def contracts() -> DayContracts:
    book = DayContracts(a_day(), TODAY, {"NIFTY": NIFTY_INDEX, "SENSEX": SENSEX_INDEX}, load_calendar())
    book.warm()
    return book


def test_lookups_by_what_names_a_contract(contracts: DayContracts) -> None:
    leg = nifty_chain(W01)[0]
    assert contracts.get(leg.token) == leg
    assert contracts.find("NIFTY", W01, 23_800.0, InstrumentKind.CALL) == leg
    assert contracts.find("NIFTY", W01, 23_810.0, InstrumentKind.CALL) is None
    assert contracts.find("NIFTY", None, None, InstrumentKind.CALL) is None
    assert contracts.find("NIFTY", M29, None, InstrumentKind.FUTURE) == NIFTY_DEC_FUTURE
    assert contracts.find("NIFTY", W01, None, InstrumentKind.FUTURE) is None
    index = contracts.find("NIFTY", None, None, InstrumentKind.INDEX)
    assert index is not None
    assert index.token == NIFTY_INDEX
    assert contracts.find("NIFTY", None, None, InstrumentKind.EQUITY) is None


def test_expiries_live_until_their_instant(contracts: DayContracts) -> None:
    assert contracts.expiries("NIFTY") == (M23, W01, W08, M29)
    assert contracts.expiries("NIFTY", from_=W01) == (W01, W08, M29)
    assert contracts.expiries("NOBODY") == ()
    instant = contracts.expiry_instant("NFO", M23, "NIFTY")
    assert contracts.live_expiries("NIFTY", NOW)[0] == M23
    assert contracts.live_expiries("NIFTY", instant)[0] == W01
    assert contracts.future("NIFTY", now=NOW) == NIFTY_NOV_FUTURE
    assert contracts.future("NIFTY", now=instant) == NIFTY_DEC_FUTURE
    assert contracts.future("NIFTY", M29) == NIFTY_DEC_FUTURE
    assert contracts.future("NOBODY", now=NOW) is None


SHARE_CALL = chain_of("RELIANCE", M29, [1_500.0], first=70_000)
UNLISTED_CALL = chain_of("NOBODY", M29, [1_500.0], first=71_000)
NAMESAKE = index_of("FINCO SELECT", 0x1234509)
FINCO_CALL = chain_of("FINCO SELECT", M29, [900.0], first=72_000)


def test_what_a_name_is_the_instruments_of_the_day_tell() -> None:
    """A list of known indices would be wrong with the first new one, a symbol with the first look-alike."""
    calendar = load_calendar()
    contracts = DayContracts(a_day(*SHARE_CALL, *UNLISTED_CALL, NAMESAKE, *FINCO_CALL), TODAY, {}, calendar)
    assert contracts.kind_of("RELIANCE") is UnderlyingKind.STOCK
    assert contracts.kind_of("FINCO SELECT") is UnderlyingKind.INDEX
    assert contracts.kind_of("SENSEX") is UnderlyingKind.INDEX
    assert contracts.kind_of("NOBODY") is UnderlyingKind.OTHER
    assert contracts.kind_of("NIFTY") is UnderlyingKind.OTHER, "its index goes by another name, and no token is known"
    known = DayContracts(a_day(), TODAY, {"NIFTY": NIFTY_INDEX}, calendar)
    assert known.kind_of("NIFTY") is UnderlyingKind.INDEX


def test_on_the_last_day_an_index_stops_before_a_share() -> None:
    contracts = DayContracts(a_day(*SHARE_CALL), TODAY, {"NIFTY": NIFTY_INDEX}, load_calendar())
    early, late = (datetime(2026, 12, 29, 15, minute, tzinfo=IST) for minute in (30, 45))
    assert contracts.live_expiries("NIFTY", early - timedelta(seconds=1)) == (M29,)
    assert contracts.live_expiries("NIFTY", early) == ()
    assert contracts.is_over(NIFTY_DEC_FUTURE, early)
    assert contracts.live_expiries("RELIANCE", late - timedelta(seconds=1)) == (M29,)
    assert contracts.live_expiries("RELIANCE", late) == ()


def test_expiries_are_named_from_what_is_listed(contracts: DayContracts) -> None:
    assert [str(name) for name in contracts.names_of("NIFTY")] == ["M23Nov", "W01Dec", "W08Dec", "M29Dec"]
    first = contracts.name_of("NIFTY", M23)
    assert first is not None
    assert "holiday" in first.note, "the 24th is one, so this expiry was moved before it"
    assert contracts.label("NIFTY", date(2026, 12, 15)) == "15Dec26"
    assert [str(name) for name in contracts.names_of("SENSEX")] == ["M26Nov", "M03Dec"]


def test_beyond_three_months_expiries_are_quarterly_then_half_yearly() -> None:
    days = [
        *(date(2026, 8, day) for day in (18, 25)), date(2026, 9, 1), date(2026, 9, 29), date(2026, 10, 27),
        date(2026, 12, 29), date(2027, 3, 30), date(2027, 6, 29), date(2027, 12, 28), date(2028, 6, 27),
    ]  # fmt: skip
    table = table_of(*(chain_of("NIFTY", day, [100.0], first=100 * number) for number, day in enumerate(days, 1)))
    book = DayContracts(table, days[0], {}, load_calendar())
    assert [name.cycle for name in book.names_of("NIFTY")] == list("WMWMMQQQHH")
    assert str(book.name_of("NIFTY", days[-1])) == "H27Jun28"


def test_the_spot_of_a_share_is_the_share_and_an_unknown_index_is_found_by_its_symbol() -> None:
    table = table_of(
        chain_of("RELIANCE", M29, [1_400.0], first=100),
        chain_of("FOCIT", M29, [37_000.0], first=200, exchange="BFO", code=5),
        replace(SHARE, token=500325 << 8 | 4, exchange="BSE", segment="BSE"),
        SHARE,
        index_of("FOCIT", 279305, "BSE"),
        Instrument(77 << 8 | 1, "FOCITETF", "FOCIT", InstrumentKind.EQUITY, "NSE", "NSE"),
        Instrument(78 << 8 | 1, "FOCIT", "A SHARE OF THAT NAME", InstrumentKind.EQUITY, "NSE", "NSE"),
    )
    book = DayContracts(table, TODAY, {"GHOST": 999, "FOCIT": 888}, load_calendar())
    assert book.index_token("RELIANCE") == SHARE.token
    assert book.index_token("FOCIT") == 279305, "the dump knows better than the bundled number"
    assert book.index_token("GHOST") == 999
    assert book.index_token("NOBODY") is None


def test_the_registry_answers_for_the_contracts_in_force() -> None:
    office = Office()
    office.registry.replace(a_day(), TODAY)
    registry = office.registry
    assert registry.underlyings() == ("NIFTY", "SENSEX")
    assert registry.nearest_expiries("NIFTY", 2) == (M23, W01)
    assert registry.nearest_expiries("SENSEX", 5, datetime(2026, 11, 26, 16, 0, tzinfo=IST)) == (S03,)
    assert registry.expiries("SENSEX") == (S26, S03)
    chain = registry.chain("NIFTY", W01)
    assert chain is not None
    assert len(chain.strikes) == 23
    assert registry.index_token("NIFTY") == NIFTY_INDEX
    assert registry.future("NIFTY") == NIFTY_NOV_FUTURE
    assert registry.find("NIFTY", M29, None, InstrumentKind.FUTURE) == NIFTY_DEC_FUTURE
    assert registry.get_metadata(SHARE.token) == SHARE
    legs = registry.option_chain("NIFTY", expiries=2, strikes=1, spot=24_360.0)
    assert [(leg.expiry, leg.strike, leg.kind.label) for leg in legs[:3]] == [
        (M23, 24_300.0, "CE"), (M23, 24_300.0, "PE"), (M23, 24_350.0, "CE"),
    ]  # fmt: skip
    assert len(legs) == 12
    assert len(registry.option_chain("NIFTY")) == 46
    assert registry.option_chain("NIFTY", strikes=0)[0].strike == 24_350.0


@pytest.mark.parametrize("path", LISTINGS, ids=lambda path: path.name)
def test_a_dump_is_whole(path: Path) -> None:
    table = parse_instruments(listing(path))
    book = DayContracts(table, date(2026, 8, 18), load_universe().index_tokens, load_calendar())
    assert [name.cycle for name in book.names_of("NIFTY")] == list("WMWWWMM" + "QQQ" + "HHHHHHHH")
    assert [str(name) for name in book.names_of("BANKNIFTY")] == [
        "M25Aug", "M29Sep", "M27Oct", "Q29Dec26", "Q30Mar27", "Q29Jun27",
    ]  # fmt: skip
    assert book.index_token("NIFTY") == NIFTY_INDEX
    assert differences(table, table, date(2026, 8, 18)).is_empty
    assert np.unique(table.tokens).size == len(table)


def test_a_future_beyond_the_listed_ones_is_none() -> None:
    book = DayContracts(table_of(future_of("NIFTY", M23, number=1)), TODAY, {}, load_calendar())
    assert book.future("NIFTY", now=datetime(2026, 11, 23, 15, 40, tzinfo=IST)) is None
    assert book.underlyings() == ()


def test_a_chain_that_gets_another_name_of_ours_is_no_other_contract() -> None:
    day = rows_of(a_day())
    alone = chain_of("XAUINR", M29, [100.0, 101.0], first=71_000, exchange="BCD", code=6)
    namesake = chain_of("XAUINR", M29, [100.0, 101.0], first=70_000, exchange="CDS", code=3)
    usual = chain_of("QRSMILLS", M29, [100.0, 101.0], first=72_000)
    series = [
        replace(row, tradingsymbol=f"{row.tradingsymbol}X")
        for row in chain_of("QRSMILLS", M29, [100.0], first=73_000, lot_size=80)
    ]
    before, after = table_of(day, alone, series), table_of(day, alone, namesake, usual, series)
    assert after.instrument(after.row(71_000 << 8 | 6) or 0).name == "BCD:XAUINR"
    assert after.instrument(after.row(73_000 << 8 | 2) or 0).name == "QRSMILLS/80"
    for earlier, later in ((before, after), (after, before)):
        found = differences(earlier, later, TODAY)
        assert (found.reused, found.terms, found.renamed) == ((), (), ())
