"""`AccountPool`: which accounts may be asked now, and which are left alone and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tickertui.services.history.types import BackfillSettings, ClientProvider

_LONGEST_HOLD: Final = 60.0


@dataclass(slots=True)
class _Account:
    under_way: int = 0
    held_until: float = -math.inf
    failures: int = 0
    denied: str = ""


class AccountPool:
    """The accounts of a backfill. Times are seconds of one monotonic clock.

    Args:
        clients: The accounts.
        settings: How many requests of one account may be under way.
    """

    def __init__(self, clients: ClientProvider, settings: BackfillSettings) -> None:
        self._clients = clients
        self._settings = settings
        self._accounts: dict[str, _Account] = {}

    @property
    def under_way(self) -> int:
        """Requests under way."""
        return sum(entry.under_way for entry in self._accounts.values())

    def usable(self) -> Sequence[str]:
        """Return the accounts that have a session and may read history."""
        return [account for account in self._clients.usable_accounts() if not self._account(account).denied]

    def free(self, now: float) -> str | None:
        """Return the account with the fewest requests under way that may take one more, None for none."""
        free = [
            account
            for account in self.usable()
            if self._account(account).held_until <= now and self._account(account).under_way < self._settings.in_flight
        ]
        return min(free, key=lambda account: self._account(account).under_way, default=None)

    def next_free(self, now: float) -> float | None:
        """Return when the first held account may be asked again, None where none is held."""
        held = [self._account(account).held_until for account in self.usable()]
        return min((until for until in held if until > now), default=None)

    def rate_limit(self) -> float:
        """Return the requests per second that the usable accounts allow."""
        return self._settings.requests_per_second * len(self.usable())

    def start(self, account: str) -> None:
        """A request of an account begins."""
        self._account(account).under_way += 1

    def end(self, account: str) -> None:
        """A request of an account is over, whatever came of it."""
        self._account(account).under_way -= 1

    def succeed(self, account: str) -> None:
        """An account was answered."""
        self._account(account).failures = 0

    def hold(self, account: str, now: float, seconds: float | None = None) -> None:
        """Leave an account alone for a while: as told, else for longer with each failure in a row."""
        entry = self._account(account)
        entry.failures += 1
        backoff = min(_LONGEST_HOLD, 2.0 ** min(entry.failures - 1, 30))
        entry.held_until = max(entry.held_until, now + (backoff if seconds is None else seconds))

    def deny(self, account: str, reason: str) -> None:
        """Leave an account alone until the trader resumes."""
        self._account(account).denied = reason

    def forgive(self) -> None:
        """Ask every account again."""
        for entry in self._accounts.values():
            entry.denied, entry.held_until, entry.failures = "", -math.inf, 0

    def why_none(self) -> str:
        """Return why no account can be asked."""
        denied = [entry.denied for entry in self._accounts.values() if entry.denied]
        return denied[0] if denied else "no account is logged in; the history waits for a login"

    def _account(self, account: str) -> _Account:
        entry = self._accounts.get(account)
        if entry is None:
            entry = self._accounts[account] = _Account()
        return entry
