"""What a new day's contracts mean for what is stored, and what the trader is told of it.

The `InstrumentRegistry` writes `news_of` with the dump and says `sentences` about what came of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from tickertui.market.contract_terms import Terms, TermsChange
from tickertui.market.subscriptions import SubscriptionRecord
from tickertui.services.contracts.day_contracts import DayContracts
from tickertui.services.contracts.differences import Differences
from tickertui.store.protocol import ContractNews, Followed


def news_of(changes: Differences) -> ContractNews:
    """Return what of the differences the store must know."""
    return ContractNews(changes.terms, changes.renamed, changes.symbols)


def sentences(followed: Followed, changes: Differences, contracts: DayContracts) -> Iterator[str]:
    """Say what happened to each rule and single subscription.

    Args:
        followed: What the store changed.
        changes: From the contracts before.
        contracts: Those in force now.
    """
    for number, before, after in followed.rules:
        yield f"rule {number} follows: {before} is now {after}"
    for renaming in changes.renamed:
        if renaming.contracts and not renaming.is_clear:
            yield f"{renaming}: which one a rule on {renaming.before} means is not clear; drop it and add another"
    change_of = {change.token: change for change in changes.terms}
    for leg in followed.legs:
        yield _of_leg(leg, change_of.get(leg.token), contracts)


def _of_leg(leg: SubscriptionRecord, change: TermsChange | None, contracts: DayContracts) -> str:
    instrument = contracts.get(leg.token)
    if instrument is None:
        return f"{leg.tradingsymbol}: not among the contracts any more"
    now = Terms.of(instrument)
    if change is None:
        return f"{leg.tradingsymbol} is now {now.tradingsymbol}: your single leg follows it"
    if change.is_another:
        return (
            f"{change.before.describe()}: its token names {now.describe()} now, which is another contract and not "
            "subscribed; add what you want anew"
        )
    return (
        f"{change.before.describe()} is now {now.describe()}: your single leg follows it; its history and its change "
        "in open interest begin anew"
    )
