"""Operations on what the trader asked for: single subscriptions, chain rules, and where the last plan put them."""

# ruff: noqa: S608 - what is put into the statements are constants of this module

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from tickertui.market.configured_rules import ConfiguredChanges, match_entries
from tickertui.market.subscriptions import (
    Assignment,
    ChainRule,
    SubscriptionRecord,
    SubscriptionStatus,
    parse_mode,
)
from tickertui.market.ticks import Mode
from tickertui.store.operation import (
    Exclusive,
    Many,
    Operation,
    Row,
    Statement,
    Value,
    day_number,
    day_of_number,
    instant_of_micros,
    micros,
)
from tickertui.store.protocol import KEEP, Keep, PlanChanges, StoreUnreadable

_RECORDS = """
SELECT s.token, s.tradingsymbol, s.segment, s.expiry, s.mode, s.status, s.reason, s.preferred_account, a.account,
       s.created_at, s.updated_at
FROM subscriptions s LEFT JOIN assignments a ON a.token = s.token AND a.expiry = s.expiry
"""

# The bare column names on the right are those of the row that is there; the excluded ones are the new row's.
_UPSERT = """
INSERT INTO subscriptions AS old
    (token, tradingsymbol, segment, expiry, mode, status, reason, preferred_account, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, 'active', '', ?, ?, ?)
ON CONFLICT (token) DO UPDATE SET
    tradingsymbol = excluded.tradingsymbol, segment = excluded.segment, expiry = excluded.expiry,
    mode = excluded.mode, status = 'active', reason = '', updated_at = excluded.updated_at,
    created_at = CASE WHEN old.expiry = excluded.expiry THEN old.created_at ELSE excluded.created_at END,
    preferred_account = {preferred}
"""
_UPSERT_PINNED = _UPSERT.format(preferred="excluded.preferred_account")
_UPSERT_KEEPING = _UPSERT.format(
    preferred="CASE WHEN old.expiry = excluded.expiry THEN old.preferred_account ELSE NULL END"
)

_ENTRY_COLUMNS = "underlying, expiry_count, expiries, strikes, mode, preferred_account, include_future"
_RULE_COLUMNS = f"{_ENTRY_COLUMNS}, enabled"


def list_records(*, active_only: bool) -> Operation[list[SubscriptionRecord]]:
    """Return subscriptions in their order."""
    where = "WHERE s.status = 'active' " if active_only else ""
    rows = yield Statement(f"{_RECORDS} {where}ORDER BY s.created_at, s.token")
    return [_record(row) for row in rows]


def get_record(token: int) -> Operation[SubscriptionRecord | None]:
    """Return one subscription."""
    rows = yield Statement(f"{_RECORDS} WHERE s.token = ?", (token,))
    return _record(rows[0]) if rows else None


def upsert_record(
    now: datetime,
    token: int,
    tradingsymbol: str,
    segment: str,
    expiry: date | None,
    mode: Mode,
    preferred_account: str | Keep | None,
) -> Operation[bool]:
    """Add or renew a subscription; always a change."""
    keeps = preferred_account is KEEP
    at, expires = micros(now), day_number(expiry)
    pin = None if isinstance(preferred_account, Keep) else preferred_account
    values = (token, tradingsymbol, segment, expires, mode.label, pin, at, at)
    yield Statement(_UPSERT_KEEPING if keeps else _UPSERT_PINNED, values)
    yield Statement("DELETE FROM assignments WHERE token = ? AND expiry <> ?", (token, expires))
    return True


def deactivate_record(now: datetime, token: int, reason: str, status: SubscriptionStatus) -> Operation[bool]:
    """End an active subscription; whether there was one."""
    rows = yield Statement(
        "UPDATE subscriptions SET status = ?, reason = ?, updated_at = ? WHERE token = ? AND status = 'active' "
        "RETURNING token",
        (status.value, reason, micros(now), token),
    )
    return bool(rows)


def list_rules() -> Operation[list[ChainRule]]:
    """Return the rules in the order of their numbers."""
    rows = yield Statement(f"SELECT rule_id, {_RULE_COLUMNS} FROM rules ORDER BY rule_id")
    return [_rule(row) for row in rows]


def add_rule(now: datetime, rule: ChainRule) -> Operation[int]:
    """Store a rule and return its number."""
    rows = yield Statement(
        f"INSERT INTO rules ({_RULE_COLUMNS}, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "RETURNING rule_id",
        (*_rule_values(rule), micros(now), micros(now)),
    )
    return int(rows[0][0])


def update_rule(now: datetime, rule: ChainRule) -> Operation[bool]:
    """Replace a rule; whether there was one."""
    rows = yield Statement(
        "UPDATE rules SET underlying = ?, expiry_count = ?, expiries = ?, strikes = ?, mode = ?, "
        "preferred_account = ?, include_future = ?, enabled = ?, updated_at = ? WHERE rule_id = ? RETURNING rule_id",
        (*_rule_values(rule), micros(now), rule.rule_id),
    )
    return bool(rows)


