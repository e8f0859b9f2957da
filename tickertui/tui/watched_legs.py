"""The legs behind a line of the subscriptions pane: what each one is worth now, and why it does not tick.

Rows are read from the board in arrays, so that a list of 9,000 legs can stay current while it is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.services.state import RuntimeState, StreamState, WatchedInstrument
from tickertui.tui import format as fmt
from tickertui.tui.backend import Backend
from tickertui.tui.states import NEVER_AFTER_S, CellFacts, DataState, Link, Links, MarketView, classify
from tickertui.tui.widgets.row_list import Row, Span, row
from tickertui.values import frozen

FAR_FROM_MONEY: Final = 0.12
"""Strikes further off than this share of the spot often do not trade for hours; the broker sends nothing of them."""
FAR_IN_TIME_DAYS: Final = 60
SHOWN: Final = 2000
_AGAIN_NS: Final = 10_000_000_000

_ROLES: Final = {
    DataState.LIVE: "text", DataState.QUIET: "text", DataState.SNAP: "quiet", DataState.STALE: "warn",
    DataState.NEVER: "warn", DataState.ERROR: "error", DataState.MOCK: "mock", DataState.REPLAY: "replay",
}  # fmt: skip


@frozen
class Around:
    """What decides what a leg is worth, beside its row.

    Attributes:
        runtime: State of the loop.
        links: Health of the sockets.
        market: What the calendar says.
    """

    runtime: RuntimeState
    links: Links
    market: MarketView


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

    def states(self, legs: Sequence[WatchedInstrument], around: Around) -> NDArray[np.int8]:
        """Return int8[n] of `DataState`. Whether a leg is quiet is told by the chain, which knows its habit."""
        board, now_ns = self._backend.board, self._backend.clock.monotonic_ns()
        rows = board.rows([leg.token for leg in legs])
        received, subscribed = board.received_ns[rows], board.subscribed_ns[rows]
        codes = around.links.codes
        connections = np.clip(board.connections[rows], -1, len(codes) - 2)
        facts = CellFacts(
            source=board.sources[rows],
            packets=board.packets[rows],
            age_s=np.where(received > 0, (now_ns - received) / 1e9, np.nan),
            gap_s=np.full(rows.shape, np.inf),
            subscribed_s=np.where(subscribed > 0, (now_ns - subscribed) / 1e9, np.nan),
            link=np.where(connections >= 0, codes[connections], np.int8(Link.HEALTHY)),
            refused=np.zeros(rows.shape, dtype=np.bool_),
        )
        return classify(facts, around.runtime.feed, around.market)

    def never(self, around: Around) -> NeverTicked:
        """Return why instruments have never ticked; looked through again every ten seconds."""
        now_ns = self._backend.clock.monotonic_ns()
        if not any(account.never for account in around.runtime.accounts):
            self._never, self._never_at = NeverTicked(), -_AGAIN_NS
        elif now_ns - self._never_at >= _AGAIN_NS:
            self._never_at = now_ns
            legs = self.never_legs(around)
            reasons = [self._why_never(leg) for leg in legs]
            self._never = NeverTicked(len(legs), reasons.count(_FAR), reasons.count(_LATE))
        return self._never

    def never_legs(self, around: Around) -> list[WatchedInstrument]:
        """Return the legs that were subscribed more than a minute ago and have sent nothing since."""
        board, legs = self._backend.board, self._backend.legs()
        rows = board.rows([leg.token for leg in legs])
        waited = self._backend.clock.monotonic_ns() - board.subscribed_ns[rows] > NEVER_AFTER_S * 1e9
        silent = (board.packets[rows] == 0) & (board.subscribed_ns[rows] > 0) & waited
        return [legs[place] for place in np.flatnonzero(silent).tolist()]

    def _why_never(self, leg: WatchedInstrument) -> str:
        instrument = self._backend.instrument(leg.token)
        if instrument is None:
            return _UNKNOWN
        spot = self._spot(instrument.name)
        if instrument.strike is not None and spot and abs(instrument.strike / spot - 1) > FAR_FROM_MONEY:
            return _FAR
        today = self._backend.clock.now().date()
        if instrument.expiry is not None and (instrument.expiry - today).days > FAR_IN_TIME_DAYS:
            return _LATE
        return _UNTRADED

    def _spot(self, underlying: str) -> float:
        board = self._backend.board
        token = self._backend.index_token(underlying)
        row_number = board.row(token) if token else 0
        price = float(board.price([row_number])[0]) if row_number else 0.0
        return price if price > 0 else 0.0

    # ------------------------------------------------------------------ rows

    def rows(self, legs: Sequence[WatchedInstrument], around: Around) -> list[Row]:
        """Build the list: instrument, account, mode, state, age of the last packet, why, and who asks for it."""
        title = f" {'instrument':<21}{'socket':<7}{'mode':<6}{'state':<9}{'packets':>7} {'age':<5}why"
        built = [row("", Span(title, "title"))]
        labels = {c.connection: c.label for a in around.runtime.accounts for c in a.connections}
        shown = legs[:SHOWN]
        states = self.states(shown, around) if shown else np.zeros(0, dtype=np.int8)
        board, now_ns = self._backend.board, self._backend.clock.monotonic_ns()
        for leg, code in zip(shown, states.tolist(), strict=True):
            at, state = board.row(leg.token), DataState(code)
            received = int(board.received_ns[at])
            age = fmt.short_age((now_ns - received) / 1e9) if received else fmt.MISSING
            socket = labels.get(leg.connection, leg.account or fmt.MISSING)
            line = f" {fmt.clip(leg.label, 20)} {fmt.clip(socket, 6)} {leg.mode.label:<6}"
            why = self._why(leg, state, around)
            built.append(
                row(
                    f"leg:{leg.token}", line, Span(f"{state.mark.glyph} {state.word:<7}", _ROLES.get(state, "quiet")),
                    f"{int(board.packets[at]):>7,} {age:<5}", Span(f"{why}; " if why else "", "warn"),
                    Span(leg.owner, "quiet"),
                )
            )  # fmt: skip
        if len(legs) > SHOWN:
            built.append(row("", Span(f"   and {len(legs) - SHOWN:,} more", "warn")))
        return built

    def _why(self, leg: WatchedInstrument, state: DataState, around: Around) -> str:
        """Return why a leg is not live, in a few words; empty for one that is."""
        if state is DataState.NEVER:
            return self._why_never(leg)
        if state is DataState.STALE:
            found = (p for p in around.links.problems if p.status.connection == leg.connection)
            problem = next(found, None)
            return "its socket is away" if problem is None else _LINK_WORDS[problem.link]
        if state is DataState.SNAP:
            return "cached or REST value, no tick since"
        if state is DataState.WAITING:
            sockets = (c for a in around.runtime.accounts for c in a.connections if c.connection == leg.connection)
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
