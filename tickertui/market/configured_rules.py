"""`match_entries`: what the ``[[rules]]`` of a configuration mean for the rules that are stored.

An entry has no name. One that says the same as before is the same entry, wherever it stands; of the others, an entry
is the edited form of the one of the same underlying, else of the one that stood at its place. The stores call this in
the transaction in which they carry it out (`Store.sync_configured_rules`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tickertui.frozen import frozen
from tickertui.market.subscriptions import ChainRule

_MAY_CHANGE = ("underlying", "strikes", "mode", "preferred_account", "include_future")


@frozen
class EntryMatch:
    """An entry and its rule.

    Attributes:
        entry: As the configuration has it.
        rule_id: Of the rule that stands for it, also of one that the trader has dropped; None for one to be added.
    """

    entry: ChainRule
    rule_id: int | None


@frozen
class ConfiguredChanges:
    """What a configuration changes.

    Attributes:
        matches: Every entry once, in the order of the configuration.
        replaced: Rules that take on what their edited entry says: (as stored, as it is to be).
        released: Entries that are gone from the configuration while their rules are there; these stay.
    """

    matches: tuple[EntryMatch, ...] = ()
    replaced: tuple[tuple[ChainRule, ChainRule], ...] = ()
    released: tuple[ChainRule, ...] = ()

    @property
    def added(self) -> tuple[ChainRule, ...]:
        """Entries that become new rules."""
        return tuple(match.entry for match in self.matches if match.rule_id is None)

    def __bool__(self) -> bool:
        """Whether a rule is added, changed or dropped."""
        return bool(self.added or self.replaced)


def match_entries(
    entries: Sequence[ChainRule], remembered: Sequence[ChainRule], stored: Sequence[ChainRule]
) -> ConfiguredChanges:
    """Compare a configuration with what it said before.

    What the trader has changed in the program since stays, except where the entry's edit is about just that; what was
    dropped stays dropped until its entry says something else. A rule that says the same already stands for an entry.

    Args:
        entries: Of the configuration.
        remembered: What the entries said when they were last looked at, in their order, each with the number of its
            rule; 0 for one that had none any more.
        stored: The rules that are there.
    """
    return _Matching(entries, remembered, stored).changes()


class _Matching:
    """One comparison."""

    def __init__(
        self, entries: Sequence[ChainRule], remembered: Sequence[ChainRule], stored: Sequence[ChainRule]
    ) -> None:
        self._entries = tuple(dict.fromkeys(entries))
        self._rules = {rule.rule_id: rule for rule in stored}
        self._earlier = dict(enumerate(remembered))
        self._replaced: list[tuple[ChainRule, ChainRule]] = []

    def changes(self) -> ConfiguredChanges:
        rule_ids: dict[ChainRule, int | None] = {}
        for entry in self._entries:
            place = next((place for place, one in self._earlier.items() if one == entry), None)
            if place is not None:
                rule_ids[entry] = self._earlier.pop(place).rule_id
        for entry, earlier in self._edited([entry for entry in self._entries if entry not in rule_ids]):
            rule_ids[entry] = self._rule_of(entry, earlier)
        return ConfiguredChanges(
            matches=tuple(EntryMatch(entry, rule_ids[entry]) for entry in self._entries),
            replaced=tuple(self._replaced),
            released=tuple(one for one in self._earlier.values() if one.rule_id in self._rules),
        )

    def _edited(self, changed: Sequence[ChainRule]) -> Iterator[tuple[ChainRule, ChainRule | None]]:
        """Yield what is not as before with what it was, None for what is new: first by underlying, then by place."""
        others = []
        for entry in changed:
            place = next((place for place, one in self._earlier.items() if one.underlying == entry.underlying), None)
            if place is None:
                others.append(entry)
            else:
                yield entry, self._earlier.pop(place)
        for entry in others:
            yield entry, self._earlier.pop(self._entries.index(entry), None)

    def _rule_of(self, entry: ChainRule, earlier: ChainRule | None) -> int | None:
        rule = None if earlier is None else self._rules.get(earlier.rule_id)
        wanted = entry if rule is None or earlier is None else _edited_rule(rule, earlier, entry)
        same = next((one for one in self._rules.values() if one == wanted), None)
        if rule is None:
            return None if same is None else same.rule_id
        if same is None:
            self._replaced.append((rule, wanted))
            self._rules[rule.rule_id] = wanted
            return rule.rule_id
        if same.rule_id != rule.rule_id:
            self._replaced.append((rule, same))
            del self._rules[rule.rule_id]
        return same.rule_id


def _edited_rule(rule: ChainRule, earlier: ChainRule, entry: ChainRule) -> ChainRule:
    """Return a rule with what an entry's edit changed, and with everything else as it is."""
    edited = {name: getattr(entry, name) for name in _MAY_CHANGE if getattr(entry, name) != getattr(earlier, name)}
    if (entry.expiry_count, entry.expiries) != (earlier.expiry_count, earlier.expiries):
        edited |= {"expiry_count": entry.expiry_count, "expiries": entry.expiries}
    return replace(rule, **edited)
