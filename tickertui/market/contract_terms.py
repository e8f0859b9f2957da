"""What a contract is besides its token: `Terms`, and a day on which they became others (`TermsChange`).

A token stays while a split or a bonus issue changes strike and lot, and is used again for other contracts. Whatever is
stored under it from before such a day is about another contract. The services find changes when they take the day's
contracts (`tickertui.services.contracts.differences`), the store keeps them and hides what lies before.
"""

from __future__ import annotations

from datetime import date

from tickertui.frozen import frozen
from tickertui.market.instruments import Instrument, InstrumentKind
from tickertui.market.underlying_names import listed_name


@frozen
class Terms:
    """The terms of one contract.

    Attributes:
        tradingsymbol: For display.
        name: Underlying of a derivative, company or index name otherwise.
        kind: Equity, index, future, call or put.
        exchange: Of the broker's dump.
        expiry: None for what does not expire.
        strike: Rupees, None for what is not an option.
        lot_size: Units per lot.
    """

    tradingsymbol: str
    name: str
    kind: InstrumentKind
    exchange: str
    expiry: date | None
    strike: float | None
    lot_size: int

    @classmethod
    def of(cls, instrument: Instrument) -> Terms:
        """Return the terms of a contract of the day."""
        return cls(
            instrument.tradingsymbol,
            instrument.name,
            instrument.kind,
            instrument.exchange,
            instrument.expiry,
            instrument.strike,
            instrument.lot_size,
        )

    def describe(self) -> str:
        """For the screen, e.g. ``XYZCEM26DEC1600CE (strike 1,600, lot 350)``."""
        strike = "" if self.strike is None else f"strike {self.strike:,.10g}, "
        return f"{self.tradingsymbol} ({strike}lot {self.lot_size:,})" if self.expiry else self.tradingsymbol


@frozen
class TermsChange:
    """A token whose contract has other terms from a day on.

    Attributes:
        token: The broker's ``instrument_token``.
        since: First trading day with the terms of now; what is stored of earlier days is about ``before``.
        before: The terms until then.
        is_another: Whether the token names something else now (another underlying, side, expiry or exchange), rather
            than the same contract with its strike or lot adjusted.
    """

    token: int
    since: date
    before: Terms
    is_another: bool

    def describe(self) -> str:
        """For the screen, e.g. ``until 01 Dec 2026 XYZCEM26DEC1600CE (strike 1,600, lot 350)``."""
        return f"until {self.since:%d %b %Y} {self.before.describe()}"


@frozen
class Renaming:
    """An underlying (or a share) that goes by another name, under the same tokens.

    Attributes:
        before: Name until now.
        after: Name of now; several where its contracts go by several.
        contracts: How many contracts follow the name, 0 for a share without any.
        is_clear: Whether everything that went by the old name goes by exactly one new name, and nothing did before.
    """

    before: str
    after: tuple[str, ...]
    contracts: int
    is_clear: bool

    def follow(self, name: str) -> str | None:
        """Return what an underlying is called now, None where it is not this one or the new name is not clear.

        What tells its chains apart stays: ``BCD:OLDCO`` is ``BCD:NEWCO``.
        """
        if not self.is_clear or listed_name(name) != self.before:
            return None
        return name.replace(self.before, self.after[0], 1)

    def __str__(self) -> str:
        """Return for example ``OLDCO is now NEWCO (6 contracts)``."""
        count = f" ({self.contracts:,} contracts)" if self.contracts > 1 else ""
        return f"{self.before} is now {' and '.join(self.after)}{count}"
