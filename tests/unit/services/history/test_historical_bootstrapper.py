"""The backfill in virtual time: hours of requests in milliseconds, against a broker that refuses what is too fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import anyio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.history import (
    EXPIRY,
    INDEX_TOKEN,
    HistoryAccounts,
    HistoryBroker,
    MemoryHistory,
    index,
    option,
)
from tests.support.virtual_time import LoopClock, virtual_trio
from tests.support.waiting import wait_until
from tickertui.kite.errors import (
    BrokerTimeout,
    BrokerUnavailable,
    InvalidRequest,
    KiteError,
    PermissionDenied,
    RateLimited,
    UnexpectedAnswer,
)
from tickertui.kite.pacing import RATES, CallClass
from tickertui.market.candles import Candles, Interval
from tickertui.market.clock import IST
from tickertui.market.instruments import Instrument, InstrumentKind
from tickertui.services.history.daily_volatility import VolatilityHook
from tickertui.services.history.gaps import seconds_of, subtract
from tickertui.services.history.historical_bootstrapper import HistoricalBootstrapper
from tickertui.services.history.status import BootstrapProgress, BootstrapState
from tickertui.services.history.types import BackfillSettings, BackfillTarget
from tickertui.services.supervision.events import EventLog
from tickertui.store.protocol import Span, StoreBusy, VolatilityFact

EVENING = datetime(2026, 11, 25, 20, 0, tzinfo=IST)
DURING = datetime(2026, 11, 25, 11, 0, 30, tzinfo=IST)
DAYS = (date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23), date(2026, 11, 25))
FOUR_DAYS = BackfillSettings(days=4)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


@dataclass
class Bench:
    """A bootstrapper and everything around it."""

    clock: LoopClock
    broker: HistoryBroker
    accounts: HistoryAccounts
    store: MemoryHistory
    events: EventLog
    bootstrapper: HistoricalBootstrapper

    @property
    def progress(self) -> BootstrapProgress:
        return self.bootstrapper.progress()

    async def until(self, state: BootstrapState, timeout: float = 50_000) -> None:
        await wait_until(lambda: self.progress.state is state, f"state {state}", timeout=timeout, poll=0.5)

    def restarted(self) -> Bench:
        """The same with a new bootstrapper, as after a restart of the program."""
        return bench(self.clock, self.broker, self.accounts, self.store, self.bootstrapper.settings)

    def missing(self, target: BackfillTarget, now: datetime) -> list[Span]:
        """What is wanted of a contract at a moment and not covered."""
        segment = target.segment
        sessions = self.broker.calendar.sessions(segment, DAYS[0], now.date())
        wanted = [(seconds_of(one.open), seconds_of(one.close)) for one in sessions if one.close <= now]
        return subtract(wanted, self.store.covered.get(target.key, []))

    def assert_true(self, target: BackfillTarget) -> None:
        """The stored candles of a contract are the broker's, in all that is covered."""
        for span in self.store.covered.get(target.key, []):
            truth = self.broker.truth(target.token, span).to_rows().tolist()
            rows = self.store.rows.get(target.key, {})
            assert [rows[start] for start in sorted(rows) if span[0] <= start < span[1]] == truth


def bench(
    clock: LoopClock,
    broker: HistoryBroker,
    accounts: HistoryAccounts,
    store: MemoryHistory,
    settings: BackfillSettings = FOUR_DAYS,
    daily_volatility: VolatilityHook | None = None,
) -> Bench:
    events = EventLog(clock)
    bootstrapper = HistoricalBootstrapper(
        store=store, calendar=broker.calendar, clock=clock, clients=accounts, events=events, settings=settings,
        daily_volatility=daily_volatility,
    )  # fmt: skip
    return Bench(clock, broker, accounts, store, events, bootstrapper)


def make(
    *names: str,
    now: datetime = EVENING,
    settings: BackfillSettings = FOUR_DAYS,
    daily_volatility: VolatilityHook | None = None,
) -> Bench:
    clock = LoopClock(now)
    broker = HistoryBroker(clock)
    return bench(clock, broker, HistoryAccounts(broker, *names), MemoryHistory(), settings, daily_volatility)


@asynccontextmanager
async def running(it: Bench, targets: Sequence[BackfillTarget]) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        it.bootstrapper.set_targets(targets)
        group.start_soon(it.bootstrapper.run)
        yield
        group.cancel_scope.cancel()


