"""Which terminal streams which account, kept by the store that the terminals share; `AccountFleet` asks it.

A claim can end while it is held: the database server gives it to whoever asks first when the connection of its
holder is lost, as it is while a laptop sleeps.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

from tickertui.store.protocol import Claim, Owner, Store, StoreError


class Claims(Protocol):
    """Who streams which account, among the terminals on one store."""

    async def claim(self, account: str) -> str | None:
        """Take an account, or take it again where the claim was lost; None when it is ours, else who has it."""
        ...

    def is_held(self, account: str) -> bool:
        """Whether an account is still ours, as far as is known without asking the store."""
        ...

    async def release_all(self) -> None:
        """Give back everything that is ours."""
        ...


class StoreClaims:
    """The accounts that this process has taken in the store (`Claims`).

    Args:
        store: Shared with other terminals, or not.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[str, Claim] = {}

    async def claim(self, account: str) -> str | None:
        """Take an account, or take it again where the claim was lost.

        The store is asked also while the claim seems to be held: only then does it look whether the server knows us.

        Returns:
            None when it is ours, else who has it.

        Raises:
            StoreError: When the store cannot be asked.
        """
        answer = await self._store.claim_account(account)
        if isinstance(answer, Owner):
            self._held.pop(account, None)
            return answer.describe()
        self._held[account] = answer
        return None

    def is_held(self, account: str) -> bool:
        """Whether an account is still ours, as far as the store has noticed by itself."""
        claim = self._held.get(account)
        return claim is not None and claim.is_held

    async def release_all(self) -> None:
        """Give back everything that is ours; a store that is away has lost the claims by itself."""
        held, self._held = tuple(self._held.values()), {}
        for claim in held:
            with suppress(StoreError):
                await claim.release()
