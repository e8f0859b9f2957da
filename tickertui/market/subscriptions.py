"""What the trader asked for: single instruments and chain rules. The store keeps them, the reconciler expands them."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from tickertui.market.ticks import Mode
from tickertui.values import frozen


class SubscriptionStatus(StrEnum):
    """State of a single instrument's subscription."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    EXPIRED = "expired"


@frozen
class SubscriptionRecord:
    """One instrument that the trader asked for.

    Attributes:
        token: The broker's ``instrument_token``.
        tradingsymbol: For display.
        segment: The broker's segment.
        expiry: With the token it names the contract: tokens are reused after an expiry. None for what never expires.
        mode: Requested mode.
        status: Active, inactive or expired.
        reason: Why it is not active; empty for an active one.
        preferred_account: Where the trader pinned it, None for anywhere. Only the trader changes it.
        assigned_account: Where the last plan put it, None for nowhere yet. Only the reconciler changes it.
        created_at: Aware datetime.
        updated_at: Aware datetime.
    """

    token: int
    tradingsymbol: str
    segment: str
    expiry: date | None
    mode: Mode
    status: SubscriptionStatus
    reason: str
    preferred_account: str | None
    assigned_account: str | None
    created_at: datetime
    updated_at: datetime


@frozen
class ChainRule:
    """What a trader really says: "NIFTY, next 2 expiries, ATM ± 40, full".

    Attributes:
        rule_id: Number given by the store, 0 for a rule that is not stored yet.
        underlying: Name of the underlying as in the dump ("NIFTY").
        expiry_count: How many of the nearest expiries; ignored when ``expiries`` is not empty.
        expiries: Named expiries.
        strikes: Strikes on each side of the money; None for all.
        mode: Requested mode.
        preferred_account: Where to, None for anywhere.
        include_future: Whether the nearest future is wanted too (a forward for the Greeks).
        enabled: A rule that is switched off keeps its place but asks for nothing.
    """

    rule_id: int
    underlying: str
    expiry_count: int = 1
    expiries: tuple[date, ...] = ()
    strikes: int | None = 40
    mode: Mode = Mode.FULL
    preferred_account: str | None = None
    include_future: bool = True
    enabled: bool = True

    def describe(self) -> str:
        """One line for the screen, e.g. ``NIFTY next 2 ATM±40 full``."""
        if self.expiries:
            when = ", ".join(expiry.strftime("%d %b") for expiry in self.expiries)
        else:
            when = f"next {self.expiry_count}"
        width = "all strikes" if self.strikes is None else f"ATM±{self.strikes}"
        where = f" @{self.preferred_account}" if self.preferred_account else ""
        return f"{self.underlying} {when} {width} {self.mode.label}{where}"


@frozen
class Assignment:
    """Where the last plan put a contract; what makes placement sticky across restarts.

    Attributes:
        token: The broker's ``instrument_token``.
        expiry: With the token it names the contract; None for what never expires.
        account: Account id.
        connection: Number of the account's socket, from 0.
    """

    token: int
    expiry: date | None
    account: str
    connection: int
