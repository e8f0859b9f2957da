"""What the screens ask of the program behind them: one protocol, so that a screen is tested without services.

`tickertui.tui.services_backend` implements it over the running services; the tests implement it over prepared data.
Every reading method returns at once; the ones that change something are coroutines and raise `BackendRefused` with
one sentence for the trader.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from tickertui.frozen import frozen
from tickertui.market.board import MarketBoard
from tickertui.market.candles import Candles
from tickertui.market.clock import Clock
from tickertui.market.contract_terms import TermsChange
from tickertui.market.hours import MarketCalendar, UnderlyingKind
from tickertui.market.instruments import ChainRows, Instrument
from tickertui.market.subscriptions import ChainRule
from tickertui.services.history.status import BootstrapProgress
from tickertui.services.loop.status import FeedMode, RuntimeState
from tickertui.services.mock.seeding import MockSeed
from tickertui.services.plan.legs import Legs
from tickertui.services.plan.status import ReloadPlan, ReloadResult, RuleCost, RuleStatus
from tickertui.services.supervision.events import Event, Severity
from tickertui.services.supervision.observed_hours import Deviation
from tickertui.services.supervision.status import TaskInfo
from tickertui.tui.view.frames import ListedExpiry


class BackendRefused(Exception):  # noqa: N818 - an answer, not a defect
    """The program cannot do it; the text is one sentence that says why and which key helps."""


class PasteIncomplete(BackendRefused):
    """What was pasted holds no whole request token; what is pasted next may complete it."""


@frozen
class HealthFigures:
    """Figures of the program itself; None where one cannot be had on this platform.

    Attributes:
        cpu_percent: Of one core, over the last seconds.
        memory_mb: Resident.
        loop_delay_ms: How late the event loop ran its last timer.
        clock_skew_s: This machine minus the exchange, by the newest packets.
        database_fault: Why the database does not answer, one sentence; None while it does.
        database_ms: Time of its last answer.
        queued: Frames received from the broker and not looked at yet.
        dropped: Packets refused by the board (unknown, late, older plan, without any figure).
        greeks_ms: Last valuation round that had anything to value.
        greeks_rows: Rows valued in it.
        contracts_day: Trading day of the contracts in force, None without any.
        contracts_stale: Whether the broker has newer ones, so that expiries and lots may be wrong.
        contracts_news: What changed with them that a trader should look at (names, strikes, lots); empty for nothing.
        ahead: Packets whose time stamp lay ahead of the market's clock: taken in and marked.
    """

    cpu_percent: float | None = None
    memory_mb: float | None = None
    loop_delay_ms: float | None = None
    clock_skew_s: float | None = None
    database_fault: str | None = None
    dropped: int = 0
    greeks_ms: float | None = None
    greeks_rows: int = 0
    database_ms: float | None = None
    queued: int = 0
    contracts_day: date | None = None
    contracts_stale: bool = False
    contracts_news: str = ""
    ahead: int = 0


@frozen
class LoginPage:
    """What a login needs to show: the address of the broker's page. The API secret stays behind."""

    account_id: str
    url: str


