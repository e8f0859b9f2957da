"""What a number on the screen is worth: the data states, their marks, and the rule that gives each cell its own.

A state has three marks (a word, a glyph, a hue), any one of which is enough to tell it: colour may be missing, a
screenshot may be grey, a log has words only. The rule works on whole arrays; the frame reader calls it once a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.kite.stream_state import StreamState
from tickertui.market.hours import Phase, Session
from tickertui.market.settling import NO_AUCTION, AuctionTimes
from tickertui.market.ticks import Source
from tickertui.services.accounts.status import AccountStatus, ConnectionStatus
from tickertui.services.loop.status import FeedMode

SILENT_DATA_S: Final = 3.0
"""A socket that expects ticks and has sent none for this long makes its cells stale."""
SILENT_FRAME_S: Final = 5.0
"""The broker sends a heartbeat byte about each second; none for this long means a dead socket."""
BUSY_TICKS_PER_S: Final = 5.0
"""Below this usual rate, a socket without ticks for three seconds is nothing to tell."""
NEVER_AFTER_S: Final = 60.0
"""An instrument that has sent nothing for this long after its subscription has never ticked."""
QUIET_FACTOR: Final = 3.0
"""A leg is quiet when it has been silent for this many of its own median gaps."""
SHOWN_AGE_S: Final = 2.0
"""Younger values carry no age: it would flicker. A leg is never called quiet before."""


class StateBadge(NamedTuple):
    """The marks of a state.

    Attributes:
        word: For headers, logs and the reader without colours.
        glyph: For tables and legends; one cell wide.
        cell: What stands behind a price in this state; empty where the direction of the last change stands.
        variable: Theme variable of its hue.
    """

    word: str
    glyph: str
    cell: str
    variable: str


class DataState(IntEnum):
    """State of one cell; a higher number is worse news within one chain."""

    LIVE = 0
    QUIET = 1
    CAS = 2
    CLOSED = 3
    SNAP = 4
    REPLAY = 5
    MOCK = 6
    STALE = 7
    NEVER = 8
    ERROR = 9
    WAITING = 10
    """No contract here, not subscribed, or subscribed just now. Shown as missing."""
    PAST = 11
    """The price is of another day: nothing has traded in the session that is shown."""
    DOUBT = 12
    """The packet's time lies ahead of the market's clock: nobody can tell of when its price is."""

    @property
    def badge(self) -> StateBadge:
        """Its word, glyphs and hue."""
        return _BADGES[self]

    @property
    def word(self) -> str:
        """Its word, e.g. ``STALE``."""
        return _BADGES[self].word


_BADGES: Final[dict[DataState, StateBadge]] = {
    DataState.LIVE: StateBadge("LIVE", "●", "", "gain"),
    DataState.QUIET: StateBadge("QUIET", "·", "", "quiet"),
    DataState.CAS: StateBadge("CAS", "=", "=", "cas"),
    DataState.CLOSED: StateBadge("CLOSED", "■", " ", "closed"),
    DataState.SNAP: StateBadge("SNAP", "'", "'", "snap"),
    DataState.REPLAY: StateBadge("REPLAY", "<", "", "replay"),
    DataState.MOCK: StateBadge("MOCK", "▒", "", "mock"),
    DataState.STALE: StateBadge("STALE", "~", "~", "stale"),
    DataState.NEVER: StateBadge("NEVER", "—", " ", "quiet"),
    DataState.ERROR: StateBadge("ERROR", "!", "!", "error"),
    DataState.WAITING: StateBadge("WAITING", "…", " ", "quiet"),
    DataState.PAST: StateBadge("PAST", "°", "°", "quiet"),
    DataState.DOUBT: StateBadge("DOUBT", "?", "?", "warn"),
}

_QUIET: Final = np.int8(DataState.QUIET)
_MARKABLE: Final = np.zeros(len(DataState), dtype=np.bool_)
_MARKABLE[[DataState.LIVE, DataState.QUIET, DataState.CAS, DataState.SNAP, DataState.CLOSED, DataState.STALE]] = True
LIVE_STATES: Final = (DataState.LIVE, DataState.QUIET, DataState.CAS)
"""What a header counts as live: a quiet leg's price is as good as a new one."""


