"""Which broker a configuration is about, and where its data lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from tickertui.kite.secrets import Secret
from tickertui.settings.broker import broker_of
from tickertui.settings.model import AccountSettings, BrokerSettings, Settings
from tickertui.settings.paths import Paths
from tickertui.store.identity import BrokerKind

ACCOUNT = AccountSettings("Z1", Secret("simulated1"))
PATHS = Paths(Path("/c"), Path("/d"), Path("/s"))


def settings(*, api_url: str, stream_url: str, clock_url: str = "") -> Settings:
    broker = BrokerSettings(api_url=api_url, stream_url=stream_url, clock_url=clock_url)
    return Settings(accounts=(ACCOUNT,), broker=broker)


def at(port: int, host: str = "127.0.0.1") -> Settings:
    return settings(
        api_url=f"http://{host}:{port}",
        stream_url=f"ws://{host}:{port + 1}",
        clock_url=f"http://{host}:{port}/simulator/state",
    )


def test_the_brokers_own_data_lie_where_they_always_have() -> None:
    broker = broker_of(Settings(accounts=(ACCOUNT,)))
    paths = PATHS.of(broker)
    assert broker.kind is BrokerKind.KITE
    assert paths.database_file == Path("/d/tickertui.db")
    assert paths.tokens_dir == Path("/s/tokens")
    assert paths.seen_rules_file == Path("/s/config-rules.json")


def test_without_an_account_there_is_only_the_mock() -> None:
    broker = broker_of(Settings())
    assert broker.kind is BrokerKind.MOCK
    assert PATHS.of(broker).database_file == Path("/d/brokers/mock/tickertui.db")


def test_a_simulated_market_is_the_same_on_every_port_and_another_by_its_name() -> None:
    first, second = broker_of(at(8765), "seed 7, calm"), broker_of(at(40123), "seed 7, calm")
    other = broker_of(at(8765), "seed 8, calm")
    assert first.kind is BrokerKind.SIMULATOR
    assert first == second
    assert first.key != other.key
    paths = PATHS.of(first)
    assert paths.database_file == Path("/d/brokers/simulator-seed-7-calm/tickertui.db")
    assert paths.tokens_dir == Path("/s/brokers/simulator-seed-7-calm/tokens")
    assert paths.log_file == PATHS.log_file, "the log is the installation's"


def test_every_other_address_is_a_broker_of_its_own() -> None:
    brokers = [
        broker_of(settings(api_url="http://10.0.0.5:9000", stream_url="ws://10.0.0.5:9001")),
        broker_of(settings(api_url="http://10.0.0.5:9002", stream_url="ws://10.0.0.5:9001")),
        broker_of(settings(api_url="http://10.0.0.6:9000", stream_url="ws://10.0.0.6:9001")),
        broker_of(settings(api_url="https://desk.example/kite", stream_url="wss://desk.example")),
        broker_of(settings(api_url="https://api.kite.trade", stream_url="ws://127.0.0.1:1")),
    ]
    assert {broker.kind for broker in brokers} == {BrokerKind.ADDRESS}
    assert len({broker.key for broker in brokers}) == len({broker.folder for broker in brokers}) == len(brokers)
    assert brokers[0].folder == "10.0.0.5-9000"


def test_what_another_server_says_of_itself_does_not_count() -> None:
    """The clock's server shows its own market, not that of the quotes."""
    elsewhere = settings(
        api_url="http://127.0.0.1:9000", stream_url="ws://127.0.0.1:9001", clock_url="http://127.0.0.1:8765/x"
    )
    assert broker_of(elsewhere, "seed 7, calm").kind is BrokerKind.ADDRESS


def test_no_password_is_part_of_a_name() -> None:
    broker = broker_of(settings(api_url="http://me:hidden@10.0.0.5:9000", stream_url="ws://10.0.0.5:9001"))
    assert "hidden" not in f"{broker}"


@pytest.mark.parametrize("market", ["../../etc", "x" * 300, "Über / Markt", "a\\b:c*?"])
def test_a_name_from_outside_is_a_plain_folder(market: str) -> None:
    folder = broker_of(at(8765), market).folder
    assert Path(folder).name == folder
    assert folder.startswith("simulator")
    assert len(folder) <= 80
