"""`InstrumentRegistry`: the day's contracts, from the broker's dump.

The ticker loop refreshes it once a trading day (and when the broker says that its dump has changed), the reconciler
expands chain rules from it, the screens look contracts up in it. The dump is replaced as a whole or not at all: one
that is cut off or implausibly small is refused (`tickertui.services.contracts.plausibility`), and the contracts before
it stay in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Final, Protocol, TypeVar

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.kite.instruments_csv import DumpError, ParsedDump, parse_dump
from tickertui.market.clock import IST, Clock
from tickertui.market.contract_terms import TermsChange
from tickertui.market.instruments import ChainRows, Instrument, InstrumentKind, InstrumentTable
from tickertui.services.contracts.day_contracts import DayContracts, ExpiryCalendar
from tickertui.services.contracts.differences import Differences, differences
from tickertui.services.contracts.overnight import news_of, sentences
from tickertui.services.contracts.plausibility import DumpJudge, DumpRefused, Needed, Plausibility
from tickertui.services.contracts.search import SearchIndex
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.store.protocol import ContractNews, Followed

T = TypeVar("T")

READY_AT: Final = time(8, 0)
"""The broker writes the dump of a day at about 08:00 (Kite Connect v3, market quotes and instruments)."""

_CALENDAR_SEGMENT: Final = "NFO"
_LOOK_BACK_DAYS: Final = 30


class InstrumentSource(Protocol):
    """Where a dump comes from: `tickertui.kite.client.KiteClient`."""

    async def fetch_instruments_csv(self, exchange: str | None = None) -> bytes:
        """Return the broker's CSV."""
        ...


class InstrumentCache(Protocol):
    """Where the day's dump is kept: `tickertui.store.protocol.Store`."""

    async def save_instruments(self, day: date, csv: bytes, news: ContractNews) -> Followed:
        """Keep a dump in place of the one before, and what it changes."""
        ...

    async def terms_changes(self) -> dict[int, TermsChange]:
        """Return the last change of each token's terms."""
        ...

    async def load_instruments(self) -> tuple[date, bytes] | None:
        """Return the kept dump and its day."""
        ...


@frozen
class RefreshReport:
    """What came of a refresh.

    Attributes:
        changed: Whether other contracts are in force now.
        rows: Contracts in force.
        day: Their trading day, None where there are none.
        differences: From the contracts before; empty where nothing changed or nothing was there before.
        skipped: Rows of the dump that could not be read.
        refused: Why the dump was refused, empty when it was not.
    """

    changed: bool
    rows: int
    day: date | None
    differences: Differences = field(default_factory=Differences)
    skipped: int = 0
    refused: str = ""


_USUAL: Final = Plausibility()


