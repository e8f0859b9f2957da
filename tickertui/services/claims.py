"""`StoreClaims`: which terminal streams which account, kept by the store that the terminals share."""

from __future__ import annotations

from contextlib import suppress

from tickertui.store.protocol import Claim, Owner, Store, StoreError


class StoreClaims:
    """The accounts that this process has taken in the store.

    Args:
        store: Shared with other terminals, or not.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[str, Claim] = {}

    async def claim(self, account: str) -> str | None:
        """Take an account, or take it again where the claim was lost.

        Returns:
            None when it is ours, else who has it.

        Raises:
            StoreError: When the store cannot be asked.
        """
        held = self._held.get(account)
        if held is not None and held.is_held:
            return None
        answer = await self._store.claim_account(account)
        if isinstance(answer, Owner):
            self._held.pop(account, None)
            return answer.describe()
        self._held[account] = answer
        return None

    async def release_all(self) -> None:
        """Give back everything that is ours; a store that is away has lost the claims by itself."""
        held, self._held = tuple(self._held.values()), {}
        for claim in held:
            with suppress(StoreError):
                await claim.release()
