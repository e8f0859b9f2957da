"""The control endpoint: how another program tells the simulator to misbehave, what time it is, and asks how it is.

=======  ========================================  ==============================================================
method   path                                      meaning
=======  ========================================  ==============================================================
GET      ``/simulator/state``                      clock, accounts, sockets, faults, attempts to connect
POST     ``/simulator/faults``                     ``{"fault": "silent", "socket": 1, "seconds": 10}``: see
                                                   `tickertui.simulator.faults` for names and fields
DELETE   ``/simulator/faults[?number=3]``          clear one fault, or all
POST     ``/simulator/clock``                      ``{"now": "2026-11-25 11:00", "speed": 60}``, both optional
POST     ``/simulator/orders``                     ``{"api_key": "..", "order": {..}}``: an order update for all
                                                   sockets of a key, see `tickertui.simulator.orders`
=======  ========================================  ==============================================================

Changes need ``Content-Type: application/json``, which a web page of another site cannot send without being asked.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import MISSING, asdict, fields
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Protocol, TypeVar, get_args, get_type_hints

from tickertui.frozen import frozen
from tickertui.market.clock import IST
from tickertui.simulator.accounts import SimulatedAccount
from tickertui.simulator.clock import SimulatedClock
from tickertui.simulator.faults import FAULT_TYPES, ActiveFault, AnyFault
from tickertui.simulator.http import Request, Response
from tickertui.simulator.orders import SimulatedOrder

T = TypeVar("T")


class ControlError(ValueError):
    """The request is not understood; the text says what is."""


class Controlled(Protocol):
    """What is controlled: `tickertui.simulator.server.RunningSimulator`."""

    @property
    def clock(self) -> SimulatedClock:
        """Market time."""
        ...

    async def misbehave(self, fault: AnyFault) -> int:
        """Switch a fault on."""
        ...

    def clear_faults(self, number: int | None = None) -> int:
        """Switch faults off."""
        ...

    def account(self, api_key: str) -> SimulatedAccount:
        """Return an account.

        Raises:
            KeyError: When there is none.
        """
        ...

    def send_order(self, api_key: str, order: SimulatedOrder) -> int:
        """Send an order update."""
        ...

    def state(self) -> SimulatorState:
        """Return how things are."""
        ...


@frozen
class SocketState:
    """One open socket.

    Attributes:
        number: For faults.
        api_key: Whose.
        instruments: How many are subscribed, by mode.
        frames: Data frames sent.
        packets: Ticks in them.
        heartbeats: Heartbeats sent.
        bytes: Sent.
        messages: Texts received.
    """

    number: int
    api_key: str
    instruments: dict[str, int]
    frames: int
    packets: int
    heartbeats: int
    bytes: int
    messages: int


@frozen
class SimulatorState:
    """How the simulator is.

    Attributes:
        now: Market time.
        speed: Seconds of market time per second.
        market: Names the market: what the same name shows is of one market, whatever the port. Clients keep what they
            store apart by it.
        rest_url: Where REST is.
        stream_url: Where the stream is.
        contracts: In the dump.
        api_keys: Of the accounts.
        logged_in: API keys with a valid session.
        sockets: Open ones.
        faults: That are on.
        refused: Connections that were refused, by status.
        answers: Answers of the broker's REST interface, by status; 0 for connections reset instead.
    """

    now: datetime
    speed: float
    market: str
    rest_url: str
    stream_url: str
    contracts: int
    api_keys: tuple[str, ...]
    logged_in: tuple[str, ...]
    sockets: tuple[SocketState, ...]
    faults: tuple[ActiveFault, ...]
    refused: dict[int, int]
    answers: dict[int, int]


class Control:
    """Answers the control endpoint.

    Args:
        simulator: What is controlled.
    """

    def __init__(self, simulator: Controlled) -> None:
        self._simulator = simulator
        self._routes: dict[tuple[str, str], Callable[[Request], Awaitable[object]]] = {
            ("GET", "/simulator/state"): self._state,
            ("POST", "/simulator/faults"): self._add_fault,
            ("DELETE", "/simulator/faults"): self._clear_faults,
            ("POST", "/simulator/clock"): self._set_clock,
            ("POST", "/simulator/orders"): self._send_order,
        }

    async def handle(self, request: Request) -> Response:
        """Answer a request below ``/simulator/``."""
        answer = self._routes.get((request.method, request.path))
        if answer is None:
            paths = ", ".join(f"{method} {path}" for method, path in self._routes)
            return _json(404, {"error": f"there is no {request.method} {request.path}; there is {paths}"})
        try:
            return _json(200, await answer(request))
        except ControlError as error:
            return _json(400, {"error": str(error)})

    async def _state(self, request: Request) -> object:
        state = self._simulator.state()
        return {
            **asdict(state),
            "now": state.now.isoformat(timespec="seconds"),
            "faults": [{"number": row.number, "left": row.left, **fault_document(row.fault)} for row in state.faults],
        }

    async def _add_fault(self, request: Request) -> object:
        fault = parse_fault(_document(request))
        return {"number": await self._simulator.misbehave(fault), **fault_document(fault)}

    async def _clear_faults(self, request: Request) -> object:
        text = request.first("number")
        if text is not None and not text.isdecimal():
            raise ControlError(f"number is a whole number, not {text!r}")
        return {"cleared": self._simulator.clear_faults(None if text is None else int(text))}

    async def _set_clock(self, request: Request) -> object:
        document = _document(request)
        unknown = sorted(set(document) - {"now", "speed"})
        if unknown:
            raise ControlError(f"the clock has now and speed, not {unknown[0]!r}")
        clock = self._simulator.clock
        try:
            moment = None if "now" not in document else parse_market_time(str(document["now"]))
            if "speed" in document:
                clock.set_speed(_field("speed", document["speed"], float))
            if moment is not None:
                clock.set(moment)
        except ValueError as error:
            raise ControlError(str(error)) from None
        return {"now": clock.now().isoformat(timespec="seconds"), "speed": clock.speed}

    async def _send_order(self, request: Request) -> object:
        document = _document(request)
        order = _build(SimulatedOrder, document.get("order"), "an order")
        api_key = str(document.get("api_key", ""))
        try:
            return {"sockets": self._simulator.send_order(api_key, order)}
        except KeyError:
            raise ControlError(f"there is no account with the api_key {api_key!r}") from None


def parse_fault(document: dict[str, object]) -> AnyFault:
    """Return the fault that a JSON object names.

    Raises:
        ControlError: When there is no such fault or field, or a value is of the wrong type.
    """
    name = document.get("fault")
    kind = FAULT_TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ControlError(f"there is no fault {name!r}; there is {', '.join(FAULT_TYPES)}")
    return _build(kind, {key: value for key, value in document.items() if key != "fault"}, f"the fault {name!r}")


def fault_document(fault: AnyFault) -> dict[str, object]:
    """Return the JSON object of a fault, the inverse of `parse_fault`."""
    return {"fault": fault.name, **asdict(fault)}


def parse_market_time(text: str) -> datetime:
    """Return a market time like ``2026-11-25 11:00``; one with a zone is taken as it is.

    Raises:
        ValueError: With a sentence when it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f'{text!r} is not a market time like "2026-11-25 11:00"') from None
    return moment.replace(tzinfo=IST) if moment.tzinfo is None else moment.astimezone(IST)


