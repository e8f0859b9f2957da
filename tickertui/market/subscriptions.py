"""What the trader asked for: single instruments and chain rules. The store keeps them, the reconciler expands them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from datetime import date, datetime
from enum import StrEnum
from itertools import groupby
from typing import Final

from tickertui.frozen import frozen
from tickertui.market.ticks import Mode


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


MOST_EXPIRIES: Final = 20
"""Of the nearest expiries that a rule may ask for."""
MOST_STRIKES: Final = 500
"""Strikes on each side of the money that a rule may ask for."""

_MODES: Final = {mode.label: mode for mode in (Mode.LTP, Mode.QUOTE, Mode.FULL)}
_FLAGS: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class RuleError(ValueError):
    """A chain rule cannot be so; the text is one sentence that says what was expected."""


def checked_underlying(name: str) -> str:
    """Return the name of an underlying as the dump writes it.

    Raises:
        RuleError: When there is none.
    """
    if not name.strip():
        raise RuleError("a rule needs the name of an underlying, for instance NIFTY")
    return name.strip().upper()


def checked_expiry_count(count: int) -> int:
    """Return how many of the nearest expiries are wanted.

    Raises:
        RuleError: When that is out of bounds.
    """
    if not 1 <= count <= MOST_EXPIRIES:
        raise RuleError(f"expiries must be a number from 1 to {MOST_EXPIRIES} or dates like 2026-12-01, not {count}")
    return count


def checked_strikes(strikes: int | None) -> int | None:
    """Return strikes on each side of the money, None for all.

    Raises:
        RuleError: When that is out of bounds.
    """
    if strikes is not None and not 1 <= strikes <= MOST_STRIKES:
        raise RuleError(_strikes_expected(strikes))
    return strikes


def parse_expiries(text: str) -> tuple[int, tuple[date, ...]]:
    """Read ``2`` or ``2026-12-01,2026-12-08``: how many of the nearest, or which.

    Raises:
        RuleError: With what was expected.
    """
    words = [word.strip() for word in text.replace(";", ",").split(",") if word.strip()]
    if len(words) == 1 and _is_number(words[0]):
        return checked_expiry_count(int(words[0])), ()
    try:
        dates = tuple(date.fromisoformat(word) for word in words)
    except ValueError:
        dates = ()
    if not dates:
        raise RuleError(f"expiries must be a number or dates like 2026-12-01, not {text!r}")
    return 1, dates


def parse_strikes(text: str) -> int | None:
    """Read ``40`` or ``all``.

    Raises:
        RuleError: With what was expected.
    """
    word = text.strip().lower()
    if word == "all":
        return None
    if not _is_number(word):
        raise RuleError(_strikes_expected(text))
    return checked_strikes(int(word))


def parse_mode(text: str) -> Mode:
    """Read ``ltp``, ``quote`` or ``full``.

    Raises:
        RuleError: With what was expected.
    """
    mode = _MODES.get(text.strip().lower())
    if mode is None:
        raise RuleError(f"mode must be ltp, quote or full, not {text!r}")
    return mode


def parse_future(text: str) -> bool:
    """Read ``yes`` or ``no``: whether the nearest future is wanted too.

    Raises:
        RuleError: With what was expected.
    """
    wanted = _FLAGS.get(text.strip().lower())
    if wanted is None:
        raise RuleError(f"future must be yes or no, not {text!r}")
    return wanted


def _is_number(word: str) -> bool:
    return word.removeprefix("-").isdecimal()


def _strikes_expected(found: object) -> str:
    return f'strikes must be a number from 1 to {MOST_STRIKES} or "all", not {found!r}'


@frozen
class ChainRule:
    """What a trader really says: "NIFTY, next 2 expiries, ATM ± 40, full".

    Which rule it is, its number says; two rules are equal when they ask for the same, whatever their numbers. What a
    rule may say is checked here and nowhere else: every way in makes one, and tells what is wrong in the words of the
    `RuleError`. Written differently, the same is the same: dates stand ascending, each once, and the count beside them
    is 1; names of underlyings are in capitals.

    Attributes:
        rule_id: Number given by the store, 0 for a rule that is not stored yet.
        underlying: Name of the underlying as in the dump ("NIFTY").
        expiry_count: How many of the nearest expiries; 1 when ``expiries`` is not empty.
        expiries: Named expiries, ascending.
        strikes: Strikes on each side of the money; None for all.
        mode: Requested mode.
        preferred_account: Where to, None for anywhere.
        include_future: Whether the nearest future is wanted too (a forward for the Greeks).
        enabled: A rule that is switched off keeps its place but asks for nothing.

    Raises:
        RuleError: When a value is out of bounds.
    """

    rule_id: int = field(compare=False)
    underlying: str
    expiry_count: int = 1
    expiries: tuple[date, ...] = ()
    strikes: int | None = 40
    mode: Mode = Mode.FULL
    preferred_account: str | None = None
    include_future: bool = True
    enabled: bool = True

    def __post_init__(self) -> None:
        expiries = tuple(sorted(set(self.expiries)))
        if self.mode not in _MODES.values():
            raise RuleError(f"mode must be ltp, quote or full, not {self.mode.label!r}")
        checked = {
            "underlying": checked_underlying(self.underlying),
            "expiry_count": 1 if expiries else checked_expiry_count(self.expiry_count),
            "expiries": expiries,
            "strikes": checked_strikes(self.strikes),
            "preferred_account": (self.preferred_account or "").strip() or None,
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of_words(
        cls,
        underlying: str,
        *,
        expiries: str = "1",
        strikes: str = "40",
        mode: str = "full",
        account: str = "",
        future: str = "yes",
    ) -> ChainRule:
        """Return the rule that words say, as on a command line or in a file.

        Raises:
            RuleError: With what was expected.
        """
        count, dates = parse_expiries(expiries)
        return cls(0, underlying, count, dates, parse_strikes(strikes), parse_mode(mode), account, parse_future(future))

    def describe(self) -> str:
        """One line for the screen, e.g. ``NIFTY next 2 ATM±40 full``; of rules that differ it differs."""
        when = _dates(self.expiries) if self.expiries else f"next {self.expiry_count}"
        width = "all strikes" if self.strikes is None else f"ATM±{self.strikes}"
        where = f" @{self.preferred_account}" if self.preferred_account else ""
        future = "" if self.include_future else " without future"
        return f"{self.underlying} {when} {width} {self.mode.label}{where}{future}"


def _dates(days: Sequence[date]) -> str:
    """Dates with their year behind the last of each: ``01 Dec, 08 Dec 2026, 05 Jan 2027``."""
    by_year = (
        f"{', '.join(f'{day:%d %b}' for day in of_year)} {year}"
        for year, of_year in groupby(days, key=lambda day: day.year)
    )
    return ", ".join(by_year)


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
