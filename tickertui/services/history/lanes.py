"""`Lanes`: which accounts may be asked now, and which are left alone and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tickertui.services.history.types import BackfillSettings, ClientProvider

_LONGEST_HOLD: Final = 60.0


@dataclass(slots=True)
class _Lane:
    under_way: int = 0
    held_until: float = -math.inf
    failures: int = 0
    denied: str = ""


class Lanes:
    """The accounts of a backfill. Times are seconds of one monotonic clock.

    Args:
        clients: The accounts.
        settings: How many requests of one account may be under way.
    """

    def __init__(self, clients: ClientProvider, settings: BackfillSettings) -> None:
        self._clients = clients
        self._settings = settings
        self._lanes: dict[str, _Lane] = {}

    @property
    def under_way(self) -> int:
        """Requests under way."""
        return sum(lane.under_way for lane in self._lanes.values())

    def usable(self) -> Sequence[str]:
        """Return the accounts that have a session and may read history."""
        return [account for account in self._clients.usable_accounts() if not self._lane(account).denied]

    def free(self, now: float) -> str | None:
        """Return the account with the fewest requests under way that may take one more, None for none."""
        free = [
            account
            for account in self.usable()
            if self._lane(account).held_until <= now and self._lane(account).under_way < self._settings.in_flight
        ]
        return min(free, key=lambda account: self._lane(account).under_way, default=None)

    def next_free(self, now: float) -> float | None:
        """Return when the first held account may be asked again, None where none is held."""
        held = [self._lane(account).held_until for account in self.usable()]
        return min((until for until in held if until > now), default=None)

    def rate_limit(self) -> float:
        """Return the requests per second that the usable accounts allow."""
        return self._settings.requests_per_second * len(self.usable())

    def start(self, account: str) -> None:
        """A request of an account begins."""
        self._lane(account).under_way += 1

    def end(self, account: str) -> None:
        """A request of an account is over, whatever came of it."""
        self._lane(account).under_way -= 1

    def succeed(self, account: str) -> None:
        """An account was answered."""
        self._lane(account).failures = 0

    def hold(self, account: str, now: float, seconds: float | None = None) -> None:
        """Leave an account alone for a while: as told, else for longer with each failure in a row."""
        lane = self._lane(account)
        lane.failures += 1
        backoff = min(_LONGEST_HOLD, 2.0 ** min(lane.failures - 1, 30))
        lane.held_until = max(lane.held_until, now + (backoff if seconds is None else seconds))

    def deny(self, account: str, reason: str) -> None:
        """Leave an account alone until the trader resumes."""
        self._lane(account).denied = reason

    def forgive(self) -> None:
        """Ask every account again."""
        for lane in self._lanes.values():
            lane.denied, lane.held_until, lane.failures = "", -math.inf, 0

    def why_none(self) -> str:
        """Return why no account can be asked."""
        denied = [lane.denied for lane in self._lanes.values() if lane.denied]
        return denied[0] if denied else "no account is logged in; the history waits for a login"

    def _lane(self, account: str) -> _Lane:
        lane = self._lanes.get(account)
        if lane is None:
            lane = self._lanes[account] = _Lane()
        return lane
