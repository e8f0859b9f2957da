"""`own_store`: a store holds the data of one broker, and says so when it is opened for another.

The engine calls it once, before anything reads the store. Contracts, candles and tokens of two markets look alike: what
one has stored would count as fetched and be drawn for the other, and be dropped by the other's date.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final, Protocol

from anyio import to_thread

from tickertui.market.subscriptions import ChainRule
from tickertui.market.universe import Universe
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.store.identity import LATEST, BrokerIdentity, BrokerKind, DataOwner, ForeignData, HistoryRegion, SetAside
from tickertui.store.protocol import ContractKey, StoreOfAnotherBroker, StoreUnreadable

_WITH_A_CLOCK_TO_SET: Final = (BrokerKind.SIMULATOR, BrokerKind.ADDRESS, BrokerKind.MOCK)


class OwnedStore(Protocol):
    """The part of a store that is asked (`tickertui.store.protocol.Store`)."""

    @property
    def label(self) -> str:
        """Where it is."""
        ...

    async def data_owner(self) -> DataOwner | None:
        """Return whose data it holds, None while nobody has claimed it."""
        ...

    async def claim_data(self, owner: DataOwner) -> DataOwner:
        """Note whose data it holds where nobody has, and return whose they are then."""
        ...

    async def note_market_day(self, day: date) -> None:
        """Keep the day of a market whose clock can be set back."""
        ...

    async def load_instruments(self) -> tuple[date, bytes] | None:
        """Return the kept dump and its day."""
        ...

    async def stored_days(self) -> dict[ContractKey, list[date]]:
        """Return the days with candles by contract."""
        ...

    async def contracts_from(self, day: date) -> list[ContractKey]:
        """Return the contracts of which something is stored of a day or later ones."""
        ...

    async def set_aside(self, foreign: ForeignData) -> SetAside:
        """Move what is of another market out of the way."""
        ...


async def own_store(
    store: OwnedStore, broker: BrokerIdentity, today: date, universe: Universe, events: EventLog
) -> bool:
    """Make sure that a store holds a broker's data and nobody else's.

    A store that nobody has claimed yet and that holds a market's data was written by an earlier version: it is taken
    for Kite's, and what cannot be Kite's in it is set aside.

    Args:
        store: Just opened.
        broker: Whose data are wanted.
        today: The broker's market day.
        universe: Whose numbering a simulator and the mock use.
        events: Told of what was set aside.

    Returns:
        Whether the store is the broker's from now on, and was nobody's before.

    Raises:
        StoreOfAnotherBroker: When it holds another broker's; nothing was changed.
        StoreError: When it cannot be read or written.
    """
    owner = await store.data_owner()
    is_new = owner is None
    if owner is None:
        owner = await _claim(store, broker, today, universe, events)
    if owner.identity != broker.key:
        raise StoreOfAnotherBroker(
            f"{store.label} holds data of {owner.name}, and this configuration is for {broker.name}; "
            "take store.url out, then each has a database of its own, or name another place in it"
        )
    if broker.kind in _WITH_A_CLOCK_TO_SET:
        await _follow_clock(store, owner, today, events)
    return is_new


class RuleStore(Protocol):
    """The part of a store that has the rules (`tickertui.store.protocol.Store`)."""

    async def list_rules(self) -> list[ChainRule]:
        """Return the rules in the order they were added."""
        ...

    async def add_rule(self, rule: ChainRule) -> ChainRule:
        """Store a new rule and return it with its number."""
        ...


class EarlierStore(OwnedStore, RuleStore, Protocol):
    """A store of before each broker had its own."""


async def inherit_rules(store: RuleStore, earlier: EarlierStore, events: EventLog) -> None:
    """Take over the rules of a store that was the mock's alone, without saying so: it holds no market's data.

    Args:
        store: The mock's new store.
        earlier: The store that all brokers shared; it stays as it is.
        events: Told of it.

    Raises:
        StoreError: When one of them cannot be read or written.
    """
    if await earlier.data_owner() is not None or await earlier.stored_days() or await _kept_dump(earlier) is not None:
        return
    rules = await earlier.list_rules()
    for rule in rules:
        await store.add_rule(rule)
    if rules:
        events.add("store", f"the mock has a database of its own now; its {len(rules)} rules came from {earlier.label}")


async def _claim(
    store: OwnedStore, broker: BrokerIdentity, today: date, universe: Universe, events: EventLog
) -> DataOwner:
    stored = await store.stored_days()
    dump = await _kept_dump(store)
    if broker.kind is not BrokerKind.KITE and (stored or dump):
        raise StoreOfAnotherBroker(
            f"{store.label} holds a market's data of before each broker's were told apart, and may be Kite's, while "
            f"this configuration is for {broker.name}; take store.url out or name another place in it"
        )
    if stored or dump:
        # Once in the life of a store: no other start pays for it.
        from tickertui.services.contracts.foreign_contracts import find_foreign

        foreign = await to_thread.run_sync(find_foreign, stored, dump, universe, today)
        if not foreign.is_empty:
            _tell(events, store.label, await store.set_aside(foreign))
    latest = today if broker.kind in _WITH_A_CLOCK_TO_SET else None
    return await store.claim_data(DataOwner(broker.key, broker.name, latest))


async def _kept_dump(store: OwnedStore) -> tuple[date, bytes] | None:
    try:
        return await store.load_instruments()
    except StoreUnreadable:
        return None  # the registry says so when it wants to use it


async def _follow_clock(store: OwnedStore, owner: DataOwner, today: date, events: EventLog) -> None:
    """Set aside what a simulator has shown of days that are yet to come once its clock was set back."""
    if owner.latest_day is not None and owner.latest_day > today:
        first = today + timedelta(days=1)
        regions = [HistoryRegion(*contract, first) for contract in await store.contracts_from(first)]
        dump = await _kept_dump(store)
        is_later = dump is not None and dump[0] > today
        foreign = ForeignData("of days to come: the market's clock was set back", regions, ((first, LATEST),), is_later)
        if not foreign.is_empty:
            _tell(events, store.label, await store.set_aside(foreign))
    if owner.latest_day != today:
        await store.note_market_day(today)


def _tell(events: EventLog, label: str, moved: SetAside) -> None:
    what = [f"{moved.candles:,} candles of {moved.contracts:,} contracts"] if moved.candles else []
    what += ["the kept contracts of the day"] if moved.dump else []
    if what:
        events.add(
            "store",
            f"{' and '.join(what)} were of another market or of days to come; they were set aside in the tables "
            f"set_aside_... of {label}, nothing was deleted",
            severity=Severity.WARNING,
        )