async def fill(it: Bench, targets: Sequence[BackfillTarget]) -> None:
    """Run until everything is there."""
    async with running(it, targets):
        await it.until(BootstrapState.DONE)


# ---------------------------------------------------------------------- what is fetched


async def test_everything_that_is_missing_is_fetched_once() -> None:
    it, targets = make("Z1"), [index(), *(option(n) for n in range(1, 11))]
    async with running(it, targets):
        await it.until(BootstrapState.DONE)
        progress = it.progress
    assert Counter(token for _, token, _ in it.broker.requests) == {target.token: 1 for target in targets}
    for target in targets:
        it.assert_true(target)
        assert not it.missing(target, EVENING)
    assert (progress.instruments_done, progress.instruments_total, progress.fraction) == (11, 11, 1.0)
    assert (progress.requests_left, progress.gaps_found, progress.gaps_filled) == (0, 11, 11)
    assert progress.candles_stored == sum(len(rows) for rows in it.store.rows.values())
    assert [(group.label, group.total, group.done) for group in progress.groups] == [
        ("NIFTY", 1, 1), ("NIFTY W01Dec", 10, 10),
    ]  # fmt: skip


async def test_the_holiday_is_not_asked_for_on_its_own_and_expects_nothing() -> None:
    it = make("Z1")
    await fill(it, [option(1)])
    days = it.bootstrapper.progress().coverage["NIFTY W01Dec"]
    assert [day.day for day in days] == list(DAYS)
    assert {day.expected for day in days} == {385}
    assert all(day.requested for day in days)
    assert [day.stored for day in days] == [
        len(it.broker.truth(option(1).token, (start, start + 86_400)))
        for start in (seconds_of(datetime(d.year, d.month, d.day, tzinfo=IST)) for d in DAYS)
    ]


async def test_an_index_lacks_nothing_for_the_silence_of_the_closing_auction() -> None:
    it = make("Z1")
    await fill(it, [index(), option(1)])
    days = it.bootstrapper.progress().coverage["NIFTY"]
    assert [day.day for day in days] == list(DAYS)
    assert {(day.expected, day.stored, day.requested) for day in days} == {(360, 360, True)}
    assert {day.expected for day in it.bootstrapper.progress().coverage["NIFTY W01Dec"]} == {385}


async def test_a_second_run_asks_for_nothing() -> None:
    it, targets = make("Z1"), [index(), option(1)]
    await fill(it, targets)
    asked = len(it.broker.requests)
    await fill(it.restarted(), targets)
    assert len(it.broker.requests) == asked


async def test_near_the_money_comes_first() -> None:
    it = make("Z1", settings=replace(FOUR_DAYS, in_flight=1))
    targets = [option(n) for n in (7, 3, 9, 1, 5)]
    await fill(it, targets)
    assert [token >> 8 for _, token, _ in it.broker.requests] == [1, 3, 5, 7, 9]


async def test_long_spans_are_asked_for_in_pieces_the_newest_first() -> None:
    it = make("Z1", settings=BackfillSettings(days=60, in_flight=1))
    await fill(it, [option(1)])
    spans = [span for _, _, span in it.broker.requests]
    assert len(spans) == 2
    assert all(end - start <= 60 * 86_400 for start, end in spans)
    assert spans[0] > spans[1]
    it.assert_true(option(1))


async def test_a_strike_has_no_history_before_its_listing() -> None:
    it = make("Z1")
    await fill(it, [option(1, listed_on=date(2026, 11, 23))])
    assert it.broker.requests[0][2][0] == seconds_of(datetime(2026, 11, 23, 9, 15, tzinfo=IST))
    assert it.bootstrapper.progress().coverage["NIFTY W01Dec"][0].expected == 0


async def test_an_expired_contract_is_not_asked_for() -> None:
    it = make("Z1")
    await fill(it, [option(1, expiry=date(2026, 11, 23)), option(2)])
    assert {token for _, token, _ in it.broker.requests} == {option(2).token}


async def test_no_days_no_requests() -> None:
    it = make("Z1", settings=BackfillSettings(days=0))
    async with running(it, [option(1)]):
        await it.until(BootstrapState.DONE)
        assert it.bootstrapper.is_bootstrap_done("Z1")
    assert it.broker.requests == []