def _document(request: Request) -> dict[str, object]:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ControlError("the body is JSON and says so: Content-Type: application/json")
    try:
        document = request.json()
    except ValueError as error:
        raise ControlError(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ControlError("the body is a JSON object")
    return document


def _build(kind: type[T], document: object, what: str) -> T:
    """Fill a dataclass from a JSON object, field by field."""
    if not isinstance(document, dict):
        raise ControlError(f"{what} is a JSON object")
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    unknown = sorted(set(document) - set(known))
    if unknown:
        raise ControlError(f"{what} has no {unknown[0]!r}; it has {', '.join(known)}")
    missing = [name for name, field in known.items() if field.default is MISSING and name not in document]
    if missing:
        raise ControlError(f"{what} needs {missing[0]!r}")
    return kind(**{name: _field(name, value, hints[name]) for name, value in document.items()})


def _field(name: str, value: object, hint: Any) -> Any:
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if value is None and NoneType in kinds:
        return None
    for kind in kinds:
        if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if kind is not NoneType and type(value) is kind:
            return value
    names = " or ".join("null" if kind is NoneType else kind.__name__ for kind in kinds)
    raise ControlError(f"{name} is {names}, not {value!r}")


def _json(status: int, document: object) -> Response:
    return Response(status, json.dumps(document, indent=2).encode() + b"\n")