class Link(IntEnum):
    """Health of one socket, as far as the cells that it carries are concerned."""

    HEALTHY = 0
    SILENT = 1
    DOWN = 2
    AUTH = 3


@frozen
class LinkProblem:
    """A socket whose cells are not current.

    Attributes:
        status: The socket.
        link: What is wrong.
        account: Account id.
    """

    status: ConnectionStatus
    link: Link
    account: str


@frozen(eq=False)
class SocketHealth:
    """Health of all sockets.

    Attributes:
        codes: int8[highest connection number + 2] of `Link`; the last entry stands for number -1 (no socket).
        problems: Sockets in market hours that are not healthy, worst first.
    """

    codes: NDArray[np.int8]
    problems: tuple[LinkProblem, ...] = ()


NO_SOCKET_HEALTH: Final = SocketHealth(np.zeros(1, dtype=np.int8))


@frozen
class _Recovery:
    """What a socket had received when it was last in trouble, and in how many looks since there was more."""

    frames: int
    ticks: int
    waves: int = 0


_FLOWING_WAVES: Final = 3
"""Cached packets after a connect come at once: they fill one look, or two when they fall between them."""


class LinkWatch:
    """Judges the sockets by what they usually send; fed about twice a second.

    A socket that was silent or away is healthy again when data flows, not when it is merely open: a broker that is
    silent still takes a new connection, and sends its cached packets on it.
    """

    def __init__(self) -> None:
        self._usual: dict[int, float] = {}
        self._recovering: dict[int, _Recovery] = {}

    def usual(self, connection: int) -> float:
        """Return the usual packets per second of a socket, 0 before it sent any."""
        return self._usual.get(connection, 0.0)

    def update(self, accounts: Sequence[AccountStatus], *, market_open: bool) -> SocketHealth:
        """Judge every socket.

        Args:
            accounts: As the loop reports them; of a socket whose contracts do not trade now, silence means nothing.
            market_open: Outside all market hours no silence means anything.
        """
        highest = max((c.connection for a in accounts for c in a.connections), default=-1)
        codes = np.zeros(highest + 2, dtype=np.int8)
        problems: list[LinkProblem] = []
        for account in accounts:
            for status in account.connections:
                is_due = market_open and status.expects_data
                link = self._recovered(status, self._judge(status, market_open=is_due), market_open=is_due)
                codes[status.connection] = link
                # A socket that is down carries nothing at the moment, so what it should carry counts.
                if link is not Link.HEALTHY and is_due and (status.desired or status.subscribed):
                    problems.append(LinkProblem(status, link, account.account_id))
        problems.sort(key=lambda problem: (-problem.link, problem.status.connection))
        return SocketHealth(codes, tuple(problems))

    def _recovered(self, status: ConnectionStatus, link: Link, *, market_open: bool) -> Link:
        """Hold a socket that was in trouble back until its data flow."""
        if link in (Link.SILENT, Link.DOWN):
            self._recovering[status.connection] = _Recovery(status.frames, status.ticks)
            return link
        before = self._recovering.get(status.connection)
        if before is None or link is not Link.HEALTHY or not market_open or not status.subscribed:
            self._recovering.pop(status.connection, None)
            return link
        if self.usual(status.connection) >= BUSY_TICKS_PER_S:
            waves = before.waves + (status.ticks != before.ticks)
            flows = waves >= _FLOWING_WAVES
        else:
            waves, flows = 0, status.frames != before.frames
        if flows:
            del self._recovering[status.connection]
            return link
        self._recovering[status.connection] = _Recovery(before.frames, status.ticks, waves)
        return Link.SILENT

    def _judge(self, status: ConnectionStatus, *, market_open: bool) -> Link:
        if status.state is StreamState.AUTH:
            return Link.AUTH
        if status.state is StreamState.SILENT:
            return Link.SILENT
        if status.state is not StreamState.OPEN:
            return Link.DOWN
        usual = self.usual(status.connection)
        data_age = status.data_age
        if data_age is not None and data_age <= 1.0:
            # The usual rate is learned while ticks come, and kept while they do not.
            rate = status.ticks_per_second
            self._usual[status.connection] = usual + 0.1 * (rate - usual) if usual else rate
        if not market_open:
            return Link.HEALTHY
        if status.frame_age is not None and status.frame_age > SILENT_FRAME_S:
            return Link.SILENT
        if usual >= BUSY_TICKS_PER_S and data_age is not None and data_age > SILENT_DATA_S:
            return Link.SILENT
        # Accepted and mute, as with a token of yesterday: at least the cached packets come within a second.
        if status.is_mute and status.subscribed and (status.open_for or 0.0) > SILENT_FRAME_S:
            return Link.SILENT
        return Link.HEALTHY


