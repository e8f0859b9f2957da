"""The broker's text messages, and the messages this program sends."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import sample
from tickertui.kite.messages import (
    AppCode,
    BrokerError,
    BrokerMessage,
    InstrumentsMeta,
    OrderUpdate,
    UnknownText,
    parse_text,
)
from tickertui.kite.subscribing import changes
from tickertui.market.ticks import Mode


def test_an_order_update() -> None:
    order = {
        "order_id": "220303000308932", "status": "REJECTED", "tradingsymbol": "SBIN", "exchange": "NSE",
        "instrument_token": 779521, "transaction_type": "BUY", "quantity": 10, "filled_quantity": 0,
        "average_price": 470.5, "status_message": "Insufficient funds", "parent_order_id": None,
    }  # fmt: skip
    assert parse_text(json.dumps({"type": "order", "id": "", "data": order})) == OrderUpdate(
        "220303000308932", "REJECTED", "SBIN", "NSE", 779521, "BUY", 10, 0, 470.5, "Insufficient funds"
    )


def test_an_order_update_with_holes() -> None:
    update = parse_text('{"type":"order","data":{"order_id":7,"quantity":"x","average_price":null}}')
    assert isinstance(update, OrderUpdate)
    assert (update.order_id, update.status, update.quantity, update.instrument_token) == ("7", "", 0, 0)
    assert math.isnan(update.average_price)


def test_the_brokers_published_postback() -> None:
    update = parse_text(json.dumps({"type": "order", "data": json.loads(sample("postback.json").read_text())}))
    assert isinstance(update, OrderUpdate)
    assert (update.order_id, update.status) == ("220303000308932", "COMPLETE")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"error","data":"Error parsing instrument tokens."}', BrokerError("Error parsing instrument tokens.")),
        ('{"type":"error","data":{"message":"no"}}', BrokerError("no")),
        ('{"type":"message","data":"Markets\\n  open at 9:15"}', BrokerMessage("Markets open at 9:15")),
        ('{"type":"message","data":{"a":1}}', BrokerMessage('{"a": 1}')),
        ('{"type":"instruments_meta","data":{"count":90517,"etag":"W/\\"x\\""}}', InstrumentsMeta(90517, 'W/"x"')),
        ('{"type":"app_code","timestamp":"2023-05-30T13:31:46+05:30"}', AppCode("2023-05-30T13:31:46+05:30")),
        ("nonsense", UnknownText("not JSON", "nonsense")),
        ("[1]", UnknownText("not an object", "[1]")),
        ('{"type":"order"}', UnknownText("a message of type 'order' without its data", '{"type":"order"}')),
        ('{"type":"hello"}', UnknownText("type 'hello' is not known", '{"type":"hello"}')),
        ('{"type":["order"]}', UnknownText("type \"['order']\" is not known", '{"type":["order"]}')),
    ],
)
def test_each_type_and_what_is_none(text: str, message: object) -> None:
    assert parse_text(text) == message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=5), children, max_size=4),
    max_leaves=10,
)
kinds = st.sampled_from(("order", "error", "message", "instruments_meta", "app_code", "other"))
orders = st.dictionaries(
    st.sampled_from(("order_id", "quantity", "average_price", "status", "count", "etag", "message")), json_values
)


@settings(deadline=None)
@given(st.text() | st.builds(lambda kind, data: json.dumps({"type": kind, "data": data}), kinds, json_values | orders))
def test_nothing_the_broker_sends_raises(text: str) -> None:
    message = parse_text(text)
    assert len(repr(message)) < 5_000


modes = st.dictionaries(st.integers(1, 40), st.sampled_from((Mode.LTP, Mode.QUOTE, Mode.FULL)), max_size=30)


@settings(deadline=None)
@given(sent=modes, desired=modes)
def test_the_messages_lead_from_what_was_sent_to_what_is_desired(
    sent: dict[int, Mode], desired: dict[int, Mode]
) -> None:
    broker = dict(sent)
    told = dict(sent)
    subscribed: set[int] = set()
    for message in changes(sent, desired):
        content = json.loads(message.text)
        value = content["v"]
        if content["a"] == "subscribe":
            assert message.subscribes
            assert not set(value) & set(broker)
            broker.update(dict.fromkeys(value, Mode.QUOTE))
            subscribed |= set(value)
        elif content["a"] == "unsubscribe":
            for token in value:
                del broker[token]
        else:
            assert set(value[1]) <= set(broker)
            broker.update(dict.fromkeys(value[1], Mode[value[0].upper()]))
        # The broker's limit is never passed on the way.
        assert len(broker) <= max(len(sent), len(desired))
        told.update(message.modes)
        assert {token: mode for token, mode in told.items() if mode} == broker
    assert broker == desired
    assert subscribed == set(desired) - set(sent)


def test_the_number_of_messages_does_not_grow_with_the_tokens() -> None:
    assert len(list(changes({}, dict.fromkeys(range(1, 3001), Mode.FULL)))) == 6
    assert len(list(changes(dict.fromkeys(range(1, 3001), Mode.FULL), {}))) == 3
    assert list(changes({1: Mode.FULL}, {1: Mode.FULL})) == []