async def test_day_candles() -> None:
    it = make("Z1", settings=BackfillSettings(interval=Interval.DAY, days=4))
    await fill(it, [option(1)])
    ((_, _, span),) = it.broker.requests
    assert span[0] == seconds_of(datetime(2026, 11, 19, tzinfo=IST))
    assert span[1] == seconds_of(datetime(2026, 11, 26, tzinfo=IST))


async def test_open_interest_is_asked_for_where_there_is_one() -> None:
    it = make("Z1")
    asked: dict[int, bool] = {}
    client = it.accounts.client("Z1")
    original = client.fetch_historical

    async def fetch(token: int, *arguments: Any, oi: bool = True, **options: Any) -> Candles:
        asked[token] = oi
        return await original(token, *arguments, oi=oi, **options)

    client.fetch_historical = fetch  # type: ignore[method-assign]
    await fill(it, [index(), option(1)])
    assert asked == {INDEX_TOKEN: False, option(1).token: True}


# ---------------------------------------------------------------------- while the market is open


async def test_the_forming_candle_is_never_complete() -> None:
    it = make("Z1", now=DURING)
    await fill(it, [option(1)])
    end = seconds_of(datetime(2026, 11, 25, 10, 59, tzinfo=IST))
    assert it.store.covered[option(1).key][-1][1] == end
    assert max(it.store.rows[option(1).key]) < end


async def test_the_rest_of_the_day_follows_when_the_session_is_over() -> None:
    it = make("Z1", now=DURING, settings=BackfillSettings(days=4, tail_slack=timedelta(days=1)))
    async with running(it, [option(1), index()]):
        await it.until(BootstrapState.DONE)
        assert len(it.broker.requests) == 2
        await wait_until(lambda: len(it.broker.requests) > 2, "the session's end", timeout=86_400, poll=10)
        assert timedelta(0) < it.clock.now() - datetime(2026, 11, 25, 15, 41, 30, tzinfo=IST) < timedelta(minutes=1)
        await it.until(BootstrapState.DONE)
    assert len(it.broker.requests) == 4, "the index, which ends at 15:35, waits for its options"
    for target in (option(1), index()):
        assert not it.missing(target, it.clock.now())
        it.assert_true(target)


async def test_reloads_do_not_ask_again_for_the_newest_minutes() -> None:
    it = make("Z1", now=DURING)
    async with running(it, [option(1)]):
        await it.until(BootstrapState.DONE)
        for number in range(2, 5):
            await anyio.sleep(300)
            it.bootstrapper.set_targets([option(n) for n in range(1, number + 1)])
            await it.until(BootstrapState.DONE)
        assert [token >> 8 for _, token, _ in it.broker.requests] == [1, 2, 3, 4]
        await wait_until(lambda: len(it.broker.requests) == 8, "the tails, when they are long", timeout=1900, poll=10)
        assert sorted(token >> 8 for _, token, _ in it.broker.requests[4:]) == [1, 2, 3, 4]


@pytest.mark.parametrize("start", ["08:00", "09:14", "09:40", "13:05"])
async def test_the_history_follows_the_session_and_every_count_says_the_same(start: str) -> None:
    it = make("Z1", now=datetime.fromisoformat(f"2026-11-25 {start}").replace(tzinfo=IST))
    targets = [index(), *(option(n) for n in range(1, 4))]
    async with running(it, targets):
        while it.clock.now() < datetime(2026, 11, 25, 15, 55, tzinfo=IST):
            await it.until(BootstrapState.DONE)
            progress, now = it.progress, it.clock.now()
            assert (progress.fraction, progress.requests_left) == (1.0, 0)
            days = [day for group in progress.coverage.values() for day in group]
            assert all(day.requested for day in days), "done is what was asked for, in the map too"
            assert all(day.stored == day.expected for day in progress.coverage["NIFTY"])
            if now.hour >= 10:
                newest = max(it.store.rows[targets[1].key])
                oldest = min(now.timestamp(), datetime(2026, 11, 25, 15, 40, tzinfo=IST).timestamp()) - 60 * 35
                assert newest > oldest, "no older than half an hour"
            await anyio.sleep(300)
        for target in targets:
            assert not it.missing(target, it.clock.now())
        assert len(it.broker.requests) <= len(targets) * 15
        texts = [event.text for event in it.events.since() if "lack history" in event.text]
        assert len(texts) <= 3, "following the session is nothing to tell"


