"""`ObservedHours`: which segments trade, by what is seen: the calendar plans, the market corrects it.

The engine builds one and hands it to whoever asks what a segment does now: feed, valuation, backfill, screens. It
answers as the calendar does, but for a segment whose ticks flow while the calendar says closed (a special session,
extended hours, an unlisted Muhurat), and for one that sends none while the calendar says open and its sockets are
healthy (an unlisted holiday, an outage of the exchange). Both are events, and a `Deviation` for the screens.

Once a second the board's columns are looked through: no code runs per tick. What the broker had cached when an
instrument was subscribed, a stamp that stands still and a stray packet are no trading: see `StampRun`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from tickertui.frozen import frozen
from tickertui.market.arrays import distinct
from tickertui.market.board import MarketBoard
from tickertui.market.clock import IST, Clock, from_epoch, wall_rate
from tickertui.market.hours import MarketCalendar, Phase, Session, UnderlyingKind
from tickertui.market.instruments import INDEX_SEGMENT_CODE
from tickertui.market.ticks import Source, Word
from tickertui.market.universe import SEGMENT_CODES
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.services.supervision.seen_sessions import SeenSession, read_seen_sessions, write_seen_sessions
from tickertui.services.supervision.stamp_run import StampRun

_NS: Final = 1_000_000_000
_STAMP: Final = int(Word.EXCHANGE_TIMESTAMP)
_SEGMENTS: Final = {code: "INDICES" if code == INDEX_SEGMENT_CODE else name for name, code in SEGMENT_CODES.items()}

_LOOK_S: Final = 1.0
_FLOW_S: Final = 10
"""Stamps must advance for so long, in step with their packets, in a time that the calendar calls closed."""
_FLOW_LOOKS: Final = 4
"""In so many looks at least a price must have moved meanwhile: an index that goes on printing one value is shut."""
_GRACE: Final = timedelta(minutes=1)
"""What is stamped so soon after a close still belongs to it."""
_ENDED_S: Final = 120.0
"""A flow without a tick for so long is over."""


class DeviationKind(StrEnum):
    """How a segment differs from what the calendar says of it."""

    FLOWING = "flowing"
    """It trades though the calendar says closed."""
    STILL = "still"
    """It sends nothing though the calendar says open and its sockets are healthy."""


@frozen
class Deviation:
    """A segment that does not do what the calendar says.

    Attributes:
        segment: As the calendar names it.
        kind: See `DeviationKind`.
        since: First tick of the flow; last tick before the silence, else when it was first listened for, the open.
        ticked: Whether there was a tick in this session before the silence.
        whole: Whether the silence began with the session.
    """

    segment: str
    kind: DeviationKind
    since: datetime
    ticked: bool = True
    whole: bool = False

    def short(self) -> str:
        """``NFO trades since Sat 10:00``, ``no tick of NFO since 11:02``."""
        name = "the indices" if self.segment == "INDICES" else self.segment
        if self.kind is DeviationKind.FLOWING:
            return f"{name} {'trade' if self.segment == 'INDICES' else 'trades'} since {self.since:%a %H:%M}"
        return f"no tick of {name} since {self.since:%H:%M}{', the open' if self.whole else ''}"

    def describe(self) -> str:
        """One sentence for the events, the banner and the list of problems."""
        if self.kind is DeviationKind.FLOWING:
            return f"{self.short()}, though the calendar says closed"
        why = "an outage of the exchange" if self.ticked else "a holiday that is not listed, or an outage"
        return f"{self.short()}, though the calendar says open and the sockets are healthy: {why}"


@frozen
class HoursLimits:
    """How long a segment may be silent while it should trade.

    Attributes:
        many: Seconds, of healthy sockets, with at least ``enough`` instruments or an index.
        few: Seconds with fewer: a single far strike may not trade for minutes.
        enough: Instruments.
    """

    many: float = 120.0
    few: float = 600.0
    enough: int = 20


@dataclass(slots=True)
class _Seen:
    """What was seen of one segment."""

    run: StampRun
    """All stamps."""
    flow: StampRun
    """Stamps within closed hours."""
    flow_moves: int = 0
    last_tick_ns: int = 0
    last_tick_at: datetime | None = None
    quiet_s: float = 0.0
    """Seconds of healthy sockets without a tick while it should trade."""
    open_since: datetime | None = None
    returned: int = 0


class ObservedHours(MarketCalendar):
    """The calendar, corrected by what ticks.

    Attributes:
        revision: Changes with each deviation that begins or ends.

    Args:
        board: Where receipts and stamps are.
        calendar: What is planned.
        clock: Now; ages are monotonic.
        events: Each deviation and each end of one is recorded here.
        limits: When silence is a deviation.
        file: Where sessions that were seen are kept over restarts; None for nowhere.
    """

    def __init__(
        self,
        board: MarketBoard,
        calendar: MarketCalendar,
        clock: Clock,
        events: EventLog,
        limits: HoursLimits | None = None,
        file: Path | None = None,
    ) -> None:
        super().__init__(calendar.data)
        self.revision = 0
        self._board = board
        self._calendar = calendar
        self._clock = clock
        self._events = events
        self._limits = limits or HoursLimits()
        self._healthy: Callable[[], Collection[int]] = tuple
        self._seen: dict[str, _Seen] = {}
        self._deviations: dict[str, Deviation] = {}
        self._touched: set[str] = set()
        self._flows: dict[str, list[Session]] = {}
        self._still_sessions: set[tuple[str, datetime]] = set()
        self._looked_ns = clock.monotonic_ns()
        self._pace = wall_rate(clock)
        self._file = file
        self._written: tuple[SeenSession, ...] = ()
        self._recall()

    # ------------------------------------------------------------------ what it is asked

    @property
    def calendar(self) -> MarketCalendar:
        """What is planned."""
        return self._calendar

    def deviations(self) -> tuple[Deviation, ...]:
        """Return what does not go by the calendar now, the oldest first."""
        return tuple(sorted(self._deviations.values(), key=lambda deviation: deviation.since))

    def session_on(self, segment: str, day: date) -> tuple[Session, ...]:
        """Return a day's sessions in order: those of the calendar as far as they took place, and those that were seen.

        One that is under way ends at midnight. All other answers follow from this one.
        """
        planned, name = self._calendar.session_on(segment, day), segment.partition("-")[0]
        if name not in self._touched:
            return planned
        deviation = self._deviations.get(name)
        if deviation is not None and deviation.kind is DeviationKind.STILL:
            planned = tuple(_until(session, deviation.since) for session in planned)
        took_place = [
            session for session in planned
            if session.open < session.close and (name, session.open) not in self._still_sessions
        ]  # fmt: skip
        seen = [session for session in self._flows.get(name, ()) if session.day == day]
        if deviation is not None and deviation.kind is DeviationKind.FLOWING and deviation.since.date() == day:
            midnight = datetime.combine(max(day, self._clock.now().date()) + timedelta(days=1), time(), IST)
            seen.append(_seen_session(deviation.since, midnight))
        return tuple(sorted((*took_place, *seen), key=lambda session: session.open))

    def expiry_instant(self, segment: str, expiry: date, underlying: UnderlyingKind = UnderlyingKind.OTHER) -> datetime:
        """Return when a contract stops trading, by the calendar: an outage ends nobody's contract."""
        return self._calendar.expiry_instant(segment, expiry, underlying)

    def trading_days_between(self, segment: str, start: date, end: date) -> int:
        """Count the trading days after ``start`` up to and including ``end``, by the calendar."""
        return self._calendar.trading_days_between(segment, start, end)

    # ------------------------------------------------------------------ looking

    def watch_sockets(self, healthy: Callable[[], Collection[int]]) -> None:
        """Take who says which sockets are open and heard from, by their numbers; without it silence means nothing."""
        self._healthy = healthy

    async def run(self) -> None:
        """Look once a second until cancelled."""
        while True:
            await anyio.sleep(_LOOK_S)
            self.look()
            await self._keep()

    def look(self) -> None:
        """Take in what has come since the last look."""
        board, now_ns = self._board, self._clock.monotonic_ns()
        before_ns, self._looked_ns = self._looked_ns, now_ns
        rows = np.flatnonzero((board.subscribed_ns > 0) & (board.tokens > 0))
        codes = board.tokens[rows] & 0xFF
        came = (board.received_ns[rows] >= before_ns) & (board.packets[rows] > 1) & (board.sources[rows] == Source.LIVE)
        healthy = np.isin(board.connections[rows], np.array(list(self._healthy()), dtype=np.int64))
        carried = np.bincount(codes[healthy], minlength=256)
        for code in distinct(np.concatenate((codes[came], codes[healthy]))).tolist():
            segment = _SEGMENTS.get(code)
            if segment is not None and self._calendar.knows(segment):
                seen = self._seen.get(segment)
                if seen is None:
                    seen = self._seen[segment] = _Seen(StampRun(self._pace), StampRun(self._pace))
                self._look_at(segment, seen, rows[came & (codes == code)], before_ns)
                self._judge(segment, seen, int(carried[code]), (now_ns - before_ns) / _NS)

    def _look_at(self, segment: str, seen: _Seen, came: NDArray[np.intp], before_ns: int) -> None:
        """Take in the packets of a segment."""
        if not len(came):
            return
        board = self._board
        stamps = np.where(board.modes[came] > _STAMP, board.words[came, _STAMP].astype(np.int64), 0)
        moved = bool((board.moved_ns[came] >= before_ns).any())
        newest = int(stamps.argmax())
        stamp, received_s = int(stamps[newest]), int(board.received_wall_ns[came[newest]]) / 1e9
        if not stamp:
            # Outside full mode there is no stamp: a price that moves is a tick of now.
            stamp = int(received_s) if moved else 0
        if not stamp:
            return
        advances = seen.run.advances
        seen.run.take(stamp, received_s)
        if seen.run.advances > advances or moved:
            # A price that moves is trading too where packets come too late to be in step.
            seen.last_tick_ns, seen.last_tick_at, seen.quiet_s = self._clock.monotonic_ns(), from_epoch(received_s), 0.0
            seen.returned += 1
        if self._is_closed_time(segment, from_epoch(stamp)):
            seen.flow.take(stamp, received_s)
            if not seen.flow.advances:
                seen.flow_moves = 0
            seen.flow_moves += moved
        else:
            seen.flow, seen.flow_moves = StampRun(self._pace), 0

    def _is_closed_time(self, segment: str, at: datetime) -> bool:
        """Whether the calendar says closed at the time of a stamp, and did so a moment before."""
        phases = (self._calendar.phase(segment, at), self._calendar.phase(segment, at - _GRACE))
        return all(phase is Phase.CLOSED for phase in phases)

    def _judge(self, segment: str, seen: _Seen, carried: int, passed_s: float) -> None:
        now = self._clock.now()
        phase = self._calendar.phase(segment, now)
        deviation = self._deviations.get(segment)
        if deviation is None:
            if phase is Phase.CLOSED:
                self._look_for_flow(segment, seen)
        elif deviation.kind is DeviationKind.FLOWING:
            if phase is not Phase.CLOSED or self._age_s(seen) > _ENDED_S:
                self._end_flow(segment, seen)
        elif not phase.is_open:
            if deviation.whole:
                self._still_sessions.add((segment, deviation.since))
            self._end(segment, "its session is over by the calendar")
        elif seen.returned >= 2:
            self._end(segment, "ticks come again")
        if not self._should_tick(segment, phase):
            seen.quiet_s, seen.open_since = 0.0, None
            return
        if seen.open_since is None:
            seen.open_since, seen.quiet_s = now, 0.0
        if carried:
            seen.quiet_s += passed_s
        patience = self._limits.few
        if segment == "INDICES" or (carried >= self._limits.enough and not self._indices_tick(segment)):
            patience = self._limits.many
        if carried and segment not in self._deviations and seen.quiet_s > patience:
            self._begin_still(segment, seen)

    @staticmethod
    def _should_tick(segment: str, phase: Phase) -> bool:
        """Whether packets are due: an index prints nothing in the closing auction."""
        return phase is Phase.OPEN if segment == "INDICES" else phase.is_open

    def _indices_tick(self, segment: str) -> bool:
        """Whether the indices go on while their derivatives are silent: then it is few of these that trade."""
        indices = self._seen.get("INDICES")
        return segment in ("NFO", "BFO") and indices is not None and self._age_s(indices) < _FLOW_S

    def _age_s(self, seen: _Seen) -> float:
        return (self._clock.monotonic_ns() - seen.last_tick_ns) / _NS

    # ------------------------------------------------------------------ over restarts

    def _recall(self) -> None:
        if self._file is None:
            return
        try:
            self._written = read_seen_sessions(self._file)
        except ValueError as error:
            self._events.add("calendar", str(error), severity=Severity.WARNING)
        for seen in self._written:
            self._touched.add(seen.segment)
            if seen.close is None:
                self._still_sessions.add((seen.segment, seen.open))
            else:
                self._flows.setdefault(seen.segment, []).append(_seen_session(seen.open, seen.close))

    async def _keep(self) -> None:
        """Write what was seen when it is another than what is written: each minute while a session runs."""
        sessions = self._to_keep()
        if self._file is None or sessions == self._written:
            return
        self._written = sessions
        try:
            await anyio.to_thread.run_sync(write_seen_sessions, self._file, sessions, self._clock.now())
        except OSError as error:
            text = f"sessions that were seen are not kept over a restart: {error}"
            self._events.add("calendar", text, severity=Severity.WARNING)

    def _to_keep(self) -> tuple[SeenSession, ...]:
        kept = [
            SeenSession(segment, session.open, session.close)
            for segment, sessions in self._flows.items()
            for session in sessions
        ]
        for segment, deviation in self._deviations.items():
            if deviation.kind is DeviationKind.FLOWING:
                running = self._so_far(segment)
                kept.append(SeenSession(segment, running.open, running.close))
        kept += [SeenSession(segment, opened, None) for segment, opened in sorted(self._still_sessions)]
        return tuple(kept)

    # ------------------------------------------------------------------ deviations

    def _look_for_flow(self, segment: str, seen: _Seen) -> None:
        if seen.flow.seconds >= _FLOW_S * self._pace and seen.flow_moves >= _FLOW_LOOKS and self._age_s(seen) < _FLOW_S:
            since = from_epoch(seen.flow.stamp - seen.flow.seconds)
            self._begin(Deviation(segment, DeviationKind.FLOWING, since))

    def _so_far(self, segment: str) -> Session:
        """A flow up to its last tick, in whole minutes."""
        since, last = self._deviations[segment].since, self._seen[segment].last_tick_at
        end = max(last or since, since).replace(second=0, microsecond=0)
        return _seen_session(since, end + timedelta(minutes=1))

    def _begin_still(self, segment: str, seen: _Seen) -> None:
        assert seen.open_since is not None
        session = self._calendar.current_session(segment, self._clock.now())
        opened = seen.open_since if session is None else session.open
        whole = seen.open_since - opened < _GRACE
        last = seen.last_tick_at
        ticked = last is not None and last >= opened
        since = last if last is not None and ticked else opened if whole else seen.open_since
        seen.returned, seen.run = 0, StampRun(self._pace)
        self._begin(Deviation(segment, DeviationKind.STILL, since, ticked, whole and not ticked))

    def _begin(self, deviation: Deviation) -> None:
        self._deviations[deviation.segment] = deviation
        self._touched.add(deviation.segment)
        self.revision += 1
        self._events.add("calendar", deviation.describe(), severity=Severity.WARNING)

    def _end(self, segment: str, why: str) -> None:
        over = self._deviations.pop(segment)
        self.revision += 1
        self._seen[segment].quiet_s = 0.0
        self._events.add("calendar", f"over: {over.describe()}; {why}")

    def _end_flow(self, segment: str, seen: _Seen) -> None:
        self._flows.setdefault(segment, []).append(self._so_far(segment))
        quiet = self._age_s(seen) > _ENDED_S
        self._end(segment, "no tick has come for a while" if quiet else "the calendar says open too")
        seen.flow, seen.flow_moves = StampRun(self._pace), 0


def _seen_session(since: datetime, close: datetime) -> Session:
    """A session that was seen, from the minute of its first tick on."""
    opened = since.replace(second=0, microsecond=0)
    return Session(opened.date(), opened, close, "not in the calendar", ((opened, Phase.OPEN), (close, Phase.CLOSED)))


def _until(session: Session, end: datetime) -> Session:
    """A session that sent nothing from a moment on."""
    if not session.open <= end < session.close:
        return session
    edges = tuple(edge for edge in session.edges if edge[0] < end)
    return replace(session, close=end, edges=(*edges, (end, Phase.CLOSED)))


__all__: Sequence[str] = ("Deviation", "DeviationKind", "HoursLimits", "ObservedHours")
