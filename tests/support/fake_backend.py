"""A `Backend` over prepared data: every screen can be drawn without a service, a socket or a database.

The pictures are those of the design's mock-ups: two accounts, one of which may be silent or without a token; rules; a
backfill at 93 %; a dozen events. What a test asks it to do is noted in `FakeBackend.calls`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from tests.support.strips import expiry_marks
from tickertui.kite.stream_state import StreamState
from tickertui.market.board import MarketBoard
from tickertui.market.candles import Candles
from tickertui.market.clock import IST, ManualClock
from tickertui.market.contract_terms import TermsChange
from tickertui.market.hours import MarketCalendar, UnderlyingKind, load_calendar
from tickertui.market.instruments import ChainRows, Instrument, InstrumentTable
from tickertui.market.subscriptions import ChainRule
from tickertui.market.ticks import Mode
from tickertui.services.accounts.status import AccountState, AccountStatus, ConnectionStatus
from tickertui.services.history.status import (
    BootstrapFailure,
    BootstrapGroup,
    BootstrapProgress,
    BootstrapState,
    DayCoverage,
)
from tickertui.services.loop.status import FeedMode, LoopState, RuntimeState
from tickertui.services.mock.seeding import MockSeed, SeedOrigin
from tickertui.services.plan.legs import Legs, WatchedInstrument
from tickertui.services.plan.status import PlanLine, ReloadPlan, ReloadResult, RuleCost, RuleStatus, Unplaced
from tickertui.services.supervision.events import Event, Severity
from tickertui.services.supervision.observed_hours import Deviation
from tickertui.services.supervision.status import TaskInfo, TaskState
from tickertui.tui.view.backend import BackendRefused, HealthFigures, LoginPage, PasteIncomplete
from tickertui.tui.view.frames import ListedExpiry

NOW = datetime(2026, 11, 23, 11, 42, 7, tzinfo=IST)
"""Monday, expiry day of the November monthly, as in the mock-ups."""


def socket(connection: int, label: str, subscribed: int, **changes: object) -> ConnectionStatus:
    """A socket in good health, with changes."""
    status = ConnectionStatus(
        connection=connection, label=label, state=StreamState.OPEN, epoch=1, subscribed=subscribed,
        desired=subscribed, ticking=subscribed - 12, frames=9_000, ticks=400_000, ticks_per_second=437.0,
        frame_age=0.4, data_age=0.4, open_for=9_000.0,
    )  # fmt: skip
    return replace(status, **changes)  # type: ignore[arg-type]


def live_accounts() -> tuple[AccountStatus, ...]:
    """Two live accounts."""
    tomorrow = datetime(2026, 11, 24, 6, 0, tzinfo=IST)
    return (
        AccountStatus(
            "Z1", AccountState.LIVE, "AB1234", desired=2_988, subscribed=2_988, ticking=2_951, never=37,
            connections=(socket(0, "Z1/s1", 1_000), socket(1, "Z1/s2", 1_000), socket(2, "Z1/s3", 988)),
            token_expires=tomorrow,
        ),
        AccountStatus(
            "Z2", AccountState.LIVE, "CD5678", desired=1_204, subscribed=1_204, ticking=1_187, never=17,
            connections=(socket(3, "Z2/s1", 1_204, data_age=0.6),), token_expires=tomorrow,
        ),
    )  # fmt: skip


def live_runtime() -> RuntimeState:
    """A desk in the middle of the day."""
    return RuntimeState(
        LoopState.RUNNING, FeedMode.LIVE, NOW - timedelta(hours=3), generation=118, revision=118, store_revision=118,
        instruments=4_192, accounts=live_accounts(),
        last_reload=ReloadResult(NOW - timedelta(minutes=40), 118, 40, 12, 0, 0, 0.8),
        ticks_per_second=1_312.0,
    )  # fmt: skip


def some_rules() -> tuple[RuleStatus, ...]:
    """Two rules."""
    return (
        RuleStatus(ChainRule(1, "NIFTY", 2, (), 40), 326, 24_350.0, (date(2026, 11, 23), date(2026, 12, 1))),
        RuleStatus(ChainRule(2, "SENSEX", 1, (), 40, preferred_account="Z2"), 163, 79_600.0, (date(2026, 11, 26),)),
    )


def some_progress() -> BootstrapProgress:
    """A backfill at 93 %."""
    days = [date(2026, 11, day) for day in (17, 18, 19, 20, 23)]
    full = tuple(DayCoverage(day, 385, 385, requested=True) for day in days)
    gap = (
        *full[:1],
        DayCoverage(days[1], 385, 380, requested=True),
        *full[2:4],
        DayCoverage(days[4], 147, 0, requested=False),
    )
    return BootstrapProgress(
        BootstrapState.RUNNING,
        (
            BootstrapGroup("NIFTY W01Dec", "NIFTY", date(2026, 12, 1), 210, 210),
            BootstrapGroup("NIFTY W08Dec", "NIFTY", date(2026, 12, 8), 154, 146),
            BootstrapGroup("NIFTY M29Dec", "NIFTY", date(2026, 12, 29), 246, 178, failed=2),
            BootstrapGroup("SENSEX M26Nov", "SENSEX", date(2026, 11, 26), 352, 352),
        ),
        instruments_total=962, instruments_done=886, requests_left=76, requests_done=890, rate=2.9, rate_limit=6.0,
        seconds_left=51.0, gaps_found=966, gaps_filled=890, candles_stored=1_712_000,
        failures=(BootstrapFailure(9, "NIFTY26DEC26000CE", "no answer within 7 s", 2, NOW + timedelta(seconds=30)),),
        coverage={"NIFTY W01Dec": full, "NIFTY M29Dec": gap},
    )  # fmt: skip


def some_events() -> tuple[Event, ...]:
    """A morning."""
    texts = (
        ("06:02:10", Severity.ERROR, "account", "Z1 needs a login: the broker refused the token", "Z1"),
        ("08:30:55", Severity.INFO, "account", "Z1 is logged in as AB1234", "Z1"),
        ("08:31:07", Severity.INFO, "instruments", "instruments +212 -88, no change of lot, tick or expiry", ""),
        ("09:15:00", Severity.INFO, "market", "F&O open", ""),
        ("11:02:16", Severity.INFO, "reload", "plan 118: +40 -12 in 0.8 s", ""),
        ("11:38:12", Severity.INFO, "instruments", "new strike NIFTY 01 Dec 24,900 is listed and added", ""),
        ("11:41:58", Severity.WARNING, "stream", "Z2/s1 reconnected: 1,204 subscribed again, gap 1.8 s", "Z2"),
    )
    events = []
    for number, (time, severity, topic, text, account) in enumerate(texts, 1):
        at = datetime.fromisoformat(f"2026-11-23T{time}").replace(tzinfo=IST)
        events.append(Event(number, at, severity, topic, text, account))
    return tuple(events)


def some_plan() -> ReloadPlan:
    """The mock-up's reload."""
    return ReloadPlan(
        generation=119, revision=119,
        lines=(
            PlanLine("add", 42, "NIFTY W08Dec 24,850..25,850 CE/PE", "Z1", "→ Z1/s3 (988 → 1,030)"),
            PlanLine("add", 12, "SENSEX M26Nov 81,500..82,000 CE/PE", "Z2", "→ Z2/s1 (1,204 → 1,216)"),
            PlanLine("remove", 54, "NIFTY M23Nov 23,700..25,000 CE/PE", "Z1", "← Z1/s1 (rule removed)"),
            PlanLine("mode", 3, "NIFTYNXT50 M29Dec", "Z1", "full → quote  Z1/s2"),
        ),
        added=54, removed=54, mode_changed=3, unchanged=4_138,
        unresolved=(Unplaced("NIFTY26D0827400CE", "not in today's instruments, kept"),),
        load_after=(("Z1", 2_976, 9_000), ("Z2", 1_216, 9_000)), backfill_requests=54, merged_triggers=3,
    )  # fmt: skip


