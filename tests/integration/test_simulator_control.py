"""The control endpoint: faults, clock, orders and state over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from tests.support.http_client import connect
from tests.support.raw_socket import raw_socket
from tests.support.simulators import SimulatedBroker, simulated_broker
from tests.support.waiting import wait_until
from tickertui.simulator.control import ControlError, fault_document, parse_fault
from tickertui.simulator.faults import FAULT_TYPES, Silent

INFY = 408065


async def ask(broker: SimulatedBroker, method: str, path: str, document: object = None) -> tuple[int, Any]:
    connection = await connect(broker.rest_url)
    async with connection.stream:
        answer = await connection.call(method, f"/simulator/{path}", document=document)
    return answer.status, answer.json


async def test_the_state_tells_everything() -> None:
    async with simulated_broker(accounts=2) as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await socket.subscribe([INFY], "full")
        await socket.batch()
        await broker.misbehave(Silent(socket=7))
        status, state = await ask(broker, "GET", "state")
    assert status == 200
    assert state["now"] == "2026-11-25T11:00:00+05:30"
    assert state["contracts"] == len(broker.market.instruments)
    assert state["api_keys"] == state["logged_in"] == ["simulated1", "simulated2"]
    (seen,) = state["sockets"]
    assert (seen["number"], seen["api_key"], seen["instruments"]) == (1, "simulated1", {"full": 1})
    assert (seen["frames"], seen["packets"], seen["messages"]) == (1, 1, 1)
    assert seen["bytes"] >= 188
    (fault,) = state["faults"]
    assert (fault["fault"], fault["socket"], fault["number"]) == ("silent", 7, 1)
    assert state["refused"] == {}


async def test_faults_are_added_and_cleared() -> None:
    async with simulated_broker() as broker:
        status, added = await ask(broker, "POST", "faults", {"fault": "slow-answer", "delay": 0, "path": "/quote"})
        assert (status, added["number"], added["delay"], added["calls"]) == (200, 1, 0.0, 1)
        await ask(broker, "POST", "faults", {"fault": "no-data", "seconds": None})
        assert [row.fault.name for row in broker.simulator.faults.active()] == ["slow-answer", "no-data"]
        assert await ask(broker, "DELETE", "faults?number=1") == (200, {"cleared": 1})
        assert [row.number for row in broker.simulator.faults.active()] == [2]
        assert await ask(broker, "DELETE", "faults") == (200, {"cleared": 1})
        assert await ask(broker, "DELETE", "faults") == (200, {"cleared": 0})


async def test_a_fault_that_happens_at_once_reaches_the_sockets() -> None:
    async with simulated_broker() as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await broker.until_sockets(1)
        status, answer = await ask(broker, "POST", "faults", {"fault": "close", "code": 1001})
        assert (status, answer["number"]) == (200, 0)
        assert await socket.until_closed() == 1001
        await ask(broker, "POST", "faults", {"fault": "expire-tokens"})
        await wait_until(lambda: not broker.simulator.sessions.valid_tokens(), "no token is valid")


async def test_the_clock_is_set_and_accelerated() -> None:
    async with simulated_broker() as broker:
        assert await ask(broker, "POST", "clock", {"now": "2026-12-01 15:20"}) == (
            200,
            {"now": "2026-12-01T15:20:00+05:30", "speed": 0.0},
        )
        status, answer = await ask(broker, "POST", "clock", {"speed": 60})
        assert (status, answer["speed"]) == (200, 60.0)
        assert broker.clock.speed == 60.0


async def test_an_order_update_is_sent_and_listed() -> None:
    order = {"order_id": "42", "tradingsymbol": "INFY", "exchange": "NSE", "instrument_token": INFY, "quantity": 3}
    async with simulated_broker() as broker, raw_socket(broker.stream_url, broker.accounts[0]) as socket:
        await broker.until_sockets(1)
        status, answer = await ask(broker, "POST", "orders", {"api_key": "simulated1", "order": order})
        assert (status, answer) == (200, {"sockets": 1})
        data = await socket.text("order")
        assert (data["order_id"], data["quantity"], data["unfilled_quantity"]) == ("42", 3, 2)
        connection = await connect(broker.rest_url)
        async with connection.stream:
            listed = await connection.call("GET", "/orders", headers={"Authorization": "token simulated1:token1"})
        assert listed.data == [data]


@pytest.mark.parametrize(
    "method, path, document, words",
    [
        ("POST", "faults", {"fault": "earthquake"}, "there is no fault 'earthquake'; there is silent, no-data"),
        ("POST", "faults", {}, "there is no fault None"),
        ("POST", "faults", {"fault": "slow", "wait": 1}, "the fault 'slow' has no 'wait'; it has api_key, socket"),
        ("POST", "faults", {"fault": "slow", "delay": "long"}, "delay is float, not 'long'"),
        ("POST", "faults", {"fault": "slow", "socket": 1.5}, "socket is int or null, not 1.5"),
        ("POST", "faults", {"fault": "slow", "socket": True}, "socket is int or null, not True"),
        ("POST", "faults", [1], "the body is a JSON object"),
        ("POST", "clock", {"time": 1}, "the clock has now and speed, not 'time'"),
        ("POST", "clock", {"now": "noon"}, "'noon' is not a market time like"),
        ("POST", "clock", {"now": "2200-01-01 11:00"}, "market time lies between 1990 and 2100"),
        ("POST", "clock", {"speed": -1}, "the speed of the market clock is a number from 0"),
        ("POST", "clock", {"speed": "fast"}, "speed is float, not 'fast'"),
        ("POST", "orders", {"api_key": "simulated1", "order": {"order_id": "1"}}, "an order needs 'tradingsymbol'"),
        ("POST", "orders", {"api_key": "simulated1"}, "an order is a JSON object"),
        ("DELETE", "faults?number=two", None, "number is a whole number, not 'two'"),
    ],
)
async def test_what_is_not_understood_is_told_in_a_sentence(
    method: str, path: str, document: object, words: str
) -> None:
    async with simulated_broker() as broker:
        status, answer = await ask(broker, method, path, document)
        assert (status, list(answer)) == (400, ["error"])
        assert words in answer["error"]
        assert broker.simulator.faults.active() == []
        assert broker.clock.speed == 0


async def test_an_order_for_nobody() -> None:
    order = {"order_id": "1", "tradingsymbol": "INFY", "exchange": "NSE", "instrument_token": INFY}
    async with simulated_broker() as broker:
        status, answer = await ask(broker, "POST", "orders", {"api_key": "nobody", "order": order})
    assert (status, answer["error"]) == (400, "there is no account with the api_key 'nobody'")


async def test_a_body_that_is_not_json_or_does_not_say_so_is_refused() -> None:
    async with simulated_broker() as broker:
        connection = await connect(broker.rest_url)
        async with connection.stream:
            form = await connection.call("POST", "/simulator/clock", form={"speed": "9"})
            head = b"POST /simulator/clock HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            await connection.send(head + b"Content-Length: 1\r\n\r\n{")
            broken = await connection.receive()
            nowhere = await connection.call("GET", "/simulator/nowhere")
    assert (form.status, broken.status, nowhere.status) == (400, 400, 404)
    assert "Content-Type: application/json" in form.json["error"]
    assert broken.json["error"].startswith("the body is not JSON")
    assert "GET /simulator/state" in nowhere.json["error"]


@pytest.mark.parametrize("name", sorted(FAULT_TYPES))
def test_every_fault_has_a_name_and_goes_there_and_back(name: str) -> None:
    fault = parse_fault({"fault": name})
    assert type(fault) is FAULT_TYPES[name]
    document = fault_document(fault)
    assert document == {"fault": name, **asdict(fault)}
    assert parse_fault(document) == fault
    with pytest.raises(ControlError, match="has no 'nonsense'"):
        parse_fault({**document, "nonsense": 1})
