"""`ensure_rules`: the rules of the configuration, or of the demo, are in the store before anything is planned.

The engine calls it once at the start. What an entry means for the stored rules, `tickertui.market.configured_rules`
says; the store carries it out and remembers the entries.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from anyio import to_thread

from tickertui.market.configured_rules import ConfiguredChanges
from tickertui.market.subscriptions import ChainRule
from tickertui.services.supervision.events import EventLog
from tickertui.store.protocol import Store

DEMO_RULES: Final = (
    ChainRule(0, "NIFTY", 3, (), 40),
    ChainRule(0, "BANKNIFTY", 1, (), 40),
    ChainRule(0, "SENSEX", 2, (), 40),
)
"""What the demo and a first run without an account watch."""


async def add_demo_rules(store: Store) -> None:
    """Store the demo's rules, so that there is something to look at."""
    for rule in DEMO_RULES:
        await store.add_rule(rule)


async def ensure_rules(store: Store, events: EventLog, origin: str, entries: Sequence[ChainRule], seen: Path) -> None:
    """Make the stored rules what the configuration says, and say what that changed.

    Args:
        store: Where the rules are.
        events: Told of replaced rules, and of entries that are gone.
        origin: Names the configuration.
        entries: Its rules.
        seen: File in which versions up to schema 1 remembered the texts of entries; read once, then deleted.

    Raises:
        StoreError: When the store cannot be read or written.
    """
    texts = await to_thread.run_sync(_read_seen, seen)
    before = () if texts is None else entries_of_texts(texts, entries, await store.list_rules())
    changes = await store.sync_configured_rules(origin, entries, before)
    if texts is not None:
        with suppress(OSError):
            await to_thread.run_sync(seen.unlink)
    _tell(changes, events)


def _tell(changes: ConfiguredChanges, events: EventLog) -> None:
    for rule, wanted in changes.replaced:
        events.add("rule", f"[[rules]] was edited: {rule.describe()} is now {wanted.describe()}")
    for entry in changes.released:
        words = f"{entry.describe()} is not in the configuration any more; its rule stays until it is dropped here"
        events.add("rule", f"[[rules]]: {words}")


# ---------------------------------------------------------------------- what was remembered up to schema 1


def entries_of_texts(
    texts: Sequence[str], entries: Sequence[ChainRule], stored: Sequence[ChainRule]
) -> tuple[ChainRule, ...]:
    """Return what a configuration said the last time, from the texts by which that was remembered.

    They did not tell years apart: where a rule of the same text is stored that no entry asks for, the entry is the
    edited form of it. An entry of a text without a rule was dropped by the trader. What else was remembered counts
    where its rule is there and entries of its underlying are left: the order of the entries was not kept.
    """
    asked, stored_texts = set(entries), {old_text(rule) for rule in stored}
    others = [rule for rule in stored if rule not in asked and old_text(rule) in texts]
    earlier, left = [], set()
    for entry in entries:
        rule = next((candidate for candidate in stored if candidate == entry), None)
        if rule is None:
            rule = next((candidate for candidate in others if old_text(candidate) == old_text(entry)), None)
            others = [candidate for candidate in others if candidate is not rule]
        if old_text(entry) not in texts or (rule is None and old_text(entry) in stored_texts):
            left.add(entry.underlying)
        else:
            earlier.append(entry if rule is None else rule)
    return (*earlier, *(rule for rule in others if rule.underlying in left))


def old_text(rule: ChainRule) -> str:
    """Return the text that a rule was remembered by: without years."""
    when = ", ".join(f"{expiry:%d %b}" for expiry in rule.expiries) or f"next {rule.expiry_count}"
    width = "all strikes" if rule.strikes is None else f"ATM±{rule.strikes}"
    where = f" @{rule.preferred_account}" if rule.preferred_account else ""
    future = "" if rule.include_future else " without future"
    return f"{rule.underlying} {when} {width} {rule.mode.label}{where}{future}"


def _read_seen(path: Path) -> list[str] | None:
    """The remembered texts; None without a file, none of a file that cannot be read."""
    try:
        texts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return []
    return [text for text in texts if isinstance(text, str)] if isinstance(texts, list) else []