async def test_following_the_session_takes_a_quarter_of_the_requests_at_most() -> None:
    it = make("Z1", now=DURING, settings=BackfillSettings(days=1, tail_slack=timedelta(minutes=1)))
    async with running(it, [option(n) for n in range(1, 81)]):
        await it.until(BootstrapState.DONE)
        asked = len(it.broker.requests)
        await anyio.sleep(600)
        assert 160 <= len(it.broker.requests) - asked <= 0.25 * 600 * RATES[CallClass.HISTORICAL] + 80


# ---------------------------------------------------------------------- speed


@pytest.mark.parametrize("accounts", [1, 3])
@pytest.mark.parametrize("latency", [0.05, 1.0])
async def test_the_rate_is_within_5_percent_of_what_the_keys_allow(accounts: int, latency: float) -> None:
    names = [f"Z{n}" for n in range(1, accounts + 1)]
    it = make(*names)
    it.broker.latency = latency
    count = 120 * accounts
    await fill(it, [option(n) for n in range(1, count + 1)])
    assert len(it.broker.requests) == count
    assert it.broker.refused == 0
    rate = (count - accounts) / (it.broker.at[-1] - it.broker.at[0])
    assert 0.95 * 3 * accounts < rate <= 3 * accounts
    assert all(count // accounts * 0.9 < n for n in Counter(name for name, _, _ in it.broker.requests).values())


async def test_a_429_slows_it_down_and_loses_nothing() -> None:
    it, targets = make("Z1"), [option(n) for n in range(1, 121)]
    it.broker.per_second = 1  # another program uses the same key
    async with running(it, targets):
        await it.until(BootstrapState.DONE)
        progress = it.progress
    assert progress.rate_limited == it.broker.refused > 0
    assert it.broker.refused < len(targets) * 0.6
    assert progress.failures == ()
    assert Counter(token for _, token, _ in it.broker.requests) == {target.token: 1 for target in targets}


async def test_progress_tells_rate_and_time_left() -> None:
    it = make("Z1", "Z2")
    async with running(it, [option(n) for n in range(1, 451)]):
        await anyio.sleep(50)
        progress = it.progress
        assert progress.state is BootstrapState.RUNNING
        assert progress.rate_limit == pytest.approx(5.8)
        assert progress.rate == pytest.approx(5.8, rel=0.05)
        assert progress.requests_left + progress.requests_done == 450
        assert progress.seconds_left == pytest.approx(progress.requests_left / 5.8, rel=0.06)
        assert progress.instruments_done == progress.groups[0].done == progress.requests_done
        await it.until(BootstrapState.DONE)
        assert it.progress.seconds_left == 0.0


# ---------------------------------------------------------------------- stopping and going on


@settings(max_examples=15, deadline=None)
@given(after=st.floats(0, 12), latency=st.floats(0.01, 2))
async def test_a_cancellation_at_any_point_costs_at_most_what_was_under_way(after: float, latency: float) -> None:
    it, targets = make("Z1", "Z2"), [index(), *(option(n) for n in range(1, 30))]
    it.broker.latency = latency
    with anyio.move_on_after(after):
        await fill(it, targets)
    covered = {key: list(spans) for key, spans in it.store.covered.items()}
    first_run = len(it.broker.requests)

    await fill(it.restarted(), targets)

    keys = {target.token: target.key for target in targets}
    for _, token, span in it.broker.requests[first_run:]:
        assert subtract([span], covered.get(keys[token], [])) == [span], "what is there is not asked for again"
    for target in targets:
        it.assert_true(target)
        assert not it.missing(target, EVENING)


async def test_pause_and_resume() -> None:
    it, targets = make("Z1"), [option(n) for n in range(1, 61)]
    async with running(it, targets):
        await anyio.sleep(5)
        it.bootstrapper.pause()
        await it.until(BootstrapState.PAUSED)
        await anyio.sleep(3)
        asked = len(it.broker.requests)
        await anyio.sleep(600)
        assert len(it.broker.requests) == asked
        assert it.progress.requests_left > 0
        it.bootstrapper.resume()
        await it.until(BootstrapState.DONE)
    assert Counter(token for _, token, _ in it.broker.requests) == {target.token: 1 for target in targets}


async def test_new_targets_while_requests_are_under_way() -> None:
    it = make("Z1", "Z2")
    it.broker.latency = 1.5
    async with running(it, [option(n) for n in range(1, 31)]):
        for last in range(31, 61):
            await anyio.sleep(0.3)
            it.bootstrapper.set_targets([option(n) for n in range(last - 30, last + 1)])
        await it.until(BootstrapState.DONE)
        assert it.progress.instruments_total == it.progress.instruments_done == 31
    counts = Counter(token for _, token, _ in it.broker.requests)
    assert set(counts.values()) == {1}, "no plan asks for what is under way"
    for number in range(30, 61):
        assert not it.missing(option(number), EVENING)


async def test_it_is_run_once() -> None:
    it = make("Z1")
    async with running(it, []):
        await it.until(BootstrapState.DONE)
        with pytest.raises(RuntimeError, match="once"):
            await it.bootstrapper.run()
    assert it.progress.state is BootstrapState.IDLE


# ---------------------------------------------------------------------- accounts


async def test_an_expired_session_moves_its_share_to_the_others() -> None:
    it, targets = make("Z1", "Z2"), [option(n) for n in range(1, 121)]
    async with running(it, targets):
        await anyio.sleep(5)
        it.broker.expired.add("Z1")
        await it.until(BootstrapState.DONE)
    assert it.accounts.reported == ["Z1"]
    for target in targets:
        assert not it.missing(target, EVENING)
    assert it.progress.failures == ()
    warnings = [event for event in it.events.since() if event.account == "Z1"]
    assert len(warnings) == 1
    assert "without Z1" in warnings[0].text


async def test_it_waits_for_a_login_and_goes_on() -> None:
    it, targets = make("Z1"), [option(n) for n in range(1, 31)]
    async with running(it, targets):
        await anyio.sleep(3)
        it.broker.expired.add("Z1")
        await wait_until(lambda: "login" in it.progress.detail, "the reason it waits", timeout=60)
        assert it.progress.requests_left > 0
        await anyio.sleep(3600)
        it.accounts.login("Z1")
        await it.until(BootstrapState.DONE, timeout=60)
        assert it.progress.detail == ""
    for target in targets:
        assert not it.missing(target, EVENING)


async def test_without_accounts_it_waits_for_one() -> None:
    it = make()
    async with running(it, [option(1)]):
        await wait_until(lambda: "no account" in it.progress.detail, "the reason", timeout=60)
        progress = it.progress
        assert (progress.requests_left, progress.rate_limit, progress.seconds_left) == (1, 0.0, None)
        it.accounts.names.append("Z1")
        await it.until(BootstrapState.DONE, timeout=60)


async def test_an_account_without_market_data_is_left_alone_until_resumed() -> None:
    it, denied = make("Z1", "Z2"), {"Z1"}

    def failure(account: str, token: int, number: int) -> KiteError | None:
        return PermissionDenied("no plan", account=account, status=403) if account in denied else None

    it.broker.failure = failure
    async with running(it, [option(n) for n in range(1, 61)]):
        await it.until(BootstrapState.DONE)
        assert Counter(name for name, _, _ in it.broker.requests)["Z1"] <= 4
        assert it.progress.rate_limit == pytest.approx(2.9)
        denied.clear()
        it.bootstrapper.resume()
        it.bootstrapper.set_targets([option(n) for n in range(1, 121)])
        await anyio.sleep(10)
        assert it.progress.rate_limit == pytest.approx(5.8)
        await it.until(BootstrapState.DONE)


# ---------------------------------------------------------------------- failures


async def test_an_outage_is_waited_out() -> None:
    it, targets = make("Z1", "Z2"), [option(n) for n in range(1, 31)]
    end = EVENING + timedelta(hours=1)

    def failure(account: str, token: int, number: int) -> KiteError | None:
        if it.clock.now() >= end:
            return None
        return (BrokerTimeout if number % 2 else BrokerUnavailable)("", account=account)

    it.broker.failure = failure
    async with running(it, targets):
        await anyio.sleep(3000)
        assert 0 < len(it.broker.requests) < 400, "it asks now and then, not as fast as it may"
        assert it.progress.failures
        assert all(one.retry_at is not None and one.retry_at > EVENING for one in it.progress.failures)
        await it.until(BootstrapState.DONE, timeout=3000)
        assert it.progress.failures == ()
    assert it.store.kept == {}
    for target in targets:
        assert not it.missing(target, EVENING)


async def test_what_the_broker_rejects_is_shown_and_tried_again_only_when_asked() -> None:
    it, bad = make("Z1"), {option(2).token}

    def failure(account: str, token: int, number: int) -> KiteError | None:
        return InvalidRequest("invalid token", account=account, status=400) if token in bad else None

    it.broker.failure = failure
    async with running(it, [option(1), option(2)]):
        await it.until(BootstrapState.DONE)
        await anyio.sleep(7200)
        it.bootstrapper.set_targets([option(1), option(2)])
        await it.until(BootstrapState.DONE)
        progress = it.progress
        assert Counter(token for _, token, _ in it.broker.requests)[option(2).token] == 1
        assert (progress.instruments_done, progress.groups[0].failed) == (1, 1)
        (shown,) = progress.failures
        assert (shown.label, shown.attempts, shown.retry_at) == ("NIFTY-2", 1, None)
        assert "invalid token" in shown.reason
        assert not it.bootstrapper.is_bootstrap_done("Z1")
    again = it.restarted()
    async with running(again, [option(1), option(2)]):
        await again.until(BootstrapState.DONE)
        assert [one.label for one in again.progress.failures] == ["NIFTY-2"], "a restart knows it too"
        assert Counter(token for _, token, _ in it.broker.requests)[option(2).token] == 1
        bad.clear()
        again.bootstrapper.retry_failed()
        await wait_until(lambda: not again.progress.failures, "the failure to be mended", timeout=60)
        await again.until(BootstrapState.DONE)
    assert not it.missing(option(2), EVENING)
    assert it.store.kept == {}


async def test_nonsense_from_the_broker_is_tried_three_times() -> None:
    it = make("Z1")
    it.broker.failure = lambda account, token, number: UnexpectedAnswer("not JSON", account=account)
    async with running(it, [option(1)]):
        await it.until(BootstrapState.DONE)
        assert len(it.broker.requests) == 3
        assert it.progress.failures[0].attempts == 3


async def test_a_store_that_is_busy_holds_everything_up_and_loses_nothing() -> None:
    it, targets = make("Z1"), [option(n) for n in range(1, 31)]
    async with running(it, targets):
        await anyio.sleep(3)
        it.store.error = StoreBusy("the store is in use by another process; try again in a moment")
        await wait_until(lambda: "in use" in it.progress.detail, "the reason", timeout=60)
        asked = len(it.broker.requests)
        await anyio.sleep(600)
        assert len(it.broker.requests) <= asked + 4
        it.store.error = None
        await it.until(BootstrapState.DONE, timeout=120)
        assert (it.progress.detail, it.progress.failures) == ("", ())
    for target in targets:
        it.assert_true(target)
        assert not it.missing(target, EVENING)


async def test_a_busy_store_is_left_alone_for_a_while_whatever_happens() -> None:
    it, targets = make("Z1"), [option(n) for n in range(1, 4)]
    it.store.error = StoreBusy("the store is in use by another process; try again in a moment")
    async with running(it, targets):
        await wait_until(lambda: "in use" in it.progress.detail, "the reason", timeout=60)
        calls = it.store.calls
        for _ in range(50):
            it.bootstrapper.set_targets(targets)
            await anyio.sleep(0.02)
        assert it.store.calls == calls
        it.store.error = None
        await it.until(BootstrapState.DONE, timeout=60)


async def test_when_all_is_there_the_store_is_left_alone_and_nothing_is_said_again() -> None:
    it, targets = make("Z1"), [option(n) for n in range(1, 4)]
    async with running(it, targets):
        await it.until(BootstrapState.DONE)
        calls = it.store.calls
        await anyio.sleep(3600)
        assert it.store.calls == calls
        it.bootstrapper.set_targets(targets)
        await wait_until(lambda: it.store.calls > calls, "another plan", timeout=60)
        await it.until(BootstrapState.DONE)
        texts = [event.text for event in it.events.since()]
        assert sum("the history is there" in text for text in texts) == 1


async def test_what_comes_back_unanswered_during_a_plan_is_not_asked_again_when_nobody_wants_it() -> None:
    it, old = make("Z1"), [option(n) for n in range(1, 31)]
    async with running(it, old):
        await wait_until(lambda: len(it.broker.requests) > 3, "requests", timeout=60, poll=0.01)
        it.store.latency = 0.5  # those under way end while it plans
        it.broker.failure = lambda account, token, number: RateLimited("slower", account=account, status=429)
        it.bootstrapper.set_targets([option(99)])
        await anyio.sleep(3)
        it.store.latency = 0.001
        it.broker.failure = lambda account, token, number: None
        await it.until(BootstrapState.DONE)
        again = {token for token, count in Counter(token for _, token, _ in it.broker.requests).items() if count > 1}
        assert again <= {option(99).token}
    assert not it.missing(option(99), EVENING)


# ---------------------------------------------------------------------- answers that are not what they should be


def shuffled(candles: Candles, seed: int) -> Candles:
    return Candles.from_rows(np.random.default_rng(seed).permutation(candles.to_rows()))


def doubled(candles: Candles, seed: int) -> Candles:
    rows = candles.to_rows()
    again = rows[np.random.default_rng(seed).integers(0, len(rows), 20)] if len(rows) else rows
    return Candles.from_rows(np.concatenate([rows, again]))


def overflowing(candles: Candles, seed: int) -> Candles:
    rows = candles.to_rows()
    if not len(rows):
        return candles
    before, after = rows[0].copy(), rows[-1].copy()
    before[0] -= 86_400 * 30
    after[0] += 86_400 * 30
    return Candles.from_rows(np.concatenate([[before], rows, [after]]))


def broken(candles: Candles, seed: int) -> Candles:
    rows = candles.to_rows().copy()
    for row in np.random.default_rng(seed).integers(0, max(1, len(rows)), 5)[: len(rows)]:
        rows[row, 2] = 1  # a high below the low
    return Candles.from_rows(rows) if len(rows) else candles


def holed(candles: Candles, seed: int) -> Candles:
    rows = candles.to_rows()
    return Candles.from_rows(rows[np.random.default_rng(seed).random(len(rows)) > 0.3]) if len(rows) else candles


MUTATIONS = {one.__name__: one for one in (shuffled, doubled, overflowing, broken)}


@settings(max_examples=20, deadline=None)
@given(
    names=st.lists(st.sampled_from(sorted(MUTATIONS)), max_size=4),
    seed=st.integers(0, 1000),
    with_holes=st.booleans(),
    now=st.sampled_from([EVENING, DURING]),
)
async def test_disorder_in_the_answers_does_not_reach_the_store(
    names: list[str], seed: int, with_holes: bool, now: datetime
) -> None:
    it, targets = make("Z1", now=now), [index(), *(option(n) for n in range(1, 6))]

    def mutate(number: int, candles: Candles) -> Candles:
        if number >= len(targets):
            return candles
        if with_holes and len(candles) and candles.oi[0] == -1:
            candles = holed(candles, seed)  # of the index alone: an option really has minutes without a trade
        for name in names:
            candles = MUTATIONS[name](candles, seed + number)
        return candles

    it.broker.mutate = mutate
    await fill(it, targets)
    for target in targets:
        it.assert_true(target)
        assert not it.missing(target, now)


async def test_minutes_that_an_index_lacks_for_good_are_accepted_after_a_second_look() -> None:
    it = make("Z1")
    it.broker.mutate = lambda number, candles: holed(candles, 1)
    await fill(it, [index()])
    assert len(it.broker.requests) == 2
    assert not it.missing(index(), EVENING)


async def test_an_answer_without_candles_is_an_answer() -> None:
    it = make("Z1")
    it.broker.mutate = lambda number, candles: Candles.empty()
    await fill(it, [option(1)])
    assert len(it.broker.requests) == 1
    assert not it.missing(option(1), EVENING)
    assert not it.bootstrapper.progress().coverage["NIFTY W01Dec"][0].stored


# ---------------------------------------------------------------------- daily facts


async def test_open_interest_at_the_end_of_each_day() -> None:
    it = make("Z1", now=DURING)
    await fill(it, [option(1), index()])
    assert sorted(it.store.oi) == list(DAYS[:-1]), "the day that is not over has none"
    for day in DAYS[:-1]:
        midnight = seconds_of(datetime(day.year, day.month, day.day, tzinfo=IST))
        truth = it.broker.truth(option(1).token, (midnight, midnight + 86_400))
        assert it.store.oi[day] == {option(1).token: int(truth.oi[-1])}


async def test_a_day_without_a_trade_keeps_the_open_interest_of_the_day_before() -> None:
    it = make("Z1")
    cut = seconds_of(datetime(2026, 11, 20, tzinfo=IST))
    it.broker.mutate = lambda number, candles: Candles.from_rows(candles.to_rows()[candles.start < cut])
    await fill(it, [option(1)])
    values = {day: facts[option(1).token] for day, facts in it.store.oi.items()}
    assert list(values) == list(DAYS)
    assert len(set(values.values())) == 1


async def test_the_volatility_of_a_finished_day_is_asked_for_once() -> None:
    asked: list[date] = []

    async def hook(day: date) -> Sequence[VolatilityFact]:
        asked.append(day)
        return [VolatilityFact("NIFTY", 0.12), VolatilityFact("SENSEX", 0.13)]

    it = make("Z1", now=DURING, daily_volatility=hook)
    async with running(it, [option(1)]):
        await it.until(BootstrapState.DONE)
        await wait_until(lambda: asked, "the first day", timeout=60)
        it.bootstrapper.set_targets([option(1), option(2)])
        await anyio.sleep(60)
        await it.until(BootstrapState.DONE)
        assert asked == [date(2026, 11, 23)]
        await wait_until(lambda: len(asked) == 2, "the end of today's session", timeout=86_400, poll=60)
    assert asked[1] == date(2026, 11, 25)
    assert it.store.volatility == {"NIFTY": {date(2026, 11, 23): 0.12, date(2026, 11, 25): 0.12}}


# ---------------------------------------------------------------------- the seed's methods


def instrument(number: int) -> Instrument:
    return Instrument(option(number).token, f"NIFTY-{number}", "NIFTY", InstrumentKind.CALL, "NFO-OPT", "NFO", EXPIRY)


async def test_one_account_fetches_what_is_missing_and_is_done() -> None:
    it = make("Z1")
    assert not it.bootstrapper.is_bootstrap_done("Z1")
    done = await it.bootstrapper.backfill_missing_history(
        "Z1", [instrument(1), instrument(2)], it.accounts.client("Z1")
    )
    assert done
    assert it.bootstrapper.is_bootstrap_done("Z1")
    assert not it.bootstrapper.is_bootstrap_done("Z2")
    asked = len(it.broker.requests)
    assert await it.bootstrapper.backfill_missing_history("Z1", [instrument(2)], it.accounts.client("Z1"))
    assert len(it.broker.requests) == asked
    it.assert_true(option(1))
    it.bootstrapper.reset_bootstrap_state()
    assert not it.bootstrapper.is_bootstrap_done("Z1")
    it.bootstrapper.mark_bootstrap_done("Z1")
    assert it.bootstrapper.is_bootstrap_done("Z1")


async def test_a_partial_failure_is_not_done() -> None:
    it = make("Z1")
    it.broker.failure = lambda account, token, number: (
        InvalidRequest("no such token", account=account) if token == option(1).token else None
    )
    instruments = [instrument(1), instrument(2)]
    assert not await it.bootstrapper.backfill_missing_history("Z1", instruments, it.accounts.client("Z1"))
    assert not it.bootstrapper.is_bootstrap_done("Z1")
    assert not it.missing(option(2), EVENING), "the other one was fetched all the same"


async def test_a_slow_broker_is_asked_again() -> None:
    it = make("Z1")
    it.broker.failure = lambda account, token, number: BrokerTimeout("", account=account) if number < 2 else None
    assert await it.bootstrapper.backfill_missing_history("Z1", [instrument(1)], it.accounts.client("Z1"))
    assert len(it.broker.requests) == 3


async def test_a_dead_session_is_reported() -> None:
    it = make("Z1")
    it.broker.expired.add("Z1")
    assert not await it.bootstrapper.backfill_missing_history("Z1", [instrument(1)], it.accounts.client("Z1"))
    assert it.accounts.reported == ["Z1"]
    assert len(it.broker.requests) == 1


async def test_a_new_gap_takes_the_account_back() -> None:
    it = make("Z1")
    it.broker.latency = 10
    async with running(it, [option(1)]):
        await it.until(BootstrapState.DONE)
        assert it.bootstrapper.is_bootstrap_done("Z1")
        it.bootstrapper.set_targets([option(1), option(2)])
        await it.until(BootstrapState.RUNNING, timeout=30)
        assert not it.bootstrapper.is_bootstrap_done("Z1")
        await it.until(BootstrapState.DONE)
        assert it.bootstrapper.is_bootstrap_done("Z1")
