"""Claims of accounts for a store in memory: nobody else can see it, so every claim is granted."""

from __future__ import annotations


class MemoryClaim:
    """An account of a process that is alone (`tickertui.store.protocol.Claim`)."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._held = True

    @property
    def account(self) -> str:
        """Account id."""
        return self._account

    @property
    def is_held(self) -> bool:
        """Whether it is still ours."""
        return self._held

    async def release(self) -> None:
        """Give it back."""
        self._held = False
