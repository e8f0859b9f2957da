"""`TokenWatch`: a login in another shell or terminal reaches the running program without a restart.

``tickertui login`` keeps the new token where the program found its own at the start. The ticker loop runs the watch as
one of its duties; the streams, the screens and the banner follow `SessionOrchestrator`, as after a login on the screen.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

import anyio
import anyio.to_thread

from tickertui.kite.login import LoginError
from tickertui.services.accounts.session_orchestrator import SessionOrchestrator
from tickertui.services.accounts.status import AccountState
from tickertui.services.accounts.token_store import TokenStore

_EVERY_S: Final = 0.5
"""Two looks and a new connection fit into the two seconds in which the streams are to be back."""


class TokenWatch:
    """Looks at what is kept for each account, as long as `run` runs; a token is read only when something changed.

    Args:
        orchestrator: Its accounts are watched, in its token store; it decides what a token is good for.
        every: Seconds between two looks.
    """

    def __init__(self, orchestrator: SessionOrchestrator, every: float = _EVERY_S) -> None:
        self._orchestrator = orchestrator
        self._every = every
        self._stamps: dict[str, Hashable | None] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await anyio.sleep(self._every)

    async def look(self) -> None:
        """Take up what has changed since the last look; the first one looks at everything that is kept."""
        accounts = self._orchestrator.list_accounts()
        # Off the loop: a home directory on a network may not answer for a while, and is not waited for at the end.
        stamps = await anyio.to_thread.run_sync(
            _stamps, self._orchestrator.token_store, accounts, abandon_on_cancel=True
        )
        for account, stamp in stamps.items():
            before = self._stamps.get(account)
            if stamp == before:
                continue
            if stamp is None:
                self._note_removed(account)
            else:
                await self._read(account)
            self._stamps[account] = stamp

    async def _read(self, account: str) -> None:
        try:
            kept = await anyio.to_thread.run_sync(self._orchestrator.token_store.load, account, abandon_on_cancel=True)
        except LoginError as error:
            self._orchestrator.note_kept_problem(account, str(error))
            return
        if kept is not None:
            self._orchestrator.take_kept_token(account, kept)

    def _note_removed(self, account: str) -> None:
        """The token in force lives on at the broker, so the streams do too; only the next start has none."""
        orchestrator = self._orchestrator
        if orchestrator.state(account) is AccountState.AUTH_EXPIRED:
            return
        if orchestrator.config(account).access_token is None:
            orchestrator.note_kept_problem(account, "its kept token was removed")


def _stamps(store: TokenStore, accounts: Sequence[str]) -> dict[str, Hashable | None]:
    return {account: store.stamp(account) for account in accounts}
