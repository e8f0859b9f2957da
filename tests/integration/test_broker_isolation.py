"""A simulator used as its print-out says touches nothing of the real broker's: the real program, as processes."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.support.live_program import Broker, Headless, run_program

REAL_CONFIG = '[[accounts]]\nid = "Z1"\napi_key = "realkey"\n'
TOKEN = '{"access_token": "real", "user_id": "AB1234", "saved_at": "2026-11-30T08:30:00+05:30"}'


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    home = tmp_path / "tickertui"
    return {**kept, "TICKERTUI_Z1_API_SECRET": "secret1", "HOME": str(tmp_path), "TICKERTUI_HOME": str(home)}


@pytest.fixture
def home(environ: dict[str, str]) -> Path:
    return Path(environ["TICKERTUI_HOME"])


@pytest.fixture
def real(environ: dict[str, str], tmp_path: Path, home: Path) -> Path:
    """The configuration of the real broker, with its database, a rule in it, and a token of today."""
    config = tmp_path / "real.toml"
    config.write_text(REAL_CONFIG)
    added = run_program(environ, "subs", "add", "BANKNIFTY", "--config", str(config))
    assert added.returncode == 0, added.stderr
    tokens = home / "state" / "tokens"
    tokens.mkdir(parents=True)
    (tokens / "session-Z1.json").write_text(TOKEN)
    return config


def simulated(broker: Broker, tmp_path: Path, more: str = "") -> Path:
    config = tmp_path / "simulator.toml"
    config.write_text(f"{broker.configuration()}\n{more}")
    return config


def log_in(environ: dict[str, str], broker: Broker, config: Path) -> None:
    done = run_program(environ, "login", "Z1", "--config", str(config), typed=broker.request_token(1))
    assert done.returncode == 0, done.stderr


def paths_of(environ: dict[str, str], config: Path) -> dict[str, Path]:
    """What `config path` says."""
    done = run_program(environ, "config", "path", "--config", str(config))
    assert done.returncode == 0, done.stderr
    return {line[:9].strip(): Path(line[9:]) for line in done.stdout.splitlines()}


def content(database: Path) -> dict[str, list[Any]]:
    connection = sqlite3.connect(database)
    try:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    finally:
        connection.close()


def test_a_simulator_used_as_its_print_out_says_leaves_the_real_data_alone(
    environ: dict[str, str], tmp_path: Path, home: Path, real: Path
) -> None:
    database = home / "data" / "tickertui.db"
    before = content(database)
    assert before["broker"] == [(1, "kite", "Kite", 0)]
    broker = Broker(environ, at="2026-08-18 11:00")
    try:
        config = simulated(broker, tmp_path, '[[rules]]\nunderlying = "NIFTY"\nstrikes = 2\n[history]\ndays = 1\n')
        log_in(environ, broker, config)
        paths = paths_of(environ, config)
        with Headless(environ, config) as program:
            program.until(lambda record: _ticks(record) > 0, "instruments tick")
            program.until(lambda record: _candles(paths["database"]) > 0, "candles are stored")
            program.stop()
    finally:
        broker.stop()

    assert content(database) == before
    assert (home / "state" / "tokens" / "session-Z1.json").read_text() == TOKEN
    assert paths["database"] == home / "data" / "brokers" / "simulator-seed-7-calm" / "tickertui.db"
    assert (paths["tokens"] / "session-Z1.json").exists()
    assert paths["tokens"].is_relative_to(home / "state" / "brokers")
    own = content(paths["database"])
    assert own["broker"][0][1] == "simulator seed 7, calm"
    assert own["instrument_dump"]
    assert own["candles"]
    assert [row[1] for row in own["rules"]] == ["NIFTY"], "rule memory of its own"


def _ticks(record: dict[str, Any]) -> int:
    return sum(int(account["ticking"]) for account in record.get("accounts", ()))


def _candles(database: Path) -> int:
    return len(content(database)["candles"])


def test_what_a_simulator_left_in_the_real_database_is_set_aside_at_the_first_start(
    environ: dict[str, str], tmp_path: Path, home: Path, real: Path
) -> None:
    broker = Broker(environ, at="2026-11-24 11:00")
    try:
        config = simulated(broker, tmp_path, '[[rules]]\nunderlying = "NIFTY"\nstrikes = 8\n[history]\ndays = 2\n')
        log_in(environ, broker, config)
        theirs = paths_of(environ, config)["database"]
        with Headless(environ, config) as program:
            program.until(lambda record: _candles(theirs) > 0, "candles are stored")
            program.until(lambda record: _contracts(theirs) >= 38, "all contracts and the indices have candles")
            program.stop()
    finally:
        broker.stop()
    # As every version before this one left it: one database for all, and nothing in it says whose.
    database = home / "data" / "tickertui.db"
    database.unlink()
    theirs.rename(database)
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM broker")
    connection.close()
    before = content(database)

    first = run_program(environ, "subs", "list", "--config", str(real))
    assert first.returncode == 0, first.stderr
    assert f"{len(before['candles']):,} candles of" in first.stderr
    assert "and the kept contracts of the day were of another market or of days to come" in first.stderr
    assert first.stderr.count("\n") == 1
    assert "NIFTY" in first.stdout, "rules are the trader's"
    after = content(database)
    assert after["broker"][0][1] == "kite"
    assert (after["candles"], after["coverage"], after["candle_days"], after["instrument_dump"]) == ([], [], [], [])
    assert [row[1:] for row in after["set_aside_candles"]] == before["candles"], "nothing is lost"
    assert run_program(environ, "subs", "list", "--config", str(real)).stderr == "", "once"


def _contracts(database: Path) -> int:
    return len({row[0] for row in content(database)["candles"]})


def test_the_same_simulated_market_is_found_again_on_other_ports(environ: dict[str, str], tmp_path: Path) -> None:
    for expected in (["nothing is subscribed"], ["rule 1", "NIFTY"]):
        broker = Broker(environ)
        try:
            config = simulated(broker, tmp_path)
            listed = run_program(environ, "subs", "list", "--config", str(config))
            assert all(words in listed.stdout for words in expected), (listed.stdout, listed.stderr)
            run_program(environ, "subs", "add", "NIFTY", "--config", str(config))
        finally:
            broker.stop()


def test_the_real_database_named_in_store_url_is_refused_to_a_simulator_and_the_other_way(
    environ: dict[str, str], tmp_path: Path, home: Path, real: Path
) -> None:
    database = home / "data" / "tickertui.db"
    before = content(database)
    broker = Broker(environ)
    try:
        store = f"[store]\nurl = {json.dumps(str(database))}\n"
        config = simulated(broker, tmp_path, store)
        for command in (["subs", "list"], ["headless"]):
            refused = run_program(environ, *command, "--config", str(config))
            assert refused.returncode == 3
            assert "holds data of Kite, and this configuration is for the simulated market" in refused.stderr
            assert "take store.url out" in refused.stderr
            assert refused.stderr.count("\n") == 1
        config.write_text(broker.configuration())
        run_program(environ, "subs", "list", "--config", str(config))
        theirs = paths_of(environ, config)["database"]
    finally:
        broker.stop()
    assert content(database) == before
    real.write_text(f"{REAL_CONFIG}[store]\nurl = {json.dumps(str(theirs))}\n")
    refused = run_program(environ, "subs", "list", "--config", str(real))
    assert refused.returncode == 3
    assert "holds data of the simulated market" in refused.stderr


def test_a_start_without_an_account_does_not_touch_the_real_data(
    environ: dict[str, str], tmp_path: Path, home: Path, real: Path
) -> None:
    database = home / "data" / "tickertui.db"
    before = content(database)
    none = tmp_path / "none.toml"
    none.write_text("")
    added = run_program(environ, "subs", "add", "SENSEX", "--config", str(none))
    assert added.returncode == 0, added.stderr
    assert content(database) == before
    assert paths_of(environ, none)["database"] == home / "data" / "brokers" / "mock" / "tickertui.db"


def test_the_mock_keeps_the_rules_that_it_made_before_it_had_a_database_of_its_own(
    environ: dict[str, str], tmp_path: Path, home: Path, real: Path
) -> None:
    database = home / "data" / "tickertui.db"
    none = tmp_path / "none.toml"
    none.write_text('[[rules]]\nunderlying = "BANKNIFTY"\n')
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM broker")
    connection.close()
    rules = run_program(environ, "subs", "list", "--config", str(none))
    assert "BANKNIFTY" in rules.stdout
    assert content(database)["broker"] == [], "the old one stays as it is"
    with Headless(environ, none) as program:
        program.until(lambda record: record["type"] == "status" and record["instruments"] > 0, "the mock runs")
        program.stop()
    assert run_program(environ, "subs", "list", "--config", str(none)).stdout == rules.stdout, "no rule comes twice"


def test_the_mock_takes_nothing_from_the_brokers_database(environ: dict[str, str], tmp_path: Path, real: Path) -> None:
    none = tmp_path / "none.toml"
    none.write_text("")
    assert "BANKNIFTY" not in run_program(environ, "subs", "list", "--config", str(none)).stdout


def test_where_the_data_are_is_said_to_be_unknown_while_the_simulator_is_away(
    environ: dict[str, str], tmp_path: Path
) -> None:
    config = tmp_path / "away.toml"
    address = 'api_url = "http://127.0.0.1:9"\nstream_url = "ws://127.0.0.1:9"\nclock_url = "http://127.0.0.1:9/s"\n'
    config.write_text(f"[broker]\n{address}{REAL_CONFIG}")
    done = run_program(environ, "config", "path", "--config", str(config))
    assert done.returncode == 0
    assert "database not known: broker.clock_url: http://127.0.0.1:9/s does not answer" in done.stdout


def test_a_simulators_clock_is_not_taken_for_the_real_brokers(
    environ: dict[str, str], tmp_path: Path, real: Path
) -> None:
    real.write_text(f'[broker]\nclock_url = "http://127.0.0.1:9/simulator/state"\n{REAL_CONFIG}')
    refused = run_program(environ, "subs", "list", "--config", str(real))
    assert refused.returncode == 2
    assert refused.stderr.startswith("broker.clock_url is for a simulator")
