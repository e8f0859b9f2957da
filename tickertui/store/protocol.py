"""What must survive, as a protocol: `Store`, its values and its errors.

The services talk to this and to nothing below it; `tickertui.store.sqlite` and `tickertui.store.postgres` are the two
that exist, `tickertui.store.open.open_store` picks one. Every method may raise a `StoreError`, whose text is one
sentence for the trader.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import field
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from tickertui.frozen import frozen
from tickertui.market.candles import Candles, Interval
from tickertui.market.configured_rules import ConfiguredChanges
from tickertui.market.contract_terms import Renaming, TermsChange
from tickertui.market.subscriptions import Assignment, ChainRule, SubscriptionRecord, SubscriptionStatus
from tickertui.market.ticks import Mode
from tickertui.store.identity import DataOwner, ForeignData, SetAside

ContractKey = tuple[int, date | None]
"""(token, expiry): the broker uses a token again after its contract has expired."""

Span = tuple[int, int]
"""Half-open [start, end) in epoch seconds, the unit of `Candles.start`."""


class Keep(Enum):
    """Type of `KEEP`."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
"""Says that a value stays as it is, where None already means "none"."""


class StoreError(Exception):
    """The store did not do what it was asked; the text is one sentence."""


class StoreUnreadable(StoreError):  # noqa: N818 - says what is the matter
    """The database is damaged, empty although it was in use, not ours, or cannot be opened."""


class StoreNewer(StoreError):  # noqa: N818 - says what is the matter
    """A newer version of the program has written the database; it is never migrated down."""


class StoreBusy(StoreError):  # noqa: N818 - says what is the matter
    """Another process holds the database for longer than this one waits; trying again later helps."""


class StoreUnavailable(StoreError):  # noqa: N818 - says what is the matter
    """The database server cannot be reached; trying again later helps."""


class StoreOfAnotherBroker(StoreError):  # noqa: N818 - says what is the matter
    """The store holds another market's data; nothing was read or changed."""


class StoreFull(StoreError):  # noqa: N818 - says what is the matter
    """The disk is full: nothing was written, everything written before is there."""


@frozen
class PlanChanges:
    """What a reload changes in the store, written in one transaction.

    Attributes:
        assigned: New and changed assignments.
        released: Tokens that are assigned nowhere any more.
        expired: (token, reason) of subscriptions whose contract is over.
    """

    assigned: Sequence[Assignment] = ()
    released: Sequence[int] = ()
    expired: Sequence[tuple[int, str]] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.assigned or self.released or self.expired)


@frozen
class ContractNews:
    """What of a new dump matters to what is stored.

    Attributes:
        terms: Tokens whose terms changed.
        renamed: Names that became others.
        symbols: Token -> trading symbol of now, of contracts that are the same but go by another symbol.
    """

    terms: Sequence[TermsChange] = ()
    renamed: Sequence[Renaming] = ()
    symbols: Mapping[int, str] = field(default_factory=dict)


NO_NEWS: Final = ContractNews()


