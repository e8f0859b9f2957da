"""`DailyVolatility`: keeps the at-the-money volatility of each finished day, once its history is complete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import date

from tickertui.services.history.types import HistoryStore
from tickertui.store.protocol import VolatilityFact

VolatilityHook = Callable[[date], Awaitable[Sequence[VolatilityFact]]]
"""Returns the at-the-money volatilities at the end of a trading day, from the stored candles."""


class DailyVolatility:
    """Asks for and keeps the volatilities. Called by the bootstrapper when nothing is left to fetch.

    Args:
        store: Keeps them.
        hook: Computes them; None for nobody.
    """

    def __init__(self, store: HistoryStore, hook: VolatilityHook | None) -> None:
        self._store = store
        self._hook = hook
        self._saved: set[tuple[date, str]] = set()

    async def save(self, day: date | None, underlyings: Collection[str]) -> None:
        """Keep what is not yet kept of a finished day.

        Raises:
            StoreError: When the store cannot be asked or does not take it.
        """
        if self._hook is None or day is None:
            return
        missing = set()
        for underlying in underlyings:
            if (day, underlying) not in self._saved:
                latest = await self._store.atm_iv_history(underlying, 1)
                if not latest or latest[0][0] < day:
                    missing.add(underlying)
        if missing:
            facts = [fact for fact in await self._hook(day) if fact.underlying in missing]
            await self._store.save_daily_facts(day, volatility=facts)
        self._saved.update((day, underlying) for underlying in underlyings)
