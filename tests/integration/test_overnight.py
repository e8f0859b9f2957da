"""Two days of the real program at the simulated broker, whose list of contracts is another one on the second."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakes import chain_of, index_of, table_of
from tests.support.live_program import Broker, Headless, run_program
from tickertui.kite.instruments_csv import format_instruments
from tickertui.market.candles import Interval
from tickertui.market.clock import IST, ManualClock
from tickertui.market.instruments import Instrument, InstrumentKind
from tickertui.store.open import open_store
from tickertui.store.protocol import Store

EXPIRY = date(2026, 12, 29)
MONDAY, TUESDAY = date(2026, 11, 30), date(2026, 12, 1)
MONDAY_EVENING, TUESDAY_MORNING = "2026-11-30 16:30", "2026-12-01 09:40"
NIFTY = chain_of("NIFTY", EXPIRY, [24_100.0 + 50 * place for place in range(8)], first=46_000)
INDEX = index_of("NIFTY 50", 256265)
CEMENT = chain_of("PQRCEM", EXPIRY, [1_560.0 + 20 * place for place in range(5)], first=46_500, lot_size=350)
CEMENT_SHARE = Instrument(46_900 << 8 | 1, "PQRCEM", "PQRCEM", InstrumentKind.EQUITY, "NSE", "NSE")


def split(leg: Instrument) -> Instrument:
    strike = (leg.strike or 0.0) / 2
    symbol = f"PQRCEM261229{strike:g}{leg.kind.label}"
    return replace(leg, strike=strike, lot_size=2 * leg.lot_size, tradingsymbol=symbol)


def renamed(leg: Instrument, name: str) -> Instrument:
    return replace(leg, name=name, tradingsymbol=leg.tradingsymbol.replace(leg.name, name))


@dataclass
class Desk:
    """A trader's machine over several days."""

    environ: dict[str, str]
    folder: Path

    @contextmanager
    def day(self, at: str, *contracts: Instrument | Sequence[Instrument]) -> Iterator[Path]:
        """A simulated broker of a day, everybody logged in; gives the configuration for it."""
        csv, config = self.folder / "day.csv", self.folder / "simulator.toml"
        csv.write_bytes(format_instruments(table_of(INDEX, NIFTY, *contracts)))
        broker = Broker(self.environ, at=at, instruments=csv)
        try:
            config.write_text(f"{broker.configuration()}\n[history]\ndays = 2\n")
            for account in (1, 2):
                typed = broker.request_token(account)
                done = run_program(self.environ, "login", f"Z{account}", "--config", str(config), typed=typed)
                assert done.returncode == 0, done.stderr
            yield config
        finally:
            broker.stop()

    def add(self, config: Path, *words: str) -> None:
        done = run_program(self.environ, "subs", "add", *words, "--config", str(config))
        assert done.returncode == 0, done.stderr

    def listed(self, config: Path) -> str:
        return run_program(self.environ, "subs", "list", "--config", str(config)).stdout

    def load_contracts(self, config: Path) -> None:
        """Run once, so that names can be looked up."""
        database = self.database(config)
        with Headless(self.environ, config) as program:
            program.until(lambda _: _has_contracts(database), "the contracts are stored")
            program.stop()

    def database(self, config: Path) -> Path:
        done = run_program(self.environ, "config", "path", "--config", str(config))
        return next(Path(line[9:]) for line in done.stdout.splitlines() if line.startswith("database"))

    async def store(self, config: Path) -> Store:
        return await open_store(self.database(config), ManualClock(datetime(2026, 12, 1, 9, 40, tzinfo=IST)))


def _has_contracts(database: Path) -> bool:
    with closing(sqlite3.connect(database)) as connection:
        return bool(connection.execute("SELECT COUNT(*) FROM instrument_dump").fetchone()[0])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    secrets = {"TICKERTUI_Z1_API_SECRET": "secret1", "TICKERTUI_Z2_API_SECRET": "secret2"}
    home = {"HOME": str(tmp_path), "TICKERTUI_HOME": str(tmp_path / "tickertui"), "PYTHONUTF8": "1"}
    return Desk({**kept, **secrets, **home}, tmp_path)


def streams(record: dict[str, Any], legs: int) -> bool:
    """Whether so many legs are in the plan; indices come along with them."""
    return record["type"] == "status" and legs <= record["instruments"] <= legs + 5 and not record["unresolved"]


