"""What a store of before each broker's data were told apart holds of a simulator or a mock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from tickertui.kite.instruments_csv import format_instruments
from tickertui.market.instruments import Instrument, InstrumentKind, InstrumentTable
from tickertui.market.universe import MADE_UP_FROM, load_universe, universe_instruments
from tickertui.services.contracts.foreign_contracts import find_foreign
from tickertui.store.identity import LATEST, ForeignData, HistoryRegion
from tickertui.store.protocol import ContractKey

TODAY = date(2026, 11, 30)
EXPIRY = date(2026, 12, 1)
UNIVERSE = load_universe()
NIFTY = 256265
DAYS = [TODAY - timedelta(days=number) for number in (5, 4, 3)]
SIMULATED_DAY = date(2026, 11, 24)


def real_option(number: int, strike: float, expiry: date = EXPIRY) -> Instrument:
    """As the broker numbers them: one after the other, by no rule."""
    return Instrument(
        token=number << 8 | 2, tradingsymbol=f"NIFTY26D01{strike:g}CE", name="NIFTY", kind=InstrumentKind.CALL,
        segment="NFO-OPT", exchange="NFO", expiry=expiry, strike=strike, tick_size=0.05, lot_size=65,
        exchange_token=number,
    )  # fmt: skip


REAL = [real_option(61_201 + place, 25_000 + 50 * place) for place in range(60)]
REAL_DUMP = format_instruments(InstrumentTable.from_instruments(REAL))
REAL_KEYS: list[ContractKey] = [(row.token, row.expiry) for row in REAL]


def simulated(day: date, underlying: str = "NIFTY", count: int = 40) -> list[ContractKey]:
    """Contracts of one expiry around the money, as a rule takes them from the simulator's list."""
    table = universe_instruments(UNIVERSE, day)
    chain = table.chain(underlying, table.expiries_of(underlying)[0])
    assert chain is not None
    middle = len(chain.strikes) // 2
    tokens = chain.call_tokens[middle - count // 2 : middle + count // 2].tolist()
    return [(token, table.expiries_of(underlying)[0]) for token in tokens]


def simulated_dump(day: date) -> bytes:
    return format_instruments(universe_instruments(UNIVERSE, day))


def found(stored: dict[ContractKey, Sequence[date]], dump: tuple[date, bytes] | None = None) -> ForeignData:
    return find_foreign(stored, dump, UNIVERSE, TODAY)


def contracts(foreign: ForeignData) -> set[ContractKey]:
    return {(region.token, region.expiry) for region in foreign.regions}


def stored(keys: Sequence[ContractKey], days: Sequence[date]) -> dict[ContractKey, Sequence[date]]:
    return dict.fromkeys(keys, days)


def test_a_brokers_own_store_is_left_alone() -> None:
    own = {**stored(REAL_KEYS, DAYS), (NIFTY, None): DAYS}
    assert found(own, (TODAY, REAL_DUMP)).is_empty
    assert found(own).is_empty, "without a kept dump as well"
    assert found({}).is_empty


def test_contracts_numbered_as_the_simulators_are_found_beside_the_brokers() -> None:
    theirs = simulated(SIMULATED_DAY)
    mixed = {**stored(REAL_KEYS, DAYS), **stored(theirs, [SIMULATED_DAY])}
    assert contracts(found(mixed)) == set(theirs)
    assert contracts(found(mixed, (TODAY, REAL_DUMP))) == set(theirs)
    assert all(region == HistoryRegion(region.token, region.expiry) for region in found(mixed).regions)


def test_of_an_index_the_simulators_days_go_for_both_use_its_number() -> None:
    theirs = stored(simulated(SIMULATED_DAY), [SIMULATED_DAY])
    foreign = found({**stored(REAL_KEYS, DAYS), **theirs, (NIFTY, None): [SIMULATED_DAY, *DAYS]})
    of_index = [region for region in foreign.regions if region.token == NIFTY]
    assert of_index == [HistoryRegion(NIFTY, None, SIMULATED_DAY, SIMULATED_DAY)]
    assert (SIMULATED_DAY, SIMULATED_DAY) in foreign.volatility_days


def test_a_few_numbers_that_fall_into_a_made_up_block_prove_nothing() -> None:
    few = simulated(SIMULATED_DAY)[:5]
    assert found(stored(few, [SIMULATED_DAY])).is_empty
    # The broker's own numbers fill the block and meet some of the made-up ones by chance.
    token, expiry = simulated(SIMULATED_DAY)[0]
    start = (token >> 8) - ((token >> 8) - MADE_UP_FROM) % 2048
    crowd = [((start + number) << 8 | 2, expiry) for number in range(0, 2048, 3)]
    assert found(stored(crowd, [SIMULATED_DAY])).is_empty


def test_the_brokers_list_decides_where_a_contract_is_in_it() -> None:
    """Numbers that the broker lists with this expiry are the broker's, whatever they look like."""
    alike = simulated(SIMULATED_DAY)
    assert alike[0][1] is not None
    listed = [real_option(token >> 8, 25_000 + 50 * place, alike[0][1]) for place, (token, _) in enumerate(alike)]
    padding = [real_option(150_000 + place, 100 + place) for place in range(200)]
    dump = format_instruments(InstrumentTable.from_instruments([*listed, *padding]))
    assert found(stored(alike, [SIMULATED_DAY]), (TODAY, dump)).is_empty


def test_contracts_that_the_broker_does_not_list_are_not_its_own() -> None:
    gone = [real_option(90_000 + place, 20_000 + 50 * place, date(2026, 12, 29)) for place in range(3)]
    keys: list[ContractKey] = [(row.token, row.expiry) for row in gone]
    foreign = found({**stored(REAL_KEYS, DAYS), **stored(keys, DAYS)}, (TODAY, REAL_DUMP))
    assert contracts(foreign) == set(keys)


def test_expired_contracts_of_the_broker_stay() -> None:
    expired = [real_option(50_000 + place, 25_000 + 50 * place, date(2026, 11, 17)) for place in range(40)]
    keys: list[ContractKey] = [(row.token, row.expiry) for row in expired]
    assert found({**stored(REAL_KEYS, DAYS), **stored(keys, [date(2026, 11, 13)])}, (TODAY, REAL_DUMP)).is_empty


def test_days_to_come_are_nobodys() -> None:
    later = TODAY + timedelta(days=20)
    foreign = found({**stored(REAL_KEYS, [*DAYS, later]), (NIFTY, None): [later]}, (later, REAL_DUMP))
    assert foreign.dump
    first = TODAY + timedelta(days=1)
    assert set(foreign.regions) == {HistoryRegion(*key, first, LATEST) for key in [*REAL_KEYS, (NIFTY, None)]}


def test_a_simulators_list_of_contracts_is_known_by_its_numbers() -> None:
    assert found({}, (SIMULATED_DAY, simulated_dump(SIMULATED_DAY))).dump
    assert not found({}, (TODAY, REAL_DUMP)).dump


def test_a_list_that_cannot_be_read_is_the_registrys_to_tell() -> None:
    assert found({}, (TODAY, b"no dump at all")).is_empty


def test_a_real_list_of_the_broker_is_not_taken_for_a_simulators() -> None:
    rows = np.random.default_rng(3).permutation(np.arange(35_001, 165_000))[:40_000]
    table = InstrumentTable.from_instruments([real_option(int(row), 100.0 + place) for place, row in enumerate(rows)])
    foreign = found(stored([(int(row) << 8 | 2, EXPIRY) for row in rows], DAYS), (TODAY, format_instruments(table)))
    assert foreign.is_empty
