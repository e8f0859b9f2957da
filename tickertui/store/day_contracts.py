"""Operations on the contracts of the day, on tokens whose terms changed, and on what follows a new name.

What is stored under a token from before its terms changed stays where it is; the reading operations leave it out
(`tickertui.store.history`).
"""

# ruff: noqa: S608 - what is put into the statements are constants of this module

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Final

from tickertui.market.contract_terms import Renaming, Terms, TermsChange
from tickertui.market.instruments import InstrumentKind
from tickertui.market.subscriptions import SubscriptionRecord
from tickertui.store.operation import Many, Operation, Statement, day_number, day_of_number, midnight
from tickertui.store.protocol import ContractNews, Followed
from tickertui.store.subscriptions import list_records, list_rules, update_rule

_TERMS: Final = "tradingsymbol, name, kind, exchange, expiry, strike, lot_size, is_another"
_SYMBOL: Final = "UPDATE subscriptions SET tradingsymbol = ? WHERE token = ? AND status = 'active'"
_KEEP_IV: Final = (
    "INSERT INTO daily_volatility (underlying, day, atm_iv) SELECT ?, day, atm_iv FROM daily_volatility "
    "WHERE underlying = ? ON CONFLICT (underlying, day) DO NOTHING"
)


def save_instruments(now: datetime, day: date, packed: bytes, news: ContractNews) -> Operation[Followed]:
    """Replace the kept dump, note changed terms, and let what is stored follow new names."""
    yield Statement(
        "INSERT INTO instrument_dump (only_row, day, csv) VALUES (1, ?, ?) "
        "ON CONFLICT (only_row) DO UPDATE SET day = excluded.day, csv = excluded.csv",
        (day_number(day), packed),
    )
    if news.terms:
        yield from _note_changes(news.terms)
    rules = yield from _follow_names(now, news.renamed)
    legs = yield from _follow_legs(news)
    return Followed(rules, legs)


def load_instruments() -> Operation[tuple[date, bytes] | None]:
    """Return the kept dump and its day."""
    rows = yield Statement("SELECT day, csv FROM instrument_dump")
    if not rows:
        return None
    day = day_of_number(rows[0][0])
    assert day is not None
    return day, bytes(rows[0][1])


def read_terms_changes() -> Operation[dict[int, TermsChange]]:
    """Return the last change of each token's terms."""
    rows = yield Statement(f"SELECT token, since, {_TERMS} FROM terms_changes ORDER BY token")
    found = {}
    for token, since, symbol, name, kind, exchange, expiry, strike, lot_size, is_another in rows:
        first_day = day_of_number(since)
        assert first_day is not None
        terms = Terms(symbol, name, InstrumentKind(kind), exchange, day_of_number(expiry), strike, lot_size)
        found[token] = TermsChange(token, first_day, terms, bool(is_another))
    return found


def _note_changes(changes: Sequence[TermsChange]) -> Operation[None]:
    """Keep each; of two of a token the later one, and of equally late ones the first: another terminal was quicker."""
    yield Many(
        f"INSERT INTO terms_changes AS old (token, since, start, {_TERMS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (token) DO UPDATE SET since = excluded.since, start = excluded.start, "
        "tradingsymbol = excluded.tradingsymbol, name = excluded.name, kind = excluded.kind, "
        "exchange = excluded.exchange, expiry = excluded.expiry, strike = excluded.strike, "
        "lot_size = excluded.lot_size, is_another = excluded.is_another WHERE excluded.since > old.since",
        [
            (
                change.token,
                day_number(change.since),
                midnight(change.since),
                change.before.tradingsymbol,
                change.before.name,
                int(change.before.kind),
                change.before.exchange,
                day_number(change.before.expiry),
                change.before.strike,
                change.before.lot_size,
                int(change.is_another),
            )
            for change in changes
        ],
    )
    yield Many("DELETE FROM history_failures WHERE token = ?", [(change.token,) for change in changes])


def _follow_names(now: datetime, renamed: Sequence[Renaming]) -> Operation[tuple[tuple[int, str, str], ...]]:
    """Change what is stored under names that became exactly one other; return (rule, old name, new name) of rules."""
    if not renamed:
        return ()
    followed = []
    for rule in (yield from list_rules()):
        name = _name_now(rule.underlying, renamed)
        if name is not None:
            yield from update_rule(now, replace(rule, underlying=name))
            followed.append((rule.rule_id, rule.underlying, name))
    for (before,) in (yield Statement("SELECT DISTINCT underlying FROM daily_volatility ORDER BY underlying")):
        after = _name_now(before, renamed)
        if after is not None:
            yield Statement(_KEEP_IV, (after, before))
            yield Statement("DELETE FROM daily_volatility WHERE underlying = ?", (before,))
    return tuple(followed)


def _name_now(name: str, renamed: Sequence[Renaming]) -> str | None:
    return next((after for renaming in renamed if (after := renaming.follow(name)) is not None), None)


def _follow_legs(news: ContractNews) -> Operation[tuple[SubscriptionRecord, ...]]:
    """Let single subscriptions go by the symbols of now; return those that something happened to, as they were."""
    if not (news.terms or news.symbols):
        return ()
    changed = {change.token for change in news.terms}
    records = yield from list_records(active_only=True)
    legs = [record for record in records if record.token in changed or _is_renamed(record, news.symbols)]
    symbols = [(news.symbols[leg.token], leg.token) for leg in legs if leg.token in news.symbols]
    if symbols:
        yield Many(_SYMBOL, symbols)
    return tuple(legs)


def _is_renamed(record: SubscriptionRecord, symbols: Mapping[int, str]) -> bool:
    return symbols.get(record.token, record.tradingsymbol) != record.tradingsymbol
