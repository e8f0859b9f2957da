"""The database server goes away under the running program, and comes back: ticks go on, and subscriptions again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.test_live_program import broker, environ
from tests.support.live_program import Broker, run_program
from tests.support.postgres import PostgresCluster, postgres_cluster, postgres_location
from tests.support.terminals import in_terminal

__all__ = ["broker", "environ", "postgres_cluster", "postgres_location"]

SPOT = re.compile(r"NIFTY ([\d,]+\.\d\d)")
"""The first line's price of the index."""


@pytest.mark.timeout(90)
def test_ticks_go_on_without_the_database_and_subscriptions_work_again_after_its_return(
    environ: dict[str, str],
    broker: Broker,
    postgres_cluster: PostgresCluster,
    postgres_location: str,
    tmp_path: Path,
) -> None:
    if postgres_cluster.control is None:
        pytest.skip("the server was given, so it is not ours to crash")
    path = tmp_path / "simulator.toml"
    rules = '\n[[rules]]\nunderlying = "NIFTY"\nstrikes = 5\n[history]\nenabled = false\n'
    path.write_text(f'{broker.configuration()}{rules}[store]\nurl = "{postgres_location}"\n')
    config = ("--config", str(path))
    for account in (1, 2):
        login = run_program(environ, "login", f"Z{account}", *config, typed=broker.request_token(account))
        assert login.returncode == 0, login.stderr
    with in_terminal(list(config), environ) as terminal:
        terminal.until_painted("LIVE")
        terminal.until_painted("subscribed 27")
        with postgres_cluster.control.crashed():
            terminal.until_painted("DATABASE AWAY")
            terminal.output = ""
            terminal.until(lambda: len(set(SPOT.findall(terminal.text))) > 2, "the index ticks without the database")
            refused = run_program(environ, "subs", "add", "BANKNIFTY", "--strikes", "5", *config)
            assert refused.returncode != 0
            assert refused.stderr.count("\n") == 1, refused.stderr
        terminal.output = ""
        added = run_program(environ, "subs", "add", "BANKNIFTY", "--strikes", "5", *config)
        assert added.returncode == 0, added.stderr
        terminal.until_painted("23 added; 27 unchanged")
        terminal.type_until_painted("q", "50 instruments stream")
        terminal.type("\r")
        assert terminal.wait() == 0
