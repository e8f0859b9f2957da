"""The simulated accounts, and their sessions: request tokens, access tokens, and when these end.

`tickertui.simulator.rest` exchanges and checks tokens here, `tickertui.simulator.stream` checks them at an upgrade and
never again: the broker authenticates a stream only when it connects.
"""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Final

from tickertui.frozen import frozen
from tickertui.simulator.clock import SimulatedClock

FLUSH_TIME: Final = time(6, 0)
"""Access tokens end at this time of the next day (a rule of the regulator)."""


@frozen
class SimulatedAccount:
    """One user with one app. Nothing here is secret: the account exists only on this machine.

    Attributes:
        user_id: The broker's user, e.g. ``SIM001``.
        api_key: Of the app.
        api_secret: Of the app.
        redirect_url: Where the login page sends the browser; empty for a page of the simulator that shows the token.
        market_data: Whether the app's plan holds market data; without it quotes, history and streams are refused.
        access_token: A token that is valid from the start, empty for none (then a login is needed first).
    """

    user_id: str
    api_key: str
    api_secret: str
    redirect_url: str = ""
    market_data: bool = True
    access_token: str = ""


def simulated_accounts(count: int) -> tuple[SimulatedAccount, ...]:
    """Return accounts with keys that are easy to type: ``simulated1``, ``simulated2``, ..."""
    return tuple(
        SimulatedAccount(f"SIM{number:03d}", f"simulated{number}", f"secret{number}") for number in range(1, count + 1)
    )


@dataclass(slots=True)
class _Session:
    account: SimulatedAccount
    access_token: str
    login_time: datetime
    ends_at: datetime


@frozen
class OpenSession:
    """What an exchange gives.

    Attributes:
        account: Whose.
        access_token: The token of the day.
        login_time: Market time of the login.
    """

    account: SimulatedAccount
    access_token: str
    login_time: datetime


@dataclass(slots=True)
class _RequestToken:
    account: SimulatedAccount
    ends_ns: int
    used: bool = field(default=False)


class Sessions:
    """All tokens.

    Attributes:
        accounts: By API key.

    Args:
        accounts: Who can log in.
        clock: Market time; tokens end at 06:00 of it.
        request_token_seconds: Life of a request token, on the machine's clock.
        seed: Of the tokens.

    Raises:
        ValueError: When two accounts share a key.
    """

    def __init__(
        self, accounts: Iterable[SimulatedAccount], clock: SimulatedClock, request_token_seconds: float, seed: int
    ) -> None:
        listed = list(accounts)
        self.accounts = {account.api_key: account for account in listed}
        if len(self.accounts) < len(listed):
            raise ValueError("two simulated accounts share an api_key")
        self._clock = clock
        self._request_token_ns = round(request_token_seconds * 1e9)
        self._random = random.Random(seed)  # noqa: S311 - tokens of a simulator: reproducible, nothing to protect
        self._request_tokens: dict[str, _RequestToken] = {}
        self._sessions: dict[str, _Session] = {}
        for account in listed:
            if account.access_token:
                self._open(account, account.access_token)

    def issue_request_token(self, account: SimulatedAccount) -> str:
        """Return a new request token, as the login page does after a login."""
        token = self._new_token()
        self._request_tokens[token] = _RequestToken(account, self._clock.base.monotonic_ns() + self._request_token_ns)
        return token

    def exchange(self, api_key: str, request_token: str, checksum: str) -> OpenSession | None:
        """Turn a request token into a session; None when token or checksum are wrong, used or too old.

        A second login of the same day gives the token of the first, as the broker does.
        """
        issued = self._request_tokens.get(request_token)
        if issued is None or issued.used or issued.account.api_key != api_key:
            return None
        account = issued.account
        expected = hashlib.sha256(f"{api_key}{request_token}{account.api_secret}".encode()).hexdigest()
        if not hmac.compare_digest(expected.encode(), checksum.lower().encode()):
            return None
        issued.used = True
        if self._clock.base.monotonic_ns() > issued.ends_ns:
            return None
        running = next((session for session in self._running() if session.account is account), None)
        session = running or self._open(account, self._new_token())
        return OpenSession(account, session.access_token, session.login_time)

    def account_of(self, api_key: str, access_token: str) -> SimulatedAccount | None:
        """Return whose valid token this is, None when it is nobody's, another key's or has ended."""
        session = self._sessions.get(access_token)
        if session is None or session.account.api_key != api_key or self._clock.now() >= session.ends_at:
            return None
        return session.account

    def log_out(self, access_token: str) -> None:
        """End one session."""
        self._sessions.pop(access_token, None)

    def expire(self, api_key: str | None = None) -> int:
        """End the sessions of a key, or all; return how many. Open streams are not touched."""
        ended = [token for token, session in self._sessions.items() if api_key in (None, session.account.api_key)]
        for token in ended:
            del self._sessions[token]
        return len(ended)

    def valid_tokens(self) -> Sequence[tuple[str, str]]:
        """Return (API key, access token) of every running session."""
        return [(session.account.api_key, session.access_token) for session in self._running()]

    def _running(self) -> list[_Session]:
        now = self._clock.now()
        return [session for session in self._sessions.values() if now < session.ends_at]

    def _open(self, account: SimulatedAccount, access_token: str) -> _Session:
        now = self._clock.now()
        ends_at = datetime.combine(now.date(), FLUSH_TIME, now.tzinfo)
        if ends_at <= now:
            ends_at += timedelta(days=1)
        session = self._sessions[access_token] = _Session(account, access_token, now, ends_at)
        return session

    def _new_token(self) -> str:
        return f"{self._random.getrandbits(128):032x}"