class Backend(Protocol):
    """The program as the screens see it."""

    @property
    def clock(self) -> Clock:
        """Wall and monotonic time."""
        ...

    @property
    def calendar(self) -> MarketCalendar:
        """Sessions and holidays."""
        ...

    @property
    def board(self) -> MarketBoard:
        """The latest of everything that ticks."""
        ...

    # -- reading ---------------------------------------------------------

    def runtime(self) -> RuntimeState:
        """State of loop, accounts and sockets."""
        ...

    def bootstrap(self) -> BootstrapProgress:
        """State of the backfill."""
        ...

    def tasks(self) -> tuple[TaskInfo, ...]:
        """Every background task."""
        ...

    def events(self, since: int = 0) -> tuple[Event, ...]:
        """Events with a higher number than ``since``, oldest first."""
        ...

    def rules(self) -> tuple[RuleStatus, ...]:
        """Chain rules as they stand."""
        ...

    def legs(self) -> Legs:
        """Every instrument of the plan in force."""
        ...

    def mock_seed(self, underlying: str) -> MockSeed | None:
        """Where the mock's level of an underlying comes from, None where it has none."""
        ...

    def health(self) -> HealthFigures:
        """Figures of the program itself."""
        ...

    def deviations(self) -> tuple[Deviation, ...]:
        """Segments that do not go by the calendar now."""
        ...

    def underlyings(self) -> tuple[str, ...]:
        """Names that have options today; the watched ones first."""
        ...

    def underlying_named(self, text: str) -> str | None:
        """The underlying that a text names (``CDS:USDINR``), None where there is none with options today."""
        ...

    def explain_name(self, underlying: str) -> str:
        """Whose a name is that several exchanges have, and how to write the others; empty for other names."""
        ...

    def expiries(self, underlying: str) -> tuple[ListedExpiry, ...]:
        """Expiries of an underlying that are not over, ascending."""
        ...

    def chain(self, underlying: str, expiry: date) -> ChainRows | None:
        """Strikes and tokens of one chain."""
        ...

    def underlying_kind(self, underlying: str) -> UnderlyingKind:
        """Whether a name is an index's, a share's or neither: the kinds stop at their own times."""
        ...

    def instrument(self, token: int) -> Instrument | None:
        """One contract of the day."""
        ...

    def renamed(self, underlying: str) -> str | None:
        """The name that an underlying goes by since the day's contracts were taken, None where it is the same."""
        ...

    def terms_change(self, token: int) -> TermsChange | None:
        """The last change of a contract's terms, None where nothing is known of one."""
        ...

    def index_token(self, underlying: str) -> int | None:
        """Token of the underlying's index or share."""
        ...

    def future(self, underlying: str) -> Instrument | None:
        """The nearest future."""
        ...

    def priced_by(self, underlying: str, expiry: date | None = None) -> Instrument | None:
        """The future that gives the price of an underlying without index or share (to options of an expiry)."""
        ...

    def search(self, text: str, limit: int = 50) -> tuple[Instrument, ...]:
        """Contracts that match what was typed, best first."""
        ...

    def instruments_day(self) -> date | None:
        """Trading day of the instrument dump, None without one."""
        ...

    # -- doing -----------------------------------------------------------

    def note(self, topic: str, text: str, severity: Severity = Severity.INFO) -> None:
        """Record something that happened on the screen's side among the events."""
        ...

    async def refresh_contracts(self) -> str:
        """Fetch the broker's contracts of the day; return one sentence about what came of it."""
        ...

    async def plan_reload(self) -> ReloadPlan:
        """What a reload would do."""
        ...

    async def apply_reload(self) -> ReloadResult:
        """Do it."""
        ...

    async def what_if(self, rule: ChainRule) -> RuleCost:
        """Cost of a rule before it is added."""
        ...

    async def add_rule(self, rule: ChainRule) -> None:
        """Store a rule; a reload follows by itself."""
        ...

    async def remove_rule(self, rule_id: int) -> None:
        """Drop a rule; a reload follows by itself."""
        ...

    async def pin_rule(self, rule_id: int, account: str | None) -> None:
        """Pin a rule to an account, or unpin it."""
        ...

    async def reconnect(self, account: str) -> None:
        """Rebuild the sockets of an account."""
        ...

    async def move_account(self, account: str) -> None:
        """Move an account's legs to accounts with room, until it is logged in or rebuilt."""
        ...

    async def set_feed(self, feed: FeedMode) -> None:
        """Switch the mock on (MOCK) or back to what the accounts and the calendar say (LIVE)."""
        ...

    def login_page(self, account: str) -> LoginPage:
        """Where to log in."""
        ...

    async def login(self, account: str, redirect: str) -> None:
        """Exchange the redirect address or request token for the day's token."""
        ...

    async def toggle_bootstrap(self) -> None:
        """Start or pause the backfill."""
        ...

    async def retry_failed(self) -> None:
        """Ask again for what failed."""
        ...

    async def candles(self, token: int, start: datetime, end: datetime) -> Candles:
        """One-minute candles of a leg: stored ones, in a mock the mock's own."""
        ...

    async def atm_iv_history(self, underlying: str, days: int) -> Sequence[tuple[date, float]]:
        """Kept at-the-money volatilities of the last days, ascending by day."""
        ...


def price_token(backend: Backend, underlying: str) -> int:
    """Return the token of what an underlying's price is read from: index or share, else a future; 0 for nothing."""
    pricing = backend.priced_by(underlying)
    return backend.index_token(underlying) or (pricing.token if pricing is not None else 0)