@frozen
class Followed:
    """What a new dump did to what the trader asked for.

    Attributes:
        rules: (rule's number, old name, new name) of rules that follow a name.
        legs: Single subscriptions whose contract changed its terms or its symbol, as they were.
    """

    rules: tuple[tuple[int, str, str], ...] = ()
    legs: tuple[SubscriptionRecord, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything happened to it."""
        return bool(self.rules or self.legs)


@frozen
class HistoryFailure:
    """A contract whose history could not be fetched, so that a restart knows it too.

    Attributes:
        token: The broker's ``instrument_token``.
        expiry: With the token it names the contract.
        interval: Length of the candles.
        reason: One sentence.
        attempts: So far.
        failed_at: Of the last attempt, aware.
        retry_at: Aware, None when only the trader can start the next attempt.
    """

    token: int
    expiry: date | None
    interval: Interval
    reason: str
    attempts: int
    failed_at: datetime
    retry_at: datetime | None = None


@frozen
class OpenInterestFact:
    """Open interest of one contract at the end of a day.

    Attributes:
        token: The broker's ``instrument_token``.
        expiry: With the token it names the contract.
        oi: Units.
    """

    token: int
    expiry: date | None
    oi: int


@frozen
class StoredInterest:
    """Open interest of a stored candle.

    Attributes:
        start: Start of the candle, epoch seconds.
        oi: Units.
        covered: What is complete from it on, ascending; may reach further on both sides.
    """

    start: int
    oi: int
    covered: tuple[Span, ...] = ()


class SessionValues(NamedTuple):
    """A session of one contract as its candles tell it; prices are the segment's wire integers.

    Attributes:
        open: Of the first candle.
        high: Highest.
        low: Lowest.
        close: Of the last candle.
        volume: Units.
        oi: Units, of the last candle that has one; -1 for none.
        last_start: Start of the last candle, epoch seconds.
        previous_close: Of the session before, 0 where it is not known.
    """

    open: int
    high: int
    low: int
    close: int
    volume: int
    oi: int
    last_start: int
    previous_close: int


@frozen
class VolatilityFact:
    """At-the-money implied volatility of an underlying at the end of a day.

    Attributes:
        underlying: Name.
        atm_iv: Fraction per year (0.12 is 12 %).
    """

    underlying: str
    atm_iv: float


@frozen
class Owner:
    """Which terminal streams an account.

    Attributes:
        host: Name of its machine.
        pid: Its process there.
        since: When it took the account, aware.
    """

    host: str
    pid: int
    since: datetime

    def describe(self) -> str:
        """For the screen, e.g. ``desk-2, process 4711, since 09:14``."""
        return f"{self.host}, process {self.pid}, since {self.since:%H:%M}"


class Claim(Protocol):
    """An account that this process streams and no other."""

    @property
    def account(self) -> str:
        """Account id."""
        ...

    @property
    def is_held(self) -> bool:
        """Whether it is still ours; False after `release`, or when the database server has lost us."""
        ...

    async def release(self) -> None:
        """Give it back; doing so twice is nothing."""
        ...


class Store(Protocol):
    """Subscriptions, rules, placement, contracts of the day, candles, progress and daily facts.

    Every writing method is one transaction: it is wholly there or not at all, whatever happens meanwhile.
    """

    @property
    def label(self) -> str:
        """Where it is, without secrets: a path, or host and database."""
        ...

    # -- subscriptions

    async def list_active(self) -> list[SubscriptionRecord]:
        """Return the active subscriptions, ordered by creation and token."""
        ...

    async def list_all(self) -> list[SubscriptionRecord]:
        """Return every subscription, ordered by creation and token."""
        ...

    async def get(self, token: int) -> SubscriptionRecord | None:
        """Return one subscription, None where there is none."""
        ...

    async def upsert(
        self,
        *,
        token: int,
        tradingsymbol: str,
        segment: str,
        expiry: date | None,
        mode: Mode = Mode.FULL,
        preferred_account: str | Keep | None = KEEP,
    ) -> None:
        """Add a subscription or renew it; it is active afterwards.

        Without ``preferred_account`` an existing pin stays. The same token with another expiry is another contract:
        it takes the place of the old one and inherits nothing.
        """
        ...

    async def deactivate(
        self, token: int, reason: str, status: SubscriptionStatus = SubscriptionStatus.INACTIVE
    ) -> bool:
        """End an active subscription; False where there was no active one."""
        ...

    # -- rules

    async def list_rules(self) -> list[ChainRule]:
        """Return the rules in the order they were added."""
        ...

    async def add_rule(self, rule: ChainRule) -> ChainRule:
        """Store a new rule and return it with its number."""
        ...

    async def update_rule(self, rule: ChainRule) -> bool:
        """Replace the rule of the same number; False where there is none."""
        ...

    async def remove_rule(self, rule_id: int) -> bool:
        """Drop a rule; False where there is none."""
        ...

    async def sync_configured_rules(
        self, origin: str, entries: Sequence[ChainRule], before: Sequence[ChainRule] = ()
    ) -> ConfiguredChanges:
        """Make the rules what a configuration says, as far as it says something else than the last time.

        Entries become rules, each once: what the trader drops stays dropped, what is changed in the program stays
        changed, an edited entry changes its rule, and the rule of an entry that is gone stays; see
        `tickertui.market.configured_rules`.

        Args:
            origin: Names the configuration; each remembers entries of its own.
            entries: The configuration's rules.
            before: What it said the last time, for one of which nothing is remembered here; numbers are those of the
                rules, 0 for a rule that is gone.

        Returns:
            What changed; nothing where the entries are those of the last time.
        """
        ...

    # -- placement

    async def list_assignments(self) -> list[Assignment]:
        """Return where the last plan put each contract, by token."""
        ...

    async def save_plan(self, changes: PlanChanges) -> None:
        """Write what a reload changed. It does not count as a change of what the trader wants (`revision`)."""
        ...

    # -- contracts of the day

    async def save_instruments(self, day: date, csv: bytes, news: ContractNews = NO_NEWS) -> Followed:
        """Keep the broker's dump of a day in place of the one before, and what it changes.

        From then on nothing that is stored of a token from before a change of its terms is given out: no candle, no
        coverage, no day's open interest. Rules and volatilities follow a name that became exactly one other. Doing it
        again changes nothing.

        Args:
            day: Of the dump.
            csv: The dump.
            news: How it differs from the one before.

        Returns:
            What the trader asked for and what happened to it.
        """
        ...

    async def terms_changes(self) -> dict[int, TermsChange]:
        """Return the last change of each token's terms."""
        ...

    async def load_instruments(self) -> tuple[date, bytes] | None:
        """Return the dump that was kept last and its day, None where there is none."""
        ...

    # -- candles

    async def add_candles(
        self,
        token: int,
        expiry: date | None,
        interval: Interval,
        candles: Candles,
        covered: tuple[datetime, datetime] | None,
    ) -> None:
        """Store candles and, in the same transaction, what they prove to be complete.

        Doing it again changes nothing. A candle that is there already takes the new values; an open interest that
        was not asked for (-1) does not replace a known one.

        Args:
            token: The broker's ``instrument_token``.
            expiry: With the token it names the contract.
            interval: Length of the candles.
            candles: In any order; of two with the same start the later one counts.
            covered: [start, end) for which the broker was asked and whose candles are final; None for none.
        """
        ...

    async def candles(
        self, token: int, expiry: date | None, interval: Interval, start: datetime, end: datetime
    ) -> Candles:
        """Return the stored candles that start in [start, end), ascending.

        Where the broker's are not there yet, those of the session's own ticks are; `Candles.own` tells which.
        """
        ...

    async def add_session_candles(self, interval: Interval, contracts: Sequence[ContractKey], candles: Candles) -> None:
        """Store candles made from the session's own ticks.

        They prove nothing to be complete: `coverage` and `candle_days` do not know them, and `add_candles` drops those
        of the span that it covers.

        Args:
            interval: Length of the candles.
            contracts: Whose each candle is, as long as ``candles``; no contract has two with the same start.
            candles: In the order of ``contracts``.
        """
        ...

    async def session_values(
        self, interval: Interval, contracts: Sequence[ContractKey], session: Span, before: Span | None
    ) -> dict[ContractKey, SessionValues]:
        """Return the values of a session of those contracts of which the whole of it is stored, and a trade in it.

        Args:
            interval: Length of the candles.
            contracts: Which; some hundred at once.
            session: Its open and close.
            before: Those of the session before it, None where it is not known.
        """
        ...

    async def contracts_expiring(self, day: date) -> list[int]:
        """Return the tokens of contracts that expire on a day and of which anything is stored, ascending."""
        ...

    async def coverage(self, interval: Interval) -> dict[ContractKey, list[Span]]:
        """Return for each contract what is complete: ascending spans that do not touch."""
        ...

    async def last_interest(
        self, token: int, expiry: date | None, interval: Interval, before: datetime
    ) -> StoredInterest | None:
        """Return the open interest of the last stored candle that starts before an instant and has one."""
        ...

    async def candle_days(self, interval: Interval, first: date, last: date) -> dict[ContractKey, dict[date, int]]:
        """Return how many candles are stored for each contract and day from ``first`` to ``last``, both included."""
        ...

    async def prune_candles(self, before: date) -> int:
        """Drop candles of days before ``before`` and the coverage of these days; return how many candles."""
        ...

    # -- failures of the backfill

    async def record_failure(self, failure: HistoryFailure) -> None:
        """Keep the last failure of a contract and interval."""
        ...

    async def failures(self, interval: Interval) -> list[HistoryFailure]:
        """Return the kept failures, latest first."""
        ...

    async def clear_failures(self, interval: Interval, contracts: Sequence[ContractKey] | None = None) -> None:
        """Forget the failures of some contracts, or of all."""
        ...

    # -- daily facts

    async def save_daily_facts(
        self,
        day: date,
        open_interest: Sequence[OpenInterestFact] = (),
        volatility: Sequence[VolatilityFact] = (),
    ) -> None:
        """Keep facts of a finished trading day; facts that are there already take the new values."""
        ...

    async def open_interest_on(self, day: date) -> dict[ContractKey, int]:
        """Return the open interest of each contract at the end of a day; nothing of one that was not stored.

        There is no "last stored day": which day to compare with is the calendar's business, for each exchange its own.
        """
        ...

    async def atm_iv_history(self, underlying: str, days: int) -> list[tuple[date, float]]:
        """Return the latest ``days`` stored at-the-money volatilities, ascending by day."""
        ...

    # -- whose data these are

    async def data_owner(self) -> DataOwner | None:
        """Return whose data the store holds, None while nobody has claimed it."""
        ...

    async def claim_data(self, owner: DataOwner) -> DataOwner:
        """Note whose data the store holds where nobody has, and return whose they are then."""
        ...

    async def note_market_day(self, day: date) -> None:
        """Keep the day of a market whose clock can be set back."""
        ...

    async def stored_days(self) -> dict[ContractKey, list[date]]:
        """Return the days of which candles of any length are stored, ascending, by contract."""
        ...

    async def contracts_from(self, day: date) -> list[ContractKey]:
        """Return the contracts of which something is stored of a day or later ones."""
        ...

    async def set_aside(self, foreign: ForeignData) -> SetAside:
        """Move what is of another market into tables that nothing reads, in one transaction."""
        ...

    # -- the store itself

    async def revision(self) -> int:
        """Return the number of changes to subscriptions and rules so far."""
        ...

    def changes(self) -> AsyncGenerator[int]:
        """Yield the revision whenever *others* have changed subscriptions or rules, within 2 s, for ever.

        Changes of this process are not reported. After a lost connection it yields once more, whether something
        changed or not: what happened meanwhile must be read again.
        """
        ...

    async def claim_account(self, account: str) -> Claim | Owner:
        """Take an account for this process, or say who has it."""
        ...

    async def backup(self) -> Path | None:
        """Copy the database while it is in use; return where to, None where this is not the program's business."""
        ...

    async def close(self) -> None:
        """Give everything back; doing so twice is nothing."""
        ...