class TypicalGap:
    """Median gap between the packets of each leg, learned as they come.

    A median needs no list of gaps: the estimate steps up by a fixed ratio when a gap is longer and down when it is
    shorter, so that it settles where both are equally frequent. One step is 15 %: after 20 packets it is within a
    factor of 16 of where it started, and one long pause (a lunch hour) moves it by one step only. Gaps shorter than
    the display's period are seen as one period; the floor of `SHOWN_AGE_S` makes that harmless.

    Args:
        shape: Of the arrays that follow.
    """

    _STEP: Final = 1.15

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.gap_s: NDArray[np.float64] = np.full(shape, np.nan)
        """Median gap in seconds, NaN before the second packet."""
        self._last: NDArray[np.int64] = np.zeros(shape, dtype=np.int64)

    def update(self, received_ns: NDArray[np.int64]) -> None:
        """Take in the monotonic receipt times of the newest packets (0 = none yet)."""
        last, self._last = self._last, received_ns.copy()
        gaps = (received_ns - last) / 1e9
        again = (gaps > 0) & (last > 0)
        if not again.any():
            return
        old = self.gap_s
        stepped = np.where(np.isnan(old), gaps, np.where(gaps > old, old * self._STEP, old / self._STEP))
        self.gap_s = np.where(again, stepped, old)


_BEFORE_OPEN: Final = timedelta(hours=1)
"""Trades of a session come from its pre-open on, which begins less than this before the open."""


@frozen
class MarketView:
    """What the calendar says about now, for one derivatives segment.

    Attributes:
        phase: Of the segment.
        label: ``F&O OPEN``, ``F&O closed``, ``HOLIDAY Guru Nanak Jayanti``.
        detail: What comes next, e.g. ``closes 15:40`` or ``next open Wed 25 Nov 09:15``.
        closes_in: Seconds to the end of the session, None while it is shut.
        session_day: ``Fri 20 Nov``: the session whose values a shut market shows.
        frozen_since: ``15:15``: when the closing auction stopped the index, empty outside it.
        unconfirmed: ``announced for 7 Dec, unconfirmed``: how sure the day's hours are, empty where they are certain.
        auction: That auction, from its beginning to the end of the session.
        session: The session whose values are shown: the one that runs, else the last one; None where nobody knows.
    """

    phase: Phase = Phase.OPEN
    label: str = "F&O OPEN"
    detail: str = ""
    closes_in: float | None = None
    session_day: str = ""
    frozen_since: str = ""
    unconfirmed: str = ""
    auction: AuctionTimes = NO_AUCTION
    session: Session | None = None

    @property
    def is_open(self) -> bool:
        """Whether derivatives trade."""
        return self.phase.is_open

    @property
    def began(self) -> float:
        """Epoch seconds before which trades are not of the session whose values are shown; 0 where nobody knows."""
        return 0.0 if self.session is None else (self.session.open - _BEFORE_OPEN).timestamp()

    def shuts(self, feed: FeedMode) -> bool:
        """Whether the last values are those of a finished session; never where the hours are not known."""
        return self.phase is not Phase.UNKNOWN and (not self.is_open or feed is FeedMode.CLOSED)

    @property
    def index_frozen(self) -> bool:
        """Whether the closing auction runs, in which the index prints nothing."""
        return self.phase is Phase.CAS


@frozen(eq=False)
class CellFacts:
    """What the rule needs to know of cells, in arrays of one shape.

    Attributes:
        source: Values of `Source`.
        packets: Packets since the subscription; 1 is the broker's cached one.
        age_s: Seconds since the last packet, NaN before the first.
        gap_s: Median gap of the leg in seconds, NaN when not known yet.
        subscribed_s: Seconds since the subscription, NaN when there is none.
        link: Values of `Link` of the socket that carries the leg.
        refused: Where the broker has refused the instrument.
    """

    source: NDArray[np.int64]
    packets: NDArray[np.int64]
    age_s: NDArray[np.float64]
    gap_s: NDArray[np.float64]
    subscribed_s: NDArray[np.float64]
    link: NDArray[np.int8]
    refused: NDArray[np.bool_]