async def test_after_a_split_nothing_of_the_day_before_is_taken_for_the_contract_of_now(desk: Desk) -> None:
    with desk.day(MONDAY_EVENING, CEMENT_SHARE, CEMENT) as config:
        desk.load_contracts(config)
        desk.add(config, "PQRCEM", "--strikes", "all")
        desk.add(config, "NIFTY", "--strikes", "all")
        desk.add(config, "--symbol", f"NFO:{CEMENT[4].tradingsymbol}")
        with Headless(desk.environ, config) as program:
            program.until_said("the history is there", timeout=120)
            program.stop()
        store = await desk.store(config)
        interest = {token for token, _ in await store.open_interest_on(MONDAY)}
        assert {leg.token for leg in (*CEMENT, *NIFTY)} <= interest
        await store.close()

    with desk.day(TUESDAY_MORNING, CEMENT_SHARE, [split(leg) for leg in CEMENT]) as config:
        with Headless(desk.environ, config) as program:
            said = program.until_said("strikes: PQRCEM 1,560 → 780 and so on (10 contracts)")
            assert "lots: PQRCEM 350 → 700 (10 contracts)" in said["text"]
            program.until_said(
                "PQRCEM2612291600CE (strike 1,600, lot 350) is now PQRCEM261229800CE (strike 800, lot 700): your "
                "single leg follows it"
            )
            program.until(lambda record: streams(record, 26), "both chains and the single leg among them stream")
            program.stop()
        listed = desk.listed(config)
        assert "PQRCEM261229800CE full  until 01 Dec 2026 PQRCEM2612291600CE (strike 1,600, lot 350)" in listed
        store = await desk.store(config)
        interest = {token for token, _ in await store.open_interest_on(MONDAY)}
        assert interest.isdisjoint(leg.token for leg in CEMENT), "nothing to measure a change from"
        assert {leg.token for leg in NIFTY} <= interest, "the others are what they were"
        midnight = datetime(2026, 12, 1, tzinfo=IST)
        for leg in (*CEMENT, CEMENT_SHARE):
            key = (leg.token, leg.expiry, Interval.MINUTE)
            assert not len(await store.candles(*key, datetime(2026, 11, 1, tzinfo=IST), midnight))
        spans = await store.coverage(Interval.MINUTE)
        assert all(start >= midnight.timestamp() for leg in CEMENT for start, _ in spans.get((leg.token, EXPIRY), ()))
        await store.close()


def test_a_rule_follows_a_new_name_and_its_legs_stream_on(desk: Desk) -> None:
    old = chain_of("OLDCO", EXPIRY, [95.0, 100.0, 105.0], first=57_500, lot_size=1_500)
    share = Instrument(57_900 << 8 | 1, "OLDCO", "OLDCO", InstrumentKind.EQUITY, "NSE", "NSE")
    with desk.day("2026-11-30 11:00", share, old) as config:
        desk.load_contracts(config)
        desk.add(config, "OLDCO", "--strikes", "all")
        desk.add(config, "--symbol", f"NFO:{old[0].tradingsymbol}")
        with Headless(desk.environ, config) as program:
            program.until(lambda record: streams(record, 6), "legs and share stream")
            program.stop()
    with desk.day(TUESDAY_MORNING, renamed(share, "NEWCO"), [renamed(leg, "NEWCO") for leg in old]) as config:
        with Headless(desk.environ, config) as program:
            program.until_said("names: OLDCO is now NEWCO (6 contracts)")
            program.until_said("follows: OLDCO is now NEWCO")
            program.until_said(f"{old[0].tradingsymbol} is now NEWCO26122995CE: your single leg follows it")
            program.until(
                lambda record: streams(record, 8) and not record["unresolved"],
                "the same legs stream under the new name",
            )
            program.stop()
        listed = desk.listed(config)
        assert "NEWCO next 1 all strikes full" in listed
        assert "OLDCO" not in listed


def test_an_exchange_without_hours_and_one_that_is_gone_impede_nothing(desk: Desk) -> None:
    brent = chain_of("BRENT", EXPIRY, [70.0, 71.0, 72.0], first=41_014, exchange="IFSC", code=11, lot_size=100)
    abroad = index_of("HANGSENG", 45_900 << 8 | 9, "GLOBAL")
    with desk.day("2026-11-30 11:00", brent, abroad) as config:
        desk.load_contracts(config)
        desk.add(config, "BRENT", "--strikes", "all")
        desk.add(config, "NIFTY", "--strikes", "all")
        for _ in range(2):  # the second start finds rule and contracts stored
            with Headless(desk.environ, config) as program:
                program.until(lambda record: streams(record, 22), "both chains stream")
                program.stop()
    january = chain_of("NIFTY", date(2027, 1, 26), [24_200.0, 24_250.0], first=45_014)
    with desk.day(TUESDAY_MORNING, brent, january) as config:
        desk.add(config, "NIFTY", "--strikes", "all", "--expiries", "2")
        with Headless(desk.environ, config) as program:
            program.until_said("no contract any more of: GLOBAL", timeout=120)
            program.until(lambda record: streams(record, 26), "the new expiry is there", timeout=120)
            program.stop()
