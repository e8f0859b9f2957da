"""`FeedSwitch`: which feed fills the board, and the wall between a mock and the live market.

Without an account the feed is a mock; with one it is live while the market is open and closed while it is shut; a
mock with accounts is on only at the user's wish. The ticker loop evaluates the rule each second and after each
change. Between live and anything else the board is cleared and its generation raised, so that what the old feed
still sends is dropped and no chain ever shows both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from tickertui.market.board import MarketBoard
from tickertui.market.clock import Clock
from tickertui.market.hours import MarketCalendar
from tickertui.services.loop.status import FeedMode
from tickertui.services.supervision.events import EventLog, Severity

_LIVE_KIND: Final = frozenset((FeedMode.LIVE, FeedMode.CLOSED))


class FeedSwitch:
    """The rule, the mode in force and the generation counter.

    Attributes:
        mode: The feed in force; NONE before the first `evaluate`.
        generation: Number of the plan in force; feeds stamp their batches with it.

    Args:
        board: Cleared when the feed changes its kind.
        calendar: Says whether a segment trades.
        clock: Now.
        events: Every switch is recorded here.
        has_accounts: Whether any account is configured.
        segments: Exchanges of the plan; the market is open while one of them is.
        carried: Exchanges of what some sockets carry: only while one of these is open their silence means something.
        mock_allowed: Whether a mock may run without accounts.
    """

    def __init__(
        self,
        *,
        board: MarketBoard,
        calendar: MarketCalendar,
        clock: Clock,
        events: EventLog,
        has_accounts: Callable[[], bool],
        segments: Callable[[], Collection[str]],
        carried: Callable[[Collection[int]], Collection[str]],
        mock_allowed: bool = True,
    ) -> None:
        self.mode = FeedMode.NONE
        self.generation = board.generation
        self._board = board
        self._calendar = calendar
        self._clock = clock
        self._events = events
        self._has_accounts = has_accounts
        self._segments = segments
        self._carried = carried
        self._mock_allowed = mock_allowed
        self._wish: FeedMode | None = None

    def advance(self) -> int:
        """Take the next generation: a new plan of the same feed."""
        self.generation += 1
        return self.generation

    def wish(self, mode: FeedMode | None) -> None:
        """Note what the user asks for: MOCK, REPLAY, or None (or LIVE) for what accounts and calendar say."""
        self._wish = mode if mode in (FeedMode.MOCK, FeedMode.REPLAY) else None

    def market_is_open(self) -> bool:
        """Whether a segment of the plan trades now; of one without hours nobody knows, and nobody waits for it."""
        return self._is_any_open(self._segments())

    def _is_any_open(self, segments: Collection[str]) -> bool:
        now = self._clock.now()
        return any(self._calendar.is_open(segment, now) for segment in segments)

    def _may_be_open(self) -> bool:
        """Whether a segment trades now, or none of the plan's has known hours."""
        return self.market_is_open() or not any(self._calendar.knows(segment) for segment in self._segments())

    @property
    def is_live(self) -> bool:
        """Whether the accounts' sockets are the feed, the market open or not."""
        return self.mode in _LIVE_KIND

    def expects_data(self, connections: Collection[int]) -> bool:
        """Whether silence of some sockets means something: a segment of what they carry trades.

        Args:
            connections: Numbers of the sockets.
        """
        return self.mode is FeedMode.LIVE and self._is_any_open(self._carried(connections))

    def is_due(self) -> bool:
        """Whether the rule gives another mode than the one in force."""
        return self._rule() is not self.mode

    def evaluate(self) -> bool:
        """Put the mode that the rule gives into force; True when it changed.

        When the kind of feed changes the board is cleared before anything of the new one can arrive.
        """
        mode = self._rule()
        if mode is self.mode:
            return False
        before, self.mode = self.mode, mode
        if _kind(before) != _kind(mode):
            self.advance()
            self._board.generation = self.generation
            self._board.clear()
        self._report(before)
        return True

    def shut(self) -> None:
        """Put no feed into force: the loop has stopped."""
        self.mode = FeedMode.NONE

    def _rule(self) -> FeedMode:
        if self._wish is not None:
            return self._wish
        if not self._has_accounts():
            return FeedMode.MOCK if self._mock_allowed else FeedMode.NONE
        return FeedMode.LIVE if self._may_be_open() else FeedMode.CLOSED

    def _report(self, before: FeedMode) -> None:
        text, severity = self._words(before)
        self._events.add("market", text, severity=severity)

    def _words(self, before: FeedMode) -> tuple[str, Severity]:
        if self.mode is FeedMode.MOCK:
            why = "at your wish" if self._wish is FeedMode.MOCK else "no account is configured"
            return f"mock feed ({why}): nothing on the screen is the market", Severity.WARNING
        if self.mode is FeedMode.REPLAY:
            return "replay of a recorded session: nothing on the screen is the market now", Severity.WARNING
        if self.mode is FeedMode.NONE:
            return "no feed: there is no account and the mock is switched off", Severity.WARNING
        cleared = "" if before in (FeedMode.NONE, *_LIVE_KIND) else f"; the values of the {before} feed were cleared"
        if self.mode is FeedMode.LIVE:
            opened = "the market is open" if self.market_is_open() else "the market's hours are not known"
            return f"{opened}: live feed{cleared}", Severity.INFO
        return f"the market is shut: last values stay, sockets stay open{cleared}", Severity.INFO


def _kind(mode: FeedMode) -> FeedMode:
    return FeedMode.LIVE if mode in _LIVE_KIND else mode
