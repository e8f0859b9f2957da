"""`TokenStore`: what the services want of the place where the day's tokens are kept, and of that of the API secrets.

`tickertui.services.accounts.session_orchestrator` reads and writes it, `tickertui.services.accounts.token_watch`
notices what others do to it. `tickertui.kite.login.TokenFile` is one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime
from typing import Protocol

from tickertui.kite.secrets import Secret

SecretSource = Callable[[str], Awaitable[Secret | None]]
"""Gives the API secret of an account when a login needs it, None where it is nowhere. It may take long, and raises
`tickertui.services.accounts.session_orchestrator.MissingApiSecret` where the place gives none now."""


async def no_secret(account: str) -> Secret | None:
    """Return None: the source where accounts bring their secrets along."""
    del account
    return None


class KeptToken(Protocol):
    """A token as the store gives it back (`tickertui.kite.login.StoredToken`)."""

    @property
    def token(self) -> Secret:
        """The access token."""
        ...

    @property
    def user_id(self) -> str:
        """The broker's user."""
        ...

    @property
    def saved_at(self) -> datetime:
        """When it was obtained."""
        ...


class TokenStore(Protocol):
    """Where the day's tokens are kept (`tickertui.kite.login.TokenFile`)."""

    def load(self, account: str) -> KeptToken | None:
        """Return the token of an account, None where there is none of today.

        Raises:
            LoginError: When what is kept cannot be used; the text says why.
        """
        ...

    def stamp(self, account: str) -> Hashable | None:
        """Return what changes with everything that is kept for an account, None where nothing is; reads no token."""
        ...

    def save(self, account: str, token: Secret, user_id: str, at: datetime) -> None:
        """Keep a token.

        Raises:
            LoginError: When it cannot be kept.
        """
        ...
