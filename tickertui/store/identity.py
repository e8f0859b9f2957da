"""`BrokerIdentity`: whose market the data of a store are of, and the values that tell what is of another's.

`tickertui.settings.broker.broker_of` tells it from the configuration. The store keeps it with the data and refuses
another's (`tickertui.services.contracts.store_owner`); the directories of an installation follow from it
(`tickertui.settings.paths.Paths.of`). Contracts, candles and tokens of two markets look alike, so nothing else could
tell them apart afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import Enum
from typing import Final

from tickertui.frozen import frozen


class BrokerKind(Enum):
    """What kind of market it is."""

    KITE = "kite"
    """The broker's own hosts."""
    SIMULATOR = "simulator"
    """A simulator that says which market it shows; its address changes from start to start."""
    ADDRESS = "address"
    """Whoever answers at another address."""
    MOCK = "mock"
    """The mock of a configuration without an account, with contracts of its own making."""


@frozen
class BrokerIdentity:
    """Whose data they are.

    Attributes:
        kind: See `BrokerKind`.
        key: The same for the same market, different for any other; kept in the store.
        name: For sentences, e.g. ``the simulated market "seed 7, calm"``.
        folder: Name of its directory; empty for the broker itself, whose files lie where they always have.
    """

    kind: BrokerKind
    key: str
    name: str
    folder: str


KITE: Final = BrokerIdentity(BrokerKind.KITE, "kite", "Kite", "")
MOCK: Final = BrokerIdentity(BrokerKind.MOCK, "mock", "the mock", "mock")

EARLIEST: Final = date(1970, 1, 2)
LATEST: Final = date(9999, 12, 30)
"""Bounds of a `HistoryRegion` that has none."""


@frozen
class DataOwner:
    """Whose data a store holds.

    Attributes:
        identity: `BrokerIdentity.key`.
        name: For sentences.
        latest_day: Latest market day on which it was opened; None where the market's clock is nobody's to set.
    """

    identity: str
    name: str
    latest_day: date | None = None


@frozen
class HistoryRegion:
    """Days of one contract.

    Attributes:
        token: The broker's ``instrument_token``.
        expiry: With the token it names the contract.
        first: First day.
        last: Last day, included.
    """

    token: int
    expiry: date | None
    first: date = EARLIEST
    last: date = LATEST


@frozen
class ForeignData:
    """What a store holds of another market, or of days to come.

    Attributes:
        reason: Why, for who looks at it later.
        regions: Candles, coverage and open interest.
        volatility_days: First and last day of volatilities, of all underlyings.
        dump: Whether the kept contracts are.
    """

    reason: str
    regions: Sequence[HistoryRegion] = ()
    volatility_days: Sequence[tuple[date, date]] = ()
    dump: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not (self.regions or self.dump)


@frozen
class SetAside:
    """What was set aside.

    Attributes:
        candles: How many.
        contracts: Of how many contracts.
        dump: Whether the kept contracts were.
    """

    candles: int
    contracts: int
    dump: bool