class InstrumentRegistry:
    """The contracts in force, and the way to the next ones.

    Args:
        clock: Says which day it is.
        calendar: Sessions and expiry instants.
        index_tokens: Underlying -> token of its index; the dump does not connect the two.
        cache: Keeps the dump of the day; None for none.
        events: Refreshes and refusals are recorded here.
        plausibility: When a dump is taken for whole.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        calendar: ExpiryCalendar,
        index_tokens: Mapping[str, int],
        cache: InstrumentCache | None = None,
        events: EventLog | None = None,
        plausibility: Plausibility = _USUAL,
    ) -> None:
        self._clock = clock
        self._calendar = calendar
        self._index_tokens = dict(index_tokens)
        self._cache = cache
        self._events = events
        self._judge = DumpJudge(plausibility)
        self._contracts = self._contracts_of(InstrumentTable.from_instruments(()), None, bundled=False)
        self._search: SearchIndex | None = None
        self._terms: Mapping[int, TermsChange] = {}
        self._unkept: list[tuple[date, bytes, Differences]] = []
        self._lock = anyio.Lock()
        self.differences = Differences()
        """Of the last refresh that changed something."""
        self.last_refusal = ""
        """Why the last dump was refused; empty when it was not."""

    # ------------------------------------------------------------------ what is in force

    @property
    def contracts(self) -> DayContracts:
        """The contracts in force; this object never changes, the property gives another one after a refresh."""
        return self._contracts

    @property
    def table(self) -> InstrumentTable:
        """Their columns."""
        return self._contracts.table

    @property
    def day(self) -> date | None:
        """Their trading day, None before there are any."""
        return self._contracts.day

    def __len__(self) -> int:
        return len(self._contracts)

    def dump_day(self) -> date:
        """Return the trading day whose dump the broker gives now: today's from 08:00 on, else that of the day before.

        A day without trading has no dump of its own here: the one of the last trading day is good for it.
        """
        now = self._clock.now()
        day = now.date() if now.time() >= READY_AT else now.date() - timedelta(days=1)
        for back in range(_LOOK_BACK_DAYS):
            candidate = day - timedelta(days=back)
            if self._calendar.is_trading_day(_CALENDAR_SEGMENT, candidate):
                return candidate
        return day

    def is_stale(self) -> bool:
        """Whether the broker has a newer dump, or there is none yet, or only the bundled one."""
        contracts = self._contracts
        return not len(contracts) or contracts.bundled or contracts.day is None or contracts.day < self.dump_day()

    def watch_needed(self, needed: Needed) -> None:
        """Let a dump that lacks an exchange be taken at once while nothing that is subscribed is missing in it.

        Args:
            needed: Tokens that are subscribed, None while that is not known yet.
        """
        self._judge.needed = needed

    # ------------------------------------------------------------------ replacing

    async def load_cached(self) -> bool:
        """Take the kept dump into force; True when there was one that can be used, however old it is.

        Contracts of an earlier day are better than none: those that have expired are known by their date.

        Raises:
            StoreError: When the cache cannot be read.
        """
        async with self._lock:
            if self._cache is None:
                return False
            kept = await self._cache.load_instruments()
            self._terms = await self._cache.terms_changes()
            if kept is None:
                return False
            day, csv = kept
            try:
                parsed, contracts, search = await anyio.to_thread.run_sync(self._read, csv, day)
                self._judge.check_broker(parsed.table, day)
            except (DumpError, DumpRefused) as error:
                self._say(f"the kept contracts of {day:%d %b} cannot be used: {error}", Severity.WARNING)
                return False
            self._install(contracts, search)
            return True

    async def refresh(self, source: InstrumentSource, force: bool = False) -> RefreshReport:
        """Ask the broker for its dump when there is a newer one, and take it into force if it is whole.

        Args:
            source: Gives the CSV.
            force: Ask in any case.

        Raises:
            KiteError: What the source raises; the contracts in force stay, and stay stale.
            StoreError: When the dump cannot be kept; it is in force all the same, and kept with the next refresh.
        """
        async with self._lock:
            if not force and not self.is_stale():
                await self._keep()
                return RefreshReport(changed=False, rows=len(self), day=self.day)
            day = self.dump_day()
            csv = await source.fetch_instruments_csv()
            report = await self._take(csv, day)
            if report.changed:
                self._unkept.append((day, csv, report.differences))
                await self._keep()
            return report

    @property
    def is_kept(self) -> bool:
        """Whether everything that is in force is in the cache too."""
        return not self._unkept

    async def _keep(self) -> None:
        """Write what is not kept yet, the oldest first: each change is told by the dump that it came with."""
        while self._unkept and self._cache is not None:
            day, csv, changes = self._unkept[0]
            followed = await self._cache.save_instruments(day, csv, news_of(changes))
            del self._unkept[0]
            for sentence in sentences(followed, changes, self._contracts):
                self._say(sentence, Severity.WARNING)

    async def _take(self, csv: bytes, day: date) -> RefreshReport:
        before = self._contracts
        over = self._over(before, day)
        try:
            parsed, contracts, search = await anyio.to_thread.run_sync(self._read, csv, day)
            self._judge.check_broker(parsed.table, day)
            self._judge.check(parsed.table, before, day, over)
        except (DumpError, DumpRefused) as error:
            self.last_refusal = str(error)
            self._say(f"today's contracts were refused: {error}", Severity.ERROR)
            return RefreshReport(changed=False, rows=len(self), day=self.day, refused=self.last_refusal)
        changes = Differences()
        if len(before) and not before.bundled:
            compare = partial(differences, before.table, parsed.table, day, over=over)
            changes = await anyio.to_thread.run_sync(compare)
        changed = not len(before) or before.bundled or before.day != day or not changes.is_empty
        self.last_refusal = ""
        if changed:
            self.differences = changes
            self._note_terms(changes)
            self._install(contracts, search)
            self._report(changes, parsed)
            self._report_moved_names(before.table)
        return RefreshReport(changed, len(self), self.day, changes, parsed.skipped)

    def replace(self, table: InstrumentTable, day: date, *, bundled: bool = False) -> Differences:
        """Take contracts into force that did not come as the broker's CSV.

        Args:
            table: Their columns.
            day: Their trading day.
            bundled: Whether they come with the program. Such contracts are stale from the start and prove nothing
                about the size of a real dump.

        Raises:
            DumpRefused: When they cannot be whole; the contracts before stay in force.
        """
        before = self._contracts
        over = self._over(before, day)
        if not bundled:
            self._judge.check(table, before, day, over)
        elif not len(table):
            raise DumpRefused("the bundled contracts are empty")
        changes = Differences()
        if len(before) and before.bundled == bundled:
            changes = differences(before.table, table, day, over=over)
        self.differences = changes
        if not bundled:
            self._note_terms(changes)
        self._install(self._contracts_of(table, day, bundled=bundled), None)
        return changes

    def _over(self, before: DayContracts, day: date) -> NDArray[np.bool_]:
        """Which contracts of before have expired by now, or when the day of the new ones begins."""
        return before.over(max(self._clock.now(), datetime.combine(day, time(), IST)))

    def _note_terms(self, changes: Differences) -> None:
        if changes.terms:
            self._terms = {**self._terms, **{change.token: change for change in changes.terms}}

    def _read(self, csv: bytes, day: date) -> tuple[ParsedDump, DayContracts, SearchIndex]:
        """Parse, and build every index, in a worker thread."""
        parsed = parse_dump(csv)
        contracts = self._contracts_of(parsed.table, day, bundled=False)
        contracts.warm()
        return parsed, contracts, SearchIndex(contracts.table)

    def _contracts_of(self, table: InstrumentTable, day: date | None, *, bundled: bool) -> DayContracts:
        return DayContracts(table, day, self._index_tokens, self._calendar, bundled=bundled)

    def _install(self, contracts: DayContracts, search: SearchIndex | None) -> None:
        contracts.terms_changes = {} if contracts.bundled else self._terms
        contracts.renamed = () if contracts.bundled else self.differences.renamed
        self._contracts, self._search = contracts, search

    def _report(self, found: Differences, parsed: ParsedDump) -> None:
        severity = Severity.WARNING if found.alarming or parsed.skipped else Severity.INFO
        text = f"{len(self):,} contracts of {self.day:%d %b}: {found.describe()}"
        if parsed.skipped:
            text += f"; {parsed.skipped:,} rows could not be read, the first: {parsed.problems[0]}"
        self._say(text, severity)

    def _report_moved_names(self, before: InstrumentTable) -> None:
        """Say it where a bare name means another exchange than it did: rules that say it follow."""
        now = self.table.exchange_of_name
        for name, exchange in before.exchange_of_name.items():
            if now.get(name, exchange) != exchange:
                text = (
                    f"{name} means the contracts of {now[name]} now, of {exchange} before: rules that say {name} follow"
                )
                self._say(f"{text}; {exchange}:{name} would mean {exchange} alone", Severity.WARNING)

    def _say(self, text: str, severity: Severity) -> None:
        if self._events is not None:
            self._events.add("instruments", text, severity=severity)

    # ------------------------------------------------------------------ lookups

    def get(self, token: int) -> Instrument | None:
        """Return the contract of a token, None where the day's dump does not hold it."""
        return self._contracts.get(token)

    def get_metadata(self, token: int) -> Instrument | None:
        """Return the contract of a token; the original service's name of `get`."""
        return self._contracts.get(token)

    def find(
        self, underlying: str, expiry: date | None, strike: float | None, kind: InstrumentKind
    ) -> Instrument | None:
        """Return the contract that these four name, None where there is none."""
        return self._contracts.find(underlying, expiry, strike, kind)

    def underlyings(self) -> tuple[str, ...]:
        """Return the names that have options, alphabetically."""
        return self._contracts.underlyings()

    def expiries(self, underlying: str, *, from_: date | None = None) -> tuple[date, ...]:
        """Return the listed expiries of an underlying's options, ascending."""
        return self._contracts.expiries(underlying, from_=from_)

    def nearest_expiries(self, underlying: str, count: int, now: datetime | None = None) -> tuple[date, ...]:
        """Return the nearest expiries that are not over."""
        return self._contracts.live_expiries(underlying, now or self._clock.now())[:count]

    def chain(self, underlying: str, expiry: date) -> ChainRows | None:
        """Return strikes and tokens of one chain."""
        return self._contracts.chain(underlying, expiry)

    def option_chain(
        self, underlying: str, expiries: int = 1, strikes: int | None = None, spot: float | None = None
    ) -> tuple[Instrument, ...]:
        """Return the options about the money, by expiry, strike and side; the original service's name.

        Args:
            underlying: Its name.
            expiries: How many of the nearest.
            strikes: On each side of the money, None for all.
            spot: Where the money is; the middle strike without one.
        """
        instruments = []
        for expiry in self.nearest_expiries(underlying, expiries):
            chain = self._contracts.chain(underlying, expiry)
            if chain is None:
                continue
            centre = len(chain.strikes) // 2 if spot is None else int(np.abs(chain.strikes - spot).argmin())
            low = 0 if strikes is None else max(0, centre - strikes)
            high = len(chain.strikes) if strikes is None else centre + strikes + 1
            pairs = zip(chain.call_tokens[low:high].tolist(), chain.put_tokens[low:high].tolist(), strict=True)
            instruments += [self._contracts.get(token) for pair in pairs for token in pair if token >= 0]
        return tuple(instrument for instrument in instruments if instrument is not None)

    def index_token(self, underlying: str) -> int | None:
        """Return the token of an underlying's index or share."""
        return self._contracts.index_token(underlying)

    def future(self, underlying: str, expiry: date | None = None) -> Instrument | None:
        """Return an underlying's future of an expiry, or the nearest one that is not over."""
        return self._contracts.future(underlying, expiry, now=self._clock.now())

    def priced_by(self, underlying: str, expiry: date | None = None) -> Instrument | None:
        """Return the future whose price is that of an underlying without index or share, None where there is one."""
        return self._contracts.priced_by(underlying, expiry, now=self._clock.now())

    def price_token(self, underlying: str) -> int | None:
        """Return the token of what an underlying's price is read from: index or share, else its nearest future."""
        return self._contracts.price_token(underlying, now=self._clock.now())

    def search(self, text: str, limit: int = 50) -> tuple[Instrument, ...]:
        """Return the contracts that fit what was typed ("nifty 24500 ce dec"), best first."""
        if self._search is None:
            self._search = SearchIndex(self.table)
        return self._search.find(text, limit)
