"""Faults: everything the simulated broker can be told to do wrong, each as a typed value.

`tickertui.simulator.rest` asks `Faults.next_rest` before each answer, `tickertui.simulator.stream` and
`tickertui.simulator.subscriber` ask for what concerns one socket. Tests add them through `Faults.add`, other programs
through ``POST /simulator/faults`` (`tickertui.simulator.control`), where a fault is named by its `name`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Final, TypeVar

from tickertui.frozen import frozen
from tickertui.market.clock import Clock


@frozen(kw_only=True)
class StreamFault:
    """A fault of streams.

    Attributes:
        api_key: Only sockets of this key; None for all.
        socket: Only the socket with this number (they are numbered from 1 as they connect, see ``GET
            /simulator/state``); None for all, those to come included.
        seconds: How long it lasts on the machine's clock; None until it is cleared or used up.
    """

    name: ClassVar[str] = ""
    api_key: str | None = None
    socket: int | None = None
    seconds: float | None = None

    def concerns(self, api_key: str, socket: int) -> bool:
        """Return whether a socket is meant."""
        return self.api_key in (None, api_key) and self.socket in (None, socket)


@frozen(kw_only=True)
class Silent(StreamFault):
    """Neither heartbeats nor data, but pings are answered: only a data watchdog notices."""

    name: ClassVar[str] = "silent"


@frozen(kw_only=True)
class NoData(StreamFault):
    """Heartbeats flow, data does not: one socket of several is wedged behind a living one."""

    name: ClassVar[str] = "no-data"


@frozen(kw_only=True)
class HalfOpen(StreamFault):
    """Nothing is sent and nothing is read, pings included, while TCP stays open: a lost route."""

    name: ClassVar[str] = "half-open"


@frozen(kw_only=True)
class Slow(StreamFault):
    """Each frame waits before it is sent; values are conflated meanwhile.

    Attributes:
        delay: Seconds before each frame, heartbeats included.
    """

    name: ClassVar[str] = "slow"
    delay: float = 2.0


@frozen(kw_only=True)
class ZeroSpot(StreamFault):
    """Index packets carry the last value 0."""

    name: ClassVar[str] = "zero-spot"


@frozen(kw_only=True)
class FrameFault(StreamFault):
    """A fault of the next data frames of each socket it concerns.

    Attributes:
        frames: How many frames of each socket.
    """

    frames: int = 1


@frozen(kw_only=True)
class TruncatedPacket(FrameFault):
    """The frame ends within its last packet.

    Attributes:
        missing: Bytes that are cut off.
    """

    name: ClassVar[str] = "truncated-packet"
    missing: int = 3


@frozen(kw_only=True)
class UnknownPacket(FrameFault):
    """The frame holds a packet of a length that the protocol does not know, in front of the others.

    Attributes:
        length: Its length; 164 was the full packet of the first version of this interface.
    """

    name: ClassVar[str] = "unknown-packet"
    length: int = 164


@frozen(kw_only=True)
class DuplicateFrame(FrameFault):
    """The frame is sent twice."""

    name: ClassVar[str] = "duplicate-frame"


@frozen(kw_only=True)
class OutOfOrder(FrameFault):
    """The frame is held back and sent behind the next one, so that older values come last."""

    name: ClassVar[str] = "out-of-order"


@frozen(kw_only=True)
class HugeFrame(FrameFault):
    """The packets of the frame are repeated until it holds as many as a socket may subscribe.

    Attributes:
        packets: How many; 3,000 full packets are 558 kB.
    """

    name: ClassVar[str] = "huge-frame"
    packets: int = 3000


@frozen(kw_only=True)
class GarbageText(StreamFault):
    """A text is sent at once that is not what the broker sends.

    Attributes:
        text: As sent; ``[1, 2]`` crashes the official client.
    """

    name: ClassVar[str] = "garbage-text"
    text: str = "{not json"


@frozen(kw_only=True)
class GarbageFrame(StreamFault):
    """A binary frame is sent at once whose lengths do not add up.

    Attributes:
        content: Hexadecimal; by default 9 packets are announced and none is there.
    """

    name: ClassVar[str] = "garbage-frame"
    content: str = "0009ffff00"


@frozen(kw_only=True)
class Reset(StreamFault):
    """The TCP connection is reset at once, without a word."""

    name: ClassVar[str] = "reset"


@frozen(kw_only=True)
class Close(StreamFault):
    """The WebSocket is closed at once, with a code.

    Attributes:
        code: E.g. 1000, 1001, 1011.
        reason: Sent with it.
    """

    name: ClassVar[str] = "close"
    code: int = 1011
    reason: str = ""


@frozen(kw_only=True)
class RefuseUpgrade(StreamFault):
    """New connections are answered with a status instead of the upgrade (``socket`` is not looked at).

    Attributes:
        status: HTTP status.
        attempts: How many connections; None for all while the fault lasts.
        retry_after: Seconds named in a Retry-After header, None without one.
    """

    name: ClassVar[str] = "refuse-upgrade"
    status: int = 503
    attempts: int | None = None
    retry_after: int | None = None


@frozen(kw_only=True)
class SlowUpgrade(StreamFault):
    """New connections wait for the answer to their upgrade.

    Attributes:
        delay: Seconds.
    """

    name: ClassVar[str] = "slow-upgrade"
    delay: float = 3.0


@frozen(kw_only=True)
class ExpireTokens:
    """Access tokens end now: REST and new connections get 403, open streams go on.

    Attributes:
        api_key: Of this key; None for all.
    """

    name: ClassVar[str] = "expire-tokens"
    api_key: str | None = None


@frozen(kw_only=True)
class RestFault:
    """A fault of REST answers.

    Attributes:
        path: Only paths that begin like this, e.g. ``/quote``; the control endpoint and the login page never fail.
        api_key: Only requests of this key; None for all.
        calls: How many answers; None for all while the fault lasts.
        probability: Share of the answers that are hit, 0 to 1.
        seconds: How long it lasts on the machine's clock; None until it is cleared or used up.
    """

    name: ClassVar[str] = ""
    path: str = "/"
    api_key: str | None = None
    calls: int | None = 1
    probability: float = 1.0
    seconds: float | None = None


@frozen(kw_only=True)
class ErrorAnswer(RestFault):
    """The broker's error envelope: 429 and 5xx, or any other.

    Attributes:
        status: HTTP status.
        error_type: The broker's exception; empty leaves the key out.
        message: The broker's words.
        retry_after: Seconds named in a Retry-After header, None without one.
    """

    name: ClassVar[str] = "error"
    status: int = 503
    error_type: str = "NetworkException"
    message: str = "The order management system is not reachable."
    retry_after: int | None = None


@frozen(kw_only=True)
class ErrorInside200(RestFault):
    """HTTP 200 whose body says error and has no error_type: the official client raises a TypeError.

    Attributes:
        message: The broker's words.
    """

    name: ClassVar[str] = "error-inside-200"
    message: str = "Too many requests"


@frozen(kw_only=True)
class HtmlError(RestFault):
    """A page of the proxy in front of the broker instead of JSON.

    Attributes:
        status: HTTP status.
    """

    name: ClassVar[str] = "html-error"
    status: int = 502


@frozen(kw_only=True)
class SlowAnswer(RestFault):
    """The right answer, late.

    Attributes:
        delay: Seconds.
    """

    name: ClassVar[str] = "slow-answer"
    delay: float = 3.0


@frozen(kw_only=True)
class ResetAnswer(RestFault):
    """The connection is reset instead of an answer."""

    name: ClassVar[str] = "reset-answer"


@frozen(kw_only=True)
class CutAnswer(RestFault):
    """The body ends before its announced length.

    Attributes:
        share: How much of it is sent, 0 to 1.
    """

    name: ClassVar[str] = "cut-answer"
    share: float = 0.5


@frozen(kw_only=True)
class ShortDump(RestFault):
    """The instruments dump is well-formed but holds only its first rows.

    Attributes:
        share: How much of it is left, 0 to 1; 0 leaves only the header.
    """

    name: ClassVar[str] = "short-dump"
    path: str = "/instruments"
    share: float = 0.5


@frozen(kw_only=True)
class GarbageAnswer(RestFault):
    """HTTP 200 whose body is not JSON though it says so.

    Attributes:
        body: As sent.
    """

    name: ClassVar[str] = "garbage-answer"
    body: str = '{"status": "success", "data": '


AnyFault = StreamFault | RestFault | ExpireTokens

FAULT_TYPES: Final[dict[str, type[StreamFault] | type[RestFault] | type[ExpireTokens]]] = {
    fault.name: fault
    for fault in (
        Silent, NoData, HalfOpen, Slow, ZeroSpot, TruncatedPacket, UnknownPacket, DuplicateFrame, OutOfOrder, HugeFrame,
        GarbageText, GarbageFrame, Reset, Close, RefuseUpgrade, SlowUpgrade, ExpireTokens, ErrorAnswer, ErrorInside200,
        HtmlError, SlowAnswer, ResetAnswer, CutAnswer, ShortDump, GarbageAnswer,
    )
}  # fmt: skip
"""By the name used at the control endpoint."""

INSTANT: Final = (GarbageText, GarbageFrame, Reset, Close, ExpireTokens)
"""Faults that happen when they are added and then are over."""

F = TypeVar("F", bound=StreamFault)


@dataclass(slots=True)
class _Active:
    number: int
    fault: StreamFault | RestFault
    ends_ns: int | None
    left: int | None
    used: dict[int, int] = field(default_factory=dict)


@frozen
class ActiveFault:
    """A fault that lasts.

    Attributes:
        number: To clear it.
        fault: What.
        left: Answers or connections it is still good for; None for no such limit.
    """

    number: int
    fault: StreamFault | RestFault
    left: int | None


class Faults:
    """The faults that are on.

    Attributes:
        watchers: Called after every change; the sockets look again then.

    Args:
        clock: The machine's.
        random: For probabilities.
    """

    def __init__(self, clock: Clock, random: random.Random) -> None:
        self._clock = clock
        self._random = random
        self._active: list[_Active] = []
        self._count = 0
        self.watchers: set[Callable[[], None]] = set()

    def add(self, fault: StreamFault | RestFault) -> int:
        """Switch a lasting fault on and return its number."""
        self._count += 1
        ends_ns = None if fault.seconds is None else self._clock.monotonic_ns() + round(fault.seconds * 1e9)
        left = fault.calls if isinstance(fault, RestFault) else None
        if isinstance(fault, RefuseUpgrade):
            left = fault.attempts
        self._active.append(_Active(self._count, fault, ends_ns, left))
        self._tell()
        return self._count

    def clear(self, number: int | None = None) -> int:
        """Switch one fault off, or all; return how many were on."""
        kept = [active for active in self._active if number not in (None, active.number)]
        cleared = len(self._active) - len(kept)
        self._active = kept
        self._tell()
        return cleared

    def active(self) -> list[ActiveFault]:
        """Return the faults that are on."""
        self._drop_ended()
        return [ActiveFault(active.number, active.fault, active.left) for active in self._active]

    def stream(self, kind: type[F], api_key: str, socket: int) -> F | None:
        """Return the fault of a kind that is on for a socket, None without one."""
        active = self._find(kind, api_key, socket)
        return None if active is None else active[1]

    def next_frame(self, api_key: str, socket: int) -> Iterator[FrameFault]:
        """Yield the faults of this socket's next data frame; each is charged for it."""
        self._drop_ended()
        for active in self._active:
            fault = active.fault
            if not isinstance(fault, FrameFault) or not fault.concerns(api_key, socket):
                continue
            used = active.used.get(socket, 0)
            if used < fault.frames:
                active.used[socket] = used + 1
                yield fault

    def next_upgrade(self, api_key: str, socket: int) -> RefuseUpgrade | None:
        """Return how the next connection is refused, None when it is not; the fault is charged."""
        found = self._find(RefuseUpgrade, api_key, socket, any_socket=True)
        if found is None:
            return None
        self._charge(found[0])
        return found[1]

    def upgrade_delay(self, api_key: str) -> float:
        """Return the seconds that a new connection has to wait."""
        found = self._find(SlowUpgrade, api_key, 0, any_socket=True)
        return 0.0 if found is None else found[1].delay

    def next_rest(self, path: str, api_key: str) -> RestFault | None:
        """Return the fault of the next answer, None for a true one; the fault is charged."""
        self._drop_ended()
        for active in self._active:
            fault = active.fault
            if not isinstance(fault, RestFault) or fault.api_key not in (None, api_key):
                continue
            if path.startswith(fault.path) and self._random.random() < fault.probability:
                self._charge(active)
                return fault
        return None

    def _find(self, kind: type[F], api_key: str, socket: int, *, any_socket: bool = False) -> tuple[_Active, F] | None:
        self._drop_ended()
        for active in self._active:
            fault = active.fault
            if isinstance(fault, kind) and fault.concerns(api_key, fault.socket or socket if any_socket else socket):
                return active, fault
        return None

    def _charge(self, active: _Active) -> None:
        if active.left is None:
            return
        active.left -= 1
        if active.left <= 0:
            self._active.remove(active)

    def _tell(self) -> None:
        for watcher in tuple(self.watchers):
            watcher()

    def _drop_ended(self) -> None:
        if any(active.ends_ns is not None for active in self._active):
            now = self._clock.monotonic_ns()
            self._active = [active for active in self._active if active.ends_ns is None or now < active.ends_ns]