def some_volatilities() -> dict[str, tuple[tuple[date, float], ...]]:
    """Three months of NIFTY that swing between 10 % and 16 %, and a week of SENSEX."""
    last = NOW.date() - timedelta(days=3)
    nifty = tuple((last - timedelta(days=90 - place), 0.10 + 0.001 * (place * 7 % 61)) for place in range(91))
    return {"NIFTY": nifty, "SENSEX": nifty[-5:]}


@dataclass
class FakeBackend:
    """See the module. Assign a field to change what the screens are told."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    calendar: MarketCalendar = field(default_factory=load_calendar)
    board: MarketBoard = field(default_factory=MarketBoard)
    table: InstrumentTable = field(default_factory=lambda: InstrumentTable.from_instruments(()))
    indices: dict[str, int] = field(default_factory=dict)
    state: RuntimeState = field(default_factory=live_runtime)
    progress: BootstrapProgress = field(default_factory=some_progress)
    event_list: tuple[Event, ...] = field(default_factory=some_events)
    rule_list: tuple[RuleStatus, ...] = field(default_factory=some_rules)
    plan: ReloadPlan = field(default_factory=some_plan)
    leg_list: tuple[WatchedInstrument, ...] = ()
    stored_candles: Candles = field(default_factory=Candles.empty)
    candles_of: dict[int, Candles] = field(default_factory=dict)
    figures: HealthFigures = field(
        default_factory=lambda: HealthFigures(14.0, 212.0, 1.2, 0.04, None, 0, 4.1, 4_192, 3.0, 0, NOW.date())
    )
    volatilities: dict[str, tuple[tuple[date, float], ...]] = field(default_factory=some_volatilities)
    notes: dict[date, str] = field(default_factory=dict)
    terms: dict[int, TermsChange] = field(default_factory=dict)
    new_names: dict[str, str] = field(default_factory=dict)
    seed: MockSeed = field(default_factory=lambda: MockSeed(SeedOrigin.TYPICAL, None, is_close=False, number=7))
    deviation_list: tuple[Deviation, ...] = ()
    refusal: str = ""
    incomplete: str = ""
    calls: list[tuple[object, ...]] = field(default_factory=list)

    def runtime(self) -> RuntimeState:
        return self.state

    def deviations(self) -> tuple[Deviation, ...]:
        return self.deviation_list

    def bootstrap(self) -> BootstrapProgress:
        return self.progress

    def tasks(self) -> tuple[TaskInfo, ...]:
        at = self.clock.now()
        return (
            TaskInfo("stream Z1", TaskState.RUNNING, 0, "", None, at, at),
            TaskInfo("stream Z2", TaskState.RUNNING, 1, "the connection was reset", at - timedelta(seconds=9), at, at),
            TaskInfo("bootstrap", TaskState.RESTARTING, 2, "the database was busy", at, at, at - timedelta(seconds=70)),
        )

    def events(self, since: int = 0) -> tuple[Event, ...]:
        return tuple(event for event in self.event_list if event.sequence > since)

    def rules(self) -> tuple[RuleStatus, ...]:
        return self.rule_list

    def legs(self) -> Legs:
        return Legs.of(self.leg_list, self.table)

    def mock_seed(self, underlying: str) -> MockSeed | None:
        return self.seed

    def health(self) -> HealthFigures:
        return self.figures

    def underlyings(self) -> tuple[str, ...]:
        return self.table.option_underlyings

    def underlying_named(self, text: str) -> str | None:
        name = self.table.underlying_named(text)
        return name if name in self.table.option_underlyings else None

    def explain_name(self, underlying: str) -> str:
        return self.table.explain_name(underlying)

    def expiries(self, underlying: str) -> tuple[ListedExpiry, ...]:
        today = self.clock.now().date()
        listed = tuple(expiry for expiry in self.table.expiries_of(underlying) if expiry >= today)
        return expiry_marks(listed, today, self.notes)

    def chain(self, underlying: str, expiry: date) -> ChainRows | None:
        return self.table.chain(underlying, expiry)

    def underlying_kind(self, underlying: str) -> UnderlyingKind:
        return UnderlyingKind.INDEX if underlying in self.indices else UnderlyingKind.OTHER

    def instrument(self, token: int) -> Instrument | None:
        return self.table.get(token)

    def renamed(self, underlying: str) -> str | None:
        return self.new_names.get(underlying)

    def terms_change(self, token: int) -> TermsChange | None:
        return self.terms.get(token)

    def index_token(self, underlying: str) -> int | None:
        return self.indices.get(underlying)

    def priced_by(self, underlying: str, expiry: date | None = None) -> Instrument | None:
        if self.index_token(underlying) is not None:
            return None
        futures = self.table.futures_of(underlying)
        return next((one for one in futures if expiry is None or one.expiry is None or one.expiry >= expiry), None)

    def future(self, underlying: str) -> Instrument | None:
        return next(iter(self.table.futures_of(underlying)), None)

    def search(self, text: str, limit: int = 50) -> tuple[Instrument, ...]:
        words = text.upper().split()
        found = (self.table.instrument(row) for row in range(len(self.table)))
        return tuple(i for i in found if all(word in i.tradingsymbol for word in words))[:limit]

    def instruments_day(self) -> date | None:
        return self.clock.now().date() if len(self.table) else None

    def _note(self, *call: object) -> None:
        self.calls.append(call)
        if self.refusal:
            raise BackendRefused(self.refusal)

    def note(self, topic: str, text: str, severity: Severity = Severity.INFO) -> None:
        number = self.event_list[-1].sequence + 1 if self.event_list else 1
        self.event_list += (Event(number, self.clock.now(), severity, topic, text),)

    async def refresh_contracts(self) -> str:
        self._note("refresh_contracts")
        return "39,952 contracts of 23 Nov, the same as before"

    async def plan_reload(self) -> ReloadPlan:
        self._note("plan_reload")
        return self.plan

    async def apply_reload(self) -> ReloadResult:
        self._note("apply_reload")
        return ReloadResult(self.clock.now(), 119, 54, 54, 0, 3, 0.8)

    async def what_if(self, rule: ChainRule) -> RuleCost:
        self._note("what_if", rule)
        return RuleCost(162, 120, True, (("Z1", 120, 3_108, 9_000),), 0, 120, 40.0)

    async def add_rule(self, rule: ChainRule) -> None:
        self._note("add_rule", rule)

    async def remove_rule(self, rule_id: int) -> None:
        self._note("remove_rule", rule_id)

    async def pin_rule(self, rule_id: int, account: str | None) -> None:
        self._note("pin_rule", rule_id, account)

    async def reconnect(self, account: str) -> None:
        self._note("reconnect", account)

    async def move_account(self, account: str) -> None:
        self._note("move_account", account)

    async def set_feed(self, feed: FeedMode) -> None:
        self._note("set_feed", feed)

    def login_page(self, account: str) -> LoginPage:
        return LoginPage(account, f"https://kite.zerodha.com/connect/login?v=3&api_key={account.lower()}key")

    async def login(self, account: str, redirect: str) -> None:
        if self.incomplete:
            raise PasteIncomplete(self.incomplete)
        self._note("login", account, redirect)

    async def toggle_bootstrap(self) -> None:
        self._note("toggle_bootstrap")

    async def retry_failed(self) -> None:
        self._note("retry_failed")

    async def candles(self, token: int, start: datetime, end: datetime) -> Candles:
        self._note("candles", token)
        return self.candles_of.get(token, self.stored_candles)

    async def atm_iv_history(self, underlying: str, days: int) -> Sequence[tuple[date, float]]:
        self._note("atm_iv_history", underlying)
        return self.volatilities.get(underlying, ())[-days:]


def a_leg(token: int, label: str) -> WatchedInstrument:
    """One leg of the first rule."""
    return WatchedInstrument(token, label, Mode.FULL, "Z1", 1, (some_rules()[0].rule.rule_id,))