def remove_rule(rule_id: int) -> Operation[bool]:
    """Drop a rule; whether there was one."""
    rows = yield Statement("DELETE FROM rules WHERE rule_id = ? RETURNING rule_id", (rule_id,))
    return bool(rows)


def list_configured(origin: str) -> Operation[list[ChainRule]]:
    """Return the remembered entries of a configuration in their order, each with the number of its rule."""
    rows = yield Statement(
        f"SELECT rule_id, {_ENTRY_COLUMNS}, 1 FROM configured_rules WHERE origin = ? ORDER BY place", (origin,)
    )
    return [_rule(row, "configured_rules") for row in rows]


def sync_configured(
    now: datetime, origin: str, entries: Sequence[ChainRule], before: Sequence[ChainRule]
) -> Operation[ConfiguredChanges]:
    """Make the rules what a configuration says, and remember its entries; see `Store.sync_configured_rules`."""
    yield Exclusive("configured rules")
    remembered = yield from list_configured(origin)
    changes = match_entries(entries, remembered or before, (yield from list_rules()))
    for rule, wanted in changes.replaced:
        if wanted.rule_id == rule.rule_id:
            yield from update_rule(now, wanted)
        else:
            yield from remove_rule(rule.rule_id)
    rows: list[tuple[Value, ...]] = []
    for place, match in enumerate(changes.matches):
        rule_id = (yield from add_rule(now, match.entry)) if match.rule_id is None else match.rule_id
        rows.append((origin, place, rule_id, *_entry_values(match.entry)))
    yield Statement("DELETE FROM configured_rules WHERE origin = ?", (origin,))
    if rows:
        yield Many(
            f"INSERT INTO configured_rules (origin, place, rule_id, {_ENTRY_COLUMNS}) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
    return changes


def list_assignments() -> Operation[list[Assignment]]:
    """Return where the last plan put each contract."""
    rows = yield Statement("SELECT token, expiry, account, connection FROM assignments ORDER BY token")
    return [
        Assignment(token, day_of_number(expiry), account, connection) for token, expiry, account, connection in rows
    ]


def save_plan(now: datetime, changes: PlanChanges) -> Operation[None]:
    """Write a plan's changes."""
    at = micros(now)
    yield Exclusive("plan")
    if changes.released:
        yield Many("DELETE FROM assignments WHERE token = ?", [(token,) for token in changes.released])
    if changes.assigned:
        yield Many(
            "INSERT INTO assignments (token, expiry, account, connection) VALUES (?, ?, ?, ?) ON CONFLICT (token) "
            "DO UPDATE SET expiry = excluded.expiry, account = excluded.account, connection = excluded.connection",
            [(one.token, day_number(one.expiry), one.account, one.connection) for one in changes.assigned],
        )
    if changes.expired:
        yield Many(
            "UPDATE subscriptions SET status = 'expired', reason = ?, updated_at = ? "
            "WHERE token = ? AND status <> 'expired'",
            [(reason, at, token) for token, reason in changes.expired],
        )


def read_revision() -> Operation[int]:
    """Return the number of changes so far."""
    rows = yield Statement("SELECT revision FROM store_state")
    return int(rows[0][0])


def next_revision() -> Operation[int]:
    """Count a change."""
    rows = yield Statement("UPDATE store_state SET revision = revision + 1 RETURNING revision")
    return int(rows[0][0])


def _record(row: Row) -> SubscriptionRecord:
    token, tradingsymbol, segment, expiry, mode, status, reason, preferred, assigned, created, updated = row
    return SubscriptionRecord(
        token=token,
        tradingsymbol=tradingsymbol,
        segment=segment,
        expiry=day_of_number(expiry),
        mode=Mode[mode.upper()],
        status=SubscriptionStatus(status),
        reason=reason,
        preferred_account=preferred,
        assigned_account=assigned,
        created_at=instant_of_micros(created),
        updated_at=instant_of_micros(updated),
    )


def _rule(row: Row, table: str = "rules") -> ChainRule:
    rule_id, underlying, expiry_count, expiries, strikes, mode, preferred, include_future, enabled = row
    try:
        return ChainRule(
            rule_id=rule_id,
            underlying=underlying,
            expiry_count=expiry_count,
            expiries=tuple(date.fromisoformat(text) for text in expiries.split()),
            strikes=strikes,
            mode=parse_mode(mode),
            preferred_account=preferred,
            include_future=bool(include_future),
            enabled=bool(enabled),
        )
    except ValueError as error:
        raise StoreUnreadable(
            f"rule {rule_id} in the database cannot be used ({error}); correct or delete its row in the table {table}"
        ) from error


def _rule_values(rule: ChainRule) -> tuple[Value, ...]:
    return (*_entry_values(rule), int(rule.enabled))


def _entry_values(rule: ChainRule) -> tuple[Value, ...]:
    return (
        rule.underlying,
        rule.expiry_count,
        " ".join(expiry.isoformat() for expiry in rule.expiries),
        rule.strikes,
        rule.mode.label,
        rule.preferred_account,
        int(rule.include_future),
    )