def refused_among(tokens: NDArray[np.int64], refused: frozenset[int]) -> NDArray[np.bool_]:
    """Return where the broker refuses the instrument, of the shape of the tokens."""
    if not refused:
        return np.zeros(tokens.shape, dtype=np.bool_)
    return np.isin(tokens, np.fromiter(refused, dtype=np.int64, count=len(refused)))


def live_or_quiet(age_s: NDArray[np.float64], gap_s: NDArray[np.float64]) -> NDArray[np.int8]:
    """Tell the quiet legs among live ones: all that is left of `classify` while nothing is wrong.

    Args:
        age_s: Seconds since the last packet, NaN before the first.
        gap_s: Median gap of the leg in seconds, NaN when not known yet.
    """
    with np.errstate(invalid="ignore"):
        quiet = age_s > np.fmax(QUIET_FACTOR * gap_s, SHOWN_AGE_S)
    return quiet.astype(np.int8) * _QUIET


def classify(facts: CellFacts, feed: FeedMode, market: MarketView) -> NDArray[np.int8]:
    """Give every cell its state.

    Synthetic and recorded values are that whatever else is true. A shut market makes its last values CLOSED, not
    stale; one whose hours are not known is never taken for shut: its values go by their age. A live value is STALE
    when its socket is silent or away, QUIET when only the leg is; the broker's cached packet and a REST answer are
    snapshots until a tick follows.

    Returns:
        int8 of the shape of the facts: values of `DataState`.
    """
    states = live_or_quiet(facts.age_s, facts.gap_s)
    with np.errstate(invalid="ignore"):
        never = facts.subscribed_s > NEVER_AFTER_S
    states[(facts.source == Source.SNAPSHOT) | (facts.source == Source.STORED) | (facts.packets <= 1)] = DataState.SNAP
    if not market.shuts(feed):
        states[(facts.link != Link.HEALTHY) & (facts.source == Source.LIVE)] = DataState.STALE
    else:
        states[:] = DataState.CLOSED
    states[facts.source == Source.REPLAY] = DataState.REPLAY
    states[facts.source == Source.MOCK] = DataState.MOCK
    nothing = facts.source == Source.NONE
    states[nothing] = DataState.WAITING
    states[nothing & never] = DataState.NEVER
    states[facts.refused | (nothing & (facts.link == Link.AUTH))] = DataState.ERROR
    return states


def mark(states: NDArray[np.int8], where: NDArray[np.bool_], state: DataState) -> None:
    """Say what is wrong with prices, whatever their feed is worth; synthetic and missing ones stay as they are.

    Args:
        states: Changed in place.
        where: Of the same shape.
        state: What is true of the prices there.
    """
    states[where & _MARKABLE.take(states)] = state


def spot_state(source: Source, age_s: float, link: Link, feed: FeedMode, market: MarketView) -> DataState:
    """Give the state of an index, which prints about each second while it is not frozen by the closing auction.

    Args:
        source: Of its row.
        age_s: Seconds since its last packet, NaN before the first.
        link: Health of its socket.
        feed: What fills the board.
        market: What the calendar says.
    """
    if source is Source.NONE:
        return DataState.ERROR if link is Link.AUTH else DataState.WAITING
    if source is Source.MOCK:
        return DataState.MOCK
    if source is Source.REPLAY:
        return DataState.REPLAY
    if market.shuts(feed):
        return DataState.CLOSED
    if source in (Source.SNAPSHOT, Source.STORED):
        return DataState.SNAP
    if link is not Link.HEALTHY:
        return DataState.STALE
    # The auction freezes the index; when it prints again (the auction's close), it is live again.
    if age_s > SILENT_DATA_S and market.phase in (Phase.CAS, Phase.CLOSING):
        return DataState.CAS
    return DataState.QUIET if age_s > SHOWN_AGE_S else DataState.LIVE
