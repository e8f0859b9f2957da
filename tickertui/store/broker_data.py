"""Operations on whose data a store holds, and on setting aside what is of another market.

Run by `tickertui.store.base.SqlStore`; who decides is `tickertui.services.contracts.store_owner`. What is set aside
moves into tables of its own within the same transaction: nothing reads it there, nothing is lost.
"""

# ruff: noqa: S608 - what is put into the statements are constants of this module

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final

from tickertui.store.identity import DataOwner, ForeignData, HistoryRegion, SetAside
from tickertui.store.operation import Exclusive, Many, Operation, Statement, day_number, day_of_number, micros, midnight
from tickertui.store.protocol import ContractKey, Span

_DAY_S: Final = 86_400
_OF_CONTRACT: Final = "token = ? AND expiry = ?"
_CANDLES: Final = "token, expiry, seconds, start, open, high, low, close, volume, oi"


def read_owner() -> Operation[DataOwner | None]:
    """Return whose data these are, None while nobody has claimed them."""
    rows = yield Statement("SELECT identity, name, latest_day FROM broker")
    return DataOwner(rows[0][0], rows[0][1], day_of_number(rows[0][2])) if rows else None


def claim_data(owner: DataOwner) -> Operation[DataOwner]:
    """Note whose data these are where nobody has, and return whose they are then."""
    yield Exclusive("broker")
    yield Statement(
        "INSERT INTO broker (only_row, identity, name, latest_day) VALUES (1, ?, ?, ?) "
        "ON CONFLICT (only_row) DO NOTHING",
        (owner.identity, owner.name, day_number(owner.latest_day)),
    )
    found = yield from read_owner()
    assert found is not None
    return found


def note_day(day: date) -> Operation[None]:
    """Note the day of a market whose clock can be set back."""
    yield Statement("UPDATE broker SET latest_day = ?", (day_number(day),))


def stored_days() -> Operation[dict[ContractKey, list[date]]]:
    """Return the days of which candles of any length are stored, ascending, by contract."""
    rows = yield Statement("SELECT DISTINCT token, expiry, day FROM candle_days ORDER BY token, expiry, day")
    found: dict[ContractKey, list[date]] = {}
    for token, expiry, number in rows:
        day = day_of_number(number)
        assert day is not None
        found.setdefault((token, day_of_number(expiry)), []).append(day)
    return found


def contracts_from(day: date) -> Operation[list[ContractKey]]:
    """Return the contracts with candles, coverage or facts of a day or later ones."""
    number = day_number(day)
    rows = yield Statement(
        "SELECT token, expiry FROM candle_days WHERE day >= ? UNION SELECT token, expiry FROM coverage WHERE stop > ? "
        "UNION SELECT token, expiry FROM session_candles WHERE start >= ? "
        "UNION SELECT token, expiry FROM daily_open_interest WHERE day >= ? "
        "UNION SELECT token, expiry FROM terms_changes WHERE since >= ?",
        (number, midnight(day), midnight(day), number, number),
    )
    return [(token, day_of_number(expiry)) for token, expiry in rows]


def set_aside(at: datetime, foreign: ForeignData) -> Operation[SetAside]:
    """Move what is of another market out of the way; coverage and failures of it are forgotten."""
    numbers = yield Statement(
        "INSERT INTO set_aside (set_aside_at, reason) VALUES (?, ?) RETURNING number", (micros(at), foreign.reason)
    )
    number = int(numbers[0][0])
    candles, contracts = 0, set()
    for region in foreign.regions:
        moved = yield from _set_region_aside(number, region)
        candles += moved
        if moved:
            contracts.add((region.token, region.expiry))
    for first, last in foreign.volatility_days:
        days = (day_number(first), day_number(last))
        yield Statement(
            "INSERT INTO set_aside_volatility (number, underlying, day, atm_iv) SELECT ?, underlying, day, atm_iv "
            "FROM daily_volatility WHERE day >= ? AND day <= ? ON CONFLICT DO NOTHING",
            (number, *days),
        )
        yield Statement("DELETE FROM daily_volatility WHERE day >= ? AND day <= ?", days)
    if foreign.dump:
        yield Statement(
            "INSERT INTO set_aside_dump (number, day, csv) SELECT ?, day, csv FROM instrument_dump", (number,)
        )
        # The changes of terms that this dump brought are another market's as well.
        yield Statement("DELETE FROM terms_changes WHERE since >= (SELECT day FROM instrument_dump)")
        yield Statement("DELETE FROM instrument_dump")
        yield Statement("DELETE FROM assignments")  # the next plan places everything anew
    return SetAside(candles, len(contracts), foreign.dump)


def _set_region_aside(number: int, region: HistoryRegion) -> Operation[int]:
    contract = (region.token, day_number(region.expiry))
    days = (*contract, day_number(region.first), day_number(region.last))
    span = (midnight(region.first), midnight(region.last) + _DAY_S)
    between = f"{_OF_CONTRACT} AND start >= ? AND start < ?"
    yield Statement(
        f"INSERT INTO set_aside_candles (number, {_CANDLES}) SELECT ?, {_CANDLES} FROM candles WHERE {between} "
        "ON CONFLICT DO NOTHING",
        (number, *contract, *span),
    )
    yield Statement(f"DELETE FROM candles WHERE {between}", (*contract, *span))
    yield Statement(
        f"INSERT INTO set_aside_candles (number, {_CANDLES}) SELECT ?, {_CANDLES} FROM session_candles "
        f"WHERE {between} ON CONFLICT DO NOTHING",
        (number, *contract, *span),
    )
    yield Statement(f"DELETE FROM session_candles WHERE {between}", (*contract, *span))
    on_days = f"{_OF_CONTRACT} AND day >= ? AND day <= ?"
    counted = yield Statement(f"DELETE FROM candle_days WHERE {on_days} RETURNING stored", days)
    yield Statement(
        "INSERT INTO set_aside_open_interest (number, day, token, expiry, oi) SELECT ?, day, token, expiry, oi "
        f"FROM daily_open_interest WHERE {on_days} ON CONFLICT DO NOTHING",
        (number, *days),
    )
    yield Statement(f"DELETE FROM daily_open_interest WHERE {on_days}", days)
    yield Statement(f"DELETE FROM history_failures WHERE {_OF_CONTRACT}", contract)
    # What changed on a day that is set aside has not changed yet: the contract of before is the one of now.
    yield Statement("DELETE FROM terms_changes WHERE token = ? AND since >= ? AND since <= ?", (contract[0], *days[2:]))
    yield from _uncover(contract, span)
    return sum(row[0] for row in counted)


def _uncover(contract: tuple[int, int], span: Span) -> Operation[None]:
    """Forget that a span is complete; what lies before and behind it stays so."""
    start, stop = span
    cut = yield Statement(
        f"DELETE FROM coverage WHERE {_OF_CONTRACT} AND start < ? AND stop > ? RETURNING seconds, start, stop",
        (*contract, stop, start),
    )
    left = [(seconds, *part) for seconds, first, last in cut for part in _outside((first, last), span)]
    if left:
        yield Many(
            "INSERT INTO coverage (token, expiry, seconds, start, stop) VALUES (?, ?, ?, ?, ?)",
            [(*contract, *row) for row in left],
        )


def _outside(covered: Span, cut: Span) -> Iterable[Span]:
    parts: Sequence[Span] = ((covered[0], min(covered[1], cut[0])), (max(covered[0], cut[1]), covered[1]))
    return [part for part in parts if part[0] < part[1]]
