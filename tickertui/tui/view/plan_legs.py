"""The legs behind a line of the subscriptions pane: what each one is worth now, and why it does not tick.

Rows are read from the board in arrays, so that a list of 9,000 legs can stay current while it is open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.kite.stream_state import StreamState
from tickertui.market.arrays import distinct
from tickertui.market.instruments import INDEX_SEGMENT_CODE
from tickertui.market.universe import SEGMENT_CODES
from tickertui.services.loop.status import RuntimeState
from tickertui.services.plan.desired_plan import SINGLES
from tickertui.services.plan.legs import NO_LEGS, Legs, WatchedInstrument
from tickertui.services.plan.status import RuleStatus, Unplaced
from tickertui.tui.look import format as fmt
from tickertui.tui.view.backend import Backend, price_token
from tickertui.tui.view.data_states import (
    NEVER_AFTER_S,
    CellFacts,
    DataState,
    Link,
    MarketView,
    SocketHealth,
    classify,
    mark,
    refused_among,
)
from tickertui.tui.view.market_view import MarketViews
from tickertui.tui.view.owner_words import owner_words
from tickertui.tui.widgets.row_list import LazyRows, Row, Span, row

FAR_FROM_MONEY: Final = 0.12
"""Strikes further off than this share of the spot often do not trade for hours; the broker sends nothing of them."""
FAR_IN_TIME_DAYS: Final = 60
_AGAIN_NS: Final = 10_000_000_000
_EXCHANGES: Final = {code: name for name, code in SEGMENT_CODES.items()}

_ROLES: Final = {
    DataState.LIVE: "text", DataState.QUIET: "text", DataState.SNAP: "quiet", DataState.STALE: "warn",
    DataState.NEVER: "warn", DataState.DOUBT: "warn", DataState.ERROR: "error", DataState.MOCK: "mock",
    DataState.REPLAY: "replay",
}  # fmt: skip


@frozen
class CellContext:
    """What decides what a leg is worth, beside its row.

    Attributes:
        runtime: State of the loop.
        socket_health: Health of the sockets.
        market: What the segment of the chain on display does.
        markets: What every segment does, None where all are as ``market``.
    """

    runtime: RuntimeState
    socket_health: SocketHealth
    market: MarketView
    markets: MarketViews | None = None

    def market_of(self, code: int) -> MarketView:
        """Return what a segment does, by the low byte of its tokens."""
        if self.markets is None:
            return self.market
        return self.markets.of_indices("") if code == INDEX_SEGMENT_CODE else self.markets.of(_EXCHANGES.get(code, ""))


@frozen
class NeverTicked:
    """Why instruments that are subscribed have never ticked.

    Attributes:
        total: How many there are.
        far: Of these, strikes far from the money.
        late: Of the rest, expiries far away.
    """

    total: int = 0
    far: int = 0
    late: int = 0

    def describe(self) -> str:
        """Return ``54: 51 are > 12% from ATM, 3 others``; empty where there are none."""
        if not self.total:
            return ""
        others = self.total - self.far - self.late
        parts = [f"{self.far:,} are > {FAR_FROM_MONEY:.0%} from ATM"] if self.far else []
        parts += [f"{self.late:,} expire in > {FAR_IN_TIME_DAYS} days"] if self.late else []
        parts += [f"{others:,} have not traded yet"] if others else []
        return f"{self.total:,}: {', '.join(parts)}"


NONE_NEVER: Final = NeverTicked()


class WatchedLegs:
    """Reads legs of the plan from the board.

    Args:
        backend: The program behind the screens.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._never = NeverTicked()
        self._never_at = -_AGAIN_NS
        self._adjusted_of = NO_LEGS
        self._adjusted: tuple[Unplaced, ...] = ()

    def states(self, legs: Legs, context: CellContext) -> NDArray[np.int8]:
        """Return int8[n] of `DataState`. Whether a leg is quiet is told by the chain, which knows its habit."""
        board, now_ns = self._backend.board, self._backend.clock.monotonic_ns()
        rows = board.rows(legs.tokens)
        received, subscribed = board.received_ns[rows], board.subscribed_ns[rows]
        codes = context.socket_health.codes
        connections = np.clip(board.connections[rows], -1, len(codes) - 2)
        facts = CellFacts(
            source=board.sources[rows],
            packets=board.packets[rows],
            age_s=np.where(received > 0, (now_ns - received) / 1e9, np.nan),
            gap_s=np.full(rows.shape, np.inf),
            subscribed_s=np.where(subscribed > 0, (now_ns - subscribed) / 1e9, np.nan),
            link=np.where(connections >= 0, codes[connections], np.int8(Link.HEALTHY)),
            refused=refused_among(legs.tokens, context.runtime.refused),
        )
        segments = legs.tokens & 0xFF
        states = np.zeros(rows.shape, dtype=np.int8)
        for code in distinct(segments).tolist():
            of_segment = segments == code
            states[of_segment] = classify(facts, context.runtime.feed, context.market_of(code))[of_segment]
        mark(states, board.untraded(rows) & ~np.isnan(board.price(rows)), DataState.PAST)
        mark(states, board.doubtful[rows], DataState.DOUBT)
        return states

    def never(self, context: CellContext) -> NeverTicked:
        """Return why instruments have never ticked; looked through again every ten seconds."""
        now_ns = self._backend.clock.monotonic_ns()
        if not any(account.never for account in context.runtime.accounts):
            self._never, self._never_at = NeverTicked(), -_AGAIN_NS
        elif now_ns - self._never_at >= _AGAIN_NS:
            self._never_at = now_ns
            legs = self.never_legs(context)
            far, late = self._reasons(legs)
            self._never = NeverTicked(len(legs), int(far.sum()), int(late.sum()))
        return self._never

    def never_legs(self, context: CellContext) -> Legs:
        """Return the legs that were subscribed more than a minute ago and have sent nothing since."""
        board, legs = self._backend.board, self._backend.legs()
        rows = board.rows(legs.tokens)
        waited = self._backend.clock.monotonic_ns() - board.subscribed_ns[rows] > NEVER_AFTER_S * 1e9
        silent = (board.packets[rows] == 0) & (board.subscribed_ns[rows] > 0) & waited
        return legs.select(np.flatnonzero(silent))

    def _reasons(self, legs: Legs) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which legs are far from the money, and which of the others expire late."""
        about = legs.terms
        spots = np.array([self._spot(name) for name in about.underlyings.names])[about.underlyings.ids]
        with np.errstate(invalid="ignore", divide="ignore"):
            far = (spots > 0) & (np.abs(about.strikes / spots - 1) > FAR_FROM_MONEY)
        days = about.expiries - self._backend.clock.now().date().toordinal()
        return far, ~far & (about.expiries > 0) & (days > FAR_IN_TIME_DAYS)

    def _why_never(self, leg: Legs) -> str:
        """The reason of a single leg."""
        if not leg.terms.underlyings[0]:
            return _UNKNOWN
        far, late = self._reasons(leg)
        return _FAR if far[0] else _LATE if late[0] else _UNTRADED

    def _spot(self, underlying: str) -> float:
        board = self._backend.board
        row_number = board.row(price_token(self._backend, underlying))
        price = float(board.price([row_number])[0]) if row_number else 0.0
        return price if price > 0 else 0.0

    def adjusted(self) -> tuple[Unplaced, ...]:
        """Return the single subscriptions whose contract has other terms than when it was asked for, or may have."""
        legs = self._backend.legs()
        if legs is not self._adjusted_of:  # each plan has legs of its own, and changed terms make a plan
            changes = ((leg, self._backend.terms_change(leg.token)) for leg in legs.select(legs.asked_for_by(SINGLES)))
            self._adjusted_of = legs
            self._adjusted = tuple(
                Unplaced(leg.label, change.describe(), leg.token) for leg, change in changes if change is not None
            )
        return self._adjusted

    # ------------------------------------------------------------------ rows

    def rows(self, legs: Legs, context: CellContext) -> LazyRows:
        """Build the list: instrument, account, mode, state, age of the last packet, why, and who asks for it.

        Only lines that are in sight are made: one takes 15 us, 9,000 of them 130 ms.
        """
        words = f" {'instrument':<21}{'socket':<7}{'mode':<6}{'state':<9}{'packets':>7} {'age':<5}why"
        title = row("", Span(words, "title"))
        labels = {c.connection: c.label for a in context.runtime.accounts for c in a.connections}
        states, rules = self.states(legs, context), self._backend.rules()

        def line(place: int) -> Row:
            if not place:
                return title
            leg_row = place - 1
            return self._row(legs[leg_row : leg_row + 1], DataState(int(states[leg_row])), labels, rules, context)

        return LazyRows(["", *(f"leg:{token}" for token in legs.tokens.tolist())], line)

    def _row(
        self, legs: Legs, state: DataState, labels: Mapping[int, str], rules: Sequence[RuleStatus], context: CellContext
    ) -> Row:
        leg, board = legs[0], self._backend.board
        board_row = board.row(leg.token)
        received = int(board.received_ns[board_row])
        age = fmt.short_age((self._backend.clock.monotonic_ns() - received) / 1e9) if received else fmt.MISSING
        socket = labels.get(leg.connection, leg.account or fmt.MISSING)
        change = self._backend.terms_change(leg.token)
        why = self._why_never(legs) if state is DataState.NEVER else self._why(leg, state, context)
        why = "; ".join(filter(None, (why, change.describe() if change is not None else "")))
        return row(
            f"leg:{leg.token}", f" {fmt.clip(leg.label, 20)} {fmt.clip(socket, 6)} {leg.mode.label:<6}",
            Span(f"{state.badge.glyph} {state.word:<7}", _ROLES.get(state, "quiet")),
            f"{int(board.packets[board_row]):>7,} {age:<5}", Span(f"{why}; " if why else "", "warn"),
            Span(owner_words(leg.owners, rules), "quiet"),
        )  # fmt: skip

    def _why(self, leg: WatchedInstrument, state: DataState, context: CellContext) -> str:
        """Return why a leg is not live, in a few words; empty for one that is."""
        if state is DataState.STALE:
            of_its_socket = (p for p in context.socket_health.problems if p.status.connection == leg.connection)
            problem = next(of_its_socket, None)
            return "its socket is away" if problem is None else _LINK_WORDS[problem.link]
        if state is DataState.ERROR:
            return "the broker refuses it" if leg.token in context.runtime.refused else _LINK_WORDS[Link.AUTH]
        if state is DataState.PAST:
            return "not traded today; its price is of another day"
        if state is DataState.DOUBT:
            return "its packet's time lies ahead of the clock"
        if state is DataState.SNAP:
            return "cached or REST value, no tick since"
        if state is DataState.WAITING:
            sockets = (c for a in context.runtime.accounts for c in a.connections if c.connection == leg.connection)
            socket = next(sockets, None)
            is_open = socket is not None and socket.state is StreamState.OPEN
            return "subscribed a moment ago" if is_open else "not subscribed: its socket is not open"
        return ""


_FAR: Final = f"> {FAR_FROM_MONEY:.0%} from ATM"
_LATE: Final = f"expires in > {FAR_IN_TIME_DAYS} days"
_UNTRADED: Final = "has not traded yet"
_UNKNOWN: Final = "not in today's contracts"
_LINK_WORDS: Final = {
    Link.HEALTHY: "", Link.SILENT: "its socket is silent", Link.DOWN: "its socket is down", Link.AUTH: "needs a login",
}  # fmt: skip
